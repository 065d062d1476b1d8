"""Predictions, scores and figures, interpolation."""

import functools

import numpy as np

from tests.errors import data as d
from tests.errors.case import section
from xr_dl4ds import metrics, plotting
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.georeference import PROVENANCE
from xr_dl4ds.grid.cf.unfinished import UNFINISHED

# --- predictions ----------------------------------------------------------------------------------

case = section("Asking for a prediction")

SPECIAL = "localized, windows, members"


def without(ds):
    return ds.drop_vars("t2m")


def given_winds(spoil=lambda ds: ds, **beside):
    """LR winds for the model of predictors, and predictors beside."""

    def given():
        low = d.winds(d.lr())
        also = {name: make(low) for name, make in beside.items()}
        return {"lr": spoil(low), **also, **d.model("predictors")}

    return given


@functools.cache
def with_surroundings():
    """A model of real pairs that sees an LR cell around its domain, on each side."""
    inside = d.hr()[["t2m"]].isel(latitude=slice(2, 6), longitude=slice(2, 8))
    return d.mos(d.lr(), inside, context=1)


def globe():
    """LR data of the spacing of training, around the globe."""
    lr = d.bare(d.lr())
    wide = lr.isel(longitude=np.arange(720) % lr.sizes["longitude"])
    return wide.assign_coords(longitude=("longitude", np.arange(720) / 2, lr.longitude.attrs))


def yearly(ds):
    """A year and more, every sixth day."""
    dates = np.datetime64("2001-01-01", "ns") + 6 * np.arange(100) * np.timedelta64(1, "D")
    return ds.isel(time=np.arange(100) % ds.sizes["time"]).assign_coords(time=dates)


@functools.cache
def seasonal():
    """A model with a climatology as its first guess."""
    options = {"first_guess": "climatology", "time_features": False}
    return d.mos(yearly(d.lr()), yearly(d.hr()[["t2m"]]), **options)


def guessing(kind):
    """A model of real pairs with a first guess."""
    return d.mos(d.lr(), d.hr()[["t2m"]], first_guess=kind)


def soundings(units):
    """A predictor at 500 and 850 hPa."""
    labels = (500, 850) if units == "hPa" else (50000.0, 85000.0)
    found = d.levels(d.bare(d.lr()).rename(t2m="q"), "level", labels, name="q")
    found["level"].attrs["units"] = units
    return found


def elsewhere(ds):
    return d.moved(d.bare(ds), longitude=30.0)


def at_level(level):
    return d.lr().assign_coords(plev=((), level, {"units": "hPa"}))


def hourly(ds):
    hours = ds.time.values[0] + np.timedelta64(1, "h") * np.arange(ds.sizes["time"])
    return ds.assign_coords(time=hours)


