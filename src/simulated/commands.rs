//! Looking at the simulated cloud and breaking it by hand: what `saiken simulate` does.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::changes::{address, zone};
use super::record::{RecoveryPoint, Stored};
use super::world::World;
use super::{Error, Simulated, field};
use crate::diagnostic::{nearest, suggestion};
use crate::model::observed::Status;
use crate::model::ownership::{Owner, hash};
use crate::model::value::{Map, plain};

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
    /// Generation at that address.
    pub generation: Option<u32>,
    /// Whether it is usable, in words.
    pub status: String,
    /// Fields, sensitive ones hidden.
    pub spec: Value,
}

/// An object as `simulate show` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The same as in the list.
    #[serde(flatten)]
    pub line: Line,
    /// Physical name.
    pub name: String,
    /// How often it was changed, from 1.
    pub version: u64,
    /// Virtual time at which it was made, in seconds.
    pub created_at: u64,
    /// Reads that do not see it yet.
    pub unseen: u32,
    /// Fingerprint of its content, for kinds that hold data.
    pub data: Option<String>,
    /// All tags, the owner's too.
    pub tags: BTreeMap<String, String>,
    /// Attributes.
    pub attributes: Map<String, Value>,
    /// What keeps it from being deleted: addresses, or ids of objects that are not owned.
    pub used_by: Vec<String>,
}

impl Simulated {
    /// How the cloud stands.
    ///
    /// # Errors
    /// If its file can't be read.
    pub fn overview(&self) -> Result<Overview, Error> {
        self.store.read(|world| Overview {
            cloud: self.settings.cloud.clone(),
            objects: world.len(),
            clock: world.conditions.clock,
            lost_zones: world.conditions.lost_zones.iter().cloned().collect(),
            lost_regions: world.conditions.lost_regions.iter().cloned().collect(),
            recovery_points: world.points().len(),
        })
    }

    /// All objects whose address, id or kind contains `filter`, by address.
    ///
    /// # Errors
    /// If the cloud's file can't be read.
    pub fn list(&self, filter: &str) -> Result<Vec<Line>, Error> {
        let mut lines: Vec<Line> = self.store.read(|world| {
            let matches = |o: &&Stored| {
                let address = address(o);
                o.kind.contains(filter) || o.id.contains(filter) || address.is_some_and(|a| a.as_str().contains(filter))
            };
            world.all().filter(matches).map(|o| self.line(world, o)).collect()
        })?;
        lines.sort_by(|a, b| (&a.address, &a.kind, &a.id).cmp(&(&b.address, &b.kind, &b.id)));
        Ok(lines)
    }

    /// One object, by address or id.
    ///
    /// # Errors
    /// If there is no such object.
    pub fn show(&self, target: &str) -> Result<Shown, Error> {
        self.store.read(|world| {
            let object = wanted(world, target)?;
            Ok(Shown {
                line: self.line(world, object),
                name: object.name.clone(),
                version: object.version,
                created_at: object.created_at,
                unseen: object.unseen,
                data: object.data.clone(),
                tags: object.tags.clone(),
                attributes: object.attributes.clone(),
                used_by: world.users_of(object).map(called).collect(),
            })
        })?
    }

    fn line(&self, world: &World, stored: &Stored) -> Line {
        let mut spec = self.spec(stored);
        if let (Some(kind), Some(map)) = (self.kinds.get(&stored.kind), spec.as_object_mut()) {
            for field in kind.schema.fields.iter().filter(|f| f.sensitive) {
                if let Some(value) = map.get_mut(&field.name) {
                    *value = Value::String("(sensitive)".to_owned());
                }
            }
        }
        Line {
            kind: stored.kind.clone(),
            id: stored.id.clone(),
            region: stored.region.clone(),
            address: address(stored).map(|a| a.to_string()),
            generation: Owner::from_tags(&stored.tags).map(|owner| owner.generation),
            status: match self.status(world, stored) {
                Status::Ready => "ready".to_owned(),
                Status::Pending(what) => format!("pending: {what}"),
                Status::Failed(why) => format!("failed: {why}"),
                Status::Deleting => "deleting".to_owned(),
            },
            spec,
        }
    }

