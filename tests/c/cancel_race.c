/* Cancellation against what a wait waits for: each call answers one of the two, and the sums come out exactly.
 *
 * Seeded. Senders and receivers come and go while they are cancelled in turn; a value whose send answered 0 is received
 * once, one whose send answered GMP_ECANCELED never. */
//@ with GMP_TEST_NO_MEMBARRIER=1
//@ limit 120
#include <pthread.h>

#include "check.h"

enum { ROUNDS = 400, SENDERS = 4, RECEIVERS = 4, PEOPLE = SENDERS + RECEIVERS, MOST = 4096 };

struct person {
    int receives;
    int number;
    uint64_t random;
    int sent;                    /* values 0 ... sent - 1 were taken */
    unsigned char got[SENDERS][MOST / 8];
    gmp_ctx_t *ctx;
    gmp_task_t *task;
};

struct value {
    int32_t sender, count;
};

static struct person person[PEOPLE];
static gmp_chan_t *chan[2];
static unsigned char got[SENDERS][MOST / 8];
static long sent_in_all;

static void mark(unsigned char *bits, struct value v) {
    CHECK(v.sender >= 0 && v.sender < SENDERS && v.count >= 0 && v.count < MOST);
    CHECK((bits[v.count / 8] >> (v.count % 8) & 1) == 0); /* never twice */
    bits[v.count / 8] |= (unsigned char)(1 << v.count % 8);
}

static int one_call(struct person *p, struct value *v) {
    gmp_case_t cases[2];
    size_t chosen;
    gmp_time_t deadline = check_random(&p->random) % 2 ? GMP_FOREVER : SOON();
    int which = (int)(check_random(&p->random) % 2);
    if (check_random(&p->random) % 2) {
        return p->receives ? gmp_chan_recv(chan[which], v, deadline) : gmp_chan_send(chan[which], v, deadline);
    }
    for (int i = 0; i < 2; i++) {
        cases[i] = (gmp_case_t){p->receives ? GMP_CASE_RECV : GMP_CASE_SEND, 0, chan[i], v};
    }
    int code = gmp_select(cases, 2, deadline, &chosen);
    return code == GMP_OK ? cases[chosen].status : code;
}

static void *talk(void *arg) {
    struct person *p = (struct person *)arg;
    for (;;) {
        struct value v = {p->number, p->sent};
        if (p->receives) v = (struct value){-1, -1};
        int code = p->sent == MOST ? GMP_ECANCELED : one_call(p, &v);
        if (code == GMP_ECANCELED) {
            CHECK_EQ(v.count, p->receives ? -1 : p->sent);
            return p;
        }
        CHECK_OK(code);
        if (p->receives) mark(p->got[v.sender], v);
        else p->sent++;
    }
}

static void spawn_talker(struct person *p) {
    gmp_spawn_opts_t opts;
    gmp_time_t deadline = GMP_FOREVER;
    if (check_random(&p->random) % 4 == 0) deadline = gmp_after_ns((int64_t)(check_random(&p->random) % 200000));
    CHECK_OK(gmp_ctx_new(NULL, deadline, &p->ctx));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = p->ctx;
    CHECK_OK(gmp_spawn(talk, p, &opts, &p->task));
}

