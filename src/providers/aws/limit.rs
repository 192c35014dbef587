//! Request rates: one token bucket for each API, in each region, as the services document them.
//!
//! EC2: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>. The others publish less; theirs are
//! set well below what is known to be throttled. Staying under the rate is cheaper than being throttled and retrying.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Buckets, made when first used, and a count of calls.
#[derive(Debug, Default)]
pub struct Limits {
    unlimited: bool,
    buckets: Mutex<BTreeMap<(String, String), Arc<DefaultDirectRateLimiter>>>,
    calls: Mutex<BTreeMap<String, u64>>,
}

impl Limits {
    /// Buckets as documented, or none at all: for an emulator, which has no limits.
    pub fn new(unlimited: bool) -> Self {
        Self { unlimited, ..Self::default() }
    }

    /// Whether there are none: an emulator's.
    pub fn are_off(&self) -> bool {
        self.unlimited
    }

    /// Counts a call of `operation` (`service:Operation`).
    pub fn count(&self, operation: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(operation.to_owned()).or_default() += 1;
    }

    /// Waits for a place in the bucket of `operation` in `region`.
    pub async fn enter(&self, region: &str, operation: &str) {
        if self.unlimited {
            return;
        }
        let bucket = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (region.to_owned(), bucket_of(operation).to_owned());
            Arc::clone(buckets.entry(key).or_insert_with(|| Arc::new(RateLimiter::direct(quota(operation)))))
        };
        bucket.until_ready().await;
    }

    /// Calls so far, by `service:Operation`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// EC2 has a bucket for each API; the other services one for reading and one for writing.
fn bucket_of(operation: &str) -> &str {
    match operation.split_once(':') {
        Some(("ec2", _)) | None => operation,
        Some((service, name)) if is_read(name) => match service {
            "autoscaling" => "autoscaling:read",
            "iam" => "iam:read",
            "kms" => "kms:read",
            "logs" => "logs:read",
            "ssm" => "ssm:read",
            _ => service,
        },
        Some((service, _)) => service,
    }
}

fn is_read(name: &str) -> bool {
    ["Describe", "Get", "List", "Lookup", "Search"].iter().any(|p| name.starts_with(p))
}

fn quota(operation: &str) -> Quota {
    let (service, name) = operation.split_once(':').unwrap_or(("", operation));
    let (burst, rate) = match (service, name) {
        ("ec2", "RunInstances") => (5, 2),
        ("ec2", "CreateTags" | "DeleteTags") => (100, 10),
        ("ec2", name) if is_read(name) => (100, 20),
        ("ec2", _) => (50, 5),
        ("iam", name) if is_read(name) => (30, 15),
        ("iam", _) => (15, 5),
        ("kms", name) if is_read(name) => (50, 25),
        ("kms", _) => (5, 5),
        ("logs", name) if is_read(name) => (10, 10),
        ("logs", _) => (5, 5),
        ("autoscaling", name) if is_read(name) => (50, 10),
        (_, name) if is_read(name) => (20, 10),
        _ => (10, 5),
    };
    let number = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(number(rate)).allow_burst(number(burst))
}
