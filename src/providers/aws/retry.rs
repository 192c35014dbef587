//! What the SDK may repeat by itself, beyond its own rules.
//!
//! The SDK repeats a request whose answer was lost. That is right for calls that may be made twice and for those that carry a
//! client token, and wrong for a creating call without one: it would make a second object. And it takes "not found" for
//! final, which it is not while an object that was made just now is not seen everywhere yet
//! (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).

use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::retry::ErrorKind;

use super::error;
use crate::model::cloud::ErrorClass;

/// How the calls of a set of clients are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As the SDK does.
    Plain,
    /// Calls on what was made just now, or that name it: "not found" is asked again.
    Fresh,
    /// As fresh ones; and a call whose answer was lost, or that failed inside the service, is not made again.
    Once,
}

/// Pauses after which a role is looked for again by a service that does not know it yet: IAM may take minutes.
const UNKNOWN_PAUSES: u32 = 4;

/// How Systems Manager says that another update of the same object is under way. The SDK does not know it as throttling.
const BUSY: &str = "TooManyUpdates";

/// Names, in error codes, of what is never made by the program: what is not found is not there.
const FOREIGN: [&str; 4] = ["InvalidAMI", "InvalidKeyPair", "InvalidSnapshot", "InvalidZone"];

/// The rules of a [`Manner`], as the SDK asks for them.
#[derive(Debug)]
pub(super) struct Rules {
    pub manner: Manner,
    /// Pause before what was not found is asked for again; at most five times.
    pub pause: Duration,
}

impl ClassifyRetry for Rules {
    fn classify_retry(&self, ctx: &InterceptorContext) -> RetryAction {
        self.classify_retry_v2(ctx, &RetryAction::NoActionIndicated)
    }

    fn classify_retry_v2(&self, ctx: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        if !matches!(ctx.output_or_error(), Some(Err(_))) {
            return RetryAction::NoActionIndicated;
        }
        let status = ctx.response().map(|r| r.status().as_u16());
        let throttled = matches!(
            previous,
            RetryAction::RetryIndicated(RetryReason::RetryableError { kind: ErrorKind::ThrottlingError, .. })
        );
        if self.manner == Manner::Once && !throttled && status.is_none_or(|s| s >= 500) {
            return RetryAction::RetryForbidden;
        }
        let body = ctx.response().and_then(|r| r.body().bytes()).map(String::from_utf8_lossy).unwrap_or_default();
        let header = |name: &str| ctx.response().and_then(|r| r.headers().get(name));
        let code = match header("x-amzn-errortype").or_else(|| header("x-amzn-query-error")) {
            // A link, or who is to blame, may follow.
            Some(text) => text.split([':', ';']).next().unwrap_or_default(),
            None => code(&body),
        };
        let Some(status) = status.filter(|s| (400..500).contains(s)) else { return RetryAction::NoActionIndicated };
        if code == BUSY {
            return RetryAction::retryable_error(ErrorKind::ThrottlingError);
        }
        if self.manner == Manner::Plain {
            return RetryAction::NoActionIndicated;
        }
        let pause = if is_not_seen_yet(code, &body, status) {
            self.pause
        } else if is_not_known_yet(code, &body) {
            self.pause * UNKNOWN_PAUSES
        } else {
            return RetryAction::NoActionIndicated;
        };
        RetryAction::retryable_error_with_explicit_delay(ErrorKind::TransientError, pause)
    }

    fn name(&self) -> &'static str {
        "saiken"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// Whether an answer says that something is not there which may have been made just now. EC2 speaks of a new instance profile
/// as of a wrong value.
fn is_not_seen_yet(code: &str, body: &str, status: u16) -> bool {
    if FOREIGN.iter().any(|name| code.starts_with(name)) {
        return false;
    }
    let profile = body.to_lowercase().replace(' ', "").contains("iaminstanceprofile");
    error::classify(code, body, status) == ErrorClass::NotFound
        || (matches!(code, "InvalidParameterValue" | "ValidationError") && profile)
}

/// How services say that they do not know a role or user, or what it may do, which may have been made just now: the start of
/// the code, and a part of the message in lower case
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>).
const UNKNOWN: [(&str, &str); 7] = [
    // IAM, S3 and KMS about a policy that names it; Secrets Manager has a word of its own.
    ("MalformedPolicy", "invalid principal"),
    ("MalformedPolicy", "unsupported principal"),
    // SNS about a topic's policy.
    ("InvalidParameter", "principalnotfound"),
    // EC2 about the role of a flow log.
    ("InvalidParameter", "unable to assume given iam role"),
    // RDS about the role that measures, EventBridge about that of a target, and Auto Scaling about that of a hook.
    ("InvalidParameterValue", "required permissions for: enhanced_monitoring"),
    ("ValidationException", "cannot be assumed by principal"),
    ("ValidationError", "unable to publish test message to notification target"),
];

fn is_not_known_yet(code: &str, body: &str) -> bool {
    let body = body.to_lowercase();
    UNKNOWN.iter().any(|(start, part)| code.starts_with(start) && body.contains(part))
}

