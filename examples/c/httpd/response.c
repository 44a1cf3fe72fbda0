/* Writes responses into a connection's output.
 *
 * Always true: whoever puts something has made sure of the room (HEAD_MOST and what it adds); what would not fit all the same
 * is cut off and never written past the end.
 */
#include "httpd.h"

#include <string.h>

void put(struct output *output, const char *bytes, size_t length) {
    size_t left = sizeof output->bytes - output->used;
    if (length > left) length = left;
    memcpy(output->bytes + output->used, bytes, length);
    output->used += length;
}

void put_text(struct output *output, const char *text) { put(output, text, strlen(text)); }

/* Of a text between quotes the length is known when this is compiled. */
#define PUT(output, text) put(output, text, sizeof text - 1)

void put_number(struct output *output, uint64_t number) {
    char digits[20];
    size_t n = sizeof digits;
    do digits[--n] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    put(output, digits + n, sizeof digits - n);
}

void put_json_text(struct output *output, const char *text) {
    static const char HEX[] = "0123456789abcdef";
    PUT(output, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            char pair[2] = {'\\', (char)c};
            put(output, pair, 2);
        } else if (c < 0x20 || c >= 0x7f) {
            /* Bytes that are no ASCII are told one by one: whether they are UTF-8 nobody has said. */
            char code[6] = {'\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15]};
            put(output, code, 6);
        } else {
            put(output, text, 1);
        }
    }
    PUT(output, "\"");
}

static const char *reason(int status) {
    switch (status) {
    case 200: return "200 OK";
    case 301: return "301 Moved Permanently";
    case 304: return "304 Not Modified";
    case 400: return "400 Bad Request";
    case 403: return "403 Forbidden";
    case 404: return "404 Not Found";
    case 405: return "405 Method Not Allowed";
    case 408: return "408 Request Timeout";
    case 413: return "413 Content Too Large";
    case 414: return "414 URI Too Long";
    case 417: return "417 Expectation Failed";
    case 431: return "431 Request Header Fields Too Large";
    case 501: return "501 Not Implemented";
    case 503: return "503 Service Unavailable";
    case 505: return "505 HTTP Version Not Supported";
    default: return "500 Internal Server Error";
    }
}

static void put_location(struct output *output, const char *path) {
    static const char HEX[] = "0123456789ABCDEF";
    PUT(output, "\r\nLocation: ");
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~/", c)) {
            put(output, path, 1);
        } else {
            char code[3] = {'%', HEX[c >> 4], HEX[c & 15]};
            put(output, code, 3);
        }
    }
}

void put_head(struct output *output, const struct head *head) {
    time_t now = time(NULL);
    if (now != output->now) {
        output->now = now;
        date_write(now, output->date);
    }
    if (head->status == 200) {
        PUT(output, "HTTP/1.1 200 OK\r\nDate: ");
    } else {
        PUT(output, "HTTP/1.1 ");
        put_text(output, reason(head->status));
        PUT(output, "\r\nDate: ");
    }
    put(output, output->date, DATE);
    if (head->type) {
        PUT(output, "\r\nContent-Type: ");
        put_text(output, head->type);
    }
    if (head->length >= 0) {
        PUT(output, "\r\nContent-Length: ");
        put_number(output, (uint64_t)head->length);
    }
    if (head->modified) {
        char date[DATE];
        date_write(head->modified, date);
        PUT(output, "\r\nLast-Modified: ");
        put(output, date, DATE);
    }
    if (head->location) put_location(output, head->location);
    if (head->allow) {
        PUT(output, "\r\nAllow: ");
        put_text(output, head->allow);
    }
    if (head->close) {
        PUT(output, "\r\nConnection: close");
    } else if (head->old) {
        PUT(output, "\r\nConnection: keep-alive");
    }
    PUT(output, "\r\n\r\n");
}

void put_refusal(struct output *output, int status, const char *allow, bool close, bool old, bool without_body) {
    const char *text = reason(status);
    struct head head = {
        .status = status, .type = "text/plain", .length = (int64_t)strlen(text) + 1, .allow = allow, .close = close, .old = old};
    put_head(output, &head);
    if (without_body) return;
    put_text(output, text);
    PUT(output, "\n");
}
