//! What a [`super::patch_baseline`] is made of: rules, filters, repositories, to and from the API's forms.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::{PatchFilter, PatchFilterGroup, PatchRule, PatchRuleGroup, PatchSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::patch_baseline::Spec;
use super::{Values, read_sorted, sorted, unfit};
use crate::model::cloud::ApiError;
use crate::model::kind::Problems;
use crate::model::types::Duration;
use crate::model::value::is_unknown_text;
use crate::providers::aws::words::words;

const DAY: u64 = 86_400;
/// Most days after its release that a patch can be approved by itself
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PatchRule.html>).
const DAYS: u64 = 360;
/// Most filters of a rule
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PatchFilterGroup.html>).
const FILTERS: usize = 4;
/// Most values of a filter (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PatchFilter.html>).
const VALUES: usize = 20;
/// Most repositories of a baseline.
const SOURCES: usize = 20;
/// What patches can be told apart by
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PatchFilter.html>).
const KEYS: [&str; 19] = [
    "ADVISORY_ID",
    "ARCH",
    "BUGZILLA_ID",
    "CLASSIFICATION",
    "CVE_ID",
    "EPOCH",
    "MSRC_SEVERITY",
    "NAME",
    "PATCH_ID",
    "PATCH_SET",
    "PRIORITY",
    "PRODUCT",
    "PRODUCT_FAMILY",
    "RELEASE",
    "REPOSITORY",
    "SECTION",
    "SECURITY",
    "SEVERITY",
    "VERSION",
];

words! {
    /// A system whose patches the service knows.
    OperatingSystem {
        /// AlmaLinux.
        AlmaLinux = "ALMA_LINUX",
        /// Amazon Linux 1.
        AmazonLinux = "AMAZON_LINUX",
        /// Amazon Linux 2.
        #[serde(rename = "amazon_linux_2")]
        AmazonLinux2 = "AMAZON_LINUX_2",
        /// Amazon Linux 2022.
        #[serde(rename = "amazon_linux_2022")]
        AmazonLinux2022 = "AMAZON_LINUX_2022",
        /// Amazon Linux 2023.
        #[serde(rename = "amazon_linux_2023")]
        AmazonLinux2023 = "AMAZON_LINUX_2023",
        /// CentOS.
        Centos = "CENTOS",
        /// Debian Server.
        Debian = "DEBIAN",
        /// macOS.
        Macos = "MACOS",
        /// Oracle Linux.
        OracleLinux = "ORACLE_LINUX",
        /// Raspberry Pi OS.
        Raspbian = "RASPBIAN",
        /// Red Hat Enterprise Linux.
        RedhatEnterpriseLinux = "REDHAT_ENTERPRISE_LINUX",
        /// Rocky Linux.
        RockyLinux = "ROCKY_LINUX",
        /// SUSE Linux Enterprise Server.
        Suse = "SUSE",
        /// Ubuntu Server.
        Ubuntu = "UBUNTU",
        /// Windows Server.
        Windows = "WINDOWS",
    }
}

words! {
    /// How bad it is if an approved patch lacks.
    Level {
        /// Critical.
        Critical = "CRITICAL",
        /// High.
        High = "HIGH",
        /// Medium.
        Medium = "MEDIUM",
        /// Low.
        Low = "LOW",
        /// Only worth knowing.
        Informational = "INFORMATIONAL",
        /// Not said.
        Unspecified = "UNSPECIFIED",
    }
}

words! {
    /// What happens to a rejected patch that another one needs.
    RejectedAction {
        /// It is installed with the other one.
        AllowAsDependency = "ALLOW_AS_DEPENDENCY",
        /// Neither it nor the other one is installed.
        Block = "BLOCK",
    }
}

words! {
    /// How a server counts for which there are security patches that are not approved yet.
    UpdatesStatus {
        /// As one that has all it needs.
        Compliant = "COMPLIANT",
        /// As one that lacks something.
        NonCompliant = "NON_COMPLIANT",
    }
}

