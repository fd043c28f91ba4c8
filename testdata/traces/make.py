#!/usr/bin/env python3
"""Composes the text traces of this folder: the same short call as each system would log it.

    python3 make.py            writes all but those of tshark and tcpdump
    python3 make.py --tools    also prints ../../assets/samples/failed-call.pcap with tshark and tcpdump

The formats were learned from public documents and from the code of the programs; no line is copied.
"""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
CALL = "trace-{}@192.0.2.10"


def invite(name, transport="UDP", body=True):
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
        "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )
    head = [
        "INVITE sip:bob@example.com SIP/2.0",
        f"Via: SIP/2.0/{transport} 192.0.2.10:5060;branch=z9hG4bK-{name};rport",
        "Max-Forwards: 70",
        'From: "Alice" <sip:alice@example.com>;tag=a1',
        "To: <sip:bob@example.com>",
        f"Call-ID: {CALL.format(name)}",
        "CSeq: 1 INVITE",
        "Contact: <sip:alice@192.0.2.10:5060>",
    ]
    if body:
        head += ["Content-Type: application/sdp", f"Content-Length: {len(sdp)}"]
        return "\r\n".join(head) + "\r\n\r\n" + sdp
    return "\r\n".join(head + ["Content-Length: 0"]) + "\r\n\r\n"


def busy(name, transport="UDP"):
    return "\r\n".join([
        "SIP/2.0 486 Busy Here",
        f"Via: SIP/2.0/{transport} 192.0.2.10:5060;branch=z9hG4bK-{name};rport=5060",
        'From: "Alice" <sip:alice@example.com>;tag=a1',
        "To: <sip:bob@example.com>;tag=b1",
        f"Call-ID: {CALL.format(name)}",
        "CSeq: 1 INVITE",
        "Content-Length: 0",
    ]) + "\r\n\r\n"


def unix(text):
    return text.replace("\r\n", "\n")


def indent(text, by):
    return "".join(by + line if line.strip() else line for line in unix(text).splitlines(True))


def write(file, text):
    (HERE / file).write_bytes(text.encode() if isinstance(text, str) else text)


def both(name, one, two, transport="UDP"):
    """A received INVITE behind `one`, the answer behind `two`."""
    return f"{one}{unix(invite(name, transport))}\n{two}{unix(busy(name, transport))}\n"


