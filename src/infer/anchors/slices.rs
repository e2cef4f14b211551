//! Slices: where a posterior bends, normal approximations of narrow intervals of the coordinate decoded first.
//!
//! At nodes of a grid over that coordinate, the others are maximised given it; their Laplace evidence is the profile of its
//! marginal density (Tierney & Kadane 1986, eq. 4.1; integrated nested Laplace approximations, Rue, Martino & Chopin 2009,
//! §3). Each node has a component for every local maximum of the others, truncated to the interval around the node; so a
//! curve, or several, is followed by short straight pieces.

use super::newton::{Derivatives, Mode, log_volume, maximise, newton_step};
use super::prior::PriorDraws;
use super::{AnchorMode, AnchorPath, Anchors, settle};

/// Nodes at first, and at most.
const FIRST: usize = 33;
const MOST: usize = 160;

/// How far the grid goes: scales of the modes, and of the prior.
const MODE_SCALES: f64 = 10.0;
const PRIOR_SCALES: f64 = 5.0;

/// Nats below the best node that do not matter.
const DEEP: f64 = 12.0;

/// Nats by which what two neighbours say of the place between them may differ.
const MISMATCH: f64 = 0.1;

/// Maxima nearer than this (squared Mahalanobis distance) are one.
const SAME: f64 = 0.01;

/// Squared Mahalanobis distance below which a start is taken to lead to a maximum that is known.
const NEAR: f64 = 1.0;

/// Nodes that may be added at each end.
const EXTENSIONS: usize = 24;

/// Starts of every node of the first grid, from the prior, for so few coordinates; where the first few find nothing, there is
/// nothing to slice.
const STARTS: usize = 6;
const ENOUGH: usize = 3;
const FEW: usize = 8;

/// Nats below the best slice of a node at which a maximum is dropped.
const LEAST: f64 = 20.0;

/// The narrowest interval, in steps of the first grid.
const NARROWEST: f64 = 1e-6;

/// Rounds in which the unit of the first coordinate is found.
const UNITS: usize = 3;

/// Slices need Hessians at every node: coordinates up to which that is quick.
const MOST_SLICED: usize = 24;

/// The others maximised given the first coordinate.
#[derive(Clone, Debug)]
struct Fibre {
    /// The first coordinate.
    at: f64,
    /// The maximum over the others.
    rest: Mode,
    /// How it moves with the first coordinate.
    slope: Vec<f64>,
    /// ln of the Laplace evidence of the others: the profile, with its gradient and negative second derivative (of the maximum
    /// alone).
    profile: f64,
    gradient: f64,
    curvature: f64,
}

impl Fibre {
    /// What it says of the profile elsewhere.
    fn predict(&self, at: f64) -> f64 {
        let d = at - self.at;
        self.profile + self.gradient * d - 0.5 * self.curvature * d * d
    }

    /// What rises without end is no density: the profile of an end of the line, made to fall.
    fn falling(&self, low: f64, high: f64, width: f64) -> Self {
        let rises = (high == f64::INFINITY && self.predict(self.at + width) >= self.profile)
            || (low == f64::NEG_INFINITY && self.predict(self.at - width) >= self.profile);
        let mut fibre = self.clone();
        if rises {
            (fibre.gradient, fibre.curvature) = (0.0, width.powi(-2));
        }
        fibre
    }

    /// The normal approximation of the interval `piece` around it.
    fn component(&self, path: &AnchorPath<'_>, index: usize, piece: (f64, f64), width: f64) -> AnchorMode {
        let n = self.rest.location.len() + 1;
        // No wider than shows within the interval, also where there is no curvature.
        let curvature = self.curvature.max((4.0 * width).powi(-2));
        let scale = curvature.powf(-0.5);
        let shift = self.gradient / curvature;
        let mut location = vec![self.at + shift];
        location.extend(self.rest.location.iter().zip(&self.slope).map(|(x, slope)| x + slope * shift));
        let mut factor = vec![0.0; n * n];
        factor[0] = scale;
        for i in 1..n {
            factor[i * n] = self.slope[i - 1] * scale;
            for j in 1..=i {
                factor[i * n + j] = self.rest.factor[(i - 1) * (n - 1) + j - 1];
            }
        }
        let log_density = self.rest.log_density + 0.5 * curvature * shift * shift;
        let mut pieces = path.pieces.clone();
        pieces[0] = piece;
        AnchorMode {
            path: index,
            mode: Mode { location, log_density, factor },
            pieces,
            log_evidence: f64::NEG_INFINITY,
        }
    }
}

