"""Shared access signatures of storage accounts: as Microsoft's own packages make them, and proven."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import QueueSasPermissions, generate_queue_sas

from cloud.rest.data_plane import Signed
from engine.errors import AccessDenied, NeedsHuman, RekeyError, TransientError, VerificationFailed
from engine.secret import Sensitive
from rotators.shared import sas_extent, sas_signing
from rotators.shared.sas_extent import Extent
from rotators.storage_sas import StorageSas
from tests.rotators.sas_scenes import SasScene

ACCOUNT = "/subscriptions/s1/resourcegroups/g1/providers/microsoft.storage/storageaccounts/acc1"
KEY = Sensitive(base64.b64encode(bytes(range(64))).decode())
OTHER = Sensitive(base64.b64encode(bytes(range(1, 65))).decode())
PAGE = (Path(__file__).parents[2] / "docs" / "rotators" / "storage-sas.md").read_text()
ENDS = datetime(2027, 2, 3, 4, 5, 6, tzinfo=UTC)
FURTHER = {"start": ENDS - timedelta(days=1), "ip": "168.1.5.60-168.1.5.70", "protocol": "https"}
EVERYTHING = frozenset[str]().union(*sas_signing.FIELDS.values())
HEADERS = {"cache_control": "no-cache", "content_type": "text/plain", "content_language": "de"}


container = partial(
    generate_container_sas,
    "acc1",
    "uploads",
    account_key=KEY.reveal(),
    permission=ContainerSasPermissions.from_string("racwdl"),
    expiry=ENDS,
)
blob = partial(
    generate_blob_sas,
    "acc1",
    "uploads",
    "In/Größe+1.txt",
    account_key=KEY.reveal(),
    permission=BlobSasPermissions.from_string("rw"),
    expiry=ENDS,
)
queue = partial(
    generate_queue_sas,
    "acc1",
    "jobs",
    KEY.reveal(),
    permission=QueueSasPermissions.from_string("raup"),
    expiry=ENDS,
)
account = partial(
    generate_account_sas,
    "acc1",
    KEY.reveal(),
    resource_types=ResourceTypes.from_string("sco"),  # type: ignore[no-untyped-call]
    permission=AccountSasPermissions.from_string("rwdlacup"),  # type: ignore[no-untyped-call]
    expiry=ENDS,
)


MADE: dict[str, Callable[..., str]] = {
    "sas/container/uploads/racwdl": container,
    "sas/blob/uploads/In/Größe+1.txt/rw": blob,
    "sas/queue/jobs/raup": queue,
    "sas/account/b/sco/rwdlacup": account,
}


def signed(*lines: str) -> str:
    """Sign lines as the documentation says, with nothing of the product."""
    digest = hmac.digest(base64.b64decode(KEY.reveal()), "\n".join(lines).encode(), "sha256")
    return quote(base64.b64encode(digest).decode(), safe="")


STAMP = "2027-02-03T04:05:06Z"
BY_HAND = {
    "sas/table/orders/raud": (
        ("raud", "", STAMP, "/table/acc1/orders", "", "", "https", "2022-11-02", "", "", "", ""),
        "tn=Orders",
    ),
    "sas/share/reports/rcwdl": (
        ("rcwdl", "", STAMP, "/file/acc1/reports", "", "", "https", "2022-11-02", *[""] * 5),
        "sr=s",
    ),
    "sas/file/reports/In/A.pdf/rw": (
        ("rw", "", STAMP, "/file/acc1/reports/In/A.pdf", "", "", "https", "2022-11-02", *[""] * 5),
        "sr=f",
    ),
}
"""What is signed of a table, a share and a file: create-service-sas, "Construct the signature
string". Microsoft's packages for these are not here."""
TABLE = f"tn=Orders&sv=2022-11-02&sp=raud&se={quote(STAMP)}&spr=https"


@pytest.mark.parametrize("text", BY_HAND)
def test_a_signature_of_a_table_share_or_file_is_the_documented_one(text: str) -> None:
    lines, where = BY_HAND[text]
    rest = f"sv=2022-11-02&sp={lines[0]}&se={quote(STAMP)}&spr=https&sig={signed(*lines)}"
    assert sas_signing.is_made_from(extent(text), Sensitive(f"{where}&{rest}"), KEY)
    assert not sas_signing.is_made_from(extent(text), Sensitive(f"{where}&{rest}"), OTHER)
    own = sas_signing.made(extent(text), KEY, ENDS).reveal()
    assert f"&sig={signed(*lines)}" in own
    other = extent(text.replace("orders", "sredro").replace("reports", "others"))
    assert not sas_signing.is_made_from(other, Sensitive(f"{where}&{rest}"), KEY)
    assert sas_signing.read(other, Sensitive(own)) is None or where.startswith("sr=")


