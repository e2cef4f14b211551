//! Covariance functions of Gaussian processes: those of [`crate::builtin::kernel`] with their derivatives.

use super::{Call, Gradients};
use crate::builtin::kernel::{Correlation, Slopes, distance, points};

pub(in crate::builtin) fn exp_quad(call: &Call) -> Gradients {
    covariance(call, &Correlation::EXP_QUAD)
}

pub(in crate::builtin) fn matern32(call: &Call) -> Gradients {
    covariance(call, &Correlation::MATERN32)
}

pub(in crate::builtin) fn matern52(call: &Call) -> Gradients {
    covariance(call, &Correlation::MATERN52)
}

pub(in crate::builtin) fn periodic(call: &Call) -> Gradients {
    covariance(call, &Correlation::PERIODIC)
}

/// With kᵢⱼ = α² c(d(xᵢ, yⱼ), ρ, period): the chain rule through the distance to both points, and the sums of wᵢⱼ times the
/// derivative in each parameter. Of one array of points each is on both sides.
fn covariance(call: &Call, correlation: &Correlation) -> Gradients {
    let arguments = &call.arguments;
    let parameters = correlation.parameters(arguments)?;
    let (x, y) = (arguments.array(0)?, arguments.array(parameters.first.saturating_sub(1))?);
    let n_coordinates: usize = x.shape().iter().skip(1).product();
    let mut of_x = vec![0.0; x.size()];
    let mut of_y = vec![0.0; y.size()];
    let [mut of_alpha, mut of_rho, mut of_period] = [0.0; 3];
    let variance = parameters.alpha * parameters.alpha;
    let mut weights = call.adjoint.iter();
    for (i, a) in points(x).enumerate() {
        for (j, b) in points(y).enumerate() {
            let w = weights.next().copied().unwrap_or(0.0);
            if w == 0.0 {
                continue;
            }
            let scale = [parameters.rho, parameters.period];
            let Slopes { value, distance: per_distance, rho, period } =
                if parameters.valid() { (correlation.slopes)(distance(a, b), scale) } else { Slopes::NAN };
            of_alpha += w * 2.0 * parameters.alpha * value;
            of_rho += w * variance * rho;
            of_period += w * variance * period;
            let factor = w * variance * per_distance;
            for (k, (a, b)) in a.iter().zip(b).enumerate() {
                let term = factor * (a - b);
                if let Some(target) = of_x.get_mut(i * n_coordinates + k) {
                    *target += term;
                }
                if let Some(target) = of_y.get_mut(j * n_coordinates + k) {
                    *target -= term;
                }
            }
        }
    }
    let mut gradients = if parameters.first == 1 {
        vec![of_x.iter().zip(&of_y).map(|(a, b)| a + b).collect()]
    } else {
        vec![of_x, of_y]
    };
    gradients.extend([vec![of_alpha], vec![of_rho]]);
    if correlation.n_parameters > 2 {
        gradients.push(vec![of_period]);
    }
    Ok(gradients)
}
