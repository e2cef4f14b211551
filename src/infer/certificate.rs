//! Whether Markov chains are to be trusted, and what the user should know about them.

use rayon::prelude::*;

use super::diagnostics::{e_bfmi, ess_bulk, ess_tail, family_ess, r_hat};
use super::importance::ENOUGH;
use super::nuts::NutsDraws;
use super::record::Record;
use crate::diagnostic::Diagnostic;
use crate::value::{Base, Value};

/// R̂ up to which chains count as mixed.
const R_HAT_LIMIT: f64 = 1.01;

/// E-BFMI below which a chain has explored its energies too slowly (Betancourt 2016; Stan warns at the same).
pub const E_BFMI_LIMIT: f64 = 0.3;

/// A scalar of all chains.
struct Judged {
    /// What it is part of.
    name: String,
    /// Whether it should vary: it is a choice, not computed.
    chosen: bool,
    /// Whether it is a real number.
    real: bool,
    /// Whether it has one value in all draws.
    constant: bool,
    /// `None` as for [`r_hat`].
    r_hat: Option<f64>,
    /// The smaller of bulk and tail; `None` as for [`r_hat`].
    ess: Option<f64>,
}

impl Judged {
    /// Judges a column whose chains follow each other. `families` as of [`Sampled`](super::engine::Sampled).
    fn new(name: String, chosen: bool, real: bool, column: &[f64], chains: usize, families: &[u32]) -> Self {
        let length = (column.len() / chains.max(1)).max(1);
        let views: Vec<&[f64]> = column.chunks(length).take(chains).collect();
        let ess = ess_bulk(&views).map(|bulk| bulk.min(ess_tail(&views).unwrap_or(bulk)));
        let ess = ess.map(|ess| if families.is_empty() { ess } else { ess.min(family_ess(column, families)) });
        let constant = column.iter().all(|x| Some(x) == column.first());
        Self { name, chosen, real, constant, r_hat: r_hat(&views), ess }
    }
}

/// Every scalar that is always there, and of the other variables whether they are there.
fn judge(record: &Record, chains: usize, families: &[u32]) -> Vec<Judged> {
    let columns: Vec<_> = record.columns().collect();
    columns
        .into_par_iter()
        .flat_map_iter(|(address, values)| {
            let always = values.iter().all(Option::is_some);
            let present = values.iter().flatten().next();
            let real = present.and_then(Value::data_type).is_some_and(|t| t.base == Base::Real);
            let scalars = present.map_or(0, |v| v.to_f64s().len());
            let columns: Vec<Vec<f64>> = if always {
                let flat: Vec<Vec<f64>> = values.iter().flatten().map(Value::to_f64s).collect();
                (0..scalars).map(|e| flat.iter().map(|v| v.get(e).copied().unwrap_or(f64::NAN)).collect()).collect()
            } else {
                vec![values.iter().map(|v| f64::from(u8::from(v.is_some()))).collect()]
            };
            let chosen = always && !address.deterministic;
            let judged =
                move |c: Vec<f64>| Judged::new(address.name.clone(), chosen, real && always, &c, chains, families);
            columns.into_iter().map(judged)
        })
        .collect()
}

