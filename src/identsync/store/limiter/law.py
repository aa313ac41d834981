"""The limiter's rules as SQL that every database reads alike.

Each dialect puts its own ``{now}`` (its clock, read once in the deciding statement), its table names and its way of
naming what was asked (``:name``) into these pieces. Column names stand bare, so that the same text serves an UPDATE
and a SELECT; only ``presence`` and the journal inside a subquery have an alias.
"""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

BACKOFF_BASE_MS = 1000  # doubled by each attempt: 2 s, 4 s, 8 s ..., never later than the next grid instant

# What each ask of a turn brings along, in this order; ``:holder``, ``:client`` (the same) and ``:role`` are the turn's.
SEAT_ASK = ("scope", "lease", "ttl")
ENDING_ASK = (
    "kind", "scope", "fence", "started", "outcome", "counts", "note", "good", "mode", "retry", "interval",
    "phase", "jitter",
)  # fmt: skip
RENEWAL_ASK = ("kind", "scope", "fence", "started", "lease")
CLAIM_ASK = ("kind", "scope", "request", "lease", "horizon", "ttl", "proto", "interval", "phase")
STRINGS = frozenset({"kind", "request", "outcome", "counts", "note", "holder", "client", "channel"})

# The ask that already won: the same holder and request get the same fence again, so a lost reply costs no interval.
AGAIN = "(holder=:holder AND request=:request)"

# A row written more than a horizon in the future was written before the database's clock was set back.
DUE = "(eligible_ms<={now} OR stamp_ms>{now}+:horizon)"

# A director (1) only where no administrator (0) is alive in the scope; a doctor (2) never.
ALIVE = "p.scope=:scope AND p.role=0 AND p.seen_ms>{now}-:ttl AND p.seen_ms<={now}+:ttl"
ADMITTED = f"(:role=0 OR (:role=1 AND NOT EXISTS (SELECT 1 FROM {{presence}} p WHERE {ALIVE})))"

SLOT = "kind=:kind AND scope=:scope"
GRANTABLE = f"({AGAIN} OR ({DUE} AND paused=0 AND min_proto<=:proto AND {ADMITTED}))"
BLOCKED = f"CASE WHEN {ADMITTED} THEN 0 ELSE 1 END"
CLAIM_SET = f"""fence=fence+CASE WHEN {AGAIN} THEN 0 ELSE 1 END,
  attempt=attempt+CASE WHEN {AGAIN} THEN 0 ELSE 1 END,
  started_ms=CASE WHEN {AGAIN} THEN started_ms ELSE {{now}} END,
  min_proto=CASE WHEN min_proto<:proto THEN :proto ELSE min_proto END,
  holder=:holder, request=:request, eligible_ms={{now}}+:lease, stamp_ms={{now}}"""

# The journal's row is written by the claim itself: no run without a row, whatever happens to its client.
JOURNAL = "kind, scope, fence, holder, role, due_ms, started_ms, outcome"
GRID_INSTANT = "started_ms-(started_ms-:phase)%:interval"

# The seat is a row like any other; a director's seat goes to an administrator at once: a director
# may do nothing then.
SEAT_SLOT = "kind='seat' AND scope=:scope"
YIELDED = "EXISTS (SELECT 1 FROM {presence} p WHERE p.scope=:scope AND p.client=holder AND p.role>:role)"
SEAT_FREE = f"(holder=:client OR holder IS NULL OR {DUE.replace(':horizon', ':lease')} OR {YIELDED})"
SEAT_GRANTABLE = f"({SEAT_FREE} AND {ADMITTED})"
SEAT_SET = """fence=fence+CASE WHEN holder=:client THEN 0 ELSE 1 END,
  started_ms=CASE WHEN holder=:client THEN started_ms ELSE {now} END,
  holder=:client, eligible_ms={now}+:lease, stamp_ms={now}"""
SEEN = "scope=:scope AND client<>:client AND seen_ms>{now}-:ttl AND seen_ms<={now}+:ttl"
# How many others are in line, those included that sleep longer than their presence lasts: the longest is 49 leases.
CROWD = "(SELECT COUNT(*) FROM {presence} p WHERE p.scope=:scope AND p.client<>:client AND p.seen_ms>{now}-72*:lease)"
# What a seat's answer tells of: its own slots, and of the network's those that nobody has run for two leases.
LISTED = "scope IN (:scope, 0) AND kind<>'seat' AND (scope=:scope OR (paused=0 AND eligible_ms<{now}-2*:lease))"
HELD = "CASE WHEN holder IS NULL THEN 0 ELSE 1 END"

# A task that its runner ended just now for want of something on its own computer: it was due before that end.
HANDED_ON = "holder IS NULL AND paused=0 AND eligible_ms<finished_ms AND finished_ms>{now}-1000"

OURS = f"{SLOT} AND fence=:fence AND holder=:holder AND started_ms=:started"
RENEW_SET = "eligible_ms={now}+:lease, stamp_ms={now}"
RENEWABLE = f"{OURS} AND eligible_ms>{{now}}"

# mode 0: the next grid instant; 1: it or the back-off, whichever is sooner; 2: when the other side told us to;
# 3: handed over, due at once and no attempt counted.
GRID = "({now}-({now}-:phase)%:interval+:interval)"
BACKOFF = f"({{now}}+{BACKOFF_BASE_MS}*{{power}}*:jitter/1000)"
ENDING_SET = f"""holder=NULL, request=NULL, finished_ms={{now}}, stamp_ms={{now}},
  last_error=CASE WHEN :mode=3 THEN last_error WHEN :outcome='ok' THEN NULL ELSE :note END,
  attempt=CASE WHEN :good=1 THEN 0 WHEN :mode=3 AND attempt>0 THEN attempt-1 ELSE attempt END,
  last_ok_ms=CASE WHEN :good=1 THEN {{now}} ELSE last_ok_ms END,
  eligible_ms=CASE WHEN :mode=3 THEN {{now}} WHEN :mode=2 THEN {{now}}+:retry
    WHEN :mode=1 AND {BACKOFF}<{GRID} THEN {BACKOFF} ELSE {GRID} END"""
JOURNAL_SET = "finished_ms={now}, outcome=:outcome, counts=:counts, note=:note"
JOURNAL_ROW = "kind=:kind AND scope=:scope AND fence=:fence"

# The same ending was committed by an earlier try whose reply was lost.
DONE = """EXISTS (SELECT 1 FROM {run} r WHERE r.kind=:kind AND r.scope=:scope AND r.fence=:fence
  AND r.holder=:holder AND r.started_ms=:started AND r.outcome=:outcome)"""

# How an ending or a renewal ended.
STALE, WRITTEN, UNKNOWN = 0, 1, 2

# GCRA, kept as the instant from which the channel's next permit is good. A row stamped in the future was written before
# the clock was set back: its instant goes back with the clock. (Waiting for the row's lock makes a stamp look a moment
# younger than now; that is no step.) After a rest the next permit lies :back behind now: that is the burst.
NEXT = "(CASE WHEN stamp_ms>{now}+10000 THEN tat_ms-stamp_ms+{now} ELSE tat_ms END)"
FIRST = f"(CASE WHEN {NEXT}<{{now}}-:back THEN {{now}}-:back ELSE {NEXT} END)"
NEAR = f"{FIRST}<={{now}}+:ahead"
POSTPONED = f"(CASE WHEN {NEXT}<{{now}}+:after THEN {{now}}+:after ELSE {NEXT} END)"
RATE_SLOT = "channel=:channel AND scope=:scope"
UNUSED = f"{RATE_SLOT} AND tat_ms=:taken"
