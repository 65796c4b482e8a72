"""Look at a region before a deployment, as whoever deploys."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from cli.session import Connections, signed_in
from cli.setup.region import region_problems
from engine.errors import RekeyError
from scripts.az import AzError, az
from scripts.deploying.patience import StepError, say
from scripts.deploying.signin import ARM, arm_endpoint, choose_sign_in


def look(location: str) -> Sequence[str]:
    """Return why the app cannot run in a region of the subscription of `az`; raises StepError."""
    choose_sign_in()
    try:
        subscription = str(az("account", "show")["id"])
    except AzError as error:
        raise StepError(str(error)) from None
    env = {**os.environ, ARM: arm_endpoint()}
    return asyncio.run(_looked_at(env, subscription, location))


def look_as(env: Mapping[str, str]) -> Callable[[], Sequence[str]]:
    """Return what looks at the region of azd's environment."""
    place = (env["AZURE_SUBSCRIPTION_ID"], env.get("AZURE_LOCATION", ""))
    return lambda: asyncio.run(_looked_at(env, *place)) if all(place) else ()


async def _looked_at(env: Mapping[str, str], subscription: str, location: str) -> Sequence[str]:
    """Return what is wrong; nothing, and that is said, where Azure does not tell."""
    async with signed_in(env, Connections()) as azure:
        try:
            return await region_problems(azure, subscription, location)
        except RekeyError as error:
            say(f"region: {location} was not looked at: {error.what}")
            return ()
