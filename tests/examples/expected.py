"""What the examples print; … stands for what may be different each time."""

EXPECTED = {
    "grid_search": """
    C   gamma   right
   10  0.0003   99.3%
   10   0.001   99.2%
    1   0.001   99.1%
   10   0.003   98.7%
    1   0.003   98.7%
    1  0.0003   98.4%
  0.1   0.001   96.0%
  0.1  0.0003   94.1%
  0.1   0.003   85.4%
best: {'C': 10, 'gamma': 0.0003}
of 450 images that it has not seen, it reads 99.1% right
""",
    "monte_carlo": """
   10,000 paths: 6.429 ± 0.098
  100,000 paths: 6.457 ± 0.031
1,000,000 paths: 6.432 ± 0.010
""",
    "thumbnails": """
notes.png: UnidentifiedImageError
moon-00.png  brightness  13.0
moon-05.png  brightness  18.9
moon-10.png  brightness  24.8
moon-03.png  brightness  30.6
moon-08.png  brightness  36.3
moon-01.png  brightness  41.7
moon-06.png  brightness  46.8
moon-11.png  brightness  51.5
moon-04.png  brightness  55.8
moon-09.png  brightness  59.4
moon-02.png  brightness  62.1
moon-07.png  brightness  63.2
thumbnails.png: 12 images, 384 x 288
""",
    "time_series": """
70,080 readings of 8 stations
           station  celsius  score
time
2025-06-20      S4     48.2    5.5
2025-11-08      S2     32.0    5.4
2025-01-31      S7    -10.5   -5.4
2025-05-18      S1     -2.4   -5.3
2025-08-26      S2     42.7    5.3
2025-10-16      S5     37.9    4.1
""",
    "long_simulation": """
sweeps          50   100   150   200   250   300
T = 1.8       0.97  0.94  0.96  0.96  0.96  0.96   in … jobs
T = 3.0       0.05  0.01  0.10  0.07  0.03  0.17   in … jobs
below T = 2.27 a magnet stays one
""",
    "pipeline": """
5 of 5 days had to be cleaned
failed: wednesday: could not convert string to float: '1E.2'
repaired, again:
1 of 5 days had to be cleaned
it gets warmer by 0.36 degrees a day
""",
}
