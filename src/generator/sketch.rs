//! A program that is being written: statements, fresh names, and the latents that later statements may read.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use rand::RngExt as _;
use rustc_hash::FxHashSet;

use super::names::{Kind, Style, free, names_in, tokens};
use crate::infer::Stream;
use crate::syntax;
use crate::value::format_real;

/// Joint values of discrete latents and outcomes of branches.
const MOST_COMBINATIONS: usize = 64;

/// Of an execution: lexemes of its annotated program, its lines, and its latents.
const MOST_LEXEMES: usize = 430;
const MOST_LINES: usize = 40;
const MOST_LATENTS: usize = 40;

/// Lexemes that the definition of a library function adds to an annotated program.
const DEFINITION: usize = 50;

/// Loop variables.
const INDICES: [&str; 4] = ["i", "j", "k", "t"];

/// Something that a statement may read: its text, and about how far from 0 its values are.
#[derive(Clone, Debug)]
pub(super) struct Term {
    text: String,
    pub size: f64,
}

impl Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Term {
    pub fn new(text: impl Display, size: f64) -> Self {
        Self { text: text.to_string(), size }
    }

    /// Its text as a factor of a product.
    pub fn factor(&self) -> String {
        let is_simple = self.text.chars().all(|c| c.is_alphanumeric() || "_.[]".contains(c));
        if is_simple { self.text.clone() } else { format!("({})", self.text) }
    }

    /// A multiple of it, worked out where it is a number.
    pub fn times(&self, by: f64) -> Self {
        let text = match self.text.parse::<f64>() {
            Ok(x) => show((x * by * 1_000.0).round() / 1_000.0),
            Err(_) => format!("{} * {}", show(by), self.factor()),
        };
        Self::new(text, self.size * by)
    }

    /// Minus it.
    fn negative(&self) -> String {
        let mut depth = 0;
        let is_sum = self.text.char_indices().any(|(at, c)| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0 && at > 0 && (c == '+' || c == '-')
        });
        if is_sum { format!("-({})", self.text) } else { format!("-{}", self.text) }
    }

    /// Element `index` of it.
    pub fn at(&self, index: impl Display) -> Self {
        Self::new(format!("{}[{index}]", self.text), self.size)
    }
}

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

/// A program in the making.
#[derive(Debug)]
pub(super) struct Sketch {
    rng: Stream,
    style: Style,
    used: FxHashSet<String>,
    statements: Vec<String>,
    imports: BTreeSet<&'static str>,
    /// Real latents that later statements may read.
    scope: Vec<Term>,
    /// Whether the next real latent should be one that is there.
    joining: bool,
    combinations: usize,
    lexemes: usize,
    lines: usize,
    latents: usize,
}

impl Sketch {
    pub fn new(mut rng: Stream) -> Self {
        let style = Style::draw(&mut rng);
        let (used, statements, imports, scope) = (FxHashSet::default(), Vec::new(), BTreeSet::new(), Vec::new());
        let (joining, combinations, lexemes, lines, latents) = (false, 1, 0, 0, 0);
        Self { rng, style, used, statements, imports, scope, joining, combinations, lexemes, lines, latents }
    }

    /// Another program, with the random numbers that are left.
    pub fn again(self) -> Self {
        Self::new(self.rng)
    }

    /// Whether the program is small enough, and has something to infer.
    pub fn fits(&self) -> bool {
        let has = |role: &str| self.statements.iter().any(|s| s.contains(role));
        self.lexemes <= MOST_LEXEMES
            && self.lines <= MOST_LINES
            && self.latents <= MOST_LATENTS
            && has("sample ")
            && has("observe ")
    }

    /// From here on, another family is to read what is there.
    pub fn join(&mut self) {
        self.joining = true;
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.rng.random::<f64>() < p
    }

    /// An integer from `low` to `high`, both included.
    pub fn int(&mut self, low: usize, high: usize) -> usize {
        self.rng.random_range(low..=high)
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
        // Its elements stand in the lines that read them.
        self.statements.push(format!("let {name} = [{}];", values.join(", ")));
        Term::new(name, low.abs().max(high.abs()) * 0.7)
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
        let text = body.join(" ");
        self.count(&text, to - from);
        self.statements.push(format!("{head} {i} in {from}..{to} {{ {text} }}"));
    }

    pub fn plate(&mut self, i: &str, n: usize, body: &[String]) {
        self.repeat("plate", i, 0, n, body);
    }

