//! Captions: those that the pictures carry, with what the master playlist says of them.

use std::collections::BTreeSet;

use crate::hls::read::DeclaredCaptions;
use crate::model::caption::{Caption, CaptionService};
use crate::model::ingest::{CaptionReport, FindingCode, Findings, Place};
use crate::model::presentation::Stream;

/// The captions of a stream: what was measured, with the names and languages that are declared.
pub(super) fn of_stream(
    measured: &BTreeSet<CaptionService>,
    declared: &DeclaredCaptions,
) -> Vec<Caption> {
    let named = measured.iter().map(|service| {
        let known = declared.services.iter().find(|caption| caption.service == *service);
        known.cloned().unwrap_or(Caption { service: *service, description: None })
    });
    named.collect()
}

/// What is told of a stream's captions.
pub(super) fn report(stream: &Stream, declared: &DeclaredCaptions) -> Vec<CaptionReport> {
    let told = stream.captions.iter().map(|caption| CaptionReport {
        channel: caption.service.to_string(),
        name: caption.description.as_ref().map(|words| words.name.clone()),
        language: caption.language().map(str::to_owned),
        declared: is_declared(declared, caption.service),
    });
    told.collect()
}

/// Whether the stream's group has the service.
fn is_declared(declared: &DeclaredCaptions, service: CaptionService) -> bool {
    declared.are_there == Some(true)
        && declared.services.iter().any(|caption| caption.service == service)
}

/// Where the master playlist says something else than the pictures.
pub(super) fn find(stream: &Stream, declared: &DeclaredCaptions, findings: &mut Findings) {
    let mut add = |code, services: Vec<CaptionService>, words: &str| {
        let names: Vec<String> = services.iter().map(ToString::to_string).collect();
        let detail = format!("{words}: {}", names.join(", "));
        findings.add_many(code, Place::stream(&stream.uri), services.len() as u64, detail);
    };
    let is_carried =
        |service: CaptionService| stream.captions.iter().any(|caption| caption.service == service);
    if declared.are_there == Some(true) {
        let services = declared.services.iter().map(|caption| caption.service);
        let missing = services.filter(|service| !is_carried(*service)).collect();
        let words = "declared in the master playlist and not in the pictures, so not offered";
        add(FindingCode::CaptionsMissing, missing, words);
    }
    let carried = stream.captions.iter().map(|caption| caption.service);
    let undeclared = carried.filter(|service| !is_declared(declared, *service)).collect();
    let words = "in the pictures, though the master playlist does not declare it for the stream";
    add(FindingCode::CaptionsUndeclared, undeclared, words);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::description::Description;

    #[test]
    fn what_is_measured_is_offered_and_what_is_declared_gives_it_names() {
        let [first, third, service] =
            [CaptionService::Cea608(1), CaptionService::Cea608(3), CaptionService::Cea708(1)];
        let unnamed = |service| Caption { service, description: None };
        let words = Description { language: Some("en".to_owned()), ..Description::default() };
        let english = Caption { service: first, description: Some(words) };
        let declared = DeclaredCaptions {
            are_there: Some(true),
            services: vec![english.clone(), unnamed(service)],
        };
        let captions = of_stream(&BTreeSet::from([third, first]), &declared);
        assert_eq!(captions, [english, unnamed(third)]);
        let stream = Stream { uri: "a".to_owned(), captions, ..Stream::default() };
        let told = |declared: &DeclaredCaptions| {
            let mut findings = Findings::new();
            find(&stream, declared, &mut findings);
            let report = report(&stream, declared);
            let found: Vec<_> =
                findings.iter().map(|f| format!("{} {}", f.code.as_str(), f.count)).collect();
            let declared: Vec<_> = report.iter().map(|caption| caption.declared).collect();
            (found, declared)
        };
        assert_eq!(
            told(&declared),
            (
                vec!["captions_missing 1".to_owned(), "captions_undeclared 1".to_owned()],
                vec![true, false]
            )
        );
        let silent = DeclaredCaptions { are_there: None, ..declared.clone() };
        assert_eq!(told(&silent), (vec!["captions_undeclared 2".to_owned()], vec![false; 2]));
    }
}
