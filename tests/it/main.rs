//! All integration tests, in one binary; one module a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod architecture;
mod attention;
mod builtin;
mod check;
mod data;
mod density;
mod dist;
mod explain;
mod foundation;
mod generator;
mod infer;
mod minibatch;
mod network;
mod oracle;
mod output;
mod posteriordb;
mod reproduce;
mod robustness;
mod runtime;
mod syntax;
mod trace;
mod ui;
