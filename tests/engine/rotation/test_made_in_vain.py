"""What a dead worker has made in vain, where a person replaces its version before the next look."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.contract import Job, Recognised
from engine.errors import NotFound, PermanentError
from engine.state.request import operation_id
from simulator.reach.sabotage import Died
from simulator.wire import Request
from tests.engine.rotation.held import tidy_of_another
from tests.engine.rotation.plain_kind import OLD_ID, Able, Plain, replicas, rotating, working
from tests.shared.certificate_rig import NAME as CERTIFICATE
from tests.shared.certificate_rig import CertificateRig
from tests.shared.delivery import Delivery
from tests.shared.graph_rig import NAME, GraphRig
from tests.shared.scene import refuse, struck, to_vault


async def died_after_adding(rig: GraphRig) -> None:
    """Let a worker die once the application has another secret, before that is announced."""
    dies = struck(rig, lambda request: request.path.endswith("/addPassword"))
    with pytest.raises(Died):
        await rig.service(dies).engine.handle(rig.item(NAME, trigger="event"))
    assert len(rig.alive()) == 2


@pytest.mark.parametrize("force", [True, False])
async def test_nothing_is_left_of_a_version_that_a_person_replaced(*, force: bool) -> None:
    """They force a rotation of their own version, or gave it no expiry, so that it is due."""
    rig = GraphRig()
    rig.managed()
    await died_after_adding(rig)
    rig.clock.advance(65)
    theirs = rig.directory.add_password(rig.app, "by hand, too")
    kept = {**rig.tags(NAME), "CredentialId": theirs.key_id}
    expires = rig.clock.now() + timedelta(days=80) if force else None
    rig.vault.put(NAME, theirs.secret, expires=expires, tags=kept, content_type="text/plain")
    rig.clock.advance(5)
    delivery = Delivery(rig, rig.service)
    if force:
        assert (await rig.handle(NAME, force=True)).result == "rotated"
    for _ in range(20):
        await delivery.recheck(rig.clock.now() + timedelta(hours=1))
        rig.clock.advance(86_400)
        await rig.handle(NAME, action="audit", trigger="sweep")
        await rig.handle(NAME, action="retire", trigger="sweep")
    names = [password.name for password in rig.alive()]
    current = rig.tags(NAME)["CredentialId"]
    made = [it for it in rig.alive() if it.key_id not in (current, rig.first.key_id, theirs.key_id)]
    assert not made, names


async def test_what_a_failed_rotation_cannot_remove_is_removed_after_its_secret_has_moved() -> None:
    """Neither the record nor the source takes a write; nothing asks for an audit there again."""
    rig = GraphRig()
    rig.managed()

    def announces(request: Request) -> bool:
        return request.method == "PUT" and ".blob." in request.host and len(rig.alive()) > 1

    refuse(rig, 403, "AuthorizationFailure", announces)
    removes = lambda request: request.path.endswith("/removePassword")  # noqa: E731
    refuse(rig, 403, "Authorization_RequestDenied", removes)
    assert (await rig.handle(NAME)).result == "parked"
    assert len(rig.alive()) == 2
    rig.tag(NAME, ProviderAddress="/graph/applications/another")
    await Delivery(rig, rig.service).recheck(rig.clock.now() + timedelta(hours=1))
    assert [password.key_id for password in rig.alive()] == [rig.first.key_id]


@pytest.mark.parametrize("is_removed", [True, False])
async def test_a_rotation_that_fails_for_good_stays_open_where_something_may_be_left_of_it(
    *, is_removed: bool
) -> None:
    """People hear why it failed, and not why that could not be removed."""

    class Stuck(Able):
        async def tidy(self, source: str, operation: str, keep: str | None) -> None:
            await super().tidy(source, operation, keep)
            if not is_removed:
                raise PermanentError("nothing can be removed")

    async with rotating(Stuck(problem=PermanentError("no more")), force=True) as work:
        _, outcome = await work.run()
        assert (outcome.result, outcome.reason) == ("parked", "no more")
        assert work.kind.calls[-1] == f"tidy {work.at.operation} but {OLD_ID}"
        assert (work.at.noted.next_check is None) is is_removed


@pytest.mark.parametrize("tags", [{"OverlapHours": "soon"}, {"ProviderAddress": None}])
async def test_what_was_announced_stays_until_its_vault_takes_writes_again(
    tags: dict[str, str | None],
) -> None:
    """It may hold that all along, and show an older copy of itself."""
    rig = GraphRig()
    rig.managed()
    dies = struck(rig, to_vault("PUT"), after=False)
    with pytest.raises(Died):
        await rig.service(dies).engine.handle(rig.item(NAME, trigger="event"))
    announced = rig.alive()
    rig.tag(NAME, **tags)
    refuse(rig, 403, "Forbidden", to_vault("PATCH"), times=100)
    delivery = Delivery(rig, rig.service)
    await delivery.recheck(rig.clock.now() + timedelta(hours=2))
    assert rig.alive() == announced
    rig.world.faults.clear()
    await delivery.recheck(rig.clock.now() + timedelta(hours=1))
    assert [password.key_id for password in rig.alive()] == [rig.first.key_id]


def lists_another(request: Request) -> bool:
    return request.method == "PATCH" and request.host == "graph.microsoft.com"


async def test_a_list_that_has_lost_what_is_in_use_takes_a_new_one_all_the_same() -> None:
    """It is replaced as a whole: what a person adds just then is lost. They force a rotation."""
    rig = CertificateRig()
    rig.managed()
    with pytest.raises(Died):
        await rig.service(struck(rig, lists_another)).engine.handle(rig.item(CERTIFICATE))
    in_vain = rig.alive()[-1]
    rig.clock.advance(65)
    pair, theirs = rig.by_hand("CN by hand, too")
    rig.write(CERTIFICATE, pair.pem, CredentialId=theirs.key_id)
    rig.app.certificates.remove(theirs)
    assert (await rig.handle(CERTIFICATE, force=True)).result == "rotated"
    assert rig.accepts(rig.latest(CERTIFICATE).value)
    assert in_vain not in rig.alive()


@pytest.mark.parametrize(
    ("touched", "copies", "is_removed"),
    [
        ("1" * 32, (), True),
        ("1" * 32, ("copy",), False),
        ("this", (), False),
    ],
    ids=["for another version", "a replica may hold it", "for this version"],
)
async def test_what_was_made_for_another_version_is_removed_unless_a_replica_may_hold_it(
    touched: str, copies: tuple[str, ...], *, is_removed: bool
) -> None:
    """The record forgets it with the change that is sent next."""
    async with rotating(Able(), replicas(*copies)) as work:
        work.rotation.here = work.at.managed
        version = str(work.secret.version) if touched == "this" else touched
        work.at.know(touched=version, kind=work.kind.kind)
        work.kind.calls.clear()
        await tidy_of_another(work.rotation, work.secret)
        operation = operation_id(work.secret.ref, version)
        expected = [f"tidy {operation} but {OLD_ID}"] if is_removed else []
        assert [call for call in work.kind.calls if call.startswith("tidy")] == expected


async def test_a_source_that_holds_no_more_is_not_asked_what_to_keep() -> None:
    """It may be gone. The change that it has refused would then stay open, and come back."""

    class Sought(Plain):
        async def recognise(self, job: Job) -> Recognised:
            raise NotFound(f"{job.source} is gone")

    async with working(Sought()) as work:
        work.rotation.here = work.at.managed
        work.at.know(touched="another", kind=work.kind.kind)
        assert work.rotation.record.abandoned
        await work.withdraw()


async def test_what_was_announced_is_removed_although_its_first_recheck_comes_late() -> None:
    """Its secret names another source by then, so nothing else looks for it here."""
    rig = GraphRig()
    rig.managed()
    dies = struck(rig, to_vault("PUT"), after=False)
    with pytest.raises(Died):
        await rig.service(dies).engine.handle(rig.item(NAME, trigger="event"))
    assert len(rig.alive()) == 2
    rig.tag(NAME, ProviderAddress="/graph/applications/another")
    rig.clock.advance(3_600)
    for _ in range(3):
        await Delivery(rig, rig.service).recheck(rig.clock.now() + timedelta(hours=1))
        rig.clock.advance(3_600)
    assert [password.key_id for password in rig.alive()] == [rig.first.key_id]
