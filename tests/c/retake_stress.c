/* Retakes against every call of the runtime: tasks call in at random moments of stretches in foreign code that says
 * nothing, computing or asleep, long enough to lose their processor. Every sum must come out. */
//@ with GMP_MAXPROCS=1
//@ with GMP_MAXPROCS=1 GMP_TEST_NO_MEMBARRIER=1
//@ limit 180
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "check.h"

enum { WORKERS = 24, STEPS = 60, TOKENS = 4 };

static gmp_mutex_t mutex;
static gmp_rwlock_t rwlock;
static gmp_sem_t sem;
static gmp_chan_t *numbers, *echoes;
static long locked_steps, written_steps;
static atomic_long locks, writes, sent, received, spawned, ended, deferred, started, settled, inside_sem;
static uint64_t seed;

/* Foreign code: an instant, a spin, or a sleep in the kernel. */
__attribute__((noinline)) static void stay_away(uint64_t *random) {
    uint64_t draw = check_random(random);
    if (draw % 4 < 2) return;
    if (draw % 4 == 2) {
        struct timespec ts = {0, (long)(draw >> 8) % 400000};
        nanosleep(&ts, NULL);
        return;
    }
    /* Now and then longer than a slice. */
    int64_t length = (draw >> 8) % 64 == 0 ? 12000000 : (int64_t)(draw >> 16) % 300000;
    int64_t end = gmp_now() + length;
    while (gmp_now() < end) {}
}

static void count(void *counter) { atomic_fetch_add((atomic_long *)counter, 1); }

static void *child(void *arg) {
    uint64_t random = (uint64_t)(uintptr_t)arg;
    CHECK_OK(gmp_defer(count, &deferred));
    stay_away(&random);
    gmp_yield();
    stay_away(&random);
    atomic_fetch_add(&ended, 1);
    return arg;
}

static void orphan(void *arg) { child(arg); }

static void answer(void *unused) {
    (void)unused;
    uint64_t random = seed ^ 77, value = 0;
    for (;;) {
        int code = gmp_chan_recv(numbers, &value, GMP_FOREVER);
        if (code == GMP_ECLOSED) break;
        CHECK_OK(code);
        atomic_fetch_add(&received, (long)value);
        stay_away(&random);
        CHECK_OK(gmp_chan_send(echoes, &value, GMP_FOREVER));
    }
}

static void step(uint64_t *random) {
    uint64_t value = check_random(random) % 1000, got = 0;
    switch (check_random(random) % 12) {
    case 0: gmp_yield(); break;
    case 1: CHECK_OK(gmp_checkpoint()); break;
    case 2: CHECK_OK(gmp_sleep((int64_t)(value * 300))); break;
    case 3:
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        locked_steps++;
        atomic_fetch_add(&locks, 1);
        stay_away(random);
        CHECK_OK(gmp_mutex_unlock(&mutex));
        return;
    case 4:
        CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_FOREVER));
        value = (uint64_t)written_steps;
        stay_away(random);
        CHECK_EQ(written_steps, value);
        CHECK_OK(gmp_rwlock_rdunlock(&rwlock));
        return;
    case 5:
        CHECK_OK(gmp_rwlock_wrlock(&rwlock, GMP_FOREVER));
        written_steps++;
        atomic_fetch_add(&writes, 1);
        stay_away(random);
        CHECK_OK(gmp_rwlock_wrunlock(&rwlock));
        return;
    case 6:
        CHECK_OK(gmp_sem_acquire(&sem, 1, GMP_FOREVER));
        CHECK(atomic_fetch_add(&inside_sem, 1) < TOKENS);
        stay_away(random);
        atomic_fetch_sub(&inside_sem, 1);
        CHECK_OK(gmp_sem_release(&sem, 1));
        return;
    case 7: {
        /* The echo may be another's: only the sums agree. */
        CHECK_OK(gmp_chan_send(numbers, &value, GMP_FOREVER));
        atomic_fetch_add(&sent, (long)value);
        stay_away(random);
        gmp_case_t cases[] = {{GMP_CASE_RECV, 0, echoes, &got}, {GMP_CASE_RECV, 0, NULL, NULL}};
        size_t chosen = 9;
        CHECK_OK(gmp_select(cases, 2, GMP_FOREVER, &chosen));
        CHECK_EQ(chosen, 0);
        break;
    }
    case 8: {
        gmp_task_t *task = NULL;
        CHECK_OK(gmp_spawn(child, (void *)(uintptr_t)(value + 1), NULL, &task));
        atomic_fetch_add(&spawned, 1);
        stay_away(random);
        void *result = NULL;
        CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
        CHECK_EQ((uintptr_t)result, value + 1);
        break;
    }
    case 9:
        CHECK_OK(gmp_blocking_enter());
        stay_away(random);
        CHECK_OK(gmp_blocking_exit());
        break;
    case 10: {
        gmp_timer_t *timer = NULL;
        atomic_fetch_add(&started, 1);
        CHECK_OK(gmp_timer_func((int64_t)(value * 100), count, &settled, &timer));
        stay_away(random);
        /* Stopped, it will not count by itself. */
        if (gmp_timer_stop(timer) == 1) atomic_fetch_add(&settled, 1);
        gmp_timer_free(timer);
        break;
    }
    default: {
        gmp_task_t *task = NULL;
        CHECK_OK(gmp_spawn(child, (void *)(uintptr_t)(value + 1), NULL, &task));
        atomic_fetch_add(&spawned, 1);
        CHECK_OK(gmp_task_free(task));
        stay_away(random);
        break;
    }
    }
    stay_away(random);
}

