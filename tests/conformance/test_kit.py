"""The kit finds out every way in which a kind of one's own breaks a promise, and no other."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from conformance import contract, repeats
from conformance.stories import a_rotation_keeps_every_promise, an_incident_keeps_every_promise
from engine.contract import Issued, Job
from engine.errors import NeedsHuman, PermanentError
from engine.secret import Sensitive
from tests.conformance.stands import CHECKS, AcmeToken, Sandbox, broken, stand, verdicts


async def test_the_worked_example_keeps_every_promise() -> None:
    played = stand()
    results = await verdicts(played, (*played.checks, *CHECKS))
    assert len(results) == len(CHECKS) + 1
    assert not {check: problems for check, problems in results.items() if problems}


async def test_an_incident_at_the_worked_example_comes_through_every_fault_at_every_call() -> None:
    assert await broken(stand(), (an_incident_keeps_every_promise,)) == {}


class Constant(AcmeToken):
    """Issues what it was given, once and for all."""

    async def issue(self, job: Job) -> Issued:
        issued = await super().issue(job)
        return replace(issued, fields={**issued.fields, "token": Sensitive("always-the-same-1")})


class Trusting(AcmeToken):
    """Verifies nothing."""

    async def verify(self, *_: Any) -> None:
        """Prove nothing."""

    async def accepts(self, *_: Any) -> bool:
        return True


class Careless(AcmeToken):
    """Retires whatever it is told to."""

    async def retire(self, source: str, credential_id: str, *_: Any) -> None:
        await self._replace(source, credential_id)


class Blind(AcmeToken):
    """Replaces the slot that the vault holds."""

    async def issue(self, job: Job) -> Issued:
        return await super().issue(replace(job, in_place=True))


class Idle(AcmeToken):
    """Retires nothing."""

    async def retire(self, source: str, credential_id: str, held: Any, held_id: Any = None) -> None:
        if held is None or held_id == credential_id or credential_id not in ("blue", "green"):
            raise NeedsHuman("the vault may hold it", where=source, fix="correct CredentialId")
        if await self.accepts(source, credential_id, held):
            raise NeedsHuman("the vault may hold it", where=source)


class Talkative(AcmeToken):
    """Puts the credential into its errors."""

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        try:
            await super().verify(source, credential_id, credential)
        except PermanentError as error:
            error.fix = f"look at {credential.reveal()}"
            raise


class Logging(AcmeToken):
    """Writes what it issues to a log."""

    async def issue(self, job: Job) -> Issued:
        issued = await super().issue(job)
        logging.getLogger("acme").debug("issued %s", issued.fields["token"].reveal())
        return issued


class Apart(AcmeToken):
    """Has a log of its own, which no other logger hears."""

    async def issue(self, job: Job) -> Issued:
        issued = await super().issue(job)
        own = logging.getLogger("acme.own")
        own.propagate = False
        own.error("issued %s", issued.fields["token"].reveal())
        return issued


class Encoding(AcmeToken):
    """Writes to a log how it signs in with what it issues."""

    async def issue(self, job: Job) -> Issued:
        issued = await super().issue(job)
        pair = f"acme:{issued.fields['token'].reveal()}"
        logging.getLogger("acme").info("Basic %s", b64encode(pair.encode()).decode())
        return issued


class Sleeping(AcmeToken):
    """Lets the whole app sleep."""

    async def issue(self, job: Job) -> Issued:
        time.sleep(0.001)  # noqa: ASYNC251 - that is what is wrong with it
        return await super().issue(job)


class Blocking(AcmeToken):
    """Has the whole app wait for a connection."""

    async def issue(self, job: Job) -> Issued:
        with socket.socket() as own, suppress(OSError):
            own.connect(("127.0.0.1", 1))
        return await super().issue(job)


class Printing(AcmeToken):
    """Prints what it issues."""

    async def issue(self, job: Job) -> Issued:
        issued = await super().issue(job)
        print(issued.fields["token"].reveal())  # noqa: T201 - that is what is wrong with it
        return issued


class Hanging(AcmeToken):
    """Never comes to an end."""

    async def issue(self, *_: Any) -> Issued:
        await asyncio.Event().wait()
        raise AssertionError


class Nonsense(AcmeToken):
    """Answers something other than an Issued."""

    async def issue(self, *_: Any) -> Any:
        return {"token": "something"}


class Inventing(Trusting):
    """Answers a token that nobody made."""

    async def issue(self, job: Job) -> Issued:
        issued = await super().issue(job)
        return replace(issued, fields={**issued.fields, "token": Sensitive(f"made-up-{id(job)}")})


class Greedy(AcmeToken):
    """Claims every address."""

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        del tags
        return address.strip().rstrip("/").lower()


class Grasping(AcmeToken):
    """Claims the addresses of every kind of one's own."""

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        source = Greedy.canonical(address, tags)
        return source if source and source.startswith("/kinds/") else None