def main():
    write("plain.txt", both("plain", "A call that fails:\n\n", "and what came back:\n\n"))
    write("plain-prefix.log", "".join(
        f"May  2 09:41:{2 + n:02} pbx sipd[411]: {line}\n"
        for n, text in enumerate([invite("prefix", body=False), busy("prefix")])
        for line in unix(text).rstrip("\n").split("\n") + [""]))
    write("plain-marks.txt", "1: " + invite("marks", body=False).strip().replace("\r\n", "<CRLF>\n2: ")
          + "<CRLF>\n3: <CRLF>\n")
    write("plain-escaped.html", "<pre>" + unix(invite("escaped", body=False))
          .replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") + "</pre>\n")
    write("plain-utf16.txt", ("\ufeff" + invite("utf16")).encode("utf-16-le"))

    def record(when, way, peer, text):
        lines = unix(text).split("\n\n", 1)
        head = lines[0].split("\n")
        body = lines[1] if len(lines) > 1 and lines[1].strip() else "-\n"
        return (
            f"TL_INFO(TF_PROTOCOL) [0]0A1C.1B2C::05/02/2026-09:41:{when}.000000a1 "
            f"(SIPStack,SIPAdminLog::TraceProtocolRecord:SIPAdminLog.cpp(125))$$begin_record\n"
            f"Trace-Correlation-Id: 4711\nInstance-Id: 000000{when[:2]}\n"
            f"Direction: {way}\nPeer: {peer}\nMessage-Type: "
            f"{'response' if head[0].startswith('SIP/') else 'request'}\nStart-Line: {head[0]}\n"
            + "\n".join(head[1:]) + f"\nMessage-Body: {body}$$end_record\n\n")
    write("lync-server.log",
          record("02.101.00000001", "incoming", "192.0.2.10:5060", invite("lync-server", "TLS"))
          + record("02.140.00000002", "outgoing", "192.0.2.10:5060", busy("lync-server", "TLS")))

    def client(when, what, way, text):
        return (f"05/02/2026|09:41:{when} 1A4:1B8 INFO  :: {what} - 192.0.2.20:5061 "
                f"({way} Local Address: 192.0.2.10:50123) {len(text)} bytes:\n"
                f"05/02/2026|09:41:{when} 1A4:1B8 INFO  :: \n{unix(text)}"
                f"05/02/2026|09:41:{when} 1A4:1B8 INFO  :: End of {what} - 192.0.2.20:5061 "
                f"({way} Local Address: 192.0.2.10:50123) {len(text)} bytes\n")
    write("lync-client.log", client("02.101", "Sending Packet", "From", invite("lync-client", "TLS"))
          + client("02.140", "Data Received", "To", busy("lync-client", "TLS")))

    write("asterisk-chan-sip.txt", both(
        "chan-sip", "<--- SIP read from UDP:192.0.2.10:5060 --->\n",
        "<------------->\n--- (10 headers 7 lines) ---\n\n"
        "<--- Transmitting (no NAT) to 192.0.2.10:5060 --->\n") + "<------------>\n")
    write("asterisk-pjsip.txt", both(
        "pjsip", "[May  2 09:41:02] VERBOSE[2211] res_pjsip_logger.c: "
        "<--- Received SIP request (9999 bytes) from UDP:192.0.2.10:5060 --->\n",
        "[May  2 09:41:02] VERBOSE[2211] res_pjsip_logger.c: "
        "<--- Transmitting SIP response (1 bytes) to UDP:192.0.2.10:5060 --->\n"))
    rule = "   " + "-" * 72 + "\n"
    write("freeswitch.txt",
          "recv 480 bytes from udp/[192.0.2.10]:5060 at 09:41:02.101000:\n" + rule
          + indent(invite("freeswitch"), "   ") + rule
          + "send 260 bytes to udp/[192.0.2.10]:5060 at 09:41:02.140000:\n" + rule
          + indent(busy("freeswitch"), "   ") + rule)
    write("cisco-ios.txt", both(
        "ios", "00:11:29: //-1/xxxxxxxxxxxx/SIP/Msg/ccsipDisplayMsg:\nReceived:\n",
        "00:11:30: //-1/xxxxxxxxxxxx/SIP/Msg/ccsipDisplayMsg:\nSent:\n"))
    write("cisco-ios-xe.txt", both(
        "ios-xe", "1: 1101 05/02/26 09:41:02.101 UTC: //8/xxxxxxxxxxxx/SIP/Msg/ccsipDisplayMsg:\n"
        "Received: SIP UDP message from 192.0.2.10:5060 to 192.0.2.20:5060\n",
        "2: 1102 05/02/26 09:41:02.140 UTC: //8/xxxxxxxxxxxx/SIP/Msg/ccsipDisplayMsg:\n"
        "Sent: SIP UDP message from 192.0.2.20:5060 to 192.0.2.10:5060\n"))
    write("cucm.txt", both(
        "cucm", "00000101.006 |09:41:02.101 |AppInfo  |SIPTcp - wait_SdlReadRsp: Incoming SIP TCP "
        "message from 192.0.2.10 on port 5060 index 3 with 999 bytes:\n[4711,NET]\n",
        "00000102.001 |09:41:02.140 |AppInfo  |SIPTcp - wait_SdlSPISignal: Outgoing SIP TCP message "
        "to 192.0.2.10 on port 5060 index 3 \n[4712,NET]\n", "TCP"))
    expressway = ('2026-05-02T09:41:02.{}+00:00 vcs tvcs: UTCTime="2026-05-02 09:41:02,{}" '
                  'Module="network.sip" Level="DEBUG":  Action="{}" Local-ip="192.0.2.20" '
                  'Local-port="5061" {}-ip="192.0.2.10" {}-port="5060" Msg-Hash="1"\n SIPMSG:\n')
    write("expressway.log", "".join(
        expressway.format(ms, ms, action, side, side)
        + "".join(f" |{line}\n" for line in unix(text).rstrip("\n").split("\n"))
        + " |\n"
        for ms, action, side, text in [
            ("101", "Received", "Src", invite("expressway", "TLS")),
            ("140", "Sent", "Dst", busy("expressway", "TLS"))]))
    audio = ('<133>[S=10{n}] [SID=a1b2c3:1:7]  (N  41{n}) ---- {way} SIP Message {to} 192.0.2.10:5060 '
             '{at} SIPInterface #0 (SBC) UDP TO(#1) SocketID(5) ---- #012{text} [Time:02-05@09:41:02.{ms}]\n')
    write("audiocodes.log", "".join(
        audio.format(n=n, way=way, to=to, at=at, ms=ms, text=unix(text).replace("\n", " #012"))
        for n, way, to, at, ms, text in [
            (1, "Incoming", "from", "to", "101", invite("audiocodes")),
            (2, "Outgoing", "to", "from", "140", busy("audiocodes"))]))
    write("acme-sipmsg.log", both(
        "acme", "May  2 09:41:02.101 On [1:0]192.0.2.20:5060 received from 192.0.2.10:5060\n",
        "\n----------------------------------------\n"
        "May  2 09:41:02.140 On [1:0]192.0.2.20:5060 sent to 192.0.2.10:5060\n")
        + "\n----------------------------------------\n")
    write("linphone.log", both(
        "linphone", "2026-05-02 09:41:02:101 belle-sip-message-channel [0x7f00]: message sent to "
        "[UDP://192.0.2.20:5060], size: [480] bytes\n",
        "2026-05-02 09:41:02:140 belle-sip-message-channel [0x7f00]: received [260] new bytes from "
        "[UDP://192.0.2.20:5060]:\n").replace("belle-sip-message-channel", "channel"))
    write("pjsua.log", both(
        "pjsua", "09:41:02.101           pjsua_core.c  ....TX 480 bytes Request msg "
        "INVITE/cseq=1 (tdta0x55d0) to UDP 192.0.2.20:5060:\n",
        "--end msg--\n09:41:02.140           pjsua_core.c  .RX 260 bytes Response msg "
        "486/INVITE/cseq=1 (rdata0x7f1c) from UDP 192.0.2.20:5060:\n") + "--end msg--\n")
    write("baresip.txt", both(
        "baresip", "UDP 192.0.2.10:5060 -> 192.0.2.20:5060\n",
        "UDP 192.0.2.20:5060 -> 192.0.2.10:5060\n"))
    write("sipp-messages.log",
          "-" * 47 + " 2026-05-02 09:41:02.101000\nUDP message sent (480 bytes):\n\n"
          + unix(invite("sipp")) + "\n" + "-" * 47 + " 2026-05-02 09:41:02.140000\n"
          "UDP message received [260] bytes :\n\n" + unix(busy("sipp")) + "\n")
    write("sngrep.txt", both(
        "sngrep", "2026/05/02 09:41:02.101000 192.0.2.10:5060 -> 192.0.2.20:5060\n",
        "2026/05/02 09:41:02.140000 192.0.2.20:5060 -> 192.0.2.10:5060\n"))
    write("ngrep.txt", both(
        "ngrep", "interface: any\nfilter: ( udp ) and port 5060\n\n"
        "U 2026/05/02 09:41:02.101000 192.0.2.10:5060 -> 192.0.2.20:5060 #1\n",
        "U 2026/05/02 09:41:02.140000 192.0.2.20:5060 -> 192.0.2.10:5060 #2\n"))
    write("homer.txt", both(
        "homer", "proto:UDP 2026-05-02T09:41:02.101000Z  192.0.2.10:5060 ---> 192.0.2.20:5060\n\n",
        "\n\nproto:UDP 2026-05-02T09:41:02.140000Z  192.0.2.20:5060 ---> 192.0.2.10:5060\n\n"))
    write("avaya-tracesm.txt",
          "05/02/2026 09:41:02.101 -->\noctets: 480, Body Length: 130\n"
          "ingress: { L192.0.2.20/5060/R192.0.2.10/5060/UDP/0x1 }\n"
          + "-" * 20 + "\n" + unix(invite("avaya")) + "-" * 20 + "\n"
          "05/02/2026 09:41:02.140 <--\noctets: 260, Body Length: 0\n"
          "egress: { L192.0.2.20/5060/R192.0.2.10/5060/UDP/0x1 }\n" + "-" * 20 + "\n"
          + unix(busy("avaya")) + "-" * 20 + "\n")
    # Other forms of the same formats.
    def blanks(text):
        return " |" + unix(text).rstrip("\n").replace("\n", "\n ") + "\n \n |\n"
    write("expressway-blanks.log", "".join(
        expressway.format(ms, ms, action, side, side) + blanks(text)
        for ms, action, side, text in [
            ("101", "Received", "Src", invite("expressway-blanks", "TLS")),
            ("140", "Sent", "Dst", busy("expressway-blanks", "TLS"))]))
    write("asterisk-chan-sip-log.txt", both(
        "chan-sip-log",
        "[May  2 09:41:02] VERBOSE[2211] chan_sip.c: \n<--- SIP read from UDP:192.0.2.10:5060 --->\n",
        "<------------->\n[May  2 09:41:02] VERBOSE[2211] chan_sip.c: --- (10 headers 7 lines) ---\n"
        "[May  2 09:41:03] VERBOSE[2211][C-0000001a] chan_sip.c: \n"
        "<--- Reliably Transmitting (NAT) to 192.0.2.10:5060 --->\n") + "<------------>\n")
    write("audiocodes-old.log", both(
        "audiocodes-old", "09:41:02.101 : 192.0.2.20 : NOTICE  : [S=101] [SID=a1b2c3:1:7] (N 411) ---- Incoming "
        "SIP Message from 192.0.2.10:5060 to SIPInterface #0 (SBC) UDP TO(#1) SocketID(5) ----\n",
        "09:41:02.140 : 192.0.2.20 : NOTICE  : [S=102] [SID=a1b2c3:1:7] (N 412) ---- Outgoing "
        "SIP Message to 192.0.2.10:5060 from SIPInterface #0 (SBC) UDP TO(#1) SocketID(5) ----\n"))
    write("sipp-old.log",
          "-" * 47 + " 2026-05-02\t09:41:02.101000\t1777714862.101000\nUDP message sent (480 bytes):\n\n"
          + unix(invite("sipp-old")) + "\n" + "-" * 47 + "\n2026-05-02\t09:41:02.140000\t1777714862.140000: "
          "UDP message received [260] bytes :\n\n" + unix(busy("sipp-old")) + "\n"
          + "-" * 47 + " 2026-05-02 09:41:02:155.250\nUDP message sent:\n\n"
          + unix(busy("sipp-older")) + "\n")
    write("ngrep-ipv6.txt", both(
        "ngrep-ipv6", "U 2026/05/02 09:41:02.101000 2001:db8::10:5060 -> 2001:db8::20:5060 #1\n",
        "U 2026/05/02 09:41:02.140000 2001:db8::20:5060 -> 2001:db8::10:5060 #2\n"))
    write("acme-ipv6.log", both(
        "acme-ipv6", "May  2 09:41:02.101 On [1:0.100][2001:db8::20]:5060 received from [2001:db8::10]:5060\n",
        "\n----------------------------------------\n"
        "May  2 09:41:02.140 On [2001:db8::20]:5060 sent to [2001:db8::10]:5060\n")
        + "\n----------------------------------------\n")
    rule = "-" * 72 + "\n"
    write("freeswitch-dated.txt",
          "recv 480 bytes from udp/[192.0.2.10]:5060 at 2026-05-02 09:41:02.101000:\n" + rule
          + unix(invite("freeswitch-dated")) + rule
          + "send 260 bytes to udp/[192.0.2.10]:5060 at 2026-05-02 09:41:02.140000:\n" + rule
          + unix(busy("freeswitch-dated")) + rule)
    record = "com.avaya.asm  SIPMSGT \n" + "-" * 20 + "\n05/02/2026 09:41:02.{} {} \n{}" + "-" * 20 + "\n{}" \
        + "-" * 20 + "\n"
    write("avaya-tracesm-ends.txt",
          record.format("101", "-->", "octets: 480, Body Length: 130\n"
                        "ingress: { L192.0.2.20:5060/R192.0.2.10:5060/UDP/0x1 }\negress: {[NO TARGET]}\n",
                        unix(invite("avaya-ends")))
          + record.format("140", "<--", "egress: { L[2001:db8::20]:5061/R[2001:db8::10]:5061/TLS/ }\n",
                          unix(busy("avaya-ends", "TLS"))))
    # A message longer than a datagram goes on in the next one.
    numbered = '<133>[S=20{n}] [SID=a1b2c3:1:8]  {text} [Time:02-05@09:41:02.{ms}]\n'
    head = ("(N  51{n}) ---- {way} SIP Message {to} 192.0.2.10:5060 {at} SIPInterface #0 (SBC) UDP TO(#1) "
            "SocketID(5) ---- #012")
    one = head.format(n=1, way="Incoming", to="from", at="to") + unix(invite("continued")).replace("\n", " #012")
    two = head.format(n=5, way="Outgoing", to="to", at="from") + unix(busy("continued")).replace("\n", " #012")
    cuts = [0, one.index("ontact:"), one.index("IP4 192.0.2.10 #012t="), len(one)]
    parts = [one[a:b] for a, b in zip(cuts, cuts[1:])]
    write("audiocodes-continued.log", "".join(
        [numbered.format(n=n, text=text, ms="101") for n, text in enumerate(parts, 1)]
        + [numbered.format(n=4, text="(N  514) another entry #012", ms="120"),
           numbered.format(n=5, text=two, ms="140")]))
    # Where a datagram is missing, nothing is put together.
    write("audiocodes-gap.log", "".join(
        [numbered.format(n=1, text=parts[0], ms="101"), numbered.format(n=3, text=parts[2], ms="101"),
         numbered.format(n=5, text=two, ms="140")]))
    flat = lambda text, wide: "".join(
        "  " + text.replace("\r\n", "..")[at:at + wide] + "\n" for at in range(0, len(text.replace("\r\n", "..")), wide))
    write("ngrep-flat.txt", "interface: any\n#\nU 192.0.2.10:5060 -> 192.0.2.20:5060\n" + flat(invite("ngrep-flat"), 110)
          + "#\nU 192.0.2.20:5060 -> 192.0.2.10:5060 #2\n" + flat(busy("ngrep-flat"), 1000) + "#\n"
          + "U 192.0.2.20:5060 -> 192.0.2.10:5060 " + busy("ngrep-single").replace("\r\n", "..") + "\n")
    box = "".join(f"| {line:90} |\n" for line in unix(both("box", "", "")).split("\n"))
    write("plain-box.txt", "+" + "-" * 92 + "+\n" + box + "+" + "-" * 92 + "+\n")
    write("plain-json.log", "".join(
        json.dumps({"ts": f"2026-05-02T09:41:02.{ms}Z", "msg": text, "host": "pbx"}).replace("<", "\\u003c") + "\n"
        for ms, text in [("101", invite("json")), ("140", busy("json"))]))
    write("plain-logcat.txt", "".join(
        f"05-02 09:41:02.{ms}  1203  1207 I sip: {line}\n"
        for ms, text in [("101", invite("logcat")), ("140", busy("logcat"))] for line in unix(text).split("\n")))
    write("plain-above.log",
          "20260502094102.101 <sip:INFO> received 480 bytes SIP message from 192.0.2.10:5060 [0x1c2e0d0]\n------\n"
          + unix(invite("above")) + "------\n"
          "+++ 2-5-2026 09:41:02.140000 INFO SIP\nSend to: udp:192.0.2.10:5060\n" + unix(busy("above")) + "---\n")
    if "--tools" in sys.argv:
        capture = HERE / "../../assets/samples/failed-call.pcap"
        for file, command in {
            "tshark-v.txt": ["tshark", "-n", "-c", "2", "-V", "-r"],
            "tshark-x.txt": ["tshark", "-n", "-c", "2", "-x", "-r"],
            "tcpdump-a.txt": ["tcpdump", "-n", "-c", "2", "-tttt", "-A", "-r"],
            "tcpdump-x.txt": ["tcpdump", "-n", "-c", "2", "-tttt", "-X", "-r"],
        }.items():
            out = subprocess.run(command + [str(capture)], env={"TZ": "UTC", "PATH": "/usr/bin:/bin:/usr/sbin"},
                                 capture_output=True, check=True).stdout
            write(file, out)
        k12 = HERE / "k12.txt"
        subprocess.run(["editcap", "-F", "k12text", "-r", str(capture), str(k12), "1-2"],
                       env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}, check=True)


main()
