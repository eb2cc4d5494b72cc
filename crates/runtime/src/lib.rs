//! The life of a process: configuration, telemetry, health, HTTP, tasks, the end.

pub mod admin;
pub mod config;
pub mod health;
pub mod http;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
