/* Elements of every size: copied byte for byte on each path, and not a byte beside them; zero fill; thrown away.
 * §19.2, §19.4, §19.12. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { LARGEST = 65535, GUARD = 16, FILL = 0xa5 };
static const size_t SIZES[] = {0, 1, 3, 8, 24, 1000, LARGEST};
enum { SIZES_COUNT = sizeof SIZES / sizeof SIZES[0] };

static unsigned char byte_of(uint64_t number, size_t at) { return (unsigned char)((number * 167 + at * 31) % 251 + 1); }

/* An element between guards, at an odd address: elements are bytes and need no alignment. */
struct block {
    unsigned char *memory, *element;
    size_t size;
};

static struct block block(size_t size) {
    struct block block = {(unsigned char *)malloc(size + 2 * GUARD + 1), NULL, size};
    CHECK(block.memory != NULL);
    memset(block.memory, FILL, size + 2 * GUARD + 1);
    block.element = block.memory + GUARD + 1;
    return block;
}

static void write_number(struct block *block, uint64_t number) {
    for (size_t i = 0; i < block->size; i++) block->element[i] = byte_of(number, i);
}

static void guards_stand(const struct block *block) {
    for (int i = 0; i < GUARD + 1; i++) CHECK_EQ(block->memory[i], FILL);
    for (int i = 0; i < GUARD; i++) CHECK_EQ(block->element[block->size + (size_t)i], FILL);
}

static void holds_number(const struct block *block, uint64_t number) {
    for (size_t i = 0; i < block->size; i++) CHECK_EQ(block->element[i], byte_of(number, i));
    guards_stand(block);
}

static void holds_only(const struct block *block, int byte) {
    for (size_t i = 0; i < block->size; i++) CHECK_EQ(block->element[i], byte);
    guards_stand(block);
}

static gmp_chan_t *chan_of(size_t size, size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(size, capacity, &chan));
    return chan;
}

static void parked(int64_t wanted) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked != wanted) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(20000));
    }
}

/* ------------------------------------------------------------ through the buffer */
static void send_and_forget(gmp_chan_t *chan, struct block *from, uint64_t number) {
    write_number(from, number);
    CHECK_OK(gmp_chan_send(chan, from->element, GMP_NOWAIT));
    holds_number(from, number);
    memset(from->element, FILL, from->size); /* the value went; where it stood is ours again */
}

SCENARIO(buffer_keeps_every_byte_at_every_fill) {
    static const size_t capacities[] = {1, 2, 7};
    for (int s = 0; s < SIZES_COUNT; s++) {
        struct block from = block(SIZES[s]), to = block(SIZES[s]);
        for (int c = 0; c < 3; c++) {
            gmp_chan_t *chan = chan_of(SIZES[s], capacities[c]);
            uint64_t in = 0, out = 0;
            /* Up and down to every level, so that head and tail pass the end of the ring at each. */
            for (size_t level = 1; level <= capacities[c]; level++) {
                for (int round = 0; round < 3; round++) {
                    while (in - out < level) send_and_forget(chan, &from, in++);
                    CHECK_EQ(gmp_chan_len(chan), level);
                    while (in - out > level / 2) {
                        CHECK_OK(gmp_chan_recv(chan, to.element, GMP_NOWAIT));
                        holds_number(&to, out++);
                    }
                }
            }
            gmp_chan_free(chan);
        }
        free(from.memory);
        free(to.memory);
    }
}

/* ------------------------------------------------------------ hand-over, both ways, through the waiter's stack */
struct side {
    gmp_chan_t *chan;
    size_t size;
    uint64_t number;
    int code, use_select;
};

