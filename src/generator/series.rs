//! Series: change points, autoregressions, walks.

use super::names::Kind;
use super::sketch::{Link, Sketch};
use super::term::Term;

/// A level or rate that changes at an unknown time, at once or smoothly.
pub(super) fn change_point(s: &mut Sketch) {
    let (n, i, y) = (s.int(4, 12), s.index(&[]), s.name(Kind::Data));
    let rates = s.chance(0.25);
    let (before, after) =
        if rates { (s.positive(Kind::Latent), s.positive(Kind::Latent)) } else { (s.real(), s.real()) };
    let mean = if s.chance(0.6) && s.room(n - 1) {
        let at = s.sample(Kind::Choice, format!("discrete_uniform(1, {})", n - 1), n as f64);
        format!("if {i} < {at} then {before} else {after}")
    } else {
        let (at, speed) = (s.sample(Kind::Latent, format!("uniform(0, {n})"), n as f64), s.number(1.0, 6.0));
        format!("{before} + ({after} - {before}) * sigmoid({speed} * ({i} - {at}))")
    };
    let distribution = if rates {
        format!("poisson({mean})")
    } else {
        let scale = s.scale();
        s.around(&Term::new(mean, before.size.max(after.size)), &scale).0
    };
    s.plate(i, n, &[format!("observe {y}[{i}] ~ {distribution};")]);
}

/// An autoregression of what is seen, or of something hidden behind it.
pub(super) fn autoregression(s: &mut Sketch) {
    let (n, t, u) = (s.int(3, 10), s.index(&[]), s.index(&[]));
    let lag = s.pick(["uniform(-1, 1)", "uniform(0, 1)", "normal(0.5, 0.3)", "beta(5, 2)"]);
    let (lag, level, scale) = (s.sample(Kind::Share, lag, 0.7), s.real(), s.scale());
    let hidden = s.chance(0.3);
    let (role, x) = if hidden { ("sample", s.name(Kind::Latent)) } else { ("observe", s.name(Kind::Data)) };
    s.push(format!("{role} {x}[0] ~ normal({level}, {scale});"));
    let mean = s.pick([
        format!("{level} + {lag} * ({x}[{t} - 1] - {level})"),
        format!("{lag} * {x}[{t} - 1] + (1 - {lag}) * {level}"),
    ]);
    s.repeat("for", t, 1, n, &[format!("{role} {x}[{t}] ~ normal({mean}, {scale});")]);
    if hidden {
        let (y, noise) = (s.name(Kind::Data), s.known_scale());
        let distribution = s.around(&Term::new(format!("{x}[{u}]"), level.size), &noise).0;
        s.plate(u, n, &[format!("observe {y}[{u}] ~ {distribution};")]);
    }
}

/// A hidden level that walks, sometimes with a drift, seen with noise or as counts.
pub(super) fn walk(s: &mut Sketch) {
    let (mut n, t, u) = (s.length(3, 9, 20), s.index(&[]), s.index(&[]));
    // Sometimes only each so-manieth value is seen.
    let every = s.pick([1, 1, 1, 1, 2, 3, 4]);
    if every > 1 {
        n = 1 + every * s.int(1, 30 / every);
    }
    let at = if every > 1 { format!("{every} * {u}") } else { u.to_owned() };
    let (x, y) = (s.name(Kind::Latent), s.name(Kind::Data));
    let link = s.pick([Link::Identity, Link::Identity, Link::Identity, Link::Log, Link::Logit]);
    let (start, step) =
        if link == Link::Identity { (s.location(), s.scale()) } else { (s.number(-0.5, 1.5), s.number(0.1, 0.5)) };
    let start = s.near(start);
    let wide = if link == Link::Identity { s.known_scale() } else { s.number(0.3, 1.0) };
    let drift = if link == Link::Identity && s.chance(0.3) {
        let width = s.number(0.2, 1.5);
        format!(" + {}", s.sample_real(format!("normal(0, {width})"), width.size))
    } else {
        String::new()
    };
    s.push(format!("sample {x}[0] ~ normal({start}, {wide});"));
    s.repeat("for", t, 1, n, &[format!("sample {x}[{t}] ~ normal({x}[{t} - 1]{drift}, {step});")]);
    let noise = if link == Link::Identity { s.scale() } else { Term::new("1", 1.0) };
    s.offer(Term::new(format!("{x}[{}]", n - 1), 4.0));
    let seen = s.predictor(link, Term::new(format!("{x}[{at}]"), 2.0));
    let distribution = s.likelihood(link, &seen, &noise);
    s.plate(u, 1 + (n - 1) / every, &[format!("observe {y}[{u}] ~ {distribution};")]);
}

/// A scale that walks: stochastic volatility.
pub(super) fn volatility(s: &mut Sketch) {
    let (n, t, u) = (s.length(3, 9, 14), s.index(&[]), s.index(&[]));
    let (h, y) = (s.name(Kind::Latent), s.name(Kind::Data));
    let (level, step) = (s.number(-1.0, 1.0), s.number(0.2, 0.6));
    let level = s.near(level);
    let level = if s.chance(0.5) { level } else { s.sample(Kind::Latent, format!("normal({level}, 1)"), 1.5) };
    s.exponent(&level);
    let wide = s.number(0.3, 1.0);
    s.push(format!("sample {h}[0] ~ normal({level}, {wide});"));
    s.offer(Term::new(format!("{h}[{}]", n - 1), 2.0));
    let mean = if level.is_negative() || s.chance(0.5) {
        format!("{h}[{t} - 1]")
    } else {
        let stay = s.pick(["0.8", "0.9", "0.95"]);
        format!("{level} + {stay} * ({h}[{t} - 1] - {level})")
    };
    s.repeat("for", t, 1, n, &[format!("sample {h}[{t}] ~ normal({mean}, {step});")]);
    s.plate(u, n, &[format!("observe {y}[{u}] ~ normal(0, exp({h}[{u}] / 2));")]);
}
