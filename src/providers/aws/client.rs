//! Connections: credentials, regions, one set of clients for each region, and the one way to make a call.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
pub use aws_credential_types::Credentials;
use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_http_client::tls::{Provider as TlsProvider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::request_id::RequestId;
use tokio::time::Instant;

use super::error;
use super::limit::Limits;
use super::request_ids;
use crate::model::cloud::{ApiError, ErrorClass, Lag, Watch};

/// How to connect.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Main region.
    pub region: String,
    /// ARN of a role to assume.
    pub role: Option<String>,
    /// Credentials in place of those of the SDK's chain (tests).
    pub credentials: Option<Credentials>,
    /// Another HTTP client than the default (tests).
    pub http: Option<SharedHttpClient>,
    /// Another endpoint than the usual (tests; users set `AWS_ENDPOINT_URL`).
    pub endpoint: Option<String>,
    /// First pause between two looks at an object that is not usable yet; 2 seconds by default.
    pub poll: Option<Duration>,
    /// No request rates of our own: for an emulator, which has no limits.
    pub unlimited: bool,
}

/// Clients of all services in one region.
#[derive(Debug, Clone)]
pub struct Clients {
    /// EC2: network, servers, volumes.
    pub ec2: aws_sdk_ec2::Client,
    /// Auto scaling.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// Identities and policies.
    pub iam: aws_sdk_iam::Client,
    /// Keys.
    pub kms: aws_sdk_kms::Client,
    /// Log groups.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Parameters.
    pub ssm: aws_sdk_ssm::Client,
    /// Who we are.
    pub sts: aws_sdk_sts::Client,
    /// Tags over services.
    pub tagging: aws_sdk_resourcegroupstagging::Client,
}

/// All connections of a run.
#[derive(Debug)]
pub struct Session {
    config: SdkConfig,
    clients: Mutex<BTreeMap<String, Arc<Clients>>>,
    limits: Arc<Limits>,
    poll: Duration,
}

impl Session {
    /// Loads credentials by the SDK's normal chain; nothing is called yet, but for the role's credentials when they are
    /// first needed.
    pub async fn connect(settings: &Settings) -> Self {
        let http = settings.http.clone().unwrap_or_else(|| {
            aws_smithy_http_client::Builder::new().tls_provider(TlsProvider::Rustls(CryptoMode::Ring)).build_https()
        });
        // Standard mode: the adaptive one slows the whole process down for half a minute after two throttles.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(6))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(Duration::from_secs(60))
                    .build(),
            )
            .http_client(http);
        if let Some(credentials) = &settings.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let mut config = loader.load().await;
        if let Some(role) = &settings.role {
            let provider = aws_config::sts::AssumeRoleProvider::builder(role)
                .session_name("saiken")
                .configure(&config)
                .build()
                .await;
            config = config
                .into_builder()
                .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(provider))
                .build();
        }
        Self {
            config,
            clients: Mutex::default(),
            limits: Arc::new(Limits::new(settings.unlimited)),
            poll: settings.poll.unwrap_or(Duration::from_secs(2)),
        }
    }

    /// With a configuration of a test's own.
    #[cfg(test)]
    pub(super) fn scripted(config: SdkConfig, poll: Duration) -> Self {
        Self { config, clients: Mutex::default(), limits: Arc::default(), poll }
    }

    /// Credentials, role, endpoint and HTTP client, for clients that are not made for kinds.
    pub(super) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// A context for calls in one region.
    pub fn context(&self, region: &str) -> Context {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = clients.entry(region.to_owned()).or_insert_with(|| {
            let config = self.config.clone().into_builder().region(Region::new(region.to_owned())).build();
            Arc::new(Clients {
                ec2: aws_sdk_ec2::Client::new(&config),
                autoscaling: aws_sdk_autoscaling::Client::new(&config),
                iam: aws_sdk_iam::Client::new(&config),
                kms: aws_sdk_kms::Client::new(&config),
                logs: aws_sdk_cloudwatchlogs::Client::new(&config),
                ssm: aws_sdk_ssm::Client::new(&config),
                sts: aws_sdk_sts::Client::new(&config),
                tagging: aws_sdk_resourcegroupstagging::Client::new(&config),
            })
        });
        Context {
            region: region.to_owned(),
            clients: Arc::clone(clients),
            limits: Arc::clone(&self.limits),
            poll: self.poll,
        }
    }

    /// How long a read may not show what was written: the APIs promise no time, and mostly take seconds.
    pub fn lag(&self) -> Lag {
        if self.limits.are_off() { Lag::default() } else { Lag { looks: 10, pause: Duration::from_secs(3) } }
    }

    /// Calls so far.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.limits.calls()
    }
}

/// What a kind's async side works with: clients of one region, under the rate limits.
#[derive(Debug, Clone)]
pub struct Context {
    /// The region.
    pub region: String,
    /// Its clients.
    pub clients: Arc<Clients>,
    limits: Arc<Limits>,
    poll: Duration,
}

impl Context {
    /// The EC2 client.
    pub fn ec2(&self) -> &aws_sdk_ec2::Client {
        &self.clients.ec2
    }

    /// Makes one call under its rate limit. `operation` is `service:Operation`, as in an IAM action.
    ///
    /// # Errors
    /// The API's error after the SDK's retries.
    pub async fn call<T, E>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, ApiError>
    where
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.limits.enter(&self.region, operation).await;
        self.limits.count(operation);
        tracing::debug!(operation, region = self.region, "call");
        let answer = call.await.map_err(|e| error::from_sdk(operation, &e))?;
        request_ids::note(operation, &answer);
        Ok(answer)
    }

    /// Reads all pages, each under the rate limit.
    ///
    /// # Errors
    /// The first page's error: then nothing may be concluded from the pages before.
    pub async fn pages<T, E>(
        &self,
        operation: &str,
        mut pages: PaginationStream<Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<Vec<T>, ApiError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut all = Vec::new();
        loop {
            self.limits.enter(&self.region, operation).await;
            // After the last page the stream ends without a request, so only what it gives is counted.
            let Some(page) = pages.next().await else { return Ok(all) };
            self.limits.count(operation);
            all.push(page.map_err(|e| error::from_sdk(operation, &e))?);
        }
    }

    /// Looks again and again until `look` gives something, with growing pauses (up to 15 s).
    ///
    /// # Errors
    /// What `look` fails with; `TimedOut` naming `what` after `limit`; `Cancelled` when the watcher asks for it.
    pub async fn wait<T, F>(
        &self,
        watch: &dyn Watch,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<Option<T>, ApiError>>,
    {
        let start = Instant::now();
        let mut pause = self.poll;
        let mut told = false;
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if watch.cancelled() {
                return Err(ApiError::new(format!("wait for {what}"), ErrorClass::Cancelled, "cancelled"));
            }
            if start.elapsed() >= limit {
                let message = format!("waited {} s for {what}", limit.as_secs());
                return Err(ApiError::new("wait", ErrorClass::TimedOut, message));
            }
            if !told {
                watch.waiting(what);
                told = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_secs(15));
        }
    }
}
