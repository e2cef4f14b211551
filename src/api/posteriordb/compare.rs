//! An answer beside a reference posterior.

use super::Reference;
use crate::infer::Inferred;

/// How far an answer may be from the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// Of a mean, in standard deviations of the reference, beyond Monte Carlo error.
    pub mean: f64,
    /// Standard errors (of both sides together) that count as Monte Carlo error of a mean.
    pub standard_errors: f64,
    /// Of a standard deviation, relative.
    pub sd: f64,
    /// The largest R̂.
    pub r_hat: f64,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { mean: 0.05, standard_errors: 2.0, sd: 0.05, r_hat: 1.01 }
    }
}

/// One scalar of an answer beside the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its name in our program.
    pub name: String,
    /// Mean less the reference's, in standard deviations of the reference.
    pub mean: f64,
    /// The standard error of that, of both sides together.
    pub mean_error: f64,
    /// Standard deviation over the reference's, less one.
    pub sd: f64,
    /// The standard error of that, of both sides together.
    pub sd_error: f64,
    /// R̂ of the answer, of chains.
    pub r_hat: Option<f64>,
    /// Effective draws of the answer.
    pub ess: Option<f64>,
}

/// An answer beside a reference posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// One a scalar of the reference that the answer has.
    pub differences: Vec<Difference>,
    /// What is not as it should be, in words; empty where all is.
    pub reasons: Vec<String>,
}

impl Comparison {
    /// Whether all is as it should be.
    pub fn holds(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The difference of the largest size, by a measure of it.
    pub fn largest(&self, measure: impl Fn(&Difference) -> f64) -> Option<&Difference> {
        self.differences.iter().max_by(|a, b| measure(a).total_cmp(&measure(b)))
    }
}

/// Compares the scalars of a reference with those of an answer. Scalars of the answer that the reference does not have are
/// not looked at.
pub fn compare(inferred: &Inferred, reference: &Reference, tolerances: Tolerances) -> Comparison {
    let mut differences = Vec::with_capacity(reference.scalars.len());
    let mut reasons = Vec::new();
    for wanted in &reference.scalars {
        let name = &wanted.name;
        let Some(found) = inferred.variable(name) else {
            reasons.push(format!("the answer has no `{name}`"));
            continue;
        };
        // A scalar that does not vary is compared in its own units.
        let unit = if wanted.sd > 0.0 { wanted.sd } else { 1.0 };
        let mean = (found.mean - wanted.mean) / unit;
        let mean_error = found.mcse.hypot(wanted.mcse_mean) / unit;
        let sd = (found.sd - wanted.sd) / unit;
        let sd_error = found.mcse_sd.unwrap_or(0.0).hypot(wanted.mcse_sd) / unit;
        if is_beyond(mean.abs(), tolerances.mean + tolerances.standard_errors * mean_error) {
            reasons.push(format!("the mean of `{name}` is {mean:+.3} sd off (standard error {mean_error:.3})"));
        }
        if is_beyond(sd.abs(), tolerances.sd) {
            let (off, error) = (100.0 * sd, 100.0 * sd_error);
            reasons.push(format!("the sd of `{name}` is {off:+.1} % off (standard error {error:.1} %)"));
        }
        if found.r_hat.is_some_and(|r_hat| is_beyond(r_hat, tolerances.r_hat)) {
            reasons.push(format!("R̂ of `{name}` is {:.3}", found.r_hat.unwrap_or(f64::NAN)));
        }
        let (r_hat, ess) = (found.r_hat, found.ess);
        differences.push(Difference { name: name.clone(), mean, mean_error, sd, sd_error, r_hat, ess });
    }
    Comparison { differences, reasons }
}

/// Whether a number is above a limit, or not a number.
fn is_beyond(x: f64, limit: f64) -> bool {
    x.is_nan() || limit.is_nan() || x > limit
}
