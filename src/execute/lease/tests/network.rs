//! Storage behind a network that delays, loses and repeats. A call whose caller has gone still arrives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;

use super::machines::World;
use crate::execute::tests::memory::{Memory, error};
use crate::model::cloud::ErrorClass;
use crate::model::storage::{Condition, Storage, StorageError, Stored, Version};

/// Callers wait no longer than this for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Network {
    world: Arc<World>,
    memory: Arc<Memory>,
    random: Mutex<ChaCha8Rng>,
    /// How many calls of a hundred go wrong in some way.
    bad: u32,
}

/// What becomes of a call.
struct Way {
    there: Duration,
    back: Duration,
    arrives: bool,
    answered: bool,
    /// It is sent again before the answer, as an SDK does after a time-out: what comes back is the second answer.
    repeated: Option<Duration>,
}

impl Network {
    pub(super) fn new(world: &Arc<World>, seed: u64, bad: u32) -> Arc<Self> {
        let random = Mutex::new(ChaCha8Rng::seed_from_u64(seed ^ 0x6e65_7477));
        Arc::new(Self { world: Arc::clone(world), memory: Arc::default(), random, bad })
    }

    fn way(&self) -> Way {
        let mut random = self.random.lock().unwrap();
        let bad = random.random_range(0..100) < self.bad;
        let mut delay = |slow: bool| {
            let most = if slow { 130_000 } else { 120 };
            Duration::from_millis(random.random_range(1..=most))
        };
        let (slow_there, slow_back) =
            (bad && delay(false).as_millis() % 2 == 0, bad && delay(false).as_millis() % 3 == 0);
        let (there, back, again) = (delay(slow_there), delay(slow_back), delay(bad));
        let arrives = !bad || random.random_range(0..4) != 0;
        let answered = !bad || random.random_range(0..3) != 0;
        let repeated = (bad && random.random_range(0..2) == 0).then_some(again);
        Way { there, back, arrives, answered, repeated }
    }

    /// Carries a call to the memory and its answer back; the caller may have gone meanwhile.
    async fn carry<T: Send + 'static>(
        &self,
        call: impl Fn(&Memory) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let way = self.way();
        let (answer, mut waits) = oneshot::channel();
        let (world, memory) = (Arc::clone(&self.world), Arc::clone(&self.memory));
        let begun = world.now();
        self.world.start(
            None,
            Box::pin(async move {
                world.until(begun + way.there).await;
                if !way.arrives {
                    return;
                }
                let mut outcome = call(&memory);
                if let Some(again) = way.repeated {
                    world.until(world.now() + again).await;
                    outcome = call(&memory);
                }
                world.until(world.now() + way.back).await;
                if way.answered {
                    let _ = answer.send(outcome);
                }
            }),
        );
        let unanswered = || StorageError::Unanswered(error(ErrorClass::Unanswered));
        tokio::select! {
            biased;
            // A closed channel is an answer that was lost: the caller can't know, and waits.
            Ok(outcome) = &mut waits => outcome,
            () = self.world.until(begun + PATIENCE) => Err(unanswered()),
        }
    }
}

#[async_trait]
impl Storage for Network {
    fn place(&self) -> String {
        "sim://bucket".into()
    }
    async fn get(&self, key: &str) -> Result<Option<Stored>, StorageError> {
        let key = key.to_owned();
        self.carry(move |memory| Ok(memory.read(&key))).await
    }
    async fn put(&self, key: &str, bytes: Vec<u8>, condition: &Condition) -> Result<Version, StorageError> {
        let (key, condition) = (key.to_owned(), condition.clone());
        self.carry(move |memory| memory.write(&key, &bytes, &condition)).await
    }
    async fn list(&self, _: &str) -> Result<Vec<String>, StorageError> {
        Err(StorageError::Refused(error(ErrorClass::Other)))
    }
    async fn delete(&self, _: &str) -> Result<(), StorageError> {
        Err(StorageError::Refused(error(ErrorClass::Other)))
    }
}
