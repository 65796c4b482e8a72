"""From an event, a sweep and an operator to a new version, through Microsoft's worker and over TLS."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from demo.app import KEY
from demo.cast import VAULT
from demo.sources import Account, Application
from scripts.package import PACKAGES, unfolded
from simulator_tests.host.waiting import wait_for
from tests.e2e.running import HOSTS, Product, product
from tests.shared.image import mapped, need_wheels_of_the_image
from tests.shared.promises import holds


@pytest.fixture(scope="module", params=HOSTS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """The product on each host and storage in turn; every test has its own secrets."""
    with product(str(request.param), tmp_path_factory.mktemp("product")) as started:
        yield started


def alive(running: Product, account: str) -> set[str]:
    return {key.value for key in running.cloud.world.accounts[account].keys.values()}


def test_a_near_expiry_event_on_the_queue_rotates_the_secret(running: Product) -> None:
    before = running.latest("orders-key")
    running.send("vault-events", json.dumps(running.vault.near_expiry_event("orders-key")))
    after = running.wait_until_rotated("orders-key", before)
    assert (before.tags or {})["CredentialId"] == "key1"
    assert (after.tags or {})["CredentialId"] == "key2"
    assert holds(after, alive(running, "shoporders"))
    assert holds(before, alive(running, "shoporders")), "the old key was cut off"


def test_the_same_event_again_changes_nothing(running: Product) -> None:
    event = running.vault.near_expiry_event("invoices-key")
    before = running.latest("invoices-key")
    for _ in range(3):
        running.send("vault-events", json.dumps(event))
    running.wait_until_rotated("invoices-key", before)
    wait_for(
        lambda: not running.waiting("vault-events") and not running.waiting("rotations"),
        lambda: "the queues to be worked off",
    )
    assert len(running.vault.versions("invoices-key")) == 2


def test_an_order_to_sweep_finds_what_is_due_retires_what_is_over_and_parks_what_is_broken(
    running: Product,
) -> None:
    before = {part.name: running.latest(part.name) for part in running.parts}
    running.send("sweeps", json.dumps({"vault": running.vault.url}))
    for part in running.parts:
        if part.name in (
            "reports-connection",
            "sql-admin",
            "sql-app",
            "crm-client",
            "erp-certificate",
        ):
            after = running.wait_until_rotated(part.name, before[part.name])
            if isinstance(part.source, Account):
                assert holds(after, alive(running, part.source.name))
            elif not isinstance(part.source, Application):
                assert part.source.opens(running.cloud.world, after.value), part.name
    wait_for(
        lambda: (
            [version.enabled for version in running.vault.versions("backup-key")] == [False, True]
        ),
        lambda: "the old key to be retired",
    )
    wait_for(
        lambda: "RekeyRetire" not in (running.latest("backup-key").tags or {}),
        lambda: "its retirement to be noted",
    )
    wait_for(
        lambda: "RekeyState" in (running.latest("legacy-key").tags or {}),
        lambda: "the broken one to be parked",
    )
    assert "answered 403" in (running.latest("legacy-key").tags or {})["RekeyReason"]
    assert running.latest("archive-key") == before["archive-key"]


def test_a_password_of_sql_is_rotated_by_the_driver_in_the_package(running: Product) -> None:
    """No worker has loaded a library of the tests' environment but uvloop, which Azure brings."""
    need_wheels_of_the_image()
    path, before = f"/api/secrets/{VAULT}/sql-admin/rotate", running.latest("sql-admin")
    assert running.app.post(path, {"force": True, "reason": "drill"})[0] == 202
    after = running.wait_until_rotated("sql-admin", before)
    (part,) = [part for part in running.parts if part.name == "sql-admin"]
    assert part.source.opens(running.cloud.world, after.value)
    loaded = mapped(running.log)
    packages = str((unfolded() / PACKAGES).resolve())
    assert f"{packages}/mssql_py_core/mssql_py_core.abi3.so" in loaded
    strangers = {name for name in loaded if "site-packages" in name and "/uvloop/" not in name}
    assert {name for name in strangers if not name.startswith(packages)} == set()


def test_an_operator_rotates_by_hand(running: Product) -> None:
    path, before = f"/api/secrets/{VAULT}/media-key/rotate", running.latest("media-key")
    status, answer = running.app.post(path, {})
    assert (status, answer["status"]) == (409, 409)
    status, answer = running.app.post(path, {"force": True, "reason": "drill"})
    assert status == 202
    after = running.wait_until_rotated("media-key", before)
    assert (after.tags or {})["RekeyOperation"] == answer["operation"]


