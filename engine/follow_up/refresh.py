"""The apps that use a secret: Rekey refreshes them, and waits for them before it retires.

They never undo or delay a rotation. A refresh is a message of its own, posted when the rotation
has ended. The daily audit posts it again while a version is young, so nothing is lost if a worker
died in between. Before a leaked credential stops working, apps are told at once, or first, as the
policy says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from engine.errors import NeedsHuman, PermanentError, RekeyError, TransientError
from engine.parts import Parts
from engine.ports import Apps
from engine.secret import SecretRef, Version
from engine.state.decision import Retire, Wait
from engine.state.due import due_reason
from engine.state.policy import Policy
from engine.state.request import FollowUp, TaskOutcome, Tries, WorkItem
from engine.state.tags import unfinished_incident

log = logging.getLogger("rekey.follow_up")

REFRESHED_FOR = timedelta(days=14)
"""How long after a version was written its consumers are refreshed."""
LONGEST_TIMEOUT = timedelta(days=7)
"""How long at most a retirement waits, after the overlap, for apps that still use the old value."""
LAGGING_SECONDS = 20.0
"""How long a retirement takes at most to find such apps."""
LOOKED_FOR = timedelta(hours=5)
"""For how long it is checked whether an app uses the version that it was refreshed for."""
FIRST_LOOK, LAST_LOOK = 60.0, 3600.0
"""Seconds until the next check whether an app uses a version: about doubled each time, up to an hour."""
MOST_APPS = 10
"""How many apps a reason names."""
PAUSE = 5.0
"""Seconds between two checks while what leaked waits for the apps."""
APPS_SECONDS = 15.0
"""How long such a check may take: the lease on the source must outlast it."""


def named(policy: Policy, *refs: SecretRef) -> tuple[str, ...]:
    """Return the ids (lower case) of the apps that use one of these secrets."""
    return tuple(dict.fromkeys(app.lower() for ref in refs for app in policy.consumers(ref)))


async def refresh(parts: Parts, task: FollowUp, secret: Version) -> TaskOutcome:
    """Make every app that uses a secret use its current version.

    Raises TransientError for what may pass by itself.
    """
    apps = _meant(parts, task)
    if not apps or not secret.enabled or parts.clock.now() - secret.created > REFRESHED_FOR:
        return TaskOutcome(task, "skipped", "no app is to be refreshed", version=secret.version)
    refreshes = (ask(parts, app, secret, first=not task.since) for app in apps)
    answers = dict(zip(apps, await asyncio.gather(*refreshes), strict=True))
    problems = {app: answer for app, answer in answers.items() if isinstance(answer, RekeyError)}
    waiting = [app for app, used in answers.items() if not used]
    if problems or waiting:
        return await _unfinished(parts, task, secret, problems, waiting)
    return TaskOutcome(task, "refreshed", f"apps refreshed: {len(apps)}", version=secret.version)


async def ask(parts: Parts, app: str, secret: Version, *, first: bool) -> bool | RekeyError:
    """Refresh one app; return whether it is done, or its error, so the others still run."""
    if not parts.policy.allows(secret.ref.vault, app):
        return NeedsHuman(
            f"the app is not among the consumers of vault {secret.ref.vault}",
            fix="add the app to the vault's consumers in the template, or remove it from the policy",
        )
    try:
        return parts.apps is None or await parts.apps.refresh(app, secret, ask=first)
    except RekeyError as error:
        return error


def _meant(parts: Parts, task: FollowUp) -> list[str]:
    """Return the apps that a task is about: those that it names, or all that use the secret."""
    return [app for app in named(parts.policy, task.ref) if not task.to or app in task.to.split()]


async def _unfinished(
    parts: Parts,
    task: FollowUp,
    secret: Version,
    problems: Mapping[str, RekeyError],
    waiting: Sequence[str],
) -> TaskOutcome:
    """Come back to the apps that may still be done; report at once those that are given up."""
    passing = {app: it for app, it in problems.items() if isinstance(it, TransientError)}
    wait = max((it.retry_after for it in passing.values() if it.retry_after), default=None)
    if [*passing] == _meant(parts, task):
        what, fix = _explained(parts, task, problems, waiting)
        raise TransientError(what, fix=fix, retry_after=wait)
    if await _go_on(parts, task, [*passing], waiting, wait):
        lasting = {app: it for app, it in problems.items() if app not in passing}
        if not lasting:
            what, _ = _explained(parts, task, problems, waiting)
            return TaskOutcome(task, "waiting", what, version=secret.version)
        problems, waiting = lasting, ()
    what, fix = _explained(parts, task, problems, waiting)
    return TaskOutcome(task, "unrefreshed", what, fix, version=secret.version)


def _explained(
    parts: Parts, task: FollowUp, problems: Mapping[str, RekeyError], waiting: Sequence[str]
) -> tuple[str, str]:
    """Return what is not done, and the fix, if there is one."""
    texts, fixes = list[str](), [problem.fix for problem in problems.values()]
    if problems:
        count = len(named(parts.policy, task.ref))
        reasons = [f"{app}: {problem.what}" for app, problem in problems.items()]
        texts.append(f"{len(problems)} of {count} apps not refreshed: {_first(reasons, '; ')}")
    if waiting:
        texts.append(f"not seen to use the new version yet: {_first(waiting)}")
        fixes.append("see whether the app starts, and restart it")
    return "; ".join(texts), next(filter(None, fixes), "")


def _first(texts: Sequence[str], between: str = ", ") -> str:
    """Return the first of many texts and how many more there are, so that a log keeps it whole."""
    more = [f"and {len(texts) - MOST_APPS} more"] if texts[MOST_APPS:] else []
    return between.join([*texts[:MOST_APPS], *more])


async def _go_on(
    parts: Parts, task: FollowUp, passing: Sequence[str], waiting: Sequence[str], wait: float | None
) -> bool:
    """Come back later to those who may still be done, unless it is too late; return whether it does.

    An app that could not be asked is asked by a message of its own: no other is refreshed again.
    """
    now = parts.clock.now()
    since = task.since or now.isoformat()
    age = now - datetime.fromisoformat(since)
    if age >= LOOKED_FOR:
        return False
    if not task.since:
        await _post(parts, replace(task, to=" ".join(passing)), wait or 0.0)
        passing = ()
    delay = max(min(FIRST_LOOK + age.total_seconds(), LAST_LOOK), wait or 0.0)
    await _post(parts, replace(task, to=" ".join([*waiting, *passing]), since=since), delay)
    return True


async def _post(parts: Parts, task: FollowUp, delay: float) -> None:
    """Post a task again, if it is about any app. Azure may put each try off anew."""
    if task.to:
        await parts.queue.post_rotation(replace(task, tries=Tries()), delay)


async def hold_back(
    parts: Parts, secret: Version, item: WorkItem, decision: Retire, refs: Sequence[SecretRef]
) -> Wait | None:
    """Return until when a retirement waits for apps known to use an older version; None if not.

    `refs`: the secrets whose apps are asked. It waits within `patience`, and never for an app of
    which nothing is known.
    """
    until = patience(parts, secret, item, decision)
    if until is None:
        return None
    pending = decision.pending
    if not (lagging := await _lagging(parts, secret, refs)):
        return None
    apps, ends = _first(lagging), f"{until:%Y-%m-%d %H:%M}Z"
    return Wait(
        until,
        f"{pending.credential_id} is kept until {ends}: an older version is used by {apps}",
        "refresh the app, or send force to retire it now",
    )


def patience(parts: Parts, secret: Version, item: WorkItem, decision: Retire) -> datetime | None:
    """Return until when a retirement may wait for who still uses what is superseded; None if not.

    It waits at most as long again as the overlap was, and at most a week. Then the credential is
    retired, as its owner asked. A compromised credential is never waited for.
    """
    if item.compromised or item.force or unfinished_incident(secret):
        return None
    if due_reason(secret, decision.managed, parts.clock.now()):
        # The next rotation has to wait for this retirement, and no app may delay a rotation.
        return None
    until = timeout_of(decision, secret.created)
    return until if parts.clock.now() < until else None


def timeout_of(decision: Retire, since: datetime) -> datetime:
    """Return until when a retirement waits at most: as long again as the overlap, which began then.

    Who wrote the same value again after it did not make it shorter.
    """
    ends = decision.pending.at
    return ends + min(ends - since if since < ends else decision.managed.overlap, LONGEST_TIMEOUT)


async def _lagging(parts: Parts, secret: Version, refs: Sequence[SecretRef]) -> list[str]:
    """Return the apps known to use an older version, as far as that is found out in time."""
    lagging = set[str]()
    with suppress(TimeoutError):
        async with asyncio.timeout(LAGGING_SECONDS):
            await asyncio.gather(*(_add_lagging(parts, ref, secret, lagging) for ref in refs))
    return sorted(lagging)


async def _add_lagging(parts: Parts, ref: SecretRef, secret: Version, lagging: set[str]) -> None:
    """Add the apps that lag, each as it answers: one that is silent hides no other."""
    apps = [app for app in named(parts.policy, ref) if parts.policy.allows(ref.vault, app)]
    if not apps or parts.apps is None:
        return
    with suppress(PermanentError):
        current = secret if ref == secret.ref else await parts.vaults.read(ref)
        await asyncio.gather(*(_add(parts.apps, app, current, lagging) for app in apps))


async def _add(apps: Apps, app: str, secret: Version, lagging: set[str]) -> None:
    with suppress(RekeyError):
        if await apps.lags(app, secret):
            lagging.add(app)


async def give(
    parts: Parts, item: WorkItem, refs: Sequence[SecretRef], keep: Callable[[], Awaitable[None]]
) -> None:
    """Refresh the apps of these secrets until they use the current versions, or the grace is over.

    `keep` renews the lease.
    """
    since = item.seconds_since_report(parts.clock.now())
    grace = max((parts.policy.grace(ref).total_seconds() for ref in refs), default=0.0)
    if since is None or since >= grace:
        return
    ends = parts.clock.monotonic() + grace - since
    with parts.reporter.step("refresh"):
        waiting, first = await _read(parts, refs), True
        while waiting:
            await keep()
            waiting, first = await _ask(parts, waiting, first=first), False
            if not waiting or parts.clock.monotonic() + PAUSE >= ends:
                break
            await parts.clock.sleep(PAUSE)


async def _read(parts: Parts, refs: Sequence[SecretRef]) -> list[tuple[str, Version]]:
    """Return each app with the secret that it uses; what cannot be read is refreshed later."""
    pairs = list[tuple[str, Version]]()
    for ref in refs:
        if apps := named(parts.policy, ref):
            try:
                secret = (await parts.vaults.read(ref)).bare
            except RekeyError as error:
                log.warning("the apps of %s are not refreshed first: %s", ref, error)
                continue
            pairs += [(app, secret) for app in apps]
    return pairs


async def _ask(
    parts: Parts, pairs: Sequence[tuple[str, Version]], *, first: bool
) -> list[tuple[str, Version]]:
    """Ask every app, and return those that are to be waited for.

    One that fails, or is silent, is left to the task.
    """
    waiting = list[tuple[str, Version]]()

    async def look(app: str, secret: Version) -> None:
        if await ask(parts, app, secret, first=first) is False:
            waiting.append((app, secret))

    with suppress(TimeoutError):
        async with asyncio.timeout(APPS_SECONDS):
            await asyncio.gather(*(look(app, secret) for app, secret in pairs))
    return waiting
