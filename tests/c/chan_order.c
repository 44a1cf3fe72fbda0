/* First in, first out: values, waiting receivers and waiting senders, whoever they are; a hand-over belongs to the one
 * that waited. §19.3 to §19.6, §19.15, §29. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <sys/syscall.h>

#include "check.h"

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

static void send_now(gmp_chan_t *chan, int value) { CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT)); }

static int recv_now(gmp_chan_t *chan) {
    int value = -1;
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
    return value;
}

static void nobody_waits(gmp_chan_t *chan) {
    int value = -1;
    if (gmp_chan_len(chan) == 0) CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    if (gmp_chan_cap(chan) == 0) CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
}

static void parked(int64_t wanted) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked != wanted) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(20000));
    }
}

/* The thread waits: the kernel shows it in one and the same futex call at five looks. */
static void thread_waits(int tid) {
    char path[64], last[128] = "", now[128];
    int same = 0;
    gmp_time_t until = SOON();
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    while (same < 5) {
        FILE *file = fopen(path, "r");
        CHECK(file != NULL && gmp_now() < until);
        if (!fgets(now, sizeof now, file)) SKIP("the kernel does not show what a thread waits for");
        fclose(file);
        same = strtol(now, NULL, 10) == SYS_futex && strcmp(now, last) == 0 ? same + 1 : 0;
        strcpy(last, now);
        usleep(200);
    }
}

/* ------------------------------------------------------------ waiters of every kind */
enum kind { TASK, THREAD, TASK_SELECT, THREAD_SELECT, KINDS };
enum { WAITERS = 24 };

struct waiter {
    gmp_chan_t *chan, *way_out; /* selects also wait for a value of their own channel */
    gmp_task_t *task;
    pthread_t thread;
    atomic_int tid;
    int kind, op, value, code;
    size_t chosen;
};

static gmp_chan_t *never;

static void *wait_on(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    gmp_case_t cases[3] = {{GMP_CASE_RECV, 0, never, NULL},
                           {waiter->op, 0, waiter->chan, &waiter->value},
                           {GMP_CASE_RECV, 0, waiter->way_out, NULL}};
    atomic_store(&waiter->tid, (int)syscall(SYS_gettid));
    if (waiter->kind >= TASK_SELECT) {
        waiter->code = gmp_select(cases, 3, SOON(), &waiter->chosen);
        if (waiter->code == GMP_OK) waiter->code = cases[waiter->chosen].status;
    } else if (waiter->op == GMP_CASE_SEND) {
        waiter->code = gmp_chan_send(waiter->chan, &waiter->value, SOON());
    } else {
        waiter->code = gmp_chan_recv(waiter->chan, &waiter->value, SOON());
    }
    return NULL;
}

static int is_task(const struct waiter *waiter) { return waiter->kind == TASK || waiter->kind == TASK_SELECT; }

/* One after the other, in this order: kinds take turns, beginning with `first_kind`. */
static void start_waiters(struct waiter *waiters, int n, gmp_chan_t *chan, int op, int first_kind) {
    int tasks = 0;
    for (int i = 0; i < n; i++) {
        struct waiter *waiter = &waiters[i];
        memset(waiter, 0, sizeof *waiter);
        waiter->chan = chan;
        waiter->way_out = ints(0);
        waiter->op = op;
        waiter->kind = (first_kind + i) % KINDS;
        waiter->value = op == GMP_CASE_SEND ? 1000 + i : -1;
        waiter->code = 1;
        waiter->chosen = 1;
        if (is_task(waiter)) {
            CHECK_OK(gmp_spawn(wait_on, waiter, NULL, &waiter->task));
            parked(++tasks);
        } else {
            CHECK_EQ(pthread_create(&waiter->thread, NULL, wait_on, waiter), 0);
            while (atomic_load(&waiter->tid) == 0) usleep(50);
            thread_waits(atomic_load(&waiter->tid));
        }
    }
}

static void end_waiter(struct waiter *waiter, int code, size_t chosen, int value) {
    if (is_task(waiter)) CHECK_OK(gmp_join(waiter->task, SOON(), NULL));
    else CHECK_EQ(pthread_join(waiter->thread, NULL), 0);
    CHECK_CODE(waiter->code, code);
    CHECK_EQ(waiter->chosen, chosen);
    CHECK_EQ(waiter->value, value);
    gmp_chan_free(waiter->way_out);
}

SCENARIO(oldest_waiting_receiver_gets_the_value) {
    static struct waiter waiters[WAITERS];
    check_start(2);
    never = ints(0);
    for (int kind = 0; kind < KINDS; kind++) {
        gmp_chan_t *chan = ints(kind % 2 ? 3 : 0);
        start_waiters(waiters, WAITERS, chan, GMP_CASE_RECV, kind);
        for (int i = 0; i < WAITERS; i++) send_now(chan, i);
        for (int i = 0; i < WAITERS; i++) end_waiter(&waiters[i], GMP_OK, 1, i);
        nobody_waits(chan);
        gmp_chan_free(chan);
    }
    nobody_waits(never);
}

