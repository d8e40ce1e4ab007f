//! The token endpoint of Microsoft Entra ID.
//!
//! Sources: Microsoft, "OAuth 2.0 client credentials flow on the Microsoft identity platform" (requests and answers),
//! "Microsoft Entra authentication and authorization error codes" (AADSTS numbers).

use std::sync::atomic::{AtomicI64, Ordering};

use http::header;
use jiff::Timestamp;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::certificate::Certificate;
use super::endpoints::AzureEndpoints;
use super::token::AzureToken;
use crate::call::{CallFailure, FailureKind};
use crate::http::{Http, HttpRequest, HttpResponse};
use crate::limiter::LimitKey;
use crate::retry::{Again, Retrying, Trouble, http_date, of_status, shortened};
use crate::secret::Secret;

const FORM: &str = "application/x-www-form-urlencoded";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const OUT_OF_TIME: u64 = 700_024;

/// How an application shows that it is itself.
#[derive(Debug)]
pub(super) enum Proof {
    /// A client secret.
    Secret(Secret),
    /// An assertion signed with a certificate's key.
    Certificate(Box<Certificate>),
    /// A token of another issuer (workload identity federation).
    Federated(Secret),
}

/// An application of a tenant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Application<'a> {
    /// The tenant's GUID or domain.
    pub(super) tenant: &'a str,
    /// The application's (client) id.
    pub(super) client: &'a str,
}

/// Asks for tokens.
#[derive(Debug)]
pub(super) struct Login {
    endpoints: AzureEndpoints,
    http: Http,
    retrying: Retrying,
    /// The endpoint's time less ours, in seconds, once it has complained.
    clock_ahead: AtomicI64,
}

impl Login {
    pub(super) fn new(endpoints: AzureEndpoints, http: Http, retrying: Retrying) -> Self {
        Self { endpoints, http, retrying, clock_ahead: AtomicI64::new(0) }
    }

    /// A token for an audience, for an application.
    pub(super) async fn token(
        &self,
        application: Application<'_>,
        proof: &Proof,
        audience: &str,
    ) -> Result<AzureToken, CallFailure> {
        for (what, text) in [("tenant", application.tenant), ("client", application.client)] {
            // Both stand in a URL or name the one who asks; GUIDs and domains hold nothing else.
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
                return Err(failed("NoCredentials", format!("the {what} id of the credentials is not one")));
            }
        }
        let url = self.endpoints.token_url(application.tenant)?;
        let key = LimitKey {
            account: application.tenant.to_owned(),
            region: None,
            service: "login".to_owned(),
            operation: "token".to_owned(),
        };
        let url = &url;
        self.retrying.run(&key, |_| async move { self.attempt(url, application, proof, audience).await }).await
    }

    async fn attempt(
        &self,
        url: &Url,
        application: Application<'_>,
        proof: &Proof,
        audience: &str,
    ) -> Result<AzureToken, Trouble> {
        let form = self.form(url, application, proof, audience)?;
        let response = self.http.send(HttpRequest::post(url.as_str(), FORM, form)).await?;
        if !response.status.is_success() {
            return Err(self.trouble(&response, application, proof));
        }
        AzureToken::read(&response.body, Timestamp::now()).ok_or_else(|| {
            let message = "the token endpoint answered without a token that has an end";
            Trouble::lasting(FailureKind::Unreadable, "Unreadable", message)
        })
    }

    fn form(&self, url: &Url, application: Application<'_>, proof: &Proof, audience: &str) -> Result<String, Trouble> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", application.client);
        form.append_pair("scope", &format!("{audience}/.default"));
        match proof {
            Proof::Secret(secret) => {
                form.append_pair("client_secret", secret.expose());
            }
            Proof::Federated(token) => {
                form.append_pair("client_assertion_type", ASSERTION);
                form.append_pair("client_assertion", token.expose());
            }
            Proof::Certificate(certificate) => {
                let now = Timestamp::now().as_second() + self.clock_ahead.load(Ordering::Relaxed);
                let assertion = certificate
                    .assertion(application.client, url.as_str(), now)
                    .map_err(|why| Trouble::lasting(FailureKind::Credentials, "NoCredentials", why))?;
                form.append_pair("client_assertion_type", ASSERTION);
                form.append_pair("client_assertion", assertion.expose());
            }
        }
        Ok(form.finish())
    }

    fn trouble(&self, response: &HttpResponse, application: Application<'_>, proof: &Proof) -> Trouble {
        let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
        let number = refusal.number();
        let code = match (number, refusal.error.as_str()) {
            (Some(number), _) => format!("AADSTS{number}"),
            (None, "") => response.status.as_str().to_owned(),
            (None, word) => shortened(word, 60),
        };
        let mut trouble = of_status(response.status, &response.headers, code, String::new());
        trouble.failure.message = match number.and_then(|number| advice(number, application)) {
            Some(advice) => advice,
            None => format!("no token for application {}: {}", application.client, refusal.summary(proof)),
        };
        if response.status.is_client_error() && trouble.again == Again::Never {
            trouble.failure.kind = FailureKind::Credentials;
        }
        let signed_by_us = matches!(proof, Proof::Certificate(_));
        if number == Some(OUT_OF_TIME) && signed_by_us && self.learn_time(response) {
            trouble.again = Again::AtOnce;
        }
        trouble
    }

    /// Sets our clock by the endpoint's. True if that changes the next assertion.
    fn learn_time(&self, response: &HttpResponse) -> bool {
        let Some(theirs) = response.headers.get(header::DATE).and_then(|value| http_date(value.to_str().ok()?)) else {
            return false;
        };
        let ahead = theirs.as_second() - Timestamp::now().as_second();
        self.clock_ahead.swap(ahead, Ordering::Relaxed).abs_diff(ahead) > 60
    }
}

