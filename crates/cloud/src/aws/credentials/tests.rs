use std::path::Path;

use super::*;
use crate::aws::endpoint::Endpoints;
use crate::aws::model::Model;
use crate::limiter::{Limiter, LimiterSettings};
use crate::retry::{RetrySettings, Retrying};
use crate::testing::{Reply, Seen, Server};

/// STS: gives keys named after the role and what the role was asked with.
fn sts_server(request: &Seen) -> Reply {
    let form: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    let with = request.header("authorization").split(['=', '/']).nth(1).unwrap_or("-");
    if get("Action") == "GetCallerIdentity" {
        let body = "<R><GetCallerIdentityResult><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/u</Arn>\
            <UserId>U</UserId></GetCallerIdentityResult></R>";
        return Reply::new(200, body);
    }
    if get("RoleArn").ends_with("/forbidden") {
        return Reply::new(403, "<E><Error><Code>AccessDenied</Code><Message>no</Message></Error></E>");
    }
    let id = format!(
        "{}|{}|{}|{}|{}|{with}",
        get("RoleArn").rsplit('/').next().unwrap(),
        get("RoleSessionName"),
        get("ExternalId"),
        get("DurationSeconds"),
        get("WebIdentityToken")
    );
    let end = Timestamp::now() + SignedDuration::from_secs(if get("RoleArn").ends_with("/short") { 60 } else { 3600 });
    let action = get("Action");
    Reply::new(
        200,
        format!(
            "<R><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>hunter2</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>{end}</Expiration></Credentials></{action}Result></R>"
        ),
    )
}

fn surroundings(server: &Server, variables: &[(&str, &str)], allow_process: bool) -> Arc<Surroundings> {
    let model = Model::embedded().unwrap();
    let http = Http::new(HttpSettings { allow_private: true, ..HttpSettings::default() }).unwrap();
    let limiter = Arc::new(Limiter::new(LimiterSettings::default()));
    let retrying = Retrying::new(RetrySettings { attempts: 1, ..RetrySettings::default() }, limiter, Arc::default());
    let endpoints = Endpoints::new(model, "eu-west-1", Some(&server.url));
    Arc::new(Surroundings {
        wire: Arc::new(Wire::new(model, endpoints, http, retrying)),
        environment: Environment::new(variables.iter().copied()),
        allow_process,
    })
}

const CHAIN: AwsSource = AwsSource::Default { profile: None };

fn profile(name: &str) -> AwsSource {
    AwsSource::Default { profile: Some(name.to_owned()) }
}

async fn id_of(shared: Arc<Surroundings>, source: AwsSource) -> Result<String, String> {
    let found = Provider::new(shared, source).credentials().await;
    found.map(|keys| keys.access_key_id.clone()).map_err(|failure| {
        assert_eq!(failure.kind, FailureKind::Credentials, "{failure}");
        failure.message
    })
}

fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".aws")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn the_environment_comes_first() {
    let server = Server::start(sts_server).await;
    let folder = home(&[(".aws/credentials", "[default]\naws_access_key_id=FILE\naws_secret_access_key=x\n")]);
    let keys = [("HOME", text(folder.path())), ("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    assert_eq!(id_of(surroundings(&server, &keys, false), CHAIN).await.unwrap(), "ENV");
    assert_eq!(id_of(surroundings(&server, &keys[..1], false), CHAIN).await.unwrap(), "FILE");
    let half = id_of(surroundings(&server, &keys[..2], false), CHAIN).await.unwrap_err();
    assert!(half.contains("AWS_SECRET_ACCESS_KEY"), "{half}");
    assert_eq!(id_of(surroundings(&server, &keys, false), profile("default")).await.unwrap(), "FILE");
}

#[tokio::test]
async fn profiles_lead_to_roles() {
    let server = Server::start(sts_server).await;
    let config = "[default]\nregion=eu-west-1\n\
        [profile keys]\naws_access_key_id=KEYS\naws_secret_access_key=x\n\
        [profile role]\nrole_arn=arn:aws:iam::1:role/audit\nsource_profile=keys\nexternal_id=ext\nrole_session_name=me\nduration_seconds=900\n\
        [profile chained]\nrole_arn=arn:aws:iam::1:role/second\nsource_profile=role\n\
        [profile self]\nrole_arn=arn:aws:iam::1:role/own\nsource_profile=self\naws_access_key_id=SELF\naws_secret_access_key=x\n\
        [profile env]\nrole_arn=arn:aws:iam::1:role/env\ncredential_source=Environment\n\
        [profile mfa]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=keys\nmfa_serial=m\n\
        [profile ring]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=gnir\n\
        [profile gnir]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=ring\n\
        [profile sso]\nsso_session=s\n[profile empty]\n\
        [profile denied]\nrole_arn=arn:aws:iam::1:role/forbidden\nsource_profile=keys\n";
    let folder = home(&[(".aws/config", config)]);
    let variables = [("HOME", text(folder.path())), ("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let of = async |name: &str| id_of(surroundings(&server, &variables, false), profile(name)).await;
    assert_eq!(of("keys").await.unwrap(), "KEYS");
    assert_eq!(of("role").await.unwrap(), "audit|me|ext|900||KEYS");
    // The first role's id holds a slash-free text, so the second request shows it as the signer.
    assert!(of("chained").await.unwrap().starts_with("second|yagura||||audit|me"));
    assert_eq!(of("self").await.unwrap(), "own|yagura||||SELF");
    assert_eq!(of("env").await.unwrap(), "env|yagura||||ENV");
    for (name, part) in
        [("mfa", "mfa_serial"), ("ring", "too many"), ("sso", "SSO"), ("empty", "no credentials"), ("nobody", "nobody")]
    {
        let message = of(name).await.unwrap_err();
        assert!(message.contains(part), "{name}: {message}");
    }
    let denied =
        Provider::new(surroundings(&server, &variables, false), profile("denied")).credentials().await.unwrap_err();
    assert_eq!(denied.kind, FailureKind::Denied);
    assert!(denied.message.contains("role/forbidden"), "{denied}");
    let named = [("HOME", text(folder.path())), ("AWS_PROFILE", "keys")];
    assert_eq!(id_of(surroundings(&server, &named, false), CHAIN).await.unwrap(), "KEYS");
    let missing = [("HOME", text(folder.path())), ("AWS_PROFILE", "nobody")];
    assert!(id_of(surroundings(&server, &missing, false), CHAIN).await.unwrap_err().contains("nobody"));
}

#[tokio::test]
async fn programs_run_only_when_allowed() {
    let server = Server::start(sts_server).await;
    let output =
        r#"{"Version":1,"AccessKeyId":"PROGRAM","SecretAccessKey":"hunter2","Expiration":"2099-01-01T00:00:00Z"}"#;
    let folder = home(&[("out.json", output)]);
    let path = folder.path().join("out.json");
    let config = format!(
        "[profile good]\ncredential_process = cat \"{}\"\n[profile bad]\ncredential_process = false\n\
         [profile none]\ncredential_process = /no/such/program\n[profile open]\ncredential_process = cat \"x\n",
        text(&path)
    );
    std::fs::write(folder.path().join(".aws/config"), config).unwrap();
    let variables = [("HOME", text(folder.path()))];
    let refused = id_of(surroundings(&server, &variables, false), profile("good")).await.unwrap_err();
    assert!(refused.contains("not allowed"), "{refused}");
    let of = async |name: &str| id_of(surroundings(&server, &variables, true), profile(name)).await;
    assert_eq!(of("good").await.unwrap(), "PROGRAM");
    for name in ["bad", "none", "open"] {
        let message = of(name).await.unwrap_err();
        assert!(message.contains("credential_process") && !message.contains("hunter2"), "{message}");
    }
}

#[tokio::test]
async fn web_identity_tokens_are_read_from_their_file() {
    let server = Server::start(sts_server).await;
    let folder = home(&[("token", "jwt\n")]);
    let file = folder.path().join("token");
    let variables = [("AWS_WEB_IDENTITY_TOKEN_FILE", text(&file)), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod")];
    assert_eq!(id_of(surroundings(&server, &variables, false), CHAIN).await.unwrap(), "pod|yagura|||jwt|-");
    assert_eq!(server.seen()[0].header("authorization"), "", "not signed");
    let gone = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/file"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod")];
    assert!(id_of(surroundings(&server, &gone, false), CHAIN).await.unwrap_err().contains("/no/such/file"));
}

#[tokio::test]
async fn containers_give_keys_to_those_with_the_token() {
    let server = Server::start(|request| {
        let keys = r#"{"AccessKeyId":"TASK","SecretAccessKey":"x","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
        if request.header("authorization") == "hunter2" { Reply::new(200, keys) } else { Reply::new(403, "") }
    })
    .await;
    let folder = home(&[("token", "hunter2\n")]);
    let (file, uri) = (folder.path().join("token"), format!("{}/creds", server.url));
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str());
    let by_file = [full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", text(&file))];
    assert_eq!(id_of(surroundings(&server, &by_file, false), CHAIN).await.unwrap(), "TASK");
    let by_value = [full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2")];
    assert_eq!(id_of(surroundings(&server, &by_value, false), CHAIN).await.unwrap(), "TASK");
    assert!(id_of(surroundings(&server, &[full], false), CHAIN).await.unwrap_err().contains("403"));
    let evil = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/creds")];
    assert!(id_of(surroundings(&server, &evil, false), CHAIN).await.unwrap_err().contains("neither"));
}

#[test]
fn container_addresses_have_rules() {
    for open in [
        "https://example.com/x",
        "http://127.0.0.1/x",
        "http://[::1]:80/x",
        "http://localhost/x",
        "http://169.254.170.2/x",
        "http://169.254.170.23/x",
        "http://[fd00:ec2::23]/x",
    ] {
        assert_eq!(check_container_uri(open), Ok(()), "{open}");
    }
    for shut in ["http://169.254.169.254/x", "http://10.0.0.1/x", "http://example.com/x", "ftp://127.0.0.1/x", "x"] {
        assert!(check_container_uri(shut).is_err(), "{shut}");
    }
}

#[tokio::test]
async fn instances_give_keys_by_the_second_version_only() {
    let server = Server::start(|request| {
        let token = request.header("x-aws-ec2-metadata-token");
        match (request.method.as_str(), request.path.as_str()) {
            ("PUT", "/latest/api/token") if request.header("x-aws-ec2-metadata-token-ttl-seconds") == "21600" => {
                Reply::new(200, "session")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/") if token == "session" => Reply::new(200, "my-role\n"),
            ("GET", "/latest/meta-data/iam/security-credentials/my-role") if token == "session" => Reply::new(
                200,
                r#"{"Code":"Success","AccessKeyId":"VM","SecretAccessKey":"x","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#,
            ),
            _ => Reply::new(401, ""),
        }
    })
    .await;
    let here = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url.as_str());
    assert_eq!(id_of(surroundings(&server, &[here], false), CHAIN).await.unwrap(), "VM");
    let off = [here, ("AWS_EC2_METADATA_DISABLED", "true")];
    let message = id_of(surroundings(&server, &off, false), CHAIN).await.unwrap_err();
    assert!(message.contains("switched off") && message.contains("environment"), "{message}");
}

#[tokio::test]
async fn credentials_are_kept_while_they_last() {
    let server = Server::start(sts_server).await;
    let role = |name: &str| {
        let base = AwsSource::Keys(AwsCredentials::new("BASE", "x"));
        AwsSource::Role(Box::new(AwsRole::new(base, format!("arn:aws:iam::210987654321:role/{name}"))))
    };
    let long = Provider::new(surroundings(&server, &[], false), role("long"));
    let first = long.credentials().await.unwrap();
    assert_eq!(long.credentials().await.unwrap(), first);
    assert_eq!((server.seen().len(), long.account().await.unwrap()), (1, "210987654321"));
    assert!(long.renew(&first).await);
    long.credentials().await.unwrap();
    assert_eq!(server.seen().len(), 2);
    let short = Provider::new(surroundings(&server, &[], false), role("short"));
    short.credentials().await.unwrap();
    short.credentials().await.unwrap();
    assert_eq!(server.seen().len(), 4, "fetched anew within five minutes of their end");
    let keys = Provider::new(surroundings(&server, &[], false), AwsSource::Keys(AwsCredentials::new("K", "x")));
    assert!(!keys.renew(&keys.credentials().await.unwrap()).await);
    assert_eq!(keys.account().await.unwrap(), "123456789012");
}

#[tokio::test]
async fn credentials_near_their_end_serve_when_no_others_come() {
    let server = Server::start(|request| {
        if request.number == 0 {
            let end = Timestamp::now() + SignedDuration::from_secs(120);
            let body = format!(
                "<R><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                 <SessionToken>t</SessionToken><Expiration>{end}</Expiration></Credentials></AssumeRoleResult></R>"
            );
            return Reply::new(200, body);
        }
        Reply::new(500, "")
    })
    .await;
    let base = AwsSource::Keys(AwsCredentials::new("BASE", "x"));
    let role = AwsSource::Role(Box::new(AwsRole::new(base, "arn:aws:iam::1:role/r")));
    let provider = Provider::new(surroundings(&server, &[], false), role);
    provider.credentials().await.unwrap();
    assert_eq!(provider.credentials().await.unwrap().access_key_id, "A");
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn keys_are_not_shown() {
    let keys = AwsCredentials {
        session_token: Some(Secret::new("hunter2")),
        ..AwsCredentials::new("AKIASECRETID", "hunter2")
    };
    let shown = format!("{keys:?} {:?}", AwsSource::Keys(keys.clone()));
    assert!(!shown.contains("hunter2") && !shown.contains("SECRETID") && shown.contains("AKIA"), "{shown}");
}
