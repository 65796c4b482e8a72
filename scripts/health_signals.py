"""What a deployment's health is read from: the app's own answer, and its telemetry before and after.

The telemetry is asked of https://learn.microsoft.com/azure/azure-monitor/logs/api/overview in the
tables that the alerts use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

OK = 200
LIMITS: Mapping[str, Any] = {"connection_timeout": 10, "read_timeout": 30}
"""In seconds."""
QUERY = """
let deployed = datetime({deployed});
let signals = union
  (customMetrics | where name == 'rekey.parked' | project timestamp, signal = 'parked secrets', count = valueSum),
  (customMetrics | where name == 'rekey.sweeps' | project timestamp, count = valueSum,
    signal = iff(tostring(customDimensions.outcome) == 'completed', 'completed sweeps', 'incomplete sweeps')),
  (exceptions | project timestamp, signal = 'exceptions', count = toreal(itemCount));
signals
| where timestamp > deployed - {window}s
| summarize before = sumif(count, timestamp < deployed), after = sumif(count, timestamp >= deployed) by signal
"""
COMPLETED = "completed sweeps"


class NoAnswerError(Exception):
    """A signal could not be read; the message says which and why, in one line."""


@dataclass(frozen=True)
class Count:
    """How often something happened in the watched time and, for comparison, in as long a time before the deployment."""

    before: float
    after: float

    @property
    def grew(self) -> bool:
        """Tell whether it happens more often than before."""
        return self.after > self.before


class App:
    """The deployed app, by its URL."""

    def __init__(self, url: str) -> None:
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(url, policies=[])
        self._request = HttpRequest("GET", f"{url}/api/health")

    def problem(self) -> str:
        """Return what is wrong with the app's answer; empty if nothing is."""
        try:
            answer = self._client.send_request(self._request, **LIMITS)
            status = answer.json().get("status") if answer.status_code == OK else None
        except (AzureError, ValueError, AttributeError) as error:
            return f"no answer that can be read ({type(error).__name__})"
        return "" if status == "ok" else f"answered {answer.status_code}, status {status}"


class Telemetry:
    """An Application Insights resource, by its application id; the identity needs to read it (Monitoring Reader)."""

    def __init__(self, endpoint: str, application: str, credential: TokenCredential) -> None:
        signing = BearerTokenCredentialPolicy(credential, f"{endpoint}/.default")
        policies = [RetryPolicy(retry_total=2), signing]
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            endpoint, policies=policies
        )
        self._url = f"{endpoint}/v1/apps/{application}/query"

    def counts(self, deployed: datetime, window: timedelta) -> dict[str, Count]:
        """Return every signal that was seen, by name; raises NoAnswerError."""
        query = QUERY.format(deployed=deployed.isoformat(), window=int(window.total_seconds()))
        try:
            answer = self._client.send_request(
                HttpRequest("POST", self._url, json={"query": query}), **LIMITS
            )
            answer.raise_for_status()
            found = answer.json()
            (table,) = found["tables"]
        except (AzureError, ValueError, KeyError) as error:
            raise NoAnswerError(
                f"telemetry cannot be read: {' '.join(str(error).split())[:200]}"
            ) from error
        if "error" in found:
            # Results that are not whole come with status 200: …/logs/api/response-format.
            raise NoAnswerError(
                f"telemetry was read in part only: {found['error'].get('message', '')}"
            )
        return _counts([column["name"] for column in table["columns"]], table["rows"])


def _counts(columns: list[str], rows: list[list[Any]]) -> dict[str, Count]:
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return {str(row["signal"]): Count(float(row["before"]), float(row["after"])) for row in named}
