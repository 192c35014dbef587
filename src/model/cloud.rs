//! The async side: what a provider must do. Two implementations: `providers::aws` and `simulated`.
//!
//! Providers work on trees; how a kind's spec becomes API calls is its own file's business.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Address;
use super::observed::{Lookup, Object};
use super::ownership::Owner;
use super::preflight::{Preflight, Question};
use super::value::Map;

/// Who we are to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Account id.
    pub account: String,
    /// ARN of the caller.
    pub caller: String,
}

/// Reading one kind in one region, as a batch.
#[derive(Debug, Clone)]
pub struct ReadRequest<'a> {
    /// Name of the kind.
    pub kind: &'a str,
    /// Region.
    pub region: &'a str,
    /// Only objects whose tags name this project…
    pub project: &'a str,
    /// …and this environment.
    pub environment: &'a str,
    /// Also these objects, by id, whoever owns them (to adopt).
    pub adopt: &'a [String],
    /// Fields marked `x-deep` that the files declare, by address: read only for these (and for adopted objects).
    pub declared: &'a BTreeMap<Address, BTreeSet<String>>,
    /// Read every field of every object.
    pub deep: bool,
}

/// What another object is known by, for those that refer to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identified {
    /// The API's id.
    pub id: String,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

/// Objects that a spec refers to, by address.
pub type Resolved = BTreeMap<Address, Identified>;

/// Creating an object.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// Name of the kind.
    pub kind: String,
    /// Region.
    pub region: String,
    /// The spec, without tokens; references are addresses in `resolved` or `{"id": …}`.
    pub spec: Value,
    /// Who will own it: these tags go into the creating call.
    pub owner: Owner,
    /// Tags of the environment, under those of the spec.
    pub tags: BTreeMap<String, String>,
    /// Physical name.
    pub name: String,
    /// Idempotency token.
    pub token: String,
    /// The objects that the spec refers to.
    pub resolved: Resolved,
}

/// Changing an object in place.
#[derive(Debug, Clone)]
pub struct UpdateRequest {
    /// As for creating; `owner` holds the address and the fingerprints to write.
    pub desired: CreateRequest,
    /// The object as it was read. Its references are addresses, in `desired.resolved` if they are still there.
    pub object: Object,
    /// Top-level fields that differ; `tags` too. Empty if only the owner's tags are to be written.
    pub changed: BTreeSet<String>,
}

/// Deleting an object.
#[derive(Debug, Clone)]
pub struct DeleteRequest {
    /// The object as it was read.
    pub object: Object,
}

/// Taking over, renaming or letting go of an object: only its ownership tags change.
#[derive(Debug, Clone)]
pub struct OwnRequest {
    /// The object.
    pub object: Object,
    /// The new owner; none removes all ownership tags.
    pub owner: Option<Owner>,
}

/// A copy of an object's data from which it can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPoint {
    /// The API's id.
    pub id: String,
    /// Seconds since the moment whose data it holds, by the cloud's clock.
    pub age: u64,
    /// Whether it can be used; none yet if it is still being made. Failed ones are not listed.
    pub complete: bool,
}

/// Making a recovery point.
#[derive(Debug, Clone)]
pub struct SaveRequest {
    /// The object as it was read.
    pub object: Object,
    /// A recovery point of it that is still being made: waited for, instead of making another one.
    pub unfinished: Option<String>,
}

/// What went wrong, in classes that the engine tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The object is not there.
    NotFound,
    /// The caller may not do that.
    AccessDenied,
    /// Too many requests, after all retries.
    Throttled,
    /// Another object still uses it, or its state forbids the call.
    Conflict,
    /// A quota is reached.
    QuotaExceeded,
    /// The request itself is wrong.
    Invalid,
    /// It did not become usable in time.
    TimedOut,
    /// No answer: the call may or may not have had its effect.
    Unanswered,
    /// The run was cancelled before the call.
    Cancelled,
    /// Anything else.
    Other,
}

/// An error of the cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{operation}: {message}{}", code.as_deref().map(|c| format!(" ({c})")).unwrap_or_default())]
pub struct ApiError {
    /// What was called: `ec2:CreateSubnet`.
    pub operation: String,
    /// Class.
    pub class: ErrorClass,
    /// The API's code.
    pub code: Option<String>,
    /// The API's message.
    pub message: String,
    /// The API's request id.
    pub request_id: Option<String>,
}

