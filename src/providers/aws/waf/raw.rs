//! Requests and answers of the service as trees of JSON.
//!
//! A statement of a rule may nest others, in some fifty forms, and new ones come every year. Users write them in the
//! API's own form, and they are handed on as they are: also what the SDK has no type for is neither refused nor lost,
//! when a list is written back whole.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

/// Keeps the answer of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer(Arc<Mutex<Value>>);

impl Answer {
    /// The tree of the last answer; null if there was none.
    pub fn take(&self) -> Value {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "saiken: the answer as it came"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let tree = context.response().body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tree.unwrap_or_default();
        Ok(())
    }
}

/// Puts a tree in the place of a request's body.
pub(super) fn with_body(tree: &Value) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    let text = tree.to_string();
    move |request| {
        request.headers_mut().insert("content-length", text.len().to_string());
        *request.body_mut() = SdkBody::from(text.clone());
    }
}
