//! The table of built-in functions, and the operators.
//!
//! One entry of the table gives a function's name, signatures, documentation and evaluation. Name lookup, near misses,
//! arity and type errors, result types, size checks, the reference page and the test loop are all derived from it; adding
//! a function touches the table and the file that holds its code. Functions of posteriors (`mean(p.x)`) are not here.

mod arguments;
mod arrays;
mod broadcast;
mod error;
mod kernel;
mod linear;
mod operator;
mod reduction;
mod scalar;
mod signature;

pub use error::{EvaluationError, SignatureError};
pub use operator::{binary, binary_type, real_arithmetic, unary, unary_type};

use std::sync::LazyLock;

use smallvec::SmallVec;

use self::arguments::Arguments;
use self::signature::Signature;
use crate::diagnostic::near_miss;
use crate::value::{DataType, Value};

/// What is known of a built-in function.
#[derive(Debug)]
pub struct Info {
    /// Its name in the language.
    pub name: &'static str,
    /// Its chapter of the reference page.
    pub group: Group,
    /// Its forms, such as `dot(x: real[n], y: real[n]) -> real`, as [`Group`] explains.
    pub signatures: &'static [&'static str],
    /// One or two sentences.
    pub doc: &'static str,
    evaluate: fn(&Arguments) -> Result<Value, EvaluationError>,
    elementwise1: Option<fn(f64) -> f64>,
    elementwise2: Option<fn(f64, f64) -> f64>,
}

/// Builds the part of [`Info`] that depends on the kind of function: `real1(f)` and `real2(f, names)` are elementwise on
/// reals; `general(f, signatures…)` is anything else; `general1` and `general2` also give what it is on real scalars.
macro_rules! info {
    ($name:literal, $group:ident, $doc:literal, real1($f:path)) => {
        info!($name, $group, $doc, |a| broadcast::real1($f, a), Some($f), None, ["(x: real[...]) -> real[...]"])
    };
    ($name:literal, $group:ident, $doc:literal, real2($f:path, $x:literal, $y:literal)) => {
        info!(
            $name, $group, $doc, |a| broadcast::real2($f, a), None, Some($f),
            ["(", $x, ": real[...], ", $y, ": real[...]) -> real[...]"]
        )
    };
    ($name:literal, $group:ident, $doc:literal, general($f:path, $($signature:literal),+)) => {
        info!($name, $group, $doc, $f, None, None, $([$signature]),+)
    };
    ($name:literal, $group:ident, $doc:literal, general1($f:path, $real:path, $($signature:literal),+)) => {
        info!($name, $group, $doc, $f, Some($real), None, $([$signature]),+)
    };
    ($name:literal, $group:ident, $doc:literal, general2($f:path, $real:path, $($signature:literal),+)) => {
        info!($name, $group, $doc, $f, None, Some($real), $([$signature]),+)
    };
    (
        $name:literal, $group:ident, $doc:literal, $evaluate:expr, $one:expr, $two:expr,
        $([$($signature:literal),+]),+
    ) => {
        Info {
            name: $name,
            group: Group::$group,
            signatures: &[$(concat!($name, $($signature),+)),+],
            doc: $doc,
            evaluate: $evaluate,
            elementwise1: $one,
            elementwise2: $two,
        }
    };
}

macro_rules! builtins {
    ($($(#[doc = $chapter_doc:literal])+ $group:ident $title:literal {
        $($id:ident $name:literal $kind:ident $arguments:tt $doc:literal;)+
    })+) => {
        /// A chapter of the reference page.
        ///
        /// In signatures, `real` also takes an int; `number` is an int or a real and the result keeps the kind;
        /// `condition` is a bool or an int; `T` is any kind. `[...]` is elementwise: a scalar or an array of any rank,
        /// and scalars broadcast. One name in two sizes means that they are equal; `..s` stands for any further axes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Group {
            $($(#[doc = $chapter_doc])+ $group,)+
        }

        impl Group {
            /// All, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$group),+];

            /// Its heading.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$group => $title,)+
                }
            }
        }

        /// A built-in function of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Builtin {
            $($(#[doc = $doc] $id,)+)+
        }

        impl Builtin {
            /// All, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$($(Self::$id),+),+];
        }

        static INFOS: [Info; Builtin::ALL.len()] = [$($(info!($name, $group, $doc, $kind $arguments)),+),+];
    };
}

