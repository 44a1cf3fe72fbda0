/* Forks in the middle of everything: from a task and from a thread, while other tasks and threads use the library. Each child uses
 * it afresh at once. */
//@ limit 240
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

enum { FORKS = 1000, TASKS = 6, THREADS = 2 };

static atomic_int stop;
static gmp_mutex_t mutex;
static gmp_chan_t *chan;

/* ------------------------------------------------------------ the load */

static void nothing(void *arg) { (void)arg; }

static void load(uint64_t seed) {
    gmp_task_t *task;
    gmp_timer_t *timer;
    while (!atomic_load(&stop)) {
        switch (check_random(&seed) % 8) {
        case 0: CHECK_OK(gmp_go(nothing, NULL)); break;
        case 1:
            CHECK_OK(gmp_spawn((gmp_task_fn_t)(void *)nothing, NULL, NULL, &task));
            CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
            break;
        case 2:
            CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
            gmp_yield();
            CHECK_OK(gmp_mutex_unlock(&mutex));
            break;
        case 3:
            CHECK_OK(gmp_timer_func(20000, nothing, NULL, &timer));
            gmp_timer_free(timer);
            break;
        case 4: (void)gmp_chan_send(chan, &seed, gmp_after_ns(100000)); break;
        case 5: (void)gmp_chan_recv(chan, NULL, gmp_after_ns(100000)); break;
        case 6: CHECK_OK(gmp_sleep(20000)); break;
        default: (void)gmp_max_procs((int)(check_random(&seed) % 3) + 1); break;
        }
    }
}

static void load_task(void *seed) { load((uint64_t)(uintptr_t)seed); }

static void *load_thread(void *seed) {
    load((uint64_t)(uintptr_t)seed);
    return NULL;
}

/* ------------------------------------------------------------ the child */

struct afresh {
    gmp_chan_t *chan;
    gmp_wg_t wg;
    gmp_mutex_t mutex;
    long sum;
};

static void receive(void *arg) {
    struct afresh *a = (struct afresh *)arg;
    long value;
    while (gmp_chan_recv(a->chan, &value, GMP_FOREVER) == GMP_OK) {
        CHECK_OK(gmp_mutex_lock(&a->mutex, GMP_FOREVER));
        a->sum += value;
        CHECK_OK(gmp_mutex_unlock(&a->mutex));
    }
}

static void afresh(void *arg) {
    struct afresh *a = (struct afresh *)arg;
    CHECK(gmp_self_id() != 0);
    CHECK_OK(gmp_chan_new(sizeof(long), 1, &a->chan));
    for (int i = 0; i < 4; i++) CHECK_OK(gmp_wg_go(&a->wg, receive, a));
    for (long i = 1; i <= 20; i++) CHECK_OK(gmp_chan_send(a->chan, &i, GMP_FOREVER));
    CHECK_OK(gmp_sleep(10000));
    CHECK_OK(gmp_chan_close(a->chan));
    CHECK_OK(gmp_wg_wait(&a->wg, GMP_FOREVER));
    gmp_chan_free(a->chan);
    CHECK_EQ(a->sum, 210);
}

/* Many threads at once, so that they meet at the runtime's own locks. */
static void *spawn_some(void *wg) {
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_wg_go((gmp_wg_t *)wg, nothing, NULL));
    return NULL;
}

static void crowd(void) {
    enum { MEMBERS = 4 };
    static gmp_wg_t wg;
    pthread_t threads[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, spawn_some, &wg), 0);
    for (int i = 0; i < MEMBERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_OK(gmp_wg_wait(&wg, GMP_FOREVER));
}

static void child(int number) {
    struct afresh a = {0};
    alarm(30); /* a child that hangs ends with a signal, and is told from one that fails */
    CHECK_EQ(gmp_self_id(), 0);
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_OK(gmp_run(afresh, &a));
    if (number % 8 == 0) crowd();
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    _exit(0);
}

static void fork_one(int number) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(number);
    int status = 0;
    while (waitpid(pid, &status, 0) != pid) CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
}

static void fork_many(void *arg) {
    (void)arg;
    for (int i = 0; i < FORKS; i++) {
        fork_one(i);
        gmp_yield();
    }
}

static void under_load(void (*forks)(void)) {
    pthread_t threads[THREADS];
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(uint64_t), 2, &chan));
    for (uintptr_t i = 0; i < TASKS; i++) CHECK_OK(gmp_go(load_task, (void *)(check_seed() + i)));
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, load_thread, (void *)(check_seed() + 100 + i)), 0);
    }
    forks();
    atomic_store(&stop, 1);
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_IDLE();
    gmp_chan_free(chan);
}

static void from_a_task(void) { CHECK_OK(gmp_run(fork_many, NULL)); }
static void from_a_thread(void) { fork_many(NULL); }

SCENARIO(thousand_forks_from_a_task_under_load) { under_load(from_a_task); }

SCENARIO(thousand_forks_from_a_thread_under_load) { under_load(from_a_thread); }

/* Threads that do nothing but meet at the runtime's locks: the child must not wait for one that is not there. */
static void *contend(void *arg) {
    (void)arg;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        CHECK_OK(gmp_go(nothing, NULL));
        if (i % 1024 == 0) (void)gmp_wait_idle(gmp_after_ns(MS));
    }
    return NULL;
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(forks_while_threads_contend_leave_no_lock_behind) {
    enum { CONTENDERS = 8, ROUNDS = 300 };
    pthread_t threads[CONTENDERS];
    check_start(2);
    for (int i = 0; i < CONTENDERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, contend, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) fork_one(i * 8);
    atomic_store(&stop, 1);
    for (int i = 0; i < CONTENDERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_IDLE();
}

/* A child's child, and so on. */
static void generations(int left) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid != 0) {
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        return;
    }
    struct afresh a = {0};
    alarm(30);
    CHECK_OK(gmp_run(afresh, &a));
    if (left > 0) generations(left - 1);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    _exit(0);
}

SCENARIO(a_line_of_a_hundred_forks) { generations(100); }
