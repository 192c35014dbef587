use serde_json::{Value, json};

use super::*;
use crate::providers::aws::script::{Script, owner};

const OWN: &str = "<tagSet><item><key>saiken:project</key><value>p</value></item>\
    <item><key>saiken:environment</key><value>e</value></item>\
    <item><key>saiken:address</key><value>s/it</value></item>\
    <item><key>saiken:generation</key><value>1</value></item></tagSet>";

fn vpc(dhcp: &str, more: &str) -> String {
    format!(
        "<vpcSet><item><vpcId>vpc-1</vpcId><ownerId>1</ownerId><state>available</state><cidrBlock>10.0.0.0/16</cidrBlock>\
         <dhcpOptionsId>{dhcp}</dhcpOptionsId>{OWN}{more}</item></vpcSet>"
    )
}

fn set(id: &str, domain: &str, tags: &str) -> String {
    format!(
        "<item><dhcpOptionsId>{id}</dhcpOptionsId>{tags}<dhcpConfigurationSet><item><key>domain-name</key><valueSet>\
         <item><value>{domain}</value></item></valueSet></item></dhcpConfigurationSet></item>"
    )
}

fn sets(items: &str) -> String {
    format!("<dhcpOptionsSet>{items}</dhcpOptionsSet>")
}

fn around(script: Script) -> Script {
    script
        .ec2("DescribeRouteTables", "")
        .ec2("DescribeNetworkAcls", "")
        .ec2("DescribeSecurityGroups", "")
        .ec2("DescribeVpcAttribute", "")
        .ec2("AssociateDhcpOptions", "")
        .ec2("DeleteDhcpOptions", "")
}

fn with_domain(domain: &str) -> Value {
    json!({"cidr": "10.0.0.0/16", "dhcp": {"domain_name": domain}})
}

