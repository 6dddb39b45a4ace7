import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from akid.errors import ChecksumError, DownloadError
from akid.sensing.datasets.download import download, sha256_of

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    released: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/silent":
            self.released.wait(10)
            return
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        half = len(CONTENT) // 2
        self.wfile.write(CONTENT[:half] if self.path == "/cut" else self.bytes_to_send())

    def bytes_to_send(self) -> bytes:
        return CONTENT[::-1] if self.path == "/wrong" else CONTENT

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/right", "/unsized"])
def test_the_right_bytes_take_the_targets_name(base: str, tmp_path: Path, path: str) -> None:
    """The file is whole, in a folder that was made for it, and nothing else is left there."""
    target = tmp_path / "new" / "file"

    assert download(target, [base + path], sha256=SHA256.upper()) == target
    assert target.read_bytes() == CONTENT
    assert sha256_of(target) == SHA256
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("path", "kind", "fact"),
    [
        ("/wrong", ChecksumError, f"expected SHA-256 {SHA256}, got "),
        ("/cut", DownloadError, f"expected {len(CONTENT)} bytes, got {len(CONTENT) // 2}"),
        ("/missing", DownloadError, "HTTPError: HTTP Error 404"),
    ],
)
def test_a_fault_is_named_and_leaves_nothing_behind(
    base: str, tmp_path: Path, path: str, kind: type[Exception], fact: str
) -> None:
    """The error tells the address, what was wrong and what to do; no file is left."""
    with pytest.raises(kind) as error:
        download(tmp_path / "file", [base + path], sha256=SHA256)

    assert type(error.value) is kind
    assert base + path in str(error.value)
    assert fact in str(error.value)
    assert f"put the file at {tmp_path / 'file'} by hand" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", ["/missing", "/cut", "/wrong"])
def test_the_second_address_is_tried(base: str, tmp_path: Path, bad: str) -> None:
    """One mirror that works is enough."""
    target = download(tmp_path / "file", [base + bad, base + "/right"], sha256=SHA256)

    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_weighs_more_than_a_lost_connection(base: str, tmp_path: Path) -> None:
    """When all mirrors fail, each is listed, and other bytes than published are the error."""
    with pytest.raises(ChecksumError, match=r"(?s)2 address.*wrong.*missing"):
        download(tmp_path / "file", [base + "/wrong", base + "/missing"], sha256=SHA256)


def test_a_silent_address_times_out(base: str, tmp_path: Path) -> None:
    """A server that says nothing does not hold the program."""
    with pytest.raises(DownloadError, match="timed out"):
        download(tmp_path / "file", [base + "/silent"], sha256=SHA256, timeout_s=0.1)


@pytest.mark.parametrize("urls", [[], ["file:///etc/hosts"], ["http://127.0.0.1:1/closed"]])
def test_unusable_addresses_are_download_errors(tmp_path: Path, urls: list[str]) -> None:
    """No address, another scheme or a closed port: never a foreign exception."""
    with pytest.raises(DownloadError):
        download(tmp_path / "file", urls, sha256=SHA256, timeout_s=1)


def test_an_existing_file_survives_a_failed_download(base: str, tmp_path: Path) -> None:
    """The target is replaced at once or not at all."""
    target = tmp_path / "file"
    target.write_text("before")

    with pytest.raises(DownloadError):
        download(target, [base + "/cut"], sha256=SHA256)

    assert target.read_text() == "before"
