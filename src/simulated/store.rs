//! The simulated cloud on disk: an append-only log of JSON lines, and what is known of it in memory.
//!
//! The first line is the [`Header`], each further one what one change did. A change is one write, under the lock of the
//! file beside the log; a last line without its end is a change that was killed, and is cut off by the next one. A log
//! that holds much more than the objects that are left is replaced, as a whole, by a shorter one of another generation.
//! Nothing is flushed to the disk by force: a kill at any moment loses nothing, a power cut may lose the last changes.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::Error;
use super::record::Record;
use super::world::World;
use crate::model::kind::Kinds;

/// Version of the file; another one is not read.
const VERSION: u32 = 1;

/// Longest header in bytes.
const HEADER: u64 = 256;

/// A log with more records than this for each object, and [`SPARE`] more, is compacted. An object that is made leaves two
/// (itself, then the clock), one that is updated or seen late a few more.
const RECORDS_PER_OBJECT: u64 = 4;
const SPARE: u64 = 256;

#[derive(Serialize, Deserialize)]
struct Header {
    /// Version of the format.
    simulated_cloud: u32,
    /// Another one after each compaction and reset: whoever has read this log before must read it again.
    generation: String,
}

/// The cloud's log, and the world as far as it has been read.
pub(super) struct Store {
    path: PathBuf,
    kinds: Kinds,
    memory: Mutex<Memory>,
}

struct Memory {
    world: World,
    /// How far the log has been read; none if there is none.
    log: Option<Read>,
    /// Whether this handle has changed something: then it has looked whether the log should be compacted.
    changed: bool,
    #[cfg(test)]
    traffic: Traffic,
}

struct Read {
    generation: String,
    /// Bytes, up to the end of the last whole line.
    bytes: u64,
    /// Whole lines without the header.
    records: u64,
}

/// Bytes that a handle has read and written.
#[cfg(test)]
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Traffic {
    pub read: u64,
    pub written: u64,
}

impl Store {
    /// The cloud whose log is at `path`. Nothing is read or written yet.
    pub fn new(path: PathBuf, kinds: Kinds) -> Self {
        let memory = Memory {
            world: World::new(kinds.clone()),
            log: None,
            changed: false,
            #[cfg(test)]
            traffic: Traffic::default(),
        };
        Self { path, kinds, memory: Mutex::new(memory) }
    }

