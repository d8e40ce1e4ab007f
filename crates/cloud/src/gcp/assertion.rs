//! What a service account signs to get a token: a JSON Web Token with RS256.
//!
//! Sources: RFC 7519, RFC 7523; Google, "Using OAuth 2.0 for Server to Server Applications".

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value as Json, json};

use crate::secret::Secret;

/// A token with these claims, signed with a private key (PEM; PKCS#8 or PKCS#1). An error never quotes the key.
pub fn signed(claims: &Json, key_id: Option<&str>, private_key: &Secret) -> Result<Secret, String> {
    let key = key_pair(private_key)?;
    let mut head = json!({ "alg": "RS256", "typ": "JWT" });
    if let (Some(id), Some(head)) = (key_id, head.as_object_mut()) {
        head.insert("kid".to_owned(), id.into());
    }
    let part = |json: &Json| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let mut text = format!("{}.{}", part(&head), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "the private key cannot sign".to_owned())?;
    text.push('.');
    text.push_str(&BASE64_URL_SAFE_NO_PAD.encode(&signature));
    Ok(Secret::new(text))
}

fn key_pair(private_key: &Secret) -> Result<KeyPair, String> {
    let unfit = |why: &str| format!("the private key cannot be used: {why}");
    let key = PrivateKeyDer::from_pem_slice(private_key.expose().as_bytes())
        .map_err(|_| unfit("it is not a private key in PEM form"))?;
    let pair = match &key {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err(unfit("it is not an RSA key")),
    };
    pair.map_err(|rejected| unfit(&format!("it is not an RSA key of 2048 bits or more ({rejected})")))
}

#[cfg(test)]
mod tests {
    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;
    use crate::testing::rsa_key;

    #[test]
    fn what_is_signed_can_be_verified() {
        let private = rsa_key();
        let token = signed(&json!({ "iss": "a" }), Some("id"), &private).unwrap();
        let (text, proof) = token.expose().rsplit_once('.').unwrap();
        let proof = BASE64_URL_SAFE_NO_PAD.decode(proof).unwrap();
        let pair = key_pair(&private).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
        assert!(public.verify(text.as_bytes(), &proof).is_ok());
        let (head, claims) = text.split_once('.').unwrap();
        let read =
            |part: &str| -> Json { serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(read(head), json!({ "alg": "RS256", "typ": "JWT", "kid": "id" }));
        assert_eq!(read(claims), json!({ "iss": "a" }));
    }

    #[test]
    fn keys_that_are_none_are_said_without_quoting_them() {
        let pem = |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        for text in ["hunter2".to_owned(), pem("aHVudGVyMg=="), pem("!"), String::new()] {
            let message = signed(&json!({}), None, &Secret::new(text)).unwrap_err();
            assert!(message.starts_with("the private key cannot be used"), "{message}");
            assert!(!message.contains("hunter2") && !message.contains("aHVu"), "{message}");
        }
    }
}
