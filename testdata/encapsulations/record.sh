#!/bin/sh
# Records encapsulations that the kernel and Kamailio make, in network namespaces that are removed
# afterwards. As root, with kamailio, kamailio's siptrace, tcpdump, iproute2, nftables, python3.
#   hep-kamailio-1.pcap, -2, -3: Kamailio's siptrace sends what it receives to a collector
#   vxlan-kernel.pcap: two namespaces with a VXLAN between them, recorded below it
#   nflog.pcap: packets that a firewall rule logs, recorded with tcpdump -i nflog
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'ip netns del ss-a 2>/dev/null; ip netns del ss-b 2>/dev/null; rm -rf "$work"' EXIT

ip netns add ss-a
ip netns add ss-b
ip link add va netns ss-a type veth peer name vb netns ss-b
for n in a b; do ip -n ss-$n link set lo up; ip -n ss-$n link set v$n up; done
ip -n ss-a addr add 192.0.2.1/24 dev va
ip -n ss-b addr add 192.0.2.2/24 dev vb

cat > "$work/ask.py" <<'P'
# Sends OPTIONS and a MESSAGE, and answers nothing: python3 ask.py FROM TO PORT COUNT
import socket, sys, time
src, dst, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((src, 5060))
s.settimeout(1)
for n in range(count):
    method = "OPTIONS" if n % 2 == 0 else "MESSAGE"
    body = "" if n % 2 == 0 else "hello\r\n"
    text = (f"{method} sip:b@{dst}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {src}:5060;branch=z9hG4bKask{n}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=f{n}\r\nTo: <sip:b@example.com>\r\n"
            f"Call-ID: ask-{n}@{src}\r\nCSeq: {n + 1} {method}\r\nUser-Agent: ask\r\n"
            + ("Content-Type: text/plain\r\n" if body else "") + f"Content-Length: {len(body)}\r\n\r\n{body}")
    s.sendto(text.encode(), (dst, port))
    try:
        s.recv(65535)
    except OSError:
        pass
    time.sleep(0.05)
P

# Kamailio answers with 200 and sends both to a collector.
for version in 1 2 3; do
    cat > "$work/k.cfg" <<C
debug=1
log_stderror=yes
fork=yes
children=1
listen=udp:192.0.2.2:5060
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "pv.so"
loadmodule "siptrace.so"
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_mode", 1)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", $version)
modparam("siptrace", "hep_capture_id", 7001)
modparam("siptrace", "duplicate_uri", "sip:192.0.2.1:9060")
request_route { sl_send_reply("200", "OK"); }
C
    ip netns exec ss-a tcpdump -q -i va -U -w "$work/hep.pcap" udp port 9060 2>/dev/null & dump=$!
    ip netns exec ss-b kamailio -f "$work/k.cfg" -DD -E -P "$work/k.pid" 2>"$work/k.log" & kamailio=$!
    sleep 2
    ip netns exec ss-a python3 "$work/ask.py" 192.0.2.1 192.0.2.2 5060 4
    sleep 1
    kill $kamailio $dump 2>/dev/null || true
    wait $kamailio $dump 2>/dev/null || true
    cp "$work/hep.pcap" "$here/hep-kamailio-$version.pcap"
done

# VXLAN of the kernel.
ip -n ss-a link add vx type vxlan id 42 dev va local 192.0.2.1 remote 192.0.2.2 dstport 4789
ip -n ss-b link add vx type vxlan id 42 dev vb local 192.0.2.2 remote 192.0.2.1 dstport 4789
for n in a b; do ip -n ss-$n link set vx up; done
ip -n ss-a addr add 198.51.100.1/24 dev vx
ip -n ss-b addr add 198.51.100.2/24 dev vx
ip netns exec ss-b python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('198.51.100.2', 5060))
while True: s.recv(65535)" & sink=$!
ip netns exec ss-a tcpdump -q -i va -U -w "$work/vxlan.pcap" udp port 4789 2>/dev/null & dump=$!
sleep 1
ip netns exec ss-a python3 "$work/ask.py" 198.51.100.1 198.51.100.2 5060 3
sleep 0.5
kill $dump $sink; wait $dump $sink 2>/dev/null || true
cp "$work/vxlan.pcap" "$here/vxlan-kernel.pcap"

# Netfilter log.
ip netns exec ss-a nft add table ip ss
ip netns exec ss-a nft add chain ip ss out '{ type filter hook output priority 0; }'
if ip netns exec ss-a nft add rule ip ss out udp dport 5060 log group 5; then
    ip netns exec ss-a tcpdump -q -i nflog:5 -U -w "$work/nflog.pcap" 2>/dev/null & dump=$!
    sleep 1
    ip netns exec ss-a python3 "$work/ask.py" 192.0.2.1 192.0.2.2 5060 3
    sleep 0.5
    kill $dump; wait $dump 2>/dev/null || true
    cp "$work/nflog.pcap" "$here/nflog.pcap"
fi
ls -l "$here"/hep-kamailio-?.pcap "$here/vxlan-kernel.pcap" "$here/nflog.pcap"
