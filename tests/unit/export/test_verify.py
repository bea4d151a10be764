"""A proof must fail where an export is not the model."""

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import tokenizers
import torch
from laws.shapes import shape
from made_conversations import fresh_tokenizer
from numpy.typing import NDArray
from toys import lively_decoder, toy_texts

from endonym.errors import Damaged, ExportError
from endonym.export import verify
from endonym.export.gguf import splits, vocabulary, write
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import export_huggingface
from endonym.export.verify import Check, Gguf, Ours, Sample, require_same_ids, verify_export
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelConfig
from endonym.tokenizer.chat_template import CHATML
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import STRANGE, train_tokenizer

Patch = pytest.MonkeyPatch
ALL_CHECKS = ["ids", "decoding", "settings", "logits", "likeliest", "bits_per_byte"]


@cache
def trained(vocab: int) -> Tokenizer:
    asked = TokenizerConfig(kind="bpe", vocab=vocab, min_count=1)
    return train_tokenizer(asked, lambda: iter(toy_texts()))


def small(seed: int = 1, vocab: int = 1500) -> LanguageModel:
    """A model whose tokenizer has merges on both sides of a mark."""
    tokenizer = trained(vocab)
    config = shape("qwen3", vocab=tokenizer.vocab, context=64)
    return LanguageModel(lively_decoder(config, seed=seed), tokenizer)


def failed(checks: list[Check]) -> list[str]:
    return [each.check for each in checks if not each.ok]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return small()


@pytest.fixture
def few(monkeypatch: Patch) -> None:
    """Logits of few tokens are compared, where they are not what is tried."""
    monkeypatch.setattr(verify, "TOKENS", 300)


def test_whole_exports_pass_every_check(model: LanguageModel, tmp_path: Path) -> None:
    export_gguf(model, tmp_path / "gguf", ("F32", "Q8_0"), Provenance("kechkena"))
    export_huggingface(model, tmp_path / "hf")
    texts = toy_texts()
    checks = verify_export(tmp_path / "gguf", model, texts)
    firsts = [(each.file, each.check) for each in checks][::6]
    assert firsts == [("kechkena-F32.gguf", "ids"), ("kechkena-Q8_0.gguf", "ids")]
    checks += verify_export(tmp_path / "hf", model, texts, name="kechkena")
    assert failed(checks) == []
    assert {each.runtime.partition(" ")[0] for each in checks} == {"llama.cpp", "transformers"}
    verify.require_ok(checks)


