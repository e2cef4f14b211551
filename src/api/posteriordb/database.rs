//! Reading a database: its two layouts, and what each file must be.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;
use zip::ZipArchive;

use super::{DatabaseError, Posterior, Reference};
use crate::api::Data;

/// Bytes up to which a file of the database is read, unpacked: many times what any of its files has.
const LARGEST: u64 = 1 << 30;

/// A folder with posteriors of posteriordb.
#[derive(Clone, Debug, PartialEq)]
pub struct Database {
    root: PathBuf,
    layout: Layout,
}

#[derive(Clone, Debug, PartialEq)]
enum Layout {
    /// `posteriors/NAME.json`, `data/data/NAME.json.zip`, `reference_posteriors/draws/draws/NAME.json.zip`.
    Repository,
    /// `index.json`, which has the moments of the reference draws, `data/NAME.json`, and draws in `reference/NAME.csv.gz` if any.
    Summaries(Value),
}

/// `posteriors/NAME.json`, as far as it is of use.
#[derive(Deserialize)]
struct Entry {
    model_name: String,
    data_name: String,
    #[serde(default)]
    reference_posterior_name: Option<String>,
}

impl Database {
    /// The database in a folder: a clone of the repository, its `posterior_database`, or a folder with summaries.
    ///
    /// # Errors
    /// Where the folder is none of these, or its index cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DatabaseError> {
        let path = path.as_ref();
        for root in [path.join("posterior_database"), path.to_owned()] {
            if root.join("posteriors").is_dir() {
                return Ok(Self { root, layout: Layout::Repository });
            }
        }
        let index = path.join("index.json");
        if !index.is_file() {
            return Err(DatabaseError::NotADatabase { path: path.to_owned() });
        }
        let what = "an index of posteriors";
        let text = read_plain(&index).map_err(|e| malformed(what, &index, e.to_string()))?;
        let value: Value = serde_json::from_str(&text).map_err(|e| malformed(what, &index, e.to_string()))?;
        if !value.get("posteriors").is_some_and(Value::is_array) {
            return Err(malformed(what, &index, "it has no array `posteriors`"));
        }
        Ok(Self { root: path.to_owned(), layout: Layout::Summaries(value) })
    }

    /// The data of a posterior. Nothing is known yet of whether they fit its program.
    ///
    /// # Errors
    /// Where there are none, they cannot be read or unpacked, or are not a JSON object; where the database means another
    /// program or data set by the posterior's name.
    pub fn data(&self, posterior: &Posterior) -> Result<Data, DatabaseError> {
        let (path, text) = self.json(posterior)?;
        Ok(Data::new().with_json(path.display().to_string(), text))
    }

    /// The same as text, and the file that it is from.
    ///
    /// # Errors
    /// As [`Database::data`].
    pub fn json(&self, posterior: &Posterior) -> Result<(PathBuf, String), DatabaseError> {
        let (path, folder) = match &self.layout {
            Layout::Repository => {
                self.entry(posterior)?;
                (format!("data/data/{}.json", posterior.data), true)
            }
            Layout::Summaries(index) => {
                self.summarised(index, posterior)?;
                (format!("data/{}.json", posterior.data), false)
            }
        };
        let (path, text) = self.text("the data", posterior, &path, folder)?;
        // What members there are, and whether they fit, is told when they meet the model.
        let value: Value = serde_json::from_str(&text).map_err(|e| malformed("data", &path, e.to_string()))?;
        if !value.is_object() {
            return Err(malformed("data", &path, format!("wanted is a JSON object, found {}", kind(&value))));
        }
        Ok((path, text))
    }

    /// The reference posterior of a posterior.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read or unpacked, or is not as it should be; where the database means another
    /// program or data set by the posterior's name.
    pub fn reference(&self, posterior: &Posterior) -> Result<Reference, DatabaseError> {
        match &self.layout {
            Layout::Repository => {
                let missing = || DatabaseError::NoReference { posterior: posterior.name.clone() };
                let name = self.entry(posterior)?.reference_posterior_name.ok_or_else(missing)?;
                let path = format!("reference_posteriors/draws/draws/{name}.json");
                let (path, text) = self.text("the reference draws", posterior, &path, true)?;
                Reference::from_draws(&text).map_err(|reason| malformed("reference draws", &path, reason))
            }
            Layout::Summaries(index) => {
                let entry = self.summarised(index, posterior)?;
                let path = self.root.join("index.json");
                let wrong = |reason: String| {
                    malformed("a summary of the reference draws", &path, format!("`{}`: {reason}", posterior.name))
                };
                let reference = entry.get("reference").filter(|r| !r.is_null());
                let missing = || DatabaseError::NoReference { posterior: posterior.name.clone() };
                let moments = Reference::from_summary(reference.ok_or_else(missing)?).map_err(wrong)?;
                let draws = self.root.join(format!("reference/{}.csv.gz", posterior.name));
                if !draws.is_file() {
                    return Ok(moments);
                }
                let text = File::open(&draws).and_then(|file| limited(GzDecoder::new(file)));
                let text = text.map_err(|e| malformed("reference draws", &draws, e.to_string()))?;
                moments.with_draws(&text).map_err(|reason| malformed("reference draws", &draws, reason))
            }
        }
    }

    /// The entry of a posterior in the repository, which must be of our program and data.
    fn entry(&self, posterior: &Posterior) -> Result<Entry, DatabaseError> {
        let path = format!("posteriors/{}.json", posterior.name);
        let (path, text) = self.text("the description", posterior, &path, false)?;
        let entry: Entry = serde_json::from_str(&text)
            .map_err(|e| malformed("the description of a posterior", &path, e.to_string()))?;
        same(posterior, &entry.model_name, &entry.data_name)?;
        Ok(entry)
    }

    /// The same in an index.
    fn summarised<'i>(&self, index: &'i Value, posterior: &Posterior) -> Result<&'i Value, DatabaseError> {
        let path = self.root.join("index.json");
        let entries = index.get("posteriors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let entry = entries.iter().find(|e| e.get("name").and_then(Value::as_str) == Some(&*posterior.name));
        let entry = entry.ok_or_else(|| DatabaseError::Unreadable {
            what: "the description",
            posterior: posterior.name.clone(),
            path: path.clone(),
            reason: "it has no such posterior".into(),
        })?;
        let field = |name: &str| {
            let wrong = || malformed("an index of posteriors", &path, format!("`{}` has no `{name}`", posterior.name));
            entry.get(name).and_then(Value::as_str).ok_or_else(wrong)
        };
        same(posterior, field("model")?, field("data")?)?;
        Ok(entry)
    }

    /// A text of the database and where it is; `zipped` where it may be packed, under its name with `.zip`.
    fn text(
        &self,
        what: &'static str,
        posterior: &Posterior,
        relative: &str,
        zipped: bool,
    ) -> Result<(PathBuf, String), DatabaseError> {
        let plain = self.root.join(relative);
        let unreadable = |path: &Path, error: &io::Error| DatabaseError::Unreadable {
            what,
            posterior: posterior.name.clone(),
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let packed = self.root.join(format!("{relative}.zip"));
        if zipped && !plain.is_file() {
            let file = File::open(&packed).map_err(|e| unreadable(&packed, &e))?;
            let text = unzip(file).map_err(|reason| malformed("one packed JSON file", &packed, reason))?;
            return Ok((packed, text));
        }
        match read_plain(&plain) {
            Ok(text) => Ok((plain, text)),
            Err(error) => Err(unreadable(&plain, &error)),
        }
    }
}

