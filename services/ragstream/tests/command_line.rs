//! The command line: what is wrong with it is said, with the exit code for that.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn ragstream(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ragstream"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RAGSTREAM_")) {
        command.env_remove(name);
    }
    command.args(args).output().unwrap()
}

#[test]
fn bad_configuration_exits_with_64_and_says_what_to_give() {
    for (args, hint) in [
        (&["no-such-role"][..], "no-such-role"),
        (&["gateway", "--listen", "nowhere"], "--listen"),
        (&["gateway", "--listen", "127.0.0.1:0"], "--kafka"),
        (
            &[
                "embedding",
                "--listen",
                "127.0.0.1:0",
                "--model-dir",
                "/no/such/folder",
                "--onnxruntime",
                "/none",
            ],
            "/no",
        ),
        (
            &[
                "query",
                "--listen",
                "127.0.0.1:0",
                "--reranker-dir",
                "/no/such/reranker",
                "--onnxruntime",
                "/none",
            ],
            "/no/such/reranker",
        ),
    ] {
        let output = ragstream(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {said}");
        assert!(said.contains(hint), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn plans_of_faults_and_settings_of_kafka_that_mean_nothing_are_bad_configuration() {
    for (name, value, hint) in [
        ("RAGSTREAM_FAULTS", "nowhere=crash", "before_handle"),
        ("RAGSTREAM_KAFKA_PRODUCER_NO_SUCH_SETTING", "1", "no.such.setting"),
        ("RAGSTREAM_KAFKA_CLIENT_BROKER_ADDRESS_FAMILY", "v5", "broker.address.family"),
        ("RAGSTREAM_KAFKA_CONSUMER_ENABLE_AUTO_COMMIT", "true", "enable.auto.commit"),
        ("RAGSTREAM_KAFKA_PRODUCER_ACKS", "1", "acks can't be changed"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ragstream"))
            .args(["gateway", "--listen", "127.0.0.1:0", "--kafka", "127.0.0.1:1"])
            .args(["--postgres", "postgres://u:p@127.0.0.1:1/d", "--s3", "http://a:s@127.0.0.1:1/b"])
            .env(name, value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{name}={value}: {said}");
        assert!(said.contains(hint), "{name}={value}: {said}");
    }
}

#[test]
fn help_names_every_role_and_client() {
    let output = ragstream(&["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for command in [
        "standalone",
        "gateway",
        "ingestion",
        "embedding",
        "query",
        "upload",
        "ask",
        "status",
        "dlq",
        "verify",
        "rebuild",
        "bench",
    ] {
        assert!(help.contains(command), "{command} is not in the help");
    }
    assert!(!help.contains("extract-child"));
}

#[test]
fn a_client_says_that_nothing_answers() {
    let output = ragstream(&["ask", "--url", "http://127.0.0.1:9", "anything"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is Ragstream running there"));
}
