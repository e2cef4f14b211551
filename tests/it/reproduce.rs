//! The paper's experiments at the smallest scale, runs that are interrupted, and what pictures are.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use unmask::plot::{Figure, HeatMap, Histograms, Lines, Panel, PlotError, Series};

const EXPERIMENTS: [&str; 8] =
    ["table4", "table3", "figure8", "scientific", "attention", "table5", "figure9", "anchors"];

fn reproduce(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
    command.args(["reproduce", name, "--scale", "smoke", "-q", "-o"]).arg(folder);
    command.stderr(Stdio::piped());
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_experiment_runs_and_an_interrupted_one_goes_on_to_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let output = reproduce("all", &whole).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in EXPERIMENTS {
        let own = whole.join(name);
        let results = json(&own.join("results.json"));
        assert_eq!(results["command"], format!("unmask reproduce {name} --scale smoke --seed 1"));
        assert!(!results["results"].as_object().unwrap().is_empty(), "{name}");
        let readme = fs::read_to_string(own.join("README.md")).unwrap();
        assert!(readme.contains("unmask reproduce"), "{name}");
        let pictures = readme.lines().filter_map(|l| l.strip_prefix("![")?.split(']').next());
        let pictures: Vec<&str> = pictures.collect();
        assert!(!pictures.is_empty(), "{name}");
        for picture in pictures {
            let png = fs::read(own.join(format!("{picture}.png"))).unwrap();
            assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}: {picture}");
            assert!(fs::read_to_string(own.join(format!("{picture}.svg"))).unwrap().trim_end().ends_with("</svg>"));
        }
    }
    // The exact densities are those of the posterior, so no gap of the linear programs' anchors is left.
    let table = json(&whole.join("table4/results.json"));
    let gap = table["results"]["hierarchical"]["ours-laplace"][0]["anchors_gap"].as_f64().unwrap();
    assert!(gap.abs() < 0.05, "{gap}");

    // So are those of abilities: by sums over a grid of abilities and difficulties.
    let results = json(&whole.join("table5/results.json"));
    let students = results["results"]["students"].as_array().unwrap();
    assert!(!students.is_empty());
    for student in students {
        let of = |key: &str| student[key].as_f64().unwrap();
        let normal = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let grid = || (-350..350).map(|i| 0.02 * (f64::from(i) + 0.5));
        let joint = |ability: f64| {
            let chance: f64 = grid().map(|d| 0.02 * normal(d) / (1.0 + (d - ability).exp())).sum();
            normal(ability) * chance.powf(of("right")) * (1.0 - chance).powf(30.0 - of("right"))
        };
        let exact = (joint(of("ability")) / grid().map(|a| 0.02 * joint(a)).sum::<f64>()).ln();
        assert!((exact - of("exact")).abs() < 1e-6, "{exact} {student}");
    }

    // Stopped once something is there, whatever it is doing.
    let mut child = reproduce("figure8", &broken).spawn().unwrap();
    let (started, pieces) = (Instant::now(), broken.join("pieces"));
    while fs::read_dir(&pieces).map_or(0, Iterator::count) == 0 && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!broken.join("figure8/results.json").exists(), "it was not stopped in time");
    assert!(reproduce("figure8", &broken).output().unwrap().status.success());
    let read = |folder: &Path, file: &str| fs::read(folder.join("figure8").join(file)).unwrap();
    for file in ["results.json", "README.md", "variances.svg", "variances.png"] {
        assert!(read(&whole, file) == read(&broken, file), "{file} differs");
    }
}

#[test]
fn pictures_show_what_is_finite_and_refuse_what_cannot_be_drawn() {
    let series = |points: &[(f64, f64, f64)]| Series { name: "a".into(), points: points.to_vec(), joined: true };
    let lines = |points: &[(f64, f64, f64)]| {
        Figure::Lines(Lines {
            title: "t".into(),
            x: "x".into(),
            y: "y".into(),
            categories: Vec::new(),
            series: vec![series(points)],
        })
    };
    let some = lines(&[(0.0, 1.0, 0.5), (1.0, f64::NAN, 0.0), (2.0, 3.0, 0.0)]);
    assert!(some.svg().unwrap().contains(">t<") || some.svg().unwrap().contains("\nt\n"), "text stays text in SVG");
    assert!(some.png().unwrap().len() > 1_000);
    assert_eq!(lines(&[(0.0, f64::INFINITY, 0.0)]).svg(), Err(PlotError::Empty));
    let panel = |values: Vec<f64>| Panel { title: "p".into(), values, weights: Vec::new() };
    let panels = vec![panel(vec![1.0, 1.0]), panel(vec![f64::NAN]), panel(Vec::new()), panel(vec![1e300, -1e300])];
    let histograms = Figure::Histograms(Histograms { title: "h".into(), axis: "a".into(), panels });
    assert!(histograms.png().is_ok());
    let drawn = |weights: Vec<f64>| {
        let panels = vec![Panel { title: "p".into(), values: vec![0.1, 0.2, 0.3, 8e4], weights }];
        Figure::Histograms(Histograms { title: String::new(), axis: String::new(), panels }).svg().unwrap()
    };
    let reaches_far = |svg: &str| svg.contains("80000") || svg.contains("60000");
    assert!(reaches_far(&drawn(Vec::new())) && !reaches_far(&drawn(vec![1.0, 1.0, 1.0, 1e-9])));
    assert_eq!(
        Figure::Histograms(Histograms { title: String::new(), axis: String::new(), panels: Vec::new() }).png(),
        Err(PlotError::Empty)
    );
    let map = |n: usize, values: usize| {
        let names: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        Figure::HeatMap(HeatMap { title: "m".into(), rows: names.clone(), columns: names, values: vec![0.5; values] })
    };
    assert!(map(3, 9).svg().is_ok());
    assert_eq!(map(3, 8).svg(), Err(PlotError::Empty));
    assert!(matches!(map(2_000, 4_000_000).svg(), Err(PlotError::Size { .. })));
}

#[test]
fn a_posterior_is_drawn_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    command.current_dir(root).args(["infer", "examples/eight_schools.ppl", "-d", "examples/eight_schools.json"]);
    command.args(["--method", "prior", "--draws", "50", "--plot"]).arg(folder.path().join("made/plots"));
    command.output().unwrap();
    let svg = fs::read_to_string(folder.path().join("made/plots/posterior.svg")).unwrap();
    assert!(svg.contains("tau") && svg.contains("eta[7]"));
    assert!(fs::read(folder.path().join("made/plots/posterior.png")).unwrap().starts_with(b"\x89PNG"));
}
