//! Words, attributes and rules of the kind `load_balancer`.

use super::attributes::{Attribute, Form, attribute, word};
use super::check_time;
use super::load_balancer::Spec;
use crate::model::kind::Problems;
use crate::providers::aws::words::words;

words! {
    /// Sorts of load balancers.
    LoadBalancerType {
        /// For HTTP and HTTPS.
        Application = "application",
        /// For TCP, TLS and UDP.
        Network = "network",
        /// For appliances that look at all traffic.
        Gateway = "gateway",
    }
}

words! {
    /// Who can reach a load balancer.
    Scheme {
        /// Only the network and what is connected to it.
        Internal = "internal",
        /// Everybody.
        InternetFacing = "internet-facing",
    }
}

words! {
    /// Which addresses clients can use.
    LoadBalancerAddresses {
        /// IPv4.
        Ipv4 = "ipv4",
        /// IPv4 and IPv6.
        Dualstack = "dualstack",
        /// IPv6, and IPv4 inside the network only.
        DualstackWithoutPublicIpv4 = "dualstack-without-public-ipv4",
    }
}

words! {
    /// What is done with requests that servers may take apart in different ways.
    DesyncMode {
        /// They are only counted.
        Monitor = "monitor",
        /// Those that can do harm are refused.
        Defensive = "defensive",
        /// All that do not keep to the standard are refused.
        Strictest = "strictest",
    }
}

words! {
    /// What is done with the header `X-Forwarded-For`.
    ForwardedFor {
        /// The client's address is added.
        Append = "append",
        /// It is handed on as it came.
        Preserve = "preserve",
        /// It is taken away.
        Remove = "remove",
    }
}

words! {
    /// Which zone's addresses a client is told.
    ClientRouting {
        /// Those of its own zone.
        AvailabilityZoneAffinity = "availability_zone_affinity",
        /// Mostly those of its own zone.
        PartialAvailabilityZoneAffinity = "partial_availability_zone_affinity",
        /// Those of any zone.
        AnyAvailabilityZone = "any_availability_zone",
    }
}

/// Attributes by their fields.
pub(super) const TABLE: &[Attribute] = &[
    attribute("access_logs.enabled", "access_logs.s3.enabled", Form::Flag),
    attribute("access_logs.bucket", "access_logs.s3.bucket", Form::Bucket),
    attribute("access_logs.prefix", "access_logs.s3.prefix", Form::Text),
    attribute("connection_logs.enabled", "connection_logs.s3.enabled", Form::Flag),
    attribute("connection_logs.bucket", "connection_logs.s3.bucket", Form::Bucket),
    attribute("connection_logs.prefix", "connection_logs.s3.prefix", Form::Text),
    attribute("health_check_logs.enabled", "health_check_logs.s3.enabled", Form::Flag),
    attribute("health_check_logs.bucket", "health_check_logs.s3.bucket", Form::Bucket),
    attribute("health_check_logs.prefix", "health_check_logs.s3.prefix", Form::Text),
    attribute("deletion_protection", "deletion_protection.enabled", Form::Flag),
    attribute("idle_timeout", "idle_timeout.timeout_seconds", Form::Seconds),
    attribute("keep_alive", "client_keep_alive.seconds", Form::Seconds),
    attribute("http2", "routing.http2.enabled", Form::Flag),
    attribute("drop_invalid_headers", "routing.http.drop_invalid_header_fields.enabled", Form::Flag),
    attribute("desync_mode", "routing.http.desync_mitigation_mode", word!(DesyncMode)),
    attribute("preserve_host_header", "routing.http.preserve_host_header.enabled", Form::Flag),
    attribute("tls_headers", "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", Form::Flag),
    attribute("forwarded_for", "routing.http.xff_header_processing.mode", word!(ForwardedFor)),
    attribute("forwarded_client_port", "routing.http.xff_client_port.enabled", Form::Flag),
    attribute("waf_fail_open", "waf.fail_open.enabled", Form::Flag),
    attribute("zonal_shift", "zonal_shift.config.enabled", Form::Flag),
    attribute("cross_zone", "load_balancing.cross_zone.enabled", Form::Flag),
    attribute("client_routing", "dns_record.client_routing_policy", word!(ClientRouting)),
    attribute("deny_internet_gateway", "ipv6.deny_all_igw_traffic", Form::Flag),
    attribute("secondary_ips", "secondary_ips.auto_assigned.per_subnet", Form::Number),
];

