//! What the clients read from the process's surroundings, taken once, so that tests can make their own.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::secret::Secret;

/// How the names of the clouds' variables begin.
const PREFIXES: [&str; 8] = ["AWS_", "AZURE_", "IDENTITY_", "MSI_", "IMDS_", "GOOGLE_", "GCE_", "CLOUDSDK_"];

fn wanted(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || matches!(name, "HOME" | "USERPROFILE" | "APPDATA")
}

/// Environment variables and the home folder.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<String, Secret>,
}

impl Environment {
    /// The variables of this process that the clouds' own tools read, and its home folder.
    pub fn of_process() -> Self {
        let found =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::new(found.filter(|(name, _)| wanted(name)))
    }

    /// Variables of one's own.
    pub fn new<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), Secret::new(value))).collect() }
    }

    /// A variable, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(Secret::expose).filter(|value| !value.is_empty())
    }

    /// A file that a variable names, else one under the home folder; `~` means the home folder.
    pub fn file(&self, variable: &str, under_home: &str) -> Option<PathBuf> {
        let home = self.get("HOME").or_else(|| self.get("USERPROFILE")).map(PathBuf::from);
        match self.get(variable) {
            Some(path) => match path.strip_prefix("~/") {
                Some(rest) => Some(home?.join(rest)),
                None => Some(PathBuf::from(path)),
            },
            None => Some(home?.join(under_home)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clouds_variables_are_taken() {
        for (name, expected) in [
            ("AWS_REGION", true),
            ("AZURE_TENANT_ID", true),
            ("IDENTITY_ENDPOINT", true),
            ("MSI_ENDPOINT", true),
            ("GOOGLE_APPLICATION_CREDENTIALS", true),
            ("GCE_METADATA_HOST", true),
            ("CLOUDSDK_CONFIG", true),
            ("HOME", true),
            ("APPDATA", true),
            ("PATH", false),
            ("DATABASE_PASSWORD", false),
        ] {
            assert_eq!(wanted(name), expected, "{name}");
        }
    }

    #[test]
    fn files_are_found_and_values_are_hidden() {
        let here =
            Environment::new([("HOME", "/home/a"), ("AWS_CONFIG_FILE", "~/x"), ("AWS_SECRET_ACCESS_KEY", "hunter2")]);
        assert_eq!(here.file("AWS_CONFIG_FILE", ".aws/config"), Some("/home/a/x".into()));
        assert_eq!(here.file("AWS_OTHER", ".aws/config"), Some("/home/a/.aws/config".into()));
        assert_eq!(Environment::default().file("AWS_OTHER", ".aws/config"), None);
        assert!(!format!("{here:?}").contains("hunter2"));
        assert_eq!(Environment::new([("AWS_PROFILE", "")]).get("AWS_PROFILE"), None);
    }
}
