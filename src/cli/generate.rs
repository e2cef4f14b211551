//! `unmask generate`: random programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use rayon::prelude::*;

use super::console::{Failure, Status, plain};
use super::infer::write_text;
use super::report::{Align, columns};
use crate::api::{Data, Model, TraceOptions};
use crate::generator::{FAMILIES, Family, generate};
use crate::infer::{InferOptions, Method};

/// Seconds after which an answer counts as refused.
const LONG: f64 = 10.0;

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// How many programs
    #[arg(short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    n: u64,
    /// Programs of this family alone
    #[arg(long, value_name = "NAME",
        value_parser = PossibleValuesParser::new(FAMILIES.iter().map(|f| PossibleValue::new(f.name).help(f.help))))]
    family: Option<String>,
    /// Same seed, same programs
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Instead of programs, how hard each family is: the share of N programs with simulated data that `laplace` alone certifies
    #[arg(long, conflicts_with = "output")]
    difficulty: bool,
    /// Write each program to a file of this folder, which is made
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn generate_programs(arguments: &GenerateArgs) -> Result<Status, Failure> {
    if arguments.difficulty {
        return write_text(None, &difficulty(arguments)).map(|()| Status::Fine);
    }
    let programs = (0..arguments.n).map(|i| (i, generate(arguments.seed, i, arguments.family.as_deref())));
    if let Some(folder) = &arguments.output {
        std::fs::create_dir_all(folder).map_err(|error| {
            let what =
                if folder.is_file() { "it is a file, not a folder".to_owned() } else { error.kind().to_string() };
            plain("E0905", format!("cannot write to `{}`: {what}", folder.display()))
        })?;
        for (i, program) in programs {
            write_text(Some(&folder.join(format!("{i:06}_{}.ppl", program.family))), &program.source)?;
        }
        return Ok(Status::Fine);
    }
    let mut text = String::new();
    for (i, program) in programs {
        let _ = write!(text, "{}// {i}: {}\n{}", if i == 0 { "" } else { "\n" }, program.family, program.source);
    }
    write_text(None, &text)?;
    Ok(Status::Fine)
}

/// A table of families: how many programs were answered, and which share is certified.
fn difficulty(arguments: &GenerateArgs) -> String {
    let named = |f: &&Family| arguments.family.as_deref().is_none_or(|name| name == f.name);
    let mut rows = vec![vec!["family".into(), "programs".into(), "certified".into()]];
    for family in FAMILIES.iter().filter(named) {
        let answer = |i| certified_by_laplace(&generate(arguments.seed, i, Some(family.name)).source, i);
        let answers: Vec<bool> = (0..arguments.n).into_par_iter().filter_map(answer).collect();
        let certified = answers.iter().filter(|certified| **certified).count();
        let share = format!("{:.0} %", 100.0 * certified as f64 / answers.len().max(1) as f64);
        rows.push(vec![family.name.into(), answers.len().to_string(), share]);
    }
    let mut text = String::new();
    columns(&mut text, &rows, |c, _| if c == 0 { Align::Left } else { Align::Right });
    text
}

/// Whether `laplace` alone certifies an answer to a program's own simulated data; `None` where there are none.
fn certified_by_laplace(source: &str, seed: u64) -> Option<bool> {
    let model = Model::from_source("generated.ppl", source).ok()?;
    let (traces, _, _) = model.trace(&Data::new(), &TraceOptions { seed, ..TraceOptions::default() }).ok()?;
    let query = Model::from_source("query.ppl", &traces.first()?.text()).ok()?;
    let method = Method::named("laplace").ok()?;
    let options = InferOptions { method, budget: Some(LONG), seed, ..InferOptions::default() };
    Some(query.infer(&Data::new(), &options).is_ok_and(|answer| answer.certified))
}
