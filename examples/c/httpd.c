/* An HTTP/1.1 server, one task a connection: httpd [--root DIR] [--port PORT] ... (--help)
 *
 * Static files below a directory, and three small JSON routes (httpd/api.c). Keep-alive, pipelining, limits on everything
 * that a client could make large or slow. It prints "port N" once it listens; --port 0 takes a free one. SIGTERM or SIGINT:
 * no new connections, the idle ones are closed, requests under way are answered; then it ends, with a line of what it did.
 *
 * The parser is llhttp (Debian 12: node-llhttp; later ones: libllhttp-dev). `make target/examples/httpd`, or
 *
 *     cc httpd.c httpd/[a-z]*.c $(../../scripts/llhttp.sh) -lgmp
 */
#define _GNU_SOURCE /* O_PATH */
#include "httpd/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct server server;

static int must(int code, const char *what) {
    if (code >= 0) return code;
    fprintf(stderr, "httpd: %s: %s\n", what, gmp_strerror(code));
    exit(1);
}

/* ------------------------------------------------------------ the command line */

static const char USAGE[] =
    "usage: httpd [OPTION]...\n"
    "  --root DIR           what is served [.]\n"
    "  --host ADDRESS       to listen on [127.0.0.1]\n"
    "  --port PORT          0: a free one [8080]\n"
    "  --connections N      at most; others wait in the backlog [10000]\n"
    "  --head-bytes N       of a request line and headers, at most [8192]\n"
    "  --body-bytes N       of a request's body, at most [1048576]\n"
    "  --idle SECONDS       without a request, then a connection is closed [60]\n"
    "  --request SECONDS    for a request to come in [20]\n"
    "  --send SECONDS       for each 256 KiB of an answer to go out [30]\n"
    "  --grace SECONDS      for requests under way when it is stopped [10]\n"
    "  -h, --help           this text\n";

struct option_of {
    const char *host, *port, *root;
    double connections, head, body, idle, request, send, grace;
};

static double number(const char *name, const char *text, double least, double most) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most)) {
        fprintf(stderr, "httpd: --%s %s: a number from %.15g to %.15g is needed\n", name, text, least, most);
        exit(2);
    }
    return value;
}

static struct option_of options(int argc, char **argv) {
    struct option_of of = {"127.0.0.1", "8080", ".", 10000, 8192, 1 << 20, 60, 20, 30, 10};
    const struct {
        const char *name;
        double *value, least, most;
    } numbers[] = {
        {"connections", &of.connections, 1, 1e7}, {"head-bytes", &of.head, 64, 1 << 20}, {"body-bytes", &of.body, 0, 1e15},
        {"idle", &of.idle, 0.001, 1e6},           {"request", &of.request, 0.001, 1e6},  {"send", &of.send, 0.001, 1e6},
        {"grace", &of.grace, 0, 1e6},
    };
    const struct {
        const char *name, **value;
    } texts[] = {{"host", &of.host}, {"port", &of.port}, {"root", &of.root}};
    enum { NUMBERS = sizeof numbers / sizeof *numbers, TEXTS = sizeof texts / sizeof *texts };
    struct option known[NUMBERS + TEXTS + 2];
    memset(known, 0, sizeof known);
    for (int i = 0; i < NUMBERS; i++) known[i] = (struct option){numbers[i].name, required_argument, NULL, i + 1};
    for (int i = 0; i < TEXTS; i++) known[NUMBERS + i] = (struct option){texts[i].name, required_argument, NULL, NUMBERS + i + 1};
    known[NUMBERS + TEXTS] = (struct option){"help", no_argument, NULL, 'h'};
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option == 'h') {
            fputs(USAGE, stdout);
            exit(0);
        }
        if (option == '?') exit(2);
        if (option <= NUMBERS) {
            *numbers[option - 1].value =
                number(numbers[option - 1].name, optarg, numbers[option - 1].least, numbers[option - 1].most);
        } else {
            *texts[option - NUMBERS - 1].value = optarg;
        }
    }
    if (optind < argc) {
        fputs(USAGE, stderr);
        exit(2);
    }
    number("port", of.port, 0, 65535);
    return of;
}

/* ------------------------------------------------------------ listening */

static int port_of(int fd) {
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &length) != 0) return -errno;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
}

/* Out of descriptors or memory: that passes as connections end. Meanwhile new ones wait in the backlog, those that there are
 * go on. Each wait in a row is twice as long. False: the server stops. */
static bool back_off(int code, int64_t *wait_ns) {
    if (*wait_ns == 0) {
        fprintf(stderr, "httpd: accept: %s; trying again\n", gmp_strerror(code));
        *wait_ns = 5000000;
    } else if (*wait_ns < 500000000) {
        *wait_ns *= 2;
    }
    return gmp_sleep(*wait_ns) == GMP_OK;
}

