------------------------------- MODULE Record -------------------------------
(***************************************************************************)
(* One source of credentials, the secret that holds one of them, and the   *)
(* record of the source: what Rekey promises, and which rules it takes.    *)
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
  rec,        \* the record of the source
  lease,      \* who holds the lease
  jobs,       \* messages that wait: kind -> number
  at, job, view, made,  \* each worker: its next step, message, version read, credential in hand
  net,        \* requests that nobody waits for any more, but which may still take effect
  proven,     \* credentials that the source accepted when asked
  passed,     \* the overlap of this version, and of all before it, has passed
  leaked,     \* the version that was reported, 0 for none
  ended,      \* whether the incident was reported as ended
  overtaken,  \* whether a request took effect after its sender had stopped waiting
  meddled,    \* whether a person changed something while a worker held the lease
  revoked,    \* credentials that a person took away at the source
  left        \* what may still go wrong

source  == <<held, last, revoked>>
vault   == <<ver, shown, copy, consent, tag>>
worker  == <<at, job, view, made>>
history == <<proven, passed, leaked, ended, overtaken, meddled>>
vars == <<held, last, revoked, ver, shown, copy, consent, tag, rec, lease, jobs, at, job, view, made,
          net, proven, passed, leaked, ended, overtaken, meddled, left>>

None == 0
Foreign == 2                     \* somebody else's credential at the source, where there are many
Slots == CASE Strategy = "one" -> {1} [] Strategy = "two" -> {1, 2} [] OTHER -> 1..12
Kinds == {"rotate", "retire", "look", "incident", "park"}
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

\* The credential written ahead and the version that it replaces; versions whose credential is to be
\* revoked, and those that are dead already; the version that was reported.
NoRecord == [cred |-> 0, base |-> 0, retire |-> {}, dead |-> {}, leak |-> 0]

Init ==
  /\ held = [s \in Slots |-> IF s = 1 THEN 1 ELSE IF s = 2 THEN Foreign ELSE 0]
  /\ last = 2
  /\ ver = <<[c |-> 1, s |-> 1, from |-> 0, by |-> "person", on |-> TRUE]>>
  /\ shown = 1 /\ copy = (IF Replica THEN 1 ELSE 0) /\ consent = Replica /\ tag = 0
  /\ rec = NoRecord /\ lease = None
  /\ jobs = [k \in Kinds |-> IF k = "rotate" THEN Rotations ELSE 0]
  /\ at = [w \in 1..Workers |-> "idle"] /\ job = [w \in 1..Workers |-> "none"]
  /\ view = [w \in 1..Workers |-> 0] /\ made = [w \in 1..Workers |-> 0]
  /\ net = {} /\ proven = {} /\ passed = 0 /\ leaked = 0 /\ ended = FALSE
  /\ overtaken = FALSE /\ meddled = FALSE /\ revoked = {}
  /\ left = [crash |-> Crashes, death |-> Deaths, loss |-> Losses, failure |-> Failures,
             late |-> Lates, person |-> Persons, forgery |-> Forgeries, lie |-> Lies,
             incident |-> Incidents]

----------------------------------------------------------------------------
(* Messages and the lease *)

Spend(what) == left[what] > 0 /\ left' = [left EXCEPT ![what] = @ - 1]
Go(w, to) == at' = [at EXCEPT ![w] = to]
Posted(queue, k) == [queue EXCEPT ![k] = IF k = "look" /\ @ > 0 THEN @ ELSE @ + 1]
Looked(queue) == IF Rule("look") THEN Posted(queue, "look") ELSE queue
Drop(w) == /\ job' = [job EXCEPT ![w] = "none"] /\ view' = [view EXCEPT ![w] = 0]
           /\ made' = [made EXCEPT ![w] = 0]

