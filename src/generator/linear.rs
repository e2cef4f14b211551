//! Chains, trees, regressions and hierarchies.

use super::sketch::{Link, Sketch, Sort};

/// Each node around an affine function of the last, and sometimes of one before it.
pub(super) fn chain(s: &mut Sketch) {
    let n = s.int(2, 6);
    let mut nodes: Vec<String> = vec![s.real()];
    for _ in 1..n {
        let last = nodes[nodes.len() - 1].clone();
        let mut mean = s.affine(&last);
        if nodes.len() > 1 && s.chance(0.35) {
            let other = s.int(0, nodes.len() - 2);
            mean = format!("{mean} + {}", s.affine(&nodes[other].clone()));
        }
        let mean = s.define(mean);
        let scale = s.scale();
        let distribution = s.around(&mean, &scale);
        let node = s.sample(distribution);
        s.remember(&node);
        nodes.push(node);
    }
    watch(s, &nodes);
}

/// A directed graph: each node around a sum of affine functions of up to two nodes before it.
pub(super) fn graph(s: &mut Sketch) {
    let n = s.int(3, 8);
    let mut nodes: Vec<String> = Vec::new();
    for i in 0..n {
        let parents = if i == 0 { 0 } else { s.int(1, 2).min(i) };
        if parents == 0 || s.chance(0.15) {
            nodes.push(s.real());
            continue;
        }
        let terms: Vec<String> = (0..parents)
            .map(|_| {
                let parent = nodes[s.int(0, i - 1)].clone();
                s.affine(&parent)
            })
            .collect();
        let mean = s.define(terms.join(" + "));
        let scale = s.known_scale();
        let distribution = s.around(&mean, &scale);
        let node = s.sample(distribution);
        s.remember(&node);
        nodes.push(node);
    }
    watch(s, &nodes);
}

/// Observes the last node, and some of the others.
fn watch(s: &mut Sketch, nodes: &[String]) {
    for (i, node) in nodes.iter().enumerate() {
        if i + 1 == nodes.len() || s.chance(0.25) {
            let mean = s.affine(node);
            s.observe(&mean);
        }
    }
}

/// One to five covariates, two to twenty observations.
pub(super) fn regression(s: &mut Sketch) {
    let (k, n, link) = (s.int(1, 5), s.int(2, 20), s.link());
    let small = link != Link::Identity;
    let i = s.index();
    let coefficient = |s: &mut Sketch| {
        let (m, w) = (s.number(-0.5, 0.5), s.number(0.3, 1.2));
        if small { s.sample(format!("normal({m}, {w})")) } else { s.real() }
    };
    let mut terms = vec![coefficient(s)];
    let given = n <= 6 && s.chance(0.4);
    let mut inputs = Vec::new();
    for _ in 0..k {
        let b = coefficient(s);
        let x = s.name();
        if given {
            inputs.push(format!("given {x}[{i}] ~ normal(0, 1);"));
        } else {
            let values = s.numbers(n, -2.0, 2.0);
            s.push(format!("let {x} = {values};"));
        }
        terms.push(format!("{b} * {x}[{i}]"));
    }
    let scale = s.scale();
    let distribution = s.likelihood(link, &terms.join(" + "), &scale);
    let y = s.name();
    s.push(format!("plate {i} in 0..{n} {{ {} observe {y}[{i}] ~ {distribution}; }}", inputs.join(" ")));
}

/// Groups around a common level, with unknown spread.
pub(super) fn hierarchy(s: &mut Sketch) {
    let (groups, i) = (s.int(2, 8), s.index());
    let (level, spread) = (s.real(), s.latent(Sort::Positive));
    let (member, y) = (s.name(), s.name());
    let link = s.link();
    let widths = s.name();
    let values = s.numbers(groups, 0.5, 4.0);
    s.push(format!("let {widths} = {values};"));
    let scale = if s.chance(0.6) { format!("{widths}[{i}]") } else { s.scale() };
    let (statement, predictor) = if s.chance(0.5) {
        (format!("sample {member}[{i}] ~ normal({level}, {spread});"), format!("{member}[{i}]"))
    } else {
        (format!("sample {member}[{i}] ~ normal(0, 1);"), format!("{level} + {spread} * {member}[{i}]"))
    };
    let predictor = if link == Link::Identity { predictor } else { format!("0.3 * ({predictor})") };
    let distribution = s.likelihood(link, &predictor, &scale);
    s.push(format!("plate {i} in 0..{groups} {{ {statement} observe {y}[{i}] ~ {distribution}; }}"));
}

/// A scale whose logarithm is unknown, and what it is the scale of.
pub(super) fn funnel(s: &mut Sketch) {
    let (v, w) = (s.number(-1.0, 1.0), s.number(0.5, 2.0));
    let log_scale = s.sample(format!("normal({v}, {w})"));
    let (i, n, x, y) = (s.index(), s.int(1, 8), s.name(), s.name());
    let divisor = s.pick(&["", " / 2"], "");
    let noise = s.known_scale();
    let mean = s.affine(&format!("{x}[{i}]"));
    let distribution = s.around(&mean, &noise);
    s.push(format!(
        "plate {i} in 0..{n} {{ sample {x}[{i}] ~ normal(0, exp({log_scale}{divisor})); observe {y}[{i}] ~ {distribution}; }}"
    ));
}
