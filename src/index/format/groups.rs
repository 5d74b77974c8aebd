//! Groups field by field: each field is a column, and each number in it the difference to what the
//! group before lets one expect, so that regular streams become columns of zeros.
//!
//! ```text
//! outline   column of times │ column of access │ sums of each block
//! part      length of each block … │ blocks
//! block     which columns are not all zeros │ those columns
//! ```
//!
//! Blocks begin anew, as if nothing was before them. In the canonical form all groups are one block
//! with all columns.

use std::cmp::Ordering;
use std::sync::OnceLock;

use bytes::Bytes;

use super::{Body, FormatError, Read, Reader, decompressed, unpacked};
use crate::model::groups::{Groups, Outline, PackedGroups, Sums};
use crate::model::presentation::{Group, SourcePosition, StillPicture, SubsampleCounts};
use crate::model::sample::RandomAccess;
use crate::time::Ticks;

/// The columns that are in the outline.
const TIME: usize = 6;
const ACCESS: usize = 17;

/// The fields of a group as the format orders them; each is a column of its own.
const GROUP_COLUMNS: usize = 26;
type Row = [i64; GROUP_COLUMNS];

/// A group as numbers, each as the difference to what `before` lets one expect.
fn group_columns(group: &Group, before: &Group, step: i64) -> Row {
    let distance = |a: u64, b: u64| a.wrapping_sub(b) as i64;
    let still = group.still.unwrap_or(StillPicture { end: group.start, ..StillPicture::default() });
    [
        i64::from(group.start.object) - i64::from(before.end.object),
        distance(group.start.offset, before.end.offset),
        i64::from(group.end.object) - i64::from(group.start.object),
        distance(group.end.offset, group.start.offset),
        i64::from(group.skip),
        group.pes_left.map_or(0, |left| i64::from(left) + 1),
        group.time.minus(before.time).0 - step,
        i64::from(group.decode_delay) - i64::from(before.decode_delay),
        i64::from(group.samples) - i64::from(before.samples),
        i64::from(group.payload_bytes),
        group.uniform_duration.map_or(0, |duration| i64::from(duration) + 1),
        i64::from(group.ts_payload_packets),
        i64::from(group.ts_clock_packets),
        i64::from(group.subsamples.cenc) - i64::from(group.samples),
        i64::from(group.subsamples.cbcs) - i64::from(group.subsamples.cenc),
        i64::from(group.subsamples.most),
        group.lead,
        access_code(group.access),
        // One column: hardly any group has either.
        i64::from(group.left_out) | i64::from(group.undecodable) << 32,
        group.still.map_or(0, |still| i64::from(still.bytes) + 1),
        i64::from(still.end.object) - i64::from(group.start.object),
        // Little but other tracks' packets lies between.
        distance(still.end.offset, group.start.offset).wrapping_sub(i64::from(still.bytes)),
        i64::from(still.last),
        i64::from(still.subsamples.cenc),
        i64::from(still.subsamples.cbcs) - i64::from(still.subsamples.cenc),
        i64::from(still.subsamples.most),
    ]
}

const fn access_code(access: RandomAccess) -> i64 {
    match access {
        RandomAccess::Instant => 0,
        RandomAccess::Recovery => 1,
        RandomAccess::Gradual => 2,
        RandomAccess::None => 3,
    }
}

const fn access_from(code: i64) -> Read<RandomAccess> {
    Ok(match code {
        0 => RandomAccess::Instant,
        1 => RandomAccess::Recovery,
        2 => RandomAccess::Gradual,
        3 => RandomAccess::None,
        _ => return Err(FormatError::Field { field: "access" }),
    })
}

/// Groups one behind the other as numbers.
fn rows(groups: &[Group]) -> Vec<Row> {
    let mut before = Group::default();
    let mut step = 0;
    let row = |group: &Group| {
        let row = group_columns(group, &before, step);
        step = group.time.minus(before.time).0;
        before = *group;
        row
    };
    groups.iter().map(row).collect()
}

impl Body {
    /// Groups in the canonical form.
    pub(super) fn groups(&mut self, groups: &[Group]) {
        let rows = rows(groups);
        (0..GROUP_COLUMNS).for_each(|column| self.column(&rows, column));
    }

