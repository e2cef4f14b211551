//! Types and sizes of the built-in functions, read off the signatures that the reference page shows.
//!
//! A signature such as `solve(a: real[n, n], b: real[n]) -> real[n]` is the only statement of what a function takes: type
//! errors, arity errors, the type of the result and the check that sizes agree all come from it. In it,
//! - `real` also takes an int; `number` is int or real and the result keeps it; `condition` is bool or int; `T` is any kind;
//! - `[n, m]` gives the rank, and one name in two places demands one size;
//! - `[n, ..s]` has further axes of any number, and `[..s]` any shape at all, the same wherever `s` stands;
//! - `[...]` is elementwise: a scalar or an array, all such arrays having one shape, which is that of the result.

use smallvec::SmallVec;

use super::{EvaluationError, SignatureError};
use crate::value::{Base, DataType, Value};

/// One form of a function.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    parameters: Vec<Pattern>,
    result: Pattern,
}

#[derive(Clone, Debug)]
struct Pattern {
    base: BasePattern,
    axes: Vec<Axis>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum BasePattern {
    Exactly(Base),
    Number,
    Condition,
    Any,
}

#[derive(Clone, Debug, PartialEq)]
enum Axis {
    /// `n`
    Size(&'static str),
    /// `..s`
    Rest(&'static str),
    /// `...`
    Broadcast,
}

/// What a call has been found to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved<'s> {
    /// The form.
    pub(super) signature: &'s Signature,
    /// What `number` and `T` stand for.
    generic: Base,
    /// Type of the result.
    pub(super) result: DataType,
}

struct Mismatch {
    index: usize,
    expected: String,
}

impl Signature {
    /// Reads `name(x: real[n], ...) -> real`. `None` where it is malformed, which a test over all built-ins excludes.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        let (head, result) = text.split_once(" -> ")?;
        let parameters = head.split_once('(')?.1.strip_suffix(')')?;
        let parameters = split_outside_brackets(parameters)
            .into_iter()
            .map(|p| Pattern::parse(p.split_once(": ")?.1))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { parameters, result: Pattern::parse(result)? })
    }

    /// The number of arguments.
    pub(super) fn arity(&self) -> usize {
        self.parameters.len()
    }

    fn resolve(&self, arguments: &[DataType]) -> Result<Resolved<'_>, Mismatch> {
        let mut generic = None;
        let mut broadcast = 0;
        let mut rests: SmallVec<[(&str, usize); 2]> = SmallVec::new();
        for (index, (pattern, found)) in self.parameters.iter().zip(arguments).enumerate() {
            let mismatch = |expected: String| Err(Mismatch { index, expected });
            let fits = match pattern.base {
                BasePattern::Exactly(base) => found.base.fits(base),
                BasePattern::Condition => found.base.fits(Base::Int) || found.base == Base::Bool,
                BasePattern::Number => found.base != Base::Bool,
                BasePattern::Any => true,
            };
            if !fits {
                return mismatch(pattern.describe());
            }
            if matches!(pattern.base, BasePattern::Number | BasePattern::Any) {
                match generic {
                    Some(base) if (base == Base::Bool) != (found.base == Base::Bool) => {
                        return mismatch(format!("{base}, as before it"));
                    }
                    Some(base) => generic = Some(found.base.max(base)),
                    None => generic = Some(found.base),
                }
            }
            let sizes = pattern.sizes();
            match pattern.axes.iter().find(|a| !matches!(a, Axis::Size(_))) {
                Some(Axis::Broadcast) => {
                    if found.rank != 0 && broadcast != 0 && found.rank != broadcast {
                        let array = DataType { base: found.base, rank: broadcast };
                        return mismatch(format!("a scalar or {array}"));
                    }
                    broadcast = broadcast.max(found.rank);
                }
                Some(Axis::Rest(name)) => {
                    let Some(rank) = found.rank.checked_sub(sizes) else { return mismatch(pattern.describe()) };
                    match rests.iter().find(|(n, _)| n == name) {
                        Some((_, bound)) if *bound != rank => {
                            return mismatch(DataType { base: found.base, rank: bound + sizes }.to_string());
                        }
                        Some(_) => {}
                        None => rests.push((name, rank)),
                    }
                }
                Some(Axis::Size(_)) | None if found.rank != sizes => return mismatch(pattern.describe()),
                Some(Axis::Size(_)) | None => {}
            }
        }
        let generic = generic.unwrap_or(Base::Real);
        let rank = self.result.axes.iter().map(|axis| match axis {
            Axis::Size(_) => 1,
            Axis::Rest(name) => rests.iter().find(|(n, _)| n == name).map_or(0, |(_, rank)| *rank),
            Axis::Broadcast => broadcast,
        });
        let base = match self.result.base {
            BasePattern::Exactly(base) => base,
            BasePattern::Condition => Base::Bool,
            BasePattern::Number | BasePattern::Any => generic,
        };
        Ok(Resolved { signature: self, generic, result: DataType { base, rank: rank.sum() } })
    }
}

