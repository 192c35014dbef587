//! `each`, with an end: the library's own goes round as often as it is asked to, and loops in loops would never end.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use handlebars::{
    BlockContext, BlockParams, Context, Handlebars, Helper, HelperDef, HelperResult, JsonValue, Output, PathAndJson,
    RenderContext, RenderError, RenderErrorReason, Renderable as _,
};

/// Most rounds of all loops of one text.
pub(super) const ROUNDS: u64 = 1_000_000;

/// The helper. It counts down what is left of [`ROUNDS`], which whoever renders sets.
pub(super) struct Each(pub Arc<AtomicU64>);

impl HelperDef for Each {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let list = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("each", 0))?;
        let Some(body) = helper.template() else { return Ok(()) };
        let items: Vec<(JsonValue, String, &JsonValue)> = match list.value() {
            JsonValue::Array(items) => {
                items.iter().enumerate().map(|(i, item)| (JsonValue::from(i), i.to_string(), item)).collect()
            }
            JsonValue::Object(members) => {
                members.iter().map(|(k, item)| (JsonValue::from(k.as_str()), k.clone(), item)).collect()
            }
            JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {
                return match helper.inverse() {
                    Some(otherwise) => otherwise.render(registry, context, render, out),
                    None if list.is_value_missing() => {
                        Err(RenderErrorReason::MissingVariable(list.relative_path().cloned()).into())
                    }
                    None => Err(RenderErrorReason::Other("each: it needs a list or a mapping".to_owned()).into()),
                };
            }
        };
        if let (true, Some(otherwise)) = (items.is_empty(), helper.inverse()) {
            return otherwise.render(registry, context, render, out);
        }
        let keyed = list.value().is_object();
        render.push_block(BlockContext::new());
        let last = items.len().saturating_sub(1);
        for (i, (key, step, item)) in items.into_iter().enumerate() {
            self.round()?;
            if let Some(block) = render.block_mut() {
                block.set_local_var("first", (i == 0).into());
                block.set_local_var("last", (i == last).into());
                block.set_local_var("index", i.into());
                if keyed {
                    block.set_local_var("key", key.clone());
                }
                enter(block, helper, list, &key, &step, item)?;
            }
            body.render(registry, context, render, out)?;
        }
        render.pop_block();
        Ok(())
    }
}

impl Each {
    fn round(&self) -> Result<(), RenderError> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let stop = || RenderErrorReason::Other(format!("each: more than {ROUNDS} rounds in one text")).into();
        left.map(|_| ()).map_err(|_| stop())
    }
}

/// Makes `this`, and the names that the block gives, mean the item. What comes from the context is named by its path, so that
/// `../` finds its way.
fn enter<'rc>(
    block: &mut BlockContext<'rc>,
    helper: &Helper<'rc>,
    list: &PathAndJson<'rc>,
    key: &JsonValue,
    step: &str,
    item: &JsonValue,
) -> Result<(), RenderError> {
    match list.context_path() {
        Some(path) => {
            let mut path = path.clone();
            path.push(step.to_owned());
            *block.base_path_mut() = path;
        }
        None => block.set_base_value(item.clone()),
    }
    let (value, name) = match (helper.block_param(), helper.block_param_pair()) {
        (Some(value), _) => (value, None),
        (None, Some((value, name))) => (value, Some(name)),
        (None, None) => return Ok(()),
    };
    let mut names = BlockParams::new();
    match list.context_path() {
        Some(_) => names.add_path(value, Vec::new())?,
        None => names.add_value(value, item.clone())?,
    }
    if let Some(name) = name {
        names.add_value(name, key.clone())?;
    }
    block.set_block_params(names);
    Ok(())
}
