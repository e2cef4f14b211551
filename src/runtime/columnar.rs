//! Executing many at a time: a program whose structure does not depend on random choices becomes a flat list of
//! operations over columns, one lane an execution.
//!
//! A column is short enough for all of them to stay in cache. There is no dispatch on types or names left; distribution
//! families draw a whole column at once.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::error::RuntimeError;
use crate::dist::{Column, Family};
use crate::span::Span;

/// Executions per column.
pub(super) const LANES: usize = 256;

/// A constant or a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand {
    Constant(f64),
    Register(usize),
}

/// One operation over a column; each writes a register of its own.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Draw { family: Family, parameters: Vec<Operand>, out: usize, span: Span },
    Map { function: fn(f64) -> f64, operand: usize, out: usize },
    Zip { function: fn(f64, f64) -> f64, left: Operand, right: Operand, out: usize },
    Arithmetic { operator: Arithmetic, left: Operand, right: Operand, out: usize },
    Select { condition: usize, then: Operand, otherwise: Operand, out: usize },
}

/// Operators that are worth a loop of their own, which the compiler vectorises.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A program as operations over columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub operations: Vec<Operation>,
    pub registers: usize,
}

impl Plan {
    /// A register file for this plan.
    pub fn registers(&self) -> Vec<[f64; LANES]> {
        vec![[0.0; LANES]; self.registers]
    }

    /// Executes the plan for `LANES` executions.
    ///
    /// # Errors
    /// Where a parameter of a distribution is invalid in some lane.
    pub fn execute(&self, rng: &mut Xoshiro256PlusPlus, registers: &mut [[f64; LANES]]) -> Result<(), RuntimeError> {
        for operation in &self.operations {
            match operation {
                Operation::Draw { family, parameters, out, span } => {
                    // Operands precede their operation, so its result can be split off.
                    let (before, rest) = registers.split_at_mut(*out);
                    let Some(out) = rest.first_mut() else { continue };
                    let columns: smallvec::SmallVec<[Column<'_>; 4]> = parameters
                        .iter()
                        .map(|p| match p {
                            Operand::Constant(x) => Column::Constant(*x),
                            Operand::Register(r) => {
                                before.get(*r).map_or(Column::Constant(f64::NAN), |c| Column::Lanes(c))
                            }
                        })
                        .collect();
                    family
                        .sample_column(rng, &columns, out)
                        .map_err(|(_, error)| RuntimeError::Distribution { error, span: *span })?;
                }
                Operation::Map { function, operand, out } => {
                    let (before, rest) = registers.split_at_mut(*out);
                    let (Some(column), Some(out)) = (before.get(*operand), rest.first_mut()) else { continue };
                    for (out, x) in out.iter_mut().zip(column) {
                        *out = function(*x);
                    }
                }
                Operation::Zip { function, left, right, out } => zip(registers, *left, *right, *out, function),
                Operation::Arithmetic { operator, left, right, out } => match operator {
                    Arithmetic::Add => zip(registers, *left, *right, *out, |a, b| a + b),
                    Arithmetic::Subtract => zip(registers, *left, *right, *out, |a, b| a - b),
                    Arithmetic::Multiply => zip(registers, *left, *right, *out, |a, b| a * b),
                    Arithmetic::Divide => zip(registers, *left, *right, *out, |a, b| a / b),
                },
                Operation::Select { condition, then, otherwise, out } => {
                    let (before, rest) = registers.split_at_mut(*out);
                    let (Some(condition), Some(out)) = (before.get(*condition), rest.first_mut()) else { continue };
                    let at = |operand: &Operand, lane: usize| match operand {
                        Operand::Constant(x) => *x,
                        Operand::Register(r) => before[*r][lane],
                    };
                    for (lane, (out, c)) in out.iter_mut().zip(condition).enumerate() {
                        *out = if *c != 0.0 { at(then, lane) } else { at(otherwise, lane) };
                    }
                }
            }
        }
        Ok(())
    }
}

fn zip(registers: &mut [[f64; LANES]], left: Operand, right: Operand, out: usize, function: impl Fn(f64, f64) -> f64) {
    let (before, rest) = registers.split_at_mut(out);
    let Some(out) = rest.first_mut() else { return };
    match (left, right) {
        (Operand::Register(a), Operand::Register(b)) => {
            for ((out, a), b) in out.iter_mut().zip(&before[a]).zip(&before[b]) {
                *out = function(*a, *b);
            }
        }
        (Operand::Register(a), Operand::Constant(b)) => {
            for (out, a) in out.iter_mut().zip(&before[a]) {
                *out = function(*a, b);
            }
        }
        (Operand::Constant(a), Operand::Register(b)) => {
            for (out, b) in out.iter_mut().zip(&before[b]) {
                *out = function(a, *b);
            }
        }
        (Operand::Constant(a), Operand::Constant(b)) => out.fill(function(a, b)),
    }
}
