//! The registry: one line a family. To add one, copy `normal.rs` (real scalars), `poisson.rs` (integers) or `dirichlet.rs`
//! (anything else) and add its line here; everything else derives.

use rand::Rng;

use super::column::ScalarForm;
use super::{Argument, DistributionError, FamilyInfo, Improper, Point, Scalar, Support};
use super::{composite, continuous, discrete};
use crate::value::Value;

macro_rules! check {
    (continuous, $family:expr, $type:ty, $arguments:expr) => {{
        let _ = ($family, $arguments);
        Ok(())
    }};
    (discrete, $family:expr, $type:ty, $arguments:expr) => {
        check!(continuous, $family, $type, $arguments)
    };
    (composite, $family:expr, $type:ty, $arguments:expr) => {
        <$type as composite::Composite>::check($family, $arguments)
    };
}

/// A line `Name = kind module::Name` declares the module, the variant of [`Family`], and the dispatch to the trait of that
/// kind ([`continuous::Continuous`], [`discrete::Discrete`] or [`composite::Composite`]).
macro_rules! families {
    ($($variant:ident = $kind:ident $module:ident;)*) => {
        $(mod $module;)*

        /// A family of distributions, such as all normal ones.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Family {
            $(#[doc = concat!("See `", stringify!($module), "` on the reference page.")] $variant,)*
        }

        impl Family {
            /// Every family, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What is written down about it.
            pub fn info(self) -> &'static FamilyInfo {
                match self { $(Self::$variant => &$module::INFO,)* }
            }

            /// Whether parameters and draws are all scalars, as [`Family::sample_column`] needs.
            pub fn has_scalar_form(self) -> bool {
                match self { $(Self::$variant => $kind::HAS_SCALAR_FORM,)* }
            }

            pub(super) fn dispatch_check<S: Scalar>(self, arguments: &[Argument<S>]) -> Result<(), DistributionError> {
                match self { $(Self::$variant => check!($kind, self, $module::$variant, arguments),)* }
            }

            pub(super) fn dispatch_support<S: Scalar>(self, arguments: &[Argument<S>]) -> Support<S> {
                match self { $(Self::$variant => $kind::support($module::$variant, arguments),)* }
            }

            pub(super) fn dispatch_log_density<S: Scalar>(self, arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
                match self { $(Self::$variant => $kind::log_density($module::$variant, arguments, x),)* }
            }

            #[inline]
            pub(super) fn dispatch_scalar_log_density<S: Scalar>(self, parameters: &[S], x: S) -> S {
                match self { $(Self::$variant => $kind::scalar_log_density($module::$variant, parameters, x),)* }
            }

            pub(super) fn dispatch_log_cdf<S: Scalar>(self, arguments: &[Argument<S>], x: S) -> Option<S> {
                match self { $(Self::$variant => $kind::log_cdf($module::$variant, arguments, x),)* }
            }

            pub(super) fn dispatch_log_survival<S: Scalar>(self, arguments: &[Argument<S>], x: S) -> Option<S> {
                match self { $(Self::$variant => $kind::log_survival($module::$variant, arguments, x),)* }
            }

            pub(super) fn dispatch_sample<R: Rng + ?Sized>(
                self,
                arguments: &[Argument<f64>],
                rng: &mut R,
            ) -> Result<Value, Improper> {
                match self { $(Self::$variant => $kind::sample($module::$variant, arguments, rng),)* }
            }

            pub(super) fn fill<R: Rng + ?Sized>(self, rng: &mut R, form: ScalarForm<'_, '_>, out: &mut [f64]) {
                match self { $(Self::$variant => $kind::fill($module::$variant, rng, form, out),)* }
            }
        }
    };
}

families! {
    Uniform = continuous uniform;
    Normal = continuous normal;
    Lognormal = continuous lognormal;
    StudentT = continuous student_t;
    Cauchy = continuous cauchy;
    Laplace = continuous laplace;
    Logistic = continuous logistic;
    HalfNormal = continuous half_normal;
    HalfCauchy = continuous half_cauchy;
    HalfStudentT = continuous half_student_t;
    Exponential = continuous exponential;
    Gamma = continuous gamma;
    InvGamma = continuous inv_gamma;
    ChiSquared = continuous chi_squared;
    Weibull = continuous weibull;
    Beta = continuous beta;
    Bernoulli = discrete bernoulli;
    BernoulliLogit = discrete bernoulli_logit;
    Binomial = discrete binomial;
    BinomialLogit = discrete binomial_logit;
    Poisson = discrete poisson;
    PoissonLog = discrete poisson_log;
    Geometric = discrete geometric;
    NegBinomial = discrete neg_binomial;
    NegBinomialLog = discrete neg_binomial_log;
    DiscreteUniform = discrete discrete_uniform;
    Categorical = composite categorical;
    CategoricalLogit = composite categorical_logit;
    Dirichlet = composite dirichlet;
    MultiNormal = composite multi_normal;
    MultiNormalCholesky = composite multi_normal_cholesky;
    Truncated = composite truncated;
    Mixture = composite mixture;
    Ordered = composite ordered;
    Flat = composite flat;
    PositiveFlat = composite positive_flat;
}
