"""What a reader is told who knows no term: the words follow the records; and what an activation costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tiny
from made import entries, held, right
from robust_activations import studies
from robust_activations.figures import answers, choice, prices, standings
from robust_activations.figures.measured import Benchmarks, Recorded
from robust_activations.studies import Claim, Judged, Reported, Verdict, protocol
from robust_activations.studies.base import Points
from robust_activations.studies.curves import Curve

RECIPE = protocol.recipe("digits")
RELU = RECIPE("relu")
# What a study plans that differs from ReLU's run in being trained without attacks.
CLEAN = next(
    run for study in studies.get("all") for run in study.runs("digits")
    if run.objective.name == "standard" and replace(run, objective=RELU.objective, suite=RELU.suite) == RELU
)  # fmt: skip


def timed(device: str = "cpu", model: str = RELU.model, **ratios: float) -> Benchmarks:
    rows = [
        {"model": model, "activation": name, "ratio": ratio, "ratio_min": ratio - 0.1, "ratio_max": ratio}
        for name, ratio in ratios.items()
    ]
    hardware = {"threads": 2} | ({"gpu": "H200"} if device != "cpu" else {})
    return Benchmarks((Recorded("step_cost", device, {"rows": rows, "hardware": hardware}),))


def scale(*counted, name: str = "digits") -> standings.Standings:
    records = tuple(tiny.record(run, right(count)) for run, count in ((RELU, 100), *counted))
    return standings.Standings(name, records)


def test_prices_are_those_of_the_network_and_the_kind_of_machine():
    one = scale((RECIPE("silu"), 110), (RECIPE("gelu"), 90), (RECIPE("elu"), 95))
    found = prices.priced(one, timed(silu=1.2, gelu=1.1))
    assert [(row.name, row.ratio, row.at.value, row.clean) for row in found] == [
        ("gelu", 1.1, pytest.approx(-0.05), pytest.approx(-0.05)),
        ("silu", 1.2, pytest.approx(0.05), pytest.approx(0.05)),
    ]
    corrected = {name: row.holm for name, row in standings.against_relu(one).items()}
    assert len(corrected) == 3  # with what was not timed
    assert all(row.comparison.holm == corrected[row.name] for row in found)
    rows = [entries(line)[:2] for line in prices.price_table(found).splitlines()[2:]]
    assert rows == [["GELU", "1.10 (1.00 to 1.10)"], ["SiLU", "1.20 (1.10 to 1.20)"]]
    for elsewhere in (timed(model="vgg", silu=1.2), timed(device="h200", silu=1.2)):
        assert prices.priced(one, elsewhere) == []
    (ax,) = prices.price_figure({"digits": found, "nothing": []}).axes
    assert {text.get_text() for text in ax.texts} == {"ReLU", "SiLU", "GELU"}


def test_what_is_far_too_dear_is_an_arrow_with_its_number():
    found = prices.priced(scale((RECIPE("silu"), 110), (RECIPE("maxout"), 112)), timed(silu=1.2, maxout=5.0))
    (ax,) = prices.price_figure({"digits": found}).axes
    assert {text.get_text() for text in ax.texts} == {"ReLU", "SiLU", "Maxout, 5.00×"}
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == ">"] == [prices.EDGE]
    assert ax.get_xlim()[1] == prices.CUT


def test_what_a_step_costs_in_words():
    one, slow = scale((RECIPE("silu"), 110), (RECIPE("elu"), 95)), {"model": RELU.model, "change": "plain formula"}
    ablation = [slow | {"activation": "relu", "ratio": 1.0}, slow | {"activation": "pssilu", "ratio": 1.6}]
    every = timed(silu=1.2, elu=1.3)
    words = prices.said(prices.priced(one, every), one, every).replace("\N{NO-BREAK SPACE}", " ")
    assert words == (
        "**On 2 CPU threads a training step takes longer than with ReLU by 20 % with SiLU.** The most "
        "expensive is ELU: 1.30 times ReLU's step. GPUs were not measured."
    )
    both = Benchmarks((*every.files, *timed("h200", silu=1.1).files, Recorded("ablation", "cpu", {"rows": ablation})))
    words = prices.said(prices.priced(one, both), one, both)
    assert "GPUs were not measured" not in words
    assert words.endswith("as a plain formula, an attack takes 1.60 times as long with PSSiLU.")
    assert prices.said([], one, Benchmarks(())) == ""


def test_the_answer_follows_the_records():
    none = answers.full(scale((RECIPE("silu"), 102), (RECIPE("gelu"), 101)))
    assert "the first seed of each, corrected for their number, our records tell none of 2 activations from " in none
    assert "The highest is SiLU, +1.0" in none.replace("\N{NO-BREAK SPACE}", " ")
    assert none.endswith("points from ReLU, which after that correction may be chance (p = 1.000).")
    some = answers.full(scale((RECIPE("silu"), 150), (RECIPE("gelu"), 101), (RECIPE("tanh"), 40)))
    assert "tell 2 of 3 activations from ReLU: SiLU as more robust and tanh as less robust." in some


def test_the_answer_says_what_the_seeds_say():
    """A gain that one seed shows and another takes back is none."""
    runs = [(RECIPE("relu", seed=1), 100), (RECIPE("silu"), 150), (RECIPE("silu", seed=1), 96), (RECIPE("gelu"), 100)]
    words = answers.full(scale(*runs))
    assert "SiLU as more robust. From each of ReLU's 2 seeds: SiLU." in words
    other = answers.full(scale((RECIPE("relu", seed=1), 149), *runs[1:]))
    assert "SiLU as more robust. From each of ReLU's 2 seeds: none." in other
    assert words.endswith("Over 2 seeds none of 1 differ from it beyond chance.")


def test_what_cannot_be_compared_is_no_answer():
    silu, gelu = (RECIPE("silu"), 110), (RECIPE("gelu"), 100)
    assert answers.comparable(scale(silu, gelu))
    assert not answers.comparable(scale())
    assert not answers.comparable(scale(silu))
    fallen = replace(tiny.record(RELU, right(100)), collapsed="it fell")
    others = [tiny.record(run, right(count)) for run, count in (silu, gelu, (RECIPE("relu", seed=1), 100))]
    assert not answers.comparable(standings.Standings("digits", (fallen, *others)))


# ---- the short answer and the cases -----------------------------------------------------------------------------

SHOWN = {"measured": "+0.7 points under pgd50", "records": ("a", "b"), "points": Points(0.7, 0.1, 1.3)}
ALONE = Verdict("supported", seeds=1, **SHOWN)
SEVERAL = Verdict("supported", seeds=3, **SHOWN)
OPEN = Verdict("undecided", seeds=1, **SHOWN)


def judged(verdict: Verdict = OPEN) -> list[Judged]:
    values = {"sat-silu": "33.0 to 42.3 % (ResNet-50)", "bai-autoattack": "26.41 to 35.51 % (ResNet-50)"}
    return [
        Judged("sat", Claim(name, "x", "x", "xie2020", Reported(value, "abstract", "SEEN"), lambda *_: verdict),
               "digits", verdict)
        for name, value in values.items()
    ]  # fmt: skip


def short(*counted, verdict: Verdict = OPEN) -> tuple[str, str]:
    records, _ = held(*(tiny.record(run, right(count)) for run, count in ((RELU, 100), (CLEAN, 10), *counted)))
    one = standings.Standings("digits", tuple(r for r in records if r.run.objective == RELU.objective))
    return answers.short(one, choice.levers("digits", records), judged(verdict))


def test_the_short_answer_without_a_gain_is_hardly():
    headline, text = short((RECIPE("silu"), 102), (RECIPE("tanh"), 60))
    assert headline == "Short answer: hardly, as far as we can see. How a network is trained matters more."
    assert text == (
        "On 8×8 digits, training without attacks costs 45 points of robust accuracy. Swapping ReLU for one of 2 other "
        "activations moves it by −20.0 to +1.0, and no gain is beyond chance. One is worse: tanh. This rests on a "
        f"small network (Digits CNN), {RELU.schedule.epochs} epochs and one seed."
    )


def test_the_short_answer_names_a_gain():
    headline, text = short((RECIPE("silu"), 150), (RECIPE("gelu"), 101))
    assert "some do. More robust than ReLU beyond chance: SiLU." in headline
    assert "moves it by +0.5 to +25.0. This rests" in text


def test_a_gain_over_several_networks_is_no_hardly():
    for verdict in (OPEN, ALONE):
        assert "hardly" in short((RECIPE("silu"), 102), verdict=verdict)[0]
    headline, text = short((RECIPE("silu"), 102), verdict=SEVERAL)
    assert "a little at most" in headline
    assert "no single gain is beyond chance. Over all networks that are recorded with both, SiLU is ahead" in text
    assert "by +0.7 points." in text


def test_nothing_recorded_is_no_answer():
    assert answers.short(scale(), choice.Levers("digits", "pgd20", ()), judged())[0].endswith("cannot say yet.")


def test_reported_gains_are_rounded_once():
    assert answers.reported_gain(judged(), "sat-silu", "bai-autoattack") == "about +9"


def test_the_cases_follow_the_records():
    def rows(one, verdict, kept=None, imagenet=False):
        table = answers.cases(one, judged(verdict), kept or {}, imagenet)
        return [entries(line) for line in table.splitlines()[2:]]

    one = scale((RECIPE("silu"), 102), (RECIPE("tanh"), 60))
    others, small, avoid, clean, _ = rows(one, OPEN)
    assert "we have no records of it" in others[2]
    assert "33.0 to 42.3 % (ResNet-50), {cite:t}`xie2020`, abstract (seen)." in others[3]
    assert small[1].startswith("**What you have**, or compare it with SiLU")
    assert "SiLU: **undecided** at `digits`" in small[2]
    assert avoid[1] == "**Not** tanh"
    assert "−20.0 points" in avoid[3]
    assert clean[2] == "Not measured yet"
    assert rows(one, SEVERAL)[1][1] == "**SiLU**"
    assert rows(scale((RECIPE("gelu"), 160)), OPEN)[1][1] == "**GELU**"
    fallen = replace(tiny.record(RECIPE("tanh"), right(20)), collapsed="it fell")
    (avoid,) = rows(standings.Standings("digits", (*scale((RECIPE("silu"), 101)).records, fallen)), OPEN)[2:3]
    assert avoid[1] == "**Not** tanh"
    assert avoid[3] == "None is below ReLU beyond chance; training collapsed with tanh."
    run = protocol.standard("cpu", "cifar10", "resnet20", "relu", attacked=True)
    radius = protocol.recipe("cpu")("relu").threat.radius
    clean = rows(one, OPEN, {run.id: Curve((0.0, radius), (90, 0), 100)}, imagenet=True)[3]
    assert "at ε = 8/255, all are at 0 %: ReLU" in clean[3]


def test_what_is_left_is_a_share_or_a_range():
    assert answers.left([0.0, 0.0]) == "all are at 0\N{NO-BREAK SPACE}%"
    assert answers.left([30.2, 33.0]) == "they lie between 30.2 and 33\N{NO-BREAK SPACE}%"
