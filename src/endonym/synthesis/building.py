"""From the tables of a grammar to plots: everything that they name is looked up."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

from endonym.errors import RecipeError, did_you_mean
from endonym.synthesis.grammar_file import BLANKS, PlotTables
from endonym.synthesis.patterns import MOST_LETTERS, Pattern
from endonym.synthesis.plot import Group, Lines, Plot
from endonym.synthesis.templates import NAME, Choice, Mention, RawTemplate, Template, parse
from endonym.synthesis.words import Slot, Word, Words, listed, require_something_left

MOST_LINKED = 1_000_000
"""Combinations of slots that depend on each other, of which those that are allowed are listed."""
DEEPEST = 100
"""Blocks and brackets that stand in one another."""
PLOT = "plot"
"""The name of the plot among the slots."""
BRACKETS = "["
"""Brackets among the blocks above; no block is called so."""


Block = list[tuple[RawTemplate, Template]]
"""The alternatives of a block, as they are written and parsed."""


class Extent(NamedTuple):
    """The most characters of a text, and how many blocks and brackets stand in one another."""

    letters: int
    depth: int


class Builder:
    """Makes the plot that its tables describe."""

    def __init__(self, plot: PlotTables) -> None:
        self.source = plot
        self.tables = plot.tables
        self.slots: dict[str, Slot] = {}
        self.written: dict[str, Block] = {}
        self.extents: dict[str, Extent] = {}

    def plot(self) -> Plot:
        """The plot. Raises RecipeError for all that is wrong with it."""
        tables = self.tables
        self._check_names()
        words = Words(self.source)
        for name in (*tables.cast, *tables.drawn):
            self.slots[name] = words.slot(name, self.slots)
        for name in tables.drawn:
            if self.slots[name].links:
                require_something_left(self.slots[name], self.slots, self._where("drawn", name))
        cast = tuple(self.slots[name] for name in tables.cast)
        self.written = {name: self._block(name) for name in tables.blocks}
        return Plot(
            name=self.source.name,
            slots=cast,
            groups=tuple(map(self._group, _linked(cast))),
            drawn=tuple(self.slots[name] for name in tables.drawn),
            blocks={name: tuple(t for _, t in block) for name, block in self.written.items()},
            lines=tuple(self._lines()),
            replace=tuple(
                (self._pattern(rule.find, "replace", f"[[replace]] find = {rule.find!r}"), rule.by)
                for rule in tables.replace
            ),
            sentence_start=self._pattern(tables.sentence_start, "sentence_start"),
            capitals=tables.capitals,
        )

    def _where(self, table: str, name: str = "") -> str:
        return self.source.where(table, name)

    def _check_names(self) -> None:
        """Refuse names that a template could not tell apart or not name."""
        tables = self.tables
        every = {"cast": tables.cast, "drawn": tables.drawn, "blocks": tables.blocks}
        homes: dict[str, str] = {PLOT: "the plots"}
        for table, names in every.items():
            for name in names:
                where = self._where(table, name)
                if not NAME.fullmatch(name):
                    raise RecipeError(
                        f"{table}.{name} cannot be named.",
                        where=where,
                        do="Names are letters, digits and _.",
                    )
                if name in homes:
                    raise RecipeError(
                        f"{name} stands in {table} and is a name of {homes[name]}.",
                        where=where,
                        do="Give one of them another name.",
                    )
                homes[name] = table

    def _pattern(self, find: str, key: str, name: str = "") -> Pattern:
        """The regular expression of a key."""
        return Pattern.of(find, name or key, self._where(key), example="(?:^|[.!?] )$")

    def _group(self, slots: Sequence[Slot]) -> Group:
        """Slots of the cast that depend on each other, with their allowed combinations."""
        if len(slots) == 1:
            return Group(tuple(slots), None)
        count = prod(len(slot.entries) for slot in slots)
        names = listed([s.name for s in slots])
        where = self._where("cast", slots[-1].name)
        if count > MOST_LINKED:
            raise RecipeError(
                f"the slots {names} have {count:,} combinations; {MOST_LINKED:,} fit.",
                where=where,
                do="Take fewer words, or write one of them below [drawn], where it is not counted.",
            )
        allowed = array("L", _allowed(slots, {}))
        if not allowed:
            raise RecipeError(
                f"no words of the slots {names} may stand together.",
                where=where,
                do="Look at like, unlike, other_than and only: they leave nothing.",
            )
        return Group(tuple(slots), allowed)

    def _block(self, name: str) -> Block:
        """The alternatives of a block."""
        texts = self.tables.blocks[name]
        where = self._where("blocks", name)
        if not texts:
            raise RecipeError(
                f"blocks.{name} has no alternatives.",
                where=where,
                do="Write one or more, with a blank line between them.",
            )
        parsed: Block = []
        for number, text in enumerate(texts, start=1):
            which = f", alternative {number}" if len(texts) > 1 else ""
            written = RawTemplate(text, f"blocks.{name}{which}", where)
            parsed.append((written, parse(written)))
        return parsed

    def _lines(self) -> list[Lines]:
        """The lines of the text, with the blocks that are drawn before them."""
        finished = list[Lines]()
        where = self._where("lines")
        for each in self.tables.lines:
            drawn = RawTemplate(" ".join(each.draw), "draw", where)
            for name in each.draw:
                if name not in self.written:
                    raise self._unknown(drawn, name, [*self.written], "block")
                self._visit(drawn, (Mention(name, "", ()),), ())
            written = [RawTemplate(line, "lines", where) for line in _lines_of(each.text)]
            templates = tuple(map(parse, written))
            for line, template in zip(written, templates, strict=True):
                self._visit(line, template, ())
            finished.append((each.draw, templates))
        if not any(templates for _, templates in finished):
            raise RecipeError(
                "the grammar has no text.",
                where=where,
                do='Write [[lines]] and below it text = "{A} …"',
            )
        return finished

    def _visit(self, written: RawTemplate, template: Template, chain: tuple[str, ...]) -> Extent:
        """Look up all that a template names, and that its blocks name; returns how far its text
        may go. chain: blocks and brackets above it.
        """
        letters = depth = 0
        for node in template:
            if isinstance(node, str):
                inner = [Extent(len(node), 0)]
            elif isinstance(node, Choice):
                if len(chain) == DEEPEST:
                    raise _too_deep(written, chain)
                above = (*chain, BRACKETS)
                inner = [self._visit(written, option, above) for option in node.options]
            else:
                inner = [self._named(written, node, chain)]
            letters += max(each.letters for each in inner)
            within = max(each.depth for each in inner)
            depth = max(depth, within + isinstance(node, Choice))
        if letters > MOST_LETTERS:
            raise written.error(
                f"its text may have more than {MOST_LETTERS:,} characters",
                "Let blocks name each other less often.",
            )
        return Extent(letters, depth)

    def _named(self, written: RawTemplate, mention: Mention, chain: tuple[str, ...]) -> Extent:
        """Look up a slot or a block."""
        name = mention.name
        if name in self.slots:
            self._check_slot(written, mention)
            forms = (word.forms[mention.key] for word in self.slots[name].words)
            return Extent(max(map(len, mention.parts or forms)), 0)
        if name not in self.written:
            raise self._unknown(written, name, [*self.slots, *self.written], "slot or block")
        if mention.key or mention.parts:
            raise written.error(
                f"{mention} asks for a form of a block", f"Write {{{name}}}; only slots have forms."
            )
        if name in chain:
            loop = " → ".join(_blocks((*chain[chain.index(name) :], name)))
            raise written.error(f"the grammar loops: {loop}", "Let one of them not name the next.")
        if name not in self.extents and len(chain) < DEEPEST:
            above = (*chain, name)
            block = self.written[name]
            inner = [self._visit(*each, above) for each in block]
            deepest = max(each.depth for each in inner)
            self.extents[name] = Extent(max(each.letters for each in inner), deepest + 1)
        if name not in self.extents or len(chain) + self.extents[name].depth > DEEPEST:
            raise _too_deep(written, (*chain, name))
        return self.extents[name]

    def _check_slot(self, written: RawTemplate, mention: Mention) -> None:
        """Refuse a form that a word does not have."""
        slot = self.slots[mention.name]
        agreement = self.tables.agreement
        if mention.parts:
            if len(mention.parts) != len(agreement):
                raise written.error(
                    f"{mention} needs {len(agreement)} forms and has {len(mention.parts)}",
                    f"Write one for each tag, with / between them; agreement = {listed(agreement)}",
                )
            for word in slot.words:
                if word.number is None:
                    raise written.error(
                        f"{mention} agrees with {word.text}, which has no tag of agreement",
                        f"Give it one in [words] or [tags]: {listed(agreement)}",
                    )
        for word in slot.words:
            if mention.key not in word.forms:
                forms = [key for key in word.forms if key]
                raise written.error(
                    f"{mention} asks for the form {mention.key}, and {word.text} has none",
                    f"{did_you_mean(mention.key, forms)}Forms of {word.text}: {listed(forms)}",
                )

    def _unknown(self, written: RawTemplate, name: str, names: list[str], kind: str) -> RecipeError:
        """The error of a name that nothing has."""
        return written.error(
            f"there is no {kind} {name}", f"{did_you_mean(name, names)}There are: {listed(names)}"
        )


def _blocks(chain: Sequence[str]) -> list[str]:
    """The blocks among blocks and brackets."""
    return [name for name in chain if name != BRACKETS]


def _too_deep(written: RawTemplate, chain: Sequence[str]) -> RecipeError:
    """The error of blocks and brackets that stand too deep in one another."""
    names = " → ".join(_blocks(chain)[:3])
    return written.error(
        f"more than {DEEPEST} blocks and brackets stand in one another",
        f"Write some of them in one: {names} → …" if names else "Write [a|b|c] for [a|[b|c]].",
    )


def _lines_of(text: str) -> list[str]:
    """The lines of a text, without those that are blank."""
    lines = (BLANKS.sub(" ", line).strip(" ") for line in text.splitlines())
    return [line for line in lines if line]


def _linked(slots: Sequence[Slot]) -> list[list[Slot]]:
    """Slots in groups that depend on each other, in the order of each group's first."""
    groups = list[list[Slot]]()
    for slot in slots:
        near = [group for group in groups if slot.links & {other.name for other in group}]
        if not near:
            groups.append([slot])
            continue
        near[0][:] = [each for each in slots if each is slot or any(each in g for g in near)]
        groups = [group for group in groups if group is near[0] or group not in near]
    return groups


def _allowed(slots: Sequence[Slot], chosen: Mapping[str, Word], above: int = 0) -> Iterator[int]:
    """The numbers of the combinations that slots allow, where those above are chosen."""
    if not slots:
        yield above
        return
    slot = slots[0]
    number = above * len(slots[0].entries)
    for place, entry in enumerate(slot.entries):
        if slot.allows(entry, chosen):
            yield from _allowed(slots[1:], {**chosen, slot.name: entry[0]}, number + place)
