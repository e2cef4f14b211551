//! Training: endless examples, one step of Adam each batch, and checkpoints from which it goes on bit for bit.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use rand::seq::SliceRandom as _;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::error::FoundationError;
use super::example::{Example, ExampleOptions};
use super::familiarity::{Familiarity, embedding};
use super::head::OUTPUTS;
use super::lessons::{Lesson, Lessons};
use super::weights::{Foundation, Restored};
use crate::infer::{Stream, Target};
use crate::network::{Adam, AdamOptions, AdamStep, Batch, Device, Placement, Seeds, load_checkpoint, save_checkpoint};
use crate::runtime::random_stream;
use crate::trace::Mask;

/// Executions that are tried where one makes no example.
const TRIES: u64 = 16;

/// Threads that make batches ahead, each on all processors: while one waits for an example that takes long, others go on.
const MAKERS: usize = 3;

/// Random streams of the order of batches that were made together: apart from those of executions.
const ORDER: u64 = 0x6f72_6465_7220_6f66;

/// The key of the trainer's state in a checkpoint.
const KEY: &str = "training";

/// Random streams of held-out examples: apart from those of training.
const HELD_OUT: u64 = 0x6865_6c64_206f_7574;

/// Examples of a pass without gradients.
const PASS: usize = 32;

/// How to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Examples a step.
    pub batch: usize,
    /// Batches that are made together, each of examples of about one length: where sequences are padded, little is padded then.
    #[serde(default = "one")]
    pub buckets: usize,
    /// How many executions there are to learn from, again and again; `None`: endless fresh ones.
    pub examples: Option<u64>,
    /// Rate, warm-up, number of steps, clipping.
    pub adam: AdamOptions,
    /// Factor α of the head's loss.
    pub alpha: f64,
    /// Whether the language head learns too.
    pub language: bool,
    /// The share of examples for the language head alone.
    pub corrupted: f64,
    /// The share of examples of which the network reads a part, without some iterations of their loops.
    #[serde(default)]
    pub cut: f64,
    /// Layers that train, from the top; `None`: all.
    pub layers: Option<usize>,
    /// Executions that are never learnt from, on which the best weights are chosen.
    pub heldout: usize,
    /// Seed of everything.
    pub seed: u64,
    /// A few words on the programs: a checkpoint goes on only with the same.
    pub programs: Vec<String>,
}

fn one() -> usize {
    1
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The step, from 1.
    pub step: u64,
    /// Mean loss of the head, in nats an example.
    pub head: f64,
    /// Mean loss of the language head, in nats a token.
    pub language: f64,
    /// Norm of the gradient, rate, and whether the step was taken.
    pub adam: AdamStep,
    /// Tokens of the batch.
    pub tokens: usize,
    /// Seconds for which the step waited for its batch.
    pub waited: f64,
    /// Examples that stand in for ones of another program, no execution of which could be used.
    pub instead: usize,
}

/// The quality on executions that are not trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    /// Mean loss of the head, in nats an example.
    pub head: f64,
    /// The same before training: what the anchors alone give.
    pub anchors: f64,
    /// Examples.
    pub examples: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    options: TrainOptions,
    best: Option<f64>,
    /// Of the lessons; files of before have none.
    #[serde(default)]
    fingerprint: Option<u32>,
}

/// Trains a network.
#[derive(Debug)]
pub struct Trainer {
    foundation: Foundation,
    placement: Placement,
    adam: Adam,
    options: TrainOptions,
    lessons: Lessons,
    /// Of the lessons.
    fingerprint: u32,
    /// The best held-out loss so far.
    best: Option<f64>,
    batches: Option<Batches>,
}

/// What examples are drawn from.
#[derive(Clone, Debug)]
struct Source {
    lessons: Lessons,
    encoding: Encoding,
    context: usize,
    seed: u64,
    limit: Option<u64>,
    options: ExampleOptions,
}

