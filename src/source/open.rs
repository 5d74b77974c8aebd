//! From a configured source to an open root.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opendal::layers::{RetryEvent, RetryLayer, TimeoutLayer};
use opendal::{HttpTransporter, Operator, services};
use opendal_http_transport_reqwest::ReqwestTransport;
use url::Url;

use super::file::Folder;
use super::key::KeyRing;
use super::path::RootUrl;
use super::root::{Backend, Root};
use super::transport::Transport;
use crate::config::{self, Addressing, Bucket, Credentials, HttpAuth, Place};
use crate::egress::{self, EgressPolicy};
use crate::error::{Blame, Error, Result};
use crate::model::policy::Name;
use crate::telemetry::Metrics;

/// The wait before the first retry; it doubles from there, with jitter.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// No wait is longer.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

pub(super) fn open(
    name: &Name,
    source: &config::Source,
    limits: &config::SourceLimits,
    egress: &config::Egress,
    policy: &EgressPolicy,
    metrics: &Arc<Metrics>,
) -> Result<Root> {
    let wrong = |message: String| {
        let message = format!("sources.{name} ({}): {message}", source.url);
        Error::invalid(&format!("sources.{name}"), message).blamed_on(Blame::Us)
    };
    let url = Url::parse(&source.url)
        .ok()
        .and_then(|url| RootUrl::new(&url))
        .ok_or_else(|| wrong("the path is not UTF-8 once percent-decoded".to_owned()))?;

    let (operator, backend) = match &source.place {
        Place::File { root } => file(root).map_err(|error| {
            wrong(format!("the folder cannot be opened ({error}); create it or name another"))
        })?,
        Place::Http { base, auth } => {
            // Literal addresses are known to be wrong now; names are looked at when resolved.
            policy.check_url(base).map_err(|refused| wrong(refused.to_string()))?;
            let operator = http(base, &url, auth).map_err(|error| wrong(error.to_string()))?;
            let client = egress::client(policy, limits.timeout);
            (operator, over_http(client, Some(policy), limits).map_err(wrong)?)
        }
        Place::S3(bucket) => {
            let operator = s3(bucket).map_err(|error| wrong(error.message().to_owned()))?;
            (operator, over_http(trusted_client(limits), None, limits).map_err(wrong)?)
        }
        Place::Oss(bucket) => {
            let operator = oss(bucket).map_err(|error| wrong(error.message().to_owned()))?;
            (operator, over_http(trusted_client(limits), None, limits).map_err(wrong)?)
        }
    };

    let (counter, source_name) = (metrics.clone(), name.as_str().to_owned());
    let operator = operator
        // Below the retries, so that each attempt has its own time.
        .layer(TimeoutLayer::new().with_timeout(limits.timeout).with_io_timeout(limits.timeout))
        .layer(
            RetryLayer::new()
                .with_max_times(limits.retries)
                .with_min_delay(FIRST_BACKOFF)
                .with_max_delay(LONGEST_BACKOFF)
                .with_jitter()
                // Counted instead of logged: the default would log URLs with their queries.
                .with_notify(move |_: RetryEvent<'_>| counter.source_retry(&source_name)),
        );
    let keys = KeyRing::new(egress, policy, limits)
        .map_err(|error| wrong(format!("no HTTP client for keys could be made ({error})")))?;
    Ok(Root::new(name.clone(), url, operator, backend, *limits, keys, metrics.clone()))
}

fn file(root: &Path) -> std::io::Result<(Operator, Backend)> {
    let folder = Folder::open(root)?;
    let root = folder.root().to_str().ok_or(std::io::ErrorKind::InvalidFilename)?;
    let operator =
        Operator::new(services::Fs::default().root(root)).map_err(std::io::Error::other)?;
    Ok((operator, Backend::Folder(folder)))
}

fn over_http(
    client: reqwest::Result<reqwest::Client>,
    policy: Option<&EgressPolicy>,
    limits: &config::SourceLimits,
) -> std::result::Result<Backend, String> {
    let client = client.map_err(|error| format!("no HTTP client could be made ({error})"))?;
    Ok(Backend::Http(Transport {
        inner: HttpTransporter::new(ReqwestTransport::new(client)),
        egress: policy.cloned(),
        max_read_bytes: limits.max_read_bytes,
    }))
}

/// For endpoints that stand in the settings file: no egress rule, and the proxy of the environment
/// is used as the services' own tools would.
fn trusted_client(limits: &config::SourceLimits) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().connect_timeout(limits.timeout).build()
}

fn http(base: &Url, root: &RootUrl, auth: &HttpAuth) -> opendal::Result<Operator> {
    let service = services::Http::default()
        .endpoint(&base.origin().ascii_serialization())
        // OpenDAL encodes it again.
        .root(&root.prefix_path());
    Operator::new(match auth {
        HttpAuth::None => service,
        HttpAuth::Basic { username, password } => {
            service.username(username).password(password.expose())
        }
        HttpAuth::Bearer(token) => service.token(token.expose()),
    })
}

fn s3(bucket: &Bucket) -> opendal::Result<Operator> {
    let mut service = services::S3::default().bucket(&bucket.bucket).root(&bucket.prefix);
    if let Some(region) = &bucket.region {
        service = service.region(region);
    }
    if let Some(endpoint) = &bucket.endpoint {
        service = service.endpoint(endpoint);
    }
    if bucket.addressing == Addressing::Virtual {
        service = service.enable_virtual_host_style();
    }
    Operator::new(match &bucket.credentials {
        Credentials::Environment => service,
        Credentials::Anonymous => service.skip_signature(),
        Credentials::Keys { access_key_id, secret_access_key, session_token } => {
            let service = service
                .access_key_id(access_key_id.expose())
                .secret_access_key(secret_access_key.expose());
            match session_token {
                Some(token) => service.session_token(token.expose()),
                None => service,
            }
        }
    })
}

fn oss(bucket: &Bucket) -> opendal::Result<Operator> {
    let service = services::Oss::default()
        .bucket(&bucket.bucket)
        .root(&bucket.prefix)
        .endpoint(bucket.endpoint.as_deref().unwrap_or_default())
        .addressing_style(match bucket.addressing {
            Addressing::Path => "path",
            Addressing::Virtual => "virtual",
        });
    Operator::new(match &bucket.credentials {
        Credentials::Environment => service,
        Credentials::Anonymous => service.skip_signature(),
        Credentials::Keys { access_key_id, secret_access_key, session_token } => {
            let service = service
                .access_key_id(access_key_id.expose())
                .access_key_secret(secret_access_key.expose());
            match session_token {
                Some(token) => service.security_token(token.expose()),
                None => service,
            }
        }
    })
}
