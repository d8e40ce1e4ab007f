//! Where tokens for Google come from, in the order of "How Application Default Credentials works" (Google), and how they
//! are kept fresh.
//!
//! The default chain: the file that `GOOGLE_APPLICATION_CREDENTIALS` names; the file that
//! `gcloud auth application-default login` leaves; the metadata server of the machine. A credential that is stored in
//! the product stands for itself: it may not name files, programs or identities of this machine, which belong to whoever
//! runs it and not to whoever typed the credential in.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderName;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::account_file::{AccountFile, External, Impersonated, ServiceAccount, User};
use super::assertion;
use super::errors::no_credentials;
use super::external;
use super::wire::{Ask, Sending, Wire};
use crate::call::{CallFailure, FailureKind};
use crate::environment::Environment;
use crate::http::{Http, HttpRequest, HttpSettings};
use crate::limiter::LimitKey;
use crate::secret::Secret;

/// Tokens are renewed this long before they end.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// How many credentials may be taken one by way of the other.
const MOST_HOPS: usize = 4;
/// What `assets.list` asks for; what the account may do is said by its roles.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const METADATA: &str = "http://169.254.169.254";
const OWN_ACCOUNT: &str = "computeMetadata/v1/instance/service-accounts/default/";
/// No token is believed to live longer than Google lets any live.
const LONGEST_LIFE: i64 = 12 * 3600;

/// A token to show.
#[derive(Clone, PartialEq, Eq)]
pub struct GcpToken {
    /// The token itself.
    pub token: Secret,
    /// When it ends, by this machine's clock; none = nobody knows.
    pub expires: Option<Timestamp>,
    /// Whose it is.
    pub holder: Holder,
    /// The project that pays for calls and whose quota they count for.
    pub quota_project: Option<String>,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An account with this e-mail address.
    Email(String),
    /// The account of the machine.
    Machine,
    /// Only the token itself tells.
    Unknown,
}

impl GcpToken {
    fn new(token: Secret, seconds: i64, holder: Holder) -> Self {
        let expires = Timestamp::now() + SignedDuration::from_secs(seconds.clamp(0, LONGEST_LIFE));
        Self { token, expires: Some(expires), holder, quota_project: None }
    }

    /// With the project that pays, if there is one.
    fn paid_by(mut self, project: Option<&str>) -> Self {
        let project = project.filter(|project| !project.is_empty());
        self.quota_project = project.map(str::to_owned).or(self.quota_project);
        self
    }

    fn lasts(&self, margin: SignedDuration) -> bool {
        self.expires.is_none_or(|end| end.duration_since(Timestamp::now()) > margin)
    }
}

impl fmt::Debug for GcpToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GcpToken({:?}, ends {:?})", self.holder, self.expires)
    }
}

/// Where tokens come from.
#[derive(Clone, Debug)]
pub enum GcpSource {
    /// The default chain.
    Default,
    /// A credential file of this machine.
    File(PathBuf),
    /// The text of a credential file that is kept elsewhere.
    Stored(Secret),
    /// A token of one's own, used until Google refuses it.
    Token(Secret),
}

impl GcpSource {
    /// The text of a credential file, kept in the store. An error when it is none, or names what belongs to this machine.
    pub fn of_stored(text: &Secret) -> Result<Self, CallFailure> {
        let mut file = AccountFile::parse(text, STORED)?;
        for _ in 0..MOST_HOPS {
            match file {
                AccountFile::External(account) => external::check_stands_alone(&account.credential_source, STORED)?,
                AccountFile::Impersonated(account) => {
                    file = AccountFile::parse(&account.source_credentials, STORED)?;
                    continue;
                }
                AccountFile::ServiceAccount(_) | AccountFile::User(_) => (),
            }
            return Ok(Self::Stored(text.clone()));
        }
        Err(endless(STORED))
    }
}

const STORED: &str = "the stored credential";

fn endless(whose: &str) -> CallFailure {
    no_credentials(format!("{whose} takes accounts by way of too many others"))
}

/// What the provider of one client needs.
#[derive(Debug)]
pub struct Surroundings {
    /// Asks token endpoints.
    pub wire: Arc<Wire>,
    /// Environment variables and files.
    pub environment: Environment,
    /// Whether a file may have a program run (`executable`).
    pub allow_process: bool,
}

/// Gives tokens from one source, fetched when needed and kept while they last.
#[derive(Debug)]
pub struct Provider {
    shared: Surroundings,
    source: GcpSource,
    /// Locked while a token is fetched, so that one request serves all who wait.
    kept: tokio::sync::Mutex<Option<Arc<GcpToken>>>,
}

impl Provider {
    /// A provider.
    pub fn new(shared: Surroundings, source: GcpSource) -> Self {
        Self { shared, source, kept: tokio::sync::Mutex::default() }
    }

