"""The package's table of contents."""

import pytest

import akid


def test_every_public_name_is_there() -> None:
    """Each name that the facade promises can be loaded from it."""
    missing = [name for name in akid.__all__ if getattr(akid, name, None) is None]

    assert missing == []


def test_the_documented_names_are_there() -> None:
    """What the first documentation's programs import from akid, or use without saying whence."""
    names = {
        "AKID_DATA_PATH", "Brain", "ConvolutionLayer", "CropJoker", "FeedSensor", "FlipJoker",
        "InnerProductLayer", "IntegratedSensor", "Kid", "LearningRateScheme", "MNISTFeedSource",
        "MomentumKongFu", "Observer", "PaddingLayer", "PoolingLayer", "ReLULayer",
        "SoftmaxWithLossLayer", "cnn_block", "tune",
    }  # fmt: skip

    assert names <= set(akid.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The error names what resembles it."""
    with pytest.raises(AttributeError, match=r"no attribute 'ReLU'. Did you mean ReLULayer\?"):
        akid.ReLU  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'zz'. dir\(akid\) lists what it has"):
        akid.zz  # noqa: B018
