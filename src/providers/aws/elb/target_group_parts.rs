//! Words, attributes and rules of the kind `target_group`.

use super::attributes::{Attribute, Form, attribute, word};
use super::check_time;
use super::target_group::{HealthCheck, Spec, Stickiness, Target};
use crate::model::kind::Problems;
use crate::model::value::is_unknown_text;
use crate::providers::aws::words::words;

/// Longest time that a cookie holds, in seconds.
const WEEK: u64 = 604_800;
/// Cookies whose names begin so are the load balancer's own.
const RESERVED: &str = "AWSALB";

words! {
    /// What requests are sent by.
    Protocol {
        /// HTTP, from application load balancers.
        Http = "HTTP",
        /// HTTPS, from application load balancers.
        Https = "HTTPS",
        /// TCP, from network load balancers.
        Tcp = "TCP",
        /// TLS, from network load balancers.
        Tls = "TLS",
        /// UDP, from network load balancers.
        Udp = "UDP",
        /// TCP and UDP on one port, from network load balancers.
        TcpUdp = "TCP_UDP",
        /// GENEVE, from gateway load balancers.
        Geneve = "GENEVE",
    }
}

words! {
    /// Version of HTTP.
    ProtocolVersion {
        /// HTTP/1.1.
        Http1 = "HTTP1",
        /// HTTP/2.
        Http2 = "HTTP2",
        /// gRPC.
        Grpc = "GRPC",
    }
}

words! {
    /// What targets are.
    TargetType {
        /// Servers.
        Instance = "instance",
        /// Addresses.
        Ip = "ip",
        /// One function.
        Lambda = "lambda",
        /// One application load balancer, behind a network load balancer.
        Alb = "alb",
    }
}

words! {
    /// Which addresses.
    Family {
        /// IPv4.
        Ipv4 = "ipv4",
        /// IPv6.
        Ipv6 = "ipv6",
    }
}

words! {
    /// What health is asked by.
    HealthCheckProtocol {
        /// HTTP.
        Http = "HTTP",
        /// HTTPS.
        Https = "HTTPS",
        /// Whether a connection can be made.
        Tcp = "TCP",
    }
}

words! {
    /// How a client is known again.
    StickinessType {
        /// By a cookie of the load balancer.
        LbCookie = "lb_cookie",
        /// By a cookie of the targets.
        AppCookie = "app_cookie",
        /// By its address (network load balancers).
        SourceIp = "source_ip",
        /// By its address and where it goes (gateway load balancers).
        SourceIpDestIp = "source_ip_dest_ip",
        /// By its address, where it goes, and the protocol (gateway load balancers).
        SourceIpDestIpProto = "source_ip_dest_ip_proto",
    }
}

words! {
    /// How a target is chosen.
    Algorithm {
        /// One after the other.
        RoundRobin = "round_robin",
        /// That with the fewest open requests.
        LeastOutstandingRequests = "least_outstanding_requests",
        /// By chance, weighted.
        WeightedRandom = "weighted_random",
    }
}

words! {
    /// Whether targets in other zones are used.
    CrossZone {
        /// They are.
        Always = "true",
        /// They are not.
        Never = "false",
        /// As the load balancer says.
        AsLoadBalancer = "use_load_balancer_configuration",
    }
}

words! {
    /// What becomes of flows whose target is gone.
    Failover {
        /// They go to other targets.
        Rebalance = "rebalance",
        /// They end.
        NoRebalance = "no_rebalance",
    }
}

