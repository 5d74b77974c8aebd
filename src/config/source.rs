//! Where assets live: source URLs and their options.
//!
//! | URL | options in the query or the table | secrets, in the table only |
//! |---|---|---|
//! | `file:///path` | | |
//! | `http(s)://host/path/` | `username` (table) | `bearer_token`, `password` |
//! | `s3://bucket/prefix` | `region`, `endpoint`, `addressing` | `access_key_id`, `secret_access_key`, `session_token` |
//! | `oss://bucket/prefix` | `endpoint`, `addressing` | as s3 |
//!
//! Secrets are not read from URLs, because URLs end up in logs, process lists and shell histories.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use super::raw::RawSource;
use super::secret::Secret;

/// A root that assets live under.
#[derive(Clone, Debug)]
pub struct Source {
    /// The URL without options, for people.
    pub url: String,
    /// What it means.
    pub place: Place,
}

/// The kinds of storage.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder of this machine.
    File {
        /// Absolute.
        root: PathBuf,
    },
    /// A web server. What it may resolve to is limited by `egress`.
    Http {
        /// Ends with a slash; has neither query nor user.
        base: Url,
        /// What is sent along.
        auth: HttpAuth,
    },
    /// Amazon S3 and what speaks its protocol. The endpoint is the operator's word and is not
    /// limited by `egress`.
    S3(Bucket),
    /// Alibaba Cloud OSS. The endpoint is trusted as for S3.
    Oss(Bucket),
}

/// How a web server is told who asks.
#[derive(Clone, Debug)]
pub enum HttpAuth {
    /// Not at all.
    None,
    /// `Authorization: Basic`
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// `Authorization: Bearer`
    Bearer(Secret),
}

/// A bucket of an object store, and where in it.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub bucket: String,
    /// The folder in it, without slashes at the ends; empty for the whole bucket.
    pub prefix: String,
    /// The region that requests are signed for; OSS needs none.
    pub region: Option<String>,
    /// `http(s)://host[:port]`; without one, the service's own.
    pub endpoint: Option<String>,
    /// Where the bucket's name goes.
    pub addressing: Addressing,
    /// Who asks.
    pub credentials: Credentials,
}

/// Where the bucket's name goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`
    Path,
    /// `https://bucket.endpoint/key`
    Virtual,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// What the service's own tools would find: environment, profile files, instance role.
    Environment,
    /// Keys from the settings.
    Keys {
        /// The public half.
        access_key_id: Secret,
        /// The secret half.
        secret_access_key: Secret,
        /// For temporary keys.
        session_token: Option<Secret>,
    },
    /// Nobody: requests are not signed.
    Anonymous,
}

/// What is wrong with a source, and which field of it.
pub(super) struct SourceProblem {
    pub(super) field: &'static str,
    pub(super) problem: String,
}

fn problem<T>(field: &'static str, problem: impl Into<String>) -> Result<T, SourceProblem> {
    Err(SourceProblem { field, problem: problem.into() })
}

/// Checks one `[sources.NAME]` table.
pub(super) fn parse_source(
    raw: &RawSource,
    environment: &BTreeMap<String, String>,
) -> Result<Source, SourceProblem> {
    const FORMS: &str = "write file:///path, https://host/path/, s3://bucket/prefix?region=… \
                         or oss://bucket/prefix?endpoint=…";
    if raw.url.is_empty() {
        return problem("url", format!("a source needs a URL; {FORMS}"));
    }
    let url = match Url::parse(&raw.url) {
        Ok(url) => url,
        Err(error) => return problem("url", format!("this is no URL ({error}); {FORMS}")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return problem(
            "url",
            "a URL must not hold a user or password; put them into the source's table in the \
             settings file, as username and password or access_key_id and secret_access_key",
        );
    }
    if url.fragment().is_some() {
        return problem("url", "a source URL has no #fragment; remove it (write # as %23)");
    }
    let place = match url.scheme() {
        "file" => parse_file(raw, &url)?,
        "http" | "https" => parse_http(raw, &url, environment)?,
        "s3" => Place::S3(parse_bucket(raw, &url, environment, Addressing::Path)?),
        "oss" => Place::Oss(parse_bucket(raw, &url, environment, Addressing::Virtual)?),
        other => return problem("url", format!("{other} is not a kind of source; {FORMS}")),
    };
    let mut shown = url;
    shown.set_query(None);
    Ok(Source { url: shown.into(), place })
}

fn parse_file(raw: &RawSource, url: &Url) -> Result<Place, SourceProblem> {
    refuse_options(raw, "file", &[])?;
    if url.query().is_some() {
        return problem("url", "a file source has no options; remove the ? (or write it as %3F)");
    }
    match url.to_file_path() {
        // `file://srv/media` names a host "srv" and would read the wrong folder.
        Ok(root) if url.host_str().is_none_or(str::is_empty) => Ok(Place::File { root }),
        _ => problem("url", "write an absolute path after three slashes: file:///srv/media"),
    }
}

fn parse_http(
    raw: &RawSource,
    url: &Url,
    environment: &BTreeMap<String, String>,
) -> Result<Place, SourceProblem> {
    refuse_options(raw, "http", &["bearer_token", "username", "password"])?;
    if url.query().is_some() {
        return problem("url", "an HTTP source has no query; put secrets into bearer_token");
    }
    let auth = match (&raw.bearer_token, &raw.username, &raw.password) {
        (None, None, None) => HttpAuth::None,
        (Some(token), None, None) => HttpAuth::Bearer(secret("bearer_token", token, environment)?),
        (None, Some(username), Some(password)) => HttpAuth::Basic {
            username: username.clone(),
            password: secret("password", password, environment)?,
        },
        _ => {
            return problem(
                "username",
                "set either bearer_token alone or username and password together",
            );
        }
    };
    let mut base = url.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", url.path()));
    }
    Ok(Place::Http { base, auth })
}

