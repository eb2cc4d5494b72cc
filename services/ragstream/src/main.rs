//! ragstream
fn main() {}