def extent(text: str) -> Extent:
    source = sas_extent.canonical(f"{ACCOUNT}/{text}")
    assert source
    return Extent.read(source)


@pytest.mark.parametrize("text", MADE)
def test_a_signature_of_microsofts_package_is_recognised_by_its_key(text: str) -> None:
    make = MADE[text]
    further = FURTHER | (HEADERS if make in (container, blob) else {})
    for token in (make(), make(**further), f"?{make()}"):
        assert sas_signing.is_made_from(extent(text), Sensitive(token), KEY)
        for other in (OTHER, Sensitive("no key")):
            assert not sas_signing.is_made_from(extent(text), Sensitive(token), other)
        fields = sas_signing.read(extent(text), Sensitive(token))
        assert fields
        assert sas_signing.ends_of(fields) == ENDS


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("acc1.queue.core.windows.net", "acc1"),
        ("ACC1.queue.core.windows.net:443", "acc1"),
        ("acc1-secondary.queue.core.windows.net", "acc1"),
        ("acc1.z01.queue.storage.azure.net", "acc1"),
        ("acc1.dfs.core.windows.net", "acc1"),
        ("acc1.z6.web.core.windows.net", "acc1"),
        ("files.contoso.com", ""),
        ("queue.contoso.com", ""),
        ("files.web.contoso.com", ""),
    ],
)
def test_the_account_in_a_url_is_named_unless_the_domain_is_somebodys_own(
    host: str, named: str
) -> None:
    url = f"https://{host}/jobs?{queue()}"
    assert StorageSas.signer(url) == named
    is_queue = ".queue." in host
    assert StorageSas.is_signed_by(url, ACCOUNT, KEY) is is_queue


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("2027-02-03T04:05Z", ENDS.replace(second=0)),
        ("2027-02-03T04Z", ENDS.replace(minute=0, second=0)),
        ("2027-02-03", ENDS.replace(hour=0, minute=0, second=0)),
        ("2027-02-03T04:05:06.5Z", ENDS.replace(microsecond=500_000)),
        ("2027-02-03T04:05:06.0000000Z", ENDS),
    ],
)
def test_a_signature_whose_end_is_written_in_another_way_that_azure_takes_is_recognised(
    text: str, ends: datetime
) -> None:
    whole, token = extent("sas/container/uploads/racwdl"), Sensitive(container(expiry=text))
    assert sas_signing.is_made_from(whole, token, KEY)
    assert sas_signing.ends_of(sas_signing.read(whole, token) or {}) == ends


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2027-02-30",
        "2027-02-03T04:05:06",
        "2027-02-03T04:05:06+00:00",
        "2027-02-03 04:05:06Z",
        "2027-02-03T04:05:06.12345678Z",
        "20270203T040506Z",
        "٢027-02-03",
    ],
)
def test_an_end_that_azure_does_not_take_is_none(text: str) -> None:
    assert sas_signing.ends_of({"se": text}) is None


@pytest.mark.parametrize(
    ("url", "key", "is_signed"),
    [
        (f"https://acc1.blob.core.windows.net/uploads?{container()}", KEY, True),
        (f"https://acc1.blob.core.windows.net/others?{container()}", KEY, False),
        (account(), KEY, True),
        (account(), OTHER, False),
        (account(), Sensitive("no key"), False),
        (container(), KEY, False),
        (f"{TABLE}&sig={signed(*BY_HAND['sas/table/orders/raud'][0])}", KEY, True),
        (f"{TABLE}&sig=none", KEY, False),
        (f"https://acc1.queue.core.windows.net/jobs?{queue()}", KEY, True),
        (f"https://acc1.dfs.core.windows.net/jobs?{queue()}", KEY, False),
    ],
    ids=[
        "in a URL",
        "elsewhere",
        "of the account",
        "of another key",
        "of no key",
        "of no path",
        "of a table",
        "of nobody",
        "of a queue",
        "of no service",
    ],
)
def test_a_signature_that_leaked_is_traced_to_the_key_that_made_it(
    url: str, key: Sensitive, *, is_signed: bool
) -> None:
    assert StorageSas.is_signed_by(url, ACCOUNT, key) is is_signed


