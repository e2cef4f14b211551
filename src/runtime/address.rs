//! Addresses: which random choice of which submodel, in which iteration.
//!
//! The compiler makes them: a dotted path of names and all subscripts on the way. They are interned, so that traces are
//! keyed by small integers. Identifiers depend on the order of first use and mean nothing outside their [`Addresses`].

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// A variable: a dotted path of names without subscripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(pub u32);

/// One element of a variable: the path with all its subscripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressId(pub u32);

/// Subscripts of an address, outermost first.
pub type Indices = SmallVec<[i64; 4]>;

/// A path of names, each with the number of subscripts that follow it.
pub type Path = Arc<[(Arc<str>, usize)]>;

#[derive(Debug)]
struct VariableEntry {
    /// Dotted, without subscripts.
    name: Arc<str>,
    /// Names from the root, each with its number of subscripts.
    segments: Vec<(Arc<str>, usize)>,
    /// The address without subscripts, if it was used.
    plain: Option<AddressId>,
}

/// The interned addresses of one model's executions.
#[derive(Debug, Default)]
pub struct Addresses {
    variables: Vec<VariableEntry>,
    /// By parent and by the identity of the path, which lives as long as the program.
    children: FxHashMap<(Option<VariableId>, usize), VariableId>,
    by_name: FxHashMap<Arc<str>, VariableId>,
    addresses: Vec<(VariableId, Indices)>,
    indexed: FxHashMap<(VariableId, Indices), AddressId>,
}

impl Addresses {
    /// The variable at `path` inside `parent`. Paths are told apart by pointer first, so pass the program's own.
    pub fn variable(&mut self, parent: Option<VariableId>, path: &Path) -> VariableId {
        let key = (parent, Arc::as_ptr(path).cast::<()>() as usize);
        if let Some(found) = self.children.get(&key) {
            return *found;
        }
        let mut segments =
            parent.and_then(|p| self.variables.get(p.0 as usize)).map_or(Vec::new(), |v| v.segments.clone());
        segments.extend(path.iter().cloned());
        let name: Arc<str> = segments.iter().map(|(n, _)| &**n).collect::<Vec<_>>().join(".").into();
        let id = match self.by_name.get(&name) {
            Some(found) => *found,
            None => {
                let id = VariableId(self.variables.len() as u32);
                self.variables.push(VariableEntry { name: name.clone(), segments, plain: None });
                self.by_name.insert(name, id);
                id
            }
        };
        self.children.insert(key, id);
        id
    }

    /// The variable with a dotted name, if executions have reached it.
    pub fn find_variable(&self, name: &str) -> Option<VariableId> {
        self.by_name.get(name).copied()
    }

    /// The address of `variable` at `indices`.
    pub fn address(&mut self, variable: VariableId, indices: &[i64]) -> AddressId {
        let next = AddressId(self.addresses.len() as u32);
        if indices.is_empty()
            && let Some(entry) = self.variables.get_mut(variable.0 as usize)
        {
            if let Some(found) = entry.plain {
                return found;
            }
            entry.plain = Some(next);
            self.addresses.push((variable, Indices::new()));
            return next;
        }
        let key = (variable, Indices::from_slice(indices));
        if let Some(found) = self.indexed.get(&key) {
            return *found;
        }
        self.addresses.push(key.clone());
        self.indexed.insert(key, next);
        next
    }

    /// The address of the variable with a dotted name at `indices`, if executions have reached it.
    pub fn find(&self, name: &str, indices: &[i64]) -> Option<AddressId> {
        let variable = self.find_variable(name)?;
        if indices.is_empty() {
            return self.variables.get(variable.0 as usize)?.plain;
        }
        self.indexed.get(&(variable, Indices::from_slice(indices))).copied()
    }

    /// How many addresses there are: identifiers are below this.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether none was used yet.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// How many variables there are: identifiers are below this.
    pub fn variables(&self) -> usize {
        self.variables.len()
    }

    /// The variable and subscripts of an address.
    pub fn parts(&self, address: AddressId) -> Option<(VariableId, &[i64])> {
        self.addresses.get(address.0 as usize).map(|(v, i)| (*v, &i[..]))
    }

    /// The dotted name of a variable, without subscripts.
    pub fn name(&self, variable: VariableId) -> &Arc<str> {
        &self.variables[variable.0 as usize].name
    }

    /// An element of a variable as written in the language.
    pub fn display_parts(&self, variable: VariableId, indices: &[i64]) -> String {
        let mut text = String::new();
        let mut rest = indices.iter();
        for (i, (name, subscripts)) in self.variables[variable.0 as usize].segments.iter().enumerate() {
            text.push_str(if i > 0 { "." } else { "" });
            text.push_str(name);
            if *subscripts > 0 {
                let here: Vec<String> = rest.by_ref().take(*subscripts).map(ToString::to_string).collect();
                text.push_str(&format!("[{}]", here.join(",")));
            }
        }
        text
    }

    /// The address as written in the language: `s[0].theta[2]`.
    pub fn display(&self, address: AddressId) -> DisplayAddress<'_> {
        DisplayAddress { addresses: self, address }
    }
}

/// See [`Addresses::display`].
#[derive(Debug)]
pub struct DisplayAddress<'a> {
    addresses: &'a Addresses,
    address: AddressId,
}

impl fmt::Display for DisplayAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses.parts(self.address) {
            Some((variable, indices)) => f.write_str(&self.addresses.display_parts(variable, indices)),
            None => f.write_str("?"),
        }
    }
}