ASKING = {
    "levels of a target": case(
        "LR data have several levels of a variable that has none in training.",
        VariableError,
        r"the LR data to have \['t2m'\].*got \['t2m_500', 't2m_850'\]\. Select one"
        r" entry along 'level' with \.isel\(level=0\)",
        d.asked(lambda lr: d.levels(lr)),
        d.predict,
        lambda lr, model: d.predict(lr.isel(level=0), model),
    ),
    "missing": case(
        "A variable of training is missing or has another name.",
        VariableError,
        r"the LR data to have \['t2m'\].*got \['tm2'\]\. Did you mean 'tm2'\? Add it, or rename",
        d.asked(lambda lr: lr.rename(t2m="tm2")),
        d.predict,
        lambda lr, model: d.predict(lr.rename(tm2="t2m"), model),
    ),
    "missing predictor": case(
        "A predictor of training is missing.",
        VariableError,
        r"the LR data to have \['v'\].*got \['u'\]\. Pass it as predictors=",
        given_winds(lambda low: low.drop_vars("v")),
        d.predict,
        lambda lr, model: d.predict(lr, model, predictors=d.winds(d.lr())[["v"]]),
    ),
    "nothing of its own": case(
        "All variables are passed as predictors, and none in the dataset itself.",
        VariableError,
        r"the LR data to have one of \['u', 'v'\], got \['t2m'\]\. Move",
        given_winds(lambda low: d.lr(), predictors=lambda low: low),
        d.predict,
        lambda lr, model, predictors: d.predict(
            lr.assign(u=predictors.u), model, predictors=predictors[["v"]]
        ),
    ),
    "predictors of one step": case(
        "LR data of one step without a time dimension, and predictors beside.",
        TimeError,
        r"a time dimension, along which predictors are aligned, got \['latitude', 'l.*\. Keep",
        given_winds(
            lambda low: low[["u"]].isel(time=0), predictors=lambda low: low[["v"]].isel(time=[0])
        ),
        d.predict,
        lambda lr, model, predictors: d.predict(
            d.winds(d.lr())[["u"]].isel(time=[0]), model, predictors=predictors
        ),
    ),
    "two variables for one level": case(
        "A variable has the name that a level in another unit has in training.",
        VariableError,
        r"one variable of predictors= for 'q_500', got \['q_50000', 'q_500'\], .*\. Drop or rename",
        lambda: (
            {
                "lr": d.lr(),
                "predictors": soundings("Pa").assign(
                    q_500=soundings("Pa").q.isel(level=0, drop=True)
                ),
            }
            | {"model": d.mos(d.lr(), d.hr(), predictors=soundings("hPa"))}
        ),
        d.predict,
        lambda lr, model, predictors: d.predict(
            lr, model, predictors=predictors.drop_vars("q_500")
        ),
    ),
    "surroundings around the globe": case(
        "A model that sees LR cells around its domain is asked for the globe.",
        GridError,
        r"a domain with 1 cells around, which the model sees, got .*\. Select .* context=0",
        lambda: {"lr": globe(), "model": with_surroundings()},
        d.predict,
        lambda lr, model: d.predict(lr.isel(longitude=slice(0, 12)), model),
    ),
    "predictors in LR too": case(
        "A variable of predictors= is in the LR data too.",
        VariableError,
        r"'v' once, got it in the LR data and in predictors=\. Drop",
        given_winds(lambda low: low, predictors=lambda low: low[["v"]]),
        d.predict,
        lambda lr, model, predictors: d.predict(lr.drop_vars("v"), model, predictors=predictors),
    ),
    "predictors at fewer times": case(
        "Predictors lack some times of the LR data.",
        TimeError,
        r"predictors= at all 8 times of the LR data, got 6 times, without 2001-01-02 12.* Select",
        given_winds(
            lambda low: low[["u"]], predictors=lambda low: low[["v"]].isel(time=slice(0, 6))
        ),
        d.predict,
        lambda lr, model, predictors: d.predict(
            lr.sel(time=predictors.time), model, predictors=predictors
        ),
    ),
    "units": case(
        "LR data are in other units than in training.",
        VariableError,
        r"'t2m' of the LR data in 'K' as in training, got 'warmth'\. Set .*'warmth' cannot be read",
        d.asked(lambda lr: d.in_units(lr, "warmth")),
        d.predict,
        lambda lr, model: d.predict(d.in_units(lr, "K"), model),
    ),
    "values far from training": case(
        "LR data without units are in other units than the model.",
        VariableError,
        r"'t2m' of the LR data near the values of training .*, got .*\. Set .* 273\.15 too small",
        d.asked(lambda lr: lr.assign(t2m=(lr.t2m - 273.15).drop_attrs(deep=False))),
        d.predict,
        lambda lr, model: d.predict(d.in_units(lr, "degC"), model),
    ),
    "marks of missing values": case(
        "Missing LR values are marked by a number, and no attribute says so.",
        VariableError,
        r"'t2m' of the LR data near the values of training .*, got -9999 to .*\. Mask the values of"
        r" -9999, which usually mark missing values, with \.where\(ds\['t2m'\] != -9999\)\.$",
        d.asked(lambda lr: lr.where(lr.longitude > 6, -9999.0)),
        d.predict,
        lambda lr, model: d.predict(lr.where(lr["t2m"] != -9999), model),
    ),
    "static fields far from training": case(
        "Static fields without units are in other units than in training.",
        VariableError,
        r"'orog' of static= near the values of training .*, got .*\. Set .* 1000 times too large",
        lambda: {"lr": d.lr(), "static": d.hr().orog.drop_attrs() * 1000, **d.model()},
        lambda lr, model, static: d.predict(lr, model, static=static),
        lambda lr, model, static: d.predict(
            lr, model, static=static.assign_attrs(units="mm", standard_name="surface_altitude")
        ),
    ),
    "infinite static fields": case(
        "Static fields have infinite values.",
        VariableError,
        r"'orog' of static= to be finite where it is not NaN, got infinite values\. Mask them with",
        lambda: (
            {"lr": d.lr(), "static": d.hr()[["orog"]].where(d.hr().longitude > 6, np.inf)}
            | d.model()
        ),
        lambda lr, model, static: d.predict(lr, model, static=static),
        lambda lr, model, static: d.predict(
            lr, model, static=static.where(abs(static["orog"]) < 1e4)
        ),
    ),
    "HR given": case(
        "HR data of another region are passed in place of LR data.",
        GridError,
        r"spacing of training \(0\.5 by 0\.5\), got 0\.25 by 0\.25, .*coarsen\(2\)",
        lambda: {"lr": elsewhere(d.hr()[["t2m"]]), **d.model()},
        d.predict,
        lambda lr, model: model.predict(
            lr.downscale.coarsen(2), static=elsewhere(d.hr())[["orog"]]
        ),
    ),
    "another spacing": case(
        "LR data have another spacing than in training, and do not cover its region.",
        GridError,
        r"spacing of training \(0\.5 by 0\.5\), got 1 by 1, which does not cover .*\. Provide",
        lambda: {"lr": elsewhere(d.hr()[["t2m"]]).downscale.coarsen(4), **d.model()},
        d.predict,
        lambda lr, model: [
            d.predict(d.hr()[["t2m"]].downscale.coarsen(4), model),
            d.predict(
                lr.downscale.interpolate(elsewhere(d.lr())),
                model,
                static=elsewhere(d.hr())[["orog"]],
            ),
        ],
    ),
    "duplicated times": case(
        "Times are there twice.",
        TimeError,
        r"every time of the LR data once, got 1 duplicated: .*\.drop_duplicates\('time'\)",
        d.asked(lambda lr: lr.isel(time=[0, 0, 1])),
        d.predict,
        lambda lr, model: d.predict(lr.drop_duplicates("time"), model),
    ),
    "static fields of another domain": case(
        "The model knows static fields of its training domain alone.",
        VariableError,
        r"static fields \['orog'\] for a domain other than .*, got \[\]\. Pass them as static=",
        d.asked(elsewhere),
        d.predict,
        lambda lr, model: d.predict(lr, model, static=elsewhere(d.hr())[["orog"]]),
    ),
    "another level than in training": case(
        "LR data are at another level than in training.",
        VariableError,
        r"'t2m' of the LR data at pressure 850 hPa as in training, got pressure 500 hPa\. Select",
        lambda: {"lr": at_level(500.0), "model": d.mos(at_level(850.0), d.hr())},
        d.predict,
        lambda lr, model: d.predict(at_level(850.0), model),
    ),
    "both names of a counterpart": case(
        "LR data have a variable of the target's name beside the counterpart of training.",
        VariableError,
        r"one counterpart of 't2m' in the LR data, got 'tas' and 't2m'\. Drop or rename",
        lambda: {
            "lr": d.lr().assign(tas=d.lr().t2m),
            "model": d.mos(d.lr().rename(t2m="tas"), d.hr()),
        },
        d.predict,
        lambda lr, model: d.predict(lr.drop_vars("t2m"), model),
    ),
    "steps too short for the windows": case(
        "The steps are shorter than those of the windows in training.",
        TimeError,
        r"the LR data in steps of 6 hours, as in training, .* got steps of 1 hours\. Select those",
        lambda: {
            "lr": hourly(d.lr()),
            "model": d.perfect(d.hr()[["t2m"]], time_window=2, validation=None),
        },
        d.predict,
        lambda lr, model: d.predict(lr.isel(time=slice(None, None, 6)), model),
    ),
    "LR static fields": case(
        "Static fields are passed on LR cells.",
        GridError,
        r"static fields \['orog'\] at the HR spacing 0\.25 along latitude, got 0\.5\. Pass HR",
        lambda: {
            "lr": elsewhere(d.lr()),
            "static": elsewhere(d.hr()[["orog"]].downscale.coarsen(2)),
            **d.model(),
        },
        lambda lr, model, static: d.predict(lr, model, static=static),
        lambda lr, model, static: d.predict(lr, model, static=elsewhere(d.hr())[["orog"]]),
    ),
    "beyond a pair that does not nest": case(
        "The model was fitted on LR cells that do not nest, and is asked elsewhere.",
        GridError,
        r"on the training grid \(.*\) or a part of it, because LR and HR cells do not nest, got",
        d.asked(lambda lr: d.moved(d.offset(lr), longitude=2.1), kind="not nested"),
        d.predict,
        lambda lr, model: d.predict(lr.downscale.interpolate(d.offset(d.lr())), model),
    ),
    "a small part of a pair that does not nest": case(
        "The part of a domain that does not nest is too small for the network.",
        GridError,
        r"at least two of the cells on which the network works \(.*\), got .* Select a larger",
        d.asked(lambda lr: d.offset(lr).isel(longitude=slice(0, 2)), kind="not nested"),
        d.predict,
        lambda lr, model: d.predict(d.offset(d.lr()), model),
    ),
    "part of another CRS": case(
        "The model was fitted across two CRSs, and is asked elsewhere or for a part.",
        GridError,
        r"on the training grid \(.*\), because LR and HR have different CRSs, got .* Predict there",
        lambda: {"lr": d.around_europe().isel(latitude=slice(0, 4)), **d.model("another CRS")},
        d.predict,
        lambda lr, model: d.predict(d.around_europe(), model).isel(y=slice(0, 4)),
    ),
    "another CRS than in training": case(
        "LR data in another CRS than in training do not cover its domain.",
        GridError,
        r"the LR data to cover the training domain \(.*\), got .*\. Provide fields that cover",
        lambda: {
            "lr": d.around_europe().isel(latitude=slice(0, 4)),
            "model": d.perfect(d.in_europe(d.hr()[["t2m"]])),
        },
        d.predict,
        lambda lr, model: d.predict(d.around_europe(12), model),
    ),
    "localized elsewhere": case(
        "A localized model is asked for another domain.",
        GridError,
        r"on the training domain \(.*\) or a part of it, because localized=True .* Fit with local",
        d.asked(elsewhere, SPECIAL),
        d.predict,
    ),
    "one answer": case(
        "Members, or their spread, are wanted of a model that draws none.",
        ValueError,
        r"draws members for realizations=3, got dropout=None, .*monte_carlo=True, with loss='gauss",
        d.asked(),
        lambda lr, model: d.predict(lr, model, realizations=3),
        lambda lr, model: d.predict(lr, d.fitted(SPECIAL), realizations=3),
    ),
    "members of a first guess": case(
        "Members, or a spread, of the first guess.",
        ValueError,
        r"neither `realizations` nor `spread` for first_guess_only=True, .*=3.*\. Leave",
        d.asked(),
        lambda lr, model: d.predict(lr, model, first_guess_only=True, realizations=3),
        lambda lr, model: d.predict(lr, model, first_guess_only=True),
    ),
    "first guess without dates": case(
        "A first guess with an annual cycle, and LR data without dates.",
        TimeError,
        r"dates along the time axis for the annual cycle of the first guess, got 100 .*\. Assign",
        lambda: {"lr": yearly(d.lr()).drop_vars("time"), "model": seasonal()},
        d.predict,
        lambda lr, model: d.predict(lr.assign_coords(time=yearly(d.lr()).time), model),
    ),
    "first guess of another domain": case(
        "A model with a first guess, which is tied to its domain, is asked for another one.",
        GridError,
        r"the whole training domain \(.*\), to which the first guess 'climatology' is tied, got",
        lambda: {"lr": elsewhere(d.lr()), "model": guessing("climatology")},
        d.predict,
        lambda lr, model: d.predict(lr, guessing("interpolation")),
    ),
    "members and spread": case(
        "Members and their spread are wanted at once.",
        ValueError,
        r"either `spread` or `realizations`, got spread=True and realizations=3\. Remove spread",
        d.asked(kind=SPECIAL),
        lambda lr, model: d.predict(lr, model, realizations=3, spread=True),
        lambda lr, model: d.predict(lr, model, realizations=3).std("realization"),
    ),
    "tiles of half a cell": case(
        "Tiles are wanted that are no whole number of LR cells.",
        ValueError,
        r"`tile_size` to be a multiple of the scale 2, in HR cells, got 5\. Use 4, or leave it out",
        d.asked(),
        lambda lr, model: d.predict(lr, model, tile_size=5),
        lambda lr, model: d.predict(lr, model, tile_size=4),
    ),
    "name of a spread": case(
        "A target has the name that the spread of another would have.",
        ValueError,
        r"no target with the name of a spread for spread=True, got 't2m_spread' beside 't2m'\. Fit",
        lambda: {"lr": d.with_spread(d.lr()), **d.model("name of a spread")},
        lambda lr, model: d.predict(lr, model, spread=True),
        lambda lr, model: d.predict(d.lr(), d.fitted(SPECIAL), spread=True),
    ),
    "members of members": case(
        "Members are wanted of LR data that have a dimension `realization` already.",
        ValueError,
        r"without the dimension 'realization' for realizations=3, got 2 members\. Rename it with",
        d.asked(lambda lr: d.levels(lr, "realization", (0, 1)), SPECIAL),
        lambda lr, model: d.predict(lr, model, realizations=3),
        lambda lr, model: d.predict(lr.rename(realization="member"), model, realizations=3),
    ),
    "windows of one step": case(
        "A model of time windows is given one step without a time dimension.",
        TimeError,
        r"a time dimension, because .* windows of 2 steps, got \['latitude', 'longitude'\]\. Keep",
        d.asked(lambda lr: lr.isel(time=0), SPECIAL),
        d.predict,
        lambda lr, model: d.predict(d.lr().isel(time=[0, 1]), model),
    ),
    "windows out of order": case(
        "A model of time windows is given steps that are not in order.",
        TimeError,
        r"the LR data in order of time, because .* windows of 2 steps.*\.sortby\('time'\)",
        d.asked(lambda lr: lr.isel(time=slice(None, None, -1)), SPECIAL),
        d.predict,
        lambda lr, model: d.predict(lr.sortby("time"), model),
    ),
}

