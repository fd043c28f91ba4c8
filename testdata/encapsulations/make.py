#!/usr/bin/env python3
"""Puts recorded SIP into encapsulations with scapy, and writes what must come out (truth.json).

The messages are those of ../captures (recordings of SIPp); truth is what tshark says of the plain
recording, packet by packet. Where tshark reads the encapsulation too, it has to say the same of the
file that was made; where it does not, the file is listed in TSHARK_CANNOT with the reason.

Needs scapy (pip install scapy cryptography) and tshark. `make.py NAME...` makes only those.
The others in this folder are recordings: see record.sh.
"""

import json, os, random, struct, subprocess, sys, zlib, gzip

from scapy.all import (
    IP, IPv6, TCP, UDP, Dot1AD, Dot1Q, Ether, GRE, LLC, SNAP, Raw, PPPoE, PPP, SCTP, SCTPChunkData,
    L2TP, conf, rdpcap, wrpcap, fragment,
)
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.ipsec import ESP, AH, SecurityAssociation
from scapy.layers.vxlan import VXLAN

conf.verb = 0
HERE = os.path.dirname(os.path.abspath(__file__))
CAPTURES = os.path.join(HERE, "..", "captures")
A, B = "198.51.100.201", "198.51.100.202"
A6, B6 = "2001:db8:ffff::a", "2001:db8:ffff::b"
ETH = dict(src="00:00:5e:00:53:a1", dst="00:00:5e:00:53:b2")


def source(case):
    folder = os.path.join(CAPTURES, case)
    name = next(n for n in os.listdir(folder) if n.startswith("capture."))
    return os.path.join(folder, name)


def packets(case):
    """IP packets of a recording, with their times."""
    out = []
    for p in rdpcap(source(case)):
        layer = p.getlayer(IP) or p.getlayer(IPv6)
        if layer is not None:
            ip = layer.__class__(bytes(layer))
            ip.time = p.time
            out.append(ip)
    return out


def facts(path, options=()):
    """What tshark says: frame, method or status, Call-ID, CSeq, addresses and ports, innermost."""
    fields = ["frame.number", "frame.protocols", "sip.Method", "sip.Status-Code", "sip.Call-ID", "sip.CSeq.seq", "ip.src",
              "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport", "tcp.srcport",
              "tcp.dstport", "sctp.srcport", "sctp.dstport"]
    command = ["tshark", "-n", "-r", path, "-Y", "sip", "-T", "fields", "-E", "occurrence=a",
               "-E", "separator=/t", "-E", "aggregator=|"]
    for option in options:
        command += ["-d" if "==" in option else "-o", option]
    for field in fields:
        command += ["-e", field]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        print(f"{os.path.basename(path)}: {ran.stderr.splitlines()[-1]}")
    lines = ran.stdout.splitlines()
    out = []
    for line in lines:
        v = dict(zip(fields, [w.split("|") for w in line.split("\t")]))
        last = lambda name: v[name][-1]
        v6 = last("frame.protocols").rfind(":ipv6") > last("frame.protocols").rfind(":ip:")
        src, dst = (last("ipv6.src"), last("ipv6.dst")) if v6 else (last("ip.src"), last("ip.dst"))
        for kind in ("sctp", "tcp", "udp"):
            if last(kind + ".srcport"):
                break
        ends = [f"[{ip}]:{port}" if v6 else f"{ip}:{port}" for ip, port in
                ((src, last(kind + ".srcport")), (dst, last(kind + ".dstport")))]
        for i, call_id in enumerate(v["sip.Call-ID"]):
            what = v["sip.Method"][i] if i < len(v["sip.Method"]) and v["sip.Method"][i] else v["sip.Status-Code"][i]
            out.append([int(last("frame.number")), what, call_id, int(v["sip.CSeq.seq"][i]), *ends, kind.upper()])
    return out


CASES = {}
TSHARK_OPTIONS = {
    "esp-null-sha1": ["esp.enable_null_encryption_decode_heuristic:TRUE"],
    "esp-null-sha256-tunnel": ["esp.enable_null_encryption_decode_heuristic:TRUE"],
    "esp-null-tcp": ["esp.enable_null_encryption_decode_heuristic:TRUE"],
    "esp-null-udp4500": ["esp.enable_null_encryption_decode_heuristic:TRUE"],
    "vxlan-8472": ["udp.port==8472,vxlan"],
}
TSHARK_CANNOT = {}


