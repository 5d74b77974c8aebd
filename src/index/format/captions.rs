//! Captions in the index: service, texts that may be missing, flags.

use super::{Body, FormatError, Read, Reader};
use crate::model::caption::{Caption, CaptionService};

/// Services of CTA-708 begin behind this.
const CEA_708: u64 = 16;

pub(super) fn write(body: &mut Body, caption: &Caption) {
    body.unsigned(match caption.service {
        CaptionService::Cea608(channel) => u64::from(channel),
        CaptionService::Cea708(service) => CEA_708 + u64::from(service),
    });
    for text in [&caption.language, &caption.name, &caption.characteristics] {
        body.option(text.as_deref(), |body, text| body.string(text.as_bytes()));
    }
    body.unsigned(u64::from(caption.is_default) | u64::from(caption.is_auto_select) << 1);
}

pub(super) fn read(reader: &mut Reader<'_>) -> Read<Caption> {
    let field = "captions";
    let code = reader.unsigned(field)?;
    let number = |code: u64| u8::try_from(code).unwrap_or(0);
    let service = match code.checked_sub(CEA_708) {
        None => CaptionService::Cea608(number(code)),
        Some(service) => CaptionService::Cea708(number(service)),
    };
    if !service.is_valid() {
        return Err(FormatError::Field { field });
    }
    let mut text = || reader.option(field, |reader| reader.text(field));
    let (language, name, characteristics) = (text()?, text()?, text()?);
    let flags = reader.unsigned(field)?;
    let (is_default, is_auto_select) = (flags & 1 != 0, flags & 2 != 0);
    Ok(Caption { service, language, name, is_default, is_auto_select, characteristics })
}
