//! Steps that hold others: at the same time, one of several, many times.

use futures_util::future::try_join_all;

use super::scope::Scope;
use super::talk::Snapshot;
use super::{Conversation, Mismatch, Outcome, Trouble};
use crate::vectors::transcript::Step;
use crate::vectors::transcript::scalars::Name;
use crate::vectors::transcript::step::{Branch, Each, Part};
use crate::verdict::clip;
use crate::yaml::Spot;

impl Conversation<'_> {
    pub(super) async fn parallel(&self, branches: &[Spot<Branch>], scope: &Scope<'_>) -> Outcome {
        let branches = branches.iter().map(|branch| Box::pin(self.steps(&branch.value.0, scope)));
        try_join_all(branches).await.map(|_| ())
    }

    /// The first branch whose beginning happened is the one that must go on as written: its beginning is all that
    /// is checked before the harness itself does something.
    pub(super) async fn either(
        &self,
        step: &Spot<Step>,
        branches: &[Spot<Branch>],
        scope: &Scope<'_>,
    ) -> Outcome {
        let before: Vec<Snapshot> = self.all_talks().iter().map(|(_, talk)| talk.snapshot()).collect();
        let saw_end = self.saw_end.get();
        let mut ways = Vec::new();
        let mut late = false;
        for branch in branches {
            let steps = &branch.value.0;
            let begins = steps.iter().take_while(|step| step.part(self.tested) != Part::Plays).count();
            match Box::pin(self.steps(&steps[..begins], scope)).await {
                Ok(()) => return Box::pin(self.steps(&steps[begins..], scope)).await,
                Err(Trouble::CannotRun(reason)) => return Err(Trouble::CannotRun(reason)),
                Err(Trouble::Stumble(stumble)) => {
                    late |= stumble.late;
                    ways.push(format!("{}: {}", stumble.problem.step, stumble.problem.summary));
                    before.iter().for_each(Snapshot::restore);
                    self.saw_end.set(saw_end);
                }
            }
        }
        let expected = format!("one of {} ways to go on", branches.len());
        let mismatch = Mismatch::words("none of what may happen did", expected, ways.join("; "));
        Err(if late { self.too_late(step, "", mismatch) } else { self.stumble(step, "", mismatch) })
    }

    pub(super) async fn each(&self, each: &Each, scope: &Scope<'_>) -> Outcome {
        let name = each.name.value.0.as_str();
        let turns: Vec<Scope<'_>> = (1..=each.count.value).map(|number| scope.turn(name, number)).collect();
        if each.at_once.is_some() {
            let all = turns.iter().map(|turn| Box::pin(self.steps(&each.steps, turn)));
            return try_join_all(all).await.map(|_| ());
        }
        for turn in &turns {
            Box::pin(self.steps(&each.steps, turn)).await?;
        }
        Ok(())
    }

    pub(super) fn distinct(&self, step: &Spot<Step>, names: &[Spot<Name>], scope: &Scope<'_>) -> Outcome {
        let mut seen: Vec<(String, serde_json::Value)> = Vec::new();
        for name in names {
            for value in scope.all_bound(&name.value.0) {
                if let Some((other, _)) = seen.iter().find(|(_, known)| *known == value) {
                    let summary = "values that must differ are the same";
                    let actual = clip(&format!("{value} as `{other}` and as `{}`", name.value));
                    return Err(self.stumble(step, "", Mismatch::words(summary, "different values", actual)));
                }
                seen.push((name.value.0.clone(), value));
            }
        }
        Ok(())
    }
}
