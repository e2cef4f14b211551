//! How far a certificate is to be trusted: random data sets of programs that are hard for normal approximations
//! (`certificate/hard.ppl`), answered from good proposals and from bad ones, against long runs of importance sampling from the
//! prior; and, where they are at hand, exact posteriors (`../shared/oracle`).
//!
//! An answer is wrong where a mean is off by more than a quarter of a posterior standard deviation, or the log evidence by more
//! than 0.3, and both by more than five standard errors (of both sides). A refusal is needless where the answer was right.
//!
//! `cargo bench --bench certificate [-- CASES [MODEL|all [SEED]]]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use rand::RngExt as _;
use statrs::distribution::{Beta, ContinuousCDF, Normal};
use unmask::dist::{Argument, Family};
use unmask::foundation::Foundation;
use unmask::infer::{
    CalibrationOptions, Guide, InferOptions, Inferred, Method, NoDraw, OwnDistribution, Proposal, Proposed, Silent,
    Stream, Target, Weights, calibrate_with, infer, infer_from, weights_ess,
};
use unmask::runtime::{Addresses, Law, Site};
use unmask::value::Value;
use unmask::{Data, Script};

/// Draws of the reference, and effective ones that it must have.
const REFERENCE: usize = 100_000;
const SURE: f64 = 2_000.0;

/// Draws of what is judged.
const DRAWS: usize = 1_000;
const PRIOR_DRAWS: usize = 4_000;
const CHAIN_DRAWS: usize = 4_000;

/// One case in so many is answered by the engines that take long as well.
const SLOW: u64 = 8;

/// Wrong means and evidences, in standard deviations and in nats, and in standard errors.
const MEAN: f64 = 0.25;
const EVIDENCE: f64 = 0.3;
const ERRORS: f64 = 5.0;

/// Normal variables from elsewhere than their own distribution.
#[derive(Clone, Copy)]
enum Bad {
    /// The upper half alone.
    Half,
    /// Off by a standard deviation, and half as wide.
    Narrow,
    /// Five times as wide: a good proposal, if a slow one.
    Wide,
}

impl Proposal for Bad {
    fn begin<'a>(&'a self, _: &mut Stream) -> Box<dyn Guide + 'a> {
        Box::new(*self)
    }
}

impl Guide for Bad {
    fn propose(&mut self, site: &Site<'_>, addresses: &Addresses, rng: &mut Stream) -> Result<Proposed, NoDraw> {
        if let Law::Family(law) = site.law
            && law.family() == Family::Normal
            && let [Argument::Scalar(m), Argument::Scalar(s)] = law.arguments()
        {
            let e: f64 = Normal::standard().inverse_cdf(rng.random());
            let standard = |x: f64| -0.5 * x * x - 0.918_938_533_204_672_8;
            let (x, log_density) = match self {
                Self::Half => (e.abs(), standard(e) + 2.0_f64.ln()),
                Self::Narrow => (1.0 + 0.5 * e, standard(e) + 2.0_f64.ln()),
                Self::Wide => (5.0 * e, standard(e) - 5.0_f64.ln()),
            };
            let value = m + s * x;
            return Ok(Proposed { value: Value::Real(value), log_density: log_density - s.ln() });
        }
        OwnDistribution.propose(site, addresses, rng)
    }
}

/// What is known of one scalar.
#[derive(Clone, Copy)]
struct Moment {
    mean: f64,
    sd: f64,
    error: f64,
}

struct Reference {
    moments: BTreeMap<String, Moment>,
    log_evidence: (f64, f64),
}

#[derive(Clone, Copy, Default)]
struct Tally {
    cases: usize,
    certified: usize,
    wrong: usize,
    wrong_all: usize,
    needless: usize,
    means: usize,
    far: usize,
}

