//! Derivatives of the built-in functions: of scalar functions against 400 digits, of all against finite differences.

use std::collections::HashMap;

use unmask::builtin::Builtin;
use unmask::value::{Array, Base, Elements, Value};

use super::{INF, NAN, by_hand, close, golden, i, m, r, v};

/// Lines of the table that `golden/builtin.py` writes: name, as many arguments as there are derivatives after them.
fn golden_derivatives() -> Vec<(Builtin, Vec<f64>, Vec<f64>)> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(',').unwrap();
        let mut numbers: Vec<f64> = numbers.split(',').map(|x| x.parse().unwrap()).collect();
        let derivatives = numbers.split_off(numbers.len() / 2);
        (Builtin::lookup(name).unwrap(), numbers, derivatives)
    };
    include_str!("../../golden/builtin_derivative.csv").lines().map(line).collect()
}

/// Cases with no ties, so that every argument can move.
fn smooth() -> Vec<(&'static str, Vec<Value>)> {
    let x = || v([0.3, -1.2, 0.7, 2.1]);
    let square = || m([[2.0, 0.3, -0.4], [0.1, 1.5, 0.6], [-0.7, 0.2, 1.1]]);
    let covariance = || m([[2.0, 0.3, -0.4], [0.3, 1.5, 0.6], [-0.4, 0.6, 1.1]]);
    let tall = || m([[0.5, -1.0], [2.0, 0.25], [1.5, 3.0]]);
    let points = || m([[0.1, 0.5], [1.2, -0.3], [0.7, 0.9]]);
    let three = || v([0.4, -1.1, 2.3]);
    let mut cases = vec![
        ("min", vec![x()]),
        ("max", vec![m([[0.3, 2.2], [4.1, -0.5]])]),
        ("min", vec![x(), r(0.5)]),
        ("max", vec![r(0.5), x()]),
        ("pow", vec![v([0.5, 2.0]), v([1.5, -0.7])]),
        ("prod", vec![x()]),
        ("prod", vec![v([0.3, 0.0, 2.0])]),
        ("prod", vec![v([0.0, 0.0, 2.0])]),
        ("sum", vec![tall()]),
        ("mean", vec![tall()]),
        ("variance", vec![x()]),
        ("sd", vec![x()]),
        ("median", vec![x()]),
        ("median", vec![three()]),
        ("quantile", vec![x(), r(0.45)]),
        ("quantile", vec![x(), v([0.1, 0.9])]),
        ("norm", vec![x()]),
        ("log_sum_exp", vec![x()]),
        ("log_sum_exp", vec![x(), r(0.25)]),
        ("rep", vec![r(0.3), i(3)]),
        ("rep", vec![three(), i(2)]),
        ("linspace", vec![r(0.3), r(1.7), i(5)]),
        ("linspace", vec![r(0.3), r(1.7), i(1)]),
        ("concat", vec![x(), three()]),
        ("append", vec![tall(), v([0.1, 0.2])]),
        ("head", vec![tall(), i(2)]),
        ("tail", vec![tall(), i(2)]),
        ("reverse", vec![tall()]),
        ("sort", vec![x()]),
        ("cumsum", vec![x()]),
        ("softmax", vec![x()]),
        ("log_softmax", vec![x()]),
        ("dot", vec![three(), v([0.2, 0.5, -0.3])]),
        ("matmul", vec![square(), tall()]),
        ("matmul", vec![square(), three()]),
        ("matmul", vec![three(), tall()]),
        ("transpose", vec![tall()]),
        ("outer", vec![three(), x()]),
        ("diag", vec![three()]),
        ("diagonal", vec![square()]),
        ("add_diagonal", vec![square(), three()]),
        ("add_diagonal", vec![square(), r(0.7)]),
        ("trace", vec![square()]),
        ("cholesky", vec![covariance()]),
        ("det", vec![square()]),
        ("det", vec![m([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.5]])]),
        ("det", vec![m([[1.0, 2.0], [2.0, 4.0]])]),
        ("log_det", vec![square()]),
        ("inverse", vec![square()]),
        ("solve", vec![square(), three()]),
        ("solve", vec![square(), tall()]),
        ("solve_lower", vec![square(), three()]),
        ("solve_lower", vec![square(), tall()]),
        ("quad_form", vec![square(), three()]),
        ("gp_periodic", vec![points(), r(1.3), r(0.8), r(1.9)]),
        ("gp_periodic", vec![points(), m([[0.4, 0.4]]), r(1.3), r(0.8), r(1.9)]),
    ];
    for kernel in ["gp_exp_quad", "gp_matern32", "gp_matern52"] {
        cases.push((kernel, vec![points(), r(1.3), r(0.8)]));
        cases.push((kernel, vec![three(), r(1.3), r(0.8)]));
        cases.push((kernel, vec![points(), m([[0.4, 0.4], [2.0, 1.0]]), r(-1.3), r(0.8)]));
    }
    cases
}

