//! What a body knows while it is being checked: visible names, slots, enclosing loops.
//!
//! Every name is visible at most once, because shadowing is an error, so one map holds all of them and a journal says which
//! to take out at the end of a block. Slots are found by name and type: the two branches that define one name share its
//! slot, and so may scopes that have nothing to do with each other.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::CheckError;
use super::core::{Expr, FunctionId, ModelId, SizeSource, Slot, SlotId, Type};
use super::dependence::{Fill, Read};
use super::items::Checker;
use crate::span::Span;
use crate::value::DataType;

/// Constants of the language.
pub(super) const CONSTANTS: [(&str, f64); 2] = [("inf", f64::INFINITY), ("pi", std::f64::consts::PI)];

/// What kind of body it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Model(ModelId),
    Function(FunctionId),
    Script,
}

/// What a visible name means.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// `None` where its definition is wrong.
    pub(super) value: Option<(SlotId, Type)>,
    /// Its (first) definition.
    pub(super) span: Span,
    /// The number of subscripts with which its statements fill it; `None`: defined as a whole.
    pub(super) subscripts: Option<usize>,
    /// Sizes that are known, from the first axis on.
    pub(super) sizes: Arc<[Option<i64>]>,
}

/// An enclosing loop.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) index: Arc<str>,
    pub(super) plate: bool,
    /// Its head.
    pub(super) span: Span,
    /// `n` where the bounds are `0..n`.
    pub(super) size: Option<Arc<str>>,
    /// Tells loops of one index apart.
    pub(super) number: usize,
    /// Arrays that this plate fills.
    pub(super) fills: Vec<Fill>,
    /// Where the reads inside it begin.
    pub(super) first_read: usize,
}

/// Names that a branch defined, and where it has been.
pub(super) struct Branch {
    pub(super) names: Vec<(Arc<str>, Binding)>,
    pub(super) addresses: Vec<(String, Span)>,
    pub(super) ends: bool,
}

/// Where blocks and branches begin.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    names: usize,
    addresses: usize,
}

/// A body while it is being checked.
pub(super) struct Body<'c, 'a> {
    pub(super) checker: &'c mut Checker<'a>,
    pub(super) module: usize,
    pub(super) place: Place,
    pub(super) frame: Vec<Slot>,
    /// By slot: whether it depends on a random variable.
    pub(super) random: Vec<bool>,
    slots: FxHashMap<Arc<str>, Vec<SlotId>>,
    pub(super) names: FxHashMap<Arc<str>, Binding>,
    journal: Vec<Arc<str>>,
    /// Names that were visible in blocks that have ended.
    gone: FxHashMap<Arc<str>, Span>,
    /// Addresses that may have been used on a path that leads here.
    addresses: FxHashMap<String, Span>,
    address_journal: Vec<String>,
    pub(super) loops: Vec<Loop>,
    pub(super) n_loops: usize,
    /// Whether what is executed here depends on a random condition.
    pub(super) random_control: bool,
    /// How many branches enclose this statement.
    pub(super) branches: usize,
    /// Types and places of `return`s.
    pub(super) returns: Vec<(DataType, Span)>,
    /// First names of variables whose names have dots.
    pub(super) dotted_roots: FxHashMap<Arc<str>, Span>,
    pub(super) reads: Vec<Read>,
    /// By the size's name, in order of appearance.
    pub(super) size_candidates: Vec<SizeSource>,
    /// Whether some statement could not be lowered.
    pub(super) failed: bool,
}

impl<'c, 'a> Body<'c, 'a> {
    pub(super) fn new(checker: &'c mut Checker<'a>, module: usize, place: Place) -> Self {
        Self {
            checker,
            module,
            place,
            frame: Vec::new(),
            random: Vec::new(),
            slots: FxHashMap::default(),
            names: FxHashMap::default(),
            journal: Vec::new(),
            gone: FxHashMap::default(),
            addresses: FxHashMap::default(),
            address_journal: Vec::new(),
            loops: Vec::new(),
            n_loops: 0,
            random_control: false,
            branches: 0,
            returns: Vec::new(),
            dotted_roots: FxHashMap::default(),
            reads: Vec::new(),
            size_candidates: Vec::new(),
            failed: false,
        }
    }

    /// Reports, and gives the `None` that silences what follows.
    pub(super) fn report<T>(&mut self, error: CheckError) -> Option<T> {
        self.checker.report(&error);
        if !error.code().starts_with('W') {
            self.failed = true;
        }
        None
    }

    /// The slot of `name` with type `ty`.
    pub(super) fn slot(&mut self, name: &Arc<str>, ty: Type) -> SlotId {
        let known = self.slots.entry(name.clone()).or_default();
        let frame = &self.frame;
        if let Some(slot) = known.iter().find(|slot| frame.get(slot.0).is_some_and(|s| s.ty == ty)) {
            return *slot;
        }
        let slot = SlotId(frame.len());
        known.push(slot);
        self.frame.push(Slot { name: name.clone(), ty });
        self.random.push(false);
        slot
    }

    /// Whether `name` may be defined here; otherwise says why not.
    pub(super) fn may_define(&mut self, name: &Arc<str>, span: Span) -> bool {
        if CONSTANTS.iter().any(|(constant, _)| **constant == **name) {
            self.report::<()>(CheckError::ConstantName { name: name.to_string(), span });
            return false;
        }
        if let Some(first) = self.names.get(name).map(|b| b.span) {
            self.report::<()>(CheckError::AlreadyDefined { name: name.to_string(), span, first });
            return false;
        }
        true
    }

