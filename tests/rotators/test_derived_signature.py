"""What all signatures that a key makes share: when one is made, recognised, expired, or proven."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote

import pytest

from engine.contract import Job, Preflight, Recognise
from engine.errors import NeedsHuman, VerificationFailed
from engine.secret import Sensitive
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.rotators.sas_scenes import RULES, RuleScene, SasScene

type Scene = SasScene | RuleScene
SCENES: dict[str, Callable[[], Scene]] = {
    "storage-sas": SasScene,
    **{rule.kind.kind: lambda rule=rule: RuleScene(rule) for rule in RULES},  # type: ignore[misc]
}
SECOND = timedelta(seconds=1)


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> Scene:
    """A key, and the signature of it that the vault holds."""
    return SCENES[request.param]()


def held_by(scene: Scene) -> str:
    (value,) = scene.live()
    return value


def sent(scene: Scene) -> list[str]:
    """Return the signatures that were tried at the service."""
    texts = [
        exchange.request.url + exchange.request.header("authorization")
        for exchange in scene.rig.world.exchanges
        if not exchange.request.host.startswith("management.")
    ]
    return [unquote(match[1]) for text in texts if (match := re.search(r"sig=([^&]+)", text))]


def adopted(scene: Scene, shape: str | None, *, proven: bool = False) -> Job:
    """Return a job for a value of this shape around the signature; None follows no template."""
    held = None if shape is None else Sensitive(shape.format(held_by(scene)))
    return replace(scene.job(), proven=proven, held=held)


async def test_a_page_in_answer_to_a_made_up_signature_proves_nothing_whatever_it_quotes(
    scene: Scene,
) -> None:
    """A good one is allowed too little, and something in between answers from then on."""
    json = Response(404, {"Content-Type": "application/json"}, b"{}")
    quoted = b"<html><code>AuthenticationFailed</code> InvalidSignature: 40103</html>"
    page = Response(401, {"Content-Type": "text/html"}, quoted)
    answers = [json, page]

    async def odd(request: Request, call: Call) -> Response:
        azure = request.host.startswith(("management.", "login.", "169."))
        return await call() if azure else answers.pop(0)

    with pytest.raises(NeedsHuman):
        await scene.rotator(odd).accepts(scene.source, "", Sensitive(held_by(scene)))
    assert answers == []


@pytest.mark.parametrize(
    ("shape", "proven"),
    [("{}", False), ("a placeholder", False), (None, False), ("Endpoint=x;Sas={}", True)],
)
async def test_a_signature_replaces_a_bare_one_any_other_value_and_what_rekey_wrote(
    scene: Scene, shape: str | None, *, proven: bool
) -> None:
    assert (await scene.rotator().issue(adopted(scene, shape, proven=proven))).fields["sas"]


@pytest.mark.parametrize("shape", ["Endpoint=x;Sas={}", "https://host/path?{}"])
async def test_what_is_more_than_a_signature_is_not_replaced_by_one(
    scene: Scene, shape: str
) -> None:
    with pytest.raises(NeedsHuman, match="more than a signature") as caught:
        await scene.rotator().issue(adopted(scene, shape))
    assert "ValueTemplate" in caught.value.fix


async def test_a_signature_lives_for_ten_minutes_at_least(scene: Scene) -> None:
    ends = scene.rig.clock.now() + timedelta(minutes=10)
    issued = await scene.rotator().issue(replace(scene.job(), expires=ends))
    assert issued.expires == ends
    with pytest.raises(NeedsHuman, match="its key expires at"):
        await scene.rotator().issue(replace(scene.job(), expires=ends - SECOND))


async def test_the_same_signature_again_ends_a_second_earlier_instead(scene: Scene) -> None:
    job = scene.job()
    first = await scene.rotator().issue(job)
    second = await scene.rotator().issue(replace(job, held=first.fields["sas"]))
    assert (first.expires, second.expires) == (job.expires, job.expires - SECOND)
    assert second.credential_id.endswith(f"{job.expires - SECOND:%Y-%m-%dT%H:%M:%SZ}")


async def test_each_signature_under_an_incident_ends_at_another_second(scene: Scene) -> None:
    """What ends with its key has one end only, and one of the texts with that has leaked."""
    job = replace(scene.job(), not_before=scene.rig.clock.now())
    issued = [
        await scene.rotator().issue(replace(job, operation=operation))
        for operation in ("first", "second", "third")
    ]
    ends = {made.expires for made in issued}
    assert len(ends) == len(issued)
    for end in ends:
        assert end
        assert timedelta() <= job.expires - end < timedelta(minutes=10)
    again = await scene.rotator().issue(replace(job, operation="first"))
    assert again == issued[0]


async def test_a_signature_under_an_incident_lives_for_ten_minutes_at_least(scene: Scene) -> None:
    ends = scene.rig.clock.now() + timedelta(minutes=10)
    for operation in ("first", "second"):
        job = replace(scene.job(), operation=operation, expires=ends, not_before=ends)
        assert (await scene.rotator().issue(job)).expires == ends


async def test_a_preflight_finds_what_a_rotation_would_raise(scene: Scene) -> None:
    rotator = scene.rotator()
    assert isinstance(rotator, Preflight)
    with pytest.raises(NeedsHuman, match="no key to sign with"):
        await rotator.preflight(replace(scene.job(), parent=None))


@pytest.mark.parametrize("named", [True, False])
async def test_a_signature_tells_by_itself_when_it_ends(scene: Scene, *, named: bool) -> None:
    rotator, job = scene.rotator(), scene.job()
    assert isinstance(rotator, Recognise)
    ends = scene.rig.clock.now().replace(microsecond=0) + timedelta(days=10)
    known = await rotator.recognise(job if named else replace(job, held_id=None))
    assert known.ends == ends
    assert known.credential_id == (job.held_id if named else f"sas/{ends:%Y-%m-%dT%H:%M:%SZ}")


@pytest.mark.parametrize("shape", [None, "", "a placeholder", "Endpoint=x;Sas={}"])
async def test_what_is_no_signature_is_not_recognised(scene: Scene, shape: str | None) -> None:
    rotator = scene.rotator()
    assert isinstance(rotator, Recognise)
    with pytest.raises(NeedsHuman, match="no signature for this address"):
        await rotator.recognise(adopted(scene, shape))


async def test_a_signature_that_ends_now_is_not_even_tried(scene: Scene) -> None:
    held, rotator = Sensitive(held_by(scene)), scene.rotator()
    scene.rig.clock.advance(10 * 86_400)
    with pytest.raises(VerificationFailed, match="the value has expired"):
        await rotator.verify(scene.source, "", held)
    with pytest.raises(VerificationFailed, match="the value is no signature for this address"):
        await rotator.verify(scene.source, "", Sensitive("a placeholder"))
    assert not sent(scene)


async def test_a_made_up_signature_has_the_form_of_a_good_one() -> None:
    """A malformed one might be refused for its form alone, and so prove nothing."""
    scene = SasScene("sas/container/uploads/w")
    job, rotator = scene.job(), scene.rotator()
    issued = await rotator.issue(job)
    await rotator.verify(job.source, "", issued.fields["sas"])
    good, made_up = sent(scene)
    assert good != made_up
    assert len(base64.b64decode(good)) == len(base64.b64decode(made_up)) == 32
