use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::azure::endpoints::AzureEndpoints;
use crate::http::{Http, HttpSettings};
use crate::limiter::{Limiter, LimiterSettings};
use crate::retry::{RetrySettings, Retrying};
use crate::testing::{Reply, Seen, Server};

const TEST_ONLY: &str = include_str!("../../../tests/azure_test_only_certificate.pem");
const AUDIENCE: &str = "https://a";

fn form(request: &Seen) -> HashMap<String, String> {
    url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
}

/// A login and metadata service: the token says how it was bought. Secrets named `wrong` are refused; those named `short`
/// buy a token that is nearly over.
fn service(request: &Seen) -> Reply {
    if request.method == "GET" {
        return match request.path.contains("client_id=none") {
            true => Reply::new(400, "{}"),
            false => Reply::new(200, r#"{"access_token":"managed","expires_in":"3599"}"#),
        };
    }
    let form = form(request);
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    let life = if get("client_secret") == "short" { 60 } else { 3599 };
    if get("client_secret") == "wrong" {
        return Reply::new(401, r#"{"error_codes":[7000215]}"#);
    }
    let proof = match (get("client_secret"), get("client_assertion")) {
        ("", assertion) if assertion.matches('.').count() == 2 => "certificate",
        ("", assertion) => assertion,
        (secret, _) => secret,
    };
    let token = format!("{} {} {proof} {}", request.path.split('/').nth(1).unwrap(), get("client_id"), request.number);
    Reply::new(200, json!({ "access_token": token, "expires_in": life }).to_string())
}

fn provider(server: &Server, source: AzureSource, variables: &[(&str, &str)]) -> Provider {
    let limiter = Arc::new(Limiter::new(LimiterSettings::default()));
    let retrying = Retrying::new(RetrySettings { attempts: 1, ..RetrySettings::default() }, limiter, Arc::default());
    let http = Http::new(HttpSettings { allow_private: true, ..HttpSettings::default() }).unwrap();
    let login = Login::new(AzureEndpoints::at(&server.url), http, retrying);
    let mut all = vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url.as_str())];
    all.extend_from_slice(variables);
    Provider::new(login, source, Environment::new(all), false)
}

async fn token_of(source: AzureSource, variables: &[(&str, &str)]) -> Result<String, String> {
    let server = Server::start(service).await;
    let found = provider(&server, source, variables).token(AUDIENCE).await;
    found.map(|token| token.secret.expose().to_owned()).map_err(|failure| {
        assert_eq!(failure.kind, FailureKind::Credentials, "{failure}");
        failure.message
    })
}

