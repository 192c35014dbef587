//! `elastic_ip`: a public IPv4 address of one's own.
//!
//! A NAT gateway or a balancer that uses it refers to it; a server or network interface is named here, since it can change
//! while the address stays. A change of address, pool or border group makes a new address necessary. An address that was
//! released rarely comes back, so releasing it counts as serving. The reverse name has a page of its own, read where it is
//! declared; setting it needs a forward record that leads to the address, and takes minutes.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Address as ApiAddress, AddressAttributeName, DomainType, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::instance::Instance;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};

/// Longest time until a reverse name is in force.
const NAMED_WITHIN: Duration = Duration::from_secs(900);

/// The kind `elastic_ip`.
pub struct ElasticIp;

/// A public IPv4 address of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Pool of one's own addresses that it is taken from; Amazon's if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub pool: Option<String>,
    /// Group of zones that it is announced from, such as `ap-northeast-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub border_group: Option<String>,
    /// Which address of the pool: one of one's own range, or one that was released by mistake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub address: Option<String>,
    /// Server that has it; either this or `network_interface`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub instance: Option<Ref<Instance>>,
    /// Id of the network interface that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub network_interface: Option<String>,
    /// Which private address of the server or network interface it leads to; the first if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub private_ip: Option<String>,
    /// Name that its reverse lookup gives, such as `mail.example.com`; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub reverse_dns: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for ElasticIp {
    const NAME: &'static str = "elastic_ip";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "public address",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Allocation id, eipalloc-…"),
                    Attribute::stable("public_ip", "The address"),
                    Attribute::changing("association_id", "Id of its association, eipassoc-…"),
                    Attribute::stable("border_group", "Group of zones that it is announced from"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeAddresses", "ec2:DescribeAddressesAttribute"],
                create: &[
                    "ec2:AllocateAddress",
                    "ec2:CreateTags",
                    "ec2:AssociateAddress",
                    "ec2:ModifyAddressAttribute",
                ],
                update: &[
                    "ec2:AssociateAddress",
                    "ec2:ModifyAddressAttribute",
                    "ec2:ResetAddressAttribute",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DisassociateAddress", "ec2:ReleaseAddress"],
            },
            name_limit: 0,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 5,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.instance.is_some() && spec.network_interface.is_some() {
            problems.add("network_interface", "one thing has the address", "keep one of `instance` and this");
        }
        if spec.private_ip.is_some() && spec.instance.is_none() && spec.network_interface.is_none() {
            problems.add("private_ip", "nothing has the address", "add `instance` or `network_interface`");
        }
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static ADDRESSES: Quota = Quota::new("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs");

#[async_trait]
impl Checked for ElasticIp {
    fn needs() -> Needs {
        Needs {
            resource: "elastic-ip/*",
            only_for: &[
                ("ec2:AssociateAddress", &["instance", "network_interface", "private_ip"]),
                ("ec2:DisassociateAddress", &["instance", "network_interface"]),
                ("ec2:ModifyAddressAttribute", &["reverse_dns"]),
                ("ec2:ResetAddressAttribute", &["reverse_dns"]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        // Addresses of a pool of one's own are not Amazon's.
        if view.asks("pool") { Vec::new() } else { vec![Use::one(&ADDRESSES)] }
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let answer = cx.call("ec2:DescribeAddresses", cx.ec2().describe_addresses().send()).await?;
        let amazons = answer.addresses().iter().filter(|a| a.public_ipv4_pool().is_none_or(|pool| pool == "amazon"));
        Ok(Some(Tally::of(amazons.map(|_| Use::one(&ADDRESSES)))))
    }
}

#[async_trait]
impl AwsKind for ElasticIp {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "allocation-id");
        // This API has no pages: one answer holds all.
        let request = cx.ec2().describe_addresses().set_filters(Some(filters));
        let answer = cx.call("ec2:DescribeAddresses", request.send()).await?;
        let wants = |a: &&ApiAddress| read.wants("reverse_dns", &from_tags(a.tags()));
        let ids: Vec<String> =
            answer.addresses().iter().filter(wants).filter_map(|a| a.allocation_id()).map(str::to_owned).collect();
        let names = reverse_names(cx, ids).await?;
        Ok(answer.addresses().iter().map(|a| found(a, wants(&a).then_some(&names))).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let once = cx.once();
        let request = once
            .ec2()
            .allocate_address()
            .domain(DomainType::Vpc)
            .set_public_ipv4_pool(want.spec.pool.clone())
            .set_network_border_group(want.spec.border_group.clone())
            .set_address(want.spec.address.clone())
            .tag_specifications(tag_specification(ResourceType::ElasticIp, want.tags));
        let call = async {
            let answer = once.call("ec2:AllocateAddress", request.send()).await?;
            Ok(answer.allocation_id().unwrap_or_default().to_owned())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        associate(cx, &id, want).await?;
        if let Some(name) = want.spec.reverse_dns.as_deref().filter(|n| !n.is_empty()) {
            set_reverse(cx, &id, name, want.watch).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        if ["instance", "network_interface", "private_ip"].iter().any(|field| update.changed(field)) {
            associate(cx, update.id, &update.want).await?;
        }
        if let Some(name) = update.want.spec.reverse_dns.as_ref().filter(|_| update.changed("reverse_dns")) {
            set_reverse(cx, update.id, name, update.want.watch).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let ids = [delete.id.to_owned()];
        let request = cx.ec2().describe_addresses().set_filters(Some(filters(&Selection::Ids(&ids), "allocation-id")));
        let answer = cx.call("ec2:DescribeAddresses", request.send()).await?;
        // What a NAT gateway or a balancer has, the API does not let go: it says so.
        if let Some(association) = answer.addresses().first().and_then(|a| text(a.association_id())) {
            let request = cx.ec2().disassociate_address().association_id(association);
            match cx.call("ec2:DisassociateAddress", request.send()).await {
                Err(e) if e.class == ErrorClass::NotFound => {}
                other => {
                    other?;
                }
            }
        }
        let request = cx.ec2().release_address().allocation_id(delete.id);
        cx.call("ec2:ReleaseAddress", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// A text that is there: some answers hold empty ones.
fn text(api: Option<&str>) -> Option<String> {
    api.filter(|t| !t.is_empty()).map(str::to_owned)
}

/// Gives the address to what is declared to have it, whoever has it now.
async fn associate(cx: &Context, id: &str, want: &Create<'_, Spec>) -> Result<(), ApiError> {
    let spec = want.spec;
    if spec.instance.is_none() && spec.network_interface.is_none() {
        return Ok(());
    }
    let request = cx
        .ec2()
        .associate_address()
        .allocation_id(id)
        .set_instance_id(spec.instance.as_ref().map(|i| want.id(i)).transpose()?)
        .set_network_interface_id(spec.network_interface.clone())
        .set_private_ip_address(spec.private_ip.clone())
        .allow_reassociation(true);
    cx.call("ec2:AssociateAddress", request.send()).await.map(|_| ())
}

/// Reverse names by allocation id: a page for all. The API writes them with a dot at the end.
async fn reverse_names(cx: &Context, ids: Vec<String>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut names = BTreeMap::new();
    for ids in ids.chunks(500) {
        let request = cx
            .ec2()
            .describe_addresses_attribute()
            .set_allocation_ids(Some(ids.to_vec()))
            .attribute(AddressAttributeName::DomainName);
        let pages = cx.pages("ec2:DescribeAddressesAttribute", request.into_paginator().send()).await?;
        for address in pages.iter().flat_map(|p| p.addresses()) {
            let pending = address.ptr_record_update().filter(|u| u.status() == Some("PENDING")).and_then(|u| u.value());
            let name = pending.or(address.ptr_record()).unwrap_or_default().trim_end_matches('.');
            names.insert(address.allocation_id().unwrap_or_default().to_owned(), name.to_owned());
        }
    }
    Ok(names)
}

/// Sets the reverse name, and waits until the API made it, since it fails without a forward record.
async fn set_reverse(cx: &Context, id: &str, name: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    if name.is_empty() {
        let request = cx.ec2().reset_address_attribute().allocation_id(id).attribute(AddressAttributeName::DomainName);
        cx.call("ec2:ResetAddressAttribute", request.send()).await?;
    } else {
        let request = cx.ec2().modify_address_attribute().allocation_id(id).domain_name(name);
        cx.call("ec2:ModifyAddressAttribute", request.send()).await?;
    }
    cx.wait(watch, &format!("the reverse name of {id}"), NAMED_WITHIN, || async {
        let request =
            cx.ec2().describe_addresses_attribute().allocation_ids(id).attribute(AddressAttributeName::DomainName);
        let answer = cx.call("ec2:DescribeAddressesAttribute", request.send()).await?;
        let address = answer.addresses().first();
        let update = address.and_then(|a| a.ptr_record_update());
        match update.and_then(|u| u.status()) {
            Some("FAILED") => {
                let why = update.and_then(|u| u.reason()).unwrap_or("no reason given");
                let message = format!("the reverse name was refused: {why}");
                Err(ApiError::new("ec2:ModifyAddressAttribute", ErrorClass::Invalid, message))
            }
            Some("PENDING") => Ok(Look::not(Some("PENDING"))),
            _ => Ok(Look::Done(())),
        }
    })
    .await
}

fn found(address: &ApiAddress, names: Option<&BTreeMap<String, String>>) -> Found<Spec> {
    let id = address.allocation_id().unwrap_or_default().to_owned();
    let reverse_dns = names.map(|names| names.get(&id).cloned().unwrap_or_default());
    Found {
        identifiers: address.public_ip().map(str::to_owned).into_iter().collect(),
        attributes: attributes([
            ("id", json!(id)),
            ("public_ip", json!(address.public_ip())),
            ("association_id", json!(text(address.association_id()))),
            ("border_group", json!(address.network_border_group())),
        ]),
        spec: Spec {
            pool: address.public_ipv4_pool().filter(|p| *p != "amazon").map(str::to_owned),
            border_group: address.network_border_group().map(str::to_owned),
            address: address.public_ip().map(str::to_owned),
            instance: text(address.instance_id()).map(Ref::id),
            network_interface: text(address.network_interface_id()),
            private_ip: text(address.private_ip_address()),
            reverse_dns: reverse_dns.clone(),
            tags: None,
        },
        status: Status::Ready,
        tags: from_tags(address.tags()),
        unread: if reverse_dns.is_some() { Vec::new() } else { vec!["reverse_dns"] },
        id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::Script;

    fn addresses(instance: &str) -> String {
        format!(
            "<addressesSet><item><allocationId>eipalloc-1</allocationId><publicIp>198.51.100.1</publicIp>\
             <instanceId>{instance}</instanceId><associationId>eipassoc-1</associationId>\
             <privateIpAddress>10.0.0.5</privateIpAddress></item></addressesSet>"
        )
    }

    fn reverse(record: &str, status: &str, wanted: &str) -> String {
        format!(
            "<addressSet><item><allocationId>eipalloc-1</allocationId><ptrRecord>{record}</ptrRecord><ptrRecordUpdate>\
             <value>{wanted}</value><status>{status}</status><reason>no forward record</reason></ptrRecordUpdate></item>\
             </addressSet>"
        )
    }

    fn script() -> Script {
        Script::default()
            .ec2("DescribeAddresses", &addresses("i-2"))
            .ec2("AssociateAddress", "")
            .ec2("DisassociateAddress", "")
            .ec2("ModifyAddressAttribute", "")
            .ec2("ResetAddressAttribute", "")
            .ec2("ReleaseAddress", "")
    }

    fn with(field: &str, value: Value) -> Value {
        json!({field: value})
    }

    #[tokio::test]
    async fn the_reverse_name_is_waited_for_and_read_back_without_its_dot() {
        let script = script()
            .ec2("DescribeAddressesAttribute", &reverse("", "PENDING", "mail.example.com."))
            .ec2("DescribeAddressesAttribute", &reverse("mail.example.com.", "", ""));
        let to = with("reverse_dns", json!("mail.example.com"));
        let object = script.update::<ElasticIp>("eipalloc-1", json!({}), to).await.unwrap();
        assert!(script.asked("ModifyAddressAttribute").join("").contains("DomainName=mail.example.com"));
        assert_eq!(object.spec["reverse_dns"], "mail.example.com");

        script
            .update::<ElasticIp>("eipalloc-1", with("reverse_dns", json!("x")), with("reverse_dns", json!("")))
            .await
            .unwrap();
        assert_eq!(script.asked("ResetAddressAttribute").len(), 1);
    }

    #[tokio::test]
    async fn a_reverse_name_that_is_refused_says_why() {
        let script = script().ec2("DescribeAddressesAttribute", &reverse("", "FAILED", "x."));
        let error = script.update::<ElasticIp>("e", json!({}), with("reverse_dns", json!("x"))).await.unwrap_err();
        assert_eq!(error.message, "the reverse name was refused: no forward record");
    }

    #[tokio::test]
    async fn an_address_moves_in_one_call_and_leaves_a_server_before_it_is_released() {
        let script = script().ec2("DescribeAddressesAttribute", "");
        let to = json!({"instance": {"id": "i-2"}, "private_ip": "10.0.0.5"});
        let object =
            script.update::<ElasticIp>("eipalloc-1", with("instance", json!({"id": "i-1"})), to).await.unwrap();
        let asked = script.asked("AssociateAddress").join("");
        for part in ["InstanceId=i-2", "PrivateIpAddress=10.0.0.5", "AllowReassociation=true"] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
        assert_eq!(object.spec["private_ip"], "10.0.0.5");
        script.delete::<ElasticIp>("eipalloc-1", json!({})).await.unwrap();
        assert!(script.asked("DisassociateAddress").join("").contains("AssociationId=eipassoc-1"));
        assert_eq!(script.operations().last().map(String::as_str), Some("ReleaseAddress"));
    }

    #[tokio::test]
    async fn an_address_is_given_to_an_interface() {
        let item = "<item><allocationId>eipalloc-1</allocationId><associationId>eipassoc-1</associationId>\
            <networkInterfaceId>eni-2</networkInterfaceId></item>";
        let script = Script::default()
            .ec2("DescribeAddresses", &format!("<addressesSet>{item}</addressesSet>"))
            .ec2("DescribeAddressesAttribute", "")
            .ec2("AssociateAddress", "");
        let (from, to) = (with("network_interface", json!("eni-1")), with("network_interface", json!("eni-2")));
        let object = script.update::<ElasticIp>("eipalloc-1", from, to).await.unwrap();
        assert!(script.asked("AssociateAddress").join("").contains("NetworkInterfaceId=eni-2"));
        assert_eq!(object.spec["network_interface"], "eni-2");
    }

    #[tokio::test]
    async fn what_is_not_ours_any_more_is_not_deleted() {
        let script = script().ec2("DescribeAddressesAttribute", "");
        let owned = Some(crate::providers::aws::script::owner());
        let error = script.delete_owned::<ElasticIp>("eipalloc-1", json!({}), owned).await.unwrap_err();
        assert_eq!(error.message, "'eipalloc-1' has got another owner since it was read");
        assert!(script.asked("ReleaseAddress").is_empty() && script.asked("DisassociateAddress").is_empty());
    }

    #[tokio::test]
    async fn a_chosen_address_of_a_pool_is_asked_for_in_the_creating_call() {
        let script = script()
            .ec2("AllocateAddress", "<allocationId>eipalloc-1</allocationId>")
            .ec2("DescribeAddressesAttribute", "");
        let spec = json!({"pool": "ipv4pool-1", "border_group": "ap-northeast-1", "address": "198.51.100.1"});
        script.create::<ElasticIp>(spec).await.unwrap();
        let asked = script.asked("AllocateAddress").join("");
        for part in ["PublicIpv4Pool=ipv4pool-1", "NetworkBorderGroup=ap-northeast-1", "Address=198.51.100.1"] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
    }
}
