//! AWS: accounts, organizations, regions.

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use yagura_cloud::aws::{AwsClient, AwsCredentials, AwsRole, AwsSettings, AwsSource, MemberRole};
use yagura_cloud::{Call, Caller};
use yagura_connect::live::Target;
use yagura_model::Cloud;
use yagura_store::{Connector, ConnectorKind, Secret};

use super::{Targets, Wires};

/// Pages of the list of an organization's accounts: 50,000 accounts, five times what AWS allows.
const MOST_PAGES: usize = 2_500;

/// A client for a connector.
pub fn client(connector: &Connector, credential: Option<Secret>, wires: Wires) -> anyhow::Result<AwsClient> {
    let ConnectorKind::Aws { profile, role, external_id, organization, regions, .. } = &connector.kind else {
        bail!("{} is no connector of AWS", connector.name);
    };
    let base = match credential {
        Some(secret) => AwsSource::Keys(keys(secret.reveal())?),
        None => AwsSource::Default { profile: profile.clone() },
    };
    let mut settings = AwsSettings {
        source: base.clone(),
        endpoint_override: connector.access.endpoint.clone(),
        allow_process: connector.access.allow_process,
        http: wires.http,
        retries: wires.retries,
        ..AwsSettings::of_process()
    };
    if settings.region.is_none() && settings.environment.get("AWS_REGION").is_none() {
        settings.region = regions.first().cloned();
    }
    match role {
        Some(name) if *organization => {
            settings.member_role = Some(MemberRole { name: name.clone(), external_id: external_id.clone() });
        }
        Some(arn) => {
            let role = AwsRole { external_id: external_id.clone(), ..AwsRole::new(base, arn) };
            settings.source = AwsSource::Role(Box::new(role));
        }
        None => {}
    }
    Ok(AwsClient::new(settings)?)
}

