//! `unmask finetune`: weights that are fitted to one data set.

use super::FinetuneArgs;
use super::console::{Failure, Status, note, plain};
use super::evaluate::foundation;
use super::infer::show_progress;
use crate::foundation::{FoundationError, TuneOptions};
use crate::infer::Query;

pub(super) fn finetune(arguments: &FinetuneArgs) -> Result<Status, Failure> {
    let weights = foundation(arguments.weights.as_deref())?;
    let model = arguments.program.model()?;
    let target = model.target(&arguments.data.read()?)?;
    let wrong = |error: FoundationError| plain("E0735", format!("`{}` cannot be fitted: {error}", model.name()));
    let query = Query::for_anchors::<FoundationError>(target.borrow(), arguments.seed).map_err(wrong)?;
    let options = TuneOptions {
        steps: arguments.steps,
        draws: arguments.draws as usize,
        rate: arguments.lr,
        layers: arguments.train_layers,
        seed: arguments.seed,
    };
    let (mut first, mut last) = (None, None);
    let tuned = show_progress(arguments.quiet, |progress| {
        progress.start("fine-tune", options.steps);
        weights.tune(&query, &options, |report| {
            progress.advance(1);
            progress.remark(&format!("bound {:.3}, {:.0} effective draws", report.bound, report.ess));
            first.get_or_insert(*report);
            last = Some(*report);
            true
        })
    });
    tuned.map_err(wrong)?.save(&arguments.output).map_err(wrong)?;
    if let (Some(first), Some(last)) = (first, last) {
        note(&format!(
            "evidence lower bound {:.3} to {:.3}, effective draws {:.0} to {:.0} of {}",
            first.bound, last.bound, first.ess, last.ess, options.draws
        ));
    }
    Ok(Status::Fine)
}
