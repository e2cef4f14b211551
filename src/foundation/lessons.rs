//! What there is to learn from: programs, and random ones.

use std::fmt;
use std::sync::Arc;

use rand::RngExt as _;

use super::encoding::Encoding;
use super::error::FoundationError;
use super::prompt::names_in_order;
use crate::infer::{Stream, Target};
use crate::runtime::random_stream;
use crate::syntax;
use crate::trace::{Mask, Tracer, annotate};

/// Random streams of the choice between programs and random ones: apart from those of executions.
const CHOICE: u64 = 0x6c65_7373_6f6e_7321;

/// Programs by number.
pub type Make = dyn Fn(u64, u64) -> Option<Target> + Send + Sync;

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

/// A program to learn from.
#[derive(Clone)]
pub enum Lesson {
    /// As it is.
    Whole(Target),
    /// A part of it each time, by seed and number, such as a minibatch of a plate.
    Parts(Arc<Make>),
}

impl Lesson {
    fn number(&self, seed: u64, number: u64) -> Option<Target> {
        match self {
            Self::Whole(target) => Some(target.clone()),
            Self::Parts(make) => make(seed, number),
        }
    }
}

impl fmt::Debug for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(target) => f.debug_tuple("Whole").field(target).finish(),
            Self::Parts(_) => f.debug_struct("Parts").finish_non_exhaustive(),
        }
    }
}

/// Tokens of an execution of a program of which what is sampled is masked.
///
/// # Errors
/// Where it cannot be executed, or has no straight-line form.
pub fn tokens_of(target: &Target, encoding: &Encoding) -> Result<usize, FoundationError> {
    let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, encoding.digits());
    let mut rng: Stream = random_stream(CHOICE, 0);
    let conditions = Mask::Role.conditions(&tracer.execution(&mut rng)?, &target.conditions, &mut rng);
    let annotated = annotate(&target.runtime, target.model, &conditions)?;
    Ok(encoding.encode(&syntax::print(&annotated.visible()), &names_in_order())?.tokens.len())
}

/// What there is to learn from.
#[derive(Clone, Debug, Default)]
pub struct Lessons {
    programs: Vec<Lesson>,
    random: Option<RandomPrograms>,
}

impl From<Vec<Target>> for Lessons {
    fn from(programs: Vec<Target>) -> Self {
        Self::from(programs.into_iter().map(Lesson::Whole).collect::<Vec<_>>())
    }
}

impl From<Vec<Lesson>> for Lessons {
    fn from(programs: Vec<Lesson>) -> Self {
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
        let targets = self.programs.iter().map(|lesson| lesson.number(CHOICE, 0));
        for (i, target) in targets.enumerate() {
            let Some(target) = target else { continue };
            let mut rng: Stream = random_stream(CHOICE, i as u64);
            let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, None);
            // What cannot be executed makes no example either, which is told there.
            for choice in tracer.execution(&mut rng).map(|trace| trace.choices).unwrap_or_default() {
                hasher.update(format!("{} @ {}; ", choice.name, choice.value).as_bytes());
            }
        }
        hasher.finalize()
    }

    /// How many programs there are, without random ones.
    pub(super) fn programs(&self) -> usize {
        self.programs.len()
    }

    /// The program of an example, a function of all of these alone: another attempt gives another random program, or part of a
    /// program; `instead` places after its own is another program.
    pub(super) fn of_example(&self, seed: u64, index: u64, (attempt, instead): (u64, u64)) -> Option<Target> {
        let mut rng: Stream = random_stream(seed ^ CHOICE, index);
        let random = self.random.as_ref().filter(|r| self.programs.is_empty() || rng.random::<f64>() < r.share);
        match random {
            Some(random) => (random.make)(seed, index.wrapping_add(attempt << 40)),
            None => {
                let n = self.programs.len().max(1) as u64;
                let chosen = self.programs.get(((index + instead) % n) as usize)?;
                chosen.number(seed, (index / n).wrapping_add(attempt << 40))
            }
        }
    }
}
