"""Law 22: layers, public names, lint, the shape of the code; and no data is ever run."""

import ast
import functools
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import endonym

PROJECT = Path(__file__).parents[2]
SOURCES = sorted((PROJECT / "src" / "endonym").rglob("*.py"))


def name_of(path: Path) -> str:
    """A file as people call it."""
    return path.relative_to(PROJECT).as_posix()


def parsed(path: Path) -> ast.Module:
    """A file's syntax."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


tree_of = functools.cache(parsed)


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """No syntax is kept for other tests: the collector would walk through it again and again."""
    yield
    tree_of.cache_clear()


def functions_of(body: Iterable[ast.AST]) -> Iterator[ast.FunctionDef]:
    """The functions in statements and in their bodies, without a walk through expressions."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            within = getattr(node, name, ())
            yield from functions_of(within if isinstance(within, list) else ())


def program(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.executable).with_name(name))


def test_imports_go_down_never_up_never_sideways() -> None:
    done = subprocess.run(
        [program("lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stdout


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run(
        [program("ruff"), "check", "--no-cache", "src", "tests", "benchmarks"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_file_is_formatted() -> None:
    done = subprocess.run(
        [program("ruff"), "format", "--no-cache", "--check", "src", "tests", "benchmarks"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stdout[-3000:]


FORMULAS = {"selective_scan", "state_space"}
"""State spaces: x, dt, A, B, C … in the order of their papers."""


def is_called_by_others(node: ast.FunctionDef) -> bool:
    """Whether click or autograd calls it, by the number of its arguments."""
    decorators = {ast.unparse(each).split("(")[0] for each in node.decorator_list}
    return bool(node.args.args) and (
        node.args.args[0].arg == "ctx" or any(each.startswith("click.") for each in decorators)
    )


def test_no_function_has_more_than_four_positional_parameters() -> None:
    many = {
        f"{name_of(path)}:{node.name}": len(positional)
        for path in SOURCES
        for node in functions_of(tree_of(path).body)
        if not is_called_by_others(node)
        for positional in [[a for a in node.args.args if a.arg not in ("self", "cls")]]
        if len(positional) > 4 and node.name not in FORMULAS
    }
    assert many == {}


def test_every_module_says_what_it_is_and_no_sub_package_does_work() -> None:
    silent = [name_of(path) for path in SOURCES if not ast.get_docstring(tree_of(path))]
    assert silent == []
    busy = [
        name_of(path)
        for path in SOURCES
        if path.name == "__init__.py" and len(path.relative_to(PROJECT).parts) > 3
        if len(tree_of(path).body) > 1
    ]
    assert busy == []


BANNED_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` as it is written; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def dangers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Whatever would run a stranger's data as a program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            names = [module] if module else [alias.name for alias in node.names]
            for name in names:
                if name.split(".")[0] in BANNED_IMPORTS:
                    yield node.lineno, name
        elif isinstance(node, ast.Call):
            if dotted(node.func) in BANNED_CALLS:
                yield node.lineno, dotted(node.func)
            for keyword in node.keywords:
                is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg in ("shell", "allow_pickle", "trust_remote_code") and is_true:
                    yield node.lineno, f"{keyword.arg}=True"


def test_nothing_is_pickled_and_no_data_is_run() -> None:
    found = [(name_of(path), *danger) for path in SOURCES for danger in dangers(tree_of(path))]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml.loader",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_the_ban_sees_each_danger(code: str) -> None:
    assert len(list(dangers(ast.parse(code)))) == 1


def test_the_ban_lets_harmless_code_pass() -> None:
    code = "decoder.eval()\nre.compile('a')\nnp.save(path, x, allow_pickle=False)\nrun(['ls'])"
    assert list(dangers(ast.parse(code))) == []


def environment_reads(tree: ast.Module) -> list[int]:
    """Lines that read environment variables."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node) in ("os.environ", "os.getenv")
    ]


PASSING_ON = ("src/endonym/limited/process.py",)
"""It reads none for itself: it says which ones a process with limits gets, so that it has no
tokens."""


def test_environment_variables_are_read_nowhere_but_in_device_and_cli() -> None:
    elsewhere = [
        name_of(path)
        for path in SOURCES
        if path.parent.name != "cli"
        and path.name not in ("device.py", "gpus.py")
        and name_of(path) not in PASSING_ON
        and environment_reads(tree_of(path))
    ]
    assert elsewhere == []


def test_public_names_are_sorted_documented_and_importable() -> None:
    types = [name for name in endonym.__all__ if name[0].isupper()]
    verbs = [name for name in endonym.__all__ if name[0].islower()]
    assert endonym.__all__ == [*sorted(types), *sorted(verbs)]
    for name in endonym.__all__:
        found = getattr(endonym, name)
        assert callable(found), name
        assert len(inspect.getdoc(found) or "") > 20, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        endonym.nothing  # noqa: B018


FRESH = """
import sys, endonym
before = "torch" in sys.modules or "pydantic" in sys.modules
{first}
for name in endonym.__all__ * 2:
    assert callable(getattr(endonym, name)), name
assert not before
"""


@pytest.mark.parametrize("first", ["", "import endonym.commands.api, endonym.train.loop"])
def test_a_public_name_is_the_same_whatever_was_imported_before(first: str) -> None:
    code = FRESH.format(first=first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


WITHOUT_TORCH = (
    "script",
    "formats",
    "cleaning",
    "copies",
    "synthesis",
    "corpus",
    "tokenizer",
    "recipe",
)


def test_what_a_linguist_needs_imports_no_torch() -> None:
    names = [
        ".".join(path.relative_to(PROJECT / "src").with_suffix("").parts)
        for path in SOURCES
        if path.relative_to(PROJECT / "src" / "endonym").parts[0] in WITHOUT_TORCH
        if path.name != "__init__.py"
    ]
    code = f"import sys\nfor n in {names!r}: __import__(n)\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(names) > 100


def test_every_module_can_be_imported() -> None:
    for path in SOURCES:
        parts = path.relative_to(PROJECT / "src").with_suffix("").parts
        assert importlib.import_module(".".join(part for part in parts if part != "__init__"))
