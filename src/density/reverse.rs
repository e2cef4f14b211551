//! Reverse-mode differentiation of functions that are generic over [`Scalar`]: what the densities of distributions over
//! vectors, and of distributions made of distributions, are differentiated with.

use std::cell::RefCell;

use crate::dist::{Scalar, scalar_arithmetic};

/// The steps of one function, of which each knows what it was computed from.
#[derive(Default)]
struct Steps {
    /// Variables that the function is a function of.
    inputs: usize,
    /// The edges of step i are those up to `ends[i]`.
    ends: Vec<u32>,
    /// Which variable or step, and the partial derivative.
    edges: Vec<(u32, f64)>,
    adjoints: Vec<f64>,
}

thread_local! {
    static STEPS: RefCell<Steps> = RefCell::default();
}

const CONSTANT: u32 = u32::MAX;

/// A number that remembers how it was computed, in the steps of its thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    pub value: f64,
    index: u32,
}

impl Variable {
    /// Which of the inputs it is, if it is one.
    pub fn input(self) -> Option<usize> {
        let inputs = STEPS.with_borrow(|steps| steps.inputs);
        (self.index != CONSTANT && (self.index as usize) < inputs).then_some(self.index as usize)
    }

    pub fn is_constant(self) -> bool {
        self.index == CONSTANT
    }
}

impl Scalar for Variable {
    fn constant(value: f64) -> Self {
        Self { value, index: CONSTANT }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn combine<const N: usize>(value: f64, inputs: [Self; N], partials: impl FnOnce() -> [f64; N]) -> Self {
        if inputs.iter().all(|x| x.index == CONSTANT) {
            return Self::constant(value);
        }
        STEPS.with_borrow_mut(|steps| {
            for (input, partial) in inputs.iter().zip(partials()) {
                if input.index != CONSTANT {
                    steps.edges.push((input.index, partial));
                }
            }
            steps.ends.push(steps.edges.len() as u32);
            Self { value, index: (steps.inputs + steps.ends.len() - 1) as u32 }
        })
    }
}

scalar_arithmetic!({} Variable);

/// Starts a function of `values`, of which those that are not `varying` are constants.
pub(super) fn inputs(values: &[f64], varying: &[bool]) -> Vec<Variable> {
    STEPS.with_borrow_mut(|steps| {
        steps.inputs = values.len();
        steps.ends.clear();
        steps.edges.clear();
    });
    let index = |i: usize| if varying.get(i).copied().unwrap_or(true) { i as u32 } else { CONSTANT };
    values.iter().enumerate().map(|(i, value)| Variable { value: *value, index: index(i) }).collect()
}

/// Adds `adjoint` times the gradient of `result` to `gradient`, one an input of the function that was started last.
pub(super) fn backward(result: Variable, adjoint: f64, gradient: &mut [f64]) {
    if result.index == CONSTANT {
        return;
    }
    STEPS.with_borrow_mut(|steps| {
        let Steps { inputs, ends, edges, adjoints } = steps;
        adjoints.clear();
        adjoints.resize(*inputs + ends.len(), 0.0);
        adjoints[result.index as usize] = adjoint;
        for step in (0..ends.len()).rev() {
            let own = adjoints[*inputs + step];
            if own == 0.0 {
                continue;
            }
            let start = if step == 0 { 0 } else { ends[step - 1] };
            for (index, partial) in &edges[start as usize..ends[step] as usize] {
                adjoints[*index as usize] += own * partial;
            }
        }
        for (sum, adjoint) in gradient.iter_mut().zip(&adjoints[..*inputs]) {
            *sum += adjoint;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_of_a_product_with_a_constant() {
        let x = inputs(&[3.0, 2.0, 5.0], &[true, true, false]);
        let y = x[0] * x[1] * x[2] + x[0].ln();
        let mut gradient = [0.0; 3];
        backward(y, 2.0, &mut gradient);
        assert_eq!(gradient, [2.0 * (10.0 + 1.0 / 3.0), 30.0, 0.0]);
    }
}