/// R̂ ≤ 1.01 and bulk and tail effective sample sizes ≥ 400, for every scalar that is always there, and for whether the
/// others are there. A choice that never changed refuses the certificate, as it may be stuck, unless `tried` says by its name
/// that other values were tried and lost.
pub(super) fn certify_chains(
    record: &Record,
    chains: usize,
    families: &[u32],
    tried: &dyn Fn(&str) -> bool,
) -> (bool, String) {
    if chains < 2 {
        return (false, "one chain cannot tell whether it has mixed".into());
    }
    let (mut worst_r_hat, mut least_ess) = (1.0_f64, f64::INFINITY);
    for judged in judge(record, chains, families) {
        if judged.constant {
            if judged.chosen && (judged.real || !tried(&judged.name)) {
                return (false, format!("`{}` has one value in all draws: it may be stuck", judged.name));
            }
            continue;
        }
        let (Some(r), Some(ess)) = (judged.r_hat, judged.ess) else {
            return (false, "some draws are not finite, or there are too few".into());
        };
        worst_r_hat = worst_r_hat.max(if r.is_nan() { f64::INFINITY } else { r });
        least_ess = least_ess.min(ess);
    }
    if least_ess == f64::INFINITY {
        // Nothing varies: either nothing is masked, or no chain ever moved.
        let mut masked = record.columns().filter(|(a, _)| !a.deterministic).peekable();
        return if masked.peek().is_none() {
            (true, "nothing is masked".into())
        } else if masked.all(|(address, _)| tried(&address.name)) {
            (true, "one value has all the mass".into())
        } else {
            (false, "no draw differs from another: the chains did not move".into())
        };
    }
    let numbers = format!("R̂ {worst_r_hat:.3}, ESS {least_ess:.0}");
    match unmixed(worst_r_hat, least_ess) {
        Some(why) => (false, format!("{numbers}: {why}")),
        None => (true, numbers),
    }
}

fn unmixed(r_hat: f64, ess: f64) -> Option<String> {
    if r_hat.is_nan() || r_hat > R_HAT_LIMIT {
        Some(format!("R̂ is above {R_HAT_LIMIT}, the chains have not mixed"))
    } else if ess < ENOUGH {
        Some(format!("fewer than {ENOUGH} effective draws"))
    } else {
        None
    }
}

