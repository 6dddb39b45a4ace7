"""Gang: how many workers a trial practises on, read from its rendered source before it starts."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from akid.cluster.resources import ResourceRequest
from akid.errors import TemplateError

_ENGINE: Final = "data_parallel"
_NUMBERS: Final = ("num_gpu", "gpu_num")
_NUM_WORKERS: Final = 2
"""How many workers the engine has that is asked for by its name alone."""


def request_of(source: str, request: ResourceRequest, *, gpus_are_given: bool) -> ResourceRequest:
    """Return what a trial needs: for each worker, if its source names engine "data_parallel".

    Args:
        source: The rendered source.
        request: What the experiment's numbers give the trial.
        gpus_are_given: Whether `gpu_num_per_instance` is a number; otherwise each worker has a GPU
            where there are any.

    Raises:
        TemplateError: If the engine is not written as a literal, or its number and
            `gpu_num_per_instance` contradict each other.

    >>> source = 'kid = Kid(engine={"name": "data_parallel", "num_gpu": 4})'
    >>> str(request_of(source, ResourceRequest(cpus=1, gpus=4), gpus_are_given=True))
    '4 x (1 CPU, 1 GPU)'
    """
    if _ENGINE not in source:
        return request
    engines = list(_engines(ast.parse(source)))
    if not engines:
        return request
    if any(engine != engines[0] for engine in engines):
        raise TemplateError(
            f"setup: expected engine {_ENGINE!r} once, or always alike, in what is rendered, got"
            f" {' and '.join(map(str, engines))}. Choose by a statement of the template (#% if)."
        )
    return _request(engines[0], request, gpus_are_given=gpus_are_given)


def _engines(tree: ast.AST) -> Iterator[dict[str, Any]]:
    """Give the options of each mention of the engine: a dict, or its name alone."""
    in_dicts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict) and (name := _entries(node).get("name")) is not None:
            if _is_the_name(name):
                in_dicts.add(name)
                yield _options(_entries(node))
        elif _is_the_name(node) and node not in in_dicts:  # a dict comes before what is in it
            yield {}


def _entries(node: ast.Dict) -> dict[str, ast.expr]:
    pairs = zip(node.keys, node.values, strict=True)
    return {
        key.value: value
        for key, value in pairs
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def _is_the_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == _ENGINE


def _options(entries: dict[str, ast.expr]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name in (*_NUMBERS, "device", "cpu_num_per_worker"):
        if name not in entries:
            continue
        try:
            options[name] = ast.literal_eval(entries[name])
        except ValueError as error:
            raise TemplateError(
                f"setup: expected {name} of engine {_ENGINE!r} as a literal, as the workers are"
                f" gathered before setup is called, got {name}={ast.unparse(entries[name])}. Write"
                " the number, or fill it in by a hole such as {{ net_paras['workers'] }}."
            ) from error
    return options


def _request(
    engine: dict[str, Any], request: ResourceRequest, *, gpus_are_given: bool
) -> ResourceRequest:
    number = next((engine[name] for name in _NUMBERS if name in engine), _NUM_WORKERS)
    least, most = _span(number)
    on_cpus = str(engine.get("device", "cuda")) == "cpu" or request.gpus == 0
    if not on_cpus and gpus_are_given and (least < most or request.gpus != least):
        raise TemplateError(
            f"setup: expected gpu_num_per_instance={'None' if least < most else least} with"
            f" num_gpu={number} of engine"
            f" {_ENGINE!r}, a GPU for each worker (or 0 for CPUs, or None), got"
            f" gpu_num_per_instance={request.gpus:g}."
        )
    return replace(
        request,
        cpus=engine.get("cpu_num_per_worker", request.cpus),
        gpus=0.0 if on_cpus else 1.0,
        workers=least,
        most_workers=most if least < most else 0,
    )


def _span(number: Any) -> tuple[int, int]:
    """Return the least and the greatest number of workers."""
    ends = tuple(number) if isinstance(number, tuple | list) else (number, number)
    if len(ends) != 2 or any(type(end) is not int for end in ends) or not 1 <= ends[0] <= ends[1]:
        raise TemplateError(
            f"setup: expected num_gpu of engine {_ENGINE!r} as an integer from 1, or as the least"
            f" and the greatest, such as (1, 4), got num_gpu={number!r}."
        )
    return ends
