//! Whether ranks are uniform: the graphical test of Säilynoja, Bürkner & Vehtari (2022), "Graphical test for discrete
//! uniformity and its applications in goodness of fit evaluation and multiple sample comparison".
//!
//! Of n uniform ranks from 0 to L, the number below j is binomial(n, j/(L + 1)). At each j a two-sided tail probability says
//! how unusual the number is; the smallest of them over all j is the statistic γ. Their simultaneous distribution is
//! exact, not simulated: the numbers below j = 1, 2, … are a Markov chain, along which the probability is added up of ever
//! leaving the region where all tail probabilities exceed γ (the optimisation method of section 2 of the paper).

use std::ops::RangeInclusive;

/// How unlikely terms are at which sums over binomial increments stop.
const NEGLIGIBLE: f64 = 1e-30;

/// The test for samples of one size.
#[derive(Debug)]
pub(super) struct Uniformity {
    /// Ranks of a sample.
    n: usize,
    /// The largest rank L.
    largest: usize,
    /// ln k! up to n.
    ln_factorials: Vec<f64>,
}

/// What the test says of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Deviation {
    /// The probability that uniform ranks deviate as much somewhere.
    pub p_value: f64,
    /// The largest difference between the empirical distribution function and the uniform one.
    pub largest: f64,
}

impl Uniformity {
    /// The test for `n` ranks from 0 to `largest`.
    pub fn new(n: usize, largest: usize) -> Self {
        let mut ln_factorials = vec![0.0; n + 1];
        for k in 1..=n {
            ln_factorials[k] = ln_factorials[k - 1] + (k as f64).ln();
        }
        Self { n, largest, ln_factorials }
    }

