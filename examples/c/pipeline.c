/* Lines, words and bytes of every regular file below some paths: pipeline [-t MILLISECONDS] [-n COUNTERS] PATH...
 *
 * Three stages with channels between them: one task walks through the directories, a few count, and the caller adds up.
 * The channels hold little, so no stage runs far ahead of the next, whatever the size of the tree.
 *
 * All tasks are in a group. The first error, or the time limit, cancels the group: who waits is told by its wait, who
 * reads a long file by gmp_checkpoint, and nobody is left when gmp_group_wait has returned.
 *
 *     cc pipeline.c -lgmp && ./a.out /usr/include
 */
#include <gmprt.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 32 * 1024 };

struct counts {
    long long files, lines, words, bytes;
};

struct job {
    char **roots; /* ends with NULL */
    int counters;
    gmp_time_t deadline;
    gmp_chan_t *paths;   /* char *, the receiver's to free */
    gmp_chan_t *results; /* struct counts */
    atomic_int counting; /* counters that have not ended */
    int result;
    struct counts total;
};

static int complain(const char *path, int error) {
    fprintf(stderr, "pipeline: %s: %s\n", path, strerror(error));
    return -error;
}

/* ------------------------------------------------------------ the first stage: paths */

/* What is still to be looked at. A list and no recursion: a task's stack is smaller than a deep tree. */
struct todo {
    char **path;
    size_t count, room;
};

/* Takes `path` over, which may be a strdup that failed. */
static int add(struct todo *todo, char *path) {
    if (path && todo->count == todo->room) {
        size_t room = todo->room ? 2 * todo->room : 256;
        char **more = realloc(todo->path, room * sizeof *more);
        if (!more) {
            free(path);
            return GMP_ENOMEM;
        }
        todo->path = more;
        todo->room = room;
    }
    if (!path) return GMP_ENOMEM;
    todo->path[todo->count++] = path;
    return GMP_OK;
}

