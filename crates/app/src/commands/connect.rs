//! `yagura connect`

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use yagura_model::Timestamp;
use yagura_store::{Access, Connector, ConnectorKind, DEFAULT_TENANT, NewConnector, Secret};

use crate::args::{
    AccessArguments, AddCommand, AzureEnvironment, ConnectArguments, ConnectCommand, DataArguments, Format,
};
use crate::commands::{connect_test, permissions};
use crate::exit::Exit;
use crate::live::{Client, Patience, account, endpoint, open};
use crate::output;

/// The longest credential file: a service account's key has 2 kB, a certificate with its key 8 kB.
const LONGEST_CREDENTIAL: u64 = 64 << 10;

/// Runs one of the commands on connectors.
pub fn run(arguments: &ConnectArguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        ConnectCommand::Add { cloud } => add(cloud),
        ConnectCommand::List { data, output } => list(data, *output),
        ConnectCommand::Test { name, data, knowledge, output } => connect_test::run(name, data, knowledge, *output),
        ConnectCommand::Permissions { cloud, access, form, assignable_scopes, organization, knowledge } => {
            let wanted = permissions::Wanted {
                cloud: *cloud,
                access: *access,
                form: *form,
                assignable_scopes,
                organization: *organization,
            };
            permissions::run(&wanted, knowledge)
        }
        ConnectCommand::Remove { name, data } => remove(name, data),
    }
}

fn add(cloud: &AddCommand) -> anyhow::Result<Exit> {
    let (name, access) = match cloud {
        AddCommand::Aws { name, access, .. }
        | AddCommand::Azure { name, access, .. }
        | AddCommand::Gcp { name, access, .. } => (name, access),
    };
    // Not by the command line's own check, which would show a password in the URL.
    access.endpoint.as_deref().map(endpoint).transpose().map_err(anyhow::Error::msg)?;
    if let AddCommand::Aws { role: Some(role), organization: false, .. } = cloud
        && !is_role_arn(role)
    {
        bail!("`{role}` is no ARN of a role; a name alone is for --organization");
    }
    let credential = access.credential_file.as_deref().map(credential).transpose()?;
    let connector = NewConnector {
        name: name.clone(),
        kind: kind_of(cloud),
        access: access_of(access),
        credential,
        at: Timestamp::now(),
    };
    let mut store = open(&access.data)?;
    let added = store.add_connector(DEFAULT_TENANT, &connector)?;
    // A credential or file that cannot be used is said now, not at the first collection.
    let opened = store.credential(DEFAULT_TENANT, &added.id)?;
    if let Err(error) = Client::new(&added, opened, Patience::Test) {
        store.remove_connector(DEFAULT_TENANT, name)?;
        return Err(error.context(format!("the connector {name} was not added")));
    }
    output::line(format_args!("{name} was added. `yagura connect test {name}` says what it can read"))?;
    Ok(Exit::Done)
}

/// `arn:aws:iam::123456789012:role/yagura`
fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", number, name] => {
            partition.starts_with("aws") && account(number).is_ok() && name.starts_with("role/") && name.len() > 5
        }
        _ => false,
    }
}

fn kind_of(cloud: &AddCommand) -> ConnectorKind {
    match cloud {
        AddCommand::Aws { account, region, profile, role, external_id, organization, .. } => ConnectorKind::Aws {
            account: account.clone(),
            regions: region.clone(),
            profile: profile.clone(),
            role: role.clone(),
            external_id: external_id.clone(),
            organization: *organization,
        },
        AddCommand::Azure { tenant, subscription, management_group, client, environment, .. } => {
            let environment = match environment {
                AzureEnvironment::Public => "public",
                AzureEnvironment::UsGovernment => "us-government",
                AzureEnvironment::China => "china",
            };
            ConnectorKind::Azure {
                tenant_id: tenant.clone(),
                environment: environment.to_owned(),
                subscriptions: subscription.clone(),
                management_groups: management_group.clone(),
                client_id: client.clone(),
            }
        }
        AddCommand::Gcp { scope, .. } => ConnectorKind::Gcp { scope: scope.clone() },
    }
}

