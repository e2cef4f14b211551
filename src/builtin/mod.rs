//! The table of built-in functions, and the operators.
//!
//! One entry of the table gives a function's name, signatures, documentation, evaluation and derivative. Name lookup, near misses,
//! arity and type errors, result types, size checks, the reference page and the test loop are all derived from it; adding
//! a function touches the table and the file that holds its code. Functions of posteriors (`mean(p.x)`) are not here.

mod arguments;
mod arrays;
mod broadcast;
mod derivative;
mod error;
mod kernel;
mod linear;
mod operator;
mod pullback;
mod reduction;
mod scalar;
mod signature;

pub use error::{EvaluationError, SignatureError};
pub use operator::{binary, binary_type, real_arithmetic, unary, unary_type};

use std::sync::LazyLock;

use smallvec::SmallVec;

use self::arguments::Arguments;
use self::pullback::{Call, Gradients, elementwise};
use self::signature::Signature;
use crate::diagnostic::near_miss;
use crate::value::{Base, DataType, Value};

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
    pullback: Option<fn(&Call) -> Gradients>,
    one: Option<Elementwise1>,
    two: Option<Elementwise2>,
}

/// A function of one real and its derivative as a function of the argument and the value.
type Elementwise1 = (fn(f64) -> f64, fn(f64, f64) -> f64);

/// A function of two reals and its partial derivatives.
type Elementwise2 = (fn(f64, f64) -> f64, fn(f64, f64) -> [f64; 2]);

