-------------------------------- MODULE Trace --------------------------------
(***************************************************************************)
(* Recorded runs of the engine, held against the model. A run is accepted  *)
(* where the model has a behaviour that shows every event of the run, in   *)
(* its order. `Recorded` holds the runs: Runs[n] is [start, events].       *)
(* Workers are generous here, and so are all bounds.                       *)
(***************************************************************************)
EXTENDS Record, Recorded

VARIABLES
  run, line,
  asking,     \* each worker: what its message asks for, "rotate" or "restore"; else ""
  doing       \* each worker: the step of the engine's plan that it is at

Start == Runs[run].start
Events == Runs[run].events
Event == Events[line]
traced == <<run, line, asking, doing>>

\* What the run began with stands in place of Init.
Set(sequence) == {sequence[i]: i \in 1..Len(sequence)}
Begin ==
  /\ run \in 1..Len(Runs) /\ line = 1
  /\ held = [s \in Slots |-> IF s <= Len(Start.held) THEN Start.held[s] ELSE 0] /\ last = Start.last
  /\ ver = [i \in 1..Len(Start.versions) |-> Start.versions[i] @@ [of |-> 1]] /\ shown = Len(ver)
  /\ copy = (IF Replica THEN 1 ELSE 0) /\ consent = Replica /\ names = {1} /\ tag = 0
  /\ state = [Blank EXCEPT !.pending_write = Start.pending_write, !.replaces = Start.replaces,
                           !.retire = Set(Start.retire),
                           !.phase = IF Start.retire = <<>> THEN "idle" ELSE "overlap"]
  /\ lease = None /\ audit = FALSE
  /\ at = [w \in 1..Workers |-> "idle"] /\ asking = [w \in 1..Workers |-> ""]
  /\ doing = [w \in 1..Workers |-> ""]
  /\ view = [w \in 1..Workers |-> 0] /\ made = [w \in 1..Workers |-> 0]
  /\ net = {} /\ proven = {} /\ passed = 0 /\ leaked = 0 /\ accepted = 0 /\ reported = {ver[i].c: i \in 1..Len(ver)}
  /\ overtaken = FALSE /\ interfered = FALSE /\ revoked = {}
  /\ left = [crash |-> 999, loss |-> 999, failure |-> 999, late |-> 999, person |-> 999, move |-> 0, forgery |-> 0,
             lie |-> 0, incident |-> 999, request |-> 0, restore |-> 0]

W == Event.w

----------------------------------------------------------------------------
(* What the engine does not yet do as the model says: its messages carry what the model has in the   *)
(* state. A message asks for a rotation, or reports an incident, before the state does. (A message    *)
(* that comes later to look again is a `next_check` of the state. Any message may come at any time.)  *)

AskedInRun(w) == IF asking[w] = "rotate" THEN Set(Start.asked) ELSE {}
UndoneInRun(w) == IF asking[w] = "restore" THEN Start.undone ELSE 0
\* An audit rotates what is due as well.
TakesMessage(w, kind) ==
  /\ Wake(w)
  /\ \E asks \in (CASE kind \in {"rotate", "restore"} -> {kind} [] kind = "recheck" -> {"rotate", ""} [] OTHER -> {""}):
       asking' = [asking EXCEPT ![w] = asks]
PostsReport ==
  /\ leaked' = Newest
  /\ UNCHANGED <<source, vault, state, lease, audit, worker, net, proven, passed, accepted, reported, overtaken,
                 interfered, left>>
StoresReport(w) ==
  /\ at[w] = "read" /\ lease = w /\ state.compromised = 0 /\ Ended \notin reported \cup state.unreported
  /\ Write([state EXCEPT !.compromised = leaked])
  /\ UNCHANGED <<source, vault, lease, audit, worker, net, history, left>>

----------------------------------------------------------------------------
(* The engine's plan, and the model's. A step of the engine stands for several of the model. One that  *)
(* is not named here finds something out, or ends the work: nothing of the model happens in it.        *)

