//! What the kernel threw away of a socket of UDP, as `/proc/net/udp` tells. Pure.

/// Datagrams that were dropped at the socket with this inode: the tenth and the last column of its line.
pub fn dropped(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    let line = table.lines().find(|line| line.split_ascii_whitespace().nth(9) == Some(&inode))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drops_of_a_socket_stand_at_the_end_of_its_line() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
                     4711: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31337 2 0000000000000000 42\n \
                     4712: 0100007F:158B 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31338 2 0000000000000000 0\n";
        assert_eq!((dropped(table, 31337), dropped(table, 31338), dropped(table, 7)), (Some(42), Some(0), None));
    }
}