fn problems(spec: Value) -> Vec<String> {
    let mut problems = Problems::default();
    Vpc::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

#[test]
fn wrong_options_are_named() {
    assert_eq!(
        problems(json!({"cidr": "10.0.0.0/16", "dns_support": false, "dns_hostnames": true,
            "ipv6_border_group": "x", "dhcp": {"name_servers": ["AmazonProvidedDNS", "dns.example"],
            "netbios_node_type": 3, "ipv6_lease": "1m"}})),
        [
            "ipv6_border_group: there is no IPv6 block to announce",
            "dns_hostnames: host names need the network's DNS server",
            "dhcp.name_servers: `dns.example` is not an address",
            "dhcp.netbios_node_type: there is no node type 3",
            "dhcp.ipv6_lease: `1m` is not between 140s and 365d",
        ]
    );
    assert_eq!(problems(json!({"cidr": "10.0.0.0/16", "dhcp": {}})), ["dhcp: no option is given"]);
}

#[tokio::test]
async fn other_dhcp_options_are_a_new_set_and_the_old_one_goes() {
    let script = around(Script::default())
        .ec2("DescribeVpcs", &vpc("dopt-1", ""))
        .ec2("DescribeDhcpOptions", &sets(&set("dopt-1", "old.example", OWN)))
        .ec2("CreateDhcpOptions", "<dhcpOptions><dhcpOptionsId>dopt-2</dhcpOptionsId></dhcpOptions>");
    script.update::<Vpc>("vpc-1", with_domain("old.example"), with_domain("new.example")).await.unwrap();
    let made = script.asked("CreateDhcpOptions").join("");
    assert!(made.contains("new.example") && made.contains("saiken%3Aaddress"), "{made}");
    assert!(script.asked("AssociateDhcpOptions").join("").contains("DhcpOptionsId=dopt-2"));
    assert!(script.asked("DeleteDhcpOptions").join("").contains("DhcpOptionsId=dopt-1"));
    let order: Vec<String> = script.operations().into_iter().filter(|o| o.ends_with("DhcpOptions")).collect();
    assert_eq!(order[1..4], ["CreateDhcpOptions", "AssociateDhcpOptions", "DeleteDhcpOptions"]);
}

#[tokio::test]
async fn a_set_that_an_interrupted_run_made_is_used() {
    let script = around(Script::default())
        .ec2("DescribeVpcs", &vpc("default", ""))
        .ec2("DescribeDhcpOptions", &sets(&set("dopt-2", "new.example", OWN)));
    script.update::<Vpc>("vpc-1", json!({"cidr": "10.0.0.0/16"}), with_domain("new.example")).await.unwrap();
    assert!(script.asked("AssociateDhcpOptions").join("").contains("DhcpOptionsId=dopt-2"));
    assert!(script.asked("DeleteDhcpOptions").is_empty());
}

#[tokio::test]
async fn options_that_an_interrupted_run_left_beside_those_in_use_are_a_difference_and_go() {
    let both = set("dopt-1", "old.example", OWN) + &set("dopt-2", "new.example", OWN);
    let script =
        around(Script::default()).ec2("DescribeVpcs", &vpc("dopt-2", "")).ec2("DescribeDhcpOptions", &sets(&both));
    assert_eq!(script.read::<Vpc>().await.unwrap()[0].spec.get("dhcp"), None);
    script.update::<Vpc>("vpc-1", json!({"cidr": "10.0.0.0/16"}), with_domain("new.example")).await.unwrap();
    let deleted = script.asked("DeleteDhcpOptions").join(" ");
    assert!(deleted.contains("dopt-1") && !deleted.contains("dopt-2"), "{deleted}");
}

#[tokio::test]
async fn own_dhcp_options_go_before_the_network_and_others_stay() {
    let own = around(Script::default())
        .ec2("DescribeVpcs", &vpc("dopt-1", ""))
        .ec2("DescribeDhcpOptions", &sets(&set("dopt-1", "x.example", OWN)))
        .ec2("DeleteVpc", "");
    own.delete_owned::<Vpc>("vpc-1", with_domain("x.example"), Some(owner())).await.unwrap();
    let order: Vec<String> = own.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
    assert_eq!(order, ["AssociateDhcpOptions", "DeleteDhcpOptions", "DeleteVpc"]);

    let shared = around(Script::default())
        .ec2("DescribeVpcs", &vpc("dopt-1", ""))
        .ec2("DescribeDhcpOptions", &sets(""))
        .ec2("DescribeDhcpOptions", &sets(&set("dopt-1", "x.example", "")))
        .ec2("DeleteVpc", "");
    shared.delete_owned::<Vpc>("vpc-1", with_domain("x.example"), Some(owner())).await.unwrap();
    let order: Vec<String> = shared.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
    assert_eq!(order, ["DeleteVpc"]);
}

#[tokio::test]
async fn another_border_group_is_another_block_and_only_after_the_old_one_is_gone() {
    let block = |state: &str, group: &str| {
        format!(
            "<ipv6CidrBlockAssociationSet><item><associationId>a-1</associationId>\
             <ipv6CidrBlock>2001:db8::/56</ipv6CidrBlock><networkBorderGroup>{group}</networkBorderGroup>\
             <ipv6CidrBlockState><state>{state}</state></ipv6CidrBlockState></item></ipv6CidrBlockAssociationSet>"
        )
    };
    let script = around(Script::default())
        .ec2("DescribeVpcs", &vpc("default", &block("associated", "one")))
        .ec2("DescribeVpcs", &vpc("default", &block("disassociating", "one")))
        .ec2("DescribeVpcs", &vpc("default", &block("associated", "two")))
        .ec2("DisassociateVpcCidrBlock", "")
        .ec2("AssociateVpcCidrBlock", "");
    let spec = |group: &str| json!({"cidr": "10.0.0.0/16", "ipv6": true, "ipv6_border_group": group});
    let object = script.update::<Vpc>("vpc-1", spec("one"), spec("two")).await.unwrap();
    let order: Vec<String> = script.operations().into_iter().filter(|o| o.ends_with("VpcCidrBlock")).collect();
    assert_eq!(order, ["DisassociateVpcCidrBlock", "AssociateVpcCidrBlock"]);
    assert!(script.asked("AssociateVpcCidrBlock").join("").contains("Ipv6CidrBlockNetworkBorderGroup=two"));
    assert_eq!(object.attributes["ipv6_cidr"], "2001:db8::/56");
    assert_eq!(object.spec["ipv6_border_group"], "two");
}

#[tokio::test]
async fn what_stands_around_all_networks_is_read_in_one_page_each() {
    let group = "<securityGroupInfo><item><groupId>sg-1</groupId><vpcId>vpc-1</vpcId></item></securityGroupInfo>";
    let script = Script::default()
        .ec2("DescribeVpcs", &vpc("dopt-1", ""))
        .ec2("DescribeVpcAttribute", "")
        .ec2("DescribeDhcpOptions", &sets(&set("dopt-1", "x.example", "")))
        .ec2(
            "DescribeRouteTables",
            "<routeTableSet><item><vpcId>vpc-1</vpcId><routeTableId>rtb-1</routeTableId></item></routeTableSet>",
        )
        .ec2(
            "DescribeNetworkAcls",
            "<networkAclSet><item><vpcId>vpc-1</vpcId><networkAclId>acl-1</networkAclId></item></networkAclSet>",
        )
        .ec2("DescribeSecurityGroups", group);
    let objects = script.read::<Vpc>().await.unwrap();
    let attributes = &objects[0].attributes;
    assert_eq!(
        [
            &attributes["main_route_table_id"],
            &attributes["default_network_acl_id"],
            &attributes["default_security_group_id"]
        ],
        ["rtb-1", "acl-1", "sg-1"]
    );
    assert_eq!(objects[0].spec["default_security_group"], "deny_all");
    assert_eq!(objects[0].spec["dhcp"], json!({"domain_name": "x.example"}));
    let operations = script.operations();
    assert_eq!(operations.iter().filter(|o| *o != "DescribeVpcAttribute").count(), 5, "{operations:?}");
}
