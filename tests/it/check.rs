//! The checker: every mistake has a program that makes it, and what is right is lowered as it should be.

mod lowering;

use unmask::check::{Checked, MemoryFiles, Rejected, STANDARD_LIBRARY, StandardLibrary, check};
use unmask::diagnostic::Diagnostic;

pub(super) fn checked(source: &str) -> Checked {
    match check("main.ppl", source, &MemoryFiles::default()) {
        Ok(checked) => checked,
        Err(rejected) => panic!("{source}\n{:#?}", rejected.diagnostics),
    }
}

fn rejected(source: &str) -> Box<Rejected> {
    let files = MemoryFiles::default()
        .with("twice.ppl", "fn twice(x: real) -> real { return 2 * x; } model coin { sample x ~ bernoulli(0.5); }")
        .with("double.ppl", "fn twice(x: real) -> real { return x + x; }")
        .with("a.ppl", "import \"b.ppl\";")
        .with("b.ppl", "import \"a.ppl\";");
    match check("main.ppl", source, &files) {
        Ok(_) => panic!("accepted:\n{source}"),
        Err(rejected) => rejected,
    }
}

/// Wraps statements into a model with an input of each kind.
fn in_model(statements: &str) -> String {
    format!("model m {{ given n: int; given x: real[n]; sample a ~ normal(0, 1); {statements} }}")
}

