"""What to do next with a run, in words and with the command, as its figures say: what is wrong first. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import median

from efficientnet_lite.figures import percent
from efficientnet_lite.metrics import ENOUGH_TO_JUDGE
from efficientnet_lite.photos.classes import some
from efficientnet_lite.run.report.facts import Facts, File, Gate
from efficientnet_lite.run.summary import Summary
from efficientnet_lite.shell import command_line, operand

# Words in capitals are folders of the user's.
AGAIN = "efficientnet-lite train --config {config} --out {out}"
TUNED = "efficientnet-lite train --config {config} --out {out} --fine-tune"
CALIBRATED = "efficientnet-lite train --config {config} --out {out} --calibration 500"
VERIFY = "efficientnet-lite verify {run} --data MORE_PHOTOS"
PREDICT = "efficientnet-lite predict {run} photo.jpg"
CHECK = "efficientnet-lite check PHOTOS"
ENOUGH_TO_LEARN = 20  # photos of a class; with fewer, one odd photo turns what is learned
FEW_BESIDE = 0.25  # of the median class: fewer are drowned by the others
OFTEN = 0.05  # of the photos of two classes: taken for each other so often, they are worth a look
GOOD = 0.95  # accuracy from which on a longer training is not the first thing to try
USABLE = 0.5  # accuracy below which nobody wants to ship
COSTS_TOO_MUCH = 0.02  # of top-1: what int8 may lose and still be the file to ship


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do."""

    title: str
    text: str
    command: str | None = None  # a line for a POSIX shell, in the folder that the run lies in


def file_to_ship(facts: Facts) -> File:
    """The int8 file, a third of the size and as fast as any; float32 where int8 surely loses more than two points."""
    int8 = next((file for file in facts.files if file.precision == "int8"), None)
    gate = facts.gate(facts.phone_view)
    loses = gate is not None and gate.drop > COSTS_TOO_MUCH and gate.drop_interval.low > 0
    return facts.files[0] if int8 is None or loses else int8


