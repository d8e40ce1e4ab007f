//! The one HTTP client: every request of every cloud client leaves through it.
//!
//! - **Guard**: a host is resolved here, every address is checked ([`crate::address`]), and the connection goes to a
//!   checked address; literal addresses are checked too. Private, metadata and reserved addresses are refused unless
//!   the settings open them; plain `http://` is refused unless private or metadata addresses are open.
//! - **Redirects are never followed**: a redirect to another host that would have carried credentials is an error,
//!   any other 3xx is handed to the caller as it came.
//! - **Bounded**: time to connect, time in all, and bytes of the body (counted after decompression).
//! - **Proxies**: the system's are ignored. [`HttpSettings::from_environment`] takes `HTTPS_PROXY` (and `NO_PROXY`)
//!   when the user has set it: then the proxy's own address is trusted, it resolves the hosts of `https://` requests,
//!   and only literal addresses can be checked here. Metadata clients never use a proxy.
//! - **Quiet**: errors name host, method and status, never a path, query string, header or body.
//!
//! TLS is rustls with the ring provider and the platform's certificate store (plus [`HttpSettings::extra_ca`]).

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use url::{Host, Url};

use crate::address::{AddressKind, AddressRules};
use crate::call::{CallFailure, FailureKind};

/// The longest body that is read unless told otherwise: 64 MiB.
pub const LONGEST_BODY: usize = 64 << 20;

/// How an [`Http`] behaves.
#[derive(Clone)]
pub struct HttpSettings {
    /// Whether loopback and private addresses may be asked (tests, own endpoints, private links).
    pub allow_private: bool,
    /// Whether metadata endpoints (`169.254.169.254`, `fd00:ec2::254` and alike) may be asked; metadata clients only.
    pub allow_metadata: bool,
    /// Certificate authorities to trust beside the platform's, PEM.
    pub extra_ca: Vec<Vec<u8>>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for a whole answer.
    pub request_timeout: Duration,
    /// The longest body to read, in bytes, after decompression.
    pub longest_body: usize,
    /// A proxy for `https://` requests; none unless the user named one.
    pub proxy: Option<String>,
    /// Hosts that are asked without the proxy, in the form of `NO_PROXY`.
    pub no_proxy: Option<String>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allow_private: false,
            allow_metadata: false,
            extra_ca: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            longest_body: LONGEST_BODY,
            proxy: None,
            no_proxy: None,
        }
    }
}

