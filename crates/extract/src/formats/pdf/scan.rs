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

/// What became of the pages without text so far.
#[derive(Default)]
pub(super) struct Scan {
    /// Some of them could not be read.
    left_out: bool,
    found: bool,
}

impl Scan {
    /// Whether all of them were read, and nothing was found in any.
    pub(super) fn found_nothing(&self) -> bool {
        !self.left_out && !self.found
    }

    /// One of them can't be looked at.
    pub(super) fn skip(&mut self) {
        self.left_out = true;
    }

    /// Reads a page without text, as far as the time for OCR goes.
    pub(super) fn read(
        &mut self,
        second: &Second,
        at: usize,
        page: &mut PageText,
        context: &Context<'_>,
        hands: &mut Hands,
    ) {
        if !ocr::is_installed() || context.ocr_left().is_zero() {
            return self.skip();
        }
        let (mut texts, pictures) = (Vec::new(), second.pictures(at));
        // What else is drawn may be letters all the same.
        self.left_out |= pictures.is_empty();
        for picture in pictures {
            let begin = Instant::now();
            let reading = ocr::read(&pnm(&picture), Some(picture.dpi), context.ocr_left());
            context.spend_ocr(begin.elapsed());
            match reading {
                Reading::Text { text, .. } => texts.push(text),
                Reading::Nothing => {}
                Reading::Unread => self.left_out = true,
            }
        }
        if !texts.is_empty() {
            *page = PageText::Text(texts.join("\n\n"));
            (self.found, hands.ocr) = (true, hands.ocr + 1);
        }
    }
}

/// The simplest format of pictures there is.
fn pnm(picture: &Picture) -> Vec<u8> {
    let header = format!("P5 {} {} 255\n", picture.width, picture.height);
    [header.as_bytes(), &picture.grey].concat()
}
