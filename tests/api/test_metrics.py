"""GET /api/metrics is what Prometheus reads; its own client library is the judge."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.answers import Answer
from api.metrics import Family
from engine.errors import TransientError
from engine.state.entry import STATES
from engine.state.sweep_order import SweepOrder
from simulator.wire import Request
from tests.api.inventory import IN_NEED, Inventory, many, varied
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, send, to_vault

PER_SECRET = 5
"""The most series of one secret: docs/metrics.md says so."""


def parsed(text: str) -> dict[str, Metric]:
    """Return the families by name; the library raises for what it cannot read."""
    return {family.name: family for family in text_string_to_metric_families(text)}


async def scraped(rig: Rig, **query: str) -> dict[str, Metric]:
    answer = await send(rig.api(), "http_metrics", query=query)
    assert answer.status == 200, answer.body
    return parsed(answer.text())


def of(family: Metric, **labels: str) -> dict[str, float]:
    """Return the values of a family by secret, of those with these labels."""
    return {
        sample.labels["secret"]: sample.value
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


async def test_a_scrape_is_prometheus_text_that_its_own_library_reads() -> None:
    answer: Answer = await send(varied().api(), "http_metrics")
    assert answer.content_type == "text/plain; version=0.0.4"
    scrape = parsed(answer.text())
    assert {family.type for family in scrape.values()} == {"gauge"}
    assert all(family.documentation for family in scrape.values())
    assert all(re.fullmatch(r"rekey_[a-z_]+", name) for name in scrape)


async def test_each_secret_says_when_it_expires_is_due_and_was_written() -> None:
    rig = scene(days_left=30.5)
    scrape, now = await scraped(rig), rig.clock.now()
    labels = {"vault": "prod"}
    expires = of(scrape["rekey_secret_expiration_timestamp_seconds"], **labels)["app-key"]
    due = of(scrape["rekey_secret_due_timestamp_seconds"], **labels)["app-key"]
    written = of(scrape["rekey_secret_version_created_timestamp_seconds"], **labels)["app-key"]
    assert expires == (now + timedelta(days=30.5)).timestamp()
    assert due == (now + timedelta(days=0.5)).timestamp()
    assert written == now.timestamp()


async def test_who_needs_a_person_is_one_and_every_other_secret_is_zero() -> None:
    scrape = await scraped(varied())
    needs = of(scrape["rekey_secret_needs_person"])
    assert {name for name, value in needs.items() if value} == {*IN_NEED}
    assert needs["billing-storage"] == 0


async def test_kind_owner_and_state_are_labels_of_one_series_a_secret() -> None:
    scrape = await scraped(varied())
    labels = {s.labels["secret"]: s.labels for s in scrape["rekey_secret_info"].samples}
    assert labels["warehouse-sql"] == {
        "vault": "prod",
        "secret": "warehouse-sql",
        "rotator": "storage-key",
        "owner": "data platform",
        "state": "parked",
    }
    assert labels["mail-relay"]["rotator"] == "unknown"


async def test_every_state_is_counted_in_every_vault_even_where_there_is_none() -> None:
    counted = (await scraped(varied()))["rekey_secrets"].samples
    assert len(counted) == 2 * len(STATES)
    by_state = {(s.labels["vault"], s.labels["state"]): s.value for s in counted}
    assert by_state["shared", "disabled"] == 1
    assert by_state["shared", "parked"] == 0
    assert sum(by_state.values()) == 12


async def test_what_is_disabled_or_unmanaged_without_a_date_is_counted_alone() -> None:
    named = of((await scraped(varied()))["rekey_secret_info"])
    assert {"retired-job", "legacy-ftp"} & set(named) == set()


async def test_what_is_disabled_needs_a_person_while_what_leaked_may_be_accepted() -> None:
    rig = scene(days_left=60)
    sent = list[str]()

    def cuts_off(request: Request) -> bool:
        sent.extend([request.path] if request.path.endswith("/regenerateKey") else [])
        return request.path.endswith("/regenerateKey") and len(sent) > 1

    refuse(rig, 503, "ServerBusy", cuts_off, times=99)
    with suppress(TransientError):
        await rig.work(NAME, compromised=True, version=rig.latest(NAME).version)
    rig.vault.amend(rig.latest(NAME), enabled=False)
    scrape = await scraped(rig)
    assert of(scrape["rekey_secret_needs_person"]) == {NAME: 1}
    assert of(scrape["rekey_secret_info"], state="overdue") == {NAME: 1}
    dates = ("rekey_secret_expiration_timestamp_seconds", "rekey_secret_due_timestamp_seconds")
    assert [scrape[name].samples for name in dates] == [[], []]


@pytest.mark.parametrize(
    ("kind", "tags"), [("none", {"ProviderAddress": None}), ("manual", {"Manual": "true"})]
)
async def test_what_others_rotate_is_told_with_its_date(kind: str, tags: dict[str, Any]) -> None:
    rig = Inventory()
    rig.add("licence", left=12, **tags)
    scrape = await scraped(rig)
    assert "licence" in of(scrape["rekey_secret_expiration_timestamp_seconds"])
    assert scrape["rekey_secret_info"].samples[0].labels["rotator"] == kind


async def test_one_vault_can_be_scraped_by_itself() -> None:
    scrape = await scraped(varied(), vault="shared")
    assert set(of(scrape["rekey_secret_info"])) == {"yearly-licence"}
    assert {sample.labels["vault"] for sample in scrape["rekey_secrets"].samples} == {"shared"}


async def test_the_last_and_the_next_sweep_of_a_vault_are_told() -> None:
    rig = varied()
    now = rig.clock.now()
    order = SweepOrder(rig.vault.url, now - timedelta(hours=1), now, timedelta(hours=1))
    await rig.service().watch.swept(order)
    scrape = await scraped(rig)
    (last,) = scrape["rekey_vault_last_sweep_timestamp_seconds"].samples
    following, _of_the_other = scrape["rekey_vault_next_sweep_timestamp_seconds"].samples
    assert (last.labels, last.value) == ({"vault": "prod"}, now.timestamp())
    assert following.value == (now + timedelta(hours=1)).timestamp()


async def test_a_secret_costs_five_series_at_most_and_a_scrape_one_call_for_25_secrets() -> None:
    rig = many(500)
    rig.calls()
    scrape = await scraped(rig)
    assert rig.calls()["vault"] == 20
    series = [s for family in scrape.values() for s in family.samples if "secret" in s.labels]
    assert 500 < len(series) <= 500 * PER_SECRET


@pytest.mark.parametrize("status", [403, 503])
async def test_a_vault_that_cannot_be_listed_says_so_and_the_others_are_told(status: int) -> None:
    """Not a zero is told of it, nor half of it: its alerts end, and RekeyMetricsMissing begins."""
    rig = varied()
    whole = await scraped(rig)
    refuse(rig, status, "Refused", to_vault(), times=99)
    scrape = await scraped(rig)
    listed = {s.labels["vault"]: s.value for s in scrape["rekey_vault_listed"].samples}
    assert listed == {"prod": 0, "shared": 1}
    assert {s.value for s in whole["rekey_vault_listed"].samples} == {1}
    for name in ("rekey_secrets", "rekey_secret_info"):
        theirs = [s for s in whole[name].samples if s.labels["vault"] == "shared"]
        assert scrape[name].samples == theirs


async def test_where_no_vault_can_be_listed_the_scrape_fails() -> None:
    rig = scene()
    refuse(rig, 403, "Forbidden", to_vault(), times=9)
    assert (await send(rig.api(), "http_metrics")).status == 403


@pytest.mark.parametrize("text", ['a "b"', "back\\slash", "two\nlines", "Zoë", "{}=,#"])
def test_an_owner_may_be_any_text(text: str) -> None:
    (family,) = parsed(Family("rekey_x", "Help.", [({"owner": text}, 1)]).text()).values()
    assert family.samples[0].labels == {"owner": text}


@pytest.mark.parametrize("status", [403, 503])
@pytest.mark.parametrize("path", ["comp=list", "/sweeps/"], ids=["the records", "the sweeps"])
async def test_a_scrape_fails_as_a_whole_where_the_apps_own_storage_refuses(
    status: int, path: str
) -> None:
    """What was dropped would turn unmanaged, and a late sweep would vanish: alerts would end."""
    rig = scene(days_left=80)
    await scraped(rig)
    refuse(
        rig, status, "Refused", lambda sent: ".blob." in sent.host and path in sent.url, times=99
    )
    assert (await send(rig.api(), "http_metrics")).status == 503


async def test_a_vault_that_was_never_swept_says_since_when_its_sweep_is_due() -> None:
    rig = scene(days_left=80)
    due = (await scraped(rig))["rekey_vault_next_sweep_timestamp_seconds"].samples[0].value
    assert 0 < due - rig.clock.now().timestamp() <= 3600
    rig.clock.advance(5 * 86_400)
    late = await scraped(rig)
    assert late["rekey_vault_next_sweep_timestamp_seconds"].samples[0].value == due
    assert late["rekey_vault_last_sweep_timestamp_seconds"].samples == []
