//! Silent syncframes of AC-3 (ETSI TS 102 366 V1.4.1 4.3) and E-AC-3 (annex E).
//!
//! The first block gives every channel exponents, the others use them again. The offsets of the
//! signal-to-noise ratio are 0, with which no mantissa gets any bits (4.4.3.38 and 6.2.2.4), and
//! no dither takes their place. What is left of the frame is zeros.
//!
//! A frame of AC-3 has the bit rate of the track, as `dac3` announces it. A frame of E-AC-3 is as
//! short as it can be.

use super::Bits;
use crate::model::codec::{Ac3Config, Eac3Config};

/// `crc1` and `crc2`: x^16 + x^15 + x^2 + 1 (6.1.7).
const POLYNOMIAL: u16 = 0x8005;
const SYNC_WORD: u32 = 0x0B77;
/// kbit/s by `frmsizecod >> 1` (table 4.13).
const BIT_RATES: [u32; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
const BLOCKS: usize = 6;
/// `chexpstr`: each exponent holds for four coefficients.
const D45: u32 = 3;
/// Groups of exponents with `chbwcod` 0, which means 73 coefficients, at D45 (4.4.3.29).
const GROUPS: usize = 6;
/// Groups of the low-frequency channel.
const LOW_GROUPS: usize = 2;
/// Three exponents equal to the one before: differences of 0 are written as 2 (6.1.3).
const NO_CHANGE: u32 = 2 * 25 + 2 * 5 + 2;
/// Exponents of all coefficients.
const EXPONENT: u32 = 15;

/// `acmod` and `lfeon`.
#[derive(Clone, Copy)]
struct Channels {
    mode: u32,
    low: bool,
}

impl Channels {
    fn main(self) -> usize {
        match self.mode {
            1 => 1,
            0 | 2 => 2,
            3 | 4 => 3,
            5 | 6 => 4,
            _ => 5,
        }
    }

    /// One field for each full-bandwidth channel.
    fn each(self, bits: &mut Bits, value: u32, count: u32) {
        for _ in 0..self.main() {
            bits.put(value, count);
        }
    }

    /// Bandwidth codes and exponents of all channels.
    fn put_exponents(self, bits: &mut Bits) {
        self.each(bits, 0, 6); // chbwcod
        for _ in 0..self.main() {
            put_groups(bits, GROUPS);
            bits.put(0, 2); // gainrng
        }
        if self.low {
            put_groups(bits, LOW_GROUPS);
        }
    }
}

fn put_groups(bits: &mut Bits, groups: usize) {
    bits.put(EXPONENT, 4);
    for _ in 0..groups {
        bits.put(NO_CHANGE, 7);
    }
}

/// A syncframe of AC-3; `None` where the configuration is none.
pub(super) fn ac3_frame(config: &Ac3Config) -> Option<Vec<u8>> {
    let rate = BIT_RATES.get(usize::from(config.bit_rate_code))?;
    let frequency = [48_000, 44_100, 32_000].get(usize::from(config.fscod))?;
    // Words of 16 bits: 1536 samples at rate bit/s.
    let bytes = (rate * 96_000 / frequency) as usize * 2;
    let channels = Channels { mode: u32::from(config.acmod), low: config.lfe };
    let mut bits = Bits::default();
    bits.put(SYNC_WORD, 16);
    bits.put(0, 16); // crc1, below
    bits.put(u32::from(config.fscod), 2);
    bits.put(u32::from(config.bit_rate_code) << 1, 6); // frmsizecod
    bits.put(u32::from(config.bsid), 5);
    bits.put(u32::from(config.bsmod), 3);
    bits.put(channels.mode, 3);
    if channels.mode & 1 == 1 && channels.mode != 1 {
        bits.put(0, 2); // cmixlev
    }
    if channels.mode & 4 != 0 {
        bits.put(0, 2); // surmixlev
    }
    if channels.mode == 2 {
        bits.put(0, 2); // dsurmod
    }
    bits.put(u32::from(channels.low), 1);
    bits.put(31, 5); // dialnorm: nothing to turn down
    bits.put(0, 3); // compre, langcode, audprodie
    if channels.mode == 0 {
        bits.put(31, 5); // dialnorm2
        bits.put(0, 3); // compr2e, langcod2e, audprodi2e
    }
    bits.put(0, 5); // copyrightb, origbs, timecod1e, timecod2e, addbsie
    for block in 0..BLOCKS {
        put_ac3_block(&mut bits, channels, block == 0);
    }
    finish(bits, bytes, true)
}

/// `audblk` (4.3.3).
fn put_ac3_block(bits: &mut Bits, channels: Channels, is_first: bool) {
    let first = u32::from(is_first);
    channels.each(bits, 0, 1); // blksw
    channels.each(bits, 0, 1); // dithflag
    bits.put(0, 1); // dynrnge
    if channels.mode == 0 {
        bits.put(0, 1); // dynrng2e
    }
    bits.put(first, 1); // cplstre
    if is_first {
        bits.put(0, 1); // cplinu
    }
    if channels.mode == 2 {
        bits.put(first, 1); // rematstr
        if is_first {
            bits.put(0, 4); // rematflg
        }
    }
    channels.each(bits, D45 * first, 2); // chexpstr
    if channels.low {
        bits.put(first, 1); // lfeexpstr
    }
    if is_first {
        channels.put_exponents(bits);
    }
    bits.put(first, 1); // baie
    if is_first {
        bits.put(0, 2 + 2 + 2 + 2 + 3); // sdcycod, fdcycod, sgaincod, dbpbcod, floorcod
    }
    bits.put(first, 1); // snroffste
    if is_first {
        bits.put(0, 6); // csnroffst
        channels.each(bits, 0, 4 + 3); // fsnroffst, fgaincod
        if channels.low {
            bits.put(0, 4 + 3); // lfefsnroffst, lfefgaincod
        }
    }
    bits.put(0, 2); // deltbaie, skiple
}

/// A syncframe of E-AC-3 (E.2.2); `None` where there is more than one substream.
pub(super) fn eac3_frame(config: &Eac3Config) -> Option<Vec<u8>> {
    let [substream] = config.substreams.as_slice() else { return None };
    if substream.dependents > 0 {
        return None;
    }
    let channels = Channels { mode: u32::from(substream.acmod), low: substream.lfe };
    let mut bits = Bits::default();
    bits.put(SYNC_WORD, 16);
    bits.put(0, 2 + 3); // strmtyp, substreamid
    bits.put(0, 11); // frmsiz, below
    match config.sampling_frequency {
        48_000 => bits.put(0b00_11, 4), // fscod, numblkscod: six blocks
        44_100 => bits.put(0b01_11, 4),
        32_000 => bits.put(0b10_11, 4),
        24_000 => bits.put(0b11_00, 4), // fscod, fscod2
        22_050 => bits.put(0b11_01, 4),
        16_000 => bits.put(0b11_10, 4),
        _ => return None,
    }
    bits.put(channels.mode, 3);
    bits.put(u32::from(channels.low), 1);
    bits.put(u32::from(substream.bsid), 5);
    bits.put(31, 5); // dialnorm
    bits.put(0, 1); // compre
    if channels.mode == 0 {
        bits.put(31, 5); // dialnorm2
        bits.put(0, 1); // compr2e
    }
    bits.put(0, 3); // mixmdate, infomdate, addbsie
    put_eac3_frame_information(&mut bits, channels);
    for block in 0..BLOCKS {
        put_eac3_block(&mut bits, channels, block == 0);
    }
    // auxdatae, encinfo and crc2 end the frame.
    let words = (bits.length + 2 + 16).div_ceil(16);
    let size = u32::try_from(words).ok()?.checked_sub(1).filter(|size| *size < 1 << 11)?;
    // Behind syncword, strmtyp and substreamid: the rest of the word, all of which is frmsiz.
    let field = bits.bytes.get_mut(2..4)?;
    for (byte, part) in field.iter_mut().zip((size as u16).to_be_bytes()) {
        *byte |= part;
    }
    finish(bits, words * 2, false)
}

/// `audfrm` (E.1.2.3).
fn put_eac3_frame_information(bits: &mut Bits, channels: Channels) {
    bits.put(1, 1); // expstre: strategies of each block
    bits.put(0, 1); // ahte
    bits.put(0, 2); // snroffststr: one offset for the frame
    bits.put(0, 2); // transproce, blkswe
    bits.put(1, 1); // dithflage: else everything is dithered
    bits.put(0, 5); // bamode, frmfgaincode, dbaflde, skipflde, spxattene
    if channels.mode > 1 {
        bits.put(0, 1); // cplinu of the first block
        bits.put(0, BLOCKS as u32 - 1); // cplstre of the others
    }
    for block in 0..BLOCKS {
        channels.each(bits, if block == 0 { D45 } else { 0 }, 2); // chexpstr
    }
    if channels.low {
        bits.put(1 << (BLOCKS - 1), BLOCKS as u32); // lfeexpstr
    }
    channels.each(bits, 0, 5); // convexpstr
    bits.put(0, 6 + 4); // frmcsnroffst, frmfsnroffst
    bits.put(0, 1); // blkstrtinfoe
}

/// `audblk` (E.1.2.4).
fn put_eac3_block(bits: &mut Bits, channels: Channels, is_first: bool) {
    channels.each(bits, 0, 1); // dithflag
    bits.put(0, 1); // dynrnge
    if channels.mode == 0 {
        bits.put(0, 1); // dynrng2e
    }
    bits.put(0, 1); // spxinu in the first block, spxstre in the others
    if channels.mode == 2 {
        if is_first {
            bits.put(0, 4); // rematflg
        } else {
            bits.put(0, 1); // rematstr
        }
    }
    if is_first {
        channels.put_exponents(bits);
    }
    bits.put(0, 1); // convsnroffste
}

/// Fills the frame up to its size and writes its check words; `None` where it does not fit.
fn finish(bits: Bits, bytes: usize, with_first_check: bool) -> Option<Vec<u8>> {
    if bits.length + 2 + 16 > bytes * 8 {
        return None;
    }
    let mut frame = bits.bytes;
    frame.resize(bytes, 0);
    if with_first_check {
        // Over the first five eighths, counted in words.
        let words = bytes / 2;
        let covered = frame.get(4..2 * (words / 2 + words / 8))?;
        let check = divided(remainder(covered), covered.len() * 8 + 16);
        frame.get_mut(2..4)?.copy_from_slice(&check.to_be_bytes());
    }
    let last = bytes.checked_sub(2)?;
    let mut check = remainder(frame.get(2..last)?);
    if u32::from(check) == SYNC_WORD {
        // crcrsv is there so that no check word looks like a syncword.
        *frame.get_mut(last - 1)? |= 1;
        check = remainder(frame.get(2..last)?);
    }
    frame.get_mut(last..)?.copy_from_slice(&check.to_be_bytes());
    Some(frame)
}

/// The remainder of a message by the polynomial, with 16 zeros behind it.
fn remainder(message: &[u8]) -> u16 {
    message.iter().fold(0, |check: u16, &byte| {
        (0..8).fold(check ^ u16::from(byte) << 8, |check, _| {
            if check & 0x8000 == 0 { check << 1 } else { check << 1 ^ POLYNOMIAL }
        })
    })
}

/// What gives `remainder` when so many zeros are put behind it: a check word at the front of what
/// it checks.
fn divided(remainder: u16, bits: usize) -> u16 {
    (0..bits).fold(remainder, |check, _| {
        if check & 1 == 0 { check >> 1 } else { (check ^ POLYNOMIAL) >> 1 | 0x8000 }
    })
}
