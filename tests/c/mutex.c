/* Mutexes: exclusion, deadlines, cancellation, misuse, fairness, and memory that goes after the last unlock. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_mutex_t mutex, other;

SCENARIO(zeroed_memory_is_an_unlocked_mutex) {
    gmp_mutex_t *mine = (gmp_mutex_t *)malloc(sizeof *mine);
    CHECK(mine != NULL);
    memset(mine, 0, sizeof *mine);
    CHECK_OK(gmp_mutex_lock(mine, GMP_FOREVER));
    CHECK_CODE(gmp_mutex_trylock(mine), GMP_EAGAIN);
    CHECK_OK(gmp_mutex_unlock(mine));
    CHECK_OK(gmp_mutex_trylock(mine));
    CHECK_CODE(gmp_mutex_trylock(mine), GMP_EAGAIN);
    CHECK_OK(gmp_mutex_unlock(mine));
    free(mine);
    CHECK_EQ(sizeof(gmp_mutex_t), 16);
}

SCENARIO(null_is_einval) {
    CHECK_CODE(gmp_mutex_lock(NULL, GMP_FOREVER), GMP_EINVAL);
    CHECK_CODE(gmp_mutex_lock(NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_mutex_trylock(NULL), GMP_EINVAL);
    CHECK_CODE(gmp_mutex_unlock(NULL), GMP_EINVAL);
}

static void unlock_is_refused(gmp_mutex_t *m) {
    gmp_mutex_t before = *m;
    CHECK_CODE(gmp_mutex_unlock(m), GMP_EMISUSE);
    CHECK(memcmp(&before, m, sizeof before) == 0);
    CHECK_OK(gmp_mutex_lock(m, GMP_NOWAIT));
    CHECK_OK(gmp_mutex_unlock(m));
}

static void refuse(void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++) unlock_is_refused(&mutex);
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_CODE(gmp_mutex_lock(&mutex, gmp_after_ns(1000)), GMP_ETIMEDOUT); /* somebody was in its queue */
    CHECK_OK(gmp_mutex_unlock(&mutex));
    for (int i = 0; i < 3; i++) unlock_is_refused(&mutex);
}

SCENARIO(unlock_of_an_unlocked_one_is_emisuse_and_changes_nothing) {
    refuse(NULL);
    CHECK_OK(gmp_run(refuse, NULL));
}

/* ------------------------------------------------------------ deadlines */
static void lock_a_free_one(void *arg) {
    const gmp_time_t deadlines[] = {INT64_MIN, -1, GMP_NOWAIT, 1, gmp_now() - SECOND, GMP_FOREVER - 1, GMP_FOREVER};
    (void)arg;
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
        CHECK_OK(gmp_mutex_lock(&other, deadlines[i]));
        CHECK_OK(gmp_mutex_unlock(&other));
    }
}

SCENARIO(free_one_is_locked_whatever_the_deadline) {
    lock_a_free_one(NULL);
    CHECK_OK(gmp_run(lock_a_free_one, NULL));
}

