//! A certificate authority of the moment and a leaf signed by it.
//!
//! A leaf that is its own authority is accepted by OpenSSL and refused by rustls (az-cli-recipe.md, 6), hence two.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Names that clients of the two clouds want to see, for those that resolve them to this machine.
const NAMES: [&str; 8] = [
    "localhost",
    "127.0.0.1",
    "management.azure.com",
    "login.microsoftonline.com",
    "graph.microsoft.com",
    "cloudasset.googleapis.com",
    "oauth2.googleapis.com",
    "metadata.google.internal",
];

/// What a server needs to speak TLS and its clients to believe it.
pub(crate) struct Identity {
    /// The certificate of the authority.
    pub(crate) ca_pem: String,
    /// The server's side.
    pub(crate) server: Arc<ServerConfig>,
}

/// Makes an authority and a leaf for [`NAMES`] and further names.
pub(crate) fn identity(further: &[String]) -> io::Result<Identity> {
    let ca_key = KeyPair::generate().map_err(io::Error::other)?;
    let ca_params = authority();
    let ca = ca_params.self_signed(&ca_key).map_err(io::Error::other)?;
    let issuer = Issuer::new(ca_params, ca_key);
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let names = NAMES.iter().map(|name| (*name).to_owned()).chain(further.iter().cloned()).collect();
    let leaf = leaf(names).and_then(|params| params.signed_by(&key, &issuer)).map_err(io::Error::other)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], private))
        .map_err(io::Error::other)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Identity { ca_pem: ca.pem(), server: Arc::new(server) })
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Yagura fake cloud");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn leaf(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named("localhost");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_has_an_authority_of_its_own() {
        let (one, two) = (identity(&[]).unwrap(), identity(&["cloud.example".to_owned()]).unwrap());
        assert!(one.ca_pem.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_ne!(one.ca_pem, two.ca_pem);
    }
}
