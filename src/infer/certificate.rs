//! Whether the chains of NUTS are to be trusted, and what the user should know about them.

use rayon::prelude::*;

use super::diagnostics::{e_bfmi, ess_bulk, ess_tail, r_hat};
use super::importance::ENOUGH;
use super::mh::R_HAT_LIMIT;
use super::nuts::NutsDraws;
use crate::diagnostic::Diagnostic;

/// E-BFMI below which a chain has explored its energies too slowly (Betancourt 2016; Stan warns at the same).
pub const E_BFMI_LIMIT: f64 = 0.3;

/// What chains of NUTS are judged by. Convergence is that of the unconstrained coordinates: ranks make R̂ and bulk ESS the
/// same in a variable's own units.
#[derive(Clone, Debug, PartialEq)]
pub struct NutsCertificate {
    /// Chains.
    pub chains: usize,
    /// Draws of all chains.
    pub draws: usize,
    /// The coordinate with the largest rank-normalised split R̂, and that.
    pub r_hat: Option<(usize, f64)>,
    /// The coordinate with the smallest effective sample size (of bulk and tail), and that.
    pub ess: Option<(usize, f64)>,
    /// A coordinate that has the same value in all draws.
    pub stuck: Option<usize>,
    /// Trajectories that diverged.
    pub divergences: usize,
    /// Trajectories that doubled as often as they may.
    pub saturated: usize,
    /// The tree depth at which they did.
    pub depth: u32,
    /// The chain with the smallest E-BFMI, and that.
    pub e_bfmi: Option<(usize, f64)>,
    /// Whether at least two chains agree (R̂ ≤ 1.01), there are 400 effective draws, no trajectory diverged, and E-BFMI is at
    /// least 0.3 in each chain. (A trajectory that is cut short costs time, not truth.)
    pub held: bool,
    /// Why, or why not.
    pub reason: String,
}

/// One coordinate.
struct Judged {
    constant: bool,
    r_hat: Option<f64>,
    /// The smaller of bulk and tail.
    ess: Option<f64>,
}

/// Judges chains. `name` says what a coordinate is part of.
pub fn certify_nuts(draws: &NutsDraws, name: &dyn Fn(usize) -> String) -> NutsCertificate {
    let dimension = draws.chains.iter().flatten().next().map_or(0, Vec::len);
    let judged: Vec<Judged> = (0..dimension)
        .into_par_iter()
        .map(|i| {
            let columns: Vec<Vec<f64>> = draws.chains.iter().map(|c| c.iter().map(|z| z[i]).collect()).collect();
            let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let mut all = columns.iter().flatten();
            let first = all.next();
            let ess = ess_bulk(&views).map(|bulk| bulk.min(ess_tail(&views).unwrap_or(bulk)));
            Judged { constant: all.all(|x| Some(x) == first), r_hat: r_hat(&views), ess }
        })
        .collect();
    let by = |of: fn(&Judged) -> Option<f64>| {
        judged.iter().enumerate().filter_map(move |(i, judged)| Some((i, of(judged)?)))
    };
    let statistics = || draws.statistics.iter().flatten();
    let energies = draws.statistics.iter().enumerate().filter_map(|(chain, statistics)| {
        let energies: Vec<f64> = statistics.iter().map(|s| s.energy).collect();
        Some((chain, e_bfmi(&energies)?))
    });
    let mut certificate = NutsCertificate {
        chains: draws.chains.len(),
        draws: statistics().count(),
        r_hat: by(|j| j.r_hat).max_by(|a, b| a.1.total_cmp(&b.1)),
        ess: by(|j| j.ess).min_by(|a, b| a.1.total_cmp(&b.1)),
        stuck: judged.iter().position(|j| j.constant),
        divergences: statistics().filter(|s| s.divergent).count(),
        saturated: statistics().filter(|s| s.saturated).count(),
        depth: statistics().map(|s| s.tree_depth).max().unwrap_or(0),
        e_bfmi: energies.min_by(|a, b| a.1.total_cmp(&b.1)),
        held: false,
        reason: String::new(),
    };
    (certificate.held, certificate.reason) = certificate.verdict(name);
    certificate
}

