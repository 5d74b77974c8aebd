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
        known.cloned().unwrap_or(Caption::unnamed(*service))
    });
    named.collect()
}

/// What is told of a stream's captions, and where the master playlist says something else.
pub(super) fn report(
    stream: &Stream,
    declared: &DeclaredCaptions,
    findings: &mut Findings,
) -> Vec<CaptionReport> {
    let is_declared = |service: CaptionService| {
        declared.are_there == Some(true)
            && declared.services.iter().any(|caption| caption.service == service)
    };
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
    let undeclared = carried.filter(|service| !is_declared(*service)).collect();
    let words = "in the pictures, though the master playlist does not declare it for the stream";
    add(FindingCode::CaptionsUndeclared, undeclared, words);
    let told = stream.captions.iter().map(|caption| CaptionReport {
        channel: caption.service.to_string(),
        name: caption.name.clone(),
        language: caption.language.clone(),
        declared: is_declared(caption.service),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_offered_and_what_is_declared_gives_it_names() {
        let [first, third, service] =
            [CaptionService::Cea608(1), CaptionService::Cea608(3), CaptionService::Cea708(1)];
        let english = Caption { language: Some("en".to_owned()), ..Caption::unnamed(first) };
        let declared = DeclaredCaptions {
            are_there: Some(true),
            services: vec![english.clone(), Caption::unnamed(service)],
        };
        let captions = of_stream(&BTreeSet::from([third, first]), &declared);
        assert_eq!(captions, [english, Caption::unnamed(third)]);
        let stream = Stream { uri: "a".to_owned(), captions, ..Stream::default() };
        let told = |declared: &DeclaredCaptions| {
            let mut findings = Findings::new();
            let report = report(&stream, declared, &mut findings);
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
