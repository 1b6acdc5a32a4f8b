"""A name server that answers as /run/lab/dns/mode says: well, wrongly, or not at all.

The addresses of NAME stand in /run/lab/dns/NAME, one a line; a name without a file does not exist.
"""

import os
import random
import socket
import struct
import threading

SITE = "/run/lab/dns"


def mode():
    with open(f"{SITE}/mode") as file:
        return file.read().strip()


def addresses(name):
    path = f"{SITE}/{name}"
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return file.read().split()


def question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack(">H", query[at + 1 : at + 3])[0], query[12 : at + 5]


def answer(query, stream):
    how = mode()
    if how == "silent":
        return None
    name, kind, asked = question(query)
    known = addresses(name)
    code, truncated, records = 0, 0, []
    if how == "nxdomain" or known is None:
        code = 3
    elif how == "servfail":
        code = 2
    elif how == "cnames":
        # The name is an alias of itself.
        records = [b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 0, 2) + b"\xc0\x0c"]
    elif how == "compression":
        # A name that points to itself.
        at = 12 + len(asked)
        records = [struct.pack(">H", 0xC000 | at) + struct.pack(">HHIH", 1, 1, 0, 4) + b"\0\0\0\0"]
    elif how == "garbage":
        return query[:2] + os.urandom(200)
    elif kind == 1:
        if how == "many":
            known = known + [f"198.51.{n // 200 + 100}.{n % 200 + 1}" for n in range(1000 - len(known))]
            random.shuffle(known)
        records = [
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address) for address in known
        ]
        if len(records) > 20 and not stream:
            truncated, records = 0x200, []
    flags = 0x8180 | truncated | code
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + asked + b"".join(records)


def serve(peer):
    # The resolver asks for both families over one connection.
    with peer:
        while head := peer.recv(2):
            said = answer(peer.recv(struct.unpack(">H", head)[0]), True)
            if said is not None:
                peer.sendall(struct.pack(">H", len(said)) + said)


def tcp(server):
    while True:
        peer, _ = server.accept()
        threading.Thread(target=serve, args=(peer,), daemon=True).start()


stream = socket.create_server(("127.0.0.1", 53))
threading.Thread(target=tcp, args=(stream,), daemon=True).start()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, peer = datagrams.recvfrom(4096)
    said = answer(query, False)
    if said is not None:
        datagrams.sendto(said, peer)
