//! For tests: an endpoint that answers by the operation's name, and keeps what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;

use serde_json::{Map, Value};

use super::client::{Context, Session};
use super::kind::{AwsKind, Handler, Typed};
use crate::model::Address;
use crate::model::cloud::{
    ApiError, CreateRequest, DeleteRequest, Identified, ReadRequest, Resolved, Unwatched, UpdateRequest,
};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;

/// Status and body; no answer comes with status 0.
type Answer = (u16, Vec<u8>);

/// The endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<BTreeMap<String, Vec<Answer>>>>,
    /// Operation, body and host of each request.
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Script {
    /// Adds an answer to an operation; the last one is given again and again.
    pub(crate) fn answer(self, operation: &str, status: u16, body: &str) -> Self {
        self.bytes(operation, status, body.into())
    }

    fn bytes(self, operation: &str, status: u16, body: Vec<u8>) -> Self {
        self.answers.lock().unwrap().entry(operation.to_owned()).or_default().push((status, body));
        self
    }

    /// An answer to an operation of an API that speaks CBOR.
    pub(crate) fn cbor(self, operation: &str, status: u16, body: &Value) -> Self {
        let mut bytes = Vec::new();
        to_cbor(body, &mut bytes);
        self.bytes(operation, status, bytes)
    }

    /// Adds what another script answers to operations that this one has no answer to.
    pub(crate) fn with(self, other: Self) -> Self {
        for (operation, answers) in other.answers.lock().unwrap().iter() {
            self.answers.lock().unwrap().entry(operation.clone()).or_insert_with(|| answers.clone());
        }
        self
    }

    /// An operation whose answer is lost: the connection breaks.
    pub(crate) fn lost(self, operation: &str) -> Self {
        self.answer(operation, 0, "")
    }

    /// The first answer to an operation is lost; those that were given follow.
    pub(crate) fn first_lost(self, operation: &str) -> Self {
        self.answers.lock().unwrap().entry(operation.to_owned()).or_default().insert(0, (0, Vec::new()));
        self
    }

    /// These answers, then those of another script; an operation that only one of them has is answered by that.
    pub(crate) fn and(self, then: Self) -> Self {
        for (operation, answers) in then.answers.lock().unwrap().iter() {
            self.answers.lock().unwrap().entry(operation.clone()).or_default().extend(answers.iter().cloned());
        }
        self
    }

    /// An error of a service that speaks JSON.
    pub(crate) fn refused(self, operation: &str, code: &str) -> Self {
        self.answer(operation, 400, &format!(r#"{{"__type": "{code}", "message": "{code}"}}"#))
    }

    /// An error of EC2, of auto scaling, of databases, of identities or of certificates.
    pub(crate) fn error(self, operation: &str, code: &str) -> Self {
        if operation.contains("Certificate") {
            return self.answer(operation, 400, &format!(r#"{{"__type":"{code}","message":"{code}"}}"#));
        }
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{code}</Message></Error>");
        let body = if ["AutoScaling", "Role", "InstanceProfile", "DB", "OptionGroup"]
            .iter()
            .any(|part| operation.contains(part))
        {
            format!("<ErrorResponse>{error}</ErrorResponse>")
        } else {
            format!("<Response><Errors>{error}</Errors></Response>")
        };
        self.answer(operation, 400, &body)
    }

    /// An answer to an operation of EC2: its members.
    pub(crate) fn ec2(self, operation: &str, members: &str) -> Self {
        self.answer(operation, 200, &format!("<{operation}Response>{members}</{operation}Response>"))
    }

    /// An answer to an operation of auto scaling: the members of its result.
    pub(crate) fn autoscaling(self, operation: &str, members: &str) -> Self {
        let result = format!("<{operation}Result>{members}</{operation}Result>");
        self.answer(operation, 200, &format!("<{operation}Response>{result}</{operation}Response>"))
    }

    /// An answer to an operation of load balancing: the members of its result.
    pub(crate) fn elb(self, operation: &str, members: &str) -> Self {
        self.autoscaling(operation, members)
    }

    /// An error of load balancing.
    pub(crate) fn elb_error(self, operation: &str, code: &str) -> Self {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{code}</Message></Error>");
        self.answer(operation, 400, &format!("<ErrorResponse>{error}</ErrorResponse>"))
    }

    /// Creates an object of a kind for the address `s/it`; the resource `s/other` is known by the id `other`.
    pub(crate) async fn create<K: AwsKind>(&self, spec: Value) -> Result<Object, ApiError> {
        Typed::<K>::default().create(&self.context(), &desired::<K>(spec), &Unwatched).await
    }

    /// Updates the object `id` from one spec to another, as the engine does for the fields that differ.
    pub(crate) async fn update<K: AwsKind>(&self, id: &str, from: Value, to: Value) -> Result<Object, ApiError> {
        self.update_object::<K>(object::<K>(id, from), to).await
    }

    /// Updates an object as it was read to a spec.
    pub(crate) async fn update_object<K: AwsKind>(&self, object: Object, to: Value) -> Result<Object, ApiError> {
        let fields = |v: &Value| v.as_object().cloned().unwrap_or_default();
        let (before, after) = (fields(&object.spec), fields(&to));
        let changed: BTreeSet<String> =
            after.iter().filter(|(k, v)| before.get(*k) != Some(v)).map(|(k, _)| k.clone()).collect();
        let request = UpdateRequest { desired: desired::<K>(to), object, changed };
        Typed::<K>::default().update(&self.context(), &request, &Unwatched).await
    }

    /// Deletes the object `id`, which has no owner: then the script's answers need no tags.
    pub(crate) async fn delete<K: AwsKind>(&self, id: &str, spec: Value) -> Result<(), ApiError> {
        self.delete_owned::<K>(id, spec, None).await
    }

    /// Deletes the object `id`, which had this owner when it was read.
    pub(crate) async fn delete_owned<K: AwsKind>(
        &self,
        id: &str,
        spec: Value,
        owner: Option<Owner>,
    ) -> Result<(), ApiError> {
        let request = DeleteRequest { object: Object { owner, ..object::<K>(id, spec) } };
        Typed::<K>::default().delete(&self.context(), &request, &Unwatched).await
    }

    /// Reads the objects of project `p`, environment `e`, all their fields.
    pub(crate) async fn read<K: AwsKind>(&self) -> Result<Vec<Object>, ApiError> {
        let request = ReadRequest {
            kind: K::NAME,
            region: "ap-northeast-1",
            project: "p",
            environment: "e",
            adopt: &[],
            declared: &BTreeMap::new(),
            deep: true,
        };
        Typed::<K>::default().read(&self.context(), &request).await
    }

    /// Bodies of the requests to an operation.
    pub(crate) fn asked(&self, operation: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, ..)| name == operation).map(|(_, body, _)| body.clone()).collect()
    }

    /// Hosts of the requests to an operation.
    pub(crate) fn hosts(&self, operation: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, ..)| name == operation).map(|(.., host)| host.clone()).collect()
    }

    /// All operations asked, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(operation, ..)| operation.clone()).collect()
    }

    /// A context whose calls come here.
    pub(crate) fn context(&self) -> Context {
        self.session().context("ap-northeast-1")
    }

    /// A session whose calls come here.
    pub(crate) fn session(&self) -> Session {
        let connector = SharedHttpConnector::new(self.clone());
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("ap-northeast-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(6).with_initial_backoff(Duration::from_millis(1)))
            .build();
        Session::scripted(config, Duration::from_millis(1))
    }
}

