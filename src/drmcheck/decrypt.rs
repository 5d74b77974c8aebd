//! Decryption as players do it: `cenc`, `cbcs` (ISO/IEC 23001-7:2023 10.1, 10.4), AES-128
//! (RFC 8216 4.3.2.4) and SAMPLE-AES (Apple, "MPEG-2 Stream Encryption Format for HTTP Live
//! Streaming").
//!
//! Written from the receiver's side of those texts and block by block, without a line of what
//! encrypts, so that both would have to be wrong in the same way. Slow, and that is fine: a check
//! decrypts a few segments.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

const BLOCK: usize = 16;

/// Decrypts with one content key.
pub struct Decryptor {
    cipher: Aes128,
}

/// Why bytes cannot be what was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Subsamples do not add up to the sample.
    #[error("subsamples cover {covered} bytes of a sample of {size}")]
    Subsamples {
        /// Their sum.
        covered: u64,
        /// The sample.
        size: usize,
    },
    /// Not a whole number of blocks.
    #[error("{bytes} bytes are not a whole number of AES blocks")]
    Blocks {
        /// How many.
        bytes: usize,
    },
    /// What should be padding is none: nearly always another key or IV.
    #[error("there is no PKCS #7 padding at the end; key or IV is another one")]
    Padding,
}

impl Decryptor {
    /// For one key.
    pub fn new(key: &[u8; 16]) -> Self {
        Self { cipher: Aes128::new(&Array::from(*key)) }
    }

    /// The first three bytes of a block of zeros under the key: tells keys apart and gives none
    /// away (key check value, ANSI X9.24-1).
    pub fn check_value(&self) -> String {
        let mut block = Array::from([0; BLOCK]);
        self.cipher.encrypt_block(&mut block);
        block.iter().take(3).map(|byte| format!("{byte:02x}")).collect()
    }

    /// `cenc`: the key stream runs on over all protected bytes; of the counter the low 64 bits
    /// count. Without subsamples the whole sample is protected.
    pub fn cenc(
        &self,
        iv: &[u8],
        subsamples: Option<&[(u16, u32)]>,
        sample: &mut [u8],
    ) -> Result<(), DecryptError> {
        let mut counter = [0; BLOCK];
        for (to, from) in counter.iter_mut().zip(iv) {
            *to = *from;
        }
        let mut counter = u128::from_be_bytes(counter);
        let mut stream = [0; BLOCK];
        let mut used = BLOCK;
        for range in protected(subsamples, sample)? {
            for byte in range {
                if used == BLOCK {
                    let mut block = Array::from(counter.to_be_bytes());
                    self.cipher.encrypt_block(&mut block);
                    stream = block.into();
                    let low = (counter as u64).wrapping_add(1);
                    counter = counter >> 64 << 64 | u128::from(low);
                    used = 0;
                }
                *byte ^= stream.get(used).copied().unwrap_or_default();
                used += 1;
            }
        }
        Ok(())
    }

    /// `cbcs`: in each protected range anew, `pattern` blocks encrypted and left; 0:0 is all of
    /// them. Half blocks stay.
    pub fn cbcs(
        &self,
        iv: &[u8; BLOCK],
        pattern: (u8, u8),
        subsamples: Option<&[(u16, u32)]>,
        sample: &mut [u8],
    ) -> Result<(), DecryptError> {
        let (crypt, skip) = (usize::from(pattern.0), usize::from(pattern.1));
        let every = (crypt + skip).max(1);
        for range in protected(subsamples, sample)? {
            let blocks = range.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate();
            let encrypted = blocks.filter(|(index, _)| every == 1 || index % every < crypt);
            self.chain(iv, encrypted.map(|(_, block)| block));
        }
        Ok(())
    }

    /// AES-128: all of a segment, padding taken off.
    pub fn aes_128(&self, iv: &[u8; BLOCK], segment: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let mut clear = segment.to_vec();
        let (blocks, rest) = clear.as_chunks_mut::<BLOCK>();
        if !rest.is_empty() || blocks.is_empty() {
            return Err(DecryptError::Blocks { bytes: segment.len() });
        }
        self.chain(iv, blocks.iter_mut());
        let padding = clear.last().copied().unwrap_or_default();
        let length = clear.len().saturating_sub(usize::from(padding));
        let tail = clear.get(length..).unwrap_or_default();
        if !(1..=16).contains(&padding) || tail.iter().any(|byte| *byte != padding) {
            return Err(DecryptError::Padding);
        }
        clear.truncate(length);
        Ok(clear)
    }

