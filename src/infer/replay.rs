//! Executions with given values: what a compiled density left out is drawn from its own distribution.

use rustc_hash::FxHashMap;

use super::error::InferError;
use super::proposal::drawable;
use super::record::{Chunk, Record};
use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::{Choice, Ledger, Trace};
use crate::runtime::{AddressId, Addresses, Handler, Machine, Outcome, Site, Stop};
use crate::span::Span;
use crate::value::Value;

/// Executions of a draw before it is given up: what is left out may be drawn where numbers overflow.
const TRIES: usize = 4;

/// Executes a target with the values of some variables.
pub(super) struct Replayer<'t> {
    machine: Machine<'t>,
    rng: Stream,
}

impl<'t> Replayer<'t> {
    pub fn new(target: &TargetRef<'t>, seed: u64) -> Self {
        Self { machine: target.machine(), rng: stream(seed, StreamPurpose::Replay, 0) }
    }

    /// The draws of `chunk` (addresses are those of `addresses`) with all variables of their executions.
    ///
    /// # Errors
    /// A mistake in the program; a draw that the program does not allow.
    pub fn record(&mut self, chunk: &Chunk, addresses: &Addresses) -> Result<Record, InferError> {
        let mut whole = Chunk::default();
        let mut ledger = Ledger::default();
        let mut trace = Trace::default();
        // By address of the machine: the address of the draw.
        let mut same: FxHashMap<AddressId, Option<AddressId>> = FxHashMap::default();
        for draw in &chunk.draws {
            let values = draw.iter().map(|(address, _, value)| (*address, value)).collect();
            let (same, trace, ledger, rng) = (&mut same, &mut trace, &mut ledger, &mut self.rng);
            let mut fill = Fill { values, addresses, same, trace, ledger, rng };
            let mut tries = 0;
            while {
                fill.trace.clear();
                self.machine.run(&mut fill)? == Outcome::Rejected
            } {
                tries += 1;
                if tries == TRIES {
                    let reason = "the program rejects a draw that its compiled density allows".to_owned();
                    return Err(InferError::SamplerFailed { engine: "replay", reason });
                }
            }
            whole.push(trace);
        }
        let mut record = Record::default();
        record.append(&whole, self.machine.addresses());
        record.know(&ledger.known, self.machine.addresses());
        Ok(record)
    }
}

struct Fill<'a> {
    values: FxHashMap<AddressId, &'a Value>,
    addresses: &'a Addresses,
    same: &'a mut FxHashMap<AddressId, Option<AddressId>>,
    trace: &'a mut Trace,
    ledger: &'a mut Ledger,
    rng: &'a mut Stream,
}

impl Handler for Fill<'_> {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        let other = *self.same.entry(site.address).or_insert_with(|| {
            let (variable, indices) = addresses.parts(site.address)?;
            self.addresses.find(addresses.name(variable), indices)
        });
        let value = match other.and_then(|address| self.values.get(&address)) {
            Some(value) => (*value).clone(),
            None => {
                let law = drawable(site.law, site.simulate).ok_or(Stop::Reject)?;
                law.sample(self.rng).map_err(|_| Stop::Reject)?
            }
        };
        self.trace.push(Choice {
            address: site.address,
            role: site.role,
            law: site.law.clone(),
            simulate: None,
            value: value.clone(),
            log_density: 0.0,
            span: site.span,
        });
        Ok(value)
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, _: bool, _: &Addresses) -> Result<(), Stop> {
        self.ledger.know(site.address, value);
        Ok(())
    }

    fn factor(&mut self, _: f64, _: Span) -> Result<(), Stop> {
        Ok(())
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, depends_on_masked: bool) {
        if depends_on_masked {
            self.trace.reported.push((address, value.clone()));
        }
    }
}
