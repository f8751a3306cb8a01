//! Which clause a failed expectation breaks: it decides what the failure weighs.
//!
//! A case cites clauses, the first of which it is about. What goes wrong in it breaks
//!
//! 1. the clause that the engine checks by itself beside every case ([`own`]), else
//! 2. the clause that the failed step cites, else
//! 3. where a field of a message differs, the gravest clause that `vectors/formats` cites for that field and the case
//!    cites too, else
//! 4. the first clause of the case.

use crate::clauses::{Clauses, Tier};
use crate::verdict::Problem;

/// Clauses that the engine checks by itself, whatever a case is about.
pub mod own {
    use crate::subject::Role;

    /// Of a driver: one line of JSON answers each request.
    pub const ANSWERS: &str = "DRV-1";
    /// Of a client driver: the error kind fits what happened.
    pub const ERROR_KINDS: &str = "DRV-5";
    /// Of a subject that refuses to start: status and message.
    pub const REFUSAL: &str = "SUB-1";
    /// Of a subject that is stopped: it ends in time.
    pub const STOP: &str = "SUB-2";
    /// Of a codec driver: the shape of its answers.
    pub const CODEC_ANSWERS: &str = "DRV-11";
    /// Of a codec driver: the error kind fits what is wrong.
    pub const CODEC_ERRORS: &str = "DRV-12";
    /// The certificate presented is the one configured.
    pub const CERTIFICATE: &str = "TLS-2";
    /// Modification times are ticks since the year 1, UTC.
    pub const TICKS: &str = "DAT-4";
    /// Files of an update have the given contents and times.
    pub const FILES: &str = "MTA-8";

    /// What cannot be decrypted may break, in so far as the case is about it: padding, key and key size.
    pub const UNOPENED: [&str; 3] = ["AES-3", "AES-2", "AES-5"];

    /// Those that the engine checks of subjects of a role.
    pub fn of_role(role: Role) -> &'static [&'static str] {
        match role {
            Role::Agent => &[CERTIFICATE, TICKS, FILES, REFUSAL, STOP],
            Role::Client => &[ANSWERS, ERROR_KINDS],
            Role::Codec => &[ANSWERS, CODEC_ANSWERS, CODEC_ERRORS],
            Role::Host => &[],
        }
    }

    /// All that stand alone.
    pub const ALL: [&str; 9] =
        [ANSWERS, ERROR_KINDS, REFUSAL, STOP, CODEC_ANSWERS, CODEC_ERRORS, CERTIFICATE, TICKS, FILES];
}

impl Clauses {
    /// The gravest tier of a clause; [`Tier::D`] for one that is not listed, which is a finding of its own.
    pub fn tier(&self, id: &str) -> Tier {
        self.get(id).and_then(|clause| clause.tiers().min()).unwrap_or(Tier::D)
    }

    /// What a failure of a case weighs where nothing says which of its clauses is broken: as the first.
    pub fn main_tier(&self, cited: &[String]) -> Tier {
        cited.first().map_or(Tier::D, |id| self.tier(id))
    }

    /// The clause that a problem of a case breaks, which cites `cited`. `None` where the case cites nothing.
    pub fn broken<'p>(&self, cited: &'p [String], problem: &'p Problem) -> Option<&'p str> {
        if let Some(clause) = &problem.clause {
            return Some(clause);
        }
        let rests_on = problem.bytes.iter().flat_map(|bytes| &bytes.clauses);
        let shared = rests_on.filter(|id| cited.contains(id));
        let gravest = shared.min_by_key(|id| self.tier(id)).map(String::as_str);
        gravest.or(cited.first().map(String::as_str))
    }

    /// Writes into problems which clauses they break, and gives the gravest tier among those.
    pub fn attribute(&self, cited: &[String], problems: &mut [Problem]) -> Option<Tier> {
        for problem in problems.iter_mut() {
            problem.clause = self.broken(cited, problem).map(str::to_owned);
        }
        problems.iter().map(|problem| problem.clause.as_deref().map_or(Tier::D, |id| self.tier(id))).min()
    }
}
