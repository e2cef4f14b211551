//! From what was said to what is known: names resolved, values of their variables' types, omitted sizes read off arrays.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::convert::{Wanted, convert};
use super::flatten::{Assignment, flatten};
use super::{DataError, RawData, RawValue};
use crate::check::core::{Block, Model, ModelId, Program, StmtKind, Type, Variable, VariableKind};
use crate::diagnostic::{Diagnostic, near_miss};
use crate::runtime::{Conditions, Supplied};
use crate::span::Span;
use crate::syntax::ast::Role;
use crate::value::{Array, DataType, Elements, Value};

/// A size read off an array: the size, the array, and where its data stand.
type SizeRead<'a> = (usize, &'a Arc<str>, Option<Span>);

/// Data that fit a model.
#[derive(Clone, Debug)]
pub struct Bound {
    /// What is known and what is masked.
    pub conditions: Conditions,
    /// What looks like a slip but need not be one.
    pub warnings: Vec<Diagnostic>,
}

/// Binds data to the variables of a model.
///
/// Later data win over earlier ones; single elements change an array that was supplied before them. An integer that is not
/// supplied but is the size of supplied arrays is read off their shapes. Values for deterministic lines are kept: the
/// runtime compares them with what it computes.
///
/// # Errors
/// All mistakes that are found, at least one.
pub fn bind(program: &Program, model: ModelId, raw: &RawData) -> Result<Bound, Vec<DataError>> {
    let is_data =
        |name: &str| program.variable(model, name).is_some_and(|(v, _)| !matches!(v.kind, VariableKind::Submodel(_)));
    let (assignments, errors) = flatten(raw, &is_data);
    let mut binder = Binder { program, model, pending: BTreeMap::new(), warnings: Vec::new(), errors };
    for assignment in assignments {
        if let Err(error) = binder.assign(&assignment) {
            binder.errors.push(error);
        }
    }
    binder.warn_of_near_misses();
    binder.finish()
}

/// What was said of one variable so far.
#[derive(Default)]
struct Pending {
    whole: Option<Supplied>,
    elements: BTreeMap<Vec<i64>, Option<Value>>,
    span: Option<Span>,
}

struct Binder<'a> {
    program: &'a Program,
    model: ModelId,
    pending: BTreeMap<Arc<str>, Pending>,
    warnings: Vec<Diagnostic>,
    errors: Vec<DataError>,
}

/// A name that the model lacks, from a file: ignored unless it is nearly the name of a variable.
const IGNORED: &str = "W0501";

