//! `unmask infer --explain`: what an answer cost, and what NUTS costs on the same query.

use serde_json::{Value, json};

use super::report::{line, thousands, time};
use crate::api::{Data, Error, Model};
use crate::infer::{InferOptions, Inferred, Method};

/// The share of the posterior in which a variable exists, below which its draws do not count.
const COMMON: f64 = 0.1;

/// Seconds after which NUTS ends, where the budget does not say.
const LONGEST: f64 = 60.0;

/// The price of an answer.
#[derive(Clone, Copy, Debug)]
struct Price {
    seconds: f64,
    /// Effective draws of the variable that has the fewest, of those that are not rare; `None` where none has such a number.
    effective: Option<f64>,
    exact: bool,
    certified: bool,
}

impl Price {
    fn of(inferred: &Inferred) -> Self {
        let common = |exists: Option<f64>| exists.is_none_or(|share| share >= COMMON);
        let latents = inferred.variables.iter().filter(|v| !v.deterministic && common(v.exists));
        let effective = latents.filter_map(|v| v.ess).min_by(f64::total_cmp);
        let exact = inferred.posterior.exact;
        Self { seconds: inferred.seconds, effective, exact, certified: inferred.certified }
    }

    fn words(self) -> String {
        let what = match self.effective {
            _ if self.exact => "an exact answer".to_owned(),
            Some(effective) => format!("{} effective draws", thousands(effective)),
            None => "an answer that does not vary".to_owned(),
        };
        let verdict = if self.certified { "" } else { ", NOT CERTIFIED" };
        format!("{} for {what}{verdict}", time(self.seconds))
    }

    fn json(self) -> Value {
        json!({"seconds": self.seconds, "effective_draws": self.effective, "certified": self.certified})
    }
}

/// What an answer cost, and NUTS in its place.
#[derive(Debug)]
pub(super) struct Explained {
    answer: Price,
    /// Why not, where NUTS has no answer.
    nuts: Result<Price, String>,
    is_nuts: bool,
}

impl Explained {
    /// Asks NUTS the same.
    ///
    /// # Errors
    /// Where there is no such engine.
    pub(super) fn new(model: &Model, data: &Data, options: &InferOptions, inferred: &Inferred) -> Result<Self, Error> {
        let answer = Price::of(inferred);
        let is_nuts = inferred.method == NUTS;
        if is_nuts {
            return Ok(Self { answer, nuts: Ok(answer), is_nuts });
        }
        let method = Method::named(NUTS).map_err(|error| Error::without_source((&error).into()))?;
        let (draws, warmup, chains) = (None, None, None);
        let budget = Some(options.budget.unwrap_or(LONGEST));
        let asked = InferOptions { method, draws, warmup, chains, budget, ..options.clone() };
        let nuts = match model.infer(data, &asked) {
            Ok(inferred) => Ok(Price::of(&inferred)),
            Err(error) => Err(error.diagnostics().first().map_or_else(String::new, |d| d.message.clone())),
        };
        Ok(Self { answer, nuts, is_nuts })
    }

    /// How many times as long NUTS takes, and how many times as many effective draws it gives; `None` where it has no certified
    /// answer, or either answer has no such number.
    fn ratios(&self) -> Option<(f64, f64)> {
        let nuts = self.nuts.as_ref().ok().filter(|price| price.certified && !self.is_nuts)?;
        let (ours, theirs) = self.answer.effective.zip(nuts.effective)?;
        Some((nuts.seconds / self.answer.seconds, theirs / ours))
    }

    /// Lines for a report.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        line(&mut text, "");
        line(&mut text, &format!("this answer  {}", self.answer.words()));
        let nuts = match &self.nuts {
            _ if self.is_nuts => "is this answer".to_owned(),
            Ok(price) => price.words(),
            Err(reason) => format!("has no answer: {reason}"),
        };
        line(&mut text, &format!("NUTS         {nuts}"));
        if let Some((longer, more)) = self.ratios() {
            let times = |x: f64| if x < 10.0 { format!("{x:.1}") } else { thousands(x) };
            let verdict = if longer > more { "this answer is cheaper" } else { "NUTS is cheaper" };
            let (longer, more) = (times(longer), times(more));
            let content =
                format!("break-even   {verdict} a draw: NUTS takes {longer} times as long for {more} times as many");
            line(&mut text, &content);
        }
        text
    }

    /// The same for JSON.
    pub(super) fn json(&self) -> Value {
        let nuts = match &self.nuts {
            Ok(price) => price.json(),
            Err(reason) => json!({"reason": reason}),
        };
        let (longer, more) = self.ratios().unzip();
        json!({"answer": self.answer.json(), "nuts": nuts, "times_as_long": longer, "times_as_many": more})
    }
}

/// The engine that others are compared with.
const NUTS: &str = "nuts";
