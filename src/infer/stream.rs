//! Random numbers: one independent stream for each piece of work, so that results do not depend on threads.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator that all engines use.
pub type Stream = Xoshiro256PlusPlus;

/// What a stream is for; streams of different purposes never coincide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPurpose {
    /// Independent draws; the index is the chunk.
    Draws,
    /// A Markov chain; the index is the chain.
    Chain,
    /// Calibration runs.
    Calibration,
    /// Where engines start; the index is the chain.
    Start,
    /// Stochastic optimisation.
    Fit,
    /// The look for modes that a proposal misses.
    Modes,
    /// Variables that nothing known depends on.
    Replay,
    /// Discrete variables that gradient engines sum out.
    Paths,
    /// The order of draws in files.
    Output,
    /// Sequential Monte Carlo; the index is the run.
    Particles,
    /// Executions of the prior that estimate the evidence; the index is the chunk.
    Prior,
    /// Which draws engines start from.
    Picks,
    /// Patches of a proposal; the index is the round.
    Patches,
    /// Which values of discrete variables with many are looked at.
    Counts,
}

/// The stream `index` of `purpose` under `seed`: a function of the three alone (SplitMix64 mixes them into a state).
pub fn stream(seed: u64, purpose: StreamPurpose, index: u64) -> Stream {
    let purpose = match purpose {
        StreamPurpose::Draws => 1_u64,
        StreamPurpose::Chain => 2,
        StreamPurpose::Calibration => 3,
        StreamPurpose::Start => 4,
        StreamPurpose::Fit => 5,
        StreamPurpose::Modes => 6,
        StreamPurpose::Replay => 7,
        StreamPurpose::Paths => 8,
        StreamPurpose::Output => 9,
        StreamPurpose::Particles => 10,
        StreamPurpose::Prior => 11,
        StreamPurpose::Picks => 12,
        StreamPurpose::Patches => 13,
        StreamPurpose::Counts => 14,
    };
    let mut state = split_mix(seed);
    state = split_mix(state ^ purpose);
    state = split_mix(state ^ index);
    Stream::seed_from_u64(state)
}

/// One step of SplitMix64 (Steele, Lea & Flood 2014).
fn split_mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    #[test]
    fn streams_differ_in_each_of_seed_purpose_and_index() {
        let first = |s: u64, p, i| stream(s, p, i).next_u64();
        let base = first(1, StreamPurpose::Draws, 0);
        assert_eq!(base, first(1, StreamPurpose::Draws, 0));
        assert_ne!(base, first(2, StreamPurpose::Draws, 0));
        assert_ne!(base, first(1, StreamPurpose::Chain, 0));
        assert_ne!(base, first(1, StreamPurpose::Draws, 1));
    }
}