static void lock_a_held_one(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN);
    CHECK_CODE(gmp_mutex_lock(&mutex, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_mutex_lock(&mutex, INT64_MIN), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_mutex_lock(&mutex, -1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_mutex_lock(&mutex, 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_mutex_lock(&mutex, gmp_now() - SECOND), GMP_ETIMEDOUT);
    for (int i = 0; i < 20; i++) {
        gmp_time_t deadline = gmp_after_ns(i * 50000);
        CHECK_CODE(gmp_mutex_lock(&mutex, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
    }
}

SCENARIO(held_one_answers_by_the_deadline) {
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    lock_a_held_one(NULL); /* its own holder waits like everybody: it is not recursive */
    CHECK_OK(gmp_run(lock_a_held_one, NULL));
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_NOWAIT)); /* those who gave up left nothing behind */
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void lock_and_unlock(void *arg) {
    CHECK_OK(gmp_mutex_lock(&mutex, *(gmp_time_t *)arg));
    CHECK_OK(gmp_mutex_unlock(&mutex));
}

SCENARIO(far_deadlines_wait) {
    gmp_time_t deadlines[] = {gmp_after_ns(INT64_MAX - 1), GMP_FOREVER - 1, GMP_FOREVER, gmp_after_ns(60 * SECOND)};
    struct party party[4];
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    for (int i = 0; i < 4; i++) party_start(&party[i], i % 2 ? THREAD : TASK, lock_and_unlock, &deadlines[i]);
    until_waiting(party, 4);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    parties_end(party, 4);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ who unlocks */
static void lock_it(void *arg) {
    (void)arg;
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
}

static void unlock_it(void *arg) {
    (void)arg;
    CHECK_OK(gmp_mutex_unlock(&mutex));
}

SCENARIO(whoever_likes_may_unlock) {
    for (int i = 0; i < 200; i++) {
        struct party locks, unlocks;
        party_start(&locks, i & 1 ? TASK : THREAD, lock_it, NULL);
        party_end(&locks);
        CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN);
        party_start(&unlocks, i & 2 ? TASK : THREAD, unlock_it, NULL);
        party_end(&unlocks);
        CHECK_OK(gmp_mutex_trylock(&mutex));
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
}

/* ------------------------------------------------------------ exclusion */
enum { CONTENDERS = 9, LOCKS = 4000 };

/* Plain on purpose: the mutex alone keeps it whole. */
static struct {
    int inside;
    uint64_t sum, locks;
} guarded;
static atomic_ullong wanted_sum, wanted_locks;

static int lock_somehow(uint64_t *random) {
    switch (check_random(random) % 4) {
    case 0: return gmp_mutex_trylock(&mutex);
    case 1: return gmp_mutex_lock(&mutex, gmp_after_ns((int64_t)(check_random(random) % 100000)));
    default: return gmp_mutex_lock(&mutex, GMP_FOREVER);
    }
}

static void contend(void *arg) {
    uint64_t random = check_seed() + 7919 * (uint64_t)(intptr_t)arg, sum = 0, locks = 0;
    for (int i = 0; i < LOCKS; i++) {
        int code = lock_somehow(&random);
        if (code != GMP_OK) {
            CHECK(code == GMP_EAGAIN || code == GMP_ETIMEDOUT);
            continue;
        }
        CHECK_EQ(guarded.inside, 0);
        guarded.inside = 1;
        uint64_t mine = check_random(&random), before = guarded.sum;
        if (mine % 16 == 0) gmp_yield();
        if (mine % 512 == 1) CHECK_OK(gmp_sleep(1000));
        guarded.sum = before + mine;
        guarded.locks++;
        sum += mine;
        locks++;
        guarded.inside = 0;
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
    atomic_fetch_add(&wanted_sum, sum);
    atomic_fetch_add(&wanted_locks, locks);
}

static void contend_with(int threads) {
    struct party party[CONTENDERS];
    for (int i = 0; i < CONTENDERS; i++) {
        party_start(&party[i], i < threads ? THREAD : TASK, contend, (void *)(intptr_t)(i + 1));
    }
    parties_end(party, CONTENDERS);
    CHECK(guarded.sum == atomic_load(&wanted_sum));
    CHECK(guarded.locks == atomic_load(&wanted_locks));
    CHECK(guarded.locks >= CONTENDERS * LOCKS / 2 - CONTENDERS * LOCKS / 10); /* half of the ways to lock cannot fail */
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_NOWAIT));
    unlock_it(NULL);
    unlock_is_refused(&mutex);
    CHECK_EQ(check_stats().timers_pending, 0);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(sums_under_load_come_out_for_tasks) { contend_with(0); }
SCENARIO(sums_under_load_come_out_for_tasks_and_threads) { contend_with(3); }
/* Nobody has started the runtime here: threads need none to contend. */
SCENARIO(sums_under_load_come_out_for_threads) { contend_with(CONTENDERS); }

/* ------------------------------------------------------------ fairness */
static atomic_int stop;
static int hold_by_sleeping;

static void hold_in_a_loop(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        if (hold_by_sleeping) {
            CHECK_OK(gmp_sleep(100000));
        } else {
            spin_for(100000);
        }
        CHECK_OK(gmp_mutex_unlock(&mutex));
        CHECK_OK(gmp_checkpoint()); /* on one processor the others run when this one's time is up */
    }
}

static gmp_time_t patience;

static void lock_now_and_then(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_sleep(100000));
        CHECK_OK(gmp_mutex_lock(&mutex, patience));
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
}

/* §22.4: ten locks within ten seconds, whatever the other does. */
static void ten_locks_against(enum kind holder, enum kind locker, int by_sleeping) {
    struct party holds, locks[3];
    hold_by_sleeping = by_sleeping;
    CHECK_OK(gmp_start(NULL));
    party_start(&holds, holder, hold_in_a_loop, NULL);
    while (gmp_mutex_trylock(&mutex) == GMP_OK) CHECK_OK(gmp_mutex_unlock(&mutex)); /* until it has begun */
    patience = gmp_after_ns(10 * SECOND);
    for (int i = 0; i < 3; i++) party_start(&locks[i], locker, lock_now_and_then, NULL);
    parties_end(locks, 3);
    atomic_store(&stop, 1);
    party_end(&holds);
}

SCENARIO(sleeping_holder_lets_tasks_in) { ten_locks_against(TASK, TASK, 1); }
SCENARIO(sleeping_holder_lets_threads_in) { ten_locks_against(TASK, THREAD, 1); }
SCENARIO(spinning_holder_lets_tasks_in) { ten_locks_against(TASK, TASK, 0); }
SCENARIO(spinning_holder_lets_threads_in) { ten_locks_against(TASK, THREAD, 0); }
SCENARIO(sleeping_thread_lets_tasks_in) { ten_locks_against(THREAD, TASK, 1); }
SCENARIO(spinning_thread_lets_tasks_in) { ten_locks_against(THREAD, TASK, 0); }
SCENARIO(spinning_thread_lets_threads_in) { ten_locks_against(THREAD, THREAD, 0); }

enum { STARVING = 5 };
static int served[STARVING];
static atomic_int served_now;

static void wait_too_long(void *arg) {
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    served[atomic_fetch_add(&served_now, 1)] = (int)(intptr_t)arg;
    for (int i = 0; i < 3; i++) gmp_yield(); /* for whoever would like to go first */
    CHECK_OK(gmp_mutex_unlock(&mutex));
}

/* §22.3, §22.6: the woken one finds the mutex taken again, after more than a millisecond. From then on it is handed to
 * those in the queue, and no newcomer gets it before they have had it. */
static void lock_again_and_again(void *arg) {
    struct party party[STARVING];
    (void)arg;
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    for (int i = 0; i < STARVING; i++) {
        party_start(&party[i], TASK, wait_too_long, (void *)(intptr_t)i);
        UNTIL(check_stats().tasks_parked == i + 1, give_way());
    }
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_sleep(2 * MS));
        CHECK_OK(gmp_mutex_unlock(&mutex));
        if (gmp_mutex_trylock(&mutex) != GMP_OK) break; /* starving */
        CHECK_EQ(atomic_load(&served_now), 0);
        CHECK(i < 9);
    }
    UNTIL(gmp_mutex_trylock(&mutex) == GMP_OK, give_way());
    CHECK_EQ(atomic_load(&served_now), STARVING);
    for (int i = 0; i < STARVING; i++) CHECK_EQ(served[i], i);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    parties_end(party, STARVING);
}

