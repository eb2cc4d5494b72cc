//! The keyword leg: languages, fields, filters, ties, and anything typed.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::event::IndexEvent;
use ragstream_index::{Filter, Index, Legs, SearchRequest};
use serde_json::json;

fn index_of(texts: &[&str]) -> Index {
    let index = Index::new(config()).unwrap();
    let mut events = Vec::new();
    for (doc, text) in (1..).zip(texts) {
        events.push(IndexEvent::Chunk(Box::new(embedded(doc, 1, 0, text, vec![1.0; DIMENSION]))));
        events.push(commit(doc, 1, 1));
    }
    index.apply(at(0, events)).unwrap();
    index
}

/// Texts found, best first.
fn ask(index: &Index, text: &str, filter: Filter, top_k: usize) -> Vec<String> {
    let request =
        SearchRequest { text: text.into(), top_k, filter, mode: Legs::Keyword, ..Default::default() };
    index.search(&request).unwrap().hits.iter().map(|hit| hit.record.chunk.text.clone()).collect()
}

#[test]
fn questions_in_many_scripts_find_their_text_first() {
    let texts = [
        "Committing offsets tells the broker how far a consumer group has read.",
        "数据库事务具有原子性、一致性、隔离性和持久性。",
        "東京タワーは高さ三百三十三メートルの電波塔です。",
        "ภาษาไทยเขียนโดยไม่มีช่องว่างระหว่างคำ",
        "الكتاب على الطاولة في المكتبة الكبيرة",
        "कंप्यूटर विज्ञान एक रोचक विषय है",
        "서울은 대한민국의 수도이며 가장 큰 도시입니다.",
        "Крещение Руси произошло в 988 году",
        "Die Größe der Straße überrascht",
    ];
    let index = index_of(&texts);
    for (question, expected) in [
        ("how do I commit an offset?", 0),
        ("事务的一致性", 1),
        ("库", 1),
        ("タワーの高さ", 2),
        ("電波塔", 2),
        ("ช่องว่าง", 3),
        ("كتاب", 4),
        ("مَكْتَبَة", 4),
        ("विज्ञान", 5),
        ("대한민국 수도", 6),
        ("крещение", 7),
        ("grosse strasse", 8),
        ("uberrascht", 8),
    ] {
        let found = ask(&index, question, Filter::default(), 5);
        assert_eq!(found.first().map(String::as_str), Some(texts[expected]), "{question}: {found:?}");
    }
    assert!(ask(&index, "量子力学", Filter::default(), 5).is_empty());
}

#[test]
fn headings_and_file_names_are_searched() {
    let index = Index::new(config()).unwrap();
    let chunk = |doc| embedded(doc, 1, 0, "nothing of interest", vec![1.0; DIMENSION]);
    let events = [
        with(chunk(1), |c| c.chunk.headings = vec!["Rebalancing".into()]),
        with(chunk(2), |c| c.document.filename = "quarterly_report-2024.pdf".into()),
        commit(1, 1, 1),
        commit(2, 1, 1),
    ];
    index.apply(at(0, events)).unwrap();
    let documents = |text: &str| -> Vec<_> {
        let request =
            SearchRequest { text: text.into(), top_k: 5, mode: Legs::Keyword, ..Default::default() };
        index.search(&request).unwrap().hits.iter().map(|hit| hit.record.document.document_id).collect()
    };
    assert_eq!(documents("rebalanced"), [document(1)]);
    assert_eq!(documents("report"), [document(2)]);
    assert_eq!(documents("2024"), [document(2)]);
    assert_eq!(documents("quarterly_report-2024.pdf"), [document(2)]);
}