builtins! {
    /// Elementwise functions of numbers.
    Mathematics "Mathematics" {
        Exp "exp" real1(scalar::exp) "e to the power x.";
        Expm1 "expm1" real1(scalar::expm1) "exp(x) - 1, accurate near 0.";
        Log "log" real1(scalar::log) "The natural logarithm.";
        Log1p "log1p" real1(scalar::log1p) "log(1 + x), accurate near 0.";
        Log1m "log1m" real1(scalar::log1m) "log(1 - x), accurate near 0.";
        Log2 "log2" real1(scalar::log2) "The logarithm to base 2.";
        Log10 "log10" real1(scalar::log10) "The logarithm to base 10.";
        Log1mExp "log1m_exp" real1(scalar::log1m_exp) "log(1 - exp(x)) for x <= 0, accurate everywhere.";
        LogDiffExp "log_diff_exp" real2(scalar::log_diff_exp, "x", "y") "log(exp(x) - exp(y)) for x >= y.";
        Softplus "softplus" real1(scalar::softplus) "log(1 + exp(x)), without overflow.";
        Log1pExp "log1p_exp" real1(scalar::softplus) "log(1 + exp(x)): `softplus` by Stan's name.";
        Sigmoid "sigmoid" real1(scalar::sigmoid) "1 / (1 + exp(-x)), the inverse of `logit`.";
        InvLogit "inv_logit" real1(scalar::sigmoid) "1 / (1 + exp(-x)): `sigmoid` by Stan's name.";
        LogSigmoid "log_sigmoid" real1(scalar::log_sigmoid) "log(sigmoid(x)), accurate far out.";
        Logit "logit" real1(scalar::logit) "log(p / (1 - p)), the inverse of `sigmoid`.";
        Sqrt "sqrt" real1(scalar::sqrt) "The square root.";
        Cbrt "cbrt" real1(scalar::cbrt) "The cube root.";
        Square "square" real1(scalar::square) "x times x.";
        Inv "inv" real1(scalar::inv) "1 / x.";
        Pow "pow" real2(scalar::pow, "x", "y") "x to the power y, as a real.";
        Hypot "hypot" real2(scalar::hypot, "x", "y") "sqrt(x^2 + y^2), without overflow.";
        Abs "abs" general1(reduction::abs, scalar::abs, "(x: number[...]) -> number[...]") "The absolute value.";
        Sign "sign" real1(scalar::sign) "-1.0, 0.0 or 1.0.";
        Floor "floor" real1(scalar::floor) "The greatest whole number not above x, as a real.";
        Ceil "ceil" real1(scalar::ceil) "The least whole number not below x, as a real.";
        Round "round" real1(scalar::round) "The nearest whole number as a real; halves away from zero.";
        Trunc "trunc" real1(scalar::trunc) "x without its fraction, as a real.";
        ToInt "to_int" general(reduction::to_int, "(x: real[...]) -> int[...]")
            "x without its fraction, as an int; an error where no 64-bit integer can hold it.";
        Div "div" general(reduction::div, "(a: int[...], b: int[...]) -> int[...]")
            "The quotient of integers, rounded toward zero; `a % b` is what is left.";
        Fmod "fmod" real2(scalar::fmod, "x", "y") "The remainder of x / y, with the sign of x.";
        Min "min" general2(
            reduction::min, scalar::min, "(x: number[...], y: number[...]) -> number[...]", "(x: number[n, ..s]) -> number"
        ) "The lesser of two, element by element, or the least element of an array. NaN where any is NaN.";
        Max "max" general2(
            reduction::max, scalar::max, "(x: number[...], y: number[...]) -> number[...]", "(x: number[n, ..s]) -> number"
        ) "The greater of two, element by element, or the greatest element of an array. NaN where any is NaN.";
        Sin "sin" real1(scalar::sin) "The sine of x radians.";
        Cos "cos" real1(scalar::cos) "The cosine of x radians.";
        Tan "tan" real1(scalar::tan) "The tangent of x radians.";
        Asin "asin" real1(scalar::asin) "The arc sine, in radians.";
        Acos "acos" real1(scalar::acos) "The arc cosine, in radians.";
        Atan "atan" real1(scalar::atan) "The arc tangent, in radians.";
        Atan2 "atan2" real2(scalar::atan2, "y", "x") "The angle of the point (x, y), in radians from -pi to pi.";
        Sinh "sinh" real1(scalar::sinh) "The hyperbolic sine.";
        Cosh "cosh" real1(scalar::cosh) "The hyperbolic cosine.";
        Tanh "tanh" real1(scalar::tanh) "The hyperbolic tangent.";
        Asinh "asinh" real1(scalar::asinh) "The inverse of `sinh`.";
        Acosh "acosh" real1(scalar::acosh) "The inverse of `cosh`.";
        Atanh "atanh" real1(scalar::atanh) "The inverse of `tanh`.";
        Erf "erf" real1(scalar::erf) "The error function.";
        Erfc "erfc" real1(scalar::erfc) "1 - erf(x), accurate for large x.";
        Phi "Phi" real1(scalar::phi) "The standard normal distribution function, accurate in the lower tail.";
        Lgamma "lgamma" real1(scalar::lgamma) "The logarithm of the absolute value of the gamma function.";
        Digamma "digamma" real1(scalar::digamma) "The derivative of `lgamma`.";
        Lbeta "lbeta" real2(scalar::lbeta, "a", "b") "The logarithm of the beta function, for positive a and b.";
        Lchoose "lchoose" real2(scalar::lchoose, "n", "k") "The logarithm of the number of ways to choose k of n.";
    }
    /// From an array to one number, mostly.
    Reductions "Reductions" {
        Sum "sum" general(reduction::sum, "(x: number[n, ..s]) -> number") "The sum of all elements; 0 without any.";
        Prod "prod" general(reduction::prod, "(x: number[n, ..s]) -> number") "The product of all elements; 1 without any.";
        Mean "mean" general(reduction::mean, "(x: real[n, ..s]) -> real") "The mean of all elements.";
        Variance "variance" general(reduction::variance, "(x: real[n, ..s]) -> real")
            "The sample variance of all elements, with divisor n - 1.";
        Sd "sd" general(reduction::sd, "(x: real[n, ..s]) -> real")
            "The sample standard deviation of all elements, with divisor n - 1.";
        Median "median" general(reduction::median, "(x: real[n, ..s]) -> real") "The middle element, or the mean of the middle two.";
        Quantile "quantile" general(reduction::quantile, "(x: real[n], p: real[..s]) -> real[..s]")
            "The p-quantiles of the elements, with linear interpolation (type 7 of Hyndman and Fan).";
        Any "any" general(reduction::any, "(x: condition[n, ..s]) -> bool") "Whether some element is true (or not 0).";
        All "all" general(reduction::all, "(x: condition[n, ..s]) -> bool") "Whether every element is true (or not 0).";
        Norm "norm" general(reduction::norm, "(x: real[n, ..s]) -> real") "The square root of the sum of squares, without overflow.";
        LogSumExp "log_sum_exp" general2(
            reduction::log_sum_exp, scalar::log_sum_exp, "(x: real[...], y: real[...]) -> real[...]", "(x: real[n, ..s]) -> real"
        ) "log(sum(exp(x))) without overflow, or log(exp(x) + exp(y)) of two.";
        Argmin "argmin" general(reduction::argmin, "(x: number[n]) -> int") "The index, from 0, of the first least element (of the first NaN, if any).";
        Argmax "argmax" general(reduction::argmax, "(x: number[n]) -> int") "The index, from 0, of the first greatest element (of the first NaN, if any).";
    }
    /// Making and rearranging arrays.
    Arrays "Arrays" {
        Len "len" general(arrays::len, "(x: T[n, ..s]) -> int") "The size of the first axis.";
        Zeros "zeros" general(arrays::zeros, "(n: int) -> real[n]", "(n: int, m: int) -> real[n, m]") "An array of zeros.";
        Ones "ones" general(arrays::ones, "(n: int) -> real[n]", "(n: int, m: int) -> real[n, m]") "An array of ones.";
        Rep "rep" general(arrays::rep, "(x: T[..s], n: int) -> T[n, ..s]") "x, n times.";
        Range "range" general(arrays::range, "(a: int, b: int) -> int[b - a]") "The integers from a up to but not including b; none where b <= a.";
        Linspace "linspace" general(arrays::linspace, "(a: real, b: real, n: int) -> real[n]") "n evenly spaced reals from a to b, both included.";
        Concat "concat" general(arrays::concat, "(a: T[n, ..s], b: T[m, ..s]) -> T[n + m, ..s]") "The elements of a, then those of b.";
        Append "append" general(arrays::append, "(a: T[n, ..s], x: T[..s]) -> T[n + 1, ..s]") "The elements of a, then x.";
        Head "head" general(arrays::head, "(x: T[n, ..s], k: int) -> T[k, ..s]") "The first k elements.";
        Tail "tail" general(arrays::tail, "(x: T[n, ..s], k: int) -> T[k, ..s]") "The last k elements.";
        Reverse "reverse" general(arrays::reverse, "(x: T[n, ..s]) -> T[n, ..s]") "The elements from last to first.";
        Sort "sort" general(arrays::sort, "(x: number[n]) -> number[n]") "The elements in ascending order, NaNs last.";
        Cumsum "cumsum" general(arrays::cumsum, "(x: number[n]) -> number[n]") "The sums of the first 1, 2, ..., n elements.";
        Softmax "softmax" general(reduction::softmax, "(x: real[n]) -> real[n]") "exp(x) / sum(exp(x)), without overflow.";
        LogSoftmax "log_softmax" general(reduction::log_softmax, "(x: real[n]) -> real[n]") "log(softmax(x)), accurate where that is tiny.";
    }
    /// Vectors and matrices.
    LinearAlgebra "Linear algebra" {
        Dot "dot" general(linear::dot, "(x: real[n], y: real[n]) -> real") "The sum of products.";
        Matmul "matmul" general(
            linear::matmul, "(a: real[n, k], b: real[k, m]) -> real[n, m]", "(a: real[n, k], x: real[k]) -> real[n]",
            "(x: real[k], b: real[k, m]) -> real[m]"
        ) "The matrix product (`*` multiplies element by element).";
        Transpose "transpose" general(linear::transpose, "(a: T[n, m]) -> T[m, n]") "Rows become columns.";
        Outer "outer" general(linear::outer, "(x: real[n], y: real[m]) -> real[n, m]") "The matrix of products: element i, j is the i-th of x times the j-th of y.";
        Identity "identity" general(linear::identity, "(n: int) -> real[n, n]") "The identity matrix.";
        Diag "diag" general(linear::diag, "(x: real[n]) -> real[n, n]") "The matrix with x on its diagonal and zeros elsewhere.";
        Diagonal "diagonal" general(linear::diagonal, "(a: real[n, n]) -> real[n]") "The diagonal of a square matrix.";
        AddDiagonal "add_diagonal" general(
            linear::add_diagonal, "(a: real[n, n], x: real) -> real[n, n]", "(a: real[n, n], x: real[n]) -> real[n, n]"
        ) "a with x added to its diagonal.";
        Trace "trace" general(linear::trace, "(a: real[n, n]) -> real") "The sum of the diagonal.";
        Cholesky "cholesky" general(linear::cholesky, "(a: real[n, n]) -> real[n, n]")
            "The lower triangular matrix L with a = L L'; a must be symmetric and positive definite.";
        Det "det" general(linear::det, "(a: real[n, n]) -> real") "The determinant.";
        LogDet "log_det" general(linear::log_det, "(a: real[n, n]) -> real") "The logarithm of the absolute value of the determinant.";
        Inverse "inverse" general(linear::inverse, "(a: real[n, n]) -> real[n, n]") "The inverse matrix; `solve` is more accurate.";
        Solve "solve" general(linear::solve, "(a: real[n, n], b: real[n]) -> real[n]", "(a: real[n, n], b: real[n, m]) -> real[n, m]")
            "The x with a x = b.";
        SolveLower "solve_lower" general(
            linear::solve_lower, "(l: real[n, n], b: real[n]) -> real[n]", "(l: real[n, n], b: real[n, m]) -> real[n, m]"
        ) "The x with l x = b, reading only the lower triangle of l.";
        QuadForm "quad_form" general(linear::quad_form, "(a: real[n, n], x: real[n]) -> real") "The quadratic form x' a x.";
    }
    /// Covariance matrices of Gaussian processes, of points x and of points x against points y.
    GaussianProcesses "Gaussian processes" {
        GpExpQuad "gp_exp_quad" general(
            kernel::exp_quad, "(x: real[n, ..s], alpha: real, rho: real) -> real[n, n]",
            "(x: real[n, ..s], y: real[m, ..s], alpha: real, rho: real) -> real[n, m]"
        ) "The exponentiated quadratic kernel: alpha^2 exp(-d^2 / (2 rho^2)) at distance d.";
        GpMatern32 "gp_matern32" general(
            kernel::matern32, "(x: real[n, ..s], alpha: real, rho: real) -> real[n, n]",
            "(x: real[n, ..s], y: real[m, ..s], alpha: real, rho: real) -> real[n, m]"
        ) "The Matern 3/2 kernel: alpha^2 (1 + r) exp(-r) with r = sqrt(3) d / rho at distance d.";
        GpMatern52 "gp_matern52" general(
            kernel::matern52, "(x: real[n, ..s], alpha: real, rho: real) -> real[n, n]",
            "(x: real[n, ..s], y: real[m, ..s], alpha: real, rho: real) -> real[n, m]"
        ) "The Matern 5/2 kernel: alpha^2 (1 + r + r^2 / 3) exp(-r) with r = sqrt(5) d / rho at distance d.";
        GpPeriodic "gp_periodic" general(
            kernel::periodic, "(x: real[n, ..s], alpha: real, rho: real, period: real) -> real[n, n]",
            "(x: real[n, ..s], y: real[m, ..s], alpha: real, rho: real, period: real) -> real[n, m]"
        ) "The periodic kernel: alpha^2 exp(-2 sin(pi d / period)^2 / rho^2) at distance d.";
    }
}