    /// Makes `name` visible.
    pub(super) fn bind(&mut self, name: &Arc<str>, binding: Binding) {
        if self.names.insert(name.clone(), binding).is_none() {
            self.journal.push(name.clone());
        }
    }

    /// A whole variable that is visible from here on, if it may be.
    pub(super) fn define(&mut self, name: &Arc<str>, ty: Option<Type>, random: bool, span: Span) -> Option<SlotId> {
        let allowed = self.may_define(name, span);
        let value = ty.map(|ty| (self.slot(name, ty), ty));
        if let Some((slot, _)) = value {
            self.set_random(slot, random);
        }
        if allowed {
            self.bind(name, Binding { value, span, subscripts: None, sizes: Arc::new([]) });
        }
        value.map(|(slot, _)| slot)
    }

    pub(super) fn set_random(&mut self, slot: SlotId, random: bool) {
        if let Some(known) = self.random.get_mut(slot.0) {
            *known = random || self.random_control;
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { names: self.journal.len(), addresses: self.address_journal.len() }
    }

    /// Takes out the names since `mark`.
    fn close(&mut self, mark: Mark) -> Vec<(Arc<str>, Binding)> {
        let names: Vec<Arc<str>> = self.journal.drain(mark.names..).collect();
        names.into_iter().filter_map(|name| self.names.remove(&name).map(|b| (name, b))).collect()
    }

    fn forget(&mut self, name: Arc<str>, binding: &Binding) {
        self.gone.insert(name, binding.span);
    }

    /// Ends the body of a loop: arrays stay.
    pub(super) fn end_loop(&mut self, mark: Mark) {
        for (name, binding) in self.close(mark) {
            if binding.subscripts.is_some() {
                self.bind(&name, binding);
            } else {
                self.forget(name, &binding);
            }
        }
    }

    /// Ends one branch of an `if`. In a loop, arrays stay: another iteration may take the other branch and read them.
    pub(super) fn end_branch(&mut self, mark: Mark, ends: bool) -> Branch {
        let in_loop = !self.loops.is_empty();
        let mut names = Vec::new();
        for (name, binding) in self.close(mark) {
            if in_loop && binding.subscripts.is_some() {
                self.bind(&name, binding);
            } else {
                names.push((name, binding));
            }
        }
        let mut addresses = Vec::new();
        for address in self.address_journal.drain(mark.addresses..) {
            if let Some(span) = self.addresses.remove(&address) {
                addresses.push((address, span));
            }
        }
        Branch { names, addresses, ends }
    }

    /// After an `if`: names that every path defines with one type stay visible.
    pub(super) fn join(&mut self, then: Branch, otherwise: Branch, random: bool) {
        for branch in [&then, &otherwise] {
            if !branch.ends {
                for (address, span) in &branch.addresses {
                    self.use_address(address.clone(), *span);
                }
            }
        }
        let mut others: FxHashMap<Arc<str>, Binding> = otherwise.names.into_iter().collect();
        for (name, binding) in then.names {
            let other = others.remove(&name);
            let stays = match &other {
                _ if otherwise.ends => !then.ends,
                Some(_) if then.ends => false,
                Some(other) => match (&binding.value, &other.value) {
                    (Some(a), Some(b)) => a == b && binding.subscripts == other.subscripts,
                    // A definition that is wrong has been reported: what reads it stays silent.
                    (None, _) | (_, None) => true,
                },
                None => false,
            };
            if stays {
                let value = match &other {
                    Some(other) if !otherwise.ends => binding.value.filter(|_| other.value.is_some()),
                    Some(_) | None => binding.value,
                };
                if let Some((slot, _)) = value {
                    let random = random || self.random.get(slot.0).copied().unwrap_or(true);
                    self.set_random(slot, random);
                }
                self.bind(&name, Binding { value, sizes: Arc::new([]), ..binding });
            } else if then.ends
                && let Some(other) = other
            {
                others.insert(name, other);
            } else {
                self.forget(name, &binding);
            }
        }
        let mut rest: Vec<(Arc<str>, Binding)> = others.into_iter().collect();
        rest.sort_by_key(|(_, binding)| binding.span.start);
        for (name, binding) in rest {
            if then.ends && !otherwise.ends {
                self.bind(&name, binding);
            } else {
                self.forget(name, &binding);
            }
        }
    }

    fn use_address(&mut self, address: String, span: Span) {
        if self.addresses.insert(address.clone(), span).is_none() {
            self.address_journal.push(address);
        }
    }

    /// Takes the address of a random variable, if it is free on the path that leads here.
    pub(super) fn take_address(&mut self, address: String, name: &str, span: Span) {
        match self.addresses.get(&address) {
            Some(first) => {
                let first = *first;
                self.report::<()>(CheckError::AddressCollision { name: name.to_owned(), span, first });
            }
            None => self.use_address(address, span),
        }
    }

    /// Where a name that is not visible was defined, in a block that has ended.
    pub(super) fn gone(&self, name: &str) -> Option<Span> {
        self.gone.get(name).copied()
    }

    /// The model whose body this is.
    pub(super) fn model_id(&self) -> Option<ModelId> {
        match self.place {
            Place::Model(id) => Some(id),
            Place::Function(_) | Place::Script => None,
        }
    }

    /// Whether the value of `expr` depends on a random variable.
    pub(super) fn is_random(&self, expr: &Expr) -> bool {
        super::dependence::any_slot(expr, &mut |slot| self.random.get(slot.0).copied().unwrap_or(false))
    }
}
