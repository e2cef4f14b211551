use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use unmask::dist::{Argument, Column, Distribution, Family, Point, ValueKind};
use unmask::value::Value;

use super::{CASES, Case, number};

const DRAWS: usize = 100_000;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn point(value: &Value) -> Vec<f64> {
    value.to_f64s()
}

fn draws(case: &Case, n: usize) -> Vec<f64> {
    let mut rng = rng(11);
    (0..n).map(|_| case.distribution.sample(&mut rng).unwrap().as_f64().unwrap()).collect()
}

/// The probability of a Kolmogorov–Smirnov statistic at least this large (asymptotic).
fn kolmogorov_smirnov(sorted: &[f64], cdf: impl Fn(f64) -> f64) -> f64 {
    let n = sorted.len() as f64;
    let mut largest: f64 = 0.0;
    for (i, x) in sorted.iter().enumerate() {
        let f = cdf(*x);
        largest = largest.max(f - i as f64 / n).max((i + 1) as f64 / n - f);
    }
    let lambda = largest * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    let terms = (1..100).map(|k| {
        let k = f64::from(k);
        let sign = if k as u32 % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * k * k * lambda * lambda).exp()
    });
    if lambda < 0.2 { 1.0 } else { terms.sum::<f64>().clamp(0.0, 1.0) }
}

/// The probability of a chi-squared statistic at least this large, of the counts of integers.
fn chi_squared(case: &Case, drawn: &[f64]) -> f64 {
    let d = &case.distribution;
    let n = drawn.len() as f64;
    let (mut low, high) = drawn.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    let (mut statistic, mut bins) = (0.0, 0.0);
    // Neighbouring integers are joined until a bin expects enough draws.
    let width = ((high - low) / 200.0).ceil().max(1.0);
    let mut mass_before = 0.0;
    let mut edges = Vec::new();
    while low <= high {
        let mass = d.cdf(low + width - 1.0).unwrap();
        if (mass - mass_before) * n >= 20.0 && (1.0 - mass) * n >= 20.0 {
            edges.push((low + width - 1.0, mass - mass_before));
            mass_before = mass;
        }
        low += width;
    }
    edges.push((f64::INFINITY, 1.0 - mass_before));
    let mut last = f64::NEG_INFINITY;
    for (edge, mass) in edges {
        let count = drawn.iter().filter(|x| **x > last && **x <= edge).count() as f64;
        statistic += (count - mass * n).powi(2) / (mass * n).max(1e-300);
        bins += 1.0;
        last = edge;
    }
    if bins < 2.0 {
        return if statistic < 1e-6 { 1.0 } else { 0.0 };
    }
    let law = Distribution::new(Family::lookup("chi_squared").unwrap(), [Argument::Scalar(bins - 1.0)]).unwrap();
    law.log_survival(statistic).unwrap().exp()
}

fn has_the_right_law(case: &Case, mut drawn: Vec<f64>, what: &str) {
    let d = &case.distribution;
    let p = if d.value_kind() == ValueKind::Int {
        chi_squared(case, &drawn)
    } else {
        drawn.sort_by(f64::total_cmp);
        kolmogorov_smirnov(&drawn, |x| d.cdf(x).unwrap())
    };
    assert!(p > 1e-4, "{what} of {}: p = {p}", case.name);
}

#[test]
fn scalar_draws_have_the_right_law() {
    for case in CASES.iter().filter(|c| !c.far && c.distribution.is_proper()) {
        if case.distribution.value_kind() != ValueKind::Vector {
            // Where a distribution function costs thousands of steps, fewer draws do.
            let n = if case.name.contains("00000") { 4_000 } else { DRAWS };
            has_the_right_law(case, draws(case, n), "draws");
        }
    }
}