/// Code, statements of a model, a piece of the message, and a piece of the help (empty: none is asked for).
const IN_MODEL: &[(&str, &str, &str, &str)] = &[
    ("E0201", "let b = alpha;", "unknown variable `alpha`", ""),
    ("E0201", "let bet = 1; let b = bett;", "unknown variable `bett`", "did you mean `bet`?"),
    ("E0201", "if a > 0 { let b = 1; } let c = b;", "unknown variable `b`", "every branch"),
    ("E0201", "let b = exp;", "unknown variable `exp`", "call it"),
    ("E0201", "let b = normal;", "unknown variable `normal`", "draw from it"),
    ("E0201", "for t in 0..n { let h[t] = h[t]; }", "unknown variable `h`", ""),
    ("E0202", "let b = expp(a);", "unknown function `expp`", "did you mean `exp`?"),
    ("E0202", "let b = a(1);", "unknown function `a`", "is a variable"),
    ("E0203", "sample b ~ half_nromal(2);", "unknown distribution `half_nromal`", "did you mean `half_normal(scale)`?"),
    ("E0204", "let p = infer mm { };", "unknown model `mm`", ""),
    ("E0205", "let a = 2;", "`a` is already defined", ""),
    ("E0205", "sample a ~ normal(0, 1);", "`a` is already defined", ""),
    ("E0205", "for a in 0..n { }", "`a` is already defined", ""),
    ("E0205", "let b = [n for n in 0..2];", "`n` is already defined", ""),
    ("E0211", "given b: reel;", "unknown type `reel`", "did you mean `real`?"),
    ("E0213", "let pi = 3;", "`pi` is a constant", ""),
    ("E0214", "let b = normal(0, 1);", "`normal` is a distribution", "sample x ~ normal"),
    ("E0214", "let b = m();", "`m` is a model", "sample x ~ m"),
    ("E0215", "sample b ~ exp(1);", "`exp` is a function", ""),
    ("E0216", "if a > 0 { sample b ~ normal(0, 1); } sample b ~ normal(0, 1);", "`b` is defined twice on one path", ""),
    ("E0216", "sample h[0] ~ normal(0, 1); sample h[0] ~ normal(0, 1);", "`h` is defined twice", ""),
    ("E0216", "for i in 0..n { sample h[i] ~ normal(0, 1); sample h[i] ~ normal(0, 1); }", "`h` is defined twice", ""),
    ("E0301", "let b: int = a;", "expected int, found real", "to_int(a)"),
    ("E0301", "let b: int = n / 2;", "expected int, found real", "div"),
    ("E0301", "let b = x[a];", "expected int, found real", "to_int"),
    ("E0301", "let b: bool = n;", "expected bool, found int", "n != 0"),
    ("E0301", "sample b: int ~ normal(0, 1);", "expected int, found real", ""),
    (
        "E0301",
        "observe y: real[n] ~ normal(a, 1);",
        "expected real[_], found real",
        "plate i in 0..n { observe y[i] ~ normal(a, 1); }",
    ),
    ("E0301", "sample b ~ normal(a > 0, 1);", "expected real, found bool", "if a > 0 then 1 else 0"),
    ("E0301", "sample b ~ dirichlet(1.0);", "expected real[_], found real", ""),
    ("E0301", "sample b ~ binomial(2.5, 0.5);", "expected int, found real", ""),
    ("E0301", "for i in 0..a { }", "expected int, found real", ""),
    ("E0301", "factor x;", "expected real, found real[_]", ""),
    ("E0301", "let b = a.x;", "expected an execution of a model, or a posterior, found real", ""),
    ("E0302", "let b = a % 2;", "operand 1 of `%` is real", "fmod"),
    ("E0302", "let b = exp(a, a);", "`exp` takes 1 argument", ""),
    ("E0302", "let b = !a;", "`!`", ""),
    ("E0303", "sample b ~ normal(0);", "`normal` takes 2 arguments, not 1", ""),
    ("E0303", "let b = log_density(normal(0, 1));", "`log_density` takes 2 arguments, not 1", ""),
    ("E0304", "observe y ~ normal(x, 1);", "takes scalars", "plate i in 0..n { observe y[i] ~ normal(x[i], 1); }"),
    ("E0305", "if a { }", "a condition must be bool or int, not real", "compare"),
    ("E0305", "let b = if x then 1 else 0;", "a condition must be bool or int", ""),
    ("E0306", "let b = a[0];", "real cannot take 1 subscript", ""),
    ("E0306", "let b = x[0, 1];", "real[_] cannot take 2 subscripts", ""),
    ("E0307", "let b = x[-1];", "index -1 is out of range", ""),
    ("E0307", "let b = [1, 2]; let c = b[2];", "index 2 is out of range: the axis has size 2", ""),
    ("E0307", "given b: real[3, 2]; let c = b[0, 2];", "the axis has size 2", ""),
    ("E0308", "let b = [[1, 2], [3]];", "must have one length: this has 1, the first has 2", ""),
    ("E0309", "let b = [1, true];", "the elements of an array must have one type", ""),
    ("E0309", "let b = if n > 0 then 1 else true;", "both branches of an `if` must have one type", ""),
    ("E0310", "sample b ~ normal(0, -1);", "of `normal` must be positive, found -1", ""),
    ("E0310", "sample b ~ uniform(3, 1);", "must be greater than", ""),
    ("E0310", "sample b ~ categorical([0.5, 0.4]);", "categorical", ""),
    (
        "E0313",
        "if a > 0 { sample b ~ normal(0, 1); } else { sample b ~ poisson(1); }",
        "`b` is int here, but real elsewhere",
        "",
    ),
    ("E0313", "let h[0] = 0; for t in 0..n { let h[t + 1] = 0.5; }", "`h` is real[_] here, but int[_] elsewhere", ""),
    ("E0314", "let b = \"text\";", "text has a place only", ""),
    ("E0315", "given b: vector;", "`vector` takes 1 size, not 0", ""),
    ("E0316", "sample b ~ a;", "real is not a distribution", ""),
    ("E0317", "sample b ~ truncated(a, 0, 1);", "needs a distribution", ""),
    ("E0317", "sample b ~ mixture([1.0], a);", "needs a list of distributions", ""),
    ("E0317", "sample b ~ mixture([0.5, 0.5], [normal(0, 1), poisson(1)]);", "`mixture` needs", ""),
    ("E0318", "let b = draws(a);", "`draws` needs a variable of a posterior, not real", ""),
    ("E0401", "sample b;", "`sample b` needs a distribution", ""),
    ("E0401", "observe b: real;", "`observe b` needs a distribution", ""),
    ("E0402", "given b;", "`given b` needs a type or a distribution", "given b: real;"),
    ("E0403", "for i in 0..n { sample z ~ normal(0, 1); }", "needs the index `i`", "`z[i]`"),
    ("E0403", "for i in 0..n { for j in 0..n { sample z[j] ~ normal(0, 1); } }", "needs the index `i`", "`z[j, i]`"),
    ("E0403", "for i in 0..n { let z[0] = 1; }", "needs the index `i`", ""),
    ("E0403", "for i in 0..n { observe z = i == 0; }", "needs the index `i`", ""),
    ("E0405", "for i in 0..n { sample z[2 * i] ~ normal(0, 1); }", "a subscript on the left", ""),
    ("E0405", "sample z[n] ~ normal(0, 1);", "a subscript on the left", ""),
    (
        "E0406",
        "sample z[0] ~ normal(0, 1); sample z[0, 1] ~ normal(0, 1);",
        "`z` has 2 subscripts here, but 1 elsewhere",
        "",
    ),
    ("E0407", "observe z = a;", "`z` is real and has no noise", "observe z ~ normal(a, sigma);"),
    ("E0408", "sample z = a;", "`sample z` cannot be defined by `=`", "let z = a;"),
    ("E0408", "given z = a;", "`given z` cannot be defined by `=`", "@ a;"),
    ("E0411", "sample b ~ flat() simulate poisson(1);", "`simulate` replaces", ""),
    ("E0412", "observe b ~ normal(0, 1) @ a;", "may not depend on random variables", ""),
    ("E0413", "sample k ~ poisson(3); plate i in 0..k { sample z[i] ~ normal(0, 1); }", "may not depend on random", ""),
    (
        "E0414",
        "sample h[0] ~ normal(0, 1); plate t in 1..n { sample h[t] ~ normal(h[t - 1], 1); }",
        "`h` is filled by this plate",
        "`[t]`",
    ),
    ("E0414", "plate t in 0..n { sample h[t] ~ normal(0, 1); let s[t] = sum(h); }", "`h` is filled by this plate", ""),
    ("E0415", "if a > 0 { return 1; }", "`m` returns on some paths", ""),
    ("E0417", "return 1; let b = 2;", "never reached", ""),
    ("E0421", "print(a);", "`print` is a statement of scripts", ""),
    ("E0421", "let b = print(a);", "`print` is a statement of scripts", ""),
    ("E0420", "exp(a);", "this expression does nothing", ""),
    ("E0422", "plate i in 0..n { return 1; } return 1;", "a plate cannot return", ""),
    ("E0423", "sample z ~ normal(0, 1); sample z[0] ~ normal(0, 1);", "as a whole and element by element", ""),
    ("E0423", "sample z[0] ~ normal(0, 1); let z = 1;", "as a whole and element by element", ""),
];

