"""Regular expressions of a grammar: the time that they take and the text that they write end."""

from dataclasses import dataclass

import regex

from endonym.errors import RecipeError

MOST_SECONDS = 10
"""For one word or line, which needs milliseconds if it comes to an end at all."""
MOST_LETTERS = 100_000
"""Characters of a line or a block; the time that it takes grows with their square."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression with its name in messages and its file."""

    compiled: regex.Pattern[str]
    name: str
    where: str

    @classmethod
    def of(cls, find: str, name: str, where: str, *, example: str) -> "Pattern":
        """The pattern. Raises RecipeError if it is not right. example: of a right one."""
        try:
            return cls(regex.compile(find), name, where)
        except (regex.error, RecursionError) as error:
            raise RecipeError(
                f"{name}: the regular expression is not right: {error}",
                where=where,
                do=f"Write it in single quotes: '{example}'",
            ) from None

    def is_in(self, text: str, start: int = 0) -> bool:
        """Whether it is found from there on. Raises RecipeError if that takes too long."""
        try:
            return self.compiled.search(text, start, timeout=MOST_SECONDS) is not None
        except TimeoutError:
            raise self._endless(text) from None

    def replaced(self, by: str, line: str) -> str:
        """The line with `by` wherever it is found.

        Raises RecipeError if that takes too long, or becomes too long.
        """
        written = 0

        def expanded(found: regex.Match[str]) -> str:
            nonlocal written
            text = found.expand(by)
            written += len(text)
            self._require_short(written)
            return text

        try:
            line = self.compiled.sub(expanded, line, timeout=MOST_SECONDS)
        except TimeoutError:
            raise self._endless(line) from None
        self._require_short(len(line))
        return line

    def _endless(self, text: str) -> RecipeError:
        return RecipeError(
            f"{self.name}: it takes more than {MOST_SECONDS} s for {len(text):,} characters.",
            where=self.where,
            do="Write the regular expression so that it can match in few ways.",
        )

    def _require_short(self, letters: int) -> None:
        """Refuse a line that has become longer than any line may be."""
        if letters > MOST_LETTERS:
            raise RecipeError(
                f"{self.name}: it makes a line of more than {MOST_LETTERS:,} characters.",
                where=self.where,
                do="Let `by` write less, or let `find` match less often.",
            )
