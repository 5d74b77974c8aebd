//! AAC in LATM with the sync layer LOAS (ISO/IEC 14496-3:2019 1.7) → raw frames.
//!
//! ```text
//! AudioSyncStream:  0x2B7 │ length │ AudioMuxElement
//! AudioMuxElement:  useSameStreamMux │ [StreamMuxConfig] │ length of payload │ payload │ …
//! ```
//!
//! Payload begins at any bit and is moved to bytes. The configuration comes every now and then;
//! frames before the first are left out.
//!
//! Read is what broadcasts have: one program with one layer, one frame in each element, payload of
//! stated length (`frameLengthType` 0). Then everything that an element without `StreamMuxConfig`
//! leaves open is known: where the payload begins does not depend on the configuration, and what
//! stands behind the payload is passed over. So whoever begins to read there needs no more than the
//! AAC configuration. All else is refused by name.

use super::ConfigError;
use super::aac::specific_config;
use super::bits::BitReader;
use super::sound::{
    Configs, Following, Frame, HeaderSyntax, Standing, Step, View, judge, no_header,
};
use crate::model::codec::{AacConfig, CodecConfig};

/// `syncword` and `audioMuxLengthBytes`.
const HEADER_BYTES: usize = 3;

const HEADER: HeaderSyntax = HeaderSyntax { first: 0x56, bytes: HEADER_BYTES };

/// Bytes of the element behind a header.
fn element_bytes(header: &[u8]) -> Option<usize> {
    let [b0, b1, b2]: [u8; HEADER_BYTES] = *header.first_chunk()?;
    let is_sync = b0 == 0x56 && b1 & 0xE0 == 0xE0;
    let bytes = usize::from(b1 & 0x1F) << 8 | usize::from(b2);
    (is_sync && bytes > 0).then_some(bytes)
}

/// What an `AudioMuxElement` holds.
#[derive(Debug)]
struct Element {
    /// `None` where the one before holds.
    config: Option<Result<AacConfig, ConfigError>>,
    first_bit: usize,
    size: usize,
}

impl Element {
    /// Reads an element. A configuration that is refused leaves the payload unknown.
    fn read(bytes: &[u8]) -> Result<Self, ConfigError> {
        let mut bits = BitReader::new(bytes);
        let config = match bits.flag("useSameStreamMux")? {
            true => None,
            false => Some(read_stream_mux_config(&mut bits)),
        };
        if let Some(Err(_)) = config {
            return Ok(Self { config, first_bit: 0, size: 0 });
        }
        // PayloadLengthInfo
        let mut size = 0;
        loop {
            let more = bits.bits(8, "MuxSlotLengthBytes")? as usize;
            size += more;
            if more < 255 {
                break;
            }
        }
        let first_bit = bits.bits_read();
        if first_bit + size * 8 > bytes.len() * 8 || size == 0 {
            return Err(ConfigError::Truncated { field: "PayloadMux" });
        }
        Ok(Self { config, first_bit, size })
    }
}

/// `StreamMuxConfig` (1.7.3.1).
fn read_stream_mux_config(bits: &mut BitReader<'_>) -> Result<AacConfig, ConfigError> {
    let refuse = |feature| Err(ConfigError::Unsupported { feature });
    let version = bits.bits(1, "audioMuxVersion")?;
    if version == 1 {
        if bits.flag("audioMuxVersionA")? {
            return refuse("LATM of an unknown version (audioMuxVersionA)");
        }
        read_value(bits, "taraBufferFullness")?;
    }
    if !bits.flag("allStreamsSameTimeFraming")? {
        return refuse("LATM whose streams are framed differently");
    }
    if bits.bits(6, "numSubFrames")? != 0 {
        return refuse("LATM with several frames in one element");
    }
    if bits.bits(4, "numProgram")? != 0 {
        return refuse("LATM with several programs");
    }
    if bits.bits(3, "numLayer")? != 0 {
        return refuse("LATM with several layers");
    }
    let config = if version == 0 {
        specific_config::read(bits, None)?
    } else {
        let length = read_value(bits, "ascLen")? as usize;
        let end = bits.bits_read() + length;
        let config = specific_config::read(bits, Some(length))?;
        let fill = end.checked_sub(bits.bits_read());
        for _ in 0..fill.ok_or(ConfigError::Truncated { field: "AudioSpecificConfig" })? {
            bits.bits(1, "fillBits")?;
        }
        config
    };
    if bits.bits(3, "frameLengthType")? != 0 {
        return refuse("LATM with frames of a fixed length");
    }
    bits.bits(8, "latmBufferFullness")?;
    if bits.flag("otherDataPresent")? {
        if version == 1 {
            read_value(bits, "otherDataLenBits")?;
        } else {
            while bits.flag("otherDataLenEsc")? {
                bits.bits(8, "otherDataLenTmp")?;
            }
            bits.bits(8, "otherDataLenTmp")?;
        }
    }
    if bits.flag("crcCheckPresent")? {
        bits.bits(8, "crcCheckSum")?;
    }
    Ok(config)
}