impl Source {
    /// Example number `index` of all; where its program gives none, one of another program.
    fn example(&self, index: u64) -> Result<Example, FoundationError> {
        let index = self.limit.map_or(index, |limit| index % limit.max(1));
        let (own, n) = (self.lessons.of_example(self.seed, index), self.lessons.programs());
        self.example_of(index, own).or_else(|error| {
            // After a random program, the one whose turn it would be comes first.
            let first = own.map_or(index as usize, |own| own + 1);
            let others = (first..first + n).map(|at| at % n).filter(|at| Some(*at) != own);
            let instead = others.filter_map(|at| self.example_of(index, Some(at)).ok()).next();
            instead.map(|example| Example { is_instead: true, ..example }).ok_or(error)
        })
    }

    /// Example number `index`, of a program by its place or (`None`) of a random one.
    fn example_of(&self, index: u64, program: Option<usize>) -> Result<Example, FoundationError> {
        let mut last = None;
        for attempt in 0..TRIES {
            let (name, lesson) = self.lessons.attempt(program, (self.seed, index, attempt));
            let mut rng: Stream = random_stream(self.seed.wrapping_add(attempt << 40), index);
            let draw = |lesson: Target| Example::draw(&lesson, &self.encoding, self.context, &self.options, &mut rng);
            match lesson.and_then(draw) {
                Ok(example) => return Ok(example),
                Err(error @ FoundationError::Runtime(_)) => return Err(error),
                Err(error) => last = Some((name, error.to_string())),
            }
        }
        let (program, reason) = last.unwrap_or_default();
        Err(FoundationError::NoExamples { program, reason })
    }

    fn examples(&self, range: std::ops::Range<u64>) -> Result<Vec<Example>, FoundationError> {
        range.into_par_iter().map(|i| self.example(i)).collect()
    }

    /// Batches number `buckets` · `group` and those after it: of so many examples together, the shortest in one, and so on,
    /// in random order.
    fn batches(&self, group: u64, size: usize, buckets: usize) -> Result<Vec<Vec<Example>>, FoundationError> {
        let together = (size * buckets) as u64;
        let mut examples = self.examples(group * together..(group + 1) * together)?;
        if buckets > 1 {
            examples.sort_by_key(|example| example.sequence.tokens.len());
        }
        let mut batches = Vec::with_capacity(buckets);
        while !examples.is_empty() {
            batches.push(examples.split_off(examples.len().saturating_sub(size)));
        }
        batches.shuffle(&mut random_stream(self.seed ^ ORDER, group));
        Ok(batches)
    }

    /// Makes batches in the background from number `step` on.
    fn start(self, step: u64, size: usize, buckets: usize) -> Batches {
        let buckets = buckets.max(1);
        let first = step / buckets as u64;
        // Threads of their own: the tasks of a step are short, and would wait for examples that take long.
        let pool = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build().ok().map(Arc::new);
        let maker = |offset| {
            let (sender, receiver) = sync_channel(1);
            let (source, pool) = (self.clone(), pool.clone());
            std::thread::spawn(move || {
                for group in (first + offset..).step_by(MAKERS) {
                    let make = || source.batches(group, size, buckets);
                    let made = pool.as_ref().map_or_else(make, |pool| pool.install(make));
                    let last = made.is_err();
                    // Whoever waited for it may be gone.
                    if sender.send(made).is_err() || last {
                        return;
                    }
                }
            });
            receiver
        };
        let makers = (0..MAKERS as u64).map(maker).collect();
        Batches { makers, next: 0, passed: (step % buckets as u64) as usize, ready: VecDeque::new() }
    }
}

/// Where batches come from, in order; the threads that make them end when this is gone.
#[derive(Debug)]
struct Batches {
    /// Each makes MAKERS-th group.
    makers: Vec<Receiver<Result<Vec<Vec<Example>>, FoundationError>>>,
    /// Whose group comes next.
    next: usize,
    /// Batches of the first group that were learnt from before.
    passed: usize,
    ready: VecDeque<Vec<Example>>,
}