/// The fields that are attributes.
pub(super) const FIELDS: &[&str] = &[
    "access_logs",
    "connection_logs",
    "health_check_logs",
    "deletion_protection",
    "idle_timeout",
    "keep_alive",
    "http2",
    "drop_invalid_headers",
    "desync_mode",
    "preserve_host_header",
    "tls_headers",
    "forwarded_for",
    "forwarded_client_port",
    "waf_fail_open",
    "zonal_shift",
    "cross_zone",
    "client_routing",
    "deny_internet_gateway",
    "secondary_ips",
];

pub(super) fn yes() -> bool {
    true
}

/// Rules over several fields.
pub(super) fn validate(spec: &Spec, problems: &mut Problems) {
    use LoadBalancerType::{Application, Gateway, Network};
    if let Some(name) = spec.name.as_deref().filter(|n| n.starts_with("internal-")) {
        let message = format!("the API keeps names such as `{name}` for itself");
        problems.add("name", message, "begin with another word");
    }
    match (spec.scheme, spec.kind) {
        (None, Application | Network) => {
            let message = "who can reach it must be said";
            problems.add("scheme", message, "use `scheme: internal`, or `internet_facing` for everybody");
        }
        (Some(_), Gateway) => problems.add("scheme", "a gateway load balancer has none", "leave `scheme` out"),
        (Some(_), Application | Network) | (None, Gateway) => {}
    }
    check_places(spec, problems);
    check_fields(spec, problems);
    for (field, logs) in [
        ("access_logs", &spec.access_logs),
        ("connection_logs", &spec.connection_logs),
        ("health_check_logs", &spec.health_check_logs),
    ] {
        if logs.as_ref().is_some_and(|l| l.enabled && l.bucket.is_none()) {
            problems.add(format!("{field}.bucket"), "logs need a bucket", "give `bucket`, or `enabled: false`");
        }
    }
    check_time("idle_timeout", spec.idle_timeout.as_ref(), (1, 4000), problems);
    check_time("keep_alive", spec.keep_alive.as_ref(), (60, 604_800), problems);
}

fn check_places(spec: &Spec, problems: &mut Problems) {
    let places = match (&spec.subnets, &spec.mappings) {
        (Some(subnets), None) => subnets.len(),
        (None, Some(mappings)) => mappings.len(),
        (Some(_), Some(_)) | (None, None) => {
            let message = "a load balancer has either `subnets` or `mappings`";
            problems.add("subnets", message, "use `mappings` to choose addresses, or else `subnets`");
            return;
        }
    };
    let alone = spec.customer_owned_pool.is_some() || spec.single_zone == Some(true);
    if spec.kind == LoadBalancerType::Application && places < 2 && !alone {
        let field = if spec.subnets.is_some() { "subnets" } else { "mappings" };
        let message = "an application load balancer stands in two zones at least";
        let help = "add a subnet of another zone; on an Outpost or in a Local Zone say `single_zone: true`";
        problems.add(field, message, help);
    }
    let network = spec.kind == LoadBalancerType::Network;
    for (index, mapping) in spec.mappings.iter().flatten().enumerate() {
        let path = format!("mappings.{index}");
        let chosen = [mapping.elastic_ip.is_some(), mapping.private_ip.is_some(), mapping.ipv6.is_some()];
        if !network && (chosen.contains(&true) || mapping.source_nat_prefix.is_some()) {
            problems.add(path.as_str(), "only network load balancers have chosen addresses", "give `subnet` only");
        }
        if mapping.elastic_ip.is_some() && mapping.private_ip.is_some() {
            let message = "a zone has a public address or a private one";
            problems.add(path.as_str(), message, "leave one of `elastic_ip` and `private_ip` out");
        }
        if mapping.elastic_ip.is_some() && spec.scheme == Some(Scheme::Internal) {
            let message = "an internal load balancer has no public address";
            problems.add(format!("{path}.elastic_ip"), message, "use `private_ip`, or `scheme: internet_facing`");
        }
        if mapping.private_ip.is_some() && spec.scheme == Some(Scheme::InternetFacing) {
            let message = "only internal load balancers have chosen private addresses";
            problems.add(format!("{path}.private_ip"), message, "use `elastic_ip`, or `scheme: internal`");
        }
        if mapping.source_nat_prefix.is_some() && spec.ipv6_source_nat != Some(true) {
            let message = "a prefix is used for translated sources only";
            problems.add(format!("{path}.source_nat_prefix"), message, "use `ipv6_source_nat: true`");
        }
    }
}

