//! The conditionals of one draw: what each anchor says of the next element, given the values decoded so far.

use rand::{Rng, RngExt as _};
use rand_distr::{StandardNormal, StudentT as StudentTDraw};

use super::newton::{Derivatives, maximise, one_step};
use super::{AnchorMode, Anchors, Element};
use crate::density::{Evaluator, TapeEvaluator};
use crate::dist::{Distribution, Point, log_sum_exp};

/// Nats by which a value may depart from the normal approximation before a mode is refined, for one coordinate to come; for
/// more, a Hessian costs more, and small departures in each add up without mattering in any.
const DEPARTURE: f64 = 0.05;

/// Coordinates that may still be to come where a mode is refined, and refinements of one mode in one draw.
const MOST_REFINED: usize = 32;
const REFINEMENTS: usize = 4;

/// Coordinates to come up to which a refinement goes on to the mode; beyond it is one step.
const FEW: usize = 3;

/// The heavy-tailed component of an anchor: degrees of freedom, and scale in units of the anchor's.
const HEAVY_FREEDOM: f64 = 5.0;
const HEAVY_SCALE: f64 = 1.5;

/// Where the next coordinate may be: one component of its conditional.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    /// Unconstrained.
    pub location: f64,
    /// ln of the scale.
    pub log_scale: f64,
    /// ln of the Laplace evidence of the mode given what was decoded; the best one's is 0.
    pub log_evidence: f64,
    /// The interval that the coordinate is in.
    pub lo: f64,
    /// Its upper end.
    pub hi: f64,
}

/// How much of each conditional goes to components that are there for safety.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// To a Student-t (5 degrees of freedom, 1.5 times the scale) at each anchor.
    pub heavy: f64,
    /// To the variable's own distribution; to discrete values all alike.
    pub own: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { heavy: 0.05, own: 0.05 }
    }
}

impl Shares {
    /// The anchors alone.
    pub const NONE: Self = Self { heavy: 0.0, own: 0.0 };
}

/// The value of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decoded {
    /// Of a discrete variable.
    Int(i64),
    /// An unconstrained coordinate.
    Real(f64),
    /// The execution does not reach the variable.
    Absent,
}

/// A draw of all elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// By element.
    pub values: Vec<Decoded>,
    /// The log density with which it was drawn.
    pub log_proposal: f64,
    /// The log density of the target there, and the path that it is on; `None` where it is zero.
    pub target: Option<(f64, usize)>,
}

impl Drawn {
    /// The coordinates in decoding order.
    pub fn decoded_point(&self) -> Vec<f64> {
        let real = |value: &Decoded| match value {
            Decoded::Real(z) => Some(*z),
            Decoded::Int(_) | Decoded::Absent => None,
        };
        self.values.iter().filter_map(real).collect()
    }

    /// The coordinates in the order of the compiled density; `elements` are those that were decoded.
    pub fn point(&self, elements: &[Element]) -> Vec<f64> {
        let pair = |(element, value): (&Element, &Decoded)| match value {
            Decoded::Real(z) => Some((element.coordinate?, *z)),
            Decoded::Int(_) | Decoded::Absent => None,
        };
        let mut z: Vec<(usize, f64)> = elements.iter().zip(&self.values).filter_map(pair).collect();
        z.sort_by_key(|(coordinate, _)| *coordinate);
        z.into_iter().map(|(_, z)| z).collect()
    }
}

/// A mode as the elements are decoded.
#[derive(Clone, Debug)]
struct State {
    active: bool,
    /// How many of the path's coordinates are decoded.
    decoded: usize,
    /// The first coordinate of the approximation: 0, or as many as were decoded when it was refined.
    first: usize,
    /// Of the approximation: value at its peak, and factor of its covariance over the coordinates from `first` on.
    peak: f64,
    factor: Vec<f64>,
    /// What was decoded, then the means of the rest given it.
    point: Vec<f64>,
    /// ½ the squared standardised distance of what was decoded from the peak.
    half_square: f64,
    refinements: usize,
    own: Option<Distribution<f64>>,
}

impl State {
    fn conditional(&self) -> (f64, f64) {
        let (n, at) = (self.point.len() - self.first, self.decoded - self.first);
        (self.point[self.decoded], self.factor[at * n + at])
    }

