//! Words, attributes and rules of the kind `listener`.

use super::attributes::{Attribute, Form, attribute};
use super::listener::{MutualTls, Spec};
use super::{check_time, listener_actions, listener_rules};
use crate::model::kind::Problems;
use crate::providers::aws::words::words;

/// TLS 1.3 only.
const DEFAULT_POLICY: &str = "ELBSecurityPolicy-TLS13-1-3-2021-06";

words! {
    /// What clients speak.
    ListenerProtocol {
        /// HTTP.
        Http = "HTTP",
        /// HTTPS.
        Https = "HTTPS",
        /// TCP.
        Tcp = "TCP",
        /// TLS.
        Tls = "TLS",
        /// UDP.
        Udp = "UDP",
        /// TCP and UDP.
        TcpUdp = "TCP_UDP",
    }
}

words! {
    /// Which versions of HTTP are agreed on.
    AlpnPolicy {
        /// HTTP/1 only.
        Http1Only = "HTTP1Only",
        /// HTTP/2 only.
        Http2Only = "HTTP2Only",
        /// HTTP/1 rather than HTTP/2.
        Http2Optional = "HTTP2Optional",
        /// HTTP/2 rather than HTTP/1.
        Http2Preferred = "HTTP2Preferred",
        /// None is agreed on.
        None = "None",
    }
}

words! {
    /// Whether clients show certificates, and who looks at them.
    MutualTlsMode {
        /// They don't.
        Off = "off",
        /// The targets look at them.
        Passthrough = "passthrough",
        /// The load balancer looks at them.
        Verify = "verify",
    }
}

/// Attributes by their fields.
pub(super) const TABLE: &[Attribute] = &[
    attribute("idle_timeout", "tcp.idle_timeout.seconds", Form::Seconds),
    attribute("reset_when_idle", "send_tcp_reset.on_idle_timeout.enabled", Form::Flag),
    attribute("response_headers.server", "routing.http.response.server.enabled", Form::Flag),
    attribute(
        "response_headers.strict_transport_security",
        "routing.http.response.strict_transport_security.header_value",
        Form::Text,
    ),
    attribute(
        "response_headers.content_security_policy",
        "routing.http.response.content_security_policy.header_value",
        Form::Text,
    ),
    attribute(
        "response_headers.content_type_options",
        "routing.http.response.x_content_type_options.header_value",
        Form::Text,
    ),
    attribute("response_headers.frame_options", "routing.http.response.x_frame_options.header_value", Form::Text),
    attribute(
        "response_headers.allow_origin",
        "routing.http.response.access_control_allow_origin.header_value",
        Form::Text,
    ),
    attribute(
        "response_headers.allow_methods",
        "routing.http.response.access_control_allow_methods.header_value",
        Form::Text,
    ),
    attribute(
        "response_headers.allow_headers",
        "routing.http.response.access_control_allow_headers.header_value",
        Form::Text,
    ),
    attribute(
        "response_headers.allow_credentials",
        "routing.http.response.access_control_allow_credentials.header_value",
        Form::Text,
    ),
    attribute(
        "response_headers.expose_headers",
        "routing.http.response.access_control_expose_headers.header_value",
        Form::Text,
    ),
    attribute("response_headers.max_age", "routing.http.response.access_control_max_age.header_value", Form::Text),
    attribute("request_headers.certificate", "routing.http.request.x_amzn_mtls_clientcert.header_name", Form::Text),
    attribute(
        "request_headers.certificate_leaf",
        "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name",
        Form::Text,
    ),
    attribute(
        "request_headers.certificate_issuer",
        "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name",
        Form::Text,
    ),
    attribute(
        "request_headers.certificate_subject",
        "routing.http.request.x_amzn_mtls_clientcert_subject.header_name",
        Form::Text,
    ),
    attribute(
        "request_headers.certificate_serial_number",
        "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
        Form::Text,
    ),
    attribute(
        "request_headers.certificate_validity",
        "routing.http.request.x_amzn_mtls_clientcert_validity.header_name",
        Form::Text,
    ),
    attribute("request_headers.tls_version", "routing.http.request.x_amzn_tls_version.header_name", Form::Text),
    attribute(
        "request_headers.tls_cipher_suite",
        "routing.http.request.x_amzn_tls_cipher_suite.header_name",
        Form::Text,
    ),
];

