//! The order in which variables are decoded: parents first; among those available, ancestors of what decides about the
//! structure, then what decides, then scales (given which the rest is often normal) with their ancestors, then program order.
//! It depends on the program and the mask alone.

use rustc_hash::FxHashSet;

use super::Element;
use crate::density::{LatentKey, LatentStructure, PathStructure};

/// The variables that are chosen on some path (by the place among its latents), and their ancestors.
fn with_ancestors(
    structures: &[PathStructure],
    chosen: impl Fn(&PathStructure, usize, &LatentStructure) -> bool,
) -> FxHashSet<LatentKey> {
    let mut found = FxHashSet::default();
    for structure in structures {
        let mut early: Vec<bool> =
            structure.latents.iter().enumerate().map(|(i, latent)| chosen(structure, i, latent)).collect();
        // Parents come earlier in the program.
        for i in (0..early.len()).rev() {
            if early[i] {
                for parent in &structure.latents[i].parents {
                    early[*parent] = true;
                }
            }
        }
        let chosen = structure.latents.iter().zip(early).filter(|(_, early)| *early);
        found.extend(chosen.map(|(latent, _)| latent.key.clone()));
    }
    found
}

/// One list for all paths; each path decodes those that it has.
pub(super) fn decoding_order(structures: &[PathStructure]) -> Vec<Element> {
    let deciding = with_ancestors(structures, |structure, i, latent| {
        let decides = || structure.conditions.iter().any(|condition| condition.latents.contains(&i));
        latent.held.is_some() || latent.coordinates.is_empty() || decides()
    });
    let scales = with_ancestors(structures, |_, _, latent| latent.half_line);
    // Program order over all paths: what a path adds comes before the next variable that is known.
    let mut merged: Vec<(LatentKey, Vec<Element>)> = Vec::new();
    for structure in structures {
        let mut at = 0;
        for latent in &structure.latents {
            match merged.iter().position(|(key, _)| *key == latent.key) {
                Some(found) => at = at.max(found + 1),
                None => {
                    let element =
                        |coordinate| Element { key: latent.key.clone(), name: latent.name.clone(), coordinate };
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
    let class = |key: &LatentKey| match (deciding.contains(key), scales.contains(key)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    merged.sort_by_key(|(key, _)| class(key));
    merged.into_iter().flat_map(|(_, elements)| elements).collect()
}
