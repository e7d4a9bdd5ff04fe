"""Comparisons of rows on the same images: the tests are those of `stats`, and words and tables follow one rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from made import FALLEN, RELU, ROWS, cells, interval, made
from robust_activations import stats
from robust_activations.errors import UserError
from robust_activations.figures import comparisons, tables
from robust_activations.figures.results import Row


def test_paired_rows_of_seeds_are_paired_by_seed():
    ours = [made("silu", pgd50=correct, seed=seed) for seed, correct in enumerate((95, 100, 190))]
    theirs = [made(pgd50=90, seed=seed) for seed in (2, 1, 0)]
    found = comparisons.paired(Row("", ours), Row("", theirs))
    assert found is not None
    differences = [0.025, 0.05, 0.5]
    assert found[1] == pytest.approx(stats.over_seeds(differences))
    rights = [[record.best.outcomes["pgd50"].right for record in side] for side in (ours, theirs[::-1])]
    each = np.mean([a.astype(float) - b for a, b in zip(*rights, strict=True)], axis=0)
    assert found[0].p == pytest.approx(ttest_1samp(each, 0).pvalue)  # an image once
    assert found[0] == replace(stats.mcnemar(*map(np.concatenate, rights)), p=found[0].p)
    row = cells(tables.paired_table(Row("ReLU", theirs), [Row("SiLU", ours)]))[2]
    assert row[1] == interval(*stats.over_seeds(differences))
    assert row[5] == "<0.001"  # not bold: the seeds differ too much
    alike = [made("silu", pgd50=correct, seed=seed) for seed, correct in enumerate((140, 141, 142))]
    assert cells(tables.paired_table(Row("ReLU", theirs), [Row("SiLU", alike)]))[2][5] == "**<0.001**"
    assert comparisons.paired(Row("", ours[:1]), Row("", theirs[:1])) is None  # of different seeds
    elsewhere = replace(RELU, provenance=replace(RELU.provenance, dataset_sha256="1" * 64))
    with pytest.raises(UserError, match="different images"):
        tables.paired_table(Row("ReLU", elsewhere), [ROWS[2]])
    assert len(cells(tables.paired_table(ROWS[0], []))) == 2


def test_all_that_can_be_compared_is_corrected_together():
    made_with = [made(name, pgd50=correct) for name, correct in (("silu", 120), ("gelu", 118), ("elu", 116))]
    rows = [Row(record.run.activation, record) for record in made_with]
    alone = [
        stats.mcnemar(record.best.outcomes["pgd50"].right, RELU.best.outcomes["pgd50"].right) for record in made_with
    ]
    found = comparisons.against(ROWS[0], [*rows, Row("fallen", FALLEN)])
    assert [(one.name, one.other) for one in found] == [(row.label, "ReLU") for row in rows]
    assert [one.test for one in found] == alone
    assert [one.holm for one in found] == stats.holm([test.p for test in alone])
    assert comparisons.against(ROWS[0], [Row("fallen", FALLEN)]) == []


def test_told_apart_as_the_table_prints_bold():
    rows = [Row(name, made(name, pgd50=correct)) for name, correct in (("silu", 150), ("gelu", 91), ("elu", 30))]
    found = comparisons.against(ROWS[0], rows)
    assert comparisons.told_apart(found) == (["silu"], ["elu"], ["gelu"])
    said = comparisons.told_in_words(comparisons.told_apart(found), "above ReLU", "below it")
    assert said == "silu above ReLU; elu below it; not told apart: gelu"
    assert comparisons.told_in_words(comparisons.Told([], [], ["gelu"]), "", "") == (
        "none of 1 is told apart beyond chance"
    )
    bold = [row[0] for row in cells(tables.paired_table(ROWS[0], rows))[2:] if "**" in row[-1]]
    assert bold == ["silu", "elu"]


def test_a_small_p_is_not_enough_where_the_seeds_disagree():
    ours = [made("silu", pgd50=correct, seed=seed) for seed, correct in enumerate((95, 100, 190))]
    theirs = [made(pgd50=90, seed=seed) for seed in range(3)]
    found = comparisons.against(Row("ReLU", theirs), [Row("SiLU", ours)])
    assert found[0].holm < 0.05
    assert comparisons.told_apart(found).rest == ["SiLU"]
