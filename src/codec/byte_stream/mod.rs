//! Byte stream → length-prefixed access units (ISO/IEC 14496-10:2022 Annex B and 7.4.1.2.3, ISO/IEC
//! 23008-2:2020 Annex B and 7.4.2.4.4; ISO/IEC 14496-15:2022 5.3.2, 8.3.2).
//!
//! Bytes are appended to the output buffer as they come; then the new stretch is searched for
//! start codes, and each start code is overwritten by the length of the NAL unit behind it:
//!
//! ```text
//! 00 00 00 01 │ 09 F0 │ 00 00 00 01 │ 67 … │ 00 00 01 │ 65 … … … │ 00 00 00 01 │ 09 …
//!               dropped               dropped  length   slice      next access unit
//! ```
//!
//! Access unit delimiters, parameter sets, filler data and end markers are dropped: `avc1` and
//! `hvc1` keep parameter sets in the sample entry (ISO/IEC 14496-15:2022 5.4.2.1.1), and the
//! transport stream muxer writes its own. Dropping, and start codes of three bytes, move what lies
//! behind them; right after the start of a PES packet, where such units are, stretches are kept to
//! one packet, so that little has to move.
//!
//! What NAL units are is the [`Syntax`]'s business. Two fields of a frame become one sample. Where
//! a parameter set gets other content, another configuration begins with the next picture.
//!
//! Does not look for lost slices: a picture whose first slice is lost goes with the one before.

use memchr::memmem;

use super::{AccessUnit, ConfigError, Damage, Timestamps};
use crate::model::codec::CodecConfig;
use crate::model::sample::{Dependency, RandomAccess};

/// What a NAL unit is to framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds a slice; the first of its picture or not.
    Slice { is_first: bool },
    /// Stands before the slices of its picture and is kept.
    Lead,
    /// The same; a message to be looked into.
    Message,
    /// The same; kept for the configuration and not in the sample.
    ParameterSet,
    /// The same; dropped.
    Delimiter,
    /// Goes with the picture before and is kept.
    Trail,
    /// Dropped wherever it stands.
    Filler,
    /// Belongs to a layer that is not read.
    OtherLayer,
}

/// What a slice says about its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The picture resets the decoder: IDR, or any IRAP picture of HEVC.
    pub resets: bool,
    /// It is a sync sample by the file format's rules.
    pub is_intra: bool,
    /// Other pictures may refer to it.
    pub is_reference: bool,
    /// See [`AccessUnit::skipped_at_access`].
    pub skipped_at_access: bool,
    /// The least significant bits of the picture order count, and how many there are.
    pub order: Option<(u32, u32)>,
    /// The field that it is, if it is none of a whole frame.
    pub field: Option<Field>,
}

/// A field, as its slices tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// `frame_num`: fields of one frame have the same.
    pub frame_number: u32,
    /// Lines of the bottom.
    pub is_bottom: bool,
    /// It is part of an IDR picture.
    pub is_idr: bool,
}

/// What a parameter set would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is known.
    None,
    /// Its ID is new.
    Added,
    /// Its ID had other content.
    Replaced,
}

/// What framing has to know of a codec; holds its parameter sets.
pub trait Syntax: Clone + Default {
    /// Bytes behind a start code that [`Syntax::role`] looks at.
    const HEADER_BYTES: usize;

    /// What a NAL unit is, by its first bytes.
    fn role(header: &[u8]) -> Role;
    /// What the slice in a NAL unit says, of which the start is enough.
    fn slice(&self, nal: &[u8]) -> Slice;
    /// What a parameter set would change.
    fn change(&self, nal: &[u8]) -> Result<Change, ConfigError>;
    /// Takes a parameter set.
    fn add_set(&mut self, nal: &[u8]);
    /// Looks into messages; returns after how many pictures all is right, where a recovery point is
    /// announced.
    fn message(&mut self, nal: &[u8]) -> Option<u32>;
    /// What a decoder needs.
    fn config(&self) -> Result<CodecConfig, ConfigError>;
}

