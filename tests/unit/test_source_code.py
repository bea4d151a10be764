"""Which edits of the package's code count, and for which stages."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from code_reach import FUNCTIONS
from package_copy import SOURCE, PackageCopy

from endonym import source_code
from endonym.pipeline.made_by import files_of
from endonym.source_code import Noted, SourceCode

EXPORTS = {"export", "export_corpus", "export_adapter"}
NETWORK = {"model", "teacher", "evaluation", *EXPORTS}
"""Stages in which a model computes."""
ROWS = {"model", "teacher", "examples", "evaluation"}
"""Stages that read rows of tokens in an order."""
TOKENIZERS = {"tokenizer", "changed_tokenizer", "pretrained_tokenizer"}


@pytest.fixture(scope="module")
def before() -> dict[str, Noted]:
    return {name: SourceCode(SOURCE).noted(files_of(name)) for name in FUNCTIONS}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> PackageCopy:
    return PackageCopy(tmp_path_factory.mktemp("copy") / "endonym")


def changed(before: dict[str, Noted], root: Path) -> dict[str, list[str]]:
    """The functions for which the code in a folder is other code, with the files that differ."""
    now = SourceCode(root)
    return {name: files for name in before if (files := now.differing(before[name]))}


@pytest.mark.parametrize(
    ("name", "old", "new", "stages"),
    [
        ("train/objectives.py", "(nats, loss +", "(nats, 2 * loss +", {"model"}),
        ("train/optimizer.py", "eps=1e-8", "eps=1e-6", {"model"}),
        ("train/schedule.py", "math.pi", "math.tau", {"model"}),
        ("data/order.py", "import numpy as np", "import numpy as np\n\nnp.seterr()", ROWS),
        ("model/mamba.py", "wide_BTC * self.skip", "wide_BTC + self.skip", NETWORK),
        ("model/families.toml", "\n[", "\n[x]\n[", NETWORK),
        ("cleaning/rules.py", "DROPS", "DROPS: dict = {}\nDROPS", {"corpus"}),
        ("copies/near.py", "import numpy as np", "import numpy as np\n\nnp.seterr()", {"corpus"}),
        ("formats/io/encodings.toml", "\n[", "\n[x]\n[", {"corpus", "examples"}),
        ("cleaning/language_packs/tt.toml", 'words_in = "cyrillic"', "", {"corpus"}),
        ("tokenizer/bpe.py", "total <= vocab - BYTE_VOCAB", "total < vocab", TOKENIZERS),
        ("tokenizer/strange.toml", "[", "[0, ", {"tokenizer", "changed_tokenizer"}),
        ("evaluate/compressor.py", "ORDER = 16", "ORDER = 12", {"evaluation"}),
        ("evaluate/key_presses.py", "\ndef ", "\nprint()\n\n\ndef ", {"evaluation"}),
        ("export/templates/model.md", "card.name", "card.title", EXPORTS),
        ("export/gguf/tensor_names.toml", "\n[", "\n[x]\n[", EXPORTS),
        ("autopilot/phase.py", "0.1", "0.2", {"choices"}),
        ("serve/api.py", "import", "import math\nimport", set()),
        ("report/report.html", "<h2>", "<h3>", set()),
        ("commands/new.py", "import", "import math\nimport", set()),
    ],
)
def test_an_edit_counts_for_the_stages_that_it_can_change(
    name: str, old: str, new: str, stages: set[str], *, before: dict[str, Noted], copy: PackageCopy
) -> None:
    """At least for these, and for no stage that is made before them."""
    with copy.edited(name, old, new):
        found = changed(before, copy.root)
    assert found.keys() >= stages
    assert all(files == [name] for files in found.values())
    assert bool(found) == bool(stages)
    if "corpus" not in stages:
        assert "corpus" not in found
    if not stages & {"model", *TOKENIZERS}:
        assert not {"model", "shards"} & found.keys()
    assert not changed(before, copy.root)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train/objectives.py", '"""', '"""Other words. '),
        ("train/objectives.py", "def cross_entropy(", "# A comment.\n\n\ndef cross_entropy("),
        (
            "train/objectives.py",
            "cross_entropy(decoder: AnyDecoder,",
            "cross_entropy(decoder: int,",
        ),
        ("train/optimizer.py", "eps=1e-8, ", "\n            eps=0.00000001,\n            "),
        ("model/families.toml", "\n[", "\n# A comment.\n\n["),
        ("train/config.py", '    """', '    """Other words. '),
    ],
)
def test_comments_docstrings_layout_and_annotations_do_not_count(
    name: str, old: str, new: str, *, before: dict[str, Noted], copy: PackageCopy
) -> None:
    with copy.edited(name, old, new):
        assert (copy.root / name).read_bytes() != (SOURCE / name).read_bytes()
        assert not changed(before, copy.root)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train/config.py", "steps: int", "steps: float"),  # pydantic reads the types of fields.
        ("train/objectives.py", "import torch", "import torch\n("),  # Python cannot read it.
        ("model/families.toml", "\n[", "\n[["),
    ],
)
def test_types_of_fields_and_what_cannot_be_read_count(
    name: str, old: str, new: str, *, before: dict[str, Noted], copy: PackageCopy
) -> None:
    with copy.edited(name, old, new):
        assert changed(before, copy.root)["model"] == [name]


def test_a_file_that_is_gone_differs(before: dict[str, Noted], copy: PackageCopy) -> None:
    (copy.root / "train/muon.py").unlink()
    assert changed(before, copy.root)["model"] == ["train/muon.py"]
    copy.restore("train/muon.py")


def test_files_that_are_written_later_are_known(copy: PackageCopy) -> None:
    code = SourceCode(copy.root)
    noted = code.noted(files_of("tokenizer"))
    with copy.edited("tokenizer/bpe.py", "import", "import math\nimport"):
        assert not code.differing(noted), "what this process runs"
        assert SourceCode(copy.root).differing(noted) == ["tokenizer/bpe.py"]


def test_code_of_an_installed_release_is_known_by_its_record(
    copy: PackageCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["train/step.py", "model/families.toml"]
    assert not SourceCode(copy.root).are_released(names), "a checkout has none"

    class Installed:
        """One file as a wheel lists it, and a script that is not of the package."""

        def __init__(self, name: str) -> None:
            self.name, self.hash = name, self
            digest = sha256((copy.root / name).read_bytes()).digest()
            self.value = urlsafe_b64encode(digest).decode().rstrip("=")

        def locate(self) -> Path:
            return copy.root / self.name

    files = [Installed(name) for name in names]
    monkeypatch.setattr(
        source_code.metadata, "distribution", lambda name: SimpleNamespace(files=files)
    )
    source_code._released_files.cache_clear()
    assert SourceCode(copy.root).are_released(names)
    assert not SourceCode(copy.root).are_released([*names, "train/loop.py"])
    with copy.edited("train/step.py", "import", "# A comment.\nimport"):
        assert not SourceCode(copy.root).are_released(names)
        assert SourceCode(copy.root).are_released(names[1:])
    source_code._released_files.cache_clear()