    /// The outline of groups, and the part that they are in.
    pub(super) fn groups_apart(&mut self, groups: &[Group]) {
        let mut outline = Self::default();
        let all = rows(groups);
        outline.column(&all, TIME);
        outline.column(&all, ACCESS);
        for block in groups.chunks(Groups::BLOCK) {
            let sums = Sums::of(block);
            outline.unsigned(sums.samples);
            outline.unsigned(sums.payload_packets);
            outline.unsigned(sums.clock_packets);
        }
        self.string(&outline.bytes);
        self.apart(|part| {
            let blocks: Vec<Self> = groups.chunks(Groups::BLOCK).map(Self::block).collect();
            blocks.iter().for_each(|block| part.unsigned(block.bytes.len() as u64));
            blocks.iter().for_each(|block| part.bytes.extend_from_slice(&block.bytes));
        });
    }

    fn block(groups: &[Group]) -> Self {
        let rows = rows(groups);
        let is_kept = |column: &usize| {
            *column != TIME
                && *column != ACCESS
                && rows.iter().any(|row| row.get(*column) != Some(&0))
        };
        let kept: Vec<usize> = (0..GROUP_COLUMNS).filter(is_kept).collect();
        let mut block = Self::default();
        block.unsigned(kept.iter().map(|column| 1 << column).sum());
        kept.into_iter().for_each(|column| block.column(&rows, column));
        block
    }

    fn column(&mut self, rows: &[Row], column: usize) {
        rows.iter().filter_map(|row| row.get(column)).for_each(|value| self.signed(*value));
    }
}

impl Reader<'_> {
    /// The groups of a track, which are unpacked later.
    pub(super) fn groups(&mut self) -> Read<Groups> {
        let count = self.number("groups")?;
        let outline = self.string("groups")?;
        // Each has a time, which takes a byte at least; that bounds what is allocated.
        if count > outline.len() {
            return Err(FormatError::Field { field: "groups" });
        }
        let outline = self.parts.directory.slice_ref(outline);
        let part = self.part("groups")?;
        Ok(Groups::packed(count, Packed { count, outline, part, unpacked: OnceLock::new() }))
    }
}

/// The groups of one track as they are stored.
struct Packed {
    count: usize,
    outline: Bytes,
    /// Compressed.
    part: Bytes,
    /// The same as it was written.
    unpacked: OnceLock<Vec<u8>>,
}

impl PackedGroups for Packed {
    fn outline(&self) -> Outline {
        unpacked("an outline", self.read_outline())
    }

    fn block(&self, block: usize, outline: &Outline, groups: &mut Vec<Group>) {
        unpacked("groups", self.read_block(block, outline, groups));
    }
}

impl Packed {
    fn read_outline(&self) -> Read<Outline> {
        let mut reader = Reader { rest: &self.outline, ..Reader::default() };
        let mut outline = Outline {
            times: Vec::with_capacity(self.count),
            access: Vec::with_capacity(self.count),
            blocks: Vec::new(),
        };
        let (mut before, mut step) = (Ticks::ZERO, 0);
        for _ in 0..self.count {
            let time = before.plus(Ticks(reader.signed("time")?.wrapping_add(step)));
            step = time.minus(before).0;
            before = time;
            outline.times.push(time);
        }
        for _ in 0..self.count {
            outline.access.push(access_from(reader.signed("access")?)?);
        }
        for _ in 0..self.count.div_ceil(Groups::BLOCK) {
            outline.blocks.push(Sums {
                samples: reader.unsigned("sums")?,
                payload_packets: reader.unsigned("sums")?,
                clock_packets: reader.unsigned("sums")?,
            });
        }
        Ok(outline)
    }

