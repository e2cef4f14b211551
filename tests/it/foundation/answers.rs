//! Answers of the network: whatever its weights are, the importance weights of its draws are exact.

use std::num::NonZeroUsize;
use std::sync::Arc;

use unmask::foundation::{
    AnchorKind, EvaluateOptions, Foundation, FoundationError, Judged, TrainOptions, Trainer, TuneOptions, cases_of,
    evaluate, exact_log_posterior,
};
use unmask::infer::anchors::Anchors;
use unmask::infer::{
    Drawer as _, InferOptions, Inferred, Method, Query, Silent, Target, Weights, infer, pareto_smooth, weights_ess,
};
use unmask::network::Device;
use unmask::trace::Mask;
use unmask::{Data, Model};

use super::{PROGRAMS, options, small, spoilt, target};

fn answer(target: &Target, weights: Weights, method: &str, draws: usize) -> Inferred {
    let method = Method::named(method).unwrap();
    let options = InferOptions { method, draws: Some(draws), weights, ..InferOptions::default() };
    infer(target, &options, &mut Silent).unwrap()
}

/// Data for the test programs.
const DATA: [&[&str]; 6] = [&["s=2", "y=3"], &["y=2.5"], &["y=1.5"], &["k=2", "j=0"], &["k=7"], &["y=1"]];

#[test]
fn evidence_is_exact_whatever_the_weights_are() {
    for kind in [AnchorKind::Laplace, AnchorKind::Prior] {
        for (source, data) in PROGRAMS.iter().zip(DATA) {
            let target = target(source, data);
            let learnt = Target { conditions: unmask::runtime::Conditions::new(), ..target.clone() };
            let weights = Weights::Of(Arc::new(spoilt(&[learnt], kind)));
            let found = answer(&target, weights, "foundation", 20_000);
            let reference = answer(&target, Weights::None, "importance", 200_000);
            let (a, b) = (found.log_evidence.unwrap(), reference.log_evidence.unwrap());
            let errors = [&found, &reference].map(|i| i.log_evidence_error.unwrap());
            let error = (errors[0].powi(2) + errors[1].powi(2)).sqrt();
            assert!((a - b).abs() < 5.0 * error, "{kind:?}: {a} and {b} ± {error}: {source}");
            for variable in &reference.variables {
                let other = found.variable(&variable.name).unwrap_or_else(|| panic!("{} is lost", variable.name));
                let error = (other.mcse.powi(2) + variable.mcse.powi(2)).sqrt();
                let off = (other.mean - variable.mean).abs();
                assert!(off < 5.0 * error + 1e-9, "{}: {} and {}: {source}", variable.name, other.mean, variable.mean);
            }
        }
    }
}