    /// ln ∫ of the approximation over what is to come, within the pieces.
    fn log_evidence(&self, pieces: &[(f64, f64)]) -> f64 {
        let n = self.point.len() - self.first;
        let at = self.decoded - self.first;
        let volume: f64 = (at..n).map(|i| self.factor[i * n + i].ln() + 0.5 * (2.0 * std::f64::consts::PI).ln()).sum();
        let mut evidence = self.peak - self.half_square + volume;
        for (place, piece) in pieces.iter().enumerate().skip(self.decoded) {
            if piece.0 > f64::NEG_INFINITY || piece.1 < f64::INFINITY {
                let row = place - self.first;
                let variance: f64 = (at..=row).map(|j| self.factor[row * n + j].powi(2)).sum();
                evidence += log_interval(*piece, self.point[place], variance.sqrt());
            }
        }
        evidence
    }
}

/// The conditional of an element.
#[derive(Clone, Debug)]
pub enum Conditional {
    /// Values and their log probabilities.
    Discrete(Vec<(i64, f64)>),
    /// A mixture over the line.
    Real(Mixture),
}

/// A mixture of the anchors' components and of the variable's own distribution.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// One a mode that is still possible.
    pub anchors: Vec<Anchor>,
    own: Vec<Option<Distribution<f64>>>,
    /// ln of the normalised weights of the modes.
    log_weights: Vec<f64>,
    shares: Shares,
}

impl Mixture {
    /// The log density at `z`.
    pub fn log_density(&self, z: f64) -> f64 {
        let mut terms: smallvec::SmallVec<[f64; 24]> = smallvec::SmallVec::new();
        for ((anchor, own), log_weight) in self.anchors.iter().zip(&self.own).zip(&self.log_weights) {
            let own_share = if own.is_some() { self.shares.own } else { 0.0 };
            let (scale, piece) = (anchor.log_scale.exp(), (anchor.lo, anchor.hi));
            if z >= piece.0 && z <= piece.1 {
                let narrow = 1.0 - self.shares.heavy - own_share;
                terms.push(
                    log_weight + narrow.ln() + log_normal(z, anchor.location, scale)
                        - log_interval(piece, anchor.location, scale),
                );
                if self.shares.heavy > 0.0 {
                    terms.push(log_weight + self.shares.heavy.ln() + heavy_log_density(z, anchor));
                }
            }
            if let (Some(own), true) = (own, own_share > 0.0) {
                terms.push(log_weight + own_share.ln() + own_log_density(own, z));
            }
        }
        log_sum_exp(&terms)
    }

    fn draw(&self, rng: &mut impl Rng) -> f64 {
        let chosen = pick(&self.log_weights, rng);
        let anchor = &self.anchors[chosen];
        let (scale, piece) = (anchor.log_scale.exp(), (anchor.lo, anchor.hi));
        let own = self.own[chosen].as_ref();
        let own_share = if own.is_some() { self.shares.own } else { 0.0 };
        let u: f64 = rng.random();
        if let (Some(own), true) = (own, u < own_share) {
            let drawn = own.sample(rng).ok().and_then(|v| v.as_f64());
            return drawn.and_then(|x| own.support().unconstrain_scalar(x)).unwrap_or(f64::NAN);
        }
        let heavy = u < own_share + self.shares.heavy;
        if piece.0 == f64::NEG_INFINITY && piece.1 == f64::INFINITY {
            if heavy {
                let t: f64 = StudentTDraw::new(HEAVY_FREEDOM).map_or(0.0, |t| rng.sample(t));
                return anchor.location + HEAVY_SCALE * scale * t;
            }
            return anchor.location + scale * rng.sample::<f64, _>(StandardNormal);
        }
        interval_normal(piece, anchor.location, if heavy { WIDE * scale } else { scale }, rng)
    }
}

/// Of the heavy component within a piece: a normal of this many times the scale.
const WIDE: f64 = 2.5;