impl Binder<'_> {
    /// Whether a given of the model itself has nothing that it could be drawn from.
    fn is_without_distribution(&self, name: &str) -> bool {
        self.program.model(self.model).body.statements.iter().any(|statement| match &statement.kind {
            StmtKind::Random(random) => {
                random.distribution.is_none() && random.target.path.first().is_some_and(|(own, _)| &**own == name)
            }
            StmtKind::Let(_)
            | StmtKind::Factor(_)
            | StmtKind::If { .. }
            | StmtKind::For { .. }
            | StmtKind::Return(_)
            | StmtKind::Print(_)
            | StmtKind::Evaluate(_) => false,
        })
    }

    fn assign(&mut self, said: &Assignment) -> Result<(), DataError> {
        let Some((variable, outer)) = self.program.variable(self.model, &said.name) else {
            let names = variable_names(self.program, self.model);
            let near = near_miss(&said.name, names.iter().map(String::as_str)).map(str::to_owned);
            if said.explicit {
                let model = self.program.model(self.model).name.clone();
                return Err(DataError::UnknownName { name: said.name.clone(), model, near, span: said.span });
            }
            if let Some(near) = near {
                let message = format!("`{}` is not a variable of the model and is ignored", said.name);
                let mut warning = Diagnostic::warning(IGNORED, message).help(format!("did you mean `{near}`?"));
                if let Some(span) = said.span {
                    warning = warning.label(span, format!("the value of `{}`", said.name));
                }
                self.warnings.push(warning);
            }
            return Ok(());
        };
        let declared = variable.span;
        let ty = self.data_type(variable, outer, said)?;
        let masks = matches!(said.value, RawValue::Missing);
        let is_input = match variable.kind {
            VariableKind::Parameter => true,
            VariableKind::Random(Role::Given) => self.is_without_distribution(&said.name),
            VariableKind::Random(_)
            | VariableKind::Deterministic
            | VariableKind::Condition
            | VariableKind::Submodel(_) => false,
        };
        if masks && is_input {
            return Err(DataError::CannotMask { name: said.name.clone(), span: said.span, declared });
        }
        let wanted = Wanted { name: &said.name, indices: &said.indices, ty, declared, span: said.span };
        if said.indices.is_empty() {
            let whole = convert(&said.value, wanted)?;
            let pending = self.pending.entry(said.name.clone()).or_default();
            *pending = Pending { whole: Some(whole), elements: BTreeMap::new(), span: said.span };
            return Ok(());
        }
        if said.indices.iter().any(|i| *i < 0) {
            // No execution reaches it, so it would be ignored without a word.
            let reason = "subscripts are never negative".into();
            return Err(DataError::NoSuchElement { name: wanted.element(&[]), reason, span: said.span, declared });
        }
        let Some(rank) = ty.rank.checked_sub(said.indices.len()) else {
            return Err(DataError::NoSuchElement {
                name: wanted.element(&[]),
                reason: match ty.rank {
                    0 => format!("`{}` is not an array", said.name),
                    1 => format!("`{}` has 1 axis", said.name),
                    n => format!("`{}` has {n} axes", said.name),
                },
                span: said.span,
                declared,
            });
        };
        let value = convert(&said.value, Wanted { ty: DataType { rank, ..ty }, ..wanted })?;
        let statement_subscripts = outer + self.subscripts(&said.name);
        let pending = self.pending.entry(said.name.clone()).or_default();
        pending.span = pending.span.or(said.span);
        match &pending.whole {
            // A mask of all of it stays below the elements that are known.
            Some(whole @ (Supplied::Value(_) | Supplied::Partial { .. })) => {
                let patched = patch(whole, &said.indices, &value).map_err(|reason| DataError::NoSuchElement {
                    name: wanted.element(&[]),
                    reason,
                    span: said.span,
                    declared,
                })?;
                pending.whole = Some(patched);
                Ok(())
            }
            Some(Supplied::Masked) | None => match spread(&said.indices, &value, statement_subscripts) {
                Some(elements) => {
                    pending.elements.extend(elements);
                    Ok(())
                }
                None => Err(DataError::ElementOfWhole { name: said.name.clone(), span: said.span, declared }),
            },
        }
    }

    fn data_type(&self, variable: &Variable, outer: usize, said: &Assignment) -> Result<DataType, DataError> {
        if let VariableKind::Submodel(inner) = variable.kind {
            let example =
                self.program.model(inner).variables.iter().find(|v| matches!(v.kind, VariableKind::Random(_)));
            return Err(DataError::Submodel {
                name: said.name.clone(),
                model: self.program.model(inner).name.clone(),
                example: example.map(|v| format!("{}.{}", said.name, v.name)),
                span: said.span,
                declared: variable.span,
            });
        }
        match variable.ty {
            Type::Data(ty) => Ok(DataType { rank: ty.rank + outer, ..ty }),
            Type::Str | Type::Record { .. } | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => {
                Err(DataError::UnknownName {
                    name: said.name.clone(),
                    model: self.program.model(self.model).name.clone(),
                    near: None,
                    span: said.span,
                })
            }
        }
    }

    /// How many subscripts the statements that define the variable have: elements are addressed by so many.
    fn subscripts(&self, name: &str) -> usize {
        let mut model = self.program.model(self.model);
        let mut rest = name;
        loop {
            if model.variables.iter().any(|v| &*v.name == rest) {
                return statement_subscripts(&model.body, rest).unwrap_or(0);
            }
            let inner = model.variables.iter().find_map(|v| match v.kind {
                VariableKind::Submodel(inner) => Some((inner, rest.strip_prefix(&*v.name)?.strip_prefix('.')?)),
                VariableKind::Parameter
                | VariableKind::Random(_)
                | VariableKind::Deterministic
                | VariableKind::Condition => None,
            });
            match inner {
                Some((inner, inner_rest)) => (model, rest) = (self.program.model(inner), inner_rest),
                None => return 0,
            }
        }
    }

    /// A near miss of a variable that has its value after all is no slip.
    fn warn_of_near_misses(&mut self) {
        let pending = &self.pending;
        self.warnings.retain(|w| {
            let near = w.help.as_deref().and_then(|h| h.split('`').nth(1)).unwrap_or("");
            !pending.contains_key(near)
        });
    }

    fn finish(mut self) -> Result<Bound, Vec<DataError>> {
        self.read_sizes();
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let mut conditions = Conditions::new();
        for (name, pending) in self.pending {
            if let Some(whole) = pending.whole {
                conditions.supply(name.clone(), whole);
            }
            for (indices, value) in pending.elements {
                conditions.supply_element(name.clone(), indices, value);
            }
        }
        Ok(Bound { conditions, warnings: self.warnings })
    }

    /// Integers that are sizes of supplied arrays. An array may be longer than a supplied size only where the program says
    /// so; the runtime, which knows what is used, sees to that.
    fn read_sizes(&mut self) {
        let model: &Model = self.program.model(self.model);
        let mut read: BTreeMap<&Arc<str>, SizeRead<'_>> = BTreeMap::new();
        for source in &model.size_sources {
            let Some(array) = self.pending.get(&source.array) else { continue };
            let shape = match &array.whole {
                Some(Supplied::Value(value)) => value.shape(),
                Some(Supplied::Partial { array, .. }) => array.shape(),
                Some(Supplied::Masked) | None => continue,
            };
            let Some(found) = shape.get(source.axis).copied() else { continue };
            if let Some(Pending { whole: Some(Supplied::Value(value)), span, .. }) = self.pending.get(&source.size) {
                let supplied = value.as_int().unwrap_or(0);
                if supplied > found as i64 {
                    self.errors.push(DataError::SizeDisagrees {
                        size: source.size.clone(),
                        supplied,
                        array: source.array.clone(),
                        axis: source.axis,
                        found,
                        span: *span,
                        array_span: array.span,
                    });
                }
                continue;
            }
            match read.get(&source.size) {
                None => {
                    read.insert(&source.size, (found, &source.array, array.span));
                }
                Some((first_size, first, first_span)) if *first_size != found => {
                    self.errors.push(DataError::ContradictorySizes {
                        size: source.size.clone(),
                        first: (*first).clone(),
                        first_size: *first_size,
                        first_span: *first_span,
                        second: source.array.clone(),
                        second_size: found,
                        second_span: array.span,
                    });
                }
                Some(_) => {}
            }
        }
        let read: Vec<_> = read.into_iter().map(|(size, (n, ..))| (size.clone(), n)).collect();
        for (size, n) in read {
            let pending = self.pending.entry(size).or_default();
            // A size that is masked on purpose stays masked.
            pending.whole.get_or_insert(Supplied::Value(Value::Int(n as i64)));
        }
    }
}

