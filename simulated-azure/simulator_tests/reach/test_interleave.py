"""Trees of choices are walked whole, each path once.

Whoever stops early has seen the nearest ones.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from simulator.reach.interleave import Choices, every_path, fewest_first


def walk(choices: Choices) -> tuple[int, ...]:
    """Take four choices among two; a second way at the first fork leads to one among three."""
    taken = [choices(2) for _ in range(4)]
    if taken[0]:
        taken.append(choices(3))
    return tuple(taken)


@pytest.mark.parametrize("paths", [every_path, fewest_first])
def test_every_path_is_taken_once(paths: Callable[[], Iterator[Choices]]) -> None:
    walked = [walk(choices) for choices in paths()]
    assert len(walked) == len(set(walked)) == 8 + 8 * 3


def test_paths_with_one_departure_come_before_those_with_two() -> None:
    walked = [sum(map(bool, walk(choices))) for choices in fewest_first()]
    assert walked == sorted(walked)
    first = [walk(choices) for choices in islice(fewest_first(), 5)]
    assert first[1:] == [(1, 0, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]


def test_paths_of_thousands_of_forks_take_little_memory() -> None:
    """Each of them leads to as many others: written out, they filled a machine."""
    tracemalloc.start()
    try:
        for choices in islice(fewest_first(), 5):
            assert not any([choices(2) for _ in range(3000)][5:])
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
