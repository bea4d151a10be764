"""The corpus stage with every rule on, in a folder that is deleted."""

from pathlib import Path

import pytest
from made_dirt import fables, stubs
from text_samples import RUSSIAN, TATAR, files, write

from endonym.cleaning.tally import SAMPLES
from endonym.corpus.corpus import make_corpus
from endonym.corpus.corpus_stats import total
from endonym.formats.config import Clean, Source, Split
from endonym.formats.files import RawFile
from endonym.survey.cleaning import diagnostic_clean
from endonym.survey.examination import examine, most_of_each, sampled


def source(*paths: Path) -> tuple[Source, list[RawFile]]:
    """Lists of sentences."""
    every = [RawFile(path=path, name=path.name) for path in paths]
    return Source(name=paths[0].stem, path=str(paths[0]), document="line"), every


def many(count: int) -> str:
    """So many different lines."""
    return "\n".join(f"{TATAR[n % 6]} {n}" for n in range(count))


def test_what_was_dirtied_is_found_and_nothing_stays_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    texts = [*TATAR, TATAR[0], "Безнeң aвылда бүген бәйрәм булды", *stubs(60)]
    path = write(tmp_path, "a.txt", "\n".join(texts) + "\n")
    found = examine([source(path)], diagnostic_clean("", "\n".join(texts), texts), samples=50)
    assert found.documents == len(texts)
    assert found.dropped("exact").records == 1
    assert found.stats[0].tally.rules["look_alikes"].documents == 1
    assert sum(found.templates.values()) == 60
    assert sum(found.kept.skeletons.values()) > 0
    assert found.kept.documents < found.documents
    assert not [*(tmp_path / "temporary").glob("endonym-doctor-*")]


def test_few_texts_and_none_are_no_error(tmp_path: Path):
    clean = diagnostic_clean("tt", TATAR[0], TATAR[:1])
    one = examine([source(write(tmp_path, "one.txt", TATAR[0] + "\n"))], clean)
    assert (one.documents, one.kept.documents) == (1, 1)
    blank = examine([source(write(tmp_path, "blank.txt", "\n\n"))], clean)
    assert (blank.documents, blank.reasons()) == (0, ["no_text"])
    assert examine([], clean).documents == 0


