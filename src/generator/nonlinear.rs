//! Products, curves, counts, tails and truncation.

use super::sketch::{Link, Sketch, Sort};

/// Products, quotients, powers and absolute values of latents.
pub(super) fn product(s: &mut Sketch) {
    let (a, b) = (s.real(), s.real());
    let positive = s.positive();
    let forms = [
        format!("{a} * {b}"),
        format!("{a} ^ 2 + {b}"),
        format!("{a} * {positive}"),
        format!("{a} / {positive}"),
        format!("abs({a}) + {b}"),
        format!("abs({a} - {b})"),
        format!("({a} + {b}) ^ 2 / {}", s.number(2.0, 9.0)),
        format!("sqrt({positive} ^ 2 + {a} ^ 2)"),
        format!("max({a}, {b})"),
    ];
    for _ in 0..s.int(1, 2) {
        let at = s.int(0, forms.len() - 1);
        let mean = s.define(&forms[at]);
        s.observe(&mean);
    }
    if s.chance(0.4) {
        s.observe(&b);
    }
}

/// A periodic or saturating curve of time, or one of the library's.
pub(super) fn curve(s: &mut Sketch) {
    let (n, i, t, y) = (s.int(2, 10), s.index(), s.name(), s.name());
    let values = s.numbers(n, 0.2, 6.0);
    s.push(format!("let {t} = {values};"));
    let at = format!("{t}[{i}]");
    let (a, k) = (s.positive(), s.positive());
    let b = s.real();
    let form = match s.int(0, 9) {
        0 => format!("{b} * sin({a} * {at})"),
        1 => format!("{a} * sin({at} + {b})"),
        2 => format!("{a} * (1 - exp(-{k} * {at}))"),
        3 => format!("{a} * {at} / ({k} + {at})"),
        4 => format!("{a} * tanh({k} * {at} - {b})"),
        5 => format!("{b} + {a} * exp(-{k} * {at})"),
        6 => format!("{a} * sigmoid({k} * ({at} - {b}))"),
        7 => format!("michaelis_menten({at}, {a}, {k})"),
        8 => format!("exponential_decay({at}, {a}, {k})"),
        _ => format!("logistic_growth({at}, {a}, {k}, {b})"),
    };
    if ["michaelis", "exponential_d", "logistic_g"].iter().any(|f| form.starts_with(f)) {
        s.import("curves.ppl");
    }
    let scale = s.scale();
    let distribution = s.around(&form, &scale);
    s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ {distribution}; }}"));
}

/// Two latents seen through a function of the library's that has valleys.
pub(super) fn surface(s: &mut Sketch) {
    let (a, b) = (s.real(), s.real());
    let functions = ["rosenbrock", "himmelblau", "branin", "rastrigin", "ackley"];
    let function = s.pick(&functions, "rosenbrock");
    s.import("functions.ppl");
    let mean = s.define(format!("{function}({a}, {b})"));
    let scale = s.size(0.5, 20.0);
    let name = s.name();
    s.push(format!("observe {name} ~ normal({mean}, {scale});"));
    if s.chance(0.3) {
        s.observe(&a);
    }
}

/// Rates and counts.
pub(super) fn counts(s: &mut Sketch) {
    let (n, i, y) = (s.int(1, 8), s.index(), s.name());
    let (a, b) = (s.number(1.0, 5.0), s.number(0.3, 2.0));
    match s.int(0, 3) {
        0 => {
            let rate = s.sample(format!("gamma({a}, {b})"));
            let (exposure, values) = (s.name(), s.numbers(n, 0.5, 5.0));
            s.push(format!("let {exposure} = {values};"));
            s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ poisson({rate} * {exposure}[{i}]); }}"));
        }
        1 => {
            let p = s.unit();
            let trials = s.int(3, 40);
            s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ binomial({trials}, {p}); }}"));
        }
        2 => {
            let (level, spread, rate) = (s.number(-0.5, 2.0), s.positive(), s.name());
            s.push(format!(
                "plate {i} in 0..{n} {{ sample {rate}[{i}] ~ normal({level}, 0.3 * {spread} / (1 + {spread}));
                observe {y}[{i}] ~ poisson_log({rate}[{i}]); }}"
            ));
        }
        _ => {
            let (rate, p) = (s.sample(format!("gamma({a}, {b})")), s.unit());
            s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ mixture([{p}, 1 - {p}], [binomial(0, 0.5), poisson({rate})]); }}"));
        }
    }
}

/// Heavy tails and outliers.
pub(super) fn outliers(s: &mut Sketch) {
    let (n, i, y) = (s.int(3, 12), s.index(), s.name());
    let (mean, scale) = (s.real(), s.scale());
    let distribution = match s.int(0, 2) {
        0 => format!("student_t({}, {mean}, {scale})", s.int(1, 4)),
        1 => format!("cauchy({mean}, {scale})"),
        _ => {
            let p = if s.chance(0.5) { s.number(0.05, 0.3) } else { s.unit() };
            let wide = s.number(3.0, 12.0);
            format!("mixture([1 - {p}, {p}], [normal({mean}, {scale}), normal({mean}, {wide} * {scale})])")
        }
    };
    s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ {distribution}; }}"));
}

/// Truncated and censored things.
pub(super) fn truncation(s: &mut Sketch) {
    let scale = s.known_scale();
    let (n, i, y) = (s.int(2, 8), s.index(), s.name());
    if s.chance(0.5) {
        let (mean, low, width) = (s.number(-2.0, 2.0), s.number(-3.0, 0.0), s.number(1.0, 6.0));
        let x = s.sample(format!("truncated(normal({mean}, {scale}), {low}, {low} + {width})"));
        s.remember(&x);
        let mean = s.affine(&x);
        s.observe(&mean);
    } else {
        // A latent value that is seen only up to a limit.
        let (mean, limit) = (s.real(), s.number(0.0, 4.0));
        let (x, seen) = (s.name(), s.name());
        let known = s.known_scale();
        s.push(format!(
            "plate {i} in 0..{n} {{ sample {x}[{i}] ~ normal({mean}, {scale}); let {seen} = min({x}[{i}], {limit});
            observe {y}[{i}] ~ normal({seen}, {known}); }}"
        ));
    }
}

/// A generalised linear model of latents that are there already, or of new ones.
pub(super) fn responses(s: &mut Sketch) {
    let sort = s.pick(&[Sort::Real, Sort::Positive], Sort::Real);
    let (a, b) = (s.latent(sort), s.real());
    for _ in 0..s.int(1, 3) {
        let link = s.pick(&[Link::Logit, Link::Log, Link::Positive], Link::Logit);
        let (x, scale) = (s.number(0.05, 0.3), s.known_scale());
        let predictor = format!("{x} * ({a} - {b})");
        let distribution = s.likelihood(link, &predictor, &scale);
        let (y, i, n) = (s.name(), s.index(), s.int(1, 5));
        s.push(format!("plate {i} in 0..{n} {{ observe {y}[{i}] ~ {distribution}; }}"));
    }
}
