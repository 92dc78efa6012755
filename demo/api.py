# SPDX-License-Identifier: Apache-2.0
"""agentd's HTTP API over its Unix socket, with what Python has by itself."""
import http.client
import json
import socket


class Unreachable(Exception):
    pass


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    def __init__(self, path):
        self.path = path

    def get(self, target):
        try:
            connection = UnixConnection(self.path, timeout=10)
            connection.request("GET", target)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(str(error)) from error
        if answer.status >= 500:
            raise Unreachable(body.decode(errors="replace"))
        if answer.status >= 400:
            raise RuntimeError(f"GET {target}: {answer.status} {body.decode(errors='replace')}")
        return json.loads(body) if body.strip().startswith((b"{", b"[")) else body

    def events(self, after):
        """Yields (number, entry) from the event stream, everything after `after`, until the connection ends."""
        try:
            connection = UnixConnection(self.path, timeout=None)
            connection.request("GET", "/v1/events", headers={"Last-Event-ID": str(after), "Accept": "text/event-stream"})
            answer = connection.getresponse()
            for line in answer:
                if line.startswith(b"data:"):
                    entry = json.loads(line[5:])
                    yield entry["seq"], entry
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(str(error)) from error
        raise Unreachable("the stream ended")
