//! Frames: the values of a model's or function's slots while it runs, and which of them depend on something masked.

use std::sync::Arc;

use super::error::RuntimeError;
use crate::check::core::{Slot, SlotId, Type};
use crate::span::Span;
use crate::value::{Array, Base, DataType, Elements, Field, Record, Value};

/// A value and whether it depends on something masked.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub value: Value,
    pub masked: bool,
}

/// An array that is being filled element by element.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Empty,
    Filled(Tracked),
    Row(Vec<Cell>),
}

#[derive(Clone, Debug)]
enum SlotState {
    Empty,
    Whole(Tracked),
    Filling {
        cells: Cell,
        /// The array of all cells, made when it is first read as a whole.
        whole: Option<Tracked>,
    },
}

/// The slots of one call.
#[derive(Clone, Debug)]
pub(super) struct Frame<'p> {
    layout: &'p [Slot],
    slots: Vec<SlotState>,
    /// Variables that were defined, in order: the fields of the call's record.
    defined: Vec<(Arc<str>, SlotId)>,
}

impl<'p> Frame<'p> {
    pub fn new(layout: &'p [Slot]) -> Self {
        Self { layout, slots: vec![SlotState::Empty; layout.len()], defined: Vec::new() }
    }

    pub fn name(&self, slot: SlotId) -> &'p str {
        self.layout.get(slot.0).map_or("?", |s| &s.name)
    }

    /// Notes that a reported variable lives in `slot`.
    pub fn define(&mut self, name: &Arc<str>, slot: SlotId) {
        if !self.defined.iter().any(|(_, s)| *s == slot) {
            self.defined.push((name.clone(), slot));
        }
    }

    pub fn set(&mut self, slot: SlotId, value: Value, masked: bool) {
        if let Some(state) = self.slots.get_mut(slot.0) {
            *state = SlotState::Whole(Tracked { value, masked });
        }
    }

    /// Sets one element of an array; `Err` where it has a value already. `indices` are not negative.
    pub fn fill(&mut self, slot: SlotId, indices: &[i64], value: Value, masked: bool) -> Result<(), ()> {
        let Some(state) = self.slots.get_mut(slot.0) else { return Err(()) };
        if !matches!(state, SlotState::Filling { .. }) {
            *state = SlotState::Filling { cells: Cell::Empty, whole: None };
        }
        let SlotState::Filling { cells, whole } = state else { return Err(()) };
        *whole = None;
        let mut cell = cells;
        for index in indices {
            let index = usize::try_from(*index).map_err(|_| ())?;
            if matches!(cell, Cell::Empty) {
                *cell = Cell::Row(Vec::new());
            }
            let Cell::Row(row) = cell else { return Err(()) };
            if row.len() <= index {
                row.resize(index + 1, Cell::Empty);
            }
            cell = &mut row[index];
        }
        match cell {
            Cell::Empty => {
                *cell = Cell::Filled(Tracked { value, masked });
                Ok(())
            }
            Cell::Filled(_) | Cell::Row(_) => Err(()),
        }
    }

    /// The whole value of a slot.
    pub fn read(&mut self, slot: SlotId, span: Span) -> Result<&Tracked, RuntimeError> {
        let name = self.name(slot);
        let ty = self.layout.get(slot.0).map(|s| s.ty);
        let Some(state) = self.slots.get_mut(slot.0) else { return Err(not_defined(name, span)) };
        if let (SlotState::Empty, Some(Type::Data(data))) = (&*state, ty)
            && let Some(empty) = Array::new(vec![0; data.rank], Elements::from_f64s(data.base, []))
        {
            // An array whose loops ran no iteration.
            *state = SlotState::Whole(Tracked { value: Value::array(empty), masked: false });
        }
        match state {
            SlotState::Whole(tracked) => Ok(tracked),
            SlotState::Filling { whole: Some(tracked), .. } => Ok(tracked),
            SlotState::Filling { cells, whole: whole @ None } => {
                let mut at = Vec::new();
                let gathered = gather(cells, ty, &mut at, span).map_err(|gap| match gap {
                    Gap::Missing => RuntimeError::NotYetDefined { name: element_name(name, &at), elements: None, span },
                    Gap::Failed(error) => error,
                })?;
                Ok(whole.insert(gathered))
            }
            SlotState::Empty => Err(not_defined(name, span)),
        }
    }

    /// One element of a slot by as many leading `indices` as its cells have, and how many were used; `None` where the slot
    /// has no cells (read it as a whole).
    pub fn read_cell(
        &self,
        slot: SlotId,
        indices: &[i64],
        span: Span,
    ) -> Option<Result<(&Tracked, usize), RuntimeError>> {
        let Some(SlotState::Filling { cells, .. }) = self.slots.get(slot.0) else { return None };
        let mut cell = cells;
        for (depth, index) in indices.iter().enumerate() {
            match cell {
                Cell::Filled(tracked) => return Some(Ok((tracked, depth))),
                Cell::Empty => return Some(Err(self.undefined(slot, indices, None, span))),
                Cell::Row(row) => {
                    if *index < 0 {
                        return Some(Err(RuntimeError::IndexOutOfRange { index: *index, size: row.len(), span }));
                    }
                    match usize::try_from(*index).ok().and_then(|i| row.get(i)) {
                        Some(found) => cell = found,
                        None => return Some(Err(self.undefined(slot, indices, Some(row.len()), span))),
                    }
                }
            }
        }
        match cell {
            Cell::Filled(tracked) => Some(Ok((tracked, indices.len()))),
            Cell::Empty => Some(Err(self.undefined(slot, indices, None, span))),
            // Part of an array: the caller reads it as a whole.
            Cell::Row(_) => None,
        }
    }

    /// An element that is not there yet; `elements`: how many there are.
    fn undefined(&self, slot: SlotId, indices: &[i64], elements: Option<usize>, span: Span) -> RuntimeError {
        RuntimeError::NotYetDefined { name: element_name(self.name(slot), indices), elements, span }
    }

    /// The variables that were defined, as fields; those with gaps are left out.
    pub fn into_fields(mut self, span: Span) -> Vec<Field> {
        let defined = std::mem::take(&mut self.defined);
        let mut fields = Vec::with_capacity(defined.len());
        for (name, slot) in defined {
            if let Ok(tracked) = self.read(slot, span) {
                fields.push(Field { name, value: tracked.value.clone(), masked: tracked.masked });
            }
        }
        fields
    }
}

