//! Four small kinds, and a cloud in a temporary folder.

mod cloud;
mod commands;
mod failures;
mod places;
mod store;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Simulated;
use crate::model::Address;
use crate::model::cloud::{
    ApiError, Cloud as _, CreateRequest, DeleteRequest, Identified, ReadRequest, Unwatched, UpdateRequest,
};
use crate::model::environment::{Environment, Guards, Provider};
use crate::model::kind::{Attribute, Facts, Kind, KindDef, Kinds, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::ownership::Owner;
use crate::model::types::{Duration, Ref};

pub(super) const REGION: &str = "ap-northeast-1";
pub(super) const OTHER: &str = "ap-northeast-3";
pub(super) const ZONE: &str = "ap-northeast-1a";

/// A network: ids from the API, three to a region.
struct Net;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NetSpec {
    cidr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Rule>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    ports: String,
}

impl Kind for Net {
    const NAME: &'static str = "net";
    type Spec = NetSpec;
    fn facts() -> Facts {
        Facts { quota: 3, creation_seconds: 5, deletion_seconds: 2, ..facts("network") }
    }
    fn validate(spec: &NetSpec, problems: &mut Problems) {
        if spec.tier == Some(13) {
            problems.add("tier", "there is no tier 13", "take 12 or 14");
        }
    }
}

/// A disk in a zone of a network; it may be attached to others without keeping them.
struct Disk;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiskSpec {
    net: Ref<Net>,
    zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attached: Option<Vec<Ref<Net>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Ref<Disk>>,
}

impl Kind for Disk {
    const NAME: &'static str = "disk";
    type Spec = DiskSpec;
    fn facts() -> Facts {
        Facts {
            zone_field: Some("zone"),
            loose_refs: &["attached"],
            data: Some(Recovery::Point("copy")),
            ..facts("disk")
        }
    }
}

/// Something whose name is its id.
struct Bucket;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BucketSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = true))]
    password: Option<String>,
}

impl Kind for Bucket {
    const NAME: &'static str = "bucket";
    type Spec = BucketSpec;
    fn facts() -> Facts {
        Facts { name_limit: 64, ..facts("bucket") }
    }
}

/// Something of the whole account.
struct Role;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RoleSpec {}

impl Kind for Role {
    const NAME: &'static str = "role";
    type Spec = RoleSpec;
    fn facts() -> Facts {
        Facts { name_limit: 64, scope: Scope::Global, quota: 2, ..facts("role") }
    }
}

fn facts(title: &'static str) -> Facts {
    const NONE: &[&str] = &[];
    const ATTRIBUTES: &[Attribute] = &[
        Attribute::stable("id", "Id"),
        Attribute::stable("arn", "ARN"),
        Attribute::changing("latest_version", "Version"),
        Attribute::stable("private_ip", "Address"),
    ];
    Facts {
        title,
        service: "test",
        reference: "",
        scope: Scope::Regional,
        data: None,
        replacement: Replacement::CreateFirst,
        serves: false,
        attributes: ATTRIBUTES,
        permissions: Permissions { read: NONE, create: NONE, update: NONE, delete: NONE },
        name_limit: 0,
        creation_seconds: 0,
        deletion_seconds: 0,
        quota: 1_000_000,
        zone_field: None,
        loose_refs: &[],
    }
}

pub(super) fn kinds() -> Kinds {
    Kinds::new([KindDef::of::<Net>(), KindDef::of::<Disk>(), KindDef::of::<Bucket>(), KindDef::of::<Role>()])
}

/// A folder with a cloud.
pub(super) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("simulated/cloud.jsonl")
    }

    /// A handle of its own.
    pub fn open(&self) -> Simulated {
        self.with(json!({}))
    }

    pub fn with(&self, settings: Value) -> Simulated {
        self.try_with(settings).unwrap()
    }

    pub fn try_with(&self, settings: Value) -> Result<Simulated, super::Error> {
        Simulated::open(self.dir.path(), &environment(), &settings, kinds())
    }
}

pub(super) fn environment() -> Environment {
    Environment {
        name: "test".into(),
        project: "shop".into(),
        provider: Provider::Simulated,
        account: None,
        role: None,
        region: REGION.into(),
        zones: Vec::new(),
        regions: BTreeMap::from([("copies".into(), OTHER.into())]),
        tags: BTreeMap::new(),
        protect: false,
        guards: Guards::none(),
        time_zone: "UTC".into(),
        state: ".saiken".into(),
    }
}

/// A request to create `s/<name>`.
pub(super) fn request(kind: &str, name: &str, spec: Value) -> CreateRequest {
    CreateRequest {
        kind: kind.into(),
        region: REGION.into(),
        spec,
        owner: Owner {
            project: "shop".into(),
            environment: "test".into(),
            address: Address::parse(&format!("s/{name}")).unwrap(),
            generation: 1,
            fingerprints: BTreeMap::new(),
            protected: false,
        },
        tags: BTreeMap::new(),
        name: name.into(),
        token: format!("token-{kind}-{name}"),
        resolved: BTreeMap::new(),
    }
}

/// The same with a reference by address.
pub(super) fn referring(kind: &str, name: &str, spec: Value, to: &Object) -> CreateRequest {
    let mut request = request(kind, name, spec);
    let identified = Identified { id: to.id.clone(), attributes: to.attributes.clone() };
    request.resolved.insert(to.address().unwrap().clone(), identified);
    request
}

/// Short forms of the calls.
impl Simulated {
    pub(super) async fn add(&self, request: &CreateRequest) -> Result<Object, ApiError> {
        self.create(request, &Unwatched).await
    }

    pub(super) async fn net(&self, name: &str) -> Object {
        self.add(&request("net", name, json!({"cidr": "10.0.0.0/16"}))).await.unwrap()
    }

    pub(super) async fn disk(&self, name: &str, net: &Object) -> Object {
        self.add(&request("disk", name, json!({"net": {"id": net.id}, "zone": ZONE}))).await.unwrap()
    }

    pub(super) async fn discard(&self, object: &Object) -> Result<(), ApiError> {
        self.delete(&DeleteRequest { object: object.clone() }, &Unwatched).await
    }

    pub(super) async fn change(&self, object: &Object, field: &str, value: Value) -> Result<Object, ApiError> {
        let mut desired = request(&object.kind, object.address().unwrap().local(), object.spec.clone());
        desired.region.clone_from(&object.region);
        desired.spec[field] = value;
        let changed = BTreeSet::from([field.to_owned()]);
        self.update(&UpdateRequest { desired, object: object.clone(), changed }, &Unwatched).await
    }

    pub(super) async fn try_read(&self, kind: &str, region: &str, adopt: &[String]) -> Result<Vec<Object>, ApiError> {
        let declared = BTreeMap::new();
        let request =
            ReadRequest { kind, region, project: "shop", environment: "test", adopt, declared: &declared, deep: false };
        self.read_batch(&request).await
    }

    pub(super) async fn reads(&self, kind: &str) -> Vec<Object> {
        self.try_read(kind, REGION, &[]).await.unwrap()
    }
}