BLOB_HEAD = ("r", "", STAMP, "/blob/acc1/uploads/a.txt", "", "", "https")
EARLIER = {
    "2018-03-28": ("uploads/a.txt", "sr=b", (*BLOB_HEAD, "2018-03-28", *[""] * 5)),
    "2018-11-09": ("uploads/a.txt", "sr=b", (*BLOB_HEAD, "2018-11-09", "b", *[""] * 6)),
    "2020-10-02": ("uploads/a.txt", "sr=b", (*BLOB_HEAD, "2020-10-02", "b", *[""] * 6)),
    "2019-12-12": (
        "uploads",
        "ss=b&srt=sco",
        ("acc1", "r", "b", "sco", "", STAMP, "", "https", "2019-12-12", ""),
    ),
}
"""What earlier versions sign: that of 2018-11-09 adds the resource and a snapshot's time, that of
2020-12-06 the encryption scope."""


@pytest.mark.parametrize("version", EARLIER)
def test_a_signature_of_an_earlier_version_that_leaked_is_traced_to_its_key(version: str) -> None:
    path, where, lines = EARLIER[version]
    fields = f"sv={version}&{where}&sp=r&se={quote(STAMP)}&spr=https&sig={signed(*lines)}"
    url = f"https://acc1.blob.core.windows.net/{path}?{fields}"
    assert StorageSas.is_signed_by(url, ACCOUNT, KEY)
    assert not StorageSas.is_signed_by(url, ACCOUNT, OTHER)


AT = "2027-01-02T03:04:05.6789012Z"
PARTS: dict[str, tuple[str, str, dict[str, object]]] = {
    "a snapshot": ("blob", f"In/a.txt?snapshot={quote(AT)}&", {"snapshot": AT}),
    "a version": ("blob", f"In/a.txt?versionid={quote(AT)}&", {"version_id": AT}),
    "a blob, in the URL of its snapshot": ("blob", f"In/a.txt?snapshot={quote(AT)}&", {}),
    "a directory": ("dfs", "In/a.txt?", {"is_directory": True}),
    "what a directory holds": ("blob", "In/a.txt/deep/er.csv?", {"is_directory": True}),
}
"""Signatures that Rekey does not make: the service, the rest of a URL, and what is asked of
Microsoft's package for the blob In/a.txt."""


@pytest.mark.parametrize("name", PARTS)
def test_a_signature_of_a_part_that_leaked_is_traced_to_its_key(name: str) -> None:
    service, rest, options = PARTS[name]
    token = generate_blob_sas(
        "acc1",
        "uploads",
        "In/a.txt",
        account_key=KEY.reveal(),
        permission=BlobSasPermissions.from_string("r"),
        expiry=ENDS,
        **options,  # type: ignore[arg-type]
    )
    url = f"https://acc1.{service}.core.windows.net/uploads/{rest}{token}"
    assert StorageSas.is_signed_by(url, ACCOUNT, KEY)
    assert not StorageSas.is_signed_by(url, ACCOUNT, OTHER)
    assert not StorageSas.is_signed_by(url.replace("In/", "Out/"), ACCOUNT, KEY)


def test_a_signature_of_a_part_of_a_table_that_leaked_is_traced_to_its_key() -> None:
    lines, _ = BY_HAND["sas/table/orders/raud"]
    made = signed(*lines[:-4], "Coho", "Auburn", "Coho", "Seattle")
    bounds = "spk=Coho&srk=Auburn&epk=Coho&erk=Seattle"
    assert StorageSas.is_signed_by(f"{TABLE}&{bounds}&sig={made}", ACCOUNT, KEY)
    assert not StorageSas.is_signed_by(f"{TABLE}&sig={made}", ACCOUNT, KEY)


@pytest.mark.parametrize("depth", ["", "x", "-1", "9", "\u00b2", "9" * 5000])
def test_a_directory_whose_depth_makes_no_sense_is_traced_to_no_key(depth: str) -> None:
    fields = f"sv=2022-11-02&sr=d&sdd={quote(depth)}&sp=r&se={quote(STAMP)}&sig=none"
    url = f"https://acc1.blob.core.windows.net/uploads/In?{fields}"
    assert not StorageSas.is_signed_by(url, ACCOUNT, KEY)


