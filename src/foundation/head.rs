//! The head: mixtures whose components are placed relative to anchors.
//!
//! Each candidate (an anchor, or the variable's own distribution) has [`PARTS`] parts: a normal that begins as the anchor
//! itself, a wider normal, a Student-t, and a normal on each side. The network moves them by offsets in units of the anchor's
//! scale, changes of the log scale, and logits. All zeros leave the anchors nearly as they are; so an untrained network is
//! exact where they are, but for the little that the other parts hold.

use rand::{Rng, RngExt as _};
use rand_distr::{StandardNormal, StudentT};

use crate::dist::{Distribution, Family, HALF_LN_TWO_PI, log_sum_exp};
use crate::infer::anchors::{
    Anchor, Conditional, Mixture, interval_normal, log_interval, log_normal, own_log_density, pick,
};

/// Parts of each candidate.
pub const PARTS: usize = 5;

/// Outputs of the network for each candidate: offset, change of the log scale, and logit of each part.
pub const OUTPUTS: usize = 3 * PARTS;

/// Candidates that the network may move; further anchors stay as they are.
const MOST: usize = 8;

/// Of the parts before the network says anything: log weight, offset, and change of the log scale.
const BASE: [[f64; 3]; PARTS] =
    [[0.0, 0.0, 0.0], [-8.5, 0.0, 0.7], [-8.5, 0.0, 0.0], [-8.5, -1.0, 0.0], [-8.5, 1.0, 0.0]];

/// The least log weight of a part where there are no anchors, and the first part says little.
const UNANCHORED: f64 = -2.0;

/// The Student-t among them.
const HEAVY: usize = 2;

/// Log weight of the own distribution beside anchors, before the network says anything.
const OWN: f64 = -9.0;

/// How far the network may go: in scales, in log scales, in logits.
const BOUNDS: [f64; 3] = [8.0, 4.0, 15.0];

/// The same where one scale must do for all coordinates there are.
const FREE: [f64; 3] = [400.0, 7.0, 15.0];

/// The Student-t: degrees of freedom and scale; within an interval, a normal of this scale takes its place.
const FREEDOM: f64 = 5.0;
const HEAVY_SCALE: f64 = 1.5;
const WIDE: f64 = 2.5;

/// Which anchors there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorKind {
    /// None: the network alone says where a coordinate is.
    None,
    /// The variable's own distribution.
    Prior,
    /// Modes of the posterior, and the variable's own distribution.
    Laplace,
    /// None, and one normal in place of a mixture: the paper's direct representation of numbers.
    Gaussian,
    /// None, and one normal for each power of ten, a × 10ᵇ: the paper's scientific notation (A.7).
    Scientific,
}

impl AnchorKind {
    /// All, by name, with a line of help.
    pub const ALL: [(&'static str, Self, &'static str); 5] = [
        ("laplace", Self::Laplace, "modes of the posterior, and each variable's own distribution"),
        ("prior", Self::Prior, "each variable's own distribution"),
        ("none", Self::None, "none: the network alone"),
        ("gaussian", Self::Gaussian, "none, and one normal in place of a mixture"),
        ("scientific", Self::Scientific, "none, and one normal for each power of ten: a × 10ᵇ"),
    ];

    /// Whether a candidate has one part alone.
    fn is_single(self) -> bool {
        matches!(self, Self::Gaussian | Self::Scientific)
    }
}

/// Powers of ten of the scientific notation.
const POWERS: std::ops::RangeInclusive<i32> = -3..=3;

/// Something that parts are placed relative to.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Of the coordinate; of a discrete variable, its value.
    pub location: f64,
    /// ln of its scale.
    pub log_scale: f64,
    /// ln of its weight.
    pub log_weight: f64,
    /// The interval that it stands for.
    pub lo: f64,
    /// Its upper end.
    pub hi: f64,
    /// The variable's own distribution.
    pub own: Option<Distribution<f64>>,
}

/// All that the next element may be.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// Those that the network may move; of a discrete variable, one a value.
    pub components: Vec<Candidate>,
    /// Anchors that stay as they are, with their log weights.
    rest: Vec<(Anchor, f64)>,
    /// Whether the element is a discrete variable.
    pub discrete: bool,
    /// Whether they are placed relative to anchors.
    anchored: bool,
    /// Whether each has its first part alone.
    single: bool,
    /// How far the network may go.
    bounds: [f64; 3],
}

