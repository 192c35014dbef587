//! `record`: what a name stands for.
//!
//! Its id is `ZONE/TYPE/NAME`, or `ZONE/TYPE/NAME/SET` for one of several records of a name. Zone, name, type and set
//! make a new record necessary; all else is written over. Records have no tags: a text record beside each says whose
//! it is (see the module `registry`), written in the same batch, so a crash leaves both or none. **What is there
//! already is never written over**: the creating call fails for it, and the check before the first write names it,
//! until it is adopted (`adopt: ZONE/TYPE/NAME`), which writes the text record. A text record whose record somebody
//! removed by hand is taken over by the next record of that name, and goes with the zone.
//!
//! Reading costs one call for each 100 zones of the account and one for each 300 records of each zone that holds more
//! than the two it was made with, whoever owns the zone: nothing else tells where our records are. Four zones are
//! read at once, three calls a second.
//!
//! A load balancer's records refer to it by [`LoadBalancer`]; what was read refers to it by its DNS name, which must
//! be among its identifiers in lower case. Names beyond ASCII are written in Punycode; texts may hold any letters. A
//! name that gets its first or last set, or that becomes or was a CNAME, needs `lifecycle.replacement: delete_first`:
//! the API keeps no other record beside those.
//! API: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>

use async_trait::async_trait;
use aws_sdk_route53::types::{ChangeAction, ResourceRecordSet, RrType};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::health_check::HealthCheck;
use super::record_parts::{self as parts, Place};
use super::zone::Zone;
use super::{AT_ONCE, bare, in_force, names, registry, zones};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::elb::load_balancer::LoadBalancer;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};
use crate::providers::aws::words::words;

/// The kind `record`.
pub struct Record;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Spec")]
pub struct Spec {
    /// Zone that holds it.
    #[schemars(extend("x-change" = "replace"))]
    pub zone: Ref<Zone>,
    /// Whole name, such as `www.example.com`, or `*.example.com` for all that have no record of their own; up to 220
    /// characters.
    #[schemars(extend("x-change" = "replace"))]
    pub name: String,
    /// Type: `A`, `CNAME`, `TXT`…
    #[serde(rename = "type")]
    #[schemars(extend("x-change" = "replace"))]
    pub kind: Type,
    /// How long others may keep it, up to 2,147,483,647 seconds; not for an alias, which has its target's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Values in the form of the type, up to 400: `192.0.2.1`, `10 mail.example.com`. Texts are written without
    /// quotes, of any length up to 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 400), extend("x-unordered" = true))]
    pub values: Option<Vec<String>>,
    /// In place of values: the name of a load balancer, of another record or of a service of AWS, looked up by the
    /// name servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// Which of several records of this name and type it is; 128 characters at most. All of them have one, and the
    /// same sort of routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), extend("x-change" = "replace"))]
    pub set: Option<String>,
    /// When this one of several is the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
    /// Check that must succeed for it to be an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<Ref<HealthCheck>>,
}

/// A name that is looked up in place of a value: a load balancer, or else a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// Load balancer of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<Ref<LoadBalancer>>,
    /// Any other name: `d111111abcdef8.cloudfront.net`, or that of a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Id of the zone that holds that name, as the service documents it; the record's own zone if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<String>,
    /// Whether it is no answer while what it stands for is not healthy; not possible for some services.
    #[serde(default)]
    pub evaluate_health: bool,
}

/// When one of several records is the answer: exactly one of these.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// Its share among the weights of all, 0 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
    /// The first choice, or the one that stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// For those whose way to this region of AWS is the shortest in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// For those who are at this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geolocation: Option<Geolocation>,
    /// For those to whom this place is the nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geoproximity: Option<Geoproximity>,
    /// For those whose address is in a block of a collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressBlocks>,
    /// Up to eight healthy ones of all, by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multivalue: Option<bool>,
}

words! {
    /// Which record stands in for which.
    Failover {
        /// The first choice, while it is healthy.
        Primary = "PRIMARY",
        /// The one that stands in.
        Secondary = "SECONDARY",
    }
}

/// A place: a continent or a country.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Geolocation {
    /// `AF`, `AN`, `AS`, `EU`, `OC`, `NA` or `SA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Z]{2}$"))]
    pub continent: Option<String>,
    /// Two letters, such as `JP`; `*` for all places without a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([A-Z]{2}|\*)$"))]
    pub country: Option<String>,
    /// Part of a country, such as `CA` of `US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdivision: Option<String>,
}

