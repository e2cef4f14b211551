//! What there is to learn from: programs, and random ones.

use std::fmt;
use std::sync::Arc;

use rand::RngExt as _;

use crate::infer::{Stream, Target};
use crate::runtime::random_stream;
use crate::trace::Tracer;

/// Random streams of the choice between programs and random ones: apart from those of executions.
const CHOICE: u64 = 0x6c65_7373_6f6e_7321;

/// Programs by number.
type Make = dyn Fn(u64, u64) -> Option<Target> + Send + Sync;

/// Programs that are made as they are needed.
#[derive(Clone)]
pub struct RandomPrograms {
    share: f64,
    make: Arc<Make>,
}

impl RandomPrograms {
    /// `share` of the examples (from 0 to 1) are of programs that `make` gives for a seed and a number; where it gives none,
    /// another one takes its place.
    pub fn new(share: f64, make: impl Fn(u64, u64) -> Option<Target> + Send + Sync + 'static) -> Self {
        Self { share, make: Arc::new(make) }
    }
}

impl fmt::Debug for RandomPrograms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomPrograms").field("share", &self.share).finish_non_exhaustive()
    }
}

/// What there is to learn from.
#[derive(Clone, Debug, Default)]
pub struct Lessons {
    programs: Vec<Target>,
    random: Option<RandomPrograms>,
}

impl From<Vec<Target>> for Lessons {
    fn from(programs: Vec<Target>) -> Self {
        Self { programs, random: None }
    }
}

impl Lessons {
    /// These, and random programs; these alone where there are none of either.
    #[must_use]
    pub fn with_random(self, random: Option<RandomPrograms>) -> Self {
        Self { random, ..self }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.random.is_none()
    }

    /// A number that changes with the programs and their data: of what one execution of each chooses.
    pub(super) fn fingerprint(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for (i, target) in self.programs.iter().enumerate() {
            let mut rng: Stream = random_stream(CHOICE, i as u64);
            let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, None);
            // What cannot be executed makes no example either, which is told there.
            for choice in tracer.execution(&mut rng).map(|trace| trace.choices).unwrap_or_default() {
                hasher.update(format!("{} @ {}; ", choice.name, choice.value).as_bytes());
            }
        }
        hasher.finalize()
    }

    /// The program of an example, a function of the three alone; another attempt gives another random program.
    pub(super) fn of_example(&self, seed: u64, index: u64, attempt: u64) -> Option<Target> {
        let mut rng: Stream = random_stream(seed ^ CHOICE, index);
        let random = self.random.as_ref().filter(|r| self.programs.is_empty() || rng.random::<f64>() < r.share);
        match random {
            Some(random) => (random.make)(seed, index.wrapping_add(attempt << 40)),
            None => self.programs.get((index % self.programs.len().max(1) as u64) as usize).cloned(),
        }
    }
}