/// Location and log scale of a distribution over its coordinate: exactly where it is a location-scale family on it, else
/// what executions of the prior say.
fn place(own: &Distribution<f64>, prior: (f64, f64)) -> (f64, f64) {
    let number = |i: usize| own.arguments().get(i).and_then(crate::dist::Argument::scalar);
    let family = own.family();
    let location_scale = [Family::Normal, Family::Lognormal, Family::Logistic, Family::Laplace, Family::Cauchy];
    let pair = if family == Family::StudentT {
        number(1).zip(number(2))
    } else if location_scale.contains(&family) {
        number(0).zip(number(1))
    } else {
        None
    };
    let (location, scale) = pair.unwrap_or(prior);
    (location, scale.ln())
}

impl Candidates {
    /// Of an element. `prior`: of a coordinate, the middle of its prior and its scale.
    pub fn of(conditional: &Conditional, kind: AnchorKind, prior: (f64, f64)) -> Self {
        match conditional {
            Conditional::Real(mixture) => Self::real(mixture, kind, prior),
            Conditional::Discrete(table) => Self::discrete(table, kind),
        }
    }

    /// Of a coordinate. `prior`: the middle of its prior and its scale.
    fn real(mixture: &Mixture, kind: AnchorKind, prior: (f64, f64)) -> Self {
        let unbounded = (f64::NEG_INFINITY, f64::INFINITY);
        let own = mixture.own().iter().flatten().next();
        let own_candidate = |log_weight: f64| {
            own.map(|own| {
                let (location, log_scale) = place(own, prior);
                let (lo, hi) = unbounded;
                Candidate { location, log_scale, log_weight, lo, hi, own: Some(own.clone()) }
            })
        };
        let fallback = |location: f64, scale: f64| Candidate {
            location,
            log_scale: scale.ln(),
            log_weight: 0.0,
            lo: unbounded.0,
            hi: unbounded.1,
            own: None,
        };
        let (components, rest) = match kind {
            AnchorKind::None | AnchorKind::Gaussian => (vec![fallback(0.0, 3.0)], Vec::new()),
            AnchorKind::Scientific => (POWERS.map(|b| fallback(0.0, 10.0_f64.powi(b))).collect(), Vec::new()),
            AnchorKind::Prior => (vec![own_candidate(0.0).unwrap_or_else(|| fallback(prior.0, prior.1))], Vec::new()),
            AnchorKind::Laplace => {
                let mut order: Vec<usize> = (0..mixture.anchors.len()).collect();
                order.sort_by(|a, b| mixture.log_weights()[*b].total_cmp(&mixture.log_weights()[*a]));
                let moved = order.iter().take(MOST - usize::from(own.is_some())).map(|i| {
                    let Anchor { location, log_scale, lo, hi, .. } = mixture.anchors[*i];
                    Candidate { location, log_scale, log_weight: mixture.log_weights()[*i], lo, hi, own: None }
                });
                let components: Vec<Candidate> = moved.chain(own_candidate(OWN)).collect();
                let rest = order.iter().skip(MOST - usize::from(own.is_some()));
                (components, rest.map(|i| (mixture.anchors[*i], mixture.log_weights()[*i])).collect())
            }
        };
        let anchored = kind == AnchorKind::Laplace;
        let bounds = if matches!(kind, AnchorKind::None | AnchorKind::Gaussian) { FREE } else { BOUNDS };
        Self { components, rest, discrete: false, anchored, single: kind.is_single(), bounds }
    }

    /// Of a discrete variable: its values with their log masses.
    fn discrete(table: &[(i64, f64)], kind: AnchorKind) -> Self {
        let candidate = |(value, log_mass): &(i64, f64)| Candidate {
            location: *value as f64,
            log_scale: 0.0,
            log_weight: if kind == AnchorKind::Laplace { *log_mass } else { -(table.len() as f64).ln() },
            lo: f64::NEG_INFINITY,
            hi: f64::INFINITY,
            own: None,
        };
        Self {
            components: table.iter().map(candidate).collect(),
            rest: Vec::new(),
            discrete: true,
            anchored: false,
            single: false,
            bounds: BOUNDS,
        }
    }

    /// The likeliest anchor, or without one the own distribution; `None` of a discrete variable.
    pub fn best(&self) -> Option<&Candidate> {
        self.components.first().filter(|_| !self.discrete)
    }

    /// The own distribution.
    pub fn own(&self) -> Option<&Candidate> {
        self.components.iter().find(|c| c.own.is_some())
    }

    /// The log density at `z` before the network says anything, and the share of the best candidate in it.
    pub fn base_at(&self, z: f64) -> (f64, f64) {
        let at = |c: &Candidate| {
            c.log_weight
                + match &c.own {
                    Some(own) => own_log_density(own, z),
                    None => Part::normal(c.location, c.log_scale, (c.lo, c.hi)).log_density(z),
                }
        };
        let terms: Vec<f64> = self.components.iter().map(at).collect();
        let total = log_sum_exp(&terms);
        (total, terms.first().map_or(0.0, |t| (t - total).exp()))
    }

