"""The MLflow store: how it is named, opened, and how its errors are told."""

import fcntl
import json
import logging
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from akid.errors import RefusedError, TrackingError
from akid.tuning.garbage import loading

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CLIENT_SETTINGS: Final = {
    # By default a dead server is asked again for minutes, and a call that it did not answer in time
    # is sent twice; the delivery tries again by itself, and looks first what was carried out.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_DB_SDK": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_LEVELS: Final = {
    "mlflow": logging.WARNING,
    "mlflow.store.db.utils": logging.CRITICAL,  # it tells of each of its retries
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,  # likewise
}
_REFUSALS: Final = {  # errors of a call that will fail again, MLflow REST API, "Error codes"
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}
# Faults of a database's connection, which MLflow calls a bad request like all but one of its errors
# (mlflow.store.db.utils, `_get_managed_session_maker`).
_OF_A_CONNECTION: Final = re.compile("InterfaceError|InternalError|PendingRollback|QueuePool")
# What was sent is refused, not who sends it, nor where to (RFC 9110, "Client Error 4xx").
_REFUSING_STATUSES: Final = {400, 413, 414, 415, 422, 431}
_STATUS: Final = re.compile(r"failed with error code (\d+)")  # of an answer that is not MLflow's
_SERVER_TIMEOUT_S: Final = 5.0
_LOCK_TIMEOUT_S: Final = 20.0


def default_uri() -> str:
    """Return the store that is used when none is named: MLFLOW_TRACKING_URI, or mlflow.db here."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').resolve()}"


def absolute(uri: str) -> str:
    """Return the address of the same store for any working folder.

    >>> absolute("sqlite:////a/mlflow.db"), absolute("http://localhost:5000")
    ('sqlite:////a/mlflow.db', 'http://localhost:5000')
    """
    file = sqlite_file(uri)
    if file is None:
        return uri
    return f"sqlite:///{file.resolve()}{uri.removeprefix(f'sqlite:///{file}')}"


def open_client(uri: str, *, for_writing: bool) -> "MlflowClient":
    """Return a client of the store.

    Args:
        uri: A tracking URI: `sqlite:///mlflow.db`, `http://host:5000`, ...
        for_writing: Whether the store has to take something; SQLite's file is made then.

    Raises:
        TrackingError: If the store can't be opened.
    """
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    _check_folder(uri)
    with translated(f"reach the tracking store uri={uri!r}"):
        _probe(uri, for_writing=for_writing)
    first = "mlflow" not in sys.modules
    with translated(f"open the tracking store uri={uri!r}"), _one_by_one(uri):
        with loading() if first else nullcontext():
            from mlflow import MlflowClient

        for name, level in _LEVELS.items():
            logging.getLogger(name).setLevel(level)
        return MlflowClient(tracking_uri=uri)


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite store; None of another kind of store."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").partition("?")[0])


def may_exist(uri: str) -> bool:
    """Whether there may be such a store; only of SQLite it can be told without asking it."""
    file = sqlite_file(uri)
    return file is None or file.exists()


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn whatever MLflow raises into a `TrackingError` that says what was tried.

    It is a `RefusedError` where the store will never do it.

    Yields:
        None.
    """
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        cause = _root(error)
        first_line = str(cause).strip().partition("\n")[0]
        raise (RefusedError if _is_refusal(error, cause) else TrackingError)(
            f"tracking store: could not {what}: {type(cause).__name__}: {first_line}."
            " Check it, or name another store by --tracking-uri."
        ) from error


def _check_folder(uri: str) -> None:
    file = sqlite_file(uri)
    if file is None:
        return
    if not file.parent.is_dir():
        raise TrackingError(
            f"tracking store: expected a folder for the store uri={uri!r}, got"
            f" {str(file.parent)!r}, which does not exist."
            " Make it, or name another store by --tracking-uri."
        )
    if file.is_dir():
        raise TrackingError(
            f"tracking store: expected a file as the store, got uri={uri!r}, which is a folder."
            f" Name a file in it: --tracking-uri {uri}/mlflow.db."
        )


def _probe(uri: str, *, for_writing: bool) -> None:
    """Raise what keeps the store from being used; MLflow itself tries again for minutes."""
    file = sqlite_file(uri)
    if file is not None:
        with closing(sqlite3.connect(file, timeout=_LOCK_TIMEOUT_S)) as store:
            store.execute("PRAGMA schema_version")
            if for_writing:
                store.execute("BEGIN IMMEDIATE")
                store.rollback()
    elif uri.startswith(("http://", "https://")):
        from urllib import error, request

        with suppress(error.HTTPError):  # whatever it answers, it is there
            request.urlopen(f"{uri}/health", timeout=_SERVER_TIMEOUT_S).close()  # noqa: S310


@contextmanager
def _one_by_one(uri: str) -> Iterator[None]:
    """Let one process at a time make or upgrade a SQLite store: two at once spoil its tables.

    Yields:
        None.
    """
    file = sqlite_file(uri)
    if file is None:
        yield
        return
    folder = os.open(file.resolve().parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems can't lock a folder
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _is_refusal(error: Exception, cause: BaseException) -> bool:
    """Whether a call will fail again, whenever it is made: because of what it says."""
    said = str(error)
    if getattr(error, "error_code", "") in _REFUSALS:
        return not _OF_A_CONNECTION.search(said)
    found = _STATUS.search(said)
    status = int(found[1]) if found else _status(cause)
    if status in _REFUSING_STATUSES:
        return True
    # Of the files and the network (a wrong certificate is a ValueError, too), or of an answer.
    is_outside = isinstance(cause, OSError | json.JSONDecodeError)
    return isinstance(cause, TypeError | ValueError) and not is_outside


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an artifact store's answer."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
