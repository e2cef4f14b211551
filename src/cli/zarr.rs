//! Draws as ArviZ's `InferenceData` in a Zarr store: what `az.from_zarr` and xarray open.
//!
//! Groups `posterior`, `sample_stats` and `observed_data` by ArviZ's schema (InferenceData schema specification, 1.0), in
//! version 2 of the Zarr format, which all versions of its readers know. A store is a folder of small JSON texts and of
//! arrays of numbers as they are in memory; to write these without compression takes no library.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::draws::{DIMENSIONS, Draws, Variable};
use crate::infer::DrawStatistics;
use crate::value::{Base, Value};

/// The files of a store by their paths in it.
pub(super) type Store = Vec<(PathBuf, Vec<u8>)>;

/// What is known of an observed variable.
pub(super) struct Observed {
    pub name: String,
    pub value: Value,
}

/// The store of an answer.
pub(super) fn store(draws: &Draws<'_>, observed: &[Observed]) -> Store {
    let inferred = draws.inferred;
    let mut attributes = Map::new();
    for (key, value) in [
        ("inference_library", json!("unmask")),
        ("inference_library_version", json!(env!("CARGO_PKG_VERSION"))),
        ("model", json!(&*inferred.model)),
        ("method", json!(inferred.method)),
        ("certified", json!(inferred.certified)),
        ("reason", json!(inferred.reason)),
        ("seed", json!(inferred.seed)),
    ] {
        attributes.insert(key.to_owned(), value);
    }
    if let Some(count) = draws.resampled {
        let text = format!("to equal weights from {count} weighted draws: some occur more than once");
        attributes.insert("resampled".to_owned(), json!(text));
    }
    let mut writer = Writer { files: Vec::new(), metadata: Map::new() };
    writer.group(Path::new(""), &attributes);
    posterior(&mut writer, draws, &attributes);
    if !inferred.statistics.is_empty() {
        sample_stats(&mut writer, draws, &attributes);
    }
    if !observed.is_empty() {
        let group = Path::new("observed_data");
        writer.group(group, &attributes);
        for Observed { name, value } in observed {
            let base = value.data_type().map_or(Base::Real, |t| t.base);
            let dims = dims(name, value.shape());
            writer.coordinates(group, &dims, value.shape());
            writer.array(group, name, Kind::of(base), &dims, value.shape(), 1, value.to_f64s());
        }
    }
    writer.finish()
}

/// How a scalar is stored.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Int,
    Real,
}

impl Kind {
    fn of(base: Base) -> Self {
        match base {
            Base::Bool => Self::Bool,
            Base::Int => Self::Int,
            Base::Real => Self::Real,
        }
    }

    /// Its NumPy type string, little-endian.
    fn name(self) -> &'static str {
        match self {
            Self::Bool => "|b1",
            Self::Int => "<i8",
            Self::Real => "<f8",
        }
    }

    fn push(self, bytes: &mut Vec<u8>, x: f64) {
        match self {
            Self::Bool => bytes.push(u8::from(x != 0.0)),
            Self::Int => bytes.extend((x as i64).to_le_bytes()),
            Self::Real => bytes.extend(x.to_le_bytes()),
        }
    }
}

fn dims(name: &str, shape: &[usize]) -> Vec<String> {
    (0..shape.len()).map(|axis| format!("{name}_dim_{axis}")).collect()
}

/// Chains, and draws of each.
fn sizes(draws: &Draws<'_>) -> [usize; 2] {
    [draws.chains.len(), draws.chains.first().map_or(0, Vec::len)]
}

fn posterior(writer: &mut Writer, draws: &Draws<'_>, attributes: &Map<String, Json>) {
    let group = Path::new("posterior");
    writer.group(group, attributes);
    let sizes = sizes(draws);
    writer.coordinates(group, &DIMENSIONS.map(str::to_owned), &sizes);
    for variable in &draws.variables {
        let Variable { name, base, shape, .. } = variable;
        let own = dims(name, shape);
        writer.coordinates(group, &own, shape);
        let dims: Vec<String> = DIMENSIONS.map(str::to_owned).into_iter().chain(own).collect();
        let shape: Vec<usize> = sizes.iter().chain(shape).copied().collect();
        let numbers = draws.chains.iter().flatten().flat_map(|draw| variable.numbers(*draw)).collect();
        writer.array(group, name, Kind::of(*base), &dims, &shape, sizes[0], numbers);
    }
}