# --- scores ---------------------------------------------------------------------------------------

case = section("Scores and figures")


def evaluate(sr, hr, lr, **options):
    return sr.downscale.evaluate(hr, **options)


def beside_lr(sr, hr, lr):
    return sr.downscale.evaluate(hr, lr=lr)


def scaled(sr, hr, lr):
    return sr.downscale.evaluate(hr, scale=2)


def plot(sr, hr, lr, **options):
    return sr.downscale.plot(lr=lr, hr=hr, **options)


#: A field of the arrays that are scored.
CELLS = ("latitude", "longitude")


def with_model(spoil):
    """What `given_lr` gives, and a model of real pairs."""
    return lambda: {**given_lr(spoil)(), "model": guessing("interpolation")}


def given_lr(spoil):
    """The product and the truth, and LR fields that are spoilt."""

    def given():
        found = d.scored()()
        return found | {"lr": spoil(found["lr"])}

    return given


SCORES = {
    "no step": case(
        "One step without a time dimension is scored.",
        VariableError,
        r"the prediction to have a time dimension, got \['t2m'\] without\. Keep it .*isel\(time=",
        d.scored(lambda sr: sr.isel(time=0)),
        beside_lr,
        lambda sr, hr, lr: beside_lr(d.scored()()["sr"].isel(time=[0]), hr, lr),
    ),
    "unfinished": case(
        "The prediction is read from a store that is still being written, or was interrupted.",
        GridError,
        r"the prediction as a whole, got an unfinished store that lacks 3 of 8 regions\. Call what",
        d.scored(lambda sr: sr.assign_attrs({UNFINISHED: '{"regions": 8, "written": 5}'})),
        beside_lr,
        lambda sr, hr, lr: beside_lr(d.scored()()["sr"], hr, lr),
    ),
    "truth in another CRS": case(
        "The truth has the numbers of the prediction in another CRS.",
        GridError,
        r"prediction and truth in one CRS, got .* and .*\. Bring the truth onto the cells of",
        lambda: {
            "sr": d.in_europe(d.hr()[["t2m"]]),
            "hr": d.mapped(d.plane(d.hr()[["t2m"]], 10e3, 3.25e6, 4.25e6), d.cf_only("EPSG:3034")),
        },
        lambda sr, hr: sr.downscale.evaluate(hr, scale=2),
        lambda sr, hr: sr.downscale.evaluate(
            d.in_europe(d.hr()[["t2m"]]).downscale.interpolate(sr), scale=2
        ),
    ),
    "journal": case(
        "The journal of an unfinished store has been edited.",
        GridError,
        rf"the attribute '{UNFINISHED}' of the prediction to hold the journal of .*\. Remove it",
        d.scored(lambda sr: sr.assign_attrs({UNFINISHED: "edited"})),
        beside_lr,
        lambda sr, hr, lr: beside_lr(sr.drop_attrs(deep=False), hr, lr),
    ),
    "truth as LR": case(
        "The truth, or the prediction, is passed as the LR data.",
        GridError,
        r"LR data coarser than the truth, got LR .* and truth .*\. Pass",
        lambda: d.scored()() | {"lr": d.hr()[["t2m"]]},
        beside_lr,
        lambda sr, hr, lr: beside_lr(sr, hr, d.lr()),
    ),
    "no variable in common": case(
        "Prediction and truth have no variable in common.",
        VariableError,
        r"prediction and truth to have variables in common, got \['t2m'\] and \['tas'\]\. Rename",
        d.scored(spoil_hr=lambda hr: hr.rename(t2m="tas")),
        scaled,
        lambda sr, hr, lr: scaled(sr, hr.rename(tas="t2m"), lr),
    ),
    "units of the truth": case(
        "Prediction and truth are in other units.",
        VariableError,
        r"'t2m' of the prediction in 'mm' as in the truth, got 'K'\. Rename it",
        d.scored(spoil_hr=lambda hr: d.in_units(hr, "mm")),
        scaled,
        lambda sr, hr, lr: scaled(sr, d.in_units(hr, "K"), lr),
    ),
    "truth of a part": case(
        "The truth does not cover the prediction, or is on other cells.",
        GridError,
        r"the truth to cover the cells of the prediction \(.*\), got .*\. Select",
        d.scored(spoil_hr=lambda hr: hr.isel(latitude=slice(0, 4))),
        scaled,
        lambda sr, hr, lr: scaled(sr.sel(latitude=hr.latitude), hr, lr),
    ),
    "scale of a part": case(
        "The region that is scored is no multiple of the scale.",
        GridError,
        r"to be a multiple of the scale 2, got \(7, 12\)\. Pass lr=",
        d.scored(lambda sr: sr.isel(latitude=slice(0, 7))),
        scaled,
        beside_lr,
    ),
    "a note that cannot be read": case(
        "The note of the model on a prediction was changed.",
        GridError,
        rf"the attribute '{PROVENANCE}' to hold JSON, got 'edited'\. Remove it and pass lr= or sc",
        d.scored(lambda sr: sr.assign_attrs({PROVENANCE: "edited"})),
        evaluate,
        lambda sr, hr, lr: beside_lr(sr.drop_attrs(deep=False), hr, lr),
    ),
    "LR without the variable": case(
        "The LR fields for the baselines lack a variable.",
        VariableError,
        r"the LR data to have \['t2m'\] to interpolate, got \['tas'\]\. Add",
        given_lr(lambda lr: lr.rename(t2m="tas")),
        beside_lr,
        lambda sr, hr, lr: beside_lr(sr, hr, lr.rename(tas="t2m")),
    ),
    "a first guess without LR": case(
        "The first guess of a model is wanted as a baseline, without LR fields.",
        ValueError,
        r"lr= beside model=, .* got model= alone\. Pass the LR fields of the prediction as lr=",
        with_model(lambda lr: lr),
        lambda sr, hr, lr, model: sr.downscale.evaluate(hr, model=model),
        lambda sr, hr, lr, model: sr.downscale.evaluate(hr, lr=lr, model=model),
    ),
    "a first guess at fewer times": case(
        "LR fields for the first guess of a model lack times.",
        TimeError,
        r"the LR data at all 8 times that are scored, got 6\. Select the common times first",
        with_model(lambda lr: lr.isel(time=slice(6))),
        lambda sr, hr, lr, model: sr.downscale.evaluate(hr, lr=lr, model=model),
        lambda sr, hr, lr, model: sr.isel(time=slice(6)).downscale.evaluate(hr, lr=lr, model=model),
    ),
    "LR at fewer times": case(
        "The LR fields for the baselines lack times.",
        TimeError,
        r"the LR data at all 8 times that are scored, got 6\. Select the common times first",
        given_lr(lambda lr: lr.isel(time=slice(0, 6))),
        beside_lr,
        lambda sr, hr, lr: beside_lr(sr.sel(time=lr.time), hr.sel(time=lr.time), lr),
    ),
    "method": case(
        "The method of interpolation is misspelt.",
        ValueError,
        r"`method` to be one of bicubic, .*got 'bicubik'\. Did you mean 'bicubic'\?",
        d.pair(),
        lambda lr, hr: lr.downscale.interpolate(hr, method="bicubik"),
        lambda lr, hr: lr.downscale.interpolate(hr, method="bicubic"),
    ),
    "date of a figure": case(
        "A figure is wanted of a date that is not there.",
        VariableError,
        r"`time` to be a position or a date among 8 steps from .*, got '2002-01'\. Pass one of",
        d.scored(),
        lambda sr, hr, lr: plot(sr, hr, lr, time="2002-01"),
        lambda sr, hr, lr: plot(sr, hr, lr, time="2001-01"),
    ),
    "variable of a figure": case(
        "A figure is wanted of a variable that is not there.",
        VariableError,
        r"`variable` to be one of \['t2m'\], got 't2'\. Did you mean 't2m'\?",
        d.scored(),
        lambda sr, hr, lr: plot(sr, hr, lr, variable="t2"),
        lambda sr, hr, lr: plot(sr, hr, lr, variable="t2m"),
    ),
    "truth without the variable": case(
        "LR data or truth beside a figure lack the variable.",
        VariableError,
        r"the truth to have 't2m', got \['tas'\]\. Add",
        d.scored(spoil_hr=lambda hr: hr.rename(t2m="tas")),
        plot,
        lambda sr, hr, lr: plot(sr, hr.rename(tas="t2m"), lr),
    ),
    "truth of another time": case(
        "LR data or truth beside a figure lack its time.",
        VariableError,
        r"the truth to have the time 2001-01-01 00:00:00, got 2001-01-01 12:00:00 to .* Select",
        d.scored(spoil_hr=lambda hr: hr.isel(time=slice(2, 8))),
        plot,
        lambda sr, hr, lr: plot(sr, hr, lr, time=2),
    ),
    "arrays at other coordinates": case(
        "Arrays that are scored are at other times or cells.",
        GridError,
        r"truth at the same coordinates, got other ones along \['time'\]\. Select those in common",
        d.scored(lambda sr: sr.isel(time=slice(0, 6))),
        lambda sr, hr, lr: metrics.ralsd(sr.t2m, hr.t2m, CELLS),
        lambda sr, hr, lr: [
            metrics.ralsd(sr.t2m, hr.t2m.sel(time=sr.time), CELLS),
            sr.downscale.evaluate(hr, lr=lr),
        ],
    ),
    "an array without members": case(
        "A score of ensembles is wanted of an array that is none.",
        GridError,
        r"members along 'realization', got the dimensions \('number', 'time', .*\)\. Pass member=,",
        d.scored(lambda sr: sr.expand_dims(number=2)),
        lambda sr, hr, lr: metrics.crps(sr.t2m, hr.t2m, ["time"]),
        lambda sr, hr, lr: metrics.crps(sr.t2m, hr.t2m, ["time"], member="number"),
    ),
    "an array of truth with members": case(
        "A score of ensembles is wanted of arrays that both are ensembles.",
        GridError,
        r"the truth without members, got 2 along 'realization'\. Select one with \.isel\(realiz",
        d.scored(
            lambda sr: sr.expand_dims(realization=2), lambda hr: hr.expand_dims(realization=2)
        ),
        lambda sr, hr, lr: metrics.crps(sr.t2m, hr.t2m, ["time"]),
        lambda sr, hr, lr: metrics.crps(sr.t2m, hr.t2m.isel(realization=0), ["time"]),
    ),
    "spectra of nothing": case(
        "A figure of spectra is wanted without a product.",
        VariableError,
        r"No products are given to draw beside the truth\. Pass some by name",
        d.scored(),
        lambda sr, hr, lr: plotting.plot_spectra({}, hr),
        lambda sr, hr, lr: plotting.plot_spectra({"prediction": sr}, hr),
    ),
    "spectra of other cells": case(
        "A figure of spectra is wanted of products on other cells.",
        GridError,
        r"on the cells of 'one' \(.*\), got 'part' with .*\. Select the cells that all have",
        d.scored(),
        lambda sr, hr, lr: plotting.plot_spectra(
            {"one": sr, "part": sr.isel(latitude=slice(0, 6))}, hr
        ),
        lambda sr, hr, lr: plotting.plot_spectra(
            {"one": sr.isel(latitude=slice(0, 6)), "part": sr.isel(latitude=slice(0, 6))}, hr
        ),
    ),
    "ranks of one prediction": case(
        "A figure of ranks is wanted of the scores of one prediction.",
        VariableError,
        r"scores with 'rank_histogram', got bias, .*\. Pass scores=\['rank_histogram'\] to ",
        d.scored(),
        lambda sr, hr, lr: plotting.plot_rank_histogram(scaled(sr, hr, lr)),
        lambda sr, hr, lr: plotting.plot_rank_histogram(
            scaled(sr.expand_dims(realization=2), hr, lr)
        ),
    ),
}

PARTS = (ASKING, SCORES)
