/* A seeded runtime: the same seed gives the same order of task switches, and many seeds find
 * what depends on it. */
#include "seeded.h"

/* ------------------------------------------------------------ a program that uses a bit of everything */

enum { WORKERS = 6, ROUNDS = 8 };
static gmp_chan_t *wares, *ends;
static gmp_mutex_t mutex;
static gmp_wg_t done;
static int64_t shared_sum;

static void make_wares(void *arg) {
    for (int n = 0; n < ROUNDS; n++) {
        int64_t value = (int64_t)(intptr_t)arg * 100 + n;
        CHECK_OK(gmp_chan_send(wares, &value, GMP_FOREVER));
        if (n % 3 == 0) gmp_yield();
    }
    CHECK_OK(gmp_wg_done(&done));
}

static void *use_wares(void *arg) {
    (void)arg;
    for (;;) {
        int64_t value = 0, nothing = 0;
        gmp_case_t cases[2] = {{0}};
        cases[0].chan = wares;
        cases[0].op = GMP_CASE_RECV;
        cases[0].value = &value;
        cases[1].chan = ends;
        cases[1].op = GMP_CASE_RECV;
        cases[1].value = &nothing;
        size_t chosen = 2;
        CHECK_OK(gmp_select(cases, 2, GMP_FOREVER, &chosen));
        if (chosen == 1) break;
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        shared_sum += value;
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
    CHECK_OK(gmp_wg_done(&done));
    return NULL;
}

static void *wait_for_ever(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_chan_recv(NULL, NULL, GMP_FOREVER), GMP_ECANCELED);
    return NULL;
}

static void sleep_and_add(void *arg) {
    CHECK_OK(gmp_sleep((int64_t)(intptr_t)arg * MS));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    shared_sum++;
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_wg_done(&done));
}

static void bit_of_everything(int sleeps) {
    shared_sum = 0;
    memset(&mutex, 0, sizeof mutex);
    memset(&done, 0, sizeof done);
    CHECK_OK(gmp_chan_new(sizeof(int64_t), 3, &wares));
    CHECK_OK(gmp_chan_new(0, 0, &ends));
    CHECK_OK(gmp_wg_add(&done, WORKERS + (sleeps ? WORKERS : 0)));
    for (intptr_t n = 0; n < WORKERS; n++) CHECK_OK(gmp_go(make_wares, (void *)n));
    gmp_task_t *canceled;
    CHECK_OK(gmp_spawn(wait_for_ever, NULL, NULL, &canceled));
    for (intptr_t n = 0; sleeps && n < WORKERS; n++) CHECK_OK(gmp_go(sleep_and_add, (void *)(n % 3)));
    CHECK_OK(gmp_task_cancel(canceled));
    CHECK_OK(gmp_join(canceled, GMP_FOREVER, NULL));
    gmp_task_t *user[3];
    CHECK_OK(gmp_wg_add(&done, 3));
    for (int n = 0; n < 3; n++) CHECK_OK(gmp_spawn(use_wares, NULL, NULL, &user[n]));
    /* The users end when the channel `ends` is closed, which they see at a moment that the seed draws. */
    while (gmp_chan_len(wares) > 0 || gmp_num_tasks() > 4) {
        if (sleeps) {
            CHECK_OK(gmp_sleep(MS));
        } else {
            gmp_yield();
        }
    }
    CHECK_OK(gmp_chan_close(ends));
    for (int n = 0; n < 3; n++) CHECK_OK(gmp_join(user[n], GMP_FOREVER, NULL));
    CHECK_OK(gmp_wg_wait(&done, GMP_FOREVER));
    CHECK_EQ(shared_sum, (int64_t)ROUNDS * 100 * WORKERS * (WORKERS - 1) / 2 + WORKERS * ROUNDS * (ROUNDS - 1) / 2 +
                             (sleeps ? WORKERS : 0));
    gmp_chan_free(wares);
    gmp_chan_free(ends);
}

static void without_time(void *arg) {
    (void)arg;
    bit_of_everything(0);
}

static void with_time(void *arg) {
    (void)arg;
    bit_of_everything(1);
}

SCENARIO(same_seed_gives_the_same_order) {
    uint64_t seed = check_seed();
    uint64_t first = trace_of(seed, 0, without_time);
    for (int run = 0; run < 20; run++) CHECK(trace_of(seed, 0, without_time) == first);
}

SCENARIO(same_seed_gives_the_same_order_with_virtual_time) {
    uint64_t seed = check_seed();
    uint64_t first = trace_of(seed, GMP_CONFIG_VIRTUAL_TIME, with_time);
    for (int run = 0; run < 20; run++) CHECK(trace_of(seed, GMP_CONFIG_VIRTUAL_TIME, with_time) == first);
}

