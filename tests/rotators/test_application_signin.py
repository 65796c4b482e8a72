"""How a credential of an application is proven: sign-ins, their pauses, and what each refusal means."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from engine.errors import NeedsHuman, NotFound, RekeyError, TransientError, VerificationFailed
from engine.secret import Sensitive
from simulator.entra.app_policy import AppPolicy
from simulator.faults import Fault, unavailable
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.shared.certificate_rig import CertificateRig
from tests.shared.graph_rig import NAME, GraphRig, days, seconds
from tests.shared.promises import everything

NOBODY = "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"


@pytest.fixture
def rig() -> GraphRig:
    return GraphRig()


def signs_in(request: Request) -> bool:
    return request.path.endswith("/token")


async def test_two_sign_ins_prove_a_secret_a_second_apart(rig: GraphRig) -> None:
    """Two at once would probably meet the same replica."""
    began, at = rig.clock.now(), list[datetime]()

    async def noting(request: Request, call: Call) -> Response:
        if signs_in(request):
            at.append(rig.clock.now())
        return await call()

    await rig.rotator(noting).verify(rig.source, rig.first.key_id, Sensitive(rig.held))
    assert at == [began, began + seconds(1)]
    assert rig.clock.now() == at[-1], "after the last one nothing is waited for"


@pytest.mark.parametrize(("pause", "is_waited_for"), [("60", True), ("61", False)])
async def test_a_pause_of_a_minute_is_waited_out_and_a_longer_one_left_to_the_queue(
    rig: GraphRig, pause: str, *, is_waited_for: bool
) -> None:
    rig.world.faults.append(Fault(signs_in, json_response(429, {}, {"Retry-After": pause})))
    began, rotator = rig.clock.now(), rig.rotator()
    if is_waited_for:
        await rotator.verify(rig.source, rig.first.key_id, Sensitive(rig.held))
        assert rig.clock.now() - began == seconds(61)
        return
    with pytest.raises(TransientError):
        await rotator.verify(rig.source, rig.first.key_id, Sensitive(rig.held))
    assert rig.clock.now() == began


async def test_one_try_tells_a_good_secret_from_a_wrong_one(rig: GraphRig) -> None:
    rotator = rig.rotator()
    assert await rotator.accepts(rig.source, "", Sensitive(rig.held))
    assert not await rotator.accepts(rig.source, "", Sensitive("abc" + "~" * 37))
    assert rig.asked() == ["sign-in", "sign-in"]


@pytest.mark.parametrize(
    ("fault", "kind"), [("is disabled", NeedsHuman), ("is away", TransientError)]
)
async def test_who_cannot_sign_in_for_another_reason_is_not_called_refused(
    rig: GraphRig, fault: str, kind: type[RekeyError]
) -> None:
    rig.app.disabled = fault == "is disabled"
    if fault == "is away":
        rig.world.faults.append(Fault(signs_in, unavailable(), times=9))
    with pytest.raises(kind):
        await rig.rotator().accepts(rig.source, "", Sensitive(rig.held))


@pytest.mark.parametrize(
    ("code", "kind", "what", "is_waited_for"),
    [
        (7000215, VerificationFailed, "refuses the secret", True),
        (7000222, VerificationFailed, "has expired", False),
        (700027, VerificationFailed, "refuses the certificate", True),
        (1000502, VerificationFailed, "is not valid now", False),
        (700016, NeedsHuman, "knows no such application", True),
        (7000112, NeedsHuman, "is disabled", False),
        (7000229, NeedsHuman, "has no service principal", True),
        (53003, NeedsHuman, "Conditional Access blocks", False),
        (90002, NeedsHuman, "does not know the tenant", False),
        (50000, NeedsHuman, "refuses the sign-in", False),
    ],
)
async def test_a_refusal_says_what_it_means_and_is_waited_out_only_where_it_may_pass(
    rig: GraphRig, code: int, kind: type[RekeyError], what: str, *, is_waited_for: bool
) -> None:
    """What is new may not be known to every replica yet."""
    body = {"error": "invalid_request", "error_description": f"AADSTS{code}: no"}
    rig.world.faults.append(Fault(signs_in, json_response(400, body), times=99))
    began = rig.clock.now()
    with pytest.raises(kind, match=rf"{what}.*AADSTS{code}") as caught:
        await rig.rotator().verify(rig.source, rig.first.key_id, Sensitive(rig.held))
    assert caught.value.fix
    assert (rig.clock.now() > began) is is_waited_for


# What is the same for a secret and for a certificate.

every_kind = pytest.mark.parametrize("made", [GraphRig, CertificateRig])
type Applications = type[GraphRig | CertificateRig]


@every_kind
async def test_a_cap_that_the_refusal_tells_is_honoured(made: Applications) -> None:
    rig = made()
    rig.directory.policy = AppPolicy(max_lifetime=days(30), tells=True)
    issued = await rig.rotator().issue(rig.job())
    ends = rig.alive()[-1].end
    assert issued.expires == ends
    assert days(29) < ends - rig.clock.now() < days(30)


@every_kind
async def test_an_end_in_another_time_zone_is_the_same_end(made: Applications) -> None:
    rig = made()
    ends = rig.clock.now().replace(microsecond=0) + days(60)
    elsewhere = timezone(timedelta(hours=2))
    issued = await rig.rotator().issue(rig.job(expires=ends.astimezone(elsewhere)))
    assert rig.alive()[-1].end == issued.expires == ends


@every_kind
async def test_an_application_that_is_deleted_has_refused_nothing(made: Applications) -> None:
    """A person may restore it within a month, with its credentials."""
    rig = made()
    held, rotator = Sensitive(rig.held), rig.rotator()
    rig.directory.delete(rig.app)
    with pytest.raises(NeedsHuman, match="knows no such application") as caught:
        await rotator.accepts(rig.source, "", held)
    assert "restore" in caught.value.fix
    with pytest.raises(NotFound):
        await rotator.lists(rig.source, rig.first.key_id)
    rig.directory.restore(rig.app)
    assert await rotator.lists(rig.source, rig.first.key_id)
    assert await rotator.accepts(rig.source, "", held)


async def test_an_incident_of_a_deleted_application_ends_once_that_is_restored(
    rig: GraphRig,
) -> None:
    old = rig.managed()
    await rig.handle(NAME)
    rig.clock.advance(300)
    rig.directory.delete(rig.app)
    report = {"version": old.version, "compromised": True, "reason": "leaked"}
    outcome = await rig.handle(NAME, **report)
    assert outcome.result == "parked"
    assert not (await rig.known(rig.source)).compromised.revoked
    rig.directory.restore(rig.app)
    await rig.handle(NAME, **report)
    assert old.version in (await rig.known(rig.source)).compromised.revoked
    assert old.value not in {password.secret for password in rig.alive()}


@every_kind
async def test_a_preflight_finds_an_application_that_is_disabled_or_gone(
    made: Applications,
) -> None:
    rig = made()
    rig.app.disabled = True
    with pytest.raises(NeedsHuman, match="is disabled"):
        await rig.rotator().preflight(rig.job())
    with pytest.raises(NotFound):
        await rig.rotator().preflight(rig.job(source=rig.source.replace(rig.app.app_id, NOBODY)))


@every_kind
@pytest.mark.parametrize("code", [50196, 90024, 90033, 90055])
async def test_a_refusal_that_passes_by_itself_is_waited_out_and_asks_for_nobody(
    made: Applications, code: int
) -> None:
    rig, text = made(), f"AADSTS{code}: The server terminated an operation."
    answer = json_response(400, {"error": "invalid_request", "error_description": text})
    rig.world.faults.append(Fault(signs_in, answer))
    with pytest.raises(TransientError, match=str(code)):
        await rig.rotator().accepts(rig.source, "", Sensitive(rig.held))
    rig.world.faults.append(Fault(signs_in, answer))
    await rig.rotator().verify(rig.source, rig.first.key_id, Sensitive(rig.held))


@every_kind
async def test_a_service_that_repeats_the_credential_in_its_answer_is_not_quoted(
    made: Applications,
) -> None:
    planted, rig = Sensitive("planted~secret-planted~secret-planted"), made()
    for status in (200, 400, 500):
        page = Response(status, {"Content-Type": "text/html"}, planted.reveal().encode())
        rig.world.faults[:] = [Fault(lambda request: "microsoft" in request.host, page, times=99)]
        for call in (
            rig.rotator().issue(rig.job()),
            rig.rotator().verify(rig.source, rig.first.key_id, planted),
            rig.rotator().retire(rig.source, rig.first.key_id, planted),
        ):
            with pytest.raises(RekeyError) as caught:
                await call
            assert planted.reveal() not in everything(caught.value)
