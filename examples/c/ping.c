/* How long one message takes: ping [MESSAGES]
 *
 * Two tasks send a number to and fro over two unbuffered channels, once with one processor and once with two. A message
 * is a hand-over: the sender writes it into the receiver's own variable and the receiver goes on.
 *
 *     cc ping.c -lgmp && ./a.out
 */
#include <gmprt.h>
#include <stdio.h>
#include <stdlib.h>

static gmp_chan_t *ping, *pong;

static void must(int code, const char *what) {
    if (code >= 0) return;
    fprintf(stderr, "ping: %s: %s\n", what, gmp_strerror(code));
    exit(1);
}

static void answer(void *arg) {
    long n;
    int code;
    (void)arg;
    while ((code = gmp_chan_recv(ping, &n, GMP_FOREVER)) == GMP_OK) {
        n++;
        must(gmp_chan_send(pong, &n, GMP_FOREVER), "answer");
    }
    must(code == GMP_ECLOSED ? GMP_OK : code, "receive");
}

/* Sends 0, gets 1, sends that, gets 2 ... until `messages` have gone either way. */
static void ask(void *arg) {
    long messages = *(long *)arg, n = 0;
    gmp_wg_t group = {{0, 0}};
    must(gmp_chan_new(sizeof n, 0, &ping), "a channel");
    must(gmp_chan_new(sizeof n, 0, &pong), "a channel");
    must(gmp_wg_go(&group, answer, NULL), "a task");

    gmp_time_t from = gmp_now();
    while (n < messages / 2) {
        must(gmp_chan_send(ping, &n, GMP_FOREVER), "send");
        must(gmp_chan_recv(pong, &n, GMP_FOREVER), "receive");
    }
    gmp_time_t took = gmp_now() - from;

    must(gmp_chan_close(ping), "close");
    must(gmp_wg_wait(&group, GMP_FOREVER), "wait");
    gmp_chan_free(ping);
    gmp_chan_free(pong);
    printf("max_procs %d: %ld messages, %.1f ns each\n", gmp_max_procs(0), 2 * n, (double)took / (double)(2 * n));
}

int main(int argc, char **argv) {
    long messages = argc > 1 ? atol(argv[1]) : 1000000;
    if (messages < 2) must(GMP_EINVAL, "at least two messages");
    for (int procs = 1; procs <= 2; procs++) {
        must(gmp_max_procs(procs), "max_procs");
        must(gmp_run(ask, &messages), "run");
    }
    return gmp_shutdown(GMP_FOREVER) == GMP_OK ? 0 : 1;
}
