"""Running statistics against those of the whole data; they stand still outside `update`."""

import pytest
import torch
from torch.testing import assert_close

from gausspg.policies.normaliser import Normaliser


@pytest.fixture
def data():
    rng = torch.Generator().manual_seed(0)
    scale, shift = torch.tensor([1.0, 1e-3, 50.0]), torch.tensor([0.0, 1000.0, -3.0])
    return torch.randn(5000, 3, generator=rng) * scale + shift


def _fed(data, sizes):
    normaliser = Normaliser(3, enabled=True)
    for batch in data.split(sizes):
        normaliser.update(batch)
    return normaliser


@pytest.mark.parametrize("sizes", [5000, 7, [1, 4999], [4000, 1, 999]])
def test_merged_batches_have_the_moments_of_the_whole(data, sizes):
    normaliser = _fed(data, sizes)
    whole = data.double()
    assert normaliser.mean.dtype == torch.float64
    assert_close(normaliser.mean, whole.mean(0), rtol=1e-12, atol=1e-12)
    assert_close(normaliser.variance, whole.var(0, correction=0), rtol=1e-9, atol=0.0)
    assert normaliser.count.item() == 5000


def test_normalised_data_has_mean_zero_and_variance_one(data):
    normalised = _fed(data, 64)(data)
    assert normalised.dtype == torch.float32
    # The entry that is 1000 +- 0.001 keeps two digits of its spread in float32 and in rsqrt(1e-8).
    assert_close(normalised[:, [0, 2]].mean(0), torch.zeros(2), atol=1e-4, rtol=0.0)
    assert_close(normalised[:, [0, 2]].var(0, correction=0), torch.ones(2), atol=1e-4, rtol=0.0)


def test_statistics_stand_still_outside_update(data):
    normaliser = _fed(data, 64)
    before = {name: value.clone() for name, value in normaliser.state_dict().items()}
    normaliser.train()
    normaliser(100.0 + data)
    normaliser.eval()
    normaliser(100.0 + data)
    assert before.keys() == {"mean", "variance", "count"}
    for name, value in normaliser.state_dict().items():
        assert torch.equal(value, before[name])


def test_disabled_normaliser_passes_through_and_counts_nothing(data):
    normaliser = Normaliser(3, enabled=False)
    normaliser.update(data)
    assert normaliser(data) is data
    assert normaliser.count.item() == 0


def test_untouched_normaliser_is_the_identity_within_its_limit():
    x = torch.tensor([[0.0, 3.0, -9.9]])
    assert_close(Normaliser(3, enabled=True)(x), x, rtol=1e-6, atol=0.0)


def test_entries_are_limited(data):
    normaliser = _fed(data, 64)
    assert normaliser(data + 1e6).max().item() == 10.0
    assert normaliser(data - 1e6).min().item() == -10.0
    small = Normaliser(3, enabled=True, limit=0.5)
    assert small(torch.ones(1, 3)).tolist() == [[0.5] * 3]


def test_an_entry_that_never_moves_stays_at_zero():
    normaliser = Normaliser(2, enabled=True)
    constant = torch.tensor([[7.0, -2.0]]).expand(10, 2)
    normaliser.update(constant)
    assert_close(normaliser(constant), torch.zeros(10, 2))


def test_statistics_travel_with_the_state_dict(data):
    normaliser, twin = _fed(data, 64), Normaliser(3, enabled=True)
    twin.load_state_dict(normaliser.state_dict())
    assert torch.equal(twin(data), normaliser(data))


def test_observations_are_not_changed_in_place(data):
    before = data.clone()
    _fed(data, 64)(data)
    assert torch.equal(data, before)