    /// The distribution that the network makes of them; `outputs` are [`OUTPUTS`] a candidate.
    pub fn adjusted(&self, outputs: &[f32]) -> Adjusted<'_> {
        let mut parts = Vec::with_capacity(self.components.len() * PARTS + self.rest.len());
        for (candidate, outputs) in self.components.iter().zip(outputs.chunks_exact(OUTPUTS)) {
            let read = |i: usize| squash(f64::from(outputs[i]), self.bounds[i % 3]);
            if self.discrete {
                parts.push(Part {
                    log_weight: candidate.log_weight + read(2),
                    ..Part::normal(candidate.location, 0.0, ALL)
                });
                continue;
            }
            for (k, [log_weight, offset, widen]) in BASE.iter().enumerate() {
                let log_scale = candidate.log_scale + widen + read(3 * k + 1);
                let location = candidate.location + candidate.log_scale.exp() * (offset + read(3 * k));
                let mut part = Part::normal(location, log_scale, (candidate.lo, candidate.hi));
                let base = if self.anchored { *log_weight } else { log_weight.max(UNANCHORED) };
                part.log_weight = candidate.log_weight + base + read(3 * k + 2);
                if k == 0 && candidate.own.is_some() {
                    part.kind = Kind::Own;
                } else if k == HEAVY && (part.lo, part.hi) == ALL {
                    part.kind = Kind::Heavy;
                } else if k == HEAVY {
                    part.log_scale += WIDE.ln();
                }
                if k > 0 && self.single {
                    part.log_weight = f64::NEG_INFINITY;
                }
                parts.push(part);
            }
        }
        let rest = self.rest.iter().map(|(anchor, log_weight)| Part {
            log_weight: *log_weight,
            ..Part::normal(anchor.location, anchor.log_scale, (anchor.lo, anchor.hi))
        });
        parts.extend(rest);
        let weights: Vec<f64> = parts.iter().map(|p| p.log_weight).collect();
        let total = log_sum_exp(&weights);
        parts.iter_mut().for_each(|p| p.log_weight -= total);
        Adjusted { candidates: self, parts }
    }
}

const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

fn squash(x: f64, bound: f64) -> f64 {
    bound * (x / bound).tanh()
}

fn squash_derivative(x: f64, bound: f64) -> f64 {
    1.0 - (x / bound).tanh().powi(2)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Heavy,
    Own,
}

#[derive(Clone, Debug)]
struct Part {
    kind: Kind,
    location: f64,
    log_scale: f64,
    log_weight: f64,
    lo: f64,
    hi: f64,
}

impl Part {
    fn normal(location: f64, log_scale: f64, (lo, hi): (f64, f64)) -> Self {
        Self { kind: Kind::Normal, location, log_scale, log_weight: 0.0, lo, hi }
    }

    /// Not of the own distribution.
    fn log_density(&self, z: f64) -> f64 {
        let scale = self.log_scale.exp();
        match self.kind {
            Kind::Heavy => {
                let r = (z - self.location) / (HEAVY_SCALE * scale);
                HEAVY_CONSTANT - self.log_scale - HEAVY_SCALE.ln() - 0.5 * (FREEDOM + 1.0) * (r * r / FREEDOM).ln_1p()
            }
            Kind::Normal | Kind::Own if z >= self.lo && z <= self.hi => {
                log_normal(z, self.location, scale) - log_interval((self.lo, self.hi), self.location, scale)
            }
            Kind::Normal | Kind::Own => f64::NEG_INFINITY,
        }
    }

    /// Derivatives of the log density with respect to location and log scale.
    fn derivatives(&self, z: f64) -> (f64, f64) {
        let scale = self.log_scale.exp();
        match self.kind {
            Kind::Own => (0.0, 0.0),
            Kind::Heavy => {
                let r = (z - self.location) / (HEAVY_SCALE * scale);
                let pull = (FREEDOM + 1.0) * r / (FREEDOM + r * r);
                (pull / (HEAVY_SCALE * scale), pull * r - 1.0)
            }
            Kind::Normal => {
                let r = (z - self.location) / scale;
                let log_mass = log_interval((self.lo, self.hi), self.location, scale);
                let end = |at: f64| {
                    let x = (at - self.location) / scale;
                    if x.is_finite() { ((-0.5 * x * x - HALF_LN_TWO_PI - log_mass).exp(), x) } else { (0.0, 0.0) }
                };
                let ((low, a), (high, b)) = (end(self.lo), end(self.hi));
                ((r - (low - high)) / scale, r * r - 1.0 - (low * a - high * b))
            }
        }
    }
}

