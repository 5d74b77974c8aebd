//! Where written text goes: into memory, or nowhere while it is measured. What is written and what
//! it measures then come from one function, so they cannot disagree.

/// Takes bytes.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// How much would have been written.
#[derive(Default)]
pub(super) struct ByteCount(pub u64);

impl Sink for ByteCount {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}
