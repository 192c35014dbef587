//! The async side of a kind on AWS, typed; [`Handler`] turns it into what the engine calls.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{Context, Look};
use super::preflight::kind::{Checked, Checker};
use crate::model::Address;
use crate::model::cloud::{
    ApiError, CreateRequest, DeleteRequest, ErrorClass, OwnRequest, ReadRequest, RecoveryPoint, Resolved, SaveRequest,
    UpdateRequest, Watch,
};
use crate::model::kind::{Kind, drop_nulls};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner, physical_name};
use crate::model::types::{Ref, Target};
use crate::model::value::Map;

/// Longest time until a read shows what was written; the APIs' documentation speaks of seconds.
pub(super) const SEEN_WITHIN: Duration = Duration::from_secs(120);
/// Longest time until an object whose creating call was not answered is seen, if it was made at all.
const MADE_WITHIN: Duration = Duration::from_secs(30);
/// Looks for an object whose creating call was refused because it is there already.
const LOOKS: u32 = 3;

/// Tags as the engine handles them.
pub type Tags = BTreeMap<String, String>;

/// Which objects to read.
#[derive(Debug, Clone)]
pub enum Selection<'a> {
    /// Those whose ownership tags name this project and environment. Use the API's tag filter where it has one.
    Owned {
        /// Project.
        project: &'a str,
        /// Environment.
        environment: &'a str,
    },
    /// These ids. An id that is not there is left out, not an error.
    Ids(&'a [String]),
    /// All that carry these tags.
    Tagged(&'a Tags),
}

impl Selection<'_> {
    /// The tags to filter by; none for ids.
    pub fn tags(&self) -> Option<Tags> {
        match self {
            Selection::Owned { project, environment } => Some(BTreeMap::from([
                (ownership::PROJECT.to_owned(), (*project).to_owned()),
                (ownership::ENVIRONMENT.to_owned(), (*environment).to_owned()),
            ])),
            Selection::Ids(_) => None,
            Selection::Tagged(tags) => Some((*tags).clone()),
        }
    }

    /// Whether an object is selected: for APIs that have no filter.
    pub fn matches(&self, id: &str, tags: &Tags) -> bool {
        match self {
            Selection::Ids(ids) => ids.iter().any(|i| i == id),
            Selection::Owned { .. } | Selection::Tagged(_) => {
                self.tags().is_some_and(|want| want.iter().all(|(k, v)| tags.get(k) == Some(v)))
            }
        }
    }
}

/// A read of one kind.
pub struct Read<'a> {
    /// Which objects.
    pub selection: Selection<'a>,
    declared: Option<&'a BTreeMap<Address, BTreeSet<String>>>,
    deep: bool,
}

impl<'a> Read<'a> {
    /// A read without the fields that cost a call each.
    pub fn brief(selection: Selection<'a>) -> Self {
        Self { selection, declared: None, deep: false }
    }

    /// Whether only existence, status and tags matter.
    pub fn is_brief(&self) -> bool {
        self.declared.is_none() && !self.deep
    }

    /// A read of few objects with all their fields.
    pub fn whole(selection: Selection<'a>) -> Self {
        Self { selection, declared: None, deep: true }
    }

    /// Whether a field that costs a call for each object is to be read from the object with these tags.
    pub fn wants(&self, field: &str, tags: &Tags) -> bool {
        self.deep
            || tags
                .get(ownership::ADDRESS)
                .and_then(|address| self.declared?.get(address.as_str()))
                .is_some_and(|fields| fields.contains(field))
    }
}

/// An object as a kind read it.
#[derive(Debug, Clone)]
pub struct Found<S> {
    /// The API's id, by which other objects refer to it.
    pub id: String,
    /// Other texts by which other objects may refer to it (an ARN, an alias).
    pub identifiers: Vec<String>,
    /// All its tags.
    pub tags: Tags,
    /// Its spec. `tags` need not be filled in; references are [`Ref::id`].
    pub spec: S,
    /// All of the kind's attributes.
    pub attributes: Map<String, Value>,
    /// Whether it can be used.
    pub status: Status,
    /// Fields not read.
    pub unread: Vec<&'static str>,
}

/// What to create.
pub struct Create<'a, S> {
    /// The spec.
    pub spec: &'a S,
    /// Physical name.
    pub name: &'a str,
    /// Idempotency token, 32 hexadecimal digits.
    pub token: &'a str,
    /// All tags to set in the creating call: ownership, user's, `Name`.
    pub tags: &'a Tags,
    /// Told while waiting.
    pub watch: &'a dyn Watch,
    resolved: &'a Resolved,
}

