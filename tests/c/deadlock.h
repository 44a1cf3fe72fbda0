/* What the programs about deadlocks share: a channel on which tasks wait for ever, a mutex, and the number of verdicts. */
#ifndef GMP_TESTS_DEADLOCK_H
#define GMP_TESTS_DEADLOCK_H
#include "waits.h"

static gmp_chan_t *chan;
static atomic_int received;

__attribute__((unused)) static void receive(void *arg) {
    int value;
    (void)arg;
    if (gmp_chan_recv(chan, &value, GMP_FOREVER) == GMP_OK) atomic_fetch_add(&received, 1);
}

__attribute__((unused)) static void *receive_as_a_task(void *arg) {
    receive(arg);
    return arg;
}

__attribute__((unused)) static void make_chan(void) { CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan)); }

__attribute__((unused)) static void send_one(void) {
    int value = 1;
    CHECK_OK(gmp_chan_send(chan, &value, SOON()));
}

__attribute__((unused)) static uint64_t verdicts(void) { return check_stats().deadlocks; }

__attribute__((unused)) static gmp_mutex_t first;
__attribute__((unused)) static gmp_wg_t both_hold;

__attribute__((unused)) static void lock_first(void *arg) {
    (void)arg;
    CHECK_OK(gmp_mutex_lock(&first, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(&first));
}
#endif
