/* A second opinion on engine/commit/PROTOCOL.md: the protocol written down again, for spin.
 *
 * One Promela step is one shared access of the code, or a d_step that says why it may be one. Labels
 * are named like the functions of executor.cc, marks.cc, tail.cc and committer.cc that they mirror.
 * A process dies between any two steps (`unless`); the adopter takes its session over.
 *
 * What is bounded here is bounded for good, so no run can be endless: any cycle is a livelock, and
 * `pan -l` looks for one.
 *
 * Left out: memory orders (see edges.cc), spinning before helping, floors and blocks, read-only
 * peeks, guards and checks, wrap of sequences. Versions are bare LSNs, a cell has one word.
 *
 *   -DPAYERS=n -DTXNS=n     sessions, and uses of the one descriptor that each of them has
 *   -DLATER=n              uses of the sessions behind the first, if not TXNS
 *   -DADDS=bits             bit s: the payments of session s are any-version
 *   -DMARKERS=n -DOPENS=0|1 operators that SEAL epoch 1, and then OPEN epoch 2
 *   -DADOPTERS=n -DKILLS=n  who take over, and how many others may die
 *   -DRING=n -DLAG=n        log slots (more than LAG + 1), and how far the tail may lag
 *   -DOWN_HINT              an executor moves its hint over its own claim
 *   -DVALUE=n               what each cell holds at the start
 */
#ifndef PAYERS
#define PAYERS 2
#endif
#ifndef TXNS
#define TXNS 1
#endif
#ifndef LATER
#define LATER TXNS
#endif
#ifndef ADDS
#define ADDS 0
#endif
#ifndef MARKERS
#define MARKERS 0
#endif
#ifndef OPENS
#define OPENS 0
#endif
#ifndef ADOPTERS
#define ADOPTERS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef RING
#define RING 8
#endif
#ifndef LAG
#define LAG 1
#endif
#ifndef VALUE
#define VALUE 4
#endif

#define FIRST RING                     /* so that the empty slot of LSN p holds p - RING >= 0 */
#define NONE 255
#define INITIAL 0
#define UNDECIDED 1
#define COMMITTED 2
#define ABORTED 3
#define STATUS(q, state) (((q) << 2) | (state))
#define REF(s, q) (128 | ((q) << 4) | (s))
#define IS_REF(x) ((x) >= 128)
#define SESSION(x) ((x) & 15)
#define SEQUENCE(x) (((x) >> 4) & 7)
#define IS_NOW(y, ref) (((y) >> 2) == SEQUENCE(ref))
#define IS_UNDECIDED(y, ref) ((y) == STATUS(SEQUENCE(ref), UNDECIDED))
#define IS_ADD(s) ((ADDS >> (s)) & 1)
#define DELTA(s, c) ((c) == ((s) & 1) -> -((s) + 1) : (s) + 1)
#define BODY(ref, c) (SESSION(ref) * 2 + (c))
#define SEAL 1
#define OPEN 2
#define MARK(kind, epoch) (((epoch) << 2) | (kind))
#define KIND(mark) ((mark) & 3)
#define EPOCH(mark) ((mark) >> 2)
#define ENDS(mark, epoch) (KIND(mark) == SEAL -> (epoch) <= EPOCH(mark) : (epoch) < EPOCH(mark))
#define USES(s) ((s) == 0 -> TXNS : LATER)
#define PROCESSES (PAYERS + MARKERS + ADOPTERS)

/* Shared memory. */
byte cell[2];                          /* version or reference */
short value[2] = VALUE;                /* the one word of each cell */
byte version[2];
byte status[PAYERS], detail[PAYERS];   /* changed together by one CAS */
byte body_epoch[PAYERS], body_version[PAYERS * 2];
short body_value[PAYERS * 2];
short agreed[PAYERS * 2];
byte agreed_tag[PAYERS * 2];
byte slot_lsn[RING], slot_content[RING];
byte tail = FIRST, gate = (1 << 1) | 1;
byte recorded[PAYERS];                 /* the LSN of the newest copied record */

/* What the checker knows. The log is replayed as it grows. */
byte log_end = FIRST, log_epoch = 1;
bool log_shut;
short replayed[2] = VALUE;
byte replayed_version[2];
byte claimed[PAYERS * 8];              /* LSN of an instance */

