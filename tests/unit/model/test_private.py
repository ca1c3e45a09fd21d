"""Task-private LoRA: every row meets its own task's part, and no other."""

import copy
import functools
import warnings

import pytest
import torch
from peft import LoraConfig, get_peft_model

from madrigal.errors import ModelError
from madrigal.model.adapter import add_adapter, add_private
from madrigal.model.language_model import LanguageModel
from madrigal.recipe.model import LoraAdapter, PrivatePart
from tiny import CONTEXT, network, tokenizer

TASKS = ("mood", "echo", "train")  # the last one is also a method of every module
KINDS = pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neo", "opt"])
SHAPES = {
    "opt": {
        "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT, "word_embed_proj_dim": 32, "dropout": 0.0,
    }
}  # fmt: skip
BOTH = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, alpha=3.0))
MIXED = ["echo", "other", "mood", "echo", "train", "mood"]


def private_model(kind="llama", adapter=BOTH, precision=torch.float32, tasks=TASKS, plain=None):
    """A model with private parts, everything in it far from zero."""
    plain = plain if plain is not None else network(kind, **SHAPES.get(kind, {}))
    held = add_adapter(plain, adapter, 0)
    parts = add_private(held, adapter, tasks, 0)
    torch.manual_seed(1)
    for parameter in held.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    cpu = torch.device("cpu")
    return LanguageModel(held, tokenizer(), cpu, CONTEXT, kind, precision, parts)


def tokens(rows=6, length=9):
    return torch.randint(1, 300, (rows, length), generator=torch.Generator().manual_seed(5))


