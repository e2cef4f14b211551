//! From layers of nested objects to a flat list of assignments to dotted names.

use std::collections::HashSet;
use std::sync::Arc;

use super::assignment::split_name;
use super::{DataError, Layer, Member, RawData, RawValue};
use crate::span::Span;

/// One value for one (dotted) name, or for one element of it.
#[derive(Debug)]
pub(super) struct Assignment {
    /// Dotted, without subscripts.
    pub name: Arc<str>,
    /// All subscripts that were written.
    pub indices: Vec<i64>,
    /// Never an object, unless `known` said that the name is a variable.
    pub value: RawValue,
    /// A name that the model lacks is an error.
    pub explicit: bool,
    /// Where it was said.
    pub span: Option<Span>,
}

/// All assignments in order. `known` tells whether the model has a variable (not a submodel) of a name.
pub(super) fn flatten(data: &RawData, known: &dyn Fn(&str) -> bool) -> (Vec<Assignment>, Vec<DataError>) {
    let mut flat = Flat { known, assignments: Vec::new(), errors: Vec::new() };
    for layer in &data.layers {
        match layer {
            Layer::Explicit(member) => flat.member("", &[], member, true),
            Layer::File(members) => match as_case(members).filter(|_| !known("given") && !known("observed")) {
                Some(parts) => parts.into_iter().flatten().for_each(|m| flat.member("", &[], m, false)),
                None => members.iter().for_each(|m| flat.member("", &[], m, false)),
            },
        }
    }
    (flat.assignments, flat.errors)
}

/// The members of `given` and `observed`, if both are there and objects.
fn as_case(members: &[Member]) -> Option<[&[Member]; 2]> {
    let object = |name: &str| {
        members.iter().rev().find(|m| &*m.name == name).and_then(|m| match &m.value {
            RawValue::Object(inner) => Some(&inner[..]),
            RawValue::Missing
            | RawValue::Bool(_)
            | RawValue::Int(_)
            | RawValue::Real(_)
            | RawValue::Text(_)
            | RawValue::Array(_) => None,
        })
    };
    Some([object("given")?, object("observed")?])
}

struct Flat<'a> {
    known: &'a dyn Fn(&str) -> bool,
    assignments: Vec<Assignment>,
    errors: Vec<DataError>,
}

impl Flat<'_> {
    fn member(&mut self, prefix: &str, outer: &[i64], member: &Member, explicit: bool) {
        // A key that is not of the form of a name cannot be a variable; its text is kept for the message.
        let (own, subscripts) = split_name(&member.name).unwrap_or_else(|| (member.name.to_string(), Vec::new()));
        let name = if prefix.is_empty() { own } else { format!("{prefix}.{own}") };
        let indices = [outer, &subscripts].concat();
        self.value(&name, indices, &member.value, member.span, explicit);
    }

    fn value(&mut self, name: &str, indices: Vec<i64>, value: &RawValue, span: Option<Span>, explicit: bool) {
        match value {
            RawValue::Object(members) if !(self.known)(name) => {
                for member in members {
                    self.member(name, &indices, member, explicit);
                }
            }
            RawValue::Array(rows) if rows.iter().any(RawValue::is_object) && !(self.known)(name) => {
                self.rows(name, &indices, rows, span, explicit);
            }
            RawValue::Object(_)
            | RawValue::Array(_)
            | RawValue::Missing
            | RawValue::Bool(_)
            | RawValue::Int(_)
            | RawValue::Real(_)
            | RawValue::Text(_) => {
                self.assignments.push(Assignment { name: name.into(), indices, value: value.clone(), explicit, span });
            }
        }
    }

    /// `[{"x": 1}, {"x": 2}]` is `{"x": [1, 2]}`: the executions of a submodel in a loop.
    fn rows(&mut self, name: &str, indices: &[i64], rows: &[RawValue], span: Option<Span>, explicit: bool) {
        let mut seen = HashSet::new();
        for member in rows.iter().flat_map(RawValue::members).filter(|m| seen.insert(m.name.clone())) {
            let mut column = Vec::with_capacity(rows.len());
            for (row, value) in rows.iter().enumerate() {
                match value.members().iter().find(|m| m.name == member.name) {
                    Some(found) => column.push(found.value.clone()),
                    None => {
                        let (name, member) = (name.to_owned(), member.name.to_string());
                        self.errors.push(DataError::RowWithoutMember { name, row, member, span });
                        return;
                    }
                }
            }
            let column = Member { name: member.name.clone(), value: RawValue::Array(column), span };
            self.member(name, indices, &column, explicit);
        }
    }
}

impl RawValue {
    fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    fn members(&self) -> &[Member] {
        match self {
            Self::Object(members) => members,
            Self::Missing | Self::Bool(_) | Self::Int(_) | Self::Real(_) | Self::Text(_) | Self::Array(_) => &[],
        }
    }
}
