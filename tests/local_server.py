"""A server of this machine that runs for as long as a test looks at it."""

import threading
from contextlib import contextmanager


@contextmanager
def running(server):
    """The server, answering from a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
