//! Walks over syntax trees: implement [`Visitor`] for what is of interest, and let the `walk_` functions find it.

use super::ast::*;

/// Called for every node, in source order. Each method walks on into the children unless it is overridden; an
/// overriding method calls the `walk_` function of the same name to go deeper.
///
/// ```
/// use unmask::{span::FileId, syntax::{ast::*, parse_expression, visit::{Visitor, walk_expression}}};
///
/// #[derive(Default)]
/// struct Names(Vec<String>);
///
/// impl Visitor for Names {
///     fn expression(&mut self, e: &Expr) {
///         if let ExprKind::Name(name) = &e.kind {
///             self.0.push(name.to_string());
///         }
///         walk_expression(self, e);
///     }
/// }
///
/// let mut names = Names::default();
/// names.expression(&parse_expression(FileId(0), "a + f(b[i])").unwrap());
/// assert_eq!(names.0, ["a", "b", "i"]);
/// ```
pub trait Visitor {
    /// An item.
    fn item(&mut self, item: &Item) {
        walk_item(self, item);
    }

    /// A function.
    fn function(&mut self, function: &Function) {
        walk_function(self, function);
    }

    /// A model.
    fn model(&mut self, model: &Model) {
        walk_model(self, model);
    }

    /// A parameter of a function or model.
    fn parameter(&mut self, parameter: &Parameter) {
        if let Some(ty) = &parameter.ty {
            self.type_expression(ty);
        }
    }

    /// A written type.
    fn type_expression(&mut self, ty: &TypeExpr) {
        for size in &ty.sizes {
            self.expression(size);
        }
    }

    /// A block.
    fn block(&mut self, block: &Block) {
        for statement in &block.statements {
            self.statement(statement);
        }
    }

    /// A statement of a block.
    fn statement(&mut self, statement: &Stmt) {
        self.statement_kind(&statement.kind);
    }

    /// A statement of a block or of the script.
    fn statement_kind(&mut self, kind: &StmtKind) {
        walk_statement_kind(self, kind);
    }

    /// An expression.
    fn expression(&mut self, e: &Expr) {
        walk_expression(self, e);
    }
}

/// All items of a file.
pub fn walk_file<V: Visitor + ?Sized>(visitor: &mut V, file: &File) {
    for item in &file.items {
        visitor.item(item);
    }
}

/// The children of an item.
pub fn walk_item<V: Visitor + ?Sized>(visitor: &mut V, item: &Item) {
    match &item.kind {
        ItemKind::Import(_) => {}
        ItemKind::Function(function) => visitor.function(function),
        ItemKind::Model(model) => visitor.model(model),
        ItemKind::Statement(kind) => visitor.statement_kind(kind),
    }
}

/// The children of a function.
pub fn walk_function<V: Visitor + ?Sized>(visitor: &mut V, function: &Function) {
    function.parameters.iter().for_each(|p| visitor.parameter(p));
    function.returns.iter().for_each(|ty| visitor.type_expression(ty));
    function.body.iter().for_each(|body| visitor.block(body));
}

/// The children of a model.
pub fn walk_model<V: Visitor + ?Sized>(visitor: &mut V, model: &Model) {
    model.parameters.iter().for_each(|p| visitor.parameter(p));
    model.returns.iter().for_each(|ty| visitor.type_expression(ty));
    visitor.block(&model.body);
}

/// The children of a statement.
pub fn walk_statement_kind<V: Visitor + ?Sized>(visitor: &mut V, kind: &StmtKind) {
    match kind {
        StmtKind::Variable(variable) => {
            visitor.expression(&variable.target);
            variable.ty.iter().for_each(|ty| visitor.type_expression(ty));
            variable.distribution.iter().chain(&variable.simulate).for_each(|e| visitor.expression(e));
            walk_annotation(visitor, variable.annotation.as_ref());
        }
        StmtKind::Let(definition) => {
            visitor.expression(&definition.target);
            definition.ty.iter().for_each(|ty| visitor.type_expression(ty));
            visitor.expression(&definition.value);
            walk_annotation(visitor, definition.annotation.as_ref());
        }
        StmtKind::If(branch) => walk_if(visitor, branch),
        StmtKind::For(repeat) => {
            visitor.expression(&repeat.lower);
            visitor.expression(&repeat.upper);
            visitor.block(&repeat.body);
        }
        StmtKind::Factor(e) | StmtKind::Return(e) | StmtKind::Expr(e) => visitor.expression(e),
        StmtKind::Error => {}
    }
}

/// The children of an `if` statement and of all its `else if`.
pub fn walk_if<V: Visitor + ?Sized>(visitor: &mut V, branch: &If) {
    let mut branch = branch;
    loop {
        visitor.expression(&branch.condition);
        visitor.block(&branch.then);
        match &branch.otherwise {
            None => return,
            Some(Else::Block(block)) => return visitor.block(block),
            Some(Else::If(next, _)) => branch = next,
        }
    }
}

fn walk_annotation<V: Visitor + ?Sized>(visitor: &mut V, annotation: Option<&Annotation>) {
    match annotation {
        Some(Annotation::Value(e)) => visitor.expression(e),
        Some(Annotation::Mask(_)) | None => {}
    }
}

/// The children of an expression. Grows the stack where needed, as trees may be deep.
pub fn walk_expression<V: Visitor + ?Sized>(visitor: &mut V, e: &Expr) {
    stacker::maybe_grow(super::RED_ZONE, super::STACK_PIECE, || match &e.kind {
        ExprKind::Int(..)
        | ExprKind::Real(..)
        | ExprKind::Bool(_)
        | ExprKind::Str(_)
        | ExprKind::Name(_)
        | ExprKind::Error => {}
        ExprKind::Unary(_, a) | ExprKind::Field(a, _) | ExprKind::Paren(a) => visitor.expression(a),
        ExprKind::Binary(a, _, b) => {
            visitor.expression(a);
            visitor.expression(b);
        }
        ExprKind::If(c, t, e) => [c, t, e].into_iter().for_each(|e| visitor.expression(e)),
        ExprKind::Index(a, subscripts) => {
            visitor.expression(a);
            for subscript in subscripts {
                match subscript {
                    Subscript::Index(e) => visitor.expression(e),
                    Subscript::Slice(lo, hi, _) => lo.iter().chain(hi).for_each(|e| visitor.expression(e)),
                }
            }
        }
        ExprKind::Call(_, arguments) | ExprKind::Array(arguments) => {
            arguments.iter().for_each(|e| visitor.expression(e));
        }
        ExprKind::Comprehension(c) => {
            [&c.body, &c.lower, &c.upper].into_iter().for_each(|e| visitor.expression(e));
        }
        ExprKind::Infer(infer) => {
            infer.arguments.iter().for_each(|e| visitor.expression(e));
            infer.data.iter().filter_map(|(_, e)| e.as_ref()).for_each(|e| visitor.expression(e));
            infer.options.iter().for_each(|(_, e)| visitor.expression(e));
        }
    });
}
