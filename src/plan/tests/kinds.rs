//! Four kinds: a network, its ranges, servers in them, and disks that hold data.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{Attribute, Facts, Kind, KindDef, Kinds, Permissions, Recovery, Replacement, Scope};
use crate::model::types::{Image, PolicyDocument, Ref};

const FACTS: Facts = Facts {
    title: "test",
    service: "test",
    reference: "",
    scope: Scope::Regional,
    data: None,
    replacement: Replacement::CreateFirst,
    serves: false,
    attributes: &[Attribute::stable("id", "id"), Attribute::changing("endpoint", "endpoint")],
    permissions: Permissions { read: &[], create: &[], update: &[], delete: &[] },
    name_limit: 0,
    creation_seconds: 1,
    deletion_seconds: 1,
    quota: 100_000,
    zone_field: None,
    loose_refs: &[],
};

pub struct Vpc;
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct VpcSpec {
    #[schemars(extend("x-change" = "replace"))]
    cidr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<f64>,
}
impl Kind for Vpc {
    const NAME: &'static str = "vpc";
    type Spec = VpcSpec;
    fn facts() -> Facts {
        Facts { replacement: Replacement::DeleteFirst, ..FACTS }
    }
}

pub struct Subnet;
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct SubnetSpec {
    #[schemars(extend("x-change" = "replace"))]
    vpc: Ref<Vpc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    cidr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    rules: Option<Vec<Rule>>,
}
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}
impl Kind for Subnet {
    const NAME: &'static str = "subnet";
    type Spec = SubnetSpec;
    fn facts() -> Facts {
        FACTS
    }
}

pub struct Server;
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct ServerSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subnet: Option<Ref<Subnet>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace", "x-fingerprint" = true))]
    image: Option<Image>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    size: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-fingerprint" = true, "x-text" = "text"))]
    user_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = true, "x-fingerprint" = true))]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peers: Option<Vec<Peer>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyDocument>,
}
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "/"))]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    limit: Option<u16>,
}
impl Kind for Server {
    const NAME: &'static str = "server";
    type Spec = ServerSpec;
    fn facts() -> Facts {
        Facts { serves: true, ..FACTS }
    }
}

pub struct Disk;
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct DiskSpec {
    #[schemars(extend("x-change" = "replace"))]
    zone: String,
}
impl Kind for Disk {
    const NAME: &'static str = "disk";
    type Spec = DiskSpec;
    fn facts() -> Facts {
        Facts { data: Some(Recovery::Point("copy")), ..FACTS }
    }
}

pub fn kinds() -> Kinds {
    Kinds::new([KindDef::of::<Vpc>(), KindDef::of::<Subnet>(), KindDef::of::<Server>(), KindDef::of::<Disk>()])
}
