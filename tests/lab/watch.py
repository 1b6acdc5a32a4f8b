#!/usr/bin/python3
"""Writes the time of every change of the kernel's IPVS table, as the kernel shows it.

Lines: milliseconds, service, server, weight; "-" instead of the weight when the server
is gone. Services are ADDRESS:PORT, with brackets for IPv6, or the number of a mark.
The argument is the pause between two looks in milliseconds.
"""

import ipaddress
import sys
import time


def readable(text):
    address, _, port = text.rpartition(":")
    if address.startswith("["):
        return f"[{ipaddress.ip_address(address[1:-1])}]:{int(port, 16)}"
    return f"{ipaddress.ip_address(int(address, 16))}:{int(port, 16)}"


def table():
    seen, service = {}, None
    with open("/proc/net/ip_vs") as file:
        for line in file.read().splitlines()[3:]:
            words = line.split()
            if words[0] == "->":
                seen[service, readable(words[1])] = words[3]
            elif words[0] == "FWM":
                service = str(int(words[1], 16))
            else:
                service = readable(words[1])
    return seen


before, pause = {}, int(sys.argv[1]) / 1000
while True:
    after, now = table(), int(time.time() * 1000)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            print(now, *key, after.get(key, "-"), flush=True)
    before = after
    time.sleep(pause)
