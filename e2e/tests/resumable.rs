//! Uploads that come in pieces over days, clients and gateways: killed at random places they end as
//! the bytes that were sent.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures::{StreamExt, stream};
use ragstream_e2e::{
    PATIENCE,
    api::{Api, text},
    cluster::{Cluster, Kind},
    eventually,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Body, Response, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::time::{Instant, timeout};

const MIB: u64 = 1 << 20;
/// The size of the large upload.
const LARGE: u64 = 2048 * MIB + 12_345;
/// A part that is being filled and two on their way are 24 MiB; the rest is for what the store's
/// client, sockets and the allocator keep of them.
const GATEWAY: u64 = 96 * MIB;
const PIECE: u64 = 1 << 18;

/// Text that differs at every place, from `from` on.
fn bytes_of(from: u64, to: u64) -> Vec<u8> {
    const LINE: u64 = 16;
    let first = from / LINE;
    let mut text: Vec<u8> =
        (first..to.div_ceil(LINE)).flat_map(|n| format!("{n:015x}\n").into_bytes()).collect();
    text.truncate((to - first * LINE) as usize);
    text.drain(..(from % LINE) as usize);
    text
}

struct Tus {
    api: Api,
    path: String,
}

impl Tus {
    async fn create(api: &Api, length: u64, filename: &str) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let answer = api
            .client
            .post(format!("{}/api/v2/uploads", api.base))
            .header("tus-resumable", "1.0.0")
            .header("upload-length", length)
            .header("upload-metadata", format!("filename {}", STANDARD.encode(filename)))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        Self { api: api.clone(), path: answer.headers()["location"].to_str().unwrap().to_owned() }
    }

    /// The offset, as soon as a gateway answers.
    async fn offset(&self) -> u64 {
        eventually("the offset of the upload", || async {
            let head = self.api.client.head(format!("{}{}", self.api.base, self.path));
            let answer = head.header("tus-resumable", "1.0.0").send().await.ok()?;
            answer.headers().get("upload-offset")?.to_str().ok()?.parse().ok()
        })
        .await
    }

    /// Sends what is left; `None` where it breaks off. `sent` counts.
    async fn send(&self, from: u64, length: u64, sent: Arc<AtomicU64>) -> Option<Response> {
        let pieces = stream::iter((from..length).step_by(PIECE as usize)).map(move |at| {
            let piece = Bytes::from(bytes_of(at, length.min(at + PIECE)));
            sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok::<_, std::io::Error>(piece)
        });
        let patch = self.api.client.patch(format!("{}{}", self.api.base, self.path));
        let answer = patch
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", from)
            .header("content-type", "application/offset+octet-stream")
            .body(Body::wrap_stream(pieces))
            .send()
            .await
            .ok()?;
        Some(answer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_wherever_it_ends_as_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await.common(&[("RAGSTREAM_PARTITIONS", "3".to_owned())]);
    cluster.add_all().await;
    cluster.add(Kind::Gateway, "gateway-1", &[]);
    cluster.role("gateway-1").ready().await;
    let api = cluster.gateway();
    let mut other = Tus::create(&api, LARGE, "large.txt").await;
    let idle = cluster.role("gateway").process().memory("VmHWM");
    let mut random = StdRng::seed_from_u64(11);
    let mut offsets = vec![0];
    for kill in ["gateway", "client", "gateway"] {
        let from = other.offset().await;
        assert!(from >= *offsets.last().unwrap(), "what was told to be stored stays so: {offsets:?}, {from}");
        offsets.push(from);
        let sent = Arc::new(AtomicU64::new(0));
        let upload = Tus { api: other.api.clone(), path: other.path.clone() };
        let counter = sent.clone();
        let sending = tokio::spawn(async move { upload.send(from, LARGE, counter).await });
        let until = random.random_range(100 * MIB..600 * MIB);
        let deadline = Instant::now() + PATIENCE;
        while sent.load(Ordering::Relaxed) < until {
            assert!(Instant::now() < deadline && !sending.is_finished(), "it is sent");
            tokio::task::yield_now().await;
        }
        if kill == "client" {
            // Its connection ends with it; it comes back to another gateway.
            sending.abort();
            other.api = cluster.role("gateway-1").api.clone();
        } else {
            let name = if other.api.base == api.base { "gateway" } else { "gateway-1" };
            cluster.role(name).kill();
            assert!(timeout(PATIENCE, sending).await.unwrap().unwrap().is_none(), "the gateway was killed");
            cluster.role(name).start(&[]);
            cluster.role(name).ready().await;
        }
    }
    let from = other.offset().await;
    assert!(from > 100 * MIB && from < LARGE, "{from}");
    let answer = other.send(from, LARGE, Arc::default()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{:?}", answer.text().await);
    assert_eq!(answer.headers()["upload-offset"], LARGE.to_string().as_str());
    let document = answer.headers()["ragstream-document-id"].to_str().unwrap().to_owned();
    let mut hash = Sha256::new();
    (0..LARGE).step_by(PIECE as usize).for_each(|at| hash.update(bytes_of(at, LARGE.min(at + PIECE))));
    let expected: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let facts = api.get(&format!("/api/v2/documents/{document}")).await.body;
    assert_eq!(text(&facts, "sha256"), expected);
    assert_eq!(facts["size_bytes"], LARGE);
    // The bytes themselves, for the hash could be of others.
    let mut stored = Sha256::new();
    let content =
        api.client.get(format!("{}/api/v2/documents/{document}/content", api.base)).send().await.unwrap();
    let mut content = content.bytes_stream();
    while let Some(piece) = content.next().await {
        stored.update(piece.unwrap());
    }
    let stored: String = stored.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(stored, expected);
    for name in ["gateway", "gateway-1"] {
        let peak = cluster.role(name).process().memory("VmHWM");
        println!("{name}: {} MiB over idle", peak.saturating_sub(idle) / MIB);
        assert!(peak < idle + GATEWAY, "{name}: {} MiB over idle", (peak - idle) / MIB);
    }
}