impl Batches {
    fn next(&mut self) -> Result<Vec<Example>, FoundationError> {
        let gone = || FoundationError::Weights { reason: "the thread that makes batches is gone".into() };
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            let group = self.makers[self.next].recv().map_err(|_| gone())??;
            self.next = (self.next + 1) % self.makers.len();
            self.ready.extend(group.into_iter().skip(std::mem::take(&mut self.passed)));
        }
    }
}

impl Trainer {
    /// Begins to train `foundation` on `lessons`.
    ///
    /// # Errors
    /// [`FoundationError::Weights`] without a program; those of a program that gives no example.
    pub fn new(
        mut foundation: Foundation,
        lessons: impl Into<Lessons>,
        options: TrainOptions,
    ) -> Result<Self, FoundationError> {
        let lessons = lessons.into();
        if lessons.is_empty() || options.batch == 0 {
            return Err(FoundationError::Weights { reason: "there is nothing to train on".into() });
        }
        foundation.network.train_layers(options.layers);
        let adam = Adam::new(&foundation.network, options.adam.clone());
        let placement = Placement::default();
        let fingerprint = lessons.fingerprint();
        let trainer = Self { foundation, placement, adam, options, lessons, fingerprint, best: None, batches: None };
        // Others would stand in for it all the time.
        let source = trainer.source();
        let programs = source.lessons.programs();
        (0..programs).into_par_iter().try_for_each(|i| source.example_of(i as u64, Some(i)).map(|_| ()))?;
        Ok(trainer)
    }

    /// Goes on from a checkpoint; with the same lessons, as if it had never stopped.
    ///
    /// # Errors
    /// Where the file is damaged, has no state of training, or is of other programs.
    pub fn resume(path: &Path, lessons: impl Into<Lessons>, programs: &[String]) -> Result<Self, FoundationError> {
        let lessons = lessons.into();
        let wrong = |reason: String| FoundationError::Weights { reason };
        let Restored { mut foundation, adam, texts } = Foundation::of_checkpoint(load_checkpoint(path)?)?;
        let state =
            texts.get(KEY).ok_or_else(|| wrong("the file holds finished weights, not a state of training".into()))?;
        let State { options, best, fingerprint: before } =
            serde_json::from_str(state).map_err(|e| wrong(e.to_string()))?;
        let adam = adam.ok_or_else(|| wrong("the file has no state of the optimiser".into()))?;
        if options.programs != programs {
            return Err(wrong(format!("they were trained on {}", options.programs.join(", "))));
        }
        let fingerprint = lessons.fingerprint();
        if before.is_some_and(|before| before != fingerprint) {
            return Err(wrong("the programs or their data have changed since training began".into()));
        }
        foundation.network.train_layers(options.layers);
        let placement = Placement::default();
        Ok(Self { foundation, placement, adam, options, lessons, fingerprint, best, batches: None })
    }

    /// Computes passes on a device from now on. A checkpoint does not say where: training may go on elsewhere.
    ///
    /// # Errors
    /// [`FoundationError::Network`] where there is no such device.
    pub fn set_device(&mut self, device: Device) -> Result<(), FoundationError> {
        self.placement = Placement::new(device, &self.foundation.network)?;
        Ok(())
    }

    /// The weights.
    pub fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    /// The weights, without what training needs.
    pub fn into_foundation(self) -> Foundation {
        self.foundation
    }

