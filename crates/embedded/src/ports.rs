//! Which TCP port a part listens on.

use crate::{EmbeddedError, Result};
use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

/// Where ports are looked for when the preferred one is taken: below Linux's
/// ephemeral range (32,768 and up), from which any outgoing connection could
/// take a port between its choice and its use.
const RANGE: Range<u16> = 20_000..32_000;

/// How many random ports are tried. The range would have to be nearly full for
/// all of them to be taken.
const TRIES: usize = 200;

/// The preferred port where it is free on loopback, else a free one; never one of `taken`.
pub(crate) fn choose(preferred: Option<u16>, taken: &[u16]) -> Result<u16> {
    let random = (0..TRIES).map(|_| rand::random_range(RANGE));
    preferred.into_iter().chain(random).find(|port| !taken.contains(port) && is_free(*port)).ok_or_else(
        || EmbeddedError::Io {
            doing: format!("looking for a free port in {RANGE:?}"),
            source: io::ErrorKind::AddrInUse.into(),
        },
    )
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_is_not_chosen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        assert_ne!(choose(Some(taken), &[]).unwrap(), taken);
        let free = choose(None, &[]).unwrap();
        assert!(RANGE.contains(&free));
        assert_ne!(choose(Some(free), &[free]).unwrap(), free);
    }
}
