//! From trees to text: the formatter, and how programs that were made by programs are written down.
//!
//! Parentheses of the source are nodes of the tree and stay; where a tree made otherwise needs them, they are put in.

use std::sync::Arc;

use super::ast::*;
use super::error::SyntaxError;
use super::layout::{Output, Sequence};
use super::parser::parse;
use crate::span::FileId;
use crate::value::format_real;

/// Formats a program: one statement a line, four spaces a level, comments and spelling of literals as they are.
///
/// # Errors
///
/// All mistakes in `text`, which is then left as it is.
///
/// ```
/// let text = unmask::syntax::format("model m{sample x~normal(0,1);}// end").unwrap();
/// assert_eq!(text, "model m {\n    sample x ~ normal(0, 1);\n} // end\n");
/// ```
pub fn format(text: &str) -> Result<String, Vec<SyntaxError>> {
    let parsed = parse(FileId::default(), text);
    if parsed.errors.is_empty() { Ok(print(&parsed.file)) } else { Err(parsed.errors) }
}

/// Writes a file in the canonical layout. Parsing the text gives the same tree, up to parentheses that were put in, if
/// the file has no [`StmtKind::Error`] or [`ExprKind::Error`], which print as `<error>`.
pub fn print(file: &File) -> String {
    let mut out = Output::default();
    for (i, item) in file.items.iter().enumerate() {
        leading(&mut out, &item.trivia, 0, i == 0);
        out.begin_line(0);
        print_item(&mut out, &item.kind);
        trailing(&mut out, &item.trivia);
    }
    comments(&mut out, &file.trailing, 0, file.items.is_empty());
    out.finish()
}

/// Writes an expression, broken inside brackets where it is longer than a line.
///
/// ```
/// use unmask::{span::FileId, syntax::{parse_expression, print_expression}};
/// let e = parse_expression(FileId(0), "a+b*( c-1.50 )").unwrap();
/// assert_eq!(print_expression(&e), "a + b * (c - 1.50)");
/// ```
pub fn print_expression(e: &Expr) -> String {
    let mut out = Output::default();
    out.write(&sequence(e), 0, 0);
    out.finish()
}

/// Writes a statement with its comments, without a line break at its end.
pub fn print_statement(statement: &Stmt) -> String {
    let mut out = Output::default();
    print_full_statement(&mut out, statement, 0, true);
    let mut text = out.finish();
    text.truncate(text.trim_end().len());
    text
}

// ---- comments

fn leading(out: &mut Output, trivia: &Trivia, level: usize, first: bool) {
    if trivia.blank_before && !first {
        out.empty_line();
    }
    comments(out, &trivia.leading, level, true);
}

fn trailing(out: &mut Output, trivia: &Trivia) {
    let text = trivia.trailing.iter().flat_map(|c| c.lines()).filter(|l| !l.trim().is_empty()).collect::<Vec<_>>();
    if !text.is_empty() {
        out.push(" ");
        out.push(&comment(&text.join(" ")));
    }
    out.end_line();
}

/// Lines of comments; `first` where an empty line would be the first of its block.
fn comments(out: &mut Output, lines: &[Arc<str>], level: usize, first: bool) {
    let mut any = !first;
    let mut blank = false;
    for line in lines.iter().flat_map(|c| if c.is_empty() { vec![""] } else { c.lines().collect() }) {
        if line.trim().is_empty() {
            if any && !blank {
                out.empty_line();
            }
            blank = true;
        } else {
            out.begin_line(level);
            out.push(&comment(line));
            out.end_line();
            (any, blank) = (true, false);
        }
    }
}

fn comment(text: &str) -> String {
    let text = text.trim();
    if text.starts_with("//") { text.into() } else { format!("// {text}") }
}

// ---- items and statements

