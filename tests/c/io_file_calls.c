/* Regular files and directories: handed off, never waited for, whatever the deadline. */
#define _GNU_SOURCE
#include <sys/file.h>

#include "fds.h"

static int new_file(struct place *p, int flags) {
    place_make(p);
    int fd = gmp_open(p->path, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void done(struct place *p, int fd) {
    CHECK_OK(gmp_close_fd(fd));
    place_end(p);
}

/* read and write go from where the file stands; a deadline that is over is no matter. */
static void position_moves_on(void *arg) {
    struct place p;
    char got[16] = {0};
    struct iovec out[] = {{"po", 2}, {"sition", 6}}, in[] = {{got, 3}, {got + 3, 13}};
    (void)arg;
    int fd = new_file(&p, 0);
    CHECK_EQ(gmp_write(fd, "first ", 6, gmp_now() - 1), 6);
    CHECK_EQ(gmp_writev(fd, out, 2, GMP_NOWAIT), 8);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 14);
    CHECK_EQ(gmp_read(fd, got, sizeof got, GMP_NOWAIT), 0); /* at its end */
    CHECK_EQ(gmp_read(fd, got, sizeof got, GMP_FOREVER), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(gmp_read(fd, got, 0, GMP_FOREVER), 0);
    CHECK_EQ(gmp_read(fd, got, 6, -1), 6);
    CHECK(memcmp(got, "first ", 6) == 0);
    CHECK_EQ(gmp_readv(fd, in, 2, GMP_NOWAIT), 8);
    CHECK(memcmp(got, "position", 8) == 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 14);
    CHECK_EQ(gmp_poll_fd(fd, POLLIN | POLLOUT, GMP_NOWAIT), POLLIN | POLLOUT);
    CHECK_OK(gmp_fd_set_deadline(fd, POLLIN | POLLOUT, gmp_now() - 1));
    CHECK_EQ(gmp_write(fd, "x", 1, GMP_NOWAIT), 1);
    done(&p, fd);
}

SCENARIO(reads_and_writes_move_the_position) {
    check_start(2);
    by_both(position_moves_on, NULL);
}

/* pread and pwrite do not, and need no order. */
static void position_stays(void *arg) {
    struct place p;
    char got[16];
    const char zeros[16] = {0};
    (void)arg;
    int fd = new_file(&p, 0);
    CHECK_EQ(gmp_pwrite(fd, "behind", 6, 100), 6);
    CHECK_EQ(gmp_pwrite(fd, "before", 6, 4), 6);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    CHECK_EQ(gmp_pread(fd, got, sizeof got, 100), 6);
    CHECK(memcmp(got, "behind", 6) == 0);
    CHECK_EQ(gmp_pread(fd, got, sizeof got, 50), 16); /* a hole */
    CHECK(memcmp(got, zeros, 16) == 0);
    CHECK_EQ(gmp_pread(fd, got, sizeof got, 106), 0);
    CHECK_EQ(gmp_pread(fd, got, sizeof got, INT64_C(1) << 40), 0);
    CHECK_EQ(gmp_pread(fd, got, 0, 0), 0);
    CHECK_EQ(gmp_pwrite(fd, got, 0, 1000), 0);
    CHECK_EQ(gmp_pread(fd, NULL, 0, 0), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 106);
    done(&p, fd);
}

SCENARIO(positioned_reads_and_writes_leave_the_position) {
    check_start(2);
    by_both(position_stays, NULL);
}

/* A byte at a tebibyte, and nothing before it. */
static void sparse(void *arg) {
    struct place p;
    struct stat st;
    char got[4096];
    off_t far = INT64_C(1) << 40;
    (void)arg;
    int fd = new_file(&p, 0);
    ssize_t n = gmp_pwrite(fd, "!", 1, far);
    if (n == -EFBIG) SKIP("the file system has no such long files");
    CHECK_EQ(n, 1);
    CHECK_EQ(gmp_pread(fd, got, sizeof got, far - 1), 2);
    CHECK(got[0] == 0 && got[1] == '!');
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, far + 1);
    CHECK(st.st_blocks < 1000);
    done(&p, fd);
}

SCENARIO(sparse_files_stay_sparse) {
    check_start(2);
    by_both(sparse, NULL);
}

/* With O_APPEND every write goes to the end in one piece, whoever writes. */
enum { WRITERS = 4, LINES = 200 };

static void append_lines(void *arg) {
    char text[64];
    int fd = ((int *)arg)[0], who = ((int *)arg)[1];
    for (int i = 0; i < LINES; i++) {
        int n = snprintf(text, sizeof text, "%d %d\n", who, i);
        CHECK_EQ(gmp_write(fd, text, (size_t)n, GMP_FOREVER), n);
    }
}

SCENARIO(appended_lines_stay_whole_and_in_order) {
    struct place p;
    struct party party[WRITERS];
    int args[WRITERS][2], next[WRITERS] = {0};
    check_start(2);
    int fd = new_file(&p, O_APPEND);
    for (int i = 0; i < WRITERS; i++) {
        args[i][0] = fd;
        args[i][1] = i;
        party_start(&party[i], i % 2 ? THREAD : TASK, append_lines, args[i]);
    }
    parties_end(party, WRITERS);
    FILE *file = fopen(p.path, "r");
    int who, line, lines = 0;
    CHECK(file != NULL);
    while (fscanf(file, "%d %d\n", &who, &line) == 2) {
        CHECK(who >= 0 && who < WRITERS);
        CHECK_EQ(line, next[who]++);
        lines++;
    }
    fclose(file);
    CHECK_EQ(lines, WRITERS * LINES);
    done(&p, fd);
}

/* Much at once, by many tasks, each in a part of its own. */
enum { PART = 1 << 20, PARTS = 8 };

static void write_part(void *arg) {
    int fd = ((int *)arg)[0], part = ((int *)arg)[1];
    char *bytes = (char *)malloc(PART), *got = (char *)malloc(PART);
    CHECK(bytes != NULL && got != NULL);
    fill(bytes, (size_t)part * PART, PART);
    CHECK_EQ(gmp_pwrite(fd, bytes, PART, (off_t)part * PART), PART);
    CHECK_OK(gmp_fsync(fd));
    CHECK_EQ(gmp_pread(fd, got, PART, (off_t)part * PART), PART);
    CHECK(memcmp(bytes, got, PART) == 0);
    free(bytes);
    free(got);
}

SCENARIO(many_tasks_write_one_file) {
    struct place p;
    struct party party[PARTS];
    int args[PARTS][2];
    check_start(2);
    int fd = new_file(&p, 0);
    for (int i = 0; i < PARTS; i++) {
        args[i][0] = fd;
        args[i][1] = i;
        party_start(&party[i], i % 4 == 3 ? THREAD : TASK, write_part, args[i]);
    }
    parties_end(party, PARTS);
    CHECK_EQ(lseek(fd, 0, SEEK_END), (off_t)PART * PARTS);
    done(&p, fd);
}

/* ------------------------------------------------------------ open */
static void open_answers(void *arg) {
    struct place p;
    char byte;
    (void)arg;
    place_make(&p);
    CHECK_CODE(gmp_open(p.path, O_RDONLY, 0), GMP_ENOENT);
    CHECK_CODE(gmp_open("", O_RDONLY, 0), GMP_ENOENT);
    CHECK_CODE(gmp_open(NULL, O_RDONLY, 0), GMP_EINVAL);
    CHECK_CODE(gmp_open((const char *)1, O_RDONLY, 0), -EFAULT);
    CHECK_CODE(gmp_open(p.dir, O_WRONLY, 0), -EISDIR);
    mode_t before = umask(0);
    int fd = gmp_open(p.path, O_CREAT | O_EXCL | O_WRONLY, 0640);
    umask(before);
    struct stat st;
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0640);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(flags_of(fd) & O_NONBLOCK, 0);
    CHECK_CODE(gmp_open(p.path, O_CREAT | O_EXCL | O_WRONLY, 0640), -EEXIST);
    CHECK_EQ(gmp_read(fd, &byte, 1, GMP_FOREVER), GMP_EBADF); /* it is for writing only */
    CHECK_EQ(gmp_pread(fd, &byte, 1, 0), GMP_EBADF);
    CHECK_OK(gmp_close_fd(fd));
    CHECK_EQ(mkfifo(strcat(p.path, ".fifo"), 0600), 0);
    CHECK_CODE(gmp_open(p.path, O_WRONLY | O_NONBLOCK, 0), -ENXIO);
    CHECK_EQ(unlink(p.path), 0);
    p.path[strlen(p.path) - 5] = 0;
    place_end(&p);
}

