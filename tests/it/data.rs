//! Reading data from text and binding them to the variables of a model.

use std::sync::Arc;

use unmask::Model;
use unmask::data::{Bound, DataError, RawData, RawValue, bind, split_name};
use unmask::diagnostic::Diagnostic;
use unmask::runtime::{Known, Supplied};
use unmask::span::SourceMap;
use unmask::value::{Base, Value};

const REGRESSION: &str = "model m {
    given n: int;
    given x: real[n];
    sample slope ~ normal(0, 1);
    plate i in 0..n { observe y[i] ~ normal(slope * x[i], 1); }
}";

const KINDS: &str = "model m {
    sample b ~ bernoulli(0.5);
    let positive = b > 0;
    sample k ~ poisson(3);
    sample r ~ normal(0, 1);
    for i in 0..2 { for j in 0..3 { sample t[i, j] ~ normal(0, 1); } }
    sample p ~ dirichlet([1.0, 1.0]);
}";

const NESTED: &str = "model team(mu: real) { sample ability ~ normal(mu, 1); let twice = 2 * ability; }
model m { for i in 0..2 { sample s[i] ~ team(0.0); } observe z ~ normal(s[0].ability, 1); }";

/// One thing said of a model.
enum Said<'a> {
    File(&'a str),
    Line(&'a str, usize),
    Assignment(&'a str),
    Mask(&'a str),
}
use Said::{Assignment, File, Line, Mask};

fn raw(said: &[Said<'_>]) -> Result<RawData, DataError> {
    let (mut sources, mut data) = (SourceMap::default(), RawData::new());
    for said in said {
        match *said {
            File(text) => data.add_json(sources.add("data.json", text), text)?,
            Line(text, line) => data.add_json_line(sources.add("cases.jsonl", text), text, line)?,
            Assignment(text) => data.add_assignment(sources.add("-d", text), text)?,
            Mask(text) => data.add_mask(sources.add("--mask", text), text)?,
        }
    }
    Ok(data)
}

fn try_bind(program: &str, said: &[Said<'_>]) -> Result<Bound, Vec<DataError>> {
    let script = unmask::Script::from_source("m.ppl", program).unwrap();
    let model: Model = script.model(Some("m")).unwrap();
    bind(&model.runtime().program, model.id(), &raw(said).map_err(|error| vec![error])?)
}

fn bound(program: &str, said: &[Said<'_>]) -> Bound {
    try_bind(program, said).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The only mistake, and its code.
fn mistake(program: &str, said: &[Said<'_>]) -> (&'static str, DataError) {
    let mut errors = try_bind(program, said).map(|b| b.conditions).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors.remove(0);
    let diagnostic = Diagnostic::from(&error);
    assert_eq!(diagnostic.message, error.to_string());
    (diagnostic.code, error)
}

fn known(bound: &Bound, name: &str, indices: &[i64]) -> Known {
    bound.conditions.lookup(name, indices)
}

fn real(x: f64) -> Known {
    Known::Value(Value::Real(x))
}

#[test]
fn text_that_is_no_json_points_at_the_place() {
    for (text, start, message) in [
        (r#"{"r": }"#, 6, "expected a value, found `}`"),
        (r#"{"r": 1"#, 7, "expected `,` or `}`, found the end"),
        (r#"{"r" 1}"#, 5, "expected `:`, found `1`"),
        (r#"{r: 1}"#, 1, "expected a name in double quotes, found `r`"),
        (r#"{"r": 1} 2"#, 9, "expected nothing after the value, found `2`"),
        (r#"{"r": 1e999}"#, 6, "the number 1e999 is too large for a double"),
        (r#"{"r": "a"#, 8, "expected a closing `\"`, found the end"),
        (r#"{"r": [1 2]}"#, 9, "expected `,` or `]`, found `2`"),
        (r#"{"r": nul}"#, 6, "expected a value, found `nul`"),
        ("", 0, "expected a value, found the end"),
    ] {
        let (code, error) = mistake(KINDS, &[File(text)]);
        let DataError::Json { message: found, span } = error else { panic!("{text}: {error:?}") };
        assert_eq!((code, &*found, span.start as usize), ("E0510", message, start), "{text}");
    }
    let deep = format!("{{\"r\": {}", "[".repeat(100_000));
    assert_eq!(mistake(KINDS, &[File(&deep)]).0, "E0510");
}

#[test]
fn data_are_one_object() {
    let (code, error) = mistake(KINDS, &[File("[1, 2]")]);
    assert_eq!((code, error.to_string()), ("E0511", "data must be one JSON object, not an array of 2 elements".into()));
}

#[test]
fn lines_of_a_file_count_from_one() {
    let text = "{\"r\": 1}\r\n{\"r\": 2.5}\n\n{\"r\": 4}";
    assert_eq!(known(&bound(KINDS, &[Line(text, 2)]), "r", &[]), real(2.5));
    assert_eq!(known(&bound(KINDS, &[Line(text, 4)]), "r", &[]), real(4.0));
    for line in [0, 3, 5, usize::MAX] {
        let (code, error) = mistake(KINDS, &[Line(text, line)]);
        assert!(matches!(error, DataError::NoSuchLine { line: l, lines: 4, .. } if l == line));
        assert_eq!(code, "E0512");
    }
    // Places count from the start of the file, not of the line.
    let (_, error) = mistake(KINDS, &[Line("{}\n{\"r\": x}", 2)]);
    assert!(matches!(error, DataError::Json { span, .. } if span.start == 9), "{error:?}");
}

#[test]
fn assignments_need_a_name_and_a_value() {
    for text in ["r", "=1", "r=", "r= ", "1r=2", "r[=1", "r[x]=1", "r=1 2", "r=[1", "a b=1", "r.=1"] {
        let (code, error) = mistake(KINDS, &[Assignment(text)]);
        assert!(code == "E0513" && matches!(error, DataError::Assignment { .. }), "{text}: {error:?}");
    }
    for text in ["", "1", "r[", "r[1", "r=1"] {
        assert_eq!(mistake(KINDS, &[Mask(text)]).0, "E0513", "{text}");
    }
    assert_eq!(split_name(" s[0].theta[2, 1] "), Some(("s.theta".into(), vec![0, 2, 1])));
    assert_eq!(split_name("s[0][1]"), Some(("s".into(), vec![0, 1])));
    assert_eq!(split_name("s[]"), None);
}

#[test]
fn unknown_names_are_errors_on_the_command_line_and_ignored_in_files() {
    let (code, error) = mistake(REGRESSION, &[Assignment("slop=1")]);
    assert_eq!((code, error.to_string()), ("E0514", "model `m` has no variable `slop`".into()));
    assert!(matches!(error, DataError::UnknownName { near: Some(near), .. } if near == "slope"));
    assert_eq!(mistake(REGRESSION, &[Mask("slop")]).0, "E0514");

    let quiet = bound(REGRESSION, &[File(r#"{"entirely_other": [[1], "x"]}"#)]);
    assert!(quiet.warnings.is_empty() && quiet.conditions.names().next().is_none());
    let warned = bound(REGRESSION, &[File(r#"{"slop": 1}"#)]);
    assert_eq!(warned.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["W0501"]);
    assert_eq!(warned.warnings[0].help.as_deref(), Some("did you mean `slope`?"));
    // What nearly has the name of a variable that has its value is no slip.
    assert!(bound(REGRESSION, &[File(r#"{"slop": 1, "slope": 2}"#)]).warnings.is_empty());
}

#[test]
fn values_need_the_rank_of_their_variable() {
    for (said, message) in [
        ("r=[1, 2]", "`r` needs a real, not an array of 2 elements"),
        ("t=1", "`t` needs an array of real with 2 axes, not the number 1"),
        ("t=[1, 2]", "`t` needs an array of real with 2 axes, not an array of 2 elements"),
        ("t=[[[1]]]", "`t` needs an array of real with 2 axes, not an array of shape 1 × 1 × 1"),
        ("r=[[1, 2], [3]]", "`r` needs a real, not an array of 2 elements of different shapes"),
        ("t=[[1], 2]", "`t[1]` needs an array of real, not the number 2"),
        ("t=[?, ?]", "`t` needs an array of real with 2 axes, not an array of 2 elements"),
    ] {
        let (code, error) = mistake(KINDS, &[Assignment(said)]);
        assert_eq!((code, &*error.to_string()), ("E0515", message), "{said}");
    }
    let deep = format!("t={}1{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(mistake(KINDS, &[Assignment(&deep)]).0, "E0515");
}

#[test]
fn values_need_the_kind_of_their_variable() {
    for (said, expected, message) in [
        ("k=1.5", Base::Int, "`k` needs an int, not 1.5"),
        ("k=1e300", Base::Int, "`k` needs an int, not 1e300"),
        ("k=NaN", Base::Int, "`k` needs an int, not NaN"),
        ("r=true", Base::Real, "`r` needs a real, not true"),
        ("r=\"text\"", Base::Real, "`r` needs a real, not the text \"text\""),
        ("positive=2", Base::Bool, "`positive` needs a bool, not 2"),
        ("t=[[1, 2, 3], [4, true, 6]]", Base::Real, "`t[1, 1]` needs a real, not true"),
    ] {
        let (code, error) = mistake(KINDS, &[Assignment(said)]);
        assert_eq!((code, &*error.to_string()), ("E0516", message), "{said}");
        assert!(matches!(error, DataError::WrongKind { expected: e, .. } if e == expected));
    }
}

#[test]
fn numbers_become_what_the_variable_holds() {
    let bound = bound(KINDS, &[File(r#"{"k": 3.0, "r": 2, "b": true, "positive": 1}"#)]);
    assert_eq!(known(&bound, "k", &[]), Known::Value(Value::Int(3)));
    assert_eq!(known(&bound, "r", &[]), real(2.0));
    assert_eq!(known(&bound, "b", &[]), Known::Value(Value::Int(1)));
    assert_eq!(known(&bound, "positive", &[]), Known::Value(Value::Bool(true)));
}

#[test]
fn spellings_of_numbers_that_json_lacks() {
    for (text, value) in [
        ("\"Infinity\"", f64::INFINITY),
        ("-Infinity", f64::NEG_INFINITY),
        ("\"-inf\"", f64::NEG_INFINITY),
        ("+Inf", f64::INFINITY),
        ("-1.25e-3", -0.001_25),
        ("0.1", 0.1),
    ] {
        assert_eq!(known(&bound(KINDS, &[File(&format!("{{\"r\": {text}}}"))]), "r", &[]), real(value), "{text}");
    }
    let Known::Value(Value::Real(x)) = known(&bound(KINDS, &[Assignment("r=nan")]), "r", &[]) else { panic!() };
    assert!(x.is_nan());
}

#[test]
fn arrays_are_rectangular() {
    let (code, error) = mistake(KINDS, &[Assignment("t=[[1, 2, 3], [4, 5]]")]);
    assert_eq!(code, "E0517");
    assert_eq!(error.to_string(), "`t` is ragged: `t[1]` has 2 elements, where the rows before it have 3");
    // A masked row says nothing of the lengths.
    let bound = bound(KINDS, &[Assignment("t=[?, [4, 5, 6]]")]);
    assert_eq!(known(&bound, "t", &[0, 2]), Known::Masked);
    assert_eq!(known(&bound, "t", &[1, 2]), real(6.0));
}

#[test]
fn objects_name_variables_of_submodels() {
    let both = bound(NESTED, &[File(r#"{"s": [{"ability": 1}, {"ability": null}], "z": 3}"#)]);
    assert_eq!(known(&both, "s.ability", &[0]), real(1.0));
    assert_eq!(known(&both, "s.ability", &[1]), Known::Masked);
    for said in ["s[1].ability=2", "s.ability[1]=2"] {
        let one = bound(NESTED, &[Assignment(said)]);
        assert_eq!(known(&one, "s.ability", &[1]), real(2.0), "{said}");
        assert_eq!(known(&one, "s.ability", &[0]), Known::Absent, "{said}");
    }
    let (code, error) = mistake(NESTED, &[File(r#"{"s": [{"ability": 1}, {}]}"#)]);
    assert_eq!(code, "E0518");
    assert_eq!(error.to_string(), "`s[1]` has no member `ability`, which other elements of `s` have");
    for said in [Assignment("s=1"), Mask("s")] {
        let (code, error) = mistake(NESTED, &[said]);
        assert!(code == "E0521" && matches!(error, DataError::Submodel { example: Some(e), .. } if e == "s.ability"));
    }
}

#[test]
fn omitted_sizes_are_read_off_shapes() {
    let whole = bound(REGRESSION, &[File(r#"{"x": [1, 2, 3], "y": [1, null, 2]}"#)]);
    assert_eq!(known(&whole, "n", &[]), Known::Value(Value::Int(3)));
    // A supplied size wins over longer arrays, and over none.
    assert_eq!(
        known(&bound(REGRESSION, &[File(r#"{"n": 2, "x": [1, 2, 3]}"#)]), "n", &[]),
        Known::Value(Value::Int(2))
    );
    assert_eq!(known(&bound(REGRESSION, &[Mask("y")]), "n", &[]), Known::Absent);

    let (code, error) = mistake(REGRESSION, &[File(r#"{"x": [1, 2, 3], "y": [1]}"#)]);
    let DataError::ContradictorySizes { first_size, second_size, .. } = &error else { panic!("{error:?}") };
    assert_eq!((code, *first_size, *second_size), ("E0519", 3, 1));
    let (code, error) = mistake(REGRESSION, &[File(r#"{"n": 4, "x": [1, 2, 3]}"#)]);
    assert_eq!((code, error.to_string()), ("E0520", "`n` is 4, but `x` has only 3 elements along axis 0".into()));
}

#[test]
fn parameters_of_a_model_cannot_be_masked() {
    let (code, error) = mistake("model m(a: real) { sample x ~ normal(a, 1); }", &[Mask("a")]);
    assert!(code == "E0522" && matches!(error, DataError::CannotMask { .. }), "{error:?}");
}

#[test]
fn elements_exist_in_the_supplied_array() {
    let whole = Assignment("t=[[1, 2, 3], [4, 5, 6]]");
    let mut said = vec![whole, Assignment("t[1, 2]=60"), Mask("t[0]"), Assignment("t[0, 1]=20")];
    let patched = bound(KINDS, &said);
    assert_eq!(known(&patched, "t", &[1, 2]), real(60.0));
    assert_eq!(known(&patched, "t", &[1, 1]), real(5.0));
    assert_eq!(known(&patched, "t", &[0, 0]), Known::Masked);
    assert_eq!(known(&patched, "t", &[0, 1]), real(20.0));
    for wrong in ["t[2, 0]=1", "t[0, 3]=1", "t[-1, 0]=1", "t[0, 0, 0]=1", "t[0]=[1, 2]"] {
        said.push(Assignment(wrong));
        let (code, error) = mistake(KINDS, &said);
        assert!(code == "E0523" && matches!(error, DataError::NoSuchElement { .. }), "{wrong}: {error:?}");
        said.pop();
    }
    for wrong in [Assignment("r[0]=1"), Assignment("t[-1, 0]=1"), Mask("t[0, -1]")] {
        assert_eq!(mistake(KINDS, &[wrong]).0, "E0523");
    }
}

#[test]
fn what_is_drawn_as_a_whole_is_known_as_a_whole() {
    let (code, error) = mistake(KINDS, &[Assignment("p[0]=0.5")]);
    assert!(code == "E0524" && matches!(error, DataError::ElementOfWhole { .. }), "{error:?}");
    assert_eq!(known(&bound(KINDS, &[Assignment("t[0]=[1, ?, 3]")]), "t", &[0, 1]), Known::Masked);
    assert_eq!(known(&bound(KINDS, &[Assignment("t[0]=[1, ?, 3]")]), "t", &[0, 2]), real(3.0));
}

#[test]
fn null_masks_elements_and_wholes() {
    for said in [File(r#"{"y": [1, null, 3]}"#), File(r#"{"y": [1, "?", 3]}"#), Assignment("y=[1, ?, 3]")] {
        let masked = bound(REGRESSION, &[said]);
        assert_eq!(known(&masked, "y", &[0]), real(1.0));
        assert_eq!(known(&masked, "y", &[1]), Known::Masked);
        let Some(Supplied::Partial { missing, .. }) = masked.conditions.get("y") else { panic!() };
        assert_eq!(&missing[..], [false, true, false]);
    }
    for said in [File(r#"{"y": null}"#), Assignment("y=?"), Mask("y")] {
        assert_eq!(bound(REGRESSION, &[said]).conditions.get("y"), Some(&Supplied::Masked));
    }
}

#[test]
fn later_wins_over_earlier() {
    let file = || File(r#"{"r": 1, "k": 2}"#);
    let all = bound(KINDS, &[file(), Assignment("r=5"), File(r#"{"k": 7}"#)]);
    assert_eq!(known(&all, "r", &[]), real(5.0));
    assert_eq!(known(&all, "k", &[]), Known::Value(Value::Int(7)));
    assert_eq!(known(&bound(KINDS, &[Assignment("r=5"), Mask("r")]), "r", &[]), Known::Masked);
    assert_eq!(known(&bound(KINDS, &[Mask("r"), Assignment("r=5")]), "r", &[]), real(5.0));
    // A whole replaces the elements said before it; a mask of the whole stays below those said after it.
    let replaced = bound(KINDS, &[Assignment("t[0, 0]=9"), Assignment("t=[[1, 2, 3], [4, 5, 6]]")]);
    assert_eq!(known(&replaced, "t", &[0, 0]), real(1.0));
    let kept = bound(KINDS, &[Mask("t"), Assignment("t[0, 0]=9")]);
    assert_eq!((known(&kept, "t", &[0, 0]), known(&kept, "t", &[1, 0])), (real(9.0), Known::Masked));
    // But two members of one name in one object are a slip.
    let twice = mistake(KINDS, &[File(r#"{"r": 1, "r": 2}"#)]).1;
    assert!(matches!(twice, DataError::Json { message, .. } if message.contains("twice")));
}

#[test]
fn a_case_is_the_union_of_given_and_observed() {
    let case = r#"{"given": {"x": [1, 2]}, "observed": {"y": [3, 4]}, "latent": {"slope": 9}, "mean": {"slope": 1}}"#;
    let union = bound(REGRESSION, &[File(case)]);
    assert_eq!(known(&union, "n", &[]), Known::Value(Value::Int(2)));
    assert_eq!(known(&union, "y", &[1]), real(4.0));
    // The truth is not data.
    assert_eq!(known(&union, "slope", &[]), Known::Absent);
    // A model may call its variables so.
    let program = "model m { sample given ~ normal(0, 1); observe observed ~ normal(given, 1); }";
    let script = unmask::Script::from_source("m.ppl", program);
    if script.is_ok() {
        let own = bound(program, &[File(r#"{"given": 1, "observed": 2}"#)]);
        assert_eq!(known(&own, "observed", &[]), real(2.0));
    }
}

#[test]
fn values_from_rust_bind_without_places() {
    let mut data = RawData::new();
    assert!(data.is_empty());
    data.add_value("y", vec![Some(1.0), None].into());
    data.add_value("x", [1, 2].into());
    let model = Model::from_source("m.ppl", REGRESSION).unwrap();
    let bound = bind(&model.runtime().program, model.id(), &data).unwrap();
    assert_eq!(known(&bound, "y", &[1]), Known::Masked);
    assert_eq!(known(&bound, "x", &[1]), real(2.0));
    data.add_value("nobody", RawValue::Text(Arc::from("x")));
    let errors = bind(&model.runtime().program, model.id(), &data).unwrap_err();
    assert!(Diagnostic::from(&errors[0]).labels.is_empty());
}

#[test]
fn all_mistakes_are_told_at_once() {
    let errors = try_bind(KINDS, &[Assignment("r=[1]"), Assignment("q=1"), Assignment("k=0.5")]).unwrap_err();
    let codes: Vec<_> = errors.iter().map(|e| Diagnostic::from(e).code).collect();
    assert_eq!(codes, ["E0515", "E0514", "E0516"]);
}
