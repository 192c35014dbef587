//! The rules of a plan, and what it does beside them, in the API's form and back.

use std::collections::BTreeMap;

use aws_sdk_backup::types::{
    AdvancedBackupSetting, BackupPlan as ApiPlan, BackupPlanInput, BackupRule, BackupRuleInput, CopyAction,
    IndexAction, Lifecycle as ApiLifecycle, MalwareScanner, ScanAction, ScanMode as ApiScanMode, ScanSetting,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Spec;
use super::vault::BackupVault;
use super::{DAY, MINUTE, check_schedule, check_time, check_time_zone, from_units, invalid, role_arn, units};
use crate::model::cloud::ApiError;
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref, Target};
use crate::model::value::is_unknown_text;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::Create;
use crate::providers::aws::words::words;

/// What the API takes for a plan's creation and change.
const OPERATION: &str = "backup:UpdateBackupPlan";
/// The zone of schedules that name none.
pub(super) const UTC: &str = "Etc/UTC";
/// The most days that a continuous backup is kept.
const CONTINUOUS_DAYS: i64 = 35;
/// The fewest days in cold storage.
const COLD_DAYS: i64 = 90;

/// When what is saved where, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Vault that keeps the recovery points (by name, if it is not owned).
    pub vault: Ref<BackupVault>,
    /// ARN of a logically air-gapped vault of the same account and region, which keeps what it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub air_gapped_vault: Option<String>,
    /// When: `cron(0 4 ? * * *)` (minute, hour, day of month, month, day of week, year) or `rate(12 hours)`.
    pub schedule: String,
    /// Time zone of the schedule, such as `Asia/Tokyo`; UTC by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How long after its time a backup may begin, whole minutes, 60m or more; 8h by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_window: Option<Duration>,
    /// How long after its time a backup may take, whole minutes, longer than `start_window`; 7d by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_window: Option<Duration>,
    /// How long recovery points are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Whether every moment of the last days can be restored (where the resource's type allows it); kept 35 days at
    /// most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuous: Option<bool>,
    /// Tags of the recovery points, beside those of what is saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_point_tags: Option<BTreeMap<String, String>>,
    /// Copies in other vaults, regions and accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub copies: Option<Vec<Copy>>,
    /// What is indexed, so that single files can be looked for: one type at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1))]
    pub index: Option<Vec<Indexed>>,
    /// How recovery points are searched for malware; the plan's `malware_scanners` say what of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub malware_scans: Option<Vec<Scan>>,
}

/// How long recovery points are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// After how many days they go to cold storage, where the type has one; `0s` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_after: Option<Duration>,
    /// After how many days they are deleted, 90 more than `cold_after` if there is one; `0s` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<Duration>,
    /// Whether `cold_after` counts for EBS snapshots too: they go to the archive tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
}

/// A copy of each recovery point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// Vault that keeps the copy, in this or another region (by ARN, if it is not owned).
    #[schemars(extend("x-anywhere" = true))]
    pub vault: Ref<BackupVault>,
    /// How long the copy is kept; for ever by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
}

words! {
    /// What can be indexed.
    Indexed {
        /// Volumes.
        Ebs = "EBS",
        /// Buckets.
        S3 = "S3",
    }
}

words! {
    /// How recovery points are searched for malware.
    Scan {
        /// Everything in them.
        Full = "FULL_SCAN",
        /// What changed since the one before.
        Incremental = "INCREMENTAL_SCAN",
    }
}

/// What is searched for malware, by GuardDuty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// Role that the scanner takes on (by ARN, if it is not owned).
    pub role: Ref<Role>,
    /// Types of what is searched.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub types: Vec<Scanned>,
}

words! {
    /// What can be searched for malware.
    Scanned {
        /// Volumes.
        Ebs = "EBS",
        /// Servers.
        Ec2 = "EC2",
        /// Buckets.
        S3 = "S3",
        /// All of these.
        All = "ALL",
    }
}

