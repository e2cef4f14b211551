//! The machine's semantics, and the columnar simulator against the machine.

use std::fs;
use std::sync::Arc;

use unmask::check::{StandardLibrary, check};
use unmask::diagnostic::Diagnostic;
use unmask::dist::{Distribution, Point};
use unmask::runtime::{
    AddressId, Addresses, Batch, Conditions, Handler, HostFunction, Law, Machine, Outcome, Purpose, Runtime,
    RuntimeError, Simulator, Site, Stop, Supplied, gather, random_stream, run_script,
};
use unmask::span::Span;
use unmask::value::{Array, Elements, Value};

fn runtime(source: &str) -> Runtime {
    match check("test.ppl", source, &StandardLibrary) {
        Ok(checked) => Runtime::new(Arc::new(checked.program)),
        Err(rejected) => panic!("{:?}", rejected.diagnostics),
    }
}

fn example(name: &str) -> Runtime {
    let path = format!("{}/examples/{name}.ppl", env!("CARGO_MANIFEST_DIR"));
    runtime(&fs::read_to_string(path).unwrap())
}

/// Gives masked variables fixed values by address and adds up the density.
#[derive(Default)]
struct Score {
    choices: Vec<(&'static str, Value)>,
    log_density: f64,
    chosen: Vec<String>,
    counted: Vec<String>,
    reported: Vec<(String, Value, bool)>,
    rejections: usize,
    ids: Vec<(AddressId, Value, bool)>,
}

impl Score {
    fn with(choices: &[(&'static str, Value)]) -> Self {
        Self { choices: choices.to_vec(), ..Self::default() }
    }
}

fn log_density(law: &Law, value: &Value) -> f64 {
    law.log_density(value).unwrap()
}

impl Handler for Score {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        let name = addresses.display(site.address).to_string();
        let found = self.choices.iter().find(|(n, _)| *n == name);
        let value = found.unwrap_or_else(|| panic!("no value for {name}")).1.clone();
        self.log_density += log_density(site.law, &value);
        self.chosen.push(name);
        Ok(value)
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, counts: bool, addresses: &Addresses) -> Result<(), Stop> {
        if counts {
            self.log_density += log_density(site.law, value);
            self.counted.push(addresses.display(site.address).to_string());
        }
        Ok(())
    }

    fn factor(&mut self, log_weight: f64, _: Span) -> Result<(), Stop> {
        self.log_density += log_weight;
        if log_weight == f64::NEG_INFINITY { Err(Stop::Reject) } else { Ok(()) }
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, depends_on_masked: bool) {
        self.ids.push((address, value.clone(), depends_on_masked));
    }

    fn rejected(&mut self, _: &RuntimeError) {
        self.rejections += 1;
    }
}

fn conditions(values: &[(&str, Value)]) -> Conditions {
    let mut conditions = Conditions::new();
    for (name, value) in values {
        conditions.supply(*name, Supplied::Value(value.clone()));
    }
    conditions
}

/// Runs the only entry model; the outcome and what the handler saw.
fn score(
    source: &str,
    known: &Conditions,
    choices: &[(&'static str, Value)],
) -> (Result<Outcome, RuntimeError>, Score) {
    let runtime = runtime(source);
    let mut machine = Machine::new(&runtime, runtime.program.entry_models[0], known, Purpose::Infer);
    let mut handler = Score::with(choices);
    let outcome = machine.run(&mut handler);
    handler.reported = handler
        .ids
        .iter()
        .map(|(id, value, masked)| (machine.addresses().display(*id).to_string(), value.clone(), *masked))
        .collect();
    (outcome, handler)
}

fn normal(x: f64, m: f64, s: f64) -> f64 {
    -0.5 * ((x - m) / s).powi(2) - s.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
}

const NESTED_GIVEN: &str = "model m {
    given a ~ normal(0, 1);
    sample z ~ normal(a, 2);
    let twice = z * 2;
    given b ~ normal(twice, 3);
    observe y ~ normal(z + b, 1);
}";

#[test]
fn a_known_given_counts_only_where_its_distribution_reads_something_masked() {
    let known = conditions(&[("a", 0.5.into()), ("b", 1.0.into()), ("y", 2.0.into())]);
    let (outcome, seen) = score(NESTED_GIVEN, &known, &[("z", 0.25.into())]);
    assert_eq!(outcome.unwrap(), Outcome::Finished { returned: None });
    assert_eq!(seen.counted, ["b", "y"]);
    let expected = normal(0.25, 0.5, 2.0) + normal(1.0, 0.5, 3.0) + normal(2.0, 1.25, 1.0);
    assert!((seen.log_density - expected).abs() < 1e-12);
    assert_eq!(seen.reported, [("twice".to_owned(), 0.5.into(), true)]);
}

#[test]
fn with_the_latent_known_the_given_no_longer_counts() {
    let known = conditions(&[("a", 0.5.into()), ("z", 0.25.into()), ("b", 1.0.into()), ("y", 2.0.into())]);
    let (_, seen) = score(NESTED_GIVEN, &known, &[]);
    assert_eq!(seen.counted, ["z", "y"]);
    assert_eq!(seen.reported, [("twice".to_owned(), 0.5.into(), false)]);
}

#[test]
fn dependence_is_tracked_element_by_element() {
    let source = "model m {
        for i in 0..2 { sample z[i] ~ normal(0, 1); }
        given b ~ normal(z[0], 1);
        given c ~ normal(z[1], 1);
    }";
    let mut known = conditions(&[("b", 0.0.into()), ("c", 0.0.into())]);
    let array = Array::vector(Elements::Real(vec![1.0, 0.0]));
    known.supply("z", Supplied::Partial { array: Arc::new(array), missing: Arc::from([false, true]) });
    let (_, seen) = score(source, &known, &[("z[1]", 0.5.into())]);
    assert_eq!(seen.counted, ["z[0]", "c"]);
}

#[test]
fn a_branch_that_depends_on_a_latent_taints_what_it_defines() {
    let source = "model m {
        sample c ~ bernoulli(0.5);
        if c { let m = 1.0; } else { let m = 2.0; }
        given b ~ normal(m, 1);
    }";
    let (_, seen) = score(source, &conditions(&[("b", 0.0.into())]), &[("c", 1.into())]);
    assert_eq!(seen.counted, ["b"]);
}

#[test]
fn an_execution_that_misses_a_supplied_variable_has_density_zero() {
    let source = "model m {
        sample c ~ bernoulli(0.5);
        if c { sample x ~ normal(0, 1); }
    }";
    let known = conditions(&[("x", 0.0.into())]);
    assert_eq!(score(source, &known, &[("c", 0.into())]).0.unwrap(), Outcome::Rejected);
    assert_eq!(score(source, &known, &[("c", 1.into())]).0.unwrap(), Outcome::Finished { returned: None });
}

