"""What a history tells: who holds what, who accepts what, and who was told, after each line."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.history.things import NEVER, Line, NotAHistoryError, Process, Secret, Source, Version

HOUR = 3600.0
LATE = HOUR
"""For so long a change that came after its lock had ended excuses its source."""
PASSING = ("renew", "release", "post")
"""Calls that may come between a read and the write that follows it."""
LISTING = ("list secrets", "sign in")


class Facts:
    """The state after so many lines."""

    def __init__(self) -> None:
        self.line, self.now, self.fault, self.leapt, self.clocks = 0, 0.0, 0.0, 0.0, 0.0
        self.sources: dict[str, Source] = {}
        self.secrets: dict[str, Secret] = {}
        self.versions: dict[str, Version] = {}
        self.locks: dict[str, tuple[int, float]] = {}
        self.calls: dict[int, Line] = {}
        self.sent: dict[int, int] = {}
        """On which line each call was sent."""
        self.bound: dict[tuple[str, str], list[tuple[int, set[str]]]] = {}
        self.processes: dict[int, Process] = {}
        self.requests: list[tuple[int, Line]] = []
        """Messages that no process has posted, each with its line."""
        self.waiting: set[int] = set()
        self.working: set[int] = set()
        self.leaks: dict[str, str] = {}
        """Leaked credentials, each with the secret that held it."""
        self.incidents: dict[int, str] = {}
        """The messages about a leak that are not done, each with its secret."""
        self.before: set[str] = set()
        """Credentials that were superseded before the beginning."""
        self.undated: set[str] = set()
        """Sources of which a leak was reported without a version and a time."""
        self.noted: set[str] = set()
        self.proven: set[str] = set()
        self.held: set[str] = set()
        self.made: set[str] = set()
        self.theirs: set[str] = set()
        """Credentials that a person has made, or looks after."""
        self.published: dict[str, int] = {}
        """The versions that a process has written, each with its line."""
        self.writes: dict[int, str] = {}
        """The calls that have written a version, each with its name."""
        self.denied: set[str] = set()
        """Those of which the vault has said that it could not write them."""
        self.announced: set[str] = set()
        self.reported: set[str] = set()
        """The secrets of which somebody was told that a person is needed."""
        self.purged: set[str] = set()
        self.mended = self.pause = self.copies_fault = NEVER

    def read(self, line: Line) -> None:
        """Take one more line; raises NotAHistoryError."""
        self.line += 1
        self.passes(float(line["t"]))
        self.now = float(line["t"])
        event = getattr(self, f"on_{line['do']}", None)
        if event is None:
            raise NotAHistoryError(f"there is no event {line['do']!r}")
        event(line)

    def passes(self, now: float) -> None:
        """Let time pass until `now`."""

    def on_begin(self, line: Line) -> None:
        """Begin."""
        if line["history"] != 1:
            raise NotAHistoryError(f"version 1 is known, and this is {line['history']!r}")
        self.clocks = float(line.get("clocks", 0.0))

    def on_given(self, line: Line) -> None:
        """Take the state at the beginning."""
        self.change(line, "given")
        for name in self.refused():
            self.touch(name)

    def on_message(self, line: Line) -> None:
        """Take note of a message on a queue."""
        self.waiting.add(line["m"])
        if "call" in line:
            self.processes[self.calls[line["call"]]["p"]].said = True
        elif "secret" in line:
            self.requests.append((self.line, line))
        version = self.versions.get(line.get("version", ""))
        if line.get("leak") and "secret" in line:
            self.incidents[line["m"]] = line["secret"]
        if line.get("leak") and "call" not in line and version and version.credential:
            self.leak(version.credential, version.secret)

    def on_leak(self, line: Line) -> None:
        """Take note of a leak that somebody knows of."""
        if line.get("undated"):
            self.undated |= self.sources_of(line["secret"])
        self.leak(line["credential"], line.get("secret", ""))

    def leak(self, credential: str, secret: str) -> None:
        """Take note of a leaked credential."""
        self.leaks.setdefault(credential, secret)
        for source in self.leaking():
            self.sources[source].leaked = True

    def on_start(self, line: Line) -> None:
        """Take note of a process that begins."""
        self.processes[line["p"]] = Process(line["m"], line.get("secret", ""), self.line)
        self.working.add(line["p"])

    def on_call(self, line: Line) -> None:
        """Take note of a call that is sent."""
        self.calls[line["n"]], self.sent[line["n"]] = line, self.line

    def on_answer(self, line: Line) -> None:
        """Take note of an answer."""
        call = self.calls[line["n"]]
        process, secret = self.processes[call["p"]], call.get("secret", "")
        if call["what"] not in PASSING:
            process.last = (call["what"], secret)
        if call["what"] == "read" and line["said"] == "ok":
            version = "" if line.get("disabled") else line.get("version", "")
            process.reads[secret] = (-1 if line.get("lags") else self.sent[line["n"]], version)
        if call["what"] == LISTING[0] and line["said"] == "ok":
            process.listed = -1 if line.get("lags") else self.line
        if line["said"] == "unavailable" and line["n"] in self.writes:
            self.denied.add(self.writes[line["n"]])
        if line.get("accepted") and "credential" in call:
            self.proven.add(call["credential"])

    def on_applied(self, line: Line) -> None:
        """Take note of a call that has taken effect."""
        call = self.calls[line["call"]]
        if call.get("change") and not self.locked(call):
            for name in self.changed_by(call):
                self.sources[name].late = self.now
        self.change(line, "applied", call)

    def on_person(self, line: Line) -> None:
        """Take note of what a person has done."""
        self.change(line, "person")

    def on_source(self, line: Line) -> None:
        """Take note of what a source has done by itself."""
        self.change(line, "source")

    def on_mended(self, line: Line) -> None:
        """People have mended what only people can."""
        self.mended = float(line["t"])

    def on_fault(self, line: Line) -> None:
        """Something went wrong, until some time."""
        ends = max(self.now, float(line.get("until", 0.0)))
        if line.get("copies"):
            self.copies_fault = max(self.copies_fault, ends)
        else:
            self.fault = max(self.fault, ends)

    def on_pause(self, line: Line) -> None:
        """Until some time nothing happens but what sources do by themselves."""
        self.pause = float(line["until"])

    def on_leap(self, line: Line) -> None:
        """Time leaps while somebody is at work."""
        self.leapt += float(line["seconds"])

    def on_crash(self, line: Line) -> None:
        """Take note that a process has died."""
        self.working.discard(line["p"])

    on_failed = on_crash

    def on_done(self, line: Line) -> None:
        """Take note that a process has ended, and its message with it."""
        self.working.discard(line["p"])
        self.waiting.discard(self.processes[line["p"]].message)
        self.incidents.pop(self.processes[line["p"]].message, None)

    def on_report(self, line: Line) -> None:
        """Take note of a report."""
        self.processes[line["p"]].said = True
        self.announced.add(line.get("published", ""))
        if line["says"] == "needs a person":
            self.reported.add(line["secret"])

    def on_shown(self, line: Line) -> None:
        """Take note of how people are shown a secret without a source."""

    def on_kept(self, line: Line) -> None:
        """Take note of what has been superseded before the beginning."""

    def on_end(self, line: Line) -> None:
        """Nothing is left to do."""

    def change(self, line: Line, by: str, call: Line | None = None) -> None:
        """Take each change of a line."""
        for change in line.get("changes", ()):
            if "version" in change:
                self.set_version(change, by, call)
            elif "source" in change:
                self.set_source(change, by, call)
            elif "secret" in change:
                self.set_secret(change, by)
            else:
                self.set_other(change, by)

    def set_source(self, change: Line, by: str, call: Line | None) -> None:
        """Change a source."""
        source = self.sources.setdefault(change["source"], Source())
        source.holds = change.get("holds", source.holds)
        source.keys = change.get("keys", source.keys)
        if "changing" in change:
            source.goes_on(self.now)
            source.changing = self.now if change["changing"] else None
        if "takes" in change:
            source.accepts[change["takes"]] = self.line
            if by != "given":
                (self.theirs if by == "person" else self.made).add(change["takes"])
        source.accepts.pop(change.get("drops", ""), None)
        if by == "person":
            source.touched = self.now
        del call

    def set_version(self, change: Line, by: str, call: Line | None) -> None:
        """Write or change a version."""
        secret = self.secrets.setdefault(change["secret"], Secret())
        now, before = Version.of(change), self.versions.get(change["version"])
        now.at, now.line = (before.at, before.line) if before else (self.now, self.line)
        now.edited = self.line if by == "person" else before.edited if before else -1
        look = (self.line, (now.tags, now.type or "text/plain"))
        now.looks = [*(before.looks if before else ()), look]
        self.versions[now.name] = now
        self.held.add(now.credential)
        old = secret.versions[-1] if secret.versions else None
        if before:
            secret.versions[secret.versions.index(before)] = now
        else:
            secret.versions.append(now)
        if by == "person":
            self.touch(now.secret)
            if not before:
                self.disown(now.secret, now)
        if by == "applied" and call and before:
            self.edited(before, now, call)
        elif by == "applied" and call:
            self.published[now.name], self.writes[call["n"]] = self.line, now.name
            self.written(old, now, call)

    def edited(self, before: Version, now: Version, call: Line) -> None:
        """Take note of a version that a process has changed."""

    def written(self, old: Version | None, new: Version, call: Line) -> None:
        """Take note of a version that a process has written."""

    def set_secret(self, change: Line, by: str) -> None:
        """Change what a secret as a whole has."""
        name = change["secret"]
        secret = self.secrets.setdefault(name, Secret())
        if "terms" in change:
            secret.terms = change["terms"]
            secret.said.append((self.line, secret.terms))
        secret.deleted = change.get("deleted", secret.deleted)
        if change.get("purged"):
            self.purged |= {version.name for version in secret.versions}
            self.disown(name)
            secret.versions = []
        if by == "person":
            self.touch(name)

    def set_other(self, change: Line, by: str) -> None:
        """Change a lock, what is bound, or what the rotator knows."""
        if "lock" in change:
            self.locks[change["lock"]] = (change.get("holder") or 0, change["until"])
        elif "bound" in change:
            key = (change.get("by", ""), change["vault"])
            self.bound.setdefault(key, []).append((self.line, set(change["bound"])))
            for name in self.secrets if by == "person" else ():
                self.touch(name)
        elif "noted" in change:
            self.noted.add(change["noted"])
        elif "held" in change:
            self.held.add(change["held"])
            self.theirs.add(change["held"])
        elif "memory" in change:
            self.sources[change["memory"]].touched = self.now
        else:
            raise NotAHistoryError(f"there is no change {change}")

    def touch(self, name: str) -> None:
        """Note that a person has changed a secret, and so whatever its source was."""
        secret = self.secrets[name]
        secret.touched = self.now
        for source in self.sources_of(name):
            self.sources[source].touched = self.now

    def disown(self, name: str, new: Version | None = None) -> None:
        """Leave to a person what a secret and its copies have held so far."""
        self.secrets[name].written = True
        for other, secret in self.secrets.items():
            if other == name or secret.terms.get("copy_of") == name:
                self.theirs |= {it.credential for it in secret.versions if it is not new}

    # What follows answers questions about the state.

    def accepts(self, name: str, credential: str) -> bool:
        """Return whether a source accepts a credential now."""
        source = self.sources[name]
        if not source.keys:
            return credential in source.accepts
        key, _, end = credential.partition("s")
        return self.accepts(source.keys, key) and end.isdigit() and float(end) > self.now

    def source_of(self, secret: Secret) -> str | None:
        """Return the source of a secret, or of the one that it copies."""
        primary = self.secrets.get(secret.terms.get("copy_of", ""))
        name = (primary or secret).terms.get("source", "")
        return name if name in self.sources else None

    def sources_of(self, name: str) -> set[str]:
        """Return every source that a secret has had."""
        secret = self.secrets.get(name)
        named = {terms.get("source", "") for _, terms in secret.said} if secret else set()
        return named & set(self.sources)

    def using(self, source: str) -> list[str]:
        """Return the secrets that name a source."""
        return [name for name, it in self.secrets.items() if it.terms.get("source") == source]

    def holding(self, secret: Secret) -> tuple[str, str] | None:
        """Return source and credential of an enabled current version; None for any other."""
        source = self.source_of(secret)
        if source is None or secret.deleted or not secret.versions:
            return None
        current = secret.versions[-1]
        return (source, current.credential) if current.enabled else None

    def refused(self) -> dict[str, str]:
        """Return the secrets of which the source refuses the current version, each with that."""
        return {
            name: held[0]
            for name, secret in self.secrets.items()
            if (held := self.holding(secret)) and not self.accepts(*held)
        }

    def locked(self, call: Line) -> bool:
        """Return whether the process of a call holds its locks now."""
        held = [self.locks.get(lock, (0, 0.0)) for lock in call.get("under", ())]
        return bool(held) and all(p == call["p"] and until > self.now for p, until in held)

    def changed_by(self, call: Line) -> Sequence[str]:
        """Return the sources that a call changes, or a version of whose secret it writes."""
        secret = self.secrets.get(call.get("secret", ""))
        named = {call.get("source"), self.source_of(secret) if secret else None}
        return [name for name in self.sources if name in named]

    def is_late(self, source: str | None) -> bool:
        """Return whether a change of a source has come after its lock, less than an hour ago."""
        return source is not None and self.now - self.sources[source].late < LATE

    def is_alive(self, credential: str) -> bool:
        """Return whether any source accepts a credential."""
        return any(credential in source.accepts for source in self.sources.values())

    def is_current(self, credential: str) -> bool:
        """Return whether the current version of some secret holds a credential."""
        current = (it.versions[-1] for it in self.secrets.values() if it.versions)
        return any(version.credential == credential for version in current)

    def is_marked(self, name: str) -> bool:
        """Return whether the current version of a secret says that a person is needed."""
        versions = self.secrets[name].versions
        return bool(versions and versions[-1].mark)

    def leaking(self) -> set[str]:
        """Return the sources that accept a leaked credential, and those that its keys sign for.

        So do those that a message about a leak still waits for.
        """
        named = self.undated | {
            source
            for credential, name in self.leaks.items()
            if self.is_alive(credential)
            for source in self.sources_of(name)
        }
        named |= {it for name in self.incidents.values() for it in self.sources_of(name)}
        return named | {name for name, it in self.sources.items() if it.keys in named}

    def in_doubt(self) -> set[str]:
        """Return the sources of secrets that held what leaked in a version that was purged.

        What that was nobody can tell any more, so it may be what is current.
        """
        purged = self.noted & self.purged & set(self.versions)
        return {source for it in purged for source in self.sources_of(self.versions[it].secret)}

    def known_leaks(self) -> set[str]:
        """Return the leaked credentials that the rotator has noted."""
        return {self.versions[it].credential for it in self.noted if it in self.versions}
