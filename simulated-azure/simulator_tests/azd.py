"""The program `azd`, as far as its source says what hooks meet (Azure/azure-dev, cli/azd).

`up` makes the group, runs the hook `preprovision`, compiles the parameters with its environment,
deploys once and gives up at an error, keeps the outputs, and runs the hook `postdeploy`. Signing in
is the Azure CLI's here. An environment is a file of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

KEPT = Path(os.environ["AZD_ENVIRONMENT"])


def main(arguments: list[str]) -> int:
    """Be azd for one command."""
    match arguments:
        case ["auth", "login"]:
            return 0
        case ["auth", "token", *options]:
            sys.stdout.write(json.dumps(token(options)))
        case ["env", "set", name, value]:
            keep(**{name: value})
        case ["up"]:
            return up()
        case _:
            sys.exit(f"azd: {arguments}")
    return 0


def up() -> int:
    account = az("account", "show")
    keep(AZURE_ENV_NAME="rekey", AZURE_LOCATION="westeurope", AZURE_RESOURCE_GROUP="rekey")
    keep(AZURE_SUBSCRIPTION_ID=account["id"])
    az("group", "create", "--name", "rekey", "--location", "westeurope")
    hook("preprovision")
    where = ("--resource-group", "rekey", "--name", "azd-1")
    deployed = az("deployment", "group", "create", *where, "--parameters", "infra/main.bicepparam")
    outputs = deployed["properties"]["outputs"].items()
    keep(**{name: str(output["value"]) for name, output in outputs})
    hook("postdeploy")
    return 0


def hook(name: str) -> None:
    command = yaml.safe_load(Path("azure.yaml").read_text())["hooks"][name]["posix"]["run"]
    ran = subprocess.run(["sh", "-c", command], env=environment(), check=False)  # noqa: S603, S607
    if ran.returncode:
        sys.exit(f"azd: the hook {name} ended with {ran.returncode}")


def az(*arguments: str) -> Any:
    command = ["az", *arguments, "--output", "json"]
    ran = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, check=False)  # noqa: S603
    if ran.returncode:
        sys.exit(f"azd: az {arguments[0]} ended with {ran.returncode}")
    return json.loads(ran.stdout)


def token(options: list[str]) -> dict[str, str]:
    scope = options[options.index("--scope") + 1]
    answer = az("account", "get-access-token", "--scope", scope)
    return {"token": answer["accessToken"], "expiresOn": "2099-01-01T00:00:00Z"}


def kept() -> dict[str, str]:
    environment: dict[str, str] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return environment


def keep(**values: str) -> None:
    KEPT.write_text(json.dumps(kept() | values))


def environment() -> dict[str, str]:
    return {**os.environ, **kept()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
