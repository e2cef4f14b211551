//! A program that is being written: statements, fresh names, and the latents that later statements may read.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;

use rand::RngExt as _;
use rustc_hash::FxHashSet;

use super::names::{Kind, Style, free};
use super::term::{Term, show, smaller, sum};
use crate::infer::Stream;
use crate::syntax;

/// Joint values of discrete latents and outcomes of branches.
const MOST_COMBINATIONS: usize = 64;

/// Of an execution: lexemes of its annotated program, of which some are not counted beforehand, and latents.
const MOST_LEXEMES: usize = 480;
const MOST_LATENTS: usize = 40;

/// Iterations of a long plate that count.
const READ: usize = 6;

/// Lexemes that the definition of a library function adds to an annotated program.
const DEFINITION: usize = 50;

/// Loop variables.
const INDICES: [&str; 4] = ["i", "j", "k", "t"];

/// What an observation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A real around the predictor.
    Identity,
    /// Something binary, or successes of several trials, by the logit.
    Logit,
    /// A count, by the logarithm.
    Log,
    /// A positive real, by the logarithm.
    Positive,
}

/// How distributions of positive values begin.
const POSITIVE: [&str; 10] = [
    "beta(",
    "dirichlet(",
    "exponential(",
    "gamma(",
    "half_",
    "inv_gamma(",
    "lognormal(",
    "poisson(",
    "uniform(0, ",
    "weibull(",
];

/// A program in the making.
#[derive(Debug)]
pub(super) struct Sketch {
    rng: Stream,
    style: Style,
    pub used: FxHashSet<String>,
    pub statements: Vec<String>,
    pub imports: BTreeSet<&'static str>,
    /// Real latents that later statements may read.
    pub scope: Vec<Term>,
    /// Discrete latents.
    pub choices: Vec<Term>,
    /// How many real latents families before it have, whether the family that is being written is still to read one of them,
    /// and whether a family did not.
    before: usize,
    joining: bool,
    is_apart: bool,
    /// Whether a latent has Cauchy tails, and whether something is the exponential of latents.
    is_heavy: bool,
    is_exponential: bool,
    combinations: usize,
    lexemes: usize,
    latents: usize,
    /// Whether a plate has more iterations than count.
    pub has_long_plate: bool,
}

impl Sketch {
    pub fn new(mut rng: Stream) -> Self {
        let style = Style::draw(&mut rng);
        Self {
            rng,
            style,
            used: FxHashSet::default(),
            statements: Vec::new(),
            imports: BTreeSet::new(),
            scope: Vec::new(),
            choices: Vec::new(),
            before: 0,
            joining: false,
            is_apart: false,
            is_heavy: false,
            is_exponential: false,
            combinations: 1,
            lexemes: 0,
            latents: 0,
            has_long_plate: false,
        }
    }

    /// Another program, with the random numbers that are left.
    pub fn again(self) -> Self {
        Self::new(self.rng)
    }

    /// Whether the program is one, small enough, of values that are not beyond all bounds, and has something to infer.
    pub fn fits(&self) -> bool {
        let has = |role: &str| self.statements.iter().any(|s| s.contains(role));
        self.lexemes <= MOST_LEXEMES
            && self.latents <= MOST_LATENTS
            && !(self.is_heavy && self.is_exponential)
            && !(self.joining || self.is_apart)
            && has("sample ")
            && has("observe ")
    }

    /// From here on, another family is to read what is there.
    pub fn join(&mut self) {
        self.is_apart |= self.joining;
        self.joining = true;
        // What a discrete latent decides can be read as a real one is.
        if (self.scope.is_empty() || self.chance(0.5))
            && let Some(choice) = self.choices.last().cloned()
        {
            let (yes, no, name) = (self.number(0.5, 4.0), self.number(-3.0, 0.4), self.name(Kind::Value));
            self.push(format!("let {name} = if {choice} then {yes} else {no};"));
            self.offer(Term::new(name, 3.0));
        }
        self.before = self.scope.len();
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.rng.random::<f64>() < p
    }

    /// An integer from `low` to `high`, both included.
    pub fn int(&mut self, low: usize, high: usize) -> usize {
        self.rng.random_range(low..=high)
    }

    /// An integer of at least `low`, seldom above `usual`, at most `most`.
    pub fn length(&mut self, low: usize, usual: usize, most: usize) -> usize {
        let high = if self.chance(0.6) { usual } else { most };
        self.int(low, high)
    }

