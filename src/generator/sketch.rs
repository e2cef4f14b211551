//! A program that is being written: statements, fresh names, and the latents that later statements may read.

use std::collections::BTreeSet;
use std::fmt::Display;

use rand::RngExt as _;
use rustc_hash::FxHashSet;

use crate::infer::Stream;
use crate::span::FileId;
use crate::syntax::{self, Token};

/// Joint values of discrete latents and outcomes of branches.
const MOST_COMBINATIONS: usize = 64;

const WORDS: [&str; 64] = [
    "alpha",
    "amount",
    "baseline",
    "beta",
    "bias",
    "capacity",
    "centre",
    "change",
    "control",
    "cost",
    "delta",
    "demand",
    "depth",
    "dose",
    "drift",
    "effect",
    "energy",
    "error",
    "flow",
    "force",
    "gain",
    "gamma",
    "group",
    "growth",
    "health",
    "height",
    "income",
    "intensity",
    "kappa",
    "lag",
    "level",
    "load",
    "mass",
    "mu",
    "nu",
    "offset",
    "output",
    "phase",
    "price",
    "quality",
    "rate",
    "ratio",
    "response",
    "risk",
    "score",
    "shift",
    "signal",
    "size",
    "skill",
    "slope",
    "speed",
    "state",
    "strength",
    "supply",
    "temperature",
    "theta",
    "time",
    "trend",
    "value",
    "volume",
    "weight",
    "width",
    "yield_",
    "zeta",
];

/// Loop variables.
const INDICES: [&str; 5] = ["i", "j", "k", "t", "n"];

/// What sort of number a latent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Real,
    Positive,
}

/// What an observation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A real around the predictor.
    Identity,
    /// Something binary, by the logit.
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
    used: FxHashSet<String>,
    statements: Vec<String>,
    imports: BTreeSet<&'static str>,
    reals: Vec<String>,
    combinations: usize,
}

impl Sketch {
    pub fn new(rng: Stream) -> Self {
        let (used, statements, imports) = (FxHashSet::default(), Vec::new(), BTreeSet::new());
        Self { rng, used, statements, imports, reals: Vec::new(), combinations: 1 }
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.rng.random::<f64>() < p
    }

