//! From statements to a program: what nothing reads, and the order of statements.

use rustc_hash::FxHashSet;

use super::names::names_in;
use super::sketch::Sketch;
use super::term::Term;
use crate::syntax;

impl Sketch {
    /// The program as the printer writes it.
    pub fn finish(mut self, model: &str) -> String {
        let statements = self.shuffled();
        let imports: String = self.imports.iter().map(|file| format!("import \"{file}\";\n")).collect();
        let text = format!("{imports}model {model} {{ {} }}", statements.join("\n"));
        // What it writes parses; a test holds it to that.
        syntax::format(&text).unwrap_or(text)
    }

    /// Observes latents that nothing reads, and leaves out what else nothing reads.
    pub fn watch_unread(&mut self) {
        self.leave_out_unread();
        let names: Vec<Vec<String>> = self.statements.iter().map(|s| names_in(s)).collect();
        let is_unread = |term: &&Term| names.iter().filter(|n| n.contains(&term.text)).count() == 1;
        let reals: Vec<Term> = self.scope.iter().filter(is_unread).cloned().collect();
        let choices: Vec<Term> = self.choices.iter().filter(is_unread).cloned().collect();
        for real in reals {
            let mean = self.affine(&real);
            self.observe(&mean);
        }
        for choice in choices {
            let (often, seldom) = (self.number(0.6, 0.95), self.number(0.05, 0.4));
            self.see(&format!("bernoulli(if {choice} then {often} else {seldom})"), 0.3);
        }
    }

    /// Leaves out inputs and definitions that nothing reads.
    fn leave_out_unread(&mut self) {
        // What a statement reads stands before it.
        let mut read: FxHashSet<String> = FxHashSet::default();
        for statement in std::mem::take(&mut self.statements).into_iter().rev() {
            let names = names_in(&statement);
            let is_defined_only = statement.starts_with("given ") || statement.starts_with("let ");
            if !is_defined_only || names.first().is_some_and(|name| read.contains(name)) {
                read.extend(names);
                self.statements.push(statement);
            }
        }
        self.statements.reverse();
    }

    /// Statements in an order in which what is read comes first: as written, or a random one.
    fn shuffled(&mut self) -> Vec<String> {
        let names: Vec<Vec<String>> = self.statements.iter().map(|s| names_in(s)).collect();
        let shares = |a: &[String], b: &[String]| a.iter().any(|n| self.used.contains(n) && b.contains(n));
        // A statement needs those before it that share a name with it.
        let needs: Vec<Vec<usize>> =
            (0..names.len()).map(|i| (0..i).filter(|j| shares(&names[*j], &names[i])).collect()).collect();
        let disorder = if self.chance(0.5) { 0.0 } else { 0.5 };
        let mut left: Vec<usize> = (0..names.len()).collect();
        let mut order = Vec::with_capacity(names.len());
        while !left.is_empty() {
            let ready: Vec<usize> =
                left.iter().copied().filter(|i| needs[*i].iter().all(|j| !left.contains(j))).collect();
            let next = if self.chance(disorder) { *self.one(&ready) } else { ready[0] };
            left.retain(|i| *i != next);
            order.push(self.statements[next].clone());
        }
        order
    }
}
