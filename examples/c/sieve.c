/* The first primes, by a chain of tasks: sieve [COUNT]
 *
 * One task sends 2, 3, 4 ... into an unbuffered channel. What comes out at the end of the chain is prime, and the chain
 * grows by a task that lets pass what this prime does not divide. All tasks are in one group below one context: its
 * cancel ends every one of them, wherever it waits.
 *
 *     cc sieve.c -lgmp && ./a.out 20
 */
#include <gmprt.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int code, const char *what) {
    if (code >= 0) return;
    fprintf(stderr, "sieve: %s: %s\n", what, gmp_strerror(code));
    exit(1);
}

/* One link of the chain. It holds a reference to each of its channels. */
struct link {
    gmp_chan_t *in, *out;
    int prime;
};

static int end_link(struct link *link, int code) {
    gmp_chan_free(link->in);
    gmp_chan_free(link->out);
    free(link);
    return code == GMP_ECANCELED ? 0 : code; /* to be cancelled is how all of them end */
}

static int count_up(void *arg) {
    struct link *link = arg;
    int code = GMP_OK;
    for (int n = 2; code == GMP_OK; n++) code = gmp_chan_send(link->out, &n, GMP_FOREVER);
    return end_link(link, code);
}

static int let_pass(void *arg) {
    struct link *link = arg;
    int n, code = GMP_OK;
    while (code == GMP_OK) {
        code = gmp_chan_recv(link->in, &n, GMP_FOREVER);
        if (code == GMP_OK && n % link->prime != 0) code = gmp_chan_send(link->out, &n, GMP_FOREVER);
    }
    return end_link(link, code);
}

/* Starts a task that reads from `in`, and gives the channel that it writes to. The caller's reference to `in` is the
 * task's from now on. */
static gmp_chan_t *add_link(gmp_group_t *group, int (*fn)(void *), gmp_chan_t *in, int prime) {
    gmp_chan_t *out;
    struct link *link = malloc(sizeof *link);
    if (!link) must(GMP_ENOMEM, "a link");
    must(gmp_chan_new(sizeof(int), 0, &out), "a channel");
    *link = (struct link){in, gmp_chan_ref(out), prime};
    must(gmp_group_go(group, fn, link), "a task");
    return out;
}

static void sieve(void *arg) {
    int count = *(int *)arg;
    gmp_ctx_t *ctx;
    gmp_group_t *group;
    must(gmp_ctx_new(NULL, GMP_FOREVER, &ctx), "a context");
    must(gmp_group_new(ctx, &group), "a group");
    gmp_chan_t *last = add_link(group, count_up, NULL, 0);
    for (int i = 0; i < count; i++) {
        int prime;
        must(gmp_chan_recv(last, &prime, GMP_FOREVER), "receive");
        printf("%d\n", prime);
        last = add_link(group, let_pass, last, prime);
    }
    must(gmp_ctx_cancel(ctx), "cancel");
    must(gmp_group_wait(group, GMP_FOREVER), "wait");
    gmp_chan_free(last);
    gmp_ctx_free(ctx);
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 100;
    must(gmp_run(sieve, &count), "run");
    return gmp_shutdown(GMP_FOREVER) == GMP_OK ? 0 : 1;
}
