//! posteriordb: databases in both layouts, whole and broken; and, where the data are at hand (`UNMASK_POSTERIORDB`, or
//! `../shared/posteriordb`), every program's log density beside that of Stan's program, stored with the script that made it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use unmask::api::posteriordb::{Database, DatabaseError, Tolerances, compare, posterior, posteriors};
use unmask::density::{CompileOptions, Evaluator};
use unmask::diagnostic::Diagnostic;
use unmask::infer::{Coordinates, InferOptions, Kernel, MarkovChain, Method, StreamPurpose, stream};
use unmask::value::{Array, Elements, Value};
use unmask::{Data, Model};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where the data are, if anywhere.
fn database_folder() -> Option<PathBuf> {
    let named = std::env::var_os("UNMASK_POSTERIORDB").map(PathBuf::from);
    Some(named.unwrap_or_else(|| root().join("../shared/posteriordb"))).filter(|folder| folder.is_dir())
}

/// The file with the data of a program, if they are at hand unpacked.
pub fn data_of(program: &str) -> Option<PathBuf> {
    let data = &posteriors().iter().find(|p| p.program == program)?.data;
    Some(database_folder()?.join(format!("data/{data}.json"))).filter(|path| path.is_file())
}

#[test]
fn every_posterior_has_a_program_and_every_program_a_posterior() {
    assert_eq!(posteriors().len(), 41);
    let names: BTreeSet<&str> = posteriors().iter().map(|p| &*p.name).collect();
    assert_eq!(names.len(), 41, "a name is there twice");
    for posterior in posteriors() {
        assert_eq!(posterior.name, format!("{}-{}", posterior.data, posterior.program));
        assert_eq!(posterior.model().unwrap().name(), posterior.program);
        assert!(posterior.source().starts_with("///"), "{} has no documentation", posterior.program);
    }
    let used: BTreeSet<String> = posteriors().iter().map(|p| format!("{}.ppl", p.program)).collect();
    let there = fs::read_dir(root().join("examples/posteriordb")).unwrap();
    let there: BTreeSet<String> = there.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let there: BTreeSet<String> = there.into_iter().filter(|name| name.ends_with(".ppl")).collect();
    assert_eq!(there, used);
}

/// The value of a variable in Stan's units and shape.
fn value(json: &Json) -> Value {
    match json.as_array() {
        None => Value::Real(json.as_f64().unwrap()),
        Some(items) => {
            let items: Vec<f64> = items.iter().map(|x| x.as_f64().unwrap()).collect();
            Value::array(Array::new(vec![items.len()], Elements::Real(items)).unwrap())
        }
    }
}

/// The log densities of a posterior's program at points: as the machine executes it, and as it is compiled.
fn log_densities(model: &Model, data: &Data, points: &[Json]) -> Vec<(f64, f64)> {
    let target = model.target(data).unwrap();
    let compiled = target.borrow().compile(CompileOptions::default()).unwrap();
    let density = compiled.density().unwrap();
    let mut evaluator = density.on_tape();
    let coordinates = Coordinates::new(&compiled);
    let chain = (0..100).find_map(|i| {
        MarkovChain::from_prior(&target.borrow(), Kernel::Mixed, &mut stream(1, StreamPurpose::Calibration, i)).ok()
    });
    let chain = chain.unwrap();
    let mut at = |point: &Json| {
        let parameters = point["parameters"].as_object().unwrap();
        let known = parameters.iter().fold(data.clone(), |data, (name, x)| match x.as_array() {
            None => data.with(name.clone(), x.as_f64().unwrap()),
            Some(items) => data.with(name.clone(), items.iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>()),
        });
        let options = InferOptions { method: Method::named("enumerate").unwrap(), ..InferOptions::default() };
        let executed = model.infer(&known, &options).unwrap().log_evidence.unwrap();
        let mut trace = chain.trace().clone();
        for choice in &mut trace.choices {
            let (variable, indices) = chain.addresses().parts(choice.address).unwrap();
            let whole = value(&parameters[&**chain.addresses().name(variable)]);
            choice.value = match (whole.as_array(), indices) {
                (Some(array), [index]) => Value::Real(array.at(&[*index as usize]).unwrap().as_f64().unwrap()),
                (_, _) => whole,
            };
        }
        let (z, log_jacobian) = coordinates.of(&trace, chain.addresses());
        (executed, evaluator.value(&z) - log_jacobian)
    };
    points.iter().map(&mut at).collect()
}

