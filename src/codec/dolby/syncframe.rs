//! One frame of AC-3 or E-AC-3: `syncinfo` and `bsi` (ETSI TS 102 366 V1.4.1 4.3 and E.1.2).

use crate::codec::ConfigError;
use crate::codec::bits::BitReader;
use crate::model::codec::Ac3Config;

/// Bytes that tell kind, length and channels of a frame.
pub(super) const HEADER_BYTES: usize = 8;

/// `syncword`.
pub(super) const SYNC_WORD: [u8; 2] = [0x0B, 0x77];

/// kbit/s by `frmsizecod >> 1` (table 4.13).
const BIT_RATES: [u32; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// Hertz by `fscod`.
const FREQUENCIES: [u32; 3] = [48_000, 44_100, 32_000];

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syncframe {
    /// AC-3.
    Ac3(Ac3Frame),
    /// E-AC-3.
    Eac3(Eac3Frame),
}

/// A frame of AC-3: always six blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ac3Frame {
    pub bytes: usize,
    pub fscod: u8,
    pub bsid: u8,
    pub bsmod: u8,
    pub acmod: u8,
    pub lfe: bool,
    pub bit_rate_code: u8,
}

/// A frame of E-AC-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Eac3Frame {
    pub bytes: usize,
    /// Dependent on the independent substream before it (`strmtyp` 1).
    pub is_dependent: bool,
    /// Made from AC-3 (`strmtyp` 2).
    is_converted: bool,
    /// `substreamid`.
    pub substream: u8,
    pub fscod: u8,
    /// Hertz.
    pub frequency: u32,
    /// `numblkscod`.
    blocks_code: u8,
    pub acmod: u8,
    pub lfe: bool,
    pub bsid: u8,
}

/// What stands behind the first bytes of a frame of E-AC-3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Eac3Information {
    /// `bsmod`, 0 where it is not said.
    pub bsmod: u8,
    /// `chanmap` of a dependent substream, left channel highest.
    pub channel_map: u16,
    /// `convsync`: the first of the frames that make six blocks.
    pub begins_unit: bool,
    /// `complexity_index_type_a` of joint object coding.
    pub joc_complexity: Option<u8>,
}

impl Syncframe {
    /// The frame that begins here, if its header is possible. Takes the first [`HEADER_BYTES`].
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        if header[..2] != SYNC_WORD {
            return None;
        }
        // bsid stands at the same place in both.
        match header[5] >> 3 {
            0..=10 => Ac3Frame::parse(header).map(Self::Ac3),
            11..=16 => Eac3Frame::parse(header).map(Self::Eac3),
            _ => None,
        }
    }

    /// Bytes of the frame.
    pub const fn bytes(&self) -> usize {
        match self {
            Self::Ac3(frame) => frame.bytes,
            Self::Eac3(frame) => frame.bytes,
        }
    }
}

impl Ac3Frame {
    fn parse(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut bits = BitReader::new(header);
        let mut next = |count| bits.bits(count, "bsi").ok().map(|value| value as u8);
        // syncword and crc1
        (0..4).try_for_each(|_| next(8).map(drop))?;
        let fscod = next(2)?;
        let size_code = next(6)?;
        let bsid = next(5)?;
        let bsmod = next(3)?;
        let acmod = next(3)?;
        if acmod & 1 == 1 && acmod != 1 {
            next(2)?; // cmixlev
        }
        if acmod & 4 != 0 {
            next(2)?; // surmixlev
        }
        if acmod == 2 {
            next(2)?; // dsurmod
        }
        let lfe = next(1)? == 1;
        let rate = BIT_RATES.get(usize::from(size_code >> 1))?;
        let words = match fscod {
            0 => rate * 2,
            // 1536 samples of 44.1 kHz take no whole number of words: some frames have one more.
            1 => rate * 320 / 147 + u32::from(size_code & 1),
            2 => rate * 3,
            _ => return None,
        };
        let bytes = words as usize * 2;
        Some(Self { bytes, fscod, bsid, bsmod, acmod, lfe, bit_rate_code: size_code >> 1 })
    }

    /// The configuration that the frame alone tells.
    pub const fn config(&self) -> Ac3Config {
        Ac3Config {
            fscod: self.fscod,
            bsid: self.bsid,
            bsmod: self.bsmod,
            acmod: self.acmod,
            lfe: self.lfe,
            bit_rate_code: self.bit_rate_code,
        }
    }
}

impl Eac3Frame {
    fn parse(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut bits = BitReader::new(header);
        let mut next = |count| bits.bits(count, "bsi").ok();
        next(16)?; // syncword
        let stream_type = next(2)?;
        let substream = next(3)? as u8;
        let bytes = (next(11)? as usize + 1) * 2;
        let fscod = next(2)? as u8;
        let code = next(2)?;
        let (frequency, blocks_code) = match FREQUENCIES.get(usize::from(fscod)) {
            Some(full) => (*full, code as u8),
            // fscod2: half the frequency, six blocks.
            None => (*FREQUENCIES.get(code as usize)? / 2, 3),
        };
        let acmod = next(3)? as u8;
        let lfe = next(1)? == 1;
        let bsid = next(5)? as u8;
        let is_possible = stream_type != 3 && (stream_type != 2 || substream == 0) && bytes > 8;
        is_possible.then_some(Self {
            bytes,
            is_dependent: stream_type == 1,
            is_converted: stream_type == 2,
            substream,
            fscod,
            frequency,
            blocks_code,
            acmod,
            lfe,
            bsid,
        })
    }

