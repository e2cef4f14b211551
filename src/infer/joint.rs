//! Draws from the joint distribution of latents and data: what calibration checks inference against.
//!
//! The conditions of a target say what is asked. Everything that inference would hold is data: observations and givens.
//! Everything that it would mask is a latent. Values that the caller or the program fixed stay as they are.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::error::InferError;
use super::record::Address;
use super::stream::Stream;
use super::target::TargetRef;
use crate::check::core::{Annotation, Block, Program, StmtKind, VariableKind};
use crate::runtime::{
    AddressId, Addresses, Conditions, Handler, Known, Law, Machine, Purpose, RuntimeError, Site, Stop, Supplied, gather,
};
use crate::span::Span;
use crate::syntax::ast::Role;
use crate::value::Value;

/// A random variable of one execution.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    /// Which; valid with the machine that made it.
    pub id: AddressId,
    /// The same for people, and for other machines.
    pub address: Address,
    /// Its role in the program.
    pub role: Role,
    /// What it was drawn from; `None` for a hard condition.
    pub law: Option<Law>,
    /// Its value.
    pub value: Value,
    /// The statement.
    pub span: Span,
}

/// One execution, by what inference makes of each variable.
#[derive(Clone, Debug, Default)]
pub(super) struct Joint {
    /// Masked.
    pub latents: Vec<Drawn>,
    /// Held at what was drawn.
    pub data: Vec<Drawn>,
    /// Held at what the caller or the program says.
    pub fixed: Vec<Drawn>,
}

/// Draws from the joint distribution under the conditions of a target.
pub(super) struct JointSampler<'a> {
    target: TargetRef<'a>,
    /// Statements by their annotations: masked (true), or with a value.
    annotated: FxHashMap<Span, bool>,
    /// Hard conditions that are masked, by the last part of their names.
    masked_conditions: FxHashSet<Arc<str>>,
}

impl<'a> JointSampler<'a> {
    /// A sampler for what `target` leaves open.
    pub fn new(target: TargetRef<'a>) -> Self {
        let mut sampler = Self { target, annotated: FxHashMap::default(), masked_conditions: FxHashSet::default() };
        let program: &Program = &target.runtime.program;
        for model in &program.models {
            sampler.read(&model.body);
        }
        sampler
    }

    fn read(&mut self, block: &Block) {
        for stmt in &block.statements {
            match &stmt.kind {
                StmtKind::Random(random) => {
                    if let Some(annotation) = &random.annotation {
                        self.annotated.insert(stmt.span, matches!(annotation, Annotation::Mask));
                    }
                }
                StmtKind::Let(line) if line.condition && matches!(line.annotation, Some(Annotation::Mask)) => {
                    self.masked_conditions.extend(line.target.path.last().map(|(name, _)| name.clone()));
                }
                StmtKind::If { then, otherwise, .. } => {
                    self.read(then);
                    self.read(otherwise);
                }
                StmtKind::For { body, .. } => self.read(body),
                StmtKind::Let(_)
                | StmtKind::Factor(_)
                | StmtKind::Return(_)
                | StmtKind::Print(_)
                | StmtKind::Evaluate(_) => {}
            }
        }
    }

    /// A machine that draws all that `conditions` leave open: those of the target, or more.
    pub fn machine<'c>(&self, conditions: &'c Conditions) -> Machine<'c>
    where
        'a: 'c,
    {
        Machine::new(self.target.runtime, self.target.model, conditions, Purpose::Simulate)
    }

    /// One execution of such a machine.
    ///
    /// # Errors
    /// A mistake in the program; a variable that is not drawn from the distribution that inference holds it to.
    pub fn draw(&self, machine: &mut Machine<'_>, rng: &mut Stream) -> Result<Joint, InferError> {
        let mut draw = Draw { sampler: self, rng, joint: Joint::default(), computed: Vec::new(), foreign: None };
        machine.run(&mut draw)?;
        if let Some((name, span)) = draw.foreign {
            let reason = format!("`{name}` is simulated from another distribution than its own");
            return Err(InferError::NoJoint { reason, span });
        }
        let (mut joint, computed) = (draw.joint, draw.computed);
        for (id, value) in computed {
            let addresses = machine.addresses();
            if self.is_condition(id, addresses)
                && let Some(address) = address(id, addresses)
            {
                let span = Span::default();
                joint.data.push(Drawn { id, address, role: Role::Observe, law: None, value, span });
            }
        }
        Ok(joint)
    }

    /// What inference makes of a random variable.
    fn part(&self, site: &Site<'_>, addresses: &Addresses) -> Result<Part, Stop> {
        let held = if site.role == Role::Observe { Part::Data } else { Part::Fixed };
        let known = match addresses.parts(site.address) {
            Some((variable, indices)) => self.target.conditions.lookup(addresses.name(variable), indices),
            None => Known::Absent,
        };
        Ok(match known {
            Known::Masked => Part::Latent,
            Known::Value(_) | Known::OutOfRange { .. } => held,
            Known::PartlyMasked => {
                let name = addresses.display(site.address).to_string();
                return Err(RuntimeError::PartlyMasked { name, span: site.span }.into());
            }
            Known::Absent => match (self.annotated.get(&site.span), site.role) {
                (Some(true), _) | (None, Role::Sample) => Part::Latent,
                (Some(false), _) => held,
                (None, Role::Given | Role::Observe) => Part::Data,
            },
        })
    }

    /// Whether a deterministic line is a hard condition that inference holds.
    fn is_condition(&self, id: AddressId, addresses: &Addresses) -> bool {
        let Some((variable, indices)) = addresses.parts(id) else { return false };
        let name = addresses.name(variable);
        let program: &Program = &self.target.runtime.program;
        let kind = program.variable(self.target.model, name).map(|(v, _)| v.kind);
        kind == Some(VariableKind::Condition)
            && match self.target.conditions.lookup(name, indices) {
                Known::Masked => false,
                Known::Absent => !self.masked_conditions.contains(name.rsplit('.').next().unwrap_or(name)),
                Known::Value(_) | Known::OutOfRange { .. } | Known::PartlyMasked => true,
            }
    }
}

