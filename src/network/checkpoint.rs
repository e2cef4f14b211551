//! Weights files: safetensors with the parameters by name, the configuration as metadata, and the optimiser's state.
//!
//! Everything needed to go on is in one file: parameters, moments (`adam.first.NAME`, `adam.second.NAME`), and texts that
//! the caller adds. Files are written beside their place and renamed, so that a file is either whole or not there.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::adam::{Adam, AdamOptions};
use super::config::NetworkConfig;
use super::error::NetworkError;
use super::model::Network;
use super::parameters::Declared;
use crate::temporary::temporary_beside;

/// The key of the metadata.
const KEY: &str = "unmask";

/// The form of the metadata.
const VERSION: u32 = 1;

/// A network, its optimiser's state, and texts kept with them.
#[derive(Debug)]
pub struct Checkpoint {
    /// The network.
    pub network: Network,
    /// The optimiser, if its state was saved.
    pub adam: Option<Adam>,
    /// What else the writer kept: the state of random generators, the vocabulary, ...
    pub texts: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    version: u32,
    config: NetworkConfig,
    adam: Option<AdamMetadata>,
    texts: BTreeMap<String, String>,
    /// CRC-32 of all tensors, in the order of the network's parameters; files of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct AdamMetadata {
    options: AdamOptions,
    step: u64,
}

/// A checkpoint as the bytes of a file: equal states give equal bytes.
///
/// # Errors
///
/// [`NetworkError::Damaged`] if the metadata cannot be written as JSON.
pub fn checkpoint_to_bytes(
    network: &Network,
    adam: Option<&Adam>,
    texts: &BTreeMap<String, String>,
) -> Result<Vec<u8>, NetworkError> {
    let damaged = |reason: String| NetworkError::Damaged { reason };
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let mut stored: Vec<(String, &[usize], Vec<u8>)> = Vec::new();
    for (index, declared) in network.layout.declared.iter().enumerate() {
        stored.push((declared.name.clone(), &declared.shape, bytes(&network.values(index))));
        if let Some(adam) = adam {
            stored.push((format!("adam.first.{}", declared.name), &declared.shape, bytes(&adam.first[index])));
            stored.push((format!("adam.second.{}", declared.name), &declared.shape, bytes(&adam.second[index])));
        }
    }
    let mut hasher = crc32fast::Hasher::new();
    stored.iter().for_each(|(.., bytes)| hasher.update(bytes));
    let metadata = Metadata {
        version: VERSION,
        config: network.config().clone(),
        adam: adam.map(|a| AdamMetadata { options: a.options().clone(), step: a.steps() }),
        texts: texts.clone(),
        checksum: Some(hasher.finalize()),
    };
    let metadata = serde_json::to_string(&metadata).map_err(|e| damaged(e.to_string()))?;
    let mut views = Vec::with_capacity(stored.len());
    for (name, shape, bytes) in &stored {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).map_err(|e| damaged(e.to_string()))?;
        views.push((name.as_str(), view));
    }
    let metadata = HashMap::from([(KEY.to_owned(), metadata)]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| damaged(e.to_string()))
}

/// Reads what [`checkpoint_to_bytes`] made.
///
/// # Errors
///
/// [`NetworkError::Damaged`] for bytes that are cut short, changed or something else, [`NetworkError::Missing`],
/// [`NetworkError::Unexpected`], [`NetworkError::Shape`] and [`NetworkError::Kind`] for tensors that do not fit the
/// configuration in the file, [`NetworkError::Config`] if that is inconsistent.
pub fn checkpoint_from_bytes(bytes: &[u8]) -> Result<Checkpoint, NetworkError> {
    let damaged = |reason: String| NetworkError::Damaged { reason };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|m| m.get(KEY));
    let text = text.ok_or_else(|| damaged(format!("its metadata have no `{KEY}`")))?;
    let metadata: Metadata = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
    if metadata.version != VERSION {
        return Err(damaged(format!("its version is {}, not {VERSION}", metadata.version)));
    }
    let network = Network::with(metadata.config, |_, declared| read(&tensors, &declared.name, &declared.shape))?;
    let moments = |kind: &str| -> Result<Vec<Vec<f32>>, NetworkError> {
        let name = |d: &Declared| format!("adam.{kind}.{}", d.name);
        network.layout.declared.iter().map(|d| read(&tensors, &name(d), &d.shape)).collect()
    };
    let adam = match metadata.adam {
        Some(adam) => Some(Adam::restored(adam.options, adam.step, moments("first")?, moments("second")?)),
        None => None,
    };
    let mut known: std::collections::HashSet<String> = network.names().map(str::to_owned).collect();
    if adam.is_some() {
        let names: Vec<&str> = network.names().collect();
        known.extend(names.iter().flat_map(|n| [format!("adam.first.{n}"), format!("adam.second.{n}")]));
    }
    let mut names = tensors.names();
    names.sort_unstable();
    if let Some(name) = names.into_iter().find(|n| !known.contains(*n)) {
        return Err(NetworkError::Unexpected { name: name.to_owned() });
    }
    if metadata.checksum.is_some_and(|written| written != checksum(&tensors, &network, adam.is_some())) {
        return Err(damaged("its numbers are not those that were written".into()));
    }
    Ok(Checkpoint { network, adam, texts: metadata.texts })
}