Making == {"issue", "verify", "clean up"}
Publishing == Making \cup {"prepare", "copy", "publish", "roll back", "disable", "forget"}
Revoking == {"revoke", "confirm revoked", "disable", "forget"}
\* The steps of the model that a worker may take within each.
Takes ==
  "rotate" :> Publishing @@ "restore" :> Publishing @@ "verify" :> Publishing \cup {"catch up"}
  @@ "retire" :> Revoking @@ "retire elsewhere" :> Revoking @@ "revoke" :> Revoking
Within(w) == {"idle", "read"} \cup IF doing[w] \in DOMAIN Takes THEN Takes[doing[w]] ELSE {}
Changing == {"issue", "prepare", "copy", "publish", "roll back", "revoke", "disable", "clean up", "sent"}
InStep ==
  /\ \A w \in 1..Workers: at'[w] \in {at[w], "idle"} \/ at[w] \in Within(w)
  /\ line' # line /\ Event.do \in Changing => at[W] \in Within(W)

\* Before a change is sent, the state says in which step its source is, and when it is looked at again.
\* Of several phases the engine names the first that holds; it has none for copying.
Says ==
  "issue" :> {"issuing", "publishing"} @@ "clean up" :> {"issuing", "publishing"}
  @@ "roll back" :> {"issuing", "publishing"} @@ "prepare" :> {"publishing"} @@ "copy" :> {"publishing"}
  @@ "publish" :> {"publishing"} @@ "revoke" :> {"retiring"}
  @@ "disable" :> {"disabling", "retiring", "publishing", "issuing"}
Owed == state.retire \cup state.stale \cup state.unreported # {} \/ IncidentOpen \/ net # {}
StateSays ==
  /\ Event.do \in Changing /\ at[W] \in DOMAIN Says =>
       /\ Rule("next check") => Event.next_check
       /\ Rule("phase") => IF IncidentOpen THEN Event.phase = "revoking" ELSE Event.phase \in Says[at[W]]
  /\ Event.do \in {"release", "crash"} /\ Owed /\ Rule("next check") => Event.next_check

\* Where the engine plans a step, the model has planned the same.
Agrees ==
  CASE Event.step = "rotate" -> at[W] \in Making /\ ~Repairing(W)
    [] Event.step = "restore" -> at[W] = "verify" /\ Restoring(W)
    [] Event.step = "verify" ->
         \/ at[W] \in {"free", "catch up", "disable", "clean up"}
         \/ at[W] \in Making /\ Repairing(W)
         \* What is in use is verified before what leaked is revoked.
         \/ at[W] = "revoke" /\ IncidentOpen
    [] Event.step \in {"retire", "retire elsewhere"} ->
         \* Whoever died before its end was noted has left nothing to do.
         at[W] \in {"revoke", "disable"} \/ state.retire = {}
    [] Event.step = "revoke" -> at[W] \in Revoking /\ IncidentOpen
    \* A replica that a single slot's secret could not wait for is left to the next recheck.
    [] Event.step = "report" -> at[W] = "free" \/ (at[W] = "catch up" /\ Strategy = "one")
    \* A dead version is left to who verifies the current one; a parked secret is left to a person.
    [] Event.step = "conclude" -> at[W] \in {"free", "disable"} \/ Event.parked
    [] OTHER -> TRUE

----------------------------------------------------------------------------

