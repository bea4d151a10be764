"""Estimates what the conversations or preference pairs of a phase are as examples."""

from collections import Counter
from collections.abc import Mapping
from math import ceil
from pathlib import Path

import numpy as np

from endonym.autopilot.model_size import Facts
from endonym.data.conversation_files import read_records, share_read
from endonym.data.conversations import Unfit, conversation_of, pair_of
from endonym.device import program
from endonym.disk import packaged_tables
from endonym.errors import SourceError
from endonym.formats.document import Reject
from endonym.formats.reasons import in_words
from endonym.log import counted, number
from endonym.recipe.layers import toml
from endonym.recipe.recipe import Recipe
from endonym.train.config import Phase

SAMPLE_RECORDS = 2_000
ADVICE: dict[str, str] = packaged_tables("endonym.data", "advice.toml")
TINY_SHARE = 1e-9
USUAL_EXAMPLE_BYTES, USUAL_ANSWER_BYTES = 1_000.0, 600.0
"""Of conversations that nobody has yet."""
TEMPLATE_TOKENS = 8
"""Of a message: its role, and where it begins and ends."""


def estimated_examples(
    recipe: Recipe, context: int, bytes_per_token: float, sizes: Mapping[str, int]
) -> dict[int, Facts]:
    """What the data of each phase will be as examples, by the first records of its files.

    sizes: bytes of what phases will read, by name; of usual examples where there are no files yet.
    Raises SourceError if no record can be used.
    """
    facts: dict[int, Facts] = {}
    for index, phase in enumerate(recipe.phase):
        if phase.reads_texts:
            continue
        sums, rejects, seen = np.zeros(3), list[Reject](), set[int]()
        for path in recipe.data_files(index):
            sums += _example_sums(path, bytes_per_token, phase, rejects, seen=seen)
        dropped = Counter(reject.reason for reject in rejects)
        if rejects and not sums[0]:
            ((reason, count),) = dropped.most_common(1)
            first = next(reject for reject in rejects if reject.reason == reason)
            advice = ADVICE.get(reason, ADVICE["others"])
            raise SourceError(
                f"none of the first {counted(len(rejects), 'record')} can be used, {number(count)} "
                f"{in_words(reason)}",
                where=f"phase {phase.name}: data = {toml(phase.data)}",
                do=advice.format(first=first, program=program()),
            )
        if phase.name in sizes:
            usual = np.array([1.0, USUAL_EXAMPLE_BYTES / bytes_per_token, USUAL_ANSWER_BYTES])
            per_example = sums / sums[0] if sums[0] else usual
            sums = per_example * sizes[phase.name] / (per_example[1] * bytes_per_token)
        examples, tokens, answer_bytes = (sums * (1 - recipe.chat.val_share)).tolist()
        rows, dev_rows = (max(1, ceil(n / context)) for n in (tokens, sums[1] - tokens))
        facts[index] = Facts(
            int(answer_bytes),
            int(tokens),
            tokens / max(1, round(examples)),
            row_positions=rows * context,
            dev_documents=max(1, round(sums[0] - examples)),
            dev_tokens=dev_rows * context,
            dropped=dropped,
        )
    return facts


def _example_sums(
    path: Path, bytes_per_token: float, phase: Phase, rejects: list[Reject], *, seen: set[int]
) -> np.ndarray:
    """Three sums of a file, by its first records: examples, their tokens, bytes of answers.

    rejects: gets those records that make no examples. seen: the hashes of examples, also of files
    before it; one that stands there makes no other.
    """
    sums = np.zeros(3)
    n_records = line_bytes = 0
    for record in read_records(path, path.name, phase.columns):
        if n_records == SAMPLE_RECORDS:
            return sums / max(TINY_SHARE, share_read(path, n_records, line_bytes))
        n_records += 1
        if isinstance(record, Reject):
            rejects.append(record)
            line_bytes += record.raw_bytes + 1  # with the end of the line
            continue
        line_bytes += len(record.raw.encode()) + 1
        try:
            examples = _contents(record.value, phase)
        except Unfit as unfit:
            rejects.append(Reject(unfit.reason, record.id, record.source, unfit.detail, ""))
            continue
        key = hash(tuple(tuple(contents) for contents, _ in examples))
        if key in seen:
            rejects.append(Reject("duplicate", record.id, record.source, "", ""))
            continue
        seen.add(key)
        for contents, answer_bytes in examples:
            tokens = sum(map(len, contents)) / bytes_per_token + TEMPLATE_TOKENS * len(contents)
            sums += (1, tokens, answer_bytes)
    return sums


def _contents(record: object, phase: Phase) -> list[tuple[list[bytes], int]]:
    """The examples of a record: of each the contents of its messages, and its answers' size."""
    if not phase.is_of_pairs:
        messages = conversation_of(record, phase.columns).messages
        contents = [message.content.encode() for message in messages]
        answers = [each.content.encode() for each in messages if each.role == "assistant"]
        return [(contents, sum(map(len, answers)))]
    pair = pair_of(record)
    prompt = [each.content.encode() for each in pair.prompt]
    answers = [each.encode() for each in (pair.chosen, pair.rejected)]
    return [([*prompt, answer], len(answer)) for answer in answers]
