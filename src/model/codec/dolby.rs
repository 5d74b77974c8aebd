//! What Dolby codecs say of themselves outside their streams: the bodies of `dac3` and `dec3` and
//! the channel mask of manifests (ETSI TS 102 366 V1.4.1 F.4, F.6 and I.1.2.1; ETSI TS 103 420
//! V1.2.1 C.3).

use super::sound::{Ac3Config, Eac3Config, Eac3Substream};

/// Places of loudspeakers in the channel mask: the bits of `chanmap` (table E.1.4), the first in
/// the highest bit.
mod place {
    pub const LEFT: u16 = 1 << 15;
    pub const CENTRE: u16 = 1 << 14;
    pub const RIGHT: u16 = 1 << 13;
    pub const LEFT_SURROUND: u16 = 1 << 12;
    pub const RIGHT_SURROUND: u16 = 1 << 11;
    pub const CENTRE_SURROUND: u16 = 1 << 8;
    pub const LOW_FREQUENCY: u16 = 1;
    /// By bit of `chan_loc` from the lowest (table F.6.1): Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw,
    /// Lvh/Rvh, Cvh, LFE2.
    pub const OF_DEPENDENTS: [u16; 9] =
        [1 << 10, 1 << 9, CENTRE_SURROUND, 1 << 7, 1 << 6, 1 << 5, 1 << 4, 1 << 3, 1 << 1];
}

impl Ac3Config {
    /// The body of `dac3` (F.4): `fscod`, `bsid`, `bsmod`, `acmod`, `lfeon`, `bit_rate_code`, five
    /// reserved bits.
    pub const fn specific(&self) -> [u8; 3] {
        let bits = (self.fscod as u32 & 3) << 22
            | (self.bsid as u32 & 0x1F) << 17
            | (self.bsmod as u32 & 7) << 14
            | (self.acmod as u32 & 7) << 11
            | (self.lfe as u32) << 10
            | (self.bit_rate_code as u32 & 0x1F) << 5;
        let [_, high, middle, low] = bits.to_be_bytes();
        [high, middle, low]
    }

    /// Which loudspeakers play it, as manifests write it (I.1.2.1).
    pub const fn channel_mask(&self) -> u16 {
        mask(self.acmod, self.lfe)
    }
}

impl Eac3Config {
    /// The body of `dec3` (F.6), with the extension that tells of joint object coding
    /// (ETSI TS 103 420 C.3.1) where there is some. At most eight independent substreams fit.
    pub fn specific(&self) -> Vec<u8> {
        let substreams = self.substreams.get(..8).unwrap_or(&self.substreams);
        let last = substreams.len().saturating_sub(1) as u16; // num_ind_sub
        let mut out = ((self.data_rate & 0x1FFF) << 3 | last).to_be_bytes().to_vec();
        for substream in substreams {
            out.push((substream.fscod & 3) << 6 | (substream.bsid & 0x1F) << 1);
            // asvc 0: a main service
            out.push(
                (substream.bsmod & 7) << 4 | (substream.acmod & 7) << 1 | u8::from(substream.lfe),
            );
            let dependents = substream.dependents & 0x0F;
            if dependents > 0 {
                let tail = u16::from(dependents) << 9 | substream.locations & 0x1FF;
                out.extend_from_slice(&tail.to_be_bytes());
            } else {
                out.push(0);
            }
        }
        if let Some(complexity) = self.joc_complexity {
            // reserved, flag_ec3_extension_type_a, complexity_index_type_a
            out.extend_from_slice(&[1, complexity]);
        }
        out
    }

    /// Which loudspeakers play the first program, objects aside, as manifests write it (I.1.2.1).
    pub fn channel_mask(&self) -> u16 {
        self.substreams.first().map_or(0, Eac3Substream::channel_mask)
    }
}

impl Eac3Substream {
    fn channel_mask(&self) -> u16 {
        let further = place::OF_DEPENDENTS.iter().enumerate();
        let further = further.filter(|(bit, _)| self.locations >> bit & 1 == 1);
        further.fold(mask(self.acmod, self.lfe), |mask, (_, place)| mask | place)
    }
}

/// The loudspeakers of `acmod` (table 4.3) and `lfeon`. A single surround channel stands at the
/// back; two mono programs are heard as left and right.
const fn mask(acmod: u8, lfe: bool) -> u16 {
    use place::{CENTRE, CENTRE_SURROUND, LEFT, LEFT_SURROUND, RIGHT, RIGHT_SURROUND};
    let main = match acmod {
        1 => CENTRE,
        0 | 2 => LEFT | RIGHT,
        3 => LEFT | CENTRE | RIGHT,
        4 => LEFT | RIGHT | CENTRE_SURROUND,
        5 => LEFT | CENTRE | RIGHT | CENTRE_SURROUND,
        6 => LEFT | RIGHT | LEFT_SURROUND | RIGHT_SURROUND,
        _ => LEFT | CENTRE | RIGHT | LEFT_SURROUND | RIGHT_SURROUND,
    };
    main | if lfe { place::LOW_FREQUENCY } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surround() -> Eac3Substream {
        Eac3Substream { bsid: 16, acmod: 7, lfe: true, ..Eac3Substream::default() }
    }

    fn eac3(substream: Eac3Substream, data_rate: u16, joc_complexity: Option<u8>) -> Eac3Config {
        Eac3Config {
            sampling_frequency: 48_000,
            data_rate,
            substreams: vec![substream],
            joc_complexity,
        }
    }

    /// What ffmpeg 5.1 writes for 5.1 sound at 48 kHz and 384 kbit/s of its own encoder.
    #[test]
    fn dac3_is_that_of_another_muxer() {
        let config =
            Ac3Config { fscod: 0, bsid: 8, bsmod: 0, acmod: 7, lfe: true, bit_rate_code: 14 };
        assert_eq!(hex::encode(config.specific()), "103dc0");
    }

    /// The same of E-AC-3 at 192 kbit/s.
    #[test]
    fn dec3_is_that_of_another_muxer() {
        assert_eq!(hex::encode(eac3(surround(), 192, None).specific()), "0600200f00");
    }

    #[test]
    fn dependent_substreams_and_objects_add_bytes() {
        let wide = Eac3Substream { dependents: 1, locations: 0b10, ..surround() };
        assert_eq!(hex::encode(eac3(wide.clone(), 768, None).specific()), "1800200f0202");
        assert_eq!(hex::encode(eac3(surround(), 768, Some(16)).specific()), "1800200f000110");
        assert_eq!(eac3(wide, 768, None).channel_mask(), 0xFA01);
    }

    /// Stereo; and 5.1, whose value is that of the example of ETSI TS 103 420 D.2.3.
    #[test]
    fn masks_name_loudspeakers_from_the_highest_bit() {
        assert_eq!(mask(2, false), 0xA000);
        assert_eq!(mask(7, true), 0xF801);
    }
}
