//! Looking at the simulated cloud and breaking it by hand: what `saiken simulate` does.

use serde::Serialize;
use serde_json::Value;

use super::cloud::address;
use super::store::{RecoveryPoint, Stored, World};
use super::{Error, Simulated};
use crate::model::ownership::hash;

/// How the cloud stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    /// Its name.
    pub cloud: String,
    /// Objects in it, of all projects.
    pub objects: usize,
    /// Virtual time in seconds.
    pub clock: u64,
    /// Lost zones.
    pub lost_zones: Vec<String>,
    /// Lost regions.
    pub lost_regions: Vec<String>,
    /// Copies of data.
    pub recovery_points: usize,
}

/// An object as `simulate list` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Kind.
    pub kind: String,
    /// Id.
    pub id: String,
    /// Region.
    pub region: String,
    /// Address, if it is owned.
    pub address: Option<String>,
    /// Fields.
    pub spec: Value,
}

impl Simulated {
    /// How the cloud stands.
    ///
    /// # Errors
    /// If its file can't be read.
    pub fn overview(&self) -> Result<Overview, Error> {
        let world = self.store.read()?;
        Ok(Overview {
            cloud: self.settings.cloud.clone(),
            objects: world.objects.len(),
            clock: world.clock,
            lost_zones: world.lost_zones.into_iter().collect(),
            lost_regions: world.lost_regions.into_iter().collect(),
            recovery_points: world.recovery_points.len(),
        })
    }

    /// All objects whose address, id or kind contains `filter`.
    ///
    /// # Errors
    /// If the cloud's file can't be read.
    pub fn list(&self, filter: &str) -> Result<Vec<Line>, Error> {
        let world = self.store.read()?;
        let mut lines: Vec<Line> = world
            .objects
            .values()
            .map(|o| Line {
                kind: o.kind.clone(),
                id: o.id.clone(),
                region: o.region.clone(),
                address: address(o).map(|a| a.to_string()),
                spec: self.object(&world, o).spec,
            })
            .filter(|l| {
                [&l.kind, &l.id].iter().any(|t| t.contains(filter))
                    || l.address.as_ref().is_some_and(|a| a.contains(filter))
            })
            .collect();
        lines.sort_by(|a, b| (&a.address, &a.kind, &a.id).cmp(&(&b.address, &b.kind, &b.id)));
        Ok(lines)
    }

    /// Changes a field of an object, as if somebody had done it by hand. None removes the field.
    ///
    /// # Errors
    /// If there is no such object or field.
    pub fn set(&self, target: &str, path: &str, value: Option<Value>) -> Result<String, Error> {
        self.store.change(|world| {
            let key = key_of(world, target)?;
            let Some(stored) = world.objects.get_mut(&key) else { return Err(unknown(target)) };
            let (first, rest) = path.split_once('.').map_or((path, None), |(f, r)| (f, Some(r)));
            if first == "tags" {
                let Some(name) = rest else {
                    return Err(Error::Unknown("name one tag: tags.NAME".to_owned()));
                };
                match value {
                    Some(value) => stored.tags.insert(name.to_owned(), crate::model::value::plain(&value).into_owned()),
                    None => stored.tags.remove(name),
                };
                return Ok(stored.id.clone());
            }
            let schema = self.kinds.get(&stored.kind).map(|k| &k.schema);
            if schema.is_some_and(|s| s.field(first).is_none()) {
                let names: Vec<&str> = schema.map(|s| s.names().collect()).unwrap_or_default();
                return Err(Error::Unknown(format!(
                    "a {} has no field `{first}`; there is: {}",
                    stored.kind,
                    names.join(", ")
                )));
            }
            put(&mut stored.spec, path, value)
                .ok_or_else(|| Error::Unknown(format!("there is nothing at `{path}`")))?;
            Ok(stored.id.clone())
        })?
    }

    /// Deletes an object, whatever uses it.
    ///
    /// # Errors
    /// If there is no such object.
    pub fn delete_object(&self, target: &str) -> Result<String, Error> {
        self.store.change(|world| {
            let key = key_of(world, target)?;
            world.objects.remove(&key).map(|o| o.id).ok_or_else(|| unknown(target))
        })?
    }

    /// Loses a zone: what stands in it fails, and nothing new can be made there.
    ///
    /// # Errors
    /// If no region has the zone.
    pub fn lose_zone(&self, zone: &str) -> Result<(), Error> {
        let zones: Vec<&String> = self.settings.regions.values().flatten().collect();
        if !zones.iter().any(|z| *z == zone) {
            let names: Vec<&str> = zones.iter().map(|z| z.as_str()).collect();
            return Err(Error::Unknown(format!("there is no zone `{zone}`; there is: {}", names.join(", "))));
        }
        self.store.change(|world| {
            world.lost_zones.insert(zone.to_owned());
            Ok(())
        })?
    }

