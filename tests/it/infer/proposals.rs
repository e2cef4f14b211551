//! Importance sampling from proposals of one's own, and what the certificate makes of bad ones.

use rand::RngExt as _;
use rand_distr::StandardNormal;
use unmask::infer::{Guide, InferOptions, NoDraw, OwnDistribution, Proposal, Proposed, Stream};
use unmask::runtime::{Addresses, Site};
use unmask::value::Value;
use unmask::{Data, Model};

/// A normal for `a`; everything else from its own distribution.
#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    sd: f64,
    /// Only values above the mean.
    upper_half: bool,
}

impl Proposal for Normal {
    fn begin<'a>(&'a self, _: &mut Stream) -> Box<dyn Guide + 'a> {
        Box::new(*self)
    }
}

impl Guide for Normal {
    fn propose(&mut self, site: &Site<'_>, addresses: &Addresses, rng: &mut Stream) -> Result<Proposed, NoDraw> {
        if addresses.display(site.address).to_string() != "a" {
            return OwnDistribution.propose(site, addresses, rng);
        }
        let e: f64 = rng.sample(StandardNormal);
        let e = if self.upper_half { e.abs() } else { e };
        let log_density = -0.5 * e * e - (self.sd * 2.506_628_274_631_000_5).ln();
        let log_density = if self.upper_half { log_density + 2.0_f64.ln() } else { log_density };
        Ok(Proposed { value: Value::Real(self.mean + self.sd * e), log_density })
    }
}

const SOURCE: &str = "model m { sample a ~ normal(0, 3); observe y ~ normal(a, 1); }";

fn options() -> InferOptions {
    InferOptions { draws: Some(4_000), seed: 2, ..InferOptions::default() }
}

fn infer(proposal: Normal) -> unmask::infer::Inferred {
    let model = Model::from_source("proposals.ppl", SOURCE).unwrap();
    model.infer_from(&Data::new().with_assignment("y=2"), &proposal, &options()).unwrap()
}

#[test]
fn a_good_proposal_is_certified_and_right() {
    // The posterior is N(1.8, 0.9).
    let found = infer(Normal { mean: 1.5, sd: 1.2, upper_half: false });
    let a = found.variable("a").unwrap();
    assert!(found.certified, "{}", found.reason);
    assert!((a.mean - 1.8).abs() < 4.5 * a.mcse && (a.sd - 0.9_f64.sqrt()).abs() < 0.05, "{} {}", a.mean, a.sd);
    let exact = -0.5 * 4.0 / 10.0 - 0.5 * (2.0 * std::f64::consts::PI * 10.0).ln();
    assert!((found.log_evidence.unwrap() - exact).abs() < 4.5 * found.log_evidence_error.unwrap());
}

#[test]
fn a_proposal_that_misses_half_of_the_posterior_is_refused() {
    // Its weights are as good as constant: only the density itself tells.
    let found = infer(Normal { mean: 1.8, sd: 0.95, upper_half: true });
    assert!(found.k_hat.is_none_or(|k| k < 0.7), "{:?}", found.k_hat);
    assert!(!found.certified && found.reason.contains("too few draws"), "{}", found.reason);
}

#[test]
fn a_proposal_that_misses_a_mode_is_refused() {
    let source = "model m { sample a ~ normal(0, 3); observe y ~ normal(a * a, 1); }";
    let model = Model::from_source("proposals.ppl", source).unwrap();
    let proposal = Normal { mean: 3.0, sd: 0.3, upper_half: false };
    let found = model.infer_from(&Data::new().with_assignment("y=9"), &proposal, &options()).unwrap();
    assert!(!found.certified, "{}", found.reason);
    assert!(found.reason.contains("1 mode of the posterior"), "{}", found.reason);
}
