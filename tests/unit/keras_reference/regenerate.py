"""Let Keras 3 compute the numbers that the tests beside this compare akid's layers with.

    pip install keras==3.15.1 jax==0.10.2     # in an environment of its own, without torch
    python tests/unit/keras_reference/regenerate.py

On JAX, in double precision; so nothing of torch's is in them. They are stored as float32.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"

import cases
import jax
import keras
import numpy as np
from cases import values
from keras import layers, losses, metrics, ops, optimizers

keras.backend.set_floatx("float64")


def run(layer, inputs, **options):
    """Build a layer, fill its weights by their order, and call it."""
    layer(inputs, **options)
    layer.set_weights(
        [values(f"weight{i}", *np.shape(w)) for i, w in enumerate(layer.get_weights())]
    )
    return layer(inputs, **options)


def convolutions():
    for name, case in cases.CONVOLUTIONS.items():
        layer = layers.Conv2D(
            4,
            case["ksize"],
            case.get("strides", 1),
            case["padding"],
            dilation_rate=case.get("dilation", 1),
            groups=case.get("groups", 1),
        )
        yield name, run(layer, values("x", 1, case["side"], case["side"] - 1, 2))
    for name, case in cases.DEPTHWISE.items():
        layer = layers.DepthwiseConv2D(3, case["strides"], case["padding"])
        yield name, run(layer, values("x", 1, 7, 6, 3))
    for name, case in cases.SEQUENCES.items():
        layer = layers.Conv1D(
            3,
            case["ksize"],
            case.get("strides", 1),
            case["padding"],
            dilation_rate=case.get("dilation", 1),
        )
        yield name, run(layer, values("x", 2, case["side"], 2))
    for name, case in cases.TRANSPOSED.items():
        layer = layers.Conv2DTranspose(2, case["ksize"], case["strides"], case["padding"])
        yield name, run(layer, values("x", 1, case["side"], case["side"] + 1, 3))


def poolings():
    kinds = {"max": layers.MaxPooling2D, "avg": layers.AveragePooling2D}
    for name, case in cases.POOLINGS.items():
        layer = kinds[case["type"]](case["ksize"], case["strides"], case["padding"])
        yield name, layer(values("x", 1, case["side"], case["side"] + 1, 2))
    whole = {"max": layers.GlobalMaxPooling2D, "avg": layers.GlobalAveragePooling2D}
    for name, case in cases.GLOBAL_POOLINGS.items():
        yield name, whole[case["type"]]()(values("x", 2, 5, 4, 3))


def normalisations():
    for name, case in cases.BATCH_NORMS.items():
        layer = layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, center=case["beta"], scale=case["gamma"]
        )
        layer.build(case["shape"])
        channels = case["shape"][-1]
        if case["beta"]:
            layer.beta.assign(values("beta", channels))
        if case["gamma"]:
            layer.gamma.assign(values("gamma", channels))
        for batch in range(3):
            output = layer(3 * values(f"x{batch}", *case["shape"]) + 2, training=True)
        yield f"{name}/train", output
        yield f"{name}/mean", layer.moving_mean.value
        yield f"{name}/variance", layer.moving_variance.value
        yield f"{name}/inference", layer(values("x", *case["shape"]), training=False)
    x = values("x", 2, 5, 4, 6)
    yield "layer_norm", run(layers.LayerNormalization(epsilon=1e-5), x)
    yield "layer_norm/3", run(layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5), x)
    yield "group_norm", run(layers.GroupNormalization(3, epsilon=1e-5), x)
    yield "unit_norm", layers.UnitNormalization(axis=-1)(x)


def sequences():
    kinds = {"gru": layers.GRU, "lstm": layers.LSTM}
    for name, case in cases.RECURRENT.items():
        layer = kinds[case["kind"]](4, return_sequences=case["sequences"])
        if case["bidirectional"]:
            layer = layers.Bidirectional(layer)
        yield name, run(layer, values("x", 2, 5, 3))
    for name, case in cases.ATTENTIONS.items():
        layer = layers.MultiHeadAttention(2, 3)
        x, memory, keys = values("x", 2, 5, 6), values("memory", 2, 5, 6), values("keys", 2, 5, 6)
        given = {"self": (x, x, x), "memory": (x, memory, memory), "three": (x, memory, keys)}
        query, value, key = (ops.array(part) for part in given[case["look"]])
        options = {"value": value, "key": key, "use_causal_mask": case["causal"]}
        yield name, run(layer, query, **options)


def others():
    yield "dense", run(layers.Dense(5), values("x", 3, 7))
    yield "embedding", run(layers.Embedding(9, 4), cases.labels("numbers", 6, 9))
    x = 3 * values("x", 4, 6)
    activations = {
        "leaky_relu": layers.LeakyReLU(0.2),
        "elu": layers.ELU(0.7),
        "gelu": layers.Activation(lambda x: keras.activations.gelu(x, approximate=False)),
    }
    for name in cases.ACTIVATIONS:
        if name == "prelu":
            yield "activation/prelu", run(layers.PReLU(), x)
        else:
            yield f"activation/{name}", activations.get(name, layers.Activation(name))(x)


def judges():
    x, soft = values("logits", 8, 6), np.exp(values("soft", 8, 6))
    soft /= soft.sum(-1, keepdims=True)
    numbers = cases.labels("labels", 8, 6)
    one_hot, yes = np.eye(6)[numbers], (values("yes", 8, 6) > 0).astype(float)
    found = {
        "sparse": losses.SparseCategoricalCrossentropy(from_logits=True)(numbers, x),
        "dense": losses.CategoricalCrossentropy(from_logits=True)(one_hot, x),
        "soft": losses.CategoricalCrossentropy(from_logits=True)(soft, x),
        "mse": losses.MeanSquaredError()(yes, x),
        "hinge": losses.Hinge()(2 * yes - 1, x),
        "binary": losses.BinaryCrossentropy(from_logits=True)(yes, x),
    }
    for name in cases.LOSSES:
        yield f"loss/{name}", found[name]
    judged = {
        "accuracy": (metrics.SparseCategoricalAccuracy(), numbers, x),
        "dense_accuracy": (metrics.CategoricalAccuracy(), one_hot, x),
        "top3": (metrics.SparseTopKCategoricalAccuracy(3), numbers, x),
        "top5": (metrics.SparseTopKCategoricalAccuracy(5), numbers, x),
        "binary": (metrics.BinaryAccuracy(), yes, (x + 1) / 2),
        "auc": (metrics.AUC(num_thresholds=20001, multi_label=True), yes, (x + 1) / 2),
    }
    for name in cases.METRICS:
        metric, truth, found_x = judged[name]
        yield f"metric/{name}", metric(truth, found_x)


def optimisers():
    made = {
        "sgd": lambda o: optimizers.SGD(o["lr"]),
        "momentum": lambda o: optimizers.SGD(o["lr"], o["momentum"]),
        "nesterov": lambda o: optimizers.SGD(o["lr"], o["momentum"], nesterov=True),
        "adam": lambda o: optimizers.Adam(o["lr"], epsilon=1e-8),
        "adamw": lambda o: optimizers.AdamW(o["lr"], o["weight_decay"], epsilon=1e-8),
        "rmsprop": lambda o: optimizers.RMSprop(o["lr"], o["decay"], epsilon=1e-12),
        "rmsprop_momentum": lambda o: optimizers.RMSprop(
            o["lr"], o["decay"], o["momentum"], epsilon=1e-12
        ),
        "adagrad": lambda o: optimizers.Adagrad(o["lr"], 0.1, epsilon=1e-10),
    }
    for name, options in cases.OPTIMISERS.items():
        variable = keras.Variable(values("start", 12))
        optimizer = made[name](options)
        for number, gradient in enumerate(cases.gradients()):
            optimizer.apply([ops.array(gradient)], [variable])
            yield f"optimiser/{name}/{number}", variable.value


def training():
    """A small network, trained by JAX's gradients and Keras's regularisers and momentum."""
    l2 = keras.regularizers.L2(0.05)
    net = keras.Sequential(
        [
            keras.Input((8, 7, 1)),
            layers.Conv2D(4, 3, padding="same", kernel_regularizer=l2),
            layers.ReLU(),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.BatchNormalization(epsilon=1e-5, momentum=0.9),
            layers.Flatten(),
            layers.Dense(3, kernel_regularizer=l2),
        ]
    )
    for index in (0, 5):
        layer = net.layers[index]
        layer.set_weights(
            [values(f"weight{index}{i}", *np.shape(w)) for i, w in enumerate(layer.get_weights())]
        )
    net.compile(
        optimizers.SGD(0.05, momentum=0.9),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for step in range(cases.STEPS):
        x, numbers = values(f"x{step}", 6, 8, 7, 1), cases.labels(f"labels{step}", 6, 3)
        yield f"training/loss/{step}", net.train_on_batch(x, numbers)
    for index, weights in enumerate(net.get_weights()):
        yield f"training/weights/{index}", weights


def laws():
    """The deviation and the largest value of many draws, as Keras's laws have them."""
    kinds = keras.initializers
    made = {
        "truncated_normal": kinds.TruncatedNormal(0.0, 0.1, seed=0),
        "normal": kinds.RandomNormal(0.0, 0.1, seed=0),
        "uniform": kinds.RandomUniform(-0.1, 0.1, seed=0),
        "xavier": kinds.GlorotUniform(seed=0),
        "xavier_normal": kinds.GlorotNormal(seed=0),
        "msra": kinds.VarianceScaling(2.0, "fan_out", seed=0),
        "orthogonal": kinds.OrthogonalInitializer(seed=0),
    }
    for name in cases.LAWS:
        drawn = np.asarray(made[name](cases.FANS))
        yield f"law/{name}", np.array([drawn.std(), np.abs(drawn).max()])


def main():
    print(f"Keras {keras.__version__} on JAX {jax.__version__}")  # noqa: T201
    parts = (convolutions, poolings, normalisations, sequences, others, judges, optimisers)
    found = {name: value for part in (*parts, training, laws) for name, value in part()}
    stored = {name: np.asarray(value, np.float32) for name, value in found.items()}
    np.savez_compressed(cases.EXPECTED, **stored)
    print(f"{len(stored)} arrays, {cases.EXPECTED.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