/// Names of the model's variables and of its submodels', for suggestions.
fn variable_names(program: &Program, model: ModelId) -> Vec<String> {
    /// Recursive models have variables at any depth.
    const DEPTH: usize = 4;
    fn collect(program: &Program, model: ModelId, prefix: &str, depth: usize, names: &mut Vec<String>) {
        for variable in &program.model(model).variables {
            let name = format!("{prefix}{}", variable.name);
            match variable.kind {
                VariableKind::Submodel(inner) if depth < DEPTH => {
                    collect(program, inner, &format!("{name}."), depth + 1, names);
                }
                VariableKind::Submodel(_) => {}
                VariableKind::Parameter
                | VariableKind::Random(_)
                | VariableKind::Deterministic
                | VariableKind::Condition => names.push(name),
            }
        }
    }
    let mut names = Vec::new();
    collect(program, model, "", 0, &mut names);
    names
}

/// The number of subscripts on the left of the first statement that defines `name`.
fn statement_subscripts(block: &Block, name: &str) -> Option<usize> {
    let matches = |path: &[(Arc<str>, usize)]| path.iter().map(|(n, _)| &**n).collect::<Vec<_>>().join(".") == name;
    block.statements.iter().find_map(|statement| match &statement.kind {
        StmtKind::Random(random) => matches(&random.target.path).then_some(random.target.subscripts.len()),
        StmtKind::Let(line) => matches(&line.target.path).then_some(line.target.subscripts.len()),
        StmtKind::If { then, otherwise, .. } => {
            statement_subscripts(then, name).or_else(|| statement_subscripts(otherwise, name))
        }
        StmtKind::For { body, .. } => statement_subscripts(body, name),
        StmtKind::Factor(_) | StmtKind::Return(_) | StmtKind::Print(_) | StmtKind::Evaluate(_) => None,
    })
}

