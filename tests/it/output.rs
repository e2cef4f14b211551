//! Draws in files: what is in them, and that other programs read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use unmask::infer::{InferOptions, Inferred, Method};
use unmask::{Data, Model};

/// Variables of all kinds: a matrix, an integer, a truth value, one that is not always there, submodels, an array of random
/// length, and one that is called like a dimension.
const SOURCE: &str = "model part -> real {
    sample level ~ normal(0, 1);
    return level;
}
model m {
    for i in 0..2 {
        for j in 0..3 { sample z[i, j] ~ normal(10 * i + j, 0.01); }
        sample s[i] ~ part();
        observe w[i] ~ normal(0, 1);
    }
    sample n ~ poisson(3);
    sample chain ~ bernoulli(0.5);
    let twice = 2 * z[1, 2];
    let large = n > 2;
    if n > 2 { sample extra ~ normal(100, 1); }
    for i in 0..n { sample many[i] ~ normal(i, 0.01); }
    observe y ~ normal(z[0, 0], 1);
}";

const DATA: [&str; 2] = ["y=0.5", "w=[1.5, -1]"];

fn run(folder: &Path, arguments: &[&str]) -> Output {
    fs::write(folder.join("m.ppl"), SOURCE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
    command.current_dir(folder).env_remove("UNMASK_LIB").args(["infer", "m.ppl", "--model", "m", "--seed", "3"]);
    command.args(DATA.iter().flat_map(|d| ["-d", d])).args(arguments).output().unwrap()
}

fn inferred(method: &str, draws: usize) -> Inferred {
    let data = DATA.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    let method = Method::named(method).unwrap();
    let options = InferOptions { method, draws: Some(draws), warmup: Some(20), seed: 3, ..InferOptions::default() };
    Model::builder().model("m").source("m.ppl", SOURCE).unwrap().infer(&data, &options).unwrap()
}

/// The comments and the columns of a CSV.
fn read_csv(path: &Path) -> (String, BTreeMap<String, Vec<f64>>) {
    let text = fs::read_to_string(path).unwrap();
    let (comments, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|l| l.starts_with('#'));
    let names: Vec<&str> = rest[0].split(',').collect();
    let mut columns: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in &rest[1..] {
        let fields: Vec<&str> = row.split(',').collect();
        assert_eq!(fields.len(), names.len());
        for (name, field) in names.iter().zip(fields) {
            columns.entry((*name).to_owned()).or_default().push(field.parse().unwrap());
        }
    }
    (comments.join("\n"), columns)
}

/// An array of a Zarr store: its shape, type, dimensions and numbers.
fn read_zarr(store: &Path, name: &str) -> (Vec<usize>, String, Vec<String>, Vec<f64>) {
    let folder = store.join(name);
    let json = |file: &str| -> Json { serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap() };
    let (array, attributes) = (json(".zarray"), json(".zattrs"));
    assert_eq!((&array["zarr_format"], &array["compressor"], &array["order"]), (&2.into(), &Json::Null, &"C".into()));
    let sizes = |key: &str| -> Vec<usize> {
        array[key].as_array().unwrap().iter().map(|s| s.as_u64().unwrap() as usize).collect()
    };
    let kind = array["dtype"].as_str().unwrap().to_owned();
    let dims = attributes["_ARRAY_DIMENSIONS"].as_array().unwrap();
    let dims = dims.iter().map(|d| d.as_str().unwrap().to_owned()).collect();
    let shape = sizes("shape");
    let mut numbers = Vec::new();
    let pieces = if shape.is_empty() { 1 } else { shape[0].div_ceil(sizes("chunks")[0]) };
    for piece in 0..pieces {
        let key = std::iter::once(piece.to_string()).chain((1..shape.len()).map(|_| "0".into())).collect::<Vec<_>>();
        let bytes = fs::read(folder.join(key.join("."))).unwrap();
        let eight = |b: &[u8]| -> [u8; 8] { b.try_into().unwrap() };
        match &*kind {
            "|b1" => numbers.extend(bytes.iter().map(|b| f64::from(*b))),
            "<i8" => numbers.extend(bytes.chunks(8).map(|b| i64::from_le_bytes(eight(b)) as f64)),
            "<f8" => numbers.extend(bytes.chunks(8).map(|b| f64::from_le_bytes(eight(b)))),
            other => panic!("{other}"),
        }
    }
    assert_eq!(numbers.len(), shape.iter().product::<usize>(), "{name}");
    (shape, kind, dims, numbers)
}

fn same(found: &[f64], wanted: &[f64]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

#[test]
fn both_forms_hold_the_draws_of_all_chains_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &[
            "--method",
            "mh",
            "--draws",
            "80",
            "--warmup",
            "20",
            "-o",
            "fit.csv",
            "-o",
            "fit.zarr",
            "-o",
            "report.json",
            "--json",
        ],
    );
    assert!(output.stdout.is_empty(), "the report is in a file");
    let report: Json = serde_json::from_str(&fs::read_to_string(folder.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report["method"], "mh");
    let inferred = inferred("mh", 80);
    let column = |name: &str| &inferred.posterior.column(name).unwrap().values;
    let store = folder.path().join("fit.zarr/posterior");
    let (shape, kind, dims, numbers) = read_zarr(&store, "z");
    assert_eq!((shape, &*kind, dims.len()), (vec![4, 20, 2, 3], "<f8", 4));
    assert_eq!(dims, ["chain", "draw", "z_dim_0", "z_dim_1"]);
    let whole: Vec<f64> = column("z").iter().flatten().flat_map(|v| v.to_f64s()).collect();
    assert!(same(&numbers, &whole));
    for (name, kind) in [("n", "<i8"), ("chain_", "<i8"), ("large", "|b1"), ("twice", "<f8"), ("extra", "<f8")] {
        let found = read_zarr(&store, name);
        assert_eq!((&found.0, &*found.1), (&vec![4, 20], kind), "{name}");
        let values = column(name.trim_end_matches('_')).iter();
        let wanted: Vec<f64> = values.map(|v| v.as_ref().and_then(|v| v.as_f64()).unwrap_or(f64::NAN)).collect();
        assert!(same(&found.3, &wanted), "{name}");
        assert_eq!(found.3.iter().any(|x| x.is_nan()), name == "extra");
    }
    let most = column("n").iter().flatten().filter_map(|v| v.as_int()).max().unwrap() as usize;
    let (shape, _, _, many) = read_zarr(&store, "many");
    assert_eq!(shape, [4, 20, most]);
    for (draw, n) in column("n").iter().flatten().filter_map(|v| v.as_int()).enumerate() {
        let row = &many[draw * most..(draw + 1) * most];
        assert!(row.iter().enumerate().all(|(i, x)| if (i as i64) < n {
            (x - i as f64).abs() < 0.1
        } else {
            x.is_nan()
        }));
    }
    assert_eq!(read_zarr(&store, "s.level").0, [4, 20, 2]);
    assert_eq!(read_zarr(&store, "chain").3, [0.0, 1.0, 2.0, 3.0]);
    let observed = folder.path().join("fit.zarr/observed_data");
    assert_eq!(read_zarr(&observed, "y").3, [0.5]);
    assert_eq!(read_zarr(&observed, "w").3, [1.5, -1.0]);
    let attributes: Json =
        serde_json::from_str(&fs::read_to_string(folder.path().join("fit.zarr/.zattrs")).unwrap()).unwrap();
    assert_eq!(
        (&attributes["model"], &attributes["seed"], &attributes["certified"]),
        (&"m".into(), &3.into(), &false.into())
    );

    // The same in CSV, chain by chain.
    assert!(!folder.path().join("fit.csv").exists());
    for chain in 0..4 {
        let (comments, columns) = read_csv(&folder.path().join(format!("fit_{}.csv", chain + 1)));
        for line in ["model = m", "method = mh", "seed = 3", "certified = false", "num_samples = 20"] {
            assert!(comments.contains(line), "{comments}");
        }
        assert!(!comments.contains("resampled"));
        let own = chain * 20..(chain + 1) * 20;
        for (i, j) in [(0, 0), (1, 2), (0, 1)] {
            let wanted: Vec<f64> = own.clone().map(|draw| whole[draw * 6 + i * 3 + j]).collect();
            assert!(same(&columns[&format!("z.{}.{}", i + 1, j + 1)], &wanted), "z[{i}, {j}]");
        }
        assert!(columns.contains_key("s:level.2") && columns.contains_key("extra"));
        assert_eq!(columns.keys().filter(|k| k.starts_with("many.")).count(), most);
    }
    let text = fs::read_to_string(folder.path().join("fit_1.csv")).unwrap();
    assert!(text.contains("z.1.1,z.2.1,z.1.2"), "the first subscript runs fastest");
}

#[test]
fn weighted_draws_are_resampled_to_equal_weights() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--method", "importance", "--draws", "2000", "-o", "fit.csv", "-o", "fit.zarr"];
    assert!(!run(folder.path(), &arguments).stdout.is_empty(), "the report is printed");
    let (comments, columns) = read_csv(&folder.path().join("fit.csv"));
    assert!(comments.contains("resampled to equal weights from 2000 weighted draws"), "{comments}");
    let inferred = inferred("importance", 2_000);
    let values = || inferred.posterior.column("z").unwrap().values.iter().flatten().zip(&inferred.posterior.weights);
    let wanted: f64 = values().map(|(v, w)| w * v.to_f64s()[0]).sum();
    let found = columns["z.1.1"].iter().sum::<f64>() / 2_000.0;
    // Each draw occurs as often as its weight says, to within one.
    assert!((found - wanted).abs() < 1e-3, "{found}, not {wanted}");
    let (shape, _, _, numbers) = read_zarr(&folder.path().join("fit.zarr/posterior"), "z");
    assert_eq!(shape, [1, 2_000, 2, 3]);
    assert!(same(&numbers.iter().step_by(6).copied().collect::<Vec<_>>(), &columns["z.1.1"]));
}

