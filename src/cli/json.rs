//! The answer as JSON. Keys are stable; numbers that are not finite are `null`, as JSON has none.

use serde_json::{Map, Value, json};

use super::explain::Explained;
use crate::infer::Inferred;

pub(super) fn json(inferred: &Inferred, explained: Option<&Explained>) -> String {
    let ladder: Vec<Value> = inferred
        .ladder
        .iter()
        .map(|r| {
            let mut rung = json!({"rung": r.rung, "held": r.held, "reason": r.reason, "seconds": r.seconds});
            if let Some(unusual) = r.unusual {
                rung["unusual"] = json!(unusual);
            }
            rung
        })
        .collect();
    let mut variables = Map::new();
    for v in &inferred.variables {
        let mut entry = Map::new();
        let mut put = |key: &str, value: Value| {
            entry.insert(key.to_owned(), value);
        };
        put("mean", json!(v.mean));
        put("sd", json!(v.sd));
        put("q5", json!(v.q5));
        put("q50", json!(v.q50));
        put("q95", json!(v.q95));
        put("ess", json!(v.ess));
        put("r_hat", json!(v.r_hat));
        put("mcse", json!(v.mcse));
        if let Some(error) = v.mcse_sd {
            put("mcse_sd", json!(error));
        }
        if let Some([low, middle, high]) = v.mcse_quantiles {
            put("mcse_q5", json!(low));
            put("mcse_q50", json!(middle));
            put("mcse_q95", json!(high));
        }
        if let Some(probabilities) = &v.probabilities {
            put(
                "probabilities",
                probabilities.iter().map(|(value, p)| (value.clone(), json!(p))).collect::<Map<_, _>>().into(),
            );
        }
        if let Some(share) = v.exists {
            put("exists", json!(share));
        }
        if v.deterministic {
            put("deterministic", json!(true));
        }
        variables.insert(v.name.clone(), entry.into());
    }
    let mut answer = Map::new();
    let mut put = |key: &str, value: Value| {
        answer.insert(key.to_owned(), value);
    };
    put("model", json!(&*inferred.model));
    put("method", json!(inferred.method));
    put("certified", json!(inferred.certified));
    put("reason", json!(inferred.reason));
    put("k_hat", json!(inferred.k_hat));
    put("log_evidence", json!(inferred.log_evidence));
    put("log_evidence_error", json!(inferred.log_evidence_error));
    put("seconds", json!(inferred.seconds));
    put("seed", json!(inferred.seed));
    put("draws", json!(inferred.posterior.weights.len()));
    put("ladder", ladder.into());
    put("variables", variables.into());
    if let Some(explained) = explained {
        put("explained", explained.json());
    }
    text(&answer.into())
}

/// JSON for a file or a terminal.
pub(super) fn text(value: &Value) -> String {
    // A map of numbers and texts always serialises.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
