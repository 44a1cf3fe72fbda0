/* Cancellation of tasks that wait on channels: answered, without effect, nothing lost or doubled. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <sched.h>

#include "check.h"

enum { SENTINEL = -77 };

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

static void parked(int64_t wanted) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked != wanted) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(20000));
    }
}

/* ------------------------------------------------------------ one wait */
struct waiter {
    gmp_chan_t *chan;
    gmp_time_t deadline;
    gmp_task_t *task;
    int op, value, code;
};

static void *wait_on(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    waiter->code = waiter->op == GMP_CASE_SEND ? gmp_chan_send(waiter->chan, &waiter->value, waiter->deadline)
                                               : gmp_chan_recv(waiter->chan, &waiter->value, waiter->deadline);
    return NULL;
}

static void start(struct waiter *waiter, gmp_chan_t *chan, int op, gmp_time_t deadline) {
    *waiter = (struct waiter){chan, deadline, NULL, op, SENTINEL, 1};
    CHECK_OK(gmp_spawn(wait_on, waiter, NULL, &waiter->task));
}

static void cancel_each_wait(void *arg) {
    (void)arg;
    for (int round = 0; round < 200; round++) {
        int op = 1 + round % 2, capacity = round / 2 % 2, value = 5;
        gmp_chan_t *chan = ints((size_t)capacity);
        struct waiter waiter;
        if (capacity && op == GMP_CASE_SEND) CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
        start(&waiter, chan, op, round / 4 % 2 ? GMP_FOREVER : SOON());
        if (round / 8 % 2) parked(1); /* else at any moment before it waits */
        CHECK_OK(gmp_task_cancel(waiter.task));
        CHECK_OK(gmp_join(waiter.task, SOON(), NULL));
        CHECK_CODE(waiter.code, GMP_ECANCELED);
        CHECK_EQ(waiter.value, SENTINEL);
        /* And it left no trace. */
        if (capacity && op == GMP_CASE_SEND) CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
        CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_EQ(value, 5);
        if (!capacity) CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
        gmp_chan_free(chan);
    }
}

