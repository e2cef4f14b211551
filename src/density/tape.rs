//! The schedule of a graph: equal operations at one depth become one loop over lanes, and everything lives in one buffer.
//!
//! This is where plates turn into array operations, whatever form the program gave them: operands that lie next to each
//! other are read as a slice, one operand for all lanes is read once, anything else is gathered. Densities that only enter
//! the sum at the root are added up as they are computed, and their derivatives with them.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::graph::{Graph, Node, Op};
use super::kernel::{self, Partials, Read, Write};
use super::schedule::Schedule;
use crate::dist::Family;

/// Where the lanes of an operand are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// One number for all lanes.
    One(u32),
    /// From here on, one a lane.
    Lanes(u32),
    /// Anywhere.
    Gather(Box<[u32]>),
}

#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub place: Place,
    /// All lanes are constants: they need no adjoint.
    pub constant: bool,
}

pub(super) type Operands = SmallVec<[Operand; 4]>;

/// A run of positions: the first, and how many.
pub(super) type Segment = (u32, u32);

#[derive(Debug)]
pub(super) enum Step {
    Elementwise {
        op: Op,
        operands: Operands,
        start: u32,
        lanes: u32,
    },
    /// [`Op::Sum`] or [`Op::LogSumExp`] of the segments of each lane: up to `ends[lane]`.
    Reduce {
        op: Op,
        segments: Vec<Segment>,
        ends: Vec<u32>,
        start: u32,
    },
    Block {
        block: u32,
        inputs: Operand,
        start: u32,
    },
}

/// Densities that are added up as they are computed.
#[derive(Debug)]
pub(super) struct Fused {
    pub family: Family,
    pub operands: Operands,
    pub lanes: u32,
}

/// A function of coordinates, ready to be evaluated many times.
#[derive(Debug)]
pub(super) struct Tape {
    pub coordinates: usize,
    /// The buffer with its constants filled in.
    pub template: Vec<f64>,
    pub steps: Vec<Step>,
    pub fused: Vec<Fused>,
    /// What else enters the sum at the root.
    pub rest: Vec<Segment>,
    /// Where the further roots are.
    pub outputs: Vec<u32>,
    pub most_lanes: usize,
}

/// The memory of one evaluation.
#[derive(Debug)]
pub(super) struct Scratch {
    values: Vec<f64>,
    adjoints: Vec<f64>,
    gathered: [Vec<f64>; 4],
    partials: Partials,
    contributions: Vec<f64>,
}

impl Tape {
    /// A schedule for the value and gradient of `root` as a function of the graph's `coordinates`, in that order, and the
    /// values of `outputs`.
    pub fn new(graph: &Graph, root: Node, coordinates: &[usize], outputs: &[Node]) -> Self {
        Self::schedule(graph, coordinates).build(Some(root), outputs)
    }

    /// The same for the values of `outputs` alone: what it is the value of is 0.
    pub fn of_outputs(graph: &Graph, coordinates: &[usize], outputs: &[Node]) -> Self {
        Self::schedule(graph, coordinates).build(None, outputs)
    }