    /// How it trains.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.adam.steps()
    }

    /// Fixes the number of steps.
    pub fn set_total(&mut self, total: u64) {
        self.options.adam.total = total;
        self.options.adam.warmup = self.options.adam.warmup.min(total / 2);
        self.adam.set_options(self.options.adam.clone());
    }

    /// Whether this held-out loss is the best so far; it is remembered.
    pub fn improves(&mut self, loss: f64) -> bool {
        let better = self.best.is_none_or(|best| loss < best);
        if better {
            self.best = Some(loss);
        }
        better
    }

    /// The best loss of the head on held-out executions so far, in nats an example.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    fn source(&self) -> Source {
        Source {
            lessons: self.lessons.clone(),
            encoding: self.foundation.encoding.clone(),
            context: self.foundation.context(),
            seed: self.options.seed,
            limit: self.options.examples,
            options: ExampleOptions {
                anchors: self.foundation.anchors,
                mask: None,
                corrupted: if self.options.language { self.options.corrupted } else { 0.0 },
                cut: self.options.cut,
            },
        }
    }

    /// One step. Batches are made in the background, each a function of the seed and the step.
    ///
    /// # Errors
    /// Where a program gives no examples, or the network's outputs are no numbers.
    pub fn step(&mut self) -> Result<StepReport, FoundationError> {
        let step = self.adam.steps();
        let mut batches = match self.batches.take() {
            Some(batches) => batches,
            None => self.source().start(step, self.options.batch, self.options.buckets),
        };
        let started = std::time::Instant::now();
        let examples = batches.next()?;
        let waited = started.elapsed().as_secs_f64();
        self.batches = Some(batches);
        let batch = pack(&examples, self.options.language);
        let pass = self.placement.forward(&self.foundation.network, &batch)?;
        let outputs = pass.head().unwrap_or_default();
        self.in_bounds(&outputs)?;
        let (losses, mut gradient) = losses(&examples, &outputs, true);
        let with_head = examples.iter().filter(|e| !e.targets.is_empty()).count().max(1) as f64;
        let head = losses.iter().sum::<f64>() / with_head;
        gradient.iter_mut().for_each(|g| *g *= (self.options.alpha / with_head) as f32);
        let language = pass.language_loss();
        let seeds = Seeds {
            language: language.map(|_| 1.0),
            head: (!gradient.is_empty()).then_some(gradient),
            ..Seeds::default()
        };
        let gradients = pass.backward(seeds)?;
        let adam = self.adam.step(&mut self.foundation.network, &gradients)?;
        self.placement.update(&self.foundation.network)?;
        let language = language.map_or(0.0, f64::from);
        let instead = examples.iter().filter(|e| e.is_instead).count();
        Ok(StepReport { step: step + 1, head, language, adam, tokens: batch.tokens.len(), waited, instead })
    }

    fn in_bounds(&self, outputs: &[f32]) -> Result<(), FoundationError> {
        if outputs.iter().all(|x| x.is_finite()) {
            Ok(())
        } else {
            Err(FoundationError::Diverged { step: self.adam.steps() })
        }
    }

    /// The loss on the executions that are not trained on; the best weights are chosen by it. The weights remember where the
    /// texts of these lie.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn check(&mut self) -> Result<HeldOut, FoundationError> {
        let mut embeddings = Vec::with_capacity(self.options.heldout);
        let held_out = self.evaluate(self.options.heldout, None, &mut embeddings)?;
        self.foundation.familiarity = Familiarity::new(&embeddings);
        Ok(held_out)
    }

    /// The loss on so many executions that are not trained on: a function of the seed and of what share of the texts is cut.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn held_out(&self, examples: usize, mask: Option<Mask>) -> Result<HeldOut, FoundationError> {
        self.evaluate(examples, mask, &mut Vec::new())
    }

    /// The same, and the embeddings of the texts.
    fn evaluate(
        &self,
        examples: usize,
        mask: Option<Mask>,
        embeddings: &mut Vec<Vec<f32>>,
    ) -> Result<HeldOut, FoundationError> {
        let width = self.foundation.network.config().encoder.width;
        let options = ExampleOptions { anchors: self.foundation.anchors, mask, corrupted: 0.0, cut: self.options.cut };
        let source = Source { seed: self.options.seed ^ HELD_OUT, limit: None, options, ..self.source() };
        let (mut head, mut anchors) = (0.0, 0.0);
        let mut first = 0;
        while first < examples {
            let size = PASS.min(examples - first);
            let drawn = source.examples(first as u64..(first + size) as u64)?;
            let batch = pack(&drawn, false);
            let pass = self.placement.evaluate(&self.foundation.network, &batch)?;
            let rows = pass.encoded();
            let texts = batch.offsets.windows(2).map(|ends| &rows[ends[0] * width..ends[1] * width]);
            embeddings.extend(texts.map(|text| embedding(text, width)));
            let outputs = pass.head().unwrap_or_default();
            self.in_bounds(&outputs)?;
            head += losses(&drawn, &outputs, false).0.iter().sum::<f64>();
            anchors += losses(&drawn, &vec![0.0; outputs.len()], false).0.iter().sum::<f64>();
            first += size;
        }
        let n = examples.max(1) as f64;
        Ok(HeldOut { head: head / n, anchors: anchors / n, examples })
    }

    /// Writes all that is needed to go on.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save_checkpoint(&self, path: &Path) -> Result<(), FoundationError> {
        let mut texts: BTreeMap<String, String> = self.foundation.texts()?;
        let state = State { options: self.options.clone(), best: self.best, fingerprint: Some(self.fingerprint) };
        let text = serde_json::to_string(&state)
            .map_err(|e| FoundationError::Weights { reason: format!("the state cannot be written: {e}") })?;
        texts.insert(KEY.to_owned(), text);
        Ok(save_checkpoint(path, &self.foundation.network, Some(&self.adam), &texts)?)
    }
}

