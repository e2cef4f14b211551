//! The command line: arguments, files, printing. Everything else is in the modules below it.

mod attend;
mod console;
mod doc;
mod draws;
mod embed;
mod evaluate;
mod explain;
mod finetune;
mod format;
mod generate;
mod geweke;
mod infer;
mod json;
mod recipe;
mod render;
mod report;
mod reproduce;
mod sbc;
mod simulate;
mod stan_csv;
mod trace;
mod train;
mod zarr;

pub use render::render;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::api::{Builder, Data, Model, Script};
use crate::check;
use crate::foundation::Decode;
use crate::infer::{CalibrationOptions, GewekeOptions, InferOptions, Method};
use crate::runtime::Limits;
use crate::span::{FileId, SourceMap};
use crate::syntax;
use crate::trace::Mask;
use console::{Failure, Status, output, plain, read, tell};
use recipe::TrainArgs;

/// A small probabilistic programming language.
#[derive(Debug, Parser)]
#[command(name = "unmask", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Parse and check a program
    Check(CheckArgs),
    /// Format programs in place, and list those that changed
    Fmt(FormatArgs),
    /// Execute a program's script
    Run(ProgramArgs),
    /// The posterior of a model, given data
    Infer(Box<InferArgs>),
    /// Draw executions of a model, as JSON lines or CSV
    Simulate(SimulateArgs),
    /// Executions as annotated, masked straight-line programs: what a network learns from
    Trace(Box<TraceArgs>),
    /// Random programs: what a network learns from to answer programs that it has not seen
    Generate(generate::GenerateArgs),
    /// Train a network to fill in what is masked of programs' executions
    Train(Box<TrainArgs>),
    /// Fit weights to one data set
    Finetune(Box<finetune::FinetuneArgs>),
    /// The quality of weights on programs, beside the exact posterior
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// What a network reads of a query while it reads it: attention, text against text
    Attend(Box<attend::AttendArgs>),
    /// What the network makes of a program, as numbers for models of your own
    Embed(embed::EmbedArgs),
    /// Check an engine on data that the model makes: simulation-based calibration
    Sbc(Box<SbcArgs>),
    /// Check the kernel of Metropolis-Hastings on a model: Geweke's joint-distribution test
    Geweke(Box<GewekeArgs>),
    /// The tables and figures of Wu and Goodman (2022), and an ablation
    Reproduce(Box<reproduce::ReproduceArgs>),
    /// Look up a distribution, function or library item; without a name, all of them
    Doc(DocArgs),
}

#[derive(Debug, Args)]
struct ProgramArgs {
    /// The program (`-`: standard input)
    file: PathBuf,
    /// Look for imports in this directory too (also: the path list UNMASK_LIB)
    #[arg(long = "lib", value_name = "DIR")]
    libraries: Vec<PathBuf>,
    /// How deep calls may nest
    #[arg(long, value_name = "N", default_value_t = Limits::default().depth as u64,
        value_parser = clap::value_parser!(u64).range(1..=100_000))]
    max_depth: u64,
}

