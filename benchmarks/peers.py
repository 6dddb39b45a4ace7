"""A training step in akid, plain torch, Keras 3 (on torch) and PyTorch Lightning, in one run.

    pip install --target PEERS --no-deps keras pytorch-lightning lightning-utilities torchmetrics \
        absl-py namex h5py optree ml-dtypes tqdm
    PYTHONPATH=PEERS AKID_DATA_PATH=... python benchmarks/peers.py [--report benchmarks/reports]

Networks: LeNet on MNIST, AlexNet (CIFAR's, images cut to 24 x 24) and WRN-16-1 on CIFAR-10;
momentum, batches of 100, one thread. Each contestant uses its own training loop; they take turns, a few steps
each, so that whatever else the machine does meets all of them. Seconds are of processor time.
"""

import argparse
import os
import platform
import resource
import statistics
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ["TQDM_DISABLE"] = "1"

import keras
import pytorch_lightning as lightning
import torch
from keras import layers
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from akid.core.brain import Brain
from akid.models.alex_net import CifarAlexNet
from akid.models.lenet import LeNet
from akid.models.resnet import CifarResNet
from akid.sensing.datasets.array_source import ArrayFeedSource
from akid.sensing.datasets.cifar10 import Cifar10FeedSource
from akid.sensing.datasets.mnist import MNISTFeedSource
from akid.sensing.sensor import FeedSensor
from akid.training.kid import Kid
from akid.training.kongfu import MomentumKongFu

BATCH, LR, MOMENTUM = 100, 0.01, 0.9
NUM_IMAGES = 5000
Seconds = list[float]


class Contestant(ABC):
    """Trains one network by one library; `run` gives the processor time of each of some steps."""

    name: str
    batch = BATCH

    @abstractmethod
    def run(self, steps: int) -> Seconds: ...


class Plain(Contestant):
    name = "plain torch"

    def __init__(self, net: nn.Module, images: Tensor, labels: Tensor) -> None:
        self.net, self.images, self.labels = net, images, labels
        self.optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM, fused=True)

    def run(self, steps: int) -> Seconds:
        found = []
        self.net.train()
        order = torch.randperm(len(self.images))
        for step in range(steps):
            start = time.process_time()
            indices = order[step * self.batch : (step + 1) * self.batch]
            images = self.images.index_select(0, indices)
            labels = self.labels.index_select(0, indices)
            self.optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(self.net(images), labels).backward()
            self.optimizer.step()
            found.append(time.process_time() - start)
        return found


class Akid(Contestant):
    name = "akid"

    def __init__(self, make_brain: Callable[[], Brain], images: Tensor, labels: Tensor) -> None:
        self.make_brain = make_brain
        self.images = images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = labels.numpy()

    def run(self, steps: int) -> Seconds:
        source = ArrayFeedSource(self.images, self.labels)
        with tempfile.TemporaryDirectory() as folder:
            kid = Kid(
                FeedSensor(source_in=source, batch_size=self.batch),
                self.make_brain(),
                MomentumKongFu(lr=LR, momentum=MOMENTUM),
                max_steps=steps + 1,
                skip_validation=True,
                save_chk_point=False,
                log_to_file=False,
                log_dir=folder,
                device="cpu",
            )
            kid.setup()
            marks: Seconds = []
            kid.hooks.on_batch_begin.append(lambda _: marks.append(time.process_time()))
            kid.practice()
        return [after - before for before, after in pairwise(marks)]


class KerasOnTorch(Contestant):
    name = "Keras 3 on torch"

    def __init__(self, model: keras.Model, images: Tensor, labels: Tensor) -> None:
        self.images = images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = labels.numpy()
        self.model = model
        model.compile(
            optimizer=keras.optimizers.SGD(LR, momentum=MOMENTUM),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def run(self, steps: int) -> Seconds:
        marks: Seconds = []
        begin = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs=None: marks.append(time.process_time()),
            on_train_batch_end=lambda batch, logs=None: marks.append(time.process_time()),
        )
        n = steps * BATCH
        self.model.fit(
            self.images[:n], self.labels[:n], batch_size=BATCH, verbose=0, callbacks=[begin]
        )
        return [marks[i + 1] - marks[i] for i in range(0, len(marks), 2)]


