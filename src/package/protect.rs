//! Encrypts the samples of a fragment where they lie, and notes how.

use std::borrow::Cow;
use std::ops::Range;

use crate::cenc::cipher::{CbcsCipher, CencCipher, ProtectedSample};
use crate::cenc::subsample::{SliceSyntax, subsamples};
use crate::codec::h264::SliceHeaders;
use crate::codec::h265;
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
        CodecConfig::Avc(avc) => {
            Some(SliceSyntax::Avc(Cow::Owned(SliceHeaders::new(avc.parameter_sets()))))
        }
        CodecConfig::Hevc(hevc) => {
            let headers = h265::SliceHeaders::new(hevc.parameter_sets());
            Some(SliceSyntax::Hevc(Cow::Owned(headers)))
        }
        _ => None,
    };
    if samples.iter().any(|sample| place_of(sample).end > buffer.len()) {
        return Err(Error::internal("a sample lies outside its buffer"));
    }
    let scheme = match protection {
        SegmentProtection::Cenc { .. } => ProtectionScheme::Cenc,
        SegmentProtection::Cbcs { .. } => ProtectionScheme::Cbcs,
        SegmentProtection::SampleAes { .. } => ProtectionScheme::HlsSampleAes,
        SegmentProtection::Aes128 { .. } => ProtectionScheme::HlsAes128,
    };
    let mut protections = match &slices {
        Some(slices) => divide(scheme, buffer, samples, slices)?,
        // Sound has no subsamples.
        None => SampleProtections::default(),
    };
    let mut rest = protections.subsamples.as_slice();
    let mut counts = protections.counts.iter();
    let protected = samples.iter().map(|sample| {
        let count = counts.next().map_or(0, |count| usize::from(*count));
        let (subsamples, behind) = rest.split_at_checked(count).unwrap_or_default();
        rest = behind;
        ProtectedSample { place: place_of(sample), subsamples }
    });
    match protection {
        SegmentProtection::Cenc { key, ivs, first_sample } => {
            let ivs: Vec<_> =
                (*first_sample..).map(|ordinal| ivs.iv(ordinal)).take(samples.len()).collect();
            CencCipher::new(key.expose()).encrypt(buffer, ivs.iter().copied().zip(protected));
            protections.ivs = ivs;
        }
        SegmentProtection::Cbcs { key, iv } => {
            CbcsCipher::new(key.expose(), *iv).encrypt(buffer, protected);
        }
        SegmentProtection::SampleAes { .. } | SegmentProtection::Aes128 { .. } => {
            return Err(Error::internal("fragments are not encrypted like transport streams"));
        }
    }
    Ok(protections)
}

fn place_of(sample: &Sample) -> Range<usize> {
    sample.offset..sample.offset + sample.size as usize
}

/// Notes the subsamples of all samples of video.
fn divide(
    scheme: ProtectionScheme,
    buffer: &[u8],
    samples: &[Sample],
    slices: &SliceSyntax<'_>,
) -> Result<SampleProtections> {
    let mut protections = SampleProtections::default();
    protections.counts.reserve(samples.len());
    for sample in samples {
        let before = protections.subsamples.len();
        let bytes = buffer.get(place_of(sample)).unwrap_or_default();
        subsamples(scheme, bytes, slices, &mut protections.subsamples);
        let count = u16::try_from(protections.subsamples.len() - before);
        let count = count
            .map_err(|_| Error::internal("a picture has more subsamples than senc can tell"))?;
        protections.counts.push(count);
    }
    Ok(protections)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cenc::iv::IvBase;
    use crate::model::codec::{Ac3Config, HevcConfig, PictureFormat};
    use crate::model::protection::{ContentKey, KeyId};
    use crate::model::sample::{Dependency, Subsample};
    use crate::time::Ticks;
    use std::sync::Arc;
    use zeroize::Zeroizing;

    fn key() -> Arc<ContentKey> {
        Arc::new(ContentKey::new(KeyId([1; 16]), Zeroizing::new([2; 16]), Some([3; 16])))
    }

    fn cenc() -> SegmentProtection {
        SegmentProtection::Cenc { key: key(), ivs: IvBase::new(&[b"test"]), first_sample: 7 }
    }

    fn one_sample(bytes: &[u8]) -> [Sample; 1] {
        [Sample {
            offset: 0,
            size: bytes.len() as u32,
            decode_time: Ticks::ZERO,
            duration: 3_600,
            composition_offset: 0,
            transport_decode_time: Ticks::ZERO,
            dependency: Dependency { sync: false, independent: false, disposable: false },
        }]
    }

    /// Parameter sets and a slice header of 20 bytes of a stream of x265.
    #[test]
    fn slices_of_hevc_are_encrypted_behind_their_headers() {
        let set = |hex| vec![hex::decode(hex).unwrap()];
        let codec = CodecConfig::Hevc(HevcConfig {
            profile_space: 0,
            high_tier: false,
            profile_idc: 1,
            compatibility: 0x6000_0000,
            constraints: [0x90, 0, 0, 0, 0, 0],
            level_idc: 60,
            min_spatial_segmentation: 0,
            temporal_layers: 1,
            temporal_id_nested: true,
            picture: PictureFormat::default(),
            video_parameter_sets: Vec::new(),
            sequence_parameter_sets: set(
                "42010101600000030090000003000003003ca00b08048596566924caf0168080000003008000000c84",
            ),
            picture_parameter_sets: set("4401c172b64240"),
        });
        let mut nal = hex::decode("10016513116abfb87c86926e2482626c2884f3e0").unwrap();
        nal.resize(20 + 33, 0x5A);
        let clear = [&(nal.len() as u32).to_be_bytes()[..], &nal].concat();
        let cbcs = SegmentProtection::Cbcs { key: key(), iv: [3; 16] };
        // cenc moves 33 mod 16 = 1 byte to the clear part.
        for (protection, header, protected) in [(cbcs, 24, 33), (cenc(), 25, 32)] {
            let mut buffer = clear.clone();
            let said = samples(&protection, &codec, &mut buffer, &one_sample(&clear)).unwrap();
            assert_eq!(said.subsamples, [Subsample { clear: header, protected }]);
            assert_eq!(said.counts, [1]);
            let (head, body) = buffer.split_at(usize::from(header));
            assert_eq!(head, &clear[..head.len()]);
            assert_ne!(body[..16], clear[head.len()..head.len() + 16]);
        }
    }

    #[test]
    fn frames_of_dolby_sound_are_encrypted_whole() {
        let ac3 = Ac3Config { fscod: 0, bsid: 8, bsmod: 0, acmod: 7, lfe: true, bit_rate_code: 14 };
        let clear = [&[0x0B, 0x77][..], &[0x5A; 62]].concat();
        let mut buffer = clear.clone();
        let said =
            samples(&cenc(), &CodecConfig::Ac3(ac3), &mut buffer, &one_sample(&clear)).unwrap();
        assert_eq!((said.subsamples.len(), said.counts.len(), said.ivs.len()), (0, 0, 1));
        assert!(buffer.iter().zip(&clear).filter(|(a, b)| a == b).count() < 8);
    }
}
