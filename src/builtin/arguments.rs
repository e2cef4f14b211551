//! The arguments of a built-in function whose types and sizes have been checked.

use super::EvaluationError;
use crate::value::{Array, Base, Elements, Value};

/// The most elements that a built-in function makes: 1 GiB of doubles.
pub(super) const MAX_ELEMENTS: usize = 1 << 27;

/// Checked arguments and the name of the function, for messages.
pub(super) struct Arguments<'a> {
    /// The function's name.
    pub(super) function: &'static str,
    /// One value a parameter.
    pub(super) values: &'a [Value],
}

impl<'a> Arguments<'a> {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The `index`-th.
    pub(super) fn value(&self, index: usize) -> Result<&'a Value, EvaluationError> {
        self.values.get(index).ok_or(EvaluationError::NotData { function: self.function, index })
    }

    /// The `index`-th as a scalar.
    pub(super) fn real(&self, index: usize) -> Result<f64, EvaluationError> {
        self.value(index)?.as_f64().ok_or(EvaluationError::NotData { function: self.function, index })
    }

    /// The `index`-th as an integer.
    pub(super) fn int(&self, index: usize) -> Result<i64, EvaluationError> {
        self.value(index)?.as_int().ok_or(EvaluationError::NotData { function: self.function, index })
    }

    /// The `index`-th as a size.
    pub(super) fn size(&self, index: usize, parameter: &'static str) -> Result<usize, EvaluationError> {
        let int = self.int(index)?;
        match usize::try_from(int) {
            Ok(size) if size <= MAX_ELEMENTS => Ok(size),
            Ok(_) => Err(self.too_large()),
            Err(_) => Err(self.out_of_range(parameter, int as f64, "at least 0")),
        }
    }

    /// The `index`-th as an array.
    pub(super) fn array(&self, index: usize) -> Result<&'a Array, EvaluationError> {
        match self.value(index)?.as_array() {
            Some(array) => Ok(array),
            None => Err(EvaluationError::NotData { function: self.function, index }),
        }
    }

    /// The doubles of the `index`-th, an array of reals.
    pub(super) fn reals(&self, index: usize) -> Result<&'a [f64], EvaluationError> {
        self.array(index)?.reals().ok_or(EvaluationError::NotData { function: self.function, index })
    }

    /// Fails where there are fewer than `needed` elements.
    pub(super) fn at_least(&self, needed: usize, found: usize) -> Result<(), EvaluationError> {
        if found < needed { Err(EvaluationError::TooFew { function: self.function, needed, found }) } else { Ok(()) }
    }

    pub(super) fn overflow(&self) -> EvaluationError {
        EvaluationError::Overflow { function: self.function }
    }

    pub(super) fn too_large(&self) -> EvaluationError {
        EvaluationError::TooLarge { function: self.function, limit: MAX_ELEMENTS }
    }

    pub(super) fn out_of_range(&self, parameter: &'static str, value: f64, expected: &str) -> EvaluationError {
        EvaluationError::OutOfRange { function: self.function, parameter, value, expected: expected.into() }
    }

    /// The product of `shape`, where that many elements may be made.
    pub(super) fn product(&self, shape: &[usize]) -> Result<usize, EvaluationError> {
        let size = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        size.filter(|n| *n <= MAX_ELEMENTS).ok_or_else(|| self.too_large())
    }

    /// An array of `shape`, whose product is the number of `elements`.
    pub(super) fn make(&self, shape: Vec<usize>, elements: Elements) -> Result<Value, EvaluationError> {
        Array::new(shape, elements).map(Value::array).ok_or_else(|| self.too_large())
    }
}

/// The value of `shape` (empty: a scalar) with these elements.
pub(super) fn shaped(function: &'static str, shape: &[usize], elements: Elements) -> Result<Value, EvaluationError> {
    match shape {
        [] => elements.get(0).ok_or(EvaluationError::NotData { function, index: 0 }),
        _ => Arguments { function, values: &[] }.make(shape.to_vec(), elements),
    }
}

/// The elements of a value: one where it is a scalar.
pub(super) fn elements(value: &Value, base: Base) -> Elements {
    match value.as_array() {
        Some(array) if array.base() == base => array.elements().clone(),
        Some(array) => Elements::from_f64s(base, array.elements().to_f64s()),
        None => match base {
            Base::Bool => Elements::Bool(value.as_condition().into_iter().collect()),
            Base::Int => Elements::Int(value.as_int().into_iter().collect()),
            Base::Real => Elements::Real(value.as_f64().into_iter().collect()),
        },
    }
}
