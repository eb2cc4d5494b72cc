//! Whether a broker can be used: the smallest exchange of the Kafka protocol that tells.
//!
//! A port that accepts connections is not enough: the broker is fenced until
//! its controller knows it, and a client that comes earlier gets no
//! leader for any partition. A metadata response lists a broker once it is not fenced.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// A broker on loopback that takes longer is not ready.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Metadata request, version 1 (<https://kafka.apache.org/protocol#The_Messages_Metadata>):
/// length, api key 3, version 1, correlation id, no client id, no topics.
const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0];

/// Whether the broker on this port serves clients now.
pub(super) fn serves(port: u16) -> bool {
    brokers(port).is_ok_and(|count| count > 0)
}

fn brokers(port: u16) -> io::Result<i32> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(&REQUEST)?;
    // Length, correlation id, number of brokers; what follows is not needed.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let [_, _, _, _, _, _, _, _, a, b, c, d] = answer;
    Ok(i32::from_be_bytes([a, b, c, d]))
}
