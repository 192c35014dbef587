//! `detector`: looks for threats in a region.
//!
//! There is one a region at most. What is there and is not ours is left alone: a creation looks before it writes, and
//! says that the detector is to be adopted. The creating call has a client token, and all tags, by which a run that
//! ended early finds its detector. Detectors come by a list of their ids and a call for each.
//! API: <https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_guardduty::operation::get_detector::GetDetectorOutput;
use aws_sdk_guardduty::types::{
    DetectorAdditionalConfiguration, DetectorFeature, DetectorFeatureConfiguration, DetectorFeatureConfigurationResult,
    DetectorStatus, FeatureAdditionalConfiguration, FeatureStatus, FindingPublishingFrequency,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{
    AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update, create_once,
};
use crate::providers::aws::preflight::kind::{Checked, Needs};
use crate::providers::aws::words::words;

/// The kind `detector`.
pub struct Detector;

/// Looks for threats in a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Whether it works; while it does not, nothing is looked at and nothing is charged.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How often a finding that comes again is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_frequency: Option<Frequency>,
    /// What it looks at beside the calls, network flows and name queries of the region. What is left out is as the
    /// service chose it.
    #[serde(default)]
    pub features: Features,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

fn yes() -> bool {
    true
}

words! {
    /// How often a finding that comes again is told.
    Frequency {
        /// Every 15 minutes.
        FifteenMinutes = "FIFTEEN_MINUTES",
        /// Every hour.
        OneHour = "ONE_HOUR",
        /// Every 6 hours.
        SixHours = "SIX_HOURS",
    }
}

/// What a detector looks at. Not all regions have all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Reads and writes in buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_data_events: Option<bool>,
    /// Audit logs of Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eks_audit_logs: Option<bool>,
    /// Malware on the volumes of servers that behave oddly; on by default.
    #[serde(default = "yes")]
    pub ebs_malware_protection: bool,
    /// Logins into databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rds_login_events: Option<bool>,
    /// Network flows of functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda_network_logs: Option<bool>,
    /// What goes on inside servers and containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_monitoring: Option<RuntimeMonitoring>,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            s3_data_events: None,
            eks_audit_logs: None,
            ebs_malware_protection: true,
            rds_login_events: None,
            lambda_network_logs: None,
            runtime_monitoring: None,
        }
    }
}

/// What goes on inside servers and containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuntimeMonitoring {
    /// Whether it is looked at.
    pub enabled: bool,
    /// Whether the service keeps the agents in Kubernetes clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eks_addon: Option<bool>,
    /// Whether the service keeps the agents beside tasks on Fargate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs_fargate_agent: Option<bool>,
    /// Whether the service keeps the agents on servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ec2_agent: Option<bool>,
}

impl RuntimeMonitoring {
    fn agents(&self) -> [(FeatureAdditionalConfiguration, Option<bool>); 3] {
        [
            (FeatureAdditionalConfiguration::EksAddonManagement, self.eks_addon),
            (FeatureAdditionalConfiguration::EcsFargateAgentManagement, self.ecs_fargate_agent),
            (FeatureAdditionalConfiguration::Ec2AgentManagement, self.ec2_agent),
        ]
    }
}

fn status(on: bool) -> FeatureStatus {
    if on { FeatureStatus::Enabled } else { FeatureStatus::Disabled }
}