/// Integers as reals wherever the function takes them so, which is the form that it evaluates.
fn promoted(builtin: Builtin, mut arguments: Vec<Value>) -> Vec<Value> {
    for k in 0..arguments.len() {
        let before = arguments[k].clone();
        arguments[k] = before.clone().promote(Base::Real);
        if builtin.evaluate(&arguments).is_err() {
            arguments[k] = before;
        }
    }
    arguments
}

fn is_real(value: &Value) -> bool {
    value.data_type().is_some_and(|t| t.base == Base::Real)
}

/// The value with element `k` moved by `step`.
fn moved(value: &Value, elements: &[usize], step: f64) -> Value {
    let mut x = value.to_f64s();
    for k in elements {
        x[*k] += step;
    }
    match value.as_array() {
        Some(array) => Value::array(Array::new(array.shape().to_vec(), Elements::Real(x)).unwrap()),
        None => r(x[0]),
    }
}

/// Weights without a pattern.
fn weights(n: usize) -> Vec<f64> {
    (0..n).map(|k| (1.7 * k as f64 + 0.3).cos()).collect()
}

/// What the weighted result does when the `elements` of an argument move together: the difference quotient and its error.
/// `None` where it bends or cannot move.
fn quotient(builtin: Builtin, arguments: &[Value], at: usize, elements: &[usize]) -> Option<(f64, f64)> {
    let x = arguments[at].to_f64s()[elements[0]];
    let f = |step: f64| {
        let mut arguments = arguments.to_vec();
        arguments[at] = moved(&arguments[at], elements, step);
        let result = builtin.evaluate(&arguments).ok()?.to_f64s();
        let sum: f64 = result.iter().zip(weights(result.len())).map(|(y, w)| w * y).sum();
        sum.is_finite().then_some(sum)
    };
    let h = 1e-3 * if x == 0.0 { 1.0 } else { x.abs() };
    let center = f(0.0)?;
    let noise = 1e-14 * (center.abs() + 1e-300) / h;
    let (right, left) = ((f(h)? - center) / h, (center - f(-h)?) / h);
    if (right - left).abs() > 0.05 * (right.abs() + left.abs()) + 100.0 * noise {
        return None;
    }
    // Central differences of the fourth order with two steps.
    let central = |h: f64| Some((8.0 * (f(h)? - f(-h)?) - (f(2.0 * h)? - f(-2.0 * h)?)) / (12.0 * h));
    let (coarse, fine) = (central(h)?, central(h / 2.0)?);
    Some((fine, (coarse - fine).abs() + 1e-9 * fine.abs() + 100.0 * noise))
}

/// All moves of one argument that are tried: elements alone, or with their mirror image where alone is refused.
fn moves(builtin: Builtin, arguments: &[Value], at: usize) -> Vec<Vec<usize>> {
    let n = arguments[at].to_f64s().len();
    let columns = arguments[at].shape().get(1).copied().unwrap_or(1);
    let alone = |k: usize| {
        let mut arguments = arguments.to_vec();
        arguments[at] = moved(&arguments[at], &[k], 1e-3);
        builtin.evaluate(&arguments).is_ok()
    };
    (0..n).map(|k| if alone(k) { vec![k] } else { vec![k, k % columns * columns + k / columns] }).collect()
}

