//! The ONNX graph of a BERT encoder with mean pooling and L2 norm, built from
//! its weights with plain operators; ONNX Runtime fuses them when it loads it.

use crate::{
    error::EmbedderError,
    graph::GraphBuilder,
    onnx::{AttributeProto, Dimension, FLOAT, INT64, ValueInfoProto},
    weights::Weights,
};
use serde::Deserialize;

/// Added to the attention scores of padding. Not the smallest float, which is
/// minus infinity in half precision and makes rows of padding NaN.
const MASK_BIAS: f32 = -1e4;
/// Keeps the division by a length from dividing by zero.
const TINY: f32 = 1e-12;

/// The fields of `config.json` that make the graph.
#[derive(Clone, Debug, Deserialize)]
pub struct BertConfig {
    model_type: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    hidden_act: String,
    /// Length of a vector.
    pub hidden_size: usize,
    intermediate_size: usize,
    layer_norm_eps: f32,
    /// Most tokens of a text, special ones counted.
    pub max_position_embeddings: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    type_vocab_size: usize,
    vocab_size: usize,
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl BertConfig {
    /// `Model` where the file is not the configuration of a BERT encoder.
    pub fn parse(json: &[u8]) -> Result<Self, EmbedderError> {
        serde_json::from_slice(json)
            .map_err(|e| EmbedderError::Model(format!("config.json is not one of a BERT model: {e}")))
    }

    fn check(&self) -> Result<(), EmbedderError> {
        let heads = self.num_attention_heads;
        let wrong = if self.model_type != "bert" {
            format!("model_type {:?}", self.model_type)
        } else if self.position_embedding_type != "absolute" {
            format!("position_embedding_type {:?}", self.position_embedding_type)
        } else if self.hidden_act != "gelu" {
            format!("hidden_act {:?}", self.hidden_act)
        } else if heads == 0 || !self.hidden_size.is_multiple_of(heads) {
            format!("{heads} heads for a hidden size of {}", self.hidden_size)
        } else {
            return Ok(());
        };
        Err(EmbedderError::Model(format!(
            "config.json has {wrong}, from which no graph can be built; put a model.onnx beside it"
        )))
    }
}

/// The ONNX file of the encoder. Inputs `input_ids`, `attention_mask` and
/// `token_type_ids` (`[batch, sequence]`, 64-bit); output `sentence_embedding`
/// (`[batch, hidden]`, unit length).
pub fn build(config: &BertConfig, safetensors: &[u8]) -> Result<Vec<u8>, EmbedderError> {
    config.check()?;
    let mut bert = Bert { g: GraphBuilder::default(), w: Weights::parse(safetensors)?, c: config };
    let mask_bias = bert.mask_bias();
    let mut hidden = bert.embeddings()?;
    for layer in 0..config.num_hidden_layers {
        hidden = bert.layer(layer, &hidden, &mask_bias)?;
    }
    let pooled = bert.pool(&hidden);
    let named = |name: &str| Dimension::Named(name.to_owned());
    let input = |name| ValueInfoProto::tensor(name, INT64, &[named("batch"), named("sequence")]);
    let inputs = ["input_ids", "attention_mask", "token_type_ids"].map(input).to_vec();
    let shape = [named("batch"), Dimension::Fixed(config.hidden_size as i64)];
    Ok(bert.g.finish(inputs, &pooled, ValueInfoProto::tensor("sentence_embedding", FLOAT, &shape)))
}

struct Bert<'a> {
    g: GraphBuilder,
    w: Weights<'a>,
    c: &'a BertConfig,
}

