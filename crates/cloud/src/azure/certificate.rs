//! A client certificate and the assertions that it signs.
//!
//! Source: Microsoft, "Microsoft identity platform application authentication certificate credentials" (PS256 with
//! `x5t#S256`, the claims, ten minutes at most).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PSS_SHA256;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value as Json, json};

use crate::secret::Secret;

/// How long an assertion is good for, in seconds.
const LIFE: i64 = 600;

/// A certificate with its RSA key.
pub(super) struct Certificate {
    /// SHA-256 of the certificate, as Microsoft Entra ID looks it up.
    thumbprint: String,
    key: KeyPair,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, key hidden)", self.thumbprint)
    }
}

impl Certificate {
    /// Reads PEM that holds a certificate (the first one counts) and its RSA key, without a password (PKCS#8 or PKCS#1).
    /// The error says what is missing and nothing of what is there.
    pub(super) fn of_pem(pem: &Secret) -> Result<Self, String> {
        let text = pem.expose().as_bytes();
        let certificate =
            CertificateDer::from_pem_slice(text).map_err(|_| "the client certificate's PEM holds no certificate")?;
        let key = match PrivateKeyDer::from_pem_slice(text) {
            Ok(PrivateKeyDer::Pkcs8(key)) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(key)) => KeyPair::from_der(key.secret_pkcs1_der()),
            Ok(_) => return Err("the client certificate's key is not an RSA key".to_owned()),
            Err(_) if pem.expose().contains("ENCRYPTED") => {
                return Err("the client certificate's key is encrypted: give it without a password".to_owned());
            }
            Err(_) => return Err("the client certificate's PEM holds no private key".to_owned()),
        };
        let key = key.map_err(|error| format!("the client certificate's key cannot be used: {error}"))?;
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &certificate));
        Ok(Self { thumbprint, key })
    }

    /// An assertion (JSON Web Token, PS256) that the caller is this client, for one token endpoint. `now` is the
    /// endpoint's time in seconds since 1970.
    pub(super) fn assertion(&self, client: &str, endpoint: &str, now: i64) -> Result<Secret, String> {
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": endpoint, "iss": client, "sub": client, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now, "iat": now, "exp": now.saturating_add(LIFE),
        });
        let part = |json: &Json| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the client certificate's key cannot sign")?;
        Ok(Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    const TEST_ONLY: &str = include_str!("../../tests/azure_test_only_certificate.pem");

    #[test]
    fn assertions_are_signed_by_the_key_and_name_the_certificate() {
        let certificate = Certificate::of_pem(&Secret::new(TEST_ONLY)).unwrap();
        let assertion = certificate.assertion("client", "https://h/t/oauth2/v2.0/token", 1_000).unwrap();
        let parts: Vec<&str> = assertion.expose().split('.').collect();
        let json =
            |part: &str| -> Json { serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        let (header, claims) = (json(parts[0]), json(parts[1]));
        // `openssl x509 -outform DER | openssl dgst -sha256` of the file.
        assert_eq!(header["x5t#S256"], "TRrVhAnhR4U6VDwkR2pTCbborMyeIscfDLzJVsTJM8E");
        assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("client"), Some("client")));
        assert_eq!(
            (header["alg"].as_str(), claims["aud"].as_str()),
            (Some("PS256"), Some("https://h/t/oauth2/v2.0/token"))
        );
        assert_eq!((claims["nbf"].as_i64(), claims["exp"].as_i64()), (Some(1_000), Some(1_600)));
        let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, certificate.key.public().as_ref().to_vec());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        assert!(public.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature).is_ok());
        let second = certificate.assertion("client", "https://h/t/oauth2/v2.0/token", 1_000).unwrap();
        assert_ne!(assertion, second, "no assertion is shown twice");
    }

    #[test]
    fn what_cannot_be_read_is_said_without_being_shown() {
        let key_at = TEST_ONLY.find("-----BEGIN PRIVATE KEY").unwrap();
        let certificate_at = TEST_ONLY.find("-----BEGIN CERTIFICATE").unwrap();
        let (key, certificate) = match key_at < certificate_at {
            true => TEST_ONLY.split_at(certificate_at),
            false => {
                let (certificate, key) = TEST_ONLY.split_at(key_at);
                (key, certificate)
            }
        };
        let garbage = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let elliptic = "-----BEGIN EC PRIVATE KEY-----\naHVudGVyMg==\n-----END EC PRIVATE KEY-----\n";
        for (pem, expected) in [
            (key.to_owned(), "holds no certificate"),
            (certificate.to_owned(), "holds no private key"),
            (format!("{certificate}{garbage}"), "cannot be used"),
            (format!("{certificate}{encrypted}"), "is encrypted"),
            (format!("{certificate}{elliptic}"), "not an RSA key"),
            (String::new(), "holds no certificate"),
        ] {
            let message = Certificate::of_pem(&Secret::new(pem)).unwrap_err();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("hunter2") && !message.contains("aHVudGVyMg"));
        }
    }
}
