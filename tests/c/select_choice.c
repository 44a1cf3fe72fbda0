/* Which of the ready cases a select takes: any, with equal chance; and what it answers for each. §20.4 to §20.6,
 * §20.13. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <math.h>
#include <pthread.h>

#include "check.h"

enum { SENTINEL = -77, TRIALS = 10000 };

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

static gmp_chan_t *filled(size_t capacity, int n) {
    gmp_chan_t *chan = ints(capacity);
    for (int i = 0; i < n; i++) CHECK_OK(gmp_chan_send(chan, &i, GMP_NOWAIT));
    return chan;
}

static gmp_chan_t *closed(void) {
    gmp_chan_t *chan = ints(0);
    CHECK_OK(gmp_chan_close(chan));
    return chan;
}

/* Within ten standard deviations of an equal share. */
static void fair(const int *times, int ready, int trials) {
    double share = (double)trials / ready, sigma = sqrt(trials * (1.0 / ready) * (1.0 - 1.0 / ready));
    for (int i = 0; i < ready; i++) {
        if (fabs(times[i] - share) <= 10 * sigma) continue;
        fprintf(stderr, "case %d of %d was taken %d times of %d\n", i, ready, times[i], trials);
        CHECK(!"a fair choice");
    }
}

/* ------------------------------------------------------------ chances */
static void two_always_ready(void *arg) {
    static const gmp_time_t deadlines[] = {GMP_NOWAIT, -1, GMP_FOREVER};
    (void)arg;
    for (int d = 0; d < 3; d++) {
        int times[2] = {0, 0}, value;
        gmp_chan_t *chan[2] = {filled(1, 1), filled(1, 1)};
        for (int i = 0; i < TRIALS; i++) {
            gmp_case_t cases[2] = {{GMP_CASE_RECV, 9, chan[0], &value}, {GMP_CASE_RECV, 9, chan[1], &value}};
            size_t chosen = 9;
            CHECK_OK(gmp_select(cases, 2, deadlines[d], &chosen));
            CHECK(chosen < 2);
            times[chosen]++;
            CHECK_OK(gmp_chan_send(chan[chosen], &value, GMP_NOWAIT));
        }
        fair(times, 2, TRIALS);
    }
}

SCENARIO(two_ready_cases_are_taken_equally_often) {
    two_always_ready(NULL);
    CHECK_OK(gmp_run(two_always_ready, NULL));
}

/* Ready for five different reasons. */
static void five_always_ready(void *arg) {
    int times[5] = {0}, value = 0;
    gmp_chan_t *data = filled(2, 1), *room = ints(1), *ended = closed(), *both = filled(2, 1);
    (void)arg;
    for (int i = 0; i < TRIALS; i++) {
        gmp_case_t cases[5] = {{GMP_CASE_RECV, 9, data, NULL},
                               {GMP_CASE_SEND, 9, room, &value},
                               {GMP_CASE_RECV, 9, ended, NULL},
                               {GMP_CASE_SEND, 9, both, &value},
                               {GMP_CASE_RECV, 9, both, NULL}};
        size_t chosen = 9;
        CHECK_OK(gmp_select(cases, 5, GMP_NOWAIT, &chosen));
        CHECK(chosen < 5);
        CHECK_CODE(cases[chosen].status, chosen == 2 ? GMP_ECLOSED : GMP_OK);
        times[chosen]++;
        if (chosen == 0) CHECK_OK(gmp_chan_send(data, &value, GMP_NOWAIT));
        if (chosen == 1) CHECK_OK(gmp_chan_recv(room, NULL, GMP_NOWAIT));
        if (chosen == 3) CHECK_OK(gmp_chan_recv(both, NULL, GMP_NOWAIT));
        if (chosen == 4) CHECK_OK(gmp_chan_send(both, &value, GMP_NOWAIT));
    }
    fair(times, 5, TRIALS);
}

SCENARIO(five_cases_ready_for_different_reasons_are_taken_equally_often) {
    five_always_ready(NULL);
    CHECK_OK(gmp_run(five_always_ready, NULL));
}

