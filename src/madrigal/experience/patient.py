"""Requests to an address that are made again until they are answered."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from madrigal.errors import ModelError, RunStopped
from madrigal.experience.spoken import BrokenAnswerError
from madrigal.experience.waits import LATER, pause, retry_after
from madrigal.recipe.suggest import short

T = TypeVar("T")
_LOCAL = ("127.0.0.1", "localhost", "::1")
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Where requests go, and how long is waited for an answer. Seconds throughout.

    `key` is the secret that is sent along; it stands in no message. `go_on` is how to go on after
    all tries have failed.
    """

    url: str  # up to and with /v1
    key: str = field(repr=False)
    tries: int
    timeout: float
    first_pause: float
    longest_asked: float
    go_on: str
    longest_pause: float = LONGEST_PAUSE

    def client(self) -> Any:
        """A client to be used inside of `with`, by several threads."""
        import httpx2

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        local = httpx2.URL(self.url).host in _LOCAL
        limit = httpx2.Timeout(self.timeout, connect=min(10.0, self.timeout))
        return httpx2.Client(headers=headers, timeout=limit, trust_env=not local)

    def ask(
        self,
        client: Any,
        path: str,
        body: Mapping[str, Any] | None,
        read: Callable[[bytes], T],
        halt: threading.Event,
        cure: Callable[[int, str], str],
        again: Callable[[], None] = lambda: None,
    ) -> T | None:
        """What `read` makes of the answer; None where another request has failed for good.

        Without a body it is a GET. `cure` says what to do about a status that cannot pass, `again`
        is told of every further try.

        Raises:
            RunStopped: no answer after all tries.
            ModelError: an answer that will not be another one later.
        """
        import httpx2

        url, problem = f"{self.url.rstrip('/')}/{path}", ""
        for tries in range(1, self.tries + 1):
            wanted = None
            try:
                response = client.get(url) if body is None else client.post(url, json=body)
                if response.status_code == 200:
                    return read(response.content)
                problem = f"answered {response.status_code}{self._told(response.text)}"
                if response.status_code not in LATER:
                    say = cure(response.status_code, problem)
                    raise ModelError(f"{self.url}: {problem}; {say}")
                wanted = retry_after(response.headers, time.time())
            except httpx2.TimeoutException:
                problem = f"gave no answer within {self.timeout:g} s"
            except httpx2.RequestError as error:
                problem = f"cannot be reached ({type(error).__name__})"
            except BrokenAnswerError:
                problem = "gave an answer that is cut short or no completion"
            if tries < self.tries:
                self._check(wanted)
                again()
                most = self.longest_pause
                if halt.wait(pause(tries, random.random(), self.first_pause, most, wanted)):
                    return None
        raise RunStopped(f"{self.url}: {problem}, {self.tries} times; {self.go_on}")

    def _check(self, wanted: float | None) -> None:
        if wanted is not None and wanted > self.longest_asked:
            raise RunStopped(f"{self.url}: asks to wait {wanted:,.0f} s; {self.go_on}")

    def _told(self, text: str) -> str:
        """What the server says of it, in short, without the key."""
        said = " ".join(text.split())
        if self.key:
            said = said.replace(self.key, "...")
        return f" ({short(said, 160)})" if said else ""


def usual_cure(status: int, model: str) -> str:
    """What to do about a status."""
    if status in (401, 403):
        return "check the key in the environment variable that `key` names"
    if status == 404:
        return f"check `url` (it ends with /v1) and that the server has a model {model!r}"
    return "see what the server says"


def side_by_side(
    work: Callable[[int, threading.Event], T | None], count: int, at_once: int
) -> Sequence[T]:
    """`work` of every place, so many at once; the first problem once all that run have ended.

    What is not begun when one has failed is not begun at all.
    """
    halt = threading.Event()

    def careful(place: int) -> T | None:
        try:
            return None if halt.is_set() else work(place, halt)
        except BaseException:
            halt.set()
            raise

    with ThreadPoolExecutor(at_once) as pool:
        running: list[Future[T | None]] = [pool.submit(careful, place) for place in range(count)]
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
