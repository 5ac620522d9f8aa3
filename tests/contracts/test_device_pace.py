"""The simulator against what a max-plus line must do, and the balance against every other one."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlcore import HLError
from hlcore.devices.balance import balanced, owned, table
from hlcore.devices.simulate import Costs, scaling, ticks_per_second

seconds = st.floats(1e-4, 1e-1)


@given(f=seconds, b=seconds, u=seconds, n=st.integers(1, 40))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_with_a_free_link_there_is_no_bubble(f, b, u, n):
    costs = Costs((f,) * n, (b,) * n, (u,) * n)
    assert ticks_per_second(costs) == pytest.approx(1 / (f + b + u))
    assert ticks_per_second(costs, cores=max(1, n // 2)) < 1.01 / (f + b + u)


@given(f=seconds, b=seconds, u=seconds, each=seconds, n=st.integers(1, 6), slow=st.floats(0.5, 4.0))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_what_every_rank_does_by_itself_is_not_shared_and_a_slowdown_slows_all(f, b, u, each, n, slow):
    """n ranks with two of 2n equal groups each: 1 / slow(each + 2(f + b + u)), where one rank alone takes each once."""
    groups = Costs((f,) * 2 * n, (b,) * 2 * n, (u,) * 2 * n)
    assert groups.balance(n) == (2,) * n
    found = ticks_per_second(groups.spread(n, each), slowdown=slow)
    assert found == pytest.approx(1 / (slow * (each + 2 * (f + b + u))))
    assert ticks_per_second(groups.spread(n), slowdown=slow) > found
    assert ticks_per_second(groups.spread(1, each)) == pytest.approx(1 / (each + 2 * n * (f + b + u)))


@given(parts=st.lists(st.tuples(seconds, seconds, seconds), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_slowest_rank_sets_the_pace(parts):
    costs = Costs(*zip(*parts, strict=True))
    assert ticks_per_second(costs, ticks=2000) == pytest.approx(1 / max(map(sum, parts)), rel=0.02)


@given(f=seconds, b=seconds, u=seconds, n=st.integers(2, 9), link=st.floats(0.2, 1.0))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_slow_link_costs_half_a_round_trip_between_neighbours(f, b, u, n, link):
    """The cycle state up, costate down takes two ticks: (f + link + u) + (f + b + link + u)."""
    found = ticks_per_second(Costs((f,) * n, (b,) * n, (u,) * n), link, ticks=400)
    assert found == pytest.approx(2 / (2 * f + b + 2 * u + 2 * link), rel=0.02)


def test_a_chain_that_grows_with_its_devices_keeps_its_pace():
    one, *more = scaling((1e-3, 2e-3, 1e-3), [1, 2, 64, 1024], link=1e-4)
    assert all(x == pytest.approx(one, rel=0.1) for x in more)


@given(costs=st.lists(seconds, min_size=1, max_size=8), ranks=st.integers(1, 8))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_contiguous_balance_is_better(costs, ranks):
    if ranks > len(costs):
        with pytest.raises(HLError, match="cut the chain into more groups"):
            balanced(costs, ranks)
        return

    def slowest(sizes):
        return max(sum(costs[i] for i in own) for own in owned(sizes))

    found = balanced(costs, ranks)
    assert sum(found) == len(costs) and len(found) == ranks and min(found) >= 1
    others = combinations(range(1, len(costs)), ranks - 1)
    best = min(slowest([b - a for a, b in zip((0, *cut), (*cut, len(costs)), strict=True)]) for cut in others)
    assert slowest(found) == pytest.approx(best)
    assert len(table(costs, found).splitlines()) == ranks + 1


def test_costs_that_do_not_fit_are_told():
    with pytest.raises(HLError, match="one number per rank"):
        Costs((1.0,), (1.0, 2.0), (1.0,))
    with pytest.raises(HLError, match="forward"):
        Costs((-1.0,), (1.0,), (1.0,))
