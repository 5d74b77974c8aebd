//! Encryption of 6 s of media: dividing samples into subsamples and encrypting them in place.
//!
//! | bench | what it does | beside it |
//! |---|---|---|
//! | `cenc` | subsamples of each picture, AES-CTR over their protected bytes | `cenc raw`: AES-CTR over the same bytes in one call |
//! | `cbcs` | subsamples of each picture, one block of ten in chains | `cbcs raw`: AES-CBC over a tenth of the bytes, one chain |
//! | `aes-128` | a transport stream, padded, as one chain | `aes-128 raw`: AES-CBC over the same bytes |
//! | `sample-aes` | pictures copied, one block of ten encrypted, escaped | `cbcs raw`: the same blocks; `copy`: the same bytes, copied |
//!
//! `blocks raw` is AES over all bytes in blocks that do not wait for each other: what a chain is
//! slower than, and what several chains at once could come near to. The raw rates are those of
//! aws-lc-rs, but `blocks raw`, which is the aes crate's.
//!
//! Throughput is in bytes of media, protected or not, so that a bench and its raw rate have the
//! ratio of their work. Does not measure key derivation, IVs, or the boxes that tell of it.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::borrow::Cow;
use std::hint::black_box;

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aws_lc_rs::cipher::{
    AES_128, EncryptingKey, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::cenc::aes128;
use packorigin::cenc::cipher::{CbcsCipher, CencCipher};
use packorigin::cenc::sample_aes::SampleAesCipher;
use packorigin::cenc::subsample::SliceSyntax;
use packorigin::codec::h264::SliceHeaders;
use packorigin::model::protection::ProtectionScheme;

const KEY: [u8; 16] = [2; 16];
const IV: [u8; 16] = [3; 16];
/// The pattern of `cbcs` and of SAMPLE-AES encrypts one block of so many.
const PATTERN_BLOCKS: usize = 10;

fn protect(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    for reel in reel::reels(&runtime) {
        let pictures = reel::pictures(&reel, 6);
        let slices = SliceHeaders::new(pictures.config.parameter_sets());
        let slices = SliceSyntax::Avc(Cow::Owned(slices));
        let mut group = criterion.benchmark_group(format!("protect/{}", reel.name));
        group.throughput(Throughput::Bytes(pictures.payload.len() as u64));

        // What stays clear is what samples are divided by, so they can be encrypted again and again.
        let mut payload = pictures.payload.clone();
        let mut divided = reel::divided::Divided::default();
        let cipher = CencCipher::new(&KEY);
        group.bench_function("cenc", |bencher| {
            bencher.iter(|| {
                divided.divide(ProtectionScheme::Cenc, &payload, &pictures.samples, &slices);
                cipher.encrypt(&mut payload, divided.samples().map(|sample| ([3; 8], sample)));
            });
        });
        let cipher = CbcsCipher::new(&KEY, IV);
        group.bench_function("cbcs", |bencher| {
            bencher.iter(|| {
                divided.divide(ProtectionScheme::Cbcs, &payload, &pictures.samples, &slices);
                cipher.encrypt(&mut payload, divided.samples());
            });
        });
        let cipher = SampleAesCipher::new(&KEY, &IV);
        let mut out = Vec::new();
        let mut samples = Vec::new();
        group.bench_function("sample-aes", |bencher| {
            bencher.iter(|| {
                out.clear();
                out.extend_from_slice(&pictures.payload);
                samples.clone_from(&pictures.samples);
                cipher.encrypt_pictures(&mut out, &mut samples);
                black_box(out.len())
            });
        });

        let mut bytes = pictures.payload.clone();
        group.bench_function("cenc raw", |bencher| {
            let key = EncryptingKey::ctr(unbound()).expect("a key");
            bencher.iter(|| key.less_safe_encrypt(&mut bytes, context()).expect("encrypted"));
        });
        let mut tenth = pictures.payload[..pictures.payload.len() / PATTERN_BLOCKS].to_vec();
        group.bench_function("cbcs raw", |bencher| bencher.iter(|| cbc_raw(&mut tenth)));
        let whole = bytes.len() / aes128::BLOCK_BYTES * aes128::BLOCK_BYTES;
        group.bench_function("blocks raw", |bencher| {
            let cipher = aes::Aes128::new(&Array::from(KEY));
            let (blocks, _) = bytes[..whole].as_chunks_mut();
            bencher.iter(|| cipher.encrypt_blocks(Array::cast_slice_from_core_mut(blocks)));
        });
        group.bench_function("copy", |bencher| {
            bencher.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(&pictures.payload));
                black_box(out.len())
            });
        });

        let stream = reel.transport_stream();
        let clear = stream.len().min(pictures.payload.len());
        let mut segment = stream[..clear].to_vec();
        group.throughput(Throughput::Bytes(clear as u64));
        group.bench_function("aes-128", |bencher| {
            bencher.iter(|| {
                segment.truncate(clear);
                segment = aes128::encrypt_segment(&KEY, &IV, std::mem::take(&mut segment));
            });
        });
        let mut segment = stream[..clear].to_vec();
        group.bench_function("aes-128 raw", |bencher| bencher.iter(|| cbc_raw(&mut segment)));
        group.finish();
    }
}

fn unbound() -> UnboundCipherKey {
    UnboundCipherKey::new(&AES_128, &KEY).expect("16 bytes")
}

fn context() -> EncryptionContext {
    EncryptionContext::Iv128(FixedLength::from(IV))
}

/// One chain over all of `bytes`, which stay as many: the padding is taken off again.
fn cbc_raw(bytes: &mut Vec<u8>) {
    let length = bytes.len();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(unbound()).expect("a key");
    key.less_safe_encrypt(bytes, context()).expect("encrypted");
    bytes.truncate(length);
}

criterion_group!(benches, protect);
criterion_main!(benches);
