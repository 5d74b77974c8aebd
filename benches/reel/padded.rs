//! The padded reel: the first seconds of `testdata/ladder` with slices as long as those of 1080p.
//!
//! Pictures of the ladder are a few hundred bytes, so on it the cost of a picture hides that of a
//! byte. Here each slice gets a tail of made-up slice data, always the same, with emulation
//! prevention where chance asks for it (ISO/IEC 14496-10:2022 7.3.1), and the whole is one
//! transport stream segment written by our muxer. No tool is needed, and no file in the repository.
//!
//! No decoder could show the pictures: whatever reads slice data is not to be measured on them.

use std::path::Path;

use packorigin::codec::h264::nal_type;
use packorigin::model::sample::Sample;
use packorigin::ts::mux::{AudioInput, VideoInput, write_segment};

use super::{Pictures, Reel, Sound, pictures, sound};

/// Long enough for a segment with neighbours on both sides.
pub const SECONDS: i64 = 18;
/// Bytes that a slice of a keyframe grows by: with the others, about 5 Mbit/s.
const KEYFRAME_BYTES: usize = 96 << 10;
/// The same for other slices: this and up to three times more.
const STEP_BYTES: usize = 10 << 10;

/// Writes `master.m3u8` and what it names to `folder`, made of another reel.
pub fn write(of: &Reel, folder: &Path) {
    let segment = segment(padded(pictures(of, SECONDS)), sound(of, SECONDS));
    let media = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:{SECONDS}\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXTINF:{SECONDS}.0,\nmedia.ts\n#EXT-X-ENDLIST\n"
    );
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=6000000\nmedia.m3u8\n";
    let files = [
        ("media.ts", &segment[..]),
        ("media.m3u8", media.as_bytes()),
        ("master.m3u8", master.as_bytes()),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("a file of the padded reel");
    }
}

fn segment(mut pictures: Pictures, sound: Sound) -> Vec<u8> {
    let mut out = Vec::new();
    let groups = [sound.samples.len() as u32];
    let video = VideoInput {
        config: &pictures.config,
        samples: &pictures.samples,
        payload: &mut pictures.payload,
        packets_before: 0,
        encrypted: None,
    };
    let audio = AudioInput {
        config: &sound.config,
        timescale: sound.timescale,
        groups: &groups,
        samples: &sound.samples,
        payload: &sound.payload,
        packets_before: 0,
        encrypted: false,
    };
    write_segment(&mut out, 0, Some(video), Some(audio), None);
    out
}

/// The same pictures with longer slices.
fn padded(pictures: Pictures) -> Pictures {
    let Pictures { config, payload: old, samples } = pictures;
    let mut payload = Vec::new();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let pad = |(index, sample): (usize, Sample)| {
        let bytes = match sample.dependency.sync {
            true => KEYFRAME_BYTES,
            false => STEP_BYTES * (1 + index % 4),
        };
        let offset = payload.len();
        let mut rest = &old[sample.offset..sample.offset + sample.size as usize];
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let (nal, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
            let at = payload.len();
            payload.extend_from_slice(length);
            payload.extend_from_slice(nal);
            if matches!(nal[0] & 0x1F, nal_type::SLICE..=nal_type::IDR) {
                noise.append(&mut payload, bytes);
                let length = (payload.len() - at - 4) as u32;
                payload[at..at + 4].copy_from_slice(&length.to_be_bytes());
            }
            rest = behind;
        }
        Sample { offset, size: (payload.len() - offset) as u32, ..sample }
    };
    let samples = samples.into_iter().enumerate().map(pad).collect();
    Pictures { config, payload, samples }
}

/// Bytes that look drawn at random (xorshift64, Marsaglia 2003) and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }

    /// Appends slice data that holds no start code and does not end in a zero.
    fn append(&mut self, out: &mut Vec<u8>, bytes: usize) {
        for _ in 0..bytes {
            let byte = self.next();
            if out.ends_with(&[0, 0]) && byte <= 3 {
                out.push(3);
            }
            out.push(byte);
        }
        out.push(0x80);
    }
}
