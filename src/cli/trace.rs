//! `unmask trace`: annotated executions, with what is masked.

use std::io::Write;

use rustc_hash::FxHashSet;

use super::TraceArgs;
use super::console::{Failure, Status, tell, write_output};
use crate::api::TraceOptions;
use crate::syntax;
use crate::value::Value;

pub(super) fn trace(arguments: &TraceArgs) -> Result<Status, Failure> {
    let model = arguments.program.model()?;
    let options = TraceOptions {
        n: arguments.n,
        mask: arguments.mask,
        seed: arguments.seed,
        digits: arguments.digits.map(usize::from),
    };
    let (traces, warnings, sources) = model.trace(&arguments.data.read(&[])?, &options)?;
    tell(&warnings, &sources);
    let run = |to: &mut dyn Write| -> Result<(), Failure> {
        for (i, traced) in traces.iter().enumerate() {
            let text = traced.text();
            if !arguments.jsonl {
                if i > 0 {
                    writeln!(to)?;
                }
                write!(to, "{text}")?;
                continue;
            }
            let choices = traced.trace.choices.iter().map(|c| (c.name.clone(), json(&c.value)));
            let computed = traced.trace.computed.iter().map(|(name, value)| (name.clone(), json(value)));
            let masked = traced.annotated.lines.iter().filter(|l| l.random && l.value.is_none());
            // Both branches of a condition may have it.
            let mut seen = FxHashSet::default();
            let masked: Vec<&str> = masked.map(|l| l.name.as_str()).filter(|name| seen.insert(*name)).collect();
            let values: serde_json::Map<String, serde_json::Value> = choices.chain(computed).collect();
            let visible = syntax::print(&traced.annotated.visible());
            let line = serde_json::json!({"program": text, "text": visible, "masked": masked, "values": values});
            writeln!(to, "{line}")?;
        }
        Ok(())
    };
    write_output(arguments.output.as_deref(), run)?;
    Ok(Status::Fine)
}

/// A value as JSON; what JSON has no number for is a text.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Real(x) if x.is_finite() => (*x).into(),
        Value::Array(array) => (0..array.len()).filter_map(|i| array.get(i)).map(|v| json(&v)).collect(),
        Value::Record(record) => record.returned.as_ref().map_or(serde_json::Value::Null, json),
        Value::Real(_) | Value::Str(_) | Value::Posterior(_) | Value::Marginal(_) => value.to_string().into(),
    }
}
