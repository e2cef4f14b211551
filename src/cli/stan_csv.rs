//! Draws in the form of CmdStan's output: what `az.from_cmdstan`, R's `posterior` and others read.
//!
//! One text a chain (CmdStan User's Guide, "Stan CSV file format"): comments that say where it is from, the columns that
//! samplers have (`lp__`, ...), then variables, whose subscripts count from 1, the first running fastest. A dot in a name
//! is a colon, as in CmdStan's tuples, for dots are subscripts.

use std::fmt::Write as _;

use super::draws::{Draws, Variable};
use crate::value::{Base, format_real, unravel};

/// The text of chain number `chain`.
pub(super) fn stan_csv(draws: &Draws<'_>, chain: usize) -> String {
    let mut text = String::new();
    header(&mut text, draws, chain);
    let statistics = &draws.inferred.statistics;
    let mut columns: Vec<String> = Vec::new();
    if !statistics.is_empty() {
        let names = ["lp", "accept_stat", "stepsize", "treedepth", "n_leapfrog", "divergent", "energy"];
        columns.extend(names.map(|name| format!("{name}__")));
    }
    let orders: Vec<Vec<usize>> = draws.variables.iter().map(|v| first_fastest(&v.shape)).collect();
    for (variable, order) in draws.variables.iter().zip(&orders) {
        columns.extend(order.iter().map(|flat| column(variable, *flat)));
    }
    text.push_str(&columns.join(","));
    text.push('\n');
    let mut fields: Vec<String> = Vec::with_capacity(columns.len());
    for draw in draws.chains.get(chain).into_iter().flatten() {
        fields.clear();
        if let Some(s) = statistics.get(*draw) {
            fields.extend([
                format_real(s.log_density),
                format_real(s.acceptance),
                format_real(s.step_size),
                s.tree_depth.to_string(),
                s.leapfrog_steps.to_string(),
                u8::from(s.divergent).to_string(),
                format_real(s.energy),
            ]);
        }
        for (variable, order) in draws.variables.iter().zip(&orders) {
            let numbers = variable.numbers(*draw);
            fields.extend(order.iter().map(|flat| match variable.base {
                Base::Real => format_real(numbers[*flat]),
                Base::Int | Base::Bool => format!("{}", numbers[*flat]),
            }));
        }
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn header(text: &mut String, draws: &Draws<'_>, chain: usize) {
    let inferred = draws.inferred;
    let mut line = |content: String| {
        // Reasons may quote anything.
        let _ = writeln!(text, "# {}", content.replace(['\n', '\r'], " "));
    };
    line(format!("unmask_version = {}", env!("CARGO_PKG_VERSION")));
    line(format!("model = {}", inferred.model));
    line(format!("method = {}", inferred.method));
    line(format!("certified = {}", inferred.certified));
    line(format!("reason: {}", inferred.reason));
    line(format!("num_samples = {}", draws.chains.get(chain).map_or(0, Vec::len)));
    line("save_warmup = 0".to_owned());
    line(format!("id = {}", chain + 1));
    line(format!("seed = {}", inferred.seed));
    if let Some(count) = draws.resampled {
        line(format!("resampled to equal weights from {count} weighted draws: some occur more than once"));
    }
}

/// Row-major positions in the order in which the first subscript runs fastest.
fn first_fastest(shape: &[usize]) -> Vec<usize> {
    let size: usize = shape.iter().product();
    let mut order: Vec<(Vec<usize>, usize)> = (0..size)
        .map(|flat| {
            let mut subscripts = unravel(shape, flat);
            subscripts.reverse();
            (subscripts, flat)
        })
        .collect();
    order.sort();
    order.into_iter().map(|(_, flat)| flat).collect()
}

fn column(variable: &Variable<'_>, flat: usize) -> String {
    let mut name = variable.name.replace('.', ":");
    for subscript in unravel(&variable.shape, flat) {
        let _ = write!(name, ".{}", subscript + 1);
    }
    name
}