/// Which patches are approved by themselves, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Values by property, such as `CLASSIFICATION: [Security]`, `SEVERITY: [Critical, Important]`; `*` stands for all.
    /// 4 properties at most, of 20 values at most each.
    #[serde(deserialize_with = "read_sorted")]
    pub filters: Values,
    /// How long after its release a patch is approved, `0s` to `360d` in whole days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve_after: Option<Duration>,
    /// Last day, `2026-11-30`, of releases that are approved, in place of `approve_after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub approve_until: Option<String>,
    /// How bad it is if one of these patches lacks.
    #[serde(default = "unspecified")]
    pub level: Level,
    /// Whether patches that are not about security are among them; Linux only.
    #[serde(default)]
    pub non_security: bool,
}

fn unspecified() -> Level {
    Level::Unspecified
}

/// A repository that patches come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Versions of the system that it is for, such as `AmazonLinux2023`; `*` for all; 20 at most.
    #[schemars(length(min = 1, max = 20), extend("x-unordered" = true))]
    pub products: Vec<String>,
    /// Its configuration as the package manager reads it; 4,096 characters at most. Never shown: it may hold
    /// credentials.
    #[schemars(length(min = 1, max = 4096), extend("x-sensitive" = true))]
    pub configuration: String,
}

/// Rules over several fields that the API would refuse.
pub(super) fn check(spec: &Spec, problems: &mut Problems) {
    use OperatingSystem as System;
    for (at, rule) in spec.approval_rules.iter().flatten().enumerate() {
        check_rule(&format!("approval_rules.{at}"), rule, spec.operating_system, problems);
    }
    if let Some(filters) = &spec.global_filters {
        check_filters("global_filters", filters, problems);
    }
    let linux = !matches!(spec.operating_system, System::Windows | System::Macos);
    if !linux && spec.approved_patches_non_security == Some(true) {
        let message = "only Linux tells patches apart by whether they are about security";
        problems.add("approved_patches_non_security", message, "leave it out");
    }
    if let Some(sources) = spec.sources.as_ref().filter(|s| !s.is_empty()) {
        if !linux {
            problems.add("sources", "only Linux takes patches from other repositories", "leave it out");
        }
        if sources.len() > SOURCES {
            let message = format!("a baseline has {SOURCES} sources at most, these are {}", sources.len());
            problems.add("sources", message, "leave some out");
        }
        for name in sources.keys().filter(|n| !is_name(n)) {
            let message = format!("`{name}` is no name: 3 to 50 letters, digits and `-_.`");
            problems.add(format!("sources.{name}"), message, "give it another one");
        }
    }
    if spec.available_security_updates.is_some() && spec.operating_system != System::Windows {
        problems.add("available_security_updates", "only Windows servers have this status", "leave it out");
    }
}

