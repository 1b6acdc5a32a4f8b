"""A person at a terminal: runs COMMAND there, waits until TEXT is shown twice, strikes KEY.
Prints the exit status, and whether the terminal is as it was: keys.py TEXT KEY COMMAND…"""

import os
import pty
import select
import subprocess
import sys
import termios
import time

text, key, command = sys.argv[1].encode(), sys.argv[2].encode().decode("unicode_escape"), sys.argv[3:]
ours, theirs = pty.openpty()
before = termios.tcgetattr(theirs)
process = subprocess.Popen(
    command,
    stdin=theirs,
    stdout=theirs,
    stderr=theirs,
    start_new_session=True,
    env=dict(os.environ, TERM="xterm"),
)
seen, deadline = b"", time.monotonic() + 20
while seen.count(text) < 2 and time.monotonic() < deadline:
    if select.select([ours], [], [], 0.2)[0]:
        seen += os.read(ours, 65536)
os.write(ours, key.encode())
while process.poll() is None and time.monotonic() < deadline:
    if select.select([ours], [], [], 0.2)[0]:
        seen += os.read(ours, 65536)
if process.poll() is None:
    process.kill()
    sys.exit("it did not end")
same = "as it was" if termios.tcgetattr(theirs) == before else "changed"
colour = "colours" if b"\x1b[32m" in seen else "no colours"
print(f"status {process.returncode}, terminal {same}, {colour}")
