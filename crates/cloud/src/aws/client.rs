//! The client: accounts, regions, pages.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value as Json, json};
use yagura_model::Cloud;

use super::credentials::{AwsRole, AwsSource, Provider, Surroundings};
use super::endpoint::Endpoints;
use super::errors;
use super::model::Model;
use super::paging::next_of;
use super::wire::{Ask, Wire};
use crate::call::{Call, CallFailure, Caller, FailureKind, Page};
use crate::environment::Environment;
use crate::http::{Http, HttpSettings};
use crate::limiter::{Limiter, LimiterSettings, lock};
use crate::loops::Loops;
use crate::retry::{CallCounters, RetrySettings, Retrying};

/// How to ask AWS.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// The credentials to begin with.
    pub source: AwsSource,
    /// Credentials of single accounts, where they are not the ones above or a role taken with them.
    pub accounts: BTreeMap<String, AwsSource>,
    /// The role to take in every other account.
    pub member_role: Option<MemberRole>,
    /// The region of calls without one; none = `AWS_REGION`, `AWS_DEFAULT_REGION` or `us-east-1`.
    pub region: Option<String>,
    /// One URL for all services, for tests and emulators. Private addresses need [`HttpSettings::allow_private`].
    pub endpoint_override: Option<String>,
    /// Whether a profile may have a program run (`credential_process`).
    pub allow_process: bool,
    /// Environment variables and files.
    pub environment: Environment,
    /// The HTTP client.
    pub http: HttpSettings,
    /// The limits.
    pub limits: LimiterSettings,
    /// The retries.
    pub retries: RetrySettings,
}

impl AwsSettings {
    /// The default chain of credentials in the surroundings of this process.
    pub fn of_process() -> Self {
        Self {
            source: AwsSource::Default { profile: None },
            accounts: BTreeMap::new(),
            member_role: None,
            region: None,
            endpoint_override: None,
            allow_process: false,
            environment: Environment::of_process(),
            http: HttpSettings::from_environment(),
            limits: LimiterSettings::default(),
            retries: RetrySettings::default(),
        }
    }
}

/// A role that every member account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRole {
    /// Its name, with its path if it has one.
    pub name: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
}

/// Who credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The account number.
    pub account: String,
    /// The ARN of the user or role session.
    pub arn: String,
    /// The unique id.
    pub user_id: String,
}

/// A region, as an account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsRegion {
    /// Its name.
    pub name: String,
    /// Whether the account can use it.
    pub opt_in: OptIn,
}

impl AwsRegion {
    /// Whether calls to it can succeed.
    pub fn is_open(&self) -> bool {
        self.opt_in != OptIn::NotOptedIn
    }
}

/// Whether an account can use a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptIn {
    /// It is open to all accounts.
    NotRequired,
    /// The account has switched it on.
    OptedIn,
    /// The account has not switched it on.
    NotOptedIn,
}

/// Answers calls to AWS.
///
/// [`Call::scope`] is the account number. Credentials are chosen by it: those of [`AwsSettings::accounts`], else those
/// of [`AwsSettings::source`] if they belong to the account, else [`AwsSettings::member_role`] taken with them. An
/// account is never asked with the credentials of another.
#[derive(Debug)]
pub struct AwsClient {
    shared: Arc<Surroundings>,
    settings: AwsSettings,
    base: Arc<Provider>,
    providers: Mutex<HashMap<String, Arc<Provider>>>,
    loops: Loops,
}

impl AwsClient {
    /// A client. Nothing is asked yet.
    pub fn new(settings: AwsSettings) -> Result<Self, CallFailure> {
        let model = Model::embedded().map_err(|message| failure(FailureKind::Unreadable, "Model", message))?;
        let environment = &settings.environment;
        let home = settings
            .region
            .as_deref()
            .or_else(|| environment.get("AWS_REGION"))
            .or_else(|| environment.get("AWS_DEFAULT_REGION"))
            .unwrap_or("us-east-1");
        let endpoints = Endpoints::new(model, home, settings.endpoint_override.as_deref());
        let limiter = Arc::new(Limiter::new(settings.limits.clone()));
        let retrying = Retrying::new(settings.retries.clone(), limiter, Arc::default());
        let http = Http::new(settings.http.clone())?;
        let shared = Arc::new(Surroundings {
            wire: Arc::new(Wire::new(model, endpoints, http, retrying)),
            environment: environment.clone(),
            allow_process: settings.allow_process,
        });
        let base = Arc::new(Provider::new(shared.clone(), settings.source.clone()));
        Ok(Self { shared, settings, base, providers: Mutex::default(), loops: Loops::default() })
    }

    /// Counts of requests, for a progress bar.
    pub fn counters(&self) -> &Arc<CallCounters> {
        self.wire().retrying().counters()
    }

