//! The OpenAPI document against the API and against the types it describes.

use std::collections::BTreeSet;

use super::*;
use crate::catalog::AssetStatus;
use crate::model::encryption::SpekeVersion;
use crate::model::ingest::{
    AudioReport, CaptionReport, Colours, FailureCode, FindingCode, Findings, IngestFailure,
    LeftOut, Offsets, PackageReport, PeriodCause, PeriodReport, Place, Progress,
    RandomAccessReport, ScanType, StreamReport, VideoReport,
};
use crate::model::policy::{PackageType, StreamOrder};
use crate::model::protection::{ProtectionScheme, TrackType};

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

/// Every operation as path, method and description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    operations
}

#[tokio::test]
async fn it_is_served_and_is_openapi_3_1() {
    let answer = api().await.get("/openapi.json").await.expect_status(200);
    assert_eq!(answer.body, document());
    assert_eq!(answer.body["openapi"], "3.1.0");
    assert_eq!(answer.header("content-type"), "application/json");
    let scheme = &answer.body["components"]["securitySchemes"]["accessToken"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    assert_eq!(answer.body["security"], json!([{"accessToken": []}]));
}

#[tokio::test]
async fn it_has_every_call_and_no_other() {
    let document = document();
    let listed: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(path, method, _)| format!("{} {path}", method.to_uppercase()))
        .collect();
    let group = "/v1/packaging-groups/{group}";
    let configurations = format!("{group}/packaging-configurations");
    let configuration = format!("{configurations}/{{configuration}}");
    let expected = [
        "POST /v1/packaging-groups".to_owned(),
        "GET /v1/packaging-groups".to_owned(),
        format!("GET {group}"),
        format!("PATCH {group}"),
        format!("DELETE {group}"),
        format!("POST {configurations}"),
        format!("GET {configurations}"),
        format!("GET {configuration}"),
        format!("PUT {configuration}"),
        format!("DELETE {configuration}"),
        "POST /v1/assets".to_owned(),
        "GET /v1/assets".to_owned(),
        "POST /v1/assets:batch".to_owned(),
        "GET /v1/assets/{asset}".to_owned(),
        "PATCH /v1/assets/{asset}".to_owned(),
        "DELETE /v1/assets/{asset}".to_owned(),
        "POST /v1/assets/{asset}:reingest".to_owned(),
        "GET /healthz".to_owned(),
        "GET /readyz".to_owned(),
        "GET /metrics".to_owned(),
        "GET /openapi.json".to_owned(),
    ];
    assert_eq!(listed, expected.into_iter().collect());
    // And the router has each of them: whatever it answers, it is not "no such path or method".
    let api = furnished().await;
    for (path, method, _) in operations(&document) {
        let path = path.replace("{group}", "web").replace("{configuration}", "dash");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = api.call(method.clone(), &path.replace("{asset}", "x"), None).await;
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_ne!(answer.body["detail"], "there is nothing at this path", "{method} {path}");
    }
}

