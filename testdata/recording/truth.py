#!/usr/bin/env python3
"""Writes truth.json beside a capture: the messages as tshark lists them, and what expect.json knows
of the scenario (calls, dialogs, copies). Counts of repeated bytes are taken from the capture and
checked against expect.json, so that a recording that is not what its case says does not pass.

    truth.py FOLDER...
"""

import json
import pathlib
import subprocess
import sys

FIELDS = ["frame.number", "sip.Method", "sip.Status-Code", "sip.Call-ID", "sip.CSeq.seq", "sip.CSeq.method",
          "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "udp.srcport", "tcp.srcport", "udp.dstport", "tcp.dstport",
          "udp.payload", "frame.interface_id", "sll.ifindex", "sll.pkttype"]


def rows(capture):
    command = ["tshark", "-n", "-r", capture, "-Y", "sip && !icmp && !icmpv6", "-T", "fields", "-E", "separator=\t"]
    for field in FIELDS:
        command += ["-e", field]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        yield dict(zip(FIELDS, line.split("\t")))


def messages(capture):
    """[frame, method or status, Call-ID, CSeq, CSeq method] of every message, and its identity."""
    out = []
    for row in rows(capture):
        methods = [m for m in row["sip.Method"].split(",") if m]
        codes = [int(c) for c in row["sip.Status-Code"].split(",") if c]
        numbers = row["sip.CSeq.seq"].split(",")
        if methods and codes:
            sys.exit(f"{capture}: frame {row['frame.number']} mixes requests and responses; list it by hand")
        kinds = methods or codes
        if not len(kinds) == len(numbers):
            sys.exit(f"{capture}: frame {row['frame.number']}: fields do not pair up")
        for kind, call_id, number, method in zip(
                kinds, row["sip.Call-ID"].split(","), numbers, row["sip.CSeq.method"].split(",")):
            way = tuple(row[f] for f in FIELDS[6:14])
            point = (row["frame.interface_id"], row["sll.ifindex"], row["sll.pkttype"])
            out.append(([int(row["frame.number"]), kind, call_id, int(number), method], row["udp.payload"], way, point))
    return out


def repeats(listed):
    """Frames that bring bytes seen before: again at the same point, at another point, with other addresses."""
    seen, again, elsewhere, translated = {}, [], [], []
    for (frame, *_), payload, way, point in listed:
        if not payload:
            continue  # TCP repeats nothing at this level
        known = seen.setdefault(payload, [])
        if any(w == way and p == point for w, p in known):
            again.append(frame)
        elif any(w == way for w, _ in known):
            elsewhere.append(frame)
        elif known:
            translated.append(frame)
        known.append((way, point))
    return again, elsewhere, translated


def main():
    known = json.loads((pathlib.Path(__file__).parent / "expect.json").read_text())
    failed = False
    for folder in map(pathlib.Path, sys.argv[1:]):
        [capture] = folder.glob("capture.pcap*")
        expect = known[folder.name]
        listed = messages(str(capture))
        again, elsewhere, translated = repeats(listed)
        order = list(dict.fromkeys(entry[0][2] for entry in listed))
        calls = []
        for call in expect["calls"]:
            # "@2" stands for the second Call-ID of the capture, where the software made it up.
            call_id = call["call_id"]
            calls.append({**call, "call_id": order[int(call_id[1:]) - 1] if call_id.startswith("@") else call_id})
        truth = {
            "messages": len(listed),
            "list": [entry[0] for entry in listed],
            "calls": calls,
            "dialogs": expect["dialogs"],
            "retransmissions": len(again),
            "copies": len(elsewhere) + len(translated),
            "copy_frames": elsewhere,
            "seen_as_frames": translated,
            "retransmission_frames": again,
        }
        for name in ("messages", "retransmissions", "copies"):
            if truth[name] != expect[name]:
                print(f"{folder.name}: {name} is {truth[name]}, expect.json says {expect[name]}", file=sys.stderr)
                failed = True
        if set(order) != {call["call_id"] for call in calls}:
            print(f"{folder.name}: Call-IDs {order} are not those of expect.json", file=sys.stderr)
            failed = True
        lists = {"list", "calls"}
        lines = []
        for key, value in truth.items():
            if key in lists:
                inner = ",\n".join("    " + json.dumps(item) for item in value)
                lines.append(f"  {json.dumps(key)}: [\n{inner}\n  ]")
            else:
                lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
        (folder / "truth.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    sys.exit(failed)


main()
