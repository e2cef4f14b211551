//! What can be wrong with a database.

use std::path::PathBuf;

use crate::diagnostic::Diagnostic;

/// Why a posterior cannot be had from a database.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DatabaseError {
    /// Not one of the posteriors that there are programs for.
    #[error("there is no posterior `{name}`")]
    UnknownPosterior {
        /// What was asked for.
        name: String,
        /// The nearest name.
        near: Option<String>,
    },
    /// The folder is neither a clone of the repository nor a folder with summaries.
    #[error("`{}` is not a posterior database", path.display())]
    NotADatabase {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is needed is not there, or cannot be read.
    #[error("cannot read {what} of `{posterior}`: `{}`: {reason}", path.display())]
    Unreadable {
        /// What is in it.
        what: &'static str,
        /// The posterior that needs it.
        posterior: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file has something else in it.
    #[error("`{}` does not hold {what}: {reason}", path.display())]
    Malformed {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The database means something else by the name of a posterior than our program does.
    #[error("`{posterior}` is {theirs} there, and {ours} here")]
    Mismatch {
        /// The posterior.
        posterior: String,
        /// What it is in the database.
        theirs: String,
        /// What it is here.
        ours: String,
    },
    /// The database has no reference posterior for this one.
    #[error("the database has no reference posterior for `{posterior}`")]
    NoReference {
        /// The posterior.
        posterior: String,
    },
}

impl From<&DatabaseError> for Diagnostic {
    fn from(error: &DatabaseError) -> Self {
        let message = error.to_string();
        match error {
            DatabaseError::UnknownPosterior { near, .. } => {
                let diagnostic = Self::error("E0921", message);
                match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help("examples/posteriordb/index.json lists them"),
                }
            }
            DatabaseError::NotADatabase { .. } => Self::error("E0922", message).help(
                "wanted is a clone of https://github.com/stan-dev/posteriordb, which has a folder `posterior_database`, or a \
                 folder with `index.json` and `data/`",
            ),
            DatabaseError::Unreadable { .. } => Self::error("E0923", message),
            DatabaseError::Malformed { .. } => Self::error("E0924", message),
            DatabaseError::Mismatch { .. } => {
                Self::error("E0925", message).help("the programs are those of posteriordb as of 2021-09-20 (ae12cb16b552)")
            }
            DatabaseError::NoReference { .. } => Self::error("E0926", message).help(
                "later versions of posteriordb withdrew some reference draws: the version of 2021-09-20 (ae12cb16b552) has them \
                 for all posteriors of the experiment",
            ),
        }
    }
}
