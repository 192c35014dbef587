//! Shared storage: a place for small objects that several machines read and write, without trusting each other's clocks.
//!
//! The lock, the journal and the last-applied record of a team's environment live in one. What it must offer is little:
//! a write that happens only if the object is absent, or still of the version that was read.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use async_trait::async_trait;

use super::cloud::ApiError;

/// What an object's present content is known by. Equal versions mean equal contents, and no more than that: whoever needs
/// to tell one write from another must not write the same bytes twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its version.
    pub version: Version,
}

/// When a write may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Only if there is no such object.
    Absent,
    /// Only if it is there and of this version.
    Is(Version),
}

/// Why storage did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The condition does not hold. Nothing was written by the last attempt; an earlier attempt of the same call, whose
    /// answer was lost, may have been.
    #[error("{0}")]
    Conflict(Box<ApiError>),
    /// No answer: the call may have had its effect, or have it later.
    #[error("{0}")]
    Unanswered(Box<ApiError>),
    /// Refused: nothing was written.
    #[error("{0}")]
    Refused(Box<ApiError>),
}

impl StorageError {
    /// The storage's own error.
    pub fn api(&self) -> &ApiError {
        match self {
            Self::Conflict(error) | Self::Unanswered(error) | Self::Refused(error) => error,
        }
    }
}

/// Storage for small objects.
///
/// Guarantees: a read that begins after a write was answered sees it (or a later one). A conditional write checks its
/// condition and writes in one step. A call that gave no answer, or whose future was dropped, may take effect at any later
/// time, but a conditional one only if its condition still holds then.
#[async_trait]
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Where it is, for messages: `s3://bucket`.
    fn place(&self) -> String;

    /// Reads an object; none if it is not there.
    ///
    /// # Errors
    /// `Unanswered` or `Refused`.
    async fn get(&self, key: &str) -> Result<Option<Stored>, StorageError>;

    /// Writes an object if the condition holds, and gives its new version.
    ///
    /// # Errors
    /// `Conflict`, also for `Is` when the object is not there; `Unanswered`; `Refused`.
    async fn put(&self, key: &str, bytes: Vec<u8>, condition: &Condition) -> Result<Version, StorageError>;

    /// Keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// `Unanswered` or `Refused`.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError>;

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// `Unanswered` or `Refused`.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;
}
