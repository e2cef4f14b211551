//! Buffers that are used again: a training step asks for the same sizes every time, and pages fresh from the operating
//! system cost more than the arithmetic on them.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// A pool of buffers. Clones share the pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    free: Arc<Mutex<Vec<Vec<f32>>>>,
}

/// A buffer that returns to its pool when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    values: Vec<f32>,
    free: Arc<Mutex<Vec<Vec<f32>>>>,
}

/// Buffers kept at most; more are given back to the system.
const KEPT: usize = 256;

impl Arena {
    /// A buffer of a length, with *unspecified* contents: whoever takes it writes all of it.
    pub(super) fn take(&self, len: usize) -> Buffer {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().enumerate().filter(|(_, b)| b.capacity() >= len && b.capacity() <= 2 * len + 1024);
        let best = fitting.min_by_key(|(_, b)| b.capacity()).map(|(i, _)| i);
        let mut values = best.map(|i| free.swap_remove(i)).unwrap_or_default();
        drop(free);
        values.resize(len, 0.0);
        Buffer { values, free: Arc::clone(&self.free) }
    }

    /// A buffer of zeros.
    pub(super) fn zeros(&self, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }

    /// Puts a vector into the pool.
    pub(super) fn give(&self, values: Vec<f32>) {
        give(&self.free, values);
    }
}

fn give(free: &Mutex<Vec<Vec<f32>>>, values: Vec<f32>) {
    let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
    if free.len() < KEPT && values.capacity() > 0 {
        free.push(values);
    }
}

impl Buffer {
    /// The values, leaving the pool.
    pub(super) fn into_vec(mut self) -> Vec<f32> {
        std::mem::take(&mut self.values)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give(&self.free, std::mem::take(&mut self.values));
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl AsRef<[f32]> for Buffer {
    fn as_ref(&self) -> &[f32] {
        &self.values
    }
}
