#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
int gmp_connect(int, const struct sockaddr *, socklen_t, int64_t);
static int parse(const char *n, const char *a, struct sockaddr_storage *s, socklen_t *l)
{
    memset(s, 0, sizeof *s);
    if (!strcmp(n, "unix")) { struct sockaddr_un *u = (void *)s; u->sun_family = AF_UNIX; strcpy(u->sun_path, a); *l = sizeof *u; return 0; }
    struct sockaddr_in *in = (void *)s; char h[64]; const char *c = strrchr(a, ':');
    if (strcmp(n, "tcp") || !c) return -EINVAL;
    memcpy(h, a, c - a); h[c - a] = 0; in->sin_family = AF_INET; in->sin_port = htons(atoi(c + 1));
    if (!strcmp(h, "localhost")) strcpy(h, "127.0.0.1");
    if (inet_pton(AF_INET, h, &in->sin_addr) != 1) return -ENOENT;
    *l = sizeof *in; return 0;
}
__attribute__((weak)) int gmp_dial(const char *n, const char *a, int64_t d)
{
    struct sockaddr_storage s; socklen_t l; int r = parse(n, a, &s, &l); if (r) return r;
    int fd = socket(s.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = gmp_connect(fd, (void *)&s, l, d); return r ? r : fd;
}
__attribute__((weak)) int gmp_listen(const char *n, const char *a)
{
    struct sockaddr_storage s; socklen_t l; int r = parse(n, a, &s, &l); if (r) return r;
    int one = 1, fd = socket(s.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    if (bind(fd, (void *)&s, l) || listen(fd, 4096)) return -errno;
    return fd;
}
