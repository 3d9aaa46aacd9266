/* The heart of engine/commit/PROTOCOL.md for spin, small enough that three executors can be searched
 * to the end: claim, note, help, abort, seal, apply, release and taking over, by processes that may
 * die between any two accesses. commit.pml beside it is larger in what it models, and searched less.
 *
 * One atomic step is one access to shared memory. Two instances move one unit between the cells 0
 * and 1: A (strict: it wants the version that it read) and B (any version, or strict with STRICT_B).
 * EXECUTORS processes run them; process i owns instance i mod 2 and helps the other when it is in
 * the way; each may die at any step (KILLS at most). At the end a survivor takes over: it runs both.
 * With SEAL an operator ends the epoch at some moment.
 *
 * Versions are LSNs. Values are kept per word with their version; a write is one CAS of the pair.
 * What is left out: reuse of descriptors (no sequence wraps here), the record ring, retention.
 *
 * Each -D of a rule's name breaks that rule; spin has to find it (see run).
 */

#ifndef EXECUTORS
#define EXECUTORS 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define SLOTS 5

#define FREE(version) (version)
#define LOCK(instance) (100 + instance)
#define IS_LOCK(state) (state >= 100)
#define EMPTY 0
#define MARK 9

#define UNDECIDED 1
#define COMMITTED 2
#define ABORTED 3

byte state[2];                /* of the cells: a version, or a lock */
byte version[2];              /* of their word */
short value[2];
byte slot[SLOTS];             /* 1 + instance, MARK, or EMPTY; slot 0 is not used */
byte tail = 1;
byte status[2] = UNDECIDED;
byte position[2];
byte expected[2];             /* versions that instance 0 read, before anything ran */
byte kills = 0;
byte done = 0;

/* The words of a cell, for whoever holds it. */
inline apply(delta) {
  do
  :: atomic { state[cell] == LOCK(me) ->
       if
       :: version[cell] >= position[me] -> skip
       :: else -> old_version = version[cell]; old_value = value[cell]
       fi };
     if
     :: old_version == 255 -> break
     :: else -> skip
     fi;
     atomic {                                     /* the CAS of the pair */
       if
#ifdef PLAIN_VALUE_STORE
       :: true -> version[cell] = position[me]; value[cell] = old_value + delta
#else
       :: version[cell] == old_version && value[cell] == old_value && old_version < position[me] ->
          version[cell] = position[me]; value[cell] = old_value + delta
       :: else -> skip
#endif
       fi };
     break
  :: atomic { state[cell] != LOCK(me) -> break }
  od
}

inline may_die() {
  if
  :: atomic { kills < KILLS -> kills++; goto dead }
  :: true -> skip
  fi
}