\* A worker whose call has failed gives its lease back. Its message comes again, and a look follows.
GiveUp(w) ==
  /\ Go(w, "idle") /\ Drop(w)
  /\ lease' = (IF lease = w THEN None ELSE lease)
  /\ jobs' = Looked(Posted(jobs, job[w]))

\* Of several versions a retirement revokes one at a time. An overlap that has not passed is waited for.
Replaced(i) == \E j \in 1..Newest: ver[j].by = "rekey" /\ ver[j].from = i
Due == {i \in rec.retire: Replaced(i) /\ (i <= passed \/ i = rec.leak \/ ~Rule("overlap"))}
\* An incident that the record does not know of yet is noted there, before anything can fail.
Unmarked == Rule("mark") /\ rec.leak = 0 /\ ~ended

\* A look comes minutes later than what it looks for.
Ready(k) == (k = "look" /\ Rule("late look")) => Settled /\ net = {}

\* Idle workers are alike, so that the first of them takes the next message.
Take(w, k) ==
  /\ at[w] = "idle" /\ \A v \in 1..w - 1: at[v] # "idle"
  /\ lease = None /\ jobs[k] > 0 /\ Ready(k)
  /\ jobs' = [jobs EXCEPT ![k] = @ - 1] /\ job' = [job EXCEPT ![w] = k]
  /\ lease' = w /\ Go(w, IF k = "park" \/ (k = "incident" /\ Unmarked) THEN "mark" ELSE "read")
  /\ UNCHANGED <<source, vault, rec, view, made, net, history, left>>

Free(w) ==
  /\ at[w] = "free" /\ Go(w, "idle") /\ Drop(w)
  /\ lease' = (IF lease = w THEN None ELSE lease)
  /\ UNCHANGED <<source, vault, rec, jobs, net, history, left>>