SCENARIO(other_seeds_give_other_orders) {
    enum { SEEDS = 50 };
    static uint64_t seen[SEEDS];
    for (int n = 0; n < SEEDS; n++) {
        seen[n] = trace_of((uint64_t)n + 1, 0, without_time);
        for (int before = 0; before < n; before++) CHECK(seen[n] != seen[before]);
    }
}

/* ------------------------------------------------------------ what is interrupted, and where */

static int64_t counter;
static atomic_int raised;

static void *add_one_around_a_yield(void *arg) {
    (void)arg;
    int64_t seen = counter;
    gmp_yield();
    counter = seen + 1;
    return NULL;
}

static void *add_one_under_two_locks(void *arg) {
    (void)arg;
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    int64_t seen = counter;
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    counter = seen + 1;
    CHECK_OK(gmp_mutex_unlock(&mutex));
    return NULL;
}

static void two_of(gmp_task_fn_t fn) {
    gmp_task_t *task[2];
    counter = 0;
    memset(&mutex, 0, sizeof mutex);
    for (int n = 0; n < 2; n++) CHECK_OK(gmp_spawn(fn, NULL, NULL, &task[n]));
    for (int n = 0; n < 2; n++) CHECK_OK(gmp_join(task[n], GMP_FOREVER, NULL));
}

static void two_around_a_yield(void *arg) {
    (void)arg;
    two_of(add_one_around_a_yield);
}

static void two_under_two_locks(void *arg) {
    (void)arg;
    two_of(add_one_under_two_locks);
}

static void *look_at_the_flag(void *arg) {
    *(int *)arg = atomic_load(&raised);
    return NULL;
}

static int seen_by_the_child;

static void spawn_then_raise(void *arg) {
    (void)arg;
    gmp_task_t *child;
    atomic_store(&raised, 0);
    CHECK_OK(gmp_spawn(look_at_the_flag, &seen_by_the_child, NULL, &child));
    atomic_store(&raised, 1);
    CHECK_OK(gmp_join(child, GMP_FOREVER, NULL));
}

static gmp_chan_t *news;

static void *hear_then_look(void *arg) {
    CHECK_OK(gmp_chan_recv(news, NULL, GMP_FOREVER));
    *(int *)arg = atomic_load(&raised);
    return NULL;
}

static void send_then_raise(void *arg) {
    (void)arg;
    gmp_task_t *child;
    atomic_store(&raised, 0);
    CHECK_OK(gmp_chan_new(0, 0, &news));
    CHECK_OK(gmp_spawn(hear_then_look, &seen_by_the_child, NULL, &child));
    CHECK_OK(gmp_chan_send(news, NULL, GMP_FOREVER));
    atomic_store(&raised, 1);
    CHECK_OK(gmp_join(child, GMP_FOREVER, NULL));
    gmp_chan_free(news);
}

static gmp_mutex_t first, second;

static void lock_both(gmp_mutex_t *a, gmp_mutex_t *b) {
    gmp_time_t until = gmp_after_ns(SECOND);
    CHECK_OK(gmp_mutex_lock(a, GMP_FOREVER));
    int code = gmp_mutex_lock(b, until);
    CHECK(code == GMP_OK || code == GMP_ETIMEDOUT);
    if (code == GMP_ETIMEDOUT) counter++;
    if (code == GMP_OK) CHECK_OK(gmp_mutex_unlock(b));
    CHECK_OK(gmp_mutex_unlock(a));
}

static void *lock_forwards(void *arg) {
    (void)arg;
    lock_both(&first, &second);
    return NULL;
}

static void *lock_backwards(void *arg) {
    (void)arg;
    lock_both(&second, &first);
    return NULL;
}

static void locks_in_two_orders(void *arg) {
    (void)arg;
    gmp_task_t *task[2];
    counter = 0;
    CHECK_OK(gmp_spawn(lock_forwards, NULL, NULL, &task[0]));
    CHECK_OK(gmp_spawn(lock_backwards, NULL, NULL, &task[1]));
    for (int n = 0; n < 2; n++) CHECK_OK(gmp_join(task[n], GMP_FOREVER, NULL));
}

/* Runs `fn` with each of many seeds: how often `odd` came out; both outcomes are asked for, and each again. */
static void both_happen(uint32_t flags, void (*fn)(void *), int (*odd)(void)) {
    enum { SEEDS = 300 };
    int odds = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t trace = trace_of(seed, flags, fn);
        int was_odd = odd();
        odds += was_odd;
        if (seed % 10 == 0) {
            CHECK(trace_of(seed, flags, fn) == trace);
            CHECK_EQ(odd(), was_odd);
        }
    }
    printf("%d of %d\n", odds, SEEDS);
    CHECK(odds > 0 && odds < SEEDS);
}

static int lost_one(void) { return counter == 1; }
static int child_was_early(void) { return seen_by_the_child == 0; }
static int met(void) { return counter > 0; }

