use unmask::dist::{Dual, Scalar};

use super::{CASES, Case, Known, build, close, dual, log_density};

/// How many numbers the arguments of a case hold.
fn count(case: &Case) -> usize {
    let mut n = 0;
    build::<f64>(&case.json, &mut |x| {
        n += 1;
        x
    });
    n
}

/// A function of the case with input `i` (arguments first, then coordinates of the point) as a number with a derivative,
/// and with that input moved.
fn evaluate(
    case: &Case,
    known: &Known,
    i: usize,
    of: impl Fn(&Case, &Known, &dyn Fn(usize, f64) -> Dual) -> Dual,
) -> (Dual, f64) {
    let inputs =
        |seed: bool, shift: f64| move |j: usize, x: f64| dual(if i == j { x + shift } else { x }, seed && i == j);
    let n = count(case);
    let value = current(case, known, i, n);
    // Fourth-order central differences.
    let mut scale = if value == 0.0 { 1.0 } else { value.abs() };
    if let (Some((lower, upper)), true) = (case.distribution.support().real_bounds(), i >= n) {
        // A coordinate must not come near a bound, where densities bend.
        scale = [lower, upper].into_iter().flatten().fold(scale, |s, bound| s.min((value - bound).abs()));
    }
    let h = 2e-4 * scale;
    let at = |k: f64| of(case, known, &inputs(false, k * h)).value;
    let difference = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h);
    (of(case, known, &inputs(true, 0.0)), difference)
}

fn current(case: &Case, known: &Known, i: usize, n: usize) -> f64 {
    let mut numbers = Vec::new();
    build::<f64>(&case.json, &mut |x| {
        numbers.push(x);
        x
    });
    numbers.get(i).copied().unwrap_or_else(|| known.x[i - n])
}

/// Inputs whose move by a little would not be valid: integers, infinite bounds, elements of simplexes and of matrices.
fn is_movable(case: &Case, known: &Known, i: usize) -> bool {
    use unmask::dist::{Constraint, ParameterKind};
    let mut owner = Vec::new();
    fn visit(json: &serde_json::Value, owner: &mut Vec<bool>) {
        let family = unmask::dist::Family::lookup(json["family"].as_str().unwrap()).unwrap();
        for (parameter, json) in family.info().parameters.iter().zip(json["arguments"].as_array().unwrap()) {
            let movable = parameter.kind != ParameterKind::Int && parameter.constraint != Constraint::Simplex;
            match parameter.kind {
                ParameterKind::Distribution => visit(json, owner),
                ParameterKind::Distributions => json.as_array().unwrap().iter().for_each(|d| visit(d, owner)),
                ParameterKind::Matrix => {
                    // Of a symmetric matrix both halves would have to move: only the diagonal is moved.
                    let n = json.as_array().unwrap().len();
                    owner.extend((0..n * n).map(|k| k / n == k % n));
                }
                _ => {
                    let numbers = json.as_array().map_or(1, Vec::len);
                    owner.extend(std::iter::repeat_n(movable, numbers));
                }
            }
        }
    }
    visit(&case.json, &mut owner);
    match owner.get(i) {
        Some(movable) => *movable && current(case, known, i, owner.len()).is_finite(),
        // Coordinates of a simplex move one by one within its tolerance only.
        None => {
            case.distribution.support().integer_bounds().is_none()
                && !matches!(case.distribution.support(), unmask::dist::Support::Simplex(_))
        }
    }
}

fn discrete_truncation_bound(case: &Case, i: usize) -> bool {
    case.family.name() == "truncated" && case.distribution.support().integer_bounds().is_some() && i + 2 >= count(case)
}

fn density_of(case: &Case, known: &Known, input: &dyn Fn(usize, f64) -> Dual) -> Dual {
    let mut next = 0;
    let d = build(&case.json, &mut |x| {
        next += 1;
        input(next - 1, x)
    });
    let x: Vec<Dual> = known.x.iter().enumerate().map(|(j, x)| input(next + j, *x)).collect();
    log_density(&d, &x, known.is_vector)
}