SCENARIO(oldest_waiting_sender_gives_its_value) {
    static struct waiter waiters[WAITERS];
    check_start(2);
    never = ints(0);
    for (int kind = 0; kind < KINDS; kind++) {
        gmp_chan_t *chan = ints(kind % 2 ? 3 : 0);
        for (int i = 0; i < (int)gmp_chan_cap(chan); i++) send_now(chan, i);
        start_waiters(waiters, WAITERS, chan, GMP_CASE_SEND, kind);
        for (int i = 0; i < (int)gmp_chan_cap(chan); i++) CHECK_EQ(recv_now(chan), i);
        for (int i = 0; i < WAITERS; i++) CHECK_EQ(recv_now(chan), 1000 + i);
        for (int i = 0; i < WAITERS; i++) end_waiter(&waiters[i], GMP_OK, 1, 1000 + i);
        nobody_waits(chan);
        gmp_chan_free(chan);
    }
    nobody_waits(never);
}

/* Those that leave go from the head, the tail, the middle, and beside each other. Tasks leave cancelled, selecting
 * threads through their own channel. */
static void some_leave(int op) {
    static const char leaves[WAITERS] = {1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1};
    static struct waiter waiters[WAITERS];
    gmp_chan_t *chan = ints(0);
    never = ints(0);
    start_waiters(waiters, WAITERS, chan, op, TASK);
    for (int i = 0; i < WAITERS; i++) {
        if (!leaves[i] || waiters[i].kind == THREAD) continue;
        if (waiters[i].kind == TASK) CHECK_OK(gmp_task_cancel(waiters[i].task));
        else send_now(waiters[i].way_out, 0);
    }
    for (int i = 0; i < WAITERS; i++) {
        int left = leaves[i] && waiters[i].kind != THREAD, value = op == GMP_CASE_SEND ? 1000 + i : -1;
        if (left && waiters[i].kind == TASK) end_waiter(&waiters[i], GMP_ECANCELED, 1, value);
        else if (left) end_waiter(&waiters[i], GMP_OK, 2, value);
    }
    for (int i = 0; i < WAITERS; i++) {
        if (leaves[i] && waiters[i].kind != THREAD) continue;
        if (op == GMP_CASE_RECV) send_now(chan, i);
        else CHECK_EQ(recv_now(chan), 1000 + i);
        end_waiter(&waiters[i], GMP_OK, 1, op == GMP_CASE_SEND ? 1000 + i : i);
    }
    nobody_waits(chan);
    nobody_waits(never);
    gmp_chan_free(chan);
    gmp_chan_free(never);
}

SCENARIO(waiters_that_leave_do_not_disturb_the_order_of_the_others) {
    check_start(2);
    some_leave(GMP_CASE_RECV);
    some_leave(GMP_CASE_SEND);
}

SCENARIO(one_send_wakes_one_receiver_and_one_recv_one_sender) {
    static struct waiter waiters[10];
    check_start(2);
    for (int op = GMP_CASE_SEND; op <= GMP_CASE_RECV; op++) {
        gmp_chan_t *chan = ints(0);
        never = ints(0);
        start_waiters(waiters, 10, chan, op, TASK);
        int tasks = 5;
        for (int i = 0; i < 10; i++) {
            if (op == GMP_CASE_RECV) send_now(chan, i);
            else CHECK_EQ(recv_now(chan), 1000 + i);
            end_waiter(&waiters[i], GMP_OK, 1, op == GMP_CASE_SEND ? 1000 + i : i);
            tasks -= is_task(&waiters[i]);
            parked(tasks);
            for (int k = i + 1; k < 10; k++) CHECK_EQ(waiters[k].code, 1);
        }
        gmp_chan_free(chan);
    }
}

/* ------------------------------------------------------------ a woken operation is complete */
struct partner {
    gmp_chan_t *chan;
    int code, value;
};

static void *recv_it(void *arg) {
    struct partner *mine = (struct partner *)arg;
    mine->code = gmp_chan_recv(mine->chan, &mine->value, GMP_FOREVER);
    return NULL;
}

static void *send_it(void *arg) {
    struct partner *mine = (struct partner *)arg;
    mine->code = gmp_chan_send(mine->chan, &mine->value, GMP_FOREVER);
    return NULL;
}

/* What comes after the hand-over and before the waiter runs again. */
static void disturb(gmp_chan_t *chan, gmp_task_t *waiter, int how) {
    int stolen = -1;
    if (how == 0 && gmp_chan_len(chan) == 0) CHECK_CODE(gmp_chan_recv(chan, &stolen, GMP_NOWAIT), GMP_EAGAIN);
    if (how == 1) CHECK_OK(gmp_chan_close(chan));
    if (how == 2) CHECK_OK(gmp_task_cancel(waiter));
    if (how == 3) gmp_yield();
}

