/* Wait groups used again and again: each wait belongs to its round, also when it is cancelled or a task exits. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_wg_t group, done_with;
static atomic_int returned, count;

static void wait_for_the_round(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    atomic_fetch_add(&returned, 1);
}

/* The next round begins before the waits of the last have returned: they return, those of the next do not. */
static void rounds_overlap(int rounds, int threads) {
    enum { WAITERS = 6 };
    struct party party[2][WAITERS];
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_wg_add(&group, 1));
    for (int i = 0; i < WAITERS; i++) {
        party_start(&party[0][i], i < threads ? THREAD : TASK, wait_for_the_round, NULL);
    }
    until_waiting(party[0], WAITERS);
    for (int round = 1; round <= rounds; round++) {
        struct party *old = party[(round - 1) % 2], *new = party[round % 2];
        CHECK_OK(gmp_wg_done(&group));
        CHECK_OK(gmp_wg_add(&group, 1));
        for (int i = 0; i < WAITERS; i++) {
            party_start(&new[i], i < threads ? THREAD : TASK, wait_for_the_round, NULL);
        }
        parties_end(old, WAITERS);
        until_waiting(new, WAITERS);
        CHECK_EQ(atomic_load(&returned), round * WAITERS);
    }
    CHECK_OK(gmp_wg_done(&group));
    parties_end(party[rounds % 2], WAITERS);
    CHECK_EQ(atomic_load(&returned), (rounds + 1) * WAITERS);
}

SCENARIO(waits_of_tasks_belong_to_their_round) { rounds_overlap(1000, 0); }
SCENARIO(waits_of_tasks_and_threads_belong_to_their_round) { rounds_overlap(200, 2); }

/* Whoever waits is released by the zero although the count is above it again when it runs. */
enum { TURNS = 5000, WAITERS = 3 };

static void wait_each_turn(void *arg) {
    (void)arg;
    for (int turn = 0; turn < TURNS; turn++) {
        meet(turn, WAITERS + 1);
        CHECK_OK(gmp_wg_wait(&group, SOON()));
        CHECK_OK(gmp_wg_done(&done_with));
    }
}

static void zero_each_turn(void *arg) {
    (void)arg;
    for (int turn = 0; turn < TURNS; turn++) {
        CHECK_OK(gmp_wg_add(&done_with, WAITERS));
        meet(turn, WAITERS + 1);
        if (turn % 8) gmp_yield();
        CHECK_OK(gmp_wg_done(&group));
        if (turn % 2) {
            CHECK_OK(gmp_wg_add(&group, 1));
            CHECK_OK(gmp_wg_done(&group));
        }
        CHECK_OK(gmp_wg_wait(&done_with, SOON()));
        CHECK_OK(gmp_wg_add(&group, 1));
    }
}

static void turn_by_turn(int threads, enum kind zeroes) {
    struct party party[WAITERS + 1];
    CHECK_OK(gmp_wg_add(&group, 1));
    party_start(&party[WAITERS], zeroes, zero_each_turn, NULL);
    for (int i = 0; i < WAITERS; i++) party_start(&party[i], i < threads ? THREAD : TASK, wait_each_turn, NULL);
    parties_end(party, WAITERS + 1);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(zero_releases_every_task) { turn_by_turn(0, TASK); }
SCENARIO(zero_releases_every_task_and_thread) { turn_by_turn(1, THREAD); }

/* ------------------------------------------------------------ the count */
SCENARIO(count_that_cannot_be_held_is_emisuse_and_changes_nothing) {
    CHECK_OK(gmp_wg_add(&group, 3));
    gmp_wg_t before = group;
    CHECK_CODE(gmp_wg_add(&group, INT64_MAX), GMP_EMISUSE);
    CHECK_CODE(gmp_wg_add(&group, INT64_MIN), GMP_EMISUSE);
    CHECK_CODE(gmp_wg_add(&group, -4), GMP_EMISUSE);
    CHECK(memcmp(&before, &group, sizeof group) == 0);
    CHECK_OK(gmp_wg_add(&group, -3));
    CHECK_OK(gmp_wg_wait(&group, GMP_NOWAIT));
    CHECK_CODE(gmp_wg_done(&group), GMP_EMISUSE);
    CHECK_OK(gmp_wg_wait(&group, INT64_MIN)); /* nothing to wait for: the deadline does not count */
}

static void one_too_many(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_wg_add(&group, -2), GMP_EMISUSE);
    CHECK_OK(gmp_wg_done(&group));
}

/* With somebody waiting: the refused call releases nobody. */
SCENARIO(misuse_releases_no_waiter) {
    for (int i = 0; i < 100; i++) {
        struct party waiter, misuser;
        atomic_store(&returned, 0);
        CHECK_OK(gmp_wg_add(&group, 1));
        party_start(&waiter, i % 4 ? TASK : THREAD, wait_for_the_round, NULL);
        until_waiting(&waiter, 1);
        CHECK_CODE(gmp_wg_add(&group, -2), GMP_EMISUSE);
        until_waiting(&waiter, 1);
        CHECK_EQ(atomic_load(&returned), 0);
        party_start(&misuser, i % 2 ? TASK : THREAD, one_too_many, NULL);
        party_end(&misuser);
        party_end(&waiter);
    }
}

/* ------------------------------------------------------------ wg_go */
static void spawn_below(void *arg) {
    intptr_t depth = (intptr_t)arg;
    atomic_fetch_add(&count, 1);
    /* Within a counted task the count cannot be zero: an add is always fine. */
    for (int i = 0; i < 3 && depth > 0; i++) CHECK_OK(gmp_wg_go(&group, spawn_below, (void *)(depth - 1)));
}

