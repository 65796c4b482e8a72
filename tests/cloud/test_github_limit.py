"""GitHub's rate limit is 429, or 403 as a missing right is: its headers tell them apart."""

from __future__ import annotations

import pytest

from cloud.rest.github import GitHubAlerts
from engine.errors import AccessDenied, RekeyError, Throttled
from engine.secret import Sensitive
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.shared.rig import Rig, RigClock

FULL, EMPTY = {"X-RateLimit-Remaining": "41"}, {"X-RateLimit-Remaining": "0"}


async def refused(
    headers: dict[str, str], reset: float | None = None, status: int = 403, says: str = "no"
) -> RekeyError:
    """Return the error for an answer with these headers, and a reset in so many seconds."""
    rig = Rig()
    if reset is not None:
        headers = headers | {"X-RateLimit-Reset": f"{rig.clock.now().timestamp() + reset:.0f}"}

    async def limited(request: Request, proceed: Call) -> Response:
        del request, proceed
        return json_response(status, {"message": says}, headers)

    alerts = GitHubAlerts(rig.azure(limited), RigClock(rig.clock))
    with pytest.raises(RekeyError) as caught:
        await alerts.value("octo/repo", 7, Sensitive("not-a-token"), "")
    return caught.value


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    ("headers", "reset", "wait"),
    [
        ({"Retry-After": "60"}, None, 60),
        ({"Retry-After": "60", **EMPTY}, 900, 60),
        (EMPTY, 900, 900),
        (EMPTY, -5, 0),
        (EMPTY, None, None),
        ({**EMPTY, "X-RateLimit-Reset": "soon"}, None, None),
    ],
)
async def test_a_rate_limit_is_no_missing_right_and_says_how_long(
    headers: dict[str, str], reset: float | None, wait: float | None, status: int
) -> None:
    error = await refused(headers, reset, status)
    assert isinstance(error, Throttled)
    assert error.retry_after == wait
    assert error.fix == "let GitHub deliver it again"


@pytest.mark.parametrize("headers", [{}, FULL])
async def test_a_limit_on_bursts_does_not_last_until_the_reset_of_another_limit(
    headers: dict[str, str],
) -> None:
    error = await refused(headers, 900, 429)
    assert isinstance(error, Throttled)
    assert error.retry_after is None


async def test_a_limit_on_bursts_may_be_named_in_words_alone() -> None:
    says = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    error = await refused(FULL, 900, says=says)
    assert isinstance(error, Throttled)
    assert error.retry_after is None


@pytest.mark.parametrize("headers", [{}, FULL])
async def test_any_other_403_is_a_missing_right(headers: dict[str, str]) -> None:
    assert isinstance(await refused(headers, 900), AccessDenied)
