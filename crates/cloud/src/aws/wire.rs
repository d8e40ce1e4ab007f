//! One operation asked of AWS: serialised, located, limited, signed, sent, read, tried again.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::header;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::credentials::AwsCredentials;
use super::endpoint::Endpoints;
use super::errors;
use super::model::{Model, Operation, Service};
use super::protocol::{self, ProtocolError, WireError, WireRequest};
use super::sign::{Signing, sign};
use crate::call::{CallFailure, FailureKind};
use crate::http::{Http, HttpRequest, HttpResponse, TransportError};
use crate::limiter::{LimitKey, lock};
use crate::retry::{Again, Retrying, Trouble, http_date};

const USER_AGENT: &str = concat!("yagura/", env!("CARGO_PKG_VERSION"));

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The account that limits count for.
    pub account: &'a str,
    /// The region; none = the home region.
    pub region: Option<&'a str>,
    /// The service.
    pub service: &'a str,
    /// The operation.
    pub operation: &'a str,
    /// The input.
    pub params: &'a Map<String, Json>,
    /// The credentials; none = without a signature.
    pub credentials: Option<&'a AwsCredentials>,
}

/// What sends questions. Shared by everything that asks AWS.
#[derive(Debug)]
pub struct Wire {
    model: &'static Model,
    endpoints: Endpoints,
    http: Http,
    retrying: Retrying,
    /// The service's time less ours, in seconds.
    clock_ahead: AtomicI64,
    /// Regions of buckets, as far as S3 has told them.
    bucket_regions: Mutex<HashMap<String, String>>,
    /// A host that has answered, with its port.
    reached: Mutex<Option<(String, u16)>>,
}

impl Wire {
    /// A wire.
    pub fn new(model: &'static Model, endpoints: Endpoints, http: Http, retrying: Retrying) -> Self {
        Self {
            model,
            endpoints,
            http,
            retrying,
            clock_ahead: AtomicI64::new(0),
            bucket_regions: Mutex::default(),
            reached: Mutex::default(),
        }
    }

    /// The service model.
    pub fn model(&self) -> &'static Model {
        self.model
    }

    /// The home region.
    pub fn home(&self) -> &str {
        self.endpoints.home()
    }

    /// The retries, limits and counters.
    pub fn retrying(&self) -> &Retrying {
        &self.retrying
    }

    /// Service and operation of the model, or a refusal.
    pub fn find(&self, service: &str, operation: &str) -> Result<(&'static Service, &'static Operation), CallFailure> {
        let found = self.model.service(service).and_then(|found| Some((found, found.operation(operation)?)));
        found.ok_or_else(|| CallFailure {
            kind: FailureKind::Refused,
            code: "Refused".to_owned(),
            message: format!("{service}:{operation} is not in the service model"),
        })
    }

    /// Asks until there is an answer or no hope of one.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Json, CallFailure> {
        let (service, operation) = self.find(ask.service, ask.operation)?;
        let request = protocol::serialise(service, operation, ask.params).map_err(|error| unfit(error, &ask))?;
        let key = LimitKey {
            account: ask.account.to_owned(),
            region: ask.region.map(str::to_owned),
            service: ask.service.to_owned(),
            operation: ask.operation.to_owned(),
        };
        let request = &request;
        self.retrying.run(&key, |_| async move { self.attempt(&ask, service, operation, request).await }).await
    }

    async fn attempt(
        &self,
        ask: &Ask<'_>,
        service: &'static Service,
        operation: &Operation,
        request: &WireRequest,
    ) -> Result<Json, Trouble> {
        let learnt = request.bucket.as_ref().and_then(|bucket| lock(&self.bucket_regions).get(bucket).cloned());
        let region = learnt.as_deref().or(ask.region);
        let endpoint = self.endpoints.locate(service, request, region)?;
        let mut sent = HttpRequest {
            method: request.method.clone(),
            url: endpoint.url,
            headers: request.headers.clone(),
            body: request.body.clone().into(),
        };
        sent.headers.insert(header::USER_AGENT, header::HeaderValue::from_static(USER_AGENT));
        if let Some(credentials) = ask.credentials.filter(|_| !operation.unsigned) {
            let signing = Signing { service: &service.signing_name, region: &endpoint.region, now: self.now() };
            sign(&mut sent, credentials, signing)
                .map_err(|message| Trouble::lasting(FailureKind::Refused, "Refused", message))?;
        }
        let host = host_of(&sent.url);
        let response = match self.http.send(sent).await {
            Ok(response) => response,
            Err(TransportError::Redirect { response, .. }) if request.bucket.is_some() => *response,
            Err(error) => return Err(self.unreached(error).await),
        };
        if host.is_some() {
            *lock(&self.reached) = host;
        }
        if !is_good(&response) || protocol::is_hidden_error(service, &response) {
            return Err(self.trouble(service, request, &endpoint.region, &response));
        }
        protocol::parse(service, operation, &response)
            .map_err(|error| Trouble { failure: unfit(error, ask), again: Again::Never })
    }

    /// What a broken transport means. A host without an address is a service that is not offered in that region, and
    /// asking again would not help; but only when names are resolved at all, which a host that has answered tells.
    async fn unreached(&self, error: TransportError) -> Trouble {
        let TransportError::Resolve { host, why } = &error else {
            return error.into();
        };
        let passes = ["emporary", "again", "imed out"].iter().any(|text| why.contains(text));
        let known = lock(&self.reached).clone();
        let (false, Some((known, port))) = (passes, known) else {
            return error.into();
        };
        if tokio::net::lookup_host((known.as_str(), port)).await.is_err() {
            return error.into();
        }
        let message = format!("{host} does not exist: the service is not offered in this region");
        Trouble::lasting(FailureKind::NotOffered, "NotOffered", message)
    }

    /// The service's time.
    fn now(&self) -> SystemTime {
        let ahead = self.clock_ahead.load(Ordering::Relaxed);
        let (now, by) = (SystemTime::now(), Duration::from_secs(ahead.unsigned_abs()));
        let moved = if ahead >= 0 { now.checked_add(by) } else { now.checked_sub(by) };
        moved.unwrap_or(now)
    }

    /// What an error answer means, after learning from it what can be learnt.
    fn trouble(&self, service: &Service, request: &WireRequest, region: &str, response: &HttpResponse) -> Trouble {
        let error = protocol::error_of(service, response);
        let learnt = self.learn_region(request, region, response, &error) || self.learn_time(response, &error);
        let mut trouble = errors::trouble(response, error);
        if learnt {
            trouble.again = Again::AtOnce;
        } else if is_good(response) {
            // An error with status 200: what S3 says there passes.
            trouble.again = Again::Later;
            trouble.failure.kind = FailureKind::Unavailable;
        }
        trouble
    }

    /// Takes note of a bucket's region. True if that is news.
    fn learn_region(&self, request: &WireRequest, used: &str, response: &HttpResponse, error: &WireError) -> bool {
        let Some((bucket, region)) = request.bucket.as_ref().zip(response.header("x-amz-bucket-region")) else {
            return false;
        };
        if region == used || !errors::is_elsewhere(response.status, error) {
            return false;
        }
        lock(&self.bucket_regions).insert(bucket.clone(), region.to_owned());
        true
    }

    /// Sets our clock by the service's after a complaint about it. True if that changes the next signature.
    fn learn_time(&self, response: &HttpResponse, error: &WireError) -> bool {
        if !errors::is_clock_skew(error) {
            return false;
        }
        let Some(theirs) = response.header("date").and_then(http_date) else {
            return false;
        };
        let ahead = theirs.as_second() - Timestamp::now().as_second();
        let before = self.clock_ahead.swap(ahead, Ordering::Relaxed);
        // The clocks may differ by five minutes before a service complains.
        before.abs_diff(ahead) > 60
    }
}

