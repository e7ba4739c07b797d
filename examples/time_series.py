"""Find the days on which sensors were wrong: a year of hours from eight stations, a table to each job, a table back."""

import numpy as np
import pandas as pd

from clustrix import cluster


@cluster(memory="1GB")
def outliers(station: str, readings: pd.DataFrame) -> pd.DataFrame:
    """Days whose mean is far from what the month around it is like."""
    days = readings.set_index("time")["celsius"].resample("D").mean()
    usual = days.rolling(31, center=True, min_periods=10)
    score = (days - usual.median()) / usual.std()
    odd = score[score.abs() > 4]
    return pd.DataFrame({"station": station, "celsius": days[odd.index].round(1), "score": odd.round(1)})


def measured() -> pd.DataFrame:
    """Seasons, days and noise; on a few days a sensor has stood in the sun, or has been unplugged."""
    rng = np.random.default_rng(7)
    hours = pd.date_range("2025-01-01", periods=365 * 24, freq="h")
    season = np.asarray(
        -9 * np.cos(2 * np.pi * hours.day_of_year / 365) - 4 * np.cos(2 * np.pi * hours.hour / 24)
    )
    tables = []
    for number in range(8):
        celsius = 10 + number + season + rng.normal(0, 2, len(hours))
        for day in rng.integers(20, 345, number % 3):
            celsius[day * 24 : day * 24 + 24] += rng.choice([-20, 25])
        tables.append(pd.DataFrame({"station": f"S{number}", "time": hours, "celsius": celsius}))
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    readings = measured()
    print(f"{len(readings):,} readings of {readings['station'].nunique()} stations")
    tables = outliers.starmap(readings.groupby("station")).result()
    odd = pd.concat(tables).sort_values("score", key=abs, ascending=False, kind="stable")
    print(odd.to_string())


if __name__ == "__main__":
    main()
