//! The draws of an answer as files hold them: of equal weight, by chain, each variable a rectangular array of numbers.

use rand::seq::SliceRandom as _;

use crate::infer::{Inferred, StreamPurpose, stream};
use crate::value::{Base, Column, Value, unravel};

/// Draws that an exact answer is turned into, at least.
const FROM_EXACT: usize = 4_000;

/// The dimensions that all variables of an `InferenceData` have.
pub(super) const DIMENSIONS: [&str; 2] = ["chain", "draw"];

/// The draws of an answer, ready to be written.
pub(super) struct Draws<'a> {
    pub inferred: &'a Inferred,
    pub variables: Vec<Variable<'a>>,
    /// By chain: which of the answer's draws.
    pub chains: Vec<Vec<usize>>,
    /// Where the answer's draws had weights: how many of them there were.
    pub resampled: Option<usize>,
}

/// A variable of all draws.
pub(super) struct Variable<'a> {
    /// Dotted, without subscripts. With a line below at the end where readers would take it for a dimension.
    pub name: String,
    /// What its numbers are; reals where it is not in every draw.
    pub base: Base,
    /// The shape; where that is random, the largest.
    pub shape: Vec<usize>,
    column: &'a Column,
}

impl<'a> Draws<'a> {
    pub fn new(inferred: &'a Inferred) -> Self {
        let posterior = &inferred.posterior;
        let variables = posterior.columns.iter().filter_map(Variable::new).collect();
        let count = posterior.weights.len();
        let first = posterior.weights.first().copied().unwrap_or(0.0);
        let equal = posterior.weights.iter().all(|w| (w - first).abs() <= 1e-12 * first);
        if equal && !posterior.exact {
            let chains = inferred.chains.max(1);
            let length = count / chains;
            let chains = (0..chains).map(|chain| (chain * length..(chain + 1) * length).collect()).collect();
            return Self { inferred, variables, chains, resampled: None };
        }
        let wanted = if posterior.exact { count.max(FROM_EXACT) } else { count };
        let mut picked = resample(&posterior.weights, wanted);
        // Otherwise copies of a draw would follow each other, and look like a chain that stands still.
        picked.shuffle(&mut stream(inferred.seed, StreamPurpose::Output, 0));
        Self { inferred, variables, chains: vec![picked], resampled: Some(count) }
    }
}

/// Systematic resampling: draw `i` is taken as often as multiples of 1/`wanted`, shifted by half of that, fall into its share.
fn resample(weights: &[f64], wanted: usize) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let mut picked = Vec::with_capacity(wanted);
    let mut reached = 0.0;
    for (i, weight) in weights.iter().enumerate() {
        reached += weight / total * wanted as f64;
        while picked.len() < wanted && (picked.len() as f64 + 0.5) < reached {
            picked.push(i);
        }
    }
    picked
}

impl<'a> Variable<'a> {
    /// `None` for what is not data, or is in no draw.
    fn new(column: &'a Column) -> Option<Self> {
        let present = || column.values.iter().flatten();
        let base = present().next()?.data_type()?.base;
        let rank = present().map(|v| v.shape().len()).max()?;
        let mut shape = vec![0; rank];
        for value in present().filter(|v| v.shape().len() == rank) {
            shape.iter_mut().zip(value.shape()).for_each(|(most, size)| *most = (*most).max(*size));
        }
        let everywhere = column.values.iter().all(|v| v.as_ref().is_some_and(|v| v.shape() == shape));
        let base = if everywhere { base } else { Base::Real };
        let taken = DIMENSIONS.contains(&&*column.name);
        let name = if taken { format!("{}_", column.name) } else { column.name.to_string() };
        Some(Self { name, base, shape, column })
    }

    /// Its elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its numbers in a draw, by rows; NaN for what is not there.
    pub fn numbers(&self, draw: usize) -> Vec<f64> {
        let Some(Some(value)) = self.column.values.get(draw) else { return vec![f64::NAN; self.size()] };
        let own = value.to_f64s();
        if value.shape() == self.shape {
            return own;
        }
        let mut padded = vec![f64::NAN; self.size()];
        for (flat, x) in own.into_iter().enumerate() {
            if let Some(at) = self.place(value, flat) {
                padded[at] = x;
            }
        }
        padded
    }

    /// Where element `flat` of a value of a smaller shape is.
    fn place(&self, value: &Value, flat: usize) -> Option<usize> {
        let at = unravel(value.shape(), flat);
        (at.len() == self.shape.len()).then(|| at.iter().zip(&self.shape).fold(0, |place, (i, size)| place * size + i))
    }
}