    pub fn pick<T: Clone, const N: usize>(&mut self, of: [T; N]) -> T {
        let at = self.rng.random_range(0..N);
        of[at].clone()
    }

    /// One of a list that is not empty.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.random_range(0..of.len())]
    }

    /// A number between two others, with few digits.
    pub fn number(&mut self, low: f64, high: f64) -> Term {
        let fine = self.chance(0.6);
        let x = self.rounded(low, high, fine);
        Term::new(show(x), x.abs())
    }

    fn rounded(&mut self, low: f64, high: f64, fine: bool) -> f64 {
        let x = low + (high - low) * self.rng.random::<f64>();
        let coarse = if high - low >= 4.0 { 0 } else { 1 };
        let digits = 10_f64.powi(coarse + i32::from(fine));
        ((x * digits).round() / digits).clamp(low, high)
    }

    /// A number from `low` to `high`, evenly on a logarithmic scale.
    pub fn log_number(&mut self, low: f64, high: f64) -> Term {
        let x = (low.ln() + (high / low).ln() * self.rng.random::<f64>()).exp();
        let digits = self.rng.random_range(0..2_usize);
        let x: f64 = format!("{x:.digits$e}").parse().unwrap_or(x);
        Term::new(show(x), x)
    }

    /// `let NAME = [...];` of `n` numbers: sorted or not, sometimes evenly spaced.
    pub fn known(&mut self, n: usize, low: f64, high: f64) -> Term {
        let fine = self.chance(0.85);
        let mut values: Vec<f64> = (0..n).map(|_| self.rounded(low, high, fine)).collect();
        if self.chance(0.4) {
            values.sort_by(f64::total_cmp);
        }
        if self.chance(0.2) && low < 1.0 && (n as f64) <= high {
            values = (0..n).map(|i| (i + 1) as f64).collect();
        }
        let name = self.name(Kind::Input);
        let values: Vec<String> = values.into_iter().map(show).collect();
        self.define_known(&name, &format!("[{}]", values.join(", ")));
        Term::new(name, low.abs().max(high.abs()) * 0.7)
    }

    /// `let NAME = VALUES;` of numbers: what is read of them stands in the lines that read it.
    pub fn define_known(&mut self, name: &str, values: &str) {
        self.statements.push(format!("let {name} = {values};"));
    }

    /// A name that nothing has yet.
    pub fn name(&mut self, kind: Kind) -> String {
        loop {
            let name = self.style.name(kind, &mut self.rng);
            if !INDICES.contains(&&*name) && free(&name) && self.used.insert(name.clone()) {
                return name;
            }
        }
    }

    /// A loop variable other than those.
    pub fn index(&mut self, but: &[&str]) -> &'static str {
        loop {
            let i = self.pick(INDICES);
            if !but.contains(&i) {
                return i;
            }
        }
    }

    /// A statement that is executed once.
    pub fn push(&mut self, statement: impl Display) {
        let text = statement.to_string();
        self.count(&text, 1);
        self.statements.push(text);
    }

    /// A plate, or a loop from `from`, whose body is these statements.
    pub fn repeat(&mut self, head: &str, i: &str, from: usize, to: usize, body: &[String]) {
        self.repeat_counting(head, i, from..to, body, to - from);
    }

    /// The same, of which so many iterations count.
    fn repeat_counting(&mut self, head: &str, i: &str, of: Range<usize>, body: &[String], counted: usize) {
        let text = body.join(" ");
        self.count(&text, counted);
        self.statements.push(format!("{head} {i} in {}..{} {{ {text} }}", of.start, of.end));
    }

    /// Takes note of a table that stands in so many lines: unlike an element of it that is known, all of it does.
    pub fn table(&mut self, table: &str, lines: usize) {
        self.lexemes += lines * syntax::lexemes(table);
    }

    pub fn plate(&mut self, i: &str, n: usize, body: &[String]) {
        self.repeat("plate", i, 0, n, body);
    }

    /// A plate without latents, of which the network may read a part.
    pub fn long_plate(&mut self, i: &str, n: usize, body: &[String]) {
        self.has_long_plate |= n > READ;
        self.repeat_counting("plate", i, 0..n, body, n.min(READ));
    }

    /// Takes note of how much longer statements make the annotated program.
    fn count(&mut self, text: &str, times: usize) {
        let lines = text.matches(';').count();
        // Each line ends with `@` and a value; subscripts are numbers, with brackets only on the left.
        self.lexemes += times * (syntax::lexemes(text) + 2 * lines);
        let samples = text.matches("sample ").count();
        self.latents += times * samples;
        self.is_heavy |= samples > 0 && text.contains("cauchy(");
    }

    /// A plate whose last statement is a plate of `inner` iterations.
    pub fn plate_of_plates(&mut self, i: &str, n: usize, body: &[String], inner: usize) {
        self.plate(i, n, body);
        self.count(body.last().map_or("", String::as_str), n * (inner - 1));
    }

    /// A call of a function of the library.
    pub fn library(&mut self, file: &'static str, call: impl Display) -> String {
        if self.imports.insert(file) {
            self.lexemes += DEFINITION;
        }
        call.to_string()
    }

    /// Whether there is room for so many more outcomes; it is then taken.
    pub fn room(&mut self, outcomes: usize) -> bool {
        let room = self.combinations * outcomes <= MOST_COMBINATIONS;
        if room {
            self.combinations *= outcomes;
        }
        room
    }

    /// `sample NAME ~ DISTRIBUTION;`
    pub fn sample(&mut self, kind: Kind, distribution: impl Display, size: f64) -> Term {
        let (name, distribution) = (self.name(kind), distribution.to_string());
        self.push(format!("sample {name} ~ {distribution};"));
        let is_positive = POSITIVE.iter().any(|d| distribution.starts_with(d));
        let term = Term { is_positive, ..Term::new(name, size) };
        if distribution.starts_with("bernoulli(") {
            self.offer_choice(&term);
        }
        term
    }

    /// A real latent of that distribution, which later statements may read.
    pub fn sample_real(&mut self, distribution: impl Display, size: f64) -> Term {
        let term = self.sample(Kind::Latent, distribution, size);
        self.offer(term.clone());
        term
    }

    /// Lets later families read whether something is so.
    pub fn offer_choice(&mut self, condition: impl Display) {
        self.choices.push(Term::new(condition, 1.0));
    }

    /// Lets later statements read a term.
    pub fn offer(&mut self, term: Term) {
        self.scope.push(term);
    }

    /// `let NAME = EXPRESSION;`, or the expression itself.
    pub fn define(&mut self, term: Term) -> Term {
        let is_name = !term.text.contains(' ');
        if is_name || self.chance(0.4) {
            return term;
        }
        let name = self.name(Kind::Value);
        self.push(format!("let {name} = {term};"));
        Term::new(name, term.size)
    }

    fn given(&mut self, kind: Kind, distribution: impl Display, size: f64) -> Term {
        let name = self.name(kind);
        self.push(format!("given {name} ~ {distribution};"));
        Term::new(name, size)
    }

    /// One of the first latents that are there, of a size that can be a location.
    fn parent(&mut self, of: usize) -> Option<Term> {
        let near: Vec<Term> = self.scope[..of].iter().filter(|t| t.size < 15.0).cloned().collect();
        (!near.is_empty()).then(|| self.one(&near).clone())
    }

    /// A latent of families before, if this one is still to read one.
    fn joined(&mut self) -> Option<Term> {
        let parent = if self.joining { self.parent(self.before) } else { None };
        self.joining &= parent.is_none();
        parent
    }

    /// Where something is that is to stay near 0: the number, or, once, some part of a latent of families before.
    pub fn near(&mut self, number: Term) -> Term {
        match self.joined() {
            Some(parent) => smaller(parent, 1.0),
            None => number,
        }
    }

    /// A probability: the number, or, once, what a latent of families before makes of it.
    pub fn probability(&mut self, number: Term) -> Term {
        match self.joined() {
            Some(parent) => Term::new(format!("sigmoid({})", smaller(parent, 1.5)), 0.6),
            None => number,
        }
    }

    /// Where something is: a number, an input, or a latent.
    pub fn location(&mut self) -> Term {
        if let Some(parent) = self.joined() {
            return parent;
        }
        if self.chance(0.25)
            && let Some(parent) = self.parent(self.scope.len())
        {
            return parent;
        }
        match self.int(0, 9) {
            0..3 => Term::new("0", 0.0),
            3..7 => self.number(-5.0, 5.0),
            _ => {
                let width = self.number(2.0, 10.0);
                let distribution = self.pick([format!("uniform(-{width}, {width})"), format!("normal(0, {width})")]);
                self.given(Kind::Location, distribution, width.size)
            }
        }
    }

    /// How wide something is: a number, or an input.
    pub fn known_scale(&mut self) -> Term {
        if self.chance(0.7) {
            return self.log_number(0.3, 5.0);
        }
        let (low, high) = (self.pick(["0.1", "0.2", "0.5", "1"]), self.number(2.0, 10.0));
        self.given(Kind::Scale, format!("uniform({low}, {high})"), high.size / 2.0)
    }

    /// How wide something is; sometimes a latent.
    pub fn scale(&mut self) -> Term {
        if self.chance(0.75) { self.known_scale() } else { self.positive(Kind::Scale) }
    }

    /// A positive latent.
    pub fn positive(&mut self, kind: Kind) -> Term {
        let term = self.positive_latent(kind);
        if kind == Kind::Latent {
            self.offer(term.clone());
        }
        term
    }

    fn positive_latent(&mut self, kind: Kind) -> Term {
        if self.joining && self.chance(if kind == Kind::Latent { 0.7 } else { 0.2 }) {
            let (mean, width) = (self.number(0.0, 1.0), self.number(0.2, 0.8));
            let mean = self.near(mean);
            self.is_exponential = true;
            return self.sample(kind, format!("lognormal({mean}, {width})"), 2.5);
        }
        let (size, rate) = (self.log_number(0.5, 4.0), self.log_number(0.4, 2.5));
        let shape = self.number(1.5, 5.0);
        let (s, mean) = (size.size, shape.size / rate.size);
        match self.int(0, 12) {
            0..3 => self.sample(kind, format!("half_normal({size})"), s),
            3 | 4 => self.sample(kind, format!("exponential({rate})"), 1.5 / rate.size),
            5..8 => self.sample(kind, format!("gamma({shape}, {rate})"), 1.4 * mean),
            8 | 9 => {
                let (m, w) = (self.number(-0.7, 1.2), self.number(0.2, 0.9));
                let size = (m.text.parse::<f64>().unwrap_or(0.0) + w.size).exp();
                self.sample(kind, format!("lognormal({m}, {w})"), size)
            }
            10 => {
                let shape = self.number(2.5, 6.0);
                self.sample(kind, format!("inv_gamma({shape}, {size})"), s / (shape.size - 1.0) * 1.5)
            }
            11 => self.sample(kind, format!("half_cauchy({size})"), 4.0 * s),
            _ => self.sample(kind, format!("weibull({shape}, {size})"), 1.2 * s),
        }
    }

    /// A latent between 0 and 1.
    pub fn unit(&mut self) -> Term {
        let (a, b) = (self.number(1.0, 6.0), self.number(1.0, 6.0));
        if let Some(parent) = self.joined() {
            return self.define(Term::new(format!("sigmoid({})", smaller(parent, 1.5)), 0.6));
        }
        let distribution = if self.chance(0.3) { "uniform(0, 1)".to_owned() } else { format!("beta({a}, {b})") };
        let share = self.sample(Kind::Share, distribution, 0.6);
        self.offer(share.clone());
        share
    }

    /// A distribution of reals around something, and how large they are.
    pub fn around(&mut self, mean: &Term, scale: &Term) -> (String, f64) {
        let size = mean.size.hypot(scale.size);
        match self.int(0, 19) {
            0..15 => (format!("normal({mean}, {scale})"), size),
            15 | 16 => (format!("student_t({}, {mean}, {scale})", self.int(3, 8)), 1.5 * size),
            17 => (format!("laplace({mean}, {scale})"), 1.4 * size),
            18 => (format!("logistic({mean}, {scale})"), 1.8 * size),
            _ => (format!("cauchy({mean}, {scale})"), mean.size + 6.0 * scale.size),
        }
    }

    /// A real latent: a new one, or one that is there.
    pub fn real(&mut self) -> Term {
        if let Some(parent) = self.joined() {
            return parent;
        }
        if self.chance(0.1) {
            let low = self.int(0, 6);
            let high = self.int(1, 7);
            return self.sample_real(format!("uniform(-{low}, {high})").replace("-0", "0"), low.max(high) as f64);
        }
        let (mean, scale) = (self.location(), self.scale());
        let (distribution, size) = self.around(&mean, &scale);
        self.sample_real(distribution, size)
    }

    /// A number other than 1 to multiply with.
    pub fn coefficient(&mut self) -> Term {
        if self.chance(0.12) {
            return self.given(Kind::Input, "uniform(-3, 3)", 2.0);
        }
        let c = self.pick([
            "-2", "-1.5", "-0.8", "-0.5", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.2", "1.5", "1.7", "2",
            "2.5", "3",
        ]);
        Term::new(c, c.parse::<f64>().unwrap_or(1.0).abs())
    }

    /// An affine function.
    pub fn affine(&mut self, x: &Term) -> Term {
        let (c, offset) = (self.coefficient(), self.number(0.5, 5.0));
        let sign = self.pick(["+", "-"]);
        let left = c.text.starts_with('-') || self.chance(0.5);
        let product = if left { format!("{c} * {}", x.factor()) } else { format!("{} * {c}", x.factor()) };
        match self.int(0, 4) {
            0 | 1 => x.clone(),
            2 => Term::new(format!("{x} {sign} {offset}"), x.size + offset.size),
            3 => Term::new(product, x.size * c.size),
            _ => Term::new(format!("{product} {sign} {offset}"), x.size * c.size + offset.size),
        }
    }

    /// The sum of affine functions of terms.
    pub fn combination(&mut self, of: &[Term]) -> Term {
        let terms: Vec<Term> = of.iter().map(|t| self.affine(t)).collect();
        sum(&terms)
    }

    /// A predictor that a link can take: the term, made smaller where it may be too large.
    pub fn predictor(&mut self, link: Link, term: Term) -> Term {
        self.is_exponential |= matches!(link, Link::Log | Link::Positive);
        if link == Link::Identity { term } else { smaller(term, 2.5) }
    }

    /// As much of the term as can stand in an exponential.
    pub fn exponent(&mut self, term: &Term) -> Term {
        self.is_exponential = true;
        smaller(term.clone(), 1.0)
    }

    /// A distribution of observations given a predictor.
    pub fn likelihood(&mut self, link: Link, predictor: &Term, scale: &Term) -> String {
        match (link, self.chance(0.35)) {
            (Link::Identity, _) => self.around(predictor, scale).0,
            (Link::Logit, true) => format!("binomial_logit({}, {predictor})", self.int(3, 30)),
            (Link::Logit, false) if self.chance(0.3) => format!("bernoulli(sigmoid({predictor}))"),
            (Link::Logit, false) => format!("bernoulli_logit({predictor})"),
            (Link::Log, true) => format!("neg_binomial_log({predictor}, {})", self.number(1.0, 8.0)),
            (Link::Log, false) if self.chance(0.3) => format!("poisson(exp({predictor}))"),
            (Link::Log, false) => format!("poisson_log({predictor})"),
            (Link::Positive, true) => {
                let shape = self.int(2, 6);
                format!("gamma({shape}, {shape} * exp({}))", predictor.negative())
            }
            (Link::Positive, false) => format!("lognormal({predictor}, {})", self.number(0.2, 1.0)),
        }
    }

    pub fn link(&mut self) -> Link {
        self.pick([Link::Identity, Link::Identity, Link::Identity, Link::Logit, Link::Log, Link::Positive])
    }

    /// Observes something real once, or a few times in a plate.
    pub fn observe(&mut self, mean: &Term) {
        let scale = self.known_scale();
        let distribution = self.around(mean, &scale).0;
        self.see(&distribution, 0.3);
    }

    /// Observes something of any sort.
    pub fn observe_any(&mut self, mean: &Term) {
        let link = self.link();
        let predictor = self.predictor(link, mean.clone());
        let scale = if link == Link::Identity { self.known_scale() } else { Term::new("1", 1.0) };
        let distribution = self.likelihood(link, &predictor, &scale);
        self.see(&distribution, 0.4);
    }

    /// Observes draws of a distribution: one, or, with that probability, some.
    pub fn see(&mut self, distribution: &str, several: f64) {
        let name = self.name(Kind::Data);
        if self.chance(several) {
            let (i, n) = (self.index(&[]), self.int(2, 5));
            self.plate(i, n, &[format!("observe {name}[{i}] ~ {distribution};")]);
        } else {
            self.push(format!("observe {name} ~ {distribution};"));
        }
    }
}
