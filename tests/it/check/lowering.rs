//! What right programs become.

use unmask::check::core::{DistributionKind, ExprKind, Program, SizeSource, StmtKind, Type, VariableKind};
use unmask::check::dump;
use unmask::syntax::ast::Role;
use unmask::value::{Base, DataType};

use super::checked;

fn variable(program: &Program, model: &str, name: &str) -> (VariableKind, Type) {
    let id = program.model_named(model).unwrap();
    let (variable, _) = program.variable(id, name).unwrap_or_else(|| panic!("no {name}"));
    (variable.kind, variable.ty)
}

fn array(base: Base, rank: usize) -> Type {
    Type::Data(DataType { base, rank })
}

#[test]
fn variables_have_the_types_of_their_loops() {
    let source = "model m { given n: int; plate i in 0..n { for j in 0..2 { observe y[i, j] ~ poisson(1); } } \
                  sample w[0]: vector[3] ~ dirichlet([1, 1, 1]); let z[0] = 1.5; }";
    let program = checked(source).program;
    assert_eq!(variable(&program, "m", "y"), (VariableKind::Random(Role::Observe), array(Base::Int, 2)));
    assert_eq!(variable(&program, "m", "w"), (VariableKind::Random(Role::Sample), array(Base::Real, 2)));
    assert_eq!(variable(&program, "m", "z"), (VariableKind::Deterministic, array(Base::Real, 1)));
}

#[test]
fn roles_follow_from_annotations() {
    let source = "model m { a ~ normal(0, 1) @ ?; b ~ normal(a, 1) @ 3.2; c ~ normal(a, 1); d = 2 * a @ 1.5; \
                  e = a > 0 @ true; f = a < 0; }";
    let program = checked(source).program;
    let kinds: Vec<VariableKind> = program.models[0].variables.iter().map(|v| v.kind).collect();
    assert_eq!(
        kinds,
        [
            VariableKind::Random(Role::Sample),
            VariableKind::Random(Role::Observe),
            VariableKind::Random(Role::Sample),
            VariableKind::Deterministic,
            VariableKind::Condition,
            VariableKind::Deterministic,
        ]
    );
}

#[test]
fn a_name_defined_in_every_branch_is_one_variable() {
    let source = "model m { sample a ~ bernoulli(0.5); \
                  if a { sample b ~ normal(0, 1); let c = 1; } else if a == 2 { sample b ~ normal(5, 1); let c = 2; } \
                  else { sample b ~ cauchy(0, 1); let c = 3; } \
                  observe y ~ normal(b + c, 1); }";
    let program = checked(source).program;
    let model = &program.models[0];
    assert_eq!(model.variables.iter().filter(|v| &*v.name == "b").count(), 1);
    assert_eq!(model.frame.iter().filter(|s| &*s.name == "b" || &*s.name == "c").count(), 2);
}

#[test]
fn a_branch_that_returns_hides_nothing() {
    let source = "model m { sample a ~ bernoulli(0.5); if a { sample b ~ normal(0, 1); return b; } else { let c = 2.0; } \
                  sample b ~ normal(c, 1); return b; }";
    assert_eq!(checked(source).program.models[0].returns, Some(DataType::REAL));
}

#[test]
fn separate_blocks_may_use_one_name() {
    checked("model m { given n: int; for i in 0..n { let b = 1; } for i in 0..n { let b = true; let c = [b, b]; } }");
}

#[test]
fn arrays_may_be_filled_in_turns_and_read_while_they_are() {
    checked(
        "model m { given n: int; sample h[0] ~ normal(0, 1); for t in 1..n { sample h[t] ~ normal(h[t - 1], 1); } \
             let s = sum(h); }",
    );
    checked(
        "model m { given n: int; for t in 0..n { if t == 0 { sample h[t] ~ normal(0, 1); } \
             else { sample h[t] ~ normal(h[t - 1], 1); } observe y[t] ~ normal(h[t], 1); } }",
    );
    checked("model m { given n: int; let h[0] = 0.5; for t in 0..n { let h[t + 1] = 1; } }");
}

#[test]
fn plates_read_their_own_iteration_and_what_is_outside() {
    checked(
        "model m { given n: int; for i in 0..n { sample b[i] ~ normal(0, 1); } plate i in 0..n { \
             sample c[i] ~ normal(sum(b), 1); observe y[i] ~ normal(c[i] + b[n - 1 - i], 1); } let s = sum(c); }",
    );
    checked(
        "model m { given n ~ poisson(3); plate i in 0..n { sample c[i + 1] ~ normal(0, 1); let d[i] = c[i + 1]; } }",
    );
}

