//! What hosts have sent to one client and it has not taken yet.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::agent::core::{Forwarded, Product};

/// So many bytes may wait for a client; beyond that its hosts wait for it (RTE-11).
const LIMIT: usize = 1 << 20;

/// What a message counts for beside its data: one without data takes memory, too.
const OVERHEAD: usize = 64;

/// How often a host that waits for a client is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A queue from the threads that read from hosts to the task of a connection.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    state: Mutex<State>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Forwarded>,
    bytes: usize,
    /// The host that is gone: nothing comes behind what is here.
    gone: Option<Product>,
    /// Nobody takes anything any more.
    abandoned: bool,
    /// The task that waits for news.
    waker: Option<Waker>,
}

/// What a connection hears of its hosts.
#[derive(Debug, Eq, PartialEq)]
pub(in super::super) enum Heard {
    /// One sent this.
    Message(Forwarded),
    /// This one is gone, after all that was heard (RTE-8).
    Gone(Product),
}

/// The end that a connection holds; nothing is kept for it once it is dropped.
#[derive(Debug)]
pub(in super::super) struct Hearing(Arc<Outlet>);

impl Outlet {
    /// An outlet, and the connection's end of it.
    pub(super) fn new() -> (Arc<Self>, Hearing) {
        let outlet = Arc::<Self>::default();
        (Arc::clone(&outlet), Hearing(outlet))
    }

    /// Adds a message. While the client has enough, this waits, as long as `patient` says so again and again; after that the
    /// client gets nothing more of anybody, and is told that the host is gone.
    pub(super) fn push(&self, message: &Forwarded, mut patient: impl FnMut() -> bool) {
        let mut state = self.lock();
        while state.bytes >= LIMIT && !state.abandoned && state.gone.is_none() {
            if !patient() {
                state.messages.clear();
                state.end(message.product);
                return;
            }
            state = self.room.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        if !state.abandoned && state.gone.is_none() {
            state.bytes += size(message);
            state.messages.push_back(message.clone());
            state.wake();
        }
    }

    /// Says that a host is gone.
    pub(super) fn end(&self, product: Product) {
        self.lock().end(product);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&mut self, product: Product) {
        self.gone.get_or_insert(product);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Hearing {
    /// The next thing heard.
    pub(in super::super) fn poll(&self, context: &mut Context<'_>) -> Poll<Heard> {
        let mut state = self.0.lock();
        if let Some(message) = state.messages.pop_front() {
            let was_full = state.bytes >= LIMIT;
            state.bytes -= size(&message);
            if was_full && state.bytes < LIMIT {
                self.0.room.notify_all();
            }
            return Poll::Ready(Heard::Message(message));
        }
        if let Some(product) = state.gone {
            return Poll::Ready(Heard::Gone(product));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        state.messages.clear();
        self.0.room.notify_all();
    }
}

/// What a message counts for among those that wait, in bytes.
pub(super) fn size(message: &Forwarded) -> usize {
    message.data.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Command;

    fn message(number: i32, length: usize) -> Forwarded {
        Forwarded { product: Product::Otter, command: Command(number), data: Bytes::from(vec![0; length]) }
    }

    fn next(hearing: &Hearing) -> Poll<Heard> {
        hearing.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_was_sent_is_heard_in_order_and_then_the_end() {
        let (outlet, hearing) = Outlet::new();
        assert_eq!(next(&hearing), Poll::Pending);
        outlet.push(&message(1, 0), || true);
        outlet.push(&message(2, 5), || true);
        outlet.end(Product::Otter);
        outlet.push(&message(3, 0), || true);
        assert_eq!(next(&hearing), Poll::Ready(Heard::Message(message(1, 0))));
        assert_eq!(next(&hearing), Poll::Ready(Heard::Message(message(2, 5))));
        assert_eq!(next(&hearing), Poll::Ready(Heard::Gone(Product::Otter)));
    }

    #[test]
    fn a_client_that_has_enough_is_waited_for_with_patience() {
        let (outlet, hearing) = Outlet::new();
        outlet.push(&message(1, LIMIT), || true);
        // Whoever has no patience gives the client up, what waited for it included.
        outlet.push(&message(2, 1), || false);
        assert_eq!(next(&hearing), Poll::Ready(Heard::Gone(Product::Otter)));
    }

    #[test]
    fn a_host_goes_on_once_the_client_takes_something_or_leaves() {
        let (outlet, hearing) = Outlet::new();
        std::thread::scope(|scope| {
            outlet.push(&message(1, LIMIT), || true);
            let pushing = scope.spawn(|| outlet.push(&message(2, LIMIT), || true));
            assert_eq!(next(&hearing), Poll::Ready(Heard::Message(message(1, LIMIT))));
            pushing.join().unwrap();
            let pushing = scope.spawn(|| outlet.push(&message(3, 1), || true));
            drop(hearing);
            pushing.join().unwrap();
        });
        assert!(outlet.lock().messages.is_empty());
    }
}
