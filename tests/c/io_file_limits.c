/* There is no room, or no more is allowed: a full device, a full file system, the limit of a file's length. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "fds.h"

static void full_device(void *arg) {
    char bytes[4096] = {0};
    struct iovec two[] = {{bytes, 10}, {bytes, 10}};
    (void)arg;
    int fd = gmp_open("/dev/full", O_RDWR, 0);
    CHECK(fd >= 0);
    CHECK_EQ(gmp_write(fd, bytes, sizeof bytes, GMP_FOREVER), -ENOSPC);
    CHECK_EQ(gmp_write(fd, bytes, 1, GMP_NOWAIT), -ENOSPC);
    CHECK_EQ(gmp_writev(fd, two, 2, GMP_FOREVER), -ENOSPC);
    CHECK_EQ(gmp_pwrite(fd, bytes, 1, 0), -ENOSPC);
    CHECK_EQ(gmp_read(fd, bytes, sizeof bytes, GMP_FOREVER), sizeof bytes);
    CHECK_OK(gmp_close_fd(fd));
}

SCENARIO(full_device_is_enospc) {
    check_start(2);
    by_both(full_device, NULL);
}

/* The limit comes half-way: the bytes that went are the result, and the next call answers the code. */
enum { LIMIT = 10000, MUCH = 1 << 20 };

static void too_long_a_file(void *arg) {
    struct place p;
    char *bytes = (char *)malloc(MUCH), *got = (char *)malloc(MUCH);
    struct iovec two[] = {{bytes, 4000}, {bytes + 4000, MUCH - 4000}};
    (void)arg;
    CHECK(bytes != NULL && got != NULL);
    fill(bytes, 0, MUCH);
    place_make(&p);
    for (int way = 0; way < 3; way++) {
        int fd = gmp_open(p.path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK(fd >= 0);
        if (way == 0) CHECK_EQ(gmp_write(fd, bytes, MUCH, GMP_FOREVER), LIMIT);
        if (way == 1) CHECK_EQ(gmp_writev(fd, two, 2, GMP_FOREVER), LIMIT);
        if (way == 2) CHECK_EQ(gmp_pwrite(fd, bytes, MUCH, 0), LIMIT);
        CHECK_EQ(gmp_pwrite(fd, bytes, 1, LIMIT), -EFBIG);
        CHECK_EQ(lseek(fd, 0, SEEK_END), LIMIT);
        CHECK_EQ(gmp_write(fd, bytes, 1, GMP_FOREVER), -EFBIG);
        CHECK_EQ(gmp_writev(fd, two, 2, GMP_FOREVER), -EFBIG);
        CHECK_EQ(gmp_pread(fd, got, MUCH, 0), LIMIT);
        check_fill(got, 0, LIMIT);
        CHECK_OK(gmp_close_fd(fd));
    }
    place_end(&p);
    free(bytes);
    free(got);
}

SCENARIO(limit_of_a_files_length_is_efbig) {
    struct rlimit limit, now;
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    if (limit.rlim_max < LIMIT) SKIP("RLIMIT_FSIZE is too low");
    limit.rlim_cur = LIMIT;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    check_start(2);
    by_both(too_long_a_file, NULL);
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &now), 0);
    CHECK_EQ(now.rlim_cur, LIMIT);
}

/* A file system of 64 KiB that nobody else sees. */
static void full_file_system(void *arg) {
    char path[80], *bytes = (char *)malloc(MUCH), *got = (char *)malloc(MUCH);
    CHECK(bytes != NULL && got != NULL);
    fill(bytes, 0, MUCH);
    snprintf(path, sizeof path, "%s/full", (const char *)arg);
    int fd = gmp_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    ssize_t n = gmp_write(fd, bytes, MUCH, GMP_FOREVER);
    CHECK(n > 0 && n <= 65536);
    CHECK_EQ(gmp_write(fd, bytes + n, MUCH - (size_t)n, GMP_FOREVER), -ENOSPC);
    CHECK_EQ(gmp_pwrite(fd, bytes, 1, MUCH), -ENOSPC);
    CHECK_EQ(gmp_pread(fd, got, MUCH, 0), n);
    check_fill(got, 0, (size_t)n);
    /* Once there is room again, it goes on. */
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK_EQ(gmp_pwrite(fd, bytes, 4096, 0), 4096);
    CHECK_OK(gmp_fsync(fd));
    CHECK_OK(gmp_close_fd(fd));
    CHECK_EQ(unlink(path), 0);
    free(bytes);
    free(got);
}

SCENARIO(full_file_system_is_enospc) {
    struct place p;
    /* Of this process alone, before it has threads: what is mounted goes with it. */
    if (unshare(CLONE_NEWNS) != 0) SKIP("no mount namespace for this user");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) SKIP("mounts cannot be made private");
    place_make(&p);
    if (mount("none", p.dir, "tmpfs", 0, "size=64k") != 0) {
        CHECK_EQ(rmdir(p.dir), 0);
        SKIP("tmpfs cannot be mounted");
    }
    check_start(2);
    by_both(full_file_system, p.dir);
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_EQ(umount(p.dir), 0);
    place_end(&p);
}
