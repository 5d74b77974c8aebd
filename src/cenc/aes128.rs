//! Whole transport stream segments with AES-128 in CBC mode and padding
//! (RFC 8216 4.3.2.4 and 5.2, NIST SP 800-38A 6.2, RFC 5652 6.3).
//!
//! ```text
//! segment │ padding: 1 to 16 bytes, each says how many
//! └─────── encrypted, one chain ──────┘
//! ```
//!
//! The chain begins anew with every segment, so each can be made and read alone. The size of the
//! result follows from the clear one; plans announce it with [`encrypted_len`].
//!
//! Authenticates nothing: the method of RFC 8216 does not either.

use aes::cipher::array::Array;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use aes::{Aes128, Aes128Enc};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::chains::{self, Chain};

/// Bytes that the cipher takes at once.
pub const BLOCK_BYTES: usize = 16;

/// Encrypts a segment where it lies. Nothing is moved if its buffer has room for
/// [`encrypted_len`] bytes.
pub fn encrypt_segment(key: &[u8; 16], iv: &[u8; 16], segment: Vec<u8>) -> Vec<u8> {
    let mut segment = segment;
    let padding = BLOCK_BYTES - segment.len() % BLOCK_BYTES;
    // Growing by the padding alone, and not to twice the size.
    segment.reserve_exact(padding);
    segment.resize(segment.len() + padding, padding as u8);
    encrypt_blocks(key, iv, &mut segment);
    segment
}

/// Encrypts whole blocks of a segment that go on where others ended: `previous` is the last
/// encrypted block before them, or the IV, and then the last of these.
pub fn encrypt_further(key: &[u8; 16], previous: &mut [u8; 16], blocks: &mut [u8]) {
    encrypt_blocks(key, previous, blocks);
    if let Some(last) = blocks.last_chunk() {
        *previous = *last;
    }
}

/// Encrypts whole blocks as one chain. Nothing makes this fast, as each block waits for the one
/// before; the library is a few per cent faster at it than [`chains`].
fn encrypt_blocks(key: &[u8; 16], iv: &[u8; 16], blocks: &mut [u8]) {
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    let library = UnboundCipherKey::new(&AES_128, key).and_then(EncryptingKey::cbc);
    if library.and_then(|key| key.less_safe_encrypt(blocks, context)).is_err() {
        // Its signature allows for failure; leaving media clear is no answer to it.
        let chain = Chain { range: 0..blocks.len(), stride: BLOCK_BYTES };
        let cipher = Aes128Enc::new(&Array::from(*key));
        chains::encrypt(&cipher, iv, blocks, std::iter::once(chain));
    }
}

/// Bytes of an encrypted segment that had `clear` bytes: never fewer than one more.
pub const fn encrypted_len(clear: u64) -> u64 {
    (clear / BLOCK_BYTES as u64 + 1) * BLOCK_BYTES as u64
}

/// The IV of a segment whose `EXT-X-KEY` has none: its media sequence number, big-endian
/// (RFC 8216 5.2).
pub const fn sequence_iv(media_sequence: u64) -> [u8; 16] {
    (media_sequence as u128).to_be_bytes()
}

/// Decrypts whole blocks of a segment where they lie. `previous` is the encrypted block before
/// them, or the IV where they are the first: nothing else is needed to read from the middle. Bytes
/// behind the last whole block stay as they are.
pub fn decrypt_blocks(key: &[u8; 16], previous: &[u8; 16], blocks: &mut [u8]) {
    /// Blocks that are decrypted side by side, as processors can.
    const TOGETHER: usize = 64;
    let cipher = Aes128::new(&Array::from(*key));
    let (blocks, _) = blocks.as_chunks_mut::<BLOCK_BYTES>();
    let mut before_first = *previous;
    let mut encrypted = [[0; BLOCK_BYTES]; TOGETHER];
    for run in blocks.chunks_mut(TOGETHER) {
        for (kept, block) in encrypted.iter_mut().zip(run.iter()) {
            *kept = *block;
        }
        cipher.decrypt_blocks(Array::cast_slice_from_core_mut(run));
        let before = std::iter::once(&before_first).chain(&encrypted);
        for (block, before) in run.iter_mut().zip(before) {
            for (byte, before) in block.iter_mut().zip(before) {
                *byte ^= before;
            }
        }
        before_first = encrypted.get(run.len().saturating_sub(1)).copied().unwrap_or_default();
    }
}

