/* TLS echo with OpenSSL: a server with one task a connection, and a client to try it with.
 *
 *     tls_echo [--port PORT]                     prints "port N" and "fingerprint HEX" (of its certificate) once it listens
 *     tls_echo --connect HOST:PORT --fingerprint HEX [--clients N] [--messages N]
 *
 * OpenSSL's calls look blocking, and are: they wait in the two functions of a BIO, which wait in gmp_recv and gmp_send, so
 * the task parks in the midst of SSL_read and its thread goes on with another one. The server makes its certificate anew at
 * each start, in memory; who connects names the fingerprint of the one that it expects.
 *
 * What to mind: a task may come out of such a call on another thread than it went in on, and OpenSSL's queue of errors
 * belongs to the thread. So nothing here asks the queue, and hence SSL_get_error, what happened. The wire keeps its own
 * code, and SSL_get_shutdown, which is the connection's, tells whether the other side has ended it.
 *
 *     cc tls_echo.c -lgmp -lssl -lcrypto && ./a.out --port 7443
 */
#include <gmprt.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECONDS(n) ((int64_t)(n) * 1000000000)
enum { CHUNK = 16 * 1024, FINGERPRINT = 32 };

static int must(int code, const char *what) {
    if (code >= 0) return code;
    fprintf(stderr, "tls_echo: %s: %s\n", what, gmp_strerror(code));
    exit(1);
}

static void must_ssl(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "tls_echo: OpenSSL refuses: %s\n", what);
    exit(1);
}

/* ------------------------------------------------------------ the BIO */
struct wire {
    int fd;
    gmp_time_t deadline; /* of the call under way */
    int code;            /* what the wire failed with; 0 as long as it has not */
    int ended;           /* the other side sends no more */
};

static BIO_METHOD *wire_method;

static int wire_read(BIO *bio, char *buffer, int n) {
    struct wire *wire = BIO_get_data(bio);
    ssize_t got = gmp_recv(wire->fd, buffer, (size_t)n, 0, wire->deadline);
    wire->ended = got == 0;
    if (got < 0) wire->code = (int)got;
    return got < 0 ? -1 : (int)got;
}

static int wire_write(BIO *bio, const char *buffer, int n) {
    struct wire *wire = BIO_get_data(bio);
    ssize_t sent = gmp_send(wire->fd, buffer, (size_t)n, 0, wire->deadline);
    if (sent < 0) wire->code = (int)sent;
    return sent < 0 ? -1 : (int)sent;
}

static long wire_control(BIO *bio, int command, long number, void *place) {
    struct wire *wire = BIO_get_data(bio);
    (void)number;
    (void)place;
    if (command == BIO_CTRL_EOF) return wire->ended;
    return command == BIO_CTRL_FLUSH; /* nothing is kept back */
}

static void wire_init(void) {
    wire_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gmp");
    must_ssl(wire_method && BIO_meth_set_read(wire_method, wire_read) && BIO_meth_set_write(wire_method, wire_write) &&
                 BIO_meth_set_ctrl(wire_method, wire_control),
             "a BIO");
}

/* A connection over the wire, which stays the caller's. NULL: no memory. */
static SSL *connection(SSL_CTX *context, struct wire *wire) {
    SSL *ssl = SSL_new(context);
    BIO *bio = ssl ? BIO_new(wire_method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

/* Says goodbye and frees. What went wrong is left in the thread's queue, where it would mislead nobody here; still. */
static void hang_up(SSL *ssl, struct wire *wire) {
    wire->deadline = gmp_after_ns(SECONDS(1));
    if (ssl && wire->code == 0 && SSL_is_init_finished(ssl)) SSL_shutdown(ssl);
    SSL_free(ssl);
    ERR_clear_error();
    gmp_close_fd(wire->fd);
}

/* ------------------------------------------------------------ the server */
static SSL_CTX *server_context;

static void fingerprint_of(const X509 *certificate, unsigned char out[FINGERPRINT]) {
    unsigned n = FINGERPRINT;
    must_ssl(X509_digest(certificate, EVP_sha256(), out, &n) && n == FINGERPRINT, "a fingerprint");
}

/* A certificate of our own, signed by itself, for 30 days. */
static X509 *certificate_for(EVP_PKEY *key) {
    X509 *made = X509_new();
    uint64_t serial;
    must_ssl(made && RAND_bytes((unsigned char *)&serial, sizeof serial) == 1, "a certificate");
    must_ssl(X509_set_version(made, 2) && ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1), "its number");
    must_ssl(X509_gmtime_adj(X509_getm_notBefore(made), -3600) && X509_gmtime_adj(X509_getm_notAfter(made), 30 * 86400), "its time");
    X509_NAME *name = X509_get_subject_name(made);
    must_ssl(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0) &&
                 X509_set_issuer_name(made, name) && X509_set_pubkey(made, key),
             "its name");
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    must_ssl(names && X509_add_ext(made, names, -1) && X509_sign(made, key, EVP_sha256()), "its signature");
    X509_EXTENSION_free(names);
    return made;
}

