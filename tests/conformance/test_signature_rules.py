"""The kit finds an endpoint that leaves out one of the four checks of signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint_file import Plan
from conformance.endpoints import EndpointStand
from tests.conformance.served import server, serving, signatures
from tests.conformance.sorts import Many, Single
from tests.conformance.stands import broken

BODY, KEY, TIME, NONCE = (
    "a body other than the signed one is refused",
    "what no known key signed is refused",
    "a signature of another time is refused",
    "a request that was seen before is refused",
)


def without(check: str, answer: object = True) -> type[Any]:
    """Return signatures of which one check is left out."""
    return type(f"Without_{check}", (signatures.Signatures,), {check: lambda *_: answer})


Unchecked = without("refuses", "")


class OneKey(signatures.Signatures):  # type: ignore[misc]
    """Takes its one key, whatever keyid says."""

    def fits_key(self, keyid: str, base: bytes, headers: Any) -> bool:
        del keyid
        fits: bool = super().fits_key("dev", base, headers)
        return fits


class AnyPast(signatures.Signatures):  # type: ignore[misc]
    """Refuses what comes from the future alone."""

    def is_of_now(self, created: int, expires: int) -> bool:
        del expires
        return bool(created < self._now() + 60)


class Hasty(signatures.Signatures):  # type: ignore[misc]
    """Gives a request ten seconds."""

    def is_of_now(self, created: int, expires: int) -> bool:
        del expires
        return bool(abs(created - self._now()) < 10)


class LastNonce(signatures.Signatures):  # type: ignore[misc]
    """Remembers the last nonce alone."""

    last = ""

    def is_new(self, nonce: str, expires: int) -> bool:
        del expires
        last, self.last = self.last, nonce
        return last != nonce


LAX: tuple[tuple[type[Any], str, str], ...] = (
    (Unchecked, BODY, "rule 1"),
    (Unchecked, KEY, "issue answers 200 to a request without a signature, and not 401"),
    (Unchecked, TIME, "signed ten minutes ago"),
    (Unchecked, NONCE, "that it has seen before"),
    (without("fits_digest"), BODY, "with another body than its Content-Digest says"),
    (without("fits_key"), KEY, "with an empty signature"),
    (OneKey, KEY, "whose keyid names no key"),
    (without("is_of_now"), TIME, "signed ten minutes ago"),
    (AnyPast, TIME, "signed ten minutes ago"),
    (Hasty, TIME, "refuses a request signed half a minute ago, which still counts"),
    (without("is_new"), NONCE, "issue answers 200 to a request that it has seen before"),
    (LastNonce, NONCE, "that it has seen before"),
)


async def found(folder: Path, tokens: Any, checks: Any, only: str = "") -> Any:
    """Return what the checks of signatures find; or one of them."""
    with serving(folder, tokens, checks) as plan:
        stand = EndpointStand.at(Plan.read("acme-hook", plan))
        try:
            named = {check.__name__.replace("_", " "): check for check in stand.checks}
            return await broken(stand, (named[only],) if only else stand.checks)
        finally:
            await stand.close()


@pytest.mark.parametrize("tokens", [server.Tokens, Many, Single])
async def test_an_endpoint_that_makes_all_four_checks_passes(tokens: Any, tmp_path: Path) -> None:
    assert await found(tmp_path, tokens(), signatures.Signatures) == {}


@pytest.mark.parametrize(("checks", "name", "problem"), LAX)
async def test_a_check_that_is_left_out_is_named_with_its_rule(
    checks: Any, name: str, problem: str, tmp_path: Path
) -> None:
    problems = await found(tmp_path, server.Tokens(), checks, name)
    assert "of Signatures in docs/write-a-rotator.md: " in problems[name][0]
    assert problem in problems[name][0]


@pytest.mark.parametrize("tokens", [Many, Single])
async def test_every_sort_without_any_check_breaks_every_rule(tokens: Any, tmp_path: Path) -> None:
    assert [*await found(tmp_path, tokens(), Unchecked)] == [BODY, KEY, TIME, NONCE]


async def test_one_call_that_is_left_unchecked_is_named(tmp_path: Path) -> None:
    class ButRetire(signatures.Signatures):  # type: ignore[misc]
        def refuses(self, method: str, path: str, headers: Any, body: bytes) -> str:
            refused: str = super().refuses(method, path, headers, body)
            return "" if path.endswith("/retire") else refused

    problems = await found(tmp_path, server.Tokens(), ButRetire, KEY)
    assert "retire answers 200 to a request without a signature" in problems[KEY][0]


async def test_what_takes_effect_although_it_is_refused_is_found(tmp_path: Path) -> None:
    tokens = server.Tokens()

    class Late(signatures.Signatures):  # type: ignore[misc]
        """Looks at the signature when it has done what was asked."""

        def refuses(self, method: str, path: str, headers: Any, body: bytes) -> str:
            refused: str = super().refuses(method, path, headers, body)
            if refused and path.endswith("/issue"):
                tokens.sources["orders"] = dict.fromkeys(tokens.sources["orders"], "overwritten")
            return refused

    problems = await found(tmp_path, tokens, Late, BODY)
    assert "what it refuses takes effect" in problems[BODY][0]
