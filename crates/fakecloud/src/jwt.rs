//! JSON Web Tokens: unsigned ones that the fake gives out, signed ones that clients show.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{self, UnparsedPublicKey};
use serde_json::{Value as Json, json};

/// A token with these claims. Nobody verifies it, but clients that look inside find what they look for.
pub(crate) fn unsigned(claims: &Json) -> String {
    let header = json!({ "typ": "JWT", "alg": "none" });
    let part = |json: &Json| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{}", part(&header), part(claims), BASE64_URL_SAFE_NO_PAD.encode("unsigned"))
}

/// The header and the claims of a token, if it has the shape of one.
pub(crate) fn read(token: &str) -> Option<(Json, Json)> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _] = parts.as_slice() else { return None };
    Some((object(header)?, object(claims)?))
}

/// A moment in the claims, in seconds; MSAL for Python writes fractions.
pub(crate) fn moment(claims: &Json, name: &str) -> Option<i64> {
    claims.get(name).and_then(Json::as_f64).map(|seconds| seconds as i64)
}

fn object(part: &str) -> Option<Json> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Json::is_object)
}

/// Whether a token was signed by the owner of this key (PKCS#1 `RSAPublicKey`, DER), with RS256 or PS256 as it says.
pub(crate) fn verifies(token: &str, key: &[u8]) -> bool {
    let Some((header, _)) = read(token) else { return false };
    let Some((signed, proof)) = token.rsplit_once('.') else { return false };
    let Ok(proof) = BASE64_URL_SAFE_NO_PAD.decode(proof) else { return false };
    let algorithm = match header.get("alg").and_then(Json::as_str) {
        Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, key).verify(signed.as_bytes(), &proof).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let token = unsigned(&json!({ "tid": "t", "exp": 5 }));
        let (header, claims) = read(&token).unwrap();
        assert_eq!((header["alg"].as_str(), claims["exp"].as_i64()), (Some("none"), Some(5)));
        assert!(!verifies(&token, b"no key"));
    }

    #[test]
    fn other_text_is_no_token() {
        for text in ["", "a.b", "a.b.c", "e30.W10.x", "e30.e30.x.y"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
