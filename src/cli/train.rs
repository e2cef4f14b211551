//! `unmask train`: weights from programs.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::builder;
use super::console::{Failure, Status, note, plain, read, tell};
use super::recipe::{EncodingArg, Recipe, TrainArgs};
use crate::api::{Data, Error, Model};
use crate::check::STANDARD_LIBRARY;
use crate::diagnostic::Diagnostic;
use crate::foundation::{
    Encoding, Foundation, FoundationError, HeldOut, Lesson, Lessons, RandomPrograms, StepReport, TextVocabulary,
    TrainOptions, Trainer, Vocabulary, dense, tokens_of,
};
use crate::generator::exercise;
use crate::infer::Target;
use crate::network::AdamOptions;
use crate::runtime::{RuntimeError, random_stream};
use crate::span::SourceMap;
use crate::trace::{Mask, Tracer, annotate};

/// Steps that are timed before their number is fixed.
const TIMED: u64 = 10;

/// How often the held-out loss is taken, and a checkpoint written: so many times in all, but not in fewer steps.
const CHECKS: u64 = 20;
const LEAST: u64 = 25;

/// A checkpoint is written as well when the last is so old: no more than that is lost, whenever training is stopped.
const OLD: Duration = Duration::from_secs(30);

/// The smoothing of losses that are shown.
const SMOOTH: f64 = 0.95;

pub(super) fn train(arguments: &TrainArgs) -> Result<Status, Failure> {
    if let Some(conflict) = Recipe::conflict(arguments) {
        return Err(Failure::Usage(conflict));
    }
    let programs = programs(arguments)?;
    let mut names: Vec<String> = programs.iter().map(|p| p.model.name().to_owned()).collect();
    if let Some(share) = arguments.generated {
        names.push(format!("random programs ({share})"));
    }
    if let Some(k) = arguments.plate_k {
        names.push(format!("minibatches of {k}"));
    }
    let checkpoint = beside(&arguments.output, "checkpoint");
    let mut trainer = if arguments.resume {
        let before = Foundation::load(&checkpoint).map_err(|e| failure(&e))?;
        let lessons = lessons(arguments, programs, &before)?;
        let mut trainer = Trainer::resume(&checkpoint, lessons, &names).map_err(|e| failure(&e))?;
        if let Some(steps) = arguments.steps {
            trainer.set_total(steps);
        }
        note(&format!("going on after step {}", trainer.steps()));
        trainer
    } else {
        let recipe = Recipe::new(arguments);
        let foundation = initial(arguments, &recipe, &programs).map_err(|e| failure(&e))?;
        let lessons = lessons(arguments, programs, &foundation)?;
        Trainer::new(foundation, lessons, options(arguments, &recipe, names)).map_err(|e| failure(&e))?
    };
    trainer.set_device(arguments.device).map_err(|e| failure(&e))?;
    let metrics = beside(&arguments.output, "metrics.jsonl");
    let before = if arguments.resume { recorded(&metrics, trainer.steps())? } else { String::new() };
    let mut run = Run {
        arguments,
        started: Instant::now(),
        first: trainer.steps(),
        bar: bar(arguments.quiet, trainer.options().adam.total),
        metrics: File::create(&metrics)
            .map_err(|e| plain("E0905", format!("cannot write `{}`: {}", metrics.display(), e.kind())))?,
        saved: Instant::now(),
        smooth: None,
        tokens: 0,
        instead: 0,
        held_out: None,
    };
    run.metrics.write_all(before.as_bytes())?;
    run.train(&mut trainer, &checkpoint)?;
    Ok(Status::Fine)
}

/// The lines of a metrics file up to a step: those after it will be written again.
fn recorded(metrics: &Path, steps: u64) -> Result<String, Failure> {
    let text = match std::fs::read_to_string(metrics) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let before = |line: &&str| {
        let line: Option<serde_json::Value> = serde_json::from_str(line).ok();
        line.and_then(|line| line.get("step")?.as_u64()).is_some_and(|step| step <= steps)
    };
    Ok(text.lines().filter(before).map(|line| format!("{line}\n")).collect())
}

/// `weights.safetensors` as `weights.safetensors.WHAT`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}"));
    path.with_file_name(name)
}

/// What to do about a missing input.
const MISSING: &str = "name a file that has it with the program: FILE=DATA.json";

