"""py_http: http.server's ThreadingHTTPServer, a thread for each connection."""

import http.server

from frame import Frame, Page, told

frame = Frame("py_http", "threads")


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


server = Server(("127.0.0.1", 0), type("Handler", (Page, http.server.BaseHTTPRequestHandler), {}))
told(server.server_port)
server.serve_forever()