    fn schedule<'g>(graph: &'g Graph, coordinates: &[usize]) -> Schedule<'g> {
        let order: FxHashMap<usize, u32> = coordinates.iter().enumerate().map(|(i, c)| (*c, i as u32)).collect();
        Schedule::new(graph, coordinates.len(), &order)
    }

    pub fn scratch(&self) -> Scratch {
        let lanes = || vec![0.0; self.most_lanes];
        Scratch {
            values: self.template.clone(),
            adjoints: vec![0.0; self.template.len()],
            gathered: [lanes(), lanes(), lanes(), lanes()],
            partials: [lanes(), lanes(), lanes(), lanes()],
            contributions: lanes(),
        }
    }

    /// The root at `z`: −∞ where it is not finite.
    pub fn value(&self, graph: &Graph, z: &[f64], scratch: &mut Scratch) -> f64 {
        self.forward(graph, z, scratch);
        let mut total = self.rest_sum(&scratch.values);
        for fused in &self.fused {
            gather(&fused.operands, &scratch.values, &mut scratch.gathered);
            let reads = reads(&fused.operands, &scratch.values, &scratch.gathered);
            total += kernel::density_sum(fused.family, &reads, fused.lanes as usize, None);
        }
        finite(total)
    }

    /// The value of an output after [`Tape::value`].
    pub fn output(&self, index: usize, scratch: &Scratch) -> f64 {
        scratch.values[self.outputs[index] as usize]
    }

    /// The root at `z` and its gradient: −∞ where either is not finite.
    pub fn gradient(&self, graph: &Graph, z: &[f64], gradient: &mut [f64], scratch: &mut Scratch) -> f64 {
        self.forward(graph, z, scratch);
        scratch.adjoints.fill(0.0);
        let mut total = self.rest_sum(&scratch.values);
        for fused in &self.fused {
            let lanes = fused.lanes as usize;
            gather(&fused.operands, &scratch.values, &mut scratch.gathered);
            let reads = reads(&fused.operands, &scratch.values, &scratch.gathered);
            total += kernel::density_sum(fused.family, &reads, lanes, Some(&mut scratch.partials));
            for (operand, partials) in fused.operands.iter().zip(&scratch.partials) {
                write(operand, lanes, &mut scratch.adjoints, &mut scratch.contributions, |w| {
                    kernel::scatter(partials, None, lanes, w);
                });
            }
        }
        if !total.is_finite() {
            return f64::NEG_INFINITY;
        }
        for (first, length) in &self.rest {
            for adjoint in &mut scratch.adjoints[*first as usize..(first + length) as usize] {
                *adjoint += 1.0;
            }
        }
        for step in self.steps.iter().rev() {
            step.backward(graph, scratch);
        }
        let found = &scratch.adjoints[..self.coordinates];
        gradient.copy_from_slice(found);
        if found.iter().all(|g| g.is_finite()) { total } else { f64::NEG_INFINITY }
    }

    fn rest_sum(&self, values: &[f64]) -> f64 {
        self.rest.iter().map(|(first, n)| values[*first as usize..(first + n) as usize].iter().sum::<f64>()).sum()
    }

    fn forward(&self, graph: &Graph, z: &[f64], scratch: &mut Scratch) {
        scratch.values[..self.coordinates].copy_from_slice(z);
        for step in &self.steps {
            step.forward(graph, scratch);
        }
    }
}

fn finite(total: f64) -> f64 {
    if total.is_finite() { total } else { f64::NEG_INFINITY }
}

/// Copies what lies here and there.
fn gather(operands: &[Operand], values: &[f64], gathered: &mut [Vec<f64>; 4]) {
    for (operand, buffer) in operands.iter().zip(gathered) {
        if let Place::Gather(positions) = &operand.place {
            for (slot, position) in buffer.iter_mut().zip(positions) {
                *slot = values[*position as usize];
            }
        }
    }
}

fn reads<'a>(operands: &[Operand], values: &'a [f64], gathered: &'a [Vec<f64>; 4]) -> SmallVec<[Read<'a>; 4]> {
    let read = |(operand, buffer): (&Operand, &'a Vec<f64>)| match &operand.place {
        Place::One(at) => Read::One(values[*at as usize]),
        Place::Lanes(start) => Read::Lanes(&values[*start as usize..]),
        Place::Gather(_) => Read::Lanes(buffer),
    };
    operands.iter().zip(gathered).map(read).collect()
}

