//! `unmask generate`: random programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::console::{Failure, Status, plain};
use super::infer::write_text;
use crate::generator::{FAMILIES, generate};

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
    /// Write each program to a file of this folder, which is made
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn generate_programs(arguments: &GenerateArgs) -> Result<Status, Failure> {
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