/// A place: a region, a local zone, or coordinates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Geoproximity {
    /// Region of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Group of local zones, such as `us-west-2-lax-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_zone_group: Option<String>,
    /// Degrees north, with two decimals at most: `35.68`; with `longitude`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^-?[0-9]{1,2}(\.[0-9]{1,2})?$"))]
    pub latitude: Option<String>,
    /// Degrees east, with two decimals at most: `139.77`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^-?[0-9]{1,3}(\.[0-9]{1,2})?$"))]
    pub longitude: Option<String>,
    /// How much larger or smaller its surroundings are made, -99 to 99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -99, max = 99))]
    pub bias: Option<i32>,
}

/// A location of a collection of address blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressBlocks {
    /// Id of the collection.
    pub collection: String,
    /// Name of the location; `*` for all others.
    pub location: String,
}

/// Declares the types of records, by the names that everybody knows them by.
macro_rules! types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// Type of a record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum Type {
            $($(#[$doc])* #[serde(rename = $name)] $variant),+
        }

        impl Type {
            /// The API's word.
            pub(super) fn api(self) -> RrType {
                RrType::from(match self { $(Self::$variant => $name),+ })
            }

            /// From the API's word; none if it is new to us.
            pub(super) fn from_api(kind: &RrType) -> Option<Self> {
                match kind.as_str() {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

types! {
    /// IPv4 address.
    A = "A",
    /// IPv6 address.
    Aaaa = "AAAA",
    /// Who may issue certificates: `0 issue "amazon.com"`.
    Caa = "CAA",
    /// Another name, which all lookups go on with.
    Cname = "CNAME",
    /// Key of a signed zone below.
    Ds = "DS",
    /// How a web service is reached.
    Https = "HTTPS",
    /// Mail server: `10 mail.example.com`.
    Mx = "MX",
    /// Rewriting of telephone numbers and the like.
    Naptr = "NAPTR",
    /// Name server of a zone below.
    Ns = "NS",
    /// Name of an address.
    Ptr = "PTR",
    /// The zone itself; it can be adopted, not made.
    Soa = "SOA",
    /// Who may send mail, in an old form; `TXT` has taken its place.
    Spf = "SPF",
    /// Service with priority, weight, port and name.
    Srv = "SRV",
    /// Fingerprint of a key of SSH.
    Sshfp = "SSHFP",
    /// How a service is reached.
    Svcb = "SVCB",
    /// Certificate of a service.
    Tlsa = "TLSA",
    /// Text.
    Txt = "TXT",
}

impl Spec {
    /// Names and values in their one form.
    fn canonical(mut self) -> Self {
        self.name = names::normal(&self.name);
        for value in self.values.iter_mut().flatten() {
            *value = parts::normal_value(self.kind, value);
        }
        if let Some(name) = self.alias.as_mut().and_then(|a| a.name.as_mut()) {
            *name = names::normal(name);
        }
        self
    }
}

impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer).map(Self::canonical)
    }
}

impl Kind for Record {
    const NAME: &'static str = "record";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "record of a zone",
            service: "route53",
            reference: "https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html",
            scope: Scope::Global,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "`ZONE/TYPE/NAME`, with `/SET` for one of several"),
                    Attribute::stable("name", "Whole name"),
                    Attribute::stable("zone_id", "Id of its zone"),
                ]
            },
            permissions: Permissions {
                read: &["route53:ListHostedZones", "route53:ListResourceRecordSets"],
                create: &["route53:ChangeResourceRecordSets", "route53:GetChange"],
                update: &["route53:ChangeResourceRecordSets", "route53:GetChange"],
                delete: &[
                    "route53:ChangeResourceRecordSets",
                    "route53:GetHostedZone",
                    "route53:ListResourceRecordSets",
                ],
            },
            name_limit: 0,
            creation_seconds: 40,
            deletion_seconds: 2,
            quota: 10_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        parts::validate(spec, problems);
    }
}

/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>
static RECORDS: Quota = Quota::new("route53", "L-E209CC9F", "Records per hosted zone");

