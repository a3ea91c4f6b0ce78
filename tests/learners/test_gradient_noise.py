"""The gradients' variance and signal-to-noise ratio against numpy on all of them at once."""

import numpy as np
import pytest
import torch

from gausspg.learners.gradient_noise import GradientNoise


def noise_of(grads: torch.Tensor) -> dict[str, float]:
    noise = GradientNoise()
    for grad in grads:
        noise.add([grad[:3].reshape(3, 1), grad[3:]])
    return noise.metrics()


def test_it_is_the_trace_of_the_covariance() -> None:
    grads = torch.randn(40, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grads = 1e3 + grads * torch.arange(1, 8)
    metrics = noise_of(grads)
    trace = np.trace(np.cov(grads.numpy().T))
    assert metrics["gradient/policy_variance"] == pytest.approx(trace, rel=1e-9)
    signal = (grads.mean(0) ** 2).sum() - trace / 40
    assert metrics["gradient/policy_signal_to_noise"] == pytest.approx(float(signal) / trace)


def test_without_signal_the_ratio_is_zero_on_average() -> None:
    generator = torch.Generator().manual_seed(1)
    ratios = [
        noise_of(torch.randn(10, 50, generator=generator))["gradient/policy_signal_to_noise"]
        for _ in range(400)
    ]
    standard_error = np.std(ratios) / 20
    assert abs(np.mean(ratios)) < 4 * standard_error
    # |mean|^2 / V, without taking away what the noise of the mean adds, would be a tenth.
    assert standard_error < 0.1 / 10


@pytest.mark.parametrize("count", [0, 1])
def test_one_gradient_tells_no_variance(count: int) -> None:
    assert noise_of(torch.ones(count, 4)) == {}