//@ with GMP_MAXPROCS=1
SCENARIO(cancel_ends_a_wait_and_the_wait_had_no_effect) {
    cancel_each_wait(NULL);
    CHECK_OK(gmp_run(cancel_each_wait, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ a task that is cancelled already */
static atomic_int go_on;

static void *work_when_cancelled(void *arg) {
    gmp_chan_t *room = ints(1), *empty = ints(0), *closed = ints(0);
    int value = 5;
    while (!atomic_load(&go_on)) gmp_yield();
    CHECK_OK(gmp_chan_close(closed));
    for (int i = 0; i < 10; i++) {
        /* What can be done without waiting is done. */
        CHECK_OK(gmp_chan_send(room, &value, i % 2 ? GMP_FOREVER : SOON()));
        CHECK_CODE(gmp_chan_recv(closed, NULL, GMP_FOREVER), GMP_ECLOSED);
        CHECK_CODE(gmp_chan_send(closed, &value, GMP_FOREVER), GMP_ECLOSED);
        /* Then: not told to wait, too late, cancelled, in this order. */
        CHECK_CODE(gmp_chan_send(room, &value, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_send(room, &value, gmp_now() - SECOND), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_chan_send(room, &value, GMP_FOREVER), GMP_ECANCELED);
        CHECK_CODE(gmp_chan_send(room, &value, SOON()), GMP_ECANCELED);
        CHECK_CODE(gmp_chan_recv(empty, &value, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_recv(empty, &value, -1), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_chan_recv(empty, &value, GMP_FOREVER), GMP_ECANCELED);
        CHECK_CODE(gmp_chan_recv(empty, &value, SOON()), GMP_ECANCELED);
        CHECK_CODE(gmp_chan_recv(NULL, &value, GMP_FOREVER), GMP_ECANCELED);
        CHECK_OK(gmp_chan_recv(room, &value, GMP_FOREVER));
        CHECK_EQ(value, 5);
    }
    gmp_chan_free(room);
    gmp_chan_free(empty);
    gmp_chan_free(closed);
    return arg;
}

SCENARIO(cancelled_task_does_what_needs_no_wait_and_waits_no_more) {
    gmp_task_t *task;
    check_start(2);
    CHECK_OK(gmp_spawn(work_when_cancelled, NULL, NULL, &task));
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_task_cancel(task)); /* a second time changes nothing */
    atomic_store(&go_on, 1);
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void *wait_shielded(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    CHECK_EQ(gmp_shield(1), 0);
    wait_on(waiter);
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_CODE(gmp_chan_recv(NULL, NULL, GMP_FOREVER), GMP_ECANCELED);
    return NULL;
}

SCENARIO(shielded_wait_goes_on_until_the_value_comes) {
    check_start(2);
    for (int round = 0; round < 50; round++) {
        struct waiter waiter = {ints(0), round % 2 ? GMP_FOREVER : SOON(), NULL, GMP_CASE_RECV, SENTINEL, 1};
        CHECK_OK(gmp_spawn(wait_shielded, &waiter, NULL, &waiter.task));
        if (round % 4 < 2) parked(1);
        CHECK_OK(gmp_task_cancel(waiter.task));
        parked(1);
        CHECK_OK(gmp_chan_send(waiter.chan, &round, GMP_NOWAIT));
        CHECK_OK(gmp_join(waiter.task, SOON(), NULL));
        CHECK_OK(waiter.code);
        CHECK_EQ(waiter.value, round);
        gmp_chan_free(waiter.chan);
    }
}

/* ------------------------------------------------------------ cancel against the hand-over */
static gmp_chan_t *hammered;
static gmp_task_t *_Atomic target;
static atomic_int cancelled;

static void *cancel_what_comes(void *arg) {
    gmp_task_t *task;
    while ((task = atomic_exchange(&target, NULL)) != (gmp_task_t *)&target) {
        if (!task) {
            sched_yield();
            continue;
        }
        CHECK_OK(gmp_task_cancel(task));
        atomic_store(&cancelled, 1);
    }
    return arg;
}

/* One of the two happened, and both sides know which. */
SCENARIO(cancel_against_a_hand_over_ends_in_one_of_both) {
    uint64_t random = check_seed();
    pthread_t thread;
    check_start(2);
    CHECK_EQ(pthread_create(&thread, NULL, cancel_what_comes, NULL), 0);
    for (int round = 0; round < 2000; round++) {
        int op = 1 + round % 2, value = round, code;
        uint64_t turns = check_random(&random) % 600;
        struct waiter waiter;
        hammered = ints(0);
        start(&waiter, hammered, op, GMP_FOREVER);
        if (round % 8) parked(1);
        atomic_store(&cancelled, 0);
        atomic_store(&target, waiter.task);
        while (turns-- > 0) __asm__ volatile("");
        if (op == GMP_CASE_SEND) code = gmp_chan_recv(hammered, &value, GMP_NOWAIT);
        else code = gmp_chan_send(hammered, &value, GMP_NOWAIT);
        while (!atomic_load(&cancelled)) sched_yield();
        CHECK_OK(gmp_join(waiter.task, SOON(), NULL));
        CHECK(code == GMP_OK || code == GMP_EAGAIN);
        CHECK_CODE(waiter.code, code == GMP_OK ? GMP_OK : GMP_ECANCELED);
        if (op == GMP_CASE_SEND) CHECK_EQ(value, code == GMP_OK ? SENTINEL : round);
        else CHECK_EQ(waiter.value, code == GMP_OK ? round : SENTINEL);
        gmp_chan_free(hammered);
    }
    atomic_store(&target, (gmp_task_t *)&target);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* ------------------------------------------------------------ exact accounts under cancellation and deadlines */
enum { TASKS = 6, SENDERS = TASKS + 1, EACH = 500 };
static gmp_chan_t *chan;
static unsigned char sent[SENDERS * EACH];
static _Atomic unsigned char received[SENDERS * EACH];
static atomic_int stop;
static uint64_t round_seed;

static gmp_time_t some_deadline(uint64_t *random, int may_wait_for_ever) {
    switch (check_random(random) % 8) {
    case 0: return GMP_NOWAIT;
    case 1: return -1;
    case 2: return gmp_after_ns((int64_t)(check_random(random) % 300));
    case 3: return gmp_after_ns((int64_t)(check_random(random) % 20000));
    default: return may_wait_for_ever ? GMP_FOREVER : gmp_after_ns((int64_t)(check_random(random) % 100000));
    }
}

static void fits(int code, gmp_time_t deadline, int is_task) {
    if (code == GMP_OK || (is_task && code == GMP_ECANCELED)) return;
    CHECK_CODE(code, deadline == GMP_NOWAIT ? GMP_EAGAIN : GMP_ETIMEDOUT);
}

static void *send_until_cancelled(void *arg) {
    int self = (int)(intptr_t)arg, is_task = self < TASKS, cancels = 0;
    uint64_t random = round_seed + (uint64_t)self * 7919 + 1;
    for (int number = self * EACH; number < (self + 1) * EACH && cancels < 5; number++) {
        gmp_time_t deadline = some_deadline(&random, is_task);
        int code = gmp_chan_send(chan, &number, deadline);
        fits(code, deadline, is_task);
        sent[number] = code == GMP_OK;
        cancels += code == GMP_ECANCELED;
        if (!is_task && atomic_load(&stop)) break;
    }
    return NULL;
}

static void *recv_until_cancelled(void *arg) {
    int is_task = (intptr_t)arg < TASKS, cancels = 0;
    uint64_t random = round_seed + (uint64_t)(intptr_t)arg * 104729 + 2;
    while (cancels < 5 && (is_task || !atomic_load(&stop))) {
        gmp_time_t deadline = some_deadline(&random, is_task);
        int number = SENTINEL, code = gmp_chan_recv(chan, &number, deadline);
        fits(code, deadline, is_task);
        if (code == GMP_OK) {
            CHECK(number >= 0 && number < SENDERS * EACH);
            CHECK_EQ(atomic_fetch_add(&received[number], 1), 0);
        } else {
            CHECK_EQ(number, SENTINEL);
        }
        cancels += code == GMP_ECANCELED;
    }
    return NULL;
}

static void one_round(size_t capacity, uint64_t *random) {
    gmp_task_t *task[2 * TASKS];
    pthread_t thread[2];
    int number, left = 2 * TASKS;
    chan = ints(capacity);
    round_seed = check_random(random);
    memset(sent, 0, sizeof sent);
    memset((void *)received, 0, sizeof received);
    atomic_store(&stop, 0);
    for (intptr_t i = 0; i < 2 * TASKS; i++) {
        void *(*fn)(void *) = i < TASKS ? send_until_cancelled : recv_until_cancelled;
        CHECK_OK(gmp_spawn(fn, (void *)(i % TASKS), NULL, &task[i]));
    }
    CHECK_EQ(pthread_create(&thread[0], NULL, send_until_cancelled, (void *)TASKS), 0);
    CHECK_EQ(pthread_create(&thread[1], NULL, recv_until_cancelled, (void *)TASKS), 0);
    while (left > 0) {
        int i = (int)(check_random(random) % (uint64_t)left);
        gmp_task_t *victim = task[i];
        if (check_random(random) % 3) CHECK_OK(gmp_sleep((int64_t)(check_random(random) % 60000)));
        CHECK_OK(gmp_task_cancel(victim));
        task[i] = task[--left];
        task[left] = victim;
    }
    for (int i = 0; i < 2 * TASKS; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    while (gmp_chan_recv(chan, &number, GMP_NOWAIT) == GMP_OK) {
        CHECK_EQ(atomic_fetch_add(&received[number], 1), 0);
    }
    CHECK_EQ(gmp_chan_len(chan), 0);
    for (int i = 0; i < SENDERS * EACH; i++) CHECK_EQ(atomic_load(&received[i]), sent[i]);
    gmp_chan_free(chan);
}

//@ with GMP_MAXPROCS=1
SCENARIO(sends_that_succeeded_are_received_once_and_cancelled_ones_never) {
    static const size_t capacities[] = {0, 0, 1, 5};
    uint64_t random = check_seed();
    for (int round = 0; round < 400; round++) one_round(capacities[round % 4], &random);
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}