/// Eight schools with NUTS, from the folder of the examples.
fn run_nuts(folder: &Path) {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
    command.current_dir(folder).arg("infer").arg(examples.join("eight_schools.ppl"));
    command.arg("-d").arg(examples.join("eight_schools.json"));
    let arguments = ["--method", "nuts", "--draws", "400", "--warmup", "200", "-o", "nuts.csv", "-o", "nuts.zarr"];
    let code = command.args(arguments).output().unwrap().status.code();
    assert!(code == Some(0) || code == Some(3), "{code:?}");
}

#[test]
fn statistics_of_the_sampler_are_with_its_draws() {
    let folder = tempfile::tempdir().unwrap();
    run_nuts(folder.path());
    let text = fs::read_to_string(folder.path().join("nuts_1.csv")).unwrap();
    let header = text.lines().find(|l| !l.starts_with('#')).unwrap();
    assert!(
        header.starts_with("lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__,mu,tau,eta.1")
    );
    let store = folder.path().join("nuts.zarr/sample_stats");
    for (name, column, kind) in [
        ("lp", "lp__", "<f8"),
        ("acceptance_rate", "accept_stat__", "<f8"),
        ("step_size", "stepsize__", "<f8"),
        ("tree_depth", "treedepth__", "<i8"),
        ("n_steps", "n_leapfrog__", "<i8"),
        ("diverging", "divergent__", "|b1"),
        ("energy", "energy__", "<f8"),
    ] {
        let (shape, found, dims, numbers) = read_zarr(&store, name);
        assert_eq!((shape, &*found, dims), (vec![4, 100], kind, vec!["chain".to_owned(), "draw".to_owned()]), "{name}");
        let columns = (1..=4).map(|chain| read_csv(&folder.path().join(format!("nuts_{chain}.csv"))).1);
        let all: Vec<f64> = columns.flat_map(|mut c| c.remove(column).unwrap()).collect();
        assert!(same(&all, &numbers), "{name}");
    }
    let number = |name: &str| read_zarr(&store, name).3;
    let step_sizes = number("step_size");
    assert!(step_sizes.chunks(100).all(|chain| chain.iter().all(|s| *s == chain[0] && *s > 0.0)));
    for ((depth, steps), (energy, lp)) in
        number("tree_depth").iter().zip(number("n_steps")).zip(number("energy").iter().zip(number("lp")))
    {
        assert!(steps >= 2_f64.powf(*depth) - 1.0 && steps < 2_f64.powf(depth + 1.0), "{steps} steps at depth {depth}");
        assert!(*energy > -lp, "kinetic energy is positive");
    }
    assert!(number("acceptance_rate").iter().all(|a| (0.0..=1.0).contains(a)));
}

