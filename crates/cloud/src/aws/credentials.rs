//! Where AWS credentials come from, in the order of "Standardized credential providers" (AWS SDKs and Tools reference
//! guide), and how they are kept fresh.
//!
//! The default chain: environment; shared files with a profile (keys, roles with a source, web identity, and a
//! `credential_process` if that is allowed); web identity token (EKS service accounts); container credentials (ECS, EKS
//! pod identity); instance metadata (IMDSv2 only). A profile that is named stands alone: nothing else is tried.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderName, Method, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use url::{Host, Url};

use super::profile::{Profile, Profiles};
use super::wire::{Ask, Wire};
use crate::call::{CallFailure, FailureKind};
use crate::environment::Environment;
use crate::http::{Http, HttpRequest, HttpSettings};
use crate::program::{self, Program};
use crate::secret::Secret;

/// Credentials are renewed this long before they end.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// How many roles may be taken one by way of the other.
const MOST_HOPS: usize = 5;
const INSTANCE_METADATA: &str = "http://169.254.169.254";
const CONTAINER: &str = "http://169.254.170.2";

/// Keys.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsCredentials {
    /// The id of the access key.
    pub access_key_id: String,
    /// The key itself.
    pub secret_access_key: Secret,
    /// The token of temporary keys.
    pub session_token: Option<Secret>,
    /// When they end.
    pub expires: Option<Timestamp>,
}

impl AwsCredentials {
    /// Keys that do not end.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Secret::new(secret_access_key),
            session_token: None,
            expires: None,
        }
    }

    fn lasts(&self, margin: SignedDuration) -> bool {
        self.expires.is_none_or(|end| end.duration_since(Timestamp::now()) > margin)
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An id begins with four letters for its kind; the rest tells one key from another.
        let kind: String = self.access_key_id.chars().take(4).collect();
        write!(f, "AwsCredentials({kind}…, ends {:?})", self.expires)
    }
}

/// Where credentials come from.
#[derive(Clone, Debug)]
pub enum AwsSource {
    /// The default chain, or one profile alone.
    Default {
        /// A profile of the shared files.
        profile: Option<String>,
    },
    /// These keys.
    Keys(AwsCredentials),
    /// A role, taken with other credentials.
    Role(Box<AwsRole>),
}

/// A role to take.
#[derive(Clone, Debug)]
pub struct AwsRole {
    /// The credentials to take it with.
    pub base: AwsSource,
    /// Its ARN.
    pub arn: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
    /// The name of the session, as CloudTrail shows it; `yagura` if none.
    pub session_name: Option<String>,
    /// How long the keys last, in seconds; none = an hour.
    pub seconds: Option<u32>,
}

impl AwsRole {
    /// A role taken with these credentials.
    pub fn new(base: AwsSource, arn: impl Into<String>) -> Self {
        Self { base, arn: arn.into(), external_id: None, session_name: None, seconds: None }
    }
}

/// The account number in an ARN.
fn account_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// What all providers of one client share.
#[derive(Debug)]
pub struct Surroundings {
    /// Asks STS.
    pub wire: Arc<Wire>,
    /// Environment variables and files.
    pub environment: Environment,
    /// Whether a profile may have a program run (`credential_process`).
    pub allow_process: bool,
}

/// Gives credentials from one source, fetched when needed and kept while they last.
#[derive(Debug)]
pub struct Provider {
    shared: Arc<Surroundings>,
    source: AwsSource,
    /// Takes the role of the source in place of the role's own base, so that many roles share what it keeps.
    base: Option<Arc<Self>>,
    kept: tokio::sync::Mutex<Option<Arc<AwsCredentials>>>,
    account: tokio::sync::OnceCell<String>,
}

impl Provider {
    /// A provider.
    pub fn new(shared: Arc<Surroundings>, source: AwsSource) -> Self {
        let (kept, account) = (tokio::sync::Mutex::default(), tokio::sync::OnceCell::new());
        Self { shared, source, base: None, kept, account }
    }

