//! Google Cloud: projects, folders, organizations.

use anyhow::{Context, bail};
use yagura_cloud::gcp::{GcpClient, GcpIdentity, GcpSettings, GcpSource};
use yagura_connect::live::Target;
use yagura_store::{Connector, ConnectorKind, Secret};

use super::{Targets, Wires};

/// A client for a connector.
pub fn client(connector: &Connector, credential: Option<Secret>, wires: Wires) -> anyhow::Result<GcpClient> {
    let source = match credential {
        Some(secret) => GcpSource::of_stored(&yagura_cloud::Secret::new(secret.reveal()))?,
        None => GcpSource::Default,
    };
    Ok(GcpClient::new(GcpSettings {
        source,
        endpoint_override: connector.access.endpoint.clone(),
        allow_process: connector.access.allow_process,
        http: wires.http,
        retries: wires.retries,
        ..GcpSettings::of_process()
    })?)
}

/// Who a credential is, for people.
pub fn identity(identity: &GcpIdentity) -> String {
    identity.email.clone().unwrap_or_else(|| "an account that does not say its name".to_owned())
}

/// The scope of a connector.
pub async fn targets(client: &GcpClient, kind: &ConnectorKind) -> anyhow::Result<Targets> {
    let ConnectorKind::Gcp { scope } = kind else {
        bail!("this is no connector of Google Cloud");
    };
    client.whoami().await.context("could not sign in to Google Cloud")?;
    Ok(Targets { targets: vec![Target::Gcp { scope: scope.clone() }], lost: Vec::new() })
}
