//! The plan as JSON: the saved form, and the one for other programs (docs/plan-format.md).

use serde::Deserialize;
use serde_json::json;

use crate::model::plan::{FORMAT, Plan};
use crate::model::preflight::Preflight;

/// Why a text is not a plan that this version obeys.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, or not the shape of a plan.
    #[error("this is not a saved plan: {0}")]
    Shape(#[from] serde_json::Error),
    /// Its parts do not fit together.
    #[error("this plan is damaged: {0}; make it again")]
    Damaged(String),
    /// Of another format.
    #[error("this plan has format {found}, and this version reads format {FORMAT}: make the plan again")]
    Format {
        /// The format found.
        found: u32,
    },
}

/// The whole plan, pretty, with a line break at the end.
pub fn plan(plan: &Plan) -> String {
    pretty(plan)
}

/// The plan, with a member `preflight`.
pub fn plan_and_preflight(plan: &Plan, preflight: &Preflight) -> String {
    // As in `pretty`.
    let mut value = serde_json::to_value(plan).unwrap_or_default();
    value["preflight"] = serde_json::to_value(preflight).unwrap_or_default();
    pretty(&value)
}

/// What drifted: `format`, `environment`, `drift`, `held`.
pub fn drift(plan: &Plan) -> String {
    pretty(&json!({
        "format": plan.format,
        "project": plan.project,
        "environment": plan.environment,
        "provider": plan.provider,
        "made_at": plan.made_at,
        "drift": plan.drift,
        "held": plan.held,
    }))
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Plans hold only text keys and finite numbers, so that they always serialise.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads a saved plan.
///
/// # Errors
/// If it is not one, or of another format.
pub fn parse(text: &str) -> Result<Plan, ParseError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_str(text)?;
    if head.format != FORMAT {
        return Err(ParseError::Format { found: head.format });
    }
    let plan: Plan = serde_json::from_str(text)?;
    match plan.damage() {
        Some(damage) => Err(ParseError::Damaged(damage)),
        None => Ok(plan),
    }
}
