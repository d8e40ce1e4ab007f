//! Where the clouds of Microsoft answer, and what their tokens are for.
//!
//! Sources: Microsoft, "National clouds" (Microsoft identity platform: login hosts), "National cloud deployments" of
//! Microsoft Graph (Graph hosts), the cloud settings of the `azure-mgmt-core` package (Resource Manager hosts and
//! audiences).

use url::Url;

use crate::call::{CallFailure, FailureKind};
use crate::environment::Environment;

/// A service of Azure that this client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Azure Resource Manager, with Resource Graph.
    Arm,
    /// Microsoft Graph.
    Graph,
}

/// Addresses and audiences of one cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureEndpoints {
    /// Microsoft Entra ID: `https://login.microsoftonline.com`.
    pub login: String,
    /// Azure Resource Manager: `https://management.azure.com`.
    pub arm: String,
    /// What its tokens are for; a scope is this with `/.default`.
    pub arm_audience: String,
    /// Microsoft Graph: `https://graph.microsoft.com`.
    pub graph: String,
    /// What its tokens are for.
    pub graph_audience: String,
}

impl AzureEndpoints {
    /// The public cloud.
    pub fn public() -> Self {
        Self {
            login: "https://login.microsoftonline.com".to_owned(),
            arm: "https://management.azure.com".to_owned(),
            arm_audience: "https://management.azure.com".to_owned(),
            graph: "https://graph.microsoft.com".to_owned(),
            graph_audience: "https://graph.microsoft.com".to_owned(),
        }
    }

    /// Azure for the US government.
    pub fn us_government() -> Self {
        Self {
            login: "https://login.microsoftonline.us".to_owned(),
            arm: "https://management.usgovcloudapi.net".to_owned(),
            arm_audience: "https://management.usgovcloudapi.net".to_owned(),
            graph: "https://graph.microsoft.us".to_owned(),
            graph_audience: "https://graph.microsoft.us".to_owned(),
        }
    }

    /// Azure in China.
    pub fn china() -> Self {
        Self {
            login: "https://login.chinacloudapi.cn".to_owned(),
            arm: "https://management.chinacloudapi.cn".to_owned(),
            arm_audience: "https://management.chinacloudapi.cn".to_owned(),
            graph: "https://microsoftgraph.chinacloudapi.cn".to_owned(),
            graph_audience: "https://microsoftgraph.chinacloudapi.cn".to_owned(),
        }
    }

    /// One address for all services, with the audiences of the public cloud: for tests and emulators. Private addresses
    /// need [`crate::HttpSettings::allow_private`].
    pub fn at(base: &str) -> Self {
        Self { login: base.to_owned(), arm: base.to_owned(), graph: base.to_owned(), ..Self::public() }
    }

    /// The cloud whose login host `AZURE_AUTHORITY_HOST` names; the public one without it.
    pub fn of_environment(environment: &Environment) -> Self {
        let named = environment.get("AZURE_AUTHORITY_HOST").unwrap_or_default();
        let named = named.trim_start_matches("https://").trim_end_matches('/');
        match named {
            "login.microsoftonline.us" => Self::us_government(),
            "login.chinacloudapi.cn" | "login.partner.microsoftonline.cn" => Self::china(),
            _ => Self::public(),
        }
    }

    /// What tokens for a service are for.
    pub fn audience(&self, api: Api) -> &str {
        match api {
            Api::Arm => &self.arm_audience,
            Api::Graph => &self.graph_audience,
        }
    }

    /// A URL below a service's address. The path begins with `/`; what a path may not hold is encoded.
    pub(super) fn url(&self, api: Api, path: &str) -> Result<Url, CallFailure> {
        let base = match api {
            Api::Arm => &self.arm,
            Api::Graph => &self.graph,
        };
        below(base, path)
    }

    /// The token endpoint of a tenant.
    pub(super) fn token_url(&self, tenant: &str) -> Result<Url, CallFailure> {
        below(&self.login, &format!("/{tenant}/oauth2/v2.0/token"))
    }

    /// Where a link in an answer leads, if that is where the service itself is: a token is shown to nobody else.
    pub(super) fn link(&self, api: Api, link: &str) -> Result<Url, CallFailure> {
        let own = self.url(api, "/")?;
        let to = own.join(link).map_err(|_| refused("a link in an answer is no URL".to_owned()))?;
        if to.origin() == own.origin() {
            return Ok(to);
        }
        let (host, to) = (own.host_str().unwrap_or_default(), to.host_str().unwrap_or("a URL without a host"));
        Err(refused(format!("refused to follow a link of {host} to {to}")))
    }
}

fn below(base: &str, path: &str) -> Result<Url, CallFailure> {
    let mut url = Url::parse(base).map_err(|_| refused("the address of a service is no URL".to_owned()))?;
    let whole = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&whole);
    Ok(url)
}

fn refused(message: String) -> CallFailure {
    CallFailure { kind: FailureKind::Refused, code: "Refused".to_owned(), message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever an answer calls its next page, a token is shown to the service alone.
        #[test]
        fn no_link_leaves_the_service(link in "(https?:)?[/\\\\@:.a-z0-9#?%\t -]{0,40}(management\\.azure\\.com)?[/@:.a-z]{0,10}") {
            if let Ok(url) = AzureEndpoints::public().link(Api::Arm, &link) {
                assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("management.azure.com"), None));
            }
        }
    }

    #[test]
    fn links_lead_to_the_same_host_only() {
        let endpoints = AzureEndpoints::public();
        for (link, expected) in [
            ("https://management.azure.com/a?$skiptoken=b", Some("https://management.azure.com/a?$skiptoken=b")),
            ("https://management.azure.com:443/a", Some("https://management.azure.com/a")),
            ("/a?b=c", Some("https://management.azure.com/a?b=c")),
            ("https://management.azure.com.evil.example/a", None),
            ("https://evil.example/a", None),
            ("//evil.example/a", None),
            ("http://management.azure.com/a", None),
            ("https://management.azure.com:8443/a", None),
            ("https://management.azure.com@evil.example/a", None),
            ("https://graph.microsoft.com/v1.0/users", None),
            ("data:text/plain,a", None),
            ("https://[", None),
        ] {
            let found = endpoints.link(Api::Arm, link);
            assert_eq!(found.as_ref().ok().map(Url::as_str), expected, "{link}");
            assert!(found.is_ok() || found.is_err_and(|failure| failure.kind == FailureKind::Refused));
        }
    }

    #[test]
    fn paths_cannot_leave_the_service() {
        let at = |path: &str| AzureEndpoints::at("https://h:1/base/").url(Api::Arm, path).unwrap().to_string();
        assert_eq!(at("/subscriptions/s"), "https://h:1/base/subscriptions/s");
        assert_eq!(at("//evil.example/a"), "https://h:1/base//evil.example/a");
        assert_eq!(at("/a b?c#d"), "https://h:1/base/a%20b%3Fc%23d");
    }

    #[test]
    fn the_environment_names_the_cloud() {
        let of = |host: &str| AzureEndpoints::of_environment(&Environment::new([("AZURE_AUTHORITY_HOST", host)])).arm;
        assert_eq!(of("https://login.microsoftonline.us/"), "https://management.usgovcloudapi.net");
        assert_eq!(of("login.chinacloudapi.cn"), "https://management.chinacloudapi.cn");
        assert_eq!(of("https://login.microsoftonline.com/"), "https://management.azure.com");
        assert_eq!(of(""), "https://management.azure.com");
    }
}
