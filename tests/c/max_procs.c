/* The number of processors: its default, the environment, and changes while tasks run. */
#include <sys/stat.h>

#include "check.h"

static gmp_wg_t group;
static atomic_int stop;
static atomic_long turns, spawned, ran;

static void set(const char *name, const char *value) { CHECK_EQ(setenv(name, value, 1), 0); }

SCENARIO(asking_and_setting_gives_the_previous_value) {
    check_start(2);
    CHECK_EQ(gmp_max_procs(0), 2);
    CHECK_EQ(gmp_max_procs(-5), 2);
    CHECK_EQ(gmp_max_procs(3), 2);
    CHECK_EQ(gmp_max_procs(1), 3);
    CHECK_EQ(gmp_max_procs(1024), 1);
    CHECK_EQ(gmp_max_procs(2), 1024);
    CHECK_EQ(gmp_max_procs(0), 2);
    CHECK_EQ(check_stats().procs, 2);
}

SCENARIO(environment_sets_the_number) {
    set("GMP_MAXPROCS", "3");
    CHECK_OK(gmp_start(NULL));
    CHECK_EQ(gmp_max_procs(0), 3);
    CHECK_EQ(check_stats().procs, 3);
}

SCENARIO(config_wins_over_the_environment) {
    set("GMP_MAXPROCS", "3");
    check_start(2);
    CHECK_EQ(gmp_max_procs(0), 2);
}

static void garbage_is_ignored(const char *value) {
    set("GMP_TEST_NCPU", "5");
    set("GMP_TEST_CGROUP", "/nonexistent");
    set("GMP_MAXPROCS", value);
    CHECK_OK(gmp_start(NULL));
    CHECK_EQ(gmp_max_procs(0), 5);
    CHECK_EQ(gmp_max_procs_default(), 5);
}

SCENARIO(environment_of_letters_is_ignored) { garbage_is_ignored("abc"); }
SCENARIO(environment_of_zero_is_ignored) { garbage_is_ignored("0"); }
SCENARIO(environment_below_zero_is_ignored) { garbage_is_ignored("-2"); }
SCENARIO(environment_with_a_tail_is_ignored) { garbage_is_ignored("3x"); }
SCENARIO(environment_past_32_bits_is_ignored) { garbage_is_ignored("99999999999"); }
SCENARIO(environment_that_is_empty_is_ignored) { garbage_is_ignored(""); }

/* ------------------------------------------------------------ the default */
static char directory[] = "/tmp/gmp-test-XXXXXX";

static void write_file(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void make_directory(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    CHECK_EQ(mkdir(path, 0700), 0);
}

static void remove_all(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    CHECK_EQ(system(command), 0);
}

static void quota_gives(const char *below, int wanted) {
    char path[256];
    snprintf(path, sizeof path, "%s%s", directory, below);
    set("GMP_TEST_NCPU", "8");
    set("GMP_TEST_CGROUP", path);
    CHECK_EQ(gmp_max_procs_default(), wanted);
    CHECK_EQ(gmp_num_cpu(), 8);
    CHECK_OK(gmp_start(NULL));
    CHECK_EQ(gmp_max_procs(0), wanted);
    remove_all();
}

static void v2_quota_gives(const char *cpu_max, int wanted) {
    CHECK(mkdtemp(directory) != NULL);
    write_file("cpu.max", cpu_max);
    quota_gives("", wanted);
}

SCENARIO(no_quota_gives_every_cpu) { v2_quota_gives("max 100000\n", 8); }
SCENARIO(quota_of_half_a_cpu_gives_two) { v2_quota_gives("50000 100000\n", 2); }
SCENARIO(quota_of_two_cpus_gives_two) { v2_quota_gives("200000 100000\n", 2); }
SCENARIO(quota_just_above_two_gives_three) { v2_quota_gives("200001 100000\n", 3); }
SCENARIO(quota_above_the_cpus_gives_the_cpus) { v2_quota_gives("6400000 100000\n", 8); }
SCENARIO(quota_of_nonsense_gives_every_cpu) { v2_quota_gives("many few\n", 8); }

SCENARIO(quota_of_version_one_counts) {
    CHECK(mkdtemp(directory) != NULL);
    write_file("cpu.cfs_quota_us", "350000\n");
    write_file("cpu.cfs_period_us", "100000\n");
    quota_gives("", 4);
}

SCENARIO(version_one_without_quota_gives_every_cpu) {
    CHECK(mkdtemp(directory) != NULL);
    write_file("cpu.cfs_quota_us", "-1\n");
    write_file("cpu.cfs_period_us", "100000\n");
    quota_gives("", 8);
}

/* A container's own cgroup often has no quota: the one above it has. */
SCENARIO(smallest_quota_of_all_ancestors_counts) {
    CHECK(mkdtemp(directory) != NULL);
    write_file("cpu.max", "max 100000\n");
    make_directory("a");
    write_file("a/cpu.max", "300000 100000\n");
    make_directory("a/b");
    write_file("a/b/cpu.max", "500000 100000\n");
    make_directory("a/b/c");
    write_file("a/b/c/cpu.max", "max 100000\n");
    quota_gives("/a/b/c", 3);
}

/* ------------------------------------------------------------ changes while tasks run */
static void run_once(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void yield_and_spawn(void *arg) {
    long mine = 0;
    (void)arg;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&turns, 1);
        if (++mine % 4 == 0) {
            CHECK_OK(gmp_wg_go(&group, run_once, NULL));
            atomic_fetch_add(&spawned, 1);
        }
        gmp_yield();
    }
}

