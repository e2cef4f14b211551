//! Laws for all trees and all texts.

use std::sync::Arc;

use proptest::prelude::*;
use unmask::diagnostic::Diagnostic;
use unmask::span::{Span, Spanned};
use unmask::syntax::ast::*;
use unmask::syntax::{KEYWORDS, SYMBOLS, parse, print, same_syntax, strip_parens};

use super::{FILE, programs, read, render};

fn ident() -> impl Strategy<Value = Ident> {
    "[a-z_][a-z0-9_]{0,6}"
        .prop_filter("keyword", |name| !KEYWORDS.contains(&name.as_str()))
        .prop_map(|name| Spanned::new(Arc::from(name), Span::default()))
}

fn at<T>(node: T) -> Spanned<T> {
    Spanned::new(node, Span::default())
}

fn make(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn name() -> impl Strategy<Value = Expr> {
    ident().prop_map(|name| make(ExprKind::Name(name.node)))
}

fn expression() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (0..=i64::MAX).prop_map(|i| make(ExprKind::Int(i, "".into()))),
        (0i64..30).prop_map(|i| make(ExprKind::Int(i, "".into()))),
        (0.0..f64::MAX).prop_map(|x| make(ExprKind::Real(x, "".into()))),
        (0.0..10.0).prop_map(|x| make(ExprKind::Real(x, "".into()))),
        any::<bool>().prop_map(|b| make(ExprKind::Bool(b))),
        any::<String>().prop_map(|s| make(ExprKind::Str(s.into()))),
        name(),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let list = |n: std::ops::Range<usize>| prop::collection::vec(inner.clone(), n);
        let subscript =
            prop_oneof![
                inner.clone().prop_map(Subscript::Index),
                (prop::option::of(inner.clone()), prop::option::of(inner.clone()))
                    .prop_map(|(lo, hi)| Subscript::Slice(lo, hi, Span::default())),
            ];
        prop_oneof![
            (prop::bool::ANY, boxed())
                .prop_map(|(n, a)| ExprKind::Unary(if n { UnaryOp::Negate } else { UnaryOp::Not }, a)),
            (boxed(), prop::sample::select(&BinaryOp::ALL[..]), boxed()).prop_map(|(a, o, b)| ExprKind::Binary(
                a,
                at(o),
                b
            )),
            (boxed(), boxed(), boxed()).prop_map(|(c, t, e)| ExprKind::If(c, t, e)),
            (boxed(), prop::collection::vec(subscript, 1..3)).prop_map(|(a, s)| ExprKind::Index(a, s)),
            (boxed(), ident()).prop_map(|(a, f)| ExprKind::Field(a, f)),
            (ident(), list(0..4)).prop_map(|(f, a)| ExprKind::Call(f, a)),
            list(0..4).prop_map(ExprKind::Array),
            boxed().prop_map(ExprKind::Paren),
            (inner.clone(), ident(), inner.clone(), inner.clone()).prop_map(|(body, index, lower, upper)| {
                ExprKind::Comprehension(Box::new(Comprehension { body, index, lower, upper }))
            }),
            (
                ident(),
                list(0..3),
                prop::collection::vec((ident(), prop::option::of(inner.clone())), 0..3),
                prop::collection::vec((ident(), inner.clone()), 0..2)
            )
                .prop_map(|(model, arguments, data, options)| {
                    ExprKind::Infer(Box::new(Infer { model, arguments, data, options }))
                }),
        ]
        .prop_map(make)
    })
}

fn path() -> impl Strategy<Value = Expr> {
    (name(), prop::collection::vec(prop_oneof![ident().prop_map(Ok), expression().prop_map(Err)], 0..3)).prop_map(
        |(base, steps)| {
            steps.into_iter().fold(base, |base, step| {
                make(match step {
                    Ok(field) => ExprKind::Field(Box::new(base), field),
                    Err(index) => ExprKind::Index(Box::new(base), vec![Subscript::Index(index)]),
                })
            })
        },
    )
}

