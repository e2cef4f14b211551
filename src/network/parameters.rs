//! The named parameters of a network, and how they start.

use dfdx::tensor::{Cpu, CpuError, TensorFromVec};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal, Uniform};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::record::Matrix;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    Zero,
    One,
    /// Normal with a standard deviation.
    Normal(f32),
    /// Uniform between −bound and bound.
    Uniform(f32),
}

/// What part of the network a parameter belongs to, for freezing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Embedding,
    /// A layer of the encoder, from 0.
    Layer(usize),
    /// Everything above the encoder's layers.
    Top,
}

/// Where a parameter stands among all.
pub(super) type Index = usize;

/// A parameter without values.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub name: String,
    /// As in files: vectors have one dimension.
    pub shape: Vec<usize>,
    pub part: Part,
    pub start: Start,
}

impl Declared {
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// As in tensors: vectors have one row.
    fn matrix(&self) -> (usize, usize) {
        match self.shape[..] {
            [rows, columns] => (rows, columns),
            _ => (1, self.len()),
        }
    }

    /// The tensor with given values.
    pub(super) fn tensor(&self, values: Vec<f32>) -> Result<Matrix, CpuError> {
        Cpu::default().try_tensor_from_vec(values, self.matrix())
    }

    /// Values to start from: a function of the seed and the parameter's place only.
    pub(super) fn initial(&self, seed: u64, index: Index) -> Vec<f32> {
        let mut random =
            Xoshiro256PlusPlus::seed_from_u64(seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let n = self.len();
        match self.start {
            Start::Zero => vec![0.0; n],
            Start::One => vec![1.0; n],
            Start::Normal(deviation) => Normal::new(0.0, deviation)
                .map_or_else(|_| vec![0.0; n], |law| law.sample_iter(&mut random).take(n).collect()),
            Start::Uniform(bound) => Uniform::new_inclusive(-bound, bound)
                .map_or_else(|_| vec![0.0; n], |law| law.sample_iter(&mut random).take(n).collect()),
        }
    }
}