SCENARIO(counted_tasks_may_add) {
    CHECK_OK(gmp_wg_go(&group, spawn_below, (void *)7));
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_EQ(atomic_load(&count), (2187 * 3 - 1) / 2);
}

static void count_deferred(void *arg) {
    (void)arg;
    atomic_fetch_add(&count, 1);
}

static void exit_early(void *arg) {
    CHECK_OK(gmp_defer(count_deferred, NULL));
    if (arg) gmp_yield();
    gmp_exit();
    CHECK(!"the task is over");
}

/* §22.15: done comes when the task ends, in whatever way, after its deferred calls. */
SCENARIO(task_that_exits_is_done) {
    for (intptr_t i = 0; i < 1000; i++) {
        CHECK_OK(gmp_wg_go(&group, exit_early, (void *)(i % 2)));
        if (i % 10 == 9) {
            CHECK_OK(gmp_wg_wait(&group, SOON()));
            CHECK_EQ(atomic_load(&count), i + 1);
        }
    }
}

/* ------------------------------------------------------------ cancellation */
static void *wait_until_cancelled(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_wg_wait(&group, GMP_FOREVER), GMP_ECANCELED);
    CHECK_CODE(gmp_wg_wait(&group, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_wg_wait(&group, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_wg_wait(&group, SOON()), GMP_ECANCELED);
    CHECK_OK(gmp_wg_wait(&done_with, GMP_FOREVER)); /* zero: no need to wait */
    return NULL;
}

SCENARIO(cancelled_wait_answers_and_the_others_wait_on) {
    gmp_task_t *task;
    struct party other;
    CHECK_OK(gmp_wg_add(&group, 1));
    party_start(&other, TASK, wait_for_the_round, NULL);
    CHECK_OK(gmp_spawn(wait_until_cancelled, NULL, NULL, &task));
    until_parked(2);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    until_parked(1);
    CHECK_CODE(gmp_wg_wait(&group, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_wg_done(&group));
    party_end(&other);
    CHECK_CODE(gmp_wg_done(&group), GMP_EMISUSE);
}

static void *wait_or_not(void *arg) {
    gmp_wg_t *mine = (gmp_wg_t *)arg;
    return (void *)(intptr_t)gmp_wg_wait(mine, GMP_FOREVER);
}

static gmp_task_t *to_cancel;

static void cancel_it(void *arg) {
    spin_for((intptr_t)arg);
    CHECK_OK(gmp_task_cancel(to_cancel));
}

/* The group's memory goes when both have answered; no waiter is left behind in it. */
SCENARIO(done_against_cancellation_answers_once) {
    enum { ROUNDS = 2500 };
    char *pages = pages_new(ROUNDS);
    uint64_t random = check_seed();
    int zero = 0;
    for (int round = 0; round < ROUNDS; round++) {
        gmp_wg_t *mine = (gmp_wg_t *)(pages + round * PAGE);
        struct party canceller;
        void *code;
        CHECK_OK(gmp_wg_add(mine, 1));
        CHECK_OK(gmp_spawn(wait_or_not, mine, NULL, &to_cancel));
        intptr_t after = (intptr_t)(check_random(&random) % 20000);
        party_start(&canceller, round % 3 ? TASK : THREAD, cancel_it, (void *)after);
        spin_for((int64_t)(check_random(&random) % 30000));
        CHECK_OK(gmp_wg_done(mine));
        party_end(&canceller);
        CHECK_OK(gmp_join(to_cancel, SOON(), &code));
        CHECK((intptr_t)code == GMP_OK || (intptr_t)code == GMP_ECANCELED);
        zero += (intptr_t)code == GMP_OK;
        page_free(mine);
    }
    printf("%d of %d saw the zero\n", zero, ROUNDS);
}

/* ------------------------------------------------------------ memory */
enum { USED = 3000, DONES = 2 };
static char *pages;

/* Frees the group when its wait is over: the last done may still be returning. */
static void wait_and_free(void *arg) {
    for (int round = 0; round < USED; round++) {
        gmp_wg_t *mine = (gmp_wg_t *)(pages + round * PAGE);
        CHECK_OK(gmp_wg_add(mine, DONES));
        meet(round, DONES + 1);
        if (arg != NULL && round % 2) { /* never waits: it sees the zero the moment that it is there */
            POLL_UNTIL(gmp_wg_wait(mine, GMP_NOWAIT) == GMP_OK);
        } else {
            CHECK_OK(gmp_wg_wait(mine, GMP_FOREVER));
        }
        page_free(mine);
    }
}

static void done_each(void *arg) {
    (void)arg;
    for (int round = 0; round < USED; round++) {
        gmp_wg_t *mine = (gmp_wg_t *)(pages + round * PAGE);
        meet(round, DONES + 1);
        CHECK_OK(gmp_wg_done(mine));
    }
}

static void freed_after_the_wait(enum kind waits, enum kind one, enum kind other, int polls) {
    struct party party[DONES + 1];
    pages = pages_new(USED);
    party_start(&party[0], waits, wait_and_free, polls ? pages : NULL);
    party_start(&party[1], one, done_each, NULL);
    party_start(&party[2], other, done_each, NULL);
    parties_end(party, DONES + 1);
}

SCENARIO(memory_may_go_after_a_wait_by_a_task) { freed_after_the_wait(TASK, TASK, TASK, 0); }
SCENARIO(memory_may_go_after_a_wait_for_a_thread) { freed_after_the_wait(TASK, TASK, THREAD, 1); }
SCENARIO(memory_may_go_after_a_wait_by_a_thread) { freed_after_the_wait(THREAD, TASK, THREAD, 1); }