def case(from_="busy-486", linktype=1, transport=None, snap=None):
    def put(make):
        CASES[make.__name__.replace("_", "-")] = (make, from_, linktype, transport, snap)
        return make
    return put


def outer(proto=None):
    return Ether(**ETH) / IP(src=A, dst=B, **({"proto": proto} if proto else {}))


# Links ------------------------------------------------------------------------------------------
@case()
def qinq(i, p): return Ether(**ETH, type=0x88a8) / Dot1AD(vlan=100) / Dot1Q(vlan=200) / p
@case()
def vlan_three(i, p): return Ether(**ETH) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / p
@case()
def llc_snap(i, p):
    body = LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=0x0800) / p
    return bytes.fromhex("0000005e53b2" "0000005e53a1") + struct.pack("!H", len(body)) + bytes(body)
@case()
def pppoe(i, p): return Ether(**ETH) / PPPoE(sessionid=7) / PPP(proto=0x21) / p
@case()
def mpls_two(i, p): return Ether(**ETH) / MPLS(label=1000, s=0, ttl=63) / MPLS(label=2000, s=1, ttl=63) / p
@case()
def mpls_ethernet(i, p):
    return Ether(**ETH) / MPLS(label=77, s=1, ttl=63) / Raw(b"\0\0\0\0") / Ether(src="00:00:5e:00:53:01", dst="00:00:5e:00:53:02") / p
@case()
def mpls_ethernet_bare(i, p):
    return Ether(**ETH) / MPLS(label=77, s=1, ttl=63) / Ether(src="00:00:5e:00:53:01", dst="00:00:5e:00:53:02") / p
@case(linktype=9)
def ppp(i, p): return b"\xff\x03\x00\x21" + bytes(p)
@case(linktype=104)
def chdlc(i, p): return b"\x0f\x00\x08\x00" + bytes(p)
@case(linktype=219)
def mpls_link(i, p): return MPLS(label=2000, s=1, ttl=63) / p
@case(linktype=51)
def pppoe_link(i, p): return bytes(PPPoE(sessionid=7) / PPP(proto=0x21) / p)

# IP protocols -----------------------------------------------------------------------------------
@case()
def gre(i, p): return outer() / GRE(proto=0x0800) / p
@case(from_="tcp")
def gre_key_seq_csum(i, p):
    return outer() / GRE(chksum_present=1, key_present=1, seqnum_present=1, key=4711, sequence_number=i, proto=0x0800) / p
@case()
def gre_ethernet(i, p): return outer() / GRE(proto=0x6558, key_present=1, key=0x123400) / Ether(**ETH) / p
@case()
def gre_pptp(i, p):
    inner = b"\xff\x03\x00\x21" + bytes(p)
    return outer(47) / Raw(struct.pack("!HHHHI", 0x3001, 0x880b, len(inner), 99, i) + inner)
@case()
def erspan2(i, p):
    return outer() / GRE(proto=0x88be, seqnum_present=1, sequence_number=i) / ERSPAN_II(vlan=5, session_id=30) / Ether(**ETH) / p
@case()
def erspan3(i, p):
    return outer() / GRE(proto=0x22eb, seqnum_present=1, sequence_number=i) / ERSPAN_III(vlan=5, session_id=31) / Ether(**ETH) / p
@case()
def ip_in_ip(i, p): return outer() / p
@case(from_="ipv6")
def sixinfour(i, p): return outer() / p
@case()
def fourinsix(i, p): return Ether(**ETH) / IPv6(src=A6, dst=B6, nh=4) / p
@case(from_="ipv6")
def sixinsix(i, p): return Ether(**ETH) / IPv6(src=A6, dst=B6, nh=41) / p
@case()
def etherip(i, p): return outer(97) / Raw(b"\x30\x00") / Ether(**ETH) / p
@case()
def l2tp3_ip(i, p): return outer(115) / Raw(struct.pack("!I", 5000)) / Ether(**ETH) / p
@case()
def l2tp3_ip_cookie8(i, p): return outer(115) / Raw(struct.pack("!I", 5000) + b"\x8f\x11\x9a\x03\xc0\x77\xee\x10") / Ether(**ETH) / p
@case()
def mpls_in_ip(i, p): return outer(137) / MPLS(label=2000, s=1, ttl=63) / p
@case()
def ah(i, p):
    sa = SecurityAssociation(AH, spi=0x77, auth_algo="HMAC-SHA1-96", auth_key=b"k" * 20)
    return Ether(**ETH) / sa.encrypt(p)
