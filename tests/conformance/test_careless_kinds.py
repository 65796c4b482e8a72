"""Kinds that rely on their memory or on a tag, or change more than they are asked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.contract import Issued, Job, Recognised
from engine.secret import Sensitive
from tests.conformance.served import server, serving
from tests.conformance.sorts import Answer, Many, Single
from tests.conformance.stands import CHECKS, AcmeToken, broken, stand
from tests.conformance.test_over_https import found

OTHERS = "what another instance changed is noticed"
SHARED = "one instance serves every source"
TAG = "a wrong tag costs nobody a credential"


class Remembering(AcmeToken):
    """Looks once which token is held."""

    _known: str = ""

    async def _held(self, job: Job) -> str:
        self._known = self._known or await super()._held(job)
        return self._known


class Counting(Remembering):
    """Keeps count of its own rotations."""

    async def issue(self, job: Job) -> Issued:
        issued = await super().issue(job)
        self._known = issued.credential_id
        return issued


class Believing(AcmeToken):
    """Tries a token once, and remembers what came of it."""

    _tried: ClassVar[dict[str, bool]] = {}

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        key = f"{credential_id} {credential.reveal()}"
        if not self._tried.get(key):
            self._tried[key] = await super().accepts(source, credential_id, credential)
        return self._tried[key]


class Repeating(AcmeToken):
    """Answers a repeated operation what it answered before."""

    _answers: Mapping[str, Issued] = {}

    async def issue(self, job: Job) -> Issued:
        if job.operation not in self._answers:
            self._answers = {**self._answers, job.operation: await super().issue(job)}
        return self._answers[job.operation]


class Settled(AcmeToken):
    """Works for the first project that it sees."""

    _source: str = ""

    async def issue(self, job: Job) -> Issued:
        self._source = self._source or job.source
        return await super().issue(replace(job, source=self._source))


class Sharing(AcmeToken):
    """Keeps what it works on at the moment in its instance."""

    _job: Job

    async def issue(self, job: Job) -> Issued:
        self._job = job
        await self._held(job)
        await self._call("GET", "/me", "nobody", job.source)
        return await super().issue(self._job)


class Gullible(AcmeToken):
    """Takes the tag's word for which token is held."""

    async def recognise(self, job: Job) -> Recognised:
        return Recognised(str(job.held_id))


class Thorough(AcmeToken):
    """Replaces both tokens to heal one."""

    async def issue(self, job: Job) -> Issued:
        if job.in_place:
            await super().issue(replace(job, in_place=False))
        return await super().issue(job)


class Picky(AcmeToken):
    """Knows no token without its id."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        return bool(credential_id) and await super().accepts(source, credential_id, credential)


class Strict(AcmeToken):
    """Locks a token that somebody tries a wrong value on."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        accepted = await super().accepts(source, credential_id, credential)
        if not accepted and credential_id:
            await self._replace(source, credential_id)
        return accepted


PLUGINS: tuple[tuple[type[Any], str, str], ...] = (
    (Remembering, OTHERS, "relies on what it saw before another one rotated: issue cuts off"),
    (Counting, OTHERS, "relies on what it saw before another one rotated: issue cuts off"),
    (Believing, OTHERS, "accepts takes what another one revoked"),
    (Repeating, "a try that another instance repeated may come again", "its try is not accepted"),
    (Settled, SHARED, "issue works at a source that does not exist"),
    (Sharing, SHARED, "Acme knows no such project"),
    (Gullible, TAG, "recognise believes the tag CredentialId"),
    (Thorough, "healing leaves the other credential alone", "the one in its overlap (P4)"),
    (Picky, "any id means any credential", "where no id is named"),
    (Strict, "a proof changes nothing", "a proof changes the source"),
)


@pytest.mark.parametrize(("kind", "name", "problem"), PLUGINS)
async def test_carelessness_is_caught_in_place(kind: type[Any], name: str, problem: str) -> None:
    problems = await broken(stand(kind), CHECKS)
    assert problem in "; ".join(problems.get(name, ())), problems


async def test_a_tag_alone_moves_no_kind_that_recognises_nothing() -> None:
    async def held(rotator: Any, job: Job) -> str:
        del rotator
        return str(job.held_id)

    unwanted = ("recognise", "__dict__", "__weakref__")
    own = {name: each for name, each in vars(AcmeToken).items() if name not in unwanted}
    problems = await broken(stand(type("Gullible", (), {**own, "_held": held})), CHECKS)
    assert "issue believes the tag CredentialId" in problems[TAG][0]


class Anybody(server.Tokens):  # type: ignore[misc]
    """Does not look at the id of what it tries."""

    @staticmethod
    def _verify(tokens: dict[str, str], slot: str, value: str) -> Any:
        del slot
        return server.Tokens._verify(tokens, "", value)


class Cached(server.Tokens):  # type: ignore[misc]
    """Repeats its earlier answer, whether or not that token still works."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Answer] = {}

    def answer(self, call: str, body: Mapping[str, Any]) -> Answer:
        if call != "issue" or body["request"] not in self.answers:
            self.answers[body["request"]] = super().answer(call, body)
        return self.answers[body["request"]]


class Sweeping(Many):
    """Tidies whatever it once made."""

    def tidied(self, tokens: dict[str, str], operation: str, keep: str | None) -> Answer:
        del operation
        for made in self.operations:
            if made != keep:
                tokens.pop(made, None)
        return 200, {"done": True}


class Keepless(Many):
    """Overlooks what it is to keep."""

    def tidied(self, tokens: dict[str, str], operation: str, keep: str | None) -> Answer:
        del keep
        return super().tidied(tokens, operation, None)


class Beside(Many):
    """Makes another token at each try, and tidies nothing."""

    def tidied(self, tokens: dict[str, str], operation: str, keep: str | None) -> Answer:
        del tokens, operation, keep
        return 200, {"done": True}

    def made(self, tokens: dict[str, str], body: Mapping[str, Any]) -> Answer:
        self.answers.clear()
        return super().made(tokens, body)


class Stubborn(Single):
    """Does not set a password back."""

    def answer(self, call: str, body: Mapping[str, Any]) -> Answer:
        return (200, {"done": True}) if call == "undo" else super().answer(call, body)


ENDPOINTS: tuple[tuple[type[Any], str, str], ...] = (
    (Anybody, TAG, "recognise believes the tag CredentialId"),
    (Cached, "tries of one operation never pile up", "a repeated try is not accepted"),
    (Sweeping, "tidying spares what it was not told of", "what another operation made (P5)"),
    (Keepless, "tidying spares what it was not told of", "what it is told to keep"),
    (Beside, "tries of one operation never pile up", "pile up (P5)"),
    (Stubborn, "setting back may be repeated after any fault", "undo does not set back"),
)


@pytest.mark.parametrize(("tokens", "name", "problem"), ENDPOINTS)
async def test_a_careless_endpoint_is_caught_where_it_shows(
    tokens: Any, name: str, problem: str, tmp_path: Path
) -> None:
    with serving(tmp_path, tokens()) as plan:
        problems = await found(plan)
    assert problem in "; ".join(problems.get(name, ())), problems
