"""A simulated log of touches whose channels have known effects."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import model_validator
from scipy import special

from ecomops.core import (
    Array,
    Floats,
    InputError,
    Labels,
    Model,
    PositiveReal,
    PositiveWhole,
    Real,
    Rng,
    Vector,
    check,
    validated,
)


class TouchLog(Model):
    """Touches of simulated users; the last touch of one who bought carries the conversion.

    Examples
    --------
    >>> from ecomops.attribution import simulate_touches
    >>> log = simulate_touches(["mail", "search"], users=3, effect=[0.0, 1.0], rng=1)
    >>> sorted(set(log.user.tolist()))
    [0, 1, 2]
    """

    __labelled__ = False

    user: Labels
    """Number of the user of each touch, shape (m,)."""
    day: Annotated[Array | Any, Floats(core=1, ge=0)]
    """Days since the start, shape (m,), ascending within a user."""
    channel: Labels
    """Channel of each touch, shape (m,)."""
    conversion: Annotated[Array | Any, Floats(core=1, ge=0, le=1, whole=True)]
    """1 where the touch ended in a conversion, shape (m,)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        shapes = {part.shape for part in (self.user, self.day, self.channel, self.conversion)}
        check(shapes == {self.user.shape}, f"columns must be equally long, got shapes {sorted(shapes)}")
        return self


@validated
def simulate_touches(
    channels: Labels,
    *,
    users: PositiveWhole,
    effect: Vector,
    base: Real = -3.0,
    mean_touches: PositiveReal = 3.0,
    days: PositiveReal = 90.0,
    rng: Rng = None,
) -> TouchLog:
    """Draw touches of users who convert by the channels that they met.

    Parameters
    ----------
    channels : array of str, shape (K,)
        Names of the channels; each touch is of a channel drawn evenly.
    users : int
        Number of users, >= 1.
    effect : array, shape (K,)
        What having met a channel adds to the log-odds of a conversion; 0 is a channel that does nothing.
    base : float
        Log-odds of a conversion without any channel.
    mean_touches : float
        Mean number of touches a user, > 0; every user has at least one, so that less than 1 is as 1.
    days : float
        Length of the log in days.
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    TouchLog
        Touches sorted by user and time.

    Raises
    ------
    InputError
        When there are no channels, not one effect a channel, or more than 1e9 touches, or users times channels, to draw.

    Examples
    --------
    >>> from ecomops.attribution import simulate_touches
    >>> log = simulate_touches(["mail", "search"], users=1000, effect=[0.0, 1.0], rng=1)
    >>> len(set(log.user.tolist()))
    1000
    """
    if not channels.size or effect.shape != channels.shape:
        raise InputError(
            f"effect must have one value a channel, got shape {effect.shape} for {channels.size} channel(s)"
        )
    if max(mean_touches, 1.0) * users > 1e9:
        raise InputError(f"mean_touches must leave at most 1e9 touches in all, got {mean_touches:g} for {users} users")
    if users * channels.size > 1e9:
        raise InputError(f"users must be at most 1e9 over the {channels.size} channels, got {users}")
    touches = 1 + rng.poisson(max(mean_touches - 1.0, 0.0), users)
    user = np.repeat(np.arange(users), touches)
    place = rng.integers(0, channels.size, user.size)
    day = rng.random(user.size) * days
    order = np.lexsort((day, user))
    met = np.zeros((users, channels.size), dtype=bool)
    met[user, place] = True
    bought = rng.random(users) < special.expit(base + met @ effect)
    conversion = np.zeros(user.size)
    conversion[np.cumsum(touches) - 1] = bought
    return TouchLog(user=user, day=day[order], channel=channels[place[order]], conversion=conversion)
