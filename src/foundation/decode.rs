//! Inference: a program encoded once, and draws decoded in step, each with its exact log density.

use std::sync::Arc;

use rand::RngExt as _;
use rayon::prelude::*;

use super::error::FoundationError;
use super::familiarity::embedding;
use super::feature::{ELEMENT_FEATURES, NUMBER_FEATURES, Previous, element_features, number_features, push_components};
use super::head::{Candidates, OUTPUTS};
use super::prompt::{Prompt, names_in_order};
use super::tuning::{TuneOptions, TuneReport};
use super::weights::{Decode, Foundation};
use crate::dist::log_sum_exp;
use crate::infer::anchors::{Anchors, Conditional, Decoded, Drawn, Paused, Presence, Shares, Walk, pick};
use crate::infer::{Amortized, Defence, Drawer, Query, Stream, StreamPurpose, stream};
use crate::network::{Batch, Decoding, Encoded, NetworkError, Sequence};
use crate::runtime::annotate;

/// Draws that are decoded together.
const GROUP: usize = 512;

/// Texts that are encoded together.
const REENCODED: usize = 64;

/// Tokens of the shortest line: a name, `=`, a name, `@`, a value and `;`.
const SHORTEST: usize = 6;

/// Draws of one task.
const CHUNK: usize = 32;

/// A query that was read by the network.
#[derive(Debug)]
pub struct Prepared<'f> {
    foundation: &'f Foundation,
    prompt: Prompt,
    encoded: Encoded,
    unusual: Option<f64>,
    /// Of each coordinate: the middle of its prior and its scale.
    prior: Vec<(f64, f64)>,
    /// Of each coordinate: its place among those of its variable.
    parts: Vec<usize>,
}

/// A draw that is being decoded.
struct Draft {
    paused: Paused,
    rng: Stream,
    previous: Previous,
    /// Values so far by the rows of their text, where texts are encoded anew.
    known: Vec<(u32, f64)>,
    defence: bool,
    /// By element: the value that it must have, if any.
    forced: Option<Vec<Option<Decoded>>>,
    log_network: f64,
    log_anchors: f64,
    /// What is asked next.
    asked: Option<Asked>,
    /// What was asked and answered, where that is wanted.
    kept: Option<Kept>,
}

/// What is kept of a draw for gradients.
#[derive(Default)]
struct Kept {
    /// ln of the network's density so far, before each element.
    before: Vec<f64>,
    answered: Vec<Answered>,
}

/// An element that was decoded: what the network was told of it, and what it is.
pub(super) struct Answered {
    /// Its place among the elements.
    pub index: usize,
    pub element: [f32; ELEMENT_FEATURES],
    pub candidates: Candidates,
    pub value: f64,
}

/// A draw of the network alone, with all that gradients need.
pub(super) struct Recorded {
    /// ln of target over proposal; −∞ where the target is zero.
    pub log_weight: f64,
    /// By element.
    pub values: Vec<Decoded>,
    /// By element: ln of the density or mass with which the network drew it, or left it out.
    pub log_network: Vec<f64>,
    pub answered: Vec<Answered>,
}

struct Asked {
    candidates: Candidates,
    element: [f32; ELEMENT_FEATURES],
    /// What the anchors say, with heavy tails.
    anchors: Conditional,
}

impl Draft {
    /// The log density of the mixture of the network and the anchors.
    fn log_proposal(&self, defence: Defence) -> f64 {
        let share = defence.map_or(0.0, |every| 1.0 / every.get() as f64);
        log_sum_exp(&[(1.0 - share).ln() + self.log_network, share.ln() + self.log_anchors])
    }
}

