#!/usr/bin/env python3
"""Writes truth-kernel.json: what record-kernel.sh recorded, found by the octets of the messages alone.

The messages are those of talk.py, one in each packet, and none of these tunnels changes an octet of
them, so that no dissector is needed: `Call-ID: talk-N` stands in the packet or it does not. Beside
that it notes whether tshark says the same.
"""

import json
import pathlib
import re
import struct
import subprocess

HERE = pathlib.Path(__file__).parent
# tshark learns from control messages what these carry.
CANNOT = ("l2tp3",)


def frames(path):
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, number = 24, 0
    while at + 16 <= len(data):
        length = struct.unpack_from(order + "I", data, at + 8)[0]
        number += 1
        yield number, data[at + 16:at + 16 + length]
        at += 16 + length


def truth(path):
    out = []
    for number, octets in frames(path):
        call = re.search(rb"Call-ID: (talk-\d+)\r\n", octets)
        if not call:
            continue
        start = re.search(rb"(?:(SIP/2\.0) (\d{3})|(OPTIONS|MESSAGE) sip:b@(\S+)) ", octets)
        cseq = re.search(rb"CSeq: (\d+) ", octets)
        over, sent_by = re.search(rb"Via: SIP/2\.0/(\w+) (\S+?);", octets).groups()
        what = (start[2] or start[3]).decode()
        caller = sent_by.decode()
        callee = start[4].decode() + ":5060" if start[4] else None
        out.append([number, what, call[1].decode(), int(cseq[1]), caller, callee, over.decode()])
    server = next((row[5] for row in out if row[5]), None)
    return [[*row[:4], *((row[4], server) if row[5] else (server, row[4])), row[6]] for row in out]


def tshark(path):
    command = ["tshark", "-n", "-o", "esp.enable_null_encryption_decode_heuristic:TRUE", "-r", str(path), "-Y", "sip",
               "-T", "fields", "-e", "frame.number", "-e", "sip.Call-ID", "-e", "sip.CSeq.seq"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [[int(number), call, int(cseq)] for number, call, cseq in (line.split("\t") for line in lines)]


def main():
    out = {}
    for path in sorted(HERE.glob("kernel-*.pcap")):
        rows = truth(path)
        agrees = tshark(path) == [[row[0], row[2], row[3]] for row in rows]
        if not agrees and not any(name in path.name for name in CANNOT):
            print(f"{path.name}: tshark differs")
        out[path.name] = {"messages": rows, "tshark": agrees}
    text = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in out.items())
    (HERE / "truth-kernel.json").write_text("{\n" + text + "\n}\n")
    print(f"{len(out)} files, {sum(len(row['messages']) for row in out.values())} messages")


main()
