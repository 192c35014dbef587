//! Decoding what an environment asks for before data goes or service is interrupted.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::model::environment::{DataGuard, DataLoss, Guards, InterruptionGuard, TIME_ZONE};
use crate::model::types::Duration;
use crate::source::Spanned;

use super::decode::Fields;

/// The field `guards`.
pub(super) fn guards(fields: &mut Fields<'_, '_>) -> Guards {
    let mut guards = Guards::default();
    let Some(node) = fields.get("guards") else { return guards };
    let Some(mut inner) = Fields::of("`guards`", node, fields.diagnostics) else { return guards };
    if let Some(node) = inner.get("data")
        && let Some(data) = Fields::of("`guards.data`", node, inner.diagnostics)
    {
        guards.data = data_guard(data);
    }
    if let Some(node) = inner.get("interruptions")
        && let Some(mut interruptions) = Fields::of("`guards.interruptions`", node, inner.diagnostics)
    {
        interruptions.require("notice");
        let notice = duration(&mut interruptions, "notice");
        interruptions.finish();
        guards.interruptions = notice.map(|notice| InterruptionGuard { notice });
    }
    inner.finish();
    guards
}

fn data_guard(mut fields: Fields<'_, '_>) -> DataGuard {
    let mut guard = DataGuard::default();
    if let Some(loss) = fields.text("loss") {
        match loss.value.as_str() {
            "named" => guard.loss = DataLoss::Named,
            "allowed" => guard.loss = DataLoss::Allowed,
            other => {
                let mut error = Diagnostic::error(format!("`loss` can't be `{other}`"))
                    .at(loss.span, "named (only of objects named on the command line) or allowed");
                error.help = suggestion(other, ["named", "allowed"]);
                fields.diagnostics.push(error);
            }
        }
    }
    if let Some(limit) = duration(&mut fields, "recovery_point") {
        guard.recovery_point = limit;
    }
    guard.without = fields.texts("without").into_iter().map(|kind| kind.value).collect();
    fields.finish();
    guard
}

/// A duration in seconds.
fn duration(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<u64> {
    let text = fields.text(name)?;
    match text.value.parse::<Duration>() {
        Ok(duration) => Some(duration.seconds()),
        Err(why) => {
            let error = Diagnostic::error(why).at(text.span, "not a duration").help("write 24h, 90m or 7d");
            fields.diagnostics.push(error);
            None
        }
    }
}

/// The field `time_zone`, by the zones that this program brings along.
pub(super) fn time_zone(text: Option<Spanned<String>>, diagnostics: &mut Diagnostics) -> String {
    let Some(text) = text else { return TIME_ZONE.to_owned() };
    let zones = jiff::tz::TimeZoneDatabase::bundled();
    match zones.get(&text.value) {
        Ok(zone) => zone.iana_name().unwrap_or(TIME_ZONE).to_owned(),
        Err(_) => {
            let known: Vec<String> = zones.available().map(|name| name.to_string()).collect();
            let mut error = Diagnostic::error(format!("there is no time zone `{}`", text.value))
                .at(text.span, "not an IANA name such as Asia/Tokyo");
            error.help = suggestion(&text.value, known.iter().map(String::as_str));
            diagnostics.push(error);
            TIME_ZONE.to_owned()
        }
    }
}
