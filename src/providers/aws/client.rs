//! Connections: credentials, regions, one set of clients for each region, and the one way to make a call.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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

use super::cloudcontrol::types::Known;
use super::error;
use super::limit::Limits;
use super::request_ids;
use super::retry::{Manner, Rules};
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
    /// Certificates.
    pub acm: aws_sdk_acm::Client,
    /// Auto scaling.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// Backup plans and vaults.
    pub backup: aws_sdk_backup::Client,
    /// Any type of CloudFormation.
    pub cloudcontrol: aws_sdk_cloudcontrol::Client,
    /// The schemas of those types.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// Audit trails.
    pub cloudtrail: aws_sdk_cloudtrail::Client,
    /// Alarms and dashboards.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// Load balancers.
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    /// Event rules.
    pub events: aws_sdk_eventbridge::Client,
    /// Threat detection.
    pub guardduty: aws_sdk_guardduty::Client,
    /// Identities and policies.
    pub iam: aws_sdk_iam::Client,
    /// Keys.
    pub kms: aws_sdk_kms::Client,
    /// Log groups.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Databases.
    pub rds: aws_sdk_rds::Client,
    /// Zones and records.
    pub route53: aws_sdk_route53::Client,
    /// Buckets.
    pub s3: aws_sdk_s3::Client,
    /// Secrets.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// Topics.
    pub sns: aws_sdk_sns::Client,
    /// Parameters.
    pub ssm: aws_sdk_ssm::Client,
    /// Who we are.
    pub sts: aws_sdk_sts::Client,
    /// Quotas of the account.
    pub quotas: aws_sdk_servicequotas::Client,
    /// Tags over services.
    pub tagging: aws_sdk_resourcegroupstagging::Client,
    /// Tags of identities, whatever the region: [`identity_region`].
    pub identity_tagging: aws_sdk_resourcegroupstagging::Client,
    /// Web access lists.
    pub waf: aws_sdk_wafv2::Client,
}

/// Where the tags and quotas of what belongs to the whole account are kept, for a region of the same partition
/// (<https://docs.aws.amazon.com/general/latest/gr/iam-service.html>).
pub fn identity_region(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "cn-north-1",
        _ if region.starts_with("us-gov-") => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// The clients of one region, by how their calls are repeated; made when first used.
#[derive(Debug)]
struct Sets {
    config: SdkConfig,
    pause: Duration,
    plain: OnceLock<Arc<Clients>>,
    fresh: OnceLock<Arc<Clients>>,
    once: OnceLock<Arc<Clients>>,
}

impl Sets {
    fn get(&self, manner: Manner) -> Arc<Clients> {
        let set = match manner {
            Manner::Plain => &self.plain,
            Manner::Fresh => &self.fresh,
            Manner::Once => &self.once,
        };
        Arc::clone(set.get_or_init(|| Arc::new(self.make(manner))))
    }

    fn make(&self, manner: Manner) -> Clients {
        let region = self.config.region().map(ToString::to_string).unwrap_or_default();
        let identities = self.config.clone().into_builder().region(Region::new(identity_region(&region))).build();
        macro_rules! client {
            ($sdk:ident) => {
                client!($sdk, &self.config)
            };
            ($sdk:ident, $config:expr) => {
                $sdk::Client::from_conf(
                    $sdk::config::Builder::from($config).retry_classifier(Rules { manner, pause: self.pause }).build(),
                )
            };
        }
        Clients {
            ec2: client!(aws_sdk_ec2),
            acm: client!(aws_sdk_acm),
            autoscaling: client!(aws_sdk_autoscaling),
            backup: client!(aws_sdk_backup),
            cloudcontrol: client!(aws_sdk_cloudcontrol),
            cloudformation: client!(aws_sdk_cloudformation),
            cloudtrail: client!(aws_sdk_cloudtrail),
            cloudwatch: client!(aws_sdk_cloudwatch),
            elb: client!(aws_sdk_elasticloadbalancingv2),
            events: client!(aws_sdk_eventbridge),
            guardduty: client!(aws_sdk_guardduty),
            iam: client!(aws_sdk_iam),
            kms: client!(aws_sdk_kms),
            logs: client!(aws_sdk_cloudwatchlogs),
            rds: client!(aws_sdk_rds),
            route53: client!(aws_sdk_route53),
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(&self.config)
                    // An endpoint of one's own has no host a bucket.
                    .force_path_style(self.config.endpoint_url().is_some())
                    .retry_classifier(Rules { manner, pause: self.pause })
                    .build(),
            ),
            secrets: client!(aws_sdk_secretsmanager),
            sns: client!(aws_sdk_sns),
            ssm: client!(aws_sdk_ssm),
            sts: client!(aws_sdk_sts),
            quotas: client!(aws_sdk_servicequotas),
            tagging: client!(aws_sdk_resourcegroupstagging),
            identity_tagging: client!(aws_sdk_resourcegroupstagging, &identities),
            waf: client!(aws_sdk_wafv2),
        }
    }
}

