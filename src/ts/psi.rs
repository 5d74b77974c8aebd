//! Program association and program map tables (ISO/IEC 13818-1:2023 2.4.4): read and written.

use std::collections::BTreeMap;

use super::packet::Packet;
use super::{NULL_PID, PAT_PID};

/// `stream_type` values (table 2-34 and registrations in common use).
pub mod stream_type {
    /// MPEG audio of ISO/IEC 11172-3.
    pub const MPEG1_AUDIO: u8 = 0x03;
    /// MPEG audio of ISO/IEC 13818-3.
    pub const MPEG2_AUDIO: u8 = 0x04;
    /// AAC in ADTS.
    pub const AAC_ADTS: u8 = 0x0F;
    /// AC-3 (ATSC A/52 annex A).
    pub const AC3: u8 = 0x81;
    /// E-AC-3 (ATSC A/52 annex G).
    pub const EAC3: u8 = 0x87;
    /// H.264.
    pub const H264: u8 = 0x1B;
    /// PES packets with timed metadata.
    pub const METADATA: u8 = 0x15;
    /// SCTE-35 sections.
    pub const SCTE_35: u8 = 0x86;
    /// AC-3 whose frames are encrypted by SAMPLE-AES.
    pub const ENCRYPTED_AC3: u8 = 0xC1;
    /// E-AC-3 whose frames are encrypted by SAMPLE-AES.
    pub const ENCRYPTED_EAC3: u8 = 0xC2;
    /// AAC in ADTS whose frames are encrypted by SAMPLE-AES.
    pub const ENCRYPTED_AAC: u8 = 0xCF;
    /// H.264 whose slices are encrypted by SAMPLE-AES.
    pub const ENCRYPTED_H264: u8 = 0xDB;

    /// The name of a type for people, or "unknown".
    pub const fn name(value: u8) -> &'static str {
        match value {
            0x01 => "MPEG-1 video",
            0x02 => "MPEG-2 video",
            0x03 => "MPEG-1 audio",
            0x04 => "MPEG-2 audio",
            0x06 => "private PES data",
            AAC_ADTS => "AAC",
            0x10 => "MPEG-4 part 2 video",
            0x11 => "AAC in LATM",
            METADATA => "timed metadata",
            H264 => "H.264",
            0x21 => "JPEG 2000",
            0x24 => "HEVC",
            0x33 => "VVC",
            0x80 => "LPCM audio",
            0x81 => "AC-3",
            0x82 => "DTS",
            SCTE_35 => "SCTE-35",
            0x87 => "E-AC-3",
            ENCRYPTED_AC3 => "encrypted AC-3",
            ENCRYPTED_EAC3 => "encrypted E-AC-3",
            ENCRYPTED_AAC => "encrypted AAC",
            ENCRYPTED_H264 => "encrypted H.264",
            0xEA => "VC-1",
            _ => "unknown",
        }
    }

    /// Whether a type holds pictures.
    pub const fn is_video(value: u8) -> bool {
        matches!(value, 0x01 | 0x02 | 0x10 | H264 | 0x21 | 0x24 | 0x33 | ENCRYPTED_H264 | 0xEA)
    }

    /// Whether a type holds pictures or sound, so that leaving it out loses something.
    pub const fn is_media(value: u8) -> bool {
        !matches!(value, 0x05 | 0x06 | METADATA | SCTE_35 | 0x08..=0x0E | 0x12..=0x1A)
    }
}

/// What a program map table lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramMap {
    /// The PID that carries the clock reference, `PCR_PID`.
    pub clock_pid: u16,
    /// The elementary streams in the table's order, with their descriptors.
    pub streams: Vec<MapEntry>,
}

/// One entry of a program map table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementaryStream {
    /// `stream_type`.
    pub stream_type: u8,
    /// `elementary_PID`.
    pub pid: u16,
}

/// One entry of a program map table with its descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// The elementary stream.
    pub stream: ElementaryStream,
    /// Its descriptors as they stand in the table.
    pub descriptors: Vec<u8>,
}

/// Without descriptors.
impl From<ElementaryStream> for MapEntry {
    fn from(stream: ElementaryStream) -> Self {
        Self { stream, descriptors: Vec::new() }
    }
}

/// Collects the tables of a stream.
#[derive(Debug, Default)]
pub struct Tables {
    association: SectionReader,
    maps: BTreeMap<u16, SectionReader>,
    /// PIDs of the program map tables by program number.
    programs: BTreeMap<u16, u16>,
    program_map: Option<ProgramMap>,
    /// Sections whose checksum or syntax is wrong.
    pub broken_sections: u64,
}

