//! Splice information sections (ANSI/SCTE 35 2023): where a program is left for something else and
//! where it goes on, and which stretch of it is what.
//!
//! ```text
//! splice_info_section (9.6)
//! ├ pts_adjustment             added to all times in it, modulo 2^33
//! ├ splice_null | splice_insert (9.7.3) | time_signal (9.7.4) | …
//! ├ segmentation_descriptor (10.3.3) …
//! └ CRC_32
//! ```
//!
//! Read is what places a section and tells what it begins or ends. The section itself is passed on
//! as it is. Schedules, bandwidth reservation, private commands and other descriptors are not looked
//! into; nor is what an encrypted section holds. Components with splice times of their own count by
//! the first of them. Written are the two splices that playlists tell of without a section.

use super::psi::crc32;

/// `table_id` of splice information sections.
pub const TABLE_ID: u8 = 0xFC;
/// `CUEI`, by which descriptors say that they are of SCTE 35.
const IDENTIFIER: [u8; 4] = *b"CUEI";
const SEGMENTATION_DESCRIPTOR: u8 = 0x02;
/// `splice_command_length` of writers that do not say it (9.6.1).
const UNKNOWN_LENGTH: usize = 0xFFF;
/// Times are 33 bits of 90 kHz.
const CLOCK_MASK: u64 = (1 << 33) - 1;

const SPLICE_NULL: u8 = 0x00;
const SPLICE_INSERT: u8 = 0x05;
const TIME_SIGNAL: u8 = 0x06;
const BANDWIDTH_RESERVATION: u8 = 0x07;

/// What is read of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpliceInfo {
    /// What is to be done.
    pub command: SpliceCommand,
    /// Its segmentation descriptors, in order.
    pub segmentations: Vec<Segmentation>,
}

/// The command of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpliceCommand {
    /// Nothing: a sign of life.
    Null,
    /// To leave the program or to go on with it.
    Insert(SpliceInsert),
    /// Something happens at this time, 90 kHz, 33 bits; descriptors say what. `None` where it happens
    /// now.
    TimeSignal(Option<u64>),
    /// Another command; its number.
    Other(u8),
    /// Only whoever has the key can read it.
    Encrypted,
}

/// `splice_insert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpliceInsert {
    /// `splice_event_id`.
    pub event: u32,
    /// `splice_event_cancel_indicator`: the event does not take place; nothing else counts.
    pub is_cancelled: bool,
    /// `out_of_network_indicator`: the program is left, else it goes on.
    pub is_out: bool,
    /// When, 90 kHz, 33 bits; `None` where it is now.
    pub time: Option<u64>,
    /// `break_duration`, 90 kHz.
    pub duration: Option<u64>,
}

/// `segmentation_descriptor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// `segmentation_event_id`.
    pub event: u32,
    /// `segmentation_event_cancel_indicator`: the event does not take place; nothing else counts.
    pub is_cancelled: bool,
    /// `segmentation_duration`, 90 kHz.
    pub duration: Option<u64>,
    /// `segmentation_upid_type`.
    pub upid_type: u8,
    /// `segmentation_upid` as it stands.
    pub upid: Vec<u8>,
    /// `segmentation_type_id`.
    pub type_id: u8,
}

/// Why bytes are no splice information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// `table_id` is another.
    #[error("is no splice_info_section")]
    Table,
    /// The checksum is wrong.
    #[error("has a wrong CRC_32")]
    Checksum,
    /// It ends early or its lengths contradict each other.
    #[error("breaks off in {0}")]
    Field(&'static str),
}

