"""Does width or depth buy more on CIFAR-10? Pre-activation residual networks of similar cost."""

net_paras_list = [{"depth": 16, "width": 1}, {"depth": 28, "width": 1}, {"depth": 16, "width": 2}]
opt_paras_list = [{"lr": 0.1, "max_epoch": 200}]
repeat_times = 3


def setup():
    from akid import (
        Cifar10FeedSource,
        CropJoker,
        FlipJoker,
        IntegratedSensor,
        Kid,
        LearningRateScheme,
        MomentumKongFu,
        PaddingLayer,
    )
    from akid.models.brains import CifarResNet

    sensor = IntegratedSensor(
        source_in=Cifar10FeedSource(name="Source", center=True, scale=True),
        batch_size=128,
        val_batch_size=500,
        name="Sensor",
    )
    sensor.attach(FlipJoker(flip_left_right=True, name="left_right_flip"))
    sensor.attach(PaddingLayer(padding=[4, 4]))
    sensor.attach(CropJoker(height=32, width=32, name="crop"))
    return Kid(
        sensor,
        CifarResNet(
            depth={{ net_paras["depth"] }},
            width={{ net_paras["width"] }},
            name="Brain",
        ),
        MomentumKongFu(
            lr_scheme={
                "name": LearningRateScheme.step,
                "base_lr": {{ opt_paras["lr"] }},
                "boundaries": [int(part * 352 * {{ opt_paras["max_epoch"] }}) for part in (0.3, 0.6, 0.8)],
                "factor": 0.2,
            },
            momentum=0.9,
            use_nesterov=True,
            name="Kongfu",
        ),
        max_epoch={{ opt_paras["max_epoch"] }},
        log_by_step=False,
        log_by_epoch=True,
    )
