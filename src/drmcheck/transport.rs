//! A walk through a transport stream segment (ISO/IEC 13818-1:2023 2.4.3, 2.4.4): which elementary
//! streams there are, what the program map says of their encryption, and the bytes of their PES
//! packets.
//!
//! Just enough for a judge: one program, tables of one packet, no discontinuities.

use std::collections::BTreeMap;

/// An elementary stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementaryStream {
    /// `stream_type` of the program map.
    pub stream_type: u8,
    /// `private_data_indicator` of its descriptors, where there is one: `zavc`, `aacd`.
    pub indicator: Option<[u8; 4]>,
    /// The payload of each PES packet.
    pub packets: Vec<Vec<u8>>,
}

/// Why bytes are not such a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Not packets of 188 bytes that begin with 0x47.
    #[error("packet {packet} does not begin with the sync byte")]
    Sync {
        /// Counted from 0.
        packet: usize,
    },
    /// No program map.
    #[error("there is no program map table")]
    NoProgram,
}

const PACKET: usize = 188;

/// Reads a segment: elementary streams by PID.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<u16, ElementaryStream>, TransportError> {
    let (packets, rest) = bytes.as_chunks::<PACKET>();
    if !rest.is_empty() {
        return Err(TransportError::Sync { packet: packets.len() });
    }
    let mut map_pid = None;
    let mut streams: BTreeMap<u16, ElementaryStream> = BTreeMap::new();
    for (index, packet) in packets.iter().enumerate() {
        let Some((starts, pid, payload)) = split(packet) else {
            return Err(TransportError::Sync { packet: index });
        };
        if pid == 0 && starts {
            map_pid = program_map_pid(payload).or(map_pid);
        } else if Some(pid) == map_pid && starts {
            for (pid, stream_type, indicator) in program_map(payload) {
                let stream = streams.entry(pid).or_default();
                (stream.stream_type, stream.indicator) = (stream_type, indicator);
            }
        } else if let Some(stream) = streams.get_mut(&pid) {
            if starts {
                // PES header: 9 bytes and as many as the last of them says.
                let more = payload.get(8).map_or(0, |length| usize::from(*length));
                stream.packets.push(payload.get(9 + more..).unwrap_or_default().to_vec());
            } else if let Some(last) = stream.packets.last_mut() {
                last.extend_from_slice(payload);
            }
        }
    }
    if streams.is_empty() { Err(TransportError::NoProgram) } else { Ok(streams) }
}

/// Whether a unit starts, the PID, the payload.
fn split(packet: &[u8; PACKET]) -> Option<(bool, u16, &[u8])> {
    let (&[sync, high, low, control], rest) = packet.split_first_chunk()?;
    let payload = match control >> 4 & 3 {
        1 => rest,
        3 => rest.get(1 + usize::from(*rest.first()?)..)?,
        _ => &[],
    };
    (sync == 0x47).then_some((high & 0x40 != 0, u16::from_be_bytes([high & 0x1F, low]), payload))
}

/// The body of a section behind its pointer field: from `table_id` up to the CRC.
fn section(payload: &[u8]) -> Option<&[u8]> {
    let section = payload.get(1 + usize::from(*payload.first()?)..)?;
    let length = usize::from(section.get(1)? & 0xF) << 8 | usize::from(*section.get(2)?);
    section.get(..(3 + length).checked_sub(4)?)
}

fn pid_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([bytes.get(at)? & 0x1F, *bytes.get(at + 1)?]))
}

fn program_map_pid(payload: &[u8]) -> Option<u16> {
    let programs = section(payload)?.get(8..)?.as_chunks::<4>().0;
    // Program 0 is the network information table.
    let program = programs.iter().find(|program| !matches!(program, [0, 0, ..]))?;
    pid_at(program, 2)
}

fn program_map(payload: &[u8]) -> Vec<(u16, u8, Option<[u8; 4]>)> {
    let mut found = Vec::new();
    let Some(section) = section(payload) else { return found };
    let length_at = |bytes: &[u8], at| pid_at(bytes, at).map(|bits| usize::from(bits & 0xFFF));
    let Some(mut rest) = length_at(section, 10).and_then(|length| section.get(12 + length..))
    else {
        return found;
    };
    while let (Some(&stream_type), Some(pid), Some(length)) =
        (rest.first(), pid_at(rest, 1), length_at(rest, 3))
    {
        let Some(descriptors) = rest.get(5..5 + length) else { break };
        found.push((pid, stream_type, indicator(descriptors)));
        rest = rest.get(5 + length..).unwrap_or_default();
    }
    found
}

