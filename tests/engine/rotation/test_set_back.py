"""A new version that cannot be published, or whose replicas cannot: what is done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from engine.contract import Issued, Job
from engine.errors import (
    AccessDenied,
    LeaseUnavailable,
    NeedsHuman,
    PermanentError,
    RekeyError,
    Throttled,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from engine.state.tags import CREDENTIAL
from simulator.faults import Fault
from simulator.sql.servers import Account
from simulator.wire import Request, Response, json_response
from tests.engine.rotation.held import AtFirstWrite, Rollback, held
from tests.engine.rotation.plain_kind import (
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    Able,
    Plain,
    replicas,
    rotating,
    url,
)
from tests.shared.heard import LOST
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql
from tests.shared.sql_rig import FIRST, SECOND

COPY, OTHER = "copy", "other-copy"
SET_BACK = "what the vault holds was set back"
SINGLE: dict[str, str | None] = {"Single": "true"}


async def test_a_replica_that_cannot_be_written_keeps_the_primary_from_being_published() -> None:
    async with rotating(Able(), replicas(COPY)) as work:
        work.put_replica()
        refuse(work.rig, 403, "Forbidden", to_vault("PUT"))
        await work.fails(PermanentError)
        assert work.latest.value == OLD
        assert work.at.record.pending_write


@pytest.mark.parametrize("answer", [(403, "Forbidden"), (503, "ServerBusy"), (409, "Conflict")])
async def test_a_single_slots_secret_does_not_wait_for_a_replica_which_is_told_of_and_owed(
    answer: tuple[int, str],
) -> None:
    async with rotating(Able(), {**SINGLE, **replicas(COPY, OTHER)}) as work:
        work.put_replica()
        work.put_replica(OTHER)
        refuse(work.rig, *answer, to_vault("PUT"))
        await work.rotate(work.secret, "due", at_once=False)
        assert work.latest.value == work.rig.latest(OTHER).value == NEW
        assert (work.progress.result, work.at.record.unreported) == ("rotated", True)
        assert f"a replica has missed it: writing a new version was answered {answer[0]}" in (
            work.progress.reason
        )
        assert f"{url(COPY)}/" in work.at.record.stale
        assert work.observed.settles_nothing, "a recheck follows"


@pytest.mark.parametrize(
    ("copies", "refused", "is_undone"),
    [
        ((), (NAME,), True),
        ((COPY,), (COPY, NAME), True),
        ((COPY,), (NAME,), None),
        ((COPY, OTHER), (NAME,), None),
        ((COPY, OTHER), (COPY, NAME), None),
    ],
)
async def test_a_password_that_no_replica_holds_is_set_back_where_it_cannot_be_published(
    copies: tuple[str, ...], refused: tuple[str, ...], *, is_undone: bool | None
) -> None:
    """What a replica holds is not lost: the next try reads it from there."""
    kind = Able()
    async with rotating(kind, {**SINGLE, **replicas(*copies)}) as work:
        for name in copies:
            work.put_replica(name)
        for name in refused:
            refuse(work.rig, 403, "Forbidden", to_vault("PUT", name))
        error = await work.fails(AccessDenied)
        assert (f"undo {OLD}" in kind.calls) is bool(is_undone)
        assert (SET_BACK in error.what) is bool(is_undone)
        assert work.at.record.change.password_unknown is not is_undone
        assert work.progress.result is None


@pytest.mark.parametrize("tags", [SINGLE, {}])
async def test_a_password_is_called_unknown_while_its_vault_asks_to_wait_with_a_replica(
    tags: dict[str, str | None],
) -> None:
    kind = Able()
    async with rotating(kind, {**tags, **replicas(COPY)}) as work:
        work.put_replica()
        refuse(work.rig, 429, "Throttled", to_vault("PUT", COPY), retry_after="300")
        error = await work.fails(TransientError)
        assert (LOST in error.what) is bool(tags)
        assert f"undo {OLD}" not in kind.calls
        assert work.latest.value == OLD


async def test_a_password_is_published_although_somebody_writes_a_replica_in_the_meantime() -> None:
    async with rotating(Able(), {**SINGLE, **replicas(COPY)}) as work:
        work.put_replica()

        def is_read_to_be_written(request: Request) -> bool:
            return bool(work.at.record.pending_write and to_vault("GET", COPY)(request))

        work.rig.world.faults.append(AtFirstWrite(work.put_replica, is_read_to_be_written))
        await work.rotate(work.secret, "due", at_once=False)
        assert (work.latest.value, work.rig.latest(COPY).value) == (NEW, OLD)
        assert f"{url(COPY)}/" in work.at.record.stale


@pytest.mark.parametrize("announced", [False, True])
async def test_a_password_that_was_proven_and_then_changed_by_somebody_is_left_to_them(
    *, announced: bool
) -> None:
    kind = Able()
    async with rotating(kind, {**SINGLE, **(replicas(COPY) if announced else {})}) as work:
        work.put_replica()

        def change() -> None:
            work.rig.vault.amend(work.latest, tags={**work.rig.tags(NAME), "Manual": "true"})
            kind.accepted = {"by-hand"}

        async def verify(*_: object) -> None:
            if not announced:
                change()

        kind.verify = verify  # type: ignore[assignment, method-assign]
        if announced:
            work.rig.world.faults.append(AtFirstWrite(change))
        began = work.at.now
        error = await work.fails(TransientError)
        assert work.at.now == began
        assert "it was left alone" in error.what
        assert kind.accepted == {"by-hand"}


@pytest.mark.parametrize(("value", "is_undone"), [("theirs", False), (OLD, True)])
async def test_the_password_of_another_source_is_not_set_at_this_one(
    value: str, *, is_undone: bool
) -> None:
    """Its owner has taken the secret there in the meantime, with what is accepted there.

    If its value is still the one that was accepted here, nothing else can be meant.
    """
    kind = Able()
    async with rotating(kind, SINGLE) as work:
        tags = {**work.rig.tags(NAME), "ProviderAddress": "/kinds/plain/two"}

        async def verify(*_: object) -> None:
            work.rig.vault.put(NAME, value, tags=tags)

        kind.verify = verify  # type: ignore[assignment, method-assign]
        error = await work.fails(TransientError)
        assert (LOST in error.what) is not is_undone
        assert (f"undo {OLD}" in kind.calls) is is_undone
        assert "undo theirs" not in kind.calls


async def test_where_something_has_leaked_only_what_the_source_had_accepted_is_set_back() -> None:
    """What somebody writes again meanwhile may be just that."""
    kind = Able()
    async with rotating(kind, SINGLE) as work:
        work.at.know(**LEAKED)

        async def verify(*_: object) -> None:
            work.rig.vault.put(NAME, "leaked", tags=work.rig.tags(NAME))

        kind.verify = verify  # type: ignore[assignment, method-assign]
        await work.fails(TransientError)
        assert f"undo {OLD}" in kind.calls


@pytest.mark.parametrize("item", [{"compromised": True}, {}])
@pytest.mark.parametrize("noted", [False, True])
async def test_a_compromised_password_is_not_set_back(item: dict[str, Any], *, noted: bool) -> None:
    kind = Able(works=False)
    async with rotating(kind, SINGLE, **item) as work:
        if noted:
            work.at.know(compromised=("1" * 32,))
        error = await work.fails(VerificationFailed)
        is_unwanted = bool(item) or noted
        assert (LOST in error.what) is is_unwanted
        assert (f"undo {OLD}" in kind.calls) is not is_unwanted


@pytest.mark.parametrize(
    ("accepted", "restorable", "is_undone"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
async def test_only_a_password_that_its_source_accepted_until_now_is_set_back(
    *, accepted: bool, restorable: bool, is_undone: bool
) -> None:
    kind = Able(works=False, accepted={OLD} if accepted else set())
    kind.issues = replace(kind.issues, restorable=restorable)
    async with rotating(kind, {**SINGLE, CREDENTIAL: None}) as work:
        error = await work.fails(VerificationFailed)
        assert kind.calls[0] == f"accepts  {OLD}", "no tag says which it is"
        assert (f"undo {OLD}" in kind.calls) is is_undone
        assert (SET_BACK in error.what) is is_undone


class Amiss(Plain):
    """One whose source sets a password, and answers amiss."""

    async def issue(self, job: Job) -> Issued:
        self.accepted = {"nobody-knows-it"}
        await super().issue(job)
        raise PermanentError("it was answered 201")


class AbleAmiss(Amiss, Able):
    """The same, where what the vault holds can be set back."""


@pytest.mark.parametrize(
    ("cls", "accepted", "leaked", "then"),
    [
        (AbleAmiss, {OLD}, False, f"; {SET_BACK}"),
        (AbleAmiss, {OLD}, True, f"; {LOST}"),
        (Amiss, {OLD}, False, f"; {LOST}"),
        (AbleAmiss, {"by-hand"}, False, ""),
    ],
)
async def test_what_the_vault_holds_is_set_back_where_a_change_is_answered_amiss(
    cls: type[Amiss], accepted: set[str], then: str, *, leaked: bool
) -> None:
    """Its source refuses since then what it accepted before, so such an answer proves nothing."""
    kind = cls(works=False, accepted=accepted)
    async with rotating(kind, SINGLE, compromised=leaked) as work:
        error = await work.fails(PermanentError)
        assert error.what == f"it was answered 201{then}"
        assert (kind.accepted == {OLD}) is (SET_BACK in then)
        assert work.at.lease.is_lost is (LOST in then)


@pytest.mark.parametrize(("seconds", "is_published"), [(0, False), (1, True)])
async def test_what_its_source_ends_at_once_is_not_published(
    *, seconds: int, is_published: bool
) -> None:
    """It would be due at once, again and again."""
    rig, kind = Rig(), Able()
    ends = rig.clock.now() + timedelta(seconds=seconds)
    kind.issues = replace(kind.issues, expires=ends)
    async with rotating(kind, SINGLE, rig=rig) as work:
        if is_published:
            await work.rotate(work.secret, "due", at_once=False)
        else:
            error = await work.fails(PermanentError)
            assert error.what == f"the source ends the new credential at once; {SET_BACK}"
        assert (work.latest.value == NEW) is is_published


async def test_what_its_source_still_accepts_is_not_set_back() -> None:
    kind = Able(problem=PermanentError("the server has a lock"))
    async with rotating(kind, SINGLE) as work:
        error = await work.fails(PermanentError)
        assert error.what == "the server has a lock"
        assert f"undo {OLD}" not in kind.calls


async def test_what_nobody_can_try_after_an_answer_amiss_is_set_back() -> None:
    class Hidden(AbleAmiss):
        async def accepts(self, *tried: Any) -> bool:
            if OLD not in self.accepted:
                raise TransientError("no answer")
            return await super().accepts(*tried)

    kind = Hidden()
    async with rotating(kind, SINGLE) as work:
        assert SET_BACK in (await work.fails(PermanentError)).what
        assert kind.accepted == {OLD}


@pytest.mark.parametrize("unsent", [True, False])
async def test_nothing_is_set_back_where_nothing_was_changed(*, unsent: bool) -> None:
    """A password that somebody else has set just then stays."""

    class Overtaken(Able):
        async def issue(self, job: Job) -> Issued:
            self.accepted = {"by-hand"}
            return await super().issue(job)

    problem = PermanentError("refused") if unsent else NeedsHuman("refused")
    problem.unsent = unsent
    kind = Overtaken(problem=problem)
    async with rotating(kind, SINGLE) as work:
        error = await work.fails(PermanentError)
        assert error.what == "refused"
        assert kind.accepted == {"by-hand"}


async def test_without_the_lease_nothing_was_sent_so_nothing_is_lost() -> None:
    async with rotating(Able(problem=LeaseUnavailable("the lease is lost")), SINGLE) as work:
        assert (await work.fails(LeaseUnavailable)).what == "the lease is lost"


@pytest.mark.parametrize(
    ("cls", "tags", "tried"),
    [
        (Plain, {}, [f"accepts {OLD_ID} {OLD}"]),
        (Able, {"ValueTemplate": "Key={key}"}, []),
    ],
)
async def test_of_a_kind_that_cannot_set_back_or_a_value_in_no_form_nothing_is_set_back(
    cls: type[Plain], tags: dict[str, str], tried: list[str]
) -> None:
    """Nor is it said that somebody has written it meanwhile."""
    kind = cls(works=False)
    async with rotating(kind, {**SINGLE, **tags}) as work:
        error = await work.fails(VerificationFailed)
        assert kind.calls == [*tried, "issue", f"verify {NEW_ID} {NEW}"]
        assert error.what == f"the source refuses it; {LOST}"


# What is set back at a SQL server after an error, and what the error says of it then.

BY_HAND = "Set-by-hand-nobody-knows-1"
LEAKED: dict[str, Any] = {"gone": {"1" * 32: "tried"}}
"""What a record says where something has leaked that its source refuses."""
EITHER = "what the vault holds could not be set back either: "


class Scene:
    """One login whose new password has been set and was, or was not, proven."""

    def __init__(self) -> None:
        self.rig = sql()
        self.is_lost: bool | None = None
        """Nobody knows which password the login has."""

    @property
    def login(self) -> Account:
        return next(iter(self.rig.server.logins.values()))

    def sets(self, password: str) -> None:
        self.login.set(password, self.rig.clock.now())

    def fails(self, response: Response, where: Callable[[Request], bool]) -> None:
        self.rig.world.faults.append(Fault(where, response))

    async def after(
        self,
        problem: RekeyError,
        since: Callable[[], object] = lambda: None,
        *,
        proven: bool = False,
        **facts: Any,
    ) -> RekeyError:
        """Roll back after an error; return the error that comes of it."""
        async with held(self.rig, SQL) as at:
            self.sets(SECOND)
            at.know(**facts)
            issued = Issued(self.login.name, {"password": Sensitive(SECOND)}, None, restorable=True)
            job = at.parts.job(at.secret, at.managed)
            rotation = at.steps().rotation
            rollback = Rollback(rotation, job, issued, proven)
            with pytest.raises(RekeyError) as caught:  # noqa: PT012 - what is tried is the block
                async with rollback.on(RekeyError):
                    since()
                    raise problem
            self.is_lost = at.lease.is_lost
        return caught.value


def alters(request: Request) -> bool:
    return b"ALTER " in request.body


def leases(request: Request) -> bool:
    return request.host.startswith("rekeyhost.blob") and request.method == "PUT"


@pytest.mark.parametrize("facts", [{}, LEAKED])
async def test_the_password_of_a_secret_that_is_disabled_by_now_is_not_set_back(
    facts: dict[str, Any],
) -> None:
    scene, problem = Scene(), NeedsHuman("refused")
    rig = scene.rig
    disable = partial(rig.vault.amend, rig.latest(SQL), enabled=False)
    assert await scene.after(problem, disable, **facts) is problem
    assert (scene.login.newest, scene.is_lost) == (SECOND, True)
    assert problem.what == f"refused; somebody has written a version in the meantime, and {LOST}"


async def test_what_somebody_has_written_since_is_set_in_place_of_what_was_there() -> None:
    scene = Scene()
    rig = scene.rig
    await scene.after(
        NeedsHuman("refused"), lambda: rig.vault.put(SQL, BY_HAND, tags=rig.tags(SQL))
    )
    assert (scene.login.newest, scene.is_lost) == (BY_HAND, False)


@pytest.mark.parametrize("facts", [{}, LEAKED])
async def test_a_password_that_the_vault_holds_after_all_is_kept(facts: dict[str, Any]) -> None:
    scene, problem = Scene(), NeedsHuman("refused")
    rig = scene.rig
    await scene.after(problem, lambda: rig.vault.put(SQL, SECOND, tags=rig.tags(SQL)), **facts)
    assert (scene.login.newest, scene.is_lost) == (SECOND, False)
    assert problem.what == "refused; the vault holds the new password"


@pytest.mark.parametrize("proven", [False, True])
async def test_a_password_that_was_proven_and_is_refused_now_was_changed_by_somebody_else(
    *, proven: bool
) -> None:
    scene, problem = Scene(), NeedsHuman("refused")
    assert await scene.after(problem, lambda: scene.sets(BY_HAND), proven=proven) is problem
    assert scene.is_lost is False
    if proven:
        assert scene.login.newest == BY_HAND
        assert problem.what == (
            "refused; somebody has changed the password at its source since; it was left alone"
        )
    else:
        assert scene.login.newest == FIRST


@pytest.mark.parametrize(
    ("problem", "unsent", "is_kept"),
    [
        (TransientError("no answer", code="NoAnswer"), False, True),
        (TransientError("no answer", code="NoAnswer"), True, False),
        (Throttled("no answer", code="NoAnswer"), False, False),
        (TransientError("busy", code="ServerBusy"), False, False),
    ],
)
async def test_a_password_stays_that_may_yet_arrive_in_the_vault(
    problem: TransientError, *, unsent: bool, is_kept: bool
) -> None:
    """Set back, it would be dead where it arrives."""
    scene = Scene()
    problem.unsent = unsent
    await scene.after(problem, proven=True)
    assert scene.login.newest == (SECOND if is_kept else FIRST)


async def test_who_has_lost_the_lease_sets_nothing_back_and_adds_nothing() -> None:
    scene, problem = Scene(), NeedsHuman("refused")
    lost = json_response(409, {}, {"x-ms-error-code": "LeaseIdMismatchWithLeaseOperation"})

    def lose() -> None:
        scene.rig.clock.advance(45)
        scene.fails(lost, leases)

    assert await scene.after(problem, lose) is problem
    assert not isinstance(problem, LeaseUnavailable)
    assert (scene.login.newest, problem.what) == (SECOND, "refused")


async def test_a_message_comes_back_where_it_is_not_certain_what_was_set_back() -> None:
    scene, problem = Scene(), NeedsHuman("refused", where="here", fix="grant it")
    scene.fails(json_response(503, {}), alters)
    again = await scene.after(problem)
    assert isinstance(again, TransientError)
    assert (again.what, again.where, again.fix) == (problem.what, "here", "grant it")
    assert problem.what.startswith(f"refused; {EITHER}")


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (TransientError("throttled", retry_after=30), 503),
        (TransientError("throttled", retry_after=30), 403),
        (NeedsHuman("refused"), 403),
    ],
)
async def test_the_first_error_stays_where_a_second_one_does_not_ask_for_another_try(
    problem: RekeyError, status: int
) -> None:
    scene, what = Scene(), problem.what
    scene.fails(json_response(status, {"error": {"code": "Forbidden"}}), alters)
    assert await scene.after(problem) is problem
    assert problem.what.startswith(f"{what}; {EITHER}")


@pytest.mark.parametrize(("source", "vault", "longest"), [(7, 40, 40), (50, 40, 50), (None, 9, 9)])
async def test_who_comes_back_waits_for_as_long_as_source_and_vault_have_asked_for(
    source: float | None, vault: int, longest: float
) -> None:
    """An earlier try would only put off when either answers again, and the password stays unknown."""
    scene, problem = Scene(), TransientError("busy", retry_after=source)

    def throttle() -> None:
        refuse(scene.rig, 429, "Busy", to_vault(), 9, Retry_After=str(vault))

    again = await scene.after(problem, throttle)
    assert isinstance(again, TransientError)
    assert again.retry_after == longest
    assert scene.login.newest == SECOND, "what the vault holds by now is not known"


async def test_a_vault_that_asks_to_wait_is_not_read_before_a_proven_password_is_set_back() -> None:
    """It showed what it holds under this very lease, and an earlier read would put all else off."""
    scene, problem = Scene(), TransientError("throttled", retry_after=30)
    reads = list[Request]()

    def read(sent: Request) -> bool:
        reads.extend([sent] if to_vault()(sent) else [])
        return False

    def listen() -> None:
        scene.rig.world.faults.append(Fault(read))

    again = await scene.after(problem, listen, proven=True)
    assert again is problem
    assert (scene.login.newest, reads) == (FIRST, [])


@pytest.mark.parametrize(("wish", "comes_back"), [("40", True), (None, False)])
async def test_a_proven_password_is_set_back_although_its_vault_cannot_be_read(
    wish: str | None, *, comes_back: bool
) -> None:
    """Only where the vault has named a time, the message comes back for a problem that lasts."""
    scene, problem = Scene(), NeedsHuman("refused")
    headers = {"Retry_After": wish} if wish else {}
    again = await scene.after(
        problem, lambda: refuse(scene.rig, 503, "Busy", to_vault(), 9, **headers), proven=True
    )
    assert isinstance(again, TransientError) is comes_back
    assert (scene.login.newest, scene.is_lost) == (FIRST, False)


async def test_whoever_may_have_been_overtaken_sets_nothing_back() -> None:
    """Another worker may have set, and published, a password since."""
    scene, problem = Scene(), LeaseUnavailable("lost")
    assert await scene.after(problem) is problem
    assert (scene.login.newest, problem.what) == (SECOND, "lost")


@pytest.mark.parametrize("shape", ["{key}", "Password={key}"])
async def test_what_somebody_wrote_meanwhile_is_set_by_the_template_that_counts_for_it(
    shape: str,
) -> None:
    """The version that was to be replaced follows another one, which fits any text."""
    kind = Able()
    async with rotating(kind, {**SINGLE, "ValueTemplate": shape}) as work:
        work.at.know(proven=work.secret.version, followed=("{key}",))
        work.rotation.here = work.at.record.as_read(work.at.managed, work.secret)
        theirs = shape.format(key="theirs")

        async def verify(*_: Any) -> None:
            work.rig.clock.advance(1)
            work.rig.write(NAME, theirs)

        kind.verify = verify  # type: ignore[assignment, method-assign]
        await work.fails(RekeyError)
        assert [call for call in kind.calls if call.startswith("undo")] == ["undo theirs"]


async def test_who_cannot_even_note_the_end_of_a_lost_password_says_so() -> None:
    """The right to renew the lease is gone as well, so no record and no mark tells of it."""

    def is_renewal(request: Request) -> bool:
        return request.header("x-ms-lease-action") == "renew"

    def is_read_after_the_change(request: Request) -> bool:
        return to_vault("GET", SQL)(request) and rig.passwords() > before

    rig = sql()
    before, late = (
        rig.passwords(),
        AtFirstWrite(partial(rig.clock.advance, 45), is_read_after_the_change),
    )
    rig.world.faults.append(late)
    refuse(rig, 403, "Forbidden", to_vault("PUT", SQL))
    refuse(rig, 403, "AuthorizationFailure", is_renewal, times=9)
    outcome = await rig.handle(SQL)
    assert (outcome.result, outcome.new_version) == ("parked", None)
    assert outcome.reason.endswith(LOST)
