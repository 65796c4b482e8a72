"""A new ValueTemplate shapes the next version; the present one is read as it was accepted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from engine.state.request import Outcome
from engine.state.tags import REPLICA_OF
from simulator.reach.sabotage import Died
from simulator.reach.transport import Intercept
from simulator.storage.accounts import StorageAccount
from tests.shared.policies import EMPTY, PolicyRig
from tests.shared.rig import CONNECTION_STRING
from tests.shared.scene import source_of, struck, to_vault

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

    def name(self, template: str | None) -> None:
        """Name a template, or none, for what the secret holds from the next rotation on."""
        rule = f"{{match: {{secret: 'app-*'}}, valueTemplate: '{template}'}}"
        is_ruled = template and not self.by_tag
        self.rig.push(f"{EMPTY}rules: [{rule}]\n" if is_ruled else EMPTY)
        self.rig.tag(NAME, ValueTemplate=template if self.by_tag else None)

    async def handle(self, intercept: Intercept | None = None, **fields: Any) -> Outcome:
        service = self.rig.service(intercept)
        return await (await service.ready()).handle(self.rig.item(NAME, **fields))

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

    @pytest.mark.parametrize("is_written", [False, True], ids=["named", "written"])
    async def test_a_restore_writes_the_new_shape_if_the_earlier_value_has_what_it_needs(
        self, scene: Scene, before: str, then: str, *, is_written: bool
    ) -> None:
        await scene.rotated(before)
        if is_written:
            scene.rig.clock.advance(TWO_DAYS)
            assert (await scene.handle()).result == "retired"
        scene.name(then)
        if is_written:
            assert (await scene.handle(force=True)).result == "rotated"
        outcome = await scene.handle(action="restore")
        lacks = then == CONNECTION_STRING
        assert outcome.result == ("parked" if lacks else "restored")
        assert scene.holds(then if is_written or not lacks else before)

    async def test_a_version_whose_writer_died_is_read_as_it_was_written(
        self, scene: Scene, before: str, then: str
    ) -> None:
        """Another template counts by the time the next worker finds it in the vault."""
        scene.rig.secret(NAME, scene.account, days_left=10, template=before)
        scene.name(before)
        with pytest.raises(Died):
            await scene.handle(struck(scene.rig, to_vault("PUT")))
        leaked, version = scene.keys, scene.rig.latest(NAME).version
        scene.name(then)
        for result in ("rotated", "confirmed"):
            scene.rig.clock.advance(600)
            assert (await scene.handle(action="audit")).result == result
        assert scene.rig.latest(NAME).version == version
        assert (await scene.handle(compromised=True)).result == "rotated"
        assert not leaked & scene.keys
        assert scene.holds(then)

    async def test_a_rotation_that_died_before_its_write_goes_on_in_the_new_shape(
        self, scene: Scene, before: str, then: str
    ) -> None:
        """The announced key is published. Another one would kill what a replica may hold by now."""
        scene.rig.secret(NAME, scene.account, days_left=10, template=before)
        scene.name(before)
        with pytest.raises(Died):
            await scene.handle(struck(scene.rig, to_vault("PUT"), after=False))
        made = scene.keys
        scene.name(then)
        scene.rig.clock.advance(120)
        assert (await scene.handle()).result == "rotated"
        assert scene.keys == made
        assert scene.holds(then)


async def test_a_replica_without_a_form_of_its_own_gets_the_new_shape(scene: Scene) -> None:
    await scene.rotated("{key}")
    url, value = f"{scene.rig.vault.url}/secrets", scene.rig.latest(NAME).value
    scene.rig.vault.put("copy", value, tags={REPLICA_OF: f"{url}/{NAME}"})
    scene.rig.tag(NAME, Replicas=f"{url}/copy")
    scene.name("Key={key}")
    scene.rig.clock.advance(TWO_DAYS)
    assert (await scene.handle(force=True)).result == "rotated"
    assert scene.holds("Key={key}")
    assert scene.rig.latest("copy").value == scene.rig.latest(NAME).value


async def test_the_next_value_is_the_bare_credential_where_no_template_is_named_any_more(
    scene: Scene,
) -> None:
    await scene.rotated("Key={key}")
    scene.name(None)
    scene.rig.clock.advance(TWO_DAYS)
    assert (await scene.handle(force=True)).result == "rotated"
    assert scene.holds("{key}")


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


async def test_what_a_document_shaped_is_revoked_at_a_source_that_its_secret_has_left() -> None:
    """The record of an earlier Rekey knows no template, and the current version has no tags."""
    scene = Scene(by_tag=False)
    await scene.rotated("Key={key}")
    source, superseded = source_of(scene.rig), scene.account.keys["key1"].value
    scene.rig.write(NAME, "of another source", ProviderAddress=None)
    await scene.rig.note(source, NAME, followed=())
    scene.rig.clock.advance(TWO_DAYS)
    await scene.handle(action="retire", trigger="sweep", source=source)
    assert superseded not in scene.keys


async def test_a_version_that_another_template_reads_is_not_replaced() -> None:
    """Its owner follows a tag that the document overrides by a template that fits any text."""
    scene = Scene(by_tag=False)
    await scene.rotated("{key}")
    key = scene.rig.latest(NAME).value
    scene.rig.clock.advance(60)
    scene.rig.write(NAME, f"Key={key}", ValueTemplate="Key={key}")
    outcome = await scene.handle(action="audit", trigger="manual")
    assert outcome.fix == "correct the value or valueTemplate in the policy document"
    assert scene.rig.latest(NAME).value == f"Key={key}"


@pytest.mark.parametrize("version", ["proven", "announced"])
async def test_a_tag_in_a_record_of_0_2_0_does_not_tell_how_a_value_is_read(version: str) -> None:
    """The document overrides it, and it would read the whole of any value."""
    scene = Scene(by_tag=False)
    source = source_of(scene.rig)
    await scene.rotated("Key={key}")
    scene.rig.tag(NAME, ValueTemplate="{key}")
    if version == "announced":
        scene.rig.clock.advance(TWO_DAYS)
        with pytest.raises(Died):
            await scene.handle(struck(scene.rig, to_vault("PUT")), force=True)
        scene.rig.clock.advance(600)
        write = (await scene.rig.known(source)).pending_write
        assert write
        await scene.rig.note(source, NAME, ahead=replace(write, template=""))
    held = scene.rig.latest(NAME)
    tags = {**(held.tags or {}), "ValueTemplate": "{key}"}
    await scene.rig.note(source, NAME, tags=tags, followed=())
    outcome = await scene.handle(action="audit")
    assert outcome.result == ("confirmed" if version == "proven" else "rotated")
    assert scene.rig.latest(NAME).version == held.version


@pytest.mark.parametrize("dies", [False, True])
async def test_the_prints_of_a_new_version_are_of_the_credential_in_it(*, dies: bool) -> None:
    """A leak of it is found. Where its writer died, another template counts by then."""
    scene = Scene(by_tag=True)
    rig = scene.rig
    rig.vault.put("leak-key", "k" * 40)
    rig.push(f"{EMPTY}leaks:\n  keySecret: leak-key\n")
    rig.secret(NAME, scene.account, days_left=10, template="Key={key}")
    if dies:
        with pytest.raises(Died):
            await scene.handle(struck(rig, to_vault("PUT")))
        rig.clock.advance(600)
        rig.tag(NAME, ValueTemplate="{key}")
        await scene.handle(action="audit")
    else:
        assert (await scene.handle()).result == "rotated"
    held = rig.latest(NAME)
    prints = (await rig.service().ready()).prints
    expected = prints.of(held.value.removeprefix("Key="), held.value)
    assert (await rig.known(source_of(rig))).history.prints[held.version] == expected


@pytest.mark.parametrize("how", ["a record of 0.2.0", "a copy by hand"])
async def test_an_incident_ends_only_with_what_leaked_where_a_template_takes_any_text(
    how: str,
) -> None:
    """Nobody has noted by which template the version is read, so no credential is known to be it."""
    scene = Scene(by_tag=True)
    await scene.rotated("Key={key}")
    scene.rig.clock.advance(TWO_DAYS)
    assert (await scene.handle()).result == "retired"
    held = scene.rig.latest(NAME)
    leaked, tags = held.value.removeprefix("Key="), {**(held.tags or {})}
    if how == "a copy by hand":
        scene.rig.write(NAME, held.value, ValueTemplate="{key}")
    else:
        await scene.rig.note(source_of(scene.rig), NAME, tags=tags, followed=())
        scene.name("{key}")
        assert (await scene.handle(force=True)).result == "rotated"
    scene.rig.clock.advance(60)
    version = scene.rig.latest(NAME).version if how == "a copy by hand" else held.version
    await scene.handle(compromised=True, version=version)
    assert leaked not in scene.keys


async def test_what_a_version_held_is_remembered_although_the_next_one_has_another_template(
    scene: Scene,
) -> None:
    """Otherwise nobody recognises it where a late write brings it back."""
    await scene.rotated("{key}")
    superseded = str(scene.rig.latest(NAME).version)
    scene.name("AccountKey={key}")
    scene.rig.clock.advance(TWO_DAYS)
    assert (await scene.handle(force=True)).result == "rotated"
    known = await scene.rig.known(source_of(scene.rig))
    assert known.history.credential_of(superseded)