fn access_of(arguments: &AccessArguments) -> Access {
    Access {
        endpoint: arguments.endpoint.clone(),
        ca_file: arguments.ca_file.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        allow_process: arguments.allow_process,
    }
}

fn credential(path: &Path) -> anyhow::Result<Secret> {
    let mut text = String::new();
    let read = |from: &mut dyn Read, text: &mut String| from.take(LONGEST_CREDENTIAL + 1).read_to_string(text);
    let read = match path.as_os_str() == "-" {
        true => read(&mut std::io::stdin().lock(), &mut text),
        false => std::fs::File::open(path).and_then(|mut file| read(&mut file, &mut text)),
    };
    let secret = Secret::new(text);
    let length = read.with_context(|| format!("could not read the credential {}", path.display()))?;
    if length as u64 > LONGEST_CREDENTIAL {
        bail!("the credential {} is longer than {LONGEST_CREDENTIAL} bytes", path.display());
    }
    Ok(secret)
}

fn list(data: &DataArguments, format: Format) -> anyhow::Result<Exit> {
    let connectors = open(data)?.connectors(DEFAULT_TENANT)?;
    match format {
        Format::Json => output::json(&connectors)?,
        Format::Jsonl => output::json_lines(&connectors)?,
        Format::Table => {
            let rows = connectors.iter().map(|own| {
                let credential = if own.has_credential { "stored, encrypted" } else { "usual chain" };
                let cloud = own.kind.cloud().title().to_owned();
                let added = own.created_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
                vec![own.name.clone(), cloud, reach(own), credential.to_owned(), added]
            });
            output::table(&["Connector", "Cloud", "Reaches", "Credential", "Added"], rows.collect())?;
        }
        other => output::not_here(other, "connect list", "table, json, jsonl")?,
    }
    Ok(Exit::Done)
}

/// What a connector reaches, and by which way if not the usual one, for people.
fn reach(connector: &Connector) -> String {
    let mut text = reached(&connector.kind);
    if let ConnectorKind::Aws { role: Some(role), .. } = &connector.kind {
        text.push_str(&format!("; through {role}"));
    }
    if let Some(endpoint) = &connector.access.endpoint {
        text.push_str(&format!("; at {endpoint}"));
    }
    text
}

fn reached(kind: &ConnectorKind) -> String {
    let or_all = |names: &[String], all: &str| if names.is_empty() { all.to_owned() } else { names.join(", ") };
    match kind {
        ConnectorKind::Aws { account, regions, organization, role, .. } => {
            let what = match (organization, account, role) {
                (true, _, _) => "all accounts of the organization".to_owned(),
                (false, Some(account), _) => format!("account {account}"),
                (false, None, Some(role)) => format!("the account of {role}"),
                (false, None, None) => "the account of the credential".to_owned(),
            };
            format!("{what}; {}", or_all(regions, "all regions that are in use"))
        }
        ConnectorKind::Azure { tenant_id, subscriptions, management_groups, .. } => {
            let what = match management_groups.is_empty() {
                true => or_all(subscriptions, "all subscriptions that the credential sees"),
                false => format!("the subscriptions below {}", management_groups.join(", ")),
            };
            format!("tenant {tenant_id}; {what}")
        }
        ConnectorKind::Gcp { scope } => scope.clone(),
    }
}

fn remove(name: &str, data: &DataArguments) -> anyhow::Result<Exit> {
    let mut store = open(data)?;
    let connector = crate::live::connector(&store, name)?;
    store.remove_connector(DEFAULT_TENANT, &connector.name)?;
    output::line(format_args!("{name} was removed with its credential"))?;
    Ok(Exit::Done)
}