#[test]
fn sizes_are_found_where_arrays_show_them() {
    let source = "model m(k: int, q: real[k]) { given n: int; given x: real[n, k]; plate i in 0..n { \
                  observe y[i] ~ normal(0, 1); let d[i] = 1; } for i in 1..n { sample z[i] ~ normal(0, 1); } }";
    let source_of = |size: &str, array: &str, axis| SizeSource { size: size.into(), array: array.into(), axis };
    let found = &checked(source).program.models[0].size_sources;
    assert_eq!(
        found,
        &[source_of("k", "q", 0), source_of("n", "x", 0), source_of("k", "x", 1), source_of("n", "y", 0)]
    );
}

#[test]
fn models_are_distributions_over_what_they_return() {
    let source = "model student(mu) -> real { sample ability ~ normal(mu, 1); return ability; } \
                  model class { given n: int; plate i in 0..n { sample s[i] ~ student(0); \
                  observe y[i] ~ normal(s[i] + s[i].ability, 1); } sample one ~ student(1); let b = one.ability; }";
    let program = checked(source).program;
    let class = program.model_named("class").unwrap();
    assert_eq!(program.entry_models, [class]);
    let (ability, indices) = program.variable(class, "s.ability").unwrap();
    assert_eq!((ability.ty, indices), (Type::Data(DataType::REAL), 1));
}

#[test]
fn recursion_needs_only_a_declared_type() {
    checked(
        "model tries(p) -> int { sample x ~ bernoulli(p); if x { return 0; } else { sample rest ~ tries(p); \
             return rest + 1; } }",
    );
    checked("fn fib(n: int) -> int { if n < 2 { return n; } return fib(n - 1) + fib(n - 2); }");
    checked("model walk(n: int) { sample x ~ normal(0, 1); if n > 0 { sample rest ~ walk(n - 1); } }");
}

#[test]
fn items_may_be_used_before_their_definition() {
    let program = checked(
        "model m { sample s ~ inner(); let b = f(s); } model inner { sample x ~ poisson(2); return x; } \
                           fn f(x: int) { return g(x); } fn g(x) { return if x > 0 then 1 else x; }",
    )
    .program;
    assert_eq!(variable(&program, "m", "b"), (VariableKind::Deterministic, array(Base::Real, 0)));
    assert_eq!(program.functions[0].returns, DataType::REAL);
}

#[test]
fn ints_become_reals_where_that_is_needed() {
    let program = checked(
        "model m { sample k ~ poisson(2); let a = k / 2; let b = [1, 0.5]; let c = if k > 0 then 1 else 0.5; \
                           return k; }",
    )
    .program;
    let text = dump(&program);
    assert!(text.contains("(to_real(k#0) / to_real(2))"), "{text}");
    assert!(text.contains("[to_real(1), 0.5]"), "{text}");
    assert!(text.contains("then to_real(1) else 0.5"), "{text}");
    let program = checked("fn f(x: int) { if x > 0 { return 1; } return 0.5; }").program;
    assert!(dump(&program).contains("return to_real(1)"));
}

#[test]
fn dotted_names_define_variables_of_annotated_programs() {
    let source = "model m { s1.ability ~ normal(0, 1) @ ?; s[0].theta[0] ~ normal(0, 1) @ 2; s[0].theta[1] ~ normal(0, 1) @ 3; \
                  s[1].theta[0] ~ normal(0, 1) @ 3; s1 = s1.ability @ ?; y[3] ~ normal(s1.ability + s[0].theta[1], s1) @ 1.0; }";
    let program = checked(source).program;
    assert_eq!(variable(&program, "m", "s.theta").1, array(Base::Real, 2));
    let StmtKind::Random(theta) = &program.models[0].body.statements[1].kind else { panic!() };
    let path: Vec<(&str, usize)> = theta.target.path.iter().map(|(n, k)| (&**n, *k)).collect();
    assert_eq!(path, [("s", 1), ("theta", 1)]);
    assert_eq!(theta.target.subscripts.len(), 2);
}

#[test]
fn posteriors_are_read_by_dotted_names() {
    let source = "model student { sample ability ~ normal(0, 1); sample k ~ poisson(1); } \
                  model class { plate i in 0..3 { sample s[i] ~ student(); } sample b ~ bernoulli(0.5); let c = b + 1; } \
                  model outer { let p = infer class { b: 1, s[0].ability: 0.5, s.k: [1, 2, 3] } with { method: \"mh\", draws: 10 }; \
                    sample x ~ p.s[1].ability; sample y ~ p.b; let d = mean(p.s.ability)[0] + quantile(p.c, 0.5); \
                    let e = probability(p.b, 1) + log_density(p.b, 1) + log_density(normal(0, 1), x); let f = draws(p.s.k); }";
    let program = checked(source).program;
    assert_eq!(variable(&program, "outer", "f").1, array(Base::Int, 2));
    assert_eq!(variable(&program, "outer", "y").1, Type::Data(DataType::INT));
    // `student` and `class` are used by other models.
    assert_eq!(program.entry_models, [program.model_named("outer").unwrap()]);
}