static int add_entries(struct todo *todo, DIR *open, const char *path) {
    int code = GMP_OK;
    for (struct dirent *entry; code == GMP_OK && (entry = readdir(open)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *below = malloc(strlen(path) + strlen(entry->d_name) + 2);
        if (below) sprintf(below, "%s/%s", path, entry->d_name);
        code = add(todo, below);
    }
    return code;
}

/* Says what `path` is (S_IFMT); a directory's entries are added. Never inlined, because it reads errno: a compiler may
 * keep its address across the send of its caller, after which the task may be on another thread. */
__attribute__((noinline)) static int look_at(struct todo *todo, const char *path) {
    struct stat is;
    if (lstat(path, &is) != 0) return complain(path, errno);
    if (!S_ISDIR(is.st_mode)) return (int)(is.st_mode & S_IFMT);
    DIR *open = opendir(path);
    if (!open) return complain(path, errno);
    int code = add_entries(todo, open, path);
    closedir(open);
    return code == GMP_OK ? S_IFDIR : code;
}

static int walk(void *arg) {
    struct job *job = arg;
    struct todo todo = {NULL, 0, 0};
    int code = GMP_OK;
    for (char **root = job->roots; *root && code == GMP_OK; root++) code = add(&todo, strdup(*root));
    while (todo.count > 0) {
        char *path = todo.path[--todo.count];
        if (code == GMP_OK) code = look_at(&todo, path);
        if (code == S_IFREG) {
            code = gmp_chan_send(job->paths, &path, GMP_FOREVER);
            if (code == GMP_OK) continue; /* it is the receiver's now */
        } else if (code > 0) {
            code = GMP_OK;
        }
        free(path);
    }
    free(todo.path);
    gmp_chan_close(job->paths); /* what is in it still comes out */
    return code;
}

/* ------------------------------------------------------------ the second stage: counts */

/* One system call that may block. It runs in gmp_blocking_call, so that the processor goes on with another task, and
 * gives errno back as a value: the task may be on another thread afterwards. */
struct call {
    const char *path;
    int fd, error;
    ssize_t n;
    char buffer[CHUNK];
};

static void *open_file(void *arg) {
    struct call *call = arg;
    call->fd = open(call->path, O_RDONLY | O_CLOEXEC);
    call->error = call->fd < 0 ? errno : 0;
    return NULL;
}

static void *read_chunk(void *arg) {
    struct call *call = arg;
    do {
        call->n = read(call->fd, call->buffer, CHUNK);
    } while (call->n < 0 && errno == EINTR);
    call->error = call->n < 0 ? errno : 0;
    return NULL;
}

static void count_chunk(const struct call *call, struct counts *counts, int *in_word) {
    counts->bytes += call->n;
    for (ssize_t i = 0; i < call->n; i++) {
        char c = call->buffer[i];
        int space = c == ' ' || (c >= '\t' && c <= '\r');
        counts->lines += c == '\n';
        counts->words += !space && !*in_word;
        *in_word = !space;
    }
}

static int count_file(const char *path, struct counts *counts) {
    struct call call = {.path = path};
    int in_word = 0;
    int code = gmp_blocking_call(open_file, &call, NULL);
    if (code != GMP_OK) return code;
    if (call.error) return complain(path, call.error);
    counts->files = 1;
    do {
        code = gmp_blocking_call(read_chunk, &call, NULL);
        if (code == GMP_OK && call.error) code = complain(path, call.error);
        if (code == GMP_OK) code = gmp_checkpoint();
        if (code == GMP_OK) count_chunk(&call, counts, &in_word);
    } while (code == GMP_OK && call.n > 0);
    close(call.fd);
    return code;
}

static int count_all(void *arg) {
    struct job *job = arg;
    char *path;
    int code;
    while ((code = gmp_chan_recv(job->paths, &path, GMP_FOREVER)) == GMP_OK) {
        struct counts counts = {0, 0, 0, 0};
        code = count_file(path, &counts);
        free(path);
        if (code == GMP_OK) code = gmp_chan_send(job->results, &counts, GMP_FOREVER);
        if (code != GMP_OK) break;
    }
    if (atomic_fetch_sub(&job->counting, 1) == 1) gmp_chan_close(job->results);
    return code == GMP_ECLOSED ? GMP_OK : code;
}

/* ------------------------------------------------------------ the third stage: the sum */
static int run_stages(struct job *job, gmp_ctx_t *ctx) {
    struct counts one;
    gmp_group_t *group;
    int code = gmp_group_new(ctx, &group);
    if (code != GMP_OK) return code;
    code = gmp_group_go(group, walk, job);
    atomic_store(&job->counting, job->counters);
    for (int i = 0; i < job->counters && code == GMP_OK; i++) code = gmp_group_go(group, count_all, job);
    if (code != GMP_OK) gmp_ctx_cancel(ctx);
    while (code == GMP_OK && (code = gmp_chan_recv(job->results, &one, GMP_FOREVER)) == GMP_OK) {
        job->total.files += one.files;
        job->total.lines += one.lines;
        job->total.words += one.words;
        job->total.bytes += one.bytes;
    }
    int first = gmp_group_wait(group, GMP_FOREVER); /* what failed first, if anything */
    if (first != GMP_OK) return first;
    return code == GMP_ECLOSED ? GMP_OK : code;
}

static void run(void *arg) {
    struct job *job = arg;
    gmp_ctx_t *ctx = NULL;
    char *left;
    job->result = gmp_ctx_new(NULL, job->deadline, &ctx);
    if (job->result == GMP_OK) job->result = gmp_chan_new(sizeof(char *), (size_t)job->counters, &job->paths);
    if (job->result == GMP_OK) job->result = gmp_chan_new(sizeof(struct counts), (size_t)job->counters, &job->results);
    if (job->result == GMP_OK) job->result = run_stages(job, ctx);
    if (job->result == GMP_ECANCELED && gmp_ctx_err(ctx) != GMP_OK) job->result = gmp_ctx_err(ctx); /* the time limit */
    while (job->paths && gmp_chan_recv(job->paths, &left, GMP_NOWAIT) == GMP_OK) free(left);
    gmp_chan_free(job->paths);
    gmp_chan_free(job->results);
    gmp_ctx_free(ctx);
}

int main(int argc, char **argv) {
    struct job job = {.counters = 2 * gmp_num_cpu(), .deadline = GMP_FOREVER};
    for (int option; (option = getopt(argc, argv, "t:n:")) != -1;) {
        if (option == 't') job.deadline = gmp_after_ns(atoll(optarg) * 1000000);
        else if (option == 'n') job.counters = atoi(optarg);
        else return 2;
    }
    if (optind == argc || job.counters < 1) {
        fprintf(stderr, "usage: pipeline [-t MILLISECONDS] [-n COUNTERS] PATH...\n");
        return 2;
    }
    job.roots = argv + optind;
    int code = gmp_run(run, &job);
    if (code == GMP_OK) code = job.result;
    if (code != GMP_OK) {
        fprintf(stderr, "pipeline: %s\n", gmp_strerror(code));
    } else {
        printf("%lld files, %lld lines, %lld words, %lld bytes\n", job.total.files, job.total.lines, job.total.words,
               job.total.bytes);
    }
    return gmp_shutdown(GMP_FOREVER) == GMP_OK && code == GMP_OK ? 0 : 1;
}
