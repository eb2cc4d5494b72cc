//! Documents that look like English, made from a seed.

/// Common words, so that texts have about as many tokens per word as real ones.
const WORDS: &str = "the of and a to in is was he for it with as his on be at by had not are but from or have an they \
    which one you were all her she there would their we him been has when who will no more if out so up said what its \
    about than into them can only other time new some could these two may first then do any like my now over such our \
    man me even most made after also did many off before must well back through years much where your way down should \
    because long each just state those people too mister how little good world make very year still see own work men \
    day get here old life both between being under three never know same last another while us might great since \
    against right came take used himself few house american use place during high without again home around small \
    however found mrs thought went say part once general school every number night public system harbour engine river \
    committee measurement temperature pressure winter contract evidence railway account library signal market surface \
    institution pattern molecule expedition vessel manuscript parliament orchestra irrigation telescope warehouse";

/// A stream of numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From -1 up to 1, evenly.
    pub(crate) fn even(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Makes documents; every one is different.
pub(crate) struct Corpus {
    seed: u64,
    words: Vec<&'static str>,
}

impl Corpus {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, words: WORDS.split_whitespace().collect() }
    }

    /// About a thousand tokens in paragraphs: some five chunks.
    pub(crate) fn page(&self, i: usize) -> String {
        let mut numbers = self.numbers(1, i);
        let paragraphs: Vec<String> = (0..6).map(|_| self.sentences(&mut numbers, 9)).collect();
        format!("Page {i} of run {}.\n\n{}\n", self.seed, paragraphs.join("\n\n"))
    }

    /// A sentence or two: one chunk.
    pub(crate) fn note(&self, i: usize) -> String {
        let mut numbers = self.numbers(2, i);
        format!("Note {i} of run {}. {}\n", self.seed, self.sentences(&mut numbers, 2))
    }

    /// A question of about ten words.
    pub(crate) fn question(&self, i: usize) -> String {
        let mut numbers = self.numbers(3, i);
        let words: Vec<&str> = (0..8).map(|_| self.word(&mut numbers)).collect();
        format!("what did {} say", words.join(" "))
    }

    fn numbers(&self, kind: u64, i: usize) -> Numbers {
        Numbers(self.seed.wrapping_mul(1_000_003) ^ (kind << 56) ^ i as u64)
    }

    fn word(&self, numbers: &mut Numbers) -> &'static str {
        self.words[numbers.below(self.words.len())]
    }

    fn sentences(&self, numbers: &mut Numbers, count: usize) -> String {
        let mut text = String::new();
        for _ in 0..count {
            let length = 8 + numbers.below(18);
            let words: Vec<&str> = (0..length).map(|_| self.word(numbers)).collect();
            let sentence = words.join(" ");
            text.push_str(&sentence[..1].to_uppercase());
            text.push_str(&sentence[1..]);
            text.push_str(". ");
        }
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn documents_are_different_and_the_same_for_the_same_seed() {
        let corpus = Corpus::new(7);
        let all: HashSet<String> =
            (0..500).flat_map(|i| [corpus.page(i), corpus.note(i), corpus.question(i)]).collect();
        assert_eq!(all.len(), 1_500);
        assert_eq!(Corpus::new(7).page(3), corpus.page(3));
        assert_ne!(Corpus::new(8).page(3), corpus.page(3));
    }
}
