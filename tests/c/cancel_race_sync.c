/* Cancellation against locks, units, signals and ends: whoever was cancelled holds nothing, and nothing is missing. */
//@ with GMP_TEST_NO_MEMBARRIER=1
//@ limit 120
#include <pthread.h>

#include "check.h"

enum { ROUNDS = 200, TASKS = 8 };

struct member {
    uint64_t random;
    long done;
    gmp_ctx_t *ctx;
    gmp_task_t *task;
};

static struct member member[TASKS];

static void linger(uint64_t *random, uint64_t most) {
    for (uint64_t i = check_random(random) % most; i > 0; i--) __asm__ volatile("");
}

/* A task that has ended lets go of its context a moment after its join has answered. */
static void no_timer_is_left(void) {
    gmp_time_t limit = SOON();
    while (check_stats().timers_pending != 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static gmp_time_t some_deadline(struct member *m) {
    return check_random(&m->random) % 2 ? GMP_FOREVER : SOON();
}

/* Starts TASKS tasks that run `fn` until they are cancelled, and cancels them one after the other in some way. */
static long one_round(uint64_t *random, gmp_task_fn_t fn) {
    long done = 0;
    for (int i = 0; i < TASKS; i++) {
        gmp_spawn_opts_t opts;
        gmp_time_t deadline = GMP_FOREVER;
        memset(&member[i], 0, sizeof member[i]);
        member[i].random = check_random(random);
        if (check_random(random) % 4 == 0) deadline = gmp_after_ns((int64_t)(check_random(random) % 200000));
        CHECK_OK(gmp_ctx_new(NULL, deadline, &member[i].ctx));
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.ctx = member[i].ctx;
        CHECK_OK(gmp_spawn(fn, &member[i], &opts, &member[i].task));
    }
    for (int i = 0; i < TASKS; i++) {
        linger(random, 60000);
        for (uint64_t n = check_random(random) % 10; n > 0; n--) gmp_yield();
        CHECK_OK(check_random(random) % 2 ? gmp_task_cancel(member[i].task) : gmp_ctx_cancel(member[i].ctx));
    }
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(gmp_join(member[i].task, SOON(), NULL));
        gmp_ctx_free(member[i].ctx);
        done += member[i].done;
    }
    return done;
}

/* ------------------------------------------------------------ locks */
static gmp_mutex_t mutex;
static long plain; /* under the mutex */

/* A free lock is taken by a cancelled task too, so the tasks have to ask whether to go on. */
static void *lock_often(void *arg) {
    struct member *m = (struct member *)arg;
    while (gmp_checkpoint() == GMP_OK) {
        int code = gmp_mutex_lock(&mutex, some_deadline(m));
        if (code == GMP_ECANCELED) break;
        CHECK_OK(code);
        plain++;
        m->done++;
        if (check_random(&m->random) % 4 == 0) gmp_yield(); /* so that others wait */
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
    return NULL;
}

static void lock_rounds(void *arg) {
    uint64_t random = check_seed() * 2 + 1;
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        plain = 0;
        long done = one_round(&random, lock_often);
        CHECK_EQ(plain, done);
        CHECK_OK(gmp_mutex_trylock(&mutex));
        CHECK_OK(gmp_mutex_unlock(&mutex));
        CHECK_CODE(gmp_mutex_unlock(&mutex), GMP_EMISUSE);
    }
}

SCENARIO(mutex_is_neither_lost_nor_held_by_two) {
    check_start(2);
    lock_rounds(NULL);
    CHECK_OK(gmp_run(lock_rounds, NULL));
    no_timer_is_left();
}

static gmp_rwlock_t rwlock;
static atomic_int readers, writers;

static void *read_and_write(void *arg) {
    struct member *m = (struct member *)arg;
    while (gmp_checkpoint() == GMP_OK) {
        int writes = check_random(&m->random) % 3 == 0;
        int code = (writes ? gmp_rwlock_wrlock : gmp_rwlock_rdlock)(&rwlock, some_deadline(m));
        if (code == GMP_ECANCELED) break;
        CHECK_OK(code);
        atomic_fetch_add(writes ? &writers : &readers, 1);
        CHECK(writes ? atomic_load(&writers) == 1 && atomic_load(&readers) == 0 : atomic_load(&writers) == 0);
        if (check_random(&m->random) % 4 == 0) gmp_yield();
        atomic_fetch_sub(writes ? &writers : &readers, 1);
        CHECK_OK((writes ? gmp_rwlock_wrunlock : gmp_rwlock_rdunlock)(&rwlock));
        m->done++;
    }
    return NULL;
}

static void rwlock_rounds(void *arg) {
    uint64_t random = check_seed() * 3 + 1;
    long done = 0;
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        done += one_round(&random, read_and_write);
        CHECK_OK(gmp_rwlock_wrlock(&rwlock, GMP_NOWAIT)); /* nobody is in, and no reader is counted twice */
        CHECK_OK(gmp_rwlock_wrunlock(&rwlock));
        CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_NOWAIT)); /* and no writer waits for ever */
        CHECK_OK(gmp_rwlock_rdunlock(&rwlock));
    }
    CHECK(done > 0);
}