static void ready_among_others(void *arg) {
    enum { N = 40 };
    static const int ready[5] = {0, 7, 8, 21, 39};
    int times[5] = {0}, value = 0;
    gmp_chan_t *never = ints(0), *data = filled(1, 1);
    gmp_case_t cases[N];
    (void)arg;
    for (int k = 0; k < N; k++) cases[k] = (gmp_case_t){1 + k % 2, 9, k % 3 ? never : NULL, &value};
    for (int k = 0; k < 5; k++) cases[ready[k]] = (gmp_case_t){GMP_CASE_RECV, 9, data, NULL};
    for (int i = 0; i < TRIALS; i++) {
        size_t chosen = 99;
        int k = 0;
        CHECK_OK(gmp_select(cases, N, GMP_NOWAIT, &chosen));
        while (k < 5 && ready[k] != (int)chosen) k++;
        CHECK(k < 5);
        times[k]++;
        CHECK_OK(gmp_chan_send(data, &value, GMP_NOWAIT));
    }
    fair(times, 5, TRIALS);
}

SCENARIO(ready_cases_among_many_that_are_not_are_taken_equally_often) {
    ready_among_others(NULL);
    CHECK_OK(gmp_run(ready_among_others, NULL));
}

/* The choice of one select says nothing about the next. */
SCENARIO(choices_that_follow_each_other_are_independent) {
    int pairs[4] = {0}, value = 0;
    size_t last = 0;
    gmp_chan_t *data = filled(1, 1);
    gmp_case_t cases[2] = {{GMP_CASE_RECV, 9, data, NULL}, {GMP_CASE_RECV, 9, data, NULL}};
    for (int i = 0; i < 4 * TRIALS; i++) {
        size_t chosen = 9;
        CHECK_OK(gmp_select(cases, 2, GMP_NOWAIT, &chosen));
        CHECK_OK(gmp_chan_send(data, &value, GMP_NOWAIT));
        pairs[2 * last + chosen]++;
        last = chosen;
    }
    fair(pairs, 4, 4 * TRIALS);
}

/* ------------------------------------------------------------ what each kind of ready case answers */
static void *send_one(void *arg) {
    int value = 31;
    CHECK_OK(gmp_chan_send((gmp_chan_t *)arg, &value, SOON()));
    return NULL;
}

static void *recv_one(void *arg) {
    int value = SENTINEL;
    CHECK_OK(gmp_chan_recv((gmp_chan_t *)arg, &value, SOON()));
    CHECK_EQ(value, 32);
    return NULL;
}

static const gmp_time_t FORMS[] = {GMP_NOWAIT, -1, GMP_FOREVER};

static void only_one_ready(gmp_chan_t *chan, int op, int form, int status, int value_after) {
    gmp_chan_t *never = ints(0);
    int value[3] = {SENTINEL, op == GMP_CASE_SEND ? 32 : SENTINEL, SENTINEL};
    gmp_case_t cases[3] = {
        {GMP_CASE_RECV, 9, never, &value[0]}, {op, 9, chan, &value[1]}, {GMP_CASE_RECV, 9, NULL, &value[2]}};
    size_t chosen = 99;
    CHECK_OK(gmp_select(cases, 3, FORMS[form], &chosen));
    CHECK_EQ(chosen, 1);
    CHECK_CODE(cases[1].status, status);
    CHECK_EQ(value[1], value_after);
    CHECK(value[0] == SENTINEL && value[2] == SENTINEL);
    CHECK(cases[0].status == 9 && cases[2].status == 9); /* the status belongs to the chosen case */
    CHECK(cases[1].op == op && cases[1].chan == chan && cases[1].value == &value[1]);
    gmp_chan_free(never);
}

static void *(*const PARTNER[2])(void *) = {send_one, recv_one};

static void with_a_waiting_partner(size_t capacity, int partner_sends, int form) {
    gmp_chan_t *chan = filled(capacity, partner_sends ? (int)capacity : 0);
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(PARTNER[!partner_sends], chan, NULL, &task));
    while (check_stats().tasks_parked != 1) CHECK_OK(gmp_sleep(20000));
    if (partner_sends) only_one_ready(chan, GMP_CASE_RECV, form, GMP_OK, capacity ? 0 : 31);
    else only_one_ready(chan, GMP_CASE_SEND, form, GMP_OK, 32);
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_EQ(gmp_chan_len(chan), partner_sends ? capacity : 0);
    gmp_chan_free(chan);
}

