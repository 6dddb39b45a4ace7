"""Which small LeNet reads digits best: rectified or maxout units, with or without batch normalisation?"""

net_paras_list = [
    {"activation": [{"type": "relu"}, {"type": "relu"}], "bn": False},
    {"activation": [{"type": "maxout", "group_size": 2}, {"type": "maxout", "group_size": 2}], "bn": True},
]
opt_paras_list = [{"lr": 0.02}, {"lr": 0.05}]
repeat_times = 3
gpu_num_per_instance = 0


def setup():
    from akid import (
        Brain,
        DigitsFeedSource,
        FeedSensor,
        InnerProductLayer,
        Kid,
        LearningRateScheme,
        MomentumKongFu,
        SoftmaxWithLossLayer,
        cnn_block,
    )

    brain = Brain(name="Brain")
    brain.attach(
        cnn_block(
            ksize=[3, 3],
            out_channel_num=32,
            init_para={"name": "msra"},
            activation={{ net_paras["activation"][0] }},
            bn={{ net_paras["bn"] }},
        )
    )
    brain.attach(
        cnn_block(
            ksize=[3, 3],
            out_channel_num=64,
            init_para={"name": "msra"},
            activation={{ net_paras["activation"][1] }},
            bn={{ net_paras["bn"] }},
            keep_prob=0.5,
        )
    )
    brain.attach(InnerProductLayer(out_channel_num=10, name="ip1"))
    brain.attach(
        SoftmaxWithLossLayer(
            class_num=10,
            inputs=[{"name": "ip1", "idxs": [0]}, {"name": "system_in", "idxs": [1]}],
            name="loss",
        )
    )

    sensor = FeedSensor(
        source_in=DigitsFeedSource(name="Source", center=True, scale=True), batch_size=50, name="Sensor"
    )
    return Kid(
        sensor,
        brain,
        MomentumKongFu(
            lr_scheme={
                "name": LearningRateScheme.exp_decay,
                "base_lr": {{ opt_paras["lr"] }},
                "decay_rate": 0.9,
                "num_batches_per_epoch": 24,
                "decay_epoch_num": 1,
            },
            name="Kongfu",
        ),
        max_epoch=20,
        log_by_step=False,
        log_by_epoch=True,
    )