    /// A token that lasts a while. The one at hand is still given while it lasts when no new one can be had.
    pub async fn token(&self) -> Result<Arc<GcpToken>, CallFailure> {
        let mut kept = self.kept.lock().await;
        if let Some(known) = kept.as_ref().filter(|known| known.lasts(MARGIN)) {
            return Ok(known.clone());
        }
        match fetch(&self.shared, &self.source).await {
            Ok(new) => Ok(kept.insert(Arc::new(new)).clone()),
            Err(failure) => match kept.as_ref().filter(|known| known.lasts(SignedDuration::from_secs(30))) {
                Some(known) => Ok(known.clone()),
                None => Err(failure),
            },
        }
    }

    /// Forgets a token that Google has refused. False if there is no way to another.
    pub async fn renew(&self, refused: &GcpToken) -> bool {
        if matches!(self.source, GcpSource::Token(_)) {
            return false;
        }
        let mut kept = self.kept.lock().await;
        if kept.as_deref() == Some(refused) {
            *kept = None;
        }
        true
    }

    /// The e-mail address of the account, as far as it can be told.
    pub async fn email(&self) -> Result<Option<String>, CallFailure> {
        let token = self.token().await?;
        match &token.holder {
            Holder::Email(email) => Ok(Some(email.clone())),
            Holder::Machine => {
                let answer = of_metadata(&self.shared, "?recursive=true").await.map_err(no_credentials)?;
                Ok(text(&answer, "email").map(str::to_owned))
            }
            Holder::Unknown => {
                let form = [("access_token", token.token.expose())];
                let url = "https://oauth2.googleapis.com/tokeninfo";
                match ask(&self.shared.wire, url, "the address of tokeninfo", None, Sending::Form(&form)).await {
                    Ok(answer) => Ok(text(&answer, "email").map(str::to_owned)),
                    // It knows nothing of tokens of foreign identities.
                    Err(failure) if failure.kind == FailureKind::Refused => Ok(None),
                    Err(failure) => Err(failure),
                }
            }
        }
    }
}

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<GcpToken, CallFailure>> + Send + 'a>>;

async fn fetch(shared: &Surroundings, source: &GcpSource) -> Result<GcpToken, CallFailure> {
    match source {
        GcpSource::Default => chain(shared).await,
        GcpSource::File(path) => of_path(shared, path).await,
        GcpSource::Stored(text) => {
            let whose = Whose { name: STORED, stands_alone: true };
            of_file(shared, AccountFile::parse(text, STORED)?, whose, 0).await
        }
        GcpSource::Token(token) => Ok(GcpToken {
            token: token.clone(),
            expires: None,
            holder: Holder::Unknown,
            quota_project: shared.environment.get("GOOGLE_CLOUD_QUOTA_PROJECT").map(str::to_owned),
        }),
    }
}

/// A file, and whether it may name what belongs to this machine.
#[derive(Clone, Copy)]
struct Whose<'a> {
    name: &'a str,
    stands_alone: bool,
}

async fn chain(shared: &Surroundings) -> Result<GcpToken, CallFailure> {
    let environment = &shared.environment;
    let paying = environment.get("GOOGLE_CLOUD_QUOTA_PROJECT");
    if environment.get("GOOGLE_APPLICATION_CREDENTIALS").is_some() {
        let path = environment.file("GOOGLE_APPLICATION_CREDENTIALS", "");
        let path = path.ok_or_else(|| no_credentials("GOOGLE_APPLICATION_CREDENTIALS needs a home folder"))?;
        return Ok(of_path(shared, &path).await?.paid_by(paying));
    }
    if let Some(path) = login_file(environment)
        && tokio::fs::try_exists(&path).await.unwrap_or(false)
    {
        return Ok(of_path(shared, &path).await?.paid_by(paying));
    }
    match of_machine(shared).await {
        Ok(token) => Ok(token.paid_by(paying)),
        Err(why) => Err(no_credentials(format!(
            "no Google credentials: GOOGLE_APPLICATION_CREDENTIALS names no file, `gcloud auth application-default \
             login` has left none; and {why}"
        ))),
    }
}

/// Where `gcloud auth application-default login` leaves its file.
fn login_file(environment: &Environment) -> Option<PathBuf> {
    const NAME: &str = "application_default_credentials.json";
    let folder = match (environment.get("CLOUDSDK_CONFIG"), environment.get("APPDATA")) {
        (Some(_), _) => environment.file("CLOUDSDK_CONFIG", "")?,
        (None, Some(data)) if cfg!(windows) => Path::new(data).join("gcloud"),
        (None, _) => return environment.file("", &format!(".config/gcloud/{NAME}")),
    };
    Some(folder.join(NAME))
}