static void answers(void *arg) {
    (void)arg;
    for (int form = 0; form < 3; form++) {
        gmp_chan_t *data = filled(3, 2), *room = ints(3), *ended = closed(), *drained = filled(3, 1);
        only_one_ready(data, GMP_CASE_RECV, form, GMP_OK, 0);
        only_one_ready(data, GMP_CASE_RECV, form, GMP_OK, 1);
        CHECK_EQ(gmp_chan_len(data), 0);
        only_one_ready(room, GMP_CASE_SEND, form, GMP_OK, 32);
        CHECK_EQ(gmp_chan_len(room), 1);
        only_one_ready(ended, GMP_CASE_RECV, form, GMP_ECLOSED, 0);
        only_one_ready(ended, GMP_CASE_SEND, form, GMP_ECLOSED, 32);
        CHECK_OK(gmp_chan_close(drained));
        only_one_ready(drained, GMP_CASE_SEND, form, GMP_ECLOSED, 32); /* room or not: closed */
        only_one_ready(drained, GMP_CASE_RECV, form, GMP_OK, 0);       /* data before the end */
        only_one_ready(drained, GMP_CASE_RECV, form, GMP_ECLOSED, 0);
        gmp_chan_free(data);
        gmp_chan_free(room);
        gmp_chan_free(ended);
        gmp_chan_free(drained);
        with_a_waiting_partner(0, 1, form);
        with_a_waiting_partner(2, 1, form);
        with_a_waiting_partner(0, 0, form);
        with_a_waiting_partner(2, 0, form);
    }
}

SCENARIO(one_ready_case_is_taken_in_every_form) {
    answers(NULL);
    CHECK_OK(gmp_run(answers, NULL));
}

/* A closed send case is one ready case among others: the others are taken as well. */
SCENARIO(closed_send_case_counts_only_when_it_is_chosen) {
    int times[2] = {0}, value = 3;
    gmp_chan_t *data = filled(1, 1), *ended = closed();
    for (int i = 0; i < TRIALS; i++) {
        gmp_case_t cases[2] = {{GMP_CASE_SEND, 9, ended, &value}, {GMP_CASE_RECV, 9, data, NULL}};
        size_t chosen = 9;
        CHECK_OK(gmp_select(cases, 2, SOON(), &chosen));
        CHECK_CODE(cases[chosen].status, chosen == 0 ? GMP_ECLOSED : GMP_OK);
        times[chosen]++;
        if (chosen == 1) CHECK_OK(gmp_chan_send(data, &value, GMP_NOWAIT));
    }
    fair(times, 2, TRIALS);
}

/* ------------------------------------------------------------ nothing ready */
static void nothing_ready(void *arg) {
    (void)arg;
    for (int n = 1; n <= 20; n++) {
        int value[20];
        gmp_chan_t *full = filled(1, 1), *empty = ints(2), *unbuffered = ints(0);
        gmp_case_t cases[20];
        size_t chosen = 99;
        gmp_time_t deadline = gmp_after_ns(50000);
        for (int k = 0; k < n; k++) {
            value[k] = SENTINEL;
            cases[k] = (gmp_case_t){1 + k % 2, 9, k % 4 < 2 ? unbuffered : k % 2 ? empty : full, &value[k]};
        }
        CHECK_CODE(gmp_select(cases, (size_t)n, GMP_NOWAIT, &chosen), GMP_EAGAIN);
        CHECK_CODE(gmp_select(cases, (size_t)n, -1, &chosen), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_select(cases, (size_t)n, INT64_MIN, &chosen), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_select(cases, (size_t)n, deadline, &chosen), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
        CHECK_EQ(chosen, 99);
        for (int k = 0; k < n; k++) CHECK(value[k] == SENTINEL && cases[k].status == 9);
        CHECK(gmp_chan_len(full) == 1 && gmp_chan_len(empty) == 0);
        CHECK_CODE(gmp_chan_recv(unbuffered, NULL, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_send(unbuffered, &n, GMP_NOWAIT), GMP_EAGAIN);
        gmp_chan_free(full);
        gmp_chan_free(empty);
        gmp_chan_free(unbuffered);
    }
}

SCENARIO(select_with_nothing_ready_has_no_effect) {
    nothing_ready(NULL);
    CHECK_OK(gmp_run(nothing_ready, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(place_for_the_choice_may_be_null) {
    gmp_chan_t *data = filled(1, 1);
    int value = SENTINEL;
    gmp_case_t only = {GMP_CASE_RECV, 9, data, &value};
    CHECK_OK(gmp_select(&only, 1, GMP_NOWAIT, NULL));
    CHECK_EQ(value, 0);
    CHECK_EQ(only.status, 0);
    CHECK_CODE(gmp_select(&only, 1, GMP_NOWAIT, NULL), GMP_EAGAIN);
    gmp_chan_free(data);
}
