/* The system gives no threads: what is there serves what there is, the stats say so once, nobody dies, and threads are made again as
 * soon as they can be had. The program stands between the library and the C library's pthread_create. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "check.h"

static atomic_int refused, made, allowed = 1 << 30;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg) {
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (atomic_fetch_sub(&allowed, 1) <= 0) {
        atomic_fetch_add(&refused, 1);
        return EAGAIN;
    }
    int error = real(thread, attributes, start, arg);
    if (error == 0) atomic_fetch_add(&made, 1);
    return error;
}

static void refuse(void) { atomic_store(&allowed, 0); }
static void allow(void) { atomic_store(&allowed, 1 << 30); }

/* ------------------------------------------------------------ what runs */
static atomic_int ended, inside, let_go;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ended, 1);
}

static void pause_in_the_kernel(long ns) {
    struct timespec left = {0, ns};
    nanosleep(&left, NULL);
}

static void block_a_little(void *arg) {
    if (arg) CHECK_OK(gmp_blocking_enter());
    pause_in_the_kernel(200000);
    if (arg) CHECK_OK(gmp_blocking_exit());
    count(NULL);
}

static void block_until_let_go(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    atomic_fetch_add(&inside, 1);
    while (!atomic_load(&let_go)) pause_in_the_kernel(200000);
    CHECK_OK(gmp_blocking_exit());
    count(NULL);
}

/* Threads can be had again: eight tasks block at once. */
static void recovers(void) {
    allow();
    for (int i = 0; i < 8; i++) CHECK_OK(gmp_go(block_until_let_go, NULL));
    gmp_time_t until = SOON();
    while (atomic_load(&inside) < 8 && gmp_now() < until) CHECK_OK(gmp_sleep(MS));
    CHECK_EQ(atomic_load(&inside), 8);
    atomic_store(&let_go, 1);
    CHECK_IDLE();
}

SCENARIO(work_is_served_by_the_threads_there_are) {
    check_start(4);
    CHECK_OK(gmp_run(count, NULL));
    refuse();
    int tasks = 1;
    for (int i = 0; i < 100; i++, tasks += 3) {
        CHECK_OK(gmp_go(count, NULL));
        CHECK_OK(gmp_go(block_a_little, NULL));
        CHECK_OK(gmp_go(block_a_little, &ended));
    }
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), tasks);
    CHECK(atomic_load(&refused) > 0);
    CHECK(check_stats().thread_limit_hits >= 1);
    recovers();
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
}

/* The monitor goes on trying. */
static void refused_again(int times, gmp_time_t until) {
    int before = atomic_load(&refused);
    while (atomic_load(&refused) < before + times && gmp_now() < until) CHECK_OK(gmp_sleep(MS));
    CHECK(atomic_load(&refused) >= before + times);
}

/* One state is one hit, however long it lasts and however often the monitor tries again. A machine that was just going to sleep when
 * the first thread was refused may end that shortage by itself; the one that is looked at here cannot end: every thread but the
 * monitor is inside a task. */
SCENARIO(one_shortage_is_counted_once) {
    gmp_time_t until = SOON();
    int blocked = 0;
    check_start(1);
    CHECK_OK(gmp_run(count, NULL));
    refuse();
    while (atomic_load(&inside) < atomic_load(&made) - 1 || blocked == atomic_load(&inside)) {
        CHECK(gmp_now() < until);
        if (blocked == atomic_load(&inside)) {
            CHECK_OK(gmp_go(block_until_let_go, NULL));
            blocked++;
        }
        CHECK_OK(gmp_sleep(MS));
    }
    refused_again(20, until); /* one thread is tried for a few times: this state has been counted then */
    uint64_t hits = check_stats().thread_limit_hits;
    CHECK(hits >= 1);
    refused_again(20, until);
    CHECK_EQ(check_stats().thread_limit_hits, hits);
    CHECK(atomic_load(&inside) < blocked);
    allow();
    while (atomic_load(&inside) < blocked && gmp_now() < until) CHECK_OK(gmp_sleep(MS));
    CHECK_EQ(atomic_load(&inside), blocked);
    CHECK_EQ(check_stats().thread_limit_hits, hits);
    atomic_store(&let_go, 1);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), blocked + 1);
}

SCENARIO(start_without_threads_is_eagain_and_leaves_nothing) {
    long threads = check_threads(), descriptors = check_descriptors();
    CHECK_OK(gmp_run(count, NULL)); /* what is kept for good is there */
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    for (int round = 0; round < 20; round++) {
        long mappings = check_mappings();
        /* The first thread, or the second one, cannot be had. */
        atomic_store(&allowed, round % 2);
        CHECK_CODE(gmp_start(NULL), GMP_EAGAIN);
        CHECK_CODE(gmp_go(count, NULL), GMP_ESTOPPED);
        CHECK_THREADS(threads);
        CHECK_EQ(check_descriptors(), descriptors);
        if (round > 2) CHECK(check_mappings() <= mappings);
    }
    allow();
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_run(count, NULL));
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
}

SCENARIO(first_use_without_threads_is_eagain) {
    gmp_task_t *task = NULL;
    gmp_timer_t *timer = NULL;
    refuse();
    CHECK_CODE(gmp_go(count, NULL), GMP_EAGAIN);
    CHECK_CODE(gmp_run(count, NULL), GMP_EAGAIN);
    CHECK_CODE(gmp_spawn((gmp_task_fn_t)(void *)count, NULL, NULL, &task), GMP_EAGAIN);
    CHECK_CODE(gmp_timer_func(0, count, NULL, &timer), GMP_EAGAIN);
    CHECK(task == NULL && timer == NULL);
    allow();
    CHECK_OK(gmp_run(count, NULL));
    CHECK_EQ(atomic_load(&ended), 1);
}

/* The same by a limit of the system, which does not bind root: so as nobody. */
SCENARIO(limit_on_processes_is_survived) {
    uid_t user = (uid_t)(50000 + getpid() % 10000);
    struct rlimit limit;
    if (getuid() != 0 || setresuid(user, user, user) != 0) SKIP("needs to be root to become nobody");
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &limit), 0);
    rlim_t whole = limit.rlim_cur;
    check_start(4);
    CHECK_OK(gmp_run(count, NULL));
    limit.rlim_cur = 1;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
    pthread_t thread;
    if (pthread_create(&thread, NULL, (void *(*)(void *))(void *)count, NULL) == 0) SKIP("the limit does not bind here");
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(block_a_little, i % 2 ? &ended : NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), 101);
    CHECK(check_stats().thread_limit_hits >= 1);
    limit.rlim_cur = whole;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
    recovers();
}
