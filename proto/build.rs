//! Compiles the .proto files with protox, a protobuf compiler in Rust, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=ragstream");
    let files = protox::compile(["ragstream/v1/events.proto", "ragstream/v1/lifecycle.proto"], ["."])?;
    prost_build::Config::new().enable_type_names().bytes(["."]).compile_fds(files)?;
    Ok(())
}
