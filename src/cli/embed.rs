//! `unmask embed`: what the encoder makes of a query, for models of one's own.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::console::{Failure, Status, of_network};
use super::evaluate::foundation;
use super::infer::write_text;
use super::{DataArgs, ModelArgs, json as answers};

#[derive(Debug, Args)]
#[command(
    after_help = "JSON: `program`, the mean of the encoder's last layer over all tokens; `masked`, its row at each value that is asked for; `width` numbers each. `read` of `tokens` tokens were read: of a long program iterations of loops are left out."
)]
pub(super) struct EmbedArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Weights, in place of those built in
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn embed(arguments: &EmbedArgs) -> Result<Status, Failure> {
    let weights = foundation(arguments.weights.as_deref())?;
    let model = arguments.program.model()?;
    let target = model.target(&arguments.data.read()?)?;
    let embedding = weights.embed(&target.borrow()).map_err(|e| of_network(&model, "E0739", "has no embedding", &e))?;
    let masked: Map<String, Value> = embedding.masked.into_iter().map(|(name, row)| (name, json!(row))).collect();
    let text = answers::text(&json!({
        "model": model.name(), "width": embedding.program.len(), "read": embedding.read, "tokens": embedding.tokens,
        "program": embedding.program, "masked": masked,
    }));
    write_text(arguments.output.as_deref(), &text)?;
    Ok(Status::Fine)
}
