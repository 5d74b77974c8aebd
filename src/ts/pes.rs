//! PES packets (ISO/IEC 13818-1:2023 2.4.3.6, 2.4.3.7): timestamps and elementary stream bytes.

use super::packet::{Continuity, PACKET_BYTES, PLAIN_PAYLOAD_BYTES, Packet, plain_packets};
use crate::codec::Timestamps;

/// What the header of a PES packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PesHeader {
    /// Kind of stream.
    pub stream_id: u8,
    /// PTS and DTS, if it has a PTS.
    pub timestamps: Option<Timestamps>,
    /// Bytes before the payload.
    pub header_bytes: usize,
    /// Bytes of payload, if the packet says.
    pub payload_bytes: Option<usize>,
}

/// Why bytes are no PES header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PesError {
    /// More bytes are needed.
    #[error("ends inside the PES header")]
    Incomplete,
    /// `packet_start_code_prefix` is not `00 00 01`.
    #[error("PES packet without start code prefix")]
    NoPrefix,
    /// A marker bit is not set.
    #[error("marker bit of the PES header is not set")]
    Marker,
}

/// Bytes up to and including `PES_header_data_length`.
const FIXED_BYTES: usize = 9;

impl PesHeader {
    /// Reads the header at the start of a PES packet.
    pub fn parse(bytes: &[u8]) -> Result<Self, PesError> {
        let prefix = bytes.first_chunk::<6>().ok_or(PesError::Incomplete)?;
        let [0, 0, 1, stream_id, length_high, length_low] = *prefix else {
            return Err(PesError::NoPrefix);
        };
        let length = usize::from(length_high) << 8 | usize::from(length_low);
        // padding_stream and private_stream_2 have no further header (table 2-21).
        if matches!(stream_id, 0xBE | 0xBF) {
            return Ok(Self {
                stream_id,
                timestamps: None,
                header_bytes: prefix.len(),
                payload_bytes: Some(length),
            });
        }
        let fixed = bytes.first_chunk::<FIXED_BYTES>().ok_or(PesError::Incomplete)?;
        let [.., marker, flags, header_data_length] = *fixed;
        if marker & 0xC0 != 0x80 {
            return Err(PesError::Marker);
        }
        let header_bytes = FIXED_BYTES + usize::from(header_data_length);
        let fields = bytes.get(FIXED_BYTES..header_bytes).ok_or(PesError::Incomplete)?;
        let presentation = if flags & 0x80 != 0 { timestamp(fields) } else { None };
        let decode = if flags & 0xC0 == 0xC0 { fields.get(5..).and_then(timestamp) } else { None };
        Ok(Self {
            stream_id,
            timestamps: presentation.map(|presentation| Timestamps {
                presentation,
                decode: decode.unwrap_or(presentation),
            }),
            header_bytes,
            payload_bytes: (6 + length).checked_sub(header_bytes).filter(|_| length != 0),
        })
    }
}

/// A 33-bit timestamp in five bytes; `None` where its marker bits are wrong.
fn timestamp(bytes: &[u8]) -> Option<u64> {
    let [b0, b1, b2, b3, b4] = *bytes.first_chunk::<5>()?;
    (b0 & b2 & b4 & 1 == 1).then(|| {
        u64::from(b0 >> 1 & 7) << 30
            | u64::from(b1) << 22
            | u64::from(b2 >> 1) << 15
            | u64::from(b3) << 7
            | u64::from(b4 >> 1)
    })
}

/// Writes a timestamp with its four-bit prefix (2.4.3.7).
pub fn write_timestamp(out: &mut Vec<u8>, prefix: u8, value: u64) {
    out.extend_from_slice(&[
        prefix << 4 | (value >> 29 & 0x0E) as u8 | 1,
        (value >> 22) as u8,
        (value >> 14) as u8 | 1,
        (value >> 7) as u8,
        (value << 1) as u8 | 1,
    ]);
}

/// Follows the PES packets of one PID over its transport packets.
#[derive(Debug)]
pub struct PesReader {
    state: State,
    /// The start of a header that does not end in its transport packet.
    partial_header: Vec<u8>,
    /// PES packets without a usable header.
    pub broken_headers: u64,
}

#[derive(Debug)]
enum State {
    /// No PES packet has begun.
    Waiting,
    /// Inside the header.
    Header,
    /// Inside the payload, of which so much is left, if it is known.
    Payload { left: Option<usize> },
}

/// What a transport packet holds of a PID's elementary stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PesPart<'a> {
    /// A PES packet's payload begins here, with these timestamps.
    pub begins: Option<Option<Timestamps>>,
    /// Elementary stream bytes.
    pub payload: &'a [u8],
}

impl PesReader {
    /// A reader that waits for the start of a PES packet.
    pub const fn waiting() -> Self {
        Self { state: State::Waiting, partial_header: Vec::new(), broken_headers: 0 }
    }

    /// A reader that begins in the middle of a PES packet, as [`PesReader::left`] says of another.
    pub const fn inside(left: Option<usize>) -> Self {
        Self { state: State::Payload { left }, partial_header: Vec::new(), broken_headers: 0 }
    }

    /// How much payload of the PES packet that is being read is to come, if that is known.
    pub const fn left(&self) -> Option<usize> {
        match self.state {
            State::Payload { left } => left,
            State::Waiting | State::Header => None,
        }
    }

