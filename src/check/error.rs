//! What can be wrong with a program that parses: one variant, one stable code.
//!
//! `E02xx` are about names, `E03xx` about types and sizes, `E04xx` about statements, `W…` are warnings. Types are carried
//! as they are shown, because the model behind a record is known to the checker alone.

use crate::builtin::SignatureError;
use crate::span::Span;
use crate::syntax::ast::Role;

use super::ImportError;

/// A mistake in a program, or (code `W…`) something that is likely not what was meant.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)] // the fields say what the message says
pub enum CheckError {
    /// A variable that is not defined.
    #[error("unknown variable `{name}`")]
    UnknownVariable { name: String, span: Span, help: Option<String> },
    /// A call of a function that does not exist.
    #[error("unknown function `{name}`")]
    UnknownFunction { name: String, span: Span, help: Option<String> },
    /// A distribution that does not exist.
    #[error("unknown distribution `{name}`")]
    UnknownDistribution { name: String, span: Span, help: Option<String> },
    /// `infer` of a model that does not exist.
    #[error("unknown model `{name}`")]
    UnknownModel { name: String, span: Span, help: Option<String> },
    /// A second definition of a name that is visible.
    #[error("`{name}` is already defined")]
    AlreadyDefined { name: String, span: Span, first: Span },
    /// Two functions, or two models, of one name in one file.
    #[error("there are two {kind}s called `{name}`")]
    DuplicateItem { kind: &'static str, name: String, span: Span, first: Span },
    /// Two imported files define the same name.
    #[error("two imports define the {kind} `{name}`")]
    ImportClash { kind: &'static str, name: String, span: Span, first: Span },
    /// An import that cannot be read.
    #[error("cannot import \"{path}\": {error}")]
    Import { path: String, error: ImportError, span: Span },
    /// Files that import each other.
    #[error("\"{path}\" imports itself")]
    ImportCycle { path: String, chain: Vec<String>, span: Span },
    /// `s.x` where the model of `s` has no `x`.
    #[error("model `{model}` has no variable `{name}`")]
    UnknownField { model: String, name: String, span: Span, help: Option<String> },
    /// A written type that does not exist.
    #[error("unknown type `{name}`")]
    UnknownType { name: String, span: Span, help: Option<String> },
    /// An option of `infer` that does not exist.
    #[error("`infer` has no option `{name}`")]
    UnknownOption { name: String, span: Span, help: Option<String> },
    /// A variable called like a constant.
    #[error("`{name}` is a constant and cannot be defined")]
    ConstantName { name: String, span: Span },
    /// A distribution or model used as a function.
    #[error("`{name}` is a {kind}, not a function")]
    NotAFunction { name: String, kind: &'static str, span: Span },
    /// A function used as a distribution.
    #[error("`{name}` is a function, not a distribution")]
    FunctionAsDistribution { name: String, span: Span },
    /// Two statements on one path define the same random variable.
    #[error("`{name}` is defined twice on one path: both would have the address `{name}`")]
    AddressCollision { name: String, span: Span, first: Span },
    /// A name that occurs twice between the braces of `infer`, or among its options.
    #[error("`{name}` is named twice")]
    NamedTwice { name: String, span: Span, first: Span },

    /// One type where another is needed.
    #[error("expected {expected}, found {found}")]
    Mismatch { expected: String, found: String, span: Span, context: String, help: Option<String> },
    /// The arguments of a built-in function, or the operands of an operator.
    #[error("{error}")]
    Signature { error: SignatureError, span: Span },
    /// The number of arguments.
    #[error("`{name}` takes {}, not {found}", count(*expected, "argument"))]
    Arity { name: String, expected: usize, found: usize, signature: String, span: Span },
    /// An array as the parameter of a distribution of scalars.
    #[error("`{name}` takes scalars, but its {parameter} is {found}")]
    ArrayForScalar { name: String, parameter: String, found: String, span: Span, plate: String },
    /// A condition that is neither bool nor int.
    #[error("a condition must be bool or int, not {found}")]
    Condition { found: String, span: Span },
    /// Subscripts on something that has no (or fewer) axes.
    #[error("{found} cannot take {}", count(*subscripts, "subscript"))]
    NotIndexable { found: String, subscripts: usize, span: Span },
    /// A constant index outside a size that is known.
    #[error("index {index} is out of range: {}", out_of_range(*size))]
    IndexRange { index: i64, size: Option<i64>, span: Span },
    /// Rows of different lengths.
    #[error("the rows of an array must have one length: this has {found}, the first has {expected}")]
    Ragged { expected: usize, found: usize, span: Span, first: Span },
    /// Elements of an array, branches of an `if`, or `return`s without a common type.
    #[error("{what} must have one type: {first_type} and {found} have none in common")]
    NoCommonType { what: &'static str, first_type: String, found: String, span: Span, first: Span },
    /// A constant parameter outside its constraint.
    #[error("{problem}")]
    ParameterRange { problem: String, span: Span },
    /// A record used as data whose model returns nothing.
    #[error("`{model}` returns nothing that could be used as a value")]
    NoReturnValue { model: String, span: Span },
    /// A recursive function or model without a declared type.
    #[error("{kind} `{name}` calls itself, so it must declare what it returns")]
    RecursionNeedsType { kind: &'static str, name: String, span: Span },
    /// One variable, two types.
    #[error("`{name}` is {found} here, but {first_type} elsewhere")]
    VariableType { name: String, found: String, first_type: String, span: Span, first: Span },
    /// Text where it means nothing.
    #[error("text has a place only in options of `infer`, in imports and in `print`")]
    MisplacedText { span: Span },
    /// `vector` without a size, and the like.
    #[error("`{name}` takes {}, not {found}", count(*expected, "size"))]
    TypeSizes { name: String, expected: usize, found: usize, span: Span },
    /// Something after `~` that is not a distribution.
    #[error("{found} is not a distribution")]
    NotADistribution { found: String, span: Span },
    /// A distribution was needed as an argument, and the like.
    #[error("`{name}` needs {expected} as its {parameter}")]
    DistributionArgument { name: String, parameter: String, expected: String, span: Span },
    /// `mean` and the like of something that has none.
    #[error("`{function}` needs {expected}, not {found}")]
    SummaryArgument { function: &'static str, expected: &'static str, found: String, span: Span },
    /// A name between the braces of `infer` that cannot be given a value.
    #[error("`{name}` cannot be supplied: it is {kind}")]
    NotSuppliable { name: String, kind: &'static str, span: Span, help: Option<String> },

    /// `sample` or `observe` without a distribution.
    #[error("`{} {name}` needs a distribution", role.name())]
    NeedsDistribution { role: Role, name: String, span: Span },
    /// `given` without type and distribution.
    #[error("`given {name}` needs a type or a distribution")]
    GivenNeedsType { name: String, span: Span },
    /// In a loop, without its index.
    #[error("`{name}` is defined anew in each iteration: it needs the index `{index}`")]
    MissingIndex { name: String, index: String, suggestion: String, span: Span, loop_span: Span },
    /// A left side that is not a path.
    #[error("this cannot be defined: expected a name or a path such as `y[i]`")]
    BadTarget { span: Span },
    /// A subscript on a left side that is neither constant nor loop variable ± constant.
    #[error("a subscript on the left must be an integer, or a loop variable plus or minus one")]
    BadSubscript { span: Span },
    /// Different numbers of subscripts for one array.
    #[error("`{name}` has {} here, but {expected} elsewhere", count(*found, "subscript"))]
    SubscriptCount { name: String, expected: usize, found: usize, span: Span, first: Span },
    /// `observe x = EXPR` for a real.
    #[error("`{name}` is real and has no noise, so it cannot be observed")]
    ConditionOnReal { name: String, value: String, span: Span },
    /// `sample x = EXPR`, `given x = EXPR`.
    #[error("`{} {name}` cannot be defined by `=`", role.name())]
    RoleWithEquals { role: Role, name: String, value: String, span: Span },
    /// `observe s ~ model()` and `given s ~ model()`.
    #[error("`{name}` is an execution of the model `{model}`: it cannot be {}", participle(*role))]
    RoleOfModel { role: Role, name: String, model: String, variable: Option<String>, span: Span },
    /// A value after `@` for a submodel.
    #[error("`{name}` is an execution of the model `{model}`: it cannot be given a value")]
    ValueOfModel { name: String, model: String, variable: Option<String>, span: Span },
    /// `simulate` with a model, or without anything to replace.
    #[error("`simulate` replaces a distribution by a distribution of the table")]
    Simulate { span: Span },
    /// A value in the source that depends on what is random.
    #[error("a value after `@` may not depend on random variables")]
    RandomAnnotation { span: Span },
    /// A plate whose size is random.
    #[error("the bounds of a plate may not depend on random variables")]
    RandomPlateBound { span: Span },
    /// Another iteration's variable.
    #[error("`{name}` is filled by this plate, whose iterations may not read each other")]
    PlateRead { name: String, index: String, span: Span, plate: Span },
    /// A model that returns on some paths only.
    #[error("`{name}` returns on some paths, but not on all")]
    ReturnsSometimes { name: String, span: Span },
    /// A function that does not return on every path.
    #[error("function `{name}` must return on every path")]
    MissingReturn { name: String, span: Span },
    /// A statement that is never reached.
    #[error("this statement is never reached")]
    Unreachable { span: Span },
    /// A role outside a model.
    #[error("random variables belong in models, not in {place}")]
    RoleOutsideModel { place: &'static str, span: Span },
    /// A statement that has no meaning where it stands.
    #[error("`{statement}` has no meaning in {place}")]
    MisplacedStatement { statement: &'static str, place: &'static str, span: Span, help: Option<String> },
    /// An expression as a statement.
    #[error("this expression does nothing")]
    UselessExpression { span: Span },
    /// `print` as a value or outside a script.
    #[error("`print` is a statement of scripts")]
    MisplacedPrint { span: Span },
    /// `return` in a plate.
    #[error("a plate cannot return: its iterations have no order")]
    ReturnInPlate { span: Span },
    /// `z` as a whole and `z[i]`.
    #[error("`{name}` is defined as a whole and element by element")]
    WholeAndElements { name: String, span: Span, first: Span },
    /// A library function without body and declared type.
    #[error("library function `{name}` has no body, so it must declare what it returns")]
    MissingReturnType { name: String, span: Span },
    /// A deterministic line in a function or script with `@`.
    #[error("a value after `@` has a meaning only in models")]
    AnnotationOutsideModel { span: Span },

    /// The file's own name hides an imported one.
    #[error("the {kind} `{name}` hides the one that is imported")]
    HidesImport { kind: &'static str, name: String, span: Span, first: Span },
    /// A name hides a built-in.
    #[error("the {kind} `{name}` hides the built-in one")]
    HidesBuiltin { kind: &'static str, name: String, span: Span },
}

fn count(n: usize, noun: &str) -> String {
    match n {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{n} {noun}s"),
    }
}

fn participle(role: Role) -> &'static str {
    match role {
        Role::Given => "given",
        Role::Sample => "sampled",
        Role::Observe => "observed",
    }
}

fn out_of_range(size: Option<i64>) -> String {
    match size {
        Some(size) => format!("the axis has size {size}"),
        None => "indices start at 0".to_owned(),
    }
}
