"""The mixture of types is that of llama.cpp, and so are the kernels."""

import gguf
import numpy as np
import pytest

from endonym.export.config import Quantization
from endonym.export.gguf.quantize import Mixture, block_size, quantized


def mixture(quantization: Quantization, **changes: object) -> Mixture:
    """The mixture of a llama of sixteen layers with a tied head."""
    usual = {"architecture": "llama", "layers": 16, "experts": 0, "has_head": False, "values": 16}
    return Mixture(quantization, **(usual | changes))


def types(kind: Mixture, part: str, layers: int = 16, columns: int = 512) -> list[str]:
    return [kind.type_of(f"blk.{n}.{part}.weight", (512, columns)) for n in range(layers)]


# As `llama-quantize` of llama.cpp v0.5.0 wrote them: every tensor of 27 files of eight
# architectures had the same type and the same bytes as ours.
MORE = [0, 1, 4, 7, 10, 13, 14, 15]


@pytest.mark.parametrize(("kind", "usual"), [("Q4_K_M", "Q4_K"), ("Q5_K_M", "Q5_K")])
@pytest.mark.parametrize("part", ["attn_v", "ffn_down", "attn_qkv", "ffn_down_exps"])
def test_some_layers_have_more_bits(kind: Quantization, usual: str, part: str) -> None:
    expected = ["Q6_K" if layer in MORE else usual for layer in range(16)]
    assert types(mixture(kind), part) == expected


@pytest.mark.parametrize(
    "part", ["attn_q", "attn_k", "attn_output", "ffn_up", "ffn_gate", "ssm_in"]
)
def test_the_others_have_the_usual_type(part: str) -> None:
    assert set(types(mixture("Q4_K_M"), part)) == {"Q4_K"}
    assert set(types(mixture("Q8_0"), part)) == {"Q8_0"}


def test_falcon_has_a_mixture_of_its_own() -> None:
    falcon = mixture("Q4_K_M", architecture="falcon")
    expected = ["Q6_K" if n < 1 else "Q5_K" if n in MORE else "Q4_K" for n in range(16)]
    assert types(falcon, "ffn_down") == expected
    assert falcon.type_of("token_embd.weight", (400, 512)) == "Q8_0"


def test_eight_experts_have_keys_and_values_of_eight_bits() -> None:
    eight = mixture("Q4_K_M", architecture="qwen3moe", experts=8)
    assert set(types(eight, "attn_k") + types(eight, "attn_v")) == {"Q8_0"}
    assert set(types(eight, "attn_output")) == {"Q5_K"}


def test_the_head_has_six_bits_and_so_has_an_embedding_that_is_the_head() -> None:
    assert mixture("Q4_K_M").type_of("token_embd.weight", (400, 512)) == "Q6_K"
    untied = mixture("Q4_K_M", has_head=True)
    assert untied.type_of("token_embd.weight", (400, 512)) == "Q4_K"
    assert untied.type_of("output.weight", (400, 512)) == "Q6_K"


@pytest.mark.parametrize(
    ("columns", "found"), [(512, "Q4_K"), (96, "Q5_0"), (80, "F16"), (37, "F16")]
)
def test_rows_that_do_not_fit_fall_back_as_llama_cpp_does(columns: int, found: str) -> None:
    assert mixture("Q4_K_M").type_of("blk.3.attn_q.weight", (64, columns)) == found


@pytest.mark.parametrize("name", [
    "blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "position_embd.weight",
    "blk.0.ssm_conv1d.weight", "blk.0.ssm_a", "blk.0.ssm_norm.weight",
])  # fmt: skip
@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_K_M"])
def test_small_tensors_stay_whole(name: str, kind: Quantization) -> None:
    assert mixture(kind).type_of(name, (512, 512)) == "F32"
    assert mixture(kind).type_of("blk.0.attn_q.bias", (512,)) == "F32"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("F16", 3e-4), ("BF16", 3e-3), ("Q8_0", 6e-3), ("Q6_K", 0.02), ("Q5_K", 0.04), ("Q4_K", 0.08)],
)
def test_quantized_rows_come_back_nearly(kind: str, error: float) -> None:
    values = np.random.default_rng(0).normal(size=(3, 8, 512)).astype(np.float32)
    of = gguf.GGMLQuantizationType[kind]
    data = quantized(values, of)
    block, size = gguf.GGML_QUANT_SIZES[of]
    assert data.shape == (3, 8, 512 // block * size)
    back = gguf.quants.dequantize(data, of)
    assert np.sqrt(((back - values) ** 2).mean()) < error
    assert block == block_size(kind)
