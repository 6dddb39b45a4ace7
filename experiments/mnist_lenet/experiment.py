"""How fast does LeNet learn MNIST at two rates? The documentation's first example, as a sweep."""

opt_paras_list = [{"lr": 0.01, "max_steps": 100}, {"lr": 0.05, "max_steps": 100}]
repeat_times = 2


def setup():
    from akid import AKID_DATA_PATH, FeedSensor, Kid, LearningRateScheme, MNISTFeedSource, MomentumKongFu
    from akid.models.brains import LeNet

    brain = LeNet(name="Brain")
    source = MNISTFeedSource(
        name="Source",
        url="http://yann.lecun.com/exdb/mnist/",
        work_dir=AKID_DATA_PATH + "/mnist",
        center=True,
        scale=True,
        num_train=50000,
        num_val=10000,
    )
    sensor = FeedSensor(name="Sensor", source_in=source)
    return Kid(
        sensor,
        brain,
        MomentumKongFu(
            lr_scheme={
                "name": LearningRateScheme.exp_decay,
                "base_lr": {{ opt_paras["lr"] }},
                "decay_rate": 0.95,
                "num_batches_per_epoch": 500,
                "decay_epoch_num": 1,
            },
            name="Kongfu",
        ),
        max_steps={{ opt_paras["max_steps"] }},
        val_log_step=max(50, {{ opt_paras["max_steps"] }} // 10),
        train_log_step=10,
    )