/// A place of the grid.
struct Node {
    at: f64,
    fibres: Vec<Fibre>,
}

impl Node {
    fn best(&self) -> f64 {
        self.fibres.iter().map(|f| f.profile).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Adds a maximum that it has not yet.
    fn add(&mut self, fibre: Fibre) {
        if self.fibres.iter().all(|f| f.rest.distance(&fibre.rest.location) > SAME) {
            self.fibres.push(fibre);
        }
    }
}

/// What draws are made of.
#[derive(Debug)]
pub(in crate::infer) struct Components(Vec<AnchorMode>);

impl Anchors<'_> {
    /// Makes draws of slices of every path in place of its modes, until a mode is added. Gives what they were made of before;
    /// `None` where there is nothing to slice, or no time for it.
    pub(in crate::infer) fn slice(&mut self, prior: &PriorDraws) -> Option<Components> {
        let mut components: Vec<AnchorMode> = Vec::new();
        let mut any = false;
        for index in 0..self.paths.len() {
            if self.deadline.has_passed() {
                return None;
            }
            let slices = self.slices_of(index, prior);
            any |= !slices.is_empty();
            if slices.is_empty() {
                let own = |component: &&AnchorMode| component.path == index;
                components.extend(self.modes.iter().chain(&self.elsewhere).filter(own).cloned());
            } else {
                components.extend(slices);
            }
        }
        settle(&mut components);
        for (index, path) in self.paths.iter().enumerate() {
            if let Some(whole) = path.pieces.first() {
                close_gaps(&mut components, index, *whole);
            }
        }
        let sliced = any && !components.is_empty();
        sliced.then(|| self.exchange(Components(components)))
    }

    /// Slices of a path; none where it has no coordinate, or too many.
    pub(super) fn slices_of(&self, index: usize, prior: &PriorDraws) -> Vec<AnchorMode> {
        let path = &self.paths[index];
        let modes: Vec<&AnchorMode> = self.modes.iter().filter(|m| m.path == index).collect();
        let few = (1..=MOST_SLICED).contains(&path.coordinates.len());
        if few { slices(path, index, &modes, prior) } else { Vec::new() }
    }

    /// Makes draws of other components, and gives those of before.
    pub(in crate::infer) fn exchange(&mut self, mut other: Components) -> Components {
        std::mem::swap(&mut self.components, &mut other.0);
        other
    }
}

/// Widens intervals so that those of a path leave no gap where one was dropped.
pub(super) fn close_gaps(components: &mut [AnchorMode], path: usize, whole: (f64, f64)) {
    let own = |c: &AnchorMode| c.path == path;
    let mut ends: Vec<(f64, f64)> = components.iter().filter(|c| own(c)).map(|c| c.pieces[0]).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    ends.dedup();
    let count = ends.len();
    for (i, (low, high)) in ends.clone().into_iter().enumerate() {
        let new_low = if i == 0 { whole.0 } else { low };
        let new_high = if i + 1 == count { whole.1 } else { ends[i + 1].0 };
        for component in components.iter_mut().filter(|c| own(c) && c.pieces[0] == (low, high)) {
            component.pieces[0] = (new_low, new_high.max(high));
        }
    }
}

