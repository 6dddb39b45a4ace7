"""The documentation's distributed tutorial: a network with one hidden layer, on MNIST, on two workers."""

gpu_num_per_instance = 0


def setup():
    import sys

    from akid import Brain, FeedSensor, InnerProductLayer, Kid, MNISTFeedSource, SoftmaxWithLossLayer
    from akid.layers.activation import ReLULayer
    from akid.training.kongfus import AdagradKongFu

    def tell(kid):
        sys.stdout.write(f"{kid.last_row['train_loss']:.5f}\n")

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
    kid = Kid(
        sensor,
        brain,
        AdagradKongFu(lr=0.01, name="Adagrad"),
        engine={"name": "data_parallel", "num_gpu": 2},
        max_steps=26,
        train_log_step=1,
    )
    kid.hooks.on_train_log_step.append(tell)
    return kid