/// Reads a section.
pub fn parse_splice(section: &[u8]) -> Result<SpliceInfo, SpliceError> {
    if section.first() != Some(&TABLE_ID) {
        return Err(SpliceError::Table);
    }
    let mut fields = Fields { rest: section };
    let [_, high, low] = fields.take("section_length")?;
    let length = usize::from(high & 0x0F) << 8 | usize::from(low);
    let body = fields.rest.get(..length).ok_or(SpliceError::Field("section_length"))?;
    let whole = section.get(..3 + length).unwrap_or_default();
    if crc32(whole) != 0 {
        return Err(SpliceError::Checksum);
    }
    let body = body.split_last_chunk::<4>().ok_or(SpliceError::Field("CRC_32"))?.0;
    let mut fields = Fields { rest: body };
    let [_version, flags, adjustment @ ..] = fields.take::<6>("pts_adjustment")?;
    let adjustment = u64::from(flags & 1) << 32 | u64::from(u32::from_be_bytes(adjustment));
    let [_control_word, _tier, lengths, low] = fields.take("splice_command_length")?;
    let length = usize::from(lengths & 0x0F) << 8 | usize::from(low);
    if flags & 0x80 != 0 {
        return Ok(SpliceInfo { command: SpliceCommand::Encrypted, segmentations: Vec::new() });
    }
    let [kind] = fields.take("splice_command_type")?;
    let before = fields.rest;
    let command = fields.command(kind, adjustment)?;
    if length != UNKNOWN_LENGTH {
        let behind = before.get(length..).ok_or(SpliceError::Field("splice_command_length"))?;
        fields.rest = behind;
    } else if matches!(command, SpliceCommand::Other(_)) {
        return Ok(SpliceInfo { command, segmentations: Vec::new() });
    }
    let segmentations = fields.segmentations()?;
    Ok(SpliceInfo { command, segmentations })
}

/// A section that says at once what a playlist says without one: the program is left, for so long if
/// that is known, or goes on. It is to be done where it stands.
pub fn write_splice(event: u32, is_out: bool, duration: Option<u64>) -> Vec<u8> {
    let mut command = event.to_be_bytes().to_vec();
    command.push(0x7F);
    // Out, the program as a whole, with a duration, at once; the event ID keeps to the rules.
    let has_duration = duration.is_some();
    command.push(u8::from(is_out) << 7 | 0x40 | u8::from(has_duration) << 5 | 0x1F);
    if let Some(duration) = duration {
        // With auto_return.
        command.push(0xFE | (duration >> 32 & 1) as u8);
        command.extend_from_slice(&(duration as u32).to_be_bytes());
    }
    // unique_program_id, avail_num, avails_expected.
    command.extend_from_slice(&[0, 1, 0, 0]);
    let length = command.len() as u16;
    // Of no encryption, no adjustment, for all tiers, and without descriptors.
    let mut section = vec![TABLE_ID, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF];
    section.extend_from_slice(&(0xF000 | length).to_be_bytes());
    section.push(SPLICE_INSERT);
    section.extend_from_slice(&command);
    section.extend_from_slice(&[0, 0]);
    let bytes = section.len() + 4 - 3;
    if let Some(low) = section.get_mut(2) {
        *low = bytes as u8;
    }
    let checksum = crc32(&section);
    section.extend_from_slice(&checksum.to_be_bytes());
    section
}