fn is_name(text: &str) -> bool {
    (3..=50).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn check_rule(path: &str, rule: &Rule, system: OperatingSystem, problems: &mut Problems) {
    check_filters(&format!("{path}.filters"), &rule.filters, problems);
    let apt = matches!(system, OperatingSystem::Debian | OperatingSystem::Ubuntu | OperatingSystem::Raspbian);
    match (&rule.approve_after, &rule.approve_until) {
        (Some(_), Some(_)) => {
            problems.add(path, "patches are approved after a time or until a day, not both", "leave one out");
        }
        (None, None) if !apt => {
            problems.add(path, "nothing says when patches are approved", "add `approve_after: 7d`");
        }
        (Some(after), None) => {
            let seconds = after.seconds();
            let known = !is_unknown_text(after.as_str());
            if known && (seconds % DAY != 0 || seconds / DAY > DAYS) {
                let message = format!("the API can't wait for `{after}`");
                problems.add(format!("{path}.approve_after"), message, "write 0s, or 1d to 360d");
            }
        }
        (None, None | Some(_)) => {}
    }
    if rule.non_security && matches!(system, OperatingSystem::Windows | OperatingSystem::Macos) {
        let message = "only Linux tells patches apart by whether they are about security";
        problems.add(format!("{path}.non_security"), message, "leave it out");
    }
}

fn check_filters(path: &str, filters: &Values, problems: &mut Problems) {
    if filters.len() > FILTERS {
        let message = format!("there may be {FILTERS} properties at most, these are {}", filters.len());
        problems.add(path, message, "leave some out, or write another rule");
    }
    for (key, values) in filters {
        if !KEYS.contains(&key.as_str()) {
            let message = format!("patches have no property `{key}`");
            problems.add(format!("{path}.{key}"), message, format!("take one of {}", KEYS.join(", ")));
        }
        if values.is_empty() || values.len() > VALUES {
            let message = format!("`{key}` has {} values; 1 to {VALUES} may be given", values.len());
            problems.add(format!("{path}.{key}"), message, "`*` stands for all");
        }
    }
}

pub(super) fn to_filters(values: &Values) -> Result<PatchFilterGroup, ApiError> {
    let one = |(key, values): (&String, &Vec<String>)| {
        PatchFilter::builder().key(key.as_str().into()).set_values(Some(values.clone())).build()
    };
    let filters = values.iter().map(one).collect::<Result<_, _>>().map_err(unfit)?;
    PatchFilterGroup::builder().set_patch_filters(Some(filters)).build().map_err(unfit)
}

pub(super) fn filters(group: &PatchFilterGroup) -> Values {
    sorted(group.patch_filters().iter().map(|f| (f.key().as_str().to_owned(), f.values().to_vec())).collect())
}

pub(super) fn to_rules(rules: &[Rule]) -> Result<PatchRuleGroup, ApiError> {
    let one = |rule: &Rule| {
        let days = rule.approve_after.as_ref().and_then(|after| i32::try_from(after.seconds() / DAY).ok());
        Ok(PatchRule::builder()
            .patch_filter_group(to_filters(&rule.filters)?)
            .set_approve_after_days(days)
            .set_approve_until_date(rule.approve_until.clone())
            .compliance_level(rule.level.api().into())
            .enable_non_security(rule.non_security)
            .build())
    };
    let rules = rules.iter().map(one).collect::<Result<_, ApiError>>()?;
    PatchRuleGroup::builder().set_patch_rules(Some(rules)).build().map_err(unfit)
}

pub(super) fn rules(group: &PatchRuleGroup) -> Vec<Rule> {
    let one = |rule: &PatchRule| Rule {
        filters: rule.patch_filter_group().map(filters).unwrap_or_default(),
        approve_after: rule
            .approve_after_days()
            .and_then(|days| u64::try_from(days).ok())
            .map(|days| Duration::from_seconds(days * DAY)),
        approve_until: rule.approve_until_date().filter(|d| !d.is_empty()).map(str::to_owned),
        level: rule.compliance_level().and_then(|l| Level::from_api(l.as_str())).unwrap_or(Level::Unspecified),
        non_security: rule.enable_non_security().unwrap_or(false),
    };
    group.patch_rules().iter().map(one).collect()
}

pub(super) fn to_sources(sources: &BTreeMap<String, Source>) -> Result<Vec<PatchSource>, ApiError> {
    let one = |(name, source): (&String, &Source)| {
        PatchSource::builder()
            .name(name)
            .set_products(Some(source.products.clone()))
            .configuration(&source.configuration)
            .build()
    };
    sources.iter().map(one).collect::<Result<_, _>>().map_err(unfit)
}

pub(super) fn sources(all: &[PatchSource]) -> BTreeMap<String, Source> {
    let one = |source: &PatchSource| {
        let (products, configuration) = (source.products().to_vec(), source.configuration().to_owned());
        (source.name().to_owned(), Source { products, configuration })
    };
    all.iter().map(one).collect()
}
