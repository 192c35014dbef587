//! Everything that is in the simulated cloud, with indexes, so that no call looks at more than it is about.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::record::{Conditions, Record, RecoveryPoint, Stored};
use crate::model::kind::{Kinds, Scope};
use crate::model::schema::Schema;

/// Everything in the cloud.
///
/// Guarantees: the indexes always agree with the objects; a change that is begun is either accepted or leaves no trace.
#[derive(Debug)]
pub(super) struct World {
    /// Clock, counter, lost places.
    pub conditions: Conditions,
    kinds: Kinds,
    /// The fields of each kind whose references keep the target from being deleted.
    strict: HashMap<&'static str, Schema>,
    objects: BTreeMap<String, Stored>,
    points: Vec<RecoveryPoint>,
    index: Index,
    /// Objects on their way out: when they are gone, and their keys.
    going: BTreeSet<(u64, String)>,
    /// What the running change has replaced.
    before: Before,
}

#[derive(Debug, Default)]
struct Before {
    objects: BTreeMap<String, Option<Stored>>,
    conditions: Conditions,
    points: usize,
}

/// Keys of objects by some text.
#[derive(Debug, Default)]
struct Groups(HashMap<String, BTreeSet<String>>);

impl Groups {
    fn add(&mut self, text: String, key: &str) {
        self.0.entry(text).or_default().insert(key.to_owned());
    }

    fn take(&mut self, text: &str, key: &str) {
        if let Some(keys) = self.0.get_mut(text) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(text);
            }
        }
    }

    fn get<'g>(&'g self, text: &str) -> impl Iterator<Item = &'g String> + use<'g> {
        self.0.get(text).into_iter().flatten()
    }
}

#[derive(Debug, Default)]
struct Index {
    /// By kind and place.
    kinds: Groups,
    /// By kind, place and id or other identifier.
    texts: Groups,
    /// By kind, place and idempotency token.
    tokens: Groups,
    /// By kind, place and name.
    names: Groups,
    /// Those that refer to an object, by its kind, place and id (or identifier).
    users: Groups,
}

/// Where objects of a kind for the whole account are.
const ACCOUNT: &str = "account";

fn joined(kind: &str, place: &str, text: &str) -> String {
    format!("{kind} {place} {text}")
}

impl World {
    /// A cloud without objects.
    pub fn new(kinds: Kinds) -> Self {
        let strict = kinds.iter().map(|k| {
            let kept = k.schema.fields.iter().filter(|f| !k.facts.loose_refs.contains(&f.name.as_str()));
            (k.name, Schema { fields: kept.cloned().collect() })
        });
        Self {
            conditions: Conditions::default(),
            strict: strict.collect(),
            kinds,
            objects: BTreeMap::new(),
            points: Vec::new(),
            index: Index::default(),
            going: BTreeSet::new(),
            before: Before::default(),
        }
    }

    /// Whether objects of the kind belong to the whole account.
    pub fn is_global(&self, kind: &str) -> bool {
        self.kinds.get(kind).is_some_and(|k| k.facts.scope == Scope::Global)
    }

