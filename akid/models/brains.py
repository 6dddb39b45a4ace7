"""The catalogue of brains that are ready made."""

from akid.models.lenet import LeNet
from akid.models.one_layer import OneLayerBrain

__all__ = ["LeNet", "OneLayerBrain"]
