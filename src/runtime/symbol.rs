//! Symbolic values: what is known while a program is lowered to columns, and what is in a register.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::columnar::Operand;
use crate::check::core::SlotId;
use crate::value::{Array, Base, Elements, Value};

/// The program needs the machine.
#[derive(Debug)]
pub(super) struct NotColumnar;

pub(super) type Lowered<T> = Result<T, NotColumnar>;

/// A value while lowering.
#[derive(Clone, Debug)]
pub(super) enum Symbol {
    Known(Value),
    Lane { register: usize, base: Base },
    Array { base: Base, shape: Vec<usize>, items: Vec<Operand> },
    Record { returned: Option<Box<Symbol>>, fields: Vec<(Arc<str>, Symbol)> },
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    Empty,
    Whole(Symbol),
    Filling(BTreeMap<Vec<i64>, Symbol>),
}

pub(super) struct Scope {
    pub slots: Vec<Place>,
    pub defined: Vec<(Arc<str>, SlotId)>,
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

    pub fn read(&self, slot: SlotId) -> Lowered<Symbol> {
        match self.slots.get(slot.0) {
            Some(Place::Whole(symbol)) => Ok(symbol.clone()),
            Some(Place::Filling(cells)) => gather(cells),
            Some(Place::Empty) | None => Err(NotColumnar),
        }
    }
}

/// Cells as an array; they must be dense.
pub(super) fn gather(cells: &BTreeMap<Vec<i64>, Symbol>) -> Lowered<Symbol> {
    let rank = cells.keys().next().map_or(0, Vec::len);
    let outer: Vec<usize> =
        (0..rank).map(|axis| cells.keys().map(|k| k[axis] + 1).max().unwrap_or(0) as usize).collect();
    if cells.len() != outer.iter().product::<usize>() {
        return Err(NotColumnar);
    }
    let first = cells.values().next().ok_or(NotColumnar)?;
    let (mut base, inner, _) = parts(first)?;
    let mut items = Vec::new();
    for cell in cells.values() {
        let (own, shape, own_items) = parts(cell)?;
        if shape != inner {
            return Err(NotColumnar);
        }
        base = base.max(own);
        items.extend(own_items);
    }
    Ok(Symbol::Array { base, shape: outer.into_iter().chain(inner).collect(), items })
}

/// Kind, shape and scalars of data.
pub(super) fn parts(symbol: &Symbol) -> Lowered<(Base, Vec<usize>, Vec<Operand>)> {
    match symbol {
        Symbol::Known(value) => {
            let base = value.data_type().ok_or(NotColumnar)?.base;
            Ok((base, value.shape().to_vec(), value.to_f64s().into_iter().map(Operand::Constant).collect()))
        }
        Symbol::Lane { register, base } => Ok((*base, Vec::new(), vec![Operand::Register(*register)])),
        Symbol::Array { base, shape, items } => Ok((*base, shape.clone(), items.clone())),
        Symbol::Record { returned: Some(inner), .. } => parts(inner),
        Symbol::Record { returned: None, .. } => Err(NotColumnar),
    }
}

/// The inverse of [`parts`].
pub(super) fn whole(base: Base, shape: Vec<usize>, items: Vec<Operand>) -> Lowered<Symbol> {
    let constants: Option<Vec<f64>> = items
        .iter()
        .map(|i| match i {
            Operand::Constant(x) => Some(*x),
            Operand::Register(_) => None,
        })
        .collect();
    match (constants, shape.is_empty(), items.first()) {
        (Some(values), true, _) => Ok(Symbol::Known(Value::scalar(base, *values.first().ok_or(NotColumnar)?))),
        (Some(values), false, _) => {
            let array = Array::new(shape, Elements::from_f64s(base, values)).ok_or(NotColumnar)?;
            Ok(Symbol::Known(Value::array(array)))
        }
        (None, true, Some(Operand::Register(register))) => Ok(Symbol::Lane { register: *register, base }),
        (None, true, _) => Err(NotColumnar),
        (None, false, _) => Ok(Symbol::Array { base, shape, items }),
    }
}

pub(super) fn stack(rows: Vec<Symbol>) -> Lowered<Symbol> {
    let cells = rows.into_iter().enumerate().map(|(i, row)| (vec![i as i64], row)).collect();
    gather(&cells)
}
