/* Channel timers: the value is the time that was due, and nothing of an earlier setting is ever received. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

#define HOUR (3600 * SECOND)

static gmp_timer_t *chan_timer(int64_t ns) {
    gmp_timer_t *timer = NULL;
    CHECK_OK(gmp_timer_chan(ns, &timer));
    CHECK(timer != NULL && gmp_timer_channel(timer) != NULL);
    return timer;
}

static int receive(gmp_timer_t *timer, gmp_time_t *value, gmp_time_t deadline) {
    return gmp_chan_recv(gmp_timer_channel(timer), value, deadline);
}

static void nothing_comes(gmp_timer_t *timer) {
    gmp_time_t value = 4711;
    CHECK_CODE(receive(timer, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(receive(timer, &value, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(value, 4711);
}

/* An unbuffered channel's numbers in every state. */
static void looks_unbuffered(gmp_timer_t *timer) {
    CHECK_EQ(gmp_chan_len(gmp_timer_channel(timer)), 0);
    CHECK_EQ(gmp_chan_cap(gmp_timer_channel(timer)), 0);
}

static void until_past(gmp_time_t time) {
    while (gmp_now() <= time) CHECK_OK(gmp_sleep(time - gmp_now() + 1));
}

/* The two ways to have a due time: by a new timer and by a reset. Between them lies the moment of the call. */
struct span {
    gmp_time_t from, to;
};

static struct span set(gmp_timer_t **timer, int64_t ns, int wanted) {
    struct span due;
    due.from = gmp_after_ns(ns);
    if (*timer == NULL) {
        *timer = chan_timer(ns);
    } else {
        CHECK_CODE(gmp_timer_reset(*timer, ns), wanted);
    }
    due.to = gmp_after_ns(ns);
    return due;
}

static void value_is_due(gmp_timer_t *timer, struct span due, gmp_time_t deadline) {
    gmp_time_t value;
    CHECK_OK(receive(timer, &value, deadline));
    CHECK(value >= due.from && value <= due.to);
    CHECK(gmp_now() >= value);
}

/* ------------------------------------------------------------ the value */
static void values(void *arg) {
    static const int64_t after[] = {1, 1000, 30000, MS, 10 * MS};
    (void)arg;
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        gmp_timer_t *timer = NULL;
        struct span due = set(&timer, after[i], 0);
        value_is_due(timer, due, SOON()); /* by somebody who waits */
        nothing_comes(timer);
        due = set(&timer, after[i], 0);
        until_past(due.to + 20 * MS);
        looks_unbuffered(timer);
        value_is_due(timer, due, GMP_NOWAIT); /* by somebody who comes late: the same (§23.11) */
        nothing_comes(timer);
        gmp_timer_free(timer);
    }
}