Appended(c) == Len(ver') = Newest + 1 /\ ver'[Newest + 1].c = c

\* A retirement that is repeated replaces once more what its first try has put into the slot.
Again(w, c) ==
  /\ at[w] = "revoke" /\ lease = w /\ Strategy = "two" /\ Alive(c) /\ \A i \in 1..Newest: ver[i].c # c
  /\ \E i \in Due(view[w]) \cup ({leaked} \ {0}):
       /\ held[ver[i].s] = c /\ held' = [held EXCEPT ![ver[i].s] = last + 1] /\ last' = last + 1
       /\ made' = [made EXCEPT ![w] = ver[i].c]
  /\ Go(w, "confirm revoked") /\ UNCHANGED <<view, lease, revoked, vault, state, audit, net, history, left>>

\* That a credential is refused. A single slot that accepts another one refuses it.
Refused ==
  /\ at[W] = "confirm revoked" /\ ConfirmRevoked(W) /\ at'[W] # "idle"
  /\ \/ ~Event.accepted /\ made[W] = Event.credential
     \/ Event.accepted /\ Strategy = "one" /\ Event.credential = ver[view[W]].c

\* What is reported as done has been done: nothing is left of it but to give the lease back. A version
\* that was published is reported too where what follows fails, and so is that failure after it; by
\* itself while its incident is not over. What was retired is reported where its dead version stays.
IsVersion == Event.result \in {"rotated", "healed", "restored"}
Concluded == /\ view[W] # 0
             /\ IF IncidentOpen THEN IsVersion /\ ~Event.incident
                ELSE \/ at[W] \in {"free", "read"}
                     \/ at[W] = After(W) /\ view[W] = Newest /\ IsVersion
                     \/ at[W] = "disable" /\ Event.result = "retired"
                     \/ at[W] = "catch up" /\ Strategy = "one" /\ IsVersion

\* An event and the step that it shows. What changes nothing may happen at any time, if it is true.
Shown ==
  CASE Event.do = "read" ->
         \/ Read(W) /\ view'[W] = Event.version
         \/ at[W] # "read" /\ Event.version \in Reads /\ UNCHANGED vars
    [] Event.do = "issue" ->
         /\ Issue(W) /\ last' = last + 1 /\ made'[W] = Event.credential
         /\ Event.slot # 0 => held'[Event.slot] = Event.credential
    [] Event.do = "verify" ->
         \/ Verify(W) /\ made[W] = Event.credential /\ Event.accepted = Alive(Event.credential)
         \/ Refused
         \/ Event.accepted = Alive(Event.credential) /\ UNCHANGED vars
    [] Event.do = "prepare" ->
         Prepare(W) /\ lease = W /\ made[W] = Event.credential /\ view[W] = Event.replaces
    [] Event.do = "unread" -> UNCHANGED vars
    [] Event.do = "store" -> \/ StoresReport(W) /\ state'.compromised = Event.version
                             \/ state.compromised = Event.version /\ UNCHANGED vars
    [] Event.do = "reported" ->
         /\ Concluded
         /\ IF lease = W /\ Reportable(W) # {} THEN Notify(W) ELSE UNCHANGED vars
    [] Event.do = "copy" -> Copy(W) /\ lease = W /\ consent /\ copy' = Event.credential
    [] Event.do = "publish" -> Publish(W) /\ Appended(Event.credential)
    [] Event.do = "roll back" -> RollBack(W) /\ held'[1] = Event.credential
    [] Event.do = "revoke" ->
         \/ Revoke(W) /\ Alive(Event.credential) /\ made'[W] = Event.credential /\ held' # held
         \/ Again(W, Event.credential)
    [] Event.do = "disable" -> Disable(W) /\ ver[Event.version].on /\ ~ver'[Event.version].on
    [] Event.do = "clean up" -> CleanUp(W) /\ (\A s \in Slots: held'[s] # Event.credential)
    [] Event.do = "release" -> \/ at[W] = "free" /\ Free(W)
                               \/ Fail(W) /\ at'[W] = "idle"
                               \/ at[W] = "idle" /\ UNCHANGED vars
    [] Event.do = "crash" -> Crash(W)
    [] Event.do = "pass" -> /\ passed' = (IF Event.version > passed THEN Event.version ELSE passed)
                            /\ UNCHANGED <<source, vault, state, lease, audit, worker, net, proven, leaked, accepted, reported,
                                           overtaken, interfered, left>>
    [] Event.do = "sent" ->
         \/ /\ Issue(W) \/ Copy(W) \/ Publish(W) \/ RollBack(W) \/ Revoke(W) \/ Disable(W) \/ CleanUp(W)
            /\ net' # net
         \* What is disabled already is disabled once more, to no effect.
         \/ at[W] = "disable" /\ (\A i \in ToDisable(W): ~ver[i].on) /\ Fail(W) /\ at'[W] = "idle"
    [] Event.do = "land" ->
         /\ Land
         /\ \/ Appended(Event.credential)
            \/ \E s \in Slots: held'[s] = Event.credential /\ held[s] # held'[s]
    [] Event.do = "gone" -> Land /\ Alive(Event.credential) /\ \A s \in Slots: held'[s] # Event.credential
    [] Event.do = "off" -> Land /\ ver[Event.version].on /\ ~ver'[Event.version].on
    [] Event.do = "person" -> (PersonWrites \/ PersonGoesBack) /\ Appended(Event.credential)
    [] Event.do = "revokes" -> PersonRevokes /\ Current.c = Event.credential
    [] Event.do = "withdraw" -> Withdraw
    [] Event.do = "report" -> PostsReport
    [] OTHER -> FALSE

GivenUp(w) == [do |-> "unread", w |-> w]
\* Steps that no port sees, or that change nothing.
Hidden ==
  \* The plan goes on with what has been read.
  \/ \E w \in 1..Workers: view[w] # 0 /\ Read(w) /\ view'[w] = view[w]
  \/ Settle \/ Expire \/ Vanish
  \/ \E w \in 1..Workers: Forget(w) \/ (~Rule("pending write") /\ Prepare(w))
  \/ \E w \in 1..Workers: at[w] = "disable" /\ (\A i \in ToDisable(w): ~ver[i].on) /\ Disable(w)
                               /\ net' = net
  \* The value of a version that is disabled cannot be tried any more.
  \/ \E w \in 1..Workers: at[w] = "confirm revoked" /\ ConfirmRevoked(w) /\ at'[w] # "idle"
                         /\ \/ \E i \in 1..Newest: ver[i].c = made[w] /\ ~ver[i].on
                            \/ ~Rule("read back") /\ \E j \in 1..line - 1: Events[j] = GivenUp(w)
  \/ \E w \in 1..Workers: at[w] = "clean up" /\ Leftovers = {} /\ CleanUp(w)
  \/ \E w \in 1..Workers: at[w] \in {"copy", "catch up"} /\ copy = made[w] /\ Copy(w) /\ net' = net
  \/ \E w \in 1..Workers: Strategy = "one" /\ Copy(w) /\ at'[w] = "publish" /\ copy' = copy
  \/ \E w \in 1..Workers: Fail(w) /\ at'[w] \in {"roll back", "clean up"}
  \* Nothing is left to revoke.
  \/ \E w \in 1..Workers: Revoke(w) /\ UNCHANGED <<held, net>>

Follow ==
  \/ /\ line <= Len(Events) /\ line' = line + 1 /\ UNCHANGED run
     /\ CASE Event.do = "take" -> TakesMessage(W, Event.kind) /\ doing' = [doing EXCEPT ![W] = ""]
          [] Event.do = "plan" -> /\ Agrees /\ doing' = [doing EXCEPT ![W] = Event.step]
                                  /\ UNCHANGED <<vars, asking>>
          [] OTHER -> Shown /\ InStep /\ StateSays /\ UNCHANGED <<asking, doing>>
     /\ PrintT(<<"accepted", run, line>>)
  \/ line <= Len(Events) /\ Hidden /\ UNCHANGED traced /\ InStep

\* How many messages wait, and what may still go wrong, makes no difference: there is enough of it.
Seen == <<held, revoked, last, vault, state, lease, worker, net, passed, leaked, reported, asking, run, line>>

Replay == Begin /\ [][Follow]_<<vars, traced>>
=============================================================================
