//! What statements read: names and expressions, about how large they are, and numbers as people write them.

use std::fmt::{self, Display};

use crate::value::format_real;

/// Something that a statement may read: its text, and about how far from 0 its values are.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub text: String,
    pub size: f64,
    /// Whether its values are known to be positive.
    pub is_positive: bool,
}

impl Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Term {
    pub fn new(text: impl Display, size: f64) -> Self {
        Self { text: text.to_string(), size, is_positive: false }
    }

    /// The same, known to be positive.
    pub fn positive(self) -> Self {
        Self { is_positive: true, ..self }
    }

    /// Its text as a factor of a product.
    pub fn factor(&self) -> String {
        if is_simple(&self.text) { self.text.clone() } else { format!("({})", self.text) }
    }

    /// The number and the variable that it is the product of, if it is that.
    fn multiple(&self) -> Option<(f64, &str)> {
        let (left, right) = self.text.split_once(" * ")?;
        let of = |number: &str, name| number.parse().ok().filter(|_| is_simple(name)).map(|x| (x, name));
        of(left, right).or_else(|| of(right, left))
    }

    /// A multiple of it, worked out where it is a number.
    pub fn times(&self, by: f64) -> Self {
        let text = match self.text.parse::<f64>() {
            Ok(x) => show((x * by * 1_000.0).round() / 1_000.0),
            Err(_) => format!("{} * {}", show(by), self.factor()),
        };
        Self::new(text, self.size * by)
    }

    /// Whether it is a negative number.
    pub fn is_negative(&self) -> bool {
        self.text.starts_with('-')
    }

    /// Minus it.
    pub fn negative(&self) -> String {
        let mut depth = 0;
        let is_sum = self.text.char_indices().any(|(at, c)| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0 && at > 0 && (c == '+' || c == '-')
        });
        if is_sum { format!("-({})", self.text) } else { format!("-{}", self.text) }
    }

    /// Element `index` of it.
    pub fn at(&self, index: impl Display) -> Self {
        Self { text: format!("{}[{index}]", self.text), ..*self }
    }
}

/// Whether a text is a number, a variable or an element of one.
fn is_simple(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "_.[]".contains(c))
}

/// The sum of terms, with a minus where one begins with it.
pub(super) fn sum(terms: &[Term]) -> Term {
    let mut text = String::new();
    for (i, term) in terms.iter().enumerate() {
        match (i, term.text.strip_prefix('-')) {
            (0, _) => text.push_str(&term.text),
            (_, Some(rest)) => text.extend([" - ", rest]),
            (_, None) => text.extend([" + ", &term.text]),
        }
    }
    Term::new(text, terms.iter().map(|t| t.size * t.size).sum::<f64>().sqrt())
}

/// The term, or so large a part of it that its values stay within about `most` of 0.
pub(super) fn smaller(term: Term, most: f64) -> Term {
    if term.size <= most {
        return term;
    }
    let factor = term.factor();
    let (by, factor) = term.multiple().unwrap_or((1.0, &factor));
    let by: f64 = format!("{:.0e}", by * most / term.size).parse().unwrap_or(0.1);
    if by == 1.0 {
        return Term::new(factor, most);
    }
    Term::new(format!("{} * {factor}", show(by)), most)
}

/// A number as people write it.
pub(super) fn show(x: f64) -> String {
    let text = format_real(x + 0.0);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