    /// Looks at the world as it is.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> Result<T, Error> {
        let mut memory = self.memory();
        // Without a log there is nothing to lock, and a look must not make a folder.
        if self.path.exists() {
            let _lock = self.lock(false)?;
            let mut file = self.open(false)?;
            self.catch_up(&mut memory, file.as_mut())?;
        } else {
            self.catch_up(&mut memory, None)?;
        }
        Ok(look(&memory.world))
    }

    /// Changes the world. What `change` refuses leaves no trace.
    pub fn change<T, E>(&self, change: impl FnOnce(&mut World) -> Result<T, E>) -> Result<Result<T, E>, Error> {
        let mut memory = self.memory();
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(self.io())?;
        }
        let _lock = self.lock(true)?;
        let mut file = self.open(true)?;
        self.catch_up(&mut memory, file.as_mut())?;
        if !std::mem::replace(&mut memory.changed, true) && memory.is_wasteful() {
            self.replace(&mut memory)?;
            file = self.open(true)?;
        }
        memory.world.begin();
        let outcome = change(&mut memory.world);
        if outcome.is_err() {
            memory.world.roll_back();
            return Ok(outcome);
        }
        let written = self.write(&mut memory, file.as_mut());
        match &written {
            Ok(()) => memory.world.accept(),
            Err(_) => memory.world.roll_back(),
        }
        written.map(|()| outcome)
    }

    /// Begins anew.
    pub fn reset(&self) -> Result<(), Error> {
        let mut memory = self.memory();
        if self.path.parent().is_some_and(Path::exists) {
            let _lock = self.lock(true)?;
            for path in [self.path.clone(), self.draft()] {
                match fs::remove_file(path) {
                    Err(e) if e.kind() != ErrorKind::NotFound => return Err(self.io()(e)),
                    _ => {}
                }
            }
        }
        self.catch_up(&mut memory, None)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            // A change panicked half-way: only the log knows what is true.
            self.memory.clear_poison();
            let mut memory = poisoned.into_inner();
            memory.log = None;
            memory.world = World::new(self.kinds.clone());
            memory
        })
    }

    fn io(&self) -> impl Fn(std::io::Error) -> Error + '_ {
        |source| Error::Io { path: self.path.display().to_string(), source }
    }

    fn damaged(&self, line: u64) -> impl Fn(serde_json::Error) -> Error + '_ {
        move |source| Error::Damaged { path: self.path.display().to_string(), line, source }
    }

    /// A new log before it takes its place.
    fn draft(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    /// Holds the lock file. It stays when the log is replaced, so that all hold the same one.
    fn lock(&self, alone: bool) -> Result<File, Error> {
        let path = self.path.with_extension("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(self.io())?;
        if alone { lock.lock() } else { lock.lock_shared() }.map_err(self.io())?;
        Ok(lock)
    }

    fn open(&self, write: bool) -> Result<Option<File>, Error> {
        match OpenOptions::new().read(true).write(write).open(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.io()(e)),
        }
    }

    /// Reads what others have written since the last look.
    fn catch_up(&self, memory: &mut Memory, file: Option<&mut File>) -> Result<(), Error> {
        let outcome = file.map_or(Ok(None), |file| self.read_on(memory, file).map(Some));
        match outcome {
            Ok(Some(log)) => memory.log = Some(log),
            // Nothing is there, or nobody knows what.
            Ok(None) | Err(_) => {
                memory.log = None;
                memory.world = World::new(self.kinds.clone());
                outcome?;
            }
        }
        Ok(())
    }

    fn read_on(&self, memory: &mut Memory, file: &mut File) -> Result<Read, Error> {
        let (generation, start) = self.header(file)?;
        let length = file.metadata().map_err(self.io())?.len();
        let known = memory.log.take().filter(|l| l.generation == generation && l.bytes <= length);
        let mut read = known.unwrap_or_else(|| {
            memory.world = World::new(self.kinds.clone());
            Read { generation, bytes: start, records: 0 }
        });
        if read.bytes < length {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(read.bytes)).map_err(self.io())?;
            file.read_to_end(&mut bytes).map_err(self.io())?;
            #[cfg(test)]
            {
                memory.traffic.read += bytes.len() as u64;
            }
            for line in bytes.split_inclusive(|b| *b == b'\n').filter(|l| l.ends_with(b"\n")) {
                // The header is line 1.
                let record: Record<'_> = serde_json::from_slice(line).map_err(self.damaged(read.records + 2))?;
                memory.world.replay(record);
                read.bytes += line.len() as u64;
                read.records += 1;
            }
        }
        Ok(read)
    }

    /// The generation, and the length of the header. It is whole: a log is written elsewhere before it takes its place.
    fn header(&self, file: &mut File) -> Result<(String, u64), Error> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(self.io())?;
        file.take(HEADER).read_to_end(&mut bytes).map_err(self.io())?;
        let line = bytes.split_inclusive(|b| *b == b'\n').next().unwrap_or_default();
        let header: Header = serde_json::from_slice(line).map_err(self.damaged(1))?;
        if header.simulated_cloud != VERSION {
            return Err(Error::Version { path: self.path.display().to_string(), version: header.simulated_cloud });
        }
        Ok((header.generation, line.len() as u64))
    }

    /// Appends what the running change has done.
    fn write(&self, memory: &mut Memory, file: Option<&mut File>) -> Result<(), Error> {
        let Some(record) = memory.world.pending() else { return Ok(()) };
        let (Some(file), Some(log)) = (file, &mut memory.log) else { return self.replace(memory) };
        let mut line = Vec::new();
        append(&mut line, &record).map_err(self.io())?;
        let length = file.metadata().map_err(self.io())?.len();
        if length > log.bytes {
            file.set_len(log.bytes).map_err(self.io())?;
        }
        file.seek(SeekFrom::Start(log.bytes)).map_err(self.io())?;
        file.write_all(&line).map_err(self.io())?;
        log.bytes += line.len() as u64;
        log.records += 1;
        #[cfg(test)]
        {
            memory.traffic.written += line.len() as u64;
        }
        Ok(())
    }

    /// Writes the whole world into a new log, which takes the place of the old one.
    fn replace(&self, memory: &mut Memory) -> Result<(), Error> {
        let generation = uuid::Uuid::now_v7().to_string();
        let mut bytes = Vec::new();
        append(&mut bytes, &Header { simulated_cloud: VERSION, generation: generation.clone() }).map_err(self.io())?;
        let mut records = 0;
        for record in memory.world.records() {
            append(&mut bytes, &record).map_err(self.io())?;
            records += 1;
        }
        fs::write(self.draft(), &bytes).map_err(self.io())?;
        fs::rename(self.draft(), &self.path).map_err(self.io())?;
        memory.log = Some(Read { generation, bytes: bytes.len() as u64, records });
        #[cfg(test)]
        {
            memory.traffic.written += bytes.len() as u64;
        }
        Ok(())
    }

    /// What this handle has read and written so far.
    #[cfg(test)]
    pub fn traffic(&self) -> Traffic {
        self.memory().traffic
    }
}

impl Memory {
    fn is_wasteful(&self) -> bool {
        let objects = self.world.len() as u64;
        self.log.as_ref().is_some_and(|l| l.records > RECORDS_PER_OBJECT * objects + SPARE)
    }
}

fn append(bytes: &mut Vec<u8>, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *bytes, value)?;
    bytes.push(b'\n');
    Ok(())
}
