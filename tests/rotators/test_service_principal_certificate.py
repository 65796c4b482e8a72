"""The rotator of applications' certificates alone: what it lists, keeps, removes and refuses."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from engine.errors import (
    AccessDenied,
    NeedsHuman,
    PermanentError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.service_principal_certificate import ServicePrincipalCertificate
from rotators.service_principal_secret import ServicePrincipalSecret
from rotators.shared.certificate import BEGIN, parse
from simulator.certificates import self_signed
from simulator.entra.app_policy import AppPolicy
from simulator.faults import Fault
from simulator.reach.sabotage import Died, Saboteur
from simulator.wire import Request, json_response
from tests.shared.certificate_rig import CERTIFICATE_ACTIONS, NAME, CertificateRig
from tests.shared.graph_rig import days, seconds
from tests.shared.rig import OPERATION

GUID = "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90"


UNKNOWN = "00000000-aaaa-4bbb-8ccc-dddddddddddd"


@pytest.fixture
def rig() -> CertificateRig:
    return CertificateRig()


def short_key() -> RSAPrivateKey:
    """Return a key of 513 bits, made from two known primes: no library makes one so short."""
    p, q, e = 2**256 - 189, 2**257 - 93, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    public = rsa.RSAPublicNumbers(e, p * q)
    whole = rsa.RSAPrivateNumbers(*numbers, public_numbers=public)
    return whole.private_key(unsafe_skip_rsa_key_validation=True)


def versions(rig: CertificateRig) -> int:
    """Return how many key pairs Key Vault has made."""
    return sum(map(len, rig.vault.certificates.values()))


def test_the_tag_rotator_tells_a_certificate_from_a_secret() -> None:
    tags = {"Rotator": ServicePrincipalCertificate.kind}
    assert ServicePrincipalCertificate.canonical(GUID, tags) == f"{GUID}/certificates"
    assert ServicePrincipalCertificate.canonical(GUID, {}) is None
    assert ServicePrincipalSecret.canonical(GUID, tags) is None
    assert ServicePrincipalSecret.canonical(GUID, {}) == GUID


async def test_the_certificates_of_people_stay_as_they_were(rig: CertificateRig) -> None:
    _, theirs = rig.by_hand("a person's own")
    before = (theirs.key_id, theirs.der, theirs.name, theirs.start, theirs.end)
    issued = await rig.rotator().issue(rig.job())
    await rig.rotator().retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    kept = next(key for key in rig.alive() if key.key_id == theirs.key_id)
    assert (kept.key_id, kept.der, kept.name, kept.start, kept.end) == before
    assert {key.key_id for key in rig.alive()} == {theirs.key_id, issued.credential_id}


async def test_a_list_that_lacks_what_the_vault_holds_is_not_written_back(
    rig: CertificateRig,
) -> None:
    """A replica lags behind: to write its list back would cut the live certificate off."""
    rig.directory.graph_lag = days(1)
    with pytest.raises(TransientError, match="lags behind"):
        await rig.rotator().issue(rig.job())
    assert "replace" not in rig.asked()
    assert rig.alive() == [rig.first]


async def test_nothing_is_removed_through_a_list_that_lacks_what_the_vault_holds(
    rig: CertificateRig,
) -> None:
    rig.clock.advance(86_400)
    issued = await rig.rotator().issue(rig.job())
    rig.directory.graph_lag = seconds(3600)
    with pytest.raises(TransientError, match="lags behind"):
        await rig.rotator().retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    rig.clock.advance(5)
    rig.directory.graph_lag = seconds(1)
    await rig.rotator().retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    assert [key.key_id for key in rig.alive()] == [issued.credential_id]


async def test_nothing_is_removed_through_an_old_list_where_one_server_knows_what_the_vault_holds(
    rig: CertificateRig,
) -> None:
    """The other one refuses it for as long as it does not know of it."""
    rig.clock.advance(86_400)
    issued = await rig.rotator().issue(rig.job())
    rig.directory.graph_lag = seconds(3600)
    body = {"error": "invalid_client", "error_description": "AADSTS700027: not found"}
    signs_in = lambda request: request.path.endswith("/oauth2/v2.0/token")  # noqa: E731
    rig.world.faults.append(Fault(signs_in, json_response(401, body)))
    with pytest.raises(TransientError, match="lags behind"):
        await rig.rotator().retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    assert len(rig.alive()) == 2


async def test_an_answer_without_a_list_does_not_show_that_a_certificate_is_gone(
    rig: CertificateRig,
) -> None:
    answer = json_response(200, {"id": "1", "appId": rig.app.app_id})
    rig.world.faults.append(Fault(lambda request: "keyCredentials" in str(request.query), answer))
    with pytest.raises(TransientError, match="holds no keyCredentials"):
        await rig.rotator().lists(rig.source, rig.first.key_id)


async def test_what_is_to_be_retired_goes_from_the_list_of_an_application_that_its_secret_has_left(
    rig: CertificateRig,
) -> None:
    """What the secret holds now is in another list."""
    issued = await rig.rotator().issue(rig.job())
    theirs = issued.fields["certificate"]
    await rig.rotator().tidy(rig.source, rig.job().operation, keep=None)
    rig.clock.advance(600)
    await rig.rotator().retire(rig.source, rig.first.key_id, theirs)
    assert rig.alive() == []


@pytest.mark.parametrize(
    ("held", "goes"),
    [("a client secret", True), ("A" * 767, True), ("A" * 768, False), (None, False)],
    ids=["a client secret", "too short", "long enough", "unread"],
)
async def test_what_is_to_be_retired_stays_where_the_vault_may_hold_it_in_an_unknown_form(
    rig: CertificateRig, held: str | None, *, goes: bool
) -> None:
    """What is too short for an RSA key holds no certificate with one, in whatever form."""
    value = Sensitive(held) if held else None
    with nullcontext() if goes else pytest.raises(NeedsHuman, match="may hold it"):
        await rig.rotator().retire(rig.source, rig.first.key_id, value)
    assert rig.alive() == ([] if goes else [rig.first])


async def test_a_certificate_that_was_removed_is_listed_no_more(rig: CertificateRig) -> None:
    """A version that a person disabled cannot be tried: only the list tells."""
    issued = await rig.rotator().issue(rig.job())
    assert await rig.rotator().lists(rig.source, rig.first.key_id)
    await rig.rotator().retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    assert not await rig.rotator().lists(rig.source, rig.first.key_id)
    assert await rig.rotator().lists(rig.source, issued.credential_id)


async def test_what_was_removed_and_added_again_stays_in_the_list_once_it_is_in_use(
    rig: CertificateRig,
) -> None:
    """Each try of an operation lists the same certificate."""
    rotator, other = rig.rotator(), "11111111-2222-5333-8444-555555555555"
    await rotator.issue(rig.job())
    await rotator.tidy(rig.source, OPERATION, keep=None)
    again = await rotator.issue(rig.job())
    held = again.fields["certificate"]
    await rotator.issue(rig.job(operation=other, held=held, held_id=again.credential_id))
    assert again.credential_id in {key.key_id for key in rig.alive()}


async def test_tidying_waits_for_a_list_that_shows_what_was_just_added(rig: CertificateRig) -> None:
    """After a heal the refused operation's certificate goes, and the healed one must stay."""
    old = await rig.rotator().issue(rig.job())
    rig.clock.advance(60)
    rig.directory.graph_lag = seconds(10)
    rotator = rig.rotator()
    operation = "11111111-2222-5333-8444-555555555555"
    healed = await rotator.issue(rig.job(operation=operation, in_place=True))
    with pytest.raises(TransientError, match="lags behind"):
        await rotator.tidy(rig.source, OPERATION, keep=None)
    rig.clock.advance(10)
    await rotator.tidy(rig.source, OPERATION, keep=None)
    alive = {key.key_id for key in rig.alive()}
    assert healed.credential_id in alive
    assert old.credential_id not in alive