/// Slices of one path.
fn slices(path: &AnchorPath<'_>, index: usize, modes: &[&AnchorMode], prior: &PriorDraws) -> Vec<AnchorMode> {
    let n = path.coordinates.len();
    let mut evaluator = path.density.on_tape();
    let mut derivatives = Derivatives::new(&mut evaluator, n);
    let scales = path.local(&prior.scales);
    let middle = path.local(&prior.middle)[0];
    let ends = modes.iter().map(|m| (m.mode.location[0], MODE_SCALES * m.mode.marginal_scale(0)));
    let (low, high) = ends
        .chain([(middle, PRIOR_SCALES * scales[0])])
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (at, reach)| (l.min(at - reach), h.max(at + reach)));
    let (low, high) = (low.max(path.pieces[0].0), high.min(path.pieces[0].1));
    if !(low.is_finite() && high.is_finite() && low < high) {
        return Vec::new();
    }
    let step = (high - low) / FIRST as f64;
    let mut places: Vec<f64> = (0..FIRST).map(|i| low + (i as f64 + 0.5) * step).collect();
    // The modes themselves, where they are apart by more than rounding.
    places.extend(modes.iter().map(|m| m.mode.location[0]).filter(|at| *at > low && *at < high));
    places.sort_by(f64::total_cmp);
    places.dedup_by(|a, b| (*a - *b).abs() < 1e-9 * step);
    let mut nodes: Vec<Node> = places.into_iter().map(|at| Node { at, fibres: Vec::new() }).collect();
    let mut marcher = Marcher { derivatives: &mut derivatives, scales };
    for mode in modes {
        marcher.start_at_mode(&mut nodes, &mode.mode);
    }
    if n <= FEW {
        let starts = prior.draws.iter().take(STARTS).map(|draw| path.local(&prior.filled(draw)));
        for (i, start) in [path.local(&prior.middle)].into_iter().chain(starts).enumerate() {
            for node in &mut nodes {
                if let Some(found) = marcher.fibre(node.at, &start[1..]) {
                    node.add(found);
                }
            }
            if i + 1 == ENOUGH && nodes.iter().all(|node| node.fibres.is_empty()) {
                return Vec::new();
            }
        }
    }
    marcher.sweep(&mut nodes);
    marcher.extend(&mut nodes, path.pieces[0], step);
    while nodes.len() < MOST {
        let best = nodes.iter().map(Node::best).fold(f64::NEG_INFINITY, f64::max);
        let wanted: Vec<f64> = nodes
            .windows(2)
            .filter(|pair| pair[1].at - pair[0].at > NARROWEST * step && mismatch(&pair[0], &pair[1], best - DEEP))
            .map(|pair| 0.5 * (pair[0].at + pair[1].at))
            .take(MOST - nodes.len())
            .collect();
        if wanted.is_empty() || best == f64::NEG_INFINITY {
            break;
        }
        for at in wanted {
            let place = nodes.partition_point(|node| node.at < at);
            let mut node = Node { at, fibres: Vec::new() };
            for neighbour in &nodes[place.saturating_sub(1)..(place + 1).min(nodes.len())] {
                for fibre in &neighbour.fibres {
                    if let Some(found) = marcher.fibre(at, &moved(fibre, at)) {
                        node.add(found);
                    }
                }
            }
            nodes.insert(place, node);
        }
    }
    nodes.retain(|node| node.best() > f64::NEG_INFINITY);
    let mut slices = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let low = if i == 0 { path.pieces[0].0 } else { 0.5 * (nodes[i - 1].at + node.at) };
        let high = nodes.get(i + 1).map_or(path.pieces[0].1, |next| 0.5 * (node.at + next.at));
        let width = match (low.is_finite(), high.is_finite()) {
            (true, true) => high - low,
            (true, false) => 2.0 * (node.at - low),
            (false, true) => 2.0 * (high - node.at),
            (false, false) => step,
        };
        let best = node.best();
        let fibres = node.fibres.iter().filter(|f| f.profile > best - LEAST);
        slices.extend(fibres.map(|f| f.falling(low, high, width).component(path, index, (low, high), width)));
    }
    slices
}

/// The others at another place of the first coordinate.
fn moved(fibre: &Fibre, at: f64) -> Vec<f64> {
    let d = at - fibre.at;
    fibre.rest.location.iter().zip(&fibre.slope).map(|(x, slope)| x + slope * d).collect()
}

/// Whether two neighbours disagree of the place between them, and it may be above `least`.
fn mismatch(left: &Node, right: &Node, least: f64) -> bool {
    let at = 0.5 * (left.at + right.at);
    let predict = |node: &Node| {
        let predictions: Vec<f64> = node.fibres.iter().map(|f| f.predict(at)).collect();
        crate::dist::log_sum_exp(&predictions)
    };
    let highest = left.best().max(right.best());
    let (left, right) = (predict(left), predict(right));
    // One that has no maximum says nothing.
    highest.max(left.min(right)) > least && ((left - right).abs() > MISMATCH || !left.is_finite() || !right.is_finite())
}

struct Marcher<'d, 'e> {
    derivatives: &'d mut Derivatives<'e>,
    scales: Vec<f64>,
}

