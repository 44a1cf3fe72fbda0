/* A task that forks: in the child it goes on as plain code of the only thread, on its old stack. */
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

static void nothing(void *arg) { (void)arg; }

static void expect(pid_t pid, int wanted) {
    int status;
    while (waitpid(pid, &status, 0) != pid) CHECK_EQ(check_errno(), EINTR);
    CHECK_EQ(status, wanted << 8);
}

static pid_t fork_it(void) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) alarm(30);
    return pid;
}

static void calls_in_the_child(void *arg) {
    (void)arg;
    uint64_t id = gmp_self_id();
    CHECK(id != 0);
    pid_t pid = fork_it();
    if (pid != 0) {
        CHECK_EQ(gmp_self_id(), id);
        return expect(pid, 0);
    }
    CHECK_EQ(gmp_self_id(), 0);
    CHECK(gmp_ctx_current() == NULL);
    CHECK_CODE(gmp_exit(), GMP_EPERM);
    CHECK_CODE(gmp_defer(nothing, NULL), GMP_EPERM);
    CHECK_CODE(gmp_shield(1), GMP_EPERM);
    CHECK_OK(gmp_blocking_enter());
    CHECK_OK(gmp_blocking_exit());
    CHECK_OK(gmp_blocking_exit());
    CHECK_OK(gmp_checkpoint());
    gmp_yield();
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_OK(gmp_sleep(1000));
    CHECK_OK(gmp_run(nothing, NULL));
    CHECK_OK(gmp_wait_idle(GMP_FOREVER));
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    _exit(0);
}

SCENARIO(the_forking_task_is_plain_code_in_the_child) { CHECK_OK(gmp_run(calls_in_the_child, NULL)); }

static void in_a_section(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    pid_t pid = fork_it();
    if (pid == 0) {
        CHECK_OK(gmp_blocking_exit());
        CHECK_OK(gmp_run(nothing, NULL));
        _exit(0);
    }
    expect(pid, 0);
    CHECK_OK(gmp_blocking_exit());
}

static void *fork_in_a_call(void *arg) {
    pid_t pid = fork_it();
    *(pid_t *)arg = pid;
    return arg;
}

static void in_a_blocking_call(void *arg) {
    (void)arg;
    pid_t pid;
    void *result;
    CHECK_OK(gmp_blocking_call(fork_in_a_call, &pid, &result));
    CHECK(result == &pid);
    if (pid == 0) {
        CHECK_OK(gmp_run(nothing, NULL));
        _exit(0);
    }
    expect(pid, 0);
}

SCENARIO(a_fork_in_a_declared_section_leaves_it_in_both) {
    CHECK_OK(gmp_run(in_a_section, NULL));
    CHECK_OK(gmp_run(in_a_blocking_call, NULL));
}

/* A task with a thread of its own, and one that stays on its thread. */
static void *locked_to_its_thread(void *arg) {
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t pid = fork_it();
    if (pid == 0) {
        CHECK_CODE(gmp_unlock_thread(), GMP_EPERM);
        CHECK_CODE(gmp_lock_thread(), GMP_EPERM);
        CHECK_OK(gmp_run(nothing, NULL));
        _exit(0);
    }
    expect(pid, 0);
    CHECK_EQ(gmp_unlock_thread(), 0);
    return arg;
}