impl Rule {
    /// What the service would refuse. `path` is that of the rule.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let at = |field: &str| format!("{path}.{field}");
        check_schedule(&at("schedule"), &self.schedule, problems);
        check_time_zone(&at("time_zone"), self.time_zone.as_ref(), problems);
        check_time(&at("start_window"), self.start_window.as_ref(), (MINUTE, "minutes"), 60, problems);
        check_time(&at("completion_window"), self.completion_window.as_ref(), (MINUTE, "minutes"), 61, problems);
        let minutes = |window: &Option<Duration>| units(window.as_ref(), MINUTE);
        if let (Some(start), Some(completion)) = (minutes(&self.start_window), minutes(&self.completion_window))
            && completion <= start
        {
            let message = "a backup that begins at the end of `start_window` would have no time";
            problems.add(at("completion_window"), message, "make it longer than `start_window`");
        }
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.check(&at("lifecycle"), problems);
        }
        let kept = self.lifecycle.as_ref().and_then(|l| units(l.delete_after.as_ref(), DAY));
        let cold = self.lifecycle.as_ref().and_then(|l| units(l.cold_after.as_ref(), DAY));
        if self.continuous == Some(true) && (kept.is_some_and(|days| days > CONTINUOUS_DAYS) || cold.is_some()) {
            let message = "a continuous backup is kept 35 days at most, and never in cold storage";
            problems.add(at("lifecycle"), message, "keep it shorter, and add a rule for what is kept longer");
        }
        for (i, copy) in self.copies.iter().flatten().enumerate() {
            let at = format!("{path}.copies.{i}");
            if let Some(lifecycle) = &copy.lifecycle {
                lifecycle.check(&format!("{at}.lifecycle"), problems);
            }
            if let Target::Id { id } = copy.vault.target()
                && !id.starts_with("arn:")
                && !is_unknown_text(id)
            {
                problems.add(format!("{at}.vault"), format!("`{id}` is no ARN"), "a copy goes to a vault by its ARN");
            }
        }
    }
}

impl Lifecycle {
    fn check(&self, path: &str, problems: &mut Problems) {
        let given = |d: &&Duration| d.as_str() != "0s";
        let (cold, gone) = (self.cold_after.as_ref(), self.delete_after.as_ref());
        check_time(&format!("{path}.cold_after"), cold.filter(given), (DAY, "days"), 1, problems);
        check_time(&format!("{path}.delete_after"), gone.filter(given), (DAY, "days"), 1, problems);
        if let (Some(cold), Some(gone)) = (units(cold, DAY), units(gone, DAY))
            && gone < cold + COLD_DAYS
        {
            let message = "what goes to cold storage stays there for 90 days at least";
            let help = format!("make it {}d or more, or leave `cold_after` out", cold + COLD_DAYS);
            problems.add(format!("{path}.delete_after"), message, help);
        }
    }

    /// In the API's form; what is not declared is as in `there`. None if nothing is said.
    fn over(&self, there: Option<&ApiLifecycle>) -> Option<ApiLifecycle> {
        let days = |own: &Option<Duration>, there: Option<i64>| match own {
            Some(duration) => units(Some(duration), DAY),
            None => there,
        };
        let cold = days(&self.cold_after, there.and_then(|l| l.move_to_cold_storage_after_days));
        let gone = days(&self.delete_after, there.and_then(|l| l.delete_after_days));
        let archive = self.archive.or(there.and_then(|l| l.opt_in_to_archive_for_supported_resources));
        (cold.is_some() || gone.is_some() || archive == Some(true)).then(|| {
            ApiLifecycle::builder()
                .set_move_to_cold_storage_after_days(cold)
                .set_delete_after_days(gone)
                .set_opt_in_to_archive_for_supported_resources(archive.filter(|on| *on))
                .build()
        })
    }

    fn from_api(lifecycle: Option<&ApiLifecycle>) -> Self {
        let days = |number: fn(&ApiLifecycle) -> Option<i64>| Some(from_units(lifecycle.and_then(number), DAY));
        let archive = lifecycle.and_then(|l| l.opt_in_to_archive_for_supported_resources);
        Self {
            cold_after: days(|l| l.move_to_cold_storage_after_days),
            delete_after: days(|l| l.delete_after_days),
            archive: Some(archive.unwrap_or(false)),
        }
    }
}

