use std::collections::BTreeSet;

use super::*;
use crate::error::{Blame, Kind};

fn load(
    text: &str,
    environment: &[(&str, &str)],
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("packorigin.toml");
    std::fs::write(&file, text).unwrap();
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(Some(&file), environment, overrides)
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    load(text, &[], &Overrides::default())
}

fn from_environment(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load("", environment, &Overrides::default())
}

#[test]
fn the_defaults_hold_and_are_the_documented_ones() {
    let config = Config::load(None, [], &Overrides::default()).unwrap();
    assert_eq!(config.playback.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.control.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.playback.base_url(config.playback.listen), "http://127.0.0.1:8080");
    assert_eq!(config.playback.cors_allow_origins, ["*"]);
    assert_eq!(config.playback.cdn_header, "x-packorigin-cdn-secret");
    assert_eq!(config.playback.manifest_max_age, Duration::from_secs(2));
    assert_eq!(config.playback.grace, Duration::from_secs(6 * 3600));
    assert_eq!(config.data_dir, Path::new("./packorigin-data"));
    assert_eq!(config.cache.segment_bytes, 512 << 20);
    assert_eq!(config.ingest.max_playlist_bytes, 16 << 20);
    assert_eq!(config.ingest.dry_runs, 1);
    assert_eq!(config.ingest.dry_run_timeout, Duration::from_secs(300));
    assert!(config.sources.is_empty() && config.egress.allow_hosts.is_empty());
    assert!(config.secrets.key.is_none() && config.secrets.directory.is_none());
    assert_eq!((config.keys.timeout, config.keys.attempts), (Duration::from_secs(5), 3));
    assert_eq!(config.keys.cache_time, Duration::from_secs(3600));
    assert_eq!(config.keys.keep_time, Duration::from_secs(24 * 3600));
    assert_eq!((config.keys.disk_cache, config.keys.max_response_bytes), (false, 1 << 20));
}

#[test]
fn a_later_layer_wins() {
    let text = r#"
        data_dir = "/file"
        [playback]
        listen = "127.0.0.1:1"
        drain_seconds = 1
        [control]
        listen = "127.0.0.1:2"
        [sources.default]
        url = "file:///file"
        [sources.other]
        url = "file:///other"
    "#;
    let environment = [
        ("PACKORIGIN_PLAYBACK_LISTEN", "127.0.0.1:3"),
        ("PACKORIGIN_CONTROL_LISTEN", "127.0.0.1:4"),
        ("PACKORIGIN_SOURCES", "default=file:///env,third=file:///third"),
    ];
    let overrides = Overrides {
        listen: Some("127.0.0.1:5".to_owned()),
        sources: vec!["default=file:///flag".to_owned()],
        ..Overrides::default()
    };
    let config = load(text, &environment, &overrides).unwrap();
    assert_eq!(config.playback.listen.port(), 5);
    assert_eq!(config.control.listen.port(), 4);
    assert_eq!(config.data_dir, Path::new("/file"));
    assert_eq!(config.playback.drain, Duration::from_secs(1));
    let roots: Vec<(&str, &str)> =
        config.sources.iter().map(|(name, s)| (name.as_str(), s.url.as_str())).collect();
    let expected =
        [("default", "file:///flag"), ("other", "file:///other"), ("third", "file:///third")];
    assert_eq!(roots, expected);
}

