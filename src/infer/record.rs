//! The draws of an engine: one column an address, gathered from machines that number addresses in their own ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::trace::Trace;
use crate::runtime::{AddressId, Addresses};
use crate::value::{Array, Base, Column, DataType, Elements, Posterior, Value};

/// Which variable a column holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// As written: `s[0].theta[2]`.
    pub name: String,
    /// Dotted, without subscripts.
    pub variable: Arc<str>,
    /// All subscripts.
    pub indices: Vec<i64>,
    /// A deterministic line.
    pub deterministic: bool,
}

/// Draws by address.
#[derive(Clone, Debug, Default)]
pub struct Record {
    addresses: Vec<Address>,
    /// One a draw; `None` where the execution did not reach the address.
    columns: Vec<Vec<Option<Value>>>,
    by_name: FxHashMap<(Arc<str>, Vec<i64>), usize>,
    draws: usize,
    /// Known elements of variables, which fill the gaps between masked ones.
    known: FxHashMap<Arc<str>, BTreeMap<Vec<i64>, Value>>,
}

impl Record {
    /// Remembers known elements, so that arrays of which some elements are masked are whole.
    pub fn know(&mut self, known: &[(AddressId, Value)], addresses: &Addresses) {
        for (address, value) in known {
            let Some((variable, indices)) = addresses.parts(*address).filter(|(_, i)| !i.is_empty()) else { continue };
            let cells = self.known.entry(addresses.name(variable).clone()).or_default();
            cells.entry(indices.to_vec()).or_insert_with(|| value.clone());
        }
    }

    /// Number of draws.
    pub fn len(&self) -> usize {
        self.draws
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.draws == 0
    }

    /// Each address with its draws, in order of first use.
    pub fn columns(&self) -> impl Iterator<Item = (&Address, &[Option<Value>])> {
        self.addresses.iter().zip(self.columns.iter().map(Vec::as_slice))
    }

    /// Adds the draws of one machine, after those that are there.
    pub fn append(&mut self, chunk: &Chunk, addresses: &Addresses) {
        let mut places: Vec<Option<usize>> = vec![None; addresses.len()];
        let before = self.draws;
        self.draws += chunk.draws.len();
        for (i, draw) in chunk.draws.iter().enumerate() {
            for (id, deterministic, value) in draw {
                let Some(place) = places.get_mut(id.0 as usize) else { continue };
                let column = match *place {
                    Some(column) => column,
                    None => {
                        let column = self.column(*id, *deterministic, addresses);
                        *place = Some(column);
                        column
                    }
                };
                let column = &mut self.columns[column];
                column.resize(before + i, None);
                column.push(Some(value.clone()));
            }
        }
        for column in &mut self.columns {
            column.resize(self.draws, None);
        }
    }

    fn column(&mut self, id: AddressId, deterministic: bool, addresses: &Addresses) -> usize {
        let Some((variable, indices)) = addresses.parts(id) else { return 0 };
        let variable = addresses.name(variable).clone();
        let key = (variable.clone(), indices.to_vec());
        if let Some(found) = self.by_name.get(&key) {
            return *found;
        }
        let name = addresses.display(id).to_string();
        self.addresses.push(Address { name, variable, indices: indices.to_vec(), deterministic });
        self.columns.push(Vec::new());
        self.by_name.insert(key, self.columns.len() - 1);
        self.columns.len() - 1
    }

    /// Keeps draws `kept` alone, in that order; for thinning and for dropping draws without weight.
    #[must_use]
    pub fn select(&self, kept: &[usize]) -> Self {
        let pick = |column: &Vec<Option<Value>>| kept.iter().map(|i| column.get(*i).cloned().flatten()).collect();
        Self {
            addresses: self.addresses.clone(),
            columns: self.columns.iter().map(pick).collect(),
            by_name: self.by_name.clone(),
            draws: kept.len(),
            known: self.known.clone(),
        }
    }

