"""What a model needs least is taken out, and what is left computes the same."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from toys import lively_decoder, toy_config, train_config

from endonym.data.batches import Batch
from endonym.errors import ShapeError
from endonym.model.config import AttentionConfig, FfnConfig, ModelConfig
from endonym.model.count import parameters
from endonym.model.decoder import Decoder
from endonym.model.prune import pruned
from endonym.model.prune_config import Kept, Prune, shape_of
from endonym.train.importance import largest, most_needed, only
from endonym.train.objectives import objective_of

OBJECTIVE = objective_of(train_config(context=16))


def some_batches(vocab: int, count: int = 3) -> list[Batch]:
    draw = torch.Generator().manual_seed(5)
    ids = [torch.randint(0, vocab, (4, 17), generator=draw) for _ in range(count)]
    documents = torch.zeros(4, 16, dtype=torch.int64)
    return [Batch(each[:, :-1], each[:, 1:], documents) for each in ids]


def without(decoder: Decoder, layer: int, name: str, parts: Sequence[int]) -> None:
    """Set the weights of a map of a layer to zero for these inputs."""
    weight = decoder.get_submodule(f"blocks.{layer}.{name}").weight
    with torch.no_grad():
        weight[:, list(parts)] = 0.0


def changes_nothing(decoder: Decoder, layer: int) -> None:
    """Set the weights of a layer to zero so that the model computes the same without it."""
    for name in ("mixer.output", "ffn.down"):
        width = decoder.get_submodule(f"blocks.{layer}.{name}").weight.shape[1]
        without(decoder, layer, name, range(width))


def with_its_own_targets(decoder: Decoder, batches: Sequence[Batch]) -> list[Batch]:
    """The same with the tokens that the decoder finds likeliest: it loses least as it is."""
    return [replace(each, targets_BT=decoder.logits(each.tokens_BT).argmax(-1)) for each in batches]


def grouped(layers: int, **keys: Any) -> ModelConfig:
    """Two heads of keys and values, each of which serves two heads of queries."""
    config = toy_config("llama", layers=layers, **keys)
    shape = {"heads": 4, "kv_heads": 2}
    mixers = tuple(mixer.model_copy(update=shape) for mixer in config.mixers)
    return config.model_copy(update={"mixers": mixers})


@pytest.mark.parametrize("family", ["llama", "grouped", "gpt2", "qwen3", "gptneox", "falcon"])
def test_a_pruned_model_computes_what_the_whole_one_does_without_these_parts(family: str) -> None:
    shape = grouped(3) if family == "grouped" else toy_config(family, layers=3)
    decoder = lively_decoder(shape).eval()
    blocks = decoder.config.blocks
    groups = [mixer.kv_heads for mixer, _ in blocks if isinstance(mixer, AttentionConfig)]
    hidden = [ffn.hidden for _, ffn in blocks if isinstance(ffn, FfnConfig)]
    kept = Kept(
        [0, 2],
        [[groups[0] - 1], [0]],
        [list(range(1, hidden[0], 2)), list(range(0, hidden[2] - 1, 2))],
    )
    small = pruned(decoder, kept).eval()
    for place, layer in enumerate(kept.layers):
        mixer, _ = blocks[layer]
        assert isinstance(mixer, AttentionConfig)
        width = mixer.head_width * mixer.heads // mixer.kv_heads
        heads = {*range(mixer.kv_heads)} - {*kept.heads[place]}
        gone = [head * width + each for head in heads for each in range(width)]
        without(decoder, layer, "mixer.output", gone)
        channels = {*range(hidden[layer])} - {*kept.channels[place]}
        without(decoder, layer, "ffn.down", sorted(channels))
    tokens = torch.arange(12).view(1, 12) % decoder.config.vocab
    with only(decoder, kept.layers), torch.no_grad():
        torch.testing.assert_close(
            small.logits(tokens), decoder.logits(tokens), rtol=1e-4, atol=1e-5
        )
    assert small.config.layers == 2
    assert parameters(small.config).total < parameters(decoder.config).total
    for parts in (small.config.mixers, small.config.ffns):
        assert len(parts) == len({*parts}), "alike ones are written once"


def test_parts_that_change_nothing_go_first() -> None:
    decoder = lively_decoder(toy_config("llama", layers=3)).eval()
    (mixer, ffn), *_ = decoder.config.blocks
    assert isinstance(mixer, AttentionConfig)
    assert isinstance(ffn, FfnConfig)
    width = mixer.head_width * mixer.heads // mixer.kv_heads
    for layer, (head, channels) in enumerate([(0, [1, 5]), (1, [0, 3]), (0, [2, 7])]):
        without(decoder, layer, "mixer.output", range(head * width, (head + 1) * width))
        without(decoder, layer, "ffn.down", channels)
    share = 2 / ffn.hidden
    prune = Prune(heads=1 / mixer.kv_heads, ffn=share)
    kept = most_needed(decoder, prune, some_batches(decoder.config.vocab), OBJECTIVE)
    assert kept.layers == [0, 1, 2]
    gone = [set(range(mixer.kv_heads)) - set(each) for each in kept.heads]
    assert gone == [{0}, {1}, {0}]
    assert [set(range(ffn.hidden)) - set(each) for each in kept.channels] == [
        {1, 5},
        {0, 3},
        {2, 7},
    ]
    assert decoder.blocks[0].mixer.output.weight.grad is None
    assert not decoder.blocks[0].mixer.output._forward_pre_hooks


def test_what_stays_is_measured_without_dropout_and_of_grouped_heads() -> None:
    batches = some_batches(40, 2)
    prune = Prune(heads=0.5, ffn=0.5, layers=1 / 3)
    calm = most_needed(lively_decoder(grouped(3)), prune, batches, OBJECTIVE)
    torn = lively_decoder(grouped(3, dropout=0.5))
    assert most_needed(torn.train(), prune, batches, OBJECTIVE) == calm
    assert [len(each) for each in calm.heads] == [1, 1]
    small = pruned(torn, calm).config
    assert [(mixer.heads, mixer.kv_heads) for mixer in small.mixers] == [(2, 1)]


def test_what_moves_the_loss_up_and_down_is_needed() -> None:
    moved_BP = torch.tensor([[5.0, 1.0, 3.0], [-5.0, 1.0, -3.0]])
    assert largest(moved_BP, 1) == [0]
    assert largest(moved_BP, 2) == [0, 2]


def test_layers_that_change_nothing_go_first_and_nothing_else_changes() -> None:
    decoder = lively_decoder(toy_config("llama", layers=4)).eval()
    for layer in (0, 2):
        changes_nothing(decoder, layer)
    before = {name: each.clone() for name, each in decoder.state_dict().items()}
    batches = with_its_own_targets(decoder, some_batches(decoder.config.vocab))
    kept = most_needed(decoder, Prune(layers=0.5), batches, OBJECTIVE)
    assert kept == Kept([1, 3], [], [])
    assert all(torch.equal(each, before[name]) for name, each in decoder.state_dict().items())
    small = pruned(decoder, kept)
    with torch.no_grad():
        losses = [OBJECTIVE.loss(each.eval(), batches[0]).nats.item() for each in (decoder, small)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(("family", "key"), [("mamba", "heads"), ("moe", "ffn")])
def test_what_has_no_such_parts_is_refused(family: str, key: str) -> None:
    decoder = lively_decoder(toy_config(family))
    prune = Prune.model_validate({key: 0.5})
    with pytest.raises(ShapeError, match="not every layer") as caught:
        most_needed(decoder, prune, some_batches(decoder.config.vocab), OBJECTIVE)
    assert caught.value.where == f"prune.{key}"


def uneven(*hidden: int) -> ModelConfig:
    """Layers of heads that are grouped otherwise, and of feed-forwards of these widths."""
    plain = grouped(len(hidden))
    (mixer,), (ffn,) = plain.mixers, plain.ffns
    mixers = (mixer, mixer.model_copy(update={"kv_heads": 4}))
    ffns = tuple(ffn.model_copy(update={"hidden": each}) for each in hidden)
    return plain.model_copy(update={"mixers": mixers, "ffns": ffns})


def test_each_layer_loses_a_share_of_its_own_parts() -> None:
    decoder = lively_decoder(uneven(8, 12, 20, 4)).eval()
    changes_nothing(decoder, 0)
    batches = with_its_own_targets(decoder, some_batches(decoder.config.vocab, 1))
    kept = most_needed(decoder, Prune(layers=0.25, heads=0.5, ffn=0.25), batches, OBJECTIVE)
    assert kept.layers == [1, 2, 3]
    assert [len(each) for each in kept.heads] == [2, 1, 2]
    assert [len(each) for each in kept.channels] == [9, 15, 3]
    assert pruned(decoder, kept).config == shape_of(decoder.config, kept)


def test_a_layer_without_such_parts_is_refused_before_anything_is_measured() -> None:
    plain = grouped(2)
    shape = plain.model_copy(update={"ffns": (*plain.ffns, *toy_config("moe").ffns)})
    with pytest.raises(ShapeError, match="not every layer") as caught:
        most_needed(lively_decoder(shape), Prune(ffn=0.5), [], OBJECTIVE)
    assert caught.value.where == "prune.ffn"
