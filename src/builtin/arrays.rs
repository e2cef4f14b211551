//! Making and rearranging arrays.

use super::EvaluationError;
use super::arguments::{Arguments, elements};
use crate::value::{Array, Base, Elements, Value};

type Evaluated = Result<Value, EvaluationError>;

pub(super) fn len(arguments: &Arguments) -> Evaluated {
    Ok(Value::Int(arguments.array(0)?.len() as i64))
}

pub(super) fn zeros(arguments: &Arguments) -> Evaluated {
    filled(arguments, 0.0)
}

pub(super) fn ones(arguments: &Arguments) -> Evaluated {
    filled(arguments, 1.0)
}

fn filled(arguments: &Arguments, value: f64) -> Evaluated {
    let names = ["n", "m"];
    let shape =
        (0..arguments.len()).zip(names).map(|(i, name)| arguments.size(i, name)).collect::<Result<Vec<_>, _>>()?;
    let size = arguments.product(&shape)?;
    arguments.make(shape, Elements::Real(vec![value; size]))
}

pub(super) fn rep(arguments: &Arguments) -> Evaluated {
    let x = arguments.value(0)?;
    let n = arguments.size(1, "n")?;
    let mut shape = vec![n];
    shape.extend(x.shape());
    arguments.product(&shape)?;
    let repeated = match elements(x, base(x)) {
        Elements::Bool(v) => Elements::Bool(v.repeat(n)),
        Elements::Int(v) => Elements::Int(v.repeat(n)),
        Elements::Real(v) => Elements::Real(v.repeat(n)),
    };
    arguments.make(shape, repeated)
}

fn base(value: &Value) -> Base {
    value.data_type().map_or(Base::Real, |t| t.base)
}

pub(super) fn range(arguments: &Arguments) -> Evaluated {
    let (a, b) = (arguments.int(0)?, arguments.int(1)?);
    let size = if b > a { usize::try_from(b.abs_diff(a)).map_err(|_| arguments.too_large())? } else { 0 };
    arguments.product(&[size])?;
    Ok(Value::ints((a..b.max(a)).collect::<Vec<_>>()))
}

pub(super) fn linspace(arguments: &Arguments) -> Evaluated {
    let (a, b, n) = (arguments.real(0)?, arguments.real(1)?, arguments.size(2, "n")?);
    let last = n.saturating_sub(1);
    let point = |i: usize| {
        // The ends are exact; weighting both keeps b − a from overflowing.
        let share = i as f64 / last as f64;
        if i == 0 {
            a
        } else if i == last {
            b
        } else {
            a * (1.0 - share) + b * share
        }
    };
    Ok(Value::reals((0..n).map(point).collect::<Vec<_>>()))
}

fn joined(arguments: &Arguments, first: &Array, second: &Value, shape: Vec<usize>) -> Evaluated {
    arguments.product(&shape)?;
    let joined = match (first.elements(), elements(second, first.base())) {
        (Elements::Bool(a), Elements::Bool(b)) => Elements::Bool([a.as_slice(), &b].concat()),
        (Elements::Int(a), Elements::Int(b)) => Elements::Int([a.as_slice(), &b].concat()),
        (a, b) => Elements::Real([a.to_f64s(), b.to_f64s()].concat()),
    };
    arguments.make(shape, joined)
}

pub(super) fn concat(arguments: &Arguments) -> Evaluated {
    let (a, b) = (arguments.array(0)?, arguments.array(1)?);
    let mut shape = if a.is_empty() { b.shape().to_vec() } else { a.shape().to_vec() };
    if let Some(first) = shape.first_mut() {
        *first = a.len() + b.len();
    }
    joined(arguments, a, arguments.value(1)?, shape)
}

pub(super) fn append(arguments: &Arguments) -> Evaluated {
    let (a, x) = (arguments.array(0)?, arguments.value(1)?);
    let mut shape = vec![a.len() + 1];
    shape.extend(x.shape());
    joined(arguments, a, x, shape)
}

fn part(arguments: &Arguments, range: impl Fn(usize, usize) -> std::ops::Range<usize>) -> Evaluated {
    let x = arguments.array(0)?;
    let k = arguments.int(1)?;
    let out_of_range = || arguments.out_of_range("k", k as f64, &format!("0 to {}, the length of the array", x.len()));
    let k = usize::try_from(k).ok().filter(|k| *k <= x.len()).ok_or_else(out_of_range)?;
    x.rows(range(k, x.len())).map(Value::array).ok_or_else(out_of_range)
}

pub(super) fn head(arguments: &Arguments) -> Evaluated {
    part(arguments, |k, _| 0..k)
}

pub(super) fn tail(arguments: &Arguments) -> Evaluated {
    part(arguments, |k, n| n - k..n)
}

pub(super) fn reverse(arguments: &Arguments) -> Evaluated {
    fn rows_reversed<T: Copy>(v: &[T], row: usize) -> Vec<T> {
        v.chunks(row.max(1)).rev().flatten().copied().collect()
    }
    let x = arguments.array(0)?;
    let row = x.shape().iter().skip(1).product();
    let reversed = match x.elements() {
        Elements::Bool(v) => Elements::Bool(rows_reversed(v, row)),
        Elements::Int(v) => Elements::Int(rows_reversed(v, row)),
        Elements::Real(v) => Elements::Real(rows_reversed(v, row)),
    };
    arguments.make(x.shape().to_vec(), reversed)
}

pub(super) fn sort(arguments: &Arguments) -> Evaluated {
    let sorted = match arguments.array(0)?.elements() {
        Elements::Int(v) => {
            let mut v = v.clone();
            v.sort_unstable();
            Elements::Int(v)
        }
        other @ (Elements::Real(_) | Elements::Bool(_)) => {
            let mut v = other.to_f64s();
            // Total order puts negative NaNs first; here all come last.
            v.sort_by(|a, b| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
            Elements::Real(v)
        }
    };
    Ok(Value::array(Array::vector(sorted)))
}

pub(super) fn cumsum(arguments: &Arguments) -> Evaluated {
    let sums = match arguments.array(0)?.elements() {
        Elements::Int(v) => {
            let mut total = 0_i64;
            let mut add = |x: &i64| {
                total = total.checked_add(*x).ok_or_else(|| arguments.overflow())?;
                Ok(total)
            };
            Elements::Int(v.iter().map(&mut add).collect::<Result<_, EvaluationError>>()?)
        }
        other @ (Elements::Real(_) | Elements::Bool(_)) => {
            let mut total = 0.0;
            let add = |x| {
                total += x;
                total
            };
            Elements::Real(other.to_f64s().into_iter().map(add).collect())
        }
    };
    Ok(Value::array(Array::vector(sums)))
}
