"""The supervised model whose prediction flow matching takes as first guess."""

from __future__ import annotations

import dataclasses

from xr_dl4ds.config import Network, Options, Supervised
from xr_dl4ds.data.guess_choice import guess_of
from xr_dl4ds.data.prepare import Prepared, SampleChannels
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.prediction.network_input import NetworkInput
from xr_dl4ds.prediction.random_numbers import step_keys


def mean_model(start: Downscaler | None, options: Options) -> Downscaler | None:
    """Return the model whose prediction is the first guess, or None.

    It is the model in ``start=``, or the one of a model of flow matching that is fine-tuned.

    Raises
    ------
    ValueError
        If the model in ``start=`` has no deterministic prediction of single time steps.
    """
    if start is None or options.flow is None:
        return None
    if start.options.flow is not None:
        return start.mean
    training, network = start.options.training, start.options.network
    window = start.options.sampling.time_window
    if window is not None:
        raise ValueError(
            "Expected a model of single time steps in start= for"
            " training=xr_dl4ds.FlowMatching(...), which takes its prediction as the mean, got one"
            f" with time_window={window}. Fit it without time_window, or leave start= out."
        )
    values = not (training.draws_members or training.fits_distributions)
    if not isinstance(training, Supervised) or not values or network.monte_carlo:
        raise ValueError(
            "Expected a supervised model of one answer in start= for"
            " training=xr_dl4ds.FlowMatching(...), which takes its prediction as the mean, got"
            f" {type(training).__name__} training with loss={training.cell_loss!r},"
            f" monte_carlo={network.monte_carlo}. Fit it with loss='mae_mse', or leave start= out."
        )
    return start


def network_beside(start: Downscaler) -> Network:
    """Return the default architecture of a flow that begins at a supervised model's prediction."""
    return Network(constraint=start.provenance["constraint"], first_guess="interpolation")


def with_mean_guess(prepared: Prepared, mean: Downscaler, options: Options) -> Prepared:
    """Replace the first guess of the samples by the prediction of a supervised model, lazily.

    Parameters
    ----------
    prepared : Prepared
        State and samples, in the scaling of the model.
    mean : Downscaler
        The supervised model.
    options : Options
        The options of the flow.
    """
    state = dataclasses.replace(prepared.state, first_guess=mean.state.first_guess)
    around = state.pairing.lr.x.periodic  # whole fields, also for samples that are patches

    def guessed(part: SampleChannels) -> SampleChannels:
        own = None
        if state.first_guess is not None:
            own = guess_of(state, part.lr, options.sampling.interpolation)
        given = NetworkInput(
            lr=part.lr,
            fixed=prepared.fixed,
            windows=None,
            keys=step_keys(part.lr, {}),
            global_domain=around,
            guess=own,
        )
        return dataclasses.replace(part, guess=mean.runner.run(given, None))

    train, validation = prepared.train, prepared.validation
    return dataclasses.replace(
        prepared,
        state=state,
        train=guessed(train),
        validation=None if validation is None else guessed(validation),
    )
