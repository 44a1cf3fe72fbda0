/* SHA-256 of every regular file below a directory, one task a file: gsum DIR
 *
 * Prints what `find DIR -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum` prints, in the same order, and
 * one line of statistics that starts with "# ". A file that cannot be read is told on stderr and counted; it does
 * not change the exit status.
 *
 * Each task reads with ordinary read(2). The calls stand between gmp_blocking_enter and gmp_blocking_exit, so the
 * processor goes on with another task while the disk works; the hashing in between runs on all processors.
 *
 *     cc gsum.c -lgmp -lcrypto
 */
#include <gmprt.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 32 * 1024, DIGEST = 32 };

struct file {
    char *path;
    int error; /* the errno that stopped it, or 0 */
    unsigned char digest[DIGEST];
};

static struct file *files;
static size_t file_count, file_room, unreadable;

static void die(const char *what) {
    fprintf(stderr, "gsum: %s\n", what);
    exit(2);
}

/* ------------------------------------------------------------ the list of files */
static void complain(const char *path, int error) {
    fprintf(stderr, "gsum: %s: %s\n", path, strerror(error));
    unreadable++;
}

static void add_file(char *path) {
    if (file_count == file_room) {
        file_room = file_room ? 2 * file_room : 1024;
        files = realloc(files, file_room * sizeof *files);
        if (!files) die("out of memory");
    }
    memset(&files[file_count], 0, sizeof *files);
    files[file_count++].path = path;
}

static void add_directory(const char *path) {
    DIR *open = opendir(path);
    if (!open) {
        complain(path, errno);
        return;
    }
    size_t length = strlen(path);
    const char *slash = length > 0 && path[length - 1] == '/' ? "" : "/";
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        struct stat is;
        char *below = malloc(length + strlen(entry->d_name) + 2);
        if (!below) die("out of memory");
        sprintf(below, "%s%s%s", path, slash, entry->d_name);
        if (lstat(below, &is) != 0) {
            complain(below, errno);
        } else if (S_ISREG(is.st_mode)) {
            add_file(below);
            continue;
        } else if (S_ISDIR(is.st_mode)) {
            add_directory(below);
        }
        free(below);
    }
    closedir(open);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

/* ------------------------------------------------------------ one task a file */

/* The system calls have functions of their own, never inlined, that give errno back as a value: a task may be on
 * another thread after gmp_blocking_exit, and a compiler may keep the address of the old thread's errno. */
__attribute__((noinline)) static int open_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

__attribute__((noinline)) static ssize_t read_file(int fd, void *buffer, size_t size) {
    ssize_t n = read(fd, buffer, size);
    return n < 0 ? -errno : n;
}

static int open_in_turn(const char *path) {
    for (int tries = 0;; tries++) {
        gmp_blocking_enter();
        int fd = open_file(path);
        gmp_blocking_exit();
        /* Too many at once: the tasks that hold a descriptor go first. */
        if (fd != -EMFILE || tries == 1000) return fd;
        gmp_sleep(1000000);
    }
}

static int digest(int fd, unsigned char *digest_out) {
    unsigned char buffer[CHUNK];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    ssize_t n = -ENOMEM;
    if (hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL)) {
        do {
            gmp_blocking_enter();
            do {
                n = read_file(fd, buffer, sizeof buffer);
            } while (n == -EINTR);
            gmp_blocking_exit();
            if (n > 0) EVP_DigestUpdate(hash, buffer, (size_t)n);
        } while (n > 0);
        EVP_DigestFinal_ex(hash, digest_out, NULL);
    }
    EVP_MD_CTX_free(hash);
    return (int)-n;
}

static void sum(void *arg) {
    struct file *file = arg;
    int fd = open_in_turn(file->path);
    if (fd < 0) {
        file->error = -fd;
        return;
    }
    file->error = digest(fd, file->digest);
    close(fd);
}

/* ------------------------------------------------------------ the result */

/* As sha256sum: a name with a backslash or a line end is escaped, and its line then starts with a backslash. */
static void print(const struct file *file) {
    int escape = strpbrk(file->path, "\\\n\r") != NULL;
    if (escape) putchar('\\');
    for (int i = 0; i < DIGEST; i++) printf("%02x", file->digest[i]);
    fputs("  ", stdout);
    for (const char *c = file->path; *c; c++) {
        switch (*c) {
        case '\\': fputs("\\\\", stdout); break;
        case '\n': fputs("\\n", stdout); break;
        case '\r': fputs("\\r", stdout); break;
        default: putchar(*c);
        }
    }
    putchar('\n');
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: gsum DIR");
    gmp_time_t from = gmp_now();
    struct stat is;
    if (stat(argv[1], &is) == 0 && S_ISREG(is.st_mode)) {
        add_file(strdup(argv[1]));
    } else {
        add_directory(argv[1]);
    }
    qsort(files, file_count, sizeof *files, by_path);

    gmp_config_t config;
    gmp_config_init(&config, sizeof config);
    config.max_threads = 64; /* a disk gains nothing from more reads at once */
    int code = gmp_start(&config);
    gmp_wg_t group = {{0, 0}};
    for (size_t i = 0; i < file_count && code == GMP_OK; i++) code = gmp_wg_go(&group, sum, &files[i]);
    if (code == GMP_OK) code = gmp_wg_wait(&group, GMP_FOREVER);
    if (code != GMP_OK) die(gmp_strerror(code));

    for (size_t i = 0; i < file_count; i++) {
        if (files[i].error) {
            complain(files[i].path, files[i].error);
        } else {
            print(&files[i]);
        }
    }
    gmp_stats_t stats;
    if (gmp_stats(&stats, sizeof stats) != GMP_OK) die("no statistics");
    printf("# %zu files, %zu unreadable, %llu tasks, %d machines, %llu hand-offs, %llu steals, %.3f s\n", file_count,
           unreadable, (unsigned long long)stats.tasks_created, stats.threads_peak,
           (unsigned long long)(stats.handoffs + stats.retakes_blocked), (unsigned long long)stats.steals,
           (double)(gmp_now() - from) / 1e9);
    return gmp_shutdown(GMP_FOREVER) == GMP_OK ? 0 : 1;
}
