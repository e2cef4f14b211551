//! What of an execution is known.

use rand::{Rng, RngExt as _};
use rustc_hash::FxHashSet;

use super::execution::{Choice, Trace};
use crate::runtime::{Conditions, Supplied};
use crate::syntax::ast::Role;

/// Which variables of an execution are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All that are sampled; givens and observations are known.
    Role,
    /// A random subset of all, at a rate that is itself uniform.
    Random,
    /// None.
    None,
}

impl Mask {
    /// All, by name, with a line of help.
    pub const ALL: [(&'static str, Self, &'static str); 3] = [
        ("role", Self::Role, "hide what is sampled"),
        ("random", Self::Random, "hide a random subset of all variables"),
        ("none", Self::None, "hide nothing"),
    ];

    /// What is known of `trace` under this mask, added to what `supplied` says.
    pub fn conditions(self, trace: &Trace, supplied: &Conditions, rng: &mut impl Rng) -> Conditions {
        let open: Vec<bool> = trace.choices.iter().map(|c| !c.supplied).collect();
        let mut hidden: Vec<bool> = match self {
            Self::Role => trace.choices.iter().map(|c| c.role == Role::Sample).collect(),
            Self::None => vec![false; open.len()],
            Self::Random => {
                let rate: f64 = rng.random();
                let mut hidden: Vec<bool> = open.iter().map(|_| rng.random::<f64>() < rate).collect();
                let free: Vec<usize> = (0..open.len()).filter(|i| open[*i] && !trace.choices[*i].condition).collect();
                if !free.is_empty() && free.iter().all(|i| !hidden[*i]) {
                    hidden[free[rng.random_range(0..free.len())]] = true;
                }
                hidden
            }
        };
        hidden.iter_mut().zip(&open).for_each(|(hidden, open)| *hidden &= open);
        conditions(trace, &hidden, supplied)
    }
}

/// Nothing is known of what an execution drew; hard conditions hold as they did.
pub fn open(trace: &Trace, supplied: &Conditions) -> Conditions {
    let hidden: Vec<bool> = trace.choices.iter().map(|c| !c.condition).collect();
    conditions(trace, &hidden, supplied)
}

/// Everything is known but what is hidden.
fn conditions(trace: &Trace, hidden: &[bool], supplied: &Conditions) -> Conditions {
    let mut conditions = supplied.clone();
    let indexed: FxHashSet<&str> =
        trace.choices.iter().filter(|c| !c.indices.is_empty()).map(|c| &*c.variable).collect();
    for (Choice { variable, indices, value, supplied, .. }, hidden) in trace.choices.iter().zip(hidden) {
        if *supplied {
            continue;
        }
        let known = (!hidden).then(|| value.clone());
        if indexed.contains(&**variable) {
            conditions.supply_element(variable.clone(), indices.clone(), known);
        } else {
            conditions.supply(variable.clone(), known.map_or(Supplied::Masked, Supplied::Value));
        }
    }
    conditions
}