static SIGNATURES: LazyLock<Vec<Vec<Signature>>> = LazyLock::new(|| {
    INFOS.iter().map(|info| info.signatures.iter().filter_map(|text| Signature::parse(text)).collect()).collect()
});

impl Builtin {
    /// The function called `name`.
    ///
    /// ```
    /// use unmask::builtin::Builtin;
    /// assert_eq!(Builtin::lookup("exp"), Some(Builtin::Exp));
    /// ```
    pub fn lookup(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|b| b.name() == name)
    }

    /// The name nearest to a misspelt one, if near enough.
    pub fn near_miss(name: &str) -> Option<&'static str> {
        near_miss(name, Self::ALL.iter().map(|b| b.name()))
    }

    /// Its entry of the table.
    pub fn info(self) -> &'static Info {
        &INFOS[self as usize]
    }

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    fn signatures(self) -> &'static [Signature] {
        SIGNATURES.get(self as usize).map_or(&[], |s| s)
    }

    /// The numbers of arguments it takes, ascending.
    pub fn arities(self) -> Vec<usize> {
        let mut arities: Vec<usize> = self.signatures().iter().map(Signature::arity).collect();
        arities.sort_unstable();
        arities.dedup();
        arities
    }

    /// The type of its result.
    ///
    /// # Errors
    /// Where no form of it takes `arguments`.
    pub fn result_type(self, arguments: &[DataType]) -> Result<DataType, SignatureError> {
        signature::resolve(self.name(), self.signatures(), arguments).map(|r| r.result)
    }

    /// Its value, whose type is [`Builtin::result_type`] of the arguments' types.
    ///
    /// # Errors
    /// Where the types or shapes do not fit, an integer result overflows, or the result does not exist. Functions of reals
    /// outside their domain give NaN or an infinity instead.
    pub fn evaluate(self, arguments: &[Value]) -> Result<Value, EvaluationError> {
        let info = self.info();
        match arguments {
            [Value::Real(x)] if let Some(f) = info.elementwise1 => return Ok(Value::Real(f(*x))),
            [Value::Real(x), Value::Real(y)] if let Some(f) = info.elementwise2 => return Ok(Value::Real(f(*x, *y))),
            _ => {}
        }
        let function = info.name;
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        let mut types: SmallVec<[DataType; 4]> = SmallVec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let Some(data_type) = argument.data_type() else {
                return Err(EvaluationError::NotData { function, index });
            };
            types.push(data_type);
            values.push(operator::data(argument).clone());
        }
        let resolved = signature::resolve(function, self.signatures(), &types)?;
        let values = resolved.promote(values);
        resolved.check_sizes(function, &values)?;
        (info.evaluate)(&Arguments { function, values: &values })
    }

    /// What it is on one real scalar, for callers that apply it lane by lane: functions that are elementwise on one real.
    pub fn elementwise1(self) -> Option<fn(f64) -> f64> {
        self.info().elementwise1
    }

    /// What it is on two real scalars, for callers that apply it lane by lane: functions that are elementwise on two reals.
    pub fn elementwise2(self) -> Option<fn(f64, f64) -> f64> {
        self.info().elementwise2
    }
}

/// The reference page: every chapter with the entries of its functions.
pub fn reference() -> impl Iterator<Item = (Group, Vec<&'static Info>)> {
    Group::ALL.iter().map(|group| (*group, INFOS.iter().filter(|info| info.group == *group).collect()))
}