static void server_init(void) {
    unsigned char print[FINGERPRINT];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    must_ssl(key != NULL, "a key");
    X509 *certificate = certificate_for(key);
    server_context = SSL_CTX_new(TLS_server_method());
    must_ssl(server_context && SSL_CTX_set_min_proto_version(server_context, TLS1_2_VERSION) &&
                 SSL_CTX_use_certificate(server_context, certificate) && SSL_CTX_use_PrivateKey(server_context, key),
             "a context");
    /* Sessions for resumption are tickets, which the clients keep. */
    SSL_CTX_set_session_cache_mode(server_context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(server_context, SSL_MODE_RELEASE_BUFFERS);
    fingerprint_of(certificate, print);
    printf("fingerprint ");
    for (int i = 0; i < FINGERPRINT; i++) printf("%02x", print[i]);
    printf("\n");
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void serve(void *arg) {
    struct wire wire = {.fd = (int)(intptr_t)arg, .deadline = gmp_after_ns(SECONDS(30))};
    SSL *ssl = connection(server_context, &wire);
    if (ssl && SSL_accept(ssl) == 1) {
        char buffer[CHUNK];
        int n;
        do {
            wire.deadline = gmp_after_ns(SECONDS(300));
            n = SSL_read(ssl, buffer, sizeof buffer);
        } while (n > 0 && SSL_write(ssl, buffer, n) == n);
    }
    hang_up(ssl, &wire);
}

static void accept_all(void *arg) {
    int listener = *(int *)arg;
    for (;;) {
        int fd = gmp_accept(listener, NULL, NULL, GMP_FOREVER);
        if (fd >= 0) {
            if (gmp_go(serve, (void *)(intptr_t)fd) != GMP_OK) gmp_close_fd(fd);
        } else {
            fprintf(stderr, "tls_echo: accept: %s\n", gmp_strerror(fd));
            gmp_sleep(100 * 1000000); /* out of descriptors or memory, which passes */
        }
    }
}

/* ------------------------------------------------------------ the client */
struct client {
    const char *address;
    SSL_CTX *context;
    unsigned char expected[FINGERPRINT];
    int clients, messages;
    atomic_llong echoed; /* bytes */
    atomic_int failed;
};

static const char *ended(const SSL *ssl, const struct wire *wire) {
    if (wire->code) return gmp_strerror(wire->code);
    return SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN ? "the server has ended it" : "the reply is cut off";
}

/* NULL, or what went wrong. */
static const char *exchange(struct client *job, SSL *ssl, struct wire *wire) {
    unsigned char sent[2 * CHUNK], back[2 * CHUNK], print[FINGERPRINT];
    if (SSL_connect(ssl) != 1) return wire->code ? gmp_strerror(wire->code) : "no handshake";
    X509 *shown = SSL_get1_peer_certificate(ssl);
    if (!shown) return "the server shows no certificate";
    fingerprint_of(shown, print);
    X509_free(shown);
    if (memcmp(print, job->expected, FINGERPRINT) != 0) return "this is not the server that was meant";
    for (int i = 0; i < job->messages; i++) {
        int length = 1 + (i * 7919) % (int)sizeof sent, have = 0;
        if (RAND_bytes(sent, length) != 1) return "no random bytes";
        wire->deadline = gmp_after_ns(SECONDS(60));
        if (SSL_write(ssl, sent, length) != length) return wire->code ? gmp_strerror(wire->code) : "cannot write";
        while (have < length) {
            int n = SSL_read(ssl, back + have, (int)sizeof back - have);
            if (n <= 0) return ended(ssl, wire);
            have += n;
        }
        if (have != length || memcmp(sent, back, (size_t)length) != 0) return "the echo differs";
        atomic_fetch_add(&job->echoed, length);
    }
    return NULL;
}

static void call(void *arg) {
    struct client *job = arg;
    struct wire wire = {.fd = -1, .deadline = gmp_after_ns(SECONDS(60))};
    const char *wrong = "no memory";
    wire.fd = gmp_dial("tcp", job->address, wire.deadline);
    if (wire.fd < 0) {
        wrong = gmp_strerror(wire.fd);
    } else {
        SSL *ssl = connection(job->context, &wire);
        if (ssl) wrong = exchange(job, ssl, &wire);
        hang_up(ssl, &wire);
    }
    if (!wrong) return;
    fprintf(stderr, "tls_echo: %s: %s\n", job->address, wrong);
    atomic_fetch_add(&job->failed, 1);
}

static void call_all(void *arg) {
    struct client *job = arg;
    gmp_wg_t calls = {{0, 0}};
    for (int i = 0; i < job->clients; i++) must(gmp_wg_go(&calls, call, job), "a task");
    must(gmp_wg_wait(&calls, GMP_FOREVER), "wait");
}

static int run_client(struct client *job) {
    /* Whom we trust is a fingerprint, and no authority. */
    job->context = SSL_CTX_new(TLS_client_method());
    must_ssl(job->context && SSL_CTX_set_min_proto_version(job->context, TLS1_2_VERSION), "a context");
    SSL_CTX_set_verify(job->context, SSL_VERIFY_NONE, NULL);
    must(gmp_run(call_all, job), "run");
    SSL_CTX_free(job->context);
    must(gmp_shutdown(GMP_FOREVER), "shutdown");
    if (atomic_load(&job->failed) > 0) return 1;
    printf("%d clients, %d messages each, %lld bytes echoed\n", job->clients, job->messages, atomic_load(&job->echoed));
    return 0;
}

/* ------------------------------------------------------------ */
static int parse_fingerprint(const char *text, unsigned char out[FINGERPRINT]) {
    if (strlen(text) != 2 * FINGERPRINT || strspn(text, "0123456789abcdefABCDEF") != 2 * FINGERPRINT) return 0;
    for (int i = 0; i < FINGERPRINT; i++) sscanf(text + 2 * i, "%2hhx", &out[i]);
    return 1;
}

static int port_of(int fd) {
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &length) != 0) return -1;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"port", 1, NULL, 'p'},    {"connect", 1, NULL, 'c'},  {"fingerprint", 1, NULL, 'f'},
                                            {"clients", 1, NULL, 'n'}, {"messages", 1, NULL, 'm'}, {NULL, 0, NULL, 0}};
    static struct client job = {.clients = 1, .messages = 10};
    const char *port = "0";
    int known = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'p') port = optarg;
        else if (option == 'c') job.address = optarg;
        else if (option == 'f') known = parse_fingerprint(optarg, job.expected);
        else if (option == 'n') job.clients = atoi(optarg);
        else if (option == 'm') job.messages = atoi(optarg);
        else return 2;
    }
    if (optind < argc || (job.address && !known) || job.clients < 1 || job.messages < 0) {
        fprintf(stderr, "usage: tls_echo [--port PORT] | --connect HOST:PORT --fingerprint HEX [--clients N] [--messages N]\n");
        return 2;
    }
    wire_init();
    if (job.address) return run_client(&job);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", port);
    int listener = must(gmp_listen("tcp", address), address);
    printf("port %d\n", port_of(listener));
    server_init();
    fflush(stdout);
    must(gmp_run(accept_all, &listener), "run");
    return 0;
}