SCENARIO(starving_mutex_goes_to_its_queue_in_order) {
    gmp_max_procs(1);
    CHECK_OK(gmp_run(lock_again_and_again, NULL));
}

/* ------------------------------------------------------------ cancellation */
static void *wait_until_cancelled(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_mutex_lock(&mutex, GMP_FOREVER), GMP_ECANCELED);
    /* The mark stays, and counts last of all. */
    CHECK_CODE(gmp_mutex_lock(&mutex, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN);
    CHECK_CODE(gmp_mutex_lock(&mutex, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_mutex_lock(&mutex, GMP_FOREVER), GMP_ECANCELED);
    CHECK_CODE(gmp_mutex_lock(&mutex, SOON()), GMP_ECANCELED);
    CHECK_OK(gmp_mutex_lock(&other, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(&other));
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_CODE(gmp_mutex_lock(&mutex, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_CODE(gmp_mutex_lock(&mutex, GMP_FOREVER), GMP_ECANCELED);
    return NULL;
}

SCENARIO(cancelled_wait_answers_and_has_no_effect) {
    gmp_task_t *task;
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_spawn(wait_until_cancelled, NULL, NULL, &task));
    until_parked(1);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_NOWAIT));
    CHECK_OK(gmp_mutex_unlock(&mutex));
    unlock_is_refused(&mutex);
}

static void *lock_or_be_cancelled(void *arg) {
    int code = gmp_mutex_lock(&mutex, (intptr_t)arg ? gmp_after_ns((intptr_t)arg) : GMP_FOREVER);
    if (code == GMP_OK) {
        CHECK_EQ(guarded.inside, 0);
        guarded.inside = 1;
        gmp_yield();
        guarded.inside = 0;
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
    return (void *)(intptr_t)code;
}

/* Who waits in front of one that goes away, and behind it, is not forgotten. */
SCENARIO(others_in_the_queue_get_in_when_one_is_cancelled) {
    for (int gone = 0; gone < 5; gone++) {
        gmp_task_t *task[5];
        void *code;
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        for (int i = 0; i < 5; i++) {
            CHECK_OK(gmp_spawn(lock_or_be_cancelled, NULL, NULL, &task[i]));
            until_parked(i + 1);
        }
        CHECK_OK(gmp_task_cancel(task[gone]));
        CHECK_OK(gmp_join(task[gone], SOON(), &code));
        CHECK_CODE((int)(intptr_t)code, GMP_ECANCELED);
        CHECK_OK(gmp_mutex_unlock(&mutex));
        for (int i = 0; i < 5; i++) {
            if (i == gone) continue;
            CHECK_OK(gmp_join(task[i], SOON(), &code));
            CHECK_CODE((int)(intptr_t)code, GMP_OK);
        }
    }
}

static gmp_task_t *to_cancel;

static void cancel_it(void *arg) {
    spin_for((intptr_t)arg);
    CHECK_OK(gmp_task_cancel(to_cancel));
}

/* Unlock, cancellation and deadline at the same moment: whatever the answer is, the mutex is free afterwards. */
SCENARIO(unlock_against_cancellation_and_deadline_loses_no_lock) {
    uint64_t random = check_seed();
    for (int round = 0; round < 2000; round++) {
        struct party canceller;
        gmp_task_t *second;
        void *code;
        intptr_t patience_ns = round % 2 ? 1 + (intptr_t)(check_random(&random) % 50000) : 0;
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        CHECK_OK(gmp_spawn(lock_or_be_cancelled, (void *)patience_ns, NULL, &to_cancel));
        CHECK_OK(gmp_spawn(lock_or_be_cancelled, NULL, NULL, &second));
        intptr_t after = (intptr_t)(check_random(&random) % 20000);
        party_start(&canceller, round % 3 ? TASK : THREAD, cancel_it, (void *)after);
        spin_for((int64_t)(check_random(&random) % 30000));
        CHECK_OK(gmp_mutex_unlock(&mutex));
        party_end(&canceller);
        CHECK_OK(gmp_join(to_cancel, SOON(), &code));
        CHECK((intptr_t)code == GMP_OK || (intptr_t)code == GMP_ECANCELED ||
              (patience_ns && (intptr_t)code == GMP_ETIMEDOUT));
        CHECK_OK(gmp_join(second, SOON(), &code));
        CHECK_CODE((int)(intptr_t)code, GMP_OK);
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_NOWAIT));
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
    unlock_is_refused(&mutex);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ memory */
enum { USERS = 3, ROUNDS = 3000 };
static char *pages;

struct shared {
    gmp_mutex_t mutex;
    int users;
};

/* The last to lock it frees it, although the unlock of the one before may still be returning. */
static void use_and_leave(void *arg) {
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct shared *mine = (struct shared *)(pages + round * PAGE);
        meet(round, USERS);
        CHECK_OK(gmp_mutex_lock(&mine->mutex, GMP_FOREVER));
        int last = ++mine->users == USERS;
        CHECK_OK(gmp_mutex_unlock(&mine->mutex));
        if (last) page_free(mine);
    }
}

static void freed_after_the_last_unlock(int threads) {
    struct party party[USERS];
    pages = pages_new(ROUNDS);
    for (int i = 0; i < USERS; i++) party_start(&party[i], i < threads ? THREAD : TASK, use_and_leave, NULL);
    parties_end(party, USERS);
}

SCENARIO(memory_may_go_after_the_last_unlock_of_tasks) { freed_after_the_last_unlock(0); }
SCENARIO(memory_may_go_after_the_last_unlock_of_tasks_and_threads) { freed_after_the_last_unlock(1); }
SCENARIO(memory_may_go_after_the_last_unlock_of_threads) { freed_after_the_last_unlock(USERS); }

/* The same for one that never waits: it sees the mutex free the moment that it is. */
static void try_until_free(void *arg) {
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        gmp_mutex_t *mine = (gmp_mutex_t *)(pages + round * PAGE);
        meet(round, 2);
        POLL_UNTIL(gmp_mutex_trylock(mine) == GMP_OK);
        page_free(mine);
    }
}

static void unlock_and_forget(void *arg) {
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        gmp_mutex_t *mine = (gmp_mutex_t *)(pages + round * PAGE);
        CHECK_OK(gmp_mutex_lock(mine, GMP_FOREVER));
        meet(round, 2);
        CHECK_OK(gmp_mutex_unlock(mine));
    }
}

SCENARIO(memory_may_go_after_a_trylock) {
    struct party party[2];
    pages = pages_new(ROUNDS);
    party_start(&party[0], TASK, try_until_free, NULL);
    party_start(&party[1], THREAD, unlock_and_forget, NULL);
    parties_end(party, 2);
}