@pytest.mark.parametrize("text", MADE)
def test_the_text_that_is_signed_is_microsofts(text: str) -> None:
    """The same fields get the same signature: the two differ in nothing but the version."""
    seen: list[str] = []
    token = MADE[text](sts_hook=seen.append, **FURTHER)
    fields = sas_signing.read(extent(text), Sensitive(token))
    assert fields
    assert "\n".join(sas_signing._signed(extent(text), fields)) == seen[0]
    own = sas_signing.made(extent(text), KEY, ENDS)
    assert sas_signing.is_made_from(extent(text), own, KEY)
    assert set(sas_signing.read(extent(text), own) or {}) == set(fields) - {"st", "sip"}


@pytest.mark.parametrize("text", MADE)
def test_a_forged_token_differs_from_the_real_one_in_its_signature_alone(text: str) -> None:
    token, source = Sensitive(MADE[text]()), sas_extent.canonical(f"{ACCOUNT}/{text}")
    rotator = SasScene().rotator()
    assert isinstance(rotator, StorageSas)
    forged = rotator.forged(source or "", token, "nobody's")
    real = sas_signing.read(extent(text), token) or {}
    assert sas_signing.read(extent(text), forged) == {**real, "sig": "nobody's"}


def test_the_page_names_what_the_name_of_a_blob_or_file_cannot_hold() -> None:
    printable = {chr(number) for number in range(ord("!"), 0x7F)} - {"/"}
    impossible = {it for it in printable if not sas_extent.SEGMENT.fullmatch(f"a{it}b")}
    (named,) = re.findall(r"cannot hold a space(.*?), and each of its\sparts", PAGE, re.DOTALL)
    assert set(re.findall(r"`(.)`", named)) == impossible
    for character in (*impossible, " ", "\t"):
        with pytest.raises(NeedsHuman, match="names a blob that an address cannot hold"):
            extent(f"sas/blob/uploads/a{character}b/r")


@pytest.mark.parametrize("text", MADE)
def test_a_signature_is_of_no_other_extent(text: str) -> None:
    token = Sensitive(MADE[text]())
    others = [
        *(other for other in MADE if other != text),
        text[:-1],
        text.replace("uploads", "others").replace("jobs", "tasks").replace("/b/", "/q/"),
    ]
    for other in others:
        assert not sas_signing.is_made_from(extent(other), token, KEY), other


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("sp=racwdl", "sp=racwd"),
        lambda text: text.replace("2027-02-03", "2028-02-03"),
        lambda text: text.replace("sr=c", "sr=b"),
        lambda text: f"{text}&sp=racwdl",
        lambda text: f"{text}&si=policy",
        lambda text: f"{text}&further=1",
        lambda text: f"{text}&further=",
        lambda text: f"{text}&st",
        lambda text: f"{text}&",
        lambda text: text.partition("&sig=")[0],
        lambda text: text + "%20",
        lambda text: "sv=2015-04-05&" + text.partition("&")[2],
        lambda _: "",
        lambda _: "nonsense",
        lambda _: "=&=",
    ],
)
def test_a_changed_signature_is_none(change: Callable[[str], str]) -> None:
    changed = Sensitive(change(container()))
    assert not sas_signing.is_made_from(extent("sas/container/uploads/racwdl"), changed, KEY)


@pytest.mark.parametrize(
    ("change", "is_bare"),
    [
        (lambda text: text, True),
        (lambda text: f"?{text}", True),
        (lambda _: "&".join(f"{name}=x" for name in EVERYTHING), True),
        (lambda text: f"{text}&further=1", False),
        (lambda text: f"{text}&further=", False),
        (lambda text: f"{text}&st", False),
        (lambda text: text.partition("&sig=")[0], False),
        (lambda text: f"https://appdata.blob.core.windows.net/uploads?{text}", False),
        (lambda _: "", False),
        (lambda _: "nonsense", False),
    ],
)
def test_a_bare_token_has_a_signature_and_nothing_that_is_unknown(
    change: Callable[[str], str], *, is_bare: bool
) -> None:
    assert sas_signing.is_token(change(container())) is is_bare


