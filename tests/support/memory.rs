//! Shared storage in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use saiken::model::cloud::{ApiError, ErrorClass};
use saiken::model::storage::{Condition, Storage, StorageError, Stored, Version};

/// Objects by key, each with the number of the write that made it.
#[derive(Debug, Default)]
pub struct Memory(Mutex<(u64, BTreeMap<String, Stored>)>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<String, Stored>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for Memory {
    fn place(&self) -> String {
        "memory:".to_owned()
    }

    async fn get(&self, key: &str) -> Result<Option<Stored>, StorageError> {
        Ok(self.lock().1.get(key).cloned())
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: &Condition) -> Result<Version, StorageError> {
        let mut all = self.lock();
        let holds = match (condition, all.1.get(key)) {
            (Condition::Absent, there) => there.is_none(),
            (Condition::Is(version), there) => there.is_some_and(|s| s.version == *version),
        };
        if !holds {
            let error = ApiError::new("memory:Put", ErrorClass::Conflict, format!("{key} is another"));
            return Err(StorageError::Conflict(Box::new(error)));
        }
        all.0 += 1;
        let version = Version(all.0.to_string());
        all.1.insert(key.to_owned(), Stored { bytes, version: version.clone() });
        Ok(version)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Ok(self.lock().1.keys().filter(|k| k.starts_with(prefix)).cloned().collect())
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.lock().1.remove(key);
        Ok(())
    }
}