async fn of_path(shared: &Surroundings, path: &Path) -> Result<GcpToken, CallFailure> {
    let name = path.display().to_string();
    of_file(shared, AccountFile::load(path).await?, Whose { name: &name, stands_alone: false }, 0).await
}

/// Boxed, since files hold files.
fn of_file<'a>(shared: &'a Surroundings, file: AccountFile, whose: Whose<'a>, hops: usize) -> Fetching<'a> {
    Box::pin(async move {
        if hops > MOST_HOPS {
            return Err(endless(whose.name));
        }
        match &file {
            AccountFile::ServiceAccount(account) => of_service_account(shared, account, whose).await,
            AccountFile::User(user) => of_user(shared, user).await,
            AccountFile::External(account) => of_external(shared, account, whose).await,
            AccountFile::Impersonated(account) => of_impersonated(shared, account, whose, hops).await,
        }
    })
}

async fn of_service_account(
    shared: &Surroundings,
    account: &ServiceAccount,
    whose: Whose<'_>,
) -> Result<GcpToken, CallFailure> {
    // A clock that is a little ahead would make the assertion one of the future.
    let now = Timestamp::now().as_second() - 10;
    let claims = json!({
        "iss": account.client_email, "scope": SCOPE, "aud": account.token_uri, "iat": now, "exp": now + 3600,
    });
    let assertion = assertion::signed(&claims, account.private_key_id.as_deref(), &account.private_key)
        .map_err(|why| no_credentials(format!("{}: {why}", whose.name)))?;
    let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose())];
    let answer = ask(&shared.wire, &account.token_uri, "the token_uri", None, Sending::Form(&form)).await;
    let answer =
        answer.map_err(|failure| explained(failure, &format!("the account {}", account.client_email), NEW_KEY))?;
    let holder = Holder::Email(account.client_email.clone());
    let paying = account.quota_project_id.as_deref();
    Ok(granted(&answer, holder)?.paid_by(paying))
}

const NEW_KEY: &str = "see that the account exists and is not disabled, and give it a new key";

async fn of_user(shared: &Surroundings, user: &User) -> Result<GcpToken, CallFailure> {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", user.client_id.as_str()),
        ("client_secret", user.client_secret.expose()),
        ("refresh_token", user.refresh_token.expose()),
    ];
    let answer = ask(&shared.wire, &user.token_uri, "the token_uri", None, Sending::Form(&form)).await;
    let what = "sign in again with `gcloud auth application-default login`";
    let answer = answer.map_err(|failure| explained(failure, "the user who has signed in", what))?;
    let holder = if user.account.is_empty() { Holder::Unknown } else { Holder::Email(user.account.clone()) };
    Ok(granted(&answer, holder)?.paid_by(user.quota_project_id.as_deref()))
}

/// The token of another identity, changed at Google's Security Token Service, and with that perhaps a service account
/// (Google, "Workload identity federation"; RFC 8693).
async fn of_external(shared: &Surroundings, account: &External, whose: Whose<'_>) -> Result<GcpToken, CallFailure> {
    if whose.stands_alone {
        external::check_stands_alone(&account.credential_source, whose.name)?;
    }
    let subject = external::subject_token(shared, account, whose.name).await?;
    let options =
        account.workforce_pool_user_project.as_ref().map(|project| json!({ "userProject": project }).to_string());
    let mut form = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", account.audience.as_str()),
        ("scope", SCOPE),
        ("subject_token_type", account.subject_token_type.as_str()),
        ("subject_token", subject.expose()),
    ];
    if let Some(options) = &options {
        form.push(("options", options));
    }
    let answer = ask(&shared.wire, &account.token_url, "the token_url", None, Sending::Form(&form)).await;
    let who = format!("the identity for {}", account.audience);
    let what = "see that the pool and its provider exist, are enabled and take tokens like this one";
    let answer = answer.map_err(|failure| explained(failure, &who, what))?;
    let token = granted(&answer, Holder::Unknown)?;
    let token = match &account.service_account_impersonation_url {
        Some(url) => take(shared, &token, url, &[]).await?,
        None => token,
    };
    Ok(token.paid_by(account.quota_project_id.as_deref()))
}

async fn of_impersonated(
    shared: &Surroundings,
    account: &Impersonated,
    whose: Whose<'_>,
    hops: usize,
) -> Result<GcpToken, CallFailure> {
    let base = AccountFile::parse(&account.source_credentials, whose.name)?;
    let base = of_file(shared, base, whose, hops + 1).await?;
    let token = take(shared, &base, &account.service_account_impersonation_url, &account.delegates).await?;
    Ok(token.paid_by(account.quota_project_id.as_deref()))
}

