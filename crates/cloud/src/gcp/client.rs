//! The client: scopes, assets, pages.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use url::Url;
use yagura_model::Cloud;

use super::credentials::{GcpSource, GcpToken, Provider, Surroundings};
use super::endpoint::Endpoints;
use super::errors::refused;
use super::wire::{Ask, Sending, Wire};
use crate::call::{Call, CallFailure, Caller, FailureKind, Page};
use crate::environment::Environment;
use crate::http::{Http, HttpSettings};
use crate::limiter::{FixedLimit, Limit, LimitKey, Limiter, LimiterSettings};
use crate::loops::Loops;
use crate::retry::{CallCounters, RetrySettings, Retrying};

/// Assets of one page; Google gives no more ("Method: assets.list").
const PAGE_SIZE: u64 = 1000;
const PAGE_TOKEN: &str = "pageToken";

/// How to ask Google.
#[derive(Clone, Debug)]
pub struct GcpSettings {
    /// The credentials.
    pub source: GcpSource,
    /// One URL for all of Google's services and token endpoints, for tests and emulators. Private addresses need
    /// [`HttpSettings::allow_private`].
    pub endpoint_override: Option<String>,
    /// Whether a credential file may have a program run (`executable`, `credential_process`).
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

impl GcpSettings {
    /// The default chain of credentials in the surroundings of this process.
    pub fn of_process() -> Self {
        Self {
            source: GcpSource::Default,
            endpoint_override: None,
            allow_process: false,
            environment: Environment::of_process(),
            http: HttpSettings::from_environment(),
            limits: Self::published_limits(),
            retries: RetrySettings::default(),
        }
    }

    /// The limits that Google publishes: 100 `ListAssets` in a minute for the project that pays for the calls ("Quotas
    /// and limits" of Cloud Asset Inventory). A project whose quota was raised wants its own.
    pub fn published_limits() -> LimiterSettings {
        let assets = FixedLimit {
            service: "cloudasset".to_owned(),
            operation: Some("assets.list".to_owned()),
            limit: Limit { requests: 100, per: Duration::from_secs(60) },
        };
        LimiterSettings { fixed: vec![assets], ..LimiterSettings::default() }
    }
}

/// Who credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpIdentity {
    /// The e-mail address of the service account or user, where credential or token say it.
    pub email: Option<String>,
    /// The project that pays for calls; none = the one that the account belongs to.
    pub quota_project: Option<String>,
}

/// What a scope is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcpScope {
    /// The project's id (`my-project`); none for folders and organizations, and when only the number is known.
    pub id: Option<String>,
    /// The number of project, folder or organization.
    pub number: Option<String>,
    /// The name that people see.
    pub display_name: Option<String>,
}

/// Answers calls to Google Cloud.
///
/// [`Call::scope`] is `projects/x`, `folders/1` or `organizations/1`. `cloudasset:assets.list` asks Cloud Asset Inventory
/// for it; every other call is a GET of its `url`. Other parameters are sent in the query.
#[derive(Debug)]
pub struct GcpClient {
    wire: Arc<Wire>,
    provider: Provider,
    loops: Loops,
}

impl GcpClient {
    /// A client. Nothing is asked yet.
    pub fn new(settings: GcpSettings) -> Result<Self, CallFailure> {
        let limiter = Arc::new(Limiter::new(settings.limits));
        let retrying = Retrying::new(settings.retries, limiter, Arc::default());
        let endpoints = Endpoints::new(settings.endpoint_override.as_deref())?;
        let wire = Arc::new(Wire::new(endpoints, Http::new(settings.http)?, retrying));
        let surroundings = Surroundings {
            wire: wire.clone(),
            environment: settings.environment,
            allow_process: settings.allow_process,
        };
        let provider = Provider::new(surroundings, settings.source);
        Ok(Self { wire, provider, loops: Loops::default() })
    }

    /// Counts of requests, for a progress bar.
    pub fn counters(&self) -> &Arc<CallCounters> {
        self.wire.retrying().counters()
    }

    /// Who the credentials are.
    pub async fn whoami(&self) -> Result<GcpIdentity, CallFailure> {
        let email = self.provider.email().await?;
        let token = self.provider.token().await?;
        Ok(GcpIdentity { email, quota_project: token.quota_project.clone() })
    }

