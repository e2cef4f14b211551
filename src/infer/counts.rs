//! Discrete variables with many values, or infinitely many: which of them the paths of a compiled density hold.
//!
//! Distributions in executions of the prior say where a variable may be, their densities on each path whether the values at the ends
//! of its window may still count; if so the window grows. An engine is not certified where the window should have grown further, or
//! where draws reach its end ([`cut_off`]).

use std::sync::Arc;

use super::anchors::prior_draws;
use super::proposal::OwnDistribution;
use super::stream::{StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::{Generator, Ledger, Trace};
use crate::density::{self, CompileError, CompileOptions, Compiled, Edge, Evaluator as _, Side, Window, Windows};
use crate::dist::Support;
use crate::runtime::Law;

/// Executions of the prior that say where a variable is, and those whose densities are looked at on every path.
const EXECUTIONS: usize = 256;
const JUDGES: usize = 48;

/// Paths that there may be where variables have windows.
const PATHS: usize = 512;

/// Values added on both sides of those drawn, at least.
const MARGIN: i64 = 4;

/// Values at the end of a window count no more where their log density is this far below the best, for every judge; where the
/// window cannot grow, what is this far below may be left out.
const NEGLIGIBLE: f64 = 35.0;
const LITTLE: f64 = 14.0;

/// The log probability, under the prior of an execution, of the values beyond the window at each end; and the width from which on
/// what executions drew must do.
const TAIL: f64 = -35.0;
const WIDE: i64 = 384;

/// Times that a program is compiled, at most.
const ROUNDS: usize = 16;

/// Compiles the density of a target, with windows for the variables that need them.
///
/// # Errors
/// As [`density::compile`]; [`CompileError::ManyValues`] also where no window was found.
pub(super) fn compile(target: &TargetRef<'_>, options: CompileOptions) -> Result<Compiled, CompileError> {
    let mut windows = Windows::default();
    let mut smaller: Option<Compiled> = None;
    // A variable that needed a window last.
    let mut asked = None;
    // Windows of what was drawn alone, where those of all that is possible are too wide together.
    let mut narrow = Some(Windows::default());
    for round in 1.. {
        let widened = CompileOptions { max_paths: options.max_paths.max(PATHS), ..options };
        let options = if windows.is_empty() { options } else { widened };
        match density::compile(target.runtime, target.model, target.conditions, options, &windows) {
            Err(CompileError::ManyValues { name, span }) if !windows.contains_key(&name) => {
                let (drawn, possible) =
                    of_prior(target, &name).ok_or(CompileError::ManyValues { name: name.clone(), span })?;
                windows.insert(name.clone(), if narrow.is_some() { possible.unwrap_or(drawn) } else { drawn });
                if let Some(narrow) = &mut narrow {
                    narrow.insert(name.clone(), drawn);
                }
                asked = Some((name, span));
            }
            // No value within the windows is possible.
            Err(CompileError::Impossible) if asked.is_some() && round < ROUNDS => {
                for window in windows.values_mut() {
                    widen(window, Side::Below);
                    widen(window, Side::Above);
                }
            }
            Err(CompileError::TooManyPaths) => match (smaller.take(), narrow.take(), &asked) {
                (Some(compiled), ..) => return Ok(compiled),
                (None, Some(narrow), Some(_)) => windows = narrow,
                (None, None, Some((name, span))) => {
                    return Err(CompileError::ManyValues { name: name.clone(), span: *span });
                }
                (None, _, None) => return Err(CompileError::TooManyPaths),
            },
            Err(other) => return Err(other),
            Ok(mut compiled) => {
                if windows.is_empty() {
                    return Ok(compiled);
                }
                let before = windows.clone();
                let (beyond, is_settled) = adjust(target, &compiled, &mut windows);
                compiled.leave_beyond(beyond);
                if windows == before || round >= ROUNDS {
                    return Ok(compiled);
                }
                // What was only cut is at the end.
                smaller = if is_settled { None } else { Some(compiled) };
            }
        }
    }
    Err(CompileError::TooManyPaths)
}

/// Doubles a window on one side, up to as many values as there may be paths; beyond, it is too wide to be compiled.
fn widen(window: &mut Window, side: Side) {
    let width = window.last.saturating_sub(window.first).saturating_add(1);
    let most = PATHS as i64;
    let width = if width < most { width.min(most - width) } else { width };
    match side {
        Side::Below => window.first = window.first.saturating_sub(width),
        Side::Above => window.last = window.last.saturating_add(width),
    }
}

/// How far a tail goes from `value` upwards (`step` 1) or downwards (−1): to where `tail` is negligible, at most [`WIDE`].
fn end(value: i64, step: i64, tail: impl Fn(f64) -> Option<f64>) -> i64 {
    let at = |distance: i64| value.saturating_add(step.saturating_mul(distance));
    let is_beyond = |distance: i64| tail(at(distance) as f64).is_none_or(|log| log < TAIL);
    let (mut within, mut beyond) = (0, 1);
    while !is_beyond(beyond) {
        if beyond >= WIDE {
            return at(WIDE);
        }
        (within, beyond) = (beyond, 2 * beyond);
    }
    while beyond - within > 1 {
        let middle = (within + beyond) / 2;
        if is_beyond(middle) { beyond = middle } else { within = middle }
    }
    at(beyond)
}

/// The values of a variable that executions of the prior drew, and half as far again on both sides; and those that they hold
/// possible, all but a negligible tail of each one's distribution, where these are few enough to look at. `None` where there are
/// none.
fn of_prior(target: &TargetRef<'_>, name: &Arc<str>) -> Option<(Window, Option<Window>)> {
    let generator = Generator { engine: "prior", proposal: &OwnDistribution, weigh: false, choices: None };
    let mut machine = target.machine();
    let mut rng = stream(0, StreamPurpose::Counts, 0);
    let (mut trace, mut ledger) = (Trace::default(), Ledger::default());
    let (mut found, mut possible, mut support): (Option<Window>, Option<Window>, Option<Window>) = (None, None, None);
    let include = |window: &mut Option<Window>, first: i64, last: i64| {
        let window = window.get_or_insert(Window { first, last });
        (window.first, window.last) = (window.first.min(first), window.last.max(last));
    };
    for _ in 0..EXECUTIONS {
        generator.run(&mut machine, &mut rng, &mut trace, &mut ledger).ok()?;
        for choice in &trace.choices {
            let own = machine.addresses().parts(choice.address);
            if own.is_none_or(|(variable, _)| machine.addresses().name(variable) != name) {
                continue;
            }
            if let (Some(value), Law::Family(distribution)) = (choice.value.as_int(), &choice.law) {
                include(&mut found, value, value);
                if let Support::Integers { lower, upper } = distribution.support() {
                    include(&mut support, lower, upper.unwrap_or(i64::MAX));
                }
                let first = end(value, -1, |k| distribution.log_cdf(k));
                let last = end(value, 1, |k| distribution.log_survival(k));
                include(&mut possible, first, last);
            }
        }
    }
    let few = possible.filter(|window| window.last.saturating_sub(window.first) < WIDE);
    let Window { first, last } = found?;
    let margin = (last.saturating_sub(first) / 2).saturating_add(MARGIN);
    let support = support.unwrap_or(Window { first: i64::MIN, last: i64::MAX });
    let first = first.saturating_sub(margin).max(support.first);
    Some((Window { first, last: last.saturating_add(margin).min(support.last) }, few))
}

/// Widens windows at whose ends values may count. Where there are none, cuts off values whose density is zero, but for one at each
/// end: draws there would tell that the others matter. Also gives an end beyond which there may be what is worth a certificate, and
/// whether no window had to grow.
fn adjust(target: &TargetRef<'_>, compiled: &Compiled, windows: &mut Windows) -> (Option<Edge>, bool) {
    let any = || (0..compiled.paths()).find_map(|path| compiled.edges(path).first()).cloned();
    let rng = &mut stream(0, StreamPurpose::Counts, 1);
    let Ok(prior) = prior_draws(target, compiled, JUDGES, rng) else { return (any(), false) };
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
        return (any(), false);
    }
    let within = |nats: f64| -> Vec<&Edge> {
        let paths = (0..best.len()).filter(|path| best[*path] > top - nats);
        paths.flat_map(|path| compiled.edges(path)).collect()
    };
    let reached = within(NEGLIGIBLE);
    if !reached.is_empty() {
        for (name, window) in windows.iter_mut() {
            for side in [Side::Below, Side::Above] {
                if reached.iter().any(|edge| edge.side == side && edge.variable == *name) {
                    widen(window, side);
                }
            }
        }
        return (within(LITTLE).first().map(|edge| (*edge).clone()), false);
    }
    let latents: Vec<_> = (0..best.len())
        .filter(|path| best[*path] > f64::NEG_INFINITY)
        .flat_map(|path| compiled.structure(path).latents)
        .collect();
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
    (None, true)
}

/// What refuses a certificate: a window beyond which values may count, or draws at the end of one.
pub(super) fn cut_off(compiled: &Compiled, points: &[(usize, Vec<f64>)]) -> Option<String> {
    let edge = compiled.beyond().or_else(|| points.iter().find_map(|(path, _)| compiled.edges(*path).first()))?;
    let Edge { variable, value, side } = edge;
    Some(match side {
        Side::Below => format!("`{variable}` may be below {value}, the least value that was looked at"),
        Side::Above => format!("`{variable}` may be above {value}, the largest value that was looked at"),
    })
}
