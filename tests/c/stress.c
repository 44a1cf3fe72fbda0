/* A seeded mixture of everything that tasks do, on changing numbers of processors. The sums must come out. */
//@ with GMP_TEST_NO_MEMBARRIER=1
//@ with GMP_TEST_GUARD=mprotect
//@ limit 120
#include <pthread.h>

#include "check.h"

static atomic_long grown, counted;
static gmp_key_t key;

__attribute__((noinline)) static void pause_in_the_kernel(unsigned us) { usleep(us); }

static void done(void *arg) { CHECK_OK(gmp_wg_done((gmp_wg_t *)arg)); }

struct node {
    uint64_t seed;
    int depth;
};

static void *grow(void *arg);

static void one_step(uint64_t *random) {
    gmp_wg_t group;
    switch (check_random(random) % 6) {
    case 0: gmp_yield(); break;
    case 1: CHECK_OK(gmp_sleep((int64_t)(check_random(random) % 100000))); break;
    case 2:
        CHECK_OK(gmp_blocking_enter());
        if (check_random(random) % 8 == 0) pause_in_the_kernel(check_random(random) % 300);
        CHECK_OK(gmp_blocking_exit());
        break;
    case 3:
        memset(&group, 0, sizeof group);
        CHECK_OK(gmp_wg_add(&group, 2));
        CHECK_OK(gmp_go(done, &group));
        CHECK_OK(gmp_go(done, &group));
        CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
        break;
    case 4: CHECK_OK(gmp_checkpoint()); break;
    default: {
        int code;
        memset(&group, 0, sizeof group);
        CHECK_OK(gmp_wg_add(&group, 1));
        code = gmp_wg_wait(&group, gmp_after_ns((int64_t)(check_random(random) % 50000)));
        CHECK_CODE(code, GMP_ETIMEDOUT);
    }
    }
}

static void *grow(void *arg) {
    struct node node = *(struct node *)arg;
    struct node child[4];
    gmp_task_t *task[4];
    uint64_t random = node.seed;
    long below = 1;
    int children = node.depth > 0 ? 1 + (int)(check_random(&random) % 4) : 0;
    CHECK(gmp_local_get(key) == NULL);
    CHECK_OK(gmp_local_set(key, &node));
    for (int i = 0; i < children; i++) {
        child[i].seed = check_random(&random) | 1;
        child[i].depth = node.depth - 1;
        CHECK_OK(gmp_spawn(grow, &child[i], NULL, &task[i]));
        if (check_random(&random) % 2) one_step(&random);
    }
    atomic_fetch_add(&grown, 1);
    one_step(&random);
    for (int i = 0; i < children; i++) {
        void *result = NULL;
        CHECK_OK(gmp_join(task[i], GMP_FOREVER, &result));
        below += (long)(intptr_t)result;
    }
    CHECK(gmp_local_get(key) == &node);
    return (void *)below;
}

static void grow_a_tree(uint64_t seed, int depth) {
    struct node root = {seed | 1, depth};
    gmp_task_t *task;
    void *result = NULL;
    CHECK_OK(gmp_spawn(grow, &root, NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
    atomic_fetch_add(&counted, (long)(intptr_t)result);
}

static void *from_a_thread(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg * 7919;
    for (int i = 0; i < 10; i++) grow_a_tree(check_random(&random), 6);
    return NULL;
}

SCENARIO(trees_of_tasks_from_four_threads_on_changing_processors) {
    pthread_t thread[4];
    uint64_t random = check_seed();
    check_start(2);
    CHECK_OK(gmp_key_create(NULL, &key));
    for (intptr_t i = 0; i < 4; i++) CHECK_EQ(pthread_create(&thread[i], NULL, from_a_thread, (void *)i), 0);
    for (int i = 0; i < 40; i++) {
        gmp_max_procs(1 + (int)(check_random(&random) % 4));
        grow_a_tree(check_random(&random), 5);
    }
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&counted), atomic_load(&grown));
    gmp_stats_t stats = check_stats();
    CHECK_EQ(stats.tasks_created, stats.tasks_ended);
    CHECK_EQ(stats.timers_pending, 0);
    CHECK_EQ(stats.tasks_blocked, 0);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_THREADS(1);
}