impl Tally {
    fn add(&mut self, inferred: &Inferred, reference: &Reference, report: &dyn Fn(String)) {
        let mut wrong = false;
        let (mut means, mut far) = (0, 0);
        for (name, exact) in &reference.moments {
            let Some(found) = inferred.variable(name) else { continue };
            let off = (found.mean - exact.mean).abs();
            let error = found.mcse.hypot(exact.error).max(1e-9 * (1.0 + exact.mean.abs()));
            means += 1;
            far += usize::from(off > 3.0 * error);
            if off > MEAN * exact.sd && off > ERRORS * error {
                wrong = true;
                if inferred.certified {
                    report(format!(
                        "{name}: mean {} ± {} for {} (sd {})",
                        found.mean, found.mcse, exact.mean, exact.sd
                    ));
                }
            }
        }
        if let (Some(found), Some(error)) = (inferred.log_evidence, inferred.log_evidence_error) {
            let off = (found - reference.log_evidence.0).abs();
            if off > EVIDENCE && off > ERRORS * error.hypot(reference.log_evidence.1) {
                wrong = true;
                if inferred.certified {
                    report(format!("log evidence {found} ± {error} for {}", reference.log_evidence.0));
                }
            }
        }
        self.cases += 1;
        self.wrong_all += usize::from(wrong);
        if inferred.certified {
            self.certified += 1;
            self.wrong += usize::from(wrong);
            self.means += means;
            self.far += far;
        } else {
            self.needless += usize::from(!wrong);
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.cases += other.cases;
        self.certified += other.certified;
        self.wrong += other.wrong;
        self.wrong_all += other.wrong_all;
        self.needless += other.needless;
        self.means += other.means;
        self.far += other.far;
    }

    /// The upper end of the exact 95 % interval (Clopper & Pearson 1934) for the share of certified answers that are wrong.
    fn bound(&self) -> f64 {
        if self.wrong >= self.certified {
            return 1.0;
        }
        Beta::new(self.wrong as f64 + 1.0, (self.certified - self.wrong) as f64).map_or(1.0, |b| b.inverse_cdf(0.975))
    }

    fn print(&self, name: &str) {
        println!(
            "{name:34} {:6} {:9} {:6} {:8.4} %  {:8} {:6}   {:6.2} %",
            self.cases,
            self.certified,
            self.wrong,
            100.0 * self.bound(),
            self.needless,
            self.wrong_all,
            100.0 * self.far as f64 / self.means.max(1) as f64,
        );
    }
}

/// The weights that are built in.
static WEIGHTS: LazyLock<Arc<Foundation>> = LazyLock::new(|| Arc::new(Foundation::bundled().unwrap()));

fn options(method: &str, draws: usize, seed: u64) -> InferOptions {
    let method = Method::named(method).unwrap();
    let weights = Weights::Of(WEIGHTS.clone());
    InferOptions { method, draws: Some(draws), seed, budget: Some(10.0), weights, ..InferOptions::default() }
}

/// A long run from the prior, if it has enough effective draws to judge by.
fn reference(target: &Target, seed: u64) -> Option<Reference> {
    let long = infer(target, &options("importance", REFERENCE, seed + 0x5EED), &mut Silent).ok()?;
    if weights_ess(&long.posterior.weights) < SURE {
        return None;
    }
    let moments = long.variables.iter().filter(|v| v.exists.is_none() && v.sd > 0.0);
    let moments = moments.map(|v| (v.name.clone(), Moment { mean: v.mean, sd: v.sd, error: v.mcse })).collect();
    Some(Reference { moments, log_evidence: (long.log_evidence?, long.log_evidence_error?) })
}

/// Each way to answer; the slow ones too, if asked for.
fn answers(target: &Target, seed: u64, slow: bool) -> Vec<(&'static str, Option<Inferred>)> {
    let prior = options("importance", PRIOR_DRAWS, seed);
    // Where no variable is normal, what is bad about them does not show: an answer that is the prior's is not counted again.
    let from_prior = infer(target, &prior, &mut Silent).ok();
    let bad = |proposal: Bad| {
        let answer = infer_from(target, &proposal, &prior, &mut Silent).ok()?;
        let same = from_prior.as_ref().is_some_and(|p| p.log_evidence == answer.log_evidence);
        (!same).then_some(answer)
    };
    let (wide, narrow, half) = (bad(Bad::Wide), bad(Bad::Narrow), bad(Bad::Half));
    let mut answers = vec![
        ("laplace", infer(target, &options("laplace", DRAWS, seed), &mut Silent).ok()),
        ("foundation", infer(target, &options("foundation", DRAWS, seed), &mut Silent).ok()),
        ("importance, prior", from_prior),
        ("importance, wide", wide),
        ("importance, narrow and off", narrow),
        ("importance, half missing", half),
    ];
    if slow {
        let chains = InferOptions { chains: Some(4), ..options("nuts", CHAIN_DRAWS, seed) };
        answers.push(("nuts", infer(target, &chains, &mut Silent).ok()));
        answers
            .push(("smc", infer(target, &InferOptions { draws: None, ..options("smc", 1, seed) }, &mut Silent).ok()));
        let ladder = InferOptions { method: Method::Auto, draws: None, ..chains };
        answers.push(("auto", infer(target, &ladder, &mut Silent).ok()));
    }
    answers
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let cases: usize = arguments.first().map_or(100, |n| n.parse().unwrap());
    let only = arguments.get(1).filter(|model| *model != "all");
    let seed: u64 = arguments.get(2).map_or(11, |n| n.parse().unwrap());
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    println!("{:34}  cases certified  wrong   95 % bound  needless  wrong of all  |z| > 3", "");
    let mut total: BTreeMap<String, Tally> = BTreeMap::new();
    let script = Script::from_file(root.join("benches/certificate/hard.ppl")).unwrap();
    let models: Vec<String> = script.program().models.iter().map(|m| m.name.to_string()).collect();
    for name in models.iter().filter(|n| only.is_none_or(|o| o == *n)) {
        let target = script.model(Some(name)).unwrap().target(&Data::new()).unwrap();
        let tallies: Mutex<BTreeMap<String, Tally>> = Mutex::default();
        let judge = |target: &Target, given: &InferOptions| {
            if let Some(reference) = reference(target, given.seed) {
                for (way, inferred) in answers(target, given.seed, (given.seed >> 5).is_multiple_of(SLOW)) {
                    let Some(inferred) = inferred else { continue };
                    let report = |text: String| println!("  wrong: {name}, {way}, seed {}: {text}", given.seed);
                    tallies.lock().unwrap().entry(way.into()).or_default().add(&inferred, &reference, &report);
                }
            }
            infer(target, &options("importance", 200, given.seed), &mut Silent)
        };
        let settings = CalibrationOptions { simulations: cases, draws: 9, seed, ..CalibrationOptions::default() };
        if let Err(error) = calibrate_with(&target, &settings, &judge, &mut Silent) {
            println!("{name}: {error}");
        }
        for (way, tally) in tallies.into_inner().unwrap() {
            tally.print(&format!("{name}: {way}"));
            total.entry(way).or_default().absorb(&tally);
        }
    }
    oracle(cases, only, &mut total);
    let mut all = Tally::default();
    for (way, tally) in &total {
        tally.print(way);
        all.absorb(tally);
    }
    all.print("all");
}

/// The toy programs, against exact posteriors.
fn oracle(cases: usize, only: Option<&String>, total: &mut BTreeMap<String, Tally>) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/oracle");
    let Ok(programs) = std::fs::read_to_string(folder.join("programs.json")) else {
        println!("skipped: there is no {}", folder.display());
        return;
    };
    let programs: serde_json::Value = serde_json::from_str(&programs).unwrap();
    for name in programs.as_object().unwrap().keys().filter(|n| only.is_none_or(|o| o == *n)) {
        let model = unmask::Model::from_file(root.join(format!("examples/{name}.ppl"))).unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        for (i, line) in text.lines().take(cases).enumerate() {
            let exact: serde_json::Value = serde_json::from_str(line).unwrap();
            let data = Data::new().with_json_line(format!("{name}.jsonl"), text.clone(), i + 1);
            let number = |what: &str, of: &str| exact[what][of].as_f64().unwrap();
            let names = exact["mean"].as_object().unwrap().keys();
            let moments =
                names.map(|n| (n.clone(), Moment { mean: number("mean", n), sd: number("sd", n), error: 0.0 }));
            let reference =
                Reference { moments: moments.collect(), log_evidence: (exact["log_evidence"].as_f64().unwrap(), 0.0) };
            let target = model.target(&data).unwrap();
            for (way, inferred) in answers(&target, i as u64, (i as u64).is_multiple_of(SLOW)) {
                let Some(inferred) = inferred else { continue };
                let report = |text: String| println!("  wrong: {name}, {way}, line {}: {text}", i + 1);
                tallies.entry(way.into()).or_default().add(&inferred, &reference, &report);
            }
        }
        for (way, tally) in tallies {
            tally.print(&format!("{name}: {way}"));
            total.entry(way).or_default().absorb(&tally);
        }
    }
}