impl HttpSettings {
    /// The default settings, with the proxy of `HTTPS_PROXY`/`https_proxy` and `NO_PROXY`/`no_proxy` if set.
    pub fn from_environment() -> Self {
        let read = |names: [&str; 2]| names.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        Self {
            proxy: read(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: read(["NO_PROXY", "no_proxy"]),
            ..Self::default()
        }
    }

    /// Settings for metadata endpoints: those addresses only beside public ones, no proxy, short waits.
    pub fn for_metadata() -> Self {
        Self {
            allow_metadata: true,
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(5),
            longest_body: 1 << 20,
            ..Self::default()
        }
    }

    fn rules(&self) -> AddressRules {
        AddressRules { private: self.allow_private, metadata: self.allow_metadata, not_public: false }
    }
}

impl fmt::Debug for HttpSettings {
    /// Leaves out the proxy, whose URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("allow_private", &self.allow_private)
            .field("allow_metadata", &self.allow_metadata)
            .field("extra_ca", &self.extra_ca.len())
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("longest_body", &self.longest_body)
            .field("proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

/// A request.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// The headers; `Host` and `Content-Length` come from URL and body.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl HttpRequest {
    /// A request without headers and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST of a body of this content type.
    pub fn post(url: impl Into<String>, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut request = Self::new(Method::POST, url);
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        request.body = body.into();
        request
    }

    /// Adds a header. Values that HTTP cannot carry (line breaks, control characters) are an error that names the
    /// header, not the value.
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Result<Self, TransportError> {
        let mut held = HeaderValue::from_str(value)
            .map_err(|_| TransportError::BadRequest { what: format!("the value of header {name} cannot be sent") })?;
        held.set_sensitive(name == header::AUTHORIZATION);
        self.headers.insert(name, held);
        Ok(self)
    }
}

impl fmt::Debug for HttpRequest {
    /// Method and host only: the rest may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method, host_of(&self.url), self.body.len())
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, decompressed.
    pub body: Bytes,
}

impl HttpResponse {
    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl fmt::Debug for HttpResponse {
    /// Status and length only: the rest may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status.as_u16(), self.body.len())
    }
}

/// Why no answer came. Every message names the host, none a path, query string, header or body.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// The client cannot be made.
    #[error("cannot set up the HTTP client: {what}")]
    Setup {
        /// What is wrong with which setting.
        what: String,
    },
    /// The request is not one that can be sent.
    #[error("cannot send a request: {what}")]
    BadRequest {
        /// What is wrong with it.
        what: String,
    },
    /// The address is not one that may be asked.
    #[error("refused to ask {host}: {why}")]
    Refused {
        /// The host.
        host: String,
        /// The rule that refuses it.
        why: String,
    },
    /// The answer points credentials to another host.
    #[error("refused to follow {host} to {target} with credentials (status {})", response.status.as_u16())]
    Redirect {
        /// The host that was asked.
        host: String,
        /// The host it points to.
        target: String,
        /// The answer.
        response: Box<HttpResponse>,
    },
    /// The host has no address.
    #[error("cannot find the address of {host}: {why}")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// No connection came about.
    #[error("cannot connect to {host}: {why}")]
    Connect {
        /// The host.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// The host shows a certificate that no known authority has signed for it.
    #[error("the certificate of {host} is not trusted ({why}); name its authority if it is one of your own")]
    Untrusted {
        /// The host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The answer took too long.
    #[error("{host} did not answer within {} s", after.as_secs_f32())]
    Timeout {
        /// The host.
        host: String,
        /// The time it had.
        after: Duration,
    },
    /// The connection ended before the answer did.
    #[error("the answer of {host} was cut off: {why}")]
    CutOff {
        /// The host.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// The body is longer than the settings allow.
    #[error("the answer of {host} is longer than {longest} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The limit.
        longest: usize,
    },
}

impl TransportError {
    /// Whether the same request may well succeed when sent again.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Resolve { .. } | Self::Connect { .. } | Self::Timeout { .. } | Self::CutOff { .. })
    }

    /// The word of ours for the kind of failure, as [`CallFailure::code`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setup { .. } => "Setup",
            Self::BadRequest { .. } | Self::Refused { .. } | Self::Redirect { .. } => "Refused",
            Self::Resolve { .. } | Self::Connect { .. } => "NoConnection",
            Self::Untrusted { .. } => "Untrusted",
            Self::Timeout { .. } => "Timeout",
            Self::CutOff { .. } => "CutOff",
            Self::TooLarge { .. } => "TooLarge",
        }
    }

    /// The kind of failure that a call ends with when retries do not help.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::BadRequest { .. } | Self::Refused { .. } | Self::Redirect { .. } => FailureKind::Refused,
            Self::Setup { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Untrusted { .. }
            | Self::Timeout { .. } => FailureKind::Unavailable,
            Self::CutOff { .. } | Self::TooLarge { .. } => FailureKind::Unreadable,
        }
    }
}

impl From<TransportError> for CallFailure {
    fn from(error: TransportError) -> Self {
        Self { kind: error.kind(), code: error.code().to_owned(), message: error.to_string() }
    }
}

/// The HTTP client. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    /// For `http://`, which goes to private addresses alone; none = to nobody.
    plain: Option<reqwest::Client>,
    settings: Arc<HttpSettings>,
}

