//! Personas and what is said with them, on a real PostgreSQL.
#![allow(clippy::unwrap_used)]

mod common;

use chrono::{TimeDelta, Utc};
use common::{accept, chunked, given_up, leaves_nothing, ledger, ledger_and_client, upload};
use futures::future::join_all;
use ragstream_core::{
    id::{PersonaId, SessionId},
    ports::{
        Accepted, ChatSessions, CollectionState, EmbeddingLedger, Exchange, IndexLedger, IngestionLedger,
        NewPersona, NewUpload, Persona, Personas, Role, SaidBefore,
    },
};
use ragstream_postgres::Ledger;
use serde_json::json;

fn harbour_master() -> NewPersona {
    NewPersona {
        name: "Harbour master".into(),
        description: "Knows the harbour".into(),
        collection: "harbour".into(),
        system_prompt: "You are the harbour master.\n\"Ahoy\"".into(),
        mode: "a mode of a later release".into(),
        model: Some("small".into()),
        temperature: Some(0.7),
        top_k: Some(12),
        max_tokens: None,
    }
}

async fn persona(ledger: &Ledger) -> Persona {
    ledger.create_persona(&harbour_master()).await.unwrap()
}

fn exchange(persona_id: PersonaId, session_id: SessionId, begins: bool, said: &str) -> Exchange {
    Exchange {
        persona_id,
        session_id,
        begins,
        title: Some(format!("about {said}")),
        question: Some(format!("{said}?")),
        answer: Some(format!("{said}!")),
        citations: json!([{"number": 1, "quote": format!("{said}\0")}]),
    }
}

async fn begun(ledger: &Ledger, persona_id: PersonaId, said: &str) -> SessionId {
    let session_id = SessionId::generate();
    assert!(ledger.add_exchange(&exchange(persona_id, session_id, true, said)).await.unwrap());
    session_id
}

