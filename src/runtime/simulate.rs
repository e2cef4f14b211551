//! Ancestral sampling of whole executions, many at a time where the program allows it.
//!
//! Execution `i` is a function of the seed and `i` alone, whatever the sizes of the batches. Memory is that of one batch.

use std::sync::Arc;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::columnar::{LANES, Operand, Plan};
use super::conditions::Conditions;
use super::error::RuntimeError;
use super::handler::{Handler, Site, Stop};
use super::lower::{LoweredProgram, lower};
use super::machine::{Machine, Outcome, Purpose};
use super::{AddressId, Addresses, Runtime, VariableId};
use crate::check::core::ModelId;
use crate::span::Span;
use crate::value::{Array, Base, DataType, Value};

/// A random stream that is a function of `seed` and `stream`.
pub fn random_stream(seed: u64, stream: u64) -> Xoshiro256PlusPlus {
    // SplitMix64's finaliser spreads consecutive streams over the whole state space (Steele et al. 2014).
    let mut z = stream.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Xoshiro256PlusPlus::seed_from_u64(seed ^ (z ^ (z >> 31)))
}

/// A variable of every execution of a columnar program.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnVariable {
    /// Dotted name.
    pub name: Arc<str>,
    /// The kind of its scalars.
    pub base: Base,
    /// Empty for a scalar.
    pub shape: Vec<usize>,
    /// Its first lane; its elements follow in row-major order.
    pub first: usize,
}

/// A batch of executions by the column: element `e` of variable `v` in execution `i` is `lanes[v.first + e][i]`.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// In program order.
    pub variables: Vec<ColumnVariable>,
    /// One a scalar, each of length `n`; integers and truth values as doubles.
    pub lanes: Vec<Vec<f64>>,
    /// Executions in the batch.
    pub n: usize,
}

/// One execution of a program whose structure is random.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// By dotted name, in the order in which they came about; indexed variables whole where they have no gaps, else one
    /// entry an element.
    pub variables: Vec<(Arc<str>, Value)>,
    /// What the model returned.
    pub returned: Option<Value>,
}

/// The next executions of a [`Simulator`].
#[derive(Debug)]
pub enum Batch<'a> {
    /// Of a program whose structure does not depend on random choices.
    Columns(&'a Columns),
    /// Of any other.
    Executions(&'a [Execution]),
}

/// Draws executions of a model. Supplied givens and samples are held, observations are drawn anew.
#[derive(Debug)]
pub struct Simulator<'p> {
    seed: u64,
    next: u64,
    engine: Engine<'p>,
}

#[derive(Debug)]
enum Engine<'p> {
    Columnar {
        plan: Plan,
        outputs: Vec<Operand>,
        registers: Vec<[f64; LANES]>,
        /// The block that `registers` holds.
        block: Option<u64>,
        columns: Columns,
    },
    Machine {
        machine: Box<Machine<'p>>,
        executions: Vec<Execution>,
    },
}

impl<'p> Simulator<'p> {
    /// A simulator of `model`, from execution 0 on.
    pub fn new(runtime: &'p Runtime, model: ModelId, conditions: &'p Conditions, seed: u64) -> Self {
        let engine = match lower(&runtime.program, model, conditions) {
            Ok(LoweredProgram { plan, variables, outputs }) => Engine::Columnar {
                registers: plan.registers(),
                columns: Columns { variables, lanes: vec![Vec::new(); outputs.len()], n: 0 },
                plan,
                outputs,
                block: None,
            },
            Err(_) => Engine::Machine {
                machine: Box::new(Machine::new(runtime, model, conditions, Purpose::Simulate)),
                executions: Vec::new(),
            },
        };
        Self { seed, next: 0, engine }
    }

    /// Whether executions are made by the column.
    pub fn is_columnar(&self) -> bool {
        matches!(self.engine, Engine::Columnar { .. })
    }