/// The table of settings is what gives each its environment variable; a field that is missing in
/// it would silently have none.
#[test]
fn every_setting_has_an_environment_variable() {
    fn leaves(prefix: &str, value: &serde_json::Value, into: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    let key =
                        if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    leaves(&key, value, into);
                }
            }
            _ => {
                into.insert(prefix.to_owned());
            }
        }
    }
    let mut fields = BTreeSet::new();
    leaves("", &serde_json::to_value(raw::Raw::default()).unwrap(), &mut fields);
    let table: BTreeSet<String> =
        layers::SETTINGS.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(fields, table);
    assert_eq!(layers::variable("egress.allow_hosts"), "PACKORIGIN_EGRESS_ALLOW_HOSTS");

    // And the shape that the table gives it is one that its field takes.
    for (key, shape) in layers::SETTINGS {
        let text = match (*key, shape) {
            (_, layers::Shape::Integer) => "7",
            (_, layers::Shape::Switch) => "true",
            ("secrets.key", _) => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ("playback.listen" | "control.listen", _) => "127.0.0.1:7",
            ("playback.public_base_url" | "telemetry.otlp_endpoint", _) => "http://h",
            ("playback.cors_allow_origins", _) => "http://h,http://i",
            ("telemetry.log_format", _) => "json",
            ("ingest.missing_variants", _) => "fail",
            (key, _) if key.ends_with("_bytes") => "7MiB",
            _ => "long-enough",
        };
        let result = from_environment(&[(&layers::variable(key), text)]);
        assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}

#[test]
fn an_error_names_setting_value_origin_and_remedy() {
    let error = from_file("[playback]\nlisten = \"8080\"").unwrap_err();
    assert_eq!(error.setting, "playback.listen");
    let text = error.to_string();
    assert!(text.starts_with("playback.listen = \"8080\" (from the file "), "{text}");
    assert!(text.contains("write IP:PORT"), "{text}");

    let error = from_environment(&[("PACKORIGIN_PLAYBACK_LISTEN", "x")]).unwrap_err();
    assert_eq!(error.origin, Origin::Environment("PACKORIGIN_PLAYBACK_LISTEN".to_owned()));

    let overrides = Overrides { control_listen: Some("x".to_owned()), ..Overrides::default() };
    let error = load("", &[], &overrides).unwrap_err();
    assert_eq!(error.origin, Origin::Flag("--control-listen"));

    let error: crate::error::Error = error.into();
    assert_eq!((error.kind(), error.blame()), (Kind::InvalidArgument, Blame::Us));
    assert_eq!(error.field(), Some("control.listen"));
}

#[test]
fn unknown_fields_and_wrong_shapes_are_refused_with_their_line() {
    let error = from_file("[playback]\nlisten = \"127.0.0.1:1\"\nlisen = \"x\"").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("line 3") && text.contains("lisen"), "{text}");
    assert!(from_file("[playback]\ndrain_seconds = \"soon\"").is_err());
    assert!(from_file("[playback]\ndrain_seconds = -1").is_err());
    for text in ["-1", "many", "1.5", "", "99999999999999999999"] {
        let error = from_environment(&[("PACKORIGIN_SOURCE_RETRIES", text)]).unwrap_err();
        let origin = Origin::Environment("PACKORIGIN_SOURCE_RETRIES".to_owned());
        assert_eq!((error.setting.as_str(), error.origin), ("source.retries", origin), "{text}");
    }
}

#[test]
fn unknown_variables_are_reported_and_not_refused() {
    let config = from_environment(&[
        ("PACKORIGIN_SERVICE_HOST", "10.0.0.1"),
        ("PACKORIGIN_DATA_DIR", "/d"),
        ("HOME", "/root"),
    ]);
    assert_eq!(config.unwrap().unknown_environment, ["PACKORIGIN_SERVICE_HOST"]);
}

#[test]
fn a_control_listener_that_others_can_reach_needs_a_token() {
    for listen in ["0.0.0.0:8081", "192.0.2.1:1", "[::]:1", "[::ffff:10.0.0.1]:1"] {
        let error = from_environment(&[("PACKORIGIN_CONTROL_LISTEN", listen)]).unwrap_err();
        assert_eq!(error.setting, "control.listen");
        assert!(error.problem.contains("control.access_token"), "{error}");
        let with_token = from_environment(&[
            ("PACKORIGIN_CONTROL_LISTEN", listen),
            ("PACKORIGIN_CONTROL_ACCESS_TOKEN", "correct-horse"),
        ]);
        assert!(with_token.is_ok(), "{listen}");
    }
    for listen in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1"] {
        assert!(from_environment(&[("PACKORIGIN_CONTROL_LISTEN", listen)]).is_ok(), "{listen}");
    }
}