fn ty() -> impl Strategy<Value = Option<TypeExpr>> {
    prop::option::of((ident(), prop::collection::vec(expression(), 0..3)).prop_map(|(name, sizes)| TypeExpr {
        name,
        sizes,
        span: Span::default(),
    }))
}

fn annotation() -> impl Strategy<Value = Option<Annotation>> {
    prop::option::of(prop_oneof![expression().prop_map(Annotation::Value), Just(Annotation::Mask(Span::default())),])
}

fn statement() -> impl Strategy<Value = StmtKind> {
    let role = || prop::sample::select(vec![Role::Given, Role::Sample, Role::Observe]);
    let variable = |role: Option<Role>| {
        let distribution = if role.is_some() { 0.7 } else { 0.999_999_999 };
        (
            path(),
            ty(),
            prop::option::weighted(distribution, (expression(), prop::option::of(expression()))),
            annotation(),
        )
            .prop_map(move |(target, ty, d, annotation)| {
                let (distribution, simulate) = d.map_or((None, None), |(d, s)| (Some(d), s));
                let role = role.map(at);
                StmtKind::Variable(Box::new(Variable { role, target, ty, distribution, simulate, annotation }))
            })
    };
    let form = prop::sample::select(vec![
        LetForm::Let,
        LetForm::Bare,
        LetForm::Observe,
        LetForm::Misplaced(Role::Given),
        LetForm::Misplaced(Role::Sample),
    ]);
    let leaf = prop_oneof![
        role().prop_flat_map(move |role| variable(Some(role))),
        variable(None),
        (form, path(), ty(), expression(), annotation()).prop_map(|(form, target, ty, value, annotation)| {
            StmtKind::Let(Box::new(Let { form, target, ty, value, annotation }))
        }),
        expression().prop_map(StmtKind::Factor),
        expression().prop_map(StmtKind::Return),
        (ident(), prop::collection::vec(expression(), 0..4))
            .prop_map(|(f, a)| StmtKind::Expr(make(ExprKind::Call(f, a)))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let body = move || block(inner.clone().boxed());
        let branch = (expression(), body(), prop::option::of((prop::option::of((expression(), body())), body())))
            .prop_map(|(condition, then, otherwise)| {
                let otherwise = otherwise.map(|(middle, last)| match middle {
                    None => Else::Block(last),
                    Some((condition, then)) => {
                        let next = If { condition, then, otherwise: Some(Else::Block(last)) };
                        Else::If(Box::new(next), Span::default())
                    }
                });
                StmtKind::If(Box::new(If { condition, then, otherwise }))
            });
        let repeat = (any::<bool>(), ident(), expression(), expression(), body()).prop_map(
            |(plate, index, lower, upper, body)| StmtKind::For(Box::new(For { plate, index, lower, upper, body })),
        );
        prop_oneof![branch, repeat]
    })
}

fn trivia() -> impl Strategy<Value = Trivia> {
    let comment = || "//[ a-z]{0,8}".prop_map(Arc::from);
    let line = prop_oneof![3 => comment(), 1 => Just(Arc::from(""))];
    (prop::collection::vec(line, 0..3), prop::option::of(comment()), any::<bool>())
        .prop_map(|(leading, trailing, blank_before)| Trivia { leading, trailing, blank_before })
}

fn block(kind: BoxedStrategy<StmtKind>) -> impl Strategy<Value = Block> {
    let statement = (kind, trivia()).prop_map(|(kind, trivia)| Stmt { kind, span: Span::default(), trivia });
    prop::collection::vec(statement, 0..3).prop_map(|statements| Block { statements, ..Block::default() })
}

fn parameters() -> impl Strategy<Value = Vec<Parameter>> {
    prop::collection::vec((ident(), ty()).prop_map(|(name, ty)| Parameter { name, ty }), 0..3)
}