#[async_trait]
impl Checked for Record {
    fn needs() -> Needs {
        Needs {
            resource: "hostedzone/*",
            only_for: &[
                ("route53:GetChange", &[]),
                ("route53:GetHostedZone", &[]),
                ("route53:ListResourceRecordSets", &[]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        // Itself, and the text record beside it.
        let zone = view.place("zone").map(|zone| zone.trim_start_matches("/hostedzone/"));
        zone.map(|zone| Use { amount: 2, ..Use::of(&RECORDS, zone) }).into_iter().collect()
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let uses = zones(cx).await?.into_iter().map(|zone| Use {
            amount: zone.resource_record_set_count().and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            ..Use::of(&RECORDS, bare(zone.id()))
        });
        Ok(Some(Tally::of(uses.collect::<Vec<_>>())))
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        let (Some(zone), Some(kind), Some(name)) = (view.place("zone"), view.text("type"), view.text("name")) else {
            return Vec::new();
        };
        let set = view.text("set").map(str::to_owned);
        let place = Place { zone: String::new(), kind: RrType::from(kind), name: name.to_owned(), set };
        let scope = zone.trim_start_matches("/hostedzone/").to_owned();
        vec![Name { scope, name: place.id().trim_start_matches('/').to_owned() }]
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for name in names {
            // A zone that is still to be made has an address, and holds nothing.
            let place = Place::parse(&format!("{}/{}", name.scope, name.name)).filter(|_| !name.scope.contains('/'));
            let there = match place {
                Some(place) => parts::at(cx, &place).await?.map(|(_, tags)| (place, tags)),
                None => None,
            };
            if let Some((place, tags)) = there {
                holders.push(Holder { name: name.clone(), id: place.id(), owner: Owner::from_tags(&tags) });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for Record {
    const TAGGED: bool = false;

    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(ids) = &read.selection {
            let mut out = Vec::new();
            for place in ids.iter().filter_map(|id| Place::parse(id)) {
                if let Some((set, tags)) = parts::at(cx, &place).await? {
                    out.extend(found(&place, &set, tags));
                }
            }
            return Ok(out);
        }
        // Zones of other services are not ours to write into; one with two records has only those that it was made
        // with.
        let zones = zones(cx).await?.into_iter().filter(|zone| {
            zone.linked_service().is_none() && zone.resource_record_set_count().is_none_or(|count| count > 2)
        });
        let zones: Vec<String> = zones.map(|zone| bare(zone.id()).to_owned()).collect();
        let each: Vec<(String, Vec<ResourceRecordSet>)> = stream::iter(zones)
            .map(|zone| async move { parts::all(cx, &zone).await.map(|sets| (zone, sets)) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let owned = each.iter().flat_map(|(zone, sets)| parts::owned(zone, sets));
        let selected = owned.filter(|(place, _, tags)| read.selection.matches(&place.id(), tags));
        Ok(selected.filter_map(|(place, set, tags)| found(&place, set, tags)).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let place = place(want)?;
        let set = parts::record_set(want, &place, None)?;
        let beside = registry::record_set(&place.registry(), want.tags)?;
        let once = cx.once();
        let mut change = None;
        let id = place.id();
        let call = async {
            let both = vec![(ChangeAction::Create, set), (ChangeAction::Upsert, beside)];
            change = parts::change(&once, &place.zone, both).await?;
            Ok(id.clone())
        };
        let made = create_once::<Self>(cx, want, Some(&id), call).await;
        let id = made.map_err(|e| if parts::is_there(&e) { foreign(e, &id) } else { e })?;
        in_force(cx, change.as_ref(), &place.name, want.watch).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let place = place(&update.want)?;
        let set = parts::record_set(&update.want, &place, Some(update.before))?;
        let change = parts::change(cx, &place.zone, vec![(ChangeAction::Upsert, set)]).await?;
        in_force(cx, change.as_ref(), &place.name, update.want.watch).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let Some(place) = Place::parse(delete.id) else { return Ok(()) };
        parts::remove(cx, &place).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let Some(place) = Place::parse(&object.id) else { return Ok(()) };
        let mut tags = object.owner.as_ref().map(Owner::tags).unwrap_or_default();
        tags.extend(set.clone());
        tags.retain(|tag, _| !remove.contains(tag));
        parts::own(cx, &place, &tags).await
    }
}

/// Where a record is to stand.
fn place(want: &Create<'_, Spec>) -> Result<Place, ApiError> {
    let spec = want.spec;
    let zone = bare(&want.id(&spec.zone)?).to_owned();
    Ok(Place { zone, kind: spec.kind.api(), name: spec.name.clone(), set: spec.set.clone() })
}

fn foreign(error: ApiError, id: &str) -> ApiError {
    let message = format!(
        "'{id}' is there already, and saiken did not make it for this address: remove it, or take it over with \
         `adopt: {id}`"
    );
    ApiError { class: ErrorClass::Conflict, message, ..error }
}

/// A record; none if its type is new to us.
fn found(place: &Place, set: &ResourceRecordSet, tags: Tags) -> Option<Found<Spec>> {
    Some(Found {
        identifiers: Vec::new(),
        attributes: attributes([
            ("id", json!(place.id())),
            ("name", json!(place.name)),
            ("zone_id", json!(place.zone)),
        ]),
        spec: parts::spec(place, set)?,
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: place.id(),
    })
}

#[cfg(test)]
mod tests;
