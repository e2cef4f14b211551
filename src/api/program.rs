//! Models and scripts: reading, checking and running them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::DiskFiles;
use super::{Data, Error};
use crate::check::core::{ModelId, Program, Type, VariableKind};
use crate::check::{Checked, check};
use crate::data::{Bound, bind};
use crate::diagnostic::{Diagnostic, near_miss};
use crate::infer::Engines;
use crate::runtime::{Batch, Columns, Execution, HostFunction, HostFunctions, Limits, Runtime, Simulator, run_script};
use crate::span::SourceMap;
use crate::value::{Array, DataType, Elements, Value};

/// How programs are read and run: library directories, registered functions, limits.
///
/// ```
/// use unmask::{HostFunction, Model};
/// let model = Model::builder()
///     .register("twice", HostFunction::real(|x| 2.0 * x[0]).with_gradient(|_| vec![2.0]))
///     .source("twice.ppl", "library fn twice(x: real) -> real; model m { sample a ~ normal(0, 1); let b = twice(a); }")?;
/// assert_eq!(model.name(), "m");
/// # Ok::<(), unmask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    libraries: Vec<PathBuf>,
    host: HostFunctions,
    limits: Limits,
    model: Option<String>,
}

impl Builder {
    /// Adds a directory in which imports are looked for, after those added before.
    #[must_use]
    pub fn library(mut self, directory: impl Into<PathBuf>) -> Self {
        self.libraries.push(directory.into());
        self
    }

    /// Registers the value of a `library fn` that is declared without a body.
    #[must_use]
    pub fn register(mut self, name: impl Into<Arc<str>>, function: HostFunction) -> Self {
        self.host.insert(name.into(), function);
        self
    }

    /// Sets the bounds on recursion and loops.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Names the model of files that have several.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Reads and checks the model of a file.
    ///
    /// # Errors
    /// Where the file cannot be read, is not a valid program, or does not say which model is meant.
    pub fn file(self, path: impl AsRef<Path>) -> Result<Model, Error> {
        let name = self.model.clone();
        self.script_file(path)?.model(name.as_deref())
    }

    /// Checks the model of a program in a string, called `name` in messages.
    ///
    /// # Errors
    /// As [`Builder::file`].
    pub fn source(self, name: &str, text: &str) -> Result<Model, Error> {
        let model = self.model.clone();
        self.script_source(name, text)?.model(model.as_deref())
    }

    /// Reads and checks a file, whatever is in it.
    ///
    /// # Errors
    /// Where the file cannot be read or is not a valid program.
    pub fn script_file(self, path: impl AsRef<Path>) -> Result<Script, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::without_source(Diagnostic::error("E0901", format!("cannot read `{}`: {error}", path.display())))
        })?;
        self.checked(&path.display().to_string(), &text, true)
    }

    /// Checks a program in a string, called `name` in messages.
    ///
    /// # Errors
    /// Where it is not a valid program.
    pub fn script_source(self, name: &str, text: &str) -> Result<Script, Error> {
        self.checked(name, text, false)
    }

    fn checked(self, name: &str, text: &str, beside: bool) -> Result<Script, Error> {
        let files = DiskFiles { libraries: self.libraries, beside };
        let Checked { program, warnings, sources } =
            check(name, text, &files).map_err(|rejected| Error::new(rejected.diagnostics, rejected.sources))?;
        let mut runtime = Runtime::new(Arc::new(program));
        runtime.host = self.host;
        runtime.limits = self.limits;
        runtime.inference = Some(Arc::new(Engines::default()));
        Ok(Script { runtime: Arc::new(runtime), sources, warnings })
    }
}

/// A checked program: its models and its script.
#[derive(Clone, Debug)]
pub struct Script {
    runtime: Arc<Runtime>,
    sources: SourceMap,
    warnings: Vec<Diagnostic>,
}

