"""Words of a grammar with their tags and forms, and the slots that take them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from endonym.errors import RecipeError, did_you_mean
from endonym.synthesis.grammar_file import PlotTables
from endonym.synthesis.patterns import Pattern


class Word(NamedTuple):
    """A word as it may stand in a text.

    spelling: as its list has it. number: which tag of `agreement` it has. forms: by key.
    """

    spelling: str
    text: str
    number: int | None
    forms: Mapping[str, str]


Entry: TypeAlias = tuple[Word, ...]
"""A word of a list: one word, or one for each tag of `agreement`."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a word that stays the same through one text."""

    name: str
    entries: tuple[Entry, ...]
    like: str
    unlike: str
    other_than: tuple[str, ...]

    @property
    def links(self) -> set[str]:
        """The slots on whose words it depends which words it may take."""
        has_fixed = any(map(self.is_fixed, self.entries))
        return {*self.other_than, self.unlike, self.like if has_fixed else ""} - {""}

    @property
    def words(self) -> Iterator[Word]:
        """All words that it may take."""
        return (word for entry in self.entries for word in entry)

    def word(self, entry: Entry, chosen: Mapping[str, Word]) -> Word:
        """The word of an entry that agrees, where others are chosen."""
        if len(entry) == 1:
            return entry[0]
        number = chosen[self.like].number
        return entry[number or 0]

    def allows(self, entry: Entry, chosen: Mapping[str, Word]) -> bool:
        """Whether it may take this entry, where others are chosen."""
        for name in self.other_than:
            if entry[0].spelling == chosen[name].spelling:
                return False
        if self.unlike:
            return entry[0].number != chosen[self.unlike].number
        return not self.is_fixed(entry) or entry[0].number == chosen[self.like].number

    def is_fixed(self, entry: Entry) -> bool:
        """Whether an entry agrees with some words only: it has one form."""
        return bool(self.like) and len(entry) == 1