/// Code, a whole file, a piece of the message, and a piece of the help.
const FILES: &[(&str, &str, &str, &str)] = &[
    ("E0206", "fn f() { return 1; } fn f() { return 2; }", "there are two functions called `f`", ""),
    ("E0206", "model f { } model f { }", "there are two models called `f`", ""),
    ("E0207", "import \"twice.ppl\"; import \"double.ppl\";", "two imports define the function `twice`", ""),
    ("E0208", "import \"nothing.ppl\";", "cannot import \"nothing.ppl\"", "<stdlib>/nothing.ppl"),
    ("E0209", "import \"a.ppl\";", "imports itself", "a.ppl -> b.ppl -> a.ppl"),
    (
        "E0210",
        "model s { sample abilty ~ normal(0, 1); } model m { sample t ~ s(); let b = t.ability; }",
        "model `s` has no variable `ability`",
        "did you mean `abilty`?",
    ),
    ("E0210", "model m { sample a ~ normal(0, 1); } let p = infer m { b: 1 };", "model `m` has no variable `b`", "`a`"),
    (
        "E0210",
        "model m { sample a ~ normal(0, 1); } let p = infer m { }; print(mean(p.b));",
        "model `m` has no variable `b`",
        "",
    ),
    (
        "E0212",
        "model m { sample a ~ normal(0, 1); } let p = infer m { } with { drws: 10 };",
        "no option `drws`",
        "did you mean `draws`?",
    ),
    (
        "E0216",
        "model s { sample x ~ normal(0, 1); } model m { sample t ~ s(); t.x ~ normal(0, 1); }",
        "`t.x` is defined twice",
        "",
    ),
    (
        "E0216",
        "model s { sample x ~ normal(0, 1); } model m { t.x ~ normal(0, 1); sample t ~ s(); }",
        "`t` is defined twice",
        "",
    ),
    ("E0217", "model m { sample a ~ normal(0, 1); } let p = infer m { a: 1, a: 2 };", "`a` is named twice", ""),
    ("E0217", "model m(b) { sample a ~ normal(b, 1); } let p = infer m(1) { b: 2 };", "`b` is named twice", ""),
    ("E0301", "model m { sample a ~ normal(0, 1); } let p = infer m { a: true };", "expected real, found bool", ""),
    (
        "E0301",
        "model m { sample a ~ normal(0, 1); } let p = infer m { } with { method: 3 };",
        "expected text, found int",
        "",
    ),
    (
        "E0301",
        "model m { sample a ~ normal(0, 1); } let p = infer m { }; let b = p.a + 1;",
        "expected data",
        "mean(p.x)",
    ),
    (
        "E0301",
        "model s { sample x ~ normal(0, 1); } model m { for i in 0..3 { sample t[i] ~ s(); } let b = t.x; }",
        "expected one execution",
        "t[i].x",
    ),
    ("E0303", "fn f(x) { return x; } model m { let b = f(1, 2); }", "`f` takes 1 argument, not 2", "f(x: real)"),
    ("E0303", "model s(x) { sample y ~ normal(x, 1); } model m { sample t ~ s(); }", "`s` takes 1 argument, not 0", ""),
    ("E0303", "model m(b) { sample a ~ normal(b, 1); } let p = infer m { };", "`m` takes 1 argument", ""),
    ("E0306", "model m { sample a ~ normal(0, 1); } let p = infer m { a[0]: 1 };", "cannot take 1 subscript", ""),
    (
        "E0309",
        "model m { sample a ~ bernoulli(0.5); if a { return 1; } else { return [1]; } }",
        "all `return`s must have one type",
        "",
    ),
    (
        "E0311",
        "model s { sample x ~ normal(0, 1); } model m { sample t ~ s(); let b = t + 1; }",
        "`s` returns nothing",
        "",
    ),
    ("E0312", "fn f(n: int) { return if n > 0 then f(n - 1) else 0; }", "function `f` calls itself", ""),
    (
        "E0312",
        "model m { sample a ~ bernoulli(0.5); if a { return 0; } else { sample t ~ m(); return t; } }",
        "model `m` calls itself",
        "",
    ),
    (
        "E0318",
        "model m { sample a ~ normal(0, 1); } let p = infer m { }; let b = mean(p);",
        "`mean` needs a variable of a posterior",
        "",
    ),
    (
        "E0318",
        "model m { sample a ~ normal(0, 1); } let p = infer m { }; let b = probability(p.a, 1);",
        "of type bool or int",
        "",
    ),
    (
        "E0319",
        "model m { sample a ~ normal(0, 1); let b = 2 * a; } let p = infer m { b: 1 };",
        "`b` cannot be supplied",
        "",
    ),
    (
        "E0319",
        "model s { sample x ~ normal(0, 1); } model m { sample t ~ s(); } let p = infer m { t: 1 };",
        "`t` cannot be supplied",
        "`t.x`",
    ),
    ("E0409", "model s { sample x ~ normal(0, 1); } model m { observe t ~ s(); }", "cannot be observed", "`t.x`"),
    ("E0409", "model s { sample x ~ normal(0, 1); } model m { given t ~ s(); }", "cannot be given", "`t.x`"),
    (
        "E0410",
        "model s { sample x ~ normal(0, 1); } model m { sample t ~ s() @ 1; }",
        "cannot be given a value",
        "`t.x`",
    ),
    ("E0416", "fn f(x) { if x > 0 { return 1; } }", "function `f` must return on every path", ""),
    ("E0418", "fn f(x) { sample y ~ normal(x, 1); return y; }", "not in a function", ""),
    ("E0418", "sample y ~ normal(0, 1);", "not in a script", ""),
    ("E0419", "fn f(x) { factor x; return x; }", "`factor` has no meaning in a function", ""),
    ("E0419", "return 1;", "`return` has no meaning in a script", ""),
    ("E0419", "plate i in 0..3 { }", "`plate` has no meaning in a script", ""),
    ("E0424", "library fn f(x);", "must declare what it returns", ""),
    ("E0404", "let b = 1 @ 2;", "only in models", ""),
    ("E0201", "let b = 1; model m { let c = b; }", "unknown variable `b`", ""),
];

