/* Descriptors of the kernel's own: eventfd, timerfd, signalfd, inotify, epoll, pidfd, devices. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "fds.h"

/* ------------------------------------------------------------ eventfd */
static void counter(void *arg) {
    int flags = *(int *)arg, fd = eventfd(0, EFD_CLOEXEC | flags);
    uint64_t n = 7;
    CHECK(fd >= 0);
    CHECK_EQ(gmp_read(fd, &n, sizeof n, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_read(fd, &n, sizeof n, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_read(fd, &n, 4, GMP_NOWAIT), GMP_EINVAL); /* it is read whole */
    CHECK_EQ(n, 7);
    for (int i = 0; i < 3; i++) CHECK_EQ(gmp_write(fd, &n, sizeof n, SOON()), sizeof n);
    n = 0;
    CHECK_EQ(gmp_read(fd, &n, sizeof n, GMP_NOWAIT), sizeof n);
    CHECK_EQ(n, flags & EFD_SEMAPHORE ? 1 : 21);
    n = UINT64_MAX;
    CHECK_EQ(gmp_write(fd, &n, sizeof n, SOON()), GMP_EINVAL);
    CHECK_OK(gmp_close_fd(fd));
}

SCENARIO(eventfd_counts) {
    static int flags[] = {0, EFD_NONBLOCK, EFD_SEMAPHORE, EFD_SEMAPHORE | EFD_NONBLOCK};
    check_start(2);
    for (int i = 0; i < 4; i++) by_both(counter, &flags[i]);
}

/* Both directions wait: a reader for a count, a writer for room. */
SCENARIO(eventfd_wakes_readers_and_writers) {
    check_start(2);
    for (int flags = 0; flags <= EFD_NONBLOCK; flags += EFD_NONBLOCK) {
        for (int kind = TASK; kind <= THREAD; kind++) {
            struct async a;
            int fd = eventfd(0, EFD_CLOEXEC | flags);
            uint64_t n = 0, most = UINT64_MAX - 1, one = 1;
            async_start(&a, (enum kind)kind, do_read, fd, &n, sizeof n);
            until_waits(&a);
            CHECK_EQ(gmp_write(fd, &most, sizeof most, SOON()), sizeof most);
            CHECK_EQ(async_end(&a), sizeof n);
            CHECK(n == most);
            CHECK_EQ(gmp_write(fd, &most, sizeof most, SOON()), sizeof most);
            CHECK_EQ(gmp_write(fd, &one, sizeof one, GMP_NOWAIT), GMP_EAGAIN);
            async_start(&a, (enum kind)kind, do_write, fd, &one, sizeof one);
            until_waits(&a);
            CHECK_EQ(gmp_read(fd, &n, sizeof n, SOON()), sizeof n);
            CHECK_EQ(async_end(&a), sizeof one);
            CHECK_EQ(flags_of(fd) & O_NONBLOCK, flags);
            CHECK_OK(gmp_close_fd(fd));
        }
    }
}

/* ------------------------------------------------------------ timerfd */
static void expires(void *arg) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | *(int *)arg);
    struct itimerspec soon = {.it_value = {.tv_nsec = 3 * MS}};
    uint64_t n = 0;
    CHECK(fd >= 0);
    CHECK_EQ(gmp_read(fd, &n, sizeof n, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(timerfd_settime(fd, 0, &soon, NULL), 0);
    CHECK_EQ(gmp_read(fd, &n, sizeof n, SOON()), sizeof n);
    CHECK_EQ(n, 1);
    CHECK_EQ(gmp_read(fd, &n, sizeof n, GMP_NOWAIT), GMP_EAGAIN);
    soon.it_interval = soon.it_value;
    CHECK_EQ(timerfd_settime(fd, 0, &soon, NULL), 0);
    for (uint64_t seen = 0; seen < 5; seen += n) CHECK_EQ(gmp_read(fd, &n, sizeof n, SOON()), sizeof n);
    CHECK_EQ(gmp_write(fd, &n, sizeof n, SOON()), GMP_EINVAL);
    CHECK_OK(gmp_close_fd(fd));
}

SCENARIO(timerfd_expires) {
    static int flags[] = {0, TFD_NONBLOCK};
    check_start(2);
    for (int i = 0; i < 2; i++) by_both(expires, &flags[i]);
}

/* ------------------------------------------------------------ signalfd */
SCENARIO(signalfd_gives_signals) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0); /* before any machine is made */
    check_start(2);
    for (int flags = 0; flags <= SFD_NONBLOCK; flags += SFD_NONBLOCK) {
        for (int kind = TASK; kind <= THREAD; kind++) {
            struct async r;
            struct signalfd_siginfo info = {0};
            int fd = signalfd(-1, &set, SFD_CLOEXEC | flags);
            CHECK(fd >= 0);
            CHECK_EQ(gmp_read(fd, &info, sizeof info, GMP_NOWAIT), GMP_EAGAIN);
            async_start(&r, (enum kind)kind, do_read, fd, &info, sizeof info);
            until_waits(&r);
            CHECK_EQ(kill(getpid(), SIGUSR1), 0);
            CHECK_EQ(async_end(&r), sizeof info);
            CHECK_EQ(info.ssi_signo, SIGUSR1);
            CHECK_OK(gmp_close_fd(fd));
        }
    }
}

