//! `unmask geweke`: Geweke's joint-distribution test, as a table or as JSON.

use serde_json::{Map, Value, json};

use super::console::{Failure, Status, tell};
use super::infer::{show_progress, write_text};
use super::report::{Align, columns, decimals, digits, line, thousands, time};
use super::{GewekeArgs, json as answers};
use crate::infer::{Geweke, GewekeOptions, GewekeScalar, Kernel};

pub(super) fn geweke(arguments: &GewekeArgs) -> Result<Status, Failure> {
    let options = GewekeOptions { iterations: arguments.iterations as usize, seed: arguments.seed };
    let model = arguments.program.model()?;
    let data = arguments.data.read()?;
    let found = show_progress(arguments.quiet, |progress| model.geweke(&data, Kernel::default(), &options, progress));
    let (geweke, warnings, sources) = found?;
    tell(&warnings, &sources);
    let text = if arguments.json { answers::text(&json(&geweke)) } else { table(&geweke) };
    write_text(arguments.output.as_deref(), &text)?;
    Ok(if geweke.refuted() { Status::NotCertified } else { Status::Fine })
}

fn verdict(geweke: &Geweke) -> &'static str {
    match (geweke.refuted(), geweke.scores()) {
        (true, _) => "refuted",
        (false, 0) => "undecided",
        (false, _) => "holds",
    }
}

fn table(geweke: &Geweke) -> String {
    let mut text = String::new();
    let threshold = digits(geweke.threshold, 2);
    line(
        &mut text,
        &match (geweke.refuted(), geweke.scores()) {
            (true, _) => {
                format!("THE KERNEL IS WRONG: a correct one has some |z| above {threshold} once in 1,000 tests")
            }
            (false, 0) => {
                "undecided: no latent varies often enough to be compared (-n asks for more executions)".to_owned()
            }
            (false, n) => format!("nothing speaks against the kernel: none of {n} z-scores is beyond {threshold}"),
        },
    );
    line(
        &mut text,
        &format!(
            "{} · mh    {} executions each · {} chains · {} updates between data · {}",
            geweke.model,
            thousands(geweke.iterations as f64),
            geweke.chains,
            thousands(geweke.updates as f64),
            time(geweke.seconds)
        ),
    );
    line(&mut text, "");
    let with_exists = geweke.scalars.iter().any(|s| s.z_exists.is_some());
    let mut header = vec![String::new(), "median".into(), "in chains".into(), "ESS".into()];
    header.extend(["z location".into(), "z spread".into()]);
    if with_exists {
        header.push("z exists".into());
    }
    header.push(String::new());
    let mut rows = vec![header];
    for scalar in &geweke.scalars {
        rows.push(row(scalar, geweke, with_exists));
    }
    columns(&mut text, &rows, |c, of| if c == 0 || c + 1 == of { Align::Left } else { Align::Right });
    if geweke.rare > 0 {
        line(&mut text, &format!("  {} more exist in less than 5 %", geweke.rare));
    }
    text
}

fn row(scalar: &GewekeScalar, geweke: &Geweke, with_exists: bool) -> Vec<String> {
    let score = |z: Option<f64>| z.map_or("–".into(), |z| digits(z, 2));
    let [marginal, successive] = scalar.medians;
    let places = decimals(marginal.abs().max(successive.abs()), 3);
    let mut row = vec![scalar.name.clone(), digits(marginal, places), digits(successive, places)];
    row.push(scalar.ess.map_or("–".into(), thousands));
    row.extend([score(scalar.z_location), score(scalar.z_spread)]);
    if with_exists {
        row.push(score(scalar.z_exists));
    }
    let refuted = scalar.scores().any(|z| z.abs() > geweke.threshold);
    let exists = if scalar.exists < 1.0 { format!("exists {:.1} %", 100.0 * scalar.exists) } else { String::new() };
    row.push([if refuted { "refuted" } else { "" }, &exists].join("  ").trim().to_owned());
    row
}

fn json(geweke: &Geweke) -> Value {
    let entry = |scalar: &GewekeScalar| {
        json!({
            "exists": scalar.exists,
            "median": scalar.medians[0],
            "median_in_chains": scalar.medians[1],
            "ess": scalar.ess,
            "z_location": scalar.z_location,
            "z_spread": scalar.z_spread,
            "z_exists": scalar.z_exists,
        })
    };
    let variables: Map<String, Value> = geweke.scalars.iter().map(|s| (s.name.clone(), entry(s))).collect();
    json!({
        "model": &*geweke.model,
        "verdict": verdict(geweke),
        "threshold": geweke.threshold,
        "iterations": geweke.iterations,
        "chains": geweke.chains,
        "updates": geweke.updates,
        "seconds": geweke.seconds,
        "seed": geweke.seed,
        "variables": variables,
    })
}
