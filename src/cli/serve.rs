//! `packorigin serve`: runs until the first SIGTERM or SIGINT.

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Result};

/// Runs the origin.
pub(super) async fn serve(config: Config) -> Result<()> {
    let (telemetry, metrics) = super::telemetry(&config)?;
    let app = App::start(&config, &metrics).await?;
    tracing::info!(
        playback = %app.playback_address,
        control = %app.control_address,
        base_url = app.base_url,
        data_dir = %config.data_dir.display(),
        "packorigin serves"
    );
    stop_signal().await?;
    tracing::info!("stopping: open requests are finished first");
    app.stop().await;
    telemetry.shutdown().await;
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
pub(super) async fn stop_signal() -> Result<()> {
    let cannot = |error| Error::internal("signals cannot be received").caused_by(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
