"""Leases as Microsoft's client meets them.

What needs no time runs on Azurite too, with the same statuses and codes.
"""

from __future__ import annotations

import uuid

import pytest
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

from simulator.clock import VirtualClock
from simulator_tests.storage.places import refused

OTHER = "11111111-2222-4333-8444-555555555555"


def other_lease(blob: BlobClient) -> BlobLeaseClient:
    return BlobLeaseClient(blob, OTHER)


async def state(blob: BlobClient) -> tuple[str | None, str | None, str | None]:
    lease = (await blob.get_blob_properties()).lease
    return lease.state, lease.status, lease.duration


async def test_a_held_lease_is_refused_to_everybody_else(blob: BlobClient) -> None:
    await blob.acquire_lease(15)
    assert await refused(blob.acquire_lease(15)) == (409, "LeaseAlreadyPresent")
    assert await refused(blob.acquire_lease(-1, lease_id=OTHER)) == (409, "LeaseAlreadyPresent")
    assert await state(blob) == ("leased", "locked", "fixed")


async def test_the_holder_may_acquire_again_with_another_duration(blob: BlobClient) -> None:
    lease = await blob.acquire_lease(15)
    again = await blob.acquire_lease(-1, lease_id=lease.id)
    assert again.id == lease.id
    assert await state(blob) == ("leased", "locked", "infinite")


@pytest.mark.parametrize("seconds", [0, 14, 61, -2])
async def test_a_lease_shorter_than_15_or_longer_than_60_seconds_is_refused(
    blob: BlobClient, seconds: int
) -> None:
    assert await refused(blob.acquire_lease(seconds)) == (400, "InvalidHeaderValue")
    assert await state(blob) == ("available", "unlocked", None)


@pytest.mark.parametrize("seconds", [15, 60])
async def test_leases_of_15_and_60_seconds_are_granted(blob: BlobClient, seconds: int) -> None:
    assert uuid.UUID((await blob.acquire_lease(seconds)).id)


async def test_a_released_lease_is_free_for_the_next_and_gone_for_the_former_holder(
    blob: BlobClient,
) -> None:
    lease = await blob.acquire_lease(60)
    # Microsoft's client forgets the id when it releases, so a second one stands for the former
    # holder.
    former = BlobLeaseClient(blob, lease.id)
    await lease.release()
    assert await refused(former.renew()) == (409, "LeaseIdMismatchWithLeaseOperation")
    assert await refused(former.release()) == (409, "LeaseIdMismatchWithLeaseOperation")
    assert await refused(former.change(OTHER)) == (409, "LeaseNotPresentWithLeaseOperation")
    assert await refused(former.break_lease()) == (409, "LeaseNotPresentWithLeaseOperation")
    assert (await blob.acquire_lease(15)).id != former.id


async def test_only_the_holder_renews_changes_and_releases(blob: BlobClient) -> None:
    await blob.acquire_lease(15)
    stranger = other_lease(blob)
    expected = (409, "LeaseIdMismatchWithLeaseOperation")
    assert await refused(stranger.renew()) == expected
    assert await refused(stranger.change(str(uuid.uuid4()))) == expected
    assert await refused(stranger.release()) == expected


async def test_a_changed_lease_answers_to_its_new_id_only(blob: BlobClient) -> None:
    lease = await blob.acquire_lease(15)
    former = BlobLeaseClient(blob, lease.id)
    await lease.change(OTHER)
    assert lease.id == OTHER
    assert await refused(former.renew()) == (409, "LeaseIdMismatchWithLeaseOperation")
    await former.change(OTHER)
    await lease.renew()


async def test_a_breaking_lease_can_be_neither_renewed_nor_changed_nor_acquired(
    blob: BlobClient,
) -> None:
    lease = await blob.acquire_lease(60)
    assert await lease.break_lease(30) in {29, 30}
    assert await refused(lease.renew()) == (409, "LeaseIsBrokenAndCannotBeRenewed")
    assert await refused(other_lease(blob).renew()) == (409, "LeaseIdMismatchWithLeaseOperation")
    assert await refused(lease.change(OTHER)) == (409, "LeaseIsBreakingAndCannotBeChanged")
    assert await refused(blob.acquire_lease(15)) == (409, "LeaseAlreadyPresent")
    assert await refused(blob.acquire_lease(15, lease_id=lease.id)) == (
        409,
        "LeaseIsBreakingAndCannotBeAcquired",
    )
    assert await state(blob) == ("breaking", "locked", None)