#[test]
fn a_selective_filter_finds_all_that_pass_whatever_ranks_before_them() {
    let texts: Vec<String> = (0..600).map(|n| format!("common {}", "filler ".repeat(n % 7))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let index = index_of(&texts);
    let near = |doc: u64| filter(json!({"doc": [doc, doc + 1, doc + 2]}));
    for doc in [1, 200, 597] {
        for mode in [Legs::Keyword, Legs::Vector, Legs::Hybrid] {
            let hits = search(&index, mode, near(doc), 10);
            assert_eq!((hits.hits.len(), hits.candidates), (3, 3), "{mode:?}");
        }
    }
    assert_eq!(search(&index, Legs::Hybrid, Filter::collection("c1"), 1_000).hits.len(), 200);
    let two = Filter::default().within(vec!["c1".into(), "c2".into(), "c1".into()]);
    assert_eq!(search(&index, Legs::Hybrid, two, 1_000).hits.len(), 400);
    let both = Filter::documents([document(4), document(5)]).within(vec!["c1".into()]);
    assert_eq!(search(&index, Legs::Hybrid, both, 10).hits.len(), 1);
    let external = filter(json!({"external_id": ["x9", "none"]}));
    assert_eq!(search(&index, Legs::Hybrid, external, 10).hits.len(), 1);
    assert!(search(&index, Legs::Hybrid, Filter::collection("none"), 10).hits.is_empty());
}

#[test]
fn equal_scores_come_in_one_order_however_the_chunks_came() {
    let forwards: Vec<u128> = (1..=300).collect();
    let backwards: Vec<u128> = forwards.iter().rev().copied().collect();
    let order = |documents: &[u128]| {
        let index = Index::new(config()).unwrap();
        for (part, documents) in documents.chunks(37).enumerate() {
            let events = documents.iter().flat_map(|doc| {
                let text = "the very same words";
                let same = embedded(*doc, 1, 0, text, vec![1.0; DIMENSION]);
                [with(same, |c| c.document.filename = "f".into()), commit(*doc, 1, 1)]
            });
            index.apply(at(part as i64 * 1_000, events)).unwrap();
        }
        let request = |mode| SearchRequest {
            text: "same words".into(),
            vector: Some(vec![1.0; DIMENSION]),
            top_k: 20,
            mode,
            ..Default::default()
        };
        [Legs::Keyword, Legs::Vector, Legs::Hybrid].map(|mode| {
            let hits = index.search(&request(mode)).unwrap().hits;
            hits.iter().map(|hit| hit.chunk_id).collect::<Vec<_>>()
        })
    };
    let first = order(&forwards);
    assert_eq!(first, order(&backwards));
    let mut lowest: Vec<_> = forwards.iter().map(|doc| chunk_id(*doc, 1, 0)).collect();
    lowest.sort();
    assert!(first.iter().all(|ids| *ids == lowest[..20]));
}

#[test]
fn anything_may_be_typed() {
    let index = index_of(&["some text", "other text"]);
    let odd = [
        "",
        "   ",
        "\"",
        "text:(",
        "+ - && || ! ( ) { } [ ] ^ ~ * ? : \\ /",
        "title:[a TO z}",
        "\u{0}",
        "🦀",
        "a AND",
    ];
    for text in odd {
        ask(&index, text, Filter::default(), 5);
    }
    let pasted = (0..5_000).map(|n| format!("word{n} ")).collect::<String>() + "text";
    assert!(ask(&index, &pasted, Filter::default(), 5).len() <= 2);
    assert!(ask(&index, "text", Filter::default(), 0).is_empty());
    assert_eq!(ask(&index, "text", Filter::default(), usize::MAX).len(), 2);
    assert_eq!(ask(&index, "the text of it", Filter::default(), 5).len(), 2);
}

#[test]
fn vectors_asked_for_are_checked_and_hybrid_does_without() {
    let index = index_of(&["some text"]);
    let request =
        |vector, mode| SearchRequest { text: "text".into(), vector, top_k: 5, mode, ..Default::default() };
    for vector in [vec![1.0], vec![0.0; DIMENSION], vec![f32::NAN; DIMENSION]] {
        assert!(index.search(&request(Some(vector.clone()), Legs::Hybrid)).is_err());
        assert!(index.search(&request(Some(vector), Legs::Vector)).is_err());
    }
    assert!(index.search(&request(None, Legs::Vector)).is_err());
    let hits = index.search(&request(None, Legs::Hybrid)).unwrap();
    assert_eq!((hits.hits.len(), hits.vector_path), (1, None));
    let hit = &index.search(&request(Some(vec![9.0; DIMENSION]), Legs::Hybrid)).unwrap().hits[0];
    assert_eq!((hit.vector.unwrap().rank, hit.keyword.unwrap().rank), (1, 1));
    assert!((hit.score - 1.0).abs() < 1e-6);
    let vector = index.vector_of(hit).unwrap();
    assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn rare_terms_weigh_more_and_sentences_have_the_terms_of_questions() {
    let index = index_of(&["kafka brokers", "kafka topics", "kafka offsets", "水道"]);
    let weights = index.term_weights("What are the offsets of Kafka?");
    let terms: Vec<&str> = weights.iter().map(|(term, _)| term.as_str()).collect();
    assert_eq!(terms, ["offset", "kafka"]);
    assert!(weights[0].1 > weights[1].1);
    assert!(index.analyze("Its Offset.").contains(&terms[0].to_owned()));
    let single = index.term_weights("水");
    assert!(index.analyze("水道").contains(&single[0].0));
    assert!(index.term_weights("").is_empty());
}

/// Each question must find the passage of its own number first.
fn finds(passages: &[&str], questions: &[&str]) {
    let index = index_of(passages);
    for (number, question) in questions.iter().enumerate() {
        let found = ask(&index, question, Filter::default(), 5);
        assert_eq!(found.first().map(String::as_str), Some(passages[number]), "{question}");
    }
}

#[test]
fn hindi_questions_find_their_passages() {
    finds(
        &[
            "दिल्ली भारत की राजधानी है और यमुना नदी के किनारे बसी है।",
            "ताजमहल आगरा में स्थित है, जिसे शाहजहाँ ने बनवाया था।",
            "भारत का राष्ट्रीय पशु बाघ है और राष्ट्रीय पक्षी मोर है।",
            "क्रिकेट भारत में सबसे लोकप्रिय खेल है।",
        ],
        &[
            "भारत की राजधानी क्या है?",
            "ताजमहल किसने बनवाया था?",
            "राष्ट्रीय पक्षी कौन सा है?",
            "सबसे लोकप्रिय खेल कौन सा है?",
        ],
    );
}

#[test]
fn thai_questions_find_their_passages() {
    finds(
        &[
            "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย ตั้งอยู่ริมแม่น้ำเจ้าพระยา",
            "เชียงใหม่เป็นจังหวัดในภาคเหนือ มีดอยสุเทพเป็นภูเขาที่มีชื่อเสียง",
            "ช้างเป็นสัตว์ประจำชาติไทย และดอกราชพฤกษ์เป็นดอกไม้ประจำชาติ",
            "มวยไทยเป็นกีฬาที่ได้รับความนิยมทั่วโลก",
        ],
        &[
            "เมืองหลวงของประเทศไทยคืออะไร",
            "ภูเขาที่มีชื่อเสียงในเชียงใหม่คืออะไร",
            "สัตว์ประจำชาติคือสัตว์อะไร",
            "กีฬาที่ได้รับความนิยมคืออะไร",
        ],
    );
}
