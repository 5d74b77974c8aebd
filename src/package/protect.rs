//! Encrypts the samples of a fragment where they lie, and notes how.

use crate::cenc::cipher::{CbcsCipher, CencCipher};
use crate::cenc::subsample::{SliceSyntax, subsamples};
use crate::codec::h264::SliceHeaders;
use crate::error::{Error, Result};
use crate::model::codec::CodecConfig;
use crate::model::protection::ProtectionScheme;
use crate::model::sample::{Sample, SampleProtections};
use crate::plan::SegmentProtection;

/// Encrypts all samples in `buffer`.
pub(super) fn samples(
    protection: &SegmentProtection,
    codec: &CodecConfig,
    buffer: &mut [u8],
    samples: &[Sample],
) -> Result<SampleProtections> {
    let slices = match codec {
        CodecConfig::Avc(avc) => Some(SliceSyntax::Avc(SliceHeaders::new(avc.parameter_sets()))),
        CodecConfig::Aac(_) => None,
    };
    let mut protections = SampleProtections::default();
    match protection {
        SegmentProtection::Cenc { key, ivs, first_sample } => {
            let cipher = CencCipher::new(key.expose());
            let mut ordinal = *first_sample;
            for_each(
                ProtectionScheme::Cenc,
                slices.as_ref(),
                buffer,
                samples,
                &mut protections,
                {
                    |sample, subsamples, ivs_out| {
                        let iv = ivs.iv(ordinal);
                        ordinal += 1;
                        cipher.encrypt(iv, sample, subsamples);
                        ivs_out.push(iv);
                    }
                },
            )?;
        }
        SegmentProtection::Cbcs { key, iv } => {
            let cipher = CbcsCipher::new(key.expose(), *iv);
            for_each(
                ProtectionScheme::Cbcs,
                slices.as_ref(),
                buffer,
                samples,
                &mut protections,
                { |sample, subsamples, _| cipher.encrypt(sample, subsamples) },
            )?;
        }
        SegmentProtection::SampleAes { .. } | SegmentProtection::Aes128 { .. } => {
            return Err(Error::internal("fragments are not encrypted like transport streams"));
        }
    }
    Ok(protections)
}

/// Calls `encrypt` with each sample and its subsamples, and keeps the subsamples.
fn for_each(
    scheme: ProtectionScheme,
    slices: Option<&SliceSyntax>,
    buffer: &mut [u8],
    samples: &[Sample],
    protections: &mut SampleProtections,
    mut encrypt: impl FnMut(&mut [u8], &[crate::model::sample::Subsample], &mut Vec<[u8; 8]>),
) -> Result<()> {
    for sample in samples {
        let end = sample.offset + sample.size as usize;
        let bytes = buffer
            .get_mut(sample.offset..end)
            .ok_or_else(|| Error::internal("a sample lies outside its buffer"))?;
        let before = protections.subsamples.len();
        if let Some(slices) = slices {
            subsamples(scheme, bytes, slices, &mut protections.subsamples);
            let count = protections.subsamples.len() - before;
            protections.counts.push(u16::try_from(count).unwrap_or(u16::MAX));
        }
        let own = protections.subsamples.get(before..).unwrap_or_default();
        encrypt(bytes, own, &mut protections.ivs);
    }
    Ok(())
}
