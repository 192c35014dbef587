//! Errors of the SDK as [`ApiError`]s.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use crate::model::cloud::{ApiError, ErrorClass};

/// Turns an SDK error into ours. `operation` is `service:Operation`.
pub fn from_sdk<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> ApiError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().map(str::to_owned);
    let message = error.message().map(str::to_owned).unwrap_or_else(|| match error {
        // No message in the form that the API documents: a proxy, or an emulator. What it said is better than nothing.
        SdkError::ServiceError(service) => {
            let body = service.raw().body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
            let body: String = body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
            format!("HTTP status {} {body}", service.raw().status())
        }
        other => DisplayErrorContext(other).to_string(),
    });
    let class = match error {
        SdkError::ServiceError(service) => {
            classify(code.as_deref().unwrap_or_default(), &message, service.raw().status().as_u16())
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => ErrorClass::Unanswered,
        SdkError::DispatchFailure(failure) if failure.is_user() => ErrorClass::Other,
        SdkError::DispatchFailure(_) => ErrorClass::Unanswered,
        _ => ErrorClass::Other,
    };
    ApiError {
        operation: operation.to_owned(),
        class,
        code,
        message,
        request_id: error.request_id().map(str::to_owned),
    }
}

/// The class of a service's error code. The codes are those of
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html> and the other services' pages of the
/// same sort.
pub(super) fn classify(code: &str, message: &str, status: u16) -> ErrorClass {
    let bare = code.split('#').next_back().unwrap_or(code);
    match bare {
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthFailure"
        | "OptInRequired"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch" => ErrorClass::AccessDenied,
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        // Another update of the same parameter or document is under way.
        | "TooManyUpdates"
        // A volume takes one snapshot in 15 seconds. (Its modifications have a rate, too, of hours: that is final.)
        | "SnapshotCreationPerVolumeRateExceeded"
        | "SlowDown" => ErrorClass::Throttled,
        "DependencyViolation"
        | "ResourceInUse"
        | "ResourceInUseFault"
        | "DeleteConflict"
        | "DeleteConflictException"
        | "ResourceContention"
        | "ResourceContentionFault"
        | "ScalingActivityInProgress"
        | "ScalingActivityInProgressFault"
        | "IncorrectState"
        | "IncorrectInstanceState"
        | "VolumeInUse"
        | "OperationNotPermitted"
        | "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "AlreadyExists"
        | "AlreadyExistsFault"
        | "AlreadyExistsException"
        | "ResourceAlreadyExistsException"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "OperationAborted"
        | "OperationAbortedException"
        | "KMSInvalidStateException"
        | "InstanceRefreshInProgress"
        | "BucketNotEmpty"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "ConflictException"
        | "ResourceInUseException"
        | "ResourceExistsException"
        | "PriorRequestNotComplete"
        | "HostedZoneAlreadyExists"
        | "HostedZoneNotEmpty"
        | "HealthCheckAlreadyExists"
        | "HealthCheckInUse"
        | "InvalidDBInstanceState"
        | "InvalidDBInstanceStateFault"
        | "InvalidDBClusterStateFault"
        | "InvalidDBSnapshotState"
        | "InvalidDBClusterSnapshotStateFault"
        | "InvalidDBParameterGroupState"
        | "InvalidDBSubnetGroupStateFault"
        | "DuplicateLoadBalancerName"
        | "DuplicateTargetGroupName"
        | "DuplicateListener"
        | "PriorityInUse"
        | "InvalidOptionGroupStateFault"
        | "WAFDuplicateItemException"
        | "WAFAssociatedItemException"
        | "WAFOptimisticLockException"
        | "TrailAlreadyExistsException"
        | "AssociatedInstances"
        | "TargetInUseException"
        | "ConflictingDomainExists"
        | "LastVPCAssociation"
        | "IdempotentParameterMismatch" => ErrorClass::Conflict,
        "TooManyHostedZones" | "TooManyHealthChecks" | "LimitsExceeded" => ErrorClass::QuotaExceeded,
        "ValidationError" | "ValidationException" if message.contains("not found") => ErrorClass::NotFound,
        "NoSuchEntity"
        | "NoSuchEntityException"
        | "NotFoundException"
        | "ResourceNotFoundException"
        | "NoSuchBucket"
        | "NoSuchHostedZone"
        | "NoSuchHealthCheck"
        | "NoSuchQueryLoggingConfig"
        | "WAFNonexistentItemException"
        | "DoesNotExistException"
        | "AssociationDoesNotExist"
        | "InvalidDocument"
        | "InvalidResourceId"
        | "ParameterNotFound"
        | "ParameterVersionNotFound" => ErrorClass::NotFound,
        _ if bare.ends_with(".NotFound")
            || bare.ends_with("NotFound")
            || bare.ends_with("NotFoundFault")
            || bare.ends_with("NotFoundError")
            || bare.ends_with("NotFoundException")
            || bare.ends_with(".NotFoundException")
            || bare.ends_with(".Malformed") && status == 404 =>
        {
            ErrorClass::NotFound
        }
        _ if bare.ends_with("AlreadyExistsException")
            || bare.ends_with("AlreadyExists")
            || bare.ends_with("AlreadyExistsFault") =>
        {
            ErrorClass::Conflict
        }
        _ if bare.ends_with("LimitExceeded")
            || bare.ends_with("LimitExceededException")
            || bare.ends_with("LimitExceededFault")
            || bare.ends_with("QuotaExceeded")
            || bare.ends_with("LimitsExceededException")
            || bare.starts_with("TooMany")
            || bare.ends_with("QuotaExceededFault")
            || bare.ends_with("InsufficientDBInstanceCapacity")
            || bare.ends_with("InsufficientInstanceCapacity") =>
        {
            ErrorClass::QuotaExceeded
        }
        _ if status == 429 => ErrorClass::Throttled,
        _ if (400..500).contains(&status) => ErrorClass::Invalid,
        // It failed inside the service: it may have had its effect before that.
        _ if status >= 500 => ErrorClass::Unanswered,
        _ => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_the_classes_that_the_engine_tells_apart() {
        let class = |code: &str| classify(code, "", 400);
        assert_eq!(class("InvalidVpcID.NotFound"), ErrorClass::NotFound);
        assert_eq!(class("NatGatewayNotFound"), ErrorClass::NotFound);
        assert_eq!(class("NoSuchEntity"), ErrorClass::NotFound);
        assert_eq!(class("DashboardNotFoundError"), ErrorClass::NotFound);
        assert_eq!(class("InvalidLaunchTemplateName.NotFoundException"), ErrorClass::NotFound);
        assert_eq!(class("InvalidLaunchTemplateName.AlreadyExistsException"), ErrorClass::Conflict);
        assert_eq!(class("VpcLimitExceeded"), ErrorClass::QuotaExceeded);
        assert_eq!(class("TooManyTargetGroups"), ErrorClass::QuotaExceeded);
        assert_eq!(class("WAFLimitsExceededException"), ErrorClass::QuotaExceeded);
        assert_eq!(class("TooManyRequestsException"), ErrorClass::Throttled);
        assert_eq!(class("TooManyUpdates"), ErrorClass::Throttled);
        assert_eq!(class("SnapshotCreationPerVolumeRateExceeded"), ErrorClass::Throttled);
        assert_eq!(class("VolumeModificationRateExceeded"), ErrorClass::Invalid);
        assert_eq!(class("DuplicateListener"), ErrorClass::Conflict);
        assert_eq!(class("RequestLimitExceeded"), ErrorClass::Throttled);
        assert_eq!(class("DependencyViolation"), ErrorClass::Conflict);
        assert_eq!(class("UnauthorizedOperation"), ErrorClass::AccessDenied);
        assert_eq!(class("InvalidParameterValue"), ErrorClass::Invalid);
        assert_eq!(class("IdempotentParameterMismatch"), ErrorClass::Conflict);
        assert_eq!(classify("InternalError", "", 500), ErrorClass::Unanswered);
        assert_eq!(classify("RequestLimitExceeded", "", 503), ErrorClass::Throttled);
        assert_eq!(classify("ValidationError", "AutoScalingGroup name not found", 400), ErrorClass::NotFound);
    }
}
