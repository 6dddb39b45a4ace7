"""How much do maxout units with batch normalisation gain from a decaying rate, on MNIST?"""

opt_paras_list = [
    {"lr": 0.1, "decay_rate": 0.95, "max_steps": 20000},
    {"lr": 0.1, "decay_rate": 1.0, "max_steps": 20000},
]
repeat_times = 2


def setup():
    from akid import FeedSensor, Kid, LearningRateScheme, MNISTFeedSource, MomentumKongFu
    from akid.models.brains import MnistMaxoutNet

    source = MNISTFeedSource(name="Source", center=True, scale=True, num_train=55000, num_val=5000)
    return Kid(
        FeedSensor(name="Sensor", source_in=source, batch_size=128, val_batch_size=100),
        MnistMaxoutNet(name="Brain"),
        MomentumKongFu(
            lr_scheme={
                "name": LearningRateScheme.exp_decay,
                "base_lr": {{ opt_paras["lr"] }},
                "decay_rate": {{ opt_paras["decay_rate"] }},
                "num_batches_per_epoch": 430,
                "decay_epoch_num": 1,
            },
            momentum=0.9,
            name="Kongfu",
        ),
        max_steps={{ opt_paras["max_steps"] }},
        val_log_step={{ opt_paras["max_steps"] }} // 20,
    )