/// The first private_data_indicator_descriptor (2.6.28).
fn indicator(mut descriptors: &[u8]) -> Option<[u8; 4]> {
    while let [tag, length, rest @ ..] = descriptors {
        let (body, behind) = rest.split_at_checked(usize::from(*length))?;
        if *tag == 0x0F {
            return body.try_into().ok();
        }
        descriptors = behind;
    }
    None
}

/// NAL units of a byte stream (ISO/IEC 14496-10:2022 Annex B), without start codes and the zeros
/// before them.
pub fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = memchr::memmem::find_iter(stream, &[0, 0, 1]).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let units = starts.iter().zip(ends).filter_map(|(start, end)| {
        let unit = stream.get(start + 3..end)?;
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        unit.get(..unit.len() - zeros)
    });
    units.filter(|unit| !unit.is_empty()).collect()
}

/// ADTS frames (ISO/IEC 14496-3:2019 1.A.2.2): header with CRC, and what follows it. Stops where
/// no frame begins.
pub fn adts_frames(stream: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut frames = Vec::new();
    let mut rest = stream;
    while let [0xFF, second, _, fourth, fifth, sixth, ..] = rest {
        let length =
            usize::from(fourth & 3) << 11 | usize::from(*fifth) << 3 | usize::from(sixth >> 5);
        let header = if second & 1 == 1 { 7 } else { 9 };
        let Some((frame, behind)) = rest.split_at_checked(length) else { break };
        let Some(parts) = frame.split_at_checked(header) else { break };
        if second >> 4 != 0xF {
            break;
        }
        frames.push(parts);
        rest = behind;
    }
    frames
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A packet that holds `payload` behind an adaptation field that fills it up.
    pub fn packet(pid: u16, starts: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let filling = PACKET - 4 - payload.len();
        let mut out = vec![0x47, high | u8::from(starts) << 6, low];
        out.push(if filling > 0 { 0x30 } else { 0x10 });
        if filling > 0 {
            out.push((filling - 1) as u8);
            out.extend((1..filling).map(|at| if at == 1 { 0 } else { 0xFF }));
        }
        out.extend(payload);
        out
    }

    /// Tables of a program with its map on PID 0x100: the published sections of SAMPLE-AES, AAC on
    /// 0x101 and H.264 on 0x102.
    pub fn tables() -> Vec<u8> {
        let association = hex::decode("0000b00d0001c100000001e10000000000").unwrap();
        let map = hex::decode(
            "0002b0360001c10000e102f000cfe101f0190f04616163640511617061647a61616300000105118856e500\
             dbe102f0060f047a617663e4b202f5",
        )
        .unwrap();
        [packet(0, true, &association), packet(0x100, true, &map)].concat()
    }

    /// A PES packet in packets of its own.
    pub fn pes(pid: u16, payload: &[u8]) -> Vec<u8> {
        let whole = [&[0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0][..], payload].concat();
        let chunks = whole.chunks(150).enumerate();
        chunks.flat_map(|(index, chunk)| packet(pid, index == 0, chunk)).collect()
    }

    #[test]
    fn streams_and_their_indicators_are_found() {
        let payload: Vec<u8> = (0..400).map(|i| i as u8).collect();
        let bytes = [tables(), pes(0x102, &payload), pes(0x101, &[5])].concat();
        let streams = read(&bytes).unwrap();
        let pictures = &streams[&0x102];
        assert_eq!((pictures.stream_type, pictures.indicator), (0xDB, Some(*b"zavc")));
        assert_eq!(pictures.packets, [payload]);
        let sound = &streams[&0x101];
        assert_eq!((sound.stream_type, sound.indicator), (0xCF, Some(*b"aacd")));
        assert_eq!(sound.packets, [[5]]);
    }

    #[test]
    fn noise_is_no_stream() {
        assert_eq!(read(&[0x46; 376]), Err(TransportError::Sync { packet: 0 }));
        assert_eq!(read(&tables()[..188]), Err(TransportError::NoProgram));
        assert_eq!(read(&tables()[..200]), Err(TransportError::Sync { packet: 1 }));
    }

    #[test]
    fn units_and_frames_are_cut() {
        let stream = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 1, 2, 0, 0];
        assert_eq!(nal_units(&stream), [&[9, 0xF0][..], &[0x65, 1, 2]]);
        let frame = [0xFF, 0xF1, 0x4C, 0x80, 1, 0x3F, 0xFC, 0x21, 0x10];
        let twice = [frame, frame].concat();
        let (header, body) = (&frame[..7], &frame[7..]);
        assert_eq!(adts_frames(&twice), [(header, body), (header, body)]);
    }
}