static void hand_over_and_disturb(void *arg) {
    (void)arg;
    for (int round = 0; round < 400; round++) {
        gmp_chan_t *chan = ints((size_t)(round / 4 % 2 * 3));
        struct partner waiting = {chan, 1, -1};
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(recv_it, &waiting, NULL, &task));
        parked(1);
        send_now(chan, round);
        CHECK_EQ(gmp_chan_len(chan), 0);
        disturb(chan, task, round % 4);
        CHECK_OK(gmp_join(task, SOON(), NULL));
        CHECK_OK(waiting.code);
        CHECK_EQ(waiting.value, round);
        gmp_chan_free(chan);
    }
}

static void take_over_and_disturb(void *arg) {
    (void)arg;
    for (int round = 0; round < 400; round++) {
        int capacity = round / 4 % 2 * 3;
        gmp_chan_t *chan = ints((size_t)capacity);
        struct partner waiting = {chan, 1, 100};
        gmp_task_t *task;
        for (int i = 0; i < capacity; i++) send_now(chan, i);
        CHECK_OK(gmp_spawn(send_it, &waiting, NULL, &task));
        parked(1);
        CHECK_EQ(recv_now(chan), capacity ? 0 : 100);
        CHECK_EQ(gmp_chan_len(chan), capacity); /* the sender's value took the room: no third party can */
        CHECK_CODE(gmp_chan_send(chan, &capacity, GMP_NOWAIT), GMP_EAGAIN);
        disturb(chan, task, round % 4);
        CHECK_OK(gmp_join(task, SOON(), NULL));
        CHECK_OK(waiting.code);
        for (int i = 1; i < capacity; i++) CHECK_EQ(recv_now(chan), i);
        if (capacity) CHECK_EQ(recv_now(chan), 100);
        gmp_chan_free(chan);
    }
}

//@ with GMP_MAXPROCS=1
SCENARIO(value_handed_to_a_waiting_receiver_cannot_be_taken_away) {
    hand_over_and_disturb(NULL);
    CHECK_OK(gmp_run(hand_over_and_disturb, NULL));
}

//@ with GMP_MAXPROCS=1
SCENARIO(value_taken_from_a_waiting_sender_was_sent_whatever_follows) {
    take_over_and_disturb(NULL);
    CHECK_OK(gmp_run(take_over_and_disturb, NULL));
}

/* ------------------------------------------------------------ values */
enum { VALUES = 6000, SENDERS = 6 };
static gmp_chan_t *stream, *baton[SENDERS];

/* The next send begins after this one completed, in another task or thread. */
static void *send_in_turn(void *arg) {
    int self = (int)(intptr_t)arg, value;
    while (gmp_chan_recv(baton[self], &value, SOON()) == GMP_OK) {
        CHECK_OK(gmp_chan_send(stream, &value, SOON()));
        if (++value < VALUES) {
            CHECK_OK(gmp_chan_send(baton[value % SENDERS], &value, SOON()));
        } else {
            for (int i = 0; i < SENDERS; i++) CHECK_OK(gmp_chan_close(baton[i]));
        }
    }
    return NULL;
}

SCENARIO(completed_sends_of_many_come_out_in_their_order) {
    static const size_t capacities[] = {0, 1, 10, 128};
    check_start(2);
    for (int c = 0; c < 4; c++) {
        pthread_t thread;
        stream = ints(capacities[c]);
        for (int i = 0; i < SENDERS; i++) baton[i] = ints(1);
        send_now(baton[0], 0);
        for (intptr_t i = 1; i < SENDERS; i++) CHECK_OK(gmp_spawn(send_in_turn, (void *)i, NULL, NULL));
        CHECK_EQ(pthread_create(&thread, NULL, send_in_turn, NULL), 0);
        for (int i = 0; i < VALUES; i++) {
            int value = -1;
            CHECK_OK(gmp_chan_recv(stream, &value, SOON()));
            CHECK_EQ(value, i);
            CHECK(gmp_chan_len(stream) <= capacities[c]);
        }
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_IDLE();
        for (int i = 0; i < SENDERS; i++) gmp_chan_free(baton[i]);
        gmp_chan_free(stream);
    }
}

struct link {
    gmp_chan_t *from, *to;
};

static void *pass_on(void *arg) {
    struct link *link = (struct link *)arg;
    int value = -1;
    CHECK_OK(gmp_chan_recv(link->from, &value, GMP_FOREVER));
    value++;
    CHECK_OK(gmp_chan_send(link->to, &value, GMP_FOREVER));
    gmp_chan_free(link->from);
    return NULL;
}

SCENARIO(value_passes_through_ten_thousand_tasks) {
    enum { LINKS = 10000 };
    static struct link links[LINKS];
    gmp_chan_t *first = ints(0), *next = first;
    int value = 0;
    check_start(2);
    for (int i = 0; i < LINKS; i++) {
        links[i].from = next;
        next = links[i].to = ints(0);
        CHECK_OK(gmp_spawn(pass_on, &links[i], NULL, NULL));
    }
    CHECK_OK(gmp_chan_send(first, &value, SOON()));
    CHECK_OK(gmp_chan_recv(next, &value, SOON()));
    CHECK_EQ(value, LINKS);
    CHECK_IDLE();
    gmp_chan_free(next);
}
