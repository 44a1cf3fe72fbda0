/* Listeners: many who accept, no descriptor left, connections that were aborted. */
//@ with IO_PROCS=2
#include "streams.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

static int listener;
static struct sockaddr_in address;

/* ------------------------------------------------------------ many who accept on one listener */
enum { ACCEPTORS = 20, CONNECTIONS = 1000 };
static atomic_int accepted;
static unsigned char seen[CONNECTIONS];

struct acceptor {
    struct party party;
    int mine;
};

static void accept_them(void *arg) {
    struct acceptor *a = (struct acceptor *)arg;
    for (;;) {
        uint16_t number;
        int fd = gmp_accept(listener, NULL, NULL, SOON());
        if (fd == GMP_EBADF) return; /* closed: there is nothing more to do */
        if (fd < 0) CHECK_CODE(fd, 0);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        read_whole(fd, &number, sizeof number);
        CHECK(number < CONNECTIONS);
        CHECK_EQ(seen[number]++, 0);
        write_whole(fd, &number, sizeof number);
        CHECK_OK(gmp_close_fd(fd));
        a->mine++;
        atomic_fetch_add(&accepted, 1);
    }
}

static void connect_some(void *arg) {
    for (int i = 0; i < CONNECTIONS / 4; i++) {
        uint16_t number = (uint16_t)(*(int *)arg * (CONNECTIONS / 4) + i), answer;
        int fd = tcp_client(&address);
        write_whole(fd, &number, sizeof number);
        read_whole(fd, &answer, sizeof answer);
        CHECK_EQ(answer, number);
        CHECK_OK(gmp_close_fd(fd));
    }
}

static void many_acceptors(int threads) {
    static struct acceptor acceptors[ACCEPTORS];
    struct party clients[4];
    int numbers[4];
    io_start();
    listener = tcp_listener(64, &address);
    for (int i = 0; i < ACCEPTORS; i++) {
        party_start(&acceptors[i].party, i < threads ? THREAD : TASK, accept_them, &acceptors[i]);
    }
    for (int i = 0; i < 4; i++) {
        numbers[i] = i;
        party_start(&clients[i], i % 2 ? TASK : THREAD, connect_some, &numbers[i]);
    }
    parties_end(clients, 4);
    UNTIL(atomic_load(&accepted) == CONNECTIONS, usleep(100));
    CHECK_OK(gmp_close_fd(listener));
    for (int i = 0; i < ACCEPTORS; i++) party_end(&acceptors[i].party);
}

SCENARIO(twenty_tasks_accept_on_one_listener) { many_acceptors(0); }
SCENARIO(tasks_and_threads_accept_on_one_listener) { many_acceptors(4); }

/* A burst: all are there before anybody accepts, and one edge tells of them. */
SCENARIO(burst_of_connections_is_accepted_whole) {
    enum { BURST = 60 };
    static struct acceptor acceptors[3];
    int fds[BURST];
    io_start();
    listener = tcp_listener(BURST, &address);
    for (int i = 0; i < 3; i++) party_start(&acceptors[i].party, TASK, accept_them, &acceptors[i]);
    until_tasks_wait(3);
    for (uint16_t i = 0; i < BURST; i++) {
        fds[i] = tcp_client(&address);
        CHECK_EQ(write(fds[i], &i, sizeof i), sizeof i);
    }
    for (uint16_t i = 0; i < BURST; i++) {
        uint16_t answer;
        read_whole(fds[i], &answer, sizeof answer);
        CHECK_EQ(answer, i);
        CHECK_EQ(close(fds[i]), 0);
    }
    CHECK_OK(gmp_close_fd(listener));
    for (int i = 0; i < 3; i++) party_end(&acceptors[i].party);
}

/* ------------------------------------------------------------ no descriptor left */
static int hoard[65536], hoarded;

static void take_all_descriptors(void) {
    int fd;
    while ((fd = dup(0)) >= 0) hoard[hoarded++] = fd;
    CHECK_EQ(check_errno(), EMFILE);
}

static void give_back(int n) {
    for (; n > 0 && hoarded > 0; n--) CHECK_EQ(close(hoard[--hoarded]), 0);
}

struct lone {
    struct party party;
    gmp_time_t deadline;
    int answer;
};

static void accept_one(void *arg) {
    struct lone *l = (struct lone *)arg;
    l->answer = gmp_accept(listener, NULL, NULL, l->deadline);
}

static int accept_by(enum kind kind, gmp_time_t deadline) {
    struct lone l = {.deadline = deadline};
    party_start(&l.party, kind, accept_one, &l);
    party_end(&l.party);
    return l.answer;
}

static void limit_descriptors(rlim_t n) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = n;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The next connection in line, which its first byte tells. */
static void serve(int fd, int *next) {
    char byte;
    CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 1);
    CHECK_EQ(byte, (*next)++);
    CHECK_OK(gmp_close_fd(fd));
}

/* The code, as often as one asks; no connection goes; when there is room they are all there, in order. The library opens and closes
 * files of /proc now and then: one of ours may be its, and the other way round. */
