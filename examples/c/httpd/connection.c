/* One connection: reads requests, answers them, and ends.
 *
 * Always true: between two requests nothing is kept but bytes that have come early; answers to requests that came together
 * go out together. Memory is taken for a connection that is in use, and given back when it has been quiet for a while: one that
 * rests costs its task's stack.
 * Ends: when the peer does, when a limit strikes, or when the server stops; then a request under way is still answered.
 *
 * Input lies in one buffer. A request begins at `begin`, has been read up to `at`, and `to` is the end of what has come.
 * Room for a head, as long as its limit allows, and for a piece of body behind it: pieces of body come and go there.
 */
#include "httpd.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_PIECE = 8 * 1024, LINGER_MOST = 1024 * 1024 };
#define LINGER_NS INT64_C(1000000000)
#define QUIET_NS INT64_C(1000000000)

struct connection {
    int fd;
    bool closing;        /* this answer is the last one */
    bool resting;        /* nothing has come for QUIET_NS */
    bool unblocked;      /* the socket has O_NONBLOCK */
    bool continued;      /* "100 Continue" has been said to this request */
    size_t begin, at, to;
    gmp_time_t deadline; /* of the request under way; 0: it has none yet */
    uint64_t answered;   /* not yet added to the server's count */
    char *input;
    size_t room;
    struct request request;
    char path[PATH_ROOM];
    struct output output;
};

static bool stopping(void) { return atomic_load_explicit(&server.stopping, memory_order_relaxed); }

/* ------------------------------------------------------------ sending */

/* A wait that was cancelled because the server stops is begun again, and is cancelled no more: what is under way ends. */
static bool wait_again(ssize_t code) {
    if (code != GMP_ECANCELED) return false;
    gmp_shield(1);
    return true;
}

