//! The table of built-in functions.

mod derivatives;
mod operator;

use std::collections::HashSet;

use unmask::builtin::{Builtin, EvaluationError, Group, SignatureError, reference};
use unmask::value::{Array, Base, DataType, Elements, Value};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn r(x: f64) -> Value {
    Value::Real(x)
}

fn i(x: i64) -> Value {
    Value::Int(x)
}

fn v<const N: usize>(x: [f64; N]) -> Value {
    Value::reals(x.to_vec())
}

fn iv<const N: usize>(x: [i64; N]) -> Value {
    Value::ints(x.to_vec())
}

fn bv<const N: usize>(x: [bool; N]) -> Value {
    Value::array(Array::vector(Elements::Bool(x.to_vec())))
}

fn m<const N: usize, const M: usize>(rows: [[f64; M]; N]) -> Value {
    Value::array(Array::new(vec![N, M], Elements::Real(rows.concat())).unwrap())
}

fn im<const N: usize, const M: usize>(rows: [[i64; M]; N]) -> Value {
    Value::array(Array::new(vec![N, M], Elements::Int(rows.concat())).unwrap())
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs()
}

#[track_caller]
fn assert_value(label: &str, found: &Value, expected: &Value) {
    assert_eq!(found.data_type(), expected.data_type(), "{label}: type of {found}, expected {expected}");
    assert_eq!(found.shape(), expected.shape(), "{label}: shape");
    let (a, b) = (found.to_f64s(), expected.to_f64s());
    assert!(
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| close(*a, *b, 1e-13)),
        "{label}: {a:?}, expected {b:?}"
    );
}

/// Lines of the table that `golden/builtin.py` writes: name, arguments, value.
fn golden() -> Vec<(Builtin, Vec<f64>, f64)> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(',').unwrap();
        let mut numbers: Vec<f64> = numbers.split(',').map(|x| x.parse().unwrap()).collect();
        let value = numbers.pop().unwrap();
        (Builtin::lookup(name).unwrap_or_else(|| panic!("{name}")), numbers, value)
    };
    include_str!("../golden/builtin.csv").lines().map(line).collect()
}

