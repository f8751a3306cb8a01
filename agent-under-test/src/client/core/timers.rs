//! When operations have taken too long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::operation::OperationId;

/// The deadlines of operations under way.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Duration, OperationId)>,
    by_operation: BTreeMap<OperationId, Duration>,
}

impl Timers {
    /// The operation is to be done by then.
    pub(super) fn set(&mut self, id: OperationId, deadline: Duration) {
        self.remove(id);
        self.by_time.insert((deadline, id));
        self.by_operation.insert(id, deadline);
    }

    /// The operation has no deadline any more.
    pub(super) fn remove(&mut self, id: OperationId) {
        if let Some(deadline) = self.by_operation.remove(&id) {
            self.by_time.remove(&(deadline, id));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|&(deadline, _)| deadline)
    }

    /// Takes off an operation whose deadline has come.
    pub(super) fn expired(&mut self, now: Duration) -> Option<OperationId> {
        let &(deadline, id) = self.by_time.first()?;
        if deadline > now {
            return None;
        }
        self.remove(id);
        Some(id)
    }
}