#[test]
fn a_hard_condition_is_one_or_zero() {
    let source = "model m {
        sample a ~ bernoulli(0.25);
        sample b ~ bernoulli(0.5);
        observe either = a || b;
    }";
    let known = conditions(&[("either", true.into())]);
    let (outcome, seen) = score(source, &known, &[("a", 0.into()), ("b", 1.into())]);
    assert!(matches!(outcome, Ok(Outcome::Finished { .. })));
    assert!((seen.log_density - (0.75_f64 * 0.5).ln()).abs() < 1e-12);
    assert_eq!(score(source, &known, &[("a", 0.into()), ("b", 0.into())]).0.unwrap(), Outcome::Rejected);
}

#[test]
fn parameters_that_latents_make_invalid_reject_and_constant_ones_fail() {
    let source = "model m { sample s ~ normal(0, 1); observe y ~ normal(0, s); }";
    let known = conditions(&[("y", 0.0.into())]);
    let (outcome, seen) = score(source, &known, &[("s", (-1.0).into())]);
    assert_eq!((outcome.unwrap(), seen.rejections), (Outcome::Rejected, 1));
    let known = conditions(&[("y", 0.0.into()), ("s", (-1.0).into())]);
    assert!(matches!(score(source, &known, &[]).0, Err(RuntimeError::Distribution { .. })));
}

