"""Pages from their templates: one environment, escaped, and files that are whole or absent."""

import functools
import os
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape


def template(name: str) -> Template:
    """A template of the report's assets; what is put into it is escaped."""
    return _environment().get_template(name)


def asset(*names: str) -> str:
    """The text of files of the report's assets, one after another."""
    folder = Path(__file__).parent / "assets"
    return "".join((folder / name).read_text(encoding="utf-8") for name in names)


def write_whole(path: Path, page: str) -> Path:
    """Write a page beside its place, then put it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    # A model that stops inside a character leaves half a surrogate pair, which UTF-8 cannot hold.
    aside.write_bytes(page.encode(errors="replace"))
    os.replace(aside, path)
    return path


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("madrigal.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["ticks"] = _ticks
    return environment


def _ticks(text: str) -> Markup:
    """Text in `ticks` as code; everything else as text."""
    parts = text.split("`")
    coded = [
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    ]
    return Markup("").join(coded)