SCENARIO(rwlock_counts_come_out) {
    check_start(2);
    rwlock_rounds(NULL);
    CHECK_OK(gmp_run(rwlock_rounds, NULL));
    no_timer_is_left();
}

/* A reader behind a writer that gives up must be let in by the one who gave up: nobody else will. */
static void *read_once(void *arg) {
    CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_FOREVER));
    CHECK_OK(gmp_rwlock_rdunlock(&rwlock));
    return arg;
}

static void *write_once(void *arg) {
    CHECK_CODE(gmp_rwlock_wrlock(&rwlock, GMP_FOREVER), GMP_ECANCELED);
    return arg;
}

/* A task counts as parked before what it waits for knows of it. When every processor is idle too, it does. */
static void wait_parked(int tasks) {
    gmp_time_t limit = SOON();
    gmp_stats_t now = check_stats();
    while ((now.tasks_parked != tasks || now.procs_idle != now.procs) && gmp_now() < limit) {
        CHECK_OK(gmp_sleep(20000));
        now = check_stats();
    }
    CHECK_EQ(now.tasks_parked, tasks);
    CHECK_EQ(now.procs_idle, now.procs);
}

SCENARIO(readers_behind_a_cancelled_writer_are_let_in) {
    check_start(2);
    for (int round = 0; round < 100; round++) {
        gmp_task_t *writer, *reader[3];
        CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_NOWAIT));
        CHECK_OK(gmp_spawn(write_once, NULL, NULL, &writer));
        wait_parked(1);
        for (int i = 0; i < 3; i++) CHECK_OK(gmp_spawn(read_once, NULL, NULL, &reader[i]));
        wait_parked(4);
        CHECK_OK(gmp_task_cancel(writer));
        CHECK_OK(gmp_join(writer, SOON(), NULL));
        for (int i = 0; i < 3; i++) CHECK_OK(gmp_join(reader[i], SOON(), NULL));
        CHECK_OK(gmp_rwlock_rdunlock(&rwlock));
    }
}

/* ------------------------------------------------------------ units */
enum { UNITS = 5 };
static gmp_sem_t sem;
static atomic_int units_out;

static void *take_units(void *arg) {
    struct member *m = (struct member *)arg;
    while (gmp_checkpoint() == GMP_OK) {
        uint32_t n = 1 + (uint32_t)(check_random(&m->random) % UNITS);
        int code = gmp_sem_acquire(&sem, n, some_deadline(m));
        if (code == GMP_ECANCELED) break;
        CHECK_OK(code);
        CHECK(atomic_fetch_add(&units_out, (int)n) + (int)n <= UNITS);
        if (check_random(&m->random) % 4 == 0) gmp_yield();
        atomic_fetch_sub(&units_out, (int)n);
        CHECK_OK(gmp_sem_release(&sem, n));
        m->done++;
    }
    return NULL;
}