def test_a_signature_may_say_everything_that_there_is_to_say() -> None:
    token = container(
        **FURTHER,
        **HEADERS,
        content_disposition="inline",
        content_encoding="gzip",
        encryption_scope="finance",
        policy_id="weekly",
    )
    whole = extent("sas/container/uploads/racwdl")
    fields = sas_signing.read(whole, Sensitive(token))
    assert fields
    assert fields.keys() == sas_signing.FIELDS["container"]
    assert sas_signing.is_made_from(whole, Sensitive(token), KEY)


@pytest.mark.parametrize(
    ("version", "is_known"), [("2020-12-06", True), ("2020-12-05", False), ("", False)]
)
def test_a_signature_is_judged_from_the_version_on_that_signs_this_text(
    version: str, *, is_known: bool
) -> None:
    lines = ("raud", "", STAMP, "/table/acc1/orders", "", "", "https", version, "", "", "", "")
    rest = f"sv={version}&sp=raud&se={quote(STAMP)}&spr=https&sig={signed(*lines)}"
    token = Sensitive(f"tn=orders&{rest}")
    assert sas_signing.is_made_from(extent("sas/table/orders/raud"), token, KEY) is is_known


def test_a_key_that_is_none_has_made_nothing() -> None:
    token, whole = Sensitive(container()), extent("sas/container/uploads/racwdl")
    assert not sas_signing.is_made_from(whole, token, Sensitive("no base64!"))


def test_permissions_are_written_in_their_order_and_once() -> None:
    assert sas_extent.canonical(f"{ACCOUNT}/sas/container/UPLOADS/ldwr") == (
        f"{ACCOUNT}/sas/container/uploads/rwdl"
    )
    assert sas_extent.canonical(f"{ACCOUNT}/sas/account/qbb/cso/WR/") == (
        f"{ACCOUNT}/sas/account/bq/sco/rw"
    )
    assert sas_extent.canonical(f"{ACCOUNT}/sas/blob/uploads/In/A.txt/wr") == (
        f"{ACCOUNT}/sas/blob/uploads/In/A.txt/rw"
    )


@pytest.mark.parametrize(
    "text",
    [
        "sas",
        "sas/container/rl",
        "sas/tables/x/r",
        "sas/queue/a/b/r",
        "sas/account/b/rw",
        "sas/queue/a/r+a",
        "keys/1",
    ],
)
def test_what_is_built_otherwise_is_no_address(text: str) -> None:
    assert sas_extent.canonical(f"{ACCOUNT}/{text}") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sas/container/uploads/rq", "permissions"),
        ("sas/container/Up_Loads/r", "names no container"),
        ("sas/queue/jobs/rl", "permissions"),
        ("sas/blob/uploads/a,b/r", "names a blob"),
        ("sas/table/2orders/r", "names no table"),
        ("sas/table/orders/rw", "permissions"),
        ("sas/share/Re_ports/r", "names no share"),
        ("sas/file/reports/a,b/r", "names a file"),
        ("sas/file/reports/a/rl", "permissions"),
        ("sas/account/bx/sco/r", "services or types"),
        ("sas/account/b/z/r", "services or types"),
    ],
)
def test_an_extent_that_azure_does_not_have_is_refused_with_what_is_wrong(
    text: str, expected: str
) -> None:
    with pytest.raises(NeedsHuman, match=expected):
        extent(text)


async def proven(scene: SasScene, credential: Sensitive | None = None) -> RekeyError | None:
    """Prove a signature; the scene's own new one where none is named."""
    rotator, job = scene.rotator(), scene.job()
    try:
        token = credential or (await rotator.issue(job)).fields["sas"]
        await rotator.verify(job.source, "", token)
    except RekeyError as error:
        return error
    return None


