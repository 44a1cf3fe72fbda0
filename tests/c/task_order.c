/* In which order tasks run on one processor, and that nobody starves there. */
//@ env GMP_MAXPROCS=1
#include "check.h"

static int order[16];
static int turns;
static gmp_wg_t gate;

static void take_turn(void *arg) {
    order[turns++] = (int)(intptr_t)arg;
    CHECK_OK(gmp_wg_done(&gate));
}

static void spawn_ten_and_block(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_add(&gate, 10));
    for (intptr_t i = 0; i < 10; i++) CHECK_OK(gmp_go(take_turn, (void *)i));
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
}

SCENARIO(newest_runs_first_then_first_in_first_out) {
    static const int wanted[10] = {9, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    CHECK_OK(gmp_run(spawn_ten_and_block, NULL));
    for (int i = 0; i < 10; i++) CHECK_EQ(order[i], wanted[i]);
}

static void no_op(void *arg) { (void)arg; }

static void spawn_and_see_nothing_run(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_go(take_turn, NULL));
    CHECK_EQ(turns, 0); /* creation never runs the new task before it returns */
    gmp_yield();
    CHECK_EQ(turns, 1);
}

SCENARIO(new_task_waits_until_its_creator_lets_go) { CHECK_OK(gmp_run(spawn_and_see_nothing_run, NULL)); }

enum { YIELDERS = 5, ROUNDS = 200 };
static int seen[YIELDERS];

static void yield_in_turn(void *arg) {
    int self = (int)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        for (int other = 0; other < YIELDERS; other++) {
            /* Two and not one: every 61st look at the global queue comes out of turn. */
            CHECK(seen[other] - seen[self] <= 2 && seen[self] - seen[other] <= 2);
        }
        seen[self]++;
        gmp_yield();
    }
    CHECK_OK(gmp_wg_done(&gate));
}

static void start_yielders(void *arg) {
    intptr_t n = (intptr_t)arg;
    CHECK_OK(gmp_wg_add(&gate, n));
    for (intptr_t i = 0; i < n; i++) CHECK_OK(gmp_go(yield_in_turn, (void *)i));
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
}

SCENARIO(yield_lets_every_other_runnable_task_have_a_turn) { CHECK_OK(gmp_run(start_yielders, (void *)(intptr_t)YIELDERS)); }

static char letters[64];

static void write_letter(void *arg) {
    for (int i = 0; i < 20; i++) {
        letters[turns++] = (char)(intptr_t)arg;
        gmp_yield();
    }
    CHECK_OK(gmp_wg_done(&gate));
}

static void start_two(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_add(&gate, 2));
    CHECK_OK(gmp_go(write_letter, (void *)(intptr_t)'A'));
    CHECK_OK(gmp_go(write_letter, (void *)(intptr_t)'B'));
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
}

SCENARIO(two_yielders_alternate) {
    CHECK_OK(gmp_run(start_two, NULL));
    for (int i = 1; i < 40; i++) CHECK(letters[i] != letters[i - 1]);
}

static atomic_int stop;
static long hops;

static void respawn(void *arg) {
    hops++;
    if (!atomic_load(&stop)) CHECK_OK(gmp_go(respawn, arg));
}

static void yield_beside_the_chain(void *arg) {
    (void)arg;
    CHECK_OK(gmp_go(respawn, NULL));
    for (int i = 0; i < 20; i++) gmp_yield();
    atomic_store(&stop, 1);
}

/* A task that only spawns its successor and ends holds Go's processor for seconds; here others get a turn. */
SCENARIO(chain_of_successors_does_not_starve_a_yielder) {
    CHECK_OK(gmp_run(yield_beside_the_chain, NULL));
    CHECK_IDLE();
    CHECK(hops > 0);
}

static gmp_wg_t ping, pong;
static long exchanges;

static void play(void *arg) {
    gmp_wg_t *mine = arg ? &ping : &pong, *theirs = arg ? &pong : &ping;
    for (;;) {
        CHECK_OK(gmp_wg_wait(mine, GMP_FOREVER));
        CHECK_OK(gmp_wg_add(mine, 1));
        exchanges++;
        int last = atomic_load(&stop);
        CHECK_OK(gmp_wg_done(theirs));
        if (last) return;
    }
}

static void compute_beside_the_pair(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_add(&ping, 1));
    CHECK_OK(gmp_wg_add(&pong, 1));
    CHECK_OK(gmp_go(play, &ping));
    CHECK_OK(gmp_go(play, NULL));
    CHECK_OK(gmp_wg_done(&ping));
    for (int i = 0; i < 50; i++) gmp_yield();
    atomic_store(&stop, 1);
}

SCENARIO(pair_that_wakes_each_other_does_not_starve_a_third) {
    CHECK_OK(gmp_run(compute_beside_the_pair, NULL));
    CHECK_IDLE();
    CHECK(exchanges > 0);
}

static atomic_int last_started;

static void note_start(void *arg) { atomic_store(&last_started, (int)(intptr_t)arg); }

/* More than any local queue holds: none is lost on the way over the global one. */
static void spawn_many(void *arg) {
    (void)arg;
    for (intptr_t i = 0; i < 5000; i++) CHECK_OK(gmp_wg_go(&gate, i % 7 ? no_op : note_start, (void *)i));
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
}

SCENARIO(more_tasks_than_a_local_queue_holds_all_run) {
    CHECK_OK(gmp_run(spawn_many, NULL));
    CHECK_IDLE();
    CHECK_EQ(check_stats().tasks_ended, check_stats().tasks_created);
}
