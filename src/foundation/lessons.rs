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

/// A part of a program by seed and number, such as a minibatch of a plate.
type MakePart = dyn Fn(u64, u64) -> Result<Target, FoundationError> + Send + Sync;

/// A program to learn from.
#[derive(Clone)]
pub struct Lesson {
    whole: Target,
    part: Option<Arc<MakePart>>,
}

impl Lesson {
    /// A program as it is.
    pub fn whole(whole: Target) -> Self {
        Self { whole, part: None }
    }

    /// A program of which each example has the part that `part` gives for a seed and a number.
    pub fn parts(
        whole: Target,
        part: impl Fn(u64, u64) -> Result<Target, FoundationError> + Send + Sync + 'static,
    ) -> Self {
        Self { whole, part: Some(Arc::new(part)) }
    }

    /// The program's name.
    pub(super) fn name(&self) -> String {
        self.whole.runtime.program.model(self.whole.model).name.to_string()
    }

    pub(super) fn number(&self, seed: u64, number: u64) -> Result<Target, FoundationError> {
        self.part.as_ref().map_or_else(|| Ok(self.whole.clone()), |part| part(seed, number))
    }
}

impl fmt::Debug for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lesson").field("whole", &self.whole).field("in_parts", &self.part.is_some()).finish()
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
        Self::from(programs.into_iter().map(Lesson::whole).collect::<Vec<_>>())
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
        for (i, Lesson { whole: target, .. }) in self.programs.iter().enumerate() {
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

    /// The program of an example, a function of the two alone; `None`: a random one.
    pub(super) fn of_example(&self, seed: u64, index: u64) -> Option<usize> {
        let n = self.programs.len();
        let mut rng: Stream = random_stream(seed ^ CHOICE, index);
        let random = self.random.as_ref().is_some_and(|r| n == 0 || rng.random::<f64>() < r.share);
        (n > 0 && !random).then(|| (index % n as u64) as usize)
    }

    /// What an example of a program is made of, and the program's name; another attempt gives another part of it, or another random
    /// program.
    pub(super) fn attempt(
        &self,
        program: Option<usize>,
        (seed, index, attempt): (u64, u64, u64),
    ) -> (String, Result<Target, FoundationError>) {
        let number = |n: u64| (index / n.max(1)).wrapping_add(attempt << 40);
        match (program.and_then(|at| self.programs.get(at)), &self.random) {
            (Some(lesson), _) => (lesson.name(), lesson.number(seed, number(self.programs.len() as u64))),
            (None, random) => {
                let made = random.as_ref().and_then(|random| (random.make)(seed, number(1)));
                (RANDOM.to_owned(), made.ok_or_else(|| FoundationError::Minibatch { reason: "there are none".into() }))
            }
        }
    }
}

/// What random programs are called.
const RANDOM: &str = "random programs";
