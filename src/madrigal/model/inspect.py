"""What a model is, without loading its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.errors import ModelError
from madrigal.model.base import resolve_base
from madrigal.model.blocks import block_of, check_blocks, in_blocks
from madrigal.model.targets import check_targets, is_target
from madrigal.recipe.model import LoraAdapter, ModelSettings


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of parameters; `matrices` are those that every token is multiplied with, `blocks`
    those of the base that are inside its blocks, `apart` the trainable ones that one token does not
    meet: private parts of other tasks."""

    parameters: int
    trainable: int
    matrices: int
    blocks: int = 0
    apart: int = 0

    def flops_per_token(self) -> float:
        """Operations of one training token: forward 2, gradient of the input 2 a parameter, and 2
        for each parameter that is trained (attention itself is left out)."""
        if self.trainable >= self.parameters:
            return 6.0 * self.matrices
        return 4.0 * self.matrices + 6.0 * (self.trainable - self.apart)

    def bytes_held(self, processes: int) -> int:
        """Float32 parameters that each process holds where the blocks are shared out."""
        return 4 * (self.parameters - self.blocks + -(-self.blocks // processes))

    def flops_per_scored_token(self) -> float:
        """Operations of one token in evaluation: forward 2 (attention itself is left out)."""
        added = 0 if self.trainable >= self.parameters else self.trainable - self.apart
        return 2.0 * (self.matrices + added)

    def flops_per_base_token(self) -> float:
        """The same with the adapter switched off."""
        return 2.0 * self.matrices


def model_size(settings: ModelSettings, root: Path, tasks: Sequence[str] = ()) -> Size | None:
    """Sizes from the headers of the weight files; None where these are not on this machine.

    `tasks` are those that some stage learns: private parts may be counted for each of them.

    Raises:
        ModelError: damaged weights, or blocks or target layers that the model does not have.
    """
    shapes = weights(settings, root)
    if shapes is None:
        return None
    counts = {name: _product(shape) for name, shape in shapes.items()}
    total = sum(counts.values())
    linear = {n: s for n, s in shapes.items() if len(s) == 2 and not embeds(n)}
    if not isinstance(settings.adapter, LoraAdapter):
        return Size(total, total, sum(counts[name] for name in linear))
    adapter = settings.adapter
    matrices = [_layer(name) for name, shape in shapes.items() if len(shape) > 1]
    check_targets(adapter.targets, matrices)
    adapted = {
        name: shape[0] + shape[1]
        for name, shape in linear.items()
        if "lm_head" not in name
        and (adapter.targets == "all_linear" or is_target(_layer(name), adapter.targets))
    }
    check_blocks("model.adapter.layers", adapter.layers, shapes)
    trainable = adapter.rank * _sides(adapted, adapter.layers)
    apart = 0
    if adapter.private is not None:
        own = adapter.private
        check_blocks("model.adapter.private.layers", own.layers, shapes)
        parts = set(own.parts(tasks).values())
        inside = {name: sides for name, sides in adapted.items() if block_of(name) is not None}
        head = sum(_head(shapes)) if own.head else 0
        each = own.rank * (_sides(inside, own.layers) + head)
        trainable += len(parts) * each
        apart = max(0, len(parts) - 1) * each
    blocks = sum(count for name, count in counts.items() if block_of(name) is not None)
    return Size(total + trainable, trainable, sum(counts[name] for name in linear), blocks, apart)


def weights(settings: ModelSettings, root: Path) -> dict[str, tuple[int, ...]] | None:
    """Shapes of the weights of the base by name; None where its files are not on this machine.

    Raises:
        ModelError: damaged weights.
    """
    return _fresh(settings) if settings.base == "new" else _stored(settings, root)


def _head(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Outputs and inputs of the output head; it may be the embedding of the tokens again, whose
    table is the longest."""
    tables = [s for n, s in shapes.items() if len(s) == 2 and (embeds(n) or "lm_head" in n)]
    return max(tables, default=())


def _sides(adapted: Mapping[str, int], blocks: str | Sequence[int]) -> int:
    """Inputs and outputs of the adapted matrices in these blocks, added up."""
    return sum(sides for name, sides in adapted.items() if in_blocks(name, blocks))


def _layer(name: str) -> str:
    """The layer that a weight of this name belongs to."""
    return name.removesuffix(".weight")


def embeds(name: str) -> bool:
    """Whether a weight of this name is a table that is looked up in, not multiplied with."""
    return any(part in name for part in ("embed", "wte", "wpe"))


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def _stored(settings: ModelSettings, root: Path) -> dict[str, tuple[int, ...]] | None:
    from safetensors import SafetensorError, safe_open

    folder = Path(resolve_base(settings.base, root))
    if not folder.is_dir():
        return None
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "np") as handle:
                for name in handle.keys():  # noqa: SIM118  (not a mapping)
                    shapes[name] = tuple(handle.get_slice(name).get_shape())
        except SafetensorError as problem:
            raise ModelError(
                f"{path}: damaged weights ({problem}); copy the file again"
            ) from problem
    return shapes


def _fresh(settings: ModelSettings) -> dict[str, tuple[int, ...]]:
    new = settings.new
    assert new is not None
    inner = new.width // new.heads * new.key_value_heads
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (new.vocabulary, new.width)}
    for layer in range(new.layers):
        sides = {
            "self_attn.q_proj": (new.width, new.width),
            "self_attn.k_proj": (inner, new.width),
            "self_attn.v_proj": (inner, new.width),
            "self_attn.o_proj": (new.width, new.width),
            "mlp.gate_proj": (new.mlp, new.width),
            "mlp.up_proj": (new.mlp, new.width),
            "mlp.down_proj": (new.width, new.mlp),
        }
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in sides.items()}
        shapes |= {f"model.layers.{layer}.norm_{which}": (new.width,) for which in ("1", "2")}
    return shapes | {"model.norm": (new.width,)}
