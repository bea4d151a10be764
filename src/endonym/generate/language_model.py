"""A language model: a decoder with its tokenizer.

Several texts are continued in a batch of rows padded on the left. Padding is a document of its
own, so that no row sees it.
"""

import codecs
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from endonym.arguments import require_list, require_text
from endonym.generate.correct import Corrector
from endonym.generate.damage import damage
from endonym.generate.reading import (
    LONGEST_WINDOW,
    PREFILL_TOKENS,
    Features,
    Nats,
    read_features,
    read_nats,
)
from endonym.generate.sample import (
    MAX_TOKENS,
    Defaults,
    Logits,
    Sampler,
    SamplerState,
    Sampling,
    beginning,
)
from endonym.generate.suggest import Suggester, Suggestion
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import read_json, read_shape
from endonym.model.foreign.origin import GENERATION, Origin
from endonym.model.foreign.weights import load_any
from endonym.model.span import Span
from endonym.tokenizer.tokenizer import Tokenizer

APOSTROPHES = ("'", "’", "ʼ")
PADDING = 0
"""Any id."""


def most_tokens(context: int) -> int:
    """A length of continuations that fits beside a prompt."""
    return max(1, min(MAX_TOKENS, context // 2))


@dataclass(slots=True)
class Continuation:
    """A generated text. Iterate it for its pieces; ids and finish_reason are complete afterwards.

    finish_reason: "end" if the model ended the document or its turn, "length" if max_tokens was
    reached.
    """

    pieces: Iterator[str]
    ids: list[int] = field(default_factory=list)
    finish_reason: str = "length"

    def __iter__(self) -> Iterator[str]:
        return self.pieces


class TextScore(float):
    """Bits per byte of a text under a model, as a number; and what it is the ratio of.

    log_probability: the natural logarithm of the probability of the whole text after the token
    that starts a document (`Tokenizer.document_start`), in nats: the sum over its tokens, without
    an end-of-text token after it. It is at most 0; higher is likelier. token_log_probabilities: of
    each token, of which that is the sum; ids: these tokens. tokens, bytes: the size of the text.
    """

    log_probability: float
    token_log_probabilities: list[float]
    ids: list[int]
    tokens: int
    bytes: int

    @classmethod
    def of(cls, nats: Nats, ids: Sequence[int], n_bytes: int) -> "TextScore":
        """From the negative log-probability of each token."""
        total = float(nats.sum())
        score = cls(total / math.log(2) / max(1, n_bytes))
        score.log_probability = 0.0 - total  # not -total, which may be -0.0
        score.token_log_probabilities = (0.0 - nats).tolist()
        score.ids = list(ids)
        score.tokens = len(ids)
        score.bytes = n_bytes
        return score


class LanguageModel:
    """Continues texts and scores them.

    spelled: writes a prompt as the training text was written; `str` leaves it as it is. turns: the
    answers in the conversations that it has learnt; 0 if that is not known. origin: of a model that
    continues from a folder in the transformers format, the files of that folder. window: tokens
    that it reads at once where texts are scored, at most (docs/evaluation.md).
    """

    def __init__(
        self, decoder: AnyDecoder, tokenizer: Tokenizer, spelled: Callable[[str], str] = str
    ) -> None:
        self.decoder = decoder.eval()
        self.tokenizer = tokenizer
        self.spelled = spelled
        self.turns = 0
        self.window = LONGEST_WINDOW
        self.origin: Origin | None = None

    def with_parts(self, decoder: AnyDecoder, tokenizer: Tokenizer) -> "LanguageModel":
        """Another model with what is known of this one beside its decoder and tokenizer."""
        other = LanguageModel(decoder, tokenizer, self.spelled)
        other.turns = self.turns
        other.origin = self.origin
        return other

    @cached_property
    def defaults(self) -> Defaults:
        """How it writes where nobody says how: as its folder's `generation_config.json` says."""
        return Defaults() if self.origin is None else Defaults.of(self.origin.json(GENERATION))

    def __repr__(self) -> str:
        parameters = sum(weight.numel() for weight in self.decoder.parameters())
        family = self.decoder.config.family
        vocab = self.tokenizer.used_vocab
        return f"LanguageModel({family}, {parameters:,} parameters, vocabulary {vocab:,})"

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "LanguageModel":
        """Read a model artefact: config.json, weights.safetensors, tokenizer.json.

        Raises Damaged if the parts do not fit together.
        """
        config = read_shape(read_json(folder / "config.json"))
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
        if tokenizer.used_vocab > config.vocab:
            ids = tokenizer.used_vocab
            rows = config.vocab
            raise damage("vocabulary", folder, ids=ids, rows=rows)
        decoder = load_any(config, folder / "weights.safetensors")
        model = cls(decoder.to(device), tokenizer)
        model.origin = Origin.of(folder)
        return model

    def generate(self, prompt: str = "", **arguments: Any) -> str:
        """The continuation of a prompt, as one string.

        arguments: of `stream`: max_tokens, min_tokens, sampling, and fields of `Sampling`.
        """
        return "".join(self.stream(prompt, **arguments))

    def generate_many(
        self,
        prompts: Sequence[str | Sequence[int]],
        *,
        max_tokens: int | None = None,
        samplings: Sequence[Sampling] = (),
    ) -> list[Continuation]:
        """The continuations of several prompts in one batch; each is as if it were alone.

        prompts: texts, or ids as the model reads them, such as those of conversations
        (tokenizer/chat_template.py).
        samplings: one for each prompt; the model's defaults if there are none, as of max_tokens.
        """
        example = "model.generate_many([prompt])"
        prompts = require_list("prompts", prompts, of="prompts", example=example)
        samplings = samplings or [self.defaults.sampling()] * len(prompts)
        max_tokens = self.defaults.max_tokens if max_tokens is None else max_tokens
        if not self.decoder.reads_padded and len(prompts) > 1:
            return [
                self.generate_many([prompt], max_tokens=max_tokens, samplings=[sampling])[0]
                for prompt, sampling in zip(prompts, samplings, strict=True)
            ]
        begun = [self._begun(*each) for each in zip(prompts, samplings, strict=True)]
        ids, states, given = zip(*begun, strict=True) if begun else ((), (), ())
        continuations = [Continuation(iter(())) for _ in prompts]
        for chosen in continued(self.decoder, ids, max_tokens, states, sampler=self.sampler):
            for number, index in chosen.items():
                self._record(continuations[number], index)
        for continuation, n_given in zip(continuations, given, strict=True):
            continuation.pieces = self._letters(iter(continuation.ids), n_given)
        return continuations

    def stream(
        self,
        prompt: str = "",
        *,
        max_tokens: int | None = None,
        min_tokens: int = 0,
        sampling: Sampling | None = None,
        **settings: Any,
    ) -> Continuation:
        """The continuation of a prompt, piece by piece.

        How tokens are chosen: `sampling`, or the model's defaults. settings: fields of `Sampling`
        to change in it, such as temperature=0 for greedy choice.

        The prompt is spelled as the training text was. It starts a document as the model's
        tokenizer starts a text, and its last word stays as it is (`beginning`; inside_word=True
        lets it go on).
        The model may end it after `min_tokens`; at `max_tokens` it is cut. Pieces end at whole
        characters; an incomplete character at the end is left out. When the text exceeds the
        context, the model continues from its last half context.
        """
        require_text("generate", prompt)
        continuation = Continuation(iter(()))
        sampling = replace(sampling or self.defaults.sampling(), **settings)
        max_tokens = self.defaults.max_tokens if max_tokens is None else max_tokens
        ids, state, n_given = self._begun(prompt, sampling, min_tokens)
        rows = continued(self.decoder, [ids], max_tokens, [state], sampler=self.sampler)
        # The prompt is row 0.
        recorded = (chosen[0] for chosen in rows if self._record(continuation, chosen[0]))
        continuation.pieces = self._letters(recorded, n_given)
        return continuation

    def score(self, text: str) -> TextScore:
        """Bits per byte of one document, with its log-probability, in all and of each token.

        Zero for an empty one.

        It is read as it is; `spelled` gives it as the training text is written.

        To rank texts of different lengths by likelihood, compare `log_probability`.
        """
        (ids,) = self.tokenizer.encode_documents([require_text("score", text)])
        (nats,) = read_nats(
            self.decoder,
            [ids],
            self.tokenizer.document_start,
            self.window,
            again=self.tokenizer.window_start,
        )
        return TextScore.of(nats, ids.tolist(), len(text.encode("utf-8")))

    def embed(self, texts: Sequence[str]) -> Features:
        """Features of texts, (texts, D): the mean of the last hidden states, scaled to length 1.

        The mean is over the tokens of a text, after the final norm. Of a text that is longer than
        the context its beginning is read. Texts are read as they are, as by `score`. The features
        of a text without a token are NaN.
        """
        texts = require_list("texts", texts, of="texts", example="model.embed([text])")
        rows = [self.opened(text)[0] for text in texts]
        before = len(self.tokenizer.before)
        return read_features(self.decoder, rows, before)

    def suggest(self, text: str = "", count: int = 3) -> list[Suggestion]:
        """The likeliest words after a text whose last word may be half typed, the likeliest first.

        The text is spelled as the training text was. What a word is: generate/suggest.py. Calls
        with texts that go on from one another are fast; one model answers one call at a time.
        """
        # An apostrophe is spelled by the letter behind it, which is yet to come.
        if require_text("suggest", text).endswith(APOSTROPHES):
            return self.suggester.suggest(self.spelled(text + "a")[:-1], count)
        return self.suggester.suggest(self.spelled(text), count)

    def correct(self, text: str, typed: str, count: int = 3) -> list[Suggestion]:
        """The likeliest words that are meant by a word as it was typed, the likeliest first.

        text: what stands before it, with the blank behind its last word. For a model with the
        tokenizer of a keyboard that a phase with objective = "autocorrect" has trained; others
        raise RecipeError (generate/correct.py).
        """
        return self.corrector.correct(self.spelled(text), typed, count)

    @cached_property
    def corrector(self) -> Corrector:
        """Finds words that were meant, and keeps the cache of the last text."""
        return Corrector(self.decoder, self.tokenizer)

    @cached_property
    def suggester(self) -> Suggester:
        """Suggests words, and keeps the cache of the last text."""
        return Suggester(self.decoder, self.tokenizer)

    def opened(self, text: str) -> tuple[list[int], bool]:
        """The ids of a text after those before a text, cut at the context; whether it was."""
        ids = self.tokenizer.text_ids(text) if text else [*self.tokenizer.before]
        context = self.decoder.config.context
        return ids[:context], len(ids) > context

    def _begun(
        self, prompt: str | Sequence[int], sampling: Sampling, min_tokens: int = 0
    ) -> tuple[list[int], SamplerState, int]:
        """The ids of a prompt at the start of a document, and how tokens are chosen after it.

        Also how many first characters of the continuation belong to the prompt (`beginning`).
        """
        if isinstance(prompt, str):
            prompt = self.spelled(prompt)
            text, not_first = beginning(prompt, inside_word=sampling.inside_word)
            ids = self.tokenizer.text_ids(text)
            n_given = len(prompt) - len(text)
        else:
            ids = [*prompt]
            not_first = ""
            n_given = 0
        state = SamplerState(sampling, ids, min_tokens=min_tokens, not_first=not_first)
        return ids, state, n_given

    @cached_property
    def sampler(self) -> Sampler:
        """Chooses tokens among those that both the tokenizer and the decoder have."""
        vocab = min(self.tokenizer.vocab, self.decoder.config.vocab)
        token_bytes = [self.tokenizer.bytes_of(index) for index in range(vocab)]
        return Sampler(token_bytes, self.tokenizer.stop_ids)

    def _record(self, continuation: Continuation, index: int) -> bool:
        """Record a generated token; False if it ends the document or the turn."""
        if index in self.tokenizer.stop_ids:
            continuation.finish_reason = "end"
            return False
        continuation.ids.append(index)
        return True

    def _letters(self, ids: Iterator[int], n_given: int) -> Iterator[str]:
        """Tokens as text, in whole characters; broken ones are left out.

        n_given: so many first characters are left out, too.
        """
        letters = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        for index in ids:
            piece = letters.decode(self.tokenizer.bytes_of(index))
            piece, n_given = piece[n_given:], max(0, n_given - len(piece))
            if piece:
                yield piece


def continued(
    decoder: AnyDecoder,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    states: Sequence[SamplerState],
    *,
    sampler: Sampler,
) -> Iterator[dict[int, int]]:
    """Yields up to `max_tokens` times the next token of each row that has not ended, by row number.

    states: how the tokens of each row are chosen. A row ends with one of the sampler's `ends`. When
    the longest row exceeds the context, rows longer than the context are cut to their last half.
    """
    rows = dict(enumerate([*ids] for ids in prompts))
    context = decoder.config.context
    batch = None
    for _ in range(max_tokens):
        if not rows:
            return
        if batch is None or batch.length > context:
            for number, ids in rows.items():
                if len(ids) > context:
                    rows[number] = ids[-max(1, context // 2) :]
                    states[number].seen = set(rows[number])
            batch = _Batch(decoder, rows, max_tokens=max_tokens)
        logits_BV = batch.next_logits(rows)
        tokens = sampler.next_tokens(logits_BV, [states[number] for number in rows])
        chosen = dict(zip(rows, tokens, strict=True))
        for number, ids in rows.items():
            ids.append(chosen[number])
        yield chosen
        rows = {number: ids for number, ids in rows.items() if chosen[number] not in sampler.ends}
        batch.append(chosen)


class _Batch:
    """Rows, by their numbers, with their cache; one that has ended stays, and is ignored."""

    def __init__(self, decoder: AnyDecoder, rows: dict[int, list[int]], max_tokens: int) -> None:
        self.decoder = decoder
        self.numbers = list(rows)
        self.length = max(map(len, rows.values()))
        self.device = decoder.readout.weight_VD.device
        padding = [self.length - len(ids) for ids in rows.values()]
        padded = [[PADDING] * n + ids for n, ids in zip(padding, rows.values(), strict=True)]
        self.new_BT = torch.tensor(padded, device=self.device)
        self.starts_B = torch.tensor(padding, device=self.device) if any(padding) else None
        longest = min(decoder.config.context, self.length + max_tokens)
        self.cache = decoder.empty_cache(len(rows), longest)
        self.past = 0

    def append(self, chosen: dict[int, int]) -> None:
        """Add the next token of each row."""
        new = [[chosen.get(number, PADDING)] for number in self.numbers]
        self.new_BT = torch.tensor(new, device=self.device)
        self.length += 1

    @torch.inference_mode()
    def next_logits(self, numbers: Collection[int]) -> Logits:
        """Logits of the next token of these rows."""
        hidden_BTD = None
        for piece_BT in self.new_BT.split(PREFILL_TOKENS, dim=1):
            span = Span.after(self.past, piece_BT, self.starts_B)
            hidden_BTD, _ = self.decoder(piece_BT, span, self.cache)
            self.past += piece_BT.shape[1]
        assert hidden_BTD is not None, "a row has one token at least"
        places = [self.numbers.index(number) for number in numbers]
        return self.decoder.readout.logits(hidden_BTD[places, -1]).float().cpu().numpy()