/// What chains of NUTS are judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct NutsCertificate {
    /// Chains.
    pub chains: usize,
    /// Draws of all chains.
    pub draws: usize,
    /// The scalar with the largest rank-normalised split R̂, and that.
    pub r_hat: Option<(String, f64)>,
    /// The scalar with the smallest effective sample size (of bulk and tail), and that.
    pub ess: Option<(String, f64)>,
    /// A real variable that has the same value in all draws.
    pub stuck: Option<String>,
    /// A scalar that varies, but has no R̂ or effective sample size: some draws are not finite, or there are too few.
    pub undefined: Option<String>,
    /// Trajectories that diverged.
    pub divergences: usize,
    /// Trajectories that doubled as often as they may.
    pub saturated: usize,
    /// The largest tree depth.
    pub depth: u32,
    /// The chain with the smallest E-BFMI, and that.
    pub e_bfmi: Option<(usize, f64)>,
    /// Whether at least two chains agree (R̂ ≤ 1.01), there are 400 effective draws, no trajectory diverged, and E-BFMI is at
    /// least 0.3 in each chain. (A trajectory that is cut short costs time, not truth.)
    pub held: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Judges chains by their unconstrained coordinates; `name` says what a coordinate is part of. (Ranks make R̂ and bulk ESS of
/// a real variable the same in its own units.)
pub fn certify_nuts(draws: &NutsDraws, name: &(dyn Fn(usize) -> String + Sync)) -> NutsCertificate {
    let chains = draws.chains.len();
    let dimension = draws.chains.iter().flatten().next().map_or(0, Vec::len);
    let judged = (0..dimension).into_par_iter().map(|i| {
        let column: Vec<f64> = draws.chains.iter().flatten().map(|z| z[i]).collect();
        Judged::new(name(i), true, true, &column, chains, &[])
    });
    NutsCertificate::new(draws, &judged.collect::<Vec<_>>())
}

/// Judges chains by the variables of their record, in which the chains follow each other.
pub(super) fn certify_nuts_record(draws: &NutsDraws, record: &Record) -> NutsCertificate {
    NutsCertificate::new(draws, &judge(record, draws.chains.len(), &[]))
}

impl NutsCertificate {
    fn new(draws: &NutsDraws, judged: &[Judged]) -> Self {
        let by = |of: fn(&Judged) -> Option<f64>| judged.iter().filter_map(move |j| Some((j.name.clone(), of(j)?)));
        let statistics = || draws.statistics.iter().flatten();
        let energies = draws.statistics.iter().enumerate().filter_map(|(chain, statistics)| {
            let energies: Vec<f64> = statistics.iter().map(|s| s.energy).collect();
            Some((chain, e_bfmi(&energies)?))
        });
        let mut certificate = Self {
            chains: draws.chains.len(),
            draws: statistics().count(),
            r_hat: by(|j| j.r_hat).max_by(|a, b| a.1.total_cmp(&b.1)),
            ess: by(|j| j.ess).min_by(|a, b| a.1.total_cmp(&b.1)),
            // A discrete variable may well have one value: it is drawn anew each time.
            stuck: judged.iter().find(|j| j.constant && j.chosen && j.real).map(|j| j.name.clone()),
            undefined: judged
                .iter()
                .find(|j| !j.constant && (j.r_hat.is_none() || j.ess.is_none()))
                .map(|j| j.name.clone()),
            divergences: statistics().filter(|s| s.divergent).count(),
            saturated: statistics().filter(|s| s.saturated).count(),
            depth: statistics().map(|s| s.tree_depth).max().unwrap_or(0),
            e_bfmi: energies.min_by(|a, b| a.1.total_cmp(&b.1)),
            held: false,
            reason: String::new(),
        };
        (certificate.held, certificate.reason) = certificate.verdict();
        certificate
    }

    fn verdict(&self) -> (bool, String) {
        if self.chains < 2 {
            return (false, "one chain cannot tell whether it has mixed".into());
        }
        if let Some(name) = self.stuck.as_ref().filter(|_| self.draws > self.chains) {
            return (false, format!("`{name}` has one value in all draws: the chains did not move"));
        }
        let (Some((_, r_hat)), Some((_, ess))) = (&self.r_hat, &self.ess) else {
            return (false, "there are too few draws to tell".into());
        };
        if let Some(name) = &self.undefined {
            return (false, format!("some draws of `{name}` are not finite, or there are too few"));
        }
        let numbers = format!("R̂ {r_hat:.3}, ESS {ess:.0}, {} divergences", self.divergences);
        let refused = if self.divergences > 0 {
            Some("part of the posterior may not have been reached".to_owned())
        } else {
            unmixed(*r_hat, *ess).or_else(|| {
                let low = self.e_bfmi.filter(|(_, value)| *value < E_BFMI_LIMIT);
                low.map(|(_, value)| format!("E-BFMI {value:.2} is below {E_BFMI_LIMIT}"))
            })
        };
        match refused {
            Some(why) => (false, format!("{numbers}: {why}")),
            None => (true, numbers),
        }
    }

    /// Whether R̂ and effective draws are as they should be.
    pub fn is_mixed(&self) -> bool {
        match (&self.r_hat, &self.ess) {
            (Some((_, r_hat)), Some((_, ess))) => unmixed(*r_hat, *ess).is_none(),
            _ => false,
        }
    }

    /// What the user should know, whether or not the certificate holds.
    pub fn warnings(&self) -> Vec<Diagnostic> {
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
        if let Some((name, value)) = self.r_hat.as_ref().filter(|(_, value)| value.is_nan() || *value > R_HAT_LIMIT) {
            warn(
                "W0707",
                format!("R̂ of `{name}` is {value:.3}, above {R_HAT_LIMIT}: the chains disagree about it"),
                "longer chains (`--warmup`, `--draws`) help if they are merely slow; several modes, such as labels that \
                 can be swapped, need another method or an ordering",
            );
        }
        if let Some((name, value)) = self.ess.as_ref().filter(|(_, value)| *value < ENOUGH) {
            warn(
                "W0708",
                format!("`{name}` has {value:.0} effective draws of {draws}, fewer than {ENOUGH}"),
                "take more draws (`--draws`)",
            );
        }
        warnings
    }
}