    /// Changes a field of an object, as if somebody had done it by hand. None removes the field. Returns the id.
    ///
    /// # Errors
    /// If there is no such object or field, or the value does not fit.
    pub fn set(&self, target: &str, path: &str, value: Option<Value>) -> Result<String, Error> {
        self.store.change(|world| {
            let mut stored = wanted(world, target)?.clone();
            if path == "tags" {
                return Err(Error::wrong("tags are set one by one", Some("name one: tags.NAME".to_owned())));
            }
            if let Some(name) = path.strip_prefix("tags.") {
                set_tag(&mut stored, name, value)?;
            } else if let Some(kind) = self.kinds.get(&stored.kind) {
                stored.spec = field::with(kind, &stored.spec, path, value)?;
                let mut missing = None;
                kind.schema.map_refs(&mut stored.spec, &mut |target, reference| {
                    let Some(text) = reference.as_str() else { return };
                    match wanted(world, text).ok().filter(|o| o.kind == target) {
                        Some(object) => *reference = json!({ "id": object.id }),
                        None => missing = Some(format!("no {target} has the address or id `{text}`")),
                    }
                });
                if let Some(missing) = missing {
                    return Err(Error::wrong(missing, None));
                }
                stored.version += 1;
                self.describe(kind, &mut stored);
            }
            let id = stored.id.clone();
            world.put(stored);
            Ok(id)
        })?
    }

    /// Deletes an object, whatever uses it. Returns its id.
    ///
    /// # Errors
    /// If there is no such object.
    pub fn delete_object(&self, target: &str) -> Result<String, Error> {
        self.store.change(|world| {
            let Stored { kind, region, id, .. } = wanted(world, target)?.clone();
            world.remove(&kind, &region, &id);
            Ok(id)
        })?
    }

    /// Makes an object fail, as if it had never become usable. Returns its id.
    ///
    /// # Errors
    /// If there is no such object.
    pub fn fail(&self, target: &str, why: &str) -> Result<String, Error> {
        self.store.change(|world| {
            let stored = Stored { status: Status::Failed(why.to_owned()), ..wanted(world, target)?.clone() };
            let id = stored.id.clone();
            world.put(stored);
            Ok(id)
        })?
    }

    /// Loses a zone: what stands in it fails, and nothing new can be made there.
    ///
    /// # Errors
    /// If no region has the zone.
    pub fn lose_zone(&self, zone: &str) -> Result<(), Error> {
        let zones = || self.settings.regions.values().flatten().map(String::as_str);
        if !zones().any(|z| z == zone) {
            return Err(Error::wrong(format!("there is no zone `{zone}`"), suggestion(zone, zones())));
        }
        self.store.change(|world| {
            world.conditions.lost_zones.insert(zone.to_owned());
            Ok(())
        })?
    }

    /// Loses a region: it does not answer any more.
    ///
    /// # Errors
    /// If there is no such region.
    pub fn lose_region(&self, region: &str) -> Result<(), Error> {
        self.known_region(region)?;
        self.store.change(|world| {
            world.conditions.lost_regions.insert(region.to_owned());
            Ok(())
        })?
    }

    fn known_region(&self, region: &str) -> Result<(), Error> {
        if self.settings.regions.contains_key(region) {
            return Ok(());
        }
        let help = suggestion(region, self.settings.regions.keys().map(String::as_str));
        Err(Error::wrong(format!("there is no region `{region}`"), help))
    }

    /// Brings a zone or a region back; `empty`: without what stood there (what belongs to the whole account stays).
    ///
    /// # Errors
    /// If it is not lost.
    pub fn restore(&self, place: &str, empty: bool) -> Result<(), Error> {
        self.store.change(|world| {
            let conditions = &mut world.conditions;
            let in_zone = conditions.lost_zones.remove(place);
            let in_region = conditions.lost_regions.remove(place);
            if !in_zone && !in_region {
                let lost = conditions.lost_zones.iter().chain(&conditions.lost_regions).map(String::as_str);
                let help = suggestion(place, lost).or_else(|| Some("nothing is lost".to_owned()));
                return Err(Error::wrong(format!("`{place}` is not lost"), help));
            }
            if !empty {
                return Ok(());
            }
            let stood_there = |o: &&Stored| {
                let zone = self.kinds.get(&o.kind).and_then(|k| zone(k, &o.spec));
                in_zone && zone == Some(place) || in_region && o.region == place && !world.is_global(&o.kind)
            };
            let gone: Vec<(String, String, String)> =
                world.all().filter(stood_there).map(|o| (o.kind.clone(), o.region.clone(), o.id.clone())).collect();
            for (kind, region, id) in gone {
                world.remove(&kind, &region, &id);
            }
            Ok(())
        })?
    }

