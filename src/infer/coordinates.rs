//! Between executions and the coordinates of a compiled density.

use rustc_hash::FxHashMap;

use super::trace::Trace;
use crate::density::{Compiled, CoordinateInfo};
use crate::runtime::{Addresses, Law};

/// Where an execution is among the coordinates of a compiled density.
#[derive(Debug)]
pub struct Coordinates {
    infos: Vec<CoordinateInfo>,
    /// By variable and subscripts: the place of its first coordinate.
    places: FxHashMap<(std::sync::Arc<str>, Vec<i64>), Vec<usize>>,
}

impl Coordinates {
    /// Those of `compiled`.
    pub fn new(compiled: &Compiled) -> Self {
        let infos = compiled.coordinate_info();
        let mut places: FxHashMap<_, Vec<usize>> = FxHashMap::default();
        for (place, info) in infos.iter().enumerate() {
            places.entry((info.variable.clone(), info.indices.clone())).or_default().push(place);
        }
        Self { infos, places }
    }

    /// The variable behind each.
    pub fn infos(&self) -> &[CoordinateInfo] {
        &self.infos
    }

    /// The coordinates of an execution, NaN where it does not reach a variable, and the log of the absolute value of the
    /// Jacobian determinant of the way back.
    pub fn of(&self, trace: &Trace, addresses: &Addresses) -> (Vec<f64>, f64) {
        let mut z = vec![f64::NAN; self.infos.len()];
        let mut log_jacobian = 0.0;
        for choice in &trace.choices {
            let Some((variable, indices)) = addresses.parts(choice.address) else { continue };
            let key = (addresses.name(variable).clone(), indices.to_vec());
            let (Some(places), Law::Family(distribution)) = (self.places.get(&key), &choice.law) else { continue };
            let support = distribution.support();
            let free = support.unconstrain(&choice.value.to_f64s());
            let (_, own) = support.constrain(&free);
            log_jacobian += own;
            for place in places {
                if let (Some(slot), Some(value)) = (z.get_mut(*place), free.get(self.infos[*place].element)) {
                    *slot = *value;
                }
            }
        }
        (z, log_jacobian)
    }
}