impl NutsCertificate {
    fn verdict(&self, name: &dyn Fn(usize) -> String) -> (bool, String) {
        if self.chains < 2 {
            return (false, "one chain cannot tell whether it has mixed".into());
        }
        if let Some(at) = self.stuck.filter(|_| self.draws > self.chains) {
            return (false, format!("`{}` has one value in all draws: the chains did not move", name(at)));
        }
        let (Some((_, r_hat)), Some((_, ess))) = (self.r_hat, self.ess) else {
            return (false, "there are too few draws to tell".into());
        };
        let numbers = format!("R̂ {r_hat:.3}, ESS {ess:.0}, {} divergences", self.divergences);
        let refused = if self.divergences > 0 {
            Some("part of the posterior may not have been reached".to_owned())
        } else if r_hat.is_nan() || r_hat > R_HAT_LIMIT {
            Some(format!("R̂ is above {R_HAT_LIMIT}, the chains have not mixed"))
        } else if ess < ENOUGH {
            Some(format!("fewer than {ENOUGH} effective draws"))
        } else {
            let low = self.e_bfmi.filter(|(_, value)| *value < E_BFMI_LIMIT);
            low.map(|(_, value)| format!("E-BFMI {value:.2} is below {E_BFMI_LIMIT}"))
        };
        match refused {
            Some(why) => (false, format!("{numbers}: {why}")),
            None => (true, numbers),
        }
    }

    /// What the user should know, whether or not the certificate holds. `name` says what a coordinate is part of.
    pub fn warnings(&self, name: &dyn Fn(usize) -> String) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        let mut warn = |code: &'static str, message: String, help: &str| {
            warnings.push(Diagnostic::warning(code, message).help(help));
        };
        let Self { draws, divergences, saturated, depth, .. } = self;
        if *divergences > 0 {
            warn(
                "W0704",
                format!(
                    "{divergences} of {draws} trajectories diverged: where the posterior bends too sharply to be followed, \
                     draws are missing"
                ),
                "write variables of unknown scale in standard units (`z ~ normal(0, 1)`, then `mu + tau * z`), or give \
                 scales tighter priors",
            );
        }
        if let Some((chain, value)) = self.e_bfmi.filter(|(_, value)| *value < E_BFMI_LIMIT) {
            warn(
                "W0705",
                format!(
                    "E-BFMI of chain {} is {value:.2}, below {E_BFMI_LIMIT}: it goes from the bulk of the posterior to its \
                     tails too slowly",
                    chain + 1
                ),
                "heavy tails or an unknown scale do this: tighter priors, standard units, or more warm-up (`--warmup`) help",
            );
        }
        if *saturated > 0 {
            warn(
                "W0706",
                format!("{saturated} of {draws} trajectories were cut short at tree depth {depth}: sampling is slow"),
                "some direction of the posterior is far longer than another: write strongly dependent variables in terms \
                 of independent ones",
            );
        }
        if let Some((at, value)) = self.r_hat.filter(|(_, value)| value.is_nan() || *value > R_HAT_LIMIT) {
            warn(
                "W0707",
                format!("R̂ of `{}` is {value:.3}, above {R_HAT_LIMIT}: the chains disagree about it", name(at)),
                "longer chains (`--warmup`, `--draws`) help if they are merely slow; several modes, such as labels that \
                 can be swapped, need another method or an ordering",
            );
        }
        if let Some((at, value)) = self.ess.filter(|(_, value)| *value < ENOUGH) {
            warn(
                "W0708",
                format!("`{}` has {value:.0} effective draws of {draws}, fewer than {ENOUGH}", name(at)),
                "take more draws (`--draws`)",
            );
        }
        warnings
    }
}
