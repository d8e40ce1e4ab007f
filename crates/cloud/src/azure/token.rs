//! Access tokens: reading them from the answers that give them, and what stands inside them.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::secret::Secret;

/// Longer lives are not believed; real tokens live for a day at most.
const LONGEST_LIFE: i64 = 2 * 24 * 3600;

/// An access token.
#[derive(Clone, PartialEq, Eq)]
pub struct AzureToken {
    /// The token itself.
    pub secret: Secret,
    /// When it ends; none = never, for fixed ones.
    pub expires: Option<Timestamp>,
}

impl fmt::Debug for AzureToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureToken(hidden, ends {:?})", self.expires)
    }
}

impl AzureToken {
    /// Whether it lasts longer than this.
    pub(super) fn lasts(&self, margin: SignedDuration) -> bool {
        self.expires.is_none_or(|end| end.duration_since(Timestamp::now()) > margin)
    }

    /// Reads the answer of a token endpoint, of a metadata service or of `az account get-access-token`. None when it
    /// holds no token, or one without an end.
    pub fn read(body: &[u8], now: Timestamp) -> Option<Self> {
        let given: Given = serde_json::from_slice(body).ok()?;
        // What is left counts before the moment of the end, which another clock has set.
        let left = given.expires_in.as_ref().and_then(whole);
        let ends = given.expires_on.as_ref().and_then(whole);
        let seconds = match (left, ends) {
            (Some(left), _) => left,
            (None, Some(end)) => end.checked_sub(now.as_second())?,
            (None, None) => Claims::read(&given.access_token)?.number("exp")?.checked_sub(now.as_second())?,
        };
        let life = SignedDuration::from_secs(seconds.clamp(0, LONGEST_LIFE));
        Some(Self { secret: given.access_token, expires: Some(now.checked_add(life).ok()?) })
    }
}

#[derive(Deserialize)]
struct Given {
    #[serde(alias = "accessToken")]
    access_token: Secret,
    expires_in: Option<Json>,
    expires_on: Option<Json>,
}

/// Metadata services write numbers as text.
fn whole(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// What a token says about itself. Nothing here was verified: it is for display, never for a decision.
#[derive(Clone, Debug)]
pub(super) struct Claims(Json);

impl Claims {
    /// The claims of a JSON Web Token; none when the token is something else.
    pub(super) fn read(token: &Secret) -> Option<Self> {
        let mut parts = token.expose().split('.');
        let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&bytes).ok().filter(Json::is_object).map(Self)
    }

    /// The first of these claims that is a text.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.get(name)?.as_str()).map(str::to_owned)
    }

    /// A claim that is a whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(claims: &Json) -> String {
        format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn tokens_are_read_in_all_their_forms() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let with_end = token(&json!({ "exp": 1_000_500 }));
        for (body, left) in [
            (json!({ "access_token": "t", "expires_in": 3599 }), Some(3599)),
            (json!({ "access_token": "t", "expires_in": "3599", "expires_on": "9999999" }), Some(3599)),
            (json!({ "access_token": "t", "expires_on": "1000060" }), Some(60)),
            (json!({ "accessToken": "t", "expires_on": 1_000_060, "expiresOn": "2026-01-01 10:00:00" }), Some(60)),
            (json!({ "accessToken": with_end, "expiresOn": "2026-01-01 10:00:00" }), Some(500)),
            (json!({ "access_token": "t", "expires_in": i64::MAX }), Some(LONGEST_LIFE)),
            (json!({ "access_token": "t", "expires_in": -5 }), Some(0)),
            (json!({ "access_token": "t", "expires_on": i64::MIN }), None),
            (json!({ "access_token": "t" }), None),
            (json!({ "expires_in": 3599 }), None),
            (json!(["t"]), None),
        ] {
            let read = AzureToken::read(body.to_string().as_bytes(), now);
            let seconds = read.and_then(|token| token.expires).map(|end| end.as_second() - now.as_second());
            assert_eq!(seconds, left, "{body}");
        }
    }

    #[test]
    fn claims_are_those_of_tokens_only() {
        let claims = Claims::read(&Secret::new(token(&json!({ "azp": "a", "upn": 5 })))).unwrap();
        assert_eq!((claims.text(&["appid", "azp"]).as_deref(), claims.text(&["upn"])), (Some("a"), None));
        for text in ["", "opaque", "a.b", "a.b.c", "e30.W10.x", "e30.e30.x.y"] {
            assert!(Claims::read(&Secret::new(text)).is_none(), "{text}");
        }
        let shown = AzureToken { secret: Secret::new("hunter2"), expires: None };
        assert!(!format!("{shown:?}").contains("hunter2"));
    }
}
