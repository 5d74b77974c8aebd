//! The error type of floors 4 and up: what went wrong, whose fault it is, and where.
//!
//! Parsing rooms (floors 2 and 3) have small typed errors of their own; whoever calls them knows
//! the file and the request, and wraps them here. A [`Kind`] is stable and is what programs branch
//! on; [`Blame`] tells the operator where to look; [`Kind::http_status`] is the only place where an
//! error becomes an HTTP status. Errors are cheap to clone because one failed build may answer
//! many waiting requests.
//!
//! The text of an error is for operators. A player gets it only where the blame is the client's;
//! otherwise it gets the code and a request id (see `playback::respond`).

use std::fmt;
use std::sync::Arc;

/// Shorthand for results of this crate's upper floors.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a closed set with stable codes (INTERFACE.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A request or setting that can never succeed as it stands.
    InvalidArgument,
    /// No credentials, or wrong ones.
    Unauthenticated,
    /// Known credentials that do not allow this.
    PermissionDenied,
    /// The named thing does not exist.
    NotFound,
    /// The package type can carry none of the title's codecs.
    UnsupportedCodec,
    /// The name is taken.
    AlreadyExists,
    /// The thing exists but is in the wrong state for this call.
    FailedPrecondition,
    /// A body or list beyond its limit.
    TooLarge,
    /// Too many requests.
    RateLimited,
    /// A byte range outside the resource.
    RangeNotSatisfiable,
    /// A method that this resource does not have.
    MethodNotAllowed,
    /// The source object is gone, damaged, or its storage answered with an error.
    SourceFailed,
    /// The storage did not answer in time.
    SourceTimeout,
    /// A content key that is needed cannot be had now: the key server is away, or its answer cannot
    /// be used.
    KeysUnavailable,
    /// We cannot serve now, but may in a moment.
    Unavailable,
    /// Our bug.
    Internal,
}

impl Kind {
    /// The stable code of problem bodies and metrics labels.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::UnsupportedCodec => "unsupported_codec",
            Self::AlreadyExists => "already_exists",
            Self::FailedPrecondition => "failed_precondition",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SourceFailed => "source_failed",
            Self::SourceTimeout => "source_timeout",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status; the only place where kinds become statuses.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidArgument => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound | Self::UnsupportedCodec => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyExists | Self::FailedPrecondition => 409,
            Self::TooLarge => 413,
            Self::RangeNotSatisfiable => 416,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::SourceFailed => 502,
            Self::KeysUnavailable | Self::Unavailable => 503,
            Self::SourceTimeout => 504,
        }
    }

    /// Who is at fault unless the place of birth knows better.
    const fn usual_blame(self) -> Blame {
        match self {
            Self::InvalidArgument
            | Self::Unauthenticated
            | Self::PermissionDenied
            | Self::NotFound
            | Self::UnsupportedCodec
            | Self::AlreadyExists
            | Self::FailedPrecondition
            | Self::TooLarge
            | Self::RateLimited
            | Self::RangeNotSatisfiable
            | Self::MethodNotAllowed => Blame::Client,
            Self::SourceFailed | Self::SourceTimeout => Blame::Source,
            Self::KeysUnavailable => Blame::KeyServer,
            Self::Unavailable | Self::Internal => Blame::Us,
        }
    }
}

/// Whose fault an error is; decides the log level and whether the text may leave the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The caller of one of our listeners.
    Client,
    /// The source storage or what is stored there.
    Source,
    /// The key server.
    KeyServer,
    /// This program or its configuration.
    Us,
}

impl Blame {
    /// The metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Source => "source",
            Self::KeyServer => "key_server",
            Self::Us => "us",
        }
    }
}

/// A kind, a blame, a sentence, the context added on the way up, and the cause.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    blame: Blame,
    message: String,
    field: Option<String>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with the blame that usually goes with its kind. The message is a plain sentence
    /// that says what, where and what to do.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            blame: kind.usual_blame(),
            message: message.into(),
            field: None,
            cause: None,
        }))
    }

    /// [`Kind::InvalidArgument`] about one field of a request or setting.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        let mut error = Self::new(Kind::InvalidArgument, message);
        error.inner_mut().field = Some(field.to_owned());
        error
    }

    /// [`Kind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// [`Kind::Internal`]: a broken invariant of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Adds the error that caused this one; it shows in logs, not in answers.
    pub fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.inner_mut().cause = Some(Arc::new(cause));
        self
    }

    /// Overrides the blame.
    pub fn blamed_on(mut self, blame: Blame) -> Self {
        self.inner_mut().blame = blame;
        self
    }

    /// Puts where it happened before the message: `context: message`.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        let inner = self.inner_mut();
        inner.message = format!("{context}: {}", inner.message);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// The sentence, without causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The request field that is wrong, for [`Kind::InvalidArgument`].
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The sentence followed by every cause, for logs.
    pub fn chain(&self) -> String {
        let mut text = self.0.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    fn inner_mut(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (blame {:?}): {}", self.0.kind, self.0.blame, self.chain())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_and_cause_show_in_the_chain_only_where_meant() {
        let error = Error::new(Kind::SourceFailed, "segment 3.ts is gone")
            .caused_by(std::io::Error::other("ENOENT"))
            .context("asset bbb");
        assert_eq!(error.message(), "asset bbb: segment 3.ts is gone");
        assert_eq!(error.chain(), "asset bbb: segment 3.ts is gone: ENOENT");
        assert_eq!(error.blame(), Blame::Source);
    }

    #[test]
    fn a_clone_is_not_changed_by_later_context() {
        let first = Error::not_found("no such asset");
        let second = first.clone().context("GET /x");
        assert_eq!(first.message(), "no such asset");
        assert_eq!(second.message(), "GET /x: no such asset");
    }
}
