//! Which network addresses a request may go to: the guard against server-side request forgery.
//!
//! Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), RFC 6598 (shared address space),
//! RFC 4193 (unique local), RFC 6052 (NAT64), RFC 3056 (6to4); the metadata addresses are those that AWS, Azure and
//! GCP document for machines (`169.254.169.254`, `fd00:ec2::254`), tasks (`169.254.170.2`), pods (`169.254.170.23`,
//! `fd00:ec2::23`) and Azure's wire server (`168.63.129.16`), and the links on which App Service hands its apps their
//! identity endpoint (`169.254.129.0/24` to `169.254.131.0/24`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// Anywhere on the internet.
    Public,
    /// Loopback, private (RFC 1918), shared (RFC 6598) and unique local (RFC 4193) addresses.
    Private,
    /// A cloud's metadata or credential endpoint.
    Metadata,
    /// Unspecified, link-local, multicast, documentation and other reserved addresses: never asked.
    Reserved,
}

impl AddressKind {
    /// The kind of an address; IPv4 addresses inside IPv6 ones (mapped, NAT64, 6to4) count as what they hold.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// A word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Metadata => "metadata",
            Self::Reserved => "reserved",
        }
    }
}

fn of_v4(address: Ipv4Addr) -> AddressKind {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        (169, 254, 169, 254) | (169, 254, 170, 2 | 23) | (168, 63, 129, 16) => AddressKind::Metadata,
        (169, 254, 129..=131, _) => AddressKind::Metadata,
        (10 | 127, ..) | (172, 16..=31, ..) | (192, 168, ..) | (100, 64..=127, ..) => AddressKind::Private,
        (0, ..) | (169, 254, ..) | (224..=255, ..) => AddressKind::Reserved,
        (192, 0, 0 | 2, _) | (192, 88, 99, _) => AddressKind::Reserved,
        (198, 18 | 19, ..) | (198, 51, 100, _) | (203, 0, 113, _) => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    if let Some(inner) = embedded_v4(address) {
        return of_v4(inner);
    }
    match address.segments() {
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254 | 0x0023] => AddressKind::Metadata,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Private,
        [0xfc00..=0xfdff, ..] => AddressKind::Private,
        // Only 2000::/3 is given out; 2001::/23 (Teredo, ORCHID) and 2001:db8::/32 of it are not places.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressKind::Reserved,
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

/// The IPv4 address inside a mapped (`::ffff:0:0/96`), NAT64 (`64:ff9b::/96`) or 6to4 (`2002::/16`) address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(from(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// Which kinds of addresses beside public ones a client may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// Loopback and private addresses.
    pub private: bool,
    /// Metadata endpoints.
    pub metadata: bool,
    /// Not even public ones: what is sent would be read on the way.
    pub not_public: bool,
}

impl AddressRules {
    /// Whether a request may go to this address.
    pub fn allow(self, address: IpAddr) -> bool {
        match AddressKind::of(address) {
            AddressKind::Public => !self.not_public,
            AddressKind::Private => self.private,
            AddressKind::Metadata => self.metadata,
            AddressKind::Reserved => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(address: &str) -> AddressKind {
        AddressKind::of(address.parse().unwrap())
    }

    #[test]
    fn what_is_closed_to_public_addresses_is_open_to_private_ones_alone() {
        let rules = AddressRules { private: true, metadata: false, not_public: true };
        let allowed = |address: &str| rules.allow(address.parse().unwrap());
        assert_eq!(["127.0.0.1", "10.0.0.1", "8.8.8.8", "169.254.169.254"].map(allowed), [true, true, false, false]);
    }

    #[test]
    fn addresses_are_told_apart() {
        for (address, wanted) in [
            ("8.8.8.8", AddressKind::Public),
            ("52.94.133.131", AddressKind::Public),
            ("172.15.0.1", AddressKind::Public),
            ("172.32.0.1", AddressKind::Public),
            ("100.63.255.255", AddressKind::Public),
            ("2600:1f18::1", AddressKind::Public),
            ("127.0.0.1", AddressKind::Private),
            ("127.255.255.254", AddressKind::Private),
            ("10.0.0.1", AddressKind::Private),
            ("172.16.0.1", AddressKind::Private),
            ("172.31.255.255", AddressKind::Private),
            ("192.168.1.1", AddressKind::Private),
            ("100.64.0.1", AddressKind::Private),
            ("100.127.255.255", AddressKind::Private),
            ("::1", AddressKind::Private),
            ("fd12:3456::1", AddressKind::Private),
            ("fc00::1", AddressKind::Private),
            ("::ffff:127.0.0.1", AddressKind::Private),
            ("::ffff:10.0.0.1", AddressKind::Private),
            ("64:ff9b::10.0.0.1", AddressKind::Private),
            ("2002:7f00:1::", AddressKind::Private),
            ("169.254.169.254", AddressKind::Metadata),
            ("169.254.170.2", AddressKind::Metadata),
            ("169.254.129.2", AddressKind::Metadata),
            ("169.254.132.2", AddressKind::Reserved),
            ("168.63.129.16", AddressKind::Metadata),
            ("fd00:ec2::254", AddressKind::Metadata),
            ("::ffff:169.254.169.254", AddressKind::Metadata),
            ("64:ff9b::a9fe:a9fe", AddressKind::Metadata),
            ("0.0.0.0", AddressKind::Reserved),
            ("0.1.2.3", AddressKind::Reserved),
            ("169.254.1.1", AddressKind::Reserved),
            ("224.0.0.1", AddressKind::Reserved),
            ("239.255.255.255", AddressKind::Reserved),
            ("240.0.0.1", AddressKind::Reserved),
            ("255.255.255.255", AddressKind::Reserved),
            ("192.0.2.1", AddressKind::Reserved),
            ("198.18.0.1", AddressKind::Reserved),
            ("203.0.113.9", AddressKind::Reserved),
            ("::", AddressKind::Reserved),
            ("::127.0.0.1", AddressKind::Reserved),
            ("fe80::1", AddressKind::Reserved),
            ("ff02::1", AddressKind::Reserved),
            ("2001:db8::1", AddressKind::Reserved),
            ("2001:0:53aa:64c::1", AddressKind::Reserved),
        ] {
            assert_eq!(kind(address), wanted, "{address}");
        }
    }

    #[test]
    fn rules_open_one_kind_each() {
        let [public, private, metadata, reserved]: [IpAddr; 4] =
            ["8.8.8.8", "10.1.2.3", "169.254.169.254", "169.254.9.9"].map(|address| address.parse().unwrap());
        let all = AddressRules { private: true, metadata: true, not_public: false };
        assert!(AddressRules::default().allow(public) && !AddressRules::default().allow(private));
        assert!(AddressRules { private: true, metadata: false, not_public: false }.allow(private));
        assert!(!AddressRules { private: true, metadata: false, not_public: false }.allow(metadata));
        assert!(all.allow(metadata) && !all.allow(reserved));
    }
}