/// What is wrong with the answer to a program with a mistake, if anything.
fn problem(source: &str, code: &str, message: &str, help: &str) -> Option<String> {
    let rejected = rejected(source);
    let fits = |d: &Diagnostic| {
        d.code == code && d.message.contains(message) && d.help.as_deref().unwrap_or("").contains(help)
    };
    let inside =
        rejected.diagnostics.iter().flat_map(|d| &d.labels).all(|label| {
            rejected.sources.get(label.span.file).is_some_and(|f| f.text.get(label.span.range()).is_some())
        });
    if inside && rejected.diagnostics.len() == 1 && rejected.diagnostics.iter().any(fits) {
        return None;
    }
    let found: Vec<String> =
        rejected.diagnostics.iter().map(|d| format!("    {} {} ({:?})", d.code, d.message, d.help)).collect();
    Some(format!("{source}\n  expected only {code} {message} ({help}), found\n{}", found.join("\n")))
}

#[test]
fn each_mistake_is_explained_once() {
    let in_models =
        IN_MODEL.iter().map(|(code, statements, message, help)| problem(&in_model(statements), code, message, help));
    let in_files = FILES.iter().map(|(code, source, message, help)| problem(source, code, message, help));
    let problems: Vec<String> = in_models.chain(in_files).flatten().collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_code_has_a_test() {
    let source = include_str!("../../src/check/explain.rs");
    let codes = source.match_indices("parts(\"").filter_map(|(i, _)| source.get(i + 7..i + 12));
    let tested =
        |code: &str| IN_MODEL.iter().chain(FILES).any(|(c, ..)| *c == code) || ["W0201", "W0202"].contains(&code);
    let missing: Vec<&str> = codes.filter(|code| !tested(code)).collect();
    assert!(missing.is_empty(), "no program produces {missing:?}");
}

/// Whatever is missing from a program, the answer is the program or at least one error.
#[test]
fn rejected_programs_are_told_why() {
    let files = MemoryFiles::default();
    let models = IN_MODEL.iter().map(|(_, statements, ..)| in_model(statements));
    for source in models.chain(FILES.iter().map(|(_, source, ..)| (*source).to_owned())) {
        let words: Vec<&str> = source.split_inclusive(|c: char| !c.is_alphanumeric()).collect();
        for missing in 0..words.len() {
            let shorter: String = words.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, w)| *w).collect();
            if let Err(rejected) = check("main.ppl", &shorter, &files) {
                assert!(rejected.diagnostics.iter().any(Diagnostic::is_error), "no word about\n{shorter}");
            }
        }
    }
}

