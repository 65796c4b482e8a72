"""Grafana's dashboard and Prometheus' alerts ask, in PromQL, for metrics of the app."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from api.metrics import families
from tests.infra.promql import Sample, Scrape, Vector
from tests.infra.queries import rules as alert_rules

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "prometheus"
PAGE = (ROOT / "docs" / "metrics.md").read_text()
NAMES = {family.name for family in families({}, [], [])}
LOOK_BACK = 5 * 60
"""For how many seconds Prometheus takes a sample for the present value (query.lookback-delta)."""
LABELS = {"vault", "secret", "rotator", "owner", "state", "version", "job"}


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return read


def rules() -> list[dict[str, Any]]:
    data = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in data["groups"] for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    """Yield each query of PromQL with its title."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("title", "query"), list(queries()))
def test_every_query_is_promql_over_metrics_and_labels_that_exist(title: str, query: str) -> None:
    assert promql_parser.parse(query), title
    named = set(re.findall(r"\brekey_\w+", query))
    assert named
    assert named <= NAMES
    matched = {
        name for part in re.findall(r"{(.*?)}", query) for name in re.findall(r"(\w+)=", part)
    }
    joined = {name for part in re.findall(r"\bon \((.*?)\)", query) for name in part.split(", ")}
    assert matched | joined <= LABELS


def test_the_page_says_of_every_alert_of_the_template_and_of_these_which_is_which() -> None:
    section = PAGE.partition("## Alerts")[2]
    theirs, ours, severe = set[str](), set[str](), section.partition("severity 1")[2]
    for row in re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.MULTILINE):
        theirs |= set(re.findall(r"`(\w+)`", row[0]))
        ours |= set(re.findall(r"`(Rekey\w+)`", row[1]))
    template = alert_rules("everything-on")
    assert theirs == set(template)
    assert ours == {rule["alert"] for rule in rules()} - {"RekeyMetricsMissing"}
    named = set(re.findall(r"`(\w+)`", severe.partition(".")[0]))
    assert named == {name for name, rule in template.items() if rule["severity"] == 1}


DAY, NOW = 86400.0, 1_800_000_000.0
OF = {"vault": "prod", "secret": "app-key"}
ABOUT = {"rotator": "storage-key", "owner": "ada", "state": "ok"}
WELL: dict[str, Sequence[Sample]] = {
    "rekey_build_info": [({"version": "1", "job": "rekey"}, 1)],
    "up": [({"job": "rekey"}, 1), ({"job": "another"}, 0)],
    "rekey_vault_listed": [({"vault": "prod"}, 1)],
    "rekey_secret_info": [({**OF, **ABOUT}, 1)],
    "rekey_secret_needs_person": [(OF, 0)],
    "rekey_secret_expiration_timestamp_seconds": [(OF, NOW + 8 * DAY)],
    "rekey_vault_next_sweep_timestamp_seconds": [({"vault": "prod"}, NOW - 1700)],
}
"""A scrape at which nobody is told of anything, by not much."""
EXPIRES, NEXT = (
    "rekey_secret_expiration_timestamp_seconds",
    "rekey_vault_next_sweep_timestamp_seconds",
)
ILL: dict[str, tuple[dict[str, Sequence[Sample]], set[str]]] = {
    "needs a person": ({"rekey_secret_needs_person": [(OF, 1)]}, {"RekeySecretNeedsPerson"}),
    "expires in six days": ({EXPIRES: [(OF, NOW + 6 * DAY)]}, {"RekeySecretExpiresSoon"}),
    "has expired": (
        {EXPIRES: [(OF, NOW - 1)]},
        {"RekeySecretExpiresSoon", "RekeySecretExpired"},
    ),
    "was not swept for half an hour": (
        {NEXT: [({"vault": "prod"}, NOW - 1900)]},
        {"RekeyNotSweeping"},
    ),
    "cannot be listed": ({"rekey_vault_listed": [({"vault": "prod"}, 0)]}, {"RekeyMetricsMissing"}),
    "is not reached": ({"up": [({"job": "rekey-prod"}, 0)]}, {"RekeyMetricsMissing"}),
    "tells nothing": ({"rekey_build_info": []}, {"RekeyMetricsMissing"}),
}


def firing(changes: Mapping[str, Sequence[Sample]]) -> dict[str, Vector]:
    """Return the alerts that a scrape fires, each with what it is about."""
    scrape = Scrape(NOW, {**WELL, **changes})
    answers = {rule["alert"]: scrape.ask(rule["expr"]) for rule in rules()}
    return {alert: series for alert, series in answers.items() if series}


def test_an_alert_fires_where_something_is_wrong_and_nowhere_else() -> None:
    assert firing({}) == {}
    fired = {ill: set(firing(changes)) for ill, (changes, _) in ILL.items()}
    assert fired == {ill: alerts for ill, (_, alerts) in ILL.items()}
    assert set().union(*fired.values()) == {rule["alert"] for rule in rules()}


def test_an_alert_names_what_it_is_about() -> None:
    """Prometheus writes nothing in place of a label that a series does not have."""
    for rule in rules():
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        series = [firing(changes).get(rule["alert"], []) for changes, _ in ILL.values()]
        assert named <= {label for labels, _ in chain(*series) for label in labels}


def test_a_query_of_nonsense_would_be_noticed() -> None:
    with pytest.raises(Exception, match=r"parse|invalid|unexpected"):
        promql_parser.parse("sum by rekey_secrets{")


def test_the_choices_of_the_dashboard_are_filled_from_metrics_that_there_are() -> None:
    asked = [
        re.fullmatch(r"label_values\((\w+), (\w+)\)", choice["definition"])
        for choice in dashboard()["templating"]["list"]
        if choice["type"] == "query"
    ]
    assert [match and match.groups() for match in asked] == [
        ("rekey_secrets", "vault"),
        ("rekey_secret_info", "owner"),
    ]


def test_the_dashboard_is_bound_to_no_data_source_and_its_panels_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${source}"}
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_metric_is_on_its_page_and_no_other() -> None:
    assert set(re.findall(r"^\| `(rekey_\w+)` \|", PAGE, re.MULTILINE)) == NAMES


def jobs() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return [job for block in blocks for job in yaml.safe_load(block).get("scrape_configs", ())]


def seconds(duration: str) -> int:
    """Return the seconds of a duration of Prometheus with one unit, such as 2m."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def test_the_scrape_configurations_of_the_page_are_yaml_that_names_the_call() -> None:
    assert len(jobs()) == 2
    for job in jobs():
        assert (job["scheme"], job["metrics_path"]) == ("https", "/api/metrics")
        assert {"oauth2", "http_headers"} & set(job)


def test_a_job_that_fails_beside_others_is_noticed_as_the_page_has_jobs_named() -> None:
    (query,) = [rule["expr"] for rule in rules() if rule["alert"] == "RekeyMetricsMissing"]
    either, failing = promql_parser.parse(query), re.search(r'or up\{job=~"(.*)"\} == 0', query)
    assert failing
    assert isinstance(either, promql_parser.BinaryExpr)
    assert str(either.op).endswith("or")
    begins = re.search(r"begins with `(\w+)`", PAGE)
    assert begins
    names = {job["job_name"] for job in jobs()} | {f"{begins[1]}-contoso-prod"}
    assert [name for name in names if not re.fullmatch(failing[1], name)] == []


def test_no_sample_is_forgotten_before_the_next_one_comes() -> None:
    for job in jobs():
        interval = seconds(job["scrape_interval"])
        assert seconds(job["scrape_timeout"]) <= interval, "Prometheus refuses the configuration"
        assert 2 * interval < LOOK_BACK
