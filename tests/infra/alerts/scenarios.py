"""For each alert what makes it fire, and what comes near to that and must not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from tests.infra.alerts import further, scenes
from tests.infra.alerts.stage import Stage

type Scene = Callable[[Stage], Coroutine[None, None, None]]


@dataclass(frozen=True)
class Pair:
    """After each scene of the first kind the alert fires, after each of the second it does not."""

    fires: tuple[Scene, ...]
    quiet: tuple[Scene, ...]


SCENES = {
    "expiring": Pair((scenes.expires_in_three_days,), (scenes.expired_soon_and_was_rotated_since,)),
    "parked": Pair(
        (scenes.cannot_be_followed,),
        (
            scenes.is_rotated,
            scenes.leaks_and_is_refused,
            scenes.fails_twice_and_is_rotated,
            scenes.was_parked_an_hour_ago,
        ),
    ),
    "dropped": Pair(
        (scenes.loses_its_tags,), (scenes.gets_its_tags_back, scenes.was_never_managed)
    ),
    "policy": Pair(
        (scenes.has_a_policy_that_cannot_be_followed, scenes.has_no_policy_that_can_be_read),
        (scenes.has_a_policy,),
    ),
    "errands": Pair(
        (scenes.is_not_taken_by_its_app, scenes.has_an_owner_who_cannot_be_told),
        (scenes.is_taken_by_its_app_and_told_of, scenes.is_followed_at_last),
    ),
    "failing": Pair((scenes.fails_three_times,), (scenes.fails_twice_and_is_rotated,)),
    "poison": Pair(
        (scenes.cannot_be_read, further.has_messages_given_up, further.is_swept_by_its_timer),
        (scenes.fails_three_times,),
    ),
    "deadletters": Pair((further.is_swept_by_its_timer,), (scenes.is_rotated,)),
    "undelivered": Pair((scenes.is_not_delivered,), (scenes.something_else_is_stored,)),
    "unswept": Pair(
        (
            scenes.was_swept_four_hours_ago,
            scenes.is_rotated,
            scenes.has_a_timer_that_asks_for_nothing,
        ),
        (scenes.was_swept_two_hours_ago,),
    ),
    "drift": Pair((scenes.was_regenerated_by_hand,), (scenes.is_audited,)),
    "denied": Pair(
        (scenes.has_lost_its_role, scenes.is_asked_by_a_stranger),
        (scenes.cannot_be_followed, scenes.is_asked_by_an_operator),
    ),
    "unreliable": Pair(
        (scenes.eight_of_nine_end_well, scenes.fails_three_times),
        (scenes.nine_of_ten_end_well, scenes.is_rotated),
    ),
    "slow": Pair((scenes.takes_longer_than_two_minutes,), (scenes.takes_as_long_as_a_key_spreads,)),
    "costly": Pair((scenes.costs_more_than_a_cent,), (scenes.costs_less_than_a_cent,)),
    "throttled": Pair((scenes.is_throttled_for_half_an_hour,), (scenes.is_throttled_for_less,)),
}
"""Every alert has its scenes here: one without fails the test."""

FURTHER = (
    further.lives_on,
    further.comes_by_event,
    further.is_restored,
    further.is_an_application,
    further.is_an_administrators_password,
    further.is_followed_by_errands,
    further.is_swept_by_its_timer,
    further.has_messages_given_up,
)


def every() -> dict[str, Scene]:
    alerts = [scene for pair in SCENES.values() for scene in (*pair.fires, *pair.quiet)]
    return {scene.__name__: scene for scene in (*alerts, *FURTHER)}
