"""The recipe's tables for texts: sources, cleaning, split."""

import os.path
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from endonym.config import NOT_IDENTITY, Config, optional
from endonym.disk import packaged_tables

Format = Literal[
    "auto", "txt", "jsonl", "csv", "tsv", "parquet", "arrow", "leipzig", "pdf", "image", "html",
    "epub", "docx", "odt", "rtf", "warc", "wiki",
]  # fmt: skip


def known_script(name: str | None) -> str | None:
    """The name of a script in lower case. Raises ValueError if Unicode has no such script."""
    if name is None:
        return None
    from endonym.script.scripts import is_script  # keeps numpy out of `endonym --help`

    if not is_script(name):
        raise ValueError(f'Unicode has no script "{name}"; known are latin, cyrillic, khmer …')
    return name.lower()


Script = Annotated[str | None, AfterValidator(known_script)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")]
LANGUAGE_CODE = r"^(?:x|[a-z]{2,3})(?:-[A-Za-z0-9]{1,8})*$"
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


HUB_NAME = r"^[^/\n]{1,200}$"


REST = "*"
"""In shares of sources: all that are not named, by their size."""


class Source(Config):
    """One named set of raw files; each source is scored on its own."""

    name: str = Field(pattern=r"^[\w.-]{1,64}$")
    """what scores and tables call it"""
    path: str = Field(json_schema_extra=NOT_IDENTITY)
    """a file, a folder, or a glob such as data/*.jsonl.gz; relative to the recipe

    - "hub:owner/name" is a data set of the Hugging Face hub
    - "https://…" is fetched once, into the folder `fetched` beside the recipe
    - "leipzig:tat_wikipedia_2021_100K" is fetched from the Leipzig corpora, "wikipedia:tt" from the
      dumps of the Wikipedias
    """
    sha256: str | None = optional(pattern=r"^[0-9a-f]{64}$", is_identity=False)
    """the hash of the source's file; any other file is an error"""
    exclude: tuple[str, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    """files and folders to leave out, as globs: "*.bak" matches a name, "old/*.txt" a path below
    `path`
    """
    revision: str | None = optional(pattern=r"^[\w./-]{1,200}$", is_identity=False)
    """which version of a data set of the hub: a commit, a tag or a branch; default main"""
    subset: str | None = optional(pattern=HUB_NAME, is_identity=False)
    """which subset of a data set of the hub, such as a language: its name, or a glob as "*" for all

    - of a data set whose README names several, one must be chosen
    """
    split: str | None = optional(pattern=HUB_NAME, is_identity=False)
    """which split of a data set of the hub, such as train; all of them if it is not given"""
    max_bytes: Count | None = optional(is_identity=False)
    """about how many bytes of a data set of the hub are fetched at most, as they lie there; files
    are taken by their names, and the last one is cut behind a whole record
    """
    format: Format = "auto"
    """how records are written; auto goes by the file's name"""
    document: Literal["file", "part", "page", "line", "blank_lines"] = "file"
    """what one document is

    - "file" a whole file; each page of web archives, each article of dumps
    - "part" whole paragraphs of about 2,000 bytes, so that something can be held out of a few long
      texts, such as books; with pack.join all other parts are read as one text
    - "page" a page of a PDF, a chapter of an e-book
    - "line" or "blank_lines" each line, or each block between empty lines or stars
    """
    blank_lines: Literal[1, 2] = 1
    """how many empty lines end a document; 2 keeps the stanzas of verse together"""
    column: Count | str | None = None
    """the field that holds the text: a name, or a number from 1

    - jsonl and parquet use "text" if none is given
    - with document = "line" a number splits each line at tabs
    """
    member: str | None = None
    """which members of tar and zip archives to read, as a glob"""
    encoding: str | None = None
    """the files' encoding; detected and recorded if it is not given"""
    script: Script = None
    """the script of the text, such as georgian

    - a page of a PDF that an old font writes in Latin letters is then refused
    - if not given, that of [clean], or of the recipe's language
    """
    ocr: Literal["auto"] | tuple[str, ...] | None = None
    """Tesseract reads pictures, and pages of PDFs without good text

    - a list names its packs, such as ["Cyrillic"] or ["fra", "lat"]
    - "auto" measures which of the packs on this machine read the language's letters best
    - without it such pages are counted and left out
    """
    min_ocr_confidence: Share | None = optional("0.6")
    """a page of which Tesseract is less sure is left out"""
    language: str | None = optional(pattern=LANGUAGE_CODE, is_identity=False)
    """the code of its language, if that is not the recipe's: the rules of [clean] that ask for the
    language or its script ask for this one, and `expected_letters` for nothing
    """
    clean: dict[str, Any] | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    """keys of [clean] that hold for this source alone, in the place of those there

    - those of the whole corpus, such as `dedup`, stand in [clean] only
    """
    repeatable: bool | Count | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    """how often all phases together may read the source: true is without limit, a number so many
    times, false once; counted anew where a phase starts from scratch

    - if not given, each phase as many times as it says epochs; with `sources` else once
    """
    license: str | None = optional(pattern=r"^[^\s`|][^\n`|]{0,99}$", is_identity=False)
    """what the texts may be used under, for the model's README: an identifier of SPDX such as
    CC-BY-SA-4.0, or words
    """

    synthetic: bool = Field(default=False, json_schema_extra=NOT_IDENTITY)
    """whether a program or a model wrote these texts (`endonym write`); its share stands in the
    README of every export
    """

    @model_validator(mode="after")
    def only_the_hub_has_parts(self) -> "Source":
        """What chooses from a data set of the hub means nothing elsewhere."""
        for key in ("subset", "split", "max_bytes"):
            if getattr(self, key) is not None and not self.path.startswith("hub:"):
                raise ValueError(
                    f'{key} chooses from a data set of the hub: path = "hub:OWNER/NAME"'
                )
        return self

    def in_script(self, script: str | None) -> "Source":
        """Itself with a script, if it names none."""
        return self if self.script else self.model_copy(update={"script": script})


NormalizeStep = Literal[
    "mojibake", "nfc", "controls", "zero_width", "look_alikes", "bashkir_letters",
    "chuvash_letters", "persian_letters", "french_apostrophes", "french_spaces", "kazakh_letters",
    "khmer_order", "kyrgyz_letters", "romanian_commas", "tatar_letters", "spaces",
]  # fmt: skip
"""The steps of `normalize`; those of one language are defined in cleaning/language_packs."""
NORMALIZE_STEPS = packaged_tables("endonym.formats", "normalize_steps.toml")
"""What each of them does."""


class Replacement(Config):
    """A change to every text, before `normalize`: a pattern, or a table of letters."""

    find: str | None = None
    """what is replaced: a regular expression of Python's `regex`, in quotes such as '[0-9]+'"""
    by: str = ""
    """what stands in its place; the first brackets of `find` are called \\1 in it"""
    letters: dict[str, str] | None = None
    """instead of `find`: letters or groups of letters, and what each of them becomes, all at once;
    such as those of an old font
    """
    sources: tuple[str, ...] = ()
    """the sources whose texts are changed; all if not given"""

    @model_validator(mode="after")
    def can_be_applied(self) -> "Replacement":
        """One of both ways is given, and the pattern and what stands in its place are right."""
        if (self.find is None) == (not self.letters):
            raise ValueError("give find or letters, one of the two")
        if self.letters and (self.by or "" in self.letters):
            raise ValueError("letters name what each becomes: leave by and empty letters out")
        if self.find is not None:
            require_replacement(self.find, self.by)
        return self


def require_replacement(find: str, by: str) -> None:
    """Raise ValueError if a pattern, or what is to stand in its place, is not right."""
    import regex

    try:
        found = regex.compile(find).search("")
        # Behind a line end, as (?x) may end with a comment.
        regex.compile(f"(?:{find}\n)|").sub(by, "", timeout=0.1)
    except (regex.error, IndexError, RecursionError, MemoryError, TimeoutError) as error:
        raise ValueError(f"the regular expression is not right: {error}") from None
    if found:
        raise ValueError("find matches nothing at all, so that `by` would stand everywhere")


OF_THE_WHOLE = frozenset({
    "contrast", "max_line_documents", "max_same_skeleton", "dedup", "near_similarity",
    "decontaminate", "marked_out", "marked_in", "replace", "max_unreadable",
})  # fmt: skip
"""Keys of [clean] that are of the whole corpus: no source has its own."""


SUBJECTS = {
    "min_script_share": "script",
    "min_expected_share": "expected_letters",
    "min_language_score": "language",
    "split_languages": "language",
}
"""Keys of [clean], and the key that each of them refers to."""


class Clean(Config):
    """Cleaning: what is not written is not applied."""

    marked_out: tuple[Hash, ...] | None = None
    """documents and files that a person took out, by the first 12 digits or more of the SHA-256 of
    a document's text as it was read, or of a file
    """
    marked_in: tuple[Hash, ...] | None = None
    """the same of documents and files that no rule drops or shortens; copies and held-out text
    still go
    """
    replace: tuple[Replacement, ...] | None = Field(default=None, title="a replacement")
    """your own changes to every text, in this order, before `normalize`"""
    normalize: tuple[NormalizeStep, ...] = Field(
        default=(),
        description="changes made to every text, in this order"
        + "".join(f'\n- "{name}" {about}' for name, about in NORMALIZE_STEPS.items()),
    )
    mask: tuple[Literal["url", "email", "phone", "card", "ip", "iban", "code"], ...] = ()
    """personal data and addresses of the web that are replaced by `mask_with`; telephone numbers
    without + and codes of persons are those of countries of `language`
    """
    mask_with: str = Field(default="<{kind}>", pattern=r"^[^@\d]*$")
    """what stands in place of it; {kind} is its kind"""
    language: str | None = optional(pattern=LANGUAGE_CODE)
    """the code of the language that documents must be in"""
    contrast: tuple[str, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    """texts in other languages from which to tell it, as globs; one file a language, named by its
    code: neighbours/ba.txt
    """
    min_language_score: Share | None = None
    """drop documents that are less probably in `language`"""
    split_languages: bool = False
    """take out the paragraphs of a document that are in another language; without
    min_language_score drop documents of such paragraphs alone
    """
    max_line_documents: Count | None = None
    """take out lines that stand in more documents: lines of at least 40 letters wherever they
    stand, shorter ones at the beginning and end of a document if they also stand in one of a
    hundred documents
    """
    max_same_skeleton: Count | None = None
    """keep so many of the documents that are the same once digits, names and rare words are
    blanked, as those that a program has filled in
    """
    min_chars: Count | None = None
    """drop documents shorter than this"""
    max_chars: Count | None = None
    """drop documents longer than this"""
    script: Script = None
    """the language's script: latin, cyrillic, khmer, arabic, devanagari …"""
    min_script_share: Share | None = None
    """drop documents with a smaller share of letters and vowel signs in `script`"""
    expected_letters: str | None = None
    """letters that tell the language from its neighbours, such as әөүҗңһ"""
    min_expected_share: Share | None = None
    """drop documents where they are a smaller share of letters"""
    min_words: Count | None = None
    """drop documents of fewer words"""
    min_word_length: float | None = optional(gt=0)
    """drop documents whose words are shorter on average"""
    max_word_length: float | None = optional(gt=0)
    """drop documents whose words are longer on average"""
    max_symbols: Share | None = None
    """drop documents where more of the characters are no letters, digits or punctuation"""
    max_digits: Share | None = None
    """drop documents where more of the characters are digits"""
    min_ended_lines: Share | None = None
    """drop documents where fewer of the lines end with punctuation, as menus"""
    max_short_lines: Share | None = None
    """drop documents where more of the lines have at most 30 characters"""
    max_list_lines: Share | None = None
    """drop documents where more of the lines begin with a bullet or a number"""
    max_table_lines: Share | None = None
    """drop documents where more of the lines are rows of a table"""
    max_code_lines: Share | None = None
    """drop documents where more of the lines look like a program"""
    max_repeated_lines: Share | None = None
    """drop documents where more of the lines are repetitions"""
    max_repeated_5grams: Share | None = None
    """drop documents where more of the words are in five words in a row that stood before in it"""
    dedup: tuple[Literal["exact", "near", "paragraphs"], ...] = ()
    """which copies are dropped, in this order: exact, near, paragraphs

    - "exact" drops a document whose text stood before
    - "near" drops a document that is similar to another one; the better copy stays: less damaged,
      longer, with more accents, earlier. Texts of fewer than 100 letters are no copies if their
      numbers differ, and those of fewer than 11 must be equal but for case, blanks and punctuation
    - "paragraphs" takes out paragraphs of a hundred letters or more that stand in an earlier
      document
    """
    near_similarity: float = Field(default=0.8, ge=0.5, le=1)
    """from which share of common shingles on two documents are near copies; a shingle is a run of
    six letters
    """
    decontaminate: tuple[str, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    """files or globs whose texts must not stand in the corpus, beside those that [[evaluate]]
    scores: paragraphs that share thirteen words in a row with them are taken out
    """
    max_unreadable: float = Field(default=0.01, ge=0, le=1)
    """a larger share of unreadable bytes of all sources is an error, not a reject; ten bad records,
    or this share of all, are always rejects unless it is 0
    """

    def of(self, source: Source) -> "Clean":
        """The rules for the texts of one source: its language and its own keys over these."""
        keys = self.model_dump(exclude_unset=True)
        if (code := source.language) is not None and code != self.language:
            from endonym.script.languages import usual_script  # keeps numpy out of `--help`

            keys["language"] = code
            for key in ("script", "min_script_share", "expected_letters", "min_expected_share"):
                keys.pop(key, None)
            if self.script and (script := source.script or usual_script(code)):
                keys |= {"script": script, "min_script_share": self.min_script_share}
        every = self.replace or ()
        own = tuple(each for each in every if not each.sources or source.name in each.sources)
        if own == every and not source.clean and keys.get("language") == self.language:
            return self
        keys |= {"replace": own or None} if every else {}
        return Clean.model_validate({**keys, **(source.clean or {})})

    def contrast_files(self, folder: Path) -> list[Path]:
        """The files of texts in other languages; patterns are relative to the recipe's folder."""
        found = set[Path]()
        for pattern in self.contrast:  # It may begin at the root, or climb out of the folder.
            path = Path(os.path.normpath(folder / pattern))
            found.update(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        return sorted(path for path in found if path.is_file())

    @model_validator(mode="after")
    def thresholds_have_their_subject(self) -> "Clean":
        """A threshold needs the key that it refers to."""
        for key, subject in SUBJECTS.items():
            threshold = getattr(self, key)
            if threshold is not None and threshold is not False and not getattr(self, subject):
                raise ValueError(f"{key} needs {subject}")
        out, in_ = (
            {each[:12] for each in some or ()} for some in (self.marked_out, self.marked_in)
        )
        if both := out & in_:
            raise ValueError(f"marked_out and marked_in both name {min(both)}")
        if self.min_chars and self.max_chars and self.min_chars > self.max_chars:
            raise ValueError("min_chars is above max_chars")
        return self


BLOCK_BYTES = 2_000
DEFAULT_SHARE = 0.06
DEFAULT_BYTES = 20_000_000
"""Share of each source's documents that is held out by default, and how much of it at most."""


class Split(Config):
    """What is held out: whole documents, half of them for dev, half for test.

    They are taken in blocks of neighbours, by a keyed hash of the text.
    """

    val_documents: int | None = optional(ge=2)
    """hold out about so many documents, in whole blocks of neighbours: half of them for dev, half
    for test
    """
    val_share: float | None = optional(gt=0, lt=1)
    """hold out this share of each source's documents: half of them for dev, half for test; default
    0.06
    """
    val_bytes: Count | None = None
    """hold out about so many bytes of each source at most, whatever its share is; default
    20,000,000 where neither key above is given
    """
    block_bytes: int = Field(default=BLOCK_BYTES, ge=1, le=1_000_000)
    """about how many bytes of neighbouring lines are held out together; larger blocks have less
    training text beside them, smaller ones are more
    """
    keep_near_copies: bool | None = optional("false")
    """hold out also what training text nearly repeats, for texts that a program fills in: they are
    all alike
    """
    seed: int = Field(default=42, ge=0, lt=2**63)
    """random seed of the split; independent of the training seed"""

    @model_validator(mode="after")
    def one_of_the_two(self) -> "Split":
        """Only one of both keys may be set."""
        if self.val_documents is not None and self.val_share is not None:
            raise ValueError("give val_documents or val_share, not both")
        if self.val_documents is not None and self.val_bytes is not None:
            raise ValueError("val_bytes limits val_share, not val_documents")
        return self

    def resolved(self) -> "Split":
        """A copy with the default share, if neither key is set."""
        if self.val_documents is not None or self.val_share is not None:
            return self
        most = self.val_bytes or DEFAULT_BYTES
        return self.model_copy(update={"val_share": DEFAULT_SHARE, "val_bytes": most})
