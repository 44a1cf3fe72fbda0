/* Selects that wait while channels are closed under them. §20.5, §20.7, §20.10. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { SENTINEL = -77, CHANNELS = 5 };
static gmp_chan_t *chan[CHANNELS];

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *new_chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &new_chan));
    return new_chan;
}

static void parked(int64_t wanted) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked != wanted) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(20000));
    }
}

/* ------------------------------------------------------------ one close */
struct selection {
    gmp_case_t cases[2 * CHANNELS];
    int value[2 * CHANNELS], code;
    size_t n, chosen;
    gmp_time_t deadline;
};

/* Sends on even channels, receives from odd ones; twice the same when `doubled`. */
static void set_up(struct selection *selection, int doubled) {
    selection->n = doubled ? 2 * CHANNELS : CHANNELS;
    selection->chosen = 99;
    selection->deadline = GMP_FOREVER;
    for (int i = 0; i < 2 * CHANNELS; i++) {
        int32_t op = i % CHANNELS % 2 ? GMP_CASE_RECV : GMP_CASE_SEND;
        selection->value[i] = SENTINEL;
        selection->cases[i] = (gmp_case_t){op, 9, chan[i % CHANNELS], &selection->value[i]};
    }
}

static void *wait_in_select(void *arg) {
    struct selection *selection = (struct selection *)arg;
    selection->code = gmp_select(selection->cases, selection->n, selection->deadline, &selection->chosen);
    return NULL;
}

/* The case of this channel was chosen, answered closed, and nothing else was written. */
static void ended_by(const struct selection *selection, int closed) {
    CHECK_OK(selection->code);
    CHECK_EQ(selection->chosen % CHANNELS, closed);
    for (size_t i = 0; i < selection->n; i++) {
        int is_chosen = i == selection->chosen, is_recv = selection->cases[i].op == GMP_CASE_RECV;
        CHECK_EQ(selection->cases[i].status, is_chosen ? GMP_ECLOSED : 9);
        CHECK_EQ(selection->value[i], is_chosen && is_recv ? 0 : SENTINEL);
    }
}

static void open_all(void) {
    for (int i = 0; i < CHANNELS; i++) chan[i] = ints(0);
}

static void free_all(void) {
    for (int i = 0; i < CHANNELS; i++) gmp_chan_free(chan[i]);
}

