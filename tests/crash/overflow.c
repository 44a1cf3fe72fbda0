/* The stack-overflow reporter by itself: what it says, of whom, and of what it says nothing. */
//@ with GMP_TEST_GUARD=mprotect
#include <alloca.h>
#include <pthread.h>

#include "dying.h"

/* ------------------------------------------------------------ what is said */

//@ dies SIGSEGV
//@ says (digger): stack overflow (size 196608, used 19
//@ says = crash-overflow+0x
SCENARIO(crash_overflow_names_task_size_and_spawn_site) {
    CHECK_OK(start_reporting(1));
    run_named(dig_without_end, NULL, "digger", 0);
}


static void *say_id_and_dig(void *arg) {
    fprintf(stderr, "id %llu\n", (unsigned long long)gmp_self_id());
    return dig_without_end(arg);
}

__attribute__((noinline)) static void spawn_known_task(void) {
    gmp_task_t *task;
    fprintf(stderr, "site %llu\n", (unsigned long long)(uintptr_t)spawn_known_task);
    CHECK_OK(gmp_spawn(say_id_and_dig, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

static void life_of_known_task(void) {
    CHECK_OK(start_reporting(1));
    spawn_known_task();
}

SCENARIO(crash_overflow_says_the_right_id_and_the_right_address) {
    struct death *death = death_of(life_of_known_task);
    CHECK_DIED_OF(death, SIGSEGV);
    unsigned long long id = 0, spawner = 0, said_id = 0, said_site = 0;
    char *line = strstr(death->said, "gmp: ");
    CHECK(line != NULL);
    CHECK_EQ(sscanf(death->said, "site %llu\nid %llu", &spawner, &id), 2);
    CHECK_EQ(sscanf(line, "gmp: task %llu: stack overflow (size 196608, used %*u, spawned at 0x%llx", &said_id, &said_site), 2);
    CHECK_EQ(said_id, id);
    CHECK(said_site > spawner && said_site < spawner + 256);
    CHECK_SAID(death, "gmp: ", 1);
}

static size_t asked;

static void life_on_a_stack_of_a_class(void) {
    CHECK_OK(start_reporting(1));
    run_named(dig_without_end, NULL, NULL, asked);
}

SCENARIO(crash_overflow_of_every_stack_class_is_told_with_its_size) {
    static const struct { size_t asked; const char *says; } classes[] = {
        {16384, "stack overflow (size 49152, used "},
        {100000, "stack overflow (size 196608, used "},
        {500000, "stack overflow (size 983040, used "},
        {1500000, "stack overflow (size 2031616, used "},
        {4000000, "stack overflow (size 8323072, used "},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        asked = classes[i].asked;
        struct death *death = death_of(life_on_a_stack_of_a_class);
        CHECK_DIED_OF(death, SIGSEGV);
        CHECK_SAID(death, classes[i].says, 1);
    }
}

static atomic_int ran;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void *spawn_many_then_dig(void *arg) {
    gmp_task_t *last;
    gmp_spawn_opts_t opts;
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(count, NULL));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = "last";
    CHECK_OK(gmp_spawn(dig_without_end, arg, &opts, &last));
    /* A deadline keeps it from being run in place: it starts on the stack that the others ended on. */
    CHECK_OK(gmp_join(last, SOON(), NULL));
    return arg;
}

static void life_on_a_hot_stack(void) {
    CHECK_OK(start_reporting(1));
    run_named(spawn_many_then_dig, NULL, "first", 0);
}

SCENARIO(crash_overflow_on_a_stack_that_others_ended_on_names_the_last) {
    struct death *death = death_of(life_on_a_hot_stack);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, " (last): stack overflow (size 196608, used ", 1);
    CHECK_SAID(death, "gmp: ", 1);
}

static void *join_in_place(void *arg) {
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = arg ? "child" : "grandchild";
    CHECK_OK(gmp_spawn(arg ? join_in_place : dig_without_end, NULL, &opts, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    return arg;
}

/* Nobody joins it, so nobody could cancel it: what it joins runs in place. */
static void host(void *arg) {
    fprintf(stderr, "the stack of task %llu\n", (unsigned long long)gmp_self_id());
    join_in_place(arg);
}

static void life_in_place(void) {
    CHECK_OK(start_reporting(1));
    CHECK_OK(gmp_go(host, &ran));
    CHECK_IDLE();
}

//@ needs own-switch
SCENARIO(crash_overflow_in_place_names_the_child_and_whose_stack_it_was) {
    struct death *death = death_of(life_in_place);
    char host[64] = "";
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, " (grandchild): stack overflow (size 196608, used ", 1);
    CHECK_EQ(sscanf(death->said, "the stack of task %40[0-9]", host), 1);
    strcat(host, ", spawned at ");
    CHECK_SAID(death, ", on the stack of task ", 1);
    CHECK_SAID(death, host, 1);
}

/* ------------------------------------------------------------ a neighbour's guard */

#define SLOT ((size_t)256 << 10)

static gmp_wg_t gate;
static atomic_uintptr_t lowest = UINTPTR_MAX, parked;
static atomic_ullong lowest_id;

static void *park_with_address(void *arg) {
    uintptr_t low = (uintptr_t)__builtin_frame_address(0) / SLOT * SLOT;
    if (low < atomic_load(&lowest)) {
        atomic_store(&lowest, low);
        atomic_store(&lowest_id, gmp_self_id());
    }
    atomic_fetch_add(&parked, 1);
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    return arg;
}

static void park_neighbours(int n) {
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 0; i < n; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(park_with_address, NULL, NULL, &task));
        CHECK_OK(gmp_task_free(task));
    }
    while (atomic_load(&parked) < (uintptr_t)n) gmp_sleep(MS);
}

