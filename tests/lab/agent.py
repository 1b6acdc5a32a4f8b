# Agents that say what stands in a file: agent.py ADDRESS PORT FILE. Each connection is sent
# the file's first line and closed.
import socket, sys

address, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, port))
listener.listen(16)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    with connection, open(path, "rb") as file:
        try:
            connection.sendall(file.readline())
        except OSError:
            pass
