//! Products, curves, surfaces of latents.

use super::names::Kind;
use super::sketch::Sketch;
use super::term::Term;

/// Products, quotients, powers and absolute values of latents.
pub(super) fn product(s: &mut Sketch) {
    let (a, b) = (s.real(), s.real());
    let mut seen_b = false;
    let (first, step) = (s.int(0, 10), s.int(1, 10));
    for at in 0..s.int(1, 2) {
        let both = a.size * b.size;
        let (form, size, reads_b) = match (first + at * step) % 11 {
            0 => (format!("{a} * {b}"), both, true),
            1 => (format!("{a} ^ 2 + {b}"), a.size * a.size + b.size, true),
            2 => {
                let c = s.positive(Kind::Scale);
                (format!("{a} * {c}"), a.size * c.size, false)
            }
            3 => {
                let c = s.number(0.5, 2.0);
                let d = s.positive(Kind::Scale);
                (format!("{a} / ({c} + {d})"), a.size, false)
            }
            4 => (format!("abs({a}) + {b}"), a.size + b.size, true),
            5 => (format!("abs({a} - {b})"), a.size + b.size, true),
            6 => (format!("({a} + {b}) ^ 2 / {}", s.int(2, 9)), (a.size + b.size).powi(2) / 5.0, true),
            7 => (format!("sqrt({a} ^ 2 + {b} ^ 2)"), a.size.hypot(b.size), true),
            8 => (s.pick([format!("max({a}, {b})"), format!("min({a}, {b})")]), a.size.max(b.size), true),
            9 => (format!("{a} * abs({b})"), both, true),
            _ => (format!("{a} ^ 2"), a.size * a.size, false),
        };
        seen_b |= reads_b;
        let mean = s.define(Term::new(form, size));
        s.observe(&mean);
    }
    if !seen_b {
        let sign = s.pick(["-", "+"]);
        s.observe(&Term::new(format!("{a} {sign} {b}"), a.size.hypot(b.size)));
    } else if s.chance(0.3) {
        s.observe(&b);
    }
}

/// A periodic or saturating curve of time, written out or one of the library's.
pub(super) fn curve(s: &mut Sketch) {
    let (n, i) = (s.int(3, 10), s.index(&[]));
    let t = s.known(n, 0.2, 8.0).at(i);
    let a = s.positive(Kind::Latent);
    let kind = s.int(0, 11);
    // What the curve reads besides: a rate or width, a place.
    let (form, file) = match kind {
        0..8 => {
            let k = s.positive(Kind::Latent);
            match kind {
                0 => (format!("{a} * sin({k} * {t})"), None),
                1 => (format!("{a} * (1 - exp(-{k} * {t}))"), None),
                2 => (format!("{a} * {t} / ({k} + {t})"), None),
                3 => {
                    let base = s.real();
                    (format!("{base} + {a} * exp(-{k} * {t})"), None)
                }
                4 => (format!("michaelis_menten({t}, {a}, {k})"), Some("curves.ppl")),
                5 => (format!("exponential_decay({t}, {a}, {k})"), Some("curves.ppl")),
                6 => (format!("{a} * tanh({k} * {t})"), None),
                _ => (format!("{a} * exp(-{t} / (0.5 + {k}))"), None),
            }
        }
        8 => {
            let phase = s.sample(Kind::Latent, "uniform(-3.14, 3.14)", 3.0);
            let speed = s.number(0.5, 2.0);
            (format!("{a} * sin({speed} * {t} + {phase})"), None)
        }
        _ => {
            let (k, width) = (s.number(0.5, 3.0), s.number(1.0, 3.0));
            let middle = s.sample_real(format!("normal(4, {width})"), 5.0);
            match kind {
                9 => (format!("{a} * sigmoid({k} * ({t} - {middle}))"), None),
                10 => (format!("logistic_growth({t}, {a}, {k}, {middle})"), Some("curves.ppl")),
                _ => (format!("{a} * exp(-0.5 * (({t} - {middle}) / {width}) ^ 2)"), None),
            }
        }
    };
    let form = file.map_or_else(|| form.clone(), |file| s.library(file, &form));
    let scale = if s.chance(0.6) { s.log_number(0.1, 2.0) } else { s.scale() };
    let distribution = s.around(&Term::new(form, a.size), &scale).0;
    let y = s.name(Kind::Data);
    s.plate(i, n, &[format!("observe {y}[{i}] ~ {distribution};")]);
}

/// Two latents seen through a function of the library's that has valleys.
pub(super) fn surface(s: &mut Sketch) {
    // Functions, the width of their interesting part, and the size of their values there.
    let functions = [
        ("rosenbrock", 1.0, 50.0),
        ("himmelblau", 3.0, 40.0),
        ("branin", 4.0, 30.0),
        ("rastrigin", 1.5, 10.0),
        ("ackley", 2.0, 2.0),
    ];
    let (function, width, size) = s.pick(functions);
    let mut coordinate = || {
        let (m, w) = (s.number(-0.5 * width, 0.5 * width), s.number(0.5 * width, 1.5 * width));
        if s.chance(0.2) {
            return s.sample_real(format!("uniform(-{w}, {w})"), w.size);
        }
        let m = s.near(m);
        s.sample_real(format!("normal({m}, {w})"), m.size + w.size)
    };
    let (a, b) = (coordinate(), coordinate());
    let call = s.library("functions.ppl", format!("{function}({a}, {b})"));
    let mean = s.define(Term::new(call, size));
    let scale = s.log_number(0.1 * size, size);
    s.see(&format!("normal({mean}, {scale})"), 0.1);
    if s.chance(0.4) {
        let seen = s.pick([a, b]);
        s.observe(&seen);
    }
}
