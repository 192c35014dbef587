//! Where the environment's lock, journal and record are, and working under its lock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::Failure;
use super::pipeline::{Live, on_loopback};
use super::run;
use super::shell::Shell;
use crate::execute::lock::{Held, Holder};
use crate::execute::place::{Place, Shared};
use crate::model::cloud::Watch;
use crate::model::environment::{Environment, State};
use crate::providers::aws::client::Settings;
use crate::providers::aws::s3::storage::S3Storage;

/// The state of an environment. No call is made yet.
pub(crate) async fn place(root: &Path, environment: &Environment) -> Place {
    match &environment.state {
        State::Folder(folder) => Place::Folder(root.join(folder).join(&environment.name)),
        State::Bucket(bucket) => {
            let settings = Settings {
                region: bucket.region.clone(),
                role: environment.role.clone(),
                unlimited: on_loopback(),
                ..Settings::default()
            };
            Place::Shared(Shared {
                storage: Arc::new(S3Storage::connect(&settings, &bucket.bucket).await),
                prefix: format!("{}/{}", bucket.prefix, environment.name),
                lease: Duration::from_secs(bucket.lease.seconds()),
            })
        }
    }
}

/// This process, as the holder of a lock.
pub(crate) fn holder() -> Holder {
    Holder { who: run::user(), host: run::host(), pid: std::process::id(), command: run::command(), since: run::now() }
}

/// Who else is changing the environment, as far as it can be seen; a lease whose time has passed is taken for ended. The lock
/// is only looked at.
pub(crate) async fn busy(place: &Place) -> Option<Holder> {
    let standing = place.lock().standing().await.ok()??;
    let over = standing.lease.is_some_and(|lease| lease.expires_at < jiff::Timestamp::now());
    let own = holder();
    standing.holder.filter(|h| !over && (&h.host, h.pid) != (&own.host, own.pid))
}

/// Says what the lock waits for.
struct Say<'a>(&'a Shell);

impl Watch for Say<'_> {
    fn waiting(&self, what: &str) {
        self.0.say(&format!("waiting for {what}"));
    }
}

/// Works under the environment's lock. Taken before the cloud is read, so that nobody changes it between plan and apply.
///
/// # Errors
/// If somebody else holds it (who, and since when), or as `work` fails.
pub(crate) async fn locked<T>(
    live: &mut Live,
    shell: &Shell,
    work: impl AsyncFnOnce(&mut Live, &Arc<dyn Held>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let lock = live.place.lock();
    let held = lock.acquire(&holder(), &Say(shell)).await.map_err(|e| {
        Failure::new("the environment is locked, or its lock can't be taken; nothing was done").because(e)
    })?;
    live.read_record(shell).await;
    let outcome = work(live, &held).await;
    if let Err(error) = held.release().await {
        shell.say(&format!("warning: the lock can't be set free ({error}); it ends by itself"));
    }
    outcome
}