#[test]
fn every_pullback_agrees_with_finite_differences() {
    let mut cases: Vec<(Builtin, Vec<Value>)> =
        golden().into_iter().map(|(b, x, _)| (b, x.into_iter().map(r).collect())).collect();
    let lookup = |name: &str| Builtin::lookup(name).unwrap();
    cases.extend(by_hand().into_iter().map(|(name, arguments, _)| (lookup(name), arguments)));
    cases.extend(smooth().into_iter().map(|(name, arguments)| (lookup(name), arguments)));
    // Which arguments of which function have been compared at all.
    let mut compared: HashMap<Builtin, Vec<usize>> = HashMap::new();
    let mut wrong = Vec::new();
    for (builtin, arguments) in cases {
        let arguments = promoted(builtin, arguments);
        let label = format!("{}({arguments:?})", builtin.name());
        let result = builtin.evaluate(&arguments).unwrap();
        let adjoint = weights(result.to_f64s().len());
        let pullback = builtin.pullback(&arguments, &result, &adjoint);
        if !is_real(&result) {
            assert_eq!(pullback, None, "{label}");
            continue;
        }
        if pullback.is_none() && !result.to_f64s().iter().all(|x| x.is_finite()) {
            continue;
        }
        let gradients = pullback.unwrap_or_else(|| panic!("{label} has no derivative"));
        assert_eq!(gradients.len(), arguments.len(), "{label}");
        let compared = compared.entry(builtin).or_default();
        for (at, (argument, gradient)) in arguments.iter().zip(&gradients).enumerate() {
            assert_eq!(gradient.is_some(), is_real(argument), "{label}: argument {at}");
            let Some(gradient) = gradient else { continue };
            assert_eq!(gradient.len(), argument.to_f64s().len(), "{label}: argument {at}");
            for elements in moves(builtin, &arguments, at) {
                let Some((difference, error)) = quotient(builtin, &arguments, at, &elements) else { continue };
                let found: f64 = elements.iter().map(|k| gradient[*k]).sum();
                let tolerance = 1e-7 * (found.abs() + difference.abs()) + 10.0 * error;
                if (found - difference).abs() > tolerance {
                    wrong.push(format!("{label}: argument {at}, {elements:?}: {found}, difference {difference}"));
                }
                if error <= 1e-4 * difference.abs() || difference == 0.0 {
                    compared.push(at);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for builtin in Builtin::ALL {
        for signature in builtin.info().signatures {
            let (head, result) = signature.split_once(" -> ").unwrap();
            let real = |text: &str| ["real", "number", "T"].iter().any(|kind| text.starts_with(kind));
            if !real(result) {
                continue;
            }
            let Some(compared) = compared.get(builtin) else { panic!("no case of {signature} with a real result") };
            for (at, parameter) in head.split(": ").skip(1).enumerate() {
                assert!(!real(parameter) || compared.contains(&at), "argument {at} of {signature} never compared");
            }
        }
    }
}

#[test]
fn scalar_derivatives_match_high_precision_values() {
    let known: Vec<_> = golden_derivatives();
    assert_eq!(known.len(), golden().len());
    let mut wrong = Vec::new();
    for (builtin, x, expected) in known {
        let found = match x[..] {
            [x] => vec![builtin.derivative1().unwrap()(x, builtin.elementwise1().unwrap()(x))],
            [x, y] => builtin.derivative2().unwrap()(x, y).to_vec(),
            _ => unreachable!("{x:?}"),
        };
        if !found.iter().zip(&expected).all(|(a, b)| close(*a, *b, 1e-11)) {
            wrong.push(format!("{}{x:?}: {found:?}, expected {expected:?}", builtin.name()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn derivatives_stay_finite_where_the_answer_is() {
    let cases = [
        ("softplus", -1e300, 0.0),
        ("softplus", 1e300, 1.0),
        ("log_sigmoid", -1e300, 1.0),
        ("sigmoid", 1e300, 0.0),
        ("sigmoid", -INF, 0.0),
        ("log1m_exp", -1e300, 0.0),
        ("tanh", 1e300, 0.0),
        ("erf", 1e300, 0.0),
        ("erf", INF, 0.0),
        ("Phi", -1e300, 0.0),
        ("Phi", -INF, 0.0),
        ("atan", 1e300, 0.0),
        ("abs", 0.0, 0.0),
        ("lgamma", INF, INF),
        ("digamma", 1e300, 1e-300),
    ];
    for (name, x, expected) in cases {
        let builtin = Builtin::lookup(name).unwrap();
        let found = builtin.derivative1().unwrap()(x, builtin.elementwise1().unwrap()(x));
        assert!(close(found, expected, 1e-13), "{name}({x}) has derivative {found}, expected {expected}");
    }
    let cases = [
        ("pow", 0.0, 2.0, [0.0, 0.0]),
        ("pow", 0.0, 0.0, [0.0, -INF]),
        ("pow", -2.0, 3.0, [12.0, NAN]),
        ("hypot", 0.0, 0.0, [0.0, 0.0]),
        ("hypot", 3e300, 4e300, [0.6, 0.8]),
        ("atan2", 3e300, 4e300, [1.6e-301, -1.2e-301]),
        ("log_sum_exp", 5.0, -INF, [1.0, 0.0]),
        ("log_sum_exp", -INF, -INF, [0.5, 0.5]),
        ("log_diff_exp", 3.0, -INF, [1.0, 0.0]),
        ("log_diff_exp", 3.0, 3.0, [INF, -INF]),
        ("max", 1.0, 1.0, [1.0, 0.0]),
        ("min", NAN, 1.0, [NAN, NAN]),
        ("lbeta", 1e-300, 1e300, [-1e300, -0.0]),
        ("lchoose", 5.0, 6.0, [0.0, 0.0]),
    ];
    for (name, x, y, expected) in cases {
        let found = Builtin::lookup(name).unwrap().derivative2().unwrap()(x, y);
        let right = found.iter().zip(expected).all(|(a, b)| close(*a, b, 1e-13));
        assert!(right, "{name}({x}, {y}) has derivatives {found:?}, expected {expected:?}");
    }
    let gradient = |builtin: Builtin, arguments: &[Value], adjoint: &[f64]| {
        let result = builtin.evaluate(arguments).unwrap();
        builtin.pullback(arguments, &result, adjoint).unwrap().remove(0).unwrap()
    };
    // What has no weight does not count, even where it is infinite.
    assert_eq!(gradient(Builtin::Sqrt, &[v([0.0, 4.0])], &[0.0, 1.0]), [0.0, 0.25]);
    assert_eq!(gradient(Builtin::LogSumExp, &[v([-INF, -INF])], &[1.0]), [0.5, 0.5]);
    assert_eq!(gradient(Builtin::LogSumExp, &[v([-INF, 0.0])], &[1.0]), [0.0, 1.0]);
    assert_eq!(gradient(Builtin::LogSoftmax, &[v([0.0, -INF])], &[1.0, 0.0]), [0.0, 0.0]);
    assert_eq!(gradient(Builtin::Norm, &[v([0.0, 0.0])], &[1.0]), [0.0, 0.0]);
    assert_eq!(gradient(Builtin::Sd, &[v([1.0, 1.0])], &[1.0]), [0.0, 0.0]);
    assert_eq!(gradient(Builtin::Max, &[v([1.0, 3.0, 3.0])], &[1.0]), [0.0, 1.0, 0.0]);
    for kernel in [Builtin::GpExpQuad, Builtin::GpMatern32, Builtin::GpMatern52] {
        let far = [v([0.0, 1e300]), r(2.0), r(0.5)];
        let result = kernel.evaluate(&far).unwrap();
        let gradients = kernel.pullback(&far, &result, &[0.0, 1.0, 1.0, 0.0]).unwrap();
        assert_eq!(gradients, [Some(vec![0.0, 0.0]), Some(vec![0.0]), Some(vec![0.0])], "{}", kernel.name());
    }
}

#[test]
fn what_has_no_derivative_has_no_pullback() {
    let singular = m([[1.0, 2.0], [2.0, 4.0]]);
    assert_eq!(Builtin::LogDet.pullback(&[singular], &r(-INF), &[1.0]), None);
    assert_eq!(Builtin::Sum.pullback(&[Value::ints([1, 2])], &i(3), &[1.0]), None);
    // Weights of the wrong number.
    assert_eq!(Builtin::Sum.pullback(&[v([1.0, 2.0])], &r(3.0), &[]), None);
}
