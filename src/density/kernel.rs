//! The loops over lanes: values of one group from those of its operands, and adjoints the other way.
//!
//! Loops are generic over whether an operand is one number or one a lane, so that the compiler sees plain slices and
//! vectorises arithmetic.

use super::graph::{self, Op};
use crate::builtin::Builtin;
use crate::dist::{Family, Gradient, HALF_LN_TWO_PI};
use crate::syntax::ast::{BinaryOp, UnaryOp};

/// The values of one operand.
#[derive(Clone, Copy)]
pub(super) enum Read<'a> {
    One(f64),
    Lanes(&'a [f64]),
}

impl Read<'_> {
    #[inline]
    pub fn at(&self, lane: usize) -> f64 {
        match self {
            Self::One(x) => *x,
            Self::Lanes(values) => values[lane],
        }
    }
}

/// One number a lane, or one for all.
trait Lanes: Copy {
    fn at(self, lane: usize) -> f64;
}

#[derive(Clone, Copy)]
struct One(f64);

impl Lanes for One {
    #[inline(always)]
    fn at(self, _: usize) -> f64 {
        self.0
    }
}

impl Lanes for &[f64] {
    #[inline(always)]
    fn at(self, lane: usize) -> f64 {
        self[lane]
    }
}

/// Calls `$body` with each of the reads as a type that implements [`Lanes`].
macro_rules! lanes {
    ($n:expr; $x:ident; $body:expr) => {
        match $x {
            Read::One(value) => { let $x = One(value); $body }
            Read::Lanes(values) => { let $x = &values[..$n]; $body }
        }
    };
    ($n:expr; $x:ident, $($rest:ident),+; $body:expr) => {
        match $x {
            Read::One(value) => { let $x = One(value); lanes!($n; $($rest),+; $body) }
            Read::Lanes(values) => { let $x = &values[..$n]; lanes!($n; $($rest),+; $body) }
        }
    };
}

#[inline(always)]
fn map1(x: impl Lanes, out: &mut [f64], f: impl Fn(f64) -> f64) {
    for (lane, out) in out.iter_mut().enumerate() {
        *out = f(x.at(lane));
    }
}

#[inline(always)]
fn map2(x: impl Lanes, y: impl Lanes, out: &mut [f64], f: impl Fn(f64, f64) -> f64) {
    for (lane, out) in out.iter_mut().enumerate() {
        *out = f(x.at(lane), y.at(lane));
    }
}

