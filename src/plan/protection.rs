//! Which key protects which track, and with which IVs.
//!
//! ```text
//! KeySet + Presentation ─ Protection ┬ key_for(track)        for manifests, init segments
//!                                    └ SegmentProtection     for one segment
//! ```
//!
//! A transport stream holds pictures and sound under one key: that of its pictures.
//!
//! Where a key has no IV, transport streams take theirs from media sequence numbers. Ordinary
//! playlists all count from 0, and players may do without being told. I-frame playlists count other
//! segments by the same numbers: under one key and IV, CBC shows where two of them begin alike. So
//! each has the number of its stream in the upper half of its IVs, and says them.

use std::sync::Arc;

use crate::cenc::iv::IvBase;
use crate::model::encryption::Encryption;
use crate::model::manifest::RenditionProtection;
use crate::model::presentation::{Group, Medium, Presentation, Track};
use crate::model::protection::{ContentKey, DrmSystem, KeySet, ProtectionScheme, RuleKey};
use crate::model::sample::FragmentProtection;

/// How one media segment is encrypted.
#[derive(Clone, Debug)]
pub enum SegmentProtection {
    /// cenc: each sample has an IV of its own.
    Cenc {
        /// The key.
        key: Arc<ContentKey>,
        /// Where the IVs of the presentation begin.
        ivs: IvBase,
        /// The number of the segment's first sample among all samples of the presentation.
        first_sample: u64,
    },
    /// cbcs.
    Cbcs {
        /// The key.
        key: Arc<ContentKey>,
        /// The IV of every subsample.
        iv: [u8; 16],
    },
    /// SAMPLE-AES in a transport stream.
    SampleAes {
        /// The key.
        key: Arc<ContentKey>,
        /// The IV of every NAL unit and audio frame.
        iv: [u8; 16],
    },
    /// The whole segment with AES-128.
    Aes128 {
        /// The key.
        key: Arc<ContentKey>,
        /// The IV.
        iv: [u8; 16],
    },
}

impl SegmentProtection {
    /// How the sample data of an encrypted fragment over some groups is described.
    pub(super) fn of_fragment(
        scheme: ProtectionScheme,
        track: &Track,
        groups: &[Group],
    ) -> Option<FragmentProtection> {
        let iv_bytes = match scheme {
            ProtectionScheme::Cenc => 8,
            ProtectionScheme::Cbcs => 0,
            ProtectionScheme::HlsAes128 | ProtectionScheme::HlsSampleAes => return None,
        };
        let count = |group: &Group| match scheme {
            ProtectionScheme::Cenc => group.subsamples.cenc,
            _ => group.subsamples.cbcs,
        };
        let is_video = track.codec.medium() == Medium::Video;
        let most = groups.iter().map(|group| group.subsamples.most).max().unwrap_or(0);
        Some(FragmentProtection {
            iv_bytes,
            subsamples: is_video.then(|| groups.iter().map(count).sum()),
            fits_sizes: most <= FragmentProtection::MAX_SUBSAMPLES,
        })
    }
}

/// The keys of a presentation under one configuration.
#[derive(Clone, Debug)]
pub(super) struct Protection {
    keys: Arc<KeySet>,
    clear_lead_segments: usize,
    ivs: IvBase,
    /// How many samples of other tracks come before those of a track, by stream, period and medium.
    samples_before: Vec<Vec<[u64; 2]>>,
}

impl Protection {
    /// `version` identifies the presentation's index; `format` the form of its samples.
    pub fn new(
        presentation: &Presentation,
        version: &str,
        format: u32,
        encryption: &Encryption,
        keys: Arc<KeySet>,
    ) -> Self {
        let mut before = 0;
        let mut next = |track: Option<&Track>| {
            let own = before;
            before += track.map_or(0, |track| track.groups.sums().samples);
            own
        };
        let samples_before = presentation
            .streams
            .iter()
            .map(|stream| {
                let periods = stream.periods.iter();
                periods.map(|p| [next(p.video.as_ref()), next(p.audio.as_ref())]).collect()
            })
            .collect();
        Self {
            keys,
            clear_lead_segments: encryption.clear_lead_segments as usize,
            ivs: IvBase::new(&[version.as_bytes(), &format.to_be_bytes()]),
            samples_before,
        }
    }

    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    pub fn scheme(&self) -> ProtectionScheme {
        self.keys.scheme
    }

    pub fn clear_lead_segments(&self) -> usize {
        self.clear_lead_segments
    }

    /// The key of a track, or of a transport stream with this track as its lead.
    pub fn key_for(&self, lead: &Track) -> Option<&RuleKey> {
        match lead.codec.picture() {
            Some(picture) => {
                let pixels = u64::from(picture.width) * u64::from(picture.height);
                self.keys.key_for(Medium::Video, pixels)
            }
            None => {
                let channels = lead.codec.sound().map_or(0, |sound| sound.channels);
                self.keys.key_for(Medium::Audio, u64::from(channels))
            }
        }
    }

    /// What a manifest says of a rendition. `segments_before` counts its segments in earlier
    /// periods, `None` if it is not in all of them; `first_number` is the media sequence number of
    /// its first segment.
    pub fn of_rendition(
        &self,
        lead: &Track,
        segments_before: Option<usize>,
        first_number: u64,
    ) -> Option<Arc<RenditionProtection>> {
        // The lead is the start of the title: a rendition that sets in later has none.
        let clear_segments =
            segments_before.map_or(0, |before| self.clear_lead_segments.saturating_sub(before));
        let entry = self.key_for(lead)?;
        let scheme = self.scheme();
        let is_plain = entry.signalling.iter().any(|s| s.system == DrmSystem::PlainKey);
        Some(Arc::new(RenditionProtection {
            scheme,
            key_id: entry.key.id,
            constant_iv: entry.key.iv.filter(|_| scheme != ProtectionScheme::Cenc),
            // FairPlay hands the IV out with the key; players of plain keys must be told.
            shows_iv: is_plain,
            signalling: entry.signalling.clone(),
            clear_segments,
            has_clear_entry: self.clear_lead_segments > 0,
            first_number,
            iv_space: 0,
        }))
    }

    /// How the segment is encrypted that begins with `group`; `numbered_iv` is its IV where it has
    /// to have one and the key has none. `None` where the scheme needs an IV that the key does not have.
    pub fn of_segment(
        &self,
        key: &Arc<ContentKey>,
        (stream, period, medium): (usize, usize, Medium),
        track: &Track,
        group: usize,
        numbered_iv: [u8; 16],
    ) -> Option<SegmentProtection> {
        let key = key.clone();
        Some(match self.scheme() {
            ProtectionScheme::Cenc => {
                let of_tracks = self.samples_before.get(stream)?.get(period)?;
                let [video, audio] = *of_tracks;
                let own = track.groups.before(group).samples;
                let others = if medium == Medium::Video { video } else { audio };
                SegmentProtection::Cenc { key, ivs: self.ivs, first_sample: others + own }
            }
            ProtectionScheme::Cbcs => SegmentProtection::Cbcs { iv: key.iv?, key },
            ProtectionScheme::HlsSampleAes => {
                SegmentProtection::SampleAes { iv: key.iv.unwrap_or(numbered_iv), key }
            }
            ProtectionScheme::HlsAes128 => {
                SegmentProtection::Aes128 { iv: key.iv.unwrap_or(numbered_iv), key }
            }
        })
    }
}