/* ------------------------------------------------------------ inotify */
SCENARIO(inotify_tells_of_files) {
    struct place p;
    check_start(2);
    place_make(&p);
    for (int flags = 0; flags <= IN_NONBLOCK; flags += IN_NONBLOCK) {
        for (int kind = TASK; kind <= THREAD; kind++) {
            struct async r;
            char got[512] __attribute__((aligned(8)));
            int fd = inotify_init1(IN_CLOEXEC | flags);
            CHECK(fd >= 0);
            CHECK(inotify_add_watch(fd, p.dir, IN_CREATE) >= 0);
            CHECK_EQ(gmp_read(fd, got, sizeof got, gmp_after_ns(MS)), GMP_ETIMEDOUT);
            async_start(&r, (enum kind)kind, do_read, fd, got, sizeof got);
            until_waits(&r);
            int file = gmp_open(p.path, O_CREAT | O_EXCL | O_WRONLY, 0600);
            CHECK(file >= 0);
            CHECK(async_end(&r) > 0);
            struct inotify_event event;
            memcpy(&event, got, sizeof event);
            CHECK(event.mask & IN_CREATE);
            CHECK(strcmp(got + sizeof event, "here") == 0);
            CHECK_OK(gmp_close_fd(file));
            CHECK_EQ(unlink(p.path), 0);
            CHECK_OK(gmp_close_fd(fd));
        }
    }
    place_end(&p);
}

/* ------------------------------------------------------------ epoll and pidfd: only waited for */
static ssize_t do_poll_in(struct call *c) { return gmp_poll_fd(c->fd, POLLIN, c->deadline); }

SCENARIO(epoll_descriptor_is_ready_when_its_own_are) {
    check_start(2);
    for (int kind = TASK; kind <= THREAD; kind++) {
        struct async r;
        struct line l;
        struct epoll_event event = {.events = EPOLLIN};
        char byte;
        int fd = epoll_create1(EPOLL_CLOEXEC);
        make_pipe(&l);
        CHECK_EQ(epoll_ctl(fd, EPOLL_CTL_ADD, l.out, &event), 0);
        CHECK_EQ(gmp_poll_fd(fd, POLLIN, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_EQ(gmp_read(fd, &byte, 1, GMP_NOWAIT), GMP_EINVAL);
        async_start(&r, (enum kind)kind, do_poll_in, fd, NULL, 0);
        until_waits(&r);
        CHECK_EQ(gmp_write(l.in, "x", 1, SOON()), 1);
        CHECK_EQ(async_end(&r), POLLIN);
        CHECK_EQ(gmp_read(l.out, &byte, 1, SOON()), 1);
        CHECK_EQ(gmp_poll_fd(fd, POLLIN, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_OK(gmp_close_fd(fd));
        line_close(&l);
    }
}

SCENARIO(pidfd_is_ready_when_its_process_has_ended) {
    struct line go;
    struct async r;
    check_start(2);
    make_pipe(&go);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char byte;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(go.in);
        _exit(read(go.out, &byte, 1) == 0 ? 7 : 8);
    }
    int fd = (int)syscall(SYS_pidfd_open, child, 0), status;
    if (fd < 0 && errno == ENOSYS) SKIP("the kernel has no pidfd_open");
    CHECK(fd >= 0);
    async_start(&r, TASK, do_poll_in, fd, NULL, 0);
    until_waits(&r);
    line_close(&go);
    CHECK_EQ(async_end(&r) & POLLIN, POLLIN);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), 7);
    CHECK_OK(gmp_close_fd(fd));
}

/* ------------------------------------------------------------ devices: never waited for */
static void devices(void *arg) {
    char bytes[4096], zeros[4096] = {0};
    (void)arg;
    int null = gmp_open("/dev/null", O_RDWR, 0), zero = gmp_open("/dev/zero", O_RDWR, 0);
    int random = gmp_open("/dev/urandom", O_RDONLY, 0);
    CHECK(null >= 0 && zero >= 0 && random >= 0);
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        set_nonblocking(null, nonblocking);
        set_nonblocking(zero, nonblocking);
        CHECK_EQ(gmp_read(null, bytes, sizeof bytes, GMP_NOWAIT), 0);
        CHECK_EQ(gmp_write(null, bytes, sizeof bytes, GMP_NOWAIT), sizeof bytes);
        memset(bytes, 'x', sizeof bytes);
        CHECK_EQ(gmp_read(zero, bytes, sizeof bytes, gmp_now() - 1), sizeof bytes);
        CHECK(memcmp(bytes, zeros, sizeof bytes) == 0);
        CHECK_EQ(gmp_write(zero, bytes, sizeof bytes, GMP_FOREVER), sizeof bytes);
        CHECK_EQ(gmp_read(random, bytes, sizeof bytes, GMP_FOREVER), sizeof bytes);
        CHECK(memcmp(bytes, zeros, sizeof bytes) != 0);
        CHECK_EQ(gmp_pread(zero, bytes, 10, 1000), 10);
        CHECK_EQ(bytes[9], 0);
    }
    CHECK_OK(gmp_close_fd(null));
    CHECK_OK(gmp_close_fd(zero));
    CHECK_OK(gmp_close_fd(random));
    int memory = memfd_create("memory", MFD_CLOEXEC);
    CHECK_EQ(gmp_write(memory, "memory", 6, GMP_NOWAIT), 6);
    CHECK_EQ(gmp_pread(memory, bytes, sizeof bytes, 3), 3);
    CHECK(memcmp(bytes, "ory", 3) == 0);
    CHECK_OK(gmp_close_fd(memory));
}

SCENARIO(devices_are_read_and_written_at_once) {
    check_start(2);
    by_both(devices, NULL);
}