SCENARIO(lost_update_around_a_yield_is_found) { both_happen(0, two_around_a_yield, lost_one); }
SCENARIO(lost_update_between_two_locks_is_found) { both_happen(0, two_under_two_locks, lost_one); }
SCENARIO(child_runs_before_and_after_what_follows_its_spawn) { both_happen(0, spawn_then_raise, child_was_early); }
SCENARIO(receiver_runs_before_and_after_what_follows_the_send) { both_happen(0, send_then_raise, child_was_early); }
SCENARIO(deadlock_of_two_locks_is_found) { both_happen(GMP_CONFIG_VIRTUAL_TIME, locks_in_two_orders, met); }

enum { CROWD = 400 };
static int first_of_the_crowd;

static void be_first(void *arg) {
    if (first_of_the_crowd < 0) first_of_the_crowd = (int)(intptr_t)arg;
}

static void start_a_crowd(void *arg) {
    (void)arg;
    first_of_the_crowd = -1;
    for (intptr_t n = 0; n < CROWD; n++) CHECK_OK(gmp_go(be_first, (void *)n));
}

/* More than the ring holds; and which one is first is drawn among many. */
SCENARIO(any_of_many_may_run_next) {
    int early = 0, late = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t trace = trace_of(seed, 0, start_a_crowd);
        int was = first_of_the_crowd;
        CHECK(trace == trace_of(seed, 0, start_a_crowd));
        CHECK_EQ(first_of_the_crowd, was);
        if (was < 4) early++;
        if (was >= 4) late++;
    }
    CHECK(early > 0 && late > 0);
}

/* ------------------------------------------------------------ one task at a time */

static atomic_int inside_now;

static void be_alone(void *arg) {
    (void)arg;
    for (int n = 0; n < 200; n++) {
        CHECK_EQ(atomic_fetch_add(&inside_now, 1), 0);
        for (volatile int spin = 0; spin < 500; spin++) {
        }
        atomic_fetch_sub(&inside_now, 1);
        gmp_yield();
    }
}

static void eight_that_want_to_be_alone(void *arg) {
    (void)arg;
    for (int n = 0; n < 8; n++) CHECK_OK(gmp_go(be_alone, NULL));
}

static void sixty_milliseconds(void *arg) {
    (void)arg;
    for (int n = 0; n < 3; n++) {
        CHECK_EQ(atomic_fetch_add(&inside_now, 1), 0);
        gmp_time_t until = gmp_now() + 20 * MS;
        while (gmp_now() < until) {
        }
        atomic_fetch_sub(&inside_now, 1);
        CHECK_OK(gmp_checkpoint());
    }
}

static void four_that_compute(void *arg) {
    (void)arg;
    for (int n = 0; n < 4; n++) CHECK_OK(gmp_go(sixty_milliseconds, NULL));
}

SCENARIO(one_task_runs_at_a_time) {
    trace_of(check_seed(), 0, eight_that_want_to_be_alone);
    uint64_t trace = trace_of(check_seed(), 0, four_that_compute);
    CHECK(trace == trace_of(check_seed(), 0, four_that_compute));
}

SCENARIO(number_of_processors_stays_one) {
    start_seeded(5, 0);
    CHECK_EQ(gmp_max_procs(0), 1);
    CHECK_EQ(gmp_max_procs(4), 1);
    CHECK_EQ(gmp_max_procs(0), 1);
    stop();
}

static int pipe_end[2];

static void *read_a_byte(void *arg) {
    char byte;
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    CHECK_EQ(read(pipe_end[0], &byte, 1), 1);
    CHECK_OK(gmp_blocking_exit());
    return NULL;
}

static void block_then_let_go(void *arg) {
    (void)arg;
    gmp_task_t *reader;
    CHECK_OK(gmp_spawn(read_a_byte, NULL, NULL, &reader));
    /* Others run, or this comes never. */
    while (gmp_num_tasks() == 2 && check_stats().tasks_blocked == 0) gmp_yield();
    CHECK_EQ(write(pipe_end[1], "x", 1), 1);
    CHECK_OK(gmp_join(reader, GMP_FOREVER, NULL));
}

/* Determinism ends where code stays away, but nothing stands still for it. */
SCENARIO(declared_blocking_gives_the_processor_up_in_the_end) {
    CHECK_EQ(pipe(pipe_end), 0);
    start_seeded(7, 0);
    CHECK_OK(gmp_run(block_then_let_go, NULL));
    stop();
}

SCENARIO(trace_is_zero_without_a_seed) {
    CHECK(gmp_trace_hash() == 0);
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_run(without_time, NULL));
    CHECK(gmp_trace_hash() == 0);
    stop();
    CHECK(gmp_trace_hash() == 0);
}
