//! Values while a program is lowered: known, or made of nodes of the graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Lowered, NotCompiled};
use crate::check::core::SlotId;
use crate::density::graph::{Graph, Node};
use crate::runtime::Indices;
use crate::value::{Array, Base, Elements, Value};

/// A value of the language.
#[derive(Clone, Debug)]
pub(in crate::density) enum Symbol {
    /// The same in every execution of this path. `masked`: it depends on a masked variable that the path holds.
    Known { value: Value, masked: bool },
    /// A scalar (without shape) or array of nodes.
    Nodes { base: Base, shape: Vec<usize>, items: Arc<[Node]> },
    /// The execution of a model, or an array of them, by field.
    Record { returned: Option<Box<Symbol>>, fields: Vec<(Arc<str>, Symbol)> },
}

impl Symbol {
    pub fn known(value: Value) -> Self {
        Self::Known { value, masked: false }
    }

    pub fn node(base: Base, node: Node) -> Self {
        Self::Nodes { base, shape: Vec::new(), items: [node].into() }
    }

    /// Whether it depends on a masked variable. Of a record, its parts know.
    pub fn masked(&self) -> bool {
        match self {
            Self::Known { masked, .. } => *masked,
            Self::Nodes { .. } => true,
            Self::Record { .. } => false,
        }
    }

    /// The same value, known to depend on a masked variable.
    pub fn with_mask(self, mask: bool) -> Self {
        match self {
            Self::Known { value, masked } => Self::Known { value, masked: masked || mask },
            other @ (Self::Nodes { .. } | Self::Record { .. }) => other,
        }
    }

    /// Kind, shape and scalars of data.
    pub fn parts(&self, graph: &mut Graph) -> Lowered<(Base, Vec<usize>, Arc<[Node]>)> {
        match self {
            Self::Known { value, .. } => {
                let base = value.data_type().ok_or(NotCompiled::Unsupported("a value that is not data"))?.base;
                let items = value.to_f64s().into_iter().map(|x| graph.constant(x)).collect();
                Ok((base, value.shape().to_vec(), items))
            }
            Self::Nodes { base, shape, items } => Ok((*base, shape.clone(), items.clone())),
            Self::Record { returned: Some(inner), .. } => inner.parts(graph),
            Self::Record { returned: None, .. } => Err(NotCompiled::Unsupported("a record where data are expected")),
        }
    }

    /// The inverse of [`Symbol::parts`]: known where all scalars are constants.
    pub fn whole(graph: &Graph, base: Base, shape: Vec<usize>, items: Arc<[Node]>, masked: bool) -> Lowered<Self> {
        let constants: Option<Vec<f64>> = items.iter().map(|n| graph.value(*n)).collect();
        let Some(values) = constants else { return Ok(Self::Nodes { base, shape, items }) };
        let value = match (shape.is_empty(), values.first()) {
            (true, Some(x)) => Value::scalar(base, *x),
            (true, None) => return Err(NotCompiled::Unsupported("a scalar without value")),
            (false, _) => match Array::new(shape, Elements::from_f64s(base, values)) {
                Some(array) => Value::array(array),
                None => return Err(NotCompiled::Unsupported("an array of another size")),
            },
        };
        Ok(Self::Known { value, masked })
    }
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    Empty,
    Whole(Symbol),
    Filling { cells: BTreeMap<Indices, Symbol>, whole: Option<Symbol> },
}

/// The frame of a model or function.
pub(super) struct Scope {
    slots: Vec<Place>,
    defined: Vec<(Arc<str>, SlotId)>,
}

impl Scope {
    pub fn new(slots: usize) -> Self {
        Self { slots: vec![Place::Empty; slots], defined: Vec::new() }
    }

    pub fn set(&mut self, slot: SlotId, symbol: Symbol) {
        if let Some(place) = self.slots.get_mut(slot.0) {
            *place = Place::Whole(symbol);
        }
    }

    pub fn define(&mut self, name: &Arc<str>, slot: SlotId) {
        if !self.defined.iter().any(|(_, s)| *s == slot) {
            self.defined.push((name.clone(), slot));
        }
    }

