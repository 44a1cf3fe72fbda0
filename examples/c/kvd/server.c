#include "server.h"

#include "client.h"
#include "figures.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

enum { SWEEP_EVERY = 100 * 1000000, SWEEP_CHAINS = 256, BACK_OFF = 50 * 1000000, LINGER = 1000000000 };

struct figures figures;

struct conn {
    struct client client; /* on its task's stack */
    int fd;
    struct conn *next, **link; /* in `conns`, while its descriptor is open */
};

static const struct server_options *options;
static int listener;
static atomic_bool stopping;
static gmp_time_t last_moment; /* of replies; set before `stopping` */
static gmp_mutex_t conns_lock;
static struct conn *conns;
static gmp_wg_t tasks; /* of clients */
static gmp_chan_t *expiry;

static gmp_time_t patience(void) { return options->idle ? gmp_after_ns(options->idle) : GMP_FOREVER; }

/* ------------------------------------------------------------ one client */

/* False when the server is ending already. */
static bool enter(struct conn *conn) {
    gmp_mutex_lock(&conns_lock, GMP_FOREVER);
    bool may = !atomic_load(&stopping);
    if (may) {
        conn->next = conns;
        conn->link = &conns;
        if (conns) conns->link = &conn->next;
        conns = conn;
    }
    gmp_mutex_unlock(&conns_lock);
    return may;
}

/* Before the close: who goes through `conns` must not meet a number that is somebody else's by then. */
static void leave(struct conn *conn) {
    gmp_mutex_lock(&conns_lock, GMP_FOREVER);
    *conn->link = conn->next;
    if (conn->next) conn->next->link = conn->link;
    gmp_mutex_unlock(&conns_lock);
}

static bool flush(struct conn *conn) {
    struct buffer *out = &conn->client.out;
    if (out->len == 0) return true;
    ssize_t sent = gmp_write(conn->fd, out->at, out->len, patience());
    if (sent != (ssize_t)out->len) return false;
    client_sent(&conn->client);
    return true;
}

/* Answers what is in the buffer; false: it is over. */
static bool answer(struct conn *conn) {
    enum wants wants;
    do {
        wants = client_run(&conn->client);
        if (!flush(conn)) return false;
    } while (wants == WANTS_FLUSH);
    return wants == WANTS_BYTES;
}

/* We hang up, perhaps in the middle of what the client sends: the kernel would drop our last reply with it. So the rest is
 * read first, for a while. */
static void hang_up(struct conn *conn) {
    gmp_time_t until = gmp_after_ns(LINGER);
    struct buffer *in = &conn->client.in;
    shutdown(conn->fd, SHUT_WR);
    while (in->room > 0 && gmp_now() < until && gmp_recv(conn->fd, in->at, in->room, 0, until) > 0) continue;
}

static void converse(struct conn *conn) {
    struct client *client = &conn->client;
    for (;;) {
        if (!client_room(client)) {
            reply_error(client, "OOM no memory for the request");
            flush(conn);
            return hang_up(conn);
        }
        ssize_t n = gmp_recv(conn->fd, client->in.at + client->in.len, client->in.room - client->in.len, 0, patience());
        if (n == GMP_ETIMEDOUT && !atomic_load(&stopping)) atomic_fetch_add(&figures.timed_out, 1);
        if (n <= 0) return; /* with stopping, that is when all that had come was answered */
        client->in.len += (size_t)n;
        if (!answer(conn)) return client->closing ? hang_up(conn) : (void)0;
        if (atomic_load(&stopping) && gmp_now() >= last_moment) return;
    }
}

static void serve(void *arg) {
    struct conn conn = {.fd = (int)(intptr_t)arg};
    client_init(&conn.client, (uint64_t)atomic_fetch_add(&figures.accepted, 1) + 1);
    if (enter(&conn)) {
        converse(&conn);
        leave(&conn);
    }
    gmp_close_fd(conn.fd);
    client_free(&conn.client);
    atomic_fetch_sub(&figures.clients, 1);
}

