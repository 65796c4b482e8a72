"""Queue outputs are written alike by our host and by Microsoft's own output bindings, JSON quirks included."""

from __future__ import annotations

import base64
from collections.abc import Callable
from uuid import uuid4

import pytest

from simulator_tests.host.running import RunningHost
from simulator_tests.host.waiting import wait_for

# What a function gives out, and the messages that it becomes; {} stands for text that no other case
# has.
TEXTS = [
    ("plain {}", ["plain {}"]),
    ('"quoted {}"', ['"quoted {}"']),
    ("{broken {}", ["{broken {}"]),
    ('{"a":"{}"} and more', ['{"a":"{}"} and more']),
    (
        '{"a":"{}","b":[1,2],"c":{},"d":[]}',
        ['{\n  "a": "{}",\n  "b": [\n    1,\n    2\n  ],\n  "c": {},\n  "d": []\n}'],
    ),
    (' {"a":"{}"} ', ['{\n  "a": "{}"\n}']),
    (
        '{"a":"{}","u":"\\u00e9/<","f":1.0,"e":1e3,"n":null,"b":true,"d":"2026-01-02T03:04:05Z"}',
        [
            (
                '{\n  "a": "{}",\n  "u": "é/<",\n  "f": 1.0,\n  "e": 1000.0,\n  "n": null,\n  '
                '"b": true,\n'
                '  "d": "2026-01-02T03:04:05Z"\n}'
            )
        ],
    ),
    ('["{}",{"a":1},[1],null,true,1.50]', ["{}", '{\n  "a": 1\n}', "[\n  1\n]", "", "True", "1.5"]),
    ('["{\\"a\\":\\"{}\\"}"]', ['{"a":"{}"}']),
]


def contents(host: RunningHost) -> list[str]:
    queue = host.queue("written")
    return [
        base64.b64decode(message.content).decode()
        for message in queue.peek_messages(max_messages=32)
    ]


def give(host: RunningHost, queue: str, body: str) -> Callable[[list[str]], None]:
    """Let a function give `body` out; the answer waits for what that writes."""
    host.queue("written").clear_messages()
    host.queue(queue).send_message(base64.b64encode(body.encode()).decode())

    def expect(messages: list[str]) -> None:
        wait_for(
            lambda: sorted(contents(host)) == sorted(messages),
            lambda: f"{messages}; there is {contents(host)}",
        )

    return expect


@pytest.mark.parametrize(("text", "written"), TEXTS)
def test_text_that_looks_like_json_is_rewritten_and_an_array_becomes_one_message_an_item(
    host: RunningHost, text: str, written: list[str]
) -> None:
    marker = uuid4().hex
    expect = give(host, "to-write", text.replace("{}", marker, 1))
    expect(
        [message.replace("{}", marker, 1) if marker_in(message) else message for message in written]
    )


def marker_in(message: str) -> bool:
    return '"{}' in message or " {}" in message or message == "{}"


def test_what_a_function_returns_is_written_like_what_it_sets(host: RunningHost) -> None:
    marker = uuid4().hex
    give(host, "to-return", f'["{marker}", {{"a":1}}]')([marker, '{\n  "a": 1\n}'])


def test_a_list_of_texts_becomes_one_message_an_item_as_it_is(host: RunningHost) -> None:
    marker = uuid4().hex
    give(host, "to-split", f'{marker} {{"a":1}} [2]')([marker, '{"a":1}', "[2]"])


def test_broken_json_fails_the_invocation_which_is_tried_again_and_poisoned(
    host: RunningHost,
) -> None:
    body = f"{{broken {uuid4().hex}}}"
    give(host, "to-write", body)
    poison = base64.b64encode(body.encode()).decode()
    queue = host.queue("to-write-poison")
    wait_for(
        lambda: poison in [str(message.content) for message in queue.peek_messages(32)],
        lambda: "the poison message",
    )
    assert [call["dequeue_count"] for call in host.records("write", body=body)] == [1, 2, 3]
    assert contents(host) == []