impl Script {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Where it cannot be read or is not a valid program.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Builder::default().script_file(path)
    }

    /// Checks a program in a string, called `name` in messages.
    ///
    /// # Errors
    /// Where it is not a valid program.
    pub fn from_source(name: &str, text: &str) -> Result<Self, Error> {
        Builder::default().script_source(name, text)
    }

    /// Runs the statements outside models and functions; gives what they print.
    ///
    /// # Errors
    /// What went wrong while it ran. What was printed before is lost: see [`Script::run_with`].
    ///
    /// ```
    /// let script = unmask::Script::from_source("s.ppl", "let x = 2; print(x + 1);")?;
    /// assert_eq!(script.run()?.trim_end(), "3");
    /// # Ok::<(), unmask::Error>(())
    /// ```
    pub fn run(&self) -> Result<String, Error> {
        let mut printed = String::new();
        self.run_with(&mut |text| printed.push_str(text))?;
        Ok(printed)
    }

    /// Runs the script, and gives each piece of printed text (lines with their ends) to `print` as it comes.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub fn run_with(&self, print: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let mut print = |text: &str| {
            print(text);
            if !text.ends_with('\n') {
                print("\n");
            }
        };
        run_script(&self.runtime, &mut print)
            .map_err(|error| Error::new(vec![Diagnostic::from(&error)], self.sources.clone()))
    }

    /// One of its models: by name, or the only one of the file that no other calls or infers.
    ///
    /// # Errors
    /// Where there is none, or several.
    pub fn model(&self, name: Option<&str>) -> Result<Model, Error> {
        let program = &self.runtime.program;
        let names =
            |ids: &[ModelId]| -> Vec<String> { ids.iter().map(|m| program.model(*m).name.to_string()).collect() };
        let fail = |diagnostic| Error::new(vec![diagnostic], self.sources.clone());
        let id = match (name, &program.entry_models[..]) {
            (Some(name), _) => program.model_named(name).ok_or_else(|| {
                let all: Vec<&str> = program.models.iter().map(|m| &*m.name).collect();
                let diagnostic = Diagnostic::error("E0902", format!("there is no model `{name}`"));
                fail(match near_miss(name, all.iter().copied()) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None if all.is_empty() => diagnostic,
                    None => diagnostic.help(format!("its models are {}", all.join(", "))),
                })
            })?,
            (None, [only]) => *only,
            (None, []) => return Err(fail(Diagnostic::error("E0903", "the file has no model"))),
            (None, several) => {
                let list = names(several).join(", ");
                let diagnostic = Diagnostic::error("E0904", format!("the file has several models: {list}"));
                return Err(fail(diagnostic.help("say which with `--model NAME`")));
            }
        };
        Ok(Model { script: self.clone(), id })
    }

    /// What looks like a slip in the program but need not be one.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Its texts: the file and all that it imports.
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// The checked program.
    pub fn program(&self) -> &Program {
        &self.runtime.program
    }
}

/// A model, ready to be simulated and inferred.
#[derive(Clone, Debug)]
pub struct Model {
    script: Script,
    id: ModelId,
}

/// A variable of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableInfo {
    /// Its name in the program; variables of submodels are reached with a dot.
    pub name: Arc<str>,
    /// What defines it.
    pub kind: VariableKind,
    /// Its type, with the indices of its loops; `None` for the executions of submodels that return nothing.
    pub ty: Option<DataType>,
}

/// What simulation gave: one entry an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    /// In order: execution `i` depends on the seed and `i` alone.
    pub executions: Vec<Execution>,
}

impl Draws {
    /// The values of a variable (dotted name), one an execution; `None` where an execution did not reach it.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a Value>> + 'a {
        self.executions.iter().map(move |e| e.variables.iter().find(|(n, _)| &**n == name).map(|(_, v)| v))
    }
}

