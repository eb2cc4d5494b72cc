//! Chunks end where sentences of a language end, and never within a word.
#![allow(clippy::unwrap_used)]

mod common;

use common::{check, chunker, cut, tokenizer};
use ragstream_chunk::ChunkerConfig;
use ragstream_core::text::Markup;

/// The same text over and over, in small chunks: each but the last must end
/// with one of the marks, and each must begin with the beginning of a sentence.
fn ends_with_sentences(sentences: &[&str], glue: &str) {
    let text = sentences.join(glue) + glue;
    let text = text.repeat(60);
    let config = ChunkerConfig { size: 90, overlap: 0, ..ChunkerConfig::model() };
    let chunks = cut(&chunker(config), Markup::Plain, &text);
    check(&tokenizer(), config, &text, &chunks);
    assert!(chunks.len() > 5);
    for chunk in &chunks {
        assert!(
            sentences.iter().any(|sentence| chunk.text.ends_with(sentence)),
            "ends with {:?}",
            chunk.text
        );
        assert!(
            sentences.iter().any(|sentence| chunk.text.starts_with(sentence)),
            "begins with {:?}",
            chunk.text
        );
    }
}

#[test]
fn chinese() {
    ends_with_sentences(
        &[
            "北京是中华人民共和国的首都，也是全国的政治中心。",
            "你去过长城吗？",
            "那里的风景真美！",
            "他说：“明天见。”",
        ],
        "",
    );
}

#[test]
fn japanese() {
    ends_with_sentences(
        &[
            "東京は日本の首都であり、世界最大の都市の一つです。",
            "あなたは京都へ行ったことがありますか？",
            "とても美しい！",
            "彼は「また明日。」",
        ],
        "",
    );
}

#[test]
fn arabic() {
    ends_with_sentences(&["القاهرة هي عاصمة مصر وأكبر مدنها.", "هل زرت الأهرامات؟", "إنها رائعة حقا!"], " ");
}

#[test]
fn urdu() {
    ends_with_sentences(
        &["لاہور پاکستان کا ایک بڑا شہر ہے۔", "کیا آپ وہاں گئے ہیں؟", "وہ بہت خوبصورت ہے۔"],
        " ",
    );
}

#[test]
fn hindi() {
    ends_with_sentences(&["दिल्ली भारत की राजधानी है।", "क्या आप वहाँ गए हैं?", "वह बहुत सुंदर है॥"], " ");
}

#[test]
fn khmer() {
    ends_with_sentences(&["ភ្នំពេញជារាជធានីនៃប្រទេសកម្ពុជា។", "តើអ្នកធ្លាប់ទៅទេ?", "វាស្អាតណាស់។"], " ");
}

#[test]
fn burmese() {
    ends_with_sentences(&["ရန်ကုန်သည် မြန်မာနိုင်ငံ၏ အကြီးဆုံးမြို့ဖြစ်သည်။", "သင်ရောက်ဖူးပါသလား။", "အလွန်လှပသည်။"], " ");
}

#[test]
fn thai_ends_with_phrases() {
    ends_with_sentences(
        &["กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", "ตั้งอยู่ริมแม่น้ำเจ้าพระยา", "มีวัดและพระราชวังที่สวยงามมากมาย"],
        " ",
    );
}

/// Where there is neither blank nor mark, chunks begin and end with words.
#[test]
fn words_without_blanks_stay_whole() {
    for words in [&["ประเทศ", "ไทย", "สวยงาม", "มาก"][..], &["经济", "北京", "昨天"], &["ประเทศไทย"]]
    {
        let text = words.concat().repeat(400);
        let config = ChunkerConfig { size: 100, overlap: 10, ..ChunkerConfig::model() };
        let chunks = cut(&chunker(config), Markup::Plain, &text);
        check(&tokenizer(), config, &text, &chunks);
        assert!(chunks.len() > 3);
        for chunk in &chunks {
            assert!(words.iter().any(|word| chunk.text.starts_with(word)), "begins with {:?}", chunk.text);
            assert!(words.iter().any(|word| chunk.text.ends_with(word)), "ends with {:?}", chunk.text);
        }
    }
}

/// What a reader takes for one character stays one, even where nothing else can be kept.
#[test]
fn characters_stay_whole() {
    for character in ["👨‍👩‍👧‍👦", "é\u{301}\u{302}", "🇩🇪", "กำ", "क्षि"] {
        let text = character.repeat(3_000);
        let config = ChunkerConfig { size: 60, overlap: 0, ..ChunkerConfig::model() };
        let chunks = cut(&chunker(config), Markup::Plain, &text);
        check(&tokenizer(), config, &text, &chunks);
        for chunk in &chunks {
            assert_eq!(chunk.text.len() % character.len(), 0, "{character}: {:?}", chunk.text);
        }
    }
}
