//! The client: queries, paths, pages.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};
use url::Url;
use yagura_model::Cloud;

use super::credentials::{AzureSource, Provider};
use super::endpoints::{Api, AzureEndpoints};
use super::login::Login;
use super::operation::{Patience, settle};
use super::query;
use super::token::Claims;
use super::wire::{Ask, Wire};
use crate::call::{Call, CallFailure, Caller, FailureKind, Page};
use crate::environment::Environment;
use crate::http::{Http, HttpSettings};
use crate::limiter::{FixedLimit, Limit, LimitKey, Limiter, LimiterSettings};
use crate::loops::Loops;
use crate::retry::{CallCounters, RetrySettings, Retrying};

const RESOURCE_GRAPH: &str = "Microsoft.ResourceGraph";
/// The version that `azure-mgmt-resourcegraph` 8.0.1 asks for.
const RESOURCE_GRAPH_VERSION: &str = "2021-03-01";
const SUBSCRIPTIONS_VERSION: &str = "2022-12-01";
const MANAGEMENT_GROUPS_VERSION: &str = "2020-05-01";
/// The parameter that says which page of a list is asked for.
const LINK: &str = "next_link";
/// Collections of Microsoft Graph that take `$top=999`; the others answer with pages of their own size. Source: Microsoft,
/// the pages "List users", "List groups", "List applications", "List servicePrincipals", "List group members".
const TAKE_TOP: [&str; 4] = ["users", "groups", "applications", "servicePrincipals"];
/// Pages of a list that this client reads to its end by itself.
const MOST_PAGES: usize = 1000;

/// How to ask Azure.
#[derive(Clone, Debug)]
pub struct AzureSettings {
    /// The credentials.
    pub source: AzureSource,
    /// The cloud.
    pub endpoints: AzureEndpoints,
    /// Whether the Azure CLI may be run for a token.
    pub allow_process: bool,
    /// Environment variables and files.
    pub environment: Environment,
    /// The HTTP client.
    pub http: HttpSettings,
    /// The limits.
    pub limits: LimiterSettings,
    /// The retries.
    pub retries: RetrySettings,
    /// How long to wait for an answer that is made in the background (status 202).
    pub patience: Patience,
}

impl AzureSettings {
    /// The default chain of credentials in the surroundings of this process.
    pub fn of_process() -> Self {
        let environment = Environment::of_process();
        Self {
            source: AzureSource::Default,
            endpoints: AzureEndpoints::of_environment(&environment),
            allow_process: false,
            environment,
            http: HttpSettings::from_environment(),
            limits: azure_limits(),
            retries: RetrySettings::default(),
            patience: Patience::default(),
        }
    }
}

/// The limits that Microsoft publishes, and the adaptive ones for everything else.
///
/// Resource Graph: 15 queries in 5 s for a user ("Guidance for throttled requests in Azure Resource Graph"). Resource
/// Manager: a bucket of 250 reads for each subscription, refilled by 25 a second ("Understand how Azure Resource Manager
/// throttles requests"); 250 in any 10 s never empty it.
pub fn azure_limits() -> LimiterSettings {
    let fixed = |service: &str, operation: Option<&str>, requests, seconds| FixedLimit {
        service: service.to_owned(),
        operation: operation.map(str::to_owned),
        limit: Limit { requests, per: Duration::from_secs(seconds) },
    };
    let fixed = vec![fixed(RESOURCE_GRAPH, None, 15, 5), fixed("arm", Some("reads"), 250, 10)];
    LimiterSettings { fixed, ..LimiterSettings::default() }
}

/// A subscription that the credentials see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureSubscription {
    /// Its GUID.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// The GUID of its tenant.
    pub tenant: String,
    /// What can be done with it.
    pub state: SubscriptionState,
}

/// The state of a subscription. Source: Microsoft, "Azure subscription states".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// In use.
    Enabled,
    /// Payment is late; it can be used.
    PastDue,
    /// About to be disabled; it can be used.
    Warned,
    /// It can be read only.
    Disabled,
    /// It is being deleted.
    Deleted,
    /// A state that this client does not know.
    Other,
}

impl SubscriptionState {
    /// Whether its resources can be read.
    pub fn is_readable(self) -> bool {
        self != Self::Deleted
    }

    fn of(text: &str) -> Self {
        match text {
            "Enabled" => Self::Enabled,
            "PastDue" => Self::PastDue,
            "Warned" => Self::Warned,
            "Disabled" => Self::Disabled,
            "Deleted" => Self::Deleted,
            _ => Self::Other,
        }
    }
}

/// Who the credentials are, by what their token says about itself. Nobody verified it: for display only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureIdentity {
    /// The tenant's GUID.
    pub tenant: Option<String>,
    /// The object id of the user or service principal.
    pub object_id: Option<String>,
    /// The id of the application.
    pub application: Option<String>,
    /// The name of a signed-in user.
    pub user: Option<String>,
}

