//! One request to Resource Manager or Microsoft Graph: limited, with a token, sent, read, tried again.

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value as Json;
use url::Url;

use super::credentials::Provider;
use super::endpoints::{Api, AzureEndpoints};
use super::errors;
use super::token::AzureToken;
use crate::call::{CallFailure, FailureKind};
use crate::http::{Http, HttpRequest, HttpResponse};
use crate::limiter::LimitKey;
use crate::retry::{Again, Retrying, Trouble};

const USER_AGENT: &str = concat!("yagura/", env!("CARGO_PKG_VERSION"));

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// The service.
    pub(super) api: Api,
    /// The method.
    pub(super) method: Method,
    /// The address; [`AzureEndpoints`] says which may be asked.
    pub(super) url: Url,
    /// A JSON body.
    pub(super) body: Option<Json>,
    /// What limits count by.
    pub(super) key: LimitKey,
    /// A wider limit that the request falls under too.
    pub(super) shared: Option<LimitKey>,
}

/// An answer with a status of success.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The status, 200 to 299.
    pub(super) status: StatusCode,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body; null when it is empty.
    pub(super) body: Json,
}

impl Answer {
    /// A header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What sends requests. One per client.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) endpoints: AzureEndpoints,
    pub(super) provider: Provider,
    http: Http,
    retrying: Retrying,
}

impl Wire {
    pub(super) fn new(endpoints: AzureEndpoints, provider: Provider, http: Http, retrying: Retrying) -> Self {
        Self { endpoints, provider, http, retrying }
    }

    /// The retries, limits and counters.
    pub(super) fn retrying(&self) -> &Retrying {
        &self.retrying
    }

    /// Asks until there is an answer or no hope of one. A token that the service calls expired is renewed once.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, CallFailure> {
        let audience = self.endpoints.audience(ask.api);
        let mut renewed = false;
        loop {
            let token = self.provider.token(audience).await?;
            let token = &*token;
            let sent = self.retrying.run(&ask.key, |_| async move { self.attempt(ask, token).await }).await;
            match sent {
                Err(failure)
                    if !renewed && errors::wants_renewal(&failure) && self.provider.renew(audience, token).await =>
                {
                    renewed = true;
                }
                answer => return answer,
            }
        }
    }

    async fn attempt(&self, ask: &Ask, token: &AzureToken) -> Result<Answer, Trouble> {
        if let Some(shared) = &ask.shared {
            self.retrying.limiter().acquire(shared).await;
        }
        let mut request = HttpRequest::new(ask.method.clone(), ask.url.as_str());
        if let Some(body) = &ask.body {
            request = HttpRequest { body: body.to_string().into(), ..request };
            request.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        }
        request.headers.insert(header::USER_AGENT, header::HeaderValue::from_static(USER_AGENT));
        request.headers.insert(header::ACCEPT, header::HeaderValue::from_static("application/json"));
        let request = request.with_header(header::AUTHORIZATION, &format!("Bearer {}", token.secret.expose()))?;
        let response = self.http.send(request).await?;
        self.learn_quota(ask, &response);
        if !response.status.is_success() {
            let trouble = errors::trouble(&response);
            if let (Some(shared), Again::Throttled(wait)) = (&ask.shared, trouble.again) {
                self.retrying.limiter().throttled(shared, wait);
            }
            return Err(trouble);
        }
        let body = match response.body.is_empty() {
            true => Json::Null,
            false => serde_json::from_slice(&response.body).map_err(|error| unreadable(ask, &error))?,
        };
        Ok(Answer { status: response.status, headers: response.headers, body })
    }

    /// Resource Graph tells how many queries are left; when there are none, all of them wait until there are.
    fn learn_quota(&self, ask: &Ask, response: &HttpResponse) {
        let used_up = response.header("x-ms-user-quota-remaining").is_some_and(|left| left.trim() == "0");
        if let Some(wait) = errors::quota_resets_after(response).filter(|_| used_up) {
            self.retrying.limiter().pause(&ask.key, wait);
        }
    }
}

/// The parser's error names a place, no content.
fn unreadable(ask: &Ask, error: &serde_json::Error) -> Trouble {
    let host = ask.url.host_str().unwrap_or_default();
    let place = format!("line {}, column {}", error.line(), error.column());
    let message = format!("the answer of {host} to {} is not JSON ({place})", ask.key.operation);
    Trouble::lasting(FailureKind::Unreadable, "Unreadable", message)
}
