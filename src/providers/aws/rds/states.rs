//! The states of servers and clusters, in the API's words.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html#Overview.DBInstance.Status>

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::observed::Status;

/// In use, whatever else goes on. What its owner can mend is no reason to make it anew: a full disk, parameters that do
/// not go together, a key that can't be used.
const READY: [&str; 13] = [
    "available",
    "backing-up",
    "storage-optimization",
    "storage-initialization",
    "stopped",
    "storage-full",
    "incompatible-network",
    "incompatible-option-group",
    "incompatible-parameters",
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "failing-over",
    "update-iam-db-auth",
];

/// What never became usable, and never will.
const FAILED: [&str; 7] = [
    "failed",
    "restore-error",
    "incompatible-restore",
    "incompatible-create",
    "insufficient-capacity",
    "cloning-failed",
    "migration-failed",
];

/// What a word of the API means.
pub(super) fn status(word: Option<&str>) -> Status {
    match word {
        Some("deleting" | "delete-precheck") => Status::Deleting,
        Some(word) if READY.contains(&word) => Status::Ready,
        Some(word) if FAILED.contains(&word) => Status::Failed(word.to_owned()),
        Some(word) => Status::Pending(word.to_owned()),
        None => Status::Pending("unknown".to_owned()),
    }
}

/// Whether what was asked for is done, and more can be asked for.
pub(super) fn is_settled(word: Option<&str>) -> bool {
    matches!(word, Some("available" | "storage-optimization" | "storage-initialization" | "stopped"))
}

/// Ends a wait for what will not come by itself.
pub(super) fn still_hopeful(id: &str, word: Option<&str>) -> Result<(), ApiError> {
    let word = word.unwrap_or_default();
    let stuck = FAILED.contains(&word)
        || word.starts_with("incompatible-")
        || word.starts_with("inaccessible-")
        || word == "storage-full";
    if !stuck {
        return Ok(());
    }
    let message = format!("{id} is in the state {word}: its events, in the console, say why");
    Err(ApiError::new("rds:wait", ErrorClass::Other, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_be_used_has_failed() {
        for word in ["available", "storage-optimization", "backing-up", "storage-full", "incompatible-parameters"] {
            assert_eq!(status(Some(word)), Status::Ready, "{word}");
        }
        for word in ["creating", "modifying", "upgrading", "rebooting", "configuring-log-exports", "a-new-word"] {
            assert_eq!(status(Some(word)), Status::Pending(word.to_owned()));
            assert!(!is_settled(Some(word)) && still_hopeful("d", Some(word)).is_ok(), "{word}");
        }
        for word in ["failed", "restore-error", "insufficient-capacity"] {
            assert_eq!(status(Some(word)), Status::Failed(word.to_owned()));
        }
        assert_eq!(status(Some("deleting")), Status::Deleting);
        for word in ["failed", "storage-full", "incompatible-network", "inaccessible-encryption-credentials"] {
            assert!(still_hopeful("d", Some(word)).unwrap_err().message.contains(word));
        }
    }
}