#[test]
fn columns_have_the_right_law() {
    for case in CASES.iter().filter(|c| !c.far && c.family.has_scalar_form()) {
        let numbers: Vec<f64> = case.json["arguments"].as_array().unwrap().iter().map(number).collect();
        let n = if case.name.contains("00000") { 4_000 } else { DRAWS / 2 };
        let constant: Vec<Column<'_>> = numbers.iter().map(|x| Column::Constant(*x)).collect();
        let lanes: Vec<Vec<f64>> = numbers.iter().map(|x| vec![*x; n]).collect();
        let varying: Vec<Column<'_>> = lanes.iter().map(|x| Column::Lanes(x)).collect();
        let (mut a, mut b) = (vec![0.0; n], vec![0.0; n]);
        case.family.sample_column(&mut rng(5), &constant, &mut a).unwrap();
        case.family.sample_column(&mut rng(5), &varying, &mut b).unwrap();
        assert_eq!(a, b, "{}", case.name);
        has_the_right_law(case, a, "column");
    }
}

#[test]
fn columns_take_each_lane_its_parameters() {
    let normal = Family::lookup("normal").unwrap();
    let means: Vec<f64> = (0..100).map(|i| f64::from(i) * 1e6).collect();
    let mut out = vec![0.0; 100];
    normal.sample_column(&mut rng(1), &[Column::Lanes(&means), Column::Constant(1.0)], &mut out).unwrap();
    assert!(out.iter().zip(&means).all(|(x, m)| (x - m).abs() < 10.0));
}

#[test]
fn draws_lie_strictly_inside_the_support_and_have_density() {
    for case in CASES.iter().filter(|c| c.distribution.is_proper()) {
        let d = &case.distribution;
        let mut rng = rng(3);
        let bounds = d.support().real_bounds();
        for _ in 0..2_000 {
            let value = d.sample(&mut rng).unwrap();
            let x = point(&value);
            let density = super::log_density(d, &x, d.value_kind() == ValueKind::Vector);
            assert!(density > f64::NEG_INFINITY, "{} drew {x:?}", case.name);
            if let Some((lower, upper)) = bounds {
                assert!(matches!(value, Value::Real(x) if x.is_finite()), "{} drew {value}", case.name);
                assert!(lower.is_none_or(|l| x[0] > l) && upper.is_none_or(|u| x[0] < u), "{} drew {x:?}", case.name);
            } else if d.value_kind() == ValueKind::Int {
                assert!(matches!(value, Value::Int(_)), "{} drew {value}", case.name);
            }
        }
    }
}

#[test]
fn tiny_shapes_never_give_the_boundary() {
    for (name, arguments) in [("gamma", vec![1e-4, 1.0]), ("beta", vec![1e-3, 1e-3]), ("inv_gamma", vec![1e-3, 1.0])] {
        let family = Family::lookup(name).unwrap();
        let d = Distribution::new(family, arguments.into_iter().map(Argument::Scalar)).unwrap();
        let mut rng = rng(8);
        for _ in 0..10_000 {
            let x = d.sample(&mut rng).unwrap().as_f64().unwrap();
            assert!(d.log_density(&Point::Scalar(x)).is_finite(), "{d} drew {x:e}");
        }
    }
}

