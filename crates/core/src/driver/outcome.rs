//! What has come of one try of a rule at a device.

use crate::driver_report::{AttemptOutcome, BoundInterface, DriverState};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing to do, or nobody left to do it for.
    Nothing,
    /// It is as the rule wants it.
    Done {
        state: DriverState,
        interfaces: Vec<BoundInterface>,
        requests: Vec<String>,
        /// What of it has failed all the same.
        reason: Option<String>,
    },
    /// Another try may help, unless it was refused.
    Failed { reason: String, is_final: bool, requests: Vec<String> },
}

impl Outcome {
    /// What has come of what was tried; none of what was only said.
    pub(super) fn of_a_try(&self) -> Option<AttemptOutcome> {
        match self {
            Self::Nothing | Self::Done { state: DriverState::Planned, .. } => None,
            Self::Done { .. } => Some(AttemptOutcome::Done),
            Self::Failed { is_final: false, .. } => Some(AttemptOutcome::Failed),
            Self::Failed { is_final: true, .. } => Some(AttemptOutcome::Refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_only_said_was_not_tried_and_what_was_refused_has_failed_for_good() {
        let done = |state| Outcome::Done { state, interfaces: vec![], requests: vec![], reason: None };
        let failed = |is_final| Outcome::Failed { reason: "no".into(), is_final, requests: vec![] };
        for (outcome, counts) in [
            (Outcome::Nothing, None),
            (done(DriverState::Planned), None),
            (done(DriverState::Bound), Some(AttemptOutcome::Done)),
            (done(DriverState::Denied), Some(AttemptOutcome::Done)),
            (failed(false), Some(AttemptOutcome::Failed)),
            (failed(true), Some(AttemptOutcome::Refused)),
        ] {
            assert_eq!(outcome.of_a_try(), counts, "{outcome:?}");
        }
    }
}
