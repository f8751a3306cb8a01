//! The names of a case: connections inside `each`, bound values, labelled steps, settings.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::super::settings;
use super::talk::Moment;
use super::task::Task;
use crate::subject::placeholders::Values;
use crate::vectors::transcript::value::{Known, SettingName};

/// One turn of an `each`, or the case as a whole.
#[derive(Debug, Default)]
pub(in super::super) struct Scope<'s> {
    outer: Option<&'s Scope<'s>>,
    /// The name that stands for another connection in each turn, and which turn this is.
    turn: Option<(&'s str, u32)>,
    bindings: RefCell<HashMap<String, Vec<Json>>>,
    labels: RefCell<HashMap<String, Moment>>,
    tasks: RefCell<HashMap<String, Rc<Task>>>,
}

impl<'s> Scope<'s> {
    /// One turn of an `each` inside this scope.
    pub(super) fn turn(&'s self, name: &'s str, number: u32) -> Scope<'s> {
        Scope { outer: Some(self), turn: Some((name, number)), ..Scope::default() }
    }

    fn outwards(&self) -> impl Iterator<Item = &Scope<'s>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// The connection that a name means here.
    pub(super) fn connection(&self, name: &str) -> String {
        let turn = self.outwards().find_map(|scope| scope.turn.filter(|(each, _)| *each == name));
        match turn {
            Some((_, number)) => format!("{name}#{number}"),
            None => name.to_owned(),
        }
    }

    /// Gives a value a name, here and for whoever asks for all values of that name.
    pub(super) fn bind(&self, name: String, value: Json) {
        for scope in self.outwards() {
            scope.bindings.borrow_mut().entry(name.clone()).or_default().push(value.clone());
        }
    }

    /// The value last bound to a name, innermost first.
    pub(super) fn bound(&self, name: &str) -> Option<Json> {
        self.outwards().find_map(|scope| scope.bindings.borrow().get(name)?.last().cloned())
    }

    /// All values bound to a name.
    pub(super) fn all_bound(&self, name: &str) -> Vec<Json> {
        self.bindings.borrow().get(name).cloned().unwrap_or_default()
    }

    /// Notes the end of a labelled step.
    pub(super) fn label(&self, name: &str, moment: Moment) {
        self.labels.borrow_mut().insert(name.to_owned(), moment);
        // A step behind the `each` means the last of them.
        if let Some(outer) = self.outer {
            outer.label(name, moment);
        }
    }

    /// Notes what the client was told in a labelled step.
    pub(super) fn note_task(&self, name: &str, task: &Rc<Task>) {
        self.tasks.borrow_mut().insert(name.to_owned(), Rc::clone(task));
        if let Some(outer) = self.outer {
            outer.note_task(name, task);
        }
    }

    /// What the client was told in a labelled step, innermost first.
    pub(super) fn task(&self, name: &str) -> Option<Rc<Task>> {
        self.outwards().find_map(|scope| scope.tasks.borrow().get(name).cloned())
    }

    /// The end of a labelled step, innermost first.
    pub(super) fn labelled(&self, name: &str) -> Option<Moment> {
        self.outwards().find_map(|scope| scope.labels.borrow().get(name).copied())
    }
}

/// What the run knows while it plays and checks.
pub(super) struct Knowledge<'k> {
    /// The settings of the subject.
    pub(super) values: &'k Values,
    /// Where values are bound.
    pub(super) scope: &'k Scope<'k>,
    /// The number of the message among those of a frame that stands several times.
    pub(super) number: i32,
}

impl Known for Knowledge<'_> {
    fn setting(&self, name: SettingName) -> Option<Json> {
        settings::known(self.values, name)
    }

    fn binding(&self, name: &str) -> Option<Json> {
        self.scope.bound(name)
    }

    fn number(&self) -> i32 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_its_own_connections_and_values() {
        let case = Scope::default();
        let (one, two) = (case.turn("c", 1), case.turn("c", 2));
        assert_eq!(one.connection("c"), "c#1");
        assert_eq!(two.connection("c"), "c#2");
        assert_eq!(two.connection("other"), "other");
        one.bind("session".to_owned(), 5.into());
        two.bind("session".to_owned(), 6.into());
        assert_eq!(one.bound("session"), Some(5.into()));
        assert_eq!(two.bound("session"), Some(6.into()));
        assert_eq!(case.all_bound("session"), [Json::from(5), Json::from(6)]);
        assert_eq!(one.all_bound("session"), [Json::from(5)]);
        assert_eq!(case.bound("unknown"), None);
    }
}