/// CRC-32 of all tensors, in the order in which they are written.
fn checksum(tensors: &SafeTensors<'_>, network: &Network, with_moments: bool) -> u32 {
    let kinds: &[&str] = if with_moments { &["", "adam.first.", "adam.second."] } else { &[""] };
    let mut hasher = crc32fast::Hasher::new();
    for name in network.names() {
        for kind in kinds {
            if let Ok(view) = tensors.tensor(&format!("{kind}{name}")) {
                hasher.update(view.data());
            }
        }
    }
    hasher.finalize()
}

/// A tensor's values.
pub(super) fn read(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, NetworkError> {
    let Ok(view) = tensors.tensor(name) else { return Err(NetworkError::Missing { name: name.to_owned() }) };
    if view.dtype() != Dtype::F32 {
        return Err(NetworkError::Kind { name: name.to_owned(), found: format!("{:?}", view.dtype()) });
    }
    if view.shape() != shape {
        let (expected, found) = (shape.to_vec(), view.shape().to_vec());
        return Err(NetworkError::Shape { name: name.to_owned(), expected, found });
    }
    let (numbers, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
    if values.iter().any(|x| !x.is_finite()) {
        return Err(NetworkError::Damaged { reason: format!("`{name}` has values that are not finite") });
    }
    Ok(values)
}

impl Checkpoint {
    /// Checks that the network is of a configuration.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Mismatch`] with the first part that differs.
    pub fn expect(&self, config: &NetworkConfig) -> Result<(), NetworkError> {
        let found = self.network.config();
        let parts = [
            ("encoder", format!("{:?}", config.encoder), format!("{:?}", found.encoder)),
            ("language", config.language.to_string(), found.language.to_string()),
            ("decoder", format!("{:?}", config.decoder), format!("{:?}", found.decoder)),
            ("head", format!("{:?}", config.head), format!("{:?}", found.head)),
        ];
        match parts.into_iter().find(|(_, expected, found)| expected != found) {
            Some((part, expected, found)) => Err(NetworkError::Mismatch { part, expected, found }),
            None => Ok(()),
        }
    }
}

/// Writes a checkpoint: to a temporary file in the same folder first, which is then renamed.
///
/// # Errors
///
/// [`NetworkError::File`] if that fails; the old file, if any, is then as it was.
pub fn save_checkpoint(
    path: &Path,
    network: &Network,
    adam: Option<&Adam>,
    texts: &BTreeMap<String, String>,
) -> Result<(), NetworkError> {
    let bytes = checkpoint_to_bytes(network, adam, texts)?;
    let file = |source| NetworkError::File { path: path.to_owned(), source };
    let mut temporary = temporary_beside(path).map_err(|e| file(e.kind().into()))?;
    temporary.write_all(&bytes).map_err(file)?;
    temporary.as_file().sync_all().map_err(file)?;
    temporary.persist(path).map_err(|e| file(e.error))?;
    Ok(())
}

/// Reads a checkpoint's file.
///
/// # Errors
///
/// [`NetworkError::File`] if it cannot be read; else those of [`checkpoint_from_bytes`].
pub fn load_checkpoint(path: &Path) -> Result<Checkpoint, NetworkError> {
    let bytes = std::fs::read(path).map_err(|source| NetworkError::File { path: path.to_owned(), source })?;
    checkpoint_from_bytes(&bytes)
}