#[test]
fn secrets_are_followed_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "from-the-file\n").unwrap();
    let text = format!(
        "[control]\naccess_token = \"file:{}\"\n[playback]\ncdn_secrets = [\"env:CDN\", \
         \"written-out\"]",
        path.display()
    );
    let config = load(&text, &[("CDN", "from-the-environment")], &Overrides::default()).unwrap();
    assert_eq!(config.control.access_token.as_ref().unwrap().expose(), "from-the-file");
    let secrets: Vec<&str> = config.playback.cdn_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["from-the-environment", "written-out"]);
    let shown = format!("{config:?}");
    for secret in ["from-the-file", "from-the-environment", "written-out"] {
        assert!(!shown.contains(secret), "{shown}");
    }

    let error = from_file("[control]\naccess_token = \"env:NOPE\"").unwrap_err();
    assert!(error.problem.contains("NOPE is not set"), "{error}");
    for text in ["[playback]\ncdn_secrets = [\"short\"]", "[control]\naccess_token = \"short\""] {
        let error = from_file(text).unwrap_err().to_string();
        assert!(!error.contains("\"short\"") && error.contains("8"), "{error}");
    }
    // A shape that does not fit must not put the text into the message either.
    let error = from_file("[playback]\ncdn_secrets = { a = \"hush-hush\" }").unwrap_err();
    assert!(!error.to_string().contains("hush-hush"), "{error}");
}

#[test]
fn the_sealing_key_is_32_bytes_in_either_spelling_and_never_shown() {
    let bytes: Vec<u8> = (0..32).collect();
    let spellings =
        [hex::encode(&bytes), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()];
    for text in &spellings {
        let environment = [("PACKORIGIN_SECRETS_KEY", "env:K"), ("K", text.as_str())];
        let config = from_environment(&environment).unwrap();
        assert_eq!(config.secrets.key.as_ref().unwrap().expose().as_slice(), bytes);
        assert!(!format!("{config:?}").contains(text.as_str()));
    }
    for text in ["", "AAEC", &"0".repeat(63), &"x".repeat(64)] {
        let error = from_file(&format!("[secrets]\nkey = \"{text}\"")).unwrap_err();
        assert_eq!((error.setting.as_str(), error.value), ("secrets.key", None), "{text}");
    }
    assert!(from_file("[secrets]\ndirectory = \"\"").is_err());
}

#[test]
fn variables_for_configurations_are_kept_apart_and_not_shown() {
    let environment = [("PACKORIGIN_SECRET_TOKEN", "hush-hush"), ("OTHER", "not-for-them")];
    let config = from_environment(&environment).unwrap();
    let names: Vec<&str> = config.secrets.variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["PACKORIGIN_SECRET_TOKEN"]);
    assert_eq!(config.secrets.variables["PACKORIGIN_SECRET_TOKEN"].expose(), "hush-hush");
    assert!(config.unknown_environment.is_empty());
    assert!(!format!("{config:?}").contains("hush-hush"));
}

#[test]
fn key_answers_are_kept_at_least_as_long_as_they_are_fresh() {
    let config = from_file("[keys]\ncache_time_seconds = 7200\nkeep_time_hours = 1").unwrap();
    assert_eq!(config.keys.keep_time, Duration::from_secs(7200));
    assert!(from_file("[keys]\nattempts = 0").is_err());
    for (text, expected) in [("true", Some(true)), ("false", Some(false)), ("yes", None)] {
        let config = from_environment(&[("PACKORIGIN_KEYS_DISK_CACHE", text)]);
        assert_eq!(config.ok().map(|config| config.keys.disk_cache), expected, "{text}");
    }
}

