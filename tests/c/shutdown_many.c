/* Several shutdowns at once: each answers GMP_OK only when the threads have ended, whoever ended them. */
#include <pthread.h>

#include "check.h"

enum { CALLERS = 4 };
static atomic_int begun, over, early, answered;

/* Threads of the class take their time to end. */
static int machine_start(void *user, void **m_out) {
    (void)user;
    *m_out = NULL;
    atomic_fetch_add(&begun, 1);
    return 0;
}

static void machine_end(void *user, void *m) {
    (void)user;
    (void)m;
    usleep(20000);
    atomic_fetch_add(&over, 1);
}

static gmp_task_class_t slow_end;
static void *nothing(void *arg) { return arg; }

static void start_slow_machines(void) {
    gmp_spawn_opts_t opts;
    check_start(2);
    slow_end.struct_size = sizeof slow_end;
    slow_end.machine_start = machine_start;
    slow_end.machine_end = machine_end;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &slow_end;
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_spawn(nothing, NULL, &opts, NULL));
}

static void *shut_down(void *arg) {
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    if (atomic_load(&over) != atomic_load(&begun)) atomic_fetch_add(&early, 1);
    atomic_fetch_add(&answered, 1);
    return arg;
}

SCENARIO(every_shutdown_waits_for_the_threads) {
    pthread_t callers[CALLERS];
    for (int round = 0; round < 10; round++) {
        start_slow_machines();
        for (int i = 0; i < CALLERS; i++) CHECK_EQ(pthread_create(&callers[i], NULL, shut_down, NULL), 0);
        for (int i = 0; i < CALLERS; i++) CHECK_EQ(pthread_join(callers[i], NULL), 0);
        CHECK(atomic_load(&begun) > 0);
        CHECK_EQ(atomic_load(&early), 0);
        CHECK_THREADS(1);
    }
    CHECK_EQ(atomic_load(&answered), 10 * CALLERS);
}

/* One that may not wait so long says so. */
SCENARIO(a_second_shutdown_keeps_its_deadline) {
    pthread_t first;
    start_slow_machines();
    CHECK_IDLE();
    CHECK_EQ(pthread_create(&first, NULL, shut_down, NULL), 0);
    for (;;) {
        int code = gmp_shutdown(GMP_NOWAIT);
        CHECK(code == GMP_OK || code == GMP_EAGAIN);
        if (code == GMP_OK) break;
        code = gmp_shutdown(gmp_after_ns(1000));
        CHECK(code == GMP_OK || code == GMP_ETIMEDOUT);
        if (code == GMP_OK) break;
    }
    CHECK_EQ(atomic_load(&over), atomic_load(&begun));
    CHECK_EQ(pthread_join(first, NULL), 0);
}

/* Starts, uses and stops of many threads: a shutdown never takes down what somebody has just started and uses. */
static atomic_int stop;

static void *come_and_go(void *arg) {
    uint64_t seed = check_seed() + (uintptr_t)arg;
    while (!atomic_load(&stop)) {
        int code;
        switch (check_random(&seed) % 3) {
        case 0:
            code = gmp_start(NULL);
            CHECK(code == GMP_OK || code == GMP_EBUSY);
            break;
        case 1:
            code = gmp_spawn(nothing, NULL, NULL, NULL);
            CHECK(code == GMP_OK || code == GMP_ESTOPPED);
            break;
        default:
            code = gmp_shutdown(GMP_FOREVER);
            CHECK_OK(code);
            break;
        }
    }
    return NULL;
}

SCENARIO(starts_uses_and_stops_of_many_threads) {
    pthread_t threads[CALLERS];
    for (uintptr_t i = 0; i < CALLERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, come_and_go, (void *)i), 0);
    gmp_time_t until = gmp_after_ns(2 * SECOND);
    while (gmp_now() < until) usleep(1000);
    atomic_store(&stop, 1);
    for (int i = 0; i < CALLERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_THREADS(1);
}