/// `LatmGetValue` (1.7.3.1).
fn read_value(bits: &mut BitReader<'_>, field: &'static str) -> Result<u32, ConfigError> {
    let bytes = bits.bits(2, field)? + 1;
    bits.bits(8 * bytes, field)
}

/// Finds elements of LOAS.
pub(super) struct Reader;

impl Reader {
    /// What begins in view.
    pub fn step(&self, view: &View<'_>, configs: &mut Configs) -> Step {
        if view.bytes.len() < HEADER_BYTES {
            return Step::More(HEADER_BYTES);
        }
        let Some(length) = element_bytes(view.bytes) else { return no_header(view, HEADER) };
        let bytes = HEADER_BYTES + length;
        let Some(element) = view.bytes.get(HEADER_BYTES..bytes) else {
            return Step::More(bytes + HEADER_BYTES);
        };
        let lost = if view.is_border() { Step::Lose } else { Step::Skip(1) };
        let Ok(element) = Element::read(element) else { return lost };
        let known = match configs.current() {
            Some(CodecConfig::Aac(known)) => Some(known),
            _ => None,
        };
        let standing = match (&element.config, known) {
            (Some(Ok(config)), Some(known)) if config == known => Standing::Known,
            (Some(_), Some(_)) => Standing::Other,
            (Some(_), None) => Standing::First,
            (None, _) => Standing::Known,
        };
        let judgement = judge(view, bytes, standing, HEADER, |behind| {
            let Some(length) = element_bytes(behind) else { return Ok(None) };
            if standing == Standing::Known {
                return Ok(Some(Following { with_frame: true, with_known: true }));
            }
            let end = HEADER_BYTES + length;
            let next = match behind.get(HEADER_BYTES..end) {
                Some(next) => Element::read(next).ok(),
                // The end cuts it off. Where no configuration is known, its header has to do: a player
                // is given no more than what begins before the next sample.
                None if view.ends && standing == Standing::First => {
                    return Ok(Some(Following { with_frame: true, with_known: false }));
                }
                None if view.ends => None,
                None => return Err(end),
            };
            Ok(next.map(|next| match next.config {
                None => Following { with_frame: true, with_known: false },
                config => Following {
                    with_frame: config == element.config,
                    with_known: config.and_then(Result::ok).as_ref() == known,
                },
            }))
        });
        if let Err(step) = judgement {
            return step;
        }
        let config = match (element.config, standing) {
            (None, _) if known.is_none() => return Step::Skip(bytes),
            (_, Standing::Known) => configs.current_number(),
            (Some(Ok(config)), _) => configs.adopt(CodecConfig::Aac(config)),
            (Some(Err(reason)), _) => {
                configs.refuse(reason);
                configs.forget();
                return Step::Drop(bytes);
            }
            (None, _) => return Step::Drop(bytes),
        };
        let first_bit = HEADER_BYTES * 8 + element.first_bit;
        Step::Frame(Frame { first_bit, size: element.size, bytes, config })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::codec::Damage;
    use crate::codec::bits::BitWriter;
    use crate::codec::sound::Framer;
    use crate::model::codec::{AacExtension, StreamSyntax};

    /// What a test puts into a `StreamMuxConfig`.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Mux {
        pub version: u32,
        pub frequency_index: u32,
        pub sub_frames: u32,
        pub has_other_data: bool,
    }

    pub(crate) const MUX: Mux =
        Mux { version: 0, frequency_index: 3, sub_frames: 0, has_other_data: false };

