//! Unconstrained coordinates as nodes: the correspondence of `dist::Support`, with its log Jacobian determinant.

use crate::builtin::Builtin;
use crate::density::graph::{Graph, Node};
use crate::dist::Support;

/// The point at the coordinates `z`, and the log of the Jacobian determinant's absolute value. Formulas are those of
/// [`Support::constrain`].
pub(super) fn constrain(graph: &mut Graph, support: &Support<Node>, z: &[Node]) -> (Vec<Node>, Node) {
    let zero = graph.constant(0.0);
    match support {
        Support::Real | Support::Vector(_) | Support::Integers { .. } => (z.to_vec(), zero),
        Support::LowerBounded(_) | Support::UpperBounded(_) | Support::Interval(..) => {
            let mut points = Vec::with_capacity(1);
            let mut jacobians = Vec::with_capacity(1);
            for z in z {
                let (x, log_jacobian) = constrain_scalar(graph, support, *z);
                points.push(x);
                jacobians.push(log_jacobian);
            }
            (points, graph.sum(&jacobians))
        }
        Support::Simplex(_) => stick_breaking(graph, z),
        Support::Ordered { lower, upper, .. } => {
            let reversed = lower.is_none() && upper.is_some();
            let element = match (lower, upper) {
                (None, None) => Support::Real,
                (Some(lower), None) => Support::LowerBounded(*lower),
                (None, Some(upper)) => Support::UpperBounded(*upper),
                (Some(lower), Some(upper)) => Support::Interval(*lower, *upper),
            };
            let (mut points, mut jacobians) = (Vec::with_capacity(z.len()), Vec::new());
            let mut last = zero;
            for (i, step) in z.iter().enumerate() {
                last = if i == 0 {
                    *step
                } else {
                    jacobians.push(*step);
                    let length = graph.builtin(Builtin::Exp, &[*step]);
                    graph.add(last, length)
                };
                let at = if reversed { graph.negate(last) } else { last };
                let (x, log_jacobian) = constrain_scalar(graph, &element, at);
                points.push(x);
                jacobians.push(log_jacobian);
            }
            (points, graph.sum(&jacobians))
        }
    }
}

fn constrain_scalar(graph: &mut Graph, support: &Support<Node>, z: Node) -> (Node, Node) {
    match support {
        Support::LowerBounded(lower) => {
            let distance = graph.builtin(Builtin::Exp, &[z]);
            (graph.add(*lower, distance), z)
        }
        Support::UpperBounded(upper) => {
            let distance = graph.builtin(Builtin::Exp, &[z]);
            (graph.subtract(*upper, distance), z)
        }
        Support::Interval(lower, upper) => {
            let width = graph.subtract(*upper, *lower);
            let share = graph.builtin(Builtin::Sigmoid, &[z]);
            let distance = graph.multiply(width, share);
            let x = graph.add(*lower, distance);
            let log_width = graph.builtin(Builtin::Log, &[width]);
            let (below, above) = log_sigmoids(graph, z);
            (x, graph.sum(&[log_width, below, above]))
        }
        Support::Real
        | Support::Integers { .. }
        | Support::Simplex(_)
        | Support::Vector(_)
        | Support::Ordered { .. } => (z, graph.constant(0.0)),
    }
}

/// ln σ(z) and ln σ(−z)
fn log_sigmoids(graph: &mut Graph, z: Node) -> (Node, Node) {
    let negative = graph.negate(z);
    (graph.builtin(Builtin::LogSigmoid, &[z]), graph.builtin(Builtin::LogSigmoid, &[negative]))
}

fn stick_breaking(graph: &mut Graph, z: &[Node]) -> (Vec<Node>, Node) {
    let n = z.len();
    let mut points = Vec::with_capacity(n + 1);
    let mut jacobians = Vec::new();
    let mut ln_rest = graph.constant(0.0);
    for (k, step) in z.iter().enumerate() {
        let shift = graph.constant(((n - k) as f64).ln());
        let shifted = graph.subtract(*step, shift);
        let (ln_share, ln_left) = log_sigmoids(graph, shifted);
        let ln_x = graph.add(ln_rest, ln_share);
        points.push(graph.builtin(Builtin::Exp, &[ln_x]));
        jacobians.extend([ln_share, ln_left, ln_rest]);
        ln_rest = graph.add(ln_rest, ln_left);
    }
    points.push(graph.builtin(Builtin::Exp, &[ln_rest]));
    (points, graph.sum(&jacobians))
}
