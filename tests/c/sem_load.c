/* Semaphores under load: sums that come out, waits that are cancelled or expire, memory that goes. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_sem_t sem;

static void holds(uint32_t n) {
    CHECK_OK(gmp_sem_acquire(&sem, n, GMP_NOWAIT));
    CHECK_CODE(gmp_sem_acquire(&sem, 1, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_sem_release(&sem, n));
}

static int code_of(gmp_task_t *task) {
    void *result;
    CHECK_OK(gmp_join(task, SOON(), &result));
    return (int)(intptr_t)result;
}

/* ------------------------------------------------------------ sums */
enum { PARTIES = 10, ROUNDS = 4000, PERMITS = 7 };
static atomic_int in_use;
static atomic_long served;

static void acquire_somehow(void *arg) {
    uint64_t random = check_seed() + 7919 * (uint64_t)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t n = (uint32_t)(check_random(&random) % (PERMITS + 1)), how = check_random(&random) % 4;
        gmp_time_t deadline = how == 0   ? GMP_NOWAIT
                              : how == 1 ? gmp_after_ns((int64_t)(check_random(&random) % 100000))
                                         : GMP_FOREVER;
        int code = gmp_sem_acquire(&sem, n, deadline);
        if (code != GMP_OK) {
            CHECK(n > 0 && how < 2);
            CHECK_CODE(code, how == 0 ? GMP_EAGAIN : GMP_ETIMEDOUT);
            continue;
        }
        CHECK(atomic_fetch_add(&in_use, (int)n) + (int)n <= PERMITS);
        if (check_random(&random) % 8 == 0) gmp_yield();
        atomic_fetch_sub(&in_use, (int)n);
        atomic_fetch_add(&served, 1);
        /* Given back in two parts: each of them may serve somebody. */
        CHECK_OK(gmp_sem_release(&sem, n / 2));
        CHECK_OK(gmp_sem_release(&sem, n - n / 2));
    }
}