#[test]
fn draws_do_not_depend_on_their_number() {
    let target = target(PROGRAMS[0], DATA[0]);
    let foundation = small(AnchorKind::Laplace, 1);
    let query = Query::for_anchors::<FoundationError>(target.borrow(), 1).unwrap();
    let anchors = Anchors::new(&query.compiled, &query.prior).unwrap();
    let prepared = foundation.prepare(&query).unwrap();
    let many = prepared.draw(&anchors, 700, NonZeroUsize::new(20), (1, 0)).unwrap();
    let few = prepared.draw(&anchors, 37, NonZeroUsize::new(20), (1, 0)).unwrap();
    assert_eq!(few, many[..37]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = pool.install(|| prepared.draw(&anchors, 700, NonZeroUsize::new(20), (1, 0)).unwrap());
    assert_eq!(alone, many);
    // Densities can be had again from the values: of draws of the anchors alone too.
    assert!(many.iter().all(|d| d.log_proposal.is_finite() && d.target.is_some()));
}

#[test]
fn untrained_weights_are_as_good_as_their_anchors() {
    let source = "model m { sample a ~ normal(0, 2); sample b ~ normal(a, 1); observe y ~ normal(b, 0.5) @ 1.5; }";
    let target = target(source, &[]);
    let found = answer(&target, Weights::Of(Arc::new(small(AnchorKind::Laplace, 1))), "foundation", 2_000);
    assert!(found.certified, "{}", found.reason);
    let ess = found.variable("a").unwrap().ess.unwrap();
    assert!(ess > 1_800.0, "{ess}");
    let precision: f64 = 1.0 / 5.25;
    let exact = -0.5 * (precision * 2.25 - precision.ln() + (2.0 * std::f64::consts::PI).ln());
    assert!((found.log_evidence.unwrap() - exact).abs() < 5.0 * found.log_evidence_error.unwrap());
}

#[test]
fn the_ladder_begins_with_the_network_and_says_where_it_cannot() {
    let weights = Weights::Of(Arc::new(small(AnchorKind::Laplace, 1)));
    let found = answer(&target(PROGRAMS[5], DATA[5]), weights.clone(), "auto", 1_000);
    assert_eq!(found.ladder[0].rung, "foundation");
    // A program without loops that is longer than the context.
    let lines: String = (0..120).map(|i| format!("sample z{i} ~ normal(0, 1);")).collect();
    let source = format!("model m {{ sample a ~ normal(0, 1); {lines} observe y ~ normal(a, 1) @ 0.5; }}");
    let found = answer(&target(&source, &[]), weights, "auto", 1_000);
    let rung = &found.ladder[0];
    assert!(rung.rung == "foundation" && !rung.held, "{:?}", found.ladder);
    assert!(rung.reason.contains("names") || rung.reason.contains("tokens"), "{}", rung.reason);
    assert!(found.certified);
}

#[test]
fn long_plates_are_answered_from_a_part_of_their_text() {
    let y: Vec<f64> = (0..200).map(|i| f64::from(i % 7) - 3.0).collect();
    let source =
        "model m { given n: int; sample mu ~ normal(0, 10); plate i in 0..n { observe y[i] ~ normal(mu, 2); } }";
    let model = Model::from_source("m.ppl", source).unwrap();
    let target = model.target(&Data::new().with("y", y.clone())).unwrap();
    let found = answer(&target, Weights::Of(Arc::new(small(AnchorKind::Laplace, 1))), "foundation", 2_000);
    assert!(found.certified, "{}", found.reason);
    let mean = y.iter().sum::<f64>() / (200.0 + 4.0 / 100.0);
    let mu = found.variable("mu").unwrap();
    assert!((mu.mean - mean).abs() < 5.0 * mu.mcse);
}

#[test]
fn weights_that_read_a_part_cost_half_of_the_draws_at_most() {
    // A trend over years, which no weights of ours were trained on.
    let source = "model m { given n: int; given year: real[n]; sample a ~ flat() simulate normal(0, 1);
        sample b ~ flat() simulate normal(0, 1); sample s ~ positive_flat() simulate half_normal(1);
        plate i in 0..n { observe y[i] ~ normal(a + b * year[i], s); } }";
    let years: Vec<f64> = (0..100).map(|i| f64::from(1920 + i)).collect();
    let y: Vec<f64> = years.iter().map(|year| 9.0 + 0.02 * (year - 1970.0) + (year * 2.1).sin()).collect();
    let data = Data::new().with("year", years).with("y", y);
    let target = Model::from_source("m.ppl", source).unwrap().target(&data).unwrap();
    let weights = Foundation::bundled().unwrap();
    let query = Query::for_anchors::<FoundationError>(target.borrow(), 1).unwrap();
    let anchors = Anchors::new(&query.compiled, &query.prior).unwrap();
    let prepared = weights.prepare(&query).unwrap();
    let effective = |defence| {
        let drawn = prepared.draw(&anchors, 2_000, defence, (1, 0)).unwrap();
        let log_weights: Vec<f64> = drawn.iter().map(|d| d.target.unwrap().0 - d.log_proposal).collect();
        weights_ess(&pareto_smooth(&log_weights).unwrap().weights)
    };
    assert!(prepared.is_part());
    let (alone, rung) = (effective(None), effective(prepared.defence()));
    assert!(rung > alone && rung > 700.0, "{alone} {rung}");
}

#[test]
fn fine_tuning_comes_nearer_to_one_posterior() {
    let target = target(PROGRAMS[5], DATA[5]);
    let learnt = Target { conditions: unmask::runtime::Conditions::new(), ..target.clone() };
    let foundation = spoilt(&[learnt], AnchorKind::Laplace);
    let query = Query::for_anchors::<FoundationError>(target.borrow(), 1).unwrap();
    let mut reports = Vec::new();
    let options = TuneOptions { steps: 80, rate: 5e-3, ..TuneOptions::default() };
    let tuned = foundation
        .tune(&query, &options, |report| {
            reports.push(*report);
            true
        })
        .unwrap();
    assert_eq!(reports.len(), 80);
    let mean = |r: &[unmask::foundation::TuneReport]| r.iter().map(|r| r.bound).sum::<f64>() / r.len() as f64;
    assert!(mean(&reports[70..]) > mean(&reports[..10]), "{reports:?}");
    let ess = |weights| answer(&target, weights, "foundation", 4_000).variable("a").unwrap().ess.unwrap();
    let before = ess(Weights::Of(Arc::new(foundation)));
    let after = ess(Weights::Of(Arc::new(tuned)));
    assert!(after > before, "{before} {after}");
}

