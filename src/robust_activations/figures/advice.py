"""Answers for somebody who builds networks: each follows the verdict on a claim, and the tests are folded below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robust_activations.figures.claims import disagreeing, measured
from robust_activations.figures.prose import box, listed
from robust_activations.figures.rows import DATA
from robust_activations.studies import Judged
from robust_activations.studies.base import UNTESTED


class Advice(NamedTuple):
    """An answer in a sentence or two, and the test behind it."""

    said: str
    test: str


def advice(
    found: Sequence[Judged], name: str, *, supported: str, contradicted: str, undecided: str, besides: str = ""
) -> Advice:
    """The sentence for the verdict on this claim at the largest scale that tests it, and what was measured there.

    Where data sets do not agree there is a sentence for each.
    """
    own = [one for one in found if one.claim.id == name and one.verdict.tested]
    if not own:
        return Advice(f"Our records cannot say yet.{besides}", f"`{name}`: not tested at any scale yet.")
    words = {"supported": supported, "contradicted": contradicted, "undecided": undecided, UNTESTED: "Not tested."}
    last, label = own[-1], own[-1].verdict.label
    said = words[label]
    if label == "undecided" and disagreeing(last.verdict):
        parts = last.verdict.parts.items()
        said = " ".join(
            f"*{DATA[data]}{part.said.removeprefix(part.label)}:* {words[part.label]}" for data, part in parts
        )
    other = [f"{one.verdict.label} at `{one.scale}`" for one in own[:-1] if one.verdict.label != label]
    also = f"; but {listed(other)}" if other else ""
    test = f"`{name}` at `{last.scale}`: **{last.verdict.said}**, {measured(last.verdict)}{also}."
    return Advice(f"{said}{besides}", test)


def answered(found: Mapping[str, Advice]) -> str:
    """The questions with their answers, and the test of each in a box that opens."""
    answers = [f"- **{question}** {one.said}" for question, one in found.items()]
    tests = [f"- {question} {one.test}" for question, one in found.items()]
    return "\n".join([*answers, "", box("The tests behind these answers", "\n".join(tests))])
