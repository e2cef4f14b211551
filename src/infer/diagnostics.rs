//! How far to trust draws, by the published definitions.
//!
//! Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), "Rank-normalization, folding, and localization: an improved R̂ for
//! assessing convergence of MCMC" (R̂, bulk and tail effective sample size); Geyer (1992), initial monotone sequence;
//! Vehtari, Simpson, Gelman, Yao & Gabry (2024), "Pareto smoothed importance sampling"; Zhang & Stephens (2009) for the fit;
//! Betancourt (2016), "Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo" (E-BFMI).

use rustc_hash::FxHashMap;
use statrs::distribution::{Beta, ContinuousCDF, Normal};

/// The largest Pareto k̂ that any number of draws may have.
pub const K_HAT_LIMIT: f64 = 0.7;

/// The largest k̂ for which `draws` importance-weighted draws are trusted: min(1 − 1/log10 S, 0.7).
pub fn k_hat_threshold(draws: usize) -> f64 {
    (1.0 - 1.0 / (draws as f64).log10()).min(K_HAT_LIMIT)
}

/// Effective sample size of normalised weights, 1 / Σ w².
pub fn weights_ess(weights: &[f64]) -> f64 {
    1.0 / weights.iter().map(|w| w * w).sum::<f64>()
}

/// The standard error of the mean of particles that share ancestors: √Σ (Σ (x − x̄))² / n, the inner sum over each family of
/// those that descend from one particle at the start (Chan & Lai 2013, eq. 2.18; Lee & Whiteley 2018, eq. 6). `families` gives
/// the family of each.
pub(super) fn family_error(particles: &[f64], families: &[u32]) -> f64 {
    let n = particles.len() as f64;
    let mean = particles.iter().sum::<f64>() / n;
    let mut sums: FxHashMap<u32, f64> = FxHashMap::default();
    for (x, family) in particles.iter().zip(families) {
        *sums.entry(*family).or_default() += x - mean;
    }
    sums.values().map(|sum| sum * sum).sum::<f64>().sqrt() / n
}

/// How many independent draws would have the error of [`family_error`].
pub(super) fn family_ess(particles: &[f64], families: &[u32]) -> f64 {
    let n = particles.len() as f64;
    let mean = particles.iter().sum::<f64>() / n;
    let variance = particles.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { variance / family_error(particles, families).powi(2) } else { n }
}

/// Halves of each chain (the middle draw of an odd number is dropped).
fn split(chains: &[&[f64]]) -> Vec<Vec<f64>> {
    chains
        .iter()
        .flat_map(|c| {
            let half = c.len() / 2;
            [c[..half].to_vec(), c[c.len() - half..].to_vec()]
        })
        .collect()
}

