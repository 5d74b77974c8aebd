//! The sockets of the key server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Settings;
use super::routes::{Hangup, router};
use crate::error::{Error, Result};

/// A client must have sent its request's head by then.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept, which mostly means that there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long open requests may take after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(2);

/// Listens. Refuses addresses that other machines reach unless `allow_remote`: whoever connects
/// gets every key.
pub async fn bind(address: SocketAddr, allow_remote: bool) -> Result<TcpListener> {
    let is_remote = !address.ip().is_loopback();
    if is_remote && !allow_remote {
        let message = format!(
            "--listen {address}: other machines can connect there, and this server gives every key \
             to everybody; listen on 127.0.0.1, or say --allow-remote if that is what you want"
        );
        return Err(Error::invalid("listen", message));
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let message = format!("--listen {address}: cannot listen there; is the port taken?");
        Error::invalid("listen", message).caused_by(error)
    })?;
    // Port 0 is some other port now.
    let address = listener.local_addr().unwrap_or(address);
    let whom = if is_remote { "EVERYBODY ON THE NETWORK" } else { "every program here" };
    tracing::warn!(
        %address,
        "this key server gives every key to {whom}: never use it for content that matters"
    );
    Ok(listener)
}

/// Serves until `shutdown` turns true or its sender is gone, and then until open requests are
/// answered.
pub async fn serve(listener: TcpListener, settings: Settings, mut shutdown: watch::Receiver<bool>) {
    let router = router(Arc::new(settings));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let answer = router.call(request.map(Body::new));
            async move {
                let answer = answer.await?;
                // An error of the service closes the connection without a word.
                match answer.extensions().get::<Hangup>() {
                    Some(hangup) => Err(hangup.clone()),
                    None => Ok(answer),
                }
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Clients hang up as they like; there is nothing to tell anyone.
            let _ = connection.await;
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests to the key server were still open when it stopped");
    }
}
