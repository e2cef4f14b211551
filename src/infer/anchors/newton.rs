//! Modes of a log density by damped Newton steps, with the curvature there.

use crate::density::Evaluator;
use crate::dist::HALF_LN_TWO_PI;

/// Newton steps at most.
const STEPS: usize = 60;

/// Steps of differences for a Hessian, in units of the scale of a coordinate. Its third power is about the rounding error of
/// a gradient, so that both errors of a central difference are alike.
const DIFFERENCE: f64 = 1e-3;

/// The decrement, half the squared length of a Newton step in the metric of the Hessian, at which a mode is found.
const CONVERGED: f64 = 1e-10;

/// The largest decrement at which a point that does not improve any more counts as a mode.
const NEARLY: f64 = 1e-4;

/// A local maximum of a log density with its curvature.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// Where it is.
    pub location: Vec<f64>,
    /// The log density there.
    pub log_density: f64,
    /// The lower triangular L, row-major, with L Lᵀ the inverse of the negative Hessian: the covariance of the local normal
    /// approximation. Row i holds the regression of coordinate i on those before it, and its conditional scale.
    pub factor: Vec<f64>,
}

impl Mode {
    /// ln ∫ of the normal approximation (Laplace's method; Tierney & Kadane 1986, eq. 2.2).
    pub fn log_evidence(&self) -> f64 {
        let n = self.location.len();
        self.log_density + log_volume(&self.factor, n)
    }

    /// The scale of a coordinate with the others integrated out.
    pub fn marginal_scale(&self, coordinate: usize) -> f64 {
        let row = coordinate * self.location.len();
        self.factor[row..=row + coordinate].iter().map(|l| l * l).sum::<f64>().sqrt()
    }

    /// Squared Mahalanobis distance of `z` from the mode.
    pub fn distance(&self, z: &[f64]) -> f64 {
        let n = self.location.len();
        let mut standardised = vec![0.0; n];
        let mut sum = 0.0;
        for i in 0..n {
            let row = &self.factor[i * n..i * n + i];
            let mean: f64 = row.iter().zip(&standardised).map(|(l, e)| l * e).sum();
            standardised[i] = (z[i] - self.location[i] - mean) / self.factor[i * n + i];
            sum += standardised[i] * standardised[i];
        }
        sum
    }
}

/// ln of the volume √|2π L Lᵀ|.
pub(super) fn log_volume(factor: &[f64], n: usize) -> f64 {
    (0..n).map(|i| factor[i * n + i].ln() + HALF_LN_TWO_PI).sum()
}

/// Evaluates a density and its derivatives along the coordinates from `first` on.
pub struct Derivatives<'e> {
    evaluator: &'e mut dyn Evaluator,
    gradient: Vec<f64>,
    above: Vec<f64>,
    below: Vec<f64>,
    moved: Vec<f64>,
    evaluations: usize,
}

impl<'e> Derivatives<'e> {
    /// Of a density over `dimension` coordinates.
    pub fn new(evaluator: &'e mut dyn Evaluator, dimension: usize) -> Self {
        let zeros = || vec![0.0; dimension];
        Self { evaluator, gradient: zeros(), above: zeros(), below: zeros(), moved: zeros(), evaluations: 0 }
    }

    /// How often the density was evaluated, with or without its gradient.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// The log density at `z`.
    pub fn value(&mut self, z: &[f64]) -> f64 {
        self.evaluations += 1;
        self.evaluator.value(z)
    }

    /// The log density at `z`, and its gradient from coordinate `first` on.
    pub fn gradient(&mut self, z: &[f64], first: usize, gradient: &mut [f64]) -> f64 {
        self.evaluations += 1;
        let value = self.evaluator.gradient(z, &mut self.gradient);
        gradient.copy_from_slice(&self.gradient[first..]);
        value
    }

    /// The negative Hessian from coordinate `first` on into `hessian` (row-major), by central differences of gradients with
    /// steps in proportion to `scales`. `false` where some gradient does not exist.
    pub fn negative_hessian(&mut self, z: &[f64], first: usize, scales: &[f64], hessian: &mut [f64]) -> bool {
        let n = z.len() - first;
        self.moved.copy_from_slice(z);
        for i in 0..n {
            let step = (DIFFERENCE * scales[first + i]).max(8.0 * f64::EPSILON * z[first + i].abs());
            self.moved[first + i] = z[first + i] + step;
            let above = self.evaluator.gradient(&self.moved, &mut self.above);
            // The distance that rounding made of it.
            let up = self.moved[first + i];
            self.moved[first + i] = z[first + i] - step;
            let below = self.evaluator.gradient(&self.moved, &mut self.below);
            self.evaluations += 2;
            let width = up - self.moved[first + i];
            self.moved[first + i] = z[first + i];
            if above == f64::NEG_INFINITY || below == f64::NEG_INFINITY {
                return false;
            }
            for j in 0..n {
                hessian[i * n + j] = (self.below[first + j] - self.above[first + j]) / width;
            }
        }
        for i in 0..n {
            for j in 0..i {
                let mean = 0.5 * (hessian[i * n + j] + hessian[j * n + i]);
                hessian[i * n + j] = mean;
                hessian[j * n + i] = mean;
            }
        }
        true
    }
}

