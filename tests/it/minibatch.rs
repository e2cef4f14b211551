//! Plated programs by minibatches: programs of a few iterations, products of experts, fine-tuning.

use unmask::foundation::{AnchorKind, Foundation, FoundationError, Minibatches, TuneOptions};
use unmask::infer::anchors::{Anchors, Decoded, Drawn};
use unmask::infer::{InferOptions, Method, Query, Silent, Weights};
use unmask::runtime::random_stream;
use unmask::trace::Tracer;
use unmask::{Data, MinibatchOptions, Model, Plated};

use super::foundation::small;

/// Conjugate: the posterior of n answers has precision 1 + n.
const NORMAL: &str = "model m { given n: int; sample a ~ normal(0, 1);
    plate i in 0..n { sample b[i] ~ normal(a, 0.6); observe y[i] ~ normal(b[i], 0.8); } }";

/// The same with something known outside the plate: an observation, a factor.
fn outside() -> (String, String) {
    let beside = |line: &str| NORMAL.replace("plate", &format!("{line} plate"));
    (beside("observe w ~ normal(a, 0.2);"), beside("factor -12.5 * (a - 0.4)^2;"))
}

fn data(n: usize) -> Data {
    Data::new().with("y", (0..n).map(|i| 0.5 + 0.3 * (i as f64).sin()).collect::<Vec<f64>>())
}

fn laplace() -> InferOptions {
    InferOptions { method: Method::named("laplace").unwrap(), weights: Weights::None, ..InferOptions::default() }
}

#[test]
fn a_minibatch_is_the_program_of_its_iterations() {
    let model = Model::from_source("m.ppl", NORMAL).unwrap();
    let plated = model.plated(&data(10)).unwrap();
    assert_eq!((plated.len(), plated.is_local("b"), plated.is_local("a")), (10, true, false));
    let minibatch = plated.minibatch(3, 1, 0).unwrap();
    assert!(minibatch.chosen.len() == 3 && minibatch.chosen.is_sorted());
    let y: Vec<f64> = minibatch.chosen.iter().map(|i| 0.5 + 0.3 * (*i as f64).sin()).collect();
    let exact = y.iter().sum::<f64>() / 4.0;
    let inferred = minibatch.model.infer(&Data::new(), &laplace()).unwrap();
    let a = inferred.variable("a").unwrap();
    assert!((a.mean - exact).abs() < 5.0 * a.mcse && (a.sd - 0.5).abs() < 0.05, "{a:?}");
    assert!(inferred.variable("b[2]").is_some() && inferred.variable("b[3]").is_none());
    // Others for another number, the same for the same.
    let chosen = |index| plated.minibatch(3, 1, index).unwrap().chosen;
    assert!(chosen(0) == chosen(0) && (1..9).any(|i| chosen(i) != chosen(0)));
}

