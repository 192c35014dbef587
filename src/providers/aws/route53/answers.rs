//! For tests: answers of the API, whose outermost element follows from what was asked.

use crate::providers::aws::script::Script;

/// Adds answers.
pub(in crate::providers::aws) trait Answers {
    /// Adds an answer whose outermost element is written `<R>`.
    fn xml(self, operation: &str, status: u16, body: &str) -> Self;
}

impl Answers for Script {
    fn xml(self, operation: &str, status: u16, body: &str) -> Self {
        let root = format!("{}Response", name(operation));
        let body = body.replace("<R>", &format!("<{root}>")).replace("</R>", &format!("</{root}>"));
        self.answer(operation, status, &body)
    }
}

/// The operation's name.
fn name(operation: &str) -> &'static str {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = path.trim_start_matches("/2013-04-01/").split('?').next().unwrap();
    match (method, path.split('/').collect::<Vec<_>>().as_slice()) {
        ("POST", ["hostedzone"]) => "CreateHostedZone",
        ("GET", ["hostedzone"]) => "ListHostedZones",
        ("GET", ["hostedzone", _]) => "GetHostedZone",
        ("DELETE", ["hostedzone", _]) => "DeleteHostedZone",
        ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
        ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
        ("POST", ["hostedzone", _, "associatevpc"]) => "AssociateVPCWithHostedZone",
        ("POST", ["hostedzone", _, "disassociatevpc"]) => "DisassociateVPCFromHostedZone",
        ("POST", ["tags", _]) => "ListTagsForResources",
        ("POST", ["tags", _, _]) => "ChangeTagsForResource",
        ("GET", ["queryloggingconfig"]) => "ListQueryLoggingConfigs",
        ("POST", ["queryloggingconfig"]) => "CreateQueryLoggingConfig",
        ("DELETE", ["queryloggingconfig", _]) => "DeleteQueryLoggingConfig",
        ("GET", ["change", _]) => "GetChange",
        ("GET", ["healthcheck"]) => "ListHealthChecks",
        ("POST", ["healthcheck"]) => "CreateHealthCheck",
        ("GET", ["healthcheck", _]) => "GetHealthCheck",
        ("POST", ["healthcheck", _]) => "UpdateHealthCheck",
        (_, other) => panic!("no operation is known for {method} {other:?}"),
    }
}
