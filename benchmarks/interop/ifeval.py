"""Holds Secateur's IFEval checks against lm-evaluation-harness's, instruction by instruction, on generated responses.

    ifeval.py --prompts input_data.jsonl --checks target/debug/examples/ifeval_checks [--per-prompt 10] [--punkt english.json]

Every official prompt gets responses that are put together at random (seeded) from sentences and features below, so that each
instruction is followed by some and broken by others. The harness's sentence splitter needs data of NLTK that is downloaded separately
(punkt_tab). Where it is not there, `--punkt` takes the same parameters as JSON (abbrev_types, collocations,
sentence_starters, ortho_context), and without either an untrained splitter is used and said so. Prints agreement per instruction; exit
status 1 where an instruction other than those that depend on sentence data or on the detector's luck disagrees anywhere.
"""

import argparse
import collections
import json
import logging
import random
import re
import subprocess
import sys

ENGLISH = [
    "The river rose after three days of rain.", "Nobody had seen the keys since Tuesday.", "Is this the way to the old mill?",
    "She paid $3.50 for two apples, a pear and some bread.", "What a day!", "Dr. Alvarez arrived at 9 a.m. with Mr. Lee.",
    "I can't say that I'm surprised.", "NASA and the U.S. Navy signed it in 1998.", "The answer is 42.", "He whispered, \"Go now.\"",
    "Bring water, i.e. at least two litres per person.", "It costs approx. 30 euros, e.g. by train.", "Wait... what?! Really?",
    "J. R. Ortega wrote the report. It was late.", "See Fig. 3 and No. 7 for details.", "The plan (see above) failed; we start again.",
    "Visit www.example.org or write to info@example.org.", "Version 2.0 is here. 3 bugs were fixed.", "CANNOT STOP WON'T STOP",
    "the whole town knew about it", "They met at St. Mark's in Jan. 2020.", "A--B is a dash; C - D is not.", "\u201cQuoted,\u201d she said.",
    "Prof. Okafor's lab, Inc. Ltd. and Co. moved.", "My answer is maybe.", "1. First step\n2. Second step", "Yes.", "OK! OK? OK.",
]
OTHERS = [
    "Der Fluss stieg nach drei Tagen Regen.", "Le fleuve a mont\u00e9 apr\u00e8s trois jours de pluie.", "Hii ni siku nzuri sana kwa watoto wote wa shule.",
    "\u042d\u0442\u043e \u0431\u044b\u043b \u0434\u043b\u0438\u043d\u043d\u044b\u0439 \u0434\u0435\u043d\u044c.", "\u092f\u0939 \u090f\u0915 \u0932\u0902\u092c\u093e \u0926\u093f\u0928 \u0925\u093e\u0964",
    "\u0c87\u0ca6\u0cc1 \u0c92\u0c82\u0ca6\u0cc1 \u0ca6\u0cc0\u0cb0\u0ccd\u0c98 \u0ca6\u0cbf\u0ca8\u0cb5\u0cbe\u0c97\u0cbf\u0ca4\u0ccd\u0ca4\u0cc1.", "Foi um dia muito longo para todos n\u00f3s.",
    "\u0627\u06cc\u0646 \u06cc\u06a9 \u0631\u0648\u0632 \u0637\u0648\u0644\u0627\u0646\u06cc \u0628\u0648\u062f.", "\uae34 \ud558\ub8e8\uc600\uc2b5\ub2c8\ub2e4.", "\u0110\u00f3 l\u00e0 m\u1ed9t ng\u00e0y d\u00e0i.",
    "\u0939\u093e \u090f\u0915 \u092e\u094b\u0920\u093e \u0926\u093f\u0935\u0938 \u0939\u094b\u0924\u093e.", "\u0a07\u0a39 \u0a07\u0a71\u0a15 \u0a32\u0a70\u0a2c\u0a3e \u0a26\u0a3f\u0a28 \u0a38\u0a40\u0964",
]
DEPENDS_ON_DATA = {"length_constraints:number_sentences", "change_case:capital_word_frequency"}


def text(rng, sentences):
    pool = ENGLISH if rng.random() < 0.85 else [rng.choice(OTHERS)]
    return rng.choice([" ", " ", "\n", "  "]).join(rng.choice(pool) for _ in range(sentences))


