"""Connection: the one place that starts or joins a Ray cluster and sets Ray's variables."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from akid.cluster import jobs, machine, package, temporary
from akid.cluster.head_watch import HeadWatch
from akid.cluster.resources import ClusterCapacity, Node
from akid.errors import ResourceError

logger = logging.getLogger(__name__)

# Read by Ray when it is imported, started or asked to tune; what the user has set already wins.
_RAY_SETTINGS: Final = {
    # Tune's own CSV, JSON and TensorBoard files cost 40 ms a trial; MLflow has their content.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Resuming is the plan's work, so Tune's own state need not be written every few seconds.
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    # The sweep hears the signals itself.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # A trial works where the sweep was started: relative paths in `setup` mean the same in each.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A worker group is looked at every 2 s by default, and waits for that at its begin and end.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A crashed trial has told its traceback; Ray would print it again.
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}
_KNOCK_LIMIT_S: Final = 10.0
# A private cluster's head never comes back: what is left of it ends after this, in place of 60 s.
_PRIVATE_SETTINGS: Final = {"RAY_gcs_rpc_server_reconnect_timeout_s": "10"}
_AT_HOME: Final = (
    "Ray's logs are in session_latest/logs of its folder, /tmp/ray unless RAY_TMPDIR or TMPDIR say"
    " otherwise; a machine that is very busy or short of memory or disk may need another try."
)
_ELSEWHERE: Final = "Check `ray status` there, or leave out --address to start a private cluster."


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        capacity: Its machines with their CPUs and GPUs.
        dashboard_url: Where its dashboard answers, or None.
    """

    capacity: ClusterCapacity
    dashboard_url: str | None


@contextmanager
def connect(
    address: str | None = None,
    *,
    code: Path | None = None,
    metadata: Mapping[str, str] | None = None,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
) -> Iterator[Cluster]:
    """Join the cluster at `address`, or start one on this machine; leave or end it afterwards.

    A process that has called `ray.init` itself keeps its cluster: it is used and left as it is.

    Args:
        address: `host:port` of a running cluster, `"auto"` for the one on this machine; None
            starts a private one.
        code: A folder that is sent to the machines of a cluster of several, where trials then work
            in a copy of it (`akid.cluster.package` says what is sent); None sends nothing.
        metadata: What the dashboard shows beside this process's job.
        num_cpus: Logical CPUs of a private cluster; None for as many as there are.
        num_gpus: Logical GPUs of a private cluster; None for as many as there are.

    Raises:
        ResourceError: If the cluster can't be reached, or `address` is a Ray Client address.
    """
    if address is not None and address.startswith("ray://"):
        raise ResourceError(
            f"connect: expected host:port or 'auto', got address={address!r}. Ray Tune's"
            " driver has to run inside of the cluster: start the sweep on one of its machines, or"
            " submit it as a Ray job."
        )
    settings = _RAY_SETTINGS if address is not None else {**_RAY_SETTINGS, **_PRIVATE_SETTINGS}
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    if is_connected():
        yield Cluster(capacity=capacity(), dashboard_url=None)
        return
    if address is None:
        place = _private(metadata or {}, num_cpus=num_cpus, num_gpus=num_gpus)
    else:
        place = _joined(address, code, metadata or {})
    with place as dashboard:
        yield Cluster(
            capacity=capacity(), dashboard_url=f"http://{dashboard}" if dashboard else None
        )