static void load_with(int threads) {
    struct party party[PARTIES];
    CHECK_OK(gmp_sem_release(&sem, PERMITS));
    for (int i = 0; i < PARTIES; i++) {
        party_start(&party[i], i < threads ? THREAD : TASK, acquire_somehow, (void *)(intptr_t)(i + 1));
    }
    parties_end(party, PARTIES);
    CHECK_EQ(atomic_load(&in_use), 0);
    CHECK(atomic_load(&served) >= PARTIES * ROUNDS * 2 / 5);
    holds(PERMITS);
    CHECK_EQ(check_stats().timers_pending, 0);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(permits_under_load_come_out_for_tasks) { load_with(0); }
SCENARIO(permits_under_load_come_out_for_tasks_and_threads) { load_with(3); }
/* Nobody has started the runtime here: threads need none to contend. */
SCENARIO(permits_under_load_come_out_for_threads) { load_with(PARTIES); }

enum { SIGNALS = 30000 };
static int plain;

static void answer(void *arg) {
    gmp_sem_t *pair = (gmp_sem_t *)arg;
    for (int i = 0; i < SIGNALS; i++) {
        CHECK_OK(gmp_sem_acquire(&pair[0], 1, GMP_FOREVER));
        CHECK_EQ(plain, 2 * i + 1);
        plain++;
        CHECK_OK(gmp_sem_release(&pair[1], 1));
    }
}

static void ask(void *arg) {
    gmp_sem_t *pair = (gmp_sem_t *)arg;
    for (int i = 0; i < SIGNALS; i++) {
        CHECK_EQ(plain, 2 * i);
        plain++;
        CHECK_OK(gmp_sem_release(&pair[0], 1));
        CHECK_OK(gmp_sem_acquire(&pair[1], 1, GMP_FOREVER));
    }
}

/* §21.2: no wake is lost in either order. A lost one would stop it. */
static void ping_pong(enum kind one, enum kind other) {
    static gmp_sem_t pair[2];
    struct party party[2];
    party_start(&party[0], one, ask, pair);
    party_start(&party[1], other, answer, pair);
    parties_end(party, 2);
    CHECK_EQ(plain, 2 * SIGNALS);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(no_wake_is_lost_between_tasks) { ping_pong(TASK, TASK); }
SCENARIO(no_wake_is_lost_between_a_task_and_a_thread) { ping_pong(TASK, THREAD); }
SCENARIO(no_wake_is_lost_between_threads) { ping_pong(THREAD, THREAD); }

/* ------------------------------------------------------------ cancellation */
struct wish {
    uint32_t n;
    gmp_time_t deadline;
};

static void *acquire_or_not(void *arg) {
    struct wish wish = *(struct wish *)arg;
    return (void *)(intptr_t)gmp_sem_acquire(&sem, wish.n, wish.deadline);
}

static void *marked_waits(void *arg) {
    CHECK_CODE((int)(intptr_t)acquire_or_not(arg), GMP_ECANCELED);
    CHECK_CODE(gmp_sem_acquire(&sem, 2, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_sem_acquire(&sem, 2, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_sem_acquire(&sem, 2, SOON()), GMP_ECANCELED);
    CHECK_OK(gmp_sem_acquire(&sem, 1, GMP_FOREVER)); /* no need to wait */
    CHECK_OK(gmp_sem_release(&sem, 1));
    return NULL;
}

SCENARIO(cancelled_acquire_answers_and_has_no_effect) {
    struct wish wish = {5, GMP_FOREVER};
    gmp_task_t *task;
    CHECK_OK(gmp_sem_release(&sem, 1));
    CHECK_OK(gmp_spawn(marked_waits, &wish, NULL, &task));
    until_parked(1);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_CODE(code_of(task), GMP_OK);
    holds(1);
}

/* Those behind waited because of the large one only: what is there is for them when it goes away. */
static void large_one_goes_away(int by_deadline) {
    enum { SMALL = 3 };
    struct wish large = {9, by_deadline ? gmp_after_ns(50 * MS) : GMP_FOREVER}, one = {1, GMP_FOREVER};
    gmp_task_t *task, *small[SMALL];
    CHECK_OK(gmp_sem_release(&sem, SMALL));
    CHECK_OK(gmp_spawn(acquire_or_not, &large, NULL, &task));
    if (!by_deadline) until_parked(1);
    for (int i = 0; i < SMALL; i++) CHECK_OK(gmp_spawn(acquire_or_not, &one, NULL, &small[i]));
    if (!by_deadline) {
        until_parked(1 + SMALL);
        CHECK_OK(gmp_task_cancel(task));
    }
    CHECK_CODE(code_of(task), by_deadline ? GMP_ETIMEDOUT : GMP_ECANCELED);
    for (int i = 0; i < SMALL; i++) CHECK_CODE(code_of(small[i]), GMP_OK);
    holds(0);
}

SCENARIO(those_behind_a_cancelled_request_are_served) { large_one_goes_away(0); }
SCENARIO(those_behind_a_request_whose_deadline_passed_are_served) { large_one_goes_away(1); }

static gmp_task_t *to_cancel;

static void cancel_it(void *arg) {
    spin_for((intptr_t)arg);
    CHECK_OK(gmp_task_cancel(to_cancel));
}

/* Release, cancellation and deadline at the same moment: the permits are with whoever was told so, or still there. */
SCENARIO(release_against_cancellation_and_deadline_loses_no_permit) {
    uint64_t random = check_seed();
    int got = 0;
    for (int round = 0; round < 2500; round++) {
        struct wish first = {1 + (uint32_t)(check_random(&random) % 3), GMP_FOREVER}, second = {1, GMP_FOREVER};
        struct party canceller;
        gmp_task_t *other;
        uint32_t left;
        if (round % 4 == 0) first.deadline = gmp_after_ns((int64_t)(check_random(&random) % 50000));
        CHECK_OK(gmp_spawn(acquire_or_not, &first, NULL, &to_cancel));
        CHECK_OK(gmp_spawn(acquire_or_not, &second, NULL, &other));
        intptr_t after = (intptr_t)(check_random(&random) % 20000);
        party_start(&canceller, round % 3 ? TASK : THREAD, cancel_it, (void *)after);
        spin_for((int64_t)(check_random(&random) % 30000));
        CHECK_OK(gmp_sem_release(&sem, 2));
        CHECK_OK(gmp_sem_release(&sem, 2));
        party_end(&canceller);
        int code = code_of(to_cancel);
        CHECK(code == GMP_OK || code == GMP_ECANCELED || (round % 4 == 0 && code == GMP_ETIMEDOUT));
        got += code == GMP_OK;
        CHECK_CODE(code_of(other), GMP_OK);
        left = 4 - 1 - (code == GMP_OK ? first.n : 0);
        holds(left);
        CHECK_OK(gmp_sem_acquire(&sem, left, GMP_NOWAIT));
    }
    printf("%d of 2500 got theirs\n", got);
    holds(0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ memory */
enum { USED = 3000 };
static char *pages;

/* Back with the permits it frees the semaphore: the last release may still be returning. */
static void acquire_and_free(void *arg) {
    for (int round = 0; round < USED; round++) {
        gmp_sem_t *mine = (gmp_sem_t *)(pages + round * PAGE);
        meet(round, 3);
        if (arg != NULL && round % 2) { /* never waits: it sees the permits the moment that they are there */
            POLL_UNTIL(gmp_sem_acquire(mine, 2, GMP_NOWAIT) == GMP_OK);
        } else {
            CHECK_OK(gmp_sem_acquire(mine, 2, GMP_FOREVER));
        }
        page_free(mine);
    }
}

static void release_each(void *arg) {
    (void)arg;
    for (int round = 0; round < USED; round++) {
        gmp_sem_t *mine = (gmp_sem_t *)(pages + round * PAGE);
        meet(round, 3);
        CHECK_OK(gmp_sem_release(mine, 1));
    }
}

static void freed_after_the_acquire(enum kind acquires, enum kind one, enum kind other, int polls) {
    struct party party[3];
    pages = pages_new(USED);
    party_start(&party[0], acquires, acquire_and_free, polls ? pages : NULL);
    party_start(&party[1], one, release_each, NULL);
    party_start(&party[2], other, release_each, NULL);
    parties_end(party, 3);
}

SCENARIO(memory_may_go_after_an_acquire_by_a_task) { freed_after_the_acquire(TASK, TASK, TASK, 0); }
SCENARIO(memory_may_go_after_an_acquire_from_a_thread) { freed_after_the_acquire(TASK, TASK, THREAD, 1); }
SCENARIO(memory_may_go_after_an_acquire_by_a_thread) { freed_after_the_acquire(THREAD, TASK, THREAD, 1); }