def feature(rng, record):
    """One piece that some instruction looks for, with arguments of this prompt where it has them."""
    kwargs = {name: value for entry in record["kwargs"] for name, value in entry.items() if value}
    some = lambda name, default: kwargs.get(name, default)
    count = lambda name: max(0, int(some(name, 2)) + rng.choice([-1, 0, 0, 0, 1]))
    mark = some("section_spliter", "Section")
    words = some("keywords", []) + some("forbidden_words", []) + [some("keyword", "x"), some("first_word", "y"), some("letter", "z")]
    pieces = {
        "number_bullet_lists": lambda: "\n".join(rng.choice(["* ", "- ", "  * ", "** "]) + text(rng, 1) for _ in range(count("num_bullets"))),
        "number_highlighted_sections": lambda: " ".join(rng.choice(["*{}*", "**{}**", "***{}***", "* {} *"]).format(f"part {i}") for i in range(count("num_highlights"))),
        "multiple_sections": lambda: "\n".join(f"{mark} {i + 1}\n{text(rng, 1)}" for i in range(count("num_sections"))),
        "number_paragraphs": lambda: rng.choice(["\n***\n", " *** ", "***"]).join(text(rng, 1) for _ in range(count("num_paragraphs"))),
        "nth_paragraph_first_word": lambda: "\n\n".join(rng.choice([some("first_word", "x"), "Then"]).capitalize() + " " + text(rng, 1) for _ in range(count("num_paragraphs"))),
        "number_placeholders": lambda: " ".join(f"[slot {i}]" for i in range(count("num_placeholders"))),
        "postscript": lambda: text(rng, 1) + "\n" + some("postscript_marker", "P.S.") + " " + text(rng, 1),
        "any": lambda: rng.choice(["P. S. note", "p.p.s. note", "P.P.S note", "P.S note"]),
        "title": lambda: rng.choice(["<<A title>>", "<< >>", "<<a>> <<b>>", "<title>"]),
        "existence frequency forbidden_words": lambda: " ".join(rng.choice([w, w.upper(), w.capitalize(), w + "s", "x" + w]) for w in rng.choices(words, k=rng.randint(1, 12))),
        "two_responses": lambda: text(rng, 2) + rng.choice(["******", "\n******\n"]) + text(rng, 2),
        "json_format": lambda: rng.choice(["{\"a\": [1, 2.5, null]}", "```json\n{\"a\": \"b\"}\n```", "{'a': 1}", "```\n[1, 2]\n```", "[1, 2"]),
        "letter_frequency": lambda: some("let_relation", "") and str(some("letter", "a")) * rng.randint(0, 2 * int(some("let_frequency", 1))),
        "number_words": lambda: " ".join(["word"] * rng.choice([1, count("num_words")])),
        "capital_word_frequency": lambda: " ".join("NEWS" for _ in range(count("capital_frequency"))),
        "number_sentences": lambda: text(rng, count("num_sentences")),
    }
    wanted = [piece for name, piece in pieces.items() for key in record["instruction_id_list"] if key.split(":")[1] in name.split()]
    return rng.choice(wanted if wanted and rng.random() < 0.7 else list(pieces.values()))() or "."


