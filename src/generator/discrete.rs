//! Mixtures, branches, networks of discrete variables, and series.

use super::sketch::Sketch;

/// Two or three clusters, their members assigned or not.
pub(super) fn mixture(s: &mut Sketch) {
    let (k, i, y) = (s.int(2, 3), s.index(), s.name());
    let scale = s.scale();
    let width = s.number(3.0, 10.0);
    let centre = s.name();
    let ordered = s.chance(0.4);
    if ordered {
        s.push(format!("sample {centre} ~ ordered(normal(0, {width}), {k});"));
    } else {
        let j = s.index();
        s.push(format!("plate {j} in 0..{k} {{ sample {centre}[{j}] ~ normal(0, {width}); }}"));
    }
    let n = s.int(2, 5);
    if s.chance(0.5) && s.room(k.pow(n as u32)) {
        let member = s.name();
        let weights = if k == 2 { "[0.5, 0.5]" } else { "[0.4, 0.3, 0.3]" };
        s.push(format!(
            "plate {i} in 0..{n} {{ sample {member}[{i}] ~ categorical({weights});
            observe {y}[{i}] ~ normal({centre}[{member}[{i}]], {scale}); }}"
        ));
        return;
    }
    let weight = s.name();
    let ones = vec!["1.0"; k].join(", ");
    s.push(format!("sample {weight} ~ dirichlet([{ones}]);"));
    let parts: Vec<String> = (0..k).map(|c| format!("normal({centre}[{c}], {scale})")).collect();
    let n = s.int(3, 10);
    s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ mixture({weight}, [{}]); }}", parts.join(", ")));
}

/// Which latent is seen depends on another one.
pub(super) fn branch(s: &mut Sketch) {
    let (a, b) = (s.real(), s.real());
    let condition = if s.chance(0.6) {
        let t = s.real();
        format!("{t} > {}", s.number(-2.0, 2.0))
    } else {
        let p = s.number(0.2, 0.8);
        s.sample(format!("bernoulli({p})"))
    };
    if !s.room(2) {
        return s.observe(&a);
    }
    if s.chance(0.5) {
        let mean = if s.chance(0.3) && s.room(2) {
            let (c, u) = (s.real(), s.real());
            format!("if {condition} then {a} else if {u} > {} then {b} else {c}", s.number(-2.0, 2.0))
        } else {
            format!("if {condition} then {a} else {b}")
        };
        let name = s.name();
        s.push(format!("let {name} = {mean};"));
        s.observe(&name);
        return;
    }
    let (y, m, w) = (s.name(), s.affine(&a), s.known_scale());
    let (other, v) = (s.affine(&b), s.known_scale());
    let (left, right) = (s.around(&m, &w), s.around(&other, &v));
    s.push(format!("if {condition} {{ observe {y} ~ {left}; }} else {{ observe {y} ~ {right}; }}"));
}

/// Causes, and effects that may have several: a noisy or.
pub(super) fn network(s: &mut Sketch) {
    let n = s.int(2, 5);
    if !s.room(1 << n) {
        return branch(s);
    }
    let causes: Vec<String> = (0..n)
        .map(|_| {
            let p = s.number(0.05, 0.6);
            s.sample(format!("bernoulli({p})"))
        })
        .collect();
    for _ in 0..s.int(1, 3) {
        let mut absent = vec![format!("{}", s.number(0.7, 0.99))];
        for cause in &causes {
            if s.chance(0.7) {
                absent.push(format!("(1 - {} * {cause})", s.number(0.3, 0.95)));
            }
        }
        let effect = s.name();
        s.push(format!("observe {effect} ~ bernoulli(1 - {});", absent.join(" * ")));
    }
}

/// A chain of hidden states, each seen through something noisy.
pub(super) fn hidden_chain(s: &mut Sketch) {
    let n = s.int(2, 5);
    if !s.room(1 << n) {
        return mixture(s);
    }
    let (stay, start) = (s.number(0.6, 0.95), s.number(0.3, 0.7));
    let (low, high) = (s.real(), s.real());
    let scale = s.known_scale();
    let mut last: Option<String> = None;
    for _ in 0..n {
        let p = last.map_or_else(|| start.clone(), |last| format!("if {last} then {stay} else 1 - {stay}"));
        let state = s.sample(format!("bernoulli({p})"));
        let name = s.name();
        s.push(format!("observe {name} ~ normal(if {state} then {high} else {low}, {scale});"));
        last = Some(state);
    }
}

/// A level that changes at an unknown time, at once or smoothly.
pub(super) fn change_point(s: &mut Sketch) {
    let (n, i, y) = (s.int(4, 12), s.index(), s.name());
    let (before, after) = (s.real(), s.real());
    let scale = s.scale();
    let mean = if s.chance(0.6) && s.room(n - 1) {
        let at = s.sample(format!("discrete_uniform(1, {})", n - 1));
        format!("if {i} < {at} then {before} else {after}")
    } else {
        let (at, speed) = (s.sample(format!("uniform(0, {n})")), s.number(1.0, 6.0));
        format!("{before} + ({after} - {before}) * sigmoid({speed} * ({i} - {at}))")
    };
    s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ normal({mean}, {scale}); }}"));
}

/// An autoregression of what is seen.
pub(super) fn autoregression(s: &mut Sketch) {
    let (n, t, y) = (s.int(3, 12), s.index(), s.name());
    let lag = s.sample("uniform(-1, 1)");
    let (level, scale) = (s.real(), s.scale());
    s.push(format!("observe {y}[0] ~ normal({level}, {scale});"));
    s.push(format!(
        "for {t} in 1..{n} {{ observe {y}[{t}] ~ normal({level} + {lag} * ({y}[{t} - 1] - {level}), {scale}); }}"
    ));
}

/// A hidden level that walks, seen with noise; or a hidden scale that does.
pub(super) fn walk(s: &mut Sketch) {
    let (n, t, u) = (s.int(3, 10), s.index(), s.index());
    let (x, y) = (s.name(), s.name());
    let start = s.location();
    let (drift, noise) = (s.scale(), s.known_scale());
    let volatility = s.chance(0.25);
    let drift = if volatility { s.number(0.1, 0.6) } else { drift };
    let start = if volatility { "0".to_owned() } else { start };
    s.push(format!("sample {x}[0] ~ normal({start}, {noise});"));
    s.push(format!("for {t} in 1..{n} {{ sample {x}[{t}] ~ normal({x}[{t} - 1], {drift}); }}"));
    let distribution =
        if volatility { format!("normal(0, exp({x}[{u}] / 2))") } else { s.around(&format!("{x}[{u}]"), &noise) };
    s.push(format!("plate {u} in 0..{n} {{ observe {y}[{u}] ~ {distribution}; }}"));
}

/// Shares of a whole, and members that are drawn by them.
pub(super) fn shares(s: &mut Sketch) {
    let (k, n, i, y) = (s.int(2, 4), s.int(2, 10), s.index(), s.name());
    let concentration = s.numbers(k, 0.6, 4.0);
    let weight = s.sample(format!("dirichlet({concentration})"));
    s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ categorical({weight}); }}"));
    if s.chance(0.4) {
        let mean = format!("{} * {weight}[0]", s.number(2.0, 9.0));
        s.observe(&mean);
    }
}
