"""A small server that speaks as much of vLLM's API as is needed to write answers: a base model,
adapters that are loaded while it runs, completions of tokens. What it draws follows from the
request's seed and the place of an answer."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from local_server import running

NAME = "tiny-base"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, base):
        super().__init__(("127.0.0.1", 0), Handler)
        self.base = base
        self.networks = {}
        self.plan = deque()  # statuses of the next completions; empty: they are answered
        self.fails = 0  # the status of all of them
        self.deaf = False  # adapters are loaded and not used
        self.bend = lambda choices: choices
        self.longest = None
        self.paths = []
        self.bodies = []
        self.work = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def load(self, name, path):
        network = AutoModelForCausalLM.from_pretrained(self.base)
        if not self.deaf:
            network = PeftModel.from_pretrained(network, path)
        self.networks[name] = network.eval()

    @torch.no_grad()
    def answers(self, body):
        network, found = self.networks[body["model"]], []
        for place in range(body["n"]):
            chance = torch.Generator().manual_seed(1000 * (body["seed"] % 10**9) + place)
            tokens, logps = [], []
            while len(tokens) < body["max_tokens"]:
                whole = torch.tensor([body["prompt"] + tokens])
                each = network(input_ids=whole).logits[0, -1].log_softmax(-1)
                token = int(torch.multinomial(each.exp(), 1, generator=chance))
                tokens.append(token)
                logps.append(float(each[token]))
                if token in body["stop_token_ids"]:
                    break
            names = [f"token_id:{token}" for token in tokens]
            found.append(
                {
                    "index": place,
                    "text": "",
                    "finish_reason": "length",
                    "logprobs": {"tokens": names, "token_logprobs": logps},
                    "token_ids": tokens,
                }
            )
        return self.bend(found)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        names = [NAME, *self.server.networks]
        listed = [{"id": name, "max_model_len": self.server.longest} for name in names]
        self._send(200, {"object": "list", "data": listed})

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.work:
            server.paths.append(self.path)
            if self.path.endswith("/load_lora_adapter"):
                return self._load(body)
            if self.path.endswith("/unload_lora_adapter"):
                known = server.networks.pop(body["lora_name"], None)
                return self._send(200 if known else 404, "removed")
            server.bodies.append(body)
            status = server.fails or (server.plan.popleft() if server.plan else 200)
            if status != 200:
                return self._send(status, {"error": {"message": "planted"}})
            if body["model"] not in server.networks:
                return self._send(404, {"error": {"message": f"no {body['model']}"}})
            return self._send(200, {"id": "x", "choices": server.answers(body)})

    def _load(self, body):
        if body["lora_name"] in self.server.networks:
            said = f"The lora adapter '{body['lora_name']}' has already been loaded."
            return self._send(400, {"error": {"message": said}})
        self.server.load(body["lora_name"], body["lora_path"])
        return self._send(200, "Success")

    def _send(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def completing(base):
    """A server that runs, with the base model of a folder."""
    return running(Server(base))
