//! Request rates: one token bucket for each API, in each region, as the services document them.
//!
//! EC2: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>. KMS:
//! <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>. Logs:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>. ELB:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/throttling.html>. Route 53 (five requests a second of
//! the whole account): <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>. CloudWatch:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html>. SNS:
//! <https://docs.aws.amazon.com/general/latest/gr/sns.html>. Secrets Manager:
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>. Systems Manager:
//! <https://docs.aws.amazon.com/general/latest/gr/ssm.html>. CloudTrail:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>. The others publish less; theirs are
//! set well below what is known to be throttled. Staying under the rate is cheaper than being throttled and retrying.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
            let key = (region.to_owned(), bucket_of(operation).into_owned());
            Arc::clone(buckets.entry(key).or_insert_with(|| Arc::new(RateLimiter::direct(quota(operation)))))
        };
        bucket.until_ready().await;
    }

    /// Calls so far, by `service:Operation`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// EC2 has a bucket for each API, as has what has a rate of its own; the other services one for reading and one for writing.
fn bucket_of(operation: &str) -> Cow<'_, str> {
    match operation.split_once(':') {
        _ if RATES.iter().any(|(name, _)| *name == operation) => operation.into(),
        Some(("ec2", _)) | None => operation.into(),
        Some((service, name)) if is_read(name) => format!("{service}:read").into(),
        Some((service, _)) => service.into(),
    }
}

fn is_read(name: &str) -> bool {
    ["Describe", "Get", "List", "Lookup", "Search", "Simulate"].iter().any(|p| name.starts_with(p))
}

/// A bucket: so many calls at once, then so many a second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    burst: u32,
    /// Calls a second; less than one for some.
    refill: f64,
}

/// The rates of single operations, then of all others of a service that read or write.
/// `docs/operations.md` shows this table, and a test compares the two.
const RATES: &[(&str, Rate)] = &[
    ("ec2:RunInstances", rate(5, 2.0)),
    ("ec2:StartInstances", rate(5, 2.0)),
    ("ec2:StopInstances", rate(50, 5.0)),
    ("ec2:TerminateInstances", rate(100, 5.0)),
    ("ec2:CreateTags", rate(100, 10.0)),
    ("ec2:DeleteTags", rate(100, 10.0)),
    ("ec2:CreateVpcEndpoint", rate(4, 0.3)),
    ("ec2:ModifyVpcEndpoint", rate(4, 0.3)),
    ("ec2:DeleteVpcEndpoints", rate(4, 0.3)),
    ("ec2:AcceptVpcEndpointConnections", rate(10, 1.0)),
    ("ec2:CreateNatGateway", rate(10, 1.0)),
    ("ec2:AssociateNatGatewayAddress", rate(10, 1.0)),
    ("ec2:DisassociateNatGatewayAddress", rate(10, 1.0)),
    ("ec2:AssignPrivateNatGatewayAddress", rate(10, 1.0)),
    ("ec2:UnassignPrivateNatGatewayAddress", rate(10, 1.0)),
    ("ec2:(read)", rate(100, 20.0)),
    ("ec2:(write)", rate(50, 5.0)),
    ("iam:(read)", rate(30, 15.0)),
    ("iam:(write)", rate(15, 5.0)),
    ("kms:(read)", rate(50, 25.0)),
    ("kms:(write)", rate(5, 5.0)),
    ("logs:(read)", rate(10, 10.0)),
    ("logs:(write)", rate(5, 5.0)),
    ("elasticloadbalancing:CreateLoadBalancer", rate(10, 0.2)),
    ("elasticloadbalancing:(read)", rate(40, 10.0)),
    ("elasticloadbalancing:(write)", rate(10, 3.0)),
    ("route53:(read)", rate(5, 3.0)),
    ("route53:(write)", rate(5, 2.0)),
    ("cloudwatch:(read)", rate(9, 9.0)),
    ("cloudwatch:(write)", rate(3, 3.0)),
    ("sns:(read)", rate(10, 10.0)),
    ("sns:(write)", rate(10, 10.0)),
    ("s3:(read)", rate(100, 50.0)),
    ("s3:(write)", rate(50, 20.0)),
    ("secretsmanager:(read)", rate(50, 40.0)),
    ("secretsmanager:(write)", rate(20, 20.0)),
    ("ssm:(read)", rate(20, 10.0)),
    ("ssm:(write)", rate(3, 3.0)),
    ("cloudtrail:(read)", rate(10, 5.0)),
    ("cloudtrail:(write)", rate(1, 1.0)),
];
/// Of services that publish none.
const OTHER: [(&str, Rate); 3] =
    [("autoscaling:(read)", rate(50, 10.0)), ("others, reading", rate(20, 10.0)), ("others, writing", rate(10, 5.0))];

