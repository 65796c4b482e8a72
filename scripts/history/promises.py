"""The promises of docs/history.md, held against each line of a history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from scripts.history.facts import HOUR, LISTING, Facts
from scripts.history.things import NEVER, Line, Secret, Version

HEALED = 300.0
"""Seconds after the last fault within which what a vault holds is accepted again."""
DAY = 24 * HOUR
AUDITED = 26 * HOUR
"""For so long after a person's act nothing is promised at once of what they have touched."""
CLOCK = 600.0
"""By so many seconds a version may outlast its validity."""
PUBLISHING = ("rotated", "healed", "restored")
LISTED = ("add to the list", "take from the list")


@dataclass
class Kept:
    """What must go on working until a time, since it was superseded."""

    credential: str
    source: str
    version: str
    until: float


class Promises(Facts):
    """Notes what breaks a promise, each thing once."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, int] = {}
        """What was broken, each with the line that shows it."""
        self.kept: list[Kept] = []
        self.lapsed: dict[str, float] = {}
        """Since when each secret holds what its source refuses."""
        self.gone: set[str] = set()
        """Leaked credentials that the rotator knew of, and that were refused."""

    def breaks(self, text: str) -> None:
        """Note a violation."""
        self.broken.setdefault(text, self.line)

    def read(self, line: Line) -> None:
        """Take one more line, and look for what P6 forbids."""
        super().read(line)
        for part in (line, *line.get("changes", ())):
            if part.get("shows"):
                self.breaks(f"P6: a value shows, or could be guessed from, this {line['do']}")

    def passes(self, now: float) -> None:
        """P1, P5, P8: nothing stays refused, leaked or unfinished for too long."""
        for source in self.sources.values():
            source.goes_on(now)
        counted = {
            name: source
            for name, source in self.refused().items()
            if not self._is_excused(name, source)
        }
        begins = max(self.now, self.pause)
        self.lapsed = {name: self.lapsed.get(name, begins) for name in counted}
        for name, since in self.lapsed.items():
            healed = HEALED + min(self.sources[counted[name]].longest, HEALED)
            is_copy = "copy_of" in self.secrets[name].terms
            fault = max(self.fault, self.copies_fault if is_copy else 0.0)
            if now - max(since, fault) >= healed:
                self.breaks(f"P1: what {name} holds has been refused for over five minutes")
        if now > self.now and not self.waiting and not self.working:
            self._leaks_are_at_work()
        for name, known in self.sources.items():
            begun = known.changing
            if begun is not None and now - begun > AUDITED and self.mended == NEVER:
                is_told = any(it in self.reported or self.is_marked(it) for it in self.using(name))
                if not is_told and self.now - known.touched >= AUDITED:
                    self.breaks(f"P8: {name} is at a change for over a day, and nobody was told")

    def _leaks_are_at_work(self) -> None:
        for credential, name in self.leaks.items():
            is_told = name in self.reported or credential in self.theirs
            if self.is_alive(credential) and not is_told:
                self.breaks(f"P5: {credential} has leaked, is accepted, and nobody is at it")

    def _is_excused(self, name: str, source: str) -> bool:
        """Return whether a person must help, or has changed something within a day."""
        secret, known = self.secrets[name], self.sources[source]
        above = secret.terms.get("copy_of") or secret.terms.get("made_from") or ""
        if len(self.using(source)) > 1 or (above in self.secrets and self.is_marked(above)):
            return True
        if known.keys and (self.is_marked(name) or known.leaked):
            return True
        roots = [known, self.sources.get(known.keys), secret, self.secrets.get(above)]
        latest = max(self.mended, *(root.touched for root in roots if root))
        is_theirs = self.is_marked(name) or "by_person_only" in secret.terms
        return self.now < latest + AUDITED or (latest > NEVER and is_theirs)

    def on_kept(self, line: Line) -> None:
        """P4: take note of what is in its overlap at the beginning."""
        self.before.add(line["credential"])
        held = (it.name for it in self.versions.values() if it.credential == line["credential"])
        self.kept.append(Kept(line["credential"], line["source"], next(held, ""), line["until"]))

    def leak(self, credential: str, secret: str) -> None:
        """P4: no overlap is left at a source of which a credential has leaked."""
        super().leak(credential, secret)
        leaking = self.leaking()
        self.kept = [kept for kept in self.kept if kept.source not in leaking]

    def on_call(self, line: Line) -> None:
        """P2, P7: what changes something is sent under its lock, and after a fresh read."""
        super().on_call(line)
        last, what = self.processes[line["p"]].last, line["what"]
        if line.get("change") and not self.locked(line):
            self.breaks(f"P2: {what} was sent without its lock")
        if what in ("write", "tag", "disable") and last != ("read", line["secret"]):
            self.breaks(f"P7: {what} of {line['secret']} was sent without a fresh read of it")
        if what in LISTED and last[0] not in LISTING:
            self.breaks(f"P7: {what} was sent without a fresh read of that list")

    def on_failed(self, line: Line) -> None:
        """P8: a process fails with what may pass, or what its rotator foresees."""
        super().on_failed(line)
        if line.get("unforeseen"):
            self.breaks("P8: a process failed with what nobody had foreseen")

    def on_done(self, line: Line) -> None:
        """P8: a message is gone only once something was said about it."""
        super().on_done(line)
        process = self.processes[line["p"]]
        if process.secret and not process.said:
            self.breaks("P8: a message is gone, and nothing was said about it")

    def on_report(self, line: Line) -> None:
        """P5, P8: what is reported is so."""
        super().on_report(line)
        says, new = line["says"], line.get("published")
        if says in PUBLISHING and (new is None or new not in {*self.versions, *self.purged}):
            self.breaks(f"P8: {says} was reported, and there is no such version")
        ours = {self.versions[it].credential for it in self.published}
        if new in self.versions and self.versions[new].credential not in ours:
            self.breaks(f"P8: {new}, which a person wrote, was called {says}")
        if says == "needs a person":
            self._is_marked(line)
        elif line.get("leak") and says != "waiting" and not line.get("unfinished"):
            leaked = self.versions.get(line.get("asked", ""))
            if leaked and leaked.credential in self.leaks and self.is_alive(leaked.credential):
                self.breaks(f"P5: the leak of {leaked.name} was called over, and is accepted")

    def _is_marked(self, line: Line) -> None:
        name = line["secret"]
        secret = self.secrets.get(name)
        if not line.get("why"):
            self.breaks(f"P8: {name} needs a person, and nobody was told why")
        if secret is None or not secret.versions:
            return
        current, marked = secret.versions[-1], any(it.mark for it in secret.versions)
        is_it = current.enabled and not secret.deleted and line.get("old") == current.name
        if is_it and not marked and not line.get("unmarked"):
            self.breaks(f"P8: {name} needs a person, and bears no mark of that")
        if current.mark == "leaked" and not self.leaks and current.edited < 0:
            self.breaks(f"P8: {name} is marked as leaked, and nobody had said so")

    def on_shown(self, line: Line) -> None:
        """P8: who fell out of management is shown, with the way back."""
        secret = self.secrets[line["secret"]]
        ours = any(version.name in self.published for version in secret.versions)
        is_shown = line["state"] == "dropped" and line.get("fix")
        if ours and not is_shown and "copy_of" not in secret.terms and _fell(secret):
            self.breaks(f"P8: {line['secret']} fell out of management, and nobody sees that")

    def change(self, line: Line, by: str, call: Line | None = None) -> None:
        """P1, P4, P5: check what must hold after every change."""
        before = self.refused()
        super().change(line, by, call)
        if by == "person":
            self.kept = [kept for kept in self.kept if not self._cut(kept)]
        elif by != "given":
            self._works_at_once(before)
        self._nothing_cut_off()
        known = self.known_leaks() & set(self.leaks)
        self.gone |= {credential for credential in known if not self.is_alive(credential)}

    def _works_at_once(self, before: Collection[str]) -> None:
        for name, source in self.refused().items():
            if self.sources[source].holds == "one" or name in before:
                continue
            held = self.holding(self.secrets[name])
            waits = "copy_of" in self.secrets[name].terms and held and held[1] in self.leaks
            if not (waits or self.is_late(source) or self._is_excused(name, source)):
                self.breaks(f"P1: {source} refuses what {name} holds")

    def _nothing_cut_off(self) -> None:
        leaking = self.leaking()
        self.kept = [it for it in self.kept if it.until > self.now and it.source not in leaking]
        for kept in list(self.kept):
            if not (how := self._cut(kept)):
                continue
            self.kept.remove(kept)
            if not self.is_late(kept.source):
                self.breaks(f"P4: {kept.credential} of {kept.version} was {how} in its overlap")

    def _cut(self, kept: Kept) -> str:
        if not self.accepts(kept.source, kept.credential):
            return "cut off"
        version = self.versions.get(kept.version)
        off = version and not version.enabled and not self.is_current(kept.credential)
        return "disabled" if off else ""

    def set_source(self, change: Line, by: str, call: Line | None) -> None:
        """P5, P7: only what is the rotator's is removed, nothing comes back, within the bounds."""
        name, gone = change["source"], change.get("drops", "")
        known = self.sources.get(name)
        seen = self.processes[call["p"]].listed if call and call["what"] in LISTED else self.line
        foreign = (
            known and gone not in self.held | self.made and known.accepts.get(gone, seen) < seen
        )
        super().set_source(change, by, call)
        if by in ("person", "given"):
            return
        if foreign and self.sources[name].holds == "any number":
            self.breaks(f"P5: {gone}, which the rotator did not make, was removed")
        if change.get("takes") in self.gone and not self.is_late(name):
            self.breaks(f"P5: {change['takes']} has leaked, was gone, and is accepted again")
        if call and ("takes" in change or gone) and not self._is_bound(name, call):
            self.breaks(f"P7: {name} was changed, and nobody has bound it")

    def _is_bound(self, source: str, call: Line) -> bool:
        began = self.processes[call["p"]].line
        return any(
            source in bound
            for lists in self.bound.values()
            for at, (_, bound) in enumerate(lists)
            if at + 1 == len(lists) or lists[at + 1][0] > began
        )

    def edited(self, before: Version, now: Version, call: Line) -> None:
        """P1, P7: the current version stays enabled, and its owner's tags as they are."""
        read, _ = self.processes[call["p"]].reads.get(now.secret, (0, ""))
        if now.tags not in [tags for tags, _ in before.since(read)]:
            self.breaks(f"P7: what the owner of {now.secret} had set was changed")
        if before.enabled and not now.enabled and self.secrets[now.secret].versions[-1] is now:
            self.breaks(f"P1: the current version of {now.secret} was disabled")

    def written(self, old: Version | None, new: Version, call: Line) -> None:
        """P2 to P5, P7: a new version is proven, wanted, and as its owner has said."""
        name, secret = new.secret, self.secrets[new.secret]
        read, seen = self.processes[call["p"]].reads.get(name, (0, ""))
        if new.credential not in self.proven:
            self.breaks(f"P3: {name} was given {new.credential}, which no source had accepted")
        if old is None:
            return
        if not seen:
            self.breaks(f"P7: {name} was written although it was disabled")
        began = self.processes[call["p"]].line
        by_hand = all(terms.get("by_person_only") for terms in secret.since(began))
        self._consented(new, list(secret.since(read)), by_hand=by_hand)
        self._signed(secret, new, call)
        days = max(terms.get("valid_days", 90.0) for _, terms in secret.said)
        if new.expires is None or new.expires > self.now + days * DAY + CLOCK:
            self.breaks(f"P7: {name} lasts longer than its owner has said")
        if new.credential in self.known_leaks() and not self.is_late(self.source_of(secret)):
            self.breaks(f"P5: {name} was given {new.credential}, which is known to have leaked")
        visible = self.versions.get(seen, old)
        if (new.tags, new.type) not in (*old.since(read), *visible.since(read)):
            self.breaks(f"P7: what the owner of {name} had set was changed")
        if not 0 <= read < old.edited:
            self._was_wanted(secret, old)
            self._keep(secret, old, new)

    def _consented(self, new: Version, terms: list[Line], *, by_hand: bool) -> None:
        allowed = [it for it in terms if "copy_of" in it or not by_hand]
        named = [it for it in allowed if "source" in it or "copy_of" in it]
        for it in named:
            primary = self.secrets.get(it.get("copy_of", new.secret))
            source = self.source_of(primary) if primary else None
            if "source" in it or source is None or self.is_late(source):
                return
            if self.accepts(source, new.credential):
                return
        whom = "to another secret" if named else "to nobody"
        self.breaks(f"P7: {new.secret} was written, and consents {whom}")

    def _signed(self, secret: Secret, new: Version, call: Line) -> None:
        """Check what is made from a key: its owner consents, and it ends with the key."""
        above, source = secret.terms.get("made_from", ""), self.source_of(secret)
        if source is None or not self.sources[source].keys or above not in self.secrets:
            return
        read, seen = self.processes[call["p"]].reads.get(above, (0, ""))
        granted = [g for it in self.secrets[above].since(read) for g in it.get("grants", ())]
        if {"secret": new.secret, "source": source} not in granted:
            self.breaks(f"P7: {new.secret} holds what the owner of its key does not consent to")
        made, _, end = new.credential.partition("s")
        key = self.versions.get(seen)
        if read >= 0 and (key is None or key.credential != made):
            self.breaks(f"P4: {new.secret} was made from a key that {above} does not hold")
        elif key and key.expires and max(float(end or 0), new.expires or 0.0) > key.expires:
            self.breaks(f"P7: {new.secret} outlasts its key")

    def _was_wanted(self, secret: Secret, old: Version) -> None:
        """P2: what the rotator itself has written is replaced for a reason."""
        source, since = self.source_of(secret), self.published.get(old.name)
        if since is None or source is None or "copy_of" in secret.terms:
            return
        known = self.sources[source]
        is_asked = any(
            it["secret"] == old.secret
            and (line > since or it["what"] == "restore" or it.get("version") == old.name)
            for line, it in self.requests
        )
        early = secret.terms.get("days_before", 30.0) * DAY
        due = old.expires is not None and old.expires - early <= self.now
        disturbed = max(known.touched, secret.touched, known.late) > NEVER
        excused = disturbed or known.keys or old.name in self.denied
        if not (is_asked or due or excused or self.leaks or len(self.using(source)) > 1):
            self.breaks(f"P2: {old.name} was replaced, and nobody had asked for that")

    def _keep(self, secret: Secret, old: Version, new: Version) -> None:
        """P4: what is superseded is kept for its overlap."""
        source = self.source_of(secret)
        if source is None or old.credential == new.credential:
            return
        if source in self.leaking() | self.in_doubt():
            return
        if self.sources[source].overlaps and self.accepts(source, old.credential):
            deciding = self.secrets.get(secret.terms.get("copy_of", ""), secret)
            hours = min(terms.get("overlap_hours", 168.0) for _, terms in deciding.said)
            until = self.now + hours * HOUR - 2 * self.clocks - self.leapt
            self.kept.append(Kept(old.credential, source, old.name, until))

    def on_end(self, line: Line) -> None:
        """Check what must hold once nothing is left to do."""
        del line
        for name, secret in self.secrets.items():
            if (held := self.holding(secret)) is None:
                continue
            if not self.accepts(*held):
                self.breaks(f"P1: in the end {held[0]} refuses what {name} holds")
            ends = secret.versions[-1].expires
            is_due = ends is not None and ends < self.now + 7 * DAY
            if is_due and "by_person_only" not in secret.terms:
                self.breaks(f"P8: in the end {name} is due, and nobody has renewed it")
            if self.is_marked(name) and "copy_of" not in secret.terms:
                self.breaks(f"P8: in the end {name} still needs a person")
        self._nothing_left()
        for version in self.published:
            self._was_announced(self.versions[version])

    def _nothing_left(self) -> None:
        """P5: only what is current lives, what a person looks after, and what is not ours."""
        for name, secret in self.secrets.items():
            heirs = {heir for source in self.sources_of(name) for heir in self.using(source)}
            if secret.deleted:
                held = {version.credential for version in secret.versions}
                is_theirs = name in self.reported or not heirs - {name}
                self.theirs |= held if is_theirs else held & self.before
        written = any(secret.written for secret in self.secrets.values())
        for name, source in self.sources.items():
            kept = {it.credential for it in self.kept if it.until > self.now}
            left = {*source.accepts} - self.theirs - kept if source.overlaps else ()
            for credential in sorted(left):
                stray = credential in self.made and source.holds == "any number" and not written
                if (credential in self.held or stray) and not self.is_current(credential):
                    self.breaks(f"P5: {credential} is left behind at {name}")
        for credential in self.leaks:
            if self.is_alive(credential) and credential not in self.theirs:
                self.breaks(f"P5: {credential} has leaked, and is accepted in the end")

    def _was_announced(self, version: Version) -> None:
        """P8: whoever uses a secret is told of each version that the rotator has written."""
        secret = self.secrets[version.secret]
        source = self.source_of(secret)
        if version.name in self.announced | self.purged or source is None or secret.deleted:
            return
        announced = {self.versions[it].credential for it in self.announced if it in self.versions}
        known = self.sources[source]
        if "copy_of" in secret.terms or version.credential in announced:
            return
        if max(known.late, known.touched) == NEVER:
            self.breaks(f"P8: {version.name} was published, and never announced")


def _fell(secret: Secret) -> bool:
    """Return whether the current version has come without a source.

    A vault's times are in whole seconds: within one, a new version looks like one that was edited.
    """
    *_, before, current = [None, None, *secret.versions]
    came = [terms for at, terms in secret.said if current and at <= current.line]
    is_later = before and current and int(current.at) > int(before.at)
    return bool(is_later and came and "source" not in came[-1])
