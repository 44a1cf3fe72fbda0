/* Foreign threads use channels as tasks do, with tasks and among themselves. §19.15. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <signal.h>

#include "check.h"

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

static int recv_one(gmp_chan_t *chan) {
    int value = -1;
    CHECK_OK(gmp_chan_recv(chan, &value, SOON()));
    return value;
}

static void send_one(gmp_chan_t *chan, int value) { CHECK_OK(gmp_chan_send(chan, &value, SOON())); }

/* ------------------------------------------------------------ to and fro */
struct table {
    gmp_chan_t *to, *fro;
    int rounds;
};

static void *serve(void *arg) {
    struct table *table = (struct table *)arg;
    for (int i = 0; i < table->rounds; i++) {
        send_one(table->to, i);
        CHECK_EQ(recv_one(table->fro), -i);
    }
    return NULL;
}

static void *reply(void *arg) {
    struct table *table = (struct table *)arg;
    for (int i = 0; i < table->rounds; i++) {
        CHECK_EQ(recv_one(table->to), i);
        send_one(table->fro, -i);
    }
    return NULL;
}

/* Two of two kinds at one table; kind 1 is a thread. */
static void play(int server_kind, int replier_kind, size_t capacity, int rounds) {
    struct table table = {ints(capacity), ints(capacity), rounds};
    gmp_task_t *task[2] = {NULL, NULL};
    pthread_t thread[2];
    if (server_kind) CHECK_EQ(pthread_create(&thread[0], NULL, serve, &table), 0);
    else CHECK_OK(gmp_spawn(serve, &table, NULL, &task[0]));
    if (replier_kind) CHECK_EQ(pthread_create(&thread[1], NULL, reply, &table), 0);
    else CHECK_OK(gmp_spawn(reply, &table, NULL, &task[1]));
    if (server_kind) CHECK_EQ(pthread_join(thread[0], NULL), 0);
    else CHECK_OK(gmp_join(task[0], SOON(), NULL));
    if (replier_kind) CHECK_EQ(pthread_join(thread[1], NULL), 0);
    else CHECK_OK(gmp_join(task[1], SOON(), NULL));
    gmp_chan_free(table.to);
    gmp_chan_free(table.fro);
}

SCENARIO(threads_exchange_values_before_anything_was_started) { play(1, 1, 0, 2000); }