static void *accept_all(void *arg) {
    int listener = *(int *)arg;
    int64_t wait_ns = 0;
    while (gmp_sem_acquire(&server.slots, 1, GMP_FOREVER) == GMP_OK) {
        int fd = gmp_accept(listener, NULL, NULL, GMP_FOREVER), code = fd;
        if (fd >= 0) {
            gmp_wg_add(&server.open, 1);
            code = gmp_go(connection_run, (void *)(intptr_t)fd);
            if (code != GMP_OK) {
                gmp_wg_done(&server.open);
                gmp_close_fd(fd);
            } else {
                wait_ns = 0;
                continue;
            }
        }
        gmp_sem_release(&server.slots, 1);
        if (code == GMP_ECANCELED || !back_off(code, &wait_ns)) break;
    }
    return NULL;
}

/* ------------------------------------------------------------ from the start to the end */

static int open_root(const char *path) {
    int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    must(root < 0 ? -errno : 0, path);
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    long below = syscall(SYS_openat2, root, ".", &how, sizeof how);
    must(below < 0 ? -errno : 0, "openat2, which Linux has since 5.6");
    close((int)below);
    return root;
}

/* Waits until somebody wants an end. */
static void wait_for_signal(gmp_chan_t *terminate, gmp_chan_t *interrupt) {
    gmp_case_t cases[] = {{GMP_CASE_RECV, 0, terminate, NULL}, {GMP_CASE_RECV, 0, interrupt, NULL}};
    must(gmp_select(cases, 2, GMP_FOREVER, NULL), "signals");
    gmp_chan_free(terminate);
    gmp_chan_free(interrupt); /* from here on a signal ends us as it ends any program */
}

/* Nobody is let in any more, and who waits for a request of its client's is let go. True if all have gone in time. */
static bool stop(gmp_task_t *accepting, gmp_ctx_t *serving, int listener) {
    gmp_time_t deadline = gmp_after_ns(server.grace_ns);
    atomic_store(&server.stopping, true);
    gmp_ctx_cancel(serving);
    gmp_join(accepting, deadline, NULL);
    gmp_close_fd(listener);
    return gmp_wg_wait(&server.open, deadline) == GMP_OK;
}

int main(int argc, char **argv) {
    struct option_of of = options(argc, argv);
    server.root = open_root(of.root);
    server.limits = (struct request_limits){(uint32_t)of.head, (uint64_t)of.body};
    server.idle_ns = (int64_t)(of.idle * 1e9);
    server.request_ns = (int64_t)(of.request * 1e9);
    server.send_ns = (int64_t)(of.send * 1e9);
    server.grace_ns = (int64_t)(of.grace * 1e9);
    gmp_sem_release(&server.slots, (uint32_t)of.connections);
    gmp_chan_t *terminate, *interrupt;
    signal(SIGPIPE, SIG_IGN); /* for our own output, if nobody reads it; the library raises none */
    must(gmp_signal_chan(SIGTERM, &terminate), "SIGTERM");
    must(gmp_signal_chan(SIGINT, &interrupt), "SIGINT");

    char address[300];
    snprintf(address, sizeof address, strchr(of.host, ':') ? "[%s]:%s" : "%s:%s", of.host, of.port);
    int listener = must(gmp_listen("tcp", address), address);
    printf("port %d\n", must(port_of(listener), address));
    fflush(stdout);

    /* Everything that serves lives in this context: its end cancels the waits of connections that are idle. */
    gmp_ctx_t *serving;
    gmp_spawn_opts_t acceptor;
    gmp_task_t *accepting;
    must(gmp_ctx_new(NULL, GMP_FOREVER, &serving), "a context");
    gmp_spawn_opts_init(&acceptor, sizeof acceptor);
    acceptor.ctx = serving;
    acceptor.name = "accept";
    must(gmp_spawn(accept_all, &listener, &acceptor, &accepting), "a task");

    wait_for_signal(terminate, interrupt);
    bool all_gone = stop(accepting, serving, listener);
    printf("%llu connections, %llu requests\n", (unsigned long long)atomic_load(&server.connections),
           (unsigned long long)atomic_load(&server.requests));
    if (!all_gone) {
        fprintf(stderr, "httpd: %lld connections are cut off\n", (long long)atomic_load(&server.open_now));
        fflush(stdout);
        _exit(1); /* their tasks go with the process */
    }
    gmp_ctx_free(serving);
    must(gmp_shutdown(gmp_after_ns(INT64_C(60000000000))), "shutdown");
    return 0;
}