def response(rng, record):
    parts = [text(rng, rng.randint(1, 6)) for _ in range(rng.randint(0, 2))] + [feature(rng, record) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.4:
        parts = [feature(rng, record)]
    rng.shuffle(parts)
    body = rng.choice(["\n", "\n\n", " "]).join(parts)
    kwargs = {name: value for entry in record["kwargs"] for name, value in entry.items() if value}
    if "prompt_to_repeat" in kwargs and rng.random() < 0.6:
        body = kwargs["prompt_to_repeat"] + rng.choice(["\n", " ", "\n\n"]) + body
    if "end_phrase" in kwargs and rng.random() < 0.6:
        body += " " + kwargs["end_phrase"] + rng.choice(["", "", "\"", " Bye."])
    body = rng.choice([str, str, str, str, str.lower, str.upper])(body)
    if rng.random() < 0.25:
        body = body.replace(",", "")
    if rng.random() < 0.2:
        body = f"\"{body}\""
    if rng.random() < 0.2:
        body = "Sure, here it is:\n" + body
    if rng.random() < 0.2:
        body += "\nI hope this helps, friend!"
    return rng.choice([body] * 30 + ["", " \n", "123", "*", "***"])


def reference(punkt):
    """The harness's checks, with a splitter of what data there is."""
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    import langdetect
    from lm_eval.tasks.ifeval import instructions_util, utils

    langdetect.DetectorFactory.seed = 0
    logging.disable(logging.ERROR)
    try:
        splitter, said = instructions_util._get_sentence_tokenizer(), "NLTK's own data"
    except LookupError:
        parameters, said = PunktParameters(), "no data: an untrained splitter"
        if punkt:
            said = f"the parameters of {punkt}"
            with open(punkt, encoding="utf-8") as file:
                data = json.load(file)
            parameters.abbrev_types = set(data["abbrev_types"])
            parameters.collocations = {tuple(pair) for pair in data["collocations"]}
            parameters.sent_starters = set(data["sentence_starters"])
            parameters.ortho_context.update(data["ortho_context"])
        splitter = PunktSentenceTokenizer()
        splitter._params = parameters
    words = NLTKWordTokenizer()
    instructions_util._get_sentence_tokenizer = lambda: splitter
    instructions_util.nltk.word_tokenize = lambda text: [w for s in splitter.tokenize(text) for w in words.tokenize(s)]
    return utils, said


def judged(utils, record, answer):
    """As the harness judges; instructions whose argument it draws at random are left out (None)."""
    example = utils.InputExample(record["key"], record["instruction_id_list"], record["prompt"], record["kwargs"])
    strict = utils.test_instruction_following_strict(example, answer).follow_instruction_list
    loose = utils.test_instruction_following_loose(example, answer).follow_instruction_list
    random_letter = [bool(k.get("letter")) and not re.fullmatch("[a-zA-Z]", k["letter"]) for k in record["kwargs"]]
    return [None if r else s for r, s in zip(random_letter, strict)], [None if r else l for r, l in zip(random_letter, loose)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--checks", required=True, help="the example `ifeval_checks` of crates/evaluation")
    parser.add_argument("--per-prompt", type=int, default=10)
    parser.add_argument("--punkt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="print so many disagreements")
    options = parser.parse_args()
    utils, said = reference(options.punkt)
    rng = random.Random(options.seed)
    with open(options.prompts, encoding="utf-8") as file:
        records = [json.loads(line) for line in file if line.strip()]
    cases = [{**record, "response": response(rng, record)} for record in records for _ in range(options.per_prompt)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    ours = subprocess.run([options.checks], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    seen, equal, followed, shown = (collections.Counter() for _ in range(4))
    for case, line in zip(cases, ours, strict=True):
        own = json.loads(line)
        theirs = dict(zip(("strict", "loose"), judged(utils, case, case["response"])))
        for form in ("strict", "loose"):
            for name, kwargs, mine, other in zip(case["instruction_id_list"], case["kwargs"], own[form], theirs[form], strict=True):
                if other is None:
                    continue
                seen[name] += 1
                followed[name] += other
                equal[name] += mine == other
                if mine != other and shown[name] < options.show:
                    shown[name] += 1
                    print(f"-- {name} {kwargs} {form}: ours {mine}, theirs {other}: {case['response']!r}")
    print(f"{len(cases)} responses to {len(records)} prompts; sentences split with {said}\n")
    print(f"{'instruction':48} {'checks':>7} {'followed':>8} {'equal':>7}")
    for name in sorted(seen):
        print(f"{name:48} {seen[name]:7} {followed[name] / seen[name]:8.1%} {equal[name] / seen[name]:7.2%}")
    print(f"{'all':48} {sum(seen.values()):7} {sum(followed.values()) / sum(seen.values()):8.1%} {sum(equal.values()) / sum(seen.values()):7.2%}")
    wrong = [name for name in seen if equal[name] < seen[name] and name not in DEPENDS_ON_DATA]
    sys.exit(f"different without need: {', '.join(sorted(wrong))}" if wrong else 0)


if __name__ == "__main__":
    main()
