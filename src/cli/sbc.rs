//! `unmask sbc`: simulation-based calibration, as a table or as JSON.

use serde_json::{Map, Value, json};

use super::console::{Failure, Status, plain, tell};
use super::infer::{show_progress, weights, write_text};
use super::report::{Align, bar, columns, digits, line, thousands, time};
use super::{DecodeArg, SbcArgs, json as answers};
use crate::diagnostic::Diagnostic;
use crate::infer::{Calibration, CalibrationOptions, DOUBTED, Method, Quantity, REFUTED, Verdict};

/// Bins of the histogram of ranks.
const BINS: usize = 20;

/// Places of the small plots.
const PLACES: usize = 20;

pub(super) fn sbc(arguments: &SbcArgs) -> Result<Status, Failure> {
    let method = Method::named(&arguments.method).map_err(|error| plain("E0705", Diagnostic::from(&error).message))?;
    let options = CalibrationOptions {
        method,
        simulations: arguments.simulations as usize,
        draws: arguments.draws as usize,
        seed: arguments.seed,
        budget: Some(arguments.budget),
        weights: weights(arguments.weights.as_deref(), DecodeArg::Light)?,
    };
    let model = arguments.program.model()?;
    let data = arguments.data.read()?;
    let found = show_progress(arguments.quiet, |progress| model.calibrate(&data, &options, progress));
    let (calibration, warnings, sources) = found?;
    tell(&warnings, &sources);
    tell(calibration.first_failure.as_slice(), &sources);
    let text = if arguments.json { answers::text(&json(&calibration)) } else { table(&calibration) };
    write_text(arguments.output.as_deref(), &text)?;
    Ok(if calibration.verdict() == Verdict::Refuted { Status::NotCertified } else { Status::Fine })
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Doubtful => "doubtful",
        Verdict::Refuted => "refuted",
    }
}

fn table(calibration: &Calibration) -> String {
    let mut text = String::new();
    let n = calibration.quantities.len();
    let several = if n == 1 { String::new() } else { format!(" any of {n}") };
    let verdict = match calibration.verdict() {
        Verdict::Holds => "nothing speaks against the calibration".to_owned(),
        Verdict::Doubtful => {
            format!("DOUBTFUL: exact answers deviate as much in{several} with probability below {DOUBTED}")
        }
        Verdict::Refuted => {
            format!("NOT CALIBRATED: exact answers deviate as much in{several} with probability below {REFUTED}")
        }
    };
    line(&mut text, &verdict);
    let engines: Vec<String> = match calibration.engines.as_slice() {
        [(engine, _)] => vec![(*engine).to_owned()],
        several => several.iter().map(|(engine, count)| format!("{engine} {count}")).collect(),
    };
    let head = format!("{} · {} · {}", calibration.model, calibration.method.name(), engines.join(", "));
    line(
        &mut text,
        &format!(
            "{head}    {} simulations of {} draws · {}",
            thousands(calibration.simulations as f64),
            thousands(calibration.draws as f64),
            time(calibration.seconds)
        ),
    );
    let counts = [
        (calibration.failed, "data sets could not be answered, and are left out"),
        (calibration.uncertified, "answers are not certified"),
        (calibration.starved, "answers have too few effective draws, which alone makes ranks deviate"),
    ];
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        line(&mut text, &format!("  {} {what}", thousands(*count as f64)));
    }
    line(&mut text, "");
    if calibration.quantities.is_empty() {
        line(&mut text, "  nothing is masked");
        return text;
    }
    let certified = calibration.quantities.iter().any(|q| q.p_value_certified.is_some());
    let mut header = vec![String::new(), "p".into()];
    if certified {
        header.push("p certified".into());
    }
    header.extend(["in 50 %".into(), "in 90 %".into(), "ranks against the band".into()]);
    let mut rows = vec![header];
    for quantity in &calibration.quantities {
        let mut row = vec![quantity.name.clone(), probability(quantity.p_value)];
        if certified {
            row.push(quantity.p_value_certified.map_or("–".into(), probability));
        }
        row.extend(quantity.coverage.iter().map(|c| format!("{} ± {}", digits(c.share, 3), digits(c.error, 3))));
        let mut plot = plot(&quantity.differences);
        if calibration.verdict_of(quantity) != Verdict::Holds {
            plot.push_str(&format!("  {}", name(calibration.verdict_of(quantity))));
        }
        if quantity.exists < 1.0 {
            plot.push_str(&format!("  exists {:.1} %", 100.0 * quantity.exists));
        }
        row.push(plot);
        rows.push(row);
    }
    columns(&mut text, &rows, |c, of| if c == 0 || c + 1 == of { Align::Left } else { Align::Right });
    if calibration.rare > 0 {
        line(&mut text, &format!("  {} more exist in less than 5 %", calibration.rare));
    }
    text
}

fn probability(p: f64) -> String {
    if p < 0.001 { format!("{p:.0e}").replace('-', "−") } else { digits(p, 3) }
}

/// The greatest difference in each part of the ranks: half height is none, the ends are the edges of the band, and arrows
/// are outside.
fn plot(differences: &[f64]) -> String {
    let places = PLACES.min(differences.len());
    (0..places)
        .filter_map(|place| {
            let part = differences.get(place * differences.len() / places..(place + 1) * differences.len() / places)?;
            let greatest = part.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
            Some(match (greatest >= 1.0, greatest <= -1.0) {
                (true, _) => '↑',
                (_, true) => '↓',
                (false, false) => bar((greatest + 1.0) / 2.0),
            })
        })
        .collect()
}

fn json(calibration: &Calibration) -> Value {
    let entry = |quantity: &Quantity| {
        let bins = BINS.min(calibration.draws + 1);
        let mut histogram = vec![0_usize; bins];
        for rank in &quantity.ranks {
            if let Some(bin) = histogram.get_mut(rank * bins / (calibration.draws + 1)) {
                *bin += 1;
            }
        }
        let coverage: Map<String, Value> = quantity
            .coverage
            .iter()
            .map(|c| (c.level.to_string(), json!({"share": c.share, "error": c.error})))
            .collect();
        json!({
            "verdict": name(calibration.verdict_of(quantity)),
            "p_value": quantity.p_value,
            "p_value_certified": quantity.p_value_certified,
            "largest_difference": quantity.largest_difference,
            "exists": quantity.exists,
            "coverage": coverage,
            "histogram": histogram,
            "ranks": quantity.ranks,
        })
    };
    let variables: Map<String, Value> = calibration.quantities.iter().map(|q| (q.name.clone(), entry(q))).collect();
    json!({
        "model": &*calibration.model,
        "method": calibration.method.name(),
        "engines": calibration.engines.iter().map(|(e, n)| ((*e).to_owned(), json!(n))).collect::<Map<_, _>>(),
        "verdict": name(calibration.verdict()),
        "simulations": calibration.simulations,
        "draws": calibration.draws,
        "failed": calibration.failed,
        "uncertified": calibration.uncertified,
        "starved": calibration.starved,
        "seconds": calibration.seconds,
        "seed": calibration.seed,
        "variables": variables,
    })
}
