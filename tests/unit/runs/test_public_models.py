"""A model from elsewhere beside runs: on their documents, by the code that scores runs."""

from pathlib import Path

import pytest

from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.runs.compare import as_dict, compare
from endonym.runs.comparison_page import write_comparison
from endonym.runs.comparison_tables import cells
from endonym.runs.finished_runs import read
from endonym.runs.public_models import is_model_folder, public_model


def test_a_folder_is_scored_on_the_documents_of_a_run_as_the_run_was(
    finished: Path, tmp_path: Path
) -> None:
    """The run's own model in another format: what it needs differs from the run's by rounding."""
    (folder,) = (finished / "runs").iterdir()
    run = read(folder, folder.name)
    model = LanguageModel.load(run.models[-1].folder)
    export_huggingface(model, tmp_path / "gpt2-tatar")
    assert is_model_folder(str(tmp_path / "gpt2-tatar"))
    other = public_model(tmp_path / "gpt2-tatar", run, "test", log=Log(quiet=True), device="cpu")
    found = compare([run], [other])
    assert other.score.value == pytest.approx(run.score.value, abs=1e-4)
    (beside,) = found.others
    assert beside.difference is not None
    assert beside.difference.value == pytest.approx(0, abs=1e-4)
    assert any("It is not known what gpt2-tatar learned from" in note for note in found.notes)
    assert not any("needs the fewest" in note for note in found.notes), "of one run"
    assert [row[0] for row in cells(found)][:3] == ["run", run.name, "gpt2-tatar"]
    assert as_dict(found)["others"][0]["score"]["n_documents"] == run.score.n_documents
    page = write_comparison(found, tmp_path)
    assert "\nother,gpt2-tatar," in page.with_suffix(".csv").read_text(encoding="utf-8")