impl<S> Create<'_, S> {
    /// The id that a reference stands for.
    ///
    /// # Errors
    /// `Invalid` if nothing is known of it: the plan's order makes sure that it is.
    pub fn id<K: Kind>(&self, reference: &Ref<K>) -> Result<String, ApiError> {
        match reference.target() {
            Target::Id { id } => Ok(id.clone()),
            Target::Owned(address) => {
                self.resolved.get(address.as_str()).map(|i| i.id.clone()).ok_or_else(|| unresolved::<K>(address))
            }
            Target::Tags { tags } => Err(unresolved::<K>(&format!("{tags:?}"))),
        }
    }

    /// The ids of several references.
    ///
    /// # Errors
    /// As [`Create::id`].
    pub fn ids<K: Kind>(&self, references: &[Ref<K>]) -> Result<Vec<String>, ApiError> {
        references.iter().map(|r| self.id(r)).collect()
    }

    /// An attribute, as text, of what a reference stands for; none if it is not an owned object.
    pub fn attribute<K: Kind>(&self, reference: &Ref<K>, name: &str) -> Option<String> {
        match reference.target() {
            Target::Owned(address) => {
                self.resolved.get(address.as_str())?.attributes.get(name)?.as_str().map(str::to_owned)
            }
            Target::Id { .. } | Target::Tags { .. } => None,
        }
    }
}

fn unresolved<K: Kind>(what: &str) -> ApiError {
    ApiError::new("resolve", ErrorClass::Invalid, format!("the {} `{what}` is not known", K::NAME))
}

/// What to change.
pub struct Update<'a, S> {
    /// What is wanted, whole.
    pub want: Create<'a, S>,
    /// The object as it was read. Its references are addresses; use `id` of `want` for those that are still resolved.
    pub before: &'a S,
    /// The API's id.
    pub id: &'a str,
    /// Attributes as they were read.
    pub attributes: &'a Map<String, Value>,
    /// All tags as they will be.
    changed: &'a BTreeSet<String>,
}

impl<S> Update<'_, S> {
    /// Whether a top-level field differs.
    pub fn changed(&self, field: &str) -> bool {
        self.changed.contains(field)
    }
}

/// What to delete.
pub struct Delete<'a, S> {
    /// The API's id.
    pub id: &'a str,
    /// The object as it was read.
    pub spec: &'a S,
    /// Attributes as they were read.
    pub attributes: &'a Map<String, Value>,
    /// Told while waiting.
    pub watch: &'a dyn Watch,
}

/// A kind on AWS.
#[async_trait]
pub trait AwsKind: Checked + Kind<Spec: Send + Sync + Clone> {
    /// Whether its objects have tags. Where the API has none, the kind's ownership tags are made from what says whose an object
    /// is, and [`AwsKind::retag`] writes that.
    const TAGGED: bool = true;

    /// Longest time until an object that was left half made is usable.
    const USABLE_WITHIN: Duration = Duration::from_secs(20 * 60);

    /// Reads objects in bulk: pages filtered by tags, never one call for each object where the API has a page.
    ///
    /// # Errors
    /// Any failure: nothing may be concluded then.
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Self::Spec>>, ApiError>;