static void unit_rounds(void *arg) {
    uint64_t random = check_seed() * 5 + 1;
    (void)arg;
    CHECK_OK(gmp_sem_release(&sem, UNITS));
    for (int round = 0; round < ROUNDS; round++) {
        one_round(&random, take_units);
        CHECK_OK(gmp_sem_acquire(&sem, UNITS, GMP_NOWAIT)); /* all are there */
        CHECK_CODE(gmp_sem_acquire(&sem, 1, GMP_NOWAIT), GMP_EAGAIN); /* and not one more */
        CHECK_OK(gmp_sem_release(&sem, UNITS));
    }
    CHECK_OK(gmp_sem_acquire(&sem, UNITS, GMP_NOWAIT));
}

SCENARIO(units_are_all_there_after_cancels) {
    check_start(2);
    unit_rounds(NULL);
    CHECK_OK(gmp_run(unit_rounds, NULL));
    no_timer_is_left();
}

static void *take(void *arg) {
    int code = gmp_sem_acquire(&sem, (uint32_t)(uintptr_t)arg, GMP_FOREVER);
    return (void *)(intptr_t)code;
}

SCENARIO(small_request_behind_a_cancelled_large_one_is_served) {
    check_start(2);
    for (int round = 0; round < 100; round++) {
        gmp_task_t *large, *small;
        void *result = NULL;
        CHECK_OK(gmp_sem_release(&sem, 2));
        CHECK_OK(gmp_spawn(take, (void *)5, NULL, &large));
        wait_parked(1);
        CHECK_OK(gmp_spawn(take, (void *)2, NULL, &small)); /* it may wait behind, or be served at once */
        CHECK_OK(gmp_task_cancel(large));
        CHECK_OK(gmp_join(large, SOON(), &result));
        CHECK_CODE((int)(intptr_t)result, GMP_ECANCELED);
        CHECK_OK(gmp_join(small, SOON(), &result));
        CHECK_OK((int)(intptr_t)result);
    }
}

/* ------------------------------------------------------------ one wait, its wake and its cancel at the same moment */
static gmp_cond_t cond;
static pthread_barrier_t start;
static gmp_task_t *first, *second;
static uint64_t canceller_random;
static atomic_int rounds_left;

static void *cancel_the_first(void *arg) {
    while (atomic_load(&rounds_left) > 0) {
        pthread_barrier_wait(&start);
        linger(&canceller_random, 3000);
        CHECK_OK(gmp_task_cancel(first));
        pthread_barrier_wait(&start);
    }
    return arg;
}

/* Runs `round` against a thread that cancels `first` after both came to the barrier. */
static void against_a_canceller(int rounds, void (*round)(uint64_t *random)) {
    pthread_t thread;
    uint64_t random = check_seed() * 7 + 1;
    canceller_random = check_seed() * 11 + 1;
    atomic_store(&rounds_left, rounds);
    check_start(2);
    CHECK_EQ(pthread_barrier_init(&start, NULL, 2), 0);
    CHECK_EQ(pthread_create(&thread, NULL, cancel_the_first, NULL), 0);
    for (int i = 0; i < rounds; i++) round(&random);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    no_timer_is_left();
}

static void meet(uint64_t *random) {
    pthread_barrier_wait(&start);
    linger(random, 3000);
}

static void part(void) {
    atomic_fetch_sub(&rounds_left, 1);
    pthread_barrier_wait(&start);
}

static int result_of(gmp_task_t *task) {
    void *result = NULL;
    CHECK_OK(gmp_join(task, SOON(), &result));
    return (int)(intptr_t)result;
}

static void *wait_for_a_signal(void *arg) {
    (void)arg;
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    int code = gmp_cond_wait(&cond, &mutex, GMP_FOREVER);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    return (void *)(intptr_t)code;
}

