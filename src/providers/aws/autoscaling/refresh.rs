//! Instance refresh: replacing a group's running servers in steps.

use std::time::Duration;

use aws_sdk_autoscaling::types::{
    AlarmSpecification, DesiredConfiguration, InstanceRefresh, InstanceRefreshStatus, RefreshPreferences,
};

use super::group::RefreshSettings;
use super::parts::seconds;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::providers::aws::client::{Context, Look};

const START: &str = "autoscaling:StartInstanceRefresh";

/// Replaces a group's servers by such of the configuration, which becomes the group's own when all are replaced, and waits.
/// A refresh to the same configuration that is already under way (of an apply that was cut off) is waited for.
pub(super) async fn refresh(
    cx: &Context,
    group: &str,
    desired: DesiredConfiguration,
    settings: &RefreshSettings,
    watch: &dyn Watch,
) -> Result<(), ApiError> {
    let request = cx
        .clients
        .autoscaling
        .start_instance_refresh()
        .auto_scaling_group_name(group)
        .desired_configuration(desired.clone())
        .preferences(preferences(settings));
    let id = match cx.call(START, request.send()).await {
        Ok(answer) => answer.instance_refresh_id().unwrap_or_default().to_owned(),
        Err(e) if e.code.as_deref().is_some_and(|c| c.starts_with("InstanceRefreshInProgress")) => {
            under_way(cx, group, &desired).await?.ok_or(e)?
        }
        Err(e) => return Err(e),
    };
    let limit = settings.wait.as_ref().map_or(3600, crate::model::types::Duration::seconds);
    if limit == 0 {
        return Ok(());
    }
    cx.wait(watch, &format!("the servers of {group} to be replaced"), Duration::from_secs(limit), || async {
        let request = cx
            .clients
            .autoscaling
            .describe_instance_refreshes()
            .auto_scaling_group_name(group)
            .instance_refresh_ids(&id);
        let answer = cx.call("autoscaling:DescribeInstanceRefreshes", request.send()).await?;
        match answer.instance_refreshes().first() {
            Some(refresh) => {
                let percent = refresh.percentage_complete().unwrap_or(0);
                let state = format!("{}, {percent} %", refresh.status().map_or("no state", |s| s.as_str()));
                Ok(done(refresh)?.map_or(Look::Not(state), Look::Done))
            }
            None => Ok(Look::not(None)),
        }
    })
    .await
}

fn preferences(settings: &RefreshSettings) -> RefreshPreferences {
    let alarms = settings.alarms.clone().map(|a| AlarmSpecification::builder().set_alarms(Some(a)).build());
    RefreshPreferences::builder()
        .min_healthy_percentage(settings.min_healthy)
        .set_max_healthy_percentage(settings.max_healthy)
        .set_instance_warmup(seconds(settings.warmup.as_ref()))
        .set_auto_rollback(settings.auto_rollback)
        .set_skip_matching(settings.skip_matching)
        .set_checkpoint_percentages(settings.checkpoints.clone())
        .set_checkpoint_delay(seconds(settings.checkpoint_delay.as_ref()))
        .set_alarm_specification(alarms)
        .build()
}

/// The id of a refresh to this configuration that has not ended.
async fn under_way(cx: &Context, group: &str, desired: &DesiredConfiguration) -> Result<Option<String>, ApiError> {
    let request = cx.clients.autoscaling.describe_instance_refreshes().auto_scaling_group_name(group);
    let answer = cx.call("autoscaling:DescribeInstanceRefreshes", request.send()).await?;
    let found = answer.instance_refreshes().iter().find(|r| matches!(done(r), Ok(None)) && same(r, desired));
    Ok(found.and_then(|r| r.instance_refresh_id()).map(str::to_owned))
}

/// Whether a refresh leads to a configuration. The answer may name templates in more ways than the request.
fn same(refresh: &InstanceRefresh, desired: &DesiredConfiguration) -> bool {
    let template = |c: &DesiredConfiguration| {
        let template = c
            .launch_template()
            .or_else(|| c.mixed_instances_policy()?.launch_template()?.launch_template_specification())?;
        Some((template.launch_template_id()?.to_owned(), template.version()?.to_owned()))
    };
    let want = template(desired);
    want.is_some() && refresh.desired_configuration().and_then(template) == want
}

