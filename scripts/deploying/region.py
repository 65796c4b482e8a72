"""Look at a region before a deployment, as whoever deploys."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from cli.session import Parts, signed_in
from cli.setup.region import region_problems
from cloud.azure import Azure
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
    return asyncio.run(_look(subscription, location, {**os.environ, ARM: arm_endpoint()}))


async def _look(subscription: str, location: str, env: Mapping[str, str]) -> Sequence[str]:
    async with signed_in(env, Parts()) as azure:
        return await looked_at(azure, subscription, location)


async def looked_at(azure: Azure, subscription: str, location: str) -> Sequence[str]:
    """Return why the app cannot run there; nothing, and that is said, where Azure does not tell."""
    try:
        return await region_problems(azure, subscription, location)
    except RekeyError as error:
        say(f"region: {location} was not looked at: {error.what}")
        return []