def as_one(held, task, kind):
    """The plain base with an ordinary peft LoRA of the sum of shared and private part."""
    base = network(kind, **SHAPES.get(kind, {}))
    shared, own = 3, 2
    config = LoraConfig(
        r=shared + own, lora_alpha=shared + own, target_modules="all-linear",
        fan_in_fan_out=kind == "gpt2", task_type="CAUSAL_LM",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # peft's own
        one = get_peft_model(base, config)
    sources = dict(held.causal.named_modules())
    with torch.no_grad():
        for name, module in one.get_base_model().named_modules():
            if not hasattr(module, "lora_A"):
                continue
            source, private = sources[name], held.private.layers[name]
            a, b = source.lora_A["default"].weight, source.lora_B["default"].weight
            first, second = torch.zeros(own, a.shape[1]), torch.zeros(b.shape[0], own)
            if task in TASKS:
                first, second = private.pair(task)
            module.lora_A["default"].weight.copy_(torch.cat([a, first]))
            module.lora_B["default"].weight.copy_(torch.cat([b * 2.0, second * 1.5], dim=1))
    return one.eval()


@KINDS
def test_each_row_is_as_in_a_peft_model_of_its_task_alone(kind):
    held = private_model(kind)
    ids = tokens()
    with torch.no_grad():
        with held.routed(MIXED):
            found = held.network(input_ids=ids).logits
        for row, task in enumerate(MIXED):
            alone = as_one(held, task, kind)(input_ids=ids[row : row + 1]).logits[0]
            torch.testing.assert_close(found[row], alone, rtol=1e-5, atol=1e-5)
    assert (found[0] - found[3]).abs().max() > 0.01


@KINDS
def test_gradients_are_those_of_the_models_of_each_task_alone(kind):
    held = private_model(kind)
    ids = tokens()
    with held.routed(MIXED):
        held.network(input_ids=ids).logits.square().mean((1, 2)).sum().backward()
    for task in TASKS:
        one = as_one(held, task, kind)
        mine = [row for row, name in enumerate(MIXED) if name == task]
        one(input_ids=ids[mine]).logits.square().mean((1, 2)).sum().backward()
        theirs = dict(one.get_base_model().named_modules())
        for name, layer in held.private.layers.items():
            first, second = layer.pair(task)
            a = theirs[name].lora_A["default"].weight.grad[3:]
            b = theirs[name].lora_B["default"].weight.grad[:, 3:] * layer.scaling
            for got, wanted in ((first.grad, a), (second.grad, b)):
                scale = float(wanted.norm())
                assert scale > 0
                assert float((got - wanted).norm()) < 1e-5 * scale, name


def test_the_order_of_the_rows_does_not_matter():
    held = private_model()
    ids = tokens()
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    with torch.no_grad():
        with held.routed(MIXED):
            one = held.network(input_ids=ids).logits
        with held.routed([MIXED[i] for i in order]):
            two = held.network(input_ids=ids[order]).logits
    torch.testing.assert_close(one[order], two, rtol=1e-5, atol=1e-6)


def test_one_name_speaks_for_all_rows():
    held = private_model()
    ids = tokens()
    for task in ("echo", "other"):
        with torch.no_grad():
            with held.routed(task):
                one = held.network(input_ids=ids).logits
            with held.routed([task] * 5 + ["mood"]):
                two = held.network(input_ids=ids).logits
        torch.testing.assert_close(one[:5], two[:5], rtol=1e-5, atol=1e-6)


def test_a_task_without_a_part_is_the_shared_model_exactly():
    held = private_model()
    with torch.no_grad(), held.routed("other"):
        found = held.network(input_ids=tokens()).logits
    shared = private_model(adapter=BOTH.model_copy(update={"private": None}))
    weights = {n: p for n, p in held.network.named_parameters() if "private" not in n}
    shared.network.load_state_dict(weights, strict=False)
    with torch.no_grad():
        assert torch.equal(found, shared.network(input_ids=tokens()).logits)


def test_only_tasks_in_the_batch_get_gradients():
    held = private_model()
    with held.routed(["mood", "other"]):
        held.network(input_ids=tokens(2)).logits.sum().backward()
    assert all(p.grad is not None for p in held.private.of("mood"))
    assert all(p.grad is None for task in ("echo", "train") for p in held.private.of(task))


def test_a_pass_that_is_not_routed_is_refused():
    with pytest.raises(RuntimeError, match="routed"):
        private_model().network(input_ids=tokens())


def test_without_the_adapters_it_is_the_base():
    held = private_model()
    with torch.no_grad(), held.network.disable_adapter(), held.routed(MIXED):
        found = held.network(input_ids=tokens()).logits
        assert torch.equal(found, network()(input_ids=tokens()).logits)


def test_a_fresh_part_changes_nothing_and_depends_on_its_own_task_only():
    one = add_adapter(network(), BOTH, 0)
    parts = add_private(one, BOTH, TASKS, 7)
    fewer = add_private(add_adapter(network(), BOTH, 0), BOTH, ("train",), 7)
    assert all(torch.equal(a, b) for a, b in zip(parts.of("train"), fewer.of("train"), strict=True))
    starts = [torch.cat([p.flatten() for p in parts.of(task)]) for task in TASKS]
    assert not torch.equal(starts[0], starts[1])
    assert all(not layer.pair("mood")[1].any() for layer in parts.layers.values())
    with torch.no_grad(), parts.routing.following(parts.routing.plan("mood", torch.device("cpu"))):
        assert torch.equal(one(input_ids=tokens()).logits, network()(input_ids=tokens()).logits)


def test_gradient_checkpointing_remembers_whose_rows_they_were():
    found = []
    for again in (False, True):
        plain = network()
        held = private_model(plain=plain)
        held.network.train()
        if again:
            plain.activation_checkpointing_enable(
                {"use_reentrant": False, "context_fn": held.private.routing.kept}
            )
            plain.enable_input_require_grads()
        passes = []
        count = functools.partial(lambda seen, *_: seen.append(1), passes)
        plain.model.layers[0].mlp.register_forward_pre_hook(count)
        with held.routed(MIXED):
            first = held.network(input_ids=tokens()).logits.square().mean()
        with held.routed("mood"):  # another pass before the first one's gradient
            second = held.network(input_ids=tokens()).logits.square().mean()
        (first + second).backward()
        assert len(passes) == (4 if again else 2)
        found.append([p.grad for _, p in held.trainable()])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-8)


