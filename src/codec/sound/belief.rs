//! When a frame is believed, for syntaxes whose frames begin with a header that tells their length.
//!
//! | header says | what follows, where its length says | |
//! |---|---|---|
//! | the known configuration | any header, a tag, a PES packet with timestamps, the end | frame |
//! | | anything else | broken |
//! | the first configuration | a header like it, the end | frame |
//! | another configuration | a header like it | frame, new configuration |
//! | | a header of the known configuration | broken, in sync |
//! | | anything else | broken |
//!
//! Sync words are short and easily found in coded sound, so that one header alone says nothing.
//! The rules ask for nothing but bytes and the known configuration: whoever begins to read at a
//! frame decides as one who came by.

use super::window::View;
use super::{Step, tag};

/// What a header says, beside the configuration that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Standing {
    /// The same.
    Known,
    /// None is known.
    First,
    /// Another.
    Other,
}

/// What the header behind a frame agrees with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) struct Following {
    /// With the frame before.
    pub with_frame: bool,
    /// With the configuration that is known.
    pub with_known: bool,
}

/// What a header looks like.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct HeaderSyntax {
    /// The byte that it begins with.
    pub first: u8,
    /// How many bytes it has.
    pub bytes: usize,
}

/// Whether a frame is believed; otherwise the step to take instead.
///
/// `bytes` is the length of the frame, `syntax` what headers look like, and `read` reads the header
/// behind the frame out of as many bytes as a header has, or more; it may ask for more.
pub(in crate::codec) fn judge(
    view: &View<'_>,
    bytes: usize,
    standing: Standing,
    syntax: HeaderSyntax,
    read: impl FnOnce(&[u8]) -> Result<Option<Following>, usize>,
) -> Result<(), Step> {
    let lost = if view.is_border() { Step::Lose } else { Step::Skip(1) };
    let more = Step::More(bytes + syntax.bytes);
    let Some(behind) = view.bytes.get(bytes..) else { return Err(more) };
    if behind.len() < syntax.bytes {
        // What there is must not speak against it: a player has no more than begins in the packet.
        let is_possible = behind.first().is_none_or(|&byte| byte == syntax.first)
            || standing == Standing::Known && view.packet_begins_at(bytes);
        return match standing {
            _ if !view.ends => Err(more),
            Standing::Known if is_possible => Ok(()),
            Standing::First if is_possible => Ok(()),
            _ => Err(lost),
        };
    }
    let following = read(behind).map_err(|more| Step::More(bytes + more))?;
    match (standing, following) {
        (Standing::Known, Some(_)) => Ok(()),
        (Standing::Known, None) if tag::begins(behind) || view.packet_begins_at(bytes) => Ok(()),
        (Standing::First | Standing::Other, Some(Following { with_frame: true, .. })) => Ok(()),
        (Standing::Other, Some(Following { with_known: true, .. })) => Err(Step::Drop(bytes)),
        _ => Err(lost),
    }
}

/// The step where no header stands: past a tag where one may be, or to the next byte that a header
/// may begin with, but not past the start of a PES packet, where a tag may be.
pub(in crate::codec) fn no_header(view: &View<'_>, syntax: HeaderSyntax) -> Step {
    if view.is_border() && tag::begins(view.bytes) {
        if view.bytes.len() < tag::HEADER_BYTES && !view.ends {
            return Step::More(tag::HEADER_BYTES);
        }
        if let Some(length) = tag::length(view.bytes) {
            return Step::Pass(length);
        }
    }
    let behind = view.bytes.get(1..).unwrap_or_default();
    let next = 1 + memchr::memchr(syntax.first, behind).unwrap_or(behind.len());
    Step::Skip(view.next_packet().map_or(next, |packet| packet.min(next)))
}