    /// The region of calls without one.
    pub fn home_region(&self) -> &str {
        self.wire().home()
    }

    /// The partition of the home region: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.wire().model().partition(self.home_region())
    }

    /// Who the credentials to begin with are.
    pub async fn whoami(&self) -> Result<CallerIdentity, CallFailure> {
        let identity = self.base.identity().await?;
        let text = |name: &str| identity.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        Ok(CallerIdentity { account: text("Account"), arn: text("Arn"), user_id: text("UserId") })
    }

    /// All regions of the partition, as this account sees them.
    pub async fn regions(&self, account: &str) -> Result<Vec<AwsRegion>, CallFailure> {
        let call = Call {
            cloud: Cloud::Aws,
            scope: account.to_owned(),
            region: None,
            service: "ec2".to_owned(),
            operation: "DescribeRegions".to_owned(),
            params: Map::from_iter([("AllRegions".to_owned(), json!(true))]),
        };
        let page = self.call(&call).await?;
        let regions = page.response.get("Regions").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        Ok(regions.iter().filter_map(region_of).collect())
    }

    fn wire(&self) -> &Wire {
        &self.shared.wire
    }

    /// The credentials for an account.
    async fn provider(&self, account: &str) -> Result<Arc<Provider>, CallFailure> {
        if let Some(source) = self.settings.accounts.get(account) {
            let provider = self.kept(account, || Provider::new(self.shared.clone(), source.clone()));
            let owner = provider.account().await?;
            return if owner == account { Ok(provider) } else { Err(not_of(account, owner)) };
        }
        let owner = self.base.account().await?;
        if owner == account {
            return Ok(self.base.clone());
        }
        let Some(role) = &self.settings.member_role else {
            return Err(not_of(account, owner));
        };
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(failure(FailureKind::Refused, "Refused", format!("{account} is not an account number")));
        }
        let arn = format!("arn:{}:iam::{account}:role/{}", self.partition(), role.name.trim_start_matches('/'));
        let take = || {
            let external_id = role.external_id.clone();
            // Its own base is not used: the provider of the base is.
            let role = AwsRole { external_id, ..AwsRole::new(self.settings.source.clone(), arn) };
            Provider::of_role(self.base.clone(), role)
        };
        Ok(self.kept(account, take))
    }

    fn kept(&self, account: &str, make: impl FnOnce() -> Provider) -> Arc<Provider> {
        let mut providers = lock(&self.providers);
        providers.entry(account.to_owned()).or_insert_with(|| Arc::new(make())).clone()
    }

    async fn ask(&self, call: &Call, params: &Map<String, Json>) -> Result<Json, CallFailure> {
        let provider = self.provider(&call.scope).await?;
        let mut renewed = false;
        loop {
            let credentials = provider.credentials().await?;
            let ask = Ask {
                account: &call.scope,
                region: call.region.as_deref(),
                service: &call.service,
                operation: &call.operation,
                params,
                credentials: Some(&credentials),
            };
            match self.wire().ask(ask).await {
                Err(failure) if !renewed && errors::is_expired(&failure.code) && provider.renew(&credentials).await => {
                    renewed = true;
                }
                answer => return answer,
            }
        }
    }
}

impl Caller for AwsClient {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        if call.cloud != Cloud::Aws {
            return Err(failure(FailureKind::Refused, "Refused", format!("{call} is not a call to AWS")));
        }
        let (_, operation) = self.wire().find(&call.service, &call.operation)?;
        let Some(paging) = &operation.pages else {
            return Ok(Page { response: self.ask(call, &call.params).await?, next: None });
        };
        let mut params = call.params.clone();
        for (name, size) in &paging.size {
            params.entry(name.clone()).or_insert_with(|| json!(size));
        }
        let response = self.ask(call, &params).await?;
        let next = next_of(paging, &response);
        self.loops.step(call, &paging.input, next.as_ref())?;
        Ok(Page { response, next })
    }
}

fn region_of(region: &Json) -> Option<AwsRegion> {
    let opt_in = match region.get("OptInStatus").and_then(Json::as_str) {
        Some("not-opted-in") => OptIn::NotOptedIn,
        Some("opted-in") => OptIn::OptedIn,
        _ => OptIn::NotRequired,
    };
    Some(AwsRegion { name: region.get("RegionName")?.as_str()?.to_owned(), opt_in })
}

fn failure(kind: FailureKind, code: &str, message: impl Into<String>) -> CallFailure {
    CallFailure { kind, code: code.to_owned(), message: message.into() }
}

fn not_of(account: &str, owner: &str) -> CallFailure {
    let message = format!("no credentials for account {account}: the ones at hand belong to {owner}");
    failure(FailureKind::Credentials, "NoCredentials", message)
}

#[cfg(test)]
mod tests;
