"""llama.cpp gives the ids that we give, on texts that training did not see."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from toys import CHAT_KINDS, toy_tokenizer

from endonym.export.gguf.vocabulary import vocabulary_of
from endonym.generate.llama_cpp import LlamaCpp
from endonym.tokenizer.config import SPECIALS
from endonym.tokenizer.tokenizer import Tokenizer

gguf = pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
HARD = [
    *SPECIALS.values(),
    "<0x41>",
    "хахахаха -- ----",
    "a\u200bb\tc\n\n d   e",
    "e\u0301té ▁▁ 👩🏽\u200d🚀",
    "atata otier ototier",
]


def write_vocabulary(tokenizer: Tokenizer, path: Path) -> None:
    """A GGUF file of a tokenizer alone."""
    given = vocabulary_of(tokenizer, tokenizer.vocab)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(given["model"])
    writer.add_tokenizer_pre(given.get("pre") or "default")
    writer.add_token_list([token.encode("utf-8") for token in given["tokens"]])
    writer.add_token_types(given["token_type"])
    if "scores" in given:
        writer.add_token_scores(given["scores"])
    if "merges" in given:
        writer.add_token_merges(given["merges"])
    for name in ("bos", "eos", "unk", "pad"):
        getattr(writer, f"add_{name}_token_id")(tokenizer.end_id)
    writer.add_add_bos_token(False)
    writer.add_block_count(1)
    writer.add_context_length(8)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_ids_are_ours_on_sentences_and_on_random_texts(
    kind: str, tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    ours = toy_tokenizer(kind)
    write_vocabulary(ours, tmp_path / "vocabulary.gguf")
    names = ("tatar", "khmer", "romanian", "french")
    texts = [*HARD, *(text for name in names for text in language_sentences(name))]
    generator = random.Random(0)
    pieces = [ours.token(index) for index in range(ours.vocab)]
    texts += ["".join(generator.choices([*pieces, *HARD], k=8)) for _ in range(2_000)]
    with LlamaCpp(tmp_path / "vocabulary.gguf", context=0) as theirs:
        for text, ids in zip(texts, ours.encode_many(texts), strict=True):
            assert theirs.encode(text) == ids.tolist(), text