impl Features {
    /// What is declared, in the API's form.
    fn to_api(&self) -> Vec<DetectorFeatureConfiguration> {
        let plain = [
            (DetectorFeature::S3DataEvents, self.s3_data_events),
            (DetectorFeature::EksAuditLogs, self.eks_audit_logs),
            (DetectorFeature::EbsMalwareProtection, Some(self.ebs_malware_protection)),
            (DetectorFeature::RdsLoginEvents, self.rds_login_events),
            (DetectorFeature::LambdaNetworkLogs, self.lambda_network_logs),
        ];
        let feature = |name, on| DetectorFeatureConfiguration::builder().name(name).status(status(on));
        let mut all: Vec<DetectorFeatureConfiguration> =
            plain.into_iter().filter_map(|(name, on)| Some(feature(name, on?).build())).collect();
        if let Some(runtime) = &self.runtime_monitoring {
            let agent = |(name, on): (FeatureAdditionalConfiguration, Option<bool>)| {
                Some(DetectorAdditionalConfiguration::builder().name(name).status(status(on?)).build())
            };
            let agents: Vec<_> = runtime.agents().into_iter().filter_map(agent).collect();
            let runtime = feature(DetectorFeature::RuntimeMonitoring, runtime.enabled);
            all.push(runtime.set_additional_configuration(Some(agents).filter(|a| !a.is_empty())).build());
        }
        all
    }

    /// What is not told is off.
    fn observed(all: &[DetectorFeatureConfigurationResult]) -> Self {
        let find = |feature: DetectorFeature| {
            all.iter().find(|f| f.name().is_some_and(|name| name.as_str() == feature.as_str()))
        };
        let on = |feature| find(feature).and_then(|f| f.status()) == Some(&FeatureStatus::Enabled);
        let agent = |name: FeatureAdditionalConfiguration| {
            let agents = find(DetectorFeature::RuntimeMonitoring).map(|f| f.additional_configuration());
            let agent = agents.unwrap_or_default().iter().find(|a| a.name() == Some(&name));
            Some(agent.and_then(|a| a.status()) == Some(&FeatureStatus::Enabled))
        };
        Self {
            s3_data_events: Some(on(DetectorFeature::S3DataEvents)),
            eks_audit_logs: Some(on(DetectorFeature::EksAuditLogs)),
            ebs_malware_protection: on(DetectorFeature::EbsMalwareProtection),
            rds_login_events: Some(on(DetectorFeature::RdsLoginEvents)),
            lambda_network_logs: Some(on(DetectorFeature::LambdaNetworkLogs)),
            runtime_monitoring: Some(RuntimeMonitoring {
                enabled: on(DetectorFeature::RuntimeMonitoring),
                eks_addon: agent(FeatureAdditionalConfiguration::EksAddonManagement),
                ecs_fargate_agent: agent(FeatureAdditionalConfiguration::EcsFargateAgentManagement),
                ec2_agent: agent(FeatureAdditionalConfiguration::Ec2AgentManagement),
            }),
        }
    }
}

