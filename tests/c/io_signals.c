/* Signals: handlers that interrupt are not seen, and no call of the library raises SIGPIPE. */
//@ with IO_PROCS=2
#include "streams.h"

/* ------------------------------------------------------------ handlers */
static atomic_long handled;

static void count_it(int signum) {
    (void)signum;
    atomic_fetch_add(&handled, 1);
}

/* Without SA_RESTART: what a handler interrupts answers EINTR to whoever made the system call. */
static void handle(int signum) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count_it;
    CHECK_EQ(sigaction(signum, &action, NULL), 0);
}

static atomic_int over;

/* At every thread of the process, a few thousand times a second. */
static void *pepper(void *unused) {
    (void)unused;
    while (!atomic_load(&over)) {
        DIR *tasks = opendir("/proc/self/task");
        CHECK(tasks != NULL);
        for (struct dirent *entry; (entry = readdir(tasks));) {
            long tid = strtol(entry->d_name, NULL, 10);
            if (tid > 0 && tid != syscall(SYS_gettid)) syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
        }
        closedir(tasks);
        usleep(300);
    }
    return NULL;
}

static void under_pepper(void (*fn)(void)) {
    pthread_t thread;
    handle(SIGUSR1);
    io_start();
    CHECK_EQ(pthread_create(&thread, NULL, pepper, NULL), 0);
    UNTIL(atomic_load(&handled) > 0, sched_yield());
    fn();
    atomic_store(&over, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    printf("%ld signals\n", atomic_load(&handled));
}

enum { MESSAGES = 3000 };

static void ask(void *arg) {
    int fd = *(int *)arg;
    unsigned char sent[300], came[300];
    for (uint64_t i = 0; i < MESSAGES; i++) {
        bytes_make(sent, sizeof sent, i);
        write_whole(fd, sent, sizeof sent);
        read_whole(fd, came, sizeof came);
        bytes_check(came, sizeof came, i);
    }
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
}

static void answer(void *arg) {
    int fd = *(int *)arg;
    unsigned char bytes[1000];
    ssize_t n;
    while ((n = gmp_read(fd, bytes, sizeof bytes, SOON())) > 0) write_whole(fd, bytes, (size_t)n);
    CHECK_CODE((int)n, 0);
}

static void echoes(void) {
    struct party parties[6];
    int fds[3][2];
    for (int i = 0; i < 3; i++) {
        pair_make(i % 2 ? TCP : UNIX, fds[i]);
        party_start(&parties[2 * i], i == 2 ? THREAD : TASK, ask, &fds[i][0]);
        party_start(&parties[2 * i + 1], i == 1 ? THREAD : TASK, answer, &fds[i][1]);
    }
    parties_end(parties, 6);
    for (int i = 0; i < 3; i++) pair_close(fds[i]);
}

SCENARIO(handlers_that_interrupt_echoes_are_not_seen) { under_pepper(echoes); }

/* Waits that end by their deadline, not before. */
static void waits(void) {
    for (int round = 0; round < 60; round++) {
        struct call calls[4];
        int fds[2];
        gmp_time_t when = gmp_after_ns(4 * MS);
        pair_make(UNIX, fds);
        for (int i = 0; i < 4; i++) call_start(&calls[i], i % 2 ? TASK : THREAD, fds[0], POLLIN, i < 2 ? when : GMP_FOREVER);
        for (int i = 0; i < 2; i++) CHECK_CODE((int)call_end(&calls[i]), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= when);
        CHECK_EQ(write(fds[1], "xy", 2), 2);
        for (int i = 2; i < 4; i++) {
            call_end(&calls[i]);
            CHECK_EQ(calls[i].answer, 1);
        }
        pair_close(fds);
    }
}

SCENARIO(handlers_end_no_wait) { under_pepper(waits); }

/* connect(2) that is interrupted goes on by itself; the library must know. */
static struct sockaddr_in address;
static int listener;

static void accept_all(void *arg) {
    (void)arg;
    for (int i = 0; i < 600; i++) {
        int fd = gmp_accept(listener, NULL, NULL, SOON());
        if (fd < 0) CHECK_CODE(fd, 0);
        CHECK_OK(gmp_close_fd(fd));
    }
}

static void connect_all(void *arg) {
    (void)arg;
    for (int i = 0; i < 600; i++) {
        char byte;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_OK(gmp_connect(fd, (struct sockaddr *)&address, sizeof address, SOON()));
        CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 0);
        CHECK_OK(gmp_close_fd(fd));
    }
}

static void connections(void) {
    struct party parties[2];
    listener = tcp_listener(16, &address);
    party_start(&parties[0], TASK, accept_all, NULL);
    party_start(&parties[1], THREAD, connect_all, NULL);
    parties_end(parties, 2);
    CHECK_OK(gmp_close_fd(listener));
}

SCENARIO(handlers_that_interrupt_connections_are_not_seen) { under_pepper(connections); }

