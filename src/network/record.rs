//! The only contact with dfdx's tape: operations with backward passes of our own, recorded on it.
//!
//! dfdx gives tensors identities, a tape and gradients by identity. Tensors cannot be borrowed as slices from outside, so an
//! operation copies its arguments into buffers of the arena ([`Recorder::values`]) and makes its result from a vector.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use dfdx::tensor::{Cpu, CpuError, OwnedTape, PutTape, Tape, Tensor, TensorFromVec};
use dfdx::tensor_ops::Backward;

use super::arena::{Arena, Buffer};
use super::attention::AttentionMap;
use super::product::{AffineValues, transpose};

/// A tensor of two dimensions; vectors have one row.
pub(super) type Matrix = Tensor<(usize, usize), f32, Cpu>;

/// A value in a recorded pass. dfdx keeps the identities of tensors to itself, hence one of our own.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) tensor: Matrix,
    identity: usize,
}

impl Node {
    /// Rows and columns.
    pub(super) fn shape(&self) -> (usize, usize) {
        *dfdx::shapes::HasShape::shape(&self.tensor)
    }
}

type DfdxGradients = dfdx::tensor::Gradients<f32, Cpu>;

/// Records a forward pass.
pub(super) struct Recorder {
    device: Cpu,
    tape: Option<OwnedTape<f32, Cpu>>,
    /// Values made so far.
    made: usize,
    /// Values whose gradients are wanted.
    wanted: HashSet<usize>,
    /// Tensors whose gradient has been written to, while the tape is played backwards.
    written: Rc<RefCell<HashSet<usize>>>,
    pub(super) arena: Arena,
    /// Probabilities of attention, where they are asked for.
    pub(super) maps: Option<Vec<AttentionMap>>,
}

/// Gradients of the arguments of an operation, in their order; `None` where it was not wanted.
pub(super) type ArgumentGradients = Vec<Option<Vec<f32>>>;

/// Gradients of leaves.
pub(super) struct Recorded {
    gradients: DfdxGradients,
}

/// Adds `values` to the gradient of `tensor`.
fn accumulate(
    gradients: &mut DfdxGradients,
    written: &RefCell<HashSet<usize>>,
    arena: &Arena,
    tensor: &Node,
    values: Vec<f32>,
) -> Result<(), CpuError> {
    let gradient = gradients.get_or_alloc_mut(&tensor.tensor)?;
    if written.borrow_mut().insert(tensor.identity) {
        **gradient = values;
    } else {
        super::simd::vectorised(|| super::simd::add(gradient, &values));
        arena.give(values);
    }
    Ok(())
}

impl Recorder {
    /// `tape`: whether backward passes are recorded.
    pub(super) fn new(arena: Arena, tape: bool) -> Self {
        Self {
            device: Cpu::default(),
            tape: tape.then(OwnedTape::default),
            made: 0,
            wanted: HashSet::new(),
            written: Rc::default(),
            arena,
            maps: None,
        }
    }

    /// Whether backward passes are recorded at all.
    pub(super) fn records(&self) -> bool {
        self.tape.is_some()
    }

    fn node(&mut self, tensor: Matrix, wanted: bool) -> Node {
        self.made += 1;
        if wanted {
            self.wanted.insert(self.made);
        }
        Node { tensor, identity: self.made }
    }

    /// Brings data in, `[values.len() / columns, columns]`.
    pub(super) fn input(&mut self, values: Vec<f32>, columns: usize) -> Result<Node, CpuError> {
        let rows = values.len() / columns.max(1);
        let tensor = self.device.try_tensor_from_vec(values, (rows, columns))?;
        Ok(self.node(tensor, false))
    }

    /// Brings a parameter in; says whether its gradient is wanted.
    pub(super) fn leaf(&mut self, tensor: &Matrix, wanted: bool) -> Node {
        let wanted = wanted && self.records();
        self.node(tensor.clone(), wanted)
    }

    /// Whether the gradient of a tensor is wanted.
    pub(super) fn wants(&self, tensor: &Node) -> bool {
        self.wanted.contains(&tensor.identity)
    }

    /// A copy of a tensor's values.
    pub(super) fn values(&self, tensor: &Node) -> Buffer {
        let mut values = self.arena.take(tensor.shape().0 * tensor.shape().1);
        tensor.tensor.copy_into(&mut values);
        values
    }

    /// A copy of an affine map's values.
    pub(super) fn affine(&self, [weight, bias]: &[Node; 2]) -> AffineValues<Buffer> {
        let (out, width) = weight.shape();
        let weight = self.values(weight);
        let mut transposed = self.arena.take(weight.len());
        transpose(&weight, out, width, &mut transposed);
        AffineValues { weight, transposed, bias: self.values(bias) }
    }

    /// The result of an operation, `[rows, columns]`, and its backward pass, which is given the result's gradient and gives
    /// those of `arguments`.
    pub(super) fn record(
        &mut self,
        values: Vec<f32>,
        shape: (usize, usize),
        arguments: Vec<Node>,
        backward: impl FnOnce(&[f32], &[bool]) -> ArgumentGradients + 'static,
    ) -> Result<Node, CpuError> {
        let wanted: Vec<bool> = arguments.iter().map(|a| self.wants(a)).collect();
        let tensor = self.device.try_tensor_from_vec(values, shape)?;
        let result = self.node(tensor, wanted.contains(&true));
        let Some(tape) = self.tape.as_mut().filter(|_| wanted.contains(&true)) else { return Ok(result) };
        let (output, written, arena) = (result.clone(), Rc::clone(&self.written), self.arena.clone());
        tape.add_backward_op(move |gradients: &mut DfdxGradients| {
            if !written.borrow().contains(&output.identity) {
                return Ok(()); // nothing depends on it
            }
            let d_output = std::mem::take(&mut **gradients.get_or_alloc_mut(&output.tensor)?);
            let found = backward(&d_output, &wanted);
            arena.give(d_output);
            for ((argument, gradient), wanted) in arguments.iter().zip(found).zip(&wanted) {
                if let Some(gradient) = gradient.filter(|_| *wanted) {
                    accumulate(gradients, &written, &arena, argument, gradient)?;
                }
            }
            Ok(())
        });
        Ok(result)
    }

    /// Plays the tape backwards from given gradients of results.
    pub(super) fn backward(mut self, seeds: Vec<(Node, Vec<f32>)>) -> Result<Recorded, CpuError> {
        let mut tape = self.tape.take().unwrap_or_default();
        let (written, arena) = (Rc::clone(&self.written), self.arena.clone());
        tape.add_backward_op(move |gradients: &mut DfdxGradients| {
            for (tensor, seed) in seeds {
                accumulate(gradients, &written, &arena, &tensor, seed)?;
            }
            Ok(())
        });
        let root: Tensor<(), f32, Cpu> = self.device.try_tensor_from_vec(vec![0.0], ())?;
        Ok(Recorded { gradients: root.put_tape(tape).try_backward()? })
    }
}

impl Recorded {
    /// Takes the gradient of a leaf out.
    pub(super) fn take(&mut self, leaf: &Node) -> Result<Vec<f32>, CpuError> {
        Ok(std::mem::take(&mut **self.gradients.get_or_alloc_mut(&leaf.tensor)?))
    }
}
