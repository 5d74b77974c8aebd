//! What is wrong with a playlist: where it stands, which tag, and what to do.

/// Why a playlist cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It does not begin with `#EXTM3U`.
    #[error("line {line} is not #EXTM3U, so this is no HLS playlist; it begins with {start:?}")]
    NotAPlaylist {
        /// The first line that is neither blank nor a comment.
        line: usize,
        /// The first characters of the file.
        start: String,
    },
    /// A tag, or a URI under a tag, that cannot be understood and that playing depends on.
    #[error("line {line} ({tag}): {problem}")]
    Tag {
        /// Where it stands.
        line: usize,
        /// The tag, without `#`; `URI` for a line that is none.
        tag: &'static str,
        /// What is wrong and what to write.
        problem: String,
    },
    /// `{$name}` stands where no `EXT-X-DEFINE` before it defines the name.
    #[error(
        "line {line} ({tag}): the variable {name:?} is not defined; define it with EXT-X-DEFINE in \
         a line before"
    )]
    UndefinedVariable {
        /// Where it is used.
        line: usize,
        /// The tag that uses it; `URI` for a line that is none.
        tag: &'static str,
        /// Its name.
        name: String,
    },
    /// A media playlist stands where a master playlist is wanted.
    #[error(
        "line {line} ({tag}) belongs to a media playlist; give the master playlist that lists it"
    )]
    NotAMasterPlaylist {
        /// Where that shows.
        line: usize,
        /// The tag that shows it.
        tag: &'static str,
    },
    /// A master playlist stands where a media playlist is wanted.
    #[error("line {line} ({tag}) belongs to a master playlist; a media playlist is expected here")]
    NotAMediaPlaylist {
        /// Where that shows.
        line: usize,
        /// The tag that shows it.
        tag: &'static str,
    },
    /// A master playlist without streams.
    #[error("the master playlist has no EXT-X-STREAM-INF with a URI, so there is nothing to play")]
    NoStreams,
    /// A playlist that may still grow.
    #[error(
        "there is no EXT-X-ENDLIST up to line {lines}, so the playlist is live or not complete; \
         ingest it when it has ended"
    )]
    NotEnded {
        /// Lines in the playlist.
        lines: usize,
    },
    /// A media playlist without segments.
    #[error("the media playlist lists no segments up to line {lines}")]
    NoSegments {
        /// Lines in the playlist.
        lines: usize,
    },
    /// The segments are encrypted in a way that is not read.
    #[error(
        "line {line} (EXT-X-KEY): the segments are encrypted with {what}; store them clear, or \
         encrypted with METHOD=AES-128 and KEYFORMAT=\"identity\""
    )]
    Encrypted {
        /// The tag's line.
        line: usize,
        /// The method or the key format, as the tag writes it.
        what: String,
    },
    /// The segments are fragmented MP4.
    #[error(
        "line {line} (EXT-X-MAP): the segments are fragmented MP4; MPEG-TS is expected, so give \
         the playlist of the transport streams"
    )]
    FragmentedMp4 {
        /// The tag's line.
        line: usize,
    },
    /// The playlist holds I-frames only.
    #[error(
        "line {line} (EXT-X-I-FRAMES-ONLY): this is an I-frame playlist; give one with whole \
         segments"
    )]
    IFramesOnly {
        /// The tag's line.
        line: usize,
    },
    /// The playlist is an update to one that was loaded before.
    #[error(
        "line {line} (EXT-X-SKIP): this is a delta update, which leaves segments out; give the \
         whole playlist"
    )]
    DeltaUpdate {
        /// The tag's line.
        line: usize,
    },
    /// More segments than are allowed.
    #[error("line {line}: the media playlist lists more than {limit} segments")]
    TooManySegments {
        /// The first segment that is too many.
        line: usize,
        /// How many are allowed.
        limit: u64,
    },
}

impl ReadError {
    /// Something about a tag, with its place.
    pub(super) fn tag(line: usize, tag: &'static str, problem: impl Into<String>) -> Self {
        Self::Tag { line, tag, problem: problem.into() }
    }
}
