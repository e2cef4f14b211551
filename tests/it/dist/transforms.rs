use unmask::dist::{Dual, Support};

use super::{CASES, close, dual};

fn supports() -> Vec<Support<f64>> {
    let mut all: Vec<Support<f64>> = CASES.iter().map(|c| c.distribution.support()).collect();
    all.push(Support::UpperBounded(-2.0));
    all.push(Support::Ordered { n: 4, lower: None, upper: Some(1.5) });
    all.push(Support::Ordered { n: 4, lower: Some(-1.0), upper: Some(2.0) });
    all.push(Support::Simplex(6));
    all
}

fn lifted(support: &Support<f64>) -> Support<Dual> {
    use unmask::dist::Scalar;
    let c = |x: f64| Dual::constant(x);
    match support {
        Support::Real => Support::Real,
        Support::LowerBounded(l) => Support::LowerBounded(c(*l)),
        Support::UpperBounded(u) => Support::UpperBounded(c(*u)),
        Support::Interval(l, u) => Support::Interval(c(*l), c(*u)),
        Support::Integers { lower, upper } => Support::Integers { lower: *lower, upper: *upper },
        Support::Simplex(n) => Support::Simplex(*n),
        Support::Vector(n) => Support::Vector(*n),
        Support::Ordered { n, lower, upper } => Support::Ordered { n: *n, lower: lower.map(c), upper: upper.map(c) },
    }
}

/// The determinant of a square matrix, by elimination with pivots.
fn determinant(mut a: Vec<Vec<f64>>) -> f64 {
    let n = a.len();
    let mut product = 1.0;
    for i in 0..n {
        let pivot = (i..n).max_by(|j, k| a[*j][i].abs().total_cmp(&a[*k][i].abs())).unwrap();
        a.swap(i, pivot);
        product *= a[i][i];
        for j in i + 1..n {
            let factor = a[j][i] / a[i][i];
            let row = a[i].clone();
            a[j].iter_mut().zip(row).for_each(|(x, above)| *x -= factor * above);
        }
    }
    product
}

fn coordinates(n: usize) -> Vec<Vec<f64>> {
    (0..4).map(|round| (0..n).map(|i| ((i * 7 + round * 3) as f64 * 1.3).sin() * 1.7).collect()).collect()
}

#[test]
fn constrain_and_unconstrain_are_inverse() {
    for support in supports() {
        for z in coordinates(support.dimension()) {
            let (x, _) = support.constrain(&z);
            let back = support.unconstrain(&x);
            assert_eq!(back.len(), z.len());
            for (found, wanted) in back.iter().zip(&z) {
                assert!(close(*found, *wanted, 1e-9, 1e-9), "{support:?}: {back:?} instead of {z:?}");
            }
        }
    }
}

#[test]
fn the_jacobian_is_that_of_the_derivatives() {
    for support in supports() {
        let n = support.dimension();
        for z in coordinates(n).into_iter().filter(|z| !z.is_empty()) {
            let (_, log_jacobian) = support.constrain(&z);
            let support = lifted(&support);
            let matrix = (0..n).map(|i| {
                let inputs: Vec<Dual> = z.iter().enumerate().map(|(j, x)| dual(*x, i == j)).collect();
                support.constrain(&inputs).0.iter().take(n).map(|x| x.derivative).collect()
            });
            let wanted = determinant(matrix.collect()).abs().ln();
            assert!(close(log_jacobian, wanted, 1e-9, 1e-9), "{support:?}: {log_jacobian} instead of {wanted}");
        }
    }
}

#[test]
fn constrained_points_are_in_the_support() {
    for case in CASES.iter() {
        let support = case.distribution.support();
        for z in coordinates(support.dimension()).into_iter().filter(|z| !z.is_empty()) {
            let (x, _) = support.constrain(&z);
            let is_vector = support.real_bounds().is_none();
            let found = super::log_density(&case.distribution, &x, is_vector);
            assert!(found.is_finite(), "{} at {x:?}: {found}", case.name);
        }
    }
}

#[test]
fn bounds_carry_derivatives() {
    let support = Support::Interval(Dual::variable(-1.0), dual(3.0, false));
    let (x, log_jacobian) = support.constrain_scalar(dual(0.4, false)).unwrap();
    // x = a + (b − a) σ(z): ∂x/∂a = 1 − σ(z); ln J = ln (b − a) + …: ∂/∂a = −1/(b − a).
    assert!(close(x.derivative, 1.0 - 1.0 / (1.0 + (-0.4f64).exp()), 1e-14, 0.0));
    assert!(close(log_jacobian.derivative, -0.25, 1e-14, 0.0));
}
