//! OCR of the pages that are pictures.

use super::{
    Hands, PageText,
    second::{Picture, Second},
};
use crate::{
    contained::Context,
    ocr::{self, Reading},
};
use std::time::Instant;

/// Reads the pages without text, as far as the time for OCR goes. Whether all
/// of them were read, and nothing was found in any.
pub(super) fn read(
    second: &Second,
    pages: &mut [PageText],
    context: &Context<'_>,
    hands: &mut Hands,
) -> bool {
    if !ocr::is_installed() {
        return false;
    }
    let mut all_read = true;
    for (at, page) in pages.iter_mut().enumerate() {
        if !page.as_str().is_empty() {
            continue;
        }
        if context.ocr_left().is_zero() {
            return false;
        }
        let (mut texts, pictures) = (Vec::new(), second.pictures(at));
        // What else is drawn may be letters all the same.
        all_read &= !pictures.is_empty();
        for picture in pictures {
            let begin = Instant::now();
            let reading = ocr::read(&pnm(&picture), Some(picture.dpi), context.ocr_left());
            context.spend_ocr(begin.elapsed());
            match reading {
                Reading::Text { text, .. } => texts.push(text),
                Reading::Nothing => {}
                Reading::Unread => all_read = false,
            }
        }
        if !texts.is_empty() {
            *page = PageText::Text(texts.join("\n\n"));
            hands.ocr += 1;
        }
    }
    all_read && hands.ocr == 0
}

/// The simplest format of pictures there is.
fn pnm(picture: &Picture) -> Vec<u8> {
    let header = format!("P5 {} {} 255\n", picture.width, picture.height);
    [header.as_bytes(), &picture.grey].concat()
}