SCENARIO(value_is_the_time_that_was_due) {
    values(NULL);
    CHECK_OK(gmp_run(values, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* No machine has looked at the timer since it was due, but the receiver does (§23.8). */
static void come_late_and_first(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        gmp_timer_t *timer = NULL;
        struct span due = set(&timer, MS, 0);
        spin_for(3 * MS);
        if (i % 2) {
            value_is_due(timer, due, GMP_NOWAIT);
        } else {
            CHECK_CODE(gmp_timer_stop(timer), 1);
        }
        nothing_comes(timer);
        gmp_timer_free(timer);
    }
}

SCENARIO(due_value_is_there_although_nobody_has_looked) {
    gmp_max_procs(1);
    CHECK_OK(gmp_run(come_late_and_first, NULL));
}

static void past_times(void *arg) {
    static const int64_t after[] = {0, -1, -SECOND, INT64_MIN};
    (void)arg;
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        gmp_timer_t *timer = chan_timer(after[i]);
        gmp_time_t value;
        CHECK_OK(receive(timer, &value, SOON()));
        CHECK(value <= gmp_now());
        nothing_comes(timer);
        CHECK_CODE(gmp_timer_reset(timer, after[i]), 0);
        CHECK_OK(receive(timer, NULL, SOON())); /* thrown away */
        nothing_comes(timer);
        gmp_timer_free(timer);
    }
}

SCENARIO(past_times_are_due_at_once) {
    past_times(NULL);
    CHECK_OK(gmp_run(past_times, NULL));
}

SCENARIO(far_times_do_not_come) {
    static const int64_t after[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2, HOUR};
    for (int i = 0; i < 4; i++) {
        gmp_timer_t *timer = chan_timer(after[i]);
        nothing_comes(timer);
        CHECK_CODE(gmp_timer_stop(timer), 1);
        nothing_comes(timer);
        CHECK_CODE(gmp_timer_reset(timer, after[3 - i]), 0);
        nothing_comes(timer);
        gmp_timer_free(timer);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(foolish_arguments_are_einval) {
    CHECK_CODE(gmp_timer_chan(1, NULL), GMP_EINVAL);
    gmp_timer_t *timer = chan_timer(HOUR);
    CHECK(gmp_timer_channel(timer) == gmp_timer_channel(timer));
    looks_unbuffered(timer);
    gmp_timer_free(timer);
}

/* ------------------------------------------------------------ stop and reset: the table */
enum state { PENDING, UNREAD, READ, STOPPED, STOPPED_UNREAD, RESET_UNREAD, RESET_READ, STATES };

/* Sets the timer up; whether a setting is in force, or a value of it unread, is what stop and reset answer. */
static gmp_timer_t *in_state(enum state state) {
    gmp_timer_t *timer = NULL;
    struct span due;
    switch (state) {
    case PENDING: return chan_timer(HOUR);
    case UNREAD:
        due = set(&timer, 1000, 0);
        until_past(due.to + MS);
        return timer;
    case READ:
        due = set(&timer, 1000, 0);
        value_is_due(timer, due, SOON());
        return timer;
    case STOPPED:
        timer = chan_timer(HOUR);
        CHECK_CODE(gmp_timer_stop(timer), 1);
        return timer;
    case STOPPED_UNREAD:
        due = set(&timer, 1000, 0);
        until_past(due.to + MS);
        CHECK_CODE(gmp_timer_stop(timer), 1); /* the time has passed, but nobody has received it (§23.9) */
        return timer;
    case RESET_UNREAD:
        timer = chan_timer(HOUR);
        due = set(&timer, 1000, 1);
        until_past(due.to + MS);
        return timer;
    default:
        timer = chan_timer(HOUR);
        due = set(&timer, 1000, 1);
        value_is_due(timer, due, SOON());
        return timer;
    }
}

static void every_state(void *arg) {
    (void)arg;
    for (int state = 0; state < STATES; state++) {
        int in_force = state == PENDING || state == UNREAD || state == RESET_UNREAD;
        struct span due;
        gmp_timer_t *timer = in_state((enum state)state);
        looks_unbuffered(timer);
        CHECK_CODE(gmp_timer_stop(timer), in_force);
        nothing_comes(timer);
        CHECK_CODE(gmp_timer_stop(timer), 0);
        due = set(&timer, 2 * MS, 0); /* a stopped one can be set as often as one likes */
        value_is_due(timer, due, SOON());
        gmp_timer_free(timer);

        timer = in_state((enum state)state);
        CHECK_CODE(gmp_timer_reset(timer, HOUR), in_force);
        nothing_comes(timer);
        due = set(&timer, 2 * MS, 1);
        value_is_due(timer, due, SOON()); /* of this setting, although an older one may have passed unread */
        nothing_comes(timer);
        gmp_timer_free(timer);

        timer = in_state((enum state)state); /* past, and never looked at */
        due = set(&timer, 1000, in_force);
        until_past(due.to + MS);
        due = set(&timer, 1000, 1);
        until_past(due.to + MS);
        value_is_due(timer, due, GMP_NOWAIT);
        nothing_comes(timer);
        gmp_timer_free(timer);
    }
}

SCENARIO(stop_and_reset_answer_by_the_state_and_leave_nothing_stale) {
    every_state(NULL);
    CHECK_OK(gmp_run(every_state, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ somebody waits */
static gmp_timer_t *timer;
static gmp_time_t received;
static atomic_int receptions;

static void receive_one(void *arg) {
    (void)arg;
    CHECK_OK(receive(timer, &received, SOON()));
    atomic_fetch_add(&receptions, 1);
}

static void change_while_one_waits(enum kind waits) {
    timer = chan_timer(HOUR);
    for (int i = 0; i < 50; i++) {
        struct party party;
        int in_force = i % 3 == 0;
        party_start(&party, waits, receive_one, NULL);
        until_waiting(&party, 1);
        if (i % 2) {
            CHECK_CODE(gmp_timer_stop(timer), in_force);
            in_force = 0;
            until_waiting(&party, 1); /* a stop closes nothing and wakes nobody */
        }
        struct span due = set(&timer, i % 5 * 100000, in_force);
        party_end(&party);
        CHECK(received >= due.from && received <= due.to);
        CHECK_EQ(atomic_load(&receptions), i + 1);
        if ((i + 1) % 3 == 0) CHECK_CODE(gmp_timer_reset(timer, HOUR), 0);
    }
    gmp_timer_free(timer);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(stop_and_reset_while_a_task_receives) { change_while_one_waits(TASK); }
SCENARIO(stop_and_reset_while_a_thread_receives) { change_while_one_waits(THREAD); }

static void *receive_until_cancelled(void *arg) {
    (void)arg;
    CHECK_CODE(receive(timer, &received, GMP_FOREVER), GMP_ECANCELED);
    CHECK_CODE(receive(timer, &received, GMP_NOWAIT), GMP_EAGAIN);
    return NULL;
}

SCENARIO(cancelled_reception_leaves_the_value_to_the_next) {
    gmp_task_t *task;
    timer = NULL;
    struct span due = set(&timer, HOUR, 0);
    CHECK_OK(gmp_spawn(receive_until_cancelled, NULL, NULL, &task));
    until_parked(1);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    due = set(&timer, 1000, 1);
    value_is_due(timer, due, SOON());
    nothing_comes(timer);
    gmp_timer_free(timer);
}

/* One value is for one of them. */
SCENARIO(several_receivers_share_the_values) {
    enum { RECEIVERS = 6 };
    struct party party[RECEIVERS];
    timer = chan_timer(HOUR);
    for (int i = 0; i < RECEIVERS; i++) party_start(&party[i], i % 3 ? TASK : THREAD, receive_one, NULL);
    until_waiting(party, RECEIVERS);
    for (int i = 0; i < RECEIVERS; i++) {
        CHECK_CODE(gmp_timer_reset(timer, 1000), i == 0);
        UNTIL(atomic_load(&receptions) == i + 1, usleep(50));
    }
    parties_end(party, RECEIVERS);
    nothing_comes(timer);
    gmp_timer_free(timer);
}

static void select_on_both(void *arg) {
    gmp_timer_t *late = chan_timer(HOUR), *soon = NULL;
    gmp_time_t value[2];
    size_t chosen;
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct span due = set(&soon, i % 4 * 20000, 0);
        gmp_case_t cases[2] = {{GMP_CASE_RECV, 0, gmp_timer_channel(late), &value[0]},
                               {GMP_CASE_RECV, 0, gmp_timer_channel(soon), &value[1]}};
        CHECK_OK(gmp_select(cases, 2, SOON(), &chosen));
        CHECK_EQ(chosen, 1);
        CHECK(value[1] >= due.from && value[1] <= due.to);
        CHECK_CODE(gmp_select(cases, 2, GMP_NOWAIT, &chosen), GMP_EAGAIN);
    }
    CHECK_CODE(gmp_timer_stop(late), 1);
    gmp_timer_free(late);
    gmp_timer_free(soon);
}

SCENARIO(select_takes_the_one_that_is_due) {
    select_on_both(NULL);
    CHECK_OK(gmp_run(select_on_both, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ free */
SCENARIO(channel_that_somebody_holds_outlives_the_timer) {
    for (int unread = 0; unread < 2; unread++) {
        gmp_time_t value;
        timer = NULL;
        struct span due = set(&timer, unread ? 1000 : HOUR, 0);
        gmp_chan_t *channel = gmp_chan_ref(gmp_timer_channel(timer));
        if (unread) until_past(due.to + MS);
        gmp_timer_free(timer);
        CHECK_CODE(gmp_chan_recv(channel, &value, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_recv(channel, &value, gmp_after_ns(MS)), GMP_ETIMEDOUT);
        gmp_chan_free(channel);
    }
}

static void free_in_every_state(void *arg) {
    (void)arg;
    for (int i = 0; i < 200; i++) {
        for (int state = 0; state < STATES; state++) {
            if (state != PENDING && state != STOPPED && i % 20) continue;
            gmp_timer_free(in_state((enum state)state));
        }
    }
}

SCENARIO(timers_are_freed_in_every_state) {
    struct party party[2];
    party_start(&party[0], TASK, free_in_every_state, NULL);
    party_start(&party[1], THREAD, free_in_every_state, NULL);
    parties_end(party, 2);
    CHECK_EQ(check_stats().timers_pending, 0);
}