/// A whole plan as the API takes it. A change writes all of it: what is not declared is as in `there`.
pub(super) fn to_api(
    want: &Create<'_, Spec>,
    name: &str,
    there: Option<&ApiPlan>,
) -> Result<BackupPlanInput, ApiError> {
    let spec = want.spec;
    let current = |name: &str| there.iter().flat_map(|plan| plan.rules()).find(|rule| rule.rule_name() == name);
    let rules = spec.rules.iter().map(|(name, rule)| rule_to_api(want, name, rule, current(name)));
    let scanners = match &spec.malware_scanners {
        Some(scanners) => Some(scanners.iter().map(|s| scanner_to_api(want, s)).collect::<Result<Vec<_>, _>>()?),
        None => there.and_then(|plan| plan.scan_settings.clone()),
    };
    BackupPlanInput::builder()
        .backup_plan_name(name)
        .set_rules(Some(rules.collect::<Result<_, _>>()?))
        .set_advanced_backup_settings(settings(spec, there))
        .set_scan_settings(scanners.filter(|s| !s.is_empty()))
        .build()
        .map_err(|e| invalid(OPERATION, e))
}

fn rule_to_api(
    want: &Create<'_, Spec>,
    name: &str,
    rule: &Rule,
    there: Option<&BackupRule>,
) -> Result<BackupRuleInput, ApiError> {
    let vault = want.id(&rule.vault)?;
    let vault = vault.rsplit_once(":backup-vault:").map_or(vault.as_str(), |(_, name)| name);
    let minutes = |own: &Option<Duration>, there: Option<i64>| units(own.as_ref(), MINUTE).or(there);
    let lifecycle = match &rule.lifecycle {
        Some(lifecycle) => lifecycle.over(there.and_then(|r| r.lifecycle())),
        None => there.and_then(|r| r.lifecycle().cloned()),
    };
    let copies = match &rule.copies {
        Some(copies) => Some(copies.iter().map(|copy| copy_to_api(want, copy)).collect::<Result<Vec<_>, _>>()?),
        None => there.and_then(|r| r.copy_actions.clone()),
    };
    let index = match &rule.index {
        Some(types) => Some(types.iter().map(|t| IndexAction::builder().resource_types(t.api()).build()).collect()),
        None => there.and_then(|r| r.index_actions.clone()),
    };
    let scans = match &rule.malware_scans {
        Some(scans) => Some(scans.iter().map(scan_to_api).collect()),
        None => there.and_then(|r| r.scan_actions.clone()),
    };
    let tags = rule.recovery_point_tags.clone().map(|tags| tags.into_iter().collect());
    BackupRuleInput::builder()
        .rule_name(name)
        .target_backup_vault_name(vault)
        .set_target_logically_air_gapped_backup_vault_arn(
            rule.air_gapped_vault
                .clone()
                .or_else(|| there?.target_logically_air_gapped_backup_vault_arn.clone())
                .filter(|arn| !arn.is_empty()),
        )
        .schedule_expression(&rule.schedule)
        .set_schedule_expression_timezone(
            rule.time_zone.clone().or_else(|| there?.schedule_expression_timezone.clone()),
        )
        .set_start_window_minutes(minutes(&rule.start_window, there.and_then(|r| r.start_window_minutes)))
        .set_completion_window_minutes(minutes(
            &rule.completion_window,
            there.and_then(|r| r.completion_window_minutes),
        ))
        .set_lifecycle(lifecycle)
        .set_enable_continuous_backup(rule.continuous.or_else(|| there?.enable_continuous_backup))
        .set_recovery_point_tags(tags.or_else(|| there?.recovery_point_tags.clone()))
        .set_copy_actions(copies)
        .set_index_actions(index.filter(|list: &Vec<_>| !list.is_empty()))
        .set_scan_actions(scans.filter(|list: &Vec<_>| !list.is_empty()))
        .build()
        .map_err(|e| invalid(OPERATION, e))
}

fn copy_to_api(want: &Create<'_, Spec>, copy: &Copy) -> Result<CopyAction, ApiError> {
    let arn = want.attribute(&copy.vault, "arn").map_or_else(|| want.id(&copy.vault), Ok)?;
    CopyAction::builder()
        .destination_backup_vault_arn(arn)
        .set_lifecycle(copy.lifecycle.as_ref().and_then(|l| l.over(None)))
        .build()
        .map_err(|e| invalid(OPERATION, e))
}

fn scan_to_api(scan: &Scan) -> ScanAction {
    ScanAction::builder().malware_scanner(MalwareScanner::Guardduty).scan_mode(ApiScanMode::from(scan.api())).build()
}