/// The lower triangular L with L Lᵀ = `precision`⁻¹, in place of `factor`. `false` unless `precision` is positive definite.
///
/// Factorising from the last coordinate to the first, P = R Rᵀ with R upper triangular, gives L = R⁻ᵀ.
pub(super) fn covariance_factor(precision: &[f64], n: usize, factor: &mut [f64]) -> bool {
    // R into the upper triangle of `factor`.
    for j in (0..n).rev() {
        let mut pivot = precision[j * n + j];
        for k in j + 1..n {
            pivot -= factor[j * n + k] * factor[j * n + k];
        }
        // Relative to the diagonal, so that units do not matter.
        if pivot.is_nan() || pivot <= 1e-13 * precision[j * n + j].abs() {
            return false;
        }
        let pivot = pivot.sqrt();
        factor[j * n + j] = pivot;
        for i in 0..j {
            let mut sum = precision[i * n + j];
            for k in j + 1..n {
                sum -= factor[i * n + k] * factor[j * n + k];
            }
            factor[i * n + j] = sum / pivot;
        }
    }
    // Column i of R⁻¹ into row i of the lower triangle: (R⁻¹)[j][i] = −Σₖ R[j][k] (R⁻¹)[k][i] / R[j][j] over j < k ≤ i.
    for i in 0..n {
        for j in (0..i).rev() {
            let mut sum = factor[j * n + i] / factor[i * n + i];
            for k in j + 1..i {
                sum += factor[j * n + k] * factor[i * n + k];
            }
            factor[i * n + j] = -sum / factor[j * n + j];
        }
    }
    for i in 0..n {
        factor[i * n + i] = 1.0 / factor[i * n + i];
        for j in i + 1..n {
            factor[i * n + j] = 0.0;
        }
    }
    true
}

/// L Lᵀ g: the Newton step for a gradient.
pub(super) fn newton_step(factor: &[f64], n: usize, gradient: &[f64], step: &mut [f64]) {
    // Lᵀ g, then L times that; each needs what the other overwrites only once.
    let mut inner = vec![0.0; n];
    for i in 0..n {
        for j in 0..=i {
            inner[j] += factor[i * n + j] * gradient[i];
        }
    }
    for i in 0..n {
        step[i] = (0..=i).map(|j| factor[i * n + j] * inner[j]).sum();
    }
}

/// Climbs from `start` to a mode by Levenberg's damped Newton steps along the coordinates from `first` on; the others stay.
/// `scales` are the units of all coordinates; they adapt to the curvature on the way. The mode has the free coordinates
/// alone. `None` where the climb ends at no point of positive curvature.
pub fn maximise(derivatives: &mut Derivatives<'_>, start: &[f64], first: usize, scales: &mut [f64]) -> Option<Mode> {
    let n = start.len() - first;
    let mut at = start.to_vec();
    let mut gradient = vec![0.0; n];
    let mut value = derivatives.gradient(&at, first, &mut gradient);
    if value == f64::NEG_INFINITY {
        return None;
    }
    let mut hessian = vec![0.0; n * n];
    let mut damped = vec![0.0; n * n];
    let mut factor = vec![0.0; n * n];
    let (mut step, mut trial, mut trial_gradient) = (vec![0.0; n], start.to_vec(), vec![0.0; n]);
    let mut damping = 0.0;
    for _ in 0..STEPS {
        if !derivatives.negative_hessian(&at, first, scales, &mut hessian) {
            return None;
        }
        let mut improved = false;
        let mut decrement = f64::INFINITY;
        for _ in 0..40 {
            damped.copy_from_slice(&hessian);
            for i in 0..n {
                damped[i * n + i] += damping / (scales[first + i] * scales[first + i]);
            }
            if !covariance_factor(&damped, n, &mut factor) {
                damping = (damping * 8.0).max(1e-3);
                continue;
            }
            newton_step(&factor, n, &gradient, &mut step);
            decrement = 0.5 * gradient.iter().zip(&step).map(|(g, s)| g * s).sum::<f64>();
            if damping == 0.0 && decrement < CONVERGED {
                return Some(Mode { location: at.split_off(first), log_density: value, factor });
            }
            for ((trial, at), step) in trial[first..].iter_mut().zip(&at[first..]).zip(&step) {
                *trial = at + step;
            }
            let reached = derivatives.gradient(&trial, first, &mut trial_gradient);
            if reached > value - 1e-12 * value.abs() && reached.is_finite() {
                improved = reached > value || damping == 0.0;
                std::mem::swap(&mut at, &mut trial);
                std::mem::swap(&mut gradient, &mut trial_gradient);
                // Small damping is dropped, so that the last steps are Newton's own.
                damping = if damping < 1e-3 { 0.0 } else { damping * 0.2 };
                value = reached;
                break;
            }
            damping = (damping * 6.0).max(1e-3);
        }
        for (i, scale) in scales[first..].iter_mut().enumerate() {
            let curvature = hessian[i * n + i];
            if curvature > 0.0 && curvature.is_finite() {
                *scale = curvature.powf(-0.5);
            }
        }
        // Rounding allows no better point.
        if !improved && (decrement < NEARLY || damping > 1e12) {
            break;
        }
    }
    if !derivatives.negative_hessian(&at, first, scales, &mut hessian) || !covariance_factor(&hessian, n, &mut factor) {
        return None;
    }
    newton_step(&factor, n, &gradient, &mut step);
    let decrement = 0.5 * gradient.iter().zip(&step).map(|(g, s)| g * s).sum::<f64>();
    (decrement < NEARLY).then(|| Mode { location: at.split_off(first), log_density: value, factor })
}