/// The values of a group of elementwise operations.
pub(super) fn forward(op: Op, operands: &[Read<'_>], out: &mut [f64]) {
    let n = out.len();
    match (op, operands) {
        (Op::Unary(op), &[x]) => match op {
            UnaryOp::Negate => lanes!(n; x; map1(x, out, |x| -x)),
            UnaryOp::Not => lanes!(n; x; map1(x, out, |x| graph::unary(UnaryOp::Not, x))),
        },
        (Op::Binary(op), &[x, y]) => match op {
            BinaryOp::Add => lanes!(n; x, y; map2(x, y, out, |x, y| x + y)),
            BinaryOp::Subtract => lanes!(n; x, y; map2(x, y, out, |x, y| x - y)),
            BinaryOp::Multiply => lanes!(n; x, y; map2(x, y, out, |x, y| x * y)),
            BinaryOp::Divide => lanes!(n; x, y; map2(x, y, out, |x, y| x / y)),
            BinaryOp::Or
            | BinaryOp::And
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::Remainder
            | BinaryOp::Power => lanes!(n; x, y; map2(x, y, out, |x, y| graph::binary(op, x, y))),
        },
        (Op::Builtin(Builtin::Square), &[x]) => lanes!(n; x; map1(x, out, |x| x * x)),
        (Op::Builtin(Builtin::Sqrt), &[x]) => lanes!(n; x; map1(x, out, f64::sqrt)),
        (Op::Builtin(builtin), &[x]) => match builtin.elementwise1() {
            Some(f) => lanes!(n; x; map1(x, out, f)),
            None => out.fill(f64::NAN),
        },
        (Op::Builtin(builtin), &[x, y]) => match builtin.elementwise2() {
            Some(f) => lanes!(n; x, y; map2(x, y, out, f)),
            None => out.fill(f64::NAN),
        },
        (Op::Select, &[c, x, y]) => {
            for (lane, out) in out.iter_mut().enumerate() {
                *out = if c.at(lane) != 0.0 { x.at(lane) } else { y.at(lane) };
            }
        }
        (Op::Density(family), [parameters @ .., x]) => density(family, parameters, *x, out),
        // Anything else is not elementwise.
        (_, _) => out.fill(f64::NAN),
    }
}

fn density(family: Family, parameters: &[Read<'_>], x: Read<'_>, out: &mut [f64]) {
    for (lane, out) in out.iter_mut().enumerate() {
        let mut values = [0.0; MOST_PARAMETERS];
        for (value, parameter) in values.iter_mut().zip(parameters) {
            *value = parameter.at(lane);
        }
        *out = family.scalar_log_density(&values[..parameters.len()], x.at(lane));
    }
}

/// Scalar parameters that a family has at most.
const MOST_PARAMETERS: usize = 3;

/// Adds to an adjoint.
pub(super) enum Write<'a> {
    /// All lanes read the same number.
    One(&'a mut f64),
    Lanes(&'a mut [f64]),
}

impl Write<'_> {
    #[inline(always)]
    fn add(&mut self, n: usize, f: impl Fn(usize) -> f64) {
        match self {
            Self::One(sum) => **sum += total(n, f),
            Self::Lanes(sums) => {
                for (lane, sum) in sums[..n].iter_mut().enumerate() {
                    *sum += f(lane);
                }
            }
        }
    }
}

/// Σ f over the lanes, in eight strands: a single one would wait for each addition.
#[inline(always)]
fn total(n: usize, f: impl Fn(usize) -> f64) -> f64 {
    let mut strands = [0.0; 8];
    let whole = n / 8 * 8;
    let mut lane = 0;
    while lane < whole {
        for (i, strand) in strands.iter_mut().enumerate() {
            *strand += f(lane + i);
        }
        lane += 8;
    }
    let mut rest = 0.0;
    while lane < n {
        rest += f(lane);
        lane += 1;
    }
    strands.iter().sum::<f64>() + rest
}

/// Adds to the adjoint of operand `which` what the adjoints of the outputs imply.
pub(super) fn backward(
    op: Op,
    operands: &[Read<'_>],
    out: &[f64],
    adjoints: &[f64],
    which: usize,
    write: &mut Write<'_>,
) {
    let n = out.len();
    let (out, adjoints) = (&out[..n], &adjoints[..n]);
    match (op, operands) {
        (Op::Unary(UnaryOp::Negate), _) => write.add(n, |i| -adjoints[i]),
        (Op::Unary(UnaryOp::Not), _) => {}
        (Op::Binary(op), &[x, y]) => match (op, which) {
            (BinaryOp::Add, _) | (BinaryOp::Subtract, 0) => write.add(n, |i| adjoints[i]),
            (BinaryOp::Subtract, _) => write.add(n, |i| -adjoints[i]),
            (BinaryOp::Multiply, 0) => lanes!(n; y; write.add(n, |i| product(adjoints[i], y.at(i)))),
            (BinaryOp::Multiply, _) => lanes!(n; x; write.add(n, |i| product(adjoints[i], x.at(i)))),
            (BinaryOp::Divide, 0) => {
                lanes!(n; y; write.add(n, |i| if adjoints[i] == 0.0 { 0.0 } else { adjoints[i] / y.at(i) }))
            }
            (BinaryOp::Divide, _) => lanes!(n; y; write.add(n, |i| product(-adjoints[i], out[i] / y.at(i)))),
            (BinaryOp::Power, which) => write.add(n, |i| {
                let (x, y) = (x.at(i), y.at(i));
                let partial = match which {
                    0 if y == 0.0 => 0.0,
                    0 => y * x.powf(y - 1.0),
                    _ if out[i] == 0.0 => 0.0,
                    _ => out[i] * x.ln(),
                };
                product(adjoints[i], partial)
            }),
            // Relations and logic are constant almost everywhere.
            (
                BinaryOp::Or
                | BinaryOp::And
                | BinaryOp::Equal
                | BinaryOp::NotEqual
                | BinaryOp::Less
                | BinaryOp::LessEqual
                | BinaryOp::Greater
                | BinaryOp::GreaterEqual
                | BinaryOp::Remainder,
                _,
            ) => {}
        },
        (Op::Builtin(Builtin::Square), &[x]) => lanes!(n; x; write.add(n, |i| product(2.0 * adjoints[i], x.at(i)))),
        (Op::Builtin(Builtin::Exp), &[_]) => write.add(n, |i| product(adjoints[i], out[i])),
        (Op::Builtin(builtin), &[x]) => {
            let Some(derivative) = builtin.derivative1() else { return write.add(n, |_| f64::NAN) };
            write.add(n, |i| product(adjoints[i], derivative(x.at(i), out[i])));
        }
        (Op::Builtin(builtin), &[x, y]) => {
            let Some(derivative) = builtin.derivative2() else { return write.add(n, |_| f64::NAN) };
            write.add(n, |i| {
                let [first, second] = derivative(x.at(i), y.at(i));
                product(adjoints[i], if which == 0 { first } else { second })
            });
        }
        (Op::Select, &[c, _, _]) => match which {
            0 => {}
            1 => write.add(n, |i| if c.at(i) != 0.0 { adjoints[i] } else { 0.0 }),
            _ => write.add(n, |i| if c.at(i) != 0.0 { 0.0 } else { adjoints[i] }),
        },
        // Densities have `density_gradient`; anything else is not elementwise.
        (_, _) => write.add(n, |_| f64::NAN),
    }
}

/// 0 where the adjoint is: what does not count has no infinite slope.
#[inline(always)]
fn product(adjoint: f64, partial: f64) -> f64 {
    if adjoint == 0.0 { 0.0 } else { adjoint * partial }
}

/// A scratch buffer for partial derivatives: one slice an operand.
pub(super) type Partials = [Vec<f64>; MOST_PARAMETERS + 1];

/// The sum of a family's log densities over `n` lanes, and (where wanted) into `partials` its derivatives by each operand.
pub(super) fn density_sum(family: Family, operands: &[Read<'_>], n: usize, partials: Option<&mut Partials>) -> f64 {
    if let (Family::Normal, &[m, s, x]) = (family, operands) {
        return normal_sum(m, s, x, n, partials);
    }
    let Some((x, parameters)) = operands.split_last() else { return f64::NAN };
    let mut sum = 0.0;
    match partials {
        None => {
            for lane in 0..n {
                let mut values = [0.0; MOST_PARAMETERS];
                for (value, parameter) in values.iter_mut().zip(parameters) {
                    *value = parameter.at(lane);
                }
                sum += family.scalar_log_density(&values[..parameters.len()], x.at(lane));
            }
        }
        Some(partials) => {
            for lane in 0..n {
                let mut values = [Gradient::<{ MOST_PARAMETERS + 1 }>::variable(0.0, 0); MOST_PARAMETERS];
                for (i, (value, parameter)) in values.iter_mut().zip(parameters).enumerate() {
                    *value = Gradient::variable(parameter.at(lane), i);
                }
                let at = Gradient::variable(x.at(lane), parameters.len());
                let density = family.scalar_log_density(&values[..parameters.len()], at);
                sum += density.value;
                for (partial, derivative) in partials.iter_mut().zip(density.derivatives) {
                    partial[lane] = derivative;
                }
            }
        }
    }
    sum
}

/// Σ −½((x − m)/s)² − ln s − ½ ln 2π
fn normal_sum(m: Read<'_>, s: Read<'_>, x: Read<'_>, n: usize, partials: Option<&mut Partials>) -> f64 {
    let ln_scales = match s {
        Read::One(s) => n as f64 * s.ln(),
        Read::Lanes(s) => s[..n].iter().map(|s| s.ln()).sum(),
    };
    let squares = match partials {
        None => lanes!(n; m, s, x; total(n, |i| {
            let r = (x.at(i) - m.at(i)) / s.at(i);
            r * r
        })),
        Some([by_m, by_s, by_x, _]) => {
            let (by_m, by_s, by_x) = (&mut by_m[..n], &mut by_s[..n], &mut by_x[..n]);
            lanes!(n; m, s, x; for i in 0..n {
                let inverse = 1.0 / s.at(i);
                let r = (x.at(i) - m.at(i)) * inverse;
                by_m[i] = r * inverse;
                by_s[i] = (r * r - 1.0) * inverse;
                by_x[i] = r;
            });
            let squares = total(n, |i| by_x[i] * by_x[i]);
            for (by_x, by_m) in by_x.iter_mut().zip(by_m) {
                *by_x = -*by_m;
            }
            squares
        }
    };
    -0.5 * squares - ln_scales - n as f64 * HALF_LN_TWO_PI
}

/// Adds `adjoint` (one a lane, or 1) times `partials` to the adjoint of an operand.
pub(super) fn scatter(partials: &[f64], adjoints: Option<&[f64]>, n: usize, write: &mut Write<'_>) {
    let partials = &partials[..n];
    match adjoints {
        None => write.add(n, |i| partials[i]),
        Some(adjoints) => {
            let adjoints = &adjoints[..n];
            write.add(n, |i| product(adjoints[i], partials[i]));
        }
    }
}
