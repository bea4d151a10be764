"""`endonym new --update`: new texts come into a recipe whose other characters stay."""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_ocr import install, picture, remove
from fake_web import running_web
from made_documents import docx, word_paragraph
from text_samples import FRENCH, numbered, write

from endonym.commands import update
from endonym.commands.filled import filled
from endonym.commands.new import describe_survey, write_addresses
from endonym.errors import RecipeError, SourceError
from endonym.formats import isolation
from endonym.formats.config import Source
from endonym.formats.files import RawFile
from endonym.formats.parsers.unit import Unit
from endonym.formats.reader import read_file
from endonym.formats.source_errors import source_error
from endonym.log import Log
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.store import Store
from endonym.survey.survey import ODD, PERSONS, Left, Survey, survey_texts

RECIPE = """# мин яздым
name = "sentences"
language = "tt"
[[source]]
name = "a"
path = "texts/a.txt"     # the old one
document = "line"
# behind a
[clean]
dedup = ["exact"]        # mine
[pack]
join = ["a"]             # lists
[[phase]]
steps = 10
sources = ["a"]
"""


@pytest.fixture
def recipe(tmp_path: Path, language_sentences: Callable[[str], list[str]]) -> Path:
    write(tmp_path, "texts/a.txt", language_sentences("tatar"))
    return write(tmp_path, "recipe.toml", RECIPE)


def updated(recipe: Path, *texts: Path | str) -> str:
    update.update_recipe(
        recipe.parent, texts=texts, store=recipe.parent / "store", log=Log(quiet=True)
    )
    return recipe.read_text(encoding="utf-8")