def is_connected() -> bool:
    """Whether this process is connected to a cluster already; Ray is not loaded to find out."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def capacity() -> ClusterCapacity:
    """Return the machines of the cluster that this process is connected to."""
    import ray

    alive = (node for node in ray.nodes() if node["Alive"])
    return ClusterCapacity(nodes=tuple(_node(node, node["Resources"]) for node in alive))


def free() -> ClusterCapacity:
    """Return the machines of `capacity` with what is free of them."""
    import ray
    from ray._private.state import available_resources_per_node  # Ray tells it nowhere else

    found = available_resources_per_node()
    alive = (node for node in ray.nodes() if node["Alive"])
    return ClusterCapacity(
        nodes=tuple(_node(node, found.get(node["NodeID"], {})) for node in alive)
    )


def _node(described: Mapping[str, Any], resources: Mapping[str, float]) -> Node:
    besides = {name: resources[name] for name in sorted(resources) if name not in ("CPU", "GPU")}
    return Node(
        cpus=resources.get("CPU", 0.0),
        gpus=resources.get("GPU", 0.0),
        name=described["NodeManagerHostname"],
        resources=besides,
        labels=described["Labels"],
    )


@contextmanager
def _private(
    metadata: Mapping[str, str], *, num_cpus: int | None, num_gpus: int | None
) -> Iterator[str | None]:
    """Start a cluster on this machine and end it; yield its dashboard's host and port.

    Its processes have a folder for temporary files that goes with it: Ray's dashboard leaves one of
    Python's `multiprocessing` behind, because it is always killed, and so may trials.
    """
    temporary.delete_left()
    with temporary.folder("ray") as folder:
        with (
            _own_signals(),
            _any_agent_port(),
            temporary.used_by_children(folder),
            machine.without_faulty_gpus(),
        ):
            dashboard = _init(
                "to start on this machine",
                _AT_HOME,
                metadata,
                address="local",  # never the cluster that someone else has started here
                num_cpus=num_cpus,
                num_gpus=num_gpus,
                include_dashboard=True,
                dashboard_host="127.0.0.1",
            )
        try:
            with HeadWatch(_dead_processes), _hushed():
                yield dashboard
        finally:
            _end()


@contextmanager
def _joined(address: str, code: Path | None, metadata: Mapping[str, str]) -> Iterator[str | None]:
    """Join a cluster and leave it; yield its dashboard's host and port."""
    with _own_signals():
        dashboard = _join(address, code, metadata)
    try:
        with _hushed():
            yield dashboard
    finally:
        _end()


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what Ray says of lost processes out of the program's output.

    `log_to_driver=False` lets it through. What became of a trial akid says itself; Ray's own words
    are in its logs.
    """
    from ray._private import worker

    kept, worker._worker_logs_enabled = worker._worker_logs_enabled, False  # noqa: SLF001
    try:
        yield
    finally:
        worker._worker_logs_enabled = kept  # noqa: SLF001


@contextmanager
def _any_agent_port() -> Iterator[None]:
    """Let the dashboard's agent listen where a port is free.

    Ray's default is port 52365, and `ray.init` takes no other. A second cluster on a machine would
    wait four seconds for that port, then go without an agent: its dashboard would take no jobs.
    """
    from ray._private import parameter

    kept = parameter.RayParams
    parameter.RayParams = partial(kept, dashboard_agent_listen_port=0)
    try:
        yield
    finally:
        parameter.RayParams = kept


def _join(address: str, code: Path | None, metadata: Mapping[str, str]) -> str | None:
    """Join a cluster, and return its dashboard's host and port.

    What is sent along has to be said when one joins, and whether there are other machines is known
    only then; a job's code has been sent with the job.
    """
    where = f"at address={address!r}"
    _knock(address)
    dashboard = _init(where, _ELSEWHERE, metadata, address=address)
    if code is None or jobs.is_job() or len(_hosts()) < 2:
        return dashboard
    _end()
    with package.packed(code) as folder:
        environment = {"working_dir": str(folder)}
        return _init(where, _ELSEWHERE, metadata, address=address, runtime_env=environment)


def _knock(address: str) -> None:
    """Refuse an address at which nobody listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():  # "auto"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_LIMIT_S).close()
    except (OSError, OverflowError) as error:
        raise ResourceError(
            f"connect: expected a Ray cluster at address={address!r}, got {error}. Is the head up"
            " (`ray status` there), is its GCS port the one that is named (6379 by default, not the"
            " dashboard's 8265), and can this machine reach it?"
        ) from error


def _init(where: str, advice: str, metadata: Mapping[str, str], **arguments: Any) -> str | None:
    import ray
    from ray.job_config import JobConfig

    if not jobs.is_job():  # a job has what `submit` has said of it
        arguments["job_config"] = JobConfig(metadata=dict(metadata))

    try:
        context = ray.init(log_to_driver=False, logging_level=logging.WARNING, **arguments)
    except Exception as error:  # Ray raises many kinds, bare ones too
        raise ResourceError(
            f"connect: expected a Ray cluster {where}, got {type(error).__name__}:"
            f" {str(error).strip().rstrip('.')}. {advice}"
        ) from error
    return context.dashboard_url or None


def _hosts() -> set[str]:
    """Return the addresses of the cluster's machines."""
    import ray

    return {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}


def _dead_processes() -> list[str]:
    """Return the kinds of this machine's Ray processes that have died."""
    import ray

    node = ray._private.worker._global_node  # noqa: SLF001 (Ray tells it nowhere else)
    return [] if node is None else [kind for kind, _ in node.dead_processes()]


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the program's signals while Ray starts, which takes SIGTERM for itself.

    The cluster's processes don't end with the terminal: the driver ends them in its own time.
    """
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # children inherit it
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def _end() -> None:
    import ray

    ray.shutdown()