fn heavy_log_density(z: f64, anchor: &Anchor) -> f64 {
    let scale = anchor.log_scale.exp();
    if anchor.lo == f64::NEG_INFINITY && anchor.hi == f64::INFINITY {
        let r = (z - anchor.location) / (HEAVY_SCALE * scale);
        // ln Γ(3) − ln Γ(5/2) − ½ ln 5π, of five degrees of freedom.
        const CONSTANT: f64 = -0.968_619_589_054_728_1;
        return CONSTANT - (HEAVY_SCALE * scale).ln() - 3.0 * (r * r / HEAVY_FREEDOM).ln_1p();
    }
    let wide = WIDE * scale;
    log_normal(z, anchor.location, wide) - log_interval((anchor.lo, anchor.hi), anchor.location, wide)
}

fn own_log_density(own: &Distribution<f64>, z: f64) -> f64 {
    match own.support().constrain_scalar(z) {
        Some((x, log_jacobian)) => own.log_density(&Point::Scalar(x)) + log_jacobian,
        None => f64::NEG_INFINITY,
    }
}

fn log_normal(z: f64, m: f64, s: f64) -> f64 {
    let r = (z - m) / s;
    -0.5 * r * r - s.ln() - 0.918_938_533_204_672_8
}

/// ln of the probability that a normal is in an interval.
pub(super) fn log_interval((low, high): (f64, f64), m: f64, s: f64) -> f64 {
    use crate::dist::Scalar as _;
    let (a, b) = ((low - m) / s, (high - m) / s);
    match (low == f64::NEG_INFINITY, high == f64::INFINITY) {
        (true, true) => 0.0,
        (true, false) => b.log_phi(),
        (false, true) => (-a).log_phi(),
        // In the tail where both are small.
        (false, false) if a > 0.0 => (-a).log_phi().log_sub_exp((-b).log_phi()),
        (false, false) => b.log_phi().log_sub_exp(a.log_phi()),
    }
}

/// A normal given that it is in an interval.
fn interval_normal(piece: (f64, f64), m: f64, s: f64, rng: &mut impl Rng) -> f64 {
    use crate::dist::{Argument, Family};
    for _ in 0..16 {
        let z = m + s * rng.sample::<f64, _>(StandardNormal);
        if z >= piece.0 && z <= piece.1 {
            return z;
        }
    }
    // By inversion, far out.
    let normal = Distribution::new(Family::Normal, [Argument::Scalar(m), Argument::Scalar(s)]);
    let truncated = normal.and_then(|normal| {
        let normal = Argument::Distribution(Box::new(normal));
        Distribution::new(Family::Truncated, [normal, Argument::Scalar(piece.0), Argument::Scalar(piece.1)])
    });
    let drawn = truncated.ok().and_then(|d| d.sample(rng).ok()).and_then(|v| v.as_f64());
    drawn.unwrap_or(if piece.0.is_finite() { piece.0 } else { piece.1 })
}

/// An index, drawn by log weights that are normalised.
fn pick(log_weights: &[f64], rng: &mut impl Rng) -> usize {
    if log_weights.len() == 1 {
        return 0;
    }
    let mut rest: f64 = rng.random();
    let mut last = 0;
    for (i, log_weight) in log_weights.iter().enumerate() {
        let weight = log_weight.exp();
        if weight > 0.0 {
            last = i;
            rest -= weight;
            if rest < 0.0 {
                break;
            }
        }
    }
    last
}

/// Decodes draws one after the other; one a thread.
#[derive(Debug)]
pub struct Walk<'a> {
    anchors: &'a Anchors<'a>,
    shares: Shares,
    evaluators: Vec<TapeEvaluator<'a>>,
    fresh: Vec<State>,
    states: Vec<State>,
    values: Vec<Decoded>,
    scales: Vec<f64>,
}

impl<'a> Walk<'a> {
    /// With these shares for safety.
    pub fn new(anchors: &'a Anchors<'a>, shares: Shares) -> Self {
        let mut evaluators = anchors.evaluators();
        let fresh: Vec<State> = anchors.modes.iter().map(|m| fresh(anchors, m, &mut evaluators[m.path])).collect();
        let states = fresh.clone();
        let most = anchors.paths.iter().map(|p| p.coordinates.len()).max().unwrap_or(0);
        Self { anchors, shares, evaluators, fresh, states, values: Vec::new(), scales: vec![0.0; most] }
    }