//@ with GMP_MAXPROCS=1
SCENARIO(tasks_and_threads_exchange_values_in_every_mix) {
    for (size_t capacity = 0; capacity < 3; capacity++) {
        play(0, 0, capacity, 20000);
        play(0, 1, capacity, 2000);
        play(1, 0, capacity, 2000);
        play(1, 1, capacity, 2000);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ no processor is needed */
static atomic_int busy, stop;

static void spin(void *arg) {
    (void)arg;
    atomic_fetch_add(&busy, 1);
    while (!atomic_load(&stop)) continue;
}

SCENARIO(threads_exchange_values_while_every_processor_is_busy) {
    check_start(1);
    CHECK_OK(gmp_go(spin, NULL));
    while (!atomic_load(&busy)) usleep(100);
    play(1, 1, 0, 200);
    play(1, 1, 1, 200);
    atomic_store(&stop, 1);
    CHECK_IDLE();
}

/* ------------------------------------------------------------ threads that come and go */
static gmp_chan_t *shared;

static void *send_and_go(void *arg) {
    send_one(shared, (int)(intptr_t)arg);
    return NULL;
}

static void *recv_and_go(void *arg) {
    (void)arg;
    return (void *)(intptr_t)recv_one(shared);
}

SCENARIO(each_of_many_short_lived_threads_is_served_once) {
    enum { PAIRS = 60 };
    check_start(2);
    for (size_t capacity = 0; capacity < 3; capacity++) {
        pthread_t sender[PAIRS], receiver[PAIRS];
        char seen[PAIRS] = {0};
        shared = ints(capacity);
        for (intptr_t i = 0; i < PAIRS; i++) {
            CHECK_EQ(pthread_create(&receiver[i], NULL, recv_and_go, NULL), 0);
            if (i % 2) CHECK_OK(gmp_spawn(send_and_go, (void *)i, NULL, NULL));
            else CHECK_EQ(pthread_create(&sender[i], NULL, send_and_go, (void *)i), 0);
        }
        for (int i = 0; i < PAIRS; i++) {
            void *value = NULL;
            if (i % 2 == 0) CHECK_EQ(pthread_join(sender[i], NULL), 0);
            CHECK_EQ(pthread_join(receiver[i], &value), 0);
            CHECK((intptr_t)value >= 0 && (intptr_t)value < PAIRS && !seen[(intptr_t)value]);
            seen[(intptr_t)value] = 1;
        }
        CHECK_IDLE();
        CHECK_EQ(gmp_chan_len(shared), 0);
        gmp_chan_free(shared);
    }
}

/* A wake that belongs to an earlier wait would end a later one before its time. */
static void *recv_then_wait(void *arg) {
    gmp_chan_t *empty = ints(0);
    for (int i = 0; i < *(int *)arg; i++) {
        gmp_time_t deadline;
        recv_one(shared);
        deadline = gmp_after_ns(i % 7 * 10000);
        CHECK_CODE(gmp_chan_recv(empty, NULL, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
        if (i % 16 == 0) {
            deadline = gmp_after_ns(20000);
            CHECK_OK(gmp_sleep(20000));
            CHECK(gmp_now() >= deadline);
        }
    }
    gmp_chan_free(empty);
    return NULL;
}

SCENARIO(wait_is_woken_once_and_no_later_one_for_it) {
    enum { RECEIVERS = 4 };
    pthread_t thread[RECEIVERS];
    int each = 2000;
    check_start(2);
    shared = ints(0);
    for (int i = 0; i < RECEIVERS; i++) {
        CHECK_EQ(pthread_create(&thread[i], NULL, recv_then_wait, &each), 0);
        CHECK_OK(gmp_spawn(recv_then_wait, &each, NULL, NULL));
    }
    for (int i = 0; i < 2 * RECEIVERS * each; i++) send_one(shared, i);
    for (int i = 0; i < RECEIVERS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    CHECK_CODE(gmp_chan_send(shared, &each, GMP_NOWAIT), GMP_EAGAIN);
    gmp_chan_free(shared);
}

/* ------------------------------------------------------------ what is kept */
static void *wait_with_errno(void *arg) {
    gmp_chan_t *nobody = ints(0);
    int mine = (int)(intptr_t)arg, value = mine;
    for (int i = 0; i < 300; i++) {
        gmp_case_t cases[2] = {{GMP_CASE_RECV, 0, nobody, NULL}, {1 + mine % 2, 0, shared, &value}};
        check_set_errno(mine);
        if (i % 3 == 0) CHECK_OK(gmp_select(cases, 2, SOON(), NULL));
        else if (mine % 2 == 0) CHECK_OK(gmp_chan_send(shared, &value, GMP_FOREVER));
        else CHECK_OK(gmp_chan_recv(shared, &value, SOON()));
        CHECK_EQ(check_errno(), mine);
        if (i % 2) CHECK_CODE(gmp_chan_recv(nobody, NULL, GMP_NOWAIT), GMP_EAGAIN);
        else CHECK_CODE(gmp_chan_recv(nobody, NULL, gmp_after_ns(500)), GMP_ETIMEDOUT);
        CHECK_EQ(check_errno(), mine);
    }
    gmp_chan_free(nobody);
    return NULL;
}

SCENARIO(errno_is_kept_by_every_operation) {
    pthread_t thread[4];
    check_start(2);
    shared = ints(0);
    for (intptr_t i = 1; i <= 4; i++) CHECK_EQ(pthread_create(&thread[i - 1], NULL, wait_with_errno, (void *)i), 0);
    for (intptr_t i = 5; i <= 40; i++) CHECK_OK(gmp_spawn(wait_with_errno, (void *)i, NULL, NULL));
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    gmp_chan_free(shared);
}

static void *take_three(void *arg) {
    for (int i = 0; i < 3; i++) CHECK_EQ(recv_one(shared), i);
    return arg;
}

SCENARIO(channel_and_its_values_outlive_a_shutdown) {
    gmp_task_t *task;
    check_start(2);
    shared = ints(3);
    for (int i = 0; i < 3; i++) send_one(shared, i);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_CODE(gmp_chan_send(shared, &(int){3}, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_chan_len(shared), 3);
    play(1, 1, 0, 100); /* threads need no runtime */
    check_start(1);
    CHECK_OK(gmp_spawn(take_three, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_EQ(gmp_chan_len(shared), 0);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    gmp_chan_free(shared);
}

/* ------------------------------------------------------------ signals */
static gmp_chan_t *empty;

static void on_signal(int number) { (void)number; }

static void *recv_through_signals(void *arg) {
    gmp_time_t deadline;
    (void)arg;
    CHECK_EQ(recv_one(shared), 1);
    deadline = gmp_after_ns(30 * MS);
    CHECK_CODE(gmp_chan_recv(empty, NULL, deadline), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= deadline);
    CHECK_EQ(recv_one(shared), 2);
    return NULL;
}

SCENARIO(signals_do_not_end_the_wait_of_a_thread) {
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: futex waits are interrupted */
    pthread_t thread;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    shared = ints(0);
    empty = ints(0);
    CHECK_EQ(pthread_create(&thread, NULL, recv_through_signals, NULL), 0);
    for (int value = 1; value <= 2; value++) {
        int code;
        do {
            for (int i = 0; i < 50; i++) {
                CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
                usleep(100);
            }
            code = gmp_chan_send(shared, &value, GMP_NOWAIT); /* taken only while it waits for this value */
        } while (code == GMP_EAGAIN);
        CHECK_OK(code);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    gmp_chan_free(shared);
    gmp_chan_free(empty);
}