/* Reaches over the whole slot below to the guard of that one: never into what is somebody's. */
__attribute__((noinline)) static void *leap_over_a_slot(void *arg) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), low = here / SLOT * SLOT;
    if (low <= atomic_load(&lowest) + SLOT) {
        /* Nobody below: another task. */
        gmp_task_t *task;
        gmp_spawn_opts_t opts;
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.name = "leaper";
        CHECK_OK(gmp_spawn(leap_over_a_slot, arg, &opts, &task));
        CHECK_OK(gmp_wg_wait(&gate, SOON()));
    }
    volatile char *room = alloca(here - low + SLOT - 1000);
    room[0] = 1;
    return arg;
}

static void life_beside_neighbours(void) {
    CHECK_OK(start_reporting(1));
    park_neighbours(200);
    run_named(leap_over_a_slot, NULL, "leaper", 0);
}

SCENARIO(crash_frame_that_reaches_the_guard_of_a_neighbour_is_an_overflow_of_its_own) {
    struct death *death = death_of(life_beside_neighbours);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, " (leaper): stack overflow (size 196608, used ", 1);
    CHECK_SAID(death, "gmp: ", 1);
}

static void *go_astray(void *arg) {
    fprintf(stderr, "in the guard of the stack of task %llu\n", (unsigned long long)atomic_load(&lowest_id));
    *(volatile char *)(atomic_load(&lowest) + 100) = 1;
    return arg;
}

static void life_of_a_stray_pointer(void) {
    CHECK_OK(start_reporting(1));
    park_neighbours(10);
    run_named(go_astray, NULL, "stray", 0);
}

SCENARIO(crash_stray_pointer_into_a_guard_is_no_overflow_and_both_are_named) {
    struct death *death = death_of(life_of_a_stray_pointer);
    char owner[80] = "";
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "overflow", 0);
    CHECK_SAID(death, " (stray): access to 0x", 1);
    CHECK_EQ(sscanf(death->said, "%79[^\n]", owner), 1);
    CHECK_SAID(death, owner, 2);
}

/* ------------------------------------------------------------ of what nothing is said */

static void life_of_a_null_dereference(void) {
    CHECK_OK(start_reporting(1));
    run_named(dereference_null, NULL, "null", 0);
}

SCENARIO(crash_null_dereference_is_not_told) {
    struct death *death = death_of(life_of_a_null_dereference);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp: ", 0);
}

static void life_without_the_flag(void) {
    check_start(1);
    run_named(dig_without_end, NULL, "silent", 0);
}

SCENARIO(crash_overflow_is_not_told_without_the_flag) {
    struct death *death = death_of(life_without_the_flag);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp: ", 0);
}

static int dig_on_the_machines_stack(void *user, void **m) {
    (void)user;
    *m = (void *)(intptr_t)dig(0);
    return 0;
}

static void life_of_a_hook(void) {
    static gmp_task_class_t class = {.struct_size = sizeof class, .machine_start = dig_on_the_machines_stack};
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    CHECK_OK(start_reporting(1));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &class;
    CHECK_OK(gmp_spawn(dereference_null, NULL, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

SCENARIO(crash_overflow_of_a_machines_own_stack_is_not_told) {
    struct death *death = death_of(life_of_a_hook);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp: ", 0);
}

static void *dig_on_a_thread(void *arg) { return (void *)(intptr_t)dig(arg != NULL); }

static void life_of_a_foreign_thread(void) {
    pthread_t thread;
    CHECK_OK(start_reporting(1));
    CHECK_EQ(pthread_create(&thread, NULL, dig_on_a_thread, NULL), 0);
    pthread_join(thread, NULL);
}

SCENARIO(crash_overflow_of_a_foreign_thread_is_not_told) {
    struct death *death = death_of(life_of_a_foreign_thread);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp: ", 0);
}

static void life_of_a_raised_signal(void) {
    CHECK_OK(start_reporting(1));
    raise(SIGSEGV);
}

SCENARIO(crash_raised_signal_kills_as_it_does_without_us) {
    struct death *death = death_of(life_of_a_raised_signal);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp: ", 0);
}

/* ------------------------------------------------------------ fork */

static void die_in_a_grandchild(void (*fault)(void)) {
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        fault();
        _exit(3);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

static void just_fault(void) { *nowhere = 1; }
static void just_dig(void) { CHECK(dig(0) != 12345); }

static void *fork_and_fault(void *arg) {
    die_in_a_grandchild(just_fault);
    die_in_a_grandchild(just_dig);
    return arg;
}

static void report_afresh(void) {
    CHECK_OK(start_reporting(1));
    run_named(dig_without_end, NULL, "in the child", 0);
}

static void life_with_forks(void) {
    CHECK_OK(start_reporting(1));
    run_named(fork_and_fault, NULL, "forker", 0);
    die_in_a_grandchild(just_fault);
    die_in_a_grandchild(report_afresh);
    run_named(dig_without_end, NULL, "in the parent", 0);
}

SCENARIO(crash_child_of_a_fork_dies_of_its_faults_and_reports_when_it_starts_afresh) {
    struct death *death = death_of(life_with_forks);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, " (in the child): stack overflow", 1);
    CHECK_SAID(death, " (in the parent): stack overflow", 1);
    CHECK_SAID(death, "gmp: ", 2);
}
