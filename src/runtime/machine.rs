//! The machine: executes a model, one execution at a time, and asks a handler at each random choice.

use std::sync::Arc;

use super::Runtime;
use super::address::{AddressId, Addresses, Indices, VariableId};
use super::conditions::{Conditions, Known};
use super::error::RuntimeError;
use super::expression::{Evaluated, internal};
use super::frame::{Frame, element_name};
use super::handler::{Handler, Law, Site, Stop};
use crate::check::core::{
    self, Annotation, Block, DistributionKind, Let, ModelId, Program, Random, Stmt, StmtKind, Target, Type,
};
use crate::span::Span;
use crate::syntax::ast::Role;
use crate::value::{DataType, Record, Value};

/// Bytes of stack that must be free before another call or block, and bytes to add where they are not.
const STACK_RED_ZONE: usize = 1 << 20;
const STACK_SEGMENT: usize = 8 << 20;

/// The largest subscript of an element that a program defines, and the longest array that it builds.
pub(super) const MAX_INDEX: i64 = 10_000_000;

/// Relative difference up to which a supplied value of a deterministic line agrees with the computed one: data are often
/// rounded.
const DETERMINISTIC_TOLERANCE: f64 = 1e-3;

/// What an execution is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Draw everything but supplied givens and samples; observations are drawn anew.
    Simulate,
    /// Hold everything that is supplied.
    Infer,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It ran to its end.
    Finished {
        /// What the model returned.
        returned: Option<Value>,
    },
    /// It has density zero.
    Rejected,
}

/// Executes one model under fixed conditions, any number of times.
#[derive(Debug)]
pub struct Machine<'p> {
    runtime: &'p Runtime,
    model: ModelId,
    conditions: &'p Conditions,
    purpose: Purpose,
    addresses: Addresses,
    /// By [`VariableId`]: whether the conditions mention it; filled on first use.
    mentioned: Vec<Option<bool>>,
}

impl<'p> Machine<'p> {
    /// A machine for `model` of the runtime's program. Model parameters are supplied by name, like givens.
    pub fn new(runtime: &'p Runtime, model: ModelId, conditions: &'p Conditions, purpose: Purpose) -> Self {
        Self { runtime, model, conditions, purpose, addresses: Addresses::default(), mentioned: Vec::new() }
    }

    /// The addresses that executions have reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The addresses, when the machine has done its work.
    pub fn into_addresses(self) -> Addresses {
        self.addresses
    }

    /// One execution.
    ///
    /// # Errors
    /// A mistake in the program or its data; failures that latents cause are [`Outcome::Rejected`].
    pub fn run(&mut self, handler: &mut dyn Handler) -> Result<Outcome, RuntimeError> {
        let model = self.entry_model();
        match self.execution(handler).entry(model) {
            Ok(returned) => Ok(Outcome::Finished { returned }),
            Err(Stop::Reject) => Ok(Outcome::Rejected),
            Err(Stop::Error(error)) => Err(*error),
        }
    }

    /// The model that is executed.
    pub(super) fn entry_model(&self) -> &'p core::Model {
        let runtime: &'p Runtime = self.runtime;
        runtime.program.model(self.model)
    }

    /// An execution that has not begun.
    pub(super) fn execution<'m>(&'m mut self, handler: &'m mut dyn Handler) -> Execution<'p, 'm> {
        Execution {
            runtime: self.runtime,
            program: &self.runtime.program,
            conditions: self.conditions,
            purpose: self.purpose,
            addresses: &mut self.addresses,
            mentioned: &mut self.mentioned,
            handler,
            print: None,
            nested: true,
            parent: None,
            prefix: Indices::new(),
            depth: 0,
            iterations: 0,
            masked: false,
            control: false,
            branched: false,
            used: Vec::new(),
        }
    }
}

/// The state of one execution.
pub(super) struct Execution<'p, 'm> {
    pub runtime: &'p Runtime,
    pub program: &'p Program,
    pub conditions: &'p Conditions,
    pub purpose: Purpose,
    pub addresses: &'m mut Addresses,
    pub mentioned: &'m mut Vec<Option<bool>>,
    pub handler: &'m mut dyn Handler,
    /// Where a script prints; models have none.
    pub print: Option<&'m mut dyn FnMut(&str)>,
    /// Inside a model: `infer` expressions must be deterministic.
    pub nested: bool,
    /// The submodel that runs, and all subscripts on the way to it.
    pub parent: Option<VariableId>,
    pub prefix: Indices,
    pub depth: usize,
    pub iterations: u64,
    /// Whether the expression at hand has read something that depends on a masked value.
    pub masked: bool,
    /// Whether reaching this statement depends on a masked value.
    pub control: bool,
    /// Whether any branch or loop bound depended on a masked value so far.
    pub branched: bool,
    /// Supplied elements that were used, by variable.
    pub used: Vec<usize>,
}

