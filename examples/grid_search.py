"""Find the best parameters of a classifier: the fits of scikit-learn's grid search run as jobs, several in each."""

from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC

import clustrix.joblib

GRID = {"C": [0.1, 1, 10], "gamma": [0.0003, 0.001, 0.003]}


def main() -> None:
    images, digits = load_digits(return_X_y=True)
    seen, unseen, known, truth = train_test_split(images, digits, random_state=0)

    clustrix.joblib.register()
    search = GridSearchCV(SVC(), GRID, cv=5)
    with parallel_config(backend="clustrix"):  # also: cores=2, memory="1GB", n_jobs=20
        search.fit(seen, known)

    print("    C   gamma   right")
    found = search.cv_results_
    for row in found["rank_test_score"].argsort(kind="stable"):
        parameters = found["params"][row]
        print(f"{parameters['C']:5} {parameters['gamma']:7} {found['mean_test_score'][row]:7.1%}")
    print(f"best: {search.best_params_}")
    print(f"of {len(unseen)} images that it has not seen, it reads {search.score(unseen, truth):.1%} right")


if __name__ == "__main__":
    main()