#[test]
fn a_model_that_only_the_script_infers_may_be_run() {
    let program =
        checked("model m(b) { sample a ~ normal(b, 1); } let p = infer m { b: 1 }; print(\"a\", p.a, mean(p.a));")
            .program;
    assert_eq!(program.entry_models.len(), 1);
    let script = program.script.as_ref().unwrap();
    let StmtKind::Let(first) = &script.body.statements[0].kind else { panic!() };
    let ExprKind::Infer(infer) = &first.value.kind else { panic!() };
    assert_eq!((infer.arguments.len(), infer.data.len()), (1, 0));
}

#[test]
fn composite_distributions_take_the_type_of_their_parts() {
    let program = checked(
        "model m { sample a ~ truncated(poisson(3), 1, inf); sample b ~ mixture([0.5, 0.5], [normal(0, 1), \
                           truncated(normal(0, 1), 0, inf)]); sample c ~ ordered(normal(0, 1), 3); \
                           sample d ~ flat() simulate normal(0, 10); }",
    )
    .program;
    assert_eq!(variable(&program, "m", "a").1, Type::Data(DataType::INT));
    assert_eq!(variable(&program, "m", "b").1, Type::Data(DataType::REAL));
    assert_eq!(variable(&program, "m", "c").1, Type::Data(DataType::VECTOR));
    let StmtKind::Random(d) = &program.models[0].body.statements[3].kind else { panic!() };
    assert!(d.simulate.as_ref().is_some_and(|s| matches!(s.kind, DistributionKind::Family(..))));
}

#[test]
fn values_in_the_source_may_read_givens() {
    checked(
        "model m { given n: int @ 2; given earn: real[n] @ [10, 20]; plate i in 0..n { \
             observe y[i] ~ normal(0, 1) @ log(earn[i]); } for t in 0..n { given w[t]: real; } }",
    );
}

#[test]
fn sizes_of_parameters_bind() {
    let program = checked(
        "fn dot2(x: real[n], y: real[n]) -> real { return dot(x, y) + n; } \
                           fn take(x: real[n], n: int) { return x[n - 1]; }",
    )
    .program;
    assert!(
        dump(&program).contains("fn dot2(x#0: real[_] sizes [bind n#2], y#1: real[_] sizes [n#2])"),
        "{}",
        dump(&program)
    );
    assert!(dump(&program).contains("fn take(x#0: real[_] sizes [n#1], n#1: int)"), "{}", dump(&program));
}

#[test]
fn doc_comments_stay() {
    let program = checked("/// First.\n/// Second.\nmodel m { }").program;
    assert_eq!(program.models[0].doc, "First.\nSecond.");
}

#[test]
fn deep_nesting_and_long_chains_do_not_overflow() {
    let mut source = String::from("model m0 { sample x ~ normal(0, 1); return x; }\n");
    for i in 1..3000 {
        source.push_str(&format!("model m{i} {{ sample x ~ m{}(); return x; }}\n", i - 1));
    }
    // The last is asked for first.
    let source = format!("model all {{ sample x ~ m2999(); observe y ~ normal(x, 1); }}\n{source}");
    assert_eq!(checked(&source).program.models.len(), 3001);
}

/// Twice the lines may take about twice the time, whatever they are.
#[test]
fn checking_takes_linear_time() {
    let program = |n: usize| {
        let mut source = String::from("model m {\n  sample a ~ normal(0, 1);\n");
        for i in 0..n / 4 {
            source.push_str(&format!("  sample x{i} ~ normal(a, 1);\n  let y{i} = x{i} * 2 + a;\n"));
            source.push_str(&format!(
                "  if y{i} > 0 {{ let b = 1; }} else {{ let b = 2; }}\n  observe z[{i}] ~ normal(y{i}, 1);\n"
            ));
        }
        source.replace("if y", "if a + y").replace("let b", "let c") + "}\n"
    };
    let time = |n| {
        // `c` would be visible after each `if`: one name for each.
        let mut count = 0;
        let source: String = program(n)
            .lines()
            .map(|line| {
                count += 1;
                line.replace("let c", &format!("let c{count}")) + "\n"
            })
            .collect();
        (0..3)
            .map(|_| {
                let start = std::time::Instant::now();
                checked(&source);
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let (short, long) = (time(2_000), time(16_000));
    assert!(long < short * 24, "8 times the lines took {short:?} and then {long:?}");
}
