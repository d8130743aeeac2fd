"""An HTTP server on loopback that serves a folder, and fails, breaks off, drips, lies or never ends as it is told."""

import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        server = self.server
        with server.counting:
            number = next(server.numbers)
            server.asked.append(self.path)
        how = None
        if server.every and number % server.every == server.every - 1:
            server.failed += 1
            how = number // server.every % 3
            if how != 2 or not body:
                self._fail(how)
                return
        manner, _, name = self.path.partition("?")[0].lstrip("/").partition("/")
        path = server.folder / name
        if path.name in server.refused:
            self.send_error(server.refused[path.name])
            return
        if manner in ("circle", "astray"):
            self.send_response(302)
            self.send_header("Location", self.path if manner == "circle" else "file:///etc/passwd")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path.is_dir():
            own = path / "index.html"
            links = (
                own.read_text()
                if own.is_file()
                else "".join(
                    f'<a href="{each.name}{"/" * each.is_dir()}">x</a>' for each in sorted(path.iterdir())
                )
            )
            self._send(links.encode(), body, kind="text/html")
        elif not path.is_file():
            self.send_error(404)
        else:
            self._send(path.read_bytes(), body, manner=manner if how is None else "half")

    def _fail(self, how):
        if how == 0:
            self.send_error(503)
        else:
            self.close_connection = True  # without a word

    def _send(self, data, body, *, manner="plain", kind="application/octet-stream"):
        start, end = 0, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and manner != "norange":
            start = int(asked[1])
            end = min(end, int(asked[2]) + 1) if asked[2] else end
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        else:
            self.send_response(200)
        lie = {"long": 1000, "short": -20, "huge": 2**50 - len(data)}.get(manner, 0)
        if manner == "endless":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(end - start + lie))
        self.send_header("Content-Type", kind)
        self.end_headers()
        if not body:
            return
        try:
            if manner == "silent":
                time.sleep(2)
            elif manner == "endless":
                while True:
                    self.wfile.write(data)
            elif manner == "drip":
                for place in range(start, end):
                    self.wfile.write(data[place : place + 1])
                    time.sleep(0.02)
            elif manner == "half":
                self.wfile.write(data[start : (start + end) // 2])
                self.close_connection = True
            elif manner == "cut" and end - start > 3000:  # so many bytes a request
                self.wfile.write(data[start : start + 3000])
                self.wfile.flush()
                time.sleep(0.1)  # a client may lose what comes with the end of a connection
                self.close_connection = True
            else:
                self.wfile.write(data[start : end + min(lie, 0)])
            if manner in ("long", "endless", "huge"):
                self.close_connection = True
        except OSError:  # the client has had enough
            self.close_connection = True

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


@contextmanager
def serving(folder, *, every=0):
    """The server, with its address; `every` is which request fails: each tenth, say."""
    server = Server(("127.0.0.1", 0), Handler)
    server.folder, server.every, server.failed = folder, every, 0
    server.counting, server.numbers, server.asked = threading.Lock(), count(), []
    server.refused = {}  # name of a file -> what is answered instead
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
