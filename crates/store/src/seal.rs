//! Envelope encryption: every credential has a key of its own, which the master key seals.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the additional data name what is sealed, so that a sealed
//! value cannot be moved to another connector.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::error::StoreError;

/// The key that seals all others. Never shown.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(hidden)")
    }
}

/// A secret text. Its value is only handed to who uses it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A sealed secret as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The secret's own key, sealed by the master key: nonce, then ciphertext and tag.
    pub key: Vec<u8>,
    /// The secret, sealed by its own key.
    pub body: Vec<u8>,
}

/// Seals a secret for the place that `about` names.
pub(crate) fn seal(master: &MasterKey, about: &str, secret: &Secret) -> Result<Sealed, StoreError> {
    let mut own = Zeroizing::new([0u8; 32]);
    random(own.as_mut())?;
    Ok(Sealed {
        key: encrypt(&master.0, about, own.as_ref())?,
        body: encrypt(&own, about, secret.reveal().as_bytes())?,
    })
}

/// Opens what was sealed for the same place.
pub(crate) fn open(master: &MasterKey, about: &str, sealed: &Sealed) -> Result<Secret, StoreError> {
    let key = decrypt(&master.0, about, &sealed.key)?;
    let key: [u8; 32] = key.as_slice().try_into().map_err(|_| WRONG_KEY)?;
    let body = decrypt(&Zeroizing::new(key), about, &sealed.body)?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| WRONG_KEY)?;
    Ok(Secret::new(text))
}

const WRONG_KEY: StoreError = StoreError::Sealed(
    "a stored credential cannot be opened: the master key is another one, or the database was changed",
);
const NO_CIPHER: StoreError = StoreError::Sealed("a credential could not be sealed");

fn random(into: &mut [u8]) -> Result<(), StoreError> {
    SystemRandom::new().fill(into).map_err(|_| StoreError::Sealed("the system gives no random bytes"))
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, StoreError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| NO_CIPHER)
}

fn encrypt(key: &[u8; 32], about: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0u8; NONCE_LEN];
    random(&mut nonce)?;
    let mut body = plain.to_vec();
    let sealed = cipher(key)?.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(about.as_bytes()),
        &mut body,
    );
    sealed.map_err(|_| NO_CIPHER)?;
    Ok([nonce.as_slice(), &body].concat())
}

fn decrypt(key: &[u8; 32], about: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(WRONG_KEY)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| WRONG_KEY)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length =
        cipher(key)?.open_in_place(nonce, Aad::from(about.as_bytes()), &mut body).map_err(|_| WRONG_KEY)?.len();
    body.truncate(length);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_sealed_opens_with_the_same_key_and_place_alone(text in ".{0,200}", flip in any::<prop::sample::Index>()) {
            let master = MasterKey::new([7; 32]);
            let sealed = seal(&master, "default/a", &Secret::new(text.clone())).unwrap();
            let opened = open(&master, "default/a", &sealed).unwrap();
            prop_assert_eq!(opened.reveal(), text.as_str());
            prop_assert!(open(&master, "default/b", &sealed).is_err());
            prop_assert!(open(&MasterKey::new([8; 32]), "default/a", &sealed).is_err());
            let mut broken = sealed.clone();
            let at = flip.index(broken.body.len());
            broken.body[at] ^= 1;
            prop_assert!(open(&master, "default/a", &broken).is_err());
        }
    }

    #[test]
    fn a_secret_never_shows_itself() {
        assert_eq!(
            format!("{:?} {:?}", Secret::new("hunter2"), MasterKey::new([1; 32])),
            "Secret(hidden) MasterKey(hidden)"
        );
    }

    #[test]
    fn one_secret_sealed_twice_looks_different() {
        let master = MasterKey::new([7; 32]);
        let sealed = || seal(&master, "x", &Secret::new("s")).unwrap();
        assert_ne!(sealed(), sealed());
    }
}