    /// Starts a draw.
    pub fn begin(&mut self) {
        self.values.clear();
        for (state, fresh) in self.states.iter_mut().zip(&self.fresh) {
            state.clone_from_fresh(fresh);
        }
    }

    /// Whether some mode that is still possible has the next element, and whether some has not.
    fn presence(&self) -> (bool, bool) {
        let element = &self.anchors.elements()[self.values.len()];
        let (mut with, mut without) = (false, false);
        for (state, mode) in self.states.iter().zip(&self.anchors.modes) {
            if state.active {
                let has = has(self.anchors, mode, state, element);
                with |= has;
                without |= !has;
            }
        }
        (with, without)
    }

    /// ln of the share of the modes that have the next element.
    fn log_presence(&self) -> f64 {
        let element = &self.anchors.elements()[self.values.len()];
        let (mut with, mut all) = (Vec::new(), Vec::new());
        for (state, mode) in self.states.iter().zip(&self.anchors.modes).filter(|(s, _)| s.active) {
            let evidence = state.log_evidence(&self.anchors.paths[mode.path].pieces);
            all.push(evidence);
            if has(self.anchors, mode, state, element) {
                with.push(evidence);
            }
        }
        (log_sum_exp(&with) - log_sum_exp(&all)).min(0.0)
    }

    /// The conditional of the next element given that it is there; `None` where no mode is left that has it.
    pub fn conditional(&self) -> Option<Conditional> {
        let element = &self.anchors.elements()[self.values.len()];
        let modes = self.states.iter().zip(&self.anchors.modes);
        let modes = modes.filter(|(state, mode)| state.active && has(self.anchors, mode, state, element));
        if element.coordinate.is_none() {
            let mut values: Vec<(i64, Vec<f64>)> = Vec::new();
            for (state, mode) in modes {
                let path = &self.anchors.paths[mode.path];
                let Some(value) = path.held.get(&element.key) else { continue };
                let evidence = state.log_evidence(&path.pieces);
                match values.iter_mut().find(|(v, _)| v == value) {
                    Some((_, evidences)) => evidences.push(evidence),
                    None => values.push((*value, vec![evidence])),
                }
            }
            let masses: Vec<f64> = values.iter().map(|(_, e)| log_sum_exp(e)).collect();
            let total = log_sum_exp(&masses);
            let share = if values.len() > 1 { self.shares.own } else { 0.0 };
            let uniform = share / values.len() as f64;
            let smoothed = |mass: f64| ((1.0 - share) * (mass - total).exp() + uniform).ln();
            let table = values.iter().zip(masses).map(|((value, _), mass)| (*value, smoothed(mass))).collect();
            return (!values.is_empty()).then_some(Conditional::Discrete(table));
        }
        let (mut anchors, mut own, mut log_weights) = (Vec::new(), Vec::new(), Vec::new());
        for (state, mode) in modes {
            let pieces = &self.anchors.paths[mode.path].pieces;
            let (location, scale) = state.conditional();
            let (lo, hi) = pieces[state.decoded];
            let log_evidence = state.log_evidence(pieces);
            anchors.push(Anchor { location, log_scale: scale.ln(), log_evidence, lo, hi });
            own.push(state.own.clone());
            log_weights.push(log_evidence);
        }
        let total = log_sum_exp(&log_weights);
        if !total.is_finite() {
            return None;
        }
        let best = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        anchors.iter_mut().for_each(|a| a.log_evidence -= best);
        log_weights.iter_mut().for_each(|w| *w -= total);
        Some(Conditional::Real(Mixture { anchors, own, log_weights, shares: self.shares }))
    }

    /// Takes the value of the next element.
    pub fn decode(&mut self, value: Decoded) {
        let element = &self.anchors.elements()[self.values.len()];
        for (state, mode) in self.states.iter_mut().zip(&self.anchors.modes) {
            if !state.active {
                continue;
            }
            let path = &self.anchors.paths[mode.path];
            let present = has(self.anchors, mode, state, element);
            state.active = match value {
                Decoded::Absent => !present,
                Decoded::Int(i) => present && path.held.get(&element.key) == Some(&i),
                Decoded::Real(z) => {
                    let (lo, hi) = path.pieces.get(state.decoded).copied().unwrap_or((f64::NAN, f64::NAN));
                    present && z >= lo && z <= hi && {
                        advance(state, z, path, &mut self.evaluators[mode.path], &mut self.scales)
                    }
                }
            };
        }
        self.values.push(value);
    }

