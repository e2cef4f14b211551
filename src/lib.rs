//! unmask: a small probabilistic programming language whose inference is unmasking.
//!
//! A program says how data come about. Values that are not known are masked, and inference fills them in, with a word on
//! whether the answer can be trusted.
//!
//! ```
//! use unmask::infer::InferOptions;
//! use unmask::{Data, HostFunction, Model};
//!
//! // A program from a string, with a function that Rust provides.
//! let model = Model::builder()
//!     .register("twice", HostFunction::real(|x| 2.0 * x[0]).with_gradient(|_| vec![2.0]))
//!     .source(
//!         "scale.ppl",
//!         "library fn twice(x: real) -> real;
//!          model scale {
//!              sample mass ~ normal(0, 1);
//!              observe reading ~ normal(twice(mass), 1);
//!          }",
//!     )?;
//!
//! // What is known; the rest is inferred.
//! let data = Data::new().with("reading", 2.0);
//! let answer = model.infer(&data, &InferOptions::default())?;
//! assert!(answer.certified);
//!
//! // The exact posterior is normal with mean 0.8 and variance 0.2.
//! let mass = answer.variable("mass").ok_or("no such variable")?;
//! assert!((mass.mean - 0.8).abs() < 0.05);
//! assert!((mass.sd - 0.2_f64.sqrt()).abs() < 0.05);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Model`], [`Script`] and [`Data`] are all that most programs need; mistakes are values of [`Error`]. The modules
//! below give more control, from the syntax tree ([`syntax`]) to single engines ([`infer`]).

pub mod api;
pub mod builtin;
pub mod check;
pub mod cli;
pub mod data;
pub mod diagnostic;
pub mod dist;
pub mod infer;
pub mod runtime;
pub mod span;
pub mod syntax;
pub mod value;

pub use api::{Builder, Data, Draws, Error, Model, Script, VariableInfo};
pub use runtime::{HostFunction, Limits};
