"""A model behind an address that speaks OpenAI's API: vLLM, llama.cpp, a paid service."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from madrigal.experience.generator import Asked, Heard, Said, unheard
from madrigal.experience.patient import LONGEST_PAUSE, Patience, side_by_side, usual_cure
from madrigal.experience.spoken import PATHS, Api, body, read

_GO_ON = "give the same command again later: what was answered is kept and not asked for again"


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
    longest_pause: float = LONGEST_PAUSE
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
        self._patience = Patience(
            url=address.url,
            key=address.key,
            tries=address.tries,
            timeout=address.timeout,
            first_pause=address.first_pause,
            longest_asked=address.longest_asked,
            go_on=_GO_ON,
            longest_pause=address.longest_pause,
        )
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
        with self._patience.client() as client:

            def work(place: int, halt: threading.Event) -> Said | None:
                said = self._said(client, asked[place], halt)
                if said is not None:
                    with self._lock:
                        heard(place, said)
                return said

            return list(side_by_side(work, len(asked), self._address.at_once))

    def _said(self, client: Any, asked: Asked, halt: threading.Event) -> Said | None:
        one = self._address

        def cure(status: int, problem: str) -> str:
            if status in (400, 422) and "logprob" in problem:
                return "set `log_probabilities: false`"
            return usual_cure(status, one.model)

        return self._patience.ask(
            client,
            PATHS[one.api],
            {**body(asked, one.model, one.api, one.log_probabilities), **one.more},
            lambda content: read(content, asked, one.api),
            halt,
            cure,
            self._again,
        )

    def _again(self) -> None:
        self.retried += 1
