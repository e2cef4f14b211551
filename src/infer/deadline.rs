//! When an engine must come to an end.

use std::time::{Duration, Instant};

/// A moment, or never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// So many seconds from now; never, where they are `None` or more than a clock can hold.
    pub fn after(seconds: Option<f64>) -> Self {
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        Self(duration.and_then(|duration| Instant::now().checked_add(duration)))
    }

    /// Whether it is over.
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}