static int operate(const struct side *side, int op, void *element) {
    gmp_case_t only = {op, 99, side->chan, element};
    size_t chosen = 99;
    int code;
    if (!side->use_select && op == GMP_CASE_SEND) return gmp_chan_send(side->chan, element, SOON());
    if (!side->use_select) return gmp_chan_recv(side->chan, element, SOON());
    code = gmp_select(&only, 1, SOON(), &chosen);
    if (code == GMP_OK) CHECK_EQ(chosen, 0);
    return code == GMP_OK ? only.status : code;
}

static void *recv_on_the_stack(void *arg) {
    struct side *side = (struct side *)arg;
    unsigned char memory[side->size + 2 * GUARD + 1];
    struct block to = {memory, memory + GUARD + 1, side->size};
    memset(memory, FILL, sizeof memory);
    side->code = operate(side, GMP_CASE_RECV, to.element);
    if (side->code == GMP_OK) holds_number(&to, side->number);
    if (side->code == GMP_ECLOSED) holds_only(&to, 0);
    return NULL;
}

static void *send_from_the_stack(void *arg) {
    struct side *side = (struct side *)arg;
    unsigned char memory[side->size + 2 * GUARD + 1];
    struct block from = {memory, memory + GUARD + 1, side->size};
    memset(memory, FILL, sizeof memory);
    write_number(&from, side->number);
    side->code = operate(side, GMP_CASE_SEND, from.element);
    holds_number(&from, side->number);
    memset(memory, 0, sizeof memory);
    return NULL;
}

/* Calls `meet` with one side waiting in a task, for every size, with plain calls and through select. */
static void with_a_waiting(void *(*fn)(void *), size_t capacity, void (*meet)(struct side *)) {
    for (int s = 0; s < SIZES_COUNT; s++) {
        for (int use_select = 0; use_select < 2; use_select++) {
            gmp_task_t *task;
            struct side side = {chan_of(SIZES[s], capacity), SIZES[s], 1000, 1, use_select};
            struct block from = block(SIZES[s]);
            for (size_t i = 0; fn == send_from_the_stack && i < capacity; i++) send_and_forget(side.chan, &from, i);
            CHECK_OK(gmp_spawn(fn, &side, NULL, &task));
            parked(1);
            meet(&side);
            CHECK_OK(gmp_join(task, SOON(), NULL));
            gmp_chan_free(side.chan);
            free(from.memory);
        }
    }
}

static void send_to_it(struct side *side) {
    struct block from = block(side->size);
    send_and_forget(side->chan, &from, side->number);
    CHECK_IDLE();
    CHECK_OK(side->code);
    free(from.memory);
}

SCENARIO(send_writes_into_the_stack_of_a_waiting_receiver) {
    check_start(2);
    with_a_waiting(recv_on_the_stack, 0, send_to_it);
    with_a_waiting(recv_on_the_stack, 4, send_to_it);
}

static void recv_from_it(struct side *side) {
    struct block to = block(side->size);
    for (uint64_t i = 0; i < gmp_chan_cap(side->chan); i++) {
        CHECK_OK(gmp_chan_recv(side->chan, to.element, GMP_NOWAIT));
        holds_number(&to, i);
        CHECK_IDLE(); /* the oldest waits no more: its value is in the buffer, its stack is gone */
        CHECK_OK(side->code);
    }
    CHECK_OK(gmp_chan_recv(side->chan, to.element, GMP_NOWAIT));
    holds_number(&to, side->number);
    CHECK_CODE(gmp_chan_recv(side->chan, to.element, GMP_NOWAIT), GMP_EAGAIN);
    holds_number(&to, side->number);
    free(to.memory);
}

SCENARIO(recv_reads_from_the_stack_of_a_waiting_sender) {
    check_start(2);
    with_a_waiting(send_from_the_stack, 0, recv_from_it);
    with_a_waiting(send_from_the_stack, 1, recv_from_it);
    with_a_waiting(send_from_the_stack, 3, recv_from_it);
}

static void close_on_it(struct side *side) { CHECK_OK(gmp_chan_close(side->chan)); }