/// Keys as `aws iam create-access-key`, `aws sts assume-role` and `aws configure export-credentials` print them, or as
/// the console's CSV file has them.
fn keys(text: &str) -> anyhow::Result<AwsCredentials> {
    #[derive(Deserialize)]
    struct Keys {
        #[serde(alias = "AccessKeyId", alias = "accessKeyId", alias = "aws_access_key_id")]
        id: String,
        #[serde(alias = "SecretAccessKey", alias = "secretAccessKey", alias = "aws_secret_access_key")]
        secret: yagura_cloud::Secret,
        #[serde(default, alias = "SessionToken", alias = "sessionToken", alias = "aws_session_token")]
        token: Option<yagura_cloud::Secret>,
    }
    #[derive(Deserialize)]
    struct Wrapped {
        #[serde(alias = "AccessKey", alias = "Credentials")]
        keys: Keys,
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    // The reader's own message may quote the text, which holds the key.
    let unfit = "the credential is neither JSON with AccessKeyId and SecretAccessKey nor the console's CSV file";
    let read = serde_json::from_str::<Wrapped>(text).map(|wrapped| wrapped.keys);
    if let Ok(found) = read.or_else(|_| serde_json::from_str::<Keys>(text)) {
        let session_token = found.token;
        let keys = AwsCredentials::new(found.id, found.secret.expose());
        return Ok(AwsCredentials { session_token, ..keys });
    }
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    if !header.to_ascii_lowercase().contains("access key id") {
        bail!(unfit);
    }
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    let [.., id, secret] = columns.as_slice() else { bail!(unfit) };
    Ok(AwsCredentials::new(*id, *secret))
}

/// The accounts of a connector with the regions that each of them uses.
pub async fn targets(client: &AwsClient, kind: &ConnectorKind) -> anyhow::Result<Targets> {
    let ConnectorKind::Aws { account, regions, organization, .. } = kind else {
        bail!("this is no connector of AWS");
    };
    let own = client.whoami().await.context("could not sign in to AWS")?.account;
    if account.as_ref().is_some_and(|wanted| *wanted != own && !organization) {
        bail!("the credential belongs to account {own}, not to {}", account.as_deref().unwrap_or_default());
    }
    let mut lost = Vec::new();
    let accounts = match organization {
        true => members(client, &own, &mut lost).await,
        false => vec![own],
    };
    let mut targets = Vec::new();
    for account in accounts {
        match regions_of(client, &account, regions, &mut lost).await {
            Some(regions) => targets.push(Target::Aws { account, regions, home: client.home_region().to_owned() }),
            None => lost.push(format!("account {account} was not read")),
        }
    }
    Ok(Targets { targets, lost })
}

/// The active accounts of the organization; when they cannot be listed, the own one alone, and what is lost is said.
async fn members(client: &AwsClient, own: &str, lost: &mut Vec<String>) -> Vec<String> {
    let mut call = Call {
        cloud: Cloud::Aws,
        scope: own.to_owned(),
        region: None,
        service: "organizations".to_owned(),
        operation: "ListAccounts".to_owned(),
        params: Map::new(),
    };
    let mut accounts = vec![own.to_owned()];
    for _ in 0..MOST_PAGES {
        let page = match client.call(&call).await {
            Ok(page) => page,
            Err(failure) => {
                lost.push(format!("the accounts of the organization could not be listed: {call}: {failure}"));
                break;
            }
        };
        let found = page.response.get("Accounts").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        for account in found {
            let text = |name: &str| account.get(name).and_then(Json::as_str).unwrap_or_default();
            // An account that was suspended or is being closed answers nobody.
            if text("Status") == "ACTIVE" && text("Id") != own {
                accounts.push(text("Id").to_owned());
            }
        }
        let Some(next) = page.next else { break };
        call = call.with(&next);
    }
    accounts
}

/// The regions to read in an account: those that were named, else those that it uses; none when the account does not
/// answer.
async fn regions_of(
    client: &AwsClient,
    account: &str,
    named: &[String],
    lost: &mut Vec<String>,
) -> Option<Vec<String>> {
    if !named.is_empty() {
        return Some(named.to_vec());
    }
    match client.regions(account).await {
        Ok(regions) => Some(regions.into_iter().filter(|region| region.is_open()).map(|region| region.name).collect()),
        Err(failure) if failure.kind == yagura_cloud::FailureKind::Credentials => {
            lost.push(format!("could not sign in to account {account}: {failure}"));
            None
        }
        Err(failure) => {
            let home = client.home_region().to_owned();
            lost.push(format!(
                "the regions of account {account} could not be listed (ec2:DescribeRegions: {failure}): only {home} is read"
            ));
            Some(vec![home])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_the_forms_that_aws_hands_out() {
        let rows = [
            (r#"{"AccessKeyId":"AKIA1","SecretAccessKey":"s"}"#, false),
            (r#"{"AccessKey":{"UserName":"u","AccessKeyId":"AKIA1","Status":"Active","SecretAccessKey":"s"}}"#, false),
            (r#"{"Credentials":{"AccessKeyId":"AKIA1","SecretAccessKey":"s","SessionToken":"t"}}"#, true),
            (r#"{"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"s","SessionToken":"t"}"#, true),
            ("\u{feff}Access key ID,Secret access key\r\nAKIA1,s\r\n", false),
            ("User name,Access key ID,Secret access key\nu,AKIA1,s\n", false),
        ];
        for (text, temporary) in rows {
            let found = keys(text).unwrap();
            let shown = (found.access_key_id.as_str(), found.secret_access_key.expose());
            assert_eq!((shown, found.session_token.is_some()), (("AKIA1", "s"), temporary), "{text}");
        }
    }

    #[test]
    fn a_credential_that_is_no_key_is_refused_without_showing_it() {
        for text in ["", "hunter2", r#"{"secret":"hunter2"}"#, "Access key ID,Secret access key\nhunter2"] {
            let refused = keys(text).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
