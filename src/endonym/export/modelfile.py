"""A `Modelfile`: how Ollama runs a GGUF file, to continue texts or to answer."""

from collections.abc import Sequence

from endonym.export.markdown import filled_template
from endonym.generate.sample import Sampling
from endonym.tokenizer.chat_template import CHATML, OPENING

MODELFILE = "Modelfile"
PREFERRED = ("Q8_0", "F16", "BF16")
"""Forms whose loss is too small to matter, the smallest first."""


OLLAMA_CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n"
)
"""ChatML in Ollama's language of templates (Go)."""


def chosen_file(files: list[str]) -> str:
    """The file of several forms of a model that Ollama is given."""
    for form in PREFERRED:
        for name in files:
            if name.removesuffix(".gguf").endswith(f"-{form}"):
                return name
    return files[0]


def modelfile(
    file: str,
    *,
    context: int,
    stops: Sequence[str],
    max_tokens: int,
    template: str | None = None,
) -> str:
    """The file's text. Without a template it is the prompt alone: a base model has no turns.

    stops: the tokens that end a text or a turn. template: for conversations; where it is not
    ChatML, Ollama takes its own form of the one in the GGUF file.
    """
    asked = "{{ .Prompt }}"
    if template is not None:
        asked = OLLAMA_CHATML if template.removeprefix(OPENING) == CHATML else ""
    return filled_template(
        MODELFILE,
        file=file,
        template=_quoted(asked) if asked else "",
        stops=[_quoted(stop) for stop in stops],
        context=context,
        max_tokens=max_tokens,
        sampling=Sampling(),
    )


def _quoted(text: str) -> str:
    """A value that may hold blanks and quotes."""
    return f'"""{text}"""' if '"' in text or "\n" in text else f'"{text}"'
