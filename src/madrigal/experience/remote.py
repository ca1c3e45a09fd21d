"""A model behind an address that speaks OpenAI's API: vLLM, llama.cpp, a paid service."""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from madrigal.errors import ModelError, RunStopped
from madrigal.experience.generator import Asked, Heard, Said, unheard
from madrigal.experience.spoken import PATHS, Api, BrokenAnswerError, body, read
from madrigal.experience.waits import LATER, pause, retry_after
from madrigal.recipe.suggest import short

_LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model answers, and how patient its client is. Seconds throughout.

    `key` is the secret that is sent along; it stands in no representation and no message.
    """

    url: str  # up to and with /v1
    model: str
    api: Api = "chat"
    key: str = field(default="", repr=False)
    at_once: int = 8  # requests under way at the same time
    tries: int = 6
    timeout: float = 120.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    longest_asked: float = 600.0  # a server that asks to wait longer is waited for by the user
    log_probabilities: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)  # further keys of every request


class Remote:
    """The model of an address as a generator.

    A request that fails for a reason that may pass (no connection, time-out, an answer cut short,
    429, 5xx) is made again after a pause, up to `tries` times in all. When one has used up its
    tries, no new one is begun, and those under way may still end: nothing that was answered is
    lost. What cannot pass (a wrong key, an unknown model) is said at once.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.retried = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Address, model and API: what answers. Two addresses of one model may differ."""
        one = self._address
        more = [f"{key}={value}" for key, value in sorted(one.more.items())]
        return " ".join([one.url.rstrip("/"), one.model, one.api, *more])

    @property
    def block(self) -> int:
        return 1

    def answer(self, asked: Sequence[Asked], heard: Heard = unheard) -> list[Said]:
        """One text for each request."""
        if not asked:
            return []
        import httpx2

        one, halt = self._address, threading.Event()
        headers = {"Authorization": f"Bearer {one.key}"} if one.key else {}
        local = httpx2.URL(one.url).host in _LOCAL
        limit = httpx2.Timeout(one.timeout, connect=min(10.0, one.timeout))
        with httpx2.Client(headers=headers, timeout=limit, trust_env=not local) as client:

            def work(place: int) -> Said | None:
                try:
                    said = None if halt.is_set() else self._said(client, asked[place], halt)
                    if said is not None:
                        with self._lock:
                            heard(place, said)
                except BaseException:
                    halt.set()
                    raise
                return said

            return _all(work, len(asked), one.at_once, halt)

    def _said(self, client: Any, asked: Asked, halt: threading.Event) -> Said | None:
        """The answer to one request; None where another one has failed for good meanwhile."""
        import httpx2

        one = self._address
        url = f"{one.url.rstrip('/')}/{PATHS[one.api]}"
        sent = {**body(asked, one.model, one.api, one.log_probabilities), **one.more}
        problem = ""
        for tries in range(1, one.tries + 1):
            wanted = None
            try:
                response = client.post(url, json=sent)
                if response.status_code == 200:
                    return read(response.content, asked, one.api)
                problem = f"answered {response.status_code}{self._told(response.text)}"
                if response.status_code not in LATER:
                    raise ModelError(self._refused(response.status_code, problem))
                wanted = retry_after(response.headers, time.time())
            except httpx2.TimeoutException:
                problem = f"gave no answer within {one.timeout:g} s"
            except httpx2.RequestError as error:
                problem = f"cannot be reached ({type(error).__name__})"
            except BrokenAnswerError:
                problem = "gave an answer that is cut short or no completion"
            if tries < one.tries:
                self._check_patience(wanted)
                self.retried += 1
                seconds = pause(tries, random.random(), one.first_pause, one.longest_pause, wanted)
                if halt.wait(seconds):
                    return None
        raise RunStopped(f"{one.url}: {problem}, {one.tries} times; {_GO_ON}")

    def _check_patience(self, wanted: float | None) -> None:
        one = self._address
        if wanted is not None and wanted > one.longest_asked:
            raise RunStopped(f"{one.url}: asks to wait {wanted:,.0f} s; {_GO_ON}")

    def _refused(self, status: int, problem: str) -> str:
        one = self._address
        cure = "see what the server says"
        if status in (401, 403):
            cure = "check the key in the environment variable that `key` names"
        elif status == 404:
            cure = f"check `url` (it ends with /v1) and that the server has a model {one.model!r}"
        elif status in (400, 422) and "logprob" in problem:
            cure = "set `log_probabilities: false`"
        return f"{one.url}: {problem}; {cure}"

    def _told(self, text: str) -> str:
        """What the server says of it, in short, without the key."""
        said = " ".join(text.split())
        if self._address.key:
            said = said.replace(self._address.key, "...")
        return f" ({short(said, 160)})" if said else ""


_GO_ON = "give the same command again later: what was answered is kept and not asked for again"


def _all(work: Any, count: int, at_once: int, halt: threading.Event) -> list[Said]:
    """`work` of every place, so many at once; the first problem once all that run have ended."""
    with ThreadPoolExecutor(at_once) as pool:
        running: list[Future[Said | None]] = [pool.submit(work, place) for place in range(count)]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        except BaseException:  # Ctrl+C: what runs may end, the rest is not begun
            halt.set()
            raise
    problems = [one.exception() for one in running]
    problem = next((found for found in problems if found is not None), None)
    if problem is not None:
        raise problem
    return [said for one in running if (said := one.result()) is not None]
