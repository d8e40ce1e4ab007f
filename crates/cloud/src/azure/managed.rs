//! Managed identities: the metadata service of virtual machines, and App Service.
//!
//! Source: Microsoft, "How to use managed identities for Azure resources on an Azure VM to acquire an access token" and
//! "How to use managed identities for App Service and Azure Functions" (addresses, headers, statuses to try again).

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use jiff::Timestamp;
use url::{Host, Url, form_urlencoded};

use super::credentials::Step;
use super::login::failed;
use super::token::AzureToken;
use crate::address::{AddressKind, AddressRules};
use crate::call::CallFailure;
use crate::environment::Environment;
use crate::http::{Http, HttpRequest, HttpResponse, HttpSettings};

const INSTANCE_METADATA: &str = "http://169.254.169.254";
const MOST_ATTEMPTS: u32 = 3;

/// A token of the identity of this machine or app, or why it has none.
pub(super) async fn token(
    environment: &Environment,
    client_id: Option<&str>,
    audience: &str,
) -> Result<Step, CallFailure> {
    match (environment.get("IDENTITY_ENDPOINT"), environment.get("IDENTITY_HEADER")) {
        (Some(endpoint), Some(header)) => app_service(endpoint, header, client_id, audience).await,
        (Some(_), None) => Ok(Step::Absent("the managed identity of Azure Arc is not supported".to_owned())),
        (None, _) if environment.get("MSI_ENDPOINT").is_some() => {
            Ok(Step::Absent("the managed identity behind MSI_ENDPOINT is not supported".to_owned()))
        }
        (None, _) => machine(environment, client_id, audience).await,
    }
}

fn query(version: &str, client_id: Option<&str>, audience: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("api-version", version).append_pair("resource", audience);
    if let Some(client_id) = client_id {
        query.append_pair("client_id", client_id);
    }
    query.finish()
}

async fn app_service(
    endpoint: &str,
    header: &str,
    client_id: Option<&str>,
    audience: &str,
) -> Result<Step, CallFailure> {
    check_endpoint(endpoint).map_err(|why| failed("NoCredentials", why))?;
    let url = format!("{endpoint}?{}", query("2019-08-01", client_id, audience));
    let request = HttpRequest::get(url).with_header(HeaderName::from_static("x-identity-header"), header)?;
    let settings = HttpSettings { allow_private: true, ..HttpSettings::for_metadata() };
    let response = ask(&Http::new(settings)?, &request).await?;
    match response.status.is_success() {
        true => read(&response, "the identity endpoint of the app"),
        false => {
            let message = format!("the identity endpoint of the app answered {}", response.status.as_u16());
            Err(failed("NoCredentials", message))
        }
    }
}

/// The header is a secret: it goes to this machine and its links alone, or over HTTPS.
fn check_endpoint(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|_| "IDENTITY_ENDPOINT is no URL".to_owned())?;
    let near = |address: IpAddr| {
        let rules = AddressRules { private: false, metadata: true, not_public: true };
        address.is_loopback() || (AddressKind::of(address) == AddressKind::Metadata && rules.allow(address))
    };
    let open = match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(address))) => near(address.into()),
        ("http", Some(Host::Ipv6(address))) => near(address.into()),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    };
    let plain = url.query().is_none() && url.fragment().is_none();
    let refusal = "IDENTITY_ENDPOINT is neither HTTPS nor an address of this machine";
    if open && plain { Ok(()) } else { Err(refusal.to_owned()) }
}

async fn machine(environment: &Environment, client_id: Option<&str>, audience: &str) -> Result<Step, CallFailure> {
    let base = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    let settings = HttpSettings { allow_private: base.is_some(), ..HttpSettings::for_metadata() };
    let base = base.unwrap_or(INSTANCE_METADATA).trim_end_matches('/');
    let url = format!("{base}/metadata/identity/oauth2/token?{}", query("2018-02-01", client_id, audience));
    let request = HttpRequest::get(url).with_header(HeaderName::from_static("metadata"), "true")?;
    let response = match ask(&Http::new(settings)?, &request).await {
        Ok(response) => response,
        Err(failure) => return Ok(Step::Absent(format!("no managed identity: {}", failure.message))),
    };
    match response.status {
        status if status.is_success() => read(&response, "the instance metadata"),
        StatusCode::BAD_REQUEST => {
            let which = client_id.map_or_else(|| "an identity".to_owned(), |id| format!("the identity {id}"));
            Ok(Step::Absent(format!("this machine does not have {which} (the instance metadata answered 400)")))
        }
        status => Ok(Step::Absent(format!("the instance metadata answered {}", status.as_u16()))),
    }
}

