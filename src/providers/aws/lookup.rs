//! Lookups: images by parameter or by owner and name, objects by tags.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, ImageState};

use super::client::Context;
use super::kind::{Handler, Tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::observed::Lookup;
use crate::model::types::ImageQuery;

fn invalid(operation: &str, class: ErrorClass, message: String) -> ApiError {
    ApiError::new(operation, class, message)
}

/// The id of the image that a query asks for; by name, the newest that is available.
pub(super) async fn image(cx: &Context, query: &str) -> Result<String, ApiError> {
    let query: ImageQuery = serde_json::from_str(query)
        .map_err(|e| invalid("image", ErrorClass::Invalid, format!("the query can't be read: {e}")))?;
    if let Some(name) = &query.parameter {
        let operation = "ssm:GetParameter";
        let answer = cx.call(operation, cx.clients.ssm.get_parameter().name(name).send()).await?;
        let value = answer.parameter().and_then(|p| p.value()).unwrap_or_default();
        if !value.starts_with("ami-") {
            let message = format!("the parameter `{name}` holds `{value}`, which is not an image id");
            return Err(invalid(operation, ErrorClass::Invalid, message));
        }
        return Ok(value.to_owned());
    }
    let operation = "ec2:DescribeImages";
    let name = query.name.unwrap_or_default();
    let owner = query.owner.unwrap_or_else(|| "self".to_owned());
    let request = cx
        .ec2()
        .describe_images()
        .owners(&owner)
        .filters(Filter::builder().name("name").values(&name).build())
        .filters(Filter::builder().name("state").values(ImageState::Available.as_str()).build());
    let pages = cx.pages(operation, request.into_paginator().send()).await?;
    pages
        .iter()
        .flat_map(|p| p.images())
        .filter_map(|i| Some((i.creation_date().unwrap_or_default(), i.image_id()?)))
        .max()
        .map(|(_, id)| id.to_owned())
        .ok_or_else(|| invalid(operation, ErrorClass::NotFound, format!("`{owner}` has no image named `{name}`")))
}

/// The one object of a kind with these tags.
pub(super) async fn by_tags(handler: &dyn Handler, cx: &Context, lookup: &Lookup) -> Result<String, ApiError> {
    let query: BTreeMap<String, Tags> = serde_json::from_str(&lookup.query)
        .map_err(|e| invalid(&lookup.what, ErrorClass::Invalid, format!("the query can't be read: {e}")))?;
    let tags = query.get("tags").cloned().unwrap_or_default();
    let ids = handler.find(cx, &tags).await?;
    match ids.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(invalid(&lookup.what, ErrorClass::NotFound, format!("no {} has the tags {tags:?}", lookup.what))),
        several => {
            let list = several.join(", ");
            let message = format!("several of kind {} have the tags {tags:?}: {list}", lookup.what);
            Err(invalid(&lookup.what, ErrorClass::Invalid, message))
        }
    }
}
