"""The product on an instance that goes when it is not needed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from demo.app import SYSTEM_KEY
from simulator_tests.host.waiting import wait_for
from tests.e2e.running import OURS_SIMULATED, Product, product
from tests.e2e.test_product import alive
from tests.shared.promises import holds

PATH = "/runtime/webhooks/EventGrid?functionName=on_event_grid"
NOTIFIED = {"aeg-event-type": "Notification", "x-functions-key": SYSTEM_KEY}
SLEEPY = ("--idle-seconds", "0.5", "--wake-seconds", "0.5", "--event-grid-key-seconds", "0.5")


@pytest.fixture
def sleeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product, scaled to zero."""
    folder = tmp_path_factory.mktemp("asleep")
    with product(OURS_SIMULATED, folder, options=SLEEPY) as running:
        wait_for(lambda: naps(running), lambda: f"sleep; log: {running.log.read_text()[-2000:]}")
        yield running


def naps(running: Product) -> int:
    return running.log.read_text().count("Scaled to zero.")


def test_an_event_that_is_refused_at_first_rotates_when_it_comes_again(sleeping: Product) -> None:
    """Event Grid's first delivery wakes the app, which has not loaded the webhook's key yet."""
    before = sleeping.latest("orders-key")
    event = [sleeping.vault.near_expiry_event("orders-key")]
    answers: list[int] = []

    def delivered() -> bool:
        answers.append(sleeping.app.post(PATH, event, NOTIFIED)[0])
        return answers[-1] == 202

    wait_for(delivered, lambda: f"a delivery to be taken: {answers}")
    assert answers[0] == 401
    after = sleeping.wait_until_rotated("orders-key", before)
    assert holds(after, alive(sleeping, "shoporders"))


def test_an_event_in_the_queue_wakes_the_app_and_rotates_the_secret(sleeping: Product) -> None:
    before = sleeping.latest("invoices-key")
    sleeping.send("vault-events", json.dumps(sleeping.vault.near_expiry_event("invoices-key")))
    after = sleeping.wait_until_rotated("invoices-key", before)
    assert holds(after, alive(sleeping, "shopinvoices"))