/// `projects.serviceAccounts.generateAccessToken` of the IAM Service Account Credentials API.
async fn take(
    shared: &Surroundings,
    base: &GcpToken,
    url: &str,
    delegates: &[String],
) -> Result<GcpToken, CallFailure> {
    let email = taken_account(url);
    let body = json!({ "scope": [SCOPE], "lifetime": "3600s", "delegates": delegates });
    let what = "the service_account_impersonation_url";
    let answer = ask(&shared.wire, url, what, Some(base), Sending::Json(&body)).await.map_err(|failure| {
        let named = email.unwrap_or("the service account");
        let message = format!(
            "cannot take {named}: {} (the taking identity needs roles/iam.serviceAccountTokenCreator or \
             roles/iam.workloadIdentityUser on it, and the IAM Service Account Credentials API must be enabled)",
            failure.message
        );
        let kind = if failure.kind == FailureKind::NotOffered { FailureKind::Credentials } else { failure.kind };
        CallFailure { kind, message, ..failure }
    })?;
    let token = text(&answer, "accessToken").ok_or_else(|| no_credentials("taking a service account gave no token"))?;
    let end = text(&answer, "expireTime").and_then(|end| end.parse::<Timestamp>().ok());
    let seconds = end.map_or(3600, |end| end.duration_since(Timestamp::now()).as_secs());
    let holder = email.map_or(Holder::Unknown, |email| Holder::Email(email.to_owned()));
    Ok(GcpToken::new(Secret::new(token), seconds, holder))
}

/// The account in `.../serviceAccounts/{email}:generateAccessToken`.
fn taken_account(url: &str) -> Option<&str> {
    let (email, _) = url.rsplit_once('/')?.1.split_once(':')?;
    email.contains('@').then_some(email)
}

/// The account of the machine, from its metadata server.
async fn of_machine(shared: &Surroundings) -> Result<GcpToken, String> {
    let answer = of_metadata(shared, "token").await?;
    granted(&answer, Holder::Machine).map_err(|_| "the metadata server gave no token".to_owned())
}

/// Asks the metadata server about the account of the machine. An answer that does not say that it is Google's is none:
/// other clouds listen at the same address.
async fn of_metadata(shared: &Surroundings, below: &str) -> Result<Json, String> {
    let host = shared.environment.get("GCE_METADATA_HOST");
    let settings = HttpSettings { allow_private: host.is_some(), ..HttpSettings::for_metadata() };
    let base = host.map_or(METADATA.to_owned(), |host| format!("http://{host}"));
    let http = Http::new(settings).map_err(|error| error.to_string())?;
    let flavor = HeaderName::from_static("metadata-flavor");
    let request = HttpRequest::get(format!("{base}/{OWN_ACCOUNT}{below}"));
    let request = request.with_header(flavor, "Google").map_err(|error| error.to_string())?;
    let answer = http.send(request).await.map_err(|error| error.to_string())?;
    if answer.header("metadata-flavor") != Some("Google") {
        return Err("there is no metadata server of Google".to_owned());
    }
    match answer.status.as_u16() {
        200 => serde_json::from_slice(&answer.body).map_err(|_| "the metadata server's answer is not JSON".to_owned()),
        404 => Err("the machine has no service account".to_owned()),
        status => Err(format!("the metadata server answered {status}")),
    }
}

async fn ask(
    wire: &Wire,
    url: &str,
    what: &str,
    token: Option<&GcpToken>,
    sending: Sending<'_>,
) -> Result<Json, CallFailure> {
    let key =
        LimitKey { account: String::new(), region: None, service: "oauth2".to_owned(), operation: "token".to_owned() };
    wire.ask(Ask { key: &key, url, what, token, sending }).await
}

/// The token in the answer of a token endpoint.
fn granted(answer: &Json, holder: Holder) -> Result<GcpToken, CallFailure> {
    let token = text(answer, "access_token").ok_or_else(|| no_credentials("the token endpoint gave no token"))?;
    let seconds = answer.get("expires_in").and_then(Json::as_f64).unwrap_or(3600.0);
    Ok(GcpToken::new(Secret::new(token), seconds as i64, holder))
}

fn text<'a>(answer: &'a Json, name: &str) -> Option<&'a str> {
    answer.get(name).and_then(Json::as_str).filter(|text| !text.is_empty())
}

/// A refusal of a token endpoint with what to do about it.
fn explained(failure: CallFailure, who: &str, remedy: &str) -> CallFailure {
    if failure.kind != FailureKind::Credentials {
        return failure;
    }
    // The words for a wrong clock: "Token must be a short-lived token (60 minutes) and in a reasonable timeframe".
    let remedy =
        if failure.message.contains("reasonable timeframe") { "set the clock of this machine" } else { remedy };
    let message = format!("Google gives {who} no token: {} ({}): {remedy}", failure.message, failure.code);
    CallFailure { message, ..failure }
}

#[cfg(test)]
mod tests;
