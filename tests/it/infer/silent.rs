//! Mistakes that show in no message: each has an answer that is known, and that the mistake would change.

use rand::RngExt as _;
use rand_distr::StandardNormal;
use unmask::density::{CompileOptions, LogDensity as _};
use unmask::infer::{
    Guide, InferOptions, Inferred, Kernel, MarkovChain, Method, NoDraw, NutsSettings, OwnDistribution, Proposal,
    Proposed, Silent, Stream, StreamPurpose, Target, Trace, effective_sample_size, pareto_smooth, sample_nuts, stream,
    weights_ess,
};
use unmask::runtime::{Addresses, Site};
use unmask::value::Value;
use unmask::{Data, Model};

/// Engines that draw from the posterior of reals.
const SAMPLERS: [&str; 6] = ["laplace", "importance", "nuts", "advi", "smc", "mh"];

fn data(assignments: &[&str]) -> Data {
    assignments.iter().fold(Data::new(), |data, d| data.with_assignment(*d))
}

fn infer(source: &str, assignments: &[&str], method: &str) -> Inferred {
    let method = Method::named(method).unwrap();
    let options = InferOptions { method, draws: Some(20_000), seed: 3, ..InferOptions::default() };
    Model::from_source("silent.ppl", source).unwrap().infer(&data(assignments), &options).unwrap()
}

fn target(source: &str, assignments: &[&str]) -> Target {
    Model::from_source("silent.ppl", source).unwrap().target(&data(assignments)).unwrap()
}

#[test]
fn effective_draws_do_not_depend_on_the_scale_of_the_weights() {
    // Half of the weights three times the others: (Σ w)² / Σ w² is 0.8 n.
    for shift in [-800.0, 0.0, 800.0] {
        let log_weights: Vec<f64> = (0..1_000).map(|i| shift + if i % 2 == 0 { 3.0_f64.ln() } else { 0.0 }).collect();
        let ess = weights_ess(&pareto_smooth(&log_weights).unwrap().weights);
        assert!((ess - 800.0).abs() < 1e-6, "{ess} at {shift}");
    }
}

#[test]
fn effective_draws_of_an_autoregression_are_as_its_spectrum_says() {
    for correlation in [-0.5_f64, 0.0, 0.6, 0.9] {
        let n = 100_000;
        let mut rng = stream(1, StreamPurpose::Draws, 7);
        let mut x = 0.0;
        let chain: Vec<f64> = (0..n)
            .map(|_| {
                let e: f64 = rng.sample(StandardNormal);
                x = correlation * x + (1.0 - correlation * correlation).sqrt() * e;
                1e6 + 1e-3 * x
            })
            .collect();
        let views: Vec<&[f64]> = chain.chunks(n / 4).collect();
        let ess = effective_sample_size(&views).unwrap();
        let exact = n as f64 * (1.0 - correlation) / (1.0 + correlation);
        assert!((ess / exact - 1.0).abs() < 0.1, "{ess} for {exact}");
    }
}