    /// What a scope is called, as far as it may be read: without the Resource Manager API, or the right to use it, what
    /// the scope itself says.
    pub async fn scope_info(&self, scope: &str) -> Result<GcpScope, CallFailure> {
        let (level, id) = split(scope)?;
        let url = format!("https://cloudresourcemanager.googleapis.com/v3/{scope}");
        let answer = match self.ask("cloudresourcemanager", "get", &url, Sending::Nothing).await {
            Ok(answer) => answer,
            Err(failure) if matches!(failure.kind, FailureKind::NotOffered | FailureKind::Denied) => Json::Null,
            Err(failure) => return Err(failure),
        };
        let text = |name: &str| answer.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let named = |number: bool| (is_number(id) == number).then_some(id);
        let number = text("name").and_then(|name| name.rsplit('/').next()).filter(|number| is_number(number));
        let project = text("projectId").or(named(false)).filter(|_| level == "projects");
        Ok(GcpScope {
            id: project.map(str::to_owned),
            number: number.or(named(true)).map(str::to_owned),
            display_name: text("displayName").map(str::to_owned),
        })
    }

    /// Asks with a token, and once more with a new one when Google refuses it.
    async fn ask(&self, service: &str, operation: &str, url: &str, sending: Sending<'_>) -> Result<Json, CallFailure> {
        let mut renewed = false;
        loop {
            let token = self.provider.token().await?;
            let key = LimitKey {
                account: token.quota_project.clone().unwrap_or_default(),
                region: None,
                service: service.to_owned(),
                operation: operation.to_owned(),
            };
            let what = "the url of the call";
            let ask = Ask { key: &key, url, what, token: Some(&token), sending };
            match self.wire.ask(ask).await {
                Err(failure) if !renewed && failure.kind == FailureKind::Credentials && self.renews(&token).await => {
                    renewed = true;
                }
                answer => return answer,
            }
        }
    }

    async fn renews(&self, token: &GcpToken) -> bool {
        self.provider.renew(token).await
    }
}

impl Caller for GcpClient {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        if call.cloud != Cloud::Gcp {
            return Err(refused(format!("{call} is not a call to Google Cloud")));
        }
        let (method, body) = (call.params.get("method"), call.params.get("body"));
        let sending = match (method.and_then(Json::as_str), body) {
            (None | Some("GET"), None) => Sending::Nothing,
            // Receiving and acknowledging messages: every other call of this client reads.
            (Some("POST"), Some(body)) if call.service == "pubsub" => Sending::Json(body),
            _ => return Err(refused(format!("{call} would send something that this client does not send"))),
        };
        let url = url_of(call)?;
        let response = self.ask(&call.service, &call.operation, &url, sending).await?;
        let token = response.get("nextPageToken").and_then(Json::as_str).filter(|token| !token.is_empty());
        let next = token.map(|token| Map::from_iter([(PAGE_TOKEN.to_owned(), token.into())]));
        self.loops.step(call, &[PAGE_TOKEN], next.as_ref())?;
        Ok(Page { response, next })
    }
}

/// The address that answers a call.
fn url_of(call: &Call) -> Result<String, CallFailure> {
    split(&call.scope)?;
    let mut params = call.params.clone();
    params.remove("method");
    params.remove("body");
    let base = if (call.service.as_str(), call.operation.as_str()) == ("cloudasset", "assets.list") {
        params.entry("pageSize").or_insert_with(|| PAGE_SIZE.into());
        format!("https://cloudasset.googleapis.com/v1/{}/assets", call.scope)
    } else {
        match params.remove("url") {
            Some(Json::String(url)) => url,
            _ => return Err(refused(format!("{call} has no url"))),
        }
    };
    let mut url = Url::parse(&base).map_err(|_| refused(format!("the url of {call} is not a URL")))?;
    for (name, value) in &params {
        append(&mut url, name, value, call)?;
    }
    Ok(url.into())
}

/// Adds a parameter to the query: a list as often as it has items, null not at all.
fn append(url: &mut Url, name: &str, value: &Json, call: &Call) -> Result<(), CallFailure> {
    match value {
        Json::Null => (),
        Json::String(text) => drop(url.query_pairs_mut().append_pair(name, text)),
        Json::Bool(_) | Json::Number(_) => drop(url.query_pairs_mut().append_pair(name, &value.to_string())),
        Json::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_null()) => {
            for item in items {
                append(url, name, item, call)?;
            }
        }
        Json::Array(_) | Json::Object(_) => {
            return Err(refused(format!("the parameter {name} of {call} cannot be sent in a query")));
        }
    }
    Ok(())
}

/// Level and id of a scope, which becomes part of addresses.
fn split(scope: &str) -> Result<(&str, &str), CallFailure> {
    let is_id = |id: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        !id.is_empty() && id.len() <= 100 && id.bytes().all(fits) && !id.starts_with('.')
    };
    match scope.split_once('/') {
        Some((level @ ("projects" | "folders" | "organizations"), id)) if is_id(id) => Ok((level, id)),
        _ => Err(refused(format!("{scope} is not projects/ID, folders/NUMBER or organizations/NUMBER"))),
    }
}

fn is_number(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