#[test]
fn refusals_have_problem_bodies_and_only_v1_needs_the_token() {
    let problem = json!({
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
    });
    for (path, method, operation) in operations(&document()) {
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            if status.starts_with(['4', '5']) {
                assert_eq!(response["content"], problem, "{method} {path} {status}");
            }
        }
        let v1 = path.starts_with("/v1/");
        let open = operation.get("security") == Some(&json!([{}]));
        assert_eq!(open, !v1, "{method} {path}");
        for status in ["400", "401", "500", "503"] {
            assert!(!v1 || responses.contains_key(status), "{method} {path} {status}");
        }
        assert!(!path.contains('{') || responses.contains_key("404"), "{method} {path}");
        assert!(operation["summary"].is_string() && operation["operationId"].is_string());
    }
    let ids: Vec<_> =
        operations(&document()).into_iter().map(|(_, _, o)| o["operationId"].to_string()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    found.push(reference.clone());
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 30, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn described_values_are_the_ones_that_are_written() {
    let document = document();
    let schema = |name: &str| {
        let schema = &document["components"]["schemas"][name];
        assert!(schema.is_object(), "there is no schema {name}");
        schema.clone()
    };
    let words = |name: &str| -> Vec<String> {
        serde_json::from_value(schema(name)["enum"].clone()).unwrap()
    };
    for word in words("IngestFailureCode") {
        let code: FailureCode = serde_json::from_value(json!(word)).unwrap();
        assert_eq!(code.as_str(), word);
    }
    assert_eq!(words("IngestFailureCode").len(), FailureCode::ALL.len());
    assert_eq!(words("FindingCode").len(), FindingCode::ALL.len());
    assert_eq!(words("PeriodCause"), PeriodCause::ALL.map(PeriodCause::as_str));
    for word in words("PackageType") {
        let package_type: PackageType = serde_json::from_value(json!(word)).unwrap();
        assert_eq!(package_type.as_str(), word);
    }
    assert_eq!(words("PackageType").len(), 3);
    for word in words("StreamOrder") {
        serde_json::from_value::<StreamOrder>(json!(word)).unwrap();
    }
    assert_eq!(words("StreamOrder").len(), 3);
    assert_eq!(words("TrackType"), TrackType::ALL_TYPES.map(TrackType::as_str));
    let versions = [SpekeVersion::V1, SpekeVersion::V2, SpekeVersion::V2_1];
    assert_eq!(words("SpekeVersion"), versions.map(SpekeVersion::as_str));
    let schemes = [ProtectionScheme::Cenc, ProtectionScheme::Cbcs];
    assert_eq!(words("EncryptionScheme"), schemes.map(|scheme| scheme.four_cc().unwrap()));
    assert_eq!(words("EncryptionMethod"), ["AES_128", "SAMPLE_AES"]);
    for (name, start, presets) in
        [("VideoPreset", "PRESET-VIDEO-", 8), ("AudioPreset", "PRESET-AUDIO-", 3)]
    {
        let mut expected = vec!["SHARED".to_owned(), "UNENCRYPTED".to_owned()];
        expected.extend((1..=presets).map(|number| format!("{start}{number}")));
        assert_eq!(words(name), expected);
    }
    assert_eq!(words("AssetStatus"), AssetStatus::ALL.map(AssetStatus::as_str));
    let values = [
        ("IngestReport", serde_json::to_value(Report::default())),
        ("StreamReport", serde_json::to_value(StreamReport::default())),
        ("IngestProgress", serde_json::to_value(Progress::default())),
        ("IngestFailure", serde_json::to_value(IngestFailure::new(FailureCode::NotVod, "d"))),
    ];
    for (name, value) in values {
        let (schema, value) = (schema(name), value.unwrap());
        let written: BTreeSet<_> = value.as_object().unwrap().keys().cloned().collect();
        let described: BTreeSet<_> =
            schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, written, "{name}");
        let required: BTreeSet<String> =
            serde_json::from_value(schema["required"].clone()).unwrap();
        assert_eq!(required, written, "{name}");
    }
}

