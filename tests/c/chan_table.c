/* What send, recv, close, len and cap answer in every state of a channel, in each form: not waiting, with a deadline
 * that has passed, with one to come, and for ever; from a task and from a foreign thread. §19.1, §19.2. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "check.h"

enum { FORMS = 5, SENTINEL = -77 };

/* Forms in which an operation that need not wait is done all the same. */
static gmp_time_t form(int i) {
    switch (i) {
    case 0: return GMP_NOWAIT;
    case 1: return gmp_now() - SECOND;
    case 2: return INT64_MIN;
    case 3: return SOON();
    default: return GMP_FOREVER;
    }
}

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    CHECK(chan != NULL);
    CHECK_EQ(gmp_chan_cap(chan), capacity);
    CHECK_EQ(gmp_chan_len(chan), 0);
    return chan;
}

static void send_now(gmp_chan_t *chan, int value) { CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT)); }

static void recv_now(gmp_chan_t *chan, int wanted) {
    int value = SENTINEL;
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
    CHECK_EQ(value, wanted);
}

static void fill(gmp_chan_t *chan) {
    for (int i = 0; i < (int)gmp_chan_cap(chan); i++) {
        CHECK_EQ(gmp_chan_len(chan), i);
        send_now(chan, i);
    }
}

static void send_would_wait(gmp_chan_t *chan) {
    int value = 4711;
    gmp_time_t deadline = gmp_after_ns(50000);
    CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_send(chan, &value, gmp_now() - SECOND), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_send(chan, &value, -1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_send(chan, &value, deadline), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= deadline);
    CHECK_EQ(value, 4711);
}

static void recv_would_wait(gmp_chan_t *chan) {
    int value = SENTINEL;
    gmp_time_t deadline = gmp_after_ns(50000);
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_recv(chan, &value, gmp_now() - SECOND), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(chan, &value, -1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(chan, &value, deadline), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= deadline);
    CHECK_EQ(value, SENTINEL); /* an operation without effect writes nothing */
}

static void send_is_closed(gmp_chan_t *chan) {
    int value = 4711;
    for (int i = 0; i < FORMS; i++) CHECK_CODE(gmp_chan_send(chan, &value, form(i)), GMP_ECLOSED);
}

static void recv_is_closed(gmp_chan_t *chan) {
    for (int i = 0; i < FORMS; i++) {
        int value = SENTINEL;
        CHECK_CODE(gmp_chan_recv(chan, &value, form(i)), GMP_ECLOSED);
        CHECK_EQ(value, 0);
    }
}

/* ------------------------------------------------------------ tasks that wait */
struct waiter {
    gmp_chan_t *chan;
    gmp_task_t *task;
    gmp_time_t deadline;
    int code, value;
};

static void *wait_to_send(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    waiter->code = gmp_chan_send(waiter->chan, &waiter->value, waiter->deadline);
    return NULL;
}

static void *wait_to_recv(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    waiter->code = gmp_chan_recv(waiter->chan, &waiter->value, waiter->deadline);
    return NULL;
}

static void parked(int64_t wanted) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked != wanted) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(50000));
    }
}

/* Starts `n` tasks that wait, one after the other. */
static void start(struct waiter *waiter, int n, gmp_chan_t *chan, void *(*fn)(void *), int first_value) {
    for (int i = 0; i < n; i++) {
        waiter[i] = (struct waiter){.chan = chan, .code = 1, .value = first_value + i};
        waiter[i].deadline = i % 2 ? GMP_FOREVER : SOON();
        CHECK_OK(gmp_spawn(fn, &waiter[i], NULL, &waiter[i].task));
        parked(i + 1);
    }
}

static void ended(struct waiter *waiter, int code, int value) {
    CHECK_OK(gmp_join(waiter->task, SOON(), NULL));
    CHECK_CODE(waiter->code, code);
    CHECK_EQ(waiter->value, value);
}

