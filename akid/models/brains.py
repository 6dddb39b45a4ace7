"""The catalogue of brains that are ready made."""

from akid.models.alex_net import AlexNet, CifarAlexNet
from akid.models.all_conv import AllConvNet, ImagenetAllConvNet
from akid.models.imagenet_resnet import ImagenetResNet
from akid.models.lenet import LeNet
from akid.models.maxout import CifarMaxoutNet, MnistMaxoutNet
from akid.models.mnist_tutorial import MnistTfTutorialNet
from akid.models.one_layer import OneLayerBrain
from akid.models.patrice_net import PatriceNet
from akid.models.resnet import CifarResNet
from akid.models.vgg import VGGNet

__all__ = [
    "AlexNet",
    "AllConvNet",
    "CifarAlexNet",
    "CifarMaxoutNet",
    "CifarResNet",
    "ImagenetAllConvNet",
    "ImagenetResNet",
    "LeNet",
    "MnistMaxoutNet",
    "MnistTfTutorialNet",
    "OneLayerBrain",
    "PatriceNet",
    "VGGNet",
]