static void change_up_and_down(int (*next)(uint64_t *state), int changes) {
    uint64_t seed = check_seed();
    for (int i = 0; i < 8; i++) CHECK_OK(gmp_wg_go(&group, yield_and_spawn, NULL));
    int before = gmp_max_procs(0);
    for (int i = 0; i < changes; i++) {
        int n = next(&seed);
        long seen = atomic_load(&turns);
        CHECK_EQ(gmp_max_procs(n), before);
        before = n;
        while (atomic_load(&turns) < seen + 50) CHECK_OK(gmp_sleep(20000)); /* they all go on in between */
    }
    atomic_store(&stop, 1);
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), atomic_load(&spawned));
    CHECK_EQ(check_stats().tasks_created, 8 + atomic_load(&spawned));
    CHECK_EQ(check_stats().tasks_ended, 8 + atomic_load(&spawned));
}

static int up_to_four(uint64_t *state) { return 1 + (int)(check_random(state) % 4); }
static int one_or_many(uint64_t *state) { return check_random(state) % 2 ? 1 : 16; }

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(changes_while_eight_tasks_yield_and_spawn_lose_none) {
    check_start(2);
    change_up_and_down(up_to_four, 300);
}

SCENARIO(changes_between_one_and_sixteen_lose_none) {
    check_start(1);
    change_up_and_down(one_or_many, 100);
}

static void change_from_inside(void *arg) {
    (void)arg;
    for (int i = 0; i < 50; i++) {
        CHECK(gmp_max_procs(1 + i % 4) >= 1);
        gmp_yield();
        CHECK_OK(gmp_sleep(10000));
    }
}

SCENARIO(tasks_may_change_the_number_themselves) {
    check_start(2);
    for (int i = 0; i < 4; i++) CHECK_OK(gmp_wg_go(&group, change_from_inside, NULL));
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_wg_go(&group, run_once, NULL));
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_EQ(atomic_load(&ran), 100);
}

static void sleep_a_little(void *arg) {
    CHECK_OK(gmp_sleep((intptr_t)arg));
    atomic_fetch_add(&ran, 1);
}

/* Timers of a processor that goes away are somebody's, too. */
SCENARIO(sleepers_of_a_removed_processor_wake) {
    check_start(4);
    for (intptr_t i = 0; i < 400; i++) CHECK_OK(gmp_go(sleep_a_little, (void *)(i * 100000)));
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_sleep(2 * MS));
        gmp_max_procs(i % 2 ? 4 : 1);
    }
    CHECK_EQ(gmp_max_procs(1), 4);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 400);
}
