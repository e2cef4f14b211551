//! The network: a transformer encoder, a light autoregressive decoder on it, and heads; generic over what tokens mean.
//!
//! Parameters, tape and gradients are dfdx's; what costs time are operations of our own, each half a layer, recorded on that
//! tape with a backward pass written by hand. They work on ragged sequences packed without padding, on all threads of
//! rayon's pool, in fixed chunks: the number of threads changes no bit of a result. Nothing outside this module sees a type
//! of dfdx.
//!
//! - [`Network::forward`] makes a [`Pass`] over a [`Batch`]; [`Pass::backward`] takes the loss's gradient with respect to the
//!   results and gives that of the parameters; [`Adam`] steps along it.
//! - [`Network::encode`] and [`Network::decode`] serve inference: one encoding, thousands of draws in step.
//! - [`save_checkpoint`] and [`load_checkpoint`] keep all of it in one safetensors file; [`Network::from_hugging_face`] reads
//!   RoBERTa.

mod adam;
mod arena;
mod attend;
mod attention;
mod batch;
mod checkpoint;
mod composed;
mod config;
mod decoding;
mod device;
mod error;
mod feed;
mod hugging_face;
mod layout;
mod model;
mod norm;
mod operation;
mod parameters;
mod pass;
mod product;
mod record;
mod simd;

pub use adam::{Adam, AdamOptions, AdamStep};
pub use attention::AttentionMap;
pub use batch::{Batch, Sequence};
pub use checkpoint::{Checkpoint, checkpoint_from_bytes, checkpoint_to_bytes, load_checkpoint, save_checkpoint};
pub use config::{DecoderConfig, EncoderConfig, HeadConfig, NetworkConfig, Norm};
pub use decoding::{Decoding, Encoded};
pub use device::{Device, Placement};
pub use error::NetworkError;
pub use model::{Network, Parameter};
pub use pass::{Gradients, Pass, Seeds};
