//! The command line (INTERFACE.md section 1): arguments, terminal, exit codes.

mod choice;
mod demo;
mod demo_drm;
mod drm;
mod export;
mod inspect;
mod key_server;
mod progress;
mod report_text;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Overrides};
use crate::error::{Error, Result};
use crate::telemetry::Telemetry;

/// A just-in-time VOD packaging origin: HLS, DASH and CMAF out of stored HLS/MPEG-TS.
#[derive(Debug, Parser)]
#[command(name = "packorigin", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the origin.
    Serve(ServeArguments),
    /// Run the origin on a temporary data directory with the bundled sample.
    Demo {
        /// Where players connect.
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Where operators connect.
        #[arg(long, value_name = "ADDR")]
        control_listen: Option<String>,
        /// Start a key server too, and offer encrypted configurations.
        #[arg(long)]
        drm: bool,
    },
    /// Run a key server for development: SPEKE, plain HLS keys, Clear Key licences.
    KeyServer(key_server::KeyServerArguments),
    /// Read a master playlist as ingest would and print the report; registers nothing.
    Inspect {
        /// The master playlist: a file, or an http(s), s3 or oss URL.
        #[arg(value_name = "URL_OR_PATH")]
        place: String,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
        /// The settings file, for credentials and limits.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Write a packaged presentation to a folder, byte for byte what the origin would serve.
    Export {
        /// The asset.
        #[arg(long, value_name = "NAME")]
        asset: String,
        /// The packaging configuration.
        #[arg(long, value_name = "NAME")]
        configuration: String,
        /// The folder; created if it does not exist.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        place: DataArguments,
    },
    /// Look into the encryption of packaged presentations.
    #[command(subcommand)]
    Drm(drm::DrmCommand),
    /// Print the OpenAPI 3.1 document of the control API.
    Openapi,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Where players connect.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where operators connect.
    #[arg(long, value_name = "ADDR")]
    control_listen: Option<String>,
    #[command(flatten)]
    place: DataArguments,
}

/// Where settings and data are.
#[derive(Debug, Args)]
struct DataArguments {
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the catalog and the indexes live.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A root that assets live under, such as default=file:///srv/media; may be repeated.
    #[arg(long = "source", value_name = "NAME=URL")]
    sources: Vec<String>,
}

impl DataArguments {
    fn config(self, listen: Option<String>, control_listen: Option<String>) -> Result<Config> {
        let overrides =
            Overrides { listen, control_listen, data_dir: self.data_dir, sources: self.sources };
        Ok(Config::load(self.config.as_deref(), std::env::vars(), &overrides)?)
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("packorigin: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(arguments.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("packorigin: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(arguments) => {
            let ServeArguments { listen, control_listen, place } = arguments;
            serve::serve(place.config(listen, control_listen)?).await?;
        }
        Command::Demo { listen, control_listen, drm } => {
            demo::demo(listen, control_listen, drm).await?;
        }
        Command::KeyServer(arguments) => key_server::key_server(arguments).await?,
        Command::Inspect { place, json, config } => {
            return inspect::inspect(&place, json, config.as_deref()).await;
        }
        Command::Export { asset, configuration, to, place } => {
            let config = place.config(None, None)?;
            export::export(config, &asset, &configuration, &to).await?;
        }
        Command::Drm(command) => return drm::drm(command).await,
        Command::Openapi => print_openapi()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print_openapi() -> Result<()> {
    let text = crate::control::openapi()
        .to_pretty_json()
        .map_err(|error| Error::internal("the document cannot be printed").caused_by(error))?;
    print_line(&text)
}

/// Prints a line to standard output; a reader that went away is no error worth a panic.
fn print_line(text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::internal("standard output cannot be written").caused_by(error))
        }
        _ => Ok(()),
    }
}

/// Logs and metrics for a command.
fn telemetry(config: &Config) -> Result<(Telemetry, Arc<crate::telemetry::Metrics>)> {
    let telemetry = Telemetry::start(&config.telemetry)?;
    for variable in &config.unknown_environment {
        tracing::warn!(variable, "this environment variable names no setting");
    }
    let metrics = telemetry.metrics.clone();
    Ok((telemetry, metrics))
}