#[test]
fn what_is_learned_of_a_plate_is_drawn_anew() {
    let source =
        "model m { given n: int; given x: real[n]; given g ~ normal(0, 1); sample a ~ flat() simulate normal(5, 2);
        for t in 0..2 { given w[t]: real; }
        plate i in 0..n {
            let z = g + a * x[i];
            observe y[i] ~ normal(z, 0.001) @ 1000.0 + i;
            if a > 5 { observe u[i] ~ normal(y[i], 0.001); } else { observe u[i] ~ normal(-y[i], 0.001); }
        } }";
    let model = Model::from_source("m.ppl", source).unwrap();
    let x: Vec<f64> = (0..9).map(|i| 1.0 + f64::from(i)).collect();
    let data = Data::new().with("n", 9_i64).with("x", x.clone()).with("w", vec![1.0, 2.0]);
    let plated = model.plated_lesson(&data).unwrap();
    let minibatch = plated.minibatch(3, 1, 0).unwrap();
    let target = minibatch.model.target(&Data::new()).unwrap();
    let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, None);
    let mut seen = Vec::new();
    for index in 0..20 {
        let trace = tracer.execution(&mut random_stream(1, index)).unwrap();
        let value = |name: &str| {
            let found = trace.choices.iter().find(|c| c.name == name);
            found.unwrap_or_else(|| panic!("{name}")).value.as_f64().unwrap()
        };
        let (a, g) = (value("a"), value("g"));
        for (i, chosen) in minibatch.chosen.iter().enumerate() {
            let (y, u) = (value(&format!("y[{i}]")), value(&format!("u[{i}]")));
            assert!((y - g - a * x[*chosen as usize]).abs() < 0.01, "{y} is not {g} + {a} {}", x[*chosen as usize]);
            assert!((u - if a > 5.0 { y } else { -y }).abs() < 0.01);
        }
        assert!(trace.choices.iter().all(|c| c.name != "y[3]"));
        seen.push((a, g));
    }
    assert!(seen.iter().any(|(a, _)| *a > 5.0) && seen.iter().any(|(a, _)| *a < 5.0));
    assert!(seen.windows(2).all(|pair| pair[0].0 != pair[1].0 && pair[0].1 != pair[1].1));
    // Lines of their own in branches are of the branch's iteration.
    let branching = "model m { given n: int; sample a ~ normal(0, 1); plate i in 0..n {
        if a > 0 { let z = a + 1; observe y[i] ~ normal(z, 1); } else { observe y[i] ~ normal(a, 1); } } }";
    let branching = Model::from_source("m.ppl", branching).unwrap();
    let minibatch = branching.plated_lesson(&Data::new().with("n", 9_i64)).unwrap().minibatch(2, 1, 0).unwrap();
    assert!(minibatch.model.plated_lesson(&Data::new()).is_err_and(|e| e.diagnostics()[0].code == "E0723"));
    assert_eq!(minibatch.model.simulate(&Data::new(), 5, 1).unwrap().values("y[1]").count(), 5);
    // What is given stays; what has no plate is told.
    let given = model.plated_lesson(&data.clone().with("g", 3.0)).unwrap().minibatch(2, 1, 0).unwrap();
    let target = given.model.target(&Data::new()).unwrap();
    let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, None);
    let trace = tracer.execution(&mut random_stream(1, 0)).unwrap();
    assert!(trace.choices.iter().all(|c| c.name != "g" || c.value.as_f64() == Some(3.0)));
    let flat = Model::from_source("m.ppl", "model m { sample a ~ normal(0, 1); observe y ~ normal(a, 1); }").unwrap();
    let error = flat.plated_lesson(&Data::new()).unwrap_err();
    assert!(error.diagnostics()[0].message.contains("no plate with observations"), "{error:?}");
}