/// The fields that are attributes.
pub(super) const FIELDS: &[&str] = &["idle_timeout", "reset_when_idle", "response_headers", "request_headers"];

pub(super) fn default_policy() -> String {
    DEFAULT_POLICY.to_owned()
}

/// Whether a listener of this protocol has certificates and a policy.
pub(super) fn is_secure(protocol: Option<ListenerProtocol>) -> bool {
    matches!(protocol, Some(ListenerProtocol::Https | ListenerProtocol::Tls))
}

/// Rules over several fields.
pub(super) fn validate(spec: &Spec, problems: &mut Problems) {
    use ListenerProtocol::{Http, Https, Tcp, Tls};
    if spec.port.is_some() != spec.protocol.is_some() {
        let field = if spec.port.is_some() { "protocol" } else { "port" };
        let message = "a listener has both `port` and `protocol`";
        problems.add(field, message, "give both; only those of gateway load balancers have neither");
    }
    check_certificates(spec, problems);
    let http = matches!(spec.protocol, Some(Http | Https));
    let forgets = matches!(spec.protocol, None | Some(Tcp));
    let of = [
        ("alpn", spec.alpn.is_some(), spec.protocol == Some(Tls), "TLS"),
        ("mutual_tls", spec.mutual_tls.is_some(), spec.protocol == Some(Https), "HTTPS"),
        ("rules", spec.rules.as_ref().is_some_and(|r| !r.is_empty()), http, "HTTP and HTTPS"),
        ("response_headers", spec.response_headers.is_some(), http, "HTTP and HTTPS"),
        ("request_headers", spec.request_headers.is_some(), spec.protocol == Some(Https), "HTTPS"),
        // That of TLS and UDP can't be changed.
        ("idle_timeout", spec.idle_timeout.is_some(), forgets, "TCP and of gateway load balancers"),
        ("reset_when_idle", spec.reset_when_idle.is_some(), spec.protocol.is_none(), "gateway load balancers"),
    ];
    for (field, _, _, of) in of.iter().filter(|(_, given, fits, _)| *given && !fits) {
        problems.add(*field, format!("only listeners of {of} have `{field}`"), "leave it out");
    }
    if let Some(mutual) = &spec.mutual_tls {
        check_mutual(mutual, problems);
    }
    check_time("idle_timeout", spec.idle_timeout.as_ref(), (60, 6000), problems);
    listener_actions::check(spec, "default_actions", &spec.default_actions, problems);
    listener_rules::check(spec, problems);
}

fn check_certificates(spec: &Spec, problems: &mut Problems) {
    if is_secure(spec.protocol) {
        if spec.certificate.is_none() {
            problems.add("certificate", "HTTPS and TLS need a certificate", "give `certificate`");
        }
        return;
    }
    let further = spec.certificates.as_ref().is_some_and(|c| !c.is_empty());
    for (field, given) in [("certificate", spec.certificate.is_some()), ("certificates", further)] {
        if given {
            let message = "only HTTPS and TLS have certificates";
            problems.add(field, message, "use `protocol: https` or `tls`, or leave it out");
        }
    }
    if spec.security_policy != DEFAULT_POLICY {
        let message = "only HTTPS and TLS have a policy";
        problems.add("security_policy", message, "use `protocol: https` or `tls`, or leave it out");
    }
}

fn check_mutual(mutual: &MutualTls, problems: &mut Problems) {
    let verify = mutual.mode == MutualTlsMode::Verify;
    if verify && mutual.trust_store.is_none() {
        problems.add("mutual_tls.trust_store", "certificates are checked against a trust store", "give `trust_store`");
    }
    let of_verify = [
        ("trust_store", mutual.trust_store.is_some()),
        ("ignore_expiry", mutual.ignore_expiry.is_some()),
        ("advertise_authorities", mutual.advertise_authorities.is_some()),
    ];
    for (field, _) in of_verify.iter().filter(|(_, given)| *given && !verify) {
        let message = "nobody looks at certificates in this mode";
        problems.add(format!("mutual_tls.{field}"), message, "use `mode: verify`, or leave it out");
    }
}
