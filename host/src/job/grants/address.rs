//! Which addresses are of the public network, and what the others are for. A guest reaches those others only where
//! they are granted by address, whatever name resolves to them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Reached by anybody.
    Public,
    /// Of this machine.
    Loopback,
    /// Of a private network (RFC 1918; IPv6 unique local and the old site local).
    Private,
    /// Of the shared space of carriers (RFC 6598).
    Shared,
    /// Of one link.
    LinkLocal,
    /// Where clouds tell their machines secrets.
    Metadata,
    /// Of a group; no host has it.
    Multicast,
    /// Of everybody on a link; no host has it.
    Broadcast,
    /// None, or "this network"; no host has it.
    Unspecified,
    /// Kept for documentation.
    Documentation,
    /// Kept for measurements (RFC 2544, RFC 5180).
    Benchmarking,
    /// Kept by the registries for protocols and for the future; of no host that answers.
    Reserved,
}

impl AddressClass {
    /// For sentences: `an unspecified address`.
    pub fn with_article(self) -> String {
        let article = if self == AddressClass::Unspecified { "an" } else { "a" };
        format!("{article} {} address", self.as_str())
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            AddressClass::Public => "public",
            AddressClass::Loopback => "loopback",
            AddressClass::Private => "private",
            AddressClass::Shared => "shared (carrier)",
            AddressClass::LinkLocal => "link-local",
            AddressClass::Metadata => "metadata",
            AddressClass::Multicast => "multicast",
            AddressClass::Broadcast => "broadcast",
            AddressClass::Unspecified => "unspecified",
            AddressClass::Documentation => "documentation",
            AddressClass::Benchmarking => "benchmarking",
            AddressClass::Reserved => "reserved",
        }
    }

    /// Whether a host can have one, so that it makes sense to grant it.
    pub const fn is_of_hosts(self) -> bool {
        !matches!(self, AddressClass::Multicast | AddressClass::Broadcast | AddressClass::Unspecified)
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Metadata services that do not sit in a range which is refused anyway, and those that deserve their name: AWS, GCP, Azure
/// and most others; Alibaba Cloud; Oracle's; Azure's agent of the machine.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
/// AWS; GCP.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// By address and length of the prefix; the first that holds the address decides.
const RANGES_V4: [(Ipv4Addr, u32, AddressClass); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8, AddressClass::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, AddressClass::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, AddressClass::Shared),
    (Ipv4Addr::new(127, 0, 0, 0), 8, AddressClass::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, AddressClass::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, AddressClass::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, AddressClass::Documentation),
    (Ipv4Addr::new(192, 31, 196, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 88, 99, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, AddressClass::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, AddressClass::Benchmarking),
    (Ipv4Addr::new(198, 51, 100, 0), 24, AddressClass::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, AddressClass::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, AddressClass::Multicast),
    (Ipv4Addr::BROADCAST, 32, AddressClass::Broadcast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, AddressClass::Reserved),
];

/// As above. What is not in `2000::/3` is not public, whatever it becomes one day.
const RANGES_V6: [(Ipv6Addr, u32, AddressClass); 11] = [
    (Ipv6Addr::UNSPECIFIED, 128, AddressClass::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, AddressClass::Loopback),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, AddressClass::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, AddressClass::LinkLocal),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, AddressClass::Private),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, AddressClass::Multicast),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, AddressClass::Documentation),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, AddressClass::Benchmarking),
    // Teredo hides an IPv4 address, and the rest are protocols of their own.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, AddressClass::Reserved),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, AddressClass::Documentation),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, AddressClass::Reserved),
];

/// What an address is for. One that carries an IPv4 address is what that is, where that is worse.
pub fn class_of(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => class_of_v4(address),
        IpAddr::V6(address) => class_of_v6(address),
    }
}

fn class_of_v4(address: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&address) {
        return AddressClass::Metadata;
    }
    let bits = address.to_bits();
    let holds = |(network, length, _): &&(Ipv4Addr, u32, AddressClass)| {
        bits >> (32 - length) == network.to_bits() >> (32 - length)
    };
    RANGES_V4.iter().find(holds).map_or(AddressClass::Public, |(_, _, class)| *class)
}

fn class_of_v6(address: Ipv6Addr) -> AddressClass {
    if METADATA_V6.contains(&address) {
        return AddressClass::Metadata;
    }
    let bits = address.to_bits();
    let holds = |(network, length, _): &&(Ipv6Addr, u32, AddressClass)| {
        bits >> (128 - length) == network.to_bits() >> (128 - length)
    };
    if let Some((_, _, class)) = RANGES_V6.iter().find(holds) {
        return *class;
    }
    let carried = carried(address).into_iter().flatten().map(class_of_v4).find(|class| *class != AddressClass::Public);
    match carried {
        Some(class) => class,
        None if bits >> 125 == 1 => AddressClass::Public,
        // Of a translator, too: it is reached through whoever runs it.
        None => AddressClass::Reserved,
    }
}

