//! The order in which variables are decoded: parents first; among those available, ancestors of what decides about the
//! structure, then what decides, then program order. It depends on the program and the mask alone.

use rustc_hash::FxHashSet;

use super::Element;
use crate::density::{LatentKey, PathStructure};

/// One list for all paths; each path decodes those that it has.
pub(super) fn decoding_order(structures: &[PathStructure]) -> Vec<Element> {
    let mut deciding: FxHashSet<LatentKey> = FxHashSet::default();
    for structure in structures {
        let mut early = vec![false; structure.latents.len()];
        for (i, latent) in structure.latents.iter().enumerate() {
            early[i] = latent.held.is_some() || latent.coordinates.is_empty();
        }
        for latent in structure.conditions.iter().flat_map(|c| &c.latents) {
            early[*latent] = true;
        }
        // Parents come earlier in the program.
        for i in (0..early.len()).rev() {
            if early[i] {
                for parent in &structure.latents[i].parents {
                    early[*parent] = true;
                }
            }
        }
        let chosen = structure.latents.iter().zip(early).filter(|(_, early)| *early);
        deciding.extend(chosen.map(|(latent, _)| latent.key.clone()));
    }
    // Program order over all paths: what a path adds comes before the next variable that is known.
    let mut merged: Vec<(LatentKey, Vec<Element>)> = Vec::new();
    for structure in structures {
        let mut at = 0;
        for latent in &structure.latents {
            match merged.iter().position(|(key, _)| *key == latent.key) {
                Some(found) => at = at.max(found + 1),
                None => {
                    let element = |coordinate| Element { key: latent.key.clone(), name: latent.name.clone(), coordinate };
                    let elements = if latent.coordinates.is_empty() {
                        vec![element(None)]
                    } else {
                        latent.coordinates.iter().map(|c| element(Some(*c))).collect()
                    };
                    merged.insert(at, (latent.key.clone(), elements));
                    at += 1;
                }
            }
        }
    }
    let (first, rest): (Vec<_>, Vec<_>) = merged.into_iter().partition(|(key, _)| deciding.contains(key));
    first.into_iter().chain(rest).flat_map(|(_, elements)| elements).collect()
}
