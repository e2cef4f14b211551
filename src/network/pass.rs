//! What a forward pass gives, and the gradients of a loss that others define.

use super::error::NetworkError;

/// A result of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// `[T, width]`.
    Encoded,
    /// `[R, vocabulary]`.
    Logits,
    /// `[1, 1]`.
    Loss,
    /// `[E, width]`.
    Decoded,
    /// `[C, outputs]`.
    Head,
}

/// The results of a pass, wherever they are, and what gradients need.
pub(super) trait Outputs {
    /// Whether gradients can be asked of it.
    fn records(&self) -> bool;

    /// Rows and columns of a result, where the pass has it.
    fn shape(&self, output: Output) -> Option<(usize, usize)>;

    /// A copy of a result, where the pass has it.
    fn values(&self, output: Output) -> Option<Vec<f32>>;

    /// Gradients of the parameters, in their order, empty where they are frozen; `seeds` are those of results, which the
    /// pass has, and of their length.
    fn backward(self: Box<Self>, seeds: Vec<(Output, Vec<f32>)>) -> Result<Vec<Vec<f32>>, NetworkError>;
}

/// A forward pass: its results, and what gradients need.
pub struct Pass(Box<dyn Outputs>);

/// The gradient of the loss with respect to results of a pass; `None` where the loss does not depend on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seeds {
    /// The factor of the language loss.
    pub language: Option<f32>,
    /// ∂loss/∂head outputs, `[C, outputs]`.
    pub head: Option<Vec<f32>>,
    /// ∂loss/∂decoder outputs, `[E, width]`.
    pub decoded: Option<Vec<f32>>,
    /// ∂loss/∂encoder outputs, `[T, width]`.
    pub encoded: Option<Vec<f32>>,
}

/// Gradients of a loss, one vector a parameter in the order of [`Network::names`](super::Network::names); empty where the
/// parameter is frozen.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    pub(super) values: Vec<Vec<f32>>,
}

impl Pass {
    pub(super) fn new(outputs: impl Outputs + 'static) -> Self {
        Self(Box::new(outputs))
    }

    /// The encoder's rows, `[T, width]`.
    pub fn encoded(&self) -> Vec<f32> {
        self.0.values(Output::Encoded).unwrap_or_default()
    }

    /// The language head's logits at the rows asked for, `[R, vocabulary]`; `None` if none were.
    pub fn language_logits(&self) -> Option<Vec<f32>> {
        self.0.values(Output::Logits)
    }

    /// The language loss: the mean over rows of −log p(target), in nats.
    pub fn language_loss(&self) -> Option<f32> {
        self.0.values(Output::Loss).map(|loss| loss[0])
    }

    /// The decoder's outputs, `[E, width]`; `None` without elements.
    pub fn decoded(&self) -> Option<Vec<f32>> {
        self.0.values(Output::Decoded)
    }

    /// The head's outputs, `[C, outputs]`; `None` without components.
    pub fn head(&self) -> Option<Vec<f32>> {
        self.0.values(Output::Head)
    }

    /// Gradients of the loss, given its gradient with respect to the results.
    ///
    /// # Errors
    ///
    /// [`NetworkError::NotRecorded`] on a pass without gradients, [`NetworkError::NoPart`] for a result that this pass does
    /// not have, [`NetworkError::Length`] for a gradient of another length.
    pub fn backward(self, seeds: Seeds) -> Result<Gradients, NetworkError> {
        if !self.0.records() {
            return Err(NetworkError::NotRecorded);
        }
        let pairs = [
            ("language loss", Output::Loss, seeds.language.map(|scale| vec![scale])),
            ("head", Output::Head, seeds.head),
            ("decoder output", Output::Decoded, seeds.decoded),
            ("encoder output", Output::Encoded, seeds.encoded),
        ];
        let mut given = Vec::new();
        for (part, output, seed) in pairs {
            let Some(seed) = seed else { continue };
            let Some((rows, columns)) = self.0.shape(output) else { return Err(NetworkError::NoPart { part }) };
            if seed.len() != rows * columns {
                return Err(NetworkError::Length { what: part, expected: rows * columns, found: seed.len() });
            }
            given.push((output, seed));
        }
        Ok(Gradients { values: self.0.backward(given)? })
    }
}

impl Gradients {
    /// The gradient of each parameter, in the order of [`Network::names`](super::Network::names); empty where it is frozen.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.iter().map(Vec::as_slice)
    }

    /// The Euclidean norm of all of them together.
    pub fn norm(&self) -> f64 {
        let squares = |values: &Vec<f32>| values.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
        self.values.iter().map(squares).sum::<f64>().sqrt()
    }

    /// Adds other gradients: batches in parts.
    pub fn add(&mut self, other: &Gradients) {
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            super::simd::vectorised(|| super::simd::add(mine, theirs));
        }
    }
}
