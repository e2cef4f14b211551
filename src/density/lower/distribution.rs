//! Distributions and their log densities as nodes.

use super::symbol::Scope;
use super::valid::where_valid;
use super::{Lowered, Lowering, NotCompiled, Symbol};
use crate::builtin::Builtin;
use crate::check::core::{self, Argument, DistributionKind};
use crate::density::block::{Block, BlockKind, PointShape};
use crate::density::graph::Node;
use crate::density::law::{Law, LawArgument};
use crate::dist::Family;

impl<'p> Lowering<'_, 'p> {
    /// The distribution, and whether its parameters depend on something masked.
    pub(super) fn law(&mut self, scope: &mut Scope, distribution: &'p core::Distribution) -> Lowered<(Law, bool)> {
        let DistributionKind::Family(family, arguments) = &distribution.kind else {
            return Err(NotCompiled::Unsupported("the posterior of a nested inference as a distribution"));
        };
        let mut masked = false;
        let mut lowered = Vec::with_capacity(arguments.len());
        for argument in arguments {
            lowered.push(match argument {
                Argument::Value(expr) => {
                    let symbol = self.expr(scope, expr)?;
                    masked |= symbol.masked();
                    let (_, shape, items) = symbol.parts(&mut self.context.graph)?;
                    match (&shape[..], &items[..]) {
                        ([], [x]) => LawArgument::Scalar(*x),
                        ([_], _) => LawArgument::Vector(items.to_vec()),
                        ([rows, columns], _) => {
                            LawArgument::Matrix { rows: *rows, columns: *columns, elements: items.to_vec() }
                        }
                        _ => return Err(NotCompiled::Unsupported("a parameter of higher rank")),
                    }
                }
                Argument::Distribution(inner) => {
                    let (law, inner_masked) = self.law(scope, inner)?;
                    masked |= inner_masked;
                    LawArgument::Distribution(Box::new(law))
                }
                Argument::Distributions(inner) => {
                    let mut laws = Vec::with_capacity(inner.len());
                    for distribution in inner {
                        let (law, inner_masked) = self.law(scope, distribution)?;
                        masked |= inner_masked;
                        laws.push(law);
                    }
                    LawArgument::Distributions(laws)
                }
            });
        }
        Ok((Law { family: *family, arguments: lowered }, masked))
    }

    /// The log density of `law` at a point: a scalar, or the elements of a vector.
    pub(super) fn log_density(&mut self, law: &Law, point: &[Node], shape: PointShape) -> Node {
        let graph = &mut self.context.graph;
        if let (Some(mut arguments), [x]) = (law.scalars(), point) {
            arguments.push(*x);
            return graph.density(law.family, &arguments);
        }
        match (law.family, &law.arguments[..], point) {
            (Family::Flat, _, _) => return graph.constant(0.0),
            // ln Σ wᵏ pᵏ(x), from nodes that other points share.
            (Family::Mixture, [LawArgument::Vector(weights), LawArgument::Distributions(components)], [_])
                if weights.len() == components.len() =>
            {
                if let Some(conditions) = self.context.validity(law) {
                    let mut terms = Vec::with_capacity(weights.len());
                    for (weight, component) in weights.iter().zip(components) {
                        let log_weight = self.context.graph.builtin(Builtin::Log, &[*weight]);
                        let log_density = self.log_density(component, point, shape);
                        terms.push(self.context.graph.add(log_weight, log_density));
                    }
                    let log_density = self.context.graph.log_sum_exp(&terms);
                    return where_valid(&mut self.context.graph, log_density, &conditions);
                }
            }
            _ => {}
        }
        let mut inputs = law.nodes();
        inputs.extend_from_slice(point);
        let graph = &mut self.context.graph;
        let varying: Vec<bool> = inputs.iter().map(|n| graph.value(*n).is_none()).collect();
        let known: Option<Vec<f64>> = inputs.iter().map(|n| graph.value(*n)).collect();
        let block = Block { kind: BlockKind::Density { law: law.clone(), point: shape }, inputs, varying, outputs: 1 };
        match known {
            Some(values) => {
                let mut output = [f64::NAN];
                block.evaluate(&values, &mut output);
                graph.constant(output[0])
            }
            None => graph.block(block)[0],
        }
    }

    /// The log density of ordered draws at elements that are in order by construction.
    pub(super) fn in_order(&mut self, law: &Law, elements: &[Node]) -> Option<Node> {
        let (Family::Ordered, [LawArgument::Distribution(base), LawArgument::Scalar(_)]) =
            (law.family, &law.arguments[..])
        else {
            return None;
        };
        let mut terms = Vec::with_capacity(elements.len() + 1);
        for element in elements {
            terms.push(self.log_density(base, &[*element], PointShape::Scalar));
        }
        let n = self.context.graph.constant(elements.len() as f64 + 1.0);
        terms.push(self.context.graph.builtin(Builtin::Lgamma, &[n]));
        Some(self.context.graph.sum(&terms))
    }

    /// The log density of `law` at a value.
    pub(super) fn log_density_at(&mut self, law: &Law, value: &Symbol) -> Lowered<Node> {
        let (_, shape, items) = value.parts(&mut self.context.graph)?;
        let point = if shape.is_empty() { PointShape::Scalar } else { PointShape::Vector };
        Ok(self.log_density(law, &items, point))
    }
}