class Raising(AcmeToken):
    """Raises what is no RekeyError."""

    async def issue(self, *_: Any) -> Issued:
        raise RuntimeError


class Nameless(AcmeToken):
    """Has another name than its entry point."""

    kind = "other-token"


CAUGHT: tuple[tuple[type[Any], str, str], ...] = (
    (Constant, "every credential is a new one", "the very credential that the vault holds"),
    (Constant, "a new credential is accepted", "refuses"),
    (Trusting, "a wrong credential is refused", "verify accepts a wrong credential"),
    (Trusting, "a proof waits until a credential has spread", "verify accepts"),
    (Careless, "the credential held is never revoked", "retire revokes"),
    (Careless, "what is no id is never retired", "NotFound"),
    (Blind, "a new credential is accepted", "P4"),
    (Blind, "tries of one operation never pile up", "P4"),
    (Idle, "retiring twice revokes the superseded credential", "P5"),
    (Talkative, "a wrong credential is refused", "P6: a credential stands in an error of verify"),
    (Logging, "a new credential is accepted", "P6: a credential stands in the log acme"),
    (Apart, "a new credential is accepted", "P6: a credential stands in the log acme.own"),
    (Encoding, "a new credential is accepted", "P6: a credential stands in the log acme"),
    (Sleeping, "a new credential is accepted", "blocks the event loop: time.sleep"),
    (Blocking, "a new credential is accepted", "blocks the event loop: socket.connect"),
    (Printing, "a new credential is accepted", "P6: a credential stands in standard output"),
    (Nonsense, "a new credential is accepted", "other than an Issued"),
    (Greedy, "an address has one spelling", "canonical claims"),
    (Grasping, "an address has one spelling", "canonical claims '/kinds/another-kind/orders'"),
    (Raising, "a new credential is accepted", "RuntimeError"),
    (Nameless, "what the vault holds is accepted", "its kind is 'other-token'"),
)


@pytest.mark.parametrize(
    ("kind", "check", "problem"), CAUGHT, ids=lambda parameter: str(parameter)[:40]
)
async def test_each_fraud_is_caught_in_place(kind: type[Any], check: str, problem: str) -> None:
    named_check = next(
        candidate for candidate in CHECKS if candidate.__name__.replace("_", " ") == check
    )
    results = await broken(stand(kind), (named_check,))
    assert problem in "; ".join(results.get(check, ())), results


async def test_who_waits_in_a_thread_blocks_nothing() -> None:
    class Threaded(AcmeToken):
        async def issue(self, job: Job) -> Issued:
            await asyncio.to_thread(time.sleep, 0.001)
            await asyncio.get_running_loop().getaddrinfo("localhost", 1)
            return await super().issue(job)

    assert await broken(stand(Threaded), (contract.a_new_credential_is_accepted,)) == {}


async def test_a_kind_that_hangs_is_said_to_hang() -> None:
    results = await broken(stand(Hanging), (contract.a_new_credential_is_accepted,), seconds=0.05)
    assert "hangs" in results["a new credential is accepted"][0]


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Inventing, "P3"),
        (Trusting, "P"),
        (Idle, "P8"),
        (Blind, "P1"),
        (Nonsense, "P8: parked: acme-token issued"),
    ],
)
async def test_a_whole_rotation_shows_it_too(kind: type[Any], promise: str) -> None:
    results = await broken(stand(kind), (a_rotation_keeps_every_promise,))
    assert promise in results["a rotation keeps every promise"][0]


async def test_a_fault_is_named_with_the_call_that_it_struck() -> None:
    class Once(AcmeToken):
        """Revokes in two steps, of which the first cannot be repeated."""

        async def retire(
            self, source: str, credential_id: str, held: Any, held_id: Any = None
        ) -> None:
            send: Any = self._send
            acme = send.__closure__[1].cell_contents._acme
            if not getattr(acme, "begun", False):
                acme.begun = True
                await super().retire(source, credential_id, held, held_id)

    check = repeats.retiring_may_be_repeated_after_any_fault
    [problem] = (await broken(stand(Once), (check,))).values()
    assert "the superseded one stays alive (P5); call 0 (GET /me): die before" in problem[0]


async def test_a_sandbox_that_lets_no_call_be_struck_is_refused() -> None:
    class Deaf(Sandbox):
        def rotator(self, calls: Any) -> Any:
            del calls

            async def straight(_: str, effect: Any) -> Any:
                return await effect()

            return super().rotator(straight)

    results = await broken(stand(sandbox=Deaf), (contract.what_the_vault_holds_is_accepted,))
    assert "no fault can strike" in str(results)


async def test_a_sandbox_that_plays_another_class_than_the_app_loads_is_refused() -> None:
    played = replace(stand(), rotator=Constant)
    results = await broken(played, played.checks)
    assert "another class" in str(results)
    unmade: Any = lambda: None  # noqa: E731 - it takes other arguments than the app gives
    played = replace(played, rotator=unmade)
    results = await broken(played, played.checks)
    assert "cannot load it: TypeError" in str(results)
