------------------------------- MODULE Record -------------------------------
(***************************************************************************)
(* One source of credentials, the secret that holds one of them, and the   *)
(* state of the source: what Rekey promises, and which rules it takes.     *)
(* README.md explains the model. `Without` leaves rules out, one for each  *)
(* deliberate bug; the product has all of them.                            *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
  Workers,    \* how many processes handle messages
  Strategy,   \* "two" slots, "one" slot, or "many" credentials beside each other
  Replica,    \* whether another secret copies this one
  Rotations,  \* messages that ask for the rotation of version 1
  Incidents,  \* 1: somebody may report the current credential as leaked, once
  Crashes, Deaths, Losses, Failures, Lates, Persons, Forgeries, Lies,  \* how often what happens
  Without     \* rules that are left out

Rule(name) == name \notin Without

VARIABLES
  held,       \* the source: slot -> credential, 0 where there is none
  last,       \* how many credentials have been made
  ver,        \* the vault: versions of the secret, oldest first
  shown,      \* a read shows this version or a later one
  copy,       \* the credential that the replica holds
  consent,    \* whether the replica's owner consents
  tag,        \* the credential that a forged tag RekeyRetire names, 0 for none
  state,      \* the state of the source
  lease,      \* who holds the lease
  messages,   \* messages that wait: kind -> number
  at, message, view, made,  \* each worker: its next step, message, version read, credential in hand
  net,        \* requests that nobody waits for any more, but which may still take effect
  proven,     \* credentials that the source accepted when asked
  passed,     \* the overlap of this version, and of all before it, has passed
  leaked,     \* the version that was reported as leaked, 0 for none
  ended,      \* whether the incident was reported as ended
  overtaken,  \* whether a request took effect after its sender had stopped waiting
  interfered, \* whether a person changed something while a worker held the lease
  revoked,    \* credentials that a person took away at the source
  left        \* what may still go wrong

source  == <<held, last, revoked>>
vault   == <<ver, shown, copy, consent, tag>>
worker  == <<at, message, view, made>>
history == <<proven, passed, leaked, ended, overtaken, interfered>>
vars == <<held, last, revoked, ver, shown, copy, consent, tag, state, lease, messages, at, message, view, made,
          net, proven, passed, leaked, ended, overtaken, interfered, left>>

None == 0
Foreign == 2                     \* somebody else's credential at the source, where there are many
Slots == CASE Strategy = "one" -> {1} [] Strategy = "two" -> {1, 2} [] OTHER -> 1..12
Kinds == {"rotate", "retire", "recheck", "incident", "park"}
Newest == Len(ver)
Current == ver[Newest]
Alive(c) == c # 0 /\ \E s \in Slots: held[s] = c
Accepted == Alive(Current.c)
Settled == shown = Newest
Reads == shown..Newest
Vacant == CHOOSE s \in Slots: held[s] = 0 /\ \A x \in Slots: held[x] = 0 => s <= x
Leak == IF leaked = 0 THEN 0 ELSE ver[leaked].c
\* Versions of which a rotation is asked for: each is due, or somebody forces it.
Asked == {1}

\* The credential announced and the version that it replaces; versions whose credential is to be
\* revoked, and those that are dead already; the version that was reported.
NoState == [pending_write |-> 0, replaces |-> 0, retire |-> {}, stale |-> {}, compromised |-> 0]

Init ==
  /\ held = [s \in Slots |-> IF s = 1 THEN 1 ELSE IF s = 2 THEN Foreign ELSE 0]
  /\ last = 2
  /\ ver = <<[c |-> 1, s |-> 1, from |-> 0, by |-> "person", on |-> TRUE]>>
  /\ shown = 1 /\ copy = (IF Replica THEN 1 ELSE 0) /\ consent = Replica /\ tag = 0
  /\ state = NoState /\ lease = None
  /\ messages = [k \in Kinds |-> IF k = "rotate" THEN Rotations ELSE 0]
  /\ at = [w \in 1..Workers |-> "idle"] /\ message = [w \in 1..Workers |-> "none"]
  /\ view = [w \in 1..Workers |-> 0] /\ made = [w \in 1..Workers |-> 0]
  /\ net = {} /\ proven = {} /\ passed = 0 /\ leaked = 0 /\ ended = FALSE
  /\ overtaken = FALSE /\ interfered = FALSE /\ revoked = {}
  /\ left = [crash |-> Crashes, death |-> Deaths, loss |-> Losses, failure |-> Failures,
             late |-> Lates, person |-> Persons, forgery |-> Forgeries, lie |-> Lies,
             incident |-> Incidents]

----------------------------------------------------------------------------
(* Messages and the lease *)

Spend(what) == left[what] > 0 /\ left' = [left EXCEPT ![what] = @ - 1]
Go(w, to) == at' = [at EXCEPT ![w] = to]
Posted(queue, k) == [queue EXCEPT ![k] = IF k = "recheck" /\ @ > 0 THEN @ ELSE @ + 1]
Rechecked(queue) == IF Rule("recheck") THEN Posted(queue, "recheck") ELSE queue
Drop(w) == /\ message' = [message EXCEPT ![w] = "none"] /\ view' = [view EXCEPT ![w] = 0]
           /\ made' = [made EXCEPT ![w] = 0]

\* A worker whose call has failed gives its lease back. Its message comes again, and a recheck follows.
GiveUp(w) ==
  /\ Go(w, "idle") /\ Drop(w)
  /\ lease' = (IF lease = w THEN None ELSE lease)
  /\ messages' = Rechecked(Posted(messages, message[w]))

\* Of several versions a retirement revokes one at a time. An overlap that has not passed is waited for.
Replaced(i) == \E j \in 1..Newest: ver[j].by = "rekey" /\ ver[j].from = i
Due == {i \in state.retire: Replaced(i) /\ (i <= passed \/ i = state.compromised \/ ~Rule("overlap"))}
\* An incident that the state does not show yet is noted there, before anything can fail.
Unstored == Rule("store") /\ state.compromised = 0 /\ ~ended

\* A recheck comes minutes later than what it looks for.
Ready(k) == (k = "recheck" /\ Rule("late recheck")) => Settled /\ net = {}

\* Idle workers are alike, so that the first of them takes the next message.
Take(w, k) ==
  /\ at[w] = "idle" /\ \A v \in 1..w - 1: at[v] # "idle"
  /\ lease = None /\ messages[k] > 0 /\ Ready(k)
  /\ messages' = [messages EXCEPT ![k] = @ - 1] /\ message' = [message EXCEPT ![w] = k]
  /\ lease' = w /\ Go(w, IF k = "park" \/ (k = "incident" /\ Unstored) THEN "store" ELSE "read")
  /\ UNCHANGED <<source, vault, state, view, made, net, history, left>>

Free(w) ==
  /\ at[w] = "free" /\ Go(w, "idle") /\ Drop(w)
  /\ lease' = (IF lease = w THEN None ELSE lease)
  /\ UNCHANGED <<source, vault, state, messages, net, history, left>>

\* A sweep posts the retirements that are due.
Sweep ==
  /\ messages["retire"] = 0 /\ (Due # {} \/ (tag # 0 /\ ~Rule("evidence")))
  /\ \A w \in 1..Workers: message[w] # "retire"
  /\ messages' = Posted(messages, "retire")
  /\ UNCHANGED <<source, vault, state, lease, worker, net, history, left>>

----------------------------------------------------------------------------
(* Read the vault and the state, and decide *)

Known == Rule("pending write") /\ state.pending_write # 0
\* Published already; by now, or in a version that other ones have replaced since.
Fits(r) == ver[r].c = state.pending_write
\* The vault shows no more than what the state says was to be replaced: not published, or a stale read.
\* So is what is older than the version published last: creation times tell.
Behind(r) == /\ Known /\ ~Fits(r)
             /\ r <= state.replaces \/ \E i \in r + 1..Newest: ver[i].by = "rekey" /\ ver[i].c = state.pending_write
\* Where a source still shows what was announced (a key can be read), or a replica holds it, that
\* very one is published.
Readable == Alive(state.pending_write) /\ (Strategy = "two" \/ (Replica /\ copy = state.pending_write))

\* What an interrupted rotation has made, where that can be told, and nobody has published.
Leftovers == IF Strategy = "many" THEN {c \in 3..last: Alive(c) /\ \A i \in 1..Newest: ver[i].c # c} ELSE {}

Do(w, step, c) == Go(w, step) /\ made' = [made EXCEPT ![w] = c]
\* They are removed before another one is made. (A message's first try cannot know of them, and leaves
\* them to a later one: recorded runs are held against the model without this rule.)
Make(w) == \/ (Leftovers = {} \/ ~Rule("clean up first")) /\ Do(w, "issue", 0)
           \/ Leftovers # {} /\ Do(w, "clean up", 0)
Replace(w, r) == IF Behind(r) /\ Readable THEN Do(w, "verify", state.pending_write) ELSE Make(w)
\* The current version is refused: publish what its slot holds, or make another credential in place.
Repair(w, r) == IF Strategy = "two" THEN Do(w, "verify", held[ver[r].s]) ELSE Make(w)
\* Nothing is to be done, but for a replica that missed what is current.
Rest(w, r) ==
  IF consent /\ copy # ver[r].c /\ Alive(ver[r].c) THEN Do(w, "catch up", ver[r].c) ELSE Do(w, "free", 0)

IncidentOpen(w) == /\ message[w] = "incident" \/ (message[w] = "recheck" /\ state.compromised # 0)
                   /\ ~ended \/ leaked \in state.retire
\* Versions whose credential is dead, and which the state has still to forget.
Stale == {i \in state.retire \cup state.stale: Replaced(i) /\ ~Alive(ver[i].c) /\ i # Newest}
Decide(w, r) ==
  CASE IncidentOpen(w) -> IF ver[r].c = Leak THEN Replace(w, r) ELSE Do(w, "revoke", 0)
    \* What is due to be retired comes first, but not before the current version is repaired.
    [] Due # {} /\ (Alive(ver[r].c) \/ ~Rule("repair first")) -> Do(w, "revoke", 0)
    [] message[w] = "rotate" /\ r \in Asked -> Replace(w, r)
    \* Whatever a message is about, the current version is verified: it may be another's.
    [] ~Alive(ver[r].c) /\ (message[w] = "recheck" \/ Rule("verify current")) -> Repair(w, r)
    [] message[w] = "retire" -> Do(w, "revoke", 0)
    [] Stale # {} -> Do(w, "disable", 0)
    [] OTHER -> IF Leftovers # {} THEN Do(w, "clean up", 0) ELSE Rest(w, r)

Read(w) ==
  /\ at[w] = "read"
  /\ \E r \in Reads:
       /\ Behind(r) /\ Rule("wait") => Settled
       /\ view' = [view EXCEPT ![w] = r]
       \* What is dead may be disabled before anything else but the repair of the current version.
       /\ \/ Decide(w, r)
          \/ /\ Stale # {} /\ ~IncidentOpen(w) /\ (Alive(ver[r].c) \/ ~Rule("repair first"))
             /\ Do(w, "disable", 0)
  /\ UNCHANGED <<source, vault, state, lease, messages, message, net, history, left>>

\* The incident stands in the state before anything is done about it.
Store(w) ==
  /\ at[w] = "store"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED state
     ELSE /\ state' = [state EXCEPT !.compromised = IF Rule("store") /\ ~ended THEN leaked ELSE 0]
          /\ messages' = (IF message[w] = "park" THEN Rechecked(messages) ELSE messages)
          /\ Go(w, IF message[w] = "park" THEN "free" ELSE "read")
          /\ UNCHANGED <<lease, message, view, made>>
  /\ UNCHANGED <<source, vault, net, history, left>>

----------------------------------------------------------------------------
(* Change the source, verify it, announce it, publish it *)

Repairing(w) == ~IncidentOpen(w) /\ (message[w] # "rotate" \/ view[w] \notin Asked)
Target(w) ==
  CASE Strategy = "one" -> 1
    [] Strategy = "two" -> IF Repairing(w) THEN ver[view[w]].s ELSE 3 - ver[view[w]].s
    [] OTHER -> Vacant

\* A single slot is changed only after a recheck has been posted.
Promised == IF Strategy = "one" /\ Rule("follow") THEN Posted(messages, "recheck") ELSE messages

\* So is it after a fresh read only: whoever sets it back may rely on that.
Unread(w) == Strategy = "one" /\ Rule("fresh read") /\ \E r \in Reads: r # view[w]
Fresh(w) == Strategy # "one" \/ ~Rule("fresh read") \/ view[w] \in Reads
Issue(w) ==
  /\ at[w] = "issue"
  /\ \/ (lease # w \/ Unread(w)) /\ GiveUp(w) /\ UNCHANGED <<held, last, net, left>>
     \/ /\ lease = w /\ Fresh(w) /\ last' = last + 1 /\ held' = [held EXCEPT ![Target(w)] = last + 1]
        /\ made' = [made EXCEPT ![w] = last + 1] /\ Go(w, "verify") /\ messages' = Promised
        /\ UNCHANGED <<lease, message, view, net, left>>
     \/ /\ lease = w /\ Fresh(w) /\ Spend("late") /\ net' = net \cup {IF Strategy = "many" THEN [do |-> "add"]
                                                            ELSE [do |-> "set", s |-> Target(w)]}
        /\ GiveUp(w) /\ UNCHANGED <<held, last>>
  /\ UNCHANGED <<vault, state, history, revoked>>

Verify(w) ==
  /\ at[w] = "verify"
  /\ IF Alive(made[w]) \/ ~Rule("verify")
     THEN /\ proven' = (IF Rule("verify") THEN proven \cup {made[w]} ELSE proven)
          /\ Go(w, "prepare") /\ UNCHANGED <<lease, messages, message, view, made>>
     ELSE GiveUp(w) /\ UNCHANGED proven
  /\ UNCHANGED <<source, vault, state, net, passed, leaked, ended, overtaken, interfered, left>>

\* What is about to be published, and what that supersedes. The state is written under its lease only.
Gone(w) == Repairing(w) \/ Strategy = "one"
Prepare(w) ==
  /\ at[w] = "prepare"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED state
     ELSE /\ state' = [state EXCEPT !.pending_write = IF Rule("pending write") THEN made[w] ELSE 0, !.replaces = view[w],
                                !.retire = IF Gone(w) THEN @ ELSE @ \cup {view[w]},
                                !.stale = IF Gone(w) /\ Rule("out of use") THEN @ \cup {view[w]} ELSE @]
          /\ Go(w, IF Replica /\ Rule("copies first") THEN "copy" ELSE "publish")
          /\ UNCHANGED <<lease, messages, message, view, made>>
  /\ UNCHANGED <<source, vault, net, history, left>>

\* Replicas come first. One whose owner does not consent is left alone, and nothing waits for it.
Copy(w) ==
  /\ at[w] \in {"copy", "catch up"}
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<copy, net, left>>
     ELSE \/ /\ copy' = (IF consent \/ ~Rule("consent") THEN made[w] ELSE copy)
             /\ Go(w, IF at[w] = "copy" /\ Rule("copies first") THEN "publish" ELSE "free")
             /\ UNCHANGED <<lease, messages, message, view, made, net, left>>
          \/ /\ consent /\ Spend("late") /\ GiveUp(w) /\ UNCHANGED copy
             /\ net' = net \cup {[do |-> "copy", c |-> made[w]]}
          \/ \* A single slot has changed already: its secret cannot wait for a replica that fails.
             /\ Strategy = "one" /\ at[w] = "copy" /\ Spend("failure") /\ Go(w, "publish")
             /\ UNCHANGED <<copy, lease, messages, message, view, made, net>>
  /\ UNCHANGED <<source, ver, shown, consent, tag, state, history>>

Version(c, s, from, by) == [c |-> c, s |-> s, from |-> from, by |-> by, on |-> TRUE]
SlotOf(c) == IF Alive(c) THEN CHOOSE s \in Slots: held[s] = c ELSE 1
\* A version that was refused, or that a single slot held, is disabled as soon as another one stands
\* in its place. A compromised one is not before its credential is confirmed as revoked.
After(w) == IF IncidentOpen(w) THEN (IF Strategy = "one" THEN "confirm revoked" ELSE "read")
            ELSE IF Gone(w) \/ Stale # {} THEN "disable"
            ELSE IF Replica /\ ~Rule("copies first") THEN "copy" ELSE "free"

\* The vault writer: the lease is held, and a fresh read shows the version that is to be replaced.
Publish(w) ==
  /\ at[w] = "publish"
  /\ \E r \in Reads:
     IF (lease # w /\ Rule("lease")) \/ (r # view[w] /\ Rule("fresh read"))
     THEN GiveUp(w) /\ UNCHANGED <<ver, net, left>>
     ELSE \/ /\ ver' = Append(ver, Version(made[w], SlotOf(made[w]), view[w], "rekey"))
             /\ Go(w, After(w)) /\ view' = [view EXCEPT ![w] = Newest + 1]
             /\ made' = (IF After(w) = "confirm revoked" THEN [made EXCEPT ![w] = Leak] ELSE made)
             /\ UNCHANGED <<lease, messages, message, net, left>>
          \/ \* It gave no answer. A single slot is rolled back, unless it has arrived by then.
             /\ Spend("late") /\ UNCHANGED ver
             /\ \/ GiveUp(w)
                \/ Strategy = "one" /\ Go(w, "roll back") /\ UNCHANGED <<lease, messages, message, view, made>>
             /\ net' = net \cup {[do |-> "put", c |-> made[w], s |-> SlotOf(made[w]), from |-> view[w]]}
  /\ UNCHANGED <<source, shown, copy, consent, tag, state, history>>

\* Roll back at the source to what the vault holds, unless a person has changed it meanwhile. A vault that
\* gives no answer (0) has shown it just before the change; what was proven must still be accepted.
Outage == 0
RollBack(w) ==
  /\ at[w] = "roll back"
  /\ \E r \in Reads \cup {Outage}:
       LET old == ver[view[w]].c
           \* A compromised credential is not set back by whoever knows of it: from the state, or its own message.
           unwanted == IF state.compromised # 0 \/ message[w] = "incident" THEN {Leak} ELSE {}
           is_last == r = view[w] \/ (r = Outage /\ made[w] \in proven /\ Alive(made[w])) IN
       IF lease = w /\ (is_last \/ ~Rule("roll back")) /\ (old \notin revoked \cup unwanted \/ ~Rule("revoked"))
       THEN \/ held' = [held EXCEPT ![1] = old] /\ UNCHANGED <<net, left>>
            \/ Spend("late") /\ net' = net \cup {[do |-> "set back", c |-> old]} /\ UNCHANGED held
       ELSE UNCHANGED <<held, net, left>>
  /\ GiveUp(w)
  /\ UNCHANGED <<last, revoked, vault, state, history>>

----------------------------------------------------------------------------
(* Retire, confirm it, disable *)

\* A retirement spares what the vault's current version holds, whoever wrote that.
Spared(w) == IF Rule("spare") THEN {ver[view[w]].c} ELSE {}
Slotted(c, s) == [c |-> c, s |-> s]
ToRevoke(w) ==
  LET of(i) == Slotted(ver[i].c, ver[i].s)
      tagged == IF Rule("evidence") \/ tag = 0 THEN {} ELSE {Slotted(tag, IF Alive(tag) THEN SlotOf(tag) ELSE 1)}
      compromised == IF IncidentOpen(w) THEN {of(i): i \in {leaked} \ {0}} ELSE {of(i): i \in Due} \cup tagged
  IN {x \in compromised: x.c \notin Spared(w)}

\* A slot is never empty: its key is replaced. (A retirement that is repeated replaces it once more;
\* nothing depends on that here.)
HeldWithout(x) ==
  CASE ~Alive(x.c) \/ Strategy = "one" -> held
    [] Strategy = "many" -> [s \in Slots |-> IF held[s] = x.c THEN 0 ELSE held[s]]
    [] OTHER -> [held EXCEPT ![x.s] = last + 1]

Revoke(w) ==
  /\ at[w] = "revoke"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<held, last, net, left>>
     ELSE IF ToRevoke(w) = {} THEN Go(w, "disable") /\ UNCHANGED <<held, last, lease, messages, message, view, made, net, left>>
     ELSE \E x \in ToRevoke(w):
          \/ \* it is revoked; nothing is left to do where it is gone already
             /\ held' = HeldWithout(x) /\ last' = (IF held' # held /\ Strategy = "two" THEN last + 1 ELSE last)
             /\ Go(w, "confirm revoked") /\ made' = [made EXCEPT ![w] = x.c]
             /\ UNCHANGED <<lease, messages, message, view, net, left>>
          \/ \* "not found", says a replica of the source that lags
             /\ Spend("lie") /\ Go(w, "confirm revoked") /\ made' = [made EXCEPT ![w] = x.c]
             /\ UNCHANGED <<held, last, lease, messages, message, view, net>>
          \/ /\ Alive(x.c) /\ Strategy # "one" /\ Spend("late") /\ GiveUp(w)
             /\ net' = net \cup {IF Strategy = "many" THEN [do |-> "remove", c |-> x.c]
                                ELSE [do |-> "set", s |-> x.s]}
             /\ UNCHANGED <<held, last>>
  /\ UNCHANGED <<revoked, vault, state, history>>

\* What was revoked is tried. Only its refusal is believed.
Believed(w) == ~Rule("confirm revoked") \/ (~Rule("read back") /\ message[w] = "retire")
ConfirmRevoked(w) ==
  /\ at[w] = "confirm revoked"
  /\ IF (Alive(made[w]) /\ ~Believed(w)) \/ lease # w THEN GiveUp(w) /\ UNCHANGED <<state, ended>>
     ELSE /\ state' = [state EXCEPT !.compromised = IF made[w] = Leak THEN 0 ELSE @,
                                \* What is confirmed as revoked is retired; its versions are still to be disabled.
                                !.retire = {i \in @: ver[i].c # made[w]},
                                !.stale = IF Alive(made[w]) THEN @
                                          ELSE @ \cup {i \in state.retire: ver[i].c = made[w]}]
          /\ ended' = (ended \/ made[w] = Leak)
          /\ Go(w, IF Strategy = "one" /\ ~Rule("out of use") THEN "free" ELSE "disable")
          /\ UNCHANGED <<lease, messages, message, view, made>>
  /\ UNCHANGED <<source, vault, net, proven, passed, leaked, overtaken, interfered, left>>

Off(i) == [ver[i] EXCEPT !.on = FALSE]
\* Versions whose credential is dead are disabled, then the state forgets them.
ToDisable(w) == Stale \cup {i \in {ver[view[w]].from} \ {0, state.compromised}: ~Alive(ver[i].c) /\ made[w] = ver[view[w]].c}
Disable(w) ==
  /\ at[w] = "disable"
  /\ \E r \in Reads:
     IF lease # w \/ (r # view[w] /\ Rule("fresh read")) THEN GiveUp(w) /\ UNCHANGED <<ver, net, left>>
     ELSE \/ /\ ver' = [i \in 1..Newest |-> IF i \in ToDisable(w) THEN Off(i) ELSE ver[i]]
             /\ Go(w, "forget") /\ UNCHANGED <<lease, messages, message, view, made, net, left>>
          \/ /\ Spend("late") /\ GiveUp(w) /\ UNCHANGED ver
             /\ \E i \in ToDisable(w): net' = net \cup {[do |-> "off", i |-> i]}
  /\ UNCHANGED <<source, shown, copy, consent, tag, state, history>>

\* A message that was about something else goes on with that.
Forget(w) ==
  /\ at[w] = "forget"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED state
     ELSE /\ state' = [state EXCEPT !.retire = {i \in @: ver[i].on /\ ver[i].c # ver[view[w]].c},
                                !.stale = {i \in @: ver[i].on /\ ver[i].c # ver[view[w]].c}]
          \* Who has repaired the current version goes on with what it was asked for.
          /\ Go(w, IF message[w] = "retire" /\ state'.retire = {} THEN "free" ELSE "read")
          /\ UNCHANGED <<lease, messages, message, view, made>>
  /\ UNCHANGED <<source, vault, net, history, left>>

CleanUp(w) ==
  /\ at[w] = "clean up"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<held, net, left>>
     ELSE IF Leftovers = {} \/ ~Rule("clean up")
     THEN /\ Go(w, IF Repairing(w) /\ Alive(ver[view[w]].c) THEN "free" ELSE "issue")
          /\ UNCHANGED <<held, lease, messages, message, view, made, net, left>>
     ELSE LET c == CHOOSE x \in Leftovers: \A y \in Leftovers: x <= y IN
          \/ /\ held' = [s \in Slots |-> IF held[s] = c THEN 0 ELSE held[s]]
             /\ UNCHANGED <<at, lease, messages, message, view, made, net, left>>
          \/ /\ Spend("late") /\ GiveUp(w) /\ net' = net \cup {[do |-> "remove", c |-> c]} /\ UNCHANGED held
  /\ UNCHANGED <<last, revoked, vault, state, history>>

----------------------------------------------------------------------------
(* What happens to workers, requests and vaults *)

\* The process dies. Its message comes back; after too many deaths it is parked instead.
Crash(w) ==
  /\ at[w] # "idle" /\ Go(w, "idle") /\ Drop(w)
  /\ \/ Spend("crash") /\ messages' = Posted(messages, message[w])
     \/ /\ Spend("death") /\ message[w] \in {"rotate", "incident"} /\ messages' = Posted(messages, "park")
  /\ UNCHANGED <<source, vault, state, lease, net, history>>

\* A call fails, or its answer is lost: the worker lives and gives up. Where there is a single slot,
\* it sets back what the vault holds before that.
Fail(w) ==
  /\ at[w] \notin {"idle", "free", "roll back"} /\ Spend("failure")
  /\ \/ GiveUp(w)
     \/ /\ Strategy = "one" /\ at[w] \in {"verify", "prepare", "publish"} /\ Go(w, "roll back")
        /\ UNCHANGED <<lease, messages, message, view, made>>
  /\ UNCHANGED <<source, vault, state, net, history>>

\* The lease of a dead worker always ends; that of one that is slow may.
Expire ==
  /\ lease # None /\ (at[lease] = "idle" \/ left.loss > 0) /\ lease' = None
  /\ left' = (IF at[lease] = "idle" THEN left ELSE [left EXCEPT !.loss = @ - 1])
  /\ UNCHANGED <<source, vault, state, messages, worker, net, history>>

Settle ==
  /\ ~Settled /\ \E n \in shown + 1..Newest: shown' = n
  /\ UNCHANGED <<source, ver, copy, consent, tag, state, lease, messages, worker, net, history, left>>

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
    [] OTHER -> /\ ver' = Append(ver, Version(request.c, request.s, request.from, "rekey"))
                /\ UNCHANGED <<held, last, copy>>

\* A request takes effect late, or never.
Land ==
  /\ \E request \in net: Effect(request) /\ net' = net \ {request}
  /\ overtaken' = TRUE
  /\ UNCHANGED <<revoked, shown, consent, tag, state, lease, messages, worker, proven, passed,
                 leaked, ended, interfered, left>>

Vanish ==
  /\ \E request \in net: net' = net \ {request}
  /\ UNCHANGED <<source, vault, state, lease, messages, worker, history, left>>

\* The overlap of everything that has been superseded so far ends.
Pass ==
  /\ passed < Newest - 1 /\ passed' = Newest - 1
  /\ UNCHANGED <<source, vault, state, lease, messages, worker, net, proven, leaked, ended, overtaken,
                 interfered, left>>

----------------------------------------------------------------------------
(* People and adversaries *)

Interfere == interfered' = (interfered \/ lease # None)
\* What a person writes is seen at once: nothing could close the second in which it is not.
Written(version) == Settled /\ ver' = Append(ver, version) /\ shown' = Newest + 1

PersonWrites ==
  /\ Spend("person") /\ Interfere
  /\ LET s == CASE Strategy = "one" -> 1 [] Strategy = "two" -> 3 - Current.s
                [] OTHER -> Vacant IN
     /\ held' = [held EXCEPT ![s] = last + 1] /\ last' = last + 1 /\ revoked' = revoked \cup ({held[s]} \ {0})
     /\ Written(Version(last + 1, s, Newest, "person"))
  /\ UNCHANGED <<copy, consent, tag, state, lease, messages, worker, net, proven, passed, leaked, ended,
                 overtaken>>

\* A person puts back what an earlier version holds, by hand.
PersonGoesBack ==
  /\ Spend("person") /\ Interfere
  /\ \E i \in 1..Newest - 1: /\ Alive(ver[i].c) /\ ver[i].c # Current.c /\ ver[i].c # Leak
                             /\ Written(Version(ver[i].c, ver[i].s, Newest, "person"))
  /\ UNCHANGED <<held, last, revoked, copy, consent, tag, state, lease, messages, worker, net, proven,
                 passed, leaked, ended, overtaken>>

\* A person takes the current credential away at its source. The daily audit looks there.
PersonRevokes ==
  /\ Accepted /\ Spend("person") /\ Interfere
  /\ LET s == SlotOf(Current.c) IN
     IF Strategy = "many" THEN held' = [held EXCEPT ![s] = 0] /\ UNCHANGED last
     ELSE held' = [held EXCEPT ![s] = last + 1] /\ last' = last + 1
  /\ revoked' = revoked \cup {Current.c} /\ messages' = Posted(messages, "recheck")
  /\ UNCHANGED <<vault, state, lease, worker, net, proven, passed, leaked, ended, overtaken>>

Withdraw ==
  /\ consent /\ Spend("person") /\ consent' = FALSE
  /\ UNCHANGED <<source, ver, shown, copy, tag, state, lease, messages, worker, net, history>>

\* Who may write the secret's tags names any credential in RekeyRetire.
Forge ==
  /\ Spend("forgery") /\ \E c \in {Current.c, Foreign}: tag' = c
  /\ UNCHANGED <<source, ver, shown, copy, consent, state, lease, messages, worker, net, history>>

Report ==
  /\ Spend("incident") /\ leaked' = Newest /\ messages' = Posted(messages, "incident")
  /\ UNCHANGED <<source, vault, state, lease, worker, net, proven, passed, ended, overtaken, interfered>>

----------------------------------------------------------------------------

Step(w) ==
  \/ \E k \in Kinds: Take(w, k)
  \/ Read(w) \/ Store(w) \/ Issue(w) \/ Verify(w) \/ Prepare(w) \/ Copy(w) \/ Publish(w) \/ RollBack(w)
  \/ Revoke(w) \/ ConfirmRevoked(w) \/ Disable(w) \/ Forget(w) \/ CleanUp(w) \/ Free(w)

Next ==
  \/ \E w \in 1..Workers: Step(w) \/ Crash(w) \/ Fail(w)
  \/ Sweep \/ Expire \/ Settle \/ Land \/ Vanish \/ Pass
  \/ PersonWrites \/ PersonGoesBack \/ PersonRevokes \/ Withdraw \/ Forge \/ Report

Spec ==
  /\ Init /\ [][Next]_vars
  /\ WF_vars(Sweep) /\ WF_vars(Expire) /\ WF_vars(Settle) /\ WF_vars(Land \/ Vanish) /\ WF_vars(Pass)
  /\ \A w \in 1..Workers: WF_vars(Step(w))

----------------------------------------------------------------------------
(* The promises *)

Undisturbed == ~overtaken /\ ~interfered
Superseded == {i \in 1..Newest - 1: Replaced(i)}
\* What a person has put back is that person's to remove.
TakenBack == {i \in 1..Newest: \E j \in i + 1..Newest: ver[j].by = "person" /\ ver[j].c = ver[i].c}

\* Where there are two slots, the vault's current version is accepted at every instant.
P1 == (Undisturbed /\ Strategy # "one") => Accepted \/ Current.c \in revoked
\* Whatever happens, it is accepted in the end.
P1End == <>[]Accepted
\* A version is replaced once.
P2 == ~overtaken => \A i, j \in 1..Newest:
        (i # j /\ ver[i].by = "rekey" /\ ver[j].by = "rekey") => ver[i].from # ver[j].from
\* Only what the source accepted is published.
P3 == \A i \in 1..Newest: ver[i].by = "rekey" => ver[i].c \in proven
\* What a version holds works until its overlap has passed, unless it is compromised, or a person's doing.
P4 == (Undisturbed /\ Strategy # "one" /\ leaked = 0) =>
        \A i \in Superseded: i > passed => Alive(ver[i].c) \/ ver[i].c \in revoked
\* Rekey never removes what it did not make for this secret, nor ends an incident while the leak works.
P5 == /\ Strategy = "many" => Alive(Foreign)
      /\ ended => ~Alive(Leak)
\* In the end nothing superseded is alive or enabled, nothing unpublished is left, and no incident is open.
P5End == <>[](/\ \A i \in Superseded \ TakenBack: ver[i].c # Current.c => ~Alive(ver[i].c) /\ ~ver[i].on
              /\ Strategy = "many" => Leftovers = {}
              /\ leaked # 0 => ended)
\* A replica is written with its owner's consent only.
P7 == [][copy' # copy => consent \/ net' # net]_vars
\* A replica whose owner consents always holds an accepted credential.
P1Replica == (Undisturbed /\ Replica /\ consent /\ Strategy # "one") => Alive(copy) \/ copy \in revoked
P1ReplicaEnd == <>[](consent => Alive(copy))
\* People win: nothing that a person wrote is superseded unseen, nothing that a person revoked is revived.
People == [][net' = net =>
             /\ (Len(ver') > Newest /\ ver'[Len(ver')].by = "rekey") =>
                  \A i \in 1..Newest: ver[i].by = "person" => i <= ver'[Len(ver')].from
             /\ \A s \in Slots: held'[s] \in revoked => held[s] = held'[s]
             /\ \A s \in Slots, i \in 1..Newest:
                  (ver[i].by = "person" /\ held[s] = ver[i].c /\ held'[s] # 0) => held'[s] >= held[s]]_vars
=============================================================================
