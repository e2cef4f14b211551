//! Decoding many draws of one program: the memory's keys and values computed once, those of the draws cached, one element
//! a step.
//!
//! Draws are worked on in blocks of fixed size, padded with zeros, so every product has the same shape whatever the number
//! of draws: a draw's outputs are the same bit for bit in any company and on any number of threads.

use rayon::prelude::*;

use super::arena::Arena;
use super::batch::{Batch, Sequence, indices};
use super::config::DecoderConfig;
use super::error::NetworkError;
use super::layout::{AttendLayout, Pair};
use super::model::Network;
use super::norm::{Normalise, STATISTICS};
use super::product::{AffineValues, View, multiply, transpose};
use super::simd::{add, dot, gelu, softmax, vectorised};

/// Draws of one block.
const BLOCK: usize = 64;

/// The encoder's output for one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// `[T, width]`.
    pub rows: Vec<f32>,
    /// Width of a row.
    pub width: usize,
}

/// An affine map's values.
type Values = AffineValues<Vec<f32>>;

/// A normalisation's values.
#[derive(Debug)]
struct NormValues {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl NormValues {
    fn norm(&self, epsilon: f32) -> Normalise<'_> {
        Normalise { scale: &self.scale, shift: &self.shift, epsilon }
    }
}

#[derive(Debug)]
struct Attend {
    norm: NormValues,
    query: Values,
    key_value: Values,
    projection: Values,
}

#[derive(Debug)]
struct Layer {
    own: Attend,
    cross: Attend,
    feed_norm: NormValues,
    inner: Values,
    outer: Values,
    /// Keys and values of the memory, `[M, 2 width]`.
    memory: Vec<f32>,
}

#[derive(Debug)]
struct Head {
    element: Values,
    component: Values,
    out: Values,
}

/// A block of draws: how many elements each has seen, and their keys and values, layer by layer
/// `[elements, BLOCK, 2 width]`.
#[derive(Debug)]
struct Block {
    seen: Vec<usize>,
    caches: Vec<Vec<f32>>,
}

/// Draws of one program that are being decoded. See [`Network::decode`].
#[derive(Debug)]
pub struct Decoding {
    config: DecoderConfig,
    epsilon: f32,
    encoded: Encoded,
    variable: Values,
    feature: Values,
    feature_outer: Values,
    layers: Vec<Layer>,
    norm: NormValues,
    head: Option<Head>,
    draws: usize,
    blocks: Vec<Block>,
    arena: Arena,
}

impl Network {
    /// Encodes one sequence, of which only tokens, positions and features are read.
    ///
    /// # Errors
    ///
    /// What [`Batch::validate`] finds.
    pub fn encode(&self, sequence: &Sequence) -> Result<Encoded, NetworkError> {
        let batch = Batch::of_text(sequence);
        let rows = self.evaluate(&batch)?.encoded();
        Ok(Encoded { rows, width: self.config.encoder.width })
    }

    /// Begins to decode `draws` draws of an encoded program, with the memory's rows in their order.
    ///
    /// # Errors
    ///
    /// [`NetworkError::NoPart`] without a decoder, [`NetworkError::Index`] for a row that there is not,
    /// [`NetworkError::Length`] for an encoding of another width.
    pub fn decode(&self, encoded: Encoded, memory: &[u32], draws: usize) -> Result<Decoding, NetworkError> {
        let (Some(layout), Some(config)) = (&self.layout.decoder, &self.config.decoder) else {
            return Err(NetworkError::NoPart { part: "decoder" });
        };
        let width = self.config.encoder.width;
        if encoded.width != width {
            return Err(NetworkError::Length { what: "encoding", expected: width, found: encoded.width });
        }
        indices("memory row", memory, encoded.rows.len() / width)?;
        let norm = |[a, b]: Pair| NormValues { scale: self.values(a), shift: self.values(b) };
        let pair = |[a, b]: Pair| {
            let (weight, bias) = (self.values(a), self.values(b));
            let mut transposed = vec![0.0; weight.len()];
            transpose(&weight, bias.len(), weight.len() / bias.len().max(1), &mut transposed);
            Values { weight, transposed, bias }
        };
        let attend = |layout: &AttendLayout| Attend {
            norm: norm(layout.norm),
            query: pair(layout.query),
            key_value: pair(layout.key_value),
            projection: pair(layout.projection),
        };
        let rows: Vec<f32> =
            memory.iter().flat_map(|&r| &encoded.rows[r as usize * width..][..width]).copied().collect();
        let layers = layout.layers.iter().map(|(own, cross, feed)| {
            let cross = attend(cross);
            let mut memory = vec![0.0; memory.len() * 2 * config.width];
            cross.key_value.affine().apply(&rows, &mut memory);
            Layer {
                own: attend(own),
                cross,
                feed_norm: norm(feed.norm),
                inner: pair(feed.inner),
                outer: pair(feed.outer),
                memory,
            }
        });
        let block = || Block { seen: vec![0; BLOCK], caches: vec![Vec::new(); config.layers] };
        Ok(Decoding {
            layers: layers.collect(),
            config: config.clone(),
            epsilon: self.config.encoder.epsilon,
            variable: pair(layout.variable),
            feature: pair(layout.feature),
            feature_outer: pair(layout.feature_outer),
            norm: norm(layout.norm),
            head: self.layout.head.as_ref().map(|head| Head {
                element: pair(head.element),
                component: pair(head.component),
                out: pair(head.out),
            }),
            encoded,
            draws,
            blocks: (0..draws.div_ceil(BLOCK)).map(|_| block()).collect(),
            arena: self.arena.clone(),
        })
    }
}

