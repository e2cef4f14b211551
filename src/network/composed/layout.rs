//! How packed rows become the padded batches of attention, and come back: indices and masks.

use dfdx::tensor::Tensor;
use dfdx::tensor_ops::Device as Kernels;

use super::Matrix;

/// Rows by their place.
pub(super) type Index<D> = Tensor<(usize,), usize, D>;

/// What is added to the score of what a query does not see.
const HIDDEN: f32 = -1e9;

/// What queries see.
pub(super) enum Mask<D: Kernels<f32>> {
    /// The keys of their sequence, `[sequences, keys]`.
    Keys(Matrix<D>),
    /// Of their sequence, those up to their own place, `[queries, keys]`: what pads a sequence stands behind it.
    Causal(Matrix<D>),
}

/// The layout of an attention: the rows of each sequence, cut into heads and padded to the longest sequence.
pub(super) struct Layout<D: Kernels<f32>> {
    pub(super) sequences: usize,
    pub(super) heads: usize,
    /// Of the longest sequence, queries.
    pub(super) queries: usize,
    /// Of the longest sequence, keys.
    pub(super) keys: usize,
    /// For `[sequence, head, query]`, the part of a row of queries: row · heads + head.
    pub(super) query: Index<D>,
    /// For `[sequence, head, key]`, the part of a row of keys and values: row · 2 heads + head.
    pub(super) key: Index<D>,
    /// The same of values: row · 2 heads + heads + head.
    pub(super) value: Index<D>,
    /// For `[row, head]`, its place in `[sequence, head, query]`.
    pub(super) back: Index<D>,
    pub(super) mask: Mask<D>,
}

/// The longest of sequences.
fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

/// For `[sequence, head, place]`, row · stride + shift + head. Sequences are padded with their own rows once more (gradients
/// that are zero are then not all added at one place), and with the first of all where they have none.
fn padded(offsets: &[usize], heads: usize, (stride, shift): (usize, usize)) -> Vec<usize> {
    let length = longest(offsets);
    let mut parts = Vec::with_capacity(offsets.len() * heads * length);
    for pair in offsets.windows(2) {
        let (start, n) = (pair[0], pair[1] - pair[0]);
        for head in 0..heads {
            let row = |place: usize| if n == 0 { 0 } else { start + place % n };
            parts.extend((0..length).map(|place| row(place) * stride + shift + head));
        }
    }
    parts
}

/// For `[row, head]`, where [`padded`] has put it.
fn back(offsets: &[usize], heads: usize) -> Vec<usize> {
    let length = longest(offsets);
    let mut places = Vec::new();
    for (sequence, pair) in offsets.windows(2).enumerate() {
        for place in 0..pair[1] - pair[0] {
            places.extend((0..heads).map(|head| (sequence * heads + head) * length + place));
        }
    }
    places
}

impl<D: Kernels<f32>> Layout<D> {
    /// The layout of sequences of queries and keys that begin at `offsets`; neither are without rows.
    pub(super) fn new(device: &D, heads: usize, offsets: [&[usize]; 2], causal: bool) -> Result<Self, D::Err> {
        let [queries, keys] = offsets.map(longest);
        let index = |parts: Vec<usize>| {
            let shape = (parts.len(),);
            device.try_tensor_from_vec(parts, shape)
        };
        let mask = if causal {
            let sees = |i: usize| (0..keys).map(move |j| if j <= i { 0.0 } else { HIDDEN });
            Mask::Causal(device.try_tensor_from_vec((0..queries).flat_map(sees).collect(), (queries, keys))?)
        } else {
            let sees = |pair: &[usize]| {
                let n = pair[1] - pair[0];
                (0..keys).map(move |j| if j < n { 0.0 } else { HIDDEN })
            };
            let values = offsets[1].windows(2).flat_map(sees).collect();
            Mask::Keys(device.try_tensor_from_vec(values, (offsets[1].len() - 1, keys))?)
        };
        Ok(Self {
            sequences: offsets[0].len() - 1,
            heads,
            queries,
            keys,
            query: index(padded(offsets[0], heads, (heads, 0)))?,
            key: index(padded(offsets[1], heads, (2 * heads, 0)))?,
            value: index(padded(offsets[1], heads, (2 * heads, heads)))?,
            back: index(back(offsets[0], heads))?,
            mask,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_padded_comes_back() {
        let offsets = [0, 2, 2, 5];
        let parts = padded(&offsets, 2, (2, 0));
        assert_eq!(parts, [0, 2, 0, 1, 3, 1, 0, 0, 0, 1, 1, 1, 4, 6, 8, 5, 7, 9]);
        let again: Vec<usize> = back(&offsets, 2).into_iter().map(|place| parts[place]).collect();
        assert_eq!(again, (0..10).collect::<Vec<_>>());
        assert_eq!(padded(&[0, 1, 3], 1, (2, 1)), [1, 1, 3, 5]);
    }
}