#[derive(Debug, Args)]
struct ModelArgs {
    #[command(flatten)]
    program: ProgramArgs,
    /// Which model of the file
    #[arg(long = "model", value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
struct SuppliedArgs {
    /// Data: a JSON file, a line of a JSON Lines file (`cases.jsonl:3`), or NAME=VALUE (`y=[1, 2, ?]`, `y[2]=1.5`)
    #[arg(short, long = "data", value_name = "FILE|NAME=VALUE", allow_hyphen_values = true)]
    data: Vec<String>,
}

#[derive(Debug, Args)]
struct DataArgs {
    #[command(flatten)]
    supplied: SuppliedArgs,
    /// Infer this variable, or element (`theta[2]`), whatever its role
    #[arg(long = "mask", value_name = "NAME")]
    masks: Vec<String>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    program: ProgramArgs,
    /// Print a stage of the compiler
    #[arg(long, value_name = "STAGE")]
    emit: Option<Stage>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stage {
    Tokens,
    Ast,
    Core,
}

#[derive(Debug, Args)]
struct FormatArgs {
    /// The programs (`-`: from standard input to standard output)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Change nothing; fail where something would change
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DrawFormat {
    Csv,
    Jsonl,
}

#[derive(Debug, Args)]
struct SimulateArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// How many executions
    #[arg(short, value_name = "N", default_value_t = 1)]
    n: usize,
    /// Same seed, same draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// By default what the name of the output says, else jsonl
    #[arg(long)]
    format: Option<DrawFormat>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct TraceArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: SuppliedArgs,
    /// How many executions
    #[arg(short, value_name = "N", default_value_t = 1)]
    n: usize,
    /// What is hidden (`@ ?`)
    #[arg(long, default_value = "role", value_parser = named(Mask::ALL))]
    mask: Mask,
    /// Same seed, same executions
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Round each real to so many significant digits as it is drawn
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=17))]
    digits: Option<u8>,
    /// One JSON object an execution: its program, the text that a network reads, what is masked, all values
    #[arg(long)]
    jsonl: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How the network decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DecodeArg {
    /// The program is read once, a light decoder draws
    Light,
    /// Each value is put into the text, which is then read anew: slow, for comparison
    Reencode,
}

impl From<DecodeArg> for Decode {
    fn from(decode: DecodeArg) -> Self {
        match decode {
            DecodeArg::Light => Self::Light,
            DecodeArg::Reencode => Self::Reencode,
        }
    }
}

/// One of a table of names with their meaning and a line of help.
fn named<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [(&'static str, T, &'static str); N],
) -> impl TypedValueParser<Value = T> {
    let names = all.map(|(name, _, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(names).try_map(move |name| {
        let found = all.iter().find(|(own, ..)| *own == name);
        found.map(|(_, value, _)| *value).ok_or("not one of the names")
    })
}

#[derive(Debug, Args)]
struct InferArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// How to infer
    #[arg(long, default_value = Method::Auto.name(), value_parser = method(), hide_possible_values = false)]
    method: String,
    /// Draws to keep, over all chains; `auto` makes as many as its certificate needs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    draws: Option<u64>,
    /// Sweeps of each Markov chain that are dropped
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=100_000_000))]
    warmup: Option<u64>,
    /// Markov chains
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    chains: Option<u64>,
    /// Same seed, same answer
    #[arg(long, default_value_t = InferOptions::default().seed)]
    seed: u64,
    /// End after so long [default: 60 with `auto`]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    budget: Option<f64>,
    /// Weights of a network, in place of those built in; `none` for none
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// How the network decodes
    #[arg(long, value_enum, default_value = "light")]
    decode: DecodeArg,
    /// Infer from minibatches of so many iterations of the plate, each by itself, and multiply what they say of the rest
    #[arg(long, value_name = "K", conflicts_with = "explain", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    plate_k: Option<u64>,
    /// How many minibatches
    #[arg(long, value_name = "N", requires = "plate_k", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    experts: u64,
    /// The plain product: the prior counts once for each minibatch
    #[arg(long, requires = "plate_k")]
    plain_product: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw a histogram of each variable into this folder, as SVG and PNG
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Show every variable, however many there are
    #[arg(long)]
    all: bool,
    /// Ask NUTS the same afterwards, and say what either cost
    #[arg(long)]
    explain: bool,
    /// Write the draws, as CmdStan does (`.csv`: one file a chain) or for ArviZ (`.zarr`: a folder); any other name: write
    /// the report there instead of to standard output. May be repeated
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// No progress bars
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status 3: the ranks refute the calibration; exact answers do so once in 1,000 runs.")]
struct SbcArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// The engine to check
    #[arg(long, default_value = Method::Auto.name(), value_parser = method(), hide_possible_values = false)]
    method: String,
    /// Simulated data sets
    #[arg(short = 'n', long, value_name = "N", default_value_t = CalibrationOptions::default().simulations as u64,
        value_parser = clap::value_parser!(u64).range(1..=100_000))]
    simulations: u64,
    /// Draws among which the true values are ranked
    #[arg(long, value_name = "L", default_value_t = CalibrationOptions::default().draws as u64,
        value_parser = clap::value_parser!(u64).range(1..=9_999))]
    draws: u64,
    /// Same seed, same answer
    #[arg(long, default_value_t = CalibrationOptions::default().seed)]
    seed: u64,
    /// End with a data set after so long
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    budget: f64,
    /// Weights of a network, in place of those built in; `none` for none
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// No progress bars
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status 3: the kernel is refuted; a correct one is once in 1,000 runs.")]
struct GewekeArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Executions of each simulator
    #[arg(short = 'n', long, value_name = "N", default_value_t = GewekeOptions::default().iterations as u64,
        value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    iterations: u64,
    /// Same seed, same answer
    #[arg(long, default_value_t = GewekeOptions::default().seed)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// No progress bars
    #[arg(short, long)]
    quiet: bool,
}