/// Fields that only some sorts know.
fn check_fields(spec: &Spec, problems: &mut Problems) {
    use LoadBalancerType::{Application, Gateway, Network};
    let of: [(&str, bool, &[LoadBalancerType]); 23] = [
        ("security_groups", spec.security_groups.is_some(), &[Application, Network]),
        ("check_private_link", spec.check_private_link.is_some(), &[Network]),
        ("ipv6_source_nat", spec.ipv6_source_nat.is_some(), &[Network]),
        ("ipam_pool", spec.ipam_pool.is_some(), &[Application]),
        ("customer_owned_pool", spec.customer_owned_pool.is_some(), &[Application]),
        ("access_logs", spec.access_logs.is_some(), &[Application, Network]),
        ("connection_logs", spec.connection_logs.is_some(), &[Application]),
        ("health_check_logs", spec.health_check_logs.is_some(), &[Application]),
        ("idle_timeout", spec.idle_timeout.is_some(), &[Application]),
        ("keep_alive", spec.keep_alive.is_some(), &[Application]),
        ("http2", spec.http2.is_some(), &[Application]),
        ("desync_mode", spec.desync_mode.is_some(), &[Application]),
        ("preserve_host_header", spec.preserve_host_header.is_some(), &[Application]),
        ("tls_headers", spec.tls_headers.is_some(), &[Application]),
        ("forwarded_for", spec.forwarded_for.is_some(), &[Application]),
        ("forwarded_client_port", spec.forwarded_client_port.is_some(), &[Application]),
        ("waf_fail_open", spec.waf_fail_open.is_some(), &[Application]),
        ("zonal_shift", spec.zonal_shift.is_some(), &[Application, Network]),
        ("cross_zone", spec.cross_zone.is_some(), &[Network, Gateway]),
        ("client_routing", spec.client_routing.is_some(), &[Network]),
        ("deny_internet_gateway", spec.deny_internet_gateway.is_some(), &[Application, Network]),
        ("secondary_ips", spec.secondary_ips.is_some(), &[Network]),
        ("single_zone", spec.single_zone.is_some(), &[Application]),
    ];
    for (field, _, _) in of.iter().filter(|(_, given, types)| *given && !types.contains(&spec.kind)) {
        let message = format!("a load balancer of type `{}` has no `{field}`", spec.kind.api());
        let always = *field == "cross_zone";
        problems.add(*field, message, if always { "leave it out: it always uses all zones" } else { "leave it out" });
    }
    let without = spec.ip_address_type == Some(LoadBalancerAddresses::DualstackWithoutPublicIpv4);
    if without && (spec.kind != Application || spec.scheme == Some(Scheme::Internal)) {
        let message = "only application load balancers that face the internet can do without public IPv4 addresses";
        problems.add("ip_address_type", message, "use `ipv4` or `dualstack`");
    }
    if spec.ipv6_source_nat == Some(true) && spec.ip_address_type != Some(LoadBalancerAddresses::Dualstack) {
        let message = "sources are translated to IPv6 with both sorts of addresses only";
        problems.add("ipv6_source_nat", message, "use `ip_address_type: dualstack`");
    }
    if spec.deny_internet_gateway.is_some() && spec.ip_address_type.is_some_and(|t| t == LoadBalancerAddresses::Ipv4) {
        let message = "this is about IPv6 addresses";
        problems.add("deny_internet_gateway", message, "use `ip_address_type: dualstack`, or leave it out");
    }
}