/// The IPv4 addresses inside of an IPv6 one: at its end (mapped, compatible; translated by NAT64, its local prefix, SIIT;
/// ISATAP), and that of 6to4.
fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let segments = address.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let at_end = matches!(
        segments,
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
            | [0, 0, 0, 0, 0xffff, 0, _, _]
            | [0x64, 0xff9b, ..]
            | [_, _, _, _, 0 | 0x200, 0x5efe, _, _]
    );
    let is_six_to_four = segments[0] == 0x2002;
    [at_end.then(|| joined(segments[6], segments[7])), is_six_to_four.then(|| joined(segments[1], segments[2]))]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::AddressClass::*;
    use super::*;

    #[test]
    fn a_class_is_told_with_its_article() {
        assert_eq!(AddressClass::Unspecified.with_article(), "an unspecified address");
        assert_eq!(AddressClass::Private.with_article(), "a private address");
        assert_eq!(AddressClass::Shared.with_article(), "a shared (carrier) address");
    }

    #[test]
    fn addresses_and_what_they_are_for() {
        for (address, class) in [
            ("1.1.1.1", Public),
            ("8.8.8.8", Public),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("9.255.255.255", Public),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("11.0.0.0", Public),
            ("100.63.255.255", Public),
            ("100.64.0.0", Shared),
            ("100.100.100.200", Metadata),
            ("100.127.255.255", Shared),
            ("100.128.0.0", Public),
            ("126.255.255.255", Public),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("128.0.0.0", Public),
            ("168.63.129.16", Metadata),
            ("169.253.255.255", Public),
            ("169.254.0.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.255.0.0", Public),
            ("172.15.255.255", Public),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Public),
            ("192.0.0.1", Reserved),
            ("192.0.0.192", Metadata),
            ("192.0.2.1", Documentation),
            ("192.88.99.1", Reserved),
            ("192.167.255.255", Public),
            ("192.168.0.1", Private),
            ("192.169.0.0", Public),
            ("198.17.255.255", Public),
            ("198.18.0.1", Benchmarking),
            ("198.19.255.255", Benchmarking),
            ("198.51.100.7", Documentation),
            ("203.0.113.7", Documentation),
            ("223.255.255.255", Public),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::2", Unspecified),
            ("::7f00:1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.1.2.3", Private),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:8.8.8.8", Reserved),
            ("::ffff:0:127.0.0.1", Loopback),
            ("64:ff9b::127.0.0.1", Loopback),
            ("64:ff9b::10.0.0.1", Private),
            ("64:ff9b::8.8.8.8", Reserved),
            ("64:ff9b:1::192.168.0.1", Private),
            ("100::1", Reserved),
            ("2001::1", Reserved),
            ("2001:0:7f00:1::1", Reserved),
            ("2001:2::1", Benchmarking),
            ("2001:db8::1", Documentation),
            ("2001:4860:4860::8888", Public),
            ("2002:7f00:1::1", Loopback),
            ("2002:a00:1::1", Private),
            ("2002:808:808::1", Public),
            ("2002:808:808::5efe:10.0.0.1", Private),
            ("2002:a00:1::5efe:8.8.8.8", Private),
            ("2a00::5efe:7f00:1", Loopback),
            ("2606:4700::1111", Public),
            ("3fff::1", Documentation),
            ("4000::1", Reserved),
            ("5f00::1", Reserved),
            ("fbff::1", Reserved),
            ("fc00::1", Private),
            ("fd00:ec2::254", Metadata),
            ("fd00::1", Private),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", Private),
            ("ff02::1", Multicast),
        ] {
            assert_eq!(class_of(address.parse().unwrap()), class, "{address}");
        }
    }

    proptest! {
        /// The standard library's own words for what must never be public.
        #[test]
        fn nothing_of_the_inside_is_public(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            if address.is_private() || address.is_loopback() || address.is_link_local() || address.is_broadcast()
                || address.is_documentation() || address.is_unspecified() || address.is_multicast()
            {
                prop_assert_ne!(class_of(address.into()), Public);
            }
        }

        /// However an IPv4 address is wrapped, it is reached no easier.
        #[test]
        fn a_wrapped_address_is_what_it_carries(bits in any::<u32>(), interface in any::<u64>()) {
            let address = Ipv4Addr::from_bits(bits);
            let (high, low) = (bits >> 16, bits & 0xffff);
            let wide = |segments: [u32; 8]| {
                IpAddr::V6(Ipv6Addr::from(segments.map(|segment| u16::try_from(segment).unwrap())))
            };
            let six_to_four = u128::from(bits) << 80 | 0x2002 << 112 | u128::from(interface);
            for wrapped in [
                IpAddr::V6(address.to_ipv6_mapped()),
                wide([0x64, 0xff9b, 0, 0, 0, 0, high, low]),
                wide([0x64, 0xff9b, 1, 0, 0, 0, high, low]),
                wide([0x2a00, 1, 2, 3, 0x200, 0x5efe, high, low]),
                IpAddr::V6(Ipv6Addr::from_bits(six_to_four)),
            ] {
                if class_of(address.into()) != Public {
                    prop_assert_eq!(class_of(wrapped), class_of(address.into()), "{}", wrapped);
                }
            }
        }

        #[test]
        fn only_global_unicast_is_public(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            if class_of(address.into()) == Public {
                prop_assert_eq!(bits >> 125, 1);
            }
        }
    }
}