SCENARIO(close_fills_a_waiting_receivers_element_with_zeroes) {
    check_start(2);
    with_a_waiting(recv_on_the_stack, 0, close_on_it);
    with_a_waiting(recv_on_the_stack, 2, close_on_it);
}

SCENARIO(closed_and_drained_fills_exactly_the_element_with_zeroes) {
    for (int s = 0; s < SIZES_COUNT; s++) {
        struct block from = block(SIZES[s]), to = block(SIZES[s]);
        gmp_chan_t *chan = chan_of(SIZES[s], 1);
        send_and_forget(chan, &from, 7);
        CHECK_OK(gmp_chan_close(chan));
        CHECK_OK(gmp_chan_recv(chan, to.element, GMP_FOREVER));
        holds_number(&to, 7);
        CHECK_CODE(gmp_chan_recv(chan, to.element, GMP_FOREVER), GMP_ECLOSED);
        holds_only(&to, 0);
        memset(to.element, FILL, to.size);
        gmp_case_t only = {GMP_CASE_RECV, 99, chan, to.element};
        CHECK_OK(gmp_select(&only, 1, GMP_FOREVER, NULL));
        CHECK_CODE(only.status, GMP_ECLOSED);
        holds_only(&to, 0);
        gmp_chan_free(chan);
        free(from.memory);
        free(to.memory);
    }
}

/* ------------------------------------------------------------ thrown away */
static void *recv_nowhere(void *arg) {
    struct side *side = (struct side *)arg;
    side->code = operate(side, GMP_CASE_RECV, NULL);
    return NULL;
}

SCENARIO(value_sent_to_a_waiting_receiver_without_memory_is_thrown_away) {
    check_start(2);
    with_a_waiting(recv_nowhere, 0, send_to_it);
    with_a_waiting(recv_nowhere, 2, send_to_it);
    with_a_waiting(recv_nowhere, 0, close_on_it);
}

static void discard_from_it(struct side *side) {
    for (size_t i = 0; i <= gmp_chan_cap(side->chan); i++) {
        CHECK_OK(gmp_chan_recv(side->chan, NULL, GMP_NOWAIT));
        CHECK_IDLE();
        CHECK_OK(side->code);
    }
    CHECK_CODE(gmp_chan_recv(side->chan, NULL, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_recv(side->chan, NULL, gmp_after_ns(1000)), GMP_ETIMEDOUT);
}

SCENARIO(values_of_waiting_senders_and_of_the_buffer_can_be_thrown_away) {
    check_start(2);
    with_a_waiting(send_from_the_stack, 0, discard_from_it);
    with_a_waiting(send_from_the_stack, 3, discard_from_it);
}

SCENARIO(value_thrown_away_leaves_the_next_in_its_place) {
    for (int s = 0; s < SIZES_COUNT; s++) {
        struct block from = block(SIZES[s]), to = block(SIZES[s]);
        gmp_chan_t *chan = chan_of(SIZES[s], 3);
        for (uint64_t i = 0; i < 30; i += 3) {
            for (uint64_t k = i; k < i + 3; k++) send_and_forget(chan, &from, k);
            CHECK_OK(gmp_chan_recv(chan, NULL, GMP_FOREVER));
            CHECK_OK(gmp_chan_recv(chan, to.element, GMP_FOREVER));
            holds_number(&to, i + 1);
            CHECK_OK(gmp_chan_recv(chan, NULL, GMP_NOWAIT));
        }
        CHECK_OK(gmp_chan_close(chan));
        CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_FOREVER), GMP_ECLOSED);
        gmp_chan_free(chan);
        free(from.memory);
        free(to.memory);
    }
}

