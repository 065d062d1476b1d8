"""Constants of latent Gaussian members, shared by training (Keras) and prediction (NumPy).

Values were chosen on validation tiles of radar rain (MRMS). Amounts are in units of their standard
deviation.
"""

from __future__ import annotations

#: Lengths of the mixed fields, and of the field of the volatility, relative to the correlation
#: length of the residuals.
RELATIVE_LENGTHS = (0.4, 1.0, 2.5)
VOLATILITY_LENGTH = 5.0
#: Longest length in HR cells. The white noise around a tile, which it needs, is four times as wide.
LONGEST = 40.0
#: Directions of elongated fields, in radians from the x axis, and ratio of their axes.
DIRECTIONS = (0.0, 0.7853981633974483, 1.5707963267948966, 2.356194490192345)
RATIO = 3.0
#: Values of the volatility's field are cut off beyond this one.
VOLATILITY_LIMIT = 3.0

#: A member of an amount is ``max(location + scale * noise, 0) ** POWER``, relative to a reference.
POWER = 3
#: Added to the first guess before its root is taken.
ROOT_OFFSET = 1e-3
#: Added to an LR amount where the first guess is divided by it.
REFERENCE_OFFSET = 0.02
#: Added to each relative amount that a constraint fixes, so that an LR amount is never lost.
LEAST = 1e-4

#: Number of smooth corrections before a constraint, the amount added to both sides of their ratio,
#: and the limits of the ratio.
CORRECTIONS = 2
CORRECTION_OFFSET = 0.01
CORRECTION_LIMITS = (0.2, 5.0)
