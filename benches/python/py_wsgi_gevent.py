"""py_wsgi: gevent's pywsgi, without its log of requests."""

from frame import Frame, application, told
from gevent.pywsgi import WSGIServer

frame = Frame("py_wsgi", "gevent")
server = WSGIServer(("127.0.0.1", 0), application, log=None, backlog=1024)
server.start()
told(server.server_port)
server.serve_forever()