    /// Fills one cell of a slot.
    pub fn fill(&mut self, slot: SlotId, indices: Indices, symbol: Symbol) -> Lowered<()> {
        let place = self.slots.get_mut(slot.0).ok_or(NotCompiled::Unsupported("a slot that does not exist"))?;
        if !matches!(place, Place::Filling { .. }) {
            *place = Place::Filling { cells: BTreeMap::new(), whole: None };
        }
        if let Place::Filling { cells, whole } = place {
            *whole = None;
            if cells.insert(indices, symbol).is_some() {
                return Err(NotCompiled::Unsupported("an element that is defined twice"));
            }
        }
        Ok(())
    }

    /// One cell, if the slot is filled by cells and has this one.
    pub fn cell(&self, slot: SlotId, indices: &[i64]) -> Option<&Symbol> {
        match self.slots.get(slot.0) {
            Some(Place::Filling { cells, .. }) => cells.get(indices),
            Some(Place::Empty | Place::Whole(_)) | None => None,
        }
    }

    pub fn read(&mut self, slot: SlotId, graph: &mut Graph) -> Lowered<Symbol> {
        match self.slots.get_mut(slot.0) {
            Some(Place::Whole(symbol)) => Ok(symbol.clone()),
            Some(Place::Filling { cells, whole }) => match whole {
                Some(found) => Ok(found.clone()),
                None => Ok(whole.insert(gather(cells, graph)?).clone()),
            },
            Some(Place::Empty) | None => Err(NotCompiled::Unsupported("a variable that is not defined yet")),
        }
    }

    pub fn into_fields(mut self, graph: &mut Graph) -> Vec<(Arc<str>, Symbol)> {
        let defined = std::mem::take(&mut self.defined);
        let field = |(name, slot)| Some((name, self.read(slot, graph).ok()?));
        defined.into_iter().filter_map(field).collect()
    }
}

/// Cells as an array; they must be dense.
fn gather(cells: &BTreeMap<Indices, Symbol>, graph: &mut Graph) -> Lowered<Symbol> {
    let ragged = NotCompiled::Unsupported("an array with gaps");
    let rank = cells.keys().next().map_or(0, |k| k.len());
    let outer: Vec<usize> =
        (0..rank).map(|axis| cells.keys().map(|k| k[axis] + 1).max().unwrap_or(0) as usize).collect();
    if outer.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)) != Some(cells.len()) {
        return Err(ragged);
    }
    if cells.values().any(|c| matches!(c, Symbol::Record { .. })) {
        return records(cells, rank, graph);
    }
    let mut masked = false;
    let mut found: Option<(Base, Vec<usize>)> = None;
    let mut items: Vec<Node> = Vec::new();
    for cell in cells.values() {
        let (base, shape, own) = cell.parts(graph)?;
        masked |= cell.masked();
        match &mut found {
            None => found = Some((base, shape)),
            Some((first, first_shape)) => {
                if *first_shape != shape {
                    return Err(ragged);
                }
                *first = (*first).max(base);
            }
        }
        items.extend_from_slice(&own);
    }
    let (base, inner) = found.ok_or(ragged)?;
    Symbol::whole(graph, base, outer.into_iter().chain(inner).collect(), items.into(), masked)
}

/// An array of records: by index, and what they returned as an array.
fn records(cells: &BTreeMap<Indices, Symbol>, rank: usize, graph: &mut Graph) -> Lowered<Symbol> {
    if rank != 1 {
        return Err(NotCompiled::Unsupported("an array of models with several indices"));
    }
    let fields = cells.iter().map(|(at, cell)| (Arc::from(at[0].to_string()), cell.clone())).collect();
    let returned: Option<BTreeMap<Indices, Symbol>> = cells
        .iter()
        .map(|(at, cell)| match cell {
            Symbol::Record { returned: Some(inner), .. } => Some((at.clone(), (**inner).clone())),
            Symbol::Record { returned: None, .. } | Symbol::Known { .. } | Symbol::Nodes { .. } => None,
        })
        .collect();
    let returned = match returned {
        Some(cells) => Some(Box::new(gather(&cells, graph)?)),
        None => None,
    };
    Ok(Symbol::Record { returned, fields })
}

/// Rows as an array.
pub(super) fn stack(rows: Vec<Symbol>, graph: &mut Graph) -> Lowered<Symbol> {
    let cells = rows.into_iter().enumerate().map(|(i, row)| (Indices::from_slice(&[i as i64]), row)).collect();
    gather(&cells, graph)
}
