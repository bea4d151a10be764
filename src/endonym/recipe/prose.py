"""Text of the recipe reference that is not in the configs: an example, rules, overrides."""

EXAMPLE = """\
# Tatar from scratch on a laptop: one million sentences.
name = "tatar"
language = "tt"
seed = 1337

[[source]]
name = "leipzig"
path = "data/tat_mixed_2015_1M-sentences.txt"
document = "line"
column = 2                             # "number<TAB>sentence"

[clean]                                # what is not written here is not applied
normalize = ["nfc", "spaces"]
min_chars = 20
script = "cyrillic"
min_script_share = 0.8
expected_letters = "әөүҗңһ"
min_expected_share = 0.005             # keeps Russian out
dedup = ["exact"]

[split]
val_documents = 50_000

[tokenizer]
kind = "bpe"
vocab = 8_192

[pack]
context = 256

[model]
family = "qwen3"
dim = 512
layers = 6
mixer.heads = 8

[[phase]]
name = "pretrain"
steps = 10_000                         # leave it out and the autopilot chooses it
batch_tokens = 32_768

[[evaluate]]
kind = "bits"

[[evaluate]]
kind = "prompts"
file = "prompts/tatar.txt"

[[export]]
format = "huggingface"

[variant.wide.model]                   # endonym run tatar.toml --variant wide
dim = 768                              # the whole table is replaced, so family is the default
layers = 4
mixer.heads = 12
"""

RULES = """\
* Every key is listed here; any other is an error that names its line and the nearest key.
* A cleaning threshold that is not written is not applied. A size, a budget or a learning rate that
  is left out is chosen from the texts and the machine; `endonym check` shows it with its reason.
* Paths are relative to the recipe. Units are in names: `_tokens`, `_steps`, `_chars`, `_bytes`.
* Give one of `steps`, `tokens` and `epochs` to a phase, or none.
* A phase starts where the one before ended, unless it says `start = "scratch"`.
* `[model] folder = "gemma-3-270m"` goes on from a model: a run (`runs/NAME`), a model artefact
  (`store/model/ID`), or a folder in the transformers format, which endonym exported or which holds
  any other causal model (`pip install "endonym[hf]"`). The shape is the folder's, so it is the only
  key of `[model]`. So is the tokenizer, unless `[tokenizer]` changes it: `extend = 2000` adds
  pieces of the new texts, `kind` and `vocab` replace it.
"""

VARIANTS = """\
`[variant.NAME.model]` replaces the table `[model]` when the recipe runs with `--variant NAME`: it
does not merge. Tables that a variant does not name stay as they are, so texts and tokenizer are
shared.

Phases, sources, evaluations and exports are lists. `[variant.NAME.phase]` with `lr = 0.001` changes
this key of the only phase and keeps the others; of several, `[variant.NAME.phase.pretrain]` names
one. `[[variant.NAME.phase]]`, in two brackets, replaces all phases.

`endonym run RECIPE --variant wide,deep` runs two variants, `--variant all` the recipe and each one.
"""

SETS = """\
`--set model.layers=2` lays one value over the recipe; its run is called NAME+model.layers=2.
Sources and phases go by name or by number: `--set phase.pretrain.steps=10`,
`--set phase.0.steps=10`. If there is only one, `--set phase.steps=10` will do.
A value is written as in TOML; anything else is text.
`--set phase.0.tokens=` takes the key out.
"""
