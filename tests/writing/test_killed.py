"""Programs that are killed, truly, while they write to a folder or to a store across a network."""

import http.server
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest
from zarr.storage import MemoryStore

from tests.writing.test_regions import content

ROOT = pathlib.Path(__file__).parents[2]

#: A store whose keys another process holds, each written as a whole, as in an object store.
PROGRAM = """
import sys, time, urllib.error, urllib.parse, urllib.request
import numpy as np
from zarr.abc.store import Store
from tests.writing.test_regions import fields
from xr_dl4ds.writing import write
from xr_dl4ds.writing.store import RegionStore


class Remote(Store):
    supports_writes = supports_deletes = supports_listing = True

    def __init__(self, url):
        super().__init__(read_only=False)
        self.url = url

    def __eq__(self, other):
        return isinstance(other, Remote) and self.url == other.url

    def ask(self, method, key="", data=None):
        url = f"{self.url}/{urllib.parse.quote(key, safe='')}"
        request = urllib.request.Request(url, data=data, method=method)
        try:
            with urllib.request.urlopen(request) as found:
                return found.read()
        except urllib.error.HTTPError:
            return None

    async def get(self, key, prototype, byte_range=None):
        data = self.ask("GET", key)
        assert byte_range is None
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(self, prototype, key_ranges):
        raise NotImplementedError

    async def exists(self, key):
        return self.ask("GET", key) is not None

    async def set(self, key, value):
        self.ask("PUT", key, value.to_bytes())

    async def delete(self, key):
        self.ask("DELETE", key)

    async def list(self):
        for key in (self.ask("GET") or b"").decode().split():
            yield key

    async def list_prefix(self, prefix):
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix):
        prefix = f"{prefix}/" if prefix and not prefix.endswith("/") else prefix
        seen = set()
        async for key in self.list_prefix(prefix):
            seen.add(key.removeprefix(prefix).split("/")[0])
        for name in seen:
            yield name


put = RegionStore.put
RegionStore.put = lambda *given: (put(*given), time.sleep(0.02))
target = sys.argv[1]
print("begin", flush=True)
write(fields(time=1), Remote(target) if target.startswith("http") else target, progress=False)
"""


class Keys(http.server.BaseHTTPRequestHandler):
    """A dictionary across a network."""

    def key(self):
        return urllib.parse.unquote(self.path.lstrip("/"))

    def answer(self, code, data=b""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        keys = self.server.keys
        data = keys.get(self.key()) if self.key() else "\n".join(list(keys)).encode()
        self.answer(404 if data is None else 200, data or b"")

    def do_PUT(self):
        size = int(self.headers["Content-Length"])
        data = self.rfile.read(size)
        if len(data) == size:  # else the program was killed meanwhile
            self.server.keys[self.key()] = data
            self.answer(200)

    def do_DELETE(self):
        self.server.keys.pop(self.key(), None)
        self.answer(200)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys) as found:
        found.keys = {}
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def run(target, *, for_seconds=None):
    """Run the program, and kill it some time after it has begun; True if it came to its end."""
    command = [sys.executable, "-c", PROGRAM, str(target)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begin\n"
        if for_seconds is not None:
            time.sleep(for_seconds)
            process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        return process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "network"])
def test_killed_ten_times_then_completed(tmp_path, server, kind):
    address = f"http://127.0.0.1:{server.server_address[1]}"
    target = tmp_path / "a.zarr" if kind == "folder" else address

    def stored():
        if kind == "folder":
            return content(target)
        return content(MemoryStore(store_dict={k: _buffer(v) for k, v in server.keys.items()}))

    begin = time.monotonic()
    assert run(target)
    whole, seconds = stored(), time.monotonic() - begin
    rng = random.Random(0)
    for _ in range(10):
        server.keys.clear()
        target = tmp_path / f"{os.urandom(4).hex()}.zarr" if kind == "folder" else address
        run(target, for_seconds=rng.uniform(0, 0.5 * seconds))
        # a call that came to its end before it was to be killed finds its store finished
        assert run(target) or stored() == whole
        assert stored() == whole


def _buffer(data):
    from zarr.core.buffer import default_buffer_prototype

    return default_buffer_prototype().buffer.from_bytes(data)
