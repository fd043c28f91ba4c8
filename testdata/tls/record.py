#!/usr/bin/env python3
"""Records SIP between real TLS and WebSocket peers on the loopback interface.

As root: record.py [CASE...]; record.py --look CASE... only asks tshark again. Needs openssl 3, tcpdump, tshark, and for the cases with WebSocket the
Python package websockets. Writes CASE.pcap, CASE.keylog.txt and the messages that tshark finds with
that key log (expected.json); what tshark cannot know is stated in README.md.
"""
import asyncio, json, os, shutil, ssl, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = tempfile.mkdtemp()
PORT = 5061
NAME = 'sip.example.com'


def run(*args, **more):
    return subprocess.run(args, check=True, capture_output=True, text=True, **more)


def certificates():
    """A CA nobody trusts, and certificates for the server: RSA and ECDSA."""
    ext = os.path.join(WORK, 'ext')
    with open(ext, 'w') as f:
        f.write(f'subjectAltName=DNS:{NAME},IP:127.0.0.1,URI:sip:example.com\n')
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj', '/CN=Test CA',
        '-keyout', f'{WORK}/ca.key', '-out', f'{WORK}/ca.pem')
    for kind, algorithm in [('rsa', ['rsa:2048']), ('ec', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'])]:
        run('openssl', 'req', '-newkey', *algorithm, '-nodes', '-subj', f'/O=Example/CN={NAME}',
            '-keyout', f'{WORK}/{kind}.key', '-out', f'{WORK}/{kind}.csr')
        run('openssl', 'x509', '-req', '-in', f'{WORK}/{kind}.csr', '-CA', f'{WORK}/ca.pem', '-CAkey', f'{WORK}/ca.key',
            '-CAcreateserial', '-days', '3650', '-extfile', ext, '-out', f'{WORK}/{kind}.pem')


def request(number, body=''):
    head = (f'OPTIONS sip:bob@{NAME} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:40000;branch=z9hG4bK{number}\r\n'
            f'Max-Forwards: 70\r\nFrom: <sip:alice@{NAME}>;tag=a{number}\r\nTo: <sip:bob@{NAME}>\r\n'
            f'Call-ID: call-{number}\r\nCSeq: {number} OPTIONS\r\n')
    if body:
        head += 'Content-Type: text/plain\r\n'
    return f'{head}Content-Length: {len(body)}\r\n\r\n{body}'


def response(number):
    return (f'SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 127.0.0.1:40000;branch=z9hG4bK{number}\r\n'
            f'From: <sip:alice@{NAME}>;tag=a{number}\r\nTo: <sip:bob@{NAME}>;tag=b{number}\r\n'
            f'Call-ID: call-{number}\r\nCSeq: {number} OPTIONS\r\nContent-Length: 0\r\n\r\n')


class Capture:
    def __init__(self, case, port=PORT):
        self.path = os.path.join(HERE, f'{case}.pcap')
        self.tcpdump = subprocess.Popen(['tcpdump', '-q', '-U', '-s', '0', '-i', 'lo', '-w', self.path, 'tcp', 'port', str(port)],
                                        stderr=subprocess.PIPE, text=True)
        RUNNING.append(self.tcpdump)
        self.tcpdump.stderr.readline()
        time.sleep(0.4)

    def stop(self):
        time.sleep(0.6)
        self.tcpdump.terminate()
        self.tcpdump.wait()


RUNNING = []


class Peer:
    """openssl s_server or s_client with pipes."""

    def __init__(self, *args):
        env = dict(os.environ)
        if '-plain-master-secret' in args:
            args = [a for a in args if a != '-plain-master-secret']
            env['OPENSSL_CONF'] = f'{WORK}/no-ems.cnf'
            with open(env['OPENSSL_CONF'], 'w') as f:
                f.write('openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n')
        self.out = tempfile.NamedTemporaryFile(dir=WORK)
        self.process = subprocess.Popen(['openssl', *args], stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT, env=env)
        RUNNING.append(self.process)

    def say(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def await_text(self, text, seconds=5):
        until = time.time() + seconds
        while time.time() < until:
            if text in open(self.out.name, errors='replace').read():
                return
            time.sleep(0.02)
        raise SystemExit(f'{text!r} did not come: {open(self.out.name, errors="replace").read()}')

    def end(self):
        self.process.stdin.close()
        time.sleep(0.1)
        self.process.terminate()
        self.process.wait()


def openssl_case(case, server=(), client=(), key='rsa', connections=1, update=False, big=False, resume=False, refused=False,
                 early=False, requests=2):
    keys = os.path.join(HERE, f'{case}.keylog.txt')
    if os.path.exists(keys):
        os.unlink(keys)
    capture = Capture(case)
    options = ['-quiet'] if not update else []
    s = Peer('s_server', '-accept', f'127.0.0.1:{PORT}', '-cert', f'{WORK}/{key}.pem', '-key', f'{WORK}/{key}.key', *options,
             '-keylogfile', keys, *server)
    time.sleep(0.4)
    number = 0
    for turn in range(connections):
        more = []
        session = f'{WORK}/session'
        if resume:
            more = ['-sess_out', session] if turn == 0 else ['-sess_in', session]
        if early and turn > 0:
            with open(f'{WORK}/early', 'w') as f:
                f.write(request(77))
            more += ['-early_data', f'{WORK}/early']
        c = Peer('s_client', '-connect', f'127.0.0.1:{PORT}', '-servername', NAME, *options, *more, *client)
        if refused:
            time.sleep(0.6)
            c.end()
            continue
        for _ in range(requests):
            number += 1
            c.say(request(number, 'x' * 40000 if big else ''))
            s.await_text(f'CSeq: {number} OPTIONS')
            s.say(response(number))
            c.await_text(f'tag=b{number}')
            if update:
                c.say('K\n')
                time.sleep(0.3)
                s.say('k\n')
                time.sleep(0.3)
        c.end()
        time.sleep(0.2)
    s.end()
    capture.stop()
    with open(keys) as f:
        lines = sorted(line for line in f if not line.startswith('#'))
    with open(keys, 'w') as f:
        f.writelines(lines)


TLS12 = ('-tls1_2',)


def tls12(cipher, key='rsa', **more):
    server = ('-tls1_2', '-cipher', f'{cipher}:@SECLEVEL=0', *more.pop('server', ()))
    client = ('-tls1_2', '-cipher', f'{cipher}:@SECLEVEL=0', *more.pop('client', ()))
    return lambda case: openssl_case(case, server, client, key, **more)


def tls13(suite, **more):
    both = ('-tls1_3', '-ciphersuites', suite)
    server = (*both, *more.pop('server', ()))
    client = (*both, *more.pop('client', ()))
    return lambda case: openssl_case(case, server, client, **more)


def old(version):
    both = (version, '-cipher', 'AES128-SHA:ECDHE-RSA-AES256-SHA:@SECLEVEL=0')
    return lambda case: openssl_case(case, both, both)


def websocket(compression, tls=False, takeover=True):
    def record(case):
        import websockets
        from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
        keys = os.path.join(HERE, f'{case}.keylog.txt')
        if os.path.exists(keys):
            os.unlink(keys)
        port = 443 if tls else 80
        capture = Capture(case, port)
        server_tls = client_tls = None
        if tls:
            server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server_tls.load_cert_chain(f'{WORK}/rsa.pem', f'{WORK}/rsa.key')
            client_tls = ssl.create_default_context()
            client_tls.check_hostname = False
            client_tls.verify_mode = ssl.CERT_NONE
            client_tls.keylog_filename = keys
        extensions = {}
        client_extensions = {}
        if compression and not takeover:
            extensions = dict(extensions=[ServerPerMessageDeflateFactory(True, True)])
            client_extensions = dict(extensions=[ClientPerMessageDeflateFactory(True, True)])
        compressed = 'deflate' if compression and takeover else None

        async def serve(ws):
            async for text in ws:
                if 'CSeq' in text:
                    number = int(text.split('CSeq: ')[1].split()[0])
                    await ws.ping()
                    await ws.send(response(number).replace('/TLS', '/WS'))

        async def talk():
            async with websockets.serve(serve, '127.0.0.1', port, subprotocols=['sip'], compression=compressed, ssl=server_tls,
                                        **extensions):
                scheme = 'wss' if tls else 'ws'
                async with websockets.connect(f'{scheme}://127.0.0.1:{port}/ws', subprotocols=['sip'], compression=compressed,
                                              **(dict(ssl=client_tls) if tls else {}), **client_extensions) as ws:
                    for number in range(1, 7):
                        text = request(number, 'y' * 3000 if number == 5 else '').replace('/TLS', '/WS')
                        if number == 3:
                            async def parts():
                                for at in range(0, len(text), 150):
                                    yield text[at:at + 150]
                            await ws.send(parts())
                        else:
                            await ws.send(text)
                        if number == 2:
                            await ws.send('\r\n\r\n')
                        await ws.recv()

        asyncio.run(talk())
        capture.stop()
    return record


CASES = {
    'tls13-aes128-gcm': tls13('TLS_AES_128_GCM_SHA256'),
    'tls13-aes256-gcm': tls13('TLS_AES_256_GCM_SHA384'),
    'tls13-chacha20': tls13('TLS_CHACHA20_POLY1305_SHA256'),
    'tls13-ccm': tls13('TLS_AES_128_CCM_SHA256'),
    'tls13-ccm8': tls13('TLS_AES_128_CCM_8_SHA256'),
    'tls13-key-update': tls13('TLS_AES_256_GCM_SHA384', update=True),
    'tls13-hello-retry': tls13('TLS_AES_128_GCM_SHA256', server=('-groups', 'P-384'), client=('-groups', 'X25519:P-384')),
    'tls13-resumed': tls13('TLS_AES_256_GCM_SHA384', connections=2, resume=True),
    'tls13-early-data': tls13('TLS_AES_128_GCM_SHA256', connections=2, resume=True, early=True,
                              server=('-early_data', '-no_anti_replay')),
    'tls13-large': tls13('TLS_AES_128_GCM_SHA256', big=True),
    'tls12-aes128-gcm': tls12('ECDHE-RSA-AES128-GCM-SHA256'),
    'tls12-aes256-gcm-ecdsa': tls12('ECDHE-ECDSA-AES256-GCM-SHA384', key='ec'),
    'tls12-chacha20': tls12('ECDHE-RSA-CHACHA20-POLY1305'),
    'tls12-ccm': tls12('ECDHE-ECDSA-AES128-CCM', key='ec'),
    'tls12-ccm8': tls12('DHE-RSA-AES256-CCM8'),
    'tls12-cbc-sha1': tls12('ECDHE-RSA-AES128-SHA'),
    'tls12-cbc-sha1-mac-then-encrypt': tls12('ECDHE-RSA-AES128-SHA', client=('-no_etm',)),
    'tls12-cbc-sha256': tls12('DHE-RSA-AES256-SHA256', client=('-no_etm',)),
    'tls12-cbc-sha384': tls12('ECDHE-RSA-AES256-SHA384'),
    'tls12-cbc-sha384-mac-then-encrypt': tls12('ECDHE-RSA-AES256-SHA384', client=('-no_etm',)),
    'tls12-null': tls12('NULL-SHA256'),
    'tls12-rsa-key': tls12('AES128-GCM-SHA256', connections=2),
    'tls12-rsa-key-plain': tls12('AES256-SHA', client=('-plain-master-secret', '-no_etm')),
    'tls12-resumed-ticket': tls12('ECDHE-RSA-AES128-GCM-SHA256', connections=2, resume=True),
    'tls12-resumed-id': tls12('AES128-SHA', connections=2, resume=True, server=('-no_ticket',), client=('-no_ign_eof',)),
    'tls12-refused': tls12('ECDHE-RSA-AES128-GCM-SHA256', client=('-verify_return_error', '-verify', '1'), refused=True),
    'tls11': old('-tls1_1'),
    'tls10': old('-tls1'),
    'ws': websocket(False),
    'ws-deflate': websocket(True),
    'ws-deflate-no-takeover': websocket(True, takeover=False),
    'wss-deflate': websocket(True, tls=True),
    'many-tls12': tls12('ECDHE-RSA-AES128-GCM-SHA256', requests=12),
    'many-tls12-cbc': tls12('ECDHE-RSA-AES128-SHA', requests=12),
    'many-tls13': tls13('TLS_AES_256_GCM_SHA384', requests=12),
    'many-tls13-update': tls13('TLS_CHACHA20_POLY1305_SHA256', requests=6, update=True),
}


def tshark(case):
    keys = os.path.join(HERE, f'{case}.keylog.txt')
    log = ['-o', f'tls.keylog_file:{keys}'] if os.path.exists(keys) else []
    out = run('tshark', *log, '-r', os.path.join(HERE, f'{case}.pcap'), '-Y', 'sip', '-T', 'fields', '-e', 'frame.number',
              '-e', 'sip.Method', '-e', 'sip.Status-Code', '-e', 'sip.CSeq.seq').stdout
    rows = []
    for line in out.splitlines():
        frame, methods, codes, numbers = line.split('\t')
        what = [w for w in (methods + ',' + codes).split(',') if w]
        for kind, number in zip(what, (numbers or '0').split(',')):
            rows.append([int(frame), kind, int(number)])
    return rows


def main():
    certificates()
    path = os.path.join(HERE, 'expected.json')
    expected = json.load(open(path)) if os.path.exists(path) else {}
    names = sys.argv[1:]
    only_look = names[:1] == ['--look']
    for case in names[1:] if only_look else names or CASES:
        try:
            if not only_look:
                CASES[case](case)
        except SystemExit as error:
            print(f'{case}: {error}')
            for process in RUNNING:
                process.kill()
            continue
        expected[case] = tshark(case)
        print(case, expected[case])
        if case.startswith('tls12-rsa-key') and not only_look:
            shutil.copy(f'{WORK}/rsa.key', os.path.join(HERE, 'server-rsa.key.pem'))
    with open(path, 'w') as f:
        f.write('{\n' + ',\n'.join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in sorted(expected.items())) + '\n}\n')
    shutil.rmtree(WORK)


main()
