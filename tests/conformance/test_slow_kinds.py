"""Kinds whose source goes on with a change after its answer, as UnderWay says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from conformance import contract
from conformance.stories import told
from engine.contract import Issued, Job
from engine.errors import UnderWay
from tests.conformance.stands import CHECKS, AcmeToken, FakeAcme, Sandbox, broken, stand

TAKES = 40.0


class SlowAcme(FakeAcme):
    """Accepts a change with 202, and has made the token 40 seconds later, for who asks again."""

    _from: float | None = None

    async def answer(self, method: str, path: str, bearer: str) -> Any:
        if method == "POST" and "/projects/orders/" in path:
            self._from = self._from or self._clock.monotonic() + TAKES
            if self._from > self._clock.monotonic():
                return 202, {}
            self._from = None
        return await super().answer(method, path, bearer)


class Patient(AcmeToken):
    """Says that Acme is at it."""

    async def _replace(self, source: str, slot: str) -> str:
        signed_in = await self._azure.credential.get_token("acme")
        path = f"/projects/{source.rpartition('/')[2]}/tokens/{slot}"
        status, body = await self._call("POST", path, signed_in.token, source)
        if status == 202:
            raise UnderWay("Acme makes the token", where=source, retry_after=30)
        return body["token"] if status == 201 else await super()._replace(source, slot)


class Noting(AcmeToken):
    """Asks once, and relies on what it noted then."""

    async def issue(self, job: Job) -> Issued:
        if not (job.under_way and job.sent and job.mark == "asked"):
            raise UnderWay("Acme makes the token", where=job.source, mark="asked")
        return await super().issue(job)


class Endless(AcmeToken):
    """Waits for what never comes."""

    async def issue(self, job: Job) -> Issued:
        raise UnderWay("Acme makes the token", where=job.source, retry_after=1)


class Slowly(Sandbox):
    """A project at such an Acme."""

    kind: type[AcmeToken] = Patient

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self._acme = SlowAcme(clock)

    def rotator(self, calls: Any) -> Any:
        made = super().rotator(calls)
        made.__class__ = self.kind
        return made


SLOW = replace(stand(Patient), make=Slowly)


async def test_a_kind_that_says_that_its_source_is_at_it_keeps_every_promise() -> None:
    assert await broken(SLOW, (*SLOW.checks, *CHECKS)) == {}


async def test_its_whole_rotation_comes_to_its_end() -> None:
    async def a_rotation(begin: Any) -> None:
        await told(begin, {}, compromised=False)

    assert await broken(SLOW, (a_rotation,)) == {}


@pytest.mark.parametrize(
    "check",
    [
        contract.a_new_credential_is_accepted,
        contract.retiring_twice_revokes_the_superseded_credential,
    ],
)
async def test_a_later_try_gets_back_what_an_earlier_one_noted(check: Any) -> None:
    assert await broken(stand(Noting), (check,)) == {}


async def test_a_change_that_never_comes_is_a_finding() -> None:
    problems = await broken(stand(Endless), (contract.a_new_credential_is_accepted,))
    assert "raises UnderWay: issue of acme-token ended with UnderWay" in str(problems)
