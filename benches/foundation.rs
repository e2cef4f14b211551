//! The way from programs to the network and back: examples a second, the time to read weights, and draws.
//!
//! `cargo bench --bench foundation -- [SECONDS] [PROGRAM…]` prints medians; `RAYON_NUM_THREADS=1` for one core.

#![allow(clippy::expect_used, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use unmask::foundation::{AnchorKind, Example, ExampleOptions, Foundation};
use unmask::infer::{InferOptions, Method, Silent, Target, Weights, infer};
use unmask::runtime::random_stream;
use unmask::{Data, Model};

const TOYS: [&str; 6] = ["latent", "clustering", "hierarchical", "multilevel", "milky_way", "rosenbrock"];

fn target(name: &str, data: bool) -> Target {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let model = Model::from_file(folder.join(format!("{name}.ppl"))).expect("an example");
    let data = match std::fs::read_to_string(folder.join(format!("{name}.json"))) {
        Ok(text) if data => Data::from_json(text),
        _ => Data::new(),
    };
    model.target(&data).expect("data that fit")
}

/// Runs as often as there is time; the median in milliseconds, and how often.
fn median(seconds: f64, mut run: impl FnMut(u64)) -> (f64, usize) {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = Vec::new();
    while Instant::now() < until || times.len() < 3 {
        let start = Instant::now();
        run(times.len() as u64);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times.len())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let seconds = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(2.0);
    let named: Vec<&str> = arguments.iter().map(String::as_str).filter(|a| a.parse::<f64>().is_err()).collect();
    let asked = |name: &&str| named.is_empty() || named.contains(name);
    let (read, _) = median(seconds, |_| {
        Foundation::bundled().expect("weights");
    });
    println!("reading the weights that are built in: {read:.1} ms");
    let foundation = Arc::new(Foundation::bundled().expect("weights"));
    let (encoding, context) = (foundation.encoding(), foundation.context());
    for (what, corrupted) in [("with anchors", 0.0), ("text alone", 1.0)] {
        for name in TOYS.into_iter().filter(asked) {
            let target = target(name, false);
            let options = ExampleOptions { anchors: AnchorKind::Laplace, mask: None, corrupted, cut: 0.0 };
            let (each, _) = median(seconds, |i| {
                let mut rng = random_stream(i, 1);
                let _ = Example::draw(&target, encoding, context, &options, &mut rng);
            });
            println!("{name}, an example, {what}: {:.0} a second on one core", 1e3 / each);
        }
    }
    for name in TOYS.into_iter().chain(["eight_schools"]).filter(asked) {
        let target = target(name, true);
        for (method, weights) in [("foundation", Weights::Of(foundation.clone())), ("laplace", Weights::None)] {
            let options = InferOptions {
                method: Method::named(method).expect("an engine"),
                draws: Some(1_000),
                weights: weights.clone(),
                ..InferOptions::default()
            };
            let mut ess = 0.0;
            let (each, _) = median(seconds, |_| {
                let found = infer(&target, &options, &mut Silent).expect("an answer");
                ess = found.variables.iter().filter_map(|v| v.ess).fold(f64::INFINITY, f64::min);
            });
            println!("{name}, 1,000 weighted draws by {method}: {each:.1} ms, {ess:.0} effective");
        }
    }
}
