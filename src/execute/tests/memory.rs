//! Shared storage in memory, with versions that follow from the content as ETags do.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;

use async_trait::async_trait;

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::storage::{Condition, Storage, StorageError, Stored, Version};

/// What goes wrong with the next write of a key that contains a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) enum Trouble {
    /// It is written, and a repetition by the caller's library finds it there: "the condition does not hold".
    OwnConflict,
    /// It is written; the answer is lost.
    AnswerLost,
    /// It is not written; there is no answer.
    RequestLost,
    /// It is refused.
    Refused,
}

#[derive(Debug, Default)]
pub(in crate::execute) struct Memory {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    troubles: Mutex<Vec<(String, Trouble)>>,
    /// Keys of all writes that were tried.
    pub(in crate::execute) puts: Mutex<Vec<String>>,
}

pub(in crate::execute) fn error(class: ErrorClass) -> Box<ApiError> {
    Box::new(ApiError::new("memory:Call", class, format!("{class:?}").to_lowercase()))
}

fn version(bytes: &[u8]) -> Version {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Version(format!("\"{:016x}\"", hasher.finish()))
}

impl Memory {
    pub(in crate::execute) fn read(&self, key: &str) -> Option<Stored> {
        let objects = self.objects.lock().unwrap();
        objects.get(key).map(|bytes| Stored { bytes: bytes.clone(), version: version(bytes) })
    }

    pub(in crate::execute) fn write(
        &self,
        key: &str,
        bytes: &[u8],
        condition: &Condition,
    ) -> Result<Version, StorageError> {
        let mut objects = self.objects.lock().unwrap();
        let holds = match (condition, objects.get(key)) {
            (Condition::Absent, there) => there.is_none(),
            (Condition::Is(wanted), there) => there.is_some_and(|bytes| version(bytes) == *wanted),
        };
        if !holds {
            return Err(StorageError::Conflict(error(ErrorClass::Conflict)));
        }
        objects.insert(key.to_owned(), bytes.to_vec());
        Ok(version(bytes))
    }

    /// The next write of a key that contains `part` goes wrong.
    pub(in crate::execute) fn trouble(&self, part: &str, trouble: Trouble) {
        self.troubles.lock().unwrap().push((part.to_owned(), trouble));
    }

    pub(in crate::execute) fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }
}

#[async_trait]
impl Storage for Memory {
    fn place(&self) -> String {
        "memory://bucket".into()
    }
    async fn get(&self, key: &str) -> Result<Option<Stored>, StorageError> {
        tokio::task::yield_now().await;
        Ok(self.read(key))
    }
    async fn put(&self, key: &str, bytes: Vec<u8>, condition: &Condition) -> Result<Version, StorageError> {
        tokio::task::yield_now().await;
        self.puts.lock().unwrap().push(key.to_owned());
        let trouble = {
            let mut troubles = self.troubles.lock().unwrap();
            let at = troubles.iter().position(|(part, _)| key.contains(part.as_str()));
            at.map(|at| troubles.remove(at).1)
        };
        match trouble {
            None => self.write(key, &bytes, condition),
            Some(Trouble::OwnConflict) => {
                self.write(key, &bytes, condition)?;
                Err(StorageError::Conflict(error(ErrorClass::Conflict)))
            }
            Some(Trouble::AnswerLost) => {
                self.write(key, &bytes, condition)?;
                Err(StorageError::Unanswered(error(ErrorClass::Unanswered)))
            }
            Some(Trouble::RequestLost) => Err(StorageError::Unanswered(error(ErrorClass::Unanswered))),
            Some(Trouble::Refused) => Err(StorageError::Refused(error(ErrorClass::AccessDenied))),
        }
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Ok(self.keys().into_iter().filter(|key| key.starts_with(prefix)).collect())
    }
    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }
}