/// How many bytes of padding a segment ends with, from its last decrypted block (RFC 5652 6.3);
/// `None` where the block ends otherwise, which a wrong key makes likely.
pub fn padding_len(last: &[u8; BLOCK_BYTES]) -> Option<usize> {
    let [.., count] = *last;
    let padding = usize::from(count);
    let start = BLOCK_BYTES.checked_sub(padding).filter(|_| padding > 0)?;
    last.get(start..)?.iter().all(|byte| *byte == count).then_some(padding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

    #[test]
    fn openssl_encrypts_20_bytes_of_segment_7_alike() {
        let clear: Vec<u8> = (0..20).map(|i| 7 * i + 3).collect();
        assert_eq!(
            hex::encode(encrypt_segment(&KEY, &sequence_iv(7), clear)),
            "e550af653dfbce43626a88d328935f252360a441afdba1b8ba827f3147ac8452"
        );
    }

    #[test]
    fn what_openssl_encrypted_is_decrypted() {
        let encrypted = "e550af653dfbce43626a88d328935f252360a441afdba1b8ba827f3147ac8452";
        let mut bytes = hex::decode(encrypted).unwrap();
        decrypt_blocks(&KEY, &sequence_iv(7), &mut bytes);
        let clear: Vec<u8> = (0..20).map(|i| 7 * i + 3).collect();
        assert_eq!(bytes[..20], clear);
        assert_eq!(padding_len(bytes.last_chunk().unwrap()), Some(12));
    }

    #[test]
    fn padding_that_is_none_is_seen() {
        let mut block = [0; 16];
        for (last, before, expected) in
            [(0, 0, None), (1, 9, Some(1)), (2, 9, None), (2, 2, Some(2)), (17, 17, None)]
        {
            (block[14], block[15]) = (before, last);
            assert_eq!(padding_len(&block), expected, "{before} {last}");
        }
        assert_eq!(padding_len(&[16; 16]), Some(16));
    }

    #[test]
    fn one_of_many_chains_is_the_same_as_the_librarys() {
        let mut theirs: Vec<u8> = (0..4_000).map(|i| (7 * i + 3) as u8).collect();
        let mut ours = theirs.clone();
        encrypt_blocks(&KEY, &[9; 16], &mut theirs);
        let chain = Chain { range: 0..ours.len(), stride: BLOCK_BYTES };
        let cipher = Aes128Enc::new(&Array::from(KEY));
        chains::encrypt(&cipher, &[9; 16], &mut ours, std::iter::once(chain));
        assert_eq!(ours, theirs);
    }

    #[test]
    fn media_sequence_numbers_stand_at_the_end_of_the_iv() {
        let expected = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(sequence_iv(0x0102_0304_0506_0708), expected);
    }

    #[test]
    fn a_buffer_with_room_is_not_moved() {
        let mut clear = Vec::with_capacity(encrypted_len(188) as usize);
        clear.resize(188, 0x47);
        let before = clear.as_ptr();
        let encrypted = encrypt_segment(&KEY, &[0; 16], clear);
        assert_eq!(encrypted.as_ptr(), before);
    }

    proptest! {
        #[test]
        fn what_is_decrypted_is_what_was_encrypted(
            clear in proptest::collection::vec(any::<u8>(), 0..200),
            key in any::<[u8; 16]>(),
            iv in any::<[u8; 16]>(),
        ) {
            let encrypted = encrypt_segment(&key, &iv, clear.clone());
            prop_assert_eq!(encrypted.len() as u64, encrypted_len(clear.len() as u64));
            let mut decrypted = encrypted.clone();
            decrypt_blocks(&key, &iv, &mut decrypted);
            let padding = *decrypted.last().unwrap();
            let (found, added) = decrypted.split_at(clear.len());
            prop_assert_eq!(found, &clear[..]);
            prop_assert_eq!(added, vec![padding; usize::from(padding)]);
            let last = decrypted.last_chunk().unwrap();
            prop_assert_eq!(padding_len(last), Some(encrypted.len() - clear.len()));
        }

        #[test]
        fn any_blocks_are_decrypted_as_in_the_whole(
            clear in proptest::collection::vec(any::<u8>(), 0..3000),
            key in any::<[u8; 16]>(),
            iv in any::<[u8; 16]>(),
            (from, to) in (0_usize..190, 0_usize..190),
        ) {
            let encrypted = encrypt_segment(&key, &iv, clear.clone());
            let blocks = encrypted.len() / 16;
            let (from, to) = (from % blocks, to % blocks);
            let (from, to) = (from.min(to), from.max(to) + 1);
            let previous = match from {
                0 => iv,
                from => encrypted[16 * (from - 1)..16 * from].try_into().unwrap(),
            };
            let mut part = encrypted[16 * from..16 * to].to_vec();
            decrypt_blocks(&key, &previous, &mut part);
            let end = (16 * to).min(clear.len());
            let start = (16 * from).min(end);
            prop_assert_eq!(&part[..end - start], &clear[start..end]);
        }
    }
}
