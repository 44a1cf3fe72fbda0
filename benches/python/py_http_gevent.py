"""py_http: http.server's handler, a greenlet for each connection: gevent's StreamServer and sockets."""

import http.server

from frame import Frame, Page, told
from gevent.server import StreamServer

frame = Frame("py_http", "gevent")


class Handler(Page, http.server.BaseHTTPRequestHandler):
    pass


server = StreamServer(("127.0.0.1", 0), lambda sock, address: Handler(sock, address, None), backlog=1024)
server.start()
told(server.server_port)
server.serve_forever()