SCENARIO(tasks_that_stay_on_their_thread_may_fork) {
    uint32_t flags[] = {0, GMP_SPAWN_STICKY, GMP_SPAWN_BLOCKING, GMP_SPAWN_STICKY | GMP_SPAWN_BLOCKING};
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    check_start(2);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.flags = flags[i % 4];
        CHECK_OK(gmp_spawn(locked_to_its_thread, NULL, &opts, &task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
    }
}

/* The runtime of the child may be another kind. */
static void start_seeded(void *arg) {
    (void)arg;
    pid_t pid = fork_it();
    if (pid == 0) {
        gmp_config_t config;
        CHECK_OK(gmp_config_init(&config, sizeof config));
        config.sched_seed = 5;
        CHECK_OK(gmp_start(&config));
        CHECK_EQ(gmp_max_procs(0), 1);
        CHECK_OK(gmp_run(nothing, NULL));
        CHECK_CODE(gmp_start(NULL), GMP_EBUSY);
        CHECK_OK(gmp_shutdown(GMP_FOREVER));
        CHECK_OK(gmp_start(NULL));
        CHECK_OK(gmp_run(nothing, NULL));
        _exit(0);
    }
    expect(pid, 0);
}

SCENARIO(the_child_may_start_with_a_configuration_of_its_own) {
    check_start(3);
    CHECK_OK(gmp_run(start_seeded, NULL));
    start_seeded(NULL);
    CHECK_EQ(gmp_max_procs(0), 3);
}

/* ------------------------------------------------------------ the end of the forked task */
static int told[2];

static void tell(void *arg) { CHECK_EQ(write(told[1], arg, 1), 1); }
static void tell_at_exit(void) { CHECK_EQ(write(told[1], "x", 1), 1); }

static void fork_and_return(void *arg) {
    (void)arg;
    CHECK_OK(gmp_defer(tell, (void *)(uintptr_t)"d"));
    pid_t pid = fork_it();
    if (pid == 0) {
        CHECK_EQ(atexit(tell_at_exit), 0);
        CHECK_OK(gmp_run(nothing, NULL)); /* machines run while the process ends */
        return;
    }
    expect(pid, 0);
}

SCENARIO(the_return_of_the_forked_task_ends_the_child) {
    char text[8] = {0};
    CHECK_EQ(pipe(told), 0);
    CHECK_OK(gmp_run(fork_and_return, NULL));
    CHECK_EQ(read(told[0], text, sizeof text), 3);
    CHECK_EQ(strcmp(text, "dxd"), 0); /* the child's deferred call and its atexit, then the parent's deferred call */
}

/* A task that is run in place by its joiner: the child is on the joiner's stack. */
static void *fork_in_place(void *arg) {
    pid_t pid = fork_it();
    if (pid != 0) expect(pid, 0);
    return arg;
}

static void join_one_that_forks(void *arg) {
    gmp_task_t *task;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gmp_spawn(fork_in_place, NULL, NULL, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    }
}

SCENARIO(a_task_that_is_run_in_place_may_fork) {
    check_start(1);
    CHECK_OK(gmp_run(join_one_that_forks, NULL));
}

/* ------------------------------------------------------------ many at once */
static void fork_some(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork_it();
        if (pid == 0) {
            CHECK_OK(gmp_run(nothing, NULL));
            _exit(7);
        }
        expect(pid, 7);
    }
}

static void *fork_in_a_thread(void *arg) {
    fork_some(arg);
    return NULL;
}

SCENARIO(many_fork_at_once) {
    pthread_t threads[3];
    check_start(2);
    for (int i = 0; i < 5; i++) CHECK_OK(gmp_go(fork_some, NULL));
    for (int i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, fork_in_a_thread, NULL), 0);
    for (int i = 0; i < 3; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_IDLE();
}

/* ------------------------------------------------------------ starts and stops */
static atomic_int stop;

static void *start_and_stop(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        int code = gmp_start(NULL);
        CHECK(code == GMP_OK || code == GMP_EBUSY);
        CHECK_OK(gmp_shutdown(GMP_FOREVER));
    }
    return NULL;
}

SCENARIO(forks_while_another_thread_starts_and_stops) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, start_and_stop, NULL), 0);
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork_it();
        if (pid == 0) {
            CHECK_OK(gmp_run(nothing, NULL));
            CHECK_OK(gmp_shutdown(GMP_FOREVER));
            CHECK_CODE(gmp_go(nothing, NULL), GMP_ESTOPPED);
            _exit(0);
        }
        expect(pid, 0);
    }
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* The first use of all, in another thread, at the moment of the fork. */
static void *use_first(void *arg) {
    CHECK_OK(gmp_run(nothing, arg));
    return NULL;
}

SCENARIO(forks_around_the_very_first_start) {
    for (int round = 0; round < 100; round++) {
        pid_t pid = fork_it();
        if (pid == 0) {
            pthread_t thread;
            CHECK_EQ(pthread_create(&thread, NULL, use_first, NULL), 0);
            for (volatile int i = 0; i < round * 300; i++) {
            }
            pid_t inner = fork_it();
            if (inner == 0) {
                CHECK_OK(gmp_run(nothing, NULL));
                CHECK_OK(gmp_shutdown(GMP_FOREVER));
                _exit(0);
            }
            expect(inner, 0);
            CHECK_EQ(pthread_join(thread, NULL), 0);
            _exit(0);
        }
        expect(pid, 0);
    }
}