fn parse_bucket(
    raw: &RawSource,
    url: &Url,
    environment: &BTreeMap<String, String>,
    usual_addressing: Addressing,
) -> Result<Bucket, SourceProblem> {
    const OPTIONS: &[&str] = &[
        "region",
        "endpoint",
        "addressing",
        "access_key_id",
        "secret_access_key",
        "session_token",
        "anonymous",
    ];
    refuse_options(raw, url.scheme(), OPTIONS)?;
    let bucket = match url.host_str() {
        Some(bucket) if !bucket.is_empty() && url.port().is_none() => bucket.to_owned(),
        _ => return problem("url", "the bucket is missing; write s3://bucket/prefix"),
    };
    let mut region = raw.region.clone();
    let mut endpoint = raw.endpoint.clone();
    let mut addressing = raw.addressing.clone();
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "region" => region = Some(value.into_owned()),
            "endpoint" => endpoint = Some(value.into_owned()),
            "addressing" => addressing = Some(value.into_owned()),
            _ => {
                return problem(
                    "url",
                    format!(
                        "{key} is not an option of the URL; it takes region, endpoint and \
                         addressing, and secrets go into the source's table"
                    ),
                );
            }
        }
    }
    let prefix = percent_encoding::percent_decode_str(url.path()).decode_utf8();
    let Ok(prefix) = prefix else {
        return problem("url", "the prefix is not UTF-8 once percent-decoded");
    };

    if let Some(text) = &endpoint {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => {}
            _ => return problem("endpoint", "write a URL such as https://storage.example.com"),
        }
    } else if url.scheme() == "oss" {
        return problem(
            "endpoint",
            "OSS needs an endpoint; add ?endpoint=https://oss-REGION.aliyuncs.com to the URL",
        );
    }
    if url.scheme() == "s3" && region.is_none() {
        let found = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|k| environment.get(*k));
        region = match (found, &endpoint) {
            (Some(region), _) => Some(region.clone()),
            // What speaks S3 outside Amazon mostly has no regions and takes this one.
            (None, Some(_)) => Some("us-east-1".to_owned()),
            (None, None) => {
                return problem("region", "S3 needs a region; add ?region=… or set AWS_REGION");
            }
        };
    }
    let addressing = match addressing.as_deref() {
        None => usual_addressing,
        Some("path") => Addressing::Path,
        Some("virtual") => Addressing::Virtual,
        Some(_) => return problem("addressing", "write path or virtual"),
    };
    let anonymous = raw.anonymous.unwrap_or(false);
    let credentials = match (&raw.access_key_id, &raw.secret_access_key, &raw.session_token) {
        (None, None, None) if anonymous => Credentials::Anonymous,
        (None, None, None) => Credentials::Environment,
        (Some(id), Some(key), token) if !anonymous => Credentials::Keys {
            access_key_id: secret("access_key_id", id, environment)?,
            secret_access_key: secret("secret_access_key", key, environment)?,
            session_token: match token {
                Some(token) => Some(secret("session_token", token, environment)?),
                None => None,
            },
        },
        _ => {
            return problem(
                "access_key_id",
                "set access_key_id and secret_access_key together, or neither to take the usual \
                 environment of the service, or anonymous = true alone",
            );
        }
    };
    Ok(Bucket {
        bucket,
        prefix: prefix.trim_matches('/').to_owned(),
        region,
        endpoint,
        addressing,
        credentials,
    })
}

fn secret(
    field: &'static str,
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Secret, SourceProblem> {
    Secret::from_reference(text, environment).map_err(|problem| SourceProblem { field, problem })
}

/// An option of another scheme is a mistake that would otherwise go unnoticed.
fn refuse_options(raw: &RawSource, scheme: &str, known: &[&str]) -> Result<(), SourceProblem> {
    let options = [
        ("region", raw.region.is_some()),
        ("endpoint", raw.endpoint.is_some()),
        ("addressing", raw.addressing.is_some()),
        ("access_key_id", raw.access_key_id.is_some()),
        ("secret_access_key", raw.secret_access_key.is_some()),
        ("session_token", raw.session_token.is_some()),
        ("anonymous", raw.anonymous.is_some()),
        ("bearer_token", raw.bearer_token.is_some()),
        ("username", raw.username.is_some()),
        ("password", raw.password.is_some()),
    ];
    match options.iter().find(|(name, is_set)| *is_set && !known.contains(name)) {
        Some((name, _)) => {
            problem(name, format!("a source of the kind {scheme} has no such option; remove it"))
        }
        None => Ok(()),
    }
}
