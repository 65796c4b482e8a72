"""The kit passes correct endpoints of every sort, and finds what others of their sort break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.scene import Begin
from conformance.stories import told
from tests.conformance.served import serving
from tests.conformance.sorts import Many, Single
from tests.conformance.test_over_https import found


@pytest.mark.parametrize("tokens", [Many, Single])
async def test_a_correct_endpoint_of_another_sort_keeps_every_promise(
    tokens: Any, tmp_path: Path
) -> None:
    with serving(tmp_path, tokens()) as plan:
        assert await found(plan) == {}


async def rotations_in_a_row(begin: Begin) -> None:
    """Play whole rotations at one source, with a death at the first call, and without."""
    for plan in ({}, {0: "die before"}, {}):
        await told(begin, plan, compromised=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [Many, Single])
async def test_whole_rotations_follow_each_other_at_one_source(tokens: Any, tmp_path: Path) -> None:
    with serving(tmp_path, tokens()) as plan:
        assert await found(plan, (rotations_in_a_row,)) == {}