static bool send_all(struct connection *connection, const char *bytes, size_t length, int flags) {
    gmp_time_t deadline = gmp_after_ns(server.send_ns);
    while (length > 0) {
        ssize_t n = gmp_send(connection->fd, bytes, length, flags, deadline);
        if (n < 0 && !wait_again(n)) return false;
        if (n < 0) continue;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

static bool flush(struct connection *connection, int flags) {
    struct output *output = &connection->output;
    if (connection->answered > 0) {
        atomic_fetch_add_explicit(&server.requests, connection->answered, memory_order_relaxed);
        connection->answered = 0;
    }
    if (output->used == 0) return true;
    size_t length = output->used;
    output->used = 0;
    return send_all(connection, output->bytes, length, flags);
}

/* sendfile(2) has no MSG_DONTWAIT: the library uses it on sockets that do not block, and sends copies to others. */
static void unblock(struct connection *connection) {
    if (!connection->unblocked) fcntl(connection->fd, F_SETFL, fcntl(connection->fd, F_GETFL) | O_NONBLOCK);
    connection->unblocked = true;
}

/* False if fewer bytes went out than the head has promised: then the connection must end. */
static bool send_file(struct connection *connection, int file, off_t length) {
    off_t offset = 0;
    unblock(connection);
    while (offset < length) {
        size_t piece = length - offset < SEND_AT_ONCE ? (size_t)(length - offset) : SEND_AT_ONCE;
        ssize_t n = gmp_sendfile(connection->fd, file, &offset, piece, gmp_after_ns(server.send_ns));
        if (n == 0 || (n < 0 && !wait_again(n))) return false;
    }
    return true;
}

/* ------------------------------------------------------------ answering */

static void answer(struct connection *connection, struct exchange *exchange) {
    struct request *request = &connection->request;
    const char *target = request->base + request->target.at;
    struct span query;
    int status = target_path(target, request->target.length, connection->path, sizeof connection->path, &query);
    int method = request->parser.method;
    exchange->path = connection->path;
    exchange->query = target + query.at;
    exchange->query_length = query.length;
    if (status != 0) {
        put_refusal(exchange->output, status, NULL, exchange->close, exchange->old, exchange->head_only);
    } else if (method != HTTP_GET && method != HTTP_HEAD && method != HTTP_POST) {
        put_refusal(exchange->output, 405, "GET, HEAD, POST", exchange->close, exchange->old, false);
    } else if (!answer_api(exchange)) {
        if (method == HTTP_POST) {
            put_refusal(exchange->output, 405, "GET, HEAD", exchange->close, exchange->old, false);
        } else {
            answer_file(exchange);
        }
    }
}

/* The request is complete. False: the connection is of no more use. */
static bool exchange_one(struct connection *connection) {
    struct request *request = &connection->request;
    struct output *output = &connection->output;
    if (sizeof output->bytes - output->used < ANSWER_MOST && !flush(connection, 0)) return false;
    struct exchange exchange = {.request = request,
                                .since = request->since,
                                .since_text = request->base,
                                .output = output,
                                .head_only = request->parser.method == HTTP_HEAD,
                                .close = !request->keep_alive || stopping(),
                                .old = request->parser.http_minor == 0,
                                .file = -1};
    answer(connection, &exchange);
    connection->answered++;
    connection->closing = exchange.close;
    if (exchange.file < 0) return true;
    bool sent = flush(connection, MSG_MORE) && send_file(connection, exchange.file, exchange.length);
    close(exchange.file);
    return sent;
}

static void refuse(struct connection *connection, int status) {
    struct output *output = &connection->output;
    if (sizeof output->bytes - output->used < ANSWER_MOST && !flush(connection, 0)) return;
    put_refusal(output, status, NULL, true, false, false);
    connection->answered++;
    connection->closing = true;
}

/* ------------------------------------------------------------ reading */

/* Says that the body may come, if the client waits for that and has sent nothing of it. */
static bool say_continue(struct connection *connection) {
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct request *request = &connection->request;
    if (!request->headed || !request->expects || connection->continued || request->body.bytes > 0) return true;
    connection->continued = true;
    if (sizeof connection->output.bytes - connection->output.used < sizeof CONTINUE && !flush(connection, 0)) return false;
    put_text(&connection->output, CONTINUE);
    return true;
}

/* Where the next bytes go. */
static void make_room(struct connection *connection) {
    const struct request *request = &connection->request;
    if (connection->begin == connection->to) {
        connection->begin = connection->at = connection->to = 0;
    } else if (request->headed) {
        /* The head stays, as the answer will look at it; of the body all is counted that has come. */
        connection->at = connection->to = connection->begin + request->taken;
    }
    if (connection->begin > 0 && connection->room - connection->to < BODY_PIECE) {
        size_t length = connection->to - connection->begin;
        memmove(connection->input, connection->input + connection->begin, length);
        connection->at -= connection->begin;
        connection->to = length;
        connection->begin = 0;
    }
}

/* Waits for more bytes. False: none will come, or not soon. */
static bool fill(struct connection *connection) {
    make_room(connection);
    bool idle = connection->to == 0;
    if (!idle && connection->deadline == 0) connection->deadline = gmp_after_ns(server.request_ns);
    int64_t quiet_ns = server.idle_ns < QUIET_NS ? server.idle_ns : QUIET_NS;
    gmp_time_t deadline = idle ? gmp_after_ns(quiet_ns) : connection->deadline;
    ssize_t n;
    do {
        n = gmp_recv(connection->fd, connection->input + connection->to, connection->room - connection->to, 0, deadline);
    } while (!idle && wait_again(n));
    if (n > 0) {
        connection->to += (size_t)n;
        return true;
    }
    connection->resting = idle && n == GMP_ETIMEDOUT;
    if (!idle && n == GMP_ETIMEDOUT) refuse(connection, 408);
    if (!idle && n == 0) refuse(connection, 400); /* the peer sends no more, and may still read */
    return false;
}

static void serve(struct connection *connection) {
    struct request *request = &connection->request;
    for (;;) {
        size_t from = connection->at - connection->begin, to = connection->to - connection->begin;
        enum request_state state = request_feed(request, connection->input + connection->begin, &from, to);
        connection->at = connection->begin + from;
        switch (state) {
        case REQUEST_DONE:
            if (!exchange_one(connection)) return;
            if (stopping()) connection->closing = true; /* since it was answered: a large file takes its time */
            if (connection->closing) return;
            request_next(request);
            connection->begin = connection->at;
            connection->deadline = 0;
            connection->continued = false;
            break;
        case REQUEST_BAD: refuse(connection, request->refused); return;
        case REQUEST_MORE:
            if (!say_continue(connection) || !flush(connection, 0) || !fill(connection)) return;
            break;
        }
    }
}

/* ------------------------------------------------------------ beginning and end */

/* A socket that is closed with bytes unread makes the kernel reset the connection, and the peer may then lose the last
 * answer before it has read it. So the peer is told the end and heard out, for a while. */
static void linger(struct connection *connection) {
    gmp_time_t deadline = gmp_after_ns(LINGER_NS);
    size_t heard = 0;
    ssize_t n;
    if (shutdown(connection->fd, SHUT_WR) != 0) return;
    do {
        n = gmp_recv(connection->fd, connection->input, connection->room, 0, deadline);
        if (n > 0) heard += (size_t)n;
    } while ((n > 0 && heard < LINGER_MOST) || wait_again(n));
}

static void begin(struct connection *connection, int fd, size_t room) {
    /* Not all of it is cleared: pages that are never used cost nothing. */
    memset(connection, 0, offsetof(struct connection, request));
    connection->fd = fd;
    connection->input = (char *)(connection + 1);
    connection->room = room;
    connection->output.used = 0;
    connection->output.now = 0;
    request_init(&connection->request, &server.limits);
}

/* Until the connection ends, or rests: then true. */
static bool converse(int fd) {
    size_t room = server.limits.head + BODY_PIECE, size = sizeof(struct connection) + room;
    struct connection *connection = memory_take(size);
    if (!connection) return false;
    begin(connection, fd, room);
    serve(connection);
    bool sent = flush(connection, 0), resting = connection->resting;
    /* Who asked for the end sends no more. In the other cases something may be on its way, or has come and was not looked at. */
    bool asked_for = connection->request.complete && connection->at == connection->to && !stopping();
    if (sent && connection->closing && !asked_for) linger(connection);
    memory_give(connection, size);
    return resting;
}

/* Waits on, with nothing but a stack. True: there is something to read, if only the end. */
static bool rest(int fd) {
    int64_t left_ns = server.idle_ns - QUIET_NS;
    if (left_ns <= 0) return false;
    atomic_fetch_add_explicit(&server.resting, 1, memory_order_relaxed);
    int ready = gmp_poll_fd(fd, POLLIN, gmp_after_ns(left_ns));
    atomic_fetch_sub_explicit(&server.resting, 1, memory_order_relaxed);
    return ready > 0;
}

void connection_run(void *arg) {
    int fd = (int)(intptr_t)arg;
    atomic_fetch_add_explicit(&server.connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&server.open_now, 1, memory_order_relaxed);
    while (converse(fd) && rest(fd)) {
    }
    gmp_close_fd(fd);
    atomic_fetch_sub_explicit(&server.open_now, 1, memory_order_relaxed);
    gmp_sem_release(&server.slots, 1);
    gmp_wg_done(&server.open);
}
