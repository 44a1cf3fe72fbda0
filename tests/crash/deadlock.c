/* With GMP_CONFIG_DEADLOCK_ABORT a deadlock ends the process, and says why. */
#include "../c/check.h"

static gmp_chan_t *chan;

static void receive(void *arg) {
    int value;
    (void)arg;
    gmp_chan_recv(chan, &value, GMP_FOREVER);
}

//@ dies SIGABRT
//@ says gmp: all tasks are asleep
SCENARIO(crash_deadlock_aborts_on_request) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.flags = GMP_CONFIG_DEADLOCK_ABORT;
    CHECK_OK(gmp_start(&config));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    gmp_run(receive, NULL);
}
