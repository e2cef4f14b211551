//! Draws from the prior given the known givens and samples: what is believed before the observations.

use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::importance::{Draws, generate};
use super::proposal::OwnDistribution;
use super::target::TargetRef;
use super::trace::Generator;

pub(super) const ENGINE: Engine =
    Engine { name: "prior", summary: "draws before the observations are taken into account", run };

/// Draws where the caller names no number.
const DRAWS: usize = 4_000;

fn run(target: &TargetRef<'_>, options: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    let generator = Generator { engine: ENGINE.name, proposal: &OwnDistribution, weigh: false, choices: None };
    let draws = options.draws.unwrap_or(DRAWS);
    let Draws { record, observed, .. } = generate(target, &generator, 0..draws, options.seed, progress)?;
    let held = !observed;
    let reason = if held {
        "nothing is observed: the prior is the answer"
    } else {
        "the observations are not taken into account"
    };
    Ok(Sampled::new(record, held, reason.into()))
}
