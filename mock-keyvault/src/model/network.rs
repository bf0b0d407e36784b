//! The network rules of a vault: which addresses may use it.
//!
//! The rules are part of the vault's settings, and are checked before each operation of its data plane. The routes that manage
//! vaults ignore them, so that a closed vault can be opened again. There are no virtual networks here: their rules are stored and
//! shown, and admit no client. Azure refuses private ranges; here clients only have private addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address or a range in CIDR notation")]
pub struct AddressRangeError(String);

/// A range of addresses in CIDR notation (RFC 4632, RFC 4291).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
}

/// A rule for a subnet, which is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetRule {
    /// The resource id of the subnet.
    pub id: String,
    /// Whether the subnet may lack the service endpoint.
    pub ignore_missing_endpoint: Option<bool>,
}

/// The network rules of a vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRules {
    /// Whether a client that matches no rule is refused.
    pub deny_by_default: bool,
    /// Whether trusted services, such as a registry with its managed identity, are admitted anyway.
    pub bypass_for_services: bool,
    /// The admitted addresses.
    pub addresses: Vec<AddressRange>,
    /// Subnets, which do not exist here.
    pub subnets: Vec<SubnetRule>,
}

impl Default for NetworkRules {
    /// Admits every client, as in Azure.
    fn default() -> Self {
        Self {
            deny_by_default: false,
            bypass_for_services: true,
            addresses: Vec::new(),
            subnets: Vec::new(),
        }
    }
}

impl NetworkRules {
    /// Admits no client, not even trusted services.
    pub fn closed() -> Self {
        Self { deny_by_default: true, bypass_for_services: false, ..Self::default() }
    }

    /// Whether these rules by themselves admit an address.
    pub fn allows(&self, address: Option<IpAddr>) -> bool {
        !self.deny_by_default
            || address
                .is_some_and(|address| self.addresses.iter().any(|range| range.contains(address)))
    }
}

impl AddressRange {
    /// Whether the range contains an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, prefix) = self.canonical();
        match (own, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32_u32.saturating_sub(u32::from(prefix));
                let cut = |address: Ipv4Addr| address.to_bits().checked_shr(shift).unwrap_or(0);
                cut(own) == cut(other)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128_u32.saturating_sub(u32::from(prefix));
                let cut = |address: Ipv6Addr| address.to_bits().checked_shr(shift).unwrap_or(0);
                cut(own) == cut(other)
            }
            _ => false,
        }
    }

    /// The same range, with IPv4-mapped addresses (RFC 4291, section 2.5.5.2) as addresses of IPv4.
    fn canonical(&self) -> (IpAddr, u8) {
        match (self.address.to_canonical(), self.prefix.checked_sub(96)) {
            (own @ IpAddr::V4(_), Some(prefix)) if self.address.is_ipv6() => (own, prefix),
            _ => (self.address, self.prefix),
        }
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, AddressRangeError> {
        let wrong = || AddressRangeError(text.chars().take(64).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

impl TryFrom<String> for AddressRange {
    type Error = AddressRangeError;

    fn try_from(text: String) -> Result<Self, AddressRangeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(range: &str, address: &str, is_in: bool) {
        let range: AddressRange = range.parse().unwrap();
        assert_eq!(range.contains(address.parse().unwrap()), is_in, "{range} {address}");
    }

    #[test]
    fn a_range_only_contains_its_addresses() {
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("10.1.0.0/16", "10.1.255.255", true);
        check("10.1.0.0/16", "10.2.0.0", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("10.0.0.0/8", "::ffff:10.9.9.9", true);
        check("::1", "::1", true);
        check("fd00::/8", "fd12::1", true);
        check("::/0", "fd12::1", true);
        check("::/0", "10.0.0.1", false);
    }

    #[test]
    fn a_range_of_ipv4_mapped_addresses_takes_those_of_ipv4_that_it_means() {
        for address in ["10.1.2.3", "::ffff:10.1.2.3"] {
            check("::ffff:10.1.2.3", address, true);
            check("::ffff:10.1.0.0/112", address, true);
            check("::ffff:10.2.0.0/112", address, false);
            check("::ffff:0.0.0.0/96", address, true);
        }
        check("::ffff:10.1.2.3", "10.1.2.4", false);
        check("::ffff:0.0.0.0/96", "fd12::1", false);
    }

    #[test]
    fn an_invalid_range_is_refused() {
        for text in ["", "x", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+1", "::1/129", "/8"] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn closed_rules_admit_no_client_and_open_rules_every_client() {
        let address = Some("127.0.0.1".parse().unwrap());

        assert!(!NetworkRules::closed().allows(address));
        assert!(NetworkRules::default().allows(address) && NetworkRules::default().allows(None));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_an_accepted_range_is_parsed_again(text in "[0-9a-f.:/]{0,24}") {
            if let Ok(range) = text.parse::<AddressRange>() {
                prop_assert_eq!(range.to_string().parse::<AddressRange>().unwrap(), range);
            }
        }

        #[test]
        fn the_first_address_of_a_range_is_in_it(address in any::<[u8; 4]>(), prefix in 0_u8..=32) {
            let address = Ipv4Addr::from(address);
            let range: AddressRange = format!("{address}/{prefix}").parse().unwrap();
            prop_assert!(range.contains(address.into()));
        }
    }
}
