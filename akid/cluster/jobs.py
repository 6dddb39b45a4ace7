"""Jobs: a sweep whose driver runs on the cluster (Ray documentation, "Ray Jobs")."""

import asyncio
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from akid.cluster.package import packed
from akid.errors import ResourceError

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

logger = logging.getLogger(__name__)

_QUIET_LOGGERS: Final = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
_NOT_READY: Final = "No available agent"
_READY_WITHIN_S: Final = 60.0
_ASK_AGAIN_S: Final = 2.0
_SILENT_LIMIT_S: Final = 120.0
_JOB: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def is_job() -> bool:
    """Whether this process is a job's driver: its working folder goes when the job ends."""
    return _JOB in os.environ


class JobServer:
    """The job server of a running cluster: its dashboard.

    Args:
        address: `http://host:8265`.

    Raises:
        ResourceError: If it does not answer, or refuses the token.
    """

    def __init__(self, address: str) -> None:
        if not address.startswith(("http://", "https://")):
            raise ResourceError(
                f"submit: expected the address of the cluster's dashboard, for example"
                f" http://head:8265, got address={address!r}."
            )
        for logger in _QUIET_LOGGERS:
            logging.getLogger(logger).setLevel(logging.WARNING)
        self._address = address
        self._client = self._connect()

    def submit(self, file: Path, arguments: Sequence[str]) -> str:
        """Start a sweep of an experiment file as a job, and return the job's id.

        The file's folder is sent along, without secrets and results (`akid.cluster.package`).

        Args:
            file: The experiment file.
            arguments: Further arguments of `akid.sweep`, as the cluster's machines see them.

        Raises:
            ResourceError: If the folder is too large, or the cluster refuses the job.
        """
        name = file.resolve().parent.name if file.stem == "experiment" else file.stem
        words = ["python", "-m", "akid.sweep", file.name, "--address", "auto", *arguments]
        with packed(file.resolve().parent) as folder:
            return self._submit(
                entrypoint=shlex.join(words),
                submission_id=f"akid-{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
                runtime_env={"working_dir": str(folder)},
                metadata={"akid.experiment": name, "akid.host": socket.gethostname()},
            )

    def _submit(self, **job: Any) -> str:
        """Submit a job; a cluster that has just come up is given a minute to get ready for it."""
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                submitted: str = self._client.submit_job(**job)
            except (RuntimeError, ValueError, ConnectionError) as error:
                if _NOT_READY not in str(error) or time.monotonic() > deadline_s:
                    raise self._refused(error) from error
                time.sleep(_ASK_AGAIN_S)
            else:
                return submitted

    def follow(self, job: str, write: Callable[[str], object]) -> int:
        """Pass on what a job prints until it ends, and return its exit code.

        A connection that breaks off is taken up again.

        Raises:
            ResourceError: If the job ended without an exit code (it was stopped, or its machine was
                lost), or the job server does not answer for two minutes.
        """
        output = _Unseen(write)
        is_whole = self._pass_on(job, output)
        while not (details := self._details(job)).status.is_terminal():
            time.sleep(_ASK_AGAIN_S)
            is_whole = self._pass_on(job, output)
        if not is_whole:  # it has ended while nobody heard it
            self._pass_on(job, output)
        if details.driver_exit_code is None:
            raise ResourceError(
                f"submit: expected job {job} to end by itself, got {details.status}:"
                f" {details.message}"
            )
        return int(details.driver_exit_code)

    def _pass_on(self, job: str, output: "_Unseen") -> bool:
        """Pass on what a job prints until it ends; return False where the connection breaks off."""
        from aiohttp import ClientError

        try:
            asyncio.run(self._tail(job, output))
        except (RuntimeError, OSError, ClientError) as error:
            if not output.is_broken:
                logger.warning("submit: job %s is not heard: %s; trying again", job, error)
            output.is_broken = True
            return False
        return True

    async def _tail(self, job: str, output: "_Unseen") -> None:
        output.begin()
        async for text in self._client.tail_job_logs(job):
            output.add(text)

    def _details(self, job: str) -> "JobDetails":
        """Return how a job stands, as soon as the job server answers."""
        deadline_s = time.monotonic() + _SILENT_LIMIT_S
        while True:
            try:
                return self._client.get_job_info(job)
            except (RuntimeError, OSError) as error:
                if time.monotonic() > deadline_s:
                    raise ResourceError(
                        f"submit: expected {self._address} to answer within {_SILENT_LIMIT_S:g} s,"
                        f" got {error}. Job {job} goes on without this command; follow it with: ray"
                        f" job logs --follow --address {self._address} {job}"
                    ) from error
                time.sleep(_ASK_AGAIN_S)

    def _connect(self) -> "JobSubmissionClient":
        from ray.exceptions import AuthenticationError
        from ray.job_submission import JobSubmissionClient

        try:
            return JobSubmissionClient(self._address)
        except (AuthenticationError, RuntimeError, ValueError, ConnectionError) as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> ResourceError:
        first_line = str(error).strip().partition("\n")[0]
        return ResourceError(
            f"submit: expected the job server at {self._address} to take a job, got"
            f" {type(error).__name__}: {first_line} Check the address (the dashboard's, not port"
            " 6379 or 10001) and the token (RAY_AUTH_TOKEN, or ~/.ray/auth_token)."
        )


class _Unseen:
    """A job's output, which is told from its begin after each break: what is new is passed on.

    Args:
        write: Where it goes.

    Attributes:
        is_broken: Whether nothing has come since a break.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self.is_broken = False
        self._write = write
        self._n_written = 0

    def begin(self) -> None:
        """Expect the output from its begin."""
        self._n_told = 0

    def add(self, text: str) -> None:
        """Take the next piece of what is told."""
        self.is_broken = False
        new = text[max(0, self._n_written - self._n_told) :]
        self._n_told += len(text)
        self._n_written += len(new)
        if new:
            self._write(new)


def write_out(text: str) -> None:
    """Pass a job's output on to this process's."""
    sys.stdout.write(text)
    sys.stdout.flush()