/// Attributes by their fields.
pub(super) const TABLE: &[Attribute] = &[
    attribute("deregistration_delay", "deregistration_delay.timeout_seconds", Form::Seconds),
    attribute("close_on_deregistration", "deregistration_delay.connection_termination.enabled", Form::Flag),
    attribute("slow_start", "slow_start.duration_seconds", Form::Seconds),
    attribute("stickiness.enabled", "stickiness.enabled", Form::Flag),
    attribute("stickiness.type", "stickiness.type", word!(StickinessType)),
    attribute("stickiness.cookie", "stickiness.app_cookie.cookie_name", Form::Text),
    attribute("stickiness.duration", "stickiness.lb_cookie.duration_seconds", Form::Seconds),
    attribute("stickiness.cookie_duration", "stickiness.app_cookie.duration_seconds", Form::Seconds),
    attribute("algorithm", "load_balancing.algorithm.type", word!(Algorithm)),
    attribute("anomaly_mitigation", "load_balancing.algorithm.anomaly_mitigation", Form::Switch),
    attribute("cross_zone", "load_balancing.cross_zone.enabled", word!(CrossZone)),
    attribute(
        "least_healthy.zone_count",
        "target_group_health.dns_failover.minimum_healthy_targets.count",
        Form::NumberOrOff,
    ),
    attribute(
        "least_healthy.zone_percentage",
        "target_group_health.dns_failover.minimum_healthy_targets.percentage",
        Form::NumberOrOff,
    ),
    attribute(
        "least_healthy.routing_count",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        Form::NumberOrOff,
    ),
    attribute(
        "least_healthy.routing_percentage",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        Form::NumberOrOff,
    ),
    attribute("preserve_client_ip", "preserve_client_ip.enabled", Form::Flag),
    attribute("proxy_protocol", "proxy_protocol_v2.enabled", Form::Flag),
    attribute("close_when_unhealthy", "target_health_state.unhealthy.connection_termination.enabled", Form::Flag),
    attribute("unhealthy_draining", "target_health_state.unhealthy.draining_interval_seconds", Form::Seconds),
    attribute("multi_value_headers", "lambda.multi_value_headers.enabled", Form::Flag),
    // The API takes the two only together.
    attribute("failover", "target_failover.on_deregistration", word!(Failover)),
    attribute("failover", "target_failover.on_unhealthy", word!(Failover)),
    attribute("reset_when_unhealthy", "send_tcp_reset.on_unhealthy.enabled", Form::Flag),
    attribute("reset_on_deregistration", "send_tcp_reset.on_deregistration.enabled", Form::Flag),
];

/// The fields that are attributes.
pub(super) const FIELDS: &[&str] = &[
    "deregistration_delay",
    "close_on_deregistration",
    "slow_start",
    "stickiness",
    "algorithm",
    "anomaly_mitigation",
    "cross_zone",
    "least_healthy",
    "preserve_client_ip",
    "proxy_protocol",
    "close_when_unhealthy",
    "unhealthy_draining",
    "multi_value_headers",
    "failover",
    "reset_when_unhealthy",
    "reset_on_deregistration",
];

pub(super) fn yes() -> bool {
    true
}

/// The sort of load balancer that a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Application,
    Network,
    Gateway,
    /// An application load balancer, with a function behind it.
    Function,
}

impl Sort {
    fn of(spec: &Spec) -> Option<Self> {
        if spec.target_type == Some(TargetType::Lambda) {
            return Some(Self::Function);
        }
        Some(match spec.protocol? {
            Protocol::Http | Protocol::Https => Self::Application,
            Protocol::Tcp | Protocol::Tls | Protocol::Udp | Protocol::TcpUdp => Self::Network,
            Protocol::Geneve => Self::Gateway,
        })
    }
}

/// Rules over several fields.
pub(super) fn validate(spec: &Spec, problems: &mut Problems) {
    check_kind(spec, problems);
    if let Some(sort) = Sort::of(spec) {
        check_attributes(spec, sort, problems);
        if let Some(check) = &spec.health_check {
            check_health(spec, check, sort, problems);
        }
        if let Some(stickiness) = &spec.stickiness {
            check_stickiness(spec, stickiness, sort, problems);
        }
    }
    check_times(spec, problems);
    for (index, target) in spec.targets.iter().flatten().enumerate() {
        check_target(spec, &format!("targets.{index}"), target, problems);
    }
    let many = spec.targets.as_ref().is_some_and(|t| t.len() > 1);
    if many && matches!(spec.target_type, Some(TargetType::Lambda | TargetType::Alb)) {
        problems.add("targets", "a group of this type has one target", "make a group for each");
    }
}

