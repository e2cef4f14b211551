//! Corners of the semantics in which a wrong answer would look right.

use unmask::infer::{InferOptions, Inferred, Method};
use unmask::{Data, Model};

fn infer(source: &str, data: &[&str], method: &str, seed: u64) -> Result<Inferred, unmask::Error> {
    let data = data.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    let method = Method::named(method).unwrap();
    Model::from_source("case.ppl", source)
        .unwrap()
        .infer(&data, &InferOptions { method, seed, ..InferOptions::default() })
}

fn close(found: f64, wanted: f64, tolerance: f64) {
    assert!((found - wanted).abs() < tolerance, "{found} is not {wanted}");
}

fn log_normal(x: f64, m: f64, s: f64) -> f64 {
    -0.5 * ((x - m) / s).powi(2) - s.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
}

#[test]
fn fields_of_a_submodel_carry_their_own_dependence() {
    let source = "model inner { sample x ~ normal(0, 1); return 3.0; }
    model m { sample s ~ inner(); given g ~ normal(s.x, 1); let y = s.x * 2; }";
    let inferred = infer(source, &["g=3"], "importance", 1).unwrap();
    close(inferred.mean("s.x").unwrap(), 1.5, 0.1);
    close(inferred.log_evidence.unwrap(), log_normal(3.0, 0.0, 2.0_f64.sqrt()), 0.1);
    close(inferred.mean("y").unwrap(), 3.0, 0.2);
    let source = "model inner { observe x ~ normal(0, 1); sample u ~ normal(0, 1); return u; }
    model m { sample s ~ inner(); given g ~ normal(s.x, 1); let y = s.x * 2; }";
    let inferred = infer(source, &["g=3", "s.x=1"], "importance", 1).unwrap();
    close(inferred.log_evidence.unwrap(), log_normal(1.0, 0.0, 1.0), 1e-9);
    assert!(inferred.variable("y").is_none(), "y depends on nothing masked");
}

#[test]
fn a_nested_posterior_of_reals_is_drawn_again_when_its_data_change() {
    let source = "model inner { sample x ~ normal(0, 20); observe y ~ normal(x, 1); }
    model m {
        sample a ~ bernoulli(0.5);
        let p = infer inner { y: a * 20.0 };
        sample x ~ p.x;
        observe z ~ normal(x, 20);
    }";
    let inferred = infer(source, &["z=20"], "mh", 1).unwrap();
    let shrunk = 20.0 * 400.0 / 401.0;
    let sd = (400.0 + 400.0 / 401.0_f64).sqrt();
    let (zero, one) = (log_normal(20.0, 0.0, sd).exp(), log_normal(20.0, shrunk, sd).exp());
    close(inferred.mean("a").unwrap(), one / (zero + one), 0.06);
}

#[test]
fn a_choice_that_is_stuck_is_not_certified() {
    let source = "model m {
        sample c ~ bernoulli(0.8);
        sample x ~ uniform(c * 10, c * 10 + 1);
        sample a ~ normal(0, 1);
        observe y ~ normal(a, 1);
    }";
    for seed in 1..6 {
        let inferred = infer(source, &["y=0"], "mh", seed).unwrap();
        let right = (inferred.mean("c").unwrap() - 0.8).abs() < 0.1;
        assert!(right || !inferred.certified, "certified {} at seed {seed}", inferred.mean("c").unwrap());
    }
}

#[test]
fn single_elements_must_be_reached_too() {
    let source = "model m { sample c ~ bernoulli(0.5); if c { for i in 0..1 { sample x[i] ~ normal(0, 1); } } }";
    for data in ["x[0]=0.3", "x=[0.3]"] {
        close(infer(source, &[data], "enumerate", 1).unwrap().mean("c").unwrap(), 1.0, 1e-12);
    }
    let source = "model m { sample a ~ normal(0, 1); for i in 0..2 { observe y[i] ~ normal(a, 1); } }";
    let error = infer(source, &["y[0]=1", "y[1]=2", "y[7]=3"], "importance", 1).unwrap_err();
    assert_eq!(error.diagnostics()[0].code, "E0503");
}