/// The bytes that are still to be read.
struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], SpliceError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(SpliceError::Field(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// 33 bits behind seven others.
    fn time(&mut self, field: &'static str) -> Result<u64, SpliceError> {
        let [high, low @ ..] = self.take::<5>(field)?;
        Ok(u64::from(high & 1) << 32 | u64::from(u32::from_be_bytes(low)))
    }

    /// `splice_time()` (9.8.1).
    fn splice_time(&mut self, adjustment: u64) -> Result<Option<u64>, SpliceError> {
        if self.rest.first().ok_or(SpliceError::Field("splice_time"))? & 0x80 == 0 {
            self.take::<1>("splice_time")?;
            return Ok(None);
        }
        let time = self.time("pts_time")?;
        Ok(Some((time + adjustment) & CLOCK_MASK))
    }

    fn command(&mut self, kind: u8, adjustment: u64) -> Result<SpliceCommand, SpliceError> {
        Ok(match kind {
            SPLICE_NULL | BANDWIDTH_RESERVATION => SpliceCommand::Null,
            SPLICE_INSERT => SpliceCommand::Insert(self.insert(adjustment)?),
            TIME_SIGNAL => SpliceCommand::TimeSignal(self.splice_time(adjustment)?),
            _ => SpliceCommand::Other(kind),
        })
    }

    fn insert(&mut self, adjustment: u64) -> Result<SpliceInsert, SpliceError> {
        let event = u32::from_be_bytes(self.take("splice_event_id")?);
        let [cancel] = self.take("splice_event_cancel_indicator")?;
        let mut insert = SpliceInsert {
            event,
            is_cancelled: cancel & 0x80 != 0,
            is_out: false,
            time: None,
            duration: None,
        };
        if insert.is_cancelled {
            return Ok(insert);
        }
        let [flags] = self.take("out_of_network_indicator")?;
        insert.is_out = flags & 0x80 != 0;
        let (is_program, is_immediate) = (flags & 0x40 != 0, flags & 0x10 != 0);
        if is_program && !is_immediate {
            insert.time = self.splice_time(adjustment)?;
        }
        if !is_program {
            let [components] = self.take("component_count")?;
            for _ in 0..components {
                self.take::<1>("component_tag")?;
                if !is_immediate {
                    let time = self.splice_time(adjustment)?;
                    insert.time = insert.time.or(time);
                }
            }
        }
        if flags & 0x20 != 0 {
            insert.duration = Some(self.time("break_duration")?);
        }
        self.take::<4>("avails_expected")?;
        Ok(insert)
    }

    fn segmentations(&mut self) -> Result<Vec<Segmentation>, SpliceError> {
        let length = u16::from_be_bytes(self.take("descriptor_loop_length")?);
        let mut rest = self
            .rest
            .get(..usize::from(length))
            .ok_or(SpliceError::Field("descriptor_loop_length"))?;
        let mut segmentations = Vec::new();
        while let Some((&[tag, length], behind)) = rest.split_first_chunk::<2>() {
            let (body, behind) = behind
                .split_at_checked(usize::from(length))
                .ok_or(SpliceError::Field("descriptor_length"))?;
            rest = behind;
            if let Some(body) = body.strip_prefix(&IDENTIFIER)
                && tag == SEGMENTATION_DESCRIPTOR
            {
                segmentations.push(Fields { rest: body }.segmentation()?);
            }
        }
        Ok(segmentations)
    }

    fn segmentation(&mut self) -> Result<Segmentation, SpliceError> {
        let event = u32::from_be_bytes(self.take("segmentation_event_id")?);
        let [cancel] = self.take("segmentation_event_cancel_indicator")?;
        let mut segmentation = Segmentation {
            event,
            is_cancelled: cancel & 0x80 != 0,
            duration: None,
            upid_type: 0,
            upid: Vec::new(),
            type_id: 0,
        };
        if segmentation.is_cancelled {
            return Ok(segmentation);
        }
        let [flags] = self.take("program_segmentation_flag")?;
        if flags & 0x80 == 0 {
            let [components] = self.take("component_count")?;
            for _ in 0..components {
                self.take::<6>("pts_offset")?;
            }
        }
        if flags & 0x40 != 0 {
            let [high, low @ ..] = self.take::<5>("segmentation_duration")?;
            let low = u64::from(u32::from_be_bytes(low));
            segmentation.duration = Some(u64::from(high) << 32 | low);
        }
        let [upid_type, length] = self.take("segmentation_upid_length")?;
        let field = "segmentation_upid";
        let (upid, rest) =
            self.rest.split_at_checked(usize::from(length)).ok_or(SpliceError::Field(field))?;
        self.rest = rest;
        segmentation.upid_type = upid_type;
        segmentation.upid = upid.to_vec();
        [segmentation.type_id, _, _] = self.take("segmentation_type_id")?;
        Ok(segmentation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn bytes(base64: &str) -> Vec<u8> {
        STANDARD.decode(base64).unwrap()
    }

    // The examples of ANSI/SCTE 35 2023, section 14.

    #[test]
    fn a_time_signal_with_a_placement_opportunity() {
        let section =
            bytes("/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==");
        let info = parse_splice(&section).unwrap();
        assert_eq!(info.command, SpliceCommand::TimeSignal(Some(0x72BD_0050)));
        let expected = Segmentation {
            event: 0x4800_008E,
            is_cancelled: false,
            duration: Some(0x01A5_99B0),
            upid_type: 8,
            upid: vec![0, 0, 0, 0, 0x2C, 0xA0, 0xA1, 0x8A],
            type_id: 0x34,
        };
        assert_eq!(info.segmentations, [expected]);
    }

    #[test]
    fn a_splice_insert() {
        let section = bytes("/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=");
        let insert = SpliceInsert {
            event: 0x4800_008F,
            is_cancelled: false,
            is_out: true,
            time: Some(0x7369_C02E),
            duration: Some(0x0052_CCF5),
        };
        let expected =
            SpliceInfo { command: SpliceCommand::Insert(insert), segmentations: Vec::new() };
        assert_eq!(parse_splice(&section), Ok(expected));
    }

    #[test]
    fn several_descriptors_in_one_section() {
        // Program end and program start.
        let section = bytes(
            "/DBIAAAAAAAA///wBQb+ek2ItgAyAhdDVUVJSAAAGH+fCAgAAAAALMvDRBEAAAIXQ1VFSUgAABl/nwgIAAAAACyk\
             26AQAACZcuND",
        );
        let info = parse_splice(&section).unwrap();
        let types: Vec<u8> = info.segmentations.iter().map(|one| one.type_id).collect();
        assert_eq!((types, info.segmentations[1].event), (vec![0x11, 0x10], 0x4800_0019));
    }

    /// A section of the parts that matter, with its checksum.
    fn section(flags: u8, adjustment: u64, length: u16, command: &[u8]) -> Vec<u8> {
        let mut body = vec![0, flags | (adjustment >> 32) as u8];
        body.extend((adjustment as u32).to_be_bytes());
        body.extend([0, 0xFF, 0xF0 | (length >> 8) as u8, length as u8]);
        body.extend(command);
        body.extend([0, 0]);
        let mut section = vec![TABLE_ID, 0x30, body.len() as u8 + 4];
        section.extend(body);
        section.extend(crc32(&section).to_be_bytes());
        section
    }

    #[test]
    fn times_are_adjusted_and_wrap() {
        let signal = [6, 0xFF, 0xFF, 0xFF, 0xFF, 0xF0];
        for length in [5, 0xFFF] {
            let info = parse_splice(&section(0, 0x20, length, &signal)).unwrap();
            assert_eq!(info.command, SpliceCommand::TimeSignal(Some(0x10)));
        }
        let now = parse_splice(&section(0, 7, 1, &[6, 0x7F])).unwrap();
        assert_eq!(now.command, SpliceCommand::TimeSignal(None));
        let cancel = parse_splice(&section(0, 0, 5, &[5, 0, 0, 0, 9, 0xFF])).unwrap();
        let SpliceCommand::Insert(insert) = cancel.command else { panic!("{cancel:?}") };
        assert!(insert.is_cancelled && insert.event == 9);
        // Two components, the second at another time.
        let parts = [
            &[5, 0, 0, 0, 9, 0x7F, 0x8F, 2, 1, 0xFE, 0, 0, 0, 8][..],
            &[2, 0xFE, 0, 0, 0, 9, 0, 1, 0, 0],
        ];
        let info = parse_splice(&section(0, 0, 23, &parts.concat())).unwrap();
        let SpliceCommand::Insert(insert) = info.command else { panic!("{info:?}") };
        assert_eq!((insert.is_out, insert.time), (true, Some(8)));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let whole = section(0, 0, 1, &[6, 0x7F]);
        assert_eq!(parse_splice(&whole[..9]), Err(SpliceError::Field("section_length")));
        let mut wrong = whole.clone();
        wrong[9] ^= 1;
        assert_eq!(parse_splice(&wrong), Err(SpliceError::Checksum));
        assert_eq!(parse_splice(b"\x02nonsense"), Err(SpliceError::Table));
        let secret = parse_splice(&section(0x80, 0, 1, &[0xAB, 0xCD])).unwrap();
        assert_eq!(secret.command, SpliceCommand::Encrypted);
        let long = parse_splice(&section(0, 0, 99, &[6, 0x7F]));
        assert_eq!(long, Err(SpliceError::Field("splice_command_length")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            event: u32, is_out: bool, duration in proptest::option::of(0_u64..1 << 33),
        ) {
            let insert = SpliceInsert { event, is_cancelled: false, is_out, time: None, duration };
            let info = parse_splice(&write_splice(event, is_out, duration)).unwrap();
            prop_assert_eq!(info.command, SpliceCommand::Insert(insert));
        }

        #[test]
        fn any_command_is_read_or_refused(
            command in proptest::collection::vec(any::<u8>(), 1..60), length in 0_u16..70,
            flags: u8,
        ) {
            let _ = parse_splice(&section(flags & 0x7E, 0, length, &command));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_splice(&bytes);
        }
    }
}
