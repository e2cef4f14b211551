//! The network on programs: heads, densities of draws, training, weights, and the rung of the ladder.

mod answers;
mod encodings;
mod heads;
mod training;

use unmask::foundation::{AnchorKind, Encoding, Foundation, Shape, TrainOptions, Trainer, Vocabulary};
use unmask::infer::Target;
use unmask::network::AdamOptions;
use unmask::{Data, Model};

fn target(source: &str, data: &[&str]) -> Target {
    let data = data.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    Model::from_source("foundation.ppl", source).unwrap().target(&data).unwrap()
}

/// A network of a few thousand parameters.
const SMALL: Shape = Shape::Compact { width: 16, layers: 1, context: 1_024 };

pub(crate) fn small(anchors: AnchorKind, seed: u64) -> Foundation {
    Foundation::untrained(Encoding::Lexeme(Vocabulary::lexeme(&["rosenbrock"])), anchors, SMALL, seed).unwrap()
}

fn options(steps: u64, rate: f64) -> TrainOptions {
    TrainOptions {
        batch: 8,
        buckets: 1,
        examples: None,
        adam: AdamOptions { rate, warmup: 2, total: steps, clip: 1.0 },
        alpha: 1.0,
        language: true,
        corrupted: 0.125,
        cut: 0.0,
        layers: None,
        heldout: 32,
        seed: 3,
        programs: vec!["test".into()],
    }
}

/// Weights that are wrong in every way: a few steps much too large.
fn spoilt(targets: &[Target], anchors: AnchorKind) -> Foundation {
    let mut trainer = Trainer::new(small(anchors, 1), targets.to_vec(), options(100, 0.02)).unwrap();
    for _ in 0..6 {
        trainer.step().unwrap();
    }
    trainer.into_foundation()
}

const PROGRAMS: [&str; 6] = [
    // Truncated pieces.
    "model m { given s ~ uniform(1, 3); sample g ~ normal(0, 5); sample t ~ normal(0, 2);
       let c = if t > 0 then g else -g; observe y ~ normal(c, s); }",
    // A discrete latent, a branch, and a barren variable.
    "model m { sample k ~ bernoulli(0.3); if k == 1 { sample a ~ normal(4, 1); observe y ~ normal(a, 1); }
       else { observe y ~ normal(-1, 2); } sample free ~ gamma(2, 3); }",
    // A positive scale.
    "model m { sample s ~ half_normal(2); sample z ~ normal(0, s); observe y ~ normal(z, 0.5); }",
    // A simplex.
    "model m { sample w ~ dirichlet([2, 1, 3]); observe k ~ categorical(w); observe j ~ categorical(w); }",
    // An interval.
    "model m { sample p ~ beta(2, 2); observe k ~ binomial(9, p); }",
    // Several coordinates that depend on each other.
    "model m { sample a ~ normal(0, 2); sample b ~ normal(a * a, 1); sample c ~ normal(b - a, 1); observe y ~ normal(c, 0.7); }",
];