/// What inference makes of a variable; see [`Joint`].
enum Part {
    Latent,
    Data,
    Fixed,
}

struct Draw<'a, 'p> {
    sampler: &'a JointSampler<'p>,
    rng: &'a mut Stream,
    joint: Joint,
    /// Deterministic lines.
    computed: Vec<(AddressId, Value)>,
    /// A variable with a distribution to simulate from that is not its own.
    foreign: Option<(String, Span)>,
}

impl Draw<'_, '_> {
    fn push(&mut self, site: &Site<'_>, value: &Value, addresses: &Addresses) -> Result<(), Stop> {
        let Some(address) = address(site.address, addresses) else { return Ok(()) };
        let drawn = Drawn {
            id: site.address,
            address,
            role: site.role,
            law: Some(site.law.clone()),
            value: value.clone(),
            span: site.span,
        };
        match self.sampler.part(site, addresses)? {
            Part::Latent => self.joint.latents.push(drawn),
            Part::Data => self.joint.data.push(drawn),
            Part::Fixed => self.joint.fixed.push(drawn),
        }
        Ok(())
    }
}

impl Handler for Draw<'_, '_> {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        if site.simulate.is_some() {
            self.foreign = Some((addresses.display(site.address).to_string(), site.span));
            return Err(Stop::Reject);
        }
        let value = site
            .law
            .sample(self.rng)
            .map_err(|improper| RuntimeError::Improper { family: improper.family, span: site.span })?;
        self.push(site, &value, addresses)?;
        Ok(value)
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, _: bool, addresses: &Addresses) -> Result<(), Stop> {
        self.push(site, value, addresses)
    }

    fn factor(&mut self, _: f64, span: Span) -> Result<(), Stop> {
        Err(RuntimeError::FactorInSimulation { span }.into())
    }

    fn deterministic(&mut self, id: AddressId, value: &Value, _: bool) {
        self.computed.push((id, value.clone()));
    }
}

/// An address that holds for all machines.
pub(super) fn address(id: AddressId, addresses: &Addresses) -> Option<Address> {
    let (variable, indices) = addresses.parts(id)?;
    Some(Address {
        name: addresses.display(id).to_string(),
        variable: addresses.name(variable).clone(),
        indices: indices.to_vec(),
        deterministic: false,
    })
}

/// Adds to `conditions` that `held` are known. `others` are the rest of the same execution: of a variable that they are a
/// part of, elements are held one by one.
pub(super) fn hold<'d>(
    conditions: &mut Conditions,
    held: impl IntoIterator<Item = &'d Drawn>,
    others: impl IntoIterator<Item = &'d Drawn>,
    addresses: &Addresses,
) {
    let parted: FxHashSet<&Arc<str>> = others.into_iter().map(|drawn| &drawn.address.variable).collect();
    let mut whole: Vec<(AddressId, Value)> = Vec::new();
    for drawn in held {
        let Address { variable, indices, .. } = &drawn.address;
        if indices.is_empty() {
            conditions.supply(variable.clone(), Supplied::Value(drawn.value.clone()));
        } else if parted.contains(variable) {
            conditions.supply_element(variable.clone(), indices.clone(), Some(drawn.value.clone()));
        } else {
            whole.push((drawn.id, drawn.value.clone()));
        }
    }
    // Arrays are looked up faster than their elements.
    let arrays = gather(&whole, addresses);
    for (id, value) in whole {
        let Some((variable, indices)) = addresses.parts(id) else { continue };
        let name = addresses.name(variable);
        if !arrays.iter().any(|(array, _)| array == name) {
            conditions.supply_element(name.clone(), indices.to_vec(), Some(value));
        }
    }
    for (name, value) in arrays.into_iter().filter(|(name, _)| !name.contains('[')) {
        conditions.supply(name, Supplied::Value(value));
    }
}

