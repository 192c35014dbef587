//! The parts of `record`: where records stand, how they are read and written, their one form.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ChangeInfo, CidrRoutingConfig, Coordinates, GeoLocation,
    GeoProximityLocation, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover, ResourceRecordSetRegion,
    RrType,
};

use super::record::{AddressBlocks, Alias, Failover, Geolocation, Geoproximity, Routing, Spec, Type};
use super::{bare, check_name, names, registry, unbuilt};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref, Target};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{Create, Tags};

/// Records of one page.
const PAGE: i32 = 300;
/// Most records of one name and type.
const SETS: i32 = 100;
/// Most changes, values and characters of one batch, with some room: the API takes 1,000 values and 32,000 characters.
const BATCH: (usize, usize, usize) = (100, 900, 30_000);

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Id of the zone.
    pub zone: String,
    /// Type.
    pub kind: RrType,
    /// Name in its one form.
    pub name: String,
    /// Which of several.
    pub set: Option<String>,
}

impl Place {
    /// The record's id.
    pub fn id(&self) -> String {
        let name = self.name.replace('/', "\\057");
        let set = self.set.as_ref().map(|set| format!("/{set}")).unwrap_or_default();
        format!("{}/{}/{name}{set}", self.zone, self.kind.as_str())
    }

    /// From an id.
    pub fn parse(id: &str) -> Option<Self> {
        let mut parts = id.trim_start_matches("/hostedzone/").splitn(4, '/');
        let (zone, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            zone: zone.to_owned(),
            kind: RrType::from(kind.to_uppercase().as_str()),
            name: names::normal(name),
            set: parts.next().map(str::to_owned),
        })
    }

    fn of(zone: &str, set: &ResourceRecordSet) -> Self {
        Self {
            zone: zone.to_owned(),
            kind: set.r#type().clone(),
            name: names::normal(set.name()),
            set: set.set_identifier().map(str::to_owned),
        }
    }

    /// Name of the text record that says whose it is.
    pub fn registry(&self) -> String {
        registry::name(&self.name, &self.kind, self.set.as_deref())
    }
}

/// All records of a zone; none if the zone is gone.
pub(super) async fn all(cx: &Context, zone: &str) -> Result<Vec<ResourceRecordSet>, ApiError> {
    let mut all = Vec::new();
    let mut next = (None, None, None);
    loop {
        let (name, kind, set) = next;
        let request = cx
            .clients
            .route53
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_start_record_name(name)
            .set_start_record_type(kind)
            .set_start_record_identifier(set)
            .max_items(PAGE);
        let page = match cx.call("route53:ListResourceRecordSets", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound && all.is_empty() => return Ok(all),
            other => other?,
        };
        let more = page.is_truncated;
        next = (page.next_record_name, page.next_record_type, page.next_record_identifier);
        all.extend(page.resource_record_sets);
        if !more || next.0.is_none() {
            return Ok(all);
        }
    }
}

/// Records of a zone that have a text record beside them, with the tags that it stands for.
pub(super) fn owned<'a>(
    zone: &'a str,
    sets: &'a [ResourceRecordSet],
) -> impl Iterator<Item = (Place, &'a ResourceRecordSet, Tags)> {
    let whose: BTreeMap<String, Tags> =
        sets.iter().filter(|s| registry::is(s)).map(|s| (names::normal(s.name()), registry::owner(s))).collect();
    sets.iter().filter_map(move |set| {
        let place = Place::of(zone, set);
        let tags = whose.get(&place.registry())?.clone();
        Some((place, set, tags))
    })
}

