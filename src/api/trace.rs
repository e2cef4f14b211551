//! Annotated executions from Rust.

use super::{Data, Error, Model};
use crate::diagnostic::Diagnostic;
use crate::infer::Target;
use crate::runtime::random_stream;
use crate::span::SourceMap;
use crate::syntax;
use crate::trace::{Annotated, Mask, NotAnnotated, Trace, Tracer, annotate};

/// How to draw annotated executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceOptions {
    /// How many.
    pub n: usize,
    /// What is hidden of each.
    pub mask: Mask,
    /// Same seed, same executions.
    pub seed: u64,
    /// Significant digits to which reals are rounded as they are drawn.
    pub digits: Option<usize>,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { n: 1, mask: Mask::Role, seed: 0, digits: None }
    }
}

/// An execution, and the annotated program that says what of it is known.
#[derive(Clone, Debug)]
pub struct Traced {
    /// What was drawn.
    pub trace: Trace,
    /// The program.
    pub annotated: Annotated,
}

impl Traced {
    /// The annotated program, as a file that can be read again.
    pub fn text(&self) -> String {
        syntax::print(&self.annotated.file())
    }
}

impl Model {
    /// Draws executions as straight-line programs whose lines end in their values, or in `?` where the mask hides them.
    /// Also gives the warnings about the data, and the texts that they point at.
    ///
    /// # Errors
    /// Where the data do not fit, an input is missing, the program cannot be simulated, or has no straight-line form.
    ///
    /// ```
    /// use unmask::{Data, Model, TraceOptions};
    /// let model = Model::from_source("m.ppl", "model m { sample p ~ beta(2, 2); observe k ~ binomial(9, p); }")?;
    /// let (traces, _, _) = model.trace(&Data::new(), &TraceOptions { seed: 3, ..TraceOptions::default() })?;
    /// let text = traces[0].text();
    /// assert!(text.starts_with("model m {\n    p ~ beta(2, 2) @ ?;\n    k ~ binomial(9, p) @ "));
    /// assert!(Model::from_source("again.ppl", &text).is_ok());
    /// # Ok::<(), unmask::Error>(())
    /// ```
    pub fn trace(
        &self,
        data: &Data,
        options: &TraceOptions,
    ) -> Result<(Vec<Traced>, Vec<Diagnostic>, SourceMap), Error> {
        self.on_target(data, |target| traced(target, options))
    }
}

fn traced(target: &Target, options: &TraceOptions) -> Result<Vec<Traced>, NotAnnotated> {
    let Target { runtime, model, conditions } = target;
    let mut tracer = Tracer::new(runtime, *model, conditions, options.digits);
    let mut traced = Vec::with_capacity(options.n.min(1 << 16));
    for i in 0..options.n {
        let mut rng = random_stream(options.seed, i as u64);
        let trace = tracer.execution(&mut rng)?;
        let known = options.mask.conditions(&trace, conditions, &mut rng);
        let annotated = annotate(runtime, *model, &known)?;
        traced.push(Traced { trace, annotated });
    }
    Ok(traced)
}