def test_a_path_answers_every_method_and_a_vault_by_whatever_names_it(running: Product) -> None:
    """Azure unescapes a path before it finds the function: a URL's slashes are escaped twice."""
    url, host = quote(running.vault.url, safe=""), urlsplit(running.vault.url).netloc
    for method, path, status in (
        ("HEAD", f"/api/secrets?vault={url}&limit=1", 200),
        ("GET", f"/api/secrets/{host}/media-key", 200),
        ("GET", f"/api/secrets/{quote(url)}/media-key", 200),
        ("GET", f"/api/secrets/{url}/media-key", 404),
        ("DELETE", f"/api/secrets/{VAULT}/media-key", 405),
        ("GET", f"/api/secrets/{VAULT}/media-key/rotate", 405),
        ("PATCH", "/api/policy", 405),
        ("GET", f"/api/secrets/{VAULT}/media-kye", 404),
        ("GET", "/api/secrets?Limit=1", 400),
        ("POST", f"/api/secrets/{VAULT}/media-key/rotate?dry_run", 400),
        ("POST", f"/api/secrets/{VAULT}/media-key/rotate?dryRun=", 400),
    ):
        answered, allow, body = sent(running, method, path)
        assert answered == status, (method, path)
        assert bool(allow) == (status == 405)
        assert method != "HEAD" or not body


def sent(running: Product, method: str, path: str) -> tuple[int, str, bytes]:
    """Send a request by any method, and return its status, what it allows, and its body."""
    headers = {"x-functions-key": KEY}
    request = urllib.request.Request(running.app.base + path, method=method, headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return answer.status, answer.headers["Allow"] or "", answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Allow"] or "", error.read()


def test_an_operator_asks_and_follows_an_operation_to_its_end(running: Product) -> None:
    status, listed = running.app.get(f"/api/secrets?vault={VAULT}&limit=6")
    assert status == 200
    assert len(listed["secrets"]) == 6
    assert listed["next"].startswith("/api/secrets?")
    names = {row["secret"] for row in listed["secrets"]}
    while listed["next"]:
        status, listed = running.app.get(listed["next"])
        assert status == 200
        names |= {row["secret"] for row in listed["secrets"]}
    assert names >= {part.name for part in running.parts} - {""}
    status, ended = running.app.post(
        f"/api/secrets/{VAULT}/media-key/rotate?wait=60", {"compromised": True, "reason": "drill"}
    )
    assert (status, ended["status"]) == (200, "succeeded"), ended
    status, shown = running.app.get(f"/api/secrets/{VAULT}/media-key")
    assert (status, shown["version"]) == (200, ended["version"])
    assert shown["history"][0]["cause"] == "manual by holder of a function key: drill"
    status, health = running.app.get("/api/health")
    assert (status, health["status"]) == (200, "ok")


def test_an_unreadable_work_item_leaves_the_queues_and_stops_nothing(running: Product) -> None:
    running.send("rotations", '{"vault": "no url"}')
    wait_for(
        lambda: "rotations-poison" in running.log.read_text(),
        lambda: f"the poison message to be seen; log: {running.log.read_text()[-2000:]}",
    )
    wait_for(
        lambda: not running.waiting("rotations-poison"), lambda: "the poison queue to be empty"
    )


def test_event_grid_delivers_to_the_webhook(running: Product) -> None:
    assert running.webhook.deliver(running.vault.near_expiry_event("archive-key")) == 202


def test_no_value_is_in_the_log_of_a_whole_run(running: Product) -> None:
    """Every value that the accounts or the vault ever held is looked for.

    After all the other tests, where they ran in this process; by itself after a sweep.
    """
    running.send("sweeps", json.dumps({"vault": running.vault.url}))
    wait_for(lambda: '"result"' in running.log.read_text(), lambda: "an audit record")
    wait_for(lambda: not running.waiting("sweeps"), lambda: "the sweep to end")
    log = running.log.read_text()
    values = {
        version.value for part in running.parts for version in running.vault.versions(part.name)
    }
    accounts = [part.source.name for part in running.parts if isinstance(part.source, Account)]
    for value in values | {key for name in accounts for key in alive(running, name)}:
        assert value not in log