/* ------------------------------------------------------------ all of them */
static void refuse(int fd) {
    static const char text[] = "-ERR max number of clients reached\r\n";
    atomic_fetch_add(&figures.refused, 1);
    gmp_send(fd, text, sizeof text - 1, 0, GMP_NOWAIT);
    gmp_close_fd(fd);
}

static void accept_all(void) {
    while (!atomic_load(&stopping)) {
        int fd = gmp_accept(listener, NULL, NULL, GMP_FOREVER);
        if (fd < 0) {
            /* Out of descriptors, or memory: what has come waits in the backlog until somebody leaves. */
            if (!atomic_load(&stopping)) gmp_sleep(BACK_OFF);
        } else if (atomic_fetch_add(&figures.clients, 1) >= options->max_clients) {
            atomic_fetch_sub(&figures.clients, 1);
            refuse(fd);
        } else if (gmp_wg_go(&tasks, serve, (void *)(intptr_t)fd) != GMP_OK) {
            atomic_fetch_sub(&figures.clients, 1);
            refuse(fd);
        }
    }
}

/* Waits for nobody any more: reads end when they would wait, writes when the grace is over. */
static void stop_all(void) {
    gmp_mutex_lock(&conns_lock, GMP_FOREVER);
    for (struct conn *conn = conns; conn; conn = conn->next) {
        gmp_fd_set_deadline(conn->fd, POLLIN, gmp_now());
        gmp_fd_set_deadline(conn->fd, POLLOUT, last_moment);
    }
    gmp_mutex_unlock(&conns_lock);
}

static void await_signal(void *arg) {
    gmp_case_t cases[2] = {{.op = GMP_CASE_RECV, .chan = ((gmp_chan_t **)arg)[0]},
                           {.op = GMP_CASE_RECV, .chan = ((gmp_chan_t **)arg)[1]}};
    size_t chosen;
    gmp_select(cases, 2, GMP_FOREVER, &chosen);
    last_moment = gmp_after_ns(options->grace);
    atomic_store(&stopping, true);
    gmp_close_fd(listener); /* wakes the accept */
}

/* ------------------------------------------------------------ keys with a time to live */
static void expiry_begins(void) {
    char one = 1;
    gmp_chan_send(expiry, &one, GMP_NOWAIT); /* full: it will look anyway */
}

static void sweep_all(void *arg) {
    int code = GMP_OK;
    (void)arg;
    while (code != GMP_ECLOSED) {
        code = gmp_chan_recv(expiry, NULL, store_expiring() > 0 ? gmp_after_ns(SWEEP_EVERY) : GMP_FOREVER);
        if (code == GMP_ETIMEDOUT) store_sweep(SWEEP_CHAINS);
    }
}

/* ------------------------------------------------------------ from the beginning to the end */
static int port_of(int fd) {
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &length) != 0) return -1;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
}

int server_run(const struct server_options *given) {
    gmp_chan_t *signals[2] = {NULL, NULL};
    gmp_wg_t helpers = {{0, 0}};
    options = given;
    int code = listener = gmp_listen("tcp", options->address);
    if (code >= 0) code = gmp_signal_chan(SIGTERM, &signals[0]);
    if (code == GMP_OK) code = gmp_signal_chan(SIGINT, &signals[1]);
    if (code == GMP_OK) code = gmp_chan_new(1, 1, &expiry);
    if (code == GMP_OK) code = gmp_wg_go(&helpers, sweep_all, NULL);
    if (code == GMP_OK) {
        store_set_expiry_hook(expiry_begins);
        figures.port = port_of(listener);
        figures.max_clients = options->max_clients;
        figures.idle_seconds = (int)(options->idle / 1000000000);
        figures.started = gmp_now();
        code = gmp_wg_go(&helpers, await_signal, signals);
    }
    if (code == GMP_OK) {
        printf("port %d\n", figures.port);
        fflush(stdout);
        accept_all();
        stop_all();
        gmp_wg_wait(&tasks, GMP_FOREVER); /* each ends at the grace's end at the latest */
    }
    if (expiry) gmp_chan_close(expiry);
    gmp_wg_wait(&helpers, GMP_FOREVER);
    gmp_chan_free(signals[0]);
    gmp_chan_free(signals[1]);
    return code;
}