def test_of_large_texts_an_evenly_spread_sample_of_files_is_examined(tmp_path: Path):
    paths = [write(tmp_path, f"{n}.txt", TATAR[n % 6] * 10) for n in range(30)]
    size, whole = sum(path.stat().st_size for path in paths), source(*paths)
    ((_, some),) = sampled([whole], size // 3 + 1)
    assert 8 <= len(some) <= 10
    assert {file.name for file in some} < {file.name for file in whole[1]}
    found = examine([whole], diagnostic_clean("", TATAR[0], TATAR), limit=size // 3 + 1)
    assert (found.all_files, found.all_bytes, found.files) == (30, size, len(some))
    assert not found.is_whole
    # Each source has a part in it, however small: its largest file.
    small = source(write(tmp_path, "кыска.txt", "Әй"), write(tmp_path, "озын.txt", "Әйе"))
    assert [each.name for each in sampled([whole, small], size // 30)[1][1]] == ["озын.txt"]


def test_so_much_is_read_of_each_large_file_as_the_limit_allows(tmp_path: Path):
    paths = [write(tmp_path, f"{m}.txt", f"{m}\n{many(600)}") for m in range(4)]
    size = sum(path.stat().st_size for path in paths)
    given = [source(path) for path in [*paths, write(tmp_path, "small.txt", TATAR[0])]]
    found = examine(given, diagnostic_clean("", TATAR[0], TATAR), limit=size // 2)
    assert (found.files, found.all_files) == (5, 5)
    assert found.cut
    assert size // 2 - 5 <= found.bytes <= size // 2
    for each in found.stats[:4]:  # not the first line alone, which was fetched with all others
        assert each.read["bytes"] == pytest.approx(size // 8, rel=0.02)
    assert found.stats[4].read["records"] == 1


def test_what_small_files_leave_of_the_limit_is_for_the_large_ones():
    assert most_of_each([100] * 9 + [10_000_000], 3_000_000) == 2_999_100
    assert most_of_each([5, 5], 10) is None
    assert most_of_each([], 10) is None


def test_small_files_do_not_stand_for_a_large_one(tmp_path: Path):
    paths = [write(tmp_path, f"{n}.txt", TATAR[0]) for n in range(9)]
    large = write(tmp_path, "large.txt", many(2_000))
    whole, limit = source(*paths, large), large.stat().st_size // 3
    ((_, some),) = sampled([whole], limit)
    assert large in [file.path for file in some]
    found = examine([whole], diagnostic_clean("", TATAR[0], TATAR), limit=limit)
    assert (found.cut, found.bytes) == (True, limit)
    assert found.stats[0].read["bytes"] == pytest.approx(limit, rel=0.05)


@pytest.mark.parametrize("samples", [0, 1, 4])
def test_so_many_examples_are_kept_as_are_asked_for(tmp_path: Path, samples: int):
    texts = [f"Безнeң aвылда {n} кеше яши" for n in range(8)]
    path = write(tmp_path, "a.txt", "\n".join(texts))
    found = examine([source(path)], diagnostic_clean("", TATAR[0], texts), samples=samples)
    rule = found.stats[0].tally.rules["look_alikes"]
    assert (rule.documents, len(rule.samples)) == (8, samples)


NOTICE = "Tous droits réservés, toute reproduction interdite sans accord écrit."


def blocks(folder: Path, texts: list[str]) -> list[tuple[Source, list[RawFile]]]:
    """A source whose texts end with two empty lines."""
    path = write(folder, "texts.txt", "\n\n\n".join(texts))
    source = Source(name="texts", path=str(path), document="blank_lines", blank_lines=2)
    return [(source, files(source))]


CLEAN = Clean(
    normalize=("nfc", "look_alikes", "spaces"),
    mask=("email",),
    min_chars=20,
    dedup=("exact",),
    language="fr",
    min_language_score=0.6,
    max_line_documents=5,
    max_same_skeleton=4,
)


def dirty() -> list[str]:
    texts = [f"{text}\n{NOTICE}" for text in fables("fr")]
    texts[3] += " Écrivez à a@b.fr !"
    return [*texts, texts[5], "Oui.", *RUSSIAN[:2], *stubs(9)]


def test_the_whole_of_small_texts_is_cleaned_as_the_corpus_will_be(tmp_path: Path) -> None:
    sources = blocks(tmp_path, dirty())
    found = examine(sources, CLEAN, samples=SAMPLES)
    made = make_corpus(sources, CLEAN, Split(seed=1), out=tmp_path / "out")["total"]
    assert found.is_whole
    assert found.documents == made["read"]["records"]
    assert found.kept.documents == sum(kept["documents"] for kept in made["kept"].values())
    assert total(found.stats)["rules"] == made["rules"]
    names = {"mask email", "max_line_documents", "min_chars", "min_language_score", "exact"}
    assert set(made["rules"]) == names


def test_copies_and_evaluation_texts_go_as_they_will_from_the_corpus(tmp_path: Path) -> None:
    texts = fables("fr")
    long = [text for text in texts if len(text) > 400]
    near = [f"{long[0]} Voilà tout.", f"{long[1].upper()}!"]
    cut = f"{texts[4]}\n{max(long[2].splitlines(), key=len)}"
    sources = blocks(tmp_path, [*texts, *near, cut, texts[6], f"{NOTICE} Oui."])
    clean = Clean(dedup=("exact", "near", "paragraphs"), normalize=("spaces",))
    judges = [("juge.txt", [texts[8]])]
    found = examine(sources, clean, evaluation=judges, samples=SAMPLES)
    made = make_corpus(sources, clean, Split(seed=1), out=tmp_path / "out", evaluation=judges)
    assert found.kept.documents == sum(k["documents"] for k in made["total"]["kept"].values())
    assert total(found.stats)["rules"] == made["total"]["rules"]
    assert {"exact", "near", "decontaminate"} <= set(made["total"]["rules"])
    largest = [size for _, size in found.clusters[:1]]
    assert largest == [made["near"]["largest"]] == [2]


def test_a_file_of_copies_is_the_same_as_another_if_that_holds_hardly_more(tmp_path: Path) -> None:
    lines = many(10).split("\n")
    own = [f"Кичә {text}" for text in lines[:2]]
    parts = (("әкият", lines), ("җыр", lines[:8]), ("шигырь", lines[:7]), ("хат", own[:1]))
    parts += (("мәкаль", [*lines[:8], own[1]]), ("роман", [*lines[:9], own[0]]))
    paths = [write(tmp_path, f"{name}.txt", "\n".join(part)) for name, part in parts]
    found = examine([source(*paths)], Clean(dedup=("exact",)))
    assert found.same == {"әкият/әкият.txt": ["әкият/җыр.txt", "әкият/роман.txt"]}


def test_a_file_of_copies_that_are_hardly_changed_is_the_same_as_another(tmp_path: Path) -> None:
    long = [text.replace("\n", " ") for text in fables("fr") if len(text) > 400][:3]
    near = [f"{text} Voilà tout." for text in long]
    texts = {"a": long, "b": near, "c": [*long[1:], near[0]], "d": [f"Oui, {long[0]}"] * 3}
    paths = [write(tmp_path, f"{name}.txt", "\n".join(text)) for name, text in texts.items()]
    found = examine([source(*paths)], Clean(dedup=("exact", "near")))
    assert found.same == {"a/b.txt": ["a/c.txt", "a/d.txt", "a/a.txt"]}
