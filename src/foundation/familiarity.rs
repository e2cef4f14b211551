//! How unusual a query is for weights: how far what the encoder makes of its text lies from what it makes of texts that the
//! weights were trained on.
//!
//! The distance is Mahalanobis's in the space of the encoder's mean row (Lee et al. 2018, "A simple unified framework for
//! detecting out-of-distribution samples and adversarial attacks", with one class). Executions held out of training say where
//! such texts lie, the first half of them, and how far texts lie from there, the second half.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// Quantiles of the distance that are kept.
const QUANTILES: usize = 201;

/// Texts from which on distances mean anything.
const FEWEST: usize = 32;

/// Where the texts of training lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Familiarity {
    /// The mean of their embeddings, `[width]`.
    mean: Vec<f32>,
    /// By row, the lower triangle of the inverse of their covariance's Cholesky factor.
    whitening: Vec<f32>,
    /// Quantiles of the distance, evenly spaced, from the least to the greatest.
    quantiles: Vec<f32>,
}

/// The embedding of a text: the mean of the encoder's rows, `[rows, width]`.
pub fn embedding(rows: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += x);
    }
    let count = (rows.len() / width).max(1) as f32;
    mean.iter_mut().for_each(|m| *m /= count);
    mean
}

impl Familiarity {
    /// Of embeddings of texts; `None` where these are too few.
    pub fn new(embeddings: &[Vec<f32>]) -> Option<Self> {
        if embeddings.len() < FEWEST {
            return None;
        }
        let (near, far) = embeddings.split_at(embeddings.len() / 2);
        let (n, width) = (near.len() as f64, near[0].len());
        let points = DMatrix::from_fn(width, near.len(), |i, j| f64::from(near[j][i]));
        let mean: DVector<f64> = points.column_mean();
        let centred = DMatrix::from_fn(width, near.len(), |i, j| points[(i, j)] - mean[i]);
        // Towards a multiple of the identity, as few texts say little of the covariance.
        let shrink = width as f64 / (width as f64 + n);
        let covariance = &centred * centred.transpose() * ((1.0 - shrink) / n);
        let spread = covariance.trace() / (1.0 - shrink) / width as f64;
        let shrunk = covariance + DMatrix::identity(width, width) * (shrink * spread).max(f64::MIN_POSITIVE);
        let inverse = shrunk.cholesky()?.l().try_inverse()?;
        let whitening = (0..width).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|at| inverse[at] as f32).collect();
        let mean = mean.iter().map(|m| *m as f32).collect();
        let mut familiarity = Self { mean, whitening, quantiles: Vec::new() };
        let mut distances: Vec<f32> = far.iter().map(|embedding| familiarity.distance(embedding) as f32).collect();
        distances.sort_by(f32::total_cmp);
        let last = (distances.len() - 1) as f64;
        let at = |i: usize| distances[(last * i as f64 / (QUANTILES - 1) as f64).round() as usize];
        familiarity.quantiles = (0..QUANTILES).map(at).collect();
        Some(familiarity)
    }

    /// Mahalanobis's distance of an embedding of the same width.
    fn distance(&self, embedding: &[f32]) -> f64 {
        let mut at = 0;
        let mut square = 0.0;
        for i in 0..self.mean.len() {
            let row = &self.whitening[at..=at + i];
            let centred = embedding.iter().zip(&self.mean).map(|(x, m)| f64::from(x - m));
            let whitened: f64 = row.iter().zip(centred).map(|(w, x)| f64::from(*w) * x).sum();
            square += whitened * whitened;
            at += i + 1;
        }
        square.sqrt()
    }

    /// The share of the texts of training that are nearer; beyond all of them above 1, by how many times as far it is.
    pub fn unusual(&self, embedding: &[f32]) -> f64 {
        let distance = self.distance(embedding) as f32;
        let greatest = self.quantiles.last().copied().unwrap_or(f32::INFINITY);
        if distance > greatest {
            return f64::from(distance / greatest);
        }
        let nearer = self.quantiles.partition_point(|q| *q < distance);
        nearer as f64 / self.quantiles.len().max(1) as f64
    }

    /// Whether it belongs to a network of this width.
    pub(super) fn fits(&self, width: usize) -> bool {
        self.mean.len() == width && self.whitening.len() == width * (width + 1) / 2 && !self.quantiles.is_empty()
    }
}