fn check_kind(spec: &Spec, problems: &mut Problems) {
    let given = [
        ("protocol", spec.protocol.is_some()),
        ("port", spec.port.is_some()),
        ("vpc", spec.vpc.is_some()),
        ("protocol_version", spec.protocol_version.is_some()),
    ];
    if spec.target_type == Some(TargetType::Lambda) {
        for (field, _) in given.iter().filter(|(_, given)| *given) {
            problems.add(*field, format!("a function has no `{field}`"), "leave it out");
        }
        return;
    }
    for (field, _) in given[..3].iter().filter(|(_, given)| !given) {
        let message = format!("a group of this type needs `{field}`");
        problems.add(*field, message, "give it; only `target_type: lambda` has none");
    }
    let Some(protocol) = spec.protocol else { return };
    let http = matches!(protocol, Protocol::Http | Protocol::Https);
    if spec.protocol_version.is_some() && !http {
        problems.add("protocol_version", "only HTTP and HTTPS have versions", "leave it out");
    }
    if spec.target_type == Some(TargetType::Alb) && protocol != Protocol::Tcp {
        problems.add("protocol", "an application load balancer is a target by TCP only", "use `protocol: tcp`");
    }
    if protocol == Protocol::Geneve && spec.port.is_some_and(|p| p != 6081) {
        problems.add("port", "GENEVE has port 6081", "use `port: 6081`");
    }
    if spec.control_port.is_some() && !http {
        problems.add("control_port", "only groups of HTTP and HTTPS have a control port", "leave it out");
    }
}

/// Fields that only some sorts of load balancers know.
fn check_attributes(spec: &Spec, sort: Sort, problems: &mut Problems) {
    use Sort::{Application, Function, Gateway, Network};
    let of: [(&str, bool, &[Sort]); 15] = [
        ("deregistration_delay", spec.deregistration_delay.is_some(), &[Application, Network, Gateway]),
        ("close_on_deregistration", spec.close_on_deregistration.is_some(), &[Network]),
        ("slow_start", spec.slow_start.is_some(), &[Application]),
        ("algorithm", spec.algorithm.is_some(), &[Application]),
        ("anomaly_mitigation", spec.anomaly_mitigation.is_some(), &[Application]),
        ("cross_zone", spec.cross_zone.is_some(), &[Application, Network, Function]),
        ("least_healthy", spec.least_healthy.is_some(), &[Application, Network, Function]),
        ("preserve_client_ip", spec.preserve_client_ip.is_some(), &[Network]),
        ("proxy_protocol", spec.proxy_protocol.is_some(), &[Network]),
        ("close_when_unhealthy", spec.close_when_unhealthy.is_some(), &[Network]),
        ("unhealthy_draining", spec.unhealthy_draining.is_some(), &[Network]),
        ("multi_value_headers", spec.multi_value_headers.is_some(), &[Function]),
        ("failover", spec.failover.is_some(), &[Gateway]),
        ("reset_when_unhealthy", spec.reset_when_unhealthy.is_some(), &[Gateway]),
        ("reset_on_deregistration", spec.reset_on_deregistration.is_some(), &[Gateway]),
    ];
    for (field, _, _) in of.iter().filter(|(_, given, sorts)| *given && !sorts.contains(&sort)) {
        let message = format!("a group of this protocol or type has no `{field}`");
        problems.add(*field, message, "leave it out");
    }
    let slow = spec.slow_start.as_ref().is_some_and(|s| s.seconds() > 0);
    if slow && spec.algorithm.is_some_and(|a| a != Algorithm::RoundRobin) {
        let message = "a slow start goes with `round_robin` only";
        problems.add("slow_start", message, "use `algorithm: round_robin`, or `slow_start: 0s`");
    }
    if spec.anomaly_mitigation == Some(true) && spec.algorithm != Some(Algorithm::WeightedRandom) {
        let message = "only `weighted_random` gives unwell targets less";
        problems.add("anomaly_mitigation", message, "use `algorithm: weighted_random`");
    }
    if spec.unhealthy_draining.is_some() && spec.close_when_unhealthy != Some(false) {
        let message = "connections that are closed at once do not drain";
        problems.add("unhealthy_draining", message, "use `close_when_unhealthy: false`");
    }
    let datagrams = matches!(spec.protocol, Some(Protocol::Udp | Protocol::TcpUdp));
    if datagrams && spec.preserve_client_ip == Some(false) {
        problems.add("preserve_client_ip", "UDP always keeps the client's address", "leave it out");
    }
    if datagrams && spec.close_when_unhealthy == Some(true) {
        problems.add("close_when_unhealthy", "UDP has no connections to close", "leave it out");
    }
    if spec.failover == Some(Failover::Rebalance) {
        for (field, reset) in [
            ("reset_when_unhealthy", spec.reset_when_unhealthy),
            ("reset_on_deregistration", spec.reset_on_deregistration),
        ] {
            if reset == Some(true) {
                problems.add(field, "flows that go to other targets are not reset", "use `failover: no_rebalance`");
            }
        }
    }
}