/// A number of seconds.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds >= 0.0 => Ok(seconds),
        Ok(_) | Err(_) => Err("a number of seconds is wanted, 0 or more".into()),
    }
}

/// The names of methods, with their help, from the table of engines.
fn method() -> PossibleValuesParser {
    PossibleValuesParser::new(Method::all().map(|m| PossibleValue::new(m.name()).help(m.summary())))
}

#[derive(Debug, Args)]
struct DocArgs {
    /// A name, such as `normal` or `stats.ppl`
    name: Option<String>,
    /// Print the whole reference as Markdown
    #[arg(long)]
    markdown: bool,
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let status = match cli.command {
        Command::Check(arguments) => check_program(&arguments),
        Command::Fmt(arguments) => format::format(&arguments),
        Command::Run(arguments) => run(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Infer(arguments) => infer::infer(&arguments),
        Command::Trace(arguments) => trace::trace(&arguments),
        Command::Generate(arguments) => generate::generate_programs(&arguments),
        Command::Train(arguments) => train::train(&arguments),
        Command::Finetune(arguments) => finetune::finetune(&arguments),
        Command::Evaluate(arguments) => evaluate::evaluate_programs(&arguments),
        Command::Attend(arguments) => attend::attend(&arguments),
        Command::Embed(arguments) => embed::embed(&arguments),
        Command::Sbc(arguments) => sbc::sbc(&arguments),
        Command::Geweke(arguments) => geweke::geweke(&arguments),
        Command::Reproduce(arguments) => reproduce::reproduce(&arguments),
        Command::Doc(arguments) => doc::doc(arguments.name.as_deref(), arguments.markdown),
    };
    match status {
        Ok(status) => ExitCode::from(status.code()),
        Err(Failure::Told(error)) => {
            tell(error.diagnostics(), error.sources());
            ExitCode::from(Status::Wrong.code())
        }
        Err(Failure::Usage(reason)) => {
            let _ = Cli::command().error(ErrorKind::ArgumentConflict, reason).print();
            ExitCode::from(2)
        }
        // Whoever reads our output has seen enough.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Io(error)) => {
            if let Failure::Told(error) = plain("E0905", format!("cannot write the output: {error}")) {
                tell(error.diagnostics(), error.sources());
            }
            ExitCode::from(Status::Wrong.code())
        }
    }
}

/// The name of a file in messages.
fn shown(path: &Path) -> String {
    if path == Path::new("-") { "<stdin>".into() } else { path.display().to_string() }
}

/// A builder that looks for imports in these directories, then in those of UNMASK_LIB.
fn builder(libraries: &[PathBuf]) -> Builder {
    let listed = std::env::var_os("UNMASK_LIB").unwrap_or_default();
    let listed: Vec<PathBuf> = std::env::split_paths(&listed).filter(|p| !p.as_os_str().is_empty()).collect();
    libraries.iter().cloned().chain(listed).fold(Builder::default(), Builder::library)
}

impl ProgramArgs {
    fn builder(&self) -> Builder {
        let depth = usize::try_from(self.max_depth).unwrap_or(usize::MAX);
        builder(&self.libraries).limits(Limits { depth, ..Limits::default() })
    }

