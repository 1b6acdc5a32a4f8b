#!/usr/bin/python3
"""Servers that misbehave on command.

    hostile.py ADDRESS PORT[-PORT]=KIND…

Every port serves the test page at first; SIGUSR1 makes it what its kind says, SIGUSR2
makes it good again. Each TCP connection is one line of standard output: milliseconds,
port, first line of the request or "-" when there was none.
"""

import itertools
import select
import signal
import socket
import sys
import threading
import time

IP_PKTINFO = 8
PAGE = b"Test Page\n"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def page(body, head=OK):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def just(data):
    """A kind that sends this and closes."""
    return lambda connection: connection.sendall(data)


def drip(start, rest, pause):
    """A kind that sends `start` at once, then `rest` byte after byte."""

    def kind(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(start)
        for byte in rest:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return kind


def endless(start, piece):
    def kind(connection):
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return kind


def forever(_connection):
    time.sleep(3600)


def reset(connection):
    linger = b"\1\0\0\0\0\0\0\0"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


# What a port sends after the request, by kind.
KINDS = {
    "silent": forever,
    "close": just(b""),
    "reset": reset,
    "garbage": just(bytes(range(256)) * 16),
    "drip-header": drip(OK + b"X-Drip: ", itertools.repeat(97), 0.5),
    "drip-body": drip(OK + b"Content-Length: 1000000\r\n\r\n", itertools.repeat(97), 0.5),
    "endless-headers": endless(OK, b"X-More: more\r\n" * 10),
    "huge-header": just(OK + b"X-Huge: " + b"h" * 10_000_000 + b"\r\n\r\n" + PAGE),
    "odd-headers": just(OK + b": nameless\r\nX\0Y: nul\n\n\r: z\n" * 100_000 + b"\r\n" + PAGE),
    "endless-body": endless(OK + b"\r\n", b"x" * 100),
    "short-body": just(OK + b"Content-Length: 1000\r\n\r\nTest"),
    "chunk-huge": just(CHUNKED + b"7fffffff\r\nabc"),
    "chunk-negative": just(CHUNKED + b"-5\r\n" + PAGE),
    "chunk-overflow": just(CHUNKED + b"10000000000000005\r\n" + PAGE),
    "chunk-no-crlf": just(CHUNKED + b"4\r\nabcd4\r\nabcd0\r\n\r\n"),
    "chunk-trailers": endless(CHUNKED + b"1\r\na\r\n0\r\n", b"X-T: t\r\n" * 10),
    "wrong-text": just(page(b"Under repair\n")),
    "status-503": just(page(PAGE, b"HTTP/1.1 503 Service Unavailable\r\n")),
    "redirect-loop": just(page(b"", b"HTTP/1.1 302 Found\r\nLocation: /again\r\n")),
    # The right thing, said in an odd way.
    "late": lambda connection: (time.sleep(0.4), connection.sendall(page(PAGE))),
    "split": drip(b"", page(PAGE), 0),
    "chunked": just(CHUNKED + b"5\r\nTest \r\n5\r\nPage\n\r\n0\r\n\r\n"),
    # Not HTTP: reads to the end of the input, as many a line-based server does.
    "pong": just(b"HELLO\r\nPONG\r\n"),
}
# What these do is what they do from the start.
CONSTANT = ("late", "split", "chunked", "pong")
# These are a matter of the listening socket: closed; open, but nobody accepts; nobody
# accepts and its queue is full.
LISTENING = ("refuse", "hang", "full")


def kind_of(name):
    if name.startswith("redirect="):
        target = name.removeprefix("redirect=").encode()
        return just(page(b"", b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\n"))
    return KINDS.get(name)


class Port:
    def __init__(self, address, number, name):
        self.address, self.number, self.name = address, number, name
        self.bad = name in CONSTANT
        self.kind = kind_of(name)
        if self.kind is None and name not in LISTENING:
            sys.exit(f"no such kind: {name}")
        self.fillers = []
        self.listen()

    def listen(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setblocking(False)
        self.socket.bind((self.address, self.number))
        self.socket.listen(4096)
        POLL.register(self.socket, select.EPOLLIN)
        PORTS[self.socket.fileno()] = self

    def turn(self, bad):
        if bad == self.bad or self.name in CONSTANT:
            return
        self.bad = bad
        if self.name not in LISTENING:
            return
        if bad:
            POLL.unregister(self.socket)
        if not bad or self.name == "refuse":
            self.socket.close()
        if not bad:
            self.fillers = []
            self.listen()
        elif self.name == "full":
            self.fill()

    def fill(self):
        self.socket.listen(0)
        for _ in range(3):
            filler = socket.socket(self.socket.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex((self.address, self.number))
            self.fillers.append(filler)

    def accept(self):
        try:
            connection, _ = self.socket.accept()
        except OSError:
            return
        arguments = (connection, int(time.time() * 1000))
        threading.Thread(target=self.serve, args=arguments, daemon=True).start()

    def serve(self, connection, at):
        connection.setblocking(True)
        with connection, connection.makefile("rb") as lines:
            try:
                first = lines.readline(1000)
                sys.stdout.write(f"{at} {self.number} {first.decode('latin-1').strip() or '-'}\n")
                sys.stdout.flush()
                if not first:
                    return
                if self.name == "pong":
                    lines.read()
                else:
                    while lines.readline(1000) not in (b"\r\n", b""):
                        pass
                if self.bad and self.kind:
                    self.kind(connection)
                else:
                    connection.sendall(page(PAGE))
            except OSError:
                # The other side has had enough.
                pass


def echo(address, number):
    """Answers each datagram with the address, from where the datagram was sent to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        server.bind(("", number))
        while True:
            _, more, _, source = server.recvmsg(2000, 100)
            # struct in_pktinfo: interface, local address, address in the header.
            info = bytes(4) + more[0][2][8:12] + bytes(4)
            server.sendmsg([address.encode()], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, source)


def main():
    address = sys.argv[1]
    wanted = []
    for word in sys.argv[2:]:
        numbers, name = word.split("=", 1)
        first, _, last = numbers.partition("-")
        wanted += [(number, name) for number in range(int(first), int(last or first) + 1)]
    for number, name in wanted:
        if name == "udp":
            threading.Thread(target=echo, args=(address, number), daemon=True).start()
        else:
            Port(address, number, name)
    turning = []
    signal.signal(signal.SIGUSR1, lambda *_: turning.append(True))
    signal.signal(signal.SIGUSR2, lambda *_: turning.append(False))
    print("ready", flush=True)
    everyone = list(PORTS.values())
    while True:
        while turning:
            bad = turning.pop(0)
            for port in everyone:
                port.turn(bad)
        # Short, for a signal that comes just before the wait.
        for number, _ in POLL.poll(0.2):
            if number in PORTS:
                PORTS[number].accept()


POLL, PORTS = select.epoll(), {}
main()
