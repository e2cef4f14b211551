//! The conditionals of one draw: what each anchor says of the next element, given the values decoded so far.

use rand::{Rng, RngExt as _};

use super::mixture::{Anchor, Mixture, Shares, log_interval, pick};
use super::newton::{Derivatives, maximise, one_step};
use super::{AnchorMode, AnchorPath, Anchors, Element};
use crate::density::{Evaluator, TapeEvaluator};
use crate::dist::{Distribution, HALF_LN_TWO_PI, log_sum_exp};

/// Nats by which a value may depart from the normal approximation before a mode is refined, for one coordinate to come; for
/// more, a Hessian costs more, and small departures in each add up without mattering in any.
const DEPARTURE: f64 = 0.05;

/// Coordinates that may still be to come where a mode is refined, and refinements of one mode in one draw.
const MOST_REFINED: usize = 32;
const REFINEMENTS: usize = 4;

/// Coordinates to come up to which a refinement goes on to the mode; beyond it is one step.
const FEW: usize = 3;

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

/// The coordinates among values, in decoding order.
pub(in crate::infer) fn reals(values: &[Decoded]) -> impl Iterator<Item = f64> {
    values.iter().filter_map(|value| match value {
        Decoded::Real(z) => Some(*z),
        Decoded::Int(_) | Decoded::Absent => None,
    })
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
        reals(&self.values).collect()
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
        let volume: f64 = (at..n).map(|i| self.factor[i * n + i].ln() + HALF_LN_TWO_PI).sum();
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

impl Conditional {
    /// Of one without shares for safety: the same with these.
    #[must_use]
    pub fn with_shares(&self, shares: Shares) -> Self {
        match self {
            Self::Discrete(table) => Self::Discrete(shares.smoothed(table.clone())),
            Self::Real(mixture) => Self::Real(mixture.with_shares(shares)),
        }
    }
}

/// Decodes draws one after the other; one a thread.
#[derive(Debug)]
pub struct Walk<'a> {
    anchors: &'a Anchors<'a>,
    shares: Shares,
    evaluators: Vec<TapeEvaluator<'a>>,
    /// Of the outputs alone, by path; none where modes are refined.
    outputs: Vec<TapeEvaluator<'a>>,
    fresh: Vec<State>,
    states: Vec<State>,
    /// The conditional of the first element: the same for all draws.
    first: Option<Conditional>,
    values: Vec<Decoded>,
    scales: Vec<f64>,
}

/// Numbers that one draw computes, at most.
#[derive(Clone, Copy, Debug)]
pub(in crate::infer) struct Cost {
    /// Of the normal approximations as they are.
    pub plain: f64,
    /// Of refined modes.
    pub refined: f64,
}

impl Anchors<'_> {
    /// What a draw costs.
    pub(in crate::infer) fn cost(&self) -> Cost {
        let mut cost = Cost { plain: 0.0, refined: 0.0 };
        // Of slices, the first coordinate leaves as many as there are modes.
        let left = self.components.len().min(self.modes.len().max(1)) as f64 / self.components.len().max(1) as f64;
        for component in &self.components {
            let path = &self.paths[component.path];
            let (n, own, size) =
                (path.coordinates.len() as f64, path.outputs.size() as f64, path.density.size() as f64);
            // Conditioning, and the values of outputs; of the density twice at every step, and Hessians.
            cost.plain += left * n * (n + own);
            cost.refined += left * n * (n + 2.0 * size + REFINEMENTS as f64 * 4.0 * size);
        }
        // The target at the end.
        let target =
            self.paths.iter().map(|p| p.density.size()).max().unwrap_or(0) as f64 + self.components.len() as f64;
        Cost { plain: cost.plain + target, refined: cost.refined + target }
    }
}

impl<'a> Walk<'a> {
    /// With these shares for safety.
    pub fn new(anchors: &'a Anchors<'a>, shares: Shares) -> Self {
        let mut evaluators = anchors.evaluators();
        let fresh: Vec<State> = anchors.components.iter().map(|m| fresh(anchors, m, &mut evaluators[m.path])).collect();
        let states = fresh.clone();
        let most = anchors.paths.iter().map(|p| p.coordinates.len()).max().unwrap_or(0);
        let (outputs, values, scales) = (Vec::new(), Vec::new(), vec![0.0; most]);
        let mut walk = Self { anchors, shares, evaluators, outputs, fresh, states, first: None, values, scales };
        if !anchors.elements().is_empty() {
            walk.first = walk.conditional();
        }
        walk
    }

