------------------------------- MODULE Record -------------------------------
(***************************************************************************)
(* One source of credentials, the secret that holds one of them, and the   *)
(* state of the source: what Rekey promises, and which rules it takes.     *)
(* README.md explains the model. `Without` leaves rules out, one for each  *)
(* deliberate bug; the product has all of them.                            *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Workers,    \* how many processes may be at work
  Strategy,   \* "two" slots, "one" slot, or "many" credentials beside each other
  Replica,    \* whether another secret copies this one
  Rotations,  \* 1: version 1 is due, so that whoever comes by replaces it
  Secrets,    \* 2: another secret may come to name the source
  Requests,   \* 1: somebody may ask for the rotation of version 1
  Restores,   \* 1: somebody may ask to go back to what the current version has superseded
  Incidents,  \* 1: somebody may report the current credential as leaked, once
  Crashes, Losses, Failures, Lates, Persons, Moves, Forgeries, Lies,  \* how often what happens
  Without     \* rules that are left out

Rule(name) == name \notin Without

VARIABLES
  held,       \* the source: slot -> credential, 0 where there is none
  last,       \* how many credentials have been made
  ver,        \* the vault: versions of the secret, oldest first
  shown,      \* a read shows this version or a later one
  copy,       \* the credential that the replica holds
  consent,    \* whether the replica's owner consents
  names,      \* the secrets whose tags name the source
  tag,        \* the credential that a forged tag RekeyRetire names, 0 for none
  state,      \* the state of the source
  lease,      \* who holds the lease
  audit,      \* whether the daily check is due
  at, view, made,  \* each worker: its next step, version read, credential in hand
  net,        \* requests that nobody waits for any more, but which may still take effect
  proven,     \* credentials that the source accepted when asked
  passed,     \* the overlap of this version, and of all before it, has passed
  leaked,     \* the version that was reported as leaked, 0 for none
  accepted,   \* the version whose replacement was accepted, 0 for none
  reported,   \* outcomes that were reported: credentials published, and Ended
  overtaken,  \* whether a request took effect after its sender had stopped waiting
  interfered, \* whether a person changed something while a worker held the lease
  revoked,    \* credentials that a person took away at the source
  left        \* what may still go wrong

source  == <<held, last, revoked>>
vault   == <<ver, shown, copy, consent, names, tag>>
worker  == <<at, view, made>>
history == <<proven, passed, leaked, accepted, reported, overtaken, interfered>>
vars == <<source, vault, state, lease, audit, worker, net, history, left>>

None == 0
Ended == 0                       \* the outcome that an incident has ended
Foreign == 2                     \* somebody else's credential at the source, where there are many
Slots == CASE Strategy = "one" -> {1} [] Strategy = "two" -> {1, 2} [] OTHER -> 1..12
Total == Len(ver)
\* A source has one owner: the secret whose current version its state is about. Other secrets that name
\* the source are parked. Where its owner names it no more, it goes to one that does.
Newest == IF Secrets = 1 THEN Total
          ELSE CHOOSE i \in 1..Total: /\ ver[i].of = state.owner
                                      /\ \A j \in i + 1..Total: ver[j].of # state.owner
Current == ver[Newest]
Alive(c) == c # 0 /\ \E s \in Slots: held[s] = c
Accepted == Alive(Current.c)
Settled == shown = Total
Reads == {Newest} \cup {i \in shown..Total: ver[i].of = state.owner}
Vacant == CHOOSE s \in Slots: held[s] = 0 /\ \A x \in Slots: held[x] = 0 => s <= x
Leak == IF leaked = 0 THEN 0 ELSE ver[leaked].c

\* The state of the source.
\*   owner          the secret that may rotate the source
\*   phase          the step that a worker is at, or was at when it died; else where the source rests
\*   change         a change was sent, or is about to be, which may take effect late
\*   pending_write  the credential that is published, or was published last, in place of `replaces`
\*   retire         versions whose credential is to be revoked once their overlap has passed
\*   stale          versions whose credential is dead, and which are to be disabled
\*   compromised    the version that was reported as leaked
\*   requested      the version whose rotation was asked for
\*   undone         the version in place of which what it superseded was asked for
\*   unreported     outcomes that are still to be reported, each once it is there
\*   next_check     why the state is to be looked at again
Blank == [owner |-> 1, phase |-> "idle", change |-> FALSE, pending_write |-> 0, replaces |-> 0,
          retire |-> {}, stale |-> {},
          compromised |-> 0, requested |-> 0, undone |-> 0, unreported |-> {}, next_check |-> "none"]

\* Every write of the state says why it is to be looked at again: something is to be done, a change
\* may still take effect, or an overlap passes.
NextCheck(s) ==
  CASE {s.compromised, s.requested, s.undone} # {0} \/ s.stale # {} \/ s.unreported # {} -> "work"
    [] s.change -> "change"
    [] s.retire # {} -> "overlap"
    [] OTHER -> "none"
\* Where a source is at which nobody works.
Resting(s) == CASE s.compromised # 0 -> "revoking" [] s.retire # {} -> "overlap" [] OTHER -> "idle"
Rests == {"idle", "overlap", "revoking"}
Phase(step, s) ==
  CASE step = "issue" -> "issuing" [] step = "verify" -> "verifying" [] step = "clean up" -> "cleaning up"
    [] step = "revoke" -> IF s.compromised # 0 THEN "revoking" ELSE "retiring"
    [] step = "disable" -> "disabling" [] step = "catch up" -> "copying" [] OTHER -> Resting(s)
In(phase, s) == IF Rule("phase") THEN [s EXCEPT !.phase = phase] ELSE s
Write(s) == state' = [s EXCEPT !.next_check = NextCheck(s)]

Init ==
  /\ held = [s \in Slots |-> IF s = 1 THEN 1 ELSE IF s = 2 THEN Foreign ELSE 0]
  /\ last = 2
  /\ ver = <<[c |-> 1, s |-> 1, from |-> 0, by |-> "person", on |-> TRUE, of |-> 1]>>
  /\ shown = 1 /\ copy = (IF Replica THEN 1 ELSE 0) /\ consent = Replica /\ names = {1} /\ tag = 0
  /\ state = Blank /\ lease = None /\ audit = FALSE
  /\ at = [w \in 1..Workers |-> "idle"]
  /\ view = [w \in 1..Workers |-> 0] /\ made = [w \in 1..Workers |-> 0]
  /\ net = {} /\ proven = {} /\ passed = 0 /\ leaked = 0 /\ accepted = 0 /\ reported = {}
  /\ overtaken = FALSE /\ interfered = FALSE /\ revoked = {}
  /\ left = [crash |-> Crashes, loss |-> Losses, failure |-> Failures, late |-> Lates,
             person |-> Persons, move |-> Moves, forgery |-> Forgeries, lie |-> Lies, incident |-> Incidents,
             request |-> Requests, restore |-> Restores]

----------------------------------------------------------------------------
(* What wakes a worker, and the lease *)

Spend(what) == left[what] > 0 /\ left' = [left EXCEPT ![what] = @ - 1]
Go(w, to) == at' = [at EXCEPT ![w] = to]
Drop(w) == view' = [view EXCEPT ![w] = 0] /\ made' = [made EXCEPT ![w] = 0]

\* A worker whose call has failed gives its lease back. The state says what is to be looked at.
GiveUp(w) == Go(w, "idle") /\ Drop(w) /\ lease' = (IF lease = w THEN None ELSE lease)

Replaced(i) == \E j \in 1..Total: ver[j].by = "rekey" /\ ver[j].from = i
\* A version, and those that held its credential before, where that was restored.
Same(i) == {j \in 1..i: ver[j].c = ver[i].c}
\* What Rekey itself has taken into use again is not to be retired.
InUseAgain(i, r) == i < r /\ ver[r].by = "rekey" /\ ver[i].c = ver[r].c
\* Of several versions a retirement revokes one at a time. An overlap that has not passed is waited for.
Due(r) == {i \in state.retire: /\ Replaced(i) /\ ~InUseAgain(i, r)
                               /\ i <= passed \/ i = state.compromised \/ ~Rule("overlap")}

\* A recheck comes minutes later than the change that it looks for.
Late == ~Rule("late recheck") \/ (Settled /\ net = {})
CheckDue ==
  \/ audit \/ (tag # 0 /\ ~Rule("evidence"))
  \/ CASE state.next_check = "work" -> TRUE
       [] state.next_check = "change" -> Late /\ Rule("recheck")
       [] state.next_check = "overlap" -> Due(Newest) # {}
       [] OTHER -> FALSE

\* Any message wakes a worker, or none does: messages may be lost, doubled or late. What they are about
\* stands in the state. Idle workers are alike, so that the first of them comes next.
Wake(w) ==
  /\ at[w] = "idle" /\ \A v \in 1..w - 1: at[v] # "idle"
  /\ lease = None /\ lease' = w /\ Go(w, "read")
  /\ UNCHANGED <<source, vault, state, audit, view, made, net, history, left>>
\* Only the timer that reads what is due is certain to come.
Recheck(w) == CheckDue /\ Wake(w)

\* An outcome stays in the state until it has been reported.
Published(c, n) == \E i \in 1..n: ver[i].by = "rekey" /\ ver[i].c = c
Reportable(w) == {c \in state.unreported: c = Ended \/ Published(c, view[w])}
Notify(w) ==
  /\ lease = w /\ Reportable(w) # {}
  /\ IF Rule("report first")
     THEN /\ reported' = reported \cup Reportable(w)
          /\ LET s == [state EXCEPT !.unreported = @ \ Reportable(w)] IN Write(In(Resting(s), s))
          /\ UNCHANGED <<at, made>>
     ELSE \E c \in Reportable(w):
          /\ Write([state EXCEPT !.unreported = @ \ {c}]) /\ Go(w, "notify")
          /\ made' = [made EXCEPT ![w] = c] /\ UNCHANGED reported
  /\ UNCHANGED <<source, vault, lease, audit, view, net, proven, passed, leaked, accepted, overtaken,
                 interfered, left>>
TooLate(w) ==
  /\ at[w] = "notify" /\ reported' = reported \cup {made[w]} /\ Go(w, "free")
  /\ UNCHANGED <<source, vault, state, lease, audit, view, made, net, proven, passed, leaked, accepted,
                 overtaken, interfered, left>>

Free(w) ==
  /\ at[w] = "free" /\ (lease = w => Reportable(w) = {}) /\ GiveUp(w)
  /\ UNCHANGED <<source, vault, state, audit, net, history, left>>

\* A request and a report of an incident stand in the state before they are accepted. The state is
\* written under its lease only.
Ask ==
  /\ Spend("request") /\ lease = None /\ accepted' = 1
  /\ IF Rule("store") THEN Write([state EXCEPT !.requested = 1]) ELSE UNCHANGED state
  /\ UNCHANGED <<source, vault, lease, audit, worker, net, proven, passed, leaked, reported, overtaken,
                 interfered>>

\* What the current version superseded, and still works, may take its place again.
Restorable(r) == {i \in state.retire: /\ Replaced(i) /\ ver[i].of = state.owner
                                      /\ Alive(ver[i].c) /\ ver[i].c \notin {ver[r].c, Leak}}
AskBack ==
  /\ Spend("restore") /\ lease = None /\ Restorable(Newest) # {} /\ accepted' = Newest
  /\ Write([state EXCEPT !.undone = Newest])
  /\ UNCHANGED <<source, vault, lease, audit, worker, net, proven, passed, leaked, reported, overtaken,
                 interfered>>

Report ==
  /\ Spend("incident") /\ lease = None /\ leaked' = Newest
  /\ IF Rule("store") 
     THEN LET s == [state EXCEPT !.compromised = Newest] IN
          Write(In(IF state.phase \in Rests THEN Resting(s) ELSE state.phase, s))
     ELSE UNCHANGED state
  /\ UNCHANGED <<source, vault, lease, audit, worker, net, proven, passed, accepted, reported, overtaken,
                 interfered>>

----------------------------------------------------------------------------
(* Read the vault and the state, and plan *)

\* Versions that are to be replaced: each is due, or somebody has asked for it.
First == {i \in 1..Total: ver[i].from = 0}
Asked(w) == (IF Rotations > 0 THEN First ELSE {}) \cup ({state.requested} \ {0})

Known == Rule("pending write") /\ state.pending_write # 0
\* The vault shows no more than what the state says was to be replaced: not published, or a stale read.
\* (That may hold what is announced, where an earlier credential is published again.) So is what is
\* older than the version published last: creation times tell.
Behind(r) ==
  /\ Known
  /\ \/ r <= state.replaces
     \/ \E i \in r + 1..Total: /\ ver[i].by = "rekey" /\ ver[i].c = state.pending_write
                               /\ ver[i].of = ver[r].of /\ ver[r].c # state.pending_write
\* Where a source still shows what was announced (a key can be read), or a replica holds it, that
\* very one is published.
Readable == Alive(state.pending_write) /\ (Strategy = "two" \/ (Replica /\ copy = state.pending_write))

\* What an interrupted rotation has made, where that can be told, and nobody has published.
Leftovers == IF Strategy # "many" THEN {}
             ELSE {c \in 3..last: Alive(c) /\ \A i \in 1..Total: ver[i].c # c}

\* The state says that a change is about to be sent, before it is.
Before(s) == IF Rule("next check") THEN [s EXCEPT !.change = TRUE] ELSE s

\* They are removed before another one is made. (A worker's first try cannot know of them, and leaves
\* them to a later one: recorded runs are held against the model without this rule.)
Make == IF Leftovers = {} THEN {<<"issue", 0>>}
        ELSE {<<"clean up", 0>>} \cup (IF Rule("clean up first") THEN {} ELSE {<<"issue", 0>>})
Replace(r) == IF Behind(r) /\ Readable THEN {<<"verify", state.pending_write>>} ELSE Make
\* The current version is refused: publish what its slot holds, or make another credential in place.
Repair(r) == IF Strategy = "two" THEN {<<"verify", held[ver[r].s]>>} ELSE Make
\* Nothing is to be done, but for a replica that missed what is current.
Rest(r) == IF consent /\ copy # ver[r].c /\ Alive(ver[r].c) THEN {<<"catch up", ver[r].c>>}
           ELSE {<<"free", 0>>}

\* Versions whose credential is dead, and which the state has still to forget.
Stale == {i \in state.retire \cup state.stale: /\ Replaced(i) /\ ~Alive(ver[i].c) /\ i # Newest
                                               /\ ver[i].of = state.owner}
IncidentOpen == state.compromised # 0
Sound(r) == Alive(ver[r].c) \/ ~Rule("repair first")

\* Where something waits for its overlap to pass, its place is not free yet.
InOverlap == {i \in state.retire: Replaced(i)}
\* Which version is to be undone.
Undone(w) == state.undone
Restore(r) == {<<"verify", ver[i].c>>: i \in Restorable(r)}
MayReplace(w, r) == r \in Asked(w) /\ (InOverlap = {} \/ ~Rule("one overlap"))

\* The next step and the credential that it is about. Whatever wakes a worker, the plan is the same.
Plan(w, r) ==
  (CASE IncidentOpen -> IF ver[r].c # Leak THEN {<<"revoke", 0>>}
                         ELSE IF Undone(w) = r /\ Restorable(r) # {} THEN Restore(r) ELSE Replace(r)
     \* Else what is to be restored would be retired.
     [] Undone(w) = r /\ Restorable(r) # {} /\ (Rule("restore first") \/ Due(r) = {}) -> Restore(r)
     \* What is due to be retired comes first, but not before the current version is repaired.
     [] Due(r) # {} /\ Sound(r) -> {<<"revoke", 0>>}
     [] tag # 0 /\ ~Rule("evidence") -> {<<"revoke", 0>>}
     [] MayReplace(w, r) -> Replace(r)
     [] ~Alive(ver[r].c) /\ Rule("verify current") -> Repair(r)
     [] Stale # {} -> {<<"disable", 0>>}
     [] Leftovers # {} -> {<<"clean up", 0>>}
     [] OTHER -> Rest(r))
  \* What is dead may be disabled before anything else but the repair of the current version.
  \cup IF Stale # {} /\ ~IncidentOpen /\ Sound(r) THEN {<<"disable", 0>>} ELSE {}

\* What the state need not say any more: a request is done; no change can take effect any more, so that
\* what a lost write was to supersede has not been superseded; what was restored is in use again.
Observed(r) ==
  LET sure == {i \in 1..Total: ~Late \/ Replaced(i)} IN
  [state EXCEPT !.requested = IF r > @ THEN 0 ELSE @,
                !.undone = IF r > @ \/ (r = @ /\ Restorable(r) = {}) THEN 0 ELSE @, !.change = @ /\ ~Late,
                !.retire = {i \in @ \cap sure: ~InUseAgain(i, r)}, !.stale = @ \cap sure,
                !.unreported = {c \in @: ~Late \/ c = Ended \/ Published(c, Total)}]

\* Another secret takes the source over with all that is owed there. It disables versions of its own
\* only, and what the former owner was asked for is not its concern.
Orphaned == Secrets > 1 /\ state.owner \notin names
Claim(w) ==
  \E secret \in names \ {state.owner}:
    /\ Write(IF Rule("pass whole")
             THEN [state EXCEPT !.owner = secret, !.stale = {}, !.requested = 0, !.undone = 0,
                                !.change = TRUE]
             ELSE [Blank EXCEPT !.owner = secret])
    /\ UNCHANGED <<at, view, made, lease, audit>>

Read(w) ==
  /\ at[w] = "read"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<state, audit>>
     ELSE IF Orphaned THEN Claim(w)
     ELSE \/ ~Rule("one owner") /\ Claim(w)
          \/ \E r \in Reads:
             /\ Behind(r) /\ Rule("wait") => Settled
             /\ view' = [view EXCEPT ![w] = r] /\ audit' = (audit /\ r # Newest)
             /\ \E step \in Plan(w, r):
                  /\ Go(w, step[1]) /\ made' = [made EXCEPT ![w] = step[2]]
                  /\ LET s == IF step[1] = "free" THEN Observed(r) ELSE Before(Observed(r)) IN
                     Write(In(Phase(step[1], s), s))
             /\ UNCHANGED lease
  /\ UNCHANGED <<source, vault, net, history, left>>

----------------------------------------------------------------------------
(* Change the source, verify it, announce it, publish it *)

Restoring(w) == Undone(w) = view[w] /\ \E i \in 1..Total: ver[i].c = made[w]
Repairing(w) == ~IncidentOpen /\ ~MayReplace(w, view[w]) /\ ~Restoring(w)
Target(w) ==
  CASE Strategy = "one" -> 1
    [] Strategy = "two" -> IF Repairing(w) THEN ver[view[w]].s ELSE 3 - ver[view[w]].s
    [] OTHER -> Vacant

\* A single slot is changed after a fresh read only: whoever rolls it back may rely on that.
Unread(w) == Strategy = "one" /\ Rule("fresh read") /\ \E r \in Reads: r # view[w]
Fresh(w) == Strategy # "one" \/ ~Rule("fresh read") \/ view[w] \in Reads
Issue(w) ==
  /\ at[w] = "issue"
  /\ \/ (lease # w \/ Unread(w)) /\ GiveUp(w) /\ UNCHANGED <<held, last, net, left>>
     \/ /\ lease = w /\ Fresh(w) /\ last' = last + 1 /\ held' = [held EXCEPT ![Target(w)] = last + 1]
        /\ made' = [made EXCEPT ![w] = last + 1] /\ Go(w, "verify")
        /\ UNCHANGED <<lease, view, net, left>>
     \/ /\ lease = w /\ Fresh(w) /\ Spend("late")
        /\ net' = net \cup {IF Strategy = "many" THEN [do |-> "add"] ELSE [do |-> "set", s |-> Target(w)]}
        /\ GiveUp(w) /\ UNCHANGED <<held, last>>
  /\ UNCHANGED <<vault, state, audit, history, revoked>>

Verify(w) ==
  /\ at[w] = "verify"
  /\ IF Alive(made[w]) \/ ~Rule("verify")
     THEN /\ proven' = (IF Rule("verify") THEN proven \cup {made[w]} ELSE proven)
          /\ Go(w, "prepare") /\ UNCHANGED <<lease, view, made>>
     ELSE GiveUp(w) /\ UNCHANGED proven
  /\ UNCHANGED <<source, vault, state, audit, net, passed, leaked, accepted, reported, overtaken, interfered,
                 left>>

\* What is about to be published, and what that supersedes. The state is written under its lease only.
Gone(w) == Repairing(w) \/ Strategy = "one"
Prepare(w) ==
  /\ at[w] = "prepare"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED state
     ELSE /\ Write(In("publishing",
                   [state EXCEPT !.pending_write = IF Rule("pending write") THEN made[w] ELSE 0,
                                 !.replaces = view[w], !.change = TRUE,
                                 !.unreported = {made[w]} \cup IF Rule("keep unreported") THEN @ ELSE {},
                                 !.retire = IF Gone(w) THEN @ ELSE @ \cup {view[w]},
                                 !.stale = IF Gone(w) /\ Rule("out of use") THEN @ \cup Same(view[w]) ELSE @]))
          /\ Go(w, IF Replica /\ Rule("copies first") THEN "copy" ELSE "publish")
          /\ UNCHANGED <<lease, view, made>>
  /\ UNCHANGED <<source, vault, audit, net, history, left>>

\* Replicas come first. One whose owner does not consent is left alone, and nothing waits for it.
Copy(w) ==
  /\ at[w] \in {"copy", "catch up"}
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<copy, net, left>>
     ELSE \/ /\ copy' = (IF consent \/ ~Rule("consent") THEN made[w] ELSE copy)
             /\ Go(w, IF at[w] = "copy" /\ Rule("copies first") THEN "publish" ELSE "free")
             /\ UNCHANGED <<lease, view, made, net, left>>
          \/ /\ consent /\ Spend("late") /\ GiveUp(w) /\ UNCHANGED copy
             /\ net' = net \cup {[do |-> "copy", c |-> made[w]]}
          \/ \* A single slot has changed already: its secret cannot wait for a replica that fails.
             /\ Strategy = "one" /\ at[w] = "copy" /\ Spend("failure") /\ Go(w, "publish")
             /\ UNCHANGED <<copy, lease, view, made, net>>
  /\ UNCHANGED <<source, ver, shown, consent, names, tag, state, audit, history>>

VersionOf(secret, c, s, from, by) ==
  [c |-> c, s |-> s, from |-> from, by |-> by, on |-> TRUE, of |-> secret]
Version(c, s, from, by) == VersionOf(state.owner, c, s, from, by)
SlotOf(c) == IF Alive(c) THEN CHOOSE s \in Slots: held[s] = c ELSE 1
\* A version that was refused, or that a single slot held, is disabled as soon as another one stands
\* in its place. A compromised one is not before its credential is confirmed as revoked.
After(w) == IF IncidentOpen THEN (IF Strategy = "one" THEN "confirm revoked" ELSE "read")
            ELSE IF Gone(w) \/ Stale # {} THEN "disable"
            ELSE IF Replica /\ ~Rule("copies first") THEN "copy" ELSE "free"

\* The vault writer: the lease is held, and a fresh read shows the version that is to be replaced.
Publish(w) ==
  /\ at[w] = "publish"
  /\ \E r \in Reads:
     IF (lease # w /\ Rule("lease")) \/ ((r # view[w] \/ Orphaned) /\ Rule("fresh read"))
     THEN GiveUp(w) /\ UNCHANGED <<ver, net, left>>
     ELSE \/ /\ ver' = Append(ver, Version(made[w], SlotOf(made[w]), view[w], "rekey"))
             /\ Go(w, After(w)) /\ view' = [view EXCEPT ![w] = Total + 1]
             /\ made' = (IF After(w) = "confirm revoked" THEN [made EXCEPT ![w] = Leak] ELSE made)
             /\ UNCHANGED <<lease, net, left>>
          \/ \* It gave no answer. A single slot is rolled back, unless it has arrived by then.
             /\ Spend("late") /\ UNCHANGED ver
             /\ \/ GiveUp(w)
                \/ Strategy = "one" /\ Go(w, "roll back") /\ UNCHANGED <<lease, view, made>>
             /\ net' = net \cup {[do |-> "put", c |-> made[w], s |-> SlotOf(made[w]), from |-> view[w]]}
  /\ UNCHANGED <<source, shown, copy, consent, names, tag, state, audit, history>>

\* Roll back at the source to what the vault holds, unless a person has changed it meanwhile. A vault that
\* gives no answer (0) has shown it just before the change; what was proven must still be accepted.
Outage == 0
RollBack(w) ==
  /\ at[w] = "roll back"
  /\ \E r \in Reads \cup {Outage}:
       LET old == ver[view[w]].c
           \* A compromised credential is not set back.
           unwanted == IF IncidentOpen THEN {Leak} ELSE {}
           is_last == r = view[w] \/ (r = Outage /\ made[w] \in proven /\ Alive(made[w])) IN
       IF /\ lease = w /\ (is_last \/ ~Rule("roll back"))
          /\ old \notin revoked \cup unwanted \/ ~Rule("revoked")
       THEN /\ Write(In("rolling back", state))
            /\ \/ held' = [held EXCEPT ![1] = old] /\ UNCHANGED <<net, left>>
               \/ Spend("late") /\ net' = net \cup {[do |-> "set back", c |-> old]} /\ UNCHANGED held
       ELSE UNCHANGED <<held, state, net, left>>
  /\ GiveUp(w)
  /\ UNCHANGED <<last, revoked, vault, audit, history>>

----------------------------------------------------------------------------
(* Retire, confirm it, disable *)

\* A retirement spares what the vault's current version holds, whoever wrote that.
Spared(w) == IF Rule("spare") THEN {ver[view[w]].c} ELSE {}
Slotted(c, s) == [c |-> c, s |-> s]
ToRevoke(w) ==
  LET of(i) == Slotted(ver[i].c, ver[i].s)
      tagged == IF Rule("evidence") \/ tag = 0 THEN {}
                ELSE {Slotted(tag, IF Alive(tag) THEN SlotOf(tag) ELSE 1)}
      wanted == IF IncidentOpen THEN {of(leaked)} ELSE {of(i): i \in Due(view[w])} \cup tagged
  IN {x \in wanted: x.c \notin Spared(w)}

\* A slot is never empty: its key is replaced. (A retirement that is repeated replaces it once more;
\* nothing depends on that here.)
HeldWithout(x) ==
  CASE ~Alive(x.c) \/ Strategy = "one" -> held
    [] Strategy = "many" -> [s \in Slots |-> IF held[s] = x.c THEN 0 ELSE held[s]]
    [] OTHER -> [held EXCEPT ![x.s] = last + 1]

Revoke(w) ==
  /\ at[w] = "revoke"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<held, last, net, left>>
     ELSE IF ToRevoke(w) = {}
     THEN Go(w, "disable") /\ UNCHANGED <<held, last, lease, view, made, net, left>>
     ELSE \E x \in ToRevoke(w):
          \/ \* it is revoked; nothing is left to do where it is gone already
             /\ held' = HeldWithout(x)
             /\ last' = (IF held' # held /\ Strategy = "two" THEN last + 1 ELSE last)
             /\ Go(w, "confirm revoked") /\ made' = [made EXCEPT ![w] = x.c]
             /\ UNCHANGED <<lease, view, net, left>>
          \/ \* "not found", says a replica of the source that lags
             /\ Spend("lie") /\ Go(w, "confirm revoked") /\ made' = [made EXCEPT ![w] = x.c]
             /\ UNCHANGED <<held, last, lease, view, net>>
          \/ /\ Alive(x.c) /\ Strategy # "one" /\ Spend("late") /\ GiveUp(w)
             /\ net' = net \cup {IF Strategy = "many" THEN [do |-> "remove", c |-> x.c]
                                ELSE [do |-> "set", s |-> x.s]}
             /\ UNCHANGED <<held, last>>
  /\ UNCHANGED <<revoked, vault, state, audit, history>>

\* What was revoked is tried. Only its refusal is believed.
Believed(w) == ~Rule("confirm revoked") \/ (~Rule("read back") /\ ~IncidentOpen)
ConfirmRevoked(w) ==
  /\ at[w] = "confirm revoked"
  /\ IF (Alive(made[w]) /\ ~Believed(w)) \/ lease # w THEN GiveUp(w) /\ UNCHANGED state
     ELSE \* What is confirmed as revoked is retired; its versions are still to be disabled.
          /\ Write(In("disabling", [state EXCEPT !.compromised = IF made[w] = Leak THEN 0 ELSE @,
                                 !.unreported = IF IncidentOpen /\ made[w] = Leak THEN @ \cup {Ended} ELSE @,
                                 !.retire = {i \in @: ver[i].c # made[w]},
                                 !.stale = IF Alive(made[w]) THEN @
                                           ELSE @ \cup UNION {Same(i): i \in {j \in state.retire:
                                                                        ver[j].c = made[w]}}]))
          /\ Go(w, IF Strategy = "one" /\ ~Rule("out of use") THEN "free" ELSE "disable")
          /\ UNCHANGED <<lease, view, made>>
  /\ UNCHANGED <<source, vault, audit, net, history, left>>

Off(i) == [ver[i] EXCEPT !.on = FALSE]
\* Versions whose credential is dead are disabled, then the state forgets them.
ToDisable(w) == Stale \cup {i \in {ver[view[w]].from} \ {0, state.compromised}:
                           ~Alive(ver[i].c) /\ made[w] = ver[view[w]].c}
Disable(w) ==
  /\ at[w] = "disable"
  /\ \E r \in Reads:
     IF lease # w \/ (r # view[w] /\ Rule("fresh read")) THEN GiveUp(w) /\ UNCHANGED <<ver, net, left>>
     ELSE \/ /\ ver' = [i \in 1..Total |-> IF i \in ToDisable(w) THEN Off(i) ELSE ver[i]]
             /\ Go(w, "forget") /\ UNCHANGED <<lease, view, made, net, left>>
          \/ /\ Spend("late") /\ GiveUp(w) /\ UNCHANGED ver
             /\ \E i \in ToDisable(w): net' = net \cup {[do |-> "off", i |-> i]}
  /\ UNCHANGED <<source, shown, copy, consent, names, tag, state, audit, history>>

\* Who has done one thing plans again, until nothing is left.
Forget(w) ==
  /\ at[w] = "forget"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED state
     ELSE /\ LET open == {i \in 1..Total: ver[i].on /\ ver[i].c # ver[view[w]].c} IN
             Write(In("disabling", [state EXCEPT !.retire = @ \cap open, !.stale = @ \cap open]))
          /\ Go(w, "read")
          /\ UNCHANGED <<lease, view, made>>
  /\ UNCHANGED <<source, vault, audit, net, history, left>>

CleanUp(w) ==
  /\ at[w] = "clean up"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<held, state, net, left>>
     ELSE IF Leftovers = {} \/ ~Rule("clean up")
     THEN LET next == IF Repairing(w) /\ Alive(ver[view[w]].c) THEN "free" ELSE "issue" IN
          /\ Go(w, next) /\ Write(In(Phase(next, state), state))
          /\ UNCHANGED <<held, lease, view, made, net, left>>
     ELSE LET c == CHOOSE x \in Leftovers: \A y \in Leftovers: x <= y IN
          \/ /\ held' = [s \in Slots |-> IF held[s] = c THEN 0 ELSE held[s]]
             /\ UNCHANGED <<at, state, lease, view, made, net, left>>
          \/ /\ Spend("late") /\ GiveUp(w) /\ net' = net \cup {[do |-> "remove", c |-> c]}
             /\ UNCHANGED <<held, state>>
  /\ UNCHANGED <<last, revoked, vault, audit, history>>

----------------------------------------------------------------------------
(* What happens to workers, requests and vaults *)

\* The process dies, and whatever woke it is lost.
Crash(w) ==
  /\ at[w] # "idle" /\ Spend("crash") /\ Go(w, "idle") /\ Drop(w)
  /\ UNCHANGED <<source, vault, state, lease, audit, net, history>>

\* A call fails, or its answer is lost: the worker lives and gives up. Where there is a single slot,
\* it sets back what the vault holds before that. Where there are many, it removes what it has made.
Fail(w) ==
  /\ at[w] \notin {"idle", "free", "roll back"} /\ Spend("failure")
  /\ \/ GiveUp(w) /\ UNCHANGED state
     \/ /\ Strategy = "one" /\ at[w] \in {"verify", "prepare", "publish"} /\ Go(w, "roll back")
        /\ UNCHANGED <<state, lease, view, made>>
     \/ /\ Strategy = "many" /\ at[w] \in {"verify", "prepare"} /\ made[w] \in Leftovers /\ lease = w
        /\ Go(w, "clean up")
        /\ Write(In(Phase("clean up", state), state)) /\ UNCHANGED <<lease, view, made>>
  /\ UNCHANGED <<source, vault, audit, net, history>>

\* The lease of a dead worker always ends; that of one that is slow may.
Expire ==
  /\ lease # None /\ (at[lease] = "idle" \/ left.loss > 0) /\ lease' = None
  /\ left' = (IF at[lease] = "idle" THEN left ELSE [left EXCEPT !.loss = @ - 1])
  /\ UNCHANGED <<source, vault, state, audit, worker, net, history>>

Settle ==
  /\ ~Settled /\ \E n \in shown + 1..Total: shown' = n
  /\ UNCHANGED <<source, ver, copy, consent, names, tag, state, lease, audit, worker, net, history, left>>

Effect(request) ==
  CASE request.do = "set" -> /\ held' = [held EXCEPT ![request.s] = last + 1] /\ last' = last + 1
                             /\ UNCHANGED <<ver, copy>>
    [] request.do = "add" -> /\ held' = [held EXCEPT ![Vacant] = last + 1] /\ last' = last + 1
                             /\ UNCHANGED <<ver, copy>>
    [] request.do = "remove" -> /\ held' = [s \in Slots |-> IF held[s] = request.c THEN 0 ELSE held[s]]
                                /\ UNCHANGED <<last, ver, copy>>
    [] request.do = "set back" -> held' = [held EXCEPT ![1] = request.c] /\ UNCHANGED <<last, ver, copy>>
    [] request.do = "off" -> ver' = [ver EXCEPT ![request.i] = Off(request.i)] /\ UNCHANGED <<held, last, copy>>
    [] request.do = "copy" -> copy' = request.c /\ UNCHANGED <<held, last, ver>>
    [] OTHER -> /\ ver' = Append(ver, VersionOf(ver[request.from].of, request.c, request.s,
                                                request.from, "rekey"))
                /\ UNCHANGED <<held, last, copy>>

\* A request takes effect late, or never.
Land ==
  /\ \E request \in net: Effect(request) /\ net' = net \ {request}
  /\ overtaken' = TRUE
  /\ UNCHANGED <<revoked, shown, consent, names, tag, state, lease, audit, worker, proven, passed,
                 leaked, accepted, reported, interfered, left>>

Vanish ==
  /\ \E request \in net: net' = net \ {request}
  /\ UNCHANGED <<source, vault, state, lease, audit, worker, history, left>>

\* The overlap of everything that has been superseded so far ends.
Pass ==
  /\ \E i \in InOverlap: i > passed
  /\ passed' = Total - 1
  /\ UNCHANGED <<source, vault, state, lease, audit, worker, net, proven, leaked, accepted, reported, overtaken,
                 interfered, left>>

----------------------------------------------------------------------------
(* People and adversaries *)

Interfere == interfered' = (interfered \/ lease # None)
\* What a person writes is seen at once: nothing could close the second in which it is not.
Written(version) == Settled /\ ver' = Append(ver, version) /\ shown' = Total + 1

PersonWrites ==
  /\ Spend("person") /\ Interfere
  /\ LET s == CASE Strategy = "one" -> 1 [] Strategy = "two" -> 3 - Current.s
                [] OTHER -> Vacant IN
     /\ held' = [held EXCEPT ![s] = last + 1] /\ last' = last + 1
     /\ revoked' = revoked \cup ({held[s]} \ {0})
     /\ Written(Version(last + 1, s, Newest, "person"))
  /\ UNCHANGED <<copy, consent, names, tag, state, lease, audit, worker, net, proven, passed, leaked, accepted,
                 reported, overtaken>>

\* A person puts back what an earlier version holds, by hand.
PersonGoesBack ==
  /\ Spend("person") /\ Interfere
  /\ \E i \in 1..Newest - 1: /\ Alive(ver[i].c) /\ ver[i].c # Current.c /\ ver[i].c # Leak
                             /\ ver[i].of = state.owner
                             /\ Written(Version(ver[i].c, ver[i].s, Newest, "person"))
  /\ UNCHANGED <<held, last, revoked, copy, consent, names, tag, state, lease, audit, worker, net, proven,
                 passed, leaked, accepted, reported, overtaken>>

\* A person takes the current credential away at its source. The daily audit looks there.
PersonRevokes ==
  /\ Accepted /\ Spend("person") /\ Interfere
  /\ LET s == SlotOf(Current.c) IN
     IF Strategy = "many" THEN held' = [held EXCEPT ![s] = 0] /\ UNCHANGED last
     ELSE held' = [held EXCEPT ![s] = last + 1] /\ last' = last + 1
  /\ revoked' = revoked \cup {Current.c} /\ audit' = TRUE
  /\ UNCHANGED <<vault, state, lease, worker, net, proven, passed, leaked, accepted, reported, overtaken>>

\* Another secret names the source, with a credential that it takes over from there: in place of the
\* owner, or beside it. The sweep sees that in the course of a day.
PersonNames ==
  /\ Secrets > 1 /\ names = {1} /\ Spend("move") /\ Interfere /\ audit' = TRUE
  /\ names' \in {{2}, {1, 2}}
  /\ \E i \in 1..Total: Alive(ver[i].c) /\ Written(VersionOf(2, ver[i].c, ver[i].s, 0, "person"))
  /\ UNCHANGED <<source, copy, consent, tag, state, lease, worker, net, proven, passed, leaked, accepted,
                 reported, overtaken>>

\* The owner names the source no more. What the other secret holds may have been retired meanwhile: a
\* parked secret is promised nothing.
PersonReleases ==
  /\ names = {1, 2} /\ Spend("move") /\ audit' = TRUE /\ names' = {2}
  /\ interfered' = (interfered \/ lease # None \/ \E i \in 1..Total: ver[i].of = 2 /\ ~Alive(ver[i].c))
  /\ UNCHANGED <<source, ver, shown, copy, consent, tag, state, lease, worker, net, proven, passed, leaked,
                 accepted, reported, overtaken>>

Withdraw ==
  /\ consent /\ Spend("person") /\ consent' = FALSE
  /\ UNCHANGED <<source, ver, shown, copy, names, tag, state, lease, audit, worker, net, history>>

\* Who may write the secret's tags names any credential in RekeyRetire.
Forge ==
  /\ Spend("forgery") /\ \E c \in {Current.c, Foreign}: tag' = c
  /\ UNCHANGED <<source, ver, shown, copy, consent, names, state, lease, audit, worker, net, history>>

----------------------------------------------------------------------------

Step(w) ==
  \/ Read(w) \/ Issue(w) \/ Verify(w) \/ Prepare(w) \/ Copy(w) \/ Publish(w) \/ RollBack(w)
  \/ Revoke(w) \/ ConfirmRevoked(w) \/ Disable(w) \/ Forget(w) \/ CleanUp(w)
  \/ (at[w] = "free" /\ Notify(w)) \/ TooLate(w) \/ Free(w)

Next ==
  \/ \E w \in 1..Workers: Wake(w) \/ Step(w) \/ Crash(w) \/ Fail(w)
  \/ Expire \/ Settle \/ Land \/ Vanish \/ Pass
  \/ Ask \/ AskBack \/ Report
  \/ PersonWrites \/ PersonGoesBack \/ PersonRevokes \/ PersonNames \/ PersonReleases
  \/ Withdraw \/ Forge

\* Nothing is promised of a message: no Wake is fair but that of the timer.
Spec ==
  /\ Init /\ [][Next]_vars
  /\ WF_vars(Expire) /\ WF_vars(Settle) /\ WF_vars(Land \/ Vanish) /\ WF_vars(Pass)
  /\ \A w \in 1..Workers: WF_vars(Recheck(w)) /\ WF_vars(Step(w))

----------------------------------------------------------------------------
(* The promises *)

\* The state says in which step its source is, and nothing that contradicts it. Whatever may still take
\* effect is to be looked for.
Steps ==
  "issue" :> {"issuing"} @@ "verify" :> {"issuing", "verifying"} @@ "prepare" :> {"issuing", "verifying"}
  @@ "copy" :> {"publishing"} @@ "publish" :> {"publishing"} @@ "catch up" :> {"copying"}
  @@ "roll back" :> {"issuing", "verifying", "publishing"} @@ "clean up" :> {"cleaning up"}
  @@ "revoke" :> {"retiring", "revoking"} @@ "confirm revoked" :> {"retiring", "revoking", "publishing"}
  @@ "disable" :> {"disabling", "retiring", "revoking", "publishing"}
  @@ "forget" :> {"disabling", "retiring", "revoking", "publishing"}
InPhase ==
  /\ \A w \in 1..Workers: lease = w /\ at[w] \in DOMAIN Steps => state.phase \in Steps[at[w]]
  /\ CASE state.phase = "idle" -> state.retire = {} /\ state.compromised = 0
       [] state.phase = "overlap" -> state.retire # {} /\ state.compromised = 0
       [] state.phase = "revoking" -> state.compromised # 0
       [] state.phase = "retiring" -> state.retire # {} /\ state.change
       [] state.phase = "publishing" -> state.pending_write # 0 /\ state.change
       [] OTHER -> state.change
  /\ net # {} => state.change
  /\ state.next_check = NextCheck(state)

Undisturbed == ~overtaken /\ ~interfered
Superseded == {i \in 1..Total: Replaced(i)}
\* What a person has put back is that person's to remove, and what was restored is so where a person has
\* replaced that.
TakenBack == {i \in 1..Total: \E j \in i + 1..Total: /\ ver[j].c = ver[i].c
                                                     /\ ver[j].by = "person" \/ j \notin Superseded}

\* Whose the source is: that of the secret that named it first, as long as it does.
Rightful == IF 1 \in names THEN 1 ELSE 2
Held == IF Secrets = 1 \/ Rightful = state.owner THEN Current.c
        ELSE LET theirs == {i \in 1..Total: ver[i].of = Rightful}
             IN ver[CHOOSE i \in theirs: \A j \in theirs: j <= i].c
\* Where there are two slots, the vault's current version is accepted at every instant.
P1 == (Undisturbed /\ Strategy # "one") => Alive(Held) \/ Held \in revoked
\* Whatever happens, it is accepted in the end.
P1End == <>[]Alive(Held)
\* A version is replaced once.
P2 == ~overtaken => \A i, j \in 1..Total:
        (i # j /\ ver[i].by = "rekey" /\ ver[j].by = "rekey") => ver[i].from # ver[j].from
\* Only what the source accepted is published.
P3 == \A i \in 1..Total: ver[i].by = "rekey" => ver[i].c \in proven
\* What a version holds works until its overlap has passed, and as long as the source refuses the current
\* version, as it may be the last one that works; unless it is compromised, or a person's doing.
P4 == [][(Undisturbed /\ Strategy # "one" /\ leaked = 0)' =>
          \A i \in Superseded: Alive(ver[i].c) /\ ~Alive(ver[i].c)' =>
            (i <= passed /\ Alive(Held)) \/ ver[i].c \in revoked']_vars
\* Rekey never removes what it did not make for this secret, nor ends an incident while the leak works.
P5 == /\ Strategy = "many" => Alive(Foreign)
      /\ Ended \in reported => ~Alive(Leak)
\* No outcome is lost before it is reported, and each is reported in the end.
ByRekey == {ver[i].c: i \in {j \in 1..Total: ver[j].by = "rekey"}}
P8 == ByRekey \subseteq reported \cup state.unreported
P8End == <>[](ByRekey \subseteq reported)
\* What was asked for is done in the end.
Requested == <>[](accepted = 0 \/ Newest > accepted \/ (accepted > 1 /\ overtaken))
\* In the end nothing superseded is alive or enabled, nothing unpublished is left, and no incident is open.
P5End == <>[](/\ \A i \in Superseded \ TakenBack: 
                   ver[i].c # Current.c => ~Alive(ver[i].c) /\ (ver[i].of = state.owner => ~ver[i].on)
              /\ Strategy = "many" => Leftovers = {}
              /\ leaked # 0 => Ended \in reported)
\* A replica is written with its owner's consent only.
P7 == [][copy' # copy => consent \/ net' # net]_vars
\* A replica whose owner consents always holds an accepted credential.
P1Replica == (Undisturbed /\ Replica /\ consent /\ Strategy # "one") => Alive(copy) \/ copy \in revoked
P1ReplicaEnd == <>[](consent => Alive(copy))
\* People win: nothing that a person wrote is superseded unseen, nothing that a person revoked is revived.
People == [][net' = net =>
             /\ LET new == ver'[Len(ver')] IN (Len(ver') > Total /\ new.by = "rekey") =>
                  \A i \in 1..Total: (ver[i].by = "person" /\ ver[i].of = new.of) => i <= new.from
             /\ \A s \in Slots: held'[s] \in revoked => held[s] = held'[s]
             /\ \A s \in Slots, i \in 1..Total:
                  (ver[i].by = "person" /\ held[s] = ver[i].c /\ held'[s] # 0) => held'[s] >= held[s]]_vars
=============================================================================