    /// How many ranks are below j, for j from 1 to L.
    pub fn counts(&self, ranks: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.largest];
        for rank in ranks {
            if let Some(count) = counts.get_mut(*rank) {
                *count += 1;
            }
        }
        let mut total = 0;
        for count in &mut counts {
            total += *count;
            *count = total;
        }
        counts
    }

    /// How far `ranks`, as many as the test is for, are from uniform.
    pub fn deviation(&self, ranks: &[usize]) -> Deviation {
        let counts = self.counts(ranks);
        let mut gamma = f64::INFINITY;
        let mut largest = 0.0_f64;
        for (below, count) in (1..).zip(&counts) {
            let (lower, upper) = self.tails(below);
            gamma = gamma.min(2.0 * lower[*count].min(upper[*count]));
            largest = largest.max((*count as f64 / self.n as f64 - self.share(below)).abs());
        }
        // What equals the statistic counts as outside, whatever rounding made of it.
        Deviation { p_value: self.outside(gamma * (1.0 + 1e-9)).min(1.0), largest }
    }

    /// The simultaneous band: for j from 1 to L the numbers of ranks below j that all uniform samples but a share of at
    /// most `level` keep to.
    pub fn band(&self, level: f64) -> Vec<RangeInclusive<usize>> {
        // The statistic is discrete: the largest threshold whose probability is not above the level.
        let (mut low, mut high) = (level * 1e-6, 1.0_f64);
        for _ in 0..25 {
            let middle = (low * high).sqrt();
            if self.outside(middle) > level {
                high = middle;
            } else {
                low = middle;
            }
        }
        (1..=self.largest).map(|below| self.inside(below, low)).collect()
    }

    fn share(&self, below: usize) -> f64 {
        below as f64 / (self.largest as f64 + 1.0)
    }

    /// P(X ≤ c) and P(X ≥ c) of X ~ binomial(n, j/(L + 1)) for all c from 0 to n.
    fn tails(&self, below: usize) -> (Vec<f64>, Vec<f64>) {
        let share = self.share(below);
        let mass: Vec<f64> = (0..=self.n).map(|c| self.binomial(self.n, c, share)).collect();
        let mut lower = mass.clone();
        let mut upper = mass;
        for c in 1..=self.n {
            lower[c] += lower[c - 1];
            upper[self.n - c] += upper[self.n - c + 1];
        }
        (lower, upper)
    }

    fn binomial(&self, n: usize, k: usize, p: f64) -> f64 {
        let choose = self.ln_factorials[n] - self.ln_factorials[k] - self.ln_factorials[n - k];
        let times = |count: usize, log: f64| if count == 0 { 0.0 } else { count as f64 * log };
        (choose + times(k, p.ln()) + times(n - k, (-p).ln_1p())).exp()
    }

    /// The numbers below j whose tail probability exceeds `gamma`; empty where none does.
    fn inside(&self, below: usize, gamma: f64) -> RangeInclusive<usize> {
        let (lower, upper) = self.tails(below);
        let first = lower.iter().position(|p| 2.0 * p > gamma).unwrap_or(self.n + 1);
        let last = upper.iter().rposition(|p| 2.0 * p > gamma).unwrap_or(0);
        first..=last
    }

    /// The probability that a tail probability is `gamma` or less somewhere.
    fn outside(&self, gamma: f64) -> f64 {
        let mut outside = 0.0;
        // The probability of each number below j among samples that have stayed inside.
        let mut mass = vec![0.0; self.n + 1];
        mass[0] = 1.0;
        let mut reached = 0..=0;
        for below in 1..=self.largest {
            let allowed = self.inside(below, gamma);
            // Of the ranks that are at least j − 1, each is j − 1 with this probability.
            let share = 1.0 / (self.largest as f64 + 2.0 - below as f64);
            let mut next = vec![0.0; self.n + 1];
            for count in reached {
                let (before, left) = (mass[count], self.n - count);
                if before == 0.0 {
                    continue;
                }
                let mode = (left as f64 * share) as usize;
                let mut add = |increment: usize| {
                    let term = before * self.binomial(left, increment, share);
                    if allowed.contains(&(count + increment)) {
                        next[count + increment] += term;
                    } else {
                        outside += term;
                    }
                    term > NEGLIGIBLE
                };
                (0..=mode).rev().take_while(|i| add(*i)).for_each(drop);
                (mode + 1..=left).take_while(|i| add(*i)).for_each(drop);
            }
            mass = next;
            reached = allowed;
        }
        outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};

    /// All samples of `n` ranks from 0 to `largest`.
    fn samples(n: u32, largest: usize) -> impl Iterator<Item = Vec<usize>> {
        let base = largest + 1;
        (0..base.pow(n)).map(move |code| (0..n).map(|i| code / base.pow(i) % base).collect())
    }

    #[test]
    fn p_values_are_exact() {
        for (n, largest) in [(1, 3), (3, 2), (5, 3), (7, 1)] {
            let test = Uniformity::new(n as usize, largest);
            let all: Vec<f64> = samples(n, largest).map(|ranks| test.deviation(&ranks).p_value).collect();
            for p in &all {
                let share = all.iter().filter(|other| **other <= p * (1.0 + 1e-6)).count() as f64 / all.len() as f64;
                assert!((share - p).abs() < 1e-9, "{n} ranks up to {largest}: {share}, not {p}");
            }
        }
    }

    #[test]
    fn band_holds_all_but_its_level() {
        let test = Uniformity::new(200, 99);
        for level in [0.05, 0.001] {
            let band = test.band(level);
            let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(3);
            let n_samples = 20_000;
            let outside = (0..n_samples)
                .filter(|_| {
                    let ranks: Vec<usize> = (0..200).map(|_| rng.random_range(0..100)).collect();
                    test.counts(&ranks).iter().zip(&band).any(|(count, allowed)| !allowed.contains(count))
                })
                .count() as f64;
            let (expected, error) = (level * f64::from(n_samples), (level * f64::from(n_samples)).sqrt());
            assert!(outside < expected + 4.0 * error, "{outside} of {expected}");
            // The statistic is discrete, so that a band may be a little wider than asked for.
            assert!(outside > 0.6 * expected - 4.0 * error, "{outside} of {expected}");
        }
    }

    #[test]
    fn ranks_that_are_not_uniform_are_noticed() {
        let test = Uniformity::new(200, 99);
        let uniform: Vec<usize> = (0..200).map(|i| i / 2).collect();
        assert!(test.deviation(&uniform).p_value > 0.999);
        let shifted: Vec<usize> = uniform.iter().map(|r| r / 2 + 30).collect();
        assert!(test.deviation(&shifted).p_value < 1e-9);
        let narrow: Vec<usize> = uniform.iter().map(|r| if *r < 50 { r / 2 } else { 99 - (99 - r) / 2 }).collect();
        let Deviation { p_value, largest } = test.deviation(&narrow);
        assert!(p_value < 1e-5, "{p_value}");
        assert!((largest - 0.25).abs() < 0.02, "{largest}");
    }
}