    /// An integer from `low` to `high`, both included.
    pub fn int(&mut self, low: usize, high: usize) -> usize {
        self.rng.random_range(low..=high)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T], default: T) -> T {
        if of.is_empty() { default } else { of[self.rng.random_range(0..of.len())] }
    }

    /// A number between two others with one to three significant digits.
    pub fn number(&mut self, low: f64, high: f64) -> String {
        let x = low + (high - low) * self.rng.random::<f64>();
        let digits = self.rng.random_range(0..3_usize);
        let rounded: f64 = format!("{x:.digits$e}").parse().unwrap_or(x);
        crate::value::format_real(rounded.clamp(low.min(high), high.max(low)))
    }

    /// A number from `low` to `high`, evenly on a logarithmic scale.
    pub fn size(&mut self, low: f64, high: f64) -> String {
        let x = self.number(low.ln(), high.ln()).parse::<f64>().unwrap_or(0.0).exp();
        let rounded: f64 = format!("{x:.1e}").parse().unwrap_or(x);
        crate::value::format_real(rounded)
    }

    /// `n` numbers as an array.
    pub fn numbers(&mut self, n: usize, low: f64, high: f64) -> String {
        let numbers: Vec<String> = (0..n).map(|_| self.number(low, high)).collect();
        format!("[{}]", numbers.join(", "))
    }

    /// A name that nothing has yet.
    pub fn name(&mut self) -> String {
        loop {
            let stem = match self.rng.random_range(0..3) {
                0 => char::from(b'a' + self.rng.random_range(0..26_u8)).to_string(),
                _ => WORDS[self.rng.random_range(0..WORDS.len())].trim_end_matches('_').to_owned(),
            };
            let name = if self.chance(0.3) { format!("{stem}{}", self.rng.random_range(0..10)) } else { stem };
            let free = matches!(&syntax::lex(FileId::default(), &name).tokens[..], [(Token::Name(_), _)]);
            // Constants of the language, and names of functions, are no names of variables here.
            let taken = ["e", "pi", "inf", "nan"].into_iter().chain(INDICES).any(|other| other == name)
                || crate::builtin::Builtin::lookup(&name).is_some();
            if free && !taken && self.used.insert(name.clone()) {
                return name;
            }
        }
    }

    pub fn push(&mut self, statement: impl Display) {
        self.statements.push(statement.to_string());
    }

    pub fn import(&mut self, file: &'static str) {
        self.imports.insert(file);
    }

    /// Whether there is room for so many more outcomes; it is then taken.
    pub fn room(&mut self, outcomes: usize) -> bool {
        let room = self.combinations * outcomes <= MOST_COMBINATIONS;
        if room {
            self.combinations *= outcomes;
        }
        room
    }

    /// A real latent that later statements may read.
    pub fn remember(&mut self, name: &str) {
        self.reals.push(name.to_owned());
    }

    /// `sample NAME ~ DISTRIBUTION;`, and its name.
    pub fn sample(&mut self, distribution: impl Display) -> String {
        let name = self.name();
        self.push(format!("sample {name} ~ {distribution};"));
        name
    }

    /// `let NAME = EXPRESSION;`, and its name; sometimes the expression itself in parentheses.
    pub fn define(&mut self, expression: impl Display) -> String {
        if self.chance(0.4) {
            return format!("({expression})");
        }
        let name = self.name();
        self.push(format!("let {name} = {expression};"));
        name
    }

    fn given(&mut self, distribution: impl Display) -> String {
        let name = self.name();
        self.push(format!("given {name} ~ {distribution};"));
        name
    }

    /// Where something is: a number, an input, or a latent.
    pub fn location(&mut self) -> String {
        match self.rng.random_range(0..10) {
            0..5 => self.number(-5.0, 5.0),
            5..7 => {
                let width = self.number(2.0, 10.0);
                let distribution = if self.chance(0.5) {
                    format!("uniform(-{width}, {width})")
                } else {
                    format!("normal(0, {width})")
                };
                self.given(distribution)
            }
            7 if !self.reals.is_empty() => {
                let at = self.rng.random_range(0..self.reals.len());
                self.reals[at].clone()
            }
            _ => "0".to_owned(),
        }
    }

    /// How wide something is: a number, or an input.
    pub fn known_scale(&mut self) -> String {
        if self.chance(0.65) {
            return self.size(0.3, 6.0);
        }
        let high = self.number(2.0, 10.0);
        let low = self.number(0.1, 0.8);
        self.given(format!("uniform({low}, {high})"))
    }

    /// How wide something is; sometimes a latent.
    pub fn scale(&mut self) -> String {
        if self.chance(0.75) { self.known_scale() } else { self.positive() }
    }

    /// A positive latent.
    pub fn positive(&mut self) -> String {
        let size = self.size(0.4, 4.0);
        let (a, b) = (self.number(1.2, 5.0), self.number(0.4, 3.0));
        let m = self.number(-0.7, 1.2);
        let distributions = [
            format!("half_normal({size})"),
            format!("exponential({b})"),
            format!("gamma({a}, {b})"),
            format!("lognormal({m}, {})", self.number(0.2, 1.0)),
            format!("inv_gamma({}, {b})", self.number(2.1, 5.0)),
            format!("half_cauchy({size})"),
            format!("weibull({a}, {size})"),
        ];
        let at = self.rng.random_range(0..distributions.len());
        self.sample(&distributions[at])
    }

    /// A latent between 0 and 1.
    pub fn unit(&mut self) -> String {
        let (a, b) = (self.number(0.8, 6.0), self.number(0.8, 6.0));
        let distribution = if self.chance(0.3) { "uniform(0, 1)".to_owned() } else { format!("beta({a}, {b})") };
        self.sample(distribution)
    }

    /// A distribution of reals around something.
    pub fn around(&mut self, mean: &str, scale: &str) -> String {
        match self.rng.random_range(0..20) {
            0..15 => format!("normal({mean}, {scale})"),
            15 | 16 => format!("student_t({}, {mean}, {scale})", self.int(2, 8)),
            17 => format!("laplace({mean}, {scale})"),
            18 => format!("logistic({mean}, {scale})"),
            _ => format!("cauchy({mean}, {scale})"),
        }
    }

    /// A real latent.
    pub fn real(&mut self) -> String {
        let distribution = if self.chance(0.1) {
            let (low, width) = (self.number(-6.0, 2.0), self.number(2.0, 9.0));
            format!("uniform({low}, {low} + {width})")
        } else {
            let (mean, scale) = (self.location(), self.scale());
            self.around(&mean, &scale)
        };
        let name = self.sample(distribution);
        self.remember(&name);
        name
    }

    /// A latent of a sort.
    pub fn latent(&mut self, sort: Sort) -> String {
        match sort {
            Sort::Real => self.real(),
            Sort::Positive => self.positive(),
        }
    }

    /// A coefficient: a number or an input.
    pub fn coefficient(&mut self) -> String {
        if self.chance(0.7) {
            let size = self.number(0.3, 2.5);
            if self.chance(0.3) { format!("-{size}") } else { size }
        } else {
            self.given("uniform(-3, 3)")
        }
    }

    /// An affine function.
    pub fn affine(&mut self, x: &str) -> String {
        match self.rng.random_range(0..5) {
            0 => x.to_owned(),
            1 => format!("{x} + {}", self.number(0.5, 5.0)),
            2 => format!("{x} * {}", self.number(0.3, 2.5)),
            3 => format!("{} * {x}", self.coefficient()),
            _ => format!("{x} * {} - {}", self.number(0.3, 2.5), self.number(0.5, 5.0)),
        }
    }

    /// A distribution of observations given a predictor, whose scale is `scale` where it has one.
    pub fn likelihood(&mut self, link: Link, predictor: &str, scale: &str) -> String {
        match link {
            Link::Identity => self.around(predictor, scale),
            Link::Logit if self.chance(0.3) => format!("binomial_logit({}, {predictor})", self.int(3, 30)),
            Link::Logit => format!("bernoulli_logit({predictor})"),
            Link::Log if self.chance(0.3) => format!("neg_binomial_log({predictor}, {})", self.number(0.8, 8.0)),
            Link::Log => format!("poisson_log({predictor})"),
            Link::Positive if self.chance(0.4) => {
                let shape = self.number(1.0, 6.0);
                format!("gamma({shape}, {shape} * exp(-({predictor})))")
            }
            Link::Positive => format!("lognormal({predictor}, {})", self.number(0.2, 1.0)),
        }
    }

    pub fn link(&mut self) -> Link {
        self.pick(
            &[Link::Identity, Link::Identity, Link::Identity, Link::Logit, Link::Log, Link::Positive],
            Link::Identity,
        )
    }

    /// Observes something real once, or a few times in a plate.
    pub fn observe(&mut self, mean: &str) {
        let scale = self.known_scale();
        let distribution = self.around(mean, &scale);
        let name = self.name();
        if self.chance(0.7) {
            self.push(format!("observe {name} ~ {distribution};"));
        } else {
            let (i, n) = (self.index(), self.int(2, 5));
            self.push(format!("plate {i} in 0..{n} {{ observe {name}[{i}] ~ {distribution}; }}"));
        }
    }

    /// A loop variable.
    pub fn index(&mut self) -> String {
        self.pick(&INDICES, "i").to_owned()
    }

    /// The program as the printer writes it.
    pub fn finish(mut self, model: &str) -> String {
        let statements = self.shuffled();
        let imports: String = self.imports.iter().map(|file| format!("import \"{file}\";\n")).collect();
        let text = format!("{imports}model {model} {{ {} }}", statements.join("\n"));
        // What it writes parses; a test holds it to that.
        syntax::format(&text).unwrap_or(text)
    }

    /// Statements in a random order in which what is read comes first.
    fn shuffled(&mut self) -> Vec<String> {
        let names = |text: &str| -> Vec<String> {
            let tokens = syntax::lex(FileId::default(), text).tokens;
            tokens
                .into_iter()
                .filter_map(|(t, _)| if let Token::Name(n) = t { Some(n.to_owned()) } else { None })
                .collect()
        };
        let all: Vec<(String, Vec<String>)> = self.statements.iter().map(|s| (s.clone(), names(s))).collect();
        // A statement needs those before it that share a name with it.
        let needs: Vec<Vec<usize>> = (0..all.len())
            .map(|i| {
                (0..i).filter(|j| all[*j].1.iter().any(|n| self.used.contains(n) && all[i].1.contains(n))).collect()
            })
            .collect();
        let mut left: Vec<usize> = (0..all.len()).collect();
        let mut done: FxHashSet<usize> = FxHashSet::default();
        let mut order = Vec::with_capacity(all.len());
        let disorder = if self.chance(0.5) { 0.0 } else { 0.5 };
        while !left.is_empty() {
            let ready: Vec<usize> =
                left.iter().copied().filter(|i| needs[*i].iter().all(|j| done.contains(j))).collect();
            let next = if self.chance(disorder) { self.pick(&ready, ready[0]) } else { ready[0] };
            left.retain(|i| *i != next);
            done.insert(next);
            order.push(all[next].0.clone());
        }
        order
    }
}