    /// A provider of a role that is taken with the credentials of another provider.
    pub fn of_role(base: Arc<Self>, role: AwsRole) -> Self {
        let source = AwsSource::Role(Box::new(role));
        Self { base: Some(base.clone()), ..Self::new(base.shared.clone(), source) }
    }

    /// Credentials that last a while. Those at hand are still given while they last when no new ones can be had.
    pub async fn credentials(&self) -> Result<Arc<AwsCredentials>, CallFailure> {
        let mut kept = self.kept.lock().await;
        if let Some(known) = kept.as_ref().filter(|known| known.lasts(MARGIN)) {
            return Ok(known.clone());
        }
        match self.fetch().await {
            Ok(new) => Ok(kept.insert(Arc::new(new)).clone()),
            Err(failure) => match kept.as_ref().filter(|known| known.lasts(SignedDuration::from_secs(30))) {
                Some(known) => Ok(known.clone()),
                None => Err(failure),
            },
        }
    }

    async fn fetch(&self) -> Result<AwsCredentials, CallFailure> {
        match (&self.source, &self.base) {
            (AwsSource::Role(role), Some(base)) => {
                // Boxed, since it is this function once more.
                let keys = Box::pin(base.credentials()).await?;
                assume(&self.shared, role, &keys).await
            }
            _ => fetch(&self.shared, &self.source, 0).await,
        }
    }

    /// Forgets credentials that a service has called expired. False if there is no way to others.
    pub async fn renew(&self, expired: &AwsCredentials) -> bool {
        if matches!(self.source, AwsSource::Keys(_)) {
            return false;
        }
        let mut kept = self.kept.lock().await;
        if kept.as_deref() == Some(expired) {
            *kept = None;
        }
        true
    }

    /// Who the credentials are: `sts:GetCallerIdentity`.
    pub async fn identity(&self) -> Result<Json, CallFailure> {
        let credentials = self.credentials().await?;
        let (params, wire) = (Map::new(), &self.shared.wire);
        wire.ask(sts("GetCallerIdentity", &params, Some(&credentials))).await
    }

    /// The account that the credentials belong to; asked once.
    pub async fn account(&self) -> Result<&str, CallFailure> {
        let account = self.account.get_or_try_init(|| async {
            if let AwsSource::Role(role) = &self.source {
                let unfit = || failed(format!("{} is not the ARN of a role", role.arn));
                return account_of_arn(&role.arn).map(str::to_owned).ok_or_else(unfit);
            }
            let identity = self.identity().await?;
            let account = identity.get("Account").and_then(Json::as_str).map(str::to_owned);
            account.ok_or_else(|| failed("GetCallerIdentity names no account"))
        });
        account.await.map(String::as_str)
    }
}

fn sts<'a>(operation: &'a str, params: &'a Map<String, Json>, credentials: Option<&'a AwsCredentials>) -> Ask<'a> {
    Ask { account: "", region: None, service: "sts", operation, params, credentials }
}

fn failed(message: impl Into<String>) -> CallFailure {
    CallFailure { kind: FailureKind::Credentials, code: "NoCredentials".to_owned(), message: message.into() }
}

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<AwsCredentials, CallFailure>> + Send + 'a>>;

/// Boxed, since roles lead to roles.
fn fetch<'a>(shared: &'a Surroundings, source: &'a AwsSource, hops: usize) -> Fetching<'a> {
    Box::pin(async move {
        if hops > MOST_HOPS {
            return Err(failed("roles lead to roles without end"));
        }
        match source {
            AwsSource::Keys(keys) => Ok(keys.clone()),
            AwsSource::Role(role) => {
                let base = fetch(shared, &role.base, hops + 1).await?;
                assume(shared, role, &base).await
            }
            AwsSource::Default { profile: Some(name) } => {
                let profiles = Profiles::load(&shared.environment).await.map_err(failed)?;
                match profiles.get(name) {
                    Some(_) => of_profile(shared, &profiles, name, hops).await,
                    None => Err(failed(format!("there is no profile {name} in the AWS config and credentials files"))),
                }
            }
            AwsSource::Default { profile: None } => chain(shared, hops).await,
        }
    })
}