/// Whether each of the first `n` examples of a program can be made, as `foundation` reads it.
///
/// # Errors
/// Why one cannot.
pub fn try_examples(lesson: Lesson, foundation: &Foundation, n: u64, seed: u64) -> Result<(), FoundationError> {
    let source = Source {
        lessons: Lessons::from(vec![lesson]),
        encoding: foundation.encoding.clone(),
        context: foundation.context(),
        seed,
        limit: None,
        options: ExampleOptions { anchors: foundation.anchors, mask: None, corrupted: 0.0, cut: 0.0 },
    };
    source.examples(0..n).map(|_| ())
}

/// Examples as one batch.
pub fn pack(examples: &[Example], language: bool) -> Batch {
    let mut batch = Batch::default();
    for example in examples {
        if language {
            batch.push(&example.sequence);
        } else {
            let mut sequence = example.sequence.clone();
            sequence.language_rows.clear();
            sequence.language_targets.clear();
            batch.push(&sequence);
        }
    }
    batch
}

/// The head's loss of each example, in nats of its coordinates, and (where asked for) the gradient of their sum with respect
/// to `outputs`.
pub(super) fn losses(examples: &[Example], outputs: &[f32], gradient: bool) -> (Vec<f64>, Vec<f32>) {
    let mut all = vec![0.0; if gradient { outputs.len() } else { 0 }];
    let (mut rest_in, mut rest_out) = (outputs, &mut all[..]);
    let mut tasks = Vec::with_capacity(examples.len());
    for example in examples {
        let size = example.targets.iter().map(|(candidates, _)| candidates.components.len() * OUTPUTS).sum();
        let (own_in, others_in) = rest_in.split_at(size);
        let (own_out, others_out) = std::mem::take(&mut rest_out).split_at_mut(if gradient { size } else { 0 });
        (rest_in, rest_out) = (others_in, others_out);
        tasks.push((example, own_in, own_out));
    }
    let losses = tasks.into_par_iter().map(|(example, outputs, slopes)| loss(example, outputs, slopes)).collect();
    (losses, all)
}

/// What a miss of density zero counts as in the loss; it has no gradient.
const MISSED: f64 = -100.0;

/// The head's loss of one example, whose gradient is added to `slopes`, unless these are empty.
fn loss(example: &Example, outputs: &[f32], slopes: &mut [f32]) -> f64 {
    let mut at = 0;
    let mut loss = 0.0;
    for (candidates, target) in &example.targets {
        let size = candidates.components.len() * OUTPUTS;
        let outputs = &outputs[at..at + size];
        let adjusted = candidates.adjusted(outputs);
        let log_density = match slopes.get_mut(at..at + size) {
            Some(slopes) => adjusted.gradient(*target, outputs, -1.0, slopes),
            None => adjusted.log_probability(*target),
        };
        // A coordinate at the end of the numbers says nothing.
        if log_density.is_finite() {
            loss -= log_density;
        } else if target.is_finite() && log_density == f64::NEG_INFINITY {
            loss -= MISSED;
        }
        at += size;
    }
    loss
}
