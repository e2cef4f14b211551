//! Nodes that are computed together, by code that is not elementwise: densities of vectors, linear algebra, functions
//! registered from Rust.

use super::graph::Node;
use super::law::Law;
use super::reverse;
use crate::builtin::Builtin;
use crate::dist::{Distribution, Point};
use crate::runtime::HostFunction;
use crate::value::{Array, Elements, Value};

/// Several outputs computed from several inputs.
#[derive(Debug)]
pub(super) struct Block {
    pub kind: BlockKind,
    pub inputs: Vec<Node>,
    /// Which inputs are not constants.
    pub varying: Vec<bool>,
    pub outputs: usize,
}

#[derive(Debug)]
pub(super) enum BlockKind {
    /// The log density of a law at a point: the law's numbers, then the point's. −∞ where the law is invalid.
    Density { law: Law, point: PointShape },
    /// A built-in function that is not elementwise.
    Builtin { builtin: Builtin, arguments: Vec<BlockArgument> },
    /// A function registered from Rust, of scalars.
    Host { function: HostFunction },
}

impl BlockKind {
    /// Whether there are inputs at which the machine rejects an execution.
    pub fn may_fail(&self) -> bool {
        match self {
            Self::Density { .. } => false,
            Self::Host { .. } => true,
            Self::Builtin { builtin, .. } => matches!(
                builtin,
                Builtin::Cholesky
                    | Builtin::Inverse
                    | Builtin::Solve
                    | Builtin::SolveLower
                    | Builtin::LogDet
                    | Builtin::GpExpQuad
                    | Builtin::GpMatern32
                    | Builtin::GpMatern52
                    | Builtin::GpPeriodic
                    | Builtin::Quantile
            ),
        }
    }
}

/// What a density is asked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum PointShape {
    Scalar,
    Vector,
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub(super) enum BlockArgument {
    Known(Value),
    /// The next inputs, in an array of this shape (empty: a scalar).
    Inputs(Vec<usize>),
}

impl Block {
    /// Computes the outputs. Where they do not exist they are NaN, of a density −∞.
    pub fn evaluate(&self, inputs: &[f64], outputs: &mut [f64]) {
        match &self.kind {
            BlockKind::Density { law, point } => {
                outputs[0] = match law.instantiate(inputs) {
                    Some((distribution, rest)) => log_density(&distribution, *point, rest),
                    None => f64::NEG_INFINITY,
                };
            }
            BlockKind::Builtin { builtin, arguments } => {
                match builtin.evaluate(&values(arguments, inputs)) {
                    Ok(result) => fill(outputs, &result),
                    Err(_) => outputs.fill(f64::NAN),
                };
            }
            BlockKind::Host { function } => {
                let arguments: Vec<Value> = inputs.iter().map(|x| Value::Real(*x)).collect();
                match function.call(&arguments) {
                    Ok(result) => fill(outputs, &result),
                    Err(_) => outputs.fill(f64::NAN),
                }
            }
        }
    }

    /// Adds to `gradient` (one an input) the adjoints of the outputs times their derivatives.
    pub fn pullback(&self, inputs: &[f64], outputs: &[f64], adjoints: &[f64], gradient: &mut [f64]) {
        if adjoints.iter().all(|a| *a == 0.0) {
            return;
        }
        match &self.kind {
            BlockKind::Density { law, point } => {
                let variables = reverse::inputs(inputs, &self.varying);
                if let Some((distribution, rest)) = law.instantiate(&variables) {
                    reverse::backward(log_density(&distribution, *point, rest), adjoints[0], gradient);
                }
            }
            BlockKind::Builtin { builtin, arguments } => {
                let Ok(result) = builtin.evaluate(&values(arguments, inputs)) else { return };
                let Some(parts) = builtin.pullback(&values(arguments, inputs), &result, adjoints) else {
                    gradient.fill(f64::NAN);
                    return;
                };
                let mut at = 0;
                for (argument, part) in arguments.iter().zip(parts) {
                    let BlockArgument::Inputs(shape) = argument else { continue };
                    let size: usize = shape.iter().product();
                    match part {
                        Some(part) => add(&mut gradient[at..at + size], &part),
                        None => gradient[at..at + size].fill(f64::NAN),
                    }
                    at += size;
                }
            }
            BlockKind::Host { function } => match function.gradient(inputs) {
                Some(partials) => {
                    for (sum, partial) in gradient.iter_mut().zip(partials) {
                        *sum += adjoints[0] * partial;
                    }
                }
                None => self.differences(inputs, outputs, adjoints, gradient),
            },
        }
    }

    /// Central differences, for functions registered without derivatives.
    fn differences(&self, inputs: &[f64], outputs: &[f64], adjoints: &[f64], gradient: &mut [f64]) {
        let mut moved = inputs.to_vec();
        let (mut above, mut below) = (outputs.to_vec(), outputs.to_vec());
        for i in 0..inputs.len() {
            if !self.varying[i] {
                continue;
            }
            // The cube root of the rounding error balances it against the error of the difference.
            let step = f64::EPSILON.cbrt() * inputs[i].abs().max(1.0);
            moved[i] = inputs[i] + step;
            self.evaluate(&moved, &mut above);
            moved[i] = inputs[i] - step;
            self.evaluate(&moved, &mut below);
            moved[i] = inputs[i];
            for ((above, below), adjoint) in above.iter().zip(&below).zip(adjoints) {
                gradient[i] += adjoint * (above - below) / (2.0 * step);
            }
        }
    }
}

fn log_density<S: crate::dist::Scalar>(distribution: &Distribution<S>, shape: PointShape, point: &[S]) -> S {
    match (shape, point) {
        (PointShape::Scalar, [x, ..]) => distribution.log_density(&Point::Scalar(*x)),
        (PointShape::Scalar, []) => S::constant(f64::NAN),
        (PointShape::Vector, point) => distribution.log_density(&Point::Vector(point)),
    }
}

fn values(arguments: &[BlockArgument], inputs: &[f64]) -> Vec<Value> {
    let mut at = 0;
    let next = |argument: &BlockArgument| match argument {
        BlockArgument::Known(value) => value.clone(),
        BlockArgument::Inputs(shape) => {
            let size: usize = shape.iter().product();
            let taken = &inputs[at..at + size];
            at += size;
            match (&shape[..], taken) {
                ([], [x]) => Value::Real(*x),
                _ => match Array::new(shape.clone(), Elements::Real(taken.to_vec())) {
                    Some(array) => Value::array(array),
                    None => Value::Real(f64::NAN),
                },
            }
        }
    };
    arguments.iter().map(next).collect()
}

fn fill(outputs: &mut [f64], result: &Value) {
    match (outputs, result) {
        ([output], Value::Real(x)) => *output = *x,
        (outputs, other) => {
            let found = other.to_f64s();
            if found.len() == outputs.len() {
                outputs.copy_from_slice(&found);
            } else {
                outputs.fill(f64::NAN);
            }
        }
    }
}

fn add(sums: &mut [f64], terms: &[f64]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}