fn not_defined(name: &str, span: Span) -> RuntimeError {
    RuntimeError::NotYetDefined { name: name.to_owned(), elements: None, span }
}

/// `theta[2][0]` as `theta[2, 0]`.
pub(super) fn element_name(name: &str, indices: &[i64]) -> String {
    match indices {
        [] => name.to_owned(),
        indices => format!("{name}[{}]", indices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

enum Gap {
    Missing,
    Failed(RuntimeError),
}

/// Stacks cells; on a gap, `at` is where.
fn gather(cell: &Cell, ty: Option<Type>, at: &mut Vec<i64>, span: Span) -> Result<Tracked, Gap> {
    match cell {
        Cell::Empty => Err(Gap::Missing),
        Cell::Filled(tracked) => Ok(tracked.clone()),
        Cell::Row(row) => {
            let mut values = Vec::with_capacity(row.len());
            let mut masked = false;
            for (i, cell) in row.iter().enumerate() {
                at.push(i as i64);
                let tracked = gather(cell, ty, at, span)?;
                at.pop();
                masked |= tracked.masked;
                values.push(tracked.value);
            }
            Ok(Tracked { value: stack(values, ty, span).map_err(Gap::Failed)?, masked })
        }
    }
}

fn stack(values: Vec<Value>, ty: Option<Type>, span: Span) -> Result<Value, RuntimeError> {
    let records = values.iter().any(|v| matches!(v, Value::Record(_)));
    let returned = |v: &Value| v.data_type().is_some();
    let array = if values.iter().all(returned) {
        let element = values.first().and_then(Value::data_type).unwrap_or(match ty {
            Some(Type::Data(t)) => DataType { base: t.base, rank: t.rank.saturating_sub(1) },
            Some(Type::Str | Type::Record { .. } | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing) | None => {
                DataType::scalar(Base::Real)
            }
        });
        match Array::stack(&values, element).map_err(|error| RuntimeError::ragged(error, span)) {
            Ok(array) => Some(Value::array(array)),
            Err(_) if records => None,
            Err(error) => return Err(error),
        }
    } else {
        None
    };
    if records {
        let returned_masked = values.iter().any(|v| matches!(v, Value::Record(r) if r.returned_masked));
        let field = |(i, value): (usize, Value)| Field { name: Arc::from(i.to_string()), value, masked: false };
        let fields = values.into_iter().enumerate().map(field).collect();
        return Ok(Value::Record(Arc::new(Record { returned: array, returned_masked, fields })));
    }
    array.ok_or(RuntimeError::Internal { message: "an array of something that is not data", span })
}
