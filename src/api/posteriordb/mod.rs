//! posteriordb (Magnusson et al. 2021): its posteriors as programs of ours, and its data and reference posteriors as they lie
//! in a clone of its repository.
//!
//! The programs are built in (`examples/posteriordb`); of the database nothing is. [`Database::open`] knows two layouts: the
//! repository's own (`posterior_database/{posteriors,data,reference_posteriors}`, zipped JSON), and a folder with summaries
//! (`index.json`, `data/NAME.json`), whose index gives the moments of the reference draws in place of the draws.

mod compare;
mod database;
mod error;
mod reference;

use std::sync::OnceLock;

use serde::Deserialize;

pub use compare::{Comparison, Difference, Tolerances, compare};
pub use database::Database;
pub use error::DatabaseError;
pub use reference::{Reference, ReferenceScalar};

use super::{Error, Model};
use crate::diagnostic::near_miss;

/// The programs, name and text, in order of their names.
const PROGRAMS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/posteriordb.rs"));

/// Which posterior is which program on which data.
const INDEX: &str = include_str!("../../../examples/posteriordb/index.json");

/// A posterior: a program and a data set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posterior {
    /// Its name in posteriordb.
    pub name: String,
    /// The program: `examples/posteriordb/PROGRAM.ppl`, of the name of the Stan program.
    pub program: String,
    /// The data set in posteriordb.
    pub data: String,
    /// Posteriors of one family are near duplicates: the same program on other data, or nearly the same program.
    pub family: String,
    /// Whether the paper's experiment trains on it or tests on it.
    pub split: Split,
}

/// Which side of the experiment a posterior is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To train on.
    Train,
    /// To test on.
    Test,
}

impl Split {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// The posteriors of the paper's experiment, in the order of their names.
///
/// ```
/// use unmask::api::posteriordb::{Split, posteriors};
/// let test: Vec<&str> = posteriors().iter().filter(|p| p.split == Split::Test).map(|p| &*p.name).collect();
/// assert_eq!(test, ["earnings-logearn_height", "kidiq-kidscore_interaction", "nes1976-nes"]);
/// ```
pub fn posteriors() -> &'static [Posterior] {
    static POSTERIORS: OnceLock<Vec<Posterior>> = OnceLock::new();
    POSTERIORS.get_or_init(|| serde_json::from_str(INDEX).unwrap_or_default())
}

/// The posterior of that name.
///
/// # Errors
/// Where there is none; the error suggests the nearest.
pub fn posterior(name: &str) -> Result<&'static Posterior, DatabaseError> {
    posteriors().iter().find(|p| p.name == name).ok_or_else(|| DatabaseError::UnknownPosterior {
        name: name.to_owned(),
        near: near_miss(name, posteriors().iter().map(|p| &*p.name)).map(str::to_owned),
    })
}

impl Posterior {
    /// The text of its program.
    pub fn source(&self) -> &'static str {
        PROGRAMS.iter().find(|(name, _)| *name == self.program).map_or("", |(_, text)| text)
    }

    /// Its program, checked.
    ///
    /// # Errors
    /// None where the program is one of those built in.
    ///
    /// ```
    /// let posterior = unmask::api::posteriordb::posterior("nes1976-nes")?;
    /// assert_eq!(posterior.model()?.name(), "nes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn model(&self) -> Result<Model, Error> {
        Model::from_source(&format!("<posteriordb>/{}.ppl", self.program), self.source())
    }
}

/// Our name of a scalar of Stan's: subscripts from 0.
pub(crate) fn scalar_name(stan: &str) -> Option<String> {
    let Some((variable, subscripts)) = stan.split_once('[') else { return Some(stan.to_owned()) };
    let subscripts = subscripts.strip_suffix(']')?.split(',');
    let shifted: Option<Vec<String>> =
        subscripts.map(|s| Some(s.trim().parse::<u64>().ok()?.checked_sub(1)?.to_string())).collect();
    Some(format!("{variable}[{}]", shifted?.join(",")))
}
