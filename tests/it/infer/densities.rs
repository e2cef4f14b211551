//! Log densities written by hand, whose moments are known: what gradient engines are tested and timed on.

use unmask::density::{Evaluator, LogDensity};

/// A log density given by a function of the point that fills the gradient.
pub struct ByHand<F> {
    pub dimension: usize,
    pub function: F,
}

impl<F: Fn(&[f64], &mut [f64]) -> f64 + Sync> LogDensity for ByHand<F> {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn evaluator(&self) -> Box<dyn Evaluator + Send + '_> {
        Box::new(Evaluation { function: &self.function, gradient: vec![0.0; self.dimension] })
    }
}

struct Evaluation<'a, F> {
    function: &'a F,
    gradient: Vec<f64>,
}

impl<F: Fn(&[f64], &mut [f64]) -> f64> Evaluator for Evaluation<'_, F> {
    fn value(&mut self, z: &[f64]) -> f64 {
        (self.function)(z, &mut self.gradient)
    }

    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        (self.function)(z, gradient)
    }
}

const LOG_SQRT_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// log normal(x | mean, sd) with its derivatives by x and mean.
fn normal(x: f64, mean: f64, sd: f64) -> (f64, f64) {
    let e = (x - mean) / sd;
    (-0.5 * e * e - sd.ln() - LOG_SQRT_TWO_PI, -e / sd)
}

/// An autoregression in other units: x[i] = mean[i] + scale[i] u[i], corr(u[i], u[j]) = correlation^|i − j|, normalised.
pub fn autoregression(
    mean: Vec<f64>,
    scale: Vec<f64>,
    correlation: f64,
) -> ByHand<impl Fn(&[f64], &mut [f64]) -> f64 + Sync> {
    let innovation = (1.0 - correlation * correlation).sqrt();
    ByHand {
        dimension: mean.len(),
        function: move |z: &[f64], gradient: &mut [f64]| {
            let mut log_density = 0.0;
            let mut before = 0.0;
            for i in 0..z.len() {
                let u = (z[i] - mean[i]) / scale[i];
                let (center, sd) = if i == 0 { (0.0, 1.0) } else { (correlation * before, innovation) };
                let (value, slope) = normal(u, center, sd);
                log_density += value - scale[i].ln();
                gradient[i] = slope / scale[i];
                if i > 0 {
                    gradient[i - 1] -= slope * correlation / scale[i - 1];
                }
                before = u;
            }
            log_density
        },
    }
}

/// Neal's (2003) funnel: v ~ normal(0, 3), the others ~ normal(0, exp(v / 2)).
pub fn funnel(dimension: usize) -> ByHand<impl Fn(&[f64], &mut [f64]) -> f64 + Sync> {
    ByHand {
        dimension,
        function: |z: &[f64], gradient: &mut [f64]| {
            let (mut log_density, mut slope) = normal(z[0], 0.0, 3.0);
            let sd = (0.5 * z[0]).exp();
            for i in 1..z.len() {
                let (value, by_x) = normal(z[i], 0.0, sd);
                log_density += value;
                gradient[i] = by_x;
                // d/dv of −v/2 − x² exp(−v) / 2.
                slope += 0.5 * ((z[i] / sd).powi(2) - 1.0);
            }
            gradient[0] = slope;
            log_density
        },
    }
}

/// x ~ normal(0, 1), y ~ normal(bend x², width): y has mean `bend` and variance 2 bend² + width².
pub fn banana(bend: f64, width: f64) -> ByHand<impl Fn(&[f64], &mut [f64]) -> f64 + Sync> {
    ByHand {
        dimension: 2,
        function: move |z: &[f64], gradient: &mut [f64]| {
            let (first, by_x) = normal(z[0], 0.0, 1.0);
            let (second, by_y) = normal(z[1], bend * z[0] * z[0], width);
            gradient[0] = by_x - by_y * 2.0 * bend * z[0];
            gradient[1] = by_y;
            first + second
        },
    }
}

/// log of a gamma(shape, rate) variable, with the Jacobian of x = exp(z): unnormalised.
pub fn log_gamma(shape: f64, rate: f64) -> ByHand<impl Fn(&[f64], &mut [f64]) -> f64 + Sync> {
    ByHand {
        dimension: 1,
        function: move |z: &[f64], gradient: &mut [f64]| {
            let x = z[0].exp();
            gradient[0] = shape - rate * x;
            shape * z[0] - rate * x
        },
    }
}

/// Standard normals, the first of which is positive: −∞ elsewhere.
pub fn half(dimension: usize) -> ByHand<impl Fn(&[f64], &mut [f64]) -> f64 + Sync> {
    ByHand {
        dimension,
        function: |z: &[f64], gradient: &mut [f64]| {
            if z[0] <= 0.0 {
                return f64::NEG_INFINITY;
            }
            for (g, x) in gradient.iter_mut().zip(z) {
                *g = -x;
            }
            -0.5 * z.iter().map(|x| x * x).sum::<f64>() - z.len() as f64 * LOG_SQRT_TWO_PI + 2.0_f64.ln()
        },
    }
}

/// Eight schools (Rubin 1981; Gelman et al. 2013, §5.5), non-centred: z = (mu, log tau, eta[0..8]), with mu ~ normal(0, 5)
/// and tau ~ half_cauchy(5); unnormalised.
pub fn eight_schools() -> ByHand<impl Fn(&[f64], &mut [f64]) -> f64 + Sync> {
    const EFFECT: [f64; 8] = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0];
    const ERROR: [f64; 8] = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0];
    ByHand {
        dimension: 10,
        function: |z: &[f64], gradient: &mut [f64]| {
            let (mu, tau) = (z[0], z[1].exp());
            let (mut log_density, by_mu) = normal(mu, 0.0, 5.0);
            let ratio = (tau / 5.0).powi(2);
            log_density += z[1] - ratio.ln_1p();
            (gradient[0], gradient[1]) = (by_mu, 1.0 - 2.0 * ratio / (1.0 + ratio));
            for j in 0..8 {
                let eta = z[2 + j];
                let residual = (EFFECT[j] - mu - tau * eta) / ERROR[j];
                log_density -= 0.5 * (eta * eta + residual * residual);
                let by_theta = residual / ERROR[j];
                gradient[0] += by_theta;
                gradient[1] += by_theta * tau * eta;
                gradient[2 + j] = by_theta * tau - eta;
            }
            log_density
        },
    }
}
