//! Languages: BCP 47 tags (RFC 5646), and the codes of ISO 639-2 that some formats want instead.

/// ISO 639-1 code and the bibliographic one of ISO 639-2 that means the same, in one word each.
const TWO_LETTERS: &str = "\
    aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bhbih \
    bibis bmbam bnben botib brbre bsbos cacat ceche chcha cocos crcre cscze cuchu cvchv cywel dadan \
    deger dvdiv dzdzo eeewe elgre eneng eoepo esspa etest eubaq faper ffful fifin fjfij fofao frfre \
    fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb hihin hohmo hrhrv hthat huhun hyarm hzher \
    iaina idind ieile igibo iiiii ikipk ioido isice itita iuiku jajpn jvjav kageo kgkon kikik kjkua \
    kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug lilim lnlin \
    lolao ltlit lulub lvlav mgmlg mhmah mimao mkmac mlmal mnmon mrmar msmay mtmlt mybur nanau nbnob \
    ndnde nenep ngndo nldut nnnno nonor nrnbl nvnav nynya ococi ojoji omorm orori ososs papan pipli \
    plpol pspus ptpor quque rmroh rnrun rorum rurus rwkin sasan scsrd sdsnd sesme sgsag sisin skslo \
    slslv smsmo snsna sosom sqalb srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir \
    tktuk tltgl tntsn toton trtur tstso tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol \
    wawln wowol xhxho yiyid yoyor zazha zhchi zuzul";
/// The language is not known (ISO 639-2).
const UNDETERMINED: &str = "und";

/// The bibliographic code of ISO 639-2 for the language of a BCP 47 tag: `ger` for `de-CH`. What has
/// no such code is `und`.
pub fn iso_639_2(tag: &str) -> String {
    let primary = tag.split(['-', '_']).next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_code = primary.bytes().all(|byte| byte.is_ascii_lowercase());
    let known = match primary.len() {
        2 => TWO_LETTERS.split(' ').find_map(|entry| entry.strip_prefix(&*primary)),
        3 if is_code => Some(&*primary),
        _ => None,
    };
    known.unwrap_or(UNDETERMINED).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_the_codes_of_iso_639_2() {
        let codes = ["en", "en-US", "DE-ch", "sv", "zh-Hant", "yue", "fil-PH", "cy"].map(iso_639_2);
        assert_eq!(codes, ["eng", "eng", "ger", "swe", "chi", "yue", "fil", "wel"]);
        for unknown in ["", "xx", "x-klingon", "i-default", "english", "e1", "1234", "4u2"] {
            assert_eq!(iso_639_2(unknown), "und", "{unknown}");
        }
    }
}
