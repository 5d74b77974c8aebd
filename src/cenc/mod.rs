//! Which bytes of samples and segments are encrypted, how, and with which IV.

pub mod aes128;
pub mod cipher;
pub mod iv;
pub mod sample_aes;
pub mod subsample;
