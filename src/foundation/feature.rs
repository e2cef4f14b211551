//! What the network is told of numbers, of values that were decoded, and of anchors: all of it of the size of one.

use super::head::{Candidate, Candidates};

/// Numeric features of a token.
pub const NUMBER_FEATURES: usize = 11;

/// Numeric features of an element of the decoder.
pub const ELEMENT_FEATURES: usize = 26;

/// Numeric features of a component of the head.
pub const COMPONENT_FEATURES: usize = 16;

/// A number: that it is one, its sign, its magnitude, and where it is on scales from a tenth to a thousand.
pub fn number_features(x: f64) -> [f32; NUMBER_FEATURES] {
    let at = |scale: f64| (x / scale).tanh() as f32;
    let magnitude = (x.abs() + 1e-4).ln().clamp(-20.0, 40.0) / 5.0;
    let sign = if x == 0.0 { 0.0 } else { x.signum() as f32 };
    [
        1.0,
        sign,
        magnitude as f32,
        (x.asinh() / 3.0) as f32,
        at(0.1),
        at(1.0),
        at(3.0),
        at(10.0),
        at(30.0),
        at(100.0),
        at(1000.0),
    ]
    .map(|f| if f.is_finite() { f } else { 0.0 })
}

/// A difference in units of something, squashed.
fn relative(x: f64) -> f32 {
    if x.is_nan() { 0.0 } else { x.clamp(-1e6, 1e6).asinh() as f32 }
}

/// What was decoded before an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Previous {
    kind: f32,
    features: [f32; 8],
}

impl Default for Previous {
    /// Nothing.
    fn default() -> Self {
        Self { kind: 0.0, features: [0.0; 8] }
    }
}

impl Previous {
    /// A coordinate and the mixture that it was asked of.
    pub fn real(z: f64, candidates: &Candidates) -> Self {
        let place = |c: Option<&Candidate>| c.map_or((0.0, 0.0), |c| (c.location, c.log_scale));
        let (best, best_scale) = place(candidates.best());
        let (own, own_scale) = place(candidates.own());
        let standardised = (z - best) * (-best_scale).exp();
        let (log_density, share) = candidates.base_at(z);
        Self {
            kind: 1.0,
            features: [
                relative(z),
                (z / 10.0).tanh() as f32,
                relative(standardised),
                (0.5 * standardised * standardised).min(20.0) as f32 / 5.0,
                relative((z - own) * (-own_scale).exp()),
                (log_density + best_scale).clamp(-20.0, 5.0) as f32 / 5.0,
                share as f32,
                standardised.clamp(-4.0, 4.0) as f32,
            ]
            .map(|f| if f.is_finite() { f } else { 0.0 }),
        }
    }

    /// A value of a discrete variable, and the values among which it was.
    pub fn int(value: i64, candidates: &Candidates) -> Self {
        let x = value as f64;
        let log_mass = candidates.components.iter().find(|c| c.location == x).map_or(-20.0, |c| c.log_weight);
        let mut features = [0.0; 8];
        features[0] = relative(x);
        features[1] = (x / 10.0).tanh() as f32;
        features[6] = log_mass.clamp(-20.0, 0.0) as f32 / 5.0;
        Self { kind: 2.0, features }
    }
}

/// An element: what was decoded before it, and what is asked. `coordinate` is its place among those of its variable, `left`
/// how many elements are still to come.
pub fn element_features(
    previous: &Previous,
    candidates: &Candidates,
    coordinate: usize,
    left: usize,
) -> [f32; ELEMENT_FEATURES] {
    let mut f = [0.0; ELEMENT_FEATURES];
    f[0] = f32::from(u8::from(previous.kind == 0.0));
    f[1] = f32::from(u8::from(previous.kind == 1.0));
    f[2] = f32::from(u8::from(previous.kind == 2.0));
    f[3..11].copy_from_slice(&previous.features);
    f[11] = f32::from(u8::from(candidates.discrete));
    f[12] = candidates.components.len() as f32 / 8.0;
    f[13] = coordinate as f32 / 8.0;
    f[14] = (left as f32 / 8.0).min(4.0);
    if let Some(best) = candidates.best() {
        f[15] = relative(best.location);
        f[16] = (best.log_scale / 5.0).clamp(-6.0, 6.0) as f32;
        f[17] = best.log_weight.clamp(-20.0, 0.0) as f32 / 5.0;
        if let Some(own) = candidates.own() {
            f[18] = relative((best.location - own.location) * (-own.log_scale).exp());
            f[19] = ((best.log_scale - own.log_scale) / 3.0).clamp(-6.0, 6.0) as f32;
        }
    }
    if let Some(own) = candidates.own() {
        f[20] = 1.0;
        f[21] = relative(own.location);
        f[22] = (own.log_scale / 5.0).clamp(-6.0, 6.0) as f32;
    }
    let entropy: f64 = candidates.components.iter().map(|c| -c.log_weight.exp() * c.log_weight.max(-700.0)).sum();
    f[23] = entropy as f32;
    f
}

/// Appends the components of element number `element`: whose they are, and their features.
pub fn push_components(element: u32, candidates: &Candidates, owners: &mut Vec<u32>, features: &mut Vec<f32>) {
    for component in &candidates.components {
        owners.push(element);
        features.extend(component_features(component, candidates));
    }
}

/// A component of the head.
fn component_features(component: &Candidate, candidates: &Candidates) -> [f32; COMPONENT_FEATURES] {
    let mut f = [0.0; COMPONENT_FEATURES];
    f[0] = f32::from(u8::from(component.own.is_some()));
    f[1] = component.log_weight.clamp(-20.0, 0.0) as f32 / 5.0;
    f[2] = component.log_weight.exp() as f32;
    if candidates.discrete {
        f[3] = 1.0;
        f[4] = relative(component.location);
        f[5] = (component.location / 10.0).tanh() as f32;
        return f;
    }
    f[4] = relative(component.location);
    f[5] = (component.location / 10.0).tanh() as f32;
    f[6] = (component.log_scale / 5.0).clamp(-6.0, 6.0) as f32;
    if let Some(own) = candidates.own() {
        f[7] = relative((component.location - own.location) * (-own.log_scale).exp());
        f[8] = ((component.log_scale - own.log_scale) / 3.0).clamp(-6.0, 6.0) as f32;
    }
    if let Some(best) = candidates.best() {
        f[9] = relative((component.location - best.location) * (-best.log_scale).exp());
        f[10] = ((component.log_scale - best.log_scale) / 3.0).clamp(-6.0, 6.0) as f32;
    }
    let end = |at: f64| relative((at - component.location) * (-component.log_scale).exp());
    if component.lo > f64::NEG_INFINITY {
        (f[11], f[12]) = (1.0, end(component.lo));
    }
    if component.hi < f64::INFINITY {
        (f[13], f[14]) = (1.0, end(component.hi));
    }
    f
}
