//! What a window is made of, whatever it is.

use crate::{
    boundary::{self, Boundary},
    code::Items,
    markdown::{Heading, Outline, Walk},
};
use ragstream_core::text::{Markup, TextHead};
use std::ops::Range;

/// How a text is to be cut.
#[derive(Clone, Debug, PartialEq)]
pub enum Nature {
    /// By paragraphs.
    Plain,
    /// By headings and blocks.
    Markdown,
    /// By items and statements of a language.
    Code(String),
}

impl Nature {
    /// What a text says of itself.
    pub fn of(head: &TextHead) -> Self {
        match (&head.language, head.markup) {
            (Some(language), _) => Self::Code(language.to_lowercase()),
            (None, Markup::Markdown) => Self::Markdown,
            (None, Markup::Plain) => Self::Plain,
        }
    }

    /// Whether blanks at the beginning of a line say something.
    pub fn has_indentation(&self) -> bool {
        !matches!(self, Self::Plain)
    }
}

/// The structure of a window.
pub enum Structure {
    /// Lines alone.
    Plain(Vec<Boundary>),
    /// Headings and blocks.
    Markdown(Outline),
    /// Items.
    Code(Items),
}

impl Structure {
    /// The structure of a window that stands behind `lead`, the end of a text
    /// that makes a parser read the window as what it is; `is_last`: the text ends with it.
    pub fn of(nature: &Nature, lead: &str, text: &str, is_last: bool) -> Self {
        match nature {
            Nature::Plain => {
                let mut boundaries = Vec::new();
                boundary::lines(text, 0..text.len(), &mut boundaries);
                Self::Plain(boundaries)
            }
            Nature::Markdown => Self::Markdown(Outline::of(lead, text)),
            Nature::Code(language) => Self::Code(Items::of(language, lead, text, is_last)),
        }
    }

    /// Where the window may be cut, in order.
    pub fn boundaries(&self) -> &[Boundary] {
        match self {
            Self::Plain(boundaries) => boundaries,
            Self::Markdown(outline) => &outline.boundaries,
            Self::Code(items) => &items.boundaries,
        }
    }

    /// Whether there are no sentences to be looked for.
    pub fn is_code(&self) -> bool {
        matches!(self, Self::Code(_))
    }

    /// The lead of a window that begins at a byte of this one.
    pub fn reopen(&self, text: &str, at: usize) -> String {
        match self {
            Self::Plain(_) => String::new(),
            Self::Markdown(outline) => outline.reopen(text, at),
            Self::Code(items) => items.reopen(at),
        }
    }

    /// Walks down the window below the headings of what came before.
    pub fn path(&self, above: Vec<Heading>) -> Path<'_> {
        match self {
            Self::Plain(_) => Path::None,
            Self::Markdown(outline) => Path::Headings(outline.walk(above)),
            Self::Code(items) => Path::Items(items),
        }
    }
}

/// The headings above each place of a window, from its top on.
pub enum Path<'a> {
    /// There are none.
    None,
    /// Headings of Markdown.
    Headings(Walk<'a>),
    /// Items around code.
    Items(&'a Items),
}

impl Path<'_> {
    /// The headings of a span; spans must not go back.
    pub fn of(&mut self, text: &str, span: Range<usize>) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Headings(walk) => walk.at(span.start),
            Self::Items(items) => items.around(text, span),
        }
    }

    /// The headings that the next window, from `at` on, is below.
    pub fn leave(self, at: usize) -> Vec<Heading> {
        match self {
            Self::Headings(walk) => walk.leave(at),
            Self::None | Self::Items(_) => Vec::new(),
        }
    }
}
