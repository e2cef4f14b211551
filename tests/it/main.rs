//! All integration tests, in one binary; one module a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod architecture;
mod builtin;
mod check;
mod data;
mod dist;
mod infer;
mod robustness;
mod runtime;
mod syntax;
mod ui;