impl Marcher<'_, '_> {
    /// Gives the nodes on both sides of a mode what it says of the others there.
    fn start_at_mode(&mut self, nodes: &mut [Node], mode: &Mode) {
        let n = mode.location.len();
        let above = nodes.partition_point(|node| node.at < mode.location[0]);
        let beside = above.saturating_sub(1)..(above + 1).min(nodes.len());
        for node in &mut nodes[beside] {
            let standardised = (node.at - mode.location[0]) / mode.factor[0];
            let start: Vec<f64> = (1..n).map(|i| mode.location[i] + mode.factor[i * n] * standardised).collect();
            if let Some(found) = self.fibre(node.at, &start) {
                node.add(found);
            }
        }
    }

    /// Follows every maximum from node to node, upwards and then downwards, as long as there is one.
    fn sweep(&mut self, nodes: &mut [Node]) {
        for place in 1..nodes.len() {
            self.follow(nodes, place - 1, place);
        }
        for place in (1..nodes.len()).rev() {
            self.follow(nodes, place, place - 1);
        }
    }

    /// Adds nodes beyond both ends as long as the profile does not fall there, or is not yet low.
    fn extend(&mut self, nodes: &mut Vec<Node>, piece: (f64, f64), step: f64) {
        for upwards in [false, true] {
            let mut step = step;
            for _ in 0..EXTENSIONS {
                let best = nodes.iter().map(Node::best).fold(f64::NEG_INFINITY, f64::max);
                let Some(end) = (if upwards { nodes.last() } else { nodes.first() }) else { return };
                let outwards = |f: &Fibre| if upwards { f.gradient } else { -f.gradient };
                let open = end.fibres.iter().any(|f| f.profile > best - 2.0 * DEEP || outwards(f) > 0.0);
                let at = if upwards { end.at + step } else { end.at - step };
                if !open || at <= piece.0 || at >= piece.1 {
                    break;
                }
                let node = Node { at, fibres: Vec::new() };
                let places = if upwards {
                    nodes.push(node);
                    (nodes.len() - 2, nodes.len() - 1)
                } else {
                    nodes.insert(0, node);
                    (1, 0)
                };
                self.follow(nodes, places.0, places.1);
                step *= 1.2;
            }
        }
    }

    fn follow(&mut self, nodes: &mut [Node], from: usize, to: usize) {
        let at = nodes[to].at;
        let starts: Vec<Vec<f64>> = nodes[from].fibres.iter().map(|fibre| moved(fibre, at)).collect();
        for start in starts {
            if nodes[to].fibres.iter().any(|f| f.rest.distance(&start) < NEAR) {
                continue;
            }
            if let Some(found) = self.fibre(at, &start) {
                nodes[to].add(found);
            }
        }
    }

    /// The maximum that a climb of the others leads to, with derivatives of the profile.
    fn fibre(&mut self, at: f64, start: &[f64]) -> Option<Fibre> {
        let n = start.len() + 1;
        let mut z = vec![at];
        z.extend_from_slice(start);
        let mut scales = self.scales.clone();
        let rest = maximise(self.derivatives, &z, 1, &mut scales)?;
        z[1..].copy_from_slice(&rest.location);
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        self.derivatives.gradient(&z, 0, &mut gradient);
        // Steps of differences along the first coordinate, no longer than the density is wide with the others held.
        for _ in 0..UNITS {
            if !self.derivatives.negative_hessian(&z, 0, &scales, &mut hessian) {
                return None;
            }
            let width = hessian[0].abs().powf(-0.5);
            if width.is_nan() || width > 0.5 * scales[0] {
                break;
            }
            scales[0] = width;
        }
        let cross: Vec<f64> = (1..n).map(|i| hessian[i * n]).collect();
        let mut slope = vec![0.0; n - 1];
        newton_step(&rest.factor, n - 1, &cross, &mut slope);
        slope.iter_mut().for_each(|s| *s = -*s);
        let curvature = hessian[0] + cross.iter().zip(&slope).map(|(h, s)| h * s).sum::<f64>();
        let profile = rest.log_density + log_volume(&rest.factor, n - 1);
        let finite = profile.is_finite() && gradient[0].is_finite() && curvature.is_finite();
        finite.then(|| Fibre { at, slope, profile, gradient: gradient[0], curvature, rest })
    }
}