fn failure(error: &FoundationError) -> Failure {
    let diagnostic = Diagnostic::from(error);
    // An input that only some executions need.
    let is_missing = matches!(error, FoundationError::Runtime(RuntimeError::MissingValue { .. }));
    let diagnostic = if is_missing { diagnostic.help(MISSING) } else { diagnostic };
    Failure::Told(Error::new(vec![diagnostic], SourceMap::default()))
}

/// A program with its inputs.
pub(super) struct Program {
    pub model: Model,
    pub data: Data,
    pub target: Target,
}

fn programs(arguments: &TrainArgs) -> Result<Vec<Program>, Failure> {
    let read = |file: &String| {
        let program = read_program(&arguments.libraries, file)?;
        has_inputs(&program.model, &program.target)?;
        Ok(program)
    };
    arguments.files.iter().map(read).collect()
}

/// The program of `FILE` or `FILE=DATA.json`.
fn read_program(libraries: &[PathBuf], file: &str) -> Result<Program, Failure> {
    let (path, data) = match file.split_once('=') {
        Some((path, data)) if !Path::new(file).exists() => (path, Some(data)),
        Some(_) | None => (file, None),
    };
    let model = builder(libraries).file(path)?;
    tell(model.script().warnings(), model.script().sources());
    let data = match data {
        Some(data) => Data::new().with_json(data, read(Path::new(data))?),
        None => Data::new(),
    };
    let target = model.target(&data)?;
    Ok(Program { model, data, target })
}

/// Whether all inputs are there that an execution needs: what is missing is told with its program.
pub(super) fn has_inputs(model: &Model, target: &Target) -> Result<(), Failure> {
    let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, None);
    // What else can go wrong depends on the execution.
    if let Err(error @ RuntimeError::MissingValue { .. }) = tracer.execution(&mut random_stream(0, 0)) {
        let told = Diagnostic::from(&error).help(MISSING);
        return Err(Error::new(vec![told], model.script().sources().clone()).into());
    }
    Ok(())
}

/// The same as a query.
pub(super) fn program(libraries: &[PathBuf], file: &str) -> Result<(Model, Target), Failure> {
    let Program { model, target, .. } = read_program(libraries, file)?;
    Ok((model, target))
}

/// What there is to learn from: of programs that are too long for the network, minibatches, where these are asked for.
fn lessons(arguments: &TrainArgs, programs: Vec<Program>, foundation: &Foundation) -> Result<Lessons, Failure> {
    let context = foundation.context();
    let mut lessons = Vec::with_capacity(programs.len());
    for program in programs {
        // What has no length, as it has too many names, may have minibatches; if not, it makes no example, which is told there.
        let counted = tokens_of(&program.target, foundation.encoding()).ok();
        let is_long = counted.is_none_or(|length| length > context);
        let length = counted.unwrap_or(0);
        let name = program.model.name().to_owned();
        let wanted = arguments.plate_k.filter(|_| is_long).map(|k| (k as usize, foundation));
        let (lesson, cut) = lesson(program, wanted);
        let without = "the network reads it without some of its iterations, where it can";
        match cut {
            None if length > context => {
                note(&format!("`{name}` has {length} tokens, more than the {context} of a context: {without}"));
            }
            Some(Err(reason)) if length > context => note(&format!(
                "`{name}` has {length} tokens, more than the {context} of a context, and no minibatches ({reason}): {without}"
            )),
            Some(Ok(part)) if part > context => note(&format!(
                "a minibatch of `{name}` has {part} tokens, more than the {context} of a context: {without}"
            )),
            Some(Ok(_) | Err(_)) | None => {}
        }
        lessons.push(lesson);
    }
    let random = arguments.generated.map(|share| RandomPrograms::new(share, random_program));
    Ok(Lessons::from(lessons).with_random(random))
}

/// A program to learn from: where that is wanted, minibatches of so many iterations of its plate, with the tokens of one; or why it
/// has none.
pub(super) fn lesson(
    Program { model, data, target }: Program,
    wanted: Option<(usize, &Foundation)>,
) -> (Lesson, Option<Result<usize, String>>) {
    let Some((k, foundation)) = wanted else { return (Lesson::whole(target), None) };
    let told = |error: Error| error.diagnostics().first().map_or_else(String::new, |d| d.message.clone());
    let cut = model.plated_lesson(&data).map_err(told).and_then(|plated| {
        if plated.len() <= k {
            return Err(format!("its plate has {} iterations", plated.len()));
        }
        let part = plated.minibatch_target(k, 0, 0).map_err(|e| e.to_string())?;
        let tokens = tokens_of(&part, foundation.encoding()).map_err(|e| e.to_string())?;
        Ok((plated, tokens))
    });
    match cut {
        Ok((plated, tokens)) => {
            let part = move |seed, number| plated.minibatch_target(k, seed, number);
            (Lesson::parts(target, part), Some(Ok(tokens)))
        }
        Err(reason) => (Lesson::whole(target), Some(Err(reason))),
    }
}

