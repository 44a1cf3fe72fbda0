/* Conditions whose waits are cancelled or expire, against wakes that come at the same moment; and memory that goes. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_mutex_t mutex;
static gmp_cond_t cond;

static void lock(void) { CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER)); }
static void unlock(void) { CHECK_OK(gmp_mutex_unlock(&mutex)); }
static void held(void) { CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN); }

static int code_of(gmp_task_t *task) {
    void *result;
    CHECK_OK(gmp_join(task, SOON(), &result));
    return (int)(intptr_t)result;
}

static int plain; /* under the mutex */

static void *wait_until_cancelled(void *arg) {
    (void)arg;
    lock();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, GMP_FOREVER), GMP_ECANCELED);
    CHECK_EQ(plain, 4711); /* what the holder did before its unlock */
    held();
    /* The mark stays, and counts last of all; the mutex is kept every time. */
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, GMP_NOWAIT), GMP_EAGAIN);
    held();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, gmp_now() - 1), GMP_ETIMEDOUT);
    held();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, SOON()), GMP_ECANCELED);
    held();
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_shield(0), 1);
    held();
    unlock();
    return NULL;
}

/* The way back to the mutex is no wait that a cancellation could end. */
SCENARIO(cancelled_wait_waits_for_the_mutex) {
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(wait_until_cancelled, NULL, NULL, &task));
    until_parked(1);
    lock();
    CHECK_OK(gmp_task_cancel(task));
    CHECK_CODE(gmp_join(task, gmp_after_ns(5 * MS), NULL), GMP_ETIMEDOUT);
    until_parked(1);
    held();
    plain = 4711;
    unlock();
    CHECK_CODE(code_of(task), GMP_OK);
    lock();
    unlock();
    CHECK_CODE(gmp_mutex_unlock(&mutex), GMP_EMISUSE);
    CHECK_OK(gmp_cond_signal(&cond));
    CHECK_OK(gmp_cond_broadcast(&cond));
}

static gmp_time_t expiry; /* under the mutex */

static void wait_shortly(void *arg) {
    lock();
    expiry = gmp_after_ns(20 * MS);
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, expiry), GMP_ETIMEDOUT);
    *(int *)arg = plain;
    held();
    unlock();
}

/* True: we had the mutex before the deadline, so the wait was over only when we gave it up. */
static int hold_past_the_deadline(enum kind waits) {
    struct party party;
    int saw = 0, in_time = 0;
    lock();
    expiry = 0;
    plain = 0;
    unlock();
    party_start(&party, waits, wait_shortly, &saw);
    for (gmp_time_t now = 0; now == 0;) {
        lock();
        if (expiry != 0) {
            now = gmp_now();
            in_time = now < expiry;
            while (gmp_now() < expiry + MS) usleep(100);
            plain = 4711;
        }
        unlock();
        give_way();
    }
    party_end(&party);
    if (in_time) CHECK_EQ(saw, 4711);
    return in_time;
}

SCENARIO(wait_whose_deadline_passed_waits_for_the_mutex) {
    CHECK_OK(gmp_start(NULL));
    for (int i = 0; i < 10; i++) {
        for (int tries = 1; !hold_past_the_deadline(i % 2 ? THREAD : TASK); tries++) CHECK(tries < 50);
    }
}

/* ------------------------------------------------------------ against wakes */
static int tickets; /* under the mutex */

static void *wait_with_a_ticket(void *deadline) {
    lock();
    tickets++;
    int code = gmp_cond_wait(&cond, &mutex, deadline ? *(gmp_time_t *)deadline : GMP_FOREVER);
    held();
    unlock();
    return (void *)(intptr_t)code;
}

static void until_tickets(int n) {
    for (int now = -1; now != n;) {
        lock();
        now = tickets;
        unlock();
        if (now != n) usleep(10);
    }
}

static gmp_task_t *to_cancel;

static void cancel_it(void *arg) {
    spin_for((intptr_t)arg);
    CHECK_OK(gmp_task_cancel(to_cancel));
}

/* One wake, two waiters, and the older of them goes away at that moment. Either it took the wake, and the other still
 * waits; or it did not, and the other has it. */
