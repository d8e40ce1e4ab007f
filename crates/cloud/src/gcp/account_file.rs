//! The JSON files that hold Google credentials, and what they hold.
//!
//! Sources: Google, "How Application Default Credentials works"; AIP-4110 to AIP-4117 (the file of each type). The files
//! come from outside: their URLs and the files and programs they name are checked where they are used.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::io::AsyncReadExt as _;

use super::errors::no_credentials;
use crate::call::CallFailure;
use crate::secret::Secret;

/// The longest file that is read.
const LONGEST_FILE: u64 = 1 << 20;
/// The universe that this client speaks to; other ones have other hosts ("universe domain").
const UNIVERSE: &str = "googleapis.com";

/// What a file holds, by its `type`.
#[derive(Clone, Debug)]
pub enum AccountFile {
    /// `service_account`: a key.
    ServiceAccount(ServiceAccount),
    /// `authorized_user`: what `gcloud auth application-default login` leaves.
    User(User),
    /// `external_account`: workload identity federation.
    External(Box<External>),
    /// `impersonated_service_account`: an account taken with other credentials.
    Impersonated(Box<Impersonated>),
}

/// A service account with a key.
#[derive(Clone, Debug, Deserialize)]
pub struct ServiceAccount {
    /// Its e-mail address.
    pub client_email: String,
    /// The key, PEM.
    pub private_key: Secret,
    /// The id of the key.
    pub private_key_id: Option<String>,
    /// Where its assertions are changed for tokens.
    #[serde(default = "token_uri")]
    pub token_uri: String,
    /// The project that pays for calls.
    pub quota_project_id: Option<String>,
}

/// A person who has signed in.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// The id of the application that the person signed in to.
    pub client_id: String,
    /// The secret of that application.
    pub client_secret: Secret,
    /// What tokens are had for.
    pub refresh_token: Secret,
    /// The person's e-mail address, where the file says it.
    #[serde(default)]
    pub account: String,
    /// Where tokens are had.
    #[serde(default = "token_uri")]
    pub token_uri: String,
    /// The project that pays for calls.
    pub quota_project_id: Option<String>,
}

/// An identity of another provider that Google takes for one of its own.
#[derive(Clone, Debug, Deserialize)]
pub struct External {
    /// The provider, as Google names it.
    pub audience: String,
    /// What kind of token the other identity has.
    pub subject_token_type: String,
    /// Where it is changed for a token of Google's.
    #[serde(default = "sts_uri")]
    pub token_url: String,
    /// The service account to take with that token.
    pub service_account_impersonation_url: Option<String>,
    /// Where the token of the other identity comes from.
    pub credential_source: ExternalSource,
    /// The project that pays for calls.
    pub quota_project_id: Option<String>,
    /// The project of a workforce pool.
    pub workforce_pool_user_project: Option<String>,
}

/// Where the token of another identity comes from: one of these.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExternalSource {
    /// A file.
    pub file: Option<String>,
    /// An address.
    pub url: Option<String>,
    /// Headers to ask the address with.
    pub headers: BTreeMap<String, Secret>,
    /// How file or answer hold the token.
    pub format: SubjectFormat,
    /// A program that prints it.
    pub executable: Option<Executable>,
    /// `aws1`: the identity of an AWS role.
    pub environment_id: Option<String>,
    /// Where AWS says whose keys they are.
    pub regional_cred_verification_url: Option<String>,
}

/// How a token is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SubjectFormat {
    /// `text`, or `json` with a member.
    #[serde(rename = "type")]
    pub kind: String,
    /// The member of the JSON.
    pub subject_token_field_name: String,
}

/// A program that prints a token.
#[derive(Clone, Debug, Deserialize)]
pub struct Executable {
    /// The command line.
    pub command: String,
}

/// A service account that is taken with other credentials.
#[derive(Clone, Debug, Deserialize)]
pub struct Impersonated {
    /// Where its tokens are had.
    pub service_account_impersonation_url: String,
    /// The file of the credentials to take it with, as text.
    #[serde(deserialize_with = "as_text")]
    pub source_credentials: Secret,
    /// Accounts on the way.
    #[serde(default)]
    pub delegates: Vec<String>,
    /// The project that pays for calls.
    pub quota_project_id: Option<String>,
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn sts_uri() -> String {
    "https://sts.googleapis.com/v1/token".to_owned()
}

/// Any JSON as the text it was written in.
fn as_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(Secret::new(raw.get()))
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: Option<String>,
    universe_domain: Option<String>,
}