#[test]
fn a_store_replaces_a_store_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--method", "prior", "--draws", "10", "-q", "-o", "fit.zarr"];
    let entries = |path: &Path| -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        found.sort();
        found
    };
    run(folder.path(), &arguments);
    let first = entries(folder.path());
    fs::write(folder.path().join("fit.zarr/posterior/stale"), "").unwrap();
    run(folder.path(), &arguments);
    assert_eq!(entries(folder.path()), first, "nothing is left over");
    assert!(!folder.path().join("fit.zarr/posterior/stale").exists());
    fs::remove_dir_all(folder.path().join("fit.zarr")).unwrap();
    fs::create_dir(folder.path().join("fit.zarr")).unwrap();
    assert_eq!(run(folder.path(), &arguments).status.code(), Some(3), "an empty folder is replaced");
    fs::remove_file(folder.path().join("fit.zarr/.zgroup")).unwrap();
    let refused = run(folder.path(), &arguments);
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("E0905") && message.contains("something else is there"), "{message}");
    assert!(folder.path().join("fit.zarr/.zattrs").exists(), "what is there stays");
}

/// ArviZ itself, where it is at hand (`PYTHON` names another interpreter).
#[test]
fn arviz_reads_both_forms() {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let has_arviz = Command::new(&python).args(["-c", "import arviz, xarray, zarr"]).output();
    if !has_arviz.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: there is no Python with arviz and zarr");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--method", "mh", "--draws", "80", "--warmup", "20", "-o", "fit.csv", "-o", "fit.zarr"]);
    run(folder.path(), &["--method", "importance", "--draws", "500", "-o", "weighted.csv", "-o", "weighted.zarr"]);
    run_nuts(folder.path());
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/read_output.py");
    let read = Command::new(&python).arg(script).current_dir(folder.path()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
