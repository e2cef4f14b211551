//! The operators on values and types.

use unmask::builtin::{EvaluationError, binary, binary_type, real_arithmetic, unary, unary_type};
use unmask::syntax::ast::{BinaryOp, UnaryOp};
use unmask::value::{DataType, Value};

use super::{INF, NAN, assert_value, bv, i, iv, m, r, v};

#[test]
fn operators_compute_elementwise() {
    use BinaryOp as O;
    let t = Value::Bool(true);
    let f = Value::Bool(false);
    let cases = [
        (O::Add, i(2), i(3), i(5)),
        (O::Add, i(2), r(0.5), r(2.5)),
        (O::Add, iv([1, 2]), i(1), iv([2, 3])),
        (O::Subtract, v([1.0, 2.0]), iv([1, 1]), v([0.0, 1.0])),
        (O::Multiply, m([[1.0, 2.0]]), m([[3.0, 4.0]]), m([[3.0, 8.0]])),
        (O::Multiply, i(2), m([[1.0, 2.0]]), m([[2.0, 4.0]])),
        (O::Multiply, i(2), v([]), v([])),
        (O::Divide, i(1), i(2), r(0.5)),
        (O::Divide, iv([1, 3]), i(2), v([0.5, 1.5])),
        (O::Divide, i(1), i(0), r(INF)),
        (O::Remainder, i(-7), i(3), i(-1)),
        (O::Remainder, i(i64::MIN), i(-1), i(0)),
        (O::Power, i(2), i(10), i(1024)),
        (O::Power, i(0), i(0), i(1)),
        (O::Power, i(-1), i(i64::MAX), i(-1)),
        (O::Power, i(0), i(i64::MAX), i(0)),
        (O::Power, i(-2), i(63), i(i64::MIN)),
        (O::Power, i(2), r(-1.0), r(0.5)),
        (O::Power, r(2.0), i(-1), r(0.5)),
        (O::Power, r(-8.0), r(0.5), r(NAN)),
        (O::Equal, i(1), r(1.0), t.clone()),
        (O::Equal, i(i64::MAX), i(i64::MAX - 1), f.clone()),
        (O::Equal, t.clone(), t.clone(), t.clone()),
        (O::Equal, r(NAN), r(NAN), f.clone()),
        (O::NotEqual, r(NAN), r(NAN), t.clone()),
        (O::NotEqual, bv([true, false]), t.clone(), bv([false, true])),
        (O::Less, iv([1, 2]), r(1.5), bv([true, false])),
        (O::LessEqual, i(2), i(2), t.clone()),
        (O::Greater, r(2.0), r(2.0), f.clone()),
        (O::GreaterEqual, v([2.0, 1.0]), v([2.0, 3.0]), bv([true, false])),
        (O::And, t.clone(), i(0), f.clone()),
        (O::And, i(2), i(1), t.clone()),
        (O::Or, i(0), i(3), t.clone()),
        (O::Or, f.clone(), f.clone(), f.clone()),
    ];
    for (op, a, b, expected) in &cases {
        let label = format!("{a} {} {b}", op.symbol());
        let found = binary(*op, a, b).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_value(&label, &found, expected);
        assert_eq!(binary_type(*op, a.data_type().unwrap(), b.data_type().unwrap()), Ok(found.data_type().unwrap()));
    }
    let missing: Vec<_> = O::ALL.iter().filter(|op| !cases.iter().any(|(o, ..)| o == *op)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_value("-x", &unary(UnaryOp::Negate, &iv([1, -2])).unwrap(), &iv([-1, 2]));
    assert!(unary(UnaryOp::Negate, &r(0.0)).unwrap().as_f64().unwrap().is_sign_negative());
    assert_value("!x", &unary(UnaryOp::Not, &i(0)).unwrap(), &t);
    assert_eq!(real_arithmetic(BinaryOp::Divide).unwrap()(1.0, 4.0), 0.25);
}

#[test]
fn operators_refuse_what_has_no_answer() {
    use BinaryOp as O;
    use EvaluationError as E;
    let cases = [
        (O::Add, i(i64::MAX), i(1), E::Overflow { function: "+" }),
        (O::Subtract, i(i64::MIN), i(1), E::Overflow { function: "-" }),
        (O::Multiply, iv([i64::MAX]), i(2), E::Overflow { function: "*" }),
        (O::Power, i(2), i(63), E::Overflow { function: "^" }),
        (O::Power, i(2), i(i64::MAX), E::Overflow { function: "^" }),
        (O::Power, i(2), i(-1), E::NegativeExponent { base: 2, exponent: -1 }),
        (O::Remainder, i(1), i(0), E::DivisionByZero { function: "%" }),
        (O::Add, v([1.0]), v([1.0, 2.0]), E::Shapes { function: "+", left: vec![1], right: vec![2] }),
        (O::Add, Value::Str("a".into()), i(1), E::NotData { function: "+", index: 0 }),
    ];
    for (op, a, b, expected) in cases {
        assert_eq!(binary(op, &a, &b), Err(expected), "{a} {} {b}", op.symbol());
    }
    assert_eq!(unary(UnaryOp::Negate, &i(i64::MIN)), Err(E::Overflow { function: "-" }));
    assert_eq!(E::NegativeExponent { base: 2, exponent: -1 }.help(), Some("use a real base, such as `2.0 ^ n`"));

    let error = binary_type(O::Add, DataType::REAL, DataType::BOOL).unwrap_err();
    assert_eq!(error.help(), Some("a bool is not a number: use `if c then 1 else 0`"));
    assert_eq!(error.to_string(), "operand 2 of `+` is bool, expected int or real");
    let error = binary_type(O::Remainder, DataType::REAL, DataType::INT).unwrap_err();
    assert_eq!(error.help(), Some("`%` is for integers; use `fmod(x, y)` for reals"));
    for (op, a, b) in [
        (O::Equal, DataType::BOOL, DataType::INT),
        (O::Equal, DataType::REAL, DataType::BOOL),
        (O::Less, DataType::BOOL, DataType::BOOL),
        (O::And, DataType::REAL, DataType::BOOL),
        (O::Or, DataType::BOOL, DataType::VECTOR),
        (O::Add, DataType::VECTOR, DataType::MATRIX),
    ] {
        assert!(binary_type(op, a, b).is_err(), "{a} {} {b}", op.symbol());
    }
    assert!(unary_type(UnaryOp::Negate, DataType::BOOL).is_err());
    assert!(unary_type(UnaryOp::Not, DataType::REAL).is_err());
}