/// Values that can be checked by hand.
fn by_hand() -> Vec<(&'static str, Vec<Value>, Value)> {
    let e = std::f64::consts::E;
    let ln2 = std::f64::consts::LN_2;
    let kernel_32 = 4.0 * (1.0 + 3f64.sqrt() * 0.5) * (-(3f64.sqrt()) * 0.5).exp();
    let kernel_52 = 4.0 * (1.0 + 5f64.sqrt() * 0.5 + 5.0 * 0.25 / 3.0) * (-(5f64.sqrt()) * 0.5).exp();
    vec![
        ("abs", vec![i(-3)], i(3)),
        ("abs", vec![iv([-3, 2])], iv([3, 2])),
        ("abs", vec![v([-3.0, 2.5])], v([3.0, 2.5])),
        ("square", vec![i(3)], r(9.0)),
        ("floor", vec![r(-1.5)], r(-2.0)),
        ("round", vec![v([0.5, -0.5, 2.5])], v([1.0, -1.0, 3.0])),
        ("exp", vec![m([[0.0, 1.0]])], m([[1.0, e]])),
        ("to_int", vec![r(-2.9)], i(-2)),
        ("to_int", vec![v([1.5, 7.0])], iv([1, 7])),
        ("to_int", vec![r(-9_223_372_036_854_775_808.0)], i(i64::MIN)),
        ("div", vec![i(7), i(2)], i(3)),
        ("div", vec![i(-7), iv([2, -2])], iv([-3, 3])),
        ("min", vec![i(2), i(3)], i(2)),
        ("min", vec![i(2), v([3.0, 1.0])], v([2.0, 1.0])),
        ("min", vec![iv([4, -2, 9])], i(-2)),
        ("min", vec![r(NAN), r(1.0)], r(NAN)),
        ("max", vec![m([[1.0, 5.0], [2.0, 3.0]])], r(5.0)),
        ("max", vec![v([1.0, NAN])], r(NAN)),
        ("pow", vec![i(2), i(-1)], r(0.5)),
        ("sum", vec![iv([1, 2, 3])], i(6)),
        ("sum", vec![im([[1, 2], [3, 4]])], i(10)),
        ("sum", vec![v([])], r(0.0)),
        ("sum", vec![iv([])], i(0)),
        ("prod", vec![v([1.5, 2.0])], r(3.0)),
        ("prod", vec![iv([])], i(1)),
        ("mean", vec![iv([1, 2, 4, 5])], r(3.0)),
        ("variance", vec![v([1.0, 2.0, 3.0, 4.0])], r(5.0 / 3.0)),
        ("variance", vec![v([1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0])], r(1.0)),
        ("sd", vec![v([1.0, 3.0])], r(2f64.sqrt())),
        ("median", vec![v([5.0, 1.0, 3.0])], r(3.0)),
        ("median", vec![v([5.0, 1.0, 3.0, 4.0])], r(3.5)),
        ("median", vec![v([NAN, 1.0])], r(NAN)),
        ("quantile", vec![v([4.0, 1.0, 3.0, 2.0]), r(0.25)], r(1.75)),
        ("quantile", vec![v([4.0, 1.0, 3.0, 2.0]), v([0.0, 0.5, 1.0])], v([1.0, 2.5, 4.0])),
        ("quantile", vec![v([0.0, 1.0, INF]), r(0.5)], r(1.0)),
        ("any", vec![bv([false, true])], Value::Bool(true)),
        ("any", vec![bv([])], Value::Bool(false)),
        ("all", vec![iv([1, 0])], Value::Bool(false)),
        ("all", vec![iv([])], Value::Bool(true)),
        ("norm", vec![v([3.0, 4.0])], r(5.0)),
        ("norm", vec![v([3e200, 4e200])], r(5e200)),
        ("norm", vec![v([])], r(0.0)),
        ("log_sum_exp", vec![v([1000.0, 1000.0])], r(1000.0 + ln2)),
        ("log_sum_exp", vec![v([])], r(-INF)),
        ("log_sum_exp", vec![v([-INF, -INF])], r(-INF)),
        ("log_sum_exp", vec![v([0.0, -40.0])], r(4.248_354_255_291_589e-18)),
        ("log_sum_exp", vec![v([0.0, 1.0]), r(0.0)], v([ln2, 1.313_261_687_518_222_8])),
        ("argmin", vec![v([2.0, 1.0, 1.0])], i(1)),
        ("argmin", vec![v([2.0, NAN, 1.0])], i(1)),
        ("argmax", vec![iv([2, 7, 7])], i(1)),
        ("len", vec![m([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])], i(2)),
        ("zeros", vec![i(2)], v([0.0, 0.0])),
        ("zeros", vec![i(1), i(2)], m([[0.0, 0.0]])),
        ("zeros", vec![i(0)], v([])),
        ("ones", vec![i(2), i(1)], m([[1.0], [1.0]])),
        ("rep", vec![i(7), i(2)], iv([7, 7])),
        ("rep", vec![v([1.0, 2.0]), i(2)], m([[1.0, 2.0], [1.0, 2.0]])),
        ("rep", vec![Value::Bool(true), i(2)], bv([true, true])),
        ("range", vec![i(-1), i(2)], iv([-1, 0, 1])),
        ("range", vec![i(2), i(2)], iv([])),
        ("range", vec![i(i64::MAX), i(i64::MIN)], iv([])),
        ("linspace", vec![i(0), i(1), i(5)], v([0.0, 0.25, 0.5, 0.75, 1.0])),
        ("linspace", vec![r(2.0), r(3.0), i(1)], v([2.0])),
        ("linspace", vec![r(2.0), r(3.0), i(0)], v([])),
        ("concat", vec![iv([1]), v([2.5])], v([1.0, 2.5])),
        ("concat", vec![bv([true]), bv([false])], bv([true, false])),
        ("concat", vec![m([[1.0, 2.0]]), m([[3.0, 4.0]])], m([[1.0, 2.0], [3.0, 4.0]])),
        ("concat", vec![Value::array(Array::stack(&[], DataType::VECTOR).unwrap()), m([[3.0, 4.0]])], m([[3.0, 4.0]])),
        ("append", vec![iv([1, 2]), i(3)], iv([1, 2, 3])),
        ("append", vec![iv([1, 2]), r(3.0)], v([1.0, 2.0, 3.0])),
        ("append", vec![m([[1.0, 2.0]]), v([3.0, 4.0])], m([[1.0, 2.0], [3.0, 4.0]])),
        ("head", vec![iv([1, 2, 3]), i(2)], iv([1, 2])),
        ("head", vec![iv([1]), i(0)], iv([])),
        ("tail", vec![m([[1.0], [2.0], [3.0]]), i(1)], m([[3.0]])),
        ("reverse", vec![im([[1, 2], [3, 4]])], im([[3, 4], [1, 2]])),
        ("reverse", vec![bv([true, false, false])], bv([false, false, true])),
        ("sort", vec![iv([3, 1, 2])], iv([1, 2, 3])),
        ("sort", vec![v([3.0, -NAN, -INF, NAN, 2.0])], v([-INF, 2.0, 3.0, NAN, NAN])),
        ("cumsum", vec![iv([1, 2, 3])], iv([1, 3, 6])),
        ("cumsum", vec![v([0.5, 0.25])], v([0.5, 0.75])),
        ("softmax", vec![v([1000.0, 1000.0 + ln2])], v([1.0 / 3.0, 2.0 / 3.0])),
        ("softmax", vec![v([])], v([])),
        ("log_softmax", vec![v([0.0, -800.0])], v([0.0, -800.0])),
        ("dot", vec![iv([1, 2]), v([0.5, 4.0])], r(8.5)),
        ("dot", vec![v([]), v([])], r(0.0)),
        ("matmul", vec![m([[1.0, 2.0, 3.0]]), m([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0]])], m([[7.0, 11.0]])),
        ("matmul", vec![m([[1.0, 2.0], [3.0, 4.0]]), v([1.0, 10.0])], v([21.0, 43.0])),
        ("matmul", vec![v([1.0, 10.0]), m([[1.0, 2.0], [3.0, 4.0]])], v([31.0, 42.0])),
        ("transpose", vec![im([[1, 2, 3], [4, 5, 6]])], im([[1, 4], [2, 5], [3, 6]])),
        ("outer", vec![v([1.0, 2.0]), v([3.0, 4.0, 5.0])], m([[3.0, 4.0, 5.0], [6.0, 8.0, 10.0]])),
        ("identity", vec![i(2)], m([[1.0, 0.0], [0.0, 1.0]])),
        ("diag", vec![v([2.0, 3.0])], m([[2.0, 0.0], [0.0, 3.0]])),
        ("diagonal", vec![m([[1.0, 2.0], [3.0, 4.0]])], v([1.0, 4.0])),
        ("add_diagonal", vec![m([[1.0, 2.0], [3.0, 4.0]]), r(0.5)], m([[1.5, 2.0], [3.0, 4.5]])),
        ("add_diagonal", vec![m([[1.0, 2.0], [3.0, 4.0]]), iv([1, 2])], m([[2.0, 2.0], [3.0, 6.0]])),
        ("trace", vec![m([[1.0, 2.0], [3.0, 4.0]])], r(5.0)),
        ("cholesky", vec![m([[4.0, 2.0], [2.0, 10.0]])], m([[2.0, 0.0], [1.0, 3.0]])),
        ("det", vec![m([[1.0, 2.0], [3.0, 4.0]])], r(-2.0)),
        ("det", vec![m::<0, 0>([])], r(1.0)),
        ("log_det", vec![m([[1.0, 2.0], [3.0, 4.0]])], r(ln2)),
        ("log_det", vec![m([[1e-200, 0.0], [0.0, 1e-200]])], r(-400.0 * 10f64.ln())),
        ("log_det", vec![m([[0.0]])], r(-INF)),
        ("inverse", vec![m([[2.0, 1.0], [1.0, 1.0]])], m([[1.0, -1.0], [-1.0, 2.0]])),
        ("solve", vec![m([[2.0, 1.0], [1.0, 1.0]]), v([3.0, 2.0])], v([1.0, 1.0])),
        (
            "solve",
            vec![m([[0.0, 1.0], [2.0, 0.0]]), m([[1.0, 2.0, 3.0], [4.0, 6.0, 8.0]])],
            m([[2.0, 3.0, 4.0], [1.0, 2.0, 3.0]]),
        ),
        ("solve_lower", vec![m([[2.0, 99.0], [1.0, 4.0]]), v([2.0, 9.0])], v([1.0, 2.0])),
        ("solve_lower", vec![m([[2.0, 0.0], [1.0, 4.0]]), m([[2.0, 4.0], [9.0, 6.0]])], m([[1.0, 2.0], [2.0, 1.0]])),
        ("quad_form", vec![m([[1.0, 2.0], [3.0, 4.0]]), v([1.0, 2.0])], r(27.0)),
        (
            "gp_exp_quad",
            vec![iv([0, 1]), i(2), i(2)],
            m([[4.0, 4.0 * (-0.125f64).exp()], [4.0 * (-0.125f64).exp(), 4.0]]),
        ),
        ("gp_exp_quad", vec![v([0.0]), v([3.0, 0.0]), r(1.0), r(3.0)], m([[(-0.5f64).exp(), 1.0]])),
        (
            "gp_exp_quad",
            vec![m([[0.0, 0.0], [3.0, 4.0]]), r(1.0), r(5.0)],
            m([[1.0, (-0.5f64).exp()], [(-0.5f64).exp(), 1.0]]),
        ),
        ("gp_exp_quad", vec![v([0.0]), r(1.0), r(0.0)], m([[NAN]])),
        ("gp_matern32", vec![v([0.0, 1.0]), r(2.0), r(2.0)], m([[4.0, kernel_32], [kernel_32, 4.0]])),
        ("gp_matern52", vec![v([0.0, 1.0]), r(2.0), r(2.0)], m([[4.0, kernel_52], [kernel_52, 4.0]])),
        (
            "gp_periodic",
            vec![v([0.0, 0.5]), r(2.0), r(1.0), r(1.0)],
            m([[4.0, 4.0 * (-2f64).exp()], [4.0 * (-2f64).exp(), 4.0]]),
        ),
        ("gp_periodic", vec![v([0.0]), v([0.25]), r(1.0), r(1.0), r(1.0)], m([[(-1f64).exp()]])),
    ]
}