/// A variable with a prior, of which the data say nothing to speak of: a prior that counts twice, or a Jacobian that is missing or
/// counts twice, changes its mean or its standard deviation.
#[test]
fn the_prior_comes_back_in_every_kind_of_support() {
    let root = 1.0 / std::f64::consts::PI.sqrt();
    for (law, element, mean, sd) in [
        ("normal(1, 2)", "x", 1.0, 2.0),
        ("exponential(0.5)", "x", 2.0, 2.0),
        ("lognormal(0, 0.5)", "x", 0.125_f64.exp(), (0.25_f64.exp() * 0.25_f64.exp_m1()).sqrt()),
        ("beta(2, 3)", "x", 0.4, 0.2),
        ("uniform(2, 5)", "x", 3.5, 0.75_f64.sqrt()),
        ("truncated(normal(0, 1), -inf, 0)", "x", -0.797_884_560_802_865_4, 0.602_810_275_689_153_6),
        ("dirichlet([1, 2, 3])", "x[0]", 1.0 / 6.0, (5.0_f64 / 252.0).sqrt()),
        ("ordered(normal(0, 1), 2)", "x[1]", root, (1.0 - root * root).sqrt()),
    ] {
        let source = format!(
            "model m {{ sample x ~ {law}; observe y ~ normal(1e-9 * {element}, 1); let v = {element} + 0.0; }}"
        );
        for engine in SAMPLERS {
            let found = infer(&source, &["y=0.5"], engine);
            let v = found.variable("v").unwrap();
            let off = (v.mean - mean).abs() / (v.mcse + 1e-12);
            assert!(off < 4.5, "{engine}, {law}: mean {} ± {} for {mean}", v.mean, v.mcse);
            assert!((v.sd / sd - 1.0).abs() < 0.08, "{engine}, {law}: sd {} for {sd}", v.sd);
            if let (true, Some(evidence), Some(error)) = (found.certified, found.log_evidence, found.log_evidence_error)
            {
                let exact = -0.5 * 0.25 - 0.918_938_533_204_672_8;
                assert!((evidence - exact).abs() < 4.5 * error + 1e-6, "{engine}, {law}: log evidence {evidence}");
            }
        }
    }
}

#[test]
fn steps_between_integers_are_as_likely_in_both_directions() {
    // Edges that proposals cross, on one side and on both; few values and many.
    for law in [
        "poisson(0.7)",
        "geometric(0.4)",
        "discrete_uniform(0, 40)",
        "binomial(30, 0.03)",
        "categorical([0.7, 0.2, 0.1])",
    ] {
        let source = format!("model m {{ sample k ~ {law}; observe y ~ normal(k, 1.5); }}");
        let (found, exact) = (infer(&source, &["y=0.3"], "mh"), infer(&source, &["y=0.3"], "importance"));
        let (k, wanted) = (found.variable("k").unwrap(), exact.variable("k").unwrap());
        let error = k.mcse.hypot(wanted.mcse);
        assert!((k.mean - wanted.mean).abs() < 4.5 * error, "{law}: {} ± {error} for {}", k.mean, wanted.mean);
        assert!((k.sd / wanted.sd - 1.0).abs() < 0.05, "{law}: sd {} for {}", k.sd, wanted.sd);
    }
}

#[test]
fn adaptation_ends_with_the_warm_up() {
    let target =
        target("model m { sample a ~ normal(0, 1); sample s ~ exponential(1); observe y ~ normal(a, s); }", &["y=2"]);
    let compiled = target.borrow().compile(CompileOptions::default()).unwrap();
    let density = compiled.density().unwrap();
    let starts = vec![vec![0.1; density.dimension()]; 2];
    let draws = sample_nuts(&density, &starts, &NutsSettings::default(), 1, &mut Silent, &mut |_| 0).unwrap();
    for chain in &draws.statistics {
        assert!(chain.iter().all(|s| s.step_size == chain[0].step_size), "the step size went on changing");
    }
}

#[test]
fn densities_that_are_small_are_not_zero() {
    // ln p = −½ (999 / 10⁻³)² and worse: finite in doubles, where the density itself is not.
    let source = "model m { sample z ~ bernoulli(0.5); observe y ~ normal(z, 1e-3); }";
    let exact = 0.5_f64.ln() - 0.5 * (999.0 / 1e-3_f64).powi(2) + 1e3_f64.ln() - 0.918_938_533_204_672_8;
    for engine in ["enumerate", "importance", "laplace", "mh", "auto"] {
        let found = infer(source, &["y=1000"], engine);
        assert_eq!(found.mean("z"), Some(1.0), "{engine}");
        if let Some(evidence) = found.log_evidence {
            assert!((evidence / exact - 1.0).abs() < 1e-9, "{engine}: {evidence} for {exact}");
        }
    }
    let source = "model m { sample a ~ normal(0, 1); plate i in 0..50 { observe y[i] ~ normal(a, 1e-4); } }";
    let y = format!("y={:?}", vec![3e3; 50]);
    for engine in ["laplace", "nuts"] {
        let found = infer(source, &[&y], engine);
        let a = found.variable("a").unwrap();
        assert!((a.mean - 3e3).abs() < 1e-2 && (a.sd / (1e-4 / 50.0_f64.sqrt()) - 1.0).abs() < 0.1, "{engine}: {a:?}");
    }
}