/// Lets `add` add to the adjoints of an operand.
fn write(
    operand: &Operand,
    lanes: usize,
    adjoints: &mut [f64],
    contributions: &mut [f64],
    add: impl FnOnce(&mut Write<'_>),
) {
    if operand.constant {
        return;
    }
    match &operand.place {
        Place::One(at) => add(&mut Write::One(&mut adjoints[*at as usize])),
        Place::Lanes(start) => add(&mut Write::Lanes(&mut adjoints[*start as usize..*start as usize + lanes])),
        Place::Gather(positions) => {
            let contributions = &mut contributions[..lanes];
            contributions.fill(0.0);
            add(&mut Write::Lanes(contributions));
            for (position, contribution) in positions.iter().zip(contributions) {
                adjoints[*position as usize] += *contribution;
            }
        }
    }
}

impl Step {
    fn forward(&self, graph: &Graph, scratch: &mut Scratch) {
        match self {
            Self::Elementwise { op, operands, start, lanes } => {
                // Operands come before what is computed from them.
                let (before, rest) = scratch.values.split_at_mut(*start as usize);
                gather(operands, before, &mut scratch.gathered);
                let reads = reads(operands, before, &scratch.gathered);
                kernel::forward(*op, &reads, &mut rest[..*lanes as usize]);
            }
            Self::Reduce { op, segments, ends, start } => {
                let (before, rest) = scratch.values.split_at_mut(*start as usize);
                let mut first = 0;
                for (end, out) in ends.iter().zip(rest) {
                    let own = &segments[first..*end as usize];
                    first = *end as usize;
                    let terms = || own.iter().flat_map(|(s, n)| &before[*s as usize..(s + n) as usize]);
                    *out = if *op == Op::Sum {
                        own.iter().map(|(s, n)| before[*s as usize..(s + n) as usize].iter().sum::<f64>()).sum()
                    } else {
                        // A term that is not a number counts as one that is impossible.
                        let top = terms().copied().fold(f64::NEG_INFINITY, f64::max);
                        if top.is_finite() {
                            top + terms().filter(|t| !t.is_nan()).map(|t| (t - top).exp()).sum::<f64>().ln()
                        } else {
                            top
                        }
                    };
                }
            }
            Self::Block { block, inputs, start } => {
                let block = &graph.blocks[*block as usize];
                let (before, rest) = scratch.values.split_at_mut(*start as usize);
                let [buffer, ..] = &mut scratch.gathered;
                let inputs = block_inputs(inputs, block.inputs.len(), before, buffer);
                block.evaluate(inputs, &mut rest[..block.outputs]);
            }
        }
    }

    fn backward(&self, graph: &Graph, scratch: &mut Scratch) {
        let Scratch { values, adjoints, gathered, partials, contributions } = scratch;
        match self {
            Self::Elementwise { op, operands, start, lanes } => {
                let (start, lanes) = (*start as usize, *lanes as usize);
                let (before, from) = adjoints.split_at_mut(start);
                let own = &from[..lanes];
                gather(operands, values, gathered);
                let reads = reads(operands, values, gathered);
                if let Op::Density(family) = op {
                    kernel::density_sum(*family, &reads, lanes, Some(partials));
                    for (operand, partials) in operands.iter().zip(partials.iter()) {
                        write(operand, lanes, before, contributions, |w| {
                            kernel::scatter(partials, Some(own), lanes, w);
                        });
                    }
                    return;
                }
                let out = &values[start..start + lanes];
                for (which, operand) in operands.iter().enumerate() {
                    write(operand, lanes, before, contributions, |w| {
                        kernel::backward(*op, &reads, out, own, which, w);
                    });
                }
            }
            Self::Reduce { op, segments, ends, start } => {
                let (before, from) = adjoints.split_at_mut(*start as usize);
                let mut first = 0;
                for (lane, end) in ends.iter().enumerate() {
                    let own = &segments[first..*end as usize];
                    first = *end as usize;
                    let adjoint = from[lane];
                    if adjoint == 0.0 {
                        continue;
                    }
                    let total = values[*start as usize + lane];
                    for at in own.iter().flat_map(|(s, n)| *s as usize..(s + n) as usize) {
                        before[at] += if *op == Op::Sum {
                            adjoint
                        } else if values[at].is_nan() {
                            0.0
                        } else {
                            adjoint * (values[at] - total).exp()
                        };
                    }
                }
            }
            Self::Block { block, inputs, start } => {
                let block = &graph.blocks[*block as usize];
                let (before, from) = adjoints.split_at_mut(*start as usize);
                let [buffer, ..] = gathered;
                let read = block_inputs(inputs, block.inputs.len(), values, buffer);
                let out = &values[*start as usize..*start as usize + block.outputs];
                let n = block.inputs.len();
                let own = &mut contributions[..n];
                own.fill(0.0);
                block.pullback(read, out, &from[..block.outputs], own);
                match &inputs.place {
                    Place::One(at) => before[*at as usize] += own.iter().sum::<f64>(),
                    Place::Lanes(first) => {
                        for (sum, term) in before[*first as usize..].iter_mut().zip(own) {
                            *sum += *term;
                        }
                    }
                    Place::Gather(positions) => {
                        for (position, term) in positions.iter().zip(own) {
                            before[*position as usize] += *term;
                        }
                    }
                }
            }
        }
    }
}

fn block_inputs<'a>(inputs: &Operand, n: usize, values: &'a [f64], buffer: &'a mut [f64]) -> &'a [f64] {
    match &inputs.place {
        Place::Lanes(start) => &values[*start as usize..*start as usize + n],
        Place::One(at) => {
            buffer[..n].fill(values[*at as usize]);
            &buffer[..n]
        }
        Place::Gather(positions) => {
            for (slot, position) in buffer.iter_mut().zip(positions) {
                *slot = values[*position as usize];
            }
            &buffer[..n]
        }
    }
}
