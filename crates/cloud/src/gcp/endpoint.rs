//! Which addresses of Google may be asked.
//!
//! Calls, credential files and answers name URLs. What carries a token or a key goes to `https://*.googleapis.com`
//! alone, or to the one address that stands for all of Google in tests and emulators.

use url::{Host, Url};

use super::errors::refused;
use crate::call::CallFailure;

/// Where Google is.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Stands for every host of Google, without a slash at its end.
    replaced: Option<Url>,
}

impl Endpoints {
    /// Google itself, or the address that stands for it.
    pub fn new(endpoint_override: Option<&str>) -> Result<Self, CallFailure> {
        let Some(text) = endpoint_override else {
            return Ok(Self::default());
        };
        let url = Url::parse(text).ok().filter(Url::has_host);
        let url = url.filter(|url| url.query().is_none() && url.fragment().is_none() && has_no_user(url));
        match url {
            Some(url) => Ok(Self { replaced: Some(url) }),
            None => Err(refused("the address that stands for Google is not a URL of a host")),
        }
    }

    /// Where to send what is meant for this URL. `what` names it in the refusal.
    pub fn locate(&self, url: &str, what: &str) -> Result<Url, CallFailure> {
        let parsed = Url::parse(url).map_err(|_| refused(format!("{what} is not a URL")))?;
        if self.replaced.as_ref().is_some_and(|own| own.origin() == parsed.origin() && has_no_user(&parsed)) {
            return Ok(parsed);
        }
        if !is_google(&parsed) {
            let host = parsed.host_str().unwrap_or("no host");
            return Err(refused(format!("{what} points to {host}: only https://*.googleapis.com is asked")));
        }
        let Some(own) = &self.replaced else {
            return Ok(parsed);
        };
        let mut moved = own.clone();
        moved.set_path(&format!("{}{}", own.path().trim_end_matches('/'), parsed.path()));
        moved.set_query(parsed.query());
        Ok(moved)
    }
}

fn has_no_user(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

fn is_google(url: &Url) -> bool {
    let Some(Host::Domain(host)) = url.host() else {
        return false;
    };
    url.scheme() == "https" && url.port().is_none() && has_no_user(url) && host.ends_with(".googleapis.com")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::FailureKind;

    fn check(own: Option<&str>, url: &str, expected: Result<&str, &str>) {
        let found = Endpoints::new(own).unwrap().locate(url, "the URL");
        match expected {
            Ok(expected) => assert_eq!(found.unwrap().as_str(), expected),
            Err(part) => {
                let failure = found.unwrap_err();
                assert_eq!(failure.kind, FailureKind::Refused, "{url}");
                assert!(failure.message.contains(part), "{url}: {failure}");
            }
        }
    }

    #[test]
    fn only_googles_hosts_are_asked() {
        for url in ["https://cloudasset.googleapis.com/v1/projects/p/assets?a=b", "https://a.b.googleapis.com/x"] {
            check(None, url, Ok(url));
        }
        for (url, part) in [
            ("http://cloudasset.googleapis.com/", "cloudasset.googleapis.com"),
            ("https://evil.example/?https://a.googleapis.com/", "evil.example"),
            ("https://a.googleapis.com.evil.example/", "evil.example"),
            ("https://evilgoogleapis.com/", "evilgoogleapis.com"),
            ("https://a.googleapis.com:8443/", "googleapis.com"),
            ("https://user@a.googleapis.com/", "googleapis.com"),
            ("https://a.googleapis.com@evil.example/", "evil.example"),
            ("https://169.254.169.254/", "169.254.169.254"),
            ("file:///etc/passwd", "no host"),
            ("nothing", "not a URL"),
        ] {
            check(None, url, Err(part));
        }
    }

    #[test]
    fn one_address_stands_for_all_of_them() {
        let own = Some("http://127.0.0.1:9/base/");
        check(own, "https://oauth2.googleapis.com/token", Ok("http://127.0.0.1:9/base/token"));
        check(own, "https://a.googleapis.com/v1/x?y=%2F", Ok("http://127.0.0.1:9/base/v1/x?y=%2F"));
        check(own, "http://127.0.0.1:9/other", Ok("http://127.0.0.1:9/other"));
        check(own, "http://127.0.0.1:10/other", Err("127.0.0.1"));
        check(own, "http://me@127.0.0.1:9/other", Err("127.0.0.1"));
    }

    #[test]
    fn what_stands_for_google_is_an_address() {
        for text in ["", "127.0.0.1:9", "http://u:p@127.0.0.1/", "http://127.0.0.1/?a", "data:x"] {
            assert!(Endpoints::new(Some(text)).is_err(), "{text}");
        }
    }
}
