"""What a recipe of `endonym new` is for, and what it chooses otherwise for a phone's keyboard."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from endonym.autopilot.model_size import Choice, Choices, Facts, block_weights, choose_vocab
from endonym.autopilot.phase import choose_phase
from endonym.model.config import Family, ModelKeys
from endonym.script.languages import language_name, usual_script
from endonym.train.config import Phase

PurposeName = Literal["model", "keyboard"]
KEYBOARD_VOCABULARIES = (2048, 8192)
"""Of a keyboard. Other makers have 4,096 to 15,008; with many suffixes fewer were better."""
KEYS_SHARE = 0.8
"""Of the training tokens, for the phase that learns which words typed keys mean."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a model is made for.

    tokenizer, family, export: what the recipe says. learns_keys: whether its last phase learns
    which words typed keys mean. note: what a person should know about that; empty if nothing.
    """

    tokenizer: Literal["bpe", "keyboard"] = "bpe"
    family: Family = ModelKeys().family
    export: Literal["huggingface", "keyboard"] = "huggingface"
    learns_keys: bool = False
    note: str = ""

    def vocab(self, letters: int) -> Choice:
        """The size of the vocabulary for so many letters of text."""
        usual = choose_vocab(letters)
        if self.tokenizer != "keyboard":
            return usual
        least, most = KEYBOARD_VOCABULARIES
        return usual._replace(value=min(max(usual.value, least), most))

    def of_model(self) -> Choices:
        """Keys of the model, beside its shape."""
        if self.tokenizer != "keyboard":
            return {}
        return {"model.tied": Choice(value=False, reason="as the keyboard's own model")}

    def phases(
        self, phase: Phase, reason: str, facts: Facts, context: int, *, dim: int, layers: int
    ) -> Choices:
        """The keys of the phase of texts, as "phase.KEY", and of one of typed keys, as "keys.KEY".

        phase: the tokens of both together, and the optimizer. reason: for the tokens.
        """
        weights = block_weights(dim, layers)
        chosen = partial(choose_phase, facts=facts, context=context, dim=dim, weights=weights)
        if not self.learns_keys:
            tokens = {"phase.tokens": Choice(phase.tokens, reason)}
            return tokens | _named("phase", chosen(phase))
        total = phase.tokens or 0
        of_keys = int(total * KEYS_SHARE) // 1000 * 1000
        first = phase.model_copy(update={"tokens": total - of_keys})
        second = phase.model_copy(update={"tokens": of_keys})
        read = (total - of_keys) / max(1, facts.positions)
        choices = {
            "phase.tokens": Choice(
                first.tokens, f"{1 - KEYS_SHARE:.0%} of the time, the rest is for keys: {reason}"
            )
        }
        found = chosen(first, place="followed")
        choices |= _named("phase", found)
        choices["keys.tokens"] = Choice(second.tokens, f"{KEYS_SHARE:.0%} of the time")
        choices["keys.optimizer"] = Choice(phase.optimizer, "as before")
        found = chosen(second, read=read, place="last")
        return choices | _named("keys", found)

    def averaged(self, choices: Choices) -> Choices:
        """The choices of both phases, of which the second averages its weights as the first."""
        average = choices.get("phase.average")
        if not self.learns_keys or average is None or "keys.keep" in choices:
            return choices
        return choices | {"keys.average": average}


def _named(table: str, choices: Choices) -> Choices:
    return {f"{table}.{key}": choice for key, choice in choices.items()}


def purpose_of(name: PurposeName, language: str, script: str | None) -> Purpose:
    """The purpose of a model of a language.

    script: of its texts, in lower case, where the language does not say it.
    """
    if name == "model":
        return Purpose()
    script = usual_script(language) or script
    if script == "latin":
        note = "the second phase learns which word is meant by keys with slips"
    else:
        where = f"in {script.capitalize()} script" if script else "in several scripts"
        note = (
            f"predicts the next word, and corrects none: {language_name(language)} is written "
            f"{where}, and the keyboard has tokens for the keys from A to Z alone"
        )
    return Purpose("keyboard", "llama", "keyboard", learns_keys=script == "latin", note=note)