#[test]
fn an_address_belongs_to_one_choice() {
    for source in [
        "model m { sample x[0] ~ normal(0, 1); sample x[0] ~ normal(5, 1); observe y ~ normal(x[0], 1); }",
        "model m { sample x ~ normal(0, 1); sample x ~ normal(5, 1); observe y ~ normal(x, 1); }",
        "model m { for i in 0..2 { sample x[0] ~ normal(i, 1); } observe y ~ normal(x[0], 1); }",
    ] {
        let found = Model::from_source("silent.ppl", source)
            .and_then(|model| model.infer(&data(&["y=1"]), &InferOptions::default()));
        assert!(found.is_err(), "two choices shared an address: {source}");
    }
}

/// Choices that come and go, all of them discrete, so that enumeration is exact at any temperature.
const BRANCHES: &str = "model m {
    sample k ~ bernoulli(0.35);
    if k {
        sample a ~ bernoulli(0.3);
        sample b ~ bernoulli(0.6);
        observe y ~ normal(a + b, 0.8);
    } else {
        sample c ~ categorical([0.2, 0.5, 0.3]);
        if c == 2 { sample d ~ bernoulli(0.5); observe y ~ normal(3 * d, 0.8); } else { observe y ~ normal(c - 1, 0.8); }
    }
}";

#[test]
fn tempered_updates_are_right_where_the_number_of_choices_changes() {
    let y = 1.4;
    let likelihood = |mean: f64, t: f64| (t * (-0.5 * ((y - mean) / 0.8_f64).powi(2))).exp();
    let target = target(BRANCHES, &["y=1.4"]);
    for t in [0.0, 0.3, 1.0] {
        let mut masses = [0.0; 2];
        for (a, pa) in [(0.0, 0.7), (1.0, 0.3)] {
            for (b, pb) in [(0.0, 0.4), (1.0, 0.6)] {
                masses[1] += 0.35 * pa * pb * likelihood(a + b, t);
            }
        }
        masses[0] += 0.65 * (0.2 * likelihood(-1.0, t) + 0.5 * likelihood(0.0, t));
        masses[0] += 0.65 * 0.3 * 0.5 * (likelihood(0.0, t) + likelihood(3.0, t));
        let exact = masses[1] / (masses[0] + masses[1]);
        let mut rng = stream(9, StreamPurpose::Chain, 0);
        let mut chain = MarkovChain::from_prior(&target.borrow(), Kernel::Mixed, &mut rng).unwrap();
        chain.set_temperature(t);
        let (n, batch) = (200_000, 1_000);
        let mut means = Vec::new();
        for _ in 0..n / batch {
            let mut ones = 0.0;
            for _ in 0..batch {
                chain.update(&mut rng).unwrap();
                ones += chain.trace().choices[0].value.as_f64().unwrap();
            }
            means.push(ones / f64::from(batch));
        }
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
        let error = (variance / means.len() as f64).sqrt();
        assert!((mean - exact).abs() < 4.5 * error, "t = {t}: {mean} ± {error} for {exact}");
    }
}

#[test]
fn tempering_agrees_with_enumeration_where_the_number_of_choices_changes() {
    let exact = infer(BRANCHES, &["y=1.4"], "enumerate");
    for engine in ["smc", "mh"] {
        let found = infer(BRANCHES, &["y=1.4"], engine);
        let k = found.variable("k").unwrap();
        assert!((k.mean - exact.mean("k").unwrap()).abs() < 4.5 * k.mcse, "{engine}: {} ± {}", k.mean, k.mcse);
        if let (Some(evidence), Some(error)) = (found.log_evidence, found.log_evidence_error) {
            assert!((evidence - exact.log_evidence.unwrap()).abs() < 4.5 * error, "{engine}: {evidence} ± {error}");
        }
    }
}

