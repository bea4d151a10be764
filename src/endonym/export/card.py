"""The README.md of a model that is handed over: what it is, and how it is used."""

from dataclasses import dataclass
from importlib.metadata import version

from endonym.generate.language_model import LanguageModel
from endonym.model.count import parameters
from endonym.model.describe import parts_text

INSTALL = "pip install torch transformers"
CODE = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # where this file is
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
inputs = tokenizer(["", "…"], return_tensors="pt", padding=True)
for made in tokenizer.batch_decode(model.generate(**inputs), skip_special_tokens=True):
    print(made)
```"""
"""A test runs it."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a recipe says of a model: its name and its language's code, if they are known."""

    name: str = "model"
    language: str = ""


def readme(card: Card, model: LanguageModel, model_type: str) -> str:
    """The file's text: the head that the Hugging Face hub reads, then Markdown for people.

    model_type: as in `config.json`.
    """
    config, tokens = model.decoder.config, model.tokenizer
    code = card.language.partition("-")[0]
    known = [f"language:\n- {code}"] if code not in ("", "x") else []
    head = [*known, "library_name: transformers", "pipeline_tag: text-generation"]
    of = f" of the language `{card.language}`" if card.language else ""
    total = parameters(config).total
    return f"""---
{chr(10).join(head)}
tags:
- endonym
---

# {card.name}

A base language model{of}, made with endonym {version("endonym")}. It continues texts; it was not
trained to follow instructions or to chat. Its licence depends on that of the texts it was made of.

{model_type}: {config.layers} layers of {config.dim} channels ({parts_text(config)});
{total:,} parameters, a vocabulary of {tokens.vocab:,}, a context of {config.context:,} tokens.

## Use

`{INSTALL}`, then:

{CODE}

* The tokenizer puts `{tokens.start}` before every text, as in training. The name of a special token
  in a text is read as plain text; do not write one before a prompt.
* `generation_config.json` holds settings of sampling that suit a small model.
* The padding token is `{tokens.end}`, the end of a text, on the left. Where you train further, mask
  labels by the attention mask and not by this id, or the model forgets how a text ends.
"""
