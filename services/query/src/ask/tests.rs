#![allow(clippy::unwrap_used)]
use super::*;
use crate::testing::Rig;
use ragstream_core::{
    fault::{Fault, Result},
    ports::ModelInfo,
};

struct NoModel(ModelInfo);

impl Embedder for NoModel {
    fn model(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(&self, _: &[&str]) -> Result<Vec<Result<Vec<f32>>>> {
        Err(Fault::failed("no_model", "a test asked for a vector"))
    }
}

#[tokio::test]
async fn a_node_that_has_not_caught_up_leaves_the_answer_to_others() {
    let rig = Rig::new();
    let model = ModelInfo { name: "m".into(), dimension: 4, max_tokens: 9 };
    let asker = Asker::new(rig.view.clone(), Arc::new(NoModel(model)), Models::default());
    let request = serde_json::json!({"query": "anything", "mode": "keyword"});
    let refused = asker.search(serde_json::from_value(request).unwrap()).await.unwrap_err();
    assert_eq!((refused.status, refused.retry_after.is_some()), (503, true));
    assert_eq!(refused.kind, "/problems/index_catching_up");
    assert!(rig.rebuilder.begin().is_err(), "nor is there anything to rebuild");
}