/// The record at a place, by a call that shows the last change.
async fn exactly(cx: &Context, place: &Place) -> Result<Option<ResourceRecordSet>, ApiError> {
    let request = cx
        .clients
        .route53
        .list_resource_record_sets()
        .hosted_zone_id(&place.zone)
        .start_record_name(format!("{}.", place.name))
        .start_record_type(place.kind.clone())
        .max_items(SETS);
    match cx.call("route53:ListResourceRecordSets", request.send()).await {
        Ok(page) => Ok(page.resource_record_sets.into_iter().find(|set| Place::of(&place.zone, set) == *place)),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The text record of a record.
async fn beside(cx: &Context, place: &Place) -> Result<Option<ResourceRecordSet>, ApiError> {
    let text = Place { zone: place.zone.clone(), kind: RrType::Txt, name: place.registry(), set: None };
    exactly(cx, &text).await
}

/// The record at a place, with the tags that its text record stands for.
pub(super) async fn at(cx: &Context, place: &Place) -> Result<Option<(ResourceRecordSet, Tags)>, ApiError> {
    let Some(set) = exactly(cx, place).await? else { return Ok(None) };
    let tags = beside(cx, place).await?.as_ref().map(registry::owner).unwrap_or_default();
    Ok(Some((set, tags)))
}

/// Carries out changes, all or none.
pub(super) async fn change(
    cx: &Context,
    zone: &str,
    changes: Vec<(ChangeAction, ResourceRecordSet)>,
) -> Result<Option<ChangeInfo>, ApiError> {
    let mut batch = ChangeBatch::builder();
    for (action, set) in changes {
        batch = batch.changes(Change::builder().action(action).resource_record_set(set).build().map_err(unbuilt)?);
    }
    let batch = batch.build().map_err(unbuilt)?;
    let request = cx.clients.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    Ok(cx.call("route53:ChangeResourceRecordSets", request.send()).await?.change_info)
}

/// Whether an error says that what was to be made is there.
pub(super) fn is_there(error: &ApiError) -> bool {
    error.code.as_deref() == Some("InvalidChangeBatch") && error.message.contains("already exists")
}

/// Removes a record with its text record; of a zone's own name servers and its start only the latter, since they go
/// with the zone.
pub(super) async fn remove(cx: &Context, place: &Place) -> Result<(), ApiError> {
    let (set, text) = futures::try_join!(exactly(cx, place), beside(cx, place))?;
    let stays = match place.kind {
        RrType::Ns | RrType::Soa => {
            let request = cx.clients.route53.get_hosted_zone().id(&place.zone);
            let zone = cx.call("route53:GetHostedZone", request.send()).await?;
            zone.hosted_zone().is_some_and(|z| names::normal(z.name()) == place.name)
        }
        _ => false,
    };
    let gone =
        set.filter(|_| !stays).into_iter().chain(text).map(|set| (ChangeAction::Delete, set)).collect::<Vec<_>>();
    if gone.is_empty() {
        return Ok(());
    }
    match change(cx, &place.zone, gone).await {
        // The answer to the first call may have been lost.
        Err(e) if is_gone(&e) && exactly(cx, place).await?.is_none() && beside(cx, place).await?.is_none() => Ok(()),
        other => other.map(drop),
    }
}

/// Whether an error says that what was to be removed is not there, or not as it was.
pub(super) fn is_gone(error: &ApiError) -> bool {
    error.code.as_deref() == Some("InvalidChangeBatch") && error.message.contains("not found")
}

/// Removes records, in as few batches as the API takes.
pub(super) async fn remove_all(cx: &Context, zone: &str, sets: Vec<ResourceRecordSet>) -> Result<(), ApiError> {
    for batch in batches(sets) {
        change(cx, zone, batch.into_iter().map(|set| (ChangeAction::Delete, set)).collect()).await?;
    }
    Ok(())
}

fn batches(sets: Vec<ResourceRecordSet>) -> Vec<Vec<ResourceRecordSet>> {
    let (most, most_values, most_characters) = BATCH;
    let mut batches: Vec<Vec<ResourceRecordSet>> = Vec::new();
    let (mut values, mut characters) = (0, 0);
    for set in sets {
        let here = set.resource_records().len();
        let long: usize = set.resource_records().iter().map(|r| r.value().chars().count()).sum();
        let full = batches.last().is_none_or(|batch| batch.len() >= most);
        if full || values + here > most_values || characters + long > most_characters {
            batches.push(Vec::new());
            (values, characters) = (0, 0);
        }
        values += here;
        characters += long;
        if let Some(batch) = batches.last_mut() {
            batch.push(set);
        }
    }
    batches
}

/// Writes whose a record is; removes the text record if it is nobody's.
pub(super) async fn own(cx: &Context, place: &Place, tags: &Tags) -> Result<(), ApiError> {
    let (action, text) = if crate::model::ownership::Owner::from_tags(tags).is_some() {
        (ChangeAction::Upsert, registry::record_set(&place.registry(), tags)?)
    } else {
        let Some(text) = beside(cx, place).await? else { return Ok(()) };
        (ChangeAction::Delete, text)
    };
    change(cx, &place.zone, vec![(action, text)]).await.map(drop)
}

/// Whether a record goes with its zone: it was made with it.
pub(super) fn stays(zone_name: &str, set: &ResourceRecordSet) -> bool {
    matches!(set.r#type(), RrType::Ns | RrType::Soa) && names::normal(set.name()) == zone_name
}

/// Records of a zone other than those that it was made with, and text records that say whose others are.
pub(super) fn others<'a>(zone_name: &str, sets: &'a [ResourceRecordSet]) -> Vec<&'a ResourceRecordSet> {
    sets.iter().filter(|set| !stays(zone_name, set) && !registry::is(set)).collect()
}

/// A record's text for people: `www.example.com A`.
pub(super) fn words(set: &ResourceRecordSet) -> String {
    let which = set.set_identifier().map(|s| format!(" ({s})")).unwrap_or_default();
    format!("{} {}{which}", names::normal(set.name()), set.r#type().as_str())
}

/// A value in its one form.
pub(super) fn normal_value(kind: Type, value: &str) -> String {
    if is_unknown_text(value) {
        return value.to_owned();
    }
    match kind {
        Type::Txt | Type::Spf => value.to_owned(),
        Type::Cname | Type::Ns | Type::Ptr => names::normal(value),
        Type::Mx | Type::Srv => {
            let words: Vec<&str> = value.split_whitespace().collect();
            names::normal(&words.join(" "))
        }
        Type::A => value.trim().parse::<Ipv4Addr>().map_or_else(|_| value.trim().to_owned(), |a| a.to_string()),
        Type::Aaaa => value.trim().parse::<Ipv6Addr>().map_or_else(|_| value.trim().to_owned(), |a| a.to_string()),
        Type::Caa | Type::Ds | Type::Https | Type::Naptr | Type::Soa | Type::Sshfp | Type::Svcb | Type::Tlsa => {
            value.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }
}

/// What was read, as a spec; none if the type is new to us.
pub(super) fn spec(place: &Place, set: &ResourceRecordSet) -> Option<Spec> {
    let kind = Type::from_api(&place.kind)?;
    let texts = matches!(kind, Type::Txt | Type::Spf);
    let value = |r: &ResourceRecord| {
        let value = if texts { names::unquoted(r.value()) } else { r.value().to_owned() };
        normal_value(kind, &value)
    };
    let values: Vec<String> = set.resource_records().iter().map(value).collect();
    Some(Spec {
        zone: Ref::id(&place.zone),
        name: place.name.clone(),
        kind,
        ttl: set.ttl().and_then(|s| u64::try_from(s).ok()).map(Duration::from_seconds),
        values: (!values.is_empty()).then_some(values),
        alias: set.alias_target().map(alias),
        set: place.set.clone(),
        routing: place.set.is_some().then(|| routing(set)),
        health_check: set.health_check_id().filter(|id| !id.is_empty()).map(Ref::id),
    })
}

fn alias(target: &AliasTarget) -> Alias {
    let name = names::normal(target.dns_name());
    let balancer = name.contains(".elb.") && name.contains("amazonaws.com");
    Alias {
        load_balancer: balancer.then(|| Ref::id(name.strip_prefix("dualstack.").unwrap_or(&name))),
        name: Some(name.clone()),
        zone_id: Some(target.hosted_zone_id().to_owned()),
        evaluate_health: target.evaluate_target_health(),
    }
}

fn routing(set: &ResourceRecordSet) -> Routing {
    let text = |t: Option<&str>| t.filter(|t| !t.is_empty()).map(str::to_owned);
    Routing {
        weight: set.weight().and_then(|w| u8::try_from(w).ok()),
        failover: set.failover().and_then(|f| Failover::from_api(f.as_str())),
        latency: set.region().map(|r| r.as_str().to_owned()),
        geolocation: set.geo_location().map(|g| Geolocation {
            continent: text(g.continent_code()),
            country: text(g.country_code()),
            subdivision: text(g.subdivision_code()),
        }),
        geoproximity: set.geo_proximity_location().map(|g| Geoproximity {
            region: text(g.aws_region()),
            local_zone_group: text(g.local_zone_group()),
            latitude: g.coordinates().map(|c| c.latitude().to_owned()),
            longitude: g.coordinates().map(|c| c.longitude().to_owned()),
            bias: Some(g.bias().unwrap_or(0)),
        }),
        addresses: set.cidr_routing_config().map(|c| AddressBlocks {
            collection: c.collection_id().to_owned(),
            location: c.location_name().to_owned(),
        }),
        multivalue: set.multi_value_answer().filter(|on| *on),
    }
}

/// The whole record as it is to be. What is not declared stays as it was before.
pub(super) fn record_set(
    want: &Create<'_, Spec>,
    place: &Place,
    before: Option<&Spec>,
) -> Result<ResourceRecordSet, ApiError> {
    let spec = want.spec;
    let ttl = spec.ttl.as_ref().or_else(|| before.filter(|_| spec.alias.is_none())?.ttl.as_ref());
    let mut set = ResourceRecordSet::builder()
        .name(format!("{}.", place.name))
        .r#type(place.kind.clone())
        .set_set_identifier(place.set.clone())
        .set_ttl(ttl.and_then(|t| i64::try_from(t.seconds()).ok()));
    for value in spec.values.iter().flatten() {
        let texts = matches!(spec.kind, Type::Txt | Type::Spf);
        let value = if texts { names::quoted(value) } else { value.clone() };
        set = set.resource_records(ResourceRecord::builder().value(value).build().map_err(unbuilt)?);
    }
    if let Some(alias) = &spec.alias {
        set = set.alias_target(alias_target(want, place, alias)?);
    }
    let check = match (&spec.health_check, before.and_then(|b| b.health_check.as_ref())) {
        (Some(check), _) => Some(want.id(check)?),
        // One that is not known any more is about to go.
        (None, Some(check)) => want.id(check).ok(),
        (None, None) => None,
    };
    let routing = spec.routing.as_ref().or_else(|| before?.routing.as_ref());
    let set = match routing.filter(|_| place.set.is_some()) {
        Some(routing) => routed(set, routing)?,
        None => set,
    };
    set.set_health_check_id(check).build().map_err(unbuilt)
}

fn alias_target(want: &Create<'_, Spec>, place: &Place, alias: &Alias) -> Result<AliasTarget, ApiError> {
    let (name, zone) = match (&alias.load_balancer, &alias.name) {
        (Some(balancer), _) => {
            let known = want.attribute(balancer, "dns_name").zip(want.attribute(balancer, "zone_id"));
            known.ok_or_else(|| {
                let message = "name and zone of the load balancer are not known: give them as `name` and `zone_id`";
                ApiError::new("resolve", ErrorClass::Invalid, message)
            })?
        }
        (None, Some(name)) => (name.clone(), alias.zone_id.clone().unwrap_or_else(|| place.zone.clone())),
        (None, None) => return Err(ApiError::new("resolve", ErrorClass::Invalid, "the alias has no target")),
    };
    AliasTarget::builder()
        .dns_name(format!("{}.", names::normal(&name)))
        .hosted_zone_id(bare(&zone))
        .evaluate_target_health(alias.evaluate_health)
        .build()
        .map_err(unbuilt)
}

type Builder = aws_sdk_route53::types::builders::ResourceRecordSetBuilder;

fn routed(set: Builder, routing: &Routing) -> Result<Builder, ApiError> {
    let place = routing.geolocation.as_ref().map(|g| {
        GeoLocation::builder()
            .set_continent_code(g.continent.clone())
            .set_country_code(g.country.clone())
            .set_subdivision_code(g.subdivision.clone())
            .build()
    });
    let nearest = match &routing.geoproximity {
        Some(g) => {
            let coordinates = match (&g.latitude, &g.longitude) {
                (Some(latitude), Some(longitude)) => {
                    Some(Coordinates::builder().latitude(latitude).longitude(longitude).build().map_err(unbuilt)?)
                }
                _ => None,
            };
            let location = GeoProximityLocation::builder()
                .set_aws_region(g.region.clone())
                .set_local_zone_group(g.local_zone_group.clone())
                .set_coordinates(coordinates)
                .set_bias(g.bias);
            Some(location.build())
        }
        None => None,
    };
    let blocks = match &routing.addresses {
        Some(a) => {
            let config = CidrRoutingConfig::builder().collection_id(&a.collection).location_name(&a.location);
            Some(config.build().map_err(unbuilt)?)
        }
        None => None,
    };
    Ok(set
        .set_weight(routing.weight.map(i64::from))
        .set_failover(routing.failover.map(|f| ResourceRecordSetFailover::from(f.api())))
        .set_region(routing.latency.as_deref().map(ResourceRecordSetRegion::from))
        .set_geo_location(place)
        .set_geo_proximity_location(nearest)
        .set_cidr_routing_config(blocks)
        .set_multi_value_answer(routing.multivalue.filter(|on| *on)))
}

/// Rules over several fields.
pub(super) fn validate(spec: &Spec, problems: &mut Problems) {
    check_name("name", &spec.name, registry::LONGEST, problems);
    if spec.name.starts_with(registry::PREFIX) && spec.kind == Type::Txt {
        problems.add("name", "texts of this name say whose records are", "choose another name");
    }
    match (&spec.values, &spec.alias) {
        (None, None) => problems.add("values", "the record stands for nothing", "give `values` or `alias`"),
        (Some(_), Some(_)) => problems.add("alias", "an alias has no values", "leave one of the two out"),
        (Some(values), None) => check_values(spec, values, problems),
        (None, Some(alias)) => check_alias(spec, alias, problems),
    }
    match (&spec.set, &spec.routing) {
        (Some(_), None) => {
            problems.add("routing", "nothing says when this one of several is the answer", "give `routing`")
        }
        (None, Some(_)) => problems.add("set", "one of several records needs a name among them", "give `set`"),
        (Some(_), Some(routing)) => check_routing(spec, routing, problems),
        (None, None) => {}
    }
}

fn check_values(spec: &Spec, values: &[String], problems: &mut Problems) {
    if spec.ttl.is_none() {
        problems.add("ttl", "nothing says how long others may keep the values", "give `ttl`, such as 5m");
    }
    if spec.ttl.as_ref().is_some_and(|t| t.seconds() > i32::MAX.unsigned_abs().into()) {
        problems.add("ttl", "no name server keeps a record so long", "give 7d or less");
    }
    if spec.kind == Type::Cname && values.len() > 1 {
        problems.add("values", "a name stands for one other name only", "give one value, or a record for each `set`");
    }
    for (i, value) in values.iter().enumerate().filter(|(_, v)| !is_unknown_text(v)) {
        let path = format!("values.{i}");
        match spec.kind {
            Type::A if value.parse::<Ipv4Addr>().is_err() => {
                problems.add(path, format!("`{value}` is not an IPv4 address"), "a name is an `alias`, or a CNAME");
            }
            Type::Aaaa if value.parse::<Ipv6Addr>().is_err() => {
                problems.add(path, format!("`{value}` is not an IPv6 address"), "");
            }
            Type::Txt | Type::Spf if value.starts_with('"') => {
                problems.add(path, "the text has quotes around it", "write it without: they are put where they belong");
            }
            Type::Txt | Type::Spf if names::quoted(value).len() > 4000 => {
                problems.add(path, "the text is longer than 4,000 characters in the API's form", "shorten it");
            }
            Type::Cname | Type::Ns | Type::Ptr | Type::Mx | Type::Srv if !value.is_ascii() => {
                problems.add(
                    path,
                    format!("`{value}` has letters beyond ASCII"),
                    "write it in its ASCII form, `xn--…`",
                );
            }
            _ => {}
        }
    }
}

fn check_alias(spec: &Spec, alias: &Alias, problems: &mut Problems) {
    if spec.ttl.is_some() {
        problems.add("ttl", "others keep an alias as long as its target says", "leave `ttl` out");
    }
    match (&alias.load_balancer, &alias.name) {
        (None, None) => {
            problems.add("alias", "the alias has no target", "give `load_balancer`, or `name` and `zone_id`")
        }
        (Some(_), Some(_)) => problems.add("alias.name", "a load balancer has a name of its own", "leave `name` out"),
        (Some(balancer), None) if matches!(balancer.target(), Target::Id { .. } | Target::Tags { .. }) => {
            let help = "give its DNS name as `name` and its zone as `zone_id`";
            problems.add("alias.load_balancer", "only load balancers of the project are known", help);
        }
        (Some(_), None) => {}
        (None, Some(name)) => check_name("alias.name", name, 253, problems),
    }
    if alias.load_balancer.is_some() && alias.zone_id.is_some() {
        problems.add("alias.zone_id", "a load balancer has a zone of its own", "leave `zone_id` out");
    }
}

fn check_routing(spec: &Spec, routing: &Routing, problems: &mut Problems) {
    let given = [
        routing.weight.is_some(),
        routing.failover.is_some(),
        routing.latency.is_some(),
        routing.geolocation.is_some(),
        routing.geoproximity.is_some(),
        routing.addresses.is_some(),
        routing.multivalue == Some(true),
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        problems.add("routing", "a record is chosen in exactly one way", "give one of its fields");
    }
    let unchecked = spec.health_check.is_none() && spec.alias.is_none();
    if routing.failover == Some(Failover::Primary) && unchecked {
        let message = "nothing says when the first choice fails";
        problems.add("health_check", message, "give `health_check`, or an alias with `evaluate_health`");
    }
    if routing.multivalue == Some(true) && (spec.alias.is_some() || matches!(spec.kind, Type::Cname | Type::Ns)) {
        problems.add("routing.multivalue", "the API does not choose among such records by chance", "use `weight`");
    }
    if let Some(g) = &routing.geolocation {
        if g.continent.is_some() == g.country.is_some() {
            problems.add("routing.geolocation", "a place is a continent or a country", "give one of the two");
        }
        if g.subdivision.is_some() && g.country.is_none() {
            problems.add("routing.geolocation.subdivision", "only a country has parts", "give `country`");
        }
    }
    if let Some(g) = &routing.geoproximity {
        let places = [g.region.is_some(), g.local_zone_group.is_some(), g.latitude.is_some()];
        if places.iter().filter(|given| **given).count() != 1 || g.latitude.is_some() != g.longitude.is_some() {
            let help = "give `region`, `local_zone_group`, or `latitude` and `longitude`";
            problems.add("routing.geoproximity", "it is one place", help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_place_and_is_read_back() {
        for (id, name, set) in [
            ("Z1/A/www.example.com", "www.example.com", None),
            ("Z1/A/*.example.com", "*.example.com", None),
            ("Z1/PTR/0\\05725.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa", None),
            ("Z1/A/www.example.com/blue/green", "www.example.com", Some("blue/green")),
        ] {
            let place = Place::parse(id).unwrap();
            assert_eq!((place.name.as_str(), place.set.as_deref()), (name, set));
            assert_eq!(place.id(), id);
        }
        assert_eq!(Place::parse("/hostedzone/Z1/a/WWW.example.com.").unwrap().id(), "Z1/A/www.example.com");
        assert_eq!(Place::parse("Z1"), None);
    }

    #[test]
    fn values_have_one_form() {
        assert_eq!(normal_value(Type::Cname, "Target.Example.com."), "target.example.com");
        assert_eq!(normal_value(Type::Mx, "10   Mail.example.com."), "10 mail.example.com");
        assert_eq!(normal_value(Type::Aaaa, "2001:DB8:0::1"), "2001:db8::1");
        assert_eq!(normal_value(Type::Txt, "Keep  it."), "Keep  it.");
    }

    #[test]
    fn batches_keep_below_what_the_api_takes() {
        let set = |values: usize, length: usize| {
            let mut set = ResourceRecordSet::builder().name("a.").r#type(RrType::A);
            for _ in 0..values {
                set = set.resource_records(ResourceRecord::builder().value("x".repeat(length)).build().unwrap());
            }
            set.build().unwrap()
        };
        let shape = |sets: Vec<ResourceRecordSet>| batches(sets).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(shape(vec![set(1, 5); 250]), [100, 100, 50]);
        assert_eq!(shape(vec![set(400, 5); 3]), [2, 1]);
        assert_eq!(shape(vec![set(1, 4000); 10]), [7, 3]);
        assert_eq!(shape(vec![set(400, 200); 2]), [1, 1], "one record is never parted");
    }
}
