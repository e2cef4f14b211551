//! The core program as text, for `--emit core`: one construct a line, slots as `name#number`.

use std::fmt::Write;

use super::core::{
    Annotation, Argument, Block, Distribution, DistributionKind, Expr, ExprKind, Parameter, Program, Size, Slot,
    SlotId, Stmt, StmtKind, Subscript, Summary, Target, Type, VariableKind,
};
use crate::value::Value;

/// The program in words.
pub fn dump(program: &Program) -> String {
    let mut dumper = Dumper { program, frame: &[], text: String::new(), depth: 0 };
    dumper.program();
    dumper.text
}

struct Dumper<'p> {
    program: &'p Program,
    frame: &'p [Slot],
    text: String,
    depth: usize,
}

impl<'p> Dumper<'p> {
    fn line(&mut self, line: &str) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn program(&mut self) {
        for function in &self.program.functions {
            self.frame = &function.frame;
            let library = if function.library { "library " } else { "" };
            let sizes: Vec<String> = function.return_sizes.iter().map(|s| self.expr(s)).collect();
            let sizes = if sizes.is_empty() { String::new() } else { format!(" sizes [{}]", sizes.join(", ")) };
            let parameters = self.parameters(&function.parameters);
            self.line(&format!("{library}fn {}({parameters}) -> {}{sizes}", function.name, function.returns));
            match &function.body {
                Some(body) => self.block(body),
                None => self.line("  registered"),
            }
        }
        for (index, model) in self.program.models.iter().enumerate() {
            self.frame = &model.frame;
            let entry = if self.program.entry_models.iter().any(|id| id.0 == index) { "entry " } else { "" };
            let returns = model.returns.map_or_else(String::new, |ty| format!(" -> {ty}"));
            let parameters = self.parameters(&model.parameters);
            self.line(&format!("{entry}model {}({parameters}){returns}", model.name));
            self.depth += 1;
            for variable in &model.variables {
                let kind = match variable.kind {
                    VariableKind::Parameter => "parameter".to_owned(),
                    VariableKind::Random(role) => role.name().to_owned(),
                    VariableKind::Deterministic => "deterministic".to_owned(),
                    VariableKind::Condition => "condition".to_owned(),
                    VariableKind::Submodel(_) => "submodel".to_owned(),
                };
                self.line(&format!("variable {}: {} ({kind})", variable.name, self.ty(variable.ty)));
            }
            for source in &model.size_sources {
                self.line(&format!("size {} = axis {} of {}", source.size, source.axis, source.array));
            }
            self.depth -= 1;
            self.block(&model.body);
        }
        if let Some(script) = &self.program.script {
            self.frame = &script.frame;
            self.line("script");
            self.block(&script.body);
        }
    }

    fn parameters(&self, parameters: &[Parameter]) -> String {
        let shown = parameters.iter().map(|parameter| {
            let sizes: Vec<String> = parameter
                .sizes
                .iter()
                .map(|size| match size {
                    Size::Bind(slot) => format!("bind {}", self.slot(*slot)),
                    Size::Equal(expr) => self.expr(expr),
                })
                .collect();
            let sizes = if sizes.is_empty() { String::new() } else { format!(" sizes [{}]", sizes.join(", ")) };
            format!("{}: {}{sizes}", self.slot(parameter.slot), parameter.ty)
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    fn model(&self, id: super::core::ModelId) -> &'p str {
        self.program.models.get(id.0).map_or("?", |m| &m.name)
    }

    fn ty(&self, ty: Type) -> String {
        match ty {
            Type::Data(data) => data.to_string(),
            Type::Str => "text".to_owned(),
            Type::Record { model, rank: 0 } => format!("record {}", self.model(model)),
            Type::Record { model, rank } => format!("record {}[{}]", self.model(model), vec!["_"; rank].join(", ")),
            Type::Posterior(model) => format!("posterior {}", self.model(model)),
            Type::Marginal(data) => format!("marginal {data}"),
            Type::Nothing => "nothing".to_owned(),
        }
    }

    fn slot(&self, slot: SlotId) -> String {
        format!("{}#{}", self.frame.get(slot.0).map_or("?", |s| &s.name), slot.0)
    }

    fn block(&mut self, block: &Block) {
        self.depth += 1;
        for statement in &block.statements {
            super::deep(|| self.statement(statement));
        }
        self.depth -= 1;
    }

    fn statement(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Random(random) => {
                let mut line =
                    format!("{} {}: {}", random.role.name(), self.target(&random.target), self.ty(random.ty));
                self.sizes(&mut line, &random.sizes);
                if let Some(distribution) = &random.distribution {
                    let _ = write!(line, " ~ {}", self.distribution(distribution));
                }
                if let Some(simulate) = &random.simulate {
                    let _ = write!(line, " simulate {}", self.distribution(simulate));
                }
                self.annotation(&mut line, random.annotation.as_ref());
                self.line(&line);
            }
            StmtKind::Let(definition) => {
                let keyword = if definition.condition { "condition" } else { "let" };
                let reported = if definition.reported { " (reported)" } else { "" };
                let mut line = format!("{keyword} {}: {}", self.target(&definition.target), self.ty(definition.ty));
                self.sizes(&mut line, &definition.sizes);
                let _ = write!(line, " = {}", self.expr(&definition.value));
                self.annotation(&mut line, definition.annotation.as_ref());
                self.line(&(line + reported));
            }
            StmtKind::If { condition, then, otherwise } => {
                self.line(&format!("if {}", self.expr(condition)));
                self.block(then);
                if !otherwise.statements.is_empty() {
                    self.line("else");
                    self.block(otherwise);
                }
            }
            StmtKind::For { plate, index, lower, upper, body } => {
                let keyword = if *plate { "plate" } else { "for" };
                let (lower, upper) = (self.expr(lower), self.expr(upper));
                self.line(&format!("{keyword} {} in {lower}..{upper}", self.slot(*index)));
                self.block(body);
            }
            StmtKind::Factor(value) => self.line(&format!("factor {}", self.expr(value))),
            StmtKind::Return(value) => self.line(&format!("return {}", self.expr(value))),
            StmtKind::Print(values) => self.line(&format!("print({})", self.list(values))),
            StmtKind::Evaluate(value) => self.line(&format!("evaluate {}", self.expr(value))),
        }
    }

    fn sizes(&self, line: &mut String, sizes: &[Expr]) {
        if !sizes.is_empty() {
            let _ = write!(line, " sizes [{}]", self.list(sizes));
        }
    }

    fn annotation(&self, line: &mut String, annotation: Option<&Annotation>) {
        match annotation {
            Some(Annotation::Value(value)) => {
                let _ = write!(line, " @ {}", self.expr(value));
            }
            Some(Annotation::Mask) => line.push_str(" @ ?"),
            None => {}
        }
    }

    fn target(&self, target: &Target) -> String {
        let subscripts =
            if target.subscripts.is_empty() { String::new() } else { format!("[{}]", self.list(&target.subscripts)) };
        format!("{}{subscripts}", self.slot(target.slot))
    }

    fn distribution(&self, distribution: &Distribution) -> String {
        match &distribution.kind {
            DistributionKind::Family(family, arguments) => {
                let arguments: Vec<String> = arguments
                    .iter()
                    .map(|argument| match argument {
                        Argument::Value(value) => self.expr(value),
                        Argument::Distribution(inner) => self.distribution(inner),
                        Argument::Distributions(inner) => {
                            let inner: Vec<String> = inner.iter().map(|d| self.distribution(d)).collect();
                            format!("[{}]", inner.join(", "))
                        }
                    })
                    .collect();
                format!("{family}({})", arguments.join(", "))
            }
            DistributionKind::Model(model, arguments) => {
                format!("model {}({})", self.model(*model), self.list(arguments))
            }
            DistributionKind::Marginal(marginal) => self.expr(marginal),
        }
    }

    fn list(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|e| self.expr(e)).collect::<Vec<_>>().join(", ")
    }

