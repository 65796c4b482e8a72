"""The kit finds a kind that takes silence for an answer, or says of a change that none was sent."""

from __future__ import annotations

from typing import Any

import pytest

from engine.contract import Issued, Job
from engine.errors import NeedsHuman, RekeyError, TransientError
from engine.secret import Sensitive
from tests.conformance.stands import CHECKS, AcmeToken, broken, stand

SILENCE = "silence is no answer"
REPEATED = "issuing may be repeated after any fault"


class Pessimist(AcmeToken):
    """Counts any trouble as a refusal."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        try:
            return await super().accepts(source, credential_id, credential)
        except RekeyError:
            return False


class Optimist(AcmeToken):
    """Counts any trouble as accepted."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        try:
            return await super().accepts(source, credential_id, credential)
        except RekeyError:
            return True


class Hopeful(AcmeToken):
    """Believes what it could not prove."""

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        try:
            await super().verify(source, credential_id, credential)
        except TransientError:
            return


class Content(AcmeToken):
    """Believes that it has revoked what it could not reach."""

    async def retire(self, source: str, credential_id: str, *held: Any) -> None:
        try:
            await super().retire(source, credential_id, *held)
        except TransientError:
            return


class Helpless(AcmeToken):
    """Calls for a person where Acme does not answer."""

    async def _replace(self, source: str, slot: str) -> str:
        try:
            return await super()._replace(source, slot)
        except TransientError:
            problem = NeedsHuman("Acme does not answer", where=source, fix="look")
        raise problem


class Unsent(AcmeToken):
    """Says of every failure that nothing was sent."""

    async def issue(self, job: Job) -> Issued:
        try:
            return await super().issue(job)
        except TransientError as error:
            error.unsent = True
            raise


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        (Pessimist, SILENCE, "accepts refuses what the vault holds (P5); call 0 (GET /me)"),
        (Optimist, SILENCE, "accepts takes a wrong credential (P3); call 0 (GET /me)"),
        (Hopeful, SILENCE, "verify accepts a wrong credential (P3); call 0 (GET /me)"),
        (Content, SILENCE, "retire revokes nothing (P5)"),
        (Helpless, SILENCE, "issue: silence is no NeedsHuman: Acme does not answer"),
        (Helpless, REPEATED, "NeedsHuman promises that nothing was changed"),
        (Unsent, REPEATED, "TransientError promises that nothing was changed"),
    ],
)
async def test_a_kind_that_draws_a_conclusion_from_silence_is_caught(
    kind: type[Any], name: str, problem: str
) -> None:
    [check] = [check for check in CHECKS if check.__name__.replace("_", " ") == name]
    assert problem in str(await broken(stand(kind), (check,)))