\* A sweep posts the retirements that are due.
Sweep ==
  /\ jobs["retire"] = 0 /\ (Due # {} \/ (tag # 0 /\ ~Rule("evidence")))
  /\ \A w \in 1..Workers: job[w] # "retire"
  /\ jobs' = Posted(jobs, "retire")
  /\ UNCHANGED <<source, vault, rec, lease, worker, net, history, left>>

----------------------------------------------------------------------------
(* Read the vault and the record, and decide *)

Known == Rule("record") /\ rec.cred # 0
\* Published already; by now, or in a version that other ones have replaced since.
Fits(r) == ver[r].c = rec.cred
\* The vault shows no more than what the record says was to be replaced: not published, or a stale read.
\* So is what is older than the version published last: creation times tell.
Behind(r) == /\ Known /\ ~Fits(r)
             /\ r <= rec.base \/ \E i \in r + 1..Newest: ver[i].by = "rekey" /\ ver[i].c = rec.cred
\* Where a source still shows what was written ahead (a key can be read), or a replica holds it, that
\* very one is published.
Readable == Alive(rec.cred) /\ (Strategy = "two" \/ (Replica /\ copy = rec.cred))

\* What an interrupted rotation has made, where that can be told, and nobody has published.
Leftovers == IF Strategy = "many" THEN {c \in 3..last: Alive(c) /\ \A i \in 1..Newest: ver[i].c # c} ELSE {}

Do(w, step, c) == Go(w, step) /\ made' = [made EXCEPT ![w] = c]
\* They are removed before another one is made. (A message's first try cannot know of them, and leaves
\* them to a later one: recorded runs are held against the model without this rule.)
Make(w) == \/ (Leftovers = {} \/ ~Rule("tidy first")) /\ Do(w, "issue", 0)
           \/ Leftovers # {} /\ Do(w, "tidy", 0)
Replace(w, r) == IF Behind(r) /\ Readable THEN Do(w, "prove", rec.cred) ELSE Make(w)
\* The current version is refused: publish what its slot holds, or make another credential in place.
Heal(w, r) == IF Strategy = "two" THEN Do(w, "prove", held[ver[r].s]) ELSE Make(w)
\* Nothing is to be done, but for a replica that missed what is current.
Rest(w, r) ==
  IF consent /\ copy # ver[r].c /\ Alive(ver[r].c) THEN Do(w, "catch up", ver[r].c) ELSE Do(w, "free", 0)

Unfinished(w) == /\ job[w] = "incident" \/ (job[w] = "look" /\ rec.leak # 0)
                 /\ ~ended \/ leaked \in rec.retire
\* Versions whose credential is dead, and which the record has still to forget.
Dead == {i \in rec.retire \cup rec.dead: Replaced(i) /\ ~Alive(ver[i].c) /\ i # Newest}
Decide(w, r) ==
  CASE Unfinished(w) -> IF ver[r].c = Leak THEN Replace(w, r) ELSE Do(w, "revoke", 0)
    \* What is due to be retired comes first, but not before the current version is mended.
    [] Due # {} /\ (Alive(ver[r].c) \/ ~Rule("heal first")) -> Do(w, "revoke", 0)
    [] job[w] = "rotate" /\ r \in Asked -> Replace(w, r)
    \* Whatever a message is about, the current version is proven: it may be another's.
    [] ~Alive(ver[r].c) /\ (job[w] = "look" \/ Rule("confirm")) -> Heal(w, r)
    [] job[w] = "retire" -> Do(w, "revoke", 0)
    [] Dead # {} -> Do(w, "disable", 0)
    [] OTHER -> IF Leftovers # {} THEN Do(w, "tidy", 0) ELSE Rest(w, r)

Read(w) ==
  /\ at[w] = "read"
  /\ \E r \in Reads:
       /\ Behind(r) /\ Rule("wait") => Settled
       /\ view' = [view EXCEPT ![w] = r]
       \* What is dead may be disabled before anything else but the mending of the current version.
       /\ \/ Decide(w, r)
          \/ /\ Dead # {} /\ ~Unfinished(w) /\ (Alive(ver[r].c) \/ ~Rule("heal first"))
             /\ Do(w, "disable", 0)
  /\ UNCHANGED <<source, vault, rec, lease, jobs, job, net, history, left>>

\* The incident stands in the record before anything is done about it.
Mark(w) ==
  /\ at[w] = "mark"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED rec
     ELSE /\ rec' = [rec EXCEPT !.leak = IF Rule("mark") /\ ~ended THEN leaked ELSE 0]
          /\ jobs' = (IF job[w] = "park" THEN Looked(jobs) ELSE jobs)
          /\ Go(w, IF job[w] = "park" THEN "free" ELSE "read")
          /\ UNCHANGED <<lease, job, view, made>>
  /\ UNCHANGED <<source, vault, net, history, left>>

----------------------------------------------------------------------------
(* Change the source, prove it, write it ahead, publish it *)

Healing(w) == ~Unfinished(w) /\ (job[w] # "rotate" \/ view[w] \notin Asked)
Target(w) ==
  CASE Strategy = "one" -> 1
    [] Strategy = "two" -> IF Healing(w) THEN ver[view[w]].s ELSE 3 - ver[view[w]].s
    [] OTHER -> Vacant

\* A single slot is changed only after a look has been posted.
Promised == IF Strategy = "one" /\ Rule("follow") THEN Posted(jobs, "look") ELSE jobs

\* So is it after a fresh read only: whoever sets it back may rely on that.
Unread(w) == Strategy = "one" /\ Rule("gate") /\ \E r \in Reads: r # view[w]
Fresh(w) == Strategy # "one" \/ ~Rule("gate") \/ view[w] \in Reads
Issue(w) ==
  /\ at[w] = "issue"
  /\ \/ (lease # w \/ Unread(w)) /\ GiveUp(w) /\ UNCHANGED <<held, last, net, left>>
     \/ /\ lease = w /\ Fresh(w) /\ last' = last + 1 /\ held' = [held EXCEPT ![Target(w)] = last + 1]
        /\ made' = [made EXCEPT ![w] = last + 1] /\ Go(w, "prove") /\ jobs' = Promised
        /\ UNCHANGED <<lease, job, view, net, left>>
     \/ /\ lease = w /\ Fresh(w) /\ Spend("late") /\ net' = net \cup {IF Strategy = "many" THEN [do |-> "add"]
                                                            ELSE [do |-> "set", s |-> Target(w)]}
        /\ GiveUp(w) /\ UNCHANGED <<held, last>>
  /\ UNCHANGED <<vault, rec, history, revoked>>

Prove(w) ==
  /\ at[w] = "prove"
  /\ IF Alive(made[w]) \/ ~Rule("prove")
     THEN /\ proven' = (IF Rule("prove") THEN proven \cup {made[w]} ELSE proven)
          /\ Go(w, "ahead") /\ UNCHANGED <<lease, jobs, job, view, made>>
     ELSE GiveUp(w) /\ UNCHANGED proven
  /\ UNCHANGED <<source, vault, rec, net, passed, leaked, ended, overtaken, meddled, left>>

\* What is about to be published, and what that supersedes. A record is written under its lease only.
Gone(w) == Healing(w) \/ Strategy = "one"
Ahead(w) ==
  /\ at[w] = "ahead"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED rec
     ELSE /\ rec' = [rec EXCEPT !.cred = IF Rule("record") THEN made[w] ELSE 0, !.base = view[w],
                                !.retire = IF Gone(w) THEN @ ELSE @ \cup {view[w]},
                                !.dead = IF Gone(w) /\ Rule("out of use") THEN @ \cup {view[w]} ELSE @]
          /\ Go(w, IF Replica /\ Rule("copies first") THEN "copy" ELSE "publish")
          /\ UNCHANGED <<lease, jobs, job, view, made>>
  /\ UNCHANGED <<source, vault, net, history, left>>

\* Replicas come first. One whose owner does not consent is left alone, and nothing waits for it.
Copy(w) ==
  /\ at[w] \in {"copy", "catch up"}
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<copy, net, left>>
     ELSE \/ /\ copy' = (IF consent \/ ~Rule("consent") THEN made[w] ELSE copy)
             /\ Go(w, IF at[w] = "copy" /\ Rule("copies first") THEN "publish" ELSE "free")
             /\ UNCHANGED <<lease, jobs, job, view, made, net, left>>
          \/ /\ consent /\ Spend("late") /\ GiveUp(w) /\ UNCHANGED copy
             /\ net' = net \cup {[do |-> "copy", c |-> made[w]]}
          \/ \* A single slot has changed already: its secret cannot wait for a replica that fails.
             /\ Strategy = "one" /\ at[w] = "copy" /\ Spend("failure") /\ Go(w, "publish")
             /\ UNCHANGED <<copy, lease, jobs, job, view, made, net>>
  /\ UNCHANGED <<source, ver, shown, consent, tag, rec, history>>

Version(c, s, from, by) == [c |-> c, s |-> s, from |-> from, by |-> by, on |-> TRUE]
SlotOf(c) == IF Alive(c) THEN CHOOSE s \in Slots: held[s] = c ELSE 1
\* A version that was refused, or that a single slot held, is disabled as soon as another one stands
\* in its place. A leaked one is not before its credential is proven to be refused.
After(w) == IF Unfinished(w) THEN (IF Strategy = "one" THEN "refused" ELSE "read")
            ELSE IF Gone(w) \/ Dead # {} THEN "disable"
            ELSE IF Replica /\ ~Rule("copies first") THEN "copy" ELSE "free"

\* The gate: the lease is held, and a fresh read shows the version that is to be replaced.
Publish(w) ==
  /\ at[w] = "publish"
  /\ \E r \in Reads:
     IF (lease # w /\ Rule("lease")) \/ (r # view[w] /\ Rule("gate"))
     THEN GiveUp(w) /\ UNCHANGED <<ver, net, left>>
     ELSE \/ /\ ver' = Append(ver, Version(made[w], SlotOf(made[w]), view[w], "rekey"))
             /\ Go(w, After(w)) /\ view' = [view EXCEPT ![w] = Newest + 1]
             /\ made' = (IF After(w) = "refused" THEN [made EXCEPT ![w] = Leak] ELSE made)
             /\ UNCHANGED <<lease, jobs, job, net, left>>
          \/ \* It gave no answer. A single slot is set back, unless it has arrived by then.
             /\ Spend("late") /\ UNCHANGED ver
             /\ \/ GiveUp(w)
                \/ Strategy = "one" /\ Go(w, "undo") /\ UNCHANGED <<lease, jobs, job, view, made>>
             /\ net' = net \cup {[do |-> "put", c |-> made[w], s |-> SlotOf(made[w]), from |-> view[w]]}
  /\ UNCHANGED <<source, shown, copy, consent, tag, rec, history>>

\* Set back at the source what the vault holds, unless a person has changed it meanwhile. A vault that
\* gives no answer (0) has shown it just before the change; what was proven must still be accepted.
Outage == 0
Undo(w) ==
  /\ at[w] = "undo"
  /\ \E r \in Reads \cup {Outage}:
       LET old == ver[view[w]].c
           \* What leaked is not set back by whoever knows of it: from the record, or its own message.
           unwanted == IF rec.leak # 0 \/ job[w] = "incident" THEN {Leak} ELSE {}
           is_last == r = view[w] \/ (r = Outage /\ made[w] \in proven /\ Alive(made[w])) IN
       IF lease = w /\ (is_last \/ ~Rule("undo")) /\ (old \notin revoked \cup unwanted \/ ~Rule("revoked"))
       THEN \/ held' = [held EXCEPT ![1] = old] /\ UNCHANGED <<net, left>>
            \/ Spend("late") /\ net' = net \cup {[do |-> "back", c |-> old]} /\ UNCHANGED held
       ELSE UNCHANGED <<held, net, left>>
  /\ GiveUp(w)
  /\ UNCHANGED <<last, revoked, vault, rec, history>>

----------------------------------------------------------------------------
(* Retire, prove it, disable *)

\* A retirement spares what the vault's current version holds, whoever wrote that.
Spared(w) == IF Rule("spare") THEN {ver[view[w]].c} ELSE {}
Slotted(c, s) == [c |-> c, s |-> s]
Condemned(w) ==
  LET of(i) == Slotted(ver[i].c, ver[i].s)
      tagged == IF Rule("evidence") \/ tag = 0 THEN {} ELSE {Slotted(tag, IF Alive(tag) THEN SlotOf(tag) ELSE 1)}
      doomed == IF Unfinished(w) THEN {of(i): i \in {leaked} \ {0}} ELSE {of(i): i \in Due} \cup tagged
  IN {x \in doomed: x.c \notin Spared(w)}

\* A slot is never empty: its key is replaced. (A retirement that is repeated replaces it once more;
\* nothing depends on that here.)
Killed(x) ==
  CASE ~Alive(x.c) \/ Strategy = "one" -> held
    [] Strategy = "many" -> [s \in Slots |-> IF held[s] = x.c THEN 0 ELSE held[s]]
    [] OTHER -> [held EXCEPT ![x.s] = last + 1]

Revoke(w) ==
  /\ at[w] = "revoke"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<held, last, net, left>>
     ELSE IF Condemned(w) = {} THEN Go(w, "disable") /\ UNCHANGED <<held, last, lease, jobs, job, view, made, net, left>>
     ELSE \E x \in Condemned(w):
          \/ \* it is revoked; nothing is left to do where it is gone already
             /\ held' = Killed(x) /\ last' = (IF held' # held /\ Strategy = "two" THEN last + 1 ELSE last)
             /\ Go(w, "refused") /\ made' = [made EXCEPT ![w] = x.c]
             /\ UNCHANGED <<lease, jobs, job, view, net, left>>
          \/ \* "not found", says a replica of the source that lags
             /\ Spend("lie") /\ Go(w, "refused") /\ made' = [made EXCEPT ![w] = x.c]
             /\ UNCHANGED <<held, last, lease, jobs, job, view, net>>
          \/ /\ Alive(x.c) /\ Strategy # "one" /\ Spend("late") /\ GiveUp(w)
             /\ net' = net \cup {IF Strategy = "many" THEN [do |-> "remove", c |-> x.c]
                                ELSE [do |-> "set", s |-> x.s]}
             /\ UNCHANGED <<held, last>>
  /\ UNCHANGED <<revoked, vault, rec, history>>

\* What was revoked is tried. Only its refusal is believed.
Believed(w) == ~Rule("proof") \/ (~Rule("read back") /\ job[w] = "retire")
Refused(w) ==
  /\ at[w] = "refused"
  /\ IF (Alive(made[w]) /\ ~Believed(w)) \/ lease # w THEN GiveUp(w) /\ UNCHANGED <<rec, ended>>
     ELSE /\ rec' = [rec EXCEPT !.leak = IF made[w] = Leak THEN 0 ELSE @,
                                \* What is proven to be refused is retired; its versions are still to be disabled.
                                !.retire = {i \in @: ver[i].c # made[w]},
                                !.dead = IF Alive(made[w]) THEN @
                                         ELSE @ \cup {i \in rec.retire: ver[i].c = made[w]}]
          /\ ended' = (ended \/ made[w] = Leak)
          /\ Go(w, IF Strategy = "one" /\ ~Rule("out of use") THEN "free" ELSE "disable")
          /\ UNCHANGED <<lease, jobs, job, view, made>>
  /\ UNCHANGED <<source, vault, net, proven, passed, leaked, overtaken, meddled, left>>

Off(i) == [ver[i] EXCEPT !.on = FALSE]
\* Versions whose credential is dead are disabled, then the record forgets them.
Useless(w) == Dead \cup {i \in {ver[view[w]].from} \ {0, rec.leak}: ~Alive(ver[i].c) /\ made[w] = ver[view[w]].c}
Disable(w) ==
  /\ at[w] = "disable"
  /\ \E r \in Reads:
     IF lease # w \/ (r # view[w] /\ Rule("gate")) THEN GiveUp(w) /\ UNCHANGED <<ver, net, left>>
     ELSE \/ /\ ver' = [i \in 1..Newest |-> IF i \in Useless(w) THEN Off(i) ELSE ver[i]]
             /\ Go(w, "forget") /\ UNCHANGED <<lease, jobs, job, view, made, net, left>>
          \/ /\ Spend("late") /\ GiveUp(w) /\ UNCHANGED ver
             /\ \E i \in Useless(w): net' = net \cup {[do |-> "off", i |-> i]}
  /\ UNCHANGED <<source, shown, copy, consent, tag, rec, history>>

\* A message that was about something else goes on with that.
Forget(w) ==
  /\ at[w] = "forget"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED rec
     ELSE /\ rec' = [rec EXCEPT !.retire = {i \in @: ver[i].on /\ ver[i].c # ver[view[w]].c},
                                !.dead = {i \in @: ver[i].on /\ ver[i].c # ver[view[w]].c}]
          \* Who has mended the current version goes on with what it was asked for.
          /\ Go(w, IF job[w] = "retire" /\ rec'.retire = {} THEN "free" ELSE "read")
          /\ UNCHANGED <<lease, jobs, job, view, made>>
  /\ UNCHANGED <<source, vault, net, history, left>>

Tidy(w) ==
  /\ at[w] = "tidy"
  /\ IF lease # w THEN GiveUp(w) /\ UNCHANGED <<held, net, left>>
     ELSE IF Leftovers = {} \/ ~Rule("tidy")
     THEN /\ Go(w, IF Healing(w) /\ Alive(ver[view[w]].c) THEN "free" ELSE "issue")
          /\ UNCHANGED <<held, lease, jobs, job, view, made, net, left>>
     ELSE LET c == CHOOSE x \in Leftovers: \A y \in Leftovers: x <= y IN
          \/ /\ held' = [s \in Slots |-> IF held[s] = c THEN 0 ELSE held[s]]
             /\ UNCHANGED <<at, lease, jobs, job, view, made, net, left>>
          \/ /\ Spend("late") /\ GiveUp(w) /\ net' = net \cup {[do |-> "remove", c |-> c]} /\ UNCHANGED held
  /\ UNCHANGED <<last, revoked, vault, rec, history>>

----------------------------------------------------------------------------
(* What happens to workers, requests and vaults *)

\* The process dies. Its message comes back; after too many deaths it is parked instead.
Crash(w) ==
  /\ at[w] # "idle" /\ Go(w, "idle") /\ Drop(w)
  /\ \/ Spend("crash") /\ jobs' = Posted(jobs, job[w])
     \/ /\ Spend("death") /\ job[w] \in {"rotate", "incident"} /\ jobs' = Posted(jobs, "park")
  /\ UNCHANGED <<source, vault, rec, lease, net, history>>

\* A call fails, or its answer is lost: the worker lives and gives up. Where there is a single slot,
\* it sets back what the vault holds before that.
Fail(w) ==
  /\ at[w] \notin {"idle", "free", "undo"} /\ Spend("failure")
  /\ \/ GiveUp(w)
     \/ /\ Strategy = "one" /\ at[w] \in {"prove", "ahead", "publish"} /\ Go(w, "undo")
        /\ UNCHANGED <<lease, jobs, job, view, made>>
  /\ UNCHANGED <<source, vault, rec, net, history>>

\* The lease of a dead worker always ends; that of one that is slow may.
Expire ==
  /\ lease # None /\ (at[lease] = "idle" \/ left.loss > 0) /\ lease' = None
  /\ left' = (IF at[lease] = "idle" THEN left ELSE [left EXCEPT !.loss = @ - 1])
  /\ UNCHANGED <<source, vault, rec, jobs, worker, net, history>>

Settle ==
  /\ ~Settled /\ \E n \in shown + 1..Newest: shown' = n
  /\ UNCHANGED <<source, ver, copy, consent, tag, rec, lease, jobs, worker, net, history, left>>

Effect(request) ==
  CASE request.do = "set" -> /\ held' = [held EXCEPT ![request.s] = last + 1] /\ last' = last + 1
                             /\ UNCHANGED <<ver, copy>>
    [] request.do = "add" -> /\ held' = [held EXCEPT ![Vacant] = last + 1] /\ last' = last + 1
                             /\ UNCHANGED <<ver, copy>>
    [] request.do = "remove" -> /\ held' = [s \in Slots |-> IF held[s] = request.c THEN 0 ELSE held[s]]
                                /\ UNCHANGED <<last, ver, copy>>
    [] request.do = "back" -> held' = [held EXCEPT ![1] = request.c] /\ UNCHANGED <<last, ver, copy>>
    [] request.do = "off" -> ver' = [ver EXCEPT ![request.i] = Off(request.i)] /\ UNCHANGED <<held, last, copy>>
    [] request.do = "copy" -> copy' = request.c /\ UNCHANGED <<held, last, ver>>
    [] OTHER -> /\ ver' = Append(ver, Version(request.c, request.s, request.from, "rekey"))
                /\ UNCHANGED <<held, last, copy>>

\* A request takes effect late, or never.
Land ==
  /\ \E request \in net: Effect(request) /\ net' = net \ {request}
  /\ overtaken' = TRUE
  /\ UNCHANGED <<revoked, shown, consent, tag, rec, lease, jobs, worker, proven, passed,
                 leaked, ended, meddled, left>>

Vanish ==
  /\ \E request \in net: net' = net \ {request}
  /\ UNCHANGED <<source, vault, rec, lease, jobs, worker, history, left>>

\* The overlap of everything that has been superseded so far ends.
Pass ==
  /\ passed < Newest - 1 /\ passed' = Newest - 1
  /\ UNCHANGED <<source, vault, rec, lease, jobs, worker, net, proven, leaked, ended, overtaken,
                 meddled, left>>

----------------------------------------------------------------------------
(* People and adversaries *)

Meddle == meddled' = (meddled \/ lease # None)
\* What a person writes is seen at once: nothing could close the second in which it is not.
Written(version) == Settled /\ ver' = Append(ver, version) /\ shown' = Newest + 1

PersonWrites ==
  /\ Spend("person") /\ Meddle
  /\ LET s == CASE Strategy = "one" -> 1 [] Strategy = "two" -> 3 - Current.s
                [] OTHER -> Vacant IN
     /\ held' = [held EXCEPT ![s] = last + 1] /\ last' = last + 1 /\ revoked' = revoked \cup ({held[s]} \ {0})
     /\ Written(Version(last + 1, s, Newest, "person"))
  /\ UNCHANGED <<copy, consent, tag, rec, lease, jobs, worker, net, proven, passed, leaked, ended,
                 overtaken>>

\* A person puts back what an earlier version holds, by hand.
PersonGoesBack ==
  /\ Spend("person") /\ Meddle
  /\ \E i \in 1..Newest - 1: /\ Alive(ver[i].c) /\ ver[i].c # Current.c /\ ver[i].c # Leak
                             /\ Written(Version(ver[i].c, ver[i].s, Newest, "person"))
  /\ UNCHANGED <<held, last, revoked, copy, consent, tag, rec, lease, jobs, worker, net, proven,
                 passed, leaked, ended, overtaken>>

\* A person takes the current credential away at its source. The daily audit looks there.
PersonRevokes ==
  /\ Accepted /\ Spend("person") /\ Meddle
  /\ LET s == SlotOf(Current.c) IN
     IF Strategy = "many" THEN held' = [held EXCEPT ![s] = 0] /\ UNCHANGED last
     ELSE held' = [held EXCEPT ![s] = last + 1] /\ last' = last + 1
  /\ revoked' = revoked \cup {Current.c} /\ jobs' = Posted(jobs, "look")
  /\ UNCHANGED <<vault, rec, lease, worker, net, proven, passed, leaked, ended, overtaken>>

Withdraw ==
  /\ consent /\ Spend("person") /\ consent' = FALSE
  /\ UNCHANGED <<source, ver, shown, copy, tag, rec, lease, jobs, worker, net, history>>

\* Who may write the secret's tags names any credential in RekeyRetire.
Forge ==
  /\ Spend("forgery") /\ \E c \in {Current.c, Foreign}: tag' = c
  /\ UNCHANGED <<source, ver, shown, copy, consent, rec, lease, jobs, worker, net, history>>

Report ==
  /\ Spend("incident") /\ leaked' = Newest /\ jobs' = Posted(jobs, "incident")
  /\ UNCHANGED <<source, vault, rec, lease, worker, net, proven, passed, ended, overtaken, meddled>>

----------------------------------------------------------------------------

Step(w) ==
  \/ \E k \in Kinds: Take(w, k)
  \/ Read(w) \/ Mark(w) \/ Issue(w) \/ Prove(w) \/ Ahead(w) \/ Copy(w) \/ Publish(w) \/ Undo(w)
  \/ Revoke(w) \/ Refused(w) \/ Disable(w) \/ Forget(w) \/ Tidy(w) \/ Free(w)

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

Undisturbed == ~overtaken /\ ~meddled
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
\* What a version holds works until its overlap has passed, unless it is leaked, or a person's doing.
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
