//! Chains, graphs, regressions, hierarchies.

use super::names::Kind;
use super::sketch::{Link, Sketch};
use super::term::{Term, sum};

/// Each node around an affine function of the last, and sometimes of one before it.
pub(super) fn chain(s: &mut Sketch) {
    let mut nodes = vec![s.real()];
    for _ in 1..s.length(2, 6, 30) {
        let mut parents = vec![nodes[nodes.len() - 1].clone()];
        if nodes.len() > 1 && s.chance(0.35) {
            parents.push(s.one(&nodes[..nodes.len() - 1]).clone());
        }
        let node = node(s, &parents);
        nodes.push(node);
    }
    watch(s, &nodes);
}

/// A tree or a directed graph: each node around a sum of affine functions of up to two nodes before it.
pub(super) fn graph(s: &mut Sketch) {
    let (n, most) = (s.length(3, 8, 30), s.int(1, 2));
    let mut nodes = vec![s.real()];
    let mut is_root = false;
    while nodes.len() < n {
        // A root other than the first has a child, of another parent too.
        let first = if is_root { nodes.len() - 1 } else { s.int(0, nodes.len() - 1) };
        let mut parents = vec![nodes[first].clone()];
        if most == 2 && nodes.len() > 1 && (is_root || s.chance(0.6)) {
            let step = s.int(1, nodes.len() - 1);
            parents.push(nodes[(first + step) % nodes.len()].clone());
        }
        is_root = most == 2 && !is_root && nodes.len() + 1 < n && s.chance(0.15);
        let node = if is_root { s.real() } else { node(s, &parents) };
        nodes.push(node);
    }
    watch(s, &nodes);
}

/// A latent around a combination of others: a real one, seldom the logarithm of a positive one.
fn node(s: &mut Sketch, parents: &[Term]) -> Term {
    if s.chance(0.12) {
        // Its values have heavy tails: what reads them should expect them large.
        let (mean, width) = (s.exponent(&sum(parents)), s.number(0.2, 0.8));
        return s.sample_real(format!("lognormal({mean}, {width})"), (2.5 * mean.size.hypot(width.size)).exp());
    }
    let mean = s.combination(parents);
    let (mean, scale) = (s.define(mean), s.scale());
    let (distribution, size) = s.around(&mean, &scale);
    s.sample_real(distribution, size)
}

/// Observes the last node, and some of the others.
fn watch(s: &mut Sketch, nodes: &[Term]) {
    for (i, node) in nodes.iter().enumerate() {
        if i + 1 == nodes.len() || s.chance(0.3) {
            let mean = s.affine(node);
            if s.chance(0.8) { s.observe(&mean) } else { s.observe_any(&mean) }
        }
    }
}

/// One to five covariates, two to twenty observations.
pub(super) fn regression(s: &mut Sketch) {
    let (k, link, i) = (s.int(1, 5), s.link(), s.index(&[]));
    let n = s.int(2, 20).min(400 / (13 + 5 * k));
    let coefficient = |s: &mut Sketch| {
        if link == Link::Identity && s.chance(0.6) {
            return s.real();
        }
        let (m, w) = (s.pick(["0", "0", "0.5", "-0.3"]), s.number(0.3, if link == Link::Identity { 5.0 } else { 1.2 }));
        s.sample_real(format!("normal({m}, {w})"), w.size)
    };
    let (mut terms, mut body) = (vec![coefficient(s)], Vec::new());
    let given = n <= 5 && k <= 2 && s.chance(0.5);
    for covariate in 0..k {
        let b = coefficient(s);
        let x = if given {
            let x = s.name(Kind::Input);
            body.push(format!("given {x}[{i}] ~ normal(0, 1);"));
            Term::new(x, 1.0)
        } else if covariate == 0 && s.chance(0.3) {
            s.known(n, 0.0, 10.0)
        } else {
            s.known(n, -2.0, 2.0)
        };
        terms.push(Term::new(format!("{b} * {}", x.at(i)), b.size * x.size));
    }
    let scale = if matches!(link, Link::Identity) { s.scale() } else { Term::new("1", 1.0) };
    let predictor = s.predictor(link, sum(&terms));
    let distribution = s.likelihood(link, &predictor, &scale);
    let y = s.name(Kind::Data);
    body.push(format!("observe {y}[{i}] ~ {distribution};"));
    s.plate(i, n, &body);
}

