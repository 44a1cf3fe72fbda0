/* What one side wrote before is seen by the other after: plain memory, no atomics. §27.2, §27.5. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { WORDS = 32 };
struct page {
    uint64_t word[WORDS];
};

static void write_page(struct page *page, uint64_t number) {
    for (int i = 0; i < WORDS; i++) page->word[i] = number + (uint64_t)i;
}

static void read_page(const struct page *page, uint64_t number) {
    for (int i = 0; i < WORDS; i++) CHECK_EQ(page->word[i], number + (uint64_t)i);
}

static gmp_chan_t *chan_of(size_t size, size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(size, capacity, &chan));
    return chan;
}

/* Runs two functions against each other: tasks and threads in all four mixes. */
static void in_every_mix(void *(*one)(void *), void *(*other)(void *), void (*before)(void), void (*after)(void)) {
    for (int mix = 0; mix < 4; mix++) {
        void *(*fn[2])(void *) = {one, other};
        gmp_task_t *task[2];
        pthread_t thread[2];
        before();
        for (intptr_t i = 0; i < 2; i++) {
            if (mix >> i & 1) CHECK_EQ(pthread_create(&thread[i], NULL, fn[i], (void *)(intptr_t)mix), 0);
            else CHECK_OK(gmp_spawn(fn[i], (void *)(intptr_t)mix, NULL, &task[i]));
        }
        for (int i = 0; i < 2; i++) {
            if (mix >> i & 1) CHECK_EQ(pthread_join(thread[i], NULL), 0);
            else CHECK_OK(gmp_join(task[i], SOON(), NULL));
        }
        if (after) after();
    }
}

static uint64_t rounds_of(void *mix) { return mix ? 3000 : 30000; }

/* ------------------------------------------------------------ send before the receive completes */
static gmp_chan_t *first, *second;
static struct page pages[2];

/* Both pages go to and fro: who holds the token of a page may write it. */
static void *pass_pages(void *arg) {
    uint64_t rounds = rounds_of(arg);
    struct page *page = &pages[0];
    for (uint64_t i = 0; i < rounds; i++) {
        write_page(page, i);
        CHECK_OK(gmp_chan_send(first, &page, SOON()));
        page = NULL;
        CHECK_OK(gmp_chan_recv(second, &page, SOON()));
        read_page(page, ~i);
    }
    return NULL;
}

static void *return_pages(void *arg) {
    uint64_t rounds = rounds_of(arg);
    struct page *page = NULL;
    for (uint64_t i = 0; i < rounds; i++) {
        CHECK_OK(gmp_chan_recv(first, &page, SOON()));
        read_page(page, i);
        write_page(page, ~i);
        CHECK_OK(gmp_chan_send(second, &page, SOON()));
    }
    return NULL;
}

static size_t capacity;

static void two_channels(void) {
    first = chan_of(sizeof(struct page *), capacity);
    second = chan_of(sizeof(struct page *), capacity);
}

static void free_both(void) {
    gmp_chan_free(first);
    gmp_chan_free(second);
}

SCENARIO(what_was_written_before_a_send_is_seen_after_the_recv) {
    check_start(2);
    for (capacity = 0; capacity < 3; capacity++) in_every_mix(pass_pages, return_pages, two_channels, free_both);
}

/* ------------------------------------------------------------ unbuffered: receive before the send completes */
static void *send_and_read(void *arg) {
    uint64_t rounds = rounds_of(arg);
    for (uint64_t i = 0; i < rounds; i++) {
        CHECK_OK(gmp_chan_send(first, NULL, SOON())); /* once taken, the receiver's page is ours */
        read_page(&pages[0], i);
        write_page(&pages[0], 0);
        CHECK_OK(gmp_chan_send(first, NULL, SOON()));
    }
    return NULL;
}

static void *write_and_recv(void *arg) {
    uint64_t rounds = rounds_of(arg);
    for (uint64_t i = 0; i < rounds; i++) {
        write_page(&pages[0], i);
        CHECK_OK(gmp_chan_recv(first, NULL, SOON()));
        CHECK_OK(gmp_chan_recv(first, NULL, SOON()));
        read_page(&pages[0], 0);
    }
    return NULL;
}

static void one_unbuffered(void) { first = chan_of(0, 0); }

static void free_first(void) { gmp_chan_free(first); }

SCENARIO(what_was_written_before_an_unbuffered_recv_is_seen_after_the_send) {
    check_start(2);
    in_every_mix(send_and_read, write_and_recv, one_unbuffered, free_first);
}

/* ------------------------------------------------------------ capacity C: k-th receive before send k+C completes */
enum { SLOTS = 3 };
static struct page ring[SLOTS];