static void no_descriptor_left(enum kind kind) {
    enum { WAITING = 20 };
    int fds[WAITING], next = 0, refused = 0;
    struct rlimit before, after;
    io_start();
    listener = tcp_listener(WAITING, &address);
    limit_descriptors(200);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_CODE(accept_by(kind, gmp_after_ns(MS)), GMP_ETIMEDOUT); /* what the library needs for itself is open */
    for (int i = 0; i < WAITING; i++) {
        char byte = (char)i;
        fds[i] = tcp_client(&address);
        CHECK_EQ(write(fds[i], &byte, 1), 1);
    }
    for (int i = 0; i < 6 && next < WAITING / 2; i++) {
        take_all_descriptors();
        int fd = accept_by(kind, i % 2 ? SOON() : GMP_NOWAIT);
        if (fd >= 0) {
            serve(fd, &next);
        } else {
            CHECK_CODE(fd, -EMFILE);
            refused++;
        }
    }
    CHECK(refused > 0);
    while (next < WAITING) {
        int fd = accept_by(kind, SOON());
        if (fd >= 0) {
            serve(fd, &next);
        } else {
            CHECK_CODE(fd, -EMFILE);
            CHECK(hoarded > 0);
            give_back(1);
        }
    }
    give_back(hoarded);
    CHECK_CODE(accept_by(kind, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
    CHECK(memcmp(&before, &after, sizeof after) == 0);
    for (int i = 0; i < WAITING; i++) CHECK_EQ(close(fds[i]), 0);
}

SCENARIO(task_that_accepts_without_a_descriptor_left) { no_descriptor_left(TASK); }
SCENARIO(thread_that_accepts_without_a_descriptor_left) { no_descriptor_left(THREAD); }

/* It waits when the last descriptor goes; the connection that wakes it finds none. */
SCENARIO(descriptors_run_out_while_a_task_waits_to_accept) {
    struct lone l = {.deadline = GMP_FOREVER};
    int client, fd;
    io_start();
    listener = tcp_listener(4, &address);
    limit_descriptors(200);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    party_start(&l.party, TASK, accept_one, &l);
    until_tasks_wait(1);
    take_all_descriptors();
    CHECK_EQ(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    party_end(&l.party);
    if (l.answer < 0) CHECK_CODE(l.answer, -EMFILE);
    for (fd = l.answer; fd < 0; fd = accept_by(TASK, SOON())) {
        CHECK_CODE(fd, -EMFILE);
        CHECK(hoarded > 0);
        give_back(1);
    }
    CHECK_EQ(write(client, "x", 1), 1);
    CHECK_EQ(gmp_read(fd, &(char){0}, 1, SOON()), 1);
}

/* Nothing is left before the library has ever waited. It says so, or waits another way: it does not hang, and it recovers. */
SCENARIO(first_wait_comes_when_no_descriptor_is_left) {
    struct call calls[2];
    int fds[2][2];
    io_start();
    for (int i = 0; i < 2; i++) pair_make(UNIX, fds[i]);
    limit_descriptors(200);
    take_all_descriptors();
    for (int i = 0; i < 2; i++) call_start(&calls[i], i ? THREAD : TASK, fds[i][0], POLLIN, SOON());
    usleep(20000);
    for (int i = 0; i < 2; i++) CHECK_EQ(write(fds[i][1], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        ssize_t n = call_end(&calls[i]);
        if (n != 1) CHECK_CODE((int)n, -EMFILE);
    }
    give_back(20);
    for (int i = 0; i < 2; i++) {
        call_start(&calls[i], i ? THREAD : TASK, fds[i][0], POLLIN, SOON());
        CHECK_EQ(write(fds[i][1], "y", 1), 1);
        CHECK_EQ(call_end(&calls[i]), 1);
    }
}

/* ------------------------------------------------------------ connections that were aborted
 * Linux itself seldom says so. A filter hands each accept to a thread of ours, which answers some of them itself. */
static int notifier;
static atomic_int aborts_left, aborted;

static void *answer_accepts(void *unused) {
    struct seccomp_notif ask;
    struct seccomp_notif_resp answer;
    (void)unused;
    for (;;) {
        memset(&ask, 0, sizeof ask);
        if (ioctl(notifier, SECCOMP_IOCTL_NOTIF_RECV, &ask) != 0) {
            if (check_errno() == EINTR || check_errno() == ENOENT) continue;
            return NULL;
        }
        memset(&answer, 0, sizeof answer);
        answer.id = ask.id;
        if (atomic_load(&aborts_left) > 0) {
            atomic_fetch_sub(&aborts_left, 1);
            atomic_fetch_add(&aborted, 1);
            answer.error = -ECONNABORTED;
        } else {
            answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        }
        (void)ioctl(notifier, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

static void filter_accepts(void) {
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_accept4, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_accept, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof lines / sizeof *lines, lines};
    pthread_t thread;
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    notifier = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (notifier < 0) SKIP("seccomp is refused: %s", strerror(check_errno()));
    CHECK_EQ(pthread_create(&thread, NULL, answer_accepts, NULL), 0);
}

static void aborted_connections(enum kind kind) {
    filter_accepts();
    io_start();
    listener = tcp_listener(8, &address);
    for (int round = 0; round < 20; round++) {
        struct lone l = {.deadline = SOON()};
        int client;
        atomic_store(&aborts_left, round % 4);
        party_start(&l.party, kind, accept_one, &l);
        client = tcp_client(&address);
        party_end(&l.party);
        if (l.answer < 0) CHECK_CODE(l.answer, 0);
        CHECK_EQ(write(client, "x", 1), 1);
        CHECK_EQ(gmp_read(l.answer, &(char){0}, 1, SOON()), 1);
        CHECK_OK(gmp_close_fd(l.answer));
        close(client);
    }
    CHECK(atomic_load(&aborted) > 0);
}

SCENARIO(task_goes_on_after_aborted_connections) { aborted_connections(TASK); }
SCENARIO(thread_goes_on_after_aborted_connections) { aborted_connections(THREAD); }