fn print_item(out: &mut Output, kind: &ItemKind) {
    match kind {
        ItemKind::Import(path) => out.push(&format!("import {};", quote(&path.node))),
        ItemKind::Function(function) => {
            let keyword = if function.library { "library fn " } else { "fn " };
            let mut head = Sequence::default();
            head.text(keyword);
            head.text(&function.name.node);
            parameters(&mut head, &function.parameters);
            returns(&mut head, function.returns.as_ref());
            match &function.body {
                Some(body) => {
                    out.write(&head, 0, 2);
                    print_block(out, body, 0);
                }
                None => {
                    out.write(&head, 0, 1);
                    out.push(";");
                }
            }
        }
        ItemKind::Model(model) => {
            let mut head = Sequence::default();
            head.text("model ");
            head.text(&model.name.node);
            if !model.parameters.is_empty() {
                parameters(&mut head, &model.parameters);
            }
            returns(&mut head, model.returns.as_ref());
            out.write(&head, 0, 2);
            print_block(out, &model.body, 0);
        }
        ItemKind::Statement(kind) => print_statement_kind(out, kind, 0),
    }
}

fn parameters(into: &mut Sequence, parameters: &[Parameter]) {
    let items = parameters
        .iter()
        .map(|parameter| {
            let mut item = Sequence::default();
            item.text(&parameter.name.node);
            ascription(&mut item, parameter.ty.as_ref());
            item
        })
        .collect();
    into.brackets("(", items, ")");
}

fn returns(into: &mut Sequence, ty: Option<&TypeExpr>) {
    if let Some(ty) = ty {
        into.text(" -> ");
        type_expression(into, ty);
    }
}

fn ascription(into: &mut Sequence, ty: Option<&TypeExpr>) {
    if let Some(ty) = ty {
        into.text(": ");
        type_expression(into, ty);
    }
}

fn type_expression(into: &mut Sequence, ty: &TypeExpr) {
    into.text(&ty.name.node);
    if !ty.sizes.is_empty() {
        into.brackets("[", ty.sizes.iter().map(sequence).collect(), "]");
    }
}

/// ` {`, the statements, and `}`.
fn print_block(out: &mut Output, block: &Block, level: usize) {
    if block.statements.is_empty() && block.trailing.iter().all(|c| c.trim().is_empty()) {
        out.push(" {}");
        return;
    }
    out.push(" {");
    out.end_line();
    for (i, statement) in block.statements.iter().enumerate() {
        print_full_statement(out, statement, level + 1, i == 0);
    }
    comments(out, &block.trailing, level + 1, block.statements.is_empty());
    out.begin_line(level);
    out.push("}");
}

fn print_full_statement(out: &mut Output, statement: &Stmt, level: usize, first: bool) {
    leading(out, &statement.trivia, level, first);
    out.begin_line(level);
    print_statement_kind(out, &statement.kind, level);
    trailing(out, &statement.trivia);
}

fn print_statement_kind(out: &mut Output, kind: &StmtKind, level: usize) {
    stacker::maybe_grow(super::RED_ZONE, super::STACK_PIECE, || match kind {
        StmtKind::Variable(variable) => print_variable(out, variable, level),
        StmtKind::Let(definition) => print_let(out, definition, level),
        StmtKind::If(branch) => {
            let mut branch = branch;
            loop {
                let mut head = Sequence::default();
                head.text("if ");
                operand(&mut head, &branch.condition, DISJUNCTION);
                out.write(&head, level, 2);
                print_block(out, &branch.then, level);
                match &branch.otherwise {
                    None => return,
                    Some(Else::Block(block)) => {
                        out.push(" else");
                        return print_block(out, block, level);
                    }
                    Some(Else::If(next, _)) => {
                        out.push(" else ");
                        branch = next;
                    }
                }
            }
        }
        StmtKind::For(repeat) => {
            let mut head = Sequence::default();
            head.text(if repeat.plate { "plate " } else { "for " });
            range(&mut head, &repeat.index, &repeat.lower, &repeat.upper);
            out.write(&head, level, 2);
            print_block(out, &repeat.body, level);
        }
        StmtKind::Factor(e) => print_line(out, "factor ", e, level),
        StmtKind::Return(e) => print_line(out, "return ", e, level),
        StmtKind::Expr(e) => print_line(out, "", e, level),
        StmtKind::Error => out.push("<error>"),
    });
}

fn print_line(out: &mut Output, keyword: &str, e: &Expr, level: usize) {
    let mut line = Sequence::default();
    line.text(keyword);
    operand(&mut line, e, 0);
    line.text(";");
    out.write(&line, level, 0);
}