/* The room in `first` is the room in the ring; `second` tells that a slot is written. */
static void *fill_ring(void *arg) {
    uint64_t rounds = rounds_of(arg);
    for (uint64_t i = 0; i < rounds; i++) {
        CHECK_OK(gmp_chan_send(first, NULL, SOON()));
        if (i >= SLOTS) read_page(&ring[i % SLOTS], ~(i - SLOTS));
        write_page(&ring[i % SLOTS], i);
        CHECK_OK(gmp_chan_send(second, NULL, SOON()));
    }
    return NULL;
}

static void *drain_ring(void *arg) {
    uint64_t rounds = rounds_of(arg);
    for (uint64_t i = 0; i < rounds; i++) {
        CHECK_OK(gmp_chan_recv(second, NULL, SOON()));
        read_page(&ring[i % SLOTS], i);
        write_page(&ring[i % SLOTS], ~i);
        CHECK_OK(gmp_chan_recv(first, NULL, SOON()));
    }
    return NULL;
}

static void ring_of_slots(void) {
    first = chan_of(0, SLOTS);
    second = chan_of(0, 2 * SLOTS);
}

SCENARIO(what_was_written_before_recv_k_is_seen_after_send_k_plus_capacity) {
    check_start(2);
    in_every_mix(fill_ring, drain_ring, ring_of_slots, free_both);
}

/* A channel of capacity 1 is a mutex by this rule. */
static uint64_t plain_count;
static struct page guarded;

static void *count_under_the_token(void *arg) {
    for (int i = 0; i < 5000; i++) {
        CHECK_OK(gmp_chan_send(first, NULL, SOON()));
        read_page(&guarded, plain_count);
        plain_count++;
        if (i % 100 == 0) gmp_yield();
        write_page(&guarded, plain_count);
        CHECK_OK(gmp_chan_recv(first, NULL, GMP_NOWAIT));
    }
    return arg;
}

//@ with GMP_MAXPROCS=1
SCENARIO(channel_of_capacity_one_is_a_mutex) {
    enum { TASKS = 8, THREADS = 3 };
    pthread_t thread[THREADS];
    first = chan_of(0, 1);
    write_page(&guarded, 0);
    for (int i = 0; i < TASKS; i++) CHECK_OK(gmp_spawn(count_under_the_token, NULL, NULL, NULL));
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&thread[i], NULL, count_under_the_token, NULL), 0);
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    CHECK_EQ(plain_count, (TASKS + THREADS) * 5000);
}

/* ------------------------------------------------------------ close before the receive that returns for it */
static gmp_chan_t *closing[2000];
static struct page told[2000];

static void *write_and_close(void *arg) {
    for (uint64_t i = 0; i < 2000; i++) {
        write_page(&told[i], i);
        CHECK_OK(gmp_chan_close(closing[i]));
    }
    return arg;
}

static void *recv_and_read(void *arg) {
    for (uint64_t i = 0; i < 2000; i++) {
        if (i % 4 == 1) {
            gmp_case_t only = {GMP_CASE_RECV, 9, closing[i], NULL};
            CHECK_OK(gmp_select(&only, 1, SOON(), NULL));
            CHECK_CODE(only.status, GMP_ECLOSED);
        } else if (i % 4 == 2) {
            while (gmp_chan_recv(closing[i], NULL, GMP_NOWAIT) != GMP_ECLOSED) gmp_yield();
        } else {
            CHECK_CODE(gmp_chan_recv(closing[i], NULL, SOON()), GMP_ECLOSED);
        }
        read_page(&told[i], i);
    }
    return arg;
}

static void many_channels(void) {
    memset(told, 0, sizeof told);
    for (int i = 0; i < 2000; i++) closing[i] = chan_of(8, (size_t)(i % 2));
}

static void free_many(void) {
    for (int i = 0; i < 2000; i++) gmp_chan_free(closing[i]);
}

SCENARIO(what_was_written_before_a_close_is_seen_by_those_it_ends) {
    check_start(2);
    in_every_mix(write_and_close, recv_and_read, many_channels, free_many);
}

/* ------------------------------------------------------------ through select, both sides */
static void *select_and_pass(void *arg) {
    uint64_t rounds = rounds_of(arg);
    struct page *page = &pages[0];
    for (uint64_t i = 0; i < rounds; i++) {
        struct page *back = NULL;
        write_page(page, i);
        gmp_case_t send[2] = {{GMP_CASE_RECV, 9, second, &back}, {GMP_CASE_SEND, 9, first, &page}};
        size_t chosen = 9;
        CHECK_OK(gmp_select(send, 2, SOON(), &chosen));
        CHECK_EQ(chosen, 1);
        CHECK_OK(gmp_select(send, 1, SOON(), &chosen));
        CHECK(back == page);
        read_page(page, ~i);
    }
    return NULL;
}

SCENARIO(what_was_written_is_seen_through_select_too) {
    check_start(2);
    for (capacity = 0; capacity < 2; capacity++) in_every_mix(select_and_pass, return_pages, two_channels, free_both);
}
