"""When an incident has ended: what counts, and what does not end it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.state.incident import PASSED_ON, Incident, IncidentProgress, Stands
from leaks.incidents import Evidence, RevokedVersion, ended, timeline
from tests.shared.builders import NOW, REF, V1

LATER = NOW + timedelta(minutes=1)


def evidence(*refused: datetime | None) -> Evidence:
    """Return what was done with one secret: its versions, and when each was refused."""
    revoked = tuple(RevokedVersion(V1, "key1", moment) for moment in refused)
    return Evidence(Stands(REF, "refused"), revoked=revoked)


@pytest.mark.parametrize(
    ("secrets", "waiting", "needs_a_person", "end"),
    [
        ([evidence(NOW), evidence(LATER)], 0, 0, LATER),
        ([evidence(LATER, NOW)], 0, 0, LATER),
        ([evidence(NOW)], 1, 0, None),
        ([evidence(NOW)], 0, 1, None),
        ([evidence(NOW), evidence()], 0, 0, None),
        ([evidence(NOW, None)], 0, 0, None),
        ([], 0, 0, None),
    ],
)
def test_an_incident_has_ended_when_the_last_of_its_credentials_was_refused(
    secrets: list[Evidence], waiting: int, needs_a_person: int, end: datetime | None
) -> None:
    assert ended(IncidentProgress(waiting=waiting, needs_a_person=needs_a_person), secrets) == end


def test_a_timeline_tells_all_that_happened_in_order_of_time() -> None:
    times = [NOW + timedelta(minutes=minutes) for minutes in range(1, 5)]
    first, second = (
        replace(evidence(times[refused]), replaced_by="new", replaced=times[replaced])
        for replaced, refused in ((1, 3), (0, 2))
    )
    incident = Incident(NOW)
    shown = timeline(incident, [first, second], over=times[3])
    assert [milestone.at for milestone in shown] == [incident.reported, *times, times[3]]
    steps = ["reported", "replaced", "replaced", "refused", "refused", "ended"]
    assert [milestone.what for milestone in shown] == steps


def test_a_secret_that_only_records_know_is_told_with_where_its_credential_may_still_work() -> None:
    progress = IncidentProgress()
    progress.add_unreached(REF, ("/a", "/b"), "deleted", "recover it")
    progress.add_unreached(REF, (), "deleted", "recover it")
    reason = "deleted; its credential may still work at /a, /b"
    assert (progress.secrets, progress.rotated, progress.needs_a_person) == (2, 1, 1)
    assert progress.each == [
        Stands(REF, "needs a person", reason=reason, fix="recover it"),
        Stands(REF, "refused", reason="deleted"),
    ]
    assert progress.named == [
        {"vault": REF.vault_name, "secret": REF.name, "reason": reason, "fix": "recover it"}
    ]


def test_a_secret_that_has_left_its_source_waits_until_what_leaked_there_is_refused() -> None:
    progress = IncidentProgress()
    progress.add_passed_on(REF, is_refused=False)
    place = {"vault": REF.vault_name, "secret": REF.name, "source": None, "owner": None}
    assert (progress.rotated, progress.waiting, progress.waiting_for) == (0, 1, [place])
    progress.add_passed_on(REF, is_refused=True)
    assert (progress.rotated, progress.waiting, progress.waiting_for) == (1, 1, [place])
    assert [stands.standing for stands in progress.each] == ["waiting", "refused"]
    assert all(stands.reason == PASSED_ON for stands in progress.each)