/// A statistic of a draw: its name in ArviZ's schema, how it is stored, and its value.
type Statistic = (&'static str, Kind, fn(&DrawStatistics) -> f64);

const STATISTICS: [Statistic; 8] = [
    ("lp", Kind::Real, |s| s.log_density),
    ("acceptance_rate", Kind::Real, |s| s.acceptance),
    ("step_size", Kind::Real, |s| s.step_size),
    ("tree_depth", Kind::Int, |s| f64::from(s.tree_depth)),
    ("n_steps", Kind::Int, |s| f64::from(s.leapfrog_steps)),
    ("diverging", Kind::Bool, |s| f64::from(u8::from(s.divergent))),
    ("reached_max_treedepth", Kind::Bool, |s| f64::from(u8::from(s.saturated))),
    ("energy", Kind::Real, |s| s.energy),
];

fn sample_stats(writer: &mut Writer, draws: &Draws<'_>, attributes: &Map<String, Json>) {
    let group = Path::new("sample_stats");
    writer.group(group, attributes);
    let (sizes, dims) = (sizes(draws), DIMENSIONS.map(str::to_owned));
    writer.coordinates(group, &dims, &sizes);
    for (name, kind, of) in STATISTICS {
        let places = draws.chains.iter().flatten();
        let numbers = places.map(|draw| draws.inferred.statistics.get(*draw).map_or(f64::NAN, of)).collect();
        writer.array(group, name, kind, &dims, &sizes, sizes[0], numbers);
    }
}

/// Collects the files of a store.
struct Writer {
    files: Store,
    /// Every text of metadata again, for readers that look for them in one place.
    metadata: Map<String, Json>,
}

impl Writer {
    fn metadata(&mut self, path: PathBuf, content: Json) {
        // Of maps, texts and numbers: always serialises.
        self.files.push((path.clone(), serde_json::to_vec_pretty(&content).unwrap_or_default()));
        // Keys have slashes on every system.
        let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        self.metadata.insert(parts.join("/"), content);
    }

    fn group(&mut self, path: &Path, attributes: &Map<String, Json>) {
        self.metadata(path.join(".zgroup"), json!({"zarr_format": 2}));
        self.metadata(path.join(".zattrs"), Json::Object(attributes.clone()));
    }

    /// An array (row-major, of `shape`), in `chunks` pieces along its first dimension.
    #[allow(clippy::too_many_arguments, reason = "what an array is, each once")]
    fn array(
        &mut self,
        group: &Path,
        name: &str,
        kind: Kind,
        dims: &[String],
        shape: &[usize],
        chunks: usize,
        numbers: Vec<f64>,
    ) {
        let folder = group.join(name);
        let chunks = chunks.max(1);
        let mut chunk_shape: Vec<usize> = shape.iter().map(|size| (*size).max(1)).collect();
        if let Some(first) = chunk_shape.first_mut() {
            *first = first.div_ceil(chunks);
        }
        self.metadata(
            folder.join(".zarray"),
            json!({
                "zarr_format": 2,
                "shape": shape,
                "chunks": chunk_shape,
                "dtype": kind.name(),
                "compressor": null,
                // xarray takes a number that equals the fill value for one that is missing.
                "fill_value": null,
                "order": "C",
                "filters": null,
            }),
        );
        self.metadata(folder.join(".zattrs"), json!({"_ARRAY_DIMENSIONS": dims}));
        let length: usize = chunk_shape.iter().product();
        for (number, piece) in numbers.chunks(length).enumerate() {
            let mut bytes = Vec::with_capacity(8 * piece.len());
            piece.iter().for_each(|x| kind.push(&mut bytes, *x));
            // The piece's place in each dimension, of which only the first has more than one.
            let mut key = number.to_string();
            (1..shape.len()).for_each(|_| key.push_str(".0"));
            self.files.push((folder.join(key), bytes));
        }
    }

    /// The coordinates of dimensions: whole numbers from 0, as in the language.
    fn coordinates(&mut self, group: &Path, dims: &[String], sizes: &[usize]) {
        for (dim, size) in dims.iter().zip(sizes) {
            let numbers = (0..*size).map(|i| i as f64).collect();
            self.array(group, dim, Kind::Int, std::slice::from_ref(dim), &[*size], 1, numbers);
        }
    }

    fn finish(mut self) -> Store {
        let all = json!({"zarr_consolidated_format": 1, "metadata": self.metadata});
        self.files.push((".zmetadata".into(), serde_json::to_vec_pretty(&all).unwrap_or_default()));
        self.files
    }
}
