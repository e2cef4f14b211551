//! Inference: targets, proposals, the table of engines, diagnostics, and the ladder that climbs it.
//!
//! [`infer`] answers a [`Target`]. Each engine is a handler of the runtime, in a file of its own, with a row in [`ENGINES`].
//! Nothing here knows where proposals come from ([`Proposal`]).

mod advi;
mod anchored;
pub mod anchors;
mod calibration;
mod certificate;
mod coordinates;
mod counts;
mod deadline;
mod diagnostics;
mod engine;
mod enumerate;
mod error;
mod foundation;
mod geweke;
mod givens;
mod gradient;
mod importance;
mod joint;
mod ladder;
mod laplace;
mod mh;
mod modes;
mod nested;
mod nuts;
mod patches;
mod prior;
mod proposal;
mod query;
mod record;
mod replay;
mod scalars;
mod search;
mod smc;
mod stream;
mod summary;
mod target;
mod trace;
mod uniformity;
mod whitened;

pub use advi::{
    AdviFit, AdviSettings, NormalApproximation, NormalFamily, NormalScale, WeightedDraws, fit_advi, weighted_draws,
};
pub(crate) use anchored::PartialDensity;
pub use calibration::{
    Answer, Calibration, CalibrationOptions, Coverage, DOUBTED, LOG_LIKELIHOOD, Quantity, REFUTED, Verdict, calibrate,
    calibrate_with,
};
pub use certificate::{E_BFMI_LIMIT, NutsCertificate, certify_nuts};
pub use coordinates::Coordinates;
pub use deadline::Deadline;
pub use diagnostics::{
    K_HAT_LIMIT, Psis, e_bfmi, effective_sample_size, ess_bulk, ess_quantile, ess_tail, k_hat_threshold, mcse_mean,
    mcse_quantile, mcse_sd, pareto_smooth, r_hat, weights_ess,
};
pub use engine::{ENGINES, Engine, InferOptions, Inferred, Method, Progress, Rung, Silent, VariableSummary};
pub use error::InferError;
pub use foundation::{Amortized, Defence, Drawer, Weights};
pub use geweke::{Geweke, GewekeOptions, GewekeScalar, Latents, Step, geweke, geweke_with, metropolis_hastings};
pub use ladder::{infer, infer_from};
pub use mh::{Kernel, MarkovChain};
pub use nested::Engines;
pub use nuts::{DrawStatistics, MassMatrix, NutsDraws, NutsSettings, find_start, sample_nuts, uniform_start};
pub use proposal::{Guide, NoDraw, OwnDistribution, Proposal, Proposed, drawable, is_proper};
pub use query::Query;
pub use record::{Address, Record};
pub use stream::{Stream, StreamPurpose, stream};
pub use target::{Target, TargetRef};
pub use trace::{Choice, Ledger, Trace};
pub use whitened::{WeightedPoints, Whitened};
