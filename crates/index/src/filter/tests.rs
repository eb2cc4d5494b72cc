#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use ragstream_core::id::{JobId, Version};
use serde_json::json;

fn document() -> DocumentRef {
    DocumentRef {
        document_id: DocumentId(uuid::Uuid::from_u128(0xab)),
        version: Version(1),
        job_id: JobId(uuid::Uuid::from_u128(2)),
        collection: "a".into(),
        external_id: Some("x".into()),
        filename: "report-1.pdf".into(),
        content_type: "application/pdf".into(),
        metadata: json!({
            "year": 2020, "price": 9.5, "big": 9_007_199_254_740_993u64, "tags": ["red", "blue"], "none": null,
            "draft": false, "day": "2024-02-01", "at": "2024-02-01T12:00:00+02:00", "name": "Zoë",
            "and": 1, "filename": "other", "scores": [1, 5],
        })
        .as_object()
        .unwrap()
        .clone(),
    }
}

fn filter(json: Value) -> Filter {
    Filter::parse(Vec::new(), json.as_object().unwrap()).unwrap()
}

fn refused(json: Value) -> FilterError {
    Filter::parse(Vec::new(), json.as_object().unwrap()).unwrap_err()
}

#[test]
fn each_condition_holds_and_its_opposite_does_not() {
    let id = document().document_id.to_string();
    for holds in [
        json!({"year": 2020.0}),
        json!({"year": [1999, 2020]}),
        json!({"tags": "red"}),
        json!({"tags": ["green", "blue"], "year": 2020}),
        json!({"none": null, "missing": null}),
        json!({"missing": [null, 1]}),
        json!({"draft": false}),
        json!({"year": {"gt": 2019, "lte": 2020}}),
        json!({"price": {"gte": 9.5, "lt": 10}}),
        json!({"big": {"gt": 9_007_199_254_740_992u64}}),
        json!({"big": {"gt": 9_007_199_254_740_992.0}}),
        json!({"day": {"gte": "2024-01-31T23:59:59Z", "lt": "2024-02-02"}}),
        json!({"at": "2024-02-01T10:00:00Z"}),
        json!({"at": {"lt": "2024-02-01T10:00:00.5Z", "gt": "2024-02-01"}}),
        json!({"name": {"gt": "Zoe", "prefix": "Zo"}}),
        json!({"tags": {"prefix": "bl"}}),
        json!({"scores": {"gt": 4}}),
        json!({"year": {"exists": true}, "none": {"exists": false}, "missing": {"exists": false}}),
        json!({"year": {"ne": 2021, "nin": [1, 2]}, "missing": {"ne": 1}}),
        json!({"document_id": id.to_uppercase()}),
        json!({"document_id": {"in": [id]}, "external_id": {"ne": "y"}}),
        json!({"external_id": {"exists": true}}),
        json!({"filename": {"prefix": "report"}, "content_type": ["application/pdf"], "collection": "a"}),
        json!({"metadata.filename": "other", "metadata.and": 1, "metadata.year": 2020}),
        json!({"or": [{"year": 1}, {"and": [{"tags": "red"}, {"not": {"tags": "green"}}]}]}),
    ] {
        assert!(filter(holds.clone()).matches(&document()), "{holds}");
        assert_eq!(filter(holds.clone()).failure(&document()), None);
        let opposite = filter(json!({"not": holds}));
        assert!(!opposite.matches(&document()), "{opposite:?}");
        assert_eq!(opposite.failure(&document()), Some("filter.not"));
    }
    for fails in [
        json!({"year": "2020"}),
        json!({"year": []}),
        json!({"year": {"gt": "2019"}}),
        json!({"tags": "green"}),
        json!({"tags": {"ne": "red"}}),
        json!({"year": null}),
        json!({"draft": 0}),
        json!({"missing": {"lt": 1}}),
        json!({"missing": {"prefix": ""}}),
        json!({"external_id": null}),
        json!({"name": {"prefix": "zo"}}),
    ] {
        assert!(!filter(fails.clone()).matches(&document()), "{fails}");
    }
    let anonymous = DocumentRef { external_id: None, ..document() };
    assert!(filter(json!({"external_id": null})).matches(&anonymous));
    assert!(!filter(json!({"external_id": {"prefix": ""}})).matches(&anonymous));
}