def test_new_texts_are_sources_and_all_that_a_person_wrote_stays(
    recipe: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    texts = recipe.parent / "texts"
    tatar = language_sentences("tatar")
    write(texts, "a.txt.gz", b"no gzip")
    write(texts, "башка.txt", language_sentences("khmer") * 2)
    write(texts, "китап/a.docx", docx("".join(map(word_paragraph, tatar * 9))))
    write(texts, "яңа.txt", tatar[::-1])
    text = updated(recipe, texts)
    for line in RECIPE.replace('join = ["a"]', 'join = ["a", "яңа"]').splitlines():
        assert line in text.splitlines() or "join" in line
    data = tomllib.loads(text)
    assert [source["path"] for source in data["source"]] == [
        "texts/a.txt",
        "texts/китап/a.docx",
        "texts/яңа.txt",
    ]
    names = [source["name"] for source in data["source"]]
    assert (names, data["clean"]) == (["a", "a-docx", "яңа"], {"dedup": ["exact"]})
    assert set(data["pack"]["join"]) == {*names}
    assert '# path = "texts/башка.txt"' in text
    assert "# left out: " in text
    # What is left out is known, and nothing is new any more.
    assert sources.beside(Recipe.load(recipe), Store(recipe.parent / "store")).unused == []
    assert updated(recipe) == text


@pytest.mark.parametrize("is_named", [False, True])
def test_what_waited_for_a_library_or_for_tesseract_is_taken_in_once_it_is_installed(
    is_named: bool,
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language_sentences: Callable[[str], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the files that wait have in common is said once, and the texts are read all the same."""
    texts, tatar, store = recipe.parent / "texts", language_sentences("tatar"), tmp_path / "store"
    for name in ("а", "б"):
        write(texts, f"{name}.docx", docx("".join(map(word_paragraph, tatar * 9))))
        write(texts, f"{name}.png", picture(tatar[0]))
    write(texts, "яңа.txt", tatar[::-1])
    with monkeypatch.context() as nothing_installed:
        remove(nothing_installed)
        nothing_installed.setattr(isolation, "parsed_units", without_lxml)
        file = RawFile(path=texts / "а.docx", name="а.docx")
        with pytest.raises(SourceError, match=r'а\.docx, of source "words".*lxml is not') as caught:
            list(read_file(Source(name="words", path="."), file))
        assert "make install" in caught.value.do
        update.update_recipe(recipe.parent, texts=[texts], store=store, log=Log())
        said, waiting = capsys.readouterr().err, recipe.read_text(encoding="utf-8")
        assert said.count("2 files (а.docx and б.docx)") == 1 == said.count("(а.png and б.png)")
        assert (said.count("make install"), said.count("apt-get install")) == (1, 1)
        assert [each["name"] for each in tomllib.loads(waiting)["source"]] == ["a", "яңа"]
        assert len([line for line in waiting.splitlines() if "not read yet" in line]) == 2
        assert updated(recipe) == waiting
    install(tmp_path / "t", {"Cyrillic": ("".join(tatar), 95.0)}, monkeypatch)
    assert sources.beside(Recipe.load(recipe), Store(store)).unused == []
    update.update_recipe(recipe.parent, texts=[texts] * is_named, store=store, log=Log())
    said = capsys.readouterr().err
    assert "4 files that waited can now be read" in said
    assert '; ocr = ["Cyrillic"]\n' in said
    assert f"{4 if is_named else 2} sources added: " in said
    assert "phase pretrain names its `sources`, and does not read the new ones" in said
    text = recipe.read_text(encoding="utf-8")
    assert "not read yet" not in text
    new = tomllib.loads(text)["source"][2:]
    names = "аб" if is_named else "*"
    assert {each["path"]: each.get("ocr") for each in new} == {
        f"texts/{name}.{kind}": ocr
        for kind, ocr in (("docx", None), ("png", ["Cyrillic"]))
        for name in names
    }
    assert updated(recipe) == text


def without_lxml(*_: object, **__: object) -> Iterator[Unit]:
    """In the place of `parsed_units`, as if what reads a file were not installed."""
    raise source_error("no_library", "", library="lxml")


def test_a_renamed_file_has_its_new_name_and_line_ends_stay(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, store = recipe.parent / "texts", Store(recipe.parent / "store")
    recipe.write_bytes(b"\xef\xbb\xbf" + RECIPE.replace("\n", "\r\n").encode())
    sources.hash_all(sources.find(Recipe.load(recipe)), store, Log(quiet=True))
    (texts / "a.txt").rename(texts / "ә.txt")
    before = recipe.read_bytes().decode()
    for said in ("source a reads ә.txt now", "the recipe stays as it is: the sources read every"):
        capsys.readouterr()
        update.update_recipe(recipe, texts=(), store=store.root, log=Log())
        assert said in capsys.readouterr().err
        assert recipe.read_bytes().decode() == before.replace("a.txt", "ә.txt")


def test_what_is_excluded_or_read_by_its_address_is_not_new_and_a_missing_file_is_told(
    recipe: Path, capsys: pytest.CaptureFixture[str], language_sentences: Callable[[str], list[str]]
) -> None:
    tatar = language_sentences("tatar")
    write(recipe.parent, "texts/иске/a.txt", tatar[::-1])
    excluding = 'path = "texts/*.txt"\nexclude = ["иске/*"]'
    text = RECIPE.replace('path = "texts/a.txt"     # the old one', excluding)
    recipe.write_text(text, encoding="utf-8")
    with running_web() as web:
        web.files["/b.txt"] = "\n".join(tatar[::2]).encode()
        before = updated(recipe, web.url + "/b.txt")
        assert updated(recipe, web.url + "/b.txt", recipe.parent / "texts") == before
    (recipe.parent / "texts" / "a.txt").unlink()
    update.update_recipe(recipe.parent, texts=(), store=recipe.parent / "store", log=Log())
    assert "source a has no file at texts/*.txt" in capsys.readouterr().err


def test_new_files_that_a_source_reads_by_its_glob_are_said_with_its_name(
    recipe: Path, language_sentences: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    texts, store = recipe.parent / "texts", Store(recipe.parent / "store")
    recipe.write_text(RECIPE.replace("a.txt", "*.txt"), encoding="utf-8")
    sources.hash_all(sources.find(Recipe.load(recipe), store), store, Log(quiet=True))
    write(texts, "укучылар.txt", [f"{n}. Галиева Алсу, 8-917-234-56-{n}" for n in range(10, 24)])
    update.update_recipe(recipe.parent, texts=(), store=store.root, log=Log())
    assert "a list of persons" in capsys.readouterr().err, "though there is no other new file"
    write(texts, "Яңа хикәя.txt", language_sentences("tatar")[::-1])
    before = recipe.read_text(encoding="utf-8")
    update.update_recipe(recipe.parent, texts=(), store=store.root, log=Log())
    said = capsys.readouterr().err
    assert "source a reads 2 new files" in said
    assert "Яңа хикәя.txt and укучылар.txt; 1 file of it had been read before" in said
    assert "a list of persons" in said
    assert 'exclude = ["укучылар.txt"]' in said
    assert recipe.read_text(encoding="utf-8") == before


def test_a_recipe_that_takes_no_tables_stays_as_it_was(recipe: Path, tmp_path: Path) -> None:
    given = '[{name = "a", path = "texts/a.txt"}]\nseed = 1'
    head, rest = RECIPE.split("[[source]]\n")
    text = f"{head}source = {given}\n{rest[rest.index('[clean]') :]}"
    recipe.write_text(text, encoding="utf-8")
    write(recipe.parent / "texts", "b.txt", numbered(90) + FRENCH)
    with pytest.raises(RecipeError, match="cannot be written"):
        updated(recipe)
    assert recipe.read_text(encoding="utf-8") == text
    with pytest.raises(RecipeError, match="no recipe to update"):
        updated(tmp_path / "none" / "recipe.toml")


def said(survey: Survey, capsys: pytest.CaptureFixture[str]) -> str:
    """What `new` and an update say of texts."""
    describe_survey(survey, "tt", Path("m"), Log(verbose=True))
    return capsys.readouterr().err


@pytest.mark.parametrize(("count", "more"), [(8, 0), (9, 1)])
def test_of_many_odd_sources_eight_are_shown_and_the_rest_is_counted(
    count: int, more: int, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [Left(ODD, f"{n}.txt", "reads like Bashkir", 1.0, None) for n in range(count)]
    source = (Source(name="a", path="a"), "")
    survey = Survey(sources=[source], left=odd, encodings=Counter({"utf-8": 1}))
    text = said(survey, capsys)
    assert text.count("reads like Bashkir") == 8
    assert re.findall("and [0-9]+ more", text) == ["and 1 more"] * more
    assert (", …]" in " ".join(text.split())) == bool(more)


def test_what_is_left_out_names_where_it_was_fetched_from() -> None:
    here, there = (Source(name=each, path=f"fetched/{each}.txt") for each in ("китап", "книга"))
    left = [
        Left(ODD, there.path, "reads like Russian", 9.0, there),
        Left(ODD, there.path, "reads like Russian", 9.0, None),
        Left(PERSONS, here.path, "a list of persons", 9.0, here),
    ]
    survey, address = Survey(sources=[(there, "why")], left=[*left]), "https://kitap.tt/книга.txt"
    keys = {"path": address, "sha256": "0" * 64}
    write_addresses(survey, {there.path: keys})
    fetched = there.model_copy(update=keys)
    assert survey.sources == [(fetched, "why")]
    assert survey.left == [left[0]._replace(path=address, source=fetched), *left[1:]]
    survey.left += [each._replace(path=f"{n}.txt", source=None) for n, each in enumerate(left)]
    left_out = (
        "# left out{}: {}\n# To use it all the same:\n# [[source]]\n# name = {}\n# path = {}\n"
    )
    odd, persons = ", as it reads like another language", '"fetched/китап.txt"'
    assert filled("left.txt", survey=survey).splitlines() == [
        *left_out.format(odd, "reads like Russian", '"книга"', f'"{address}"').splitlines(),
        f'# sha256 = "{"0" * 64}"',
        "",
        *left_out.format("", "a list of persons", '"китап"', persons).splitlines(),
        "",
        "# left out, too, as they read like another language: fetched/книга.txt, 0.txt, 1.txt",
        "",
        "# left out, too, as lists of persons: 2.txt",
    ]


def test_of_many_files_that_are_left_out_for_one_reason_the_first_are_named() -> None:
    skipped = [(f"хат {n}.txt", "no text in it") for n in range(23)]
    ((fate, names, why),) = Survey(skipped=skipped).by_reason
    assert (fate, why) == ("left out", "no text in it")
    assert names.endswith("хат 18.txt, хат 19.txt and 3 more")
    assert "more" not in Survey(skipped=skipped[:20]).by_reason[0][1]


def test_conversations_among_the_texts_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "question,answer\nCât costă excursia?,Excursia costă douăzeci de lei.\n"
    (tmp_path / "chats.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "a.txt").write_text("\n".join(numbered(60)), encoding="utf-8")
    survey = survey_texts([tmp_path], tmp_path)
    assert "warning: chats.csv" not in said(survey, capsys)


def test_new_conversations_get_a_phase_behind_the_others_and_later_ones_join_it(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (
        ("сораулар", "question,answer", "Әйбәт."),
        ("chats", "question,answer", "Мин Казаннан."),
        ("табышмак", "табышмак,җавап", "Су."),
    )
    for name, columns, answer in asked:
        rows = f"{columns}\nХәлләр ничек? {name},{answer}\n"
        (recipe.parent / "texts" / f"{name}.csv").write_text(rows, encoding="utf-8")
        update.update_recipe(recipe.parent, texts=(), store=recipe.parent / "store", log=Log())
        text = recipe.read_text(encoding="utf-8")
        assert "1 conversation. Their" in " ".join(capsys.readouterr().err.split())
    phases = Recipe.load(recipe).phase
    assert [(each.name, each.data, each.columns) for each in phases[-2:]] == [
        ("chat", ("texts/сораулар.csv", "texts/chats.csv"), None),
        ("chat-1", "texts/табышмак.csv", ("табышмак", "җавап")),
    ]
    assert updated(recipe) == text
    given = [recipe.parent / "texts" / "chats.csv"]
    update.update_recipe(recipe.parent, texts=given, store=recipe.parent / "store", log=Log())
    assert recipe.read_text(encoding="utf-8") == text, "the phase reads it already"


def test_new_conversations_join_the_last_phase_that_can_read_them(recipe: Path) -> None:
    """What a person wrote into the list stays; the recipe says how many may be broken."""
    for name, rows in (("а", ""), ("яңа", "Кем?,Мин.\n,Буш.\n"), ("бозык", ",Буш.\n,Буш.\n")):
        text = f"question,answer\nКем {name}?,Әни.\n{rows}"
        (recipe.parent / "texts" / f"{name}.csv").write_text(text, encoding="utf-8")
    chats = '[[phase]]\nname = "{}"\nobjective = "chat"\ndata = {}\n\n'
    own = '[  # иң яхшысы\n  "texts/а.csv",\n]\ncolumns = ["табышмак", "җавап"]'
    text = recipe.read_text(encoding="utf-8") + "\n[chat]\nmax_rejected = 0.4\n\n"
    text += chats.format("one", '"texts/а*.csv"') + chats.format("two", own)
    recipe.write_text(text, encoding="utf-8")
    new = updated(recipe)
    assert own.replace('а.csv"', 'а.csv", "texts/яңа.csv"') in new
    assert "67% of its conversations are broken" in new
    assert new.count('"texts/яңа.csv"') == 1


def test_several_new_files_join_a_phase_of_conversations_but_no_copies_and_no_pairs(recipe: Path):
    """A file that holds nothing else than another new one adds nothing to learn."""
    phase = '[[phase]]\nname = "{}"\nobjective = "{}"\ndata = {}\n\n'
    text = RECIPE + phase.format("chat", "chat", '["texts/а.csv"]')
    recipe.write_text(text + phase.format("liked", "preferences", '"p.jsonl"'), encoding="utf-8")
    rows = {"а": "Кем?,Әни.", "б": "Кая?,Арчага.\nКайдан?,Казаннан.", "в": "Ничә?,Биш."}
    for name, asked in (*rows.items(), ("күчермә", "Кая?,Арчага.")):
        write(recipe.parent, f"texts/{name}.csv", f"question,answer\n{asked}\n")
    phases = tomllib.loads(updated(recipe))["phase"]
    chats = [f"texts/{name}.csv" for name in rows]
    assert [each.get("data") for each in phases] == [None, chats, "p.jsonl"]
