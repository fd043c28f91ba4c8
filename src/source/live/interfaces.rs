//! What can be captured on. Linux only.

use std::collections::BTreeMap;

use super::NetworkInterface;

/// The interfaces of this machine, those that are up first, and `any` at the end.
pub fn interfaces() -> Vec<NetworkInterface> {
    let mut list: Vec<NetworkInterface> = pnet_datalink::interfaces()
        .into_iter()
        .map(|found| {
            let kind = number_in(&found.name, "type");
            let wireless = std::path::Path::new("/sys/class/net")
                .join(&found.name)
                .join("wireless")
                .exists();
            NetworkInterface {
                description: describe(&found, kind, wireless),
                addresses: found.ips.iter().map(|n| (n.ip(), n.prefix())).collect(),
                mac: found
                    .mac
                    .filter(|_| !found.is_loopback())
                    .map(|mac| mac.to_string()),
                up: found.is_up(),
                running: found.is_running(),
                loopback: found.is_loopback(),
                link_type: kind.and_then(link_type),
                name: found.name,
            }
        })
        .collect();
    list.sort_by_key(|i| (!i.up, i.loopback));
    list.push(NetworkInterface {
        name: "any".into(),
        description: "All interfaces at once; packets may be seen more than once".into(),
        addresses: Vec::new(),
        mac: None,
        up: true,
        running: true,
        loopback: false,
        link_type: Some(113),
    });
    list
}

/// Whether an interface of that name is up; none when there is none.
pub(super) fn is_up(name: &str) -> Option<bool> {
    let all = pnet_datalink::interfaces();
    let found = all.into_iter().find(|found| found.name == name)?;
    Some(found.is_up())
}

/// Packets that each interface has received and sent, since it exists.
pub fn packet_counters() -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let mut numbers = numbers.split_ascii_whitespace();
        let received: u64 = numbers.nth(1)?.parse().ok()?;
        let sent: u64 = numbers.nth(7)?.parse().ok()?;
        Some((name.trim().to_owned(), received.saturating_add(sent)))
    };
    text.lines().filter_map(line).collect()
}

/// A number that the kernel tells of an interface.
fn number_in(name: &str, file: &str) -> Option<u32> {
    let path = std::path::Path::new("/sys/class/net").join(name).join(file);
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// LINKTYPE_ of a kind of device (ARPHRD_ of the kernel), as libpcap chooses it.
fn link_type(kind: u32) -> Option<u16> {
    Some(match kind {
        // Ethernet, loopback.
        1 | 772 => 1,
        // Wireless in its three monitor forms.
        801 => 105,
        802 => 119,
        803 => 127,
        // Nothing before the IP packet: PPP, tunnels, none.
        512 | 768 | 769 | 776 | 778 | 823 | 65534 => 101,
        _ => return None,
    })
}

fn describe(found: &pnet_datalink::NetworkInterface, kind: Option<u32>, wireless: bool) -> String {
    let link = std::path::Path::new("/sys/class/net").join(&found.name);
    let words = match kind {
        _ if found.is_loopback() => "This machine with itself",
        _ if wireless => "Wireless",
        _ if link.join("bridge").exists() => "Bridge",
        _ if found.name.starts_with("veth") => "Link to a container",
        _ if link.join("tun_flags").exists() => "Tunnel of a program (VPN)",
        Some(1) if link.join("device").exists() => "Ethernet",
        Some(1) => "Virtual Ethernet",
        Some(512) => "Point to point (PPP)",
        Some(768 | 769 | 776 | 778 | 823) => "IP tunnel",
        Some(801..=803) => "Wireless, monitor mode",
        _ => "",
    };
    words.to_owned()
}
