//! The files `~/.aws/config` and `~/.aws/credentials`.
//!
//! Sources: "Configuration and credential file settings" in the AWS CLI user guide and in the AWS SDKs and Tools
//! reference guide. Sections are `[default]`, `[profile NAME]` in the config file and `[NAME]` in the credentials file;
//! where both say something the credentials file wins.

use std::collections::HashMap;

use crate::environment::Environment;
use crate::secret::Secret;

/// The longest file that is read.
const LONGEST: u64 = 4 << 20;

/// The settings of one profile.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    settings: HashMap<String, Secret>,
}

impl Profile {
    /// A setting, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(Secret::expose).filter(|value| !value.is_empty())
    }

    /// Whether any setting begins with this.
    pub fn has_any(&self, prefix: &str) -> bool {
        self.settings.keys().any(|name| name.starts_with(prefix))
    }
}

/// All profiles by name.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    profiles: HashMap<String, Profile>,
}

impl Profiles {
    /// Reads both files. A file that is not there is an empty one; a file that cannot be read is an error.
    pub async fn load(environment: &Environment) -> Result<Self, String> {
        let mut out = Self::default();
        let files = [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];
        for (variable, path) in files {
            let Some(path) = environment.file(variable, path) else {
                continue;
            };
            match tokio::fs::metadata(&path).await {
                Ok(facts) if facts.len() > LONGEST => return Err(format!("{} is too long", path.display())),
                Ok(_) => (),
                Err(_) => continue,
            }
            let text = tokio::fs::read_to_string(&path)
                .await
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            out.add(&Secret::new(text), variable == "AWS_CONFIG_FILE");
        }
        Ok(out)
    }

    /// A profile.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    fn add(&mut self, text: &Secret, is_config: bool) {
        let mut current: Option<&mut Profile> = None;
        for line in text.expose().lines() {
            // An indented line belongs to the setting above it (`s3 =` and its sub-settings): none of ours.
            let is_nested = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                let name = profile_name(section.trim(), is_config);
                current = name.map(|name| self.profiles.entry(name.to_owned()).or_default());
                continue;
            }
            let (Some(profile), Some((name, value)), false) = (current.as_mut(), line.split_once('='), is_nested)
            else {
                continue;
            };
            // A comment begins at ` #` or ` ;`; a `#` within a secret does not.
            let value =
                [" #", " ;", "\t#", "\t;"].iter().fold(value, |value, mark| value.split(mark).next().unwrap_or(value));
            profile.settings.insert(name.trim().to_ascii_lowercase(), Secret::new(value.trim()));
        }
    }
}

fn profile_name(section: &str, is_config: bool) -> Option<&str> {
    if !is_config || section == "default" {
        return Some(section);
    }
    let name = section.strip_prefix("profile")?;
    let name = name.strip_prefix([' ', '\t'])?.trim();
    Some(name.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# c\n[default]\nregion = eu-west-1 # here\n\n[profile one]\nrole_arn=arn:aws:iam::1:role/r\n\
        source_profile = default\ns3 =\n  region = nested\n[services x]\nregion = no\n[two]\nregion = no\n";
    const CREDENTIALS: &str =
        "[default]\naws_access_key_id = A\naws_secret_access_key = hun#ter2\n[two]\nAWS_ACCESS_KEY_ID=B\n";

    #[test]
    fn both_files_make_profiles() {
        let mut profiles = Profiles::default();
        profiles.add(&Secret::new(CONFIG), true);
        profiles.add(&Secret::new(CREDENTIALS), false);
        let get = |profile: &str, name: &str| profiles.get(profile).and_then(|profile| profile.get(name));
        assert_eq!(get("default", "region"), Some("eu-west-1"));
        assert_eq!(get("default", "aws_secret_access_key"), Some("hun#ter2"));
        assert_eq!(get("one", "role_arn"), Some("arn:aws:iam::1:role/r"));
        assert_eq!(get("one", "region"), None);
        assert_eq!((get("two", "aws_access_key_id"), get("two", "region")), (Some("B"), None));
        assert!(!format!("{profiles:?}").contains("hun#ter2"));
    }

    #[tokio::test]
    async fn files_are_read_where_the_environment_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        std::fs::write(&path, CREDENTIALS).unwrap();
        let environment = Environment::new([
            ("HOME", folder.path().to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap()),
        ]);
        let profiles = Profiles::load(&environment).await.unwrap();
        assert_eq!(profiles.get("two").unwrap().get("aws_access_key_id"), Some("B"));
        assert!(Profiles::load(&Environment::default()).await.unwrap().get("default").is_none());
    }
}