static void in_both(gmp_fn_t fn) {
    check_start(2);
    fn(NULL);
    CHECK_OK(gmp_run(fn, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ the rows of the table */
static void receiver_waits(void *arg) {
    (void)arg;
    for (size_t capacity = 0; capacity <= 3; capacity += 3) {
        struct waiter waiter[3];
        gmp_chan_t *chan = ints(capacity);
        for (int i = 0; i < FORMS; i++) {
            int value = 100 + i;
            start(waiter, 1, chan, wait_to_recv, SENTINEL);
            CHECK_EQ(gmp_chan_len(chan), 0);
            CHECK_EQ(gmp_chan_cap(chan), capacity);
            CHECK_OK(gmp_chan_send(chan, &value, form(i)));
            CHECK_EQ(gmp_chan_len(chan), 0); /* past the buffer, into the waiter's memory */
            value = 0;
            ended(waiter, GMP_OK, 100 + i);
        }
        start(waiter, 3, chan, wait_to_recv, SENTINEL);
        recv_would_wait(chan); /* behind the others, and gone again */
        CHECK_EQ(gmp_chan_len(chan), 0);
        CHECK_OK(gmp_chan_close(chan));
        for (int i = 0; i < 3; i++) ended(&waiter[i], GMP_ECLOSED, 0);
        CHECK_EQ(gmp_chan_len(chan), 0);
        gmp_chan_free(chan);
    }
}

SCENARIO(open_channel_with_a_waiting_receiver) { in_both(receiver_waits); }

static void receiver_parks_behind_receivers(void *arg) {
    struct waiter waiter[3];
    (void)arg;
    for (size_t capacity = 0; capacity <= 3; capacity += 3) {
        gmp_chan_t *chan = ints(capacity);
        start(waiter, 3, chan, wait_to_recv, SENTINEL);
        for (int i = 0; i < 3; i++) send_now(chan, i);
        for (int i = 0; i < 3; i++) ended(&waiter[i], GMP_OK, i);
        if (capacity == 0) send_would_wait(chan);
        gmp_chan_free(chan);
    }
}

SCENARIO(receiver_parks_behind_waiting_receivers) { in_both(receiver_parks_behind_receivers); }

static void has_room(void *arg) {
    (void)arg;
    for (int capacity = 1; capacity <= 5; capacity += 2) {
        gmp_chan_t *chan = ints((size_t)capacity);
        recv_would_wait(chan);
        for (int i = 0; i < FORMS; i++) {
            int value = i;
            CHECK_OK(gmp_chan_send(chan, &value, form(i)));
            CHECK_EQ(gmp_chan_len(chan), 1);
            CHECK_EQ(gmp_chan_cap(chan), capacity);
            value = SENTINEL;
            CHECK_OK(gmp_chan_recv(chan, &value, form(i)));
            CHECK_EQ(value, i);
            CHECK_EQ(gmp_chan_len(chan), 0);
        }
        for (int i = 0; i < capacity - 1; i++) send_now(chan, i);
        CHECK_EQ(gmp_chan_len(chan), capacity - 1);
        CHECK_OK(gmp_chan_close(chan));
        CHECK_EQ(gmp_chan_len(chan), capacity - 1);
        for (int i = 0; i < capacity - 1; i++) recv_now(chan, i);
        recv_is_closed(chan);
        gmp_chan_free(chan);
    }
}

SCENARIO(open_channel_with_room_and_nobody_waiting) { in_both(has_room); }

static void is_full(void *arg) {
    (void)arg;
    for (int capacity = 1; capacity <= 5; capacity += 2) {
        gmp_chan_t *chan = ints((size_t)capacity);
        fill(chan);
        for (int i = 0; i < FORMS; i++) {
            int value = SENTINEL;
            CHECK_EQ(gmp_chan_len(chan), capacity);
            send_would_wait(chan);
            CHECK_EQ(gmp_chan_len(chan), capacity);
            CHECK_OK(gmp_chan_recv(chan, &value, form(i)));
            CHECK_EQ(value, i);
            CHECK_EQ(gmp_chan_len(chan), capacity - 1);
            send_now(chan, i + capacity);
        }
        CHECK_OK(gmp_chan_close(chan));
        CHECK_EQ(gmp_chan_len(chan), capacity);
        for (int i = 0; i < capacity; i++) recv_now(chan, FORMS + i);
        recv_is_closed(chan);
        gmp_chan_free(chan);
    }
}

SCENARIO(full_channel_and_nobody_waiting) { in_both(is_full); }

static void sender_waits_on_buffer(void *arg) {
    enum { CAPACITY = 3 };
    struct waiter waiter[2];
    gmp_chan_t *chan = ints(CAPACITY);
    (void)arg;
    for (int i = 0; i < FORMS; i++) {
        int value = SENTINEL;
        fill(chan);
        start(waiter, 2, chan, wait_to_send, 100);
        send_would_wait(chan);
        CHECK_EQ(gmp_chan_len(chan), CAPACITY);
        CHECK_OK(gmp_chan_recv(chan, &value, form(i)));
        CHECK_EQ(value, 0);
        CHECK_EQ(gmp_chan_len(chan), CAPACITY); /* the first sender's value took the room at the tail */
        ended(&waiter[0], GMP_OK, 100);
        recv_now(chan, 1);
        CHECK_EQ(gmp_chan_len(chan), CAPACITY);
        ended(&waiter[1], GMP_OK, 101);
        recv_now(chan, 2);
        CHECK_EQ(gmp_chan_len(chan), CAPACITY - 1);
        recv_now(chan, 100);
        recv_now(chan, 101);
        recv_would_wait(chan);
    }
    fill(chan);
    start(waiter, 2, chan, wait_to_send, 100);
    CHECK_OK(gmp_chan_close(chan));
    for (int i = 0; i < 2; i++) ended(&waiter[i], GMP_ECLOSED, 100 + i);
    CHECK_EQ(gmp_chan_len(chan), CAPACITY);
    for (int i = 0; i < CAPACITY; i++) recv_now(chan, i); /* and not the values of those who waited */
    recv_is_closed(chan);
    gmp_chan_free(chan);
}

SCENARIO(full_channel_with_a_waiting_sender) { in_both(sender_waits_on_buffer); }

static void sender_waits_unbuffered(void *arg) {
    struct waiter waiter[3];
    gmp_chan_t *chan = ints(0);
    (void)arg;
    send_would_wait(chan);
    recv_would_wait(chan);
    for (int i = 0; i < FORMS; i++) {
        int value = SENTINEL;
        start(waiter, 2, chan, wait_to_send, 100);
        send_would_wait(chan); /* behind the others, and gone again */
        CHECK_EQ(gmp_chan_len(chan), 0);
        CHECK_EQ(gmp_chan_cap(chan), 0);
        CHECK_OK(gmp_chan_recv(chan, &value, form(i)));
        CHECK_EQ(value, 100);
        ended(&waiter[0], GMP_OK, 100);
        recv_now(chan, 101);
        ended(&waiter[1], GMP_OK, 101);
        recv_would_wait(chan);
    }
    start(waiter, 3, chan, wait_to_send, 100);
    CHECK_OK(gmp_chan_close(chan));
    for (int i = 0; i < 3; i++) ended(&waiter[i], GMP_ECLOSED, 100 + i);
    recv_is_closed(chan);
    gmp_chan_free(chan);
}

SCENARIO(unbuffered_channel_with_a_waiting_sender) { in_both(sender_waits_unbuffered); }

static void closed_with_data(void *arg) {
    enum { CAPACITY = 5 };
    gmp_chan_t *chan = ints(CAPACITY);
    (void)arg;
    fill(chan);
    CHECK_OK(gmp_chan_close(chan));
    for (int i = 0; i < CAPACITY; i++) {
        int value = SENTINEL;
        CHECK_EQ(gmp_chan_len(chan), CAPACITY - i);
        CHECK_EQ(gmp_chan_cap(chan), CAPACITY);
        send_is_closed(chan); /* also once there is room: closed comes before everything else */
        CHECK_CODE(gmp_chan_close(chan), GMP_EMISUSE);
        CHECK_OK(gmp_chan_recv(chan, &value, form(i)));
        CHECK_EQ(value, i);
    }
    recv_is_closed(chan);
    gmp_chan_free(chan);
}

SCENARIO(closed_channel_with_data) { in_both(closed_with_data); }

static void closed_and_empty(void *arg) {
    (void)arg;
    for (size_t capacity = 0; capacity <= 4; capacity++) {
        gmp_chan_t *chan = ints(capacity);
        CHECK_OK(gmp_chan_close(chan));
        send_is_closed(chan);
        recv_is_closed(chan);
        CHECK_CODE(gmp_chan_close(chan), GMP_EMISUSE);
        recv_is_closed(chan);
        CHECK_EQ(gmp_chan_len(chan), 0);
        CHECK_EQ(gmp_chan_cap(chan), capacity);
        gmp_chan_free(chan);
    }
}

SCENARIO(closed_and_empty_channel) { in_both(closed_and_empty); }

/* A full channel is closed to senders, not blocked to them. */
static void closed_and_full(void *arg) {
    gmp_chan_t *chan = ints(2);
    (void)arg;
    fill(chan);
    CHECK_OK(gmp_chan_close(chan));
    send_is_closed(chan);
    CHECK_EQ(gmp_chan_len(chan), 2);
    gmp_chan_free(chan); /* with data: it goes with the channel */
}

SCENARIO(closed_check_comes_first_for_send) { in_both(closed_and_full); }