/// Random program number `index` of `seed`, as a target: more often a hard one.
fn random_program(seed: u64, index: u64) -> Option<Target> {
    let program = exercise(seed, index);
    Model::from_source("generated.ppl", &program.source).ok()?.target(&Data::new()).ok()
}

/// The network that training begins with.
fn initial(arguments: &TrainArgs, recipe: &Recipe, programs: &[Program]) -> Result<Foundation, FoundationError> {
    let (anchors, seed) = (recipe.anchors, arguments.seed);
    match (&arguments.init, &arguments.init_encoder) {
        (Some(path), _) => Foundation::load(path),
        (None, Some(folder)) => {
            Ok(Foundation::from_hugging_face(folder, anchors, recipe.dense, seed)?.with_limit(recipe.context))
        }
        (None, None) => {
            let encoding = match recipe.encoding {
                EncodingArg::Lexeme => Encoding::Lexeme(vocabulary()),
                EncodingArg::Text => text_vocabulary(programs, recipe.dense, seed)?,
            };
            Ok(Foundation::untrained(encoding, anchors, recipe.shape, seed)?.with_limit(recipe.context))
        }
    }
}

fn options(arguments: &TrainArgs, recipe: &Recipe, programs: Vec<String>) -> TrainOptions {
    // Of a time, the number of steps is not known yet: the rate rises in the meantime.
    let total = if arguments.minutes.is_some() { u64::MAX / 2 } else { recipe.steps };
    TrainOptions {
        batch: recipe.batch,
        buckets: arguments.buckets as usize,
        examples: recipe.examples,
        adam: AdamOptions { rate: recipe.rate, warmup: recipe.warmup.min(total / 2), total, clip: recipe.clip },
        alpha: recipe.alpha,
        language: !arguments.no_mlm,
        corrupted: 1.0 / 8.0,
        cut: arguments.cut,
        layers: recipe.train_layers,
        heldout: recipe.heldout,
        seed: arguments.seed,
        programs,
    }
}

/// The language's own vocabulary, with the functions of the embedded library.
fn vocabulary() -> Vocabulary {
    let functions = STANDARD_LIBRARY.iter().flat_map(|(_, source)| library_functions(source));
    let functions: Vec<String> = functions.collect();
    Vocabulary::lexeme(&functions.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A byte-pair encoding of executions of the programs.
fn text_vocabulary(programs: &[Program], packed: bool, seed: u64) -> Result<Encoding, FoundationError> {
    let mut texts = Vec::new();
    for (i, Program { target, .. }) in programs.iter().enumerate() {
        let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, Some(TextVocabulary::DIGITS));
        let mut rng = random_stream(seed, i as u64);
        for _ in 0..TEXTS {
            let trace = tracer.execution(&mut rng)?;
            let conditions = Mask::Random.conditions(&trace, &target.conditions, &mut rng);
            match annotate(&target.runtime, target.model, &conditions) {
                Ok(annotated) => {
                    let text = crate::syntax::print(&annotated.visible());
                    texts.push(if packed { dense(&text) } else { text });
                }
                // The next step tells what is wrong with it.
                Err(_) => break,
            }
        }
    }
    let learnt = TextVocabulary::train(texts.iter().map(String::as_str), TEXT_TOKENS)?;
    Ok(Encoding::Text(Box::new(learnt.with_dense(packed))))
}

/// Executions of each program from which a byte-pair encoding is learnt, and its tokens.
const TEXTS: usize = 200;
const TEXT_TOKENS: usize = 2_000;

fn library_functions(source: &str) -> Vec<String> {
    use crate::syntax::ast::ItemKind;
    let parsed = crate::syntax::parse(crate::span::FileId::default(), source);
    let library = parsed.file.items.into_iter().filter_map(|item| match item.kind {
        ItemKind::Function(function) if function.library => Some(function.name.node.to_string()),
        ItemKind::Function(_) | ItemKind::Import(_) | ItemKind::Model(_) | ItemKind::Statement(_) => None,
    });
    library.collect()
}

fn bar(quiet: bool, total: u64) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>5} {bar:30} {pos}/{len} steps, {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar
}