    /// Draws all elements, and evaluates the target there.
    pub fn draw(&mut self, rng: &mut impl Rng) -> Drawn {
        self.begin();
        let mut log_proposal = 0.0;
        for _ in 0..self.anchors.elements().len() {
            let value = match self.presence() {
                (false, _) => Decoded::Absent,
                (true, without) => {
                    let log_present = if without { self.log_presence() } else { 0.0 };
                    if without && rng.random::<f64>() >= log_present.exp() {
                        log_proposal += (-log_present.exp()).ln_1p();
                        Decoded::Absent
                    } else {
                        log_proposal += log_present;
                        match self.conditional() {
                            None => Decoded::Absent,
                            Some(Conditional::Discrete(table)) => {
                                let masses: Vec<f64> = table.iter().map(|(_, mass)| *mass).collect();
                                let (value, log_mass) = table[pick(&masses, rng)];
                                log_proposal += log_mass;
                                Decoded::Int(value)
                            }
                            Some(Conditional::Real(mixture)) => {
                                let z = mixture.draw(rng);
                                log_proposal += mixture.log_density(z);
                                Decoded::Real(z)
                            }
                        }
                    }
                }
            };
            self.decode(value);
        }
        let values = self.values.clone();
        let target = self.target(&values);
        Drawn { values, log_proposal, target }
    }

    /// The log density with which [`Walk::draw`] gives `values`.
    pub fn log_density(&mut self, values: &[Decoded]) -> f64 {
        self.begin();
        let mut log_proposal = 0.0;
        for value in values {
            let (with, without) = self.presence();
            log_proposal += match value {
                Decoded::Absent if !with => 0.0,
                Decoded::Absent if without => (-self.log_presence().exp()).ln_1p(),
                Decoded::Absent => f64::NEG_INFINITY,
                Decoded::Int(_) | Decoded::Real(_) if !with => f64::NEG_INFINITY,
                Decoded::Int(_) | Decoded::Real(_) => {
                    let log_present = if without { self.log_presence() } else { 0.0 };
                    log_present
                        + match (self.conditional(), value) {
                            (Some(Conditional::Discrete(table)), Decoded::Int(i)) => {
                                table.iter().find(|(v, _)| v == i).map_or(f64::NEG_INFINITY, |(_, mass)| *mass)
                            }
                            (Some(Conditional::Real(mixture)), Decoded::Real(z)) => mixture.log_density(*z),
                            _ => f64::NEG_INFINITY,
                        }
                }
            };
            self.decode(*value);
        }
        log_proposal
    }

    /// The log density of the target at `values`, and the path that they are on.
    pub fn target(&mut self, values: &[Decoded]) -> Option<(f64, usize)> {
        let elements = self.anchors.elements();
        let mut z = Vec::new();
        for (at, path) in self.anchors.paths.iter().enumerate() {
            z.clear();
            let mut discrete = 0;
            let agrees = elements.iter().zip(values).all(|(element, value)| match value {
                Decoded::Int(i) => {
                    discrete += 1;
                    path.held.get(&element.key) == Some(i)
                }
                Decoded::Real(x) => {
                    z.push(*x);
                    path.coordinates.get(z.len() - 1).copied() == element.coordinate
                }
                Decoded::Absent => true,
            });
            if !agrees || z.len() != path.coordinates.len() || discrete != path.held.len() {
                continue;
            }
            let evaluator = &mut self.evaluators[at];
            let value = evaluator.value(&z);
            let outcomes = path.outcomes.iter().enumerate();
            if outcomes.into_iter().all(|(i, holds)| (evaluator.output(i) != 0.0) == *holds) {
                return (value > f64::NEG_INFINITY).then_some((value, at));
            }
        }
        None
    }
}

/// Whether a mode's path has an element: for coordinates, it must be the next one.
fn has(anchors: &Anchors<'_>, mode: &AnchorMode, state: &State, element: &Element) -> bool {
    let path = &anchors.paths[mode.path];
    match element.coordinate {
        None => path.held.contains_key(&element.key),
        Some(coordinate) => path.coordinates.get(state.decoded) == Some(&coordinate),
    }
}

