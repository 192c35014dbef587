//! The async part: all batches and lookups, in parallel, under a bound.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt;
use futures::stream;

use super::builder::{self, Batch};
use crate::model::cloud::{ApiError, Cloud, ReadRequest};
use crate::model::desired::Desired;
use crate::model::kind::Kinds;
use crate::model::observed::{Object, Observed, Standing, Unsure};
use crate::model::record::Record;

/// How to read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Read every field of every object.
    pub deep: bool,
    /// Batches under way at once; at least 1.
    pub parallelism: usize,
    /// Objects that an interrupted apply may have made a moment ago: as long as they are not seen, their kinds are read
    /// again, up to the cloud's [`crate::model::cloud::Lag`].
    pub unsure: Vec<Unsure>,
    /// Objects that stand at their addresses although there may be newer ones.
    pub standing: Standing,
}

/// Reads everything that a plan needs. A failed read is recorded, never guessed.
///
/// What the record of the last apply names and no answer holds is asked for once more, by its id: an API may not show
/// yet in its lists what was just made, and what seems absent would be made twice.
pub async fn collect(
    cloud: &dyn Cloud,
    desired: &Desired,
    kinds: &Kinds,
    record: Option<&Record>,
    options: &Options,
) -> Observed {
    let environment = &desired.environment;
    let declared = builder::declared(desired);
    let batches = builder::batches(desired, kinds);
    let at_once = options.parallelism.max(1);
    let read = |batch: Batch| {
        let declared = &declared;
        async move {
            let request = ReadRequest {
                kind: batch.kind,
                region: &batch.region,
                project: &environment.project,
                environment: &environment.name,
                adopt: &batch.adopt,
                declared,
                deep: options.deep,
            };
            let answer = cloud.read_batch(&request).await;
            (batch, answer)
        }
    };
    let adopt: HashSet<String> = batches.iter().flat_map(|b| b.adopt.iter().cloned()).collect();
    let reads = stream::iter(batches).map(read).buffer_unordered(at_once);
    let lookups = builder::lookups(desired);
    let answers = stream::iter(lookups).map(|lookup| async move {
        let answer = cloud.lookup(&lookup).await.map_err(|e| e.to_string());
        (lookup, answer)
    });
    let (reads, answers): (Vec<_>, BTreeMap<_, _>) =
        futures::join!(reads.collect(), answers.buffer_unordered(at_once).collect());
    let mut observed = Observed { lookups: answers, ..Observed::default() };
    let mut objects = Vec::new();
    take(reads, &mut objects, &mut observed);
    let unseen = builder::unseen(record, &objects, desired, kinds, &observed.unobserved);
    if !unseen.is_empty() {
        let again = stream::iter(unseen).map(read).buffer_unordered(at_once).collect().await;
        take(again, &mut objects, &mut observed);
    }
    let lag = cloud.lag();
    for _ in 0..lag.looks {
        let late = builder::late(&options.unsure, &objects, desired, kinds, &observed.unobserved);
        if late.is_empty() {
            break;
        }
        tracing::info!(kinds = late.len(), "looking again for what an interrupted apply may have made");
        tokio::time::sleep(lag.pause).await;
        let again = stream::iter(late).map(read).buffer_unordered(at_once).collect().await;
        take(again, &mut objects, &mut observed);
    }
    observed.objects = builder::build(objects, environment, kinds, &adopt, &options.standing);
    observed.standing.clone_from(&options.standing);
    observed.calls = cloud.calls();
    observed
}

type Answer = (Batch, Result<Vec<Object>, ApiError>);

fn take(answers: Vec<Answer>, objects: &mut Vec<Object>, observed: &mut Observed) {
    for (batch, result) in answers {
        match result {
            Ok(found) => objects.extend(found),
            Err(e) => {
                tracing::warn!(kind = batch.kind, region = batch.region, error = %e, "not read");
                observed.unobserved.insert((batch.kind.to_owned(), batch.region.clone()), e.to_string());
            }
        }
    }
}
