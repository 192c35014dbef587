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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script::Script;

    fn images(ids: &[(&str, &str)]) -> String {
        let items: String = ids
            .iter()
            .map(|(id, date)| format!("<item><imageId>{id}</imageId><creationDate>{date}</creationDate></item>"))
            .collect();
        format!("<imagesSet>{items}</imagesSet>")
    }

    #[tokio::test]
    async fn the_newest_image_of_a_name_is_taken() {
        let found = images(&[
            ("ami-old", "2024-01-01T00:00:00.000Z"),
            ("ami-new", "2026-01-01T00:00:00.000Z"),
            ("ami-mid", "2025-01-01T00:00:00.000Z"),
        ]);
        let script = Script::default().ec2("DescribeImages", &found);
        let id = image(&script.context(), r#"{"name":"app-*","owner":"123456789012"}"#).await;
        assert_eq!(id, Ok("ami-new".to_owned()));
        let asked = script.asked("DescribeImages");
        assert!(asked[0].contains("Owner.1=123456789012") && asked[0].contains("available"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_name_without_image_is_an_error_that_names_it() {
        let script = Script::default().ec2("DescribeImages", &images(&[]));
        let error = image(&script.context(), r#"{"name":"app-*"}"#).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NotFound);
        assert_eq!(error.message, "`self` has no image named `app-*`");
    }

    #[tokio::test]
    async fn a_parameter_gives_its_value_and_nothing_but_an_image_id() {
        let answer = |value: &str| format!(r#"{{"Parameter":{{"Name":"/p","Type":"String","Value":"{value}"}}}}"#);
        let script = Script::default().answer("GetParameter", 200, &answer("ami-1"));
        assert_eq!(image(&script.context(), r#"{"parameter":"/p"}"#).await, Ok("ami-1".to_owned()));
        let script = Script::default().answer("GetParameter", 200, &answer("hello"));
        let error = image(&script.context(), r#"{"parameter":"/p"}"#).await.unwrap_err();
        assert_eq!(error.message, "the parameter `/p` holds `hello`, which is not an image id");
    }
}