/// One Newton step along the coordinates from `first` on, with the curvature where it started. `None` where there is no
/// positive curvature, or the step does not improve.
pub(super) fn one_step(derivatives: &mut Derivatives<'_>, start: &[f64], first: usize, scales: &[f64]) -> Option<Mode> {
    let n = start.len() - first;
    let (mut gradient, mut step) = (vec![0.0; n], vec![0.0; n]);
    let (mut hessian, mut factor) = (vec![0.0; n * n], vec![0.0; n * n]);
    let before = derivatives.gradient(start, first, &mut gradient);
    if before == f64::NEG_INFINITY
        || !derivatives.negative_hessian(start, first, scales, &mut hessian)
        || !covariance_factor(&hessian, n, &mut factor)
    {
        return None;
    }
    newton_step(&factor, n, &gradient, &mut step);
    let mut at = start.to_vec();
    at[first..].iter_mut().zip(&step).for_each(|(at, step)| *at += step);
    let value = derivatives.value(&at);
    (value >= before - 1e-9 * before.abs()).then(|| Mode { location: at.split_off(first), log_density: value, factor })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// −½ (z − m)ᵀ P (z − m), or Rosenbrock's function.
    struct Quadratic;

    const PRECISION: [[f64; 3]; 3] = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2e-6]];
    const CENTRE: [f64; 3] = [1.0, -2.0, 3e4];

    impl Evaluator for Quadratic {
        fn value(&mut self, z: &[f64]) -> f64 {
            self.gradient(z, &mut [0.0; 3])
        }

        fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
            let mut value = 0.0;
            for i in 0..3 {
                gradient[i] = -(0..3).map(|j| precision(i, j) * (z[j] - CENTRE[j])).sum::<f64>();
                value += 0.5 * gradient[i] * (z[i] - CENTRE[i]);
            }
            value
        }
    }

    /// Rescaled to be positive definite in very different units.
    fn precision(i: usize, j: usize) -> f64 {
        let units = [1.0, 1.0, 1e-4];
        PRECISION[i][j].max(if i == 2 && j == 2 { 1.0 } else { -1.0 }) * units[i] * units[j]
    }

    #[test]
    fn covariance_factor_inverts_the_precision() {
        let p: Vec<f64> = (0..9).map(|k| precision(k / 3, k % 3)).collect();
        let mut l = vec![0.0; 9];
        assert!(covariance_factor(&p, 3, &mut l));
        for i in 0..3 {
            for j in 0..3 {
                let covariance = |a: usize, b: usize| (0..3).map(|k| l[a * 3 + k] * l[b * 3 + k]).sum::<f64>();
                let product: f64 = (0..3).map(|k| p[i * 3 + k] * covariance(k, j)).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-9, "{product} at {i}, {j}");
            }
        }
        assert!(!covariance_factor(&[1.0, 2.0, 2.0, 1.0], 2, &mut [0.0; 4]), "an indefinite matrix has no factor");
    }

    #[test]
    fn a_quadratic_is_maximised_in_any_units() {
        let mut evaluator = Quadratic;
        let mut derivatives = Derivatives::new(&mut evaluator, 3);
        let mode = maximise(&mut derivatives, &[0.0; 3], 0, &mut [1.0; 3]).unwrap();
        for (found, centre) in mode.location.iter().zip(CENTRE) {
            assert!((found - centre).abs() < 1e-6 * centre.abs(), "{:?}", mode.location);
        }
        let p: Vec<f64> = (0..9).map(|k| precision(k / 3, k % 3)).collect();
        let mut l = vec![0.0; 9];
        covariance_factor(&p, 3, &mut l);
        for (found, exact) in mode.factor.iter().zip(&l) {
            assert!((found - exact).abs() < 1e-6 * exact.abs().max(1e-3), "{found} {exact}");
        }
        assert!((mode.distance(&[1.5, -2.0, 3e4]) - 0.25 * precision(0, 0)).abs() < 1e-4);
    }
}
