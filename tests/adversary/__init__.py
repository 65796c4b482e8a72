"""Adversaries, people and bad days, played against the whole app through Microsoft's SDKs on the simulated Azure.

One stage (stage.py) holds a world with two served vaults, storage accounts, Entra applications, a SQL
server, a virtual clock that also rules the time-outs of the event loop, and a host (host.py) that
sweeps hourly, audits daily and redelivers messages as the Functions host does.
Tests speak of work items, HTTP answers, versions and tags in vaults, credentials at their sources and
reported outcomes; of the app's insides they know nothing but where its records lie. What one item
does is told in tests/engine. Here stands what takes hours, a second party, or the whole app.

What is played, a theme a file:

- replicas: owners who forge or withdraw, the policy document, dead values;
- retire_tag: `RekeyRetire` edited, aimed at other teams, other accounts, other times;
- incidents: no CredentialId, restores in between, deaths, secrets that are hidden or purged, people
  who write in the middle; clocks: incidents that are dated ahead;
- proof_digest: nothing in a tag lets a guess at a value be checked;
- outages: answers that are lost and effects that come late, dead workers and instances, vaults and
  servers that are away: five minutes after the last fault consumers have something that works;
- stale_reads: replicas of the vault that lag, copies after a failover;
- undo: passwords revoked on purpose, overlaps longer than a life, rechecks that multiply;
- people: versions, tags and switches changed by hand at the worst moment, secrets that fell out of
  management; handovers: a source that passes to another secret, or is left;
- throttling: Retry-After of many minutes at every kind of call, and an API under load;
- sql: error 916, frozen workers; unanswered_changes: a service that applies and answers 500;
- two_secrets, two_deployments: claims on one source; scopes: what is taken out of them;
- forged_tags: every tag of the app's own empty, truncated, doubled, of another secret, version or
  source;
- records: the app's own record lost, damaged, or from the future;
- announcements, reports: what became current is announced, whoever dies.

What is left out: two workers that interleave call by call (tests/crash/test_interleaving.py plays
that), real sockets and the real worker (tests/e2e), failovers that refuse writes, and clocks that
differ between the app and Azure.
"""
