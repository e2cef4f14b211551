//! Random programs: valid, formatted, within their limits, and such that a network can learn from them.

use std::collections::BTreeSet;

use unmask::foundation::{AnchorKind, Encoding, Example, ExampleOptions, Vocabulary};
use unmask::generator::{FAMILIES, Generated, generate};
use unmask::runtime::random_stream;
use unmask::trace::Mask;
use unmask::{Data, Model};

/// Programs of each family.
const EACH: u64 = 12;

fn all() -> impl Iterator<Item = (usize, Generated)> {
    let own = FAMILIES
        .iter()
        .enumerate()
        .flat_map(|(f, family)| (0..EACH).map(move |i| (f, generate(5, i + 1_000 * f as u64, Some(family.name)))));
    own.chain((0..100).map(|i| (usize::MAX, generate(6, i, None))))
}

#[test]
fn random_programs_are_valid_formatted_and_different() {
    let mut seen = BTreeSet::new();
    for (_, program) in all() {
        let source = &program.source;
        let model = Model::from_source("generated.ppl", source).unwrap_or_else(|e| panic!("{e}\n{source}"));
        assert!(model.script().warnings().is_empty(), "{source}");
        assert_eq!(&unmask::syntax::format(source).unwrap(), source);
        assert!(source.contains("sample ") && source.contains("observe "), "{source}");
        seen.insert(source.clone());
    }
    assert_eq!(seen.len(), all().count());
    assert_eq!(generate(5, 3, None), generate(5, 3, None));
}

#[test]
fn executions_of_random_programs_are_examples() {
    let encoding = Encoding::Lexeme(Vocabulary::lexeme(&["rosenbrock"]));
    let options = ExampleOptions { anchors: AnchorKind::Laplace, mask: Some(Mask::Role), corrupted: 0.0 };
    let mut made = vec![0; FAMILIES.len()];
    for (family, program) in all() {
        let model = Model::from_source("generated.ppl", &program.source).unwrap();
        let target = model.target(&Data::new()).unwrap();
        let example = Example::draw(&target, &encoding, 1_024, &options, &mut random_stream(3, 1));
        match example {
            Ok(example) => {
                assert!(example.targets.len() <= 40, "{} elements\n{}", example.targets.len(), program.source);
                if let Some(made) = made.get_mut(family) {
                    *made += 1;
                }
            }
            // Its simulation must not fail.
            Err(unmask::foundation::FoundationError::Runtime(error)) => panic!("{error}\n{}", program.source),
            Err(_) => {}
        }
    }
    for (made, family) in made.into_iter().zip(&FAMILIES) {
        assert!(5 * made >= 4 * EACH, "{made} examples of {EACH} programs of `{}`", family.name);
    }
}
