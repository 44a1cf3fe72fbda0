/* Function timers: each runs as a task of its own, once for each setting that was not stopped; and when it is freed. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

#define HOUR (3600 * SECOND)

static atomic_int fired;
static gmp_time_t due;
static uint64_t creator;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&fired, 1);
}

static void until_fired(int n) {
    UNTIL(atomic_load(&fired) >= n, CHECK_OK(gmp_sleep(20000)));
    CHECK_EQ(atomic_load(&fired), n);
}

static gmp_timer_t *counting(int64_t ns) {
    gmp_timer_t *timer = NULL;
    CHECK_OK(gmp_timer_func(ns, count, NULL, &timer));
    CHECK(timer != NULL);
    return timer;
}

/* ------------------------------------------------------------ firing */
static void check_firing(void *arg) {
    CHECK_EQ((intptr_t)arg, 4711);
    CHECK(gmp_now() >= due);
    CHECK(gmp_self_id() != 0 && gmp_self_id() != creator);
    CHECK_OK(gmp_sleep(1000)); /* it is a task: it may wait */
    atomic_fetch_add(&fired, 1);
}

static void fire_in_turn(void *arg) {
    static const int64_t after[] = {0, -1, -SECOND, INT64_MIN, 1, 1000, 50000, 1000000, 20000000};
    (void)arg;
    creator = gmp_self_id();
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        gmp_timer_t *timer;
        int before = atomic_load(&fired);
        due = after[i] > 0 ? gmp_now() + after[i] : gmp_now();
        CHECK_OK(gmp_timer_func(after[i], check_firing, (void *)4711, &timer));
        until_fired(before + 1);
        CHECK_CODE(gmp_timer_stop(timer), 0);
        gmp_timer_free(timer);
    }
}

