//! What goes wrong, and when.

use serde_json::json;

use crate::http::{Reply, Request};
use crate::options::Options;
use crate::service::{Service, error};

/// A fault that calls run into: those that hold a text in their path.
#[derive(Clone, Debug)]
pub struct Fault {
    method: Option<String>,
    path: String,
    status: u16,
    code: String,
    reason: Option<String>,
    retry_after: Option<u64>,
    location: Option<String>,
    cut_off: bool,
    times: Option<u64>,
}

impl Fault {
    /// A fault of all calls whose path holds this text (without case); 403 `AuthorizationFailed` unless told otherwise.
    pub fn on(path: &str) -> Self {
        Self {
            method: None,
            path: path.to_lowercase(),
            status: 403,
            code: "AuthorizationFailed".to_owned(),
            reason: None,
            retry_after: None,
            location: None,
            cut_off: false,
            times: None,
        }
    }

    /// Only for calls with this method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// The status and the cloud's code for it.
    pub fn with(mut self, status: u16, code: &str) -> Self {
        (self.status, self.code) = (status, code.to_owned());
        self
    }

    /// Google's reason (`SERVICE_DISABLED`), as a `google.rpc.ErrorInfo` says it.
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// Says when to come again, in seconds.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Points elsewhere (header `Location`), as redirects and accepted operations do.
    pub fn location(mut self, url: &str) -> Self {
        self.location = Some(url.to_owned());
        self
    }

    /// Ends the connection in the middle of the body.
    pub fn cut_off(mut self) -> Self {
        self.cut_off = true;
        self
    }

    /// Only for the next calls, this many.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn meets(&self, request: &Request) -> bool {
        let method = self.method.as_deref().is_none_or(|method| request.method.as_str().eq_ignore_ascii_case(method));
        method && self.times != Some(0) && request.path.to_lowercase().contains(&self.path)
    }
}

/// All faults, and how many calls there were.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    given: Vec<Fault>,
    calls: u64,
}

impl Faults {
    /// One more fault.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.given.push(fault);
    }

    /// All is well again.
    pub(crate) fn clear(&mut self) {
        self.given.clear();
    }

    /// What this call runs into, if anything. Token endpoints fail only when a fault names them.
    pub(crate) fn strike(&mut self, service: Service, request: &Request, options: &Options) -> Option<Reply> {
        if let Some(fault) = self.given.iter_mut().find(|fault| fault.meets(request)) {
            fault.times = fault.times.map(|times| times - 1);
            let mut reply = error(service, fault.status, &fault.code, "a fault that the test asked for");
            reply.cut_off = fault.cut_off;
            let error = reply.body.as_mut().and_then(|body| body.get_mut("error")?.as_object_mut());
            if let (Some(reason), Some(error)) = (&fault.reason, error) {
                let kind = "type.googleapis.com/google.rpc.ErrorInfo";
                let info = json!([{ "@type": kind, "reason": reason, "domain": "googleapis.com" }]);
                error.insert("details".to_owned(), info);
            }
            if let Some(seconds) = fault.retry_after {
                reply = reply.with("retry-after", seconds);
            }
            if let Some(url) = &fault.location {
                reply = reply.with("location", url);
            }
            return Some(reply);
        }
        if matches!(service, Service::Login | Service::Control) {
            return None;
        }
        self.calls += 1;
        let nth = |every: Option<u64>| every.is_some_and(|every| every > 0 && self.calls.is_multiple_of(every));
        if nth(options.throttle_every) {
            let reply = error(service, 429, throttled_code(service), "Too many requests; please wait.");
            return Some(reply.with("retry-after", options.retry_after));
        }
        nth(options.fail_every).then(|| match self.calls % 2 {
            0 => error(service, 503, "ServiceUnavailable", "The service is temporarily unavailable."),
            _ => error(service, 500, "InternalServerError", "Encountered internal server error."),
        })
    }
}

/// Codes as ARM, Microsoft Graph and Google say them.
fn throttled_code(service: Service) -> &'static str {
    match service {
        Service::Arm => "SubscriptionRequestsThrottled",
        Service::Google => "RESOURCE_EXHAUSTED",
        _ => "TooManyRequests",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Method};

    use super::*;

    fn get(path: &str) -> Request {
        Request::new(Method::GET, "https", &path.parse().unwrap(), HeaderMap::new(), Bytes::new())
    }

    #[test]
    fn every_nth_call_is_throttled_but_tokens_are_not() {
        let options = Options { throttle_every: Some(3), fail_every: Some(2), ..Options::default() };
        let mut faults = Faults::default();
        let mut status = |service| faults.strike(service, &get("/a"), &options).map(|reply| reply.status);
        assert_eq!(status(Service::Arm), None);
        assert_eq!(status(Service::Login), None);
        assert_eq!(status(Service::Arm), Some(503));
        assert_eq!(status(Service::Directory), Some(429));
        assert_eq!(status(Service::Google), Some(503));
    }

    #[test]
    fn a_fault_ends_after_its_times() {
        let mut faults = Faults::default();
        faults.add(Fault::on("/Vaults").method("get").with(429, "Busy").retry_after(7).times(1));
        assert!(faults.strike(Service::Arm, &get("/x/disks"), &Options::default()).is_none());
        let struck = faults.strike(Service::Arm, &get("/x/vaults/a"), &Options::default()).unwrap();
        assert_eq!((struck.status, struck.headers), (429, vec![("retry-after", "7".to_owned())]));
        assert!(faults.strike(Service::Arm, &get("/x/vaults/a"), &Options::default()).is_none());
        faults.add(Fault::on("/y").with(302, "Found").location("https://elsewhere.example/").cut_off());
        let struck = faults.strike(Service::Arm, &get("/y"), &Options::default()).unwrap();
        assert_eq!(struck.headers, vec![("location", "https://elsewhere.example/".to_owned())]);
        assert!(struck.cut_off);
    }
}
