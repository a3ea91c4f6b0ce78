"""Named streams: the same address gives the same bits, any other address gives others."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from gausspg.streams import Streams

ADDRESSES = [
    (0, "action_noise", ()),
    (0, "action_noise", (0,)),
    (0, "action_noise", (1,)),
    (0, "action_noise", (0, 1)),
    (0, "action_noise", (1, 0)),
    (0, "minibatches", (0,)),
    (0, "environment", (0,)),
    (0, "evaluation", (0,)),
    (1, "action_noise", (0,)),
    (2**31, "action_noise", (0,)),
]


def _torch_bits(seed, name, index):
    return tuple(torch.randint(2**62, (4,), generator=Streams(seed).torch(name, *index)).tolist())


def _numpy_bits(seed, name, index):
    return tuple(Streams(seed).numpy(name, *index).integers(2**62, size=4).tolist())


@pytest.mark.parametrize("bits", [_torch_bits, _numpy_bits])
def test_same_address_same_bits_and_all_others_differ(bits):
    drawn = [bits(*address) for address in ADDRESSES]
    assert drawn == [bits(*address) for address in ADDRESSES]
    assert len(set(drawn)) == len(ADDRESSES)


def test_streams_do_not_depend_on_the_order_they_are_asked_for():
    streams = Streams(3)
    streams.torch("minibatches", 0)
    streams.numpy("environment", 5)
    torch.rand(7, generator=streams.torch("action_noise", 8))
    late = torch.rand(5, generator=streams.torch("action_noise", 9))
    assert torch.equal(late, torch.rand(5, generator=Streams(3).torch("action_noise", 9)))


def test_streams_neither_read_nor_move_the_global_generators():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = _torch_bits(0, "action_noise", (0,))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert _torch_bits(0, "action_noise", (0,)) == first


def test_bits_are_the_same_in_another_process():
    # Names hashed with a salt, as hash() does, would give every process other bits.
    code = (
        "import torch; from gausspg.streams import Streams; "
        "print(*torch.randint(2**62, (4,), generator=Streams(5).torch('a_name', 2)).tolist())"
    )
    path = os.pathsep.join(sys.path)
    output = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert tuple(int(word) for word in output.split()) == _torch_bits(5, "a_name", (2,))


def test_bits_are_pinned_so_that_published_runs_stay_reproducible():
    assert _numpy_bits(0, "action_noise", (0,)) == (
        3853888270644592085,
        2433578939241756028,
        4310270762902364291,
        1569521344892675409,
    )
    assert _torch_bits(0, "action_noise", (0,)) == (
        1571864628274372548,
        2198117932665932354,
        3131963385616359913,
        3787163625980324608,
    )


def test_neighbouring_streams_are_uncorrelated():
    generators = [Streams(0).numpy("action_noise", index) for index in range(8)]
    drawn = np.stack([generator.standard_normal(20_000) for generator in generators])
    correlation = np.corrcoef(drawn) - np.eye(8)
    assert np.abs(correlation).max() < 4.5 / 20_000**0.5
