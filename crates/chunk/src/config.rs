//! How large chunks are, and how much neighbours share.

use crate::error::ChunkerError;
use std::str::FromStr;

/// Tokens that the default model reads, the two special ones left out
/// (all-MiniLM-L6-v2 is configured for 256).
pub const MODEL_TOKENS: usize = 254;

/// Changes with every change of the cutting itself (new releases of the
/// grammars and dictionaries included), so that ids of chunks cut differently differ.
const REVISION: &str = "v2";

/// What a size is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Tokens of the model's tokenizer.
    Tokens,
    /// Unicode characters.
    Characters,
}

/// Sizes of chunks. Whatever is asked for, no chunk is larger than what the
/// model reads: `model_tokens` bounds every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkerConfig {
    /// What `size` and `overlap` count.
    pub unit: Unit,
    /// Most that a chunk has.
    pub size: usize,
    /// Most that a chunk repeats of the one before; whole sentences or blocks
    /// where they fit, nothing where they don't.
    pub overlap: usize,
    /// Most tokens that the model reads, special ones not counted.
    pub model_tokens: usize,
}

impl Default for ChunkerConfig {
    fn default() -> Self {
        Self::model()
    }
}

impl ChunkerConfig {
    /// The default: 200 tokens of 254 that the model reads, which leaves room
    /// for a title in front of a chunk; 20 tokens overlap.
    pub fn model() -> Self {
        Self { unit: Unit::Tokens, size: 200, overlap: 20, model_tokens: MODEL_TOKENS }
    }

    /// 500 tokens, 50 overlap: cut down to what the model reads, so for the
    /// default model chunks of 254 tokens, of which 50 may be repeated.
    pub fn tokens_500_50() -> Self {
        Self { size: 500, overlap: 50, ..Self::model() }
    }

    /// 1000 characters, 200 overlap; less where 1000 characters are more than
    /// the model reads, as in Chinese text.
    pub fn chars_1000_200() -> Self {
        Self { unit: Unit::Characters, size: 1000, overlap: 200, ..Self::model() }
    }

    /// The size that chunks really get.
    pub(crate) fn effective_size(&self) -> usize {
        match self.unit {
            Unit::Tokens => self.size.min(self.model_tokens),
            Unit::Characters => self.size,
        }
    }

    /// The most tokens that a chunk may have.
    pub(crate) fn most_tokens(&self) -> usize {
        match self.unit {
            Unit::Tokens => self.effective_size(),
            Unit::Characters => self.model_tokens,
        }
    }

    /// The most tokens that a chunk may repeat. Where the model cuts the size
    /// in characters down, it cuts this in proportion: else most of a chunk
    /// of Chinese would be what the one before said.
    pub(crate) fn overlap_tokens(&self) -> usize {
        match self.unit {
            Unit::Tokens => self.overlap,
            Unit::Characters => self.model_tokens * self.overlap / self.size,
        }
    }

    /// A stable name with all settings: a part of chunk ids and of the
    /// lineage. The limit of the model is in it where it cuts the size down.
    pub(crate) fn name(&self) -> String {
        let (size, overlap, most) = (self.size, self.overlap, self.model_tokens);
        match self.unit {
            Unit::Tokens if size > most => format!("tokens-{size}-{overlap}-max{most}-{REVISION}"),
            Unit::Tokens => format!("tokens-{size}-{overlap}-{REVISION}"),
            Unit::Characters => format!("chars-{size}-{overlap}-max{most}tokens-{REVISION}"),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ChunkerError> {
        if self.effective_size() == 0 || self.model_tokens == 0 {
            return Err(ChunkerError::Config("the size of a chunk can't be 0".to_owned()));
        }
        if self.overlap >= self.effective_size() {
            return Err(ChunkerError::Config(format!(
                "an overlap of {} leaves no room in chunks of {}",
                self.overlap,
                self.effective_size()
            )));
        }
        Ok(())
    }
}

impl FromStr for ChunkerConfig {
    type Err = ChunkerError;

    /// The name of a preset (`model`, `tokens_500_50`, `chars_1000_200`), or
    /// unit, size and overlap: `tokens:300:30`, `chars:1500:100`.
    fn from_str(name: &str) -> Result<Self, ChunkerError> {
        match name {
            "model" => return Ok(Self::model()),
            "tokens_500_50" => return Ok(Self::tokens_500_50()),
            "chars_1000_200" => return Ok(Self::chars_1000_200()),
            _ => {}
        }
        let unknown = || {
            ChunkerError::Config(format!(
                "{name:?} is neither `model`, `tokens_500_50` nor `chars_1000_200`, nor unit, size and overlap \
                 as in `tokens:300:30` or `chars:1500:100`"
            ))
        };
        let (unit, sizes) = name.split_once(':').ok_or_else(unknown)?;
        let (size, overlap) = sizes.split_once(':').ok_or_else(unknown)?;
        let unit = match unit {
            "tokens" => Unit::Tokens,
            "chars" => Unit::Characters,
            _ => return Err(unknown()),
        };
        let number = |text: &str| text.parse().map_err(|_| unknown());
        let config = Self { unit, size: number(size)?, overlap: number(overlap)?, ..Self::model() };
        config.check()?;
        Ok(config)
    }
}