fn print_variable(out: &mut Output, variable: &Variable, level: usize) {
    let mut line = Sequence::default();
    if let Some(role) = &variable.role {
        line.text(role.node.name());
        line.text(" ");
    }
    operand(&mut line, &variable.target, 0);
    ascription(&mut line, variable.ty.as_ref());
    for (sign, e) in [(" ~ ", &variable.distribution), (" simulate ", &variable.simulate)] {
        if let Some(e) = e {
            line.text(sign);
            operand(&mut line, e, 0);
        }
    }
    annotation(&mut line, variable.annotation.as_ref());
    line.text(";");
    out.write(&line, level, 0);
}

fn print_let(out: &mut Output, definition: &Let, level: usize) {
    let mut line = Sequence::default();
    line.text(match definition.form {
        LetForm::Let => "let ",
        LetForm::Bare => "",
        LetForm::Observe | LetForm::Misplaced(Role::Observe) => "observe ",
        LetForm::Misplaced(Role::Given) => "given ",
        LetForm::Misplaced(Role::Sample) => "sample ",
    });
    operand(&mut line, &definition.target, 0);
    ascription(&mut line, definition.ty.as_ref());
    line.text(" = ");
    operand(&mut line, &definition.value, 0);
    annotation(&mut line, definition.annotation.as_ref());
    line.text(";");
    out.write(&line, level, 0);
}

fn annotation(into: &mut Sequence, annotation: Option<&Annotation>) {
    match annotation {
        Some(Annotation::Value(e)) => {
            into.text(" @ ");
            operand(into, e, 0);
        }
        Some(Annotation::Mask(_)) => into.text(" @ ?"),
        None => {}
    }
}

fn range(into: &mut Sequence, index: &Ident, lower: &Expr, upper: &Expr) {
    into.text(&index.node);
    into.text(" in ");
    operand(into, lower, 0);
    into.text("..");
    operand(into, upper, 0);
}

// ---- expressions

/// How tightly expressions bind, beyond [`BinaryOp::precedence`].
const DISJUNCTION: u8 = 1;
const UNARY: u8 = 6;
const POSTFIX: u8 = 8;
const ATOM: u8 = 9;

fn precedence(e: &Expr) -> u8 {
    match &e.kind {
        ExprKind::If(..) => 0,
        ExprKind::Binary(_, operator, _) => operator.node.precedence(),
        ExprKind::Unary(..) => UNARY,
        // Those without a literal print as differences.
        ExprKind::Int(i64::MIN, spelling) if spelling.is_empty() => BinaryOp::Subtract.precedence(),
        ExprKind::Real(x, spelling) if spelling.is_empty() && x.is_nan() => BinaryOp::Subtract.precedence(),
        ExprKind::Int(i, spelling) if spelling.is_empty() && *i < 0 => UNARY,
        ExprKind::Real(x, spelling) if spelling.is_empty() && x.is_sign_negative() => UNARY,
        ExprKind::Index(..) | ExprKind::Field(..) => POSTFIX,
        ExprKind::Int(..)
        | ExprKind::Real(..)
        | ExprKind::Bool(_)
        | ExprKind::Str(_)
        | ExprKind::Name(_)
        | ExprKind::Call(..)
        | ExprKind::Array(_)
        | ExprKind::Comprehension(_)
        | ExprKind::Infer(_)
        | ExprKind::Paren(_)
        | ExprKind::Error => ATOM,
    }
}

fn sequence(e: &Expr) -> Sequence {
    let mut sequence = Sequence::default();
    operand(&mut sequence, e, 0);
    sequence
}

/// Writes `e` where something that binds at least as tightly as `least` must stand.
fn operand(into: &mut Sequence, e: &Expr, least: u8) {
    stacker::maybe_grow(super::RED_ZONE, super::STACK_PIECE, || {
        if precedence(e) < least {
            into.brackets("(", vec![sequence(e)], ")");
        } else {
            bare(into, e);
        }
    });
}

