"""Which code counts for a stage: what can change its result, and nothing else."""

import ast
from pathlib import Path

import pytest
from package_copy import SOURCE, PackageCopy

from endonym.source_code import NO_DATA, NO_RESULT, SourceCode

STAGES = (
    *("corpus", "tokenizer", "shards", "examples", "model", "teacher", "evaluation", "export"),
    *("export_corpus", "export_adapter", "pretrained", "pretrained_tokenizer", "source"),
)
EXPORTS = {"export", "export_corpus", "export_adapter"}
NETWORK = {"pretrained", "model", "teacher", "evaluation", *EXPORTS}
"""Stages in which a model computes."""
ROWS = {"model", "teacher", "examples", "evaluation"}
"""Stages that read rows of tokens in an order."""
UNREACHED = {
    *("recipe/example.toml", "commands/checks.txt", "commands/left.txt", "report/change.html"),
    *("report/closely.html", "report/head.html", "report/table.html"),
}
"""Data that no definition names: parts of templates, and what only people and tests read."""

Codes = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "source_code.json"


@pytest.fixture(scope="module")
def before(kept: Path) -> Codes:
    return codes(kept, SOURCE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> PackageCopy:
    return PackageCopy(tmp_path_factory.mktemp("copy") / "endonym")


def codes(kept: Path | None, root: Path) -> Codes:
    """The hashes of the files that count, by stage."""
    source = SourceCode(kept, root)
    found = {stage: source.of(f"endonym.pipeline.stages:{stage}") for stage in STAGES}
    assert None not in found.values()
    return {stage: code.files for stage, code in found.items() if code is not None}


def changed(before: Codes, after: Codes) -> set[str]:
    return {stage for stage in STAGES if before[stage] != after[stage]}


EDITS = [
    ("train/objectives.py", "return Loss(nats, loss +", "return Loss(nats, 2 * loss +", {"model"}),
    ("train/optimizer.py", "eps=1e-8", "eps=1e-6", {"model"}),
    ("train/schedule.py", "math.pi", "math.tau", {"model"}),
    ("data/order.py", "import numpy as np", "import numpy as np\n\nnp.seterr()", ROWS),
    ("model/mamba.py", "wide_BTC * self.skip", "wide_BTC + self.skip", NETWORK),
    ("model/families.toml", "[", "[x]\n[", NETWORK),
    ("cleaning/rules.py", "DROPS", "DROPS: dict = {}\nDROPS", {"corpus"}),
    # Prompts of an evaluation are spelled as the texts are, and words of scripts without spaces are
    # found by a tokenizer.
    ("cleaning/language_packs/tt.toml", 'words_in = "cyrillic"', "", {"corpus", "evaluation"}),
    ("copies/near.py", "\ndef ", "\nLIMIT = 1\n\n\ndef ", set()),  # Nothing names it.
    (
        "tokenizer/bpe.py",
        "total <= vocab - BYTE_VOCAB",
        "total < vocab",
        {"tokenizer", "evaluation"},
    ),
    ("tokenizer/strange.toml", "[", "[x]\n[", {"tokenizer", "evaluation"}),
    ("evaluate/compressor.py", "ORDER = 16", "ORDER = 12", {"evaluation"}),
    ("export/templates/model.md", "card.name", "card.title", EXPORTS),
    ("export/gguf/tensor_names.toml", "[", "[x]\n[", {"export"}),
    ("serve/api.py", "import", "import math\nimport", set()),
    ("report/report.html", "<h2>", "<h3>", set()),
    ("autopilot/phase.py", "0.1", "0.2", set()),  # Its choices are in the configs of stages.
]


@pytest.mark.parametrize(("name", "old", "new", "stages"), EDITS, ids=[e[0] for e in EDITS])
def test_an_edit_counts_for_the_stages_that_it_can_change(
    name: str,
    old: str,
    new: str,
    stages: set[str],
    *,
    before: Codes,
    copy: PackageCopy,
    kept: Path,
) -> None:
    with copy.edited(name, old, new):
        after = codes(kept, copy.root)
    found = changed(before, after)
    assert stages <= found <= stages | EXPORTS if stages else not found
    for stage in found:
        files = {*before[stage], *after[stage]}
        assert {e for e in files if before[stage].get(e) != after[stage].get(e)} == {name}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train/objectives.py", '"""', '"""New words. '),
        ("train/objectives.py", "def cross_entropy(", "# A comment.\n\n\ndef cross_entropy("),
        (
            "train/objectives.py",
            "def cross_entropy(decoder: AnyDecoder,",
            "def cross_entropy(\n    decoder: Any,",
        ),
        ("model/families.toml", "\n[", "\n# A comment.\n\n["),
        ("train/optimizer.py", "eps=1e-8, weight_decay=0.0", "eps=0.00000001, weight_decay=0."),
    ],
)
def test_comments_docstrings_layout_and_annotations_do_not_count(
    name: str, old: str, new: str, *, before: Codes, copy: PackageCopy, kept: Path
) -> None:
    with copy.edited(name, old, new):
        text = (copy.root / name).read_text(encoding="utf-8")
        if name.endswith(".py"):
            ast.parse(text)
        assert text != (SOURCE / name).read_text(encoding="utf-8")
        assert not changed(before, codes(kept, copy.root))


def test_what_is_kept_of_files_changes_nothing(before: Codes, kept: Path) -> None:
    assert kept.is_file()
    again = codes(kept, SOURCE)
    kept.write_text('{"endonym.train.objectives": {"key": "0"}, "endonym.store": 7}', "utf-8")
    assert again == codes(kept, SOURCE) == codes(None, SOURCE) == before


def test_every_data_file_counts_for_a_definition() -> None:
    source = SourceCode()
    named = set[Path]()
    words, folders = set[str](), set[Path]()
    for module in source.modules:
        for name in source._module(module)["parts"]:
            found = source._named_by(module, name)
            named.update(source._data_of(module, found.words))
            words |= found.words
            folders |= found.folders
    named |= {
        path for path, (home, _) in source.data.items() if home in folders and path.name in words
    }
    files = {path for path in SOURCE.rglob("*") if path.is_file() and path.suffix not in NO_DATA}
    rest = {path.relative_to(SOURCE).as_posix() for path in files - named}
    assert rest == UNREACHED


def test_what_counts_for_no_result_is_there() -> None:
    source = SourceCode()
    for each in NO_RESULT:
        module, _, name = each.partition(":")
        assert module in source.modules
        assert not name or name in source._module(module)["parts"]


def test_libraries_are_noted_with_their_versions() -> None:
    source = SourceCode()
    model = source.of("endonym.pipeline.stages:model")
    tokenizer = source.of("endonym.pipeline.stages:tokenizer")
    assert model is not None
    assert tokenizer is not None
    assert {"torch", "safetensors", "numpy"} <= model.libraries.keys()
    assert "tokenizers" in tokenizer.libraries
    assert "torch" not in tokenizer.libraries
    assert source.of("endonym.pipeline.stages:nothing") is None
    assert source.of("tests.elsewhere:make") is None


def test_files_that_were_written_since_are_known(copy: PackageCopy) -> None:
    source = SourceCode(None, copy.root)
    code = source.of("endonym.pipeline.stages:tokenizer")
    assert code is not None
    assert not source.has_changed(code.files)
    with copy.edited("tokenizer/bpe.py", "import", "import math\nimport"):
        assert source.has_changed(code.files)


def test_code_of_an_installed_release_is_known_by_its_record(
    copy: PackageCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SourceCode(None, copy.root)
    record = {path: source.raw[path] for path in source.raw}
    monkeypatch.setattr("endonym.source_code._released_files", lambda root: record)
    model = SourceCode(None, copy.root).of("endonym.pipeline.stages:model")
    assert model is not None
    assert model.is_release
    with copy.edited("train/step.py", "import", "# new\nimport"):
        edited = SourceCode(None, copy.root).of("endonym.pipeline.stages:model")
    assert edited is not None
    assert not edited.is_release
    monkeypatch.setattr("endonym.source_code._released_files", lambda root: {})
    checkout = SourceCode(None, copy.root).of("endonym.pipeline.stages:model")
    assert checkout is not None
    assert not checkout.is_release
