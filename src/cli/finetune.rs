//! `unmask finetune`: weights that are fitted to one data set.

use std::path::PathBuf;

use clap::Args;

use super::console::{Failure, Status, note, of_network, plain};
use super::evaluate::foundation;
use super::infer::show_progress;
use super::recipe::positive;
use super::{DataArgs, ModelArgs};
use crate::foundation::{DIVERGED, FoundationError, Minibatches, TuneOptions, TuneReport};
use crate::infer::Query;
use crate::temporary::temporary_beside;
use crate::trace::annotate;

#[derive(Debug, Args)]
#[command(after_help = "The new weights answer `infer --weights FILE` on the same data.")]
pub(super) struct FinetuneArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Weights to start from, in place of those built in
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Where the new weights go
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Steps of the optimiser
    #[arg(long, value_name = "N", default_value_t = TuneOptions::default().steps,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: u64,
    /// Draws a step
    #[arg(long, value_name = "N", default_value_t = TuneOptions::default().draws as u64,
        value_parser = clap::value_parser!(u64).range(2..=4_096))]
    draws: u64,
    /// The largest learning rate
    #[arg(long, value_name = "RATE", default_value_t = TuneOptions::default().rate, value_parser = positive,
        allow_negative_numbers = true)]
    lr: f64,
    /// Train so many layers of the encoder too, from the top
    #[arg(long, value_name = "N", default_value_t = 0)]
    train_layers: usize,
    /// Learn from minibatches of so many iterations of the plate, scaled to the whole
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    plate_k: Option<u64>,
    /// Minibatches a step
    #[arg(long, value_name = "N", requires = "plate_k", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    batch: u64,
    /// Same seed, same weights
    #[arg(long, default_value_t = TuneOptions::default().seed)]
    seed: u64,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn finetune(arguments: &FinetuneArgs) -> Result<Status, Failure> {
    let weights = foundation(arguments.weights.as_deref())?;
    let model = arguments.program.model()?;
    let data = arguments.data.read()?;
    let target = model.target(&data)?;
    let wrong = |error: FoundationError| of_network(&model, "E0735", "cannot be fitted", &error);
    // Mistakes are told by what executes the program; what compiles it takes it to be right.
    let _ = annotate(&target.runtime, target.model, &target.conditions).map_err(|e| wrong(e.into()))?;
    let plated = match arguments.plate_k {
        Some(k) => Some((model.plated(&data)?, k as usize)),
        None => None,
    };
    let options = TuneOptions {
        steps: arguments.steps,
        draws: arguments.draws as usize,
        rate: arguments.lr,
        layers: arguments.train_layers,
        seed: arguments.seed,
    };
    if arguments.train_layers > weights.layers() {
        let message =
            format!("`--train-layers {}`: the encoder has {} layers", arguments.train_layers, weights.layers());
        return Err(plain("E0735", message));
    }
    // What cannot be written is told before, not after.
    temporary_beside(&arguments.output)
        .map_err(|e| plain("E0905", format!("cannot write `{}`: {}", arguments.output.display(), e.kind())))?;
    let mut reports: Vec<TuneReport> = Vec::new();
    let tuned = show_progress(arguments.quiet, |progress| {
        progress.start("fine-tune", options.steps);
        let more = |report: &TuneReport| {
            progress.advance(1);
            progress.remark(&format!("bound {:.3}", report.bound));
            reports.push(*report);
            true
        };
        match &plated {
            None => {
                let query = Query::for_anchors::<FoundationError>(target.borrow(), arguments.seed)?;
                weights.tune(&query, &options, more)
            }
            Some((plated, k)) => {
                let mut make = |index: u64| plated.minibatch_target(*k, options.seed, index);
                let mut minibatches = Minibatches {
                    make: &mut make,
                    scale: plated.len() as f64 / *k as f64,
                    is_local: &|name| plated.is_local(name),
                    batch: arguments.batch as usize,
                };
                weights.tune_plated(&target, &mut minibatches, &options, more)
            }
        }
    });
    let tuned = tuned.map_err(wrong)?;
    let (Some(first), Some(last)) = (reports.first(), reports.last()) else { return Ok(Status::Fine) };
    // Of a minibatch's few draws all may be impossible by chance.
    let some = if plated.is_some() { reports.len().div_ceil(10) } else { 1 };
    if reports.iter().rev().take(some).all(|r| r.bound == f64::NEG_INFINITY) {
        let message =
            "no draw of the last steps has positive density: a lower rate (`--lr`) may help; nothing is written";
        return Err(plain(DIVERGED, message));
    }
    tuned.save(&arguments.output).map_err(|e| plain("E0905", format!("cannot write the weights: {e}")))?;
    note(&match plated {
        None => format!(
            "evidence lower bound {:.3} to {:.3}, effective draws {:.0} to {:.0} of {}",
            first.bound, last.bound, first.ess, last.ess, options.draws
        ),
        // Each is an estimate from a few iterations.
        Some(_) => {
            let mean = |part: &[TuneReport]| {
                let finite: Vec<f64> = part.iter().map(|r| r.bound).filter(|bound| bound.is_finite()).collect();
                finite.iter().sum::<f64>() / finite.len() as f64
            };
            let (before, after) = (mean(&reports[..some]), mean(&reports[reports.len() - some..]));
            format!("evidence lower bound, estimated on minibatches of {some} steps: {before:.2} to {after:.2}")
        }
    });
    Ok(Status::Fine)
}
