//! `route_table`: where packets go, for the subnets that are associated with it.
//!
//! Routes and associations are part of it. Only `vpc` makes a new table necessary. Routes that the API makes itself are not
//! looked at: the local ones, those that a gateway endpoint adds, and propagated ones. A route to one of the network's own
//! ranges takes the place of its local route (traffic through a firewall); without it the local route is back. A subnet or
//! gateway belongs to one table: an association moves it from another one, without a gap.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, ResourceType, RouteTable as ApiTable, RouteTableAssociation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::internet_gateway::InternetGateway;
use super::route_table_routes::{Route, balancer_endpoints, check, from_api, is_declared, settle};
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{arn, attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};

/// The kind `route_table`.
pub struct RouteTable;

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// Routes; all but those that the API makes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub routes: Option<Vec<Route>>,
    /// Subnets that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub subnets: Option<Vec<Ref<Subnet>>>,
    /// Internet gateways (or by id, virtual private gateways) whose incoming packets it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub gateways: Option<Vec<Ref<InternetGateway>>>,
    /// Ids of virtual private gateways that add their routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub propagating_gateways: Option<Vec<String>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for RouteTable {
    const NAME: &'static str = "route_table";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "route table",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const { &[Attribute::stable("id", "Id, rtb-…"), Attribute::stable("arn", "ARN")] },
            permissions: Permissions {
                read: &["ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints"],
                create: &[
                    "ec2:CreateRouteTable",
                    "ec2:CreateTags",
                    "ec2:CreateRoute",
                    "ec2:AssociateRouteTable",
                    "ec2:ReplaceRouteTableAssociation",
                    "ec2:EnableVgwRoutePropagation",
                ],
                update: &[
                    "ec2:CreateRoute",
                    "ec2:ReplaceRoute",
                    "ec2:DeleteRoute",
                    "ec2:AssociateRouteTable",
                    "ec2:ReplaceRouteTableAssociation",
                    "ec2:DisassociateRouteTable",
                    "ec2:EnableVgwRoutePropagation",
                    "ec2:DisableVgwRoutePropagation",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DisassociateRouteTable", "ec2:DeleteRouteTable"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 2,
            quota: 200,
            zone_field: None,
            // An association goes with its subnet; a route whose target is gone stays as a black hole.
            loose_refs: &["subnets", "routes"],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check(spec.routes.as_deref().unwrap_or_default(), problems);
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static TABLES: Quota = Quota::new("vpc", "L-589F43AA", "Route tables per VPC");

#[async_trait]
impl Checked for RouteTable {
    fn needs() -> Needs {
        Needs {
            resource: "route-table/*",
            only_for: &[
                ("ec2:CreateRoute", &["routes"]),
                ("ec2:ReplaceRoute", &["routes"]),
                ("ec2:DeleteRoute", &["routes"]),
                ("ec2:AssociateRouteTable", &["subnets", "gateways"]),
                ("ec2:ReplaceRouteTableAssociation", &[]),
                ("ec2:DisassociateRouteTable", &["subnets", "gateways"]),
                ("ec2:EnableVgwRoutePropagation", &["propagating_gateways"]),
                ("ec2:DisableVgwRoutePropagation", &["propagating_gateways"]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        view.place("vpc").map(|vpc| Use::of(&TABLES, vpc)).into_iter().collect()
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.ec2().describe_route_tables().max_results(100);
        let pages = cx.pages("ec2:DescribeRouteTables", request.into_paginator().send()).await?;
        let networks = pages.iter().flat_map(|p| p.route_tables()).filter_map(|t| t.vpc_id());
        Ok(Some(Tally::of(networks.map(|vpc| Use::of(&TABLES, vpc)))))
    }
}

#[async_trait]
impl AwsKind for RouteTable {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "route-table-id");
        let request = cx.ec2().describe_route_tables().set_filters(Some(filters)).max_results(100);
        let pages = cx.pages("ec2:DescribeRouteTables", request.into_paginator().send()).await?;
        let tables: Vec<ApiTable> = pages.into_iter().flat_map(|p| p.route_tables.unwrap_or_default()).collect();
        let balancers = balancer_endpoints(cx, &tables).await?;
        tables.iter().map(|t| found(cx, t, &balancers)).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .create_route_table()
            .client_token(want.token)
            .vpc_id(want.id(&want.spec.vpc)?)
            .tag_specifications(tag_specification(ResourceType::RouteTable, want.tags));
        let answer = cx.call("ec2:CreateRouteTable", request.send()).await?;
        let id = answer.route_table().and_then(ApiTable::route_table_id).unwrap_or_default().to_owned();
        let table = cx
            .wait(want.watch, &format!("{id} to be seen"), SEEN_WITHIN, || async {
                Ok(Look::seen(live(cx, &id).await?))
            })
            .await?;
        settle(cx, &table, want).await?;
        settle_propagation(cx, &table, want.spec).await?;
        settle_associations(cx, &table, want, |_| true).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let Some(table) = live(cx, update.id).await? else {
            let message = format!("the route table '{}' does not exist", update.id);
            return Err(ApiError::new("ec2:DescribeRouteTables", ErrorClass::NotFound, message));
        };
        if update.changed("routes") {
            settle(cx, &table, &update.want).await?;
        }
        if update.changed("propagating_gateways") {
            settle_propagation(cx, &table, update.want.spec).await?;
        }
        settle_associations(cx, &table, &update.want, |field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let Some(table) = live(cx, delete.id).await? else { return Ok(()) };
        for association in table.associations().iter().filter(|a| a.main() != Some(true)) {
            disassociate(cx, association.route_table_association_id().unwrap_or_default()).await?;
        }
        let request = cx.ec2().delete_route_table().route_table_id(delete.id);
        cx.call("ec2:DeleteRouteTable", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

async fn live(cx: &Context, id: &str) -> Result<Option<ApiTable>, ApiError> {
    let ids = [id.to_owned()];
    let filters = filters(&Selection::Ids(&ids), "route-table-id");
    let request = cx.ec2().describe_route_tables().set_filters(Some(filters));
    let answer = cx.call("ec2:DescribeRouteTables", request.send()).await?;
    Ok(answer.route_tables().first().cloned())
}

fn found(cx: &Context, table: &ApiTable, balancers: &BTreeSet<String>) -> Result<Found<Spec>, ApiError> {
    let id = table.route_table_id().unwrap_or_default().to_owned();
    let arn = arn(&cx.region, table.owner_id().unwrap_or_default(), "route-table", &id);
    let routes = table.routes().iter().filter(|r| is_declared(r, balancers)).map(from_api);
    let routes = routes.collect::<Result<Vec<_>, _>>()?;
    let subnets = table.associations().iter().filter_map(|a| a.subnet_id()).map(Ref::id).collect();
    let edges = table.associations().iter().filter_map(|a| a.gateway_id()).map(Ref::id).collect();
    let gateways = table.propagating_vgws().iter().filter_map(|g| g.gateway_id()).map(str::to_owned).collect();
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(id)), ("arn", json!(arn))]),
        spec: Spec {
            vpc: Ref::id(table.vpc_id().unwrap_or_default()),
            routes: Some(routes),
            subnets: Some(subnets),
            gateways: Some(edges),
            propagating_gateways: Some(gateways),
            tags: None,
        },
        status: Status::Ready,
        tags: from_tags(table.tags()),
        unread: Vec::new(),
        id,
    })
}

async fn settle_propagation(cx: &Context, table: &ApiTable, spec: &Spec) -> Result<(), ApiError> {
    let Some(wanted) = &spec.propagating_gateways else { return Ok(()) };
    let id = table.route_table_id().unwrap_or_default();
    let have: Vec<&str> = table.propagating_vgws().iter().filter_map(|g| g.gateway_id()).collect();
    for gateway in wanted.iter().filter(|w| !have.contains(&w.as_str())) {
        let request = cx.ec2().enable_vgw_route_propagation().route_table_id(id).gateway_id(gateway);
        cx.call("ec2:EnableVgwRoutePropagation", request.send()).await?;
    }
    for gateway in have.iter().filter(|h| !wanted.iter().any(|w| w == *h)) {
        let request = cx.ec2().disable_vgw_route_propagation().route_table_id(id).gateway_id(*gateway);
        cx.call("ec2:DisableVgwRoutePropagation", request.send()).await?;
    }
    Ok(())
}

/// What a table can be associated with.
#[derive(Clone, Copy)]
enum End {
    Subnet,
    Gateway,
}

impl End {
    fn of(self, association: &RouteTableAssociation) -> Option<&str> {
        match self {
            Self::Subnet => association.subnet_id(),
            Self::Gateway => association.gateway_id(),
        }
    }

    fn filter(self) -> &'static str {
        match self {
            Self::Subnet => "association.subnet-id",
            Self::Gateway => "association.gateway-id",
        }
    }
}

async fn settle_associations(
    cx: &Context,
    table: &ApiTable,
    want: &Create<'_, Spec>,
    changed: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    if let Some(subnets) = want.spec.subnets.as_ref().filter(|_| changed("subnets")) {
        settle_ends(cx, table, End::Subnet, &want.ids(subnets)?).await?;
    }
    if let Some(gateways) = want.spec.gateways.as_ref().filter(|_| changed("gateways")) {
        settle_ends(cx, table, End::Gateway, &want.ids(gateways)?).await?;
    }
    Ok(())
}

/// Associates what is wanted; what has another table moves over.
async fn settle_ends(cx: &Context, table: &ApiTable, end: End, wanted: &[String]) -> Result<(), ApiError> {
    let id = table.route_table_id().unwrap_or_default();
    let have: BTreeMap<&str, &str> =
        table.associations().iter().filter_map(|a| Some((end.of(a)?, a.route_table_association_id()?))).collect();
    let new: Vec<String> = wanted.iter().filter(|w| !have.contains_key(w.as_str())).cloned().collect();
    if !new.is_empty() {
        let elsewhere = associations_of(cx, end, &new).await?;
        for new in &new {
            match elsewhere.get(new) {
                Some(association) => {
                    let request =
                        cx.ec2().replace_route_table_association().association_id(association).route_table_id(id);
                    cx.call("ec2:ReplaceRouteTableAssociation", request.send()).await?;
                }
                None => {
                    let request = cx.ec2().associate_route_table().route_table_id(id);
                    let request = match end {
                        End::Subnet => request.subnet_id(new),
                        End::Gateway => request.gateway_id(new),
                    };
                    cx.call("ec2:AssociateRouteTable", request.send()).await?;
                }
            }
        }
    }
    for (old, association) in have {
        if !wanted.iter().any(|w| w == old) {
            disassociate(cx, association).await?;
        }
    }
    Ok(())
}

/// Associations with any table.
async fn associations_of(cx: &Context, end: End, of: &[String]) -> Result<BTreeMap<String, String>, ApiError> {
    let filter = Filter::builder().name(end.filter()).set_values(Some(of.to_vec())).build();
    let request = cx.ec2().describe_route_tables().filters(filter);
    let pages = cx.pages("ec2:DescribeRouteTables", request.into_paginator().send()).await?;
    Ok(pages
        .iter()
        .flat_map(|p| p.route_tables())
        .flat_map(|t| t.associations())
        .filter_map(|a| Some((end.of(a)?.to_owned(), a.route_table_association_id()?.to_owned())))
        .collect())
}

async fn disassociate(cx: &Context, association: &str) -> Result<(), ApiError> {
    let request = cx.ec2().disassociate_route_table().association_id(association);
    match cx.call("ec2:DisassociateRouteTable", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script::Script;

    fn table(id: &str, associations: &str, propagating: &str) -> String {
        format!(
            "<routeTableSet><item><routeTableId>{id}</routeTableId><vpcId>vpc-1</vpcId>\
             <associationSet>{associations}</associationSet><propagatingVgwSet>{propagating}</propagatingVgwSet>\
             </item></routeTableSet>"
        )
    }

    fn association(id: &str, gateway: &str) -> String {
        format!("<item><routeTableAssociationId>{id}</routeTableAssociationId><gatewayId>{gateway}</gatewayId></item>")
    }

    #[tokio::test]
    async fn a_gateway_moves_over_from_another_table_and_one_that_is_not_wanted_goes() {
        let script = Script::default()
            .ec2("DescribeRouteTables", &table("rtb-1", &association("a-1", "igw-old"), ""))
            .ec2("DescribeRouteTables", &table("rtb-2", &association("a-2", "igw-new"), ""))
            .ec2("DescribeRouteTables", &table("rtb-1", &association("a-3", "igw-new"), ""))
            .ec2("ReplaceRouteTableAssociation", "")
            .ec2("DisassociateRouteTable", "");
        let with = |gateway: &str| json!({"vpc": {"id": "vpc-1"}, "gateways": [{"id": gateway}]});
        let object = script.update::<RouteTable>("rtb-1", with("igw-old"), with("igw-new")).await.unwrap();
        assert!(script.asked("ReplaceRouteTableAssociation").join("").contains("AssociationId=a-2"));
        assert!(script.asked("DisassociateRouteTable").join("").contains("AssociationId=a-1"));
        assert_eq!(object.spec["gateways"], json!([{"id": "igw-new"}]));
        assert_eq!(object.spec["subnets"], json!([]));
    }

    #[tokio::test]
    async fn propagation_is_switched_on_and_off_by_gateway() {
        let script = Script::default()
            .ec2("DescribeRouteTables", &table("rtb-1", "", "<item><gatewayId>vgw-1</gatewayId></item>"))
            .ec2("EnableVgwRoutePropagation", "")
            .ec2("DisableVgwRoutePropagation", "");
        let with = |gateway: &str| json!({"vpc": {"id": "vpc-1"}, "propagating_gateways": [gateway]});
        script.update::<RouteTable>("rtb-1", with("vgw-1"), with("vgw-2")).await.unwrap();
        assert!(script.asked("EnableVgwRoutePropagation").join("").contains("GatewayId=vgw-2"));
        assert!(script.asked("DisableVgwRoutePropagation").join("").contains("GatewayId=vgw-1"));
    }
}