    fn expr(&self, expr: &Expr) -> String {
        super::deep(|| match &expr.kind {
            ExprKind::Constant(Value::Str(text)) => format!("{text:?}"),
            ExprKind::Constant(value) => value.to_string(),
            ExprKind::Slot(slot) => self.slot(*slot),
            ExprKind::Unary(op, operand) => format!("({}{})", op.symbol(), self.expr(operand)),
            ExprKind::Binary(op, left, right) => {
                format!("({} {} {})", self.expr(left), op.symbol(), self.expr(right))
            }
            ExprKind::ToReal(inner) => format!("to_real({})", self.expr(inner)),
            ExprKind::Returned(inner) => format!("returned({})", self.expr(inner)),
            ExprKind::If(condition, then, otherwise) => {
                format!("(if {} then {} else {})", self.expr(condition), self.expr(then), self.expr(otherwise))
            }
            ExprKind::Index(array, subscripts) => {
                let subscripts: Vec<String> = subscripts
                    .iter()
                    .map(|subscript| match subscript {
                        Subscript::Index(index) => self.expr(index),
                        Subscript::Slice(lower, upper) => {
                            let bound = |b: &Option<Expr>| b.as_ref().map_or_else(String::new, |b| self.expr(b));
                            format!("{}..{}", bound(lower), bound(upper))
                        }
                    })
                    .collect();
                format!("{}[{}]", self.expr(array), subscripts.join(", "))
            }
            ExprKind::Field(record, name) | ExprKind::PosteriorField(record, name) => {
                format!("{}.{name}", self.expr(record))
            }
            ExprKind::Builtin(function, arguments) => format!("{}({})", function.name(), self.list(arguments)),
            ExprKind::Call(id, arguments) => {
                let name = self.program.functions.get(id.0).map_or("?", |f| &f.name);
                format!("call {name}({})", self.list(arguments))
            }
            ExprKind::Array(elements) => format!("[{}]", self.list(elements)),
            ExprKind::Comprehension { index, lower, upper, body } => {
                let (lower, upper) = (self.expr(lower), self.expr(upper));
                format!("[{} for {} in {lower}..{upper}]", self.expr(body), self.slot(*index))
            }
            ExprKind::Summary(summary, marginal, arguments) => {
                let name = Summary::ALL.iter().find(|(_, s)| s == summary).map_or("?", |(name, _)| *name);
                let rest: String = arguments.iter().map(|a| format!(", {}", self.expr(a))).collect();
                format!("{name}({}{rest})", self.expr(marginal))
            }
            ExprKind::LogDensity(distribution, value) => {
                format!("log_density({}, {})", self.distribution(distribution), self.expr(value))
            }
            ExprKind::Infer(infer) => {
                let data = infer.data.iter().map(|(name, value)| match value {
                    Some(value) => format!("{name}: {}", self.expr(value)),
                    None => format!("{name}: ?"),
                });
                let data = data.collect::<Vec<_>>().join(", ");
                let options: Vec<String> =
                    infer.options.iter().map(|(name, value)| format!("{name}: {}", self.expr(value))).collect();
                let arguments = self.list(&infer.arguments);
                format!("infer {}({arguments}) {{ {data} }} with {{ {} }}", self.model(infer.model), options.join(", "))
            }
        })
    }
}
