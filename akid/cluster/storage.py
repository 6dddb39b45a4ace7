"""Storage: whether all machines of a cluster see the folder for logs and checkpoints."""

import secrets
import time
from pathlib import Path
from typing import Any, Final

from akid.errors import ResourceError

_ANSWER_TIMEOUT_S: Final = 30.0
_SEEN_WITHIN_S: Final = 10.0  # file systems over a network tell of new files late


def check_shared(folder: Path) -> None:
    """Have each other machine of the connected cluster read a file and write one.

    Args:
        folder: The folder; it is made where it is missing.

    Raises:
        ResourceError: Naming the machines that can't read what this one wrote, or whose files
            this one can't read.
    """
    nodes = _other_nodes()
    if not nodes:
        return
    token = secrets.token_hex(8)
    question = folder / f".akid-{token}"
    folder.mkdir(parents=True, exist_ok=True)
    question.write_text(token, encoding="utf-8")
    try:
        faults = _faults(question, token, nodes)
    finally:
        for file in folder.glob(f".akid-{token}*"):
            file.unlink(missing_ok=True)
    if faults:
        listed = "\n".join(f"  {name}: {fault}" for name, fault in faults.items())
        raise ResourceError(
            f"storage: expected a folder that all machines see, got {folder}:\n{listed}\n"
            "Name one on a shared file system (NFS, GlusterFS, CephFS, ...): --work-dir."
        )


def answer(question: str, token: str, name: str) -> str:
    """Read the question and write an answer beside it, on another machine; return what failed."""
    file = Path(question)
    fault = _unreadable(file, token)
    if fault:
        return fault
    try:
        file.with_name(f"{file.name}-{name}").write_text(token, encoding="utf-8")
    except OSError as error:
        return f"it can't write there: {error}"
    return ""


def _faults(question: Path, token: str, nodes: dict[str, str]) -> dict[str, str]:
    """Return what is wrong with each machine by its name; nothing for those that are right."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    asked = {name: _ask(node_id, question, token, name) for name, node_id in nodes.items()}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=_ANSWER_TIMEOUT_S)
    faults = {}
    for name, reference in asked.items():
        try:
            fault = ray.get(reference, timeout=0.1)
        except GetTimeoutError:
            fault = f"it gave no answer within {_ANSWER_TIMEOUT_S:g} s"
        except RayError as error:
            fault = f"it can't be asked: {str(error).strip().partition(chr(10))[0]}"
        fault = fault or _unreadable(question.with_name(f"{question.name}-{name}"), token)
        if fault:
            faults[name] = fault
    return faults


def _ask(node_id: str, question: Path, token: str, name: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    remote = ray.remote(num_cpus=0, max_retries=0)(answer)
    return remote.options(scheduling_strategy=there).remote(str(question), token, name)


def _other_nodes() -> dict[str, str]:
    """Return the ids of the machines that are not this one, by their addresses."""
    import ray

    alive = {node["NodeManagerAddress"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
    here = ray.util.get_node_ip_address()
    return {address: node_id for address, node_id in alive.items() if address != here}


def _unreadable(file: Path, token: str) -> str:
    """Return why a file does not say `token`; nothing once it does."""
    deadline_s = time.monotonic() + _SEEN_WITHIN_S
    while True:
        try:
            if file.read_text(encoding="utf-8") == token:
                return ""
            fault = f"{file.name} has another content"
        except OSError as error:
            fault = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline_s:
            return fault
        time.sleep(0.2)