    /// Of the independent substream 0, which is always there.
    pub const fn is_first_substream(&self) -> bool {
        !self.is_dependent && self.substream == 0
    }

    /// Blocks of 256 samples.
    pub const fn blocks(&self) -> u32 {
        match self.blocks_code {
            0 => 1,
            1 => 2,
            2 => 3,
            _ => 6,
        }
    }

    /// Reads the rest of `bsi` (E.1.2.2), up to `addbsi`.
    pub fn information(&self, frame: &[u8]) -> Result<Eac3Information, ConfigError> {
        let mut information = Eac3Information::default();
        let mut bits = BitReader::new(frame);
        let bits = &mut bits;
        bits.bits(32, "bsi")?;
        bits.bits(13, "bsi")?; // up to bsid
        for _ in 0..self.programs() {
            bits.bits(5, "dialnorm")?;
            skip_optional(bits, 8, "compr")?;
        }
        if self.is_dependent && bits.flag("chanmape")? {
            information.channel_map = bits.bits(16, "chanmap")? as u16;
        }
        if bits.flag("mixmdate")? {
            self.skip_mixing(bits)?;
        }
        if bits.flag("infomdate")? {
            information.bsmod = bits.bits(3, "bsmod")? as u8;
            self.skip_information(bits)?;
        }
        if !self.is_dependent && !self.is_converted && self.blocks_code != 3 {
            information.begins_unit = bits.flag("convsync")?;
        }
        if self.is_converted && (self.blocks_code == 3 || bits.flag("blkid")?) {
            bits.bits(6, "frmsizecod")?;
        }
        if bits.flag("addbsie")? {
            let length = bits.bits(6, "addbsil")? + 1;
            // ETSI TS 103 420 8.3.1: reserved, flag_ec3_extension_type_a, complexity_index_type_a.
            if bits.bits(8, "addbsi")? & 1 == 1 && length >= 2 {
                information.joc_complexity = Some(bits.bits(8, "addbsi")? as u8);
            }
        }
        Ok(information)
    }

    /// Programs in one: two with dual mono.
    const fn programs(&self) -> u32 {
        if self.acmod == 0 { 2 } else { 1 }
    }

    fn skip_mixing(&self, bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
        const FIELD: &str = "mixing metadata";
        if self.acmod > 2 {
            bits.bits(2, FIELD)?; // dmixmod
        }
        if self.acmod & 1 == 1 && self.acmod > 2 {
            bits.bits(6, FIELD)?; // ltrtcmixlev, lorocmixlev
        }
        if self.acmod & 4 != 0 {
            bits.bits(6, FIELD)?; // ltrtsurmixlev, lorosurmixlev
        }
        if self.lfe {
            skip_optional(bits, 5, FIELD)?; // lfemixlevcod
        }
        if self.is_dependent || self.is_converted {
            return Ok(());
        }
        for _ in 0..self.programs() {
            skip_optional(bits, 6, FIELD)?; // pgmscl
        }
        skip_optional(bits, 6, FIELD)?; // extpgmscl
        // What mixdata holds beside its length is of no interest (E.1.3.1.22).
        let mixing_bits = match bits.bits(2, "mixdef")? {
            0 => 0,
            1 => 5,
            2 => 12,
            _ => 8 * (bits.bits(5, "mixdeflen")? + 2),
        };
        for _ in 0..mixing_bits {
            bits.bits(1, FIELD)?;
        }
        if self.acmod < 2 {
            for _ in 0..self.programs() {
                skip_optional(bits, 14, FIELD)?; // panmean, paninfo
            }
        }
        if bits.flag(FIELD)? {
            match self.blocks_code {
                0 => {
                    bits.bits(5, FIELD)?;
                }
                _ => {
                    for _ in 0..self.blocks() {
                        skip_optional(bits, 5, FIELD)?; // blkmixcfginfo
                    }
                }
            }
        }
        Ok(())
    }

    fn skip_information(&self, bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
        const FIELD: &str = "informational metadata";
        bits.bits(2, FIELD)?; // copyrightb, origbs
        if self.acmod == 2 {
            bits.bits(4, FIELD)?; // dsurmod, dheadphonmod
        }
        if self.acmod >= 6 {
            bits.bits(2, FIELD)?; // dsurexmod
        }
        for _ in 0..self.programs() {
            skip_optional(bits, 8, FIELD)?; // mixlevel, roomtyp, adconvtyp
        }
        if self.fscod < 3 {
            bits.bits(1, FIELD)?; // sourcefscod
        }
        Ok(())
    }
}

/// A flag, and a field where it is set.
fn skip_optional(
    bits: &mut BitReader<'_>,
    count: u32,
    field: &'static str,
) -> Result<(), ConfigError> {
    if bits.flag(field)? {
        bits.bits(count, field)?;
    }
    Ok(())
}