def test_bfloat16_is_close():
    found = []
    for precision in (torch.float32, torch.bfloat16):
        held = private_model(precision=precision)
        with held.autocast(), held.routed(MIXED):
            logits = held.network(input_ids=tokens()).logits.float()
        logits.square().mean().backward()
        found.append(torch.cat([p.grad.flatten() for t in TASKS for p in held.private.of(t)]))
        assert found[-1].dtype == torch.float32
    assert torch.cosine_similarity(*found, dim=0) > 0.99
    assert not torch.equal(*found)


def test_dropout_falls_on_private_parts_too():
    held = private_model(adapter=BOTH.model_copy(update={"dropout": 0.4}))
    held.network.train()
    logits = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        with torch.no_grad(), held.routed(MIXED):
            logits.append(held.network(input_ids=tokens()).logits)
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])
    dropouts = [m for m in held.network.modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    assert len(dropouts) == 2 * len(held.private.layers)


def test_a_copy_routes_for_itself():
    held = private_model()
    twin = copy.deepcopy(held.network)
    with pytest.raises(RuntimeError, match="routed"), held.routed("mood"):
        twin(input_ids=tokens())


def names(parts):
    return {name.split(".", 2)[2] for name in parts.layers}


def test_layers_choose_what_is_shared_and_what_is_private():
    adapter = LoraAdapter(rank=3, layers=(0,), private=PrivatePart(rank=2, layers=(1,)))
    held = private_model(adapter=adapter)
    assert {n.split(".")[2] for n in held.private.layers} == {"1"}
    adapted = {n for n, m in held.causal.named_modules() if hasattr(m, "lora_A")}
    assert {n.split(".")[2] for n in adapted} == {"0"}
    assert len(adapted) == len(held.private.layers) == 7
    with torch.no_grad():
        with held.routed("mood"):
            one = held.network(input_ids=tokens()).logits
        with held.routed("echo"):
            assert not torch.equal(one, held.network(input_ids=tokens()).logits)


@KINDS
def test_without_a_shared_part(kind):
    adapter = LoraAdapter(layers="none", private=PrivatePart(rank=2))
    held = private_model(kind, adapter)
    assert {p for _, p in held.trainable()} == {p for t in TASKS for p in held.private.of(t)}
    with torch.no_grad(), held.routed(MIXED):
        found = held.network(input_ids=tokens()).logits
    base = network(kind, **SHAPES.get(kind, {}))
    plain = base(input_ids=tokens()).logits
    assert torch.equal(found[1], plain[1])  # of the task without a part
    assert not torch.allclose(found[0], plain[0])
    assert held.network.config.model_type == kind


def test_only_the_named_tasks_have_a_part():
    adapter = LoraAdapter(rank=3, private=PrivatePart(rank=2, tasks=("echo",)))
    assert private_model(adapter=adapter).private.tasks == ("echo",)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"private": PrivatePart(layers=(5,))}, "private.layers: the model has no block 5; it has"),
        ({"layers": (2,), "private": PrivatePart()}, "adapter.layers: the model has no block 2"),
        ({"targets": ("lm_head",), "private": PrivatePart()}, "name no layer inside its blocks"),
        (
            {"targets": ("input_layernorm",), "layers": "none", "private": PrivatePart()},
            "is a LlamaRMSNorm; only linear layers can have it",
        ),
    ],
)
def test_what_cannot_be_is_refused(keys, said):
    adapter = LoraAdapter(**keys)
    with pytest.raises(ModelError, match=said):
        add_private(add_adapter(network(), adapter, 0), adapter, TASKS, 0)
