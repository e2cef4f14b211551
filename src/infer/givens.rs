//! Known givens outside their support: outside the density, so only worth a warning.

use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use crate::diagnostic::Diagnostic;
use crate::runtime::{Addresses, Handler, RuntimeError, Site, Stop};
use crate::span::Span;
use crate::value::Value;

use super::proposal::drawable;

/// Runs the program once and looks at each known given that does not count. Mistakes are left to the engines to report.
pub(super) fn outside_support(target: &TargetRef<'_>, seed: u64) -> Vec<Diagnostic> {
    let mut look = Look { rng: stream(seed, StreamPurpose::Draws, u64::MAX), found: Vec::new() };
    let _ = target.machine().run(&mut look);
    look.found
}

struct Look {
    rng: Stream,
    found: Vec<Diagnostic>,
}

impl Handler for Look {
    fn choose(&mut self, site: &Site<'_>, _: &Addresses) -> Result<Value, Stop> {
        let law = drawable(site.law, site.simulate).ok_or(Stop::Reject)?;
        law.sample(&mut self.rng).map_err(|_| Stop::Reject)
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, counts: bool, addresses: &Addresses) -> Result<(), Stop> {
        if !counts && site.law.log_density(value) == Some(f64::NEG_INFINITY) {
            let message = format!("{} is outside the support of `{}`", value, addresses.display(site.address));
            let label = "known, so its prior does not enter the answer";
            self.found.push(Diagnostic::warning("W0703", message).label(site.span, label));
        }
        if counts && site.law.log_density(value).is_none_or(|l| !l.is_finite()) {
            return Err(Stop::Reject);
        }
        Ok(())
    }

    fn factor(&mut self, log_weight: f64, _: Span) -> Result<(), Stop> {
        if log_weight.is_finite() { Ok(()) } else { Err(Stop::Reject) }
    }

    fn rejected(&mut self, _: &RuntimeError) {}
}