/// Asks, and asks again a little later when the service is busy or not up yet.
async fn ask(http: &Http, request: &HttpRequest) -> Result<HttpResponse, CallFailure> {
    let mut attempt = 1;
    loop {
        let response = http.send(request.clone()).await?;
        let passing = matches!(response.status.as_u16(), 404 | 410 | 429 | 500..=599);
        if !passing || attempt == MOST_ATTEMPTS {
            return Ok(response);
        }
        tokio::time::sleep(Duration::from_millis(500) * attempt).await;
        attempt += 1;
    }
}

fn read(response: &HttpResponse, whose: &str) -> Result<Step, CallFailure> {
    let token = AzureToken::read(&response.body, Timestamp::now());
    token.map(Step::Token).ok_or_else(|| failed("NoCredentials", format!("{whose} gave no token")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Reply, Seen, Server};

    const TOKEN: &str = r#"{"access_token":"t","expires_in":"3599"}"#;

    async fn ask_at(
        variable: &str,
        path: &str,
        client: Option<&str>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> (Result<Step, CallFailure>, Vec<Seen>) {
        let server = Server::start(answer).await;
        let endpoint = format!("{}{path}", server.url);
        let environment = Environment::new([(variable, endpoint.as_str()), ("IDENTITY_HEADER", "hunter2")]);
        (token(&environment, client, "https://a").await, server.seen())
    }

    #[tokio::test]
    async fn app_services_are_asked_with_their_header() {
        let (found, seen) = ask_at("IDENTITY_ENDPOINT", "/msi/token", Some("id-1"), |_| Reply::new(200, TOKEN)).await;
        assert!(matches!(found, Ok(Step::Token(token)) if token.secret.expose() == "t"));
        assert_eq!(seen[0].path, "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fa&client_id=id-1");
        assert_eq!(seen[0].header("x-identity-header"), "hunter2");
        let (found, _) = ask_at("IDENTITY_ENDPOINT", "/msi/token", None, |_| Reply::new(403, "hunter2")).await;
        let message = found.err().unwrap().message;
        assert!(message.contains("403") && !message.contains("hunter2"));
    }

    #[tokio::test]
    async fn machines_are_asked_again_while_their_service_is_busy() {
        let answer = |request: &Seen| match request.number {
            0 => Reply::new(429, ""),
            1 => Reply::new(503, ""),
            _ => Reply::new(200, TOKEN),
        };
        let (found, seen) = ask_at("AZURE_POD_IDENTITY_AUTHORITY_HOST", "/", None, answer).await;
        assert!(matches!(found, Ok(Step::Token(_))));
        assert_eq!((seen.len(), seen[2].header("metadata"), seen[2].header("x-identity-header")), (3, "true", ""));
        let none = |_: &Seen| Reply::new(400, r#"{"error":"invalid_request"}"#);
        let (found, seen) = ask_at("AZURE_POD_IDENTITY_AUTHORITY_HOST", "", Some("id-1"), none).await;
        assert!(matches!(found, Ok(Step::Absent(why)) if why.contains("id-1")));
        assert_eq!(seen.len(), 1);
        let (found, _) = ask_at("AZURE_POD_IDENTITY_AUTHORITY_HOST", "", None, |_| Reply::new(200, "{}")).await;
        assert!(found.is_err());
    }

    #[test]
    fn the_header_goes_to_this_machine_only() {
        for (endpoint, open) in [
            ("http://127.0.0.1:41741/msi/token/", true),
            ("http://localhost:42356/msi/token", true),
            ("http://[::1]:1/msi", true),
            ("http://169.254.129.2:8081/msi/token", true),
            ("https://identity.example/token", true),
            ("http://10.0.0.1/msi/token", false),
            ("http://identity.example/token", false),
            ("http://localhost.evil.example/token", false),
            ("http://127.0.0.1/token?x=y", false),
            ("file:///etc/passwd", false),
            ("nonsense", false),
        ] {
            assert_eq!(check_endpoint(endpoint).is_ok(), open, "{endpoint}");
        }
    }

    #[tokio::test]
    async fn other_kinds_of_endpoints_are_named() {
        for (variable, part) in [("IDENTITY_ENDPOINT", "Azure Arc"), ("MSI_ENDPOINT", "MSI_ENDPOINT")] {
            let environment = Environment::new([(variable, "http://127.0.0.1:1/")]);
            let found = token(&environment, None, "https://a").await;
            assert!(matches!(found, Ok(Step::Absent(why)) if why.contains(part)));
        }
    }
}