async def test_a_breaking_lease_can_be_released(blob: BlobClient) -> None:
    lease = await blob.acquire_lease(60)
    await lease.break_lease(30)
    await lease.release()
    assert await state(blob) == ("available", "unlocked", None)


async def test_a_lease_broken_at_once_is_free_for_anybody(blob: BlobClient) -> None:
    lease = await blob.acquire_lease(60)
    assert await lease.break_lease(0) == 0
    assert await state(blob) == ("broken", "unlocked", None)
    assert await refused(lease.renew()) == (409, "LeaseIsBrokenAndCannotBeRenewed")
    assert await refused(lease.change(OTHER)) == (409, "LeaseNotPresentWithLeaseOperation")
    assert await lease.break_lease(10) == 0
    assert (await blob.acquire_lease(15, lease_id=OTHER)).id == OTHER


async def test_an_infinite_lease_breaks_at_once_unless_a_period_is_given(blob: BlobClient) -> None:
    lease = await blob.acquire_lease(-1)
    assert await lease.break_lease() == 0
    assert await state(blob) == ("broken", "unlocked", None)


@pytest.mark.parametrize("period", [-1, 61])
async def test_a_break_period_outside_0_to_60_is_refused(blob: BlobClient, period: int) -> None:
    lease = await blob.acquire_lease(60)
    assert await refused(lease.break_lease(period)) == (400, "InvalidHeaderValue")


async def test_a_leased_blob_is_written_with_its_lease_only(blob: BlobClient) -> None:
    lease = await blob.acquire_lease(15)
    assert await refused(blob.upload_blob(b"thief", overwrite=True)) == (412, "LeaseIdMissing")
    assert await refused(blob.set_blob_metadata({"owner": "thief"})) == (412, "LeaseIdMissing")
    assert await refused(blob.delete_blob()) == (412, "LeaseIdMissing")
    wrong = other_lease(blob)
    expected = (412, "LeaseIdMismatchWithBlobOperation")
    assert await refused(blob.upload_blob(b"thief", overwrite=True, lease=wrong)) == expected
    assert await refused(blob.set_blob_metadata({"owner": "thief"}, lease=wrong)) == expected
    assert await refused(blob.delete_blob(lease=wrong)) == expected
    await blob.upload_blob(b"holder", overwrite=True, lease=lease)
    await blob.set_blob_metadata({"owner": "holder"}, lease=lease)
    assert await (await blob.download_blob(lease=lease)).readall() == b"holder"
    assert await state(blob) == ("leased", "locked", "fixed")


async def test_reading_needs_no_lease_but_refuses_a_wrong_one(blob: BlobClient) -> None:
    expected = (412, "LeaseNotPresentWithBlobOperation")
    assert (
        await refused(blob.set_blob_metadata({"owner": "me"}, lease=other_lease(blob))) == expected
    )
    await blob.acquire_lease(15)
    assert await (await blob.download_blob()).readall() == b"owner"
    wrong = other_lease(blob)
    assert await refused(blob.download_blob(lease=wrong)) == (
        412,
        "LeaseIdMismatchWithBlobOperation",
    )


async def test_lease_operations_change_neither_etag_nor_last_modified(blob: BlobClient) -> None:
    before = await blob.get_blob_properties()
    lease = await blob.acquire_lease(15)
    await lease.renew()
    await lease.change(OTHER)
    await lease.break_lease(0)
    await lease.release()
    after = await blob.get_blob_properties()
    assert (after.etag, after.last_modified) == (before.etag, before.last_modified)
    assert lease.etag == before.etag


async def test_a_missing_blob_cannot_be_leased(blob: BlobClient) -> None:
    await blob.delete_blob()
    assert await refused(blob.acquire_lease(15)) == (404, "BlobNotFound")


