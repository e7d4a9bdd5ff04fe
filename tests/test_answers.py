"""What a reader is told who knows no term: the words follow the records; and what an activation costs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import tiny
from made import entries, held, made, right
from robust_activations import studies
from robust_activations.figures import answers, choice, prices, saved, standings
from robust_activations.figures.measured import Benchmarks, Recorded
from robust_activations.figures.standings import Standings
from robust_activations.studies import Claim, Judged, Reported, Verdict, protocol
from robust_activations.studies.base import Points
from robust_activations.studies.curves import Curve

NOTHING, _ = held()
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
        "expensive is ELU: 1.30 times ReLU's step. GPUs were not measured: time a step of your own with both before "
        "you switch."
    )
    both = Benchmarks((*every.files, *timed("h200", silu=1.1).files, Recorded("ablation", "cpu", {"rows": ablation})))
    words = prices.said(prices.priced(one, both), one, both)
    assert "GPUs were not measured" not in words
    assert words.endswith("as a plain formula, an attack takes 1.60 times as long with PSSiLU.")
    assert prices.said([], one, Benchmarks(())) == ""


def test_the_answer_follows_the_records():
    none = answers.full(scale((RECIPE("silu"), 102), (RECIPE("gelu"), 101)))
    assert (
        "the first seed of each, none of 2 activations differ from ReLU beyond the chance of the images, corrected"
        in none
    )
    assert "The highest is SiLU, +1.0" in none.replace("\N{NO-BREAK SPACE}", " ")
    assert none.endswith("points from ReLU, which after that correction may be chance (p = 1.000).")
    some = answers.full(scale((RECIPE("silu"), 150), (RECIPE("gelu"), 101), (RECIPE("tanh"), 40)))
    assert "2 of 3 activations differ from ReLU beyond the chance of the images, corrected" in some
    assert ": SiLU (more robust) and tanh (less robust)." in some


def test_the_answer_says_what_the_seeds_say():
    """A gain that one seed shows and another takes back is none."""
    runs = [(RECIPE("relu", seed=1), 100), (RECIPE("silu"), 150), (RECIPE("silu", seed=1), 96), (RECIPE("gelu"), 100)]
    words = answers.full(scale(*runs))
    assert "SiLU (more robust). From each of ReLU's 2 seeds: SiLU." in words
    other = answers.full(scale((RECIPE("relu", seed=1), 149), *runs[1:]))
    assert "SiLU (more robust). From each of ReLU's 2 seeds: none." in other
    assert words.endswith("Over 2 seeds, corrected for their number, none of 1 differ from it beyond chance.")


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
AGAINST = Verdict("contradicted", "-1.5 points under pgd20; McNemar p = 0.017 (1 seed, n = 1,000)", seeds=1)
MIXED = Verdict.of_parts("undecided", {"cifar10": SEVERAL, "cifar100": AGAINST})


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
        "activations moves it by −20.0 to +1.0, and no gain is beyond chance. One was less robust than ReLU "
        "beyond the chance of the images but by one seed each: tanh. Where nothing else is said, this rests on a "
        f"small network (Digits CNN), {RELU.schedule.epochs} epochs and one seed."
    )


def test_a_gain_over_one_run_of_relu_is_no_yes():
    """With many images even a small difference is beyond their chance, and half of all seeds of ReLU lie low."""
    headline, text = short((RECIPE("silu"), 150), (RECIPE("gelu"), 101))
    said = "perhaps. Ahead of ReLU on 8×8 digits, beyond the chance of the images but by one seed each: SiLU."
    assert said in headline
    assert "moves it by +0.5 to +25.0. Where nothing" in text
    several = [(RECIPE("relu", seed=1), 110), (RECIPE("silu"), 150), (RECIPE("gelu"), 145), (RECIPE("elu"), 125)]
    headline, text = short(*several, (RECIPE("silu", seed=1), 112), (RECIPE("tanh"), 60))
    assert "perhaps. Ahead of each of 2 seeds of ReLU on 8×8 digits, beyond" in headline
    assert headline.removesuffix(" How a network is trained matters more.").endswith("by one seed each: GELU and ELU.")
    assert "One was less robust than ReLU in all 2 of its runs: tanh." in text


def test_the_short_answer_names_a_gain_over_seeds():
    relu = [(RECIPE("relu", seed=seed), 100 + seed) for seed in (1, 2)]
    silu = [(RECIPE("silu", seed=seed), 150) for seed in (0, 1, 2)]
    headline, text = short(*relu, *silu, (RECIPE("gelu"), 101))
    assert "some do. More robust than ReLU on 8×8 digits, beyond chance over seeds: SiLU." in headline
    assert "Over seeds alone, ahead of ReLU beyond chance under PGD-50: SiLU by +24.5 (1 of 1, corrected for " in text
    lost = [(run, 150 if run.seed == 0 else 101) for run, _ in silu]
    assert "perhaps. Ahead of ReLU on 8×8 digits" in short(*relu, *lost)[0]


def test_a_gain_over_several_networks_is_no_hardly():
    for verdict in (OPEN, ALONE):
        assert "hardly" in short((RECIPE("silu"), 102), verdict=verdict)[0]
    headline, text = short((RECIPE("silu"), 102), verdict=SEVERAL)
    assert "a little at most, as far as we can see." in headline
    assert (
        "no single gain is beyond chance. SiLU against ReLU, as a claim by itself (not corrected for other "
        "activations), over all pairs of networks that are otherwise alike, trained on attacked images: ahead on "
        "8×8 digits (+0.7 points under PGD-50). " in text
    )


def test_where_data_sets_disagree_each_is_told_with_its_attack():
    headline, text = short((RECIPE("silu"), 102), verdict=MIXED)
    assert "a little at most, and not on all data, as far as we can see." in headline
    assert "ahead on CIFAR-10 (+0.7 points under PGD-50) and behind on CIFAR-100 (−1.5 points under PGD-20, one" in text
    half = Verdict.of_parts("undecided", {"cifar10": SEVERAL, "cifar100": OPEN})
    assert "a little at most, and not clearly on all data, as" in short((RECIPE("silu"), 102), verdict=half)[0]


def test_nothing_recorded_is_no_answer():
    assert answers.short(scale(), choice.Levers("digits", "pgd20", ()), judged())[0].endswith("cannot say yet.")


def test_reported_gains_are_rounded_once():
    assert answers.reported_gain(judged(), "sat-silu", "bai-autoattack") == "about +9"


def cases(*given):
    """Case, use, and how sure with the reason in the box."""
    table, reasons = answers.cases(*given).split("\n\n", 1)
    why = dict(re.findall(r"^- \*\*(.*?)\.\*\* (.*)$", reasons, re.M))
    rows = [entries(line) for line in table.splitlines()[2:]]
    return [
        [case, use, f"*{sure}.* {why.get(case, '')}".rstrip().replace("\N{NO-BREAK SPACE}", " ")]
        for case, use, sure in rows
    ]


def test_the_cases_follow_the_records():
    def rows(one, verdict, kept=None, records=NOTHING, imagenet=False):
        return cases([one], judged(verdict), kept or {}, records, imagenet)

    one = scale((RECIPE("silu"), 102), (RECIPE("tanh"), 60))
    others, small, avoid, clean, _ = rows(one, OPEN)
    assert "we have no records of it" in others[2]
    assert "33.0 to 42.3 % (ResNet-50), {cite:t}`xie2020`, abstract (seen)." in others[2]
    assert small[1].startswith("**What you have**, or compare it with SiLU")
    assert small[2].startswith("*SiLU: **undecided** at `digits`.* SiLU against ReLU: ")
    assert avoid[1] == "Nothing that we are sure of"
    assert avoid[2].endswith("None is behind ReLU by more than the luck of one training.")
    assert clean[2] == "*Not measured yet.*"
    assert rows(one, SEVERAL)[1][1] == "**SiLU**"
    assert "What you have" in rows(one, ALONE)[1][1]
    assert "(CIFAR-10: supported; CIFAR-100: contradicted, one seed).* SiLU against" in rows(one, MIXED)[1][2]
    (avoid,) = rows(scale((RECIPE("relu", seed=1), 104), (RECIPE("tanh"), 60), (RECIPE("elu"), 82)), OPEN)[2:3]
    assert avoid[1] == "**Not** ELU or tanh"
    assert avoid[2].endswith(
        "Behind every training of ReLU, one network each, points relative to ReLU's first seed: on 8×8 digits "
        "(2 of them) ELU −9.0 and tanh −20.0."
    )
    fallen = replace(tiny.record(RECIPE("tanh"), right(20)), collapsed="it fell")
    (avoid,) = rows(standings.Standings("digits", (*scale((RECIPE("silu"), 101)).records, fallen)), OPEN)[2:3]
    assert avoid[1] == "**Not** tanh"
    assert avoid[2].endswith("on 8×8 digits (1 of them) tanh (collapsed).")
    run = protocol.standard("cpu", "cifar10", "resnet20", "relu", attacked=True)
    radius = protocol.recipe("cpu")("relu").threat.radius
    clean = rows(one, OPEN, {run.id: Curve((0.0, radius), (90, 0), 100)}, imagenet=True)[3]
    assert "at ε = 8/255, all are at 0 %: ReLU" in clean[2]
    assert "they differ" not in clean[2]


def test_what_loses_at_one_scale_alone_is_not_advised_against():
    def lost(name, *counted):
        return scale((RECIPE("relu", seed=1), 104), *((RECIPE(key), count) for key, count in counted), name=name)

    both = [lost("digits", ("tanh", 110), ("elu", 60)), lost("cpu", ("tanh", 60), ("elu", 60))]
    (_, use, words), *_ = cases(both, judged(), {}, NOTHING, False)[2:]
    words = words.replace("\N{NO-BREAK SPACE}", " ")
    assert use == "**Not** ELU"
    assert words.startswith("*At every scale that is recorded.* Behind every")
    assert (
        "on 8×8 digits (2 of them) tanh −20.0 and ELU −20.0; on 8×8 digits (2 of them) ELU −20.0." in words
    )  # the largest scale first


def test_without_adversarial_training_activations_differ_where_something_is_left():
    runs = {name: protocol.standard("cpu", "cifar10", "resnet20", name, attacked=True) for name in ("relu", "silu")}
    records, _ = held(*(tiny.record(run, right(count)) for run, count in zip(runs.values(), (60, 100), strict=True)))
    radius = protocol.recipe("cpu")("relu").threat.radius
    kept = {run.id: Curve((0.0, radius), (90, 0), 100) for run in runs.values()}
    (said,) = [why for _, use, why in cases([scale()], judged(), kept, records, False) if "saves it" in use]
    assert "at ε = 8/255, all are at 0 %: ReLU and SiLU" in said
    assert "At 1/255 they differ; points above ReLU under PGD-50: SiLU +20.0 [" in said


def test_scales_are_named_for_who_knows_none():
    assert (
        answers.scale_names([scale()]) == f"`digits`: Digits CNN on 8×8 digits, {RELU.schedule.epochs} epochs of PGD-AT"
    )


def test_one_seed_recommends_nothing():
    def small(*counted, verdict=OPEN):
        return cases([scale(*counted)], judged(verdict), {}, NOTHING, False)[1]

    alone = small((RECIPE("gelu"), 160))
    assert alone[1].startswith("**What you have**, or compare it with SiLU under")
    assert "Of 1 single runs 1 beat ReLU's beyond the chance of the images (GELU)." in alone[2]
    each = small((RECIPE("gelu"), 160), (RECIPE("relu", seed=1), 110))
    assert each[1].startswith("**What you have**, or compare it with SiLU and GELU under")
    assert each[2].startswith("*GELU: by one seed, but against each of 2 of ReLU, at `digits`; SiLU: ")
    pairs = [(RECIPE(name, seed=seed), count) for name, count in (("relu", 101), ("splash", 151)) for seed in (1, 2)]
    several = small((RECIPE("splash"), 151), *pairs)
    assert several[1] == "**SPLASH**"
    assert several[2].startswith("*SPLASH: beyond chance over seeds at `digits`; SiLU: **undecided**")
    silu = [(RECIPE("silu", seed=seed), 151) for seed in (0, 1, 2)]
    assert "What you have" in small(*pairs[:2], *silu, verdict=MIXED)[1]  # other data speak against it


def test_the_seed_of_a_network_and_its_luck_are_told():
    assert saved.of_seeds({"relu": 0, "silu": 0}) == "ReLU and SiLU, seed 0"
    assert saved.of_seeds({"relu": 1, "silu": 0}) == "ReLU (seed 1) and SiLU (seed 0)"
    one = scale((RECIPE("relu", seed=1), 94), (RECIPE("silu"), 110))
    words = saved.beside_mean(one, {"relu": 1, "silu": 0})
    assert words.endswith("of the same activation, under PGD-50: ReLU −1.5 points (2 seeds).")  # SiLU has no others
    assert saved.beside_mean(one, {"silu": 0, "gelu": 0}) == ""


def test_whether_an_activation_stands_in_for_adversarial_training():
    recipe = protocol.recipe("cpu")
    clean = protocol.standard("cpu", "cifar10", "resnet20", "splash", attacked=True)
    radius = recipe("relu").threat.radius
    kept = {recipe("relu", seed=1).id: Curve((0.0, radius), (90, 40), 100)}
    assert saved.stand_in(kept, "splash").said == "Our records cannot say yet."
    said, test = saved.stand_in(kept | {clean.id: Curve((0.0, radius), (95, 2), 100)}, "splash")
    assert said.startswith("No: without attacks in training it keeps 2\N{NO-BREAK SPACE}% of the images where ReLU")
    assert "SPLASH, trained on clean images, keeps 2.0 % [" in test
    said, _ = saved.stand_in(kept | {clean.id: Curve((0.0, radius), (95, 38), 100)}, "splash")
    assert said == "Our records do not show that it keeps less."


def test_what_is_left_is_a_share_or_a_range():
    assert saved.left([0.0, 0.0]) == "all are at 0\N{NO-BREAK SPACE}%"
    assert saved.left([30.2, 33.0]) == "they lie between 30.2 and 33\N{NO-BREAK SPACE}%"


def test_what_is_told_on_clean_images_is_told_where_seeds_agree():
    ahead = [
        made(name, clean=clean + seed, seed=seed) for name, clean in (("relu", 150), ("silu", 160)) for seed in (0, 1)
    ]
    one = Standings("cpu", tuple(ahead))
    assert (
        answers.on_clean(one, "silu")
        .replace("\N{NO-BREAK SPACE}", " ")
        .startswith(" On clean images it is +5.0 [+5.0, +5.0] points from ReLU over 2 seeds at scale `cpu`")
    )
    assert answers.on_clean(Standings("cpu", tuple(ahead[::2])), "silu") == ""
