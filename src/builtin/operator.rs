//! The language's operators on values and on types.
//!
//! Elementwise, scalars broadcast. Integers stay integers under `+ - * % ^`; `/` gives a real. A bool is no number. `&&`,
//! `||` and `!` take bool or int scalars; that the right-hand side may not be reached is the caller's business.

use super::broadcast::{zip_ints, zip_reals};
use super::{EvaluationError, SignatureError, scalar};
use crate::syntax::ast::{BinaryOp, UnaryOp};
use crate::value::{Base, DataType, Elements, Value};

/// The value to compute with: a record of a model counts as what the model returned.
pub(super) fn data(value: &Value) -> &Value {
    match value {
        Value::Record(record) => record.returned.as_ref().map_or(value, data),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Real(_)
        | Value::Array(_)
        | Value::Str(_)
        | Value::Posterior(_)
        | Value::Marginal(_) => value,
    }
}

/// The type of `op operand`.
///
/// # Errors
/// Where the operator does not take it.
pub fn unary_type(op: UnaryOp, operand: DataType) -> Result<DataType, SignatureError> {
    let error = |expected: &str| SignatureError::Operand {
        operator: op.symbol(),
        index: 0,
        expected: expected.into(),
        found: operand,
    };
    match op {
        UnaryOp::Negate if operand.base == Base::Bool => Err(error(NUMBER)),
        UnaryOp::Negate => Ok(operand),
        UnaryOp::Not if is_condition(operand) => Ok(DataType::BOOL),
        UnaryOp::Not => Err(error(CONDITION)),
    }
}

const NUMBER: &str = "int or real";
const CONDITION: &str = "a bool or int scalar";

fn is_condition(operand: DataType) -> bool {
    operand == DataType::BOOL || operand == DataType::INT
}

/// The type of `left op right`.
///
/// # Errors
/// Where the operator does not take them, or both are arrays of different ranks.
pub fn binary_type(op: BinaryOp, left: DataType, right: DataType) -> Result<DataType, SignatureError> {
    let error = |index: usize, expected: String| {
        let found = if index == 0 { left } else { right };
        Err(SignatureError::Operand { operator: op.symbol(), index, expected, found })
    };
    let each = |allowed: fn(DataType) -> bool, expected: &str| match (allowed(left), allowed(right)) {
        (true, true) => Ok(()),
        (true, false) => error(1, expected.into()).map(|_: DataType| ()),
        (false, _) => error(0, expected.into()).map(|_: DataType| ()),
    };
    let number = |t: DataType| t.base != Base::Bool;
    let base = match op {
        BinaryOp::Or | BinaryOp::And => {
            each(is_condition, CONDITION)?;
            return Ok(DataType::BOOL);
        }
        BinaryOp::Equal | BinaryOp::NotEqual => match (left.base, right.base) {
            (Base::Bool, Base::Bool) => Base::Bool,
            (Base::Bool, Base::Int | Base::Real) => return error(1, "bool, as on the left".into()),
            (Base::Int | Base::Real, Base::Bool) => return error(1, "int or real, as on the left".into()),
            (Base::Int | Base::Real, Base::Int | Base::Real) => Base::Bool,
        },
        BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => {
            each(number, NUMBER)?;
            Base::Bool
        }
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Power => {
            each(number, NUMBER)?;
            left.base.max(right.base)
        }
        BinaryOp::Divide => {
            each(number, NUMBER)?;
            Base::Real
        }
        BinaryOp::Remainder => {
            each(|t| t.base == Base::Int, "int")?;
            Base::Int
        }
    };
    if left.rank != 0 && right.rank != 0 && left.rank != right.rank {
        return error(1, format!("a scalar or {}", DataType { base: right.base, rank: left.rank }));
    }
    Ok(DataType { base, rank: left.rank.max(right.rank) })
}

/// `op operand`.
///
/// # Errors
/// Where the type does not fit, or an integer overflows.
pub fn unary(op: UnaryOp, operand: &Value) -> Result<Value, EvaluationError> {
    let function = op.symbol();
    let operand = data(operand);
    let Some(data_type) = operand.data_type() else { return Err(EvaluationError::NotData { function, index: 0 }) };
    unary_type(op, data_type)?;
    match op {
        UnaryOp::Not => {
            let condition = operand.as_condition().ok_or(EvaluationError::NotData { function, index: 0 })?;
            Ok(Value::Bool(!condition))
        }
        UnaryOp::Negate => match data_type.base {
            // Not 0 − x, which would lose the sign of zero.
            Base::Real => zip_reals(function, &Value::Real(-1.0), operand, |a, x| Ok(a * x), Elements::Real),
            Base::Bool | Base::Int => zip_ints(
                function,
                &Value::Int(0),
                operand,
                |zero, x| zero.checked_sub(x).ok_or(EvaluationError::Overflow { function }),
                Elements::Int,
            ),
        },
    }
}

