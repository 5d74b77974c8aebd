//! Which bytes of samples and segments are encrypted, how, and with which IV.

pub mod aes128;
pub mod sample_aes;
