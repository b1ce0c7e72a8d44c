"""Tables of page paths: entries, exits and drop-off of each page, what follows what, and the ways that are taken most."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    CountColumn,
    FractionColumn,
    FractionColumnOrNan,
    Labels,
    Model,
    PositiveWhole,
    ProbabilityReal,
    Text,
    validated,
)
from ecomops.experiments.funnels.journeys import JourneyCounts
from ecomops.experiments.proportions import wilson

ARROW = "→"
NO_ENTRY = "NaN: no session began there"


class PageTable(Model):
    """What happens at each page; rows by views, most first.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import JourneyCounts, page_table
    >>> log = pd.DataFrame({"user": [1, 1, 2], "page": list("aba"), "time": pd.to_datetime(["2026-01-01"] * 3)})
    >>> page_table(JourneyCounts.from_frame(log, user="user", page="page", time="time")).exits.tolist()
    [1.0, 1.0]
    """

    __labelled__ = False

    page: Labels
    """Names of the pages, shape (p,)."""
    views: CountColumn
    """Views, shape (p,)."""
    sessions: CountColumn
    """Sessions with a view of the page, shape (p,)."""
    entries: CountColumn
    """Sessions that began there, shape (p,)."""
    exits: CountColumn
    """Sessions that ended there, shape (p,)."""
    bounces: CountColumn
    """Sessions of this one view, shape (p,)."""
    entry_share: FractionColumn
    """Entries over all sessions, shape (p,)."""
    drop_off: FractionColumn
    """Exits over views: the share of views after which nothing came, shape (p,)."""
    drop_off_lower: FractionColumn
    """Lower end of its Wilson interval, views taken as independent, shape (p,)."""
    drop_off_upper: FractionColumn
    """Upper end, shape (p,)."""
    bounce_rate: FractionColumnOrNan
    """Bounces over entries, shape (p,); NaN where no session began."""
    confidence: ProbabilityReal
    """Confidence level of the intervals."""
    reason: Text
    """What NaN means here; empty where there is none."""


class PageTransitions(Model):
    """What follows what; rows by transitions, most first.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import JourneyCounts, page_transitions
    >>> log = pd.DataFrame({"user": [1, 1, 2], "page": list("aba"), "time": pd.to_datetime(["2026-01-01"] * 3)})
    >>> page_transitions(JourneyCounts.from_frame(log, user="user", page="page", time="time")).share.tolist()
    [0.5]
    """

    __labelled__ = False

    page: Labels
    """Page, shape (t,)."""
    next_page: Labels
    """Page that was viewed next in the session, shape (t,)."""
    transitions: CountColumn
    """How often, shape (t,)."""
    share: FractionColumn
    """Over all views of the page, shape (t,); with its drop-off the shares of a page sum to 1."""


class TopPaths(Model):
    """The paths that most sessions took.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import JourneyCounts, top_paths
    >>> log = pd.DataFrame({"user": [1, 1, 2], "page": list("aba"), "time": pd.to_datetime(["2026-01-01"] * 3)})
    >>> top_paths(JourneyCounts.from_frame(log, user="user", page="page", time="time")).path.tolist()
    ['a', 'a→b']
    """

    __labelled__ = False

    path: Labels
    """Names of the pages in order, shape (m,)."""
    length: CountColumn
    """Views of the path, shape (m,)."""
    sessions: CountColumn
    """Sessions that took just this path, shape (m,)."""
    share: FractionColumn
    """Over all sessions, shape (m,)."""


@validated
def page_table(journeys: JourneyCounts, *, confidence: ProbabilityReal = 0.95) -> PageTable:
    """Return views, entries, exits, bounces and drop-off of each page.

    Parameters
    ----------
    journeys : JourneyCounts
        The paths.
    confidence : float
        Confidence level of the Wilson intervals of the drop-off, in (0, 1).

    Returns
    -------
    PageTable
        One row a page, by views, then by name.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import JourneyCounts, page_table
    >>> log = pd.DataFrame(
    ...     {
    ...         "user": [1, 1, 1, 2, 2, 3],
    ...         "page": ["首页", "商品页", "加购", "首页", "商品页", "首页"],
    ...         "time": pd.date_range("2026-01-01", periods=6, freq="min"),
    ...     }
    ... )
    >>> table = page_table(JourneyCounts.from_frame(log, user="user", page="page", time="time"))
    >>> dict(zip(table.page.tolist(), table.drop_off.round(2).tolist(), strict=True))
    {'首页': 0.33, '商品页': 0.5, '加购': 1.0}
    """
    size = len(journeys.page)
    codes, weight = journeys.views
    begins, ends = journeys.offsets[:-1].astype(np.intp), journeys.offsets[1:].astype(np.intp) - 1
    total = journeys.sessions
    alone = journeys.lengths == 1
    path = np.repeat(np.arange(total.size), journeys.lengths)
    seen = np.unique(path * size + codes)

    def counted(places: Any, weights: Any) -> Array:
        return np.bincount(places, weights=weights, minlength=size).astype(np.float64)

    views, entries = counted(codes, weight), counted(codes[begins], total)
    exits, bounces = counted(codes[ends], total), counted(codes[begins[alone]], total[alone])
    sessions = counted(seen % size, total[seen // size])
    # Pages that other parts of a joined table had, and this one has not, are no rows.
    rows = np.lexsort((np.arange(size), -views))
    rows = rows[views[rows] > 0]
    n = views[rows]
    lower, upper = wilson(exits[rows], n, -float(special.ndtri((1.0 - confidence) / 2)))
    begun = entries[rows] > 0
    return PageTable(
        page=journeys.page[rows],
        views=n,
        sessions=sessions[rows],
        entries=entries[rows],
        exits=exits[rows],
        bounces=bounces[rows],
        entry_share=entries[rows] / total.sum(),
        drop_off=exits[rows] / n,
        drop_off_lower=lower,
        drop_off_upper=upper,
        bounce_rate=np.where(begun, bounces[rows] / np.where(begun, entries[rows], 1.0), np.nan),
        confidence=confidence,
        reason="" if begun.all() else NO_ENTRY,
    )


@validated
def page_transitions(journeys: JourneyCounts) -> PageTransitions:
    """Return how often each page was followed by each other one.

    Parameters
    ----------
    journeys : JourneyCounts
        The paths.

    Returns
    -------
    PageTransitions
        One row a pair of pages that came one after the other, by transitions, then by names.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import JourneyCounts, page_transitions
    >>> log = pd.DataFrame(
    ...     {
    ...         "user": [1, 1, 1, 2, 2],
    ...         "page": ["首页", "商品页", "加购", "首页", "商品页"],
    ...         "time": pd.date_range("2026-01-01", periods=5, freq="min"),
    ...     }
    ... )
    >>> table = page_transitions(JourneyCounts.from_frame(log, user="user", page="page", time="time"))
    >>> table.page.tolist(), table.next_page.tolist(), table.share.tolist()
    (['首页', '商品页'], ['商品页', '加购'], [1.0, 0.5])
    """
    size = len(journeys.page)
    codes, weight = journeys.views
    inner = np.ones(codes.size, dtype=bool)
    inner[journeys.offsets[1:].astype(np.intp) - 1] = False
    first = np.flatnonzero(inner)
    pairs, place = np.unique(codes[first] * size + codes[first + 1], return_inverse=True)
    count = np.bincount(place, weights=weight[first], minlength=pairs.size)
    views = np.bincount(codes, weights=weight, minlength=size)
    rows = np.lexsort((pairs, -count))
    source, target = pairs[rows] // size, pairs[rows] % size
    return PageTransitions(
        page=journeys.page[source],
        next_page=journeys.page[target],
        transitions=count[rows],
        share=count[rows] / views[source],
    )


@validated
def top_paths(journeys: JourneyCounts, *, top: PositiveWhole = 10, separator: Text = ARROW) -> TopPaths:
    """Return the paths that most sessions took, from entry to exit.

    Parameters
    ----------
    journeys : JourneyCounts
        The paths.
    top : int
        How many paths at most, >= 1.
    separator : str
        What stands between two pages.

    Returns
    -------
    TopPaths
        By sessions; of equals the short ones first, then by the names of their pages.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import JourneyCounts, top_paths
    >>> log = pd.DataFrame(
    ...     {
    ...         "user": [1] * 4 + [2] * 4 + [3],
    ...         "page": ["首页", "商品页", "加购", "支付"] * 2 + ["首页"],
    ...         "time": pd.date_range("2026-01-01", periods=9, freq="min"),
    ...     }
    ... )
    >>> paths = top_paths(JourneyCounts.from_frame(log, user="user", page="page", time="time"), top=1)
    >>> paths.path.tolist(), paths.sessions.tolist()
    (['首页→商品页→加购→支付'], [2.0])
    """
    total = journeys.sessions
    rows = np.argsort(-total, kind="stable")[:top]
    bounds = journeys.offsets.astype(np.intp)
    names = [separator.join(journeys.page[journeys.codes[bounds[i] : bounds[i + 1]].astype(np.intp)]) for i in rows]
    return TopPaths(
        path=np.array(names, dtype=object),
        length=journeys.lengths[rows],
        sessions=total[rows],
        share=total[rows] / total.sum(),
    )