    /// Loses a region: it does not answer any more.
    ///
    /// # Errors
    /// If there is no such region.
    pub fn lose_region(&self, region: &str) -> Result<(), Error> {
        if !self.settings.regions.contains_key(region) {
            let names: Vec<&str> = self.settings.regions.keys().map(String::as_str).collect();
            return Err(Error::Unknown(format!("there is no region `{region}`; there is: {}", names.join(", "))));
        }
        self.store.change(|world| {
            world.lost_regions.insert(region.to_owned());
            Ok(())
        })?
    }

    /// Brings a zone or a region back; `empty`: without what stood there.
    ///
    /// # Errors
    /// If it is not lost.
    pub fn restore(&self, place: &str, empty: bool) -> Result<(), Error> {
        self.store.change(|world| {
            let zone = world.lost_zones.remove(place);
            let region = world.lost_regions.remove(place);
            if !zone && !region {
                return Err(Error::Unknown(format!("`{place}` is not lost")));
            }
            if empty {
                let kinds = &self.kinds;
                world.objects.retain(|_, o| {
                    let field = kinds.get(&o.kind).and_then(|k| k.facts.zone_field);
                    let stands = field.and_then(|f| o.spec.get(f)).and_then(Value::as_str);
                    !(region && o.region == place || zone && stands == Some(place))
                });
            }
            Ok(())
        })?
    }

    /// Lets virtual time pass.
    ///
    /// # Errors
    /// If the cloud's file can't be written.
    pub fn advance(&self, seconds: u64) -> Result<u64, Error> {
        self.store.change(|world| {
            world.clock = world.clock.saturating_add(seconds);
            Ok::<u64, Error>(world.clock)
        })?
    }

    /// Removes everything.
    ///
    /// # Errors
    /// If the cloud's file can't be removed.
    pub fn reset(&self) -> Result<(), Error> {
        self.store.reset()
    }

    /// Writes new data into an object that holds some: its fingerprint changes.
    ///
    /// # Errors
    /// If there is no such object, or it holds no data.
    pub fn write_data(&self, target: &str) -> Result<String, Error> {
        let seed = self.settings.seed;
        self.store.change(|world| {
            let key = key_of(world, target)?;
            let clock = world.clock;
            let data = world.objects.get_mut(&key).and_then(|o| o.data.as_mut());
            let data = data.ok_or_else(|| Error::Unknown(format!("`{target}` holds no data")))?;
            *data = hash(&format!("{seed} {data} {clock}"), 16);
            Ok(data.clone())
        })?
    }

    /// Takes a recovery point of every object of the account that holds data, into `region`.
    ///
    /// # Errors
    /// If the cloud's file can't be written.
    pub fn take_recovery_points(&self, region: &str) -> Result<usize, Error> {
        self.store.change(|world| {
            let points: Vec<RecoveryPoint> = world
                .objects
                .values()
                .filter_map(|o| {
                    Some(RecoveryPoint {
                        kind: o.kind.clone(),
                        object: o.id.clone(),
                        address: address(o).map(|a| a.to_string()),
                        region: region.to_owned(),
                        taken_at: world.clock,
                        fingerprint: o.data.clone()?,
                    })
                })
                .collect();
            let count = points.len();
            world.recovery_points.extend(points);
            Ok::<usize, Error>(count)
        })?
    }

    /// All recovery points, oldest first.
    ///
    /// # Errors
    /// If the cloud's file can't be read.
    pub fn recovery_points(&self) -> Result<Vec<RecoveryPoint>, Error> {
        Ok(self.store.read()?.recovery_points)
    }
}

fn unknown(target: &str) -> Error {
    Error::Unknown(format!("no object has the address or id `{target}`; saiken simulate list shows all"))
}

/// The key of the object with this address or id; the newest if several have the address.
fn key_of(world: &World, target: &str) -> Result<String, Error> {
    let matches = |o: &Stored| o.id == target || address(o).is_some_and(|a| a.as_str() == target);
    let newest = world.objects.iter().filter(|(_, o)| matches(o)).max_by_key(|(_, o)| (o.created_at, o.id.clone()));
    newest.map(|(k, _)| k.clone()).ok_or_else(|| unknown(target))
}

fn put(tree: &mut Value, path: &str, value: Option<Value>) -> Option<()> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(f, r)| (f, Some(r)));
    match (tree, rest) {
        (Value::Object(map), None) => {
            match value {
                Some(value) => map.insert(first.to_owned(), value),
                None => map.shift_remove(first),
            };
            Some(())
        }
        (Value::Object(map), Some(rest)) => {
            put(map.entry(first.to_owned()).or_insert_with(|| Value::Object(serde_json::Map::new())), rest, value)
        }
        (Value::Array(items), rest) => {
            let index: usize = first.parse().ok()?;
            match (rest, value) {
                (Some(rest), value) => put(items.get_mut(index)?, rest, value),
                (None, Some(value)) => items.get_mut(index).map(|slot| *slot = value),
                (None, None) => (index < items.len()).then(|| {
                    items.remove(index);
                }),
            }
        }
        _ => None,
    }
}
