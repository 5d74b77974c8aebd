//! Short-term reference picture sets (ISO/IEC 23008-2:2020 7.3.7, 7.4.8).
//!
//! They stand in sequence parameter sets and in slice headers, and a set may be told by its
//! difference from an earlier one, so how long a later set is depends on what the earlier ones hold.

use crate::codec::ConfigError;
use crate::codec::bits::BitReader;

/// The pictures that the current one, or a later one, may be predicted from: the nearest first, and
/// those that are shown earlier than the current one before those that are shown later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReferenceSet {
    pictures: [Picture; MAX_PICTURES],
    len: usize,
}

/// One of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Picture {
    /// Its order count minus that of the current picture; not 0.
    delta: i32,
    /// Whether the current picture may be predicted from it.
    is_used: bool,
}

/// `sps_max_dec_pic_buffering_minus1` is at most this (A.4.2), and no set has more pictures.
const MAX_PICTURES: usize = 16;
/// The largest `delta_poc_s0_minus1` (7.4.8).
const MAX_DELTA_MINUS1: u32 = (1 << 15) - 1;

impl ReferenceSet {
    /// Reads the set behind `earlier` ones. Sets of a slice may be told by any earlier one, those of
    /// a sequence parameter set by the one before.
    pub fn read(
        bits: &mut BitReader<'_>,
        earlier: &[Self],
        is_in_slice: bool,
    ) -> Result<Self, ConfigError> {
        if !earlier.is_empty() && bits.flag("inter_ref_pic_set_prediction_flag")? {
            Self::read_difference(bits, earlier, is_in_slice)
        } else {
            Self::read_list(bits)
        }
    }

    /// How many pictures the current one may be predicted from.
    pub fn used(&self) -> u32 {
        self.pictures().iter().filter(|picture| picture.is_used).count() as u32
    }

    fn pictures(&self) -> &[Picture] {
        self.pictures.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, picture: Picture) -> Result<(), ConfigError> {
        let field = "NumDeltaPocs";
        let value = self.len as u32 + 1;
        let free =
            self.pictures.get_mut(self.len).ok_or(ConfigError::Forbidden { field, value })?;
        *free = picture;
        self.len += 1;
        Ok(())
    }

    fn read_list(bits: &mut BitReader<'_>) -> Result<Self, ConfigError> {
        let mut set = Self::default();
        let negative = bits.unsigned("num_negative_pics")?;
        let positive = bits.unsigned("num_positive_pics")?;
        for (count, sign) in [(negative, -1), (positive, 1)] {
            let mut delta = 0;
            for _ in 0..count {
                let field = "delta_poc_minus1";
                let value = bits.unsigned(field)?;
                if value > MAX_DELTA_MINUS1 {
                    return Err(ConfigError::Forbidden { field, value });
                }
                delta += sign * (value as i32 + 1);
                set.push(Picture { delta, is_used: bits.flag("used_by_curr_pic_flag")? })?;
            }
        }
        Ok(set)
    }

    fn read_difference(
        bits: &mut BitReader<'_>,
        earlier: &[Self],
        is_in_slice: bool,
    ) -> Result<Self, ConfigError> {
        let field = "delta_idx_minus1";
        let back = if is_in_slice { bits.unsigned(field)? } else { 0 };
        let reference = earlier.iter().rev().nth(back as usize);
        let reference = reference.ok_or(ConfigError::Forbidden { field, value: back })?;
        let is_negative = bits.flag("delta_rps_sign")?;
        let field = "abs_delta_rps_minus1";
        let value = bits.unsigned(field)?;
        if value > MAX_DELTA_MINUS1 {
            return Err(ConfigError::Forbidden { field, value });
        }
        let shift = if is_negative { -(value as i32 + 1) } else { value as i32 + 1 };

        // The picture to which the reference set belongs is the last that can be taken over.
        let own = Picture::default();
        let mut taken = Self::default();
        for picture in reference.pictures().iter().chain([&own]) {
            let is_used = bits.flag("used_by_curr_pic_flag")?;
            let is_kept = is_used || bits.flag("use_delta_flag")?;
            let delta = picture.delta + shift;
            if is_kept && delta != 0 {
                taken.push(Picture { delta, is_used })?;
            }
        }
        // (7-61) and (7-62) visit the pictures so that each side comes out nearest first.
        let pictures = taken.pictures.get_mut(..taken.len).unwrap_or_default();
        pictures.sort_by_key(|picture| (picture.delta > 0, picture.delta.unsigned_abs()));
        Ok(taken)
    }
}
