/* Selects whose task is cancelled or whose deadline passes: no case happened, nothing is lost or doubled. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

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

/* ------------------------------------------------------------ one select over n channels, both ways */
enum { MOST = 20 };

struct selection {
    gmp_case_t cases[MOST];
    int value[MOST], code;
    size_t n, chosen;
    gmp_time_t deadline;
};

static void set_up(struct selection *selection, size_t n, gmp_time_t deadline) {
    selection->n = n;
    selection->chosen = 99;
    selection->deadline = deadline;
    for (size_t i = 0; i < n; i++) {
        selection->value[i] = SENTINEL;
        selection->cases[i] = (gmp_case_t){1 + (int32_t)i % 2, 9, ints(0), &selection->value[i]};
    }
}

static void *wait_in_select(void *arg) {
    struct selection *selection = (struct selection *)arg;
    selection->code = gmp_select(selection->cases, selection->n, selection->deadline, &selection->chosen);
    return NULL;
}

static void had_no_effect(struct selection *selection, int code) {
    CHECK_CODE(selection->code, code);
    CHECK_EQ(selection->chosen, 99);
    for (size_t i = 0; i < selection->n; i++) {
        int value = 1;
        CHECK(selection->value[i] == SENTINEL && selection->cases[i].status == 9);
        CHECK_CODE(gmp_chan_send(selection->cases[i].chan, &value, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_recv(selection->cases[i].chan, &value, GMP_NOWAIT), GMP_EAGAIN);
        gmp_chan_free(selection->cases[i].chan);
    }
}

static void cancel_each(void *arg) {
    (void)arg;
    for (int round = 0; round < 200; round++) {
        struct selection selection;
        gmp_task_t *task;
        set_up(&selection, 1 + (size_t)round % MOST, round % 2 ? GMP_FOREVER : SOON());
        CHECK_OK(gmp_spawn(wait_in_select, &selection, NULL, &task));
        if (round / 2 % 2) parked(1);
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        had_no_effect(&selection, GMP_ECANCELED);
    }
}

//@ with GMP_MAXPROCS=1
SCENARIO(cancel_ends_a_select_and_no_case_happened) {
    cancel_each(NULL);
    CHECK_OK(gmp_run(cancel_each, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void time_out_each(void *arg) {
    (void)arg;
    for (int round = 0; round < 60; round++) {
        struct selection selection;
        set_up(&selection, 1 + (size_t)round % MOST, gmp_after_ns(round * 5000));
        wait_in_select(&selection);
        CHECK(gmp_now() >= selection.deadline);
        had_no_effect(&selection, GMP_ETIMEDOUT);
    }
}

SCENARIO(select_does_not_end_before_its_deadline_and_no_case_happened) {
    time_out_each(NULL);
    CHECK_OK(gmp_run(time_out_each, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static atomic_int go_on;

static void *select_when_cancelled(void *arg) {
    gmp_chan_t *room = ints(1), *empty = ints(0);
    int value = 5;
    while (!atomic_load(&go_on)) gmp_yield();
    for (int i = 0; i < 10; i++) {
        gmp_case_t cases[2] = {{GMP_CASE_RECV, 9, empty, &value}, {GMP_CASE_SEND, 9, room, &value}};
        size_t chosen = 99;
        CHECK_OK(gmp_select(cases, 2, i % 2 ? GMP_FOREVER : SOON(), &chosen)); /* needs no wait */
        CHECK_EQ(chosen, 1);
        CHECK_CODE(gmp_select(cases, 2, GMP_NOWAIT, NULL), GMP_EAGAIN);
        CHECK_CODE(gmp_select(cases, 2, -1, NULL), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_select(cases, 2, GMP_FOREVER, NULL), GMP_ECANCELED);
        CHECK_CODE(gmp_select(cases, 2, SOON(), NULL), GMP_ECANCELED);
        CHECK_CODE(gmp_select(NULL, 0, GMP_FOREVER, NULL), GMP_ECANCELED);
        CHECK_OK(gmp_chan_recv(room, NULL, GMP_NOWAIT));
    }
    gmp_chan_free(room);
    gmp_chan_free(empty);
    return arg;
}

SCENARIO(cancelled_task_selects_what_is_ready_and_waits_no_more) {
    gmp_task_t *task;
    check_start(2);
    CHECK_OK(gmp_spawn(select_when_cancelled, NULL, NULL, &task));
    CHECK_OK(gmp_task_cancel(task));
    atomic_store(&go_on, 1);
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

/* A deadline, a value and a close come together: one answer, and the others know. */
SCENARIO(value_against_deadline_ends_in_one_of_both) {
    uint64_t random = check_seed();
    int in_time = 0;
    check_start(2);
    for (int round = 0; round < 2000; round++) {
        struct selection selection;
        gmp_task_t *task;
        int value = round, code;
        set_up(&selection, 2 + (size_t)round % 10, gmp_after_ns((int64_t)(check_random(&random) % 150000)));
        CHECK_OK(gmp_spawn(wait_in_select, &selection, NULL, &task));
        CHECK_OK(gmp_sleep((int64_t)(check_random(&random) % 120000)));
        code = gmp_chan_send(selection.cases[1].chan, &value, GMP_NOWAIT);
        CHECK_OK(gmp_join(task, SOON(), NULL));
        if (code == GMP_OK) {
            CHECK_OK(selection.code);
            CHECK_EQ(selection.chosen, 1);
            CHECK_EQ(selection.value[1], round);
            in_time++;
            for (size_t i = 0; i < selection.n; i++) gmp_chan_free(selection.cases[i].chan);
        } else {
            CHECK_CODE(code, GMP_EAGAIN);
            had_no_effect(&selection, GMP_ETIMEDOUT);
        }
    }
    printf("%d of 2000 in time\n", in_time);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ exact accounts, seeded */
enum { CHANNELS = 5, TASKS = 10, SIDES = TASKS + 2, EACH = 300 };
static gmp_chan_t *chan[CHANNELS];
static unsigned char sent[SIDES * EACH];
static _Atomic unsigned char received[SIDES * EACH];
static atomic_int stop;
static uint64_t round_seed;

static gmp_time_t draw_deadline(uint64_t *random, int may_wait_for_ever) {
    switch (check_random(random) % 8) {
    case 0: return GMP_NOWAIT;
    case 1: return -1;
    case 2: return gmp_after_ns((int64_t)(check_random(random) % 300));
    case 3: return gmp_after_ns((int64_t)(check_random(random) % 20000));
    default: return may_wait_for_ever ? GMP_FOREVER : gmp_after_ns((int64_t)(check_random(random) % 100000));
    }
}

/* Every select offers to send the next number and to receive one, on channels drawn anew: whatever it answers, at most
 * one of its cases happened. */
static void *send_and_recv_until_cancelled(void *arg) {
    int self = (int)(intptr_t)arg, is_task = self < TASKS, cancels = 0, number = self * EACH;
    uint64_t random = round_seed + (uint64_t)self * 7919 + 1;
    while (cancels < 4 && (is_task || !atomic_load(&stop))) {
        gmp_time_t deadline = draw_deadline(&random, is_task);
        gmp_case_t cases[12];
        int in = SENTINEL, out = number, code;
        size_t n = 1 + check_random(&random) % 12, chosen = 99;
        for (size_t i = 0; i < n; i++) {
            uint64_t draw = check_random(&random) % (CHANNELS + 1);
            int sends = number < (self + 1) * EACH && check_random(&random) % 2;
            cases[i] = (gmp_case_t){sends ? GMP_CASE_SEND : GMP_CASE_RECV, 9, draw < CHANNELS ? chan[draw] : NULL,
                                    sends ? &out : &in};
        }
        code = gmp_select(cases, n, deadline, &chosen);
        CHECK_EQ(out, number);
        if (code == GMP_OK) {
            CHECK(chosen < n && cases[chosen].chan && cases[chosen].status == GMP_OK);
        } else {
            CHECK(chosen == 99 && in == SENTINEL);
            if (code != GMP_ECANCELED || !is_task) CHECK_CODE(code, deadline ? GMP_ETIMEDOUT : GMP_EAGAIN);
            cancels += code == GMP_ECANCELED;
            continue;
        }
        if (cases[chosen].op == GMP_CASE_SEND) {
            CHECK_EQ(in, SENTINEL);
            sent[number++] = 1;
        } else {
            CHECK(in >= 0 && in < SIDES * EACH);
            CHECK_EQ(atomic_fetch_add(&received[in], 1), 0);
        }
    }
    return NULL;
}

static void one_round(uint64_t *random) {
    gmp_task_t *task[TASKS];
    pthread_t thread[SIDES - TASKS];
    int left = TASKS, number;
    round_seed = check_random(random);
    memset(sent, 0, sizeof sent);
    memset((void *)received, 0, sizeof received);
    atomic_store(&stop, 0);
    for (int i = 0; i < CHANNELS; i++) chan[i] = ints((size_t)(check_random(random) % 3));
    for (intptr_t i = 0; i < TASKS; i++) {
        CHECK_OK(gmp_spawn(send_and_recv_until_cancelled, (void *)i, NULL, &task[i]));
    }
    for (intptr_t i = TASKS; i < SIDES; i++) {
        CHECK_EQ(pthread_create(&thread[i - TASKS], NULL, send_and_recv_until_cancelled, (void *)i), 0);
    }
    while (left > 0) {
        int i = (int)(check_random(random) % (uint64_t)left);
        gmp_task_t *victim = task[i];
        if (check_random(random) % 4) CHECK_OK(gmp_sleep((int64_t)(check_random(random) % 80000)));
        CHECK_OK(gmp_task_cancel(victim));
        task[i] = task[--left];
        task[left] = victim;
    }
    for (int i = 0; i < TASKS; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    atomic_store(&stop, 1);
    for (int i = 0; i < SIDES - TASKS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < CHANNELS; i++) {
        while (gmp_chan_recv(chan[i], &number, GMP_NOWAIT) == GMP_OK) {
            CHECK_EQ(atomic_fetch_add(&received[number], 1), 0);
        }
        CHECK_CODE(gmp_chan_recv(chan[i], &number, GMP_NOWAIT), GMP_EAGAIN);
        gmp_chan_free(chan[i]);
    }
    for (int i = 0; i < SIDES * EACH; i++) CHECK_EQ(atomic_load(&received[i]), sent[i]);
}

//@ with GMP_MAXPROCS=1
SCENARIO(selects_that_succeeded_count_once_and_cancelled_ones_never) {
    uint64_t random = check_seed();
    for (int round = 0; round < 300; round++) one_round(&random);
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}
