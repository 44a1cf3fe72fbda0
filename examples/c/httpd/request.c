/* The parser's glue: llhttp's callbacks, and which status says what is wrong.
 *
 * llhttp calls back in pieces that follow the pieces it was fed. A place is therefore kept as where its first piece began
 * and how long it is so far. A header's value that goes on elsewhere than where it stopped was folded over two lines,
 * which RFC 9112 has done away with: refused.
 */
#include "request.h"

#include <string.h>

static struct request *of(llhttp_t *parser) { return parser->data; }

/* Ends the parse: the callback's own status is kept, the parser's is not looked at. */
static int refuse(struct request *request, int status) {
    request->refused = (uint16_t)status;
    return -1;
}

/* False if the piece does not follow what is there. */
static bool grow(struct request *request, struct span *span, const char *piece, size_t length) {
    uint32_t at = (uint32_t)(piece - request->base);
    if (span->length == 0) span->at = at;
    if (span->at + span->length != at) return false;
    span->length += (uint32_t)length;
    return true;
}

/* With the status of what cannot be read: of a line that is both too long and wrong a piece may come first, or the fault. */
static int count_extra(struct request *request, size_t length) {
    if (length > request->limits->head - request->extra) return refuse(request, 400);
    request->extra += (uint32_t)length;
    return 0;
}

static int on_url(llhttp_t *parser, const char *piece, size_t length) {
    struct request *request = of(parser);
    return grow(request, &request->target, piece, length) ? 0 : refuse(request, 400);
}

static int on_url_complete(llhttp_t *parser) {
    of(parser)->named = true;
    return 0;
}

static int on_field(llhttp_t *parser, const char *piece, size_t length) {
    struct request *request = of(parser);
    if (request->headed) return count_extra(request, length);
    return grow(request, &request->field, piece, length) ? 0 : refuse(request, 400);
}

static int on_value(llhttp_t *parser, const char *piece, size_t length) {
    struct request *request = of(parser);
    if (request->headed) return count_extra(request, length);
    return length == 0 || grow(request, &request->value, piece, length) ? 0 : refuse(request, 400);
}

static int on_extension(llhttp_t *parser, const char *piece, size_t length) {
    (void)piece;
    return count_extra(of(parser), length);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static bool same_letters(const char *text, const char *small, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + ('a' - 'A'));
        if (c != small[i]) return false;
    }
    return true;
}

/* What llhttp has not looked at itself: it sees to Connection, Content-Length, Transfer-Encoding and Upgrade. */
static int on_value_complete(llhttp_t *parser) {
    struct request *request = of(parser);
    if (request->headed) return 0;
    const char *name = request->base + request->field.at;
    struct span value = request->value;
    while (value.length > 0 && is_blank(request->base[value.at + value.length - 1])) value.length--;
    switch (request->field.length) {
    case 4:
        if (same_letters(name, "host", 4) && ++request->hosts > 1) return refuse(request, 400);
        break;
    case 6:
        if (same_letters(name, "expect", 6)) {
            if (value.length != 12 || !same_letters(request->base + value.at, "100-continue", 12)) return refuse(request, 417);
            request->expects = true;
        }
        break;
    case 17:
        if (same_letters(name, "if-modified-since", 17)) request->since = value;
        break;
    default: break;
    }
    request->field = request->value = (struct span){0, 0};
    return 0;
}

/* llhttp reads RTSP and ICE as well. */
static bool speaks_http(const struct request *request) {
    const char *after = request->base + request->target.at + request->target.length;
    while (*after == ' ') after++;
    return memcmp(after, "HTTP/", 5) == 0; /* the line was read to its end: there are so many bytes */
}

static int on_headers_complete(llhttp_t *parser) {
    struct request *request = of(parser);
    bool chunked = (parser->flags & F_TRANSFER_ENCODING) != 0;
    request->headed = true;
    if (parser->http_major != 1) return refuse(request, 505);
    if (!speaks_http(request)) return refuse(request, 400);
    if (parser->http_minor > 0 && request->hosts == 0) return refuse(request, 400);
    if (parser->http_minor == 0 && chunked) return refuse(request, 400);
    if (parser->content_length > request->limits->body) return refuse(request, 413);
    if (parser->http_minor == 0 || (!chunked && parser->content_length == 0)) request->expects = false;
    parser->upgrade = 0; /* no other protocol is spoken here: the request is read as any other */
    return 0;
}

static int on_body(llhttp_t *parser, const char *piece, size_t length) {
    struct request *request = of(parser);
    struct body *body = &request->body;
    if (length > request->limits->body - body->bytes) return refuse(request, 413);
    body->bytes += length;
    for (size_t i = 0; i < length; i++) {
        char c = piece[i];
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        body->lines += c == '\n';
        body->words += !space && !body->in_word;
        body->in_word = !space;
    }
    return 0;
}

static int on_complete(llhttp_t *parser) {
    struct request *request = of(parser);
    request->complete = true;
    request->keep_alive = llhttp_should_keep_alive(parser);
    return HPE_PAUSED;
}

static const llhttp_settings_t SETTINGS = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

static void forget(struct request *request) {
    size_t from = offsetof(struct request, taken);
    memset((char *)request + from, 0, sizeof *request - from);
}

void request_init(struct request *request, const struct request_limits *limits) {
    llhttp_init(&request->parser, HTTP_REQUEST, &SETTINGS);
    request->parser.data = request;
    request->limits = limits;
    forget(request);
}

void request_next(struct request *request) {
    llhttp_resume(&request->parser);
    forget(request);
}

/* For what the parser itself refused. */
static int status_of(const struct request *request, llhttp_errno_t error) {
    const char *first = request->base;
    switch (error) {
    case HPE_INVALID_VERSION:
    case HPE_PAUSED_H2_UPGRADE: return 505;
    case HPE_INVALID_TRANSFER_ENCODING: return 501;
    case HPE_INVALID_METHOD:
        while (*first == '\r' || *first == '\n') first++;
        return *first >= 'A' && *first <= 'Z' ? 501 : 400; /* a method that nobody knows; or no HTTP at all */
    default: return 400;
    }
}

enum request_state request_feed(struct request *request, const char *base, size_t *from, size_t to) {
    request->base = base;
    while (*from < to) {
        size_t length = to - *from;
        if (!request->headed) {
            /* The head is fed up to its limit and no further, so that what is too long does not depend on the pieces. */
            uint32_t left = request->limits->head - request->taken;
            if (left == 0) {
                request->refused = request->named ? 431 : 414;
                return REQUEST_BAD;
            }
            if (length > left) length = left;
            request->taken += (uint32_t)length;
        }
        llhttp_errno_t error = llhttp_execute(&request->parser, base + *from, length);
        if (error == HPE_PAUSED && request->complete) {
            *from = (size_t)(llhttp_get_error_pos(&request->parser) - base);
            return REQUEST_DONE;
        }
        if (error != HPE_OK) {
            if (request->refused == 0) request->refused = (uint16_t)status_of(request, error);
            return REQUEST_BAD;
        }
        *from += length;
    }
    return REQUEST_MORE;
}