static void nobody_waits_but_on(int closed) {
    for (int i = 0; i < CHANNELS; i++) {
        int value = 1;
        if (i == closed) continue;
        CHECK_CODE(gmp_chan_send(chan[i], &value, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_recv(chan[i], &value, GMP_NOWAIT), GMP_EAGAIN);
    }
}

static void close_each(void *arg) {
    (void)arg;
    for (int round = 0; round < 60; round++) {
        struct selection selection;
        gmp_task_t *task;
        int closed = round % CHANNELS;
        open_all();
        set_up(&selection, round / CHANNELS % 2);
        if (round / 2 / CHANNELS % 2) selection.deadline = SOON();
        CHECK_OK(gmp_spawn(wait_in_select, &selection, NULL, &task));
        parked(1);
        CHECK_OK(gmp_chan_close(chan[closed]));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        ended_by(&selection, closed);
        nobody_waits_but_on(closed);
        free_all();
    }
}

SCENARIO(close_of_any_of_its_channels_ends_a_select) {
    check_start(2);
    close_each(NULL);
    CHECK_OK(gmp_run(close_each, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void *select_on_a_thread(void *arg) {
    struct selection *selections = (struct selection *)arg;
    for (int i = 0; i < CHANNELS; i++) wait_in_select(&selections[i]);
    return NULL;
}

SCENARIO(close_ends_the_select_of_a_thread) {
    static struct selection selections[CHANNELS];
    pthread_t thread;
    open_all();
    for (int i = 0; i < CHANNELS; i++) set_up(&selections[i], i % 2);
    for (int i = 0; i < CHANNELS; i++) {
        for (size_t k = 0; k < selections[i].n; k++) {
            if ((int)k % CHANNELS < i) selections[i].cases[k].chan = NULL; /* those that are closed by then */
        }
    }
    CHECK_EQ(pthread_create(&thread, NULL, select_on_a_thread, selections), 0);
    for (int i = 0; i < CHANNELS; i++) {
        CHECK_OK(gmp_sleep(MS / 2));
        CHECK_OK(gmp_chan_close(chan[i]));
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 0; i < CHANNELS; i++) {
        /* It may have come late and found more of them closed. */
        CHECK(selections[i].chosen % CHANNELS >= (size_t)i);
        ended_by(&selections[i], (int)(selections[i].chosen % CHANNELS));
    }
    free_all();
}

/* ------------------------------------------------------------ many selects, all channels closed at once */
enum { SELECTS = 100, THREADS = 4 };
static struct selection many[SELECTS + THREADS];

static void *close_one(void *arg) {
    CHECK_OK(gmp_chan_close((gmp_chan_t *)arg));
    return NULL;
}

static void *on_a_thread(void *arg) { return wait_in_select(arg); }

SCENARIO(selects_whose_channels_are_all_closed_at_once_end_once_each) {
    check_start(2);
    for (int round = 0; round < 60; round++) {
        pthread_t thread[THREADS], closer;
        open_all(); /* all send or all receive: else they would match each other */
        for (int i = 0; i < SELECTS + THREADS; i++) {
            set_up(&many[i], i % 2);
            for (size_t k = 0; k < many[i].n; k++) many[i].cases[k].op = round % 2 ? GMP_CASE_RECV : GMP_CASE_SEND;
            if (i < SELECTS) CHECK_OK(gmp_spawn(wait_in_select, &many[i], NULL, NULL));
            else CHECK_EQ(pthread_create(&thread[i - SELECTS], NULL, on_a_thread, &many[i]), 0);
        }
        if (round % 4 < 2) parked(SELECTS);
        for (int i = 1; i < CHANNELS; i++) CHECK_OK(gmp_spawn(close_one, chan[i], NULL, NULL));
        CHECK_EQ(pthread_create(&closer, NULL, close_one, chan[0]), 0);
        CHECK_EQ(pthread_join(closer, NULL), 0);
        for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        CHECK_IDLE();
        for (int i = 0; i < SELECTS + THREADS; i++) ended_by(&many[i], (int)(many[i].chosen % CHANNELS));
        free_all();
    }
}

/* ------------------------------------------------------------ close against a value */
static void *send_or_closed(void *arg) {
    int value = 5;
    return (void *)(intptr_t)gmp_chan_send((gmp_chan_t *)arg, &value, GMP_FOREVER);
}

/* One channel gets a value while another is closed: one of the two is the answer; the sender knows which. */
SCENARIO(close_and_value_at_once_give_one_answer) {
    int by_value = 0;
    check_start(2);
    for (int round = 0; round < 3000; round++) {
        struct selection selection;
        gmp_task_t *task, *sender, *closer;
        void *sent = NULL;
        open_all();
        set_up(&selection, 0);
        CHECK_OK(gmp_spawn(wait_in_select, &selection, NULL, &task));
        if (round % 4 == 0) parked(1);
        for (int k = 0; k < 2; k++) {
            if ((round + k) % 2) CHECK_OK(gmp_spawn(send_or_closed, chan[1], NULL, &sender));
            else CHECK_OK(gmp_spawn(close_one, chan[3], NULL, &closer));
        }
        CHECK_OK(gmp_join(closer, SOON(), NULL));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        CHECK_OK(selection.code);
        if (selection.chosen == 1) {
            CHECK_OK(selection.cases[1].status);
            CHECK_EQ(selection.value[1], 5);
            CHECK_OK(gmp_join(sender, SOON(), &sent));
            CHECK_CODE((int)(intptr_t)sent, GMP_OK);
            by_value++;
        } else {
            ended_by(&selection, 3);
            CHECK_OK(gmp_chan_close(chan[1])); /* it waits still, and is not received */
            CHECK_OK(gmp_join(sender, SOON(), &sent));
            CHECK_CODE((int)(intptr_t)sent, GMP_ECLOSED);
        }
        free_all();
    }
    printf("%d by value\n", by_value);
}

/* A closed channel in a select that loops: it is taken again and again, others get their turn. */
SCENARIO(closed_channel_does_not_hide_the_others) {
    gmp_chan_t *ended = ints(0), *data = ints(1);
    int value = 0, taken = 0;
    CHECK_OK(gmp_chan_close(ended));
    CHECK_OK(gmp_chan_send(data, &value, GMP_NOWAIT));
    for (int i = 0; i < 1000 && !taken; i++) {
        gmp_case_t cases[2] = {{GMP_CASE_RECV, 9, ended, &value}, {GMP_CASE_RECV, 9, data, &value}};
        size_t chosen = 9;
        CHECK_OK(gmp_select(cases, 2, GMP_FOREVER, &chosen));
        taken = chosen == 1;
    }
    CHECK(taken);
    gmp_chan_free(ended);
    gmp_chan_free(data);
}