SCENARIO(function_runs_as_a_task_and_never_early) {
    fire_in_turn(NULL);
    CHECK_OK(gmp_run(fire_in_turn, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(far_times_do_not_come) {
    static const int64_t after[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2, HOUR};
    gmp_timer_t *timer[4];
    for (int i = 0; i < 4; i++) timer[i] = counting(after[i]);
    CHECK_OK(gmp_sleep(20 * MS));
    CHECK_EQ(atomic_load(&fired), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_CODE(gmp_timer_stop(timer[i]), 1);
        CHECK_CODE(gmp_timer_stop(timer[i]), 0);
        CHECK_CODE(gmp_timer_reset(timer[i], after[3 - i]), 0);
        CHECK_CODE(gmp_timer_reset(timer[i], after[i]), 1);
        gmp_timer_free(timer[i]);
    }
    CHECK_EQ(atomic_load(&fired), 0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(foolish_arguments_are_einval) {
    gmp_timer_t *timer = (gmp_timer_t *)17;
    CHECK_CODE(gmp_timer_func(0, NULL, NULL, &timer), GMP_EINVAL);
    CHECK(timer == (gmp_timer_t *)17);
    CHECK_CODE(gmp_timer_func(0, count, NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_timer_stop(NULL), GMP_EINVAL);
    CHECK_CODE(gmp_timer_reset(NULL, 0), GMP_EINVAL);
    CHECK(gmp_timer_channel(NULL) == NULL);
    gmp_timer_free(NULL);
    timer = counting(HOUR);
    CHECK(gmp_timer_channel(timer) == NULL);
    gmp_timer_free(timer);
    CHECK_OK(gmp_sleep(5 * MS));
    CHECK_EQ(atomic_load(&fired), 0);
}

/* ------------------------------------------------------------ stop and reset: the table */
enum state { PENDING, FIRED, STOPPED, STOPPED_LATE, RESET_PENDING, RESET_FIRED, STATES };

static gmp_timer_t *in_state(enum state state) {
    gmp_timer_t *timer;
    atomic_store(&fired, 0);
    switch (state) {
    case PENDING: return counting(HOUR);
    case FIRED:
        timer = counting(1000);
        until_fired(1);
        return timer;
    case STOPPED:
        timer = counting(HOUR);
        CHECK_CODE(gmp_timer_stop(timer), 1);
        return timer;
    case STOPPED_LATE:
        timer = counting(0);
        until_fired(1);
        CHECK_CODE(gmp_timer_stop(timer), 0);
        return timer;
    case RESET_PENDING:
        timer = counting(0);
        until_fired(1);
        CHECK_CODE(gmp_timer_reset(timer, HOUR), 0);
        return timer;
    default:
        timer = counting(HOUR);
        CHECK_CODE(gmp_timer_reset(timer, 1000), 1);
        until_fired(1);
        return timer;
    }
}

static void every_state(void *arg) {
    (void)arg;
    for (int state = 0; state < STATES; state++) {
        int pending = state == PENDING || state == RESET_PENDING;
        gmp_timer_t *timer = in_state((enum state)state);
        int before = atomic_load(&fired);
        CHECK_CODE(gmp_timer_stop(timer), pending);
        CHECK_CODE(gmp_timer_stop(timer), 0); /* whatever it was: it is stopped now */
        gmp_timer_free(timer);

        timer = in_state((enum state)state);
        CHECK_CODE(gmp_timer_reset(timer, HOUR), pending);
        CHECK_CODE(gmp_timer_reset(timer, HOUR), 1);
        CHECK_CODE(gmp_timer_stop(timer), 1);
        CHECK_CODE(gmp_timer_reset(timer, -1), 0); /* a stopped one can be set as often as one likes */
        until_fired(before + 1);
        CHECK_CODE(gmp_timer_reset(timer, INT64_MIN), 0);
        until_fired(before + 2);
        CHECK_CODE(gmp_timer_reset(timer, INT64_MAX), 0);
        CHECK_CODE(gmp_timer_stop(timer), 1);
        gmp_timer_free(timer);
        CHECK_EQ(atomic_load(&fired), before + 2);
    }
}

SCENARIO(stop_and_reset_answer_by_the_state) {
    every_state(NULL);
    CHECK_OK(gmp_run(every_state, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static atomic_int running, may_end;

static void run_until_told(void *arg) {
    (void)arg;
    atomic_fetch_add(&running, 1);
    UNTIL(atomic_load(&may_end), give_way());
    atomic_fetch_add(&fired, 1);
}

/* §23.9: the function that runs is not waited for, and a second run may begin beside it. */
SCENARIO(function_that_runs_is_not_waited_for) {
    gmp_timer_t *timer;
    CHECK_OK(gmp_timer_func(0, run_until_told, NULL, &timer));
    UNTIL(atomic_load(&running) == 1, usleep(50));
    CHECK_CODE(gmp_timer_stop(timer), 0);
    CHECK_CODE(gmp_timer_reset(timer, 0), 0);
    UNTIL(atomic_load(&running) == 2, usleep(50));
    CHECK_EQ(atomic_load(&fired), 0);
    gmp_timer_free(timer); /* nor by this */
    atomic_store(&may_end, 1);
    until_fired(2);
    CHECK_IDLE();
}

/* ------------------------------------------------------------ free */
SCENARIO(free_stops) {
    for (int i = 0; i < 1000; i++) gmp_timer_free(counting(5 * MS + i * 1000));
    CHECK_OK(gmp_sleep(10 * MS));
    CHECK_EQ(atomic_load(&fired), 0);
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK_EQ(gmp_num_tasks(), 0);
}

struct own {
    _Atomic(gmp_timer_t *) timer;
    int again;
};

static void free_own(void *arg) {
    struct own *own = (struct own *)arg;
    UNTIL(atomic_load(&own->timer) != NULL, give_way()); /* it may fire before its creator has it */
    if (own->again-- > 0) {
        CHECK_CODE(gmp_timer_reset(atomic_load(&own->timer), 1000), 0);
        return;
    }
    gmp_timer_free(atomic_load(&own->timer));
    free(own);
    atomic_fetch_add(&fired, 1);
}

static void make_some_that_free_themselves(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg;
    for (int i = 0; i < 5000; i++) {
        struct own *own = (struct own *)calloc(1, sizeof *own);
        gmp_timer_t *timer;
        CHECK(own != NULL);
        own->again = (int)(check_random(&random) % 3);
        CHECK_OK(gmp_timer_func((int64_t)(check_random(&random) % 20000), free_own, own, &timer));
        atomic_store(&own->timer, timer);
    }
}

SCENARIO(function_may_free_its_own_timer) {
    struct party party[3];
    for (intptr_t i = 0; i < 3; i++) {
        party_start(&party[i], i == 2 ? THREAD : TASK, make_some_that_free_themselves, (void *)(i * 17));
    }
    parties_end(party, 3);
    until_fired(15000);
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* The moment that it fires it is freed from outside: it has run, or it never will. */
static void free_at_any_moment(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg;
    for (int i = 0; i < 10000; i++) {
        gmp_timer_t *timer = counting((int64_t)(check_random(&random) % 20000));
        if (check_random(&random) % 4 == 0) gmp_yield();
        spin_for((int64_t)(check_random(&random) % 20000));
        gmp_timer_free(timer);
    }
}

SCENARIO(free_at_the_moment_of_firing) {
    struct party party[3];
    for (intptr_t i = 0; i < 3; i++) {
        party_start(&party[i], i == 2 ? THREAD : TASK, free_at_any_moment, (void *)(i * 17));
    }
    parties_end(party, 3);
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK_EQ(check_stats().tasks_created, atomic_load(&fired) + 2);
}

/* ------------------------------------------------------------ what it sees */
static struct {
    long number;
    atomic_long seen;
} box;

static void look_into_box(void *arg) {
    (void)arg;
    atomic_store(&box.seen, box.number);
}

static void set_and_look(void *arg) {
    gmp_timer_t *timer = NULL;
    (void)arg;
    for (long i = 1; i <= 3000; i++) {
        box.number = i; /* plain: setting the timer publishes it (§27.4) */
        if (i % 100 == 1) {
            gmp_timer_free(timer);
            CHECK_OK(gmp_timer_func(i % 7 * 1000, look_into_box, NULL, &timer));
        } else {
            CHECK_CODE(gmp_timer_reset(timer, i % 7 * 1000), 0);
        }
        UNTIL(atomic_load(&box.seen) == i, give_way());
    }
    gmp_timer_free(timer);
}

SCENARIO(function_sees_what_was_done_before_the_setting) {
    set_and_look(NULL);
    atomic_store(&box.seen, 0);
    CHECK_OK(gmp_run(set_and_look, NULL));
}

/* ------------------------------------------------------------ numbers */
SCENARIO(stats_count_pending_and_fired_ones) {
    enum { MANY = 100 };
    gmp_timer_t *timer[MANY];
    CHECK_OK(gmp_start(NULL));
    uint64_t before = check_stats().timers_fired;
    for (int i = 0; i < MANY; i++) timer[i] = counting(HOUR);
    CHECK_EQ(check_stats().timers_pending, MANY);
    for (int i = 0; i < MANY; i += 2) CHECK_CODE(gmp_timer_stop(timer[i]), 1);
    CHECK_EQ(check_stats().timers_pending, MANY / 2);
    for (int i = 0; i < MANY; i++) CHECK_CODE(gmp_timer_reset(timer[i], 0), i % 2);
    UNTIL(atomic_load(&fired) == MANY, usleep(50));
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK(check_stats().timers_fired >= before + MANY);
    for (int i = 0; i < MANY; i++) gmp_timer_free(timer[i]);
    CHECK_IDLE();
    CHECK_EQ(check_stats().tasks_created, MANY);
}