static void worker(void *arg) {
    uint64_t random = seed + (uint64_t)(uintptr_t)arg * 7919;
    for (int i = 0; i < STEPS; i++) step(&random);
}

struct foreign {
    pthread_t thread;
    uint64_t random;
};

static void *thread_main(void *arg) {
    struct foreign *self = arg;
    for (int i = 0; i < STEPS; i++) {
        switch (check_random(&self->random) % 3) {
        case 0:
            CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
            locked_steps++;
            atomic_fetch_add(&locks, 1);
            CHECK_OK(gmp_mutex_unlock(&mutex));
            break;
        case 1: {
            uint64_t value = 1, got;
            CHECK_OK(gmp_chan_send(numbers, &value, GMP_FOREVER));
            atomic_fetch_add(&sent, 1);
            CHECK_OK(gmp_chan_recv(echoes, &got, GMP_FOREVER));
            break;
        }
        default:
            atomic_fetch_add(&spawned, 1);
            CHECK_OK(gmp_go(orphan, (void *)1));
        }
        stay_away(&self->random);
    }
    return NULL;
}

static void all(void *unused) {
    (void)unused;
    gmp_wg_t workers = {{0}}, others = {{0}};
    CHECK_OK(gmp_sem_release(&sem, TOKENS));
    CHECK_OK(gmp_chan_new(sizeof(uint64_t), 3, &numbers));
    CHECK_OK(gmp_chan_new(sizeof(uint64_t), 0, &echoes));
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_wg_go(&others, answer, NULL));
    struct foreign threads[2];
    for (int i = 0; i < 2; i++) {
        threads[i].random = seed * 31 + i;
        CHECK_EQ(pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) CHECK_OK(gmp_wg_go(&workers, worker, (void *)(uintptr_t)(i + 1)));
    CHECK_OK(gmp_wg_wait(&workers, GMP_FOREVER));
    /* Blocks this task's machine without a word. */
    for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i].thread, NULL), 0);
    CHECK_OK(gmp_chan_close(numbers));
    CHECK_OK(gmp_wg_wait(&others, GMP_FOREVER));
    gmp_chan_free(numbers);
    gmp_chan_free(echoes);
}

SCENARIO(every_call_comes_right_when_processors_are_retaken_around_it) {
    seed = check_seed();
    CHECK_OK(gmp_run(all, NULL));
    CHECK_OK(gmp_wait_idle(gmp_after_ns(60000000000)));
    CHECK_EQ(atomic_load(&sent), atomic_load(&received));
    CHECK_EQ(atomic_load(&spawned), atomic_load(&ended));
    CHECK_EQ(atomic_load(&spawned), atomic_load(&deferred));
    CHECK_EQ(atomic_load(&started), atomic_load(&settled));
    CHECK_EQ(atomic_load(&locks), locked_steps);
    CHECK_EQ(atomic_load(&writes), written_steps);
    CHECK_EQ(atomic_load(&inside_sem), 0);
    gmp_stats_t stats;
    CHECK_OK(gmp_stats(&stats, sizeof stats));
    CHECK_EQ(stats.tasks_created, stats.tasks_ended);
    CHECK(stats.retakes_blocked > 0);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
}
