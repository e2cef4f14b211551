//! What can go wrong with networks, their inputs and their files.

use std::path::PathBuf;

use thiserror::Error;

/// An error of the network.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A configuration that no network can have.
    #[error("`{field}` of the network's configuration is {value}: {rule}")]
    Config {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// Parts of a batch do not fit together.
    #[error("{what} of the batch has {found} elements, not {expected}")]
    Length {
        /// Which part.
        what: &'static str,
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Something in a batch points outside of what it points into.
    #[error("{what} {index} of the batch is not below {limit}")]
    Index {
        /// What points.
        what: &'static str,
        /// Where to.
        index: usize,
        /// How many there are.
        limit: usize,
    },
    /// Offsets that do not rise from 0 to the number of rows.
    #[error("the offsets of {what} do not rise from 0 to {rows}")]
    Offsets {
        /// Of which rows.
        what: &'static str,
        /// How many rows there are.
        rows: usize,
    },
    /// A batch asks for a part that the network does not have.
    #[error("the network has no {part}")]
    NoPart {
        /// Which part.
        part: &'static str,
    },
    /// Gradients were asked of a pass that recorded nothing.
    #[error("this pass was made without a tape: gradients need `Network::forward`")]
    NotRecorded,
    /// The framework ran out of memory.
    #[error("out of memory for tensors ({0})")]
    Memory(#[from] dfdx::tensor::CpuError),
    /// A device that is not there, or failed.
    #[error("the device cannot be used: {reason}")]
    Device {
        /// Why.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A weights file that is damaged, cut short or no weights file.
    #[error("not a whole file of weights: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// A weights file lacks a tensor.
    #[error("the weights lack the tensor `{name}`")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A weights file has a tensor that the network has no place for.
    #[error("the weights have a tensor `{name}` that this network does not")]
    Unexpected {
        /// The tensor.
        name: String,
    },
    /// A tensor of another shape.
    #[error("the tensor `{name}` has the shape {found:?}; the network's is {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The file's shape.
        found: Vec<usize>,
    },
    /// A tensor that is not of 32-bit floating-point numbers.
    #[error("the tensor `{name}` is of type {found}, not F32")]
    Kind {
        /// The tensor.
        name: String,
        /// The file's type.
        found: String,
    },
    /// A checkpoint of another network.
    #[error("the checkpoint is of a network with another `{part}`: {found}, not {expected}")]
    Mismatch {
        /// Which part of the configuration.
        part: &'static str,
        /// The configuration asked for.
        expected: String,
        /// The file's.
        found: String,
    },
    /// A configuration in Hugging Face's format that is not RoBERTa's.
    #[error("config.json: `{field}` is {found}, but must be {expected}")]
    HuggingFace {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
}