/// Turns the payload of PES packets into samples. See the module documentation.
pub struct Framer<S> {
    buffer: Vec<u8>,
    /// Nothing before this is ours.
    base: usize,
    /// No start code begins before this.
    scanned: usize,
    /// Where the chunks that hold unsearched bytes began, shifted along with their bytes.
    chunks: Vec<Chunk>,
    /// Whether anybody wants to know in which of them pictures begin.
    is_tagged: bool,
    nal: Option<OpenNal>,
    unit: Option<OpenUnit>,
    /// A field that may have another behind it.
    field: Option<(AccessUnit, Field)>,
    units: Vec<AccessUnit>,
    /// Timestamps for the first access unit that begins at or behind the position.
    pending: Option<(usize, Timestamps)>,
    packet_bytes: usize,
    syntax: S,
    /// Whether parameter sets of the stream count, and not those that were given.
    collects: bool,
    /// The syntax with the sets before the last change.
    previous: Option<S>,
    /// Configurations that have ended.
    configs: Vec<Result<CodecConfig, ConfigError>>,
    /// A set has been replaced, and no picture has begun since.
    is_changed: bool,
    /// A picture has begun under the current configuration.
    is_used: bool,
    order: OrderCount,
    start_code: memmem::Finder<'static>,
    damage: Damage,
}

/// Counts the order of pictures (ISO/IEC 14496-10:2022 8.2.1.1, ISO/IEC 23008-2:2020 8.3.1).
#[derive(Clone, Copy, Default)]
struct OrderCount {
    /// Of the last picture that others refer to.
    last: Option<i64>,
}

impl OrderCount {
    fn next(&mut self, slice: &Slice) -> Option<i32> {
        let (low, bits) = slice.order?;
        let period = 1_i64 << bits;
        let low = i64::from(low);
        let count = match self.last.filter(|_| !slice.resets) {
            None => low,
            Some(last) => {
                let half = period / 2;
                let step = (low - last).rem_euclid(period);
                last + if step >= half { step - period } else { step }
            }
        };
        if slice.is_reference || slice.resets {
            self.last = Some(count);
        }
        i32::try_from(count).ok()
    }
}

/// Pieces that follow each other; a chunk of its own is one.
#[derive(Clone, Copy)]
struct Chunk {
    start: isize,
    /// Bytes of each piece.
    piece: usize,
    /// Of the first piece.
    tag: u128,
    /// From one piece's tag to the next one's.
    step: u128,
}

#[derive(Clone, Copy)]
struct OpenNal {
    /// Where its length will stand; the payload follows behind four bytes.
    start: usize,
    role: Role,
}

#[derive(Clone, Copy)]
struct OpenUnit {
    offset: usize,
    timestamps: Option<Timestamps>,
    tag: u128,
    skip: u8,
    has_slices: bool,
    /// What its first slice says; intra and reference hold for all.
    slice: Slice,
    order: Option<i32>,
    /// Pictures until all is right, where a recovery point is announced.
    recovery: Option<u32>,
    config: u32,
}

/// Bytes of the length that replaces a start code.
const LENGTH_BYTES: usize = 4;
/// What a transport packet holds.
const PACKET_PAYLOAD_BYTES: usize = 184;
/// Up to this much of a PES packet is searched chunk by chunk.
const EAGER_BYTES: usize = 512;
/// After that, stretches of this size.
const BATCH_BYTES: usize = 16 * 1024;
/// Of a slice this much is looked at; all fields that matter are in it.
const SLICE_START_BYTES: usize = 64;
/// A processed prefix of this size is worth moving the rest of the buffer for, so that what is
/// appended stays in the processor's cache. Tests have little, and shall move it too.
const RELEASE_BYTES: usize = if cfg!(test) { 1 << 10 } else { 128 << 10 };