@case(from_="tcp")
def ipip_sixteen(i, p):
    for n in range(16):
        p = IP(src=f"198.51.100.{n + 1}", dst=f"198.51.100.{n + 101}") / p
    return Ether(**ETH) / p

# ESP with NULL encryption -----------------------------------------------------------------------
def esp(p, auth, key, **more):
    sa = SecurityAssociation(ESP, spi=0x1001, crypt_algo="NULL", auth_algo=auth, auth_key=key, **more)
    return sa.encrypt(p)
@case()
def esp_null_sha1(i, p): return Ether(**ETH) / esp(p, "HMAC-SHA1-96", b"k" * 20)
@case(from_="tcp")
def esp_null_tcp(i, p): return Ether(**ETH) / esp(p, "HMAC-MD5-96", b"k" * 16)
@case()
def esp_null_sha256_tunnel(i, p):
    return Ether(**ETH) / esp(p, "SHA2-256-128", b"k" * 32, tunnel_header=IP(src=A, dst=B))
@case()
def esp_null_udp4500(i, p):
    return Ether(**ETH) / esp(p, "HMAC-SHA1-96", b"k" * 20, nat_t_header=UDP(sport=4500, dport=4500))

# UDP --------------------------------------------------------------------------------------------
@case()
def vxlan(i, p): return outer() / UDP(sport=40000, dport=4789) / VXLAN(vni=4096, flags=8) / Ether(**ETH) / p
@case()
def vxlan_8472(i, p): return outer() / UDP(sport=40000, dport=8472) / VXLAN(vni=9, flags=8) / Ether(**ETH) / Dot1Q(vlan=3) / p
@case()
def geneve(i, p): return outer() / UDP(sport=40000, dport=6081) / GENEVE(vni=77, proto=0x6558) / Ether(**ETH) / p
@case()
def gtpu(i, p): return outer() / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=0xabcd, gtp_type=255) / p
@case()
def gtpu_extension(i, p):
    return outer() / UDP(sport=2152, dport=2152) / GTP_U_Header(
        teid=0xabcd, gtp_type=255, E=1, S=1, seq=i, next_ex=0x85) / GTPPDUSessionContainer(type=1, QFI=5) / p
@case()
def l2tp2(i, p):
    inner = b"\xff\x03\x00\x21" + bytes(p)
    head = struct.pack("!HHHH", 0x4002, 8 + len(inner), 11, 22)
    return outer() / UDP(sport=1701, dport=1701) / Raw(head + inner)
@case()
def l2tp2_sequence_offset(i, p):
    inner = b"\x00\x21" + bytes(p)
    head = struct.pack("!HHHHHHHH", 0x4a02, 16 + 4 + len(inner), 11, 22, i, 0, 4, 0)[:14] + struct.pack("!H", 4) + b"\0" * 4
    head = struct.pack("!HHHHHHH", 0x4a02, 14 + 4 + len(inner), 11, 22, i, 0, 4) + b"\0" * 4
    return outer() / UDP(sport=1701, dport=1701) / Raw(head + inner)
@case()
def l2tp3_udp(i, p):
    return outer() / UDP(sport=1701, dport=1701) / Raw(struct.pack("!HHI", 3, 0, 6000)) / Ether(**ETH) / p
@case()
def mpls_in_udp(i, p): return outer() / UDP(sport=50000, dport=6635) / MPLS(label=2000, s=1, ttl=63) / p
@case()
def tzsp(i, p): return outer() / UDP(sport=40000, dport=37008) / Raw(b"\x01\x00\x00\x01\x0a\x01\x30\x01") / Ether(**ETH) / p
@case(from_="fragments")
def vxlan_fragments(i, p): return outer() / UDP(sport=40000, dport=4789) / VXLAN(vni=4096, flags=8) / Ether(**ETH) / p