#[tokio::test]
async fn a_persona_is_created_listed_changed_and_removed() {
    let ledger = ledger().await;
    let made = persona(&ledger).await;
    assert_eq!(made.is, harbour_master());
    assert_eq!(ledger.persona(made.persona_id).await.unwrap(), Some(made.clone()));

    let others = [persona(&ledger).await, persona(&ledger).await];
    let ids = |personas: Vec<Persona>| personas.iter().map(|one| one.persona_id).collect::<Vec<_>>();
    let newest_first = [others[1].persona_id, others[0].persona_id, made.persona_id];
    assert_eq!(ids(ledger.personas(None, 10).await.unwrap()), newest_first);
    assert_eq!(ids(ledger.personas(None, 2).await.unwrap()), newest_first[..2]);
    assert_eq!(ids(ledger.personas(Some(newest_first[1]), 2).await.unwrap()), newest_first[2..]);

    let other = NewPersona {
        name: "Pilot".into(),
        model: None,
        temperature: None,
        top_k: None,
        max_tokens: Some(500),
        mode: "basic".into(),
        ..harbour_master()
    };
    let changed = ledger.update_persona(made.persona_id, &other).await.unwrap().unwrap();
    assert_eq!((&changed.is, changed.created_at), (&other, made.created_at));
    assert!(changed.updated_at > made.updated_at);
    assert_eq!(ledger.persona(made.persona_id).await.unwrap(), Some(changed));
    assert_eq!(ledger.persona(newest_first[0]).await.unwrap().unwrap().is, harbour_master());

    assert!(ledger.remove_persona(made.persona_id).await.unwrap());
    assert!(!ledger.remove_persona(made.persona_id).await.unwrap());
    assert_eq!(ledger.persona(made.persona_id).await.unwrap(), None);
    assert_eq!(ledger.update_persona(made.persona_id, &other).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_said_is_kept_in_order_and_read_in_pages() {
    let ledger = ledger().await;
    let persona = persona(&ledger).await.persona_id;
    let session = begun(&ledger, persona, "tides").await;
    for said in ["piers", "cranes"] {
        assert!(ledger.add_exchange(&exchange(persona, session, false, said)).await.unwrap());
    }
    let found = ledger.session(persona, session).await.unwrap().unwrap();
    assert_eq!(
        (found.messages, found.title.as_deref()),
        (6, Some("about tides")),
        "the first gives the title"
    );

    let all = ledger.messages(session, None, 100).await.unwrap();
    let said: Vec<_> = all.iter().map(|m| (m.number, m.role, m.text.as_deref().unwrap())).collect();
    let wanted = [
        (1, Role::User, "tides?"),
        (2, Role::Assistant, "tides!"),
        (3, Role::User, "piers?"),
        (4, Role::Assistant, "piers!"),
        (5, Role::User, "cranes?"),
        (6, Role::Assistant, "cranes!"),
    ];
    assert_eq!(said, wanted);
    assert_eq!(all[0].citations, json!([]));
    assert_eq!(all[1].citations, json!([{"number": 1, "quote": "tides\0"}]), "as they were, zeros too");
    let numbers = async |before, limit| {
        let page = ledger.messages(session, before, limit).await.unwrap();
        page.iter().map(|message| message.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 4).await, [3, 4, 5, 6], "the last ones, in the order of the conversation");
    assert_eq!(numbers(Some(3), 4).await, [1, 2]);
    assert_eq!(numbers(Some(1), 4).await, [0; 0]);

    // What was not to be kept left its place, and is not sent along.
    let unkept = Exchange {
        question: None,
        answer: None,
        citations: json!([]),
        ..exchange(persona, session, false, "")
    };
    assert!(ledger.add_exchange(&unkept).await.unwrap());
    let all = ledger.messages(session, None, 100).await.unwrap();
    assert_eq!((all.len(), &all[6].text, &all[7].text), (8, &None, &None));
    let before = ledger.said_before(session, 3).await.unwrap();
    let said = |role, text: &str| SaidBefore { role, text: text.into() };
    let last =
        [said(Role::Assistant, "piers!"), said(Role::User, "cranes?"), said(Role::Assistant, "cranes!")];
    assert_eq!(before, last);
}

#[tokio::test]
async fn pairs_stay_together_however_many_are_added_at_once() {
    let ledger = ledger().await;
    let persona = persona(&ledger).await.persona_id;
    let session = begun(&ledger, persona, "0").await;
    let at_once = (1..20).map(|n| {
        let (ledger, pair) = (ledger.clone(), exchange(persona, session, false, &n.to_string()));
        tokio::spawn(async move { ledger.add_exchange(&pair).await.unwrap() })
    });
    assert!(join_all(at_once).await.into_iter().all(Result::unwrap));
    let all = ledger.messages(session, None, 100).await.unwrap();
    assert_eq!(all.iter().map(|m| m.number).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    for pair in all.chunks(2) {
        let text = |n: usize| pair[n].text.as_deref().unwrap();
        assert_eq!((pair[0].role, pair[1].role), (Role::User, Role::Assistant));
        assert_eq!(text(0).trim_end_matches('?'), text(1).trim_end_matches('!'));
    }
}

#[tokio::test]
async fn sessions_are_listed_renamed_and_removed_with_their_persona() {
    let (ledger, client) = ledger_and_client().await;
    let [one, two] = [persona(&ledger).await.persona_id, persona(&ledger).await.persona_id];
    let empty = ledger.begin_session(one, Some("mine")).await.unwrap().unwrap();
    assert_eq!((empty.messages, empty.title.as_deref()), (0, Some("mine")));
    let untitled = ledger.begin_session(one, None).await.unwrap().unwrap().session_id;
    let spoken = begun(&ledger, one, "tides").await;
    let foreign = begun(&ledger, two, "piers").await;

    let ids = async |before, limit| {
        let sessions = ledger.sessions(one, before, limit).await.unwrap();
        sessions.iter().map(|session| session.session_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 10).await, [spoken, untitled, empty.session_id]);
    assert_eq!(ids(None, 1).await, [spoken]);
    assert_eq!(ids(Some(spoken), 1).await, [untitled]);

    assert!(ledger.add_exchange(&exchange(one, untitled, false, "cranes")).await.unwrap());
    assert!(ledger.add_exchange(&exchange(one, empty.session_id, false, "cranes")).await.unwrap());
    let title = async |id| ledger.session(one, id).await.unwrap().unwrap().title.unwrap();
    assert_eq!(title(untitled).await, "about cranes");
    assert_eq!(title(empty.session_id).await, "mine");
    let renamed = ledger.rename_session(one, spoken, "Ebb").await.unwrap().unwrap();
    assert_eq!((renamed.title.as_deref(), renamed.messages), (Some("Ebb"), 2));

    // Nothing reaches another persona's, or what is gone.
    assert_eq!(ledger.session(one, foreign).await.unwrap(), None);
    assert_eq!(ledger.rename_session(one, foreign, "x").await.unwrap(), None);
    assert!(!ledger.remove_session(one, foreign).await.unwrap());
    assert!(!ledger.add_exchange(&exchange(one, foreign, false, "x")).await.unwrap());
    assert!(ledger.remove_session(one, spoken).await.unwrap());
    assert!(!ledger.remove_session(one, spoken).await.unwrap());
    assert!(!ledger.add_exchange(&exchange(one, spoken, false, "late")).await.unwrap());
    assert!(ledger.messages(spoken, None, 10).await.unwrap().is_empty());

    assert!(ledger.remove_persona(one).await.unwrap());
    assert!(!ledger.add_exchange(&exchange(one, SessionId::generate(), true, "late")).await.unwrap());
    assert!(ledger.begin_session(one, None).await.unwrap().is_none());
    let left = client
        .query_one(
            "SELECT array(SELECT DISTINCT session_id FROM persona_messages) AS spoken,
                    array(SELECT session_id FROM persona_sessions) AS all",
            &[],
        )
        .await
        .unwrap();
    for column in ["spoken", "all"] {
        assert_eq!(left.get::<_, Vec<uuid::Uuid>>(column), [foreign.0], "{column}: the other persona's stay");
    }
}

#[tokio::test]
async fn sessions_that_nobody_touched_are_forgotten() {
    let (ledger, client) = ledger_and_client().await;
    let persona = persona(&ledger).await.persona_id;
    let mut sessions = Vec::new();
    for said in ["a", "b", "c", "d"] {
        sessions.push(begun(&ledger, persona, said).await);
    }
    client
        .execute("UPDATE persona_sessions SET updated_at = now() - interval '100 days'", &[])
        .await
        .unwrap();
    // Said something, and given a name: both keep it.
    assert!(ledger.add_exchange(&exchange(persona, sessions[0], false, "again")).await.unwrap());
    ledger.rename_session(persona, sessions[1], "Kept").await.unwrap().unwrap();
    let time = Utc::now() - TimeDelta::days(90);
    assert_eq!(ledger.forget_sessions(time, 1).await.unwrap(), 1);
    assert_eq!(ledger.forget_sessions(time, 10).await.unwrap(), 1);
    assert_eq!(ledger.forget_sessions(time, 10).await.unwrap(), 0);
    let left = ledger.sessions(persona, None, 10).await.unwrap();
    assert_eq!(left.iter().map(|s| s.session_id).collect::<Vec<_>>(), [sessions[1], sessions[0]]);
    assert!(ledger.messages(sessions[2], None, 10).await.unwrap().is_empty());
}

async fn accepted(ledger: &Ledger, name: &str, collection: &str) -> Accepted {
    accept(ledger, NewUpload { collection: collection.into(), ..upload(name, Some(name)) }).await
}

fn under_way(done: u64, total: u64, percentage: f32) -> CollectionState {
    CollectionState::UnderWay { done, total, percentage }
}

#[tokio::test]
async fn a_collection_is_ready_once_none_of_its_documents_is_under_way() {
    let (ledger, client) = ledger_and_client().await;
    let state = async || ledger.collection_state("harbour").await.unwrap();
    accepted(&ledger, "elsewhere", "other").await;
    assert_eq!(state().await, CollectionState::Empty, "others do not count");

    let [a, b, c, d] = [
        accepted(&ledger, "a", "harbour").await.document,
        accepted(&ledger, "b", "harbour").await.document,
        accepted(&ledger, "c", "harbour").await.document,
        accepted(&ledger, "d", "harbour").await.document,
    ];
    assert_eq!(state().await, under_way(0, 4, 0.0));
    // A job of a release that did not note collections.
    client
        .execute("UPDATE document_jobs SET collection = NULL WHERE job_id = $1", &[&b.job_id.0])
        .await
        .unwrap();
    ledger.fail_job(c.document_id, c.version, &given_up("t/0/1"), &leaves_nothing).await.unwrap();
    assert_eq!(state().await, under_way(1, 4, 25.0), "one that failed is over");

    // Half of its chunks are embedded: 10 % for what came before, 40 of 80 for them.
    let chunks = chunked(&ledger, &a, 2).await;
    ledger.mark_embedded(&[(chunks[0].id, 0, 0)], "m").await.unwrap();
    assert_eq!(state().await, under_way(1, 4, 37.5));
    ledger.mark_embedded(&[(chunks[1].id, 0, 1)], "m").await.unwrap();
    let version = (a.document_id, a.version);
    assert_eq!(ledger.begin_commit(&[version]).await.unwrap().len(), 1);
    let ids: Vec<_> = chunks.iter().map(|chunk| chunk.id).collect();
    ledger.mark_indexed(&ids, &[version]).await.unwrap();
    assert_eq!(state().await, under_way(2, 4, 50.0));

    ledger.fail_job(d.document_id, d.version, &given_up("t/0/2"), &leaves_nothing).await.unwrap();
    assert_eq!(state().await, under_way(3, 4, 75.0));
    ledger.fail_job(b.document_id, b.version, &given_up("t/0/3"), &leaves_nothing).await.unwrap();
    assert_eq!(state().await, CollectionState::Ready);

    // An update is under way again; the version before it is not counted beside it.
    accept(&ledger, NewUpload { collection: "harbour".into(), ..upload("newer", Some("a")) }).await;
    assert_eq!(state().await, under_way(3, 4, 75.0));
}
