"""`akid.sweep gpus`."""

import json

from akid.cluster import inventory
from akid.cluster.gpus import Gpu, GpuProcess
from akid.cluster.inventory import NodeInventory
from akid.commands import gpus
from akid.sweep import main

SOUND = Gpu(
    index=0,
    name="NVIDIA H200",
    uuid="GPU-8f",
    memory_bytes=2**37,
    free_bytes=2**36,
    driver="580.1",
    processes=(
        GpuProcess(pid=7, memory_bytes=2**30, user="ann", command="ray::akid lr=0.1"),
        GpuProcess(pid=8, memory_bytes=None),
    ),
)
LOST = Gpu(
    index=1, name="unknown", uuid="", memory_bytes=0, free_bytes=0, driver="580.1", fault="lost"
)
NODE = NodeInventory(name="box", gpus=[SOUND, LOST], logical=2.0, taken=0.75)


def test_each_gpu_is_a_line_with_who_uses_it(capsys, monkeypatch) -> None:
    """And one that can't be used says why."""
    monkeypatch.setattr(gpus, "of_this_machine", lambda: NODE)

    assert main(["gpus"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "box: Ray has given away 0.75 of 2 GPUs",
        "  GPU 0  NVIDIA H200  GPU-8f  64.0 of 128.0 GiB in use  driver 580.1",
        "    process 7  1.0 GiB  ann  ray::akid lr=0.1",
        "    process 8  ? GiB  of another container",
        "  GPU 1 can't be used: lost",
    ]


def test_a_machine_without_a_driver_is_a_sentence(capsys, monkeypatch) -> None:
    """And no failure."""
    monkeypatch.setattr(inventory.nvml, "survey", lambda: "no NVIDIA driver answers")

    assert main(["gpus"]) == 0
    assert "no GPU can be used here: no NVIDIA driver answers" in capsys.readouterr().out


def test_json_has_all_fields(capsys, monkeypatch) -> None:
    """For programs."""
    monkeypatch.setattr(gpus, "of_this_machine", lambda: NODE)

    main(["gpus", "--json"])
    (node,) = json.loads(capsys.readouterr().out)
    assert node["gpus"][0]["processes"][0]["user"] == "ann"
    assert (node["logical"], node["taken"]) == (2.0, 0.75)


def test_an_address_that_does_not_answer_is_exit_code_3(capsys) -> None:
    """A Ray Client address is refused with the reason."""
    assert main(["gpus", "--address", "ray://host:10001"]) == 3
    assert "expected host:port" in capsys.readouterr().err