@pytest.mark.parametrize("process", ["the same", "another"])
async def test_a_list_that_still_shows_what_was_revoked_is_not_written_back(
    rig: CertificateRig, process: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A retirement makes room for the next rotation: what it removed would come back with that."""
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job())
    rig.clock.advance(86_400)
    await rotator.retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    rig.directory.graph_lag = seconds(10)
    operation = "11111111-2222-5333-8444-555555555555"
    held = issued.fields["certificate"]
    job = replace(rig.job(operation=operation), held=held, held_id=issued.credential_id)
    if process == "another":
        # The record of the source knows what another process has revoked.
        rotator, job = rig.rotator(), replace(job, revoked=frozenset({rig.first.key_id.upper()}))
    assert "that was revoked" not in caplog.text
    await rotator.issue(job)
    assert f"{rig.source} lists a certificate again that was revoked" in caplog.text
    assert len(rig.alive()) == 2
    assert rig.first not in rig.alive()


async def test_one_removal_does_not_write_back_what_the_one_before_it_took_away(
    rig: CertificateRig,
) -> None:
    """A replica that lags still lists it."""
    rotator = rig.rotator()
    superseded = await rotator.issue(rig.job(operation="11111111-2222-5333-8444-555555555555"))
    issued = await rotator.issue(rig.job())
    held, other = issued.fields["certificate"], rig.by_hand("CN another")[1]
    rig.clock.advance(3600)
    rig.directory.graph_lag = seconds(10)
    for key_id in (superseded.credential_id, rig.first.key_id, other.key_id):
        await rotator.retire(rig.source, key_id, held)
    assert [key.key_id for key in rig.alive()] == [issued.credential_id]


async def test_a_removal_leaves_what_was_added_again_since_it_was_removed(
    rig: CertificateRig,
) -> None:
    """Each try of an operation lists the same certificate, and the vault may hold another one."""
    rotator = rig.rotator()
    await rotator.issue(rig.job())
    await rotator.tidy(rig.source, OPERATION, keep=None)
    again = await rotator.issue(rig.job())
    extra = rig.by_hand("CN another")[1]
    await rotator.retire(rig.source, extra.key_id, Sensitive(rig.held))
    assert {key.key_id for key in rig.alive()} == {rig.first.key_id, again.credential_id}


async def test_what_was_removed_and_is_in_use_again_stays_in_the_list(rig: CertificateRig) -> None:
    """Somebody may put it back by hand, under the id that it had."""
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job())
    await rotator.retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    rig.first.removed = None
    newest = await rotator.issue(rig.job(operation="11111111-2222-5333-8444-555555555555"))
    await rotator.retire(rig.source, issued.credential_id, Sensitive(rig.held))
    assert {key.key_id for key in rig.alive()} == {rig.first.key_id, newest.credential_id}


async def test_what_was_removed_stays_in_the_list_where_only_the_vault_says_that_it_is_in_use(
    rig: CertificateRig,
) -> None:
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job())
    await rotator.retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    rig.first.removed = None
    await rotator.retire(rig.source, issued.credential_id, Sensitive(rig.held))
    assert rig.alive() == [rig.first]


async def test_tidying_takes_nothing_away_that_another_process_listed_again(
    rig: CertificateRig,
) -> None:
    """Both try one operation, and tidying is not told what the vault holds since."""
    rotator, other = rig.rotator(), "11111111-2222-5333-8444-555555555555"
    await rotator.issue(rig.job())
    await rotator.tidy(rig.source, OPERATION, keep=None)
    issued = await rig.rotator().issue(rig.job())
    held, held_id = issued.fields["certificate"], issued.credential_id
    job = replace(rig.job(operation=other), held=held, held_id=held_id)
    await rig.rotator().issue(job)
    with pytest.raises(TransientError, match="lags behind"):
        await rotator.tidy(rig.source, other, keep=None)
    # Once it has read what the vault holds, it need not wait.
    await rotator.issue(job)
    await rotator.issue(replace(job, operation=UNKNOWN))
    await rotator.tidy(rig.source, UNKNOWN, keep=None)
    assert held_id in {key.key_id for key in rig.alive()}


async def test_tidying_does_not_write_back_what_was_removed_before_it(rig: CertificateRig) -> None:
    """A replica that lags still lists it."""
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job())
    rig.by_hand("rekey 11111111-2222-5333-8444-555555555555")
    rig.clock.advance(3600)
    rig.directory.graph_lag = seconds(10)
    await rotator.retire(rig.source, rig.first.key_id, issued.fields["certificate"])
    for pause in (10, 0):
        with suppress(TransientError):
            await rotator.tidy(rig.source, "11111111-2222-5333-8444-555555555555", keep=None)
        assert rig.first not in rig.alive()
        rig.clock.advance(pause)
    assert [key.key_id for key in rig.alive()] == [issued.credential_id]


async def test_tidying_waits_for_a_list_that_shows_what_it_is_to_keep(rig: CertificateRig) -> None:
    _, leftover = rig.by_hand(f"rekey {OPERATION}")
    rig.clock.advance(60)
    issued = await rig.rotator().issue(rig.job())
    rig.directory.graph_lag = seconds(10)
    with pytest.raises(TransientError, match="lags behind"):
        await rig.rotator().tidy(rig.source, OPERATION, keep=issued.credential_id.upper())
    assert leftover in rig.alive()
    rig.clock.advance(10)
    await rig.rotator().tidy(rig.source, OPERATION, keep=issued.credential_id.upper())
    assert {key.key_id for key in rig.alive()} == {rig.first.key_id, issued.credential_id}


async def test_tidying_keeps_what_other_operations_and_deployments_made(
    rig: CertificateRig,
) -> None:
    other = rig.by_hand("rekey 11111111-2222-5333-8444-555555555555")[1]
    issued = await rig.rotator().issue(rig.job())
    await rig.rotator().tidy(rig.source, OPERATION, keep=issued.credential_id)
    assert len(rig.alive()) == 3
    await rig.rotator().tidy(rig.source, OPERATION, keep=None)
    assert rig.alive() == [rig.first, other]


async def test_tidying_needs_no_newer_list_where_there_is_nothing_to_remove(
    rig: CertificateRig,
) -> None:
    await rig.rotator().tidy(rig.source, OPERATION, keep=UNKNOWN)
    assert rig.alive() == [rig.first]


async def test_a_try_that_died_after_the_key_pair_was_made_lists_that_very_pair(
    rig: CertificateRig,
) -> None:
    saboteur = Saboteur()
    await rig.rotator(saboteur).issue(rig.job())
    change = saboteur.calls - 1
    rig = CertificateRig()
    with pytest.raises(Died):
        await rig.rotator(Saboteur({change: "die before"})).issue(rig.job())
    assert (versions(rig), rig.alive()) == (1, [rig.first])
    issued = await rig.rotator().issue(rig.job())
    assert versions(rig) == 1
    assert [key.key_id for key in rig.alive()] == [rig.first.key_id, issued.credential_id]
    again = await rig.rotator().issue(rig.job())
    assert (again.credential_id, again.expires) == (issued.credential_id, rig.alive()[-1].end)
    assert len(rig.alive()) == 2


@pytest.mark.parametrize(("late", "made"), [(seconds(0), 1), (seconds(1), 2)])
async def test_a_key_pair_from_before_an_incident_is_not_listed_under_it(
    rig: CertificateRig, late: timedelta, made: int
) -> None:
    """Whoever knows what leaked may have read the pair in the vault, too."""
    await rig.rotator().issue(rig.job())
    ((pair,),) = rig.vault.certificates.values()
    rig.clock.advance(600)
    began = datetime.fromtimestamp(pair.created, UTC) + late
    again = await rig.rotator().issue(rig.job(not_before=began))
    assert versions(rig) == made
    assert again.credential_id == rig.alive()[-1].key_id
    await rig.rotator().issue(rig.job(not_before=began))
    assert versions(rig) == made


async def test_a_key_pair_of_an_earlier_try_is_listed_no_longer_than_it_is_valid(
    rig: CertificateRig,
) -> None:
    issued = await rig.rotator().issue(rig.job())
    pair = parse(issued.fields["certificate"])
    assert pair
    await rig.rotator().tidy(rig.source, OPERATION, keep=None)
    ends = pair.certificate.not_valid_after_utc
    again = await rig.rotator().issue(rig.job(expires=ends + days(10)))
    assert (again.credential_id, again.expires) == (issued.credential_id, ends)
    assert rig.alive()[-1].end == ends


async def test_a_key_pair_that_somebody_has_listed_is_not_listed_twice(rig: CertificateRig) -> None:
    issued = await rig.rotator().issue(rig.job())
    pair = parse(issued.fields["certificate"])
    assert pair
    await rig.rotator().tidy(rig.source, OPERATION, keep=None)
    lifetime = pair.certificate.not_valid_before_utc, pair.certificate.not_valid_after_utc
    rig.directory.add_certificate(rig.app, pair.der, lifetime, "by hand")
    again = await rig.rotator().issue(rig.job())
    assert [key.name for key in rig.alive() if key.der == pair.der] == ["by hand"]
    assert again.expires == lifetime[1]


@pytest.mark.parametrize(("late", "made"), [(seconds(0), 1), (seconds(1), 2)])
async def test_a_key_pair_that_lasts_less_than_half_as_long_as_asked_is_made_anew(
    rig: CertificateRig, late: timedelta, made: int
) -> None:
    """The try that made it may be long ago: a version with it would be due at once, or dead."""
    issued = await rig.rotator().issue(rig.job())
    pair = parse(issued.fields["certificate"])
    assert pair
    left = pair.certificate.not_valid_after_utc - days(45) - rig.clock.now()
    rig.clock.advance((left + late).total_seconds())
    again = await rig.rotator().issue(rig.job())
    assert versions(rig) == made
    await rig.rotator().verify(rig.source, again.credential_id, again.fields["certificate"])


async def test_a_key_pair_that_takes_long_is_waited_for_by_the_next_try(
    rig: CertificateRig,
) -> None:
    rig.vault.creation_delay = seconds(60)
    with pytest.raises(TransientError, match="still making") as caught:
        await rig.rotator().issue(rig.job())
    assert caught.value.retry_after
    rig.clock.advance(60)
    await rig.rotator().issue(rig.job())
    assert rig.asked().count("create") == 1


async def test_another_key_pair_than_the_one_that_was_asked_for_is_not_taken(
    rig: CertificateRig,
) -> None:
    """Somebody has made another version meanwhile, with a key that Rekey knows nothing of."""
    answer = json_response(
        200, {"id": f"{rig.vault.url}/certificates/x/1", "cer": _encoded(rig.pair.der)}
    )
    rig.world.faults.append(Fault(_reads_a_certificate, answer))
    with pytest.raises(TransientError, match="not the one just made"):
        await rig.rotator().issue(rig.job())
    assert rig.alive() == [rig.first]


async def test_a_creation_of_somebody_else_is_not_carried_on(rig: CertificateRig) -> None:
    await rig.rotator().issue(rig.job(operation="11111111-2222-5333-8444-555555555555"))
    issued = await rig.rotator().issue(rig.job())
    pair = parse(issued.fields["certificate"])
    assert pair
    assert pair.certificate.subject.rfc4514_string() == f"CN=rekey {OPERATION}"
    assert versions(rig) == 2


async def test_a_creation_that_failed_is_for_a_human(rig: CertificateRig) -> None:
    body = {"status": "failed", "error": {"code": "NoIssuer", "message": "No issuer."}, "csr": ""}
    rig.world.faults.append(Fault(_asks_for_a_certificate, json_response(202, body)))
    with pytest.raises(PermanentError, match="made no key pair: failed No issuer") as caught:
        await rig.rotator().issue(rig.job())
    assert caught.value.fix


@pytest.mark.parametrize("body", [{}, {"status": None}, {"status": {}}], ids=str)
async def test_an_answer_without_a_status_does_not_say_that_there_is_no_key_pair(
    rig: CertificateRig, body: object
) -> None:
    rig.world.faults.append(Fault(_asks_for_a_certificate, json_response(200, body)))
    with pytest.raises(TransientError, match="no status"):
        await rig.rotator().issue(rig.job())


async def test_an_answer_without_a_value_is_no_key_pair(rig: CertificateRig) -> None:
    reads = lambda it: "/secrets/rekey-" in it.path  # noqa: E731
    rig.world.faults.append(Fault(reads, json_response(200, {})))
    with pytest.raises(TransientError, match="no value"):
        await rig.rotator().issue(rig.job())


async def test_a_creation_that_failed_without_a_proper_reason_has_failed(
    rig: CertificateRig,
) -> None:
    answer = json_response(202, {"status": "failed", "error": "text"})
    rig.world.faults.append(Fault(_asks_for_a_certificate, answer))
    with pytest.raises(PermanentError, match="made no key pair: failed"):
        await rig.rotator().issue(rig.job())


@pytest.mark.parametrize("entry", [None, {}, {"keyId": GUID, "endDateTime": "soon"}], ids=str)
async def test_a_list_with_an_entry_that_cannot_be_read_shows_nothing(
    rig: CertificateRig, entry: object
) -> None:
    listing = json_response(200, {"keyCredentials": [entry]})
    rig.world.faults.append(Fault(lambda it: "applications(" in it.path, listing))
    with pytest.raises(TransientError, match="cannot be read"):
        await rig.rotator().lists(rig.source, rig.first.key_id)


@pytest.mark.parametrize(("form", "begins"), [("pem", BEGIN), ("pfx", "MII"), ("", "MII")])
async def test_a_new_value_has_the_form_of_the_one_before(
    rig: CertificateRig, form: str, begins: str
) -> None:
    held = getattr(rig.pair, form) if form else "a placeholder"
    if not form:
        rig.directory.remove_certificate(rig.app, rig.first)
        rig.clock.advance(1)
    job = rig.job(held=Sensitive(held), proven=False, held_id=None)
    issued = await rig.rotator().issue(job)
    assert issued.fields["certificate"].reveal().startswith(begins)
    await rig.rotator().verify(rig.source, issued.credential_id, issued.fields["certificate"])
    assert issued.supersedes == (rig.first.key_id if form else None)


async def test_a_certificate_past_its_own_end_is_refused_and_another_one_listed(
    rig: CertificateRig,
) -> None:
    """The list may say that it lasts longer, or that its end was reached as well."""
    rig.managed()
    rig.clock.advance(days(365).total_seconds())
    assert not await rig.rotator().accepts(rig.source, "", Sensitive(rig.held))
    await rig.rotator().preflight(rig.job())
    assert (await rig.handle(NAME, action="audit")).result == "rotated"
    assert rig.accepts(rig.vault.secrets[NAME][-1].value)


async def test_a_certificate_is_listed_until_the_version_expires_and_is_valid_as_long(
    rig: CertificateRig,
) -> None:
    job = rig.job()
    issued = await rig.rotator().issue(job)
    assert issued.expires == rig.alive()[-1].end == job.expires
    pair = parse(issued.fields["certificate"])
    assert pair
    assert pair.certificate.not_valid_after_utc >= rig.alive()[-1].end


async def test_a_policy_that_forbids_certificates_is_for_a_human(rig: CertificateRig) -> None:
    rig.directory.policy = AppPolicy(certificates_allowed=False)
    with pytest.raises(NeedsHuman, match="federated credential"):
        await rig.rotator().issue(rig.job())


async def test_a_value_that_is_another_certificate_than_the_tags_say_is_for_a_human(
    rig: CertificateRig,
) -> None:
    stranger, listed = rig.by_hand("another one")
    rig.clock.advance(1)
    wrong, rotator = rig.job(proven=False, held=Sensitive(stranger.pem)), rig.rotator()
    for act in (rotator.preflight, rotator.recognise, rotator.issue):
        with pytest.raises(NeedsHuman, match=f"is the certificate {listed.key_id}"):
            await act(wrong)
    rig.directory.remove_certificate(rig.app, listed)
    rig.clock.advance(1)
    with pytest.raises(NeedsHuman, match=f"is not the certificate {rig.first.key_id}"):
        await rotator.issue(wrong)
    with pytest.raises(NeedsHuman, match="none of the application's certificates"):
        await rotator.issue(replace(wrong, held_id=None))
    assert versions(rig) == 0
    await rotator.preflight(replace(wrong, proven=True))


@pytest.mark.parametrize(
    ("proven", "named", "is_superseded"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
async def test_a_certificate_that_somebody_has_taken_from_the_list_is_still_to_be_retired_if_known(
    rig: CertificateRig, proven: bool, named: bool, is_superseded: bool
) -> None:
    """A replica may show it again. What nobody has proven is left to whoever removed it."""
    rig.directory.remove_certificate(rig.app, rig.first)
    rig.clock.advance(60)
    held_id = rig.first.key_id if named else None
    issued = await rig.rotator().issue(rig.job(proven=proven, held_id=held_id))
    assert issued.supersedes == (held_id if is_superseded else None)


async def test_a_certificate_that_somebody_has_taken_from_a_list_of_several_is_replaced(
    rig: CertificateRig,
) -> None:
    rig.by_hand("of somebody else")
    rig.directory.remove_certificate(rig.app, rig.first)
    rig.clock.advance(60)
    issued = await rig.rotator().issue(rig.job(proven=False))
    assert issued.credential_id in {key.key_id for key in rig.alive()}
    assert issued.supersedes is None


@pytest.mark.parametrize(
    ("lifetime", "months"),
    [
        (days(28) - seconds(1), 1),
        (days(28), 2),
        (days(29), 2),
        (days(56) - seconds(1), 2),
        (days(56), 3),
    ],
)
async def test_a_key_pair_is_made_for_as_many_of_the_shortest_months_as_its_version_lives(
    rig: CertificateRig, lifetime: timedelta, months: int
) -> None:
    """It has a key of its own."""
    await rig.rotator().issue(rig.job(expires=rig.clock.now() + lifetime))
    (order,) = (
        json.loads(exchange.request.body)
        for exchange in rig.world.exchanges
        if _asks_for_a_certificate(exchange.request) and exchange.response.status == 202
    )
    assert order["policy"]["x509_props"]["validity_months"] == months
    assert not order["policy"]["key_props"]["reuse_key"]


async def test_a_value_is_recognised_by_the_certificate_itself(rig: CertificateRig) -> None:
    rig.by_hand("another one")
    job = rig.job(proven=False, held_id=None)
    known = await rig.rotator().recognise(job)
    assert (known.credential_id, known.ends) == (rig.first.key_id, rig.first.end)


@pytest.mark.parametrize("action", CERTIFICATE_ACTIONS)
async def test_without_a_right_at_the_vault_the_message_names_the_role(
    rig: CertificateRig, action: str
) -> None:
    for assignment in list(rig.world.roles.assignments):
        if CERTIFICATE_ACTIONS[0] in assignment.actions:
            rig.world.roles.revoke(assignment)
    rest = [right for right in CERTIFICATE_ACTIONS if right != action]
    rig.world.grant(rig.identity, rest, rig.vault.resource_id)
    with pytest.raises(AccessDenied, match="Key Vault Certificates Officer") as caught:
        await rig.rotator().issue(rig.job())
    assert "docs/permissions.md" in caught.value.fix
    assert f"{rig.vault.url}/certificates/rekey-{rig.app.app_id}" in caught.value.fix


async def test_a_preflight_names_what_is_missing_and_makes_nothing(rig: CertificateRig) -> None:
    await rig.rotator().preflight(rig.job(proven=False))
    assert {"create", "replace"}.isdisjoint(rig.asked())
    rig.world.roles.assignments.clear()
    with pytest.raises(AccessDenied, match="Key Vault Certificates Officer"):
        await rig.rotator().preflight(rig.job())
    rig.app.owners.clear()
    with pytest.raises(AccessDenied, match="does not own"):
        await rig.rotator().preflight(rig.job())


async def test_an_assertion_is_good_for_minutes_at_one_address_and_used_once(
    rig: CertificateRig,
) -> None:
    pair = parse(Sensitive(rig.pair.pem))
    assert pair
    first, second = (
        pair.assertion(rig.app.app_id, "https://login", rig.clock.now()).reveal() for _ in range(2)
    )
    assert first != second
    assert BEGIN not in first
    assert jwt.get_unverified_header(first)["alg"] == "PS256", "as Entra asks for"


@pytest.mark.parametrize("change", ["!{}", "{}\n", "{} ", "-{}"])
async def test_a_value_that_others_could_not_decode_is_no_certificate(
    rig: CertificateRig, change: str
) -> None:
    assert parse(Sensitive(rig.pair.pfx))
    assert parse(Sensitive(change.format(rig.pair.pfx))) is None


def _encoded(der: bytes) -> str:

    return base64.b64encode(der).decode()


def _reads_a_certificate(request: Request) -> bool:
    return (
        request.method == "GET"
        and request.path.startswith("/certificates/rekey-")
        and (request.path.endswith("/"))
    )


def _asks_for_a_certificate(request: Request) -> bool:
    return request.path.endswith("/create")


async def test_the_shortest_key_that_can_sign_is_taken(rig: CertificateRig) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the shortest one
    start = rig.clock.now().replace(microsecond=0)
    assert parse(Sensitive(self_signed("CN short", start, start + days(365), key).pem))


async def test_a_key_that_is_too_short_to_sign_is_no_certificate(rig: CertificateRig) -> None:
    start = rig.clock.now().replace(microsecond=0)
    value = Sensitive(self_signed("CN short", start, start + days(365), short_key()).pem)
    assert parse(value) is None
    with pytest.raises(VerificationFailed, match="no certificate with its key"):
        await rig.rotator().verify(rig.source, rig.first.key_id, value)


# For how long a list of certificates that lacks a change just made is taken for an old one.


NEXT = "11111111-2222-5333-8444-555555555555"
TEN_MINUTES = 600


async def test_a_certificate_that_a_person_removed_delays_tidying_for_ten_minutes(
    rig: CertificateRig,
) -> None:
    rotator = rig.rotator()
    leftover = await rotator.issue(rig.job())
    newest = await rotator.issue(rig.job(operation=NEXT, in_place=True))
    gone = next(key for key in rig.alive() if key.key_id == newest.credential_id)
    rig.directory.remove_certificate(rig.app, gone)
    rig.clock.advance(TEN_MINUTES - 1)
    with pytest.raises(TransientError, match="lags behind"):
        await rotator.tidy(rig.source, OPERATION, keep=None)
    rig.clock.advance(1)
    await rotator.tidy(rig.source, OPERATION, keep=None)
    assert leftover.credential_id not in {key.key_id for key in rig.alive()}
    assert rig.alive() == [rig.first]


@pytest.mark.parametrize(("after", "stays"), [(TEN_MINUTES - 1, False), (TEN_MINUTES, True)])
async def test_a_certificate_that_a_person_lists_again_stays_after_ten_minutes(
    rig: CertificateRig, after: int, *, stays: bool
) -> None:
    rotator, began = rig.rotator(), rig.clock.now()
    issued = await rotator.issue(rig.job())
    making = (rig.clock.now() - began).total_seconds()
    held = issued.fields["certificate"]
    await rotator.retire(rig.source, rig.first.key_id, held)
    first = rig.first
    lifetime = (first.start, first.start + days(365))
    rig.directory.add_certificate(rig.app, first.der, lifetime, first.name, first.key_id)
    rig.clock.advance(after - making)
    job = rig.job(operation=NEXT)
    await rotator.issue(replace(job, held=held, held_id=issued.credential_id))
    assert (first.key_id in {key.key_id for key in rig.alive()}) is stays
