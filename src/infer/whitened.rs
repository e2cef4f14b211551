//! A log density in the coordinates in which a normal distribution is standard.
//!
//! Where that distribution is near the target, so is the unit normal near the result: one step size fits all its directions.
//! To sample there is to sample with the inverse of the distribution's covariance as the mass matrix (Neal 2011, "MCMC using
//! Hamiltonian dynamics", section 5.4.1).

use rand::RngExt as _;

use super::advi::{NormalApproximation, NormalFamily, NormalScale};
use super::stream::Stream;
use crate::density::{Evaluator, LogDensity};

/// Draws by their coordinates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightedPoints {
    /// `[draws][coordinates]`
    pub points: Vec<Vec<f64>>,
    /// Their normalised weights.
    pub weights: Vec<f64>,
}

impl WeightedPoints {
    /// One of them, by its weight; `None` where there are none.
    pub fn pick(&self, rng: &mut Stream) -> Option<&[f64]> {
        let mut left: f64 = rng.random();
        let chosen = self.weights.iter().position(|w| {
            left -= w;
            left < 0.0
        });
        // Rounding may leave a little.
        let chosen = chosen.or_else(|| self.weights.iter().rposition(|w| *w > 0.0))?;
        self.points.get(chosen).map(Vec::as_slice)
    }

    /// The normal distribution with their moments ([`NormalApproximation::of_points`]).
    pub fn normal(&self, family: NormalFamily) -> Option<NormalApproximation> {
        NormalApproximation::of_points(&self.points, &self.weights, family)
    }
}

impl NormalApproximation {
    /// The normal distribution with the moments of weighted points, `[draws][coordinates]`: their variances alone, or their
    /// covariances. `None` where they have no spread in some direction, or a moment is not finite.
    ///
    /// ```
    /// use unmask::infer::{NormalApproximation, NormalFamily, NormalScale};
    /// let points = [vec![0.0, 1.0], vec![2.0, 3.0], vec![4.0, -1.0]];
    /// let normal = NormalApproximation::of_points(&points, &[0.25, 0.5, 0.25], NormalFamily::MeanField).unwrap();
    /// assert_eq!(normal.location, [2.0, 1.5]);
    /// let NormalScale::Diagonal(sd) = &normal.scale else { unreachable!() };
    /// assert!((sd[0] - 2.0_f64.sqrt()).abs() < 1e-12);
    /// ```
    pub fn of_points(points: &[Vec<f64>], weights: &[f64], family: NormalFamily) -> Option<Self> {
        let d = points.first()?.len();
        let total: f64 = weights.iter().sum();
        let mean = |f: &dyn Fn(&[f64]) -> f64| -> f64 {
            points.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(z, w)| f(z) * w / total).sum()
        };
        let location: Vec<f64> = (0..d).map(|i| mean(&|z| z[i])).collect();
        let covariance = |i: usize, j: usize| mean(&|z| (z[i] - location[i]) * (z[j] - location[j]));
        let scale = match family {
            NormalFamily::MeanField => {
                let sd: Vec<f64> = (0..d).map(|i| covariance(i, i).sqrt()).collect();
                if !sd.iter().all(|s| *s > 0.0 && s.is_finite()) {
                    return None;
                }
                NormalScale::Diagonal(sd)
            }
            NormalFamily::FullRank => {
                let all = nalgebra::DMatrix::from_fn(d, d, |i, j| covariance(i.max(j), i.min(j)));
                let lower = all.cholesky()?.l();
                let by_rows: Vec<f64> = (0..d).flat_map(|i| (0..d).map(move |j| (i, j))).map(|at| lower[at]).collect();
                if !by_rows.iter().all(|x| x.is_finite()) {
                    return None;
                }
                NormalScale::Cholesky(by_rows)
            }
        };
        location.iter().all(|x| x.is_finite()).then_some(Self { location, scale })
    }

    /// The point at standard coordinates η.
    pub fn at(&self, eta: &[f64]) -> Vec<f64> {
        let mut z = vec![0.0; eta.len()];
        self.place(eta, &mut z);
        z
    }

    /// The standard coordinates η of a point: z = location + scale · η.
    pub fn whiten(&self, z: &[f64]) -> Vec<f64> {
        let d = self.location.len();
        let mut eta: Vec<f64> = z.iter().zip(&self.location).map(|(z, m)| z - m).collect();
        match &self.scale {
            NormalScale::Diagonal(sd) => eta.iter_mut().zip(sd).for_each(|(e, s)| *e /= s),
            NormalScale::Cholesky(lower) => {
                for i in 0..d {
                    let (before, own) = eta.split_at_mut(i);
                    let row = &lower[i * d..=i * d + i];
                    let known: f64 = row.iter().zip(before.iter()).map(|(l, e)| l * e).sum();
                    own[0] = (own[0] - known) / row[i];
                }
            }
        }
        eta
    }
}

/// A log density over the standard coordinates of a normal distribution; up to a constant, the logarithm of its scale's
/// determinant.
pub struct Whitened<'d> {
    /// The density over z.
    pub density: &'d dyn LogDensity,
    /// The normal distribution.
    pub normal: &'d NormalApproximation,
}

impl LogDensity for Whitened<'_> {
    fn dimension(&self) -> usize {
        self.density.dimension()
    }

    fn evaluator(&self) -> Box<dyn Evaluator + Send + '_> {
        let zeros = vec![0.0; self.dimension()];
        Box::new(WhitenedEvaluator {
            evaluator: self.density.evaluator(),
            normal: self.normal,
            z: zeros.clone(),
            gradient: zeros,
        })
    }
}

struct WhitenedEvaluator<'d> {
    evaluator: Box<dyn Evaluator + Send + 'd>,
    normal: &'d NormalApproximation,
    z: Vec<f64>,
    gradient: Vec<f64>,
}

impl Evaluator for WhitenedEvaluator<'_> {
    fn value(&mut self, eta: &[f64]) -> f64 {
        self.normal.place(eta, &mut self.z);
        self.evaluator.value(&self.z)
    }

    fn gradient(&mut self, eta: &[f64], gradient: &mut [f64]) -> f64 {
        self.normal.place(eta, &mut self.z);
        let value = self.evaluator.gradient(&self.z, &mut self.gradient);
        self.normal.pull_back(&self.gradient, gradient);
        value
    }
}
