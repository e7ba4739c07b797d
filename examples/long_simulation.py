"""Simulate a magnet for longer than a job may take: at its time limit the job saves where it is, and goes on in the next."""

import time

import numpy as np

from clustrix import checkpoint, cluster, current_job, restore

SIZE, SWEEPS = 48, 300


@cluster(time="4 s", on_time_limit="requeue")
def magnetise(temperature: float, seed: int) -> tuple[list[float], int]:
    """Magnetisation of the Ising model after every 50 sweeps; and how many jobs it took."""
    rng = np.random.default_rng(seed)
    spins, history, done = np.ones((SIZE, SIZE), dtype=int), [], 0
    spins, history, done, rng = restore((spins, history, done, rng))
    board = np.indices((SIZE, SIZE)).sum(axis=0) % 2
    while done < SWEEPS:
        time.sleep(0.02)  # as a larger magnet would take
        for colour in (0, 1):
            around = sum(np.roll(spins, step, axis) for step in (1, -1) for axis in (0, 1))
            flips = rng.random((SIZE, SIZE)) < np.exp(-2 * spins * around / temperature)
            spins = np.where(flips & (board == colour), -spins, spins)
        done += 1
        if done % 50 == 0:
            history.append(float(abs(spins.mean())))
        if done % 10 == 0:  # every fifth of a second: each is a file that is on disk
            checkpoint((spins, history, done, rng))
    job = current_job()
    return history, job.attempt if job else 1


def main() -> None:
    temperatures = [1.8, 3.0]
    calls = [magnetise.submit(temperature, seed=1) for temperature in temperatures]
    print("sweeps      " + "".join(f"{sweeps:6}" for sweeps in range(50, SWEEPS + 1, 50)))
    for temperature, call in zip(temperatures, calls, strict=True):
        history, attempts = call.result()
        print(
            f"T = {temperature}     "
            + "".join(f"{value:6.2f}" for value in history)
            + f"   in {attempts} jobs"
        )
    print("below T = 2.27 a magnet stays one")


if __name__ == "__main__":
    main()