SCENARIO(open_answers_as_the_kernel_does) {
    check_start(2);
    by_both(open_answers, NULL);
}

/* ------------------------------------------------------------ directories, and what has no position */
static void wrong_things(void *arg) {
    struct line l;
    char byte = 'x';
    struct iovec one = {&byte, 1};
    (void)arg;
    int dir = gmp_open("/", O_RDONLY | O_DIRECTORY, 0);
    CHECK(dir >= 0);
    CHECK_EQ(gmp_read(dir, &byte, 1, GMP_FOREVER), -EISDIR);
    CHECK_EQ(gmp_readv(dir, &one, 1, GMP_FOREVER), -EISDIR);
    CHECK_EQ(gmp_pread(dir, &byte, 1, 0), -EISDIR);
    CHECK_EQ(gmp_write(dir, &byte, 1, GMP_FOREVER), GMP_EBADF);
    CHECK_EQ(gmp_writev(dir, &one, 1, GMP_FOREVER), GMP_EBADF);
    CHECK_EQ(gmp_pwrite(dir, &byte, 1, 0), GMP_EBADF);
    CHECK_EQ(gmp_recv(dir, &byte, 1, 0, GMP_FOREVER), -ENOTSOCK);
    CHECK_EQ(gmp_send(dir, &byte, 1, 0, GMP_FOREVER), -ENOTSOCK);
    CHECK_EQ(gmp_accept(dir, NULL, NULL, GMP_FOREVER), -ENOTSOCK);
    CHECK_EQ(gmp_poll_fd(dir, POLLIN, GMP_FOREVER), POLLIN);
    CHECK_OK(gmp_fsync(dir));
    CHECK_OK(gmp_close_fd(dir));
    make_pipe(&l);
    CHECK_EQ(gmp_pread(l.out, &byte, 1, 0), -ESPIPE);
    CHECK_EQ(gmp_pwrite(l.in, &byte, 1, 0), -ESPIPE);
    CHECK_CODE(gmp_fsync(l.in), GMP_EINVAL);
    CHECK_EQ(gmp_read(l.in, &byte, 1, GMP_FOREVER), GMP_EBADF); /* each end one way */
    CHECK_EQ(gmp_write(l.out, &byte, 1, GMP_FOREVER), GMP_EBADF);
    line_close(&l);
    make_tcp(&l, AF_INET);
    CHECK_EQ(gmp_pread(l.out, &byte, 1, 0), -ESPIPE);
    CHECK_EQ(gmp_pwrite(l.in, &byte, 1, 0), -ESPIPE);
    CHECK_CODE(gmp_fsync(l.in), GMP_EINVAL);
    line_close(&l);
    CHECK_EQ(byte, 'x');
}

SCENARIO(directories_pipes_and_sockets_are_no_files) {
    check_start(2);
    by_both(wrong_things, NULL);
}