impl Kind for Detector {
    const NAME: &'static str = "detector";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "detector of threats",
            service: "guardduty",
            reference: "https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html",
            scope: Scope::Regional,
            data: Some(Recovery::Nothing("Findings go with their detector: export them to a bucket before")),
            replacement: Replacement::DeleteFirst,
            serves: false,
            attributes: const { &[Attribute::stable("id", "Its id"), Attribute::stable("arn", "ARN")] },
            permissions: Permissions {
                read: &["guardduty:ListDetectors", "guardduty:GetDetector"],
                create: &["guardduty:CreateDetector", "guardduty:TagResource", "iam:CreateServiceLinkedRole"],
                update: &["guardduty:UpdateDetector", "guardduty:TagResource", "guardduty:UntagResource"],
                delete: &["guardduty:DeleteDetector"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 3,
            // There is one, and a creation says which stands in its way; the simulated cloud has room to take it away after.
            quota: 2,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let Some(runtime) = spec.features.runtime_monitoring.as_ref().filter(|r| !r.enabled) else { return };
        if runtime.agents().iter().any(|(_, on)| *on == Some(true)) {
            let message = "agents are kept only where it is looked at what goes on inside";
            problems.add("features.runtime_monitoring.enabled", message, "set it to true, or the agents to false");
        }
    }
}

#[async_trait]
impl Checked for Detector {
    fn needs() -> Needs {
        // The service's own role is made once an account.
        Needs { resource: "detector/*", only_for: &[("iam:CreateServiceLinkedRole", &[])] }
    }
}

#[async_trait]
impl AwsKind for Detector {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let mut out = Vec::new();
        // An id that is not there is no "not found", but an invalid request: only those of the list are asked for.
        for id in ids(cx).await? {
            let named = match &read.selection {
                Selection::Ids(wanted) => Some(wanted.iter().any(|w| w.rsplit('/').next() == Some(&id))),
                Selection::Owned { .. } | Selection::Tagged(_) => None,
            };
            if named == Some(false) {
                continue;
            }
            if let Some(detector) = one(cx, &id).await? {
                let found = found(&cx.region, id, &detector);
                out.extend(Some(found).filter(|f| named.is_some() || read.selection.matches(&f.id, &f.tags)));
            }
        }
        Ok(out)
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        if let Some(id) = ids(cx).await?.into_iter().next() {
            let there = one(cx, &id).await?.and_then(|d| d.tags).unwrap_or_default().into_iter().collect();
            is_ours(want, &id, &there)?;
            // Made by a run that ended early.
            write(cx, &id, spec).await?;
            return Ok(id);
        }
        let once = cx.once();
        let request = once
            .clients
            .guardduty
            .create_detector()
            .client_token(want.token)
            .enable(spec.enabled)
            .set_finding_publishing_frequency(spec.finding_frequency.map(|f| FindingPublishingFrequency::from(f.api())))
            .set_features(Some(spec.features.to_api()))
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        let call = async {
            let answer = once.call("guardduty:CreateDetector", request.send()).await?;
            Ok(answer.detector_id.unwrap_or_default())
        };
        create_once::<Self>(cx, want, None, call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        write(cx, update.id, update.want.spec).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.guardduty.delete_detector().detector_id(delete.id);
        cx.call("guardduty:DeleteDetector", request.send()).await?;
        let look = || async {
            let there = ids(cx).await?.iter().any(|id| id == delete.id);
            Ok(Look::when(!there, Some("still there")))
        };
        cx.wait(delete.watch, &format!("detector {} to be gone", delete.id), SEEN_WITHIN, look).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let guardduty = &cx.clients.guardduty;
        let arn = object.attributes.get("arn").and_then(|a| a.as_str()).unwrap_or_default();
        if !set.is_empty() {
            let request = guardduty.tag_resource().resource_arn(arn).set_tags(Some(set.clone().into_iter().collect()));
            cx.call("guardduty:TagResource", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = guardduty.untag_resource().resource_arn(arn).set_tag_keys(Some(remove.to_vec()));
            cx.call("guardduty:UntagResource", request.send()).await?;
        }
        Ok(())
    }
}

/// Ids of the region's detectors: one at most.
async fn ids(cx: &Context) -> Result<Vec<String>, ApiError> {
    let request = cx.clients.guardduty.list_detectors().into_paginator().send();
    let pages = cx.pages("guardduty:ListDetectors", request).await?;
    Ok(pages.into_iter().flat_map(|p| p.detector_ids.unwrap_or_default()).collect())
}

/// A detector; none if it went since it was listed.
async fn one(cx: &Context, id: &str) -> Result<Option<GetDetectorOutput>, ApiError> {
    let request = cx.clients.guardduty.get_detector().detector_id(id);
    match cx.call("guardduty:GetDetector", request.send()).await {
        Ok(detector) => Ok(Some(detector)),
        Err(e) if e.class == ErrorClass::NotFound || e.message.contains("not owned by the current account") => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether the region's detector is the one that is to be made.
fn is_ours(want: &Create<'_, Spec>, id: &str, there: &Tags) -> Result<(), ApiError> {
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address, o.generation));
    if whose(there) == whose(want.tags) {
        return Ok(());
    }
    let message = format!(
        "the region has a detector already, '{id}', and can't have two: adopt it (`adopt: {id}`) if it is yours"
    );
    Err(ApiError::new("guardduty:CreateDetector", ErrorClass::Conflict, message))
}

/// Writes all that is declared; the rest stays.
async fn write(cx: &Context, id: &str, spec: &Spec) -> Result<(), ApiError> {
    let request = cx
        .clients
        .guardduty
        .update_detector()
        .detector_id(id)
        .enable(spec.enabled)
        .set_finding_publishing_frequency(spec.finding_frequency.map(|f| FindingPublishingFrequency::from(f.api())))
        .set_features(Some(spec.features.to_api()));
    cx.call("guardduty:UpdateDetector", request.send()).await.map(drop)
}

fn found(region: &str, id: String, detector: &GetDetectorOutput) -> Found<Spec> {
    // The API tells no ARN; partition and account are those of its role.
    let role: Vec<&str> = detector.service_role().unwrap_or_default().split(':').collect();
    let (partition, account) = (role.get(1).copied().unwrap_or("aws"), role.get(4).copied().unwrap_or_default());
    let arn = format!("arn:{partition}:guardduty:{region}:{account}:detector/{id}");
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(id)), ("arn", json!(arn))]),
        spec: Spec {
            enabled: detector.status() == Some(&DetectorStatus::Enabled),
            finding_frequency: detector.finding_publishing_frequency().and_then(|f| Frequency::from_api(f.as_str())),
            features: Features::observed(detector.features()),
            tags: None,
        },
        status: Status::Ready,
        tags: detector.tags().cloned().unwrap_or_default().into_iter().collect(),
        unread: Vec::new(),
        id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::{self, Script};

    fn tags(project: &str) -> Value {
        let ours = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
        ours.iter().map(|(name, value)| (format!("saiken:{name}"), json!(value))).collect()
    }

    fn detector(project: &str) -> String {
        json!({
            "status": "ENABLED", "findingPublishingFrequency": "ONE_HOUR", "tags": tags(project),
            "serviceRole": "arn:aws-cn:iam::123456789012:role/aws-service-role/AWSServiceRoleForAmazonGuardDuty",
            "features": [
                {"name": "FLOW_LOGS", "status": "ENABLED"}, {"name": "EBS_MALWARE_PROTECTION", "status": "ENABLED"},
                {"name": "S3_DATA_EVENTS", "status": "DISABLED"},
                {"name": "RUNTIME_MONITORING", "status": "ENABLED", "additionalConfiguration": [
                    {"name": "EKS_ADDON_MANAGEMENT", "status": "ENABLED"},
                    {"name": "EC2_AGENT_MANAGEMENT", "status": "DISABLED"}]},
            ],
        })
        .to_string()
    }

    const NONE: &str = r#"{"detectorIds": []}"#;
    const ONE: &str = r#"{"detectorIds": ["d1"]}"#;

    fn script(project: &str) -> Script {
        Script::default()
            .answer("GET /detector/d1", 200, &detector(project))
            .answer("POST /detector/d1", 200, "{}")
            .answer("DELETE /detector/d1", 200, "{}")
    }

    fn spec() -> Value {
        json!({"finding_frequency": "one_hour", "features": {"s3_data_events": false, "runtime_monitoring": {
            "enabled": true, "eks_addon": true, "ec2_agent": false}}})
    }

    #[tokio::test]
    async fn a_new_detector_has_all_in_one_call_with_a_token_and_a_lost_answer_makes_no_second_one() {
        let script =
            script("p").answer("GET /detector", 200, NONE).answer("GET /detector", 200, ONE).lost("POST /detector");
        let object = script.create::<Detector>(spec()).await.unwrap();
        assert_eq!(object.attributes["arn"], "arn:aws-cn:guardduty:ap-northeast-1:123456789012:detector/d1");
        let asked = script.asked("POST /detector");
        let sent: Value = serde_json::from_str(&asked[0]).unwrap();
        assert_eq!((asked.len(), &sent["clientToken"], &sent["enable"]), (1, &json!("token"), &json!(true)));
        assert_eq!(sent["tags"]["saiken:address"], "s/it");
        let features: Vec<&str> =
            sent["features"].as_array().unwrap().iter().filter_map(|f| f["name"].as_str()).collect();
        assert_eq!(features, ["S3_DATA_EVENTS", "EBS_MALWARE_PROTECTION", "RUNTIME_MONITORING"]);
        for (field, value) in spec()["features"].as_object().unwrap() {
            if let Value::Object(members) = value {
                for (member, value) in members {
                    assert_eq!(&object.spec["features"][field][member], value, "{field}.{member}");
                }
            } else {
                assert_eq!(&object.spec["features"][field], value, "{field}");
            }
        }
    }

    #[tokio::test]
    async fn a_detector_that_is_there_is_finished_if_it_is_ours_and_left_alone_if_it_is_not() {
        let ours = script("p").answer("GET /detector", 200, ONE);
        assert_eq!(ours.create::<Detector>(spec()).await.unwrap().id, "d1");
        assert_eq!((ours.asked("POST /detector/d1").len(), ours.asked("POST /detector").len()), (1, 0));
        let theirs = script("another").answer("GET /detector", 200, ONE);
        let error = theirs.create::<Detector>(spec()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
        assert!(error.message.contains("adopt: d1"), "{}", error.message);
        assert!(theirs.asked("POST /detector/d1").is_empty());
    }

    #[tokio::test]
    async fn a_change_writes_what_is_declared_and_a_lost_answer_is_no_matter() {
        let script = script("p").answer("GET /detector", 200, ONE);
        let mut other = spec();
        other["enabled"] = json!(false);
        other["features"]["lambda_network_logs"] = json!(true);
        script.update::<Detector>("d1", spec(), other).await.unwrap();
        let sent: Value = serde_json::from_str(&script.asked("POST /detector/d1")[0]).unwrap();
        assert_eq!(sent["enable"], false);
        assert!(sent["features"].to_string().contains("LAMBDA_NETWORK_LOGS"));
        assert!(!sent["features"].to_string().contains("EKS_AUDIT_LOGS"), "what is not declared stays");
        let lost = Script::default()
            .answer("GET /detector", 200, ONE)
            .answer("GET /detector/d1", 200, &detector("p"))
            .lost("POST /detector/d1")
            .answer("POST /detector/d1", 200, "{}");
        let mut slower = spec();
        slower["finding_frequency"] = json!("six_hours");
        lost.update::<Detector>("d1", spec(), slower).await.unwrap();
        assert_eq!(lost.asked("POST /detector/d1").len(), 2);
    }

    #[tokio::test]
    async fn tags_change_by_the_arn() {
        let mut object = script::object::<Detector>("d1", spec());
        let arn = "arn:aws:guardduty:r:1:detector/d1";
        object.attributes.insert("arn".to_owned(), json!(arn));
        let path = "/tags/arn%3Aaws%3Aguardduty%3Ar%3A1%3Adetector%2Fd1";
        let script = Script::default().answer(&format!("POST {path}"), 204, "").answer(
            &format!("DELETE {path}?tagKeys=old"),
            204,
            "",
        );
        let set = Tags::from([("所属".to_owned(), "運用".to_owned())]);
        Detector::retag(&script.context(), &object, &set, &["old".to_owned()]).await.unwrap();
        assert!(script.asked(&format!("POST {path}"))[0].contains("運用"));
    }

    #[tokio::test]
    async fn a_detector_is_gone_when_the_list_says_so_and_an_unknown_id_is_not_asked_for() {
        let script = script("p").answer("GET /detector", 200, ONE).answer("GET /detector", 200, ONE).answer(
            "GET /detector",
            200,
            NONE,
        );
        script.delete_owned::<Detector>("d1", spec(), Some(script::owner())).await.unwrap();
        assert_eq!(script.asked("DELETE /detector/d1").len(), 1);
        let ids = ["d2".to_owned()];
        let read = Read::brief(Selection::Ids(&ids));
        assert!(Detector::read(&script.context(), &read).await.unwrap().is_empty());
    }

    #[test]
    fn agents_without_monitoring_are_refused() {
        let mut problems = Problems::default();
        let runtime = json!({"features": {"runtime_monitoring": {"enabled": false, "ec2_agent": true}}});
        Detector::validate(&serde_json::from_value(runtime).unwrap(), &mut problems);
        assert_eq!(problems.0.len(), 1);
    }
}
