"""A small server that speaks OpenAI's API on this machine, with failures that are planted.

A deterministic "model": what it says follows from the messages and the seed. It writes down every
request that it answered well.
"""

import hashlib
import json
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local_server import running

KEY = "sk-planted-secret-1234"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.plan = deque()  # what becomes of the next requests; empty: they are answered
        self.answered = Counter()
        self.requests = []
        self.headers = []
        self.under_way = self.most_at_once = 0
        self.guard = threading.Lock()
        self.key = None
        self.says = told
        self.slow = 0.0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def told(body):
    """What the model says to a request."""
    digest = hashlib.sha256(json.dumps(body.get("messages") or body["prompt"]).encode()).hexdigest()
    return f"said {digest[:8]} {body['seed']}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.guard:
            server.under_way += 1
            server.most_at_once = max(server.most_at_once, server.under_way)
            server.requests.append((self.path, body))
            server.headers.append(dict(self.headers))
            fate = server.plan.popleft() if server.plan else None
        try:
            time.sleep(server.slow)
            self._answer(body, fate)
        finally:
            with server.guard:
                server.under_way -= 1

    def _answer(self, body, fate):
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            return self._send(
                401, {"error": {"message": f"wrong key {self.headers.get('Authorization')}"}}
            )
        if isinstance(fate, tuple):  # status, headers
            return self._send(fate[0], {"error": {"message": "planted"}}, fate[1])
        if isinstance(fate, int):
            return self._send(fate, {"error": {"message": "planted"}})
        if fate == "hang":
            time.sleep(1.5)
            self.close_connection = True
            return None
        text = self.server.says(body)
        whole = self._body(body, text)
        if fate == "cut":  # the promised length, half of the JSON
            return self._raw(200, json.dumps(whole).encode()[:-20])
        if fate == "drop":  # more is promised than comes
            data = json.dumps(whole).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:10])
            self.close_connection = True
            return None
        if fate == "empty":
            return self._send(200, {"choices": []})
        with self.server.guard:
            self.server.answered[json.dumps(body, sort_keys=True)] += 1
        return self._send(200, whole)

    def _body(self, body, text):
        words = body.get("top_logprobs") or body.get("logprobs")
        choice = {"index": 0, "finish_reason": "stop"}
        listed = [("A", -0.2), (" B", -1.8), ("the", -5.0)]
        if self.path.endswith("/chat/completions"):
            choice["message"] = {"role": "assistant", "content": text}
            if words:
                top = [{"token": token, "logprob": value} for token, value in listed]
                choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        else:
            choice["text"] = " " + text
            if words:
                choice["logprobs"] = {"top_logprobs": [dict(listed)]}
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        return {"id": "x", "model": body["model"], "choices": [choice], "usage": usage}

    def _send(self, status, value, headers=None):
        self._raw(status, json.dumps(value).encode(), headers)

    def _raw(self, status, data, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serving(port=0):
    """A server that runs, on a port of its own unless one is named."""
    return running(Server(port))