/// ln Γ(3) − ln Γ(5/2) − ½ ln 5π
const HEAVY_CONSTANT: f64 = -0.968_619_589_054_728_1;

/// What the network makes of candidates: a mixture, or the probabilities of values.
#[derive(Clone, Debug)]
pub struct Adjusted<'c> {
    candidates: &'c Candidates,
    parts: Vec<Part>,
}

impl Adjusted<'_> {
    fn terms(&self, z: f64) -> Vec<f64> {
        let own = self.candidates.own().and_then(|c| c.own.as_ref()).map_or(f64::NEG_INFINITY, |own| {
            if self.parts.iter().any(|p| p.kind == Kind::Own) { own_log_density(own, z) } else { f64::NEG_INFINITY }
        });
        let term = |part: &Part| part.log_weight + if part.kind == Kind::Own { own } else { part.log_density(z) };
        self.parts.iter().map(term).collect()
    }

    /// The log density of a coordinate at `z`.
    pub fn log_density(&self, z: f64) -> f64 {
        log_sum_exp(&self.terms(z))
    }

    /// The log probability of a value.
    pub fn log_mass(&self, value: i64) -> f64 {
        let of_value = self.parts.iter().find(|p| p.location == value as f64);
        of_value.map_or(f64::NEG_INFINITY, |p| p.log_weight)
    }

    /// The log density of a coordinate, or log probability of a value, at `z`.
    pub fn log_probability(&self, z: f64) -> f64 {
        if self.candidates.discrete { self.log_mass(z as i64) } else { self.log_density(z) }
    }

    /// A coordinate.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        let part = &self.parts[self.pick(rng)];
        let scale = part.log_scale.exp();
        match part.kind {
            Kind::Own => {
                let own = self.candidates.own().and_then(|c| c.own.as_ref());
                let drawn = own.and_then(|own| own.support().unconstrain_scalar(own.sample(rng).ok()?.as_f64()?));
                drawn.unwrap_or(f64::NAN)
            }
            Kind::Heavy => {
                let t: f64 = StudentT::new(FREEDOM).map_or(0.0, |t| rng.sample(t));
                part.location + HEAVY_SCALE * scale * t
            }
            Kind::Normal if (part.lo, part.hi) == ALL => part.location + scale * rng.sample::<f64, _>(StandardNormal),
            Kind::Normal => interval_normal((part.lo, part.hi), part.location, scale, rng),
        }
    }

    /// A value of a discrete variable.
    pub fn draw_value(&self, rng: &mut impl Rng) -> i64 {
        self.parts[self.pick(rng)].location as i64
    }

    fn pick(&self, rng: &mut impl Rng) -> usize {
        if self.parts.len() == 1 {
            let _: f64 = rng.random();
        }
        let weights: Vec<f64> = self.parts.iter().map(|p| p.log_weight).collect();
        pick(&weights, rng)
    }

    /// The log density (or log probability, of a discrete variable) at `z`, and adds `factor` times its derivatives with
    /// respect to the outputs to `gradient`.
    pub fn gradient(&self, z: f64, outputs: &[f32], factor: f64, gradient: &mut [f32]) -> f64 {
        if self.candidates.discrete {
            let chosen = self.parts.iter().position(|p| p.location == z);
            for (j, part) in self.parts.iter().enumerate() {
                let hit = f64::from(u8::from(Some(j) == chosen));
                let at = j * OUTPUTS + 2;
                let slope = squash_derivative(f64::from(outputs[at]), self.candidates.bounds[2]);
                gradient[at] += (factor * (hit - part.log_weight.exp()) * slope) as f32;
            }
            return chosen.map_or(f64::NEG_INFINITY, |j| self.parts[j].log_weight);
        }
        let terms = self.terms(z);
        let total = log_sum_exp(&terms);
        if !total.is_finite() {
            return total;
        }
        let moved = self.candidates.components.len() * PARTS;
        for (i, (part, term)) in self.parts.iter().zip(&terms).enumerate().take(moved) {
            let (component, k) = (i / PARTS, i % PARTS);
            let at = component * OUTPUTS + 3 * k;
            let responsibility = (term - total).exp();
            let (location, log_scale) = part.derivatives(z);
            let anchor_scale = self.candidates.components[component].log_scale.exp();
            let slopes = [
                responsibility * location * anchor_scale,
                responsibility * log_scale,
                responsibility - part.log_weight.exp(),
            ];
            for (which, slope) in slopes.into_iter().enumerate() {
                let inner = squash_derivative(f64::from(outputs[at + which]), self.candidates.bounds[which]);
                let change = factor * slope * inner;
                if change.is_finite() {
                    gradient[at + which] += change as f32;
                }
            }
        }
        total
    }
}
