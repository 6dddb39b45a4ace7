"""Values: the few things in which one deployment differs from another."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from akid.errors import DeployError

FILE_NAME: Final = "values.toml"

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?")
_QUANTITY: Final = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti)")
_TIME: Final = re.compile(r"([0-9]+-)?[0-9]{1,2}:[0-9]{2}:[0-9]{2}")


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a deployment is rendered from; the defaults suit one GPU for each worker.

    Attributes:
        name: What the cluster and its parts are called; a DNS label.
        namespace: The Kubernetes namespace.
        operator_namespace: The namespace that KubeRay's operator runs in.
        image: The container image, built from the rendered Dockerfile.
        ray_version: The version of Ray in the image; that of this installation.
        python_version: The version of Python in the image.
        experiment: The experiment file that a job trains, as the cluster sees it.
        shared: Where the shared volume is mounted on every machine.
        shared_size: How large the shared volume is.
        storage_class: A storage class whose volumes many nodes can write; "" for the default one.
        database_size: How large the volume of MLflow's database is.
        min_workers: So many workers there are always; one at least, so that a sweep knows what a
            worker has.
        max_workers: At most so many workers there are.
        cpus_per_worker: CPUs of each worker.
        memory_per_worker: Memory of each worker.
        gpus_per_worker: GPUs of each worker; 0 for none.
        gpu_product: The model of GPU that workers ask for, as the nodes' label
            `nvidia.com/gpu.product` has it; "" for any.
        head_ip: The address of the head machine, for `ray up` on machines of one's own.
        worker_ips: The addresses of the other machines, for `ray up`.
        ssh_user: Who logs in to them, for `ray up`.
        slurm_partition: The partition; "" for the default one.
        slurm_time: How long a Slurm job may take, as `[days-]hours:minutes:seconds`.

    Raises:
        DeployError: If a value can't be used; all faults at once.
    """

    name: str = "akid"
    namespace: str = "akid"
    operator_namespace: str = "kuberay-system"
    image: str = "akid:latest"
    ray_version: str = metadata.version("ray")
    python_version: str = "3.11"
    experiment: str = "/shared/experiment.py"
    shared: str = "/shared"
    shared_size: str = "100Gi"
    storage_class: str = ""
    database_size: str = "10Gi"
    min_workers: int = 1
    max_workers: int = 4
    cpus_per_worker: int = 8
    memory_per_worker: str = "32Gi"
    gpus_per_worker: int = 1
    gpu_product: str = ""
    head_ip: str = "192.0.2.1"
    worker_ips: Sequence[str] = ("192.0.2.2",)
    ssh_user: str = "ubuntu"
    slurm_partition: str = ""
    slurm_time: str = "24:00:00"

    def __post_init__(self) -> None:
        faults = [*_type_faults(self), *_form_faults(self), *_number_faults(self)]
        if faults:
            raise DeployError("\n".join(faults))

    def with_settings(self, settings: Sequence[str]) -> "Values":
        """Return the values as `NAME=VALUE` texts change them.

        Raises:
            DeployError: If a text has another form, or names no value.
        """
        changes = dict(_setting(text) for text in settings)
        return replace(self, **changes)


def read(file: Path) -> Values:
    """Return the values of a TOML file; what it does not name has its default.

    Raises:
        DeployError: If it is no TOML, or names what is no value.
    """
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DeployError(f"deploy: expected TOML in {file}, got: {error}.") from error
    for name in given:
        _check_name(name)
    return Values(**given)


def to_toml(values: Values) -> str:
    """Return the values as a TOML file."""
    lines = [f"{f.name} = {_toml(getattr(values, f.name))}" for f in fields(values)]
    return "\n".join(
        ["# What this folder is rendered from: change it, and render again.", *lines, ""]
    )


def as_mapping(values: Values) -> Mapping[str, Any]:
    """Return the values by their names."""
    return {f.name: getattr(values, f.name) for f in fields(values)}


def _toml(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return f"[{', '.join(_toml(item) for item in value)}]"


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise DeployError(f"--set: expected NAME=VALUE, got {text!r}.")
    default = _check_name(name).default
    if isinstance(default, int):
        if not value.isdigit():
            raise DeployError(f"--set {name}: expected a whole number, got {value!r}.")
        return name, int(value)
    return name, value if isinstance(default, str) else [v for v in value.split(",") if v]


def _check_name(name: str) -> Any:
    known = {f.name: f for f in fields(Values)}
    if name not in known:
        raise DeployError(f"deploy: expected one of the values {', '.join(known)}, got {name!r}.")
    return known[name]


def _type_faults(values: Values) -> list[str]:
    faults = []
    for f in fields(values):
        value = getattr(values, f.name)
        if isinstance(f.default, tuple):
            fits = isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
        else:
            fits = type(value) is type(f.default)
        if not fits:
            kind = "a list of texts" if isinstance(f.default, tuple) else type(f.default).__name__
            faults.append(f"{f.name}: expected {kind}, got {f.name}={value!r}.")
        elif isinstance(value, str) and ("\n" in value or '"' in value):
            faults.append(f"{f.name}: expected one line without quotes, got {f.name}={value!r}.")
    return faults


def _form_faults(values: Values) -> list[str]:
    forms = {
        "name": (_DNS_LABEL, "lower-case letters, digits and dashes"),
        "namespace": (_DNS_LABEL, "lower-case letters, digits and dashes"),
        "operator_namespace": (_DNS_LABEL, "lower-case letters, digits and dashes"),
        "shared_size": (_QUANTITY, "a number with Mi, Gi or Ti"),
        "database_size": (_QUANTITY, "a number with Mi, Gi or Ti"),
        "memory_per_worker": (_QUANTITY, "a number with Mi, Gi or Ti"),
        "slurm_time": (_TIME, "[days-]hours:minutes:seconds"),
    }
    return [
        f"{name}: expected {form}, got {name}={getattr(values, name)!r}."
        for name, (pattern, form) in forms.items()
        if not pattern.fullmatch(str(getattr(values, name)))
    ]


def _number_faults(values: Values) -> list[str]:
    least = {"min_workers": 1, "max_workers": 1, "cpus_per_worker": 1, "gpus_per_worker": 0}
    faults = [
        f"{name}: expected at least {lowest}, got {name}={getattr(values, name)!r}."
        for name, lowest in least.items()
        if isinstance(getattr(values, name), int) and getattr(values, name) < lowest
    ]
    if (
        not faults
        and isinstance(values.max_workers, int)
        and values.max_workers < values.min_workers
    ):
        faults.append(
            f"max_workers: expected at least min_workers={values.min_workers}, got"
            f" max_workers={values.max_workers}."
        )
    if not values.shared.startswith("/"):
        faults.append(f"shared: expected an absolute path, got shared={values.shared!r}.")
    return faults