fn check_times(spec: &Spec, problems: &mut Problems) {
    check_time("deregistration_delay", spec.deregistration_delay.as_ref(), (0, 3600), problems);
    check_time("unhealthy_draining", spec.unhealthy_draining.as_ref(), (0, 360_000), problems);
    let slow = spec.slow_start.as_ref().filter(|s| s.seconds() > 0);
    check_time("slow_start", slow, (30, 900), problems);
    if let Some(check) = &spec.health_check {
        check_time("health_check.interval", check.interval.as_ref(), (5, 300), problems);
        check_time("health_check.timeout", check.timeout.as_ref(), (2, 120), problems);
    }
    if let Some(stickiness) = &spec.stickiness {
        check_time("stickiness.duration", stickiness.duration.as_ref(), (1, WEEK), problems);
        check_time("stickiness.cookie_duration", stickiness.cookie_duration.as_ref(), (1, WEEK), problems);
    }
}

fn check_health(spec: &Spec, check: &HealthCheck, sort: Sort, problems: &mut Problems) {
    if check.enabled == Some(false) && sort != Sort::Function {
        problems.add("health_check.enabled", "only functions can do without", "leave it out");
    }
    let http = matches!(sort, Sort::Application | Sort::Function);
    if http && check.protocol == Some(HealthCheckProtocol::Tcp) {
        let message = "targets of HTTP and HTTPS are asked by HTTP or HTTPS";
        problems.add("health_check.protocol", message, "use `http` or `https`");
    }
    let alb = spec.target_type == Some(TargetType::Alb);
    let asked = check.protocol.or((http || alb).then_some(HealthCheckProtocol::Http));
    if matches!(asked, None | Some(HealthCheckProtocol::Tcp)) {
        for (field, given) in [("path", check.path.is_some()), ("codes", check.codes.is_some())] {
            if given {
                let message = format!("a health check by TCP has no `{field}`");
                problems.add(format!("health_check.{field}"), message, "use `protocol: http` or `https`");
            }
        }
    }
    let port = check.port.as_deref().and_then(|p| p.parse::<u32>().ok());
    if port.is_some_and(|p| p > 65_535) {
        problems.add("health_check.port", "a port is at most 65535", "use `traffic-port`, or a port");
    }
    let (interval, timeout) = (check.interval.as_ref(), check.timeout.as_ref());
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && interval.seconds() > 0
        && timeout.seconds() > 0
        && (timeout.seconds() > interval.seconds() || http && timeout.seconds() == interval.seconds())
    {
        let message = format!("an answer may take {timeout}, and the next look is after {interval}");
        problems.add("health_check.timeout", message, "make `timeout` less than `interval`");
    }
    let range = match (sort, spec.protocol_version) {
        (Sort::Application, Some(ProtocolVersion::Grpc)) => (0, 99),
        (Sort::Application | Sort::Function, _) => (200, 499),
        (Sort::Network, _) => (200, 599),
        (Sort::Gateway, _) => (200, 399),
    };
    let codes = check.codes.as_deref().filter(|c| !is_unknown_text(c)).unwrap_or_default();
    let numbers = codes.split([',', '-']).filter_map(|n| n.parse::<u32>().ok());
    if numbers.clone().any(|n| n < range.0 || n > range.1) {
        let message = format!("codes of this group are within {} to {}", range.0, range.1);
        problems.add("health_check.codes", message, "such as `200` or `200-299`; for gRPC `12` or `0-99`");
    }
}