/* One pass over an instance and whatever is in its way: Executor::run(). */
proctype Executor(byte first) {
  byte me = first;            /* what it runs at the moment */
  byte cell, p, hint, old_version, seen;
  short old_value;
start:
  cell = 0;
lock:                         /* lock_cells() */
  may_die();
  atomic { seen = state[cell] };
  if
  :: seen == LOCK(me) -> goto locked
  :: else -> skip
  fi;
  if
  :: atomic { status[me] != UNDECIDED -> goto decided }
  :: else -> skip
  fi;
  if
  :: IS_LOCK(seen) -> me = 1 - me; goto start       /* help who is in the way */
  :: else -> skip
  fi;
  if
#ifdef STRICT_B
  :: seen != expected[cell] ->
#else
  :: me == 0 && seen != expected[cell] ->
#endif
     atomic { if :: status[me] == UNDECIDED -> status[me] = ABORTED :: else -> skip fi };
     goto decided
  :: else -> skip
  fi;
  may_die();
  atomic {                    /* the CAS of the state */
    if
    :: state[cell] == seen -> state[cell] = LOCK(me)
    :: else -> goto lock
    fi };
locked:
  cell++;
  if
  :: cell < 2 -> goto lock
  :: else -> skip
  fi;
  may_die();
  atomic { hint = tail };     /* refresh_hint(); the status is looked at behind it */
#ifndef NO_STATUS_BEFORE_CLAIM
  if
  :: atomic { status[me] != UNDECIDED -> goto decided }
  :: else -> skip
  fi;
#endif
  p = hint;
claim:
  may_die();
  assert(p < SLOTS);
  if
  :: atomic { slot[p] == 1 + me -> goto claimed }
  :: atomic { slot[p] == MARK ->
#ifdef SEAL_IGNORED
       p++; goto claim
#else
       if :: status[me] == UNDECIDED -> status[me] = ABORTED :: else -> skip fi;
       goto decided
#endif
     }
  :: atomic { slot[p] != EMPTY && slot[p] != 1 + me && slot[p] != MARK -> p++; goto claim }
  :: atomic { slot[p] == EMPTY ->
       /* THE CLAIM. I5: it is in no other slot; nothing is claimed behind the mark. */
       slot[p] = 1 + me;
       assert(status[me] != ABORTED);                                   /* I7 */
       seen = 1;
       do
       :: seen < SLOTS -> assert(seen == p || slot[seen] != 1 + me);    /* I5 */
          if
          :: seen < p -> assert(slot[seen] != EMPTY && slot[seen] != MARK)  /* I3, the seal */
          :: else -> skip
          fi;
          seen++
       :: else -> break
       od;
       goto claimed }
  fi;
claimed:
#ifdef TAIL_PASSES_UNDECIDED
  atomic { if :: tail == p -> tail = p + 1 :: else -> skip fi };
#endif
  may_die();
  atomic {                    /* note */
    if
    :: status[me] == UNDECIDED -> status[me] = COMMITTED; position[me] = p
    :: else -> skip
    fi };
  atomic { if :: tail == p -> tail = p + 1 :: else -> skip fi };
decided:
  atomic { seen = status[me] };
  if
  :: seen == COMMITTED ->
     cell = 0;
     do
     :: cell < 2 ->
        may_die();
        old_version = 255;
        apply(2 * cell - 1);
        may_die();
        atomic {              /* release: the CAS of the state */
          if
          :: state[cell] == LOCK(me) -> state[cell] = position[me]
          :: else -> skip
          fi };
        cell++
     :: else -> break
     od
  :: seen == ABORTED ->
     cell = 0;
     do
     :: cell < 2 ->
        may_die();
        atomic {
          if
          :: state[cell] == LOCK(me) -> state[cell] = version[cell]
          :: else -> skip
          fi };
        cell++
     :: else -> break
     od
  :: else -> skip
  fi;
  if
  :: me != first -> me = first; goto start          /* back to its own */
  :: else -> skip
  fi;
dead:
  atomic { done++ }
}

#ifdef SEAL
proctype Operator() {
  byte p = 1;
  do
  :: atomic { slot[p] == EMPTY -> slot[p] = MARK; break }
  :: atomic { slot[p] == MARK -> break }
  :: atomic { slot[p] != EMPTY && slot[p] != MARK -> p++ }
  od;
  atomic { done++ }
}
#define OPERATORS 1
#else
#define OPERATORS 0
#endif

/* Whoever takes the dead over runs what they published; then the log is held against the cells. */
init {
  byte i, committed, p;
  atomic {
    i = 0;
    do
    :: i < EXECUTORS -> run Executor(i % 2); i++
    :: else -> break
    od;
#ifdef SEAL
    run Operator();
#endif
  };
  done == EXECUTORS + OPERATORS;
#ifndef ADOPT_SKIPS_RUN
  kills = KILLS;              /* those who take over live */
  done = 0;
  atomic { run Executor(0); run Executor(1) };
  done == 2;
#endif
  atomic {
    committed = 0; p = 1;
    do
    :: p < SLOTS ->
       if
       :: slot[p] == 1 || slot[p] == 2 ->
          committed++;
          assert(status[slot[p] - 1] == COMMITTED && position[slot[p] - 1] == p)
       :: else -> skip
       fi;
       p++
    :: else -> break
    od;
    assert(status[0] != UNDECIDED && status[1] != UNDECIDED);
    assert(!IS_LOCK(state[0]) && !IS_LOCK(state[1]));       /* no lock is left */
    assert(value[0] + value[1] == 0 && value[1] == committed);  /* the log is the witness */
    assert(state[0] == version[0] && state[1] == version[1])    /* I1 */
  }
}
