"""What a dataset knows about all its images: which exist, where each came from, and a cache.

`listing` is the truth, one folder listing. `sources` (a table) and `manifest` (a cache) are derived
from the records and can be rebuilt from them.
"""
