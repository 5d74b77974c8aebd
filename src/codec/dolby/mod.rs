//! AC-3 and E-AC-3 (ETSI TS 102 366 V1.4.1), found out from the frames themselves: DVB and ATSC
//! announce both under several names.
//!
//! A sample of AC-3 is one syncframe. A sample of E-AC-3 is what makes six blocks (F.6.1): frames of
//! the independent substream 0, each with what follows it up to the next of them: dependent
//! substreams, and further independent ones.
//!
//! ```text
//! I0 D0 I1 │ I0 D0 I1 │ …                six blocks in a frame
//! I0 I0 I0 I0 I0 I0 │ I0 I0 …            one block in a frame; convsync marks the first
//! ```
//!
//! CRCs are not checked; a unit is believed when the next one begins where it ends. Rates and the
//! kind of service make no new configuration: they may change, and decoders don't need them. An
//! E-AC-3 substream that extends a core of AC-3 is left out, and the core plays alone.

mod syncframe;
mod unit;

use self::syncframe::{HEADER_BYTES, SYNC_WORD, Syncframe};
use self::unit::{Unit, UnitError};
use super::ConfigError;
use super::sound::{Configs, Frame, HeaderSyntax, Step, View, no_header, tag};

const HEADER: HeaderSyntax = HeaderSyntax { first: SYNC_WORD[0], bytes: HEADER_BYTES };

/// Bytes of the syncframe that begins here; `None` where none does.
pub fn syncframe_bytes(bytes: &[u8]) -> Option<usize> {
    Syncframe::parse(bytes).map(|frame| frame.bytes())
}

/// Finds AC-3 and E-AC-3.
pub(super) struct Reader;

impl Reader {
    /// What begins in view.
    pub fn step(&self, view: &View<'_>, configs: &mut Configs) -> Step {
        if view.bytes.len() < HEADER_BYTES {
            return Step::More(HEADER_BYTES);
        }
        let first = match Syncframe::parse(view.bytes) {
            Some(first) => first,
            None => {
                if view.is_border() && view.bytes.starts_with(&[SYNC_WORD[1], SYNC_WORD[0]]) {
                    configs.refuse(ConfigError::Unsupported { feature: "AC-3 with swapped bytes" });
                }
                return no_header(view, HEADER);
            }
        };
        if let Syncframe::Eac3(frame) = &first
            && !frame.is_first_substream()
        {
            return substream_alone(view, first.bytes());
        }
        let lost = if view.is_border() { Step::Lose } else { Step::Skip(1) };
        let unit = match Unit::read(view, 0, !view.in_sync) {
            Ok(unit) => unit,
            Err(UnitError::More(needed)) => return Step::More(needed),
            Err(UnitError::BeginsLater(offset)) => return Step::Skip(offset),
            Err(UnitError::Broken) => return lost,
        };
        if unit.bytes > unit.size {
            let feature = "an E-AC-3 substream that extends a core of AC-3";
            configs.refuse(ConfigError::Unsupported { feature });
        }
        let known = configs.current();
        if known.is_some_and(|known| unit::is_same(known, &unit.config)) {
            return Step::Frame(frame(&unit, configs.current_number()));
        }
        // What is new must be confirmed by the next unit.
        match Unit::read(view, unit.bytes, false) {
            Ok(next) if unit::is_same(&next.config, &unit.config) => {}
            Ok(next) if known.is_some_and(|known| unit::is_same(known, &next.config)) => {
                return Step::Drop(unit.bytes);
            }
            Err(UnitError::More(needed)) if !view.ends => return Step::More(needed),
            Err(UnitError::More(_)) if known.is_none() => {}
            // The second unit is damaged: its core alone must do.
            Err(UnitError::Broken)
                if known.is_none() && unit::has_core_at(view, unit.bytes, &unit.config) => {}
            _ => return lost,
        }
        Step::Frame(frame(&unit, configs.adopt(unit.config.clone())))
    }
}

/// A substream without the independent substream 0 before it: the stream begins inside a unit, or a
/// unit is broken.
fn substream_alone(view: &View<'_>, bytes: usize) -> Step {
    if !view.in_sync {
        return Step::Skip(1);
    }
    let Some(behind) = view.bytes.get(bytes..) else { return Step::More(bytes + HEADER_BYTES) };
    if behind.len() < HEADER_BYTES && !view.ends {
        return Step::More(bytes + HEADER_BYTES);
    }
    let is_followed = behind.len() < HEADER_BYTES
        || Syncframe::parse(behind).is_some()
        || view.packet_begins_at(bytes)
        || tag::begins(behind);
    if is_followed { Step::Drop(bytes) } else { Step::Lose }
}

fn frame(unit: &Unit, config: u32) -> Frame {
    Frame { first_bit: 0, size: unit.size, bytes: unit.bytes, config }
}

#[cfg(test)]
pub(super) mod tests;
