//! Encrypts the samples of a fragment where they lie, and notes how.

use std::borrow::Cow;

use crate::cenc::cipher::{CbcsCipher, CencCipher};
use crate::cenc::subsample::{SliceSyntax, subsamples};
use crate::codec::h264::SliceHeaders;
use crate::codec::h265;
use crate::error::{Error, Result};
use crate::model::codec::CodecConfig;
use crate::model::protection::ProtectionScheme;
use crate::model::sample::{Sample, SampleProtections, Subsample};
use crate::plan::SegmentProtection;

/// Encrypts all samples in `buffer`.
pub(super) fn samples(
    protection: &SegmentProtection,
    codec: &CodecConfig,
    buffer: &mut [u8],
    samples: &[Sample],
) -> Result<SampleProtections> {
    let slices = match codec {
        CodecConfig::Avc(avc) => {
            Some(SliceSyntax::Avc(Cow::Owned(SliceHeaders::new(avc.parameter_sets()))))
        }
        CodecConfig::Hevc(hevc) => {
            let headers = h265::SliceHeaders::new(hevc.parameter_sets());
            Some(SliceSyntax::Hevc(Cow::Owned(headers)))
        }
        _ => None,
    };
    let mut protections = SampleProtections::default();
    match protection {
        SegmentProtection::Cenc { key, ivs, first_sample } => {
            let cipher = CencCipher::new(key.expose());
            let scheme = ProtectionScheme::Cenc;
            for (sample, ordinal) in samples.iter().zip(*first_sample..) {
                let bytes = bytes_of(sample, buffer)?;
                let iv = ivs.iv(ordinal);
                let own = divide(scheme, bytes, slices.as_ref(), &mut protections);
                cipher.encrypt(iv, bytes, own);
                protections.ivs.push(iv);
            }
        }
        SegmentProtection::Cbcs { key, iv } => {
            let cipher = CbcsCipher::new(key.expose(), *iv);
            let scheme = ProtectionScheme::Cbcs;
            for sample in samples {
                let bytes = bytes_of(sample, buffer)?;
                let own = divide(scheme, bytes, slices.as_ref(), &mut protections);
                cipher.encrypt(bytes, own);
            }
        }
        SegmentProtection::SampleAes { .. } | SegmentProtection::Aes128 { .. } => {
            return Err(Error::internal("fragments are not encrypted like transport streams"));
        }
    }
    Ok(protections)
}

fn bytes_of<'a>(sample: &Sample, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let end = sample.offset + sample.size as usize;
    let bytes = buffer.get_mut(sample.offset..end);
    bytes.ok_or_else(|| Error::internal("a sample lies outside its buffer"))
}

/// Notes the subsamples of one sample of video and returns them; sound has none.
fn divide<'a>(
    scheme: ProtectionScheme,
    bytes: &[u8],
    slices: Option<&SliceSyntax<'_>>,
    protections: &'a mut SampleProtections,
) -> &'a [Subsample] {
    let Some(slices) = slices else { return &[] };
    let before = protections.subsamples.len();
    subsamples(scheme, bytes, slices, &mut protections.subsamples);
    let own = protections.subsamples.get(before..).unwrap_or_default();
    protections.counts.push(u16::try_from(own.len()).unwrap_or(u16::MAX));
    own
}