    /// How many packets at the start, in the order of `continuity`, hold nothing but payload of the
    /// PES packet that is being read; they count as read. The short way for nearly all packets.
    pub fn go_on_plain(
        &mut self,
        packets: &[[u8; PACKET_BYTES]],
        pid: u16,
        continuity: &mut Continuity,
    ) -> usize {
        let Some(counter) = continuity.expected() else { return 0 };
        let State::Payload { left } = &mut self.state else { return 0 };
        let most = left.map_or(packets.len(), |left| left / PLAIN_PAYLOAD_BYTES);
        let packets = packets.get(..most).unwrap_or(packets);
        let plain = plain_packets(packets, pid, counter);
        if let Some(left) = left {
            *left -= plain * PLAIN_PAYLOAD_BYTES;
        }
        continuity.pass(plain);
        plain
    }

    /// Whether [`PesReader::go_on`] takes the payload of a packet that begins no PES packet.
    pub const fn is_inside_payload(&self) -> bool {
        match self.state {
            State::Payload { left: Some(left) } => left > 0,
            State::Payload { left: None } => true,
            State::Waiting | State::Header => false,
        }
    }

    /// What the payload of a packet adds that begins no PES packet. The short way of
    /// [`PesReader::push`] for nearly all packets.
    pub fn go_on<'a>(&mut self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let State::Payload { left } = &mut self.state else { return None };
        let Some(left) = left else { return Some(payload) };
        let payload = payload.get(..*left).unwrap_or(payload);
        *left -= payload.len();
        (!payload.is_empty()).then_some(payload)
    }

    /// What the packet adds, if anything.
    pub fn push<'a>(&mut self, packet: &Packet<'a>) -> Option<PesPart<'a>> {
        let payload = packet.payload?;
        if packet.payload_unit_start {
            self.partial_header.clear();
            self.state = State::Header;
        }
        match self.state {
            State::Waiting => None,
            State::Header => self.push_header(payload),
            State::Payload { .. } => {
                let payload = self.go_on(payload)?;
                Some(PesPart { begins: None, payload })
            }
        }
    }

    fn push_header<'a>(&mut self, payload: &'a [u8]) -> Option<PesPart<'a>> {
        let before = self.partial_header.len();
        let parsed = if before == 0 {
            PesHeader::parse(payload)
        } else {
            self.partial_header.extend_from_slice(payload);
            PesHeader::parse(&self.partial_header)
        };
        let header = match parsed {
            Ok(header) => header,
            Err(PesError::Incomplete) => {
                if before == 0 {
                    self.partial_header.extend_from_slice(payload);
                }
                return None;
            }
            Err(PesError::NoPrefix | PesError::Marker) => {
                self.broken_headers += 1;
                self.state = State::Waiting;
                return None;
            }
        };
        let payload = payload.get(header.header_bytes - before..).unwrap_or_default();
        let payload = match header.payload_bytes {
            Some(length) => payload.get(..length).unwrap_or(payload),
            None => payload,
        };
        let left = header.payload_bytes.map(|length| length - payload.len());
        self.state = State::Payload { left };
        Some(PesPart { begins: Some(header.timestamps), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u16, pts: u64, dts: Option<u64>) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0xE0]; // packet_start_code_prefix, stream_id
        bytes.extend_from_slice(&length.to_be_bytes()); // PES_packet_length
        bytes.push(0x80); // marker '10'
        match dts {
            None => {
                bytes.extend_from_slice(&[0x80, 5]); // PTS_DTS_flags, PES_header_data_length
                write_timestamp(&mut bytes, 0b0010, pts);
            }
            Some(dts) => {
                bytes.extend_from_slice(&[0xC0, 10]);
                write_timestamp(&mut bytes, 0b0011, pts);
                write_timestamp(&mut bytes, 0b0001, dts);
            }
        }
        bytes
    }

    fn packet(start: bool, payload: &[u8]) -> Packet<'_> {
        Packet {
            pid: 256,
            payload_unit_start: start,
            transport_error: false,
            scrambled: false,
            discontinuity: false,
            continuity_counter: 0,
            clock_reference: None,
            payload: Some(payload),
        }
    }

    #[test]
    fn timestamps_of_33_bits_survive() {
        let (pts, dts) = ((1 << 33) - 1, 0x1_2345_6789);
        let parsed = PesHeader::parse(&header(0, pts, Some(dts))).unwrap();
        assert_eq!(parsed.timestamps, Some(Timestamps { presentation: pts, decode: dts }));
        assert_eq!(parsed.payload_bytes, None);
    }

    #[test]
    fn each_marker_bit_of_a_timestamp_is_checked() {
        for byte in [9, 11, 13] {
            let mut bytes = header(0, 12345, None);
            bytes[byte] &= 0xFE;
            assert_eq!(PesHeader::parse(&bytes).unwrap().timestamps, None, "byte {byte}");
        }
    }

    #[test]
    fn a_header_may_be_cut_anywhere() {
        let bytes = [&header(0, 7, Some(5))[..], b"payload"].concat();
        for cut in 1..19 {
            let mut reader = PesReader::waiting();
            assert_eq!(reader.push(&packet(true, &bytes[..cut])), None, "cut {cut}");
            let part = reader.push(&packet(false, &bytes[cut..])).unwrap();
            assert_eq!(part.payload, b"payload");
            assert_eq!(part.begins, Some(Some(Timestamps { presentation: 7, decode: 5 })));
        }
    }

    #[test]
    fn payload_ends_where_the_length_says() {
        let bytes = [&header(8 + 4, 7, None)[..], b"abcdSTUFF"].concat();
        let mut reader = PesReader::waiting();
        assert_eq!(reader.push(&packet(true, &bytes)).unwrap().payload, b"abcd");
        assert_eq!(reader.push(&packet(false, b"more")), None);
    }

    #[test]
    fn what_precedes_the_first_packet_is_ignored() {
        assert_eq!(PesReader::waiting().push(&packet(false, b"tail")), None);
        assert_eq!(PesReader::inside(None).push(&packet(false, b"tail")).unwrap().payload, b"tail");
    }
}
