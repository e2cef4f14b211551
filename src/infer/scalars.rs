//! The scalars among the latents of a program's executions: what calibration compares.

use rustc_hash::FxHashMap;

use super::joint::Drawn;
use super::record::Address;
use crate::value::{Posterior, Value, unravel};

/// A scalar that exists in less than this share of the executions is left out.
const RARE: f64 = 0.05;

/// A latent, or an element of one.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// As summaries name it: `theta[0]`.
    pub name: String,
    /// The share of the executions in which it exists.
    pub exists: f64,
    address: Address,
    /// Subscripts into the value at the address.
    element: Vec<usize>,
}

impl Scalar {
    /// Its value among the latents of one execution; −∞ where it does not exist.
    pub fn of_execution(&self, latents: &[Drawn]) -> f64 {
        let found = latents.iter().find(|drawn| drawn.address.name == self.address.name);
        found.and_then(|drawn| at(&drawn.value, &self.element)).unwrap_or(f64::NEG_INFINITY)
    }

    /// Its value in each draw of a posterior; −∞ where it does not exist.
    pub fn of_posterior<'p>(&self, posterior: &'p Posterior) -> impl Fn(usize) -> f64 + 'p {
        let column = posterior.column(&self.address.variable);
        let outer = self.address.indices.iter().filter_map(|i| usize::try_from(*i).ok());
        let indices: Vec<usize> = outer.chain(self.element.iter().copied()).collect();
        move |draw| {
            let value = column.and_then(|c| c.values.get(draw)).and_then(Option::as_ref);
            value.and_then(|value| at(value, &indices)).unwrap_or(f64::NEG_INFINITY)
        }
    }
}

/// The scalar at these subscripts; `None` where there is none, or NaN for one that is not there.
fn at(value: &Value, indices: &[usize]) -> Option<f64> {
    let scalar = match value.as_array() {
        Some(array) => array.at(indices)?.as_f64(),
        None if indices.is_empty() => value.as_f64(),
        None => None,
    };
    scalar.filter(|x| !x.is_nan())
}

/// All scalars of some executions, in order of first use, and how many are left out because they are rare.
pub(super) fn scalars<'d>(executions: impl Iterator<Item = &'d [Drawn]>) -> (Vec<Scalar>, usize) {
    let mut found: Vec<(Scalar, usize)> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut n = 0;
    for latents in executions {
        n += 1;
        for drawn in latents {
            let elements = match drawn.value.as_array() {
                Some(array) => (0..array.size()).map(|flat| unravel(array.shape(), flat)).collect(),
                None => vec![Vec::new()],
            };
            for element in elements {
                let name = name(&drawn.address, &element);
                let place = *places.entry(name.clone()).or_insert_with(|| {
                    found.push((Scalar { name, exists: 0.0, address: drawn.address.clone(), element }, 0));
                    found.len() - 1
                });
                if let Some((_, count)) = found.get_mut(place) {
                    *count += 1;
                }
            }
        }
    }
    let all = found.len();
    let often = found.into_iter().filter_map(|(mut scalar, count)| {
        scalar.exists = f64::from(count as u32) / f64::from(n);
        (scalar.exists >= RARE).then_some(scalar)
    });
    let kept: Vec<Scalar> = often.collect();
    let rare = all - kept.len();
    (kept, rare)
}

fn name(address: &Address, element: &[usize]) -> String {
    if element.is_empty() {
        return address.name.clone();
    }
    let subscripts: Vec<String> = element.iter().map(ToString::to_string).collect();
    format!("{}[{}]", address.name, subscripts.join(","))
}
