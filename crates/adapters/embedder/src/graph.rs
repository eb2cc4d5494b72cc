//! A graph in the making: nodes are appended in the order in which they run.

use crate::onnx::{
    AttributeProto, FLOAT, GraphProto, INT64, IR_VERSION, ModelProto, NodeProto, OPSET, OperatorSetIdProto,
    TensorProto, ValueInfoProto,
};
use bytes::Bytes;
use prost::Message;

/// Collects nodes and constants, and names what they give.
#[derive(Default)]
pub struct GraphBuilder {
    graph: GraphProto,
}

impl GraphBuilder {
    /// Appends a node; returns the name of its output.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let name = format!("{op}_{}", self.graph.node.len());
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
            attribute: attributes,
        });
        name
    }

    /// Appends a node without attributes.
    pub fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.node(op, inputs, Vec::new())
    }

    /// A weight of 32-bit floats, as little-endian bytes row by row.
    pub fn weight(&mut self, name: &str, dims: &[usize], raw_data: Bytes) -> String {
        self.tensor(name, dims.iter().map(|&d| d as i64).collect(), FLOAT, raw_data)
    }

    /// A single number.
    pub fn scalar(&mut self, value: f32) -> String {
        let name = format!("scalar_{}", self.graph.initializer.len());
        self.tensor(&name, Vec::new(), FLOAT, value.to_le_bytes().to_vec().into())
    }

    /// A vector of integers: shapes, axes, indices.
    pub fn integers(&mut self, values: &[i64]) -> String {
        let name = format!("integers_{}", self.graph.initializer.len());
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(&name, vec![values.len() as i64], INT64, raw.into())
    }

    fn tensor(&mut self, name: &str, dims: Vec<i64>, data_type: i32, raw_data: Bytes) -> String {
        self.graph.initializer.push(TensorProto { dims, data_type, name: name.to_owned(), raw_data });
        name.to_owned()
    }

    /// The file: `result` (the output of a node) is given out under the name of `output`.
    pub fn finish(mut self, inputs: Vec<ValueInfoProto>, result: &str, output: ValueInfoProto) -> Vec<u8> {
        self.graph.node.push(NodeProto {
            input: vec![result.to_owned()],
            output: vec![output.name.clone()],
            name: "output".to_owned(),
            op_type: "Identity".to_owned(),
            attribute: Vec::new(),
        });
        self.graph.name = "bert".to_owned();
        self.graph.input = inputs;
        self.graph.output = vec![output];
        ModelProto {
            ir_version: IR_VERSION,
            producer_name: "ragstream".to_owned(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        }
        .encode_to_vec()
    }
}