fn bare(into: &mut Sequence, e: &Expr) {
    match &e.kind {
        ExprKind::Int(i, spelling) if spelling.is_empty() => match i {
            // No literal reaches the smallest integer.
            &i64::MIN => into.text("-9223372036854775807 - 1"),
            i => into.text(&i.to_string()),
        },
        ExprKind::Real(x, spelling) if spelling.is_empty() => {
            if x.is_nan() {
                into.text("inf - inf");
            } else {
                into.text(&format_real(*x));
            }
        }
        ExprKind::Int(_, spelling) | ExprKind::Real(_, spelling) => into.text(spelling),
        ExprKind::Bool(value) => into.text(if *value { "true" } else { "false" }),
        ExprKind::Str(text) => into.text(&quote(text)),
        ExprKind::Name(name) => into.text(name),
        ExprKind::Unary(operator, a) => {
            into.text(operator.symbol());
            operand(into, a, UNARY);
        }
        ExprKind::Binary(a, operator, b) => {
            let own = operator.node.precedence();
            let (left, right) = match operator.node {
                BinaryOp::Power => (POSTFIX, UNARY),
                BinaryOp::Equal
                | BinaryOp::NotEqual
                | BinaryOp::Less
                | BinaryOp::LessEqual
                | BinaryOp::Greater
                | BinaryOp::GreaterEqual => (own + 1, own + 1),
                BinaryOp::Or
                | BinaryOp::And
                | BinaryOp::Add
                | BinaryOp::Subtract
                | BinaryOp::Multiply
                | BinaryOp::Divide
                | BinaryOp::Remainder => (own, own + 1),
            };
            operand(into, a, left);
            into.text(" ");
            into.text(operator.node.symbol());
            into.text(" ");
            operand(into, b, right);
        }
        ExprKind::If(condition, then, otherwise) => {
            into.text("if ");
            operand(into, condition, DISJUNCTION);
            into.text(" then ");
            operand(into, then, DISJUNCTION);
            into.text(" else ");
            operand(into, otherwise, 0);
        }
        ExprKind::Index(a, subscripts) => {
            operand(into, a, POSTFIX);
            into.brackets("[", subscripts.iter().map(subscript).collect(), "]");
        }
        ExprKind::Field(a, name) => {
            // `1.x` is no field.
            let number = matches!(a.kind, ExprKind::Int(..) | ExprKind::Real(..));
            operand(into, a, if number { ATOM + 1 } else { POSTFIX });
            into.text(".");
            into.text(&name.node);
        }
        ExprKind::Call(name, arguments) => {
            into.text(&name.node);
            into.brackets("(", arguments.iter().map(sequence).collect(), ")");
        }
        ExprKind::Array(elements) => into.brackets("[", elements.iter().map(sequence).collect(), "]"),
        ExprKind::Comprehension(c) => {
            let mut item = sequence(&c.body);
            item.text(" for ");
            range(&mut item, &c.index, &c.lower, &c.upper);
            into.brackets("[", vec![item], "]");
        }
        ExprKind::Infer(infer) => {
            into.text("infer ");
            into.text(&infer.model.node);
            if !infer.arguments.is_empty() {
                into.brackets("(", infer.arguments.iter().map(sequence).collect(), ")");
            }
            into.text(" ");
            into.brackets("{", infer.data.iter().map(|(name, e)| entry(name, e.as_ref())).collect(), "}");
            if !infer.options.is_empty() {
                into.text(" with ");
                into.brackets("{", infer.options.iter().map(|(name, e)| entry(name, Some(e))).collect(), "}");
            }
        }
        ExprKind::Paren(inner) => into.brackets("(", vec![sequence(inner)], ")"),
        ExprKind::Error => into.text("<error>"),
    }
}

fn subscript(subscript: &Subscript) -> Sequence {
    match subscript {
        Subscript::Index(e) => sequence(e),
        Subscript::Slice(lo, hi, _) => {
            let mut item = Sequence::default();
            lo.iter().for_each(|e| operand(&mut item, e, 0));
            item.text("..");
            hi.iter().for_each(|e| operand(&mut item, e, 0));
            item
        }
    }
}

fn entry(name: &Ident, e: Option<&Expr>) -> Sequence {
    let mut item = Sequence::default();
    item.text(&name.node);
    item.text(": ");
    match e {
        Some(e) => operand(&mut item, e, 0),
        None => item.text("?"),
    }
    item
}

/// A string literal for `text`.
fn quote(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            '\r' => literal.push_str("\\r"),
            c if c.is_control() => literal.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}
