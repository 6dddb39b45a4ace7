import torch

from akid.layers.self_normalized_convolution import SelfNormalizedConvolutionLayer


def test_outputs_are_standardised_before_the_bias() -> None:
    """(conv(x) - mean) / sqrt(var + eps) + bias, by channel, over batch and places."""
    layer = SelfNormalizedConvolutionLayer(ksize=3, out_channel_num=4, initial_bias_value=0.5)
    x = torch.randn(4, 3, 6, 6)

    result = layer(x)

    plain = torch.nn.functional.conv2d(x, layer.weights, padding=1)
    dims = (0, 2, 3)
    mean, var = plain.mean(dims, keepdim=True), plain.var(dims, correction=0, keepdim=True)
    torch.testing.assert_close(result, (plain - mean) / (var + 1e-5).sqrt() + 0.5)


def test_evaluation_takes_the_batch_too() -> None:
    """There is no running average."""
    layer = SelfNormalizedConvolutionLayer(ksize=3, out_channel_num=4)
    x = torch.randn(4, 3, 6, 6)

    torch.testing.assert_close(layer(x), layer.eval()(x))
    assert list(layer.state_dict()) == ["weights", "biases"]


def test_self_normalized_convolution_keeps_the_layer_contract(check_layer) -> None:
    """Copies, pickles, state, compilation and autocast work."""
    check_layer(
        lambda: SelfNormalizedConvolutionLayer(ksize=3, depthwise=True, out_channel_num=6),
        torch.randn(2, 3, 8, 8),
    )