fn same(posterior: &Posterior, model: &str, data: &str) -> Result<(), DatabaseError> {
    if model == posterior.program && data == posterior.data {
        return Ok(());
    }
    Err(DatabaseError::Mismatch {
        posterior: posterior.name.clone(),
        theirs: format!("`{model}` on `{data}`"),
        ours: format!("`{}` on `{}`", posterior.program, posterior.data),
    })
}

fn malformed(what: &'static str, path: &Path, reason: impl Into<String>) -> DatabaseError {
    DatabaseError::Malformed { what, path: path.to_owned(), reason: reason.into() }
}

/// What a JSON value is, in words.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "a truth value".into(),
        Value::Number(_) => "a number".into(),
        Value::String(_) => "a text".into(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".into(),
    }
}

fn read_plain(path: &Path) -> io::Result<String> {
    limited(File::open(path)?)
}

/// All of a text that is not too long.
fn limited(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    BufReader::new(from).take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 1 GiB"));
    }
    Ok(text)
}

/// The text of the only file of an archive.
fn unzip(file: File) -> Result<String, String> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| e.to_string())?;
    // Archives made on a Mac carry a second file beside each.
    let names: Vec<String> =
        archive.file_names().map(|n| Ok(n.map_err(|e| e.to_string())?.into_owned())).collect::<Result<_, String>>()?;
    let files: Vec<&String> = names.iter().filter(|n| !n.ends_with('/') && !n.starts_with("__MACOSX/")).collect();
    let [only] = files[..] else {
        return Err(format!("the archive has {} files", files.len()));
    };
    let packed = archive.by_name(only).map_err(|e| e.to_string())?;
    limited(packed).map_err(|e| format!("`{only}`: {e}"))
}