/// `whole` with the part at `indices` replaced.
///
/// # Errors
/// Why there is no such part.
fn patch(whole: &Supplied, indices: &[i64], part: &Supplied) -> Result<Supplied, String> {
    let (array, mut missing) = match whole {
        Supplied::Value(value) => match value.as_array() {
            Some(array) => (array.clone(), vec![false; array.size()]),
            None => return Err("it is not an array".into()),
        },
        Supplied::Partial { array, missing } => (array.clone(), missing.to_vec()),
        Supplied::Masked => return Err("all of it is masked".into()),
    };
    let shape = array.shape();
    let mut at = 0;
    for (axis, (index, size)) in indices.iter().zip(shape).enumerate() {
        match usize::try_from(*index).ok().filter(|i| i < size) {
            Some(index) => at = at * size + index,
            None => return Err(format!("axis {axis} of the supplied array has size {size}, so indices are below it")),
        }
    }
    let inner = &shape[indices.len().min(shape.len())..];
    let size: usize = inner.iter().product();
    let range = at * size..(at + 1) * size;
    let (value, masks) = match part {
        Supplied::Masked => {
            missing[range].fill(true);
            return Ok(Supplied::Partial { array, missing: missing.into() });
        }
        Supplied::Value(value) => (value.clone(), vec![false; size]),
        Supplied::Partial { array, missing } => (Value::Array(array.clone()), missing.to_vec()),
    };
    if value.shape() != inner {
        return Err(format!("its shape is {inner:?} in the supplied array, not {:?}", value.shape()));
    }
    missing[range.clone()].copy_from_slice(&masks);
    let mut elements = array.elements().clone();
    match (&mut elements, &value) {
        (Elements::Bool(v), Value::Bool(b)) => v[range].fill(*b),
        (Elements::Int(v), Value::Int(i)) => v[range].fill(*i),
        (Elements::Real(v), Value::Real(x)) => v[range].fill(*x),
        (Elements::Bool(v), Value::Array(a)) => copy(v, range, a, |e| match e {
            Elements::Bool(v) => Some(v),
            Elements::Int(_) | Elements::Real(_) => None,
        }),
        (Elements::Int(v), Value::Array(a)) => copy(v, range, a, |e| match e {
            Elements::Int(v) => Some(v),
            Elements::Bool(_) | Elements::Real(_) => None,
        }),
        (Elements::Real(v), Value::Array(a)) => copy(v, range, a, |e| match e {
            Elements::Real(v) => Some(v),
            Elements::Bool(_) | Elements::Int(_) => None,
        }),
        // `convert` made both of one kind.
        (Elements::Bool(_) | Elements::Int(_) | Elements::Real(_), _) => {}
    }
    let Some(array) = Array::new(shape.to_vec(), elements) else { return Err("its size does not fit".into()) };
    Ok(if missing.contains(&true) {
        Supplied::Partial { array: array.into(), missing: missing.into() }
    } else {
        Supplied::Value(Value::array(array))
    })
}

fn copy<T: Clone>(
    to: &mut [T],
    range: std::ops::Range<usize>,
    from: &Array,
    elements: impl Fn(&Elements) -> Option<&Vec<T>>,
) {
    if let Some(from) = elements(from.elements()) {
        to[range].clone_from_slice(from);
    }
}

/// Splits a part into the elements that statements define, each by `subscripts` indices. `None` where the part is smaller than
/// what one statement defines.
fn spread(indices: &[i64], part: &Supplied, subscripts: usize) -> Option<Vec<(Vec<i64>, Option<Value>)>> {
    let deeper = subscripts.checked_sub(indices.len())?;
    if deeper == 0 {
        return match part {
            Supplied::Value(value) => Some(vec![(indices.to_vec(), Some(value.clone()))]),
            // What one statement draws is known or masked as a whole.
            Supplied::Partial { .. } | Supplied::Masked => Some(vec![(indices.to_vec(), None)]),
        };
    }
    let (array, missing) = match part {
        Supplied::Value(value) => (value.as_array()?.clone(), None),
        Supplied::Partial { array, missing } => (array.clone(), Some(missing)),
        // The sizes are not known here.
        Supplied::Masked => return None,
    };
    let size = array.size().checked_div(array.len()).unwrap_or(0);
    let mut all = Vec::new();
    for i in 0..array.len() {
        let row = array.get(i)?;
        let row = match missing.and_then(|m| m.get(i * size..(i + 1) * size)) {
            Some(masks) if masks.iter().all(|m| *m) && deeper == 1 => Supplied::Masked,
            Some(masks) if masks.contains(&true) => match row {
                Value::Array(array) => Supplied::Partial { array, missing: masks.into() },
                Value::Bool(_)
                | Value::Int(_)
                | Value::Real(_)
                | Value::Str(_)
                | Value::Record(_)
                | Value::Posterior(_)
                | Value::Marginal(_) => Supplied::Masked,
            },
            Some(_) | None => Supplied::Value(row),
        };
        let inner = [indices, &[i64::try_from(i).ok()?]].concat();
        all.extend(spread(&inner, &row, subscripts)?);
    }
    Some(all)
}
