/* The leak report: who has been parked for long, by site and reason, most first. */
#include "dump_text.h"

static gmp_chan_t *chan;
static char line[2048];
static int64_t older_than;

static int leaks(int fd) { return gmp_dump_leaks(fd, older_than); }

static void receive(void *arg) {
    int value;
    (void)arg;
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_FOREVER), GMP_ECLOSED);
}
static void send_one(void *arg) {
    int value = 1;
    CHECK_CODE(gmp_chan_send(arg, &value, GMP_FOREVER), GMP_ECLOSED);
}

SCENARIO(foolish_arguments_and_no_runtime) {
    CHECK_CODE(gmp_dump_leaks(1, -1), GMP_EINVAL);
    CHECK_CODE(gmp_dump_leaks(-1, 0), GMP_EBADF);
    char *text = text_from(leaks);
    CHECK(strstr(text, " not running\n"));
    free(text);
    check_start(1);
    CHECK_CODE(gmp_dump_leaks(1, -1), GMP_EINVAL);
    CHECK_CODE(gmp_dump_leaks(-1, 0), GMP_EBADF);
    text = text_from(leaks);
    CHECK_LINE(text, line, "gmp leaks version=", " older-than=0.000s found=0 parked=0 tasks=0");
    CHECK_EQ(count_lines(text, "leak "), 0);
    free(text);
}

SCENARIO(groups_by_site_and_reason_most_first) {
    gmp_chan_t *full;
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &full));
    for (int i = 0; i < 40; i++) CHECK_OK(gmp_go(receive, NULL));
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_go(send_one, full));
    for (int i = 0; i < 30; i++) CHECK_OK(gmp_go(i % 3 ? receive : send_one, i % 3 ? NULL : full));
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked < 120) CHECK(gmp_now() < until && usleep(1000) == 0);
    char *text = text_from(leaks);
    CHECK_LINE(text, line, "gmp leaks version=", " found=120 parked=120 tasks=120");
    CHECK_EQ(count_lines(text, "leak "), 4);
    const char *rest = text;
    static const char *expected[] = {"leak tasks=50 reason=chan-send oldest=", "leak tasks=40 reason=chan-recv oldest=",
                                     "leak tasks=20 reason=chan-recv oldest=", "leak tasks=10 reason=chan-send oldest="};
    for (int i = 0; i < 4; i++) {
        rest = find_line(rest, line, "leak ", (char *)NULL);
        CHECK(rest != NULL);
        CHECK(strncmp(line, expected[i], strlen(expected[i])) == 0);
        CHECK(strstr(line, " example=") && strstr(line, " site=c-dump_leaks+0x"));
    }
    free(text);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_OK(gmp_chan_close(full));
    CHECK_IDLE();
}

/* Old ones are found, young ones are not: the age is polled for, in both directions. */
SCENARIO(only_those_parked_long_enough_are_told) {
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_go(receive, NULL));
    older_than = 300 * MS;
    gmp_time_t before = gmp_now(), until = SOON();
    long found = 0;
    while (!found) {
        CHECK(gmp_now() < until);
        char *text = text_from(leaks);
        found = count_lines(text, "leak tasks=1 reason=chan-recv oldest=");
        free(text);
    }
    CHECK(gmp_now() - before >= 250 * MS);
    older_than = 3600 * SECOND;
    char *text = text_from(leaks);
    CHECK_LINE(text, line, "gmp leaks version=", " older-than=3600.000s found=0 parked=1 tasks=1");
    CHECK_EQ(count_lines(text, "leak "), 0);
    free(text);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_IDLE();
}

/* A task that computed alone for long before it parked has not been parked that long: nobody looks at a clock meanwhile. */
static void compute_then_receive(void *next) {
    gmp_time_t until = gmp_after_ns(400 * MS);
    while (gmp_now() < until) continue;
    if (next) CHECK_OK(gmp_go(receive, NULL));
    receive(NULL);
}

static void check_age(int procs, void *next) {
    char *text;
    check_start(procs);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    gmp_time_t before = gmp_now(), until = SOON();
    CHECK_OK(gmp_go(compute_then_receive, next));
    for (;;) {
        CHECK(gmp_now() < until);
        text = text_from(leaks);
        CHECK(find_line(text, line, "gmp leaks version=", (char *)NULL));
        if (number_of(line, "parked") == (next ? 2 : 1)) break;
        free(text);
    }
    /* Nothing but its 400 ms of computing could make it older than all that has passed since. */
    if (gmp_now() - before < 650 * MS) CHECK_EQ(count_lines(text, "leak "), 0);
    free(text);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_IDLE();
    gmp_chan_free(chan);
    CHECK_OK(gmp_shutdown(SOON()));
}

SCENARIO(computing_does_not_count) {
    older_than = 300 * MS;
    for (int procs = 1; procs <= 2; procs++) {
        check_age(procs, NULL);
        check_age(procs, &older_than);
    }
}
