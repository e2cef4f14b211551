//! Annotated programs: what is known of a query, as a straight-line program.
//!
//! A program is rewritten by partial evaluation: loops are unrolled, submodels are inlined, conditions on what is known are
//! resolved; a condition on something masked keeps both branches. Each line ends in its value (`@ 3.2`) or a mask (`@ ?`).
//! The text depends on what is known and on nothing else: the values that masked variables have while it is made are drawn
//! and forgotten.

mod definition;
mod translate;
mod tree;
mod walk;

use std::sync::Arc;

use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use self::translate::Halt;
use self::walk::Walker;
use super::address::Addresses;
use super::conditions::Conditions;
use super::error::RuntimeError;
use super::handler::{Handler, Law, Site, Stop};
use super::machine::{Machine, Purpose};
use super::{Runtime, VariableId};
use crate::check::core::ModelId;
use crate::diagnostic::Diagnostic;
use crate::dist::Support;
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{Base, Value};

/// Lines of the longest annotated program.
pub const MAX_LINES: usize = 100_000;

/// How often an execution is tried whose masked values make a parameter invalid.
const TRIES: u64 = 32;

/// A line of an annotated program.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The variable by its dotted name.
    pub variable: Arc<str>,
    /// All subscripts.
    pub indices: Vec<i64>,
    /// As it is written: `s1.theta[2]`.
    pub name: String,
    /// A random variable (or hard condition), not a deterministic line.
    pub random: bool,
    /// Its value; `None` where it is masked, or depends on something masked.
    pub value: Option<Value>,
}

/// An annotated program.
#[derive(Clone, Debug)]
pub struct Annotated {
    /// Library functions that the model calls.
    pub library: Vec<ast::Item>,
    /// Other functions that it calls.
    pub functions: Vec<ast::Item>,
    /// The model.
    pub model: ast::Item,
    /// One for each `@` of the model, in the order of the text.
    pub lines: Vec<Line>,
}

impl Annotated {
    /// A file that can be read again: the functions, then the model.
    pub fn file(&self) -> ast::File {
        let items = self.library.iter().chain(&self.functions).chain([&self.model]).cloned().collect();
        ast::File { items, trailing: Vec::new() }
    }

    /// What the network sees: no library function's body.
    pub fn visible(&self) -> ast::File {
        let items = self.functions.iter().chain([&self.model]).cloned().collect();
        ast::File { items, trailing: Vec::new() }
    }
}

/// Why a query has no annotated program.
#[derive(Debug, thiserror::Error)]
pub enum NotAnnotated {
    /// A mistake in the program or its data.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// It has no straight-line form.
    #[error("{what} cannot be written as a straight-line program")]
    Unsupported {
        /// What.
        what: &'static str,
        /// Where.
        span: Span,
    },
    /// It would have too many lines.
    #[error("the annotated program would have more than {MAX_LINES} lines")]
    TooLong,
    /// All executions that were tried have density zero.
    #[error("no execution of what is masked was possible")]
    Impossible,
}

impl From<&NotAnnotated> for Diagnostic {
    fn from(error: &NotAnnotated) -> Self {
        let message = error.to_string();
        match error {
            NotAnnotated::Runtime(inner) => Self::from(inner),
            NotAnnotated::Unsupported { span, .. } => Self::error("E0720", message).label(*span, "this"),
            NotAnnotated::TooLong => Self::error("E0721", message),
            NotAnnotated::Impossible => Self::error("E0722", message).help("are the values possible under the model?"),
        }
    }
}

/// Rewrites a model under conditions as a straight-line program.
///
/// # Errors
/// See [`NotAnnotated`].
pub fn annotate(runtime: &Runtime, model: ModelId, conditions: &Conditions) -> Result<Annotated, NotAnnotated> {
    for seed in 0..TRIES {
        let mut machine = Machine::new(runtime, model, conditions, Purpose::Infer);
        let mut chooser = Chooser { rng: Xoshiro256PlusPlus::seed_from_u64(seed) };
        match Walker::annotate(&mut machine, &mut chooser) {
            Ok(annotated) => return Ok(annotated),
            Err(Halt::Stop(Stop::Reject)) => {}
            Err(Halt::Stop(Stop::Error(error))) => return Err(NotAnnotated::Runtime(*error)),
            Err(Halt::Unsupported { what, span }) => return Err(NotAnnotated::Unsupported { what, span }),
            Err(Halt::TooLong) => return Err(NotAnnotated::TooLong),
        }
    }
    Err(NotAnnotated::Impossible)
}

/// Gives masked variables some value.
struct Chooser {
    rng: Xoshiro256PlusPlus,
}

impl Handler for Chooser {
    fn choose(&mut self, site: &Site<'_>, _: &Addresses) -> Result<Value, Stop> {
        let drawn = site.law.sample(&mut self.rng);
        let drawn = drawn.or_else(|improper| site.simulate.map_or(Err(improper), |s| s.sample(&mut self.rng)));
        drawn.or_else(|improper| {
            inside(site.law, site.ty.base)
                .ok_or_else(|| RuntimeError::Improper { family: improper.family, span: site.span }.into())
        })
    }

    fn observe(&mut self, _: &Site<'_>, _: &Value, _: bool, _: &Addresses) -> Result<(), Stop> {
        Ok(())
    }

    fn factor(&mut self, _: f64, _: Span) -> Result<(), Stop> {
        Ok(())
    }
}

/// A value in the support of an improper distribution.
fn inside(law: &Law, base: Base) -> Option<Value> {
    let Law::Family(distribution) = law else { return None };
    let support: Support<f64> = distribution.support();
    support.is_scalar().then(|| Value::scalar(base, support.interior(0.5)))
}

/// Where an address is.
pub(super) type Located = (VariableId, super::Indices);
