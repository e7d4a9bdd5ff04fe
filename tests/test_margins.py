"""Saved networks on the margin of the logits."""

from __future__ import annotations

import tiny
from made import entries, held, made, right
from robust_activations.figures import margins
from robust_activations.studies import protocol
from robust_activations.studies.curves import Curve


def test_what_the_margin_takes():
    records = [made("relu", pgd50=100), made("silu", pgd50=104), made("gelu", pgd50=110)]
    ledger, _ = held(*records)
    left = dict(zip(ledger.records, (80, 90, 110), strict=True))
    kept = {name: Curve((0.0, 0.03), (150, count), 200) for name, count in left.items()}
    words = margins.in_words(kept, ledger)
    assert words.startswith("**The margin loss lowers all 3 networks tried, by 0.0 to 10.0 points**. By the ")
    assert "differ by 5.0 points at most" in words
    assert words.endswith("SiLU less ReLU by the margin, at the same seed, in points: +5.0 (seed 0; it was +2.0).")
    alike = {name: Curve((0.0, 0.03), (150, count), 200) for name, count in zip(left, (80, 84, 90), strict=True)}
    assert "much alike" in margins.in_words(alike, ledger)
    assert margins.in_words({}, ledger) == ""


def test_margins_stand_beside_the_record_on_the_same_images():
    make = protocol.recipe("cpu")
    records, _ = held(tiny.record(make("relu"), right(80)), tiny.record(make("silu"), right(100)))
    kept = {make(name).id: Curve((0.0, 8 / 255), (90, hard), 100) for name, hard in (("relu", 75), ("silu", 70))}
    text = margins.order(kept | {"unknown": Curve((0.0,), (1,), 1)}, records)
    rows = [entries(line) for line in text.splitlines()[2:4]]
    assert [row[0] for row in rows] == ["SiLU (seed 0)", "ReLU (seed 0)"]  # 100 and 80 of the first 100
    assert [[row[1].split()[0], row[2].split()[0], row[3]] for row in rows] == [
        ["100.0", "70.0", "−30.0"], ["80.0", "75.0", "−5.0"],
    ]  # fmt: skip
    assert text.endswith("By the margin, n = 100, the order is ReLU (seed 0), SiLU (seed 0).")
    assert margins.order({}, records) == "No saved network has been attacked on the margin yet."


def test_the_lead_over_seeds_has_an_interval_where_there_are_three():
    names = [(name, seed) for name in ("relu", "silu") for seed in (0, 1, 2)]
    counts = dict(zip(names, (100, 100, 100, 104, 106, 108), strict=True))  # under the cross-entropy, of 200
    ledger, _ = held(*(made(name, pgd50=counts[name, seed], seed=seed) for name, seed in names))
    kept = {
        key: Curve((0.0, 0.03), (150, 80 if name == "relu" else 82), 200)
        for key, (name, _) in zip(ledger.records, names, strict=True)
    }
    assert margins.lead(kept, ledger).replace("\N{NO-BREAK SPACE}", " ") == (
        "Over these 3 seeds SiLU is +1.0 [+1.0, +1.0] points above ReLU under PGD-50 on the margin, and +3.0 "
        "[+0.5, +5.5] on the cross-entropy."
    )
    two = {key: one for (key, one), (_, seed) in zip(kept.items(), names, strict=True) if seed < 2}
    assert margins.lead(two, ledger) == ""