/// Builds the part of [`Info`] that depends on the kind of function: `real1(f, f′)` and `real2(f, f′, names)` are
/// elementwise on reals; `general(f, pullback, signatures…)` is anything else with a real result, `discrete(f, signatures…)`
/// anything without; `general1` and `general2` also give what it is on real scalars, and the derivative.
macro_rules! info {
    ($name:literal, $group:ident, $doc:literal, real1($f:path, $d:path)) => {
        info!(
            $name, $group, $doc, |a| broadcast::real1($f, a), Some(|c| elementwise::one($d, c)), Some(($f, $d)), None,
            ["(x: real[...]) -> real[...]"]
        )
    };
    ($name:literal, $group:ident, $doc:literal, real2($f:path, $d:path, $x:literal, $y:literal)) => {
        info!(
            $name, $group, $doc, |a| broadcast::real2($f, a), Some(|c| elementwise::two($d, c)), None, Some(($f, $d)),
            ["(", $x, ": real[...], ", $y, ": real[...]) -> real[...]"]
        )
    };
    ($name:literal, $group:ident, $doc:literal, general($f:path, $p:path, $($signature:literal),+)) => {
        info!($name, $group, $doc, $f, Some($p), None, None, $([$signature]),+)
    };
    ($name:literal, $group:ident, $doc:literal, discrete($f:path, $($signature:literal),+)) => {
        info!($name, $group, $doc, $f, None, None, None, $([$signature]),+)
    };
    ($name:literal, $group:ident, $doc:literal, general1($f:path, $real:path, $d:path, $($signature:literal),+)) => {
        info!($name, $group, $doc, $f, Some(|c| elementwise::one($d, c)), Some(($real, $d)), None, $([$signature]),+)
    };
    ($name:literal, $group:ident, $doc:literal, general2($f:path, $p:path, $real:path, $d:path, $($signature:literal),+)) => {
        info!($name, $group, $doc, $f, Some($p), None, Some(($real, $d)), $([$signature]),+)
    };
    (
        $name:literal, $group:ident, $doc:literal, $evaluate:expr, $pullback:expr, $one:expr, $two:expr,
        $([$($signature:literal),+]),+
    ) => {
        Info {
            name: $name,
            group: Group::$group,
            signatures: &[$(concat!($name, $($signature),+)),+],
            doc: $doc,
            evaluate: $evaluate,
            pullback: $pullback,
            one: $one,
            two: $two,
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
        Exp "exp" real1(scalar::exp, derivative::exp) "e to the power x.";
        Expm1 "expm1" real1(scalar::expm1, derivative::expm1) "exp(x) - 1, accurate near 0.";
        Log "log" real1(scalar::log, derivative::log) "The natural logarithm.";
        Log1p "log1p" real1(scalar::log1p, derivative::log1p) "log(1 + x), accurate near 0.";
        Log1m "log1m" real1(scalar::log1m, derivative::log1m) "log(1 - x), accurate near 0.";
        Log2 "log2" real1(scalar::log2, derivative::log2) "The logarithm to base 2.";
        Log10 "log10" real1(scalar::log10, derivative::log10) "The logarithm to base 10.";
        Log1mExp "log1m_exp" real1(scalar::log1m_exp, derivative::log1m_exp) "log(1 - exp(x)) for x <= 0, accurate everywhere.";
        LogDiffExp "log_diff_exp" real2(scalar::log_diff_exp, derivative::log_diff_exp, "x", "y") "log(exp(x) - exp(y)) for x >= y.";
        Softplus "softplus" real1(scalar::softplus, derivative::softplus) "log(1 + exp(x)), without overflow.";
        Log1pExp "log1p_exp" real1(scalar::softplus, derivative::softplus) "log(1 + exp(x)): `softplus` by Stan's name.";
        Sigmoid "sigmoid" real1(scalar::sigmoid, derivative::sigmoid) "1 / (1 + exp(-x)), the inverse of `logit`.";
        InvLogit "inv_logit" real1(scalar::sigmoid, derivative::sigmoid) "1 / (1 + exp(-x)): `sigmoid` by Stan's name.";
        LogSigmoid "log_sigmoid" real1(scalar::log_sigmoid, derivative::log_sigmoid) "log(sigmoid(x)), accurate far out.";
        Logit "logit" real1(scalar::logit, derivative::logit) "log(p / (1 - p)), the inverse of `sigmoid`.";
        Sqrt "sqrt" real1(scalar::sqrt, derivative::sqrt) "The square root.";
        Cbrt "cbrt" real1(scalar::cbrt, derivative::cbrt) "The cube root.";
        Square "square" real1(scalar::square, derivative::square) "x times x.";
        Inv "inv" real1(scalar::inv, derivative::inv) "1 / x.";
        Pow "pow" real2(scalar::pow, derivative::pow, "x", "y") "x to the power y, as a real.";
        Hypot "hypot" real2(scalar::hypot, derivative::hypot, "x", "y") "sqrt(x^2 + y^2), without overflow.";
        Abs "abs" general1(reduction::abs, scalar::abs, derivative::abs, "(x: number[...]) -> number[...]") "The absolute value.";
        Sign "sign" real1(scalar::sign, derivative::constant) "-1.0, 0.0 or 1.0.";
        Floor "floor" real1(scalar::floor, derivative::constant) "The greatest whole number not above x, as a real.";
        Ceil "ceil" real1(scalar::ceil, derivative::constant) "The least whole number not below x, as a real.";
        Round "round" real1(scalar::round, derivative::constant) "The nearest whole number as a real; halves away from zero.";
        Trunc "trunc" real1(scalar::trunc, derivative::constant) "x without its fraction, as a real.";
        ToInt "to_int" discrete(reduction::to_int, "(x: real[...]) -> int[...]")
            "x without its fraction, as an int; an error where no 64-bit integer can hold it.";
        Div "div" discrete(reduction::div, "(a: int[...], b: int[...]) -> int[...]")
            "The quotient of integers, rounded toward zero; `a % b` is what is left.";
        Fmod "fmod" real2(scalar::fmod, derivative::fmod, "x", "y") "The remainder of x / y, with the sign of x.";
        Min "min" general2(
            reduction::min, pullback::reduction::min, scalar::min, derivative::min,
            "(x: number[...], y: number[...]) -> number[...]", "(x: number[n, ..s]) -> number"
        ) "The lesser of two, element by element, or the least element of an array. NaN where any is NaN.";
        Max "max" general2(
            reduction::max, pullback::reduction::max, scalar::max, derivative::max,
            "(x: number[...], y: number[...]) -> number[...]", "(x: number[n, ..s]) -> number"
        ) "The greater of two, element by element, or the greatest element of an array. NaN where any is NaN.";
        Sin "sin" real1(scalar::sin, derivative::sin) "The sine of x radians.";
        Cos "cos" real1(scalar::cos, derivative::cos) "The cosine of x radians.";
        Tan "tan" real1(scalar::tan, derivative::tan) "The tangent of x radians.";
        Asin "asin" real1(scalar::asin, derivative::asin) "The arc sine, in radians.";
        Acos "acos" real1(scalar::acos, derivative::acos) "The arc cosine, in radians.";
        Atan "atan" real1(scalar::atan, derivative::atan) "The arc tangent, in radians.";
        Atan2 "atan2" real2(scalar::atan2, derivative::atan2, "y", "x") "The angle of the point (x, y), in radians from -pi to pi.";
        Sinh "sinh" real1(scalar::sinh, derivative::sinh) "The hyperbolic sine.";
        Cosh "cosh" real1(scalar::cosh, derivative::cosh) "The hyperbolic cosine.";
        Tanh "tanh" real1(scalar::tanh, derivative::tanh) "The hyperbolic tangent.";
        Asinh "asinh" real1(scalar::asinh, derivative::asinh) "The inverse of `sinh`.";
        Acosh "acosh" real1(scalar::acosh, derivative::acosh) "The inverse of `cosh`.";
        Atanh "atanh" real1(scalar::atanh, derivative::atanh) "The inverse of `tanh`.";
        Erf "erf" real1(scalar::erf, derivative::erf) "The error function.";
        Erfc "erfc" real1(scalar::erfc, derivative::erfc) "1 - erf(x), accurate for large x.";
        Phi "Phi" real1(scalar::phi, derivative::phi) "The standard normal distribution function, accurate in the lower tail.";
        Lgamma "lgamma" real1(scalar::lgamma, derivative::lgamma) "The logarithm of the absolute value of the gamma function.";
        Digamma "digamma" real1(scalar::digamma, derivative::digamma) "The derivative of `lgamma`.";
        Lbeta "lbeta" real2(scalar::lbeta, derivative::lbeta, "a", "b") "The logarithm of the beta function, for positive a and b.";
        Lchoose "lchoose" real2(scalar::lchoose, derivative::lchoose, "n", "k") "The logarithm of the number of ways to choose k of n.";
    }
    /// From an array to one number, mostly.
    Reductions "Reductions" {
        Sum "sum" general(reduction::sum, pullback::reduction::sum, "(x: number[n, ..s]) -> number") "The sum of all elements; 0 without any.";
        Prod "prod" general(reduction::prod, pullback::reduction::prod, "(x: number[n, ..s]) -> number") "The product of all elements; 1 without any.";
        Mean "mean" general(reduction::mean, pullback::reduction::mean, "(x: real[n, ..s]) -> real") "The mean of all elements.";
        Variance "variance" general(reduction::variance, pullback::reduction::variance, "(x: real[n, ..s]) -> real")
            "The sample variance of all elements, with divisor n - 1.";
        Sd "sd" general(reduction::sd, pullback::reduction::sd, "(x: real[n, ..s]) -> real")
            "The sample standard deviation of all elements, with divisor n - 1.";
        Median "median" general(reduction::median, pullback::reduction::median, "(x: real[n, ..s]) -> real") "The middle element, or the mean of the middle two.";
        Quantile "quantile" general(reduction::quantile, pullback::reduction::quantile, "(x: real[n], p: real[..s]) -> real[..s]")
            "The p-quantiles of the elements, with linear interpolation (type 7 of Hyndman and Fan).";
        Any "any" discrete(reduction::any, "(x: condition[n, ..s]) -> bool") "Whether some element is true (or not 0).";
        All "all" discrete(reduction::all, "(x: condition[n, ..s]) -> bool") "Whether every element is true (or not 0).";
        Norm "norm" general(reduction::norm, pullback::reduction::norm, "(x: real[n, ..s]) -> real") "The square root of the sum of squares, without overflow.";
        LogSumExp "log_sum_exp" general2(
            reduction::log_sum_exp, pullback::reduction::log_sum_exp, scalar::log_sum_exp, derivative::log_sum_exp,
            "(x: real[...], y: real[...]) -> real[...]", "(x: real[n, ..s]) -> real"
        ) "log(sum(exp(x))) without overflow, or log(exp(x) + exp(y)) of two.";
        Argmin "argmin" discrete(reduction::argmin, "(x: number[n]) -> int") "The index, from 0, of the first least element (of the first NaN, if any).";
        Argmax "argmax" discrete(reduction::argmax, "(x: number[n]) -> int") "The index, from 0, of the first greatest element (of the first NaN, if any).";
    }
    /// Making and rearranging arrays.
    Arrays "Arrays" {
        Len "len" discrete(arrays::len, "(x: T[n, ..s]) -> int") "The size of the first axis.";
        Zeros "zeros" general(arrays::zeros, pullback::arrays::nothing, "(n: int) -> real[n]", "(n: int, m: int) -> real[n, m]") "An array of zeros.";
        Ones "ones" general(arrays::ones, pullback::arrays::nothing, "(n: int) -> real[n]", "(n: int, m: int) -> real[n, m]") "An array of ones.";
        Rep "rep" general(arrays::rep, pullback::arrays::rep, "(x: T[..s], n: int) -> T[n, ..s]") "x, n times.";
        Range "range" discrete(arrays::range, "(a: int, b: int) -> int[b - a]") "The integers from a up to but not including b; none where b <= a.";
        Linspace "linspace" general(arrays::linspace, pullback::arrays::linspace, "(a: real, b: real, n: int) -> real[n]") "n evenly spaced reals from a to b, both included.";
        Concat "concat" general(arrays::concat, pullback::arrays::join, "(a: T[n, ..s], b: T[m, ..s]) -> T[n + m, ..s]") "The elements of a, then those of b.";
        Append "append" general(arrays::append, pullback::arrays::join, "(a: T[n, ..s], x: T[..s]) -> T[n + 1, ..s]") "The elements of a, then x.";
        Head "head" general(arrays::head, pullback::arrays::head, "(x: T[n, ..s], k: int) -> T[k, ..s]") "The first k elements.";
        Tail "tail" general(arrays::tail, pullback::arrays::tail, "(x: T[n, ..s], k: int) -> T[k, ..s]") "The last k elements.";
        Reverse "reverse" general(arrays::reverse, pullback::arrays::reverse, "(x: T[n, ..s]) -> T[n, ..s]") "The elements from last to first.";
        Sort "sort" general(arrays::sort, pullback::arrays::sort, "(x: number[n]) -> number[n]") "The elements in ascending order, NaNs last.";
        Cumsum "cumsum" general(arrays::cumsum, pullback::arrays::cumsum, "(x: number[n]) -> number[n]") "The sums of the first 1, 2, ..., n elements.";
        Softmax "softmax" general(reduction::softmax, pullback::arrays::softmax, "(x: real[n]) -> real[n]") "exp(x) / sum(exp(x)), without overflow.";
        LogSoftmax "log_softmax" general(reduction::log_softmax, pullback::arrays::log_softmax, "(x: real[n]) -> real[n]") "log(softmax(x)), accurate where that is tiny.";
    }
    /// Vectors and matrices.
    LinearAlgebra "Linear algebra" {
        Dot "dot" general(linear::dot, pullback::linear::dot, "(x: real[n], y: real[n]) -> real") "The sum of products.";
        Matmul "matmul" general(
            linear::matmul, pullback::linear::matmul, "(a: real[n, k], b: real[k, m]) -> real[n, m]", "(a: real[n, k], x: real[k]) -> real[n]",
            "(x: real[k], b: real[k, m]) -> real[m]"
        ) "The matrix product (`*` multiplies element by element).";
        Transpose "transpose" general(linear::transpose, pullback::linear::transpose, "(a: T[n, m]) -> T[m, n]") "Rows become columns.";
        Outer "outer" general(linear::outer, pullback::linear::outer, "(x: real[n], y: real[m]) -> real[n, m]") "The matrix of products: element i, j is the i-th of x times the j-th of y.";
        Identity "identity" general(linear::identity, pullback::arrays::nothing, "(n: int) -> real[n, n]") "The identity matrix.";
        Diag "diag" general(linear::diag, pullback::linear::diag, "(x: real[n]) -> real[n, n]") "The matrix with x on its diagonal and zeros elsewhere.";
        Diagonal "diagonal" general(linear::diagonal, pullback::linear::diagonal, "(a: real[n, n]) -> real[n]") "The diagonal of a square matrix.";
        AddDiagonal "add_diagonal" general(
            linear::add_diagonal, pullback::linear::add_diagonal, "(a: real[n, n], x: real) -> real[n, n]", "(a: real[n, n], x: real[n]) -> real[n, n]"
        ) "a with x added to its diagonal.";
        Trace "trace" general(linear::trace, pullback::linear::trace, "(a: real[n, n]) -> real") "The sum of the diagonal.";
        Cholesky "cholesky" general(linear::cholesky, pullback::linear::cholesky, "(a: real[n, n]) -> real[n, n]")
            "The lower triangular matrix L with a = L L'; a must be symmetric and positive definite.";
        Det "det" general(linear::det, pullback::linear::det, "(a: real[n, n]) -> real") "The determinant.";
        LogDet "log_det" general(linear::log_det, pullback::linear::log_det, "(a: real[n, n]) -> real") "The logarithm of the absolute value of the determinant.";
        Inverse "inverse" general(linear::inverse, pullback::linear::inverse, "(a: real[n, n]) -> real[n, n]") "The inverse matrix; `solve` is more accurate.";
        Solve "solve" general(linear::solve, pullback::linear::solve, "(a: real[n, n], b: real[n]) -> real[n]", "(a: real[n, n], b: real[n, m]) -> real[n, m]")
            "The x with a x = b.";
        SolveLower "solve_lower" general(
            linear::solve_lower, pullback::linear::solve_lower, "(l: real[n, n], b: real[n]) -> real[n]", "(l: real[n, n], b: real[n, m]) -> real[n, m]"
        ) "The x with l x = b, reading only the lower triangle of l.";
        QuadForm "quad_form" general(linear::quad_form, pullback::linear::quad_form, "(a: real[n, n], x: real[n]) -> real") "The quadratic form x' a x.";
    }
    /// Covariance matrices of Gaussian processes, of points x and of points x against points y.
    GaussianProcesses "Gaussian processes" {
        GpExpQuad "gp_exp_quad" general(
            kernel::exp_quad, pullback::kernel::exp_quad, "(x: real[n, ..s], alpha: real, rho: real) -> real[n, n]",
            "(x: real[n, ..s], y: real[m, ..s], alpha: real, rho: real) -> real[n, m]"
        ) "The exponentiated quadratic kernel: alpha^2 exp(-d^2 / (2 rho^2)) at distance d.";
        GpMatern32 "gp_matern32" general(
            kernel::matern32, pullback::kernel::matern32, "(x: real[n, ..s], alpha: real, rho: real) -> real[n, n]",
            "(x: real[n, ..s], y: real[m, ..s], alpha: real, rho: real) -> real[n, m]"
        ) "The Matern 3/2 kernel: alpha^2 (1 + r) exp(-r) with r = sqrt(3) d / rho at distance d.";
        GpMatern52 "gp_matern52" general(
            kernel::matern52, pullback::kernel::matern52, "(x: real[n, ..s], alpha: real, rho: real) -> real[n, n]",
            "(x: real[n, ..s], y: real[m, ..s], alpha: real, rho: real) -> real[n, m]"
        ) "The Matern 5/2 kernel: alpha^2 (1 + r + r^2 / 3) exp(-r) with r = sqrt(5) d / rho at distance d.";
        GpPeriodic "gp_periodic" general(
            kernel::periodic, pullback::kernel::periodic, "(x: real[n, ..s], alpha: real, rho: real, period: real) -> real[n, n]",
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
            [Value::Real(x)] if let Some((f, _)) = info.one => return Ok(Value::Real(f(*x))),
            [Value::Real(x), Value::Real(y)] if let Some((f, _)) = info.two => return Ok(Value::Real(f(*x, *y))),
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
        self.info().one.map(|(f, _)| f)
    }

    /// What it is on two real scalars, for callers that apply it lane by lane: functions that are elementwise on two reals.
    pub fn elementwise2(self) -> Option<fn(f64, f64) -> f64> {
        self.info().two.map(|(f, _)| f)
    }

    /// The derivative of [`Builtin::elementwise1`]: dy/dx as a function of x and of y, the value there. At a kink that of
    /// one side, 0 where the function is piecewise constant; what lies outside the domain may have any.
    ///
    /// ```
    /// use unmask::builtin::Builtin;
    /// let derivative = Builtin::Sqrt.derivative1().unwrap();
    /// assert_eq!(derivative(4.0, 2.0), 0.25);
    /// ```
    pub fn derivative1(self) -> Option<fn(x: f64, y: f64) -> f64> {
        self.info().one.map(|(_, derivative)| derivative)
    }

    /// The partial derivatives of [`Builtin::elementwise2`] in both arguments; else as [`Builtin::derivative1`].
    pub fn derivative2(self) -> Option<fn(a: f64, b: f64) -> [f64; 2]> {
        self.info().two.map(|(_, derivative)| derivative)
    }

    /// The vector-Jacobian product, which reverse-mode differentiation is made of: for each argument, row-major, the sum
    /// over the elements of the result of `adjoint` times the derivative of that element in the argument's elements.
    ///
    /// `arguments` are of the kinds the form wants, integers in the place of reals promoted, `result` is what
    /// [`Builtin::evaluate`] gave for them, and `adjoint` has one weight for each of its elements, row-major. An argument
    /// that is not real has `None`. The whole is `None` where the result is not real, where the derivative does not exist
    /// because the function does not (a singular matrix), or where there are not as many weights as elements.
    ///
    /// A symmetric matrix (of `cholesky`) moves with its mirror image: what one such pair of elements does to the result is
    /// shared equally between the two.
    ///
    /// ```
    /// use unmask::builtin::Builtin;
    /// use unmask::value::Value;
    /// let arguments = [Value::reals([1.0, 2.0]), Value::reals([3.0, 4.0])];
    /// let result = Builtin::Dot.evaluate(&arguments).unwrap();
    /// let gradients = Builtin::Dot.pullback(&arguments, &result, &[10.0]).unwrap();
    /// assert_eq!(gradients, [Some(vec![30.0, 40.0]), Some(vec![10.0, 20.0])]);
    /// ```
    pub fn pullback(self, arguments: &[Value], result: &Value, adjoint: &[f64]) -> Option<Vec<Option<Vec<f64>>>> {
        let is_real = |value: &Value| value.data_type().is_some_and(|t| t.base == Base::Real);
        let info = self.info();
        let size = result.as_array().map_or(1, |array| array.size());
        if !is_real(result) || adjoint.len() != size {
            return None;
        }
        let call = Call { arguments: Arguments { function: info.name, values: arguments }, result, adjoint };
        let mut gradients = (info.pullback?)(&call).ok()?.into_iter();
        Some(arguments.iter().map(|argument| gradients.next().filter(|_| is_real(argument))).collect())
    }
}

/// The reference page: every chapter with the entries of its functions.
pub fn reference() -> impl Iterator<Item = (Group, Vec<&'static Info>)> {
    Group::ALL.iter().map(|group| (*group, INFOS.iter().filter(|info| info.group == *group).collect()))
}