#[test]
fn variables_of_submodels_have_dotted_addresses() {
    let source = "model part(mu: real) {
        sample x ~ normal(mu, 1);
        observe y ~ normal(x, 1);
        return x * 2;
    }
    model m {
        for i in 0..2 { sample s[i] ~ part(i + 1.0); }
        let total = s[0] + s[1].x;
    }";
    let known = conditions(&[("s.y", vec![0.5, 1.5].into())]);
    let (outcome, seen) = score(source, &known, &[("s[0].x", 1.0.into()), ("s[1].x", 3.0.into())]);
    assert!(outcome.is_ok(), "{outcome:?}");
    let expected = normal(1.0, 1.0, 1.0) + normal(0.5, 1.0, 1.0) + normal(3.0, 2.0, 1.0) + normal(1.5, 3.0, 1.0);
    assert!((seen.log_density - expected).abs() < 1e-12);
    assert_eq!(seen.reported.last().unwrap(), &("total".to_owned(), 5.0.into(), true));
}

#[test]
fn recursion_makes_new_addresses_and_returns() {
    let source = "model chain -> int {
        sample stop ~ bernoulli(0.5);
        if stop { return 0; } else {
            sample rest ~ chain();
            return rest + 1;
        }
    }
    model m { sample n ~ chain(); observe y ~ normal(n, 1); }";
    let known = conditions(&[("y", 2.0.into())]);
    let choices = [("n.stop", 0.into()), ("n.rest.stop", 0.into()), ("n.rest.rest.stop", 1.into())];
    let (outcome, seen) = score(source, &known, &choices);
    assert!(outcome.is_ok());
    assert!((seen.log_density - (0.125_f64.ln() + normal(2.0, 2.0, 1.0))).abs() < 1e-12);
}

#[test]
fn factor_and_log_density_add_up() {
    let source = "model m {
        sample a ~ normal(0, 1);
        factor log_density(normal(1, 2), a);
    }";
    let (_, seen) = score(source, &Conditions::new(), &[("a", 0.5.into())]);
    assert!((seen.log_density - (normal(0.5, 0.0, 1.0) + normal(0.5, 1.0, 2.0))).abs() < 1e-12);
}

#[test]
fn arrays_that_no_iteration_fills_are_empty() {
    let mut printed = Vec::new();
    let source = "fn f(n: int) -> real {
        for i in 0..n { let a[i] = 1.0 * i; }
        return sum(a) + len(a);
    }
    print(f(0), f(3));";
    run_script(&runtime(source), &mut |line| printed.push(line.to_owned())).unwrap();
    assert_eq!(printed, ["0.0 6.0"]);
}

#[test]
fn registered_functions_are_called_and_their_types_checked() {
    let source = "library fn half(x: real) -> real;\nprint(half(3.0));";
    let mut runtime = runtime(source);
    assert!(matches!(run_script(&runtime, &mut |_| {}), Err(RuntimeError::NotRegistered { .. })));
    runtime.host.insert("half".into(), HostFunction::real(|x| x[0] / 2.0));
    let mut printed = String::new();
    run_script(&runtime, &mut |line| printed.push_str(line)).unwrap();
    assert_eq!(printed, "1.5");
    runtime.host.insert("half".into(), HostFunction::new(|_| Ok(Value::Bool(true))));
    let error = run_script(&runtime, &mut |_| {}).unwrap_err();
    assert_eq!(Diagnostic::from(&error).code, "E0612");
}

#[test]
fn deep_recursion_of_functions_stops_at_the_limit_not_at_the_stack() {
    let source = "fn f(n: int) -> int { if n == 0 { return 0; } else { return 1 + f(n - 1); } }\nprint(f(900));\nprint(f(2000));";
    let mut printed = Vec::new();
    let outcome = run_script(&runtime(source), &mut |line| printed.push(line.to_owned()));
    assert_eq!(printed, ["900"]);
    assert!(matches!(outcome, Err(RuntimeError::RecursionLimit { limit: 1_000, .. })));
}

#[test]
fn loops_have_a_limit() {
    let mut runtime = runtime("let n = 1000000000000;\nfor i in 0..n { let x = i; }");
    runtime.limits.iterations = 1_000;
    let error = run_script(&runtime, &mut |_| {}).unwrap_err();
    assert_eq!(Diagnostic::from(&error).code, "E0609");
}

