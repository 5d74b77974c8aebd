//! Requests and parts of answers as the standard's examples have them.

/// SPEKE 1.0 with three systems.
pub(super) const V1: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cpix:CPIX id="asset-1" xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:speke="urn:aws:amazon:com:speke">
  <cpix:ContentKeyList>
    <cpix:ContentKey kid="01234567-89ab-cdef-0123-456789abcdef" explicitIV="EBESExQVFhcYGRobHB0eHw=="/>
  </cpix:ContentKeyList>
  <cpix:DRMSystemList>
    <cpix:DRMSystem kid="01234567-89ab-cdef-0123-456789abcdef" systemId="edef8ba9-79d6-4ace-a3c8-27dcd51d21ed">
      <cpix:PSSH/>
    </cpix:DRMSystem>
    <cpix:DRMSystem kid="01234567-89ab-cdef-0123-456789abcdef" systemId="9a04f079-9840-4286-ab92-e65be0885f95">
      <cpix:PSSH/>
      <speke:ProtectionHeader/>
    </cpix:DRMSystem>
    <cpix:DRMSystem kid="01234567-89ab-cdef-0123-456789abcdef" systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2">
      <cpix:URIExtXKey/>
      <speke:KeyFormat/>
      <speke:KeyFormatVersions/>
    </cpix:DRMSystem>
  </cpix:DRMSystemList>
</cpix:CPIX>"#;

/// What SPEKE 1.0 adds for live content; goes before the end of the root.
pub(super) const V1_PERIODS: &str = r#"<cpix:ContentKeyPeriodList>
    <cpix:ContentKeyPeriod id="keyPeriod_7" index="7"/>
  </cpix:ContentKeyPeriodList>
  <cpix:ContentKeyUsageRuleList>
    <cpix:ContentKeyUsageRule kid="01234567-89ab-cdef-0123-456789abcdef">
      <cpix:KeyPeriodFilter periodId="keyPeriod_7"/>
    </cpix:ContentKeyUsageRule>
  </cpix:ContentKeyUsageRuleList>"#;

/// SPEKE 2.0: one key for all tracks, three systems.
pub(super) const SHARED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cpix:CPIX contentId="asset-1" version="2.3" xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">
  <cpix:ContentKeyList>
    <cpix:ContentKey kid="01234567-89ab-cdef-0123-456789abcdef" commonEncryptionScheme="cbcs" explicitIV="EBESExQVFhcYGRobHB0eHw=="/>
  </cpix:ContentKeyList>
  <cpix:DRMSystemList>
    <cpix:DRMSystem kid="01234567-89ab-cdef-0123-456789abcdef" systemId="edef8ba9-79d6-4ace-a3c8-27dcd51d21ed">
      <cpix:PSSH/>
      <cpix:ContentProtectionData/>
      <cpix:HLSSignalingData playlist="media"/>
      <cpix:HLSSignalingData playlist="master"/>
    </cpix:DRMSystem>
    <cpix:DRMSystem kid="01234567-89ab-cdef-0123-456789abcdef" systemId="9a04f079-9840-4286-ab92-e65be0885f95">
      <cpix:PSSH/>
      <cpix:ContentProtectionData/>
      <cpix:HLSSignalingData playlist="media"/>
      <cpix:HLSSignalingData playlist="master"/>
      <cpix:SmoothStreamingProtectionHeaderData/>
    </cpix:DRMSystem>
    <cpix:DRMSystem kid="01234567-89ab-cdef-0123-456789abcdef" systemId="94ce86fb-07ff-4f43-adb8-93d2fa968ca2">
      <cpix:HLSSignalingData playlist="media"/>
      <cpix:HLSSignalingData playlist="master"/>
    </cpix:DRMSystem>
  </cpix:DRMSystemList>
  <cpix:ContentKeyUsageRuleList>
    <cpix:ContentKeyUsageRule kid="01234567-89ab-cdef-0123-456789abcdef" intendedTrackType="ALL">
      <cpix:VideoFilter/>
      <cpix:AudioFilter/>
    </cpix:ContentKeyUsageRule>
  </cpix:ContentKeyUsageRuleList>
</cpix:CPIX>"#;

/// The Widevine box for that key in `cbcs`, base64.
pub(super) const WIDEVINE_PSSH: &str = "\
    AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAEjRWeJq83vASNFZ4mrze9I88aJ\
    mwY=";

/// The PlayReady object for that key in `cbcs`, base64.
pub(super) const PLAYREADY_OBJECT: &str = "\
    vgEAAAEAAQC0ATwAVwBSAE0ASABFAEEARABFAFIAIAB4AG0AbABuAHMAPQAiAGgAdAB0AHAA\
    OgAvAC8AcwBjAGgAZQBtAGEAcwAuAG0AaQBjAHIAbwBzAG8AZgB0AC4AYwBvAG0ALwBEAFIA\
    TQAvADIAMAAwADcALwAwADMALwBQAGwAYQB5AFIAZQBhAGQAeQBIAGUAYQBkAGUAcgAiACAA\
    dgBlAHIAcwBpAG8AbgA9ACIANAAuADMALgAwAC4AMAAiAD4APABEAEEAVABBAD4APABQAFIA\
    TwBUAEUAQwBUAEkATgBGAE8APgA8AEsASQBEAFMAPgA8AEsASQBEACAAQQBMAEcASQBEAD0A\
    IgBBAEUAUwBDAEIAQwAiACAAVgBBAEwAVQBFAD0AIgBaADAAVQBqAEEAYQB1AEoANwA4ADAA\
    QgBJADAAVgBuAGkAYQB2AE4ANwB3AD0APQAiAD4APAAvAEsASQBEAD4APAAvAEsASQBEAFMA\
    PgA8AC8AUABSAE8AVABFAEMAVABJAE4ARgBPAD4APAAvAEQAQQBUAEEAPgA8AC8AVwBSAE0A\
    SABFAEEARABFAFIAPgA=";

/// The box around it, base64.
pub(super) const PLAYREADY_PSSH: &str = "\
    AAAB3nBzc2gAAAAAmgTweZhAQoarkuZb4IhflQAAAb6+AQAAAQABALQBPABXAFIATQBIAEUA\
    QQBEAEUAUgAgAHgAbQBsAG4AcwA9ACIAaAB0AHQAcAA6AC8ALwBzAGMAaABlAG0AYQBzAC4A\
    bQBpAGMAcgBvAHMAbwBmAHQALgBjAG8AbQAvAEQAUgBNAC8AMgAwADAANwAvADAAMwAvAFAA\
    bABhAHkAUgBlAGEAZAB5AEgAZQBhAGQAZQByACIAIAB2AGUAcgBzAGkAbwBuAD0AIgA0AC4A\
    MwAuADAALgAwACIAPgA8AEQAQQBUAEEAPgA8AFAAUgBPAFQARQBDAFQASQBOAEYATwA+ADwA\
    SwBJAEQAUwA+ADwASwBJAEQAIABBAEwARwBJAEQAPQAiAEEARQBTAEMAQgBDACIAIABWAEEA\
    TABVAEUAPQAiAFoAMABVAGoAQQBhAHUASgA3ADgAMABCAEkAMABWAG4AaQBhAHYATgA3AHcA\
    PQA9ACIAPgA8AC8ASwBJAEQAPgA8AC8ASwBJAEQAUwA+ADwALwBQAFIATwBUAEUAQwBUAEkA\
    TgBGAE8APgA8AC8ARABBAFQAQQA+ADwALwBXAFIATQBIAEUAQQBEAEUAUgA+AA==";
