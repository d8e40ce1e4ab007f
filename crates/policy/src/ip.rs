//! Addresses and ranges of addresses.

use std::net::IpAddr;

/// A range of addresses, both ends included. IPv4 and IPv6 never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IpRange {
    first: u128,
    last: u128,
    is_v6: bool,
}

/// Ranges that no packet of the internet comes from: RFC 1918, 6598, 3927, 1122, 4193, 4291, 5735.
const NOT_PUBLIC: [&str; 10] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "0.0.0.0/32",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), false),
        IpAddr::V6(v6) => (u128::from(v6), true),
    }
}

impl IpRange {
    /// Reads `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1-10.0.0.9`, `fd00::/8`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((address, prefix)) = text.split_once('/') {
            let (base, is_v6) = number(address.trim().parse().ok()?);
            return Self::of_prefix(base, prefix.trim().parse().ok()?, is_v6);
        }
        if let Some((from, to)) = text.split_once('-') {
            let (first, is_v6) = number(from.trim().parse().ok()?);
            let (last, other) = number(to.trim().parse().ok()?);
            return (is_v6 == other && first <= last).then_some(Self { first, last, is_v6 });
        }
        let (first, is_v6) = number(text.parse().ok()?);
        Some(Self { first, last: first, is_v6 })
    }

    fn of_prefix(base: u128, prefix: u32, is_v6: bool) -> Option<Self> {
        let bits: u32 = if is_v6 { 128 } else { 32 };
        let free = bits.checked_sub(prefix)?;
        let mask = if free == 128 { u128::MAX } else { (1u128 << free) - 1 };
        Some(Self { first: base & !mask, last: base | mask, is_v6 })
    }

    /// Whether every address of `other` lies in this range.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.is_v6 == other.is_v6 && self.first <= other.first && other.last <= self.last
    }

    /// Whether it holds every address of its family.
    pub(crate) fn is_everything(&self) -> bool {
        self.first == 0 && self.last == if self.is_v6 { u128::MAX } else { u128::from(u32::MAX) }
    }

    /// Whether it holds an address of the internet.
    pub(crate) fn is_public(&self) -> bool {
        !NOT_PUBLIC.iter().filter_map(|text| Self::parse(text)).any(|private| private.contains(self))
    }
}

/// Words that clouds write for the whole internet.
const INTERNET: [&str; 5] = ["*", "internet", "any", "0.0.0.0", "::"];

/// Whether a source of a rule is the whole internet.
pub(crate) fn is_internet(source: &str) -> bool {
    let source = source.trim();
    INTERNET.iter().any(|word| word.eq_ignore_ascii_case(source))
        || IpRange::parse(source).is_some_and(|range| range.is_everything())
}

/// Whether a source of a rule holds an address of the internet. What is no range (a service tag, a group) does not.
pub(crate) fn is_public(source: &str) -> bool {
    is_internet(source) || IpRange::parse(source).is_some_and(|range| range.is_public())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_lies_in_them() {
        for (outer, inner, wanted) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("192.168.1.1-192.168.1.9", "192.168.1.4/31", true),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "2001:db8::/32", true),
        ] {
            let (outer, inner) = (IpRange::parse(outer).unwrap(), IpRange::parse(inner).unwrap());
            assert_eq!(outer.contains(&inner), wanted, "{outer:?} {inner:?}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "a", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "VirtualNetwork"] {
            assert_eq!(IpRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_internet_is_written_in_many_ways() {
        for text in ["*", "Internet", "any", "0.0.0.0/0", "::/0", "0.0.0.0", "1.2.3.4/0"] {
            assert!(is_internet(text), "{text}");
        }
        for text in ["10.0.0.0/8", "VirtualNetwork", "8.8.8.8", "0.0.0.0/1", ""] {
            assert!(!is_internet(text), "{text}");
        }
        for (text, wanted) in [("8.8.8.8", true), ("10.0.0.0/7", true), ("10.2.0.0/16", false), ("sg-1", false)] {
            assert_eq!(is_public(text), wanted, "{text}");
        }
    }
}