/// Vectors: means and covariances of the draws against those of the family.
#[test]
fn vector_draws_have_the_right_moments() {
    let mut checked = Vec::new();
    for case in CASES.iter().filter(|c| c.distribution.value_kind() == ValueKind::Vector) {
        let arguments = case.distribution.arguments();
        let n = case.points[0].x.len();
        let (mean, covariance): (Vec<f64>, Vec<f64>) = match case.family.name() {
            "dirichlet" => {
                let alpha = arguments[0].elements();
                let total: f64 = alpha.iter().sum();
                let mean: Vec<f64> = alpha.iter().map(|a| a / total).collect();
                let entry =
                    |i: usize, j: usize| (if i == j { mean[i] } else { 0.0 } - mean[i] * mean[j]) / (total + 1.0);
                let covariance = (0..n * n).map(|k| entry(k / n, k % n)).collect();
                (mean, covariance)
            }
            "multi_normal" => (arguments[0].elements().to_vec(), arguments[1].elements().to_vec()),
            "multi_normal_cholesky" => {
                let l = arguments[1].elements();
                let entry = |i: usize, j: usize| (0..n).map(|k| l[i * n + k] * l[j * n + k]).sum();
                (arguments[0].elements().to_vec(), (0..n * n).map(|k| entry(k / n, k % n)).collect())
            }
            "ordered" => continue,
            other => panic!("{other} has no moments here"),
        };
        checked.push(case.family);
        let mut rng = rng(21);
        let drawn: Vec<Vec<f64>> = (0..40_000).map(|_| point(&case.distribution.sample(&mut rng).unwrap())).collect();
        let count = drawn.len() as f64;
        for i in 0..n {
            let found = drawn.iter().map(|x| x[i]).sum::<f64>() / count;
            let error = (covariance[i * n + i] / count).sqrt();
            assert!((found - mean[i]).abs() < 5.0 * error, "{}: mean {i} is {found}", case.name);
            for j in 0..n {
                let products: Vec<f64> = drawn.iter().map(|x| (x[i] - mean[i]) * (x[j] - mean[j])).collect();
                let found = products.iter().sum::<f64>() / count;
                let variance = products.iter().map(|p| (p - found).powi(2)).sum::<f64>() / count;
                let error = (variance / count).sqrt();
                assert!((found - covariance[i * n + j]).abs() < 5.0 * error, "{}: {i}, {j}: {found}", case.name);
            }
        }
    }
    assert!(checked.len() >= 4);
}

/// The elements of an ordered draw together are draws of its base.
#[test]
fn ordered_draws_are_sorted_draws_of_the_base() {
    for case in CASES.iter().filter(|c| c.family.name() == "ordered") {
        let base = &case.distribution.arguments()[0].distributions()[0];
        let mut rng = rng(2);
        let mut all = Vec::new();
        for _ in 0..20_000 {
            let x = point(&case.distribution.sample(&mut rng).unwrap());
            assert!(x.is_sorted());
            all.extend(x);
        }
        all.sort_by(f64::total_cmp);
        assert!(kolmogorov_smirnov(&all, |x| base.cdf(x).unwrap()) > 1e-4);
    }
}

#[test]
fn the_same_seed_gives_the_same_draws() {
    for case in CASES.iter().filter(|c| c.distribution.is_proper()) {
        let run = |seed| {
            let mut rng = rng(seed);
            (0..50).map(|_| case.distribution.sample(&mut rng).unwrap()).collect::<Vec<Value>>()
        };
        assert_eq!(run(7), run(7), "{}", case.name);
    }
}

#[test]
fn truncation_far_in_the_tails_is_drawn_from_exactly() {
    let build = |family: &str, arguments: &[f64]| {
        let family = Family::lookup(family).unwrap();
        Distribution::new(family, arguments.iter().map(|x| Argument::Scalar(*x))).unwrap()
    };
    for (base, lo, hi) in [
        (build("normal", &[0.0, 1.0]), 30.0, f64::INFINITY),
        (build("normal", &[0.0, 1.0]), f64::NEG_INFINITY, -12.0),
        (build("student_t", &[2.0, 0.0, 1.0]), 1e5, 1e6),
        (build("exponential", &[1.0]), 500.0, f64::INFINITY),
        (build("poisson", &[1.0]), 40.0, f64::INFINITY),
        (build("gamma", &[2.0, 1.0]), 0.0, 1e-7),
    ] {
        let arguments = [Argument::Distribution(Box::new(base)), Argument::Scalar(lo), Argument::Scalar(hi)];
        let d = Distribution::new(Family::lookup("truncated").unwrap(), arguments).unwrap();
        let case = Case {
            name: d.to_string(),
            family: d.family(),
            json: serde_json::Value::Null,
            distribution: d,
            far: false,
            points: Vec::new(),
        };
        has_the_right_law(&case, draws(&case, 3_000), "draws");
    }
}