#[test]
fn sizes_take_numbers_and_units() {
    let config = from_file("[cache]\nsegment_bytes = \"1GiB\"\nsource_bytes = 7").unwrap();
    assert_eq!((config.cache.segment_bytes, config.cache.source_bytes), (1 << 30, 7));
    let config = from_environment(&[("PACKORIGIN_CACHE_INDEX_BYTES", "3MiB")]).unwrap();
    assert_eq!(config.cache.index_bytes, 3 << 20);
    let error = from_file("[cache]\nsegment_bytes = \"lots\"").unwrap_err();
    assert_eq!(
        (error.setting.as_str(), error.value.as_deref()),
        ("cache.segment_bytes", Some("lots"))
    );
    assert!(from_file("[ingest]\nmax_segment_bytes = 0").is_err());
}

#[test]
fn missing_variants_and_key_hosts_are_checked() {
    let config = from_file("[ingest]\nkey_hosts = [\"Keys.Example.\", \"[::1]\"]").unwrap();
    assert_eq!(config.egress.key_hosts, ["keys.example", "[::1]"]);
    assert_eq!(config.ingest.missing_variants, MissingVariants::Warn);
    let config = from_environment(&[("PACKORIGIN_INGEST_MISSING_VARIANTS", "fail")]).unwrap();
    assert_eq!(config.ingest.missing_variants, MissingVariants::Fail);
    for wrong in ["missing_variants = \"no\"", "key_hosts = \"https://h/\"", "key_hosts = \"h:80\""]
    {
        let error = from_file(&format!("[ingest]\n{wrong}")).unwrap_err();
        assert!(error.setting.starts_with("ingest."), "{error}");
    }
}

#[test]
fn egress_takes_hosts_addresses_and_blocks() {
    let list = "Keys.Internal., 10.0.0.7,10.1.2.3/8,[fd00::1]";
    let config = from_environment(&[("PACKORIGIN_EGRESS_ALLOW_HOSTS", list)]).unwrap();
    let expected = [
        AllowedHost::Name("keys.internal".to_owned()),
        AllowedHost::Network("10.0.0.7/32".parse().unwrap()),
        AllowedHost::Network("10.0.0.0/8".parse().unwrap()),
        AllowedHost::Network("fd00::1/128".parse().unwrap()),
    ];
    assert_eq!(config.egress.allow_hosts, expected);
    for entry in ["http://keys", "keys:80", "10.0.0.0/33", "*.internal"] {
        assert!(from_environment(&[("PACKORIGIN_EGRESS_ALLOW_HOSTS", entry)]).is_err(), "{entry}");
    }
}

#[test]
fn cors_origins_are_what_a_browser_sends() {
    let check = |value| from_environment(&[("PACKORIGIN_PLAYBACK_CORS_ALLOW_ORIGINS", value)]);
    assert!(check("https://a.example,http://b.example:8000").is_ok());
    for value in ["https://a.example/", "a.example", "*,https://a.example", "https://a.example:443"]
    {
        assert!(check(value).is_err(), "{value}");
    }
}

#[test]
fn the_base_url_follows_the_bound_address() {
    let config = from_environment(&[("PACKORIGIN_PLAYBACK_LISTEN", "0.0.0.0:0")]).unwrap();
    let bound = "0.0.0.0:4711".parse().unwrap();
    assert_eq!(config.playback.base_url(bound), "http://127.0.0.1:4711");
    let url = [("PACKORIGIN_PLAYBACK_PUBLIC_BASE_URL", "https://cdn.example/vod/")];
    assert_eq!(from_environment(&url).unwrap().playback.base_url(bound), "https://cdn.example/vod");
    let url = [("PACKORIGIN_PLAYBACK_PUBLIC_BASE_URL", "https://u:pass-word@cdn.example/")];
    assert!(!from_environment(&url).unwrap_err().to_string().contains("pass-word"));
}