const fn rate(burst: u32, refill: f64) -> Rate {
    Rate { burst, refill }
}

/// The rate of an operation (`service:Operation`).
fn rate_of(operation: &str) -> Rate {
    let (service, name) = operation.split_once(':').unwrap_or(("", operation));
    let sort = format!("{service}:({})", if is_read(name) { "read" } else { "write" });
    let find = |name: &str| RATES.iter().chain(&OTHER).find(|(n, _)| *n == name).map(|(_, rate)| *rate);
    let [.., reading, writing] = OTHER.map(|(_, rate)| rate);
    find(operation).or_else(|| find(&sort)).unwrap_or(if is_read(name) { reading } else { writing })
}

fn quota(operation: &str) -> Quota {
    let Rate { burst, refill } = rate_of(operation);
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(Duration::from_secs_f64(1.0 / refill)).map_or(Quota::per_second(burst), |q| q.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_its_own_rate_or_that_of_its_sort() {
        assert_eq!(rate_of("ec2:RunInstances"), rate(5, 2.0));
        assert_eq!(rate_of("ec2:DescribeInstances"), rate(100, 20.0));
        assert_eq!(rate_of("ec2:CreateVpc"), rate(50, 5.0));
        assert_eq!(rate_of("kms:CreateKey"), rate(5, 5.0));
        assert_eq!(rate_of("sts:GetCallerIdentity"), rate(20, 10.0));
        assert_eq!(rate_of("autoscaling:CreateAutoScalingGroup"), rate(10, 5.0));
        assert_eq!(quota("ec2:CreateVpcEndpoint").burst_size().get(), 4);
        assert_eq!(quota("ec2:CreateVpcEndpoint").replenish_interval(), Duration::from_secs_f64(1.0 / 0.3));
    }

    #[test]
    fn reading_and_writing_of_a_service_do_not_share_a_bucket_and_the_apis_of_ec2_share_none() {
        for (one, other) in [("iam:CreateRole", "iam:GetRole"), ("ec2:CreateVpc", "ec2:CreateSubnet")] {
            assert_ne!(bucket_of(one), bucket_of(other));
        }
        assert_eq!(bucket_of("iam:CreateRole"), bucket_of("iam:TagRole"));
        assert_eq!(bucket_of("tag:GetResources"), "tag:read");
        let (one, other) = ("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateListener");
        assert_ne!(bucket_of(one), bucket_of(other));
    }

    #[test]
    fn the_manual_shows_every_rate() {
        let manual = include_str!("../../../docs/operations.md");
        for (name, Rate { burst, refill }) in RATES.iter().chain(&OTHER) {
            let row = format!("| `{name}` | {burst} | {refill} |");
            assert!(manual.contains(&row), "docs/operations.md lacks {row}");
        }
    }

    #[tokio::test]
    async fn a_full_bucket_gives_its_burst_at_once_and_then_makes_wait() {
        let limits = Limits::new(false);
        for _ in 0..4 {
            limits.enter("r", "ec2:CreateVpcEndpoint").await;
        }
        let fifth = limits.enter("r", "ec2:CreateVpcEndpoint");
        assert!(tokio::time::timeout(Duration::from_millis(50), fifth).await.is_err());
        limits.enter("another", "ec2:CreateVpcEndpoint").await;
    }
}
