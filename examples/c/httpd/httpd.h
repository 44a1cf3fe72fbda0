/* httpd's parts, and what they share. */
#ifndef HTTPD_H
#define HTTPD_H
#include <gmprt.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "request.h"

/* ------------------------------------------------------------ the server (httpd.c) */
struct server {
    int root; /* the directory that is served */
    struct request_limits limits;
    int64_t idle_ns;    /* without a request, then the connection is closed */
    int64_t request_ns; /* from a request's second read to its end, however slowly it trickles */
    int64_t send_ns;    /* for what is sent at once, at most SEND_AT_ONCE */
    int64_t grace_ns;   /* for the requests under way when the server is told to stop */
    gmp_sem_t slots;    /* connections that may still be made */
    gmp_wg_t open;      /* connections that there are */
    atomic_bool stopping;
    atomic_uint_least64_t connections, requests;
    atomic_int_least64_t open_now, resting;
};
extern struct server server;

/* ------------------------------------------------------------ a response (response.c) */
enum {
    OUTPUT = 16 * 1024,           /* responses are gathered here and go out in one send */
    HEAD_MOST = 512,              /* more than any head that is written here */
    PATH_ROOM = 1024,
    ANSWER_MOST = HEAD_MOST + 3 * PATH_ROOM, /* of an answer that is no file: a path, each byte of it encoded, is the longest */
    SMALL_FILE = 12 * 1024,       /* goes through the output; larger ones by gmp_sendfile */
    SEND_AT_ONCE = 256 * 1024,
};

enum { DATE = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct output {
    size_t used;
    time_t now; /* the second that `date` says: written anew when it is another */
    char date[DATE];
    char bytes[OUTPUT];
};

struct head {
    int status;
    const char *type;     /* NULL: none */
    int64_t length;       /* -1: none is said (304) */
    time_t modified;      /* 0: none is said */
    const char *location; /* NULL: none; short enough for PATH_ROOM, percent-encoded here */
    const char *allow;    /* NULL: none */
    bool close;
    bool old;             /* HTTP/1.0: keeping the connection is said */
};

/* There is room for ANSWER_MOST. */
void put_head(struct output *output, const struct head *head);
void put(struct output *output, const char *bytes, size_t length);
void put_text(struct output *output, const char *text);
void put_number(struct output *output, uint64_t number);
void put_json_text(struct output *output, const char *text);
/* A head and a line of text that says the status. */
void put_refusal(struct output *output, int status, const char *allow, bool close, bool old, bool without_body);

/* ------------------------------------------------------------ dates (date.c) */
void date_write(time_t time, char date[DATE]);
bool date_read(const char *text, size_t length, time_t *time_out);

/* ------------------------------------------------------------ what a request is answered with */
struct exchange {
    const struct request *request;
    const char *path;
    const char *query;
    size_t query_length;
    struct span since; /* and where it lies */
    const char *since_text;
    struct output *output;
    bool head_only, close, old;
    int file;     /* a file whose bytes follow what is in the output; else -1 */
    off_t length; /* how many */
};

/* files.c: a file below the root. */
void answer_file(struct exchange *exchange);
/* api.c: false if the path is none of its. */
bool answer_api(struct exchange *exchange);

/* ------------------------------------------------------------ memory (memory.c) */
/* NULL: there is none. What is in it is anything. */
void *memory_take(size_t size);
void memory_give(void *memory, size_t size);

/* ------------------------------------------------------------ a connection (connection.c) */
/* A task's function; `arg` is the descriptor. */
void connection_run(void *arg);
#endif