/// The owner of all objects here.
pub(crate) fn owner() -> Owner {
    let address = Address::parse("s/it").unwrap();
    Owner {
        project: "p".into(),
        environment: "e".into(),
        address,
        generation: 1,
        fingerprints: BTreeMap::new(),
        protected: false,
    }
}

/// An object of a kind, owned, as it was read.
pub(crate) fn object<K: AwsKind>(id: &str, spec: Value) -> Object {
    Object {
        kind: K::NAME.into(),
        region: "ap-northeast-1".into(),
        id: id.into(),
        identifiers: Vec::new(),
        owner: Some(owner()),
        spec,
        attributes: Map::new(),
        status: Status::Ready,
        unread: Vec::new(),
    }
}

fn desired<K: AwsKind>(spec: Value) -> CreateRequest {
    let known = [("dns_name", "Other.elb.example"), ("zone_id", "ZELB")];
    let attributes = known.map(|(name, value)| (name.to_owned(), Value::from(value))).into_iter().collect();
    let other = Identified { id: "other".into(), attributes };
    CreateRequest {
        kind: K::NAME.into(),
        region: "ap-northeast-1".into(),
        spec,
        owner: owner(),
        tags: BTreeMap::new(),
        name: "p-e-s-it".into(),
        token: "token".into(),
        resolved: Resolved::from([(Address::parse("s/other").unwrap(), other)]),
    }
}

/// A value in CBOR (RFC 8949): whole numbers, doubles, texts, lists, maps.
fn to_cbor(value: &Value, out: &mut Vec<u8>) {
    let head = |major: u8, length: usize, out: &mut Vec<u8>| {
        out.push(major << 5 | 26);
        out.extend(u32::try_from(length).unwrap().to_be_bytes());
    };
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(truth) => out.push(if *truth { 0xf5 } else { 0xf4 }),
        Value::Number(number) if number.is_f64() => {
            out.push(0xfb);
            out.extend(number.as_f64().unwrap().to_be_bytes());
        }
        Value::Number(number) => head(0, usize::try_from(number.as_u64().unwrap()).unwrap(), out),
        Value::String(text) => {
            head(3, text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len(), out);
            items.iter().for_each(|item| to_cbor(item, out));
        }
        Value::Object(members) => {
            head(5, members.len(), out);
            for (name, member) in members {
                to_cbor(&Value::String(name.clone()), out);
                to_cbor(member, out);
            }
        }
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let operation = operation(&request, &body);
        let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push((operation.clone(), body, host));
        let mut answers = self.answers.lock().unwrap();
        let (status, answer) = match answers.get_mut(&operation) {
            Some(list) if list.len() > 1 => list.remove(0),
            Some(list) => list[0].clone(),
            None => panic!("the script has no answer to {operation}"),
        };
        if status == 0 {
            let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the answer is lost");
            return HttpConnectorFuture::ready(Err(ConnectorError::io(broken.into())));
        }
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer))))
    }
}

/// The operation that a request asks for: in a header, in a form, at the end of the path (CBOR), or else method and path
/// (`PUT /backup-vaults/main`), with the query that tells apart what has one path (`PUT /bucket?versioning`).
fn operation(request: &HttpRequest, body: &str) -> String {
    if let Some(target) = request.headers().get("x-amz-target").and_then(|t| t.rsplit('.').next()) {
        return target.to_owned();
    }
    if let Some(form) = body.strip_prefix("Action=") {
        return form.split('&').next().unwrap_or_default().to_owned();
    }
    let uri = request.uri();
    let path = uri.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap_or(uri);
    if let Some((_, operation)) = path.split_once("/operation/") {
        return operation.to_owned();
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query: Vec<&str> = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("x-id=")).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("{} {path}{query}", request.method())
}
