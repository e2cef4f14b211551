//! Random programs: valid, formatted, within their limits, and such that a network can learn from them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use unmask::foundation::{AnchorKind, Encoding, Example, ExampleOptions, FoundationError, Vocabulary};
use unmask::generator::{FAMILIES, Family, Generated, exercise, generate};
use unmask::infer::Query;
use unmask::runtime::random_stream;
use unmask::span::FileId;
use unmask::trace::Mask;
use unmask::{Data, Model, TraceOptions};

/// Programs of each family, and of any.
const EACH: u64 = 22;
const ANY: u64 = 140;

/// Executions of each.
const EXECUTIONS: u64 = 5;

/// Programs, those of one family with its number.
fn all(each: u64, any: u64) -> impl Iterator<Item = (Option<usize>, Generated)> {
    let own = FAMILIES.iter().enumerate().flat_map(move |(f, family)| {
        (0..each).map(move |i| (Some(f), generate(5, i + 1_000 * f as u64, Some(family.name))))
    });
    own.chain((0..any).map(|i| (None, generate(6, i, None))))
}

fn model(program: &Generated) -> Model {
    Model::from_source("generated.ppl", &program.source).unwrap_or_else(|e| panic!("{e}\n{}", program.source))
}

#[test]
fn random_programs_are_valid_formatted_and_different() {
    let (mut seen, mut n) = (BTreeSet::new(), 0);
    for (_, program) in all(EACH, ANY) {
        let source = &program.source;
        assert!(model(&program).script().warnings().is_empty(), "{source}");
        assert_eq!(&unmask::syntax::format(source).unwrap(), source);
        assert!(source.contains("sample ") && source.contains("observe "), "{source}");
        seen.insert(program.source);
        n += 1;
    }
    assert!(n >= 600);
    assert_eq!(seen.len(), n);
}

#[test]
fn a_random_program_is_a_function_of_seed_index_and_family() {
    assert_eq!(generate(5, 3, None), generate(5, 3, None));
    assert_eq!(generate(5, 3, Some("curve")), generate(5, 3, Some("curve")));
    assert_ne!(generate(5, 3, None).source, generate(5, 4, None).source);
    assert_ne!(generate(5, 3, None).source, generate(6, 3, None).source);
    assert!((0..20).all(|i| generate(0, i, Some("walk")).family == "walk"));
    let families: BTreeSet<&str> = (0..400).map(|i| generate(0, i, None).family).collect();
    assert_eq!(families.len(), FAMILIES.len());
}

#[test]
fn exercises_lean_on_what_is_hard() {
    let hard: Vec<&str> = FAMILIES.iter().filter(|f| f.difficulty >= 30).map(|f| f.name).collect();
    let count = |write: &dyn Fn(u64) -> Generated| (0..1_000).filter(|i| hard.contains(&write(*i).family)).count();
    let (plain, leaning) = (count(&|i| generate(0, i, None)), count(&|i| exercise(0, i)));
    assert!(hard.len() > 3 && leaning > plain + 40, "{plain} {leaning}");
    // Each as often as it is to be: up to four times as often where it is hard.
    let expected = |weight: &dyn Fn(&Family) -> usize| {
        let of =
            |wanted: bool| FAMILIES.iter().filter(move |f| !wanted || f.difficulty >= 30).map(weight).sum::<usize>();
        of(true) as f64 / of(false) as f64
    };
    for (count, share) in
        [(plain, expected(&|f| f.weight)), (leaning, expected(&|f| f.weight * (100 + 3 * f.difficulty)))]
    {
        let error = (1_000.0 * share * (1.0 - share)).sqrt();
        assert!((count as f64 - 1_000.0 * share).abs() < 4.0 * error, "{count} of 1,000, {share}");
    }
    assert_eq!(exercise(3, 4), exercise(3, 4));
}

#[test]
fn random_programs_can_be_simulated_and_are_small() {
    let (mut executions, mut failed) = (0, 0);
    for (_, program) in all(EACH, ANY) {
        let (model, mut fine) = (model(&program), 0);
        for seed in 0..EXECUTIONS {
            executions += 1;
            let Ok((traces, _, _)) = model.trace(&Data::new(), &TraceOptions { seed, ..TraceOptions::default() })
            else {
                failed += 1;
                continue;
            };
            fine += 1;
            let text = traces[0].text();
            assert!(text.matches("@ ?").count() <= 40, "{text}");
            // Of a long plate, which has no latents, six iterations count.
            let counts = |line: &&str| {
                let known = line.split_once(" ~ ").filter(|(_, rest)| program.has_long_plate && !rest.contains("@ ?"));
                let subscript =
                    known.and_then(|(name, _)| name.split_once('[')?.1.split_once(']')?.0.parse::<u32>().ok());
                subscript.is_none_or(|i| i < 6)
            };
            let text = text.split_inclusive(';').filter(counts).collect::<String>();
            let lexemes = unmask::syntax::lex(FileId::default(), &text).tokens.len();
            assert!(lexemes <= 512, "{lexemes} lexemes\n{text}");
            // Long statements take several lines.
            assert!(text.matches(';').count() <= 50, "{text}");
        }
        assert!(fine > 0, "{}", program.source);
    }
    assert!(50 * failed <= executions, "{failed} of {executions} executions fail");
}

#[test]
fn executions_of_random_programs_are_examples() {
    let encoding = Encoding::Lexeme(Vocabulary::lexeme(&["rosenbrock"]));
    let options = ExampleOptions { anchors: AnchorKind::Laplace, mask: Some(Mask::Role), corrupted: 0.0, cut: 0.0 };
    // Of each family: programs that compile, and that make an example.
    let (each, mut compiled, mut made) = (10, vec![0; FAMILIES.len()], vec![0; FAMILIES.len()]);
    for (family, program) in all(each, 100) {
        let target = model(&program).target(&Data::new()).unwrap();
        let mut tracer = unmask::trace::Tracer::new(&target.runtime, target.model, &target.conditions, None);
        let mut rng = random_stream(3, 1);
        let Ok(trace) = tracer.execution(&mut rng) else { continue };
        let conditions = Mask::Role.conditions(&trace, &target.conditions, &mut rng);
        let query = unmask::infer::TargetRef { conditions: &conditions, ..target.borrow() };
        let compiles = Query::for_anchors::<FoundationError>(query, 1).is_ok();
        let example = Example::draw(&target, &encoding, 1_024, &options, &mut random_stream(3, 1));
        if let Ok(example) = &example {
            assert!(example.targets.len() <= 40, "{} elements\n{}", example.targets.len(), program.source);
        }
        if let Some(family) = family {
            compiled[family] += u64::from(compiles);
            made[family] += u64::from(example.is_ok());
        }
    }
    for (f, family) in FAMILIES.iter().enumerate() {
        assert!(5 * compiled[f] >= 4 * each, "{} of {each} programs of `{}` compile", compiled[f], family.name);
        assert!(5 * made[f] >= 4 * each, "{} examples of {each} programs of `{}`", made[f], family.name);
    }
}

#[test]
fn a_program_of_each_family() {
    let mut text = String::new();
    for (i, family) in (0..).zip(&FAMILIES) {
        let _ = writeln!(text, "// {}: {}\n{}", family.name, family.help, generate(1, i, Some(family.name)).source);
    }
    insta::assert_snapshot!(text);
}