/// `left op right`.
///
/// # Errors
/// Where types or shapes do not fit, an integer overflows or is divided by zero, or an integer is raised to a negative one.
pub fn binary(op: BinaryOp, left: &Value, right: &Value) -> Result<Value, EvaluationError> {
    // Scalars, without the vectors of the general way.
    if let (Value::Real(x), Value::Real(y)) = (left, right)
        && let Some(f) = real_arithmetic(op)
    {
        return Ok(Value::Real(f(*x, *y)));
    }
    let function = op.symbol();
    let (left, right) = (data(left), data(right));
    let data_type = |index, value: &Value| value.data_type().ok_or(EvaluationError::NotData { function, index });
    let (left_type, right_type) = (data_type(0, left)?, data_type(1, right)?);
    binary_type(op, left_type, right_type)?;
    let reals = left_type.base == Base::Real || right_type.base == Base::Real;
    match op {
        BinaryOp::Or | BinaryOp::And => {
            let (Some(a), Some(b)) = (left.as_condition(), right.as_condition()) else {
                return Err(EvaluationError::NotData { function, index: 0 });
            };
            Ok(Value::Bool(if op == BinaryOp::Or { a || b } else { a && b }))
        }
        BinaryOp::Equal => compare(function, reals, left, right, f64::eq, i64::eq),
        BinaryOp::NotEqual => compare(function, reals, left, right, f64::ne, i64::ne),
        BinaryOp::Less => compare(function, reals, left, right, f64::lt, i64::lt),
        BinaryOp::LessEqual => compare(function, reals, left, right, f64::le, i64::le),
        BinaryOp::Greater => compare(function, reals, left, right, f64::gt, i64::gt),
        BinaryOp::GreaterEqual => compare(function, reals, left, right, f64::ge, i64::ge),
        BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Remainder
        | BinaryOp::Power => match real_arithmetic(op) {
            Some(f) if reals || op == BinaryOp::Divide => {
                zip_reals(function, left, right, |x, y| Ok(f(x, y)), Elements::Real)
            }
            _ => match (left, right) {
                (Value::Int(a), Value::Int(b)) => int_arithmetic(op, *a, *b).map(Value::Int),
                _ => zip_ints(function, left, right, |a, b| int_arithmetic(op, a, b), Elements::Int),
            },
        },
    }
}

fn compare(
    function: &'static str,
    reals: bool,
    left: &Value,
    right: &Value,
    real: fn(&f64, &f64) -> bool,
    int: fn(&i64, &i64) -> bool,
) -> Result<Value, EvaluationError> {
    match (left, right) {
        (Value::Real(a), Value::Real(b)) => Ok(Value::Bool(real(a, b))),
        (Value::Int(a), Value::Int(b)) => Ok(Value::Bool(int(a, b))),
        _ if reals => zip_reals(function, left, right, |a, b| Ok(real(&a, &b)), Elements::Bool),
        _ => zip_ints(function, left, right, |a, b| Ok(int(&a, &b)), Elements::Bool),
    }
}

/// What the operator is on two real scalars, for callers that apply it lane by lane; `None` where it does not take reals
/// or gives a bool.
pub fn real_arithmetic(op: BinaryOp) -> Option<fn(f64, f64) -> f64> {
    match op {
        BinaryOp::Add => Some(|x, y| x + y),
        BinaryOp::Subtract => Some(|x, y| x - y),
        BinaryOp::Multiply => Some(|x, y| x * y),
        BinaryOp::Divide => Some(|x, y| x / y),
        BinaryOp::Power => Some(scalar::pow),
        BinaryOp::Remainder
        | BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual => None,
    }
}

fn int_arithmetic(op: BinaryOp, a: i64, b: i64) -> Result<i64, EvaluationError> {
    let function = op.symbol();
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::Remainder if b == 0 => return Err(EvaluationError::DivisionByZero { function }),
        // Wrapping only where the exact answer, 0, would pass through an overflow.
        BinaryOp::Remainder => Some(a.wrapping_rem(b)),
        BinaryOp::Power if b < 0 => return Err(EvaluationError::NegativeExponent { base: a, exponent: b }),
        BinaryOp::Power => int_power(a, b),
        BinaryOp::Divide
        | BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual => None,
    };
    result.ok_or(EvaluationError::Overflow { function })
}

fn int_power(base: i64, exponent: i64) -> Option<i64> {
    match base {
        0 | 1 if exponent > 0 => Some(base),
        -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        _ => base.checked_pow(u32::try_from(exponent).ok()?),
    }
}