impl Resolved<'_> {
    /// The arguments with integers as reals where the form wants reals.
    pub(super) fn promote(&self, arguments: SmallVec<[Value; 4]>) -> SmallVec<[Value; 4]> {
        let wanted = |pattern: &Pattern| match pattern.base {
            BasePattern::Exactly(base) => base,
            BasePattern::Number | BasePattern::Any => self.generic,
            BasePattern::Condition => Base::Bool,
        };
        self.signature.parameters.iter().zip(arguments).map(|(p, a)| a.promote(wanted(p))).collect()
    }

    /// Checks that sizes of one name are equal. An array without rows fits any row shape: it is `[]`.
    pub(super) fn check_sizes(&self, function: &'static str, arguments: &[Value]) -> Result<(), EvaluationError> {
        let mut bound: SmallVec<[(&str, &[usize], usize); 4]> = SmallVec::new();
        for (index, (pattern, argument)) in self.signature.parameters.iter().zip(arguments).enumerate() {
            let shape = argument.shape();
            let mut rest_of_shape = shape;
            for axis in &pattern.axes {
                let (name, part) = match axis {
                    Axis::Size(name) => {
                        let Some((_, after)) = rest_of_shape.split_first() else { continue };
                        let (part, _) = rest_of_shape.split_at(1);
                        rest_of_shape = after;
                        (*name, part)
                    }
                    Axis::Rest(_) if pattern.axes.len() > 1 && shape.first() == Some(&0) => continue,
                    Axis::Rest(name) => (*name, rest_of_shape),
                    Axis::Broadcast if shape.is_empty() => continue,
                    Axis::Broadcast => ("...", rest_of_shape),
                };
                match bound.iter().find(|(n, _, _)| *n == name) {
                    Some((_, expected, _)) if *expected == part => {}
                    Some((_, _, earlier)) if *earlier == index => {
                        return Err(EvaluationError::NotSquare { function, shape: shape.to_vec() });
                    }
                    Some((_, _, earlier)) => {
                        let left = arguments.get(*earlier).map_or(&[][..], Value::shape).to_vec();
                        return Err(EvaluationError::Shapes { function, left, right: shape.to_vec() });
                    }
                    None => bound.push((name, part, index)),
                }
            }
        }
        Ok(())
    }
}

/// Finds the form of `function` that takes `arguments`.
///
/// # Errors
/// Where none does: the number of arguments first, then the first argument that no form takes.
pub(super) fn resolve<'s>(
    function: &'static str,
    signatures: &'s [Signature],
    arguments: &[DataType],
) -> Result<Resolved<'s>, SignatureError> {
    let mut mismatches: Vec<Mismatch> = Vec::new();
    for signature in signatures.iter().filter(|s| s.arity() == arguments.len()) {
        match signature.resolve(arguments) {
            Ok(resolved) => return Ok(resolved),
            Err(mismatch) => mismatches.push(mismatch),
        }
    }
    let Some(index) = mismatches.iter().map(|m| m.index).max() else {
        let mut expected: Vec<usize> = signatures.iter().map(Signature::arity).collect();
        expected.sort_unstable();
        expected.dedup();
        return Err(SignatureError::Arity { function, expected, found: arguments.len() });
    };
    let mut expected: Vec<String> = Vec::new();
    for mismatch in mismatches.into_iter().filter(|m| m.index == index) {
        if !expected.contains(&mismatch.expected) {
            expected.push(mismatch.expected);
        }
    }
    let found = arguments.get(index).copied().unwrap_or(DataType::REAL);
    Err(SignatureError::Argument { function, index, expected: expected.join(" or "), found })
}

impl Pattern {
    fn parse(text: &'static str) -> Option<Self> {
        let (base, axes) = match text.split_once('[') {
            Some((base, axes)) => (base, axes.strip_suffix(']')?.split(", ").map(Axis::parse).collect()),
            None => (text, Vec::new()),
        };
        let base = match base {
            "real" => BasePattern::Exactly(Base::Real),
            "int" => BasePattern::Exactly(Base::Int),
            "bool" => BasePattern::Exactly(Base::Bool),
            "number" => BasePattern::Number,
            "condition" => BasePattern::Condition,
            "T" => BasePattern::Any,
            _ => return None,
        };
        Some(Self { base, axes })
    }

    fn sizes(&self) -> usize {
        self.axes.iter().filter(|a| matches!(a, Axis::Size(_))).count()
    }

    /// In words, for messages.
    fn describe(&self) -> String {
        let base = match self.base {
            BasePattern::Exactly(base) => base.name(),
            BasePattern::Number => "int or real",
            BasePattern::Condition => "bool or int",
            BasePattern::Any => "any data",
        };
        match (self.sizes(), self.axes.len()) {
            (0, 0) if self.base == BasePattern::Any => "a scalar".into(),
            (0, 0) => base.into(),
            (0, _) => format!("{base} (scalar or array)"),
            (1, 2) => format!("an array of {base}"),
            (sizes, _) => match self.base {
                BasePattern::Exactly(base) => DataType { base, rank: sizes }.to_string(),
                BasePattern::Number | BasePattern::Condition | BasePattern::Any => {
                    format!("an array of {base} with {sizes} {}", if sizes == 1 { "axis" } else { "axes" })
                }
            },
        }
    }
}

impl Axis {
    fn parse(text: &'static str) -> Self {
        match text.strip_prefix("..") {
            Some(".") => Self::Broadcast,
            Some(name) => Self::Rest(name),
            None => Self::Size(text),
        }
    }
}

fn split_outside_brackets(text: &'static str) -> Vec<&'static str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.extend(text.get(start..i));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts.into_iter().map(str::trim).filter(|p| !p.is_empty()).collect()
}