static void one_wake_for_two(int by_deadline) {
    uint64_t random = check_seed();
    int took = 0;
    for (int round = 0; round < 1500; round++) {
        gmp_task_t *other;
        struct party canceller;
        gmp_time_t deadline = gmp_after_ns(50000 + (int64_t)(check_random(&random) % 50000));
        tickets = 0;
        CHECK_OK(gmp_spawn(wait_with_a_ticket, by_deadline ? &deadline : NULL, NULL, &to_cancel));
        until_tickets(1);
        CHECK_OK(gmp_spawn(wait_with_a_ticket, NULL, NULL, &other));
        until_tickets(2);
        if (by_deadline) {
            int64_t left = deadline - gmp_now() + (int64_t)(check_random(&random) % 20000) - 10000;
            if (left > 0) spin_for(left);
        } else {
            intptr_t after = (intptr_t)(check_random(&random) % 15000);
            party_start(&canceller, round % 4 ? TASK : THREAD, cancel_it, (void *)after);
            spin_for((int64_t)(check_random(&random) % 20000));
        }
        CHECK_OK(gmp_cond_signal(&cond));
        if (!by_deadline) party_end(&canceller);
        int code = code_of(to_cancel);
        if (code == GMP_OK) {
            took++;
            until_parked(1); /* nobody else was woken by it */
            CHECK_OK(gmp_cond_signal(&cond));
        } else {
            CHECK_CODE(code, by_deadline ? GMP_ETIMEDOUT : GMP_ECANCELED);
        }
        CHECK_CODE(code_of(other), GMP_OK);
    }
    printf("%d of 1500 took the wake\n", took);
    CHECK_OK(gmp_mutex_trylock(&mutex));
    unlock();
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(wake_against_cancellation_goes_to_exactly_one) { one_wake_for_two(0); }
SCENARIO(wake_against_deadline_goes_to_exactly_one) { one_wake_for_two(1); }

SCENARIO(one_that_is_cancelled_leaves_the_order_of_the_others) {
    enum { WAITERS = 7 };
    for (int gone = 0; gone < WAITERS; gone++) {
        gmp_task_t *task[WAITERS];
        tickets = 0;
        for (int i = 0; i < WAITERS; i++) {
            CHECK_OK(gmp_spawn(wait_with_a_ticket, NULL, NULL, &task[i]));
            until_tickets(i + 1);
        }
        CHECK_OK(gmp_task_cancel(task[gone]));
        CHECK_CODE(code_of(task[gone]), GMP_ECANCELED);
        for (int i = 0; i < WAITERS; i++) {
            if (i == gone) continue;
            CHECK_OK(gmp_cond_signal(&cond));
            CHECK_CODE(code_of(task[i]), GMP_OK);
        }
    }
}

/* ------------------------------------------------------------ memory */
enum { ROUNDS = 3000 };
static char *pages;

struct shared {
    gmp_mutex_t mutex;
    gmp_cond_t cond;
    int waits, ready;
};

/* Frees both as soon as it is back: the wake and the unlock of the other side may still be returning. */
static void wait_and_free(void *arg) {
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct shared *mine = (struct shared *)(pages + round * PAGE);
        meet(round, 2);
        CHECK_OK(gmp_mutex_lock(&mine->mutex, GMP_FOREVER));
        mine->waits = 1;
        while (!mine->ready) CHECK_OK(gmp_cond_wait(&mine->cond, &mine->mutex, GMP_FOREVER));
        CHECK_OK(gmp_mutex_unlock(&mine->mutex));
        page_free(mine);
    }
}

static void wake_under_the_lock(struct shared *mine, int round) {
    CHECK_OK(gmp_mutex_lock(&mine->mutex, GMP_FOREVER));
    mine->ready = 1;
    CHECK_OK(round % 2 ? gmp_cond_signal(&mine->cond) : gmp_cond_broadcast(&mine->cond));
    CHECK_OK(gmp_mutex_unlock(&mine->mutex));
}

/* Allowed because the other one cannot leave its wait before: it had begun to wait when the mutex was free. */
static void wake_after_the_lock(struct shared *mine, int round) {
    for (int waits = 0; !waits;) {
        CHECK_OK(gmp_mutex_lock(&mine->mutex, GMP_FOREVER));
        waits = mine->waits;
        if (waits) mine->ready = 1;
        CHECK_OK(gmp_mutex_unlock(&mine->mutex));
        if (!waits) give_way();
    }
    CHECK_OK(round % 2 ? gmp_cond_signal(&mine->cond) : gmp_cond_broadcast(&mine->cond));
}

static void wake_rounds(void *arg) {
    for (int round = 0; round < ROUNDS; round++) {
        struct shared *mine = (struct shared *)(pages + round * PAGE);
        meet(round, 2);
        arg ? wake_under_the_lock(mine, round) : wake_after_the_lock(mine, round);
    }
}

static void freed_after_the_wait(enum kind waiter, enum kind waker, int under_the_lock) {
    struct party party[2];
    pages = pages_new(ROUNDS);
    party_start(&party[0], waiter, wait_and_free, NULL);
    party_start(&party[1], waker, wake_rounds, under_the_lock ? pages : NULL);
    parties_end(party, 2);
}

SCENARIO(memory_may_go_after_a_wake_under_the_lock) { freed_after_the_wait(TASK, TASK, 1); }
SCENARIO(memory_may_go_after_a_wake_after_the_lock) { freed_after_the_wait(TASK, TASK, 0); }
SCENARIO(memory_may_go_after_a_task_was_woken_by_a_thread) { freed_after_the_wait(TASK, THREAD, 0); }
SCENARIO(memory_may_go_after_a_thread_was_woken_by_a_task) { freed_after_the_wait(THREAD, TASK, 1); }
SCENARIO(memory_may_go_after_a_thread_was_woken_by_a_thread) { freed_after_the_wait(THREAD, THREAD, 0); }
