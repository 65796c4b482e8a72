"""What an earlier version holds, whatever its owner has done to the tag ValueTemplate since.

A template that was edited reads the wrong part of a leaked value. The source refuses that part, and
the incident would end while the credential works.
"""

from __future__ import annotations

from engine.secret import SecretVersion, Sensitive
from engine.state import template
from engine.state.record import Record

TEMPLATE = "ValueTemplate"


def credentials(
    old: SecretVersion, value_field: str, shape: str, record: Record
) -> dict[str, Sensitive]:
    """Return each credential that a version may hold, by the template that reads it.

    `shape` is the present template. Where the record knows what the version held, only that counts.
    """
    bare = f"{{{value_field}}}"
    shapes = (shape, record.verified.tags.get(TEMPLATE, bare), old.tags.get(TEMPLATE, bare), bare)
    read = {written: template.extract(written, old.value) for written in shapes}
    held = {
        written: fields[value_field]
        for written, fields in read.items()
        if fields and value_field in fields
    }
    past = record.history.credential_of(str(old.version))
    if past is None:
        return held
    return {
        written: credential
        for written, credential in held.items()
        if record.digest(past.credential_id, credential) == past.digest
    }