/// Ranks of all draws together (ties share their mean rank) as normal scores, Φ⁻¹((r − 3/8) / (S + 1/4)).
fn rank_normalise(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let flat: Vec<f64> = chains.iter().flatten().copied().collect();
    let mut order: Vec<usize> = (0..flat.len()).collect();
    order.sort_by(|a, b| flat[*a].total_cmp(&flat[*b]));
    let mut scores = vec![0.0; flat.len()];
    let standard = Normal::standard();
    for tied in order.chunk_by(|a, b| flat[*a] == flat[*b]) {
        // Ranks count from 1; `before` draws are smaller.
        let before = order.partition_point(|i| flat[*i] < flat[tied[0]]);
        let rank = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        let score = standard.inverse_cdf((rank - 0.375) / (flat.len() as f64 + 0.25));
        for i in tied {
            scores[*i] = score;
        }
    }
    let mut rest = scores.into_iter();
    chains.iter().map(|c| rest.by_ref().take(c.len()).collect()).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Sample variance (n − 1).
fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

fn is_constant(chains: &[&[f64]]) -> bool {
    let first = chains.first().and_then(|c| c.first());
    first.is_none_or(|first| chains.iter().all(|c| c.iter().all(|x| x == first)))
}

fn usable(chains: &[&[f64]]) -> bool {
    let length = chains.first().map_or(0, |c| c.len());
    length >= 4 && chains.iter().all(|c| c.len() == length && c.iter().all(|x| x.is_finite())) && !is_constant(chains)
}

/// The potential scale reduction of Gelman & Rubin (1992), of chains that are split already.
fn plain_r_hat(chains: &[Vec<f64>]) -> f64 {
    let n = chains.first().map_or(0, Vec::len) as f64;
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let within = mean(&chains.iter().map(|c| variance(c)).collect::<Vec<_>>());
    let between = n * variance(&means);
    (((n - 1.0) / n * within + between / n) / within).sqrt()
}

/// Rank-normalised split R̂: the larger of those of the ranks and of the ranks of |x − median| (Vehtari et al. 2021, §4).
/// `None` where it is not defined: fewer than four draws a chain, chains of different lengths, infinite or constant draws.
pub fn r_hat(chains: &[&[f64]]) -> Option<f64> {
    if !usable(chains) {
        return None;
    }
    let halves = split(chains);
    let bulk = plain_r_hat(&rank_normalise(&halves));
    let mut all: Vec<f64> = halves.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    let median = if all.len().is_multiple_of(2) { (all[middle - 1] + all[middle]) / 2.0 } else { all[middle] };
    let folded: Vec<Vec<f64>> = halves.iter().map(|c| c.iter().map(|x| (x - median).abs()).collect()).collect();
    let tail = plain_r_hat(&rank_normalise(&folded));
    Some(if tail.is_nan() { bulk } else { bulk.max(tail) })
}

/// Effective sample size of chains as they are, with Geyer's initial monotone sequence (Stan Reference Manual,
/// "Effective sample size"), at most S log10 S.
fn ess(chains: &[Vec<f64>]) -> f64 {
    let (m, n) = (chains.len() as f64, chains.first().map_or(0, Vec::len));
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let autocovariance = |lag: usize| {
        let sum: f64 = chains
            .iter()
            .zip(&means)
            .map(|(c, mean)| c.iter().zip(&c[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n as f64)
            .sum();
        sum / m
    };
    let size = n as f64;
    let within = autocovariance(0) * size / (size - 1.0);
    let mut total = within * (size - 1.0) / size;
    if chains.len() > 1 {
        total += variance(&means);
    }
    let correlation = |lag: usize| 1.0 - (within - autocovariance(lag)) / total;
    let mut sum = 0.0;
    let mut last_pair = f64::INFINITY;
    let (mut even, mut odd) = (1.0, correlation(1));
    let mut lag = 1;
    // Pairs of successive lags are positive and decrease for a reversible chain; noise ends the sum.
    while even + odd > 0.0 && lag + 2 < n - 1 {
        let pair = (even + odd).min(last_pair);
        sum += pair;
        last_pair = pair;
        even = correlation(lag + 1);
        odd = correlation(lag + 2);
        lag += 2;
    }
    // The first lag of the pair that was left out lowers the variance of antithetic chains.
    let tau = -1.0 + 2.0 * sum + even.max(0.0);
    let draws = m * size;
    draws / tau.max(1.0 / draws.log10())
}

/// Effective sample size for the mean. `None` as for [`r_hat`].
pub fn effective_sample_size(chains: &[&[f64]]) -> Option<f64> {
    usable(chains).then(|| ess(&split(chains)))
}

/// Bulk effective sample size: of the rank-normalised draws. `None` as for [`r_hat`].
pub fn ess_bulk(chains: &[&[f64]]) -> Option<f64> {
    usable(chains).then(|| ess(&rank_normalise(&split(chains))))
}

/// The sorted draws of all chains.
fn sorted(chains: &[&[f64]]) -> Vec<f64> {
    let mut all: Vec<f64> = chains.iter().flat_map(|c| c.iter().copied()).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// Effective sample size for a quantile: of whether draws are at most the quantile of `level` in (0, 1). `None` as for
/// [`r_hat`], or where that is so of all or none.
pub fn ess_quantile(chains: &[&[f64]], level: f64) -> Option<f64> {
    usable(chains).then(|| ess_of_level(chains, &sorted(chains), level))?
}

fn ess_of_level(chains: &[&[f64]], sorted: &[f64], level: f64) -> Option<f64> {
    let position = level * (sorted.len() as f64 - 1.0);
    let below = position.floor() as usize;
    let share = position - below as f64;
    let quantile = sorted[below] * (1.0 - share) + sorted[(below + 1).min(sorted.len() - 1)] * share;
    let indicator: Vec<Vec<f64>> =
        chains.iter().map(|c| c.iter().map(|x| f64::from(u8::from(*x <= quantile))).collect()).collect();
    let views: Vec<&[f64]> = indicator.iter().map(Vec::as_slice).collect();
    (!is_constant(&views)).then(|| ess(&split(&views)))
}

/// Tail effective sample size: the smaller of those for the 5 % and 95 % quantiles. `None` as for [`r_hat`], or where both
/// quantiles are at an end of the draws (as of few distinct values).
pub fn ess_tail(chains: &[&[f64]]) -> Option<f64> {
    if !usable(chains) {
        return None;
    }
    let sorted = sorted(chains);
    match (ess_of_level(chains, &sorted, 0.05), ess_of_level(chains, &sorted, 0.95)) {
        (Some(low), Some(high)) => Some(low.min(high)),
        (low, high) => low.or(high),
    }
}

/// Monte Carlo standard error of the mean, sd / √ESS (Vehtari et al. 2021). `None` as for [`r_hat`].
pub fn mcse_mean(chains: &[&[f64]]) -> Option<f64> {
    let all: Vec<f64> = chains.concat();
    effective_sample_size(chains).map(|ess| (variance(&all) / ess).sqrt())
}

/// Monte Carlo standard error of the standard deviation: by the delta method from that of E (x − mean)², with the
/// effective sample size of (x − mean)². `None` as for [`r_hat`].
pub fn mcse_sd(chains: &[&[f64]]) -> Option<f64> {
    if !usable(chains) {
        return None;
    }
    let center = mean(&chains.concat());
    let squares: Vec<Vec<f64>> = chains.iter().map(|c| c.iter().map(|x| (x - center).powi(2)).collect()).collect();
    let views: Vec<&[f64]> = squares.iter().map(Vec::as_slice).collect();
    // Draws at two values at the same distance from their mean.
    let Some(ess) = effective_sample_size(&views) else { return Some(0.0) };
    let all = squares.concat();
    let square = mean(&all);
    let fourth = mean(&all.iter().map(|s| s * s).collect::<Vec<_>>());
    Some(((fourth - square * square) / ess / square / 4.0).sqrt())
}

/// Monte Carlo standard error of the quantile of `level` in (0, 1): half the width of the interval between the draws at the
/// 16 % and 84 % quantiles of a beta distribution with the effective sample size for that quantile (Vehtari et al.
/// 2021). `None` as for [`ess_quantile`].
pub fn mcse_quantile(chains: &[&[f64]], level: f64) -> Option<f64> {
    if !usable(chains) {
        return None;
    }
    let sorted = sorted(chains);
    let ess = ess_of_level(chains, &sorted, level)?;
    let beta = Beta::new(ess * level + 1.0, ess * (1.0 - level) + 1.0).ok()?;
    let size = sorted.len() as f64;
    // One standard deviation of a normal to each side.
    let low = (beta.inverse_cdf(0.158_655_3) * size - 1.0).max(0.0).floor() as usize;
    let high = (beta.inverse_cdf(0.841_344_7) * size - 1.0).min(size - 1.0).ceil() as usize;
    Some((sorted.get(high)? - sorted.get(low)?) / 2.0)
}

/// The estimated Bayesian fraction of missing information of one chain's energies: Σ (Eₙ − Eₙ₋₁)² / Σ (Eₙ − Ē)² (Betancourt
/// 2016). Where it is small, momenta reach only some of the energies that the posterior has, and tails are explored
/// slowly. `None` for fewer than two different energies.
pub fn e_bfmi(energies: &[f64]) -> Option<f64> {
    if is_constant(&[energies]) || energies.iter().any(|e| !e.is_finite()) {
        return None;
    }
    let center = mean(energies);
    let steps: f64 = energies.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum();
    Some(steps / energies.iter().map(|e| (e - center).powi(2)).sum::<f64>())
}

/// Pareto-smoothed importance weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Psis {
    /// Normalised weights.
    pub weights: Vec<f64>,
    /// The shape of the weights' tail; `None` where there is none, as the largest weights are all equal, or too few to tell.
    pub k_hat: Option<f64>,
    /// What the fitted tail adds to the sum of all weights beyond its start, as a share of that sum: how much of the posterior
    /// depends on the fit. 1 where k̂ ≥ 1 (the tail has no mean), 0 where no tail was fitted.
    pub tail_share: f64,
    /// The share of the sum of all weights that smoothing took away (or, below 0, added).
    pub smoothed_away: f64,
}

/// How often the largest weight must be seen to count as a bound of all weights.
const REPEATED: usize = 10;

/// How many weights equal the largest, which is 1.
fn largest_seen(weights: &[f64]) -> usize {
    weights.iter().filter(|w| **w > 1.0 - 1e-9).count()
}

/// Smooths the largest weights by a generalised Pareto fit of their tail (Vehtari et al. 2024, algorithm 1). −∞ is a
/// weight of zero, and is a draw like any other. `None` where no weight is positive, or one is not a number.
pub fn pareto_smooth(log_weights: &[f64]) -> Option<Psis> {
    let n = log_weights.len();
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() || log_weights.iter().any(|w| w.is_nan()) {
        return None;
    }
    let mut weights: Vec<f64> = log_weights.iter().map(|w| (w - largest).exp()).collect();
    let smallest = log_weights.iter().copied().fold(f64::INFINITY, f64::min);
    if largest - smallest < 1e-9 {
        return Some(Psis { weights: vec![1.0 / n as f64; n], k_hat: None, tail_share: 0.0, smoothed_away: 0.0 });
    }
    let tail = tail_length(n);
    let mut k_hat = None;
    let mut tail_share = 0.0;
    if tail >= 5 && tail < n {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| weights[*a].total_cmp(&weights[*b]));
        let cutoff = weights[order[n - tail - 1]].max(f64::MIN_POSITIVE);
        let above: Vec<usize> = order[n - tail..].iter().copied().filter(|i| weights[*i] > cutoff).collect();
        if above.len() >= 5 {
            let excess: Vec<f64> = above.iter().map(|i| weights[*i] - cutoff).collect();
            let (k, sigma) = fit_pareto(&excess);
            // Weights that repeat are of discrete choices. Smoothing would tell equal ones apart, and so be biased; and where
            // the largest is seen again and again, it is a bound.
            let distinct =
                1 + above.windows(2).filter(|pair| weights[pair[0]] < weights[pair[1]] * (1.0 - 1e-9)).count();
            let tied = distinct * 10 < above.len() * 9;
            k_hat = (!tied || largest_seen(&weights) < REPEATED).then_some(k);
            // The mean of a generalised Pareto distribution is σ / (1 − k).
            // With k̂ a standard error larger than it is, (1 + k) / √m (Vehtari et al. 2024, appendix).
            let m = above.len() as f64;
            let larger = k + (1.0 + k.max(0.0)) / m.sqrt();
            let beyond = m * sigma / (1.0 - larger);
            let total = weights.iter().sum::<f64>();
            tail_share = if larger < 1.0 && beyond.is_finite() { (beyond / total).min(1.0) } else { 1.0 };
            if k.is_finite() && sigma > 0.0 && !tied {
                let m = above.len() as f64;
                for (rank, i) in above.iter().enumerate() {
                    let p = (rank as f64 + 0.5) / m;
                    let quantile =
                        if k.abs() < 1e-12 { -sigma * (-p).ln_1p() } else { sigma * (-k * (-p).ln_1p()).exp_m1() / k };
                    weights[*i] = (cutoff + quantile).min(1.0);
                }
            }
        } else if largest_seen(&weights) < REPEATED {
            // Almost all of the weight is in fewer draws than a tail can be fitted to.
            k_hat = Some(f64::INFINITY);
            tail_share = 1.0;
        }
    }
    let total: f64 = weights.iter().sum();
    let raw: f64 = log_weights.iter().map(|w| (w - largest).exp()).sum();
    weights.iter_mut().for_each(|w| *w /= total);
    Some(Psis { weights, k_hat, tail_share, smoothed_away: 1.0 - total / raw })
}

/// The shape of the heavier tail of ascending draws, as the generalised Pareto distribution that fits the largest and the
/// smallest (Vehtari et al. 2024, §2.4 and appendix D): from 1 on there is no mean, from 0.5 on no variance. `None` for fewer than 100
/// draws, or where most of a tail is one value.
pub(super) fn tail_shape(sorted: &[f64]) -> Option<f64> {
    let n = sorted.len();
    if n < 100 {
        return None;
    }
    let m = tail_length(n);
    let shape = |excess: &dyn Fn(usize) -> f64| {
        let excess: Vec<f64> = (1..=m).map(excess).filter(|x| *x > 0.0 && x.is_finite()).collect();
        (2 * excess.len() > m).then(|| fit_pareto(&excess).0).filter(|k| k.is_finite())
    };
    let above = shape(&|rank| sorted[n - m - 1 + rank] - sorted[n - m - 1]);
    let below = shape(&|rank| sorted[m] - sorted[m - rank]);
    [above, below].into_iter().flatten().reduce(f64::max)
}

/// How many of `n` draws are taken for the tail.
fn tail_length(n: usize) -> usize {
    (0.2 * n as f64).min(3.0 * (n as f64).sqrt()).ceil() as usize
}

/// Shape k and scale of a generalised Pareto distribution at 0, of ascending positive `x`: the empirical Bayes estimate of
/// Zhang & Stephens (2009), with the shape drawn towards 0.5 as ten observations would (Vehtari et al. 2024, appendix C).
fn fit_pareto(x: &[f64]) -> (f64, f64) {
    let n = x.len();
    let grid = 30 + (n as f64).sqrt() as usize;
    let quartile = x[((n as f64 / 4.0 + 0.5) as usize).saturating_sub(1)];
    let largest = x[n - 1];
    let theta: Vec<f64> = (1..=grid)
        .map(|j| 1.0 / largest + (1.0 - (grid as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quartile))
        .collect();
    let shape = |theta: f64| x.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / n as f64;
    let log_likelihood: Vec<f64> = theta
        .iter()
        .map(|t| {
            let k = shape(*t);
            n as f64 * ((-t / k).ln() - k - 1.0)
        })
        .collect();
    let weight = |j: usize| 1.0 / log_likelihood.iter().map(|l| (l - log_likelihood[j]).exp()).sum::<f64>();
    let weights: Vec<f64> = (0..grid).map(weight).collect();
    let total: f64 = weights.iter().filter(|w| w.is_finite()).sum();
    let theta_hat: f64 = theta.iter().zip(&weights).filter(|(_, w)| w.is_finite()).map(|(t, w)| t * w / total).sum();
    let k = shape(theta_hat);
    let sigma = -k / theta_hat;
    let (n, prior) = (n as f64, 10.0);
    ((n * k + prior * 0.5) / (n + prior), sigma)
}