/// A report that lacks nothing that can be in one.
fn full_report() -> Report {
    let place = Place::stream("a").file("b").byte(1).line(2).time(3).period(4);
    let mut findings = Findings::new();
    findings.add(FindingCode::PacketsLost, place.clone(), "d");
    findings.add(FindingCode::AudioGaps, place, "d");
    let stream = StreamReport {
        uri: "a".to_owned(),
        declared_average_bandwidth: Some(1),
        codecs: vec!["avc1.64001e".to_owned()],
        video: Some(VideoReport {
            codec: "H.264".to_owned(),
            resolution: "640x360".to_owned(),
            frame_rate: "25.000".to_owned(),
            scan: ScanType::Interlaced,
            pictures: 1,
            range: "SDR".to_owned(),
            colours: Some(Colours { primaries: 1, transfer: 1, matrix: 1, full_range: false }),
            has_mastering_display: false,
            has_light_level: false,
            random_access: RandomAccessReport::default(),
        }),
        audio: Some(AudioReport {
            codec: "AAC".to_owned(),
            sampling_frequency: 48_000,
            channels: 2,
            layout: "stereo".to_owned(),
            frames: 1,
        }),
        captions: vec![CaptionReport {
            channel: "CC1".to_owned(),
            name: Some("English".to_owned()),
            language: Some("en".to_owned()),
            declared: true,
        }],
        offsets: Some(Offsets { drift_milliseconds: Some(1), ..Offsets::default() }),
        ..StreamReport::default()
    };
    let left_out =
        LeftOut { stream: "a".to_owned(), what: "MP3".to_owned(), reason: "r".to_owned() };
    let mut report = Report {
        periods: PeriodCause::ALL
            .map(|cause| PeriodReport { start_milliseconds: 0, duration_milliseconds: 1, cause })
            .into(),
        streams: vec![stream],
        packages: vec![PackageReport {
            package_type: PackageType::Dash,
            offered: vec!["video-1".to_owned()],
            left_out: vec![left_out],
        }],
        findings: findings.into_sorted(),
        ..Report::default()
    };
    report.tally();
    report
}

/// Fails where a value has not exactly what its schema describes.
fn assert_described(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return assert_described(document, target, value, place);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        // Null or something.
        let choice = choices.iter().find(|choice| choice["type"] != "null").unwrap();
        return assert_described(document, choice, value, place);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value} is none of {words:?}");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let type_of_value = match value {
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    };
    assert!(types.contains(&json!(type_of_value)), "{place}: {value} is no {types:?}");
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        assert_described(document, &schema["items"], item, &format!("{place}[{index}]"));
    }
    let Some(fields) = value.as_object() else { return };
    let described = schema["properties"].as_object().unwrap();
    let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(described), names(fields), "{place}");
    for (name, field) in fields {
        assert_described(document, &described[name], field, &format!("{place}.{name}"));
    }
}

#[test]
fn every_field_of_a_report_is_described_and_reads_back() {
    let document = document();
    let report = full_report();
    let value = serde_json::to_value(&report).unwrap();
    let schema = &document["components"]["schemas"]["IngestReport"];
    assert_described(&document, schema, &value, "report");
    assert_eq!(value["streams"][0]["damage"][0]["code"], "packets_lost");
    assert_eq!(value["streams"][0]["clocks"][0]["code"], "audio_gaps");
    assert_eq!(serde_json::from_value::<Report>(value).unwrap(), report);
}

#[tokio::test]
async fn described_answers_have_the_fields_of_real_ones() {
    let document = document();
    let api = furnished().await;
    api.asset("bbb").await.expect_status(202);
    let shown = [
        ("PackagingGroup", api.get("/v1/packaging-groups/web").await),
        ("PackagingConfiguration", api.get(DASH).await),
        ("Asset", api.get("/v1/assets/bbb").await),
        ("Problem", api.get("/v1/assets?x=1").await),
    ];
    for (name, answer) in shown {
        let written: BTreeSet<_> = answer.body.as_object().unwrap().keys().cloned().collect();
        let schema = &document["components"]["schemas"][name];
        let described: BTreeSet<_> =
            schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, written, "{name}");
    }
}

#[test]
fn requests_admit_no_other_fields() {
    let document = document();
    let requests = [
        "CreateGroup",
        "PatchGroup",
        "SetConfiguration",
        "SetStreamSelection",
        "Encryption",
        "KeyServer",
        "BasicAuth",
        "ContentKeyEncryption",
        "StaticKey",
        "CreateAsset",
        "CreateBatch",
        "BatchItem",
        "PatchAsset",
    ];
    for name in requests {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], false, "{name}: {schema:#}");
    }
}