    /// The same without refinement: the normal approximations as they are, and so without evaluations on the way.
    pub fn plain(anchors: &'a Anchors<'a>, shares: Shares) -> Self {
        let outputs = anchors.paths.iter().map(|p| p.outputs.on_tape()).collect();
        Self { outputs, ..Self::new(anchors, shares) }
    }

    /// Starts a draw.
    pub fn begin(&mut self) {
        self.values.clear();
        // Most slices are left behind by the first coordinate.
        for (state, fresh) in self.states.iter_mut().zip(&self.fresh) {
            if state.decoded > 0 {
                state.clone_from_fresh(fresh);
            }
            state.active = true;
        }
    }

    /// Whether some mode that is still possible has the next element, and whether some has not.
    fn presence(&self) -> (bool, bool) {
        let element = &self.anchors.elements()[self.values.len()];
        let (mut with, mut without) = (false, false);
        for (state, mode) in self.states.iter().zip(&self.anchors.components) {
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
        for (state, mode) in self.states.iter().zip(&self.anchors.components).filter(|(s, _)| s.active) {
            let evidence = state.log_evidence(&mode.pieces);
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
        let modes = self.states.iter().zip(&self.anchors.components);
        let modes = modes.filter(|(state, mode)| state.active && has(self.anchors, mode, state, element));
        if element.coordinate.is_none() {
            let mut values: Vec<(i64, Vec<f64>)> = Vec::new();
            for (state, mode) in modes {
                let path = &self.anchors.paths[mode.path];
                let Some(value) = path.held.get(&element.key) else { continue };
                let evidence = state.log_evidence(&mode.pieces);
                match values.iter_mut().find(|(v, _)| v == value) {
                    Some((_, evidences)) => evidences.push(evidence),
                    None => values.push((*value, vec![evidence])),
                }
            }
            let masses: Vec<f64> = values.iter().map(|(_, e)| log_sum_exp(e)).collect();
            let total = log_sum_exp(&masses);
            let table = values.iter().zip(masses).map(|((value, _), mass)| (*value, mass - total)).collect();
            return (!values.is_empty()).then(|| Conditional::Discrete(self.shares.smoothed(table)));
        }
        let (mut anchors, mut own, mut log_weights) = (Vec::new(), Vec::new(), Vec::new());
        for (state, mode) in modes {
            let pieces = &mode.pieces;
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
        for (state, mode) in self.states.iter_mut().zip(&self.anchors.components) {
            if !state.active {
                continue;
            }
            let path = &self.anchors.paths[mode.path];
            let present = has(self.anchors, mode, state, element);
            state.active = match value {
                Decoded::Absent => !present,
                Decoded::Int(i) => present && path.held.get(&element.key) == Some(&i),
                Decoded::Real(z) => {
                    let (lo, hi) = mode.pieces.get(state.decoded).copied().unwrap_or((f64::NAN, f64::NAN));
                    present && z >= lo && z <= hi && {
                        condition(state, z);
                        match self.outputs.get_mut(mode.path) {
                            Some(outputs) => follow(state, path, outputs),
                            None => advance(state, path, &mut self.evaluators[mode.path], &mut self.scales),
                        }
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
                        let computed;
                        let conditional = if self.values.is_empty() {
                            &self.first
                        } else {
                            computed = self.conditional();
                            &computed
                        };
                        match conditional {
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
            if path.conditions_hold(evaluator) {
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
fn own(path: &AnchorPath<'_>, place: usize, evaluator: &TapeEvaluator<'_>) -> Option<Distribution<f64>> {
    let own = path.own.get(place)?.as_ref()?;
    let parameters: smallvec::SmallVec<[f64; 4]> =
        (own.first..own.first + own.parameters).map(|i| evaluator.output(i)).collect();
    own.with(&parameters)
}

/// Conditions a mode on the value of its next coordinate.
fn condition(state: &mut State, z: f64) {
    let (n, at) = (state.point.len() - state.first, state.decoded - state.first);
    let (location, scale) = state.conditional();
    let standardised = (z - location) / scale;
    for i in at + 1..n {
        state.point[state.first + i] += state.factor[i * n + at] * standardised;
    }
    state.point[state.decoded] = z;
    state.half_square += 0.5 * standardised * standardised;
    state.decoded += 1;
}

/// Conditions that are settled have the outcomes of the path, at the last evaluation.
fn conditions_hold(state: &State, path: &AnchorPath<'_>, evaluator: &TapeEvaluator<'_>) -> bool {
    let settled = path.conditions.iter().filter(|(_, _, settled)| *settled <= state.decoded);
    settled.into_iter().all(|(output, holds, _)| (evaluator.output(*output) != 0.0) == *holds)
}

/// Makes a mode ready for its next coordinate without refinement; `false` where it is no longer possible.
fn follow(state: &mut State, path: &AnchorPath<'_>, outputs: &mut TapeEvaluator<'_>) -> bool {
    if state.decoded == state.point.len() {
        return true;
    }
    let own_varies = path.own[state.decoded].as_ref().is_some_and(|own| !own.constant);
    let settles = path.conditions.iter().any(|(_, _, settled)| *settled <= state.decoded);
    if own_varies || settles {
        outputs.value(&state.point);
        if !conditions_hold(state, path, outputs) {
            return false;
        }
    }
    // Constants need no evaluation.
    state.own = own(path, state.decoded, outputs);
    true
}

/// Makes a mode ready for its next coordinate, refined where the density departs from it; `false` where it is no longer
/// possible.
fn advance(state: &mut State, path: &AnchorPath<'_>, evaluator: &mut TapeEvaluator<'_>, scales: &mut [f64]) -> bool {
    let total = state.point.len();
    if state.decoded == total {
        return true;
    }
    let value = evaluator.value(&state.point);
    if !conditions_hold(state, path, evaluator) {
        return false;
    }
    state.own = own(path, state.decoded, evaluator);
    let rest = total - state.decoded;
    if rest <= MOST_REFINED && state.refinements < REFINEMENTS && departs(state, value, evaluator, scales) {
        state.refinements += 1;
        refine(state, evaluator, scales);
    }
    true
}

/// Whether the density departs from the approximation of the coordinates to come: at their means (where it is `value`), or
/// one standard deviation from there in all of them, where a change of curvature shows.
fn departs(state: &mut State, value: f64, evaluator: &mut TapeEvaluator<'_>, means: &mut [f64]) -> bool {
    let total = state.point.len();
    let (n, at) = (total - state.first, state.decoded - state.first);
    let rest = (total - state.decoded) as f64;
    let allowed = DEPARTURE * (rest / 8.0).powi(2).max(1.0);
    let expected = state.peak - state.half_square;
    if value.is_nan() || (value - expected).abs() > allowed {
        return true;
    }
    let means = &mut means[..n - at];
    means.copy_from_slice(&state.point[state.decoded..]);
    for i in at..n {
        state.point[state.first + i] += state.factor[i * n + at..=i * n + i].iter().sum::<f64>();
    }
    let away = evaluator.value(&state.point);
    state.point[state.decoded..].copy_from_slice(means);
    away.is_nan() || (away - (expected - 0.5 * rest)).abs() > 2.0 * allowed
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

/// Whether an execution reaches the next element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presence {
    /// No mode that is left has it.
    Absent,
    /// All have it.
    Certain,
    /// Some have it: ln of their share.
    Possible(f64),
}

/// A draw that was put aside while others are decoded.
#[derive(Clone, Debug, Default)]
pub struct Paused {
    states: Vec<State>,
    values: Vec<Decoded>,
}

impl Walk<'_> {
    /// Whether the next element is there.
    pub fn next_presence(&self) -> Presence {
        match self.presence() {
            (false, _) => Presence::Absent,
            (true, false) => Presence::Certain,
            (true, true) => Presence::Possible(self.log_presence()),
        }
    }

    /// The coordinate of the next element; `None` of a discrete variable, or after the last.
    pub fn next_coordinate(&self) -> Option<usize> {
        self.anchors.elements().get(self.values.len())?.coordinate
    }

    /// The values so far.
    pub fn values(&self) -> &[Decoded] {
        &self.values
    }

    /// A draw of which nothing is decoded yet.
    pub fn pause_fresh(&self) -> Paused {
        Paused { states: self.fresh.clone(), values: Vec::new() }
    }

    /// Goes on with the draw in `paused`, and leaves the one at hand there.
    pub fn swap(&mut self, paused: &mut Paused) {
        std::mem::swap(&mut self.states, &mut paused.states);
        std::mem::swap(&mut self.values, &mut paused.values);
    }
}
