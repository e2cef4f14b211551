//! Random programs: a prior over what people may write, from which a network learns to answer programs that nobody trained it on.
//!
//! A program is one family, or two or three, of which each reads a latent of those before it. A family is a function that writes
//! statements to a `Sketch` with fresh names. Where it needs a location it takes a number, an input with a prior, or a latent
//! that is there already; where it needs a scale, a number, an input or an unknown one. So families combine. Sizes, names,
//! priors, likelihoods, links, known covariates and the order of statements are random; inputs that nothing reads are left out,
//! and latents that nothing reads are observed.
//!
//! What holds of each program:
//!
//! - It is valid, written as the formatter writes it, and needs no data: each input is a number or has a prior.
//! - Something is sampled, and something observed. Discrete latents are bounded; they and outcomes of conditions have at most 64
//!   joint values.
//! - Predictors on the scale of a logarithm or of log odds are scaled by how large their latents are, to stay within about
//!   ±3, so that counts are small and probabilities are not all 0 or 1; no latent then has Cauchy tails.
//! - At most 40 latents, and 512 lexemes in its annotated form, of long plates six iterations counted: of these, which hold no
//!   latents, the network reads a part. A draw that is larger is drawn again: the prior is conditioned on its size.

mod discrete;
mod finish;
mod linear;
mod names;
mod nonlinear;
mod responses;
mod series;
mod sketch;
mod surveys;
mod term;

use crate::runtime::random_stream;
use sketch::Sketch;

/// A random program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Its family; of several, the first.
    pub family: &'static str,
    /// Its text.
    pub source: String,
    /// Whether it has a plate of which six iterations count for its length: the network may read a part of it.
    pub has_long_plate: bool,
}

/// A family of programs.
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// A line of help.
    pub help: &'static str,
    /// How often it is drawn, relative to others.
    pub weight: usize,
    /// Of 100 of its programs with simulated data, how many `laplace` alone does not certify
    /// (`unmask generate --difficulty -n 30 --seed 5`).
    pub difficulty: usize,
    write: fn(&mut Sketch),
}

impl Family {
    /// How often it is drawn to learn from: up to four times as often where it is hard.
    fn leaning(&self) -> usize {
        self.weight * (100 + LEAN * self.difficulty)
    }
}

/// How much more often what is never certified is learnt from than what always is, less one.
const LEAN: usize = 3;

/// All families.
pub const FAMILIES: [Family; 23] = [
    family("chain", "each variable around an affine function of the last", 2, 30, linear::chain),
    family("graph", "trees and directed graphs of reals", 2, 40, linear::graph),
    family("regression", "one to five covariates, two to twenty observations", 3, 7, linear::regression),
    family("hierarchy", "groups around a common level, with unknown spread", 3, 30, linear::hierarchy),
    family("crossed", "rows and columns with an effect each", 1, 20, linear::crossed),
    family("funnel", "a scale whose logarithm is unknown", 2, 10, linear::funnel),
    family("product", "products, quotients, powers and absolute values of latents", 3, 40, nonlinear::product),
    family("curve", "periodic and saturating curves", 3, 27, nonlinear::curve),
    family("surface", "library functions with valleys", 2, 40, nonlinear::surface),
    family("counts", "rates, proportions and counts", 2, 3, responses::counts),
    family("outliers", "heavy tails and outliers", 2, 17, responses::outliers),
    family("truncation", "truncated and censored variables, hard conditions", 2, 30, responses::truncation),
    family("responses", "binary, count and positive responses", 2, 20, responses::responses),
    family("mixture", "clusters, their members assigned or not", 3, 27, discrete::mixture),
    family("branch", "which latent is seen depends on another one", 3, 50, discrete::branch),
    family("network", "causes and effects", 2, 0, discrete::network),
    family("hidden_chain", "hidden states", 1, 10, discrete::hidden_chain),
    family("shares", "shares of a whole", 1, 7, discrete::shares),
    family("change_point", "a level that changes at an unknown time", 2, 17, series::change_point),
    family("autoregression", "a series that remembers", 1, 7, series::autoregression),
    family("walk", "a hidden level that walks", 2, 7, series::walk),
    family("volatility", "a scale that walks", 1, 0, series::volatility),
    family("survey", "regressions in raw units, on up to 120 observations", 4, 20, surveys::survey),
];

const fn family(
    name: &'static str,
    help: &'static str,
    weight: usize,
    difficulty: usize,
    write: fn(&mut Sketch),
) -> Family {
    Family { name, help, weight, difficulty, write }
}

/// How often a program has one more family, up to how many.
const JOINED: f64 = 0.45;
const MOST_FAMILIES: usize = 3;

/// How often a program that is too large is drawn again. Then other families are left out, and as many attempts later the last
/// is kept: no family is that large alone.
const ATTEMPTS: usize = 30;

/// Program number `index` of `seed`, of a family by name or of any: a function of the three alone. A name that no family has is
/// as none.
///
/// ```
/// use unmask::{Model, generator::generate};
/// let program = generate(1, 7, None);
/// assert!(Model::from_source("generated.ppl", &program.source).is_ok());
/// assert_eq!(generate(1, 7, None), program);
/// ```
pub fn generate(seed: u64, index: u64, family: Option<&str>) -> Generated {
    match family.and_then(|name| FAMILIES.iter().find(|f| f.name == name)) {
        Some(family) => write(seed, index, |_| family, 1),
        None => write(seed, index, |sketch| draw(sketch, |f| f.weight), MOST_FAMILIES),
    }
}

/// Program number `index` of `seed` to learn from: as [`generate`], but hard families come more often.
pub fn exercise(seed: u64, index: u64) -> Generated {
    write(seed, index, |sketch| draw(sketch, Family::leaning), MOST_FAMILIES)
}

/// A program of up to `most` families that `draw` gives.
fn write(seed: u64, index: u64, draw: impl Fn(&mut Sketch) -> &'static Family, most: usize) -> Generated {
    let mut sketch = Sketch::new(random_stream(seed, index));
    let first = draw(&mut sketch);
    let mut families = 1;
    while families < most && sketch.chance(JOINED) {
        families += 1;
    }
    for attempt in 1..=2 * ATTEMPTS {
        (first.write)(&mut sketch);
        for _ in 1..if attempt <= ATTEMPTS { families } else { 1 } {
            sketch.join();
            let next = draw(&mut sketch);
            (next.write)(&mut sketch);
        }
        sketch.watch_unread();
        if sketch.fits() || attempt == 2 * ATTEMPTS {
            break;
        }
        sketch = sketch.again();
    }
    Generated { family: first.name, has_long_plate: sketch.has_long_plate, source: sketch.finish("generated") }
}

fn draw(sketch: &mut Sketch, weight: fn(&Family) -> usize) -> &'static Family {
    let total: usize = FAMILIES.iter().map(weight).sum();
    let mut left = sketch.int(0, total - 1);
    FAMILIES
        .iter()
        .find(|f| {
            let here = left < weight(f);
            left = left.saturating_sub(weight(f));
            here
        })
        .unwrap_or(&FAMILIES[0])
}
