//! `packorigin key-server`: keys for development, until the first SIGTERM or SIGINT.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use tokio::sync::watch;
use url::Url;

use super::print_line;
use crate::config::{Config, Overrides};
use crate::error::{Error, Result};
use crate::keyserver::{self, Fault, KeyEncryption, Seed, Settings};

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct KeyServerArguments {
    /// Where packagers and players connect.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Listen where other machines can connect too; they get every key.
    #[arg(long)]
    allow_remote: bool,
    /// What keys are derived from; the same text gives the same keys.
    #[arg(long, value_name = "TEXT", default_value = Seed::DEFAULT)]
    seed: String,
    /// Whether content keys leave encrypted for the packager's certificate.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = EncryptKeys::WhenAsked)]
    encrypt_keys: EncryptKeys,
    /// What URLs of keys and licences begin with; by default the host of each request.
    #[arg(long, value_name = "URL")]
    base_url: Option<Url>,
    /// Go wrong on purpose, to test clients: slow=MILLISECONDS, status=503, reset, truncate,
    /// not-xml, wrong-version, iv-equals-key, wrong-kid, wrong-key, no-key, short-key,
    /// wrong-scheme, other-pssh, empty-systems, no-rules, bad-mac; may be repeated.
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EncryptKeys {
    /// Where the request has a certificate.
    WhenAsked,
    /// Requests without a certificate are refused.
    Always,
    /// Not even where the request has a certificate.
    Never,
}

/// Runs the key server.
pub(super) async fn key_server(arguments: KeyServerArguments) -> Result<()> {
    let base_url = arguments.base_url.map(check_base_url).transpose()?;
    let config = Config::load(None, std::env::vars(), &Overrides::default())?;
    let (telemetry, _) = super::telemetry(&config)?;
    let listener = keyserver::bind(arguments.listen, arguments.allow_remote).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::internal("a listener has no address").caused_by(error))?;
    let encryption = match arguments.encrypt_keys {
        EncryptKeys::WhenAsked => KeyEncryption::WhenAsked,
        EncryptKeys::Always => KeyEncryption::Always,
        EncryptKeys::Never => KeyEncryption::Never,
    };
    if !arguments.faults.is_empty() {
        tracing::warn!(faults = ?arguments.faults, "this key server goes wrong on purpose");
    }
    print_line(&format!(
        "packorigin key server: for development, it gives every key to everybody\n\n  \
         SPEKE      http://{address}/speke\n  \
         Clear Key  http://{address}/clearkey\n  \
         plain key  http://{address}/keys/KEY_ID\n  \
         player     http://{address}/player"
    ))?;
    let settings = Settings {
        base_url,
        encryption,
        faults: arguments.faults,
        ..Settings::new(Seed::new(&arguments.seed))
    };
    let (shutdown, stop) = watch::channel(false);
    let server = tokio::spawn(keyserver::serve(listener, settings, stop));
    super::serve::stop_signal().await?;
    shutdown.send_replace(true);
    server.await.map_err(|error| Error::internal("the key server ended badly").caused_by(error))?;
    telemetry.shutdown().await;
    Ok(())
}

fn check_base_url(url: Url) -> Result<String> {
    let usable = matches!(url.scheme(), "http" | "https")
        && url.query().is_none()
        && url.fragment().is_none();
    if usable {
        return Ok(url.as_str().trim_end_matches('/').to_owned());
    }
    let message = "--base-url: an http or https URL without query is wanted, such as \
                   https://keys.example.com";
    Err(Error::invalid("base_url", message))
}
