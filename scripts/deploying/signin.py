"""The deployer's sign-in: that of `az`, with which the template is deployed, or of azd in its hooks.

Nothing else is tried. A machine in Azure has an identity of its own, which would act for half of a
deployment, and be refused.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from cli.session import SLOW
from cloud.settings import ARM_ENDPOINT
from scripts.az import AzError, cloud
from scripts.deploying.patience import StepError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError

CHOICE = "AZURE_TOKEN_CREDENTIALS"
"""The variable of azure-identity that names the one source of a sign-in."""
OF_AZ = "AzureCliCredential"
ARM = "REKEY_ARM_ENDPOINT"
"""The variable that names Resource Manager."""
FIX = "sign in with az login; under azd with azd auth login"
SECOND_FACTOR = re.compile(r"\b(az|azd auth) login --claims-challenge \S+")
"""The command that azure-identity names where Azure asks for a second factor: since October 2025 it
takes no change from whoever signed in without one (https://github.com/Azure/azure-cli/issues/31009).
"""


def choose_sign_in() -> None:
    """Let azure-identity use the sign-in of `az` alone, unless another source is named.

    That holds for the processes that this one starts as well.
    """
    os.environ.setdefault(CHOICE, OF_AZ)


def signed_in() -> TokenCredential:
    """Return the deployer's sign-in."""
    from azure.identity import DefaultAzureCredential

    choose_sign_in()
    # It says on stderr, too, what its error says.
    logging.getLogger("azure.identity").addHandler(logging.NullHandler())
    credential: TokenCredential = DefaultAzureCredential(process_timeout=SLOW)
    return credential


def no_token(error: AzureError) -> StepError:
    """Return what it comes to that no access token could be had."""
    told = " ".join(str(error).split())
    named = SECOND_FACTOR.search(told)
    fix = named[0] if named else FIX
    why = told.partition(" To mitigate this issue")[0][:300].rstrip(".")
    return StepError(f"no access token could be had ({type(error).__name__}): {why}. Fix: {fix}")


def arm_endpoint() -> str:
    """Return the address of Resource Manager.

    REKEY_ARM_ENDPOINT names it, else the cloud that `az` is signed in to. azd knows the public one.
    """
    named = os.environ.get(ARM, "")
    if not named and os.environ.get(CHOICE, OF_AZ) == OF_AZ:
        # Without `az` there is no sign-in either, and its first use says so.
        with suppress(AzError, FileNotFoundError):
            named = str(cloud()["endpoints"]["resourceManager"])
    return (named or ARM_ENDPOINT).rstrip("/")
