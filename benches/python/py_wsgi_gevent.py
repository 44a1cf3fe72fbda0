"""py_wsgi: gevent's pywsgi, without its log of requests, and with TCP_NODELAY: else head and body wait for each other."""

import socket

from frame import Frame, application, told
from gevent.pywsgi import WSGIHandler, WSGIServer

frame = Frame("py_wsgi", "gevent")


class Handler(WSGIHandler):
    def __init__(self, sock: socket.socket, address: object, server: WSGIServer) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, address, server)


server = WSGIServer(("127.0.0.1", 0), application, log=None, handler_class=Handler, backlog=1024)
server.start()
told(server.server_port)
server.serve_forever()
