"""A pipeline that fails half-way; repair the cause, run it again, and only what is missing runs."""

import time

from clustrix import AsyncJobResult, cluster, gather

RAW = {
    "monday": "12.5 13.1 11.9",
    "tuesday": "12.9 13.3 12.4",
    "wednesday": "13.0 1E.2 12.2",  # a slip
    "thursday": "13.4 13.9 12.8",
    "friday": "14.1 14.4 13.3",
}


@cluster(reuse=True)
def clean(day: str, text: str) -> list[float]:
    """The slow step, once for each day."""
    time.sleep(0.5)
    return [float(word) for word in text.split()]


@cluster(reuse=True)
def trend(days: dict[str, list[float]]) -> float:
    """How much the means rise from one day to the next."""
    means = [sum(values) / len(values) for values in days.values()]
    return (means[-1] - means[0]) / (len(means) - 1)


def pipeline(raw: dict[str, str]) -> None:
    # Calls, and not one map: each is recognised by itself.
    steps: list[AsyncJobResult[list[float]]] = [clean.submit(day, text) for day, text in raw.items()]
    cleaned = dict(zip(raw, gather(*steps, return_exceptions=True), strict=True))
    run = sum(not step.reused for step in steps)
    print(f"{run} of {len(steps)} days had to be cleaned")
    for day, found in cleaned.items():
        if isinstance(found, Exception):
            raise ValueError(f"{day}: {found}") from found
    print(f"it gets warmer by {trend(cleaned):.2f} degrees a day")


def main() -> None:
    try:
        pipeline(RAW)
    except ValueError as error:
        print(f"failed: {error}")
    print("repaired, again:")
    pipeline({**RAW, "wednesday": RAW["wednesday"].replace("1E.2", "13.2")})


if __name__ == "__main__":
    main()
