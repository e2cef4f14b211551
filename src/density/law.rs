//! Distributions whose parameters are nodes of a graph.

use super::graph::{Graph, Node};
use super::reverse::{self, Variable};
use crate::dist::{Argument, Constraint, Distribution, Family, ParameterKind, Scalar, Support};

/// A distribution of which the parameters are nodes.
#[derive(Clone, Debug)]
pub(super) struct Law {
    pub family: Family,
    pub arguments: Vec<LawArgument>,
}

/// One argument of a [`Law`].
#[derive(Clone, Debug)]
pub(super) enum LawArgument {
    Scalar(Node),
    Vector(Vec<Node>),
    Matrix { rows: usize, columns: usize, elements: Vec<Node> },
    Distribution(Box<Law>),
    Distributions(Vec<Law>),
}

impl Law {
    /// All nodes in order.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        self.collect(&mut nodes);
        nodes
    }

    fn collect(&self, nodes: &mut Vec<Node>) {
        for argument in &self.arguments {
            match argument {
                LawArgument::Scalar(node) => nodes.push(*node),
                LawArgument::Vector(elements) | LawArgument::Matrix { elements, .. } => nodes.extend(elements),
                LawArgument::Distribution(law) => law.collect(nodes),
                LawArgument::Distributions(laws) => laws.iter().for_each(|law| law.collect(nodes)),
            }
        }
    }

    /// Whether it, and all that it is made of, can be drawn from.
    pub fn is_proper(&self) -> bool {
        self.family.info().proper
            && self.arguments.iter().all(|argument| match argument {
                LawArgument::Distribution(law) => law.is_proper(),
                LawArgument::Distributions(laws) => laws.iter().all(Law::is_proper),
                LawArgument::Scalar(_) | LawArgument::Vector(_) | LawArgument::Matrix { .. } => true,
            })
    }

    /// The scalar parameters, of a family that has no others.
    pub fn scalars(&self) -> Option<Vec<Node>> {
        let scalar = |argument: &LawArgument| match argument {
            LawArgument::Scalar(node) => Some(*node),
            LawArgument::Vector(_)
            | LawArgument::Matrix { .. }
            | LawArgument::Distribution(_)
            | LawArgument::Distributions(_) => None,
        };
        self.family.has_scalar_form().then(|| self.arguments.iter().map(scalar).collect()).flatten()
    }

    /// The distribution with these numbers in place of [`Law::nodes`], and the numbers that are left over; `None` where
    /// it is invalid.
    pub fn instantiate<'a, S: Scalar>(&self, numbers: &'a [S]) -> Option<(Distribution<S>, &'a [S])> {
        let mut rest = numbers;
        let distribution = self.build(&mut rest, true)?;
        Some((distribution, rest))
    }

    /// Takes its numbers from the front of `rest`. Without `checked`, parameters may be invalid: enough for the support.
    fn build<S: Scalar>(&self, rest: &mut &[S], checked: bool) -> Option<Distribution<S>> {
        let mut built = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            built.push(match argument {
                LawArgument::Scalar(_) => Argument::Scalar(*take(rest, 1)?.first()?),
                LawArgument::Vector(elements) => Argument::Vector(take(rest, elements.len())?.to_vec()),
                LawArgument::Matrix { rows, columns, elements } => {
                    Argument::Matrix { rows: *rows, columns: *columns, elements: take(rest, elements.len())?.to_vec() }
                }
                LawArgument::Distribution(law) => Argument::Distribution(Box::new(law.build(rest, checked)?)),
                LawArgument::Distributions(laws) => {
                    Argument::Distributions(laws.iter().map(|law| law.build(rest, checked)).collect::<Option<_>>()?)
                }
            });
        }
        if checked {
            Distribution::new(self.family, built).ok()
        } else {
            Some(Distribution::assume_valid(self.family, built))
        }
    }

    /// Where the density is not zero. `None` where the set's bounds are computed from parameters that are not constant, so
    /// that which bound counts may differ from point to point.
    pub fn support(&self, graph: &mut Graph) -> Option<Support<Node>> {
        let nodes = self.nodes();
        let varying: Vec<bool> = nodes.iter().map(|n| graph.value(*n).is_none()).collect();
        // What a parameter that varies is now does not matter: a bound may be one, but not depend on it otherwise.
        let values: Vec<f64> = nodes.iter().map(|n| graph.value(*n).unwrap_or(0.5)).collect();
        let variables = reverse::inputs(&values, &varying);
        let mut rest = &variables[..];
        let support = self.build(&mut rest, false)?.support();
        if !self.bounds_are_fixed() {
            let fixed = |bound: &Option<Variable>| bound.is_none_or(Variable::is_constant);
            let (lower, upper) = support.real_bounds().unwrap_or((None, None));
            if !fixed(&lower) || !fixed(&upper) || self.has_varying_base(graph) {
                return None;
            }
        }
        let mut node = |bound: Variable| match bound.input() {
            Some(input) => nodes.get(input).copied(),
            None => bound.is_constant().then(|| graph.constant(bound.value)),
        };
        Some(match support {
            Support::Real => Support::Real,
            Support::LowerBounded(lower) => Support::LowerBounded(node(lower)?),
            Support::UpperBounded(upper) => Support::UpperBounded(node(upper)?),
            Support::Interval(lower, upper) => Support::Interval(node(lower)?, node(upper)?),
            Support::Integers { lower, upper } => Support::Integers { lower, upper },
            Support::Simplex(n) => Support::Simplex(n),
            Support::Vector(n) => Support::Vector(n),
            Support::Ordered { n, lower, upper } => Support::Ordered {
                n,
                lower: lower.map(&mut node).map_or(Some(None), |l| l.map(Some))?,
                upper: upper.map(&mut node).map_or(Some(None), |u| u.map(Some))?,
            },
        })
    }

    /// Whether each bound of the support is a parameter or a constant, whatever the parameters are.
    fn bounds_are_fixed(&self) -> bool {
        self.family.has_scalar_form()
            || match (self.family, self.arguments.first()) {
                (Family::Ordered, Some(LawArgument::Distribution(base))) => base.bounds_are_fixed(),
                (_, Some(LawArgument::Distribution(_) | LawArgument::Distributions(_))) => false,
                (_, Some(LawArgument::Scalar(_) | LawArgument::Vector(_) | LawArgument::Matrix { .. }) | None) => true,
            }
    }

    /// Whether a distribution that it is made of has bounds that vary, or, where its own do, bounds at all.
    fn has_varying_base(&self, graph: &Graph) -> bool {
        self.arguments.iter().any(|argument| match argument {
            LawArgument::Distribution(law) => law.bounds_may_vary(graph),
            LawArgument::Distributions(laws) => laws.iter().any(|law| law.bounds_may_vary(graph)),
            LawArgument::Scalar(node) => graph.value(*node).is_none(),
            LawArgument::Vector(_) | LawArgument::Matrix { .. } => false,
        })
    }

    /// Whether how many values it has depends on parameters that vary.
    pub fn has_varying_size(&self, graph: &Graph) -> bool {
        self.arguments.iter().zip(self.family.info().parameters).any(|(argument, parameter)| match argument {
            LawArgument::Scalar(node) => {
                let sizes = parameter.kind == ParameterKind::Int || parameter.constraint == Constraint::Bound;
                sizes && graph.value(*node).is_none()
            }
            LawArgument::Distribution(law) => law.has_varying_size(graph),
            LawArgument::Distributions(laws) => laws.iter().any(|law| law.has_varying_size(graph)),
            LawArgument::Vector(_) | LawArgument::Matrix { .. } => false,
        })
    }

    fn bounds_may_vary(&self, graph: &Graph) -> bool {
        if self.family == Family::Uniform {
            self.nodes().iter().any(|n| graph.value(*n).is_none())
        } else {
            self.has_varying_base(graph) && !self.family.has_scalar_form()
        }
    }
}

fn take<'a, S>(rest: &mut &'a [S], n: usize) -> Option<&'a [S]> {
    let (taken, left) = rest.split_at_checked(n)?;
    *rest = left;
    Some(taken)
}