impl ApiError {
    /// An error without code and request id.
    pub fn new(operation: impl Into<String>, class: ErrorClass, message: impl Into<String>) -> Self {
        Self { operation: operation.into(), class, code: None, message: message.into(), request_id: None }
    }

    /// What a person can do about it, if something general can be said.
    pub fn remedy(&self) -> Option<&'static str> {
        match self.class {
            ErrorClass::AccessDenied => {
                Some("grant the permission named in the message (docs/kinds.md lists them by kind)")
            }
            ErrorClass::Throttled => Some("run again later, or lower --parallelism"),
            ErrorClass::QuotaExceeded => Some("ask for a higher quota, or remove what is not used"),
            ErrorClass::Conflict => {
                Some("something still uses the object; run again, or look for users outside saiken")
            }
            ErrorClass::TimedOut => {
                Some("look at the object in the console, then run again: saiken goes on from there")
            }
            ErrorClass::Unanswered => Some("run again: saiken reads what is there before it does anything"),
            ErrorClass::NotFound | ErrorClass::Invalid | ErrorClass::Cancelled | ErrorClass::Other => None,
        }
    }
}

/// Told while a call waits for an object to become usable.
pub trait Watch: Send + Sync {
    /// What is being waited for, in a few words: "nat gateway to be available".
    fn waiting(&self, what: &str);
    /// A call that writes was answered; the API knows it by this request id.
    fn called(&self, request_id: &str) {
        let _ = request_id;
    }
    /// Whether to give up before the next call.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn waiting(&self, _: &str) {}
}

/// How long a read may not show yet what was written: so often, with this pause between, it pays to look again. A cloud
/// whose reads show everything at once has no lag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Looks after the first one.
    pub looks: u32,
    /// Between two looks.
    pub pause: Duration,
}

impl Lag {
    /// After this time every read shows it.
    pub fn longest(self) -> Duration {
        self.pause * self.looks
    }
}

/// A cloud.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Label for all output: `aws`, or `simulated`.
    fn label(&self) -> &'static str;

    /// Who we are.
    ///
    /// # Errors
    /// If there are no credentials, or they are not valid.
    async fn identity(&self) -> Result<Identity, ApiError>;

    /// Reads all objects of one kind in one region that belong to the environment.
    ///
    /// # Errors
    /// Any failure: nothing may be concluded about the kind then.
    async fn read_batch(&self, request: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError>;

    /// Answers a lookup with an id.
    ///
    /// # Errors
    /// If nothing or more than one thing matches, or the call fails.
    async fn lookup(&self, lookup: &Lookup) -> Result<String, ApiError>;

    /// Creates an object and waits until it is usable.
    ///
    /// # Errors
    /// If a call fails or the wait ends. The object may exist then; its tags tell.
    async fn create(&self, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError>;

    /// Changes an object in place and waits until it is usable.
    ///
    /// # Errors
    /// As for [`Cloud::create`].
    async fn update(&self, request: &UpdateRequest, watch: &dyn Watch) -> Result<Object, ApiError>;

    /// Deletes an object and waits until it is gone. An object that is not there any more is no error.
    ///
    /// # Errors
    /// If a call fails or the wait ends.
    async fn delete(&self, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError>;

    /// The recovery points of an object, in any order; empty for a kind of which none can be made.
    ///
    /// # Errors
    /// If the call fails: nothing may be concluded then.
    async fn recovery_points(&self, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError>;

    /// Makes a recovery point of an object, and waits until it is complete.
    ///
    /// # Errors
    /// If a call fails, the wait ends, or none can be made of its kind. One may be unfinished then.
    async fn save(&self, request: &SaveRequest, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError>;

    /// Writes or removes ownership tags.
    ///
    /// # Errors
    /// If the call fails.
    async fn own(&self, request: &OwnRequest) -> Result<(), ApiError>;

    /// Checks what can be known before the first write. It never fails: what can't be checked is part of the answer.
    async fn preflight(&self, question: &Question<'_>) -> Preflight {
        let _ = question;
        Preflight::default()
    }

    /// How long a read may not show yet what was written.
    fn lag(&self) -> Lag {
        Lag::default()
    }

    /// API calls made so far, by `service:Operation`.
    fn calls(&self) -> BTreeMap<String, u64>;
}