#[test]
fn partly_known_arrays_keep_their_indices_in_the_language() {
    let source = "model m { for i in 0..3 { sample x[i] ~ normal(10 * i, 1); } }
    let p = infer m { x[0]: 0.0 } with { draws: 4000 };
    print(mean(p.x[1]));";
    let printed: f64 = unmask::Script::from_source("s.ppl", source).unwrap().run().unwrap().trim().parse().unwrap();
    close(printed, 10.0, 0.2);
}

#[test]
fn a_hard_condition_on_an_array_compares_all_of_it() {
    let source = "model m {
        for i in 0..3 { sample x[i] ~ normal(0, 1); }
        observe z = [x[i] > 0 for i in 0..3];
    }";
    let inferred = infer(source, &["z=[true,true,true]"], "importance", 1).unwrap();
    close(inferred.mean("x[0]").unwrap(), (2.0 / std::f64::consts::PI).sqrt(), 0.08);
    close(inferred.log_evidence.unwrap(), 0.125_f64.ln(), 0.15);
}

#[test]
fn weights_that_repeat_are_not_smoothed() {
    let source = "model m {
        sample z ~ bernoulli(0.02);
        sample w ~ bernoulli(0.02);
        sample u ~ uniform(0, 1);
        observe y ~ bernoulli(if z && w then 0.9 else if z then 0.5 else if w then 0.3 else 0.05);
    }";
    let joint = |z: bool, w: bool| {
        let p = |b: bool| if b { 0.02 } else { 0.98 };
        p(z) * p(w)
            * if z && w {
                0.9
            } else if z {
                0.5
            } else if w {
                0.3
            } else {
                0.05
            }
    };
    let total = joint(true, true) + joint(true, false) + joint(false, true) + joint(false, false);
    let exact = (joint(true, true) + joint(false, true)) / total;
    let seeds = 40;
    let found: f64 =
        (0..seeds).map(|seed| infer(source, &["y=1"], "importance", seed).unwrap().mean("w").unwrap()).sum::<f64>()
            / seeds as f64;
    close(found, exact, 0.006);
}

#[test]
fn bounded_weights_of_discrete_choices_are_certified() {
    let source = "model m { sample k ~ geometric(0.5); sample u ~ uniform(0, 1); observe y ~ poisson(k + 0.1); }";
    let inferred = infer(source, &["y=2"], "importance", 1).unwrap();
    assert!(inferred.certified, "{}", inferred.reason);
    let source = "model m { sample x ~ normal(0, 1); observe z = x > 0; }";
    let inferred = infer(source, &["z=true"], "importance", 1).unwrap();
    assert!(inferred.certified, "{}", inferred.reason);
}

#[test]
fn arrays_of_random_length_are_reported_as_far_as_they_go() {
    let source = "model m { sample k ~ poisson(3); let a = [1.0 * i for i in 0..k]; observe y ~ normal(k, 1); }";
    let inferred = infer(source, &["y=6"], "importance", 1).unwrap();
    let last = inferred.variable("a[5]").expect("k = 6 is common");
    assert!(last.exists.is_some_and(|share| share > 0.2 && share < 0.9));
    close(last.mean, 5.0, 1e-9);
}

#[test]
fn a_program_may_condition_on_the_first_of_many_givens() {
    let source = "model m { given k: int; sample a ~ normal(0, 1); for t in 0..k { given y[t] ~ normal(a, 1); } }";
    close(infer(source, &["k=2", "y=[1,1,9,9]"], "importance", 1).unwrap().mean("a").unwrap(), 2.0 / 3.0, 0.1);
}

#[test]
fn the_look_at_givens_raises_no_errors_of_its_own() {
    let source = "model m {
        sample k ~ discrete_uniform(0, 9);
        observe ok = k < 3;
        let v = [1.0, 2.0, 3.0][k];
    }";
    for seed in 0..6 {
        close(infer(source, &["ok=true"], "auto", seed).unwrap().mean("v").unwrap(), 2.0, 1e-9);
    }
}

#[test]
fn large_integers_stay_exact_in_simulation() {
    let source = "model m { sample k ~ poisson(5); let a = k + 9007199254740993; }";
    let draws = Model::from_source("m.ppl", source).unwrap().simulate(&Data::new(), 20, 1).unwrap();
    for (k, a) in draws.values("k").zip(draws.values("a")) {
        assert_eq!(a.unwrap().as_int().unwrap() - k.unwrap().as_int().unwrap(), 9_007_199_254_740_993);
    }
}
