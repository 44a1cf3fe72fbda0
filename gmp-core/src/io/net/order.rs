//! In which order the addresses of a host are tried (RFC 8305, section 4).
//!
//! Always true: the resolver's order is kept within a family; its first address stays the first; families alternate as long as there are both.

use std::net::SocketAddr;

/// Brings them in that order.
pub fn interleave(addresses: &mut [SocketAddr]) {
    for at in 1..addresses.len() {
        let before = addresses[at - 1].is_ipv4();
        let Some(ahead) = addresses[at..].iter().position(|address| address.is_ipv4() != before) else { return };
        addresses[at..=at + ahead].rotate_right(1);
    }
}

/// Brings the first of IPv4 to the front: a listener has one address, and that is the one which is asked for most.
pub fn prefer_v4(addresses: &mut [SocketAddr]) {
    if let Some(at) = addresses.iter().position(SocketAddr::is_ipv4) {
        addresses[..=at].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses by their last number: up to 9 of IPv6, from 10 on of IPv4.
    fn addresses(numbers: &[u8]) -> Vec<SocketAddr> {
        let text = |n: &u8| if *n < 10 { format!("[::{n}]:1") } else { format!("127.0.0.{n}:1") };
        numbers.iter().map(|n| text(n).parse().unwrap()).collect()
    }

    fn interleaved(numbers: &[u8]) -> Vec<SocketAddr> {
        let mut all = addresses(numbers);
        interleave(&mut all);
        all
    }

    #[test]
    fn families_alternate_from_the_resolvers_first_on() {
        assert_eq!(interleaved(&[1, 2, 3, 11, 12]), addresses(&[1, 11, 2, 12, 3]));
        assert_eq!(interleaved(&[11, 12, 13, 1]), addresses(&[11, 1, 12, 13]));
        assert_eq!(interleaved(&[11, 1, 12, 2]), addresses(&[11, 1, 12, 2]));
        assert_eq!(interleaved(&[1, 2, 3]), addresses(&[1, 2, 3]));
        assert_eq!(interleaved(&[]), addresses(&[]));
    }

    #[test]
    fn listeners_take_the_first_of_ipv4() {
        let mut all = addresses(&[1, 2, 11, 12]);
        prefer_v4(&mut all);
        assert_eq!(all, addresses(&[11, 1, 2, 12]));
        let mut all = addresses(&[1, 2]);
        prefer_v4(&mut all);
        assert_eq!(all, addresses(&[1, 2]));
    }
}
