//! The one integration test binary; one module a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod builtin;
