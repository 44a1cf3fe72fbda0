/* Many senders and many receivers, tasks and threads in any mix: each value arrives once, each sender's in order. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { MOST_SIDES = 64, MOST_VALUES = 64 * 4000 };

struct item {
    uint32_t sender, number;
    uint64_t noise, check;
};

static gmp_chan_t *chan;
static _Atomic unsigned char received[MOST_VALUES];
static atomic_ulong sum_sent, sum_received, count_received;
static int each;
static uint64_t run_seed;

static uint64_t check_of(const struct item *item) {
    return (item->noise ^ ((uint64_t)item->sender << 32 | item->number)) * UINT64_C(0x9e3779b97f4a7c15);
}

static void now_and_then(uint64_t *random) {
    uint64_t draw = check_random(random) % 256;
    if (draw < 4) gmp_yield();
    else if (draw == 4) CHECK_OK(gmp_sleep((int64_t)(check_random(random) % 50000)));
}

static int some_send(struct item *item, uint64_t *random) {
    gmp_case_t cases[2] = {{GMP_CASE_RECV, 0, NULL, NULL}, {GMP_CASE_SEND, 0, chan, item}};
    int code;
    switch (check_random(random) % 4) {
    case 0: return gmp_chan_send(chan, item, SOON());
    case 1:
        /* Not for ever: two sides that only look never meet on an unbuffered channel. */
        for (int i = 0; i < 20; i++) {
            if ((code = gmp_chan_send(chan, item, GMP_NOWAIT)) != GMP_EAGAIN) return code;
            gmp_yield();
        }
        return gmp_chan_send(chan, item, SOON());
    case 2: return gmp_select(cases, 2, GMP_FOREVER, NULL);
    default: return gmp_chan_send(chan, item, GMP_FOREVER);
    }
}

static int some_recv(struct item *item, uint64_t *random) {
    gmp_case_t cases[2] = {{GMP_CASE_RECV, 0, chan, item}, {GMP_CASE_SEND, 0, NULL, NULL}};
    int code;
    switch (check_random(random) % 4) {
    case 0: return gmp_chan_recv(chan, item, SOON());
    case 1:
        for (int i = 0; i < 20; i++) {
            if ((code = gmp_chan_recv(chan, item, GMP_NOWAIT)) != GMP_EAGAIN) return code;
            gmp_yield();
        }
        return gmp_chan_recv(chan, item, SOON());
    case 2:
        CHECK_OK(gmp_select(cases, 2, GMP_FOREVER, NULL));
        return cases[0].status;
    default: return gmp_chan_recv(chan, item, GMP_FOREVER);
    }
}

static void *produce(void *arg) {
    struct item item = {(uint32_t)(uintptr_t)arg, 0, 0, 0};
    uint64_t random = run_seed + (uintptr_t)arg * 7919 + 1;
    for (; item.number < (uint32_t)each; item.number++) {
        item.noise = check_random(&random);
        item.check = check_of(&item);
        CHECK_OK(some_send(&item, &random));
        atomic_fetch_add(&sum_sent, item.check);
        now_and_then(&random);
    }
    return NULL;
}

static void *consume(void *arg) {
    uint32_t next[MOST_SIDES] = {0};
    uint64_t random = run_seed + (uintptr_t)arg * 104729 + 2;
    struct item item;
    int code;
    while ((code = some_recv(&item, &random)) == GMP_OK) {
        CHECK(item.sender < MOST_SIDES && item.number < (uint32_t)each);
        CHECK(item.check == check_of(&item));
        CHECK(item.number >= next[item.sender]); /* one receiver sees each sender's in their order */
        next[item.sender] = item.number + 1;
        CHECK_EQ(atomic_fetch_add(&received[item.sender * (unsigned)each + item.number], 1), 0);
        atomic_fetch_add(&sum_received, item.check);
        atomic_fetch_add(&count_received, 1);
        now_and_then(&random);
    }
    CHECK_CODE(code, GMP_ECLOSED);
    CHECK(item.noise == 0 && item.check == 0);
    return NULL;
}