impl Bert<'_> {
    /// `[batch, 1, 1, sequence]`: 0 for a token, [`MASK_BIAS`] for padding.
    fn mask_bias(&mut self) -> String {
        let (one, two) = (self.g.integers(&[1]), self.g.integers(&[2]));
        let mask = self.g.op("Unsqueeze", &["attention_mask", &one]);
        let mask = self.g.op("Unsqueeze", &[&mask, &two]);
        let mask = self.floats(&mask);
        let (unit, bias) = (self.g.scalar(1.0), self.g.scalar(MASK_BIAS));
        let padding = self.g.op("Sub", &[&unit, &mask]);
        self.g.op("Mul", &[&padding, &bias])
    }

    fn floats(&mut self, value: &str) -> String {
        self.g.node("Cast", &[value], vec![AttributeProto::int("to", FLOAT.into())])
    }

    /// Word, position and segment embeddings, summed and normed.
    fn embeddings(&mut self) -> Result<String, EmbedderError> {
        let c = self.c;
        let words = self.table("embeddings.word_embeddings.weight", c.vocab_size)?;
        let positions = self.table("embeddings.position_embeddings.weight", c.max_position_embeddings)?;
        let segments = self.table("embeddings.token_type_embeddings.weight", c.type_vocab_size)?;
        let word = self.g.op("Gather", &[&words, "input_ids"]);
        let segment = self.g.op("Gather", &[&segments, "token_type_ids"]);
        let zero = self.g.integers(&[0]);
        let bounds = vec![AttributeProto::int("start", 1), AttributeProto::int("end", 2)];
        let length = self.g.node("Shape", &["input_ids"], bounds);
        let position = self.g.op("Slice", &[&positions, &zero, &length, &zero]);
        let sum = self.g.op("Add", &[&word, &segment]);
        let sum = self.g.op("Add", &[&sum, &position]);
        self.layer_norm(&sum, "embeddings.LayerNorm")
    }

    fn table(&mut self, name: &str, rows: usize) -> Result<String, EmbedderError> {
        let shape = [rows, self.c.hidden_size];
        let data = self.w.floats(name, &shape)?;
        Ok(self.g.weight(name, &shape, data))
    }

    fn layer_norm(&mut self, input: &str, name: &str) -> Result<String, EmbedderError> {
        let shape = [self.c.hidden_size];
        let mut part = |part: &str| -> Result<String, EmbedderError> {
            let name = format!("{name}.{part}");
            let data = self.w.floats(&name, &shape)?;
            Ok(self.g.weight(&name, &shape, data))
        };
        let (scale, bias) = (part("weight")?, part("bias")?);
        let attributes =
            vec![AttributeProto::int("axis", -1), AttributeProto::float("epsilon", self.c.layer_norm_eps)];
        Ok(self.g.node("LayerNormalization", &[input, &scale, &bias], attributes))
    }

    fn linear(&mut self, input: &str, name: &str, from: usize, to: usize) -> Result<String, EmbedderError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let matrix = self.w.transposed(&weight, to, from)?;
        let offsets = self.w.floats(&bias, &[to])?;
        let weight = self.g.weight(&weight, &[from, to], matrix);
        let bias = self.g.weight(&bias, &[to], offsets);
        let product = self.g.op("MatMul", &[input, &weight]);
        Ok(self.g.op("Add", &[&product, &bias]))
    }

    /// One encoder layer: self-attention and a feed-forward net, each with its residual.
    fn layer(&mut self, layer: usize, input: &str, mask_bias: &str) -> Result<String, EmbedderError> {
        let (hidden, inner) = (self.c.hidden_size, self.c.intermediate_size);
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        let context = self.attention(&at("attention.self"), input, mask_bias)?;
        let out = self.linear(&context, &at("attention.output.dense"), hidden, hidden)?;
        let sum = self.g.op("Add", &[&out, input]);
        let attended = self.layer_norm(&sum, &at("attention.output.LayerNorm"))?;
        let wide = self.linear(&attended, &at("intermediate.dense"), hidden, inner)?;
        let active = self.gelu(&wide);
        let out = self.linear(&active, &at("output.dense"), inner, hidden)?;
        let sum = self.g.op("Add", &[&out, &attended]);
        self.layer_norm(&sum, &at("output.LayerNorm"))
    }

    fn attention(&mut self, name: &str, input: &str, mask_bias: &str) -> Result<String, EmbedderError> {
        let size = self.c.hidden_size / self.c.num_attention_heads;
        let query = self.heads(input, &format!("{name}.query"), &[0, 2, 1, 3])?;
        let key = self.heads(input, &format!("{name}.key"), &[0, 2, 3, 1])?;
        let value = self.heads(input, &format!("{name}.value"), &[0, 2, 1, 3])?;
        let scores = self.g.op("MatMul", &[&query, &key]);
        let root = self.g.scalar((size as f32).sqrt());
        let scores = self.g.op("Div", &[&scores, &root]);
        let scores = self.g.op("Add", &[&scores, mask_bias]);
        let weights = self.g.node("Softmax", &[&scores], vec![AttributeProto::int("axis", -1)]);
        let context = self.g.op("MatMul", &[&weights, &value]);
        let order = vec![AttributeProto::ints("perm", &[0, 2, 1, 3])];
        let context = self.g.node("Transpose", &[&context], order);
        let shape = self.g.integers(&[0, 0, self.c.hidden_size as i64]);
        Ok(self.g.op("Reshape", &[&context, &shape]))
    }

    /// A projection, cut into heads: `[batch, sequence, head, size]` in the order `perm`.
    fn heads(&mut self, input: &str, name: &str, perm: &[i64]) -> Result<String, EmbedderError> {
        let (hidden, heads) = (self.c.hidden_size, self.c.num_attention_heads);
        let projected = self.linear(input, name, hidden, hidden)?;
        let shape = self.g.integers(&[0, 0, heads as i64, (hidden / heads) as i64]);
        let split = self.g.op("Reshape", &[&projected, &shape]);
        Ok(self.g.node("Transpose", &[&split], vec![AttributeProto::ints("perm", perm)]))
    }

    /// x · (1 + erf(x / √2)) / 2.
    fn gelu(&mut self, x: &str) -> String {
        let root = self.g.scalar(std::f32::consts::SQRT_2);
        let (one, half) = (self.g.scalar(1.0), self.g.scalar(0.5));
        let erf = self.g.op("Div", &[x, &root]);
        let erf = self.g.op("Erf", &[&erf]);
        let shifted = self.g.op("Add", &[&erf, &one]);
        let product = self.g.op("Mul", &[x, &shifted]);
        self.g.op("Mul", &[&product, &half])
    }

    /// The mean over the tokens that are no padding, at unit length.
    fn pool(&mut self, hidden: &str) -> String {
        let (one, two) = (self.g.integers(&[1]), self.g.integers(&[2]));
        let tiny = self.g.scalar(TINY);
        let mask = self.g.op("Unsqueeze", &["attention_mask", &two]);
        let mask = self.floats(&mask);
        let masked = self.g.op("Mul", &[hidden, &mask]);
        let flat = || vec![AttributeProto::int("keepdims", 0)];
        let sum = self.g.node("ReduceSum", &[&masked, &one], flat());
        let count = self.g.node("ReduceSum", &[&mask, &one], flat());
        let count = self.g.op("Max", &[&count, &tiny]);
        let mean = self.g.op("Div", &[&sum, &count]);
        let rows = vec![AttributeProto::ints("axes", &[1]), AttributeProto::int("keepdims", 1)];
        let length = self.g.node("ReduceL2", &[&mean], rows);
        let length = self.g.op("Max", &[&length, &tiny]);
        self.g.op("Div", &[&mean, &length])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TINY_BERT: &str = r#"{"model_type":"bert","hidden_act":"gelu","hidden_size":4,"intermediate_size":8,
        "layer_norm_eps":1e-12,"max_position_embeddings":16,"num_attention_heads":2,"num_hidden_layers":1,
        "type_vocab_size":2,"vocab_size":10}"#;

    #[test]
    fn what_is_no_plain_bert_is_refused() {
        for (from, to) in [
            ("\"bert\"", "\"roberta\""),
            ("\"gelu\"", "\"gelu_new\""),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":3"),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":0"),
            ("{", "{\"position_embedding_type\":\"relative_key\","),
        ] {
            let config = BertConfig::parse(TINY_BERT.replacen(from, to, 1).as_bytes()).unwrap();
            let error = build(&config, b"").unwrap_err().to_string();
            assert!(error.contains("config.json"), "{error}");
        }
        assert!(BertConfig::parse(b"{}").is_err());
    }

    #[test]
    fn missing_weights_are_named() {
        let file = safetensors::serialize::<&str, safetensors::tensor::TensorView, _>([], None).unwrap();
        let error = build(&BertConfig::parse(TINY_BERT.as_bytes()).unwrap(), &file).unwrap_err();
        assert!(error.to_string().contains("embeddings.word_embeddings.weight"), "{error}");
    }
}
