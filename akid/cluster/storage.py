"""Storage: whether all machines of a cluster see the place for logs and checkpoints."""

import secrets
import time
from pathlib import Path
from typing import Any, Final

from akid.cluster import object_folder
from akid.cluster.object_folder import ObjectFolder
from akid.cluster.work_dir import WorkDir
from akid.errors import ResourceError, StorageError

_ANSWER_TIMEOUT_S: Final = 30.0
_SEEN_WITHIN_S: Final = 10.0  # file systems over a network tell of new files late
_HELP_OF_FOLDER: Final = (
    "Name one on a shared file system (NFS, GlusterFS, CephFS, ...), or s3://...: --work-dir."
)
_HELP_OF_STORE: Final = (
    "Give each machine the credentials and, where it is not AWS, the store's address"
    " (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL), or name another --work-dir."
)


def check_shared(work_dir: WorkDir) -> None:
    """Have each other machine of the connected cluster read a file and write one.

    In an object store this machine itself does so, too.

    Args:
        work_dir: Where all machines have to read and write; a folder is made where it is missing.

    Raises:
        ResourceError: Naming the machines that can't read what this one wrote, or whose files
            this one can't read.
        StorageError: If this machine can't use the object store.
    """
    place = work_dir.uri or str(work_dir.local.resolve())
    nodes = _other_nodes()
    if not nodes and not work_dir.uri:
        return
    token = secrets.token_hex(8)
    question = f".akid-{token}"
    _write(place, question, token)
    try:
        here = _unreadable(place, question, token)
        faults = {"this machine": here} if here else _faults(place, question, token, nodes)
    finally:
        _delete(place, question)
    if faults:
        listed = "\n".join(f"  {name}: {fault}" for name, fault in faults.items())
        raise ResourceError(
            f"storage: expected a place that all machines see, got {place}:\n{listed}\n"
            + (_HELP_OF_STORE if work_dir.uri else _HELP_OF_FOLDER)
        )


def answer(place: str, question: str, token: str, name: str) -> str:
    """Read the question and write an answer beside it, on another machine; return what failed."""
    fault = _unreadable(place, question, token)
    if fault:
        return fault
    try:
        _write(place, f"{question}-{name}", token)
    except OSError as error:
        return f"it can't write there: {error}"
    return ""


def _write(place: str, name: str, text: str) -> None:
    if object_folder.is_uri(place):
        ObjectFolder(place).write_text(name, text)
    else:
        Path(place).mkdir(parents=True, exist_ok=True)
        Path(place, name).write_text(text, encoding="utf-8")


def _read(place: str, name: str) -> str:
    if object_folder.is_uri(place):
        return ObjectFolder(place).read_text(name)
    return Path(place, name).read_text(encoding="utf-8")


def _delete(place: str, beginning: str) -> None:
    if object_folder.is_uri(place):
        ObjectFolder(place).delete_texts(beginning)
        return
    for file in Path(place).glob(f"{beginning}*"):
        file.unlink(missing_ok=True)


def _faults(place: str, question: str, token: str, nodes: dict[str, str]) -> dict[str, str]:
    """Return what is wrong with each machine by its name; nothing for those that are right."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    asked = {name: _ask(node_id, place, question, token, name) for name, node_id in nodes.items()}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=_ANSWER_TIMEOUT_S)
    faults = {}
    for name, reference in asked.items():
        try:
            fault = ray.get(reference, timeout=0.1)
        except GetTimeoutError:
            fault = f"it gave no answer within {_ANSWER_TIMEOUT_S:g} s"
        except RayError as error:
            fault = f"it can't be asked: {str(error).strip().partition(chr(10))[0]}"
        fault = fault or _unreadable(place, f"{question}-{name}", token)
        if fault:
            faults[name] = fault
    return faults


def _ask(node_id: str, place: str, question: str, token: str, name: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    remote = ray.remote(num_cpus=0, max_retries=0)(answer)
    return remote.options(scheduling_strategy=there).remote(place, question, token, name)


def _other_nodes() -> dict[str, str]:
    """Return the ids of the machines that are not this one, by their addresses."""
    import ray

    alive = {node["NodeManagerAddress"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
    here = ray.util.get_node_ip_address()
    return {address: node_id for address, node_id in alive.items() if address != here}


def _unreadable(place: str, name: str, token: str) -> str:
    """Return why a file does not say `token`; nothing once it does."""
    deadline_s = time.monotonic() + _SEEN_WITHIN_S
    while True:
        try:
            if _read(place, name) == token:
                return ""
            fault = f"{name} has another content"
        except StorageError as error:
            fault = str(error)
        except OSError as error:
            fault = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline_s:
            return fault
        time.sleep(0.2)