#[test]
fn where_the_anchors_hold_no_weights_spoil_the_answer() {
    for (source, data) in PROGRAMS.iter().zip(DATA) {
        let target = target(source, data);
        let learnt = Target { conditions: unmask::runtime::Conditions::new(), ..target.clone() };
        let weights = Weights::Of(Arc::new(spoilt(&[learnt], AnchorKind::Laplace)));
        if answer(&target, Weights::None, "laplace", 2_500).certified {
            let found = answer(&target, weights, "foundation", 2_500);
            assert!(found.certified, "{source}: {}", found.reason);
        }
    }
}

#[test]
fn what_is_unlike_all_that_was_learnt_is_asked_of_the_anchors_first() {
    let source = "model m { sample a ~ normal(0, 2); sample b ~ normal(a, 1); observe y ~ normal(b, 0.5); }";
    let usual = target(source, &[]);
    let untrained = small(AnchorKind::Laplace, 1);
    let mut trainer = Trainer::new(untrained, vec![usual], TrainOptions { heldout: 64, ..options(1, 1e-6) }).unwrap();
    trainer.check().unwrap();
    // Weights remember it in their file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    trainer.foundation().save(&path).unwrap();
    let weights = Weights::Of(Arc::new(Foundation::load(&path).unwrap()));
    let rungs = |target: &Target| {
        let found = answer(target, weights.clone(), "auto", 1_000);
        assert!(found.certified, "{}", found.reason);
        found.ladder
    };
    let known = rungs(&target(source, &["y=1.5"]));
    assert_eq!(known[0].rung, "foundation");
    assert!(known[0].unusual.is_some_and(|share| share <= 1.0) && known[0].remark().is_none(), "{known:?}");
    let other =
        "model m { sample p ~ beta(2, 2); sample q ~ beta(1, 4); for i in 0..9 { observe k[i] ~ bernoulli(p * q); }
        sample s ~ gamma(2, 1); observe z ~ lognormal(log(s), 0.1) @ 2; }";
    let unknown = rungs(&target(other, &["k=[0, 0, 0, 1, 0, 1, 0, 0, 0]"]));
    assert_eq!(unknown[0].rung, "laplace");
    assert!(unknown[0].remark().is_some_and(|remark| remark.contains("unlike")), "{unknown:?}");
    let alone = answer(&target(other, &["k=[0, 0, 0, 1, 0, 1, 0, 0, 0]"]), weights, "foundation", 1_000);
    assert!(alone.ladder[0].unusual.is_some_and(|share| share > 1.0), "{:?}", alone.ladder);
    assert!(alone.ladder[0].remark().is_some_and(|remark| remark.contains("unlike")));
}

#[test]
fn the_density_of_given_values_is_that_of_the_draw_that_had_them() {
    let defences = [None, NonZeroUsize::new(20), NonZeroUsize::new(2)];
    for ((source, data), defence) in PROGRAMS.iter().zip(DATA).zip(defences.into_iter().cycle()) {
        let target = target(source, data);
        let learnt = Target { conditions: unmask::runtime::Conditions::new(), ..target.clone() };
        let foundation = spoilt(&[learnt], AnchorKind::Laplace);
        let query = Query::for_anchors::<FoundationError>(target.borrow(), 1).unwrap();
        let anchors = Anchors::new(&query.compiled, &query.prior).unwrap();
        let prepared = foundation.prepare(&query).unwrap();
        let drawn = prepared.draw(&anchors, 600, defence, (1, 0)).unwrap();
        let values: Vec<_> = drawn.iter().map(|d| d.values.clone()).collect();
        let densities = prepared.log_densities(&anchors, &values, defence).unwrap();
        for (drawn, log_density) in drawn.iter().zip(densities) {
            assert!((drawn.log_proposal - log_density).abs() < 1e-9, "{source}: {drawn:?} {log_density}");
        }
    }
}

#[test]
fn what_the_data_leave_one_value_for_has_probability_one() {
    // x is what is masked; where y is 0, z says what x is.
    let model = Model::from_source("m.ppl", include_str!("../../../examples/common_effect.ppl")).unwrap();
    let target = model.target(&Data::new()).unwrap();
    let cases = cases_of(&target, Mask::Role, None, 40, 1).unwrap();
    let foundation = Arc::new(Foundation::bundled().unwrap());
    let options = EvaluateOptions { seed: 1, judged: Judged::Densities, device: Device::Processor };
    let found = evaluate(&foundation, &cases, options).unwrap();
    assert_eq!(found.log_densities.len(), cases.len());
    let mut forced = 0;
    for (case, log_density) in cases.iter().zip(&found.log_densities) {
        let y = case.truth.iter().find(|((name, _), _)| &**name == "y").and_then(|(_, value)| value.as_int());
        if y == Some(0) {
            forced += 1;
            assert_eq!(*log_density, 0.0);
            assert_eq!(exact_log_posterior(case, 1).map(|(exact, _)| exact), Some(0.0));
        }
    }
    assert!(forced > 5 && forced < 35, "{forced}");
}
