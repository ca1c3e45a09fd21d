"""The text of a recipe file."""

from pathlib import Path

from madrigal.errors import RecipeError
from madrigal.recipe.suggest import did_you_mean

MOST_BYTES = 512 * 1024  # a recipe of 1,600 tasks has about 200 kB


def read_recipe(path: Path) -> str:
    """The text of the file, without a byte order mark; RecipeError where it cannot be a recipe."""
    if path.is_dir():
        raise RecipeError(f"{path}: a folder where a recipe file is needed; name the file in it")
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise RecipeError(
                f"{path}: {size} bytes; a recipe has at most {MOST_BYTES}: is this a data file?"
            )
        raw = path.read_bytes()
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file{_like(path)}") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror or error}") from None
    return _decoded(path, raw)


def _decoded(path: Path, raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecipeError(f"{path}: saved as UTF-16; save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"0x{raw[error.start]:02x}"
        raise RecipeError(f"{path}:{line}: byte {byte} is not UTF-8; save it as UTF-8") from None


def _like(path: Path) -> str:
    try:
        files = [file.name for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml")]
    except OSError:
        return f"; there is no folder {str(path.parent)!r} either"
    return did_you_mean(path.name, sorted(files), "recipes there")