fn host_of(url: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// Statuses as boto3 sees them: an answer below 301 is one.
fn is_good(response: &HttpResponse) -> bool {
    response.status.as_u16() < 301
}

fn unfit(error: ProtocolError, ask: &Ask<'_>) -> CallFailure {
    let message = format!("{}:{}: {error}", ask.service, ask.operation);
    match error {
        ProtocolError::Input(_) => CallFailure { kind: FailureKind::Refused, code: "Refused".to_owned(), message },
        ProtocolError::Output(_) => {
            CallFailure { kind: FailureKind::Unreadable, code: "Unreadable".to_owned(), message }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::http::HttpSettings;
    use crate::limiter::{Limiter, LimiterSettings};
    use crate::retry::RetrySettings;

    #[tokio::test]
    async fn hosts_that_do_not_exist_are_services_that_are_not_offered() {
        let model = Model::embedded().unwrap();
        let limiter = Arc::new(Limiter::new(LimiterSettings::default()));
        let retrying = Retrying::new(RetrySettings::default(), limiter, Arc::default());
        let http = Http::new(HttpSettings::default()).unwrap();
        let wire = Wire::new(model, Endpoints::new(model, "us-east-1", None), http, retrying);
        let of = async |why: &str| {
            let trouble = wire.unreached(TransportError::Resolve { host: "h".to_owned(), why: why.to_owned() }).await;
            (trouble.failure.kind, trouble.again)
        };
        let unknown = "failed to lookup address information: Name or service not known";
        let busy = "failed to lookup address information: Temporary failure in name resolution";
        assert_eq!(of(unknown).await, (FailureKind::Unavailable, Again::Later), "perhaps nothing can be reached");
        *lock(&wire.reached) = Some(("127.0.0.1".to_owned(), 443));
        assert_eq!(of(unknown).await, (FailureKind::NotOffered, Again::Never));
        assert_eq!(of(busy).await, (FailureKind::Unavailable, Again::Later));
        *lock(&wire.reached) = Some(("no such host".to_owned(), 443));
        assert_eq!(of(unknown).await, (FailureKind::Unavailable, Again::Later), "names are not resolved any longer");
    }
}
