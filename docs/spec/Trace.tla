-------------------------------- MODULE Trace --------------------------------
(***************************************************************************)
(* Recorded runs of the engine, held against the model. A run is accepted  *)
(* where the model has a behaviour that shows every event of the run, in   *)
(* its order. `Recorded` holds the runs: Runs[n] is [start, events].       *)
(* Workers are generous here, and so are all bounds.                       *)
(***************************************************************************)
EXTENDS Record, Recorded, TLC

VARIABLES run, line

Start == Runs[run].start
Events == Runs[run].events
Event == Events[line]
traced == <<run, line>>

\* As Init, but with what the run started from.
Begin ==
  /\ run \in 1..Len(Runs) /\ line = 1
  /\ held = [s \in Slots |-> IF s <= Len(Start.held) THEN Start.held[s] ELSE 0] /\ last = Start.last
  /\ ver = <<Version(1, 1, 0, "person")>> /\ shown = 1
  /\ copy = (IF Replica THEN 1 ELSE 0) /\ consent = Replica /\ tag = 0 /\ rec = NoRecord
  /\ lease = None /\ jobs = [k \in Kinds |-> 9]
  /\ at = [w \in 1..Workers |-> "idle"] /\ job = [w \in 1..Workers |-> "none"]
  /\ view = [w \in 1..Workers |-> 0] /\ made = [w \in 1..Workers |-> 0]
  /\ net = {} /\ proven = {} /\ passed = 0 /\ leaked = 0 /\ ended = FALSE
  /\ overtaken = FALSE /\ meddled = FALSE /\ revoked = {}
  /\ left = [crash |-> 99, death |-> 0, loss |-> 99, failure |-> 99, late |-> 99, person |-> 99,
             forgery |-> 0, lie |-> 0, incident |-> 9]

W == Event.w
Appended(c) == Len(ver') = Newest + 1 /\ ver'[Newest + 1].c = c

\* A retirement that is repeated replaces once more what its first try has put into the slot.
Again(w, c) ==
  /\ at[w] = "revoke" /\ lease = w /\ Strategy = "two" /\ Alive(c) /\ \A i \in 1..Newest: ver[i].c # c
  /\ held' = Killed(c) /\ last' = last + 1
  /\ Go(w, "disable") /\ UNCHANGED <<job, view, made, lease, jobs, revoked, vault, rec, net, history, left>>

\* An event and the step that it shows. What changes nothing may happen at any time, if it is true.
Shown ==
  CASE Event.do = "take" -> Take(W, Event.kind)
    [] Event.do = "read" ->
         \/ Read(W) /\ view'[W] = Event.version
         \/ at[W] # "read" /\ Event.version \in Reads /\ UNCHANGED vars
    [] Event.do = "issue" ->
         /\ Issue(W) /\ last' = last + 1 /\ made'[W] = Event.credential
         /\ Event.slot # 0 => held'[Event.slot] = Event.credential
    [] Event.do = "prove" ->
         \/ Prove(W) /\ made[W] = Event.credential /\ Event.accepted = Alive(Event.credential)
         \/ Event.accepted = Alive(Event.credential) /\ UNCHANGED vars
    [] Event.do = "ahead" ->
         Ahead(W) /\ lease = W /\ made[W] = Event.credential /\ view[W] = Event.base
    [] Event.do = "copy" -> Copy(W) /\ lease = W /\ consent /\ copy' = Event.credential
    [] Event.do = "publish" -> Publish(W) /\ Appended(Event.credential)
    [] Event.do = "undo" -> Undo(W) /\ held'[1] = Event.credential
    [] Event.do = "revoke" ->
         \/ Revoke(W) /\ Alive(Event.credential) /\ made'[W] = Event.credential /\ held' # held
         \/ Again(W, Event.credential)
    [] Event.do = "disable" -> Disable(W) /\ ver[Event.version].on /\ ~ver'[Event.version].on
    [] Event.do = "tidy" -> Tidy(W) /\ (\A s \in Slots: held'[s] # Event.credential)
    [] Event.do = "release" -> \/ at[W] = "free" /\ Free(W)
                               \/ Fail(W) /\ at'[W] = "idle"
                               \/ at[W] = "idle" /\ UNCHANGED vars
    [] Event.do = "crash" -> Crash(W)
    [] Event.do = "pass" -> Pass
    [] Event.do = "sent" -> (Issue(W) \/ Publish(W) \/ Revoke(W)) /\ net' # net
    [] Event.do = "land" -> Land /\ (Appended(Event.credential) \/ \E s \in Slots: held'[s] = Event.credential)
    [] Event.do = "person" ->
         (PersonWrites \/ PersonGoesBack) /\ Appended(Event.credential)
    [] Event.do = "report" -> Report
    [] OTHER -> FALSE

\* Steps that no port sees.
Hidden ==
  \/ Settle \/ Expire \/ Vanish
  \/ \E w \in 1..Workers: Mark(w) \/ (at[w] = "refused" /\ Refused(w)) \/ (~Rule("record") /\ Ahead(w))
  \/ \E w \in 1..Workers: at[w] = "disable" /\ Dead = {} /\ Disable(w)
  \/ \E w \in 1..Workers: (at[w] = "tidy" /\ Leftovers = {} /\ Tidy(w))
  \/ \E w \in 1..Workers: Fail(w) /\ at'[w] = "undo"
  \* Nothing is left to revoke.
  \/ \E w \in 1..Workers: Revoke(w) /\ UNCHANGED <<held, net>>
  \* Messages come from outside: there is always another one.
  \/ (\E k \in Kinds: jobs[k] = 0) /\ jobs' = [k \in Kinds |-> 9]
     /\ UNCHANGED <<source, vault, rec, lease, worker, net, history, left>>

Follow ==
  \/ /\ line <= Len(Events) /\ Shown /\ line' = line + 1 /\ UNCHANGED run
     /\ PrintT(<<"accepted", run, line>>)
  \/ line <= Len(Events) /\ Hidden /\ UNCHANGED traced

Replay == Begin /\ [][Follow]_<<vars, run, line>>
=============================================================================