fn file() -> impl Strategy<Value = File> {
    let body = || block(statement().boxed());
    let kind =
        prop_oneof![
            any::<String>().prop_map(|path| ItemKind::Import(at(path.into()))),
            (any::<bool>(), ident(), parameters(), ty(), prop::option::of(body())).prop_map(
                |(library, name, parameters, returns, body)| {
                    ItemKind::Function(Function { library: library || body.is_none(), name, parameters, returns, body })
                }
            ),
            (ident(), parameters(), ty(), body()).prop_map(|(name, parameters, returns, body)| ItemKind::Model(
                Model { name, parameters, returns, body }
            )),
            statement().prop_map(ItemKind::Statement),
        ];
    let item = (kind, trivia()).prop_map(|(kind, trivia)| Item { kind, span: Span::default(), trivia });
    prop::collection::vec(item, 0..4).prop_map(|items| File { items, trailing: Vec::new() })
}

/// What must hold of any text whatever.
fn check_text(text: &str) -> Result<(), TestCaseError> {
    let parsed = parse(FILE, text);
    for error in &parsed.errors {
        let diagnostic = Diagnostic::from(error);
        prop_assert!(!diagnostic.labels.is_empty());
        for label in &diagnostic.labels {
            prop_assert!(text.get(label.span.range()).is_some(), "{:?} of {}", label, diagnostic.message);
        }
    }
    if parsed.errors.is_empty() {
        let once = print(&parsed.file);
        let again = parse(FILE, &once);
        prop_assert!(again.errors.is_empty(), "{once}\n{}", render(&once, &again.errors));
        prop_assert!(same_syntax(&parsed.file, &again.file), "{once}");
        prop_assert_eq!(&print(&again.file), &once);
    }
    Ok(())
}

fn soup() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> =
        KEYWORDS.iter().chain(SYMBOLS).chain(&["x", "n", "3", "2.5", "\"s\"", "\n", "// c\n"]).copied().collect();
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn printed_trees_read_back(file in file()) {
        let text = print(&file);
        let parsed = parse(FILE, &text);
        prop_assert!(parsed.errors.is_empty(), "{text}\n{}", render(&text, &parsed.errors));
        prop_assert!(strip_parens(&file) == strip_parens(&parsed.file), "{text}");
        prop_assert_eq!(&print(&parsed.file), &text);
        let squeezed = text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(&unmask::syntax::format(&squeezed).unwrap(), &text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        check_text(&text)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_text(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_soup_of_tokens_is_read_or_refused(text in soup()) {
        check_text(&text)?;
    }

    #[test]
    fn damaged_programs_are_read_or_refused(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), with in soup(), cut in 0..20usize) {
        let programs = programs("valid");
        let text = &which.get(&programs).1;
        let places: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
        let from = at.index(places.len());
        let to = (from + cut).min(places.len() - 1);
        check_text(&format!("{} {with} {}", &text[..places[from]], &text[places[to]..]))?;
    }
}

#[test]
fn negative_literals_print_as_expressions_of_their_value() {
    let int = |i| make(ExprKind::Int(i, "".into()));
    let real = |x| make(ExprKind::Real(x, "".into()));
    let power = |a| make(ExprKind::Binary(Box::new(a), at(BinaryOp::Power), Box::new(int(2))));
    let shown = |e: Expr| unmask::syntax::print_expression(&e);
    assert_eq!(shown(power(int(-3))), "(-3) ^ 2");
    assert_eq!(shown(power(real(-0.0))), "(-0.0) ^ 2");
    assert_eq!(shown(int(i64::MIN)), "-9223372036854775807 - 1");
    assert_eq!(shown(power(int(i64::MIN))), "(-9223372036854775807 - 1) ^ 2");
    assert_eq!(shown(real(f64::NEG_INFINITY)), "-inf");
    assert_eq!(shown(real(f64::NAN)), "inf - inf");
    assert_eq!(shown(make(ExprKind::Field(Box::new(int(1)), at("x".into())))), "(1).x");
    read(&format!("let x = {};", shown(power(int(i64::MIN)))));
}
