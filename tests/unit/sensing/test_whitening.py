import numpy as np
import torch

from akid.sensing.whitening import fit_zca, normalize_contrast_


def test_contrast_normalisation_gives_mean_0_and_one_length() -> None:
    """Each example by itself, in place; a flat one becomes zeros."""
    data = torch.rand(5, 3, 4, 4, dtype=torch.float64) * 100
    data[2] = 7

    result = normalize_contrast_(data)

    assert result is data
    rows = data.flatten(1)
    torch.testing.assert_close(rows.mean(1), torch.zeros(5, dtype=torch.float64))
    lengths = rows.norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([55.0, 55, 0, 55, 55], dtype=torch.float64))


def test_zca_agrees_with_the_formula_and_removes_correlation() -> None:
    """Whitened by the inverse square root of the covariance, computed by other means."""
    random = np.random.default_rng(0)
    raw = random.standard_normal((500, 6)) @ random.standard_normal((6, 6)) + 3
    data = torch.from_numpy(raw.copy()).view(500, 1, 2, 3)

    result = fit_zca(data, filter_bias=0).apply_(data.clone()).flatten(1).numpy()

    left, strength, right = np.linalg.svd(raw - raw.mean(0), full_matrices=False)
    np.testing.assert_allclose(result, np.sqrt(500) * left @ right, atol=1e-6)
    np.testing.assert_allclose(np.cov(result.T, bias=True), np.eye(6), atol=1e-8)
    assert strength.min() > 0


def test_the_bias_tames_directions_without_variance() -> None:
    """Nothing is divided by zero, and new data are changed by what training taught."""
    train = torch.zeros(10, 4)
    train[:, 0] = torch.arange(10.0)

    whitener = fit_zca(train)

    assert whitener.matrix.isfinite().all()
    torch.testing.assert_close(whitener.apply_(whitener.mean.clone()[None]), torch.zeros(1, 4))
