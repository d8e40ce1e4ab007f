use std::collections::HashMap;

use super::*;
use crate::gcp::endpoint::Endpoints;
use crate::limiter::{Limiter, LimiterSettings};
use crate::retry::{RetrySettings, Retrying};
use crate::testing::{Reply, Seen, Server, rsa_key};

/// Every token endpoint: gives tokens named after how they were asked for.
fn google(request: &Seen) -> Reply {
    let form: HashMap<String, String> = url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    let path = request.path.split('?').next().unwrap();
    let token = match (path, get("grant_type")) {
        ("/token", "urn:ietf:params:oauth:grant-type:jwt-bearer") => "key".to_owned(),
        ("/token", _) if get("refresh_token") == "revoked" => {
            let text = r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
            return Reply::new(400, text);
        }
        ("/token", "refresh_token") => format!("user {} {}", get("client_id"), get("refresh_token")),
        ("/v1/token", _) => format!("sts {} {}", get("subject_token"), get("options")),
        ("/subject", _) => return Reply::new(200, format!(r#"{{"held": "{}"}}"#, request.header("metadata"))),
        _ if path.ends_with(":generateAccessToken") => {
            let held = request.header("authorization").trim_start_matches("Bearer ");
            let end = Timestamp::now() + SignedDuration::from_mins(30);
            return Reply::new(
                200,
                json!({"accessToken": format!("taken with {held}"), "expireTime": end}).to_string(),
            );
        }
        (path, _) if path.starts_with("/computeMetadata/") => {
            assert_eq!(request.header("metadata-flavor"), "Google");
            let body = match request.path.as_str().rsplit('/').next() {
                Some("token") => json!({"access_token": "machine", "expires_in": 3600}),
                _ => json!({"email": "machine@p.iam.gserviceaccount.com"}),
            };
            return Reply::new(200, body.to_string()).with("Metadata-Flavor", "Google");
        }
        ("/tokeninfo", _) if get("access_token").starts_with("sts") => {
            return Reply::new(400, r#"{"error":"invalid_token","error_description":"Invalid Value"}"#);
        }
        ("/tokeninfo", _) => return Reply::new(200, r#"{"email": "told@example.com"}"#),
        _ => return Reply::new(404, "{}"),
    };
    Reply::new(200, json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).to_string())
}

fn surroundings(server: &Server, variables: &[(&str, &str)], allow_process: bool) -> Surroundings {
    let http = Http::new(HttpSettings { allow_private: true, ..HttpSettings::default() }).unwrap();
    let limiter = Arc::new(Limiter::new(LimiterSettings::default()));
    let retrying = Retrying::new(RetrySettings { attempts: 1, ..RetrySettings::default() }, limiter, Arc::default());
    let wire = Wire::new(Endpoints::new(Some(&server.url)).unwrap(), http, retrying);
    Surroundings { wire: Arc::new(wire), environment: Environment::new(variables.iter().copied()), allow_process }
}

async fn ask_with(server: &Server, source: GcpSource, variables: &[(&str, &str)]) -> Result<GcpToken, CallFailure> {
    let provider = Provider::new(surroundings(server, variables, false), source);
    provider.token().await.map(|token| GcpToken::clone(&token))
}

/// The token that a stored file leads to, or the message of the failure, which never holds a secret.
async fn of_stored(server: &Server, file: &Json) -> Result<String, String> {
    let source = GcpSource::of_stored(&Secret::new(file.to_string())).map_err(|failure| failure.message)?;
    let found = ask_with(server, source, &[]).await;
    found.map(|token| token.token.expose().to_owned()).map_err(|failure| {
        assert_eq!(failure.kind, FailureKind::Credentials, "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
        failure.message
    })
}

fn account() -> Json {
    json!({
        "type": "service_account", "client_email": "reader@p.iam.gserviceaccount.com", "private_key_id": "1",
        "private_key": rsa_key().expose(), "token_uri": "https://oauth2.googleapis.com/token",
        "quota_project_id": "payer",
    })
}

fn user() -> Json {
    json!({"type": "authorized_user", "client_id": "app", "client_secret": "hunter2", "refresh_token": "r"})
}

fn external(source: Json) -> Json {
    json!({
        "type": "external_account", "audience": "//iam.googleapis.com/pool", "credential_source": source,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    })
}

const TAKEN: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/taken@p.iam.gserviceaccount.com:generateAccessToken";

#[tokio::test]
async fn every_kind_of_file_leads_to_a_token() {
    let server = Server::start(google).await;
    assert_eq!(of_stored(&server, &account()).await.unwrap(), "key");
    assert_eq!(of_stored(&server, &user()).await.unwrap(), "user app r");
    let taken = json!({
        "type": "impersonated_service_account", "source_credentials": user(), "service_account_impersonation_url": TAKEN,
    });
    assert_eq!(of_stored(&server, &taken).await.unwrap(), "taken with user app r");
    let twice = json!({
        "type": "impersonated_service_account", "source_credentials": taken, "service_account_impersonation_url": TAKEN,
    });
    assert_eq!(of_stored(&server, &twice).await.unwrap(), "taken with taken with user app r");
}

#[tokio::test]
async fn assertions_name_account_audience_and_scope() {
    use base64::Engine as _;
    let server = Server::start(google).await;
    of_stored(&server, &account()).await.unwrap();
    let body = server.seen()[0].body.clone();
    let assertion = url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "assertion").unwrap().1;
    let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    let claims: Json = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "reader@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], "https://oauth2.googleapis.com/token");
    assert_eq!(claims["scope"], SCOPE);
    let (from, until) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!(until - from == 3600 && (from - Timestamp::now().as_second()).abs() < 60);
}

#[tokio::test]
async fn foreign_identities_are_exchanged() {
    let server = Server::start(google).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "foreign\n").unwrap();
    let run = async |mut file: Json, taken: bool| {
        if taken {
            file["service_account_impersonation_url"] = TAKEN.into();
        }
        let path = folder.path().join("file.json");
        std::fs::write(&path, file.to_string()).unwrap();
        let found = ask_with(&server, GcpSource::File(path), &[]).await;
        found.map(|token| token.token.expose().to_owned()).map_err(|failure| failure.message)
    };
    let of_file = external(json!({"file": token}));
    assert_eq!(run(of_file.clone(), false).await.unwrap(), "sts foreign ");
    assert_eq!(run(of_file.clone(), true).await.unwrap(), "taken with sts foreign");
    let mut workforce = of_file;
    workforce["workforce_pool_user_project"] = "p".into();
    assert_eq!(run(workforce, false).await.unwrap(), r#"sts foreign {"userProject":"p"}"#);
    let format = json!({"type": "json", "subject_token_field_name": "held"});
    let of_url = json!({"url": format!("{}/subject", server.url), "headers": {"Metadata": "sent"}, "format": format});
    assert_eq!(run(external(of_url), false).await.unwrap(), "sts sent ");
    for (source, part) in [
        (json!({"executable": {"command": "echo"}}), "not allowed"),
        (json!({"environment_id": "azure1"}), "only aws1"),
        (json!({"file": "/no/such/file"}), "cannot read the token file"),
        (json!({"url": "https://192.0.2.1/"}), "192.0.2.1"),
        (json!({"url": "http://8.8.8.8/"}), "plain HTTP"),
        (json!({"certificate": {}}), "no source of tokens that is known"),
    ] {
        let message = run(external(source), false).await.unwrap_err();
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[tokio::test]
async fn keys_of_aws_sign_who_they_are() {
    let server = Server::start(google).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    let variables = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_REGION", "eu-west-1")];
    let run = async |url: &str| {
        let source = json!({"environment_id": "aws1", "regional_cred_verification_url": url});
        std::fs::write(&path, external(source).to_string()).unwrap();
        ask_with(&server, GcpSource::File(path.clone()), &variables).await
    };
    let url = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
    let token = run(url).await.unwrap().token;
    let subject = token.expose().trim_start_matches("sts ").trim_end();
    let text = percent_encoding::percent_decode_str(subject).decode_utf8().unwrap();
    let request: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(request["url"], url.replace("{region}", "eu-west-1"));
    assert!(text.contains("Credential=AKID/") && !text.contains("hunter2"), "{text}");
    let refused = run("https://evil.example/{region}").await.unwrap_err();
    assert!(refused.message.contains("sts.eu-west-1.amazonaws.com"), "{refused}");
}

#[tokio::test]
async fn programs_run_only_when_allowed() {
    let server = Server::start(google).await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.json");
    let file = folder.path().join("file.json");
    let command = format!("cat {}", output.display());
    std::fs::write(&file, external(json!({"executable": {"command": command}})).to_string()).unwrap();
    for (printed, expected) in [
        (r#"{"version": 1, "success": true, "id_token": "printed"}"#, Ok("sts printed ")),
        (r#"{"version": 1, "success": false, "code": "401", "message": "hunter2"}"#, Err("it failed (401)")),
        ("hunter2", Err("it failed (without a code)")),
        (r#"{"success": true}"#, Err("no token")),
    ] {
        std::fs::write(&output, printed).unwrap();
        let provider = Provider::new(surroundings(&server, &[], true), GcpSource::File(file.clone()));
        match (provider.token().await, expected) {
            (Ok(token), Ok(expected)) => assert_eq!(token.token.expose(), expected),
            (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{failure}"),
            (found, _) => panic!("{printed}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn the_chain_goes_from_variable_to_login_to_machine() {
    let server = Server::start(google).await;
    let host = server.url.trim_start_matches("http://").to_owned();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap().to_owned();
    let login = folder.path().join(".config/gcloud/application_default_credentials.json");
    std::fs::create_dir_all(login.parent().unwrap()).unwrap();
    std::fs::write(&login, user().to_string()).unwrap();
    let named = folder.path().join("key.json");
    std::fs::write(&named, account().to_string()).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut other = user();
    other["client_id"] = "other".into();
    std::fs::write(elsewhere.join("application_default_credentials.json"), other.to_string()).unwrap();
    let of = async |variables: &[(&str, &str)]| {
        let token = ask_with(&server, GcpSource::Default, variables).await.unwrap();
        (token.token.expose().to_owned(), token.quota_project.clone())
    };
    let (home, machine) = (("HOME", home.as_str()), ("GCE_METADATA_HOST", host.as_str()));
    let key = ("GOOGLE_APPLICATION_CREDENTIALS", "~/key.json");
    assert_eq!(of(&[home, machine, key]).await, ("key".to_owned(), Some("payer".to_owned())));
    let paying = ("GOOGLE_CLOUD_QUOTA_PROJECT", "another");
    assert_eq!(of(&[home, machine, key, paying]).await, ("key".to_owned(), Some("another".to_owned())));
    assert_eq!(of(&[home, machine]).await, ("user app r".to_owned(), None));
    let moved = ("CLOUDSDK_CONFIG", elsewhere.to_str().unwrap());
    assert_eq!(of(&[home, machine, moved]).await, ("user other r".to_owned(), None));
    assert_eq!(of(&[machine]).await, ("machine".to_owned(), None));
    let missing = ("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file");
    let failure = ask_with(&server, GcpSource::Default, &[home, machine, missing]).await.unwrap_err();
    assert!(failure.message.contains("/no/such/file"), "a file that is named is not passed over: {failure}");
}

#[tokio::test]
async fn another_metadata_server_is_none_of_googles() {
    let server = Server::start(|_| Reply::new(200, r#"{"access_token": "stolen"}"#)).await;
    let host = ("GCE_METADATA_HOST", server.url.trim_start_matches("http://"));
    let failure = ask_with(&server, GcpSource::Default, &[host]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Credentials);
    assert!(failure.message.contains("no metadata server of Google"), "{failure}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (file, status, description, part) in [
        (account(), 400, "Invalid JWT Signature.", "give it a new key"),
        (account(), 400, "Invalid grant: account not found", "the account exists and is not disabled"),
        (account(), 400, "Token must be a short-lived token and in a reasonable timeframe", "set the clock"),
        (user(), 400, "Token has been expired or revoked.", "gcloud auth application-default login"),
        (user(), 401, "The OAuth client was not found.", "gcloud auth application-default login"),
    ] {
        let body = json!({"error": "invalid_grant", "error_description": description}).to_string();
        let server = Server::start(move |_| Reply::new(status, body.clone())).await;
        let message = of_stored(&server, &file).await.unwrap_err();
        assert!(message.contains(part) && message.contains(description), "{message}");
    }
}

#[tokio::test]
async fn accounts_that_may_not_be_taken_are_named() {
    let server = Server::start(|request| match request.path.as_str() {
        "/token" => google(request),
        _ => Reply::new(403, r#"{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}"#),
    })
    .await;
    let file = json!({
        "type": "impersonated_service_account", "source_credentials": user(), "service_account_impersonation_url": TAKEN,
    });
    let source = GcpSource::of_stored(&Secret::new(file.to_string())).unwrap();
    let failure = ask_with(&server, source, &[]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(
        failure.message.contains("taken@p.iam") && failure.message.contains("serviceAccountTokenCreator"),
        "{failure}"
    );
}

#[tokio::test]
async fn keys_are_sent_to_google_alone() {
    let server = Server::start(google).await;
    for (name, file) in [
        ("token_uri", json!({"token_uri": "https://evil.example/token"})),
        ("token_uri", json!({"token_uri": "http://oauth2.googleapis.com/token"})),
        ("token_uri", json!({"token_uri": "https://169.254.169.254/token"})),
    ] {
        for base in [account(), user()] {
            let mut changed = base;
            changed.as_object_mut().unwrap().extend(file.as_object().unwrap().clone());
            let source = GcpSource::of_stored(&Secret::new(changed.to_string())).unwrap();
            let failure = ask_with(&server, source, &[]).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
            assert!(failure.message.contains(name), "{failure}");
        }
    }
    let taken = "https://evil.example/v1/projects/-/serviceAccounts/a@b:generateAccessToken";
    let file = json!({
        "type": "impersonated_service_account", "source_credentials": user(), "service_account_impersonation_url": taken,
    });
    let source = GcpSource::of_stored(&Secret::new(file.to_string())).unwrap();
    assert!(ask_with(&server, source, &[]).await.unwrap_err().message.contains("evil.example"));
}

#[tokio::test]
async fn stored_credentials_stand_for_themselves() {
    let server = Server::start(google).await;
    let mut deep = user();
    for _ in 0..10 {
        deep = json!({
            "type": "impersonated_service_account", "source_credentials": deep, "service_account_impersonation_url": TAKEN,
        });
    }
    let inside = json!({
        "type": "impersonated_service_account", "service_account_impersonation_url": TAKEN,
        "source_credentials": external(json!({"file": "/etc/hostname"})),
    });
    for (file, part) in [
        (external(json!({"file": "/etc/hostname"})), "names a file"),
        (inside, "names a file"),
        (deep, "too many others"),
        (json!({"type": "service_account"}), "client_email is missing"),
    ] {
        let message = of_stored(&server, &file).await.unwrap_err();
        assert!(message.contains(part), "{message}");
    }
    assert!(server.seen().is_empty());
    let unchecked = GcpSource::Stored(Secret::new(external(json!({"file": "/etc/hostname"})).to_string()));
    assert!(ask_with(&server, unchecked, &[]).await.unwrap_err().message.contains("names a file"));
}

#[tokio::test]
async fn tokens_are_kept_until_shortly_before_they_end() {
    for (life, expected) in [(3600, 1), (299, 3), (-5, 3)] {
        let server =
            Server::start(move |_| Reply::new(200, json!({"access_token": "a", "expires_in": life}).to_string())).await;
        let source = GcpSource::of_stored(&Secret::new(user().to_string())).unwrap();
        let provider = Provider::new(surroundings(&server, &[], false), source);
        for _ in 0..3 {
            provider.token().await.unwrap();
        }
        assert_eq!(server.seen().len(), expected, "tokens of {life} s");
    }
}

#[tokio::test]
async fn one_request_serves_all_who_wait() {
    let server = Server::start(google).await;
    let source = GcpSource::of_stored(&Secret::new(user().to_string())).unwrap();
    let provider = Provider::new(surroundings(&server, &[], false), source);
    let (a, b, c) = tokio::join!(provider.token(), provider.token(), provider.token());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_still_lasts_outlives_a_broken_endpoint() {
    let server = Server::start(|request| match request.number {
        0 => Reply::new(200, r#"{"access_token": "a", "expires_in": 120}"#),
        _ => Reply::new(500, ""),
    })
    .await;
    let source = GcpSource::of_stored(&Secret::new(user().to_string())).unwrap();
    let provider = Provider::new(surroundings(&server, &[], false), source);
    for _ in 0..2 {
        assert_eq!(provider.token().await.unwrap().token.expose(), "a");
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn who_an_account_is_comes_from_file_machine_or_token() {
    let server = Server::start(google).await;
    let machine = [("GCE_METADATA_HOST", server.url.trim_start_matches("http://"))];
    let email =
        async |source: GcpSource| Provider::new(surroundings(&server, &machine, false), source).email().await.unwrap();
    let stored = |file: Json| GcpSource::of_stored(&Secret::new(file.to_string())).unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(email(stored(account())).await, some("reader@p.iam.gserviceaccount.com"));
    assert_eq!(email(stored(user())).await, some("told@example.com"));
    let mut known = user();
    known["account"] = "known@example.com".into();
    assert_eq!(email(stored(known)).await, some("known@example.com"));
    let taken = json!({
        "type": "impersonated_service_account", "source_credentials": user(), "service_account_impersonation_url": TAKEN,
    });
    assert_eq!(email(stored(taken)).await, some("taken@p.iam.gserviceaccount.com"));
    assert_eq!(email(GcpSource::Default).await, some("machine@p.iam.gserviceaccount.com"));
    assert_eq!(email(GcpSource::Token(Secret::new("any"))).await, some("told@example.com"));
    assert_eq!(email(GcpSource::Token(Secret::new("sts"))).await, None);
}

#[test]
fn secrets_are_not_shown() {
    let mut file = user();
    file["client_secret"] = "hunter2".into();
    file["refresh_token"] = "hunter2".into();
    let taken = json!({
        "type": "impersonated_service_account", "source_credentials": file, "service_account_impersonation_url": TAKEN,
    });
    for file in [file, taken, external(json!({"url": "https://a.example/", "headers": {"a": "hunter2"}}))] {
        let text = Secret::new(file.to_string());
        let source = GcpSource::of_stored(&text).unwrap();
        let shown = format!("{source:?} {:?}", AccountFile::parse(&text, "it").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let token = GcpToken::new(Secret::new("hunter2"), 60, Holder::Machine);
    assert!(!format!("{token:?} {:?}", GcpSource::Token(token.token.clone())).contains("hunter2"));
}
