/* The process ends while machines run tasks: from a task, from the first thread, from another one; by exit, return, quick_exit, abort.
 * Each is a child of its own, and ends as it says: no crash, no hang. */
//@ limit 300
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

enum { ROUNDS = 100 };

/* ------------------------------------------------------------ what runs meanwhile */
static gmp_mutex_t mutex;
static gmp_chan_t *chan;
static volatile long sink;

static void spin(void *arg) {
    (void)arg;
    for (;;) sink++;
}

static void block(void *arg) {
    (void)arg;
    for (;;) {
        CHECK_OK(gmp_blocking_enter());
        usleep(1000);
        CHECK_OK(gmp_blocking_exit());
        usleep(1000);
    }
}

static void nothing(void *arg) { (void)arg; }

static void mutate(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    int code;
    for (;;) {
        switch (check_random(&seed) % 5) {
        case 0:
            code = gmp_go(nothing, NULL);
            CHECK(code == GMP_OK || code == GMP_ESTOPPED); /* a handler may shut down meanwhile */
            break;
        case 1:
            CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
            gmp_yield();
            CHECK_OK(gmp_mutex_unlock(&mutex));
            break;
        case 2: (void)gmp_chan_send(chan, &seed, gmp_after_ns(10000)); break;
        case 3: (void)gmp_chan_recv(chan, NULL, gmp_after_ns(10000)); break;
        default: free(malloc(check_random(&seed) % 10000)); break;
        }
    }
}

static void *mutate_in_a_thread(void *arg) {
    mutate(arg);
    return NULL;
}

static void run_much(void) {
    pthread_t thread;
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(uint64_t), 1, &chan));
    CHECK_OK(gmp_go(spin, NULL));
    CHECK_OK(gmp_go(block, NULL));
    for (uintptr_t i = 1; i <= 3; i++) CHECK_OK(gmp_go(mutate, (void *)(check_seed() + i)));
    CHECK_EQ(pthread_create(&thread, NULL, mutate_in_a_thread, (void *)(uintptr_t)(check_seed() + 9)), 0);
    gmp_timer_t *ticker;
    CHECK_OK(gmp_ticker_new(100000, &ticker));
    for (int i = 0; i < 3; i++) gmp_yield();
}

/* ------------------------------------------------------------ the ways out */
static void rounds(int count, void (*body)(void), int wanted) {
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            struct rlimit none = {0, 0};
            CHECK_EQ(setrlimit(RLIMIT_CORE, &none), 0);
            alarm(30);
            body();
            _exit(99); /* not reached */
        }
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, wanted);
    }
}

static void end(void *arg) { ((void (*)(int))arg)(3); }

static void in_a_task(void (*how)(int)) {
    run_much();
    CHECK_OK(gmp_go(end, (void *)how));
    for (;;) pause();
}

static void exit_in_a_task(void) { in_a_task(exit); }
static void underscore_exit_in_a_task(void) { in_a_task(_exit); }
static void quick_exit_in_a_task(void) { in_a_task(quick_exit); }
static void abort_it(int status) {
    (void)status;
    abort();
}
static void abort_in_a_task(void) { in_a_task(abort_it); }

static void exit_on_the_first_thread(void) {
    run_much();
    exit(3);
}
static void quick_exit_on_the_first_thread(void) {
    run_much();
    quick_exit(3);
}
static void abort_on_the_first_thread(void) {
    run_much();
    abort();
}

static void *end_in_a_thread(void *arg) {
    end(arg);
    return NULL;
}

static void exit_in_another_thread(void) {
    pthread_t thread;
    run_much();
    CHECK_EQ(pthread_create(&thread, NULL, end_in_a_thread, (void *)exit), 0);
    for (;;) pause();
}

