//! From a connector to a client that answers its calls.

mod aws;
mod azure;
mod gcp;

use std::time::Duration;

use anyhow::Context;
use yagura_cloud::aws::AwsClient;
use yagura_cloud::azure::AzureClient;
use yagura_cloud::gcp::GcpClient;
use yagura_cloud::{Call, CallFailure, Caller, HttpSettings, Page, RetrySettings};
use yagura_connect::live::Target;
use yagura_model::Cloud;
use yagura_store::{Access, Connector, ConnectorKind, Secret};

/// How a client sends and asks again.
struct Wires {
    http: HttpSettings,
    retries: RetrySettings,
}

/// A client of one cloud.
pub enum Client {
    /// AWS.
    Aws(Box<AwsClient>),
    /// Azure.
    Azure(Box<AzureClient>),
    /// Google Cloud.
    Gcp(Box<GcpClient>),
}

/// How long a client goes on when a cloud does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A collection: what is not answered is lost.
    Collection,
    /// Somebody waits to be told.
    Test,
}

impl Patience {
    fn retries(self) -> RetrySettings {
        match self {
            Self::Collection => RetrySettings::default(),
            Self::Test => {
                RetrySettings { attempts: 3, longest_total: Duration::from_secs(30), ..RetrySettings::default() }
            }
        }
    }
}

/// What a connector reaches.
pub struct Targets {
    pub targets: Vec<Target>,
    /// What of it could not be found out.
    pub lost: Vec<String>,
}

impl Client {
    /// A client with the credential of a connector, or the usual chain. Nothing is asked yet.
    pub fn new(connector: &Connector, credential: Option<Secret>, patience: Patience) -> anyhow::Result<Self> {
        let mut http = http(&connector.access)?;
        if patience == Patience::Test {
            http.request_timeout = Duration::from_secs(20);
        }
        let wires = Wires { http, retries: patience.retries() };
        match &connector.kind {
            ConnectorKind::Aws { .. } => aws::client(connector, credential, wires).map(Box::new).map(Self::Aws),
            ConnectorKind::Azure { .. } => azure::client(connector, credential, wires).map(Box::new).map(Self::Azure),
            ConnectorKind::Gcp { .. } => gcp::client(connector, credential, wires).map(Box::new).map(Self::Gcp),
        }
    }

    /// What the connector reaches, as the cloud tells it.
    pub async fn targets(&self, connector: &Connector) -> anyhow::Result<Targets> {
        match self {
            Self::Aws(client) => aws::targets(client, &connector.kind).await,
            Self::Azure(client) => azure::targets(client, &connector.kind).await,
            Self::Gcp(client) => gcp::targets(client, &connector.kind).await,
        }
    }

    /// Who the credential is, for people.
    pub async fn identity(&self) -> Result<String, CallFailure> {
        match self {
            Self::Aws(client) => client.whoami().await.map(|identity| identity.arn),
            Self::Azure(client) => client.whoami().await.map(|identity| azure::identity(&identity)),
            Self::Gcp(client) => client.whoami().await.map(|identity| gcp::identity(&identity)),
        }
    }

    /// The cloud.
    pub fn cloud(&self) -> Cloud {
        match self {
            Self::Aws(_) => Cloud::Aws,
            Self::Azure(_) => Cloud::Azure,
            Self::Gcp(_) => Cloud::Gcp,
        }
    }

    /// Answers that said "too many requests".
    pub fn throttles(&self) -> u64 {
        match self {
            Self::Aws(client) => client.counters().counts().throttles,
            Self::Azure(client) => client.counters().counts().throttles,
            Self::Gcp(client) => client.counters().counts().throttles,
        }
    }
}

impl Caller for Client {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        match self {
            Self::Aws(client) => client.call(call).await,
            Self::Azure(client) => client.call(call).await,
            Self::Gcp(client) => client.call(call).await,
        }
    }
}

/// An endpoint that the user has named may be private; without one no private address is asked.
fn http(access: &Access) -> anyhow::Result<HttpSettings> {
    let mut settings = HttpSettings { allow_private: access.endpoint.is_some(), ..HttpSettings::from_environment() };
    if let Some(path) = &access.ca_file {
        let authorities = std::fs::read(path)
            .with_context(|| format!("could not read the certificate authorities {}", path.display()))?;
        settings.extra_ca.push(authorities);
    }
    Ok(settings)
}