    fn place<'a>(&self, kind: &str, region: &'a str) -> &'a str {
        if self.is_global(kind) { ACCOUNT } else { region }
    }

    /// An ARN says itself which region it means.
    fn key(&self, kind: &str, region: &str, id: &str) -> String {
        let named = id.starts_with("arn:").then(|| id.split(':').nth(3)).flatten().filter(|r| !r.is_empty());
        joined(kind, self.place(kind, named.unwrap_or(region)), id)
    }

    /// All objects, in order of kind, place and id.
    pub fn all(&self) -> impl Iterator<Item = &Stored> {
        self.objects.values()
    }

    /// Number of all objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// The object with this id.
    pub fn get(&self, kind: &str, region: &str, id: &str) -> Option<&Stored> {
        self.objects.get(&self.key(kind, region, id))
    }

    /// The object with this id or other identifier.
    pub fn find(&self, kind: &str, region: &str, text: &str) -> Option<&Stored> {
        let key = self.key(kind, region, text);
        self.objects.get(&key).or_else(|| self.among(&self.index.texts, &key).next())
    }

    /// The object that the creating call with this token made.
    pub fn made_by(&self, kind: &str, region: &str, token: &str) -> Option<&Stored> {
        self.among(&self.index.tokens, &self.key(kind, region, token)).next()
    }

    /// The object of this physical name.
    pub fn named(&self, kind: &str, region: &str, name: &str) -> Option<&Stored> {
        self.among(&self.index.names, &self.key(kind, region, name)).next()
    }

    /// All objects of a kind in a region (in the account, if the kind belongs to it).
    pub fn of_kind(&self, kind: &str, region: &str) -> impl Iterator<Item = &Stored> {
        self.among(&self.index.kinds, &joined(kind, self.place(kind, region), ""))
    }

    /// How many objects of a kind there are in a region (in the account, if the kind belongs to it).
    pub fn count(&self, kind: &str, region: &str) -> usize {
        self.index.kinds.0.get(&joined(kind, self.place(kind, region), "")).map_or(0, BTreeSet::len)
    }

    /// Other objects whose references keep this one from being deleted.
    pub fn users_of(&self, stored: &Stored) -> impl Iterator<Item = &Stored> {
        let own = self.key(&stored.kind, &stored.region, &stored.id);
        let texts = std::iter::once(&stored.id).chain(&stored.identifiers);
        let keys: BTreeSet<&String> = texts
            .flat_map(|text| self.index.users.get(&self.key(&stored.kind, &stored.region, text)))
            .filter(|key| **key != own)
            .collect();
        keys.into_iter().filter_map(|key| self.objects.get(key))
    }

    /// All recovery points, oldest first.
    pub fn points(&self) -> &[RecoveryPoint] {
        &self.points
    }

    fn among<'w>(&'w self, groups: &'w Groups, text: &str) -> impl Iterator<Item = &'w Stored> + use<'w> {
        groups.get(text).filter_map(|key| self.objects.get(key))
    }

    /// Puts an object in, in place of the one with the same kind, place and id.
    pub fn put(&mut self, stored: Stored) {
        let key = self.key(&stored.kind, &stored.region, &stored.id);
        let before = self.set(&key, Some(stored));
        self.before.objects.entry(key).or_insert(before);
    }

    /// Takes an object out.
    pub fn remove(&mut self, kind: &str, region: &str, id: &str) -> Option<Stored> {
        let key = self.key(kind, region, id);
        let before = self.set(&key, None)?;
        self.before.objects.entry(key).or_insert_with(|| Some(before.clone()));
        Some(before)
    }

    /// Lets time pass up to `clock` (never back): what is to be gone by then goes.
    pub fn pass(&mut self, clock: u64) {
        let now = &mut self.conditions.clock;
        *now = (*now).max(clock);
        let now = *now;
        while let Some((_, key)) = self.going.first().filter(|(at, _)| *at <= now).cloned() {
            let before = self.set(&key, None);
            self.before.objects.entry(key).or_insert(before);
        }
    }

    /// Adds recovery points after those that there are.
    pub fn add_points(&mut self, points: impl IntoIterator<Item = RecoveryPoint>) {
        self.points.extend(points);
    }

    /// Sets an object and its entries in the indexes; returns what was there.
    fn set(&mut self, key: &str, stored: Option<Stored>) -> Option<Stored> {
        let before = self.objects.remove(key);
        if let Some(before) = &before {
            if let Some(at) = before.gone_at {
                self.going.remove(&(at, key.to_owned()));
            }
            for (group, text) in self.entries(before) {
                self.group(group).take(&text, key);
            }
        }
        if let Some(stored) = stored {
            if let Some(at) = stored.gone_at {
                self.going.insert((at, key.to_owned()));
            }
            for (group, text) in self.entries(&stored) {
                self.group(group).add(text, key);
            }
            self.objects.insert(key.to_owned(), stored);
        }
        before
    }

    fn group(&mut self, group: Group) -> &mut Groups {
        match group {
            Group::Kinds => &mut self.index.kinds,
            Group::Texts => &mut self.index.texts,
            Group::Tokens => &mut self.index.tokens,
            Group::Names => &mut self.index.names,
            Group::Users => &mut self.index.users,
        }
    }

    /// All entries of an object in the indexes.
    fn entries(&self, stored: &Stored) -> Vec<(Group, String)> {
        let text = |text: &str| self.key(&stored.kind, &stored.region, text);
        let mut entries = vec![
            (Group::Kinds, text("")),
            (Group::Tokens, text(&stored.token)),
            (Group::Names, text(&stored.name)),
            (Group::Texts, text(&stored.id)),
        ];
        entries.extend(stored.identifiers.iter().map(|i| (Group::Texts, text(i))));
        if let Some(schema) = self.strict.get(stored.kind.as_str()) {
            schema.visit_refs(&stored.spec, &mut |target, reference| {
                if let Some(id) = reference.get("id").and_then(Value::as_str) {
                    entries.push((Group::Users, self.key(target, &stored.region, id)));
                }
            });
        }
        entries
    }
}

#[derive(Clone, Copy)]
enum Group {
    Kinds,
    Texts,
    Tokens,
    Names,
    Users,
}

/// Changes as a whole.
impl World {
    /// Begins a change: it is to be accepted or rolled back.
    pub fn begin(&mut self) {
        self.before.objects.clear();
        self.before.conditions.clone_from(&self.conditions);
        self.before.points = self.points.len();
    }

    /// What the running change has done so far; none if nothing is different.
    pub fn pending(&self) -> Option<Record<'_>> {
        let mut record = Record::default();
        for (key, before) in &self.before.objects {
            match (before, self.objects.get(key)) {
                (Some(before), Some(now)) if before == now => {}
                (_, Some(now)) => record.put.push(Cow::Borrowed(now)),
                (Some(_), None) => record.remove.push(Cow::Borrowed(key)),
                (None, None) => {}
            }
        }
        if self.conditions != self.before.conditions {
            record.conditions = Some(Cow::Borrowed(&self.conditions));
        }
        record.points = Cow::Borrowed(&self.points[self.before.points..]);
        (!record.is_empty()).then_some(record)
    }

    /// Keeps what the running change has done.
    pub fn accept(&mut self) {
        self.before.objects.clear();
    }

    /// Undoes the running change.
    pub fn roll_back(&mut self) {
        for (key, before) in std::mem::take(&mut self.before.objects) {
            self.set(&key, before);
        }
        self.conditions.clone_from(&self.before.conditions);
        self.points.truncate(self.before.points);
    }

    /// Does what a record says.
    pub fn replay(&mut self, record: Record<'_>) {
        for stored in record.put {
            let key = self.key(&stored.kind, &stored.region, &stored.id);
            self.set(&key, Some(stored.into_owned()));
        }
        for key in record.remove {
            self.set(&key, None);
        }
        if let Some(conditions) = record.conditions {
            self.conditions = conditions.into_owned();
        }
        self.points.extend(record.points.into_owned());
    }

    /// The whole world as records: the fewest that give it again.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let rest = Record {
            conditions: Some(Cow::Borrowed(&self.conditions)),
            points: Cow::Borrowed(self.points.as_slice()),
            ..Record::default()
        };
        let one = |o| Record { put: vec![Cow::Borrowed(o)], ..Record::default() };
        std::iter::once(rest).chain(self.objects.values().map(one))
    }
}