    /// SAMPLE-AES: a NAL unit as it stands in the stream, start code excluded. Slices of more than
    /// 48 bytes lose their outer layer of emulation prevention and are decrypted; others are given
    /// back.
    pub fn sample_aes_nal(&self, iv: &[u8; BLOCK], nal: &[u8]) -> Vec<u8> {
        let is_slice = nal.first().is_some_and(|header| matches!(header & 0x1F, 1 | 5));
        if !is_slice || nal.len() <= 48 {
            return nal.to_vec();
        }
        let mut clear = without_escapes(nal);
        let mut previous = *iv;
        let mut at = 32;
        while clear.len().saturating_sub(at) > BLOCK {
            let Some(block) = clear.get_mut(at..).and_then(<[u8]>::first_chunk_mut) else { break };
            previous = self.chain_one(previous, block);
            at += BLOCK + 9 * BLOCK;
        }
        clear
    }

    /// SAMPLE-AES: an audio frame behind its ADTS header.
    pub fn sample_aes_audio(&self, iv: &[u8; BLOCK], frame: &mut [u8]) {
        let body = frame.get_mut(BLOCK..).unwrap_or_default();
        self.chain(iv, body.as_chunks_mut::<BLOCK>().0.iter_mut());
    }

    fn chain<'a>(&self, iv: &[u8; BLOCK], blocks: impl Iterator<Item = &'a mut [u8; BLOCK]>) {
        blocks.fold(*iv, |previous, block| self.chain_one(previous, block));
    }

    /// Decrypts a block and returns what the next one is chained to.
    fn chain_one(&self, previous: [u8; BLOCK], block: &mut [u8; BLOCK]) -> [u8; BLOCK] {
        let next = *block;
        let mut clear = Array::from(*block);
        self.cipher.decrypt_block(&mut clear);
        for ((to, from), mask) in block.iter_mut().zip(clear).zip(previous) {
            *to = from ^ mask;
        }
        next
    }
}

/// The protected ranges of a sample: all of it where there are no subsamples.
fn protected<'a>(
    subsamples: Option<&[(u16, u32)]>,
    sample: &'a mut [u8],
) -> Result<Vec<&'a mut [u8]>, DecryptError> {
    let size = sample.len();
    let Some(subsamples) = subsamples else { return Ok(vec![sample]) };
    let covered = subsamples.iter().map(|(clear, hidden)| u64::from(*clear) + u64::from(*hidden));
    let covered: u64 = covered.sum();
    let wrong = DecryptError::Subsamples { covered, size };
    if covered != size as u64 {
        return Err(wrong);
    }
    let mut ranges = Vec::new();
    let mut rest = sample;
    for (clear, hidden) in subsamples {
        let (_, behind) = rest.split_at_mut_checked(usize::from(*clear)).ok_or(wrong)?;
        let (range, behind) = behind.split_at_mut_checked(*hidden as usize).ok_or(wrong)?;
        ranges.push(range);
        rest = behind;
    }
    Ok(ranges)
}