struct Run<'a> {
    arguments: &'a TrainArgs,
    started: Instant,
    /// Steps that were taken before.
    first: u64,
    bar: ProgressBar,
    metrics: File,
    /// When the last checkpoint was written.
    saved: Instant,
    smooth: Option<(f64, f64)>,
    tokens: usize,
    /// Examples that stood in for ones of other programs.
    instead: usize,
    held_out: Option<HeldOut>,
}

impl Run<'_> {
    fn train(&mut self, trainer: &mut Trainer, checkpoint: &Path) -> Result<(), Failure> {
        let fail = |error: FoundationError| failure(&error);
        while trainer.steps() < trainer.options().adam.total {
            let report = trainer.step().map_err(fail)?;
            self.tokens += report.tokens;
            self.instead += report.instead;
            self.record(&report)?;
            if let (Some(minutes), TIMED) = (self.arguments.minutes, report.step) {
                // Checks take their share.
                let each = self.started.elapsed().as_secs_f64() / TIMED as f64;
                let steps = (0.9 * minutes * 60.0 / each).max((2 * TIMED) as f64) as u64;
                trainer.set_total(steps);
                self.bar.set_length(steps);
            }
            let total = trainer.options().adam.total;
            let every = (total / CHECKS).clamp(LEAST, 1_000);
            let last = report.step == total;
            if last || report.step.is_multiple_of(every) {
                let held_out = trainer.check().map_err(fail)?;
                self.held_out = Some(held_out);
                self.check(report.step, held_out)?;
                if trainer.improves(held_out.head) {
                    trainer.foundation().save(&self.arguments.output).map_err(fail)?;
                }
            }
            if last || report.step.is_multiple_of(every) || self.saved.elapsed() > OLD {
                trainer.save_checkpoint(checkpoint).map_err(fail)?;
                self.saved = Instant::now();
            }
        }
        self.bar.finish_and_clear();
        if self.instead > 0 {
            note(&format!(
                "{} examples stand in for ones of other programs, no execution of which could be used",
                self.instead
            ));
        }
        match (self.held_out, trainer.best()) {
            (Some(HeldOut { anchors, examples, .. }), Some(best)) => {
                let seconds = self.started.elapsed().as_secs_f64();
                let steps = trainer.steps() - self.first;
                note(&format!(
                    "{steps} steps in {seconds:.0} s; the best weights, which are kept, lose {best:.3} nats on {examples} executions \
                     held out, the anchors alone {anchors:.3}"
                ));
            }
            (None, _) | (_, None) => note(&format!("{} steps were taken before: nothing is left to do", self.first)),
        }
        Ok(())
    }

    fn record(&mut self, report: &StepReport) -> Result<(), Failure> {
        let (head, language) = self.smooth.unwrap_or((report.head, report.language));
        let head = SMOOTH * head + (1.0 - SMOOTH) * report.head;
        let language = SMOOTH * language + (1.0 - SMOOTH) * report.language;
        self.smooth = Some((head, language));
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = self.tokens as f64 / seconds;
        let held = self.held_out.map_or_else(String::new, |h| format!(", held out {:+.3}", h.head - h.anchors));
        self.bar.set_position(report.step);
        self.bar.set_message(format!("head {head:.3}, language {language:.3}{held}, {rate:.0} tokens/s"));
        let line = json!({
            "step": report.step, "head": report.head, "language": report.language, "norm": report.adam.norm,
            "rate": report.adam.rate, "taken": report.adam.taken, "tokens": report.tokens,
            "waited": report.waited, "instead": report.instead, "seconds": seconds,
        });
        writeln!(self.metrics, "{line}")?;
        Ok(())
    }

    fn check(&mut self, step: u64, held_out: HeldOut) -> Result<(), Failure> {
        let HeldOut { head, anchors, examples } = held_out;
        let line = json!({"step": step, "held_out": {"head": head, "anchors": anchors, "examples": examples}});
        writeln!(self.metrics, "{line}")?;
        Ok(self.metrics.flush()?)
    }
}