async fn chain(shared: &Surroundings, hops: usize) -> Result<AwsCredentials, CallFailure> {
    let environment = &shared.environment;
    if let Some(keys) = of_environment(environment)? {
        return Ok(keys);
    }
    let profiles = Profiles::load(environment).await.map_err(failed)?;
    match (environment.get("AWS_PROFILE"), profiles.get("default")) {
        (Some(name), _) if profiles.get(name).is_some() => return of_profile(shared, &profiles, name, hops).await,
        (Some(name), _) => {
            return Err(failed(format!(
                "AWS_PROFILE names {name}, which is not in the AWS config and credentials files"
            )));
        }
        (None, Some(profile)) if holds_credentials(profile) => {
            return of_profile(shared, &profiles, "default", hops).await;
        }
        (None, _) => (),
    }
    let token = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").zip(environment.get("AWS_ROLE_ARN"));
    if let Some((file, role)) = token {
        return web_identity(shared, file, role, environment.get("AWS_ROLE_SESSION_NAME")).await;
    }
    if let Some(keys) = container(environment).await? {
        return Ok(keys);
    }
    match instance_metadata(environment).await {
        Ok(keys) => Ok(keys),
        Err(why) => Err(failed(format!(
            "no AWS credentials: none in the environment, the config and credentials files, a web identity token or a \
             container; and {why}"
        ))),
    }
}

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
fn of_environment(environment: &Environment) -> Result<Option<AwsCredentials>, CallFailure> {
    let Some(id) = environment.get("AWS_ACCESS_KEY_ID") else {
        return Ok(None);
    };
    let Some(key) = environment.get("AWS_SECRET_ACCESS_KEY") else {
        return Err(failed("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"));
    };
    let session_token = environment.get("AWS_SESSION_TOKEN").map(Secret::new);
    Ok(Some(AwsCredentials { session_token, ..AwsCredentials::new(id, key) }))
}

fn holds_credentials(profile: &Profile) -> bool {
    let settings = ["aws_access_key_id", "role_arn", "credential_process"];
    settings.iter().any(|name| profile.get(name).is_some()) || profile.has_any("sso_")
}

async fn of_profile(
    shared: &Surroundings,
    profiles: &Profiles,
    name: &str,
    hops: usize,
) -> Result<AwsCredentials, CallFailure> {
    if hops > MOST_HOPS {
        return Err(failed(format!("the profile {name} is reached by way of too many others")));
    }
    let Some(profile) = profiles.get(name) else {
        return Err(failed(format!("there is no profile {name}")));
    };
    if let Some(arn) = profile.get("role_arn") {
        return role_of_profile(shared, profiles, name, profile, arn, hops).await;
    }
    if let Some(keys) = keys_of_profile(profile) {
        return Ok(keys);
    }
    if let Some(command) = profile.get("credential_process") {
        if !shared.allow_process {
            return Err(failed(format!(
                "the profile {name} wants a program run (credential_process), which is not allowed"
            )));
        }
        return of_process(command).await;
    }
    if profile.has_any("sso_") {
        return Err(failed(format!(
            "the profile {name} signs in by SSO, which is not supported: give keys by `aws configure export-credentials`"
        )));
    }
    Err(failed(format!("the profile {name} holds no credentials")))
}

fn keys_of_profile(profile: &Profile) -> Option<AwsCredentials> {
    let (id, key) = profile.get("aws_access_key_id").zip(profile.get("aws_secret_access_key"))?;
    let session_token = profile.get("aws_session_token").map(Secret::new);
    Some(AwsCredentials { session_token, ..AwsCredentials::new(id, key) })
}

