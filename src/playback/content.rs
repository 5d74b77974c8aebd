//! What answers are made of, at hand or still being made, and their bodies.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::growing::{Growing, Reader};
use crate::cache::Weight;
use crate::error::{Error, Result};
use crate::package::Rendered;

/// The bytes of a resource.
#[derive(Clone, Debug)]
pub enum Content {
    /// All of them, in one buffer.
    Whole(Bytes),
    /// As many as are made.
    Growing(Growing),
}

/// What the cache of segments holds; cheap to clone.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The bytes.
    pub content: Content,
    /// Their media type.
    pub content_type: &'static str,
    /// Their strong validator, without quotes.
    pub etag: Arc<str>,
}

/// The body of every answer, shared with the cache.
#[derive(Debug)]
pub enum Body {
    /// One buffer, until it is sent.
    Whole(Option<Bytes>),
    /// Pieces as they come.
    Growing(Reader),
}

impl Content {
    /// How many bytes it has, or will have.
    pub fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Growing(growing) => growing.bytes(),
        }
    }

    /// A body of these bytes, which it has.
    pub fn into_body(self, range: Range<u64>) -> Body {
        match self {
            Self::Whole(bytes) => {
                let range = range.start as usize..range.end as usize;
                Body::Whole(Some(bytes.slice(range)))
            }
            Self::Growing(growing) => Body::Growing(growing.read(range)),
        }
    }
}

impl Stored {
    /// Takes it to answer with; see [`Growing::claim`].
    pub fn claim(self) -> Result<Self> {
        if let Content::Growing(growing) = &self.content {
            growing.claim()?;
        }
        Ok(self)
    }

    /// The same, once there is something of it to answer with.
    pub async fn begun(self) -> Result<Self> {
        if let Content::Growing(growing) = &self.content {
            growing.begun().await?;
        }
        self.claim()
    }

    /// Whether its bytes are those of this very segment.
    pub fn is(&self, other: &Growing) -> bool {
        matches!(&self.content, Content::Growing(growing) if growing.is(other))
    }

    /// Whether making it has failed.
    pub fn has_failed(&self) -> bool {
        match &self.content {
            Content::Whole(_) => false,
            Content::Growing(growing) => growing.has_failed(),
        }
    }

    /// What was made at once.
    pub fn rendered(self) -> Result<Rendered> {
        let Self { content, content_type, etag } = self;
        match content {
            Content::Whole(bytes) => Ok(Rendered { bytes, content_type, etag }),
            Content::Growing(_) => Err(Error::internal("only segments grow")),
        }
    }
}

impl From<Rendered> for Stored {
    fn from(rendered: Rendered) -> Self {
        let Rendered { bytes, content_type, etag } = rendered;
        Self { content: Content::Whole(bytes), content_type, etag }
    }
}

impl Weight for Rendered {
    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Weight for Stored {
    fn bytes(&self) -> u64 {
        self.content.len()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(None)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Growing(reader) => {
                reader.poll_next(context).map(|next| next.map(|next| next.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Growing(reader) => reader.left(),
        })
    }
}
