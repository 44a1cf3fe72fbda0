/* Tasks that belong to a thread, and foreign code: their thread gets a processor although all of them are with code that
 * blocks without a word, and although the monitor sleeps without bound. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "waits.h"

static int ends[2];
static atomic_int blocked, went_on;

/* Blocks in the kernel until the other task has gone on. */
static void block(void *arg) {
    char byte;
    struct pollfd end = {ends[0], POLLIN, 0};
    (void)arg;
    atomic_store(&blocked, 1);
    CHECK_EQ(poll(&end, 1, 30000), 1);
    CHECK(atomic_load(&went_on));
    CHECK_EQ(read(ends[0], &byte, 1), 1);
}

/* Loses its processor to the other task, and comes back when that is asleep, with the monitor. */
static void come_back(void *locks) {
    struct timespec a_while = {0, 100 * MS};
    if (locks) CHECK_EQ(gmp_lock_thread(), 1);
    CHECK_OK(gmp_go(block, NULL));
    while (!atomic_load(&blocked)) usleep(100);
    nanosleep(&a_while, NULL);
    gmp_yield();
    atomic_store(&went_on, 1);
    CHECK_EQ(write(ends[1], "x", 1), 1);
}

static void *come_back_for_spawn(void *arg) {
    come_back(arg);
    return arg;
}

static void with_one_processor(void *locks, uint32_t flags) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    check_start(1);
    CHECK_EQ(pipe(ends), 0);
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = flags;
    CHECK_OK(gmp_spawn(come_back_for_spawn, locks, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(SOON()));
}

SCENARIO(locked_task_comes_back) { with_one_processor(&went_on, 0); }

SCENARIO(sticky_task_comes_back) { with_one_processor(NULL, GMP_SPAWN_STICKY); }

SCENARIO(plain_task_comes_back) { with_one_processor(NULL, 0); }

/* A sticky task is made ready while its thread sleeps and the one processor is taken: its thread gets that one. */
static gmp_chan_t *chan;

static void *receive(void *count) {
    int value;
    for (intptr_t i = 0; i < (intptr_t)count; i++) CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
    return count;
}

static void send_and_pause(void *count) {
    for (int i = 0; i < (int)(intptr_t)count; i++) {
        CHECK_OK(gmp_chan_send(chan, &i, GMP_FOREVER));
        usleep(300); /* asleep in the kernel: the receiver's thread is another */
    }
}

SCENARIO(sticky_task_is_woken_while_the_processor_is_taken) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = GMP_SPAWN_STICKY;
    CHECK_OK(gmp_spawn(receive, (void *)200, &opts, &task));
    CHECK_OK(gmp_go(send_and_pause, (void *)200));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    gmp_chan_free(chan);
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(SOON()));
}

/* ------------------------------------------------------------ beside a task that never parks */
static atomic_int stop, received;

static void *checkpoint_until_stop(void *arg) {
    while (!atomic_load(&stop)) CHECK_OK(gmp_checkpoint());
    return arg;
}

static void *receive_one_by_one(void *count) {
    int value;
    for (intptr_t i = 0; i < (intptr_t)count; i++) {
        CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
        atomic_fetch_add(&received, 1);
    }
    return count;
}

static const gmp_task_class_t exclusive = {.struct_size = sizeof exclusive, .flags = GMP_CLASS_EXCLUSIVE};

/* Both have the one thread there is; the other does nothing but ask whether somebody waits. */
static void beside_checkpoints(const gmp_task_class_t *task_class, uint32_t flags) {
    gmp_spawn_opts_t opts;
    gmp_task_t *receiver, *other;
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 1, &chan));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = flags;
    opts.task_class = task_class;
    CHECK_OK(gmp_spawn(receive_one_by_one, (void *)4, &opts, &receiver));
    for (int i = 0; i < 4; i++) {
        CHECK_OK(gmp_chan_send(chan, &i, SOON()));
        UNTIL(atomic_load(&received) == i + 1, usleep(1000));
        if (i == 0) {
            opts.flags = 0;
            CHECK_OK(gmp_spawn(checkpoint_until_stop, NULL, &opts, &other));
        }
        usleep(30000); /* until the monitor sleeps without bound, in most runs */
    }
    atomic_store(&stop, 1);
    CHECK_OK(gmp_join(receiver, SOON(), NULL));
    CHECK_OK(gmp_join(other, SOON(), NULL));
    gmp_chan_free(chan);
    CHECK_OK(gmp_shutdown(SOON()));
}

SCENARIO(sticky_task_gets_its_slice_beside_checkpoints) { beside_checkpoints(NULL, GMP_SPAWN_STICKY); }

SCENARIO(exclusive_task_gets_its_slice_beside_checkpoints) { beside_checkpoints(&exclusive, 0); }
