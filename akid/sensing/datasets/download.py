"""Download: fetch a file from one of several addresses; its SHA-256 is checked before any use."""

import hashlib
import http.client
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from akid.errors import ChecksumError, DownloadError

_CHUNK_BYTES: Final = 1 << 20
_SCHEMES: Final = ("http", "https")

logger = logging.getLogger(__name__)


def download(target: Path, urls: Sequence[str], *, sha256: str, timeout_s: float = 30.0) -> Path:
    """Fetch `target` from the first address that gives the right bytes.

    The bytes go to a temporary file beside the target and take its name only after their SHA-256
    was found right, so that a file of that name is always whole, also with many processes at once.

    Args:
        target: The file to write; its folder is made where it is missing.
        urls: Addresses (http or https) to try in this order.
        sha256: The published SHA-256 of the file, in hex.
        timeout_s: How long an address may say nothing.

    Returns:
        `target`.

    Raises:
        ChecksumError: If no address gave the right bytes and at least one gave others.
        DownloadError: If no address gave a whole file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    faults: list[ChecksumError | DownloadError] = []
    for url in urls:
        try:
            _fetch(target, url, sha256, timeout_s)
        except (ChecksumError, DownloadError) as fault:
            logger.warning("%s", fault)
            faults.append(fault)
        else:
            return target
    raise _join(target, urls, faults)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _join(
    target: Path, urls: Sequence[str], faults: Sequence[ChecksumError | DownloadError]
) -> ChecksumError | DownloadError:
    kind = ChecksumError if any(isinstance(f, ChecksumError) for f in faults) else DownloadError
    listed = "".join(f"\n  - {fault}" for fault in faults) or "\n  - no address was given"
    return kind(
        f"download: could not get {target.name} from any of {len(urls)} address(es):{listed}\n"
        f"Check the network, or put the file at {target} by hand."
    )


def _fetch(target: Path, url: str, sha256: str, timeout_s: float) -> None:
    if urlsplit(url).scheme not in _SCHEMES:
        raise DownloadError(f"expected an address that starts with http(s)://, got url={url!r}")
    handle = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it outlives the `with` by its new name
        dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
    )
    part = Path(handle.name)
    try:
        with handle:
            got = _copy(url, cast("IO[bytes]", handle), timeout_s)
        if got != sha256.lower():
            raise ChecksumError(f"{url}: expected SHA-256 {sha256.lower()}, got {got}")
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    logger.info("fetched %s from %s", target, url)


def _copy(url: str, out: IO[bytes], timeout_s: float) -> str:
    """Write what the address gives to `out` and return its SHA-256."""
    digest, got_bytes = hashlib.sha256(), 0
    request = Request(url, headers={"User-Agent": "akid"})  # noqa: S310 - the scheme was checked
    try:
        with urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            length = answer.headers.get("Content-Length")
            while chunk := answer.read(_CHUNK_BYTES):
                out.write(chunk)
                digest.update(chunk)
                got_bytes += len(chunk)
    except HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: {type(error).__name__}: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {type(error).__name__}: {error}") from error
    if length is not None and int(length) != got_bytes:
        raise DownloadError(
            f"{url}: the connection broke: expected {length} bytes, got {got_bytes}"
        )
    return digest.hexdigest()
