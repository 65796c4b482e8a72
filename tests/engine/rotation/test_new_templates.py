"""A new ValueTemplate shapes the next version; the present one is read as it was accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.state.request import Outcome
from simulator.storage.accounts import StorageAccount
from tests.shared.policies import EMPTY, PolicyRig
from tests.shared.rig import CONNECTION_STRING

NAME = "app-key"
TWO_DAYS = 2 * 24 * 3600


@dataclass
class Scene:
    """A secret whose template is named by its tag, or by the document."""

    by_tag: bool
    rig: PolicyRig = field(default_factory=PolicyRig)
    account: StorageAccount = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.rig.account("appdata")

    def name(self, template: str) -> None:
        """Name a template for what the secret holds from the next rotation on."""
        rule = f"{{match: {{secret: 'app-*'}}, valueTemplate: '{template}'}}"
        self.rig.push(EMPTY if self.by_tag else f"{EMPTY}rules: [{rule}]\n")
        self.rig.tag(NAME, ValueTemplate=template if self.by_tag else None)

    async def handle(self, **fields: Any) -> Outcome:
        return await (await self.rig.service().ready()).handle(self.rig.item(NAME, **fields))

    async def rotated(self, template: str) -> None:
        """Rotate the secret under a template."""
        self.rig.secret(NAME, self.account, days_left=10, template=template)
        self.rig.tag(NAME, OverlapHours="24")
        self.name(template)
        assert (await self.handle()).result == "rotated"

    def holds(self, template: str) -> bool:
        """Return whether the vault holds a key of the account in a shape."""
        known = {"account": "appdata", "suffix": "core.windows.net"}
        values = [template.format(key=key, **known) for key in self.keys]
        return self.rig.latest(NAME).value in values

    @property
    def keys(self) -> set[str]:
        return {key.value for key in self.account.keys.values()}


@pytest.fixture(params=["tag", "document"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(by_tag=request.param == "tag")


@pytest.mark.parametrize(
    ("before", "then"),
    [
        pytest.param("{key}", "AccountKey={key}", id="that the value does not follow"),
        pytest.param(CONNECTION_STRING, "{key}", id="that every value follows"),
        pytest.param("Key={key}", CONNECTION_STRING, id="with more fields"),
    ],
)
class TestAnotherTemplate:
    """The secret has another template since it was rotated."""

    async def test_audits_and_the_end_of_the_overlap_read_the_value_as_before(
        self, scene: Scene, before: str, then: str
    ) -> None:
        first = scene.keys
        await scene.rotated(before)
        scene.name(then)
        for _ in range(2):
            assert (await scene.handle(action="audit")).result == "confirmed"
        scene.rig.clock.advance(TWO_DAYS)
        assert (await scene.handle()).result == "retired"
        assert not first & scene.keys
        assert scene.holds(before)

    async def test_the_next_rotation_writes_the_new_shape(
        self, scene: Scene, before: str, then: str
    ) -> None:
        await scene.rotated(before)
        scene.name(then)
        scene.rig.clock.advance(TWO_DAYS)
        for _ in range(2):
            assert (await scene.handle(force=True)).result == "rotated"
            assert scene.holds(then)
            assert (await scene.handle(action="audit")).result == "confirmed"
            scene.rig.clock.advance(TWO_DAYS)

    async def test_what_leaked_is_replaced_and_revoked(
        self, scene: Scene, before: str, then: str
    ) -> None:
        await scene.rotated(before)
        scene.name(then)
        leaked = scene.keys
        assert (await scene.handle(compromised=True)).result == "rotated"
        assert not leaked & scene.keys
        assert scene.holds(then)

    async def test_a_restore_writes_the_new_shape_if_the_earlier_value_has_what_it_needs(
        self, scene: Scene, before: str, then: str
    ) -> None:
        await scene.rotated(before)
        scene.name(then)
        outcome = await scene.handle(action="restore")
        lacks = then == CONNECTION_STRING
        assert outcome.result == ("parked" if lacks else "restored")
        assert scene.holds(before if lacks else then)


async def test_a_value_that_could_not_be_read_back_is_never_published(scene: Scene) -> None:
    """A key ends with the text that is to end it, so it would be taken for drift, week by week."""
    await scene.rotated("{key}")
    scene.name("{key}={account}")
    scene.rig.clock.advance(TWO_DAYS)
    outcome = await scene.handle(force=True)
    assert outcome.result == "parked"
    assert "holds the text that ends it in ValueTemplate" in outcome.reason
    assert outcome.fix.startswith("put a text between the placeholders")
    assert scene.holds("{key}")
    assert (await scene.handle(action="audit")).result == "confirmed"


async def test_a_value_written_by_hand_in_another_shape_is_left_to_its_owner(scene: Scene) -> None:
    """No record tells how it is to be read, so it is not replaced either."""
    await scene.rotated("Key={key}")
    key = scene.rig.latest(NAME).value
    scene.name("{key}")
    scene.rig.clock.advance(60)
    scene.rig.write(NAME, f"{key}")
    outcome = await scene.handle(action="audit")
    place = "the tag ValueTemplate" if scene.by_tag else "valueTemplate in the policy document"
    assert (outcome.result, outcome.fix) == ("parked", f"correct the value or {place}")
    assert scene.rig.latest(NAME).value == key
