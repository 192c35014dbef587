//! The async part: all batches and lookups, in parallel, under a bound.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt;
use futures::stream;

use super::builder;
use crate::model::cloud::{Cloud, ReadRequest};
use crate::model::desired::Desired;
use crate::model::kind::Kinds;
use crate::model::observed::Observed;

/// How to read.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Read every field of every object.
    pub deep: bool,
    /// Batches under way at once.
    pub parallelism: usize,
}

/// Reads everything that a plan needs. A failed read is recorded, never guessed.
pub async fn collect(cloud: &dyn Cloud, desired: &Desired, kinds: &Kinds, options: &Options) -> Observed {
    let environment = &desired.environment;
    let declared = builder::declared(desired);
    let batches = builder::batches(desired, kinds);
    let at_once = options.parallelism.max(1);
    let reads = stream::iter(&batches).map(|batch| {
        let request = ReadRequest {
            kind: batch.kind,
            region: &batch.region,
            project: &environment.project,
            environment: &environment.name,
            adopt: &batch.adopt,
            declared: &declared,
            deep: options.deep,
        };
        async move { (batch, cloud.read_batch(&request).await) }
    });
    let lookups = builder::lookups(desired);
    let answers = stream::iter(lookups).map(|lookup| async move {
        let answer = cloud.lookup(&lookup).await.map_err(|e| e.to_string());
        (lookup, answer)
    });
    let (reads, answers): (Vec<_>, BTreeMap<_, _>) =
        futures::join!(reads.buffer_unordered(at_once).collect(), answers.buffer_unordered(at_once).collect());
    let mut observed = Observed { lookups: answers, ..Observed::default() };
    let mut objects = Vec::new();
    for (batch, result) in reads {
        match result {
            Ok(found) => objects.extend(found),
            Err(e) => {
                tracing::warn!(kind = batch.kind, region = batch.region, error = %e, "not read");
                observed.unobserved.insert((batch.kind.to_owned(), batch.region.clone()), e.to_string());
            }
        }
    }
    let adopt: HashSet<String> = batches.iter().flat_map(|b| b.adopt.iter().cloned()).collect();
    observed.objects = builder::build(objects, environment, kinds, &adopt);
    observed.calls = cloud.calls();
    observed
}
