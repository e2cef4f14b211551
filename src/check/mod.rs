//! From syntax trees to the core program: names, types and sizes.

pub mod core;