impl<S: Syntax> Framer<S> {
    /// A framer that appends to `buffer` and finds out the configurations.
    pub fn new(buffer: Vec<u8>) -> Self {
        let base = buffer.len();
        Self {
            buffer,
            base,
            scanned: base,
            chunks: Vec::new(),
            is_tagged: true,
            nal: None,
            unit: None,
            field: None,
            units: Vec::new(),
            pending: None,
            packet_bytes: 0,
            syntax: S::default(),
            collects: true,
            previous: None,
            configs: Vec::new(),
            is_changed: false,
            is_used: false,
            order: OrderCount::default(),
            start_code: memmem::Finder::new(&[0, 0, 1]),
            damage: Damage::default(),
        }
    }

    /// A framer that begins in mid-stream, under parameter sets that are known: those of the stream
    /// are passed over. Who knows them knows where pictures begin, so tags do not come back.
    pub fn with_sets<'a>(buffer: Vec<u8>, sets: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut framer = Self::new(buffer);
        for set in sets {
            framer.syntax.add_set(set);
        }
        framer.collects = false;
        framer.is_tagged = false;
        framer
    }

    /// A PES packet begins; its timestamps belong to the first access unit that begins in it.
    pub fn begin_packet(&mut self, timestamps: Option<Timestamps>) {
        self.scan(false);
        self.packet_bytes = 0;
        if let Some(timestamps) = timestamps {
            self.pending = Some((self.buffer.len(), timestamps));
        }
    }

    /// Payload of the current PES packet. The tag comes back with the access units that begin in
    /// the chunk.
    pub fn push(&mut self, chunk: &[u8], tag: u128) {
        self.begin_chunk(usize::MAX, tag, 0);
        match <&[u8; PACKET_PAYLOAD_BYTES]>::try_from(chunk) {
            Ok(whole) => self.append(whole),
            Err(_) => self.buffer.extend_from_slice(chunk),
        }
        self.pushed(chunk.len());
    }

    /// The same for pieces of one size, whose tags follow each other at `step`, modulo 2^128.
    pub fn push_pieces<'p, const N: usize>(
        &mut self,
        pieces: impl Iterator<Item = &'p [u8; N]>,
        tag: u128,
        step: u128,
    ) {
        self.begin_chunk(N, tag, step);
        for piece in pieces {
            self.append(piece);
            self.pushed(N);
        }
    }

    fn begin_chunk(&mut self, piece: usize, tag: u128, step: u128) {
        if self.is_tagged {
            self.chunks.push(Chunk { start: self.buffer.len() as isize, piece, tag, step });
        }
    }

    /// What is known and short to the compiler takes no call.
    #[inline]
    fn append<const N: usize>(&mut self, piece: &[u8; N]) {
        let (first, second) = piece.split_at(N / 2);
        self.buffer.extend_from_slice(first);
        self.buffer.extend_from_slice(second);
    }

    #[inline]
    fn pushed(&mut self, bytes: usize) {
        self.packet_bytes += bytes;
        if self.packet_bytes <= EAGER_BYTES || self.buffer.len() - self.scanned >= BATCH_BYTES {
            self.scan(false);
        }
    }

    /// The stream ends here: completes the last access unit.
    pub fn finish(&mut self) {
        self.scan(true);
        if let Some(nal) = self.nal.take() {
            let end = self.trim_zeros(nal.start + LENGTH_BYTES, self.buffer.len());
            let end = self.close_nal(nal, end);
            self.buffer.truncate(end);
        }
        self.close_unit(self.buffer.len());
        self.release_field();
        self.scanned = self.buffer.len();
        self.base = self.buffer.len();
        self.chunks.clear();
        self.pending = None;
    }

    /// The complete access units so far, in decoding order.
    pub fn units(&self) -> &[AccessUnit] {
        &self.units
    }

    /// The buffer with all samples, and the access units in it.
    pub fn into_parts(self) -> (Vec<u8>, Vec<AccessUnit>) {
        (self.buffer, self.units)
    }

    /// Hands out the complete access units with their bytes and the syntax that they are written in;
    /// then forgets them like [`Framer::release`].
    pub fn drain(&mut self, mut take: impl FnMut(AccessUnit, &[u8], &S)) {
        for unit in &self.units {
            let bytes = self.buffer.get(unit.offset..unit.offset + unit.size).unwrap_or_default();
            let is_current = unit.config == self.number() && !self.is_changed;
            let syntax = self.previous.as_ref().filter(|_| !is_current).unwrap_or(&self.syntax);
            take(*unit, bytes, syntax);
        }
        self.release(self.units.len());
    }

    /// The number of the configuration that the last picture has.
    fn number(&self) -> u32 {
        self.configs.len() as u32 - u32::from(self.is_changed)
    }

    /// The configuration with a number that a unit bears.
    pub fn config(&self, number: u32) -> Result<CodecConfig, ConfigError> {
        match self.configs.get(number as usize) {
            Some(config) => config.clone(),
            None => self.syntax.config(),
        }
    }

    /// Forgets so many of the complete access units, and from time to time the bytes of those that
    /// are forgotten: returns by how many bytes the others lie nearer to the buffer's start then.
    pub fn release(&mut self, units: usize) -> usize {
        self.units.drain(..units.min(self.units.len()));
        let open = self.unit.map_or(self.base, |unit| unit.offset);
        let waiting = self.field.map_or(open, |(unit, _)| unit.offset);
        let keep_from = self.units.first().map_or(waiting, |unit| unit.offset);
        let free = keep_from - self.base.min(keep_from);
        // No byte is moved more often than another is forgotten.
        if free < RELEASE_BYTES.max(self.buffer.len().saturating_sub(keep_from)) {
            return 0;
        }
        self.buffer.copy_within(keep_from.., self.base);
        self.buffer.truncate(self.buffer.len() - free);
        self.scanned -= free;
        self.shift(-(free as isize));
        if let Some(nal) = &mut self.nal {
            nal.start -= free;
        }
        if let Some(unit) = &mut self.unit {
            unit.offset -= free;
        }
        if let Some((unit, _)) = &mut self.field {
            unit.offset -= free;
        }
        for unit in &mut self.units {
            unit.offset -= free;
        }
        free
    }

    /// The buffer as far as it is written; those complete access units are in it that were not
    /// forgotten. Their bytes may be overwritten, because they are not looked at again.
    pub fn complete(&mut self) -> (&mut [u8], &[AccessUnit]) {
        let end = self.units.last().map_or(0, |last| last.offset + last.size);
        (self.buffer.get_mut(..end).unwrap_or_default(), &self.units)
    }

    /// What could not be used.
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// Finds the start codes in what was appended since the last call.
    fn scan(&mut self, is_end: bool) {
        loop {
            let floor = self.floor();
            let from = self.scanned.saturating_sub(2).max(floor);
            let Some(found) = self.start_code.find(self.buffer.get(from..).unwrap_or_default())
            else {
                self.scanned = self.buffer.len();
                break;
            };
            let at = from + found;
            // Slices are judged by bits behind the header.
            if self.buffer.len() < at + 3 + S::HEADER_BYTES && !is_end {
                self.scanned = at;
                break;
            }
            if self.buffer.len() < at + 4 {
                self.buffer.truncate(at);
                self.scanned = at;
                break;
            }
            self.begin_nal(at, floor);
        }
        // A start code may still begin in the last two bytes.
        let needed = self.scanned.saturating_sub(2) as isize;
        let containing = self.chunks.partition_point(|chunk| chunk.start <= needed);
        self.chunks.drain(..containing.saturating_sub(1));
    }

    /// Payload cannot begin before this.
    fn floor(&self) -> usize {
        self.nal.map_or(self.base, |nal| nal.start + LENGTH_BYTES)
    }

    /// A start code prefix stands at `at`: ends the open NAL unit and opens the next.
    fn begin_nal(&mut self, at: usize, floor: usize) {
        let end = self.trim_zeros(floor, at);
        let start = match self.nal.take() {
            Some(nal) => self.close_nal(nal, end),
            None => {
                self.damage.stray_bytes += (end - floor) as u64;
                self.base
            }
        };
        let origin = self.origin_of(at);
        let begins_behind_packet_start = self.pending.is_some_and(|(position, _)| position <= at);

        let payload = at + 3;
        let wanted = start + LENGTH_BYTES;
        let shift = wanted as isize - payload as isize;
        if shift > 0 {
            self.buffer.push(0);
            let end = self.buffer.len() - 1;
            self.buffer.copy_within(payload..end, wanted);
        } else if shift < 0 {
            self.buffer.copy_within(payload.., wanted);
            let length = self.buffer.len().saturating_add_signed(shift);
            self.buffer.truncate(length);
        }
        // Those before would lie behind it where bytes were dropped; nobody asks for them again.
        let behind = self.chunks.partition_point(|chunk| chunk.start <= at as isize);
        self.chunks.drain(..behind.saturating_sub(1));
        self.shift(shift);

        let header = self.buffer.get(wanted..).unwrap_or_default();
        let role = S::role(header.get(..S::HEADER_BYTES).unwrap_or(header));
        if self.begins_unit(role) {
            self.close_unit(start);
            let timestamps = if begins_behind_packet_start {
                self.pending.take().map(|(_, timestamps)| timestamps)
            } else {
                None
            };
            self.unit = Some(OpenUnit {
                offset: start,
                timestamps,
                tag: origin.0,
                skip: origin.1,
                has_slices: false,
                slice: Slice::default(),
                order: None,
                recovery: None,
                config: 0,
            });
        }
        self.nal = Some(OpenNal { start, role });
        self.scanned = wanted;
    }

    /// The tag of the piece that holds a position, and how far into the piece that is.
    fn origin_of(&self, at: usize) -> (u128, u8) {
        let at = at as isize;
        let behind = self.chunks.partition_point(|chunk| chunk.start <= at);
        let chunk = behind.checked_sub(1).and_then(|index| self.chunks.get(index));
        chunk.map_or((0, 0), |chunk| {
            let into = at.abs_diff(chunk.start);
            let (number, into) = (into / chunk.piece, into % chunk.piece);
            let tag = chunk.tag.wrapping_add(chunk.step.wrapping_mul(number as u128));
            let skip = u8::try_from(into).unwrap_or(u8::MAX);
            // A piece that begins with a start code of four bytes has nothing of what is before: who
            // reads that needs no byte of it, and none of the object that it may be the first of.
            let is_zero_byte = usize::try_from(at - into as isize)
                .is_ok_and(|start| skip == 1 && self.buffer.get(start) == Some(&0));
            (tag, if is_zero_byte { 0 } else { skip })
        })
    }

    /// Bytes moved: so do the chunks and the pending timestamps.
    fn shift(&mut self, shift: isize) {
        for chunk in &mut self.chunks {
            chunk.start += shift;
        }
        if let Some((position, _)) = &mut self.pending {
            *position = position.saturating_add_signed(shift);
        }
    }

    /// Whether a NAL unit opens an access unit (ISO/IEC 14496-10:2022 7.4.1.2.3, 7.4.1.2.4,
    /// ISO/IEC 23008-2:2020 7.4.2.4.4).
    fn begins_unit(&self, role: Role) -> bool {
        let Some(unit) = &self.unit else { return true };
        unit.has_slices
            && match role {
                Role::Slice { is_first } => is_first,
                Role::Lead | Role::Message | Role::ParameterSet | Role::Delimiter => true,
                Role::Trail | Role::Filler | Role::OtherLayer => false,
            }
    }

    /// Ends a NAL unit whose payload ends at `end`; returns where the next may stand.
    fn close_nal(&mut self, nal: OpenNal, end: usize) -> usize {
        let payload = nal.start + LENGTH_BYTES;
        let Some(bytes) = self.buffer.get(payload..end).filter(|bytes| !bytes.is_empty()) else {
            return nal.start;
        };
        match nal.role {
            Role::ParameterSet => {
                if self.collects {
                    match self.syntax.change(bytes) {
                        Ok(Change::None) => {}
                        Ok(change) => {
                            if change == Change::Replaced && self.is_used && !self.is_changed {
                                self.configs.push(self.syntax.config());
                                self.previous = Some(self.syntax.clone());
                                self.is_changed = true;
                            }
                            self.syntax.add_set(bytes);
                        }
                        Err(_) => self.damage.broken_units += 1,
                    }
                }
                return nal.start;
            }
            Role::Delimiter | Role::Filler => return nal.start,
            Role::OtherLayer => {
                self.damage.other_layers += 1;
                return nal.start;
            }
            // The header alone says nothing, least of all whether a picture begins here.
            Role::Slice { .. } if bytes.len() < S::HEADER_BYTES => {
                self.damage.broken_units += 1;
                return nal.start;
            }
            Role::Slice { .. } => {
                let start = bytes.get(..SLICE_START_BYTES).unwrap_or(bytes);
                let slice = self.syntax.slice(start);
                if let Some(unit) = &mut self.unit {
                    if unit.has_slices {
                        unit.slice.is_intra &= slice.is_intra;
                        unit.slice.is_reference |= slice.is_reference;
                        unit.slice.resets |= slice.resets;
                    } else {
                        unit.has_slices = true;
                        unit.slice = slice;
                        unit.order = self.order.next(&slice);
                        unit.config = self.configs.len() as u32;
                        self.is_changed = false;
                        self.is_used = true;
                    }
                }
            }
            Role::Message => {
                let recovery = self.syntax.message(bytes);
                if let Some(unit) = &mut self.unit {
                    unit.recovery = unit.recovery.or(recovery);
                }
            }
            Role::Lead | Role::Trail => {}
        }
        let length = (end - payload) as u32;
        if let Some(field) = self.buffer.get_mut(nal.start..payload) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        end
    }

    /// Ends the open access unit at `end`. Without slices it is no picture and is dropped, which can
    /// only happen at the end of the stream.
    fn close_unit(&mut self, end: usize) {
        let Some(unit) = self.unit.take() else { return };
        if !unit.has_slices {
            self.damage.broken_units += 1;
            self.buffer.truncate(unit.offset);
            return;
        }
        let access = match (unit.slice.resets, unit.recovery) {
            (true, _) => RandomAccess::Instant,
            (false, Some(0)) if unit.slice.is_intra => RandomAccess::Recovery,
            (false, Some(_)) => RandomAccess::Gradual,
            (false, None) => RandomAccess::None,
        };
        let complete = AccessUnit {
            offset: unit.offset,
            size: end - unit.offset,
            timestamps: unit.timestamps,
            tag: unit.tag,
            skip: unit.skip,
            dependency: Dependency {
                sync: unit.slice.resets,
                independent: unit.slice.is_intra,
                disposable: !unit.slice.is_reference,
            },
            access,
            config: unit.config,
            order: unit.order,
            skipped_at_access: unit.slice.skipped_at_access,
        };
        match unit.slice.field {
            None => {
                self.release_field();
                self.units.push(complete);
            }
            Some(field) => self.take_field(complete, field),
        }
    }

    /// A field: goes with the one before, or waits for the one behind it (ISO/IEC 14496-10:2022
    /// 3.30, 7.4.1.2.4).
    fn take_field(&mut self, unit: AccessUnit, field: Field) {
        let pairs = |(first, of_first): &(AccessUnit, Field)| {
            of_first.frame_number == field.frame_number
                && of_first.is_bottom != field.is_bottom
                && (of_first.is_idr || !field.is_idr)
                && first.config == unit.config
                && first.offset + first.size == unit.offset
        };
        if let Some((mut first, _)) = self.field.take_if(|held| pairs(held)) {
            first.size += unit.size;
            first.dependency.disposable &= unit.dependency.disposable;
            self.units.push(first);
        } else {
            self.release_field();
            self.field = Some((unit, field));
        }
    }

    /// A field that waited stays alone.
    fn release_field(&mut self) {
        if let Some((unit, _)) = self.field.take() {
            self.damage.unpaired_fields += 1;
            self.units.push(unit);
        }
    }

    /// The end of a NAL unit that is followed by zeros up to `end`.
    fn trim_zeros(&self, start: usize, end: usize) -> usize {
        let bytes = self.buffer.get(start..end).unwrap_or_default();
        start + bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
    }
}

#[cfg(test)]
mod tests;