pub(super) fn failed(code: &str, message: impl Into<String>) -> CallFailure {
    CallFailure { kind: FailureKind::Credentials, code: code.to_owned(), message: message.into() }
}

/// What the token endpoint says when it refuses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
    error_codes: Vec<u64>,
}

impl Refusal {
    fn number(&self) -> Option<u64> {
        self.error_codes.first().copied().or_else(|| {
            let rest = self.error_description.strip_prefix("AADSTS")?;
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        })
    }

    /// The first line of the description, without what the request proved itself with.
    fn summary(&self, proof: &Proof) -> String {
        let first = self.error_description.lines().next().unwrap_or_default();
        let first = first.split(" Trace ID:").next().unwrap_or_default();
        let hidden = match proof {
            Proof::Secret(secret) | Proof::Federated(secret) => first.replace(secret.expose(), "…"),
            Proof::Certificate(_) => first.to_owned(),
        };
        match hidden.trim() {
            "" => "the token endpoint does not say why".to_owned(),
            text => shortened(text, 300),
        }
    }
}

/// What to do about an error, where that is known.
fn advice(number: u64, application: Application<'_>) -> Option<String> {
    let Application { tenant, client } = application;
    Some(match number {
        7_000_215 => format!(
            "the client secret of application {client} is wrong: give the secret's value (not its id), or make a new one"
        ),
        7_000_222 => format!("the client secrets of application {client} have expired: make a new one and store it"),
        7_000_218 => format!("application {client} was asked for without a client secret or certificate"),
        7_000_112 => format!("application {client} is disabled in tenant {tenant}: enable its service principal"),
        700_016 => format!("tenant {tenant} has no application {client}: check the client id and the tenant id"),
        7_000_229 => {
            format!("application {client} has no service principal in tenant {tenant}: grant it consent there")
        }
        90_002 => format!("there is no tenant {tenant} in this cloud: check the tenant id"),
        900_023 | 900_021 => format!("{tenant} is not a tenant id: give the tenant's GUID or domain"),
        OUT_OF_TIME => format!(
            "the assertion for application {client} is not within its time: set this machine's clock, or renew the \
             federated token"
        ),
        700_027 => format!("the certificate is not one of application {client}, or its key does not belong to it"),
        70_021 | 700_211 | 700_212 | 700_213 => format!(
            "no federated credential of application {client} fits the token: check its issuer, subject and audience"
        ),
        500_011 => format!("tenant {tenant} does not know the service that was asked for: check which cloud it is in"),
        53_003 => format!("a Conditional Access policy of tenant {tenant} keeps application {client} out"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::http::HttpSettings;
    use crate::limiter::{Limiter, LimiterSettings};
    use crate::retry::RetrySettings;
    use crate::testing::{Reply, Seen, Server};

    const APPLICATION: Application<'_> = Application { tenant: "contoso.example", client: "app-1" };
    const TEST_ONLY: &str = include_str!("../../tests/azure_test_only_certificate.pem");

    async fn ask(
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        proof: Proof,
    ) -> (Result<AzureToken, CallFailure>, Vec<Seen>) {
        let server = Server::start(answer).await;
        let retries = RetrySettings { first_wait: Duration::from_millis(1), ..RetrySettings::default() };
        let limiter = std::sync::Arc::new(Limiter::new(LimiterSettings { rate: 1e4, ..LimiterSettings::default() }));
        let retrying = Retrying::new(retries, limiter, Default::default());
        let http = Http::new(HttpSettings { allow_private: true, ..HttpSettings::default() }).unwrap();
        let login = Login::new(AzureEndpoints::at(&server.url), http, retrying);
        (login.token(APPLICATION, &proof, "https://a").await, server.seen())
    }

    fn secret() -> Proof {
        Proof::Secret(Secret::new("hunter2"))
    }

    #[tokio::test]
    async fn refusals_say_what_to_do_and_never_the_secret() {
        for (status, body, code, part) in [
            (401, r#"{"error_codes":[7000215]}"#, "AADSTS7000215", "secret of application app-1 is wrong"),
            (401, r#"{"error_codes":[7000222]}"#, "AADSTS7000222", "have expired"),
            (400, r#"{"error_codes":[700016]}"#, "AADSTS700016", "has no application app-1"),
            (400, r#"{"error_codes":[90002]}"#, "AADSTS90002", "no tenant contoso.example"),
            (401, r#"{"error_codes":[700024]}"#, "AADSTS700024", "clock"),
            (401, r#"{"error_description":"AADSTS700213: No matching"}"#, "AADSTS700213", "issuer, subject"),
            (
                400,
                r#"{"error":"invalid_x","error_description":"AADSTS12: bad hunter2 Trace ID: 5"}"#,
                "AADSTS12",
                "AADSTS12: bad …",
            ),
            (400, r#"{"error":"invalid_x"}"#, "invalid_x", "does not say why"),
            (403, "<html>", "403", "does not say why"),
        ] {
            let (answer, seen) = ask(move |_| Reply::new(status, body), secret()).await;
            let failure = answer.unwrap_err();
            assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Credentials, code), "{failure}");
            assert!(failure.message.contains(part) && !failure.message.contains("hunter2"), "{failure}");
            assert!(!failure.message.contains("Trace ID"));
            assert_eq!(seen.len(), 1, "what is wrong stays wrong");
        }
    }

    #[tokio::test]
    async fn passing_failures_are_asked_again() {
        let answer = |request: &Seen| match request.number {
            0 => Reply::new(503, ""),
            1 => Reply::new(429, "{}"),
            2 => Reply::new(500, "{}"),
            _ => Reply::new(200, r#"{"access_token":"t","expires_in":3599}"#),
        };
        let (answer, seen) = ask(answer, secret()).await;
        assert_eq!(answer.unwrap().secret.expose(), "t");
        let form: std::collections::HashMap<String, String> =
            form_urlencoded::parse(seen[3].body.as_bytes()).into_owned().collect();
        assert_eq!(seen[3].path, "/contoso.example/oauth2/v2.0/token");
        assert_eq!((form["scope"].as_str(), form["client_secret"].as_str()), ("https://a/.default", "hunter2"));
        assert_eq!((form["grant_type"].as_str(), form["client_id"].as_str()), ("client_credentials", "app-1"));
    }

    #[tokio::test]
    async fn a_wrong_clock_is_set_by_the_endpoints() {
        let late = Timestamp::now() + SignedDuration::from_hours(3);
        let answer = move |request: &Seen| {
            let form: std::collections::HashMap<String, String> =
                form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
            let token = AzureToken { secret: Secret::new(form["client_assertion"].clone()), expires: None };
            let claims = super::super::token::Claims::read(&token.secret).unwrap();
            let date = late.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            match claims.number("nbf").unwrap().abs_diff(late.as_second()) < 60 {
                true => Reply::new(200, r#"{"access_token":"t","expires_in":3599}"#),
                false => Reply::new(401, r#"{"error_codes":[700024]}"#).with("date", date),
            }
        };
        let certificate = Certificate::of_pem(&Secret::new(TEST_ONLY)).unwrap();
        let (answer, seen) = ask(answer, Proof::Certificate(Box::new(certificate))).await;
        assert_eq!((answer.unwrap().secret.expose(), seen.len()), ("t", 2));
    }

    #[tokio::test]
    async fn ids_that_are_none_are_not_sent() {
        let http = Http::new(HttpSettings::default()).unwrap();
        let limiter = std::sync::Arc::new(Limiter::new(LimiterSettings::default()));
        let retrying = Retrying::new(RetrySettings::default(), limiter, Default::default());
        let login = Login::new(AzureEndpoints::public(), http, retrying);
        for (tenant, client) in [("a/b", "c"), ("", "c"), ("t", ""), ("t?x", "c"), ("t", "c\n")] {
            let failure = login.token(Application { tenant, client }, &secret(), "https://a").await.unwrap_err();
            assert_eq!(failure.code, "NoCredentials");
        }
    }
}
