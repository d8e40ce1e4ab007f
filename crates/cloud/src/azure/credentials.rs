//! Where Azure credentials come from, in the order of the default chain of Microsoft's own libraries ("Credential
//! chains in the Azure Identity library"), and how their tokens are kept fresh.
//!
//! The chain: environment (client secret or certificate); workload identity (a federated token in a file); managed
//! identity (App Service, then the instance metadata); the Azure CLI, if programs may be run. What is set up and fails
//! ends the chain: the next link would be somebody else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::certificate::Certificate;
use super::login::{Application, Login, Proof, failed};
use super::token::AzureToken;
use super::{cli, managed};
use crate::call::{CallFailure, FailureKind};
use crate::environment::Environment;
use crate::secret::Secret;

/// Tokens are renewed this long before they end.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// Credentials that were refused are not tried again for this long, so that a wrong secret is not shown a thousand
/// times.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// The longest file that holds a token or a certificate.
const LONGEST_FILE: u64 = 1 << 20;

/// Where credentials come from.
#[derive(Clone, Debug)]
pub enum AzureSource {
    /// The default chain.
    Default,
    /// An application with a client secret.
    ClientSecret {
        /// The tenant's GUID or domain.
        tenant: String,
        /// The application's (client) id.
        client: String,
        /// The value of the secret.
        secret: Secret,
    },
    /// An application with a certificate.
    ClientCertificate {
        /// The tenant's GUID or domain.
        tenant: String,
        /// The application's (client) id.
        client: String,
        /// PEM of the certificate and its RSA key, without a password.
        certificate: Secret,
    },
    /// A federated token: `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`.
    WorkloadIdentity,
    /// The identity of this machine or app.
    ManagedIdentity {
        /// The client id of a user-assigned identity; none = the system-assigned one.
        client_id: Option<String>,
    },
    /// The account that is signed in with the Azure CLI. Runs a program, so that must be allowed.
    Cli,
    /// This token for everything, for tests.
    Token(Secret),
}

/// The text that a store keeps for an application. The names are those of Microsoft's own JSON for applications.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(alias = "tenant")]
    tenant_id: String,
    #[serde(alias = "appId")]
    client_id: String,
    #[serde(alias = "password")]
    client_secret: Option<Secret>,
    client_certificate: Option<Secret>,
}

impl AzureSource {
    /// Reads a stored credential: `{"tenantId", "clientId", "clientSecret"}`, or `"clientCertificate"` (PEM with its key)
    /// in place of the secret. The output of `az ad sp create-for-rbac` is one too.
    pub fn of_stored(text: &Secret) -> Result<Self, CallFailure> {
        let unfit = |why: &str| failed("NoCredentials", format!("the stored Azure credential {why}"));
        // The error of the parser could quote the text.
        let stored: Stored = serde_json::from_str(text.expose())
            .map_err(|_| unfit("is not JSON with tenantId, clientId and clientSecret or clientCertificate"))?;
        let (tenant, client) = (stored.tenant_id, stored.client_id);
        match (stored.client_secret, stored.client_certificate) {
            (Some(secret), None) => Ok(Self::ClientSecret { tenant, client, secret }),
            (None, Some(certificate)) => {
                Certificate::of_pem(&certificate).map_err(|why| failed("NoCredentials", why))?;
                Ok(Self::ClientCertificate { tenant, client, certificate })
            }
            (Some(_), Some(_)) => Err(unfit("holds both a secret and a certificate")),
            (None, None) => Err(unfit("holds neither a clientSecret nor a clientCertificate")),
        }
    }
}

/// What one link of the chain gives.
#[derive(Debug)]
pub(super) enum Step {
    /// A token.
    Token(AzureToken),
    /// This link is not set up here, and why.
    Absent(String),
}

/// Gives tokens from one source, fetched when needed and kept while they last.
#[derive(Debug)]
pub(super) struct Provider {
    login: Login,
    source: AzureSource,
    environment: Environment,
    allow_process: bool,
    /// By audience. Held while fetching, so that there is one request at a time.
    kept: tokio::sync::Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
enum Kept {
    Token(Arc<AzureToken>),
    Refused(Instant, CallFailure),
}

impl Provider {
    pub(super) fn new(login: Login, source: AzureSource, environment: Environment, allow_process: bool) -> Self {
        Self { login, source, environment, allow_process, kept: tokio::sync::Mutex::default() }
    }

    /// A token for an audience that lasts a while. The one at hand is still given while it lasts when no new one can be
    /// had.
    pub(super) async fn token(&self, audience: &str) -> Result<Arc<AzureToken>, CallFailure> {
        let mut kept = self.kept.lock().await;
        let known = match kept.get(audience) {
            Some(Kept::Token(token)) if token.lasts(MARGIN) => return Ok(token.clone()),
            Some(Kept::Refused(when, failure)) if when.elapsed() < REFUSED_FOR => return Err(failure.clone()),
            Some(Kept::Token(token)) => Some(token.clone()),
            _ => None,
        };
        match self.fetch(audience).await {
            Ok(new) => {
                let new = Arc::new(new);
                kept.insert(audience.to_owned(), Kept::Token(new.clone()));
                Ok(new)
            }
            Err(failure) => match known.filter(|known| known.lasts(SignedDuration::from_secs(30))) {
                Some(known) => Ok(known),
                None => {
                    if failure.kind == FailureKind::Credentials {
                        kept.insert(audience.to_owned(), Kept::Refused(Instant::now(), failure.clone()));
                    }
                    Err(failure)
                }
            },
        }
    }

