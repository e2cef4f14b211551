//! unmask: a small probabilistic programming language whose inference is unmasking.
//!
//! A model is a program with given, sample and observe statements. It is read from a string or a file and checked; data are
//! bound by name; [`Model::simulate`] draws executions and [`Model::infer`] gives the posterior of what is not known,
//! together with a certificate that says how far to trust it. A function written in Rust stands for a `library fn` that is
//! declared without a body.
//!
//! ```
//! use unmask::{Data, HostFunction, InferOptions, Model};
//!
//! let source = "
//!     /// The yield of a reaction at an unknown temperature, measured three times.
//!     library fn yield_at(temperature: real) -> real;
//!
//!     model reaction {
//!         given n: int;
//!         sample temperature ~ normal(350, 20);
//!         plate i in 0..n {
//!             observe y[i] ~ normal(yield_at(temperature), 0.5);
//!         }
//!     }";
//! let model = Model::builder()
//!     .register("yield_at", HostFunction::real(|x| x[0] / 10.0).with_gradient(|_| vec![0.1]))
//!     .source("reaction.ppl", source)?;
//!
//! // `n` is read off the array.
//! let data = Data::new().with("y", vec![35.9, 36.2, 36.4]);
//! let posterior = model.infer(&data, &InferOptions::default())?;
//! assert!(posterior.certified);
//!
//! // Conjugate: prior precision 1/20², three observations of precision (0.1/0.5)².
//! let exact = (350.0 / 400.0 + 3.0 * 361.6667 * 0.04) / (1.0 / 400.0 + 3.0 * 0.04);
//! let temperature = posterior.variable("temperature").unwrap();
//! assert!((temperature.mean - exact).abs() < 5.0 * temperature.mcse);
//!
//! // What would be seen at a temperature that is known?
//! let draws = model.simulate(&Data::new().with("n", 2_i64).with("temperature", 340.0), 100, 1)?;
//! assert_eq!(draws.executions.len(), 100);
//! # Ok::<(), unmask::Error>(())
//! ```
//!
//! The same from the shell: `unmask infer reaction.ppl -d y=[35.9,36.2,36.4]`. The modules below are the whole compiler and
//! its engines; ARCHITECTURE.md in the repository has the map.

pub mod api;
pub mod builtin;
pub mod check;
pub mod cli;
pub mod data;
pub mod density;
pub mod diagnostic;
pub mod dist;
pub mod foundation;
pub mod generator;
pub mod infer;
pub mod network;
pub mod plot;
pub mod runtime;
pub mod span;
pub mod syntax;
mod temporary;
pub mod trace;
pub mod value;

pub use api::{
    Builder, Data, Draws, Error, Minibatch, MinibatchOptions, Model, NormalExpert, Plated, Product, Script,
    TraceOptions, VariableInfo,
};
pub use infer::{InferOptions, Inferred, Method};
pub use runtime::{HostFunction, Limits};