class Module(lightning.LightningModule):
    """A plain torch network as a Lightning module."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.marks: Seconds = []

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=LR, momentum=MOMENTUM, fused=True)

    def on_train_batch_start(self, *_: object) -> None:
        self.marks.append(time.process_time())


class Lightning(Contestant):
    name = "Lightning"

    def __init__(self, net: nn.Module, images: Tensor, labels: Tensor) -> None:
        self.module = Module(net)
        self.loader = DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True)

    def run(self, steps: int) -> Seconds:
        self.module.marks.clear()
        trainer = lightning.Trainer(
            max_steps=steps + 1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=None,
        )
        trainer.fit(self.module, self.loader)
        marks = self.module.marks
        return [after - before for before, after in pairwise(marks)]


def plain_lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU()),
        nn.MaxPool2d(5, 2, padding=1, ceil_mode=True),
        *(nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10)),
    )


def plain_alexnet() -> nn.Module:
    lrn = {"size": 9, "alpha": 0.001, "beta": 0.75, "k": 1.0}
    pool = {"kernel_size": 3, "stride": 2, "ceil_mode": True}
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(**pool)),
        *(nn.LocalResponseNorm(**lrn), nn.Conv2d(64, 64, 5, padding=2), nn.ReLU()),
        *(nn.LocalResponseNorm(**lrn), nn.MaxPool2d(**pool), nn.Flatten()),
        *(nn.Linear(2304, 384), nn.ReLU(), nn.Linear(384, 192), nn.Linear(192, 10)),
    )


class PlainUnit(nn.Module):
    """A pre-activation residual unit."""

    def __init__(self, before: int, after: int, stride: int, *, shares: bool) -> None:
        super().__init__()
        self.shares = shares
        self.bn1, self.bn2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        moves = before != after or stride != 1
        self.short = nn.Conv2d(before, after, 1, stride, bias=False) if moves else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        active = functional.relu(self.bn1(x))
        result = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        return result + self.short(active if self.shares else x)


def plain_wrn() -> nn.Module:
    units: list[nn.Module] = []
    before = 16
    for stage, after in enumerate((16, 32, 64)):
        for unit in range(2):
            stride = 2 if stage and not unit else 1
            units.append(PlainUnit(before, after, stride, shares=not unit))
            before = after
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        *units,
        *(nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )


def keras_lenet() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(2, 2, padding="same"),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(5, 2, padding="same"),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(10),
        ]
    )


class KerasLRN(layers.Layer):
    """Keras has no local response normalisation; this is torch's, channels last."""

    def call(self, x: Tensor) -> Tensor:
        x = x.movedim(-1, 1)
        return functional.local_response_norm(x, 9, 0.001, 0.75, 1.0).movedim(1, -1)

    def compute_output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape


def keras_alexnet() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(3, 2, padding="same"),
            KerasLRN(),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            KerasLRN(),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Flatten(),
            layers.Dense(384, activation="relu"),
            layers.Dense(192),
            layers.Dense(10),
        ]
    )


def keras_wrn() -> keras.Model:
    def conv(x: object, channels: int, size: int, stride: int = 1) -> object:
        return layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)

    def active(x: object) -> object:
        return layers.ReLU()(layers.BatchNormalization(epsilon=1e-5)(x))

    start = keras.Input((32, 32, 3))
    x, before = conv(start, 16, 3), 16
    for stage, after in enumerate((16, 32, 64)):
        for unit in range(2):
            stride = 2 if stage and not unit else 1
            a = active(x)
            y = conv(active(conv(a, after, 3, stride)), after, 3)
            stem = x if unit else a
            if before != after or stride != 1:
                stem = conv(a, after, 1, stride)
            x, before = layers.Add()([y, stem]), after
    x = layers.GlobalAveragePooling2D()(active(x))
    return keras.Model(start, layers.Dense(10)(x))


