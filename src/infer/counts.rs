//! Discrete variables with many values, or infinitely many: which of them the paths of a compiled density hold.
//!
//! Executions of the prior say where a variable is, their densities on each path whether the values at the ends of its window
//! may still count; if so the window grows. An engine whose draws reach the end of a window is not certified ([`cut_off`]).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::anchors::prior_draws;
use super::proposal::OwnDistribution;
use super::stream::{StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::{Generator, Ledger, Trace};
use crate::density::{self, CompileError, CompileOptions, Compiled, Edge, Evaluator as _, Side, Window, Windows};

/// Executions of the prior that say where a variable is, and those whose densities are looked at on every path.
const EXECUTIONS: usize = 256;
const JUDGES: usize = 48;

/// Paths that there may be where variables have windows.
const PATHS: usize = 512;

/// Values added on both sides of those drawn, at least.
const MARGIN: i64 = 4;

/// Values at the end of a window count no more where their log density is this far below the best, for every judge.
const NEGLIGIBLE: f64 = 35.0;

/// Compiles the density of a target, with windows for the variables that need them.
///
/// # Errors
/// As [`density::compile`]; [`CompileError::ManyValues`] also where no window was found.
pub(super) fn compile(target: &TargetRef<'_>, options: CompileOptions) -> Result<Compiled, CompileError> {
    let mut windows = Windows::default();
    let mut smaller: Option<Compiled> = None;
    // A variable that needed a window last.
    let mut asked = None;
    // Windows need not grow.
    let mut settled = false;
    loop {
        let widened = CompileOptions { max_paths: options.max_paths.max(PATHS), ..options };
        let options = if windows.is_empty() { options } else { widened };
        let compiled = match density::compile(target.runtime, target.model, target.conditions, options, &windows) {
            Err(CompileError::ManyValues { name, span }) => {
                let window = drawn(target, &name).ok_or(CompileError::ManyValues { name: name.clone(), span })?;
                windows.insert(name.clone(), window);
                asked = Some((name, span));
                continue;
            }
            Err(CompileError::TooManyPaths) if smaller.is_some() => None,
            // No value within the windows is possible.
            Err(CompileError::Impossible) if asked.is_some() => {
                for window in windows.values_mut() {
                    widen(window, Side::Below);
                    widen(window, Side::Above);
                }
                continue;
            }
            Err(CompileError::TooManyPaths) => match asked {
                Some((name, span)) => return Err(CompileError::ManyValues { name, span }),
                None => return Err(CompileError::TooManyPaths),
            },
            other => Some(other?),
        };
        let Some(compiled) = compiled else { return smaller.ok_or(CompileError::TooManyPaths) };
        if windows.is_empty() || settled || !adjust(target, &compiled, &mut windows, &mut settled) {
            return Ok(compiled);
        }
        smaller = Some(compiled);
    }
}

/// Doubles a window on one side.
fn widen(window: &mut Window, side: Side) {
    let width = window.last.saturating_sub(window.first).saturating_add(1);
    match side {
        Side::Below => window.first = window.first.saturating_sub(width),
        Side::Above => window.last = window.last.saturating_add(width),
    }
}

/// The values of a variable in executions of the prior, and as far again on both sides; `None` where there are none.
fn drawn(target: &TargetRef<'_>, name: &Arc<str>) -> Option<Window> {
    let generator = Generator { engine: "prior", proposal: &OwnDistribution, weigh: false, choices: None };
    let mut machine = target.machine();
    let mut rng = stream(0, StreamPurpose::Counts, 0);
    let (mut trace, mut ledger) = (Trace::default(), Ledger::default());
    let mut found: Option<Window> = None;
    for _ in 0..EXECUTIONS {
        generator.run(&mut machine, &mut rng, &mut trace, &mut ledger).ok()?;
        for choice in &trace.choices {
            let own = machine.addresses().parts(choice.address);
            if own.is_none_or(|(variable, _)| machine.addresses().name(variable) != name) {
                continue;
            }
            if let Some(value) = choice.value.as_int() {
                let window = found.get_or_insert(Window { first: value, last: value });
                (window.first, window.last) = (window.first.min(value), window.last.max(value));
            }
        }
    }
    found.map(|Window { first, last }| {
        let margin = (last.saturating_sub(first) / 2).saturating_add(MARGIN);
        Window { first: first.saturating_sub(margin), last: last.saturating_add(margin) }
    })
}

/// Widens windows at whose ends values may count. Where there are none (`settled`), cuts off values whose density is zero, but
/// for one at each end: draws there would tell that the others matter. Whether any window changed.
fn adjust(target: &TargetRef<'_>, compiled: &Compiled, windows: &mut Windows, settled: &mut bool) -> bool {
    let rng = &mut stream(0, StreamPurpose::Counts, 1);
    let Ok(prior) = prior_draws(target, compiled, JUDGES, rng) else { return false };
    let best = |path: usize| {
        let structure = compiled.structure(path);
        let mut order: Vec<usize> = structure.latents.iter().flat_map(|l| l.coordinates.iter().copied()).collect();
        order.sort_unstable();
        let density = compiled.path_density(path, &order);
        let mut evaluator = density.on_tape();
        let judged = prior.draws.iter().map(|draw| {
            let all = prior.filled(draw);
            evaluator.value(&order.iter().map(|i| all[*i]).collect::<Vec<f64>>())
        });
        judged.filter(|log_density| !log_density.is_nan()).fold(f64::NEG_INFINITY, f64::max)
    };
    let best: Vec<f64> = (0..compiled.paths()).map(best).collect();
    let top = best.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return false;
    }
    let counting = |path: &usize| best[*path] > top - NEGLIGIBLE;
    let reached: Vec<&Edge> = (0..best.len()).filter(counting).flat_map(|path| compiled.edges(path)).collect();
    for (name, window) in windows.iter_mut() {
        for side in [Side::Below, Side::Above] {
            if reached.iter().any(|edge| edge.side == side && edge.variable == *name) {
                widen(window, side);
            }
        }
    }
    *settled = reached.is_empty();
    if !*settled {
        return true;
    }
    let before = windows.clone();
    let possible = |path: &usize| best[*path] > f64::NEG_INFINITY;
    let latents: Vec<_> = (0..best.len()).filter(possible).flat_map(|path| compiled.structure(path).latents).collect();
    for (name, window) in windows.iter_mut() {
        let own = latents.iter().filter(|latent| compiled.addresses().name(latent.key.0) == name);
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for value in own.filter_map(|latent| latent.held) {
            (first, last) = (first.min(value), last.max(value));
        }
        if first <= last {
            window.first = window.first.max(first.saturating_sub(1));
            window.last = window.last.min(last.saturating_add(1));
        }
    }
    *windows != before
}

/// What refuses a certificate: draws at the end of a window, beyond which there are values that no path holds.
pub(super) fn cut_off(compiled: &Compiled, points: &[(usize, Vec<f64>)]) -> Option<String> {
    let mut seen: FxHashMap<usize, ()> = FxHashMap::default();
    let mut paths = points.iter().map(|(path, _)| *path).filter(|path| seen.insert(*path, ()).is_none());
    let edge = paths.find_map(|path| compiled.edges(path).first())?;
    let Edge { variable, value, side } = edge;
    Some(match side {
        Side::Below => format!("`{variable}` may be below {value}, the least value that was looked at"),
        Side::Above => format!("`{variable}` may be above {value}, the largest value that was looked at"),
    })
}