fn source(table: &str, environment: &[(&str, &str)]) -> Result<Place, ConfigError> {
    let text = format!("[sources.s]\n{table}");
    let config = load(&text, environment, &Overrides::default())?;
    Ok(config.sources.into_values().next().unwrap().place)
}

#[test]
fn file_sources_are_absolute() {
    let Place::File { root } = source("url = \"file:///srv/my%20media/\"", &[]).unwrap() else {
        panic!("not a file source")
    };
    assert_eq!(root, Path::new("/srv/my media/"));
    for url in ["file://srv/media", "/srv/media", "./media", "file:///srv?x=1", "ftp://h/"] {
        assert!(source(&format!("url = {url:?}"), &[]).is_err(), "{url}");
    }
}

#[test]
fn http_sources_keep_secrets_out_of_the_url() {
    let table = "url = \"https://media.example/vod\"\nbearer_token = \"env:T\"";
    let Place::Http { base, auth } = source(table, &[("T", "tok")]).unwrap() else {
        panic!("not an HTTP source")
    };
    assert_eq!(base.as_str(), "https://media.example/vod/");
    assert!(matches!(auth, HttpAuth::Bearer(token) if token.expose() == "tok"));

    let error = source("url = \"https://u:pass-word@media.example/\"", &[]).unwrap_err();
    assert!(!error.to_string().contains("pass-word"), "{error}");
    assert!(source("url = \"https://media.example/?token=x\"", &[]).is_err());
    assert!(source("url = \"https://media.example/\"\nusername = \"u\"", &[]).is_err());
    let error = source("url = \"https://media.example/\"\nregion = \"x\"", &[]).unwrap_err();
    assert_eq!(error.setting, "sources.s.region");
}

#[test]
fn buckets_take_options_from_url_table_and_environment() {
    let Place::S3(bucket) = source(
        "url = \"s3://vod/a/b/?region=eu-central-1\"\naccess_key_id = \"env:ID\"\n\
         secret_access_key = \"env:KEY\"",
        &[("ID", "id"), ("KEY", "key")],
    )
    .unwrap() else {
        panic!("not an S3 source")
    };
    assert_eq!((bucket.bucket.as_str(), bucket.prefix.as_str()), ("vod", "a/b"));
    assert_eq!(bucket.region.as_deref(), Some("eu-central-1"));
    assert_eq!(bucket.addressing, Addressing::Path);
    assert!(matches!(bucket.credentials, Credentials::Keys { .. }));

    let region = |table: &str, environment: &[(&str, &str)]| match source(table, environment) {
        Ok(Place::S3(bucket)) => bucket.region,
        _ => None,
    };
    assert_eq!(region("url = \"s3://vod\"", &[("AWS_REGION", "r")]).as_deref(), Some("r"));
    let with_endpoint = "url = \"s3://vod?endpoint=http://127.0.0.1:9000\"";
    assert_eq!(region(with_endpoint, &[]).as_deref(), Some("us-east-1"));

    let oss = source("url = \"oss://vod/?endpoint=https://oss-cn-hangzhou.aliyuncs.com\"", &[]);
    assert!(matches!(oss.unwrap(), Place::Oss(b) if b.addressing == Addressing::Virtual));

    for table in [
        "url = \"s3://vod\"",
        "url = \"s3:///prefix\"",
        "url = \"oss://vod\"",
        "url = \"s3://vod?region=r&secret_access_key=x\"",
        "url = \"s3://vod?region=r\"\naccess_key_id = \"x\"",
        "url = \"s3://vod?region=r\"\naddressing = \"sideways\"",
    ] {
        assert!(source(table, &[]).is_err(), "{table}");
    }
}

#[test]
fn source_names_are_names() {
    assert!(from_file("[sources.\"a.b\"]\nurl = \"file:///x\"").is_err());
    for entry in ["a.b=file:///x", "=file:///x", "file:///x"] {
        let overrides = Overrides { sources: vec![entry.to_owned()], ..Overrides::default() };
        assert!(load("", &[], &overrides).is_err(), "{entry}");
    }
}