    /// Lets virtual time pass. Returns the time in seconds.
    ///
    /// # Errors
    /// If the cloud's file can't be written.
    pub fn advance(&self, seconds: u64) -> Result<u64, Error> {
        self.store.change(|world| {
            world.pass(world.conditions.clock.saturating_add(seconds));
            Ok::<u64, Error>(world.conditions.clock)
        })?
    }

    /// Removes everything.
    ///
    /// # Errors
    /// If the cloud's file can't be removed.
    pub fn reset(&self) -> Result<(), Error> {
        self.store.reset()
    }

    /// Writes new data into an object that holds some. Returns the new fingerprint.
    ///
    /// # Errors
    /// If there is no such object, or it holds no data.
    pub fn write_data(&self, target: &str) -> Result<String, Error> {
        let seed = self.settings.seed;
        self.store.change(|world| {
            let mut stored = wanted(world, target)?.clone();
            let before = stored.data.take().ok_or_else(|| {
                Error::wrong(format!("`{target}` holds no data"), Some(format!("kind `{}` never does", stored.kind)))
            })?;
            let data = hash(&format!("{seed} {before} {}", world.conditions.clock), 16);
            stored.data = Some(data.clone());
            world.put(stored);
            Ok(data)
        })?
    }

    /// Takes a recovery point of every object of the account that holds data, into `region`. Returns how many. What
    /// stands in a lost region can't be copied.
    ///
    /// # Errors
    /// If there is no such region, or it is lost.
    pub fn take_recovery_points(&self, region: &str) -> Result<usize, Error> {
        self.known_region(region)?;
        self.store.change(|world| {
            let lost = &world.conditions.lost_regions;
            if lost.contains(region) {
                return Err(Error::wrong(format!("the region {region} is lost"), None));
            }
            let points: Vec<RecoveryPoint> = world
                .all()
                .filter(|o| !lost.contains(&o.region) || world.is_global(&o.kind))
                .filter_map(|o| {
                    Some(RecoveryPoint {
                        kind: o.kind.clone(),
                        object: o.id.clone(),
                        address: address(o).map(|a| a.to_string()),
                        region: region.to_owned(),
                        taken_at: world.conditions.clock,
                        fingerprint: o.data.clone()?,
                    })
                })
                .collect();
            let count = points.len();
            world.add_points(points);
            Ok(count)
        })?
    }

    /// All recovery points, oldest first.
    ///
    /// # Errors
    /// If the cloud's file can't be read.
    pub fn recovery_points(&self) -> Result<Vec<RecoveryPoint>, Error> {
        self.store.read(|world| world.points().to_vec())
    }
}

fn called(stored: &Stored) -> String {
    address(stored).map_or_else(|| format!("{} {}", stored.kind, stored.id), |a| a.to_string())
}

/// The object with this address or id; the newest if several have the address.
fn wanted<'w>(world: &'w World, target: &str) -> Result<&'w Stored, Error> {
    let matches = |o: &&Stored| o.id == target || address(o).is_some_and(|a| a.as_str() == target);
    let age = |o: &&Stored| {
        let generation = Owner::from_tags(&o.tags).map_or(0, |owner| owner.generation);
        (generation, o.created_at, o.id.clone())
    };
    world.all().filter(matches).max_by_key(age).ok_or_else(|| {
        let addresses: Vec<String> = world.all().filter_map(address).map(|a| a.to_string()).collect();
        let names = addresses.iter().map(String::as_str).chain(world.all().map(|o| o.id.as_str()));
        let help = match nearest(target, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "saiken simulate list shows all".to_owned(),
        };
        Error::wrong(format!("no object has the address or id `{target}`"), Some(help))
    })
}

fn set_tag(stored: &mut Stored, name: &str, value: Option<Value>) -> Result<(), Error> {
    match value {
        Some(value) => {
            stored.tags.insert(name.to_owned(), plain(&value).into_owned());
        }
        None if stored.tags.remove(name).is_none() => {
            let help = suggestion(name, stored.tags.keys().map(String::as_str));
            return Err(Error::wrong(format!("there is no tag `{name}`"), help));
        }
        None => {}
    }
    Ok(())
}
