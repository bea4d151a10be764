"""Cleaning of one document in two steps, each with its counts: normalize it, then judge it.

Between the two, rules that need the whole corpus are settled, if the recipe has such rules
(`corpus_rules.py`). Both steps are pure functions of a document, and of the corpus's facts.
"""

from collections.abc import Callable
from dataclasses import replace

from endonym.cleaning.corpus_rules import CorpusJudge
from endonym.cleaning.marks import IN, OUT
from endonym.cleaning.normalize import without_mojibake
from endonym.cleaning.rules import judge, normalizer, replacements
from endonym.cleaning.tally import Tally
from endonym.errors import RecipeError
from endonym.formats.broken import damaged
from endonym.formats.config import Clean
from endonym.formats.document import MARKED, PART, Document, Reject
from endonym.formats.faults import passing_over, refusal
from endonym.formats.readers.plain import VISIBLE
from endonym.log import counted

MOST_TIMEOUTS = 3
Removed = Callable[[Document, str, str], None]
"""Called with a document, a rule, and a part that the rule takes out of it."""


class Cleaning:
    """The rules of a recipe.

    removed: called with each part that is taken out of a document that stays. tally: what they did.
    """

    def __init__(
        self, clean: Clean, removed: Removed | None = None, tally: Tally | None = None
    ) -> None:
        self.tally = tally or Tally()
        self._removed = removed
        self._replacements = replacements(clean)
        self._timeouts = 0
        self._normalized = normalizer(clean, self.tally.changed)
        self._judged = judge(clean)
        self._repairs = "mojibake" in clean.normalize

    def normalized(self, document: Document) -> Document | Reject:
        """The document with its text normalized; a reject if it is broken, or if our code fails."""
        self.tally.begin(document.id)
        mark = document.meta.get(MARKED)
        text = document.text
        if mark == OUT:
            detail = "marked_out names it, or its file"
            self.tally.dropped("marked_out", text, detail, len(text.encode("utf-8", "replace")))
            return document.reject("marked_out", detail)
        with passing_over() as faults:
            for name, change in self._replacements:
                before = text
                try:
                    text = change(text)
                except TimeoutError:
                    return self._timeout(document, name)
                if text != before:
                    self.tally.changed(name, before, text)
            # Before the other steps, which delete the controls that give mojibake away.
            repaired = without_mojibake(text) if self._repairs else text
            refused = None if mark == IN else damaged(replace(document, text=repaired))
            if refused is not None:
                return refused
            text = self._normalized(text)
            return document if text == document.text else replace(document, text=text)
        return refusal(document, faults[0])

    def _timeout(self, document: Document, name: str) -> Reject:
        """The reject of a document on which a replacement took too long.

        Raises RecipeError at the third one: with more of them a run would never end.
        """
        self._timeouts += 1
        detail = f"{name} took too long on its {len(document.text):,} characters"
        if self._timeouts >= MOST_TIMEOUTS:
            raise RecipeError(
                f"{detail}, and on {self._timeouts - 1} other documents",
                where="clean.replace",
                do="Write its find simpler: two parts that may match the same letters, such as "
                "`.*.*` or `(a+)+`, are tried in every combination.",
            )
        return document.reject("replace_timeout", detail)

    def judged(
        self, document: Document, size: int, corpus: CorpusJudge | None = None
    ) -> Document | Reject:
        """A normalized document, shortened by rules of the corpus; or a reject with its reason.

        size: its bytes as read. A document in which our code fails is a reject, too. One that is
        marked as in stays whole, unless nothing of it can be seen.
        """
        self.tally.begin(document.id)
        try:
            if document.meta.get(MARKED) == IN and VISIBLE.search(document.text):
                return document
            text = document.text
            gone = list[tuple[str, str]]()
            if corpus:
                text, gone = corpus.shortened(text, is_part=PART in document.meta)
            if gone:
                text = self._normalized(text)
            verdict = self._judged(text) or (corpus.verdict(text) if corpus else None)
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one document
            return refusal(document, error)
        if verdict is None:
            for rule, part in gone:
                self.tally.removed(rule, part)
                if self._removed:
                    self._removed(document, rule, part)
            return replace(document, text=text) if gone else document
        reason, detail = verdict
        if gone:  # They go with the document, and are shown in it.
            names = ", ".join(dict.fromkeys(rule for rule, _ in gone))
            detail += f", without {counted(len(gone), 'part')} by {names}"
        self.tally.dropped(reason, document.text, detail, size)
        return document.reject(reason, detail)