/// Answers calls to Azure.
///
/// [`Call::scope`] is the subscription's or tenant's GUID; one client has one credential, whose tenant is the only one it
/// reads. Calls with the parameter `next_link` or `$skipToken` ask for the page that [`Page::next`] named; a link leads to
/// the same host or is refused.
#[derive(Debug)]
pub struct AzureClient {
    wire: Wire,
    patience: Patience,
    loops: Loops,
}

impl AzureClient {
    /// A client. Nothing is asked yet.
    pub fn new(settings: AzureSettings) -> Result<Self, CallFailure> {
        let limiter = Arc::new(Limiter::new(settings.limits));
        let retrying = Retrying::new(settings.retries, limiter, Arc::default());
        let http = Http::new(settings.http)?;
        let login = Login::new(settings.endpoints.clone(), http.clone(), retrying.clone());
        let provider = Provider::new(login, settings.source, settings.environment, settings.allow_process);
        let wire = Wire::new(settings.endpoints, provider, http, retrying);
        Ok(Self { wire, patience: settings.patience, loops: Loops::default() })
    }

    /// Counts of requests, for a progress bar.
    pub fn counters(&self) -> &Arc<CallCounters> {
        self.wire.retrying().counters()
    }

    /// Who the credentials are. Fails when they give no token.
    pub async fn whoami(&self) -> Result<AzureIdentity, CallFailure> {
        let token = self.wire.provider.token(self.wire.endpoints.audience(Api::Arm)).await?;
        let claims = Claims::read(&token.secret);
        let text = |names: &[&str]| claims.as_ref().and_then(|claims| claims.text(names));
        Ok(AzureIdentity {
            tenant: text(&["tid"]),
            object_id: text(&["oid"]),
            application: text(&["appid", "azp"]),
            user: text(&["upn", "unique_name", "preferred_username"]),
        })
    }

    /// All subscriptions that the credentials see.
    pub async fn subscriptions(&self) -> Result<Vec<AzureSubscription>, CallFailure> {
        let items =
            self.whole_list("Microsoft.Resources/subscriptions", "/subscriptions", SUBSCRIPTIONS_VERSION).await?;
        items.iter().map(subscription_of).collect()
    }

    /// The GUIDs of all subscriptions below a management group, at any depth.
    pub async fn management_group_subscriptions(&self, name: &str) -> Result<Vec<String>, CallFailure> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.()".contains(&byte)) {
            return Err(refused(format!("{name} is not the name of a management group")));
        }
        let path = format!("/providers/Microsoft.Management/managementGroups/{name}/descendants");
        let items = self
            .whole_list("Microsoft.Management/managementGroups/descendants", &path, MANAGEMENT_GROUPS_VERSION)
            .await?;
        let text = |item: &Json, member: &str| item.get(member).and_then(Json::as_str).map(str::to_owned);
        let mut found = Vec::new();
        for item in &items {
            let kind = text(item, "type").unwrap_or_default();
            if kind.to_ascii_lowercase().ends_with("/subscriptions") {
                found.push(text(item, "name").ok_or_else(|| unreadable("a subscription below it has no name"))?);
            }
        }
        Ok(found)
    }

    /// The items of all pages of a list of Resource Manager.
    async fn whole_list(&self, operation: &str, path: &str, version: &str) -> Result<Vec<Json>, CallFailure> {
        let mut call = Call {
            cloud: Cloud::Azure,
            scope: "-".to_owned(),
            region: None,
            service: "arm".to_owned(),
            operation: operation.to_owned(),
            params: Map::from_iter([("path".to_owned(), json!(path)), ("api_version".to_owned(), json!(version))]),
        };
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = self.call(&call).await?;
            let Some(Json::Array(found)) = page.response.get("value") else {
                return Err(unreadable(&format!("the answer to {operation} holds no list")));
            };
            items.extend(found.iter().cloned());
            match page.next {
                Some(next) => call = call.with(&next),
                None => return Ok(items),
            }
        }
        Err(unreadable(&format!("{operation} has more than {MOST_PAGES} pages")))
    }

    async fn query(&self, call: &Call) -> Result<Page, CallFailure> {
        let body = query::body(call)?;
        let mut url = self.wire.endpoints.url(Api::Arm, "/providers/Microsoft.ResourceGraph/resources")?;
        url.query_pairs_mut().append_pair("api-version", RESOURCE_GRAPH_VERSION);
        // The quota is that of the credential, whatever the table and the subscriptions.
        let key = LimitKey {
            account: "-".to_owned(),
            region: None,
            service: RESOURCE_GRAPH.to_owned(),
            operation: "resources".to_owned(),
        };
        let ask = Ask { api: Api::Arm, method: Method::POST, url, body: Some(body), key, shared: None };
        let page = query::page(call, self.wire.ask(&ask).await?.body)?;
        self.loops.step(call, &query::PAGE_TOKENS, page.next.as_ref())?;
        Ok(page)
    }

    async fn list(&self, call: &Call, api: Api) -> Result<Page, CallFailure> {
        let url = match call.params.get(LINK) {
            Some(Json::String(link)) => self.wire.endpoints.link(api, link)?,
            Some(_) => return Err(refused(format!("the link of {call} is no text"))),
            None if api == Api::Arm => self.arm_url(call)?,
            None => self.graph_url(call)?,
        };
        let (namespace, _) = call.operation.split_once('/').unwrap_or((&call.operation, ""));
        let service = if api == Api::Arm { namespace } else { "graph" };
        let key = LimitKey {
            account: call.scope.clone(),
            region: call.region.clone(),
            service: service.to_owned(),
            operation: call.operation.clone(),
        };
        let shared = (api == Api::Arm).then(|| LimitKey {
            account: call.scope.clone(),
            region: None,
            service: "arm".to_owned(),
            operation: "reads".to_owned(),
        });
        let ask = Ask { api, method: Method::GET, url, body: None, key, shared };
        let mut answer = self.wire.ask(&ask).await?;
        if answer.status == StatusCode::ACCEPTED {
            answer = settle(&self.wire, &ask, answer, self.patience).await?;
        }
        let next = next_of(call, api, &answer.body)?;
        self.loops.step(call, &[LINK], next.as_ref())?;
        Ok(Page { response: answer.body, next })
    }

    fn arm_url(&self, call: &Call) -> Result<Url, CallFailure> {
        let path = path_of(call)?;
        if !path.starts_with('/') {
            return Err(refused(format!("the path of {call} does not begin with /")));
        }
        let Some(version) = call.params.get("api_version").and_then(Json::as_str).filter(|text| !text.is_empty())
        else {
            return Err(refused(format!("{call} has no api_version")));
        };
        let mut url = self.wire.endpoints.url(Api::Arm, path)?;
        url.query_pairs_mut().append_pair("api-version", version);
        if let Some(filter) = call.params.get("filter").and_then(Json::as_str) {
            url.query_pairs_mut().append_pair("$filter", filter);
        }
        Ok(url)
    }

    fn graph_url(&self, call: &Call) -> Result<Url, CallFailure> {
        let path = path_of(call)?.trim_start_matches('/');
        let mut url = self.wire.endpoints.url(Api::Graph, &format!("/v1.0/{path}"))?;
        let mut options = Vec::new();
        let select = call.params.get("select").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        if !select.is_empty() {
            let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let names: Option<Vec<&str>> = select.iter().map(|name| name.as_str().filter(is_name)).collect();
            let names = names.ok_or_else(|| refused(format!("{call} selects what is no property")))?;
            options.push(format!("$select={}", names.join(",")));
        }
        if TAKE_TOP.contains(&path) || path.ends_with("/members") {
            options.push("$top=999".to_owned());
        }
        url.set_query(Some(options.join("&")).filter(|text| !text.is_empty()).as_deref());
        Ok(url)
    }
}