# The outer packet is cut into fragments: frames are counted anew.
@case()
def gtpu_outer_fragments(i, p):
    whole = IP(src=A, dst=B, id=i + 1) / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=0xabcd, gtp_type=255) / p
    return [Ether(**ETH) / f for f in fragment(IP(bytes(whole)), 200)]
@case(from_="tcp")
def gre_outer_fragments(i, p):
    whole = IP(src=A, dst=B, id=i + 1) / GRE(proto=0x0800) / p
    return [Ether(**ETH) / f for f in fragment(IP(bytes(whole)), 200)]

# SCTP -------------------------------------------------------------------------------------------
def ends(p):
    return IP(src=p.src, dst=p.dst), SCTP(sport=p[UDP].sport, dport=p[UDP].dport, tag=1 + sum(map(int, p.src.split("."))))
@case(transport="SCTP")
def sctp(i, p):
    ip, head = ends(p)
    return Ether(**ETH) / ip / head / SCTPChunkData(tsn=i, beginning=1, ending=1, stream_id=i % 3, stream_seq=i // 3, data=bytes(p[UDP].payload))
@case(transport="SCTP")
def sctp_fragments(i, p):
    """Three chunks of each message, the second one sent twice, mostly the last of them first."""
    ip, head = ends(p)
    data = bytes(p[UDP].payload)
    cuts = [data[:100], data[100:250], data[250:]]
    chunks = [SCTPChunkData(tsn=1000 * 65536 * 65 + 3 * i + n, stream_id=i, stream_seq=0, proto_id=46, beginning=n == 0,
                            ending=n == 2, data=part) for n, part in enumerate(cuts)]
    # tshark takes all that comes before the first number it has seen for old.
    first = not any((p.src, p.dst) == (q.src, q.dst) for q in packets("busy-486")[:i])
    order = (0, 1, 1, 2) if first else (2, 1, 1, 0)
    return [Ether(**ETH) / ip / head / chunks[n] for n in order]
@case(transport="SCTP")
def sctp_bundle(i, p):
    """Two messages of other protocols around the message, in one packet, unordered."""
    ip, head = ends(p)
    tsn = 0xfffffffd + 3 * i & 0xffffffff
    chunk = lambda n, data: SCTPChunkData(tsn=tsn + n & 0xffffffff, stream_id=9, stream_seq=0, unordered=1, beginning=1, ending=1, data=data)
    return Ether(**ETH) / ip / head / chunk(0, b"M3UA or so") / chunk(1, bytes(p[UDP].payload)) / chunk(2, b"\0\1\2\3\4")
@case(transport="SCTP")
def sctp_in_udp(i, p):
    ip, head = ends(p)
    return Ether(**ETH) / ip / UDP(sport=9899, dport=9899) / head / SCTPChunkData(tsn=i, beginning=1, ending=1, stream_id=0, stream_seq=i, data=bytes(p[UDP].payload))

# Tags of switches, other links, other tunnels in UDP ------------------------------------------------
def tagged(kind, head, p): return Ether(**ETH, type=kind) / Raw(head + b"\x08\x00" + bytes(p))
@case()
def cisco_metadata(i, p): return tagged(0x8909, bytes([1, 1, 0, 1, 0, 5]), p)
@case()
def vntag(i, p): return tagged(0x8926, struct.pack("!I", 0x80010002), p)
@case()
def hsr(i, p): return tagged(0x892f, struct.pack("!HH", len(p) + 6, i), p)
@case()
def macsec_sci(i, p): return tagged(0x88e5, bytes([0x20, 0]) + struct.pack("!I", i) + bytes(8), p) / Raw(bytes(16))
@case()
def fabricpath(i, p): return Ether(**ETH, type=0x8903) / Raw(struct.pack("!H", 0x0401)) / Ether(**ETH) / p
@case()
def nsh(i, p): return Ether(**ETH, type=0x894f) / Raw(bytes([0x0f, 0xc6, 1, 3]) + struct.pack("!I", 9 << 8 | 255) + bytes(16)) / Ether(**ETH) / p
@case(linktype=105)
def wlan(i, p): return Raw(b"\x08\x01\0\0" + b"\0\0\x5e\0\x53\1" * 3 + b"\0\0" + bytes.fromhex("aaaa030000000800") + bytes(p))
@case(linktype=127)
def radiotap_qos(i, p):
    return Raw(struct.pack("<BBHI", 0, 0, 8, 0) + b"\x88\x01\0\0" + b"\0\0\x5e\0\x53\1" * 3 + b"\0\0\0\0" + bytes.fromhex("aaaa030000000800") + bytes(p))
@case(linktype=107)
def frame_relay(i, p): return Raw(bytes.fromhex("184103cc") + bytes(p))
@case(linktype=204)
def ppp_with_direction(i, p): return Raw(bytes([i & 1]) + b"\xff\x03\x00\x21" + bytes(p))
@case(linktype=100)
def atm_llc(i, p): return Raw(bytes.fromhex("aaaa030000000800") + bytes(p))
@case()
def gre_in_udp(i, p): return outer() / UDP(sport=40000, dport=4754) / GRE(proto=0x0800) / p
@case(from_="ipv6")
def teredo(i, p): return outer() / UDP(sport=51413, dport=3544) / p
@case()
def esp_null_gmac(i, p):
    sa = SecurityAssociation(ESP, spi=0x1001, crypt_algo="AES-NULL-GMAC", crypt_key=b"k" * 16 + b"salt")
    return Ether(**ETH) / sa.encrypt(p)
@case()
def erspan1(i, p): return outer() / GRE(proto=0x88be) / Ether(**ETH) / p
@case()
def vlan_pppoe(i, p): return Ether(**ETH) / Dot1Q(vlan=7) / PPPoE(sessionid=3) / PPP(proto=0x21) / p
@case()
def vxlan_gre_ipip(i, p):
    return (outer() / UDP(sport=5555, dport=4789) / VXLAN(vni=5, flags=8) / Ether(**ETH) / IP(src="198.51.100.11", dst="198.51.100.12")
            / GRE(proto=0x0800, key_present=1, key=1) / IP(src="198.51.100.13", dst="198.51.100.14") / p)

# HEP, written from its description ----------------------------------------------------------------
def chunk(kind, data, vendor=0): return struct.pack("!HHH", vendor, kind, 6 + len(data)) + data
def hep3(p, payload, kind=15, protocol=17):
    at = int(p.time * 1000000)
    v6 = p.version == 6
    import socket
    pack = lambda a: socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, a)
    body = (chunk(1, bytes([10 if v6 else 2])) + chunk(2, bytes([protocol])) + chunk(5 if v6 else 3, pack(p.src)) + chunk(6 if v6 else 4, pack(p.dst))
            + chunk(7, struct.pack("!H", p.sport)) + chunk(8, struct.pack("!H", p.dport))
            + chunk(9, struct.pack("!I", at // 1000000)) + chunk(10, struct.pack("!I", at % 1000000))
            + chunk(11, b"\1") + chunk(12, struct.pack("!I", 2001)) + chunk(14, b"secret") + chunk(0x13, b"edge-1")
            + chunk(7, b"private", vendor=42) + chunk(kind, payload))
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body
def to_collector(data): return outer() / UDP(sport=33333, dport=9060) / Raw(data)
@case()
def hep3_plain(i, p): return to_collector(hep3(p, bytes(p[UDP].payload)))
@case(from_="ipv6")
def hep3_ipv6(i, p): return to_collector(hep3(p, bytes(p[UDP].payload)))
@case()
def hep3_zlib(i, p): return to_collector(hep3(p, zlib.compress(bytes(p[UDP].payload)), 16))
@case()
def hep3_gzip(i, p): return to_collector(hep3(p, gzip.compress(bytes(p[UDP].payload)), 16))
@case()
def hep2_little(i, p):
    import socket
    at = int(p.time * 1000000)
    head = struct.pack("!BBBBHH", 2, 16, 2, 17, p.sport, p.dport) + socket.inet_aton(p.src) + socket.inet_aton(p.dst)
    return to_collector(head + struct.pack("<IIHH", at // 1000000, at % 1000000, 101, 0) + bytes(p[UDP].payload))
@case()
def hep1(i, p):
    import socket
    head = struct.pack("!BBBBHH", 1, 16, 2, 17, p.sport, p.dport) + socket.inet_aton(p.src) + socket.inet_aton(p.dst)
    return to_collector(head + bytes(p[UDP].payload))
@case()
def hep3_in_gre(i, p): return outer() / GRE(proto=0x0800) / IP(src="192.0.2.200", dst="192.0.2.201") / UDP(sport=33333, dport=9060) / Raw(hep3(p, bytes(p[UDP].payload)))

HEP_OVER_TCP = ("hep3-tcp", "hep3-tcp-split")
for name in [*CASES, *HEP_OVER_TCP]:
    if name.startswith("hep"):
        TSHARK_CANNOT[name] = "tshark 4.0.17 has no dissector for HEP"
TSHARK_CANNOT["esp-null-gmac"] = "tshark does not look behind the initialisation vector"
TSHARK_CANNOT["mpls-link"] = "tshark does not know this link type"
for name in ("l2tp3-ip", "l2tp3-ip-cookie8", "l2tp3-udp"):
    TSHARK_CANNOT[name] = "tshark learns from control messages what the pseudowire carries"
TSHARK_CANNOT["mpls-ethernet-bare"] = "tshark takes the address for a control word"


def hep_over_tcp(name):
    """All HEP packets of a recording on one TCP connection, cut at 700 octets or as they are."""
    parts = [hep3(p, bytes(p[UDP].payload)) for p in packets("busy-486") if UDP in p]
    stream = b"".join(parts)
    step = 700
    cuts = [stream[at:at + step] for at in range(0, len(stream), step)] if name.endswith("split") else parts
    way = dict(sport=45000, dport=9060)
    out = [outer() / TCP(**way, flags="S", seq=1000)]
    seq = 1001
    for part in cuts:
        out.append(outer() / TCP(**way, flags="PA", seq=seq, ack=1) / Raw(part))
        seq += len(part)
    for n, packet in enumerate(out):
        packet.time = 1700000000 + n / 1000
    at, ends_at = 0, []
    seen = []
    for n, part in enumerate(cuts):
        at += len(part)
        seen.append((at, n + 2))
    end = 0
    for part in parts:
        end += len(part)
        ends_at.append(next(frame for at, frame in seen if at >= end))
    return out, ends_at


def write(name):
    path = os.path.join(HERE, name + ".pcap")
    if name in HEP_OVER_TCP:
        out, frames = hep_over_tcp(name)
        wrpcap(path, out, linktype=1)
        plain = facts(source("busy-486"))
        return [[frame, *rest[1:]] for frame, rest in zip(frames, plain)]
    make, from_, linktype, transport, snap = CASES[name]
    out, number = [], {}
    random.seed(1)
    for i, p in enumerate(packets(from_)):
        made = make(i, p.copy() if hasattr(p, "copy") else p)
        made = made if isinstance(made, list) else [made]
        for m in made:
            m = Raw(m) if isinstance(m, bytes) else m
            m.time = p.time
            out.append(m)
        number[i + 1] = len(out)
    wrpcap(path, out, linktype=linktype)
    plain = facts(source(from_))
    truth = [[number[f[0]], *f[1:]] for f in plain]
    if transport:
        truth = [[*f[:-1], transport] for f in truth]
    return truth


def main():
    names = sys.argv[1:] or [*CASES, *HEP_OVER_TCP]
    path = os.path.join(HERE, "truth.json")
    truth = json.load(open(path)) if os.path.exists(path) else {}
    wrong = 0
    for name in names:
        expected = write(name)
        theirs = facts(os.path.join(HERE, name + ".pcap"), TSHARK_OPTIONS.get(name, ()))
        agrees = theirs == expected
        said = "tshark says the same" if agrees else TSHARK_CANNOT.get(name)
        if said is None:
            wrong += 1
            print(f"{name}: tshark differs:\n  expected {expected[:3]}\n  tshark   {theirs[:3]} ({len(theirs)} of {len(expected)})")
        truth[name + ".pcap"] = {"messages": expected, "tshark": agrees, "why": None if agrees else said}
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(truth.items())) + "\n}\n")
    print(f"{len(names)} files, {wrong} differ from tshark")


main()
