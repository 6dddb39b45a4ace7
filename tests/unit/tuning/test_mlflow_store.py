"""How the store is named."""

import json
import ssl
from types import SimpleNamespace

import pytest

from akid.errors import RefusedError, TrackingError
from akid.tuning.mlflow_store import default_uri, open_client, translated


def test_the_default_store_lies_here(tmp_path, monkeypatch) -> None:
    """Unless the environment names another."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.org")
    assert default_uri() == "http://example.org"


def test_an_error_says_that_it_is_the_stores_and_what_was_tried(tmp_path) -> None:
    """Whoever asked: who reads is told the same as who writes."""
    with (
        pytest.raises(TrackingError, match=r"^tracking store: could not read x: KeyError: 'a'"),
        translated("read x"),
    ):
        raise KeyError("a")
    with pytest.raises(TrackingError, match=r"^tracking store: expected a folder"):
        open_client(f"sqlite:///{tmp_path}/none/mlflow.db", for_writing=False)


class AnswerError(Exception):
    """What MLflow raises of a server's answer."""

    def __init__(self, error_code: str, text: str) -> None:
        super().__init__(text)
        self.error_code = error_code


class UploadError(OSError):
    """What the client of an artifact store raises."""

    def __init__(self, status: int) -> None:
        super().__init__("no upload")
        self.response = SimpleNamespace(status_code=status)


REFUSED = [
    UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
    ValueError("A string literal cannot contain NUL (0x00) characters."),
    TypeError("not a number"),
    AnswerError("INVALID_PARAMETER_VALUE", "a name"),
    AnswerError("BAD_REQUEST", "(pymysql.err.DataError) Data too long for column 'value'"),
    AnswerError("INTERNAL_ERROR", "API request to x failed with error code 413 != 200."),
    UploadError(413),
]
PASSING = [
    OSError("no route to host"),
    ssl.SSLCertVerificationError("the certificate has expired"),  # a ValueError, too
    json.JSONDecodeError("Expecting value", "<html>", 0),
    AnswerError("TEMPORARILY_UNAVAILABLE", "database is locked"),
    AnswerError("BAD_REQUEST", "(psycopg2.InterfaceError) connection already closed"),
    AnswerError("ENDPOINT_NOT_FOUND", "API request to x failed with error code 404 != 200."),
    AnswerError("PERMISSION_DENIED", "API request to x failed with error code 403 != 200."),
    AnswerError("INTERNAL_ERROR", "API request to x failed with error code 502 != 200."),
    UploadError(401),
    UploadError(429),
]


@pytest.mark.parametrize("error", REFUSED, ids=str)
def test_what_will_never_be_taken_is_a_refusal(error: Exception) -> None:
    """Such as a text that is none: it waited in the spool, and held up each later sweep."""
    with pytest.raises(RefusedError), translated("write x"):
        raise error


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_may_be_taken_later_is_none(error: Exception) -> None:
    """The network, the server's state, and who may do what: they change."""
    with pytest.raises(TrackingError) as raised, translated("write x"):
        raise error
    assert not isinstance(raised.value, RefusedError)