fn check_stickiness(spec: &Spec, stickiness: &Stickiness, sort: Sort, problems: &mut Problems) {
    use StickinessType::{AppCookie, LbCookie, SourceIp, SourceIpDestIp, SourceIpDestIpProto};
    if stickiness.enabled && spec.protocol == Some(Protocol::Tls) {
        problems.add("stickiness", "a group of TLS can't keep clients at their targets", "leave `stickiness` out");
    }
    if let Some(by) = stickiness.by {
        let fits = match by {
            LbCookie | AppCookie => matches!(sort, Sort::Application),
            SourceIp => sort == Sort::Network,
            SourceIpDestIp | SourceIpDestIpProto => sort == Sort::Gateway,
        };
        if !fits {
            let message = format!("a group of this protocol or type can't tell clients by `{}`", by.api());
            let help = "use lb_cookie or app_cookie for HTTP, source_ip for TCP and UDP, source_ip_dest_ip for GENEVE";
            problems.add("stickiness.type", message, help);
        }
    } else if stickiness.enabled {
        problems.add("stickiness.type", "how a client is known must be said", "use `type: lb_cookie`, for one");
    }
    let cookie = stickiness.cookie.as_deref();
    if stickiness.enabled && stickiness.by == Some(AppCookie) && cookie.is_none() {
        problems.add("stickiness.cookie", "the targets' cookie needs a name", "give `cookie`");
    }
    if cookie.is_some_and(|c| c.to_ascii_uppercase().starts_with(RESERVED)) {
        let message = format!("names that begin with {RESERVED} are the load balancer's own");
        problems.add("stickiness.cookie", message, "choose another name");
    }
}

fn check_target(spec: &Spec, path: &str, target: &Target, problems: &mut Problems) {
    let given = [
        (TargetType::Instance, target.instance.is_some()),
        (TargetType::Ip, target.ip.is_some()),
        (TargetType::Lambda, target.function.is_some()),
        (TargetType::Alb, target.load_balancer.is_some()),
    ];
    let mut types = given.iter().filter(|(_, given)| *given).map(|(ty, _)| *ty);
    let (Some(first), None) = (types.next(), types.next()) else {
        let help = "give `instance`, `ip`, `function` or `load_balancer`";
        problems.add(path, "a target is exactly one thing", help);
        return;
    };
    let wanted = spec.target_type.unwrap_or(TargetType::Instance);
    if first != wanted {
        let message = format!("the group's targets are of type `{}`", wanted.api());
        problems.add(path, message, "change `target_type`, or the target");
    }
    if target.zone.is_some() && matches!(first, TargetType::Instance | TargetType::Alb) {
        problems.add(format!("{path}.zone"), "a target of this type has no zone", "leave it out");
    }
    if target.port.is_some() && first == TargetType::Lambda {
        problems.add(format!("{path}.port"), "a function has no port", "leave it out");
    }
    if let Some(ip) = target.ip.as_deref().filter(|ip| !is_unknown_text(ip))
        && ip.parse::<std::net::IpAddr>().is_err()
    {
        problems.add(format!("{path}.ip"), format!("`{ip}` is not an address"), "such as 10.0.1.5");
    }
}