    /// The draws as a value of the language: variables whole.
    pub fn posterior(
        &self,
        model: &Arc<str>,
        method: &str,
        weights: &[f64],
        log_evidence: Option<f64>,
        exact: bool,
    ) -> Posterior {
        let mut order: Vec<&Arc<str>> = Vec::new();
        let mut own: FxHashMap<&Arc<str>, Vec<usize>> = FxHashMap::default();
        for (i, address) in self.addresses.iter().enumerate() {
            own.entry(&address.variable)
                .or_insert_with(|| {
                    order.push(&address.variable);
                    Vec::new()
                })
                .push(i);
        }
        let mut columns = Vec::with_capacity(order.len());
        for variable in order {
            let Some(mut places) = own.remove(variable) else { continue };
            places.sort_by(|a, b| self.addresses[*a].indices.cmp(&self.addresses[*b].indices));
            let known = self.known.get(variable).filter(|known| !known.is_empty());
            let values = (0..self.draws)
                .map(|draw| {
                    let mut cells: Vec<(&[i64], &Value)> = places
                        .iter()
                        .filter_map(|p| Some((&self.addresses[*p].indices[..], self.columns[*p][draw].as_ref()?)))
                        .collect();
                    if cells.is_empty() {
                        return None;
                    }
                    if let Some(known) = known {
                        // Places are sorted.
                        let own = cells.len();
                        for (at, value) in known {
                            if cells[..own].binary_search_by(|(i, _)| i.cmp(&at.as_slice())).is_err() {
                                cells.push((at, value));
                            }
                        }
                        cells.sort_by(|a, b| a.0.cmp(b.0));
                    }
                    whole(&cells, 0)
                })
                .collect();
            columns.push(Column { name: variable.clone(), values });
        }
        Posterior {
            model: model.clone(),
            method: method.into(),
            weights: weights.to_vec(),
            columns,
            log_evidence,
            exact,
        }
    }
}

/// Sorted cells as one value. Elements of a real array that an execution did not reach are NaN, which
/// [`crate::value::Marginal`] leaves out; other arrays with gaps are absent.
fn whole(cells: &[(&[i64], &Value)], axis: usize) -> Option<Value> {
    let (first, value) = cells.first()?;
    if first.len() <= axis {
        return Some((*value).clone());
    }
    let mut rows: Vec<Value> = Vec::new();
    for group in cells.chunk_by(|a, b| a.0.get(axis) == b.0.get(axis)) {
        let at = usize::try_from(*group.first()?.0.get(axis)?).ok()?;
        let row = whole(group, axis + 1)?;
        while rows.len() < at {
            rows.push(absent(&row)?);
        }
        rows.push(row);
    }
    let element = rows.first().and_then(Value::data_type).unwrap_or(DataType::REAL);
    Array::stack(&rows, element).ok().map(Value::array)
}

/// NaN in the shape of a real value.
fn absent(like: &Value) -> Option<Value> {
    match like.data_type()? {
        DataType { base: Base::Real, rank: 0 } => Some(Value::Real(f64::NAN)),
        DataType { base: Base::Real, .. } => {
            let array = like.as_array()?;
            Array::new(array.shape().to_vec(), Elements::Real(vec![f64::NAN; array.size()])).map(Value::array)
        }
        DataType { base: Base::Bool | Base::Int, .. } => None,
    }
}

/// One draw: addresses of its machine, whether deterministic, and values.
pub type Draw = Vec<(AddressId, bool, Value)>;

/// The draws of one machine.
#[derive(Debug, Default)]
pub struct Chunk {
    /// In order.
    pub draws: Vec<Draw>,
}

impl Chunk {
    /// Adds what a trace chose and computed.
    pub fn push(&mut self, trace: &Trace) {
        let chosen = trace.choices.iter().map(|c| (c.address, false, c.value.clone()));
        let computed = trace.reported.iter().map(|(address, value)| (*address, true, value.clone()));
        self.draws.push(chosen.chain(computed).collect());
    }
}