    /// Creates an object with all its tags in the creating call, waits until it is usable, and gives its id.
    ///
    /// # Errors
    /// The API's. What was made up to then carries the owner's tags.
    async fn create(cx: &Context, want: &Create<'_, Self::Spec>) -> Result<String, ApiError>;

    /// Changes fields in place; tags are not its business.
    ///
    /// # Errors
    /// The API's.
    async fn update(cx: &Context, update: &Update<'_, Self::Spec>) -> Result<(), ApiError>;

    /// Deletes an object and waits until it is gone. `NotFound` is taken as success if the object can't be read either.
    ///
    /// # Errors
    /// The API's.
    async fn delete(cx: &Context, delete: &Delete<'_, Self::Spec>) -> Result<(), ApiError>;

    /// The recovery points of an object that are complete or on their way. A kind of which none can be made has none.
    ///
    /// # Errors
    /// The API's: nothing may be concluded then.
    async fn recovery_points(_: &Context, _: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        Ok(Vec::new())
    }

    /// Makes a recovery point of an object, or takes the unfinished one, and waits until it is complete. Kinds whose facts
    /// say [`crate::model::kind::Recovery::Point`] do it.
    ///
    /// # Errors
    /// The API's; `Invalid` if none can be made of the kind.
    async fn save(_: &Context, _: &Object, _: Option<&str>, _: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
        let message = format!("no recovery point can be made of kind {}", Self::NAME);
        Err(ApiError::new("save", ErrorClass::Invalid, message))
    }

    /// Sets and removes tags of an object.
    ///
    /// # Errors
    /// The API's.
    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError>;
}

/// A kind without its types, as [`super::Aws`] holds it.
#[async_trait]
pub trait Handler: Checker {
    /// Reads objects: the owned ones, and those to adopt.
    async fn read(&self, cx: &Context, request: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError>;
    /// Ids of the objects with these tags.
    async fn find(&self, cx: &Context, tags: &Tags) -> Result<Vec<String>, ApiError>;
    /// Creates.
    async fn create(&self, cx: &Context, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError>;
    /// Updates.
    async fn update(&self, cx: &Context, request: &UpdateRequest, watch: &dyn Watch) -> Result<Object, ApiError>;
    /// Deletes.
    async fn delete(&self, cx: &Context, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError>;
    /// The recovery points of an object.
    async fn recovery_points(&self, cx: &Context, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError>;
    /// Makes a recovery point, and waits for it.
    async fn save(&self, cx: &Context, request: &SaveRequest, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError>;
    /// Writes or removes the owner.
    async fn own(&self, cx: &Context, request: &OwnRequest) -> Result<(), ApiError>;
}

/// The handler of a kind.
pub struct Typed<K>(std::marker::PhantomData<fn() -> K>);

impl<K> Default for Typed<K> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

#[async_trait]
impl<K: AwsKind> Handler for Typed<K> {
    async fn read(&self, cx: &Context, request: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError> {
        let selection = Selection::Owned { project: request.project, environment: request.environment };
        let read = Read { selection, declared: Some(request.declared), deep: request.deep };
        let mut found = K::read(cx, &read).await?;
        if !request.adopt.is_empty() {
            for more in K::read(cx, &Read::whole(Selection::Ids(request.adopt))).await? {
                if !found.iter().any(|f| f.id == more.id) {
                    found.push(more);
                }
            }
        }
        found.into_iter().map(|f| object::<K>(cx, f)).collect()
    }

    async fn find(&self, cx: &Context, tags: &Tags) -> Result<Vec<String>, ApiError> {
        let read = Read { selection: Selection::Tagged(tags), declared: None, deep: false };
        Ok(K::read(cx, &read).await?.into_iter().map(|f| f.id).collect())
    }

    async fn create(&self, cx: &Context, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let spec: K::Spec = decode::<K, _>(&request.spec)?;
        let tags = all_tags(request);
        let want = Create {
            spec: &spec,
            name: &request.name,
            token: &request.token,
            tags: &tags,
            watch,
            resolved: &request.resolved,
        };
        let id = K::create(&cx.fresh(), &want).await?;
        read_back::<K>(cx, &id, watch).await
    }

    async fn update(&self, cx: &Context, request: &UpdateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let desired = &request.desired;
        let spec: K::Spec = decode::<K, _>(&desired.spec)?;
        let before: K::Spec = decode::<K, _>(&request.object.spec)?;
        let tags = all_tags(desired);
        let update = Update {
            want: Create {
                spec: &spec,
                name: &desired.name,
                token: &desired.token,
                tags: &tags,
                watch,
                resolved: &desired.resolved,
            },
            before: &before,
            id: &request.object.id,
            attributes: &request.object.attributes,
            changed: &request.changed,
        };
        if request.changed.iter().any(|field| field != "tags") {
            // What it names may have been made just now, in the same apply.
            K::update(&cx.fresh(), &update).await?;
        }
        // Last, so that the fingerprints tell of fields that really were written.
        let (set, remove) = tag_changes(&request.object, desired);
        if !set.is_empty() || !remove.is_empty() {
            K::retag(cx, &request.object, &set, &remove).await?;
        }
        read_back::<K>(cx, &request.object.id, watch).await
    }

    async fn delete(&self, cx: &Context, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError> {
        // Pages and indexes may show former tags: what was given away since stays.
        let ids = [request.object.id.clone()];
        let Some(there) = K::read(cx, &Read::brief(Selection::Ids(&ids))).await?.into_iter().next() else {
            return Ok(());
        };
        let whose = |owner: Option<&Owner>| owner.map(|o| (o.project.clone(), o.environment.clone()));
        if whose(request.object.owner.as_ref()) != whose(Owner::from_tags(&there.tags).as_ref()) {
            let message = format!("'{}' has got another owner since it was read", request.object.id);
            return Err(ApiError::new(format!("{}:Delete", K::facts().service), ErrorClass::Conflict, message));
        }
        let spec: K::Spec = decode::<K, _>(&request.object.spec)?;
        let delete = Delete { id: &request.object.id, spec: &spec, attributes: &request.object.attributes, watch };
        match K::delete(cx, &delete).await {
            // It may speak of something else that is gone, such as the other end of an attachment.
            Err(e) if e.class == ErrorClass::NotFound && !is_there::<K>(cx, &request.object.id).await? => Ok(()),
            other => other,
        }
    }

    async fn recovery_points(&self, cx: &Context, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        K::recovery_points(cx, object).await
    }

    async fn save(&self, cx: &Context, request: &SaveRequest, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
        K::save(cx, &request.object, request.unfinished.as_deref(), watch).await
    }

    async fn own(&self, cx: &Context, request: &OwnRequest) -> Result<(), ApiError> {
        let set = request.owner.as_ref().map(Owner::tags).unwrap_or_default();
        let old = request.object.owner.as_ref().map(Owner::tags).unwrap_or_default();
        let stays = |tag: &str| set.contains_key(tag) || !old.contains_key(tag);
        let remove: Vec<String> = ownership::ALL.into_iter().filter(|tag| !stays(tag)).map(str::to_owned).collect();
        K::retag(cx, &request.object, &set, &remove).await
    }
}

/// All tags of a new object; the user's `Name` wins over ours.
fn all_tags(request: &CreateRequest) -> Tags {
    let mut tags = BTreeMap::from([("Name".to_owned(), request.name.clone())]);
    tags.extend(request.tags.clone());
    tags.extend(user_tags(&request.spec));
    tags.extend(request.owner.tags());
    tags
}

fn user_tags(spec: &Value) -> Tags {
    spec.get("tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

fn tag_changes(object: &Object, desired: &CreateRequest) -> (Tags, Vec<String>) {
    let mut want = user_tags(&desired.spec);
    let declared = desired.spec.get("tags").is_some();
    want.extend(desired.owner.tags());
    let mut have = user_tags(&object.spec);
    if let Some(owner) = &object.owner {
        have.extend(owner.tags());
    }
    let set = want.iter().filter(|(k, v)| have.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let remove = have
        .keys()
        .filter(|k| !want.contains_key(*k) && (declared || k.starts_with(ownership::PREFIX)))
        .cloned()
        .collect();
    (set, remove)
}

/// Makes the creating call of a kind whose API takes no client token, with the clients of [`Context::once`], and gives the new
/// object's id.
///
/// If nobody knows what became of the call, or if what it makes is there already, the object with the owner's tags is looked
/// for: by its `name`, where that is the id, or by the tags. So neither a lost answer nor a former run that ended early makes
/// a second object, and what somebody else has made is left alone.
///
/// # Errors
/// The call's, if there is no such object.
pub async fn create_once<K: AwsKind>(
    cx: &Context,
    want: &Create<'_, K::Spec>,
    name: Option<&str>,
    call: impl Future<Output = Result<String, ApiError>> + Send,
) -> Result<String, ApiError> {
    let error = match call.await {
        Ok(id) => return Ok(id),
        Err(e) if e.class == ErrorClass::Unanswered || is_taken(&e) => e,
        Err(e) => return Err(e),
    };
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address, o.generation));
    let owner = whose(want.tags);
    let keys = [ownership::PROJECT, ownership::ENVIRONMENT, ownership::ADDRESS, ownership::GENERATION];
    let tags: Tags =
        want.tags.iter().filter(|(k, _)| keys.contains(&k.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    let ids: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let looks = AtomicU32::new(0);
    let most = if error.class == ErrorClass::Unanswered { u32::MAX } else { LOOKS };
    let look = || async {
        let number = looks.fetch_add(1, Ordering::Relaxed) + 1;
        let selection = if ids.is_empty() { Selection::Tagged(&tags) } else { Selection::Ids(&ids) };
        let found = K::read(cx, &Read::brief(selection)).await?;
        let ours = found.into_iter().find(|f| f.status != Status::Deleting && whose(&f.tags) == owner);
        if ours.is_none() && number >= most {
            return Err(ApiError::new("wait", ErrorClass::TimedOut, "not ours"));
        }
        Ok(Look::seen(ours.map(|f| f.id)))
    };
    match cx.wait(want.watch, &format!("{} {} to be seen", K::NAME, want.name), MADE_WITHIN, look).await {
        Err(e) if e.class == ErrorClass::TimedOut => Err(error),
        other => other,
    }
}

/// Whether an error says that what was to be made, or its name or place, is there already.
fn is_taken(error: &ApiError) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    const OTHERS: [&str; 7] = [
        "InvalidSubnet.Conflict",
        "BucketAlreadyOwnedByYou",
        "ResourceExistsException",
        "WAFDuplicateItemException",
        "DuplicateLoadBalancerName",
        "DuplicateTargetGroupName",
        "DuplicateListener",
    ];
    code.contains("AlreadyExists")
        || code.ends_with(".Duplicate")
        || OTHERS.contains(&code)
        // Topics have no code of their own for it.
        || (code == "InvalidParameter" && error.message.contains("already exists with different"))
        // A record, in a batch of changes.
        || (code == "InvalidChangeBatch" && error.message.contains("already exists"))
}

/// Whether an object can still be read, other than as one that is going.
async fn is_there<K: AwsKind>(cx: &Context, id: &str) -> Result<bool, ApiError> {
    let found = K::read(cx, &Read::brief(Selection::Ids(&[id.to_owned()]))).await?;
    Ok(found.iter().any(|f| f.status != Status::Deleting))
}

/// Reads an object right after it was written, once it is usable. The APIs are eventually consistent: a new object may not
/// be seen at once; and one that an interrupted run left may still be on its way.
async fn read_back<K: AwsKind>(cx: &Context, id: &str, watch: &dyn Watch) -> Result<Object, ApiError> {
    let ids = [id.to_owned()];
    let read = || async { Ok(K::read(cx, &Read::whole(Selection::Ids(&ids))).await?.into_iter().next()) };
    let seen = || async { Ok(Look::seen(read().await?)) };
    let found = cx.wait(watch, &format!("{} {id} to be seen", K::NAME), SEEN_WITHIN, seen).await?;
    let Status::Pending(_) = found.status else { return object::<K>(cx, found) };
    let usable = || async {
        Ok(match read().await? {
            None => Look::not(None),
            Some(Found { status: Status::Pending(word), .. }) => Look::Not(word),
            Some(found) => Look::Done(found),
        })
    };
    let found = cx.wait(watch, &format!("{} {id} to be usable", K::NAME), K::USABLE_WITHIN, usable).await?;
    if let Status::Failed(why) = &found.status {
        return Err(ApiError::new(K::NAME, ErrorClass::Other, format!("'{id}' never became usable: {why}")));
    }
    object::<K>(cx, found)
}

fn object<K: AwsKind>(cx: &Context, found: Found<K::Spec>) -> Result<Object, ApiError> {
    let mut spec = serde_json::to_value(&found.spec)
        .map_err(|e| ApiError::new(K::NAME, ErrorClass::Other, format!("can't encode what was read: {e}")))?;
    drop_nulls(&mut spec);
    let owner = Owner::from_tags(&found.tags);
    let name = owner
        .as_ref()
        .map(|o| physical_name(&o.project, &o.environment, &o.address, o.generation, K::facts().name_limit))
        .unwrap_or_default();
    if let Value::Object(map) = &mut spec
        && K::TAGGED
    {
        let tags = ownership::user_tags(&found.tags, &name);
        map.insert("tags".to_owned(), tags.into_iter().map(|(k, v)| (k, Value::String(v))).collect());
    }
    Ok(Object {
        kind: K::NAME.to_owned(),
        region: cx.region.clone(),
        id: found.id,
        identifiers: found.identifiers,
        owner,
        spec,
        attributes: found.attributes,
        status: found.status,
        unread: found.unread.into_iter().map(str::to_owned).collect(),
    })
}

fn decode<K: AwsKind, S: DeserializeOwned>(spec: &Value) -> Result<S, ApiError> {
    serde_json::from_value(spec.clone())
        .map_err(|e| ApiError::new(K::NAME, ErrorClass::Invalid, format!("the spec can't be decoded: {e}")))
}
