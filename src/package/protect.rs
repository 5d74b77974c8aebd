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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cenc::iv::IvBase;
    use crate::model::codec::{Ac3Config, HevcConfig, PictureFormat};
    use crate::model::protection::{ContentKey, KeyId};
    use crate::model::sample::Dependency;
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