/// Sections of PAT and PMT are at most this long behind the length field (2.4.4.3, 2.4.4.8).
const MAX_SECTION_BYTES: usize = 1021;
const PAT_TABLE_ID: u8 = 0x00;
const PMT_TABLE_ID: u8 = 0x02;

impl Tables {
    /// Takes a packet, whatever its PID; returns whether a program map was read from it.
    pub fn push(&mut self, packet: &Packet<'_>) -> bool {
        if packet.pid == PAT_PID {
            if let Some(section) = self.association.push(packet) {
                match parse_association(&section) {
                    Some(programs) => self.set_programs(programs),
                    None => self.broken_sections += 1,
                }
            }
            return false;
        }
        let Some(reader) = self.maps.get_mut(&packet.pid) else { return false };
        let Some(section) = reader.push(packet) else { return false };
        match parse_map(&section) {
            Some(map) => {
                self.program_map = Some(map);
                true
            }
            None => {
                self.broken_sections += 1;
                false
            }
        }
    }

    /// The PIDs that tables are on.
    pub fn is_table(&self, pid: u16) -> bool {
        pid == PAT_PID || self.maps.contains_key(&pid)
    }

    /// How many programs the last association table lists.
    pub fn program_count(&self) -> usize {
        self.programs.len()
    }

    /// The last program map.
    pub fn program_map(&self) -> Option<&ProgramMap> {
        self.program_map.as_ref()
    }

    fn set_programs(&mut self, programs: BTreeMap<u16, u16>) {
        if programs == self.programs {
            return;
        }
        self.maps = programs.values().map(|&pid| (pid, SectionReader::default())).collect();
        self.programs = programs;
    }
}

/// Puts a section together that may run over several packets.
#[derive(Debug, Default)]
struct SectionReader {
    bytes: Vec<u8>,
    is_open: bool,
}

impl SectionReader {
    /// The section, once it is complete, from `table_id` to the checksum.
    fn push(&mut self, packet: &Packet<'_>) -> Option<Vec<u8>> {
        let payload = packet.payload?;
        if packet.payload_unit_start {
            let (&pointer, behind) = payload.split_first()?;
            self.bytes.clear();
            self.bytes.extend_from_slice(behind.get(usize::from(pointer)..)?);
            self.is_open = true;
        } else if self.is_open {
            self.bytes.extend_from_slice(payload);
        }
        let header = self.bytes.first_chunk::<3>().filter(|_| self.is_open)?;
        let length = usize::from(header[1] & 0x0F) << 8 | usize::from(header[2]);
        if length > MAX_SECTION_BYTES {
            self.is_open = false;
            return None;
        }
        let section = self.bytes.get(..3 + length)?.to_vec();
        self.is_open = false;
        Some(section)
    }
}

/// The body of a section with the wanted table ID: behind the fixed header, before the checksum.
/// `None` where the checksum is wrong or the section is not in force.
fn section_body(section: &[u8], table_id: u8) -> Option<&[u8]> {
    if section.first() != Some(&table_id) || crc32(section) != 0 {
        return None;
    }
    let is_current = section.get(5)? & 1 == 1;
    let end = section.len().checked_sub(4)?;
    is_current.then_some(section.get(8..end)).flatten()
}

fn parse_association(section: &[u8]) -> Option<BTreeMap<u16, u16>> {
    let body = section_body(section, PAT_TABLE_ID)?;
    let entries = body.as_chunks::<4>().0.iter().map(|&[n0, n1, p0, p1]| {
        (u16::from_be_bytes([n0, n1]), u16::from_be_bytes([p0 & 0x1F, p1]))
    });
    // Program 0 is the network information table.
    Some(entries.filter(|&(number, pid)| number != 0 && pid != NULL_PID).collect())
}

fn parse_map(section: &[u8]) -> Option<ProgramMap> {
    let body = section_body(section, PMT_TABLE_ID)?;
    let &[clock_high, clock_low, info_high, info_low] = body.first_chunk::<4>()?;
    let info_bytes = usize::from(info_high & 0x0F) << 8 | usize::from(info_low);
    let mut rest = body.get(4 + info_bytes..)?;
    let mut streams = Vec::new();
    while let Some((&[stream_type, p0, p1, i0, i1], behind)) = rest.split_first_chunk::<5>() {
        let info_bytes = usize::from(i0 & 0x0F) << 8 | usize::from(i1);
        let (descriptors, behind) = behind.split_at_checked(info_bytes)?;
        streams.push(MapEntry {
            stream: ElementaryStream { stream_type, pid: u16::from_be_bytes([p0 & 0x1F, p1]) },
            descriptors: descriptors.to_vec(),
        });
        rest = behind;
    }
    let clock_pid = u16::from_be_bytes([clock_high & 0x1F, clock_low]);
    Some(ProgramMap { clock_pid, streams })
}