/// Whether a refresh is done; none while it is under way.
fn done(refresh: &InstanceRefresh) -> Result<Option<()>, ApiError> {
    match refresh.status() {
        Some(InstanceRefreshStatus::Successful) => Ok(Some(())),
        Some(
            status @ (InstanceRefreshStatus::Failed
            | InstanceRefreshStatus::Cancelled
            | InstanceRefreshStatus::RollbackFailed
            | InstanceRefreshStatus::RollbackSuccessful),
        ) => {
            let why = refresh.status_reason().unwrap_or("no reason given");
            let message = format!("the instance refresh ended as {}: {why}", status.as_str());
            Err(ApiError::new(START, ErrorClass::Other, message))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_autoscaling::types::LaunchTemplateSpecification;

    use super::*;
    use crate::model::cloud::Unwatched;
    use crate::providers::aws::script::Script;

    fn to(version: &str) -> DesiredConfiguration {
        let template = LaunchTemplateSpecification::builder().launch_template_id("lt-1").version(version).build();
        DesiredConfiguration::builder().launch_template(template).build()
    }

    fn settings() -> RefreshSettings {
        serde_json::from_str("{}").unwrap()
    }

    fn refreshes(id: &str, version: &str, status: &str) -> String {
        format!(
            "<InstanceRefreshes><member><InstanceRefreshId>{id}</InstanceRefreshId><Status>{status}</Status>\
             <DesiredConfiguration><LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId>\
             <Version>{version}</Version></LaunchTemplate></DesiredConfiguration></member></InstanceRefreshes>"
        )
    }

    const IN_PROGRESS: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>InstanceRefreshInProgress</Code>\
                               <Message>one is under way</Message></Error></ErrorResponse>";

    #[tokio::test]
    async fn a_refresh_of_an_apply_that_was_cut_off_is_waited_for() {
        let script = Script::default()
            .answer("StartInstanceRefresh", 400, IN_PROGRESS)
            .autoscaling("DescribeInstanceRefreshes", &refreshes("r-1", "3", "InProgress"))
            .autoscaling("DescribeInstanceRefreshes", &refreshes("r-1", "3", "Pending"))
            .autoscaling("DescribeInstanceRefreshes", &refreshes("r-1", "3", "Successful"));
        assert_eq!(refresh(&script.context(), "g", to("3"), &settings(), &Unwatched).await, Ok(()));
        assert!(script.asked("DescribeInstanceRefreshes")[1].contains("r-1"));
    }

    #[tokio::test]
    async fn a_refresh_to_another_version_is_in_the_way() {
        let script = Script::default()
            .answer("StartInstanceRefresh", 400, IN_PROGRESS)
            .autoscaling("DescribeInstanceRefreshes", &refreshes("r-1", "2", "InProgress"));
        let error = refresh(&script.context(), "g", to("3"), &settings(), &Unwatched).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
    }

    #[test]
    fn only_a_refresh_to_the_same_version_is_taken_up_again() {
        let refresh = InstanceRefresh::builder().desired_configuration(to("3")).build();
        assert!(same(&refresh, &to("3")));
        assert!(!same(&refresh, &to("4")));
        assert!(!same(&InstanceRefresh::builder().build(), &to("4")));
    }

    #[test]
    fn a_refresh_that_was_rolled_back_has_failed() {
        let with = |status: InstanceRefreshStatus| done(&InstanceRefresh::builder().status(status).build());
        assert_eq!(with(InstanceRefreshStatus::Successful), Ok(Some(())));
        assert_eq!(with(InstanceRefreshStatus::Baking), Ok(None));
        assert_eq!(with(InstanceRefreshStatus::RollbackInProgress), Ok(None));
        assert!(with(InstanceRefreshStatus::RollbackSuccessful).is_err());
    }
}
