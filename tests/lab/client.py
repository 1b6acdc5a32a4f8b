#!/usr/bin/python3
"""A client that asks all the time, one new connection after the other.

    client.py ADDRESS PORT [udp COUNT]

A line for each request: milliseconds of its start, and the first line of the answer's
body or "failed: " with the reason. With `udp`, COUNT datagrams from one port instead.
"""

import socket
import sys
import time


def ask_http(target):
    with socket.create_connection(target, 1) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0]:
        raise OSError("no answer")
    return body.decode().splitlines()[0]


def tell(ask):
    at = int(time.time() * 1000)
    try:
        print(at, ask(), flush=True)
    except (OSError, IndexError) as error:
        print(at, f"failed: {error}", flush=True)


def main():
    target = (sys.argv[1], int(sys.argv[2]))
    if len(sys.argv) == 3:
        while True:
            tell(lambda: ask_http(target))
            time.sleep(0.02)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(target)
        client.settimeout(1)
        for _ in range(int(sys.argv[4])):
            client.send(b"?")
            tell(lambda: client.recv(100).decode())


main()