/// A mode before anything is decoded.
fn fresh(anchors: &Anchors<'_>, anchor: &AnchorMode, evaluator: &mut TapeEvaluator<'_>) -> State {
    let path = &anchors.paths[anchor.path];
    let mut state = State {
        active: true,
        decoded: 0,
        first: 0,
        peak: anchor.mode.log_density,
        factor: anchor.mode.factor.clone(),
        point: anchor.mode.location.clone(),
        half_square: 0.0,
        refinements: 0,
        own: None,
    };
    evaluator.value(&state.point);
    state.own = own(path, 0, evaluator);
    state
}

/// The own distribution of the coordinate at `place`, after an evaluation.
fn own(path: &super::AnchorPath<'_>, place: usize, evaluator: &TapeEvaluator<'_>) -> Option<Distribution<f64>> {
    let own = path.own.get(place)?.as_ref()?;
    let parameters: smallvec::SmallVec<[f64; 4]> =
        (own.first..own.first + own.parameters).map(|i| evaluator.output(i)).collect();
    own.with(&parameters)
}

/// Conditions a mode on the value of its next coordinate; `false` where it is no longer possible.
fn advance(
    state: &mut State,
    z: f64,
    path: &super::AnchorPath<'_>,
    evaluator: &mut TapeEvaluator<'_>,
    scales: &mut [f64],
) -> bool {
    let total = state.point.len();
    let (n, at) = (total - state.first, state.decoded - state.first);
    let (location, scale) = state.conditional();
    let standardised = (z - location) / scale;
    for i in at + 1..n {
        state.point[state.first + i] += state.factor[i * n + at] * standardised;
    }
    state.point[state.decoded] = z;
    state.half_square += 0.5 * standardised * standardised;
    state.decoded += 1;
    if state.decoded == total {
        return true;
    }
    let value = evaluator.value(&state.point);
    for (output, holds, settled) in &path.conditions {
        if *settled <= state.decoded && (evaluator.output(*output) != 0.0) != *holds {
            return false;
        }
    }
    state.own = own(path, state.decoded, evaluator);
    let expected = state.peak - state.half_square;
    let allowed = DEPARTURE * ((total - state.decoded) as f64 / 8.0).powi(2).max(1.0);
    let departs = value.is_nan() || (value - expected).abs() > allowed;
    if departs && total - state.decoded <= MOST_REFINED && state.refinements < REFINEMENTS {
        state.refinements += 1;
        refine(state, evaluator, scales);
    }
    true
}

/// Moves the approximation of the coordinates to come to where the density is.
fn refine(state: &mut State, evaluator: &mut TapeEvaluator<'_>, scales: &mut [f64]) {
    let total = state.point.len();
    let (n, at) = (total - state.first, state.decoded - state.first);
    let scales = &mut scales[..total];
    for i in at..n {
        let variance: f64 = (at..=i).map(|j| state.factor[i * n + j].powi(2)).sum();
        scales[state.first + i] = variance.sqrt();
    }
    let rest = total - state.decoded;
    let mut derivatives = Derivatives::new(evaluator, total);
    let found = if rest <= FEW {
        maximise(&mut derivatives, &state.point, state.decoded, scales)
    } else {
        one_step(&mut derivatives, &state.point, state.decoded, scales)
    };
    if let Some(mode) = found {
        state.point[state.decoded..].copy_from_slice(&mode.location);
        state.first = state.decoded;
        state.peak = mode.log_density;
        state.factor = mode.factor;
        state.half_square = 0.0;
    }
}

impl State {
    /// Copies a state without allocating where nothing was refined.
    fn clone_from_fresh(&mut self, fresh: &Self) {
        self.active = true;
        self.decoded = 0;
        if self.first != 0 || self.factor.len() != fresh.factor.len() {
            self.factor.clone_from(&fresh.factor);
        }
        self.first = 0;
        self.peak = fresh.peak;
        self.point.copy_from_slice(&fresh.point);
        self.half_square = 0.0;
        self.refinements = 0;
        self.own.clone_from(&fresh.own);
    }
}
