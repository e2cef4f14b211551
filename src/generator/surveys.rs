//! Regressions on many observations in the units in which data come: years, heights, incomes.

use super::names::Kind;
use super::sketch::{Link, Sketch};
use super::term::{Term, show, sum};

/// Covariates as they are measured: from and to about which values.
const UNITS: [(f64, f64); 12] = [
    (1_900.0, 2_020.0),
    (150.0, 195.0),
    (58.0, 76.0),
    (18.0, 85.0),
    (60.0, 140.0),
    (40.0, 110.0),
    (-5.0, 35.0),
    (5.0, 150.0),
    (1.0, 100.0),
    (0.1, 0.9),
    (-2.0, 2.0),
    (-2.0, 2.0),
];

/// A covariate as the predictor reads it, the middle of its values, and how far apart they are.
#[derive(Debug)]
struct Covariate {
    text: String,
    middle: f64,
    spread: f64,
}

/// One to four covariates in raw units, sometimes centred, standardised, multiplied, or with effects of groups; proper or flat
/// priors; and, often, more observations than the network reads.
pub(super) fn survey(s: &mut Sketch) {
    let (n, i, k) = (s.length(12, 50, 120), s.index(&[]), s.int(1, 4));
    let link = s.pick([Link::Identity, Link::Identity, Link::Identity, Link::Identity, Link::Logit, Link::Log]);
    // How far predictors are apart.
    let size = if link == Link::Identity { s.log_number(0.2, 20_000.0).size } else { 0.6 };
    let mut covariates: Vec<Covariate> = (0..k).map(|_| covariate(s, n, i, link != Link::Identity)).collect();
    if k > 1 && s.chance(0.25) {
        let (a, b) = (&covariates[0], &covariates[1]);
        let text = format!("{} * {}", a.text, b.text);
        let spread = (a.spread * b.middle).hypot(b.spread * a.middle).hypot(a.spread * b.spread);
        covariates.push(Covariate { text, middle: a.middle * b.middle, spread });
    }
    let mut coefficients = Coefficients::new(s);
    let level = s.number(-1.0, 1.0);
    let level = s.near(level);
    let mut terms = vec![match level.text.parse::<f64>() {
        Ok(level) => coefficients.sample(s, level * size, 3.0 * size, link == Link::Identity),
        Err(_) => coefficients.sample_around(s, &level.times(rough(size)), size),
    }];
    for covariate in &covariates {
        let b = coefficients.sample(s, 0.0, size / covariate.spread, link == Link::Identity);
        terms.push(Term::new(format!("{b} * {}", covariate.text), size));
    }
    if s.chance(0.25) {
        terms.push(groups(s, n, i, size));
    }
    let scale = if link == Link::Identity { noise(s, size) } else { Term::new("1", 1.0) };
    let predictor = s.predictor(link, sum(&terms));
    let distribution = s.likelihood(link, &predictor, &scale);
    let y = s.name(Kind::Data);
    s.long_plate(i, n, &[format!("observe {y}[{i}] ~ {distribution};")]);
}

/// Two digits of a number.
fn rough(x: f64) -> f64 {
    format!("{x:.1e}").parse().unwrap_or(x)
}

/// A known covariate of `n` values: as it is, centred or standardised; where `near`, near 0 in any case.
fn covariate(s: &mut Sketch, n: usize, i: &str, near: bool) -> Covariate {
    if s.chance(0.25) {
        let name = s.name(Kind::Input);
        let values: Vec<&str> = (0..n).map(|_| s.pick(["0", "1"])).collect();
        s.define_known(&name, &format!("[{}]", values.join(", ")));
        return Covariate { text: format!("{name}[{i}]"), middle: 0.5, spread: 0.5 };
    }
    let (low, high) = s.pick(UNITS);
    let x = s.known(n, low, high).text;
    let (middle, spread) = (0.5 * (low + high), 0.3 * (high - low));
    match s.int(if near { 4 } else { 0 }, 9) {
        0..6 if !near => Covariate { text: format!("{x}[{i}]"), middle, spread },
        0..8 if middle == 0.0 => Covariate { text: format!("{x}[{i}]"), middle, spread },
        0..8 => Covariate { text: format!("({x}[{i}] - {})", show(middle)), middle: 0.0, spread },
        _ => {
            let (middle, width) = (s.name(Kind::Value), s.name(Kind::Value));
            s.define_known(&middle, &format!("mean({x})"));
            s.define_known(&width, &format!("sd({x})"));
            Covariate { text: format!("({x}[{i}] - {middle}) / {width}"), middle: 0.0, spread: 1.0 }
        }
    }
}

