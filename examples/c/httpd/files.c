/* Static files.
 *
 * Always true: what is opened lies below the root whatever the path says and wherever links point: openat2(2) resolves it so.
 * Blocks: on the disk, between gmp_blocking_enter and gmp_blocking_exit; the processor goes on with other tasks.
 */
#include "httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *type_of(const char *path) {
    static const struct {
        const char *ending, *type;
    } TYPES[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"xml", "application/xml"},
        {"csv", "text/csv; charset=utf-8"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"ico", "image/x-icon"},
        {"woff2", "font/woff2"},
        {"wasm", "application/wasm"},
        {"pdf", "application/pdf"},
        {"gz", "application/gzip"},
        {"zip", "application/zip"},
        {"mp4", "video/mp4"},
        {"mp3", "audio/mpeg"},
    };
    const char *name = strrchr(path, '/'), *dot = strrchr(path, '.');
    if (dot && dot > name) {
        for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
            if (strcmp(dot + 1, TYPES[i].ending) == 0) return TYPES[i].type;
        }
    }
    return "application/octet-stream";
}

/* The system calls have functions of their own, never inlined, that give errno back as a value: a task may be on another
 * thread after gmp_blocking_exit, and a compiler may keep the address of the old thread's errno. */
__attribute__((noinline)) static int open_below(int root, const char *path) {
    struct open_how how = {
        /* Without O_NONBLOCK a FIFO below the root would hold us up until somebody writes. */
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0) return (int)fd;
        /* EAGAIN: something was renamed while it looked, and whether it stayed below cannot be said. */
        if (errno != EINTR && (errno != EAGAIN || tries == 8)) return -errno;
    }
}

__attribute__((noinline)) static int look_at(int fd, struct stat *is) { return fstat(fd, is) == 0 ? 0 : -errno; }

/* As many of the file's first bytes as there are. */
__attribute__((noinline)) static ssize_t read_all(int fd, char *bytes, size_t length) {
    size_t got = 0;
    while (got < length) {
        ssize_t n = pread(fd, bytes + got, length - got, (off_t)got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int status_of(int error) {
    switch (error) {
    case -EACCES:
    case -EPERM: return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM: return 503;
    case -ENOENT:
    case -ENOTDIR:
    case -ELOOP:
    case -EXDEV: /* it lies outside the root: there is no such file here */
    case -ENAMETOOLONG:
    case -ENXIO: return 404;
    default: return 500;
    }
}

static void refuse(struct exchange *exchange, int status) {
    /* Out of descriptors: this connection's own is one that others may have. */
    if (status == 503) exchange->close = true;
    put_refusal(exchange->output, status, NULL, exchange->close, exchange->old, exchange->head_only);
}

static bool is_unchanged(const struct exchange *exchange, time_t modified) {
    time_t since;
    if (exchange->since.length == 0) return false;
    const char *text = exchange->since_text + exchange->since.at;
    char date[DATE];
    date_write(modified, date);
    if (exchange->since.length == DATE && memcmp(text, date, DATE) == 0) return true;
    return date_read(text, exchange->since.length, &since) && modified <= since;
}

/* Answers with an open file, and closes it or leaves it in the exchange. */
static void answer_open(struct exchange *exchange, int fd, const struct stat *is, const char *name) {
    struct output *output = exchange->output;
    struct head head = {.status = 200,
                        .type = type_of(name),
                        .length = is->st_size,
                        .modified = is->st_mtime,
                        .close = exchange->close,
                        .old = exchange->old};
    size_t before = output->used;
    if (is_unchanged(exchange, is->st_mtime)) {
        head.status = 304;
        head.type = NULL;
        head.length = -1;
        put_head(output, &head);
    } else if (exchange->head_only || is->st_size == 0) {
        put_head(output, &head);
    } else if (is->st_size <= SMALL_FILE && (size_t)is->st_size + HEAD_MOST <= sizeof output->bytes - before) {
        put_head(output, &head);
        ssize_t got = read_all(fd, output->bytes + output->used, (size_t)is->st_size);
        if (got < 0) {
            output->used = before;
            refuse(exchange, 500);
        } else if (got < is->st_size) {
            /* It has shrunk since: what is there is all that is promised. The new head is no longer than the old one. */
            size_t bytes = output->used;
            output->used = before;
            head.length = got;
            put_head(output, &head);
            memmove(output->bytes + output->used, output->bytes + bytes, (size_t)got);
            output->used += (size_t)got;
        } else {
            output->used += (size_t)got;
        }
    } else {
        put_head(output, &head);
        exchange->file = fd;
        exchange->length = is->st_size;
        return;
    }
    close(fd);
}

void answer_file(struct exchange *exchange) {
    static const char INDEX[] = "index.html";
    char name[PATH_ROOM + sizeof INDEX];
    size_t length = strlen(exchange->path);
    memcpy(name, exchange->path, length + 1);
    if (name[length - 1] == '/') memcpy(name + length, INDEX, sizeof INDEX);

    struct stat is;
    gmp_blocking_enter();
    int fd = open_below(server.root, name + 1), code = fd < 0 ? fd : look_at(fd, &is);
    if (code < 0) {
        if (fd >= 0) close(fd);
        refuse(exchange, status_of(code));
    } else if (S_ISREG(is.st_mode)) {
        answer_open(exchange, fd, &is, name);
    } else {
        close(fd);
        if (S_ISDIR(is.st_mode) && name[length - 1] != '/') {
            name[length] = '/';
            name[length + 1] = 0;
            struct head head = {
                .status = 301, .length = 0, .location = name, .close = exchange->close, .old = exchange->old};
            put_head(exchange->output, &head);
        } else {
            refuse(exchange, 404);
        }
    }
    gmp_blocking_exit();
}