/// Executions from which it is told which variables depend on which.
const PILOTS: usize = 8;

/// The variables among `before` that are drawn from something else in `after`, or not at all.
pub(super) fn changed<'d>(
    before: impl IntoIterator<Item = &'d Drawn>,
    after: &[Drawn],
) -> impl Iterator<Item = &'d Drawn> {
    let after: FxHashMap<&str, &Drawn> = after.iter().map(|drawn| (drawn.address.name.as_str(), drawn)).collect();
    before.into_iter().filter(move |drawn| {
        let other = after.get(drawn.address.name.as_str());
        other.is_none_or(|other| !same(drawn.law.as_ref(), other.law.as_ref()))
    })
}

fn same(a: Option<&Law>, b: Option<&Law>) -> bool {
    match (a, b) {
        (Some(Law::Family(a)), Some(Law::Family(b))) => a == b,
        (Some(Law::Marginal(a)), Some(Law::Marginal(b))) => {
            a.column == b.column
                && a.indices == b.indices
                && (Arc::ptr_eq(&a.posterior, &b.posterior) || a.posterior == b.posterior)
        }
        (None, None) => true,
        (Some(Law::Family(_)), Some(Law::Marginal(_)) | None)
        | (Some(Law::Marginal(_)), Some(Law::Family(_)) | None)
        | (None, Some(_)) => false,
    }
}

/// The conditions of `target` with the givens held that depend on no latent, at one draw.
///
/// # Errors
/// As [`JointSampler::draw`]; and where a value is fixed of a variable that depends on a latent: its density would then be
/// part of the posterior, but not of the draws that the posterior is checked against.
pub(super) fn hold_givens(target: &TargetRef<'_>, rng: &mut Stream) -> Result<Conditions, InferError> {
    let sampler = JointSampler::new(*target);
    let mut machine = sampler.machine(target.conditions);
    let first = sampler.draw(&mut machine, rng)?;
    let mut givens: Vec<&Drawn> = first.data.iter().filter(|drawn| drawn.role == Role::Given).collect();
    loop {
        let mut conditions = target.conditions.clone();
        let is_given = |drawn: &&Drawn| givens.iter().any(|given| given.address == drawn.address);
        let others = first.latents.iter().chain(&first.data).chain(&first.fixed).filter(|d| !is_given(d));
        hold(&mut conditions, givens.iter().copied(), others, machine.addresses());
        let held = JointSampler::new(TargetRef { conditions: &conditions, ..*target });
        let mut pilot = held.machine(&conditions);
        let before = held.draw(&mut pilot, rng)?;
        let mut depend: Vec<&Drawn> = Vec::new();
        for _ in 1..PILOTS {
            let after = held.draw(&mut pilot, rng)?;
            depend.extend(changed(&before.fixed, &after.fixed));
        }
        let depends = |given: &&Drawn| depend.iter().any(|d| d.address.variable == given.address.variable);
        let kept: Vec<&Drawn> = givens.iter().copied().filter(|given| !depends(given)).collect();
        match depend.first() {
            None => return Ok(conditions),
            Some(drawn) if kept.len() == givens.len() => {
                let name = &drawn.address.name;
                let reason = format!("`{name}` is fixed, but its distribution depends on something that is drawn");
                return Err(InferError::NoJoint { reason, span: drawn.span });
            }
            Some(_) => givens = kept,
        }
    }
}

/// The latents that depend on the data, and what depends on those: given the other latents, they are drawn again with the
/// data.
///
/// # Errors
/// As [`JointSampler::draw`].
pub(super) fn downstream(
    sampler: &JointSampler<'_>,
    conditions: &Conditions,
    rng: &mut Stream,
) -> Result<FxHashSet<Arc<str>>, InferError> {
    let mut found: FxHashSet<Arc<str>> = FxHashSet::default();
    let mut machine = sampler.machine(conditions);
    loop {
        let before = found.len();
        for _ in 0..PILOTS {
            let joint = sampler.draw(&mut machine, rng)?;
            let (free, held): (Vec<&Drawn>, Vec<&Drawn>) =
                joint.latents.iter().partition(|drawn| found.contains(&drawn.address.variable));
            let mut known = conditions.clone();
            let others = free.into_iter().chain(&joint.data).chain(&joint.fixed);
            hold(&mut known, held.iter().copied(), others, machine.addresses());
            let again = sampler.draw(&mut sampler.machine(&known), rng)?;
            let depend: Vec<Arc<str>> =
                changed(held, &again.latents).map(|drawn| drawn.address.variable.clone()).collect();
            found.extend(depend);
        }
        if found.len() == before {
            return Ok(found);
        }
    }
}
