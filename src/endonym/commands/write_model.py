"""Our own model as a writer: it continues prompts or answers them, many in one batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from endonym import device
from endonym.commands.load import load_model
from endonym.commands.serve import MEMORY_SHARE, MOST_SLOTS
from endonym.errors import RecipeError
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log
from endonym.serve.engine import template_of
from endonym.serve.own_engine import OwnEngine
from endonym.store import Store
from endonym.synthesis.shards import Answer, Ask
from endonym.tokenizer.chat_template import ids_of

TOO_LONG = "prompt_too_long"


@dataclass(frozen=True, slots=True)
class ModelWriter:
    """A language model that answers if it has a chat template, and else continues.

    Each text is as if it were alone. batch: how many are written at once. is_bare: a text is what
    follows its prompt, also if it is cut or empty.
    """

    model: LanguageModel
    temperature: float
    max_tokens: int
    batch: int
    as_ids: Callable[[str], list[int]] | None
    is_bare: bool = False

    def answer_all(self, asks: Iterator[Ask], take: Callable[[Answer], None]) -> None:
        """Give an answer to each prompt to `take`, batch by batch."""
        while batch := [*islice(asks, self.batch)]:
            self._answer(batch, take)

    def _answer(self, batch: list[Ask], take: Callable[[Answer], None]) -> None:
        """Answer the prompts of one batch that fit into the context."""
        # Texts to continue, or the ids of questions.
        prompts = [self.as_ids(ask.prompt) if self.as_ids else ask.prompt for ask in batch]
        # A model spells what it is given by itself; this is what it reads, and what is kept.
        read = [self.model.spelled(p) if isinstance(p, str) else "" for p in prompts]
        encode = self.model.tokenizer.encode
        sizes = [
            1 + len(encode(text) if isinstance(prompt, str) else prompt)
            for prompt, text in zip(prompts, read, strict=True)
        ]
        fitting = [n for n, size in enumerate(sizes) if size < self.model.decoder.config.context]
        for ask in (ask for n, ask in enumerate(batch) if n not in fitting):
            take(Answer(ask, finish_reason=TOO_LONG, reason=TOO_LONG))
        made = self.model.generate_many(
            [prompts[n] for n in fitting],
            max_tokens=self.max_tokens,
            samplings=[Sampling(self.temperature, seed=batch[n].seed) for n in fitting],
        )
        for n, continuation in zip(fitting, made, strict=True):
            written = "".join(continuation)
            is_cut = continuation.finish_reason == "length"
            reason = "length" if is_cut else "" if written.strip() else "empty"
            if self.is_bare:
                reason = ""
            elif self.as_ids is None:
                # One that has learnt joined lines never ends: its whole lines are a text.
                lines = written.rpartition("\n")[0]
                reason = "" if is_cut and lines.strip() else reason
                written = read[n] + (lines if is_cut and lines.strip() else written)
            tokens = sizes[n] + len(continuation.ids)
            take(Answer(batch[n], written, continuation.finish_reason, tokens, reason))


def model_writer(
    name: str,
    store: Store,
    log: Log,
    *,
    device_name: str | None,
    system: str,
    temperature: float,
    max_tokens: int,
) -> ModelWriter:
    """The writer of this name. Raises RecipeError if there is no such model.

    The batch is as large as a quarter of the free memory allows.
    """
    target = device.pick(device_name)
    model = load_model(name, store, target, log)
    device.prepare()
    memory = device.free_memory_bytes(target) // MEMORY_SHARE
    engine = OwnEngine(model, most_slots=MOST_SLOTS, memory=memory)
    if system and engine.template is None:
        do = "It continues texts: begin each prompt as the text should go on."
        raise RecipeError(f"{name} has no chat template", where="--system", do=do)
    as_ids = None if engine.template is None else _asking(engine, system)
    return ModelWriter(model, temperature, max_tokens, engine.slots, as_ids)


def _asking(engine: OwnEngine, system: str) -> Callable[[str], list[int]]:
    """From a question to the ids of a conversation in which the model answers next.

    The template is filled in once: what it writes around the contents depends on the roles alone.
    """
    before = [system] if system else []
    roles = ["system"] * len(before) + ["user"]
    (parts,) = template_of(engine).parts([(roles, True)])

    def ids(question: str) -> list[int]:
        contents = [*before, question]
        made = ids_of(parts, contents, engine.vocabulary.encode, engine.encode_markup)
        return engine.vocabulary.chat_ids(made)

    return ids
