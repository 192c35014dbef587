//! An HTTP client that ends the world at a chosen request: before it reaches the server, or after, when the answer is lost. Or it
//! only loses the answer.
//!
//! From the crash on no request gets an answer and none goes out; whoever runs the program sees [`Crash::happened`] and
//! drops it. What had gone out before reaches the server, as it would from a process that was killed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;

/// Which side of a request a crash is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The request never reaches the server.
    Before,
    /// The server has done what was asked, and its answer is lost.
    After,
    /// As after, but the program goes on: it sees a broken connection.
    Lost,
}

/// A point at which a program can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Number of the request, from 0.
    pub request: usize,
    /// Before or after it.
    pub side: Side,
}

/// What was asked, and where it is to end.
#[derive(Debug, Default)]
pub struct Crash {
    point: Option<Point>,
    /// Nothing is counted before.
    armed: AtomicBool,
    happened: AtomicBool,
    /// Requests that have gone out and have no answer yet.
    out: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    crash: Arc<Crash>,
}

impl Crash {
    /// Ends the program at this point; never, with none.
    pub fn at(point: Option<Point>) -> Arc<Self> {
        Arc::new(Self { point, ..Self::default() })
    }

    /// From now on requests are counted.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// The client, around the one that the SDK would use for plain HTTP.
    pub fn client(self: &Arc<Self>) -> SharedHttpClient {
        let inner = aws_smithy_http_client::Builder::new().build_http();
        let crash = Arc::clone(self);
        http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Connector { inner, crash: Arc::clone(&crash) })
        })
    }

    /// Ends when the crash has happened, and what was under way has reached the server.
    pub async fn happened(&self) {
        while !self.happened.load(Ordering::SeqCst) || self.out.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The operations that were asked since it was armed.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Takes a request in; its number, if it counts.
    fn enter(&self, request: &HttpRequest) -> Option<usize> {
        if !self.armed.load(Ordering::SeqCst) {
            return None;
        }
        let mut asked = self.asked.lock().unwrap();
        asked.push(operation(request));
        Some(asked.len() - 1)
    }

    fn is_at(&self, number: Option<usize>, side: Side) -> bool {
        number.is_some_and(|request| self.point == Some(Point { request, side }))
    }

    async fn end(&self) -> ! {
        self.happened.store(true, Ordering::SeqCst);
        std::future::pending().await
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, crash) = (self.inner.clone(), Arc::clone(&self.crash));
        HttpConnectorFuture::new(async move {
            let number = crash.enter(&request);
            if crash.happened.load(Ordering::SeqCst) || crash.is_at(number, Side::Before) {
                crash.end().await;
            }
            crash.out.fetch_add(1, Ordering::SeqCst);
            let counted = Arc::clone(&crash);
            // In a task: what has gone out reaches the server, even if nobody waits for the answer any more.
            let answer = tokio::spawn(async move {
                let answer = inner.call(request).await;
                counted.out.fetch_sub(1, Ordering::SeqCst);
                answer
            })
            .await;
            if crash.happened.load(Ordering::SeqCst) || crash.is_at(number, Side::After) {
                crash.end().await;
            }
            if crash.is_at(number, Side::Lost) {
                let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the answer is lost");
                return Err(ConnectorError::io(broken.into()));
            }
            answer.unwrap()
        })
    }
}

/// The operation that a request asks for: in a header, in a form, at the end of the path, or by method and path.
fn operation(request: &HttpRequest) -> String {
    if let Some(target) = request.headers().get("x-amz-target").and_then(|t| t.rsplit('.').next()) {
        return target.to_owned();
    }
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
    let action = body.split('&').find_map(|part| part.strip_prefix("Action="));
    let named = action.or_else(|| request.uri().split_once("/operation/").map(|(_, operation)| operation));
    named.map_or_else(|| format!("{} {}", request.method(), request.uri()), str::to_owned)
}

/// Whether an operation changes nothing.
pub fn is_read(operation: &str) -> bool {
    ["Describe", "Get", "List", "Lookup", "Search", "GET ", "HEAD "].iter().any(|p| operation.starts_with(p))
}
