"""Distributed akid: a network with one hidden layer, on MNIST, by several workers.

    python experiments/dist_akid/dist_akid.py [--workers 2]

It prints the training loss of each of 26 steps.
"""
# ruff: noqa: INP001 (a program, no package)

import argparse
import sys

from akid import Brain, FeedSensor, InnerProductLayer, Kid, SoftmaxWithLossLayer
from akid.layers.activation import ReLULayer
from akid.sensing.datasets.mnist import MNISTFeedSource
from akid.training.kongfus import AdagradKongFu


def make_kid(num_workers: int) -> Kid:
    """Put the source, the sensor, the brain and the kongfu together."""
    source = MNISTFeedSource(name="Source", scale=True, num_train=50000, num_val=10000)
    sensor = FeedSensor(source, batch_size=100, name="Sensor")
    brain = Brain(name="Brain")
    small = {"name": "truncated_normal", "stddev": 0.1}
    brain.attach(
        InnerProductLayer(out_channel_num=100, init_para=small, name="ip1"),
        ReLULayer(name="relu1"),
        InnerProductLayer(out_channel_num=10, init_para=small, name="ip2"),
        SoftmaxWithLossLayer(
            class_num=10,
            inputs=[{"name": "ip2"}, {"name": "system_in", "idxs": [1]}],
            name="loss",
        ),
    )
    return Kid(
        sensor,
        brain,
        AdagradKongFu(lr=0.01, name="Adagrad"),
        engine={"name": "data_parallel", "num_gpu": num_workers},
        max_steps=26,
        train_log_step=1,
        save_chk_point=False,
        log_dir="log_dist_akid",
    )


def main() -> None:
    """Practise, and print the losses as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="how many workers")
    kid = make_kid(parser.parse_args().workers)
    kid.hooks.on_train_log_step.append(tell)
    kid.practice()


def tell(kid: Kid) -> None:
    """Print the loss of the last step."""
    sys.stdout.write(f"{kid.last_row['train_loss']:.5f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