impl Decoding {
    /// Number of draws.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// Decodes the next element of all draws: `row` is the encoder's row of its variable, `features` its numeric features
    /// `[draws, G]`. Gives the decoder's outputs `[draws, width]`. A draw that is not `active` has no such element: its
    /// output means nothing, and its later elements do not see it.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Index`] for a row that there is not, [`NetworkError::Length`] for features or activity of another
    /// length.
    pub fn step(&mut self, row: u32, features: &[f32], active: Option<&[bool]>) -> Result<Vec<f32>, NetworkError> {
        let (d, g, width) = (self.config.width, self.config.features, self.encoded.width);
        indices("element row", &[row], self.encoded.rows.len() / width)?;
        let lengths = [("element features", features.len(), self.draws * g)];
        let activity = active.map(|a| ("activity", a.len(), self.draws));
        for (what, found, expected) in lengths.into_iter().chain(activity) {
            if found != expected {
                return Err(NetworkError::Length { what, expected, found });
            }
        }
        let mut variable = vec![0.0; d];
        self.variable.affine().rows(&self.encoded.rows[row as usize * width..][..width], &mut variable);
        let mut out = vec![0.0; self.draws * d];
        let mut blocks = std::mem::take(&mut self.blocks);
        (blocks.par_iter_mut(), out.par_chunks_mut(BLOCK * d), features.par_chunks(BLOCK * g))
            .into_par_iter()
            .enumerate()
            .for_each(|(i, (block, out, features))| {
                let count = out.len() / d;
                let active = active.map(|a| &a[i * BLOCK..i * BLOCK + count]);
                self.step_block(block, &variable, features, active, out);
            });
        self.blocks = blocks;
        Ok(out)
    }

    /// One step of a block.
    fn step_block(
        &self,
        block: &mut Block,
        variable: &[f32],
        features: &[f32],
        active: Option<&[bool]>,
        out: &mut [f32],
    ) {
        let (d, g) = (self.config.width, self.config.features);
        let mut padded = self.arena.zeros(BLOCK * g);
        padded[..features.len()].copy_from_slice(features);
        let mut inner = self.arena.take(BLOCK * d);
        self.feature.affine().rows(&padded, &mut inner);
        activate(&mut inner);
        let mut x = self.arena.take(BLOCK * d); // (block, width)
        self.feature_outer.affine().rows(&inner, &mut x);
        x.chunks_exact_mut(d).for_each(|x| add(x, variable));

        let (mut normal, mut statistics) = (self.arena.take(BLOCK * d), self.arena.take(BLOCK * STATISTICS));
        let (mut query, mut attended) = (self.arena.take(BLOCK * d), self.arena.take(BLOCK * d));
        let mut hidden = self.arena.take(BLOCK * self.config.inner);
        for (layer, cache) in self.layers.iter().zip(&mut block.caches) {
            layer.own.norm.norm(self.epsilon).rows(&x, &mut normal, &mut statistics);
            layer.own.query.affine().rows(&normal, &mut query);
            self.append(&layer.own, &block.seen, &normal, cache);
            self.attend_own(&block.seen, cache, &query, &mut attended);
            layer.own.projection.affine().rows_onto(&attended, &mut x);

            layer.cross.norm.norm(self.epsilon).rows(&x, &mut normal, &mut statistics);
            layer.cross.query.affine().rows(&normal, &mut query);
            self.attend_memory(&layer.memory, &query, &mut attended);
            layer.cross.projection.affine().rows_onto(&attended, &mut x);

            layer.feed_norm.norm(self.epsilon).rows(&x, &mut normal, &mut statistics);
            layer.inner.affine().rows(&normal, &mut hidden);
            activate(&mut hidden);
            layer.outer.affine().rows_onto(&hidden, &mut x);
        }
        self.norm.norm(self.epsilon).rows(&x, &mut normal, &mut statistics);
        out.copy_from_slice(&normal[..out.len()]);
        for (i, seen) in block.seen.iter_mut().enumerate() {
            *seen += usize::from(active.is_none_or(|a| a.get(i).copied().unwrap_or(false)));
        }
    }

    /// Writes each draw's keys and values behind those it has.
    fn append(&self, attend: &Attend, seen: &[usize], normal: &[f32], cache: &mut Vec<f32>) {
        let stride = 2 * self.config.width;
        let mut fresh = self.arena.take(BLOCK * stride);
        attend.key_value.affine().rows(normal, &mut fresh);
        let longest = seen.iter().max().map_or(0, |n| n + 1);
        if cache.len() < longest * BLOCK * stride {
            cache.resize(longest * BLOCK * stride, 0.0);
        }
        for ((draw, &seen), fresh) in seen.iter().enumerate().zip(fresh.chunks_exact(stride)) {
            cache[(seen * BLOCK + draw) * stride..][..stride].copy_from_slice(fresh);
        }
    }

