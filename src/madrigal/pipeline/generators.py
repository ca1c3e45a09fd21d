"""Generators as settings name them. A model is loaded when it is first asked something new."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from madrigal.errors import DataError, RecipeError
from madrigal.experience.generator import Asked, Generator, Heard, Said, Sampling, unheard
from madrigal.experience.remote import Address, Remote
from madrigal.experience.rules import Words, rule_critic
from madrigal.experience.usage import Price
from madrigal.recipe.generator import (
    GeneratorSettings,
    ModelGenerator,
    RemoteGenerator,
    RulesGenerator,
    RunGenerator,
    SamplingSettings,
)

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


class Lazy:
    """A generator of this machine that is loaded when something is asked of it."""

    def __init__(self, name: str, block: int, load: Callable[[], Generator]) -> None:
        self._name, self._block, self._load = name, block, load
        self._loaded: Generator | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def block(self) -> int:
        return self._block

    def answer(self, asked: Sequence[Asked], heard: Heard = unheard) -> list[Said]:
        """One text for each request."""
        if not asked:
            return []
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded.answer(asked, heard)


def generator_of(settings: GeneratorSettings, root: Path, place: str) -> Generator:
    """The generator of some settings, which stand at `place`. Relative paths start at `root`.

    Raises:
        UserMistake: no such run or model, no such environment variable, a list without words.
    """
    if isinstance(settings, RemoteGenerator):
        return Remote(_address(settings, place))
    if isinstance(settings, RulesGenerator):
        return rule_critic(words_of(settings.words, settings.file, root, place))
    if isinstance(settings, RunGenerator):
        return _of_run(settings, root)
    return _of_model(settings, root)


def sampling_of(settings: GeneratorSettings) -> Sampling:
    """How its texts are drawn; rules draw nothing."""
    how = SamplingSettings() if isinstance(settings, RulesGenerator) else settings.sampling
    return Sampling(how.temperature, how.top_p, how.max_tokens, how.stop)


def price_of(settings: GeneratorSettings) -> Price:
    """What its tokens cost."""
    if not isinstance(settings, RemoteGenerator):
        return Price()
    return Price(settings.price.read, settings.price.written)


def title_of(settings: GeneratorSettings) -> str:
    """What a reader calls it."""
    if isinstance(settings, RemoteGenerator):
        return f"{settings.model} at {settings.url}"
    if isinstance(settings, RulesGenerator):
        return "rules"
    return settings.run if isinstance(settings, RunGenerator) else settings.base


def lists(settings: GeneratorSettings) -> bool:
    """Whether it may be asked for log-probabilities of words."""
    return not isinstance(settings, RemoteGenerator) or settings.log_probabilities


def words_of(words: Sequence[str], file: str | None, root: Path, place: str) -> Words:
    """Words that an answer should not hold: those that are named and those of a file.

    Raises:
        DataError: there is no such file, or no word at all.
    """
    found = list(words)
    if file is not None:
        from madrigal.tasks.find import find_files

        for one in find_files(file, root):
            lines = one.path.read_text(encoding="utf-8").splitlines()
            found += [line.partition("#")[0].strip() for line in lines]
    kept = tuple(dict.fromkeys(word for word in found if word.strip("* ")))
    if not kept:
        raise DataError(f"{place}: no words; name some in `words`, or a `file` with one a line")
    return Words(kept)


def _address(settings: RemoteGenerator, place: str) -> Address:
    key = ""
    if settings.key is not None:
        if not _VARIABLE.fullmatch(settings.key):
            raise RecipeError(
                f"{place}.key: is no name of an environment variable (capitals, digits, `_`); put "
                "the key into a variable and write the variable's NAME here"
            )
        key = os.environ.get(settings.key, "")
        if not key:
            raise RecipeError(
                f"{place}.key: the environment variable {settings.key} is not set; export it, or "
                "leave `key` out for a server that wants none"
            )
    return Address(
        url=settings.url,
        model=settings.model,
        api=settings.api,
        key=key,
        at_once=settings.at_once,
        tries=settings.tries,
        timeout=settings.timeout,
        first_pause=settings.first_pause,
        log_probabilities=settings.log_probabilities,
        more=dict(settings.more),
    )


def _of_run(settings: RunGenerator, root: Path) -> Generator:
    from madrigal.experience.local import BLOCK, Local
    from madrigal.model.base import BUNDLED
    from madrigal.pipeline.folder import recipe_of
    from madrigal.pipeline.trained import find_trained, load_trained

    run = root / settings.run
    trained = find_trained(run, settings.stage, settings.task)
    base = trained.recipe.model.base
    folder = BUNDLED.get(base) or recipe_of(run).root / base
    places = [trained.folder, *([folder] if trained.is_adapter and folder.is_dir() else [])]
    name = f"run {base} {_digest(places)} {trained.recipe.model.chat_template}"

    def load() -> Generator:
        model, coder = load_trained(trained)
        return Local(model, coder, name, settings.batch_tokens)

    return Lazy(name, BLOCK, load)


def _of_model(settings: ModelGenerator, root: Path) -> Generator:
    from madrigal.experience.local import BLOCK, Local
    from madrigal.model.base import model_context, resolve_base
    from madrigal.recipe.model import FullAdapter, ModelSettings

    model = ModelSettings(
        base=settings.base,
        revision=settings.revision,
        adapter=FullAdapter(),
        context=settings.context,
        chat_template=settings.chat_template,
    )
    source = Path(resolve_base(settings.base, root))
    told = _digest([source]) if source.is_dir() else f"{settings.base}@{settings.revision}"
    name = f"model {told} {model_context(model, root)} {settings.chat_template}"

    def load() -> Generator:
        from madrigal.model.load import load_model
        from madrigal.tasks.encode import Coder

        loaded = load_model(model, root, 0)
        coder = Coder(loaded.tokenizer, loaded.context, settings.chat_template)
        return Local(loaded, coder, name, settings.batch_tokens)

    return Lazy(name, BLOCK, load)


def _digest(folders: Sequence[Path]) -> str:
    """Of all weights in some folders: other weights are another generator."""
    whole = hashlib.sha256()
    for path in _weights(folders):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def _weights(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.glob("*.safetensors"))