    /// Reads and checks the program; shows its warnings.
    fn script(&self) -> Result<Script, Failure> {
        let script = if self.file == Path::new("-") {
            self.builder().script_source(&shown(&self.file), &read(&self.file)?)?
        } else {
            self.builder().script_file(&self.file)?
        };
        tell(script.warnings(), script.sources());
        Ok(script)
    }
}

impl ModelArgs {
    fn model(&self) -> Result<Model, Failure> {
        Ok(self.program.script()?.model(self.name.as_deref())?)
    }
}

impl DataArgs {
    fn read(&self) -> Result<Data, Failure> {
        self.supplied.read(&self.masks)
    }
}

impl SuppliedArgs {
    /// Files first, then what was said on the command line: whole variables, then masks, then single elements.
    fn read(&self, masks: &[String]) -> Result<Data, Failure> {
        let is_assignment = |text: &&String| text.contains('=') && !Path::new(text.as_str()).exists();
        let mut data = Data::new();
        for file in self.data.iter().filter(|d| !is_assignment(d)) {
            data = match json_line(file) {
                Some((path, line)) => data.with_json_line(path, read(Path::new(path))?, line),
                None if file.ends_with(".jsonl") => {
                    let message = format!("`{file}` holds one data set a line");
                    return Err(plain("E0907", format!("{message}: say which, such as `-d {file}:1`")));
                }
                None => data.with_json(shown(Path::new(file)), read(Path::new(file))?),
            };
        }
        let of_element = |text: &str| text.split('=').next().is_some_and(|name| name.contains('['));
        for elements in [false, true] {
            for text in self.data.iter().filter(is_assignment).filter(|t| of_element(t) == elements) {
                data = data.with_assignment(text);
            }
            for text in masks.iter().filter(|t| of_element(t) == elements) {
                data = data.mask(text);
            }
        }
        Ok(data)
    }
}

/// `cases.jsonl:3`
fn json_line(text: &str) -> Option<(&str, usize)> {
    let (path, line) = text.rsplit_once(':')?;
    Some((path, line.parse().ok()?)).filter(|_| !Path::new(text).exists())
}

fn check_program(arguments: &CheckArgs) -> Result<Status, Failure> {
    match arguments.emit {
        Some(Stage::Tokens) => {
            output().write_all(syntax::dump_tokens(&read(&arguments.program.file)?).as_bytes())?;
        }
        Some(Stage::Ast) => {
            let text = read(&arguments.program.file)?;
            let mut sources = SourceMap::default();
            let file: FileId = sources.add(shown(&arguments.program.file), text.as_str());
            let parsed = syntax::parse(file, &text);
            let diagnostics: Vec<_> = parsed.errors.iter().map(Into::into).collect();
            tell(&diagnostics, &sources);
            output().write_all(syntax::dump_ast(&parsed.file).as_bytes())?;
            if !diagnostics.is_empty() {
                return Ok(Status::Wrong);
            }
        }
        Some(Stage::Core) => {
            output().write_all(check::dump(arguments.program.script()?.program()).as_bytes())?;
        }
        None => {
            let script = arguments.program.script()?;
            if io::stdout().is_terminal() {
                let models: Vec<&str> = script.program().models.iter().map(|m| &*m.name).collect();
                writeln!(output(), "{}: fine ({} models)", shown(&arguments.program.file), models.len())?;
            }
        }
    }
    Ok(Status::Fine)
}

fn run(arguments: &ProgramArgs) -> Result<Status, Failure> {
    let script = arguments.script()?;
    let mut failed: io::Result<()> = Ok(());
    let terminal = io::stdout().is_terminal();
    let mut out = output();
    let ran = script.run_with(&mut |text| {
        if failed.is_ok() {
            failed = out.write_all(text.as_bytes()).and_then(|()| if terminal { out.flush() } else { Ok(()) });
        }
    });
    // What was printed before a failure stands before its message.
    failed.and_then(|()| out.flush())?;
    ran?;
    Ok(Status::Fine)
}
