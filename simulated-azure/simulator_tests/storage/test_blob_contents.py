"""Containers and blobs through Microsoft's client.

The same on Azurite unless a test says why not.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobClient, ContainerClient

from simulator.clock import VirtualClock
from simulator_tests.storage.places import SimulatedStorage, Storage, refused


async def test_the_service_tells_its_properties(storage: Storage) -> None:
    properties = await storage.blobs.get_service_properties()
    assert properties["cors"] == []
    assert properties["hour_metrics"].version == "1.0"


async def test_what_was_put_comes_back_with_content_type_and_metadata(
    container: ContainerClient,
) -> None:
    settings = ContentSettings(content_type="text/plain", cache_control="no-store")
    blob = await container.upload_blob(
        "a folder/ü+1", b"hello", metadata={"owner": "shop"}, content_settings=settings
    )
    properties = await blob.get_blob_properties()
    assert (properties.size, properties.metadata, properties.blob_type) == (
        5,
        {"owner": "shop"},
        "BlockBlob",
    )
    assert (
        properties.content_settings.content_type,
        properties.content_settings.cache_control,
    ) == (
        "text/plain",
        "no-store",
    )
    assert await (await blob.download_blob()).readall() == b"hello"


async def test_an_empty_blob_can_be_read(container: ContainerClient) -> None:
    blob = await container.upload_blob("empty", b"")
    assert await (await blob.download_blob()).readall() == b""


async def test_a_range_is_read_alone(blob: BlobClient) -> None:
    assert await (await blob.download_blob(offset=1, length=3)).readall() == b"wne"


async def test_a_range_beyond_the_end_is_refused(timed_blob: BlobClient) -> None:
    """Azurite answers with no bytes; Azure documents 416."""
    assert await refused(timed_blob.download_blob(offset=5, length=1)) == (416, "InvalidRange")


async def test_a_blob_is_not_overwritten_unless_asked(blob: BlobClient) -> None:
    assert await refused(blob.upload_blob(b"again")) == (409, "BlobAlreadyExists")
    await blob.upload_blob(b"again", overwrite=True)
    assert await (await blob.download_blob()).readall() == b"again"


async def test_a_write_on_condition_needs_the_etag_of_now(blob: BlobClient) -> None:
    seen = (await blob.get_blob_properties()).etag
    unchanged: dict[str, Any] = {"etag": seen, "match_condition": MatchConditions.IfNotModified}
    await blob.set_blob_metadata({"turn": "1"}, **unchanged)
    assert await refused(blob.set_blob_metadata({"turn": "2"}, **unchanged)) == (
        412,
        "ConditionNotMet",
    )
    assert await refused(blob.upload_blob(b"x", overwrite=True, **unchanged)) == (
        412,
        "ConditionNotMet",
    )
    assert (await blob.get_blob_properties()).metadata == {"turn": "1"}


async def test_a_read_of_what_did_not_change_answers_304(blob: BlobClient) -> None:
    seen = (await blob.get_blob_properties()).etag
    changed: dict[str, Any] = {"etag": seen, "match_condition": MatchConditions.IfModified}
    assert (await refused(blob.download_blob(**changed)))[0] == 304


async def test_what_does_not_exist_is_not_found(
    storage: Storage, container: ContainerClient
) -> None:
    missing = container.get_blob_client("missing")
    assert await refused(missing.download_blob()) == (404, "BlobNotFound")
    assert await refused(missing.get_blob_properties()) == (404, "BlobNotFound")
    assert await refused(missing.delete_blob()) == (404, "BlobNotFound")
    nowhere = storage.blobs.get_container_client(f"c{uuid.uuid4().hex}")
    assert await refused(nowhere.get_container_properties()) == (404, "ContainerNotFound")
    assert await refused(nowhere.delete_container()) == (404, "ContainerNotFound")
    assert await refused(nowhere.upload_blob("lock", b"x")) == (404, "ContainerNotFound")


async def test_a_deleted_blob_is_gone(blob: BlobClient) -> None:
    await blob.delete_blob()
    assert await refused(blob.get_blob_properties()) == (404, "BlobNotFound")


async def test_a_container_is_created_once(storage: Storage, container: ContainerClient) -> None:
    again = storage.blobs.create_container(container.container_name)
    assert await refused(again) == (409, "ContainerAlreadyExists")
    assert await container.exists()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Upper", "InvalidResourceName"),
        ("two--hyphens", "InvalidResourceName"),
        ("ab", "OutOfRangeInput"),
    ],
)
async def test_a_name_that_no_container_can_have_is_refused(
    storage: Storage, name: str, code: str
) -> None:
    assert await refused(storage.blobs.create_container(name)) == (400, code)


async def test_blobs_are_listed_in_pages_by_name(container: ContainerClient) -> None:
    for name in ("b", "a", "c", "x"):
        await container.upload_blob(name, b"", metadata={"name": name})
    pages = container.list_blobs(include=["metadata"], results_per_page=2).by_page()
    listed = [[(item.name, item.metadata) async for item in page] async for page in pages]
    assert [[name for name, _ in page] for page in listed] == [["a", "b"], ["c", "x"]]
    assert listed[1][1] == ("x", {"name": "x"})
    assert [item.name async for item in container.list_blobs(name_starts_with="c")] == ["c"]


async def test_containers_are_listed(storage: Storage, container: ContainerClient) -> None:
    assert container.container_name in [
        container.name async for container in storage.blobs.list_containers()
    ]


async def test_the_name_of_a_deleted_container_is_taken_for_half_a_minute(
    simulated: SimulatedStorage,
) -> None:
    """Azurite frees the name at once; Azure documents at least 30 seconds."""
    await simulated.blobs.create_container("locks")
    await simulated.blobs.delete_container("locks")
    simulated.clock.advance(29)
    assert await refused(simulated.blobs.create_container("locks")) == (
        409,
        "ContainerBeingDeleted",
    )
    simulated.clock.advance(1)
    assert await (await simulated.blobs.create_container("locks")).exists()


async def test_a_write_changes_etag_and_last_modified(
    timed_blob: BlobClient, clock: VirtualClock
) -> None:
    before = await timed_blob.get_blob_properties()
    clock.advance(60)
    await timed_blob.set_blob_metadata({"owner": "shop"})
    after = await timed_blob.get_blob_properties()
    assert after.etag != before.etag
    assert (after.last_modified - before.last_modified).total_seconds() == 60


async def test_a_write_since_a_moment_is_refused(
    timed_blob: BlobClient, clock: VirtualClock
) -> None:
    seen = (await timed_blob.get_blob_properties()).last_modified
    clock.advance(60)
    await timed_blob.set_blob_metadata({"turn": "1"}, if_unmodified_since=seen)
    assert await refused(timed_blob.set_blob_metadata({}, if_unmodified_since=seen)) == (
        412,
        "ConditionNotMet",
    )


async def test_an_operation_that_is_not_simulated_is_refused_and_not_ignored(
    timed_blob: BlobClient,
) -> None:
    assert await refused(timed_blob.create_snapshot()) == (400, "InvalidQueryParameterValue")
    assert await refused(timed_blob.create_append_blob()) == (400, "InvalidHeaderValue")