@pytest.mark.parametrize(
    "text",
    [
        "sas/container/uploads/rl",
        "sas/container/uploads/w",
        "sas/container/missing/r",
        "sas/blob/uploads/a.txt/r",
        "sas/blob/uploads/a.txt/d",
        "sas/queue/jobs/r",
        "sas/queue/jobs/a",
        "sas/account/b/sco/rl",
        "sas/account/bqtf/sco/rl",
        "sas/account/b/co/rl",
        "sas/account/bq/o/w",
        "sas/account/q/s/r",
        "sas/account/t/s/r",
        "sas/account/tf/co/w",
        "sas/account/f/s/r",
        "sas/table/orders/r",
        "sas/table/orders/a",
        "sas/share/reports/l",
        "sas/share/reports/r",
        "sas/file/reports/2026/May.pdf/r",
        "sas/file/reports/a.pdf/w",
    ],
)
async def test_every_extent_is_proven_whatever_it_permits_and_a_made_up_signature_is_not(
    text: str,
) -> None:
    scene = SasScene(text)
    assert await proven(scene) is None
    issued = await scene.rotator().issue(scene.job())
    head, _, _ = issued.fields["sas"].reveal().partition("&sig=")
    forged = Sensitive(f"{head}&sig={'A' * 43}%3D")
    assert isinstance(await proven(scene, forged), VerificationFailed)
    assert all(
        exchange.request.method == "GET"
        for exchange in scene.rig.world.exchanges
        if exchange.request.host.startswith("appdata.")
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sas/account/b/sco/rl", "blob.core.windows.net/?restype=service&comp=properties"),
        ("sas/blob/uploads/a.txt/r", "blob.core.windows.net/uploads/a.txt?comp=metadata"),
        ("sas/queue/jobs/r", "queue.core.windows.net/jobs?comp=metadata"),
        (
            "sas/table/orders/r",
            "table.core.windows.net/orders(PartitionKey='rekey',RowKey='rekey')?$select=RowKey",
        ),
        ("sas/file/reports/a.pdf/r", "file.core.windows.net/reports/a.pdf?comp=metadata"),
    ],
)
async def test_a_proof_asks_for_properties_and_reads_no_content(text: str, target: str) -> None:
    scene = SasScene(text)
    assert await proven(scene) is None
    sent = [it.request for it in scene.rig.world.exchanges if it.request.host[:8] == "appdata."]
    assert {unquote(it.url.partition("&sv=")[0]) for it in sent} == {f"https://appdata.{target}"}
    assert {it.header("x-ms-version") for it in sent} == {sas_signing.VERSION}


async def test_a_signature_that_begins_later_counts_as_accepted_until_then() -> None:
    scene = SasScene()
    now = scene.rig.clock.now()
    starts = now + timedelta(hours=2)
    signed = Sensitive(scene.signed("key1", now + timedelta(days=10), starts=starts))
    rotator = scene.rotator()
    assert await rotator.accepts(scene.source, "", signed)
    scene.rig.clock.advance(timedelta(hours=3).total_seconds())
    assert await rotator.accepts(scene.source, "", signed)
    scene.account.keys["key1"] = scene.account.keys["key2"]
    assert not await rotator.accepts(scene.source, "", signed)


async def test_a_signature_that_has_expired_is_refused() -> None:
    scene = SasScene()
    token = Sensitive(scene.signed("key1", scene.rig.clock.now() + timedelta(hours=1)))
    assert await scene.rotator().accepts(scene.source, "", token)
    scene.rig.clock.advance(3600)
    assert not await scene.rotator().accepts(scene.source, "", token)


@pytest.mark.parametrize(
    ("change", "kind", "word"),
    [
        (lambda scene: vars(scene.account).update(allow_shared_key_access=False), NeedsHuman,
         "allowSharedKeyAccess"),
        (lambda scene: vars(scene.account).update(network_default_action="Deny"), AccessDenied,
         "firewall"),
        (SasScene.vanish, TransientError | NeedsHuman, ""),
    ],
    ids=["takes no keys", "refuses the app", "is gone"],
)  # fmt: skip
async def test_what_keeps_an_account_from_proving_anything_is_said(
    change: Callable[[SasScene], None], kind: type[RekeyError], word: str
) -> None:
    scene = SasScene()
    change(scene)
    problem = await proven(scene)
    assert isinstance(problem, kind)
    assert word in str(problem)


async def test_the_same_key_and_end_make_another_signature_than_the_one_held() -> None:
    scene = SasScene()
    job = scene.job()
    first = (await scene.rotator().issue(job)).fields["sas"]
    again = replace(job, held=first)
    assert (await scene.rotator().issue(again)).fields["sas"] != first


def test_a_group_that_is_called_sas_is_no_part_of_the_extent() -> None:
    account = ACCOUNT.replace("/g1/", "/sas/").replace("acc1", "sas")
    source = StorageSas.canonical(f"{account}/sas/blob/uploads/sas/container/r", {})
    assert source
    assert StorageSas.made_at(source) == account
    assert Extent.read(source).path == ("uploads", "sas", "container")


def test_a_request_that_holds_a_signature_shows_nothing_of_it() -> None:
    shown = repr(Signed("https://appdata.example/uploads?sig=planted", {"x": "planted"}))
    assert "planted" not in shown
