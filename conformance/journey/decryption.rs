//! Takes encrypted fragments apart and decrypts them, without a line of the program's own code.

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use crate::media::boxes;

/// How a track is encrypted, as its initialization segment says.
#[derive(Debug)]
pub struct TrackProtection {
    pub scheme: String,
    pub key_id: String,
    iv_bytes: usize,
    constant_iv: Option<[u8; 16]>,
    has_pattern: bool,
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The bytes behind the type of the first box that is called so.
fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let at = bytes.windows(4).position(|window| window == kind).unwrap();
    &bytes[at + 4..at - 4 + word(bytes, at - 4)]
}

impl TrackProtection {
    pub fn of_init(init: &[u8]) -> Self {
        let tenc = find(init, b"tenc");
        let scheme = String::from_utf8(find(init, b"schm")[4..8].to_vec()).unwrap();
        let iv_bytes = usize::from(tenc[7]);
        Self {
            scheme,
            key_id: tenc[8..24].iter().map(|byte| format!("{byte:02x}")).collect(),
            iv_bytes,
            constant_iv: (iv_bytes == 0).then(|| tenc[25..41].try_into().unwrap()),
            has_pattern: tenc[5] != 0,
        }
    }

    /// The IVs of all samples of a fragment; none where the IV is constant.
    pub fn sample_ivs(&self, fragment: &[u8]) -> Vec<Vec<u8>> {
        let moof = boxes(boxes(fragment)["moof"]);
        let traf = boxes(moof["traf"]);
        let Some(senc) = traf.get("senc").filter(|_| self.iv_bytes > 0) else { return Vec::new() };
        let mut at = 8;
        let one = |_| {
            let iv = senc[at..at + self.iv_bytes].to_vec();
            at += self.iv_bytes;
            if word(senc, 0) & 2 != 0 {
                at += 2 + 6 * usize::from(u16::from_be_bytes([senc[at], senc[at + 1]]));
            }
            iv
        };
        (0..word(senc, 4)).map(one).collect()
    }

    /// The payload of a fragment, decrypted.
    pub fn decrypt(&self, fragment: &[u8], key: [u8; 16]) -> Vec<u8> {
        let top = boxes(fragment);
        let moof = boxes(top["moof"]);
        let traf = boxes(moof["traf"]);
        let mut payload = top["mdat"].to_vec();
        let trun = traf["trun"];
        let flags = word(trun, 0) & 0xFF_FFFF;
        let fields = [0x100, 0x200, 0x400, 0x800].iter().filter(|bit| flags & **bit != 0).count();
        let size_at = if flags & 0x100 != 0 { 4 } else { 0 };
        let sizes = (0..word(trun, 4)).map(|n| word(trun, 12 + n * fields * 4 + size_at));
        let cipher = Aes128::new(&key.into());
        let senc = traf.get("senc").copied();
        let mut at = 8;
        let mut start = 0;
        for size in sizes {
            let mut counter = [0; 16];
            let mut subsamples = vec![(0, size)];
            if let Some(senc) = senc {
                counter[..self.iv_bytes].copy_from_slice(&senc[at..at + self.iv_bytes]);
                at += self.iv_bytes;
                if word(senc, 0) & 2 != 0 {
                    let count = usize::from(u16::from_be_bytes([senc[at], senc[at + 1]]));
                    let entry = |n: usize| {
                        let at = at + 2 + 6 * n;
                        let clear = usize::from(u16::from_be_bytes([senc[at], senc[at + 1]]));
                        (clear, word(senc, at + 2))
                    };
                    subsamples = (0..count).map(entry).collect();
                    at += 2 + 6 * count;
                }
            }
            let sum: usize = subsamples.iter().map(|(clear, protected)| clear + protected).sum();
            assert_eq!(sum, size, "subsamples make up the sample");
            let mut stream = KeyStream { cipher: &cipher, counter, used: 16, block: [0; 16] };
            for (clear, protected) in subsamples {
                let range = start + clear..start + clear + protected;
                match self.constant_iv {
                    None => payload[range.clone()].iter_mut().for_each(|b| *b ^= stream.next()),
                    Some(iv) => self.decrypt_chain(&cipher, iv, &mut payload[range.clone()]),
                }
                start = range.end;
            }
        }
        assert_eq!(start, payload.len());
        payload
    }

    fn decrypt_chain(&self, cipher: &Aes128, iv: [u8; 16], bytes: &mut [u8]) {
        let stride = if self.has_pattern { 10 } else { 1 };
        let mut before = iv;
        for block in bytes.chunks_exact_mut(16).step_by(stride) {
            let encrypted: [u8; 16] = (&*block).try_into().unwrap();
            let mut clear = encrypted.into();
            cipher.decrypt_block(&mut clear);
            for (out, (byte, chained)) in block.iter_mut().zip(clear.iter().zip(before)) {
                *out = byte ^ chained;
            }
            before = encrypted;
        }
    }
}

struct KeyStream<'a> {
    cipher: &'a Aes128,
    counter: [u8; 16],
    used: usize,
    block: [u8; 16],
}

impl KeyStream<'_> {
    fn next(&mut self) -> u8 {
        if self.used == 16 {
            let mut block = self.counter.into();
            self.cipher.encrypt_block(&mut block);
            self.block = block.into();
            self.counter = (u128::from_be_bytes(self.counter) + 1).to_be_bytes();
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }
}