#[test]
fn without_engines_an_infer_expression_says_so() {
    let runtime = runtime("model m { sample a ~ bernoulli(0.5); }\nlet p = infer m { };");
    let error = run_script(&runtime, &mut |_| {}).unwrap_err();
    assert_eq!(Diagnostic::from(&error).code, "E0615");
}

/// Draws everything from its own distribution.
struct Draw(rand_xoshiro::Xoshiro256PlusPlus, Vec<(AddressId, Value)>);

impl Handler for Draw {
    fn choose(&mut self, site: &Site<'_>, _: &Addresses) -> Result<Value, Stop> {
        let value = site.law.sample(&mut self.0).unwrap();
        self.1.push((site.address, value.clone()));
        Ok(value)
    }

    fn observe(&mut self, _: &Site<'_>, _: &Value, _: bool, _: &Addresses) -> Result<(), Stop> {
        Ok(())
    }

    fn factor(&mut self, _: f64, _: Span) -> Result<(), Stop> {
        Ok(())
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, _: bool) {
        self.1.push((address, value.clone()));
    }
}

/// Programs with every kind of operation that is lowered to columns.
fn columnar_programs() -> Vec<(String, Runtime)> {
    let toys = [
        "latent",
        "clustering",
        "hierarchical",
        "multilevel",
        "milky_way",
        "rosenbrock",
        "common_effect",
        "sprinkler",
        "irt_k5",
    ];
    let mut programs: Vec<_> = toys.iter().map(|name| ((*name).to_owned(), example(name))).collect();
    let extra = "model part(mu: real) { sample x ~ normal(mu, 0.5); return x + 1; }
    fn shift(v: real[n], by: real) -> real[n] { return v + by; }
    model m {
        given k: int @ 3;
        for i in 0..k { sample a[i] ~ gamma(2 + i, 1); }
        plate i in 0..k { sample s[i] ~ part(a[i]); }
        let b = shift([a[0], a[1]], 1.0);
        let c = [exp(-a[i]) * 2 - 1 for i in 0..k];
        let d = if a[0] > a[1] && !(a[2] < 1) then a[0] % 1.0 * 0 + a[0] else max(a[1], 0.5);
        sample n ~ poisson(b[1]);
        let e = n + 1 - 2;
        let f = atan2(c[0], s[1]) ^ 2 + (s[0].x / 3);
        observe y ~ bernoulli(sigmoid(f));
    }";
    programs.push(("extra".into(), runtime(&extra.replace(" % 1.0 * 0 + a[0]", ""))));
    programs
}

#[test]
fn columnar_executions_are_distributed_as_those_of_the_machine() {
    for (name, runtime) in columnar_programs() {
        let model = runtime.program.entry_models[0];
        let none = Conditions::new();
        let n = 4_000;
        let mut simulator = Simulator::new(&runtime, model, &none, 7);
        assert!(simulator.is_columnar(), "{name} was not lowered to columns");
        let Batch::Columns(columns) = simulator.batch(n).unwrap() else { panic!("{name} is not columnar") };
        let mut machine = Machine::new(&runtime, model, &none, Purpose::Simulate);
        let mut drawn: Vec<Vec<f64>> = vec![Vec::new(); columns.lanes.len()];
        for i in 0..n {
            let mut draw = Draw(random_stream(11, i as u64), Vec::new());
            machine.run(&mut draw).unwrap();
            for (variable, value) in gather(&draw.1, machine.addresses()) {
                let Some(column) = columns.variables.iter().find(|v| v.name == variable) else {
                    panic!("{name}: the columns lack {variable}")
                };
                assert_eq!(value.shape(), column.shape, "{name}: {variable}");
                assert_eq!(value.data_type().unwrap().base, column.base, "{name}: {variable}");
                for (e, x) in value.to_f64s().into_iter().enumerate() {
                    drawn[column.first + e].push(x);
                }
            }
        }
        for (lane, (by_column, by_machine)) in columns.lanes.iter().zip(&drawn).enumerate() {
            if by_machine.is_empty() {
                // A given that is held: not drawn.
                continue;
            }
            let distance = kolmogorov_distance(by_column, by_machine);
            // The 1e-5 quantile of the two-sample Kolmogorov distance.
            assert!(distance < 2.47 * (2.0 / n as f64).sqrt(), "{name}: lane {lane} differs by {distance}");
        }
    }
}