/// Takes one layer of emulation prevention off: `00 00 03` becomes `00 00`.
fn without_escapes(nal: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal {
        match byte {
            3 if zeros >= 2 => {
                zeros = 0;
                continue;
            }
            0 => zeros += 1,
            _ => zeros = 0,
        }
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decryptor() -> Decryptor {
        Decryptor::new(&0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes())
    }

    const IV: [u8; 16] = 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f_u128.to_be_bytes();

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (7 * i + 3) as u8).collect()
    }

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text.replace(char::is_whitespace, "")).unwrap()
    }

    #[test]
    fn vector_1_cenc_counts_on_across_subsamples() {
        let mut sample = bytes(
            "030a11181fbf60110f90d440de3a72e33ec652fff9963ea970dce7c65c6541c940391fa1dd060d143c81fd9\
             a40ef23a1eb4e5a180534079a",
        );
        let iv = bytes("a1a2a3a4a5a6a7a8");
        decryptor().cenc(&iv, Some(&[(5, 32), (3, 16)]), &mut sample).unwrap();
        assert_eq!(sample, pattern(56));
    }

    #[test]
    fn vector_2_cenc_of_whole_samples() {
        let mut first = bytes("9a47342ccdbb3dbd5f55c61deb8d121a73d98c53");
        decryptor().cenc(&bytes("a1a2a3a4a5a6a7a8"), None, &mut first).unwrap();
        assert_eq!(first, pattern(20));
        let mut second =
            bytes("2822ba4da75bdd30ec39e526d896ccbed97a0a8bba9327d00b9a6c1c919cdf5635");
        decryptor().cenc(&bytes("a1a2a3a4a5a6a7a9"), None, &mut second).unwrap();
        assert_eq!(second, (0..33).map(|i| (5 * i + 1) as u8).collect::<Vec<_>>());
    }

    #[test]
    fn vector_3_cbcs_begins_anew_in_each_subsample() {
        let mut sample = pattern(250);
        for (at, block) in [
            (4, "cbdb61aba60166610646754c7ca43cf7"),
            (164, "a544a03910b2d6a99bfde613e92381e7"),
            (210, "a914057a2d4322ce84395c17ab13ff48"),
        ] {
            sample[at..at + 16].copy_from_slice(&bytes(block));
        }
        decryptor().cbcs(&IV, (1, 9), Some(&[(4, 200), (6, 40)]), &mut sample).unwrap();
        assert_eq!(sample, pattern(250));
    }

    #[test]
    fn vector_4_cbcs_of_sound_leaves_the_half_block() {
        let cipher = "d972022b39917037b90c1b405ba04f2d90f3eff7953f913e114afeed5a5fe158e3eaf1f8ff";
        for pattern_of_tenc in [(0, 0), (1, 0), (10, 0)] {
            let mut sample = bytes(cipher);
            decryptor().cbcs(&IV, pattern_of_tenc, None, &mut sample).unwrap();
            assert_eq!(sample, pattern(37), "{pattern_of_tenc:?}");
        }
    }

    #[test]
    fn vector_5_sample_aes_takes_off_the_outer_escapes() {
        let nal = [&[0x65][..], &pattern(239)].concat();
        let mut encrypted = nal.clone();
        encrypted[32..48].copy_from_slice(&bytes("ec5ab2fbaf10000002510ab5756d35b7"));
        encrypted[192..208].copy_from_slice(&bytes("76b12b4331d394cf2d7abe2ccccd0f63"));
        assert_eq!(encrypted[37..41], [0x10, 0, 0, 2]);
        encrypted.insert(40, 3);
        assert_eq!(encrypted.len(), 241);
        let iv = bytes("50aa925fc1bc75ff390f57099321dc89").try_into().unwrap();
        assert_eq!(decryptor().sample_aes_nal(&iv, &encrypted), nal);
        assert_eq!(decryptor().sample_aes_nal(&iv, &nal[..48]), nal[..48]);
    }

    #[test]
    fn vector_6_sample_aes_of_sound() {
        let mut frame = bytes(
            "09141f2a35404b56616c77828d98a3ae68bbcaeeaf79fd6e2a39b68c8b7cc20e4bc301efa94cc36cdcef51c\
             d1ecfe5951924",
        );
        decryptor().sample_aes_audio(&IV, &mut frame);
        assert_eq!(frame, (0..50).map(|i| (11 * i + 9) as u8).collect::<Vec<_>>());
    }

    #[test]
    fn vector_7_aes_128_by_sequence_number() {
        let segment = bytes("e550af653dfbce43626a88d328935f252360a441afdba1b8ba827f3147ac8452");
        let clear = decryptor().aes_128(&7_u128.to_be_bytes(), &segment);
        assert_eq!(clear, Ok(pattern(20)));
        let other = Decryptor::new(&[9; 16]).aes_128(&7_u128.to_be_bytes(), &segment);
        assert_eq!(other, Err(DecryptError::Padding));
        let cut = decryptor().aes_128(&IV, &segment[..31]);
        assert_eq!(cut, Err(DecryptError::Blocks { bytes: 31 }));
    }

    #[test]
    fn subsamples_must_add_up() {
        let wrong = decryptor().cenc(&[1; 8], Some(&[(5, 32)]), &mut [0; 38]);
        assert_eq!(wrong, Err(DecryptError::Subsamples { covered: 37, size: 38 }));
    }

    #[test]
    fn check_values_are_those_of_openssl() {
        // head -c16 /dev/zero | openssl enc -aes-128-ecb -nopad -K 00112233445566778899aabbccddeeff
        assert_eq!(decryptor().check_value(), CHECK_VALUE);
    }

    const CHECK_VALUE: &str = "fde4fb";
}
