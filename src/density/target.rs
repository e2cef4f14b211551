//! What gradient engines see of a target: a dimension, and a log density that fills a gradient.

/// A log density over ℝᵈ, up to a constant. Shared by threads; each evaluates through an [`Evaluator`] of its own.
pub trait LogDensity: Sync {
    /// The number of unconstrained coordinates, d.
    fn dimension(&self) -> usize;

    /// Something to evaluate with, which owns all scratch memory.
    fn evaluator(&self) -> Box<dyn Evaluator + Send + '_>;
}

/// Evaluates one [`LogDensity`].
pub trait Evaluator {
    /// The log density at `z` (d coordinates). −∞ where it is zero; never NaN or +∞.
    fn value(&mut self, z: &[f64]) -> f64;

    /// The log density at `z`, and its gradient into `gradient` (both of length d). Where the log density is −∞, or the
    /// gradient is not finite, the result is −∞ and `gradient` is unspecified.
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64;
}