    /// An element of LOAS with that payload, and a configuration if there is one.
    pub(crate) fn element(mux: Option<Mux>, payload: &[u8]) -> Vec<u8> {
        let mut bits = BitWriter::default();
        bits.put(u32::from(mux.is_none()), 1);
        if let Some(mux) = mux {
            bits.put(mux.version, 1);
            if mux.version == 1 {
                bits.put(0, 1).put(1, 2).put(0xFFFF, 16);
            }
            bits.put(1, 1).put(mux.sub_frames, 6).put(0, 4).put(0, 3);
            if mux.version == 1 {
                bits.put(0, 2).put(60, 8);
            }
            bits.put(2, 5).put(mux.frequency_index, 4).put(2, 4).put(0, 3);
            if mux.version == 1 {
                // SBR behind, then fill bits
                bits.put(0x2B7, 11).put(5, 5).put(1, 1).put(3, 4).put(0, 23);
            }
            bits.put(0, 3).put(0xFF, 8);
            match (mux.has_other_data, mux.version) {
                (false, _) => bits.put(0, 1),
                (true, 0) => bits.put(1, 1).put(1, 1).put(0, 8).put(0, 1).put(16, 8),
                (true, _) => bits.put(1, 1).put(0, 2).put(16, 8),
            };
            bits.put(1, 1).put(0x77, 8);
        }
        let mut left = payload.len() as u32;
        while left >= 255 {
            bits.put(255, 8);
            left -= 255;
        }
        bits.put(left, 8);
        for &byte in payload {
            bits.put(u32::from(byte), 8);
        }
        if mux.is_some_and(|mux| mux.has_other_data) {
            bits.put(0xBEEF, 16);
        }
        let element = bits.into_bytes();
        let header = (0x2B7 << 13 | element.len() as u32).to_be_bytes();
        [&header[1..], &element].concat()
    }

    fn scan(stream: &[u8]) -> Framer {
        let mut framer = Framer::new(StreamSyntax::Latm, Vec::new()).unwrap();
        framer.push(stream, 0);
        framer.finish();
        framer
    }

    #[test]
    fn payload_comes_out_in_bytes_whatever_bit_it_began_at() {
        let payloads: Vec<Vec<u8>> =
            [1, 254, 255, 256, 700].map(|size| (0..size).map(|at| at as u8).collect()).into();
        for version in [0, 1] {
            for has_other_data in [false, true] {
                let mux = Mux { version, has_other_data, ..MUX };
                let stream: Vec<u8> = payloads
                    .iter()
                    .enumerate()
                    .flat_map(|(index, payload)| element((index % 2 == 0).then_some(mux), payload))
                    .collect();
                let framer = scan(&stream);
                assert_eq!(framer.damage(), Damage::default());
                let [CodecConfig::Aac(config)] = framer.configs() else { panic!() };
                assert_eq!((config.sampling_frequency, config.channel_configuration), (48_000, 2));
                let sbr = [AacExtension::None, AacExtension::Sbr][version as usize];
                assert_eq!(config.extension, sbr);
                assert_eq!(framer.into_parts().0, payloads.concat());
            }
        }
    }

    #[test]
    fn frames_before_the_first_configuration_are_left_out() {
        let stream = [None, None, Some(MUX), None].map(|mux| element(mux, &[7; 20])).concat();
        let framer = scan(&stream);
        assert_eq!(framer.units().len(), 2);
        assert_eq!(framer.damage().broken_units, 0);
    }

    #[test]
    fn a_configuration_must_be_said_twice_or_referred_to() {
        let other = Some(Mux { frequency_index: 4, ..MUX });
        let numbers = |muxes: &[Option<Mux>]| {
            let stream: Vec<u8> = muxes.iter().flat_map(|mux| element(*mux, &[7; 20])).collect();
            let framer = scan(&stream);
            let numbers: Vec<_> = framer.units().iter().map(|unit| unit.config).collect();
            (numbers, framer.damage().broken_units)
        };
        let usual = Some(MUX);
        assert_eq!(numbers(&[usual, usual, other, usual]), (vec![0, 0, 0], 1));
        assert_eq!(
            numbers(&[usual, None, other, None, other, usual, None]).0,
            [0, 0, 1, 1, 1, 0, 0]
        );
    }

    #[test]
    fn several_frames_in_an_element_are_refused_by_name() {
        let stream = element(Some(Mux { sub_frames: 1, ..MUX }), &[7; 20]).repeat(3);
        let framer = scan(&stream);
        assert!(framer.units().is_empty());
        assert!(framer.refusal().unwrap().to_string().contains("several frames"));
    }

    #[test]
    fn frames_that_refer_to_a_refused_configuration_are_left_out() {
        let refused = Some(Mux { sub_frames: 1, ..MUX });
        let stream: Vec<u8> = [Some(MUX), None, refused, None, None, Some(MUX), None]
            .iter()
            .flat_map(|mux| element(*mux, &[7; 20]))
            .collect();
        let framer = scan(&stream);
        assert_eq!((framer.units().len(), framer.configs().len()), (4, 1));
        assert_eq!(framer.damage().broken_units, 1);
    }
}
