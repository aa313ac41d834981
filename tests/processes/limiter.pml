/* The limiter's core in Promela: claim, renew, effect and finish of three clients on two slots (facts: limiter.md B5).

   One statement of the database is one atomic step; between two of them anything may happen: other clients' statements,
   time, a lost reply, a death. A client that is overtaken by time is a zombie: it goes on with what it was doing.

     spin -a limiter.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -E   what the trust window promises, too
     spin -a -DJUMP ...                                                the database's clock is set: the fence alone
     spin -a -DMUTANT_EFFECT | -DMUTANT_FINISH | -DMUTANT_TRUST | -DMUTANT_CLAIM ...        each must be found

   test_model.py runs all of these. Starvation and roles are the simulator's to find (tests/engine). */

#ifndef CLIENTS
#define CLIENTS 3
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef END
#define END 5 /* ticks of true time */
#endif
#define LEASE 2
#define INTERVAL 3
#define HORIZON 3
#define NOBODY 7

typedef Row {
  byte eligible; /* next due time or end of the lease: the only gate */
  byte fence;
  byte holder;
  byte serves;   /* the grid interval of the newest claim */
#ifdef JUMP
  byte stamp     /* when eligible was written; far in the future = the clock was set back */
#endif
};
Row row[SLOTS];

byte now;              /* true time: the monotonic clock of every client */
#ifdef JUMP
byte clock;            /* the database's clock */
#define STAMP(s) row[s].stamp = clock
#define DUE(s) (row[s].eligible <= clock || row[s].stamp > clock + HORIZON)
#else
#define clock now
#define STAMP(s) skip
#define DUE(s) (row[s].eligible <= clock)
#endif

/* What the invariants look at. */
byte trusted[CLIENTS]; /* who runs trusts its lease before this time; 0 = not at all */
byte at[CLIENTS];      /* the slot it runs */
bit fresh[CLIENTS];    /* what it has read still stands: it may write read + 1, and no update is lost */
byte written[SLOTS];   /* fence of the newest effect */
byte success[SLOTS];      /* 1 + the grid interval of the newest success */
hidden byte other;

#define OURS (row[s].fence == fence && row[s].holder == me)
#ifdef MUTANT_EFFECT
#define MAY_WRITE true
#else
#define MAY_WRITE OURS
#endif
#ifdef MUTANT_FINISH
#define MAY_FINISH true
#else
#define MAY_FINISH OURS
#endif
#ifdef MUTANT_TRUST
#define SENT now /* the trust window is measured from the reply */
#else
#define SENT sent
#endif

inline lease() { row[s].eligible = clock + LEASE; STAMP(s); sent = now }

inline claim() {
  row[s].fence++; row[s].serves = clock / INTERVAL; row[s].holder = me; fence = row[s].fence; lease()
}

inline effect() { /* the fence is read in the transaction that writes */
  wrote = 1;
  if
  :: MAY_WRITE ->
     assert(fresh[me]);           /* nobody has written since we read */
     assert(fence >= written[s]); /* and nobody newer ever did */
     written[s] = fence; other = 0;
     do
     :: other < CLIENTS -> fresh[other] = (fresh[other] && (other == me || at[other] != s)); other++
     :: else -> break
     od
  :: else
  fi
}

inline finish() {
  if
  :: MAY_FINISH ->
     row[s].holder = NOBODY; row[s].eligible = (clock / INTERVAL + 1) * INTERVAL; STAMP(s);
#ifndef JUMP
     assert(success[s] != 1 + row[s].serves); /* one success for each interval */
#endif
     success[s] = 1 + row[s].serves
  :: else
  fi
}

inline release() {
  if
  :: OURS -> row[s].holder = NOBODY; row[s].eligible = clock; STAMP(s)
  :: else
  fi
}

inline forget() { fence = 0; sent = 0; wrote = 0; fresh[me] = 0; trusted[me] = 0; at[me] = 0; s = 0 }

/* Whoever trusts its lease is alone, as long as nobody sets the database's clock. */
inline trust() {
  trusted[me] = SENT + LEASE; at[me] = s; sent = 0;
#ifndef JUMP
  other = 0;
  do
  :: other < CLIENTS -> assert(other == me || at[other] != s || now >= trusted[other] || now >= trusted[me]); other++
  :: else -> break
  od;
  other = 0
#endif
}

/* A denied ask changes nothing and is not modelled; nor is a death: it is a client whose next step never comes. */
proctype Client(byte me) {
  byte s, fence, sent;
  bit wrote;
idle:
#ifndef MUTANT_CLAIM
  if
  :: d_step { now < END && DUE(0) -> s = 0; claim() }
#if SLOTS > 1
  :: d_step { now < END && DUE(1) -> s = 1; claim() }
#endif
  fi;
#else /* looks first and decides later: SELECT, then UPDATE */
  now < END && DUE(s);
  d_step { now < END -> claim() };
#endif
asked:
  if
  :: d_step { now < END && OURS -> lease() }; goto asked /* the reply was lost: asked again by the same name */
  :: d_step { now < SENT + LEASE && now < END -> trust(); fresh[me] = OURS }        /* reads, and begins to work */
  :: d_step { now >= SENT + LEASE && now < END -> release(); forget() }; goto idle  /* too late a reply */
  fi;
running:
  if
  :: d_step { now < END && !wrote -> effect() }; goto running /* also when trust is gone: the zombie */
  :: d_step { now < trusted[me] && now < END && !sent && OURS && row[s].eligible > clock -> lease() }; goto running
  :: d_step { now < END && sent && now < SENT + LEASE -> trust() }; goto running
  :: d_step { now < END && sent -> sent = 0 }; goto running   /* no answer: an exception extends no trust */
  :: d_step { now < END -> finish(); forget() }; goto idle
  fi
}

active proctype Time() {
#ifdef JUMP
  bit jumped;
#endif
  do
#ifdef JUMP
  :: now < END -> d_step { now++; clock++ }
  :: !jumped && now < END -> d_step { clock = clock + 3; jumped = 1 }
  :: !jumped && clock > 3 -> d_step { clock = clock - 4; jumped = 1 }
#else
  :: now < END -> now++
#endif
  :: now == END -> break
  od
}

init {
  atomic {
    other = 0;
    do
    :: other < SLOTS -> row[other].holder = NOBODY; other++
    :: else -> break
    od;
    other = 0;
    do
    :: other < CLIENTS -> run Client(other); other++
    :: else -> break
    od
  }
}
