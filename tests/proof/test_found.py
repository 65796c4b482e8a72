"""What the proof found, each as the schedule that showed it."""

from __future__ import annotations

import pytest

from tests.proof.run import play

FOUND = {
    "what leaked lives on at a former source, as a forced rotation at the next one replaced it": (
        "operated-moved-by-a-tag-when-due/two-slots#2026362927"
    ),
    "what leaked is said to be refused where it never was, as the records could not be listed": (
        "operated-moved-by-a-tag-when-due/one-doubtful#2027053100"
    ),
    "what was restored is cut off inside its overlap, as nonsense that names its login is repaired": (
        "operated-away-put-back-when-retired/two-doubtful#2026486918"
    ),
    "nobody hears of a lost password from who may not even renew the lease to note it": (
        "throttled/one-doubtful#2027010369"
    ),
    "a source is set back to what it accepted, however its owner wants the next value to look": (
        "reshaped/one-slot#1600026076"
    ),
    "people hear of a password that a dead worker lost, as its secret was deleted meanwhile": (
        "slow-deleted/one-slow#1061"
    ),
    "people hear of a password that a recheck lost, as its secret was deleted meanwhile": (
        "handed-over-in-rotation/one-slot#1590020660"
    ),
    "what a slow source has agreed to replace has no overlap in a replica that is named too late": (
        "copies/two-slow#1590016848"
    ),
    "what an incident began with lives on, as its order is repeated after a person and Rekey replaced it": (
        "operated-moved-by-order/many#1540008736"
    ),
    "an only password that leaked is revoked in vain, every three minutes, beside a value of a person's": (
        "operated-put-back-when-due/one-slow#1390005229"
    ),
    "what a list was rid of and got again is taken from it once more, though it is in use": (
        "ordered-twice-when-due/listed#1390001510"
    ),
    "what was restored after an incident began, and a person replaced, works on": (
        "operated-moved-by-order/listed#1370001259"
    ),
    "what leaked is not noted where its source was nobody's, and gets an overlap as it is slow": (
        "adopted-in-incident/two-slow#1340007862"
    ),
    "a worker lists the records once more, before the time that Azure has named": (
        "moved-by-order/two-by-name#1340004409"
    ),
    "what a request brings late is left, as a revocation has overwritten that request": (
        "moved-in-overlap-and-reported/many#1310009966"
    ),
    "what a first version was to hold lives on, as a retirement comes before its removal": (
        "created/many#1180036956"
    ),
    "a leak is tried at a further login of its pair, as whoever claimed the pair has died": (
        "handed-over-in-both/two-logins#1160800235"
    ),
    "nothing says what a secret held that lost its tags in its first rotation": (
        "handed-over-in-both/one-slot#1160800122"
    ),
    "a secret that can bear a mark again bears none, as people have heard of what it needs": (
        "slow-and-people/one-slow#1210004936"
    ),
    "a slow revocation of what nobody can read is asked for without end, as the tags are gone": (
        "owners-in-overlap/two-slow#1210025190"
    ),
    "nobody proves what has come late, while another deployment tidies": (
        "two-deployments/many#1210031782"
    ),
    "what is retired at a source takes the tags off that a later one has written": (
        "moved-in-overlap/listed#1200024035"
    ),
    "what a policy leaves to people is told of as what a tag does": "policy/many#1200020267",
    "each message of an incident asks a source that it has left for the end of its change": (
        "moved-by-order/two-slow#1160700015"
    ),
    "a version of the same second is taken for one that another source has accepted": (
        "moved-in-both/many#1160500057"
    ),
    "people never hear of the only password of a source that its secret has left": (
        "moved-in-both/one-slow#1160500001"
    ),
    "looks at two sources tell people in turn of what needs them at either": (
        "moved-in-both/one-slow#1160500044"
    ),
    "a later look of a run takes its own change for another's, and believes an old copy": (
        "lagging-in-overlap/many#1160007502"
    ),
    "what a late write superseded is left, as its secret moves away and back": (
        "moved/many#1150009247"
    ),
    "what was made in vain is left, as two versions are of one second and the record was lost": (
        "records/many#1150018775"
    ),
    "what a person writes who knows what is about to be published is taken for a person's": (
        "slow-deleted/two-slow#1150012520"
    ),
    "a source that its secret has left in mid-change is followed to the present one for a day": (
        "moved-in-overlap/two-slow#2"
    ),
    "what leaked lives on while a list lacks what a person has just added": (
        "moved-in-incident/listed#4128"
    ),
    "an order is tried for a month, as a source refuses what a person has written since": (
        "moved-by-order/listed#3341"
    ),
    "a leak is forgotten whose secret is released before its source is under lease": (
        "adopted-in-incident/many#1280"
    ),
    "a version is announced to nobody, as its secret is released once it has come": (
        "adopted-in-rotation/two-slots#1178"
    ),
    "who dies while a pair is released leaves one of its logins as a source": (
        "adopted-in-incident/two-logins#1120"
    ),
    "what leaked and was cut off is asked about at another source, as the change there was slow": (
        "moved-in-incident/one-slow#95000007"
    ),
    "so it is where that has come, and had to be revoked": "moved-in-incident/one-slow#41036",
    "what a first version was to hold lives on, as nobody types the command again": (
        "created/many#91000005"
    ),
    "a key that another deployment made after a refused try is not taken for one's own": (
        "one-account/two-slots!m8=forbid+i12=m0+m14=lose the request+i65=l1+c70=1"
    ),
    "nor is it after a refused change": "one-account/two-slots#532",
    "a recheck repairs a password although the window has closed meanwhile": "window/one-slot@5:die after",
    "a look that had to wait for its source is not left to the look after it": "rotation/one-slot#559",
    "a redelivered try posts a recheck too": "one/one-slot@3:fail after the effect+10:die before",
    "a replica that a late write reached is written again": "replicas/two-slots@11:arrive late",
    "what a refused rotation added is removed": "forced/many@6:forbid",
    "what a late write superseded is removed": "rotation/many@7:arrive late",
    "the mark of a refused audit is taken off": "one/two-slots@14:forbid",
    "a finished incident does not mark the version after it": "incident-alone/one-slot@12:forbid",
    "an incident outlives the healing of what replaced its version": "incident/many#1019416",
    "a list that was sent before brings back what was cut off, and what leaked lives on": (
        "writers-in-overlap/listed#700005252"
    ),
    "so it does right after what leaked was proven to be refused": (
        "writers-in-overlap/listed#700021701"
    ),
    "a password is looked at as seldom as before, although what was tried in vain has come": (
        "slow-for-hours/one-slow#130714644"
    ),
    "a look at a source that the secret has left empties the record of its next owner": (
        "derived-edits#151902946"
    ),
    "a source that is claimed is written once more before its storage may be asked again": (
        "recovered/two-logins#130705348"
    ),
    "so it is by the look after an incident": "lost-incident-alone/two-logins#130702486",
    "what an operation made lives on where its late write was healed inside another overlap": (
        "lagging/many#520012454"
    ),
    "a leak is tried where its secret is now, not where it works": (
        "moved-in-incident/two-slots#7"
    ),
    "so is one of a pair of logins, which nobody owns": "moved-in-incident/two-logins#7",
    "what was made in an incident lives on at a source that its secret has left": (
        "moved-in-incident/many#45"
    ),
    "so it does where its secret has left, and come back": "moved-in-incident/many#177",
    "nobody looks after a password that is lost as its secret leaves": (
        "moved-in-incident/one-slot#139"
    ),
    "the password of one source is set at another": "moved/one-slot#60",
    "what leaked lives on where its secret leaves before an incident is sent on": (
        "moved-by-order/two-slots#42"
    ),
    "so it does where the order could not ask the records": "moved-by-order/two-slots#47",
    "what was superseded keeps its overlap in an incident, as a person has written a version": (
        "moved-by-order/many#23"
    ),
    "a report is sent on again and again while its source is busy": "moved-by-order/many#64",
    "a key is restored while a slow source replaces it, in an incident of both": (
        "operated-when-due/two-slow#1150015668"
    ),
    "a look ends a change of which it could see nothing": "lacking/two-slow#1140025124",
    "looks at a source that was left tell people each time, as its mark is taken off": (
        "moved-in-incident/two-slow#1140022142"
    ),
    "a value put back under a tag that names the other login": (
        "put-back-by-order/two-logins#1120004447"
    ),
    "the records are listed again before the time that Azure has named": (
        "moved-in-incident/one-slot#1110006944"
    ),
    "an incident whose leaks are refused is tried again for what a person has written since": (
        "moved-by-order/two-logins#1100028954"
    ),
    "a leak whose version the app may not read just now is tried elsewhere": (
        "moved-in-incident/two-logins#1080028122"
    ),
    "so is one at a source that its own secret has just claimed": (
        "moved-in-incident/one-slot#1080016408"
    ),
    "what a key made is cut off, as its record does not know of a consent": (
        "derived-consent#1080010134"
    ),
    "what its owner leaves to people while it is refused is not healed": (
        "owners/two-logins#1080002801"
    ),
    "what leaked lives on where a person has put it back since, in its own place": (
        "put-back-by-order/two-slots#185"
    ),
    "so does what was superseded, where a person has copied a value without tags": (
        "put-back-by-order/two-slots#248"
    ),
    "a content type that somebody sets during a rotation is lost": "owners-in-incident/many#3",
    "what is to be retired in a list waits for what its secret holds elsewhere": (
        "moved-in-overlap/listed#2"
    ),
    "so does what a rotation has made in vain": "moved/listed#39",
    "what an operation made late lives on as outages keep the audit from its version": (
        "reported-in-outage/many#500124"
    ),
    "what an incident tidies is in use, as the record went back": (
        "records-in-incident/many#1060004248"
    ),
    "what comes late is no person's, though no record announces it any more": (
        "records/many#1041006519"
    ),
    "nobody is told of what a person disabled unread, replaced and enabled again": (
        "audited/many#620002782"
    ),
    "what a policy parks is healed once that is mended": "policy/two-slots#720008238",
    "a key does not wait for what has moved after its owner took consent back": (
        "derived-consent#910213"
    ),
    "whom a throttle keeps from telling of the last password set in vain does so after it": (
        "dies-at-each-change/one-slot#930005634"
    ),
    "the look that was promised as a slow change was carried on is put off by its announcement": (
        "throttled/one-slow#310018510"
    ),
    "what arrives once its sender has ended is late, although its lease was never given back": (
        "slow-incident/two-slow#130700397"
    ),
    "a password is set back late, after its incident has ended": "set-back-late/one-slot#1371",
    "the last try gets no answer from the vault, and nobody is told what the source may hold": (
        "set-back-late/one-slot#1130"
    ),
    "a single slot in mid-change refuses what leaked, and is set back to it": (
        "reported-and-put-back/one-slot#120526836"
    ),
    "a password that nobody knows is told of where the secret cannot be read to be marked": (
        "incident-alone/one-slot@6:forbid+7:forbid"
    ),
    "a change whose effect is open is told of when the queue gives up": "incident/one-slot#1037066",
    "an incident of a password that was replaced in place is over although its version is disabled": "incident/one-slot",
    "an incident comes back whose first look was refused": "incident-alone/many#1555",
    "an incident comes back that could not be noted": "incident-alone/one-slot#2563",
    "a password that nobody knows is told of where neither its proof nor the record is allowed": (
        "incident-alone/one-slot@10:forbid+11:forbid"
    ),
    "an ordered incident tells of it, too": "order/one-slot@15:forbid+16:forbid",
    "a vault that goes away before a version is sent keeps its only password from being set back": (
        "outage-in-change/one-slot#773439899"
    ),
    "so does one that goes away over the version itself, and stays away": (
        "outage-in-change/one-slot#545796376"
    ),
    "what a person wrote before an announced write is not taken for it, although it holds the same": (
        "incident-and-people/two-slots#772007176"
    ),
    "a key waits no longer for what its owner has taken consent back from": (
        "derived-consent#410262483"
    ),
    "a request that is put off is stored, also where the store itself is throttled": (
        "handed-over-when-leaked-and-deleted/many#410260719"
    ),
    "an answer that comes too late is a fault of its own, before a vault takes no writes": (
        "outage-in-change/one-slot#81001103"
    ),
    "nobody can look after a password that nobody knows while storage is away": (
        "outage-in-change/one-slot#168885678"
    ),
    "who has superseded a key that another deployment holds, too, is cut off by that one's heal": (
        "one-account/two-slots#10000549"
    ),
    "a throttled read of the vault before a password is set back is followed by another one": (
        "one/one-slot@11:forbid+12:throttle"
    ),
    "who hands a source over takes the address off again that a mark gave back": (
        "handed-over-in-rotation/two-logins#773382816"
    ),
    "looks end although a person has put a credential in place of the one to retire": "by-hand/two-slots#179",
    "a password is not left to whoever wrote the version that Rekey itself made useless": (
        "one/one-slot@9:lose the answer"
    ),
    "a list that lags brings back what another process removed from it": (
        "lagging-list/listed!c4=1+c5=1+c6=1+i33=m2"
    ),
    "a list of revoked entries that comes late is waited for without end": (
        "writers-in-overlap/listed!i2=m1+i11=l4+i16=m2"
    ),
    "what an announced version holds is removed while the vault shows a copy from before it": (
        "lagging-list/listed!i0=m1+c0=1+c3=1+c4=1+c5=1+c6=1+m30=die after+i66=m1"
    ),
    "what a parked secret superseded is retired without its replicas": (
        "replicas/two-slots!m56=forbid+m60=die after"
    ),
    "who looks after a compromised key has died, and so has whoever was asked to look again": (
        "derived-retirement!i9=m0+m9=throttle+m25=die before+m43=die before"
    ),
    "a stale read keeps a mark off, and nobody is told": (
        "lagging-list/listed!c5=1+c9=1+c10=1+m9=forbid+m10=read stale"
    ),
    "an incident that meets a rotation cuts the replaced credential off": "incident/two-slots~0.0.0.1",
    "a throttled look at a version's credential is ignored, and the source is asked again within its Retry-After": (
        "one/two-logins@4:throttle"
    ),
    "a tag that its owner edits between the announcement and the gate's fresh read is set back by the new version": (
        "owners/two-logins!c4=1+c5=1+c6=1+i15=m2"
    ),
    "nobody hears that a password is unknown whose secret was disabled, or taken out, while it was set": (
        "audited/one-slot!i5=l2+i23=m0"
    ),
    "a report names the version that is current, a person's or none that can be read, in place of the one published": (
        "owners/one-slot!c2=1+c8=1+c9=1+i19=m0"
    ),
    "a report names the version that is current where the version was healed": (
        "people/two-slots#85"
    ),
    "of two deployments over one vault one removes the credential that the other has just published": (
        "two-deployments/many!i8=m0+m13=throttle"
    ),
    "a second deployment's key is respected once: the next day's try replaces it": (
        "one-account/two-slots"
    ),
    "a CredentialId that names nothing keeps the credential alive that was superseded, in silence": (
        "claimed/many!i0=m0"
    ),
    "a person who takes the superseded slot into use again finds the secret parked for good: only the record says why": (
        "people-in-overlap/two-slots!i0=m2+i1=m2+c3=1+c4=1+i13=m1+i19=m1"
    ),
    "looks follow each other without end, and nobody is told, where the version is disabled while a retirement is open": (
        "owners/many!m46=lose the request+i63=m0"
    ),
    "a replica that was written first keeps a credential that is taken back when the next replica refuses": (
        "false-copies/many!c1=1+c3=1+c5=1+i22=m1"
    ),
    "an incident's order that comes twice rotates what the first one has just published": (
        "order/two-slots!i4=l2+m19=arrive late"
    ),
    "a heal that was never published counts as one: the next audit blames somebody else, and parks for a week": (
        "drift-in-overlap/many!m16=forbid"
    ),
    "clocks that differ by seconds have the look at an unknown password taken for a surplus one": (
        "clocks/one-slot!m1=die after+m19=die after"
    ),
    "an incident about a version that was restored or written over meanwhile is called skipped while what leaked works": (
        "incident-restore/two-logins!c0=1+c3=1+c4=1+m2=lose the request+m15=forbid"
    ),
    "a failover that serves a copy for over a minute has the password set again that the vault's true version holds": (
        "lagging-in-overlap/two-logins#1185"
    ),
    "a heal that is overtaken by a person ends the worker with an assertion": (
        "owners/two-slots!c3=1+c4=1+c5=1+i13=l2+i42=m2"
    ),
    "looks at a single slot multiply while the vault takes no versions": ("lagging/one-slot#4000"),
    "so do they after proofs in vain, each as long as the pause between two looks": (
        "lagging/one-slot#291495698"
    ),
    "a version that lands late over another one is not mended within five minutes": (
        "owners/two-logins!i1=l1+m0=throttle+i17=l3"
    ),
    "an incident of a version that was disabled meanwhile parks the secret until a person enables that version": (
        "order-and-restore/two-slots!c9=1+c10=1+c11=1+m14=arrive late+i28=l1+c30=1+c31=1+c33=1+i65=l1+c75=1+c76=1+i98=m0"
    ),
    "nobody hears that a password is unknown whose secret a person took out, or wrote anew, while it was set": (
        "people/one-slot#1204"
    ),
    "a credential stays behind whose rotation was called off by its owner": ("owners/many#2449"),
    "a second deployment on one account cuts the other's superseded key off inside its overlap": (
        "one-account/two-slots#2896"
    ),
    "while a vault lags or its policy changes a single slot is refused for longer than five minutes": (
        "policy/one-slot#3579"
    ),
    "a failover that serves an old copy for minutes leaves an application's secret refused for longer than five minutes": (
        "lagging-in-overlap/many#4912"
    ),
    "an incident beside a restore whose worker dies is called skipped while what leaked works": (
        "incident-restore/two-slots#3929"
    ),
    "a look that is forbidden to use the app's own storage is the last one": (
        "window/one-slot!m11=arrive late+m14=arrive late+m17=forbid"
    ),
    "a look that may not read the secret is the last one": (
        "one/one-slot!m12=throttle+m26=throttle+m30=forbid"
    ),
    "nobody hears that a password is unknown whose secret was disabled once the version was announced": (
        "owners/one-slot!c2=1+c4=1+m14=fail after the effect+i33=m0"
    ),
    "a look that comes early by a skewed clock takes itself for the later one": (
        "clocks/one-slot!c1=1+c3=1+c4=1+i13=l2+m33=throttle"
    ),
    "a try that runs out of time does not say that its password may be unknown": (
        "unbound/one-slot!m0=lose the request+m6=lose the request+i13=l0+i31=l1"
    ),
    "a look that an incident posted rotates what the incident has just published": (
        "incident/one-slot!c2=1+c3=1+c4=1+i13=l4+c18=1+c19=1+c41=1"
    ),
    "a leaked key that a person takes into use again parks its incident for good": (
        "incident-and-people/two-slots!c0=1+c1=1+c2=1+c5=1+i20=m0"
    ),
    "what was made for a version that a person wrote meanwhile is not taken back": (
        "incident-and-people/many!c2=1+c3=1+c4=1+i9=m2+i20=m0+i37=m0"
    ),
    "a key of another deployment counts as Rekey's own after a try that was refused": (
        "one-account/two-slots!m0=lose the request+m8=forbid+m10=forbid+c19=1+i28=l0+i39=m0+c192=1"
    ),
    "a key of another deployment counts as Rekey's own although it was made hours after the last try": (
        "one-account/two-slots!m1=arrive late+m11=forbid+m42=die after+c74=1"
    ),
    "what was made for a version that a person wrote over is left at the source": (
        "people/many!m0=forbid+i5=l1+i16=m4+m14=fail after the effect"
    ),
    "a look that may not read the secret is the last one although a version is announced": (
        "window/one-slot!m13=lose the answer+m15=forbid+m18=forbid"
    ),
    "an incident that meets a change under way is called skipped while what leaked works": (
        "slow-incident/two-slow"
    ),
    "a single slot's change of hours is looked for so seldom that its source refuses the vault": (
        "slow-for-hours/one-slow"
    ),
    "a look and the message that looks for the end of a change leave it to each other": (
        "slow-for-hours/one-slow@0:lose the answer"
    ),
    "each try to park what an outage keeps from being parked posts one more look": (
        "slow-outage/one-slow!i4=m0+m5=throttle+i45=m0+i59=m0"
    ),
    "a derived secret that may not be read once is cut off with its key": (
        "derived-retirement!m4=forbid"
    ),
    "a parked secret's key is retired as if it had left its source: nothing that lives on it is waited for": (
        "derived-retirement@6:forbid"
    ),
    "a parked secret's key is retired inside the overlap of what it made": (
        "derived-retirement@30:forbid"
    ),
    "a key that is refused and what it made ask each other for looks without end": (
        "derived-and-people!i86=m1"
    ),
    "a throttled look at what a key has made is ignored, and its source asked again": (
        "derived-incident-in-overlap@6:throttle"
    ),
    "what a compromised key made is refused until the message of a dead worker comes back": (
        "derived-incident-in-overlap@12:die after"
    ),
    "what a leaked key has signed is refused for ten minutes where two workers die in a row": (
        "derived-retirement#583"
    ),
    "a key that somebody writes again cuts off what it made, although that is inside its overlap": (
        "derived-and-people!i26=l3+m30=forbid+i85=m2"
    ),
    "a key that has left management cuts off what it made, although that is inside its overlap": (
        "derived-consent#1003304"
    ),
    "a revocation that goes on is asked for without end where a person disabled its version": (
        "slow-and-people/two-slow!m6=lose the request+i10=m1+i37=m0"
    ),
    "the message that looks for the end of a change rests where its secret was parked meanwhile": (
        "slow-incident/one-slow#508"
    ),
    "what a record that went back has forgotten lives on, and nobody is told to revoke it": (
        "rolled-back-twice/many"
    ),
    "an incident is called skipped where no record of several logins can note it": (
        "records-in-incident/two-logins!i32=m1+i45=m2+i53=m1+i59=m2"
    ),
    "an incident cuts a key off that was made since, for an older one had its place": (
        "records-in-incident/two-slots!c2=1+c6=1+m4=arrive late+i7=m6+i19=m4+c26=1+i64=m2+i68=m1"
    ),
    "what an operation made in vain stays, once its record was lost twice": (
        "records/many!i8=m1+c14=1+i24=m0+i31=m0"
    ),
    "a purged version parks its incident for good, as nobody can enable it": (
        "deleted-in-incident/two-slots#3"
    ),
    "who is overtaken after a password was set fails for another reason, and does not say that": (
        "deleted-in-incident/one-slot!i14=m0+i16=m1"
    ),
    "a key that is healed in the place of the one to retire parks its secret for good": (
        "slow-deleted/two-slow!i75=m2+i77=l4+i84=m0+i93=m0"
    ),
    "who sets a password back renews the lease before the time that Azure has named": (
        "records/one-slot!c5=1+c6=1+c7=1+c8=1+i15=l4+m14=throttle"
    ),
    "what another deployment has published is cut off by a late change, and nobody mends it": (
        "two-deployments/two-slots#7700061"
    ),
    "a message that comes back finds nothing due, and does not look at what its first try began": (
        "two-deployments/two-slots#1009794"
    ),
    "nothing that lives on an earlier key hears of the incident of the current one": (
        "derived-incident-in-overlap!c3=1+c4=1+m2=die before+m39=die before"
    ),
    "a version is never announced whose worker died, where something else comes next": (
        "died/one-slot#29"
    ),
    "who takes a source over forgets what is to be revoked there": (
        "handed-over-when-leaked/two-slots"
    ),
    "a source that applies and answers 500 is changed again every 45 seconds": (
        "applies-and-fails/one-slot"
    ),
    "what was published under an incident that is dated ahead counts as leaked": (
        "reported-ahead/two-slots"
    ),
    "a password that cannot be published is not set back while another service is away": (
        "outage-in-change/one-slot#2"
    ),
    "who announces a version again does so before the time that storage has named": (
        "outage-in-change/one-slot#27"
    ),
    "a late change of ours cuts off what another deployment has published": (
        "two-deployments/two-slots#1009794"
    ),
    "a late change of another deployment's app is healed after eight minutes": (
        "two-deployments/two-slots#7700061"
    ),
    "clocks that differ have a single slot refused for an hour": "clocks/one-slot#8800050",
    "a change of hours leaves a version too many": "slow-for-hours/one-slow#7700178",
    "a read of the vault is repeated before its time to tell of a password that nobody knows": (
        "slow-for-hours/one-slow#3356"
    ),
    "the hour after a retirement brings the audit that it was sent in place of": (
        "false-copies/two-slots#75"
    ),
    "who announces an earlier try's version notes it again within the Retry-After of its record": (
        "drift/one-slot!m3=forbid+i30=l3+m46=fail after the effect+m52=throttle"
    ),
    "who is overtaken, and cannot set a password back, parks the secret and does not say that": (
        "claimed/one-slot!c0=1+c1=1+c3=1+c4=1+i16=m3+m16=lose the request"
    ),
    "an incident is no longer known to the proof once a late list brings its credential back": (
        "records-in-incident/listed!c0=1+c1=1+c9=1+c10=1+c11=1+m22=fail after the effect+m33=throttle+i65=l4+i85=m1+i110=m6+i128=m0"
    ),
    "looks at what a refused key has made go on for a week, while the key is left to a person": (
        "derived-and-people#7700012"
    ),
    "an order that comes twice replaces what it had made, where it is dated ahead": (
        "reported-ahead/two-slots#243090254"
    ),
    "what comes late of an operation stays once the version that it made was replaced as well": (
        "reported-in-another-year/many#243101360"
    ),
    "a look that was posted for a call of no consequence rotates outside the window": (
        "closed/many#243090046"
    ),
    "looks at what a compromised key has made go on, while the key is left to a person": (
        "derived-retirement#243111771"
    ),
    "looks that wait for their source multiply, as none is left to the next one": (
        "comes-to-apply-and-fail/one-slot#75"
    ),
    "a list that two writers replace lacks the entry in use: it is put back after seven minutes": (
        "writers-in-overlap/listed#7029"
    ),
    "nothing is healed where an incident finds the entry in use missing": (
        "retirement/listed#243113536"
    ),
    "where the records of a key and of what it made go back again, the key goes first": (
        "derived-records#7700020"
    ),
    "what an operation made stays where its record was lost in between": (
        "records-in-overlap/many#7700116"
    ),
    "a late write hides what works, and an incident goes on without healing that": (
        "reported-in-another-year/one-slot#438857593"
    ),
    "what a late write hides stays at a login where the version on top is replaced before it is healed": (
        "reported-without-a-time/two-logins#438910809"
    ),
    "what a late write hides stays at a source that passes on before it is healed": (
        "handed-over-in-incident/many#438848151"
    ),
    "what an operation made stays whose version the record does not know of, as it went back": (
        "records-in-overlap/many#168"
    ),
    "what a refused rotation added stays, since its secret has left management before its next audit": (
        "one-account/many#506114"
    ),
    "an heir is told who has its source, and nobody follows the way out": "handed-over/many#438876383",
    "an heir holds what the reports say is to be revoked, and nobody writes another value": (
        "handed-over-in-rotation/many#773419567"
    ),
    "a version that a person has enabled again is disabled by a call that comes late": (
        "people-in-overlap/two-slots#438889157"
    ),
    "what a key has made is told to look at it by each audit that it has asked for itself": (
        "derived-incident-in-overlap#930000535"
    ),
    "the login that is not in use is set again each minute while its server applies that and fails": (
        "comes-to-apply-and-fail/two-logins#438874631"
    ),
    "who comes too soon after five deaths in a row leaves a password unknown for minutes more": (
        "dies-at-each-change/one-slot#6"
    ),
    "what is superseded, has no print, and leaks in its overlap is not found": (
        "reported-in-overlap/two-slots!i9=m1"
    ),
    "what leaks while it is superseded is not found": (
        "reported/two-slots!c5=1+i6=m0+c6=1+m4=die after+c7=2+c8=2+c10=1+c14=1"
    ),
    "an overlap counts from when its version was sent, although the vault had it minutes later": (
        "to-the-second/many#545790401"
    ),
    "a report is dropped whose source passes to another secret before its message is taken": (
        "reported-handed-over/two-slots#61000106"
    ),
    "a report is dropped whose secret is deleted once its source has passed on": (
        "reported-handed-over/two-slots#62000401"
    ),
    "an item that may be put off no more comes back sooner than Azure has said": (
        "derived-lagging#545760980"
    ),
    "what gives up and is throttled by that comes back sooner than Azure has said": (
        "outage/one-slot#545823120"
    ),
    "what leaked and was put back while it was revoked waits for a person in vain": (
        "reported-and-put-back/many#760000330"
    ),
    "an incident's look waits a quarter of an hour once its vault is back": (
        "reported-in-outage/one-slot#51000046"
    ),
    "what leaks from a replica before its primary is published is not found": (
        "reported-in-replica/two-slots#50000005"
    ),
    "what leaked before and nobody can read keeps what leaked later from being replaced": (
        "reported-handed-over/many#62000020"
    ),
    "a report names a version of the former owner, since the next one's has no print yet": (
        "reported-handed-over/two-slots#65000005"
    ),
    "an heir has copied what no record knows to be revoked, and nobody does that": (
        "reported-handed-over/two-slots#61000933"
    ),
    "what leaked is left to a person, as the next owner of its source holds it in another form": (
        "reported-handed-over-in-another-form/two-slots#75000136"
    ),
    "what leaked lives on beside what the next owner of its source holds": (
        "reported-beside-its-own/two-slots#77000000"
    ),
    "the tags of a secret go in the middle of an incident, and it waits for its next owner": (
        "reported-beside-its-own/two-slots#770000016"
    ),
    "the next owner of a source cannot say which secret has the version that is to be enabled": (
        "reported-beside-its-own/many#781000136"
    ),
    "a password that was not set back is that of its version, and no other one is missed": (
        "outage-after-write/one-slot#291463020"
    ),
    "one refusal at the end of an outage leaves a password unknown for a quarter of an hour": (
        "outage-after-write/one-slot@283:forbid"
    ),
    "two refusals in a row leave a password unknown for a quarter of an hour": (
        "outage-after-write/one-slot@283:forbid+304:forbid"
    ),
    "one refusal does so at the end of an outage of hours": (
        "outage-for-hours-after-write/one-slot@1133:forbid"
    ),
    "a look that is refused half an hour after a change counts as one that has looked": (
        "refused/one-slot#996486551"
    ),
    "so it does where the rotation was refused as a whole a day before": (
        "refused/one-slow#996486529"
    ),
    "a value is put back between the proof that it is refused and the answer": (
        "reported-and-put-back/one-slot#782000305"
    ),
    "what was published last lives on beneath a write that came before, and comes once more": (
        "reported-in-replica/two-slots#70000008"
    ),
    "a late write brings back to a replica what it was to retire": (
        "reported-in-replica/two-slots#61000853"
    ),
    "a vault that lags once a version is proven ends the work with nothing to report": (
        "clocks/two-slots#303646241"
    ),
    "a write that comes again over the last one hides what was to be retired before": (
        "late-by-minutes/listed#91000862"
    ),
    "a key that leaves in the minute of its retirement takes a consent of yesterday with it": (
        "derived-consent#151919797"
    ),
    "after failovers no record knows what an incident's rotation has made in vain": (
        "records-in-incident/many#151909486"
    ),
    "so it is where a rotation was forced inside an overlap": ("records-in-overlap/many#163003086"),
    "a timer that comes while everybody is at work asks once somebody is free": (
        "derived-retirement#200011191"
    ),
    "a look that may see neither vault nor source settles no late change": (
        "refused/two-slow#1270007463"
    ),
    "what a late write lies over is retired although somebody has written in between": (
        "operated-written-again-when-due/many#1270010367"
    ),
    "a look proves nothing outside the scopes": "policy-in-overlap/listed#1270014855",
    "an only password that has leaked is replaced though somebody has written a dead one": (
        "operated-put-back-when-due/one-slow#1280006844"
    ),
    "a leak is looked at although its secret is disabled, and what it held cannot be read": (
        "operated-owners-in-overlap/two-slots#9"
    ),
    "an order cuts off what the secret held where it was then, not where it is": (
        "operated-moved-by-order/two-slots#249"
    ),
    "an order cuts off what was restored in its second, and left by its secret": (
        "operated-moved-by-order/two-slots#72"
    ),
    "what somebody has put back by hand is not restored, which would supersede it by itself": (
        "operated-put-back-when-due/listed#3"
    ),
    "a revocation that its rotator has refused cannot come late": (
        "operated-owners/two-slots#1167000016"
    ),
    "what has leaked and works on replaces nothing that is refused": (
        "operated-put-back-in-incident/two-slow#1168000005"
    ),
    "a report of who takes a source over waits for no change that its owner has asked for": (
        "handed-over-in-both/two-slow#1163000008"
    ),
    "an old copy of a list brings back nothing that a retirement has revoked": (
        "lagging-in-overlap/listed#1163000005"
    ),
    "what leaked is tried where its owner takes the address away in the run that replaces it": (
        "handed-over-in-both/listed#1163002015"
    ),
    "a report of what a pair holds is of one source": "reported-twice/two-logins#1163000002",
    "a source that is being claimed keeps no report from its answer": (
        "reported-twice/two-logins#1163001001"
    ),
    "what a late change was to replace is no value of theirs where somebody writes it again": (
        "written-again-when-due/one-slow#1230030012"
    ),
    "a report of a copy says nothing about what was published in its place": (
        "handed-over-in-incident/two-logins#1162000004"
    ),
    "an only password is not set back to what leaked, though a pipeline has written that again": (
        "operated-put-back-when-due/one-slot#1400002513"
    ),
    "an incident whose recheck is due in seconds is not asked for before that": (
        "left-open/two-logins#1420010578"
    ),
    "nor is one that every sweep fails to take up": "left-open/many#1420101761",
    "what a process has taken from one list is not taken from another one": (
        "operated-moved-in-overlap/listed#1420061334"
    ),
    "a rotation at the very end of a schedule has its overlap": (
        "owners-in-overlap/listed#1420063528"
    ),
    "a refused request of a slow source has changed nothing": "one-account/two-slow#1420075765",
    "what somebody put in the place of a version that is gone is not taken for what that held": (
        "operated-deleted-in-overlap/two-slow#1420138425"
    ),
    "what has leaked is not restored, and its incident not answered with that": (
        "operated-away-put-back-in-incident/two-slots#1171600006"
    ),
    "a tag that names another credential keeps nobody from removing what was made in vain": (
        "operated-away-put-back-in-incident/listed#1171600011"
    ),
    "what was announced and has leaked since is not published": (
        "operated-away-put-back-when-retired/two-slow#1171600001"
    ),
    "what was published is told of although its secret is deleted": (
        "operated-away-deleted-in-incident/two-slots#1460006461"
    ),
    "what a former owner announced and somebody brought along retires what it superseded": (
        "operated-away-handed-over-in-rotation/many#1460030069"
    ),
    "what a failed rotation could not remove is removed after its secret has moved away": (
        "operated-away-moved/many#1470009363"
    ),
    "a credential is not restored whose revocation was sent, and could not be noted": (
        "operated-adopted-in-overlap/two-slow!c3=1+c4=1+c5=1+i7=l4+i28=m0+c28=1+c29=1+i33=m2+c38=1"
        "+c39=1+i56=m5+i57=m0+i60=m4+c55=2+c56=1+i65=m2+c59=3+c61=1+c62=1+c64=1+c65=1+c66=1+c67=1"
        "+c68=1+c69=1+c70=1+c71=1+c74=1+m59=die after+m63=forbid"
    ),
    "a restore that was announced is carried on while its write may still come": (
        "lost-restore/two-slow!i17=m1+m13=arrive late+m21=die after+m28=die after"
    ),
    "what is inside its overlap is not replaced because somebody's version names its place": (
        "operated-put-back/two-logins!c5=1+c6=1+c7=1+i45=l0+i52=l2+i56=m8+i91=m0"
    ),
    "a late write at a source that its secret has left since is no second rotation": (
        "operated-moved-in-both/two-slots#1500006607"
    ),
    "a later try looks once at a source that its secret has left": (
        "operated-away-moved/listed!i3=m1+m16=arrive late+i44=m1+i74=m2+i100=m7+i146=m1"
    ),
    "a refused read gives up no announced write beneath what a person wrote": (
        "incident-and-people/one-slot!"
        "c1=1+c3=1+c5=1+c6=1+m27=fail after the effect+i33=m0+m37=forbid"
    ),
    "a slot that was changed in vain for hours is left alone for longer than the timer allows": (
        "lost-applies-and-fails-an-hour/one-slot"
    ),
    "what was announced to a secret that its owner has taken out is not left at its source": (
        "operated-away-owners-in-both/many!c0=1+c6=1+c7=1+c9=1+c10=1+i34=m10+c41=1+c42=1+i56=m12"
        "+i63=m8+i91=m12+i97=m14+i123=m1+i128=m3+i154=m12+i156=m12+i183=m11+i220=m11+i254=m7"
        "+i281=m2+i347=m7"
    ),
    "a key that a person made where a slow one is awaited is not told from it, and nobody is blamed": (
        "by-hand/two-slow!i7=l0+i18=m0+i20=m0+m20=fail after the effect"
    ),
    "what another source has accepted is called refused by the one that a tag names since": (
        "moved-by-a-tag/two-slots#1610014927"
    ),
    "an incident of a secret's name leaves alone what Rekey published at the source that was left": (
        "moved-by-a-tag/many#1612000300"
    ),
    "a worker fails at a source that was left, as what it retired there was reported already": (
        "moved-by-a-tag/two-slots#1612000028"
    ),
    "a forced rotation of a replaced version that has lost a password is given up as skipped": (
        "operated-away-adopted-in-incident/one-slot#1610090967"
    ),
    "what is made in the second of an incident over its source is covered by that": (
        "operated-handed-over-and-leaked/many#1610051658"
    ),
    "a key is restored that a slow source has agreed to end, as its worker could not note that": (
        "operated-put-back-in-incident/two-slow#1600023676"
    ),
    "a replica is waited for although its owner has withdrawn": "copies/listed#1610083503",
    "what a request adds late is left behind, as two rotations have replaced its version since": (
        "operated-adopted-in-rotation/many#1620004328"
    ),
    "nobody is told of a change without an end, while a worker is at it that took it over just now": (
        "operated-away-handed-over-in-incident/one-slow#1620001389"
    ),
    "what a request adds late is left behind, as two owners named its source when it could be seen": (
        "operated-owners-in-both/many#1650057226"
    ),
    "what may be the leaked key of a deleted secret gets no overlap": (
        "operated-away-handed-over-and-leaked/two-slots#1650062771"
    ),
    "a credential added for a first version that was never written is left behind": (
        "created/many#1700000717"
    ),
    "what a rotation announced is left behind, as its leak is an heir's by now": (
        "operated-away-handed-over-in-rotation/listed#1714206707"
    ),
    "what was announced is left behind for a secret that is disabled, and may hold it": (
        "owners/listed#1714242230"
    ),
    "a password that comes late over one that was set back is repaired after five minutes": (
        "reshaped/one-slot#1714238474"
    ),
    "what could not be removed of a rotation as it had leaked is forgotten once its leak is over": (
        "operated-away-moved/listed#1714091599"
    ),
    "a version is announced by nobody, as an earlier write of Rekey's came over it": (
        "operated-away-put-back-when-due/two-slots#1714082975"
    ),
    "a leaked signature waits for one that a late write came over, which only its key ends": (
        "derived-leak-then-key#1714081981"
    ),
    "what a late write leaves at the source that its owner had named before is nobody's": (
        "moved-in-both/many#1714051867"
    ),
    "what the deleted versions of a secret hold is cut off as it gets another first one": (
        "created/many#1710011987"
    ),
    "nobody is told that an incident has shown a secret to be refused that is left to people": (
        "operated-away-owners-in-incident/two-logins#1690017357"
    ),
    "a change that goes on unanswered counts as known where the record says so of the one before": (
        "slow-deleted/two-slow#1711006183"
    ),
    "the messages of an order that is open for a week pass for some without end": (
        "operated-moved-by-order/two-by-name#1690050703"
    ),
    "a version is announced by nobody, as a person moves aside the record that a month had kept": (
        "operated-away-deleted-in-incident/one-slot#1714633243"
    ),
    "what a request adds late is left behind, as another rotation's version has been restored": (
        "reshaped/many#1714673817"
    ),
    "what an older record is to retire is gone for a secret that rests because of that record": (
        "records-in-overlap/two-by-name#1714721374"
    ),
    "what leaked works on where its owner had moved to, as a late write has taken the secret back": (
        "operated-away-moved-in-both/one-slot#1714908627"
    ),
    "what a rotation made is left behind, as its secret is released by force while its source is away": (
        "operated-away-adopted-in-rotation/listed#1714974067"
    ),
    "nothing is in an incident's scope, since a secret went before its record could be written": (
        "all-reported-handed-over/many#1715416163"
    ),
    "a run that cannot wait for its replicas asks a vault of theirs again that said to wait": (
        "greedy/one-slot#1761003077"
    ),
    "a warning that cannot be noted ends a run, and nobody hears that its password is unknown": (
        "applies-and-fails/one-slot#1715763961"
    ),
    "a password whose version never came is forgotten, as its kind is lacking just then": (
        "lacking/one-slot#1715781879"
    ),
    "the same where the records could not be read for hours": "lacking/one-slot#1715843031",
    "who cannot warn of an unknown password, as its vault has said when to come, asks it at once": (
        "outage/one-slot#1716310842"
    ),
    "a throttled look at an unknown password comes back before the vault has asked for it": (
        "outage/one-slot#1603"
    ),
    "what leaked where a secret had moved from works on, as a rotation came before its incident": (
        "moved-by-a-tag-when-due/one-slot#33"
    ),
    "what leaked where a secret had moved from works on, as a recheck came before its incident": (
        "moved-by-a-tag-when-due/one-doubtful#1716600008"
    ),
    "a failover loses the write by which a recheck is put off, as its worker is throttled": (
        "slow-records/two-slow#1717008576"
    ),
    "what was made stays where it could not be removed, as its write was withdrawn": (
        "moved/many#2026174800"
    ),
    "what was revoked is said to be kept, as its login passes on before that is reported": (
        "split/two-doubtful#2026192591"
    ),
    "a password that was set back is replaced late, and nobody looks, as it is left to people": (
        "owners/one-slot#2026354388"
    ),
    "a fingerprint of tags has eight letters of a value's digest by chance": (
        "operated-away-written-again/listed#2026248435"
    ),
    "an incident's order that is not stored is lost, as its vault and then storage are away": (
        "operated-away-handed-over-and-leaked/two-logins#2026415631"
    ),
    "the same as the worker of its last try dies": (
        "operated-away-moved-by-a-tag-when-due/two-doubtful#2026144420"
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_mended(name: str) -> None:
    assert play(FOUND[name])[0] is None