def mnist() -> tuple[Tensor, Tensor]:
    images, labels = MNISTFeedSource(center=True, scale=True).get_batch(NUM_IMAGES)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)


def cifar(size: int) -> tuple[Tensor, Tensor]:
    images, labels = Cifar10FeedSource(center=True, scale=True).get_batch(NUM_IMAGES)
    cut = torch.from_numpy(images).permute(0, 3, 1, 2)[:, :, :size, :size]
    return cut.contiguous(), torch.from_numpy(labels)


def contest(contestants: list[Contestant], *, rounds: int, steps: int) -> dict[str, float]:
    """Return the median seconds of a step of each; the first round only warms up."""
    found: dict[str, Seconds] = {c.name: [] for c in contestants}
    for number in range(rounds + 1):
        for contestant in contestants:
            times = contestant.run(steps)
            if number:
                found[contestant.name] += times[1:]
    return {name: statistics.median(times) for name, times in found.items()}


def peak_bytes(contestant: Contestant) -> int:
    """Return by how much the peak of a child's memory grows by two steps with large batches."""
    contestant.batch = 2000
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        contestant.run(2)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(write, str((after - before) * 1024).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    return int(os.read(read, 64) or 0)


def setup_seconds() -> tuple[float, float]:
    """Return the seconds to set up WRN-28-10, and those torch needs to allocate and fill as much."""
    brain = CifarResNet(depth=28, width=10)
    start = time.perf_counter()
    brain([torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)])
    akid_s = time.perf_counter() - start
    shapes = [tuple(p.shape) for p in brain.parameters()]
    start = time.perf_counter()
    kept = [nn.init.trunc_normal_(torch.empty(s), std=0.1) for s in shapes]
    assert len(kept) == len(shapes)
    return akid_s, time.perf_counter() - start


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    games = {
        "LeNet, MNIST": (plain_lenet, LeNet, keras_lenet, mnist()),
        "AlexNet, CIFAR-10": (plain_alexnet, CifarAlexNet, keras_alexnet, cifar(24)),
        "WRN-16-1, CIFAR-10": (
            plain_wrn,
            lambda: CifarResNet(depth=16, width=1),
            keras_wrn,
            cifar(32),
        ),
    }
    lines = []
    for title, (plain, brain, keras_net, (images, labels)) in games.items():
        medians = contest(
            [
                Plain(plain(), images, labels),
                Akid(brain, images, labels),
                KerasOnTorch(keras_net(), images, labels),
                Lightning(plain(), images, labels),
            ],
            rounds=options.rounds,
            steps=options.steps,
        )
        base = medians["plain torch"]
        cells = " | ".join(f"{1000 * s:.1f} ({s / base:.2f})" for s in medians.values())
        lines.append(f"| {title} | {cells} |")
        print(lines[-1], flush=True)
    akid_s, torch_s = setup_seconds()
    images, labels = games["LeNet, MNIST"][3]
    plain_bytes = peak_bytes(Plain(plain_lenet(), images, labels))
    akid_bytes = peak_bytes(Akid(LeNet, images, labels))
    day = datetime.now(tz=UTC).date().isoformat()
    table = "\n".join(lines)
    text = f"""# A training step beside the peers, {day}

{platform.machine()}, {os.cpu_count()} cores, one thread; torch {torch.__version__},
Keras {keras.__version__}, Lightning {lightning.__version__}. Median milliseconds of processor time
of a step (in brackets: relative to plain torch), {options.rounds} rounds of {options.steps} steps in
turns.

| network | plain torch | akid | Keras 3 on torch | Lightning |
|---|---:|---:|---:|---:|
{table}

Setting up WRN-28-10 (36.5 million parameters): {akid_s:.2f} s; torch's allocation and
initialisation of the same tensors alone: {torch_s:.2f} s.

Growth of a process's peak memory by LeNet with batches of 2,000: akid {akid_bytes / 2**20:.0f} MiB,
plain torch {plain_bytes / 2**20:.0f} MiB ({akid_bytes / plain_bytes:.2f}).
"""
    print(text)
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / f"{day}-peers-cpu.md").write_text(text)


if __name__ == "__main__":
    main()