#[test]
fn every_builtin_has_a_known_value() {
    let mut known: HashSet<Builtin> = golden().into_iter().map(|(b, _, _)| b).collect();
    known.extend(by_hand().into_iter().map(|(name, _, _)| Builtin::lookup(name).unwrap_or_else(|| panic!("{name}"))));
    let missing: Vec<_> = Builtin::ALL.iter().filter(|b| !known.contains(b)).map(|b| b.name()).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn scalar_functions_match_high_precision_values() {
    let mut wrong = Vec::new();
    for (builtin, arguments, expected) in golden() {
        let values: Vec<Value> = arguments.iter().map(|x| r(*x)).collect();
        let found = builtin.evaluate(&values).unwrap().as_f64().unwrap();
        if !close(found, expected, 1e-12) {
            wrong.push(format!("{}{arguments:?}: {found:e}, expected {expected:e}", builtin.name()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn values_known_by_hand() {
    for (name, arguments, expected) in by_hand() {
        let builtin = Builtin::lookup(name).unwrap();
        let label = format!("{name}({})", arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let found = builtin.evaluate(&arguments).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_value(&label, &found, &expected);
        let types: Vec<DataType> = arguments.iter().map(|a| a.data_type().unwrap()).collect();
        assert_eq!(builtin.result_type(&types), Ok(found.data_type().unwrap()), "{label}: static type");
    }
}

#[test]
fn ieee_limits_of_scalar_functions() {
    let cases = [
        ("log", -1.0, NAN),
        ("log", 0.0, -INF),
        ("sqrt", -1.0, NAN),
        ("exp", 1000.0, INF),
        ("sign", -0.0, 0.0),
        ("sign", NAN, NAN),
        ("logit", 0.0, -INF),
        ("logit", 1.0, INF),
        ("logit", 1.5, NAN),
        ("logit", -0.5, NAN),
        ("sigmoid", INF, 1.0),
        ("sigmoid", -INF, 0.0),
        ("sigmoid", -800.0, 0.0),
        ("softplus", INF, INF),
        ("softplus", -INF, 0.0),
        ("softplus", NAN, NAN),
        ("log_sigmoid", -1e300, -1e300),
        ("log1m_exp", 0.0, -INF),
        ("log1m_exp", 1.0, NAN),
        ("log1m_exp", -INF, 0.0),
        ("lgamma", 0.0, INF),
        ("lgamma", -3.0, INF),
        ("lgamma", 1.0, 0.0),
        ("lgamma", 2.0, 0.0),
        ("lgamma", INF, INF),
        ("lgamma", NAN, NAN),
        ("lgamma", 1e306, INF),
        ("digamma", 0.0, NAN),
        ("digamma", -2.0, NAN),
        ("digamma", INF, INF),
        ("Phi", -INF, 0.0),
        ("Phi", INF, 1.0),
        ("erfc", INF, 0.0),
        ("erf", NAN, NAN),
    ];
    for (name, x, expected) in cases {
        let found = Builtin::lookup(name).unwrap().elementwise1().unwrap()(x);
        assert!(close(found, expected, 1e-13), "{name}({x}) = {found}, expected {expected}");
    }
    let cases = [
        ("log_diff_exp", 1.0, 1.0, -INF),
        ("log_diff_exp", 1.0, 2.0, NAN),
        ("log_diff_exp", -INF, -INF, -INF),
        ("log_diff_exp", 3.0, -INF, 3.0),
        ("log_sum_exp", -INF, -INF, -INF),
        ("log_sum_exp", INF, INF, INF),
        ("log_sum_exp", INF, -INF, INF),
        ("log_sum_exp", NAN, 0.0, NAN),
        ("lchoose", 5.0, 0.0, 0.0),
        ("lchoose", 5.0, 5.0, 0.0),
        ("lchoose", 5.0, 6.0, -INF),
        ("lchoose", -1.0, 0.5, NAN),
        ("lbeta", 0.0, 1.0, INF),
        ("lbeta", -1.0, 1.0, NAN),
        ("lbeta", 2.0, INF, -INF),
        ("max", NAN, 1.0, NAN),
        ("fmod", 1.0, 0.0, NAN),
    ];
    for (name, x, y, expected) in cases {
        let found = Builtin::lookup(name).unwrap().elementwise2().unwrap()(x, y);
        assert!(close(found, expected, 1e-13), "{name}({x}, {y}) = {found}, expected {expected}");
    }
}

#[test]
fn elementwise_functions_broadcast_and_agree_with_their_scalar_form() {
    let points = [0.3, -1.5, 2.0, 40.0];
    let matrix = m([[0.3, -1.5], [2.0, 40.0]]);
    for builtin in Builtin::ALL {
        let name = builtin.name();
        if let Some(f) = builtin.elementwise1() {
            assert_value(
                name,
                &builtin.evaluate(std::slice::from_ref(&matrix)).unwrap(),
                &m([[f(0.3), f(-1.5)], [f(2.0), f(40.0)]]),
            );
            assert_value(name, &builtin.evaluate(&[r(0.3)]).unwrap(), &r(f(0.3)));
            assert_value(name, &builtin.evaluate(&[v([])]).unwrap(), &v([]));
            let of_int = builtin.evaluate(&[i(2)]).unwrap();
            assert!(close(of_int.as_f64().unwrap(), f(2.0), 0.0), "{name}(2) = {of_int}");
            assert_eq!(builtin.result_type(&[DataType::MATRIX]), Ok(DataType::MATRIX), "{name}");
        }
        if let Some(f) = builtin.elementwise2() {
            let all = v(points);
            let first = v(points.map(|x| f(x, 2.5)));
            assert_value(name, &builtin.evaluate(&[all.clone(), r(2.5)]).unwrap(), &first);
            assert_value(name, &builtin.evaluate(&[r(2.5), all.clone()]).unwrap(), &v(points.map(|x| f(2.5, x))));
            assert_value(name, &builtin.evaluate(&[all.clone(), all.clone()]).unwrap(), &v(points.map(|x| f(x, x))));
            let shapes = builtin.evaluate(&[all.clone(), v([1.0])]);
            let expected = EvaluationError::Shapes { function: name, left: vec![4], right: vec![1] };
            assert_eq!(shapes, Err(expected), "{name}");
            let ranks = builtin.result_type(&[DataType::VECTOR, DataType::MATRIX]);
            assert!(matches!(ranks, Err(SignatureError::Argument { index: 1, .. })), "{name}: {ranks:?}");
        }
    }
}

#[test]
fn wrong_arity_and_wrong_types_are_errors_for_every_builtin() {
    for builtin in Builtin::ALL {
        let name = builtin.name();
        let arities = builtin.arities();
        assert!(!arities.is_empty(), "{name}");
        for count in (0..7).filter(|n| !arities.contains(n)) {
            let error = builtin.result_type(&vec![DataType::REAL; count]).unwrap_err();
            assert_eq!(error, SignatureError::Arity { function: name, expected: arities.clone(), found: count });
            assert!(builtin.evaluate(&vec![r(1.0); count]).is_err(), "{name} of {count}");
        }
        for count in arities {
            // No function takes an array of bools of rank 1 in every place, but those of one array of any kind.
            let bools = DataType { base: Base::Bool, rank: 1 };
            match builtin.result_type(&vec![bools; count]) {
                Ok(_) => assert!(["any", "all", "len", "reverse", "concat"].contains(&name), "{name} takes bools"),
                Err(error) => {
                    let SignatureError::Argument { function, found, expected, .. } = error else { panic!("{error}") };
                    assert_eq!((function, found), (name, bools));
                    assert!(!expected.is_empty());
                }
            }
            let text = vec![Value::Str("x".into()); count];
            assert_eq!(builtin.evaluate(&text), Err(EvaluationError::NotData { function: name, index: 0 }));
        }
    }
}

#[test]
fn evaluation_never_panics_and_keeps_its_static_type() {
    let empty_matrix = Value::array(Array::stack(&[], DataType::VECTOR).unwrap());
    let odd = [
        r(NAN),
        r(-INF),
        r(0.5),
        i(0),
        i(2),
        i(-1),
        i(i64::MIN),
        i(i64::MAX),
        Value::Bool(true),
        v([]),
        v([NAN, 1.0]),
        v([1.0, 2.0]),
        iv([]),
        iv([i64::MAX, 2]),
        bv([true, false]),
        m([[1.0, NAN], [NAN, 1.0]]),
        m([[2.0, 1.0], [1.0, 2.0]]),
        m([[INF, 0.0], [0.0, 1.0]]),
        m([[0.0, 0.0], [0.0, 0.0]]),
        m([[1.0, 2.0, 3.0]]),
        empty_matrix,
        Builtin::Zeros.evaluate(&[i(100_000), i(0)]).unwrap(),
    ];
    let types: Vec<DataType> = odd.iter().map(|x| x.data_type().unwrap()).collect();
    let check = |builtin: Builtin, indices: &[usize]| {
        let arguments: Vec<Value> = indices.iter().map(|k| odd[*k].clone()).collect();
        let argument_types: Vec<DataType> = indices.iter().map(|k| types[*k]).collect();
        // Kernels of 10⁵ points without coordinates are refused for their size.
        match (builtin.evaluate(&arguments), builtin.result_type(&argument_types)) {
            (Ok(value), expected) => assert_eq!(Ok(value.data_type().unwrap()), expected, "{}", builtin.name()),
            (Err(EvaluationError::Signature(error)), expected) => assert_eq!(Err(error), expected),
            (Err(error), expected) => assert!(expected.is_ok(), "{}: {error}", builtin.name()),
        }
    };
    for builtin in Builtin::ALL {
        for a in 0..odd.len() {
            check(*builtin, &[a]);
            for b in 0..odd.len() {
                check(*builtin, &[a, b]);
                check(*builtin, &[a, b, 2]);
                check(*builtin, &[a, 2, 2, b]);
                check(*builtin, &[a, b, 2, 2]);
            }
        }
    }
}

#[test]
fn errors_of_evaluation_name_what_is_wrong() {
    use EvaluationError as E;
    let cases = [
        ("dot", vec![v([1.0]), v([1.0, 2.0])], E::Shapes { function: "dot", left: vec![1], right: vec![2] }),
        (
            "matmul",
            vec![m([[1.0, 2.0]]), m([[1.0, 2.0]])],
            E::Shapes { function: "matmul", left: vec![1, 2], right: vec![1, 2] },
        ),
        ("append", vec![m([[1.0, 2.0]]), v([1.0])], E::Shapes { function: "append", left: vec![1, 2], right: vec![1] }),
        (
            "gp_exp_quad",
            vec![m([[1.0, 2.0]]), m([[1.0]]), r(1.0), r(1.0)],
            E::Shapes { function: "gp_exp_quad", left: vec![1, 2], right: vec![1, 1] },
        ),
        ("cholesky", vec![m([[1.0, 2.0]])], E::NotSquare { function: "cholesky", shape: vec![1, 2] }),
        ("cholesky", vec![m([[1.0, 2.0], [2.0, 1.0]])], E::NotPositiveDefinite { function: "cholesky" }),
        ("cholesky", vec![m([[1.0, 0.5], [0.4, 1.0]])], E::NotSymmetric { function: "cholesky", row: 1, column: 0 }),
        ("inverse", vec![m([[1.0, 2.0], [2.0, 4.0]])], E::Singular { function: "inverse" }),
        ("solve", vec![m([[0.0]]), v([1.0])], E::Singular { function: "solve" }),
        ("solve_lower", vec![m([[0.0]]), v([1.0])], E::Singular { function: "solve_lower" }),
        ("mean", vec![v([])], E::TooFew { function: "mean", needed: 1, found: 0 }),
        ("max", vec![iv([])], E::TooFew { function: "max", needed: 1, found: 0 }),
        ("sd", vec![v([1.0])], E::TooFew { function: "sd", needed: 2, found: 1 }),
        ("argmax", vec![v([])], E::TooFew { function: "argmax", needed: 1, found: 0 }),
        ("sum", vec![iv([i64::MAX, 1])], E::Overflow { function: "sum" }),
        ("prod", vec![iv([i64::MAX, 2])], E::Overflow { function: "prod" }),
        ("cumsum", vec![iv([i64::MAX, 1])], E::Overflow { function: "cumsum" }),
        ("abs", vec![i(i64::MIN)], E::Overflow { function: "abs" }),
        ("div", vec![i(i64::MIN), i(-1)], E::Overflow { function: "div" }),
        ("div", vec![i(1), i(0)], E::DivisionByZero { function: "div" }),
        ("to_int", vec![r(INF)], E::NotAnInteger { function: "to_int", value: INF }),
        (
            "to_int",
            vec![r(9_223_372_036_854_775_808.0)],
            E::NotAnInteger { function: "to_int", value: 9_223_372_036_854_775_808.0 },
        ),
        ("zeros", vec![i(1 << 40)], E::TooLarge { function: "zeros", limit: 1 << 27 }),
        ("identity", vec![i(1 << 20)], E::TooLarge { function: "identity", limit: 1 << 27 }),
        ("range", vec![i(i64::MIN), i(i64::MAX)], E::TooLarge { function: "range", limit: 1 << 27 }),
        (
            "zeros",
            vec![i(-1)],
            E::OutOfRange { function: "zeros", parameter: "n", value: -1.0, expected: "at least 0".into() },
        ),
        (
            "quantile",
            vec![v([1.0]), r(1.5)],
            E::OutOfRange { function: "quantile", parameter: "p", value: 1.5, expected: "a number from 0 to 1".into() },
        ),
        (
            "head",
            vec![v([1.0]), i(2)],
            E::OutOfRange {
                function: "head",
                parameter: "k",
                value: 2.0,
                expected: "0 to 1, the length of the array".into(),
            },
        ),
    ];
    for (name, arguments, expected) in cases {
        assert_eq!(Builtin::lookup(name).unwrap().evaluate(&arguments), Err(expected), "{name}");
    }
    assert!(!E::Shapes { function: "dot", left: vec![], right: vec![] }.is_recoverable());
    assert!(E::NotPositiveDefinite { function: "cholesky" }.is_recoverable());
    let shapes = Builtin::Dot.evaluate(&[v([1.0]), v([1.0, 2.0])]).unwrap_err();
    assert_eq!(shapes.to_string(), "`dot` cannot combine the shapes [1] and [2]");
    let arity = Builtin::Min.result_type(&[]).unwrap_err();
    assert_eq!(arity.to_string(), "`min` takes 1 or 2 arguments, not 0");
    let solve = Builtin::Solve.result_type(&[DataType::MATRIX, DataType::REAL]).unwrap_err();
    assert_eq!(solve.to_string(), "argument 2 of `solve` is real, expected real[_] or real[_, _]");
}

#[test]
fn names_are_unique_and_near_misses_found() {
    let names: HashSet<_> = Builtin::ALL.iter().map(|b| b.name()).collect();
    assert_eq!(names.len(), Builtin::ALL.len());
    assert!(Builtin::ALL.iter().all(|b| Builtin::lookup(b.name()) == Some(*b)));
    assert_eq!(Builtin::lookup("normal"), None);
    assert_eq!(Builtin::near_miss("chloesky"), Some("cholesky"));
}

#[test]
fn reference_lists_every_builtin_once_with_well_formed_signatures() {
    let entries: Vec<_> = reference().flat_map(|(_, infos)| infos).collect();
    assert_eq!(entries.len(), Builtin::ALL.len());
    assert_eq!(reference().map(|(g, _)| g).collect::<Vec<_>>(), Group::ALL);
    for builtin in Builtin::ALL {
        let info = builtin.info();
        assert!(info.doc.ends_with('.'), "{}", info.name);
        let mut counts = Vec::new();
        for signature in info.signatures {
            assert!(signature.starts_with(&format!("{}(", info.name)), "{signature}");
            counts.push(signature.split(" -> ").next().unwrap().matches(": ").count());
        }
        counts.sort_unstable();
        counts.dedup();
        // A signature that could not be read would be missing here.
        assert_eq!(builtin.arities(), counts, "{}", info.name);
    }
}
