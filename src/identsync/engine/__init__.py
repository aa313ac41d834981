"""A client's engine: what it holds, for how long it may trust that, and why no slot runs twice.

Terms
-----
The *database* is the one all clients of a network share; its clock is D. A *client* is one start of the program, named
by a random id; its clock M is monotonic and counts a suspended computer's time. D and M are never compared: of D only
differences within one reply are used.

A *slot* (kind, scope) is a row: ``eligible`` (the next due instant, or the end of the lease), ``fence``, ``holder``.
Due instants lie on a grid of the slot's interval. A *claim* is granted where ``eligible <= D`` and the role rule holds;
it sets ``fence + 1``, ``holder``, ``eligible = D + lease`` and writes the journal's row of the *run*, all in one
statement. A *renewal* and an *end* demand that fence, holder and the run's start still stand (the start, because a
database restored from a backup gives its fences again, perhaps to the same client); an end sets ``eligible`` to the
next instant, the retry or now. An *effect* is a write of the run to the same database, in a transaction that has locked
the slot's row and found the run's fence there. *Presence* is when a client of which role was last seen in a scope.

The *seat* of a scope is a slot too. It decides who bothers to ask, never who may run.

A *turn* is one statement with any of: seat asks, ends, renewals, claims; a slot at most once. ``t_send`` is M before it
leaves. The *trust window* of a lease whose grant or renewal leaves ``r`` ms of it ends at ``t_send + r - margin``, with
margin = lease/10, from 20 ms to 2 s.

What holds, and why
-------------------
1. *A fence has one holder, and fences rise.* Claims of a row are updates of one row by key under a predicate; the
   database carries them out one after another, and the second finds ``eligible`` in the future.
2. *Who trusts a fence holds the newest.* Let a statement of the client read D at true time g >= t_send and leave r ms.
   Another claim is granted at g + r at the earliest; the window has closed by t_send + r - margin. Nothing in this asks
   how late the answer came: one that comes after its window starts nothing and is given back. A failed or unheard
   renewal extends nothing. At the end of its window a run is cancelled; a process that was paused finds it ended.
3. *An effect of a stale fence never commits.* The effect's transaction holds the row; a claim has to update it, so it
   comes before (and the effect finds another fence) or after the commit. This rests on no clock at all, and is what
   stands where 2 fails: a task that ignores its cancellation, D turned.
4. *No slot is done twice in an interval.* A good end puts ``eligible`` on the grid after D. What ended badly, or whose
   end was never heard, runs again: at least once, with 3 for effects here. Effects elsewhere go through an outbox.
5. *No slot starves.* Leases and seats end by themselves, so nothing needs a reaper. The follower of rank n looks
   within 9/8 (n > 2: 3/2) of lease * 2^(n-1), or of a lease for each who is there where that is less, after the seat's
   last renewal; a graceful exit rings for the first three.
   A slot that the holder neglects is adopted by the follower that sees it overdue, or without a row, for two leases.
   What a client cannot do for want of something on its own computer it ends as overdue for longer than that, rings for
   it, and asks for again when it has been left undone for two leases.
6. *A doctor never runs, a director only where no administrator is present.* A doctor's client has no slot. The role
   stands in the predicates of claim and seat, with presence as the database knows it: an administrator counts as away
   when it has not been heard for six leases, and for longer than the last in so long a line may sleep.
7. *Any answer may be lost, doubled or late.* A turn fails as a whole, each item is then unknown. A claim is repeated
   under its request id, and the same holder and request get the same fence again; an end is repeated until answered,
   and is found in the journal if it was written; a seat's answers are numbered. A row that somebody holds is answered
   "locked" and costs no other item anything: an open effect never costs the seat.

Cost: each wish of a client has a soft and a hard time; when one is hard, all that are soft go along (``engine.turn``).
A claim may wait a fifteenth of its interval, at most 5 s; an end a second, never past the next instant; a seat's
renewal goes along from a quarter of its lease and alone at a third.

Assumed
-------
Of the database: a commit is durable, and one server decides (a fail-over that forgets commits forgets fences: effects
in it are forgotten too, effects elsewhere are not); UPDATE ... WHERE looks at the row again after waiting for it (READ
COMMITTED, set on each connection); the items of a turn are all or nothing, or each by itself (SQL Server). D runs at
about real speed. Turned forward it ends leases early; turned back by more than a slot's horizon (the longer of interval
and lease) it grants again what is stamped in its future, so that nothing waits longer: 2 and 4 may fail for the runs of
that moment, 3 holds. Of the client: M gains less on D than the margin in a lease. Not assumed: that clocks agree, that
messages keep their order, that a process runs when it should, that SKIP LOCKED exists.

A write that hangs holds its row (on SQLite the file's one write lock) until its run is cancelled; then its connection
is severed from outside. PostgreSQL also ends transactions idle for 20 s. SQL Server has neither: the row stays locked
until that connection dies; others are denied, nothing is doubled.

Verified, and not
-----------------
``tests/engine/simulator.py`` runs the real ``step`` and agenda over seeds with every fault above and judges 1-7;
mutants of ``step`` show that it bites. ``tests/processes`` does the same to real processes, beside a Promela model of
claim, renewal, end and zombie. SQLite and PostgreSQL run all of it. The T-SQL is compiled by Microsoft's own offline
compiler for SQL Server 2016 (``tests/sqlserver``) and has run only on an engine that is not SQL Server: until somebody
has run ``identsync doctor --database`` on one, nothing of what it does is verified there.
"""