#[test]
fn the_first_condition_that_fails_is_named_by_its_path() {
    let failing = |json: Value| filter(json).failure(&document()).unwrap().to_owned();
    assert_eq!(failing(json!({"tags": "red", "year": {"gte": 2000, "lt": 2010}})), "filter.year.lt");
    assert_eq!(failing(json!({"and": [{"year": 2020}, {"price": 1}]})), "filter.and[1].price");
    assert_eq!(failing(json!({"or": [{"year": 1}, {"year": 2}]})), "filter.or");
    assert_eq!(failing(json!({"metadata.and": 2})), "filter.metadata.and");
    let elsewhere = filter(json!({"year": 1})).within(vec!["b".into()]);
    assert_eq!(elsewhere.failure(&document()), Some("collection"));
}

#[test]
fn what_can_not_be_meant_is_refused_with_its_place() {
    for (json, path, reason) in [
        (json!({"or": [{"year": 1}, {"year": {"gte": null}}]}), "filter.or[1].year.gte", "must be a number"),
        (json!({"year": {"after": 1}}), "filter.year.after", "is no operator"),
        (json!({"year": {}}), "filter.year", "has no operator"),
        (json!({"year": [1, [2]]}), "filter.year[1]", "must be a text"),
        (json!({"year": {"in": 1}}), "filter.year.in", "must be an array"),
        (json!({"year": {"eq": {"a": 1}}}), "filter.year.eq", "must be a text"),
        (json!({"year": {"exists": "yes"}}), "filter.year.exists", "true or false"),
        (json!({"year": {"prefix": 2}}), "filter.year.prefix", "must be a text"),
        (json!({"and": {}}), "filter.and", "array of objects"),
        (json!({"or": []}), "filter.or", "at least one"),
        (json!({"or": [{}]}), "filter.or[0]", "no condition"),
        (json!({"or": [1]}), "filter.or[0]", "must be an object"),
        (json!({"not": [{"year": 1}]}), "filter.not", "must be an object"),
        (json!({"document_id": "x"}), "filter.document_id", "a UUID"),
        (json!({"document_id": {"nin": [null]}}), "filter.document_id.nin[0]", "a UUID"),
        (json!({"filename": 1}), "filter.filename", "must be a text"),
    ] {
        let error = refused(json.clone());
        assert_eq!(error.path, path, "{json}");
        assert!(error.reason.contains(reason), "{json}: {error}");
    }
}

#[test]
fn a_filter_is_bounded_in_depth_and_in_conditions_but_not_in_values() {
    let nested = |depth: usize| (0..depth).fold(json!({"year": 1}), |inner, _| json!({"not": inner}));
    filter(nested(MAX_FILTER_DEPTH));
    assert!(refused(nested(MAX_FILTER_DEPTH + 1)).reason.contains("too deep"));
    let wide = |count: usize| json!({"or": (0..count).map(|n| json!({"year": n})).collect::<Vec<_>>()});
    filter(wide(MAX_FILTER_CONDITIONS - 1));
    assert!(refused(wide(MAX_FILTER_CONDITIONS)).reason.contains("one condition too many"));
    assert!(filter(json!({"year": (0..50_000).collect::<Vec<_>>()})).matches(&document()));
}

#[test]
fn what_must_hold_narrows_the_documents_that_are_looked_at() {
    let [a, b] = [1, 2].map(|n| DocumentId(uuid::Uuid::from_u128(n)));
    let named = filter(json!({"document_id": [a.to_string(), b.to_string()], "and": [{"year": 1}]}));
    assert_eq!(named.named_documents(), Some([a, b].into()));
    assert_eq!(filter(json!({"not": {"document_id": a.to_string()}})).named_documents(), None);
    assert_eq!(filter(json!({"document_id": {"ne": a.to_string()}})).named_documents(), None);
    let collections = filter(json!({"collection": ["c", "d"]})).within(vec!["d".into(), "e".into()]);
    assert_eq!(collections.named_collections(), Some(["d"].into()));
    assert_eq!(filter(json!({"or": [{"collection": "c"}]})).named_collections(), None);
}

/// The language once more, straight from its description, without any set, number form or tree.
mod naive {
    use super::*;
    use std::cmp::Ordering;