def photos_to_prove(gate: Gate, max_drop: float) -> int | None:
    """About how many photos would prove the int8 file, if it goes on as on these; None where none would.

    An interval narrows with the root of the count, so the room between drop and bar says by how much it has to.
    """
    room = max_drop - max(gate.drop, 0)
    reach = gate.drop_interval.high - max(gate.drop, 0)
    if room <= 0 or reach <= room:
        return None
    count = gate.count * (reach / room) ** 2
    digit = 10 ** (len(str(int(count))) - 1)
    return int(-(-count // digit) * digit)


def advice(facts: Facts, summary: Summary, trained: Sequence[int]) -> tuple[Advice, ...]:
    """The gravest first; "ship it" alone where nothing is wrong.

    Args:
        trained: photos of each class that the network learned from, in the order of the labels.
    """
    found = [each for rule in RULES for each in rule(facts, summary, trained)]
    ship = PurePosixPath(file_to_ship(facts).path).name
    score = facts.score(*facts.first_choice)
    if not found:
        return (
            Advice(
                "Ship it",
                f"Nothing is in the way: put {ship} into your app, as below, and try it on photos of your own first.",
                _command(PREDICT, summary),
            ),
        )
    if score.count >= ENOUGH_TO_JUDGE and score.top1 >= USABLE:
        found.append(
            Advice(
                "Or ship it as it is",
                f"Where {percent(score.top1)} right is enough for your app, {ship} is ready for it, as below.",
                _command(PREDICT, summary),
            )
        )
    return tuple(found)


def _is(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _command(line: str, summary: Summary) -> str:
    words = {"run": summary.name, "config": f"{summary.name}/config.toml", "out": f"{summary.name}-2"}
    return line.format(**{name: command_line([operand(word)]) for name, word in words.items()})


def _too_few_to_judge(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    if summary.judged < ENOUGH_TO_JUDGE:
        photos = "1 photo judges" if summary.judged == 1 else f"{summary.judged} photos judge"
        yield Advice(
            "Gather more photos first",
            f"Only {photos} this model: with fewer than {ENOUGH_TO_JUDGE} a good one can look bad, and a bad one good. "
            "Aim for 100 photos of each class, then train again.",
            _command(AGAIN, summary),
        )


def _leaks(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    if facts.leaks:
        yield Advice(
            "Take copies out of the photos for judging",
            f"{facts.leaks:,} of them {_is(facts.leaks, 'is a copy', 'are copies')} of photos in another part, so the "
            "accuracy looks better than it is. "
            "Leave them out, or let the split be made: it keeps copies together.",
            CHECK,
        )


def _lost(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    if facts.lost:
        yield Advice(
            "Train once more, and leave the photos in place",
            f"{facts.lost:,} {facts.split} {_is(facts.lost, 'photo', 'photos')} went while the run was made, and no "
            "figure knows of them.",
            _command(AGAIN, summary),
        )


def _int8_loses(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    gate = facts.gate(facts.phone_view)
    if gate is None or gate.drop <= summary.max_drop:
        return
    text = (
        f"It gets {100 * gate.drop:.1f} of 100 photos more wrong than the float32 file. More photos to calibrate with "
        "often mend that"
    )
    if file_to_ship(facts).precision == "float32":
        text += "; until then ship the float32 file"
    yield Advice("Let int8 lose less", f"{text}.", _command(CALIBRATED, summary))


def _calibration(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    for text in facts.int8.warnings if facts.int8 else ():
        yield Advice("Look at the photos that calibrated int8", f"{text[0].upper()}{text[1:]}.")


def _unproven(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    if summary.verdict == "verified" or summary.judged < ENOUGH_TO_JUDGE:
        return
    needed = [photos_to_prove(gate, summary.max_drop) for gate in facts.gates]
    count = max((each for each in needed if each is not None), default=None)
    about = "" if count is None else f" About {count:,} may be enough."
    yield Advice(
        "Prove the int8 file",
        f"{summary.judged:,} photos are too few to be sure that it loses no more than {100 * summary.max_drop:g} of "
        f"100.{about} Any labelled photos do that the model has not learned from.",
        _command(VERIFY, summary),
    )


def _few_to_learn(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    usual = median(trained) if trained else 0
    few = sorted(
        (count, label)
        for label, count in zip(facts.labels, trained, strict=True)
        if count < ENOUGH_TO_LEARN or count < FEW_BESIDE * usual
    )
    if not few:
        return
    named = some([f"{label} ({count:,})" for count, label in few], 4)
    if len(few) == len(facts.labels):
        text = f"All classes have few photos to learn from: {named}. More of them is what helps most."
    else:
        text = (
            f"These classes have few to learn from: {named}; half of the classes have {usual:,.0f} or more."
        )
    yield Advice("Add photos where there are few", text, _command(AGAIN, summary))


def _two_alike(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    mixed = facts.confusions[facts.first_choice].most_mixed_up
    if mixed is None or mixed.count < 3 or mixed.count < OFTEN * mixed.of:
        return
    yield Advice(
        f"Tell {mixed.first} from {mixed.second}",
        f"No two classes are mixed up more: {mixed.count:,} of their {mixed.of:,} photos. Look at them under Surest "
        "mistakes: mend wrong labels, add photos that show the difference, or make one class of both.",
        _command(AGAIN, summary),
    )


def _learn_longer(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    if facts.tuning or facts.training or summary.judged < ENOUGH_TO_JUDGE:
        return
    top1 = facts.score(*facts.first_choice).top1
    if top1 < GOOD:
        yield Advice(
            "Let more of the network learn",
            f"Here the last layer alone learned from your photos, and {percent(top1)} come out right. Fine-tuning "
            "takes minutes to hours and often gains several points.",
            _command(TUNED, summary),
        )


def _skipped(facts: Facts, summary: Summary, trained: Sequence[int]) -> Iterator[Advice]:
    if facts.skipped:
        yield Advice(
            "Look at what was skipped",
            f"{facts.skipped:,} {_is(facts.skipped, 'file or row', 'files or rows')} could not be used. skipped.csv in "
            "the run has the reason for each.",
            CHECK,
        )


AdviceRule = Callable[[Facts, Summary, Sequence[int]], Iterator[Advice]]
RULES: Sequence[AdviceRule] = (
    _too_few_to_judge,
    _leaks,
    _lost,
    _int8_loses,
    _calibration,
    _few_to_learn,
    _two_alike,
    _learn_longer,
    _unproven,
    _skipped,
)
