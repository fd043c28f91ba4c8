"""SIP between two ends of a tunnel: `talk.py serve ADDRESS`, `talk.py ask FROM TO`.

Two requests over UDP, two over one TCP connection; each is answered with 200.
"""

import socket
import sys
import threading
import time

PORT = 5060


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def host(address):
    return f"[{address}]" if ":" in address else address


def opened(address, kind):
    s = socket.socket(family(address), kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, PORT))
    return s


def answer(request):
    lines = request.decode().split("\r\n\r\n")[0].split("\r\n")
    kept = [line for line in lines if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
    to = next(line for line in lines if line.startswith("To:"))
    return "\r\n".join(["SIP/2.0 200 OK", *kept, to + ";tag=server", "Content-Length: 0", "", ""]).encode()


def serve(address):
    def over_udp():
        s = opened(address, socket.SOCK_DGRAM)
        while True:
            data, sender = s.recvfrom(65535)
            s.sendto(answer(data), sender)

    threading.Thread(target=over_udp, daemon=True).start()
    s = opened(address, socket.SOCK_STREAM)
    s.listen()
    print("ready", flush=True)
    while True:
        connection, _ = s.accept()
        while data := connection.recv(65535):
            connection.send(answer(data))
        connection.close()


def ask(src, dst):
    def request(n, over):
        method, body = ("OPTIONS", "") if n % 2 else ("MESSAGE", "hello\r\n")
        kind = "Content-Type: text/plain\r\n" if body else ""
        return (f"{method} sip:b@{host(dst)} SIP/2.0\r\n"
                f"Via: SIP/2.0/{over} {host(src)}:{PORT};branch=z9hG4bKtalk{n}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:a@example.com>;tag=f{n}\r\nTo: <sip:b@example.com>\r\n"
                f"Call-ID: talk-{n}\r\nCSeq: {n} {method}\r\n{kind}"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    s = opened(src, socket.SOCK_DGRAM)
    s.settimeout(10)
    for n in (1, 2):
        s.sendto(request(n, "UDP"), (dst, PORT))
        s.recv(65535)
    s = opened(src, socket.SOCK_STREAM)
    s.settimeout(10)
    s.connect((dst, PORT))
    for n in (3, 4):
        s.send(request(n, "TCP"))
        s.recv(65535)
    s.close()
    time.sleep(0.2)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    ask(*sys.argv[2:4])