def test_without_transformers_our_own_reader_proves(
    model: LanguageModel, tmp_path: Path, monkeypatch: Patch
) -> None:
    export_huggingface(model, tmp_path)
    monkeypatch.setattr(verify, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    checks = verify_export(tmp_path, model, toy_texts())
    assert failed(checks) == []
    assert all("endonym's reader" in each.runtime for each in checks)


def take_the_first_split(monkeypatch: Patch) -> None:
    """Let every tokenizer have the split of GPT-2, as if no text was read otherwise by it."""

    def first_split(tokenizer: Tokenizer) -> splits.Imitation:
        engine = tokenizers.Tokenizer.from_str(tokenizer.to_json())
        return splits.Imitation(splits.SPLITS[0], engine, ())

    monkeypatch.setattr(vocabulary, "imitation_of", first_split)


def test_a_wrong_pre_tokenizer_is_found(model: LanguageModel, tmp_path: Path, monkeypatch: Patch):
    take_the_first_split(monkeypatch)
    export_gguf(model, tmp_path, ("F32",), Provenance())
    monkeypatch.undo()
    checks = verify_export(tmp_path, model, toy_texts())
    assert failed(checks) == ["ids"]
    with pytest.raises(ExportError, match=r"ids: \d+ of \d+ lines differ, not 0 in llama\.cpp"):
        verify.require_ok(checks)


def test_weights_of_another_model_are_found(model: LanguageModel, tmp_path: Path) -> None:
    export_gguf(small(seed=2), tmp_path, ("F16",), Provenance())
    assert failed(verify_export(tmp_path, model, toy_texts())) == ["likeliest", "bits_per_byte"]


def test_fewer_bits_are_no_proof(model: LanguageModel, tmp_path: Path, monkeypatch: Patch) -> None:
    export_gguf(model, tmp_path, ("Q8_0",), Provenance())

    class Flattering(Gguf):
        def __init__(self, path: Path, context: int) -> None:
            super().__init__(path, context)
            own = self.logits
            self.logits = lambda ids: own(ids) + 3 * np.eye(self._engine.vocab)[[*ids[1:], 0]]

    monkeypatch.setattr(verify, "Gguf", Flattering)
    checks = verify_export(tmp_path, model, toy_texts())
    assert checks[-1].value < 0
    assert failed(checks) == ["bits_per_byte"]


def test_one_wrong_matrix_is_found_in_a_transformers_folder(model: LanguageModel, tmp_path: Path):
    other = small()
    with torch.no_grad():
        other.decoder.get_parameter("blocks.1.mixer.key.weight").neg_()
    export_huggingface(other, tmp_path)
    assert "likeliest" in failed(verify_export(tmp_path, model, toy_texts()))


def test_a_tokenizer_that_reads_names_of_specials_as_text_is_found(
    model: LanguageModel, tmp_path: Path
):
    export_huggingface(model, tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["split_special_tokens"] = True
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    checks = verify_export(tmp_path, model, toy_texts())
    assert failed(checks) == ["settings"]
    assert any("names is" in check.example for check in checks)


def test_without_texts_the_strange_strings_are_compared(model: LanguageModel, tmp_path: Path):
    export_gguf(model, tmp_path, ("F32",), Provenance())
    checks = verify_export(tmp_path, model, [])
    assert [each.check for each in checks] == ALL_CHECKS
    assert failed(checks) == []
    assert checks[0].unit == f"of {len(STRANGE)} lines differ"
    assert failed(verify_export(tmp_path, small(seed=2), [])) == ["likeliest", "bits_per_byte"]


@pytest.mark.usefixtures("few")
def test_other_settings_are_found(model: LanguageModel, tmp_path: Path, monkeypatch: Patch):
    right = write._metadata
    wrong = {
        **{"ggml.eos_token_id": 2, "ggml.bos_token_id": 1, "ggml.add_eos_token": True},
        **{"ggml.add_bos_token": False, "chat_template": "{{ messages }}"},
    }
    keys = {f"tokenizer.{key}": value for key, value in wrong.items()}
    for number, (key, value) in enumerate((keys | {"qwen3.context_length": 32}).items()):
        changed = {key: value}
        monkeypatch.setattr(write, "_metadata", lambda *given, to=changed: right(*given) | to)
        export_gguf(model, tmp_path / str(number), ("F32",), Provenance())
        checks = verify_export(tmp_path / str(number), model, toy_texts())
        assert failed(checks) == ["settings"], key
        assert re.match(r": \w+ is .+, not ", checks[2].example), key


@pytest.mark.usefixtures("few")
def test_other_begins_of_texts_are_found(model: LanguageModel, tmp_path: Path):
    export_huggingface(model, tmp_path)
    for file, wrong in (
        ("tokenizer.json", {"post_processor": None}),
        ("tokenizer_config.json", {"eos_token": "<|im_end|>"}),
        ("generation_config.json", {"eos_token_id": 2}),
    ):
        right = (tmp_path / file).read_text(encoding="utf-8")
        (tmp_path / file).write_text(json.dumps(json.loads(right) | wrong), encoding="utf-8")
        assert failed(verify_export(tmp_path, model, toy_texts())) == ["settings"]
        (tmp_path / file).write_text(right, encoding="utf-8")


def test_lost_blanks_are_found(model: LanguageModel, tmp_path: Path, monkeypatch: Patch):
    class Losing(Gguf):
        def __init__(self, path: Path, context: int) -> None:
            super().__init__(path, context)
            own = self.decode
            self.decode = lambda ids: own(ids).replace(" ", "")

    export_gguf(model, tmp_path, ("F32",), Provenance())
    monkeypatch.setattr(verify, "Gguf", Losing)
    assert failed(verify_export(tmp_path, model, toy_texts())) == ["decoding"]


@pytest.mark.parametrize(("one", "other"), [(1500, 700), (700, 1500)])
def test_models_of_two_vocabularies_differ_without_a_crash(tmp_path: Path, one: int, other: int):
    export_gguf(small(vocab=one), tmp_path / "gguf", ("F16",), Provenance())
    export_huggingface(small(vocab=one), tmp_path / "hf")
    for form in ("gguf", "hf"):
        checks = verify_export(tmp_path / form, small(vocab=other), toy_texts())
        assert {"ids", "logits"} <= {*failed(checks)}
        assert (checks[-1].check, checks[-1].value, checks[-1].limit) == ("logits", one, other)


def test_many_short_texts_give_as_many_positions_as_long_ones(model: LanguageModel) -> None:
    texts = ["Кояш чыкты.", "Су ага."] * 20_000
    assert 3500 < sum(map(len, Sample(model, texts).rows)) < 5000
    mixed = [" ".join(toy_texts())] * 64 + texts
    assert 3500 < sum(map(len, Sample(model, mixed).rows)) < 5000, "the first ones are longer"
    texts = [" ".join(toy_texts())] * 300
    assert 3500 < sum(map(len, Sample(model, texts).rows)) < 5000


def test_a_tokenizer_misread_is_refused(model: LanguageModel, monkeypatch: Patch):
    config, texts = model.decoder.config, toy_texts()
    assert isinstance(config, ModelConfig)
    require_same_ids(config, model.tokenizer, texts)
    take_the_first_split(monkeypatch)
    with pytest.raises(ExportError, match=r"ids: \d+ of \d+ lines differ") as caught:
        require_same_ids(config, model.tokenizer, texts)
    assert "another [tokenizer] kind" in caught.value.do


def test_letters_that_llama_cpp_does_not_know_are_found_before_training() -> None:
    # Garay is a script of Unicode 16.
    letters = [chr(0x10D50 + n) for n in range(20)]
    texts = [f"{letters[n]}лар {letters[n - 1]}га {letters[n - 2]}ның" for n in range(20)]
    asked = TokenizerConfig(kind="bpe", vocab=400, min_count=1)
    tokenizer = train_tokenizer(asked, lambda: iter(texts * 5))
    config = shape("qwen3", vocab=tokenizer.vocab, context=64)
    with pytest.raises(ExportError, match="lines differ"):
        require_same_ids(config, tokenizer, texts)


@pytest.mark.parametrize("data", [b"", b"GGUF", b"not a model at all" * 9])
def test_a_file_that_is_no_gguf_is_damaged(model: LanguageModel, tmp_path: Path, data: bytes):
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    for read in (verify.quantization_of, lambda path: verify_export(path, model, toy_texts())):
        with pytest.raises(Damaged) as caught:
            read(path)
        assert caught.value.where == str(path)


def test_the_number_format_is_read_from_the_file(model: LanguageModel, tmp_path: Path) -> None:
    for file in export_gguf(model, tmp_path, ("F32", "BF16", "Q4_K_M"), Provenance()):
        assert verify.quantization_of(file)[0] == file.stem.partition("-")[2]


def test_a_number_format_of_others_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_file_type(10)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with pytest.raises(Damaged, match="file type 10"):
        verify.quantization_of(tmp_path / "x.gguf")


def test_a_folder_without_a_model_is_said_before_transformers_is_asked(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Әкият\n", encoding="utf-8")
    with pytest.raises(Damaged, match=r"neither a GGUF file nor a config\.json"):
        verify_export(tmp_path, small(), toy_texts())


@pytest.mark.usefixtures("few")
def test_a_chat_model_is_checked_with_its_template(tmp_path: Path) -> None:
    model = LanguageModel(small().decoder, fresh_tokenizer("bpe"))
    export_huggingface(model, tmp_path / "hf")
    export_gguf(model, tmp_path / "gguf", ("F32",), Provenance())
    assert failed(verify_export(tmp_path / "gguf", model, toy_texts())) == []
    path = tmp_path / "hf" / "tokenizer_config.json"
    right = json.loads(path.read_text(encoding="utf-8"))
    for wrong in ({}, {"split_special_tokens": True}, {"bos_token": "<|im_end|>"}):
        path.write_text(json.dumps(right | wrong), "utf-8")
        checks = verify_export(tmp_path / "hf", model, toy_texts())
        assert failed(checks) == ["settings"] * bool(wrong)
    path.write_text(json.dumps(right), "utf-8")
    (tmp_path / "hf" / "chat_template.jinja").write_text(CHATML, encoding="utf-8")
    assert failed(verify_export(tmp_path / "hf", model, toy_texts())) == ["settings"]


@pytest.mark.usefixtures("few")
def test_a_template_that_writes_the_start_token_by_its_name_passes_in_gguf(tmp_path: Path) -> None:
    engine = tokenizers.Tokenizer.from_str(trained(1500).to_json())
    engine.add_special_tokens(["<s>"])
    tokenizer = Tokenizer(engine, start="<s>")
    tokenizer.chat_template = "<s>" + CHATML
    config = shape("qwen3", vocab=tokenizer.vocab, context=64)
    model = LanguageModel(lively_decoder(config), tokenizer)
    export_gguf(model, tmp_path, ("F32",), Provenance())
    assert failed(verify_export(tmp_path, model, toy_texts())) == []


class Altered(Ours):
    """The model itself, whose logits are changed."""

    def __init__(
        self, model: LanguageModel, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    ) -> None:
        super().__init__(model)
        self.change = change

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits after each id, changed."""
        return self.change(super().logits(ids))


def numbers(runtime: Ours, model: LanguageModel) -> dict[str, Check]:
    """The checks of logits on toy texts."""
    found = {each.check: each for each in Sample(model, toy_texts()).compared(runtime, "a", "F32")}
    assert (found["ids"].ok, found["decoding"].ok, found["settings"].ok) == (True, True, True)
    return found


def test_bits_and_distances_are_those_of_a_slow_count(model: LanguageModel) -> None:
    rows = [torch.from_numpy(row) for row in Sample(model, toy_texts()).rows]
    nats, farthest, positions, size = [0.0, 0.0], 0.0, 0, 0
    with torch.inference_mode():
        for row in rows:
            ours = model.decoder.logits(row[None])[0].double()
            both = [each.log_softmax(-1) for each in (ours, 1.5 * ours + 7)]
            farthest = max(farthest, float((both[0] - both[1]).abs().max()))
            for place, target in enumerate(row.tolist()[1:]):
                nats = [n - float(each[place, target]) for n, each in zip(nats, both, strict=True)]
                size += int(model.tokenizer.byte_counts[target])
            positions += len(row)
    found = numbers(Altered(model, lambda each: 1.5 * each + 7), model)
    assert found["logits"].value == pytest.approx(farthest, rel=1e-4)
    assert (found["likeliest"].value, found["likeliest"].ok) == (1.0, True)
    assert found["likeliest"].unit == f"of {positions:,} positions agree"
    assert found["bits_per_byte"].value == pytest.approx(nats[1] / nats[0] - 1, rel=1e-4)
    here, there = (each / math.log(2) / size for each in nats)
    assert found["bits_per_byte"].unit == f"(model {here:.4f}, export {there:.4f})"
    assert not found["bits_per_byte"].ok


def test_a_second_that_is_nearly_as_likely_counts_as_a_tie(model: LanguageModel) -> None:
    def swapped(most: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        def change(logits: NDArray[np.float32]) -> NDArray[np.float32]:
            changed = logits.copy()
            for row in changed:
                first, second = row.argsort()[[-1, -2]]
                if row[first] - row[second] <= most:
                    row[[first, second]] = row[[second, first]]
            return changed

        return change

    near = numbers(Altered(model, swapped(verify.TIE)), model)["likeliest"]
    assert near.value < 0.999
    assert near.ok
    ties = re.fullmatch(r"of ([\d,]+) positions agree, (\d+) more are ties", near.unit)
    total, tied = (int(each.replace(",", "")) for each in ties.groups())
    assert near.value == pytest.approx(1 - tied / total)
    far = numbers(Altered(model, swapped(math.inf)), model)["likeliest"]
    assert (far.value, far.ok) == (0.0, False)
    assert far.unit == near.unit, "those are no ties that are further apart"


@pytest.mark.parametrize(("most", "times"), [(1 << 40, 1), (1, 2)])
def test_few_logits_are_kept(model: LanguageModel, monkeypatch: Patch, most: int, times: int):
    monkeypatch.setattr(verify, "MOST_KEPT", most)
    sample, calls = Sample(model, toy_texts()), list[int]()
    read = sample.ours.logits

    def logits(ids: Sequence[int]) -> NDArray[np.float32]:
        calls.append(1)
        return read(ids)

    monkeypatch.setattr(sample.ours, "logits", logits)
    for _ in range(2):
        assert not failed(list(sample.compared(Ours(model), "a", "F32")))
    assert len(calls) == times * len(sample.rows)


def test_texts_are_taken_from_all_over_and_lines_with_strange_ones(model: LanguageModel) -> None:
    texts = ["Кояш чыкты."] * 20_000 + ["Le facteur passe."] * 20_000
    read = [model.tokenizer.decode(row[1:].tolist()) for row in Sample(model, texts).rows[1:]]
    late = sum("facteur" in text for text in read)
    assert 0.4 < late / len(read) < 0.6
    for given in (texts, toy_texts()):
        assert sum(map(len, Sample(model, given).rows[1:])) <= verify.TOKENS

    sample = Sample(model, ["Кояш чыкты.\n\nСу ага."])
    found = next(sample.compared(Ours(model), "a", "F32"))
    assert found.unit == f"of {2 + len(STRANGE)} lines differ"


MEASURED = [
    *(("bits_per_byte", -1e-7, 1, "0.000 % more"), ("bits_per_byte", 1e-7, 1, "0.000 % more")),
    *(("bits_per_byte", 0.0123, 1, "+1.230 % more"), ("bits_per_byte", -0.01, 1, "-1.000 % more")),
    *(("logits", 0.00123, None, "0.0012 more"), ("logits", 1500, 7000, "1500 more, not 7,000")),
    *(("likeliest", 0.98765, 0.9, "98.77 % more"), ("settings", 2.0, 0, "2 more: end is 3")),
]


@pytest.mark.parametrize(("kind", "value", "limit", "said"), MEASURED)
def test_what_was_measured_is_said(kind: Any, value: float, limit: float | None, said: str) -> None:
    example = ": end is 3" if kind == "settings" else ""
    assert Check("a", "b", kind, True, value, limit, "more", example).shown() == said
