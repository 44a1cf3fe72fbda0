/* Tasks of a class in foreign code: the class may say that a task which seems to compute is blocked, and the token of an exclusive
 * class keeps nobody else waiting. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "alive.h"

static gmp_task_class_t class;
static atomic_int asked, blocked;
static int mark, fds[2];

static int is_blocked(void *user, void *t) {
    CHECK(user == &class && t == &mark);
    atomic_fetch_add(&asked, 1);
    return atomic_load(&blocked);
}

static gmp_task_t *spawn_in_class(gmp_task_fn_t fn, void *arg) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &class;
    opts.class_data = &mark;
    CHECK_OK(gmp_spawn(fn, arg, &opts, &task));
    return task;
}

static void *compute_until_let_go(void *arg) {
    foreign_starts();
    while (!atomic_load(&let_go)) {
    }
    return arg;
}

/* What the class waits for may look like computing to the kernel. */
static gmp_stats_t class_says(int answer) {
    gmp_stats_t stats;
    gmp_task_t *task;
    void *result;
    int from;
    class = (gmp_task_class_t){.struct_size = sizeof class, .name = "asked", .user = &class, .is_blocked = is_blocked};
    atomic_store(&blocked, answer);
    check_start(1);
    witnesses_start();
    from = atomic_load(&alive_beats);
    task = spawn_in_class(compute_until_let_go, &mark);
    UNTIL(atomic_load(&foreign_entered) == 1, usleep(100));
    witnesses_keep_beating(answer ? "class says blocked" : "class says running", from);
    release_by_flag();
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK(result == &mark);
    witnesses_end();
    CHECK(atomic_load(&asked) >= 1);
    stats = check_stats();
    CHECK_OK(gmp_shutdown(SOON()));
    return stats;
}

SCENARIO(class_says_that_its_task_is_blocked) { CHECK_RETAKEN(retakes_blocked, class_says(1)); }

SCENARIO(class_says_that_its_task_is_running) { CHECK_RETAKEN(retakes_running, class_says(0)); }

static void *read_a_byte(void *arg) {
    char byte;
    (void)arg;
    foreign_starts();
    return (void *)read(fds[0], &byte, 1);
}

static void *add_up(void *arg) {
    static long sum; /* one of them at a time */
    for (int i = 0; i < 10; i++) {
        sum += (intptr_t)arg;
        gmp_yield();
    }
    return (void *)sum;
}

/* The others of the class may have to wait for the one that blocks; whoever is in no class does not. */
SCENARIO(task_with_the_token_blocks) {
    enum { N = 10 };
    gmp_task_t *tasks[N], *reader;
    void *result;
    intptr_t most = 0;
    int from;
    CHECK_EQ(pipe(fds), 0);
    class = (gmp_task_class_t){.struct_size = sizeof class, .name = "exclusive", .flags = GMP_CLASS_EXCLUSIVE};
    check_start(1);
    witnesses_start();
    from = atomic_load(&alive_beats);
    reader = spawn_in_class(read_a_byte, NULL);
    UNTIL(atomic_load(&foreign_entered) == 1, usleep(100));
    for (int i = 0; i < N; i++) tasks[i] = spawn_in_class(add_up, (void *)1);
    witnesses_keep_beating("token", from);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_OK(gmp_join(reader, SOON(), &result));
    CHECK_EQ((intptr_t)result, 1);
    for (int i = 0; i < N; i++) {
        CHECK_OK(gmp_join(tasks[i], SOON(), &result));
        if ((intptr_t)result > most) most = (intptr_t)result;
    }
    CHECK_EQ(most, 10 * N);
    witnesses_end();
    CHECK_IDLE();
}