impl AccountFile {
    /// Reads the text of a file; `whose` names it in errors, which never quote it.
    pub fn parse(text: &Secret, whose: &str) -> Result<Self, CallFailure> {
        let head: Head = member(text, whose, "a Google credential file")?;
        if head.universe_domain.as_deref().is_some_and(|universe| universe != UNIVERSE) {
            return Err(no_credentials(format!(
                "{whose} is for another universe than {UNIVERSE}, which is not supported"
            )));
        }
        match head.kind.as_deref() {
            Some("service_account") => Ok(Self::ServiceAccount(member(text, whose, "a service account's key")?)),
            Some("authorized_user") => Ok(Self::User(member(text, whose, "a user's credentials")?)),
            Some("external_account") => Ok(Self::External(member(text, whose, "an external account")?)),
            Some("impersonated_service_account") => {
                Ok(Self::Impersonated(member(text, whose, "an impersonated service account")?))
            }
            Some(kind @ ("external_account_authorized_user" | "gdch_service_account")) => {
                Err(no_credentials(format!("{whose} is of type {kind}, which is not supported: use a service account")))
            }
            _ => Err(no_credentials(format!(
                "{whose} names no known type: service_account, authorized_user, external_account or \
                 impersonated_service_account"
            ))),
        }
    }

    /// Reads a file of bounded size.
    pub async fn load(path: &Path) -> Result<Self, CallFailure> {
        let shown = path.display().to_string();
        let text = read_file(path).await.map_err(|error| no_credentials(format!("cannot read {shown}: {error}")))?;
        Self::parse(&text, &shown)
    }
}

/// A text file of bounded size.
pub(super) async fn read_file(path: &Path) -> std::io::Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = tokio::fs::File::open(path).await?.take(LONGEST_FILE + 1).read_to_string(&mut text).await?;
    if read as u64 > LONGEST_FILE {
        return Err(std::io::Error::other(format!("it is longer than {LONGEST_FILE} bytes")));
    }
    Ok(Secret::new(text.as_str()))
}

fn member<T: DeserializeOwned>(text: &Secret, whose: &str, what: &str) -> Result<T, CallFailure> {
    // The error of the parser could quote the file; the names of missing members are ours.
    serde_json::from_str(text.expose()).map_err(|error| {
        let said = error.to_string();
        let missing = said.split('`').nth(1).filter(|_| said.starts_with("missing field"));
        let why = missing.map_or_else(|| "it cannot be read".to_owned(), |name| format!("{name} is missing"));
        no_credentials(format!("{whose} is not {what}: {why} (line {}, column {})", error.line(), error.column()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn check(file: Json, expected: Result<&str, &str>) {
        let found = AccountFile::parse(&Secret::new(file.to_string()), "the file");
        match (found, expected) {
            (Ok(file), Ok(part)) => assert!(format!("{file:?}").contains(part), "{file:?}"),
            (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{failure}"),
            (found, _) => panic!("{file}: {found:?}"),
        }
    }

    #[test]
    fn files_are_told_apart_by_their_type() {
        let account = json!({"type": "service_account", "client_email": "a@b", "private_key": "hunter2"});
        check(account, Ok("https://oauth2.googleapis.com/token"));
        let user =
            json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "hunter2"});
        check(user, Ok("User"));
        let external = json!({
            "type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": "t",
            "credential_source": {"file": "/token"},
        });
        check(external.clone(), Ok("https://sts.googleapis.com/v1/token"));
        let taken = json!({
            "type": "impersonated_service_account", "source_credentials": external,
            "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/x:generateAccessToken",
        });
        check(taken, Ok("Impersonated"));
    }

    #[test]
    fn what_is_no_credential_file_is_said_without_quoting_it() {
        for (file, part) in [
            (json!({}), "names no known type"),
            (json!({"type": "hunter2"}), "names no known type"),
            (json!({"type": "gdch_service_account"}), "gdch_service_account"),
            (json!({"type": "service_account", "private_key": "hunter2"}), "client_email is missing"),
            (json!({"type": "service_account", "client_email": 5, "private_key": "hunter2"}), "cannot be read"),
            (json!({"type": "service_account", "universe_domain": "hunter2"}), "another universe"),
            (json!(["hunter2"]), "cannot be read"),
        ] {
            check(file, Err(part));
        }
        let broken = AccountFile::parse(&Secret::new("{\"type\": hunter2"), "the file").unwrap_err();
        assert!(!broken.message.contains("hunter2"), "{broken}");
    }

    #[tokio::test]
    async fn files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.json");
        std::fs::write(&path, " ".repeat(LONGEST_FILE as usize + 1)).unwrap();
        assert!(AccountFile::load(&path).await.unwrap_err().message.contains("longer than"));
        let missing = AccountFile::load(&folder.path().join("none.json")).await.unwrap_err();
        assert!(missing.message.contains("none.json"), "{missing}");
    }
}