impl Http {
    /// A client with these settings. Fails when a certificate cannot be read, or no certificate authority is known.
    pub fn new(settings: HttpSettings) -> Result<Self, TransportError> {
        let client = client_of(&settings, settings.rules())?;
        let plain = match settings.allow_private || settings.allow_metadata {
            true => Some(client_of(&settings, AddressRules { not_public: true, ..settings.rules() })?),
            false => None,
        };
        Ok(Self { client, plain, settings: Arc::new(settings) })
    }

    /// The settings.
    pub fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Sends a request once and reads the whole answer. Statuses are not errors.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let url = self.checked(&request.url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let carries_credentials = request.headers.contains_key(header::AUTHORIZATION)
            || request.headers.keys().any(|name| name.as_str().contains("token"));
        let mut answer = self
            .client_for(&url)
            .request(request.method, url.clone())
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| self.explain(&host, error, false))?;
        let status = answer.status();
        let headers = std::mem::take(answer.headers_mut());
        let body = self.read(&host, answer).await?;
        let response = HttpResponse { status, headers, body };
        match redirect_target(&url, &response) {
            Some(target) if carries_credentials => {
                Err(TransportError::Redirect { host, target, response: Box::new(response) })
            }
            _ => Ok(response),
        }
    }

    fn client_for(&self, url: &Url) -> &reqwest::Client {
        self.plain.as_ref().filter(|_| url.scheme() == "http").unwrap_or(&self.client)
    }

    /// The URL, if its scheme and its literal address may be asked.
    fn checked(&self, text: &str) -> Result<Url, TransportError> {
        let bad = |what: String| TransportError::BadRequest { what };
        let url = Url::parse(text).map_err(|error| bad(format!("its URL cannot be read: {error}")))?;
        let host = url.host().ok_or_else(|| bad("its URL has no host".to_owned()))?;
        let refused = |why: String| TransportError::Refused { host: host.to_string(), why };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("its URL holds a user name or password".to_owned()));
        }
        let is_plain = url.scheme() == "http";
        match url.scheme() {
            "https" => (),
            "http" if self.plain.is_some() => (),
            "http" => return Err(refused("plain HTTP is for private endpoints only".to_owned())),
            scheme => return Err(refused(format!("{scheme} is not HTTPS"))),
        }
        let address = match &host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        let rules = AddressRules { not_public: is_plain, ..self.settings.rules() };
        match address {
            Some(address) if !rules.allow(address) => Err(refused(refusal(address, is_plain))),
            _ => Ok(url),
        }
    }

    async fn read(&self, host: &str, mut answer: reqwest::Response) -> Result<Bytes, TransportError> {
        let longest = self.settings.longest_body;
        let too_large = || TransportError::TooLarge { host: host.to_owned(), longest };
        if answer.content_length().is_some_and(|length| length > longest as u64) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.explain(host, error, true))? {
            if chunk.len() > longest.saturating_sub(body.len()) {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// An error of the client in our words. `reading` tells whether the answer had begun.
    fn explain(&self, host: &str, error: reqwest::Error, reading: bool) -> TransportError {
        let error = error.without_url();
        let host = host.to_owned();
        if let Some(refused) = source_of::<AddressRefused>(&error) {
            return TransportError::Refused { host, why: refused.0.clone() };
        }
        if let Some(unresolved) = source_of::<Unresolved>(&error) {
            return TransportError::Resolve { host, why: unresolved.0.clone() };
        }
        if error.is_timeout() {
            let connecting = error.is_connect();
            let after = if connecting { self.settings.connect_timeout } else { self.settings.request_timeout };
            return TransportError::Timeout { host, after };
        }
        let why = causes(&error);
        // The words of rustls: its error is wrapped in others that do not give it out.
        if why.contains("invalid peer certificate") {
            return TransportError::Untrusted { host, why };
        }
        match reading {
            true => TransportError::CutOff { host, why },
            false if error.is_builder() => TransportError::BadRequest { what: why },
            false => TransportError::Connect { host, why },
        }
    }
}

/// The other host, port or scheme that a 3xx points to; a redirect within the same origin has none.
fn redirect_target(from: &Url, response: &HttpResponse) -> Option<String> {
    if !response.status.is_redirection() {
        return None;
    }
    let to = from.join(response.header("location")?).ok()?;
    let elsewhere = to.origin() != from.origin();
    elsewhere.then(|| to.host_str().unwrap_or("a URL without a host").to_owned())
}

fn host_of(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    parsed.as_ref().and_then(Url::host_str).unwrap_or("an unreadable URL").to_owned()
}

fn refusal(address: IpAddr, is_plain: bool) -> String {
    let kind = AddressKind::of(address);
    if is_plain && kind == AddressKind::Public {
        return format!("plain HTTP is for private endpoints only, and {address} is a public address");
    }
    format!("{address} is a {} address", kind.name())
}

/// What an error and its causes say, outermost first, each thing once.
fn causes(error: &dyn StdError) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

fn source_of<E: StdError + 'static>(error: &dyn StdError) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn tls(settings: &HttpSettings) -> Result<ClientConfig, TransportError> {
    let setup = |what: String| TransportError::Setup { what };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut extra = Vec::new();
    for pem in &settings.extra_ca {
        let before = extra.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            extra.push(certificate.map_err(|error| setup(format!("a certificate authority cannot be read: {error}")))?);
        }
        if extra.len() == before {
            return Err(setup("a certificate authority file holds no certificate".to_owned()));
        }
    }
    let verifier = Verifier::new_with_extra_roots(extra, provider.clone())
        .map_err(|error| setup(format!("no certificate authorities (install ca-certificates): {error}")))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(format!("TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn proxy_of(settings: &HttpSettings) -> Result<Option<reqwest::Proxy>, TransportError> {
    let Some(url) = settings.proxy.as_deref().filter(|_| !settings.allow_metadata) else {
        return Ok(None);
    };
    let setup = || TransportError::Setup { what: "the URL of HTTPS_PROXY cannot be read".to_owned() };
    let except = settings.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
    Ok(Some(reqwest::Proxy::https(url).map_err(|_| setup())?.no_proxy(except)))
}

fn proxy_host(url: &str) -> Option<String> {
    let parsed = Url::parse(url).or_else(|_| Url::parse(&format!("http://{url}"))).ok()?;
    parsed.host_str().map(str::to_ascii_lowercase)
}

fn client_of(settings: &HttpSettings, rules: AddressRules) -> Result<reqwest::Client, TransportError> {
    let proxy = proxy_of(settings)?;
    let trusted = proxy.as_ref().and(settings.proxy.as_deref()).and_then(proxy_host);
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(settings)?)
        .dns_resolver(Arc::new(CheckedResolver { rules, trusted }))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.request_timeout)
        .pool_idle_timeout(Duration::from_secs(60));
    let builder = match proxy {
        Some(proxy) => builder.proxy(proxy),
        None => builder,
    };
    builder.build().map_err(|error| TransportError::Setup { what: causes(&error.without_url()) })
}

/// Resolves a host by the system and keeps the addresses that may be asked.
struct CheckedResolver {
    rules: AddressRules,
    /// The proxy's host, which the user has named.
    trusted: Option<String>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules;
        let host = name.as_str().to_ascii_lowercase();
        let trusted = self.trusted.as_deref() == Some(host.as_str());
        Box::pin(async move {
            let found =
                tokio::net::lookup_host((host.as_str(), 0)).await.map_err(|error| Unresolved(error.to_string()))?;
            let found: Vec<SocketAddr> = found.collect();
            let open: Vec<SocketAddr> =
                found.iter().copied().filter(|address| trusted || rules.allow(address.ip())).collect();
            match (open.is_empty(), found.first()) {
                (false, _) => Ok(Box::new(open.into_iter()) as Addrs),
                (true, Some(first)) => Err(AddressRefused(refusal(first.ip(), rules.not_public)).into()),
                (true, None) => Err(Unresolved("it has no address".to_owned()).into()),
            }
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct AddressRefused(String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unresolved(String);

#[cfg(test)]
mod tests;