/// A program association section that points at one program map.
pub fn association_section(program_map_pid: u16) -> Vec<u8> {
    let [high, low] = program_map_pid.to_be_bytes();
    section(PAT_TABLE_ID, 0, &[0x00, 0x01, 0xE0 | high, low])
}

/// `metadata_pointer_descriptor` (2.6.58): ID3 tags, service 0, in program 1.
const TAG_POINTER: [u8; 17] = *b"\x25\x0F\xFF\xFFID3 \xFFID3 \0\x1F\0\x01";
/// `metadata_descriptor` (2.6.60): ID3 tags, service 0, without decoder configuration.
const TAG_DESCRIPTOR: [u8; 15] = *b"\x26\x0D\xFF\xFFID3 \xFFID3 \0\x0F";

/// The entry of a stream of ID3 tags. A map that has it points at it in front of all entries (Apple,
/// "Timed Metadata for HTTP Live Streaming").
pub fn tag_entry(pid: u16) -> MapEntry {
    MapEntry {
        stream: ElementaryStream { stream_type: stream_type::METADATA, pid },
        descriptors: TAG_DESCRIPTOR.to_vec(),
    }
}

/// A program map section. Players read a map anew where its `version` (5 bits) is another than that
/// of the map before.
pub fn map_section(clock_pid: u16, version: u8, entries: &[MapEntry]) -> Vec<u8> {
    let [high, low] = clock_pid.to_be_bytes();
    let has_tags = entries.iter().any(|entry| entry.stream.stream_type == stream_type::METADATA);
    let info = if has_tags { &TAG_POINTER[..] } else { &[] };
    // PCR_PID, program_info_length
    let mut body = vec![0xE0 | high, low, 0xF0, info.len() as u8];
    body.extend_from_slice(info);
    for MapEntry { stream, descriptors } in entries {
        let [high, low] = stream.pid.to_be_bytes();
        body.extend_from_slice(&[stream.stream_type, 0xE0 | high, low]);
        // ES_info_length, 12 bits
        body.extend_from_slice(&[0xF0 | (descriptors.len() >> 8) as u8, descriptors.len() as u8]);
        body.extend_from_slice(descriptors);
    }
    section(PMT_TABLE_ID, version, &body)
}

fn section(table_id: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let length = 5 + body.len() + 4;
    let mut bytes = vec![table_id, 0xB0 | (length >> 8) as u8, length as u8];
    // transport_stream_id or program_number 1, version, current, section 0 of 0
    bytes.extend_from_slice(&[0x00, 0x01, 0xC1 | (version & 0x1F) << 1, 0x00, 0x00]);
    bytes.extend_from_slice(body);
    let checksum = crc32(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The checksum of Annex A; 0 over a section that includes its own.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, start: bool, payload: &[u8]) -> Packet<'_> {
        Packet {
            pid,
            payload_unit_start: start,
            transport_error: false,
            scrambled: false,
            discontinuity: false,
            continuity_counter: 0,
            clock_reference: None,
            payload: Some(payload),
        }
    }

    fn with_pointer(section: Vec<u8>) -> Vec<u8> {
        [vec![0], section].concat()
    }

    #[test]
    fn crc_of_the_standards_check_string() {
        // CRC-32/MPEG-2 of "123456789" as catalogues of checksums list it.
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn tables_are_read_as_written_even_over_two_packets() {
        let streams = [
            ElementaryStream { stream_type: stream_type::H264, pid: 0x101 },
            ElementaryStream { stream_type: stream_type::AAC_ADTS, pid: 0x1FF0 },
        ];
        let entries = streams.map(|stream| MapEntry { stream, descriptors: vec![0x52, 1, 9] });
        let map = with_pointer(map_section(0x101, 31, &entries));
        for cut in 1..map.len() {
            let mut tables = Tables::default();
            assert!(!tables.push(&packet(0, true, &with_pointer(association_section(0x1000)))));
            assert!(!tables.push(&packet(0x1000, true, &map[..cut])), "cut {cut}");
            assert!(tables.push(&packet(0x1000, false, &map[cut..])));
            assert_eq!(tables.program_map().unwrap().streams, entries);
            assert_eq!(tables.program_map().unwrap().clock_pid, 0x101);
            assert_eq!(tables.program_count(), 1);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let good = with_pointer(association_section(0x1000));
        for bit in 8..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut tables = Tables::default();
            tables.push(&packet(0, true, &bytes));
            assert_eq!(tables.program_count(), 0, "bit {bit}");
        }
    }
}