    /// The next `n` executions.
    ///
    /// # Errors
    /// The first mistake, such as an invalid parameter; executions of the batch before it are lost.
    pub fn batch(&mut self, n: usize) -> Result<Batch<'_>, RuntimeError> {
        let first = self.next;
        self.next += n as u64;
        match &mut self.engine {
            Engine::Columnar { plan, outputs, registers, block, columns } => {
                for lane in &mut columns.lanes {
                    lane.clear();
                    lane.reserve(n);
                }
                let (mut at, end) = (first, first + n as u64);
                while at < end {
                    let wanted = at / LANES as u64;
                    if *block != Some(wanted) {
                        plan.execute(&mut random_stream(self.seed, wanted), registers)?;
                        *block = Some(wanted);
                    }
                    let from = (at % LANES as u64) as usize;
                    let taken = (LANES - from).min((end - at) as usize);
                    for (lane, output) in columns.lanes.iter_mut().zip(outputs.iter()) {
                        match output {
                            Operand::Constant(x) => lane.resize(lane.len() + taken, *x),
                            Operand::Register(r) => lane.extend_from_slice(&registers[*r][from..from + taken]),
                        }
                    }
                    at += taken as u64;
                }
                columns.n = n;
                Ok(Batch::Columns(columns))
            }
            Engine::Machine { machine, executions } => {
                executions.clear();
                for i in first..first + n as u64 {
                    let mut draw = Draw { rng: random_stream(self.seed, i), drawn: Vec::new() };
                    let outcome = machine.run(&mut draw)?;
                    let returned = match outcome {
                        Outcome::Finished { returned } => returned,
                        Outcome::Rejected => None,
                    };
                    executions.push(Execution { variables: gather(&draw.drawn, machine.addresses()), returned });
                }
                Ok(Batch::Executions(executions))
            }
        }
    }
}

/// Draws every choice that is not held.
struct Draw {
    rng: Xoshiro256PlusPlus,
    drawn: Vec<(AddressId, Value)>,
}

impl Handler for Draw {
    fn choose(&mut self, site: &Site<'_>, _: &Addresses) -> Result<Value, Stop> {
        let law = site.simulate.unwrap_or(site.law);
        let value = law
            .sample(&mut self.rng)
            .map_err(|improper| RuntimeError::Improper { family: improper.family, span: site.span })?;
        self.drawn.push((site.address, value.clone()));
        Ok(value)
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, _: bool, _: &Addresses) -> Result<(), Stop> {
        self.drawn.push((site.address, value.clone()));
        Ok(())
    }

    fn factor(&mut self, _: f64, span: Span) -> Result<(), Stop> {
        Err(RuntimeError::FactorInSimulation { span }.into())
    }

    fn input(&mut self, address: AddressId, value: &Value) {
        self.drawn.push((address, value.clone()));
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, _: bool) {
        self.drawn.push((address, value.clone()));
    }
}

/// Elements by address as whole variables.
pub fn gather(drawn: &[(AddressId, Value)], addresses: &Addresses) -> Vec<(Arc<str>, Value)> {
    let mut order: Vec<VariableId> = Vec::new();
    let mut cells: rustc_hash::FxHashMap<VariableId, Vec<(&[i64], &Value)>> = rustc_hash::FxHashMap::default();
    for (address, value) in drawn {
        let Some((variable, indices)) = addresses.parts(*address) else { continue };
        let own = cells.entry(variable).or_insert_with(|| {
            order.push(variable);
            Vec::new()
        });
        own.push((indices, value));
    }
    let mut variables = Vec::with_capacity(order.len());
    for variable in order {
        let name = addresses.name(variable);
        let Some(mut own) = cells.remove(&variable) else { continue };
        own.sort_by(|a, b| a.0.cmp(b.0));
        match stack(&own, 0) {
            Some(value) => variables.push((name.clone(), value)),
            None => {
                for (indices, value) in own {
                    let at: Vec<String> = indices.iter().map(ToString::to_string).collect();
                    variables.push((format!("{name}[{}]", at.join(", ")).into(), value.clone()));
                }
            }
        }
    }
    variables
}

/// Sorted cells as one value; `None` where there are gaps or the shapes differ.
fn stack(cells: &[(&[i64], &Value)], axis: usize) -> Option<Value> {
    let (first, value) = cells.first()?;
    if first.len() == axis {
        return (cells.len() == 1).then(|| (*value).clone());
    }
    let mut rows = Vec::new();
    for (i, group) in cells.chunk_by(|a, b| a.0.get(axis) == b.0.get(axis)).enumerate() {
        if group.first()?.0.get(axis) != Some(&(i as i64)) {
            return None;
        }
        rows.push(stack(group, axis + 1)?);
    }
    let element = rows.first().and_then(Value::data_type).unwrap_or(DataType::REAL);
    Array::stack(&rows, element).ok().map(Value::array)
}