struct crowd {
    pthread_t thread[MOST_SIDES];
    gmp_task_t *task[MOST_SIDES];
    int n, threads;
};

static void start(struct crowd *crowd, int n, int threads, void *(*fn)(void *)) {
    crowd->n = n;
    crowd->threads = threads;
    for (intptr_t i = 0; i < n; i++) {
        if (i < threads) CHECK_EQ(pthread_create(&crowd->thread[i], NULL, fn, (void *)i), 0);
        else CHECK_OK(gmp_spawn(fn, (void *)i, NULL, &crowd->task[i]));
    }
}

static void finish(struct crowd *crowd) {
    for (int i = 0; i < crowd->n; i++) {
        if (i < crowd->threads) CHECK_EQ(pthread_join(crowd->thread[i], NULL), 0);
        else CHECK_OK(gmp_join(crowd->task[i], SOON(), NULL));
    }
}

static void run(size_t capacity, int senders, int sender_threads, int receivers, int receiver_threads, int values) {
    struct crowd from, to;
    each = values / senders;
    CHECK(senders <= MOST_SIDES && receivers <= MOST_SIDES && values <= MOST_VALUES);
    run_seed = run_seed * 31 + check_seed();
    memset((void *)received, 0, sizeof received);
    atomic_store(&sum_sent, 0);
    atomic_store(&sum_received, 0);
    atomic_store(&count_received, 0);
    CHECK_OK(gmp_chan_new(sizeof(struct item), capacity, &chan));
    start(&to, receivers, receiver_threads, consume);
    start(&from, senders, sender_threads, produce);
    finish(&from);
    CHECK_OK(gmp_chan_close(chan));
    finish(&to);
    CHECK_EQ(atomic_load(&count_received), senders * each);
    CHECK(atomic_load(&sum_received) == atomic_load(&sum_sent));
    for (int i = 0; i < senders * each; i++) CHECK_EQ(atomic_load(&received[i]), 1);
    CHECK_EQ(gmp_chan_len(chan), 0);
    gmp_chan_free(chan);
}

static const size_t CAPACITIES[] = {0, 1, 2, 128};

//@ with GMP_MAXPROCS=1
SCENARIO(tasks_to_tasks) {
    for (int c = 0; c < 4; c++) run(CAPACITIES[c], 4, 0, 4, 0, 200000);
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(threads_to_threads) {
    for (int c = 0; c < 4; c++) run(CAPACITIES[c], 4, 4, 4, 4, 8000);
}

//@ with GMP_MAXPROCS=1
SCENARIO(tasks_to_threads_and_threads_to_tasks) {
    for (int c = 0; c < 4; c++) {
        run(CAPACITIES[c], 4, 0, 4, 4, 8000);
        run(CAPACITIES[c], 4, 4, 4, 0, 8000);
    }
    CHECK_IDLE();
}

SCENARIO(tasks_and_threads_on_both_sides) {
    check_start(2);
    for (int c = 0; c < 4; c++) run(CAPACITIES[c], 6, 2, 6, 2, 12000);
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(one_to_many_and_many_to_one) {
    check_start(2);
    for (int c = 0; c < 4; c++) {
        run(CAPACITIES[c], 1, 0, 64, 3, 10000);
        run(CAPACITIES[c], 64, 3, 1, 0, 10000);
        run(CAPACITIES[c], 64, 3, 1, 1, 10000);
    }
    CHECK_IDLE();
}

static atomic_int over;

static void *change_processors(void *arg) {
    uint64_t random = check_seed();
    while (!atomic_load(&over)) {
        gmp_max_procs(1 + (int)(check_random(&random) % 4));
        usleep(200);
    }
    return arg;
}

SCENARIO(while_the_number_of_processors_changes) {
    pthread_t thread;
    check_start(2);
    CHECK_EQ(pthread_create(&thread, NULL, change_processors, NULL), 0);
    for (int c = 0; c < 4; c++) run(CAPACITIES[c], 8, 1, 8, 1, 100000);
    atomic_store(&over, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_IDLE();
}
