//! Functions registered from Rust: the values of `library fn f(x: real) -> real;` declared without a body.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::value::Value;

type ValueFn = dyn Fn(&[Value]) -> Result<Value, String> + Send + Sync;
type GradientFn = dyn Fn(&[f64]) -> Vec<f64> + Send + Sync;

/// A function written in Rust. It must be deterministic: inference runs programs many times.
#[derive(Clone)]
pub struct HostFunction {
    value: Arc<ValueFn>,
    gradient: Option<Arc<GradientFn>>,
}

impl HostFunction {
    /// A function of any data. An `Err` is shown to the user at the call.
    pub fn new(value: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static) -> Self {
        Self { value: Arc::new(value), gradient: None }
    }

    /// A real function of scalars.
    pub fn real(value: impl Fn(&[f64]) -> f64 + Send + Sync + 'static) -> Self {
        Self::new(move |arguments| {
            let scalars: Option<Vec<f64>> = arguments.iter().map(Value::as_f64).collect();
            scalars.map(|s| Value::Real(value(&s))).ok_or_else(|| "it takes numbers".into())
        })
    }

    /// Adds the partial derivatives of a real function of scalars, one an argument.
    #[must_use]
    pub fn with_gradient(mut self, gradient: impl Fn(&[f64]) -> Vec<f64> + Send + Sync + 'static) -> Self {
        self.gradient = Some(Arc::new(gradient));
        self
    }

    /// Its value.
    ///
    /// # Errors
    /// What the function says.
    pub fn call(&self, arguments: &[Value]) -> Result<Value, String> {
        (self.value)(arguments)
    }

    /// Its partial derivatives at `arguments`, if it was registered with them.
    pub fn gradient(&self, arguments: &[f64]) -> Option<Vec<f64>> {
        self.gradient.as_ref().map(|g| g(arguments))
    }
}

impl fmt::Debug for HostFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostFunction").field("gradient", &self.gradient.is_some()).finish_non_exhaustive()
    }
}

/// Registered functions by name.
pub type HostFunctions = FxHashMap<Arc<str>, HostFunction>;
