"""A `Modelfile`: how Ollama runs a GGUF file as a base model, which continues texts."""

from endonym.generate.sample import Sampling

MODELFILE = "Modelfile"
PREFERRED = ("Q8_0", "F16", "BF16")
"""Forms whose loss is too small to matter, the smallest first."""


def chosen_file(files: list[str]) -> str:
    """The file of several forms of a model that Ollama is given."""
    for form in PREFERRED:
        for name in files:
            if name.removesuffix(".gguf").endswith(f"-{form}"):
                return name
    return files[0]


def modelfile(file: str, *, context: int, start: str, end: str, max_tokens: int) -> str:
    """The file's text. The template is the prompt alone: a base model has no turns.

    start: what stands before the prompt, where Ollama does not put it there by itself.
    """
    usual = Sampling()
    return f"""# ollama create NAME -f Modelfile
FROM ./{file}
TEMPLATE {_quoted(start + "{{ .Prompt }}")}
PARAMETER stop {_quoted(end)}
PARAMETER num_ctx {context}
PARAMETER num_predict {max_tokens}
PARAMETER temperature {usual.temperature}
PARAMETER top_k {usual.top_k}
PARAMETER top_p {usual.top_p}
PARAMETER repeat_penalty {usual.repetition_penalty}
"""


def _quoted(text: str) -> str:
    """A value that may hold blanks and quotes."""
    return f'"""{text}"""' if '"' in text else f'"{text}"'