/* A task that has ended lets go of its context a moment after its join has answered. */
static void no_timer_is_left(void) {
    gmp_time_t limit = SOON();
    while (check_stats().timers_pending != 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void linger(uint64_t *random, uint64_t most) {
    for (uint64_t i = check_random(random) % most; i > 0; i--) __asm__ volatile("");
}

static void one_round(uint64_t *random) {
    size_t capacity = check_random(random) % 3;
    memset(person, 0, sizeof person);
    memset(got, 0, sizeof got);
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_chan_new(sizeof(struct value), i ? capacity : 0, &chan[i]));
    for (int i = 0; i < PEOPLE; i++) {
        person[i].receives = i >= SENDERS;
        person[i].number = i;
        person[i].random = check_random(random);
        spawn_talker(&person[i]);
    }
    int order[PEOPLE];
    for (int i = 0; i < PEOPLE; i++) order[i] = i;
    for (int i = PEOPLE - 1; i > 0; i--) {
        int other = (int)(check_random(random) % (uint64_t)(i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (int i = 0; i < PEOPLE; i++) {
        linger(random, 60000);
        for (uint64_t n = check_random(random) % 20; n > 0; n--) gmp_yield(); /* for those who share our processor */
        struct person *p = &person[order[i]];
        CHECK_OK(check_random(random) % 2 ? gmp_task_cancel(p->task) : gmp_ctx_cancel(p->ctx));
    }
    for (int i = 0; i < PEOPLE; i++) {
        CHECK_OK(gmp_join(person[i].task, SOON(), NULL));
        gmp_ctx_free(person[i].ctx);
    }
}

static void settle_the_account(void) {
    struct value v;
    for (int i = SENDERS; i < PEOPLE; i++) {
        for (int s = 0; s < SENDERS; s++) {
            for (int byte = 0; byte < MOST / 8; byte++) {
                CHECK_EQ(got[s][byte] & person[i].got[s][byte], 0);
                got[s][byte] |= person[i].got[s][byte];
            }
        }
    }
    for (int i = 0; i < 2; i++) {
        while (gmp_chan_recv(chan[i], &v, GMP_NOWAIT) == GMP_OK) mark(got[v.sender], v);
        CHECK_EQ(gmp_chan_len(chan[i]), 0);
        gmp_chan_free(chan[i]);
    }
    for (int s = 0; s < SENDERS; s++) {
        for (int count = 0; count < MOST; count++) {
            CHECK_EQ(got[s][count / 8] >> (count % 8) & 1, count < person[s].sent);
        }
        sent_in_all += person[s].sent;
    }
}

static void all_rounds(void *arg) {
    uint64_t random = check_seed() * 2 + 1;
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        one_round(&random);
        settle_the_account();
    }
    printf("%ld values\n", sent_in_all);
    CHECK(sent_in_all > 0);
}

SCENARIO(no_value_is_lost_or_doubled_by_a_cancel) {
    check_start(2);
    all_rounds(NULL);
    no_timer_is_left();
}

SCENARIO(no_value_is_lost_or_doubled_by_a_cancel_on_one_processor) {
    check_start(1);
    CHECK_OK(gmp_run(all_rounds, NULL)); /* the canceller is a task among them */
    no_timer_is_left();
}

/* ------------------------------------------------------------ one wait against one cancel, at the same moment */
static pthread_barrier_t start;
static gmp_task_t *waiting;
static gmp_ctx_t *its_ctx;
static gmp_chan_t *one;
static uint64_t canceller_random;

static void *cancel_each(void *arg) {
    (void)arg;
    for (int round = 0; round < 10 * ROUNDS; round++) {
        pthread_barrier_wait(&start);
        linger(&canceller_random, 3000);
        if (round % 2) CHECK_OK(gmp_task_cancel(waiting));
        else CHECK_OK(gmp_ctx_cancel(its_ctx));
        pthread_barrier_wait(&start);
    }
    return NULL;
}

static void *receive_one(void *arg) {
    int value = 4711;
    int code = gmp_chan_recv(one, &value, arg ? GMP_FOREVER : SOON());
    CHECK(code == GMP_OK ? value == 42 : code == GMP_ECANCELED && value == 4711);
    return (void *)(intptr_t)(code == GMP_OK);
}

/* A send that does not wait hands its value over or says that nobody is there; the receiver must agree. */
SCENARIO(hand_over_against_cancel_is_agreed_on_by_both) {
    pthread_t thread;
    uint64_t random = check_seed() * 3 + 1;
    int taken = 0;
    canceller_random = check_seed() * 5 + 1;
    check_start(2);
    CHECK_EQ(pthread_barrier_init(&start, NULL, 2), 0);
    CHECK_EQ(pthread_create(&thread, NULL, cancel_each, NULL), 0);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &one));
    for (int round = 0; round < 10 * ROUNDS; round++) {
        gmp_spawn_opts_t opts;
        void *result = NULL;
        int value = 42;
        CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &its_ctx));
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.ctx = its_ctx;
        CHECK_OK(gmp_spawn(receive_one, round % 4 < 2 ? NULL : &one, &opts, &waiting));
        if (round % 8) while (check_stats().tasks_parked != 1) gmp_yield();
        pthread_barrier_wait(&start);
        linger(&random, 3000);
        int code = gmp_chan_send(one, &value, GMP_NOWAIT);
        CHECK(code == GMP_OK || code == GMP_EAGAIN);
        pthread_barrier_wait(&start);
        CHECK_OK(gmp_join(waiting, SOON(), &result));
        CHECK_EQ((intptr_t)result, code == GMP_OK);
        taken += code == GMP_OK;
        CHECK_CODE(gmp_chan_send(one, &value, GMP_NOWAIT), GMP_EAGAIN); /* nobody was left in the queue */
        gmp_ctx_free(its_ctx);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    gmp_chan_free(one);
    printf("%d of %d taken\n", taken, 10 * ROUNDS);
    no_timer_is_left();
}
