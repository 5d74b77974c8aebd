//! The OpenAPI 3.1 document, gathered from the handlers.
//!
//! Handlers describe their own paths, successes and the refusals peculiar to them; what every call
//! of `/v1` can answer is added here, once.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use super::problem::{PROBLEM_JSON, ProblemBody};
use super::{assets, configurations, groups, probes};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "packorigin control API",
        description = "Packaging groups, packaging configurations and assets of a just-in-time \
                       VOD packaging origin. Times are RFC 3339 in UTC. Unknown fields and \
                       parameters are refused. Errors are RFC 9457 problems with a stable `code`."
    ),
    tags(
        (name = "packaging groups"),
        (name = "packaging configurations"),
        (name = "assets"),
        (name = "operation", description = "Open without the access token"),
    ),
    paths(
        groups::create, groups::list, groups::show, groups::patch, groups::delete,
        configurations::create, configurations::list, configurations::show,
        configurations::replace, configurations::delete,
        assets::create, assets::create_batch, assets::list, assets::show, assets::patch,
        assets::delete, assets::reingest,
        probes::healthz, probes::readyz, probes::metrics, probes::openapi_json,
    ),
    components(schemas(ProblemBody)),
    security(("accessToken" = []))
)]
struct Document;

/// The OpenAPI document of the control API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("Needed where an access token is configured.".to_owned());
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("accessToken", SecurityScheme::Http(bearer));
    for (path, item) in &mut document.paths.paths {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            describe_problems(path, operation);
        }
    }
    document
}

/// Adds what calls of this kind can answer, and gives every refusal its body.
fn describe_problems(path: &str, operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    let mut add = |status: &str, description: &str| {
        responses.entry(status.to_owned()).or_insert_with(|| Response::new(description).into());
    };
    if path.starts_with("/v1/") {
        add("400", "`invalid_argument`, naming the field or parameter");
        add("401", "`unauthenticated`");
        add("500", "`internal`");
        add("503", "`unavailable`, with `Retry-After`");
        if path.contains('{') {
            add("404", "`not_found`");
        }
        if operation.request_body.is_some() {
            add("413", "`too_large`: a body of more than 4 MiB");
        }
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
        {
            *response = ResponseBuilder::from(std::mem::take(response))
                .content(
                    PROBLEM_JSON,
                    Content::new(Some(Ref::from_schema_name(ProblemBody::name()))),
                )
                .build();
        }
    }
}