/// Groups around a common level, with unknown spread; centred or not.
pub(super) fn hierarchy(s: &mut Sketch) {
    let (groups, i, link) = (s.length(2, 8, 20), s.index(&[]), s.link());
    let (level, spread) = (s.real(), s.positive(Kind::Scale));
    let (member, y) = (s.name(Kind::Latent), s.name(Kind::Data));
    let size = level.size.hypot(spread.size);
    let mut body = Vec::new();
    let mean = if s.chance(0.5) {
        let distribution = if s.chance(0.85) { "normal(" } else { "student_t(4, " };
        body.push(format!("sample {member}[{i}] ~ {distribution}{level}, {spread});"));
        Term::new(format!("{member}[{i}]"), size)
    } else {
        body.push(format!("sample {member}[{i}] ~ normal(0, 1);"));
        let mean = format!("{level} + {spread} * {member}[{i}]");
        if s.chance(0.5) {
            let effect = s.name(Kind::Value);
            body.push(format!("let {effect}[{i}] = {mean};"));
            Term::new(format!("{effect}[{i}]"), size)
        } else {
            Term::new(mean, size)
        }
    };
    let scale = if link != Link::Identity {
        Term::new("1", 1.0)
    } else if s.chance(0.4) {
        s.known(groups, 0.5, 4.0).at(i)
    } else {
        s.scale()
    };
    let predictor = s.predictor(link, mean);
    let distribution = s.likelihood(link, &predictor, &scale);
    s.offer(Term::new(format!("{member}[{}]", groups - 1), size));
    let (j, members) = (s.index(&[i]), s.int(2, 4));
    if groups * members <= 12 && s.chance(0.4) {
        body.push(format!("plate {j} in 0..{members} {{ observe {y}[{i}, {j}] ~ {distribution}; }}"));
        return s.plate_of_plates(i, groups, &body, members);
    }
    body.push(format!("observe {y}[{i}] ~ {distribution};"));
    s.plate(i, groups, &body);
}

/// Rows and columns with an effect each, and what is seen of each pair.
pub(super) fn crossed(s: &mut Sketch) {
    let rows = s.int(2, 8);
    let columns = s.int(2, 5).min(20 / rows);
    let (i, j) = (s.pick(["i", "k"]), s.pick(["j", "t"]));
    let link = s.pick([Link::Logit, Link::Logit, Link::Identity, Link::Log]);
    let width = if s.chance(0.4) { s.positive(Kind::Scale) } else { Term::new("1", 1.0) };
    let (row, column, y) = (s.name(Kind::Latent), s.name(Kind::Latent), s.name(Kind::Data));
    let location = s.pick(["0", "0", "0.5", "-0.5"]);
    let location = s.near(Term::new(location, 0.5));
    s.plate(i, rows, &[format!("sample {row}[{i}] ~ normal(0, {width});")]);
    s.plate(j, columns, &[format!("sample {column}[{j}] ~ normal({location}, 1);")]);
    s.offer(Term::new(format!("{row}[{}]", rows - 1), 1.0));
    let sign = s.pick(["-", "-", "+"]);
    let predictor = Term::new(format!("{row}[{i}] {sign} {column}[{j}]"), 1.4);
    let scale = if link == Link::Identity { s.scale() } else { Term::new("1", 1.0) };
    let distribution = s.likelihood(link, &predictor, &scale);
    let body = [format!("plate {j} in 0..{columns} {{ observe {y}[{i}, {j}] ~ {distribution}; }}")];
    s.plate_of_plates(i, rows, &body, columns);
}

/// A scale whose logarithm is unknown, and what it is the scale of.
pub(super) fn funnel(s: &mut Sketch) {
    let (v, w) = (s.number(-1.0, 1.0), s.number(0.5, 2.0));
    let v = if s.chance(0.3) { s.near(v) } else { v };
    let log_scale = s.sample(Kind::Latent, format!("normal({v}, {w})"), 2.0);
    s.exponent(&log_scale);
    s.offer(log_scale.clone());
    let (i, n, x, y) = (s.index(&[]), s.int(1, 12), s.name(Kind::Latent), s.name(Kind::Data));
    let (exponent, centre) = (s.pick(["", " / 2"]), s.location());
    let one = n == 1;
    let element = if one { x.clone() } else { format!("{x}[{i}]") };
    let (mean, noise) = (s.affine(&Term::new(&element, 5.0)), s.known_scale());
    let distribution = s.around(&mean, &noise).0;
    let seen = if one { y } else { format!("{y}[{i}]") };
    let body = [
        format!("sample {element} ~ normal({centre}, exp({log_scale}{exponent}));"),
        format!("observe {seen} ~ {distribution};"),
    ];
    if one { body.iter().for_each(|line| s.push(line)) } else { s.plate(i, n, &body) }
}
