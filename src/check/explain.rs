//! Prose for each mistake: code, places and help.

use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::syntax::ast::Role;

use super::{CheckError, ImportError};

/// What a [`CheckError`] says besides its message.
struct Parts {
    code: &'static str,
    span: Span,
    label: String,
    other: Option<(Span, String)>,
    help: Option<String>,
}

fn parts(code: &'static str, span: Span, label: impl Into<String>) -> Parts {
    Parts { code, span, label: label.into(), other: None, help: None }
}

impl Parts {
    fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn maybe_help(mut self, help: &Option<String>) -> Self {
        self.help.clone_from(help);
        self
    }
}

impl CheckError {
    /// Its stable code, such as `E0203`.
    pub fn code(&self) -> &'static str {
        self.parts().code
    }

    /// The place it is about.
    pub fn span(&self) -> Span {
        self.parts().span
    }

    fn parts(&self) -> Parts {
        match self {
            Self::UnknownVariable { span, help, .. } => parts("E0201", *span, "not defined here").maybe_help(help),
            Self::UnknownFunction { span, help, .. } => parts("E0202", *span, "not a function").maybe_help(help),
            Self::UnknownDistribution { span, help, .. } => {
                parts("E0203", *span, "not a distribution").maybe_help(help)
            }
            Self::UnknownModel { span, help, .. } => parts("E0204", *span, "not a model").maybe_help(help),
            Self::AlreadyDefined { span, first, .. } => parts("E0205", *span, "defined again")
                .other(*first, "first defined here")
                .help("a name keeps its value: use another name"),
            Self::DuplicateItem { span, first, .. } => {
                parts("E0206", *span, "defined again").other(*first, "first defined here")
            }
            Self::ImportClash { span, first, .. } => parts("E0207", *span, "second definition")
                .other(*first, "first definition")
                .help("import only one of the files, or rename one of the two"),
            Self::Import { span, error, .. } => {
                let result = parts("E0208", *span, "imported here");
                match error {
                    ImportError::NotFound { tried } if !tried.is_empty() => {
                        result.help(format!("looked in {}", tried.join(", ")))
                    }
                    ImportError::NotFound { .. } | ImportError::Unreadable { .. } => result,
                }
            }
            Self::ImportCycle { span, chain, .. } => {
                parts("E0209", *span, "closes a cycle").help(format!("the cycle is {}", chain.join(" -> ")))
            }
            Self::UnknownField { span, help, .. } => parts("E0210", *span, "no such variable").maybe_help(help),
            Self::UnknownType { span, help, .. } => parts("E0211", *span, "not a type").maybe_help(help),
            Self::UnknownOption { span, help, .. } => parts("E0212", *span, "not an option").maybe_help(help),
            Self::ConstantName { span, .. } => parts("E0213", *span, "a constant").help("use another name"),
            Self::NotAFunction { name, kind, span } => parts("E0214", *span, format!("a {kind}"))
                .help(format!("draw from it with `sample x ~ {name}(...);` and use `x`")),
            Self::FunctionAsDistribution { span, .. } => {
                parts("E0215", *span, "a function").help("a deterministic value is defined by `let x = ...;`")
            }
            Self::AddressCollision { span, first, .. } => parts("E0216", *span, "defined again")
                .other(*first, "first defined here")
                .help("use another name, or put the two into exclusive branches"),
            Self::NamedTwice { span, first, .. } => parts("E0217", *span, "again").other(*first, "first here"),

            Self::Mismatch { span, context, help, .. } => parts("E0301", *span, context.clone()).maybe_help(help),
            Self::Signature { error, span } => {
                parts("E0302", *span, "here").maybe_help(&error.help().map(str::to_owned))
            }
            Self::Arity { span, signature, .. } => {
                parts("E0303", *span, "wrong number of arguments").help(format!("it is `{signature}`"))
            }
            Self::ArrayForScalar { span, plate, .. } => {
                parts("E0304", *span, "an array").help(format!("write one statement for all elements: `{plate}`"))
            }
            Self::Condition { span, found } => {
                let result = parts("E0305", *span, format!("is {found}"));
                if found == "real" { result.help("compare it with something, as in `x > 0`") } else { result }
            }
            Self::NotIndexable { span, .. } => parts("E0306", *span, "too many subscripts"),
            Self::IndexRange { span, size, .. } => {
                let result = parts("E0307", *span, "out of range");
                if size.is_some() { result.help("indices start at 0") } else { result }
            }
            Self::Ragged { span, first, .. } => parts("E0308", *span, "this row").other(*first, "the first row"),
            Self::NoCommonType { span, first, found, first_type, .. } => {
                parts("E0309", *span, format!("this is {found}")).other(*first, format!("this is {first_type}"))
            }
            Self::ParameterRange { span, .. } => parts("E0310", *span, "outside of what is allowed"),
            Self::NoReturnValue { span, .. } => parts("E0311", *span, "has no value of its own")
                .help("read one of its variables, or let the model end with `return ...;`"),
            Self::RecursionNeedsType { span, name, .. } => {
                parts("E0312", *span, "its own call").help(format!("declare it as `{name}(...) -> real`"))
            }
            Self::VariableType { span, first, first_type, found, .. } => parts("E0313", *span, format!("{found} here"))
                .other(*first, format!("{first_type} here"))
                .help("one variable has one type: use another name"),
            Self::MisplacedText { span } => parts("E0314", *span, "text"),
            Self::TypeSizes { span, .. } => parts("E0315", *span, "wrong number of sizes"),
            Self::NotADistribution { span, .. } => {
                parts("E0316", *span, "not a distribution").help("deterministic values are defined by `let x = ...;`")
            }
            Self::DistributionArgument { span, expected, .. } => parts("E0317", *span, format!("expected {expected}")),
            Self::SummaryArgument { span, .. } => parts("E0318", *span, "here")
                .help("summaries read a posterior, as in `mean(p.x)` after `let p = infer ...;`"),
            Self::NotSuppliable { span, help, .. } => parts("E0319", *span, "has no value of its own").maybe_help(help),

            Self::NeedsDistribution { span, role, name } => parts("E0401", *span, "no distribution")
                .help(format!("write `{} {name} ~ normal(0, 1);`, or `given` for an input without prior", role.name())),
            Self::GivenNeedsType { span, name } => parts("E0402", *span, "no type")
                .help(format!("write `given {name}: real;`, or a prior as in `given {name} ~ normal(0, 1);`")),
            Self::MissingIndex { span, suggestion, loop_span, .. } => {
                parts("E0403", *span, "one name for many variables")
                    .other(*loop_span, "in this loop")
                    .help(format!("write `{suggestion}`"))
            }
            Self::BadTarget { span } => parts("E0404", *span, "not a name"),
            Self::BadSubscript { span } => {
                parts("E0405", *span, "not a constant and not an index").help("as in `h[0]`, `h[t]` or `h[t + 1]`")
            }
            Self::SubscriptCount { span, first, .. } => {
                parts("E0406", *span, "here").other(*first, "first filled here")
            }
            Self::ConditionOnReal { name, value, span } => parts("E0407", *span, "a real value")
                .help(format!("give it noise: `observe {name} ~ normal({value}, sigma);`")),
            Self::RoleWithEquals { role, name, value, span } => {
                let help = match role {
                    Role::Given => {
                        format!("write `let {name} = {value};`, or for a default `given {name}: real @ {value};`")
                    }
                    Role::Sample | Role::Observe => {
                        format!("write `let {name} = {value};`, or `{} {name} ~ DISTRIBUTION;`", role.name())
                    }
                };
                parts("E0408", *span, "a deterministic value").help(help)
            }
            Self::RoleOfModel { name, variable, span, role, .. } => {
                let variable = variable.as_deref().unwrap_or("x");
                parts("E0409", *span, "a model").help(format!(
                    "write `sample {name} ~ ...;` and supply {} of its variables, such as `{name}.{variable}`",
                    if *role == Role::Observe { "(observe) one" } else { "one" }
                ))
            }
            Self::ValueOfModel { name, variable, span, .. } => {
                let variable = variable.as_deref().unwrap_or("x");
                parts("E0410", *span, "a value")
                    .help(format!("supply one of its variables, such as `{name}.{variable}`"))
            }
            Self::Simulate { span } => {
                parts("E0411", *span, "here").help("as in `sample b ~ flat() simulate normal(0, 10);`")
            }
            Self::RandomAnnotation { span } => {
                parts("E0412", *span, "depends on a random variable").help("use constants and givens")
            }
            Self::RandomPlateBound { span } => parts("E0413", *span, "random").help("a `for` may have a random bound"),
            Self::PlateRead { span, plate, index, .. } => parts("E0414", *span, "read here")
                .other(*plate, "in this plate")
                .help(format!("read it at `[{index}]`, or write `for` in place of `plate`")),
            Self::ReturnsSometimes { span, .. } => {
                parts("E0415", *span, "can end without `return`").help("`return` ends every path or none")
            }
            Self::MissingReturn { span, .. } => parts("E0416", *span, "can end without `return`"),
            Self::Unreachable { span } => parts("E0417", *span, "after `return`"),
            Self::RoleOutsideModel { span, .. } => parts("E0418", *span, "not in a model"),
            Self::MisplacedStatement { span, help, .. } => parts("E0419", *span, "here").maybe_help(help),
            Self::UselessExpression { span } => parts("E0420", *span, "its value is lost").help("write `let x = ...;`"),
            Self::MisplacedPrint { span } => {
                parts("E0421", *span, "here").help("write `print(...);` outside models and functions")
            }
            Self::ReturnInPlate { span } => parts("E0422", *span, "in a plate").help("write `for` in place of `plate`"),
            Self::WholeAndElements { span, first, .. } => {
                parts("E0423", *span, "here").other(*first, "first defined here")
            }
            Self::MissingReturnType { span, name } => {
                parts("E0424", *span, "no type").help(format!("write `library fn {name}(...) -> real;`"))
            }
            Self::AnnotationOutsideModel { span } => parts("E0425", *span, "not in a model"),

            Self::HidesImport { span, first, .. } => parts("W0201", *span, "this one is used").other(*first, "hidden"),
            Self::HidesBuiltin { span, .. } => {
                parts("W0202", *span, "this one is used").help("use another name if the built-in one is meant")
            }
        }
    }
}

impl From<&CheckError> for Diagnostic {
    fn from(error: &CheckError) -> Self {
        let Parts { code, span, label, other, help } = error.parts();
        let message = error.to_string();
        let mut result = if code.starts_with('W') { Self::warning(code, message) } else { Self::error(code, message) };
        result = result.label(span, label);
        if let Some((span, text)) = other {
            result = result.label(span, text);
        }
        match help {
            Some(help) => result.help(help),
            None => result,
        }
    }
}
