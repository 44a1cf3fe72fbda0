/* The kernel says no: to a thread, to memory. Each gives its code and changes nothing. */
#include <pthread.h>
#include <sys/resource.h>

#include "check.h"

static gmp_wg_t gate;
static atomic_long ended;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ended, 1);
}

static void wait_at_gate(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    count(arg);
}

/* The limit on processes does not bind root: become somebody else first. */
static void become_ordinary(void) {
    if (geteuid() != 0) return;
    if (setgid(65534) != 0 || setuid(65534) != 0) SKIP("root may not become another user here");
}

static void limit_processes(int on) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &limit), 0);
    limit.rlim_cur = on ? 0 : limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
}

static void *nothing(void *arg) { return arg; }

static int thread_creation_fails(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0) return 1;
    pthread_join(thread, NULL);
    return 0;
}

SCENARIO(start_without_a_thread_to_be_had_is_eagain_and_can_be_tried_again) {
    become_ordinary();
    limit_processes(1);
    if (!thread_creation_fails()) SKIP("the limit on processes does not bind this user");
    long mappings = check_mappings(), descriptors = check_descriptors();
    for (int i = 0; i < 5; i++) {
        CHECK_CODE(gmp_start(NULL), GMP_EAGAIN);
        CHECK_CODE(gmp_run(count, NULL), GMP_EAGAIN); /* the lazy start */
    }
    CHECK_THREADS(1);
    CHECK_EQ(check_descriptors(), descriptors);
    CHECK(check_mappings() < mappings + 5);
    CHECK_EQ(atomic_load(&ended), 0);
    limit_processes(0);
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_run(count, NULL));
    CHECK_EQ(atomic_load(&ended), 1);
}

static void block_a_little(void *arg) {
    CHECK_OK(gmp_blocking_enter());
    usleep(1000);
    CHECK_OK(gmp_blocking_exit());
    count(arg);
}

static pthread_barrier_t barrier;

static void meet_in_the_kernel(void *arg) {
    CHECK_OK(gmp_blocking_enter());
    pthread_barrier_wait(&barrier);
    CHECK_OK(gmp_blocking_exit());
    count(arg);
}

SCENARIO(running_without_more_threads_goes_on_with_those_there_are) {
    become_ordinary();
    check_start(1);
    CHECK_OK(gmp_run(count, NULL));
    limit_processes(1);
    if (!thread_creation_fails()) SKIP("the limit on processes does not bind this user");
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_go(block_a_little, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), 51);
    limit_processes(0);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 8), 0);
    for (int i = 0; i < 8; i++) CHECK_OK(gmp_go(meet_in_the_kernel, NULL));
    CHECK_IDLE(); /* passes only with new threads */
    CHECK_EQ(atomic_load(&ended), 59);
}

static void limit_memory(long more_megabytes) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = (rlim_t)check_kilobytes("/proc/self/status", "VmSize") * 1024 + (rlim_t)more_megabytes * 1048576;
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

SCENARIO(spawning_past_the_address_space_is_enomem_and_the_rest_works_on) {
    long accepted = 0;
    int code = GMP_OK;
    check_start(2);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (; accepted < 100; accepted++) CHECK_OK(gmp_go(wait_at_gate, NULL));
    while (check_stats().tasks_parked < accepted) CHECK_OK(gmp_sleep(100000));
    limit_memory(512);
    while (accepted < 1000000 && (code = gmp_go(wait_at_gate, NULL)) == GMP_OK) {
        if (++accepted % 100 == 0) {
            while (check_stats().tasks_runnable > 0) gmp_yield();
        }
    }
    CHECK_CODE(code, GMP_ENOMEM);
    gmp_task_t *task = NULL;
    CHECK_CODE(gmp_spawn(nothing, NULL, NULL, &task), GMP_ENOMEM);
    CHECK(task == NULL);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), accepted);
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_run(count, NULL)); /* there is room again */
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
}

SCENARIO(start_without_memory_is_enomem_and_can_be_tried_again) {
    struct rlimit limit;
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
    struct rlimit free_limit = limit;
    limit_memory(1);
    int code = gmp_start(NULL);
    CHECK(code == GMP_ENOMEM || code == GMP_EAGAIN); /* a thread's stack is refused with EAGAIN by the C library */
    CHECK_THREADS(1);
    CHECK_EQ(setrlimit(RLIMIT_AS, &free_limit), 0);
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_run(count, NULL));
    CHECK_EQ(atomic_load(&ended), 1);
}