fn scanner_to_api(want: &Create<'_, Spec>, scanner: &Scanner) -> Result<ScanSetting, ApiError> {
    Ok(ScanSetting::builder()
        .malware_scanner(MalwareScanner::Guardduty)
        .scanner_role_arn(role_arn(want, &scanner.role)?)
        .set_resource_types(Some(scanner.types.iter().map(|t| t.api().to_owned()).collect()))
        .build())
}

/// The settings that belong to a type of resource: its type, the API's name, and whether it is on by itself.
const SETTINGS: [(&str, &str, bool); 3] =
    [("EC2", "WindowsVSS", false), ("S3", "BackupACLs", true), ("S3", "BackupObjectTags", true)];

/// Whether a setting is on.
fn is_on(plan: Option<&ApiPlan>, (ty, option, default): (&str, &str, bool)) -> bool {
    let settings = plan.iter().flat_map(|p| p.advanced_backup_settings());
    let options = settings.filter(|s| s.resource_type() == Some(ty)).filter_map(|s| s.backup_options());
    let words: Vec<&String> = options.filter_map(|options| options.get(option)).collect();
    words.first().map_or(default, |word| *word == "enabled")
}

fn settings(spec: &Spec, there: Option<&ApiPlan>) -> Option<Vec<AdvancedBackupSetting>> {
    let declared = [spec.windows_vss, spec.s3_acls, spec.s3_object_tags];
    let mut by_type: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for (setting, declared) in SETTINGS.into_iter().zip(declared) {
        let on = declared.unwrap_or_else(|| is_on(there, setting));
        if on != setting.2 {
            by_type.entry(setting.0).or_default().push((setting.1, on));
        }
    }
    let all = by_type.into_iter().map(|(ty, options)| {
        let word = |on: bool| if on { "enabled" } else { "disabled" }.to_owned();
        let options = options.into_iter().map(|(option, on)| (option.to_owned(), word(on))).collect();
        AdvancedBackupSetting::builder().resource_type(ty).set_backup_options(Some(options)).build()
    });
    let all: Vec<AdvancedBackupSetting> = all.collect();
    (!all.is_empty()).then_some(all)
}

/// Fills in what a plan as the API gives it says.
pub(super) fn from_api(plan: &ApiPlan, spec: &mut Spec) {
    spec.rules = plan.rules().iter().map(|rule| (rule.rule_name().to_owned(), rule_from_api(rule))).collect();
    let [vss, acls, object_tags] = SETTINGS.map(|setting| Some(is_on(Some(plan), setting)));
    (spec.windows_vss, spec.s3_acls, spec.s3_object_tags) = (vss, acls, object_tags);
    let scanners = plan.scan_settings().iter().map(|setting| Scanner {
        role: Ref::id(setting.scanner_role_arn().unwrap_or_default()),
        types: setting.resource_types().iter().filter_map(|word| Scanned::from_api(word)).collect(),
    });
    spec.malware_scanners = Some(scanners.collect());
}

fn rule_from_api(rule: &BackupRule) -> Rule {
    let scans = rule.scan_actions().iter().filter_map(|a| Scan::from_api(a.scan_mode()?.as_str()));
    let copies = rule.copy_actions().iter().map(|copy| Copy {
        vault: Ref::id(copy.destination_backup_vault_arn()),
        lifecycle: Some(Lifecycle::from_api(copy.lifecycle())),
    });
    let indexed = rule.index_actions().iter().flat_map(|a| a.resource_types());
    Rule {
        vault: Ref::id(rule.target_backup_vault_name()),
        air_gapped_vault: Some(rule.target_logically_air_gapped_backup_vault_arn().unwrap_or_default().to_owned()),
        schedule: rule.schedule_expression().unwrap_or_default().to_owned(),
        time_zone: Some(rule.schedule_expression_timezone().unwrap_or(UTC).to_owned()),
        start_window: rule.start_window_minutes.map(|n| from_units(Some(n), MINUTE)),
        completion_window: rule.completion_window_minutes.map(|n| from_units(Some(n), MINUTE)),
        lifecycle: Some(Lifecycle::from_api(rule.lifecycle())),
        continuous: Some(rule.enable_continuous_backup.unwrap_or(false)),
        recovery_point_tags: Some(rule.recovery_point_tags.clone().unwrap_or_default().into_iter().collect()),
        copies: Some(copies.collect()),
        index: Some(indexed.filter_map(|word| Indexed::from_api(word)).collect()),
        malware_scans: Some(scans.collect()),
    }
}
