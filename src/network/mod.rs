//! The network: a transformer encoder, a light autoregressive decoder on it, and heads; generic over what tokens mean.
//!
//! Parameters, tape and gradients are dfdx's; what costs time are operations of our own, each half a layer, recorded on that
//! tape with a backward pass written by hand. They work on ragged sequences packed without padding, on all threads of
//! rayon's pool, in fixed chunks: the number of threads changes no bit of a result. Nothing outside this module sees a type
//! of dfdx.
//!
//! - [`Network::forward`] makes a [`Pass`] over a [`Batch`]; [`Pass::backward`] takes the loss's gradient with respect to the
//!   results and gives that of the parameters.

mod arena;
mod attend;
mod attention;
mod batch;
mod config;
mod error;
mod feed;
mod layout;
mod model;
mod norm;
mod operation;
mod parameters;
mod product;
mod record;
mod simd;

pub use batch::{Batch, Sequence};
pub use config::{DecoderConfig, EncoderConfig, HeadConfig, NetworkConfig, Norm};
pub use error::NetworkError;
pub use model::{Gradients, Network, Parameter, Pass, Seeds};