#[test]
fn log_densities_are_those_of_stan_up_to_a_constant() {
    let Some(folder) = database_folder() else {
        eprintln!("skipped: there is no ../shared/posteriordb, nor UNMASK_POSTERIORDB");
        return;
    };
    let database = Database::open(&folder).unwrap();
    let text = fs::read_to_string(root().join("tests/golden/posteriordb/stan.json")).unwrap();
    let stan: Json = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for posterior in posteriors() {
        let points = stan[&posterior.name].as_array().unwrap_or_else(|| panic!("no points of {}", posterior.name));
        assert_eq!(points.len(), 10, "{}", posterior.name);
        let found = log_densities(&posterior.model().unwrap(), &database.data(posterior).unwrap(), points);
        let wanted: Vec<f64> = points.iter().map(|p| p["log_density"].as_f64().unwrap()).collect();
        for (i, (executed, compiled)) in found.iter().enumerate() {
            let difference = wanted[i] - wanted[0];
            for (how, own) in [("executed", executed - found[0].0), ("compiled", compiled - found[0].1)] {
                let error = (own - difference).abs() / difference.abs().max(1.0);
                if error.is_nan() || error > 1e-8 {
                    wrong
                        .push(format!("{}, point {i}, {how}: {own} is not {difference} ({error:.1e})", posterior.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A zipped JSON file in a folder that is made.
fn zip(path: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, text) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}

const NAME: &str = "kilpisjarvi_mod-kilpisjarvi";

/// Made-up data for it.
fn made_up_data() -> Json {
    let x: Vec<f64> = (0..20).map(|i| f64::from(i) - 10.0).collect();
    let y: Vec<f64> = x.iter().enumerate().map(|(i, x)| 3.0 + 0.1 * x + 0.2 * (1.7 * i as f64).sin()).collect();
    json!({"N": 20, "x": x, "y": y, "xpred": 1, "pmualpha": 0, "psalpha": 10, "pmubeta": 0, "psbeta": 1})
}

/// A database of one posterior, as the repository has it.
fn repository(folder: &Path, chains: &Json) {
    let base = folder.join("posterior_database");
    fs::create_dir_all(base.join("posteriors")).unwrap();
    let entry = json!({"name": NAME, "model_name": "kilpisjarvi", "data_name": "kilpisjarvi_mod",
        "reference_posterior_name": NAME});
    fs::write(base.join(format!("posteriors/{NAME}.json")), entry.to_string()).unwrap();
    zip(&base.join("data/data/kilpisjarvi_mod.json.zip"), &[("kilpisjarvi_mod.json", &made_up_data().to_string())]);
    zip(&draws_file(folder), &[("draws.json", &chains.to_string())]);
}

fn draws_file(folder: &Path) -> PathBuf {
    folder.join(format!("posterior_database/reference_posteriors/draws/draws/{NAME}.json.zip"))
}

/// Chains of the posterior itself.
fn chains() -> Json {
    let data = Data::from_json(made_up_data().to_string());
    let options = InferOptions {
        method: Method::named("nuts").unwrap(),
        draws: Some(2_000),
        seed: 11,
        ..InferOptions::default()
    };
    let inferred = posterior(NAME).unwrap().model().unwrap().infer(&data, &options).unwrap();
    let column = |name: &str| -> Vec<f64> {
        let draws = &inferred.posterior.columns.iter().find(|c| &*c.name == name).unwrap().values;
        draws.iter().map(|v| v.as_ref().unwrap().as_f64().unwrap()).collect()
    };
    let columns = ["alpha", "beta", "sigma"].map(|name| (name, column(name)));
    let chain = |i: usize| -> Json {
        let part = |values: &[f64]| values[500 * i..500 * (i + 1)].to_vec();
        columns
            .iter()
            .map(|(name, values)| ((*name).to_owned(), json!(part(values))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    (0..4).map(chain).collect::<Vec<_>>().into()
}

fn message(error: &DatabaseError) -> String {
    let diagnostic = Diagnostic::from(error);
    format!("{}: {}", diagnostic.code, diagnostic.message)
}

#[test]
fn a_clone_of_the_repository_is_read_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path(), &chains());
    let kilpisjarvi = posterior(NAME).unwrap();
    for path in [folder.path().to_owned(), folder.path().join("posterior_database")] {
        let database = Database::open(path).unwrap();
        let reference = database.reference(kilpisjarvi).unwrap();
        assert_eq!(reference.draws, 2_000);
        assert_eq!(reference.scalars.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["alpha", "beta", "sigma"]);
        let data = database.data(kilpisjarvi).unwrap();
        let options = |seed| InferOptions {
            method: Method::named("nuts").unwrap(),
            draws: Some(8_000),
            seed,
            ..InferOptions::default()
        };
        let inferred = kilpisjarvi.model().unwrap().infer(&data, &options(3)).unwrap();
        // Two thousand draws of the reference: five standard errors are not 5 % of a standard deviation.
        let loose = Tolerances { sd: 0.15, standard_errors: 4.0, ..Tolerances::default() };
        let comparison = compare(&inferred, &reference, loose);
        assert!(comparison.holds(), "{:?}", comparison.reasons);
        // Something else is told apart.
        let mut other = reference.clone();
        other.scalars[0].mean += 0.5 * other.scalars[0].sd;
        other.scalars[1].sd *= 1.3;
        other.scalars[2].name = "omega".into();
        let reasons = compare(&inferred, &other, loose).reasons;
        assert_eq!(reasons.len(), 3, "{reasons:?}");
        assert!(reasons[0].contains("the mean of `alpha`") && reasons[1].contains("the sd of `beta`"), "{reasons:?}");
        assert_eq!(reasons[2], "the answer has no `omega`");
    }
}

#[test]
fn what_is_wrong_with_a_database_is_told_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let kilpisjarvi = posterior(NAME).unwrap();
    let wrong = posterior("kilpisjarvi_mod-kilpisjarv").unwrap_err();
    assert!(message(&wrong).starts_with("E0921"));
    assert_eq!(Diagnostic::from(&wrong).help.unwrap(), format!("did you mean `{NAME}`?"));
    assert!(message(&Database::open(folder.path()).unwrap_err()).starts_with("E0922"));

    repository(folder.path(), &json!([{"alpha": [1, 2, 3, 4]}]));
    let database = Database::open(folder.path()).unwrap();
    let missing = message(&database.data(posterior("nes1976-nes").unwrap()).unwrap_err());
    assert!(missing.starts_with("E0923") && missing.contains("nes1976-nes.json"), "{missing}");
    for (chains, wanted) in [
        (json!({"alpha": [1]}), "wanted is an array of chains, found an object"),
        (json!([]), "it has no draws"),
        (json!([[1, 2]]), "chain 1: wanted is an object of arrays, found an array of 2"),
        (json!([{"alpha": 1}]), "`alpha`: wanted is an array of numbers, found a number"),
        (json!([{"alpha": [1, 2, 3]}]), "`alpha` has 3 draws, not at least 4"),
        (json!([{"alpha": [1, 2, 3, "x"]}]), "`alpha`: draw 4: wanted is a number, found a text"),
        (json!([{"alpha": [1, 2, 3, 4]}, {"alpha": [1, 2, 3, 4, 5]}]), "chain 2: `alpha` has 5 draws, not 4"),
        (json!([{"alpha": [1, 2, 3, 4]}, {"beta": [1, 2, 3, 4]}]), "chain 2: `alpha` is missing"),
        (
            json!([{"alpha": [1, 2, 3, 4]}, {"alpha": [1, 2, 3, 4], "beta": [1]}]),
            "chain 2 has 2 scalars, and chain 1 has 1",
        ),
        (json!([{"alpha[0]": [1, 2, 3, 4]}]), "`alpha[0]` is not the name of a scalar"),
    ] {
        zip(&draws_file(folder.path()), &[("draws.json", &chains.to_string())]);
        let found = message(&database.reference(kilpisjarvi).unwrap_err());
        assert!(found.starts_with("E0924") && found.ends_with(wanted), "{found}\nis not: {wanted}");
    }
    zip(&draws_file(folder.path()), &[("a.json", "[]"), ("b.json", "[]")]);
    let found = message(&database.reference(kilpisjarvi).unwrap_err());
    assert!(found.ends_with("the archive has 2 files"), "{found}");
    fs::write(draws_file(folder.path()), "not an archive").unwrap();
    assert!(message(&database.reference(kilpisjarvi).unwrap_err()).starts_with("E0924"));

    let entry = folder.path().join(format!("posterior_database/posteriors/{NAME}.json"));
    let write = |model: &str, reference: &str| {
        let name = if reference.is_empty() { Json::Null } else { reference.into() };
        let text = json!({"model_name": model, "data_name": "kilpisjarvi_mod", "reference_posterior_name": name});
        fs::write(&entry, text.to_string()).unwrap();
    };
    write("kilpisjarvi", "");
    assert!(message(&database.reference(kilpisjarvi).unwrap_err()).starts_with("E0926"));
    write("another", NAME);
    let found = message(&database.data(kilpisjarvi).unwrap_err());
    assert!(found.starts_with("E0925") && found.contains("`another` on `kilpisjarvi_mod`"), "{found}");
    fs::write(&entry, "{").unwrap();
    assert!(message(&database.data(kilpisjarvi).unwrap_err()).starts_with("E0924"));
}

#[test]
fn a_folder_with_summaries_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let kilpisjarvi = posterior(NAME).unwrap();
    let moments =
        json!({"mean": 1.0, "sd": 0.5, "q5": 0.1, "q50": 1.0, "q95": 1.9, "ess_bulk": 5000.0, "mcse_mean": 0.007});
    let index = |reference: Json| {
        let entry = json!({"name": NAME, "model": "kilpisjarvi", "data": "kilpisjarvi_mod", "reference": reference});
        fs::write(folder.path().join("index.json"), json!({"posteriors": [entry]}).to_string()).unwrap();
        Database::open(folder.path()).unwrap()
    };
    fs::write(folder.path().join("index.json"), "[]").unwrap();
    assert!(message(&Database::open(folder.path()).unwrap_err()).ends_with("it has no array `posteriors`"));
    let database = index(json!({"n_draws_original": 10_000, "summary": {"beta[2]": moments}}));
    let reference = database.reference(kilpisjarvi).unwrap();
    assert_eq!((reference.draws, reference.scalar("beta[1]").unwrap().sd), (10_000, 0.5));
    let missing = message(&database.data(kilpisjarvi).unwrap_err());
    assert!(missing.starts_with("E0923") && missing.contains("kilpisjarvi_mod.json"), "{missing}");
    assert!(reference.scalar("beta[1]").unwrap().draws.is_empty());
    // With draws beside it, the first scalar of which it does not know.
    fs::create_dir(folder.path().join("reference")).unwrap();
    let with_draws = |table: &str| {
        let path = folder.path().join(format!("reference/{NAME}.csv.gz"));
        let mut file = flate2::write::GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
        file.write_all(table.as_bytes()).unwrap();
        file.finish().unwrap();
        database.reference(kilpisjarvi)
    };
    let reference = with_draws("alpha,beta[2]\n1,3.5\n2,-1\n").unwrap();
    assert_eq!(reference.scalar("beta[1]").unwrap().draws, [-1.0, 3.5]);
    let short = message(&with_draws("alpha,beta[2]\n1\n").unwrap_err());
    assert!(short.ends_with("line 2 has 1 cells, and the first 2"), "{short}");
    fs::remove_dir_all(folder.path().join("reference")).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/kilpisjarvi_mod.json"), "[1, 2]").unwrap();
    let wrong = message(&database.data(kilpisjarvi).unwrap_err());
    assert!(wrong.ends_with("wanted is a JSON object, found an array of 2"), "{wrong}");
    fs::write(folder.path().join("data/kilpisjarvi_mod.json"), made_up_data().to_string()).unwrap();
    assert!(database.data(kilpisjarvi).is_ok());
    let found = message(&index(json!({"summary": {"alpha": {"mean": 1}}})).reference(kilpisjarvi).unwrap_err());
    assert!(found.ends_with("`alpha` has no number `sd`"), "{found}");
    assert!(message(&index(Json::Null).reference(kilpisjarvi).unwrap_err()).starts_with("E0926"));
    assert!(message(&database.reference(posterior("nes1976-nes").unwrap()).unwrap_err()).starts_with("E0923"));
}

/// Runs the command; its exit status and what it says on standard error.
fn reproduce(arguments: &[&str], output: &Path) -> (i32, String) {
    reproduce_experiment("posteriordb", arguments, output)
}

fn reproduce_experiment(name: &str, arguments: &[&str], output: &Path) -> (i32, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_unmask"));
    command.args(["reproduce", name, "--scale", "smoke", "-o"]).arg(output).args(arguments);
    let ran = command.output().unwrap();
    (ran.status.code().unwrap(), String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn errors_against_time_and_what_helps_are_measured() {
    let (folder, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    repository(folder.path(), &chains());
    let db = folder.path().to_str().unwrap();
    let results = |experiment: &str| -> Json {
        let (code, stderr) = reproduce_experiment(experiment, &[NAME, "--db", db], output.path());
        assert_eq!(code, 0, "{stderr}");
        let text = fs::read_to_string(output.path().join(experiment).join("results.json")).unwrap();
        serde_json::from_str::<Json>(&text).unwrap()["results"].clone()
    };
    let cost = &results("cost")[NAME];
    // Of many draws, beside two thousand: errors of some hundredths of a standard deviation. The shortest runs of NUTS and ADVI
    // are not there yet.
    for (way, limit) in [("foundation 16000", 0.15), ("nuts 100,50", 100.0), ("advi 100", 100.0)] {
        for measure in ["mean", "sd", "distance"] {
            let error = cost[way][measure].as_f64().unwrap();
            assert!(error > 0.0 && error < limit, "{way}: {measure} {error}");
        }
        assert!(cost[way]["seconds"].as_f64().unwrap() > 0.0);
    }
    assert!(output.path().join(format!("cost/{NAME}.png")).is_file());
    let helped = &results("helped")["posteriors"][0];
    let gradients = |way: &str| helped["nuts"][way]["gradients"].as_f64().unwrap();
    // Little to gain: its coordinates are hardly correlated.
    assert!(gradients("covariances, short") < gradients("default"), "{helped}");
    assert!(helped["acceptance"].as_f64().unwrap() > 0.1, "{helped}");
    // Where no test posterior is named, what was learned answers.
    let pretrained = &results("pretrained")["posteriors"][NAME];
    for weights in ["anchors alone", "weights that are built in", "pretrained: zero-shot"] {
        let found = &pretrained[weights];
        assert!(found["weighted"]["mean"].as_f64().unwrap() < 0.5, "{weights}: {found}");
        assert!(found["ess"].as_f64().unwrap() > 100.0, "{weights}: {found}");
    }
    assert!(pretrained["pretrained: fine-tuned on minibatches, 2 steps"]["plain"]["sd"].as_f64().unwrap() > 0.0);
    let predicted = results("predicted");
    assert!(predicted["programs"].as_u64().unwrap() > 10);
    let (nothing, runs) = (&predicted["quality"][0], &predicted["posteriors"][0]["runs"]);
    assert!(nothing["random"]["r2"].as_f64().unwrap() < 0.1, "{nothing}");
    assert!(runs["default"]["gradients"].as_u64().unwrap() > 4_000, "{runs}");
    assert_eq!(nothing["posteriordb"]["rows"], 3);
}

#[test]
fn the_experiment_writes_a_table_and_goes_on_where_it_was() {
    let (folder, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    repository(folder.path(), &chains());
    let db = folder.path().to_str().unwrap();
    let (code, stderr) = reproduce(&[NAME, "--db", db], output.path());
    assert_eq!(code, 0, "{stderr}");
    let results = output.path().join("posteriordb/results.json");
    let found: Json = serde_json::from_str(&fs::read_to_string(&results).unwrap()).unwrap();
    let row = &found["results"]["rows"][0];
    assert_eq!((row["posterior"].as_str(), row["draws"].as_u64()), (Some(NAME), Some(400)));
    // Four hundred draws: far from the reference by Monte Carlo error alone, but not by more.
    assert!(row["mean"].as_f64().unwrap() < 0.4 && row["sd"].as_f64().unwrap() < 0.4, "{row}");
    assert_eq!(row["scalars"].as_array().unwrap().len(), 3);
    let table = fs::read_to_string(output.path().join("posteriordb/README.md")).unwrap();
    assert!(table.contains(&format!("| {NAME} |")), "{table}");
    // A piece that is there is not made again: its numbers are taken as they are.
    let piece = output.path().join(format!("pieces/posteriordb-{NAME}.json"));
    let text = fs::read_to_string(&piece).unwrap();
    let mut kept: Json = serde_json::from_str(&text).unwrap();
    kept["draws"] = 77.into();
    fs::write(&piece, kept.to_string()).unwrap();
    fs::remove_file(&results).unwrap();
    assert_eq!(reproduce(&[NAME, "--db", db], output.path()).0, 0);
    let found: Json = serde_json::from_str(&fs::read_to_string(&results).unwrap()).unwrap();
    assert_eq!(found["results"]["rows"][0]["draws"], 77);

    let (code, stderr) = reproduce(&["--db", db], output.path());
    assert!(code == 1 && stderr.contains("E0923") && stderr.contains("arK-arK"), "{stderr}");
    let (code, stderr) = reproduce(&["nes1976-ness", "--db", db], output.path());
    assert!(code == 1 && stderr.contains("E0921") && stderr.contains("nes1976-nes"), "{stderr}");
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, stderr) = reproduce(&[NAME, "--db", output.path().to_str().unwrap()], elsewhere.path());
    assert!(code == 1 && stderr.contains("E0922"), "{stderr}");
    assert_eq!(reproduce(&[NAME], elsewhere.path()).0, 2);
}