async def test_a_proposed_id_that_is_no_guid_is_refused(timed_blob: BlobClient) -> None:
    """Azurite takes any text here; the service's documentation asks for a GUID."""
    assert await refused(timed_blob.acquire_lease(15, lease_id="mine")) == (
        400,
        "InvalidHeaderValue",
    )


@pytest.mark.parametrize(("waited", "expected"), [(14.9, "leased"), (15, "expired")])
async def test_a_lease_expires_exactly_at_its_end(
    timed_blob: BlobClient, clock: VirtualClock, waited: float, expected: str
) -> None:
    await timed_blob.acquire_lease(15)
    clock.advance(waited)
    assert (await state(timed_blob))[0] == expected


async def test_an_expired_lease_is_free_for_the_next_and_lost_for_its_holder(
    timed_blob: BlobClient, clock: VirtualClock
) -> None:
    lease = await timed_blob.acquire_lease(15)
    clock.advance(15)
    expected = (412, "LeaseLost")
    assert await refused(timed_blob.upload_blob(b"late", overwrite=True, lease=lease)) == expected
    assert await refused(timed_blob.get_blob_properties(lease=lease)) == expected
    await timed_blob.acquire_lease(15, lease_id=OTHER)
    assert await refused(lease.renew()) == (409, "LeaseIdMismatchWithLeaseOperation")
    assert await refused(timed_blob.upload_blob(b"late", overwrite=True, lease=lease)) == (
        412,
        "LeaseIdMismatchWithBlobOperation",
    )


async def test_an_expired_lease_can_be_renewed_while_nobody_has_written(
    timed_blob: BlobClient, clock: VirtualClock
) -> None:
    lease = await timed_blob.acquire_lease(15)
    clock.advance(100)
    assert await refused(other_lease(timed_blob).renew()) == (
        409,
        "LeaseIdMismatchWithLeaseOperation",
    )
    await lease.renew()
    assert (await state(timed_blob))[0] == "leased"


async def test_an_expired_lease_cannot_be_renewed_once_somebody_has_written(
    timed_blob: BlobClient, clock: VirtualClock
) -> None:
    lease = await timed_blob.acquire_lease(15)
    clock.advance(15)
    await timed_blob.upload_blob(b"next", overwrite=True)
    assert await refused(lease.renew()) == (409, "LeaseIdMismatchWithLeaseOperation")
    assert (await state(timed_blob))[0] == "available"


async def test_renewing_starts_the_whole_duration_again(
    timed_blob: BlobClient, clock: VirtualClock
) -> None:
    lease = await timed_blob.acquire_lease(20)
    clock.advance(19)
    await lease.renew()
    clock.advance(19)
    assert (await state(timed_blob))[0] == "leased"
    clock.advance(1)
    assert (await state(timed_blob))[0] == "expired"


async def test_an_infinite_lease_never_expires(timed_blob: BlobClient, clock: VirtualClock) -> None:
    await timed_blob.acquire_lease(-1)
    clock.advance(10 * 365 * 24 * 3600)
    assert await refused(timed_blob.acquire_lease(15)) == (409, "LeaseAlreadyPresent")


@pytest.mark.parametrize(("period", "left"), [(None, 40), (5, 5), (60, 40)])
async def test_a_break_period_never_outlasts_the_lease(
    timed_blob: BlobClient, clock: VirtualClock, period: int | None, left: int
) -> None:
    lease = await timed_blob.acquire_lease(60)
    clock.advance(20)
    assert await lease.break_lease(period) == left
    clock.advance(left - 1)
    assert (await state(timed_blob))[0] == "breaking"
    clock.advance(1)
    assert (await state(timed_blob))[0] == "broken"
    assert await refused(timed_blob.set_blob_metadata({}, lease=lease)) == (412, "LeaseLost")


async def test_a_break_period_can_be_shortened_but_not_prolonged(
    timed_blob: BlobClient, clock: VirtualClock
) -> None:
    lease = await timed_blob.acquire_lease(-1)
    await lease.break_lease(30)
    assert await lease.break_lease(60) == 30
    assert await lease.break_lease(10) == 10
    clock.advance(10)
    assert (await state(timed_blob))[0] == "broken"
