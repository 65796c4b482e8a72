"""A proof lasts no longer than the lease under which it was begun."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.errors import LeaseUnavailable
from engine.rotation import proof
from engine.rotation.proof import TRIED, Proof, in_its_place, proof_text, read_proof
from engine.rotation.source_lease import CALL_SECONDS
from engine.secret import Sensitive
from engine.state.record_parts import SAME_VALUE


class Endless:
    """A source that has not made up its mind; it does in the end, so that no test hangs."""

    def __init__(self) -> None:
        self.asking = False

    async def verify(self, *_: object) -> None:
        self.asking = True
        try:
            for _turn in range(1000):
                await asyncio.sleep(0)
        finally:
            self.asking = False


class Lost:
    """A lease that another worker has taken."""

    def __init__(self, source: Endless) -> None:
        self._source = source

    async def ensure(self, seconds: float) -> None:
        assert seconds > CALL_SECONDS, "it ends before it is renewed again"
        assert self._source.asking
        raise LeaseUnavailable("taken")


async def test_who_loses_the_lease_asks_the_source_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proof, "RENEW_SECONDS", 1e-6)
    source = Endless()
    managed: Any = SimpleNamespace(source="a source")
    parts: Any = SimpleNamespace(
        reporter=SimpleNamespace(step=lambda _: nullcontext()), rotator=lambda _: source
    )
    lease: Any = Lost(source)
    lease.parts = parts
    with pytest.raises(LeaseUnavailable):
        await Proof(lease).accepted(managed, "key1", Sensitive("value"), "verify")
    await asyncio.sleep(0)
    assert not source.asking


class Spreading:
    """A source of several servers: a revocation reaches one after another."""

    def __init__(self, answers: str) -> None:
        self._answers = answers
        self.tries = 0

    async def accepts(self, *_: object) -> bool:
        self.tries += 1
        return self._answers[min(self.tries, len(self._answers)) - 1] == "a"


class Kept:
    """A lease that is renewed, and a clock that goes on."""

    source = "a source"

    def __init__(self) -> None:
        self.renewed, self.lasts, self.slept = 0, 0.0, 0.0

    async def ensure(self, seconds: float) -> None:
        self.lasts = seconds
        self.renewed += 1

    async def sleep(self, seconds: float) -> None:
        assert self.lasts >= seconds + CALL_SECONDS, "it outlasts the pause, and a call after that"
        self.slept += seconds


@pytest.mark.parametrize(
    ("answers", "is_refused", "tries", "pauses"),
    [
        pytest.param("rr", True, 2, 0, id="refused by all"),
        pytest.param("arr", True, 3, 1, id="accepted once more"),
        pytest.param("rarr", True, 4, 1, id="refused by one server only, at first"),
        pytest.param("arar", True, 5, 2, id="refused by one server in turn"),
        pytest.param("aaaaarr", True, 7, 5, id="refused within the minute"),
        pytest.param("aaaaaaar", False, 7, 6, id="accepted for longer"),
        pytest.param("aaaaaar", False, 7, 6, id="refused by one server in the end"),
    ],
)
async def test_while_a_revocation_spreads_the_lease_is_renewed(
    answers: str, *, is_refused: bool, tries: int, pauses: int
) -> None:
    kept, source = Kept(), Spreading(answers)
    parts: Any = SimpleNamespace(reporter=SimpleNamespace(step=lambda _: nullcontext()), clock=kept)
    lease: Any = kept
    lease.parts, rotator = parts, cast("Any", source)
    refused = await Proof(lease).refused(rotator, "key1", Sensitive("value"))
    assert refused is is_refused
    assert (source.tries, kept.renewed) == (tries, pauses)
    if answers.startswith("a" * pauses):
        assert kept.slept == sum(proof.REVOKED[:pauses])


class Listed(Spreading):
    """A source that lists its credentials, on several servers."""

    async def lists(self, *_: object) -> bool:
        return await self.accepts()


@pytest.mark.parametrize(
    ("answers", "is_gone", "pauses"), [("r", True, 0), ("ar", True, 1), ("a", False, 6)]
)
async def test_while_a_removal_spreads_the_lease_is_renewed(
    answers: str, *, is_gone: bool, pauses: int
) -> None:
    kept, source = Kept(), Listed(answers)
    parts: Any = SimpleNamespace(reporter=SimpleNamespace(step=lambda _: nullcontext()), clock=kept)
    lease: Any = kept
    lease.parts = parts
    rotator: Any = source
    assert await Proof(lease).unlisted(rotator, "id") is is_gone
    assert (kept.renewed, kept.slept) == (pauses, sum(proof.REVOKED[:pauses]))


async def test_a_login_that_is_not_under_lease_is_asked_itself_whether_it_refuses_a_credential() -> (
    None
):
    """What another login refuses proves nothing about it."""
    asked: list[str] = []

    async def accepts(source: str, *_: object) -> bool:
        asked.append(source)
        return False

    lease: Any = SimpleNamespace(source="under lease")
    rotator: Any = SimpleNamespace(accepts=accepts)
    for source in ("another", ""):
        assert await Proof(lease).refuses(rotator, Sensitive("value"), source)
    assert asked == ["another", "another", "under lease", "under lease"]


NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("noted", "words"),
    [(TRIED, TRIED), (SAME_VALUE, SAME_VALUE), (f"{SAME_VALUE}: {'1' * 32}", SAME_VALUE)],
)
def test_a_proof_is_told_in_one_of_a_few_words_whatever_version_was_cut_off_in_its_place(
    noted: str, words: str
) -> None:
    """Whoever reads a report compares them."""
    assert read_proof(proof_text(NOON, noted)) == (NOON, words)


def test_what_is_cut_off_in_place_of_a_version_may_have_another_one_in_its_own() -> None:
    """A person may have written the same value again, and again."""
    noted = {"a": f"{SAME_VALUE}: b", "b": f"{SAME_VALUE}: c", "c": TRIED}
    revoked = {version: proof_text(NOON, how) for version, how in noted.items()}
    assert [in_its_place(revoked, version) for version in ("a", "b", "c", "d")] == [*"cccd"]
    assert in_its_place({"a": revoked["a"], "b": f"x {SAME_VALUE}: a"}, "a") in {"a", "b"}


@pytest.mark.parametrize("text", ["", SAME_VALUE, "yesterday tried"])
def test_a_text_that_does_not_say_when_proves_nothing(text: str) -> None:
    assert read_proof(text) == (None, "")