SCENARIO(exit_in_a_task_ends_the_process) {
    rounds(ROUNDS, exit_in_a_task, 3 << 8);
    rounds(ROUNDS / 5, underscore_exit_in_a_task, 3 << 8);
}
SCENARIO(quick_exit_ends_the_process) {
    rounds(ROUNDS / 2, quick_exit_in_a_task, 3 << 8);
    rounds(ROUNDS / 2, quick_exit_on_the_first_thread, 3 << 8);
}
SCENARIO(abort_ends_the_process) {
    rounds(ROUNDS / 4, abort_in_a_task, SIGABRT);
    rounds(ROUNDS / 4, abort_on_the_first_thread, SIGABRT);
}
SCENARIO(exit_on_the_first_thread_ends_the_process) { rounds(ROUNDS, exit_on_the_first_thread, 3 << 8); }
SCENARIO(exit_in_another_thread_ends_the_process) { rounds(ROUNDS, exit_in_another_thread, 3 << 8); }

SCENARIO(main_may_return_while_machines_run) {
    run_much();
}

static void again(void) {
    execl("/proc/self/exe", "again", "main_may_return_while_machines_run", (char *)NULL);
    _exit(98);
}

SCENARIO(main_may_return_while_machines_run_hundred_times) { rounds(ROUNDS, again, 0); }

/* ------------------------------------------------------------ atexit handlers that call the library */
static void use_at_exit(void) {
    long value = 5;
    gmp_chan_t *own;
    gmp_timer_t *timer;
    CHECK_OK(gmp_go(nothing, NULL));
    CHECK_OK(gmp_chan_new(sizeof value, 1, &own));
    CHECK_OK(gmp_chan_send(own, &value, GMP_FOREVER));
    CHECK_OK(gmp_chan_recv(own, &value, GMP_FOREVER));
    CHECK_CODE(gmp_chan_recv(own, &value, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_OK(gmp_chan_close(own));
    gmp_chan_free(own);
    CHECK_OK(gmp_timer_func(0, nothing, NULL, &timer));
    gmp_timer_free(timer);
    gmp_task_t *task;
    CHECK_OK(gmp_spawn((gmp_task_fn_t)(void *)nothing, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    CHECK_OK(gmp_sleep(10000));
}

static void shut_down_at_exit(void) {
    int code = gmp_shutdown(gmp_after_ns(2 * MS)); /* others go on for ever */
    CHECK(code == GMP_ETIMEDOUT || (gmp_self_id() != 0 && code == GMP_EDEADLK));
}

static void run_much_with_handlers(void) {
    CHECK_EQ(atexit(shut_down_at_exit), 0); /* called last */
    CHECK_EQ(atexit(use_at_exit), 0);
    run_much();
}

static void exit_in_a_task_with_handlers(void) {
    CHECK_EQ(atexit(shut_down_at_exit), 0);
    CHECK_EQ(atexit(use_at_exit), 0);
    exit_in_a_task();
}

static void exit_with_handlers(void) {
    run_much_with_handlers();
    exit(3);
}

SCENARIO(handlers_of_exit_may_use_the_library) {
    rounds(ROUNDS / 4, exit_with_handlers, 3 << 8);
    rounds(ROUNDS / 4, exit_in_a_task_with_handlers, 3 << 8);
}

/* One that ends everything properly. */
static void whole_shutdown(void) {
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_CODE(gmp_go(nothing, NULL), GMP_ESTOPPED);
    CHECK_THREADS(1);
}

static void exit_when_quiet(void) {
    CHECK_EQ(atexit(whole_shutdown), 0);
    check_start(2);
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_go(nothing, NULL));
    exit(3);
}

static void first_use(void) { CHECK_OK(gmp_run(nothing, NULL)); }

static void first_use_at_exit(void) {
    CHECK_EQ(atexit(whole_shutdown), 0);
    CHECK_EQ(atexit(first_use), 0);
    exit(3);
}

SCENARIO(handlers_of_exit_may_shut_down_and_start) {
    rounds(ROUNDS, exit_when_quiet, 3 << 8);
    rounds(ROUNDS, first_use_at_exit, 3 << 8);
}
