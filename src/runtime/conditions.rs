//! What is known when a program runs: values by variable, and what is masked on purpose.
//!
//! Values are already of their variable's type (`data/` sees to it). An array may be known in part.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::value::{Array, Value};

/// What is supplied for one variable as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Supplied {
    /// A value. For an indexed variable: the array of all its elements.
    Value(Value),
    /// An array of which some elements are masked: `missing` has one entry an element, in row-major order.
    Partial {
        /// All elements; the missing ones hold anything.
        array: Arc<Array>,
        /// Which elements are masked.
        missing: Arc<[bool]>,
    },
    /// All of it is masked on purpose.
    Masked,
}

/// What is known of one address.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// This value.
    Value(Value),
    /// Nothing, on purpose.
    Masked,
    /// Nothing was said.
    Absent,
    /// Some of its elements are known and some are masked.
    PartlyMasked,
    /// An array was supplied that has no such element.
    OutOfRange {
        /// Its shape.
        shape: Vec<usize>,
    },
}

/// Known values and masks by dotted name.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    whole: FxHashMap<Arc<str>, Supplied>,
    /// Names that have single elements of their own; these win over `whole`.
    with_elements: FxHashSet<Arc<str>>,
    elements: FxHashMap<(Arc<str>, Vec<i64>), Option<Value>>,
}

impl Conditions {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Supplies a variable as a whole, replacing what was said of it before.
    pub fn supply(&mut self, name: impl Into<Arc<str>>, supplied: Supplied) {
        let name = name.into();
        if self.with_elements.remove(&name) {
            self.elements.retain(|(other, _), _| *other != name);
        }
        self.whole.insert(name, supplied);
    }

    /// Supplies (or, with `None`, masks) one element of a variable.
    pub fn supply_element(&mut self, name: impl Into<Arc<str>>, indices: Vec<i64>, value: Option<Value>) {
        let name = name.into();
        self.with_elements.insert(name.clone());
        self.elements.insert((name, indices), value);
    }

    /// What was said of a variable as a whole.
    pub fn get(&self, name: &str) -> Option<&Supplied> {
        self.whole.get(name)
    }

    /// Whether anything was said of a variable or of elements of it.
    pub fn mentions(&self, name: &str) -> bool {
        self.whole.contains_key(name) || self.with_elements.contains(name)
    }

    /// All variables of which something was said, in no order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.whole.keys().chain(self.with_elements.iter().filter(|n| !self.whole.contains_key(*n)))
    }

    /// How many scalars of a variable are known.
    pub fn known_elements(&self, name: &str) -> usize {
        let whole = match self.whole.get(name) {
            None | Some(Supplied::Masked) => 0,
            Some(Supplied::Value(value)) => value.as_array().map_or(1, |a| a.size()),
            Some(Supplied::Partial { missing, .. }) => missing.iter().filter(|m| !**m).count(),
        };
        if !self.with_elements.contains(name) {
            return whole;
        }
        // Single elements win over what the whole says of them.
        let own = self.elements.iter().filter(|((other, _), _)| **other == *name);
        own.fold(whole, |known, ((_, indices), element)| {
            let before = match self.whole_lookup(name, indices) {
                Known::Value(value) => value.as_array().map_or(1, |a| a.size()),
                Known::Masked | Known::PartlyMasked | Known::Absent | Known::OutOfRange { .. } => 0,
            };
            known - before + element.as_ref().map_or(0, |v| v.as_array().map_or(1, |a| a.size()))
        })
    }

    /// What is known of the element of `name` at `indices`; without indices, of the variable as a whole.
    pub fn lookup(&self, name: &str, indices: &[i64]) -> Known {
        if self.with_elements.contains(name)
            && let Some(element) = self.elements.get(&(Arc::from(name), indices.to_vec()))
        {
            return element.clone().map_or(Known::Masked, Known::Value);
        }
        self.whole_lookup(name, indices)
    }

    fn whole_lookup(&self, name: &str, indices: &[i64]) -> Known {
        match self.whole.get(name) {
            None => Known::Absent,
            Some(Supplied::Masked) => Known::Masked,
            Some(Supplied::Value(value)) => element(value, indices),
            Some(Supplied::Partial { array, missing }) => {
                let size: usize = array.shape()[indices.len().min(array.shape().len())..].iter().product();
                match flat_index(array.shape(), indices) {
                    None => Known::OutOfRange { shape: array.shape().to_vec() },
                    Some(at) => {
                        let missing = missing.get(at * size..(at + 1) * size).unwrap_or(&[]);
                        match missing.iter().filter(|m| **m).count() {
                            0 => element(&Value::Array(array.clone()), indices),
                            n if n == missing.len() => Known::Masked,
                            _ => Known::PartlyMasked,
                        }
                    }
                }
            }
        }
    }
}

/// Position of the sub-array at `indices` among those of its depth.
fn flat_index(shape: &[usize], indices: &[i64]) -> Option<usize> {
    if indices.len() > shape.len() {
        return None;
    }
    indices.iter().zip(shape).try_fold(0_usize, |flat, (i, size)| {
        let i = usize::try_from(*i).ok().filter(|i| i < size)?;
        Some(flat * size + i)
    })
}

fn element(value: &Value, indices: &[i64]) -> Known {
    let mut value = value.clone();
    for i in indices {
        let inner = match (&value, usize::try_from(*i)) {
            (Value::Array(array), Ok(i)) => array.get(i),
            (Value::Array(_), Err(_))
            | (
                Value::Bool(_)
                | Value::Int(_)
                | Value::Real(_)
                | Value::Str(_)
                | Value::Record(_)
                | Value::Posterior(_)
                | Value::Marginal(_),
                _,
            ) => None,
        };
        match inner {
            Some(found) => value = found,
            None => return Known::OutOfRange { shape: value.shape().to_vec() },
        }
    }
    Known::Value(value)
}
