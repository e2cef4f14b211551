//! What a composed pass gives, and the way back.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Merge, OwnedTape, PutTape, SplitTape, Tensor};
use dfdx::tensor_ops::{Backward, Device as Kernels, SumTo, TryAdd, TryMul};

use super::{Matrix, Taped, failed};
use crate::network::error::NetworkError;
use crate::network::pass::{Output, Outputs};

/// The results of a pass, each with the tape of what only it was made by.
pub(super) struct Results<D: Kernels<f32>> {
    pub(super) device: D,
    pub(super) outputs: Vec<(Output, Taped<D>)>,
    /// The parameters, and whether their gradients are wanted.
    pub(super) leaves: Vec<(Matrix<D>, bool)>,
    pub(super) records: bool,
}

impl<D: Kernels<f32>> Results<D> {
    fn find(&self, output: Output) -> Option<&Taped<D>> {
        self.outputs.iter().find(|(own, _)| *own == output).map(|(_, tensor)| tensor)
    }

    /// The gradients of Σ ⟨result, seed⟩.
    fn gradients(self, seeds: Vec<(Output, Vec<f32>)>) -> Result<Vec<Vec<f32>>, D::Err> {
        let mut tape = OwnedTape::default();
        let mut results = Vec::with_capacity(self.outputs.len());
        for (output, tensor) in self.outputs {
            let (tensor, own) = tensor.split_tape();
            tape = tape.merge(own);
            results.push((output, tensor));
        }
        let mut loss: Tensor<(), f32, D, OwnedTape<f32, D>> = self.device.try_zeros()?.put_tape(tape);
        for (output, tensor) in results {
            let Some((_, seed)) = seeds.iter().find(|(of, _)| *of == output) else { continue };
            let seed = self.device.try_tensor_from_vec(seed.clone(), *tensor.shape())?;
            loss = loss.try_add(tensor.retaped::<OwnedTape<f32, D>>().try_mul(seed)?.try_sum::<(), _>()?)?;
        }
        let mut gradients = loss.try_backward()?;
        let mut values = Vec::with_capacity(self.leaves.len());
        for (leaf, wanted) in self.leaves {
            gradients.try_alloc_for(&leaf)?;
            values.push(if wanted { gradients.get(&leaf).as_vec() } else { Vec::new() });
        }
        Ok(values)
    }
}

impl<D: Kernels<f32>> Outputs for Results<D> {
    fn records(&self) -> bool {
        self.records
    }

    fn shape(&self, output: Output) -> Option<(usize, usize)> {
        self.find(output).map(|tensor| *tensor.shape())
    }

    fn values(&self, output: Output) -> Option<Vec<f32>> {
        self.find(output).map(Tensor::as_vec)
    }

    fn backward(self: Box<Self>, seeds: Vec<(Output, Vec<f32>)>) -> Result<Vec<Vec<f32>>, NetworkError> {
        self.gradients(seeds).map_err(failed)
    }
}