#[test]
fn a_product_of_experts_is_that_of_normal_distributions() {
    let options = InferOptions { draws: Some(20_000), ..laplace() };
    // What is known outside the plate, of precision 25, is in every expert as the prior is.
    let (observed, factor) = outside();
    for (source, outside) in [(NORMAL, 1), (&observed, 26), (&factor, 26)] {
        let model = Model::from_source("m.ppl", source).unwrap();
        for (k, experts, n) in [(2, 3, 12), (4, 6, 12)] {
            let data = if source == observed { data(n).with("w", 0.4) } else { data(n) };
            let minibatches = MinibatchOptions { k, experts, corrected: true };
            let product = model.experts(&data, &options, &minibatches, &mut Silent).unwrap();
            // Each has that and its data; corrected, the data count as no more than there are.
            let plain = product.normal(false).unwrap().precision[0];
            let corrected = product.normal(true).unwrap().precision[0];
            let (all, once) = (experts * (outside + k), outside + (experts * k).min(n));
            assert!((plain / all as f64 - 1.0).abs() < 0.05, "{plain} of {all}");
            assert!((corrected / once as f64 - 1.0).abs() < 0.1, "{corrected} of {once}");
        }
    }
    let model = Model::from_source("m.ppl", NORMAL).unwrap();
    // Where much is taken out again, errors of experts are multiplied, and standard errors say so.
    let single = MinibatchOptions { k: 1, experts: 12, corrected: true };
    let means: Vec<(f64, f64)> = (0..20)
        .map(|seed| {
            let options = InferOptions { seed, ..laplace() };
            let normal = model.experts(&data(12), &options, &single, &mut Silent).unwrap().normal(true).unwrap();
            (normal.mean[0], 1.0 / (normal.precision[0] * normal.ess))
        })
        .collect();
    let mean = means.iter().map(|(m, _)| m).sum::<f64>() / 20.0;
    let variance = means.iter().map(|(m, _)| (m - mean).powi(2)).sum::<f64>() / 19.0;
    let claimed = means.iter().map(|(_, v)| v).sum::<f64>() / 20.0;
    assert!((0.4..2.5).contains(&(variance / claimed)), "{variance} where {claimed} is claimed");
    let all = MinibatchOptions { k: 12, experts: 1, corrected: true };
    let inferred = model.infer_minibatches(&data(12), &laplace(), &all, &mut Silent).unwrap();
    let whole = model.infer(&data(12), &laplace()).unwrap();
    assert!(!inferred.certified && whole.certified);
    assert!((inferred.mean("a").unwrap() - whole.mean("a").unwrap()).abs() < 0.05);
    assert!((inferred.sd("a").unwrap() / whole.sd("a").unwrap() - 1.0).abs() < 0.15);
}

/// The standard deviation of the first element in draws for a minibatch.
fn spread(plated: &Plated, weights: &Foundation) -> f64 {
    let target = plated.minibatch_target(3, 1, 0).unwrap();
    let query = Query::for_anchors::<FoundationError>(target.borrow(), 1).unwrap();
    let anchors = Anchors::new(&query.compiled, &query.prior).unwrap();
    let drawn = weights.prepare(&query).unwrap().draw(&anchors, 2_000, None, (1, 0)).unwrap();
    let first = |d: &Drawn| match d.values.first() {
        Some(Decoded::Real(z)) => Some(*z),
        _ => None,
    };
    let z: Vec<f64> = drawn.iter().filter_map(first).collect();
    assert_eq!(z.len(), 2_000);
    let mean = z.iter().sum::<f64>() / z.len() as f64;
    (z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / z.len() as f64).sqrt()
}

#[test]
fn fine_tuning_on_minibatches_learns_the_posterior_of_the_whole() {
    // What is known outside the plate, an observation or a factor of precision 25, counts once. The standard deviation given
    // three answers of fifteen before, and given all after.
    let (observed, factor) = outside();
    let cases = [(NORMAL, 0.5, 0.12..0.4), (&observed, 0.186, 0.13..0.18), (&factor, 0.186, 0.13..0.18)];
    for (source, given_three, given_all) in cases {
        let model = Model::from_source("m.ppl", source).unwrap();
        let data = if source == observed { data(15).with("w", 0.4) } else { data(15) };
        let plated = model.plated(&data).unwrap();
        let weights = small(AnchorKind::Laplace, 3);
        let before = spread(&plated, &weights);
        assert!((before / given_three - 1.0).abs() < 0.1, "{before}");
        let mut make = |index: u64| plated.minibatch_target(3, 1, index);
        let mut minibatches =
            Minibatches { make: &mut make, scale: 5.0, is_local: &|name| plated.is_local(name), batch: 4 };
        let options = TuneOptions { steps: 80, draws: 16, rate: 0.02, layers: 1, seed: 1 };
        let prompt = plated.minibatch_target(3, 1, 0).unwrap();
        let tuned = weights.tune_plated(&prompt, &mut minibatches, &options, |_| true).unwrap();
        let after = spread(&plated, &tuned);
        assert!(given_all.contains(&after), "{source}: {before} to {after}");
    }
}
