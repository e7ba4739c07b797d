"""Price an option that depends on a path, by simulating a million paths: each item of the map has random numbers of its own."""

import numpy as np

from clustrix import cluster

DAYS, RATE, VOLATILITY = 250, 0.03, 0.25
START, STRIKE = 100.0, 100.0


@cluster(memory="500MB")
def payoffs(seed: np.random.SeedSequence, paths: int) -> tuple[float, float]:
    """Sum of the discounted payoffs of an Asian call (that pays what the mean of the path is above the strike), and of their squares."""
    rng = np.random.default_rng(seed)
    day = 1 / DAYS
    steps = rng.normal((RATE - VOLATILITY**2 / 2) * day, VOLATILITY * day**0.5, (paths, DAYS))
    means = START * np.exp(steps.cumsum(axis=1)).mean(axis=1)
    paid = np.exp(-RATE) * np.maximum(means - STRIKE, 0)
    return float(paid.sum()), float((paid**2).sum())


def main() -> None:
    # One seed for the program, one child of it for each item: the answer is the same with any number of workers.
    seeds = np.random.SeedSequence(2026).spawn(100)
    paths = 10_000
    jobs = payoffs.map(seeds, paths=paths)

    total = squares = 0.0
    for done, (paid, squared) in enumerate(jobs, start=1):
        total, squares = total + paid, squares + squared
        if done in (1, 10, 100):
            price = total / (done * paths)
            error = ((squares / (done * paths) - price**2) / (done * paths)) ** 0.5
            print(f"{done * paths:9,} paths: {price:.3f} ± {error:.3f}")


if __name__ == "__main__":
    main()
