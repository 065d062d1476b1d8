"""The loss that a user chooses: its three forms, its check, and the weights of ensemble losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xr_dl4ds.config.choices import ENSEMBLE_LOSS, ENSEMBLE_LOSSES, LATENT_CRPS, LOSSES
from xr_dl4ds.config.value_checks import one_of, positive

#: A loss: a name, a weight for each of several names, or a name for each variable.
Loss = str | Mapping[str, float] | Mapping[str, str]


def checked_loss(option: str, loss: object, known: Sequence[str]) -> Loss:
    """Check a loss in any of its three forms, and return it; a dict is copied.

    Parameters
    ----------
    option : str
        Name of the option.
    loss : str or dict
        Its value.
    known : sequence of str
        Names that the option knows.

    Raises
    ------
    ValueError
        For another value.
    """
    if not isinstance(loss, Mapping):
        one_of(option, loss, known)
        return cast("str", loss)
    if not loss:
        raise ValueError(f"Expected `{option}` to name at least one loss, got an empty dict.")
    texts = [isinstance(value, str) for value in loss.values()]
    if any(texts) and not all(texts):
        raise ValueError(
            f"Expected `{option}` to hold a weight for each loss, or a loss for each variable,"
            f" got both: {dict(loss)}."
        )
    for name, value in loss.items():
        if all(texts):
            one_of(f"{option}[{name!r}]", value, [one for one in known if one != "auto"])
        else:
            one_of(option, name, [one for one in known if one in (*LOSSES, *ENSEMBLE_LOSSES)])
            positive(f"{option}[{name!r}]", value)
    if not all(texts):
        _require_one_kind(option, loss)
    return dict(loss)


def _require_one_kind(option: str, loss: Mapping[str, float]) -> None:
    """Raise if a weighted sum has losses of members and losses of single predictions."""
    single = [name for name in loss if name not in ENSEMBLE_LOSSES]
    if single and len(single) < len(loss):
        raise ValueError(
            f"Expected the weights of `{option}` to be all of losses that draw members"
            f" ({', '.join(ENSEMBLE_LOSSES)}) or all of losses of a single prediction, got both:"
            f" {dict(loss)}. Remove {', '.join(map(repr, single))}, or use {ENSEMBLE_LOSS!r}"
            " instead."
        )


def ensemble_weights(
    loss: str | Mapping[str, float], *, latent: bool = False
) -> dict[str, float] | None:
    """Return the weights of the ensemble losses of one target; None for other losses.

    Parameters
    ----------
    loss : str or mapping
        From `Training.loss_name_of`.
    latent : bool
        Whether members are drawn from latent noise, with which "crps" has the weights
        `LATENT_CRPS`.

    Examples
    --------
    >>> ensemble_weights("crps"), ensemble_weights({"energy": 0.5}), ensemble_weights("mae")
    ({'crps': 1.0}, {'energy': 0.5}, None)
    """
    if latent and loss == ENSEMBLE_LOSS:
        return dict(LATENT_CRPS)
    weights = {loss: 1.0} if isinstance(loss, str) else loss
    if any(name not in ENSEMBLE_LOSSES for name in weights):
        return None
    return {name: float(share) for name, share in weights.items()}