/* ------------------------------------------------------------ nothing written, nothing to copy */
static void untouched_without_effect(void *arg) {
    (void)arg;
    for (int s = 0; s < SIZES_COUNT; s++) {
        struct block to = block(SIZES[s]);
        for (size_t capacity = 0; capacity < 3; capacity++) {
            gmp_chan_t *chan = chan_of(SIZES[s], capacity);
            CHECK_CODE(gmp_chan_recv(chan, to.element, GMP_NOWAIT), GMP_EAGAIN);
            CHECK_CODE(gmp_chan_recv(chan, to.element, -5), GMP_ETIMEDOUT);
            CHECK_CODE(gmp_chan_recv(chan, to.element, gmp_after_ns(20000)), GMP_ETIMEDOUT);
            holds_only(&to, FILL);
            gmp_chan_free(chan);
        }
        free(to.memory);
    }
}

SCENARIO(recv_that_answers_no_value_writes_nothing) {
    untouched_without_effect(NULL);
    CHECK_OK(gmp_run(untouched_without_effect, NULL));
}

static void *exchange_nothing(void *arg) {
    struct side *side = (struct side *)arg;
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(gmp_chan_send(side->chan, NULL, SOON()));
        CHECK_OK(gmp_chan_send(side->chan, &side, SOON()));
    }
    CHECK_OK(gmp_chan_close(side->chan));
    return NULL;
}

SCENARIO(elements_without_bytes_are_counted_all_the_same) {
    for (size_t capacity = 0; capacity < 4; capacity++) {
        struct side side = {chan_of(0, capacity), 0, 0, 0, 0};
        gmp_task_t *task;
        unsigned char byte = FILL;
        int received = 0;
        CHECK_OK(gmp_spawn(exchange_nothing, &side, NULL, &task));
        while (gmp_chan_recv(side.chan, received % 2 ? &byte : NULL, SOON()) == GMP_OK) {
            CHECK(gmp_chan_len(side.chan) <= capacity);
            received++;
        }
        CHECK_EQ(received, 2000);
        CHECK_EQ(byte, FILL);
        CHECK_OK(gmp_join(task, SOON(), NULL));
        gmp_chan_free(side.chan);
    }
}

/* ------------------------------------------------------------ a stream of each size between two tasks */
static void *send_a_stream(void *arg) {
    struct side *side = (struct side *)arg;
    struct block from = block(side->size);
    for (uint64_t i = 0; i < side->number; i++) {
        write_number(&from, i);
        CHECK_OK(gmp_chan_send(side->chan, from.element, SOON()));
        if (i % 64 == 0) guards_stand(&from);
    }
    free(from.memory);
    return NULL;
}

static void *recv_a_stream(void *arg) {
    struct side *side = (struct side *)arg;
    struct block to = block(side->size);
    for (uint64_t i = 0; i < side->number; i++) {
        CHECK_OK(gmp_chan_recv(side->chan, to.element, SOON()));
        holds_number(&to, i);
    }
    free(to.memory);
    return NULL;
}

SCENARIO(stream_of_every_size_arrives_whole_in_tasks_and_threads) {
    check_start(2);
    for (int s = 0; s < SIZES_COUNT; s++) {
        for (size_t capacity = 0; capacity < 6; capacity += 5) {
            for (int mix = 0; mix < 4; mix++) {
                struct side side = {chan_of(SIZES[s], capacity), SIZES[s], SIZES[s] > 100 ? 100 : 500, 0, 0};
                void *(*fn[2])(void *) = {send_a_stream, recv_a_stream};
                gmp_task_t *task[2];
                pthread_t thread[2];
                for (int i = 0; i < 2; i++) {
                    if (mix >> i & 1) CHECK_EQ(pthread_create(&thread[i], NULL, fn[i], &side), 0);
                    else CHECK_OK(gmp_spawn(fn[i], &side, NULL, &task[i]));
                }
                for (int i = 0; i < 2; i++) {
                    if (mix >> i & 1) CHECK_EQ(pthread_join(thread[i], NULL), 0);
                    else CHECK_OK(gmp_join(task[i], SOON(), NULL));
                }
                gmp_chan_free(side.chan);
            }
        }
    }
}