class Words:
    """The words of one plot."""

    def __init__(self, plot: PlotTables) -> None:
        self.plot = plot
        self.agreement = plot.tables.agreement
        self.patterns = {
            tag: Pattern.of(find, f"tags.{tag}", plot.where("tags", tag), example="^[aeiou]")
            for tag, find in plot.tables.tags.items()
        }
        self.forms = [(set(tags.split()), forms) for tags, forms in plot.tables.forms.items()]
        self._check_forms()

    def slot(self, name: str, above: Mapping[str, Slot]) -> Slot:
        """A slot with its words. above: those that it may depend on."""
        asked = self.plot.tables
        table = "cast" if name in self.plot.tables.cast else "drawn"
        raw = asked.cast.get(name) or asked.drawn[name]
        where = self.plot.where(table, name)
        key = f"{table}.{name}"
        if not raw.words:
            raise RecipeError(
                f"{key} names no list of words.",
                where=where,
                do='Name a list, or several: words = "animals"',
            )
        for other in filter(None, (raw.like, raw.unlike, *raw.other_than)):
            if other not in above:
                do = f"Slots above it: {listed(above)}"
                raise RecipeError(
                    f"{key} depends on {other}, which is no slot above it.",
                    where=where,
                    do=did_you_mean(other, [*above]) + do,
                )
        if raw.like and raw.unlike:
            raise RecipeError(
                f"{key} is both like {raw.like} and unlike {raw.unlike}.",
                where=where,
                do="Keep one of the two.",
            )
        if (raw.like or raw.unlike) and not self.agreement:
            raise RecipeError(
                f"{key} agrees, and `agreement` is not given.",
                where=where,
                do='Name the tags at the top: agreement = "m f"',
            )
        every = (item for each in raw.words for item in self._list(each, key, where))
        items = [*dict.fromkeys(every)]  # a word that stands twice is one
        spellings = [spelling for spelling, _ in items]
        for word in raw.only:
            if word not in spellings:
                raise RecipeError(
                    f"{key} takes only {word}, which is not in {' '.join(raw.words)}.",
                    where=where,
                    do=f"{did_you_mean(word, spellings)}Words with blanks need a list: "
                    'only = ["…"]',
                )
        if raw.only:
            order = {word: place for place, word in enumerate(raw.only)}
            items = sorted((i for i in items if i[0] in order), key=lambda item: order[item[0]])
        entries = tuple(self._entry(*item, is_like=bool(raw.like), key=key) for item in items)
        # A slot agrees with the slot that the other one agrees with, if it does.
        like, unlike = (name and (above[name].like or name) for name in (raw.like, raw.unlike))
        slot = Slot(name, entries, like, unlike, raw.other_than)
        self._check_agreement(slot, above, where)
        return slot

    def _list(self, name: str, key: str, where: str) -> list[tuple[str, str]]:
        """The words of a list, each with its tags."""
        lists = self.plot.tables.words
        if name not in lists:
            raise RecipeError(
                f"{key} takes words from {name}, and there is no such list.",
                where=where,
                do=f"{did_you_mean(name, [*lists])}Lists: {listed(lists)}",
            )
        items = [(word, tags) for tags, words in lists[name].items() for word in words if word]
        if not items:
            raise RecipeError(
                f"words.{name} has no words.",
                where=self.plot.where("words", name),
                do='Write some: m = "renard loup"',
            )
        return items

    def _entry(self, spelling: str, tags: str, *, is_like: bool, key: str) -> Entry:
        """A word of a list, in all its forms."""
        texts = spelling.split("/") if self.agreement else [spelling]
        own = set(tags.split())
        where = self.plot.where("words")
        if len(texts) == 1:
            numbers = self._numbers(own) or self._numbers(self._spelled(spelling))
            if len(numbers) > 1:
                both = " and ".join(self.agreement[number] for number in numbers)
                raise RecipeError(
                    f"{spelling} has the tags {both}.",
                    where=where,
                    do="Words agree in one tag of `agreement`.",
                )
            if numbers or not is_like:
                number = numbers[0] if numbers else None
                return (self._word(spelling, spelling, number, own),)
            texts *= len(self.agreement)
        if len(texts) != len(self.agreement) or self._numbers(own):
            message = f"{spelling} must have one form for each of {listed(self.agreement)}"
            raise RecipeError(
                f"{message}, not {len(texts)}.",
                where=where,
                do="Write fier/fière, in the order of `agreement`, and no tag of `agreement`.",
            )
        if not is_like:
            raise RecipeError(
                f"{key} takes {spelling}, which has several forms.",
                where=where,
                do='Say what it agrees with: like = "A"',
            )
        return tuple(self._word(spelling, text, i, own) for i, text in enumerate(texts))

    def _numbers(self, tags: set[str]) -> list[int]:
        """Which tags of `agreement` are among these."""
        return [number for number, tag in enumerate(self.agreement) if tag in tags]

    def _spelled(self, text: str) -> set[str]:
        """The tags that follow from a spelling."""
        return {tag for tag, pattern in self.patterns.items() if pattern.is_in(text)}

    def _word(self, spelling: str, text: str, number: int | None, own: set[str]) -> Word:
        """A word with its forms: those of later tables count before those of earlier ones."""
        tags = own | (self._spelled(text) - {*self.agreement})
        if number is not None:
            tags.add(self.agreement[number])
        forms = {"": "{word}"}
        for needed, table in self.forms:
            if needed <= tags:
                forms |= table
        return Word(
            spelling,
            text,
            number,
            {key: form.replace("{word}", text) for key, form in forms.items()},
        )

    def _check_forms(self) -> None:
        """Refuse forms of tags that no word can have, and braces that are not {word}."""
        tables = self.plot.tables
        lists = (tags.split() for words in tables.words.values() for tags in words)
        known = [*tables.agreement, *tables.tags, *(tag for tags in lists for tag in tags)]
        for tags, forms in tables.forms.items():
            where = self.plot.where("forms", tags)
            for tag in tags.split():
                if tag not in known:
                    raise RecipeError(
                        f"forms.{tags}: no word has {tag}.",
                        where=where,
                        do=f"{did_you_mean(tag, known)}Tags: {listed(dict.fromkeys(known))}",
                    )
            for key, form in forms.items():
                if set(form.replace("{word}", "")) & {*"{}"}:
                    raise RecipeError(
                        f'forms.{tags or key}: braces other than {{word}}, in "{form}".',
                        where=where,
                        do='Write "{word}" for the word.',
                    )

    def _check_agreement(self, slot: Slot, above: Mapping[str, Slot], where: str) -> None:
        """Refuse like and unlike where words have no tag that they could agree in."""
        if not (slot.like or slot.unlike):
            return
        for word in (*above[slot.like or slot.unlike].words, *slot.words):
            if word.number is None:
                tags = f"agreement = {listed(self.agreement)}"
                raise RecipeError(
                    f"{slot.name}: {word.spelling} has no tag that words agree in.",
                    where=where,
                    do="Write it below such a tag in [words], or say its spelling in [tags]; "
                    f"{tags}",
                )


def require_something_left(slot: Slot, above: Mapping[str, Slot], where: str) -> None:
    """Refuse a drawn slot that might find no word, whatever else is drawn."""
    partner = slot.like or slot.unlike
    numbers = {word.number for word in above[partner].words} if partner else {None}
    taken = len({*slot.other_than})
    for number in numbers:
        left = {
            entry[0].spelling
            for entry in slot.entries
            if not slot.is_fixed(entry) or entry[0].number == number
            if not slot.unlike or entry[0].number != number
        }
        if len(left) <= taken:
            links = ", ".join(sorted(slot.links))
            raise RecipeError(
                f"drawn.{slot.name} has too few words beside {links}: some texts would find none.",
                where=where,
                do="Give its list more words.",
            )


def listed(names: Sequence[str] | Mapping[str, object]) -> str:
    """Names in a message."""
    return ", ".join(names) or "none"