    fn read_block(&self, block: usize, outline: &Outline, groups: &mut Vec<Group>) -> Read<()> {
        let field = "group";
        let part = match self.unpacked.get() {
            Some(part) => part,
            None => {
                let part = decompressed(&self.part)?;
                self.unpacked.get_or_init(|| part)
            }
        };
        let mut reader = Reader { rest: part, ..Reader::default() };
        let (mut start, mut length) = (0, 0);
        for index in 0..self.count.div_ceil(Groups::BLOCK) {
            let other = reader.number::<usize>(field)?;
            match index.cmp(&block) {
                Ordering::Less => start = other.saturating_add(start),
                Ordering::Equal => length = other,
                Ordering::Greater => {}
            }
        }
        let bytes = reader.rest.get(start..).and_then(|rest| rest.get(..length));
        let mut reader =
            Reader { rest: bytes.ok_or(FormatError::Field { field })?, ..Reader::default() };
        let first = block * Groups::BLOCK;
        let known = outline.times.iter().zip(&outline.access).skip(first).take(Groups::BLOCK);
        let mut rows: Vec<Row> = vec![[0; GROUP_COLUMNS]; known.len()];
        let kept = reader.unsigned(field)?;
        for column in (0..GROUP_COLUMNS).filter(|column| kept >> column & 1 == 1) {
            for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
                *cell = reader.signed(field)?;
            }
        }
        let mut before = Group::default();
        for (row, (time, access)) in rows.iter().zip(known) {
            before = group_from(row, &before, *time, *access)?;
            groups.push(before);
        }
        Ok(())
    }
}

/// The group behind [`group_columns`].
fn group_from(row: &Row, before: &Group, time: Ticks, access: RandomAccess) -> Read<Group> {
    let [
        start_object,
        start_offset,
        end_object,
        end_offset,
        skip,
        pes_left,
        _,
        decode_delay,
        samples,
        payload_bytes,
        uniform_duration,
        ts_payload_packets,
        ts_clock_packets,
        cenc_subsamples,
        cbcs_subsamples,
        most_subsamples,
        lead,
        _,
        left_out,
        still_bytes,
        still_object,
        still_offset,
        still_last,
        still_cenc,
        still_cbcs,
        still_most,
    ] = *row;
    let number = |base: u32, value: i64| {
        u32::try_from(i64::from(base).wrapping_add(value))
            .map_err(|_| FormatError::Field { field: "group" })
    };
    let optional = |value: i64| match value {
        0 => Ok(None),
        value => number(0, value.wrapping_sub(1)).map(Some),
    };
    let start = SourcePosition {
        object: number(before.end.object, start_object)?,
        offset: before.end.offset.wrapping_add(start_offset as u64),
    };
    let samples = number(before.samples, samples)?;
    let cenc = number(samples, cenc_subsamples)?;
    let byte = |value: i64, field| u8::try_from(value).map_err(|_| FormatError::Field { field });
    let most =
        |value: i64| u16::try_from(value).map_err(|_| FormatError::Field { field: "subsamples" });
    let still = match optional(still_bytes)? {
        None => None,
        Some(bytes) => {
            let cenc = number(0, still_cenc)?;
            let length = still_offset.wrapping_add(i64::from(bytes));
            Some(StillPicture {
                end: SourcePosition {
                    object: number(start.object, still_object)?,
                    offset: start.offset.wrapping_add(length as u64),
                },
                last: byte(still_last, "still")?,
                bytes,
                subsamples: SubsampleCounts {
                    cenc,
                    cbcs: number(cenc, still_cbcs)?,
                    most: most(still_most)?,
                },
            })
        }
    };
    Ok(Group {
        start,
        end: SourcePosition {
            object: number(start.object, end_object)?,
            offset: start.offset.wrapping_add(end_offset as u64),
        },
        skip: byte(skip, "skip")?,
        pes_left: optional(pes_left)?,
        time,
        decode_delay: number(before.decode_delay, decode_delay)?,
        samples,
        payload_bytes: number(0, payload_bytes)?,
        uniform_duration: optional(uniform_duration)?,
        ts_payload_packets: number(0, ts_payload_packets)?,
        ts_clock_packets: number(0, ts_clock_packets)?,
        subsamples: SubsampleCounts {
            cenc,
            cbcs: number(cenc, cbcs_subsamples)?,
            most: most(most_subsamples)?,
        },
        lead,
        access,
        left_out: left_out as u32,
        undecodable: number(0, left_out >> 32)?,
        still,
    })
}
