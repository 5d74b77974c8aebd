//! The OpenAPI document against the API and against the types it describes.

use std::collections::BTreeSet;

use super::*;
use crate::catalog::AssetStatus;
use crate::model::encryption::SpekeVersion;
use crate::model::ingest::{FailureCode, FindingCode, IngestFailure, Progress, StreamReport};
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