/// All connections of a run.
#[derive(Debug)]
pub struct Session {
    config: SdkConfig,
    sets: Mutex<BTreeMap<String, Arc<Sets>>>,
    limits: Arc<Limits>,
    types: Arc<Known>,
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
            sets: Mutex::default(),
            limits: Arc::new(Limits::new(settings.unlimited)),
            types: Arc::default(),
            poll: settings.poll.unwrap_or(Duration::from_secs(2)),
        }
    }

    /// With a configuration of a test's own.
    #[cfg(test)]
    pub(super) fn scripted(config: SdkConfig, poll: Duration) -> Self {
        Self { config, sets: Mutex::default(), limits: Arc::default(), types: Arc::default(), poll }
    }

    /// Credentials, role, endpoint and HTTP client, for clients that are not made for kinds.
    pub(super) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// A context for calls in one region.
    pub fn context(&self, region: &str) -> Context {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let sets = sets.entry(region.to_owned()).or_insert_with(|| {
            Arc::new(Sets {
                config: self.config.clone().into_builder().region(Region::new(region.to_owned())).build(),
                pause: self.poll * 5 / 2,
                plain: OnceLock::new(),
                fresh: OnceLock::new(),
                once: OnceLock::new(),
            })
        });
        Context {
            region: region.to_owned(),
            clients: sets.get(Manner::Plain),
            sets: Arc::clone(sets),
            limits: Arc::clone(&self.limits),
            types: Arc::clone(&self.types),
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

/// What a look at an object that is waited for gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look<T> {
    /// It is as it was waited for.
    Done(T),
    /// Not yet: the state that it is in, in the API's words.
    Not(String),
}

impl<T> Look<T> {
    /// What may not be seen yet.
    pub fn seen(found: Option<T>) -> Self {
        found.map_or_else(|| Self::Not("not seen yet".to_owned()), Self::Done)
    }

    /// Not yet; none is that of an object that is not seen.
    pub fn not(state: Option<&str>) -> Self {
        Self::Not(state.unwrap_or("not seen yet").to_owned())
    }
}

impl Look<()> {
    /// Done under a condition; else the state.
    pub fn when(done: bool, state: Option<&str>) -> Self {
        if done { Self::Done(()) } else { Self::not(state) }
    }
}

/// What a kind's async side works with: clients of one region, under the rate limits.
#[derive(Debug, Clone)]
pub struct Context {
    /// The region.
    pub region: String,
    /// Its clients.
    pub clients: Arc<Clients>,
    sets: Arc<Sets>,
    limits: Arc<Limits>,
    /// Types of CloudFormation that this run has asked for.
    pub(super) types: Arc<Known>,
    poll: Duration,
}

impl Context {
    /// For calls on what was made just now, or that name it: if it is not found, they are made again for about half a minute.
    #[must_use]
    pub fn fresh(&self) -> Self {
        self.with(Manner::Fresh)
    }

    /// For a creating call that takes no client token: as [`Context::fresh`], and if its answer is lost, the call is not made
    /// again, since that would make a second object.
    #[must_use]
    pub fn once(&self) -> Self {
        self.with(Manner::Once)
    }

    /// For a look at what may not be there: "not found" is believed at once.
    #[must_use]
    pub fn plain(&self) -> Self {
        self.with(Manner::Plain)
    }

    fn with(&self, manner: Manner) -> Self {
        Self { clients: self.sets.get(manner), ..self.clone() }
    }

    /// The first pause of a wait.
    pub(super) fn poll(&self) -> Duration {
        self.poll
    }

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

    /// Looks again and again until `look` says that it is done, with growing pauses (up to 15 s). `what` names the object and
    /// the state that is waited for: "vpc-1 to be available".
    ///
    /// # Errors
    /// What `look` fails with; `TimedOut` naming `what` and the state last seen after `limit`; `Cancelled` when the watcher
    /// asks for it.
    pub async fn wait<T, F>(
        &self,
        watch: &dyn Watch,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<Look<T>, ApiError>>,
    {
        let mut waiting = Waiting { watch, what, start: Instant::now(), limit, pause: self.poll, told: false };
        loop {
            let state = match look().await? {
                Look::Done(found) => return Ok(found),
                Look::Not(state) => state,
            };
            if !waiting.rest().await? {
                let message = format!("waited {} s for {what}; last seen: {state}", limit.as_secs());
                return Err(ApiError::new("wait", ErrorClass::TimedOut, message));
            }
        }
    }

    /// Makes a call again and again, as [`Context::wait`] looks, while the API refuses it for a reason that `passes`. In the end
    /// it is the API that says why.
    ///
    /// # Errors
    /// What the call fails with, after `limit` also for a reason that passes; `Cancelled` when the watcher asks for it.
    pub async fn while_refused<T, F>(
        &self,
        watch: &dyn Watch,
        what: &str,
        limit: Duration,
        passes: impl Fn(&ApiError) -> bool,
        mut call: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut waiting = Waiting { watch, what, start: Instant::now(), limit, pause: self.poll, told: false };
        loop {
            let refused = match call().await {
                Err(e) if passes(&e) => e,
                other => return other,
            };
            if !waiting.rest().await? {
                return Err(refused);
            }
        }
    }
}

/// A wait under way.
struct Waiting<'w> {
    watch: &'w dyn Watch,
    what: &'w str,
    start: Instant,
    limit: Duration,
    pause: Duration,
    told: bool,
}

impl Waiting<'_> {
    /// Lets a pause pass, each longer than the last one; false if the time is over.
    async fn rest(&mut self) -> Result<bool, ApiError> {
        if self.watch.cancelled() {
            return Err(ApiError::new(format!("wait for {}", self.what), ErrorClass::Cancelled, "cancelled"));
        }
        if self.start.elapsed() >= self.limit {
            return Ok(false);
        }
        if !self.told {
            self.watch.waiting(self.what);
            self.told = true;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 3 / 2).min(Duration::from_secs(15));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cloud::Unwatched;
    use crate::providers::aws::script::Script;

    #[tokio::test]
    async fn a_call_that_stays_refused_ends_with_the_api_s_own_error() {
        let cx = Script::default().context();
        let refused = || ApiError::new("x:Y", ErrorClass::Conflict, "in use by z");
        let calls = std::cell::Cell::new(0);
        let call = || {
            calls.set(calls.get() + 1);
            let answer = if calls.get() < 3 { Err(refused()) } else { Ok(calls.get()) };
            async { answer }
        };
        let passes = |e: &ApiError| e.class == ErrorClass::Conflict;
        let limit = Duration::from_secs(60);
        assert_eq!(cx.while_refused(&Unwatched, "y to be free", limit, passes, call).await.unwrap(), 3);
        let stays = || async { Err::<(), _>(refused()) };
        let error = cx.while_refused(&Unwatched, "y to be free", Duration::ZERO, passes, stays).await.unwrap_err();
        assert_eq!((error.class, error.message.as_str()), (ErrorClass::Conflict, "in use by z"));
    }

    #[tokio::test]
    async fn a_wait_that_ends_names_the_object_and_the_state_that_it_saw_last() {
        let cx = Script::default().context();
        let looks = std::cell::Cell::new(0);
        let look = || async {
            looks.set(looks.get() + 1);
            Ok(Look::<()>::not((looks.get() > 2).then_some("pending")))
        };
        let limit = Duration::from_millis(20);
        let error = cx.wait(&Unwatched, "vpc-1 to be available", limit, look).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::TimedOut);
        assert_eq!(error.message, "waited 0 s for vpc-1 to be available; last seen: pending");
        assert!(looks.get() > 2);
    }

    #[test]
    fn every_wait_says_which_object_it_waits_for() {
        fn sources(folder: &std::path::Path, all: &mut Vec<std::path::PathBuf>) {
            for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if path.is_dir() {
                    sources(&path, all);
                } else {
                    all.push(path);
                }
            }
        }
        let mut files = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers/aws"), &mut files);
        let mut waits = 0;
        for file in files.iter().filter(|f| !f.ends_with("client.rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            for (_, call) in text.match_indices(".wait(").map(|(at, _)| (at, &text[at..])) {
                let what = call.split(',').nth(1).unwrap_or_default().trim();
                let named = what.starts_with("&what") || (what.starts_with("&format!(") && what.contains('{'));
                assert!(named, "{}: {what} does not name an object", file.display());
                waits += 1;
            }
        }
        assert!(waits > 20, "{waits}");
    }
}