    /// Takes note of how much longer statements make the annotated program.
    fn count(&mut self, text: &str, times: usize) {
        let lines = text.matches(';').count();
        // Each line ends with `@` and a value; subscripts are numbers, with brackets only on the left.
        self.lexemes += times * (tokens(text) + 2 * lines);
        self.lines += times * lines;
        self.latents += times * text.matches("sample ").count();
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
        let name = self.name(kind);
        self.push(format!("sample {name} ~ {distribution};"));
        Term::new(name, size)
    }

    /// A real latent of that distribution, which later statements may read.
    pub fn sample_real(&mut self, distribution: impl Display, size: f64) -> Term {
        let term = self.sample(Kind::Latent, distribution, size);
        self.scope.push(term.clone());
        term
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

    /// A latent that is there, of a size that can be a location.
    fn parent(&mut self) -> Option<Term> {
        let near: Vec<Term> = self.scope.iter().filter(|t| t.size < 15.0).cloned().collect();
        (!near.is_empty()).then(|| self.one(&near).clone())
    }

    /// Where something is: a number, an input, or a latent.
    pub fn location(&mut self) -> Term {
        if self.chance(0.25)
            && let Some(parent) = self.parent()
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
        let distribution = if self.chance(0.3) { "uniform(0, 1)".to_owned() } else { format!("beta({a}, {b})") };
        self.sample(Kind::Share, distribution, 0.6)
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
        if std::mem::take(&mut self.joining)
            && let Some(parent) = self.parent()
        {
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
        if link == Link::Identity { term } else { smaller(term, 2.5) }
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
                let shape = self.int(1, 6);
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

    /// The program as the printer writes it.
    pub fn finish(mut self, model: &str) -> String {
        self.leave_out_unread();
        let statements = self.shuffled();
        let imports: String = self.imports.iter().map(|file| format!("import \"{file}\";\n")).collect();
        let text = format!("{imports}model {model} {{ {} }}", statements.join("\n"));
        // What it writes parses; a test holds it to that.
        syntax::format(&text).unwrap_or(text)
    }

    /// Leaves out inputs and definitions that nothing reads.
    fn leave_out_unread(&mut self) {
        // What a statement reads stands before it.
        let mut read: FxHashSet<String> = FxHashSet::default();
        for statement in std::mem::take(&mut self.statements).into_iter().rev() {
            let names = names_in(&statement);
            let is_defined_only = statement.starts_with("given ") || statement.starts_with("let ");
            if !is_defined_only || names.first().is_some_and(|name| read.contains(name)) {
                read.extend(names);
                self.statements.push(statement);
            }
        }
        self.statements.reverse();
    }

    /// Statements in an order in which what is read comes first: as written, or a random one.
    fn shuffled(&mut self) -> Vec<String> {
        let names: Vec<Vec<String>> = self.statements.iter().map(|s| names_in(s)).collect();
        let shares = |a: &[String], b: &[String]| a.iter().any(|n| self.used.contains(n) && b.contains(n));
        // A statement needs those before it that share a name with it.
        let needs: Vec<Vec<usize>> =
            (0..names.len()).map(|i| (0..i).filter(|j| shares(&names[*j], &names[i])).collect()).collect();
        let disorder = if self.chance(0.5) { 0.0 } else { 0.5 };
        let mut left: Vec<usize> = (0..names.len()).collect();
        let mut order = Vec::with_capacity(names.len());
        while !left.is_empty() {
            let ready: Vec<usize> =
                left.iter().copied().filter(|i| needs[*i].iter().all(|j| !left.contains(j))).collect();
            let next = if self.chance(disorder) { *self.one(&ready) } else { ready[0] };
            left.retain(|i| *i != next);
            order.push(self.statements[next].clone());
        }
        order
    }
}

/// The sum of terms, with a minus where one begins with it.
pub(super) fn sum(terms: &[Term]) -> Term {
    let mut text = String::new();
    for (i, term) in terms.iter().enumerate() {
        match (i, term.text.strip_prefix('-')) {
            (0, _) => text.push_str(&term.text),
            (_, Some(rest)) => text.extend([" - ", rest]),
            (_, None) => text.extend([" + ", &term.text]),
        }
    }
    Term::new(text, terms.iter().map(|t| t.size * t.size).sum::<f64>().sqrt())
}

/// The term, or so large a part of it that its values stay within about `most` of 0.
pub(super) fn smaller(term: Term, most: f64) -> Term {
    if term.size <= most {
        return term;
    }
    let by: f64 = format!("{:.0e}", most / term.size).parse().unwrap_or(0.1);
    Term::new(format!("{} * {}", show(by), term.factor()), most)
}

/// A number as people write it.
pub(super) fn show(x: f64) -> String {
    let text = format_real(x + 0.0);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
