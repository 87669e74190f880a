"""Which functions of `scipy.stats`, `scipy.signal` and `scipy.fft` are there, and why others are not."""

from __future__ import annotations

import importlib
import inspect
import types
from typing import Any

import pytest
import scipy.fft
import scipy.signal
import scipy.stats

import fgrad.scipy.fft
import fgrad.scipy.signal
import fgrad.scipy.stats

_RANDOM = "random numbers are drawn with a key: fgrad.random"
_FITTED = "a fit is an optimisation: fgrad.optim and fgrad.scipy.optimize"
_TEST = "a test of hypotheses ends in a decision, it is no part of a smooth program"
_TABLES = "it sorts samples into tables and curves"
_OBJECTS = "it is about classes of SciPy's own"
_FILTERS = "the design and the use of recursive filters, which JAX and autograd have not either"
_PEAKS = "it finds places, which have no derivatives"
_OWN_WORDS = "in fgrad.numpy it is a line, and neither JAX nor autograd has it"
_SETTINGS = "it sets up SciPy's own machinery"
_UNUSUAL = "neither JAX nor autograd has it"
_INTEGRALS = "an integral without a closed form, nor a series that is quick"


def _because(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


STATS = {
    **_because(_RANDOM, "ortho_group random_correlation random_table special_ortho_group unitary_group"),
    **_because(_RANDOM, "uniform_direction Mixture make_distribution order_statistic truncate"),
    **_because(_FITTED, "fit FitError boxcox boxcox_llf boxcox_normmax boxcox_normplot yeojohnson yeojohnson_llf"),
    **_because(_FITTED, "yeojohnson_normmax yeojohnson_normplot ppcc_max ppcc_plot probplot linregress theilslopes"),
    **_because(_FITTED, "siegelslopes bayes_mvs mvsdist expectile"),
    **_because(_TEST, "alexandergovern anderson anderson_ksamp ansari barnard_exact bartlett binomtest bootstrap"),
    **_because(_TEST, "boschloo_exact brunnermunzel bws_test chatterjeexi chi2_contingency chisquare combine_pvalues"),
    **_because(_TEST, "cramervonmises cramervonmises_2samp dunnett epps_singleton_2samp f_oneway fisher_exact fligner"),
    **_because(_TEST, "false_discovery_control friedmanchisquare goodness_of_fit jarque_bera kendalltau kruskal"),
    **_because(_TEST, "ks_1samp ks_2samp kstest kurtosistest levene logrank mannwhitneyu median_test monte_carlo_test"),
    **_because(_TEST, "mood multiscale_graphcorr normaltest obrientransform page_trend_test pearsonr permutation_test"),
    **_because(
        _TEST, "pointbiserialr poisson_means_test power power_divergence quantile_test ranksums shapiro somersd"
    ),
    **_because(_TEST, "skewtest spearmanr spearmanrho ttest_1samp ttest_ind ttest_ind_from_stats ttest_rel tukey_hsd"),
    **_because(_TEST, "weightedtau wilcoxon BootstrapMethod MonteCarloMethod PermutationMethod"),
    **_because(_TABLES, "binned_statistic binned_statistic_2d binned_statistic_dd cumfreq ecdf percentileofscore"),
    **_because(_TABLES, "relfreq scoreatpercentile sigmaclip tiecorrect trim1 trim_mean trimboth CensoredData"),
    **_because(_TABLES, "energy_distance wasserstein_distance wasserstein_distance_nd sobol_indices rv_histogram"),
    **_because(_OWN_WORDS, "circmean circstd circvar describe differential_entropy directional_stats entropy gmean"),
    **_because(_OWN_WORDS, "gstd gzscore hmean iqr kstat kstatvar kurtosis lmoment median_abs_deviation moment pmean"),
    **_because(_OWN_WORDS, "quantile skew tmax tmean tmin tsem tstd tvar variation zmap zscore abs exp log"),
    **_because(_OBJECTS, "Binomial Covariance Logistic Normal Uniform rv_continuous rv_discrete test"),
    **_because(_OBJECTS, "ConstantInputWarning DegenerateDataWarning NearConstantInputWarning"),
    **_because(_UNUSUAL, "dirichlet_multinomial invwishart matrix_normal matrix_t multivariate_hypergeom"),
    **_because(_UNUSUAL, "multivariate_t normal_inverse_gamma vonmises_fisher wishart"),
}
"""Functions of `scipy.stats` that are left out; so are distributions that neither JAX nor autograd has."""

METHODS = {
    **_because(_RANDOM, "rvs random_state"),
    **_because(_FITTED, "fit fit_loc_scale nnlf expect"),
    **_because(_OWN_WORDS, "stats moment generic_moment mean median std var interval support entropy"),
    **_because(_OBJECTS, "a b badvalue xtol freeze moment_type name numargs shapes vecentropy inc moment_tol"),
}
"""Methods of SciPy's distributions that are left out; `poisson.entropy` is there, as in JAX."""

SERIES = {
    "bernoulli": "isf",
    "betabinom": "cdf sf logcdf logsf ppf isf",
    "binom": "ppf isf",
    "geom": "isf",
    "nbinom": "ppf isf",
    "poisson": "ppf isf",
    "vonmises": "cdf sf logcdf logsf ppf isf",
}
"""Functions that are sums or searches in SciPy too, of distributions that are there."""

SIGNAL = {
    **_because(_FILTERS, "BadCoefficients StateSpace TransferFunction ZerosPolesGain abcd_normalize band_stop_obj"),
    **_because(_FILTERS, "bessel besselap bilinear bilinear_zpk bode buttap butter buttord cheb1ap cheb1ord cheb2ap"),
    **_because(_FILTERS, "cheb2ord cheby1 cheby2 cont2discrete dbode decimate deconvolve dfreqresp dimpulse dlsim"),
    **_because(
        _FILTERS, "dlti dstep ellip ellipap ellipord filtfilt findfreqs firls firwin firwin2 firwin_2d freqresp"
    ),
    **_because(_FILTERS, "freqs freqs_zpk freqz freqz_sos freqz_zpk gammatone group_delay iircomb iirdesign iirfilter"),
    **_because(
        _FILTERS, "iirnotch iirpeak impulse invres invresz kaiser_atten kaiser_beta kaiserord lfilter lfilter_zi"
    ),
    **_because(_FILTERS, "lfiltic lp2bp lp2bp_zpk lp2bs lp2bs_zpk lp2hp lp2hp_zpk lp2lp lp2lp_zpk lsim lti normalize"),
    **_because(_FILTERS, "minimum_phase place_poles remez residue residuez savgol_coeffs savgol_filter sos2tf sos2zpk"),
    **_because(_FILTERS, "sosfilt sosfilt_zi sosfiltfilt sosfreqz ss2tf ss2zpk step symiirorder1 symiirorder2 tf2sos"),
    **_because(
        _FILTERS, "tf2ss tf2zpk unique_roots upfirdn zpk2sos zpk2ss zpk2tf wiener order_filter medfilt medfilt2d"
    ),
    **_because(_FILTERS, "resample resample_poly sepfir2d"),
    **_because(_PEAKS, "argrelextrema argrelmax argrelmin find_peaks find_peaks_cwt peak_prominences peak_widths"),
    **_because(_UNUSUAL, "CZT ZoomFFT ShortTimeFFT czt czt_points zoom_fft check_COLA check_NOLA choose_conv_method"),
    **_because(_UNUSUAL, "closest_STFT_dual_window correlation_lags envelope hilbert hilbert2 lombscargle spectrogram"),
    **_because(_UNUSUAL, "oaconvolve vectorstrength cspline1d cspline1d_eval cspline2d qspline1d qspline1d_eval"),
    **_because(_UNUSUAL, "qspline2d gauss_spline spline_filter"),
    **_because(_OWN_WORDS, "chirp gausspulse max_len_seq sawtooth square sweep_poly unit_impulse"),
    "test": _SETTINGS,
}

FFT = {
    **_because(_SETTINGS, "get_workers register_backend set_backend set_global_backend set_workers skip_backend test"),
    **_because(_SETTINGS, "next_fast_len prev_fast_len"),
    **_because(_UNUSUAL, "fht fhtoffset ifht hfft2 hfftn ihfft2 ihfftn"),
}

LEFT_OUT = {"stats": STATS, "signal": SIGNAL, "fft": FFT}

JAX = {
    "bernoulli": "cdf logpmf pmf ppf",
    "beta": "cdf logcdf logpdf logsf pdf sf",
    "betabinom": "logpmf pmf",
    "binom": "logpmf pmf",
    "cauchy": "cdf isf logcdf logpdf logsf pdf ppf sf",
    "chi2": "cdf logcdf logpdf logsf pdf sf",
    "dirichlet": "logpdf pdf",
    "expon": "cdf logcdf logpdf logsf pdf ppf sf",
    "gamma": "cdf logcdf logpdf logsf pdf sf",
    "gennorm": "cdf logpdf pdf",
    "geom": "logpmf pmf",
    "gumbel_l": "cdf logcdf logpdf logsf pdf ppf sf",
    "gumbel_r": "cdf logcdf logpdf logsf pdf ppf sf",
    "laplace": "cdf logpdf pdf",
    "logistic": "cdf isf logpdf pdf ppf sf",
    "multinomial": "logpmf pmf",
    "multivariate_normal": "logpdf pdf",
    "nbinom": "logpmf pmf",
    "norm": "cdf isf logcdf logpdf logsf pdf ppf sf",
    "pareto": "cdf logcdf logpdf logsf pdf ppf sf",
    "poisson": "cdf entropy logpmf pmf",
    "t": "logpdf pdf",
    "truncnorm": "cdf logcdf logpdf logsf pdf sf",
    "uniform": "cdf logpdf pdf ppf",
    "vonmises": "logpdf pdf",
    "wrapcauchy": "logpdf pdf",
}
"""The distributions of JAX, and their functions."""

AUTOGRAD = {
    "beta": "cdf logpdf pdf",
    "chi2": "cdf logpdf pdf",
    "dirichlet": "logpdf pdf",
    "gamma": "cdf logpdf pdf",
    "multivariate_normal": "entropy logpdf pdf",
    "norm": "cdf logcdf logpdf logsf pdf sf",
    "poisson": "cdf logpmf pmf",
    "t": "cdf logcdf logpdf pdf",
}
"""Those of HIPS autograd."""

KDE = {
    "set_bandwidth": "it writes into the estimate: make another one",
    "integrate_box": _INTEGRALS,
    "marginal": _UNUSUAL,
}
KDE["covariance_factor"] = "what it returns is the attribute `factor`"


def public(module: Any) -> set[str]:
    return {n for n in dir(module) if not n.startswith("_") and not isinstance(getattr(module, n), types.ModuleType)}


def is_distribution(value: Any) -> bool:
    return isinstance(value, (scipy.stats.rv_continuous, scipy.stats.rv_discrete))


@pytest.mark.parametrize("name", LEFT_OUT)
def test_every_function_of_scipy_is_there_or_left_out_for_a_reason(name: str) -> None:
    theirs, ours = getattr(scipy, name), getattr(fgrad.scipy, name)
    missing = {n for n in public(theirs) if n not in ours.__all__ and not is_distribution(getattr(theirs, n))}
    unexplained = missing - set(LEFT_OUT[name])
    assert not unexplained, f"not in fgrad.scipy.{name}: {sorted(unexplained)}"
    assert not set(LEFT_OUT[name]) & set(ours.__all__)


@pytest.mark.parametrize("peer", [JAX, AUTOGRAD], ids=["jax", "autograd"])
def test_every_distribution_of_the_peers_is_there(peer: dict[str, str]) -> None:
    for name, functions in peer.items():
        distribution = getattr(fgrad.scipy.stats, name)
        module = importlib.import_module(f"fgrad.scipy.stats.{name}")
        for function in functions.split():
            assert callable(getattr(distribution, function))
            assert hasattr(module, function)


def test_every_method_of_scipys_distributions_is_there_or_left_out_for_a_reason() -> None:
    for name in fgrad.scipy.stats.__all__:
        if not is_distribution(getattr(scipy.stats, name, None)):
            continue
        ours = getattr(fgrad.scipy.stats, name)
        missing = {f for f in public(getattr(scipy.stats, name)) if not (f in ours.functions and ours.has(f))}
        unexplained = missing - set(METHODS) - set(SERIES.get(name, "").split())
        assert not unexplained, f"not in fgrad.scipy.stats.{name}: {sorted(unexplained)}"
        assert not [f for f in SERIES.get(name, "").split() if f in ours.functions and ours.has(f)]


def test_every_method_of_an_estimate_is_there_or_left_out_for_a_reason() -> None:
    missing = public(scipy.stats.gaussian_kde) - {*dir(fgrad.scipy.stats.gaussian_kde), *_attributes()}
    assert missing == set(KDE)


def _attributes() -> set[str]:
    return set(fgrad.scipy.stats.gaussian_kde.__annotations__)


def test_the_list_of_jax_is_complete() -> None:
    jax = pytest.importorskip("jax.scipy")
    for module in (jax.stats, jax.signal, jax.fft):
        ours = importlib.import_module(module.__name__.replace("jax", "fgrad"))
        assert {n for n in public(module) if inspect.isroutine(getattr(module, n))} <= set(ours.__all__)
    for name in vars(jax.stats):
        value = getattr(jax.stats, name)
        if not name.startswith("_") and isinstance(value, types.ModuleType):
            assert public(value) - {"annotations"} <= {*JAX[name].split(), *dir(value)}
            assert set(JAX[name].split()) <= public(value)


def test_functions_have_documentation() -> None:
    for name in LEFT_OUT:
        module = getattr(fgrad.scipy, name)
        assert all(getattr(module, n).__doc__ for n in module.__all__)