    fn order(a: &Value, b: &Value) -> Option<Ordering> {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
            (Value::String(a), Value::String(b)) => {
                // chrono also takes days of one digit.
                let is_day = |text: &&str| text.len() == "2024-01-01".len();
                let day = |text: &str| Some(text).filter(is_day)?.parse::<chrono::NaiveDate>().ok();
                match (day(a), day(b)) {
                    (Some(a), Some(b)) => Some(a.cmp(&b)),
                    _ => Some(a.cmp(b)),
                }
            }
            (Value::Bool(a), Value::Bool(b)) if a == b => Some(Ordering::Equal),
            _ => None,
        }
    }

    fn elements(found: Option<&Value>) -> Vec<&Value> {
        match found {
            Some(Value::Array(all)) => all.iter().collect(),
            found => found.into_iter().collect(),
        }
    }

    fn equal(found: Option<&Value>, wanted: &Value) -> bool {
        match wanted {
            Value::Null => found.is_none_or(Value::is_null),
            one => elements(found).iter().any(|value| order(value, one) == Some(Ordering::Equal)),
        }
    }

    fn operator(name: &str, found: Option<&Value>, operand: &Value) -> bool {
        let is = |wanted: fn(Ordering) -> bool| {
            elements(found).iter().any(|value| order(value, operand).is_some_and(wanted))
        };
        let listed = || operand.as_array().unwrap().iter().any(|one| equal(found, one));
        match name {
            "eq" => equal(found, operand),
            "ne" => !equal(found, operand),
            "in" => listed(),
            "nin" => !listed(),
            "gt" => is(Ordering::is_gt),
            "gte" => is(Ordering::is_ge),
            "lt" => is(Ordering::is_lt),
            "lte" => is(Ordering::is_le),
            "exists" => found.is_some_and(|value| !value.is_null()) == operand.as_bool().unwrap(),
            "prefix" => elements(found)
                .iter()
                .any(|value| value.as_str().is_some_and(|text| text.starts_with(operand.as_str().unwrap()))),
            _ => unreachable!(),
        }
    }

    pub(super) fn matches(filter: &Value, metadata: &Map<String, Value>) -> bool {
        filter.as_object().unwrap().iter().all(|(key, value)| match key.as_str() {
            "and" => value.as_array().unwrap().iter().all(|one| matches(one, metadata)),
            "or" => value.as_array().unwrap().iter().any(|one| matches(one, metadata)),
            "not" => !matches(value, metadata),
            key => {
                let found = metadata.get(key);
                match value {
                    Value::Object(all) => all.iter().all(|(name, operand)| operator(name, found, operand)),
                    Value::Array(any) => any.iter().any(|one| equal(found, one)),
                    one => equal(found, one),
                }
            }
        })
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3i64..3).prop_map(Value::from),
        (-6i64..6).prop_map(|halves| json!(halves as f64 / 2.0)),
        prop::sample::select(vec!["", "a", "ab", "b", "2024-01-01", "2024-01-02", "2024-01-1", "Z"])
            .prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let list = || prop::collection::vec(scalar(), 0..4).prop_map(Value::from);
    let listing = (prop::sample::select(vec!["in", "nin"]), list());
    let equality = (prop::sample::select(vec!["eq", "ne"]), scalar());
    let ordered = scalar().prop_filter("in order", |value| value.is_number() || value.is_string());
    let order = (prop::sample::select(vec!["gt", "gte", "lt", "lte"]), ordered);
    let exists = (Just("exists"), any::<bool>().prop_map(Value::from));
    let prefix = (Just("prefix"), prop::sample::select(vec!["", "a", "20"]).prop_map(Value::from));
    let operator = prop_oneof![listing, equality, order, exists, prefix];
    let operators = prop::collection::vec(operator, 1..3);
    let operators =
        operators.prop_map(|all| Value::Object(all.into_iter().map(|(k, v)| (k.into(), v)).collect()));
    prop_oneof![scalar(), list(), operators]
}

fn filters() -> impl Strategy<Value = Value> {
    let keys = || prop::sample::select(vec!["k", "l", "m"]);
    let leaf = prop::collection::btree_map(keys(), condition(), 1..3).prop_map(|all| json!(all));
    leaf.prop_recursive(4, 24, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            (prop::sample::select(vec!["and", "or"]), several).prop_map(|(name, all)| json!({ name: all })),
            inner.prop_map(|one| json!({"not": one})),
        ]
    })
}

fn metadata() -> impl Strategy<Value = Value> {
    let value = prop_oneof![scalar(), prop::collection::vec(scalar(), 0..3).prop_map(Value::from)];
    prop::collection::btree_map(prop::sample::select(vec!["k", "l"]), value, 0..3).prop_map(|all| json!(all))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn a_parsed_filter_decides_as_its_description_does(json in filters(), metadata in metadata()) {
        let metadata = metadata.as_object().unwrap().clone();
        let expected = naive::matches(&json, &metadata);
        let parsed = filter(json);
        let document = DocumentRef { metadata, ..document() };
        prop_assert_eq!(parsed.matches(&document), expected);
        prop_assert_eq!(parsed.failure(&document).is_none(), expected);
    }
}