async fn role_of_profile(
    shared: &Surroundings,
    profiles: &Profiles,
    name: &str,
    profile: &Profile,
    arn: &str,
    hops: usize,
) -> Result<AwsCredentials, CallFailure> {
    let session_name = profile.get("role_session_name");
    if let Some(file) = profile.get("web_identity_token_file") {
        return web_identity(shared, file, arn, session_name).await;
    }
    if profile.get("mfa_serial").is_some() {
        return Err(failed(format!(
            "the profile {name} wants a one-time code (mfa_serial), which cannot be asked for"
        )));
    }
    let base = match (profile.get("source_profile"), profile.get("credential_source")) {
        (Some(source), _) if source == name => keys_of_profile(profile)
            .ok_or_else(|| failed(format!("the profile {name} is its own source without keys")))?,
        (Some(source), _) => Box::pin(of_profile(shared, profiles, source, hops + 1)).await?,
        (None, Some("Environment")) => {
            of_environment(&shared.environment)?.ok_or_else(|| failed("no AWS_ACCESS_KEY_ID is set"))?
        }
        (None, Some("EcsContainer")) => container(&shared.environment)
            .await?
            .ok_or_else(|| failed("no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is set"))?,
        (None, Some("Ec2InstanceMetadata")) => instance_metadata(&shared.environment).await.map_err(failed)?,
        (None, Some(other)) => {
            return Err(failed(format!("the profile {name} names an unknown credential_source {other}")));
        }
        (None, None) => return Err(failed(format!("the profile {name} has a role_arn without a source_profile"))),
    };
    let role = AwsRole {
        base: AwsSource::Keys(base.clone()),
        arn: arn.to_owned(),
        external_id: profile.get("external_id").map(str::to_owned),
        session_name: session_name.map(str::to_owned),
        seconds: profile.get("duration_seconds").and_then(|text| text.parse().ok()),
    };
    assume(shared, &role, &base).await
}

/// `sts:AssumeRole`.
async fn assume(shared: &Surroundings, role: &AwsRole, base: &AwsCredentials) -> Result<AwsCredentials, CallFailure> {
    let params = json!({
        "RoleArn": role.arn,
        "RoleSessionName": role.session_name.as_deref().unwrap_or("yagura"),
        "ExternalId": role.external_id,
        "DurationSeconds": role.seconds,
    });
    let params = params.as_object().cloned().unwrap_or_default();
    let answer = shared.wire.ask(sts("AssumeRole", &params, Some(base))).await;
    of_sts(answer, &role.arn)
}

/// `sts:AssumeRoleWithWebIdentity` with the token of a file, which is read anew each time.
async fn web_identity(
    shared: &Surroundings,
    file: &str,
    role: &str,
    session_name: Option<&str>,
) -> Result<AwsCredentials, CallFailure> {
    let token = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| failed(format!("cannot read the web identity token {file}: {error}")))?;
    let params = json!({
        "RoleArn": role,
        "RoleSessionName": session_name.unwrap_or("yagura"),
        "WebIdentityToken": token.trim(),
    });
    let params = params.as_object().cloned().unwrap_or_default();
    of_sts(shared.wire.ask(sts("AssumeRoleWithWebIdentity", &params, None)).await, role)
}

fn of_sts(answer: Result<Json, CallFailure>, role: &str) -> Result<AwsCredentials, CallFailure> {
    let answer = answer.map_err(|failure| CallFailure {
        message: format!("cannot take the role {role}: {}", failure.message),
        ..failure
    })?;
    let keys = answer.get("Credentials").cloned().unwrap_or_default();
    let keys = Keys::deserialize(keys).map_err(|_| failed(format!("taking the role {role} gave no keys")))?;
    Ok(keys.into_credentials())
}

/// Keys in JSON: of STS, containers, instance metadata and programs.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: Secret,
    #[serde(alias = "Token")]
    session_token: Option<Secret>,
    expiration: Option<Timestamp>,
}

impl Keys {
    fn into_credentials(self) -> AwsCredentials {
        AwsCredentials {
            access_key_id: self.access_key_id,
            secret_access_key: self.secret_access_key,
            session_token: self.session_token,
            expires: self.expiration,
        }
    }

    fn read(body: &[u8], whose: &str) -> Result<AwsCredentials, String> {
        // The error of the parser could quote the body.
        let keys: Self = serde_json::from_slice(body).map_err(|_| format!("{whose} gave no keys"))?;
        Ok(keys.into_credentials())
    }
}

/// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI`, with the authorization of `AWS_CONTAINER_AUTHORIZATION_TOKEN`
/// or its file. A full URI is HTTPS, or plain HTTP to loopback or the addresses of ECS and EKS.
async fn container(environment: &Environment) -> Result<Option<AwsCredentials>, CallFailure> {
    let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let (url, settings) = match (relative, environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        (Some(path), _) => (format!("{CONTAINER}{path}"), HttpSettings::for_metadata()),
        (None, Some(full)) => {
            check_container_uri(full).map_err(failed)?;
            (full.to_owned(), HttpSettings { allow_private: true, ..HttpSettings::for_metadata() })
        }
        (None, None) => return Ok(None),
    };
    let token = match environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => {
            let text = tokio::fs::read_to_string(file).await;
            let text = text.map_err(|error| failed(format!("cannot read the container token {file}: {error}")))?;
            Some(Secret::new(text.trim()))
        }
        None => environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
    };
    let mut request = HttpRequest::get(url);
    if let Some(token) = token {
        request = request.with_header(header::AUTHORIZATION, token.expose())?;
    }
    let answer = Http::new(settings)?.send(request).await?;
    if !answer.status.is_success() {
        return Err(failed(format!("the container's credential endpoint answered {}", answer.status.as_u16())));
    }
    Keys::read(&answer.body, "the container's credential endpoint").map(Some).map_err(failed)
}

fn check_container_uri(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|_| "AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL".to_owned())?;
    if url.scheme() == "https" {
        return Ok(());
    }
    let known = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
    let is_known = |address: IpAddr| {
        address.is_loopback() || known.iter().any(|text| text.parse::<IpAddr>().is_ok_and(|known| known == address))
    };
    let open = match url.host() {
        Some(Host::Ipv4(address)) => is_known(address.into()),
        Some(Host::Ipv6(address)) => is_known(address.into()),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let refusal = "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither HTTPS nor loopback nor an address of ECS or EKS";
    if open && url.scheme() == "http" { Ok(()) } else { Err(refusal.to_owned()) }
}

/// IMDSv2: a session token first, then the role's name, then its keys. The first version is not spoken.
async fn instance_metadata(environment: &Environment) -> Result<AwsCredentials, String> {
    if environment.get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err("the instance metadata are switched off".to_owned());
    }
    let base = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let settings = HttpSettings { allow_private: base.is_some(), ..HttpSettings::for_metadata() };
    let base = base.unwrap_or(INSTANCE_METADATA).trim_end_matches('/');
    let http = Http::new(settings).map_err(|error| error.to_string())?;
    let ttl = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    let request = HttpRequest::new(Method::PUT, format!("{base}/latest/api/token"));
    let token =
        Secret::new(metadata(&http, request.with_header(ttl, "21600").map_err(|error| error.to_string())?).await?);
    let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
    let get = |url: &str| {
        let name = HeaderName::from_static("x-aws-ec2-metadata-token");
        HttpRequest::get(url).with_header(name, token.expose()).map_err(|error| error.to_string())
    };
    let role = metadata(&http, get(&roles)?).await?;
    let role = role.lines().next().unwrap_or_default().trim();
    if role.is_empty() {
        return Err("the instance has no role".to_owned());
    }
    let keys = Secret::new(metadata(&http, get(&format!("{roles}{role}"))?).await?);
    Keys::read(keys.expose().as_bytes(), "the instance metadata")
}

async fn metadata(http: &Http, request: HttpRequest) -> Result<String, String> {
    let answer = http.send(request).await.map_err(|error| error.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("the instance metadata answered {}", answer.status.as_u16()));
    }
    String::from_utf8(answer.body.to_vec()).map_err(|_| "the instance metadata are not text".to_owned())
}

/// Runs the program of a `credential_process` and reads its keys.
async fn of_process(command: &str) -> Result<AwsCredentials, CallFailure> {
    let program = Program { command, named: "credential_process", variables: &[] };
    let output = program::output_of(program).await.map_err(failed)?;
    Keys::read(&output, "the credential_process").map_err(failed)
}

#[cfg(test)]
mod tests;
