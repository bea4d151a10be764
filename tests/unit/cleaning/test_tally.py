"""What each rule did."""

from endonym.cleaning.keyed import key_of
from endonym.cleaning.tally import SAMPLES, Tally
from endonym.script.letters import LETTER


def tally(numbers: range) -> Tally:
    made = Tally()
    for number in numbers:
        made.begin(f"a.txt#{number}")
        made.changed("spaces", f"кояш  {number}", f"кояш {number}")
        made.changed("spaces", f"кояш {number} ", f"кояш {number}")
        if number % 2:
            made.removed("split_languages", "солнце")
            made.removed("split_languages", "взошло")
        else:
            made.dropped("min_chars", f"кояш {number}", "5 characters, below 10", 11)
    return made


def test_a_document_counts_once_for_a_rule_and_its_parts_each():
    made = tally(range(10))
    assert made.rules["spaces"].documents == 10
    assert made.rules["split_languages"].documents == 5
    assert made.rules["split_languages"].parts == 10
    assert made.rules["split_languages"].bytes == 10 * len("солнце".encode())
    assert made.rules["min_chars"].bytes == 55


def test_a_change_is_shown_before_and_after():
    made = Tally()
    made.begin("a.txt#1")
    long = "ә" * 500
    made.changed("look_alikes", f"{long} бaр {long}", f"{long} бар {long}")
    (sample,) = made.rules["look_alikes"].as_dict(4)["samples"]
    assert sample["id"] == "a.txt#1"
    assert "бaр" in sample["before"]
    assert "бар" in sample["after"]
    assert len(sample["before"]) < 100
    assert made.rules["look_alikes"].as_dict(4)["share"] == 0.25


def test_samples_of_no_rule_show_personal_data():
    made, row = Tally(language="tt"), "Айдар Сафин, 8-917-234-56-78, a@mail.ru"
    made.begin("a.txt#1")
    made.changed("spaces", f"{row}  ", row)
    made.dropped("min_words", row, "few words", 1)
    made.removed("paragraphs", row)
    for rule in made.rules.values():
        assert not {"234", "a@mail"} & {*str(rule.samples).replace("-", " ").split()}
        assert "█-███-███-██-██, █@████.██" in str(rule.samples)


def test_parts_of_a_corpus_add_up_in_any_order():
    whole = tally(range(100))
    pieces = [tally(range(60, 100)), tally(range(30)), tally(range(30, 60))]
    added = Tally()
    for each in pieces:
        added.add(each.as_dict())
    assert sorted(added.rules) == sorted(whole.rules)
    for name, rule in whole.rules.items():
        assert added.rules[name].as_dict(100) == rule.as_dict(100)
        assert len(rule.samples) == SAMPLES


def test_so_many_samples_are_kept_as_are_asked_for_also_of_parts_together():
    whole = Tally(5)
    for part in range(3):
        made = Tally(5)
        for number in range(4):
            made.begin(f"a.txt#{part}{number}")
            made.changed("look_alikes", "бaр", "бар")
        whole.add(made.as_dict())
    assert whole.rules["look_alikes"].documents == 12
    assert len(whole.rules["look_alikes"].samples) == 5


def test_the_samples_are_those_of_the_smallest_keys_and_are_cut():
    made, names = Tally(), [f"a.txt#{number}" for number in range(40)]
    for name in names:
        made.begin(name)
        made.dropped("min_chars", "ә" * 500, "why", 3)
        made.removed("split_languages", "я" * 500)
    first = sorted(names, key=key_of)[:SAMPLES]
    for rule in ("min_chars", "split_languages"):
        samples = made.rules[rule].as_dict(40)["samples"]
        assert [each["id"] for each in samples] == first
        assert {len(each["text"]) for each in samples} == {160}
    assert made.rules["min_chars"].bytes == 120
    assert made.rules["min_chars"].as_dict(160)["share"] == 0.25


def test_what_stands_around_a_change_is_shown_also_at_the_edges():
    for before, after, shown in (
        ("кояш  чыкты", "кояш чыкты", ("кояш  чыкты", "кояш чыкты")),
        ("кояш чыкты  ", "кояш чыкты", ("кояш чыкты  ", "кояш чыкты")),
        ("ә" * 90 + "  ", "ә" * 90, ("ә" * 40 + "  ", "ә" * 40)),
        ("ә" * 90 + "x" + "ә" * 90, "ә" * 180, ("ә" * 40 + "x" + "ә" * 39, "ә" * 80)),
    ):
        made = Tally()
        made.begin("a.txt#1")
        made.changed("spaces", before, after)
        (sample,) = made.rules["spaces"].as_dict(1)["samples"]
        assert (sample["before"], sample["after"]) == shown


def test_what_is_shown_of_a_text_begins_and_ends_with_whole_letters():
    """Half of a letter of Khmer is a sign on a dotted circle."""
    word = "ស្រ្តីខ្មែរ"
    for n in range(1, len(word)):
        made = Tally()
        made.begin("a.txt#1")
        made.changed("khmer_order", word * 9 + "ក" * n + "ខែ្មរ" + word * 9, word * 18)
        made.dropped("min_chars", "ក" * n + word * 30, "", 1)
        samples = [rule.as_dict(1)["samples"][0] for rule in made.rules.values()]
        for shown in (samples[0]["before"], samples[1]["text"]):
            assert {*LETTER.findall(shown)} <= {"ស្រ្តី", "ខ្មែ", "រ", "ក", "ខែ្ម"}