/// How a program writes its coefficients: names of their own or elements of one, and how wide priors are.
#[derive(Debug)]
struct Coefficients {
    of: Option<String>,
    n: usize,
    are_flat: bool,
    wide: f64,
}

impl Coefficients {
    fn new(s: &mut Sketch) -> Self {
        let of = if s.chance(0.4) { Some(s.name(Kind::Latent)) } else { None };
        let wide = s.pick([1.0, 1.0, 3.0, 10.0]);
        Self { of, n: 0, are_flat: s.chance(0.4), wide }
    }

    /// The next one, about `width` from `mean`; where `may_be_flat`, its prior may be.
    fn sample(&mut self, s: &mut Sketch, mean: f64, width: f64, may_be_flat: bool) -> Term {
        let (mean, is_flat) = (rough(mean), may_be_flat && self.are_flat);
        let width = rough(if may_be_flat && !is_flat { width * self.wide } else { width });
        let prior = format!("normal({}, {})", show(mean), show(width));
        let distribution = if is_flat { format!("flat() simulate {prior}") } else { prior };
        self.push(s, &distribution, mean.hypot(width))
    }

    /// The next one, around a latent.
    fn sample_around(&mut self, s: &mut Sketch, mean: &Term, width: f64) -> Term {
        self.push(s, &format!("normal({mean}, {})", show(rough(width))), mean.size.hypot(width))
    }

    fn push(&mut self, s: &mut Sketch, distribution: &str, size: f64) -> Term {
        let name = match &self.of {
            Some(of) => format!("{of}[{}]", self.n),
            None => s.name(Kind::Latent),
        };
        self.n += 1;
        s.push(format!("sample {name} ~ {distribution};"));
        let term = Term::new(name, size);
        s.offer(term.clone());
        term
    }
}

/// Effects of a few groups, of each of which about as many observations are members.
fn groups(s: &mut Sketch, n: usize, i: &str, size: f64) -> Term {
    let (groups, j) = (s.int(3, 8), s.index(&[i]));
    let (of, effect, spread) = (s.name(Kind::Input), s.name(Kind::Latent), s.name(Kind::Scale));
    let members: Vec<String> = (0..n).map(|_| s.int(0, groups - 1).to_string()).collect();
    s.define_known(&of, &format!("[{}]", members.join(", ")));
    s.push(format!("sample {spread} ~ half_normal({});", show(rough(size))));
    s.plate(j, groups, &[format!("sample {effect}[{j}] ~ normal(0, {spread});")]);
    Term::new(format!("{effect}[{of}[{i}]]"), size)
}

/// How far observations are from the predictor.
fn noise(s: &mut Sketch, size: f64) -> Term {
    let part = s.pick([0.2, 0.5, 1.0]) * size;
    let text = show(rough(part));
    let distribution = match s.int(0, 5) {
        0 | 1 => format!("positive_flat() simulate half_normal({text})"),
        2 => format!("half_normal({text})"),
        3 => format!("exponential({})", show(rough(1.0 / part))),
        4 => format!("half_student_t(3, {text})"),
        _ => format!("gamma(2, {})", show(rough(2.0 / part))),
    };
    s.sample(Kind::Scale, distribution, part)
}