    /// Forgets a token that a service has called expired. False if there is no way to another.
    pub(super) async fn renew(&self, audience: &str, expired: &AzureToken) -> bool {
        if matches!(self.source, AzureSource::Token(_)) {
            return false;
        }
        let mut kept = self.kept.lock().await;
        if matches!(kept.get(audience), Some(Kept::Token(known)) if **known == *expired) {
            kept.remove(audience);
        }
        true
    }

    async fn fetch(&self, audience: &str) -> Result<AzureToken, CallFailure> {
        let step = match &self.source {
            AzureSource::Default => return self.chain(audience).await,
            AzureSource::Token(secret) => return Ok(AzureToken { secret: secret.clone(), expires: None }),
            AzureSource::ClientSecret { tenant, client, secret } => {
                let proof = Proof::Secret(secret.clone());
                return self.login.token(Application { tenant, client }, &proof, audience).await;
            }
            AzureSource::ClientCertificate { tenant, client, certificate } => {
                let proof = by_certificate(certificate)?;
                return self.login.token(Application { tenant, client }, &proof, audience).await;
            }
            AzureSource::WorkloadIdentity => self.workload_identity(audience).await?,
            AzureSource::ManagedIdentity { client_id } => {
                managed::token(&self.environment, client_id.as_deref(), audience).await?
            }
            AzureSource::Cli => self.cli(audience).await?,
        };
        match step {
            Step::Token(token) => Ok(token),
            Step::Absent(why) => Err(failed("NoCredentials", why)),
        }
    }

    async fn chain(&self, audience: &str) -> Result<AzureToken, CallFailure> {
        let mut reasons = Vec::new();
        for link in [Link::Environment, Link::WorkloadIdentity, Link::ManagedIdentity, Link::Cli] {
            let step = match link {
                Link::Environment => self.of_environment(audience).await?,
                Link::WorkloadIdentity => self.workload_identity(audience).await?,
                Link::ManagedIdentity => {
                    managed::token(&self.environment, self.environment.get("AZURE_CLIENT_ID"), audience).await?
                }
                Link::Cli => self.cli(audience).await?,
            };
            match step {
                Step::Token(token) => return Ok(token),
                Step::Absent(why) => reasons.push(why),
            }
        }
        Err(failed("NoCredentials", format!("no Azure credentials: {}", reasons.join("; "))))
    }

    /// `AZURE_CLIENT_SECRET` or `AZURE_CLIENT_CERTIFICATE_PATH`, with `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`.
    async fn of_environment(&self, audience: &str) -> Result<Step, CallFailure> {
        let get = |name: &str| self.environment.get(name);
        let proof = match (get("AZURE_CLIENT_SECRET"), get("AZURE_CLIENT_CERTIFICATE_PATH")) {
            (Some(secret), _) => Proof::Secret(Secret::new(secret)),
            (None, Some(path)) => by_certificate(&read_file(Path::new(path), "client certificate").await?)?,
            (None, None) => {
                return Ok(Step::Absent("the environment holds no client secret or certificate".to_owned()));
            }
        };
        let Some((tenant, client)) = get("AZURE_TENANT_ID").zip(get("AZURE_CLIENT_ID")) else {
            let message = "AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH is set without AZURE_TENANT_ID and \
                           AZURE_CLIENT_ID";
            return Err(failed("NoCredentials", message));
        };
        self.login.token(Application { tenant, client }, &proof, audience).await.map(Step::Token)
    }

    /// The token of the file is read anew each time: whoever wrote it renews it.
    async fn workload_identity(&self, audience: &str) -> Result<Step, CallFailure> {
        let get = |name: &str| self.environment.get(name);
        let Some(file) = get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from) else {
            return Ok(Step::Absent("AZURE_FEDERATED_TOKEN_FILE names no workload identity".to_owned()));
        };
        let Some((tenant, client)) = get("AZURE_TENANT_ID").zip(get("AZURE_CLIENT_ID")) else {
            let message = "AZURE_FEDERATED_TOKEN_FILE is set without AZURE_TENANT_ID and AZURE_CLIENT_ID";
            return Err(failed("NoCredentials", message));
        };
        let token = read_file(&file, "federated token").await?;
        let proof = Proof::Federated(Secret::new(token.expose().trim()));
        self.login.token(Application { tenant, client }, &proof, audience).await.map(Step::Token)
    }

    async fn cli(&self, audience: &str) -> Result<Step, CallFailure> {
        if !self.allow_process {
            return Ok(Step::Absent("running the Azure CLI is not allowed".to_owned()));
        }
        cli::installed(self.environment.get("AZURE_TENANT_ID"), audience).await
    }
}

/// The links of the default chain.
#[derive(Clone, Copy, Debug)]
enum Link {
    Environment,
    WorkloadIdentity,
    ManagedIdentity,
    Cli,
}

fn by_certificate(pem: &Secret) -> Result<Proof, CallFailure> {
    let certificate = Certificate::of_pem(pem).map_err(|why| failed("NoCredentials", why))?;
    Ok(Proof::Certificate(Box::new(certificate)))
}

async fn read_file(path: &Path, what: &str) -> Result<Secret, CallFailure> {
    let unfit = |why: String| failed("NoCredentials", format!("cannot read the {what} {}: {why}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(|error| unfit(error.to_string()))?;
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(LONGEST_FILE + 1).read_to_string(&mut text).await.map_err(|error| unfit(error.to_string()))?;
    match text.len() as u64 > LONGEST_FILE {
        true => Err(unfit("it is too long".to_owned())),
        false => Ok(Secret::new(text.as_str())),
    }
}

#[cfg(test)]
mod tests;