/* Life and death. */
bool is_over[PROCESSES], is_doomed[PROCESSES], is_dead[PROCESSES];
byte owner[PAYERS];                    /* process; NONE: all is paid */

/* Processes: a payer owns session `me`; then come the operators, then the adopters. */
proctype Process(byte me) {
  byte session = NONE;                 /* that it owns */
  byte own, own_epoch, own_version[2]; /* the instance that run() was called with */
  short own_value[2];
  byte cur, cur_epoch, cur_version[2]; /* the one that it works on */
  short cur_value[2];
  byte hint = FIRST, hint_epoch = 1;
  byte blocker, unit, c, x, y, p, from, t, q, sl, sc, at, victim, seen;
  byte kind, epoch;
  short v, old;
  bool ok, is_top, is_refused;
  byte back;                           /* where run() and help() return to */
  byte i;

  /* Short forms of what every executor does at several places. */
  #define LOAD_STATUS(ref) y = status[SESSION(ref)]
  #define DECIDE(ref, expected, state, what) \
    d_step { if \
      :: status[SESSION(ref)] == (expected) && detail[SESSION(ref)] == 0 -> \
         assert((state) != ABORTED || claimed[SESSION(ref) * 8 + SEQUENCE(ref)] == 0); /* I7 */ \
         assert((state) != COMMITTED || claimed[SESSION(ref) * 8 + SEQUENCE(ref)] == (what)); \
         status[SESSION(ref)] = STATUS((expected) >> 2, state); \
         detail[SESSION(ref)] = what \
      :: else fi }
  /* LSN, content, LSN again: as if read at once. */
  #define LOAD_SLOT(at) d_step { sl = slot_lsn[(at) % RING]; sc = slot_content[(at) % RING] }
  #define RAISE_GATE(e) \
    do \
    :: x = gate; \
       if :: (x >> 1) >= (e) -> break :: else fi; \
       d_step { if :: gate == x -> gate = ((e) << 1) | 1; ok = 1 :: else -> ok = 0 fi }; \
       if :: ok -> break :: else fi \
    od
  #define HELP_GATE(mark) \
    if \
    :: KIND(mark) == SEAL -> \
       d_step { if :: gate == ((EPOCH(mark) << 1) | 1) -> gate = EPOCH(mark) << 1 :: else fi } \
    :: else -> RAISE_GATE(EPOCH(mark)) \
    fi
  #define REFRESH_HINT hint = tail; hint_epoch = gate >> 1
  #define WALK_TAIL(first, end) \
    q = first; \
    do \
    :: q >= (end) -> break \
    :: else -> \
       LOAD_SLOT(q); \
       if \
       :: sl != q -> break \
       :: sl == q && IS_REF(sc) -> NOTE_COMMITTED \
       :: sl == q && !IS_REF(sc) && KIND(sc) == OPEN -> RAISE_GATE(EPOCH(sc)) \
       :: sl == q && !IS_REF(sc) && KIND(sc) == SEAL -> HOLD_AT_SEAL \
       fi; \
       q++ \
    od; \
    skip; \
    d_step { if \
      :: q > (first) && tail == (first) -> \
         i = first; \
         do  /* I4 */ \
         :: i < q -> \
            assert(!IS_REF(slot_content[i % RING]) || \
                   !IS_UNDECIDED(status[SESSION(slot_content[i % RING])], slot_content[i % RING])); \
            i++ \
         :: else -> break od; \
         tail = q \
      :: else fi }
#ifdef TAIL_PASSES_UNDECIDED
  #define NOTE_COMMITTED skip
#else
  #define NOTE_COMMITTED \
    LOAD_STATUS(sc); \
    if :: IS_UNDECIDED(y, sc) -> DECIDE(sc, y, COMMITTED, q) :: else fi
#endif
#ifdef TAIL_PASSES_SEAL
  #define HOLD_AT_SEAL skip
#else
  #define HOLD_AT_SEAL x = gate; if :: (x >> 1) <= EPOCH(sc) -> break :: else fi
#endif

  {
  if
  :: me < PAYERS -> session = me; goto pay
  :: me >= PAYERS && me < PAYERS + MARKERS -> kind = SEAL; epoch = 1; goto mark
  :: else -> victim = 0; goto adopt
  fi;

pay: /* Committer::commit(), for each payment that is left; a conflict is an answer like any other. */
  if
  :: (status[session] >> 2) >= USES(session) -> goto paid_all
  :: else
  fi;
  c = 0;
read: /* A seqlock-like read of a free cell is one step: edges.cc shows why it may be. */
  if
  :: c < 2 && !IS_ADD(session) ->
     d_step { x = cell[c]; v = value[c] };
     if
     :: IS_REF(x) -> blocker = x; unit = c; back = 0; goto help
     :: else
     fi;
     d_step { own_version[c] = x; own_value[c] = v + DELTA(session, c); c++ };
     goto read
  :: else
  fi;
  x = gate;
  if
  :: (x & 1) == 0 -> goto paid_all
  :: else -> own_epoch = x >> 1
  fi;
publish:
#ifndef REUSE_UNRECORDED
  if /* Its last record first. */
  :: (status[session] & 3) == COMMITTED && recorded[session] < detail[session] ->
     recorded[session] = detail[session]
  :: else
  fi;
#endif
  d_step {
    x = status[session];
    assert((x & 3) != UNDECIDED); /* I6 */
    assert((x & 3) != COMMITTED || recorded[session] >= detail[session]); /* I6, I10 */
    assert((x & 3) != COMMITTED || (cell[0] != REF(session, x >> 2) && cell[1] != REF(session, x >> 2)));
    status[session] = STATUS((x >> 2) + 1, INITIAL);
    own = REF(session, (x >> 2) + 1);
    x = 0
  };
  d_step { /* A helper reads the body in two halves; the owner writes it in two. */
    detail[session] = 0;
    body_epoch[session] = own_epoch;
    body_version[session * 2] = own_version[0]; body_value[session * 2] = own_value[0];
    agreed_tag[session * 2] = SEQUENCE(own) << 1; agreed[session * 2] = 0
  };
  d_step {
    body_version[session * 2 + 1] = own_version[1]; body_value[session * 2 + 1] = own_value[1];
    agreed_tag[session * 2 + 1] = SEQUENCE(own) << 1; agreed[session * 2 + 1] = 0
  };
  status[session] = STATUS(SEQUENCE(own), UNDECIDED);
  back = 1;
  goto run_own;
paid:
  if
  :: (status[session] & 3) == COMMITTED && recorded[session] < detail[session] ->
     recorded[session] = detail[session]
  :: else
  fi;
  goto pay;
paid_all:
  if
  :: me < PAYERS -> owner[session] = NONE; goto finish
  :: else -> owner[session] = NONE; session = NONE; victim++; goto adopt
  fi;

help: /* Executor::help(blocker, unit): copies the body, or removes a leftover. */
  is_top = 1;
  goto copy_body;
run_session:
  y = status[victim];
  if
  :: (y & 3) == INITIAL -> goto free_session
  :: else
  fi;
  blocker = REF(victim, y >> 2); unit = NONE; back = 2;
  goto help;

run_own: /* Executor::run(own) */
  skip;
  d_step {
    cur = own; cur_epoch = own_epoch;
    cur_version[0] = own_version[0]; cur_version[1] = own_version[1];
    cur_value[0] = own_value[0]; cur_value[1] = own_value[1]
  };
advance:
  c = 0;
lock_cells:
  if
  :: c == 2 -> goto judge
  :: else -> x = cell[c]
  fi;
  if
  :: x == cur -> c++; goto lock_cells
  :: else -> LOAD_STATUS(cur)
  fi;
  if
  :: !IS_UNDECIDED(y, cur) -> goto read_decision
  :: IS_UNDECIDED(y, cur) && IS_REF(x) -> blocker = x; unit = c; is_top = 0; goto copy_body
  :: IS_UNDECIDED(y, cur) && !IS_REF(x) && !IS_ADD(SESSION(cur)) && x != cur_version[c] ->
     DECIDE(cur, y, ABORTED, 1);
     goto read_decision
  :: else
  fi;
  d_step { if :: cell[c] == x -> cell[c] = cur; c++ :: else fi };
  goto lock_cells;

judge:
  is_refused = 0;
  c = 2;
judge_entry:
  if
  :: c > 0 && IS_ADD(SESSION(cur)) ->
     c--;
     v = value[c];
     LOAD_STATUS(cur);
     if
     :: !IS_UNDECIDED(y, cur) -> goto read_decision
     :: else
     fi;
     d_step {
       if
       :: agreed_tag[BODY(cur, c)] == SEQUENCE(cur) << 1 ->
          agreed[BODY(cur, c)] = v;
          agreed_tag[BODY(cur, c)] = agreed_tag[BODY(cur, c)] | 1
       :: else
       fi;
       is_refused = is_refused || v + DELTA(SESSION(cur), c) < 0
     };
     goto judge_entry
  :: else
  fi;
#ifndef JUDGE_SKIPPED
  if
  :: is_refused ->
     LOAD_STATUS(cur);
     if
     :: IS_UNDECIDED(y, cur) -> DECIDE(cur, y, ABORTED, 3)
     :: else
     fi;
     goto read_decision
  :: else
  fi;
#endif

claim:
  from = hint;
#ifndef NO_STATUS_BEFORE_CLAIM
  LOAD_STATUS(cur);
  if
  :: !IS_UNDECIDED(y, cur) -> goto read_decision
  :: else
  fi;
#endif
#ifdef ABORT_ON_GATE
  x = gate;
  if
  :: (x & 1) == 0 -> DECIDE(cur, y, ABORTED, 2); goto read_decision
  :: else
  fi;
#endif
#ifdef EPOCH_BEFORE_SCAN
  if
  :: cur_epoch < hint_epoch -> DECIDE(cur, y, ABORTED, 2); goto read_decision
  :: else
  fi;
#endif
  p = from;
scan:
  skip;
  LOAD_SLOT(p);
  if
  :: sl == p && sc == cur -> goto note
#ifndef SEAL_IGNORED
  :: sl == p && !IS_REF(sc) && ENDS(sc, cur_epoch) ->
     DECIDE(cur, y, ABORTED, 2);
     HELP_GATE(sc);
     goto read_decision
  :: sl == p && sc != cur && !(!IS_REF(sc) && ENDS(sc, cur_epoch)) ->
#else
  :: sl == p && sc != cur ->
#endif
     p++;
     if
     :: p - from <= LAG -> goto scan
     :: else -> t = tail
     fi;
     if
     :: t + LAG / 2 <= p -> WALK_TAIL(t, p)
     :: else
     fi;
     REFRESH_HINT;
     goto claim
  :: sl == p - RING -> skip
  :: sl != p && sl != p - RING -> REFRESH_HINT; goto claim
  fi;
#ifndef NO_HINT_EPOCH
  if
  :: cur_epoch < hint_epoch -> DECIDE(cur, y, ABORTED, 2); goto read_decision
  :: else
  fi;
#endif
  if
  :: p == from && p > FIRST ->
     x = slot_lsn[(p - 1) % RING];
     assert(x != p - 1 - RING);
     if
     :: x != p - 1 -> REFRESH_HINT; goto claim
     :: else
     fi
  :: else
  fi;
  d_step { /* LINEARIZATION POINT */
    ok = 0;
    if
    :: slot_lsn[p % RING] == sl && slot_content[p % RING] == sc ->
       ok = 1;
       slot_lsn[p % RING] = p; slot_content[p % RING] = cur;
       assert(p == log_end); log_end++;                                /* I3 */
       assert(claimed[SESSION(cur) * 8 + SEQUENCE(cur)] == 0);         /* I5 */
       claimed[SESSION(cur) * 8 + SEQUENCE(cur)] = p;
       assert(status[SESSION(cur)] == STATUS(SEQUENCE(cur), UNDECIDED)); /* I7 */
       assert(cell[0] == cur && cell[1] == cur);                       /* I7 */
       assert(!log_shut && log_epoch == cur_epoch);
       i = 0;
       do
       :: i < 2 ->
          if
          :: IS_ADD(SESSION(cur)) ->
             assert((agreed_tag[BODY(cur, i)] & 1) && agreed[BODY(cur, i)] == replayed[i]);
             replayed[i] = replayed[i] + DELTA(SESSION(cur), i);
             assert(replayed[i] >= 0)
          :: else ->
             assert(cur_version[i] == replayed_version[i]);
             assert(cur_value[i] == replayed[i] + DELTA(SESSION(cur), i));
             replayed[i] = cur_value[i]
          fi;
          replayed_version[i] = p;
          i++
       :: else -> break
       od;
       assert(replayed[0] + replayed[1] == 2 * VALUE)
    :: else
    fi
  };
  if
  :: !ok -> goto scan
  :: else
  fi;

note: /* advance(), behind claim() */
  LOAD_STATUS(cur);
  if
  :: IS_UNDECIDED(y, cur) -> DECIDE(cur, y, COMMITTED, p)
  :: else
  fi;
#ifdef OWN_HINT
  if
  :: p == hint -> hint++
  :: else
  fi;
#endif
read_decision: /* Detail between two looks: as if read at once. */
  skip;
  d_step { y = status[SESSION(cur)]; at = detail[SESSION(cur)] };
  if
  :: !IS_NOW(y, cur) -> goto decided
  :: else -> assert((y & 3) >= COMMITTED)
  fi;

  c = 0;
apply_and_release:
  if
  :: c == 2 -> goto decided
  :: else -> x = cell[c]
  fi;
  if
  :: x != cur -> c++; goto apply_and_release
  :: x == cur && (y & 3) == COMMITTED -> goto write_words
  :: else
  fi;
  if
  :: IS_ADD(SESSION(cur)) -> x = version[c]
  :: else -> x = cur_version[c]
  fi;
  goto release;
write_words:
  x = version[c];
  if
  :: x < at ->
     old = value[c];
     v = (IS_ADD(SESSION(cur)) -> old + DELTA(SESSION(cur), c) : cur_value[c]);
#ifdef PLAIN_VALUE_STORE
     value[c] = v;
     version[c] = at
#else
     d_step { if
       :: version[c] == x && value[c] == old -> value[c] = v; version[c] = at
       :: else fi };
     goto write_words
#endif
  :: else
  fi;
  x = at;
release:
  skip;
#ifndef OWNER_SKIPS_RELEASE
  d_step { if :: cell[c] == cur -> cell[c] = x :: else fi };
#endif
  c++;
  goto apply_and_release;

decided:
  if
  :: cur != own -> goto run_own
  :: else -> goto answer
  fi;

copy_body:
  LOAD_STATUS(blocker);
  if
  :: !IS_NOW(y, blocker) -> goto remove_leftover
  :: else
  fi;
  d_step {
    cur_epoch = body_epoch[SESSION(blocker)];
    cur_version[0] = body_version[BODY(blocker, 0)]; cur_value[0] = body_value[BODY(blocker, 0)]
  };
  d_step { cur_version[1] = body_version[BODY(blocker, 1)]; cur_value[1] = body_value[BODY(blocker, 1)] };
#ifndef COPY_UNCHECKED
  LOAD_STATUS(blocker);
  if
  :: !IS_NOW(y, blocker) -> goto remove_leftover
  :: else
  fi;
#endif
  d_step {
    cur = blocker;
    if
    :: is_top ->
       own = cur; own_epoch = cur_epoch;
       own_version[0] = cur_version[0]; own_version[1] = cur_version[1];
       own_value[0] = cur_value[0]; own_value[1] = cur_value[1]
    :: else
    fi
  };
  goto advance;
remove_leftover:
#ifndef NO_LEFTOVER_REPAIR
  if
  :: unit != NONE ->
     x = version[unit];
     d_step { if :: cell[unit] == blocker -> cell[unit] = x :: else fi }
  :: else
  fi;
#endif
  if
  :: is_top -> goto answer
  :: else -> goto run_own
  fi;

answer:
  skip;
  d_step { cur = 0; own = 0; blocker = 0; x = 0; y = 0; v = 0; old = 0; at = 0; c = (back == 0 -> unit : 0);
           sl = 0; sc = 0; p = 0; q = 0; t = 0; from = 0; is_refused = 0; ok = 0;
           cur_version[0] = 0; cur_version[1] = 0; cur_value[0] = 0; cur_value[1] = 0; cur_epoch = 0 };
  if
  :: back == 0 -> goto read
  :: back == 1 -> goto paid
  :: back == 2 -> goto free_session
  :: back == 3 -> goto visit
  fi;

mark: /* Executor::mark(kind, epoch) */
  from = tail;
  x = gate;
#ifndef MARK_TWICE
  if
  :: (x >> 1) > epoch || (kind == OPEN && (x >> 1) == epoch) -> goto marked
  :: else
  fi;
#endif
  p = from;
mark_scan:
  skip;
  LOAD_SLOT(p);
  if
  :: sl == p && sc == MARK(kind, epoch) -> HELP_GATE(sc); goto marked
  :: sl == p && !IS_REF(sc) && sc != MARK(kind, epoch) &&
       (EPOCH(sc) > epoch || (kind == SEAL && ENDS(sc, epoch))) -> goto marked
  :: sl == p && (IS_REF(sc) || (sc != MARK(kind, epoch) &&
       !(EPOCH(sc) > epoch || (kind == SEAL && ENDS(sc, epoch))))) ->
     if
     :: !IS_REF(sc) -> HELP_GATE(sc)
     :: else
     fi;
     p++;
     if
     :: p - from <= LAG -> goto mark_scan
     :: else
     fi;
     WALK_TAIL(from, p);
     goto mark
  :: sl == p - RING -> skip
  :: sl != p && sl != p - RING -> goto mark
  fi;
  d_step {
    ok = 0;
    if
    :: slot_lsn[p % RING] == sl && slot_content[p % RING] == sc ->
       ok = 1;
       slot_lsn[p % RING] = p; slot_content[p % RING] = MARK(kind, epoch);
       assert(p == log_end); log_end++;
       if
       :: kind == SEAL -> assert(log_epoch == epoch && !log_shut); log_shut = 1
       :: else -> assert(log_epoch < epoch); log_epoch = epoch; log_shut = 0
       fi
    :: else
    fi
  };
  if
  :: !ok -> goto mark_scan
  :: else -> sc = MARK(kind, epoch); HELP_GATE(sc)
  fi;
marked:
  if
  :: kind == SEAL && OPENS -> kind = OPEN; epoch = 2; goto mark
  :: else -> goto finish
  fi;

adopt: /* Attachment::take_over() of each session whose owner died; then its remaining payments. */
  if
  :: victim == PAYERS -> goto finish
  :: else
  fi;
  seen = owner[victim];
  if
  :: seen == NONE -> victim++; goto adopt
  :: else
  fi;
  (is_dead[seen] || owner[victim] != seen); /* the verdict is about the owner that was seen */
  if
  :: !is_dead[seen] -> goto adopt
  :: else
  fi;
#ifndef ADOPT_SKIPS_RUN
  goto run_session;
#endif
free_session: /* ... which one CAS gives to one of those who ran it. */
  skip;
  d_step {
#ifdef TAKE_FROM_ANYBODY
    if :: owner[victim] != NONE -> seen = owner[victim] :: else fi;
#endif
    if :: owner[victim] == seen && is_dead[seen] -> owner[victim] = me; ok = 1
       :: else -> ok = 0 fi };
  if
  :: ok -> ok = 0; session = victim; goto pay
  :: else -> goto adopt
  fi;

visit: /* At rest: whoever visits a cell finds it free, or repairs it without waiting. */
  skip;
  d_step { x = cell[unit] };
  if
  :: IS_REF(x) -> blocker = x; back = 3; goto help
  :: else
  fi;
  unit++;
  if
  :: unit < 2 -> goto visit
  :: else
  fi;
  d_step {
    i = 0;
    do
    :: i < 2 ->
       assert(cell[i] == version[i] && version[i] == replayed_version[i]);
       assert(value[i] == replayed[i]);
       i++
    :: else -> break
    od;
    assert(value[0] + value[1] == 2 * VALUE)
  };
  goto end;

finish:
  skip;
  d_step { hint = 0; hint_epoch = 0; x = 0; y = 0; is_over[me] = 1 };
  if
  :: me == PROCESSES - 1 -> /* the last adopter: never killed */
     for (victim : 0 .. PROCESSES - 1) { (is_over[victim] || is_dead[victim]) }
     skip;
     d_step {
       i = 0;
       do
       :: i < PAYERS -> assert((status[i] & 3) != UNDECIDED); i++
       :: else -> break
       od;
       unit = 0; hint = tail; hint_epoch = gate >> 1
     };
     goto visit
  :: else
  fi;
end:
  skip
  } unless { is_doomed[me] -> is_dead[me] = 1 }
}

/* Any process but the last adopter may die, at any step. */
proctype Killer() {
  byte kills, i;
  do
  :: kills < KILLS -> kills++;
     select(i : 0 .. PROCESSES - 2);
     skip;
     d_step { if :: !is_over[i] && !is_doomed[i] -> is_doomed[i] = 1 :: else fi }
  :: break
  od
}

init {
  byte i;
  d_step {
    i = 0; do :: i < RING -> slot_lsn[i] = i; i++ :: else -> break od
  }
  atomic {
    for (i : 0 .. PAYERS - 1) { owner[i] = i }
    for (i : 0 .. PROCESSES - 1) { run Process(i) }
#if KILLS
    run Killer()
#endif
  }
}
