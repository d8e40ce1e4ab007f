//! Azure: tenants, management groups, subscriptions.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use yagura_cloud::azure::{AzureClient, AzureEndpoints, AzureIdentity, AzureSettings, AzureSource};
use yagura_connect::live::Target;
use yagura_store::{Connector, ConnectorKind, Secret};

use super::{Targets, Wires};

/// A client for a connector.
pub fn client(connector: &Connector, credential: Option<Secret>, wires: Wires) -> anyhow::Result<AzureClient> {
    let ConnectorKind::Azure { tenant_id, environment, client_id, .. } = &connector.kind else {
        bail!("{} is no connector of Azure", connector.name);
    };
    let source = match (credential, client_id) {
        (Some(secret), _) => AzureSource::of_stored(&yagura_cloud::Secret::new(secret.reveal()))?,
        (None, Some(client)) => AzureSource::ManagedIdentity { client_id: Some(client.clone()) },
        (None, None) => AzureSource::Default,
    };
    if let AzureSource::ClientSecret { tenant, .. } | AzureSource::ClientCertificate { tenant, .. } = &source
        && !tenant.eq_ignore_ascii_case(tenant_id)
    {
        bail!("the credential belongs to tenant {tenant}, not to {tenant_id}");
    }
    let endpoints = match (&connector.access.endpoint, environment.as_str()) {
        (Some(base), _) => AzureEndpoints::at(base.trim_end_matches('/')),
        (None, "us-government") => AzureEndpoints::us_government(),
        (None, "china") => AzureEndpoints::china(),
        (None, _) => AzureEndpoints::public(),
    };
    Ok(AzureClient::new(AzureSettings {
        source,
        endpoints,
        allow_process: connector.access.allow_process,
        http: wires.http,
        retries: wires.retries,
        ..AzureSettings::of_process()
    })?)
}

/// Who a credential is, for people.
pub fn identity(identity: &AzureIdentity) -> String {
    let name = identity.user.as_ref().or(identity.application.as_ref()).or(identity.object_id.as_ref());
    let tenant = identity.tenant.as_deref().unwrap_or("an unknown tenant");
    format!("{} in tenant {tenant}", name.map_or("somebody without a name", String::as_str))
}

/// The subscriptions of a connector.
pub async fn targets(client: &AzureClient, kind: &ConnectorKind) -> anyhow::Result<Targets> {
    let ConnectorKind::Azure { tenant_id, subscriptions, management_groups, .. } = kind else {
        bail!("this is no connector of Azure");
    };
    let identity = client.whoami().await.context("could not sign in to Azure")?;
    if let Some(tenant) = identity.tenant.filter(|tenant| !tenant.eq_ignore_ascii_case(tenant_id)) {
        bail!("the credential belongs to tenant {tenant}, not to {tenant_id}");
    }
    let seen = client.subscriptions().await.context("could not list the subscriptions")?;
    let mut lost = Vec::new();
    let mut wanted: BTreeSet<String> = subscriptions.iter().map(|id| id.to_lowercase()).collect();
    let all = wanted.is_empty() && management_groups.is_empty();
    for group in management_groups {
        match client.management_group_subscriptions(group).await {
            Ok(found) => wanted.extend(found.into_iter().map(|id| id.to_lowercase())),
            Err(failure) => {
                lost.push(format!("the subscriptions below the management group {group} are unknown: {failure}"));
            }
        }
    }
    let mut chosen = Vec::new();
    for own in seen {
        let is_wanted = wanted.remove(&own.id.to_lowercase());
        // Subscriptions of other tenants, which a guest or a managing tenant sees, are those tenants' business.
        let is_own = own.tenant.is_empty() || own.tenant.eq_ignore_ascii_case(tenant_id);
        if is_wanted || (all && is_own && own.state.is_readable()) {
            chosen.push(own.id);
        }
    }
    lost.extend(wanted.into_iter().map(|id| format!("the credential does not see the subscription {id}")));
    if chosen.is_empty() {
        lost.push("the credential sees no subscription to read; a role on one lets it".to_owned());
    }
    // The directory is read with the subscriptions, or not at all.
    let target = Target::Azure { tenant: Some(tenant_id.clone()), subscriptions: chosen.clone() };
    let targets = if chosen.is_empty() { Vec::new() } else { vec![target] };
    Ok(Targets { targets, lost })
}
