/* A TCP echo server, one task a connection: echo [--host ADDRESS] [--port PORT]
 *
 * It prints "port N" once it listens; --port 0, the default, takes a free one. SIGTERM ends it as it ends any program.
 *
 *     cc echo.c -lgmp && ./a.out --port 7000
 */
#include <gmprt.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Most connections wait, most of the time, with nothing of theirs here: such a one costs a page or two of stack. */
enum { SMALL = 1024, LARGE = 32 * 1024 };

static int must(int code, const char *what) {
    if (code >= 0) return code;
    fprintf(stderr, "echo: %s: %s\n", what, gmp_strerror(code));
    exit(1);
}

/* Sends back what one receive brings, and says how much that was: 0 at the end, or a negative code. */
static ssize_t pass(int fd, char *buffer, size_t room) {
    ssize_t n = gmp_recv(fd, buffer, room, 0, GMP_FOREVER);
    if (n <= 0) return n;
    ssize_t sent = gmp_write(fd, buffer, (size_t)n, GMP_FOREVER);
    return sent == n ? n : -1;
}

/* For who sends much at once. A function of its own, so that its buffer is on the stack only while it is in use. */
__attribute__((noinline)) static ssize_t pass_much(int fd) {
    char buffer[LARGE];
    ssize_t n;
    do n = pass(fd, buffer, LARGE);
    while (n == LARGE);
    return n;
}

static void serve(void *arg) {
    int fd = (int)(intptr_t)arg;
    char buffer[SMALL];
    ssize_t n;
    do {
        n = pass(fd, buffer, SMALL);
        if (n == SMALL) n = pass_much(fd);
    } while (n > 0);
    gmp_close_fd(fd);
}

static void accept_all(void *arg) {
    int listener = *(int *)arg;
    for (;;) {
        int fd = gmp_accept(listener, NULL, NULL, GMP_FOREVER);
        if (fd >= 0) {
            if (gmp_go(serve, (void *)(intptr_t)fd) != GMP_OK) gmp_close_fd(fd);
        } else {
            /* Out of descriptors or memory, which passes: the connections wait in the backlog. */
            fprintf(stderr, "echo: accept: %s\n", gmp_strerror(fd));
            gmp_sleep(100 * 1000000);
        }
    }
}

static int port_of(int fd) {
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &length) != 0) return -1;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"host", 1, NULL, 'h'}, {"port", 1, NULL, 'p'}, {NULL, 0, NULL, 0}};
    const char *host = "127.0.0.1", *port = "0";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') host = optarg;
        else if (option == 'p') port = optarg;
        else return 2;
    }
    char address[256];
    snprintf(address, sizeof address, "%s:%s", host, port);
    int listener = must(gmp_listen("tcp", address), address);
    printf("port %d\n", port_of(listener));
    fflush(stdout);
    must(gmp_run(accept_all, &listener), "run");
    return 0;
}
