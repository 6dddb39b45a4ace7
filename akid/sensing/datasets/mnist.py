"""MNIST: 70,000 handwritten digits of 28 x 28 pixels."""

from typing import ClassVar, final

from akid.sensing.datasets.idx_source import IDXFeedSource


@final
class MNISTFeedSource(IDXFeedSource):
    """The MNIST data set; the arguments are those of `IDXFeedSource`.

    Shape:
        get_batch: images `(num, 28, 28, 1)` float32, labels `(num,)` int64 in [0, 10).
    """

    folder: ClassVar[str] = "MNIST/raw"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    sha256: ClassVar[tuple[str, str, str, str]] = (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    )