fn secret(text: &str) -> AzureSource {
    AzureSource::ClientSecret { tenant: "t".to_owned(), client: "c".to_owned(), secret: Secret::new(text) }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn the_chain_goes_in_its_order() {
    let (certificate, federated) = (file(TEST_ONLY), file("federated\n"));
    let (certificate, federated) = (certificate.path().to_str().unwrap(), federated.path().to_str().unwrap());
    let ids = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
    let with = |more: &[(&'static str, &'static str)]| [&ids[..], more].concat();
    let files = [("AZURE_CLIENT_CERTIFICATE_PATH", certificate), ("AZURE_FEDERATED_TOKEN_FILE", federated)];
    for (variables, expected) in [
        ([&with(&[("AZURE_CLIENT_SECRET", "s")])[..], &files].concat(), Ok("t c s 0")),
        ([&with(&[])[..], &files].concat(), Ok("t c certificate 0")),
        ([&with(&[])[..], &files[1..]].concat(), Ok("t c federated 0")),
        (with(&[]), Ok("managed")),
        (vec![], Ok("managed")),
        (vec![("AZURE_CLIENT_ID", "none")], Err("running the Azure CLI is not allowed")),
        (vec![("AZURE_CLIENT_SECRET", "s")], Err("without AZURE_TENANT_ID")),
        (vec![("AZURE_FEDERATED_TOKEN_FILE", federated)], Err("without AZURE_TENANT_ID")),
        (with(&[("AZURE_CLIENT_CERTIFICATE_PATH", "/nonexistent")]), Err("cannot read the client certificate")),
        // What is set up and refused ends the chain: the next link would be somebody else.
        (with(&[("AZURE_CLIENT_SECRET", "wrong")]), Err("client secret of application c is wrong")),
    ] {
        let found = token_of(AzureSource::Default, &variables).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn sources_stand_alone() {
    let certificate = AzureSource::ClientCertificate {
        tenant: "t".to_owned(),
        client: "c".to_owned(),
        certificate: Secret::new(TEST_ONLY),
    };
    let managed = |id: &str| AzureSource::ManagedIdentity { client_id: Some(id.to_owned()) };
    assert_eq!(token_of(secret("s"), &[]).await.unwrap(), "t c s 0");
    assert_eq!(token_of(certificate, &[]).await.unwrap(), "t c certificate 0");
    assert_eq!(token_of(managed("x"), &[]).await.unwrap(), "managed");
    assert_eq!(token_of(AzureSource::Token(Secret::new("fixed")), &[]).await.unwrap(), "fixed");
    assert!(token_of(managed("none"), &[]).await.unwrap_err().contains("the identity none"));
    assert!(token_of(AzureSource::WorkloadIdentity, &[]).await.unwrap_err().contains("AZURE_FEDERATED_TOKEN_FILE"));
    assert!(token_of(AzureSource::Cli, &[]).await.unwrap_err().contains("not allowed"));
}

#[tokio::test]
async fn tokens_are_kept_by_audience_until_they_are_nearly_over() {
    let server = Server::start(service).await;
    let lasting = provider(&server, secret("s"), &[]);
    for audience in ["https://a", "https://b", "https://a", "https://b", "https://a"] {
        lasting.token(audience).await.unwrap();
    }
    assert_eq!(server.seen().len(), 2);
    let short = provider(&server, secret("short"), &[]);
    let first = short.token(AUDIENCE).await.unwrap();
    let second = short.token(AUDIENCE).await.unwrap();
    assert_ne!(first, second, "less than five minutes are left");
}

#[tokio::test]
async fn there_is_one_request_at_a_time() {
    let server = Server::start(service).await;
    let provider = Arc::new(provider(&server, secret("s"), &[]));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let provider = provider.clone();
            tokio::spawn(async move { provider.token(AUDIENCE).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().secret.expose(), "t c s 0");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_token_called_expired_is_renewed_unless_it_is_fixed() {
    let server = Server::start(service).await;
    let changing = provider(&server, secret("s"), &[]);
    let first = changing.token(AUDIENCE).await.unwrap();
    assert!(changing.renew(AUDIENCE, &first).await);
    let second = changing.token(AUDIENCE).await.unwrap();
    assert_ne!(first, second);
    assert!(changing.renew(AUDIENCE, &first).await, "somebody else has renewed it");
    assert_eq!(changing.token(AUDIENCE).await.unwrap(), second);
    let fixed = provider(&server, AzureSource::Token(Secret::new("x")), &[]);
    assert!(!fixed.renew(AUDIENCE, &fixed.token(AUDIENCE).await.unwrap()).await);
}

#[tokio::test]
async fn refused_credentials_are_not_shown_a_thousand_times() {
    let server = Server::start(service).await;
    let wrong = provider(&server, secret("wrong"), &[]);
    for _ in 0..20 {
        assert_eq!(wrong.token(AUDIENCE).await.unwrap_err().code, "AADSTS7000215");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_token_at_hand_bridges_an_outage() {
    let down = Arc::new(Mutex::new(false));
    let switch = down.clone();
    let server = Server::start(move |request| match *switch.lock().unwrap() {
        true => Reply::new(500, ""),
        false => service(request),
    })
    .await;
    let short = provider(&server, secret("short"), &[]);
    let first = short.token(AUDIENCE).await.unwrap();
    *down.lock().unwrap() = true;
    assert_eq!(short.token(AUDIENCE).await.unwrap(), first);
    assert_eq!(short.token("https://b").await.unwrap_err().kind, FailureKind::Unavailable);
}

#[test]
fn stored_credentials_are_read_and_never_shown() {
    let of = |text: &str| AzureSource::of_stored(&Secret::new(text));
    let secret = of(r#"{"tenantId":"t","clientId":"c","clientSecret":"hunter2"}"#).unwrap();
    assert!(matches!(&secret, AzureSource::ClientSecret { tenant, client, .. } if tenant == "t" && client == "c"));
    assert!(!format!("{secret:?}").contains("hunter2"));
    let made = of(r#"{"appId":"c","displayName":"n","password":"hunter2","tenant":"t"}"#).unwrap();
    assert!(matches!(made, AzureSource::ClientSecret { secret, .. } if secret.expose() == "hunter2"));
    let pem = json!({ "tenantId": "t", "clientId": "c", "clientCertificate": TEST_ONLY }).to_string();
    assert!(matches!(of(&pem), Ok(AzureSource::ClientCertificate { .. })));
    for (text, part) in [
        ("hunter2", "is not JSON"),
        (r#"{"tenantId":"t","clientSecret":"hunter2"}"#, "is not JSON with"),
        (r#"{"tenantId":"t","clientId":["hunter2"]}"#, "is not JSON with"),
        (r#"{"tenantId":"t","clientId":"c"}"#, "neither"),
        (r#"{"tenantId":"t","clientId":"c","clientSecret":"hunter2","clientCertificate":"x"}"#, "both"),
        (r#"{"tenantId":"t","clientId":"c","clientCertificate":"hunter2"}"#, "holds no certificate"),
    ] {
        let failure = of(text).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Credentials);
        assert!(failure.message.contains(part) && !failure.message.contains("hunter2"), "{failure}");
    }
}

#[tokio::test]
async fn files_of_credentials_are_bounded() {
    let long = file(&"x".repeat(LONGEST_FILE as usize + 1));
    let failure = read_file(long.path(), "federated token").await.unwrap_err();
    assert!(failure.message.contains("too long"), "{failure}");
}