#[test]
fn the_standard_library_is_right() {
    for (name, text) in STANDARD_LIBRARY {
        if let Err(rejected) = check(name, text, &StandardLibrary) {
            panic!("{name}: {:#?}", rejected.diagnostics);
        }
    }
}

#[test]
fn all_mistakes_are_reported_in_order_of_place() {
    let rejected = rejected("model m { let b = c; sample d ~ nrmal(0, 1); let e = d + b; let f = g(1); }");
    let codes: Vec<&str> = rejected.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["E0201", "E0203", "E0202"]);
}

#[test]
fn thousands_of_mistakes_are_not_all_told() {
    let statements: String = (0..20_000).map(|i| format!("let b{i} = c{i};\n")).collect();
    let found = rejected(&in_model(&statements)).diagnostics.len();
    assert!((100..1000).contains(&found), "{found} messages");
}

#[test]
fn a_file_that_cannot_be_parsed_gives_no_errors_about_what_was_lost() {
    let rejected = rejected("fn f(x { return x; } model m { let b = f(1); let c: int = 0.5; }");
    assert!(rejected.diagnostics.iter().all(|d| !d.code.starts_with("E02")), "{:#?}", rejected.diagnostics);
}

#[test]
fn hiding_is_a_warning() {
    let files = MemoryFiles::default().with("f.ppl", "fn f(x) { return x; }");
    let codes = |source| {
        let checked = check("main.ppl", source, &files).unwrap();
        checked.warnings.iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("import \"f.ppl\"; fn f(x) { return 2 * x; }"), ["W0201"]);
    assert_eq!(codes("fn exp(x) { return x; } model normal { }"), ["W0202", "W0202"]);
    assert_eq!(codes("import \"f.ppl\"; model f { let b = f(1); }"), Vec::<&str>::new());
}
