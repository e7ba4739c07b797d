"""scikit-learn over the joblib backend: nothing in it knows where its fits run."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import clustrix.joblib
from clustrix.listing import jobs

pytestmark = [pytest.mark.usefixtures("state"), pytest.mark.slow]


def test_grid_search_comes_to_what_it_comes_to_with_loky() -> None:
    """Every score of every split is the same to the last bit, and so are the ranks, the best parameters and the fit with them."""
    clustrix.joblib.register()
    here, there = _search("loky"), _search("clustrix")
    assert [job.name for job in jobs()].count("joblib") > 1
    compared = [name for name in here.cv_results_ if "time" not in name]
    assert len([name for name in compared if name.startswith("split")]) == 3
    for name in compared:
        np.testing.assert_array_equal(there.cv_results_[name], here.cv_results_[name], err_msg=name)
    assert there.best_params_ == here.best_params_
    np.testing.assert_array_equal(there.best_estimator_.dual_coef_, here.best_estimator_.dual_coef_)


def _search(backend: str) -> GridSearchCV:
    data, digits = load_digits(n_class=4, return_X_y=True)
    search = GridSearchCV(SVC(), {"C": [0.1, 10], "gamma": [0.001, 0.05]}, cv=3)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        return search.fit(data, digits)