fn kolmogorov_distance(a: &[f64], b: &[f64]) -> f64 {
    let sorted = |x: &[f64]| {
        let mut x = x.to_vec();
        x.sort_by(f64::total_cmp);
        x
    };
    let (a, b) = (sorted(a), sorted(b));
    let below = |x: &[f64], t: f64| x.partition_point(|v| *v <= t) as f64 / x.len() as f64;
    a.iter().chain(&b).map(|t| (below(&a, *t) - below(&b, *t)).abs()).fold(0.0, f64::max)
}

#[test]
fn executions_do_not_depend_on_the_size_of_batches() {
    for name in ["milky_way", "geometric_chain"] {
        let runtime = example(name);
        let none = Conditions::new();
        let collect = |sizes: &[usize]| {
            let mut simulator = Simulator::new(&runtime, runtime.program.entry_models[0], &none, 3);
            let mut all = Vec::new();
            for size in sizes {
                match simulator.batch(*size).unwrap() {
                    Batch::Columns(columns) => {
                        for i in 0..columns.n {
                            all.push(columns.lanes.iter().map(|l| l[i].to_string()).collect::<Vec<_>>().join(" "));
                        }
                    }
                    Batch::Executions(executions) => all.extend(executions.iter().map(|e| format!("{e:?}"))),
                }
            }
            all
        };
        assert_eq!(collect(&[1_000]), collect(&[1, 255, 300, 444]), "{name}");
        assert_eq!(collect(&[1_000]).len(), 1_000);
    }
}

#[test]
fn simulation_holds_givens_and_samples_and_draws_observations_anew() {
    let source = "model m { given a ~ normal(0, 1); sample b ~ normal(a, 1); observe y ~ normal(b, 1); }";
    let runtime = runtime(source);
    let known = conditions(&[("a", 1.5.into()), ("b", 2.5.into()), ("y", 3.5.into())]);
    let mut simulator = Simulator::new(&runtime, runtime.program.entry_models[0], &known, 1);
    let Batch::Columns(columns) = simulator.batch(100).unwrap() else { panic!("not columnar") };
    assert!(columns.lanes[0].iter().all(|x| *x == 1.5) && columns.lanes[1].iter().all(|x| *x == 2.5));
    let mean = columns.lanes[2].iter().sum::<f64>() / 100.0;
    assert!(columns.lanes[2].iter().all(|x| *x != 3.5) && (mean - 2.5).abs() < 0.5);
}

#[test]
fn a_law_of_a_family_gives_the_density_of_the_family() {
    let family = unmask::dist::Family::lookup("normal").unwrap();
    let arguments = [unmask::dist::Argument::Scalar(1.0), unmask::dist::Argument::Scalar(2.0)];
    let distribution = Distribution::new(family, arguments).unwrap();
    let expected = distribution.log_density(&Point::Scalar(0.5));
    assert_eq!(Law::Family(distribution).log_density(&0.5.into()), Some(expected));
}

#[test]
fn inputs_without_a_distribution_are_simulated_with_the_rest() {
    // By columns, and by the machine.
    for observed in ["normal(mu, c)", "truncated(normal(mu, 1), c, inf)"] {
        let source = format!(
            "model m {{ given c: real @ 3; given n: int; sample mu ~ normal(0, 3); for i in 0..n {{ observe y[i] ~ {observed}; }} }}"
        );
        let model = unmask::Model::from_source("m.ppl", &source).unwrap();
        let draws = model.simulate(&unmask::Data::new().with("n", 2_i64), 3, 1).unwrap();
        for execution in &draws.executions {
            let names: Vec<&str> = execution.variables.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, ["c", "n", "mu", "y"], "{observed}");
            assert_eq!(execution.variables[0].1, Value::Real(3.0));
        }
    }
}