static void signal_round(uint64_t *random) {
    CHECK_OK(gmp_spawn(wait_for_a_signal, NULL, NULL, &first));
    wait_parked(1);
    CHECK_OK(gmp_spawn(wait_for_a_signal, NULL, NULL, &second));
    wait_parked(2);
    meet(random);
    CHECK_OK(gmp_cond_signal(&cond));
    part();
    int code = result_of(first);
    CHECK(code == GMP_OK || code == GMP_ECANCELED);
    if (code == GMP_OK) { /* it has the signal: the other still waits */
        CHECK_CODE(gmp_join(second, GMP_NOWAIT, NULL), GMP_EAGAIN);
        wait_parked(1);
        CHECK_OK(gmp_cond_signal(&cond));
    }
    CHECK_OK(result_of(second));
}

SCENARIO(signal_is_not_lost_to_a_cancelled_waiter) { against_a_canceller(1500, signal_round); }

static gmp_wg_t *group;

static void *wait_for_group(void *arg) { return (void *)(intptr_t)gmp_wg_wait(group, arg ? SOON() : GMP_FOREVER); }

/* The group's memory goes as soon as both sides have answered. */
static void group_round(uint64_t *random) {
    group = (gmp_wg_t *)calloc(1, sizeof *group);
    CHECK(group != NULL);
    CHECK_OK(gmp_wg_add(group, 1));
    CHECK_OK(gmp_spawn(wait_for_group, check_random(random) % 2 ? &group : NULL, NULL, &first));
    CHECK_OK(gmp_spawn(wait_for_group, NULL, NULL, &second));
    if (check_random(random) % 4) wait_parked(2);
    meet(random);
    CHECK_OK(gmp_wg_done(group));
    part();
    int code = result_of(first);
    CHECK(code == GMP_OK || code == GMP_ECANCELED);
    CHECK_OK(result_of(second));
    memset(group, 0xa5, sizeof *group);
    free(group);
}

SCENARIO(group_against_cancel_answers_everyone_once) { against_a_canceller(3000, group_round); }

static void *end_when_told(void *arg) {
    CHECK_OK(gmp_wg_wait(group, GMP_FOREVER));
    return arg;
}

static void *join_second(void *arg) {
    void *result = NULL;
    int code = gmp_join(second, arg ? SOON() : GMP_FOREVER, &result);
    CHECK(code == GMP_OK ? result == &second : result == NULL);
    return (void *)(intptr_t)code;
}

static void join_round(uint64_t *random) {
    static gmp_wg_t told;
    group = &told;
    CHECK_OK(gmp_wg_add(group, 1));
    CHECK_OK(gmp_spawn(end_when_told, &second, NULL, &second));
    wait_parked(1);
    CHECK_OK(gmp_spawn(join_second, check_random(random) % 2 ? &group : NULL, NULL, &first));
    if (check_random(random) % 4) wait_parked(2);
    meet(random);
    CHECK_OK(gmp_wg_done(group));
    part();
    int code = result_of(first);
    CHECK(code == GMP_OK || code == GMP_ECANCELED);
    if (code == GMP_ECANCELED) { /* without effect: somebody else may join */
        void *result = NULL;
        CHECK_OK(gmp_join(second, SOON(), &result));
        CHECK(result == &second);
    } else {
        CHECK_CODE(gmp_join(second, GMP_NOWAIT, NULL), GMP_EINVAL);
    }
}

SCENARIO(result_is_taken_once_when_the_joiner_is_cancelled) { against_a_canceller(3000, join_round); }

static void *sleep_a_little(void *arg) { return (void *)(intptr_t)gmp_sleep((int64_t)(intptr_t)arg); }

static void sleep_round(uint64_t *random) {
    intptr_t ns = (intptr_t)(check_random(random) % 100000);
    CHECK_OK(gmp_spawn(sleep_a_little, (void *)ns, NULL, &first));
    meet(random);
    part();
    int code = result_of(first);
    CHECK(code == GMP_OK || code == GMP_ECANCELED);
}

SCENARIO(expiry_against_cancel_wakes_once) { against_a_canceller(5000, sleep_round); }
