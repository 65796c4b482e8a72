"""P6: whatever is emitted, things going well or wrong, holds no value: every logger at DEBUG."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from engine.errors import RekeyError
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.proof.places import PLACES
from tests.shared.delivery import Delivery
from tests.shared.promises import Ear, emitted_to_host_storage, everything
from tests.shared.rig import CONNECTION_STRING, Rig
from tests.shared.scene import NAME, ask, refuse, to_arm, to_vault

DAY = 86_400
OTHERS = (
    "storage-sas",
    "service-bus-sas",
    "service-principal-certificate",
    "api-management-key",
    "redis-key of a database",
)

MOST_REFUSED = 60


class Witness:
    """A rig, every value that ever existed in it, and all that the app emitted."""

    def __init__(self, ear: Ear, **options: Any) -> None:
        self.rig, self.ear = Rig(), ear
        self.account = self.rig.account("appdata")
        self.rig.secret(NAME, self.account, **options)
        self.values: set[str] = set()
        self.emitted: list[str] = []
        self.look()

    def look(self) -> None:
        """Take down the values of this moment."""
        self.values |= {
            key.value
            for account in self.rig.world.accounts.values()
            for key in account.keys.values()
        }
        self.values |= {version.value for version in self.rig.vault.versions(NAME)}

    async def rotate(self, tries: int = 1, **fields: Any) -> None:
        """Work on an item; what it raises is emitted too, since the worker logs it."""
        try:
            await self.rig.service().rotate(self.rig.item(NAME, **fields).to_json(), tries)
        except RekeyError as error:
            self.emitted.append(everything(error))
        self.look()

    def check(self) -> None:
        """Search everything for every value."""
        tags = [repr(version.tags) for version in self.rig.vault.versions(NAME)]
        text = "\n".join([*self.ear.heard, *self.emitted, *tags, emitted_to_host_storage(self.rig)])
        assert len(self.values) >= 3
        assert text.strip()
        assert not [value for value in self.values if value in text]


@pytest.mark.parametrize("status", [None, 400, 500])
@pytest.mark.parametrize("kind", OTHERS)
async def test_no_kind_emits_a_value_whatever_it_is_answered(
    kind: str, status: int | None, ear: Ear
) -> None:
    """Every fifth answer is a refusal. Some of these keys sign an address, or make what is signed."""
    place = PLACES[kind]()
    rig, planted, emitted, count = place.rig, place.planted(), list[str](), itertools.count(1)

    async def refusing(request: Request, call: Call) -> Response:
        response = await call()
        planted.update(place.planted())
        is_host = request.host.startswith("rekeyhost.")
        if status is None or is_host or (at := next(count)) % 5 or at > MOST_REFUSED:
            return response
        return json_response(status, {"error": {"code": "Refused", "message": "why"}})

    for days, action in ((0, "rotate"), (8, "retire")):
        rig.clock.advance(days * DAY)
        await rig.service().engine.queue.post_rotation(rig.item(place.name, action=action))
        delivery = Delivery(rig, lambda: rig.service(refusing))
        await delivery.run(200)
        emitted += map(everything, delivery.errors)
    planted |= {version.value for version in rig.vault.versions(place.name)}
    tags = [repr(version.tags) for version in rig.vault.versions(place.name)]
    text = "\n".join([*ear.heard, *emitted, *tags, emitted_to_host_storage(rig)])
    assert len(planted) >= 2
    assert not [value for value in planted if value in text]


@pytest.mark.parametrize("template", [None, CONNECTION_STRING])
async def test_a_rotation_from_event_to_retirement_emits_no_value(
    template: str | None, ear: Ear
) -> None:
    witness = Witness(ear, template=template)
    answer = await ask(witness.rig.api(), dry_run="true")
    await witness.rotate(trigger="event")
    witness.rig.clock.advance(8 * DAY)
    await witness.rotate(trigger="sweep", action="retire")
    assert len(witness.rig.vault.versions(NAME)) == 2
    witness.emitted.append(answer.text())
    witness.check()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 429, 500, 503])
@pytest.mark.parametrize(
    "where",
    [
        to_vault("GET"),
        to_vault("PUT"),
        to_vault("PATCH"),
        to_arm("listKeys"),
        to_arm("regenerateKey"),
    ],
    ids=["read", "publish", "mark", "list", "regenerate"],
)
async def test_no_refusal_emits_a_value(where: Any, status: int, ear: Ear) -> None:
    witness = Witness(ear)
    refuse(witness.rig, status, "Refused", where, times=9)
    await witness.rotate(tries=5, trigger="event")
    witness.check()


@pytest.mark.parametrize(
    "tags",
    [
        {"ValueTemplate": "Key={key}"},
        {"ValueTemplate": "{nonsense}"},
        {"CredentialId": "key2"},
        {"CredentialId": "nonsense"},
        {"ValidityPeriodDays": "sixty"},
        {"ProviderAddress": "nowhere"},
    ],
)
async def test_no_wrong_tag_makes_a_value_appear(tags: dict[str, str], ear: Ear) -> None:
    witness = Witness(ear, tags=tags)
    witness.emitted.append((await ask(witness.rig.api())).text())
    await witness.rotate(trigger="event")
    witness.check()