impl Model {
    /// Reads and checks the model of a file.
    ///
    /// # Errors
    /// Where the file cannot be read, is not a valid program, or has several models (then [`Builder::model`] says which).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Builder::default().file(path)
    }

    /// Checks the model of a program in a string, called `name` in messages.
    ///
    /// # Errors
    /// As [`Model::from_file`].
    pub fn from_source(name: &str, text: &str) -> Result<Self, Error> {
        Builder::default().source(name, text)
    }

    /// Library directories, registered functions, limits and the choice of a model.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A program of its own that may call the functions registered for this one, within the same limits.
    pub(super) fn sibling(&self, name: &str, text: &str) -> Result<Self, Error> {
        let Runtime { host, limits, .. } = &*self.script.runtime;
        Builder { host: host.clone(), limits: *limits, ..Builder::default() }.source(name, text)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.script.runtime.program.model(self.id).name
    }

    /// Its identifier in the program.
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// The program with all that it needs to run.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.script.runtime
    }

    /// The program that it is part of.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Its own variables in program order.
    pub fn variables(&self) -> Vec<VariableInfo> {
        let program = &self.script.runtime.program;
        let data_type = |ty: Type| match ty {
            Type::Data(ty) => Some(ty),
            Type::Record { model, rank } => {
                program.model(model).returns.map(|ty| DataType { rank: ty.rank + rank, ..ty })
            }
            Type::Str | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => None,
        };
        let variables = program.model(self.id).variables.iter();
        variables.map(|v| VariableInfo { name: v.name.clone(), kind: v.kind, ty: data_type(v.ty) }).collect()
    }

    /// Binds data to the model. Gives the texts that messages may point at, too.
    pub(super) fn bind(&self, data: &Data) -> Result<(Bound, SourceMap), Error> {
        let mut sources = self.script.sources.clone();
        let found = data.read(&mut sources);
        let bound = found.and_then(|raw| bind(&self.script.runtime.program, self.id, &raw));
        match bound {
            Ok(bound) => Ok((bound, sources)),
            Err(errors) => Err(Error::new(errors.iter().map(Diagnostic::from).collect(), sources)),
        }
    }

    /// Draws `n` executions: supplied givens and samples are held, observations are drawn anew.
    ///
    /// # Errors
    /// Where the data do not fit, an input is missing, or the program fails.
    pub fn simulate(&self, data: &Data, n: usize, seed: u64) -> Result<Draws, Error> {
        let mut executions = Vec::new();
        let sources_and_warnings = self.simulate_batches(data, n, seed, |batch| {
            match batch {
                Batch::Columns(columns) => executions.extend((0..columns.n).map(|i| execution(columns, i))),
                Batch::Executions(batch) => executions.extend_from_slice(batch),
            }
            Ok::<(), std::convert::Infallible>(())
        });
        match sources_and_warnings {
            Ok(Ok(_)) => Ok(Draws { executions }),
            Ok(Err(never)) => match never {},
            Err(error) => Err(error),
        }
    }

    /// As [`Model::simulate`], batch by batch in constant memory. The inner result is `consume`'s first error, which ends the
    /// simulation, or the warnings about the data with the texts they point at.
    ///
    /// # Errors
    /// As [`Model::simulate`].
    pub fn simulate_batches<E>(
        &self,
        data: &Data,
        n: usize,
        seed: u64,
        mut consume: impl FnMut(&Batch<'_>) -> Result<(), E>,
    ) -> Result<Result<(Vec<Diagnostic>, SourceMap), E>, Error> {
        /// Enough for whole columns, little enough for the cache.
        const BATCH: usize = 1_024;
        let (bound, sources) = self.bind(data)?;
        let mut simulator = Simulator::new(&self.script.runtime, self.id, &bound.conditions, seed);
        let mut left = n;
        while left > 0 {
            let now = left.min(BATCH);
            let batch =
                simulator.batch(now).map_err(|error| Error::new(vec![Diagnostic::from(&error)], sources.clone()))?;
            if let Err(error) = consume(&batch) {
                return Ok(Err(error));
            }
            left -= now;
        }
        Ok(Ok((bound.warnings, sources)))
    }
}

/// Execution `i` of a batch of columns.
fn execution(columns: &Columns, i: usize) -> Execution {
    let lane = |at: usize| columns.lanes.get(at).and_then(|l| l.get(i)).copied().unwrap_or(f64::NAN);
    let variables = columns.variables.iter().map(|v| {
        let size: usize = v.shape.iter().product();
        let values = (0..size).map(|e| lane(v.first + e));
        let value = match Array::new(v.shape.clone(), Elements::from_f64s(v.base, values)) {
            Some(array) => Value::array(array),
            None => Value::scalar(v.base, lane(v.first)),
        };
        (v.name.clone(), value)
    });
    Execution { variables: variables.collect(), returned: None }
}