    /// Each draw attends to its own elements, the present one among them.
    fn attend_own(&self, seen: &[usize], cache: &[f32], query: &[f32], out: &mut [f32]) {
        let (d, h) = (self.config.width, self.config.heads);
        let w = d / h;
        let scale = 1.0 / (w as f32).sqrt();
        let longest = seen.iter().max().map_or(0, |n| n + 1);
        let mut scores = self.arena.take(longest);
        vectorised(
            #[inline(always)]
            || {
                for (draw, (out, query)) in out.chunks_exact_mut(d).zip(query.chunks_exact(d)).enumerate() {
                    let scores = &mut scores[..=seen[draw]];
                    for head in 0..h {
                        let (query, out) = (&query[head * w..][..w], &mut out[head * w..][..w]);
                        for (element, score) in scores.iter_mut().enumerate() {
                            let at = (element * BLOCK + draw) * 2 * d + head * w;
                            *score = scale * dot(query, &cache[at..][..w]);
                        }
                        softmax(scores);
                        out.fill(0.0);
                        for (element, &p) in scores.iter().enumerate() {
                            let value = &cache[(element * BLOCK + draw) * 2 * d + d + head * w..][..w];
                            for (out, v) in out.iter_mut().zip(value) {
                                *out += p * v;
                            }
                        }
                    }
                }
            },
        );
    }

    /// All draws attend to the memory.
    fn attend_memory(&self, memory: &[f32], query: &[f32], out: &mut [f32]) {
        let (d, h) = (self.config.width, self.config.heads);
        let w = d / h;
        let n = memory.len() / (2 * d);
        if n == 0 {
            out.fill(0.0);
            return;
        }
        let mut scores = self.arena.take(BLOCK * n);
        for head in 0..h {
            let keys = View::rows(&memory[head * w..], 2 * d);
            let values = View::rows(&memory[d + head * w..], 2 * d);
            let scale = 1.0 / (w as f32).sqrt();
            let queries = View::rows(&query[head * w..], d);
            multiply((BLOCK, n, w), &mut scores, n, false, scale, queries, keys.transposed());
            vectorised(
                #[inline(always)]
                || {
                    for scores in scores.chunks_exact_mut(n) {
                        softmax(scores);
                    }
                },
            );
            multiply((BLOCK, w, n), &mut out[head * w..], d, false, 1.0, View::rows(&scores, n), values);
        }
    }

    /// The head's outputs `[C, outputs]` for components with features `[C, H]`, each of an element in `decoded`
    /// `[draws, width]`.
    ///
    /// # Errors
    ///
    /// [`NetworkError::NoPart`] without a head, [`NetworkError::Index`] and [`NetworkError::Length`] for what does not fit.
    pub fn head(&self, decoded: &[f32], elements: &[u32], features: &[f32]) -> Result<Vec<f32>, NetworkError> {
        let Some(head) = &self.head else { return Err(NetworkError::NoPart { part: "head" }) };
        let (d, n) = (self.config.width, head.element.affine().out());
        let (h, outputs) = (head.component.affine().width(), head.out.affine().out());
        indices("component element", elements, decoded.len() / d)?;
        if features.len() != elements.len() * h {
            let what = "component features";
            return Err(NetworkError::Length { what, expected: elements.len() * h, found: features.len() });
        }
        let mut projected = vec![0.0; decoded.len() / d * n]; // (draws, hidden)
        (projected.par_chunks_mut(BLOCK * n), decoded.par_chunks(BLOCK * d)).into_par_iter().for_each(|(y, x)| {
            let (mut padded, mut all) = (self.arena.zeros(BLOCK * d), self.arena.take(BLOCK * n));
            padded[..x.len()].copy_from_slice(x);
            head.element.affine().rows(&padded, &mut all);
            y.copy_from_slice(&all[..y.len()]);
        });
        let mut out = vec![0.0; elements.len() * outputs];
        (out.par_chunks_mut(BLOCK * outputs), elements.par_chunks(BLOCK), features.par_chunks(BLOCK * h))
            .into_par_iter()
            .for_each(|(out, elements, features)| {
                let (mut padded, mut hidden) = (self.arena.zeros(BLOCK * h), self.arena.take(BLOCK * n));
                padded[..features.len()].copy_from_slice(features);
                head.component.affine().rows(&padded, &mut hidden);
                for (hidden, &element) in hidden.chunks_exact_mut(n).zip(elements) {
                    add(hidden, &projected[element as usize * n..][..n]);
                }
                activate(&mut hidden);
                let mut all = self.arena.take(BLOCK * outputs);
                head.out.affine().rows(&hidden, &mut all);
                out.copy_from_slice(&all[..out.len()]);
            });
        Ok(out)
    }
}

/// GELU in place.
fn activate(values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for v in values.iter_mut() {
                *v = gelu(*v);
            }
        },
    );
}