/* A file's calls block in the kernel, and may be interrupted there. */
static void pipes_and_files(void) {
    static char bytes[100000];
    FILE *file = tmpfile();
    CHECK(file != NULL);
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(gmp_pwrite(fileno(file), bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
        CHECK_EQ(gmp_pread(fileno(file), bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    }
    CHECK_OK(gmp_fsync(fileno(file)));
    fclose(file);
}

SCENARIO(handlers_that_interrupt_files_are_not_seen) { under_pepper(pipes_and_files); }

/* ------------------------------------------------------------ SIGPIPE */
/* With the default disposition one of them would end the process. */
static void write_to_nobody(void *unused) {
    static char bytes[1 << 16];
    struct iovec parts[2] = {{bytes, 100}, {bytes + 100, 200}};
    struct msghdr message;
    off_t begin = 0;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    (void)unused;
    memset(&message, 0, sizeof message);
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    for (int round = 0; round < 12; round++) {
        int fds[2], is_pipe = round % 3 == 2;
        if (is_pipe) CHECK_EQ(pipe2(fds, O_CLOEXEC | (round % 2 ? O_NONBLOCK : 0)), 0);
        else pair_make(UNIX, fds);
        int writes = is_pipe ? fds[1] : fds[0], reads = is_pipe ? fds[0] : fds[1];
        CHECK_EQ(close(reads), 0);
        for (int again = 0; again < 2; again++) {
            CHECK_CODE((int)gmp_write(writes, bytes, sizeof bytes, again ? GMP_NOWAIT : SOON()), GMP_EPIPE);
            CHECK_CODE((int)gmp_writev(writes, parts, 2, SOON()), GMP_EPIPE);
            if (!is_pipe) {
                CHECK_CODE((int)gmp_send(writes, bytes, 10, 0, SOON()), GMP_EPIPE);
                CHECK_CODE((int)gmp_sendmsg(writes, &message, 0, SOON()), GMP_EPIPE);
                CHECK_CODE((int)gmp_sendto(writes, bytes, 10, 0, NULL, 0, SOON()), GMP_EPIPE);
            }
            CHECK_CODE((int)gmp_sendfile(writes, file, &begin, 100, SOON()), GMP_EPIPE);
            int source[2];
            CHECK_EQ(pipe2(source, O_CLOEXEC), 0);
            CHECK_EQ(write(source[1], "abc", 3), 3);
            CHECK_CODE((int)gmp_splice(source[0], NULL, writes, NULL, 3, SOON()), GMP_EPIPE);
            pair_close(source);
        }
        CHECK_OK(gmp_close_fd(writes));
    }
    close(file);
}

static void no_signal_is_left(void) {
    sigset_t pending, mask;
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    CHECK_EQ(sigismember(&mask, SIGPIPE), 0);
}

SCENARIO(writes_of_a_task_to_nobody_are_a_code) {
    signal(SIGPIPE, SIG_DFL);
    io_start();
    CHECK_OK(gmp_run(write_to_nobody, NULL));
    no_signal_is_left();
}

SCENARIO(writes_of_a_thread_to_nobody_are_a_code) {
    signal(SIGPIPE, SIG_DFL);
    write_to_nobody(NULL);
    no_signal_is_left();
}

/* A handler of the host's is not called, and what it asked for is left as it was. */
SCENARIO(hosts_handler_of_sigpipe_is_not_called) {
    struct sigaction now;
    handle(SIGPIPE);
    io_start();
    CHECK_OK(gmp_run(write_to_nobody, NULL));
    write_to_nobody(NULL);
    CHECK_EQ(atomic_load(&handled), 0);
    CHECK_EQ(sigaction(SIGPIPE, NULL, &now), 0);
    CHECK(now.sa_handler == count_it);
    no_signal_is_left();
    /* One that the host sends itself arrives. */
    CHECK_EQ(raise(SIGPIPE), 0);
    CHECK_EQ(atomic_load(&handled), 1);
}

/* The peer goes while the writer waits in the middle of a long write. */
SCENARIO(peer_that_goes_in_a_long_write_raises_nothing) {
    signal(SIGPIPE, SIG_DFL);
    io_start();
    for (int round = 0; round < 30; round++) {
        struct call call;
        int fds[2];
        if (round % 3 == 2) CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
        else pair_make(round % 3 ? TCP : UNIX, fds);
        call_start(&call, round % 2 ? TASK : THREAD, fds[1], POLLOUT, SOON());
        until_calls_wait(&call, 1);
        CHECK_EQ(close(fds[0]), 0);
        call_end(&call);
        if (call.answer > 0) call.answer = gmp_write(fds[1], "x", 1, SOON());
        CHECK(call.answer == GMP_EPIPE || call.answer == -ECONNRESET);
        CHECK_CODE((int)gmp_write(fds[1], "x", 1, SOON()), GMP_EPIPE);
        CHECK_OK(gmp_close_fd(fds[1]));
    }
}