impl Foundation {
    /// Reads a query.
    ///
    /// # Errors
    /// Where the program has no straight-line form, or is too long.
    pub fn prepare(&self, query: &Query<'_>) -> Result<Prepared<'_>, FoundationError> {
        self.read(query, false)
    }

    fn read(&self, query: &Query<'_>, whole: bool) -> Result<Prepared<'_>, FoundationError> {
        let target = query.target;
        let annotated = annotate(target.runtime, target.model, target.conditions)?;
        // No line is shorter than this.
        let least = SHORTEST * annotated.lines.len();
        if whole && least > self.context() {
            return Err(FoundationError::NotWhole { tokens: least, limit: self.context() });
        }
        let prompt = Prompt::new(&annotated, &self.encoding, &names_in_order(), self.context(), |_| ())?;
        if whole && prompt.is_part() {
            return Err(FoundationError::NotWhole { tokens: prompt.length(), limit: self.context() });
        }
        let encoded = self.network.encode(&prompt.sequence)?;
        let prior = query.prior.middle.iter().copied().zip(query.prior.scales.iter().copied()).collect();
        let parts = query.compiled.coordinate_info().iter().map(|info| info.element).collect();
        let width = self.network.config().encoder.width;
        let unusual = self.familiarity.as_ref().map(|f| f.unusual(&embedding(&encoded.rows, width)));
        Ok(Prepared { foundation: self, prompt, encoded, unusual, prior, parts })
    }
}

impl Prepared<'_> {
    /// `n` draws; a function of the seed and the round.
    ///
    /// # Errors
    /// [`FoundationError::NoLine`]: a variable that the text does not show.
    pub fn draw(
        &self,
        anchors: &Anchors<'_>,
        n: usize,
        defence: Defence,
        (seed, round): (u64, u64),
    ) -> Result<Vec<Drawn>, FoundationError> {
        let rows = self.rows(anchors)?;
        let mut walks = walks(anchors, n.min(GROUP));
        let mut drawn = Vec::with_capacity(n);
        while drawn.len() < n {
            let first = drawn.len();
            let size = GROUP.min(n - first);
            let drafts = self.drafts(&walks, first..first + size, (defence, false), (seed, round));
            let decoded = self.decode(&mut walks, &rows, drafts)?;
            drawn.extend(finish(&mut walks, decoded, defence).into_iter().map(|(drawn, _)| drawn));
        }
        Ok(drawn)
    }

    /// The log density with which [`Prepared::draw`] would draw each of some values of all elements.
    ///
    /// # Errors
    /// As there.
    pub fn log_densities(
        &self,
        anchors: &Anchors<'_>,
        values: &[Vec<Decoded>],
        defence: Defence,
    ) -> Result<Vec<f64>, FoundationError> {
        let rows = self.rows(anchors)?;
        let mut walks = walks(anchors, values.len().min(GROUP));
        let mut densities = Vec::with_capacity(values.len());
        for values in values.chunks(GROUP) {
            let mut drafts = self.drafts(&walks, 0..values.len(), (None, false), (0, 0));
            for (draft, values) in drafts.iter_mut().zip(values) {
                draft.forced = Some(values.iter().copied().map(Some).collect());
            }
            let decoded = self.decode(&mut walks, &rows, drafts)?;
            densities.extend(decoded.iter().map(|draft| draft.log_proposal(defence)));
        }
        Ok(densities)
    }

    /// `n` draws of the network alone, with all that gradients need.
    pub(super) fn record(
        &self,
        anchors: &Anchors<'_>,
        n: usize,
        (seed, round): (u64, u64),
    ) -> Result<Vec<Recorded>, FoundationError> {
        self.record_given(anchors, vec![vec![None; anchors.elements().len()]; n], (seed, round))
    }

    /// The same where some elements have values already, one list a draw.
    pub(super) fn record_given(
        &self,
        anchors: &Anchors<'_>,
        given: Vec<Vec<Option<Decoded>>>,
        (seed, round): (u64, u64),
    ) -> Result<Vec<Recorded>, FoundationError> {
        let rows = self.rows(anchors)?;
        let n = given.len();
        let mut walks = walks(anchors, n);
        let mut drafts = self.drafts(&walks, 0..n, (None, true), (seed, round));
        for (draft, given) in drafts.iter_mut().zip(given) {
            draft.forced = Some(given);
        }
        let decoded = self.decode(&mut walks, &rows, drafts)?;
        let recorded = finish(&mut walks, decoded, None).into_iter().map(|(drawn, mut kept)| {
            kept.before.push(drawn.log_proposal);
            Recorded {
                log_weight: drawn.target.map_or(f64::NEG_INFINITY, |(target, _)| target - drawn.log_proposal),
                values: drawn.values,
                log_network: kept.before.windows(2).map(|pair| pair[1] - pair[0]).collect(),
                answered: kept.answered,
            }
        });
        Ok(recorded.collect())
    }

    /// What the network reads of the query.
    pub(super) fn sequence(&self) -> &Sequence {
        &self.prompt.sequence
    }

    /// The row of each element's variable.
    pub(super) fn rows(&self, anchors: &Anchors<'_>) -> Result<Vec<u32>, FoundationError> {
        let addresses = anchors.compiled().addresses();
        self.prompt.element_rows(anchors.elements(), |element| addresses.name(element.key.0))
    }

    /// Draws before anything is decoded.
    fn drafts(
        &self,
        walks: &[Walk<'_>],
        draws: std::ops::Range<usize>,
        (defence, keep): (Defence, bool),
        (seed, round): (u64, u64),
    ) -> Vec<Draft> {
        let Some(fresh) = walks.first().map(Walk::pause_fresh) else { return Vec::new() };
        let draft = |i| {
            let mut rng = stream(seed, StreamPurpose::Draws, (round << 32) + i as u64);
            let defence = defence.is_some_and(|every| rng.random::<f64>() * (every.get() as f64) < 1.0);
            Draft {
                paused: fresh.clone(),
                rng,
                previous: Previous::default(),
                known: Vec::new(),
                defence,
                forced: None,
                log_network: 0.0,
                log_anchors: 0.0,
                asked: None,
                kept: keep.then(Kept::default),
            }
        };
        draws.map(draft).collect()
    }

    /// Decodes all elements of some draws in step.
    fn decode(&self, walks: &mut [Walk<'_>], rows: &[u32], mut drafts: Vec<Draft>) -> Result<Vec<Draft>, NetworkError> {
        let network = &self.foundation.network;
        let reencode = self.foundation.decode == Decode::Reencode;
        let mut decoding = network.decode(self.encoded.clone(), &self.prompt.sequence.memory, drafts.len())?;
        for (index, row) in rows.iter().enumerate() {
            each(walks, &mut drafts, |walk, _, draft| self.ask(walk, draft, index, rows.len()));
            let outputs = if reencode { self.reencoded(&drafts, *row)? } else { light(&mut decoding, &drafts, *row)? };
            let mut end = 0;
            let ends: Vec<usize> = drafts
                .iter()
                .map(|draft| {
                    end += draft.asked.as_ref().map_or(0, |a| a.candidates.components.len() * OUTPUTS);
                    end
                })
                .collect();
            each(walks, &mut drafts, |walk, i, draft| {
                let first = if i == 0 { 0 } else { ends[i - 1] };
                answer(walk, draft, (index, reencode.then_some(*row)), &outputs[first..ends[i]]);
            });
        }
        Ok(drafts)
    }

    /// The head's outputs where each draft's text, with the values that it has so far, is encoded anew.
    fn reencoded(&self, drafts: &[Draft], row: u32) -> Result<Vec<f32>, NetworkError> {
        let foundation = self.foundation;
        let asked: Vec<(&Draft, &Asked)> = drafts.iter().filter_map(|d| Some((d, d.asked.as_ref()?))).collect();
        let mut outputs = Vec::new();
        for chunk in asked.chunks(REENCODED) {
            let mut batch = Batch::default();
            for (draft, asked) in chunk {
                let mut sequence = self.prompt.sequence.clone();
                let width = foundation.encoding.features();
                for (row, x) in &draft.known {
                    let at = *row as usize;
                    sequence.tokens[at] = foundation.encoding.number(*x);
                    if width == NUMBER_FEATURES {
                        sequence.features[at * width..(at + 1) * width].copy_from_slice(&number_features(*x));
                    }
                }
                sequence.element_rows.push(row);
                sequence.element_features.extend(asked.element);
                let (owners, features) = (&mut sequence.component_elements, &mut sequence.component_features);
                push_components(0, &asked.candidates, owners, features);
                batch.push(&sequence);
            }
            outputs.extend(foundation.network.evaluate(&batch)?.head().unwrap_or_default());
        }
        Ok(outputs)
    }

    /// What is asked of a draft next; nothing where its execution does not reach the element.
    fn ask(&self, walk: &mut Walk<'_>, draft: &mut Draft, index: usize, elements: usize) {
        draft.asked = None;
        if let Some(kept) = &mut draft.kept {
            kept.before.push(draft.log_network);
        }
        let forced = draft.forced.as_ref().and_then(|values| values[index]);
        let wanted = forced.map(|value| value != Decoded::Absent);
        let here = match walk.next_presence() {
            Presence::Absent => false,
            Presence::Certain => true,
            Presence::Possible(log_share) => {
                let here = wanted.unwrap_or_else(|| draft.rng.random::<f64>() < log_share.exp());
                let log_chance = if here { log_share } else { (-log_share.exp()).ln_1p() };
                draft.log_network += log_chance;
                draft.log_anchors += log_chance;
                here
            }
        };
        let conditional = if here { walk.conditional() } else { None };
        if wanted.is_some_and(|wanted| wanted != conditional.is_some()) {
            (draft.log_network, draft.log_anchors) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        }
        let Some(conditional) = conditional.filter(|_| wanted != Some(false)) else {
            walk.decode(forced.unwrap_or(Decoded::Absent));
            return;
        };
        let coordinate = walk.next_coordinate();
        let prior = coordinate.and_then(|c| self.prior.get(c)).copied().unwrap_or((0.0, 1.0));
        let candidates = Candidates::of(&conditional, self.foundation.anchors, prior);
        let part = coordinate.and_then(|c| self.parts.get(c)).copied().unwrap_or(0);
        let element = element_features(&draft.previous, &candidates, part, elements - index);
        draft.asked = Some(Asked { candidates, element, anchors: conditional.with_shares(Shares::default()) });
    }
}

/// One walk for each chunk of so many drafts.
fn walks<'a>(anchors: &'a Anchors<'a>, drafts: usize) -> Vec<Walk<'a>> {
    (0..drafts.div_ceil(CHUNK)).into_par_iter().map(|_| Walk::new(anchors, Shares::NONE)).collect()
}

/// Goes on with each draft, given its number, in parallel; what that gave.
fn each<T: Send>(
    walks: &mut [Walk<'_>],
    drafts: &mut [Draft],
    work: impl Fn(&mut Walk<'_>, usize, &mut Draft) -> T + Sync,
) -> Vec<T> {
    let chunks = walks.par_iter_mut().zip(drafts.par_chunks_mut(CHUNK)).enumerate();
    chunks
        .flat_map_iter(|(chunk, (walk, drafts))| {
            let go_on = |(i, draft): (usize, &mut Draft)| {
                walk.swap(&mut draft.paused);
                let done = work(walk, chunk * CHUNK + i, draft);
                walk.swap(&mut draft.paused);
                done
            };
            drafts.iter_mut().enumerate().map(go_on).collect::<Vec<T>>()
        })
        .collect()
}

/// The head's outputs by a step of the light decoder.
fn light(decoding: &mut Decoding, drafts: &[Draft], row: u32) -> Result<Vec<f32>, NetworkError> {
    let active: Vec<bool> = drafts.iter().map(|d| d.asked.is_some()).collect();
    let mut features = vec![0.0; drafts.len() * ELEMENT_FEATURES];
    let (mut owners, mut components) = (Vec::new(), Vec::new());
    for (i, (draft, own)) in drafts.iter().zip(features.chunks_exact_mut(ELEMENT_FEATURES)).enumerate() {
        let Some(asked) = &draft.asked else { continue };
        own.copy_from_slice(&asked.element);
        push_components(i as u32, &asked.candidates, &mut owners, &mut components);
    }
    let decoded = decoding.step(row, &features, Some(&active))?;
    decoding.head(&decoded, &owners, &components)
}

/// Draws with their densities, and what was recorded of them.
fn finish(walks: &mut [Walk<'_>], mut drafts: Vec<Draft>, defence: Defence) -> Vec<(Drawn, Kept)> {
    each(walks, &mut drafts, |walk, _, draft| {
        let values = walk.values().to_vec();
        let target = walk.target(&values);
        let log_proposal = draft.log_proposal(defence);
        (Drawn { values, log_proposal, target }, draft.kept.take().unwrap_or_default())
    })
}

/// Draws the element that was asked for, from what the network says or, as a defence, from the anchors.
///
/// Where texts are encoded anew, `row` is where the value goes, and nothing else is remembered of it.
fn answer(walk: &mut Walk<'_>, draft: &mut Draft, (index, row): (usize, Option<u32>), outputs: &[f32]) {
    let Some(Asked { candidates, anchors, element }) = draft.asked.take() else { return };
    let adjusted = candidates.adjusted(outputs);
    let value = match anchors {
        Conditional::Real(mixture) => {
            let z = match draft.forced.as_ref().and_then(|values| values[index]) {
                Some(Decoded::Real(z)) => z,
                Some(Decoded::Int(_) | Decoded::Absent) => f64::NAN,
                None if draft.defence => mixture.draw(&mut draft.rng),
                None => adjusted.draw(&mut draft.rng),
            };
            draft.log_network += adjusted.log_density(z);
            draft.log_anchors += mixture.log_density(z);
            match row {
                None => draft.previous = Previous::real(z, &candidates),
                Some(row) => {
                    let own = candidates.own().and_then(|c| c.own.as_ref());
                    let value = own.and_then(|own| own.support().constrain_scalar(z));
                    draft.known.extend(value.map(|(x, _)| (row, x)));
                }
            }
            walk.decode(Decoded::Real(z));
            z
        }
        Conditional::Discrete(table) => {
            let value = match draft.forced.as_ref().and_then(|values| values[index]) {
                Some(Decoded::Int(value)) => value,
                Some(Decoded::Real(_) | Decoded::Absent) => i64::MIN,
                None if draft.defence => {
                    let masses: Vec<f64> = table.iter().map(|(_, mass)| *mass).collect();
                    table[pick(&masses, &mut draft.rng)].0
                }
                None => adjusted.draw_value(&mut draft.rng),
            };
            draft.log_network += adjusted.log_mass(value);
            draft.log_anchors += table.iter().find(|(v, _)| *v == value).map_or(f64::NEG_INFINITY, |(_, mass)| *mass);
            match row {
                None => draft.previous = Previous::int(value, &candidates),
                Some(row) => draft.known.push((row, value as f64)),
            }
            walk.decode(Decoded::Int(value));
            value as f64
        }
    };
    if let Some(kept) = &mut draft.kept {
        kept.answered.push(Answered { index, element, candidates, value });
    }
}

impl Amortized for Foundation {
    fn prepare<'q>(&'q self, query: &Query<'_>, whole: bool) -> Result<Box<dyn Drawer + 'q>, String> {
        match self.read(query, whole) {
            Ok(prepared) => Ok(Box::new(prepared)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn tune(&self, query: &Query<'_>, seconds: f64) -> Result<Arc<dyn Amortized>, String> {
        let start = std::time::Instant::now();
        let options = TuneOptions { seed: query.seed, ..TuneOptions::default() };
        let more = |_: &TuneReport| start.elapsed().as_secs_f64() < seconds;
        match Self::tune(self, query, &options, more) {
            Ok(tuned) => Ok(Arc::new(tuned)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drawer for Prepared<'_> {
    fn log_densities(
        &self,
        anchors: &Anchors<'_>,
        values: &[Vec<Decoded>],
        defence: Defence,
    ) -> Result<Vec<f64>, String> {
        Prepared::log_densities(self, anchors, values, defence).map_err(|error| error.to_string())
    }

    fn is_part(&self) -> bool {
        self.prompt.is_part()
    }

    fn unusual(&self) -> Option<f64> {
        self.unusual
    }

    fn draw(
        &self,
        anchors: &Anchors<'_>,
        n: usize,
        defence: Defence,
        seed: u64,
        round: u64,
    ) -> Result<Vec<Drawn>, String> {
        Prepared::draw(self, anchors, n, defence, (seed, round)).map_err(|error| error.to_string())
    }
}