impl Caller for AzureClient {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        if call.cloud != Cloud::Azure {
            return Err(refused(format!("{call} is not a call to Azure")));
        }
        match call.service.as_str() {
            "resourcegraph" => self.query(call).await,
            "arm" => self.list(call, Api::Arm).await,
            "graph" => self.list(call, Api::Graph).await,
            other => Err(refused(format!("{other} is not a service of Azure that this client knows"))),
        }
    }
}

/// The path of a call. Ids in it come from answers, so they must not step out of where they were put.
fn path_of(call: &Call) -> Result<&str, CallFailure> {
    let path = call.params.get("path").and_then(Json::as_str).unwrap_or_default();
    let steps = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.is_empty() || path.split(['/', '\\']).any(steps) || path.chars().any(char::is_control) {
        return Err(refused(format!("{call} has no path that can be asked")));
    }
    Ok(path)
}

/// The parameters of the next page: the link that the answer holds.
fn next_of(call: &Call, api: Api, answer: &Json) -> Result<Option<Map<String, Json>>, CallFailure> {
    let member = if api == Api::Arm { "nextLink" } else { "@odata.nextLink" };
    match answer.get(member) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(link)) if link.is_empty() => Ok(None),
        Some(Json::String(link)) => Ok(Some(Map::from_iter([(LINK.to_owned(), json!(link))]))),
        Some(_) => Err(unreadable(&format!("the {member} of {call} is no text"))),
    }
}

fn subscription_of(item: &Json) -> Result<AzureSubscription, CallFailure> {
    let text = |member: &str| item.get(member).and_then(Json::as_str).map(str::to_owned);
    let id = text("subscriptionId").ok_or_else(|| unreadable("a subscription has no id"))?;
    Ok(AzureSubscription {
        name: text("displayName").unwrap_or_else(|| id.clone()),
        tenant: text("tenantId").unwrap_or_default(),
        state: SubscriptionState::of(&text("state").unwrap_or_default()),
        id,
    })
}

fn refused(message: String) -> CallFailure {
    CallFailure { kind: FailureKind::Refused, code: "Refused".to_owned(), message }
}

fn unreadable(message: &str) -> CallFailure {
    CallFailure { kind: FailureKind::Unreadable, code: "Unreadable".to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
