"""py_wsgi: wsgiref, a thread for each connection, which is kept: its own handler would close it."""

import socketserver
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

from frame import Frame, application, told

frame = Frame("py_wsgi", "threads")


class Answer(ServerHandler):
    http_version = "1.1"

    def close(self) -> None:
        super(ServerHandler, self).close()  # without a line in a log


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.close_connection = False
        while not self.close_connection:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                return
            answer = Answer(self.rfile, self.wfile, self.get_stderr(), self.get_environ(), multithread=True)
            answer.request_handler = self
            answer.run(self.server.get_app())


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 1024


server = Server(("127.0.0.1", 0), Handler)
server.set_app(application)
told(server.server_port)
server.serve_forever()