#[test]
fn derivatives_of_log_densities_agree_with_differences() {
    let mut compared = 0;
    for case in CASES.iter().filter(|c| !c.far) {
        for known in case.points.iter().filter(|p| p.log_density.is_finite()) {
            for i in 0..count(case) + known.x.len() {
                if !is_movable(case, known, i) || discrete_truncation_bound(case, i) {
                    continue;
                }
                let narrow = case.name.contains("1.000001");
                let large = known.x[0].abs() > 900.0 || case.name.contains("00000");
                if narrow || large {
                    continue;
                }
                let (found, difference) = evaluate(case, known, i, density_of);
                assert!(
                    close(found.derivative, difference, 2e-6, 2e-7),
                    "{} at {:?}, input {i}: {} instead of {difference}",
                    case.name,
                    known.x,
                    found.derivative
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn derivatives_of_tails_agree_with_differences() {
    for upper in [false, true] {
        for case in CASES.iter().filter(|c| !c.far) {
            for known in case.points.iter().filter(|p| p.tails.is_some_and(|t| t.0.is_finite() && t.1.is_finite())) {
                for i in 0..count(case) + 1 {
                    let large =
                        case.name.contains("00000") || case.name.contains("1.000001") || known.x[0].abs() > 900.0;
                    if !is_movable(case, known, i) || discrete_truncation_bound(case, i) || large {
                        continue;
                    }
                    let tail = |case: &Case, known: &Known, input: &dyn Fn(usize, f64) -> Dual| {
                        let mut next = 0;
                        let d = build(&case.json, &mut |x| {
                            next += 1;
                            input(next - 1, x)
                        });
                        let x = input(next, known.x[0]);
                        if upper { d.log_survival(x).unwrap() } else { d.log_cdf(x).unwrap() }
                    };
                    let (found, difference) = evaluate(case, known, i, tail);
                    assert!(
                        close(found.derivative, difference, 2e-6, 2e-7),
                        "{} at {:?}, input {i}, upper {upper}: {} instead of {difference}",
                        case.name,
                        known.x,
                        found.derivative
                    );
                }
            }
        }
    }
}

type Unary = (&'static str, fn(Dual) -> Dual, &'static [f64]);

const UNARY: &[Unary] = &[
    ("ln", Dual::ln, &[0.3, 4.0]),
    ("ln_1p", Dual::ln_1p, &[-0.4, 3.0]),
    ("exp", Dual::exp, &[-1.0, 2.0]),
    ("exp_m1", Dual::exp_m1, &[-1.0, 2.0]),
    ("sqrt", Dual::sqrt, &[0.2, 9.0]),
    ("square", Dual::square, &[-3.0, 2.0]),
    ("recip", Dual::recip, &[-0.5, 3.0]),
    ("powi", |x| x.powi(-3), &[-1.5, 2.0]),
    ("powf", |x| x.powf(x), &[0.4, 2.0]),
    ("abs", Dual::abs, &[-2.0, 2.0]),
    ("sin", Dual::sin, &[0.3, 4.0]),
    ("cos", Dual::cos, &[0.3, 4.0]),
    ("tan", Dual::tan, &[0.3, 4.0]),
    ("asin", Dual::asin, &[-0.7, 0.2]),
    ("acos", Dual::acos, &[-0.7, 0.2]),
    ("atan", Dual::atan, &[-3.0, 0.2]),
    ("sinh", Dual::sinh, &[-1.0, 0.5]),
    ("cosh", Dual::cosh, &[-1.0, 0.5]),
    ("tanh", Dual::tanh, &[-1.0, 0.5]),
    ("ln_gamma", Dual::ln_gamma, &[0.1, 2.5, 9.9, 50.0]),
    ("digamma", Dual::digamma, &[0.1, 2.5, 9.5, 50.0]),
    ("stirling_error", Dual::stirling_error, &[0.5, 9.0, 12.0]),
    ("deviance", |x| x.deviance(x * x), &[0.5, 1.05, 3.0]),
    ("mul_ln", |x| x.mul_ln(x + 1.0), &[0.5, 3.0]),
    ("mul_ln_1p", |x| x.mul_ln_1p(x), &[0.5, 3.0]),
    ("ln_1p_square", Dual::ln_1p_square, &[-3.0, 0.2, 1e9]),
    ("ln_1p_exp", Dual::ln_1p_exp, &[-30.0, 0.4, 30.0]),
    ("ln_1m_exp", Dual::ln_1m_exp, &[-3.0, -0.1]),
    ("sigmoid", Dual::sigmoid, &[-3.0, 2.0]),
    ("log_sigmoid", Dual::log_sigmoid, &[-30.0, 2.0]),
    ("erf", Dual::erf, &[-1.0, 0.3]),
    ("erfc", Dual::erfc, &[-1.0, 2.0]),
    ("phi", Dual::phi, &[-3.0, 0.3]),
    ("log_phi", Dual::log_phi, &[-50.0, -12.5, -11.5, -0.5, 2.0]),
    ("log_add_exp", |x| x.log_add_exp(x * 2.0), &[-1.0, 2.0]),
    ("log_sub_exp", |x| (x * 2.0).log_sub_exp(x), &[0.3, 2.0]),
];

#[test]
fn derivatives_of_scalar_functions_agree_with_differences() {
    for (name, f, points) in UNARY {
        for x in *points {
            let h = 1e-4 * x.abs();
            let at = |k: f64| f(Dual::constant(x + k * h)).value;
            let difference = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h);
            let found = f(Dual::variable(*x)).derivative;
            assert!(close(found, difference, 1e-7, 1e-10), "{name} at {x}: {found} instead of {difference}");
        }
    }
}
