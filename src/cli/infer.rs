//! `unmask infer`: the posterior of a model, as a table or as JSON.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::console::{Failure, Status, output, plain, tell, write_file};
use super::{InferArgs, json, report};
use crate::diagnostic::Diagnostic;
use crate::infer::{InferOptions, Method, Progress, Silent};

pub(super) fn infer(arguments: &InferArgs) -> Result<Status, Failure> {
    let method = Method::named(&arguments.method).map_err(|error| plain("E0705", Diagnostic::from(&error).message))?;
    let count = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let options = InferOptions {
        method,
        draws: count(arguments.draws),
        warmup: count(arguments.warmup),
        chains: count(arguments.chains),
        seed: arguments.seed,
        budget: arguments.budget,
    };
    let model = arguments.program.model()?;
    let data = arguments.data.read()?;
    let mut bar = Bar { bar: None };
    let show = !arguments.quiet && io::stderr().is_terminal();
    let progress: &mut dyn Progress = if show { &mut bar } else { &mut Silent };
    let answer = model.infer_with(&data, &options, progress);
    bar.clear();
    let (inferred, sources) = answer?;
    tell(&inferred.warnings, &sources);
    let text = if arguments.json { json::json(&inferred) } else { report::table(&inferred, arguments.all) };
    match &arguments.output {
        Some(path) => write_file(path, |to| Ok(to.write_all(text.as_bytes())?))?,
        None => {
            let mut out = output();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(if inferred.certified { Status::Fine } else { Status::NotCertified })
}

/// A bar for each stage.
struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn start(&mut self, stage: &str, total: u64) {
        self.clear();
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        let template =
            if total == 0 { "{prefix} {spinner} {pos}" } else { "{prefix} {bar:30} {pos}/{len} {eta} left  {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.bar = Some(bar);
    }

    fn advance(&mut self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
        }
    }

    fn remark(&mut self, remark: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(remark.to_owned());
        }
    }
}