/// A normal for `a` that is off, and wider than the posterior; it may be mistaken about its own density.
#[derive(Clone, Copy)]
struct Off {
    honest: bool,
}

impl Off {
    fn log_density_of(self, a: f64) -> f64 {
        if self.honest { -0.5 * ((a - 1.0) / 1.5_f64).powi(2) - 1.5_f64.ln() - 0.918_938_533_204_672_8 } else { 0.0 }
    }
}

impl Proposal for Off {
    fn begin<'a>(&'a self, _: &mut Stream) -> Box<dyn Guide + 'a> {
        Box::new(*self)
    }

    fn log_density(&self, trace: &Trace, _: &Addresses) -> Option<f64> {
        Some(trace.choices.iter().map(|c| self.log_density_of(c.value.as_f64().unwrap())).sum())
    }
}

impl Guide for Off {
    fn propose(&mut self, _: &Site<'_>, _: &Addresses, rng: &mut Stream) -> Result<Proposed, NoDraw> {
        let a = 1.0 + 1.5 * rng.sample::<f64, _>(StandardNormal);
        Ok(Proposed { value: Value::Real(a), log_density: self.log_density_of(a) })
    }
}

#[test]
fn whole_executions_are_accepted_by_how_likely_the_proposal_makes_them() {
    // The posterior is N(−0.8, 0.8).
    let target = target("model m { sample a ~ normal(0, 2); observe y ~ normal(a, 1); }", &["y=-1"]);
    let mean = |honest: bool| {
        let mut rng = stream(4, StreamPurpose::Chain, 0);
        let mut chain = MarkovChain::from_prior(&target.borrow(), Kernel::Mixed, &mut rng).unwrap();
        let n = 60_000;
        let mut sum = 0.0;
        for _ in 0..n {
            chain.propose_execution(&Off { honest }, &mut rng).unwrap();
            sum += chain.trace().choices[0].value.as_f64().unwrap();
        }
        sum / f64::from(n)
    };
    assert!((mean(true) + 0.8).abs() < 0.04, "{}", mean(true));
    assert!((mean(false) + 0.8).abs() > 0.15, "the test cannot tell a missing Hastings term: {}", mean(false));
}

#[test]
fn a_proposal_tells_the_density_that_it_draws_with() {
    // Of the prior itself: its density of an execution is what the execution adds.
    let target = target(BRANCHES, &["y=1.4"]);
    let mut rng = stream(4, StreamPurpose::Chain, 1);
    let mut chain = MarkovChain::from_prior(&target.borrow(), Kernel::Mixed, &mut rng).unwrap();
    for _ in 0..200 {
        chain.update(&mut rng).unwrap();
        let told = OwnDistribution.log_density(chain.trace(), chain.addresses()).unwrap();
        let wanted: f64 = chain.trace().choices.iter().map(|c| c.log_density).sum();
        assert!((told - wanted).abs() < 1e-12);
    }
}

/// Modes that one-choice moves do not get between: whole executions from the anchors do, with their exact density.
#[test]
fn metropolis_hastings_goes_between_modes_by_whole_executions() {
    let source = "model m {
        sample a ~ normal(0, 10);
        sample heads ~ bernoulli(0.3);
        sample tail ~ exponential(1);
        observe y ~ normal(a * a, 2);
        observe u ~ normal(a + (if heads then 4.0 else 0.0), 9);
        observe w ~ exponential(tail);
    }";
    let data = ["y=64", "u=3", "w=0.5"];
    let (laplace, mh) = (infer(source, &data, "laplace"), infer(source, &data, "mh"));
    assert!(laplace.certified && mh.certified, "{}, {}", laplace.reason, mh.reason);
    for name in ["a", "heads", "tail"] {
        let (exact, found) = (laplace.variable(name).unwrap(), mh.variable(name).unwrap());
        let error = exact.mcse.hypot(found.mcse);
        assert!((exact.mean - found.mean).abs() < 4.5 * error, "{name}: {} ± {error} for {}", found.mean, exact.mean);
    }
}
