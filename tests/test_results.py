"""Shared figures and tables of records: what is drawn and written is what the records say."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

import tiny
from made import FALLEN, PSSILU, RELU, ROWS, SILU, made
from robust_activations import ledger, stats
from robust_activations.figures import frames, histories, results, robustness, style
from robust_activations.figures.results import Line, Row
from robust_activations.figures.rows import setting
from robust_activations.figures.standings import Standings
from robust_activations.studies.base import strongest


def drawn(ax: Axes, **look: object) -> list[tuple[list[float], list[float]]]:
    """Coordinates of all lines with these properties."""
    lines = [line for line in ax.lines if all(getattr(line, f"get_{key}")() == value for key, value in look.items())]
    return [([*map(float, line.get_xdata())], [*map(float, line.get_ydata())]) for line in lines]


def says_nothing(figure: Figure) -> bool:
    return words(figure) == ["nothing recorded yet"] and not any(ax.axison for ax in figure.axes)


def points(ax: Axes, **look: object) -> list[tuple[float, float]]:
    """The single points among them."""
    return [(x[0], y[0]) for x, y in drawn(ax, **look) if len(x) == 1]


def labels(ax: Axes) -> list[str]:
    return [tick.get_text() for tick in ax.get_yticklabels()]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []


def test_dots_are_the_accuracies_and_bars_their_intervals():
    (ax,) = results.dots({"one": ROWS}, baseline="ReLU").axes
    for record in (RELU, SILU, PSSILU):
        y = labels(ax).index(style.title(record.run.activation))
        for attack, marker in (("clean", "D"), ("pgd50", "o")):
            outcome = record.best.outcomes[attack]
            assert (outcome.accuracy, y) in points(ax, marker=marker)
            assert ([*outcome.interval], [y, y]) in drawn(ax)
    spans = [patch.get_extents().transformed(ax.transData.inverted()) for patch in ax.patches]
    assert [(span.x0, span.x1) for span in spans] == [
        pytest.approx(RELU.best.outcomes[attack].interval) for attack in ("clean", "pgd50")
    ]
    assert ax.get_title() == "one\n8×8 digits, ℓ∞ 38.25/255, n = 200"


def test_a_collapsed_record_is_a_cross_and_has_no_rank():
    figure = results.dots({"": ROWS}, baseline="GELU")
    (ax,) = figure.axes
    assert labels(ax) == ["ReLU", "SiLU", "PSSiLU", "GELU"]
    ((x, y),) = points(ax, marker="X")
    low, high = ax.get_xlim()
    assert (x, y) == (pytest.approx(low + 0.03 * (high - low)), 3)  # far outside, so at the edge
    assert FALLEN.best.outcomes["pgd50"].accuracy < low
    assert not [y for marker in "oD" for _, y in points(ax, marker=marker) if y == 3]
    assert [text.get_text() for text in ax.texts] == ["collapsed"]
    assert not ax.patches
    assert "GELU's interval" not in legend(figure)
    best = made("gelu", 199, 199, collapsed="of another kind")
    assert [row.label for row in results.ranked([Row("high", best), *ROWS])] == [
        "PSSiLU",
        "SiLU",
        "ReLU",
        "high",
        "GELU",
    ]
    assert not Row("", best).accuracies("pgd50")


def test_seeds_are_rings_around_their_mean():
    seeds = [made(pgd50=correct, seed=seed) for seed, correct in enumerate((80, 90, 106))]
    fallen = made(pgd50=10, seed=3, collapsed="it fell")
    figure = results.dots({"": [Row("ReLU", [*seeds, fallen]), ROWS[2]]}, attacks=("pgd50",))
    (ax,) = figure.axes
    mean, low, high = stats.over_seeds([0.4, 0.45, 0.53])
    assert ([0.4, 0.45, 0.53], [0, 0, 0]) in drawn(ax, marker="o")
    assert (pytest.approx(mean), 0) in points(ax, marker="o")
    assert ([pytest.approx(low), pytest.approx(high)], [0, 0]) in drawn(ax)
    assert [text.get_text() for text in ax.texts] == ["1 of 4 collapsed"]
    assert "each seed" in legend(figure)
    two = Row("", [made(clean=100), made(clean=199, seed=1)]).accuracy("clean")
    assert two is not None
    assert (two.low, two.high) == (0, 1)  # a share cannot be beyond


def test_panels_of_the_same_labels_stand_side_by_side_and_others_on_top_of_each_other():
    same = results.dots({"a": ROWS[:3], "b": ROWS[:2]})
    other = results.dots({"a": ROWS[:2], "b": ROWS[2:]})
    for figure in (same, other):
        figure.draw_without_rendering()
        assert figure.get_figwidth() == 4.6
    (a, b), (above, below) = ([ax.get_position() for ax in figure.axes] for figure in (same, other))
    assert a.x1 < b.x0
    assert below.y1 < above.y0
    assert points(same.axes[0], marker="X")[0][1] == points(same.axes[1], marker="X")[0][1]  # the rows are the same


def test_an_attack_that_a_record_lacks_is_left_out():
    figure = results.dots({"": [Row("ReLU", made(aa=20)), ROWS[2]]}, attacks=("clean", "autoattack"))
    assert points(figure.axes[0], marker="s") == [(0.4, 0)]
    assert figure.axes[0].get_title().endswith("n = 200 (AutoAttack 50)")
    assert legend(results.dots({"": ROWS}, attacks=("clean", "autoattack"))) == ["clean"]


@pytest.mark.parametrize("panels", [{}, {"one": []}])
def test_figures_of_nothing_say_so(panels):
    empty = {title: {} for title in panels}
    figures = [
        *(results.dots(panels), results.sweep(panels, "α"), results.tradeoff(panels), results.values(panels, "x")),
        *(results.trajectories(empty), results.curves({})),
    ]
    assert all(map(says_nothing, figures))
    assert all(figure.axes for figure in figures)  # without any a notebook shows nothing


def test_figures_of_a_single_record():
    one = Row("ReLU", RELU)
    assert results.dots({"": [one]}).axes
    assert results.tradeoff({"": [one]}).axes
    assert results.sweep({"": [Line("ReLU", None, [(1.0, RELU)])]}, "α").axes
    assert says_nothing(results.tradeoff({"": [Row("GELU", FALLEN)]}))
    assert says_nothing(results.dots({"": [Row("nothing", [])]}))


def sweep(**options) -> tuple[Figure, Axes]:
    at = [(2.0, made("psilu", 170, 110)), (0.5, made("psilu", 150, 90)), (1.0, replace(FALLEN, run=made("psilu").run))]
    lines = [Line("PSiLU", "psilu", at), Line("other", "psilu", [(0.5, RELU)])]
    figure = results.sweep({"": lines}, "α", **options)
    return figure, figure.axes[0]


def test_a_sweep_joins_the_accuracies_and_breaks_where_a_run_collapsed():
    figure, ax = sweep()
    for attack, dash, accuracies in (("clean", "--", [0.75, math.nan, 0.85]), ("pgd50", "-", [0.45, math.nan, 0.55])):
        (x, y), *_ = drawn(ax, linestyle=dash, color=style.colour("psilu"))
        assert x == [0.5, 1, 2]
        np.testing.assert_array_equal(y, accuracies)
        ends = {tuple(path.vertices[:, 1]) for c in ax.collections for path in c.get_paths() if len(path.vertices)}
        assert made("psilu", 170, 110).best.outcomes[attack].interval in ends
    assert points(ax, marker="X") == [(1, FALLEN.best.outcomes["pgd50"].accuracy)]
    assert {text.get_text() for text in ax.texts} == {"collapsed"}
    assert legend(figure) == ["PSiLU", "other", "clean", "under PGD-50"]
    first, second = (line.get_marker() for line in figure.legends[0].get_lines()[:2])
    assert first != second  # of the same activation


def test_a_logarithmic_sweep_has_the_values_as_ticks():
    _, ax = sweep(log=True)
    assert ax.get_xscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.5", "1", "2"]


def clash(boxes: Sequence) -> bool:
    return any(box.count_overlaps(boxes[:i]) for i, box in enumerate(boxes))


@pytest.mark.parametrize(
    ("count", "label", "numbered"), [(8, "short", False), (5, "a long label", False), (24, "", True)]
)
def test_labels_of_a_trade_off_overlap_neither_each_other_nor_points(count, label, numbered):
    rng = np.random.default_rng(1)
    rows = [
        Row(f"{label} {i}", made(clean=150 + c, pgd50=90 + r))
        for i, (c, r) in enumerate(rng.integers(0, 12, (count, 2)))
    ]
    figure = results.tradeoff({"": [*rows, Row("GELU", FALLEN)]})
    (ax,) = figure.axes
    figure.draw_without_rendering()
    for row in rows:
        at = tuple(row.records[0].best.outcomes[attack].accuracy for attack in ("clean", "pgd50"))
        assert at in points(ax, marker="o")
    assert len(points(ax, marker="o")) == count
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    assert not clash(boxes)
    centres = ax.transData.transform(points(ax, marker="o"))
    assert not any(box.contains(x, y) for box in boxes for x, y in centres)
    assert all(ax.bbox.contains(x, y) for box in boxes for x, y in (box.min, box.max))
    shown = {text.get_text() for text in ax.texts}
    if numbered:
        assert shown == {f"{i}" for i in range(1, count + 1)}
        names = [row.label for row in results.ranked(rows)]
        assert legend(figure) == [f"{i} {name}" for i, name in enumerate(names, 1)]
    else:
        assert shown == {row.label for row in rows}


def test_the_crosses_of_a_trade_off_are_both_intervals():
    (ax,) = results.tradeoff({"": ROWS}).axes
    clean, pgd50 = (RELU.best.outcomes[attack] for attack in ("clean", "pgd50"))
    assert ([*clean.interval], [pgd50.accuracy] * 2) in drawn(ax)
    assert ([clean.accuracy] * 2, [*pgd50.interval]) in drawn(ax)


def test_values_draw_numbers_with_their_intervals():
    rows = [("PSSiLU, trained", 1.5, 1.0, 2.0), ("SiLUette", 0.5, -math.inf, math.inf)]
    (ax,) = results.values({"radius": rows}, "pixels").axes
    assert labels(ax) == ["PSSiLU, trained", "SiLUette"]
    assert points(ax) == [(1.5, 0), (0.5, 1)]
    assert [x for x, _ in drawn(ax) if len(x) == 2] == [[1.0, 2.0]]
    colours = [matplotlib.colors.to_hex(line.get_color()) for line in ax.lines]
    assert colours == [style.colour("pssilu").lower()] * 2 + [results.INK]
    assert ax.get_xlabel() == "pixels"


def history(**after: list[list[float]]) -> dict:
    """Of a record whose activations have these parameters after each epoch."""
    epochs = range(len(next(iter(after.values()))))
    rows = [
        {"epoch": e, "loss": 1.0, "activations": {key.replace("__", "."): v[e] for key, v in after.items()}}
        for e in epochs
    ]
    return {"history": tuple(rows)}


def test_trajectories_begin_at_the_start_and_follow_the_history():
    own = made("pssilu", activation_options={"alpha": 3.0}, **history(a__alpha=[[2.5], [2.0]], a__beta=[[0.1], [0.2]]))
    layers = made("psilu", share="layer", **history(a__alpha=[[1.5], [1.6]], b__alpha=[[0.5], [0.4]]))
    figure = results.trajectories({"PAF": {"PSSiLU": own, "PSiLU": layers, "ReLU": made(**history(a__x=[[1.0]]))}})
    alpha, beta = figure.axes
    assert [y for _, y in drawn(alpha)] == [[3.0, 2.5, 2.0], [1.0, 1.5, 1.6], [1.0, 0.5, 0.4]]
    assert [y for _, y in drawn(beta)] == [[pytest.approx(1e-8), 0.1, 0.2]]
    assert [ax.get_title() for ax in figure.axes] == ["PAF: α", "PAF: β"]
    assert legend(figure) == ["PSSiLU", "PSiLU"]  # ReLU has none
    assert says_nothing(results.trajectories({"PAF": {"PSSiLU": own}}, ("sharpness",)))


def test_tracks_of_large_sets_are_means_and_random_starts_are_left_out():
    large = made("psilu", share="channel", **history(a__alpha=[[2.0, 0.5]]))
    np.testing.assert_allclose(histories.tracks(large)["a.alpha"], [[1.0], [2.0]])
    few = made("psilu", share="channel", **history(a__alpha=[[2.0, 3.0, 4.0]]))
    np.testing.assert_allclose(histories.tracks(few)["a.alpha"], [[1.0] * 3, [2.0, 3.0, 4.0]])
    splash = made("splash", **history(a__a_pos=[[1.0, 2.0, 3.0, 4.0]]))
    np.testing.assert_allclose(histories.tracks(splash)["a.a_pos"], [[1, 0, 0, 0], [1, 2, 3, 4]])
    random = made("apl", **history(a__a=[[1.0, 2.0, 3.0]]))
    first, second = histories.tracks(random)["a.a"]
    assert np.isnan(first).all()
    assert second.tolist() == [1, 2, 3]


def test_curves_are_the_history_with_a_dot_at_the_chosen_epoch():
    rows = tuple({"epoch": e, "held_clean": 0.5 + e / 10, "loss": 2.0 - e} for e in range(3))
    record = made("silu", history=rows, best_epoch=1)
    figure = results.curves({"SiLU": record, "SiLU, again": record}, ("held_clean", "held_pgd10", "loss"))
    held, loss = figure.axes  # PGD-10 was not probed
    assert drawn(held)[:2] == [([1, 2, 3], [0.5, 0.6, 0.7]), ([2], [0.6])]
    assert drawn(loss)[0] == ([1, 2, 3], [2, 1, 0])
    assert held.get_title() == "held-out images, clean, n = 100"
    assert len({line.get_linestyle() for line in held.lines if len(line.get_xdata()) > 1}) == 2
    diverged = made("silu", history=(*rows[:2], {"epoch": 2, "loss": None}))  # as NaN is kept
    assert drawn(results.curves({"SiLU": diverged}, ("loss",)).axes[0])[0] == ([1, 2], [2, 1])
    family = results.curves(
        {name: made(name, history=rows) for name in ("prelu", "pelu", "reblu", "psoftplus", "pelu_plus")}
    )
    looks = {(line.get_color(), str(line._dash_pattern)) for line in family.legends[0].get_lines()}
    assert len(looks) == 5  # of one colour
    assert len({dash for _, dash in looks}) == 5
    pair = results.curves({name: made(name, history=rows) for name in ("relu", "silu")}, ("loss",))
    assert len({str(line._dash_pattern) for line in pair.legends[0].get_lines()}) == 2  # and without colour


def test_curves_are_scaled_for_the_main_ones_and_name_what_leaves():
    def curve(name, *held):
        return made(name, history=tuple({"epoch": e, "held_clean": h, "loss": 1 - h} for e, h in enumerate(held)))

    own = {"ReLU": curve("relu", 0.9, 0.95), "SPLASH": curve("splash", 0.92, 0.97)}
    others = {"Sigmoid": curve("sigmoid", 0.2, 0.9), "tanh": curve("tanh", 0.91, 0.94)}
    figure = results.curves({**own, **others}, ("held_clean", "loss"), main=[*own])
    held, loss = figure.axes
    assert held.get_ylim()[0] > 0.8
    assert [text.get_text() for ax in (held, loss) for text in ax.texts] == ["leaves the panel: Sigmoid"] * 2
    assert loss.get_yscale() == "log"
    low, high = loss.get_ylim()
    assert sum(low < tick < high for tick in loss.get_yticks()) >= 2
    assert legend(figure) == ["ReLU", "SPLASH", "the other 2"]
    assert len(drawn(held)) == 6  # four lines, and dots on the main ones


@pytest.mark.parametrize("right", [200, 199, 93, 0])
def test_axes_of_shares_are_wide_enough_and_go_no_further(right):
    (ax,) = results.tradeoff({"": [Row("ReLU", made(clean=right, pgd50=right))]}).axes
    for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        assert -0.01 < low < high < 1.01
        assert high - low > 0.059
        ticks = 100 * axis.get_majorticklocs()
        np.testing.assert_allclose(ticks, ticks.round(), atol=1e-9)


def test_the_setting_names_what_differs():
    other = replace(RELU, run=replace(RELU.run, threat=replace(RELU.run.threat, eps="8/255")))
    assert setting([RELU, other]) == "8×8 digits, several ε, n = 200"
    assert setting([RELU, tiny.record()]) == "8×8 digits, ℓ∞ 38.25/255, n = 3 to 200"
    assert setting([]) == setting([RELU], ["autoattack"]) == ""


def test_the_protocols_ranking_is_a_dot_plot_of_its_standings():
    one = Standings("digits", (RELU, SILU, FALLEN))
    (ax,) = robustness.ranking(one).axes
    assert labels(ax) == ["SiLU", "ReLU"]
    assert ax.get_title() == one.title()
    a, b = robustness.ranking(one, Standings("cpu", (RELU, SILU))).axes
    assert a.get_title().splitlines() == ["scale digits", "8×8 digits", "ℓ∞ 38.25/255", "n = 200"]
    assert b.get_title().startswith("scale cpu")


def test_differences_over_seeds_leave_out_a_scale_where_only_relu_has_several():
    seeds = [made("relu", seed=seed) for seed in (0, 1)]
    both = Standings("digits", (*seeds, *(made("silu", seed=seed) for seed in (0, 1))))
    (ax,) = robustness.differences(both, Standings("cpu", (*seeds, SILU))).axes
    assert labels(ax) == ["SiLU"]


def test_the_protocols_tradeoff_names_what_lies_outside_of_relus_box():
    one = Standings("digits", (RELU, made("silu", pgd50=82), made("elu", pgd50=20), made("gelu", clean=120)))
    (ax,) = robustness.tradeoff(one).axes
    assert {text.get_text() for text in ax.texts} == {"ELU"}  # GELU has a marker in the legend
    assert len([line for line in ax.lines if line.get_marker() == "None"]) == 4  # both intervals of ELU and of GELU
    assert len([line for line in ax.lines if line.get_marker() != "None"]) == 4
    for axis in (ax.xaxis, ax.yaxis):
        ticks = 100 * axis.get_majorticklocs()
        np.testing.assert_allclose(ticks, ticks.round(), atol=1e-9)


def test_the_strongest_attack_is_one_that_all_have():
    def under(*attacks: str) -> ledger.Record:
        record = made("relu")
        outcomes = dict.fromkeys(("clean", *attacks), record.best.outcomes["clean"])
        return replace(record, best=replace(record.best, outcomes=outcomes))

    light, usual, full = under("pgd20"), under("pgd20", "pgd50"), under("pgd20", "pgd50", "pgd200", "autoattack")
    assert strongest([full, full]) == "autoattack"
    assert strongest(iter([full, usual])) == "pgd50"
    assert strongest([usual, full, light]) == "pgd20"
    assert strongest([full, under()]) is None
    assert strongest([]) is None


def test_every_attack_of_the_suite_has_a_name_and_a_marker():
    from robust_activations.evaluation import ATTACKS
    from robust_activations.figures import rows

    assert set(rows.ATTACKS) == set(results.MARKERS) == set(ATTACKS)
    assert len(set(results.MARKERS.values())) == len(ATTACKS)
    assert not re.search("_|pgd", " ".join(rows.ATTACKS.values()))


def test_words_stay_off_a_line_across_the_panel():
    figure, ax = plt.subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.plot(0.5, 0.5, "o")
    frames.beside(ax, "ReLU", (0.5, 0.5), "black")
    frames.settle(figure)
    (words,) = ax.texts
    place = Text.get_window_extent(words)
    line = ax.axhline(ax.transData.inverted().transform(place.get_points().mean(0))[1])  # through the words
    frames.settle(figure)
    assert not Text.get_window_extent(words).count_overlaps([line.get_window_extent().padded(0.5)])
    plt.close(figure)
