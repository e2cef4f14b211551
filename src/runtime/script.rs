//! Running a file's script.

use super::Runtime;
use super::address::{Addresses, Indices};
use super::conditions::Conditions;
use super::error::RuntimeError;
use super::frame::Frame;
use super::handler::{Handler, Site, Stop};
use super::machine::{Execution, Purpose};
use crate::span::Span;
use crate::value::Value;

/// Scripts contain no random variables: the checker refuses them.
struct NoChoices;

impl Handler for NoChoices {
    fn choose(&mut self, site: &Site<'_>, _: &Addresses) -> Result<Value, Stop> {
        Err(RuntimeError::Internal { message: "a random variable in a script", span: site.span }.into())
    }

    fn observe(&mut self, site: &Site<'_>, _: &Value, _: bool, _: &Addresses) -> Result<(), Stop> {
        Err(RuntimeError::Internal { message: "a random variable in a script", span: site.span }.into())
    }

    fn factor(&mut self, _: f64, span: Span) -> Result<(), Stop> {
        Err(RuntimeError::Internal { message: "a factor in a script", span }.into())
    }
}

/// Runs the statements at top level of the main file; `print` gets each line that it prints. A file without a script
/// runs without effect.
///
/// # Errors
/// The first failure; what was printed before it stays printed.
pub fn run_script(runtime: &Runtime, print: &mut dyn FnMut(&str)) -> Result<(), RuntimeError> {
    let Some(script) = &runtime.program.script else { return Ok(()) };
    let conditions = Conditions::new();
    let mut execution = Execution {
        runtime,
        program: &runtime.program,
        conditions: &conditions,
        purpose: Purpose::Simulate,
        addresses: &mut Addresses::default(),
        mentioned: &mut Vec::new(),
        handler: &mut NoChoices,
        print: Some(print),
        nested: false,
        parent: None,
        prefix: Indices::new(),
        depth: 0,
        iterations: 0,
        masked: false,
        control: false,
        branched: false,
        used: Vec::new(),
    };
    let mut frame = Frame::new(&script.frame);
    match execution.block(&mut frame, &script.body) {
        Ok(_) => Ok(()),
        Err(Stop::Error(error)) => Err(*error),
        Err(Stop::Reject) => Err(RuntimeError::Internal { message: "a script was rejected", span: Span::default() }),
    }
}
