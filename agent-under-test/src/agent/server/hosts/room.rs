//! The clients of a session, who all hear its hosts (RTE-4).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::outlet::{Hearing, Outlet};
use crate::agent::core::{Forwarded, Product};

/// Who is in a session.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Vec<Arc<Outlet>>>);

impl Room {
    /// A client more; what it hears begins now.
    pub(super) fn enter(&self) -> (Arc<Outlet>, Hearing) {
        let (outlet, hearing) = Outlet::new();
        self.members().push(Arc::clone(&outlet));
        (outlet, hearing)
    }

    /// A client less.
    pub(super) fn leave(&self, outlet: &Arc<Outlet>) {
        self.members().retain(|member| !Arc::ptr_eq(member, outlet));
    }

    /// Gives a message to each, and waits for those who have enough while `patient` says so. With nobody there it is
    /// discarded (RTE-13).
    pub(super) fn hand_out(&self, message: &Forwarded, mut patient: impl FnMut() -> bool) {
        let members = self.members().clone();
        for member in members {
            member.push(message, &mut patient);
        }
    }

    /// Tells everybody that a host is gone, behind what it sent (RTE-8).
    pub(super) fn end(&self, product: Product) {
        self.members().iter().for_each(|member| member.end(product));
    }

    fn members(&self) -> MutexGuard<'_, Vec<Arc<Outlet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
