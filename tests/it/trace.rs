//! Annotated programs: they read back, say what the program says, and hide what is masked.

use std::path::PathBuf;

use unmask::api::Traced;
use unmask::density::{CompileOptions, Compiled, Evaluator};
use unmask::infer::{Coordinates, Kernel, MarkovChain, StreamPurpose, Target, stream};
use unmask::runtime::{Conditions, annotate};
use unmask::syntax::print;
use unmask::trace::Mask;
use unmask::value::Value;
use unmask::{Data, Model, TraceOptions};

fn examples() -> Vec<(String, Model, Data)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    let programs = found.into_iter().filter(|p| p.extension().is_some_and(|e| e == "ppl"));
    programs
        .map(|path| {
            let json = path.with_extension("json");
            let data =
                if json.exists() { Data::from_json(std::fs::read_to_string(json).unwrap()) } else { Data::new() };
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), Model::from_file(&path).unwrap(), data)
        })
        .collect()
}

fn traces(model: &Model, data: &Data, mask: Mask, n: usize) -> Option<Vec<Traced>> {
    model.trace(data, &TraceOptions { n, mask, seed: 5, digits: None }).ok().map(|(traces, ..)| traces)
}

#[test]
fn annotated_programs_of_all_examples_read_back_as_they_are() {
    let mut without = Vec::new();
    for (name, model, data) in examples() {
        for mask in [Mask::Role, Mask::Random, Mask::None] {
            let Some(traces) = traces(&model, &data, mask, 4) else {
                without.push(name.clone());
                continue;
            };
            for traced in traces {
                let text = traced.text();
                let again = Model::from_source("again.ppl", &text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
                let annotated = annotate(again.runtime(), again.id(), &Conditions::new())
                    .unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
                assert_eq!(print(&annotated.file()), text, "{name} changes when it is annotated again");
                assert_eq!(annotated.lines.len(), traced.annotated.lines.len());
            }
        }
    }
    without.dedup();
    // Recursion, and inference inside the model, have no straight-line form.
    let none = ["arithmetic", "geometric_chain", "scalar_implicature"];
    assert!(without.iter().all(|name| none.contains(&name.as_str())), "{without:?}");
}

/// Log densities at executions of the prior, differences of which a constant factor does not change.
fn log_densities(target: &Target, at: &Compiled, points: &[Vec<f64>]) -> Vec<f64> {
    let compiled = target.borrow().compile(CompileOptions::default()).unwrap();
    let places: Vec<usize> = at
        .coordinate_info()
        .iter()
        .map(|info| {
            let same =
                |other: &unmask::density::CoordinateInfo| other.name == info.name && other.element == info.element;
            compiled.coordinate_info().iter().position(same).unwrap_or_else(|| panic!("{} is lost", info.name))
        })
        .collect();
    let density = compiled.density().unwrap();
    let mut evaluator = density.on_tape();
    points
        .iter()
        .map(|point| {
            let mut z = vec![0.0; point.len()];
            places.iter().zip(point).for_each(|(place, x)| z[*place] = *x);
            evaluator.value(&z)
        })
        .collect()
}

#[test]
fn annotated_programs_have_the_density_of_the_query() {
    let mut compared = 0;
    for (name, model, data) in examples() {
        for mask in [Mask::Role, Mask::Random] {
            for traced in traces(&model, &data, mask, 3).into_iter().flatten() {
                let conditions = {
                    // What is known, said again.
                    let target = model.target(&data).unwrap();
                    let mut conditions = target.conditions;
                    for choice in &traced.trace.choices {
                        let line = traced.annotated.lines.iter().find(|l| l.name == choice.name);
                        let known = line.and_then(|l| l.value.clone());
                        conditions.supply_element(choice.variable.clone(), choice.indices.clone(), known);
                    }
                    conditions
                };
                let original = Target { runtime: model.runtime().clone(), model: model.id(), conditions };
                let Ok(compiled) = original.borrow().compile(CompileOptions::default()) else { continue };
                if compiled.dimension() == 0 || compiled.density().is_none() {
                    continue;
                }
                let coordinates = Coordinates::new(&compiled);
                let mut rng = stream(3, StreamPurpose::Calibration, 1);
                let Some(points) = (0..3)
                    .map(|_| {
                        let chain = MarkovChain::from_prior(&original.borrow(), Kernel::Mixed, &mut rng).ok()?;
                        Some(coordinates.of(chain.trace(), chain.addresses()).0)
                    })
                    .collect::<Option<Vec<Vec<f64>>>>()
                else {
                    continue;
                };
                let again = Model::from_source("again.ppl", &traced.text()).unwrap().target(&Data::new()).unwrap();
                let before = log_densities(&original, &compiled, &points);
                let after = log_densities(&again, &compiled, &points);
                for i in 1..points.len() {
                    let (a, b) = (before[i] - before[0], after[i] - after[0]);
                    if a.is_finite() {
                        let tolerance = 1e-6 * before[i].abs().max(before[0].abs()).max(1.0);
                        assert!((a - b).abs() < tolerance, "{name}: {a} and {b}\n{}", traced.text());
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 100, "{compared} points alone");
}

#[test]
fn roles_say_what_is_hidden() {
    let source = "model m { given s ~ uniform(1, 2); sample a ~ normal(0, s); let b = 2 * a; let c = 2 * s;
                  observe y ~ normal(b, c); }";
    let model = Model::from_source("m.ppl", source).unwrap();
    let traced = traces(&model, &Data::new(), Mask::Role, 1).unwrap().remove(0);
    let hidden: Vec<&str> =
        traced.annotated.lines.iter().filter(|l| l.value.is_none()).map(|l| l.name.as_str()).collect();
    assert_eq!(hidden, ["a", "b"]);
    for line in traced.annotated.lines.iter().filter(|l| l.random && l.value.is_some()) {
        let drawn = traced.trace.choices.iter().find(|c| c.name == line.name).unwrap();
        assert_eq!(Some(&drawn.value), line.value.as_ref(), "{}", line.name);
    }
    // Supplied values are never hidden.
    let traced = traces(&model, &Data::new().with("a", 0.25), Mask::Random, 20).unwrap();
    assert!(traced.iter().all(|t| t.annotated.lines.iter().any(|l| l.name == "a" && l.value.is_some())));
}

#[test]
fn random_masks_hide_something_and_not_always_the_same() {
    let (_, model, _) = examples().into_iter().find(|(name, ..)| name == "milky_way").unwrap();
    let traced = traces(&model, &Data::new(), Mask::Random, 60).unwrap();
    let hidden = |t: &Traced| t.annotated.lines.iter().filter(|l| l.random && l.value.is_none()).count();
    let counts: Vec<usize> = traced.iter().map(hidden).collect();
    assert!(counts.iter().all(|n| *n >= 1));
    assert!(counts.iter().any(|n| *n <= 3) && counts.iter().any(|n| *n >= 7), "{counts:?}");
}

#[test]
fn digits_round_values_as_they_are_drawn() {
    let source = "model m { sample a ~ normal(0, 1); observe y ~ normal(3 * a, 1); }";
    let model = Model::from_source("m.ppl", source).unwrap();
    let options = TraceOptions { n: 20, mask: Mask::None, seed: 1, digits: Some(3) };
    let (traces, ..) = model.trace(&Data::new(), &options).unwrap();
    for choice in traces.iter().flat_map(|t| &t.trace.choices) {
        let Value::Real(x) = choice.value else { panic!("a real") };
        assert_eq!(format!("{x:.2e}").parse::<f64>().unwrap(), x);
    }
}

#[test]
fn loops_submodels_and_branches_become_straight_lines() {
    let source = "
        fn twice(x: real) -> real { return 2 * x; }
        library fn bump(x: real) -> real { return x + 1; }
        model part(m: real) -> real {
            sample u ~ normal(m, 1);
            let shifted = bump(u);
            return shifted;
        }
        model whole {
            given n: int @ 2;
            sample t ~ normal(0, 1);
            sample p ~ part(twice(t));
            for i in 0..n {
                let here = p * i + t;
                sample q[i] ~ part(here);
                observe y[i] ~ normal(q[i], 0.5);
            }
            if t > 0 {
                sample side ~ normal(q[0].u, 1);
            } else {
                sample side ~ normal(q[1].shifted, 2);
            }
            if n > 1 {
                observe z ~ normal(side, 1);
            }
        }";
    let model = Model::from_source("whole.ppl", source).unwrap();
    let options = TraceOptions { digits: Some(2), seed: 4, ..TraceOptions::default() };
    let (traces, ..) = model.trace(&Data::new(), &options).unwrap();
    insta::assert_snapshot!(traces[0].text());
}
