//! What can go wrong with a built-in function or an operator: its types before anything runs, its values afterwards.

use crate::value::{Base, DataType};

/// The arguments of a function, or the operands of an operator, do not have its types.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// The number of arguments.
    #[error("`{function}` takes {}, not {found}", arity(expected))]
    Arity {
        /// The function.
        function: &'static str,
        /// The possible numbers, ascending.
        expected: Vec<usize>,
        /// The number given.
        found: usize,
    },
    /// The type of one argument.
    #[error("argument {} of `{function}` is {found}, expected {expected}", index + 1)]
    Argument {
        /// The function.
        function: &'static str,
        /// Which argument, from 0.
        index: usize,
        /// What it takes there, in words.
        expected: String,
        /// The type given.
        found: DataType,
    },
    /// The type of one operand.
    #[error("operand {} of `{operator}` is {found}, expected {expected}", index + 1)]
    Operand {
        /// The operator as written.
        operator: &'static str,
        /// 0 for the left or only one, 1 for the right one.
        index: usize,
        /// What it takes there, in words.
        expected: String,
        /// The type given.
        found: DataType,
    },
}

fn arity(expected: &[usize]) -> String {
    let noun = if expected == [1] { "argument" } else { "arguments" };
    format!("{} {noun}", expected.iter().map(usize::to_string).collect::<Vec<_>>().join(" or "))
}

impl SignatureError {
    /// What to write instead, where there is a usual answer.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Arity { .. } | Self::Argument { .. } => None,
            Self::Operand { operator: "%", found: DataType { base: Base::Real, .. }, .. } => {
                Some("`%` is for integers; use `fmod(x, y)` for reals")
            }
            Self::Operand { operator: "&&" | "||" | "!", .. } => None,
            Self::Operand { found: DataType { base: Base::Bool, .. }, .. } => {
                Some("a bool is not a number: use `if c then 1 else 0`")
            }
            Self::Operand { .. } => None,
        }
    }
}

/// A built-in function or an operator cannot give a value for these arguments.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvaluationError {
    /// The arguments do not have its types.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// An argument is text, a posterior, or a record of a model that returns nothing.
    #[error("argument {} of `{function}` is not data", index + 1)]
    NotData {
        /// The function or operator.
        function: &'static str,
        /// Which argument, from 0.
        index: usize,
    },
    /// The sizes of two arguments do not go together.
    #[error("`{function}` cannot combine the shapes {left:?} and {right:?}")]
    Shapes {
        /// The function or operator.
        function: &'static str,
        /// The shape of the earlier argument.
        left: Vec<usize>,
        /// The shape of the later one.
        right: Vec<usize>,
    },
    /// A square matrix was needed.
    #[error("`{function}` needs a square matrix, not one of shape {shape:?}")]
    NotSquare {
        /// The function.
        function: &'static str,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// An array has too few elements for the result to exist.
    #[error("`{function}` needs at least {needed} element{}, but the array has {found}", if *needed == 1 { "" } else { "s" })]
    TooFew {
        /// The function.
        function: &'static str,
        /// The least number.
        needed: usize,
        /// The number given.
        found: usize,
    },
    /// The result does not fit a 64-bit integer.
    #[error("integer overflow in `{function}`")]
    Overflow {
        /// The function or operator.
        function: &'static str,
    },
    /// An integer was divided by zero.
    #[error("`{function}` of an integer by zero")]
    DivisionByZero {
        /// The function or operator.
        function: &'static str,
    },
    /// An integer was raised to a negative integer.
    #[error("the integer {base} to the negative power {exponent} is not an integer")]
    NegativeExponent {
        /// The base.
        base: i64,
        /// The exponent.
        exponent: i64,
    },
    /// `to_int` of a real that no integer is near.
    #[error("`{function}` of {value}, which no 64-bit integer can hold")]
    NotAnInteger {
        /// The function.
        function: &'static str,
        /// The real given.
        value: f64,
    },
    /// A matrix is not symmetric.
    #[error(
        "`{function}` needs a symmetric matrix, but the elements at [{row}, {column}] and [{column}, {row}] differ"
    )]
    NotSymmetric {
        /// The function.
        function: &'static str,
        /// Row of the first element that differs.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// A matrix is not positive definite.
    #[error("`{function}` needs a positive definite matrix")]
    NotPositiveDefinite {
        /// The function.
        function: &'static str,
    },
    /// A matrix has no inverse.
    #[error("`{function}` of a singular matrix")]
    Singular {
        /// The function.
        function: &'static str,
    },
    /// An argument lies outside what is allowed.
    #[error("`{parameter}` of `{function}` is {value}, expected {expected}")]
    OutOfRange {
        /// The function.
        function: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed, in words.
        expected: String,
    },
    /// The result would have too many elements.
    #[error("the result of `{function}` would have more than {limit} elements")]
    TooLarge {
        /// The function.
        function: &'static str,
        /// The greatest number.
        limit: usize,
    },
}

impl EvaluationError {
    /// What to write instead, where there is a usual answer.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Signature(error) => error.help(),
            Self::NegativeExponent { .. } => Some("use a real base, such as `2.0 ^ n`"),
            Self::Overflow { .. } => Some("use reals where numbers get large, such as `2.0` for `2`"),
            Self::NotPositiveDefinite { .. } => {
                Some("for a covariance, add a little to its diagonal: `add_diagonal(k, 1e-9)`")
            }
            Self::NotData { .. }
            | Self::Shapes { .. }
            | Self::NotSquare { .. }
            | Self::TooFew { .. }
            | Self::DivisionByZero { .. }
            | Self::NotAnInteger { .. }
            | Self::NotSymmetric { .. }
            | Self::Singular { .. }
            | Self::OutOfRange { .. }
            | Self::TooLarge { .. } => None,
        }
    }

    /// Whether other values of the same types and shapes could go well: inference then rejects the draw. Otherwise the
    /// program itself is wrong.
    pub fn is_recoverable(&self) -> bool {
        match self {
            Self::Signature(_)
            | Self::NotData { .. }
            | Self::Shapes { .. }
            | Self::NotSquare { .. }
            | Self::TooFew { .. } => false,
            Self::Overflow { .. }
            | Self::DivisionByZero { .. }
            | Self::NegativeExponent { .. }
            | Self::NotAnInteger { .. }
            | Self::NotSymmetric { .. }
            | Self::NotPositiveDefinite { .. }
            | Self::Singular { .. }
            | Self::OutOfRange { .. }
            | Self::TooLarge { .. } => true,
        }
    }
}
