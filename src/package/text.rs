//! Text of a presentation as files and fragments. It is in the index, so the source is not read.

use super::Rendered;
use crate::codec::ttml;
use crate::codec::webvtt::{self, sample, sample::TextSample};
use crate::error::{Error, Result};
use crate::model::sample::{Dependency, Sample, SampleProtections};
use crate::model::text::{Cue, TextFormat, TextStream};
use crate::mp4;
use crate::mp4::fragment::FragmentHeader;
use crate::mp4::text::TextEntry;
use crate::plan::{TextForm, TextPlan, fragment_layout};
use crate::time::{Ticks, Timescale};

/// The initialization segment of a text; `key` names it in its URL's stead.
pub fn text_init(text: &TextStream, key: &str) -> Result<Rendered> {
    let language = text.description.language.as_deref();
    let label = &text.description.name;
    let configuration = webvtt::write_configuration(&text.header);
    let entry = match text.format() {
        TextFormat::WebVtt => TextEntry::Wvtt { configuration: &configuration, label },
        TextFormat::Imsc => TextEntry::Stpp { namespace: ttml::NAMESPACE },
    };
    let bytes = mp4::text::init_segment(entry, language, Timescale::MPEG);
    let cannot =
        |error| Error::internal("the initialization segment cannot be written").caused_by(error);
    let bytes = bytes.map_err(cannot)?.into();
    Ok(Rendered { bytes, content_type: "application/mp4", etag: key.into() })
}

/// A stretch of text.
pub fn text(plan: &TextPlan) -> Result<Rendered> {
    let stream = plan.text().ok_or_else(|| Error::internal("the plan names no text"))?;
    let cues = plan.cues();
    let document = |ttml| ttml::document(ttml, plan.time, plan.end, plan.origin());
    let bytes = match (plan.form, &stream.ttml) {
        (TextForm::Whole, Some(ttml)) => document(ttml),
        (TextForm::Fragments, Some(ttml)) => document_fragment(plan, &document(ttml)),
        (TextForm::Files, _) | (TextForm::Whole, None) => {
            let cues = cues.iter().map(|(_, cue)| *cue);
            webvtt::file(&stream.header, plan.map, cues, plan.origin())
        }
        (TextForm::Fragments, None) => cue_fragment(plan, &cues),
    };
    if bytes.len() as u64 != plan.bytes {
        let message = format!("{} has {} bytes and not as planned", plan.key(), bytes.len());
        return Err(Error::internal(message));
    }
    let (content_type, etag) = (plan.content_type(), plan.key().into());
    Ok(Rendered { bytes: bytes.into(), content_type, etag })
}

/// One document in one sample, which lasts as long as the segment.
fn document_fragment(plan: &TextPlan, document: &[u8]) -> Vec<u8> {
    let sample = TextSample {
        start: plan.time,
        end: plan.end,
        size: u32::try_from(document.len()).unwrap_or(u32::MAX),
    };
    let mut bytes = fragment_header(plan, &[sample]);
    bytes.extend_from_slice(document);
    bytes
}

fn cue_fragment(plan: &TextPlan, cues: &[(usize, &Cue)]) -> Vec<u8> {
    let samples = sample::samples(cues, plan.time, plan.end);
    let mut bytes = fragment_header(plan, &samples);
    sample::write(&mut bytes, cues, &samples);
    bytes
}

/// What comes before the samples.
fn fragment_header(plan: &TextPlan, text_samples: &[TextSample]) -> Vec<u8> {
    let mut offset = 0;
    let samples: Vec<Sample> = text_samples
        .iter()
        .map(|sample| {
            let own = offset;
            offset += sample.size as usize;
            Sample {
                offset: own,
                size: sample.size,
                decode_time: sample.start,
                duration: ticks(sample.end.minus(sample.start)),
                composition_offset: 0,
                transport_decode_time: sample.start,
                dependency: Dependency::AUDIO,
            }
        })
        .collect();
    let header = FragmentHeader {
        layout: fragment_layout(samples.len()),
        sequence_number: u32::try_from(plan.number).unwrap_or(u32::MAX),
        base_decode_time: plan.time,
        payload_bytes: u32::try_from(offset).unwrap_or(u32::MAX),
    };
    header.to_bytes(&samples, &SampleProtections::default())
}

fn ticks(duration: Ticks) -> u32 {
    u32::try_from(duration.0).unwrap_or(u32::MAX)
}