/// Where an execution goes on when a submodel ends.
pub(super) struct Outer {
    parent: Option<VariableId>,
    prefix: Indices,
    control: bool,
}

impl<'p> Execution<'p, '_> {
    fn entry(&mut self, model: &'p core::Model) -> Evaluated<Option<Value>> {
        let mut frame = self.entry_frame(model)?;
        let returned = self.block(&mut frame, &model.body)?;
        if self.purpose == Purpose::Infer {
            self.check_all_used(model)?;
        }
        Ok(returned.map(|(value, _)| value))
    }

    /// The frame of the model, with its parameters.
    pub fn entry_frame(&mut self, model: &'p core::Model) -> Evaluated<Frame<'p>> {
        let mut frame = Frame::new(&model.frame);
        for parameter in &model.parameters {
            let known = self.conditions.lookup(&parameter.name, &[]);
            let Known::Value(value) = known else {
                let name = parameter.name.to_string();
                let span = parameter.span;
                return Err(
                    RuntimeError::MissingValue { name, role: Role::Given, has_distribution: false, span }.into()
                );
            };
            frame.set(parameter.slot, value, false);
        }
        for parameter in &model.parameters {
            if let Known::Value(value) = self.conditions.lookup(&parameter.name, &[]) {
                self.bind_sizes(&mut frame, &parameter.name, &value, &parameter.sizes, parameter.span)?;
            }
        }
        Ok(frame)
    }

    /// Every supplied element must have been reached: an execution that does not reach one has density zero. Where no
    /// choice could have reached it, the data are wrong.
    fn check_all_used(&mut self, model: &core::Model) -> Evaluated<()> {
        for name in self.conditions.names() {
            let own = model.variables.iter().find(|v| v.name == *name);
            // A program may condition on the first of many givens.
            let expects =
                own.is_none_or(|v| matches!(v.kind, core::VariableKind::Random(Role::Sample | Role::Observe)));
            let expected = self.conditions.known_elements(name);
            if !expects || expected == 0 {
                continue;
            }
            let used =
                self.addresses.find_variable(name).and_then(|v| self.used.get(v.0 as usize).copied()).unwrap_or(0);
            if used >= expected {
                continue;
            }
            if self.branched {
                return Err(Stop::Reject);
            }
            return Err(RuntimeError::SuppliedUnused { name: name.to_string(), supplied: expected, used }.into());
        }
        Ok(())
    }

    /// The error as the end of this execution: density zero where latents caused it and inference may go on.
    pub fn fail(&mut self, error: RuntimeError) -> Stop {
        if self.purpose == Purpose::Infer && (self.masked || self.control) && error.is_recoverable() {
            self.handler.rejected(&error);
            return Stop::Reject;
        }
        error.into()
    }

    pub fn descend(&mut self, span: Span) -> Evaluated<()> {
        self.depth += 1;
        if self.depth > self.runtime.limits.depth {
            return Err(RuntimeError::RecursionLimit { limit: self.runtime.limits.depth, span }.into());
        }
        Ok(())
    }

    pub fn iteration(&mut self, span: Span) -> Evaluated<()> {
        self.iterations += 1;
        if self.iterations > self.runtime.limits.iterations {
            return Err(RuntimeError::IterationLimit { limit: self.runtime.limits.iterations, span }.into());
        }
        Ok(())
    }

    /// Runs a block; what a `return` in it gave, and whether that depends on something masked.
    pub fn block(&mut self, frame: &mut Frame<'p>, block: &'p Block) -> Evaluated<Option<(Value, bool)>> {
        stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, || {
            for stmt in &block.statements {
                if let Some(returned) = self.statement(frame, stmt)? {
                    return Ok(Some(returned));
                }
            }
            Ok(None)
        })
    }

    fn statement(&mut self, frame: &mut Frame<'p>, stmt: &'p Stmt) -> Evaluated<Option<(Value, bool)>> {
        self.masked = false;
        match &stmt.kind {
            StmtKind::Random(random) => self.random(frame, random, stmt.span)?,
            StmtKind::Let(line) => self.deterministic(frame, line, stmt.span)?,
            StmtKind::If { condition, then, otherwise } => {
                let holds = self.condition(frame, condition)?;
                let outer = self.control;
                self.control |= self.masked;
                self.branched |= self.masked;
                let depends = self.masked;
                let returned = self.block(frame, if holds { then } else { otherwise })?;
                if returned.is_some() {
                    return Ok(returned);
                }
                // Had the other side returned, the rest would not be reached.
                self.control = outer || (depends && (then.returns() || otherwise.returns()));
            }
            StmtKind::For { plate: _, index, lower, upper, body } => {
                let (lower, upper) = self.bounds(frame, lower, upper)?;
                let outer = self.control;
                let depends = self.masked;
                self.control |= depends;
                self.branched |= depends;
                for i in lower..upper {
                    self.iteration(stmt.span)?;
                    frame.set(*index, Value::Int(i), depends);
                    let returned = self.block(frame, body)?;
                    if returned.is_some() {
                        return Ok(returned);
                    }
                }
                self.control = outer;
            }
            StmtKind::Factor(expr) => {
                if self.purpose == Purpose::Simulate {
                    return Err(RuntimeError::FactorInSimulation { span: stmt.span }.into());
                }
                let value = self.evaluate(frame, expr)?;
                let weight = value.as_f64().ok_or_else(|| internal("a factor that is not a number", expr.span))?;
                self.handler.factor(weight, expr.span)?;
            }
            StmtKind::Return(expr) => {
                let value = self.evaluate(frame, expr)?;
                return Ok(Some((value, self.masked || self.control)));
            }
            StmtKind::Print(exprs) => {
                let mut line = Vec::with_capacity(exprs.len());
                for expr in exprs {
                    line.push(self.evaluate(frame, expr)?.to_string());
                }
                if let Some(print) = &mut self.print {
                    print(&line.join(" "));
                }
            }
            StmtKind::Evaluate(expr) => {
                self.evaluate(frame, expr)?;
            }
        }
        Ok(None)
    }

    pub fn subscripts(&mut self, frame: &mut Frame<'p>, target: &'p Target) -> Evaluated<Indices> {
        let mut indices = Indices::new();
        for expr in &target.subscripts {
            let index = self.integer(frame, expr)?;
            if index < 0 {
                return Err(RuntimeError::IndexOutOfRange { index, size: 0, span: expr.span }.into());
            }
            if index > MAX_INDEX {
                return Err(RuntimeError::IndexTooLarge { index, limit: MAX_INDEX, span: expr.span }.into());
            }
            indices.push(index);
        }
        Ok(indices)
    }

    /// The variable a statement defines in this call, and all subscripts on the way to it.
    pub fn locate(&mut self, target: &'p Target, indices: &[i64]) -> (VariableId, Indices) {
        let variable = self.addresses.variable(self.parent, &target.path);
        let mut all = self.prefix.clone();
        all.extend_from_slice(indices);
        (variable, all)
    }

    /// What was supplied for an address, without hashing names that nothing was said of.
    fn supplied(&mut self, variable: VariableId, indices: &[i64]) -> Known {
        let at = variable.0 as usize;
        if self.mentioned.len() <= at {
            self.mentioned.resize(at + 1, None);
        }
        let name = self.addresses.name(variable);
        let mentioned = *self.mentioned[at].get_or_insert_with(|| self.conditions.mentions(name));
        if mentioned { self.conditions.lookup(name, indices) } else { Known::Absent }
    }

    fn count_used(&mut self, variable: VariableId, value: &Value) {
        let at = variable.0 as usize;
        if self.used.len() <= at {
            self.used.resize(at + 1, 0);
        }
        self.used[at] += value.as_array().map_or(1, |a| a.size());
    }

    pub fn store(
        &mut self,
        frame: &mut Frame<'p>,
        target: &'p Target,
        indices: &[i64],
        value: Value,
        masked: bool,
        reported: bool,
    ) -> Evaluated<()> {
        if reported {
            match &*target.path {
                [(name, _)] => frame.define(name, target.slot),
                path => {
                    let name: Arc<str> = path.iter().map(|(n, _)| &**n).collect::<Vec<_>>().join(".").into();
                    frame.define(&name, target.slot);
                }
            }
        }
        if indices.is_empty() {
            frame.set(target.slot, value, masked);
            return Ok(());
        }
        let name = frame.name(target.slot);
        frame
            .fill(target.slot, indices, value, masked)
            .map_err(|()| RuntimeError::DefinedTwice { name: element_name(name, indices), span: target.span }.into())
    }

    pub fn random(&mut self, frame: &mut Frame<'p>, stmt: &'p Random, span: Span) -> Evaluated<()> {
        let indices = self.subscripts(frame, &stmt.target)?;
        self.masked = false;
        if let Some(core::Distribution { kind: DistributionKind::Model(model, arguments), .. }) = &stmt.distribution {
            return self.submodel(frame, stmt, *model, arguments, &indices, span);
        }
        let (variable, all) = self.locate(&stmt.target, &indices);
        let address = self.addresses.address(variable, &all);
        let known = self.known(frame, stmt, variable, &all, address, span)?;
        if let Some(value) = &known {
            self.check_sizes(frame, &stmt.target.path[0].0, value, &stmt.sizes, span)?;
        }
        let Some(distribution) = &stmt.distribution else {
            return match known {
                Some(value) => {
                    self.handler.input(address, &value);
                    self.store(frame, &stmt.target, &indices, value, false, true)
                }
                None => Err(self.missing(stmt, address, span)),
            };
        };
        self.masked = false;
        let law = self.law(frame, distribution)?;
        let depends = self.masked || self.control;
        let simulate = match &stmt.simulate {
            Some(distribution) => Some(self.law(frame, distribution)?),
            None => None,
        };
        let Type::Data(ty) = stmt.ty else { return Err(internal("a random variable that is not data", span)) };
        let site = Site { address, role: stmt.role, law: &law, simulate: simulate.as_ref(), ty, span };
        match known {
            Some(value) => {
                let counts = stmt.role != Role::Given || depends;
                if counts && self.purpose == Purpose::Infer && law_has_no_density(&law, ty) {
                    return Err(RuntimeError::NoDensity { span: distribution.span }.into());
                }
                self.handler.observe(&site, &value, counts, self.addresses)?;
                self.store(frame, &stmt.target, &indices, value, false, true)
            }
            None => {
                let value = self.handler.choose(&site, self.addresses)?;
                self.check_sizes(frame, &stmt.target.path[0].0, &value, &stmt.sizes, span)?;
                self.store(frame, &stmt.target, &indices, value, true, true)
            }
        }
    }

    /// The value of a choice, if it is known; an error where one is expected and there is none.
    fn known(
        &mut self,
        frame: &mut Frame<'p>,
        stmt: &'p Random,
        variable: VariableId,
        indices: &[i64],
        address: AddressId,
        span: Span,
    ) -> Evaluated<Option<Value>> {
        let redraw = self.purpose == Purpose::Simulate && stmt.role == Role::Observe;
        if redraw && stmt.distribution.is_some() {
            return Ok(None);
        }
        match self.supplied(variable, indices) {
            Known::Value(value) => {
                self.count_used(variable, &value);
                Ok(Some(value))
            }
            Known::Masked => Ok(None),
            Known::PartlyMasked => {
                Err(RuntimeError::PartlyMasked { name: self.addresses.display(address).to_string(), span }.into())
            }
            Known::OutOfRange { shape } => {
                let name = self.addresses.display(address).to_string();
                Err(RuntimeError::SuppliedTooSmall { name, shape, span }.into())
            }
            Known::Absent => match &stmt.annotation {
                Some(Annotation::Value(expr)) => {
                    self.masked = false;
                    let value = self.evaluate(frame, expr)?;
                    if self.masked && self.purpose == Purpose::Infer {
                        let name = self.addresses.display(address).to_string();
                        return Err(RuntimeError::MaskedAnnotation { name, span: expr.span }.into());
                    }
                    Ok(Some(value))
                }
                Some(Annotation::Mask) => Ok(None),
                None => match (stmt.role, self.purpose) {
                    (Role::Sample, _) | (Role::Given | Role::Observe, Purpose::Simulate) => Ok(None),
                    (Role::Given | Role::Observe, Purpose::Infer) => Err(self.missing(stmt, address, span)),
                },
            },
        }
    }

    fn missing(&self, stmt: &Random, address: AddressId, span: Span) -> Stop {
        RuntimeError::MissingValue {
            name: self.addresses.display(address).to_string(),
            role: stmt.role,
            has_distribution: stmt.distribution.is_some(),
            span,
        }
        .into()
    }

    fn submodel(
        &mut self,
        frame: &mut Frame<'p>,
        stmt: &'p Random,
        model: ModelId,
        arguments: &'p [core::Expr],
        indices: &[i64],
        span: Span,
    ) -> Evaluated<()> {
        let tracked = self.track_all(frame, arguments)?;
        let (mut inner, outer) = self.enter(&stmt.target, indices, model, &tracked, span)?;
        let returned = self.block(&mut inner, &self.program.model(model).body)?;
        let record = self.leave(outer, inner, returned, span);
        self.store(frame, &stmt.target, indices, record, false, true)
    }

    /// Begins a submodel that the variable of `target` is an execution of, with its arguments.
    pub fn enter(
        &mut self,
        target: &'p Target,
        indices: &[i64],
        model: ModelId,
        arguments: &[(Value, bool)],
        span: Span,
    ) -> Evaluated<(Frame<'p>, Outer)> {
        let (variable, all) = self.locate(target, indices);
        let program = self.program;
        let model = program.model(model);
        let mut inner = Frame::new(&model.frame);
        for (parameter, (value, masked)) in model.parameters.iter().zip(arguments) {
            inner.set(parameter.slot, value.clone(), *masked);
        }
        for (parameter, (value, _)) in model.parameters.iter().zip(arguments) {
            self.bind_sizes(&mut inner, &parameter.name, value, &parameter.sizes, span)?;
        }
        let parent = self.parent.replace(variable);
        let prefix = std::mem::replace(&mut self.prefix, all);
        self.descend(span)?;
        Ok((inner, Outer { parent, prefix, control: self.control }))
    }

    /// Ends a submodel; what it gave. What depends on something masked is known of each part of it.
    pub fn leave(&mut self, outer: Outer, inner: Frame<'p>, returned: Option<(Value, bool)>, span: Span) -> Value {
        self.depth -= 1;
        (self.parent, self.prefix, self.control) = (outer.parent, outer.prefix, outer.control);
        let (returned, returned_masked) = returned.unzip();
        let returned_masked = returned_masked.unwrap_or(false);
        Value::Record(Arc::new(Record { returned, returned_masked, fields: inner.into_fields(span) }))
    }

    pub fn deterministic(&mut self, frame: &mut Frame<'p>, line: &'p Let, span: Span) -> Evaluated<()> {
        let indices = self.subscripts(frame, &line.target)?;
        self.masked = false;
        let mut value = self.evaluate(frame, &line.value)?;
        self.check_sizes(frame, &line.target.path[0].0, &value, &line.sizes, span)?;
        let mut depends = self.masked || self.control;
        if line.reported || line.condition {
            let (variable, all) = self.locate(&line.target, &indices);
            let address = self.addresses.address(variable, &all);
            let supplied = match self.supplied(variable, &all) {
                Known::Value(supplied) => {
                    self.count_used(variable, &supplied);
                    Some(supplied)
                }
                Known::Masked | Known::PartlyMasked => None,
                Known::OutOfRange { shape } => {
                    let name = self.addresses.display(address).to_string();
                    return Err(RuntimeError::SuppliedTooSmall { name, shape, span }.into());
                }
                Known::Absent => match &line.annotation {
                    Some(Annotation::Value(expr)) => Some(self.evaluate(frame, expr)?),
                    Some(Annotation::Mask) => None,
                    None if line.condition && self.purpose == Purpose::Infer => {
                        let name = self.addresses.display(address).to_string();
                        let role = Role::Observe;
                        return Err(RuntimeError::MissingValue { name, role, has_distribution: true, span }.into());
                    }
                    None => None,
                },
            };
            if let Some(supplied) = supplied
                && self.purpose == Purpose::Infer
            {
                if line.condition {
                    let holds = value.shape() == supplied.shape() && value.to_f64s() == supplied.to_f64s();
                    self.handler.factor(if holds { 0.0 } else { f64::NEG_INFINITY }, span)?;
                    value = supplied;
                    depends = false;
                } else if depends {
                    let name = self.addresses.display(address).to_string();
                    return Err(RuntimeError::DeterministicSupplied { name, span }.into());
                } else if !agree(&value, &supplied) {
                    let name = self.addresses.display(address).to_string();
                    let (computed, supplied) = (value.to_string(), supplied.to_string());
                    return Err(RuntimeError::DeterministicDiffers { name, computed, supplied, span }.into());
                }
            }
            self.handler.deterministic(address, &value, depends);
        }
        self.store(frame, &line.target, &indices, value, depends, line.reported || line.condition)
    }
}

/// Whether `law` is a posterior of reals, which can only be simulated.
fn law_has_no_density(law: &Law, ty: DataType) -> bool {
    matches!(law, Law::Marginal(_)) && (ty.base == crate::value::Base::Real || ty.rank > 0)
}

fn agree(computed: &Value, supplied: &Value) -> bool {
    let (a, b) = (computed.to_f64s(), supplied.to_f64s());
    computed.shape() == supplied.shape()
        && a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| a == b || (a - b).abs() <= DETERMINISTIC_TOLERANCE * a.abs().max(b.abs()))
}