/// The code in the body of an error: XML, JSON, or CBOR, whose texts stand there as they are.
fn code(body: &str) -> &str {
    let between = |start: &str, end: char| body.split_once(start)?.1.split(end).next();
    let json = || {
        let (_, rest) = body.split_once("\"__type\"")?;
        rest.split('"').nth(1)?.rsplit('#').next()
    };
    let cbor = || {
        let (_, rest) = body.split_once("__type")?;
        let (_, rest) = rest.split_once('#')?;
        rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
    };
    between("<Code>", '<').or_else(json).or_else(cbor).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script::{Script, owner};

    fn error(code: &str, message: &str) -> String {
        format!("<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>")
    }

    #[test]
    fn a_thing_of_ours_may_not_be_seen_yet_and_one_of_others_is_not_there() {
        let not_seen_yet = |body: &str| is_not_seen_yet(super::code(body), body, 400);
        let not_yet = |code: &str, message: &str| not_seen_yet(&error(code, message));
        for code in ["InvalidVpcID.NotFound", "InvalidInstanceID.NotFound", "InvalidGroup.NotFound", "NoSuchEntity"] {
            assert!(not_yet(code, ""), "{code}");
        }
        assert!(not_seen_yet(r#"{"__type":"com.amazon#ResourceNotFoundException"}"#));
        assert!(not_seen_yet("\u{fffd}f__typex\u{1a}com.amazon#ResourceNotFound gmessage"));
        assert!(not_yet("InvalidParameterValue", "Value (web) for parameter iamInstanceProfile.name is invalid"));
        for code in ["InvalidAMIID.NotFound", "InvalidKeyPair.NotFound", "InvalidParameterValue", "DependencyViolation"]
        {
            assert!(!not_yet(code, ""), "{code}");
        }
    }

    #[test]
    fn a_role_may_not_be_known_yet_and_a_wrong_policy_is_wrong() {
        for (code, message) in [
            ("MalformedPolicyDocument", "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:role/new\""),
            ("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."),
            ("MalformedPolicyDocumentException", "This resource policy contains an unsupported principal."),
            ("InvalidParameter", "Invalid parameter: Policy Error: PrincipalNotFound"),
            ("InvalidParameter", "Unable to assume given IAM role"),
            ("ValidationException", "Provided role 'arn' cannot be assumed by principal 'events.amazonaws.com'."),
            (
                "InvalidParameterValue",
                "IAM role ARN value is invalid or does not include the required permissions for: ENHANCED_MONITORING",
            ),
        ] {
            assert!(is_not_known_yet(code, &error(code, message)), "{code}: {message}");
        }
        for (code, message) in [
            ("MalformedPolicyDocument", "Syntax errors in policy."),
            ("InvalidParameter", "Invalid parameter: Policy Error: null"),
            ("ValidationError", "an invalid principal"),
        ] {
            assert!(!is_not_known_yet(code, &error(code, message)), "{code}: {message}");
        }
    }

    #[tokio::test]
    async fn an_update_beside_another_one_of_the_same_object_is_made_again() {
        let busy = r#"{"__type": "TooManyUpdates", "message": "wait"}"#;
        for fresh in [false, true] {
            let script = Script::default().answer("PutParameter", 400, busy).answer("PutParameter", 200, "{}");
            let cx = if fresh { script.context().fresh() } else { script.context() };
            let request = cx.clients.ssm.put_parameter().name("a").value("b");
            cx.call("ssm:PutParameter", request.send()).await.unwrap();
            assert_eq!(script.operations().len(), 2);
        }
    }

    #[tokio::test]
    async fn not_found_is_asked_again_for_what_is_fresh_and_only_for_that() {
        let script = || {
            Script::default()
                .answer("DescribeVpcs", 400, &error("InvalidVpcID.NotFound", "not there"))
                .ec2("DescribeVpcs", "<vpcSet/>")
        };
        let (fresh, plain) = (script(), script());
        let cx = fresh.context().fresh();
        cx.call("ec2:DescribeVpcs", cx.ec2().describe_vpcs().send()).await.unwrap();
        assert_eq!(fresh.operations().len(), 2);
        let cx = plain.context();
        let refused = cx.call("ec2:DescribeVpcs", cx.ec2().describe_vpcs().send()).await.unwrap_err();
        assert_eq!((refused.class, plain.operations().len()), (ErrorClass::NotFound, 1));
    }

    #[tokio::test]
    async fn what_is_made_once_is_asked_again_when_it_was_throttled_and_not_when_nobody_knows_what_became_of_it() {
        let throttled = Script::default()
            .answer("CreateVpc", 503, &error("RequestLimitExceeded", "slowly"))
            .ec2("CreateVpc", "<vpc><vpcId>vpc-1</vpcId></vpc>");
        let cx = throttled.context().once();
        cx.call("ec2:CreateVpc", cx.ec2().create_vpc().send()).await.unwrap();
        assert_eq!(throttled.operations().len(), 2);
        for failure in [Script::default().answer("CreateVpc", 500, "oh"), Script::default().lost("CreateVpc")] {
            let cx = failure.context().once();
            let unknown = cx.call("ec2:CreateVpc", cx.ec2().create_vpc().send()).await.unwrap_err();
            assert_eq!((unknown.class, failure.operations().len()), (ErrorClass::Unanswered, 1), "{unknown}");
        }
        // What may be asked twice is.
        let read = Script::default().lost("DescribeVpcs").ec2("DescribeVpcs", "<vpcSet/>");
        let cx = read.context();
        cx.call("ec2:DescribeVpcs", cx.ec2().describe_vpcs().send()).await.unwrap();
        assert_eq!((owner().generation, read.operations().len()), (1, 2));
    }
}
