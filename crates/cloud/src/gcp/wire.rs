//! One request to Google: located, limited, sent, read, tried again.

use http::{HeaderName, HeaderValue, Method, header};
use serde_json::Value as Json;
use url::form_urlencoded;

use super::credentials::GcpToken;
use super::endpoint::Endpoints;
use super::errors;
use crate::call::{CallFailure, FailureKind};
use crate::http::{Http, HttpRequest, HttpResponse};
use crate::limiter::LimitKey;
use crate::retry::{Again, Retrying, Trouble};
use crate::secret::Secret;

const USER_AGENT: &str = concat!("yagura/", env!("CARGO_PKG_VERSION"));
/// The project that pays for a call and whose quota it counts for ("System parameters" of Google's APIs).
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// What a request carries.
#[derive(Clone, Copy)]
pub enum Sending<'a> {
    /// Nothing: a GET.
    Nothing,
    /// A POST of a form.
    Form(&'a [(&'a str, &'a str)]),
    /// A POST of JSON.
    Json(&'a Json),
}

/// One question.
pub struct Ask<'a> {
    /// What it counts for.
    pub key: &'a LimitKey,
    /// The address, as Google publishes it.
    pub url: &'a str,
    /// What the address is, for a refusal of it.
    pub what: &'a str,
    /// The token to show.
    pub token: Option<&'a GcpToken>,
    /// The body.
    pub sending: Sending<'a>,
}

/// What sends questions. Shared by everything that asks Google.
#[derive(Debug)]
pub struct Wire {
    endpoints: Endpoints,
    http: Http,
    retrying: Retrying,
}

impl Wire {
    /// A wire.
    pub fn new(endpoints: Endpoints, http: Http, retrying: Retrying) -> Self {
        Self { endpoints, http, retrying }
    }

    /// The retries, limits and counters.
    pub fn retrying(&self) -> &Retrying {
        &self.retrying
    }

    /// The HTTP client.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Asks until there is an answer or no hope of one. The answer is a JSON object.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Json, CallFailure> {
        let url = self.endpoints.locate(ask.url, ask.what)?;
        let request = request(&ask, url.as_str())?;
        let request = &request;
        self.retrying.run(ask.key, |_| async move { read(&self.http.send(request.clone()).await?) }).await
    }
}

fn request(ask: &Ask<'_>, url: &str) -> Result<HttpRequest, CallFailure> {
    let mut request = match ask.sending {
        Sending::Nothing => HttpRequest::new(Method::GET, url),
        Sending::Form(fields) => {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            HttpRequest::post(url, "application/x-www-form-urlencoded", body)
        }
        Sending::Json(body) => HttpRequest::post(url, "application/json", body.to_string()),
    };
    request.headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let Some(token) = ask.token else {
        return Ok(request);
    };
    let bearer = Secret::new(format!("Bearer {}", token.token.expose()));
    request = request.with_header(header::AUTHORIZATION, bearer.expose())?;
    match &token.quota_project {
        Some(project) => Ok(request.with_header(USER_PROJECT, project)?),
        None => Ok(request),
    }
}

fn read(response: &HttpResponse) -> Result<Json, Trouble> {
    if !response.status.is_success() {
        return Err(errors::trouble(response, errors::error_of(response)));
    }
    match serde_json::from_slice::<Json>(&response.body) {
        Ok(body) if body.is_object() => Ok(body),
        Ok(_) => Err(unreadable("the answer is no JSON object", Again::Never)),
        // The error of the parser could quote the body. What was cut off may come whole the next time.
        Err(error) if error.is_eof() => Err(unreadable("the answer ends too early", Again::Later)),
        Err(_) => Err(unreadable("the answer is not JSON", Again::Never)),
    }
}

fn unreadable(message: &str, again: Again) -> Trouble {
    let trouble = Trouble::lasting(FailureKind::Unreadable, "Unreadable", message);
    Trouble { again, ..trouble }
}
