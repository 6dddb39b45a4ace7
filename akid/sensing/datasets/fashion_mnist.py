"""Fashion-MNIST: 70,000 pictures of clothes of 28 x 28 pixels, in MNIST's format."""

from typing import ClassVar, final

from akid.sensing.datasets.idx_source import IDXFeedSource


@final
class FashionMNISTFeedSource(IDXFeedSource):
    """The Fashion-MNIST data set; the arguments are those of `IDXFeedSource`.

    Shape:
        get_batch: images `(num, 28, 28, 1)` float32, labels `(num,)` int64 in [0, 10).
    """

    folder: ClassVar[str] = "FashionMNIST/raw"
    mirrors: ClassVar[tuple[str, ...]] = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )
    sha256: ClassVar[tuple[str, str, str, str]] = (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    )
