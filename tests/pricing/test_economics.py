"""Unit economics: ledgers worked order by order, prices that a search over the ledger finds, and where none exists."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize

from ecomops.core import InputError
from ecomops.pricing import UnitEconomics, break_even_price, break_even_volume, target_margin_price

money = st.floats(0.01, 500.0)
shares = st.floats(0.0, 0.3)
prices = st.floats(0.5, 2000.0)

economics_of = st.builds(
    UnitEconomics,
    cost=money,
    inbound=st.floats(0, 50),
    outbound=st.floats(0, 50),
    commission=shares,
    payment_fee=st.floats(0, 0.05),
    tax=st.floats(0, 0.3),
    return_rate=st.floats(0, 0.6),
    return_loss=st.floats(0, 50),
    advertising=st.floats(0, 50),
    fees_refunded=st.booleans(),
)


def ledger(terms: UnitEconomics, price: float, orders: int, returned: int) -> tuple[float, float]:
    """Book orders one at a time in exact fractions: profit and the net revenue that is kept."""
    of = {name: Fraction(value) for name, value in terms.__dict__.items()}
    paid, fees = Fraction(price), (of["commission"] + of["payment_fee"]) * Fraction(price)
    cash, kept = Fraction(0), Fraction(0)
    for order in range(orders):
        cash -= of["outbound"] + of["advertising"]
        if order < returned:
            # Price and tax go back to the buyer, the goods to the shelf.
            cash -= of["return_loss"] + (0 if terms.fees_refunded else fees)
        else:
            kept += paid / (1 + of["tax"])
            cash += paid / (1 + of["tax"]) - fees - of["cost"] - of["inbound"]
    return float(cash), float(kept)


@given(economics_of, prices, st.integers(1, 20), st.data())
def test_a_ledger_of_orders_and_returns_adds_up(
    terms: UnitEconomics, price: float, orders: int, data: st.DataObject
) -> None:
    returned = data.draw(st.integers(0, orders - 1))
    terms = UnitEconomics.model_validate({**terms.__dict__, "return_rate": returned / orders})
    cash, _ = ledger(terms, price, orders, returned)
    assert orders * terms.contribution(price) == pytest.approx(cash, rel=1e-9, abs=1e-9 * orders * (price + terms.cost))


def test_a_ledger_worked_by_hand() -> None:
    # 125 paid: 100 net and 25 tax. Of 10 orders 2 come back. Kept: 8 x (100 - 12.5 - 1.25 - 40 - 2) = 354.
    # All ten were shipped and advertised: -10 x (5 + 3) = -80; the returns lose 2 x 4 = 8: 266 in all.
    terms = {
        "cost": 40, "inbound": 2, "outbound": 5, "commission": 0.1, "payment_fee": 0.01, "tax": 0.25, "return_rate": 0.2,
        "return_loss": 4, "advertising": 3,
    }  # fmt: skip
    assert UnitEconomics(**terms).contribution(125) == pytest.approx(26.6)
    # Fees that stay with the platform: two more times 13.75.
    assert UnitEconomics(**terms, fees_refunded=False).contribution(125) == pytest.approx(26.6 - 2.75)


@given(economics_of)
def test_the_break_even_price_is_where_the_ledger_crosses_nothing(terms: UnitEconomics) -> None:
    slope = terms.contribution(2e6) - terms.contribution(1e6)
    found = break_even_price(terms)
    if slope <= 0:
        assert not found.feasible
        assert np.isnan([found.price, found.contribution, found.margin]).all()
        return
    assume(terms.contribution(1e8) > 0)
    root = optimize.brentq(terms.contribution, 1e-9, 1e8, xtol=1e-10, rtol=1e-13)
    assert found.price == pytest.approx(root, rel=1e-8)
    assert found.contribution == pytest.approx(0.0, abs=1e-9 * (1 + root))
    assert found.margin == pytest.approx(0.0, abs=1e-9)


@given(economics_of, st.floats(0.01, 0.6))
def test_the_target_margin_is_what_the_ledger_shows(terms: UnitEconomics, margin: float) -> None:
    found = target_margin_price(terms, margin=margin)
    if not found.feasible:
        assert max(terms.contribution(p) / (p * terms._net()) for p in (1e6, 1e9, 1e12)) < margin
        return
    rate = Fraction(terms.return_rate).limit_denominator(40)
    exact = UnitEconomics.model_validate({**terms.__dict__, "return_rate": float(rate)})
    again = target_margin_price(exact, margin=margin)
    assume(again.feasible and again.price < 1e7)
    cash, kept = ledger(exact, again.price, rate.denominator, rate.numerator)
    assert cash / kept == pytest.approx(margin, abs=1e-7)
    assert again.margin == pytest.approx(margin, abs=1e-7)
    assert again.contribution == pytest.approx(exact.contribution(again.price), abs=1e-9 * again.price)


@given(economics_of, st.floats(0.0, 0.3), st.floats(0.001, 0.2))
def test_a_larger_margin_and_any_larger_cost_need_a_higher_price(
    terms: UnitEconomics, margin: float, more: float
) -> None:
    base = target_margin_price(terms, margin=margin)
    assume(base.feasible)
    worse = [target_margin_price(terms, margin=margin + more)]
    for name, step in (
        ("cost", 1.0), ("inbound", 1.0), ("outbound", 1.0), ("advertising", 1.0), ("commission", more),
        ("payment_fee", more), ("tax", more),
    ):  # fmt: skip
        dearer = UnitEconomics.model_validate({**terms.__dict__, name: terms.__dict__[name] + step})
        worse.append(target_margin_price(dearer, margin=margin))
    assert all(not result.feasible or result.price > base.price for result in worse)


@given(economics_of, st.floats(0.0, 0.4), st.sampled_from([0.01, 7.3, 100.0]))
def test_cents_euros_and_dollars_agree(terms: UnitEconomics, margin: float, rate: float) -> None:
    amounts = {
        name: rate * getattr(terms, name) for name in ("cost", "inbound", "outbound", "return_loss", "advertising")
    }
    other = UnitEconomics.model_validate({**terms.__dict__, **amounts})
    one, two = (target_margin_price(item, margin=margin) for item in (terms, other))
    assert one.feasible == two.feasible
    if one.feasible:
        assert two.price == pytest.approx(rate * one.price)
        assert two.contribution == pytest.approx(rate * one.contribution, abs=1e-9 * rate * one.price)
        assert two.margin == pytest.approx(one.margin, abs=1e-9)


@given(st.lists(st.tuples(money, st.floats(0, 0.9), st.floats(0, 0.9)), min_size=1, max_size=5))
def test_a_row_of_a_batch_is_its_own_answer(rows: list[tuple[float, float, float]]) -> None:
    cost, commission, margin = (list(column) for column in zip(*rows, strict=True))
    together = target_margin_price(UnitEconomics(cost=cost, commission=commission), margin=margin)
    for place, (one, two, three) in enumerate(rows):
        alone = target_margin_price(UnitEconomics(cost=one, commission=two), margin=three)
        assert together.reason[place] == alone.reason
        assert together.feasible[place] == alone.feasible
        np.testing.assert_allclose(together.price[place], alone.price, rtol=1e-13)


@pytest.mark.parametrize(
    ("terms", "left"),
    [
        ({"commission": 0.6, "payment_fee": 0.4}, "0.0000"),
        ({"commission": 0.9, "payment_fee": 0.3}, "-0.2000"),
        ({"commission": 0.5, "tax": 1.0}, "0.0000"),
        ({"commission": 0.3, "return_rate": 0.75, "fees_refunded": False}, "-0.0500"),
        ({"tax": 1.0, "commission": 0.55}, "-0.0500"),
    ],
)
def test_where_fees_take_the_whole_price_no_price_breaks_even(terms: dict[str, float], left: str) -> None:
    found = break_even_price(UnitEconomics(cost=10, **terms))
    assert found.feasible is False
    assert found.reason == (f"of each unit of price {left} is left after fees, tax, returns and margin; lower them")
    assert np.isnan([found.price, found.contribution, found.margin]).all()


def test_a_tax_in_percent_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        UnitEconomics(cost=10, tax=13)
    assert str(caught.value) == "UnitEconomics: tax must be <= 1, got 13.0"


def test_a_margin_that_fees_leave_no_room_for_is_out_of_reach() -> None:
    result = target_margin_price(UnitEconomics(cost=10, commission=0.6), margin=[0.2, 0.4, 0.5])
    assert result.feasible.tolist() == [True, False, False]
    assert result.price[0] == pytest.approx(50.0)
    assert result.reason.tolist()[2].startswith("of each unit of price -0.1000 is left")


def test_goods_that_cost_nothing_break_even_at_any_price() -> None:
    found = target_margin_price(UnitEconomics(cost=0, commission=0.1), margin=0.2)
    assert (found.price, found.contribution, found.feasible) == (0.0, 0.0, True)
    assert found.margin == pytest.approx(UnitEconomics(cost=0, commission=0.1).contribution(50) / 50)


def test_shapes_broadcast_and_labels_come_back() -> None:
    grid = target_margin_price(UnitEconomics(cost=[1, 2, 3]), margin=[[0.2], [0.5]])
    np.testing.assert_allclose(grid.price, [[1.25, 2.5, 3.75], [2, 4, 6]])
    assert grid.reason.shape == (2, 3)
    assert break_even_price(UnitEconomics(cost=[])).price.size == 0
    named = break_even_price(UnitEconomics(cost=pd.Series([1.0, 2.0], index=["a", "b"]), commission=0.5))
    assert named.to_frame()["price"].to_dict() == {"a": 2.0, "b": 4.0}


# --- break-even volume ------------------------------------------------------------------------------------------------


@given(st.floats(0.05, 0.95), st.floats(-0.5, 0.5), st.floats(-0.2, 0.2), st.floats(-0.2, 0.5), prices)
def test_the_changed_volume_keeps_the_profit(
    margin: float, change: float, cost_change: float, fixed: float, price: float
) -> None:
    assume(margin + change - cost_change > 0.01)
    grown = break_even_volume(change, margin=margin, cost_change=cost_change, fixed_cost=fixed)
    units, unit_cost = 1000.0, price * (1 - margin)
    before = units * (price - unit_cost)
    new_price, new_cost = price * (1 + change), unit_cost + cost_change * price
    after = units * (1 + grown) * (new_price - new_cost) - fixed * units * price
    if grown > -1:
        assert after == pytest.approx(before, rel=1e-9, abs=1e-9 * units * price)
    else:
        assert -fixed * units * price >= before * (1 - 1e-9)


@given(st.floats(0.1, 0.9), st.floats(0.001, 0.05))
def test_a_cut_needs_more_volume_than_a_rise_may_lose(margin: float, change: float) -> None:
    cut, rise = break_even_volume([-change, change], margin=margin)
    assert cut > 0 > rise
    assert cut > -rise
    deeper, thinner = (
        break_even_volume(-1.5 * change, margin=margin),
        break_even_volume(-change, margin=0.9 * margin),
    )
    assert deeper > cut
    assert thinner > cut


def test_saved_fixed_cost_can_pay_for_everything_but_not_for_more() -> None:
    assert break_even_volume(-0.05, margin=0.45, fixed_cost=[-0.45, -0.9]).tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: break_even_volume([-0.1, -0.3], margin=0.3),
            (
                "break_even_volume: price_change leaves no margin per unit, so no volume makes up for it;"
                " change the price by less than the margin"
            ),
        ),
        (lambda: break_even_volume(-1, margin=0.3), "break_even_volume: price_change must be > -1, got -1.0"),
        (lambda: break_even_volume(0, margin=0), "break_even_volume: margin must be > 0, got 0.0"),
        (lambda: UnitEconomics(cost=1, commission=1), "UnitEconomics: commission must be < 1, got 1.0"),
        (lambda: UnitEconomics(cost=[1, -1]), "UnitEconomics: cost must be >= 0, got -1.0 at index 1"),
        (
            lambda: target_margin_price(UnitEconomics(cost=1), margin=1),
            "target_margin_price: margin must be < 1, got 1.0",
        ),
        (
            lambda: UnitEconomics(cost=1).contribution(0),
            "UnitEconomics.contribution: price must be > 0, got 0.0",
        ),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text
