//! Refusals that no call is free of, the access token, and the probes.

use super::*;

/// A full and good body of every call that takes one, with where objects lie in it.
fn bodies() -> [(Method, &'static str, Value, &'static [&'static str]); 7] {
    let configuration = json!({
        "name": "dash", "packageType": "DASH", "segmentDurationSeconds": 6,
        "manifestName": "index", "description": "", "encryption": null,
        "streamSelection": {"order": "ORIGINAL", "minVideoBitsPerSecond": 0,
                            "maxVideoBitsPerSecond": 1},
    });
    let asset = json!({
        "name": "bbb", "packagingGroup": "web", "path": "a", "source": "default",
        "contentId": "c", "description": "",
    });
    let batch = json!({"packagingGroup": "web", "assets": [asset]});
    let group = json!({"name": "tv", "description": ""});
    [
        (Method::POST, "/v1/packaging-groups", group, &[""]),
        (Method::PATCH, "/v1/packaging-groups/web", json!({"description": ""}), &[""]),
        (Method::POST, CONFIGURATIONS, configuration.clone(), &["", "streamSelection"]),
        (Method::PUT, DASH, configuration, &["", "streamSelection"]),
        (Method::POST, "/v1/assets", asset, &[""]),
        (Method::POST, "/v1/assets:batch", batch, &[""]),
        (Method::PATCH, "/v1/assets/bbb", json!({"description": "", "contentId": null}), &[""]),
    ]
}

#[tokio::test]
async fn unknown_fields_are_refused_by_name() {
    let api = furnished().await;
    api.asset("there").await.expect_status(202);
    let mut cases = 0;
    // Typing errors, other spellings, fields of answers, and one of another call.
    let unknown = ["nam", "Name", "created_at", "createdAt", "id", "egressEndpoints", "x-y"];
    for (method, path, body, places) in bodies() {
        for place in places {
            for name in unknown {
                let mut body = body.clone();
                let object = if place.is_empty() { &mut body } else { &mut body[place] };
                object[name] = json!(null);
                let dot = if place.is_empty() { "" } else { "." };
                let field = format!("{place}{dot}{name}");
                let answer = api.call(method.clone(), path, Some(body)).await;
                answer.expect_problem(400, "invalid_argument", Some(&field));
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 63);
    assert_eq!(api.get("/v1/assets").await.names(), ["there"]);
}

#[tokio::test]
async fn unknown_parameters_are_refused_by_name() {
    let api = furnished().await;
    api.asset("bbb").await.expect_status(202);
    let lists = ["/v1/packaging-groups", CONFIGURATIONS, "/v1/assets"];
    for path in lists {
        for query in ["pagesize=1", "page=2", "limit=5", "foo"] {
            let field = query.split('=').next().unwrap();
            let answer = api.get(&format!("{path}?{query}")).await;
            answer.expect_problem(400, "invalid_argument", Some(field));
        }
        let answer = api.get(&format!("{path}?order=asc&order=desc")).await;
        answer.expect_problem(400, "invalid_argument", Some("order"));
    }
    let answer = api.get("/v1/packaging-groups?status=PLAYABLE").await;
    answer.expect_problem(400, "invalid_argument", Some("status"));
    for (method, path, body, _) in bodies() {
        let answer = api.call(method, &format!("{path}?force=true"), Some(body)).await;
        answer.expect_problem(400, "invalid_argument", Some("force"));
    }
    for path in ["/v1/packaging-groups/web", DASH, "/v1/assets/bbb"] {
        for method in [Method::GET, Method::DELETE] {
            let answer = api.call(method, &format!("{path}?force=true"), None).await;
            answer.expect_problem(400, "invalid_argument", Some("force"));
        }
    }
    let answer = api.call(Method::POST, "/v1/assets/bbb:reingest?force=true", None).await;
    answer.expect_problem(400, "invalid_argument", Some("force"));
    api.get("/v1/assets/bbb").await.expect_status(200);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let api = furnished().await;
    let post = async |content_type: Option<&str>, body: &str| {
        let mut request = Request::post("/v1/packaging-groups");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        api.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    let json = Some("application/json");
    let good = r#"{"name": "tv"}"#;
    for body in ["", "{", "{\"name\": \"tv\",}", "{\"name\": \"tv\"} {}", "name=tv", "\u{feff}{}"] {
        post(json, body).await.expect_problem(400, "invalid_argument", None);
    }
    let answer = post(json, "{\n  \"name\": tv\n}").await;
    let detail = answer.expect_problem(400, "invalid_argument", None).body["detail"].clone();
    assert!(detail.as_str().unwrap().contains("line 2"), "{detail}");
    for body in ["[]", "null", "\"tv\"", "7"] {
        post(json, body).await.expect_problem(400, "invalid_argument", None);
    }
    let types = [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("json")];
    for content_type in types {
        let answer = post(content_type, good).await;
        answer.expect_problem(400, "invalid_argument", Some("Content-Type"));
    }
    post(Some("application/merge-patch+json"), good).await.expect_problem(
        400,
        "invalid_argument",
        Some("Content-Type"),
    );
    let deep = format!("{{\"name\": {}", "[".repeat(100_000));
    post(json, &deep).await.expect_problem(400, "invalid_argument", Some("name"));
    post(Some("Application/JSON; charset=utf-8"), good).await.expect_status(201);
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused() {
    let api = furnished().await;
    let send = async |declared: Option<usize>, length: usize| {
        let mut request =
            Request::post("/v1/packaging-groups").header("content-type", "application/json");
        if let Some(declared) = declared {
            request = request.header("content-length", declared);
        }
        let mut body = r#"{"name": "tv"}"#.to_owned();
        body.push_str(&" ".repeat(length - body.len()));
        api.send(request.body(Body::from(body)).unwrap()).await
    };
    let limit = 4 << 20;
    send(None, limit + 1).await.expect_problem(413, "too_large", None);
    send(Some(limit + 1), 100).await.expect_problem(413, "too_large", None);
    send(Some(limit), limit).await.expect_status(201);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let api = furnished().await;
    for path in ["/", "/v1", "/v1/", "/v1/nothing", "/v1/assets/a/b", "/vod/v1/a/b/index.mpd", "//"]
    {
        api.get(path).await.expect_problem(404, "not_found", None);
    }
    let put = api.call(Method::PUT, "/v1/assets", None).await;
    let put = put.expect_problem(405, "method_not_allowed", None);
    assert_eq!(put.header("allow"), "GET,HEAD,POST");
    let get = api.get("/v1/assets:batch").await.expect_problem(405, "method_not_allowed", None);
    assert_eq!(get.header("allow"), "POST");
    let answer = api.call(Method::POST, "/healthz", None).await;
    answer.expect_problem(405, "method_not_allowed", None);
}

#[tokio::test]
async fn the_token_closes_everything_but_the_probes() {
    let api = with_token(Some("s3cret")).await;
    let get = async |path: &str, authorization: Option<&str>| {
        let mut request = Request::get(path);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        api.send(request.body(Body::empty()).unwrap()).await
    };
    for authorization in [None, Some("Bearer wrong"), Some("Basic s3cret"), Some("Bearer s3cretx")]
    {
        for path in ["/v1/assets", "/v1/assets/x", "/v1/nothing", "/v1/assets?bad=1", "/", "//v1"] {
            let answer = get(path, authorization).await;
            let answer = answer.expect_problem(401, "unauthenticated", None);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
            get(path, authorization).await.expect_status(200);
        }
    }
    get("/v1/assets", Some("Bearer s3cret")).await.expect_status(200);
    // Refused before the body is looked at.
    let answer = api.post("/v1/packaging-groups", json!({"x": 1})).await;
    answer.expect_problem(401, "unauthenticated", None);
}

#[tokio::test]
async fn request_ids_are_echoed_or_made() {
    let api = furnished().await;
    let get = async |id: &str| {
        let request = Request::get("/v1/nothing").header("x-request-id", id);
        api.send(request.body(Body::empty()).unwrap()).await.expect_problem(404, "not_found", None)
    };
    assert_eq!(get("my-id_1.2").await.body["requestId"], "my-id_1.2");
    assert_ne!(get("my id").await.body["requestId"], "my id");
    let made = [api.get("/healthz").await, api.get("/healthz").await];
    assert_ne!(made[0].header("x-request-id"), made[1].header("x-request-id"));
    assert_eq!(made[0].header("cache-control"), "no-store");
    assert_eq!(made[0].header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable_and_tells_no_internals() {
    let api = furnished().await;
    assert_eq!(api.get("/readyz").await.expect_status(200).body, json!({"status": "ok"}));
    api.store.close().await;
    for path in ["/readyz", "/v1/assets", DASH] {
        let answer = api.get(path).await.expect_problem(503, "unavailable", None);
        assert_eq!(answer.header("retry-after"), "2");
        let detail = answer.body["detail"].as_str().unwrap().to_lowercase();
        for internal in ["sql", "pool", "database", "catalog"] {
            assert!(!detail.contains(internal), "{detail}");
        }
    }
    let answer = api.post("/v1/packaging-groups", json!({"name": "tv"})).await;
    answer.expect_problem(503, "unavailable", None);
    api.get("/healthz").await.expect_status(200);
}

#[tokio::test]
async fn a_panic_is_an_internal_problem() {
    let store = SqliteStore::in_memory().await.unwrap();
    let catalog = Catalog::new(Arc::new(store), Arc::new(SystemClock), CatalogSettings::default());
    let router = router(ControlState {
        catalog: Arc::new(catalog),
        sources: BTreeSet::new(),
        public_base_url: String::new(),
        access_token: None,
        vault: vault(),
        egress: EgressPolicy::default(),
        endpoint_check: EndpointCheck::new(|_, _| Box::pin(async { EndpointOffer::default() })),
        dry_run: no_dry_run(),
        metrics: MetricsPage::new(|| panic!("secret")),
        counters: Arc::new(Metrics::new().unwrap()),
    });
    let response =
        router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 500);
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(body["code"], "internal");
    assert!(!body.to_string().contains("secret"));
}

#[tokio::test]
async fn metrics_are_what_was_passed_in() {
    let answer = api().await.get("/metrics").await.expect_status(200);
    assert_eq!(answer.body, "packorigin_up 1\n");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
}

#[tokio::test]
async fn a_stop_ends_the_listener() {
    let store = SqliteStore::in_memory().await.unwrap();
    let catalog = Catalog::new(Arc::new(store), Arc::new(SystemClock), CatalogSettings::default());
    let state = ControlState {
        catalog: Arc::new(catalog),
        sources: BTreeSet::new(),
        public_base_url: String::new(),
        access_token: None,
        vault: vault(),
        egress: EgressPolicy::default(),
        endpoint_check: EndpointCheck::new(|_, _| Box::pin(async { EndpointOffer::default() })),
        dry_run: no_dry_run(),
        metrics: MetricsPage::new(String::new),
        counters: Arc::new(Metrics::new().unwrap()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, receiver) = watch::channel(false);
    let served = tokio::spawn(serve(listener, state, receiver));
    let answer = reqwest::get(format!("http://{address}/healthz")).await.unwrap();
    assert_eq!(answer.status(), 200);
    shutdown.send(true).unwrap();
    served.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
